/* What the parts of the pool share; nobody else includes this.
 *
 * shuffle_pool.c has the verbs, the queue of actions and the clock,
 * shuffle_links.c the life of one connection, shuffle_handshake.c how it begins
 * to speak, shuffle_input.c what it brings, shuffle_patience.c how long it may
 * take, shuffle_reach.c the way to a peer. They call each other only through
 * what stands here. */
#pragma once

#include "shuffle/shuffle_pool.h"

enum {
    SHUFFLE_CLOSE_MS = 1000, /* for Close to be written, then for their end */
    SHUFFLE_PING_AFTER_MS = 2000, /* of silence, while a stream is open */
    SHUFFLE_RESERVED_MAX_MS =
            10000, /* a reserved frame may bring nothing for */
    SHUFFLE_SUPERSEDED_QUIET_MS = 20, /* an older link is read to its end */
};

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

/* Whom it leads to or came from; NULL before Hello. */
struct shuffle_peer *shuffle_links_peer(
        const struct shuffle_pool *pool, const struct shuffle_link *link);

/* Counts a reason; SHUFFLE_DROP_COUNT is none. */
void shuffle_links_count(struct shuffle_pool *pool, struct shuffle_link *link,
        enum shuffle_drop drop, uint64_t times);

/* UP, or with an ending DOWN. */
void shuffle_links_say(struct shuffle_pool *pool, struct shuffle_link *link,
        enum shuffle_pool_action_type type,
        const struct shuffle_ending *ending);

/* It no longer waits for memory. */
void shuffle_links_leave_line(
        struct shuffle_pool *pool, struct shuffle_link *link);

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

/* What `payload` has been written into, as one frame ahead of the others. */
int shuffle_links_push_urgent(struct shuffle_pool *pool,
        struct shuffle_link *link, uint8_t tag, const struct writer *payload);

/* Ends it now. The link is freed. */
void shuffle_links_end(struct shuffle_pool *pool, struct shuffle_link *link,
        const struct shuffle_ending *ending);

/* Says Close first, where it may be said. */
void shuffle_links_close(struct shuffle_pool *pool, struct shuffle_link *link,
        const struct shuffle_ending *ending);

/* The other side has broken the protocol: closes it. `text` begins with the
 * word. */
void shuffle_links_refuse(struct shuffle_pool *pool, struct shuffle_link *link,
        enum shuffle_drop drop, const char *text);

/* The same about one frame: what it was, and how long. */
void shuffle_links_refuse_frame(struct shuffle_pool *pool,
        struct shuffle_link *link, enum shuffle_drop drop, uint8_t tag,
        size_t payload_bytes);

extern const struct shuffle_ending shuffle_links_no_memory;
extern const struct shuffle_ending shuffle_links_superseded;

/* Leaves a link unread or reads it again, as things stand now. */
void shuffle_links_update_reading(
        struct shuffle_pool *pool, struct shuffle_link *link);

/* --- shuffle_handshake.c --- */

void shuffle_handshake_hello(struct shuffle_pool *pool,
        struct shuffle_link *link, struct bytes payload);
void shuffle_handshake_greet(struct shuffle_pool *pool,
        struct shuffle_link *link, const struct frame *frame);
void shuffle_handshake_welcome(struct shuffle_pool *pool,
        struct shuffle_link *link, const struct frame *frame);

/* The dialect is known: says UP. */
void shuffle_handshake_up(struct shuffle_pool *pool, struct shuffle_link *link);

/* An older link has ended: is a newer one to be welcomed now? */
void shuffle_handshake_welcome_held(struct shuffle_pool *pool, uint64_t peer);

/* --- shuffle_input.c --- */

/* The next frame of the link that is being read; false when there is none, or
 * when it became an event. */
bool shuffle_input_next(
        struct shuffle_pool *pool, struct shuffle_pool_action *action);

/* Gives memory that has come back to the first in the line; true when that
 * made an event. */
bool shuffle_input_retry(struct shuffle_pool *pool);

/* --- shuffle_patience.c --- */

/* Judges every deadline of the link; it may be gone afterwards. */
void shuffle_patience_tick(
        struct shuffle_pool *pool, struct shuffle_link *link);

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
