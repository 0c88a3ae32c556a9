/* Pools wired back to back in memory, under virtual time.
 *
 * A net has up to eight nodes, each with a pool, and wires between them. A wire
 * keeps the bytes of each direction until the reading side takes them, and a
 * record of all that ever went that way. A stranger is the end of a wire that
 * no pool holds: the test speaks for it in bytes. What a pool says is written
 * down, one word an action, in the node's log. */
#pragma once

#include "shuffle/shuffle_pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/frame.h"

enum {
    NET_NODES_MAX = 8,
    NET_WIRES_MAX = 256,
    NET_LOG_BYTES = 8192,
    STRANGER = -1, /* instead of a node's index */
    NOBODY = -2, /* a wire whose address nobody answers at */
};

struct pipe {
    uint8_t *bytes; /* all that was ever written, capacity grown as needed */
    size_t size;
    size_t capacity;
    size_t taken; /* by the reading side */
    bool ended; /* nothing more will be written */
    bool end_taken;
};

struct wire {
    int node[2]; /* connecting and accepting side */
    uint32_t link[2]; /* 0 once that side has closed */
    bool unread[2]; /* that side does not read */
    bool dirty[2]; /* that side has output */
    struct pipe pipe[2]; /* what side 0 and 1 wrote */
};

struct net_node {
    bool exists;
    struct shuffle_pool pool;
    struct budget budget;
    struct block_pool blocks;
    struct addr address;
    bool is_listening;
    char log[NET_LOG_BYTES];
    uint64_t resolves;
    uint64_t frames; /* FRAME and LAMINAR actions */
    uint64_t payload_bytes;
    size_t used_max; /* of the budget, ever */
    struct shuffle_pool_action last; /* FRAME or LAMINAR; payload not kept */
};

struct net {
    uint64_t now_ms;
    struct net_node nodes[NET_NODES_MAX];
    struct wire wires[NET_WIRES_MAX];
    int wires_count;
    struct shuffle_peer_facts kv[16]; /* by id; 0 unused */
    struct addr stranger_address; /* a stranger answers there */
    struct addr silent_address; /* nobody answers there, nobody refuses */
    size_t pipe_max; /* bytes under way in one direction */
    bool is_deaf; /* RESOLVE is not answered */
};

static inline void net_init(struct net *net)
{
    memset(net, 0, sizeof(*net));
    net->now_ms = 1000;
    net->pipe_max = 256 * 1024;
    net->stranger_address = addr_ipv4(10, 9, 9, 9, 99);
    net->silent_address = addr_ipv4(10, 8, 8, 8, 88);
}

static inline struct shuffle_pool_options net_options(uint64_t id)
{
    struct shuffle_pool_options options = shuffle_pool_defaults();

    options.id = id;
    options.generation = 100 * id;
    options.cluster = "weft";
    options.vnodes = 256;
    options.seed = id;
    return options;
}

static inline struct shuffle_pool *net_add_with(struct net *net, int index,
        struct shuffle_pool_options options, size_t budget_bytes)
{
    struct net_node *node = &net->nodes[index];

    memset(node, 0, sizeof(*node));
    node->exists = true;
    node->budget.max_bytes = budget_bytes;
    block_pool_init(&node->blocks, &node->budget, 1 << 20);
    options.blocks = &node->blocks;
    shuffle_pool_init(&node->pool, &options, net->now_ms);
    node->address = addr_ipv4(10, 0, 0, (uint8_t)options.id, 7742);
    node->is_listening = true;
    shuffle_pool_listening(&node->pool, &node->address);
    net->kv[options.id] = (struct shuffle_peer_facts){
            .id = options.id,
            .generation = options.generation,
            .live = true,
            .speaks_weft = true,
            .address = node->address,
    };
    return &node->pool;
}

/* Node `index` gets the id index + 1. */
static inline struct shuffle_pool *net_add(struct net *net, int index)
{
    return net_add_with(net, index, net_options((uint64_t)index + 1),
            (size_t)128 * 1024 * 1024);
}

