/* The memory of those who were removed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gossip/gossip_removed.h"

static int setup(void **context)
{
    static struct gossip_removed removed;

    assert_int_equal(gossip_removed_init(&removed, 3, 7), 0);
    *context = &removed;
    return 0;
}

static int teardown(void **context)
{
    gossip_removed_close(*context);
    return 0;
}

static struct gossip_id id_of(uint64_t generation)
{
    return (struct gossip_id){.node_id = bytes_text("node-1"),
            .generation = generation,
            .addr = addr_ipv4(10, 0, 0, 1, 7946)};
}

static void put(struct gossip_removed *r, uint64_t generation, uint64_t beat)
{
    struct gossip_id id = id_of(generation);

    gossip_removed_put(r, &id, beat);
}

static bool refuses(
        const struct gossip_removed *r, uint64_t generation, uint64_t beat)
{
    struct gossip_id id = id_of(generation);

    return gossip_removed_refuses(r, &id, beat);
}

static void only_a_higher_heartbeat_is_news(void **context)
{
    struct gossip_removed *r = *context;

    assert_false(refuses(r, 1, 1));
    put(r, 1, 5);
    assert_true(refuses(r, 1, 4));
    assert_true(refuses(r, 1, 5));
    assert_false(refuses(r, 1, 6));
    assert_false(refuses(r, 2, 1));
}

static bool has(const struct gossip_removed *r, uint64_t generation)
{
    struct gossip_id id = id_of(generation);

    return gossip_removed_has(r, &id);
}

static void who_was_removed_is_remembered_until_it_is_let_in(void **context)
{
    struct gossip_removed *r = *context;
    struct gossip_id id = id_of(1);

    assert_false(has(r, 1));
    put(r, 1, 5);
    assert_true(has(r, 1));
    assert_false(has(r, 2));
    gossip_removed_drop(r, &id);
    assert_false(has(r, 1));
}

static void each_part_of_the_identity_counts(void **context)
{
    struct gossip_removed *r = *context;
    struct gossip_id id = id_of(1);

    put(r, 1, 5);
    id.addr.port++;
    assert_false(gossip_removed_refuses(r, &id, 1));
    id = id_of(1);
    id.addr.octets[3]++;
    assert_false(gossip_removed_refuses(r, &id, 1));
    id = id_of(1);
    id.node_id = bytes_text("node-2");
    assert_false(gossip_removed_refuses(r, &id, 1));
}

static void the_oldest_gives_way(void **context)
{
    struct gossip_removed *r = *context;

    for (uint64_t generation = 1; generation <= 4; generation++) {
        put(r, generation, 5);
    }
    assert_false(refuses(r, 1, 5));
    assert_true(refuses(r, 2, 5));
    assert_true(refuses(r, 3, 5));
    assert_true(refuses(r, 4, 5));
    assert_int_equal(r->count, 3);
}

static void who_is_removed_again_is_the_latest(void **context)
{
    struct gossip_removed *r = *context;

    put(r, 1, 5);
    put(r, 2, 5);
    put(r, 1, 9);
    assert_int_equal(r->count, 2);
    assert_true(refuses(r, 1, 9));
    put(r, 3, 5);
    put(r, 4, 5);
    assert_false(refuses(r, 2, 5));
    assert_true(refuses(r, 1, 9));
    assert_int_equal(r->count, 3);
}

static void who_is_let_in_is_forgotten(void **context)
{
    struct gossip_removed *r = *context;
    struct gossip_id id = id_of(1);

    put(r, 1, 5);
    put(r, 2, 5);
    gossip_removed_drop(r, &id);
    gossip_removed_drop(r, &id);
    assert_false(refuses(r, 1, 1));
    assert_true(refuses(r, 2, 5));
    assert_int_equal(r->count, 1);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest cases[] = {
            CASE(only_a_higher_heartbeat_is_news),
            CASE(who_was_removed_is_remembered_until_it_is_let_in),
            CASE(each_part_of_the_identity_counts),
            CASE(the_oldest_gives_way),
            CASE(who_is_removed_again_is_the_latest),
            CASE(who_is_let_in_is_forgotten),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
