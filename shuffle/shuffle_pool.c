#include "shuffle/shuffle_pool.h"

#include "shuffle/shuffle_inside.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- init and close --- */

struct shuffle_pool_options shuffle_pool_defaults(void)
{
    return (struct shuffle_pool_options){
            .max_frame_bytes = (size_t)64 * 1024 * 1024,
            .queue_max_bytes = (size_t)4 * 1024 * 1024,
            .reserve_bytes = (size_t)16 * 1024 * 1024,
            .links_max = 1024,
            .links_per_host_max = 128,
            .peers_max = 4096,
            .connect_timeout_ms = 3000,
            .peer_timeout_ms = 30000,
            .reconnect_min_ms = 100,
            .reconnect_max_ms = 10000,
    };
}

void shuffle_pool_init(struct shuffle_pool *pool,
        const struct shuffle_pool_options *options, uint64_t now_ms)
{
    bool is_reserved;

    assert(options->id != 0);
    assert(options->links_max > 0 && options->links_max <= SHUFFLE_LINKS_MAX);
    assert(options->reconnect_min_ms > 0);
    *pool = (struct shuffle_pool){
            .options = *options,
            .reserve = {.max_bytes = options->reserve_bytes},
            .now_ms = now_ms,
            .deadline_ms = UINT64_MAX,
    };
    is_reserved = budget_take(options->blocks->budget, options->reserve_bytes);
    assert(is_reserved);
    block_pool_init(&pool->shorts, &pool->reserve, 1024 * 1024);
    prng_init(&pool->prng, options->seed);
    shuffle_peers_init(&pool->peers, options->peers_max);
    pool->links = calloc(options->links_max, sizeof(pool->links[0]));
    pool->serials = calloc(options->links_max, sizeof(pool->serials[0]));
    assert(pool->links != NULL && pool->serials != NULL);
}

void shuffle_pool_close(struct shuffle_pool *pool)
{
    static const struct shuffle_ending ending = {
            .reason = SHUFFLE_REASON_LEAVING,
            .drop = SHUFFLE_DROP_COUNT,
            .text = "leaving: this node has ended",
    };

    pool->leaving = true;
    for (uint32_t slot = 0; slot < pool->options.links_max; slot++) {
        if (pool->links[slot] != NULL) {
            shuffle_links_end(pool, pool->links[slot], &ending);
        }
    }
    for (size_t i = 0; i < pool->peers.count; i++) {
        shuffle_reach_abandon(pool, pool->peers.items[i], ERR_IO, ending.text);
    }
    shuffle_peers_close(&pool->peers);
    block_pool_close(&pool->shorts);
    budget_give(pool->options.blocks->budget, pool->options.reserve_bytes);
    free(pool->links);
    free(pool->serials);
    free(pool->events);
}

/* --- actions --- */

static void grow_events(struct shuffle_pool *pool)
{
    size_t capacity =
            pool->events_capacity == 0 ? 16 : pool->events_capacity * 2;
    struct shuffle_pool_event *events = malloc(capacity * sizeof(events[0]));

    assert(events != NULL);
    for (size_t i = 0; i < pool->events_count; i++) {
        events[i] =
                pool->events[(pool->events_head + i) % pool->events_capacity];
    }
    free(pool->events);
    pool->events = events;
    pool->events_head = 0;
    pool->events_capacity = capacity;
}

struct shuffle_pool_event *shuffle_pool_say(
        struct shuffle_pool *pool, enum shuffle_pool_action_type type)
{
    struct shuffle_pool_event *event;

    if (pool->events_count == pool->events_capacity) {
        grow_events(pool);
    }
    event = &pool->events[(pool->events_head + pool->events_count) %
                          pool->events_capacity];
    pool->events_count++;
    event->action = (struct shuffle_pool_action){.type = type};
    event->text[0] = '\0';
    return event;
}

