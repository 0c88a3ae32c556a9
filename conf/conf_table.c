#include "conf/conf_table.h"

#include <stddef.h>
#include <string.h>

#include "base/edit.h"

enum {
    KIB = 1 << 10,
    MIB = 1 << 20,
    SECOND = 1000,
    MINUTE = 60 * SECOND,
    HOUR = 60 * MINUTE,
};

#define GIB (UINT64_C(1) << 30)
#define AT(field) offsetof(struct conf, field)

/* clang-format off */
const struct conf_setting conf_table[CONF_SETTINGS] = {
    {"node", "id", CONF_ID, AT(node.id), 1, UINT64_MAX, "", "7",
     "The number of this node, unique in the cluster; empty: the one kept in data_dir, else drawn once, and without data_dir made from the name."},
    {"node", "name", CONF_TEXT, AT(node.name), 0, CONF_NAME_BYTES - 1, "", "alpha",
     "A name for people; empty: the host name."},
    {"node", "data_dir", CONF_TEXT, AT(node.data_dir), 0, CONF_DIR_BYTES - 1, "", "/var/lib/weft",
     "The directory in which the node keeps its id, its generation and what became of the latest checkpoints; empty: in memory only."},
    {"node", "socket", CONF_TEXT, AT(node.socket), 0, CONF_SOCKET_BYTES - 1, "", "/run/weft/weft.sock",
     "The local socket through which programs reach this node; empty: /run/weft/weft.sock for root, else weft.sock in XDG_RUNTIME_DIR or in /tmp/weft-UID."},

    {"cluster", "name", CONF_TEXT, AT(cluster.name), 1, CONF_NAME_BYTES - 1, "default", "",
     "The cluster to belong to; nodes of different names do not speak to each other."},
    {"cluster", "seed", CONF_SEEDS, AT(cluster.seed), 0, CONF_SEEDS_MAX, "", "10.0.0.2:7741",
     "A gossip address (host:port) to find the cluster by; names are looked up again while the node runs."},

    {"gossip", "bind", CONF_BIND, AT(gossip.bind), 0, 0, "127.0.0.1:7741", "",
     "The UDP address to gossip on."},
    {"gossip", "advertise", CONF_ADVERTISE, AT(gossip.advertise), 0, 0, "auto", "",
     "The gossip address that others are told; without a port, the one that was bound."},
    {"gossip", "protocol", CONF_PROTOCOL, AT(gossip.protocol), 0, 0, "v0", "",
     "The version in which exchanges are opened: v0, which every chitchat reads; v1, which those from 0.12 on read, and v0 for ten minutes with whoever leaves three of them unanswered; auto: the same with those who are known to read v1, and v0 with all others."},
    {"gossip", "interval", CONF_DURATION, AT(gossip.interval_ms), 50, MINUTE, "500ms", "",
     "The time from one round of gossip to the next."},
    {"gossip", "fanout", CONF_COUNT, AT(gossip.fanout), 1, 64, "3", "",
     "How many members a round speaks to."},
    {"gossip", "phi", CONF_RATIO, AT(gossip.phi), 1, 100, "8.0", "",
     "A member is dead after a silence of this many of its usual gaps."},
    {"gossip", "min_mean", CONF_DURATION, AT(gossip.min_mean_ms), 1, HOUR, "", "500ms",
     "The least that the usual gap is taken for, so that a chatty cluster is not hasty; empty: the interval."},
    {"gossip", "dead_grace", CONF_DURATION, AT(gossip.dead_grace_ms), SECOND, 168 * HOUR, "15m", "",
     "How long a dead member and its keys are remembered."},
    {"gossip", "tombstone_grace", CONF_DURATION, AT(gossip.tombstone_grace_ms), SECOND, 168 * HOUR, "15m", "",
     "How long a deleted key is remembered as deleted."},
    {"gossip", "members_max", CONF_COUNT, AT(gossip.members_max), 2, 65535, "4096", "",
     "How many members are remembered, dead ones included; more are refused and counted."},

    {"kv", "max_value", CONF_SIZE, AT(kv.max_value_bytes), KIB, 32 * KIB, "8KiB", "",
     "The largest value of a key that this node writes."},
    {"kv", "max_node_state", CONF_SIZE, AT(kv.max_node_state_bytes), 64 * KIB, 64 * MIB, "1MiB", "",
     "The most that all keys of this node take together."},
    {"kv", "max_remote", CONF_SIZE, AT(kv.max_remote_bytes), MIB, 64 * GIB, "64MiB", "",
     "The most that is kept of the keys of all other nodes."},

    {"security", "insecure", CONF_YESNO, AT(security.insecure), 0, 0, "no", "",
     "Allow ports open to the network although nothing that arrives there is authenticated."},

    {"shuffle", "bind", CONF_BIND, AT(shuffle.bind), 0, 0, "127.0.0.1:7742", "",
     "The TCP address to accept other nodes on."},
    {"shuffle", "advertise", CONF_ADVERTISE, AT(shuffle.advertise), 0, 0, "auto", "",
     "The shuffle address that others are told; without a port, the one that was bound."},
    {"shuffle", "peer", CONF_PEERS, AT(shuffle.peer), 0, CONF_PEERS_MAX, "", "42@10.0.0.2:7742",
     "A node (id@address) known by hand: this address is tried first and never forgotten."},
    {"shuffle", "vnodes", CONF_COUNT, AT(shuffle.vnodes), 1, 65535, "256", "",
     "Into how many parts the keys are divided; the same on every node."},
    {"shuffle", "max_frame", CONF_SIZE, AT(shuffle.max_frame_bytes), MIB, GIB, "64MiB", "",
     "The largest payload of one LaminarDB frame."},
    {"shuffle", "window", CONF_SIZE, AT(shuffle.window_bytes), 256 * KIB, GIB, "2MiB", "",
     "The most that one stream may have under way to a sink that does not take it."},
    {"shuffle", "memory_budget", CONF_SIZE, AT(shuffle.memory_budget_bytes), 17 * MIB, 1024 * GIB, "128MiB", "",
     "The most that all connections together hold of data; at least max_frame + 16MiB."},
    {"shuffle", "connect_timeout", CONF_DURATION, AT(shuffle.connect_timeout_ms), 100, 5 * MINUTE, "3s", "",
     "How long a connect, a handshake or a missing address may take."},
    {"shuffle", "peer_timeout", CONF_DURATION, AT(shuffle.peer_timeout_ms), 3 * SECOND, HOUR, "30s", "",
     "A connection that makes no progress for so long is lost."},
    {"shuffle", "reconnect_min", CONF_DURATION, AT(shuffle.reconnect_min_ms), 10, HOUR, "100ms", "",
     "The wait after the first failed connect; it doubles with each."},
    {"shuffle", "reconnect_max", CONF_DURATION, AT(shuffle.reconnect_max_ms), 10, HOUR, "10s", "",
     "The longest wait between two connects."},

    {"checkpoint", "interval", CONF_INTERVAL, AT(checkpoint.interval_ms), 50, 24 * HOUR, "0", "",
     "The time from the start of one checkpoint to the next while this node leads; 0: only when weft barrier asks."},
    {"checkpoint", "align_timeout", CONF_DURATION, AT(checkpoint.align_timeout_ms), 100, 10 * MINUTE, "8s", "",
     "How long a checkpoint may take before it is aborted, with the names of those it waits for."},
    {"checkpoint", "patience", CONF_COUNT, AT(checkpoint.patience), 0, 1000, "2", "",
     "After how many checkpoints in a row that were lost to the same member the leader goes on without it; 0: never."},
    {"checkpoint", "expect", CONF_COUNT, AT(checkpoint.expect), 0, 4096, "0", "",
     "How many members the cluster should have: half of them or fewer commit no checkpoint; 0: any number may."},

    {"log", "level", CONF_LEVEL, AT(log.level), 0, 0, "info", "",
     "The least important line that is logged."},
    {"log", "format", CONF_FORMAT, AT(log.format), 0, 0, "auto", "",
     "How a line is logged; auto: text on a terminal, else json."},
};
/* clang-format on */

