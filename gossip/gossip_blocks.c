#include "gossip/gossip_blocks.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <zstd.h>
#include <zstd_errors.h>

#include "base/error.h"

enum {
    ZSTD_LEVEL = 0, /* which is zstd's word for its default, 3 */
    TAG_AND_LENGTH_BYTES = 3,
    END_BYTES = 1,
    PENDING_MAX_BYTES = GOSSIP_BLOCK_BYTES + GOSSIP_BLOCKS_MAX_BYTES,
};

int gossip_blocks_reader_init(
        struct gossip_blocks_reader *b, size_t plain_max_bytes)
{
    *b = (struct gossip_blocks_reader){
            .zstd = ZSTD_createDCtx(),
            .plain = malloc(plain_max_bytes + GOSSIP_BLOCK_PLAIN_MAX_BYTES),
            .plain_max_bytes = plain_max_bytes,
    };
    if (b->zstd == NULL || b->plain == NULL) {
        gossip_blocks_reader_close(b);
        return ERR_FULL;
    }
    return 0;
}

void gossip_blocks_reader_close(struct gossip_blocks_reader *b)
{
    ZSTD_freeDCtx(b->zstd);
    free(b->plain);
    *b = (struct gossip_blocks_reader){.zstd = NULL};
}

/* Inflates one block behind the `size` bytes that are there. `room` is what
 * is left of the bound; `*inflated` is above it when the block does not fit,
 * whether or not it was looked into. */
static enum gossip_drop inflate(struct gossip_blocks_reader *b, size_t size,
        struct bytes block, size_t *inflated)
{
    size_t room = b->plain_max_bytes - size;
    unsigned long long announced =
            ZSTD_getFrameContentSize(block.data, block.size);
    bool is_announced = announced != ZSTD_CONTENTSIZE_UNKNOWN &&
                        announced != ZSTD_CONTENTSIZE_ERROR;

    if (is_announced && announced > GOSSIP_BLOCK_PLAIN_MAX_BYTES) {
        return GOSSIP_DROP_BLOCK_LARGE;
    }
    if (is_announced && announced > room) {
        *inflated = (size_t)announced;
        return GOSSIP_DROP_NONE;
    }
    *inflated = ZSTD_decompressDCtx(b->zstd, b->plain + size,
            GOSSIP_BLOCK_PLAIN_MAX_BYTES, block.data, block.size);
    if (!ZSTD_isError(*inflated)) {
        return GOSSIP_DROP_NONE;
    }
    return ZSTD_getErrorCode(*inflated) == ZSTD_error_dstSize_tooSmall
                   ? GOSSIP_DROP_BLOCK_LARGE
                   : GOSSIP_DROP_BLOCK_ZSTD;
}

/* A raw block, copied so that items may straddle blocks. */
static size_t copy(
        struct gossip_blocks_reader *b, size_t size, struct bytes block)
{
    if (block.size > 0) {
        memcpy(b->plain + size, block.data, block.size);
    }
    return block.size;
}

enum gossip_drop gossip_blocks_read(struct gossip_blocks_reader *b,
        struct reader *r, struct bytes *plain, bool *is_over)
{
    size_t size = 0;

    *is_over = false;
    *plain = bytes_of(b->plain, 0);
    for (;;) {
        uint8_t tag = reader_u8(r);
        enum gossip_drop why = GOSSIP_DROP_NONE;
        struct bytes block;
        size_t added = 0;

        if (!r->failed && tag == GOSSIP_BLOCK_END) {
            return GOSSIP_DROP_NONE;
        }
        if (tag > GOSSIP_BLOCK_RAW) {
            return GOSSIP_DROP_BLOCK_TAG;
        }
        block = reader_string16(r);
        if (r->failed) {
            return GOSSIP_DROP_BLOCK;
        }
        if (tag == GOSSIP_BLOCK_RAW) {
            added = copy(b, size, block);
        } else {
            why = inflate(b, size, block, &added);
        }
        if (why != GOSSIP_DROP_NONE) {
            return why;
        }
        if (added > b->plain_max_bytes - size) {
            *is_over = true;
            return GOSSIP_DROP_NONE;
        }
        size += added;
        *plain = bytes_of(b->plain, size);
    }
}

