#include "base/inbox.h"

#include <assert.h>

enum {
    ROOM_MIN_BYTES =
            64 * 1024, /* for less, a read that brings more is better */
};

void inbox_init(struct inbox *in, struct block_pool *shorts, size_t max_payload)
{
    *in = (struct inbox){
            .shorts = shorts,
            .max_payload = max_payload,
    };
}

void inbox_close(struct inbox *in)
{
    block_free(in->partial);
    inbox_init(in, in->shorts, in->max_payload);
}

void inbox_feed(struct inbox *in, struct bytes bytes)
{
    assert(in->rest.size == 0);
    assert(in->long_bytes == 0 || in->reserved);
    in->rest = bytes;
}

uint8_t *inbox_room(struct inbox *in, size_t *size)
{
    if (!in->reserved || in->lent) {
        return NULL;
    }
    *size = in->long_bytes - in->partial->size;
    return *size < ROOM_MIN_BYTES ? NULL : block_end(in->partial);
}

static void give_back(struct inbox *in)
{
    if (in->lent) {
        block_free(in->partial);
        in->partial = NULL;
        in->lent = false;
    }
}

/* Makes the partial frame's block hold `bytes` at least, from `pool`. */
static bool make_room(struct inbox *in, struct block_pool *pool, size_t bytes)
{
    struct block *b = in->partial;
    size_t held = b == NULL ? 0 : b->size;

    if (b != NULL && held + block_room(b) >= bytes) {
        return true;
    }
    b = block_new(pool, bytes);
    if (b == NULL) {
        return false;
    }
    if (in->partial != NULL) {
        block_append(b, block_bytes(in->partial));
        block_free(in->partial);
    }
    in->partial = b;
    return true;
}

/* Moves `bytes` from the read into the partial frame, which has room; they may
 * be where they belong already. */
static void keep(struct inbox *in, size_t bytes)
{
    if (in->rest.data == block_end(in->partial)) {
        block_grow(in->partial, bytes);
    } else {
        block_append(in->partial, bytes_of(in->rest.data, bytes));
    }
    in->rest = bytes_skip(in->rest, bytes);
}

/* Keeps all that is left of the read for later. */
static bool keep_rest(struct inbox *in)
{
    size_t held = in->partial == NULL ? 0 : in->partial->size;

    if (!make_room(in, in->shorts, held + in->rest.size)) {
        in->starved = true;
        return false;
    }
    keep(in, in->rest.size);
    return true;
}

/* What the first bytes of a cut-off frame say about its size. */
static enum inbox_status judge(
        struct inbox *in, size_t frame_bytes, size_t seen, uint8_t tag)
{
    if (frame_bytes > FRAME_HEADER_BYTES + in->max_payload) {
        return INBOX_TOO_LONG;
    }
    if (frame_bytes > INBOX_SHORT_BYTES && seen >= FRAME_HEADER_BYTES) {
        in->long_bytes = frame_bytes;
        in->long_tag = tag;
        return INBOX_LONG;
    }
    return INBOX_MORE;
}

/* Nothing was cut off by the last read: frames lie in this one. */
static enum inbox_status next_in_place(struct inbox *in, struct frame *frame)
{
    size_t frame_bytes;
    enum frame_status status = frame_peek(in->rest, frame, &frame_bytes);
    enum inbox_status judged;

    if (status == FRAME_EMPTY) {
        return INBOX_EMPTY;
    }
    if (frame_bytes > FRAME_HEADER_BYTES + in->max_payload) {
        return INBOX_TOO_LONG;
    }
    if (status == FRAME_WHOLE) {
        in->rest = bytes_skip(in->rest, frame_bytes);
        return INBOX_FRAME;
    }
    judged = judge(in, frame_bytes, in->rest.size, frame->tag);
    if (judged == INBOX_MORE && in->rest.size > 0 && !keep_rest(in)) {
        return INBOX_NO_MEMORY;
    }
    return judged;
}

/* Completes the header of the frame that the last read cut off. */
static void complete_header(struct inbox *in)
{
    while (in->partial->size < FRAME_HEADER_BYTES && in->rest.size > 0) {
        keep(in, 1);
    }
}

/* Goes on with the frame that the last read cut off. */
static enum inbox_status next_partial(struct inbox *in, struct frame *frame)
{
    size_t frame_bytes;
    size_t missing;
    enum inbox_status judged;

    complete_header(in);
    if (frame_peek(block_bytes(in->partial), frame, &frame_bytes) ==
            FRAME_EMPTY) {
        return INBOX_EMPTY;
    }
    if (frame_bytes == 0) {
        return INBOX_MORE;
    }
    if (!in->reserved) {
        judged = judge(in, frame_bytes, in->partial->size, frame->tag);
        if (judged != INBOX_MORE) {
            return judged;
        }
        if (!make_room(in, in->shorts, frame_bytes)) {
            in->starved = true;
            return INBOX_NO_MEMORY;
        }
    }
    missing = frame_bytes - in->partial->size;
    keep(in, missing < in->rest.size ? missing : in->rest.size);
    if (in->partial->size < frame_bytes) {
        return INBOX_MORE;
    }
    (void)frame_peek(block_bytes(in->partial), frame, &frame_bytes);
    in->lent = true;
    in->reserved = false;
    in->long_bytes = 0;
    return INBOX_FRAME;
}

enum inbox_status inbox_next(struct inbox *in, struct frame *frame)
{
    give_back(in);
    if (in->starved) {
        return INBOX_NO_MEMORY;
    }
    if (in->partial != NULL) {
        return next_partial(in, frame);
    }
    return next_in_place(in, frame);
}

bool inbox_reserve(struct inbox *in, struct block_pool *pool)
{
    assert(in->long_bytes > 0 && !in->reserved);
    in->reserved = make_room(in, pool, in->long_bytes);
    return in->reserved;
}

void inbox_hold(struct inbox *in)
{
    assert(in->long_bytes > 0 && !in->reserved);
    (void)keep_rest(in);
}

struct block *inbox_take(struct inbox *in)
{
    struct block *b = in->lent ? in->partial : NULL;

    if (b == NULL || b->pool == in->shorts) {
        return NULL;
    }
    in->partial = NULL;
    in->lent = false;
    return b;
}

bool inbox_is_reserved(const struct inbox *in)
{
    return in->reserved;
}

size_t inbox_held_bytes(const struct inbox *in)
{
    return in->partial == NULL || in->lent ? 0 : in->partial->size;
}

uint8_t inbox_long_tag(const struct inbox *in)
{
    return in->long_tag;
}

size_t inbox_long_bytes(const struct inbox *in)
{
    return in->long_bytes;
}
