#include "node/local.h"

#include <assert.h>

void local_init(
        struct local *l, struct block_pool *blocks, size_t max_frame_bytes)
{
    bool reserved = budget_take(blocks->budget, LOCAL_RESERVE_BYTES);

    assert(reserved);
    *l = (struct local){.blocks = blocks,
            .reserve = {.max_bytes = LOCAL_RESERVE_BYTES},
            .answers = {.max_bytes = LOCAL_ANSWERS_BYTES},
            .max_frame_bytes = max_frame_bytes};
    block_pool_init(&l->shorts, &l->reserve, LOCAL_RESERVE_BYTES / 8);
    block_pool_init(&l->longs, &l->answers, 0);
}

static struct local_client *client_at(struct local *l, uint32_t client)
{
    assert(client < LOCAL_CLIENTS_MAX);
    assert(l->clients[client].role != LOCAL_FREE);
    return &l->clients[client];
}

int local_accept(struct local *l, uint64_t now_ms)
{
    for (int i = 0; i < LOCAL_CLIENTS_MAX; i++) {
        struct local_client *c = &l->clients[i];

        if (c->role == LOCAL_FREE) {
            *c = (struct local_client){
                    .role = LOCAL_NEW, .since_ms = now_ms, .told_read = true};
            inbox_init(&c->in, &l->shorts,
                    l->max_frame_bytes + SHUFFLE_MAX_FRAME_EXTRA);
            outbox_init(&c->out, &l->longs, &l->shorts, LOCAL_QUEUE_BYTES);
            return i;
        }
    }
    return ERR_FULL;
}

void local_forget(struct local *l, uint32_t client)
{
    struct local_client *c = client_at(l, client);

    inbox_close(&c->in);
    outbox_close(&c->out);
    block_free(c->stash);
    c->role = LOCAL_FREE;
}

void local_close(struct local *l)
{
    for (uint32_t i = 0; i < LOCAL_CLIENTS_MAX; i++) {
        if (l->clients[i].role != LOCAL_FREE) {
            local_forget(l, i);
        }
    }
    block_pool_close(&l->longs);
    block_pool_close(&l->shorts);
    budget_give(l->blocks->budget, LOCAL_RESERVE_BYTES);
}

void local_feed(struct local *l, uint32_t client, struct bytes bytes)
{
    struct local_client *c = client_at(l, client);

    if (!c->ending) {
        inbox_feed(&c->in, bytes);
    }
}

/* Takes the role that the first frame asks for; false for any other frame. */
static bool take_role(struct local_client *c, const struct frame *frame)
{
    struct shuffle_wire_attach attach;

    if (frame->tag == SHUFFLE_TAG_CALL) {
        c->role = LOCAL_CALLER;
        return true;
    }
    if (frame->tag != SHUFFLE_TAG_ATTACH ||
            !shuffle_wire_decode_attach(frame->payload, &attach)) {
        return false;
    }
    c->role = attach.role == SHUFFLE_ROLE_SOURCE ? LOCAL_SOURCE : LOCAL_SINK;
    return true;
}

static bool role_allows(enum local_role role, uint8_t tag)
{
    switch (role) {
    case LOCAL_CALLER:
        return tag == SHUFFLE_TAG_CALL;
    case LOCAL_SOURCE:
        return tag == SHUFFLE_TAG_DATA || tag == SHUFFLE_TAG_MARK ||
               tag == SHUFFLE_TAG_FAIL;
    case LOCAL_SINK:
        return tag == SHUFFLE_TAG_GRANT || tag == SHUFFLE_TAG_MARK ||
               tag == SHUFFLE_TAG_DONE || tag == SHUFFLE_TAG_FAIL;
    case LOCAL_FREE:
    case LOCAL_NEW:
        break;
    }
    return false;
}

static bool accept_frame(
        const struct local *l, struct local_client *c, struct frame *frame)
{
    if (frame->payload.size >
                    shuffle_wire_payload_max(frame->tag, l->max_frame_bytes) &&
            frame->tag != SHUFFLE_TAG_DATA) {
        return false;
    }
    return c->role == LOCAL_NEW ? take_role(c, frame)
                                : role_allows(c->role, frame->tag);
}

static enum local_input broken(struct local *l, uint32_t client)
{
    local_end(l, client);
    return LOCAL_BROKEN;
}

/* A long frame: memory for it now, or the client waits unread. */
static bool reserve(struct local *l, struct local_client *c)
{
    c->starved = !inbox_reserve(&c->in, l->blocks);
    return !c->starved;
}

enum local_input local_next(
        struct local *l, uint32_t client, struct frame *frame)
{
    struct local_client *c = client_at(l, client);

    if (c->ending) {
        return LOCAL_MORE;
    }
    for (;;) {
        switch (inbox_next(&c->in, frame)) {
        case INBOX_FRAME:
            return accept_frame(l, c, frame) ? LOCAL_FRAME : broken(l, client);
        case INBOX_MORE:
            return LOCAL_MORE;
        case INBOX_LONG:
            if (!reserve(l, c)) {
                inbox_hold(&c->in);
                return LOCAL_MORE;
            }
            break;
        case INBOX_EMPTY:
        case INBOX_TOO_LONG:
        case INBOX_NO_MEMORY:
            return broken(l, client);
        }
    }
}

