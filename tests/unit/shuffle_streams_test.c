/* Streams between nodes, each row of docs/wire.md, "Streams", and what stands
 * between them: waiting, placement, credit, format. */
#include "streams_harness.h"

enum {
    CONNECT_MS = 3000,
    GIVE_UP_MS = 3 * CONNECT_MS,
    KEEP_MS = GIVE_UP_MS + 1000,
};

static void assert_text(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        print_message("\"%s\" lacks \"%s\"\n", text, part);
    }
    assert_non_null(strstr(text, part));
}

static bool has_ended_well(const struct h_client *client)
{
    return client->closed && client->done && client->fails == 0;
}

/* ---- the plain way ---- */

static void every_record_comes_out_once_on_its_owner(void **state)
{
    struct harness *h = h_new(3, 1);
    size_t sinks[3];
    size_t source;
    uint64_t sum = 0;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        sinks[i] = h_recv(h, i, "words", 1);
        assert_int_equal(h->clients[sinks[i]].node, i);
    }
    source = h_send(h, 0, "words", 3, 50000);
    h_run_until_closed(h, source, 60000);
    assert_true(has_ended_well(&h->clients[source]));
    assert_int_equal(h->clients[source].state, SHUFFLE_STATE_ATTACHED);
    assert_int_equal(h_came_out(h, source), 50000);
    assert_int_equal(h->clients[source].rows_count, 3);
    for (size_t i = 0; i < 3; i++) {
        const struct shuffle_summary_row *row = &h->clients[source].rows[i];

        assert_true(has_ended_well(&h->clients[sinks[i]]));
        assert_int_equal(row->node, i + 1);
        assert_int_equal(row->records, h->clients[sinks[i]].received);
        assert_int_equal(row->confirmed, row->records);
        assert_true(row->records > 50000 / 6);
        sum += row->records;
    }
    assert_int_equal(sum, 50000);
    h_end(h);
}

static uint64_t owner_of(const char *key, size_t size)
{
    uint64_t vnode = hash_xxh3(bytes_of(key, size)) % 256;
    uint64_t best = 0;
    uint64_t owner = 0;

    for (uint64_t id = 1; id <= 2; id++) {
        uint64_t pair[2] = {vnode, id}; /* little-endian, as tests run */
        uint64_t score = hash_xxh3(bytes_of(pair, sizeof(pair)));

        if (score >= best) {
            best = score;
            owner = id;
        }
    }
    return owner;
}

static void the_owner_is_the_one_the_document_names(void **state)
{
    struct harness *h = h_new(2, 1);
    uint64_t expected[3] = {0};
    size_t sinks[2];
    size_t source;
    uint8_t body[64];

    (void)state;
    sinks[0] = h_recv(h, 0, "words", 1);
    sinks[1] = h_recv(h, 1, "words", 1);
    source = h_send(h, 1, "words", 2, 3000);
    h_run_until_closed(h, source, 10000);
    for (uint64_t i = 0; i < 3000; i++) {
        struct bytes b = h_body(&h->clients[source], i, body);

        expected[owner_of((const char *)b.data, b.size)]++;
    }
    assert_int_equal(h->clients[sinks[0]].received, expected[1]);
    assert_int_equal(h->clients[sinks[1]].received, expected[2]);
    h_end(h);
}

static void a_sink_hears_of_a_source_that_has_nothing_for_it(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t sink = h_recv(h, 1, "words", 1);
    size_t source;

    (void)state;
    h_run(h, 1000);
    assert_string_equal(h->clients[sink].state_text, "");
    source = h_send(h, 0, "words", 1, 0);
    h_run_until_closed(h, source, 60000);
    assert_string_equal(
            h->clients[sink].state_text, "the first source has come");
    assert_int_equal(h->clients[sink].received, 0);
    h_end(h);
}

static void a_sink_waits_for_as_many_sources_as_it_wants(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t sink = h_recv(h, 1, "words", 2);
    size_t first = h_send(h, 0, "words", 1, 1000);
    size_t second;

    (void)state;
    h_run(h, 1000);
    assert_int_equal(h->clients[sink].received, 1000);
    assert_false(h->clients[sink].marked);
    assert_false(h->clients[first].closed);
    second = h_send(h, 1, "words", 1, 500);
    h_run_until_closed(h, sink, 2000);
    h_run(h, 100);
    assert_true(has_ended_well(&h->clients[first]));
    assert_true(has_ended_well(&h->clients[second]));
    assert_int_equal(h->clients[sink].from[first], 1000);
    assert_int_equal(h->clients[sink].from[second], 500);
    h_end(h);
}

static void a_following_sink_confirms_each_source_and_goes_on(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t sink = h_recv(h, 1, "words", 0);

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        size_t source = h_send(h, i % 2, "words", 1, 700);

        h_run_until_closed(h, source, 2000);
        assert_true(has_ended_well(&h->clients[source]));
    }
    assert_int_equal(h->clients[sink].received, 2100);
    assert_false(h->clients[sink].marked);
    assert_false(h->clients[sink].closed);
    h_end(h);
}

static void an_empty_source_ends_well(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t sink = h_recv(h, 1, "words", 1);
    size_t source = h_send(h, 0, "words", 1, 0);

    (void)state;
    h_run_until_closed(h, source, 2000);
    h_run_until_closed(h, sink, 2000);
    assert_true(has_ended_well(&h->clients[source]));
    assert_int_equal(h->clients[sink].received, 0);
    h_end(h);
}

static void records_of_every_size_pass(void **state)
{
    static const size_t sizes[] = {16, 2000, 30000, 65000, 66000, 200000,
            SHUFFLE_RECORD_MAX - SHUFFLE_WHOLE_HEAD_BYTES};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct harness *h = h_new(2, 1);
        size_t sinks[2] = {h_recv(h, 0, "words", 1), h_recv(h, 1, "words", 1)};
        size_t source = h_send(h, 0, "words", 2, 100);

        print_message("  %zu\n", sizes[i]);
        h->clients[source].record_bytes = sizes[i];
        h_run_until_closed(h, source, 10000);
        assert_true(has_ended_well(&h->clients[source]));
        assert_int_equal(h_came_out(h, source), 100);
        assert_true(h->clients[sinks[0]].received > 0);
        assert_true(h->clients[sinks[1]].received > 0);
        h_end(h);
    }
}

