/* The seeds' names, turned into addresses again and again.
 *
 * Each name is looked up on libuv's pool every 5 s while we are in no cluster,
 * else every 30 s; all addresses of a name count. A lookup that fails keeps what the
 * last good one found, is an event, and never ends the process. */
#pragma once

#include <uv.h>

#include "base/addr.h"
#include "conf/conf.h"
#include "gossip/gossip.h"

enum {
    SEEDS_ADDRS_OF_NAME_MAX = 32, /* more addresses of one name are left out */
    SEEDS_ADDRS_MAX = GOSSIP_SEEDS_MAX, /* in all */
};

struct seeds_uv_name {
    uv_getaddrinfo_t request;
    struct seeds_uv *owner;
    const struct conf_seed *seed;
    struct addr addrs[SEEDS_ADDRS_OF_NAME_MAX];
    size_t addr_count;
    bool resolving;
    bool failed; /* the latest lookup: said once, until it changes */
};

struct seeds_uv {
    uv_loop_t *loop;
    uv_timer_t timer;
    struct seeds_uv_name names[CONF_SEEDS_MAX];
    size_t name_count;
    bool joined;
    bool closing;
    bool timer_open;

    void *owner;
    /* The addresses may have changed: read them with seeds_uv_addrs. */
    void (*on_resolved)(void *owner);
    /* One sentence about a name that does not resolve, once per change. */
    void (*on_failed)(void *owner, const char *sentence);
};

/* The seeds are borrowed until close. Nothing is looked up before start. */
void seeds_uv_init(
        struct seeds_uv *self, uv_loop_t *loop, const struct conf_seeds *seeds);

void seeds_uv_start(struct seeds_uv *self);

/* Whether the node is in a cluster: it decides the rhythm. */
void seeds_uv_joined(struct seeds_uv *self, bool joined);

/* Every address known, in the order of the configuration; returns how many. */
size_t seeds_uv_addrs(
        const struct seeds_uv *self, struct addr addrs[static SEEDS_ADDRS_MAX]);

/* Whether each name has been answered once, with addresses or without. */
bool seeds_uv_settled(const struct seeds_uv *self);

void seeds_uv_close(struct seeds_uv *self);
