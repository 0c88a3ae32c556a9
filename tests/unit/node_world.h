/* Whole node cores in one process, wired together by the test: datagrams and
 * connections are memory, and time is a number.
 *
 * Everything that is sent arrives a millisecond later. `world_run` goes from
 * deadline to deadline; after each the nodes concerned are drained until they
 * are quiet, as the loop of a process does it. */
#pragma once

#include "node/node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    WORLD_NODES_MAX = 8,
    WORLD_ENDS_MAX = 64, /* of connections, ever */
    WORLD_INTERVAL_MS = 500,
    WORLD_LOG_BYTES = 16 * 1024,
    WORLD_STEPS_MAX = 2 * 1000 * 1000, /* then it is a busy loop */
};

/* Bytes that grow. */
struct heap_bytes {
    uint8_t *data;
    size_t size;
    size_t capacity;
};

static inline void heap_bytes_add(struct heap_bytes *b, struct bytes more)
{
    if (b->size + more.size > b->capacity) {
        b->capacity = 2 * (b->size + more.size);
        b->data = realloc(b->data, b->capacity);
        assert_non_null(b->data);
    }
    if (more.size > 0) {
        memcpy(b->data + b->size, more.data, more.size);
    }
    b->size += more.size;
}

static inline void heap_bytes_drop(struct heap_bytes *b, size_t size)
{
    memmove(b->data, b->data + size, b->size - size);
    b->size -= size;
}

/* A program at a node's local socket. */
struct world_client {
    bool is_connected;
    bool is_ended; /* by the node */
    bool is_read;
    struct heap_bytes output; /* frames of the node's, not yet looked at */
};

struct world_node {
    struct node node;
    bool is_up;
    bool is_cut; /* no datagram leaves or reaches it */
    bool is_turning; /* facts were fed: its turn is to end */
    struct addr gossip_addr;
    struct addr shuffle_addr;
    struct world_client clients[LOCAL_CLIENTS_MAX];

    bool is_ready;
    bool has_stopped;
    int exit_code;
    uint64_t kept_generation; /* 0: nothing was to be kept */
    char log[WORLD_LOG_BYTES];
    size_t log_bytes;
};

struct world_datagram {
    struct world_datagram *next;
    uint64_t at_ms;
    struct addr from;
    struct addr to;
    size_t size;
    uint8_t bytes[];
};

/* One node's end of a connection; the other is `end ^ 1`. */
struct world_end {
    struct world_node *owner; /* NULL: closed here */
    uint32_t link;
    bool is_read;
    bool is_finished; /* nothing comes behind `inbound` */
    bool was_told; /* of that */
    struct heap_bytes inbound;
};

struct world_attempt {
    struct world_attempt *next;
    struct world_node *from;
    uint32_t link;
    struct addr to;
};

struct world {
    uint64_t now_ms;
    struct world_node *nodes[WORLD_NODES_MAX];
    size_t count;
    struct world_datagram *datagrams;
    struct world_datagram **datagrams_end;
    struct world_attempt *attempts;
    struct world_end ends[WORLD_ENDS_MAX];
    size_t ends_count;
    size_t connections; /* ever made */
};

static inline void world_init(struct world *w)
{
    *w = (struct world){.now_ms = 1000000};
    w->datagrams_end = &w->datagrams;
}

static inline struct world_end *world_end_of(
        struct world *w, const struct world_node *node, uint32_t link)
{
    for (size_t i = 0; i < w->ends_count; i++) {
        if (w->ends[i].owner == node && w->ends[i].link == link) {
            return &w->ends[i];
        }
    }
    return NULL;
}

static inline struct world_end *world_other_end(
        struct world *w, const struct world_end *end)
{
    return &w->ends[(size_t)(end - w->ends) ^ 1];
}

/* --- what a node asks for --- */

static inline void world_send(struct world *w, const struct world_node *from,
        const struct node_action *action)
{
    struct world_datagram *d = malloc(sizeof(*d) + action->datagram.size);

    assert_non_null(d);
    d->next = NULL;
    d->at_ms = w->now_ms + 1;
    d->from = from->gossip_addr;
    d->to = action->to;
    d->size = action->datagram.size;
    memcpy(d->bytes, action->datagram.data, d->size);
    if (from->is_cut) {
        free(d);
        return;
    }
    *w->datagrams_end = d;
    w->datagrams_end = &d->next;
}

