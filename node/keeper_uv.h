/* Decisions on their way to disk, beside the loop.
 *
 * A sync may take as long as the disk likes, and the loop must not wait for it:
 * decisions are kept on a thread of libuv's pool, one at a time in the order
 * given, and each is answered on the loop. Up to KEEPER_WAITING_MAX may be under
 * way; more is asserted, for a node decides one attempt at a time.
 *
 *   keep ──► waiting ──► on the pool ──► on_kept
 *                 close: the waiting are dropped unanswered, the running one
 *                 ends by itself, unanswered too; then on_closed
 *
 * Whoever ends without an answer has told nobody of the decision. */
#pragma once

#include <uv.h>

#include "base/error.h"
#include "node/store_posix.h"

enum {
    KEEPER_WAITING_MAX = 8, /* the one on the pool included */
};

struct keeper_uv {
    uv_loop_t *loop;
    uv_work_t work;
    struct store *store;
    struct checkpoint_decision waiting[KEEPER_WAITING_MAX]; /* a ring */
    size_t first; /* the one on the pool while there is any */
    size_t count;
    int code; /* of the one on the pool, as its thread left them */
    struct error err;
    bool closing;

    void *owner;
    /* The oldest decision is on disk; or `why`, not NULL, says why it is not,
     * and the store whether that is certain. */
    void (*on_kept)(void *owner, const char *why);
    void (*on_closed)(void *owner);
};

/* `owner` and both callbacks are set by the caller before. The store is
 * borrowed until on_closed; meanwhile the caller keeps no decisions itself. */
void keeper_uv_init(
        struct keeper_uv *self, uv_loop_t *loop, struct store *store);

void keeper_uv_keep(
        struct keeper_uv *self, const struct checkpoint_decision *decision);

/* May be called twice. on_closed comes at once when nothing is on the pool. */
void keeper_uv_close(struct keeper_uv *self);
