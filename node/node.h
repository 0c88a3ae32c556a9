/* A whole node: gossip, shuffle, keys and local programs, joined.
 *
 * This is a core like those it joins: it owns no socket and no clock, so a
 * simulator can run thousands of whole nodes in one process. Its life:
 *
 *   node_init        identity and addresses are known; `joining` is published
 *   node_datagram, node_seeds, node_client_*, shuffle_pool_* on `pool`
 *                    what the network and the local programs say
 *   node_next        until it says no: what is to be done, in order
 *   node_turn        once at the end of each turn of the loop
 *   node_tick        when node_deadline_ms has come
 *   node_stop        drain and leave
 *   node_close
 *
 * The cores do not know each other. Gossip's news of a member (that it lives,
 * its `shuffle:addr`, its sinks) are read here and told to the pool and to the
 * streams as facts; what those want published is written into our own keys. An
 * action borrows from the core it came from until the next verb: perform it at
 * once.
 *
 *   JOINING ──► ACTIVE ──► DRAINING ──► LEFT ──► NODE_STOPPED
 *      │ ▲        │           ▲
 *      │ └─buried─┘           │
 *      └──────────────────────┘
 *
 * A node is active when: there is no seed; or an exchange with another member
 * is done and three intervals have passed; or nobody has answered for ten
 * seconds. A leader that is to stop first decides the checkpoint that runs and
 * runs one more, which moves its stages away (checkpoint.h); any other asks its
 * leader for that. Draining takes nothing new and gives streams until six
 * seconds after the signal; then connections are closed with a word, `left` is
 * published and told for three rounds. All of it ends within eight seconds.
 *
 * Sleep. A node that was stopped for so long that the others may have buried it
 * hands nothing to programs until one of them has said that they have not. If
 * they have, its streams fail and it joins anew, under a higher generation.
 *
 * Twins. While joining, a silent member with our name and a higher generation
 * is our own past, and we go on above it. One at another address whose
 * heartbeat still rises five intervals after our start is a second node with
 * our id, and this one ends with a sentence. Once active, that is an event a
 * minute, and the node is not healthy. */
#pragma once

#include "base/addr.h"
#include "base/block.h"
#include "base/error.h"
#include "gossip/gossip.h"
#include "gossip/gossip_kv.h"
#include "gossip/gossip_node_id.h"
#include "node/checkpoint.h"
#include "node/local.h"
#include "node/published_json.h"
#include "shuffle/shuffle_pool.h"
#include "shuffle/shuffle_streams.h"

enum node_state {
    NODE_JOINING,
    NODE_ACTIVE,
    NODE_DRAINING,
    NODE_LEFT,
};

/* Facts that hold for the node's life. Texts are borrowed for it. */
struct node_options {
    uint64_t id;
    uint64_t generation;
    const char *name;
    const char *cluster;
    const char *version; /* of the software */
    struct addr gossip_addr; /* as advertised */
    unsigned cores; /* of the machine, for `load:cores` */
    uint64_t memory_bytes; /* of the machine, for `load:memory_bytes` */
    bool has_seeds;
    uint64_t seed; /* of all chance */

    struct gossip_options gossip; /* cluster, self and seed are filled in */
    struct shuffle_pool_options pool; /* likewise: id, generation, blocks … */
    struct shuffle_streams_options streams; /* likewise */
    struct checkpoint_options checkpoint; /* likewise */
    const struct checkpoint_decision *decisions; /* of earlier lives */
    size_t decisions_count;
    size_t memory_budget_bytes;
};

enum node_urgency {
    NODE_ERROR,
    NODE_WARNING,
    NODE_NOTICE,
};

enum {
    NODE_LOG_LINES = 16, /* that wait to be fetched; later ones are dropped */
    NODE_VALUE_BYTES = 64 * 1024, /* the longest value of a key, and its NUL */
};

struct node_log_line {
    enum node_urgency urgency;
    struct error text;
};

enum node_action_type {
    NODE_SEND, /* `datagram` to `to` */
    NODE_POOL, /* `pool`: for the TCP adaptor */
    NODE_LOCAL, /* `local`: for the local socket's adaptor */
    NODE_LOG, /* `urgency`, `text`: something an operator wants to know */
    NODE_KEEP, /* `generation` must be on disk before the next datagram */
    NODE_KEEP_DECISION, /* `decision` to disk, then node_decision_kept */
    NODE_READY, /* `active` is published */
    NODE_DRAINING_BEGAN, /* nothing new is taken any more */
    NODE_STOPPED, /* end the process with `exit_code` */
};