static void a_trickle_leaves_at_the_end_of_each_turn(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t sink = h_recv(h, 1, "words", 1);
    size_t source = h_send(h, 0, "words", 1, 100);

    (void)state;
    h->clients[source].pace = 1;
    h_run(h, 500);
    assert_in_range(h->clients[sink].received, 30, 60);
    assert_in_range(h->clients[source].sent - h->clients[sink].received, 0, 3);
    h_run_until_closed(h, source, 2000);
    assert_true(has_ended_well(&h->clients[source]));
    h_end(h);
}

/* ---- waiting ---- */

static void a_source_waits_with_a_sentence_every_ten_seconds(void **state)
{
    struct harness *h = h_new(3, 1);
    size_t source = h_send(h, 0, "words", 2, 10);
    struct h_client *client = &h->clients[source];
    size_t sinks[2];

    (void)state;
    h_drain(h, 0);
    assert_int_equal(client->state, SHUFFLE_STATE_WAITING);
    assert_text(
            client->state_text, "waits for 2 sinks of words: no node has one");
    sinks[0] = h_recv(h, 1, "words", 1);
    h_run(h, 9900);
    assert_text(client->state_text, "no node has one");
    h_run(h, 200);
    assert_text(client->state_text,
            "waits for 2 sinks of words: 1 is there, on node 2");
    assert_int_equal(client->sent, 0);
    sinks[1] = h_recv(h, 2, "words", 1);
    h_run_until_closed(h, source, 1000);
    assert_true(has_ended_well(client));
    assert_int_equal(
            h->clients[sinks[0]].received + h->clients[sinks[1]].received, 10);
    h_end(h);
}

static void nothing_is_read_before_every_sink_has_agreed(void **state)
{
    struct harness *h = h_new(3, 1);
    size_t source;

    (void)state;
    h_recv(h, 1, "words", 1);
    h_recv(h, 2, "words", 1);
    h->links[0][2].blocked = true;
    source = h_send(h, 0, "words", 2, 10);
    h_run(h, 25000);
    assert_int_equal(h->clients[source].sent, 0);
    assert_int_equal(h->clients[source].state, SHUFFLE_STATE_WAITING);
    assert_text(h->clients[source].state_text, "node 3 cannot be reached");
    h->links[0][2].blocked = false;
    h_run_until_closed(h, source, 5000);
    assert_true(has_ended_well(&h->clients[source]));
    h_end(h);
}

static void a_source_that_never_counted_leaves_no_trace(void **state)
{
    struct harness *h = h_new(3, 1);
    size_t sink = h_recv(h, 1, "words", 1);
    size_t source;

    (void)state;
    h_recv(h, 2, "words", 1);
    h->links[0][2].blocked = true;
    source = h_send(h, 0, "words", 2, 10);
    h_run(h, 1000);
    h_leave(h, source);
    h_run(h, 2000);
    assert_int_equal(h->clients[sink].fails, 0);
    assert_false(h->clients[sink].marked);
    source = h_send(h, 0, "words", 1, 10);
    h->links[0][2].blocked = false;
    h_run_until_closed(h, sink, 2000);
    assert_int_equal(h->clients[sink].fails, 0);
    h_end(h);
}

static void a_second_sink_of_a_stage_is_refused(void **state)
{
    struct harness *h = h_new(1, 1);
    size_t second;

    (void)state;
    h_recv(h, 0, "words", 1);
    second =
            h_attach(h, 0, SHUFFLE_ROLE_SINK, SHUFFLE_FORMAT_WHOLE, 1, "words");
    h_run(h, 20);
    assert_int_equal(h->clients[second].state, SHUFFLE_STATE_REFUSED);
    assert_text(h->clients[second].state_text,
            "node 1 has a sink of words already");
    assert_true(h->clients[second].closed);
    h_end(h);
}

static void what_cannot_attach_is_told_why(void **state)
{
    static const struct {
        const char *stage;
        uint8_t format;
        const char *why;
    } rows[] = {
            {"two words", 1, "a stage is named with"},
            {"", 1, "a stage is named with"},
            {"words", 0, "there is no record format 0"},
            {"words", 4, "there is no record format 4"},
            {"words", 3, "the stage laminar takes records of format 3"},
            {"laminar", 1, "the stage laminar takes records of format 3"},
    };
    struct harness *h = h_new(1, 1);

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t c = h_attach(
                h, 0, SHUFFLE_ROLE_SOURCE, rows[i].format, 1, rows[i].stage);

        h_drain(h, 0);
        assert_int_equal(h->clients[c].state, SHUFFLE_STATE_REFUSED);
        assert_text(h->clients[c].state_text, rows[i].why);
        assert_true(h->clients[c].closed);
    }
    h_end(h);
}

/* ---- formats ---- */

static void a_sink_of_whole_records_takes_keyed_ones(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t sinks[2] = {h_recv(h, 0, "words", 1), h_recv(h, 1, "words", 1)};
    size_t source = h_attach(
            h, 0, SHUFFLE_ROLE_SOURCE, SHUFFLE_FORMAT_KEYED, 2, "words");
    struct h_client *client = &h->clients[source];

    (void)state;
    client->total = 20000;
    client->record_bytes = 40;
    h->seen[source] = calloc(client->total, 1);
    h_run_until_closed(h, source, 10000);
    assert_true(has_ended_well(client));
    assert_int_equal(h_came_out(h, source), 20000);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(h->clients[sinks[i]].received_bytes,
                h->clients[sinks[i]].received * 44);
        assert_int_equal(client->rows[i].bytes, client->rows[i].records * 52);
    }
    h_end(h);
}

static void a_sink_of_another_format_refuses_the_source(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t source;

    (void)state;
    h_attach(h, 1, SHUFFLE_ROLE_SINK, SHUFFLE_FORMAT_KEYED, 1, "words");
    source = h_send(h, 0, "words", 1, 10);
    h_run(h, 500);
    assert_int_equal(h->clients[source].state, SHUFFLE_STATE_REFUSED);
    assert_text(h->clients[source].state_text,
            "the sink of words on node 2 takes records of another format");
    assert_true(h->clients[source].closed);
    h_end(h);
}

