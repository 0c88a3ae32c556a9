/* Stories of small clusters, from chitchat's own tests: the numbers are those
 * of the checklist of observable behaviours in docs/wire.md. Each is told by
 * the production core, in virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/sim/sim.h"

static struct sim *cluster(size_t nodes, uint64_t interval_ms, uint64_t seed,
        void (*tune)(struct gossip_options *))
{
    return sim_new(&(struct sim_options){.nodes = nodes,
            .seed = seed,
            .interval_ms = interval_ms,
            .delay_min_ms = 1,
            .delay_max_ms = 5,
            .tune = tune});
}

static struct sim *settled(size_t nodes, uint64_t interval_ms, uint64_t seed,
        void (*tune)(struct gossip_options *))
{
    struct sim *sim = cluster(nodes, interval_ms, seed, tune);

    assert_true(sim_within(sim, sim_all_agree, 0, 60000));
    return sim;
}

static void assert_sees(struct sim *sim, size_t node, size_t owner,
        const char *key, const char *value)
{
    const char *seen = sim_get(sim, node, owner, key);

    assert_non_null(seen);
    assert_string_equal(seen, value);
}

static void grace_10s(struct gossip_options *options)
{
    options->dead_grace_ms = 10000;
}

static void tombstones_1s(struct gossip_options *options)
{
    options->tombstone_grace_ms = 1000;
}

static void tombstones_5s(struct gossip_options *options)
{
    options->tombstone_grace_ms = 5000;
}

static void s19_77_five_nodes_see_five(void **context)
{
    struct sim *sim = cluster(5, 500, 77, NULL);

    (void)context;
    assert_true(sim_within(sim, sim_all_agree, 0, 5000));
    sim_free(sim);
}

static void s19_78_one_of_six_goes_and_comes_back(void **context)
{
    struct sim *sim = settled(6, 500, 78, NULL);

    (void)context;
    sim_kill(sim, 5);
    assert_true(sim_agrees_down_within(sim, 5, 10000));
    /* Under the same identity it counts only from its old heartbeat on. */
    sim_restart_same(sim, 5);
    assert_true(sim_within(sim, sim_agrees_up, 5, 60000));
    sim_kill(sim, 5);
    assert_true(sim_agrees_down_within(sim, 5, 60000));
    sim_restart(sim, 5);
    assert_true(sim_within(sim, sim_agrees_up, 5, 5000));
    sim_free(sim);
}

static void s19_79_what_the_dead_said_reaches_newcomers(void **context)
{
    struct sim *sim = cluster(3, 500, 79, NULL);

    (void)context;
    sim_hold(sim, 2);
    assert_true(sim_within(sim, sim_all_agree, 0, 10000));
    sim_set(sim, 0, "key", "last words");
    sim_run(sim, 2000);
    sim_kill(sim, 0);
    assert_true(sim_agrees_down_within(sim, 0, 10000));
    sim_restart_same(sim, 2);
    sim_seed(sim, 2, 1);
    assert_true(sim_within(sim, sim_agrees_up, 2, 10000));
    sim_run(sim, 2000);
    assert_sees(sim, 2, 0, "key", "last words");
    assert_false(sim_is_live(sim, 2, 0));
    assert_int_equal(gossip_dead_count(sim_gossip(sim, 2)), 1);
    sim_free(sim);
}

static void s19_80_the_dead_are_forgotten_after_their_grace(void **context)
{
    struct sim *sim = settled(6, 500, 80, grace_10s);

    (void)context;
    sim_kill(sim, 3);
    assert_true(sim_agrees_down_within(sim, 3, 10000));
    for (size_t i = 0; i < 6; i++) {
        assert_true(i == 3 || sim_knows(sim, i, 3));
    }
    assert_true(sim_within(sim, sim_forgot, 3, 10000 + 5000));
    sim_run(sim, 30000);
    assert_true(sim_forgot(sim, 3));
    assert_int_equal(sim_ghosts(sim), 0);
    sim_free(sim);
}

