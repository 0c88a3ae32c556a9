/* The stage `laminar`: frames of peers that know no streams, in and out
 * (docs/wire.md, "The local socket"). */
#include "shuffle/shuffle_streams.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "shuffle/shuffle_record.h"

enum {
    SINK = 1,
    SOURCE = 2,
    BUDGET = 64 << 20,
    MAX_FRAME = 4 << 20,
};

/* One node's streams, and what they asked for last. */
struct fixture {
    struct budget budget;
    struct block_pool blocks;
    struct shuffle_streams st;
    uint64_t now_ms;
    int pauses; /* on minus off */
    unsigned frames; /* that the sink got */
    uint64_t bytes; /* of records, words included */
    struct shuffle_record last;
    uint8_t *last_copy;
    int state;
    int fail_code;
    bool done;
    bool closed;
    bool read_on;
    unsigned asked; /* LAMINAR actions */
    int answer; /* what the node says to them */
    int written; /* and to whether all is written */
    char fail_text[256];
    uint64_t to_peer;
    uint32_t to_vnode;
    char sent[64]; /* the latest body */
    bool is_held[4]; /* links */
    struct shuffle_wire_mark mark; /* the latest to the sink */
    unsigned marks;
    struct shuffle_wire_mark source_mark;
    struct shuffle_wire_barrier barrier; /* the latest of ours */
    uint64_t barrier_peer;
    unsigned events; /* of the cut, as bits */
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct shuffle_streams_options options = shuffle_streams_defaults();

    assert_non_null(f);
    f->budget.max_bytes = BUDGET;
    block_pool_init(&f->blocks, &f->budget, 1 << 20);
    options.id = 9;
    options.generation = 1;
    options.max_frame_bytes = MAX_FRAME;
    options.blocks = &f->blocks;
    options.budget = &f->budget;
    shuffle_streams_init(&f->st, &options, 0);
    f->state = -1;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    shuffle_streams_close(&f->st);
    block_pool_close(&f->blocks);
    assert_int_equal(f->budget.used_bytes, 0);
    free(f->last_copy);
    free(f);
    return 0;
}

static void take_data(struct fixture *f, struct bytes payload)
{
    struct shuffle_wire_data data;
    struct shuffle_records records;

    assert_true(shuffle_wire_decode_data(payload, &data));
    assert_int_equal(data.first, f->frames);
    free(f->last_copy);
    f->last_copy = malloc(data.records.size);
    assert_non_null(f->last_copy);
    memcpy(f->last_copy, data.records.data, data.records.size);
    records = shuffle_records_of(bytes_of(f->last_copy, data.records.size),
            SHUFFLE_FORMAT_LAMINAR, SIZE_MAX);
    assert_true(shuffle_records_next(&records, &f->last));
    assert_true(records.at == records.end);
    f->frames++;
    f->bytes += data.records.size;
}

static void take_client_frame(
        struct fixture *f, const struct shuffle_streams_action *a)
{
    struct shuffle_wire_state state;
    struct shuffle_wire_fail fail;

    if (a->tag == SHUFFLE_TAG_MARK && a->client == SOURCE) {
        assert_true(shuffle_wire_decode_mark(a->payload, &f->source_mark));
    } else if (a->tag == SHUFFLE_TAG_MARK) {
        assert_true(shuffle_wire_decode_mark(a->payload, &f->mark));
        assert_int_equal(f->mark.next, f->frames);
        f->marks++;
    } else if (a->tag == SHUFFLE_TAG_STATE) {
        assert_true(shuffle_wire_decode_state(a->payload, &state));
        f->state = state.code;
    } else if (a->tag == SHUFFLE_TAG_FAIL) {
        assert_true(shuffle_wire_decode_fail(a->payload, &fail));
        f->fail_code = fail.code;
        (void)snprintf(f->fail_text, sizeof(f->fail_text), "%.*s",
                (int)fail.text.size, (const char *)fail.text.data);
    } else {
        assert_int_equal(a->tag, SHUFFLE_TAG_DONE);
        f->done = true;
    }
}

static void hand_on(struct fixture *f, const struct shuffle_streams_action *a)
{
    f->asked++;
    f->to_peer = a->peer;
    f->to_vnode = a->vnode;
    (void)snprintf(f->sent, sizeof(f->sent), "%.*s", (int)a->payload.size,
            (const char *)a->payload.data);
    shuffle_streams_laminar_sent(
            &f->st, f->now_ms, a->client, f->answer, "no such peer");
}