int gossip_blocks_writer_init(struct gossip_blocks_writer *b)
{
    *b = (struct gossip_blocks_writer){
            .zstd = ZSTD_createCCtx(),
            .pending = malloc(PENDING_MAX_BYTES),
    };
    if (b->zstd == NULL || b->pending == NULL) {
        gossip_blocks_writer_close(b);
        return ERR_FULL;
    }
    return 0;
}

void gossip_blocks_writer_close(struct gossip_blocks_writer *b)
{
    ZSTD_freeCCtx(b->zstd);
    free(b->pending);
    *b = (struct gossip_blocks_writer){.zstd = NULL};
}

void gossip_blocks_begin(struct gossip_blocks_writer *b, void *memory,
        size_t budget_bytes, size_t threshold_bytes)
{
    assert(budget_bytes >= END_BYTES);
    assert(budget_bytes <= GOSSIP_BLOCKS_MAX_BYTES);
    assert(threshold_bytes > 0 && threshold_bytes <= GOSSIP_BLOCK_BYTES);
    b->pending_size = 0;
    b->threshold_bytes = threshold_bytes;
    b->out = writer_of(memory, budget_bytes);
}

/* What is left to write if none of these plain bytes shrink. */
static size_t raw_bytes(const struct gossip_blocks_writer *b, size_t plain)
{
    size_t blocks = (plain + b->threshold_bytes - 1) / b->threshold_bytes;

    return TAG_AND_LENGTH_BYTES * blocks + plain + END_BYTES;
}

size_t gossip_blocks_bound(
        const struct gossip_blocks_writer *b, size_t item_bytes)
{
    return b->out.size + raw_bytes(b, b->pending_size + item_bytes);
}

bool gossip_blocks_fits(const struct gossip_blocks_writer *b, size_t item_bytes)
{
    return item_bytes <= GOSSIP_BLOCKS_MAX_BYTES &&
           gossip_blocks_bound(b, item_bytes) <= b->out.capacity;
}

bool gossip_blocks_fits_alone(
        const struct gossip_blocks_writer *b, size_t item_bytes)
{
    return raw_bytes(b, item_bytes) <= b->out.capacity;
}

struct writer gossip_blocks_item(
        struct gossip_blocks_writer *b, size_t item_bytes)
{
    assert(gossip_blocks_fits(b, item_bytes));
    return writer_of(b->pending + b->pending_size, item_bytes);
}

/* Cuts one block off the front of what is pending. That it fits was known
 * before its last item was taken. */
static void flush(struct gossip_blocks_writer *b)
{
    size_t size = b->pending_size < b->threshold_bytes ? b->pending_size
                                                       : b->threshold_bytes;
    size_t left = b->pending_size - size;
    uint8_t *body = b->out.data + b->out.size + TAG_AND_LENGTH_BYTES;
    size_t stored;

    assert(b->out.size + TAG_AND_LENGTH_BYTES + size + END_BYTES <=
            b->out.capacity);
    stored = ZSTD_compressCCtx(
            b->zstd, body, size, b->pending, size, ZSTD_LEVEL);
    if (ZSTD_isError(stored)) {
        writer_u8(&b->out, GOSSIP_BLOCK_RAW);
        writer_string16(&b->out, bytes_of(b->pending, size));
    } else {
        writer_u8(&b->out, GOSSIP_BLOCK_ZSTD);
        writer_u16le(&b->out, (uint16_t)stored);
        b->out.size += stored;
    }
    memmove(b->pending, b->pending + size, left);
    b->pending_size = left;
}

void gossip_blocks_append(
        struct gossip_blocks_writer *b, const struct writer *item)
{
    assert(!item->failed && item->size == item->capacity);
    assert(item->data == b->pending + b->pending_size);
    b->pending_size += item->size;
    while (b->pending_size > b->threshold_bytes) {
        flush(b);
    }
}

struct bytes gossip_blocks_finish(struct gossip_blocks_writer *b)
{
    if (b->pending_size > 0) {
        flush(b);
    }
    writer_u8(&b->out, GOSSIP_BLOCK_END);
    assert(!b->out.failed);
    return writer_bytes(&b->out);
}
