/* Writes fields into memory that the caller owns; fails once and stays failed.
 *
 * A field that does not fit is not written at all, and nothing after it is:
 * write everything, then ask `failed` once. */
#pragma once

#include <string.h>

#include "base/bytes.h"

struct writer {
    uint8_t *data;
    size_t size; /* written so far */
    size_t capacity;
    bool failed;
};

static inline struct writer writer_of(void *data, size_t capacity)
{
    return (struct writer){.data = (uint8_t *)data, .capacity = capacity};
}

/* Inline, as the numbers are: they run for every field of every frame. */
static inline void writer_put(struct writer *w, struct bytes b)
{
    if (w->failed || b.size > w->capacity - w->size) {
        w->failed = true;
        return;
    }
    if (b.size > 0) {
        memcpy(w->data + w->size, b.data, b.size);
        w->size += b.size;
    }
}

static inline void writer_u8(struct writer *w, uint8_t value)
{
    writer_put(w, bytes_of(&value, 1));
}

static inline void writer_u16le(struct writer *w, uint16_t value)
{
    const uint8_t field[2] = {(uint8_t)value, (uint8_t)(value >> 8)};

    writer_put(w, bytes_of(field, sizeof(field)));
}

static inline void writer_u32le(struct writer *w, uint32_t value)
{
    const uint8_t field[4] = {(uint8_t)value, (uint8_t)(value >> 8),
            (uint8_t)(value >> 16), (uint8_t)(value >> 24)};

    writer_put(w, bytes_of(field, sizeof(field)));
}

static inline void writer_u32be(struct writer *w, uint32_t value)
{
    const uint8_t field[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16),
            (uint8_t)(value >> 8), (uint8_t)value};

    writer_put(w, bytes_of(field, sizeof(field)));
}

static inline void writer_u64le(struct writer *w, uint64_t value)
{
    const uint8_t field[8] = {(uint8_t)value, (uint8_t)(value >> 8),
            (uint8_t)(value >> 16), (uint8_t)(value >> 24),
            (uint8_t)(value >> 32), (uint8_t)(value >> 40),
            (uint8_t)(value >> 48), (uint8_t)(value >> 56)};

    writer_put(w, bytes_of(field, sizeof(field)));
}

/* Length and bytes; fails when the length does not fit its field. */
void writer_string16(struct writer *w, struct bytes b);
void writer_string8(struct writer *w, struct bytes b);

/* What has been written, good until the next write. */
struct bytes writer_bytes(const struct writer *w);
