/* The frames of docs/wire.md, "Frames", "Streams" and "The local socket":
 * golden bytes both ways, and every truncation refused. */
#include "shuffle/shuffle_record.h"
#include "shuffle/shuffle_wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/frame.h"

enum {
    BUFFER_BYTES = 1024,
    MAX_FRAME = 64 << 20,
};

static uint8_t nibble(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = strchr(digits, c);

    assert_non_null(at);
    return (uint8_t)(at - digits);
}

/* Bytes from hexadecimal text; spaces are skipped. */
static size_t from_hex(const char *hex, uint8_t out[static BUFFER_BYTES])
{
    size_t size = 0;

    while (*hex != '\0') {
        if (*hex == ' ') {
            hex++;
            continue;
        }
        out[size++] = (uint8_t)(nibble(hex[0]) << 4 | nibble(hex[1]));
        hex += 2;
    }
    return size;
}

static const uint64_t generation = UINT64_C(1767225600000);

/* Each frame's values as the golden text has them, written and compared. */
static void encode_greet(struct writer *w)
{
    const struct shuffle_wire_greet greet = {
            .version = 1,
            .highest_version = 1,
            .own_id = 7,
            .own_generation = generation,
            .peer_id = 9,
            .peer_generation = 0,
            .hash = SHUFFLE_HASH_XXH3,
            .vnodes = 256,
            .cluster = bytes_text("weft"),
    };

    shuffle_wire_encode_greet(w, &greet);
}

static bool decode_greet(struct bytes payload)
{
    struct shuffle_wire_greet greet;

    if (!shuffle_wire_decode_greet(payload, &greet)) {
        return false;
    }
    assert_int_equal(greet.version, 1);
    assert_int_equal(greet.highest_version, 1);
    assert_int_equal(greet.own_id, 7);
    assert_int_equal(greet.own_generation, generation);
    assert_int_equal(greet.peer_id, 9);
    assert_int_equal(greet.peer_generation, 0);
    assert_int_equal(greet.hash, SHUFFLE_HASH_XXH3);
    assert_int_equal(greet.vnodes, 256);
    assert_true(bytes_equal_text(greet.cluster, "weft"));
    return true;
}

static void encode_open(struct writer *w)
{
    const struct shuffle_sink_id sink = {9, generation, 1};
    uint8_t packed[SHUFFLE_SINK_BYTES];
    struct writer p = writer_of(packed, sizeof(packed));
    struct shuffle_wire_open open = {
            .stream = 1,
            .source = {7, generation, 1},
            .placement_id = 9,
            .format = SHUFFLE_FORMAT_WHOLE,
            .stage = bytes_text("words"),
    };

    shuffle_wire_put_sink(&p, &sink);
    open.sinks.packed = writer_bytes(&p);
    shuffle_wire_encode_open(w, &open);
}

static void is_sink_nine(const struct shuffle_wire_sinks *sinks)
{
    struct shuffle_sink_id sink;

    assert_int_equal(shuffle_wire_sinks_count(sinks), 1);
    sink = shuffle_wire_sink_at(sinks, 0);
    assert_int_equal(sink.node, 9);
    assert_int_equal(sink.generation, generation);
    assert_int_equal(sink.number, 1);
}

static bool decode_open(struct bytes payload)
{
    struct shuffle_wire_open open;

    if (!shuffle_wire_decode_open(payload, &open)) {
        return false;
    }
    assert_int_equal(open.stream, 1);
    assert_int_equal(open.source.node, 7);
    assert_int_equal(open.source.generation, generation);
    assert_int_equal(open.source.number, 1);
    assert_int_equal(open.placement_id, 9);
    assert_int_equal(open.format, SHUFFLE_FORMAT_WHOLE);
    assert_true(bytes_equal_text(open.stage, "words"));
    assert_int_equal(open.sinks.epoch, 0);
    is_sink_nine(&open.sinks);
    return true;
}

static void encode_opened(struct writer *w)
{
    const struct shuffle_wire_opened opened = {
            .stream = 1,
            .code = SHUFFLE_OPENED_OK,
            .next = 0,
            .limit = 256 << 10,
    };

    shuffle_wire_encode_opened(w, &opened);
}

