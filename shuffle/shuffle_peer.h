/* What is known of a peer: who it is, where it may be reached, and what waits
 * for it until it is.
 *
 * Two addresses. One was given by hand: it is tried first and never forgotten.
 * The other the peer publishes; a connect that fails forgets it. How far we are
 * with reaching the peer is one state:
 *
 *   IDLE ─► RESOLVING ─► CONNECTING ─► LINKED        (wanted, address, up)
 *
 *   CONNECTING ─► RESOLVING, CONNECTING              an address failed: another?
 *   RESOLVING, CONNECTING, LINKED ─► BACKOFF         failed, or lost too soon
 *   RESOLVING, CONNECTING, LINKED ─► STOPPED         refused for good
 *   LINKED ─► IDLE                                   lost
 *   BACKOFF ─► IDLE                                  time is up, or news
 *   STOPPED ─► IDLE                                  news alone
 *
 * News is another generation or another address.
 *
 * The table keeps peers by ascending id; a peer's memory stays where it is
 * while the peer is known. */
#pragma once

#include "base/addr.h"
#include "base/outbox.h"
#include "shuffle/shuffle_count.h"

struct shuffle_peer_facts {
    uint64_t id;
    uint64_t generation;
    bool live; /* as the failure detector has it */
    bool speaks_weft; /* its newest generation publishes weft:protocol 1 */
    struct addr address; /* its shuffle:addr; ADDR_NONE while unpublished */
};

enum shuffle_peer_state {
    SHUFFLE_PEER_IDLE,
    SHUFFLE_PEER_RESOLVING,
    SHUFFLE_PEER_CONNECTING,
    SHUFFLE_PEER_LINKED,
    SHUFFLE_PEER_BACKOFF,
    SHUFFLE_PEER_STOPPED,
};

enum {
    SHUFFLE_PEER_BARRIERS_MAX = 8, /* that wait for one peer's connection */
};

struct shuffle_peer {
    uint64_t id;
    uint64_t generation; /* 0 = unknown to gossip */
    bool is_member; /* gossip knows it */
    bool live;
    bool speaks_weft;
    bool is_registered; /* given by hand */
    struct addr by_hand;
    struct addr discovered; /* ADDR_NONE once a connect to it failed */

    enum shuffle_peer_state state;
    uint32_t link; /* outgoing, while CONNECTING or LINKED */
    struct addr tried; /* the address of the latest attempt */
    struct addr failed; /* that the latest RESOLVE was about */
    bool by_hand_failed; /* in this round of attempts */
    uint64_t up_ms; /* since when LINKED */
    uint64_t wanted_until_ms; /* 0 = nobody wants it */
    uint64_t deadline_ms; /* of RESOLVING or BACKOFF */
    uint64_t backoff_ms; /* the next one, before jitter */
    uint64_t ups; /* how often its outgoing link came up */

    struct outbox pending; /* until it is up */
    uint64_t barriers[SHUFFLE_PEER_BARRIERS_MAX]; /* checkpoints in `pending` */
    size_t barriers_count;
    uint32_t accepted_count; /* its links that we accepted */
    char why[128]; /* the latest attempt failed, in a sentence */

    struct shuffle_count count; /* of links that have ended */
};

struct shuffle_peers {
    struct shuffle_peer **items; /* ascending ids */
    size_t count;
    size_t capacity;
    size_t max;
};

void shuffle_peers_init(struct shuffle_peers *peers, size_t max);
void shuffle_peers_close(struct shuffle_peers *peers);

struct shuffle_peer *shuffle_peers_find(
        const struct shuffle_peers *peers, uint64_t id);

/* Adds one that is not there yet: asserted. Its `pending` is the caller's to
 * init. NULL at the bound. */
struct shuffle_peer *shuffle_peers_add(
        struct shuffle_peers *peers, uint64_t id);

void shuffle_peers_remove(
        struct shuffle_peers *peers, struct shuffle_peer *peer);

/* May it be asked for: gossip knows it, or somebody gave it by hand. */
bool shuffle_peer_is_known(const struct shuffle_peer *peer);

/* Where to try next: by hand, then discovered; NULL when there is nowhere. */
const struct addr *shuffle_peer_candidate(const struct shuffle_peer *peer);

/* Asserts that the drawing has that arrow. */
void shuffle_peer_set_state(
        struct shuffle_peer *peer, enum shuffle_peer_state state);
