#include "base/addr.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct addr addr_ipv4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port)
{
    return (struct addr){
            .family = ADDR_IPV4, .octets = {a, b, c, d}, .port = port};
}

/* A decimal number up to `max` from the front of `text`. */
static bool take_number(
        struct bytes *text, unsigned max, bool zeros_allowed, unsigned *number)
{
    unsigned value = 0;
    size_t digits = 0;

    while (digits < text->size && text->data[digits] >= '0' &&
            text->data[digits] <= '9') {
        value = value * 10 + (text->data[digits] - (unsigned)'0');
        if (value > max) {
            return false;
        }
        digits++;
    }
    if (digits == 0 || (!zeros_allowed && digits > 1 && text->data[0] == '0')) {
        return false;
    }
    *text = bytes_skip(*text, digits);
    *number = value;
    return true;
}

static bool take_byte(struct bytes *text, char wanted)
{
    if (text->size == 0 || text->data[0] != (uint8_t)wanted) {
        return false;
    }
    *text = bytes_skip(*text, 1);
    return true;
}

static bool take_ipv4(struct bytes *text, uint8_t octets[static 4])
{
    for (size_t i = 0; i < 4; i++) {
        unsigned octet;

        if ((i > 0 && !take_byte(text, '.')) ||
                !take_number(text, 255, false, &octet)) {
            return false;
        }
        octets[i] = (uint8_t)octet;
    }
    return true;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One group of one to four hexadecimal digits. */
static bool take_group(struct bytes *text, uint8_t octets[static 2])
{
    unsigned value = 0;
    size_t digits = 0;

    while (digits < text->size && digits < 4 &&
            hex_digit(text->data[digits]) >= 0) {
        value = value << 4 | (unsigned)hex_digit(text->data[digits]);
        digits++;
    }
    if (digits == 0) {
        return false;
    }
    *text = bytes_skip(*text, digits);
    octets[0] = (uint8_t)(value >> 8);
    octets[1] = (uint8_t)value;
    return true;
}

/* Where a group may stand, an IPv4 tail may too: take it if one is there. */
static bool take_ipv4_tail(struct bytes *text, uint8_t octets[static 4])
{
    struct bytes ahead = *text;

    if (!take_ipv4(&ahead, octets)) {
        return false;
    }
    *text = ahead;
    return true;
}

/* Groups up to `max` octets, from the front; returns the octets written.
 * Nothing but the end may follow an IPv4 tail. */
static size_t take_groups(
        struct bytes *text, uint8_t *octets, size_t max, bool *has_ipv4_tail)
{
    size_t count = 0;

    *has_ipv4_tail = false;
    while (count < max) {
        struct bytes ahead = *text;

        if (count > 0 && !take_byte(&ahead, ':')) {
            break;
        }
        if (count + 4 <= max && take_ipv4_tail(&ahead, octets + count)) {
            *text = ahead;
            *has_ipv4_tail = true;
            return count + 4;
        }
        if (!take_group(&ahead, octets + count)) {
            break;
        }
        *text = ahead;
        count += 2;
    }
    return count;
}

static bool take_ipv6(struct bytes *text, uint8_t octets[static 16])
{
    uint8_t tail[16];
    bool has_ipv4_tail;
    size_t front = take_groups(text, octets, 16, &has_ipv4_tail);
    size_t back;

    if (front == 16) {
        return true;
    }
    if (has_ipv4_tail || !take_byte(text, ':') || !take_byte(text, ':')) {
        return false;
    }
    back = take_groups(text, tail, 14 - front, &has_ipv4_tail);
    memset(octets + front, 0, 16 - front);
    memcpy(octets + 16 - back, tail, back);
    return true;
}

bool addr_parse_host(struct bytes text, struct addr *addr)
{
    struct addr parsed = {.family = ADDR_IPV4};
    struct bytes rest = text;

    if (!take_ipv4(&rest, parsed.octets) || rest.size > 0) {
        parsed = (struct addr){.family = ADDR_IPV6};
        rest = text;
        if (!take_ipv6(&rest, parsed.octets) || rest.size > 0) {
            return false;
        }
    }
    *addr = parsed;
    return true;
}

bool addr_parse(struct bytes text, struct addr *addr)
{
    struct addr parsed = {.family = ADDR_IPV4};
    unsigned port;

    if (take_byte(&text, '[')) {
        parsed.family = ADDR_IPV6;
        if (!take_ipv6(&text, parsed.octets) || !take_byte(&text, ']')) {
            return false;
        }
    } else if (!take_ipv4(&text, parsed.octets)) {
        return false;
    }
    if (!take_byte(&text, ':') ||
            !take_number(&text, UINT16_MAX, true, &port) || text.size > 0) {
        return false;
    }
    parsed.port = (uint16_t)port;
    *addr = parsed;
    return true;
}

static bool is_v4_mapped(const struct addr *a)
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

    return a->family == ADDR_IPV6 &&
           memcmp(a->octets, prefix, sizeof(prefix)) == 0;
}

