/* A few whole gossip cores in one process, and a wire between them that
 * delivers at once. Tests see each core through its header. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gossip/gossip.h"

enum {
    NODES_MAX = 64,
    LOG_MAX = 1024,
};

struct logged {
    enum gossip_action_kind kind;
    char member[32];
    char key[64];
    char value[64];
    bool is_deletion;
};

struct node {
    struct gossip g;
    bool is_old; /* drops V1 unread, as chitchat 0.10 does */
    struct logged log[LOG_MAX]; /* events, since log_count was last set to 0 */
    size_t log_count;
    size_t sent; /* datagrams */
    struct addr last_to;
    uint8_t last[GOSSIP_DATAGRAM_BYTES]; /* the latest datagram it sent */
    size_t last_size;
};

struct world {
    struct node *nodes[NODES_MAX];
    size_t count;
    uint64_t now_ms;
    bool is_cut; /* nothing is delivered */
};

static inline struct addr addr_of_node(size_t number)
{
    return addr_ipv4(10, 0, (uint8_t)(number >> 8), (uint8_t)number, 7946);
}

/* The identity of node `number`, whose name is written to `name`. */
static inline struct gossip_id id_of_node(size_t number, char name[static 32])
{
    snprintf(name, 32, "node-%zu", number);
    return (struct gossip_id){.node_id = bytes_text(name),
            .generation = 1,
            .addr = addr_of_node(number)};
}

/* chitchat's own settings, which its numbered cases are written for; an
 * observer that is never late. */
static inline struct gossip_options reference_options(void)
{
    struct gossip_options o = gossip_options_default(1000);

    o.cluster = bytes_text("weft");
    o.protocol = GOSSIP_PROTOCOL_V0;
    o.phi = (struct gossip_phi_options){.threshold = 8.0,
            .window = 1000,
            .max_interval_ms = 10000,
            .prior_ms = 5000};
    o.dead_grace_ms = UINT64_C(24) * 3600 * 1000;
    o.tombstone_grace_ms = UINT64_C(2) * 3600 * 1000;
    o.late_intervals = 0;
    o.seed = 1;
    return o;
}

static inline struct gossip *world_add(
        struct world *w, size_t number, struct gossip_options options)
{
    struct node *node = calloc(1, sizeof(*node));
    char name[32];
    struct error err;

    assert_non_null(node);
    assert_true(w->count < NODES_MAX);
    if (options.self.node_id.size == 0) {
        options.self = id_of_node(number, name);
    }
    options.seed += number;
    if (gossip_init(&node->g, &options, w->now_ms, &err) != 0) {
        fail_msg("%s", err.text);
    }
    w->nodes[w->count++] = node;
    return &node->g;
}

static inline void world_close(struct world *w)
{
    for (size_t i = 0; i < w->count; i++) {
        gossip_check(&w->nodes[i]->g);
        gossip_close(&w->nodes[i]->g);
        free(w->nodes[i]);
    }
    w->count = 0;
}

static inline struct node *node_of(struct world *w, const struct gossip *g)
{
    for (size_t i = 0; i < w->count; i++) {
        if (&w->nodes[i]->g == g) {
            return w->nodes[i];
        }
    }
    fail_msg("no such node");
    return NULL;
}

static inline void copy_text(char *to, size_t size, struct bytes from)
{
    size_t n = from.size < size - 1 ? from.size : size - 1;

    if (n > 0) {
        memcpy(to, from.data, n);
    }
    to[n] = '\0';
}

static inline void log_event(
        struct node *node, const struct gossip_action *action)
{
    struct logged *l = &node->log[node->log_count];

    assert_true(node->log_count < LOG_MAX);
    node->log_count++;
    *l = (struct logged){.kind = action->kind};
    copy_text(l->member, sizeof(l->member), action->member->id.node_id);
    if (action->entry != NULL) {
        copy_text(l->key, sizeof(l->key), action->entry->node.key);
        copy_text(l->value, sizeof(l->value), action->entry->value);
        l->is_deletion = action->entry->status == KV_DELETE;
    }
}

/* Drains a core: datagrams reach whoever has the address, and so on until all
 * is quiet; events go to the log. */
static inline void drain(struct world *w, struct gossip *g)
{
    struct node *node = node_of(w, g);
    struct gossip_action action;

    while (gossip_next(g, &action)) {
        if (action.kind != GOSSIP_SEND) {
            log_event(node, &action);
            continue;
        }
        node->sent++;
        node->last_to = action.to;
        node->last_size = action.datagram.size;
        memcpy(node->last, action.datagram.data, action.datagram.size);
        for (size_t i = 0; i < w->count && !w->is_cut; i++) {
            struct gossip *to = &w->nodes[i]->g;

            if (addr_equal(&to->self->id.addr, &action.to) &&
                    !(w->nodes[i]->is_old && node->last[2] == GOSSIP_V1)) {
                gossip_receive(to, w->now_ms, &g->self->id.addr,
                        bytes_of(node->last, node->last_size));
                drain(w, to);
            }
        }
    }
}

