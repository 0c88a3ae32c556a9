/* What Weft promises of its gossip, as numbers, in virtual time: convergence
 * (P1), detection (P2), accuracy (P3), healing (P4), monotonicity (P5). Times
 * are in intervals.
 *
 * The hour of P3 is run in full by a build without sanitizers; with them, ten
 * minutes, for they are six times as slow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/sim/sim.h"

#if defined(__SANITIZE_ADDRESS__)
enum {
    LONG_RUN_MINUTES = 10,
};
#else
enum {
    LONG_RUN_MINUTES = 60,
};
#endif

static struct sim *settled(size_t nodes, double loss, uint64_t seed)
{
    struct sim *sim = sim_new(&(struct sim_options){.nodes = nodes,
            .seed = seed,
            .loss = loss,
            .doubled = 0.02,
            .delay_min_ms = 1,
            .delay_max_ms = 30});

    assert_true(sim_within(sim, sim_all_agree, 0, 60000));
    return sim;
}

static double in_intervals(const struct sim *sim, uint64_t ms)
{
    return (double)ms / (double)sim_interval_ms(sim);
}

static void p1_a_write_reaches_everybody(void **context)
{
    static const struct {
        size_t nodes;
        double loss;
        double intervals;
    } ROWS[] = {{3, 0.0, 3}, {10, 0.0, 3}, {100, 0.0, 3}, {3, 0.3, 8},
            {10, 0.3, 8}, {100, 0.3, 8}};

    (void)context;
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        struct sim *sim = settled(ROWS[i].nodes, ROWS[i].loss, 100 + i);
        double p99;

        for (size_t k = 0; k < 400; k++) {
            sim_run(sim, 17);
            sim_probe(sim, k * 7 % ROWS[i].nodes);
        }
        sim_run_intervals(sim, 20);
        p99 = in_intervals(sim, sim_probe_ms(sim, 0.99));
        printf("%zu nodes, loss %.1f: p50 %.1f, p99 %.1f of %.0f intervals\n",
                ROWS[i].nodes, ROWS[i].loss,
                in_intervals(sim, sim_probe_ms(sim, 0.5)), p99,
                ROWS[i].intervals);
        assert_true(p99 <= ROWS[i].intervals);
        sim_free(sim);
    }
}

static void p2_a_crash_is_found_by_every_survivor(void **context)
{
    static const struct {
        size_t nodes;
        double loss;
    } ROWS[] = {{3, 0.0}, {10, 0.1}, {100, 0.0}, {100, 0.1}};

    (void)context;
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        struct sim *sim = settled(ROWS[i].nodes, ROWS[i].loss, 200 + i);
        double worst = 0;

        sim_run_intervals(sim, 20);
        for (size_t victim = 1; victim < 6 && victim < ROWS[i].nodes;
                victim++) {
            uint64_t start_ms = sim_now_ms(sim);
            double took;

            sim_kill(sim, victim);
            assert_true(sim_agrees_down_within(
                    sim, victim, 12 * sim_interval_ms(sim)));
            took = in_intervals(sim, sim_now_ms(sim) - start_ms);
            worst = took > worst ? took : worst;
        }
        printf("%zu nodes, loss %.1f: dead everywhere after %.1f intervals at "
               "most\n",
                ROWS[i].nodes, ROWS[i].loss, worst);
        assert_int_equal(sim_false_deaths(sim), 0);
        sim_free(sim);
    }
}

/* Cut off is as dead as crashed, and both sides find so. */
static void p2_who_is_cut_off_is_found_dead(void **context)
{
    struct sim *sim = settled(10, 0.1, 210);

    (void)context;
    sim_isolate(sim, 4);
    assert_false(sim_agrees_down_within(sim, 4, 7 * sim_interval_ms(sim)));
    assert_true(sim_agrees_down_within(sim, 4, 5 * sim_interval_ms(sim)));
    assert_int_equal(gossip_live_count(sim_gossip(sim, 4)), 0);
    sim_free(sim);
}

static void p3_nobody_is_buried_alive_under_loss(void **context)
{
    struct sim *sim = settled(50, 0.3, 300);

    (void)context;
    printf("%d minutes\n", LONG_RUN_MINUTES);
    for (int minute = 0; minute < LONG_RUN_MINUTES; minute++) {
        sim_run(sim, 60000);
        assert_int_equal(sim_false_deaths(sim), 0);
    }
    assert_true(sim_all_agree(sim, 0));
    sim_free(sim);
}

static void be_hasty(struct gossip_options *options)
{
    options->phi.threshold = 2.0;
}

