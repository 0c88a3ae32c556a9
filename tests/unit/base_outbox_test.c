#include "base/outbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/frame.h"

struct fixture {
    struct budget budget;
    struct block_pool pool;
    struct outbox q;
    uint8_t wire[1 << 20]; /* what has been written */
    size_t wire_size;
};

static struct fixture fixture;

static struct fixture *begin(size_t budget_bytes, size_t max_bytes)
{
    fixture.budget = (struct budget){.max_bytes = budget_bytes};
    block_pool_init(&fixture.pool, &fixture.budget, 1 << 20);
    outbox_init(&fixture.q, &fixture.pool, &fixture.pool, max_bytes);
    fixture.wire_size = 0;
    return &fixture;
}

static void end(struct fixture *f)
{
    outbox_close(&f->q);
    block_pool_close(&f->pool);
    assert_int_equal(f->budget.used_bytes, 0);
}

static int push_to(struct outbox *q, enum outbox_kind kind, uint8_t tag,
        struct bytes head, struct bytes body)
{
    return outbox_push(q, &(struct outbox_frame){kind, tag, head, body});
}

static int push(struct fixture *f, enum outbox_kind kind, const char *text)
{
    return push_to(&f->q, kind, 0x20, bytes_text(""), bytes_text(text));
}

/* Writes at most `max` bytes of what is gathered, as a socket would. */
static size_t write_some(struct fixture *f, size_t max)
{
    struct bytes pieces[16];
    size_t count = outbox_gather(&f->q, pieces, 16, 1 << 20);
    size_t written = 0;

    for (size_t i = 0; i < count && written < max; i++) {
        size_t n =
                pieces[i].size < max - written ? pieces[i].size : max - written;

        memcpy(f->wire + f->wire_size, pieces[i].data, n);
        f->wire_size += n;
        written += n;
    }
    outbox_advance(&f->q, written);
    return written;
}

/* The payloads on the wire, first bytes only, as one word. */
static const char *wire_order(const struct fixture *f)
{
    static char order[64];
    struct bytes rest = bytes_of(f->wire, f->wire_size);
    size_t n = 0;
    struct frame frame;
    size_t size;

    while (frame_peek(rest, &frame, &size) == FRAME_WHOLE) {
        order[n++] = (char)frame.payload.data[0];
        rest = bytes_skip(rest, size);
    }
    assert_int_equal(rest.size, 0);
    order[n] = '\0';
    return order;
}

static void small_frames_share_one_piece(void **state)
{
    struct fixture *f = begin(1 << 20, 1 << 20);
    struct bytes pieces[4];

    (void)state;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(push(f, OUTBOX_BULK, "abc"), 0);
    }
    assert_int_equal(f->q.queued_frames, 100);
    assert_int_equal(outbox_gather(&f->q, pieces, 4, 1 << 20), 1);
    assert_int_equal(pieces[0].size, 100 * 8);
    outbox_advance(&f->q, 800);
    assert_true(outbox_is_empty(&f->q));
    assert_int_equal(f->q.queued_frames, 0);
    end(f);
}

static void a_frame_is_length_tag_head_body(void **state)
{
    struct fixture *f = begin(1 << 20, 1 << 20);

    (void)state;
    assert_int_equal(push_to(&f->q, OUTBOX_BULK, 0x05,
                             bytes_of("\x2a\0\0\0", 4), bytes_text("xy")),
            0);
    write_some(f, SIZE_MAX);
    assert_int_equal(f->wire_size, 11);
    assert_memory_equal(f->wire, "\0\0\0\x07\x05\x2a\0\0\0xy", 11);
    end(f);
}

static void a_large_frame_is_gathered_whole(void **state)
{
    struct fixture *f = begin(1 << 20, 1 << 20);
    static uint8_t body[64 * 1024];

    (void)state;
    memset(body, 'L', sizeof(body));
    push(f, OUTBOX_BULK, "a");
    assert_int_equal(push_to(&f->q, OUTBOX_BULK, 0x05, bytes_text("head"),
                             bytes_of(body, sizeof(body))),
            0);
    assert_int_equal(f->budget.used_bytes, 128 * 1024);
    push(f, OUTBOX_BULK, "b");
    write_some(f, SIZE_MAX);
    assert_string_equal(wire_order(f), "ahb");
    end(f);
}

