#include "node/advertise_posix.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr_posix.h"

/* The local address that the routing table picks for `target`. No datagram
 * leaves: connecting a UDP socket only chooses a route. */
static bool local_address_towards(const struct addr *target, struct addr *host)
{
    struct sockaddr_storage sa;
    socklen_t size = addr_posix_to_sockaddr(target, &sa);
    socklen_t name_size = sizeof(sa);
    int fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool ok;

    if (fd < 0) {
        return false;
    }
    ok = connect(fd, (struct sockaddr *)&sa, size) == 0 &&
         getsockname(fd, (struct sockaddr *)&sa, &name_size) == 0 &&
         addr_posix_from_sockaddr((struct sockaddr *)&sa, host) &&
         !addr_is_wildcard(host);
    (void)close(fd);
    return ok;
}

/* A seed that is ourselves: our own port at the very address that would be the
 * sender's, or at a loopback address, as a host's own name often is. */
static bool is_ours(const struct addr *seed, const struct addr *bind,
        const struct addr *host)
{
    return seed->port == bind->port &&
           (addr_is_loopback(seed) || addr_same_host(seed, host));
}

static bool is_candidate(
        const struct ifaddrs *interface, uint8_t family, struct addr *host)
{
    return interface->ifa_addr != NULL &&
           (interface->ifa_flags & IFF_UP) != 0 &&
           (interface->ifa_flags & IFF_LOOPBACK) == 0 &&
           addr_posix_from_sockaddr(interface->ifa_addr, host) &&
           host->family == family && !addr_is_loopback(host);
}

/* The one interface address that is not loopback; false if there are more. */
static bool only_interface(uint8_t family, struct addr *host)
{
    struct ifaddrs *all;
    size_t found = 0;

    if (getifaddrs(&all) != 0) {
        return false;
    }
    for (struct ifaddrs *i = all; i != NULL; i = i->ifa_next) {
        struct addr candidate;

        if (is_candidate(i, family, &candidate)) {
            *host = candidate;
            found++;
        }
    }
    freeifaddrs(all);
    return found == 1;
}

static bool search(const struct addr *bind, const struct addr *seeds,
        size_t seed_count, struct addr *host)
{
    struct addr nobody = addr_ipv4(192, 0, 2, 1, 9);

    if (!addr_is_wildcard(bind)) {
        *host = *bind;
        return true;
    }
    for (size_t i = 0; i < seed_count; i++) {
        if (seeds[i].family == bind->family &&
                local_address_towards(&seeds[i], host) &&
                !is_ours(&seeds[i], bind, host)) {
            return true;
        }
    }
    return (bind->family == ADDR_IPV4 &&
                   local_address_towards(&nobody, host)) ||
           only_interface(bind->family, host);
}

int advertise_auto(const struct addr *bind, const struct addr *seeds,
        size_t seed_count, struct addr *host, struct error *err)
{
    char text[ADDR_TEXT_BYTES];

    if (!search(bind, seeds, seed_count, host)) {
        return error_set(err, ERR_NOT_FOUND,
                "no address of this machine to advertise for %s: set "
                "gossip.advertise and shuffle.advertise",
                addr_format(bind, text));
    }
    host->port = 0;
    return 0;
}