static void s19_82_alone_and_then_two(void **context)
{
    struct sim *sim = cluster(2, 500, 82, NULL);

    (void)context;
    sim_hold(sim, 1);
    sim_run(sim, 5000);
    assert_int_equal(gossip_member_count(sim_gossip(sim, 0)), 1);
    assert_true(sim_all_agree(sim, 0));
    sim_restart_same(sim, 1);
    assert_true(sim_within(sim, sim_all_agree, 0, 5000));
    assert_int_equal(gossip_live_count(sim_gossip(sim, 0)), 1);
    sim_free(sim);
}

static void s19_91_keys_of_two_cross_within_two_intervals(void **context)
{
    struct sim *sim = settled(2, 500, 91, NULL);

    (void)context;
    sim_set(sim, 0, "a", "1");
    sim_set(sim, 1, "b", "2");
    sim_run_intervals(sim, 2);
    assert_sees(sim, 1, 0, "a", "1");
    assert_sees(sim, 0, 1, "b", "2");
    assert_int_equal(gossip_counters(sim_gossip(sim, 0))->resets, 0);
    sim_free(sim);
}

static void s19_92_a_ttl_runs_out_everywhere(void **context)
{
    struct sim *sim = settled(2, 100, 92, tombstones_1s);

    (void)context;
    sim_set(sim, 0, "key", "v");
    sim_run(sim, 1000);
    assert_int_equal(gossip_delete_after_ttl(sim_gossip(sim, 0),
                             sim_now_ms(sim), bytes_text("key"), NULL),
            0);
    sim_run(sim, 300);
    assert_sees(sim, 0, 0, "key", "v");
    assert_sees(sim, 1, 0, "key", "v");
    sim_run(sim, 2700);
    assert_null(sim_get(sim, 0, 0, "key"));
    assert_null(sim_get(sim, 1, 0, "key"));
    sim_free(sim);
}

static void s19_93_nothing_crosses_a_cut(void **context)
{
    struct sim *sim = settled(2, 100, 93, NULL);

    (void)context;
    sim_isolate(sim, 1);
    sim_set(sim, 0, "key", "v");
    sim_run(sim, 5000);
    assert_null(sim_get(sim, 1, 0, "key"));
    sim_free(sim);
}

static void s19_94_98_a_collected_deletion_reaches_who_missed_it(void **context)
{
    struct sim *sim = settled(2, 100, 94, tombstones_1s);

    (void)context;
    sim_set(sim, 0, "gone", "v");
    sim_set(sim, 0, "kept", "v");
    sim_run(sim, 500);
    assert_sees(sim, 1, 0, "gone", "v");
    sim_isolate(sim, 1);
    sim_delete(sim, 0, "gone");
    sim_run(sim, 3000);
    assert_int_equal(gossip_self(sim_gossip(sim, 0))->state.last_gc_version, 3);
    assert_sees(sim, 1, 0, "gone", "v");
    assert_int_equal(gossip_counters(sim_gossip(sim, 1))->resets, 0);
    sim_rejoin(sim, 1);
    sim_run(sim, 500);
    assert_null(sim_get(sim, 1, 0, "gone"));
    assert_sees(sim, 1, 0, "kept", "v");
    assert_int_equal(gossip_counters(sim_gossip(sim, 1))->resets, 1);
    sim_free(sim);
}

static void s19_95_a_stale_key_disappears_at_second_hand(void **context)
{
    struct sim *sim = cluster(4, 100, 95, tombstones_1s);

    (void)context;
    sim_hold(sim, 3);
    assert_true(sim_within(sim, sim_all_agree, 0, 10000));
    sim_set(sim, 0, "gone", "v");
    sim_set(sim, 0, "kept", "v");
    sim_run(sim, 1000);
    sim_isolate(sim, 2);
    sim_delete(sim, 0, "gone");
    sim_run(sim, 3000);
    assert_null(sim_get(sim, 1, 0, "gone"));

    /* The newcomer knows nobody but the one that is cut off. */
    sim_link(sim, 2, 3);
    sim_link(sim, 3, 2);
    sim_restart_same(sim, 3);
    for (size_t i = 0; i < 2; i++) {
        sim_cut(sim, 3, i);
        sim_cut(sim, i, 3);
    }
    sim_seed(sim, 3, 2);
    sim_run(sim, 2000);
    assert_sees(sim, 3, 0, "gone", "v");

    for (size_t i = 0; i < 2; i++) {
        sim_link(sim, 2, i);
        sim_link(sim, i, 2);
    }
    sim_run(sim, 2000);
    assert_null(sim_get(sim, 2, 0, "gone"));
    assert_null(sim_get(sim, 3, 0, "gone"));
    assert_sees(sim, 3, 0, "kept", "v");
    sim_free(sim);
}

