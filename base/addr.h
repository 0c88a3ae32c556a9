/* Socket addresses as values: family, octets, port.
 *
 * No host names here: a name becomes addresses in an adaptor. Text is that of
 * RFC 5952, with brackets around IPv6: `10.0.0.2:7742`, `[2001:db8::1]:7742`.
 * Scope ids do not exist: an address with one is refused, for it would not
 * survive the wire. */
#pragma once

#include "base/bytes.h"

enum {
    ADDR_TEXT_BYTES = 56, /* the longest text and its NUL */
};

enum addr_family {
    ADDR_NONE = 0,
    ADDR_IPV4 = 4,
    ADDR_IPV6 = 6,
};

struct addr {
    uint8_t family; /* enum addr_family; the wire's own numbers */
    uint8_t octets[16]; /* network order; IPv4 uses the first four, rest 0 */
    uint16_t port;
};

/* IPv4 from its four octets as written. */
struct addr addr_ipv4(
        uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port);

/* Strict: no space, no leading zero in an octet, IPv6 in brackets; leading
 * zeros in the port are allowed (docs/wire.md, "Addresses as text"). */
bool addr_parse(struct bytes text, struct addr *addr);

/* A host alone, without port and brackets; the port becomes 0. */
bool addr_parse_host(struct bytes text, struct addr *addr);

/* Writes the text and its NUL, and returns `text`. */
const char *addr_format(
        const struct addr *addr, char text[static ADDR_TEXT_BYTES]);

bool addr_equal(const struct addr *a, const struct addr *b);

/* Every IPv4 address before every IPv6 one, then octets, then port. */
int addr_compare(const struct addr *a, const struct addr *b);

/* The same host, whatever the port. */
bool addr_same_host(const struct addr *a, const struct addr *b);

bool addr_is_wildcard(const struct addr *a); /* 0.0.0.0, [::] and its v4 form */
bool addr_is_loopback(const struct addr *a); /* 127/8, ::1 and v4-mapped */
bool addr_is_multicast(const struct addr *a); /* and IPv4 broadcast */

/* May traffic be aimed at it: a family, a port, not wildcard or multicast. */
bool addr_is_target(const struct addr *a);
