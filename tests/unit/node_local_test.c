/* The programs at the local socket: their roles, what they may send, and what
 * happens when memory is short or nobody reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/local.h"

enum {
    MIB = 1024 * 1024,
    BUDGET_BYTES = LOCAL_RESERVE_BYTES + 8 * MIB,
    MAX_FRAME_BYTES = 4 * MIB,
};

struct fixture {
    struct budget budget;
    struct block_pool blocks;
    struct local local;
};

static int open_local(void **context)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->budget.max_bytes = BUDGET_BYTES;
    block_pool_init(&f->blocks, &f->budget, MIB);
    local_init(&f->local, &f->blocks, MAX_FRAME_BYTES);
    *context = f;
    return 0;
}

/* Everything must have come home. */
static int close_local(void **context)
{
    struct fixture *f = *context;

    local_close(&f->local);
    assert_int_equal(f->blocks.out_count, 0);
    block_pool_close(&f->blocks);
    assert_int_equal(f->budget.used_bytes, 0);
    free(f);
    return 0;
}

static uint32_t connect_at(struct fixture *f, uint64_t now_ms)
{
    int client = local_accept(&f->local, now_ms);

    assert_true(client >= 0);
    return (uint32_t)client;
}

/* A frame of `payload_bytes` bytes behind `head`; returns its size. */
static size_t frame_into(
        uint8_t *out, uint8_t tag, struct bytes head, size_t payload_bytes)
{
    frame_put_header(out, tag, payload_bytes);
    memset(out + FRAME_HEADER_BYTES, 0, payload_bytes);
    if (head.size > 0) {
        memcpy(out + FRAME_HEADER_BYTES, head.data, head.size);
    }
    return FRAME_HEADER_BYTES + payload_bytes;
}

static size_t attach_into(uint8_t *out, uint8_t role)
{
    const struct shuffle_wire_attach attach = {
            .role = role, .format = 1, .want = 1, .stage = bytes_text("words")};
    uint8_t payload[64];
    struct writer w = writer_of(payload, sizeof(payload));

    shuffle_wire_encode_attach(&w, &attach);
    return frame_into(
            out, SHUFFLE_TAG_ATTACH, writer_bytes(&w), writer_bytes(&w).size);
}

/* Feeds the bytes and says how it ended; counts the frames. */
static enum local_input feed(
        struct fixture *f, uint32_t client, struct bytes bytes, size_t *frames)
{
    struct frame frame;
    enum local_input input;

    *frames = 0;
    local_feed(&f->local, client, bytes);
    while ((input = local_next(&f->local, client, &frame)) == LOCAL_FRAME) {
        (*frames)++;
    }
    return input;
}

static void feed_whole(
        struct fixture *f, uint32_t client, const uint8_t *data, size_t size)
{
    size_t frames;

    assert_int_equal(
            feed(f, client, bytes_of(data, size), &frames), LOCAL_MORE);
    assert_int_equal(frames, 1);
}

/* The next action is of this type, for this client. */
static struct local_action expect(
        struct fixture *f, enum local_action_type type, uint32_t client)
{
    struct local_action action = {.client = UINT32_MAX};

    assert_true(local_next_action(&f->local, &action));
    assert_int_equal(action.type, type);
    assert_int_equal(action.client, client);
    return action;
}

static void expect_nothing(struct fixture *f)
{
    struct local_action action;

    assert_false(local_next_action(&f->local, &action));
}

static void the_first_frame_decides_the_role(void **context)
{
    static const struct {
        const char *name;
        uint8_t tag;
        uint8_t role; /* of an ATTACH */
        enum local_role taken; /* LOCAL_FREE: ended */
    } ROWS[] = {
            {"call", SHUFFLE_TAG_CALL, 0, LOCAL_CALLER},
            {"attach as source", SHUFFLE_TAG_ATTACH, SHUFFLE_ROLE_SOURCE,
                    LOCAL_SOURCE},
            {"attach as sink", SHUFFLE_TAG_ATTACH, SHUFFLE_ROLE_SINK,
                    LOCAL_SINK},
            {"attach as nothing", SHUFFLE_TAG_ATTACH, 3, LOCAL_FREE},
            {"data", SHUFFLE_TAG_DATA, 0, LOCAL_FREE},
            {"grant", SHUFFLE_TAG_GRANT, 0, LOCAL_FREE},
            {"hello", SHUFFLE_TAG_HELLO, 0, LOCAL_FREE},
            {"state", SHUFFLE_TAG_STATE, 0, LOCAL_FREE},
            {"unknown", 0x7F, 0, LOCAL_FREE},
    };
    struct fixture *f = *context;
    uint8_t bytes[128];

    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        uint32_t client = connect_at(f, 0);
        size_t frames;
        size_t size =
                ROWS[i].tag == SHUFFLE_TAG_ATTACH
                        ? attach_into(bytes, ROWS[i].role)
                        : frame_into(bytes, ROWS[i].tag, bytes_of(NULL, 0), 8);

        printf("%s\n", ROWS[i].name);
        if (ROWS[i].taken == LOCAL_FREE) {
            assert_int_equal(feed(f, client, bytes_of(bytes, size), &frames),
                    LOCAL_BROKEN);
            expect(f, LOCAL_CLOSE, client);
        } else {
            feed_whole(f, client, bytes, size);
            assert_int_equal(f->local.clients[client].role, ROWS[i].taken);
            local_forget(&f->local, client);
        }
        expect_nothing(f);
    }
}