/* One whole exchange, begun by `a`. */
static inline void exchange(struct world *w, struct gossip *a, struct gossip *b)
{
    assert_int_equal(gossip_contact(a, w->now_ms, &b->self->id.addr), 0);
    drain(w, a);
}

static inline void tick(struct world *w, struct gossip *g, uint64_t now_ms)
{
    w->now_ms = now_ms;
    gossip_tick(g, now_ms);
    drain(w, g);
}

static inline void set(struct gossip *g, const char *key, const char *value)
{
    struct error err;

    if (gossip_set(g, bytes_text(key), bytes_text(value), &err) != 0) {
        fail_msg("%s", err.text);
    }
}

static inline const struct gossip_member *member_of(
        const struct gossip *g, size_t number)
{
    char name[32];
    struct gossip_id id = id_of_node(number, name);

    return gossip_find(g, &id);
}

/* What `g` knows of a key of node `number`, or NULL. */
static inline const struct kv_entry *known(
        const struct gossip *g, size_t number, const char *key)
{
    const struct gossip_member *m = member_of(g, number);

    return m != NULL ? kv_state_get(&m->state, bytes_text(key)) : NULL;
}

static inline void assert_known(const struct gossip *g, size_t number,
        const char *key, const char *value)
{
    const struct kv_entry *entry = known(g, number, key);

    assert_non_null(entry);
    assert_true(bytes_equal_text(entry->value, value));
}

static inline size_t logged_count(
        const struct node *node, enum gossip_action_kind kind)
{
    size_t count = 0;

    for (size_t i = 0; i < node->log_count; i++) {
        count += node->log[i].kind == kind ? 1 : 0;
    }
    return count;
}

/* A message that a test writes by hand. */
struct script {
    struct gossip_encoder encoder;
    char name[32]; /* of the open node delta */
    uint8_t datagram[GOSSIP_DATAGRAM_BYTES];
};

static inline struct script *script_begin(
        enum gossip_version version, enum gossip_type type)
{
    struct script *s = calloc(1, sizeof(*s));

    assert_non_null(s);
    assert_int_equal(gossip_encoder_init(&s->encoder), 0);
    gossip_encode_begin(&s->encoder, version, type,
            type == GOSSIP_SYN ? bytes_text("weft") : bytes_of(NULL, 0),
            s->datagram);
    return s;
}

static inline void script_line(struct script *s, size_t number,
        uint64_t heartbeat, uint64_t last_gc, uint64_t max_version)
{
    char name[32];
    struct gossip_digest_entry line = {.id = id_of_node(number, name),
            .heartbeat = heartbeat,
            .last_gc = last_gc,
            .max_version = max_version};

    assert_true(gossip_encode_digest_entry(&s->encoder, &line));
}

static inline void script_node(struct script *s, size_t number,
        uint64_t last_gc, uint64_t from_excluded)
{
    struct gossip_id id = id_of_node(number, s->name);

    assert_true(gossip_encode_node(&s->encoder, &id, last_gc, from_excluded));
}

static inline void script_entry(struct script *s, const char *key,
        const char *value, uint64_t version, enum kv_status status)
{
    struct gossip_entry entry = {.key = bytes_text(key),
            .value = bytes_text(value),
            .version = version,
            .status = status};

    assert_true(gossip_encode_entry(&s->encoder, &entry));
}

/* Hands the message to `g` as if it came from node `from`. */
static inline void script_deliver(
        struct script *s, struct world *w, struct gossip *g, size_t from)
{
    struct addr addr = addr_of_node(from);

    gossip_receive(g, w->now_ms, &addr, gossip_encode_finish(&s->encoder));
    drain(w, g);
    gossip_encoder_close(&s->encoder);
    free(s);
}

/* Tells `g` one heartbeat of node `number`, as hearsay of node 9999. */
static inline void hear_heartbeat(
        struct world *w, struct gossip *g, size_t number, uint64_t heartbeat)
{
    struct script *s = script_begin(GOSSIP_V0, GOSSIP_SYN);

    script_line(s, number, heartbeat, 0, 0);
    script_deliver(s, w, g, 9999);
}

/* The latest datagram of a node, decoded; borrowed from `decoder`. */
static inline struct gossip_message last_sent(
        struct node *node, struct gossip_decoder *decoder)
{
    struct gossip_message m;
    enum gossip_drop why;

    assert_int_equal(gossip_decode(decoder,
                             bytes_of(node->last, node->last_size), &m, &why),
            0);
    return m;
}
