/* Cuts under chance: programs that come and go, paces, broken connections and
 * deaths, while one attempt follows another, each reaching every node at its
 * own time; some place a stage anew. For every one that all nodes have written,
 * what the sinks got before their MARK is what the sources' MARKs have counted,
 * to the record. In the end all heals and all ends. */
#include "streams_harness.h"

enum {
    RUNS = 200,
    EVENTS = 50,
    LATEST_MS = 300, /* of one node behind another */
};

static const char *const stages[] = {"words", "lines"};

/* One attempt, as its leader has it. */
struct attempt {
    uint64_t epoch; /* 0 = none yet */
    unsigned listed;
    const char *rotate;
    bool is_decided;
    enum shuffle_outcome_code code;
    struct h_next_place place;
    uint64_t deadline_ms;
    uint64_t begin_ms[H_NODES_MAX]; /* 0 = done */
    uint64_t tell_ms[H_NODES_MAX]; /* the outcome; 0 = done, or not yet */
    bool is_unknown[H_NODES_MAX]; /* at first */
};

struct run {
    struct harness *h;
    struct attempt now;
    struct attempt before; /* whose outcome may not be everywhere */
    uint64_t epoch;
    unsigned committed;
    unsigned aborted;
    unsigned rotated;
};

static uint64_t below(struct harness *h, uint64_t bound)
{
    return prng_below(&h->prng, bound);
}

/* ---- the leader ---- */

static void start(struct run *r)
{
    struct harness *h = r->h;
    struct attempt *a = &r->now;

    r->before = *a;
    *a = (struct attempt){.epoch = ++r->epoch,
            .deadline_ms = h->now_ms + 3000 + below(h, 5000)};
    if (below(h, 2) == 0) {
        a->rotate = stages[below(h, 2)];
    }
    for (size_t n = 0; n < h->nodes_count; n++) {
        if (h->nodes[n].alive && below(h, 20) != 0) {
            a->listed |= 1U << n;
            a->begin_ms[n] = h->now_ms + 1 + below(h, LATEST_MS);
        }
    }
}

static void decide(struct run *r, enum shuffle_outcome_code code)
{
    struct harness *h = r->h;
    struct attempt *a = &r->now;

    a->is_decided = true;
    a->code = code;
    if (code == SHUFFLE_OUTCOME_COMMITTED && a->rotate != NULL) {
        a->place = h_gather(h, a->rotate, a->epoch);
        r->rotated += a->place.count > 0;
    }
    r->committed += code == SHUFFLE_OUTCOME_COMMITTED;
    r->aborted += code == SHUFFLE_OUTCOME_ABORTED;
    for (size_t n = 0; n < h->nodes_count; n++) {
        if ((a->listed & (1U << n)) != 0) {
            a->tell_ms[n] = h->now_ms + 1 + below(h, LATEST_MS);
            a->is_unknown[n] = below(h, 20) == 0;
        }
    }
}

static void tell(struct run *r, struct attempt *a, size_t n)
{
    struct harness *h = r->h;

    if (!h->nodes[n].alive) {
        a->tell_ms[n] = 0;
        return;
    }
    a->tell_ms[n] = a->is_unknown[n] ? h->now_ms + 1 + below(h, 1000) : 0;
    if (a->is_unknown[n]) {
        a->is_unknown[n] = false;
        h_decide(h, n, a->epoch, SHUFFLE_OUTCOME_UNKNOWN, NULL);
    } else {
        h_decide(h, n, a->epoch, a->code, &a->place);
    }
}

/* What is due at each node: an outcome before the next beginning, mostly. */
static void carry(struct run *r)
{
    struct harness *h = r->h;

    for (size_t n = 0; n < h->nodes_count; n++) {
        struct attempt *old = &r->before;
        struct attempt *a = &r->now;

        if (old->tell_ms[n] != 0 && h->now_ms >= old->tell_ms[n]) {
            tell(r, old, n);
        }
        if (a->begin_ms[n] != 0 && h->now_ms >= a->begin_ms[n]) {
            a->begin_ms[n] = 0;
            if (h->nodes[n].alive && !(a->is_decided && a->tell_ms[n] == 0)) {
                h_begin(h, n, a->epoch, a->listed, a->rotate);
            }
        }
        if (a->tell_ms[n] != 0 && h->now_ms >= a->tell_ms[n]) {
            a->begin_ms[n] = 0;
            tell(r, a, n);
        }
    }
}

