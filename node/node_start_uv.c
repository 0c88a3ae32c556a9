#include "node/node_uv.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "node/advertise_posix.h"
#include "node/identity.h"
#include "node/node_options.h"
#include "node/version.h"

enum {
    ADVERTISE_RETRY_MS = 1000,
};

/* --- who we are --- */

static uint64_t draw(void)
{
    uint64_t chance = 0;

    if (uv_random(NULL, NULL, &chance, sizeof(chance), 0, NULL) != 0) {
        chance = uv_hrtime() ^ (uint64_t)getpid();
    }
    return chance;
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
    memcpy(p->decisions, p->store.decisions, sizeof(p->decisions));
    p->decisions_count = p->store.decisions_count;
    p->earlier_generation = p->store.generation;
    p->generation = identity_generation(wall_clock_ms(), p->store.generation);
    return store_save(&p->store, p->id, p->generation, err);
}

/* --- where we are --- */

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

/* --- the node and its sockets --- */

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
    o->checkpoint.keeps = p->store.dir_fd >= 0;
    o->checkpoint.earlier_generation = p->earlier_generation;
    o->decisions = p->decisions;
    o->decisions_count = p->decisions_count;
    o->cores = cores > 0 ? (unsigned)cores : 1;
    o->memory_bytes = uv_get_total_memory();
    o->seed = draw();
}

/* The turn's end of ours must come before the shuffle's, which writes what we
 * hand it: what is started later runs earlier. */
static void watch_turns(struct process *p)
{
    uv_prepare_init(&p->loop, &p->turn_end);
    p->turn_end.data = p;
    uv_prepare_start(&p->turn_end, process_on_turn_end);
}

static int start_shuffle(struct process *p, struct error *err)
{
    struct addr advertise;
    int code;

    p->shuffle_uv.on_turn = process_on_fed;
    p->shuffle_uv.on_closed = process_on_adaptor_closed;
    p->shuffle_uv.owner = p;
    shuffle_uv_init(&p->shuffle_uv, &p->loop, &p->node.pool);
    p->has_shuffle = true;
    watch_turns(p);
    code = shuffle_uv_listen(
            &p->shuffle_uv, &p->conf->shuffle.bind, &p->shuffle_bound, err);
    if (code != 0) {
        return error_prefix(err, code, "shuffle.bind: ");
    }
    advertise = shuffle_address(p);
    node_listening(&p->node, uv_now(&p->loop), &advertise);
    return 0;
}

static void start_keeper(struct process *p)
{
    p->keeper.on_kept = process_on_kept;
    p->keeper.on_closed = process_on_adaptor_closed;
    p->keeper.owner = p;
    keeper_uv_init(&p->keeper, &p->loop, &p->store);
    p->has_keeper = true;
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
    start_keeper(p);
    code = start_shuffle(p, err);
    if (code == 0) {
        code = local_uv_init(&p->local_uv, &p->loop, &p->node, p->socket,
                process_on_fed, p, err);
    }
    if (code == 0) {
        p->has_local = true;
        register_peers(p);
        node_seeds(&p->node, seeds, seeds_uv_addrs(&p->seeds, seeds));
        say_hello(p);
    }
    return code;
}

static void try_to_start(struct process *p);

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
        process_fail(p, 1, &err);
    }
}

/* --- what comes before --- */

static void on_seeds_resolved(void *owner)
{
    struct process *p = owner;
    struct addr addrs[SEEDS_ADDRS_MAX];

    if (p->phase == RUNNING) {
        node_seeds(&p->node, addrs, seeds_uv_addrs(&p->seeds, addrs));
        process_drain(p);
    } else if (p->phase == RESOLVING) {
        try_to_start(p);
    }
}

static void on_seed_failed(void *owner, const char *sentence)
{
    struct process *p = owner;

    log_line(&p->log, LOG_WARN, "%s", sentence);
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
    static const int numbers[PROCESS_SIGNALS] = {SIGTERM, SIGINT, SIGHUP};
    int code = 0;

    (void)signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < PROCESS_SIGNALS && code == 0; i++) {
        code = uv_signal_init(&p->loop, &p->signals[i]);
        if (code == 0) {
            p->signals_count++;
            p->signals[i].data = p;
            code = uv_signal_start(
                    &p->signals[i], process_on_signal, numbers[i]);
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
    p->gossip_uv.on_datagram = process_on_datagram;
    p->gossip_uv.on_closed = process_on_adaptor_closed;
    code = gossip_uv_init(&p->gossip_uv, &p->loop, err);
    if (code == 0) {
        p->has_gossip = true;
        code = gossip_uv_open(&p->gossip_uv, &p->conf->gossip.bind, err);
        if (code != 0) {
            (void)error_prefix(err, code, "gossip.bind: ");
        }
    }
    return code;
}

/* A node with many peers needs more descriptors than the usual soft limit. */
static void raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int process_start(struct process *p, struct error *err)
{
    int code;

    raise_descriptors();
    init_log(&p->log, p->conf);
    choose_name(p);
    code = init_loop(p, err);
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
        try_to_start(p); /* from here on, what fails calls process_fail */
    }
    return code;
}