static void a_role_may_send_its_own_frames_only(void **context)
{
    static const uint8_t TAGS[] = {SHUFFLE_TAG_CALL, SHUFFLE_TAG_ATTACH,
            SHUFFLE_TAG_DATA, SHUFFLE_TAG_MARK, SHUFFLE_TAG_FAIL,
            SHUFFLE_TAG_GRANT, SHUFFLE_TAG_DONE, SHUFFLE_TAG_RESULT,
            SHUFFLE_TAG_STATE, SHUFFLE_TAG_OPEN, SHUFFLE_TAG_CLOSE, 0x00, 0x90};
    static const char *const ALLOWED[] = {
            [LOCAL_CALLER] = "\x40",
            [LOCAL_SOURCE] = "\x32\x34\x36",
            [LOCAL_SINK] = "\x33\x34\x35\x36",
    };
    struct fixture *f = *context;
    uint8_t bytes[128];

    for (int role = LOCAL_CALLER; role <= LOCAL_SINK; role++) {
        for (size_t i = 0; i < sizeof(TAGS); i++) {
            uint32_t client = connect_at(f, 0);
            bool allowed =
                    TAGS[i] != 0 && strchr(ALLOWED[role], TAGS[i]) != NULL;
            size_t frames;
            size_t size =
                    role == LOCAL_CALLER
                            ? frame_into(bytes, SHUFFLE_TAG_CALL,
                                      bytes_text("idid{}"), 6)
                            : attach_into(bytes, role == LOCAL_SOURCE
                                                         ? SHUFFLE_ROLE_SOURCE
                                                         : SHUFFLE_ROLE_SINK);

            printf("role %d, tag %02x\n", role, TAGS[i]);
            feed_whole(f, client, bytes, size);
            size = frame_into(bytes, TAGS[i], bytes_of(NULL, 0), 40);
            assert_int_equal(feed(f, client, bytes_of(bytes, size), &frames),
                    allowed ? LOCAL_MORE : LOCAL_BROKEN);
            assert_int_equal(frames, allowed ? 1 : 0);
            if (allowed) {
                local_forget(&f->local, client);
            } else {
                expect(f, LOCAL_CLOSE, client);
            }
        }
    }
}

static void frames_come_whole_wherever_reads_cut_them(void **context)
{
    struct fixture *f = *context;
    uint32_t client = connect_at(f, 0);
    uint8_t bytes[256];
    size_t size = attach_into(bytes, SHUFFLE_ROLE_SOURCE);
    size_t total = 0;

    size += frame_into(bytes + size, SHUFFLE_TAG_DATA, bytes_of(NULL, 0), 40);
    size += frame_into(bytes + size, SHUFFLE_TAG_DATA, bytes_of(NULL, 0), 12);
    size += frame_into(bytes + size, SHUFFLE_TAG_MARK, bytes_of(NULL, 0), 36);
    for (size_t i = 0; i < size; i++) {
        size_t frames;

        assert_int_equal(
                feed(f, client, bytes_of(bytes + i, 1), &frames), LOCAL_MORE);
        total += frames;
    }
    assert_int_equal(total, 4);
}

static void a_frame_beyond_its_bound_ends_the_client(void **context)
{
    static const struct {
        const char *name;
        uint32_t length;
    } ROWS[] = {{"none", 0}, {"above max_frame", MAX_FRAME_BYTES + 66},
            {"all ones", UINT32_MAX}};
    struct fixture *f = *context;

    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        uint32_t client = connect_at(f, 0);
        uint32_t length = ROWS[i].length;
        const uint8_t bytes[] = {(uint8_t)(length >> 24),
                (uint8_t)(length >> 16), (uint8_t)(length >> 8),
                (uint8_t)length, SHUFFLE_TAG_CALL};
        size_t frames;

        printf("%s\n", ROWS[i].name);
        assert_int_equal(
                feed(f, client, bytes_of(bytes, sizeof(bytes)), &frames),
                LOCAL_BROKEN);
        expect(f, LOCAL_CLOSE, client);
    }
}

