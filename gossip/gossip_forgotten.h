/* Addresses where members used to be.
 *
 * Two halves of a cluster that were apart for longer than the grace period
 * have removed each other, and nobody would ever call across again. So the
 * last addresses of removed members are kept and tried now and then. */
#pragma once

#include "base/addr.h"
#include "base/prng.h"

enum {
    GOSSIP_FORGOTTEN_MAX = 64, /* then the oldest gives way */
    GOSSIP_FORGOTTEN_TRY_MS = 30000,
};

struct gossip_forgotten {
    struct addr addrs[GOSSIP_FORGOTTEN_MAX]; /* oldest first */
    size_t count;
};

/* An address that is there already becomes the latest. */
void gossip_forgotten_put(struct gossip_forgotten *f, const struct addr *addr);

/* Somebody is known at this address again. */
void gossip_forgotten_drop(struct gossip_forgotten *f, const struct addr *addr);

/* Any of them; false when there is none. */
bool gossip_forgotten_pick(const struct gossip_forgotten *f,
        struct prng *chance, struct addr *addr);