static bool decode_opened(struct bytes payload)
{
    struct shuffle_wire_opened opened;

    if (!shuffle_wire_decode_opened(payload, &opened)) {
        return false;
    }
    assert_int_equal(opened.stream, 1);
    assert_int_equal(opened.code, SHUFFLE_OPENED_OK);
    assert_int_equal(opened.next, 0);
    assert_int_equal(opened.limit, 256 << 10);
    return true;
}

static void encode_opened_elsewhere(struct writer *w)
{
    const struct shuffle_sink_id sink = {9, generation, 1};
    uint8_t packed[SHUFFLE_SINK_BYTES];
    struct writer p = writer_of(packed, sizeof(packed));
    struct shuffle_wire_opened opened = {
            .stream = 1,
            .code = SHUFFLE_OPENED_OTHER_PLACEMENT,
            .sinks = {.epoch = 5},
    };

    shuffle_wire_put_sink(&p, &sink);
    opened.sinks.packed = writer_bytes(&p);
    shuffle_wire_encode_opened(w, &opened);
}

static bool decode_opened_elsewhere(struct bytes payload)
{
    struct shuffle_wire_opened opened;

    if (!shuffle_wire_decode_opened(payload, &opened)) {
        return false;
    }
    assert_int_equal(opened.code, SHUFFLE_OPENED_OTHER_PLACEMENT);
    assert_int_equal(opened.sinks.epoch, 5);
    is_sink_nine(&opened.sinks);
    return true;
}

static void encode_data(struct writer *w)
{
    shuffle_wire_encode_data_head(w, 1, 0);
    shuffle_record_put_whole(w, bytes_text("the"));
    shuffle_record_put_whole(w, bytes_text("loom"));
}

static bool decode_data(struct bytes payload)
{
    struct shuffle_wire_data data;
    struct shuffle_records records;
    struct shuffle_record record;

    if (!shuffle_wire_decode_data(payload, &data)) {
        return false;
    }
    assert_int_equal(data.stream, 1);
    assert_int_equal(data.first, 0);
    records = shuffle_records_of(
            data.records, SHUFFLE_FORMAT_WHOLE, SHUFFLE_RECORD_MAX);
    if (!shuffle_records_next(&records, &record)) {
        return false;
    }
    assert_true(bytes_equal_text(record.key, "the"));
    if (!shuffle_records_next(&records, &record)) {
        return false;
    }
    assert_true(bytes_equal_text(record.body, "loom"));
    assert_false(shuffle_records_next(&records, &record));
    return !records.failed;
}

static void encode_grant(struct writer *w)
{
    const struct shuffle_wire_grant grant = {1, 2, (256 << 10) + 15};

    shuffle_wire_encode_grant(w, &grant);
}

static bool decode_grant(struct bytes payload)
{
    struct shuffle_wire_grant grant;

    if (!shuffle_wire_decode_grant(payload, &grant)) {
        return false;
    }
    assert_int_equal(grant.stream, 1);
    assert_int_equal(grant.taken, 2);
    assert_int_equal(grant.limit, (256 << 10) + 15);
    return true;
}

static void encode_mark(struct writer *w)
{
    const struct shuffle_wire_mark mark = {
            .stream = 1, .next = 2, .flags = SHUFFLE_FLAG_DRAIN};

    shuffle_wire_encode_mark(w, &mark);
}

static bool decode_mark(struct bytes payload)
{
    struct shuffle_wire_mark mark;

    if (!shuffle_wire_decode_mark(payload, &mark)) {
        return false;
    }
    assert_int_equal(mark.stream, 1);
    assert_int_equal(mark.next, 2);
    assert_int_equal(mark.checkpoint, 0);
    assert_int_equal(mark.epoch, 0);
    assert_int_equal(mark.flags, SHUFFLE_FLAG_DRAIN);
    return true;
}

static void encode_done(struct writer *w)
{
    const struct shuffle_wire_done done = {1, 2};

    shuffle_wire_encode_done(w, &done);
}

static bool decode_done(struct bytes payload)
{
    struct shuffle_wire_done done;

    if (!shuffle_wire_decode_done(payload, &done)) {
        return false;
    }
    assert_int_equal(done.stream, 1);
    assert_int_equal(done.taken, 2);
    return true;
}

