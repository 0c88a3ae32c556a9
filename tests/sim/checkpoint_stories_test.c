/* Checkpoints of whole nodes, as stories: each kills, stops, cuts off or slows
 * somebody at every step of an attempt, and ends with what is promised. The
 * invariants of world_check.c hold in all of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/sim/world.h"

enum {
    ALIGN_MS = 3000,
    DETECTION_MS = 12 * 500, /* P2 */
    FAILOVER_MS = DETECTION_MS + 2000, /* P13 */
    STEPS = 40, /* effects of a node between an attempt's begin and its end */
};

static void tune(struct node_options *o)
{
    o->checkpoint.align_timeout_ms = ALIGN_MS;
    o->streams.align_timeout_ms = ALIGN_MS;
}

static struct world *cluster(size_t nodes, uint64_t seed)
{
    struct world *w = world_new(&(struct world_options){.nodes = nodes,
            .seed = seed,
            .link = {.delay_us = 200, .jitter_us = 300},
            .keeps = true,
            .keep_us = 3000,
            .is_quiet = true,
            .tune = tune});

    assert_true(world_within(w, world_agrees, 0, 30000));
    return w;
}

static size_t sink_at(struct world *w, uint64_t node)
{
    return world_sink(
            w, &(struct world_sink_options){.node = node, .stage = "words"});
}

static size_t source_at(struct world *w, uint64_t node, uint32_t sinks)
{
    return world_source(w, &(struct world_source_options){.node = node,
                                   .stage = "words",
                                   .sinks = sinks,
                                   .pace_us = 500});
}

/* Three nodes; a source at the first, sinks at the others, and records flow. */
struct flow {
    struct world *w;
    size_t source;
    size_t sinks[2];
};

static struct flow flow_of(uint64_t seed)
{
    struct flow f = {.w = cluster(3, seed)};

    f.sinks[0] = sink_at(f.w, 2);
    f.sinks[1] = sink_at(f.w, 3);
    f.source = source_at(f.w, 1, 2);
    assert_true(world_within(f.w, world_is_running, f.source, 5000));
    world_run(f.w, 300);
    return f;
}

static bool is_committed(struct world *w, uint64_t call)
{
    const struct world_program *p = world_program(w, call);

    return p->state == WORLD_DONE &&
           strstr(p->text, "\"outcome\":\"committed\"") != NULL;
}

/* Asks until a checkpoint is committed, as an operator would: for so long. */
static bool commits_within(struct world *w, uint64_t at, uint64_t ms)
{
    uint64_t end_ms = world_now_ms(w) + ms;

    while (world_now_ms(w) < end_ms) {
        size_t call = world_barrier(w, at);

        (void)world_within(w, world_is_over, call, end_ms - world_now_ms(w));
        if (is_committed(w, call)) {
            return true;
        }
        world_run(w, 20);
    }
    return false;
}

static void source_ends_well(struct flow *f)
{
    world_end(f->w, f->source);
    assert_true(world_within(f->w, world_is_over, f->source, 10000));
    assert_int_equal(world_program(f->w, f->source)->state, WORLD_DONE);
    world_check_end(f->w);
}

static void a_checkpoint_takes_round_trips(void **context)
{
    struct flow f = flow_of(1);
    size_t call = world_barrier(f.w, 2);

    (void)context;
    assert_true(world_within(f.w, world_is_over, call, 60));
    assert_true(is_committed(f.w, call));
    assert_int_equal(world_program(f.w, f.source)->marks_count, 1);
    assert_int_equal(world_program(f.w, f.sinks[0])->marks_count, 1);
    assert_int_equal(world_program(f.w, f.sinks[1])->marks_count, 1);
    assert_int_equal(world_program(f.w, f.source)->marks[0].records,
            world_program(f.w, f.sinks[0])->marks[0].records +
                    world_program(f.w, f.sinks[1])->marks[0].records);
    source_ends_well(&f);
    world_free(f.w);
}

/* --- somebody is hurt at each step -------------------------------------------- */

static void strike_at_each_step(enum world_strike strike, uint64_t victim,
        void (*judge)(struct flow *f, uint64_t victim))
{
    for (uint64_t step = 0; step < STEPS; step++) {
        struct flow f = flow_of(1000 * victim + step);
        uint64_t asker = victim == 2 ? 3 : 2;

        world_strike(f.w, victim, strike, step);
        (void)world_barrier(f.w, asker);
        world_run(f.w, 1 + step % 20);
        judge(&f, victim);
        world_check_end(f.w);
        world_free(f.w);
    }
}

static uint64_t other_than(uint64_t victim)
{
    return victim == 2 ? 3 : 2;
}