static inline void world_connect(struct world *w, struct world_node *from,
        const struct shuffle_pool_action *action)
{
    struct world_attempt *a = calloc(1, sizeof(*a));

    assert_non_null(a);
    *a = (struct world_attempt){.next = w->attempts,
            .from = from,
            .link = action->link,
            .to = action->address};
    w->attempts = a;
}

/* All that the node wants written goes to the other end. */
static inline void world_flush_link(
        struct world *w, struct world_node *node, uint32_t link)
{
    struct world_end *end = world_end_of(w, node, link);
    struct bytes pieces[16];
    size_t count;

    if (end == NULL) {
        return;
    }
    while ((count = shuffle_pool_output(
                    &node->node.pool, link, pieces, 16, 1 << 20)) > 0) {
        size_t bytes = 0;

        for (size_t i = 0; i < count; i++) {
            heap_bytes_add(&world_other_end(w, end)->inbound, pieces[i]);
            bytes += pieces[i].size;
        }
        shuffle_pool_written(&node->node.pool, w->now_ms, link, bytes);
    }
}

static inline void world_close_end(
        struct world *w, struct world_node *node, uint32_t link)
{
    struct world_end *end = world_end_of(w, node, link);

    if (end != NULL) {
        end->owner = NULL;
        world_other_end(w, end)->is_finished = true;
    }
}

static inline void world_pool(struct world *w, struct world_node *node,
        const struct shuffle_pool_action *action)
{
    struct world_end *end = world_end_of(w, node, action->link);

    switch (action->type) {
    case SHUFFLE_POOL_CONNECT:
        world_connect(w, node, action);
        break;
    case SHUFFLE_POOL_CLOSE:
        world_close_end(w, node, action->link);
        break;
    case SHUFFLE_POOL_FINISH:
        world_flush_link(w, node, action->link);
        if (end != NULL) {
            world_other_end(w, end)->is_finished = true;
        }
        break;
    case SHUFFLE_POOL_WRITE:
        break; /* at the turn's end, all of them */
    case SHUFFLE_POOL_READ:
        if (end != NULL) {
            end->is_read = action->on;
        }
        break;
    default:
        fail_msg("the node let an action of type %d out", (int)action->type);
    }
}

static inline void world_local(
        struct world_node *node, const struct local_action *action)
{
    struct world_client *client = &node->clients[action->client];

    switch (action->type) {
    case LOCAL_WRITE:
        break; /* at the turn's end, all of them */
    case LOCAL_READ:
        client->is_read = action->on;
        break;
    case LOCAL_CLOSE:
        client->is_connected = false;
        client->is_ended = true;
        break;
    }
}

static inline void world_flush_client(struct world_node *node, uint32_t number)
{
    struct bytes pieces[16];
    size_t count;

    while ((count = node_client_output(&node->node, number, pieces, 16)) > 0) {
        size_t bytes = 0;

        for (size_t i = 0; i < count; i++) {
            heap_bytes_add(&node->clients[number].output, pieces[i]);
            bytes += pieces[i].size;
        }
        node_client_written(&node->node, number, bytes);
    }
}

static inline void world_log(struct world_node *node, const char *text)
{
    int size = snprintf(node->log + node->log_bytes,
            sizeof(node->log) - node->log_bytes, "%s\n", text);

    assert_true(size > 0);
    node->log_bytes += (size_t)size;
    assert_true(node->log_bytes < sizeof(node->log));
}

