#include "base/outbox.h"

#include "base/error.h"
#include "base/frame.h"

#include <assert.h>
#include <string.h>

enum {
    IN_ORDER,
    URGENT,
};

void outbox_init(struct outbox *q, struct block_pool *bulk,
        struct block_pool *control, size_t max_bytes)
{
    *q = (struct outbox){
            .bulk = bulk,
            .control = control,
            .max_bytes = max_bytes,
    };
}

static void free_list(struct block_list *list)
{
    struct block *b;

    while ((b = block_list_pop(list)) != NULL) {
        block_free(b);
    }
}

void outbox_close(struct outbox *q)
{
    free_list(&q->flight);
    free_list(&q->lanes[URGENT]);
    free_list(&q->lanes[IN_ORDER]);
    outbox_init(q, q->bulk, q->control, q->max_bytes);
}

bool outbox_is_empty(const struct outbox *q)
{
    return q->queued_bytes == 0;
}

static int lane_of(enum outbox_kind kind)
{
    return kind == OUTBOX_URGENT ? URGENT : IN_ORDER;
}

static size_t frame_bytes(const struct outbox_frame *frame)
{
    return FRAME_HEADER_BYTES + frame->head.size + frame->body.size;
}

static bool has_room(
        const struct outbox *q, enum outbox_kind kind, size_t bytes)
{
    size_t max_bytes = q->max_bytes;

    if (kind != OUTBOX_BULK) {
        max_bytes += OUTBOX_CONTROL_EXTRA_BYTES;
    }
    return q->copied_bytes == 0 ||
           (q->copied_bytes <= max_bytes &&
                   bytes <= max_bytes - q->copied_bytes);
}

static struct block *new_block(
        struct outbox *q, enum outbox_kind kind, size_t bytes)
{
    return block_new(kind == OUTBOX_BULK ? q->bulk : q->control, bytes);
}

static void count(struct outbox *q, size_t bytes)
{
    q->copied_bytes += bytes;
    q->queued_bytes += bytes;
    q->queued_frames++;
}

/* Copies to `at` and returns what lies behind. A head is mostly one number, and
 * a call of memcpy costs more than that. */
static uint8_t *put(uint8_t *at, struct bytes bytes)
{
    if (bytes.size == sizeof(uint32_t)) {
        memcpy(at, bytes.data, sizeof(uint32_t));
    } else if (bytes.size > 0) {
        memcpy(at, bytes.data, bytes.size);
    }
    return at + bytes.size;
}

/* Copies the frame behind those in the chunk, which has room. */
static void append(
        struct outbox *q, struct block *chunk, const struct outbox_frame *frame)
{
    size_t bytes = frame_bytes(frame);
    uint8_t *at = block_end(chunk);

    block_grow(chunk, bytes);
    chunk->frames++;
    chunk->copied_bytes += bytes;
    count(q, bytes);
    frame_put_header(at, frame->tag, bytes - FRAME_HEADER_BYTES);
    at = put(at + FRAME_HEADER_BYTES, frame->head);
    (void)put(at, frame->body);
}

/* A small frame that finds no room in the lane's chunk begins the next. */
static int begin_chunk(struct outbox *q, const struct outbox_frame *frame)
{
    int lane = lane_of(frame->kind);
    struct block *chunk = new_block(q, frame->kind, OUTBOX_CHUNK_BYTES);

    if (chunk == NULL) {
        return ERR_FULL;
    }
    block_list_push(&q->lanes[lane], chunk);
    q->open[lane] = chunk;
    append(q, chunk, frame);
    return 0;
}

/* A large frame has a block to itself. A short head goes into the room in
 * front, so that 64 KiB of body fit a block of 64 KiB. Nothing is copied
 * behind it. */
