#include "node/output.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/writer.h"
#include "node/need.h"

enum {
    PIECES = 3, /* head, body, separator */
};

void output_init(struct output *o, enum output_mode mode)
{
    *o = (struct output){.mode = mode, .piece = PIECES};
    o->batch = need(malloc(OUTPUT_BATCH_BYTES));
    o->ends = need(malloc(OUTPUT_BATCH_RECORDS * sizeof(*o->ends)));
}

void output_close(struct output *o)
{
    free(o->batch);
    free(o->ends);
    *o = (struct output){.piece = PIECES};
}

void output_take(struct output *o, struct bytes records)
{
    bool is_raw = o->mode == OUTPUT_RAW;

    assert(!output_has_frame(o));
    o->records = shuffle_records_of(records,
            is_raw ? SHUFFLE_FORMAT_LAMINAR : SHUFFLE_FORMAT_WHOLE,
            is_raw ? SIZE_MAX : SHUFFLE_RECORD_MAX);
}

bool output_has_frame(const struct output *o)
{
    return o->piece < PIECES || o->records.at != o->records.end;
}

/* The record in the pieces that are written one behind the other. */
static void begin_record(struct output *o, const struct shuffle_record *record)
{
    static const uint8_t feed = '\n';
    static const uint8_t nul = '\0';
    struct writer w = writer_of(o->head, sizeof(o->head));

    o->pieces[0] = (struct bytes){NULL, 0};
    o->pieces[1] = record->body;
    o->pieces[2] = (struct bytes){NULL, 0};
    if (o->mode == OUTPUT_RAW) {
        writer_u64le(&w, record->peer);
        writer_u32le(&w, record->vnode);
        writer_u32le(&w, (uint32_t)record->body.size);
        o->pieces[0] = writer_bytes(&w);
    } else {
        o->pieces[2] = bytes_of(o->mode == OUTPUT_LINES ? &feed : &nul, 1);
    }
    o->piece = 0;
}

/* Copies what fits of the record; true when all of it is in the batch. */
static bool copy_pieces(struct output *o)
{
    for (; o->piece < PIECES; o->piece++) {
        struct bytes *piece = &o->pieces[o->piece];
        size_t room = OUTPUT_BATCH_BYTES - o->end;
        size_t size = piece->size < room ? piece->size : room;

        if (size > 0) {
            memcpy(o->batch + o->end, piece->data, size);
        }
        o->end += size;
        *piece = bytes_skip(*piece, size);
        if (piece->size > 0) {
            return false;
        }
    }
    o->ends[o->ends_count] = (uint32_t)o->end;
    o->ends_count++;
    return true;
}

/* The usual case: a short line, and room for all of it. */
static bool copy_line(struct output *o, const struct shuffle_record *record)
{
    uint8_t *to = o->batch + o->end;
    size_t size = record->body.size;

    if (o->mode == OUTPUT_RAW || size >= OUTPUT_BATCH_BYTES - o->end) {
        return false;
    }
    memcpy(to, record->body.data, size);
    to[size] = o->mode == OUTPUT_LINES ? '\n' : '\0';
    o->end += size + 1;
    o->ends[o->ends_count] = (uint32_t)o->end;
    o->ends_count++;
    return true;
}

static bool next_record(struct output *o, struct shuffle_record *record)
{
    bool has_one;

    if (o->records.at == o->records.end) {
        return false;
    }
    has_one = o->mode == OUTPUT_RAW
                      ? shuffle_records_next(&o->records, record)
                      : shuffle_records_next_keyed(&o->records, record);
    if (o->records.failed) {
        o->is_malformed = true;
        o->records.at = o->records.end;
    }
    return has_one;
}

void output_fill(struct output *o)
{
    struct shuffle_record record = {0};

    if (o->piece < PIECES && o->ends_count < OUTPUT_BATCH_RECORDS &&
            !copy_pieces(o)) {
        return;
    }
    while (o->ends_count < OUTPUT_BATCH_RECORDS && next_record(o, &record)) {
        if (copy_line(o, &record)) {
            continue;
        }
        begin_record(o, &record);
        if (!copy_pieces(o)) {
            return;
        }
    }
}

uint64_t output_records(const struct output *o)
{
    return o->taken_records + (o->ends_count - o->ends_first);
}

struct bytes output_pending(const struct output *o)
{
    return (struct bytes){o->batch + o->start, o->end - o->start};
}

/* Output has a separator where credit counts the length word. */
static uint64_t as_credit(
        const struct output *o, uint64_t records, uint64_t bytes)
{
    return o->mode == OUTPUT_RAW
                   ? bytes
                   : bytes + records * (SHUFFLE_WHOLE_HEAD_BYTES - 1);
}

/* Everything is written, so every record that ended here is taken. */
static void begin_batch(struct output *o)
{
    assert(o->ends_first == o->ends_count);
    o->passed += o->end;
    o->start = 0;
    o->end = 0;
    o->ends_first = 0;
    o->ends_count = 0;
}

void output_written(struct output *o, size_t size)
{
    assert(size <= o->end - o->start);
    o->start += size;
    while (o->ends_first < o->ends_count &&
            o->ends[o->ends_first] <= o->start) {
        o->ends_first++;
        o->taken_records++;
        o->written_ends = o->passed + o->ends[o->ends_first - 1];
    }
    o->taken_bytes = as_credit(o, o->taken_records, o->written_ends);
    if (o->start == o->end) {
        begin_batch(o);
    }
}