/* The measure itself: impatience is seen as what it is. */
static void p3_a_hasty_threshold_does_bury(void **context)
{
    struct sim *sim = sim_new(&(struct sim_options){.nodes = 10,
            .seed = 301,
            .loss = 0.3,
            .delay_min_ms = 1,
            .delay_max_ms = 30,
            .tune = be_hasty});

    (void)context;
    sim_run(sim, 60000);
    assert_true(sim_false_deaths(sim) > 0);
    sim_free(sim);
}

static void p3_a_pause_of_five_intervals_buries_nobody(void **context)
{
    static const size_t SIZES[] = {2, 3, 5, 10, 50};

    (void)context;
    for (size_t i = 0; i < sizeof(SIZES) / sizeof(SIZES[0]); i++) {
        struct sim *sim = settled(SIZES[i], 0.0, 310 + i);

        printf("%zu nodes\n", SIZES[i]);
        for (size_t round = 0; round < 10; round++) {
            size_t node = round % SIZES[i];
            size_t live = gossip_live_count(sim_gossip(sim, node));

            sim_run_intervals(sim, 10);
            sim_pause(sim, node);
            sim_run_intervals(sim, 5);
            assert_true(sim_agrees_up(sim, node));
            sim_resume(sim, node);
            assert_int_equal(gossip_live_count(sim_gossip(sim, node)), live);
            sim_run_intervals(sim, 10);
            assert_true(sim_all_agree(sim, 0));
        }
        assert_int_equal(sim_false_deaths(sim), 0);
        sim_free(sim);
    }
}

/* A minute away: the others find it dead, and it finds nobody dead. */
static void p3_a_late_observer_judges_nobody(void **context)
{
    static const size_t SIZES[] = {2, 3, 10};

    (void)context;
    for (size_t i = 0; i < sizeof(SIZES) / sizeof(SIZES[0]); i++) {
        struct sim *sim = settled(SIZES[i], 0.0, 320 + i);

        sim_run_intervals(sim, 20);
        sim_pause(sim, 1);
        sim_run(sim, 60000);
        assert_true(sim_agrees_down(sim, 1));
        sim_resume(sim, 1);
        assert_int_equal(gossip_live_count(sim_gossip(sim, 1)), SIZES[i] - 1);
        sim_run_intervals(sim, 10);
        assert_true(sim_all_agree(sim, 0));
        assert_int_equal(sim_false_deaths(sim), 0);
        sim_free(sim);
    }
}

/* Room for all the lives of everybody. */
static void many_generations(struct gossip_options *options)
{
    options->members_max = 1000;
}

/* Pauses of any length at any moment: whoever was found dead meanwhile is told
 * of it in time to ask, and up to five intervals nobody needs to. */
static void p3_who_is_found_dead_while_away_is_told(void **context)
{
    static const size_t SIZES[] = {2, 3, 5, 10};
    size_t convictions = 0;
    size_t latenesses = 0;

    (void)context;
    for (size_t i = 0; i < sizeof(SIZES) / sizeof(SIZES[0]); i++) {
        struct sim *sim = sim_new(&(struct sim_options){.nodes = SIZES[i],
                .seed = 330 + i,
                .delay_min_ms = 1,
                .delay_max_ms = 30,
                .tune = many_generations});
        struct prng chance;

        prng_init(&chance, 330 + i);
        assert_true(sim_within(sim, sim_all_agree, 0, 60000));
        for (size_t round = 0; round < 40; round++) {
            size_t node = (size_t)prng_below(&chance, SIZES[i]);
            size_t before = sim_latenesses(sim, node);
            uint64_t away_ms = prng_below(&chance, 12 * sim_interval_ms(sim));
            size_t told;

            sim_run(sim, 10000 + prng_below(&chance, 1000));
            sim_pause(sim, node);
            sim_run(sim, away_ms);
            sim_resume(sim, node);
            sim_run_intervals(sim, 4);
            told = sim_latenesses(sim, node) - before;
            assert_true(told <= (away_ms > 5 * sim_interval_ms(sim) ? 1 : 0));
            assert_true(told == 1 || !sim_was_convicted(sim, node));
            convictions += sim_was_convicted(sim, node) ? 1 : 0;
            latenesses += told;
            sim_restart(sim, node);
            assert_true(sim_within(sim, sim_all_agree, 0, 60000));
        }
        sim_free(sim);
    }
    printf("%zu of 160 were found dead, %zu were told that they may have "
           "been\n",
            convictions, latenesses);
    assert_true(convictions > 0);
}

static uint64_t healing_ms(const struct sim *sim)
{
    return 10 * sim_interval_ms(sim) + 2000;
}

