/* The way to a peer: its addresses, attempts to connect, back-off, and what
 * waits for it meanwhile. */
#include "shuffle/shuffle_inside.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

/* --- facts --- */

struct shuffle_peer *shuffle_reach_add(struct shuffle_pool *pool, uint64_t id)
{
    struct shuffle_peer *peer = shuffle_peers_find(&pool->peers, id);

    if (peer != NULL) {
        return peer;
    }
    peer = shuffle_peers_add(&pool->peers, id);
    if (peer != NULL) {
        outbox_init(&peer->pending, pool->options.blocks, &pool->shorts,
                pool->options.queue_max_bytes);
        peer->backoff_ms = pool->options.reconnect_min_ms;
    }
    return peer;
}

static bool is_wanted(
        const struct shuffle_pool *pool, const struct shuffle_peer *peer)
{
    return !pool->leaving && pool->now_ms < peer->wanted_until_ms;
}

static void end_backoff(struct shuffle_pool *pool, struct shuffle_peer *peer)
{
    shuffle_peer_set_state(peer, SHUFFLE_PEER_IDLE);
    if (is_wanted(pool, peer)) {
        shuffle_reach_attempt(pool, peer);
    }
}

/* Something is new about the peer: what failed before may work now. */
static void take_news(struct shuffle_pool *pool, struct shuffle_peer *peer)
{
    peer->backoff_ms = pool->options.reconnect_min_ms;
    if (peer->state == SHUFFLE_PEER_BACKOFF ||
            peer->state == SHUFFLE_PEER_STOPPED) {
        end_backoff(pool, peer);
    }
}

void shuffle_reach_alive(struct shuffle_pool *pool, struct shuffle_peer *peer)
{
    if (peer->state == SHUFFLE_PEER_BACKOFF) {
        take_news(pool, peer);
    }
}

static bool may_aim_at(
        const struct shuffle_pool *pool, const struct addr *address)
{
    return addr_is_target(address) && !addr_equal(address, &pool->listening);
}

/* The link that is up no longer leads to who the peer is now. */
static void drop_stale_link(
        struct shuffle_pool *pool, struct shuffle_peer *peer)
{
    static const struct shuffle_ending ending = {
            .reason = SHUFFLE_REASON_GENERATION,
            .drop = SHUFFLE_DROP_COUNT,
            .text = "generation: the peer has been started anew",
    };
    struct shuffle_link *link = shuffle_links_find(pool, peer->link);
    bool is_weft;

    if (link == NULL || link->state != SHUFFLE_LINK_UP) {
        return;
    }
    is_weft = link->dialect == SHUFFLE_WEFT_DIALECT;
    if (is_weft != peer->speaks_weft ||
            (is_weft && link->generation < peer->generation)) {
        shuffle_links_close(pool, link, &ending);
    }
}

static void attempt_failed(
        struct shuffle_pool *pool, struct shuffle_peer *peer, int code);

/* The answer to RESOLVE, if this is one. */
static void go_on_resolving(
        struct shuffle_pool *pool, struct shuffle_peer *peer)
{
    if (peer->state != SHUFFLE_PEER_RESOLVING ||
            peer->discovered.family == ADDR_NONE) {
        return;
    }
    if (addr_equal(&peer->discovered, &peer->failed)) {
        attempt_failed(pool, peer, ERR_IO);
    } else {
        shuffle_reach_attempt(pool, peer);
    }
}

int shuffle_pool_peer(struct shuffle_pool *pool, uint64_t now_ms,
        const struct shuffle_peer_facts *facts)
{
    struct shuffle_peer *peer;
    bool is_news;

    pool->now_ms = now_ms;
    if (facts->id == 0 || facts->id == pool->options.id) {
        return 0;
    }
    peer = shuffle_reach_add(pool, facts->id);
    if (peer == NULL) {
        return ERR_FULL;
    }
    is_news = peer->generation != facts->generation;
    peer->is_member = true;
    peer->generation = facts->generation;
    peer->live = facts->live;
    peer->speaks_weft = facts->speaks_weft;
    if (may_aim_at(pool, &facts->address)) {
        is_news = is_news || !addr_equal(&facts->address, &peer->tried);
        peer->discovered = facts->address;
    } else {
        peer->discovered = (struct addr){.family = ADDR_NONE};
    }
    go_on_resolving(pool, peer);
    drop_stale_link(pool, peer);
    if (is_news) {
        take_news(pool, peer);
    }
    return 0;
}

void shuffle_pool_peer_gone(
        struct shuffle_pool *pool, uint64_t now_ms, uint64_t id)
{
    struct shuffle_peer *peer = shuffle_peers_find(&pool->peers, id);