static void drain(struct fixture *f)
{
    struct shuffle_streams_action a;

    while (shuffle_streams_next(&f->st, &a)) {
        switch (a.type) {
        case SHUFFLE_STREAMS_CLIENT_BLOCK:
            take_data(f, bytes_skip(block_bytes(a.block), 5));
            block_free(a.block);
            break;
        case SHUFFLE_STREAMS_CLIENT_FRAME:
            take_client_frame(f, &a);
            break;
        case SHUFFLE_STREAMS_CLIENT_READ:
            f->read_on = a.on;
            break;
        case SHUFFLE_STREAMS_CLIENT_CLOSE:
            f->closed = true;
            break;
        case SHUFFLE_STREAMS_LAMINAR:
            hand_on(f, &a);
            break;
        case SHUFFLE_STREAMS_LAMINAR_FLUSH:
            shuffle_streams_laminar_sent(
                    &f->st, f->now_ms, a.client, f->written, "");
            break;
        case SHUFFLE_STREAMS_LAMINAR_PAUSE:
            f->pauses += a.on ? 1 : -1;
            break;
        case SHUFFLE_STREAMS_LINK_HOLD:
            assert_int_not_equal(f->is_held[a.link], a.on);
            f->is_held[a.link] = a.on;
            break;
        case SHUFFLE_STREAMS_BARRIER:
            assert_int_equal(a.payload.size, sizeof(f->barrier_peer));
            memcpy(&f->barrier_peer, a.payload.data, a.payload.size);
            f->barrier = a.barrier;
            break;
        case SHUFFLE_STREAMS_CUT:
            f->events |= 1U << a.event;
            break;
        default:
            fail();
        }
    }
}

static void turn(struct fixture *f)
{
    shuffle_streams_flush(&f->st, ++f->now_ms);
    drain(f);
    shuffle_streams_check(&f->st);
}

static void attach(struct fixture *f, uint32_t client, uint8_t role)
{
    const struct shuffle_wire_attach attach = {
            role, SHUFFLE_FORMAT_LAMINAR, 0, {(const uint8_t *)"laminar", 7}};

    shuffle_streams_attach(&f->st, f->now_ms, client, &attach);
    drain(f);
}

static void grant(struct fixture *f, uint64_t taken, uint64_t limit)
{
    const struct shuffle_wire_grant grant = {0, taken, limit};
    uint8_t payload[SHUFFLE_GRANT_BYTES];
    struct writer w = writer_of(payload, sizeof(payload));

    shuffle_wire_encode_grant(&w, &grant);
    assert_true(shuffle_streams_client(
            &f->st, f->now_ms, SINK, SHUFFLE_TAG_GRANT, writer_bytes(&w)));
    turn(f);
}

static void arrive_on(
        struct fixture *f, uint32_t link, uint64_t peer, const char *body)
{
    const struct shuffle_wire_vnode_data data = {7, bytes_text(body)};

    assert_true(shuffle_streams_laminar(
            &f->st, f->now_ms, link, peer, &data, NULL));
    turn(f);
}

static void arrive(struct fixture *f, uint64_t peer, uint32_t vnode,
        const void *body, size_t size)
{
    const struct shuffle_wire_vnode_data data = {vnode, bytes_of(body, size)};

    assert_true(
            shuffle_streams_laminar(&f->st, f->now_ms, 1, peer, &data, NULL));
    drain(f);
}

static bool give(struct fixture *f, uint64_t first, uint64_t peer,
        uint32_t vnode, const char *body)
{
    uint8_t payload[128];
    struct writer w = writer_of(payload, sizeof(payload));
    bool is_fine;

    shuffle_wire_encode_data_head(&w, 0, first);
    shuffle_record_put_laminar_head(&w, peer, vnode, strlen(body));
    writer_put(&w, bytes_text(body));
    is_fine = shuffle_streams_client(
            &f->st, f->now_ms, SOURCE, SHUFFLE_TAG_DATA, writer_bytes(&w));
    drain(f);
    return is_fine;
}

