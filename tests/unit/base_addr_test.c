/* docs/wire.md, "Addresses as text". */
#include "base/addr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/prng.h"

struct row {
    const char *text;
    const char *written; /* NULL: refused */
};

static const struct row rows[] = {
        {"10.0.0.2:40123", "10.0.0.2:40123"},
        {"[2001:db8::1]:7946", "[2001:db8::1]:7946"},
        {"[::]:1", "[::]:1"},
        {"[::ffff:10.0.0.1]:80", "[::ffff:10.0.0.1]:80"},
        {"127.0.0.1:80", "127.0.0.1:80"},
        {"127.0.0.1:080", "127.0.0.1:80"},
        {"[::1]:00080", "[::1]:80"},
        {"127.0.0.1:0", "127.0.0.1:0"},
        {"0.0.0.0:4000", "0.0.0.0:4000"},
        {"255.255.255.255:65535", "255.255.255.255:65535"},
        {"[2001:DB8::1]:80", "[2001:db8::1]:80"},
        {"[0:0:0:0:0:0:0:0]:1", "[::]:1"},
        {"[2001:0db8:0000:0000:0000:0000:0000:0001]:1", "[2001:db8::1]:1"},
        {"[1:0:0:2:0:0:0:3]:1", "[1:0:0:2::3]:1"},
        {"[1:0:0:2:3:0:0:4]:1", "[1::2:3:0:0:4]:1"},
        {"[1:0:2:3:4:5:6:7]:1", "[1:0:2:3:4:5:6:7]:1"},
        {"[1:2:3:4:5:6:7::]:1", "[1:2:3:4:5:6:7:0]:1"},
        {"[1:2:3:4:5:6::]:1", "[1:2:3:4:5:6::]:1"},
        {"[::2:3:4:5:6:7:8]:1", "[0:2:3:4:5:6:7:8]:1"},
        {"[::10.0.0.1]:1", "[::a00:1]:1"},
        {"[1:2:3:4:5:6:1.2.3.4]:1", "[1:2:3:4:5:6:102:304]:1"},
        {"[64:ff9b::1.2.3.4]:1", "[64:ff9b::102:304]:1"},
        {"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
                "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
        /* Our own refusal: the reference takes a numeric scope id. */
        {"[fe80::1%2]:80", NULL},
        {"[fe80::1%eth0]:80", NULL},
        {"::1:80", NULL},
        {"127.0.0.1", NULL},
        {"127.0.0.1:", NULL},
        {"127.0.0.1:65536", NULL},
        {"127.0.0.1:99999999999999999999", NULL},
        {"127.0.0.1:+80", NULL},
        {"127.0.0.1:-1", NULL},
        {"127.0.0.1:80 ", NULL},
        {" 127.0.0.1:80", NULL},
        {"010.0.0.1:80", NULL},
        {"256.0.0.1:80", NULL},
        {"1.2.3:80", NULL},
        {"1.2.3.4.5:80", NULL},
        {"0x7f.0.0.1:80", NULL},
        {"[127.0.0.1]:80", NULL},
        {"[::1]", NULL},
        {"[::1]80", NULL},
        {"[::1:80", NULL},
        {"[::12345]:80", NULL},
        {"[1::2::3]:80", NULL},
        {"[1:2:3:4:5:6:7]:80", NULL},
        {"[1:2:3:4:5:6:7:8:9]:80", NULL},
        {"[1:2:3:4::5:6:7:8]:80", NULL},
        {"[1:2:3:4:5:6:7:8::]:80", NULL},
        {"[:1:2:3:4:5:6:7]:80", NULL},
        {"[1.2.3.4::]:80", NULL},
        {"[1.2.3.4::1]:80", NULL},
        {"[::1.2.3.4:5]:80", NULL},
        {"[::1.2.3.256]:80", NULL},
        {"[1:2:3:4:5:6:7:1.2.3.4]:80", NULL},
        {"[::g]:80", NULL},
        {"localhost:80", NULL},
        {"", NULL},
        {":", NULL},
        {":80", NULL},
        {"[]:80", NULL},
        {"[", NULL},
};

static void every_text_is_read_or_refused(void **state)
{
    char text[ADDR_TEXT_BYTES];
    struct addr addr;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bool is_one = addr_parse(bytes_text(rows[i].text), &addr);

        print_message("\"%s\"\n", rows[i].text);
        assert_int_equal(is_one, rows[i].written != NULL);
        if (is_one) {
            assert_string_equal(addr_format(&addr, text), rows[i].written);
        }
    }
}

static void a_refused_text_leaves_the_address(void **state)
{
    struct addr before = addr_ipv4(10, 0, 0, 2, 7742);
    struct addr addr = before;

    (void)state;
    assert_false(addr_parse(bytes_text("10.0.0.3:x"), &addr));
    assert_false(addr_parse_host(bytes_text("10.0.0.3:80"), &addr));
    assert_true(addr_equal(&addr, &before));
}