static void s19_96_four_thousand_keys_come_and_go(void **context)
{
    struct sim *sim = settled(20, 500, 96, tombstones_5s);
    char key[16];

    (void)context;
    for (size_t node = 0; node < 20; node++) {
        for (int i = 0; i < 200; i++) {
            snprintf(key, sizeof(key), "key-%03d", i);
            sim_set(sim, node, key, "some value");
        }
    }
    assert_true(sim_within(sim, sim_converged, 0, 10000));
    for (size_t node = 0; node < 20; node++) {
        for (int i = 0; i < 200; i++) {
            snprintf(key, sizeof(key), "key-%03d", i);
            sim_delete(sim, node, key);
        }
    }
    sim_run(sim, 10000);
    for (size_t node = 0; node < 20; node++) {
        struct gossip *g = sim_gossip(sim, node);

        for (size_t i = 0; i < gossip_member_count(g); i++) {
            assert_int_equal(gossip_member_at(g, i)->state.entries, 0);
        }
    }
    sim_free(sim);
}

static void s19_97_late_joiners_bring_back_no_ghost(void **context)
{
    struct sim *sim = cluster(12, 100, 97, grace_10s);

    (void)context;
    for (size_t i = 5; i < 12; i++) {
        sim_hold(sim, i);
    }
    assert_true(sim_within(sim, sim_all_agree, 0, 10000));
    sim_isolate(sim, 4);
    sim_run(sim, 12500);
    assert_true(sim_forgot(sim, 4));
    for (size_t i = 5; i < 12; i++) {
        sim_restart_same(sim, i);
        sim_isolate(sim, 4);
        sim_run(sim, 1000);
        assert_true(sim_forgot(sim, 4));
    }
    sim_run(sim, 10000);
    assert_true(sim_forgot(sim, 4));
    assert_int_equal(sim_ghosts(sim), 0);
    /* Its seed is node 0, whom it asks every round while nobody is live. */
    sim_rejoin(sim, 4);
    assert_true(sim_within(sim, sim_agrees_up, 4, 1000));
    sim_free(sim);
}

static void s19_99_five_and_one_seed(void **context)
{
    struct sim *sim = cluster(5, 500, 99, NULL);

    (void)context;
    sim_run(sim, 5000);
    assert_true(sim_all_agree(sim, 0));
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(gossip_live_count(sim_gossip(sim, i)), 4);
        assert_int_equal(gossip_dead_count(sim_gossip(sim, i)), 0);
    }
    sim_set(sim, 3, "key", "v");
    sim_run(sim, 2000);
    for (size_t i = 0; i < 5; i++) {
        assert_sees(sim, i, 3, "key", "v");
    }
    sim_free(sim);
}

static void s19_100_a_new_life_beside_the_old_one(void **context)
{
    struct sim *sim = settled(4, 500, 100, grace_10s);

    (void)context;
    sim_run(sim, 5000);
    sim_restart(sim, 2);
    assert_true(sim_within(sim, sim_agrees_up, 2, 5000));
    sim_run(sim, 5000);
    for (size_t i = 0; i < 4; i++) {
        if (i != 2) {
            struct gossip *g = sim_gossip(sim, i);

            assert_int_equal(gossip_member_count(g), 5);
            assert_int_equal(gossip_live_count(g), 3);
            assert_int_equal(gossip_dead_count(g), 1);
            assert_int_equal(
                    gossip_newest(g, bytes_text("node-3"))->id.generation, 2);
        }
    }
    sim_run(sim, 15000);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(gossip_member_count(sim_gossip(sim, i)), 4);
    }
    sim_free(sim);
}