static void encode_fail(struct writer *w)
{
    const struct shuffle_wire_fail fail = {
            1, 1041, SHUFFLE_FAIL_SOURCE_LOST, {(const uint8_t *)"gone", 4}};

    shuffle_wire_encode_fail(w, &fail);
}

static bool decode_fail(struct bytes payload)
{
    struct shuffle_wire_fail fail;

    if (!shuffle_wire_decode_fail(payload, &fail)) {
        return false;
    }
    assert_int_equal(fail.stream, 1);
    assert_int_equal(fail.taken, 1041);
    assert_int_equal(fail.code, SHUFFLE_FAIL_SOURCE_LOST);
    return true;
}

static void encode_ping(struct writer *w)
{
    shuffle_wire_encode_ping(w, 513);
}

static bool decode_ping(struct bytes payload)
{
    uint64_t token;

    if (!shuffle_wire_decode_ping(payload, &token)) {
        return false;
    }
    assert_int_equal(token, 513);
    return true;
}

static void encode_control(struct writer *w)
{
    const struct shuffle_wire_control control = {
            SHUFFLE_CONTROL_ACK, {(const uint8_t *)"{}", 2}};

    shuffle_wire_encode_control(w, &control);
}

static bool decode_control(struct bytes payload)
{
    struct shuffle_wire_control control;

    if (!shuffle_wire_decode_control(payload, &control)) {
        return false;
    }
    assert_int_equal(control.kind, SHUFFLE_CONTROL_ACK);
    return true;
}

static void encode_hello(struct writer *w)
{
    shuffle_wire_encode_hello(w, UINT64_C(14098210412656142446));
}

static bool decode_hello(struct bytes payload)
{
    uint64_t node;

    if (!shuffle_wire_decode_hello(payload, &node)) {
        return false;
    }
    assert_true(node == UINT64_C(14098210412656142446));
    return true;
}

static void encode_deadbeef(struct writer *w)
{
    shuffle_wire_encode_hello(w, 0xDEADBEEF);
}

static bool decode_deadbeef(struct bytes payload)
{
    uint64_t node;

    if (!shuffle_wire_decode_hello(payload, &node)) {
        return false;
    }
    assert_int_equal(node, 0xDEADBEEF);
    return true;
}

static void encode_barrier(struct writer *w)
{
    const struct shuffle_wire_barrier barrier = {
            17, 42, SHUFFLE_FLAG_FULL_SNAPSHOT};

    shuffle_wire_encode_barrier(w, &barrier);
}

static bool decode_barrier(struct bytes payload)
{
    struct shuffle_wire_barrier barrier;

    if (!shuffle_wire_decode_barrier(payload, &barrier)) {
        return false;
    }
    assert_int_equal(barrier.checkpoint, 17);
    assert_int_equal(barrier.epoch, 42);
    assert_int_equal(barrier.flags, SHUFFLE_FLAG_FULL_SNAPSHOT);
    return true;
}

static void encode_drain(struct writer *w)
{
    const struct shuffle_wire_barrier barrier = {7, 7, SHUFFLE_FLAG_DRAIN};

    shuffle_wire_encode_barrier(w, &barrier);
}

static bool decode_drain(struct bytes payload)
{
    struct shuffle_wire_barrier barrier;

    if (!shuffle_wire_decode_barrier(payload, &barrier)) {
        return false;
    }
    assert_int_equal(barrier.checkpoint, 7);
    assert_int_equal(barrier.flags, SHUFFLE_FLAG_DRAIN);
    return true;
}

static void encode_vnode(struct writer *w)
{
    shuffle_wire_encode_vnode_head(w, 42);
    writer_put(w, bytes_text("arrow"));
}

static bool decode_vnode(struct bytes payload)
{
    struct shuffle_wire_vnode_data data;

    if (!shuffle_wire_decode_vnode_data(payload, &data)) {
        return false;
    }
    assert_int_equal(data.vnode, 42);
    return true;
}

static void encode_close(struct writer *w)
{
    writer_put(w, bytes_text("graceful"));
}

static bool decode_close(struct bytes payload)
{
    struct bytes reason;

    return shuffle_wire_decode_close(payload, &reason);
}

static void encode_close_silent(struct writer *w)
{
    (void)w;
}

static void encode_call(struct writer *w)
{
    const struct shuffle_wire_call call = {3, {(const uint8_t *)"{}", 2}};

    shuffle_wire_encode_call(w, &call);
}