/* ---- placement ---- */

static void two_sources_at_once_agree_on_a_placement(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct harness *h = h_new(4, seed);
        size_t a;
        size_t b;

        h->is_random = true;
        h_recv(h, 0, "words", 2);
        h_recv(h, 1, "words", 2);
        /* Each of the two knows another pair of sinks. */
        h->gossip_off = true;
        h_gossip(h);
        a = h_send(h, 2, "words", 2, 500);
        h_recv(h, 3, "words", 2);
        h_tell(h, 1, 3);
        h_tell(h, 3, 2);
        b = h_send(h, 3, "words", 2, 500);
        h_run(h, 300);
        h->gossip_off = false;
        h_run(h, 10000);
        assert_int_equal(h_came_out(h, a), 500);
        assert_int_equal(h_came_out(h, b), 500);
        h_end(h);
    }
}

static void a_sink_that_comes_late_waits_for_the_next_run(void **state)
{
    struct harness *h = h_new(3, 1);
    size_t early = h_recv(h, 1, "words", 1);
    size_t source = h_send(h, 0, "words", 1, 50);
    size_t late;
    size_t next;

    (void)state;
    h->clients[source].pace = 1;
    h_run(h, 200);
    late = h_recv(h, 2, "words", 1);
    h_run(h, 100);
    assert_int_equal(h->clients[late].state, SHUFFLE_STATE_WAITING);
    assert_text(
            h->clients[late].state_text, "waits until no source of words runs");
    h_run_until_closed(h, source, 2000);
    h_run(h, 100);
    assert_int_equal(h->clients[late].state, SHUFFLE_STATE_ATTACHED);
    assert_int_equal(h->clients[early].received, 50);
    assert_int_equal(h->clients[late].received, 0);
    next = h_send(h, 0, "words", 1, 50);
    h_run_until_closed(h, next, 2000);
    assert_int_equal(h->clients[late].received, 50);
    h_end(h);
}

static void a_sink_that_was_overlooked_is_told_to_wait(void **state)
{
    struct harness *h = h_new(3, 1);
    size_t overlooked;
    size_t source;

    (void)state;
    h_recv(h, 1, "words", 1);
    h_run(h, 50);
    h->gossip_off = true; /* node 1 does not know of the next sink */
    overlooked = h_recv(h, 2, "words", 1);
    source = h_send(h, 0, "words", 1, 50);
    h->clients[source].pace = 1;
    h_run(h, 100);
    assert_int_equal(h->clients[overlooked].state, SHUFFLE_STATE_ATTACHED);
    h->gossip_off = false;
    h_run(h, 50);
    assert_int_equal(h->clients[overlooked].state, SHUFFLE_STATE_WAITING);
    h_run_until_closed(h, source, 2000);
    h_run(h, 50);
    assert_int_equal(h->clients[overlooked].state, SHUFFLE_STATE_ATTACHED);
    h_end(h);
}

static void a_new_source_starts_from_the_placement_in_force(void **state)
{
    struct harness *h = h_new(3, 1);
    size_t early = h_recv(h, 1, "words", 2);
    size_t late;
    size_t first = h_send(h, 0, "words", 1, 50);
    size_t second;

    (void)state;
    h->clients[first].pace = 1;
    h_run(h, 200);
    late = h_recv(h, 2, "words", 1);
    second = h_send(h, 2, "words", 1, 50);
    h_run_until_closed(h, second, 3000);
    assert_int_equal(h->clients[early].received, 100);
    assert_int_equal(h->clients[late].received, 0);
    h_end(h);
}

static void yesterdays_sink_is_not_taken_for_todays(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t sink = h_recv(h, 1, "words", 1);
    size_t source;

    (void)state;
    h_run(h, 50);
    h_leave(h, sink);
    h->gossip_off = true; /* node 1 still believes in sink 1 of node 2 */
    sink = h_recv(h, 1, "words", 1);
    source = h_send(h, 0, "words", 1, 10);
    h_run(h, 500);
    assert_int_equal(h->clients[source].state, SHUFFLE_STATE_WAITING);
    assert_int_equal(h->clients[sink].received, 0);
    h->gossip_off = false;
    h_run_until_closed(h, source, 1000);
    assert_int_equal(h->clients[sink].received, 10);
    h_end(h);
}

/* ---- the end, row by row ---- */

static void a_source_program_that_dies_is_counted_at_the_sink(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t sink = h_recv(h, 1, "words", 1);
    size_t source = h_send(h, 0, "words", 1, 100000);
    struct h_client *client = &h->clients[sink];
    char expected[128];

    (void)state;
    h->clients[source].pace = 47;
    h_run(h, 300);
    h_leave(h, source);
    h_run_until_closed(h, sink, 1000);
    (void)snprintf(expected, sizeof(expected),
            "source 1 of node 1 was lost after 1,%03llu records",
            (unsigned long long)client->received - 1000);
    assert_int_equal(client->fail_code, SHUFFLE_FAIL_SOURCE_LOST);
    assert_string_equal(client->fail_text, expected);
    assert_int_equal(client->fail_taken, client->received);
    assert_true(client->marked);
    h_end(h);
}

static void a_source_node_that_dies_is_counted_when_convicted(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t sink = h_recv(h, 1, "words", 1);
    size_t source = h_send(h, 0, "words", 1, 100000);
    struct h_client *client = &h->clients[sink];

    (void)state;
    h->clients[source].pace = 10;
    h_run(h, 300);
    h_stop(h, 0);
    h_run(h, 3000);
    assert_int_equal(client->fails, 0);
    h->nodes[0].live = false;
    h_run_until_closed(h, sink, 100);
    assert_int_equal(client->fails, 1);
    assert_text(client->fail_text, "source 1 of node 1 was lost after");
    assert_int_equal(client->fail_taken, client->received);
    h_end(h);
}

static void a_source_node_that_is_silent_is_given_up_in_time(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t sink = h_recv(h, 1, "words", 1);
    size_t source = h_send(h, 0, "words", 1, 100000);

    (void)state;
    h->clients[source].pace = 10;
    h_run(h, 300);
    h_stop(h, 0); /* and the detector says nothing */
    h_run(h, KEEP_MS - 50);
    assert_int_equal(h->clients[sink].fails, 0);
    h_run(h, 100);
    assert_int_equal(h->clients[sink].fails, 1);
    h_end(h);
}