static void a_long_frame_waits_unread_until_memory_comes(void **context)
{
    enum {
        PAYLOAD = 3 * MIB,
        READ = 1000,
    };
    struct fixture *f = *context;
    uint32_t client = connect_at(f, 0);
    uint8_t *bytes = malloc(FRAME_HEADER_BYTES + PAYLOAD);
    uint8_t buffer[READ]; /* one for all clients, as the adaptor has it */
    size_t taken_bytes = f->budget.max_bytes - f->budget.used_bytes;
    uint8_t attach[64];
    struct frame frame;
    size_t frames;
    size_t size;

    assert_non_null(bytes);
    feed_whole(f, client, attach, attach_into(attach, SHUFFLE_ROLE_SOURCE));
    size = frame_into(bytes, SHUFFLE_TAG_DATA, bytes_of(NULL, 0), PAYLOAD);
    for (size_t i = FRAME_HEADER_BYTES; i < size; i++) {
        bytes[i] = (uint8_t)(i * 7);
    }
    assert_true(budget_take(&f->budget, taken_bytes));
    memcpy(buffer, bytes, READ);
    assert_int_equal(
            feed(f, client, bytes_of(buffer, READ), &frames), LOCAL_MORE);
    assert_false(expect(f, LOCAL_READ, client).on);
    assert_false(local_retry(&f->local, client));
    expect_nothing(f);
    memset(buffer, 0xEE, READ); /* somebody else's read */

    budget_give(&f->budget, taken_bytes);
    assert_true(local_retry(&f->local, client));
    assert_int_equal(local_next(&f->local, client, &frame), LOCAL_MORE);
    assert_true(expect(f, LOCAL_READ, client).on);
    local_feed(&f->local, client, bytes_of(bytes + READ, size - READ));
    assert_int_equal(local_next(&f->local, client, &frame), LOCAL_FRAME);
    assert_int_equal(frame.payload.size, PAYLOAD);
    assert_memory_equal(
            frame.payload.data, bytes + FRAME_HEADER_BYTES, PAYLOAD);
    assert_int_equal(local_next(&f->local, client, &frame), LOCAL_MORE);
    free(bytes);
}

static void at_most_so_many_programs_are_served(void **context)
{
    struct fixture *f = *context;

    for (uint32_t i = 0; i < LOCAL_CLIENTS_MAX; i++) {
        assert_int_equal(connect_at(f, 0), i);
    }
    assert_int_equal(local_accept(&f->local, 0), ERR_FULL);
    local_forget(&f->local, 7);
    assert_int_equal(local_accept(&f->local, 0), 7);
}

static void a_silent_program_is_ended(void **context)
{
    struct fixture *f = *context;
    uint32_t silent = connect_at(f, 1000);
    uint32_t caller = connect_at(f, 1000);
    uint8_t bytes[64];

    feed_whole(f, caller, bytes,
            frame_into(bytes, SHUFFLE_TAG_CALL, bytes_text("idid{}"), 6));
    assert_int_equal(local_deadline_ms(&f->local), 1000 + LOCAL_FIRST_FRAME_MS);
    local_tick(&f->local, 999 + LOCAL_FIRST_FRAME_MS);
    expect_nothing(f);
    local_tick(&f->local, 1000 + LOCAL_FIRST_FRAME_MS);
    expect(f, LOCAL_CLOSE, silent);
    expect_nothing(f);
    assert_true(local_deadline_ms(&f->local) == UINT64_MAX);
}

/* Takes all output of a client; returns how much. */
static size_t write_all(struct fixture *f, uint32_t client)
{
    struct bytes pieces[8];
    size_t total = 0;
    size_t count;

    while ((count = local_output(&f->local, client, pieces, 8)) > 0) {
        size_t bytes = 0;

        for (size_t i = 0; i < count; i++) {
            bytes += pieces[i].size;
        }
        local_written(&f->local, client, bytes);
        total += bytes;
    }
    return total;
}

static void the_end_waits_for_what_is_queued(void **context)
{
    struct fixture *f = *context;
    uint32_t client = connect_at(f, 0);
    size_t frames;

    local_push(&f->local, client, SHUFFLE_TAG_STATE, bytes_text("ab"),
            bytes_text("cde"));
    local_end(&f->local, client);
    expect(f, LOCAL_WRITE, client);
    assert_false(expect(f, LOCAL_READ, client).on);
    expect_nothing(f);
    assert_int_equal(
            feed(f, client, bytes_text("\0\0\0\0\0"), &frames), LOCAL_MORE);
    assert_int_equal(frames, 0);
    assert_int_equal(write_all(f, client), FRAME_HEADER_BYTES + 5);
    expect(f, LOCAL_CLOSE, client);
    expect_nothing(f);
}