static void the_rest_goes_on(struct flow *f, uint64_t victim)
{
    assert_true(commits_within(f->w, other_than(victim), FAILOVER_MS));
    if (world_node(f->w, victim) == NULL) {
        world_restart(f->w, victim, true);
    }
    world_heal(f->w);
    assert_true(world_within(f->w, world_agrees, 0, 30000));
    assert_true(commits_within(f->w, victim, 2 * ALIGN_MS));
}

static void a_killed_leader_is_followed_by_another(void **context)
{
    (void)context;
    strike_at_each_step(WORLD_STRIKE_KILL, 1, the_rest_goes_on);
}

static void a_leader_whose_host_is_lost_is_followed(void **context)
{
    (void)context;
    strike_at_each_step(WORLD_STRIKE_LOSE, 1, the_rest_goes_on);
}

static void a_killed_follower_is_left_behind(void **context)
{
    (void)context;
    strike_at_each_step(WORLD_STRIKE_KILL, 3, the_rest_goes_on);
}

/* After detection, or after `patience` attempts that were lost to it. */
static void the_rest_goes_on_in_time(struct flow *f, uint64_t victim)
{
    assert_true(commits_within(
            f->w, other_than(victim), FAILOVER_MS + 2 * ALIGN_MS));
    world_heal(f->w);
    assert_true(world_within(f->w, world_agrees, 0, 30000));
    assert_true(commits_within(f->w, victim, 3 * ALIGN_MS + 10000));
}

static void a_leader_that_is_cut_off_is_followed(void **context)
{
    (void)context;
    strike_at_each_step(WORLD_STRIKE_CUT, 1, the_rest_goes_on_in_time);
}

static void a_follower_that_is_cut_off_is_left_behind(void **context)
{
    (void)context;
    strike_at_each_step(WORLD_STRIKE_CUT, 3, the_rest_goes_on_in_time);
}

static void a_leader_that_is_stopped_is_followed(void **context)
{
    (void)context;
    strike_at_each_step(WORLD_STRIKE_PAUSE, 1, the_rest_goes_on_in_time);
}

static void a_follower_that_is_stopped_is_left_behind(void **context)
{
    (void)context;
    strike_at_each_step(WORLD_STRIKE_PAUSE, 2, the_rest_goes_on_in_time);
}

/* It is back before anybody found it dead: nobody loses anything. */
static void a_short_stop_costs_nothing(struct flow *f, uint64_t victim)
{
    world_run(f->w, 700);
    world_resume(f->w, victim);
    assert_true(commits_within(f->w, victim, 2000));
    source_ends_well(f);
}

static void whoever_is_stopped_shortly_costs_nothing(void **context)
{
    (void)context;
    for (uint64_t victim = 1; victim <= 3; victim++) {
        strike_at_each_step(
                WORLD_STRIKE_PAUSE, victim, a_short_stop_costs_nothing);
    }
}

/* --- leaving -------------------------------------------------------------------- */

static void a_told_node_takes_no_record_with_it(void **context)
{
    (void)context;
    for (uint64_t id = 2; id <= 3; id++) {
        struct flow f = flow_of(20 + id);

        world_stop(f.w, id);
        assert_true(world_within(f.w, world_is_down, id, 8000));
        assert_true(world_is_running(f.w, f.source));
        assert_int_equal(
                world_program(f.w, f.sinks[id - 2])->state, WORLD_DONE);
        world_run(f.w, 300);
        source_ends_well(&f);
        world_free(f.w);
    }
}

/* The leader moves its own stages away before it goes. */
static void a_told_leader_takes_no_record_with_it(void **context)
{
    struct world *w = cluster(3, 30);
    struct flow f = {.w = w};

    (void)context;
    f.sinks[0] = sink_at(w, 1);
    f.sinks[1] = sink_at(w, 2);
    f.source = source_at(w, 3, 2);
    assert_true(world_within(w, world_is_running, f.source, 5000));
    world_run(w, 300);
    world_stop(w, 1);
    assert_true(world_within(w, world_is_down, 1, 8000));
    assert_int_equal(world_program(w, f.sinks[0])->state, WORLD_DONE);
    assert_true(world_is_running(w, f.source));
    assert_true(world_within(w, world_agrees, 0, DETECTION_MS));
    assert_true(commits_within(w, 2, 2000));
    source_ends_well(&f);
    world_free(w);
}

