#include "node/node_run.h"

#include "gossip/gossip_uv.h"
#include "node/advertise_posix.h"
#include "node/identity.h"
#include "node/local_uv.h"
#include "node/log_posix.h"
#include "node/node.h"
#include "node/node_options.h"
#include "node/notify_posix.h"
#include "node/seeds_uv.h"
#include "node/socket_path_posix.h"
#include "node/store_posix.h"
#include "node/version.h"
#include "shuffle/shuffle_uv.h"

#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    ADVERTISE_RETRY_MS = 1000,
    CLOSE_MS = 150, /* for handles and lookups to end, then we go anyway */
    SIGNALS = 3,
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
    uint64_t id;
    uint64_t generation;
    char name[CONF_NAME_BYTES];
    char socket[SOCKET_PATH_BYTES];

    uv_loop_t loop;
    uv_prepare_t turn_end;
    uv_timer_t deadline;
    uv_timer_t retry; /* of advertising, then the bound on closing */
    uv_signal_t signals[SIGNALS];
    size_t signals_count; /* that are being watched */
    bool stopping; /* a signal has come */
    bool has_loop; /* what has been set up, and is to be closed */
    bool has_gossip;
    bool has_node;
    bool has_shuffle;
    bool has_local;
    bool advertise_said;
    uint64_t turn_began_ns; /* 0: none has ended yet */
    uint64_t waited_ns; /* in all, when the turn began */

    struct seeds_uv seeds;
    struct gossip_uv gossip_uv;
    struct shuffle_uv shuffle_uv;
    struct addr shuffle_bound;
    struct local_uv local_uv;
    struct node node;
};

static void try_to_start(struct process *p);

/* Ends the process with a sentence. */
static void fail(struct process *p, int exit_code, const struct error *err)
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
        fail(p, 1, &err);
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
    case NODE_READY:
        log_line(&p->log, LOG_INFO, "active in cluster %s",
                p->conf->cluster.name);
        seeds_uv_joined(&p->seeds, true);
        notify("READY=1");
        break;
    case NODE_STOPPED:
        stopped(p, action->exit_code);
        break;
    }
}

static void drain(struct process *p)
{
    struct node_action action;

    while (p->phase == RUNNING && node_next(&p->node, &action)) {
        perform(p, &action);
    }
}

/* --- turns of the loop --- */

static void on_deadline(uv_timer_t *timer)
{
    struct process *p = timer->data;

    node_tick(&p->node, uv_now(&p->loop));
    drain(p);
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

/* What the turn has brought is acted on once, before the loop waits again. */
static void on_turn_end(uv_prepare_t *prepare)
{
    struct process *p = prepare->data;

    if (p->phase != RUNNING) {
        return;
    }
    node_turn(&p->node, uv_now(&p->loop));
    drain(p);
    local_uv_flush(&p->local_uv);
    drain(p);
    if (p->phase == RUNNING) {
        arm_deadline(p);
    }
    measure_turn(p);
}

/* --- facts --- */

static void on_datagram(
        void *owner, const struct addr *from, struct bytes datagram)
{
    struct process *p = owner;

    if (p->phase == RUNNING) {
        node_datagram(&p->node, uv_now(&p->loop), from, datagram);
        drain(p);
    }
}

/* The shuffle or the local socket has fed the node something. */
static void on_fed(void *owner)
{
    drain(owner);
}

/* Closing ends with the loop, which outlives every handle. */
static void on_adaptor_closed(void *owner)
{
    (void)owner;
}

static void on_seeds_resolved(void *owner)
{
    struct process *p = owner;
    struct addr addrs[SEEDS_ADDRS_MAX];

    if (p->phase == RUNNING) {
        node_seeds(&p->node, addrs, seeds_uv_addrs(&p->seeds, addrs));
        drain(p);
    } else if (p->phase == RESOLVING) {
        try_to_start(p);
    }
}

static void on_seed_failed(void *owner, const char *sentence)
{
    struct process *p = owner;

    log_line(&p->log, LOG_WARN, "%s", sentence);
}

static void on_signal(uv_signal_t *handle, int number)
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
        fail(p, 1, &err);
        return;
    }
    p->stopping = true;
    log_line(&p->log, LOG_INFO, "draining; a second signal ends at once");
    notify("STOPPING=1");
    node_stop(&p->node, uv_now(&p->loop));
    drain(p);
}

