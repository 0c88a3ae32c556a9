#include "shuffle/shuffle_peer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void shuffle_peers_init(struct shuffle_peers *peers, size_t max)
{
    *peers = (struct shuffle_peers){.max = max};
}

void shuffle_peers_close(struct shuffle_peers *peers)
{
    while (peers->count > 0) {
        shuffle_peers_remove(peers, peers->items[peers->count - 1]);
    }
    free(peers->items);
    peers->items = NULL;
}

/* The first peer whose id is not below, or the end. */
static size_t position_of(const struct shuffle_peers *peers, uint64_t id)
{
    size_t low = 0;
    size_t high = peers->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (peers->items[middle]->id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct shuffle_peer *shuffle_peers_find(
        const struct shuffle_peers *peers, uint64_t id)
{
    size_t position = position_of(peers, id);

    if (position < peers->count && peers->items[position]->id == id) {
        return peers->items[position];
    }
    return NULL;
}

static void make_room(struct shuffle_peers *peers)
{
    if (peers->count == peers->capacity) {
        peers->capacity = peers->capacity == 0 ? 16 : peers->capacity * 2;
        peers->items = realloc(
                peers->items, peers->capacity * sizeof(peers->items[0]));
        assert(peers->items != NULL);
    }
}

struct shuffle_peer *shuffle_peers_add(struct shuffle_peers *peers, uint64_t id)
{
    size_t position = position_of(peers, id);
    struct shuffle_peer *peer;

    assert(shuffle_peers_find(peers, id) == NULL);
    if (peers->count == peers->max) {
        return NULL;
    }
    make_room(peers);
    peer = calloc(1, sizeof(*peer));
    assert(peer != NULL);
    peer->id = id;
    memmove(peers->items + position + 1, peers->items + position,
            (peers->count - position) * sizeof(peers->items[0]));
    peers->items[position] = peer;
    peers->count++;
    return peer;
}

void shuffle_peers_remove(
        struct shuffle_peers *peers, struct shuffle_peer *peer)
{
    size_t position = position_of(peers, peer->id);

    assert(position < peers->count && peers->items[position] == peer);
    assert(outbox_is_empty(&peer->pending));
    peers->count--;
    memmove(peers->items + position, peers->items + position + 1,
            (peers->count - position) * sizeof(peers->items[0]));
    free(peer);
}

bool shuffle_peer_is_known(const struct shuffle_peer *peer)
{
    return peer->is_member || peer->is_registered;
}

const struct addr *shuffle_peer_candidate(const struct shuffle_peer *peer)
{
    if (peer->is_registered && !peer->by_hand_failed) {
        return &peer->by_hand;
    }
    return peer->discovered.family == ADDR_NONE ? NULL : &peer->discovered;
}

static bool has_arrow(enum shuffle_peer_state from, enum shuffle_peer_state to)
{
    switch (from) {
    case SHUFFLE_PEER_IDLE:
        return to == SHUFFLE_PEER_RESOLVING || to == SHUFFLE_PEER_CONNECTING ||
               to == SHUFFLE_PEER_BACKOFF;
    case SHUFFLE_PEER_RESOLVING:
        return to == SHUFFLE_PEER_CONNECTING || to == SHUFFLE_PEER_BACKOFF;
    case SHUFFLE_PEER_CONNECTING:
        return to != SHUFFLE_PEER_IDLE;
    case SHUFFLE_PEER_LINKED:
        return to == SHUFFLE_PEER_IDLE || to == SHUFFLE_PEER_BACKOFF ||
               to == SHUFFLE_PEER_STOPPED;
    case SHUFFLE_PEER_BACKOFF:
    case SHUFFLE_PEER_STOPPED:
        return to == SHUFFLE_PEER_IDLE;
    }
    return false;
}

void shuffle_peer_set_state(
        struct shuffle_peer *peer, enum shuffle_peer_state state)
{
    assert(has_arrow(peer->state, state));
    peer->state = state;
}
