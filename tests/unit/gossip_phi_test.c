/* The failure detector. The numbers in the names are those of the checklist
 * of observable behaviours in docs/wire.md; the cases that need a member table
 * are in gossip_members_test.c. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gossip/gossip_phi.h"

enum {
    WINDOW_MAX = 1000,
};

struct detector {
    struct gossip_phi_options options;
    struct gossip_phi phi;
    uint32_t gaps_ms[WINDOW_MAX];
};

/* chitchat's own settings. */
static void init(struct detector *d)
{
    d->options = (struct gossip_phi_options){.threshold = 8.0,
            .window = 1000,
            .max_interval_ms = 10000,
            .prior_ms = 5000};
    gossip_phi_init(&d->phi, &d->options, d->gaps_ms);
}

static void assert_near(double a, double b)
{
    assert_true(fabs(a - b) < 1e-9);
}

static uint64_t hear(
        struct detector *d, uint64_t now_ms, uint64_t gap_ms, size_t times)
{
    for (size_t i = 0; i < times; i++) {
        now_ms += gap_ms;
        gossip_phi_news(&d->phi, now_ms);
    }
    return now_ms;
}

static void s19_58_a_single_update_is_not_alive(void **context)
{
    struct detector d;

    (void)context;
    init(&d);
    gossip_phi_news(&d.phi, 1000);
    assert_false(gossip_phi_is_defined(&d.phi));
    assert_false(gossip_phi_is_alive(&d.phi, 1000));
}

static void s19_60_silence_kills_and_news_revives(void **context)
{
    struct detector d;
    uint64_t now_ms;

    (void)context;
    init(&d);
    now_ms = hear(&d, 0, 1000, 200);
    assert_true(gossip_phi_is_alive(&d.phi, now_ms));
    assert_false(gossip_phi_is_alive(&d.phi, now_ms + 20000));
    gossip_phi_clear(&d.phi);
    now_ms = hear(&d, now_ms + 20000, 1000, 3);
    assert_true(gossip_phi_is_alive(&d.phi, now_ms));
}

static void s19_61_the_prior_dominates_at_first(void **context)
{
    struct detector d;
    uint64_t now_ms;

    (void)context;
    init(&d);
    gossip_phi_news(&d.phi, 0);
    now_ms = hear(&d, 1000 - 200, 200, 5);
    assert_true(gossip_phi_is_alive(&d.phi, now_ms + 6000));
    assert_false(gossip_phi_is_alive(&d.phi, now_ms + 46000));
}

static void s19_62_a_thousand_gaps_outweigh_the_prior(void **context)
{
    struct detector d;
    uint64_t now_ms;

    (void)context;
    init(&d);
    now_ms = hear(&d, 0, 200, 1000);
    assert_true(gossip_phi_is_alive(&d.phi, now_ms));
    assert_false(gossip_phi_is_alive(&d.phi, now_ms + 6000));
}

static void s19_63_64_mean_and_phi_to_the_digit(void **context)
{
    struct detector d;

    (void)context;
    init(&d);
    d.options.window = 10;
    d.options.max_interval_ms = 5000;
    d.options.prior_ms = 2000;
    gossip_phi_news(&d.phi, 0);
    gossip_phi_news(&d.phi, 3000);
    assert_near(gossip_phi_mean_ms(&d.phi), 13000.0 / 6);
    assert_near(gossip_phi_at(&d.phi, 3000), 0.0);
    assert_near(gossip_phi_at(&d.phi, 4000), 1000.0 / (13000.0 / 6));
    gossip_phi_news(&d.phi, 9000);
    assert_near(gossip_phi_mean_ms(&d.phi), 13000.0 / 6);
    assert_near(gossip_phi_at(&d.phi, 11000), 2000.0 / (13000.0 / 6));

    gossip_phi_clear(&d.phi);
    gossip_phi_news(&d.phi, 111000);
    assert_false(gossip_phi_is_defined(&d.phi));
    gossip_phi_news(&d.phi, 113000);
    assert_near(gossip_phi_at(&d.phi, 117000), 4000.0 / (12000.0 / 6));
}

static void a_gap_of_just_the_longest_interval_counts(void **context)
{
    static const struct {
        uint64_t gap_ms;
        size_t gaps;
    } ROWS[] = {{9999, 1}, {10000, 1}, {10001, 0}};

    (void)context;
    for (size_t i = 0; i < 3; i++) {
        struct detector d;

        init(&d);
        gossip_phi_news(&d.phi, 0);
        gossip_phi_news(&d.phi, ROWS[i].gap_ms);
        assert_int_equal(d.phi.gap_count, ROWS[i].gaps);
    }
}