static void what_is_urgent_overtakes_what_waits(void **state)
{
    struct fixture *f = begin(1 << 20, 1 << 20);

    (void)state;
    push(f, OUTBOX_BULK, "1");
    push(f, OUTBOX_BULK, "2");
    push(f, OUTBOX_URGENT, "a");
    push(f, OUTBOX_URGENT, "b");
    write_some(f, SIZE_MAX);
    assert_string_equal(wire_order(f), "ab12");
    end(f);
}

static void a_begun_frame_is_finished_first_wherever_it_was_cut(void **state)
{
    (void)state;
    for (size_t cut = 1; cut < 11; cut++) {
        struct fixture *f = begin(1 << 20, 1 << 20);

        push(f, OUTBOX_BULK, "1");
        push(f, OUTBOX_BULK, "2");
        assert_int_equal(write_some(f, cut), cut);
        push(f, OUTBOX_BULK, "3");
        push(f, OUTBOX_URGENT, "a");
        write_some(f, SIZE_MAX);
        assert_string_equal(wire_order(f), "12a3");
        end(f);
    }
}

static void gathering_again_repeats_what_was_not_written(void **state)
{
    struct fixture *f = begin(1 << 20, 1 << 20);
    struct bytes first[4];
    struct bytes again[4];

    (void)state;
    push(f, OUTBOX_BULK, "1");
    assert_int_equal(outbox_gather(&f->q, first, 4, 1 << 20), 1);
    push(f, OUTBOX_URGENT, "a");
    assert_int_equal(outbox_gather(&f->q, again, 4, 1 << 20), 2);
    assert_ptr_equal(again[0].data, first[0].data);
    assert_int_equal(again[0].size, first[0].size);
    end(f);
}

static void a_gather_stays_within_its_bytes(void **state)
{
    struct fixture *f = begin(1 << 20, 1 << 20);
    struct bytes pieces[4];
    static uint8_t body[4000];

    (void)state;
    for (int i = 0; i < 3; i++) {
        push_to(&f->q, OUTBOX_BULK, 5, bytes_text(""),
                bytes_of(body, sizeof(body)));
    }
    assert_int_equal(outbox_gather(&f->q, pieces, 4, 5000), 2);
    assert_int_equal(pieces[0].size + pieces[1].size, 5000);
    assert_int_equal(outbox_gather(&f->q, pieces, 1, 5000), 1);
    end(f);
}

static void a_block_is_not_bounded_and_bounds_nobody(void **state)
{
    struct fixture *f = begin(1 << 20, 16);
    struct block *b = block_new(&f->pool, 200);

    (void)state;
    block_append(b, bytes_text("B"));
    block_grow(b, 199);
    block_frame(b, 0x32);
    assert_int_equal(push(f, OUTBOX_BULK, "abc"), 0);
    outbox_push_block(&f->q, b);
    assert_int_equal(push(f, OUTBOX_BULK, "def"), 0);
    assert_int_equal(push(f, OUTBOX_BULK, "ghi"), ERR_FULL);
    write_some(f, SIZE_MAX);
    assert_string_equal(wire_order(f), "aBd");
    end(f);
}

static void an_empty_queue_takes_any_one_frame(void **state)
{
    struct fixture *f = begin(1 << 20, 4);

    (void)state;
    assert_int_equal(push(f, OUTBOX_BULK, "long enough"), 0);
    assert_int_equal(push(f, OUTBOX_BULK, "m"), ERR_FULL);
    write_some(f, SIZE_MAX);
    assert_int_equal(push(f, OUTBOX_BULK, "next"), 0);
    end(f);
}

static void at_the_bound_a_frame_is_refused_whole(void **state)
{
    struct fixture *f = begin(1 << 20, 16);

    (void)state;
    assert_int_equal(push(f, OUTBOX_BULK, "abc"), 0);
    assert_int_equal(push(f, OUTBOX_BULK, "abc"), 0);
    assert_int_equal(push(f, OUTBOX_BULK, "abc"), ERR_FULL);
    assert_int_equal(push(f, OUTBOX_URGENT, "z"), 0);
    write_some(f, SIZE_MAX);
    assert_string_equal(wire_order(f), "zaa");
    assert_int_equal(push(f, OUTBOX_BULK, "abc"), 0);
    end(f);
}

static void without_memory_a_frame_is_refused(void **state)
{
    struct fixture *f = begin(64 * 1024, 1 << 20);
    static uint8_t body[4096];

    (void)state;
    assert_int_equal(push(f, OUTBOX_BULK, "abc"), 0);
    assert_int_equal(push_to(&f->q, OUTBOX_BULK, 5, bytes_text(""),
                             bytes_of(body, sizeof(body))),
            ERR_FULL);
    assert_int_equal(f->q.queued_frames, 1);
    end(f);
}

