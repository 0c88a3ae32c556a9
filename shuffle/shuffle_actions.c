#include "shuffle/shuffle_actions.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    ITEMS_MIN = 64,
    BYTES_MIN = 4096,
};

void shuffle_actions_init(struct shuffle_actions *q)
{
    *q = (struct shuffle_actions){0};
}

void shuffle_actions_close(struct shuffle_actions *q)
{
    struct shuffle_streams_action action;

    while (shuffle_actions_pop(q, &action)) {
        block_free(action.block);
    }
    free(q->items);
    free(q->bytes);
    *q = (struct shuffle_actions){0};
}

/* A queue that cannot grow would lose a decision that was taken already: there
 * is no honest way on from there. */
static void *grown(void *memory, size_t bytes)
{
    void *more = realloc(memory, bytes);

    if (more == NULL) {
        abort();
    }
    return more;
}

static void make_room(struct shuffle_actions *q)
{
    size_t capacity = q->capacity == 0 ? ITEMS_MIN : q->capacity * 2;

    if (q->count < q->capacity) {
        return;
    }
    q->items = grown(q->items, capacity * sizeof(*q->items));
    /* The ring was full: what wrapped around goes behind the rest. */
    memcpy(q->items + q->capacity, q->items, q->head * sizeof(*q->items));
    q->capacity = capacity;
}

static size_t keep_bytes(struct shuffle_actions *q, struct bytes copied)
{
    size_t at;

    if (q->count == 0) {
        q->bytes_size = 0;
    }
    /* Rows are read where they lie. */
    at = (q->bytes_size + 7) & ~(size_t)7;
    if (at + copied.size > q->bytes_capacity) {
        size_t capacity =
                q->bytes_capacity == 0 ? BYTES_MIN : q->bytes_capacity * 2;

        while (capacity < at + copied.size) {
            capacity *= 2;
        }
        q->bytes = grown(q->bytes, capacity);
        q->bytes_capacity = capacity;
    }
    if (copied.size > 0) {
        memcpy(q->bytes + at, copied.data, copied.size);
    }
    q->bytes_size = at + copied.size;
    return at;
}

void shuffle_actions_push(struct shuffle_actions *q,
        const struct shuffle_streams_action *action, struct bytes copied)
{
    size_t at = keep_bytes(q, copied);
    struct shuffle_queued_action *item;

    make_room(q);
    item = &q->items[(q->head + q->count) % q->capacity];
    item->action = *action;
    item->at = at;
    item->size = copied.size;
    q->count++;
}

void shuffle_actions_push_text(struct shuffle_actions *q,
        const struct shuffle_streams_action *action, const char *text)
{
    shuffle_actions_push(q, action, bytes_of(text, strlen(text) + 1));
}

/* Points the action at what was copied for it. */
static void lend(struct shuffle_streams_action *action, struct bytes copied)
{
    switch (action->type) {
    case SHUFFLE_STREAMS_FRAME:
    case SHUFFLE_STREAMS_CLIENT_FRAME:
    case SHUFFLE_STREAMS_BARRIER:
        action->payload = copied;
        break;
    case SHUFFLE_STREAMS_CLIENT_SUMMARY:
        action->rows = (const void *)copied.data;
        break;
    case SHUFFLE_STREAMS_PUBLISH_PLACE:
        action->stage.data = copied.data;
        action->sinks.packed = bytes_skip(copied, action->stage.size);
        break;
    case SHUFFLE_STREAMS_CUT:
        action->text = bytes_of(copied.data, copied.size - 1);
        break;
    case SHUFFLE_STREAMS_WANT:
    case SHUFFLE_STREAMS_BLOCK:
    case SHUFFLE_STREAMS_OPEN_COUNT:
    case SHUFFLE_STREAMS_CLIENT_BLOCK:
    case SHUFFLE_STREAMS_CLIENT_READ:
    case SHUFFLE_STREAMS_CLIENT_CLOSE:
    case SHUFFLE_STREAMS_PUBLISH_SINKS:
    case SHUFFLE_STREAMS_LAMINAR: /* its payload is lent by its source */
    case SHUFFLE_STREAMS_LAMINAR_FLUSH:
    case SHUFFLE_STREAMS_LAMINAR_PAUSE:
    case SHUFFLE_STREAMS_LINK_HOLD:
        break;
    }
}

bool shuffle_actions_pop(
        struct shuffle_actions *q, struct shuffle_streams_action *action)
{
    const struct shuffle_queued_action *item;

    if (q->count == 0) {
        return false;
    }
    item = &q->items[q->head];
    *action = item->action;
    if (item->size > 0) {
        lend(action, bytes_of(q->bytes + item->at, item->size));
    }
    q->head = (q->head + 1) % q->capacity;
    q->count--;
    return true;
}
