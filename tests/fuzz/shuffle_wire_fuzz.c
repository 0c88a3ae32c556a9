/* Any bytes as any frame: nothing is read outside them, and what is well
 * formed is written back to the same bytes. The first byte picks the tag. */
#include <assert.h>
#include <string.h>

#include "shuffle/shuffle_record.h"
#include "shuffle/shuffle_wire.h"

enum {
    OUT_BYTES = 64 << 10,
    RECORD_MAX = 1 << 20,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Written back, it is the front of what was read; a frame of fixed size may
 * have had more behind it. */
static void assert_front(const struct writer *w, struct bytes payload)
{
    assert(!w->failed && w->size <= payload.size);
    assert(w->size == 0 || memcmp(w->data, payload.data, w->size) == 0);
}

static void try_open(struct bytes payload, struct writer *w)
{
    struct shuffle_wire_open open;

    if (shuffle_wire_decode_open(payload, &open)) {
        shuffle_wire_encode_open(w, &open);
        assert_front(w, payload);
    }
}

static void try_opened(struct bytes payload, struct writer *w)
{
    struct shuffle_wire_opened opened;

    if (shuffle_wire_decode_opened(payload, &opened)) {
        shuffle_wire_encode_opened(w, &opened);
        assert_front(w, payload);
    }
}

static void try_greet(struct bytes payload, struct writer *w)
{
    struct shuffle_wire_greet greet;

    if (shuffle_wire_decode_greet(payload, &greet)) {
        shuffle_wire_encode_greet(w, &greet);
        assert_front(w, payload);
    }
}

static void walk_records(struct bytes bytes, uint8_t format)
{
    struct shuffle_records records =
            shuffle_records_of(bytes, format, RECORD_MAX);
    struct shuffle_record record;
    size_t whole = 0;
    size_t count;
    bool is_fine = shuffle_records_count(bytes, format, RECORD_MAX, &count);

    while (shuffle_records_next(&records, &record)) {
        assert(record.body.size + shuffle_record_head_bytes(format) ==
                record.whole.size);
        assert(record.key.size <= record.body.size);
        whole += record.whole.size;
        count--;
    }
    assert(count == 0);
    assert(is_fine == (whole == bytes.size) && is_fine == !records.failed);
}

static void try_data(struct bytes payload, struct writer *w)
{
    struct shuffle_wire_data d;

    if (shuffle_wire_decode_data(payload, &d)) {
        shuffle_wire_encode_data_head(w, d.stream, d.first);
        assert_front(w, payload);
        walk_records(d.records, SHUFFLE_FORMAT_WHOLE);
        walk_records(d.records, SHUFFLE_FORMAT_KEYED);
        walk_records(d.records, SHUFFLE_FORMAT_LAMINAR);
    }
}

static void try_numbers(uint8_t tag, struct bytes payload, struct writer *w)
{
    struct shuffle_wire_barrier barrier;
    struct shuffle_wire_grant grant;
    struct shuffle_wire_mark mark;
    struct shuffle_wire_done done;
    uint64_t number;

    if (tag == SHUFFLE_TAG_BARRIER &&
            shuffle_wire_decode_barrier(payload, &barrier)) {
        shuffle_wire_encode_barrier(w, &barrier);
    } else if (tag == SHUFFLE_TAG_GRANT &&
               shuffle_wire_decode_grant(payload, &grant)) {
        shuffle_wire_encode_grant(w, &grant);
    } else if (tag == SHUFFLE_TAG_MARK &&
               shuffle_wire_decode_mark(payload, &mark)) {
        shuffle_wire_encode_mark(w, &mark);
    } else if (tag == SHUFFLE_TAG_DONE &&
               shuffle_wire_decode_done(payload, &done)) {
        shuffle_wire_encode_done(w, &done);
    } else if (tag == SHUFFLE_TAG_HELLO &&
               shuffle_wire_decode_hello(payload, &number)) {
        shuffle_wire_encode_hello(w, number);
    } else if (tag == SHUFFLE_TAG_PING &&
               shuffle_wire_decode_ping(payload, &number)) {
        shuffle_wire_encode_ping(w, number);
    }
    assert_front(w, payload);
}

static void try_texts(uint8_t tag, struct bytes payload, struct writer *w)
{
    struct shuffle_wire_control control;
    struct shuffle_wire_fail fail;
    struct shuffle_wire_call call;
    struct shuffle_wire_result result;
    struct shuffle_wire_attach attach;
    struct shuffle_wire_state state;
    struct shuffle_wire_outcome outcome;

    if (tag == SHUFFLE_TAG_CONTROL &&
            shuffle_wire_decode_control(payload, &control)) {
        shuffle_wire_encode_control(w, &control);
    } else if (tag == SHUFFLE_TAG_FAIL &&
               shuffle_wire_decode_fail(payload, &fail)) {
        shuffle_wire_encode_fail(w, &fail);
    } else if (tag == SHUFFLE_TAG_CALL &&
               shuffle_wire_decode_call(payload, &call)) {
        shuffle_wire_encode_call(w, &call);
    } else if (tag == SHUFFLE_TAG_RESULT &&
               shuffle_wire_decode_result(payload, &result)) {
        shuffle_wire_encode_result(w, &result);
    } else if (tag == SHUFFLE_TAG_ATTACH &&
               shuffle_wire_decode_attach(payload, &attach)) {
        shuffle_wire_encode_attach(w, &attach);
    } else if (tag == SHUFFLE_TAG_STATE &&
               shuffle_wire_decode_state(payload, &state)) {
        shuffle_wire_encode_state(w, &state);
    } else if (tag == SHUFFLE_TAG_OUTCOME &&
               shuffle_wire_decode_outcome(payload, &outcome)) {
        shuffle_wire_encode_outcome(w, &outcome);
    }
    assert_front(w, payload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t out[OUT_BYTES];
    struct writer w = writer_of(out, sizeof(out));
    struct bytes payload;

    if (size == 0 || size > sizeof(out)) {
        return 0;
    }
    payload = bytes_of(data + 1, size - 1);
    switch (data[0]) {
    case SHUFFLE_TAG_GREET:
        try_greet(payload, &w);
        break;
    case SHUFFLE_TAG_OPEN:
        try_open(payload, &w);
        break;
    case SHUFFLE_TAG_OPENED:
        try_opened(payload, &w);
        break;
    case SHUFFLE_TAG_DATA:
        try_data(payload, &w);
        break;
    default:
        try_numbers(data[0], payload, &w);
        w.size = 0;
        try_texts(data[0], payload, &w);
        break;
    }
    return 0;
}
