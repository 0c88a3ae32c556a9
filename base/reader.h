/* Reads fields from borrowed bytes; fails once and stays failed.
 *
 * Read the fields in order, ask `failed` once, then judge the values: a field
 * that runs over the end reads as zero or empty, and so does every one after
 * it. Nothing is ever read outside the input. */
#pragma once

#include "base/bytes.h"

struct reader {
    struct bytes rest; /* what has not been read */
    bool failed;
};

static inline struct reader reader_of(struct bytes input)
{
    return (struct reader){.rest = input, .failed = false};
}

/* The next `size` bytes, borrowed from the input. Inline, as the numbers are:
 * they run for every field of every frame. */
static inline struct bytes reader_take(struct reader *r, size_t size)
{
    struct bytes taken = bytes_of(r->rest.data, size);

    if (r->failed || size > r->rest.size) {
        r->failed = true;
        return bytes_of(NULL, 0);
    }
    r->rest = bytes_skip(r->rest, size);
    return taken;
}

static inline uint8_t reader_u8(struct reader *r)
{
    struct bytes b = reader_take(r, 1);

    return r->failed ? 0 : b.data[0];
}

static inline uint16_t reader_u16le(struct reader *r)
{
    struct bytes b = reader_take(r, 2);

    return (uint16_t)(r->failed ? 0 : b.data[0] | b.data[1] << 8);
}

static inline uint32_t reader_u32le(struct reader *r)
{
    struct bytes b = reader_take(r, 4);

    return r->failed ? 0
                     : (uint32_t)b.data[0] | (uint32_t)b.data[1] << 8 |
                               (uint32_t)b.data[2] << 16 |
                               (uint32_t)b.data[3] << 24;
}

static inline uint32_t reader_u32be(struct reader *r)
{
    struct bytes b = reader_take(r, 4);

    return r->failed ? 0
                     : (uint32_t)b.data[0] << 24 | (uint32_t)b.data[1] << 16 |
                               (uint32_t)b.data[2] << 8 | (uint32_t)b.data[3];
}

static inline uint64_t reader_u64le(struct reader *r)
{
    struct bytes b = reader_take(r, 8);
    uint64_t value = 0;

    for (size_t i = b.size; i > 0; i--) {
        value = value << 8 | b.data[i - 1];
    }
    return value;
}

/* A u16 LE or u8 length and that many bytes, borrowed from the input. */
struct bytes reader_string16(struct reader *r);
struct bytes reader_string8(struct reader *r);