static inline void world_drain(struct world *w, struct world_node *node)
{
    struct node_action action;
    size_t steps = 0;

    while (!node->has_stopped && node_next(&node->node, &action)) {
        assert_true(++steps < 100000);
        switch (action.type) {
        case NODE_SEND:
            world_send(w, node, &action);
            break;
        case NODE_POOL:
            world_pool(w, node, &action.pool);
            break;
        case NODE_LOCAL:
            world_local(node, &action.local);
            break;
        case NODE_LOG:
            world_log(node, action.text);
            break;
        case NODE_KEEP:
            node->kept_generation = action.generation;
            break;
        case NODE_KEEP_DECISION:
            node_decision_kept(&node->node, w->now_ms, NULL);
            break;
        case NODE_READY:
            node->is_ready = true;
            break;
        case NODE_DRAINING_BEGAN:
            break;
        case NODE_STOPPED:
            node->has_stopped = true;
            node->exit_code = action.exit_code;
            break;
        }
    }
    node->is_turning = true;
}

/* The loop's turn ends: what was gathered leaves. */
static inline void world_end_turn(struct world *w, struct world_node *node)
{
    node_turn(&node->node, w->now_ms);
    world_drain(w, node);
    for (size_t i = 0; i < w->ends_count; i++) {
        if (w->ends[i].owner == node) {
            world_flush_link(w, node, w->ends[i].link);
        }
    }
    for (uint32_t i = 0; i < LOCAL_CLIENTS_MAX; i++) {
        if (node->clients[i].is_connected) {
            world_flush_client(node, i);
        }
    }
    world_drain(w, node);
    node->is_turning = false;
}

/* --- what reaches a node --- */

static inline struct world_node *world_at(
        struct world *w, const struct addr *addr, bool is_gossip)
{
    for (size_t i = 0; i < w->count; i++) {
        struct world_node *n = w->nodes[i];

        if (n->is_up && !n->has_stopped &&
                addr_equal(
                        is_gossip ? &n->gossip_addr : &n->shuffle_addr, addr)) {
            return n;
        }
    }
    return NULL;
}

static inline bool world_deliver_datagram(struct world *w)
{
    struct world_datagram *d = w->datagrams;
    struct world_node *to;

    if (d == NULL || d->at_ms > w->now_ms) {
        return false;
    }
    w->datagrams = d->next;
    if (w->datagrams == NULL) {
        w->datagrams_end = &w->datagrams;
    }
    to = world_at(w, &d->to, true);
    if (to != NULL && !to->is_cut) {
        node_datagram(
                &to->node, w->now_ms, &d->from, bytes_of(d->bytes, d->size));
        world_drain(w, to);
    }
    free(d);
    return true;
}

static inline void world_join_ends(
        struct world *w, const struct world_attempt *a, struct world_node *to)
{
    struct world_end *ends = &w->ends[w->ends_count];
    uint32_t link;

    assert_true(w->ends_count + 2 <= WORLD_ENDS_MAX);
    if (shuffle_pool_accepted(&to->node.pool, w->now_ms, &a->from->shuffle_addr,
                &link) != 0) {
        shuffle_pool_connect_failed(
                &a->from->node.pool, w->now_ms, a->link, "refused");
        return;
    }
    w->ends_count += 2;
    w->connections++;
    ends[0] = (struct world_end){
            .owner = a->from, .link = a->link, .is_read = true};
    ends[1] = (struct world_end){.owner = to, .link = link, .is_read = true};
    world_drain(w, to);
    shuffle_pool_connected(&a->from->node.pool, w->now_ms, a->link);
}

static inline bool world_answer_attempt(struct world *w)
{
    struct world_attempt *a = w->attempts;
    struct world_node *to;

    if (a == NULL) {
        return false;
    }
    w->attempts = a->next;
    to = world_at(w, &a->to, false);
    if (a->from->is_up && !a->from->has_stopped) {
        if (to == NULL) {
            shuffle_pool_connect_failed(
                    &a->from->node.pool, w->now_ms, a->link, "refused");
        } else {
            world_join_ends(w, a, to);
        }
        world_drain(w, a->from);
    }
    free(a);
    return true;
}

/* What came over one end, or its end. */
static inline bool world_deliver_end(struct world *w, struct world_end *end)
{
    struct world_node *node = end->owner;
    uint8_t bytes[16 * 1024];
    size_t size = end->inbound.size < sizeof(bytes) ? end->inbound.size
                                                    : sizeof(bytes);

    if (node == NULL || node->has_stopped || !end->is_read) {
        return false;
    }
    if (size > 0) {
        memcpy(bytes, end->inbound.data, size);
        heap_bytes_drop(&end->inbound, size);
        shuffle_pool_received(
                &node->node.pool, w->now_ms, end->link, bytes_of(bytes, size));
        world_drain(w, node);
        return true;
    }
    if (end->is_finished && !end->was_told) {
        end->was_told = true;
        shuffle_pool_closed(&node->node.pool, w->now_ms, end->link, NULL);
        world_drain(w, node);
        return true;
    }
    return false;
}