static unsigned group_at(const struct addr *a, size_t i)
{
    return (unsigned)a->octets[2 * i] << 8 | a->octets[2 * i + 1];
}

/* The first longest run of two zero groups or more; length 0 if none. */
static size_t longest_zeros(const struct addr *a, size_t *start)
{
    size_t best = 0;

    for (size_t i = 0; i < 8; i++) {
        size_t run = 0;

        while (i + run < 8 && group_at(a, i + run) == 0) {
            run++;
        }
        if (run >= 2 && run > best) {
            best = run;
            *start = i;
        }
    }
    return best;
}

static void format_ipv6(const struct addr *a, char *text, size_t capacity)
{
    size_t start = 8;
    size_t zeros = longest_zeros(a, &start);
    size_t used = 0;

    for (size_t i = 0; i < 8;) {
        if (i == start) {
            used += (size_t)snprintf(text + used, capacity - used, "::");
            i += zeros;
            continue;
        }
        used += (size_t)snprintf(text + used, capacity - used, "%s%x",
                i > 0 && i != start + zeros ? ":" : "", group_at(a, i));
        i++;
    }
}

const char *addr_format(
        const struct addr *addr, char text[static ADDR_TEXT_BYTES])
{
    const uint8_t *o = addr->octets;
    char host[ADDR_TEXT_BYTES - 8];

    if (addr->family == ADDR_NONE) {
        (void)snprintf(text, ADDR_TEXT_BYTES, "none");
    } else if (addr->family == ADDR_IPV4) {
        (void)snprintf(text, ADDR_TEXT_BYTES, "%u.%u.%u.%u:%u", o[0], o[1],
                o[2], o[3], addr->port);
    } else if (is_v4_mapped(addr)) {
        (void)snprintf(text, ADDR_TEXT_BYTES, "[::ffff:%u.%u.%u.%u]:%u", o[12],
                o[13], o[14], o[15], addr->port);
    } else {
        format_ipv6(addr, host, sizeof(host));
        (void)snprintf(text, ADDR_TEXT_BYTES, "[%s]:%u", host, addr->port);
    }
    return text;
}

int addr_compare(const struct addr *a, const struct addr *b)
{
    int octets = memcmp(a->octets, b->octets, sizeof(a->octets));

    if (a->family != b->family) {
        return a->family < b->family ? -1 : 1;
    }
    if (octets != 0) {
        return octets;
    }
    return (a->port > b->port) - (a->port < b->port);
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
    return addr_compare(a, b) == 0;
}

bool addr_same_host(const struct addr *a, const struct addr *b)
{
    return a->family == b->family &&
           memcmp(a->octets, b->octets, sizeof(a->octets)) == 0;
}

/* An address as IPv4 if it is one in either dress. */
static bool as_ipv4(const struct addr *a, const uint8_t **octets)
{
    *octets = a->family == ADDR_IPV4 ? a->octets : a->octets + 12;
    return a->family == ADDR_IPV4 || is_v4_mapped(a);
}

bool addr_is_wildcard(const struct addr *a)
{
    static const uint8_t zero[16];
    const uint8_t *v4;

    if (as_ipv4(a, &v4)) {
        return memcmp(v4, zero, 4) == 0;
    }
    return memcmp(a->octets, zero, sizeof(zero)) == 0;
}

bool addr_is_loopback(const struct addr *a)
{
    static const uint8_t one[16] = {[15] = 1};
    const uint8_t *v4;

    if (as_ipv4(a, &v4)) {
        return v4[0] == 127;
    }
    return memcmp(a->octets, one, sizeof(one)) == 0;
}

bool addr_is_multicast(const struct addr *a)
{
    static const uint8_t broadcast[4] = {255, 255, 255, 255};
    const uint8_t *v4;

    if (as_ipv4(a, &v4)) {
        return (v4[0] & 0xf0) == 0xe0 || memcmp(v4, broadcast, 4) == 0;
    }
    return a->octets[0] == 0xff;
}

bool addr_is_target(const struct addr *a)
{
    return a->family != ADDR_NONE && a->port != 0 && !addr_is_wildcard(a) &&
           !addr_is_multicast(a);
}
