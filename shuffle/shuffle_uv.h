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
 * connection that has brought 1 MiB in a turn, or all when the turn has brought
 * 8 MiB, is left alone until the next, so that timers and gossip get theirs.
 *
 * An error from accept is counted, and listening pauses for 100 ms. Deadlines
 * are the pool's: `shuffle_uv` owns no timer for them. */
#pragma once

#include <uv.h>

#include "base/error.h"
#include "shuffle/shuffle_pool.h"

enum {
    SHUFFLE_UV_READ_BYTES = 128 * 1024,
    SHUFFLE_UV_WRITE_BYTES = 1024 * 1024,
    SHUFFLE_UV_TURN_LINK_BYTES = 1024 * 1024,
    SHUFFLE_UV_TURN_BYTES = 8 * 1024 * 1024,
    SHUFFLE_UV_ACCEPT_PAUSE_MS = 100,
};

struct shuffle_uv_conn;

struct shuffle_uv {
    uv_loop_t *loop;
    struct shuffle_pool *pool;
    void (*on_turn)(struct shuffle_uv *self); /* set before init */
    void (*on_closed)(struct shuffle_uv *self); /* all handles are gone */
    void *owner; /* the caller's; not used here */

    uv_tcp_t listener;
    uv_timer_t accept_pause;
    uv_prepare_t before_poll;
    uv_check_t after_poll;
    uv_idle_t more; /* keeps the loop turning while there is work left */
    bool is_listening;
    bool closing;
    bool more_running;
    uint32_t open_handles;
    uint64_t accept_errors;
    size_t turn_bytes; /* read in this turn */
    struct shuffle_uv_conn **conns; /* by link slot */
    struct shuffle_uv_conn *dirty; /* with output, in order */
    struct shuffle_uv_conn *dirty_tail;
    struct shuffle_uv_conn *rested; /* unread until the next turn */
    uint8_t *read_buffer;
};

/* `loop`, `pool` and the two functions outlive the adaptor. */
void shuffle_uv_init(
        struct shuffle_uv *self, uv_loop_t *loop, struct shuffle_pool *pool);

/* Listens there; port 0 is any. Sets `bound` to what it became, and tells the
 * pool. */
int shuffle_uv_listen(struct shuffle_uv *self, const struct addr *at,
        struct addr *bound, struct error *err);

/* Carries out one action of the pool. */
void shuffle_uv_perform(
        struct shuffle_uv *self, const struct shuffle_pool_action *action);

/* Ends listening alone; connections go on. */
void shuffle_uv_stop_listening(struct shuffle_uv *self);

/* Closes every handle, then calls `on_closed`. May be called twice. */
void shuffle_uv_close(struct shuffle_uv *self);

/* How often accept has failed. */
uint64_t shuffle_uv_accept_errors(const struct shuffle_uv *self);
