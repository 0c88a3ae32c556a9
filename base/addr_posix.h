/* Addresses as the system wants them: struct addr to and from sockaddr.
 *
 * A socket of IPv6 may serve IPv4 too: the system then shows 10.0.0.2 as
 * ::ffff:10.0.0.2, and wants it so. That is the socket's business and nobody
 * else's, so whoever owns such a socket maps on the way out and unmaps on the
 * way in. */
#pragma once

#include <sys/socket.h>

#include "base/addr.h"

/* Fills `out` and returns its length. Asserts a family. */
socklen_t addr_posix_to_sockaddr(
        const struct addr *addr, struct sockaddr_storage *out);

/* False for a family that is neither, and for IPv6 with a scope id: it would
 * not survive the wire. */
bool addr_posix_from_sockaddr(const struct sockaddr *from, struct addr *addr);

/* IPv4 as IPv6 carries it; IPv6 stays what it is. */
struct addr addr_posix_map(const struct addr *addr);

/* And back: an address that is not mapped stays what it is. */
struct addr addr_posix_unmap(const struct addr *addr);