static void mark(struct fixture *f, uint64_t next)
{
    const struct shuffle_wire_mark mark = {
            .next = next, .flags = SHUFFLE_FLAG_DRAIN};
    uint8_t payload[SHUFFLE_MARK_BYTES];
    struct writer w = writer_of(payload, sizeof(payload));

    shuffle_wire_encode_mark(&w, &mark);
    assert_true(shuffle_streams_client(
            &f->st, f->now_ms, SOURCE, SHUFFLE_TAG_MARK, writer_bytes(&w)));
    drain(f);
}

static void a_sink_gets_peer_vnode_and_bytes(void **state)
{
    struct fixture *f = *state;

    attach(f, SINK, SHUFFLE_ROLE_SINK);
    assert_int_equal(f->state, SHUFFLE_STATE_ATTACHED);
    grant(f, 0, 1000);
    arrive(f, 42, 7, "arrow", 5);
    turn(f);
    assert_int_equal(f->frames, 1);
    assert_int_equal(f->last.peer, 42);
    assert_int_equal(f->last.vnode, 7);
    assert_true(bytes_equal_text(f->last.body, "arrow"));
}

static void what_comes_before_the_sink_waits_for_it(void **state)
{
    struct fixture *f = *state;

    arrive(f, 42, 7, "early", 5);
    turn(f);
    attach(f, SINK, SHUFFLE_ROLE_SINK);
    grant(f, 0, 1000);
    assert_int_equal(f->frames, 1);
    assert_true(bytes_equal_text(f->last.body, "early"));
}

static void peers_are_left_unread_at_a_megabyte(void **state)
{
    struct fixture *f = *state;
    uint8_t *body = calloc(1, 64 << 10);
    struct shuffle_stage_info info;
    unsigned waiting = 0;

    assert_non_null(body);
    while (f->pauses == 0 && waiting < 100) {
        arrive(f, 42, 7, body, 64 << 10);
        waiting++;
    }
    assert_int_equal(waiting, 16);
    assert_true(shuffle_streams_stage_at(&f->st, 0, &info));
    assert_true(bytes_equal_text(info.name, "laminar"));
    assert_true(info.waiting_bytes >= 1 << 20);
    attach(f, SINK, SHUFFLE_ROLE_SINK);
    grant(f, 0, 300 << 10);
    assert_int_equal(f->pauses, 1); /* more than half of it still waits */
    grant(f, 4, 700 << 10);
    assert_int_equal(f->pauses, 0);
    free(body);
}

static void a_large_frame_goes_when_all_before_it_is_confirmed(void **state)
{
    struct fixture *f = *state;
    uint8_t *body = calloc(1, 2 << 20);

    assert_non_null(body);
    attach(f, SINK, SHUFFLE_ROLE_SINK);
    grant(f, 0, 64 << 10);
    arrive(f, 42, 7, "small", 5);
    arrive(f, 42, 8, body, 2 << 20);
    turn(f);
    assert_int_equal(f->frames, 1);
    grant(f, 1, 64 << 10);
    assert_int_equal(f->frames, 2);
    assert_int_equal(f->last.body.size, 2 << 20);
    free(body);
}

/* The frame as the connection's inbox has it, and no more memory than that. */
static void a_long_frame_waits_in_the_memory_it_was_read_into(void **state)
{
    struct fixture *f = *state;
    size_t size = 3 << 20;
    struct block *own = block_new(&f->blocks, 9 + size);
    struct shuffle_wire_vnode_data data = {.vnode = 8};
    size_t used_bytes = f->budget.used_bytes;

    assert_non_null(own);
    f->budget.max_bytes = used_bytes; /* there is no room for a copy */
    memset(block_end(own), 'x', 9 + size);
    block_grow(own, 9 + size);
    data.body = bytes_skip(block_bytes(own), 9);
    assert_true(shuffle_streams_laminar(&f->st, f->now_ms, 1, 42, &data, own));
    assert_int_equal(f->budget.used_bytes, used_bytes);
    attach(f, SINK, SHUFFLE_ROLE_SINK);
    grant(f, 0, 1);
    assert_int_equal(f->frames, 1);
    assert_int_equal(f->last.vnode, 8);
    assert_int_equal(f->last.body.size, size);
    assert_int_equal(f->last.body.data[0], 'x');
    assert_int_equal(f->budget.used_bytes, 0);
}