static void take_event(
        struct shuffle_pool *pool, struct shuffle_pool_action *action)
{
    const struct shuffle_pool_event *event = &pool->events[pool->events_head];

    *action = event->action;
    (void)snprintf(pool->text, sizeof(pool->text), "%s", event->text);
    action->text = pool->text;
    pool->events_head = (pool->events_head + 1) % pool->events_capacity;
    pool->events_count--;
}

bool shuffle_pool_next(
        struct shuffle_pool *pool, struct shuffle_pool_action *action)
{
    for (;;) {
        if (pool->events_count > 0) {
            take_event(pool, action);
            return true;
        }
        if (pool->reading == 0) {
            if (!shuffle_input_retry(pool)) {
                return false;
            }
        } else if (shuffle_input_next(pool, action)) {
            return true;
        }
    }
}

/* --- frames for a link --- */

static struct shuffle_link *weft_link(
        const struct shuffle_pool *pool, uint32_t number)
{
    struct shuffle_link *link = shuffle_links_find(pool, number);

    if (link == NULL || link->state != SHUFFLE_LINK_UP ||
            link->dialect != SHUFFLE_WEFT_DIALECT) {
        return NULL;
    }
    return link;
}

/* What says something about a stream waits behind the stream's records; the
 * rest carries all it means in itself. */
static enum outbox_kind kind_of(uint8_t tag)
{
    switch (tag) {
    case SHUFFLE_TAG_DATA:
        return OUTBOX_BULK;
    case SHUFFLE_TAG_OPEN:
    case SHUFFLE_TAG_FAIL:
        return OUTBOX_CONTROL;
    default:
        return OUTBOX_URGENT;
    }
}

int shuffle_pool_frame(struct shuffle_pool *pool, uint64_t now_ms,
        uint32_t number, uint8_t tag, struct bytes head, struct bytes body)
{
    struct shuffle_link *link = weft_link(pool, number);
    struct outbox_frame frame = {.tag = tag, .head = head, .body = body};
    static const struct shuffle_ending ending = {
            .reason = SHUFFLE_REASON_BUSY,
            .drop = SHUFFLE_DROP_COUNT,
            .text = "busy: a frame found no room in the queue",
    };

    pool->now_ms = now_ms;
    if (link == NULL) {
        return ERR_NOT_FOUND;
    }
    frame.kind = kind_of(tag);
    if (shuffle_links_push(pool, link, &frame) != 0) {
        shuffle_links_close(pool, link, &ending);
        return ERR_FULL;
    }
    return 0;
}

int shuffle_pool_block(struct shuffle_pool *pool, uint64_t now_ms,
        uint32_t number, struct block *block)
{
    struct shuffle_link *link = weft_link(pool, number);
    bool was_empty;

    pool->now_ms = now_ms;
    if (link == NULL) {
        return ERR_NOT_FOUND;
    }
    was_empty = outbox_is_empty(&link->out);
    outbox_push_block(&link->out, block);
    link->count.frames_out++;
    pool->count.frames_out++;
    if (was_empty) {
        shuffle_links_output(pool, link);
    }
    return 0;
}

void shuffle_pool_streams_open(struct shuffle_pool *pool, uint64_t now_ms,
        uint32_t number, uint32_t count)
{
    struct shuffle_link *link = shuffle_links_find(pool, number);

    pool->now_ms = now_ms;
    if (link == NULL) {
        return;
    }
    if (link->streams_open == 0 && count > 0) {
        link->heard_ms = now_ms;
        shuffle_pool_arm(pool, now_ms);
    }
    link->streams_open = count;
}

/* --- frames for a peer --- */

static int refuse_send(
        const struct shuffle_peer *peer, uint64_t id, struct error *err)
{
    if (peer == NULL || !shuffle_peer_is_known(peer)) {
        return error_set(err, ERR_NOT_FOUND, "node %" PRIu64 " is unknown", id);
    }
    if (peer->state == SHUFFLE_PEER_BACKOFF ||
            peer->state == SHUFFLE_PEER_STOPPED) {
        return error_set(err, ERR_IO, "%s", peer->why);
    }
    return 0;
}

