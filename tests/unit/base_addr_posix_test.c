#include "base/addr_posix.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>

static struct addr addr_of(const char *text)
{
    struct addr addr;

    assert_true(addr_parse(bytes_text(text), &addr));
    return addr;
}

static void an_address_survives_the_system(void **state)
{
    static const char *const texts[] = {"0.0.0.0:0", "127.0.0.1:7741",
            "255.1.2.3:65535", "[::]:0", "[2001:db8::1]:7742",
            "[::ffff:10.0.0.1]:1"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct addr addr = addr_of(texts[i]);
        struct sockaddr_storage storage;
        struct addr again;
        socklen_t size = addr_posix_to_sockaddr(&addr, &storage);

        printf("  %s\n", texts[i]);
        assert_int_equal(size, addr.family == ADDR_IPV4
                                       ? sizeof(struct sockaddr_in)
                                       : sizeof(struct sockaddr_in6));
        assert_true(
                addr_posix_from_sockaddr((struct sockaddr *)&storage, &again));
        assert_true(addr_equal(&addr, &again));
    }
}

static void the_port_is_in_network_order(void **state)
{
    struct addr addr = addr_ipv4(10, 0, 0, 1, 0x1234);
    struct sockaddr_storage storage;
    struct sockaddr_in in;

    (void)state;
    (void)addr_posix_to_sockaddr(&addr, &storage);
    memcpy(&in, &storage, sizeof(in));
    assert_memory_equal(&in.sin_port, "\x12\x34", 2);
    assert_memory_equal(&in.sin_addr, "\x0a\0\0\x01", 4);
}

static void a_scope_and_other_families_are_refused(void **state)
{
    struct sockaddr_in6 scoped = {.sin6_family = AF_INET6, .sin6_scope_id = 2};
    struct sockaddr other = {.sa_family = AF_UNIX};
    struct addr addr;

    (void)state;
    assert_false(addr_posix_from_sockaddr((struct sockaddr *)&scoped, &addr));
    assert_false(addr_posix_from_sockaddr(&other, &addr));
}

static void mapping_and_unmapping_are_inverse(void **state)
{
    struct addr v4 = addr_of("10.0.0.2:80");
    struct addr v6 = addr_of("[2001:db8::2]:80");
    struct addr mapped = addr_posix_map(&v4);
    struct addr expected = addr_of("[::ffff:10.0.0.2]:80");
    struct addr back = addr_posix_unmap(&mapped);
    struct addr same = addr_posix_map(&v6);

    (void)state;
    assert_true(addr_equal(&mapped, &expected));
    assert_true(addr_equal(&back, &v4));
    assert_true(addr_equal(&same, &v6));
    same = addr_posix_unmap(&v6);
    assert_true(addr_equal(&same, &v6));
    same = addr_posix_unmap(&v4);
    assert_true(addr_equal(&same, &v4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(an_address_survives_the_system),
            cmocka_unit_test(the_port_is_in_network_order),
            cmocka_unit_test(a_scope_and_other_families_are_refused),
            cmocka_unit_test(mapping_and_unmapping_are_inverse),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