/* One thing that is due now; false when nothing is. */
static inline bool world_step(struct world *w)
{
    if (world_deliver_datagram(w) || world_answer_attempt(w)) {
        return true;
    }
    for (size_t i = 0; i < w->ends_count; i++) {
        if (world_deliver_end(w, &w->ends[i])) {
            return true;
        }
    }
    for (size_t i = 0; i < w->count; i++) {
        struct world_node *n = w->nodes[i];

        if (!n->is_up || n->has_stopped) {
            continue;
        }
        if (n->is_turning) {
            world_end_turn(w, n);
            return true;
        }
        if (node_deadline_ms(&n->node) <= w->now_ms) {
            node_tick(&n->node, w->now_ms);
            world_drain(w, n);
            return true;
        }
    }
    return false;
}

static inline uint64_t world_deadline_ms(const struct world *w)
{
    uint64_t deadline = UINT64_MAX;

    if (w->datagrams != NULL) {
        deadline = w->datagrams->at_ms;
    }
    for (size_t i = 0; i < w->count; i++) {
        const struct world_node *n = w->nodes[i];

        if (n->is_up && !n->has_stopped &&
                node_deadline_ms(&n->node) < deadline) {
            deadline = node_deadline_ms(&n->node);
        }
    }
    return deadline;
}

/* Everything that happens within the next `ms`. */
static inline void world_run(struct world *w, uint64_t ms)
{
    uint64_t end_ms = w->now_ms + ms;
    size_t steps = 0;

    for (;;) {
        uint64_t next_ms;

        while (world_step(w)) {
            assert_true(++steps < WORLD_STEPS_MAX);
        }
        next_ms = world_deadline_ms(w);
        if (next_ms > end_ms) {
            break;
        }
        w->now_ms = next_ms;
    }
    w->now_ms = end_ms;
}

/* --- nodes --- */

static inline struct node_options world_options(size_t number)
{
    struct node_options o = {
            .id = number,
            .generation = 1000,
            .name = "loom",
            .cluster = "weft",
            .version = "0",
            .gossip_addr = addr_ipv4(10, 0, 0, (uint8_t)number, 7741),
            .cores = 2,
            .memory_bytes = 1 << 30,
            .has_seeds = true,
            .seed = number,
            .gossip = gossip_options_default(WORLD_INTERVAL_MS),
            .pool = shuffle_pool_defaults(),
            .streams = shuffle_streams_defaults(),
            .checkpoint = checkpoint_defaults(),
            .memory_budget_bytes = 128 * 1024 * 1024,
    };

    o.pool.vnodes = o.streams.vnodes;
    o.pool.reserve_bytes = 4 * 1024 * 1024;
    return o;
}

/* Starts a node that listens; its seeds are told later. */
static inline struct world_node *world_start(
        struct world *w, const struct node_options *options)
{
    struct world_node *n = calloc(1, sizeof(*n));
    struct error err;

    assert_non_null(n);
    assert_true(w->count < WORLD_NODES_MAX);
    n->gossip_addr = options->gossip_addr;
    n->shuffle_addr = options->gossip_addr;
    n->shuffle_addr.port++;
    if (node_init(&n->node, options, w->now_ms, &err) != 0) {
        fail_msg("%s", err.text);
    }
    n->is_up = true;
    node_listening(&n->node, w->now_ms, &n->shuffle_addr);
    w->nodes[w->count++] = n;
    world_drain(w, n);
    return n;
}

static inline void world_seed(
        struct world *w, struct world_node *n, const struct world_node *seed)
{
    node_seeds(&n->node, &seed->gossip_addr, 1);
    world_drain(w, n);
}