    pool->now_ms = now_ms;
    if (peer == NULL) {
        return;
    }
    pool->latest = 0; /* which may be this peer's */
    peer->is_member = false;
    peer->generation = 0;
    peer->speaks_weft = false;
    peer->discovered = (struct addr){.family = ADDR_NONE};
    if (peer->state == SHUFFLE_PEER_RESOLVING) {
        (void)snprintf(peer->why, sizeof(peer->why),
                "node %" PRIu64 " is unknown", id);
        attempt_failed(pool, peer, ERR_NOT_FOUND);
    }
    shuffle_reach_forget(pool, peer);
}

int shuffle_pool_register(struct shuffle_pool *pool, uint64_t now_ms,
        uint64_t id, const struct addr *address)
{
    struct shuffle_peer *peer;

    pool->now_ms = now_ms;
    if (id == 0 || id == pool->options.id || !may_aim_at(pool, address)) {
        return ERR_INVALID;
    }
    peer = shuffle_reach_add(pool, id);
    if (peer == NULL) {
        return ERR_FULL;
    }
    peer->is_registered = true;
    peer->by_hand = *address;
    peer->by_hand_failed = false;
    take_news(pool, peer);
    return 0;
}

void shuffle_pool_listening(
        struct shuffle_pool *pool, const struct addr *address)
{
    pool->listening = *address;
}

void shuffle_reach_forget(struct shuffle_pool *pool, struct shuffle_peer *peer)
{
    bool is_busy = peer->state == SHUFFLE_PEER_RESOLVING ||
                   peer->state == SHUFFLE_PEER_CONNECTING ||
                   peer->state == SHUFFLE_PEER_LINKED;

    if (!shuffle_peer_is_known(peer) && !is_busy && peer->accepted_count == 0) {
        shuffle_peers_remove(&pool->peers, peer);
    }
}

/* --- attempts --- */

static void set_deadline(struct shuffle_pool *pool, struct shuffle_peer *peer,
        uint64_t deadline_ms)
{
    peer->deadline_ms = deadline_ms;
    shuffle_pool_arm(pool, deadline_ms);
}

static void begin_resolving(
        struct shuffle_pool *pool, struct shuffle_peer *peer)
{
    shuffle_peer_set_state(peer, SHUFFLE_PEER_RESOLVING);
    set_deadline(pool, peer, pool->now_ms + pool->options.connect_timeout_ms);
    shuffle_pool_say(pool, SHUFFLE_POOL_RESOLVE)->action.peer = peer->id;
}

static void begin_connecting(struct shuffle_pool *pool,
        struct shuffle_peer *peer, const struct addr *address)
{
    struct shuffle_link *link = shuffle_links_open(pool, true, address);
    struct shuffle_pool_event *event;

    if (link == NULL) {
        (void)snprintf(peer->why, sizeof(peer->why),
                "all %" PRIu32 " connections are in use",
                pool->options.links_max);
        attempt_failed(pool, peer, ERR_FULL);
        return;
    }
    link->peer = peer->id;
    link->dialect =
            peer->speaks_weft ? SHUFFLE_WEFT_DIALECT : SHUFFLE_LAMINAR_DIALECT;
    peer->link = link->number;
    peer->tried = *address;
    shuffle_peer_set_state(peer, SHUFFLE_PEER_CONNECTING);
    event = shuffle_pool_say(pool, SHUFFLE_POOL_CONNECT);
    event->action.link = link->number;
    event->action.peer = peer->id;
    event->action.address = *address;
}

void shuffle_reach_attempt(struct shuffle_pool *pool, struct shuffle_peer *peer)
{
    const struct addr *address = shuffle_peer_candidate(peer);

    if (address != NULL) {
        begin_connecting(pool, peer, address);
    } else if (peer->is_member) {
        begin_resolving(pool, peer);
    } else {
        attempt_failed(pool, peer, ERR_IO);
    }
}

/* Tells everybody who waits for the peer, and lets go of what was queued. */
void shuffle_reach_abandon(struct shuffle_pool *pool, struct shuffle_peer *peer,
        int code, const char *why)
{
    for (size_t i = 0; i < peer->barriers_count; i++) {
        struct shuffle_pool_event *event =
                shuffle_pool_say(pool, SHUFFLE_POOL_BARRIER_SENT);

        event->action.peer = peer->id;
        event->action.checkpoint = peer->barriers[i];
        event->action.code = code;
        (void)snprintf(event->text, sizeof(event->text), "%s", why);
    }
    peer->barriers_count = 0;
    peer->count.drops[SHUFFLE_DROP_UNSENT] += peer->pending.queued_frames;
    pool->count.drops[SHUFFLE_DROP_UNSENT] += peer->pending.queued_frames;
    outbox_close(&peer->pending);
}

