/* What the parts of the pool share; nobody else includes this.
 *
 * shuffle_pool.c has the verbs, the queue of actions and the clock,
 * shuffle_links.c the life of one connection, shuffle_reach.c the way to a
 * peer. They call each other only through what stands here. */
#pragma once

#include "shuffle/shuffle_pool.h"

struct shuffle_pool_event {
    struct shuffle_pool_action action;
    char text[SHUFFLE_TEXT_BYTES];
};

/* Why a link ends: for the counters, for DOWN, and for its peer. */
struct shuffle_ending {
    enum shuffle_reason reason;
    enum shuffle_drop drop; /* SHUFFLE_DROP_COUNT = nothing to count */
    const char *text;
};

/* --- shuffle_pool.c --- */

/* Queues an action and returns it to be filled in. */
struct shuffle_pool_event *shuffle_pool_say(
        struct shuffle_pool *pool, enum shuffle_pool_action_type type);

/* The next tick is to be no later than this. */
void shuffle_pool_arm(struct shuffle_pool *pool, uint64_t deadline_ms);

/* --- shuffle_links.c --- */

/* A new link, CONNECTING or waiting for HELLO; NULL at `links_max`. */
struct shuffle_link *shuffle_links_open(
        struct shuffle_pool *pool, bool outgoing, const struct addr *address);

/* NULL when there is no such link (any more). Inline, as the next one is: they
 * run for every frame. */
static inline struct shuffle_link *shuffle_links_find(
        const struct shuffle_pool *pool, uint32_t number)
{
    uint32_t slot = shuffle_link_slot(number);
    struct shuffle_link *link =
            slot < pool->options.links_max ? pool->links[slot] : NULL;

    return link != NULL && link->number == number ? link : NULL;
}

/* Something was queued in an `out` that was empty before: asks for a write. */
void shuffle_links_output(struct shuffle_pool *pool, struct shuffle_link *link);

/* A frame found no room there. */
void shuffle_links_count_full(
        struct shuffle_pool *pool, struct shuffle_link *link);

/* Queues a frame on a link that may carry it. ERR_FULL as outbox_push. */
static inline int shuffle_links_push(struct shuffle_pool *pool,
        struct shuffle_link *link, const struct outbox_frame *frame)
{
    bool was_empty = outbox_is_empty(&link->out);

    assert(link->outgoing || link->dialect == SHUFFLE_WEFT_DIALECT);
    if (outbox_push(&link->out, frame) != 0) {
        shuffle_links_count_full(pool, link);
        return ERR_FULL;
    }
    link->count.frames_out++;
    pool->count.frames_out++;
    if (was_empty) {
        shuffle_links_output(pool, link);
    }
    return 0;
}

/* Ends it now. The link is freed. */
void shuffle_links_end(struct shuffle_pool *pool, struct shuffle_link *link,
        const struct shuffle_ending *ending);

/* Says Close first, where it may be said. */
void shuffle_links_close(struct shuffle_pool *pool, struct shuffle_link *link,
        const struct shuffle_ending *ending);

/* The next frame of the link that is being read; false when there is none, or
 * when it became an event. */
bool shuffle_links_next(
        struct shuffle_pool *pool, struct shuffle_pool_action *action);

/* Gives memory that has come back to the first in the line; true when that
 * made an event. */
bool shuffle_links_retry(struct shuffle_pool *pool);

/* Leaves a link unread or reads it again, as things stand now. */
void shuffle_links_update_reading(
        struct shuffle_pool *pool, struct shuffle_link *link);

/* Judges every deadline of the link; it may be gone afterwards. */
void shuffle_links_tick(struct shuffle_pool *pool, struct shuffle_link *link);

/* --- shuffle_reach.c --- */

/* Finds the peer or adds it; NULL at `peers_max`. */
struct shuffle_peer *shuffle_reach_add(struct shuffle_pool *pool, uint64_t id);

/* Begins a round of attempts; the peer is IDLE. */
void shuffle_reach_attempt(
        struct shuffle_pool *pool, struct shuffle_peer *peer);

/* The peer is alive after all: a back-off ends. */
void shuffle_reach_alive(struct shuffle_pool *pool, struct shuffle_peer *peer);

/* The peer's outgoing link is up. */
void shuffle_reach_up(struct shuffle_pool *pool, struct shuffle_peer *peer,
        struct shuffle_link *link);

/* The peer's outgoing link has ended. */
void shuffle_reach_lost(struct shuffle_pool *pool, struct shuffle_peer *peer,
        const struct shuffle_ending *ending);

/* We are leaving: a peer that waits for its address waits no more. */
void shuffle_reach_leave(struct shuffle_pool *pool, struct shuffle_peer *peer);

/* What waits for the peer fails. */
void shuffle_reach_abandon(struct shuffle_pool *pool, struct shuffle_peer *peer,
        int code, const char *why);

/* Removes a peer that nobody knows and nothing connects to. */
void shuffle_reach_forget(struct shuffle_pool *pool, struct shuffle_peer *peer);

/* Judges the peer's deadline; it may be gone afterwards. */
void shuffle_reach_tick(struct shuffle_pool *pool, struct shuffle_peer *peer);
