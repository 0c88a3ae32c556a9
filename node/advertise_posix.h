/* Which of this machine's addresses the others should use.
 *
 * For `advertise = auto`, in this order: a concrete bind address; the local
 * address of a UDP connect to the first seed that is not ours; the same to
 * 192.0.2.1 (RFC 5737: nobody's), which sends nothing and asks the routing
 * table; the only interface that is not loopback. A node that finds none says
 * so and tries again each second. */
#pragma once

#include "base/addr.h"
#include "base/error.h"

/* The host to advertise beside a socket bound to `bind`; the port of `host`
 * is 0. `seeds` are resolved addresses; one with the port of `bind` at our own
 * host is ourselves. ERR_NOT_FOUND when nothing answers. */
int advertise_auto(const struct addr *bind, const struct addr *seeds,
        size_t seed_count, struct addr *host, struct error *err);
