/* Whole clusters under checkpoints, load and whatever goes wrong: by chance.
 *
 * Each seed is a cluster of 2 to 7 nodes with up to 3 sources and sinks, a
 * network of its own quality, and some twenty seconds in which checkpoints are
 * asked for while nodes are killed, paused between two of their actions, cut
 * off, told to leave and started again, connections break, and programs come,
 * hang and go. Then the network heals, and all must agree and commit. What must
 * hold meanwhile is in world_check.c.
 *
 * WEFT_SEEDS sets how many seeds are run, WEFT_SEED the first of them; with the
 * latter alone it is the only one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/prng.h"
#include "tests/sim/world.h"

enum {
    SEEDS = 60, /* as CI has the time for */
    TROUBLE_MS = 20000,
    STAGES = 2,
    PROGRAMS_MAX = 3, /* of each role, at one time and stage */
};

static const char *const stages[STAGES] = {"words", "lines"};

struct run {
    struct world *w;
    struct prng *chance;
    uint64_t nodes;
    uint64_t align_timeout_ms;
    uint64_t stages; /* in use */
    uint64_t sinks; /* of a stage, that are kept running */
    uint64_t sources;
    uint64_t resume_ms[WORLD_NODES_MAX + 1]; /* when a paused node goes on */
    uint64_t restart_ms[WORLD_NODES_MAX + 1];
    uint64_t rejoin_ms[WORLD_NODES_MAX + 1];
};

static uint64_t below(struct run *r, uint64_t bound)
{
    return prng_below(r->chance, bound);
}

static uint64_t any_node(struct run *r)
{
    return 1 + below(r, r->nodes);
}

/* Half of what happens, happens to who leads. */
static uint64_t victim(struct run *r)
{
    if (below(r, 2) == 0) {
        for (uint64_t id = 1; id <= r->nodes; id++) {
            if (world_node(r->w, id) != NULL) {
                return id;
            }
        }
    }
    return any_node(r);
}

/* --- programs --------------------------------------------------------------- */

static size_t count_running(
        const struct run *r, enum world_role role, const char *stage)
{
    size_t count = 0;

    for (size_t i = 0; i < world_programs(r->w); i++) {
        const struct world_program *p = world_program(r->w, i);

        count += p->role == role && p->state < WORLD_DONE &&
                                 p->stage[0] == stage[0]
                         ? 1
                         : 0;
    }
    return count;
}

static void start_sink(struct run *r, const char *stage)
{
    uint64_t node = any_node(r);

    if (world_node(r->w, node) == NULL ||
            count_running(r, WORLD_SINK, stage) >= r->sinks) {
        return;
    }
    (void)world_sink(
            r->w, &(struct world_sink_options){.node = node,
                          .stage = stage,
                          .sources = below(r, 4) == 0 ? 1 : 0,
                          .pace_us = below(r, 3) * 200,
                          .window_bytes = (size_t)2048 << below(r, 6)});
}

static void start_source(struct run *r, const char *stage)
{
    uint64_t node = any_node(r);

    if (world_node(r->w, node) == NULL ||
            count_running(r, WORLD_SOURCE, stage) >= r->sources) {
        return;
    }
    (void)world_source(
            r->w, &(struct world_source_options){.node = node,
                          .stage = stage,
                          .sinks = 1 + (uint32_t)(below(r, 4) == 0),
                          .records = below(r, 4) == 0 ? 1 + below(r, 4000) : 0,
                          .pace_us = 500 + below(r, 4000),
                          .record_bytes = (size_t)(16 << below(r, 6))});
}

/* Where programs have ended, others take their place. */
static void start_programs(struct run *r)
{
    for (uint64_t i = 0; i < r->stages; i++) {
        start_sink(r, stages[i]);
        start_source(r, stages[i]);
    }
}

/* One of those that run, or that have ended: then nothing happens. */
static size_t any_program(struct run *r, bool *exists)
{
    size_t count = world_programs(r->w);
    size_t program = count == 0 ? 0 : (size_t)below(r, count);

    *exists = count > 0 && world_program(r->w, program)->state < WORLD_DONE &&
              world_program(r->w, program)->role != WORLD_CALLER;
    return program;
}

