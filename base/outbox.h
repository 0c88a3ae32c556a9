/* What a connection still has to write.
 *
 * One system call per connection and turn of the loop, not per frame: frames
 * wait here, and the turn's end gathers up to a megabyte of them into one
 * write. Small frames are copied together into 64 KiB chunks; large ones and
 * blocks are queued as they are and gathered.
 *
 * Two lanes. What is urgent overtakes what is in order, but never what a write
 * has already been shown: `outbox_gather` fixes the order of what it returns,
 * so a frame that has begun is always finished. Each lane is first in, first
 * out, and a block holds whole frames only, so nothing is ever split.
 *
 *   push ─► urgent   ─┐
 *   push ─► in order ─┴─ gather ─► flight ─ advance ─► (gone)
 *
 * The bound is in bytes that were copied in: a frame that would pass it is
 * refused with ERR_FULL and nothing is queued. An empty queue takes any one
 * frame. Control may pass the bound by 64 KiB, so that a full queue can still
 * be told to end, and has memory of its own, so that no amount of bulk starves
 * it. Blocks do not count: their memory was bounded where they were made.
 * Nothing is ever dropped from within. */
#pragma once

#include "base/block.h"

enum {
    OUTBOX_CHUNK_BYTES = 64 * 1024,
    OUTBOX_COPY_MAX_BYTES = 2048, /* frames up to here are copied together */
    OUTBOX_CONTROL_EXTRA_BYTES = 64 * 1024,
};

enum outbox_kind {
    OUTBOX_BULK, /* in order, in memory that may run out */
    OUTBOX_CONTROL, /* in order, in memory set aside */
    OUTBOX_URGENT, /* the same, and overtakes */
};

enum {
    OUTBOX_LANES = 2, /* in order, urgent */
};

struct outbox {
    struct block_pool *bulk;
    struct block_pool *control;
    size_t max_bytes;
    size_t copied_bytes; /* of copies not yet written to their block's end */
    size_t queued_bytes; /* in lanes and in flight, blocks included */
    uint64_t queued_frames; /* whole or begun, not yet written to their end */
    struct block_list lanes[OUTBOX_LANES];
    struct block
            *open[OUTBOX_LANES]; /* the lane's last chunk while it takes more */
    struct block_list flight;
};

/* Where the memory of bulk and of control comes from; both outlive the
 * outbox. */
void outbox_init(struct outbox *q, struct block_pool *bulk,
        struct block_pool *control, size_t max_bytes);

/* Frees all that was queued; the outbox is then as after init. */
void outbox_close(struct outbox *q);

bool outbox_is_empty(const struct outbox *q);

/* One frame to be sent; head and body are one payload. It goes from hand to
 * hand by pointer, for it is small frames that there are many of. */
struct outbox_frame {
    enum outbox_kind kind;
    uint8_t tag;
    struct bytes head;
    struct bytes body;
};

/* Queues a copy of the frame. ERR_FULL: at the bound, or the pool has nothing
 * left. */
int outbox_push(struct outbox *q, const struct outbox_frame *frame);

/* Queues a block of whole frames, in order; it is ours from now on. */
void outbox_push_block(struct outbox *q, struct block *b);

/* Moves all that waits in `from`'s lanes behind what is in ours, whatever the
 * bound: it was counted there already. `from` has nothing in flight. */
void outbox_take(struct outbox *q, struct outbox *from);

/* Fills `pieces` with what is to be written next, at most `pieces_max` of them
 * and `bytes_max` bytes together, and returns how many. They stay put until
 * `outbox_advance` has been told of them, whatever is pushed meanwhile; asking
 * again repeats what was not yet written, and adds to it. */
size_t outbox_gather(struct outbox *q, struct bytes pieces[], size_t pieces_max,
        size_t bytes_max);

/* The first `bytes` of what was gathered have been written. */
void outbox_advance(struct outbox *q, size_t bytes);