static void a_source_node_that_restarts_has_lost_its_source(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t sink = h_recv(h, 1, "words", 1);
    size_t source = h_send(h, 0, "words", 1, 100000);

    (void)state;
    h->clients[source].pace = 10;
    h_run(h, 300);
    h_stop(h, 0);
    h_run(h, 500);
    h_start(h, 0);
    h_run_until_closed(h, sink, 100);
    assert_int_equal(h->clients[sink].fails, 1);
    h_end(h);
}

static void a_peer_that_greets_as_another_has_lost_its_source(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t sink = h_recv(h, 1, "words", 1);
    size_t source = h_send(h, 0, "words", 1, 100000);

    (void)state;
    h->clients[source].pace = 10;
    h_run(h, 300);
    h->gossip_off = true; /* the connection says it first */
    h_stop(h, 0);
    h_run(h, 500);
    h_start(h, 0);
    h_tell(h, 1, 0);
    source = h_send(h, 0, "words", 1, 10);
    h_run_until_closed(h, sink, 1000);
    assert_int_equal(h->clients[sink].fails, 1);
    h_end(h);
}

static void a_source_whose_node_gossip_has_forgotten_goes_on(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t sink = h_recv(h, 1, "words", 1);
    size_t source = h_send(h, 0, "words", 1, 100);

    (void)state;
    h->clients[source].pace = 1;
    h_run(h, 200);
    h->gossip_off = true;
    shuffle_streams_member_gone(&h->nodes[1].st, h->now_ms, 1);
    h_run_until_closed(h, source, 3000);
    assert_true(has_ended_well(&h->clients[source]));
    assert_int_equal(h->clients[sink].received, 100);
    h_end(h);
}

static void a_sink_that_leaves_fails_the_source_with_counts(void **state)
{
    struct harness *h = h_new(3, 1);
    size_t sink = h_recv(h, 1, "words", 1);
    size_t other = h_recv(h, 2, "words", 1);
    size_t source = h_send(h, 0, "words", 2, 90000);
    struct h_client *client = &h->clients[source];

    (void)state;
    h->clients[sink].pace = 20;
    h_run(h, 300);
    h_leave(h, sink);
    h_run_until_closed(h, source, 100);
    assert_int_equal(client->fail_code, SHUFFLE_FAIL_SINK_LEFT);
    assert_text(client->fail_text, "the sink of words on node 2 left: ");
    assert_int_equal(client->rows_count, 2);
    assert_int_equal(client->rows[0].confirmed, h->clients[sink].confirmed);
    assert_int_equal(h_rows_records(client), client->sent);
    assert_text(client->fail_text, "records not confirmed");
    h_run_until_closed(h, other, 1000);
    assert_int_equal(h->clients[other].fail_code, SHUFFLE_FAIL_SOURCE_LOST);
    h_end(h);
}

static void the_counts_in_the_sentence_are_those_of_the_stream(void **state)
{
    struct harness *h = h_new(1, 1);
    size_t sink = h_recv(h, 0, "words", 1);
    size_t source = h_send(h, 0, "words", 1, 2000);

    (void)state;
    h->clients[sink].pace = 0;
    h_run(h, 200);
    h->clients[sink].pace = 796;
    h_run(h, 10);
    h->clients[sink].pace = 0;
    h_run(h, 50);
    h_leave(h, sink);
    h_run_until_closed(h, source, 100);
    assert_string_equal(h->clients[source].fail_text,
            "the sink of words on node 1 left: 1,204 of 2,000 records not "
            "confirmed");
    h_end(h);
}

static void what_was_read_before_a_source_gives_up_still_arrives(void **state)
{
    static const struct shuffle_wire_fail gives_up = {
            .code = SHUFFLE_FAIL_SOURCE_LOST};
    struct harness *h = h_new(2, 1);
    size_t sink = h_recv(h, 1, "words", 1);
    size_t source = h_send(h, 0, "words", 1, 1000);
    struct h_client *client = &h->clients[source];
    uint8_t payload[SHUFFLE_FAIL_HEAD_BYTES];
    struct writer w = writer_of(payload, sizeof(payload));

    (void)state;
    client->pace = 0;
    h_run(h, 200);
    client->pace = 7;
    h_send_some(h, client); /* and in the same turn: */
    shuffle_wire_encode_fail(&w, &gives_up);
    h_client_frame(h, client, SHUFFLE_TAG_FAIL, writer_bytes(&w));
    h_drain(h, 0);
    h_run(h, 200);
    assert_int_equal(client->sent, 7);
    assert_int_equal(h->clients[sink].received, 7);
    assert_int_equal(h->clients[sink].lost, 1);
    h_end(h);
}

/* Cuts the connection; it can be made again at once. */
static void cut(struct harness *h, size_t from, size_t to)
{
    h_link_gone(h, from, to);
}

static void a_broken_connection_goes_on_when_all_was_confirmed(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t sink = h_recv(h, 1, "words", 1);
    size_t source = h_send(h, 0, "words", 1, 5000);
    struct h_client *client = &h->clients[source];

    (void)state;
    for (size_t i = 1; i <= 5; i++) {
        client->pace = 100;
        h_run(h, 10);
        client->pace = 0;
        h_run(h, 200);
        assert_int_equal(h->clients[sink].confirmed, client->sent);
        cut(h, 0, 1);
        h_run(h, 500);
        assert_int_equal(client->fails, 0);
    }
    client->pace = SIZE_MAX;
    h_run_until_closed(h, source, 2000);
    assert_true(has_ended_well(client));
    assert_int_equal(h->clients[sink].received, 5000);
    h_end(h);
}

static void the_confirmation_that_a_break_lost_is_said_again(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t sink = h_recv(h, 1, "words", 1);
    size_t source = h_send(h, 0, "words", 1, 1000);
    struct h_client *client = &h->clients[source];

    (void)state;
    client->pace = 100;
    h_run(h, 40);
    client->pace = 0;
    h_run(h, 10);
    h->clients[sink].pace = 0;
    h_run(h, 100);
    h->links[0][1].frozen = true; /* GRANT stays on the way and is lost */
    h->clients[sink].pace = SIZE_MAX;
    h_run(h, 100);
    h->links[0][1].frozen = false;
    cut(h, 0, 1);
    client->pace = SIZE_MAX;
    h_run_until_closed(h, source, 2000);
    assert_true(has_ended_well(client));
    h_end(h);
}