void local_stash(struct local *l, uint32_t client, const struct frame *frame)
{
    struct local_client *c = client_at(l, client);
    uint8_t header[FRAME_HEADER_BYTES];

    if (c->stash == NULL) {
        c->stash = block_new(l->blocks, LOCAL_STASH_BYTES);
    }
    if (c->stash == NULL ||
            block_room(c->stash) < sizeof(header) + frame->payload.size) {
        local_end(l, client);
        return;
    }
    frame_put_header(header, frame->tag, frame->payload.size);
    block_append(c->stash, bytes_of(header, sizeof(header)));
    block_append(c->stash, frame->payload);
}

struct block *local_unstash(struct local *l, uint32_t client)
{
    struct local_client *c = client_at(l, client);
    struct block *stash = c->stash;

    c->stash = NULL;
    return stash;
}

bool local_retry(struct local *l, uint32_t client)
{
    struct local_client *c = &l->clients[client];

    return c->role != LOCAL_FREE && c->starved && reserve(l, c);
}

static void push(
        struct local *l, uint32_t client, const struct outbox_frame *frame)
{
    struct local_client *c = client_at(l, client);

    if (c->ending) {
        return;
    }
    if (outbox_push(&c->out, frame) != 0) {
        c->wants_close = true;
    }
    c->wants_write = true;
}

void local_push(struct local *l, uint32_t client, uint8_t tag,
        struct bytes head, struct bytes body)
{
    struct outbox_frame frame = {OUTBOX_CONTROL, tag, head, body};

    push(l, client, &frame);
}

void local_push_long(struct local *l, uint32_t client, uint8_t tag,
        struct bytes head, struct bytes body)
{
    struct outbox_frame frame = {OUTBOX_BULK, tag, head, body};

    push(l, client, &frame);
}

void local_push_block(struct local *l, uint32_t client, struct block *block)
{
    struct local_client *c = client_at(l, client);

    if (c->ending) {
        block_free(block);
        return;
    }
    outbox_push_block(&c->out, block);
    c->wants_write = true;
}

void local_hold(struct local *l, uint32_t client, bool hold)
{
    client_at(l, client)->hold = hold;
}

void local_end(struct local *l, uint32_t client)
{
    struct local_client *c = client_at(l, client);

    c->ending = true;
    if (outbox_is_empty(&c->out)) {
        c->wants_close = true;
    }
}

size_t local_output(struct local *l, uint32_t client, struct bytes pieces[],
        size_t pieces_max)
{
    return outbox_gather(
            &client_at(l, client)->out, pieces, pieces_max, 1024 * 1024);
}

void local_written(struct local *l, uint32_t client, size_t bytes)
{
    struct local_client *c = client_at(l, client);

    outbox_advance(&c->out, bytes);
    if (c->ending && outbox_is_empty(&c->out)) {
        c->wants_close = true;
    }
}

void local_tick(struct local *l, uint64_t now_ms)
{
    for (uint32_t i = 0; i < LOCAL_CLIENTS_MAX; i++) {
        struct local_client *c = &l->clients[i];

        if (c->role == LOCAL_NEW &&
                now_ms >= c->since_ms + LOCAL_FIRST_FRAME_MS) {
            c->ending = true;
            c->wants_close = true;
        }
    }
}

uint64_t local_deadline_ms(const struct local *l)
{
    uint64_t deadline = UINT64_MAX;

    for (uint32_t i = 0; i < LOCAL_CLIENTS_MAX; i++) {
        const struct local_client *c = &l->clients[i];

        if (c->role == LOCAL_NEW && !c->wants_close &&
                c->since_ms + LOCAL_FIRST_FRAME_MS < deadline) {
            deadline = c->since_ms + LOCAL_FIRST_FRAME_MS;
        }
    }
    return deadline;
}

/* The client's own next action, the most final first. */
static bool next_of(struct local *l, uint32_t i, struct local_action *action)
{
    struct local_client *c = &l->clients[i];
    bool read = !c->hold && !c->starved && !c->ending;

    action->client = i;
    if (c->wants_close) {
        action->type = LOCAL_CLOSE;
        local_forget(l, i);
        return true;
    }
    if (c->wants_write) {
        action->type = LOCAL_WRITE;
        c->wants_write = false;
        return true;
    }
    if (read != c->told_read) {
        action->type = LOCAL_READ;
        action->on = read;
        c->told_read = read;
        return true;
    }
    return false;
}

bool local_next_action(struct local *l, struct local_action *action)
{
    for (uint32_t i = 0; i < LOCAL_CLIENTS_MAX; i++) {
        if (l->clients[i].role != LOCAL_FREE && next_of(l, i, action)) {
            return true;
        }
    }
    return false;
}