static void s19_65_the_ring_holds_the_last_gaps(void **context)
{
    struct detector d;
    uint64_t now_ms = 0;

    (void)context;
    init(&d);
    d.options.window = 5;
    d.options.prior_ms = 0;
    gossip_phi_news(&d.phi, 0);
    for (uint64_t gap = 1; gap <= 9; gap++) {
        uint64_t oldest = gap <= 5 ? 1 : gap - 4;
        uint64_t sum = 0;

        now_ms = hear(&d, now_ms, gap, 1);
        for (uint64_t g = oldest; g <= gap; g++) {
            sum += g;
        }
        assert_int_equal(d.phi.gap_count, gap - oldest + 1);
        assert_int_equal(d.phi.sum_ms, sum);
    }
}

/* What was measured of chitchat: gaps of half a second, the default prior. */
static void the_silence_until_death_shrinks_with_experience(void **context)
{
    static const struct {
        size_t gaps;
        double silence_ms;
    } ROWS[] = {{1, 34000.0}, {8, 17846.0}, {98, 5747.0}, {1000, 4179.0}};

    (void)context;
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        struct detector d;
        uint64_t now_ms;

        init(&d);
        now_ms = hear(&d, 0, 500, ROWS[i].gaps + 1);
        assert_int_equal(gossip_phi_deadline_ms(&d.phi),
                now_ms + (uint64_t)ROWS[i].silence_ms + 1);
    }
}

static void the_deadline_is_the_first_moment_of_death(void **context)
{
    struct detector d;
    uint64_t deadline_ms;

    (void)context;
    init(&d);
    hear(&d, 0, 500, 10);
    deadline_ms = gossip_phi_deadline_ms(&d.phi);
    assert_true(gossip_phi_at(&d.phi, deadline_ms - 1) <= 8.0);
    assert_true(gossip_phi_at(&d.phi, deadline_ms) > 8.0);
    assert_true(gossip_phi_is_alive(&d.phi, deadline_ms - 1));
    assert_false(gossip_phi_is_alive(&d.phi, deadline_ms));
}

static void a_floor_keeps_a_chatty_cluster_patient(void **context)
{
    struct detector d;
    uint64_t now_ms;

    (void)context;
    init(&d);
    d.options.prior_ms = 500;
    d.options.min_mean_ms = 500;
    now_ms = hear(&d, 0, 20, 1000);
    assert_near(gossip_phi_mean_ms(&d.phi), 500.0);
    assert_true(gossip_phi_is_alive(&d.phi, now_ms + 4000));
    assert_false(gossip_phi_is_alive(&d.phi, now_ms + 4001));
}

static void time_in_which_nobody_listened_is_no_silence(void **context)
{
    struct detector d;
    uint64_t now_ms;

    (void)context;
    init(&d);
    d.options.prior_ms = 500;
    now_ms = hear(&d, 0, 500, 10);
    now_ms += 60000;
    assert_false(gossip_phi_is_alive(&d.phi, now_ms));
    gossip_phi_excuse(&d.phi, 59500, now_ms);
    assert_near(gossip_phi_at(&d.phi, now_ms), 1.0);
    gossip_phi_excuse(&d.phi, 59500, now_ms);
    assert_near(gossip_phi_at(&d.phi, now_ms), 0.0);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
            cmocka_unit_test(s19_58_a_single_update_is_not_alive),
            cmocka_unit_test(s19_60_silence_kills_and_news_revives),
            cmocka_unit_test(s19_61_the_prior_dominates_at_first),
            cmocka_unit_test(s19_62_a_thousand_gaps_outweigh_the_prior),
            cmocka_unit_test(s19_63_64_mean_and_phi_to_the_digit),
            cmocka_unit_test(a_gap_of_just_the_longest_interval_counts),
            cmocka_unit_test(s19_65_the_ring_holds_the_last_gaps),
            cmocka_unit_test(the_silence_until_death_shrinks_with_experience),
            cmocka_unit_test(the_deadline_is_the_first_moment_of_death),
            cmocka_unit_test(a_floor_keeps_a_chatty_cluster_patient),
            cmocka_unit_test(time_in_which_nobody_listened_is_no_silence),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