static void trouble_a_program(struct run *r)
{
    bool exists;
    size_t program = any_program(r, &exists);

    if (!exists) {
        return;
    }
    switch (below(r, 4)) {
    case 0:
        world_leave(r->w, program);
        break;
    case 1:
        world_end(r->w, program);
        break;
    default:
        world_hang(r->w, program, below(r, 2) == 0);
        break;
    }
}

/* --- nodes ------------------------------------------------------------------- */

static bool is_well(const struct run *r, uint64_t id)
{
    return world_node(r->w, id) != NULL && !world_is_paused(r->w, id);
}

/* Short ones, long ones, and some from which one wakes up buried. */
static uint64_t some_ms(struct run *r)
{
    static const uint64_t most_ms[] = {20, 300, 3000, 12000};

    return 1 + below(r, most_ms[below(r, 4)]);
}

static void pause(struct run *r, uint64_t id)
{
    if (is_well(r, id)) {
        world_pause(r->w, id);
    }
}

static void kill_node(struct run *r, uint64_t id)
{
    if (world_node(r->w, id) != NULL) {
        world_kill(r->w, id, below(r, 3) == 0 ? WORLD_SILENT : WORLD_RESET);
    }
}

static void strike(struct run *r, uint64_t id)
{
    static const enum world_strike strikes[] = {WORLD_STRIKE_PAUSE,
            WORLD_STRIKE_PAUSE, WORLD_STRIKE_KILL, WORLD_STRIKE_LOSE,
            WORLD_STRIKE_CUT};

    if (is_well(r, id)) {
        world_strike(r->w, id, strikes[below(r, 5)], below(r, 60));
    }
}

static void ask(struct run *r, uint64_t id)
{
    if (world_node(r->w, id) != NULL) {
        (void)world_barrier(r->w, id);
    }
}

static void cut(struct run *r, uint64_t id)
{
    uint64_t other = any_node(r);

    switch (below(r, 4)) {
    case 0:
        world_isolate(r->w, id);
        break;
    case 1:
        world_partition(r->w, id);
        break;
    default:
        if (other != id) {
            world_cut(r->w, id, other);
        }
        break;
    }
}

static struct world_link any_link(struct run *r)
{
    struct world_link link = {
            .delay_us = 50 + below(r, 500), .jitter_us = below(r, 1000)};

    if (below(r, 3) == 0) {
        link.loss = (double)below(r, 30) / 100.0;
        link.doubled = (double)below(r, 30) / 100.0;
        link.refused = (double)below(r, 10) / 100.0;
    }
    if (below(r, 4) == 0) {
        link.jitter_us = below(r, 100000);
    }
    if (below(r, 4) == 0) {
        link.bytes_per_s = 20000 + below(r, 200000);
    }
    return link;
}

static void slow(struct run *r, uint64_t id)
{
    struct world_link link = any_link(r);

    for (uint64_t other = 1; other <= r->nodes; other++) {
        world_set_link(r->w, id, other, &link);
    }
}

/* --- trouble, and its end -------------------------------------------------------- */

static void make_trouble(struct run *r)
{
    uint64_t id = victim(r);

    switch (below(r, 16)) {
    case 0:
        kill_node(r, id);
        break;
    case 1:
        pause(r, id);
        break;
    case 2:
        cut(r, id);
        break;
    case 3:
        slow(r, id);
        break;
    case 4:
        if (is_well(r, id)) {
            world_stop(r->w, id);
        }
        break;
    case 5:
        world_break(r->w, id, any_node(r));
        break;
    case 6:
    case 7:
        trouble_a_program(r);
        break;
    case 8:
    case 9:
        start_programs(r);
        break;
    case 10:
    case 11:
        strike(r, id);
        ask(r, any_node(r));
        break;
    default:
        ask(r, any_node(r));
        break;
    }
}