/* Sends over the peer's link, or queues until it is up. */
static int send_to(struct shuffle_pool *pool, struct shuffle_peer *peer,
        const struct outbox_frame *frame)
{
    struct shuffle_link *link = shuffle_links_find(pool, peer->link);
    int code;

    if (peer->state == SHUFFLE_PEER_LINKED) {
        assert(link != NULL);
        return shuffle_links_push(pool, link, frame);
    }
    code = outbox_push(&peer->pending, frame);
    if (code != 0) {
        peer->count.drops[SHUFFLE_DROP_QUEUE]++;
        pool->count.drops[SHUFFLE_DROP_QUEUE]++;
    }
    return code;
}

static int refuse_full(uint64_t id, struct error *err)
{
    return error_set(
            err, ERR_FULL, "the queue for node %" PRIu64 " is full", id);
}

/* Sends in order to a peer that somebody named, whatever its state. */
static int send_by_id(struct shuffle_pool *pool, uint64_t id,
        const struct outbox_frame *frame, struct error *err)
{
    struct shuffle_peer *peer = shuffle_peers_find(&pool->peers, id);
    int code = refuse_send(peer, id, err);

    if (code == 0 && pool->leaving) {
        code = error_set(err, ERR_IO, "this node is leaving");
    }
    if (code != 0) {
        return code;
    }
    if (send_to(pool, peer, frame) != 0) {
        return refuse_full(id, err);
    }
    if (peer->state == SHUFFLE_PEER_IDLE) {
        shuffle_reach_attempt(pool, peer);
    }
    pool->latest = peer->state == SHUFFLE_PEER_LINKED ? peer->link : 0;
    return 0;
}

/* The link of the latest frame, if it is up still and to the same peer. */
static struct shuffle_link *same_link(
        const struct shuffle_pool *pool, uint64_t peer)
{
    struct shuffle_link *link = shuffle_links_find(pool, pool->latest);
    bool is_same = link != NULL && link->peer == peer && link->outgoing &&
                   link->state == SHUFFLE_LINK_UP;

    return is_same ? link : NULL;
}

/* The same, and shorter when the peer is the one that the latest frame was
 * for, as it mostly is. */
static inline int send_named(struct shuffle_pool *pool, uint64_t id,
        const struct outbox_frame *frame, struct error *err)
{
    struct shuffle_link *link = same_link(pool, id);

    if (link == NULL) {
        return send_by_id(pool, id, frame, err);
    }
    return shuffle_links_push(pool, link, frame) == 0 ? 0
                                                      : refuse_full(id, err);
}

int shuffle_pool_vnode_data(struct shuffle_pool *pool, uint64_t now_ms,
        uint64_t peer, uint32_t vnode, struct bytes arrow, struct error *err)
{
    uint8_t head[SHUFFLE_VNODE_HEAD_BYTES];
    struct writer w = writer_of(head, sizeof(head));
    size_t payload = sizeof(head) + arrow.size;
    struct outbox_frame frame = {
            .kind = OUTBOX_BULK,
            .tag = SHUFFLE_TAG_VNODE_DATA,
            .body = arrow,
    };

    pool->now_ms = now_ms;
    if (payload > pool->options.max_frame_bytes) {
        return error_set(err, ERR_INVALID,
                "a frame of %zu bytes is above max_frame, %zu", payload,
                pool->options.max_frame_bytes);
    }
    shuffle_wire_encode_vnode_head(&w, vnode);
    frame.head = writer_bytes(&w);
    return send_named(pool, peer, &frame, err);
}