static void without_memory_the_connection_ends_and_none_is_read(void **state)
{
    struct fixture *f = *state;
    const struct shuffle_wire_vnode_data data = {7, bytes_text("arrow")};

    f->budget.max_bytes = 0;
    assert_false(
            shuffle_streams_laminar(&f->st, f->now_ms, 1, 42, &data, NULL));
    turn(f);
    turn(f);
    assert_int_equal(f->pauses, 1);
    assert_true(shuffle_streams_deadline_ms(&f->st) > f->now_ms);
    f->budget.max_bytes = BUDGET;
    f->now_ms = shuffle_streams_deadline_ms(&f->st);
    shuffle_streams_tick(&f->st, f->now_ms);
    drain(f);
    assert_int_equal(f->pauses, 0);
}

static void no_more_is_confirmed_than_was_delivered(void **state)
{
    struct fixture *f = *state;
    const struct shuffle_wire_grant early = {0, 1, 1000};
    uint8_t payload[SHUFFLE_GRANT_BYTES];
    struct writer w = writer_of(payload, sizeof(payload));

    attach(f, SINK, SHUFFLE_ROLE_SINK);
    shuffle_wire_encode_grant(&w, &early);
    assert_false(shuffle_streams_client(
            &f->st, f->now_ms, SINK, SHUFFLE_TAG_GRANT, writer_bytes(&w)));
}

static void credit_is_kept_to(void **state)
{
    struct fixture *f = *state;

    attach(f, SINK, SHUFFLE_ROLE_SINK);
    grant(f, 0, 3 * 21);
    for (size_t i = 0; i < 10; i++) {
        arrive(f, 42, 7, "12345", 5);
    }
    turn(f);
    assert_int_equal(f->frames, 3);
    grant(f, 2, 5 * 21);
    assert_int_equal(f->frames, 5);
}

static void a_source_names_where_its_records_go(void **state)
{
    struct fixture *f = *state;

    attach(f, SOURCE, SHUFFLE_ROLE_SOURCE);
    assert_true(f->read_on);
    assert_true(give(f, 0, 42, 7, "one"));
    assert_int_equal(f->to_peer, 42);
    assert_int_equal(f->to_vnode, 7);
    assert_string_equal(f->sent, "one");
    assert_true(give(f, 1, 43, 8, "two"));
    assert_string_equal(f->sent, "two");
    assert_true(f->read_on);
    mark(f, 2);
    assert_true(f->done);
    assert_true(f->closed);
    assert_true(shuffle_streams_is_idle(&f->st));
}

static void a_full_pool_leaves_the_source_unread(void **state)
{
    struct fixture *f = *state;

    attach(f, SOURCE, SHUFFLE_ROLE_SOURCE);
    f->answer = ERR_FULL;
    assert_true(give(f, 0, 42, 7, "one"));
    assert_true(give(f, 1, 42, 7, "two")); /* the same read brought it */
    mark(f, 2);
    assert_false(f->read_on);
    turn(f);
    turn(f);
    assert_false(f->done);
    assert_string_equal(f->sent, "one");
    f->answer = 0;
    turn(f);
    assert_string_equal(f->sent, "two");
    assert_true(f->done);
}

static void a_source_is_done_when_all_is_written(void **state)
{
    struct fixture *f = *state;

    attach(f, SOURCE, SHUFFLE_ROLE_SOURCE);
    f->written = ERR_FULL;
    assert_true(give(f, 0, 42, 7, "one"));
    mark(f, 1);
    turn(f);
    turn(f);
    assert_false(f->done);
    f->written = 0;
    turn(f);
    assert_true(f->done);
}

/* The link to the peer has broken. */
static void lose(
        struct fixture *f, uint64_t peer, uint64_t unsent, uint64_t unacked)
{
    const struct shuffle_laminar_loss loss = {unsent, unacked};

    shuffle_streams_laminar_lost(&f->st, f->now_ms, peer, &loss, "reset");
    drain(f);
}

static const struct {
    uint64_t unsent;
    uint64_t unacked;
    const char *range;
} ranges[] = {
        {0, 0,
                "between 0 and 4 frames may be lost; its system had "
                "acknowledged 4 of them"},
        {1, 3,
                "between 1 and 4 frames may be lost; its system had "
                "acknowledged 1 of them"},
        {5, 5,
                "between 4 and 4 frames may be lost; its system had "
                "acknowledged 0 of them"},
        {UINT64_MAX, UINT64_MAX, "between 4 and 4 frames may be lost"},
};

