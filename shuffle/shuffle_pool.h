/* The connections of the shuffle: who is connected to whom, and in which
 * dialect.
 *
 * Records flow from the connecting side to the accepting side, so a node opens
 * one connection to each peer that it has something for, at first contact, and
 * accepts one from each that has something for it. A connection here is a
 * *link*; its number is never 0 and is not soon used again.
 *
 * The life of an outgoing link. Somebody wants peer 7 (`shuffle_pool_want`, a
 * barrier, vnode data). Is an address known? One given by hand is tried first
 * and never forgotten, then the one that the peer publishes. If there is none,
 * RESOLVE asks the node to read `shuffle:addr` and to say what it found with
 * `shuffle_pool_peer`; a peer that has not published yet is waited for, up to
 * `connect_timeout`. CONNECT names the address; the answer is `_connected` or
 * `_connect_failed`, or the deadline's. A failed connect forgets an address
 * that was discovered and asks again; the same address again, or none, is
 * UNREACHABLE, and while the peer is still wanted it is tried again after
 * `reconnect_min` … `reconnect_max`, doubling, with jitter. Once connected:
 *
 *   laminar peer   Hello ►                        UP
 *   weft peer      Hello GREET ►  ◄ WELCOME       UP   (or ◄ Close: DOWN)
 *
 * An accepted link waits for Hello, which attributes it; the frame behind it
 * decides the dialect: GREET is answered with WELCOME, anything else makes it
 * a LaminarDB peer's, on which never a byte is written. Every wait has a
 * deadline; docs/wire.md, "Greeting between Weft nodes" has the rest.
 *
 * What has come is taken with `shuffle_pool_next` until it answers false: that is
 * both `receive` and `drain_available` of the reference, which differ only in
 * who sleeps meanwhile, and here that is the caller's loop.
 *
 * The reference (LaminarDB 0.21) keeps a stale address for ever, has no
 * deadline anywhere, fans out one after another and stops at the first
 * failure; this is where we differ on purpose.
 *
 * A core: verbs in, actions out, no system call. The bytes given to
 * `shuffle_pool_received` are borrowed until `shuffle_pool_next` has answered
 * false, which must be before the next verb on the pool except for those that
 * queue frames. Memory: what is queued for a peer is bounded by
 * `queue_max_bytes`; blocks, long frames and copies come from `blocks`, whose
 * budget everybody shares; `reserve_bytes` of that budget are set aside at
 * init for small frames, so that control never waits for memory. */
#pragma once

#include "base/addr.h"
#include "base/block.h"
#include "base/error.h"
#include "base/prng.h"
#include "shuffle/shuffle_count.h"
#include "shuffle/shuffle_peer.h"
#include "shuffle/shuffle_link.h"
#include "shuffle/shuffle_wire.h"

enum {
    SHUFFLE_LINKS_MAX = 4096, /* the most that options may ask for */
    SHUFFLE_TEXT_BYTES = 192,
};

struct shuffle_pool_options {
    uint64_t id; /* our own, not 0 */
    uint64_t generation;
    const char *cluster; /* borrowed for the pool's life */
    uint32_t vnodes;
    size_t max_frame_bytes; /* the largest payload, in and out */
    size_t queue_max_bytes; /* queued for one peer */
    size_t reserve_bytes; /* of the budget, for small frames */
    uint32_t links_max; /* both ways; three quarters of them accepted */
    uint32_t links_per_host_max; /* accepted from one address */
    uint32_t peers_max;
    uint64_t connect_timeout_ms;
    uint64_t peer_timeout_ms;
    uint64_t reconnect_min_ms;
    uint64_t reconnect_max_ms;
    struct block_pool *blocks; /* outlives the pool */
    uint64_t seed;
};

/* The defaults of docs; id, generation, cluster, vnodes, blocks and seed stay
 * the caller's to fill in. */
struct shuffle_pool_options shuffle_pool_defaults(void);