static bool decode_call(struct bytes payload)
{
    struct shuffle_wire_call call;

    if (!shuffle_wire_decode_call(payload, &call)) {
        return false;
    }
    assert_int_equal(call.id, 3);
    return true;
}

static void encode_result(struct writer *w)
{
    const struct shuffle_wire_result result = {
            3, 1, true, {(const uint8_t *)"{}", 2}};

    shuffle_wire_encode_result(w, &result);
}

static bool decode_result(struct bytes payload)
{
    struct shuffle_wire_result result;

    if (!shuffle_wire_decode_result(payload, &result)) {
        return false;
    }
    assert_int_equal(result.id, 3);
    assert_int_equal(result.exit, 1);
    assert_true(result.last);
    return true;
}

static void encode_attach(struct writer *w)
{
    const struct shuffle_wire_attach attach = {SHUFFLE_ROLE_SINK,
            SHUFFLE_FORMAT_WHOLE, 2, {(const uint8_t *)"words", 5}};

    shuffle_wire_encode_attach(w, &attach);
}

static bool decode_attach(struct bytes payload)
{
    struct shuffle_wire_attach attach;

    if (!shuffle_wire_decode_attach(payload, &attach)) {
        return false;
    }
    assert_int_equal(attach.role, SHUFFLE_ROLE_SINK);
    assert_int_equal(attach.format, SHUFFLE_FORMAT_WHOLE);
    assert_int_equal(attach.want, 2);
    assert_true(bytes_equal_text(attach.stage, "words"));
    return true;
}

static void encode_state(struct writer *w)
{
    const struct shuffle_wire_state state = {
            SHUFFLE_STATE_WAITING, {(const uint8_t *)"waits", 5}};

    shuffle_wire_encode_state(w, &state);
}

static bool decode_state(struct bytes payload)
{
    struct shuffle_wire_state state;

    if (!shuffle_wire_decode_state(payload, &state)) {
        return false;
    }
    assert_int_equal(state.code, SHUFFLE_STATE_WAITING);
    return true;
}

static void encode_outcome(struct writer *w)
{
    const struct shuffle_wire_outcome outcome = {
            17, 42, SHUFFLE_OUTCOME_ABORTED, {(const uint8_t *)"late", 4}};

    shuffle_wire_encode_outcome(w, &outcome);
}

static bool decode_outcome(struct bytes payload)
{
    struct shuffle_wire_outcome outcome;

    if (!shuffle_wire_decode_outcome(payload, &outcome)) {
        return false;
    }
    assert_int_equal(outcome.checkpoint, 17);
    assert_int_equal(outcome.epoch, 42);
    assert_int_equal(outcome.code, SHUFFLE_OUTCOME_ABORTED);
    return true;
}

enum tail {
    TAIL_EXACT, /* a byte more is refused */
    TAIL_GROWS, /* a byte more is skipped */
    TAIL_FREE, /* the last field takes whatever comes */
};

struct golden {
    const char *name;
    const char *hex;
    void (*encode)(struct writer *w);
    bool (*decode)(struct bytes payload);
    size_t least_bytes; /* of the payload: every shorter one is refused */
    enum tail tail;
};