static void a_broken_connection_fails_what_was_not_confirmed(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t sink = h_recv(h, 1, "words", 1);
    size_t source = h_send(h, 0, "words", 1, 5000);
    struct h_client *client = &h->clients[source];

    (void)state;
    client->pace = 100;
    h_run(h, 100);
    client->pace = 0;
    h->clients[sink].pace = 0;
    h_run(h, 10);
    cut(h, 0, 1);
    h_run_until_closed(h, source, 1000);
    assert_int_equal(client->fail_code, SHUFFLE_FAIL_NODE_LOST);
    assert_text(client->fail_text,
            "node 2, with a sink of words, was disconnected: ");
    assert_int_equal(client->rows[0].records, client->sent);
    assert_int_equal(client->rows[0].confirmed, h->clients[sink].confirmed);
    h->clients[sink].pace = SIZE_MAX;
    h_run_until_closed(h, sink, 1000);
    assert_int_equal(h->clients[sink].fail_code, SHUFFLE_FAIL_SOURCE_LOST);
    assert_int_equal(h->clients[sink].fail_taken, h->clients[sink].received);
    h_end(h);
}

static void a_node_out_of_reach_is_given_up_on_both_ends(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t sink = h_recv(h, 1, "words", 1);
    size_t source = h_send(h, 0, "words", 1, 5000);
    struct h_client *client = &h->clients[source];

    (void)state;
    client->pace = 10;
    h_run(h, 200);
    h->links[0][1].blocked = true;
    cut(h, 0, 1);
    h_run(h, GIVE_UP_MS - 50);
    assert_int_equal(client->fails, 0);
    h_run(h, 100);
    assert_int_equal(client->fail_code, SHUFFLE_FAIL_NODE_LOST);
    assert_text(client->fail_text,
            "node 2, with a sink of words, cannot be reached: ");
    assert_int_equal(h->clients[sink].fails, 0);
    h_run_until_closed(h, sink, 1100);
    assert_int_equal(h->clients[sink].fails, 1);
    h_end(h);
}

static void a_convicted_node_is_given_up_after_five_silent_seconds(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t source;
    struct h_client *client;

    (void)state;
    h_recv(h, 1, "words", 1);
    source = h_send(h, 0, "words", 1, 5000);
    client = &h->clients[source];
    client->pace = 1;
    h_run(h, 200);
    h->nodes[1].live = false; /* the detector errs: the connection works */
    h_run(h, 8000);
    assert_int_equal(client->fails, 0);
    h->links[0][1].frozen = true;
    h_run(h, SHUFFLE_SILENCE_MS - 100);
    assert_int_equal(client->fails, 0);
    h_run(h, 200);
    assert_int_equal(client->fail_code, SHUFFLE_FAIL_NODE_LOST);
    assert_text(client->fail_text, "node 2, with a sink of words, is dead: ");
    h_end(h);
}

static void so_is_a_source_behind_a_connection_that_only_looks_alive(
        void **state)
{
    struct harness *h = h_new(2, 1);
    size_t sink = h_recv(h, 1, "words", 1);
    size_t source = h_send(h, 0, "words", 1, 5000);
    const struct h_client *client = &h->clients[sink];

    (void)state;
    h->clients[source].pace = 1;
    h_run(h, 200);
    h->nodes[0].live = false; /* the detector errs: the connection works */
    h_run(h, 8000);
    assert_int_equal(client->fails, 0);
    h->links[0][1].frozen = true;
    h_run(h, SHUFFLE_SILENCE_MS - 100);
    assert_int_equal(client->fails, 0);
    h_run(h, 200);
    assert_int_equal(client->fails, 1);
    assert_text(client->fail_text, "source 1 of node 1 was lost after");
    h_end(h);
}

static void the_pool_may_have_heard_what_streams_did_not(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t source;

    (void)state;
    h_recv(h, 1, "words", 1);
    source = h_send(h, 0, "words", 1, 5000);
    h->clients[source].pace = 0;
    h_run(h, 200);
    h->nodes[1].live = false;
    for (size_t i = 0; i < 20; i++) {
        h_run(h, 1000);
        shuffle_streams_heard(&h->nodes[0].st, 2, h->now_ms);
    }
    assert_int_equal(h->clients[source].fails, 0);
    h_end(h);
}

static void a_done_that_a_break_lost_is_said_again(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t sink = h_recv(h, 1, "words", 1);
    size_t source = h_send(h, 0, "words", 1, 1000);

    (void)state;
    h->clients[sink].pace = 0;
    h_run(h, 300); /* all is there, DRAIN too */
    h->links[0][1].frozen = true;
    h->clients[sink].pace = SIZE_MAX;
    h_run_until_closed(h, sink, 100); /* DONE is on the way */
    h->links[0][1].frozen = false;
    cut(h, 0, 1);
    h_run_until_closed(h, source, 1000);
    assert_true(has_ended_well(&h->clients[source]));
    h_end(h);
}

static void sigterm_lets_streams_end_and_refuses_new_ones(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t sink = h_recv(h, 1, "words", 1);
    size_t source = h_send(h, 0, "words", 1, 2000);
    size_t late;

    (void)state;
    h->clients[source].pace = 10;
    h_run(h, 500);
    shuffle_streams_drain(
            &h->nodes[0].st, h->now_ms, h->now_ms + SHUFFLE_DRAIN_MS);
    assert_false(shuffle_streams_is_idle(&h->nodes[0].st));
    late = h_send(h, 0, "words", 1, 10);
    h_run(h, 20);
    assert_int_equal(h->clients[late].state, SHUFFLE_STATE_REFUSED);
    assert_text(h->clients[late].state_text, "draining");
    h_run_until_closed(h, source, SHUFFLE_DRAIN_MS - 1000);
    assert_true(has_ended_well(&h->clients[source]));
    h_run_until_closed(h, sink, 100);
    assert_true(has_ended_well(&h->clients[sink]));
    assert_true(shuffle_streams_is_idle(&h->nodes[0].st));
    h_end(h);
}

