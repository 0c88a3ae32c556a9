#include "shuffle/shuffle_record.h"

#include "base/reader.h"

#include <assert.h>

bool shuffle_record_is_format(uint8_t format)
{
    return format >= SHUFFLE_FORMAT_WHOLE && format <= SHUFFLE_FORMAT_LAMINAR;
}

size_t shuffle_record_head_bytes(uint8_t format)
{
    assert(shuffle_record_is_format(format));
    switch (format) {
    case SHUFFLE_FORMAT_WHOLE:
        return SHUFFLE_WHOLE_HEAD_BYTES;
    case SHUFFLE_FORMAT_KEYED:
        return SHUFFLE_KEYED_HEAD_BYTES;
    default:
        return SHUFFLE_LAMINAR_HEAD_BYTES;
    }
}

void shuffle_record_put_whole(struct writer *w, struct bytes body)
{
    writer_u32le(w, (uint32_t)body.size);
    writer_put(w, body);
}

void shuffle_record_put_keyed(
        struct writer *w, struct bytes body, uint32_t key_at, uint32_t key_size)
{
    assert(key_at <= body.size && key_size <= body.size - key_at);
    writer_u32le(w, (uint32_t)body.size);
    writer_u32le(w, key_at);
    writer_u32le(w, key_size);
    writer_put(w, body);
}

void shuffle_record_put_laminar_head(
        struct writer *w, uint64_t peer, uint32_t vnode, size_t body_bytes)
{
    writer_u32le(w, (uint32_t)body_bytes);
    writer_u64le(w, peer);
    writer_u32le(w, vnode);
}

static bool next_laminar(
        struct shuffle_records *r, struct shuffle_record *record)
{
    struct reader in = reader_of(bytes_of(r->at, (size_t)(r->end - r->at)));
    size_t length;

    if (in.rest.size == 0) {
        return false;
    }
    length = reader_u32le(&in);
    record->peer = reader_u64le(&in);
    record->vnode = reader_u32le(&in);
    record->body = reader_take(&in, length);
    if (in.failed || length > r->record_max - SHUFFLE_LAMINAR_HEAD_BYTES) {
        r->failed = true;
        return false;
    }
    record->whole = bytes_of(r->at, SHUFFLE_LAMINAR_HEAD_BYTES + length);
    record->key = bytes_of(NULL, 0);
    r->at += record->whole.size;
    return true;
}

bool shuffle_records_next(
        struct shuffle_records *r, struct shuffle_record *record)
{
    assert(shuffle_record_is_format(r->format));
    if (r->format == SHUFFLE_FORMAT_LAMINAR) {
        return next_laminar(r, record);
    }
    record->peer = 0;
    record->vnode = 0;
    return shuffle_records_next_keyed(r, record);
}

static bool count_keyed(struct shuffle_records *r, size_t *count)
{
    struct shuffle_record record;

    while (shuffle_records_next_keyed(r, &record)) {
        ++*count;
    }
    return !r->failed;
}

bool shuffle_records_count(
        struct bytes records, uint8_t format, size_t record_max, size_t *count)
{
    struct shuffle_records r = shuffle_records_of(records, format, record_max);
    struct shuffle_record record;

    *count = 0;
    if (format != SHUFFLE_FORMAT_LAMINAR) {
        return count_keyed(&r, count);
    }
    while (shuffle_records_next(&r, &record)) {
        ++*count;
    }
    return !r.failed;
}