/* --- starting --- */

static uint64_t draw(void)
{
    uint64_t chance = 0;

    if (uv_random(NULL, NULL, &chance, sizeof(chance), 0, NULL) != 0) {
        chance = uv_hrtime() ^ (uint64_t)getpid();
    }
    return chance;
}

static void fill_options(struct process *p, struct node_options *o,
        const struct addr *gossip_addr)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    *o = node_options_of(p->conf);
    o->id = p->id;
    o->generation = p->generation;
    o->name = p->name;
    o->version = version_text();
    o->gossip_addr = *gossip_addr;
    o->cores = cores > 0 ? (unsigned)cores : 1;
    o->memory_bytes = uv_get_total_memory();
    o->seed = draw();
}

/* Where others find our gossip. */
static int gossip_address(
        struct process *p, struct addr *addr, struct error *err)
{
    const struct conf_advertise *setting = &p->conf->gossip.advertise;
    const struct addr *bound = gossip_uv_bound(&p->gossip_uv);
    struct addr seeds[SEEDS_ADDRS_MAX];
    int code = 0;

    if (setting->is_auto) {
        code = advertise_auto(
                bound, seeds, seeds_uv_addrs(&p->seeds, seeds), addr, err);
    } else {
        *addr = setting->addr;
    }
    if (addr->port == 0) {
        addr->port = bound->port;
    }
    return code;
}

/* Where others find our shuffle: bound to every address, on gossip's host. */
static struct addr shuffle_address(const struct process *p)
{
    const struct conf_advertise *setting = &p->conf->shuffle.advertise;
    struct addr addr = p->shuffle_bound;

    if (!setting->is_auto) {
        addr = setting->addr;
    } else if (addr_is_wildcard(&addr)) {
        addr = p->node.options.gossip_addr;
        addr.port = 0;
    }
    if (addr.port == 0) {
        addr.port = p->shuffle_bound.port;
    }
    return addr;
}

/* The turn's end of ours must come before the shuffle's, which writes what we
 * hand it: what is started later runs earlier. */
static void watch_turns(struct process *p)
{
    uv_prepare_init(&p->loop, &p->turn_end);
    p->turn_end.data = p;
    uv_prepare_start(&p->turn_end, on_turn_end);
}

static int start_shuffle(struct process *p, struct error *err)
{
    struct addr advertise;
    int code;

    p->shuffle_uv.on_turn = on_fed;
    p->shuffle_uv.on_closed = on_adaptor_closed;
    p->shuffle_uv.owner = p;
    shuffle_uv_init(&p->shuffle_uv, &p->loop, &p->node.pool);
    p->has_shuffle = true;
    watch_turns(p);
    code = shuffle_uv_listen(
            &p->shuffle_uv, &p->conf->shuffle.bind, &p->shuffle_bound, err);
    if (code == 0) {
        advertise = shuffle_address(p);
        node_listening(&p->node, uv_now(&p->loop), &advertise);
    }
    return code;
}

static void register_peers(struct process *p)
{
    const struct conf_peers *peers = &p->conf->shuffle.peer;

    for (size_t i = 0; i < peers->count; i++) {
        if (shuffle_pool_register(&p->node.pool, uv_now(&p->loop),
                    peers->items[i].id, &peers->items[i].addr) != 0) {
            log_line(&p->log, LOG_WARN,
                    "shuffle.peer %" PRIu64 " is ourselves, or no address to "
                    "connect to: it is not used",
                    peers->items[i].id);
        }
    }
}

