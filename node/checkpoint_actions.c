#include "node/checkpoint_actions.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    ITEMS_MIN = 32,
    BYTES_MIN = 4096,
};

void checkpoint_actions_init(struct checkpoint_actions *q)
{
    *q = (struct checkpoint_actions){0};
}

void checkpoint_actions_close(struct checkpoint_actions *q)
{
    free(q->items);
    free(q->bytes);
    *q = (struct checkpoint_actions){0};
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

static void make_room(struct checkpoint_actions *q)
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

/* What was popped last is not borrowed any more. */
static void begin(struct checkpoint_actions *q)
{
    if (q->count == 0) {
        q->bytes_size = 0;
    }
}

/* Room for so many bytes, where anything may stand. */
static size_t take_bytes(struct checkpoint_actions *q, size_t size)
{
    size_t at = (q->bytes_size + 7) & ~(size_t)7;

    if (q->bytes == NULL || at + size > q->bytes_capacity) {
        size_t capacity =
                q->bytes_capacity == 0 ? BYTES_MIN : q->bytes_capacity * 2;

        while (capacity < at + size) {
            capacity *= 2;
        }
        q->bytes = grown(q->bytes, capacity);
        q->bytes_capacity = capacity;
    }
    q->bytes_size = at + size;
    return at;
}

static uint8_t *put(uint8_t *to, const void *from, size_t size)
{
    if (size > 0) {
        memcpy(to, from, size);
    }
    return to + size;
}

static size_t keep_text(struct checkpoint_actions *q, const char *text)
{
    size_t size = strlen(text) + 1;
    size_t at = take_bytes(q, size);

    put(q->bytes + at, text, size);
    return at;
}

size_t checkpoint_actions_keep_text(
        struct checkpoint_actions *q, const char *text)
{
    begin(q);
    return keep_text(q, text);
}

static void push(
        struct checkpoint_actions *q, const struct checkpoint_queued *item)
{
    make_room(q);
    q->items[(q->head + q->count) % q->capacity] = *item;
    q->count++;
}

void checkpoint_actions_push_kept(struct checkpoint_actions *q,
        const struct checkpoint_action *action, size_t text_at)
{
    struct checkpoint_queued item = {.action = *action, .text_at = text_at};

    item.action.text = ""; /* there is one */
    push(q, &item);
}

/* Members, then the list of stages, then their names. */
static size_t keep_order(
        struct checkpoint_actions *q, const struct shuffle_cut_order *order)
{
    size_t members = order->members_count * sizeof(order->members[0]);
    size_t rotate = order->rotate_count * sizeof(order->rotate[0]);
    size_t names = 0;
    uint8_t *to;
    size_t at;

    for (size_t i = 0; i < order->rotate_count; i++) {
        names += order->rotate[i].size;
    }
    at = take_bytes(q, members + rotate + names);
    to = put(q->bytes + at, order->members, members);
    to = put(to, order->rotate, rotate);
    for (size_t i = 0; i < order->rotate_count; i++) {
        to = put(to, order->rotate[i].data, order->rotate[i].size);
    }
    return at;
}

static void find_order(uint8_t *bytes, struct shuffle_cut_order *order)
{
    struct bytes *rotate;

    order->members = (const void *)bytes;
    bytes += order->members_count * sizeof(order->members[0]);
    rotate = (void *)bytes;
    bytes += order->rotate_count * sizeof(*rotate);
    for (size_t i = 0; i < order->rotate_count; i++) {
        rotate[i].data = bytes;
        bytes += rotate[i].size;
    }
    order->rotate = rotate;
}

/* The list of places, then of each its stage and its sinks. */
static size_t keep_places(
        struct checkpoint_actions *q, const struct shuffle_cut_outcome *outcome)
{
    size_t places = outcome->places_count * sizeof(outcome->places[0]);
    size_t inside = 0;
    uint8_t *to;
    size_t at;

    for (size_t i = 0; i < outcome->places_count; i++) {
        inside += outcome->places[i].stage.size +
                  outcome->places[i].sinks.packed.size;
    }
    at = take_bytes(q, places + inside);
    to = put(q->bytes + at, outcome->places, places);
    for (size_t i = 0; i < outcome->places_count; i++) {
        const struct shuffle_cut_place *place = &outcome->places[i];

        to = put(to, place->stage.data, place->stage.size);
        to = put(to, place->sinks.packed.data, place->sinks.packed.size);
    }
    return at;
}

static void find_places(uint8_t *bytes, struct shuffle_cut_outcome *outcome)
{
    struct shuffle_cut_place *places = (void *)bytes;

    bytes += outcome->places_count * sizeof(*places);
    for (size_t i = 0; i < outcome->places_count; i++) {
        places[i].stage.data = bytes;
        bytes += places[i].stage.size;
        places[i].sinks.packed.data = bytes;
        bytes += places[i].sinks.packed.size;
    }
    outcome->places = places;
}

/* The one sentence or record that the action carries, or NULL. */
static const char *text_of(const struct checkpoint_action *action)
{
    if (action->type == CHECKPOINT_OUTCOME) {
        return action->outcome.text;
    }
    if (action->type == CHECKPOINT_ANSWER) {
        return action->result.reason;
    }
    return action->text;
}

void checkpoint_actions_push(
        struct checkpoint_actions *q, const struct checkpoint_action *action)
{
    struct checkpoint_queued item = {.action = *action};
    const char *text = text_of(action);

    begin(q);
    if (text != NULL) {
        item.text_at = keep_text(q, text);
    }
    if (action->type == CHECKPOINT_CUT) {
        item.lists_at = keep_order(q, &action->order);
    } else if (action->type == CHECKPOINT_OUTCOME) {
        item.lists_at = keep_places(q, &action->outcome);
    }
    push(q, &item);
}

/* The buffer may have moved since the action was queued. */
static void find_texts(
        struct checkpoint_actions *q, struct checkpoint_queued *item)
{
    struct checkpoint_action *action = &item->action;
    const char *text;

    if (text_of(action) == NULL) {
        return;
    }
    text = (const char *)q->bytes + item->text_at;
    if (action->type == CHECKPOINT_OUTCOME) {
        action->outcome.text = text;
    } else if (action->type == CHECKPOINT_ANSWER) {
        action->result.reason = text;
    } else {
        action->text = text;
    }
}

bool checkpoint_actions_pop(
        struct checkpoint_actions *q, struct checkpoint_action *action)
{
    struct checkpoint_queued *item;

    if (q->count == 0) {
        return false;
    }
    item = &q->items[q->head];
    find_texts(q, item);
    if (item->action.type == CHECKPOINT_CUT) {
        find_order(q->bytes + item->lists_at, &item->action.order);
    } else if (item->action.type == CHECKPOINT_OUTCOME) {
        find_places(q->bytes + item->lists_at, &item->action.outcome);
    }
    *action = item->action;
    q->head = (q->head + 1) % q->capacity;
    q->count--;
    return true;
}