int shuffle_pool_hello(struct shuffle_pool *pool, uint64_t now_ms,
        uint64_t peer, uint64_t id, struct error *err)
{
    uint8_t payload[SHUFFLE_HELLO_BYTES];
    struct writer w = writer_of(payload, sizeof(payload));
    struct outbox_frame frame = {
            .kind = OUTBOX_BULK,
            .tag = SHUFFLE_TAG_HELLO,
    };

    pool->now_ms = now_ms;
    shuffle_wire_encode_hello(&w, id);
    frame.body = writer_bytes(&w);
    return send_named(pool, peer, &frame, err);
}

static void say_barrier(struct shuffle_pool *pool, uint64_t peer,
        uint64_t checkpoint, int code, const char *why)
{
    struct shuffle_pool_event *event =
            shuffle_pool_say(pool, SHUFFLE_POOL_BARRIER_SENT);

    event->action.peer = peer;
    event->action.checkpoint = checkpoint;
    event->action.code = code;
    (void)snprintf(event->text, sizeof(event->text), "%s", why);
}

/* 0 when it is queued on a link, ERR_... and `err` when it will not be; 1 when
 * it waits for the link and its outcome comes later. */
static int send_barrier(struct shuffle_pool *pool, uint64_t id,
        struct bytes payload, uint64_t checkpoint, struct error *err)
{
    struct shuffle_peer *peer = shuffle_peers_find(&pool->peers, id);
    int code = refuse_send(peer, id, err);
    struct outbox_frame frame = {.tag = SHUFFLE_TAG_BARRIER, .body = payload};

    if (code != 0) {
        return code;
    }
    if (peer->barriers_count == SHUFFLE_PEER_BARRIERS_MAX) {
        return error_set(err, ERR_FULL,
                "%d barriers wait for node %" PRIu64 " already",
                SHUFFLE_PEER_BARRIERS_MAX, id);
    }
    frame.kind = peer->speaks_weft ? OUTBOX_URGENT : OUTBOX_CONTROL;
    if (send_to(pool, peer, &frame) != 0) {
        return refuse_full(id, err);
    }
    if (peer->state == SHUFFLE_PEER_LINKED) {
        return 0;
    }
    peer->barriers[peer->barriers_count++] = checkpoint;
    if (peer->state == SHUFFLE_PEER_IDLE) {
        shuffle_reach_attempt(pool, peer);
    }
    return 1;
}

void shuffle_pool_barrier(struct shuffle_pool *pool, uint64_t now_ms,
        const uint64_t peers[], size_t peers_count,
        const struct shuffle_wire_barrier *barrier)
{
    uint8_t payload[SHUFFLE_BARRIER_BYTES];
    struct writer w = writer_of(payload, sizeof(payload));

    pool->now_ms = now_ms;
    shuffle_wire_encode_barrier(&w, barrier);
    for (size_t i = 0; i < peers_count; i++) {
        struct error err = {.text = ""};
        int code = pool->leaving
                           ? error_set(&err, ERR_IO, "this node is leaving")
                           : send_barrier(pool, peers[i], writer_bytes(&w),
                                     barrier->checkpoint, &err);

        if (code <= 0) {
            say_barrier(pool, peers[i], barrier->checkpoint, code, err.text);
        }
    }
}

/* A Weft peer that somebody named; NULL when there is none. */
static const struct shuffle_peer *weft_peer(
        const struct shuffle_pool *pool, uint64_t id)
{
    const struct shuffle_peer *peer = shuffle_peers_find(&pool->peers, id);

    return peer != NULL && peer->speaks_weft ? peer : NULL;
}

int shuffle_pool_control(struct shuffle_pool *pool, uint64_t now_ms,
        uint64_t peer, enum shuffle_control_kind kind, struct bytes text,
        struct error *err)
{
    const struct shuffle_wire_control control = {.kind = (uint8_t)kind};
    uint8_t head[1];
    struct writer w = writer_of(head, sizeof(head));
    struct outbox_frame frame = {
            .kind = OUTBOX_URGENT,
            .tag = SHUFFLE_TAG_CONTROL,
            .body = text,
    };

