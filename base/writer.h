/* Writes fields into memory that the caller owns; fails once and stays failed.
 *
 * A field that does not fit is not written at all, and nothing after it is:
 * write everything, then ask `failed` once. */
#pragma once

#include "base/bytes.h"

struct writer {
    uint8_t *data;
    size_t size; /* written so far */
    size_t capacity;
    bool failed;
};

struct writer writer_of(void *data, size_t capacity);

void writer_u8(struct writer *w, uint8_t value);
void writer_u16le(struct writer *w, uint16_t value);
void writer_u32le(struct writer *w, uint32_t value);
void writer_u32be(struct writer *w, uint32_t value);
void writer_u64le(struct writer *w, uint64_t value);
void writer_put(struct writer *w, struct bytes b);

/* Length and bytes; fails when the length does not fit its field. */
void writer_string16(struct writer *w, struct bytes b);
void writer_string8(struct writer *w, struct bytes b);

/* What has been written, good until the next write. */
struct bytes writer_bytes(const struct writer *w);
