/* A block: a pooled piece of memory that holds whole frames on their way.
 *
 * Bytes that travel are copied once, into a block, and from then on it is the
 * block that moves: from a stream to a connection's outbox, from there to the
 * kernel and back to its pool. There is room in front of the body, so that a
 * frame's header is written last, when the size is known, and lies next to it:
 *
 *   | free head room | head | body ........ | free |
 *                    ^start                 ^start + size
 *
 * Whoever holds the pointer owns the block; `next` is the owner's, for a list.
 *
 * A pool keeps returned blocks by size class (powers of two, 4 KiB to 1 MiB),
 * at most `kept_max_bytes` of them, so that a steady flow allocates nothing.
 * Larger blocks come and go with malloc; their pages are touched, and so cost
 * memory, only as bytes come. The capacity of every block that is out is taken
 * from the pool's budget: at its bound `block_new` answers NULL, and the caller
 * waits, refuses or drops, and says which. */
#pragma once

#include <string.h>

#include "base/budget.h"
#include "base/bytes.h"

enum {
    BLOCK_HEAD_BYTES = 64, /* room in front of the body */
    BLOCK_CLASSES = 9, /* 4 KiB … 1 MiB */
    BLOCK_CLASS_MIN_BYTES = 4096,
    BLOCK_CLASS_MAX_BYTES = 1024 * 1024,
};

struct block_pool;

struct block {
    struct block *next; /* the owner's, for a list */
    struct block_pool *pool;
    size_t capacity; /* of the body */
    size_t start; /* of head and body, in `memory` */
    size_t size; /* head and body together */
    size_t copied_bytes; /* the outbox's: counted against its bound */
    uint32_t frames; /* whole frames in it; the writer counts them */
    uint32_t records; /* the owner's, for what is in the frames */
    uint8_t memory[]; /* BLOCK_HEAD_BYTES + capacity */
};

struct block_pool {
    struct budget *budget;
    size_t kept_max_bytes;
    size_t kept_bytes;
    size_t out_count; /* blocks in somebody's hands */
    struct block *kept[BLOCK_CLASSES];
};

/* `budget` outlives the pool and may be shared with others. */
void block_pool_init(
        struct block_pool *pool, struct budget *budget, size_t kept_max_bytes);

/* Every block must have come home: asserted. */
void block_pool_close(struct block_pool *pool);

/* An empty block with room for `body_bytes` behind the head room; NULL when
 * the budget (or the system) has no more. */
struct block *block_new(struct block_pool *pool, size_t body_bytes);

/* Back to its pool. NULL is fine. */
void block_free(struct block *b);

/* Room left behind what has been written. Inline, as its like below is: they
 * run for every frame and every record. */
static inline size_t block_room(const struct block *b)
{
    return BLOCK_HEAD_BYTES + b->capacity - b->start - b->size;
}

/* Where the next body byte goes; after writing there, `block_grow`. */
static inline uint8_t *block_end(struct block *b)
{
    return b->memory + b->start + b->size;
}

static inline void block_grow(struct block *b, size_t bytes)
{
    assert(bytes <= block_room(b));
    b->size += bytes;
}

/* Copies behind what is there; it must fit: asserted. */
static inline void block_append(struct block *b, struct bytes bytes)
{
    uint8_t *end = block_end(b);

    block_grow(b, bytes.size);
    if (bytes.size > 0) {
        memcpy(end, bytes.data, bytes.size);
    }
}

/* Copies in front of what is there; the head room must suffice: asserted. */
void block_prepend(struct block *b, struct bytes bytes);

/* Makes one frame of all that is there: writes length and tag in front. */
void block_frame(struct block *b, uint8_t tag);

/* Head and body as they will travel, good while the block is. */
struct bytes block_bytes(const struct block *b);

/* Forgets the first `bytes` of it; they have been written. */
void block_skip(struct block *b, size_t bytes);

/* A queue of blocks, first in first out. All zero is empty. */
struct block_list {
    struct block *head;
    struct block *tail;
};

void block_list_push(struct block_list *list, struct block *b);
struct block *block_list_pop(struct block_list *list); /* NULL when empty */

/* Moves all of `from` behind `to`. */
void block_list_move(struct block_list *to, struct block_list *from);
