/* The block stream: how chitchat folds many small items into a datagram.
 *
 * Items are written one after another into a plain stream; the stream is cut
 * into blocks without regard to where an item ends, and each block is stored
 * as a zstd frame if that makes it fit in its own size, raw otherwise:
 *
 *   [1][n u16 LE][n bytes: zstd]  or  [2][n u16 LE][n bytes: raw]  ...  [0]
 *
 * A delta is such a stream of operations; a V1 digest one of entries. See
 * docs/wire.md, "Gossip: blocks".
 *
 * The reader is bounded twice: one block inflates to at most 65,535 bytes, and
 * a stream to what its owner said. The writer never exceeds its budget: before
 * an item is taken, it is asked whether the stream would still fit if the
 * block that is open did not compress at all. (chitchat's estimate is too low
 * for an item longer than a block; ours counts every block such an item
 * needs.)
 *
 * The contexts of zstd are made at init and used again for every stream. */
#pragma once

#include "base/bytes.h"
#include "base/reader.h"
#include "base/writer.h"
#include "gossip/gossip_drop.h"

enum {
    GOSSIP_BLOCK_BYTES = 16384, /* where a writer cuts, unless it is tested */
    GOSSIP_BLOCK_PLAIN_MAX_BYTES = 65535, /* what one block may inflate to */
    GOSSIP_BLOCKS_MAX_BYTES = 65507, /* a stream never outgrows a datagram */
};

enum gossip_block_tag {
    GOSSIP_BLOCK_END = 0,
    GOSSIP_BLOCK_ZSTD = 1,
    GOSSIP_BLOCK_RAW = 2,
};

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

/* Reading. */

struct gossip_blocks_reader {
    struct ZSTD_DCtx_s *zstd;
    uint8_t *plain; /* plain_max_bytes, and room for one block more */
    size_t plain_max_bytes;
};

/* Memory: `plain_max_bytes`, one block more, and what zstd wants (about
 * 160 KiB). Returns 0 or ERR_FULL when there is no memory. */
int gossip_blocks_reader_init(
        struct gossip_blocks_reader *b, size_t plain_max_bytes);

void gossip_blocks_reader_close(struct gossip_blocks_reader *b);

/* Reads a stream up to and with its end tag, and leaves `r` behind it. The
 * plain bytes are borrowed until the next call. A block that would take them
 * past the bound is not taken, and is not inflated if its frame says its size:
 * reading stops before it, `*is_over` is true, and what `r` is at does not
 * matter any more. */
enum gossip_drop gossip_blocks_read(struct gossip_blocks_reader *b,
        struct reader *r, struct bytes *plain, bool *is_over);

/* Writing: init; then for each stream begin, { fits, item, append }, finish. */

struct gossip_blocks_writer {
    struct ZSTD_CCtx_s *zstd;
    uint8_t *pending; /* plain bytes that are not in a block yet */
    size_t pending_size;
    size_t threshold_bytes;
    struct writer out; /* finished blocks; its capacity is the budget */
};

/* Memory: 80 KiB and what zstd wants for 16 KiB blocks (less than 1 MiB).
 * Returns 0 or ERR_FULL when there is no memory. */
int gossip_blocks_writer_init(struct gossip_blocks_writer *b);

void gossip_blocks_writer_close(struct gossip_blocks_writer *b);

/* The stream goes to `memory`, which is borrowed until finish, and is at most
 * `budget_bytes` long: at least 1, for the end tag, and at most
 * GOSSIP_BLOCKS_MAX_BYTES. Blocks are cut at `threshold_bytes`, which is
 * GOSSIP_BLOCK_BYTES everywhere but in tests. */
void gossip_blocks_begin(struct gossip_blocks_writer *b, void *memory,
        size_t budget_bytes, size_t threshold_bytes);

/* What the finished stream is at most, with one more item of that size. */
size_t gossip_blocks_bound(
        const struct gossip_blocks_writer *b, size_t item_bytes);

/* Is that bound within the budget? */
bool gossip_blocks_fits(
        const struct gossip_blocks_writer *b, size_t item_bytes);

/* Would it be, if nothing were in the stream yet? */
bool gossip_blocks_fits_alone(
        const struct gossip_blocks_writer *b, size_t item_bytes);

/* Where an item that fits is to be written, all of its bytes; then append it.
 * An item that is not appended has not been. */
struct writer gossip_blocks_item(
        struct gossip_blocks_writer *b, size_t item_bytes);
void gossip_blocks_append(
        struct gossip_blocks_writer *b, const struct writer *item);

/* Closes the last block and the stream; returns it, end tag included. */
struct bytes gossip_blocks_finish(struct gossip_blocks_writer *b);
