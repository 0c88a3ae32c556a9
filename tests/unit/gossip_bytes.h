/* What the gossip tests build datagrams from and look into them with.
 *
 * Input is handed to the code under test in an exactly sized block of the
 * heap, so that the address sanitizer sees a read behind its end. */
#pragma once

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <zstd.h>

#include "base/writer.h"
#include "gossip/gossip_blocks.h"
#include "gossip/gossip_wire.h"

enum {
    BUILD_BYTES = 2 * 1024 * 1024,
};

/* A copy with nothing behind it; the caller frees it. */
static inline uint8_t *exact_copy(struct bytes b)
{
    uint8_t *copy = malloc(b.size > 0 ? b.size : 1);

    assert(copy != NULL);
    if (b.size > 0) {
        memcpy(copy, b.data, b.size);
    }
    return copy;
}

static inline uint8_t hex_digit(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = strchr(digits, c);

    assert(c != '\0' && at != NULL);
    return (uint8_t)(at - digits);
}

static inline void put_hex(struct writer *w, const char *hex)
{
    assert(strlen(hex) % 2 == 0);
    for (; *hex != '\0'; hex += 2) {
        writer_u8(w, (uint8_t)(hex_digit(hex[0]) << 4 | hex_digit(hex[1])));
    }
    assert(!w->failed);
}

static inline void put_raw_block(struct writer *w, struct bytes plain)
{
    writer_u8(w, GOSSIP_BLOCK_RAW);
    writer_string16(w, plain);
    assert(!w->failed);
}

struct frame_options {
    bool has_checksum;
    bool has_no_size; /* the frame does not say what it inflates to */
};

/* One zstd frame, without a block around it. */
static inline void put_frame(
        struct writer *w, struct bytes plain, struct frame_options options)
{
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    size_t size;

    assert(zstd != NULL);
    (void)ZSTD_CCtx_setParameter(
            zstd, ZSTD_c_checksumFlag, options.has_checksum);
    (void)ZSTD_CCtx_setParameter(
            zstd, ZSTD_c_contentSizeFlag, !options.has_no_size);
    size = ZSTD_compress2(zstd, w->data + w->size, w->capacity - w->size,
            plain.data, plain.size);
    assert(!ZSTD_isError(size));
    w->size += size;
    (void)ZSTD_freeCCtx(zstd);
}

static inline void put_zstd_block(struct writer *w, struct bytes plain)
{
    size_t at = w->size;
    struct writer length;

    put_hex(w, "010000");
    put_frame(w, plain, (struct frame_options){.has_checksum = false});
    length = writer_of(w->data + at + 1, 2);
    writer_u16le(&length, (uint16_t)(w->size - at - 3));
}

/* The plain stream cut into compressed blocks of `block_bytes`, and closed. */
static inline void put_zstd_stream(
        struct writer *w, struct bytes plain, size_t block_bytes)
{
    while (plain.size > 0) {
        size_t size = plain.size < block_bytes ? plain.size : block_bytes;

        put_zstd_block(w, bytes_of(plain.data, size));
        plain = bytes_skip(plain, size);
    }
    writer_u8(w, GOSSIP_BLOCK_END);
}

/* The plain stream cut into raw blocks as a writer cuts it, and closed. */
static inline void put_raw_stream(struct writer *w, struct bytes plain)
{
    while (plain.size > 0) {
        size_t size = plain.size < GOSSIP_BLOCK_BYTES ? plain.size
                                                      : GOSSIP_BLOCK_BYTES;

        put_raw_block(w, bytes_of(plain.data, size));
        plain = bytes_skip(plain, size);
    }
    writer_u8(w, GOSSIP_BLOCK_END);
}