static const struct golden goldens[] = {
        {"GREET",
                "00000030 10 0100 0100 0700000000000000 00a8da769b010000 "
                "0900000000000000 0000000000000000 0100 00010000 0477656674",
                encode_greet, decode_greet, 47, TAIL_EXACT},
        {"OPEN",
                "0000004a 30 01000000 0700000000000000 00a8da769b010000 "
                "01000000 0900000000000000 01 05776f726473 0000000000000000 "
                "0100 0900000000000000 00a8da769b010000 0100000000000000",
                encode_open, decode_open, 73, TAIL_EXACT},
        {"OPENED", "00000016 31 01000000 00 0000000000000000 0000040000000000",
                encode_opened, decode_opened, 21, TAIL_EXACT},
        {"OPENED with the placement in force",
                "00000038 31 01000000 02 0000000000000000 0000000000000000 "
                "0500000000000000 0100 0900000000000000 00a8da769b010000 "
                "0100000000000000",
                encode_opened_elsewhere, decode_opened_elsewhere, 55,
                TAIL_EXACT},
        {"DATA",
                "0000001c 32 01000000 0000000000000000 03000000 746865 "
                "04000000 6c6f6f6d",
                encode_data, decode_data, 27, TAIL_EXACT},
        {"GRANT", "00000015 33 01000000 0200000000000000 0f00040000000000",
                encode_grant, decode_grant, 20, TAIL_GROWS},
        {"MARK",
                "00000025 34 01000000 0200000000000000 0000000000000000 "
                "0000000000000000 0200000000000000",
                encode_mark, decode_mark, 36, TAIL_GROWS},
        {"DONE", "0000000d 35 01000000 0200000000000000", encode_done,
                decode_done, 12, TAIL_GROWS},
        {"FAIL", "00000012 36 01000000 1104000000000000 05 676f6e65",
                encode_fail, decode_fail, 13, TAIL_FREE},
        {"PING", "00000009 21 0102000000000000", encode_ping, decode_ping, 8,
                TAIL_GROWS},
        {"CONTROL", "00000004 20 02 7b7d", encode_control, decode_control, 1,
                TAIL_FREE},
        {"Hello of star-1", "00000009 04 6e2815bface7a6c3", encode_hello,
                decode_hello, 8, TAIL_EXACT},
        {"Hello of 0xDEADBEEF", "00000009 04 efbeadde00000000", encode_deadbeef,
                decode_deadbeef, 8, TAIL_EXACT},
        {"Barrier, full snapshot",
                "00000019 02 1100000000000000 2a00000000000000 "
                "0100000000000000",
                encode_barrier, decode_barrier, 24, TAIL_EXACT},
        {"Barrier, drain",
                "00000019 02 0700000000000000 0700000000000000 "
                "0200000000000000",
                encode_drain, decode_drain, 24, TAIL_EXACT},
        {"VnodeData", "0000000a 05 2a000000 6172726f77", encode_vnode,
                decode_vnode, 4, TAIL_FREE},
        {"Close", "00000009 ff 677261636566756c", encode_close, decode_close, 0,
                TAIL_FREE},
        {"Close without a reason", "00000001 ff", encode_close_silent,
                decode_close, 0, TAIL_FREE},
        {"CALL", "00000007 40 03000000 7b7d", encode_call, decode_call, 4,
                TAIL_FREE},
        {"RESULT", "00000009 41 03000000 01 01 7b7d", encode_result,
                decode_result, 6, TAIL_FREE},
        {"ATTACH", "0000000d 42 02 01 02000000 05776f726473", encode_attach,
                decode_attach, 12, TAIL_EXACT},
        {"STATE", "00000007 43 01 7761697473", encode_state, decode_state, 1,
                TAIL_FREE},
        {"OUTCOME", "00000016 44 1100000000000000 2a00000000000000 02 6c617465",
                encode_outcome, decode_outcome, 17, TAIL_FREE},
};

static const size_t goldens_count = sizeof(goldens) / sizeof(goldens[0]);

static void every_frame_is_written_as_documented(void **state)
{
    (void)state;
    for (size_t i = 0; i < goldens_count; i++) {
        uint8_t expected[BUFFER_BYTES];
        uint8_t written[BUFFER_BYTES];
        size_t expected_bytes = from_hex(goldens[i].hex, expected);
        struct writer w = writer_of(written, sizeof(written));

        print_message("  %s\n", goldens[i].name);
        w.size = FRAME_HEADER_BYTES;
        goldens[i].encode(&w);
        assert_false(w.failed);
        frame_put_header(written, expected[4], w.size - FRAME_HEADER_BYTES);
        assert_int_equal(w.size, expected_bytes);
        assert_memory_equal(written, expected, expected_bytes);
    }
}

/* From memory of exactly that size, so that a sanitizer sees one byte more. */
static bool decode_exactly(const struct golden *golden, struct bytes payload)
{
    uint8_t *copy = malloc(payload.size + 1);
    bool is_well_formed;

    assert_non_null(copy);
    memmove(copy + 1, payload.data, payload.size);
    is_well_formed = golden->decode(bytes_of(copy + 1, payload.size));
    free(copy);
    return is_well_formed;
}