/* The reference's performance tests: every 300 ms, a prior of 300 ms. */
static void s19_111_a_stop_is_found_in_ten_seconds(void **context)
{
    static const struct {
        size_t nodes;
        double loss;
        uint64_t within_ms;
    } ROWS[] = {{20, 0.0, 10000}, {40, 0.0, 10000}, {100, 0.0, 10000},
            {100, 0.5, 15000}};

    (void)context;
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        struct sim *sim = settled(ROWS[i].nodes, 300, 1110 + i, NULL);
        uint64_t start_ms;

        sim_set_loss(sim, ROWS[i].loss);
        sim_run(sim, 5000);
        sim_kill(sim, 7);
        start_ms = sim_now_ms(sim);
        assert_true(sim_agrees_down_within(sim, 7, ROWS[i].within_ms));
        printf("%zu nodes, loss %.1f: %d ms\n", ROWS[i].nodes, ROWS[i].loss,
                (int)(sim_now_ms(sim) - start_ms));
        sim_free(sim);
    }
}

static void s19_112_half_lost_is_nobody_lost(void **context)
{
    struct sim *sim = settled(10, 300, 112, NULL);

    (void)context;
    sim_run(sim, 5000);
    sim_set_loss(sim, 0.5);
    sim_run(sim, 30000);
    assert_int_equal(sim_false_deaths(sim), 0);
    sim_free(sim);
}

static void s19_113_steady_traffic_is_modest(void **context)
{
    static const struct {
        size_t nodes;
        double kilobytes;
    } ROWS[] = {{10, 15}, {20, 25}, {40, 50}, {100, 120}};

    (void)context;
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        struct sim *sim = settled(ROWS[i].nodes, 300, 1130 + i, NULL);
        struct sim_traffic before = sim_traffic(sim);
        struct sim_traffic after;
        double seconds = 10.0 * (double)ROWS[i].nodes;
        double kilobytes;
        double packets;

        sim_run(sim, 10000);
        after = sim_traffic(sim);
        kilobytes = (double)(after.bytes - before.bytes) / 1000.0 / seconds;
        packets = (double)(after.packets - before.packets) / seconds;
        printf("%zu nodes: %.1f kB/s and %.1f messages/s each\n", ROWS[i].nodes,
                kilobytes, packets);
        assert_true(kilobytes < ROWS[i].kilobytes);
        assert_true(packets < 50);
        sim_free(sim);
    }
}

/* --- our own --------------------------------------------------------------- */

/* Who is heard only by some is heard of by all. */
static void a_one_way_link_kills_nobody(void **context)
{
    struct sim *sim = settled(4, 500, 500, NULL);

    (void)context;
    sim_run(sim, 10000);
    sim_cut(sim, 1, 2);
    sim_run(sim, 60000);
    assert_true(sim_all_agree(sim, 0));
    assert_int_equal(sim_false_deaths(sim), 0);
    sim_set(sim, 1, "key", "v");
    sim_run(sim, 3000);
    assert_sees(sim, 2, 1, "key", "v");
    sim_free(sim);
}

/* Of two, the one that hears nothing finds the other dead. */
static void one_way_between_two_is_half_a_death(void **context)
{
    struct sim *sim = settled(2, 500, 501, NULL);

    (void)context;
    sim_run(sim, 10000);
    sim_cut(sim, 1, 0);
    sim_run(sim, 6000);
    assert_false(sim_is_live(sim, 0, 1));
    assert_true(sim_is_live(sim, 1, 0));
    sim_heal(sim);
    assert_true(sim_within(sim, sim_all_agree, 0, 7000));
    sim_free(sim);
}

static void the_same_seed_is_the_same_run(void **context)
{
    uint64_t prints[2];

    (void)context;
    for (size_t i = 0; i < 2; i++) {
        struct sim *sim = sim_new(&(struct sim_options){.nodes = 7,
                .seed = 4711,
                .loss = 0.2,
                .doubled = 0.1,
                .delay_min_ms = 1,
                .delay_max_ms = 80});

        sim_run(sim, 20000);
        sim_set(sim, 3, "key", "v");
        sim_restart(sim, 5);
        sim_run(sim, 20000);
        prints[i] = sim_fingerprint(sim);
        sim_free(sim);
    }
    assert_int_equal(prints[0], prints[1]);
}