struct node_action {
    enum node_action_type type;
    struct addr to;
    struct bytes datagram;
    struct shuffle_pool_action pool;
    struct local_action local;
    enum node_urgency urgency;
    const char *text;
    uint64_t generation;
    struct checkpoint_decision decision;
    int exit_code;
};

/* What the loop tells of itself, and what the system refused it, for `weft
 * info`. */
struct node_loop_facts {
    uint64_t longest_turn_us;
    uint64_t udp_receive; /* a receive that failed */
    uint64_t udp_refused; /* a datagram that is none of ours */
    uint64_t udp_send; /* a send that failed */
    uint64_t udp_full; /* a datagram that found no room */
    uint64_t accept; /* an accept that failed */
};

struct node {
    struct node_options options;
    struct budget budget;
    struct block_pool blocks;
    struct gossip gossip;
    struct kv kv; /* the keys of everybody, as gossip carries them */
    struct kv_watches watches; /* by client */
    struct shuffle_pool pool;
    struct shuffle_streams streams;
    struct checkpoint checkpoint;
    struct control_memory control; /* of the record that is being read */
    uint64_t control_refused; /* records that were none */
    struct local local;
    struct node_loop_facts loop;

    enum node_state state;
    uint64_t started_ms;
    bool is_stopping; /* asked to, and perhaps not draining yet */
    bool has_place_news; /* stages may have to be placed anew */
    uint64_t stop_ms; /* when we were asked to */
    uint64_t left_round; /* gossip's count of rounds when `left` was said */
    uint64_t twin_said_ms; /* the latest event about a twin; 0 = none */
    uint64_t double_said_ms; /* the same, of one with our generation too */
    struct addr twin_addr;
    uint64_t now_ms; /* of the latest verb */
    uint64_t clock_us; /* as node_clock said, or 0 */

    struct addr shuffle_addr; /* as advertised; ADDR_NONE until we listen */
    struct addr seeds[GOSSIP_SEEDS_MAX];
    size_t seed_count;
    struct published published; /* of the member that is being told of */
    char value[NODE_VALUE_BYTES]; /* of a key while it is written */

    /* Own actions that wait to be fetched. */
    bool ready_due;
    bool draining_due;
    bool keep_due;
    bool stop_due;
    bool stopped;
    int exit_code;
    struct node_log_line log[NODE_LOG_LINES];
    size_t log_first;
    size_t log_count;
};

/* ERR_FULL without memory, ERR_INVALID for options that contradict each
 * other. */
int node_init(struct node *n, const struct node_options *options,
        uint64_t now_ms, struct error *err);
void node_close(struct node *n);

/* --- facts --- */

/* The shuffle listens, and others reach it there. */
void node_listening(
        struct node *n, uint64_t now_ms, const struct addr *advertised);

void node_datagram(struct node *n, uint64_t now_ms, const struct addr *from,
        struct bytes datagram);
void node_seeds(struct node *n, const struct addr *addrs, size_t count);

/* A program has connected: its number, or ERR_FULL. */
int node_client_accepted(struct node *n, uint64_t now_ms);
void node_client_received(
        struct node *n, uint64_t now_ms, uint32_t client, struct bytes bytes);
void node_client_gone(struct node *n, uint64_t now_ms, uint32_t client);
size_t node_client_output(struct node *n, uint32_t client,
        struct bytes pieces[], size_t pieces_max);
void node_client_written(struct node *n, uint32_t client, size_t bytes);

/* NODE_KEEP_DECISION is done; `why` is NULL, or what the system said. */
void node_decision_kept(struct node *n, uint64_t now_ms, const char *why);

/* What the clock says, more finely than the verbs do: microseconds on the
 * same clock, for the ledger of checkpoints. To be said before the verbs of a
 * turn; without it, theirs is good enough. */
void node_clock(struct node *n, uint64_t now_us);

/* Drain and leave, in at most eight seconds. */
void node_stop(struct node *n, uint64_t now_ms);

/* --- time and actions --- */

/* The loop's turn ends: records that were gathered leave. */
void node_turn(struct node *n, uint64_t now_ms);

void node_tick(struct node *n, uint64_t now_ms);
uint64_t node_deadline_ms(const struct node *n);
bool node_next(struct node *n, struct node_action *action);

/* --- what is known --- */

const char *node_state_name(enum node_state state);

/* Whether the node is ready and nothing is wrong; `reason` is a sentence. */
bool node_is_healthy(const struct node *n, struct error *reason);

/* The newest generation of a node id that gossip knows, or NULL. */
const struct gossip_member *node_member(const struct node *n, uint64_t id);

/* No other member is live: we are in no cluster, or not any more. */
bool node_is_alone(const struct node *n);

/* How many members are live and published `active`, own node included. */
size_t node_active_count(const struct node *n);
