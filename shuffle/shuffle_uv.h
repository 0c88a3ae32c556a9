/* TCP for the connections of the shuffle, over libuv.
 *
 * Facts go into the pool as they happen: accepted, connected, bytes, end. After
 * each, `on_turn` is called once, and its owner drains the pool: every CONNECT,
 * CLOSE, FINISH, WRITE and READ among the actions it hands to
 * `shuffle_uv_perform`, the others are its own. All connections share one read
 * buffer, which is free again when `on_turn` returns.
 *
 * Writing: WRITE marks a connection; at the end of the loop's turn each marked
 * one gathers up to 1 MiB into one `uv_try_write`. What the system does not
 * take waits for a small `uv_write` to say that there is room again. Reading: a
 * connection that has brought 1 MiB in a turn, or any once the turn has brought
 * 8 MiB, is left alone until the next, so that timers and gossip get theirs.
 *
 * Deadlines are the pool's, and its owner's to arm: there is no timer here.
 * TCP_NODELAY is set on both ends. The process must ignore SIGPIPE. */
#pragma once

#include <uv.h>

#include "base/error.h"
#include "shuffle/shuffle_accept_uv.h"
#include "shuffle/shuffle_pool.h"

enum {
    SHUFFLE_UV_READ_BYTES = 256 * 1024,
    SHUFFLE_UV_WRITE_BYTES = 1024 * 1024,
    SHUFFLE_UV_WAIT_BYTES = 16 * 1024, /* of the write that waits for room */
    SHUFFLE_UV_TURN_LINK_BYTES = 1024 * 1024,
    SHUFFLE_UV_TURN_BYTES = 8 * 1024 * 1024,
};

struct shuffle_uv_conn;

struct shuffle_uv {
    void *owner; /* the caller's, handed to the functions; set before init */

    /* Facts have gone into the pool: drain it. */
    void (*on_turn)(void *owner);

    /* All handles are gone, and the memory the caller's again. */
    void (*on_closed)(void *owner);

    uv_loop_t *loop;
    struct shuffle_pool *pool;
    struct shuffle_accept_uv accept;
    bool is_listening;
    uv_prepare_t before_poll;
    uv_check_t after_poll;
    uv_idle_t more; /* keeps the loop turning while there is work left */
    bool closing;
    uint32_t open_handles; /* the listener counts as one */
    uint32_t turn; /* counts the loop's turns */
    size_t turn_bytes; /* read in this one */
    struct shuffle_uv_conn **conns; /* by link slot */
    struct shuffle_uv_conn *dirty; /* with output, in no order */
    struct shuffle_uv_conn *rested; /* unread until the next turn */
    uint8_t *read_buffer;
};

/* `loop` and `pool` outlive the adaptor. */
void shuffle_uv_init(
        struct shuffle_uv *self, uv_loop_t *loop, struct shuffle_pool *pool);

/* Listens there; port 0 is any. Sets `bound` to what it became. */
int shuffle_uv_listen(struct shuffle_uv *self, const struct addr *at,
        struct addr *bound, struct error *err);

/* Carries out one action of the pool that is for an adaptor. */
void shuffle_uv_perform(
        struct shuffle_uv *self, const struct shuffle_pool_action *action);

/* Ends listening alone; connections go on. */
void shuffle_uv_stop_listening(struct shuffle_uv *self);

/* Closes every handle, then calls `on_closed`. May be called twice. The pool
 * hears of nothing any more. */
void shuffle_uv_close(struct shuffle_uv *self);

/* How often accept has failed. */
uint64_t shuffle_uv_accept_errors(const struct shuffle_uv *self);