static void sigterm_at_the_sources_node_counts_after_six_seconds(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t sink = h_recv(h, 1, "words", 1);
    size_t source = h_send(h, 0, "words", 1, 90000);
    struct h_client *client = &h->clients[source];

    (void)state;
    client->pace = 10;
    h_run(h, 500);
    shuffle_streams_drain(
            &h->nodes[0].st, h->now_ms, h->now_ms + SHUFFLE_DRAIN_MS);
    h_run(h, SHUFFLE_DRAIN_MS - 20);
    assert_int_equal(client->fails, 0);
    h_run(h, 50);
    assert_int_equal(client->fail_code, SHUFFLE_FAIL_DRAINING);
    assert_text(client->fail_text, "node 1 is leaving: ");
    assert_int_equal(h_rows_records(client), client->sent);
    h_run_until_closed(h, sink, 100);
    assert_int_equal(h->clients[sink].fail_code, SHUFFLE_FAIL_SOURCE_LOST);
    assert_true(shuffle_streams_is_idle(&h->nodes[0].st));
    h_end(h);
}

static void sigterm_at_the_sinks_node_counts_after_six_seconds(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t sink = h_recv(h, 1, "words", 1);
    size_t source = h_send(h, 0, "words", 1, 90000);
    struct h_client *client = &h->clients[source];

    (void)state;
    client->pace = 10;
    h_run(h, 500);
    shuffle_streams_drain(
            &h->nodes[1].st, h->now_ms, h->now_ms + SHUFFLE_DRAIN_MS);
    h_run(h, SHUFFLE_DRAIN_MS - 20);
    assert_int_equal(client->fails, 0);
    h_run(h, 50);
    assert_int_equal(client->fail_code, SHUFFLE_FAIL_DRAINING);
    assert_text(
            client->fail_text, "node 2, with a sink of words, is leaving: ");
    assert_int_equal(h_rows_confirmed(client), h->clients[sink].confirmed);
    assert_int_equal(h->clients[sink].fail_code, SHUFFLE_FAIL_DRAINING);
    assert_true(h->clients[sink].closed);
    h_end(h);
}

static void sigterm_ends_what_only_waits_at_once(void **state)
{
    struct harness *h = h_new(1, 1);
    size_t sink = h_recv(h, 0, "words", 1);
    size_t source = h_send(h, 0, "lines", 1, 10);

    (void)state;
    h_run(h, 50);
    shuffle_streams_drain(
            &h->nodes[0].st, h->now_ms, h->now_ms + SHUFFLE_DRAIN_MS);
    h_run(h, 20);
    assert_int_equal(h->clients[sink].fail_code, SHUFFLE_FAIL_DRAINING);
    assert_int_equal(h->clients[source].state, SHUFFLE_STATE_REFUSED);
    assert_true(shuffle_streams_is_idle(&h->nodes[0].st));
    h_end(h);
}

/* ---- flow ---- */

static void a_stopped_sink_stops_its_sources_and_bounds_memory(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t sink = h_recv(h, 1, "words", 1);
    size_t source = h_send(h, 0, "words", 1, 190000);
    uint64_t sent;

    (void)state;
    h->clients[sink].pace = 0;
    h_run(h, 3000);
    sent = h->clients[source].sent;
    assert_false(h->clients[source].read_on);
    /* First window, full and filling frame, and what was read of one more. */
    assert_in_range(sent * 36, 256 << 10, (256 << 10) + 4 * (64 << 10));
    assert_true(h->nodes[0].budget.used_bytes < 2 << 20);
    assert_true(h->nodes[1].budget.used_bytes < 2 << 20);
    h_run(h, 5000);
    assert_int_equal(h->clients[source].sent, sent);
    h->clients[sink].pace = SIZE_MAX;
    h_run_until_closed(h, source, 60000);
    assert_true(has_ended_well(&h->clients[source]));
    h_end(h);
}

static void a_slow_sink_slows_nobody_who_has_nothing_for_it(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t slow = h_recv(h, 1, "slow", 1);
    size_t stuck;
    size_t quick;

    (void)state;
    h_recv(h, 1, "quick", 1);
    h->clients[slow].pace = 0;
    stuck = h_send(h, 0, "slow", 1, 100000);
    h_run(h, 1000);
    quick = h_send(h, 0, "quick", 1, 100000);
    h_run_until_closed(h, quick, 10000);
    assert_true(has_ended_well(&h->clients[quick]));
    assert_false(h->clients[stuck].closed);
    h_end(h);
}

static void a_window_grows_while_the_sink_keeps_up(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t sink = h_recv(h, 1, "words", 1);
    size_t source = h_send(h, 0, "words", 1, 190000);
    uint64_t before;

    (void)state;
    h_run(h, 300);
    h->clients[sink].pace = 0;
    h_run(h, 100);
    before = h->clients[sink].confirmed;
    h_run(h, 2000);
    /* What is out beyond the confirmed is the grown window now. */
    assert_true((h->clients[source].sent - before) * 36 > H_WINDOW / 2);
    h->clients[sink].pace = SIZE_MAX;
    h_run_until_closed(h, source, 60000);
    h_end(h);
}

static void stages_that_run_crosswise_do_not_wait_for_each_other(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t a = h_recv(h, 0, "a", 1); /* recv a | send b, here */
    size_t c = h_recv(h, 1, "c", 1); /* recv c | send d, there */
    size_t d = h_recv(h, 0, "d", 1);
    size_t b = h_recv(h, 1, "b", 1);
    size_t from_a = h_relay(h, 0, a, "b");
    size_t from_c = h_relay(h, 1, c, "d");
    size_t send_a = h_send(h, 1, "a", 1, 150000);
    size_t send_c = h_send(h, 0, "c", 1, 150000);

    (void)state;
    h->is_random = true;
    h_run_until_closed(h, b, 200000);
    h_run_until_closed(h, d, 200000);
    h_run(h, 100);
    assert_int_equal(h->clients[b].received, 150000);
    assert_int_equal(h->clients[d].received, 150000);
    assert_true(has_ended_well(&h->clients[send_a]));
    assert_true(has_ended_well(&h->clients[send_c]));
    assert_true(has_ended_well(&h->clients[from_a]));
    assert_true(has_ended_well(&h->clients[from_c]));
    h_end(h);
}