bool conf_is_list(const struct conf_setting *setting)
{
    return setting->type == CONF_SEEDS || setting->type == CONF_PEERS;
}

bool conf_may_be_empty(const struct conf_setting *setting)
{
    return setting->initial[0] == '\0';
}

const struct conf_setting *conf_find(const char *section, const char *key)
{
    for (size_t i = 0; i < CONF_SETTINGS; i++) {
        if (strcmp(conf_table[i].section, section) == 0 &&
                strcmp(conf_table[i].key, key) == 0) {
            return &conf_table[i];
        }
    }
    return NULL;
}

bool conf_is_section(const char *name)
{
    for (size_t i = 0; i < CONF_SETTINGS; i++) {
        if (strcmp(conf_table[i].section, name) == 0) {
            return true;
        }
    }
    return false;
}

const char *conf_nearest_section(const char *name)
{
    const char *nearest = conf_table[0].section;

    for (size_t i = 1; i < CONF_SETTINGS; i++) {
        const char *candidate = conf_table[i].section;

        if (edit_distance(name, candidate) < edit_distance(name, nearest)) {
            nearest = candidate;
        }
    }
    return nearest;
}

/* A right key counts for more than a right section: people remember what a
 * setting is called, and forget where it stands. */
static size_t distance(const struct conf_setting *setting, const char *section,
        const char *key)
{
    size_t sections = edit_distance(section, setting->section);

    return 3 * edit_distance(key, setting->key) + (sections < 5 ? sections : 5);
}

const struct conf_setting *conf_nearest(const char *section, const char *key)
{
    const struct conf_setting *nearest = &conf_table[0];

    for (size_t i = 1; i < CONF_SETTINGS; i++) {
        if (distance(&conf_table[i], section, key) <
                distance(nearest, section, key)) {
            nearest = &conf_table[i];
        }
    }
    return nearest;
}
