/* The simulator of whole nodes itself: that it replays, and that streams
 * survive what it does to them, or say what they lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/sim/world.h"

static const struct world_link quick = {.delay_us = 200, .jitter_us = 300};

static struct world *cluster(size_t nodes, uint64_t seed)
{
    struct world *w = world_new(&(struct world_options){
            .nodes = nodes, .seed = seed, .link = quick});

    assert_true(world_within(w, world_agrees, 0, 30000));
    return w;
}

static size_t sink_at(struct world *w, uint64_t node, uint32_t sources)
{
    return world_sink(
            w, &(struct world_sink_options){
                       .node = node, .stage = "words", .sources = sources});
}

static size_t source_at(
        struct world *w, uint64_t node, uint32_t sinks, uint64_t records)
{
    return world_source(w, &(struct world_source_options){.node = node,
                                   .stage = "words",
                                   .sinks = sinks,
                                   .records = records});
}

static void every_record_comes_once(void **context)
{
    struct world *w = cluster(3, 1);
    size_t sinks[] = {sink_at(w, 2, 1), sink_at(w, 3, 1)};
    size_t source = source_at(w, 1, 2, 5000);

    (void)context;
    assert_true(world_within(w, world_is_over, source, 20000));
    assert_int_equal(world_program(w, source)->state, WORLD_DONE);
    assert_int_equal(world_program(w, source)->taken, 5000);
    for (size_t i = 0; i < 2; i++) {
        assert_true(world_within(w, world_is_over, sinks[i], 1000));
        assert_int_equal(world_program(w, sinks[i])->state, WORLD_DONE);
        assert_true(world_program(w, sinks[i])->taken > 1000);
    }
    assert_int_equal(world_program(w, sinks[0])->taken +
                             world_program(w, sinks[1])->taken,
            5000);
    world_free(w);
}

static void a_slow_sink_slows_its_source(void **context)
{
    struct world *w = cluster(2, 2);
    size_t sink = world_sink(w, &(struct world_sink_options){.node = 2,
                                        .stage = "words",
                                        .sources = 1,
                                        .pace_us = 1000,
                                        .window_bytes = 4096});
    size_t source = world_source(w, &(struct world_source_options){.node = 1,
                                            .stage = "words",
                                            .sinks = 1,
                                            .record_bytes = 1000});

    (void)context;
    world_run(w, 10000);
    assert_in_range(world_program(w, sink)->taken, 7000, 10000);
    assert_true(world_program(w, source)->sent <
                world_program(w, sink)->taken + 4000);
    world_pace(w, sink, 0);
    world_end(w, source);
    assert_true(world_within(w, world_is_over, source, 5000));
    assert_int_equal(world_program(w, source)->state, WORLD_DONE);
    world_free(w);
}

static void a_killed_node_is_missed_and_its_streams_are_lost(void **context)
{
    struct world *w = cluster(3, 3);
    size_t sink = sink_at(w, 3, 1);
    size_t source = source_at(w, 1, 1, 0);

    (void)context;
    assert_true(world_within(w, world_is_running, source, 5000));
    world_run(w, 1000);
    world_kill(w, 3, WORLD_RESET);
    assert_true(world_within(w, world_is_over, source, 15000));
    assert_int_equal(world_program(w, source)->state, WORLD_FAILED);
    assert_true(world_within(w, world_is_over, sink, 10));
    assert_true(world_within(w, world_agrees_down, 3, 15000));
    world_restart(w, 3, false);
    assert_true(world_within(w, world_agrees, 0, 20000));
    world_free(w);
}

static void a_lost_host_says_nothing(void **context)
{
    struct world *w = cluster(3, 4);
    size_t source;

    (void)context;
    (void)sink_at(w, 3, 1);
    source = source_at(w, 1, 1, 0);
    assert_true(world_within(w, world_is_running, source, 5000));
    world_kill(w, 3, WORLD_SILENT);
    world_run(w, 1000);
    assert_true(world_is_running(w, source));
    assert_true(world_within(w, world_is_over, source, 20000));
    assert_int_equal(world_program(w, source)->state, WORLD_FAILED);
    world_free(w);
}

static void a_short_cut_loses_nothing(void **context)
{
    struct world *w = cluster(3, 5);
    size_t source;

    (void)context;
    (void)sink_at(w, 2, 1);
    (void)sink_at(w, 3, 1);
    source = world_source(w, &(struct world_source_options){.node = 1,
                                     .stage = "words",
                                     .sinks = 2,
                                     .records = 20000,
                                     .pace_us = 200});
    assert_true(world_within(w, world_is_running, source, 5000));
    world_isolate(w, 3);
    world_run(w, 3000);
    world_rejoin(w, 3);
    assert_true(world_within(w, world_is_over, source, 20000));
    assert_int_equal(world_program(w, source)->state, WORLD_DONE);
    world_free(w);
}

static void a_paused_node_goes_on_where_it_was(void **context)
{
    struct world *w = cluster(3, 6);
    size_t source;

    (void)context;
    (void)sink_at(w, 2, 1);
    source = world_source(w, &(struct world_source_options){.node = 1,
                                     .stage = "words",
                                     .sinks = 1,
                                     .records = 20000,
                                     .pace_us = 200});
    assert_true(world_within(w, world_is_running, source, 5000));
    for (uint64_t i = 0; i < 10; i++) {
        uint64_t id = 1 + i % 2;

        world_strike(w, id, WORLD_STRIKE_PAUSE, i);
        world_run(w, 200);
        assert_true(world_is_paused(w, id));
        world_resume(w, id);
        world_run(w, 50);
    }
    assert_true(world_within(w, world_is_over, source, 20000));
    assert_int_equal(world_program(w, source)->state, WORLD_DONE);
    world_free(w);
}

static void a_told_node_leaves_within_eight_seconds(void **context)
{
    struct world *w = cluster(3, 7);

    (void)context;
    world_stop(w, 2);
    assert_true(world_within(w, world_is_down, 2, 8000));
    assert_true(world_within(w, world_agrees, 0, 12 * 500));
    world_free(w);
}

static uint64_t fingerprint_of(uint64_t seed)
{
    struct world *w = world_new(&(struct world_options){.nodes = 4,
            .seed = seed,
            .link = {.loss = 0.1,
                    .doubled = 0.1,
                    .delay_us = 100,
                    .jitter_us = 20000}});
    uint64_t fingerprint;

    (void)world_within(w, world_agrees, 0, 20000);
    (void)sink_at(w, 2, 1);
    (void)source_at(w, 1, 1, 5000);
    world_run(w, 3000);
    world_kill(w, 3, WORLD_RESET);
    world_run(w, 5000);
    fingerprint = world_fingerprint(w);
    world_free(w);
    return fingerprint;
}

static void one_seed_is_one_run(void **context)
{
    (void)context;
    assert_true(fingerprint_of(8) == fingerprint_of(8));
    assert_true(fingerprint_of(8) != fingerprint_of(9) ||
                getenv("WEFT_SEED") != NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(every_record_comes_once),
            cmocka_unit_test(a_slow_sink_slows_its_source),
            cmocka_unit_test(a_killed_node_is_missed_and_its_streams_are_lost),
            cmocka_unit_test(a_lost_host_says_nothing),
            cmocka_unit_test(a_short_cut_loses_nothing),
            cmocka_unit_test(a_paused_node_goes_on_where_it_was),
            cmocka_unit_test(a_told_node_leaves_within_eight_seconds),
            cmocka_unit_test(one_seed_is_one_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