static void a_new_sink_gets_its_share_at_a_checkpoint(void **context)
{
    struct world *w = cluster(3, 31);
    struct flow f = {.w = w};
    size_t late;

    (void)context;
    f.sinks[0] = sink_at(w, 2);
    f.source = source_at(w, 1, 1);
    assert_true(world_within(w, world_is_running, f.source, 5000));
    late = sink_at(w, 3);
    world_run(w, 2000);
    assert_int_equal(world_program(w, late)->taken, 0);
    assert_true(commits_within(w, 2, 2000));
    world_run(w, 500);
    assert_true(world_program(w, late)->taken > 100);
    source_ends_well(&f);
    world_free(w);
}

/* --- being slow ------------------------------------------------------------------- */

static void a_sink_that_stands_still_is_named(void **context)
{
    struct flow f = flow_of(40);
    size_t call;

    (void)context;
    world_hang(f.w, f.sinks[1], true);
    call = world_barrier(f.w, 1);
    assert_true(world_within(f.w, world_is_over, call, ALIGN_MS + 2000));
    assert_false(is_committed(f.w, call));
    assert_non_null(strstr(world_program(f.w, call)->text, "words"));
    assert_non_null(strstr(world_program(f.w, call)->text, "node 3"));
    world_hang(f.w, f.sinks[1], false);
    assert_true(commits_within(f.w, 1, 2000));
    source_ends_well(&f);
    world_free(f.w);
}

static void a_full_stream_does_not_delay_the_mark(void **context)
{
    struct world *w = cluster(2, 41);
    struct flow f = {.w = w};

    (void)context;
    f.sinks[0] = world_sink(w, &(struct world_sink_options){.node = 2,
                                       .stage = "words",
                                       .pace_us = 500,
                                       .window_bytes = 8192});
    f.source = world_source(w, &(struct world_source_options){.node = 1,
                                       .stage = "words",
                                       .sinks = 1,
                                       .record_bytes = 1000});
    world_run(w, 5000);
    assert_true(commits_within(w, 1, ALIGN_MS));
    world_pace(w, f.sinks[0], 0);
    source_ends_well(&f);
    world_free(w);
}

/* --- two sides ----------------------------------------------------------------------- */

static void expect_three(struct node_options *o)
{
    tune(o);
    o->checkpoint.expect = 3;
}

static void the_smaller_half_commits_nothing(void **context)
{
    struct world *w = world_new(&(struct world_options){.nodes = 3,
            .seed = 50,
            .link = {.delay_us = 200, .jitter_us = 300},
            .is_quiet = true,
            .tune = expect_three});
    uint64_t epoch;

    (void)context;
    assert_true(world_within(w, world_agrees, 0, 30000));
    assert_true(commits_within(w, 1, 2000));
    world_partition(w, 1);
    world_run(w, 2 * DETECTION_MS);
    epoch = world_committed_epoch(w);
    assert_false(commits_within(w, 1, 2000));
    assert_int_equal(world_committed_epoch(w), epoch);
    assert_true(commits_within(w, 2, 2000));
    world_heal(w);
    assert_true(world_within(w, world_agrees, 0, 20000));
    assert_true(commits_within(w, 1, 2 * ALIGN_MS));
    world_free(w);
}

static void two_leaders_become_one(void **context)
{
    struct world *w = cluster(4, 51);

    (void)context;
    assert_true(commits_within(w, 1, 2000));
    world_partition(w, 2);
    world_run(w, 2 * DETECTION_MS);
    assert_true(commits_within(w, 1, 2000));
    assert_true(commits_within(w, 3, 2000));
    world_heal(w);
    assert_true(world_within(w, world_agrees, 0, 20000));
    for (uint64_t id = 1; id <= 4; id++) {
        assert_true(commits_within(w, id, 2 * ALIGN_MS));
    }
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_checkpoint_takes_round_trips),
            cmocka_unit_test(a_killed_leader_is_followed_by_another),
            cmocka_unit_test(a_leader_whose_host_is_lost_is_followed),
            cmocka_unit_test(a_killed_follower_is_left_behind),
            cmocka_unit_test(a_leader_that_is_cut_off_is_followed),
            cmocka_unit_test(a_follower_that_is_cut_off_is_left_behind),
            cmocka_unit_test(a_leader_that_is_stopped_is_followed),
            cmocka_unit_test(a_follower_that_is_stopped_is_left_behind),
            cmocka_unit_test(whoever_is_stopped_shortly_costs_nothing),
            cmocka_unit_test(a_told_node_takes_no_record_with_it),
            cmocka_unit_test(a_told_leader_takes_no_record_with_it),
            cmocka_unit_test(a_new_sink_gets_its_share_at_a_checkpoint),
            cmocka_unit_test(a_sink_that_stands_still_is_named),
            cmocka_unit_test(a_full_stream_does_not_delay_the_mark),
            cmocka_unit_test(the_smaller_half_commits_nothing),
            cmocka_unit_test(two_leaders_become_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