static void every_frame_is_read_and_each_truncation_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < goldens_count; i++) {
        uint8_t frame[BUFFER_BYTES];
        size_t payload_bytes =
                from_hex(goldens[i].hex, frame) - FRAME_HEADER_BYTES;
        const uint8_t *payload = frame + FRAME_HEADER_BYTES;

        print_message("  %s\n", goldens[i].name);
        assert_true(
                decode_exactly(&goldens[i], bytes_of(payload, payload_bytes)));
        for (size_t size = 0; size < goldens[i].least_bytes; size++) {
            assert_false(decode_exactly(&goldens[i], bytes_of(payload, size)));
        }
        for (size_t size = goldens[i].least_bytes; size < payload_bytes;
                size++) {
            assert_true(decode_exactly(&goldens[i], bytes_of(payload, size)));
        }
    }
}

static void fixed_frames_may_grow_and_others_may_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < goldens_count; i++) {
        uint8_t frame[BUFFER_BYTES] = {0};
        size_t payload_bytes =
                from_hex(goldens[i].hex, frame) - FRAME_HEADER_BYTES;
        struct bytes longer =
                bytes_of(frame + FRAME_HEADER_BYTES, payload_bytes + 1);

        frame[FRAME_HEADER_BYTES + payload_bytes] = 'x';
        print_message("  %s\n", goldens[i].name);
        assert_int_equal(
                goldens[i].decode(longer), goldens[i].tail != TAIL_EXACT);
    }
}

static void impossible_values_are_refused(void **state)
{
    static const struct {
        const char *name;
        const char *payload;
        bool (*decode)(struct bytes payload);
    } rows[] = {
            {"FAIL with code 0", "01000000 0000000000000000 00", decode_fail},
            {"FAIL with code 6", "01000000 0000000000000000 06", decode_fail},
            {"FAIL with broken text", "01000000 0000000000000000 05 c328",
                    decode_fail},
            {"Close with broken text", "c328", decode_close},
            {"OPENED with code 5",
                    "01000000 05 0000000000000000 0000000000000000",
                    decode_opened},
            {"OPENED with an empty placement",
                    "01000000 02 0000000000000000 0000000000000000 "
                    "0000000000000000 0000",
                    decode_opened_elsewhere},
            {"OPENED with a sink twice",
                    "01000000 02 0000000000000000 0000000000000000 "
                    "0000000000000000 0200 "
                    "0900000000000000 0100000000000000 0100000000000000 "
                    "0900000000000000 0100000000000000 0100000000000000",
                    decode_opened_elsewhere},
            {"OPENED with node 0",
                    "01000000 02 0000000000000000 0000000000000000 "
                    "0000000000000000 0100 "
                    "0000000000000000 0100000000000000 0100000000000000",
                    decode_opened_elsewhere},
            {"OPEN of a stage with a space",
                    "01000000 0700000000000000 00a8da769b010000 "
                    "01000000 0900000000000000 01 01 20 0000000000000000 "
                    "0100 0900000000000000 00a8da769b010000 0100000000000000",
                    decode_open},
            {"ATTACH in a third role", "03 01 00000000 0161", decode_attach},
            {"STATE with code 3", "03", decode_state},
            {"RESULT that is last twice", "03000000 00 02", decode_result},
            {"OUTCOME with code 4", "1100000000000000 2a00000000000000 04",
                    decode_outcome},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t payload[BUFFER_BYTES];
        size_t size = from_hex(rows[i].payload, payload);

        print_message("  %s\n", rows[i].name);
        assert_false(rows[i].decode(bytes_of(payload, size)));
    }
}

static bool opens_with_sinks(size_t count)
{
    size_t size = 40 + 10 + count * SHUFFLE_SINK_BYTES;
    uint8_t *payload = malloc(size);
    struct writer w = writer_of(payload, size);
    struct shuffle_wire_open open;
    bool is_well_formed;

    assert_non_null(payload);
    encode_open(&w);
    w.size = 39; /* the head, up to the placement */
    writer_u64le(&w, 0);
    writer_u16le(&w, (uint16_t)count);
    for (uint64_t i = 1; i <= count; i++) {
        shuffle_wire_put_sink(&w, &(struct shuffle_sink_id){i, 1, 1});
    }
    assert_false(w.failed);
    is_well_formed = shuffle_wire_decode_open(writer_bytes(&w), &open);
    free(payload);
    return is_well_formed;
}