/* As a crash: nothing more is said. */
static inline void world_kill(struct world *w, struct world_node *n)
{
    for (size_t i = 0; i < w->ends_count; i++) {
        if (w->ends[i].owner == n) {
            w->ends[i].owner = NULL;
            world_other_end(w, &w->ends[i])->is_finished = true;
        }
    }
    node_close(&n->node);
    n->is_up = false;
}

static inline void world_close(struct world *w)
{
    for (size_t i = 0; i < w->count; i++) {
        struct world_node *n = w->nodes[i];

        if (n->is_up) {
            node_close(&n->node);
        }
        for (size_t k = 0; k < LOCAL_CLIENTS_MAX; k++) {
            free(n->clients[k].output.data);
        }
        free(n);
    }
    for (size_t i = 0; i < w->ends_count; i++) {
        free(w->ends[i].inbound.data);
    }
    while (w->datagrams != NULL) {
        struct world_datagram *d = w->datagrams;

        w->datagrams = d->next;
        free(d);
    }
    while (w->attempts != NULL) {
        struct world_attempt *a = w->attempts;

        w->attempts = a->next;
        free(a);
    }
}

/* --- local programs --- */

static inline uint32_t world_client(struct world *w, struct world_node *n)
{
    int number = node_client_accepted(&n->node, w->now_ms);

    assert_true(number >= 0);
    n->clients[number].is_connected = true;
    n->clients[number].is_ended = false;
    n->clients[number].is_read = true;
    n->clients[number].output.size = 0;
    return (uint32_t)number;
}

static inline void world_client_send(struct world *w, struct world_node *n,
        uint32_t client, uint8_t tag, struct bytes payload)
{
    uint8_t header[FRAME_HEADER_BYTES];
    struct heap_bytes frame = {.data = NULL};

    frame_put_header(header, tag, payload.size);
    heap_bytes_add(&frame, bytes_of(header, sizeof(header)));
    heap_bytes_add(&frame, payload);
    node_client_received(
            &n->node, w->now_ms, client, bytes_of(frame.data, frame.size));
    world_drain(w, n);
    free(frame.data);
}

static inline void world_call_again(struct world *w, struct world_node *n,
        uint32_t client, uint32_t id, const char *json)
{
    const struct shuffle_wire_call call = {.id = id, .json = bytes_text(json)};
    uint8_t payload[1024];
    struct writer writer = writer_of(payload, sizeof(payload));

    shuffle_wire_encode_call(&writer, &call);
    assert_false(writer.failed);
    world_client_send(w, n, client, SHUFFLE_TAG_CALL, writer_bytes(&writer));
}

static inline uint32_t world_call(
        struct world *w, struct world_node *n, uint32_t id, const char *json)
{
    uint32_t client = world_client(w, n);

    world_call_again(w, n, client, id, json);
    return client;
}

static inline uint32_t world_attach(struct world *w, struct world_node *n,
        uint8_t role, uint32_t want, const char *stage)
{
    uint32_t client = world_client(w, n);
    const struct shuffle_wire_attach attach = {.role = role,
            .format = 1,
            .want = want,
            .stage = bytes_text(stage)};
    uint8_t payload[SHUFFLE_ATTACH_MAX];
    struct writer writer = writer_of(payload, sizeof(payload));

    shuffle_wire_encode_attach(&writer, &attach);
    world_client_send(w, n, client, SHUFFLE_TAG_ATTACH, writer_bytes(&writer));
    return client;
}

/* Takes the next frame that the node sent to a program; false: none. */
static inline bool world_client_frame(struct world_node *n, uint32_t client,
        uint8_t *tag, uint8_t payload[static 64 * 1024], size_t *size)
{
    struct heap_bytes *output = &n->clients[client].output;
    struct frame frame;
    size_t frame_bytes;

    if (frame_peek(bytes_of(output->data, output->size), &frame,
                &frame_bytes) != FRAME_WHOLE) {
        return false;
    }
    assert_true(frame.payload.size < 64 * 1024);
    *tag = frame.tag;
    *size = frame.payload.size;
    memcpy(payload, frame.payload.data, frame.payload.size);
    heap_bytes_drop(output, frame_bytes);
    return true;
}