    assert(text.size < SHUFFLE_FRAME_MAX - sizeof(head));
    pool->now_ms = now_ms;
    if (weft_peer(pool, peer) == NULL) {
        return error_set(err, ERR_NOT_FOUND,
                "node %" PRIu64 " is unknown, or speaks no Weft", peer);
    }
    shuffle_wire_encode_control(&w, &control);
    frame.head = writer_bytes(&w);
    return send_by_id(pool, peer, &frame, err);
}

/* --- reading --- */

void shuffle_pool_hold(
        struct shuffle_pool *pool, uint64_t now_ms, uint32_t number, bool held)
{
    struct shuffle_link *link = shuffle_links_find(pool, number);

    pool->now_ms = now_ms;
    if (link != NULL) {
        link->is_held = held;
        shuffle_links_update_reading(pool, link);
    }
}

void shuffle_pool_laminar_pause(
        struct shuffle_pool *pool, uint64_t now_ms, bool paused)
{
    pool->now_ms = now_ms;
    pool->laminar_paused = paused;
    for (uint32_t slot = 0; slot < pool->options.links_max; slot++) {
        if (pool->links[slot] != NULL) {
            shuffle_links_update_reading(pool, pool->links[slot]);
        }
    }
}

struct block *shuffle_pool_take(struct shuffle_pool *pool)
{
    struct shuffle_link *link = shuffle_links_find(pool, pool->reading);

    return link == NULL ? NULL : inbox_take(&link->in);
}

void shuffle_pool_unused(struct shuffle_pool *pool, uint32_t number)
{
    struct shuffle_link *link = shuffle_links_find(pool, number);

    if (link != NULL) {
        shuffle_links_count(pool, link, SHUFFLE_DROP_UNUSED, 1);
    }
}

void shuffle_pool_starved(
        struct shuffle_pool *pool, uint64_t now_ms, uint32_t number)
{
    static const struct shuffle_ending ending = {
            .reason = SHUFFLE_REASON_BUSY,
            .drop = SHUFFLE_DROP_MEMORY,
            .text = "busy: no memory is left for a frame of this connection",
    };
    struct shuffle_link *link = shuffle_links_find(pool, number);

    pool->now_ms = now_ms;
    if (link != NULL && link->state == SHUFFLE_LINK_UP) {
        shuffle_links_close(pool, link, &ending);
    }
}

void shuffle_pool_refuse(
        struct shuffle_pool *pool, uint64_t now_ms, uint32_t number)
{
    static const struct shuffle_ending ending = {
            .reason = SHUFFLE_REASON_PROTOCOL,
            .drop = SHUFFLE_DROP_PLACE,
            .text = "protocol: a frame that its stream does not allow",
    };
    struct shuffle_link *link = shuffle_links_find(pool, number);

    pool->now_ms = now_ms;
    if (link != NULL && link->state == SHUFFLE_LINK_UP) {
        shuffle_links_close(pool, link, &ending);
    }
}

void shuffle_pool_generation(struct shuffle_pool *pool, uint64_t generation)
{
    pool->options.generation = generation;
}

void shuffle_pool_leave(struct shuffle_pool *pool, uint64_t now_ms)
{
    static const struct shuffle_ending ending = {
            .reason = SHUFFLE_REASON_LEAVING,
            .drop = SHUFFLE_DROP_COUNT,
            .text = "leaving: this node is shutting down",
    };

    pool->now_ms = now_ms;
    pool->leaving = true;
    for (uint32_t slot = 0; slot < pool->options.links_max; slot++) {
        struct shuffle_link *link = pool->links[slot];

        if (link != NULL && !shuffle_link_is_over(link)) {
            shuffle_links_close(pool, link, &ending);
        }
    }
    for (size_t i = pool->peers.count; i > 0; i--) {
        shuffle_reach_leave(pool, pool->peers.items[i - 1]);
    }
}