static void a_held_program_is_read_again(void **context)
{
    struct fixture *f = *context;
    uint32_t client = connect_at(f, 0);

    local_hold(&f->local, client, true);
    assert_false(expect(f, LOCAL_READ, client).on);
    local_hold(&f->local, client, true);
    expect_nothing(f);
    local_hold(&f->local, client, false);
    assert_true(expect(f, LOCAL_READ, client).on);
    local_hold(&f->local, client, true);
    local_hold(&f->local, client, false);
    expect_nothing(f);
}

static void frames_that_came_early_are_kept_in_order(void **context)
{
    struct fixture *f = *context;
    uint32_t client = connect_at(f, 0);
    struct frame first = {.tag = 0x42, .payload = bytes_text("one")};
    struct frame second = {.tag = 0x32, .payload = bytes_text("")};
    struct block *stash;

    assert_null(local_unstash(&f->local, client));
    local_stash(&f->local, client, &first);
    local_stash(&f->local, client, &second);
    stash = local_unstash(&f->local, client);
    assert_non_null(stash);
    assert_int_equal(block_bytes(stash).size, 13);
    assert_memory_equal(
            block_bytes(stash).data, "\0\0\0\4\x42one\0\0\0\1\x32", 13);
    assert_null(local_unstash(&f->local, client));
    block_free(stash);
}

static void too_many_early_frames_end_the_client(void **context)
{
    struct fixture *f = *context;
    uint32_t client = connect_at(f, 0);
    static const uint8_t zeros[64 * 1024];
    struct frame frame = {
            .tag = 0x32, .payload = bytes_of(zeros, sizeof(zeros))};

    for (int i = 0; i < LOCAL_STASH_BYTES / (int)sizeof(zeros) - 1; i++) {
        local_stash(&f->local, client, &frame);
        expect_nothing(f);
    }
    local_stash(&f->local, client, &frame);
    expect(f, LOCAL_CLOSE, client);
}

/* Pushes answers of a MiB until the client is ended; returns how many went. */
static int push_until_ended(struct fixture *f, uint32_t client,
        void (*push)(
                struct local *, uint32_t, uint8_t, struct bytes, struct bytes))
{
    static const uint8_t zeros[MIB];
    struct local_action action;
    int pushed = 0;

    do {
        assert_true(pushed < 2 * LOCAL_QUEUE_BYTES / MIB);
        pushed++;
        push(&f->local, client, SHUFFLE_TAG_RESULT, bytes_text("......"),
                bytes_of(zeros, sizeof(zeros)));
        assert_true(local_next_action(&f->local, &action));
    } while (action.type != LOCAL_CLOSE);
    return pushed;
}

static void an_answer_that_finds_no_memory_ends_the_client(void **context)
{
    struct fixture *f = *context;
    int reserve = LOCAL_RESERVE_BYTES / MIB;

    assert_in_range(push_until_ended(f, connect_at(f, 0), local_push), reserve,
            reserve + 1);
    assert_int_equal(f->blocks.out_count, 0);
}

/* Neither the budget nor what is set aside for others pays for it. */
static void long_answers_that_nobody_reads_hold_up_nobody(void **context)
{
    struct fixture *f = *context;
    size_t used_bytes = f->budget.used_bytes;
    uint32_t deaf = connect_at(f, 0);
    uint32_t other = connect_at(f, 0);
    struct local_action action;
    int pushed = push_until_ended(f, deaf, local_push_long);

    assert_in_range(
            pushed, LOCAL_QUEUE_BYTES / MIB - 1, LOCAL_QUEUE_BYTES / MIB + 1);
    assert_int_equal(f->budget.used_bytes, used_bytes);
    local_push(&f->local, other, SHUFFLE_TAG_RESULT, bytes_text("......"),
            bytes_text("{}"));
    assert_true(local_next_action(&f->local, &action));
    assert_int_equal(action.type, LOCAL_WRITE);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, open_local, close_local)

int main(void)
{
    const struct CMUnitTest cases[] = {
            CASE(the_first_frame_decides_the_role),
            CASE(a_role_may_send_its_own_frames_only),
            CASE(frames_come_whole_wherever_reads_cut_them),
            CASE(a_frame_beyond_its_bound_ends_the_client),
            CASE(a_long_frame_waits_unread_until_memory_comes),
            CASE(at_most_so_many_programs_are_served),
            CASE(a_silent_program_is_ended),
            CASE(the_end_waits_for_what_is_queued),
            CASE(a_held_program_is_read_again),
            CASE(frames_that_came_early_are_kept_in_order),
            CASE(too_many_early_frames_end_the_client),
            CASE(an_answer_that_finds_no_memory_ends_the_client),
            CASE(long_answers_that_nobody_reads_hold_up_nobody),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