static void a_placement_has_a_bounded_number_of_sinks(void **state)
{
    (void)state;
    assert_true(opens_with_sinks(2));
    assert_true(opens_with_sinks(SHUFFLE_SINKS_MAX));
    assert_false(opens_with_sinks(SHUFFLE_SINKS_MAX + 1));
}

static void a_writer_that_is_full_says_so(void **state)
{
    (void)state;
    for (size_t i = 0; i < goldens_count; i++) {
        uint8_t written[BUFFER_BYTES];
        size_t payload_bytes =
                from_hex(goldens[i].hex, written) - FRAME_HEADER_BYTES;
        struct writer w = writer_of(written, payload_bytes - 1);

        if (payload_bytes > 0) {
            goldens[i].encode(&w);
            assert_true(w.failed);
        }
    }
}

static void each_tag_has_its_limit(void **state)
{
    (void)state;
    assert_int_equal(shuffle_wire_payload_max(0x02, MAX_FRAME), 24);
    assert_int_equal(shuffle_wire_payload_max(0x04, MAX_FRAME), 8);
    assert_int_equal(shuffle_wire_payload_max(0x05, MAX_FRAME), MAX_FRAME);
    assert_int_equal(shuffle_wire_payload_max(0xFF, MAX_FRAME), (1 << 20) - 1);
    assert_int_equal(shuffle_wire_payload_max(0x32, MAX_FRAME), (1 << 20) - 1);
    assert_int_equal(
            shuffle_wire_local_payload_max(0x32, MAX_FRAME), MAX_FRAME + 63);
    assert_int_equal(
            shuffle_wire_local_payload_max(0x40, MAX_FRAME), (1 << 20) - 1);
}

static void unknown_tags_are_skipped_from_80_to_bf_alone(void **state)
{
    (void)state;
    for (unsigned tag = 0x80; tag <= 0xBF; tag++) {
        assert_true(shuffle_wire_is_skippable((uint8_t)tag));
        assert_true(shuffle_wire_payload_max((uint8_t)tag, MAX_FRAME) > 0);
    }
    assert_false(shuffle_wire_is_skippable(0x7F));
    assert_false(shuffle_wire_is_skippable(0xC0));
    assert_int_equal(shuffle_wire_payload_max(0x7F, MAX_FRAME), 0);
    assert_int_equal(shuffle_wire_payload_max(0x01, MAX_FRAME), 0);
    assert_int_equal(shuffle_wire_payload_max(0x03, MAX_FRAME), 0);
    assert_int_equal(shuffle_wire_payload_max(0x37, MAX_FRAME), 0);
}

static void a_stage_has_a_plain_name(void **state)
{
    char longest[SHUFFLE_STAGE_MAX + 2];

    (void)state;
    memset(longest, 'a', sizeof(longest));
    assert_true(shuffle_wire_is_stage(bytes_text("words.v2_x-Y")));
    assert_true(shuffle_wire_is_stage(bytes_of(longest, SHUFFLE_STAGE_MAX)));
    assert_false(
            shuffle_wire_is_stage(bytes_of(longest, SHUFFLE_STAGE_MAX + 1)));
    assert_false(shuffle_wire_is_stage(bytes_text("")));
    assert_false(shuffle_wire_is_stage(bytes_text("a b")));
    assert_false(shuffle_wire_is_stage(bytes_text("a:b")));
    assert_false(shuffle_wire_is_stage(bytes_text("\xc3\xa9")));
}

