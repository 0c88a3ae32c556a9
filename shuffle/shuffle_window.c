#include "shuffle/shuffle_window.h"

#include <assert.h>

#include "shuffle/shuffle_instream.h"
#include "shuffle/shuffle_outstream.h"
#include "shuffle/shuffle_sink.h"
#include "shuffle/shuffle_streams.h"

enum {
    KEY_WORDS_BYTES = SHUFFLE_KEYED_HEAD_BYTES - SHUFFLE_WHOLE_HEAD_BYTES,
};

/* Records may lie in blocks of twice their size, and the last block may be
 * nearly empty. */
static size_t backing(size_t window)
{
    return 2 * window + SHUFFLE_DATA_FRAME_MAX;
}

bool shuffle_window_reserve(
        struct shuffle_streams *st, struct shuffle_instream *in, size_t window)
{
    size_t more = backing(window) - in->reserved_bytes;

    if (!budget_take(st->options.budget, more)) {
        return false;
    }
    in->reserved_bytes += more;
    in->window_bytes = window;
    return true;
}

void shuffle_window_release(
        struct shuffle_streams *st, struct shuffle_instream *in)
{
    budget_give(st->options.budget, in->reserved_bytes);
    in->reserved_bytes = 0;
    while (in->waiting.head != NULL) {
        block_free(block_list_pop(&in->waiting));
    }
    in->waiting_bytes = 0;
}

/* Growing leaves room for the largest frame of a peer without credits. */
void shuffle_window_grow(
        struct shuffle_streams *st, struct shuffle_instream *in)
{
    const struct budget *budget = st->options.budget;
    size_t window = in->window_bytes * 2;
    size_t more;

    if (window > st->options.window_bytes) {
        window = st->options.window_bytes;
    }
    if (window <= in->window_bytes) {
        return;
    }
    more = backing(window) - in->reserved_bytes;
    if (more + st->options.max_frame_bytes <=
            budget->max_bytes - budget->used_bytes) {
        (void)shuffle_window_reserve(st, in, window);
    }
}

size_t shuffle_window_extra_bytes(
        const struct shuffle_instream *in, uint64_t records)
{
    bool is_cut = in->format == SHUFFLE_FORMAT_KEYED &&
                  in->sink->format == SHUFFLE_FORMAT_WHOLE;

    return is_cut ? (size_t)records * KEY_WORDS_BYTES : 0;
}

/* Several records in a block become one frame, which has its bound. */
static size_t room_in(const struct block *tail)
{
    size_t room = block_room(tail);
    size_t left = tail->size < SHUFFLE_PACK_BYTES
                          ? SHUFFLE_PACK_BYTES - tail->size
                          : 0;

    return room < left ? room : left;
}

/* The block that takes `bytes` more: the last one, or a new one. The first of
 * a window is as large as what came; where something waits already, more will
 * come. */
static struct block *tail_with_room(struct shuffle_streams *st,
        struct shuffle_instream *in, size_t bytes, size_t rest)
{
    struct block *tail = in->waiting.tail;
    size_t capacity = rest;

    if (tail != NULL && room_in(tail) >= bytes) {
        return tail;
    }
    if (tail != NULL || capacity > SHUFFLE_PACK_BYTES) {
        capacity = SHUFFLE_PACK_BYTES;
    }
    tail = block_new(&st->windows, bytes > capacity ? bytes : capacity);
    if (tail != NULL) {
        block_list_push(&in->waiting, tail);
    }
    return tail;
}

static void copy_run(struct shuffle_instream *in, struct shuffle_taking *t,
        struct bytes run, uint32_t count)
{
    if (count == 0) {
        return;
    }
    block_append(in->waiting.tail, run);
    in->waiting.tail->records += count;
    in->waiting_bytes += run.size;
    t->count += count;
    t->bytes += run.size;
}

/* Copies the records as they are, a run of them at a time. */
static void take_as_is(struct shuffle_streams *st, struct shuffle_instream *in,
        struct shuffle_taking *t)
{
    struct bytes run = bytes_of(t->records.at, 0);
    struct shuffle_record record;
    uint32_t count = 0;
    size_t room = 0;

    while (shuffle_records_next_keyed(&t->records, &record)) {
        size_t size = record.whole.size;

        if (run.size + size > room) {
            size_t rest = size + (size_t)(t->records.end - t->records.at);
            struct block *tail;

            copy_run(in, t, run, count);
            run = bytes_of(record.whole.data, 0);
            count = 0;
            tail = tail_with_room(st, in, size, rest);
            if (tail == NULL) {
                t->is_starved = true;
                return;
            }
            room = size > room_in(tail) ? size : room_in(tail);
        }
        run.size += size;
        count++;
    }
    copy_run(in, t, run, count);
}

/* Copies records of format 2 as records of format 1. */
static void take_without_keys(struct shuffle_streams *st,
        struct shuffle_instream *in, struct shuffle_taking *t)
{
    struct shuffle_record record;

    while (shuffle_records_next_keyed(&t->records, &record)) {
        size_t size = SHUFFLE_WHOLE_HEAD_BYTES + record.body.size;
        size_t rest = size + (size_t)(t->records.end - t->records.at);
        struct block *tail = tail_with_room(st, in, size, rest);
        struct writer w;

        if (tail == NULL) {
            t->is_starved = true;
            return;
        }
        w = writer_of(block_end(tail), block_room(tail));
        shuffle_record_put_whole(&w, record.body);
        assert(!w.failed);
        block_grow(tail, w.size);
        tail->records++;
        in->waiting_bytes += size;
        t->count++;
        t->bytes += record.whole.size;
    }
}

void shuffle_window_take(struct shuffle_streams *st,
        struct shuffle_instream *in, struct bytes records,
        struct shuffle_taking *t)
{
    *t = (struct shuffle_taking){.records = shuffle_records_of(records,
                                         in->format, SHUFFLE_RECORD_MAX)};
    if (in->format == in->sink->format) {
        take_as_is(st, in, t);
    } else {
        take_without_keys(st, in, t);
    }
}

/* Small blocks that have to wait are gathered in the last one. */
void shuffle_window_keep(struct shuffle_instream *in, struct block *block)
{
    struct block *tail = in->waiting.tail;

    if (tail == NULL || block->size > room_in(tail)) {
        block_list_push(&in->waiting, block);
        return;
    }
    block_append(tail, block_bytes(block));
    tail->records += block->records;
    block_free(block);
}

/* So many whole records of the block, in bytes. */
static size_t front_bytes(const struct shuffle_streams *st,
        const struct shuffle_instream *in, const struct block *block,
        uint64_t records)
{
    struct shuffle_records rest =
            shuffle_records_of(block_bytes(block), in->sink->format,
                    st->options.max_frame_bytes + SHUFFLE_LAMINAR_HEAD_BYTES);
    struct shuffle_record record;
    size_t bytes = 0;

    while (records > 0 && shuffle_records_next(&rest, &record)) {
        bytes += record.whole.size;
        records--;
    }
    return bytes;
}

uint64_t shuffle_window_bytes_before(const struct shuffle_streams *st,
        const struct shuffle_instream *in, uint64_t records)
{
    uint64_t bytes = 0;

    for (const struct block *b = in->waiting.head; b != NULL && records > 0;
            b = b->next) {
        if (b->records > records) {
            return bytes + front_bytes(st, in, b, records);
        }
        bytes += b->size;
        records -= b->records;
    }
    return bytes;
}