enum shuffle_pool_action_type {
    SHUFFLE_POOL_CONNECT, /* link, address */
    SHUFFLE_POOL_CLOSE, /* link: close it now; the number is void */
    SHUFFLE_POOL_FINISH, /* link: end the stream behind the output; read on */
    SHUFFLE_POOL_WRITE, /* link: there is output; write at the turn's end */
    SHUFFLE_POOL_READ, /* link, on: read from it, or leave it unread */
    SHUFFLE_POOL_RESOLVE, /* peer: read shuffle:addr anew, answer with _peer */
    SHUFFLE_POOL_UP, /* link, peer, generation, outgoing, dialect */
    SHUFFLE_POOL_DOWN, /* as UP, and reason, text: what Close said, or why;
                        * of our own link to a LaminarDB peer, what is lost */
    SHUFFLE_POOL_UNREACHABLE, /* peer, code, text */
    SHUFFLE_POOL_FRAME, /* link, peer, tag, payload: 20 and 30 to 36 */
    SHUFFLE_POOL_LAMINAR, /* link, peer, dialect, tag, payload: 02, 04, 05 */
    SHUFFLE_POOL_BARRIER_SENT, /* peer, checkpoint, code, text */
};

/* Fields that an action's comment above does not name are not set. `text` is
 * a sentence, and like `payload` it is borrowed until the next call. */
struct shuffle_pool_action {
    enum shuffle_pool_action_type type;
    uint32_t link;
    uint64_t peer;
    struct bytes payload;
    uint8_t tag;
    bool on;
    bool outgoing;
    enum shuffle_dialect dialect;
    enum shuffle_reason reason;
    int code; /* 0, ERR_NOT_FOUND, ERR_IO, ERR_FULL or ERR_INVALID */
    uint64_t generation; /* as the peer said; 0 = a LaminarDB peer */
    uint64_t checkpoint;
    uint64_t unsent_frames; /* DOWN: at least so many never left us */
    uint64_t unacked_frames; /* DOWN: at most; UINT64_MAX = unknown */
    struct addr address;
    const char *text;
};

struct shuffle_pool;

/* Takes `reserve_bytes` from the blocks' budget: asserted to be there. */
void shuffle_pool_init(struct shuffle_pool *pool,
        const struct shuffle_pool_options *options, uint64_t now_ms);
void shuffle_pool_close(struct shuffle_pool *pool);

/* --- facts about peers, from the gossip KV and the settings --- */

/* What is known of a member now: say it again whenever it changes, and after
 * RESOLVE. An address that is no target, or our own, counts as none. News of
 * another generation or address ends a back-off and a refusal. ERR_FULL above
 * `peers_max`; our own id is ignored. */
int shuffle_pool_peer(struct shuffle_pool *pool, uint64_t now_ms,
        const struct shuffle_peer_facts *facts);

/* The member is forgotten; a peer given by hand stays. Links that are up stay
 * up. */
void shuffle_pool_peer_gone(
        struct shuffle_pool *pool, uint64_t now_ms, uint64_t peer);

/* A peer given by hand, and where. Replaces the address; a live link to the
 * old one stays in use. ERR_INVALID: id 0 or our own, or not a target. */
int shuffle_pool_register(struct shuffle_pool *pool, uint64_t now_ms,
        uint64_t peer, const struct addr *address);

/* Where we listen: never a target of ours. */
void shuffle_pool_listening(
        struct shuffle_pool *pool, const struct addr *address);

/* --- what others want of us --- */

/* Wants a link to the peer: UP comes if it is not up already, or UNREACHABLE
 * for every attempt that fails. Attempts go on for three `connect_timeout`;
 * asking again renews that, and never shortens a back-off. */
void shuffle_pool_want(
        struct shuffle_pool *pool, uint64_t now_ms, uint64_t peer);

/* The outgoing link to the peer that is up, or 0. */
uint32_t shuffle_pool_link_to(const struct shuffle_pool *pool, uint64_t peer);

/* Queues a frame of tag 20 or 30 to 36 on a weft link that is up, head before
 * body, copying both. OPEN, DATA and FAIL keep their order; all others
 * overtake DATA that is queued, so no MARK goes before its stream's OPENED.
 * ERR_NOT_FOUND: that link is gone (its DOWN is on the way or was there);
 * ERR_FULL: no room, and since both ends would differ from now on, the link is
 * closed. */
int shuffle_pool_frame(struct shuffle_pool *pool, uint64_t now_ms,
        uint32_t link, uint8_t tag, struct bytes head, struct bytes body);

