/* What the files of the process share among themselves; nobody else's.
 *
 * A process is a loop, the adaptors on it, and the node that they feed. Facts
 * go into the node as they happen; after each, process_drain performs what the
 * node wants done. The turn's end, just before the loop waits again, lets the
 * node send what it has gathered and arms the one timer. */
#pragma once

#include <uv.h>

#include "base/error.h"
#include "conf/conf.h"
#include "gossip/gossip_uv.h"
#include "node/keeper_uv.h"
#include "node/local_uv.h"
#include "node/log_posix.h"
#include "node/node.h"
#include "node/seeds_uv.h"
#include "node/socket_path_posix.h"
#include "node/store_posix.h"
#include "shuffle/shuffle_uv.h"

enum {
    PROCESS_SIGNALS = 3,
};

/* How far the process has come:
 *
 *   RESOLVING ──address to advertise──► RUNNING ──node stopped──► CLOSING
 *
 * With a concrete bind address there is nothing to wait for. */
enum phase {
    RESOLVING,
    RUNNING,
    CLOSING,
};

struct process {
    const struct conf *conf;
    enum phase phase;
    int exit_code;
    struct error failure; /* why the exit code is not 0 */
    struct log log;
    struct store store;
    struct checkpoint_decision decisions[STORE_DECISIONS_MAX]; /* found in it */
    size_t decisions_count;
    uint64_t earlier_generation; /* found in it; 0 = none */
    uint64_t id;
    uint64_t generation;
    char name[CONF_NAME_BYTES];
    char socket[SOCKET_PATH_BYTES];

    uv_loop_t loop;
    uv_prepare_t turn_end;
    uv_timer_t deadline;
    uv_timer_t retry; /* of advertising, then the bound on closing */
    uv_signal_t signals[PROCESS_SIGNALS];
    size_t signals_count; /* that are being watched */
    bool stopping; /* a signal has come */
    bool has_loop; /* what has been set up, and is to be closed */
    bool has_gossip;
    bool has_node;
    bool has_shuffle;
    bool has_local;
    bool has_keeper;
    bool advertise_said;
    uint64_t turn_began_ns; /* 0: none has ended yet */
    uint64_t waited_ns; /* in all, when the turn began */

    struct seeds_uv seeds;
    struct gossip_uv gossip_uv;
    struct shuffle_uv shuffle_uv;
    struct addr shuffle_bound;
    struct local_uv local_uv;
    struct keeper_uv keeper;
    struct node node;
};

/* --- node_uv.c: the loop and its facts --- */

/* Ends the process with a sentence. */
void process_fail(struct process *p, int exit_code, const struct error *err);

/* Performs all that the node wants done. */
void process_drain(struct process *p);

/* For libuv and the adaptors; the owner is the process. */
void process_on_turn_end(uv_prepare_t *prepare);
void process_on_signal(uv_signal_t *handle, int number);
void process_on_datagram(
        void *owner, const struct addr *from, struct bytes datagram);
void process_on_fed(void *owner);
void process_on_kept(void *owner, const char *why);
void process_on_adaptor_closed(void *owner);

/* --- node_start_uv.c: from the settings to a running node --- */

/* Sets up what needs no address of ours, and starts the node as soon as one is
 * known: at once, or from the loop. What fails later calls process_fail. */
int process_start(struct process *p, struct error *err);