static void the_range_is_what_the_system_knows(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        attach(f, SOURCE, SHUFFLE_ROLE_SOURCE);
        for (uint64_t first = 0; first < 4; first++) {
            assert_true(give(f, first, 42, 7, "one"));
        }
        lose(f, 42, ranges[i].unsent, ranges[i].unacked);
        assert_string_equal(
                f->fail_text + strlen("node 42: reset: "), ranges[i].range);
    }
}

static void what_may_be_anothers_is_not_certainly_lost(void **state)
{
    struct fixture *f = *state;

    attach(f, SOURCE, SHUFFLE_ROLE_SOURCE);
    assert_true(give(f, 0, 42, 7, "one"));
    assert_true(give(f, 1, 42, 7, "two"));
    f->st.laminar.records_in += 3; /* another source's, to whomever */
    lose(f, 42, 4, UINT64_MAX);
    assert_string_equal(
            f->fail_text, "node 42: reset: between 1 and 2 frames may be lost");
}

static void a_link_that_breaks_leaves_a_range_in_doubt(void **state)
{
    struct fixture *f = *state;

    attach(f, SOURCE, SHUFFLE_ROLE_SOURCE);
    assert_true(give(f, 0, 41, 7, "elsewhere"));
    assert_true(give(f, 1, 42, 7, "one"));
    assert_true(give(f, 2, 42, 7, "two"));
    lose(f, 43, 0, UINT64_MAX);
    assert_int_equal(f->fail_code, 0);
    lose(f, 42, 0, UINT64_MAX);
    assert_int_equal(f->fail_code, SHUFFLE_FAIL_NODE_LOST);
    assert_string_equal(
            f->fail_text, "node 42: reset: between 0 and 2 frames may be lost");
    assert_true(f->closed);
}

static void a_peer_that_cannot_be_had_fails_the_source(void **state)
{
    struct fixture *f = *state;

    attach(f, SOURCE, SHUFFLE_ROLE_SOURCE);
    f->answer = ERR_NOT_FOUND;
    assert_true(give(f, 0, 42, 7, "one"));
    assert_int_equal(f->fail_code, SHUFFLE_FAIL_NODE_LOST);
    assert_true(f->closed);
    assert_true(shuffle_streams_is_idle(&f->st));
}

static void a_source_that_breaks_the_rules_is_told_so(void **state)
{
    struct fixture *f = *state;

    attach(f, SOURCE, SHUFFLE_ROLE_SOURCE);
    assert_false(give(f, 5, 42, 7, "gap"));
    assert_false(shuffle_streams_client(&f->st, f->now_ms, SOURCE,
            SHUFFLE_TAG_GRANT, bytes_of(f, SHUFFLE_GRANT_BYTES)));
    assert_false(shuffle_streams_client(
            &f->st, f->now_ms, SOURCE, SHUFFLE_TAG_DATA, bytes_of(f, 3)));
}

static void there_is_one_sink_and_it_may_come_again(void **state)
{
    struct fixture *f = *state;

    attach(f, SINK, SHUFFLE_ROLE_SINK);
    attach(f, 3, SHUFFLE_ROLE_SINK);
    assert_int_equal(f->state, SHUFFLE_STATE_REFUSED);
    shuffle_streams_client_gone(&f->st, f->now_ms, SINK);
    f->closed = false;
    attach(f, 4, SHUFFLE_ROLE_SINK);
    assert_int_equal(f->state, SHUFFLE_STATE_ATTACHED);
    shuffle_streams_drain(&f->st, f->now_ms, f->now_ms + SHUFFLE_DRAIN_MS);
    drain(f);
    assert_int_equal(f->fail_code, SHUFFLE_FAIL_DRAINING);
    assert_true(shuffle_streams_is_idle(&f->st));
}

/* ---- cuts ---- */

enum {
    EPOCH = 5,
    ANNOUNCED = 17,
    CHECKPOINT = 99,
    ALIGNED = 1U << SHUFFLE_CUT_ALIGNED,
    WRITTEN = 1U << SHUFFLE_CUT_WRITTEN,
    FAILED = 1U << SHUFFLE_CUT_FAILED,
};

/* A cut for us and the LaminarDB node 42. */
static void begin_cut(struct fixture *f)
{
    const struct shuffle_cut_member member = {42, false};
    const struct shuffle_cut_order order = {.checkpoint = CHECKPOINT,
            .announced = ANNOUNCED,
            .epoch = EPOCH,
            .members = &member,
            .members_count = 1};

    f->events = 0;
    shuffle_streams_cut(&f->st, f->now_ms, &order);
    turn(f);
}

