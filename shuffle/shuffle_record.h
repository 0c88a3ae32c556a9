/* Records inside a DATA frame: three formats, and a reader for them.
 *
 *   1  length u32, bytes                               the key is all of it
 *   2  length u32, key_at u32, key_length u32, bytes   the key is a part of it
 *   3  length u32, peer u64, vnode u32, bytes          LaminarDB's, no key
 *
 * length counts `bytes` alone; all words are little-endian (docs/wire.md,
 * "Streams"). A record of format 1 or 2 takes at most 256 KiB with its length
 * words; one of format 3 is bounded by `max_frame`, which its carrier, a frame
 * 05, has to obey.
 *
 * The reader is bounds-checked and inline, for every record on its way through
 * a node passes here twice: when it is routed, and when it is counted. */
#pragma once

#include "base/bytes.h"
#include "base/writer.h"

enum {
    SHUFFLE_RECORD_MAX = 256 << 10, /* of formats 1 and 2, words included */
};

enum shuffle_format {
    SHUFFLE_FORMAT_WHOLE = 1,
    SHUFFLE_FORMAT_KEYED = 2,
    SHUFFLE_FORMAT_LAMINAR = 3,
};

enum {
    SHUFFLE_WHOLE_HEAD_BYTES = 4,
    SHUFFLE_KEYED_HEAD_BYTES = 12,
    SHUFFLE_LAMINAR_HEAD_BYTES = 16,
};

bool shuffle_record_is_format(uint8_t format);

/* Bytes of the words in front of a record of this format. */
size_t shuffle_record_head_bytes(uint8_t format);

/* Writes one record of each format, words first. */
void shuffle_record_put_whole(struct writer *w, struct bytes body);
void shuffle_record_put_keyed(struct writer *w, struct bytes body,
        uint32_t key_at, uint32_t key_size);
void shuffle_record_put_laminar_head(
        struct writer *w, uint64_t peer, uint32_t vnode, size_t body_bytes);

struct shuffle_record {
    struct bytes whole; /* with its length words, as it is copied onwards */
    struct bytes body;
    struct bytes key; /* formats 1 and 2 */
    uint64_t peer; /* format 3 */
    uint32_t vnode; /* format 3 */
};

/* What is left to read. Start with `shuffle_records_of`. */
struct shuffle_records {
    const uint8_t *at;
    const uint8_t *end;
    size_t record_max; /* words included */
    uint8_t format;
    bool failed; /* cut short, too long, or its key outside of it */
};

static inline struct shuffle_records shuffle_records_of(
        struct bytes records, uint8_t format, size_t record_max)
{
    return (struct shuffle_records){
            .at = records.data,
            .end = records.size == 0 ? records.data
                                     : records.data + records.size,
            .record_max = record_max,
            .format = format,
    };
}

static inline uint32_t shuffle_record_u32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
           (uint32_t)at[3] << 24;
}

/* The next record of format 1 or 2; false at the end and when `failed`. */
static inline bool shuffle_records_next_keyed(
        struct shuffle_records *r, struct shuffle_record *record)
{
    size_t left = (size_t)(r->end - r->at);
    size_t head = r->format == SHUFFLE_FORMAT_WHOLE ? SHUFFLE_WHOLE_HEAD_BYTES
                                                    : SHUFFLE_KEYED_HEAD_BYTES;
    size_t length;

    if (left == 0) {
        return false;
    }
    if (left < head) {
        r->failed = true;
        return false;
    }
    length = shuffle_record_u32(r->at);
    if (length > left - head || length > r->record_max - head) {
        r->failed = true;
        return false;
    }
    record->whole = (struct bytes){r->at, head + length};
    record->body = (struct bytes){r->at + head, length};
    record->key = record->body;
    if (r->format == SHUFFLE_FORMAT_KEYED) {
        size_t key_at = shuffle_record_u32(r->at + 4);
        size_t key_size = shuffle_record_u32(r->at + 8);

        if (key_at > length || key_size > length - key_at) {
            r->failed = true;
            return false;
        }
        record->key = (struct bytes){record->body.data + key_at, key_size};
    }
    r->at += head + length;
    return true;
}

/* The next record of any format; false at the end and when `failed`. */
bool shuffle_records_next(
        struct shuffle_records *r, struct shuffle_record *record);

/* How many there are; false when one of them is malformed. */
bool shuffle_records_count(
        struct bytes records, uint8_t format, size_t record_max, size_t *count);