/* Who we are, where, and what we may take: the first lines of the log. */
static void say_hello(struct process *p)
{
    const struct conf *conf = p->conf;
    char gossip[ADDR_TEXT_BYTES];
    char shuffle[ADDR_TEXT_BYTES];

    log_line(&p->log, LOG_INFO,
            "weft %s, node %" PRIu64 " (%s), generation %" PRIu64
            ", cluster %s; bound to %s UDP, %s TCP and %s",
            version_text(), p->id, p->name, p->generation, conf->cluster.name,
            addr_format(gossip_uv_bound(&p->gossip_uv), gossip),
            addr_format(&p->shuffle_bound, shuffle), p->socket);
    log_line(&p->log, LOG_INFO,
            "others reach us at %s UDP and %s TCP; memory: %" PRIu64
            " MiB for what travels, %" PRIu64 " MiB for the keys of others",
            addr_format(&p->node.options.gossip_addr, gossip),
            addr_format(&p->node.shuffle_addr, shuffle),
            conf->shuffle.memory_budget_bytes >> 20,
            conf->kv.max_remote_bytes >> 20);
}

/* The node and all its sockets; the address is known. */
static int start_node(
        struct process *p, const struct addr *gossip_addr, struct error *err)
{
    struct node_options options;
    struct addr seeds[SEEDS_ADDRS_MAX];
    int code;

    fill_options(p, &options, gossip_addr);
    code = node_init(&p->node, &options, uv_now(&p->loop), err);
    if (code != 0) {
        return code;
    }
    p->has_node = true;
    p->phase = RUNNING;
    code = start_shuffle(p, err);
    if (code == 0) {
        code = local_uv_init(
                &p->local_uv, &p->loop, &p->node, p->socket, on_fed, p, err);
    }
    if (code == 0) {
        p->has_local = true;
        register_peers(p);
        node_seeds(&p->node, seeds, seeds_uv_addrs(&p->seeds, seeds));
        say_hello(p);
    }
    return code;
}

static void on_retry(uv_timer_t *timer)
{
    try_to_start(timer->data);
}

static void try_to_start(struct process *p)
{
    bool waits_for_seeds = p->conf->gossip.advertise.is_auto &&
                           addr_is_wildcard(gossip_uv_bound(&p->gossip_uv)) &&
                           !seeds_uv_settled(&p->seeds);
    struct addr addr;
    struct error err;

    if (p->phase != RESOLVING || waits_for_seeds) {
        return;
    }
    if (gossip_address(p, &addr, &err) != 0) {
        if (!p->advertise_said) {
            log_line(&p->log, LOG_WARN, "%s", err.text);
            p->advertise_said = true;
        }
        uv_timer_start(&p->retry, on_retry, ADVERTISE_RETRY_MS, 0);
        return;
    }
    if (start_node(p, &addr, &err) != 0) {
        fail(p, 1, &err);
    }
}

static void choose_name(struct process *p)
{
    size_t size = sizeof(p->name);

    memcpy(p->name, p->conf->node.name, sizeof(p->name));
    if (p->name[0] == '\0' && uv_os_gethostname(p->name, &size) != 0) {
        memcpy(p->name, "weft", sizeof("weft"));
    }
}

