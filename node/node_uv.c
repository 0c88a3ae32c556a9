#include "node/node_run.h"

#include <stdlib.h>
#include <unistd.h>

#include "node/node_uv.h"
#include "node/notify_posix.h"

enum {
    CLOSE_MS = 150, /* for handles and threads to end, then we go anyway */
};

void process_fail(struct process *p, int exit_code, const struct error *err)
{
    if (p->phase != CLOSING) {
        p->phase = CLOSING;
        p->exit_code = exit_code;
        p->failure = *err;
        uv_stop(&p->loop);
    }
}

/* --- actions --- */

static void write_log(struct process *p, const struct node_action *action)
{
    static const enum log_level levels[] = {
            [NODE_ERROR] = LOG_ERROR,
            [NODE_WARNING] = LOG_WARN,
            [NODE_NOTICE] = LOG_INFO,
    };

    log_line(&p->log, levels[action->urgency], "%s", action->text);
}

static void keep(struct process *p, uint64_t generation)
{
    struct error err;

    p->generation = generation;
    if (store_save(&p->store, p->id, generation, &err) != 0) {
        process_fail(p, 1, &err);
    }
}

static void stopped(struct process *p, int exit_code)
{
    if (p->phase != CLOSING) {
        p->phase = CLOSING;
        p->exit_code = exit_code;
        if (p->has_local) {
            local_uv_flush(&p->local_uv);
        }
        uv_stop(&p->loop);
    }
}

static void perform(struct process *p, const struct node_action *action)
{
    switch (action->type) {
    case NODE_SEND:
        gossip_uv_send(&p->gossip_uv, &action->to, action->datagram);
        break;
    case NODE_POOL:
        shuffle_uv_perform(&p->shuffle_uv, &action->pool);
        break;
    case NODE_LOCAL:
        local_uv_perform(&p->local_uv, &action->local);
        break;
    case NODE_LOG:
        write_log(p, action);
        break;
    case NODE_KEEP:
        keep(p, action->generation);
        break;
    case NODE_KEEP_DECISION:
        keeper_uv_keep(&p->keeper, &action->decision);
        break;
    case NODE_READY:
        log_line(&p->log, LOG_INFO, "active in cluster %s",
                p->conf->cluster.name);
        notify("READY=1");
        break;
    case NODE_DRAINING_BEGAN:
        log_line(&p->log, LOG_INFO,
                "draining; nothing new is taken, and a second signal ends at "
                "once");
        notify("STOPPING=1");
        break;
    case NODE_STOPPED:
        stopped(p, action->exit_code);
        break;
    }
}

/* The loop's own time is brought up to date first: the node's microseconds must
 * not be ahead of the milliseconds that come with its facts. */
static void tell_time(struct process *p)
{
    uint64_t latest_us;
    uint64_t now_us;

    uv_update_time(&p->loop);
    latest_us = uv_now(&p->loop) * 1000 + 999;
    now_us = uv_hrtime() / 1000;
    node_clock(&p->node, now_us < latest_us ? now_us : latest_us);
}

void process_drain(struct process *p)
{
    struct node_action action;

    if (p->phase == RUNNING) {
        tell_time(p);
    }
    while (p->phase == RUNNING && node_next(&p->node, &action)) {
        perform(p, &action);
    }
}

/* --- turns of the loop --- */

static void on_deadline(uv_timer_t *timer)
{
    struct process *p = timer->data;

    tell_time(p);
    node_tick(&p->node, uv_now(&p->loop));
    process_drain(p);
}

static void arm_deadline(struct process *p)
{
    uint64_t now_ms = uv_now(&p->loop);
    uint64_t deadline_ms = node_deadline_ms(&p->node);

    if (deadline_ms == UINT64_MAX) {
        uv_timer_stop(&p->deadline);
        return;
    }
    uv_timer_start(&p->deadline, on_deadline,
            deadline_ms > now_ms ? deadline_ms - now_ms : 0, 0);
}

/* A turn is all that lies between two ends of turns, the wait for events
 * apart: reading and answering are most of it. */
static void measure_turn(struct process *p)
{
    uint64_t now_ns = uv_hrtime();
    uint64_t waited_ns = uv_metrics_idle_time(&p->loop);
    uint64_t passed_ns = now_ns - p->turn_began_ns;
    uint64_t turn_us = (passed_ns - (waited_ns - p->waited_ns)) / 1000;

    if (p->turn_began_ns != 0 && turn_us > p->node.loop.longest_turn_us) {
        p->node.loop.longest_turn_us = turn_us;
    }
    p->turn_began_ns = now_ns;
    p->waited_ns = waited_ns;
}

static void tell_refusals(struct process *p)
{
    const struct gossip_uv_counters *udp = &p->gossip_uv.counters;
    struct node_loop_facts *facts = &p->node.loop;

    facts->udp_receive = udp->receive_errors;
    facts->udp_refused = udp->receive_refused;
    facts->udp_send = udp->send_errors;
    facts->udp_full = udp->send_dropped;
    facts->accept = shuffle_uv_accept_errors(&p->shuffle_uv);
}