/* --- time --- */

enum {
    RETRY_MS = 100, /* while a link waits for memory */
};

void shuffle_pool_arm(struct shuffle_pool *pool, uint64_t deadline_ms)
{
    if (deadline_ms < pool->deadline_ms) {
        pool->deadline_ms = deadline_ms;
    }
}

void shuffle_pool_tick(struct shuffle_pool *pool, uint64_t now_ms)
{
    pool->now_ms = now_ms;
    if (now_ms < pool->deadline_ms) {
        return;
    }
    pool->deadline_ms = UINT64_MAX;
    for (size_t i = pool->peers.count; i > 0; i--) {
        shuffle_reach_tick(pool, pool->peers.items[i - 1]);
    }
    for (uint32_t slot = 0; slot < pool->options.links_max; slot++) {
        if (pool->links[slot] != NULL) {
            shuffle_patience_tick(pool, pool->links[slot]);
        }
    }
    if (pool->waiting != NULL) {
        shuffle_pool_arm(pool, now_ms + RETRY_MS);
    }
}

uint64_t shuffle_pool_deadline_ms(const struct shuffle_pool *pool)
{
    return pool->deadline_ms;
}

/* --- what is known --- */

uint32_t shuffle_pool_links(const struct shuffle_pool *pool)
{
    return pool->links_count;
}

uint32_t shuffle_pool_link_to(const struct shuffle_pool *pool, uint64_t id)
{
    const struct shuffle_peer *peer = shuffle_peers_find(&pool->peers, id);

    return peer != NULL && peer->state == SHUFFLE_PEER_LINKED ? peer->link : 0;
}

size_t shuffle_pool_peers(const struct shuffle_pool *pool)
{
    return pool->peers.count;
}

const struct shuffle_peer *shuffle_pool_peer_at(
        const struct shuffle_pool *pool, size_t index)
{
    assert(index < pool->peers.count);
    return pool->peers.items[index];
}

const struct shuffle_count *shuffle_pool_count(const struct shuffle_pool *pool)
{
    return &pool->count;
}

static void check_link(
        const struct shuffle_pool *pool, const struct shuffle_link *link)
{
    bool may_write = link->outgoing || link->dialect == SHUFFLE_WEFT_DIALECT;
    const struct shuffle_peer *peer =
            link->peer == 0 ? NULL
                            : shuffle_peers_find(&pool->peers, link->peer);

    assert(may_write || outbox_is_empty(&link->out));
    assert(link->outgoing || link->peer == 0 || peer != NULL);
    assert(!link->announced || link->state == SHUFFLE_LINK_UP);
}

static void check_peer(
        const struct shuffle_pool *pool, const struct shuffle_peer *peer)
{
    bool has_link = peer->state == SHUFFLE_PEER_CONNECTING ||
                    peer->state == SHUFFLE_PEER_LINKED;
    bool is_waiting = peer->state == SHUFFLE_PEER_CONNECTING ||
                      peer->state == SHUFFLE_PEER_RESOLVING;

    assert(has_link == (shuffle_links_find(pool, peer->link) != NULL));
    assert(is_waiting || outbox_is_empty(&peer->pending));
    assert(is_waiting || peer->barriers_count == 0);
}

void shuffle_pool_check(const struct shuffle_pool *pool)
{
    uint32_t links_count = 0;
    uint32_t accepted_count = 0;

    for (uint32_t slot = 0; slot < pool->options.links_max; slot++) {
        const struct shuffle_link *link = pool->links[slot];

        if (link != NULL) {
            links_count++;
            accepted_count += link->outgoing ? 0 : 1;
            check_link(pool, link);
        }
    }
    assert(links_count == pool->links_count);
    assert(accepted_count == pool->accepted_count);
    for (size_t i = 0; i < pool->peers.count; i++) {
        check_peer(pool, pool->peers.items[i]);
    }
}