static void without_memory_a_stream_is_refused_and_tried_again(void **state)
{
    struct harness *h = h_new(2, 1);
    struct budget *budget = &h->nodes[1].budget;
    size_t taken = budget->max_bytes - (300 << 10);
    size_t source;

    (void)state;
    h_recv(h, 1, "words", 1);
    assert_true(budget_take(budget, taken));
    source = h_send(h, 0, "words", 1, 1000);
    h_run(h, 11000);
    assert_int_equal(h->clients[source].state, SHUFFLE_STATE_WAITING);
    assert_text(h->clients[source].state_text, "node 2 has no memory");
    budget_give(budget, taken);
    h_run_until_closed(h, source, 1000);
    assert_true(has_ended_well(&h->clients[source]));
    h_end(h);
}

static void a_source_without_memory_to_pack_in_waits_for_it(void **state)
{
    struct harness *h = h_new(2, 1);
    struct budget *budget = &h->nodes[0].budget;
    size_t source;
    size_t taken;

    (void)state;
    h_recv(h, 1, "words", 1);
    source = h_send(h, 0, "words", 1, 100000);
    h->clients[source].pace = 0;
    h_run(h, 100);
    taken = budget->max_bytes - budget->used_bytes - 1000;
    assert_true(budget_take(budget, taken));
    h->clients[source].pace = SIZE_MAX;
    h_run(h, 1000);
    assert_false(h->clients[source].read_on);
    assert_true(h->clients[source].sent > 0);
    budget_give(budget, taken);
    h_run_until_closed(h, source, 10000);
    assert_true(has_ended_well(&h->clients[source]));
    h_end(h);
}

/* ---- what is not allowed ---- */

static bool give(struct harness *h, size_t c, uint8_t tag, uint64_t first,
        const char *record)
{
    uint8_t payload[256];
    struct writer w = writer_of(payload, sizeof(payload));

    shuffle_wire_encode_data_head(&w, 0, first);
    shuffle_record_put_whole(&w, bytes_text(record));
    return shuffle_streams_client(&h->nodes[h->clients[c].node].st, h->now_ms,
            h->clients[c].number, tag, writer_bytes(&w));
}

static void a_program_that_breaks_the_rules_is_told_so(void **state)
{
    struct harness *h = h_new(1, 1);
    size_t sink = h_recv(h, 0, "words", 1);
    size_t source = h_send(h, 0, "words", 1, 100);
    const struct shuffle_wire_grant grant = {0, 1, 1000};
    uint8_t payload[64];
    struct writer w = writer_of(payload, sizeof(payload));

    (void)state;
    h->clients[source].pace = 0;
    h_run(h, 100);
    assert_false(give(h, source, SHUFFLE_TAG_DATA, 7, "0:0:"));
    assert_false(give(h, source, SHUFFLE_TAG_GRANT, 0, "0:0:"));
    assert_false(give(h, source, SHUFFLE_TAG_OPEN, 0, "0:0:"));
    assert_false(give(h, sink, SHUFFLE_TAG_DATA, 0, "0:0:"));
    /* It confirms a record that it never got. */
    shuffle_wire_encode_grant(&w, &grant);
    assert_false(shuffle_streams_client(&h->nodes[0].st, h->now_ms,
            h->clients[sink].number, SHUFFLE_TAG_GRANT, writer_bytes(&w)));
    h_end(h);
}

static void a_peer_that_exceeds_its_credit_is_cut_off(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t source;
    uint8_t *payload = calloc(1, 70000);
    struct writer w = writer_of(payload, 70000);
    struct h_link *link = &h->links[0][1];
    struct shuffle_streams *st = &h->nodes[1].st;
    size_t sink = h_recv(h, 1, "words", 1);
    uint64_t first = 0;

    (void)state;
    source = h_send(h, 0, "words", 1, 100);
    h->clients[source].pace = 0;
    h->clients[sink].pace = 0;
    h_run(h, 100);
    for (size_t i = 0; i < 4; i++) {
        w.size = 0;
        shuffle_wire_encode_data_head(&w, 1, first++);
        writer_u32le(&w, 65000);
        assert_true(shuffle_streams_receive(st, h->now_ms, link->in, 1,
                SHUFFLE_TAG_DATA, bytes_of(payload, 12 + 4 + 65000)));
    }
    w.size = 0;
    shuffle_wire_encode_data_head(&w, 1, first);
    assert_false(shuffle_streams_receive(st, h->now_ms, link->in, 1,
            SHUFFLE_TAG_DATA, bytes_of(payload, 12 + 4 + 65000)));
    /* Wrong numbers, wrong direction, another's name. */
    w.size = 0;
    shuffle_wire_encode_data_head(&w, 1, 99);
    assert_false(shuffle_streams_receive(st, h->now_ms, link->in, 1,
            SHUFFLE_TAG_DATA, bytes_of(payload, 12 + 4)));
    assert_false(shuffle_streams_receive(st, h->now_ms, link->in, 1,
            SHUFFLE_TAG_GRANT, bytes_of(payload, SHUFFLE_GRANT_BYTES)));
    assert_false(shuffle_streams_receive(&h->nodes[0].st, h->now_ms, link->out,
            2, SHUFFLE_TAG_DATA, bytes_of(payload, 16)));
    /* A stream that nobody opened is late, not wrong. */
    w.size = 0;
    shuffle_wire_encode_data_head(&w, 77, 0);
    assert_true(shuffle_streams_receive(st, h->now_ms, link->in, 1,
            SHUFFLE_TAG_DATA, bytes_of(payload, 16)));
    shuffle_streams_check(st);
    free(payload);
    /* What was forged was never sent: end without looking at it. */
    h->clients[sink].attached = false;
    h_end(h);
}

/* ---- what is known ---- */