static void what_waited_elsewhere_is_taken_behind_ours(void **state)
{
    struct fixture *f = begin(1 << 20, 1 << 20);
    struct outbox other;

    (void)state;
    outbox_init(&other, &f->pool, &f->pool, 1 << 20);
    push(f, OUTBOX_BULK, "1");
    push_to(&other, OUTBOX_BULK, 5, bytes_text(""), bytes_text("2"));
    push_to(&other, OUTBOX_URGENT, 5, bytes_text(""), bytes_text("a"));
    outbox_take(&f->q, &other);
    assert_true(outbox_is_empty(&other));
    push(f, OUTBOX_BULK, "3");
    write_some(f, SIZE_MAX);
    assert_string_equal(wire_order(f), "a123");
    outbox_close(&other);
    end(f);
}

static void bulk_does_not_starve_control(void **state)
{
    struct fixture *f = begin(64 * 1024, 1 << 20);
    struct budget aside = {.max_bytes = 128 * 1024};
    struct block_pool control;
    static uint8_t body[1000];

    (void)state;
    block_pool_init(&control, &aside, 1 << 20);
    outbox_init(&f->q, &f->pool, &control, 1 << 20);
    while (push_to(&f->q, OUTBOX_BULK, 5, bytes_text(""),
                   bytes_of(body, sizeof(body))) == 0) {
    }
    assert_int_equal(aside.used_bytes, 0);
    memset(body, 'c', sizeof(body));
    assert_int_equal(push_to(&f->q, OUTBOX_CONTROL, 5, bytes_text(""),
                             bytes_of(body, sizeof(body))),
            0);
    assert_int_equal(push(f, OUTBOX_URGENT, "u"), 0);
    write_some(f, SIZE_MAX);
    assert_int_equal(f->wire[5], 'u');
    assert_int_equal(f->wire[f->wire_size - 1], 'c');
    outbox_close(&f->q);
    block_pool_close(&control);
    outbox_init(&f->q, &f->pool, &f->pool, 1 << 20);
    end(f);
}

static void a_steady_flow_allocates_nothing(void **state)
{
    struct fixture *f = begin(1 << 20, 1 << 20);
    struct block *first;

    (void)state;
    push(f, OUTBOX_BULK, "1");
    first = f->q.open[0];
    for (int i = 0; i < 50; i++) {
        write_some(f, SIZE_MAX);
        push(f, OUTBOX_BULK, "1");
        assert_ptr_equal(f->q.open[0], first);
    }
    end(f);
}

static void a_pool_keeps_no_more_than_it_says(void **state)
{
    struct budget budget = {.max_bytes = 1 << 20};
    struct block_pool pool;
    struct block *blocks[4];

    (void)state;
    block_pool_init(&pool, &budget, 128 * 1024);
    for (int i = 0; i < 4; i++) {
        blocks[i] = block_new(&pool, 64 * 1024);
        assert_non_null(blocks[i]);
    }
    for (int i = 0; i < 4; i++) {
        block_free(blocks[i]);
    }
    assert_int_equal(pool.kept_bytes, 128 * 1024);
    assert_int_equal(budget.used_bytes, 0);
    assert_null(block_new(&pool, (1 << 20) + 1));
    block_pool_close(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(small_frames_share_one_piece),
            cmocka_unit_test(a_frame_is_length_tag_head_body),
            cmocka_unit_test(a_large_frame_is_gathered_whole),
            cmocka_unit_test(what_is_urgent_overtakes_what_waits),
            cmocka_unit_test(
                    a_begun_frame_is_finished_first_wherever_it_was_cut),
            cmocka_unit_test(gathering_again_repeats_what_was_not_written),
            cmocka_unit_test(a_gather_stays_within_its_bytes),
            cmocka_unit_test(a_block_is_not_bounded_and_bounds_nobody),
            cmocka_unit_test(an_empty_queue_takes_any_one_frame),
            cmocka_unit_test(at_the_bound_a_frame_is_refused_whole),
            cmocka_unit_test(without_memory_a_frame_is_refused),
            cmocka_unit_test(what_waited_elsewhere_is_taken_behind_ours),
            cmocka_unit_test(bulk_does_not_starve_control),
            cmocka_unit_test(a_steady_flow_allocates_nothing),
            cmocka_unit_test(a_pool_keeps_no_more_than_it_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