/* What has gone wrong with a node is made good again, some time later. */
static void make_good(struct run *r, uint64_t id)
{
    uint64_t now_ms = world_now_ms(r->w);

    if (world_node(r->w, id) == NULL) {
        if (r->restart_ms[id] == 0) {
            r->restart_ms[id] = now_ms + some_ms(r);
        } else if (now_ms >= r->restart_ms[id]) {
            r->restart_ms[id] = 0;
            world_restart(r->w, id, below(r, 3) != 0);
        }
    }
    if (world_is_paused(r->w, id)) {
        if (r->resume_ms[id] == 0) {
            r->resume_ms[id] = now_ms + some_ms(r);
        } else if (now_ms >= r->resume_ms[id]) {
            r->resume_ms[id] = 0;
            world_resume(r->w, id);
        }
    }
    if (world_is_cut(r->w, id)) {
        if (r->rejoin_ms[id] == 0) {
            r->rejoin_ms[id] = now_ms + some_ms(r);
        } else if (now_ms >= r->rejoin_ms[id]) {
            r->rejoin_ms[id] = 0;
            world_rejoin(r->w, id);
        }
    }
}

/* Some clusters hardly ever see two things go wrong at a time. */
static void run_trouble(struct run *r)
{
    uint64_t end_ms = world_now_ms(r->w) + TROUBLE_MS;
    uint64_t pace_ms = 50 + below(r, below(r, 2) == 0 ? 400 : 4000);

    while (world_now_ms(r->w) < end_ms) {
        start_programs(r);
        make_trouble(r);
        world_run(r->w, 1 + below(r, pace_ms));
        for (uint64_t id = 1; id <= r->nodes; id++) {
            make_good(r, id);
        }
    }
}

/* --- the end ------------------------------------------------------------------------ */

/* A node that was told to stop goes, and is started again. */
static bool is_settled(struct world *w, uint64_t nodes)
{
    for (uint64_t id = 1; id <= nodes; id++) {
        const struct node *n = world_node(w, id);

        if (n == NULL || n->is_stopping) {
            return false;
        }
    }
    return world_agrees(w, 0);
}

static void restart_all(struct run *r)
{
    for (uint64_t id = 1; id <= r->nodes; id++) {
        if (world_node(r->w, id) == NULL) {
            world_restart(r->w, id, true);
        }
    }
}

static void agree(struct run *r)
{
    world_heal(r->w);
    world_run(r->w, 100); /* in which signals are taken */
    restart_all(r);
    while (!world_within(r->w, is_settled, r->nodes, 10000)) {
        assert_true(world_now_ms(r->w) < 90000 + TROUBLE_MS);
        restart_all(r);
    }
}

/* Whoever was left out comes back, programs that stand still do not. */
static void end_programs(struct run *r)
{
    for (size_t i = 0; i < world_programs(r->w); i++) {
        const struct world_program *p = world_program(r->w, i);

        if (p->role == WORLD_SOURCE) {
            world_pace(r->w, i, 0);
            world_end(r->w, i);
        } else if (p->role == WORLD_SINK) {
            world_pace(r->w, i, 0);
        }
    }
}

static bool knows_commit(const struct node *n, uint64_t epoch)
{
    const struct checkpoint_ledger *l = checkpoint_ledger(&n->checkpoint);

    for (size_t age = 0; age < l->count; age++) {
        const struct checkpoint_entry *e = checkpoint_ledger_at(l, age);

        if (e->epoch >= epoch && !e->is_running &&
                e->outcome == SHUFFLE_OUTCOME_COMMITTED) {
            return true;
        }
    }
    return false;
}

static bool everybody_knows(struct run *r, uint64_t epoch)
{
    for (uint64_t id = 1; id <= r->nodes; id++) {
        if (!knows_commit(world_node(r->w, id), epoch)) {
            return false;
        }
    }
    return true;
}

