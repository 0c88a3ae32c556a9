/* A node that is nothing but its connections: the pool and its adaptor on a
 * loop, for measuring what those two cost. Peers are given by hand, and speak
 * LaminarDB's dialect: every frame is VnodeData. */
#pragma once

#include <uv.h>

#include "bench/bench.h"
#include "shuffle/shuffle_uv.h"

struct bench_node {
    void *owner; /* the caller's, handed to the functions; set before open */

    /* A frame has come. It may be answered at once. */
    void (*on_frame)(void *owner, uint64_t peer, size_t payload);

    /* There may be room again: fill the queues. Called once a turn in which
     * something moved. */
    void (*on_room)(void *owner);

    uv_loop_t loop;
    struct budget budget;
    struct block_pool blocks;
    struct shuffle_pool pool;
    struct shuffle_uv tcp;
    uv_idle_t filling;
    uv_check_t after_poll;
    struct addr bound; /* where it listens */
    uint64_t polls; /* how often the loop has asked the system */
    uint32_t links_up; /* that we opened */
    bool has_lost; /* a link, since the node was opened */
};

void bench_node_open(struct bench_node *node, uint64_t id);
void bench_node_close(struct bench_node *node);

void bench_node_register(
        struct bench_node *node, uint64_t peer, const struct addr *at);

/* One frame of `payload` bytes, at least 16; false: there is no room. */
bool bench_node_send(struct bench_node *node, uint64_t peer, size_t payload);

/* Nothing is written to the peer's link just now, and it is up. */
bool bench_node_is_idle_to(const struct bench_node *node, uint64_t peer);

/* Acts on what was asked of the node outside of its turns. */
void bench_node_kick(struct bench_node *node);

void bench_node_turn(struct bench_node *node);

/* Sends what is queued, closes the links, and returns when they are gone. The
 * far end sees `has_lost`. */
void bench_node_leave(struct bench_node *node);
