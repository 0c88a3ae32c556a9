/* Streams under chance: nodes, programs, paces, broken connections and deaths
 * from one printed seed. In the end all heals, and every record has come out
 * once, or is among those that both ends counted as not confirmed. */
#include "streams_harness.h"

enum {
    RUNS = 60,
    EVENTS = 60,
};

static const char *const stages[] = {"words", "lines"};

static uint64_t below(struct harness *h, uint64_t bound)
{
    return prng_below(&h->prng, bound);
}

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
            c = h_recv(h, node, stage, 0);
            h->clients[c].pace = random_pace(h);
        }
        return;
    }
    c = h_send(h, node, stage, 1 + (uint32_t)below(h, 2), below(h, 20000));
    h->clients[c].record_bytes = 20 + below(h, 300);
    h->clients[c].pace = random_pace(h);
}

/* A program ends: without a word, or with FAIL, as on Ctrl-C. */
static void go(struct harness *h)
{
    static const struct shuffle_wire_fail gives_up = {
            .code = SHUFFLE_FAIL_SOURCE_LOST};
    size_t c = h->clients_count == 0 ? 0 : below(h, h->clients_count);
    uint8_t payload[SHUFFLE_FAIL_HEAD_BYTES];
    struct writer w = writer_of(payload, sizeof(payload));

    if (h->clients_count == 0) {
        return;
    }
    if (below(h, 2) == 0 && h->clients[c].attached) {
        shuffle_wire_encode_fail(&w, &gives_up);
        h_client_frame(h, &h->clients[c], SHUFFLE_TAG_FAIL, writer_bytes(&w));
        h_drain(h, h->clients[c].node);
        return;
    }
    h_leave(h, c);
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
    }
    if (below(h, 2) == 0) {
        h_stop(h, n);
    }
}

static void happen(struct harness *h)
{
    switch (below(h, 8)) {
    case 0:
    case 1:
    case 2:
        come(h);
        break;
    case 3:
        go(h);
        break;
    case 4:
    case 5:
        change_pace(h);
        break;
    case 6:
        disturb_link(h);
        break;
    case 7:
        disturb_node(h);
        break;
    }
}

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
        assert_int_equal(h_rows_records(client), client->sent);
        assert_true(h_rows_confirmed(client) <= out);
        assert_int_equal(client->fail_taken, h_rows_confirmed(client));
    }
}

static void judge(struct harness *h)
{
    for (size_t c = 0; c < h->clients_count; c++) {
        const struct h_client *client = &h->clients[c];

        if (client->is_sink) {
            continue;
        }
        judge_source(h, c);
        /* Nobody is left hanging but who wants more sinks than there are. */
        assert_true(!client->attached || client->sent == 0);
    }
    for (size_t n = 0; n < h->nodes_count; n++) {
        struct shuffle_streams *st = &h->nodes[n].st;

        for (size_t c = 0; c < h->clients_count; c++) {
            if (!h->clients[c].is_sink && h->clients[c].node == n) {
                h_leave(h, c);
            }
        }
        h_drain(h, n);
        assert_null(st->sources);
    }
    h_run(h, 100);
    for (size_t n = 0; n < h->nodes_count; n++) {
        assert_int_equal(h->nodes[n].st.instreams_count, 0);
        assert_int_equal(h->nodes[n].budget.used_bytes, 0);
    }
}

static void run_once(uint64_t seed)
{
    struct prng prng;
    struct harness *h;

    prng_init(&prng, seed);
    h = h_new(2 + prng_below(&prng, 3), seed);
    h->is_random = true;
    for (size_t i = 0; i < EVENTS; i++) {
        happen(h);
        h_run(h, H_STEP_MS * below(h, 60));
    }
    heal(h);
    h_run(h, 40000);
    judge(h);
    h_end(h);
}

static void every_record_comes_out_once_or_is_counted_as_lost(void **state)
{
    const char *only = getenv("WEFT_TEST_SEED");
    uint64_t first = only == NULL ? 1 : strtoull(only, NULL, 10);
    uint64_t count = only == NULL ? RUNS : 1;

    (void)state;
    print_message("seeds %llu to %llu, %d events each\n",
            (unsigned long long)first, (unsigned long long)(first + count - 1),
            EVENTS);
    for (uint64_t seed = first; seed < first + count; seed++) {
        print_message("  seed %llu\n", (unsigned long long)seed);
        run_once(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(every_record_comes_out_once_or_is_counted_as_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
