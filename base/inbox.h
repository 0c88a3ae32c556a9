/* What a connection has read: bytes in, frames out.
 *
 * Frames that lie whole in the bytes just read are handed out where they lie.
 * Only a frame that is cut off by the end of the read is copied, into a block
 * that is returned when the frame has been used, so an idle connection holds
 * nothing and a busy one copies a frame per read.
 *
 * Memory. A frame of up to INBOX_SHORT_BYTES is kept without asking. A longer
 * one is announced with INBOX_LONG as soon as its size and tag are known; its
 * owner judges it, and takes memory for it with `inbox_reserve` before more
 * than the current read of it is kept. When that fails, the connection is left
 * unread until it succeeds. The pages of a large block cost nothing until
 * bytes come, so a length alone buys nobody any memory.
 *
 *   inbox_feed(in, bytes);
 *   while ((status = inbox_next(in, &frame)) == INBOX_FRAME) { ... }
 *
 * INBOX_MORE ends the feed: all bytes are used or kept, the read buffer is free
 * again. So it is after inbox_hold. */
#pragma once

#include "base/block.h"
#include "base/frame.h"

enum {
    INBOX_SHORT_BYTES = 64 * 1024 + 64, /* a full DATA frame is short */
};

enum inbox_status {
    INBOX_FRAME, /* `frame` is set, borrowed until the next call */
    INBOX_MORE, /* nothing whole is left: feed */
    INBOX_LONG, /* a long frame begins: judge it, then inbox_reserve */
    INBOX_EMPTY, /* a frame of length 0; final */
    INBOX_TOO_LONG, /* more than max_payload announced; final */
    INBOX_NO_MEMORY, /* not even for a first piece; final */
};

struct inbox {
    struct block_pool *shorts; /* memory for short frames and first pieces */
    size_t max_payload;
    struct bytes rest; /* of what was fed, not yet used */
    struct block *partial; /* the frame that the last read cut off */
    size_t long_bytes; /* the announced frame's whole size; 0 = none */
    uint8_t long_tag;
    bool reserved; /* the long frame has its memory */
    bool lent; /* `partial` is what the last call handed out */
    bool starved; /* INBOX_NO_MEMORY */
};

/* `shorts` outlives the inbox. `max_payload` is judged before the tag. */
void inbox_init(
        struct inbox *in, struct block_pool *shorts, size_t max_payload);
void inbox_close(struct inbox *in);

/* The bytes are borrowed until `inbox_next` answers anything but INBOX_FRAME.
 * What was fed before must have been used up by then: asserted. */
void inbox_feed(struct inbox *in, struct bytes bytes);

/* Where the next bytes may be read to so that they need no copy: the rest of a
 * long frame that has its memory. NULL when there is none such; any buffer will
 * do then. What was read there is fed as usual. */
uint8_t *inbox_room(struct inbox *in, size_t *size);

enum inbox_status inbox_next(struct inbox *in, struct frame *frame);

/* Takes memory for the whole of the long frame that was announced from `pool`;
 * true: call `inbox_next` again. */
bool inbox_reserve(struct inbox *in, struct block_pool *pool);

/* There is no memory for it yet: keeps what was read of it, so that the read
 * buffer is free. Feed nothing until `inbox_reserve` succeeds. */
void inbox_hold(struct inbox *in);

/* The memory of the long frame that was handed out last: from now on the
 * caller's, the header's bytes included. NULL when it lies elsewhere. */
struct block *inbox_take(struct inbox *in);

/* Is a long frame on its way that has its memory. */
bool inbox_is_reserved(const struct inbox *in);

/* Bytes of an unfinished frame: at the end of a stream, more than 0 means that
 * it was cut off. */
size_t inbox_held_bytes(const struct inbox *in);

/* The announced frame's tag and whole size, after INBOX_LONG. */
uint8_t inbox_long_tag(const struct inbox *in);
size_t inbox_long_bytes(const struct inbox *in);