static void say_unreachable(
        struct shuffle_pool *pool, struct shuffle_peer *peer, int code)
{
    struct shuffle_pool_event *event =
            shuffle_pool_say(pool, SHUFFLE_POOL_UNREACHABLE);

    event->action.peer = peer->id;
    event->action.code = code;
    (void)snprintf(event->text, sizeof(event->text), "%s", peer->why);
}

/* Three quarters to five quarters of the back-off, which then doubles. */
static uint64_t next_backoff_ms(
        struct shuffle_pool *pool, struct shuffle_peer *peer)
{
    uint64_t base_ms = peer->backoff_ms;
    uint64_t jittered_ms =
            base_ms - base_ms / 4 + prng_below(&pool->prng, base_ms / 2 + 1);

    peer->backoff_ms = base_ms > pool->options.reconnect_max_ms / 2
                               ? pool->options.reconnect_max_ms
                               : base_ms * 2;
    return jittered_ms;
}

static void end_round(struct shuffle_peer *peer)
{
    peer->by_hand_failed = false;
    peer->failed = (struct addr){.family = ADDR_NONE};
    peer->link = 0;
}

/* This round of attempts has failed; `why` has the sentence. */
static void attempt_failed(
        struct shuffle_pool *pool, struct shuffle_peer *peer, int code)
{
    end_round(peer);
    say_unreachable(pool, peer, code);
    shuffle_reach_abandon(pool, peer, code, peer->why);
    shuffle_peer_set_state(peer, SHUFFLE_PEER_BACKOFF);
    set_deadline(pool, peer, pool->now_ms + next_backoff_ms(pool, peer));
}

/* The peer refused us, and will again. */
static void stop(struct shuffle_pool *pool, struct shuffle_peer *peer)
{
    end_round(peer);
    say_unreachable(pool, peer, ERR_INVALID);
    shuffle_reach_abandon(pool, peer, ERR_INVALID, peer->why);
    shuffle_peer_set_state(peer, SHUFFLE_PEER_STOPPED);
}

/* The address that was tried leads nowhere, or to somebody else: forgets it if
 * it was discovered, and looks for another. */
static void address_failed(struct shuffle_pool *pool, struct shuffle_peer *peer)
{
    if (peer->is_registered && !peer->by_hand_failed) {
        peer->by_hand_failed = true;
    }
    if (addr_equal(&peer->discovered, &peer->tried)) {
        peer->discovered = (struct addr){.family = ADDR_NONE};
    }
    peer->failed = peer->tried;
    peer->link = 0;
    shuffle_reach_attempt(pool, peer);
}

static void remember_why(
        struct shuffle_peer *peer, const struct shuffle_ending *ending)
{
    char address[ADDR_TEXT_BYTES];

    (void)snprintf(peer->why, sizeof(peer->why), "node %" PRIu64 " at %s: %s",
            peer->id, addr_format(&peer->tried, address), ending->text);
}

static void lost_while_connecting(struct shuffle_pool *pool,
        struct shuffle_peer *peer, const struct shuffle_ending *ending)
{
    switch (ending->reason) {
    case SHUFFLE_REASON_BUSY:
    case SHUFFLE_REASON_LEAVING:
    case SHUFFLE_REASON_SUPERSEDED:
        attempt_failed(pool, peer, ERR_IO);
        return;
    default:
        break;
    }
    if (shuffle_reason_advice(ending->reason) == SHUFFLE_ADVICE_STOP) {
        stop(pool, peer);
    } else {
        address_failed(pool, peer);
    }
}

static void lost_while_linked(struct shuffle_pool *pool,
        struct shuffle_peer *peer, const struct shuffle_ending *ending)
{
    enum shuffle_advice advice = shuffle_reason_advice(ending->reason);
    bool was_short =
            pool->now_ms - peer->up_ms < pool->options.connect_timeout_ms;

    end_round(peer);
    if (advice == SHUFFLE_ADVICE_STOP) {
        shuffle_peer_set_state(peer, SHUFFLE_PEER_STOPPED);
        return;
    }
    if (advice == SHUFFLE_ADVICE_RESOLVE &&
            addr_equal(&peer->discovered, &peer->tried)) {
        peer->discovered = (struct addr){.family = ADDR_NONE};
    }
    if (was_short) {
        shuffle_peer_set_state(peer, SHUFFLE_PEER_BACKOFF);
        set_deadline(pool, peer, pool->now_ms + next_backoff_ms(pool, peer));
    } else {
        peer->backoff_ms = pool->options.reconnect_min_ms;
        shuffle_peer_set_state(peer, SHUFFLE_PEER_IDLE);
    }
}