static uint64_t wall_clock_ms(void)
{
    uv_timeval64_t now;

    (void)uv_gettimeofday(&now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_usec / 1000;
}

/* Who we are; on disk before the first datagram. */
static int choose_identity(struct process *p, struct error *err)
{
    int code = store_open(&p->store, p->conf->node.data_dir, err);
    struct identity_facts facts = {
            .configured_id = p->conf->node.id,
            .kept_id = p->store.id,
            .remembers = p->conf->node.data_dir[0] != '\0',
            .name = bytes_text(p->name),
            .chance = draw(),
    };

    if (code != 0) {
        return code;
    }
    p->id = identity_id(&facts);
    p->generation = identity_generation(wall_clock_ms(), p->store.generation);
    return store_save(&p->store, p->id, p->generation, err);
}

static int init_loop(struct process *p, struct error *err)
{
    int code = uv_loop_init(&p->loop);

    if (code != 0) {
        return error_set(err, ERR_IO, "cannot start an event loop: %s",
                uv_strerror(code));
    }
    (void)uv_loop_configure(&p->loop, UV_METRICS_IDLE_TIME);
    p->has_loop = true;
    uv_timer_init(&p->loop, &p->deadline);
    uv_timer_init(&p->loop, &p->retry);
    p->deadline.data = p;
    p->retry.data = p;
    seeds_uv_init(&p->seeds, &p->loop, &p->conf->cluster.seed);
    p->seeds.owner = p;
    p->seeds.on_resolved = on_seeds_resolved;
    p->seeds.on_failed = on_seed_failed;
    return 0;
}

static int watch_signals(struct process *p, struct error *err)
{
    static const int numbers[SIGNALS] = {SIGTERM, SIGINT, SIGHUP};
    int code = 0;

    (void)signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < SIGNALS && code == 0; i++) {
        code = uv_signal_init(&p->loop, &p->signals[i]);
        if (code == 0) {
            p->signals_count++;
            p->signals[i].data = p;
            code = uv_signal_start(&p->signals[i], on_signal, numbers[i]);
        }
    }
    return code == 0 ? 0
                     : error_set(err, ERR_IO, "cannot watch for signals: %s",
                               uv_strerror(code));
}

static int open_gossip(struct process *p, struct error *err)
{
    int code;

    p->gossip_uv.owner = p;
    p->gossip_uv.on_datagram = on_datagram;
    p->gossip_uv.on_closed = on_adaptor_closed;
    code = gossip_uv_init(&p->gossip_uv, &p->loop, err);
    if (code == 0) {
        p->has_gossip = true;
        code = gossip_uv_open(&p->gossip_uv, &p->conf->gossip.bind, err);
    }
    return code;
}

static int start(struct process *p, struct error *err)
{
    int code = init_loop(p, err);

    if (code == 0) {
        code = watch_signals(p, err);
    }
    if (code == 0) {
        code = socket_path(p->conf->node.socket, p->socket, err);
    }
    if (code == 0) {
        code = socket_path_prepare(p->socket, err);
    }
    if (code == 0) {
        code = choose_identity(p, err);
    }
    if (code == 0) {
        code = open_gossip(p, err);
    }
    if (code == 0) {
        seeds_uv_start(&p->seeds);
        try_to_start(p); /* what fails from here on says so by `fail` */
    }
    return code;
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
    seeds_uv_close(&p->seeds);
    uv_close((uv_handle_t *)&p->deadline, NULL);
    for (size_t i = 0; i < p->signals_count; i++) {
        uv_close((uv_handle_t *)&p->signals[i], NULL);
    }
}

/* Closes everything and lets the loop end; false if a name is still being
 * looked up, into memory that must stay where it is. */
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
 * that hangs: leave without. */
static void leave_at_once(struct process *p, int exit_code)
{
    if (p->failure.text[0] != '\0') {
        log_line(&p->log, LOG_ERROR, "%s", p->failure.text);
    }
    _exit(exit_code);
}

static enum log_level log_level_of(enum conf_log_level level)
{
    static const enum log_level levels[] = {
            [CONF_LOG_DEBUG] = LOG_DEBUG,
            [CONF_LOG_INFO] = LOG_INFO,
            [CONF_LOG_WARN] = LOG_WARN,
            [CONF_LOG_ERROR] = LOG_ERROR,
    };

    return levels[level];
}

static void init_log(struct log *log, const struct conf *conf)
{
    bool json = conf->log.format == CONF_LOG_JSON ||
                (conf->log.format == CONF_LOG_AUTO && !isatty(STDERR_FILENO));

    log_init(log, log_level_of(conf->log.level), json);
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
    init_log(&p->log, conf);
    choose_name(p);
    if (start(p, &p->failure) != 0) {
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