static void end_cut(struct fixture *f, enum shuffle_outcome_code code)
{
    const struct shuffle_cut_outcome outcome = {
            .checkpoint = CHECKPOINT, .epoch = EPOCH, .code = code, .text = ""};

    shuffle_streams_outcome(&f->st, f->now_ms, &outcome);
    while (shuffle_streams_next(&f->st, &(struct shuffle_streams_action){0})) {
    }
}

static void barrier_of(
        struct fixture *f, uint32_t link, uint64_t peer, uint64_t announced)
{
    const struct shuffle_wire_barrier barrier = {announced, EPOCH, 0};

    shuffle_streams_barrier(&f->st, f->now_ms, link, peer, false, &barrier);
    turn(f);
}

static void echo(struct fixture *f)
{
    uint8_t payload[SHUFFLE_MARK_BYTES];
    struct writer w = writer_of(payload, sizeof(payload));

    shuffle_wire_encode_mark(&w, &f->mark);
    assert_true(shuffle_streams_client(
            &f->st, f->now_ms, SINK, SHUFFLE_TAG_MARK, writer_bytes(&w)));
    turn(f);
}

static void a_barrier_parts_what_its_link_brings(void **state)
{
    struct fixture *f = *state;

    attach(f, SINK, SHUFFLE_ROLE_SINK);
    grant(f, 0, 1000);
    arrive_on(f, 1, 42, "before");
    begin_cut(f);
    assert_int_equal(f->events & ALIGNED, 0);
    arrive_on(f, 1, 42, "before too");
    assert_int_equal(f->frames, 2);
    /* Nobody else is waited for, and nobody else waits. */
    arrive_on(f, 2, 43, "a stranger's");
    assert_int_equal(f->frames, 3);
    barrier_of(f, 1, 42, ANNOUNCED);
    assert_true((f->events & ALIGNED) != 0);
    assert_false(f->is_held[1]);
    assert_int_equal(f->mark.next, 3);
    assert_int_equal(f->events & WRITTEN, 0);
    arrive_on(f, 1, 42, "behind");
    assert_int_equal(f->frames, 4);
    echo(f);
    assert_true((f->events & WRITTEN) != 0);
}

static void behind_its_barrier_a_link_waits_for_the_others(void **state)
{
    struct fixture *f = *state;

    attach(f, SINK, SHUFFLE_ROLE_SINK);
    grant(f, 0, 1000);
    arrive_on(f, 1, 42, "one");
    arrive_on(f, 2, 42, "two"); /* two connections of one id */
    begin_cut(f);
    barrier_of(f, 1, 42, ANNOUNCED);
    assert_true(f->is_held[1]);
    arrive_on(f, 1, 42, "one, had been read with it");
    assert_int_equal(f->frames, 2);
    assert_true(shuffle_streams_parked_bytes(&f->st) > 0);
    arrive_on(f, 2, 42, "two, before");
    assert_int_equal(f->frames, 3);
    /* A link that is gone is not waited for. */
    shuffle_streams_link_down(&f->st, f->now_ms, 2);
    turn(f);
    assert_true((f->events & ALIGNED) != 0);
    assert_false(f->is_held[1]);
    assert_int_equal(f->mark.next, 3);
    assert_int_equal(f->frames, 4);
}

static void a_barrier_that_is_early_holds_its_link_for_a_while(void **state)
{
    struct fixture *f = *state;

    arrive_on(f, 1, 42, "one");
    barrier_of(f, 1, 42, ANNOUNCED);
    assert_true(f->is_held[1]);
    begin_cut(f);
    assert_true((f->events & WRITTEN) != 0); /* there is no sink */
    assert_false(f->is_held[1]);
    end_cut(f, SHUFFLE_OUTCOME_COMMITTED);
    barrier_of(f, 1, 42, ANNOUNCED); /* late */
    assert_false(f->is_held[1]);
    barrier_of(f, 1, 42, ANNOUNCED + 1);
    assert_true(f->is_held[1]);
    f->now_ms += 8000;
    shuffle_streams_tick(&f->st, f->now_ms);
    turn(f);
    assert_false(f->is_held[1]);
}

