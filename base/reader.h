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

struct reader reader_of(struct bytes input);

uint8_t reader_u8(struct reader *r);
uint16_t reader_u16le(struct reader *r);
uint32_t reader_u32le(struct reader *r);
uint32_t reader_u32be(struct reader *r);
uint64_t reader_u64le(struct reader *r);

/* The next `size` bytes, borrowed from the input. */
struct bytes reader_take(struct reader *r, size_t size);

/* A u16 LE or u8 length and that many bytes, borrowed from the input. */
struct bytes reader_string16(struct reader *r);
struct bytes reader_string8(struct reader *r);