static int copy_large(struct outbox *q, const struct outbox_frame *frame)
{
    bool fits_in_front =
            frame->head.size <= BLOCK_HEAD_BYTES - FRAME_HEADER_BYTES;
    size_t body_bytes = frame->body.size;
    int lane = lane_of(frame->kind);
    struct block *b = new_block(q, frame->kind,
            fits_in_front ? body_bytes : frame->head.size + body_bytes);

    if (b == NULL) {
        return ERR_FULL;
    }
    if (!fits_in_front) {
        block_append(b, frame->head);
    }
    block_append(b, frame->body);
    if (fits_in_front) {
        block_prepend(b, frame->head);
    }
    block_frame(b, frame->tag);
    b->copied_bytes = b->size;
    block_list_push(&q->lanes[lane], b);
    q->open[lane] = NULL;
    count(q, b->size);
    return 0;
}

/* What does not simply go behind the frame before it. */
static int push_anew(struct outbox *q, const struct outbox_frame *frame)
{
    size_t bytes = frame_bytes(frame);

    if (!has_room(q, frame->kind, bytes)) {
        return ERR_FULL;
    }
    return bytes <= OUTBOX_COPY_MAX_BYTES ? begin_chunk(q, frame)
                                          : copy_large(q, frame);
}

int outbox_push(struct outbox *q, const struct outbox_frame *frame)
{
    size_t bytes = frame_bytes(frame);
    struct block *chunk = q->open[lane_of(frame->kind)];

    if (chunk == NULL || bytes > OUTBOX_COPY_MAX_BYTES ||
            bytes > block_room(chunk) || !has_room(q, frame->kind, bytes)) {
        return push_anew(q, frame);
    }
    append(q, chunk, frame);
    return 0;
}

void outbox_push_block(struct outbox *q, struct block *b)
{
    block_list_push(&q->lanes[IN_ORDER], b);
    q->open[IN_ORDER] = NULL;
    q->queued_bytes += b->size;
    q->queued_frames += b->frames;
}

void outbox_take(struct outbox *q, struct outbox *from)
{
    assert(from->flight.head == NULL);
    for (int lane = 0; lane < OUTBOX_LANES; lane++) {
        if (from->lanes[lane].head != NULL) {
            block_list_move(&q->lanes[lane], &from->lanes[lane]);
            q->open[lane] = from->open[lane];
            from->open[lane] = NULL;
        }
    }
    q->copied_bytes += from->copied_bytes;
    q->queued_bytes += from->queued_bytes;
    q->queued_frames += from->queued_frames;
    from->copied_bytes = 0;
    from->queued_bytes = 0;
    from->queued_frames = 0;
}

/* The block that is to be written behind those already in flight. */
static struct block *launch(struct outbox *q)
{
    int lane = q->lanes[URGENT].head != NULL ? URGENT : IN_ORDER;
    struct block *b = block_list_pop(&q->lanes[lane]);

    if (b != NULL) {
        if (b == q->open[lane]) {
            q->open[lane] = NULL;
        }
        block_list_push(&q->flight, b);
    }
    return b;
}

size_t outbox_gather(struct outbox *q, struct bytes pieces[], size_t pieces_max,
        size_t bytes_max)
{
    struct block *b = q->flight.head != NULL ? q->flight.head : launch(q);
    size_t count = 0;

    while (b != NULL && count < pieces_max && bytes_max > 0) {
        struct bytes piece = block_bytes(b);

        if (piece.size > bytes_max) {
            piece.size = bytes_max;
        }
        bytes_max -= piece.size;
        pieces[count++] = piece;
        if (count < pieces_max && bytes_max > 0) {
            b = b->next != NULL ? b->next : launch(q);
        }
    }
    return count;
}

void outbox_advance(struct outbox *q, size_t bytes)
{
    assert(bytes <= q->queued_bytes);
    q->queued_bytes -= bytes;
    while (bytes > 0) {
        struct block *b = q->flight.head;

        assert(b != NULL);
        if (bytes < b->size) {
            block_skip(b, bytes);
            return;
        }
        bytes -= b->size;
        q->queued_frames -= b->frames;
        q->copied_bytes -= b->copied_bytes;
        block_free(block_list_pop(&q->flight));
    }
}
