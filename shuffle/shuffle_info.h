/* The pool's peers as rows for people: one for each direction.
 *
 * An outgoing row is a peer that something was ever sent to, or tried; an
 * incoming one is a connection that has said who it is. */
#pragma once

#include "shuffle/shuffle_pool.h"

struct shuffle_info {
    uint64_t id;
    struct addr address; /* ADDR_NONE while none is known */
    enum shuffle_dialect dialect;
    bool outgoing;
    const char *state; /* one word; static */
    size_t queued_bytes;
    uint64_t frames;
    uint64_t bytes;
    uint64_t reconnects;
    const char *last_error; /* a sentence, or ""; borrowed from the pool */
};

/* Rows by index: outgoing ones by ascending id, then incoming ones. False
 * behind the last. */
bool shuffle_info_at(const struct shuffle_pool *pool, size_t index,
        struct shuffle_info *row);

/* When anything last came from the peer, on any of its connections; 0 while
 * there is none. */
uint64_t shuffle_info_heard_ms(const struct shuffle_pool *pool, uint64_t peer);