/* Of the listed nodes, those that have written the cut. */
static bool is_written(const struct run *r, bool *has_failed)
{
    const struct harness *h = r->h;
    bool all = true;

    *has_failed = false;
    for (size_t n = 0; n < h->nodes_count; n++) {
        const struct h_node *node = &h->nodes[n];

        if ((r->now.listed & (1U << n)) == 0) {
            continue;
        }
        *has_failed = *has_failed || !node->alive ||
                      (r->now.begin_ms[n] == 0 && node->cut.has_failed) ||
                      node->cut.checkpoint > h_checkpoint(r->now.epoch);
        all = all && r->now.begin_ms[n] == 0 && node->cut.is_written &&
              node->cut.checkpoint == h_checkpoint(r->now.epoch);
    }
    return all && !*has_failed;
}

static void lead(struct run *r)
{
    bool has_failed;

    if (r->now.epoch == 0 || r->now.is_decided) {
        if (below(r->h, 40) == 0) {
            start(r);
        }
    } else if (is_written(r, &has_failed)) {
        h_judge_cut(r->h, r->now.epoch, r->now.listed);
        decide(r, SHUFFLE_OUTCOME_COMMITTED);
    } else if (has_failed || r->h->now_ms >= r->now.deadline_ms) {
        decide(r, SHUFFLE_OUTCOME_ABORTED);
    }
    carry(r);
}

static void run_ms(struct run *r, uint64_t ms)
{
    uint64_t until = r->h->now_ms + ms;

    while (r->h->now_ms < until) {
        lead(r);
        h_turn(r->h);
        r->h->now_ms += H_STEP_MS;
    }
}

/* ---- what happens ---- */

static size_t random_pace(struct harness *h)
{
    static const size_t paces[] = {0, 1, 7, 100, 1000, SIZE_MAX};

    return paces[below(h, 6)];
}

static bool has_sink(const struct harness *h, size_t node, const char *stage)
{
    for (size_t c = 0; c < h->clients_count; c++) {
        const struct h_client *client = &h->clients[c];

        if (client->attached && client->is_sink && client->node == node &&
                strcmp(client->stage, stage) == 0) {
            return true;
        }
    }
    return false;
}

static void come(struct harness *h)
{
    size_t node = below(h, h->nodes_count);
    const char *stage = stages[below(h, 2)];
    size_t c;

    if (!h->nodes[node].alive || h->clients_count >= H_CLIENTS_MAX - 2 ||
            h->nodes[node].st.drain_at_ms != 0) {
        return;
    }
    if (below(h, 2) == 0) {
        if (!has_sink(h, node, stage)) {
            c = h_recv(h, node, stage, (uint32_t)below(h, 2));
            h->clients[c].pace = random_pace(h);
        }
        return;
    }
    c = h_send(h, node, stage, 1 + (uint32_t)below(h, 2), below(h, 10000));
    h->clients[c].record_bytes = 20 + below(h, 300);
    h->clients[c].pace = random_pace(h);
}

static void go(struct harness *h)
{
    if (h->clients_count > 0) {
        h_leave(h, below(h, h->clients_count));
    }
}

static void change_pace(struct harness *h)
{
    if (h->clients_count > 0) {
        h->clients[below(h, h->clients_count)].pace = random_pace(h);
    }
}

static void disturb_link(struct harness *h)
{
    size_t from = below(h, h->nodes_count);
    size_t to = below(h, h->nodes_count);
    struct h_link *link = &h->links[from][to];

    switch (below(h, 3)) {
    case 0:
        h_link_gone(h, from, to);
        break;
    case 1:
        link->frozen = !link->frozen;
        break;
    case 2:
        link->blocked = !link->blocked;
        break;
    }
}

/* At most one node is dead or draining at a time. */
static void disturb_node(struct harness *h)
{
    size_t n = below(h, h->nodes_count);

    for (size_t i = 0; i < h->nodes_count; i++) {
        if (!h->nodes[i].alive) {
            if (below(h, 2) == 0) {
                h->nodes[i].live = false;
            } else {
                h_start(h, i);
            }
            return;
        }
    }
    if (below(h, 4) == 0) {
        shuffle_streams_drain(
                &h->nodes[n].st, h->now_ms, h->now_ms + SHUFFLE_DRAIN_MS);
    } else if (below(h, 2) == 0) {
        h_stop(h, n);
    }
}