static void a_stage_knows_what_passed(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t sink = h_recv(h, 1, "words", 1);
    size_t source = h_send(h, 0, "words", 1, 20000);
    struct shuffle_stage_info info;

    (void)state;
    h->clients[sink].pace = 0;
    h_run(h, 1000);
    assert_true(shuffle_streams_stage_at(&h->nodes[0].st, 0, &info));
    assert_true(bytes_equal_text(info.name, "words"));
    assert_int_equal(info.sources, 1);
    assert_int_equal(info.sinks, 0);
    assert_int_equal(shuffle_wire_sinks_count(&info.placement), 1);
    assert_in_range(info.longest_without_credit_ms, 500, 1000);
    assert_true(shuffle_streams_unconfirmed(&h->nodes[0].st, 2) > 0);
    h->clients[sink].pace = SIZE_MAX;
    h_run_until_closed(h, source, 5000);
    assert_true(shuffle_streams_stage_at(&h->nodes[0].st, 0, &info));
    assert_int_equal(info.sources, 0);
    assert_int_equal(info.records_in, 20000);
    assert_int_equal(info.waiting_bytes, 0);
    assert_true(shuffle_streams_stage_at(&h->nodes[1].st, 0, &info));
    assert_int_equal(info.records_out, 20000);
    assert_int_equal(shuffle_streams_unconfirmed(&h->nodes[0].st, 2), 0);
    assert_false(shuffle_streams_stage_at(&h->nodes[1].st, 1, &info));
    h_end(h);
}

static void published_sinks_are_sorted_and_numbered(void **state)
{
    struct harness *h = h_new(1, 1);
    struct bytes stage;
    uint64_t number;

    (void)state;
    h_recv(h, 0, "words", 1);
    h_recv(h, 0, "lines", 1);
    assert_true(shuffle_streams_sink_at(&h->nodes[0].st, 0, &stage, &number));
    assert_true(bytes_equal_text(stage, "lines"));
    assert_int_equal(number, 2);
    assert_true(shuffle_streams_sink_at(&h->nodes[0].st, 1, &stage, &number));
    assert_true(bytes_equal_text(stage, "words"));
    assert_int_equal(number, 1);
    assert_false(shuffle_streams_sink_at(&h->nodes[0].st, 2, &stage, &number));
    h_end(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(every_record_comes_out_once_on_its_owner),
            cmocka_unit_test(the_owner_is_the_one_the_document_names),
            cmocka_unit_test(a_sink_hears_of_a_source_that_has_nothing_for_it),
            cmocka_unit_test(a_sink_waits_for_as_many_sources_as_it_wants),
            cmocka_unit_test(a_following_sink_confirms_each_source_and_goes_on),
            cmocka_unit_test(an_empty_source_ends_well),
            cmocka_unit_test(records_of_every_size_pass),
            cmocka_unit_test(a_trickle_leaves_at_the_end_of_each_turn),
            cmocka_unit_test(a_source_waits_with_a_sentence_every_ten_seconds),
            cmocka_unit_test(nothing_is_read_before_every_sink_has_agreed),
            cmocka_unit_test(a_source_that_never_counted_leaves_no_trace),
            cmocka_unit_test(a_second_sink_of_a_stage_is_refused),
            cmocka_unit_test(what_cannot_attach_is_told_why),
            cmocka_unit_test(a_sink_of_whole_records_takes_keyed_ones),
            cmocka_unit_test(a_sink_of_another_format_refuses_the_source),
            cmocka_unit_test(two_sources_at_once_agree_on_a_placement),
            cmocka_unit_test(a_sink_that_comes_late_waits_for_the_next_run),
            cmocka_unit_test(a_sink_that_was_overlooked_is_told_to_wait),
            cmocka_unit_test(a_new_source_starts_from_the_placement_in_force),
            cmocka_unit_test(yesterdays_sink_is_not_taken_for_todays),
            cmocka_unit_test(a_source_program_that_dies_is_counted_at_the_sink),
            cmocka_unit_test(a_source_node_that_dies_is_counted_when_convicted),
            cmocka_unit_test(a_source_node_that_is_silent_is_given_up_in_time),
            cmocka_unit_test(a_source_node_that_restarts_has_lost_its_source),
            cmocka_unit_test(a_peer_that_greets_as_another_has_lost_its_source),
            cmocka_unit_test(a_source_whose_node_gossip_has_forgotten_goes_on),
            cmocka_unit_test(a_sink_that_leaves_fails_the_source_with_counts),
            cmocka_unit_test(
                    the_counts_in_the_sentence_are_those_of_the_stream),
            cmocka_unit_test(
                    what_was_read_before_a_source_gives_up_still_arrives),
            cmocka_unit_test(
                    a_broken_connection_goes_on_when_all_was_confirmed),
            cmocka_unit_test(the_confirmation_that_a_break_lost_is_said_again),
            cmocka_unit_test(a_broken_connection_fails_what_was_not_confirmed),
            cmocka_unit_test(a_node_out_of_reach_is_given_up_on_both_ends),
            cmocka_unit_test(
                    a_convicted_node_is_given_up_after_five_silent_seconds),
            cmocka_unit_test(
                    so_is_a_source_behind_a_connection_that_only_looks_alive),
            cmocka_unit_test(the_pool_may_have_heard_what_streams_did_not),
            cmocka_unit_test(a_done_that_a_break_lost_is_said_again),
            cmocka_unit_test(sigterm_lets_streams_end_and_refuses_new_ones),
            cmocka_unit_test(
                    sigterm_at_the_sources_node_counts_after_six_seconds),
            cmocka_unit_test(
                    sigterm_at_the_sinks_node_counts_after_six_seconds),
            cmocka_unit_test(sigterm_ends_what_only_waits_at_once),
            cmocka_unit_test(
                    a_stopped_sink_stops_its_sources_and_bounds_memory),
            cmocka_unit_test(a_slow_sink_slows_nobody_who_has_nothing_for_it),
            cmocka_unit_test(a_window_grows_while_the_sink_keeps_up),
            cmocka_unit_test(
                    stages_that_run_crosswise_do_not_wait_for_each_other),
            cmocka_unit_test(
                    without_memory_a_stream_is_refused_and_tried_again),
            cmocka_unit_test(a_source_without_memory_to_pack_in_waits_for_it),
            cmocka_unit_test(a_program_that_breaks_the_rules_is_told_so),
            cmocka_unit_test(a_peer_that_exceeds_its_credit_is_cut_off),
            cmocka_unit_test(a_stage_knows_what_passed),
            cmocka_unit_test(published_sinks_are_sorted_and_numbered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
