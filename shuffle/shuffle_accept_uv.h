/* A listening TCP socket that no error ends.
 *
 * The reference stops listening for good at the first error of accept; one
 * moment without file descriptors makes it deaf. Here an error is counted, and
 * listening pauses for 100 ms. (We poll the socket ourselves, for libuv cannot
 * pause a listener of its own.) */
#pragma once

#include <uv.h>

#include "base/addr.h"
#include "base/error.h"

enum {
    SHUFFLE_ACCEPT_PAUSE_MS = 100,
    SHUFFLE_ACCEPT_BATCH = 64, /* connections taken in one go */
    SHUFFLE_ACCEPT_BACKLOG = 511,
};

struct shuffle_accept_uv {
    void *owner; /* the caller's, handed to the functions; set before init */

    /* A connection, non-blocking; the descriptor is the callee's to close. */
    void (*on_accepted)(void *owner, int fd, const struct addr *from);

    /* After a batch of them. */
    void (*on_turn)(void *owner);

    /* The handles are gone, and the memory the caller's again. */
    void (*on_closed)(void *owner);

    uint64_t errors; /* of accept */

    uv_poll_t poll;
    uv_timer_t pause;
    int fd;
    uint32_t open_handles;
    bool closing;
};

/* Listens at `at`, port 0 being any, and sets `bound` to what it became. On an
 * error nothing is left open and `on_closed` will not be called. */
int shuffle_accept_uv_init(struct shuffle_accept_uv *self, uv_loop_t *loop,
        const struct addr *at, struct addr *bound, struct error *err);

/* May be called twice. */
void shuffle_accept_uv_close(struct shuffle_accept_uv *self);