/* Queues a block that is one whole frame (`block_frame`), in order; it is ours
 * from now on. ERR_NOT_FOUND: that link is gone, and the block still the
 * caller's. There is no other failure: a block's memory was bounded when it was
 * made. */
int shuffle_pool_block(struct shuffle_pool *pool, uint64_t now_ms,
        uint32_t link, struct block *block);

/* How many streams are open on the link: while there are any, the connector
 * pings and the acceptor does not take silence for peace. */
void shuffle_pool_streams_open(struct shuffle_pool *pool, uint64_t now_ms,
        uint32_t link, uint32_t count);

/* Sends VnodeData to the peer, over a link that is up or is made for it; while
 * connecting it is queued. ERR_NOT_FOUND: unknown peer; ERR_IO: not reachable
 * just now (in back-off, with the sentence); ERR_FULL; ERR_INVALID: larger
 * than `max_frame_bytes`, nothing is written. 0 does not mean delivered. */
int shuffle_pool_vnode_data(struct shuffle_pool *pool, uint64_t now_ms,
        uint64_t peer, uint32_t vnode, struct bytes arrow, struct error *err);

/* The same for a Hello in the middle of a LaminarDB conversation. */
int shuffle_pool_hello(struct shuffle_pool *pool, uint64_t now_ms,
        uint64_t peer, uint64_t id, struct error *err);

/* Sends the barrier to every listed peer, all at once; BARRIER_SENT comes once
 * for each: 0 when it is queued on a link that is up, else the reason, as soon
 * as the first attempt to reach the peer has failed. To a LaminarDB peer it
 * goes behind the VnodeData that is queued; between Weft nodes it overtakes. */
void shuffle_pool_barrier(struct shuffle_pool *pool, uint64_t now_ms,
        const uint64_t peers[], size_t peers_count,
        const struct shuffle_wire_barrier *barrier);

/* Sends a control text (docs/wire.md, "Checkpoints") to a Weft peer, over a
 * link that is up or is made for it; while connecting it is queued, and lost
 * with that attempt (UNREACHABLE tells of it). In order among CONTROL, MARK and
 * Barrier to that peer. ERR_NOT_FOUND: no such Weft peer; ERR_IO: not reachable
 * just now; ERR_FULL. */
int shuffle_pool_control(struct shuffle_pool *pool, uint64_t now_ms,
        uint64_t peer, enum shuffle_control_kind kind, struct bytes text,
        struct error *err);

/* Leaves one link unread, or reads it again. What had been read already still
 * comes: at most one read. */
void shuffle_pool_hold(
        struct shuffle_pool *pool, uint64_t now_ms, uint32_t link, bool held);

/* Leaves every LaminarDB peer's socket unread, or reads again. What had been
 * read already still comes: at most one read. */
void shuffle_pool_laminar_pause(
        struct shuffle_pool *pool, uint64_t now_ms, bool paused);

/* The memory in which the FRAME or LAMINAR action of the latest call lies, if
 * it is one of `blocks`, as it is of every long frame: the whole frame, and the
 * caller's from now on. NULL: it is shared, and what is to be kept is copied. */
struct block *shuffle_pool_take(struct shuffle_pool *pool);

/* Nobody had a use for a frame of this link: it is counted. */
void shuffle_pool_unused(struct shuffle_pool *pool, uint32_t link);

/* There was no memory for a frame of this link, and to go on without it would
 * lose it unseen: the link ends. */
void shuffle_pool_starved(
        struct shuffle_pool *pool, uint64_t now_ms, uint32_t link);

/* A frame of this link was not allowed by the streams: Close "protocol". May be
 * said while the link's frames are being handed out. */
void shuffle_pool_refuse(
        struct shuffle_pool *pool, uint64_t now_ms, uint32_t link);

/* The node goes on under a higher generation; what is greeted already keeps
 * the one it was told. */
void shuffle_pool_generation(struct shuffle_pool *pool, uint64_t generation);

/* Says Close "leaving" wherever it may be said, then closes; no link is made
 * or accepted any more. Done when `shuffle_pool_links` is 0. */
void shuffle_pool_leave(struct shuffle_pool *pool, uint64_t now_ms);

/* --- facts about connections, from the adaptor --- */