/* Groups that are often zero, so that every kind of gap comes up. */
static struct addr any_addr(struct prng *p)
{
    struct addr addr = {.port = (uint16_t)prng_u64(p)};
    size_t octets = prng_below(p, 2) == 0 ? 4 : 16;

    addr.family = octets == 4 ? ADDR_IPV4 : ADDR_IPV6;
    for (size_t i = 0; i < octets; i++) {
        addr.octets[i] = prng_below(p, 3) == 0 ? (uint8_t)prng_u64(p) : 0;
    }
    return addr;
}

static void what_is_written_reads_as_the_same_address(void **state)
{
    struct prng p;
    char text[ADDR_TEXT_BYTES];

    (void)state;
    prng_init(&p, 1);
    for (int i = 0; i < 20000; i++) {
        struct addr addr = any_addr(&p);
        struct addr again;

        (void)addr_format(&addr, text);
        assert_true(addr_parse(bytes_text(text), &again));
        assert_true(addr_equal(&addr, &again));
    }
}

static void a_host_stands_without_port_and_brackets(void **state)
{
    static const char *const wrong[] = {"", "10.0.0.2:80", "[::1]", "::1%2",
            "localhost", "10.0.0", "1.2.3.4::"};
    char text[ADDR_TEXT_BYTES];
    struct addr addr;

    (void)state;
    assert_true(addr_parse_host(bytes_text("10.0.0.2"), &addr));
    assert_string_equal(addr_format(&addr, text), "10.0.0.2:0");
    assert_true(addr_parse_host(bytes_text("2001:db8::1"), &addr));
    assert_string_equal(addr_format(&addr, text), "[2001:db8::1]:0");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        print_message("\"%s\"\n", wrong[i]);
        assert_false(addr_parse_host(bytes_text(wrong[i]), &addr));
    }
}

struct kind {
    const char *text;
    bool is_wildcard;
    bool is_loopback;
    bool is_multicast;
    bool is_target;
};

static void the_kinds_of_address_are_told_apart(void **state)
{
    static const struct kind kinds[] = {
            {"10.0.0.2:7742", false, false, false, true},
            {"10.0.0.2:0", false, false, false, false},
            {"0.0.0.0:7742", true, false, false, false},
            {"[::]:7742", true, false, false, false},
            {"[::ffff:0.0.0.0]:7742", true, false, false, false},
            {"127.0.0.1:7742", false, true, false, true},
            {"127.255.0.9:7742", false, true, false, true},
            {"128.0.0.1:7742", false, false, false, true},
            {"[::1]:7742", false, true, false, true},
            {"[::2]:7742", false, false, false, true},
            {"[::ffff:127.0.0.1]:7742", false, true, false, true},
            {"223.255.255.255:1", false, false, false, true},
            {"224.0.0.1:1", false, false, true, false},
            {"239.255.255.255:1", false, false, true, false},
            {"255.255.255.255:1", false, false, true, false},
            {"[ff02::1]:1", false, false, true, false},
            {"[::ffff:224.0.0.1]:1", false, false, true, false},
            {"[fe80::1]:1", false, false, false, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct addr addr;

        print_message("%s\n", kinds[i].text);
        assert_true(addr_parse(bytes_text(kinds[i].text), &addr));
        assert_int_equal(addr_is_wildcard(&addr), kinds[i].is_wildcard);
        assert_int_equal(addr_is_loopback(&addr), kinds[i].is_loopback);
        assert_int_equal(addr_is_multicast(&addr), kinds[i].is_multicast);
        assert_int_equal(addr_is_target(&addr), kinds[i].is_target);
    }
    assert_false(
            addr_is_target(&(struct addr){.family = ADDR_NONE, .port = 1}));
}

static void addresses_have_one_order(void **state)
{
    static const char *const sorted[] = {"1.2.3.4:80", "1.2.3.4:81",
            "1.2.3.5:1", "255.0.0.1:1", "[::1]:1", "[::1]:2", "[2001::]:1"};
    enum {
        COUNT = sizeof(sorted) / sizeof(sorted[0])
    };
    struct addr addrs[COUNT];

    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        assert_true(addr_parse(bytes_text(sorted[i]), &addrs[i]));
    }
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t j = 0; j < COUNT; j++) {
            int order = addr_compare(&addrs[i], &addrs[j]);

            assert_int_equal(order < 0, i < j);
            assert_int_equal(order > 0, i > j);
            assert_int_equal(addr_equal(&addrs[i], &addrs[j]), i == j);
        }
    }
    assert_true(addr_same_host(&addrs[0], &addrs[1]));
    assert_false(addr_same_host(&addrs[1], &addrs[2]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(every_text_is_read_or_refused),
            cmocka_unit_test(a_refused_text_leaves_the_address),
            cmocka_unit_test(what_is_written_reads_as_the_same_address),
            cmocka_unit_test(a_host_stands_without_port_and_brackets),
            cmocka_unit_test(the_kinds_of_address_are_told_apart),
            cmocka_unit_test(addresses_have_one_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