/* What the turn has brought is acted on once, before the loop waits again. */
void process_on_turn_end(uv_prepare_t *prepare)
{
    struct process *p = prepare->data;

    if (p->phase != RUNNING) {
        return;
    }
    tell_time(p);
    node_turn(&p->node, uv_now(&p->loop));
    process_drain(p);
    local_uv_flush(&p->local_uv);
    process_drain(p);
    if (p->phase == RUNNING) {
        seeds_uv_joined(&p->seeds, !node_is_alone(&p->node));
        arm_deadline(p);
    }
    tell_refusals(p);
    measure_turn(p);
}

/* --- facts --- */

void process_on_datagram(
        void *owner, const struct addr *from, struct bytes datagram)
{
    struct process *p = owner;

    if (p->phase == RUNNING) {
        tell_time(p);
        node_datagram(&p->node, uv_now(&p->loop), from, datagram);
        process_drain(p);
    }
}

/* The shuffle or the local socket has fed the node something. */
void process_on_fed(void *owner)
{
    process_drain(owner);
}

/* A decision of which nobody can know whether it would outlive a crash must be
 * told neither way: whoever starts from the disk knows. */
void process_on_kept(void *owner, const char *why)
{
    struct process *p = owner;
    struct error err;

    if (p->phase != RUNNING) {
        return;
    }
    if (p->store.in_doubt) {
        (void)error_set(&err, ERR_IO, "%s", why);
        process_fail(p, 1, &err);
        return;
    }
    tell_time(p);
    node_decision_kept(&p->node, uv_now(&p->loop), why);
    process_drain(p);
}

/* Closing ends with the loop, which outlives every handle. */
void process_on_adaptor_closed(void *owner)
{
    (void)owner;
}

void process_on_signal(uv_signal_t *handle, int number)
{
    struct process *p = handle->data;
    struct error err;

    if (number == SIGHUP) {
        log_line(&p->log, LOG_INFO,
                "settings are read at the start only: restart to change them");
        return;
    }
    if (p->phase == RESOLVING) {
        stopped(p, 0); /* nobody has heard of us yet */
        return;
    }
    if (p->stopping) {
        (void)error_set(&err, 0, "ended by a signal before it had left");
        process_fail(p, 1, &err);
        return;
    }
    p->stopping = true;
    node_stop(&p->node, uv_now(&p->loop));
    process_drain(p);
}

/* --- ending --- */

static void on_close_late(uv_timer_t *timer)
{
    uv_stop(timer->loop);
}

static void close_handles(struct process *p)
{
    if (p->has_gossip) {
        gossip_uv_close(&p->gossip_uv);
    }
    if (p->has_local) {
        local_uv_close(&p->local_uv);
    }
    if (p->has_shuffle) {
        shuffle_uv_close(&p->shuffle_uv);
        uv_close((uv_handle_t *)&p->turn_end, NULL);
    }
    if (p->has_keeper) {
        keeper_uv_close(&p->keeper);
    }
    seeds_uv_close(&p->seeds);
    uv_close((uv_handle_t *)&p->deadline, NULL);
    for (size_t i = 0; i < p->signals_count; i++) {
        uv_close((uv_handle_t *)&p->signals[i], NULL);
    }
}

/* Closes everything and lets the loop end; false if a name is still being
 * looked up or a decision written, with memory that must stay where it is. */
static bool close_loop(struct process *p)
{
    /* A stop that came before the loop ran is still to be taken. */
    (void)uv_run(&p->loop, UV_RUN_NOWAIT);
    close_handles(p);
    uv_timer_start(&p->retry, on_close_late, CLOSE_MS, 0);
    uv_unref((uv_handle_t *)&p->retry);
    (void)uv_run(&p->loop, UV_RUN_DEFAULT);
    uv_close((uv_handle_t *)&p->retry, NULL);
    (void)uv_run(&p->loop, UV_RUN_NOWAIT);
    return uv_loop_close(&p->loop) == 0;
}

/* At a process's ordinary end libuv waits for its threads, and so for a lookup
 * or a disk that hangs: leave without. */
static void leave_at_once(struct process *p, int exit_code)
{
    if (p->failure.text[0] != '\0') {
        log_line(&p->log, LOG_ERROR, "%s", p->failure.text);
    }
    _exit(exit_code);
}

int node_run(const struct conf *conf, struct error *err)
{
    struct process *p = calloc(1, sizeof(*p));
    int exit_code;

    if (p == NULL) {
        (void)error_set(err, ERR_FULL, "no memory for a node");
        return 1;
    }
    p->conf = conf;
    p->store = (struct store){.dir_fd = -1, .lock_fd = -1};
    if (process_start(p, &p->failure) != 0) {
        p->exit_code = 1;
    } else if (p->phase != CLOSING) {
        (void)uv_run(&p->loop, UV_RUN_DEFAULT);
    }
    p->phase = CLOSING;
    *err = p->failure;
    exit_code = p->exit_code;
    if (p->has_loop && !close_loop(p)) {
        leave_at_once(p, exit_code);
    }
    if (p->has_node) {
        node_close(&p->node);
    }
    store_close(&p->store);
    free(p);
    return exit_code;
}