static void each_format_is_read_as_it_was_written(void **state)
{
    uint8_t data[BUFFER_BYTES];
    struct writer w = writer_of(data, sizeof(data));
    struct shuffle_records records;
    struct shuffle_record record;
    size_t count;

    (void)state;
    shuffle_record_put_keyed(&w, bytes_text("a\tkey\tz"), 2, 3);
    shuffle_record_put_keyed(&w, bytes_text(""), 0, 0);
    assert_true(shuffle_records_count(writer_bytes(&w), SHUFFLE_FORMAT_KEYED,
            SHUFFLE_RECORD_MAX, &count));
    assert_int_equal(count, 2);
    records = shuffle_records_of(
            writer_bytes(&w), SHUFFLE_FORMAT_KEYED, SHUFFLE_RECORD_MAX);
    assert_true(shuffle_records_next(&records, &record));
    assert_true(bytes_equal_text(record.key, "key"));
    assert_true(bytes_equal_text(record.body, "a\tkey\tz"));
    assert_int_equal(record.whole.size, 19);
    assert_true(shuffle_records_next(&records, &record));
    assert_int_equal(record.key.size, 0);

    w = writer_of(data, sizeof(data));
    shuffle_record_put_laminar_head(&w, 42, 7, 5);
    writer_put(&w, bytes_text("arrow"));
    records = shuffle_records_of(
            writer_bytes(&w), SHUFFLE_FORMAT_LAMINAR, MAX_FRAME);
    assert_true(shuffle_records_next(&records, &record));
    assert_int_equal(record.peer, 42);
    assert_int_equal(record.vnode, 7);
    assert_true(bytes_equal_text(record.body, "arrow"));
    assert_false(shuffle_records_next(&records, &record));
    assert_false(records.failed);
}

static void records_cut_anywhere_are_refused(void **state)
{
    static const uint8_t formats[] = {
            SHUFFLE_FORMAT_WHOLE, SHUFFLE_FORMAT_KEYED, SHUFFLE_FORMAT_LAMINAR};

    (void)state;
    for (size_t i = 0; i < sizeof(formats); i++) {
        size_t size = shuffle_record_head_bytes(formats[i]) + 3;
        size_t count;

        for (size_t cut = 1; cut <= size; cut++) {
            uint8_t *data = calloc(1, cut);

            assert_non_null(data);
            data[0] = 3;
            assert_int_equal(shuffle_records_count(bytes_of(data, cut),
                                     formats[i], SHUFFLE_RECORD_MAX, &count),
                    cut == size);
            free(data);
        }
    }
}

static void a_key_outside_its_record_is_refused(void **state)
{
    static const struct {
        uint8_t key_at;
        uint8_t key_size;
        bool is_fine;
    } rows[] = {{0, 3, true}, {3, 0, true}, {1, 3, false}, {4, 0, false},
            {0, 255, false}, {255, 255, false}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t data[15] = {3, 0, 0, 0, rows[i].key_at, 0, 0, 0,
                rows[i].key_size, 0, 0, 0, 'a', 'b', 'c'};
        size_t count;

        assert_int_equal(
                shuffle_records_count(bytes_of(data, sizeof(data)),
                        SHUFFLE_FORMAT_KEYED, SHUFFLE_RECORD_MAX, &count),
                rows[i].is_fine);
    }
}

static void a_record_above_its_bound_is_refused(void **state)
{
    uint8_t *data = calloc(1, SHUFFLE_RECORD_MAX + 1);
    size_t count;

    (void)state;
    assert_non_null(data);
    data[0] = 0xfc;
    data[1] = 0xff;
    data[2] = 0x03;
    assert_true(shuffle_records_count(bytes_of(data, SHUFFLE_RECORD_MAX),
            SHUFFLE_FORMAT_WHOLE, SHUFFLE_RECORD_MAX, &count));
    assert_int_equal(count, 1);
    data[0] = 0xfd;
    assert_false(shuffle_records_count(bytes_of(data, SHUFFLE_RECORD_MAX + 1),
            SHUFFLE_FORMAT_WHOLE, SHUFFLE_RECORD_MAX, &count));
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(every_frame_is_written_as_documented),
            cmocka_unit_test(every_frame_is_read_and_each_truncation_refused),
            cmocka_unit_test(fixed_frames_may_grow_and_others_may_not),
            cmocka_unit_test(impossible_values_are_refused),
            cmocka_unit_test(a_placement_has_a_bounded_number_of_sinks),
            cmocka_unit_test(a_writer_that_is_full_says_so),
            cmocka_unit_test(each_tag_has_its_limit),
            cmocka_unit_test(unknown_tags_are_skipped_from_80_to_bf_alone),
            cmocka_unit_test(a_stage_has_a_plain_name),
            cmocka_unit_test(each_format_is_read_as_it_was_written),
            cmocka_unit_test(records_cut_anywhere_are_refused),
            cmocka_unit_test(a_key_outside_its_record_is_refused),
            cmocka_unit_test(a_record_above_its_bound_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