static void commit(struct run *r)
{
    uint64_t end_ms = world_now_ms(r->w) + 4 * r->align_timeout_ms + 20000;
    bool is_done = false;

    while (!is_done) {
        size_t call = world_barrier(r->w, any_node(r));
        uint64_t epoch;

        assert_true(world_now_ms(r->w) < end_ms);
        assert_true(world_within(
                r->w, world_is_over, call, 2 * r->align_timeout_ms + 5000));
        epoch = world_committed_epoch(r->w);
        world_run(r->w, 1000);
        is_done = world_program(r->w, call)->state == WORLD_DONE &&
                  everybody_knows(r, epoch);
    }
}

/* A source that waits for sinks that do not come has sent nothing. */
static void all_sources_end(struct run *r)
{
    for (size_t i = 0; i < world_programs(r->w); i++) {
        const struct world_program *p = world_program(r->w, i);

        if (p->role == WORLD_SOURCE && p->state != WORLD_WAITING) {
            assert_true(world_within(r->w, world_is_over, i, 30000));
        }
    }
}

/* --- a seed ---------------------------------------------------------------------------- */

static uint64_t tuned_align_timeout_ms; /* as the seed has it */
static uint64_t tuned_interval_ms;
static uint32_t tuned_expect;

static void tune(struct node_options *o)
{
    o->checkpoint.align_timeout_ms = tuned_align_timeout_ms;
    o->checkpoint.interval_ms = tuned_interval_ms;
    o->checkpoint.expect = tuned_expect;
    o->streams.align_timeout_ms = tuned_align_timeout_ms;
    o->streams.window_bytes = 256 * 1024;
}

static void begin(struct run *r, uint64_t seed)
{
    struct prng chance;

    prng_init(&chance, seed ^ 0x5eed);
    r->nodes = 2 + prng_below(&chance, 6);
    r->align_timeout_ms = 1000 + prng_below(&chance, 4000);
    tuned_align_timeout_ms = r->align_timeout_ms;
    tuned_interval_ms =
            prng_below(&chance, 2) == 0 ? 0 : 200 + prng_below(&chance, 2000);
    tuned_expect = prng_below(&chance, 4) == 0 ? (uint32_t)r->nodes : 0;
    r->w = world_new(&(struct world_options){.nodes = r->nodes,
            .seed = seed,
            .link = {.delay_us = 200, .jitter_us = 300},
            .buffer_bytes = (size_t)4096 << prng_below(&chance, 6),
            .keeps = prng_below(&chance, 2) == 0,
            .keep_us = prng_below(&chance, 50000),
            .keep_fails = prng_below(&chance, 4) == 0 ? 0.05 : 0.0,
            .is_quiet = true,
            .tune = tune});
    r->chance = world_chance(r->w);
    r->stages = 1 + below(r, STAGES);
    r->sinks = below(r, PROGRAMS_MAX + 1);
    r->sources = below(r, PROGRAMS_MAX + 1);
}

static void run_seed(uint64_t seed)
{
    struct run r = {.w = NULL};

    printf("WEFT_SEED=%llu\n", (unsigned long long)seed);
    (void)fflush(stdout);
    begin(&r, seed);
    assert_true(world_within(r.w, world_agrees, 0, 30000));
    for (size_t i = 0; i < PROGRAMS_MAX; i++) {
        start_programs(&r);
    }
    world_run(r.w, 1000);
    run_trouble(&r);
    agree(&r);
    end_programs(&r);
    commit(&r);
    all_sources_end(&r);
    world_check_end(r.w);
    world_free(r.w);
}

static void checkpoints_hold_whatever_happens(void **context)
{
    const char *seed = getenv("WEFT_SEED");
    const char *seeds = getenv("WEFT_SEEDS");
    uint64_t first = seed != NULL ? strtoull(seed, NULL, 10) : 1;
    uint64_t count = seeds != NULL ? strtoull(seeds, NULL, 10) : SEEDS;

    (void)context;
    count = seed != NULL && seeds == NULL ? 1 : count;
    (void)unsetenv("WEFT_SEED"); /* each world has one of these */
    for (uint64_t i = 0; i < count; i++) {
        run_seed(first + i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(checkpoints_hold_whatever_happens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
