/* Checkpoints of whole nodes that lose somebody at the worst moment: at one that
 * is too short to be hit by chance. */
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
};

static void tune(struct node_options *o)
{
    o->checkpoint.align_timeout_ms = ALIGN_MS;
    o->streams.align_timeout_ms = ALIGN_MS;
}

/* Three nodes of which the first leads. The hook is called after each verb. */
static struct world *cluster(
        uint64_t seed, void (*hook)(void *owner, uint64_t id), void *owner)
{
    struct world *w = world_new(&(struct world_options){.nodes = 3,
            .seed = seed,
            .link = {.delay_us = 200, .jitter_us = 300},
            .keeps = true,
            .keep_us = 3000,
            .is_quiet = true,
            .tune = tune,
            .hook = hook,
            .owner = owner});

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
    size_t source = world_source(w, &(struct world_source_options){.node = node,
                                            .stage = "words",
                                            .sinks = sinks,
                                            .pace_us = 500});

    assert_true(world_within(w, world_is_running, source, 5000));
    return source;
}

static bool says(struct world *w, size_t program, const char *words)
{
    return strstr(world_program(w, program)->text, words) != NULL;
}

/* Everybody else has written and acked; its own sink stands still. The reset
 * and the refused connection say all there is to say. */
static void who_is_killed_when_all_others_have_acked_ends_it_at_once(
        void **context)
{
    struct world *w = cluster(1, NULL, NULL);
    size_t sink = sink_at(w, 3);
    size_t call;

    (void)context;
    (void)sink_at(w, 2);
    (void)source_at(w, 1, 2);
    world_run(w, 300);
    world_hang(w, sink, true);
    call = world_barrier(w, 1);
    world_run(w, 200);
    assert_false(world_is_over(w, call));
    world_kill(w, 3, WORLD_RESET);
    assert_true(world_within(w, world_is_over, call, 100));
    assert_true(says(w, call, "\"outcome\":\"aborted\""));
    assert_true(says(w, call, "node 3 cannot be reached"));
    world_free(w);
}

/* Cuts the leader off from node 3 when all have acked, and nobody knows. */
struct gap {
    struct world *w;
    bool is_armed;
};

static void cut_when_decided(void *owner, uint64_t id)
{
    struct gap *gap = owner;
    const struct node *leader;

    if (!gap->is_armed || id != 1) {
        return;
    }
    leader = world_node(gap->w, 1);
    if (leader != NULL &&
            leader->checkpoint.lead.state == CHECKPOINT_LEAD_KEEPING) {
        gap->is_armed = false;
        world_cut(gap->w, 1, 3);
    }
}

static bool has_heard(struct world *w, uint64_t id)
{
    return world_node(w, id)->checkpoint.part.state == CHECKPOINT_PART_OVER;
}

/* Node 2 goes over to the new placement, and tells node 3 that it was committed,
 * but not where to. */
static void who_learns_late_and_not_where_to_fails_its_sources(void **context)
{
    struct gap gap = {.w = NULL};
    struct world *w = cluster(2, cut_when_decided, &gap);
    size_t stays;
    size_t fails;

    (void)context;
    (void)sink_at(w, 2);
    stays = source_at(w, 2, 1);
    fails = source_at(w, 3, 1);
    (void)sink_at(w, 3);
    world_run(w, 3000);
    gap = (struct gap){.w = w, .is_armed = true};
    (void)world_barrier(w, 1);
    assert_true(world_within(w, has_heard, 2, 1000));
    assert_false(gap.is_armed);
    assert_false(has_heard(w, 3));
    world_kill(w, 1, WORLD_SILENT);
    assert_true(world_within(w, world_is_over, fails, 20000));
    assert_int_equal(world_program(w, fails)->state, WORLD_FAILED);
    assert_true(says(w, fails, "this node had gone on without it"));
    assert_true(world_is_running(w, stays));
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(
                    who_is_killed_when_all_others_have_acked_ends_it_at_once),
            cmocka_unit_test(
                    who_learns_late_and_not_where_to_fails_its_sources),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