static void the_end_of_an_attempt_lets_links_be_read(void **state)
{
    struct fixture *f = *state;

    attach(f, SINK, SHUFFLE_ROLE_SINK);
    grant(f, 0, 1000);
    arrive_on(f, 1, 42, "one");
    arrive_on(f, 2, 42, "two");
    begin_cut(f);
    barrier_of(f, 1, 42, ANNOUNCED);
    assert_true(f->is_held[1]);
    shuffle_streams_client_gone(&f->st, f->now_ms, SINK);
    turn(f);
    assert_true((f->events & FAILED) != 0);
    assert_false(f->is_held[1]);
}

static void a_peer_without_data_is_not_waited_for(void **state)
{
    struct fixture *f = *state;

    begin_cut(f);
    assert_true((f->events & WRITTEN) != 0);
    assert_int_equal(f->barrier_peer, 42);
    assert_int_equal(f->barrier.checkpoint, ANNOUNCED);
    assert_int_equal(f->barrier.epoch, EPOCH);
}

static void a_source_hears_how_many_frames_are_before_the_cut(void **state)
{
    struct fixture *f = *state;

    attach(f, SOURCE, SHUFFLE_ROLE_SOURCE);
    assert_true(give(f, 0, 42, 7, "one"));
    assert_true(give(f, 1, 42, 7, "two"));
    begin_cut(f);
    assert_int_equal(f->source_mark.next, 2);
    assert_int_equal(f->source_mark.checkpoint, CHECKPOINT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup_teardown(
                    a_barrier_parts_what_its_link_brings, set_up, tear_down),
            cmocka_unit_test_setup_teardown(
                    behind_its_barrier_a_link_waits_for_the_others, set_up,
                    tear_down),
            cmocka_unit_test_setup_teardown(
                    a_barrier_that_is_early_holds_its_link_for_a_while, set_up,
                    tear_down),
            cmocka_unit_test_setup_teardown(
                    the_end_of_an_attempt_lets_links_be_read, set_up,
                    tear_down),
            cmocka_unit_test_setup_teardown(
                    a_peer_without_data_is_not_waited_for, set_up, tear_down),
            cmocka_unit_test_setup_teardown(
                    a_source_hears_how_many_frames_are_before_the_cut, set_up,
                    tear_down),
            cmocka_unit_test_setup_teardown(
                    no_more_is_confirmed_than_was_delivered, set_up, tear_down),
            cmocka_unit_test_setup_teardown(
                    the_range_is_what_the_system_knows, set_up, tear_down),
            cmocka_unit_test_setup_teardown(
                    what_may_be_anothers_is_not_certainly_lost, set_up,
                    tear_down),
            cmocka_unit_test_setup_teardown(
                    a_long_frame_waits_in_the_memory_it_was_read_into, set_up,
                    tear_down),
            cmocka_unit_test_setup_teardown(
                    without_memory_the_connection_ends_and_none_is_read, set_up,
                    tear_down),
            cmocka_unit_test_setup_teardown(
                    a_sink_gets_peer_vnode_and_bytes, set_up, tear_down),
            cmocka_unit_test_setup_teardown(
                    what_comes_before_the_sink_waits_for_it, set_up, tear_down),
            cmocka_unit_test_setup_teardown(
                    peers_are_left_unread_at_a_megabyte, set_up, tear_down),
            cmocka_unit_test_setup_teardown(
                    a_large_frame_goes_when_all_before_it_is_confirmed, set_up,
                    tear_down),
            cmocka_unit_test_setup_teardown(
                    credit_is_kept_to, set_up, tear_down),
            cmocka_unit_test_setup_teardown(
                    a_source_names_where_its_records_go, set_up, tear_down),
            cmocka_unit_test_setup_teardown(
                    a_full_pool_leaves_the_source_unread, set_up, tear_down),
            cmocka_unit_test_setup_teardown(
                    a_source_is_done_when_all_is_written, set_up, tear_down),
            cmocka_unit_test_setup_teardown(
                    a_link_that_breaks_leaves_a_range_in_doubt, set_up,
                    tear_down),
            cmocka_unit_test_setup_teardown(
                    a_peer_that_cannot_be_had_fails_the_source, set_up,
                    tear_down),
            cmocka_unit_test_setup_teardown(
                    a_source_that_breaks_the_rules_is_told_so, set_up,
                    tear_down),
            cmocka_unit_test_setup_teardown(
                    there_is_one_sink_and_it_may_come_again, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
