/* Which address the others are told; on a machine whose routes are not known
 * to the test, so only what holds on any of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/advertise_posix.h"

static void a_concrete_address_is_its_own(void **context)
{
    struct addr bind = addr_ipv4(10, 1, 2, 3, 7741);
    struct addr host;

    (void)context;
    assert_int_equal(advertise_auto(&bind, NULL, 0, &host, NULL), 0);
    assert_true(addr_same_host(&host, &bind));
    assert_int_equal(host.port, 0);
}

static void a_seed_shows_the_way_out(void **context)
{
    struct addr bind = addr_ipv4(0, 0, 0, 0, 7741);
    struct addr seed = addr_ipv4(127, 0, 0, 1, 7742);
    struct addr host;

    (void)context;
    assert_int_equal(advertise_auto(&bind, &seed, 1, &host, NULL), 0);
    assert_true(addr_same_host(&host, &seed));
}

/* A machine's own name is often 127.0.1.1 to itself: nobody else would find us
 * there. */
static void a_seed_that_is_ourselves_shows_nothing(void **context)
{
    struct addr bind = addr_ipv4(0, 0, 0, 0, 7741);
    const struct addr seeds[] = {
            addr_ipv4(127, 0, 1, 1, 7741), addr_ipv4(127, 0, 0, 5, 7742)};
    struct addr host;
    struct error err;

    (void)context;
    if (advertise_auto(&bind, seeds, 1, &host, &err) == 0) {
        assert_false(addr_is_loopback(&host));
    }
    assert_int_equal(advertise_auto(&bind, seeds, 2, &host, NULL), 0);
    assert_true(addr_is_loopback(&host)); /* by the second */
}

static void a_seed_of_the_other_family_shows_nothing(void **context)
{
    struct addr bind = {.family = ADDR_IPV6, .port = 7741};
    struct addr seed = addr_ipv4(127, 0, 0, 1, 7742);
    struct addr host;

    (void)context;
    if (advertise_auto(&bind, &seed, 1, &host, NULL) == 0) {
        assert_int_equal(host.family, ADDR_IPV6);
        assert_false(addr_is_loopback(&host));
    }
}

int main(void)
{
    const struct CMUnitTest cases[] = {
            cmocka_unit_test(a_concrete_address_is_its_own),
            cmocka_unit_test(a_seed_shows_the_way_out),
            cmocka_unit_test(a_seed_that_is_ourselves_shows_nothing),
            cmocka_unit_test(a_seed_of_the_other_family_shows_nothing),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