static void p4_halves_find_together_again(void **context)
{
    static const struct {
        size_t nodes;
        size_t first;
    } ROWS[] = {{2, 1}, {3, 1}, {10, 5}, {20, 3}, {50, 25}};

    (void)context;
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        struct sim *sim = settled(ROWS[i].nodes, 0.0, 400 + i);
        uint64_t start_ms;

        sim_run_intervals(sim, 20);
        sim_partition(sim, ROWS[i].first);
        sim_run(sim, 120000);
        assert_int_equal(
                gossip_live_count(sim_gossip(sim, 0)), ROWS[i].first - 1);
        sim_set(sim, 0, "side", "one");
        sim_set(sim, ROWS[i].first, "side", "two");
        sim_heal(sim);
        start_ms = sim_now_ms(sim);
        assert_true(sim_within(sim, sim_all_agree, 0, healing_ms(sim)));
        printf("%zu and %zu nodes: one cluster after %.1f intervals\n",
                ROWS[i].first, ROWS[i].nodes - ROWS[i].first,
                in_intervals(sim, sim_now_ms(sim) - start_ms));
        assert_true(sim_within(sim, sim_converged, 0, 5000));
        sim_free(sim);
    }
}

static void forget_quickly(struct gossip_options *options)
{
    options->dead_grace_ms = 20000;
}

/* No seed, and both have removed all of the other: only the addresses that
 * each keeps of those it removed lead across. */
static void p4_halves_that_forgot_each_other_find_together(void **context)
{
    struct sim *sim = sim_new(&(struct sim_options){.nodes = 10,
            .seed = 410,
            .delay_min_ms = 1,
            .delay_max_ms = 30,
            .tune = forget_quickly});

    (void)context;
    assert_true(sim_within(sim, sim_all_agree, 0, 60000));
    sim_run_intervals(sim, 20);
    for (size_t i = 0; i < 10; i++) {
        sim_seed(sim, i, i);
    }
    sim_partition(sim, 4);
    sim_run(sim, 120000);
    assert_false(sim_knows(sim, 0, 9));
    assert_false(sim_knows(sim, 9, 0));
    sim_heal(sim);
    assert_true(sim_within(sim, sim_all_agree, 0, 30000 + healing_ms(sim)));
    sim_free(sim);
}

/* A write, a deletion, a cut or a healing, at random. */
static void happen(struct sim *sim, struct prng *chance, size_t nodes)
{
    size_t node = (size_t)prng_below(chance, nodes);
    char key[16];

    snprintf(key, sizeof(key), "key-%d", (int)prng_below(chance, 6));
    switch (prng_below(chance, 6)) {
    case 0:
        sim_isolate(sim, node);
        return;
    case 1:
        sim_heal(sim);
        return;
    case 2:
        sim_restart(sim, node);
        return;
    case 3:
        (void)gossip_delete(
                sim_gossip(sim, node), sim_now_ms(sim), bytes_text(key), NULL);
        return;
    default:
        sim_set(sim, node, key, prng_below(chance, 2) == 0 ? "heads" : "tails");
        return;
    }
}

/* Datagrams are late, doubled and in any order: no copy of a key goes back, and
 * nothing deleted returns. */
static void p5_no_key_goes_back(void **context)
{
    (void)context;
    for (uint64_t seed = 500; seed < 504; seed++) {
        struct sim *sim = sim_new(&(struct sim_options){.nodes = 8,
                .seed = seed,
                .interval_ms = 200,
                .loss = 0.2,
                .doubled = 0.3,
                .delay_min_ms = 1,
                .delay_max_ms = 1500,
                .tune = many_generations});
        struct prng chance;

        prng_init(&chance, seed);
        sim_run(sim, 5000);
        for (int i = 0; i < 300; i++) {
            happen(sim, &chance, 8);
            sim_run(sim, prng_below(&chance, 700));
            assert_int_equal(sim_regressions(sim), 0);
        }
        sim_heal(sim);
        assert_true(sim_within(sim, sim_converged, 0, 60000));
        assert_int_equal(sim_regressions(sim), 0);
        sim_free(sim);
    }
}

int main(void)
{
    const struct CMUnitTest cases[] = {
            cmocka_unit_test(p1_a_write_reaches_everybody),
            cmocka_unit_test(p2_a_crash_is_found_by_every_survivor),
            cmocka_unit_test(p2_who_is_cut_off_is_found_dead),
            cmocka_unit_test(p3_nobody_is_buried_alive_under_loss),
            cmocka_unit_test(p3_a_hasty_threshold_does_bury),
            cmocka_unit_test(p3_a_pause_of_five_intervals_buries_nobody),
            cmocka_unit_test(p3_a_late_observer_judges_nobody),
            cmocka_unit_test(p3_who_is_found_dead_while_away_is_told),
            cmocka_unit_test(p4_halves_find_together_again),
            cmocka_unit_test(p4_halves_that_forgot_each_other_find_together),
            cmocka_unit_test(p5_no_key_goes_back),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
