#include "shuffle/shuffle_route.h"

#include <string.h>

#include "base/hash.h"
#include "shuffle/shuffle_record.h"
#include "shuffle/shuffle_send.h"
#include "shuffle/shuffle_source.h"
#include "shuffle/shuffle_streams.h"

enum {
    MEMORY_RETRY_MS = 50,
};

/* Copies each record into the frame that is filling for its key's owner, up to
 * the first one that has to wait. This is the hot path: one hash, one look-up,
 * one copy. */
static void route(struct shuffle_streams *st, struct shuffle_source *source,
        struct shuffle_records *records)
{
    struct shuffle_record record;
    uint64_t routed = 0;
    uint64_t bytes = 0;
    const uint8_t *at = records->at;

    while (shuffle_records_next_keyed(records, &record)) {
        size_t owner =
                shuffle_place_owner(&source->place, hash_xxh3(record.key));
        struct shuffle_outstream *out = source->streams[owner];
        size_t size = record.whole.size;

        if (size > (size_t)(out->end - out->at) &&
                !shuffle_outstream_make_room(st, out, size)) {
            records->at = at; /* it is read again */
            break;
        }
        memcpy(out->at, record.whole.data, size);
        out->at += size;
        out->filling_records++;
        out->routed_records++;
        out->routed_bytes += size;
        routed++;
        bytes += size;
        at = records->at;
    }
    source->stage->records_in += routed;
    source->stage->bytes_in += bytes;
}

static struct shuffle_records records_of(
        const struct shuffle_source *source, struct bytes bytes)
{
    return shuffle_records_of(bytes, source->format, SHUFFLE_RECORD_MAX);
}

bool shuffle_route_is_spilled(const struct shuffle_source *source)
{
    return source->spill->size > source->spill_used;
}

size_t shuffle_route_end(const struct shuffle_source *source)
{
    if (source->is_opening) {
        return source->spill_used;
    }
    return source->is_held ? source->spill_held : source->spill->size;
}

void shuffle_route_count_spill(struct shuffle_source *source)
{
    struct bytes all = block_bytes(source->spill);
    struct shuffle_records records = records_of(
            source, bytes_of(all.data + source->spill_used,
                            shuffle_route_end(source) - source->spill_used));
    struct shuffle_record record;

    while (shuffle_records_next_keyed(&records, &record)) {
        size_t owner =
                shuffle_place_owner(&source->place, hash_xxh3(record.key));

        source->streams[owner]->cut_next++;
    }
}

bool shuffle_route_is_stuck(const struct shuffle_source *source)
{
    for (size_t i = 0; i < source->streams_count; i++) {
        if (source->streams[i]->full != NULL) {
            return true;
        }
    }
    return false;
}

/* What is read now is kept: it is routed when the placement is known. */
static bool is_held(const struct shuffle_source *source)
{
    return source->is_held || source->is_opening;
}

static void set_read(struct shuffle_streams *st, struct shuffle_source *source)
{
    bool on = source->state == SHUFFLE_SOURCE_RUNNING && !source->is_drained &&
              !shuffle_route_is_spilled(source) &&
              !shuffle_route_is_stuck(source) && !is_held(source);

    if (on != source->is_read) {
        source->is_read = on;
        shuffle_tell_read(st, source->client, on);
    }
}

/* When all that was read has been routed, the end can be marked. */
static void mark_end(struct shuffle_streams *st, struct shuffle_source *source)
{
    if (source->state != SHUFFLE_SOURCE_RUNNING || !source->is_drained ||
            shuffle_route_is_spilled(source) || is_held(source)) {
        return;
    }
    source->state = SHUFFLE_SOURCE_DRAINING;
    for (size_t i = 0; i < source->streams_count; i++) {
        shuffle_outstream_mark(st, source->streams[i]);
        shuffle_outstream_touch(st, source->streams[i]);
    }
}

static void route_spill(
        struct shuffle_streams *st, struct shuffle_source *source)
{
    struct bytes all = block_bytes(source->spill);
    size_t end = shuffle_route_end(source);
    struct shuffle_records records = records_of(source,
            bytes_of(all.data + source->spill_used, end - source->spill_used));

    route(st, source, &records);
    source->spill_used = (size_t)(records.at - all.data);
    if (!shuffle_route_is_spilled(source)) {
        source->spill->size = 0;
        source->spill_used = 0;
        source->spill_held = 0;
        return;
    }
    if (source->spill_used < end) {
        shuffle_streams_arm(st, st->now_ms + MEMORY_RETRY_MS);
    }
}

void shuffle_route_resume(
        struct shuffle_streams *st, struct shuffle_source *source)
{
    if (!shuffle_source_counts(source)) {
        return;
    }
    if (source->spill_used < shuffle_route_end(source)) {
        route_spill(st, source);
    }
    mark_end(st, source);
    set_read(st, source);
}

/* Keeps what could not be routed yet. False: malformed, or more than a read
 * may bring. */
static bool spill(struct shuffle_source *source, struct bytes rest)
{
    size_t count;

    if (rest.size == 0) {
        return true;
    }
    if (!shuffle_records_count(
                rest, source->format, SHUFFLE_RECORD_MAX, &count) ||
            rest.size > block_room(source->spill)) {
        return false;
    }
    block_append(source->spill, rest);
    source->read_records += count;
    return true;
}

/* Routes a frame's records, or keeps them; counts them as read. */
static bool take(struct shuffle_streams *st, struct shuffle_source *source,
        struct bytes bytes)
{
    struct shuffle_records records = records_of(source, bytes);
    uint64_t before = source->stage->records_in;

    if (shuffle_source_counts(source) && !shuffle_route_is_spilled(source) &&
            !is_held(source)) {
        route(st, source, &records);
        source->read_records += source->stage->records_in - before;
    }
    return !records.failed &&
           spill(source,
                   bytes_of(records.at, (size_t)(records.end - records.at)));
}

bool shuffle_route_data(struct shuffle_streams *st,
        struct shuffle_source *source, struct bytes payload)
{
    struct shuffle_wire_data data;
    uint64_t before = source->read_records;

    if (!shuffle_wire_decode_data(payload, &data) || data.stream != 0 ||
            data.first != before || data.records.size == 0 ||
            source->is_drained || !take(st, source, data.records)) {
        return false;
    }
    set_read(st, source);
    return source->read_records == before + 1 ||
           payload.size < SHUFFLE_DATA_FRAME_MAX;
}

bool shuffle_route_mark(struct shuffle_streams *st,
        struct shuffle_source *source, struct bytes payload)
{
    struct shuffle_wire_mark mark;

    if (!shuffle_wire_decode_mark(payload, &mark) || mark.stream != 0 ||
            mark.next != source->read_records || source->is_drained ||
            (mark.flags & SHUFFLE_FLAG_DRAIN) == 0) {
        return false;
    }
    source->is_drained = true;
    shuffle_route_resume(st, source);
    return true;
}