/* A connection from `from` has been accepted: sets its link. ERR_FULL at a
 * limit, or leaving: close it. */
int shuffle_pool_accepted(struct shuffle_pool *pool, uint64_t now_ms,
        const struct addr *from, uint32_t *link);

void shuffle_pool_connected(
        struct shuffle_pool *pool, uint64_t now_ms, uint32_t link);

/* `why` is the system's own words. */
void shuffle_pool_connect_failed(struct shuffle_pool *pool, uint64_t now_ms,
        uint32_t link, const char *why);

/* Where the link's next bytes may be read to so that they need no copy (see
 * base/inbox.h); NULL: anywhere. */
uint8_t *shuffle_pool_room(
        const struct shuffle_pool *pool, uint32_t link, size_t *size);

void shuffle_pool_received(struct shuffle_pool *pool, uint64_t now_ms,
        uint32_t link, struct bytes bytes);

/* To be said right before `_closed`: how many of the bytes that were written
 * on the link the system has not sent, and how many the other side's has not
 * acknowledged, those included. */
void shuffle_pool_unsent(struct shuffle_pool *pool, uint32_t link,
        uint64_t unsent_bytes, uint64_t unacked_bytes);

/* The other side has ended the stream, or the system has: `why` is NULL for a
 * clean end. CLOSE follows. */
void shuffle_pool_closed(struct shuffle_pool *pool, uint64_t now_ms,
        uint32_t link, const char *why);

/* What to write next on the link (base/outbox.h, `outbox_gather`), and how
 * much of it was written. Pieces stay put until then. WRITE comes when there
 * is output where there was none; until there is none again, it is for the
 * adaptor to go on. */
size_t shuffle_pool_output(struct shuffle_pool *pool, uint32_t link,
        struct bytes pieces[], size_t pieces_max, size_t bytes_max);
void shuffle_pool_written(struct shuffle_pool *pool, uint64_t now_ms,
        uint32_t link, size_t bytes);

/* Is there output on the link. */
bool shuffle_pool_has_output(const struct shuffle_pool *pool, uint32_t link);

/* --- time, actions, what is known --- */

void shuffle_pool_tick(struct shuffle_pool *pool, uint64_t now_ms);
uint64_t shuffle_pool_deadline_ms(const struct shuffle_pool *pool);
bool shuffle_pool_next(
        struct shuffle_pool *pool, struct shuffle_pool_action *action);

uint32_t shuffle_pool_links(const struct shuffle_pool *pool);

/* Peers in ascending order of id, for `weft info`; the index is below
 * `shuffle_pool_peers`. Borrowed until the next verb. */
size_t shuffle_pool_peers(const struct shuffle_pool *pool);
const struct shuffle_peer *shuffle_pool_peer_at(
        const struct shuffle_pool *pool, size_t index);

/* What was dropped and why, in all; per peer it stands in the peer. */
const struct shuffle_count *shuffle_pool_count(const struct shuffle_pool *pool);

/* Asserts what must always hold. */
void shuffle_pool_check(const struct shuffle_pool *pool);

struct shuffle_pool {
    struct shuffle_pool_options options;
    struct budget reserve;
    struct block_pool shorts; /* chunks and short frames, from the reserve */
    struct prng prng;
    struct addr listening;
    struct shuffle_peers peers;
    struct shuffle_link **links; /* by slot; NULL = free */
    uint16_t *serials; /* by slot: of the link that is or was there */
    uint32_t latest; /* the link of the latest frame for a named peer, or 0 */
    uint32_t links_count; /* accepted ones included */
    uint32_t accepted_count;
    struct shuffle_link *waiting; /* for memory, first come first served */
    uint32_t reading; /* the link whose bytes are being handed out, or 0 */
    struct frame deferred; /* of that link: to be judged again after UP */
    bool has_deferred;
    bool laminar_paused;
    bool leaving;
    uint64_t now_ms; /* of the latest verb */
    uint64_t deadline_ms; /* never later than the true one */
    struct shuffle_count count;
    struct shuffle_pool_event *events; /* a ring of actions to come */
    size_t events_head;
    size_t events_count;
    size_t events_capacity;
    char text[SHUFFLE_TEXT_BYTES]; /* of the latest action */
};