static void happen(struct harness *h)
{
    switch (below(h, 12)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
        come(h);
        break;
    case 5:
    case 6:
    case 7:
    case 8:
        change_pace(h);
        break;
    case 9:
        go(h);
        break;
    case 10:
        disturb_link(h);
        break;
    case 11:
        disturb_node(h);
        break;
    }
}

/* ---- the end ---- */

static void heal(struct harness *h)
{
    for (size_t a = 0; a < h->nodes_count; a++) {
        if (!h->nodes[a].alive || h->nodes[a].st.drain_at_ms != 0) {
            h_stop(h, a);
            h_start(h, a);
        }
        for (size_t b = 0; b < h->nodes_count; b++) {
            h->links[a][b].frozen = false;
            h->links[a][b].blocked = false;
        }
    }
    for (size_t c = 0; c < h->clients_count; c++) {
        h->clients[c].pace = SIZE_MAX;
    }
    for (size_t i = 0; i < 2; i++) {
        for (size_t n = 0; n < h->nodes_count; n++) {
            if (has_sink(h, n, stages[i])) {
                break;
            }
            if (n + 1 == h->nodes_count) {
                h_recv(h, 0, stages[i], 0);
            }
        }
    }
}

/* What its node said in the end is true, whatever had happened. */
static void judge_source(struct harness *h, size_t c)
{
    const struct h_client *client = &h->clients[c];
    uint64_t out = h_came_out(h, c);

    if (client->done) {
        assert_int_equal(client->fails, 0);
        assert_int_equal(out, client->total);
        assert_int_equal(h_rows_confirmed(client), client->total);
        return;
    }
    assert_true(out <= client->sent);
    if (client->fails > 0) {
        assert_true(h_rows_records(client) <= client->sent);
        assert_true(h_rows_confirmed(client) <= out);
        assert_int_equal(client->fail_taken, h_rows_confirmed(client));
    }
}

static void judge(struct harness *h)
{
    for (size_t c = 0; c < h->clients_count; c++) {
        const struct h_client *client = &h->clients[c];

        if (!client->is_sink) {
            judge_source(h, c);
            /* Nobody is left hanging but who wants more than there is. */
            assert_true(!client->attached || client->sent == 0);
            h_leave(h, c);
            h_drain(h, client->node);
        }
    }
    h_run(h, 200);
    for (size_t n = 0; n < h->nodes_count; n++) {
        assert_null(h->nodes[n].st.sources);
        assert_int_equal(h->nodes[n].st.instreams_count, 0);
        assert_int_equal(h->nodes[n].budget.used_bytes, 0);
        assert_int_equal(shuffle_streams_parked_bytes(&h->nodes[n].st), 0);
    }
}

static void run_once(uint64_t seed, unsigned counts[3])
{
    struct prng prng;
    struct run r = {0};

    prng_init(&prng, seed);
    r.h = h_new(2 + prng_below(&prng, 3), seed);
    r.h->is_random = true;
    for (size_t i = 0; i < EVENTS; i++) {
        happen(r.h);
        run_ms(&r, H_STEP_MS * below(r.h, 40));
    }
    heal(r.h);
    run_ms(&r, 30000);
    if (!r.now.is_decided && r.now.epoch != 0) {
        decide(&r, SHUFFLE_OUTCOME_ABORTED);
    }
    for (size_t i = 0; i < 1000; i++) {
        carry(&r);
        h_run(r.h, H_STEP_MS);
    }
    judge(r.h);
    counts[0] += r.committed;
    counts[1] += r.aborted;
    counts[2] += r.rotated;
    h_end(r.h);
}

static void a_cut_that_is_written_is_exact(void **state)
{
    const char *only = getenv("WEFT_TEST_SEED");
    const char *runs = getenv("WEFT_TEST_RUNS");
    uint64_t first = only == NULL ? 1 : strtoull(only, NULL, 10);
    uint64_t count = runs != NULL   ? strtoull(runs, NULL, 10)
                     : only == NULL ? RUNS
                                    : 1;
    unsigned counts[3] = {0};

    (void)state;
    print_message("seeds %llu to %llu, %d events each\n",
            (unsigned long long)first, (unsigned long long)(first + count - 1),
            EVENTS);
    for (uint64_t seed = first; seed < first + count; seed++) {
        print_message("  seed %llu\n", (unsigned long long)seed);
        run_once(seed, counts);
    }
    print_message("%u committed, %u aborted, %u placed a stage anew\n",
            counts[0], counts[1], counts[2]);
    assert_true(counts[0] > 0 || only != NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_cut_that_is_written_is_exact),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