static inline void net_log(struct net *net, int index, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

static inline void net_log(struct net *net, int index, const char *format, ...)
{
    char *log = net->nodes[index].log;
    size_t used = strlen(log);
    va_list arguments;

    if (used > 0 && used + 1 < NET_LOG_BYTES) {
        log[used++] = ' ';
        log[used] = '\0';
    }
    va_start(arguments, format);
    (void)vsnprintf(log + used, NET_LOG_BYTES - used, format, arguments);
    va_end(arguments);
}

/* What has been said since the last time. */
static inline const char *net_said(struct net *net, int index)
{
    static char said[NET_LOG_BYTES];

    memcpy(said, net->nodes[index].log, sizeof(said));
    net->nodes[index].log[0] = '\0';
    return said;
}

/* The wire and side of a node's link; NULL when it has closed. */
static inline struct wire *net_wire(
        struct net *net, int index, uint32_t link, int *side)
{
    for (int i = 0; i < net->wires_count; i++) {
        for (*side = 0; *side < 2; (*side)++) {
            if (net->wires[i].node[*side] == index &&
                    net->wires[i].link[*side] == link && link != 0) {
                return &net->wires[i];
            }
        }
    }
    return NULL;
}

static inline struct wire *net_new_wire(
        struct net *net, int from, uint32_t link, int to)
{
    struct wire *wire = &net->wires[net->wires_count++];

    assert_true(net->wires_count <= NET_WIRES_MAX);
    wire->node[0] = from;
    wire->node[1] = to;
    wire->link[0] = link;
    return wire;
}

static inline int net_listener(const struct net *net, const struct addr *at)
{
    for (int i = 0; i < NET_NODES_MAX; i++) {
        if (net->nodes[i].exists && net->nodes[i].is_listening &&
                addr_equal(&net->nodes[i].address, at)) {
            return i;
        }
    }
    if (addr_equal(at, &net->stranger_address)) {
        return STRANGER;
    }
    return NOBODY;
}

static inline void net_connect(
        struct net *net, int index, const struct shuffle_pool_action *action)
{
    int to = net_listener(net, &action->address);
    struct wire *wire = net_new_wire(net, index, action->link, to);
    struct shuffle_pool *pool = &net->nodes[index].pool;

    if (addr_equal(&action->address, &net->silent_address)) {
        return;
    }
    if (to == NOBODY ||
            (to >= 0 &&
                    shuffle_pool_accepted(&net->nodes[to].pool, net->now_ms,
                            &net->nodes[index].address, &wire->link[1]) != 0)) {
        shuffle_pool_connect_failed(
                pool, net->now_ms, action->link, "connection refused");
        return;
    }
    shuffle_pool_connected(pool, net->now_ms, action->link);
}

static inline void net_perform(
        struct net *net, int index, const struct shuffle_pool_action *action)
{
    struct net_node *node = &net->nodes[index];
    int side;
    struct wire *wire = net_wire(net, index, action->link, &side);

    switch (action->type) {
    case SHUFFLE_POOL_CONNECT:
        net_connect(net, index, action);
        break;
    case SHUFFLE_POOL_CLOSE:
        if (wire != NULL) {
            wire->pipe[side].ended = true;
            wire->link[side] = 0;
        }
        break;
    case SHUFFLE_POOL_FINISH:
        wire->pipe[side].ended = true;
        break;
    case SHUFFLE_POOL_WRITE:
        wire->dirty[side] = true;
        break;
    case SHUFFLE_POOL_READ:
        wire->unread[side] = !action->on;
        break;
    case SHUFFLE_POOL_RESOLVE:
        node->resolves++;
        if (!net->is_deaf) {
            (void)shuffle_pool_peer(
                    &node->pool, net->now_ms, &net->kv[action->peer]);
        }
        break;
    case SHUFFLE_POOL_UP:
        net_log(net, index, "up:%" PRIu64 "%s%s", action->peer,
                action->outgoing ? ">" : "<",
                action->dialect == SHUFFLE_WEFT_DIALECT ? "weft" : "laminar");
        break;
    case SHUFFLE_POOL_DOWN:
        net_log(net, index, "down:%" PRIu64 "%s%s", action->peer,
                action->outgoing ? ">" : "<",
                shuffle_reason_word(action->reason));
        break;
    case SHUFFLE_POOL_UNREACHABLE:
        net_log(net, index, "unreachable:%" PRIu64 ":%d", action->peer,
                action->code);
        break;
    case SHUFFLE_POOL_FRAME:
    case SHUFFLE_POOL_LAMINAR:
        node->frames++;
        node->payload_bytes += action->payload.size;
        node->last = *action;
        if (node->frames < 200) {
            net_log(net, index, "%02x:%" PRIu64 ":%zu", action->tag,
                    action->peer, action->payload.size);
        }
        break;
    case SHUFFLE_POOL_BARRIER_SENT:
        net_log(net, index, "barrier:%" PRIu64 ":%d", action->peer,
                action->code);
        break;
    }
}

static inline bool net_drain(struct net *net, int index)
{
    struct net_node *node = &net->nodes[index];
    struct shuffle_pool_action action;
    bool did = false;

    while (shuffle_pool_next(&node->pool, &action)) {
        net_perform(net, index, &action);
        did = true;
        if (node->budget.used_bytes > node->used_max) {
            node->used_max = node->budget.used_bytes;
        }
    }
    shuffle_pool_check(&node->pool);
    return did;
}

static inline void pipe_write(struct pipe *pipe, struct bytes bytes)
{
    if (pipe->size + bytes.size > pipe->capacity) {
        pipe->capacity = (pipe->size + bytes.size) * 2;
        pipe->bytes = realloc(pipe->bytes, pipe->capacity);
        assert_non_null(pipe->bytes);
    }
    if (bytes.size > 0) {
        memcpy(pipe->bytes + pipe->size, bytes.data, bytes.size);
    }
    pipe->size += bytes.size;
}

/* Moves what fits from a pool's output into its pipe. */
static inline bool net_write(struct net *net, struct wire *wire, int side)
{
    struct net_node *node = &net->nodes[wire->node[side]];
    struct pipe *pipe = &wire->pipe[side];
    size_t room = net->pipe_max - (pipe->size - pipe->taken);
    struct bytes pieces[16];
    size_t count = shuffle_pool_output(
            &node->pool, wire->link[side], pieces, 16, room);
    size_t bytes = 0;

    for (size_t i = 0; i < count; i++) {
        pipe_write(pipe, pieces[i]);
        bytes += pieces[i].size;
    }
    shuffle_pool_written(&node->pool, net->now_ms, wire->link[side], bytes);
    wire->dirty[side] = shuffle_pool_has_output(&node->pool, wire->link[side]);
    return bytes > 0;
}

/* Gives one read's worth to the pool at `side`. */
static inline bool net_read(struct net *net, struct wire *wire, int side)
{
    struct net_node *node = &net->nodes[wire->node[side]];
    struct pipe *pipe = &wire->pipe[1 - side];
    size_t size = pipe->size - pipe->taken;

    if (wire->unread[side]) {
        return false;
    }
    if (size > 0) {
        /* A copy of its exact size, so that a reader past it is caught. */
        uint8_t *read;

        size = size < 128 * 1024 ? size : 128 * 1024;
        read = malloc(size);
        assert_non_null(read);
        memcpy(read, pipe->bytes + pipe->taken, size);
        pipe->taken += size;
        shuffle_pool_received(&node->pool, net->now_ms, wire->link[side],
                bytes_of(read, size));
        net_drain(net, wire->node[side]);
        free(read);
        return true;
    }
    if (pipe->ended && !pipe->end_taken) {
        pipe->end_taken = true;
        shuffle_pool_closed(&node->pool, net->now_ms, wire->link[side], NULL);
        net_drain(net, wire->node[side]);
        return true;
    }
    return false;
}

static inline bool net_turn_side(struct net *net, struct wire *wire, int side)
{
    bool did = false;

    if (wire->node[side] < 0) {
        return false;
    }
    if (wire->link[side] != 0 && wire->dirty[side]) {
        did = net_write(net, wire, side);
    }
    if (wire->link[side] != 0) {
        did = net_read(net, wire, side) || did;
    }
    return did;
}

/* Until nothing moves any more at this moment. */
static inline void net_run(struct net *net)
{
    bool did = true;

    while (did) {
        did = false;
        for (int i = 0; i < NET_NODES_MAX; i++) {
            did = (net->nodes[i].exists && net_drain(net, i)) || did;
        }
        for (int i = 0; i < net->wires_count; i++) {
            did = net_turn_side(net, &net->wires[i], 0) || did;
            did = net_turn_side(net, &net->wires[i], 1) || did;
        }
    }
}

static inline uint64_t net_deadline_ms(const struct net *net)
{
    uint64_t deadline_ms = UINT64_MAX;

    for (int i = 0; i < NET_NODES_MAX; i++) {
        if (net->nodes[i].exists) {
            uint64_t ms = shuffle_pool_deadline_ms(&net->nodes[i].pool);

            deadline_ms = ms < deadline_ms ? ms : deadline_ms;
        }
    }
    return deadline_ms;
}

/* Lets time pass, stopping at every deadline on the way. One that is not in the
 * future may come a few times, behind what it is about; not for ever. */
static inline void net_advance(struct net *net, uint64_t ms)
{
    uint64_t until_ms = net->now_ms + ms;
    int in_place = 0;

    net_run(net);
    while (net->now_ms < until_ms) {
        uint64_t next_ms = net_deadline_ms(net);

        in_place = next_ms <= net->now_ms ? in_place + 1 : 0;
        assert_in_range(in_place, 0, 3);
        next_ms = next_ms < net->now_ms ? net->now_ms : next_ms;
        net->now_ms = next_ms < until_ms ? next_ms : until_ms;
        for (int i = 0; i < NET_NODES_MAX; i++) {
            if (net->nodes[i].exists) {
                shuffle_pool_tick(&net->nodes[i].pool, net->now_ms);
            }
        }
        net_run(net);
    }
}

/* Tells a node what the KV has about the peer. */
static inline void net_tell(struct net *net, int index, uint64_t id)
{
    (void)shuffle_pool_peer(&net->nodes[index].pool, net->now_ms, &net->kv[id]);
}

/* Every node knows every other. */
static inline void net_tell_all(struct net *net)
{
    for (int i = 0; i < NET_NODES_MAX; i++) {
        for (uint64_t id = 1; id <= NET_NODES_MAX; id++) {
            if (net->nodes[i].exists && net->kv[id].id != 0) {
                net_tell(net, i, id);
            }
        }
    }
}

/* The process is gone: its wires end, its pool is no more. */
static inline void net_kill(struct net *net, int index)
{
    struct net_node *node = &net->nodes[index];
    struct shuffle_pool_action action;

    for (int i = 0; i < net->wires_count; i++) {
        for (int side = 0; side < 2; side++) {
            if (net->wires[i].node[side] == index) {
                net->wires[i].pipe[side].ended = true;
                net->wires[i].link[side] = 0;
            }
        }
    }
    while (shuffle_pool_next(&node->pool, &action)) {
    }
    shuffle_pool_close(&node->pool);
    block_pool_close(&node->blocks);
    assert_int_equal(node->budget.used_bytes, 0);
    node->exists = false;
}

static inline void net_close(struct net *net)
{
    for (int i = 0; i < NET_NODES_MAX; i++) {
        if (net->nodes[i].exists) {
            net_kill(net, i);
        }
    }
    for (int i = 0; i < net->wires_count; i++) {
        free(net->wires[i].pipe[0].bytes);
        free(net->wires[i].pipe[1].bytes);
    }
}

/* --- strangers --- */

/* A stranger connects to a node from some address. */
static inline struct wire *stranger_connects_from(
        struct net *net, int index, struct addr from)
{
    struct wire *wire = net_new_wire(net, STRANGER, 1, index);

    if (shuffle_pool_accepted(&net->nodes[index].pool, net->now_ms, &from,
                &wire->link[1]) != 0) {
        wire->pipe[1].ended = true;
    }
    return wire;
}

static inline struct wire *stranger_connects(struct net *net, int index)
{
    return stranger_connects_from(net, index, addr_ipv4(10, 7, 7, 7, 777));
}

/* The wire on which a node has connected to a stranger, the latest. */
static inline struct wire *stranger_accepted(struct net *net)
{
    for (int i = net->wires_count; i > 0; i--) {
        if (net->wires[i - 1].node[1] == STRANGER) {
            return &net->wires[i - 1];
        }
    }
    return NULL;
}

static inline int stranger_side(const struct wire *wire)
{
    return wire->node[0] == STRANGER ? 0 : 1;
}

static inline void stranger_says_bytes(
        struct net *net, struct wire *wire, struct bytes bytes)
{
    pipe_write(&wire->pipe[stranger_side(wire)], bytes);
    net_run(net);
}

/* In hexadecimal digits; spaces are skipped. */
static inline void stranger_says(
        struct net *net, struct wire *wire, const char *hex)
{
    uint8_t bytes[512];
    size_t size = 0;

    while (*hex != '\0') {
        unsigned value;

        if (*hex == ' ') {
            hex++;
            continue;
        }
        assert_int_equal(sscanf(hex, "%2x", &value), 1);
        assert_true(size < sizeof(bytes));
        bytes[size++] = (uint8_t)value;
        hex += 2;
    }
    stranger_says_bytes(net, wire, bytes_of(bytes, size));
}

static inline void stranger_ends(struct net *net, struct wire *wire)
{
    wire->pipe[stranger_side(wire)].ended = true;
    net_run(net);
}

/* All that the pool ever wrote to the stranger, in hexadecimal digits. */
static inline const char *stranger_heard(const struct wire *wire)
{
    static char hex[2048];
    const struct pipe *pipe = &wire->pipe[1 - stranger_side(wire)];

    hex[0] = '\0';
    for (size_t i = 0; i < pipe->size && i * 2 + 3 < sizeof(hex); i++) {
        (void)snprintf(hex + i * 2, 3, "%02x", pipe->bytes[i]);
    }
    return hex;
}

/* Has the pool closed the wire on its side. */
static inline bool stranger_is_closed(const struct wire *wire)
{
    return wire->link[1 - stranger_side(wire)] == 0;
}