/* One thing that may happen, at random. */
static void happen(struct sim *sim, struct prng *chance, size_t nodes)
{
    size_t node = (size_t)prng_below(chance, nodes);
    size_t other = (size_t)prng_below(chance, nodes);
    char key[16];

    snprintf(key, sizeof(key), "key-%d", (int)prng_below(chance, 20));
    switch (prng_below(chance, 8)) {
    case 0:
        sim_restart(sim, node);
        return;
    case 1:
        sim_isolate(sim, node);
        return;
    case 2:
        sim_cut(sim, node, other);
        return;
    case 3:
        sim_partition(sim, node);
        return;
    case 4:
        sim_set_loss(sim, (double)prng_below(chance, 60) / 100.0);
        return;
    case 5:
        sim_heal(sim);
        return;
    case 6:
        gossip_delete(
                sim_gossip(sim, node), sim_now_ms(sim), bytes_text(key), NULL);
        return;
    default:
        sim_set(sim, node, key, "v");
        return;
    }
}

static void short_graces(struct gossip_options *options)
{
    options->dead_grace_ms = 20000;
    options->tombstone_grace_ms = 3000;
}

/* Whatever has happened: heal, and all agree on who is there and what they
 * say. */
static void after_any_history_all_agree(void **context)
{
    (void)context;
    for (uint64_t seed = 0; seed < 6; seed++) {
        struct sim *sim = sim_new(&(struct sim_options){.nodes = 8,
                .seed = 600 + seed,
                .interval_ms = 200,
                .doubled = 0.1,
                .delay_min_ms = 1,
                .delay_max_ms = 150,
                .tune = short_graces});
        struct prng chance;

        prng_init(&chance, sim_fingerprint(sim) + 600 + seed);
        sim_run(sim, 2000);
        for (int i = 0; i < 100; i++) {
            happen(sim, &chance, 8);
            sim_run(sim, prng_below(&chance, 2000));
        }
        sim_heal(sim);
        assert_true(sim_within(sim, sim_all_agree, 0, 60000));
        assert_true(sim_within(sim, sim_converged, 0, 10000));
        sim_free(sim);
    }
}

int main(void)
{
    const struct CMUnitTest cases[] = {
            cmocka_unit_test(s19_77_five_nodes_see_five),
            cmocka_unit_test(s19_78_one_of_six_goes_and_comes_back),
            cmocka_unit_test(s19_79_what_the_dead_said_reaches_newcomers),
            cmocka_unit_test(s19_80_the_dead_are_forgotten_after_their_grace),
            cmocka_unit_test(s19_82_alone_and_then_two),
            cmocka_unit_test(s19_91_keys_of_two_cross_within_two_intervals),
            cmocka_unit_test(s19_92_a_ttl_runs_out_everywhere),
            cmocka_unit_test(s19_93_nothing_crosses_a_cut),
            cmocka_unit_test(
                    s19_94_98_a_collected_deletion_reaches_who_missed_it),
            cmocka_unit_test(s19_95_a_stale_key_disappears_at_second_hand),
            cmocka_unit_test(s19_96_four_thousand_keys_come_and_go),
            cmocka_unit_test(s19_97_late_joiners_bring_back_no_ghost),
            cmocka_unit_test(s19_99_five_and_one_seed),
            cmocka_unit_test(s19_100_a_new_life_beside_the_old_one),
            cmocka_unit_test(s19_111_a_stop_is_found_in_ten_seconds),
            cmocka_unit_test(s19_112_half_lost_is_nobody_lost),
            cmocka_unit_test(s19_113_steady_traffic_is_modest),
            cmocka_unit_test(a_one_way_link_kills_nobody),
            cmocka_unit_test(one_way_between_two_is_half_a_death),
            cmocka_unit_test(the_same_seed_is_the_same_run),
            cmocka_unit_test(after_any_history_all_agree),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
