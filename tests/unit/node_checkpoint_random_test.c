/* Checkpoints under chance: 2 to 7 nodes, killed, paused between any two of
 * their actions, cut off, slowed, drained and brought back, while frames are
 * lost, late, repeated and out of order; all from one printed seed. The harness
 * asserts after each step what must hold always. In the end all heals, and the
 * cluster commits with everyone in it.
 *
 * WEFT_SEED replays one run, WEFT_RUNS says how many there are. */
#include "checkpoint_harness.h"

enum {
    RUNS = 200,
    EVENTS = 40,
};

static const char *const stages[] = {"words", "lines", "pairs"};

static uint64_t below(struct harness *h, uint64_t bound)
{
    return prng_below(&h->prng, bound);
}

static void kill_or_revive(struct harness *h, size_t i)
{
    if (h->nodes[i]->is_up) {
        h_kill(h, i);
    } else {
        h_revive(h, i);
    }
}

static void pause_node(struct harness *h, size_t i)
{
    struct h_node *n = h->nodes[i];

    if (!h_runs(n)) {
        return;
    }
    n->pause_after = 1 + (unsigned)below(h, 12);
    n->pause_us =
            below(h, 3) == 0 ? below(h, 8000 * H_MS) : below(h, 800 * H_MS);
}

static void change_streams(struct harness *h, size_t i)
{
    struct h_node *n = h->nodes[i];
    struct bytes some[2] = {
            bytes_text(stages[below(h, 3)]), bytes_text(stages[below(h, 3)])};
    struct control_sink sink = {.stage = some[0], .number = 1 + below(h, 9)};

    n->cut_us = below(h, 4) == 0 ? below(h, 3000 * H_MS) : below(h, 5000);
    n->is_stuck = below(h, 8) == 0;
    n->cut_fails = below(h, 8) == 0 ? "a stream was lost" : NULL;
    n->cut_fails_for = 0;
    n->lack = "a barrier";
    n->lacking[0] = h->nodes[below(h, h->nodes_count)]->id;
    n->lacking_count = (size_t)below(h, 2);
    n->keep_us = below(h, 20 * H_MS);
    n->keep_fails = below(h, 8) == 0 ? "no space left" : NULL;
    if (h_runs(n)) {
        checkpoint_sinks(&n->cp, &sink, 1);
        checkpoint_rotate(&n->cp, h->now_us, some, (size_t)below(h, 3));
        h_drain(h, i);
    }
}

static void ask(struct harness *h, size_t i)
{
    struct h_node *n = h->nodes[i];

    if (h_runs(n) && n->answers_count < H_ANSWERS_MAX / 2 &&
            n->cp.clients_count < 8) {
        checkpoint_request(&n->cp, h->now_us, (uint32_t)below(h, 20));
        h_drain(h, i);
    }
}

static void drain(struct harness *h, size_t i)
{
    struct bytes stage = bytes_text(stages[below(h, 3)]);

    if (h_runs(h->nodes[i])) {
        checkpoint_drain(&h->nodes[i]->cp, h->now_us, &stage, 1);
        h_drain(h, i);
    }
}

static void cut_off(struct harness *h)
{
    if (below(h, 2) == 0) {
        h_split(h, (unsigned)below(h, 1u << h->nodes_count));
    } else {
        size_t a = below(h, h->nodes_count);
        size_t b = below(h, h->nodes_count);

        h->cut_off[a][b] = !h->cut_off[a][b];
    }
}

static void change_network(struct harness *h)
{
    h->lose = below(h, 2) == 0 ? 0 : (unsigned)below(h, 200);
    h->repeat = below(h, 2) == 0 ? 0 : (unsigned)below(h, 300);
    h->delay_us = below(h, 2) == 0 ? 0 : below(h, 400 * H_MS);
}

static void disturb(struct harness *h)
{
    size_t i = below(h, h->nodes_count);

    switch (below(h, 12)) {
    case 0:
    case 1:
        kill_or_revive(h, i);
        break;
    case 2:
    case 3:
    case 4:
        pause_node(h, i);
        break;
    case 5:
    case 6:
        change_streams(h, i);
        break;
    case 7:
    case 8:
        ask(h, i);
        break;
    case 9:
        cut_off(h);
        break;
    case 10:
        change_network(h);
        break;
    case 11:
        if (below(h, 3) == 0) {
            drain(h, i);
        }
        h->nodes[i]->slow_us = below(h, 2) * below(h, 1000 * H_MS);
        break;
    }
}

static void heal(struct harness *h)
{
    h_split(h, 0);
    h->lose = 0;
    h->repeat = 0;
    h->delay_us = 0;
    for (size_t i = 0; i < h->nodes_count; i++) {
        struct h_node *n = h->nodes[i];

        n->pause_after = 0;
        n->slow_us = 0;
        n->cut_us = 300;
        n->is_stuck = false;
        n->cut_fails = NULL;
        n->keep_us = 500;
        n->keep_fails = NULL;
        if (n->is_draining && n->is_up) {
            h_kill(h, i); /* it has left */
        }
        if (!n->is_up) {
            h_revive(h, i);
        }
    }
}

static void all_is_well(struct harness *h)
{
    uint64_t leader = checkpoint_leader(&h->nodes[0]->cp);

    for (size_t i = 0; i < h->nodes_count; i++) {
        const struct h_node *n = h->nodes[i];
        const struct checkpoint_entry *latest = h_latest(h, i);

        if (latest->is_running) {
            latest = checkpoint_ledger_at(&n->cp.ledger, 1);
        }
        assert_int_equal(checkpoint_leader(&n->cp), leader);
        assert_int_equal(latest->outcome, SHUFFLE_OUTCOME_COMMITTED);
        assert_int_equal(latest->leader, leader);
        assert_int_equal(latest->members_count, h->nodes_count);
        assert_int_equal(n->cp.contradictions, 0);
        assert_int_equal(n->cp.clients_count, 0);
    }
}

static void run(uint64_t seed)
{
    struct harness h;
    size_t count;
    bool keeps;

    h_init(&h, seed);
    count = 2 + below(&h, 6);
    keeps = below(&h, 2) == 0;
    for (size_t i = 0; i < count; i++) {
        h_add(&h, 10 * (i + 1));
        h.nodes[i]->options.interval_ms = 100 + below(&h, 1000);
        h.nodes[i]->options.keeps = keeps;
        h_boot(&h, i);
    }
    h_meet(&h);
    for (int event = 0; event < EVENTS; event++) {
        disturb(&h);
        h_run(&h, below(&h, 1200));
    }
    heal(&h);
    h_run(&h, 30000);
    all_is_well(&h);
    h_close(&h);
}

static void nothing_that_must_hold_is_ever_broken(void **state)
{
    const char *one = getenv("WEFT_SEED");
    const char *many = getenv("WEFT_RUNS");
    uint64_t runs = many == NULL ? RUNS : strtoull(many, NULL, 10);
    uint64_t seed = 20261124;

    (void)state;
    if (one != NULL) {
        seed = strtoull(one, NULL, 10);
        runs = 1;
    }
    for (uint64_t i = 0; i < runs; i++) {
        printf("seed %" PRIu64 "\n", seed + i);
        fflush(stdout);
        run(seed + i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(nothing_that_must_hold_is_ever_broken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
