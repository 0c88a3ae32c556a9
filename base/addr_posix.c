#include "base/addr_posix.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <string.h>

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

static socklen_t to_ipv4(const struct addr *addr, struct sockaddr_storage *out)
{
    struct sockaddr_in in = {
            .sin_family = AF_INET, .sin_port = htons(addr->port)};

    memcpy(&in.sin_addr, addr->octets, 4);
    memcpy(out, &in, sizeof(in));
    return sizeof(in);
}

static socklen_t to_ipv6(const struct addr *addr, struct sockaddr_storage *out)
{
    struct sockaddr_in6 in6 = {
            .sin6_family = AF_INET6, .sin6_port = htons(addr->port)};

    memcpy(&in6.sin6_addr, addr->octets, 16);
    memcpy(out, &in6, sizeof(in6));
    return sizeof(in6);
}

socklen_t addr_posix_to_sockaddr(
        const struct addr *addr, struct sockaddr_storage *out)
{
    assert(addr->family == ADDR_IPV4 || addr->family == ADDR_IPV6);
    memset(out, 0, sizeof(*out));
    return addr->family == ADDR_IPV4 ? to_ipv4(addr, out) : to_ipv6(addr, out);
}

static struct addr from_ipv4(const struct sockaddr *from)
{
    struct sockaddr_in in;
    struct addr addr = {.family = ADDR_IPV4};

    memcpy(&in, from, sizeof(in));
    memcpy(addr.octets, &in.sin_addr, 4);
    addr.port = ntohs(in.sin_port);
    return addr;
}

static bool from_ipv6(const struct sockaddr *from, struct addr *addr)
{
    struct sockaddr_in6 in6;

    memcpy(&in6, from, sizeof(in6));
    *addr = (struct addr){.family = ADDR_IPV6, .port = ntohs(in6.sin6_port)};
    memcpy(addr->octets, &in6.sin6_addr, 16);
    return in6.sin6_scope_id == 0;
}

bool addr_posix_from_sockaddr(const struct sockaddr *from, struct addr *addr)
{
    switch (from->sa_family) {
    case AF_INET:
        *addr = from_ipv4(from);
        return true;
    case AF_INET6:
        return from_ipv6(from, addr);
    default:
        return false;
    }
}

struct addr addr_posix_map(const struct addr *addr)
{
    struct addr mapped = *addr;

    if (addr->family == ADDR_IPV4) {
        mapped.family = ADDR_IPV6;
        memcpy(mapped.octets, mapped_prefix, sizeof(mapped_prefix));
        memcpy(mapped.octets + sizeof(mapped_prefix), addr->octets, 4);
    }
    return mapped;
}

struct addr addr_posix_unmap(const struct addr *addr)
{
    const uint8_t *ipv4 = addr->octets + sizeof(mapped_prefix);
    bool is_mapped =
            addr->family == ADDR_IPV6 &&
            memcmp(addr->octets, mapped_prefix, sizeof(mapped_prefix)) == 0;

    return is_mapped ? addr_ipv4(ipv4[0], ipv4[1], ipv4[2], ipv4[3], addr->port)
                     : *addr;
}