void shuffle_reach_lost(struct shuffle_pool *pool, struct shuffle_peer *peer,
        const struct shuffle_ending *ending)
{
    remember_why(peer, ending);
    if (peer->state == SHUFFLE_PEER_LINKED) {
        lost_while_linked(pool, peer, ending);
    } else if (pool->leaving) {
        attempt_failed(pool, peer, ERR_IO);
    } else {
        lost_while_connecting(pool, peer, ending);
    }
    shuffle_reach_forget(pool, peer);
}

void shuffle_reach_up(struct shuffle_pool *pool, struct shuffle_peer *peer,
        struct shuffle_link *link)
{
    bool was_empty = outbox_is_empty(&link->out);

    shuffle_peer_set_state(peer, SHUFFLE_PEER_LINKED);
    peer->up_ms = pool->now_ms;
    peer->ups++;
    peer->wanted_until_ms = 0;
    link->count.frames_out += peer->pending.queued_frames;
    pool->count.frames_out += peer->pending.queued_frames;
    outbox_take(&link->out, &peer->pending);
    if (was_empty && !outbox_is_empty(&link->out)) {
        shuffle_links_output(pool, link);
    }
    for (size_t i = 0; i < peer->barriers_count; i++) {
        struct shuffle_pool_event *event =
                shuffle_pool_say(pool, SHUFFLE_POOL_BARRIER_SENT);

        event->action.peer = peer->id;
        event->action.checkpoint = peer->barriers[i];
    }
    peer->barriers_count = 0;
}

void shuffle_reach_leave(struct shuffle_pool *pool, struct shuffle_peer *peer)
{
    if (peer->state == SHUFFLE_PEER_RESOLVING) {
        (void)snprintf(peer->why, sizeof(peer->why), "this node is leaving");
        attempt_failed(pool, peer, ERR_IO);
    }
}

static void pass_resolving(struct shuffle_pool *pool, struct shuffle_peer *peer)
{
    bool has_failed = peer->failed.family != ADDR_NONE || peer->by_hand_failed;

    if (!has_failed) {
        (void)snprintf(peer->why, sizeof(peer->why),
                "node %" PRIu64
                " is known, but has not published its shuffle:addr",
                peer->id);
    }
    attempt_failed(pool, peer, has_failed ? ERR_IO : ERR_NOT_FOUND);
}

void shuffle_reach_tick(struct shuffle_pool *pool, struct shuffle_peer *peer)
{
    bool is_timed = peer->state == SHUFFLE_PEER_RESOLVING ||
                    peer->state == SHUFFLE_PEER_BACKOFF;

    if (!is_timed) {
        return;
    }
    if (pool->now_ms < peer->deadline_ms) {
        shuffle_pool_arm(pool, peer->deadline_ms);
        return;
    }
    if (peer->state == SHUFFLE_PEER_RESOLVING) {
        pass_resolving(pool, peer);
    } else {
        end_backoff(pool, peer);
    }
    shuffle_reach_forget(pool, peer);
}

/* --- wanting --- */

static void say_unknown(struct shuffle_pool *pool, uint64_t id)
{
    struct shuffle_pool_event *event =
            shuffle_pool_say(pool, SHUFFLE_POOL_UNREACHABLE);

    event->action.peer = id;
    event->action.code = ERR_NOT_FOUND;
    (void)snprintf(event->text, sizeof(event->text),
            "node %" PRIu64 " is unknown", id);
}

void shuffle_pool_want(struct shuffle_pool *pool, uint64_t now_ms, uint64_t id)
{
    struct shuffle_peer *peer = shuffle_peers_find(&pool->peers, id);

    pool->now_ms = now_ms;
    if (peer == NULL || !shuffle_peer_is_known(peer)) {
        say_unknown(pool, id);
        return;
    }
    if (peer->state == SHUFFLE_PEER_LINKED) {
        return;
    }
    if (pool->leaving || peer->state == SHUFFLE_PEER_STOPPED) {
        say_unreachable(pool, peer, ERR_INVALID);
        return;
    }
    peer->wanted_until_ms = now_ms + 3 * pool->options.connect_timeout_ms;
    if (peer->state == SHUFFLE_PEER_IDLE) {
        shuffle_reach_attempt(pool, peer);
    }
}
