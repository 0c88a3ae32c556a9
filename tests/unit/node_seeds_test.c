/* Seeds: numbers are there at once, names after a lookup, and one that does not
 * resolve is said once and ends nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/seeds_uv.h"

enum {
    PATIENCE_MS = 20000,
};

struct fixture {
    uv_loop_t loop;
    uv_timer_t patience;
    struct conf_seeds settings;
    struct seeds_uv seeds;
    unsigned resolved;
    unsigned failed;
    char sentence[CONF_HOST_BYTES + 200];
    bool is_late;
};

static void on_resolved(void *owner)
{
    struct fixture *f = owner;

    f->resolved++;
}

static void on_failed(void *owner, const char *sentence)
{
    struct fixture *f = owner;

    f->failed++;
    (void)snprintf(f->sentence, sizeof(f->sentence), "%s", sentence);
}

static void on_patience(uv_timer_t *timer)
{
    struct fixture *f = timer->data;

    f->is_late = true;
}

static int open_loop(void **context)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    assert_int_equal(uv_loop_init(&f->loop), 0);
    assert_int_equal(uv_timer_init(&f->loop, &f->patience), 0);
    f->patience.data = f;
    uv_timer_start(&f->patience, on_patience, PATIENCE_MS, 0);
    *context = f;
    return 0;
}

static int close_loop(void **context)
{
    struct fixture *f = *context;

    seeds_uv_close(&f->seeds);
    seeds_uv_close(&f->seeds); /* may be called twice */
    uv_close((uv_handle_t *)&f->patience, NULL);
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    free(f);
    return 0;
}

static void add(struct fixture *f, const char *host, uint16_t port)
{
    struct conf_seed *seed = &f->settings.items[f->settings.count++];

    (void)snprintf(seed->host, sizeof(seed->host), "%s", host);
    seed->port = port;
}

static void init(struct fixture *f)
{
    seeds_uv_init(&f->seeds, &f->loop, &f->settings);
    f->seeds.owner = f;
    f->seeds.on_resolved = on_resolved;
    f->seeds.on_failed = on_failed;
}

static void run_until_settled(struct fixture *f)
{
    while (!seeds_uv_settled(&f->seeds)) {
        assert_false(f->is_late);
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    }
}

static void numbers_are_there_before_the_start(void **context)
{
    struct fixture *f = *context;
    struct addr addrs[SEEDS_ADDRS_MAX];
    struct addr wanted = addr_ipv4(10, 0, 0, 2, 7741);

    add(f, "10.0.0.2", 7741);
    add(f, "fd00::7", 7742);
    init(f);
    assert_true(seeds_uv_settled(&f->seeds));
    assert_int_equal(seeds_uv_addrs(&f->seeds, addrs), 2);
    assert_true(addr_equal(&addrs[0], &wanted));
    assert_int_equal(addrs[1].family, ADDR_IPV6);
    assert_int_equal(addrs[1].port, 7742);
    seeds_uv_start(&f->seeds);
    assert_int_equal(f->resolved + f->failed, 0); /* nothing to look up */
}

static void a_name_becomes_its_addresses_with_our_port(void **context)
{
    struct fixture *f = *context;
    struct addr addrs[SEEDS_ADDRS_MAX];
    size_t count;

    add(f, "localhost", 7741);
    init(f);
    assert_int_equal(seeds_uv_addrs(&f->seeds, addrs), 0);
    assert_false(seeds_uv_settled(&f->seeds));
    seeds_uv_start(&f->seeds);
    run_until_settled(f);
    count = seeds_uv_addrs(&f->seeds, addrs);
    assert_true(count > 0);
    for (size_t i = 0; i < count; i++) {
        assert_true(addr_is_loopback(&addrs[i]));
        assert_int_equal(addrs[i].port, 7741);
    }
    assert_int_equal(f->resolved, 1);
}

/* A label of 64 bytes is one too many for any resolver: none is asked. */
static void a_name_that_does_not_resolve_is_said_once(void **context)
{
    struct fixture *f = *context;
    struct addr addrs[SEEDS_ADDRS_MAX];
    char host[65];

    memset(host, 'a', 64);
    host[64] = '\0';
    add(f, host, 7741);
    add(f, "10.0.0.2", 7741);
    init(f);
    seeds_uv_start(&f->seeds);
    run_until_settled(f);
    assert_int_equal(f->failed, 1);
    assert_non_null(strstr(f->sentence, host));
    assert_non_null(strstr(f->sentence, "does not resolve"));
    assert_int_equal(seeds_uv_addrs(&f->seeds, addrs), 1);
    seeds_uv_joined(&f->seeds, true);
    seeds_uv_joined(&f->seeds, false); /* looks again at once */
    while (f->seeds.names[0].resolving) {
        assert_false(f->is_late);
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    }
    assert_int_equal(f->failed, 1);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, open_loop, close_loop)

int main(void)
{
    const struct CMUnitTest cases[] = {
            CASE(numbers_are_there_before_the_start),
            CASE(a_name_becomes_its_addresses_with_our_port),
            CASE(a_name_that_does_not_resolve_is_said_once),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
