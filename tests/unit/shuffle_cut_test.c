/* Cuts through the streams of several nodes: each rule of docs/wire.md,
 * "Barriers in streams". */
#include "streams_harness.h"

enum {
    ALIGN_MS = 8000,
};

static const enum shuffle_outcome_code committed = SHUFFLE_OUTCOME_COMMITTED;
static const enum shuffle_outcome_code aborted = SHUFFLE_OUTCOME_ABORTED;
static const enum shuffle_outcome_code unknown = SHUFFLE_OUTCOME_UNKNOWN;

static void assert_text(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        print_message("\"%s\" lacks \"%s\"\n", text, part);
    }
    assert_non_null(strstr(text, part));
}

/* Sinks of "words" on all nodes, and an endless source on the first. */
static size_t begin(struct harness *h, size_t pace)
{
    size_t source;

    for (size_t n = 0; n < h->nodes_count; n++) {
        h_recv(h, n, "words", 0);
    }
    source = h_send(h, 0, "words", (uint32_t)h->nodes_count, H_RECORDS_MAX);
    h->clients[source].pace = pace;
    h_run(h, 200);
    assert_int_equal(h->clients[source].state, SHUFFLE_STATE_ATTACHED);
    return source;
}

static void set_sinks_pace(struct harness *h, size_t pace)
{
    for (size_t c = 0; c < h->clients_count; c++) {
        if (h->clients[c].is_sink) {
            h->clients[c].pace = pace;
        }
    }
}

static void assert_failed(
        const struct harness *h, size_t n, uint64_t by, const char *text)
{
    const struct h_cut *cut = &h->nodes[n].cut;

    assert_true(cut->has_failed);
    assert_int_equal(cut->failed_by, by);
    assert_text(cut->text, text);
}

static struct shuffle_cut_lack lack_of(struct harness *h, size_t n)
{
    struct shuffle_cut_lack lack;

    shuffle_streams_cut_lack(&h->nodes[n].st, &lack);
    return lack;
}

/* A frame as if the node at the other end of the link had sent it. */
static bool inject_mark(struct harness *h, size_t from, size_t to,
        const struct shuffle_wire_mark *mark)
{
    uint8_t payload[SHUFFLE_MARK_BYTES];
    struct writer w = writer_of(payload, sizeof(payload));
    bool is_fine;

    shuffle_wire_encode_mark(&w, mark);
    is_fine = shuffle_streams_receive(&h->nodes[to].st, h->now_ms,
            h->links[from][to].in, h->nodes[from].id, SHUFFLE_TAG_MARK,
            writer_bytes(&w));
    h_drain(h, to);
    return is_fine;
}

/* The stream of node 1's first source at node 2. */
static const struct shuffle_instream *stream_at_2(const struct harness *h)
{
    const struct shuffle_sink *sink =
            shuffle_stage_next_sink(&h->nodes[1].st, NULL);

    assert_non_null(sink->streams);
    return sink->streams;
}

/* ---- the plain way ---- */

static void a_cut_parts_all_streams_at_the_same_records(void **state)
{
    struct harness *h = h_new(3, 1);
    size_t sources[2];

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        h_recv(h, i, "words", 0);
    }
    sources[0] = h_send(h, 0, "words", 3, 20000);
    sources[1] = h_send(h, 1, "words", 3, 20000);
    h->clients[sources[0]].pace = 100;
    h->clients[sources[1]].pace = 70;
    h_run(h, 300);
    for (uint64_t epoch = 1; epoch <= 5; epoch++) {
        h_begin_all(h, epoch, NULL);
        assert_true(h_run_cut(h, 1000));
        h_judge_cut(h, epoch, h_all(h));
        h_decide_all(h, epoch, committed, NULL);
        h_run(h, 100);
    }
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(h->clients[sources[i]].marks_count, 5);
        assert_int_equal(h->clients[sources[i]].outcomes[committed], 5);
        h_run_until_closed(h, sources[i], 10000);
        assert_true(h->clients[sources[i]].done);
    }
    h_end(h);
}

static void a_node_alone_cuts_its_own_streams(void **state)
{
    struct harness *h = h_new(1, 1);
    size_t source = begin(h, 50);

    (void)state;
    h_begin(h, 0, 1, 1, NULL);
    assert_true(h_run_cut(h, 100));
    h_judge_cut(h, 1, 1);
    assert_true(h_mark_of(&h->clients[source], 1)->next > 0);
    h_end(h);
}

static void a_node_without_sinks_has_written_when_it_is_aligned(void **state)
{
    struct harness *h = h_new(2, 1);

    (void)state;
    h_recv(h, 0, "words", 0);
    h_begin(h, 1, 1, h_all(h), NULL);
    h_run(h, 50);
    assert_true(h->nodes[1].cut.is_marked);
    assert_int_equal(h->nodes[1].cut.aligned_ms, 0);
    h_begin(h, 0, 1, h_all(h), NULL);
    assert_true(h_run_cut(h, 100));
    h_end(h);
}

/* The cut is known everywhere in one round trip, though no record moves; what
 * was read and finds no room yet is before it. */
static void marks_overtake_records_and_count_the_spill(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t source = begin(h, SIZE_MAX);
    struct h_client *client = &h->clients[source];
    uint64_t sent;

    (void)state;
    set_sinks_pace(h, 0);
    client->record_bytes = 2000;
    h_run(h, 1000);
    assert_false(client->read_on);
    for (size_t i = 0; i < 2; i++) {
        client->read_on = true; /* what one read had brought already */
        h_send_some(h, client);
    }
    client->read_on = false;
    assert_true(h->nodes[0].st.sources->spill->size > 0);
    sent = client->sent;
    h_begin_all(h, 1, NULL);
    h_run(h, 100);
    assert_true(h->nodes[0].cut.aligned_ms != 0);
    assert_true(h->nodes[1].cut.aligned_ms != 0);
    assert_int_equal(h_mark_of(client, 1)->next, sent);
    assert_false(h->nodes[1].cut.is_written);
    set_sinks_pace(h, 50);
    assert_true(h_run_cut(h, 60000));
    h_judge_cut(h, 1, h_all(h));
    h_end(h);
}

static void what_is_behind_a_mark_waits_for_it(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t source = begin(h, 100);
    uint64_t before;

    (void)state;
    h_begin(h, 0, 1, h_all(h), NULL);
    before = h_mark_of(&h->clients[source], 1)->next;
    h_run(h, 500);
    assert_true(h->clients[source].sent > before + 1000);
    assert_int_equal(h->clients[0].received + h->clients[1].received, before);
    assert_true(shuffle_streams_parked_bytes(&h->nodes[1].st) > 1000);
    h_begin(h, 1, 1, h_all(h), NULL);
    assert_true(h_run_cut(h, 100));
    h_judge_cut(h, 1, h_all(h));
    /* And nobody waits for the outcome. */
    h_run(h, 100);
    assert_true(h->clients[1].received > before);
    assert_int_equal(shuffle_streams_parked_bytes(&h->nodes[1].st), 0);
    h_end(h);
}

static void a_stream_that_has_drained_is_aligned(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t sink = h_recv(h, 1, "words", 2);
    size_t source = h_send(h, 0, "words", 1, 100);

    (void)state;
    h_run(h, 200);
    assert_int_equal(h->clients[sink].confirmed, 100);
    assert_false(h->clients[source].closed);
    h_begin_all(h, 1, NULL);
    assert_true(h_run_cut(h, 100));
    h_judge_cut(h, 1, h_all(h));
    h_end(h);
}

static void a_sink_that_ends_its_run_need_not_echo(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t sink = h_recv(h, 1, "words", 1);
    size_t source = h_send(h, 0, "words", 1, 100);

    (void)state;
    h->clients[sink].pace = 10;
    h_run(h, 80);
    assert_true(h->clients[sink].marked);
    assert_false(h->clients[sink].done);
    h_begin_all(h, 1, NULL);
    assert_true(h_run_cut(h, 500));
    assert_int_equal(h->clients[sink].marks_count, 0);
    assert_true(h->clients[sink].done);
    h_run_until_closed(h, source, 100);
    h_end(h);
}

static void what_was_lost_before_the_cut_is_written_before_it(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t sink =
            h_attach(h, 1, SHUFFLE_ROLE_SINK, SHUFFLE_FORMAT_WHOLE, 0, "words");
    size_t source = h_send(h, 0, "words", 1, H_RECORDS_MAX);
    uint64_t received;

    (void)state;
    h->clients[sink].limit = 32 << 10; /* less than the window */
    h_confirm(h, &h->clients[sink]);
    h->clients[sink].pace = 0;
    h->clients[source].record_bytes = 500;
    h_run(h, 1000);
    h_leave(h, source);
    h_run(h, 100);
    received = stream_at_2(h)->received_records;
    assert_true(stream_at_2(h)->waiting_bytes > 0);
    h_begin_all(h, 1, NULL);
    h_run(h, 100);
    assert_null(h_mark_of(&h->clients[sink], 1));
    h->clients[sink].pace = SIZE_MAX;
    assert_true(h_run_cut(h, 500));
    assert_int_equal(h_mark_of(&h->clients[sink], 1)->next, received);
    h_end(h);
}

static void a_source_that_counts_meanwhile_is_behind_the_cut(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t source;

    (void)state;
    h_recv(h, 0, "words", 0);
    h_recv(h, 1, "words", 0);
    h_begin(h, 0, 1, h_all(h), NULL);
    source = h_send(h, 0, "words", 2, 1000);
    h_run(h, 200);
    assert_int_equal(h_mark_of(&h->clients[source], 1)->next, 0);
    assert_int_equal(h->clients[source].sent, 1000);
    assert_int_equal(h->clients[1].received, 0); /* it is parked */
    h_begin(h, 1, 1, h_all(h), NULL);
    assert_true(h_run_cut(h, 100));
    h_judge_cut(h, 1, h_all(h));
    h_run_until_closed(h, source, 500);
    h_end(h);
}

/* ---- what is lacking ---- */

static void what_a_cut_lacks_is_said_by_name(void **state)
{
    struct harness *h = h_new(3, 1);
    struct shuffle_cut_lack lack;

    (void)state;
    begin(h, 50);
    lack = lack_of(h, 1);
    assert_string_equal(lack.text, "");
    h_begin(h, 1, 1, h_all(h), NULL);
    h_begin(h, 2, 1, h_all(h), NULL);
    h_run(h, 100);
    lack = lack_of(h, 1);
    assert_text(lack.text, "barrier of node 1; mark of node 1 on stage words");
    assert_int_equal(lack.nodes_count, 1);
    assert_int_equal(lack.nodes[0], 1);
    h->clients[1].pace = 0;
    h_run(h, 50);
    h_begin(h, 0, 1, h_all(h), NULL);
    h_run(h, 50);
    lack = lack_of(h, 1);
    assert_text(lack.text, "stage words, ");
    assert_text(lack.text, " unread");
    assert_int_equal(lack.nodes_count, 0);
    h->clients[1].pace = SIZE_MAX;
    h->clients[1].is_mute = true;
    h_run(h, 50);
    lack = lack_of(h, 1);
    assert_string_equal(lack.text, "echo of the sink of words");
    h->clients[1].is_mute = false;
    h_run(h, 50);
    assert_true(h->nodes[1].cut.is_written);
    assert_string_equal(lack_of(h, 1).text, "");
    h_end(h);
}

/* ---- early and late ones ---- */

static void marks_wait_for_their_announcement(void **state)
{
    struct harness *h = h_new(2, 1);

    (void)state;
    begin(h, 50);
    /* The leader of the third was quicker than its word to node 2. */
    for (uint64_t epoch = 1; epoch <= 3; epoch++) {
        h_begin(h, 0, epoch, h_all(h), NULL);
        h_run(h, 50);
    }
    assert_int_equal(stream_at_2(h)->marks.count, 3);
    h_begin(h, 1, 3, h_all(h), NULL);
    assert_int_equal(h->nodes[1].st.cuts.let_go, 2);
    assert_true(h_run_cut(h, 100));
    h_judge_cut(h, 3, h_all(h));
    h_end(h);
}

static void of_too_many_that_wait_the_oldest_goes(void **state)
{
    struct harness *h = h_new(2, 1);

    (void)state;
    begin(h, 50);
    for (uint64_t epoch = 1; epoch <= SHUFFLE_CUTS_MAX + 1; epoch++) {
        h_begin(h, 0, epoch, h_all(h), NULL);
        h_run(h, 50);
    }
    assert_int_equal(h->nodes[1].st.cuts.let_go, 1);
    assert_int_equal(stream_at_2(h)->marks.count, SHUFFLE_CUTS_MAX);
    h_begin(h, 1, 1, h_all(h), NULL);
    h_run(h, 10);
    assert_failed(h, 1, 0, "before its announcement was let go");
    h_end(h);
}

static void none_waits_longer_than_an_attempt_may_last(void **state)
{
    struct harness *h = h_new(2, 1);

    (void)state;
    begin(h, 20);
    h_begin(h, 0, 1, h_all(h), NULL);
    h_run(h, ALIGN_MS - 500);
    assert_true(shuffle_streams_parked_bytes(&h->nodes[1].st) > 0);
    h_run(h, 1000);
    assert_int_equal(shuffle_streams_parked_bytes(&h->nodes[1].st), 0);
    assert_int_equal(h->nodes[1].st.cuts.let_go, 1);
    h_end(h);
}

static void marks_of_a_decided_cut_are_skipped(void **state)
{
    struct harness *h = h_new(2, 1);

    (void)state;
    begin(h, 20);
    h_decide(h, 1, 1, aborted, NULL);
    h_begin(h, 0, 1, h_all(h), NULL);
    h_run(h, 100);
    assert_int_equal(shuffle_streams_parked_bytes(&h->nodes[1].st), 0);
    assert_int_equal(h->nodes[1].st.cuts.early_count, 0);
    h_end(h);
}

static void an_outcome_lets_go_what_was_parked(void **state)
{
    struct harness *h = h_new(2, 1);

    (void)state;
    begin(h, 20);
    h_begin(h, 0, 1, h_all(h), NULL);
    h_run(h, 200);
    assert_true(shuffle_streams_parked_bytes(&h->nodes[1].st) > 0);
    h_decide_all(h, 1, aborted, NULL);
    h_run(h, 50);
    assert_int_equal(shuffle_streams_parked_bytes(&h->nodes[1].st), 0);
    h_end(h);
}

/* ---- numbers that cannot be ---- */

static void a_mark_behind_what_has_come_fails_its_stream(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t source = begin(h, 50);
    struct shuffle_wire_mark mark = {
            .next = 1, .checkpoint = h_checkpoint(1), .epoch = 1};
    char number[32];

    (void)state;
    h_begin(h, 1, 1, h_all(h), NULL);
    mark.stream = stream_at_2(h)->number;
    (void)snprintf(number, sizeof(number), "and %llu have come already",
            (unsigned long long)stream_at_2(h)->received_records);
    assert_true(inject_mark(h, 0, 1, &mark));
    assert_failed(h, 1, 1, "marks 1 of its records on stage words");
    assert_failed(h, 1, 1, number);
    h_run(h, 50);
    assert_int_equal(h->clients[source].fail_code, SHUFFLE_FAIL_NODE_LOST);
    assert_int_equal(h->clients[1].fail_code, SHUFFLE_FAIL_SOURCE_LOST);
    h_end(h);
}

static void a_mark_that_is_never_reached_fails_its_stream(void **state)
{
    struct harness *h = h_new(2, 1);
    struct shuffle_wire_mark mark = {
            .next = 1000000, .checkpoint = h_checkpoint(1), .epoch = 1};

    (void)state;
    begin(h, 50);
    h_begin(h, 1, 1, h_all(h), NULL);
    mark.stream = stream_at_2(h)->number;
    assert_true(inject_mark(h, 0, 1, &mark));
    assert_false(h->nodes[1].cut.has_failed);
    mark = (struct shuffle_wire_mark){
            .stream = mark.stream, .next = 900000, .flags = SHUFFLE_FLAG_DRAIN};
    assert_true(inject_mark(h, 0, 1, &mark));
    assert_failed(h, 1, 1, "marks 1,000,000 of its records");
    assert_failed(h, 1, 1, "and 900,000 are all of them");
    h_end(h);
}

static void two_marks_of_one_cut_must_agree(void **state)
{
    struct harness *h = h_new(2, 1);
    struct shuffle_wire_mark mark = {
            .next = 100000, .checkpoint = h_checkpoint(1), .epoch = 1};

    (void)state;
    begin(h, 50);
    mark.stream = stream_at_2(h)->number;
    assert_true(inject_mark(h, 0, 1, &mark));
    assert_true(inject_mark(h, 0, 1, &mark)); /* repeated: no news */
    mark.next++;
    assert_true(inject_mark(h, 0, 1, &mark));
    /* It had not been announced: it fails when it is. */
    h_begin(h, 1, 1, h_all(h), NULL);
    assert_failed(h, 1, 1, "100,001 of its records");
    assert_failed(h, 1, 1, "100,000 were marked before");
    h_end(h);
}

/* ---- what breaks ---- */

static void a_stream_that_is_lost_fails_the_cut(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t source = begin(h, 50);

    (void)state;
    h_begin(h, 1, 1, h_all(h), NULL);
    h_leave(h, source);
    h_run(h, 100);
    assert_failed(h, 1, 1, "source 1 of node 1 was lost on stage words");
    h_end(h);
}

static void a_source_of_our_own_that_fails_fails_the_cut(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t source = begin(h, 50);

    (void)state;
    h_begin(h, 0, 1, h_all(h), NULL);
    h_leave(h, source);
    h_drain(h, 0);
    assert_failed(h, 0, 0, "source 1 of words has failed: its program has");
    h_end(h);
}

static void a_sink_that_leaves_fails_the_cut(void **state)
{
    struct harness *h = h_new(2, 1);

    (void)state;
    begin(h, 50);
    h_begin(h, 1, 1, h_all(h), NULL);
    h_leave(h, 1);
    h_drain(h, 1);
    assert_failed(h, 1, 0, "the sink of words on this node has left");
    h_end(h);
}

static void what_breaks_behind_the_cut_is_behind_it(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t source = begin(h, 50);

    (void)state;
    h_begin_all(h, 1, NULL);
    assert_true(h_run_cut(h, 100));
    h_leave(h, source);
    h_leave(h, 1);
    h_run(h, 100);
    assert_false(h_has_failed(h));
    h_judge_cut(h, 1, h_all(h));
    h_end(h);
}

/* A mark of records that are lost here must not be missed. */
static void a_mark_of_a_stream_that_ended_here_breaks_its_cut(void **state)
{
    struct harness *h = h_new(2, 1);
    struct shuffle_wire_mark mark = {
            .stream = 777, .checkpoint = h_checkpoint(1), .epoch = 1};

    (void)state;
    begin(h, 50);
    assert_true(inject_mark(h, 0, 1, &mark)); /* it counts nothing */
    assert_int_equal(h->nodes[1].st.cuts.early_count, 0);
    mark.next = 5;
    assert_true(inject_mark(h, 0, 1, &mark));
    h_begin(h, 1, 1, h_all(h), NULL);
    assert_failed(h, 1, 1, "node 1 has marked a stream that had ended here");
    h_end(h);
}

static void a_broken_link_repeats_marks_and_barrier(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t source = begin(h, 50);

    (void)state;
    h->clients[source].pace = 0; /* so that all is confirmed */
    h_run(h, 100);
    h->links[0][1].frozen = true;
    h_begin_all(h, 1, NULL);
    h_run(h, 100);
    assert_int_equal(h->nodes[1].cut.aligned_ms, 0);
    h_link_gone(h, 0, 1);
    h->links[0][1].frozen = false;
    h->clients[source].pace = 50;
    assert_true(h_run_cut(h, 500));
    h_judge_cut(h, 1, h_all(h));
    assert_int_equal(h->nodes[0].barriers, 2);
    h_end(h);
}

static void a_barrier_waits_for_streams_that_are_down(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t source = begin(h, 50);

    (void)state;
    h->clients[source].pace = 0; /* so that all is confirmed */
    h_run(h, 100);
    h->links[0][1].frozen = true;
    h_link_gone(h, 0, 1);
    h_begin_all(h, 1, NULL);
    h_run(h, 100); /* it is up again, and OPEN is on its way */
    assert_true(h->links[0][1].up);
    assert_int_equal(h->nodes[0].barriers, 0);
    assert_false(h->nodes[0].cut.is_marked);
    assert_text(lack_of(h, 0).text, "a stream to node 2");
    h->links[0][1].frozen = false;
    assert_true(h_run_cut(h, 200));
    h_judge_cut(h, 1, h_all(h));
    h_end(h);
}

static void what_is_lost_early_fails_a_cut_when_it_is_announced(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t source = begin(h, 50);

    (void)state;
    h->clients[1].pace = 0;
    h_begin(h, 0, 1, h_all(h), NULL);
    h_run(h, 50);
    assert_int_equal(stream_at_2(h)->marks.count, 1);
    h_leave(h, source);
    h_run(h, 50);
    h_begin(h, 1, 1, h_all(h), NULL);
    assert_failed(h, 1, 1, "source 1 of node 1 was lost on stage words");
    h_end(h);
}

static void a_barrier_that_cannot_leave_fails_the_cut(void **state)
{
    struct harness *h = h_new(2, 1);

    (void)state;
    h->links[0][1].blocked = true;
    h_begin(h, 0, 1, h_all(h), NULL);
    h_run(h, 50);
    assert_failed(
            h, 0, 2, "the barrier for node 2 has not left: connection refused");
    h_end(h);
}

static void a_further_cut_ends_the_one_before(void **state)
{
    struct harness *h = h_new(2, 1);

    (void)state;
    begin(h, 50);
    h->clients[1].pace = 0;
    h_begin_all(h, 1, NULL);
    h_run(h, 100);
    h->clients[1].pace = SIZE_MAX;
    h_begin_all(h, 2, NULL);
    assert_true(h_run_cut(h, 200));
    h_judge_cut(h, 2, h_all(h));
    h_end(h);
}

/* ---- outcomes ---- */

static void programs_hear_what_became_of_their_marks(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t source = begin(h, 50);
    size_t late;

    (void)state;
    h_begin_all(h, 1, NULL);
    assert_true(h_run_cut(h, 100));
    late = h_recv(h, 0, "lines", 0);
    h_decide_all(h, 1, unknown, NULL);
    h_decide_all(h, 1, committed, NULL);
    h_decide_all(h, 1, committed, NULL); /* once is enough */
    for (size_t c = 0; c <= source; c++) {
        assert_int_equal(h->clients[c].outcomes[unknown], 1);
        assert_int_equal(h->clients[c].outcomes[committed], 1);
        assert_int_equal(h->clients[c].outcome.checkpoint, h_checkpoint(1));
    }
    assert_int_equal(h->clients[late].outcomes[committed], 0);
    h_begin_all(h, 2, NULL);
    h_run(h, 100);
    h_decide_all(h, 2, aborted, NULL);
    assert_int_equal(h->clients[source].outcomes[aborted], 1);
    assert_string_equal(h->clients[source].outcome_text, "node 9 is dead");
    h_end(h);
}

static void an_outcome_of_a_cut_that_is_not_known_is_told_all(void **state)
{
    struct harness *h = h_new(1, 1);
    size_t source = begin(h, 50);

    (void)state;
    h_decide(h, 0, 9, committed, NULL);
    assert_int_equal(h->clients[source].outcomes[committed], 1);
    assert_int_equal(h->clients[0].outcomes[committed], 1);
    h_end(h);
}

static void a_sink_that_echoes_late_is_not_wrong(void **state)
{
    struct harness *h = h_new(1, 1);

    (void)state;
    begin(h, 50);
    h->clients[0].is_mute = true;
    for (uint64_t epoch = 1; epoch <= SHUFFLE_TOLD_MAX + 2; epoch++) {
        h_begin(h, 0, epoch, 1, NULL);
        h_run(h, 50);
        h_decide(h, 0, epoch, aborted, NULL);
    }
    assert_int_equal(h->clients[0].marks_count, SHUFFLE_TOLD_MAX);
    h->clients[0].is_mute = false;
    h_begin(h, 0, 99, 1, NULL);
    assert_true(h_run_cut(h, 100));
    h_end(h);
}

/* ---- members that have no part ---- */

static void opens_of_others_wait_for_the_outcome(void **state)
{
    struct harness *h = h_new(3, 1);
    size_t source;

    (void)state;
    h_recv(h, 1, "words", 0);
    h_begin(h, 0, 1, 3, NULL);
    h_begin(h, 1, 1, 3, NULL);
    source = h_send(h, 2, "words", 1, 100);
    h_run(h, 500);
    assert_int_equal(h->clients[source].state, SHUFFLE_STATE_WAITING);
    assert_int_equal(h->nodes[1].st.later.count, 1);
    h_leave(h, source); /* takes its offer back */
    h_run(h, 50);
    assert_int_equal(h->nodes[1].st.later.count, 0);
    source = h_send(h, 2, "words", 1, 100);
    h_run(h, 50);
    assert_int_equal(h->nodes[1].st.later.count, 1);
    h_decide(h, 1, 1, aborted, NULL);
    h_run_until_closed(h, source, 500);
    assert_true(h->clients[source].done);
    h_end(h);
}

static void a_held_open_goes_with_its_link(void **state)
{
    struct harness *h = h_new(3, 1);

    (void)state;
    h_recv(h, 1, "words", 0);
    h_begin(h, 1, 1, 3, NULL);
    h_send(h, 2, "words", 1, 100);
    h_run(h, 50);
    assert_int_equal(h->nodes[1].st.later.count, 1);
    h->links[2][1].blocked = true;
    h_link_gone(h, 2, 1);
    h_drain(h, 1);
    assert_int_equal(h->nodes[1].st.later.count, 0);
    h_end(h);
}

static void streams_of_others_are_lost_or_must_be_confirmed(void **state)
{
    struct harness *h = h_new(3, 1);
    size_t sources[3];

    (void)state;
    h_recv(h, 1, "words", 0);
    h_recv(h, 2, "lines", 0);
    h_recv(h, 2, "names", 0);
    sources[0] = h_send(h, 2, "words", 1, H_RECORDS_MAX);
    sources[1] = h_send(h, 1, "lines", 1, H_RECORDS_MAX);
    sources[2] = h_send(h, 1, "names", 1, H_RECORDS_MAX);
    for (size_t i = 0; i < 3; i++) {
        h->clients[sources[i]].pace = 50;
    }
    h_run(h, 200);
    h->clients[sources[1]].pace = 0; /* it will have been confirmed */
    h->clients[2].pace = 0; /* and that one's sink sleeps */
    h_run(h, 200);
    h_begin(h, 0, 1, 3, NULL);
    h_begin(h, 1, 1, 3, NULL);
    h_run(h, 100);
    assert_true(h->nodes[1].cut.is_written);
    assert_int_equal(h->clients[0].lost, 1);
    assert_int_equal(h->clients[sources[0]].fail_code, SHUFFLE_FAIL_NODE_LOST);
    assert_int_equal(h->clients[sources[1]].fails, 0);
    assert_int_equal(h->clients[sources[2]].fail_code, SHUFFLE_FAIL_NODE_LOST);
    assert_text(h->clients[sources[2]].fail_text,
            "node 3, with a sink of names, has no part in a checkpoint: ");
    assert_text(h->clients[sources[2]].fail_text, " records not confirmed");
    h_end(h);
}

/* ---- rotation ---- */

/* What the same read had brought when the node said that it reads no more. */
static void read_more(struct harness *h, size_t source)
{
    struct h_client *client = &h->clients[source];
    uint64_t sent = client->sent;

    client->read_on = true;
    h_send_some(h, client);
    client->read_on = false;
    h_drain(h, client->node);
    assert_true(client->sent > sent);
}

static void a_late_sink_gets_its_keys_at_the_next_cut(void **state)
{
    struct harness *h = h_new(3, 1);
    size_t early[2] = {h_recv(h, 0, "words", 0), h_recv(h, 1, "words", 0)};
    size_t source = h_send(h, 0, "words", 2, 30000);
    struct h_next_place place;
    size_t late;

    (void)state;
    h->clients[source].pace = 100;
    h_run(h, 200);
    late = h_recv(h, 2, "words", 0);
    h_run(h, 100);
    assert_int_equal(h->clients[late].state, SHUFFLE_STATE_WAITING);
    h_begin_all(h, 1, "words");
    assert_true(h_run_cut(h, 200));
    h_judge_cut(h, 1, h_all(h));
    h_run(h, 100);
    /* What is read meanwhile waits: no sink gets anything. */
    assert_false(h->clients[source].read_on);
    read_more(h, source);
    h_run(h, 100);
    assert_int_equal(
            h->clients[early[0]].received + h->clients[early[1]].received,
            h_mark_of(&h->clients[source], 1)->next);
    place = h_gather(h, "words", 1);
    h_decide_all(h, 1, committed, &place);
    assert_int_equal(h->clients[late].state, SHUFFLE_STATE_ATTACHED);
    assert_int_equal(h->nodes[0].places[0].epoch, 1);
    assert_int_equal(h->nodes[0].places[0].size, 3 * SHUFFLE_SINK_BYTES);
    h_run(h, 100);
    assert_true(h->clients[late].received > 0);
    /* And the next cut is one through all three. */
    h_begin_all(h, 2, NULL);
    assert_true(h_run_cut(h, 200));
    h_judge_cut(h, 2, h_all(h));
    h_decide_all(h, 2, committed, NULL);
    h_run_until_closed(h, source, 10000);
    assert_true(h->clients[source].done);
    assert_int_equal(h->clients[source].rows_count, 3);
    assert_int_equal(h_came_out(h, source), 30000);
    h_end(h);
}

static void a_sink_whose_node_drains_is_moved_out(void **state)
{
    struct harness *h = h_new(3, 1);
    size_t source = begin(h, 100);
    struct h_next_place place;

    (void)state;
    shuffle_streams_drain(&h->nodes[2].st, h->now_ms, h->now_ms + 6000);
    h_run(h, 100);
    assert_false(h->clients[2].marked);
    h_begin_all(h, 1, "words");
    assert_true(h_run_cut(h, 200));
    place = h_gather(h, "words", 1);
    assert_int_equal(place.count, 2);
    h_decide_all(h, 1, committed, &place);
    h_run_until_closed(h, 2, 500);
    assert_true(h->clients[2].done);
    assert_int_equal(h->clients[2].fails, 0);
    assert_true(shuffle_streams_is_idle(&h->nodes[2].st));
    h->clients[source].total = h->clients[source].sent + 1000;
    h_run_until_closed(h, source, 5000);
    assert_true(h->clients[source].done);
    assert_int_equal(h->clients[source].rows_count, 3);
    assert_int_equal(h_came_out(h, source), h->clients[source].total);
    h_end(h);
}

static void without_a_commit_the_old_placement_goes_on(void **state)
{
    static const enum shuffle_outcome_code codes[] = {
            SHUFFLE_OUTCOME_ABORTED, SHUFFLE_OUTCOME_UNKNOWN};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct harness *h = h_new(2, 1);
        size_t sink = h_recv(h, 0, "words", 0);
        size_t source = h_send(h, 0, "words", 1, 5000);
        size_t late;

        h->clients[source].pace = 50;
        h_run(h, 100);
        late = h_recv(h, 1, "words", 0);
        h_begin_all(h, 1, "words");
        h_run(h, 100);
        h_decide_all(h, 1, codes[i], NULL);
        h_run_until_closed(h, source, 5000);
        assert_true(h->clients[source].done);
        assert_int_equal(h->clients[sink].received, 5000);
        assert_int_equal(h->clients[late].received, 0);
        h_end(h);
    }
}

static void who_went_on_without_a_commit_fails_when_it_comes(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t source;
    struct h_next_place place;

    (void)state;
    h_recv(h, 0, "words", 0);
    source = h_send(h, 0, "words", 1, H_RECORDS_MAX);
    h->clients[source].pace = 50;
    h_run(h, 100);
    h_recv(h, 1, "words", 0);
    h_begin_all(h, 1, "words");
    assert_true(h_run_cut(h, 200));
    place = h_gather(h, "words", 1);
    h_decide_all(h, 1, unknown, NULL);
    h_run(h, 200);
    assert_int_equal(h->clients[source].fails, 0);
    h_decide_all(h, 1, committed, &place);
    assert_int_equal(h->clients[source].fail_code, SHUFFLE_FAIL_NODE_LOST);
    assert_text(h->clients[source].fail_text,
            "a checkpoint has placed the stage anew, and this node had gone on "
            "without it: ");
    h_end(h);
}

/* One node hears of the commit long before the other. */
static void an_open_of_the_new_placement_waits_for_the_commit(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t source;
    size_t late;
    struct h_next_place place;

    (void)state;
    h_recv(h, 0, "words", 0);
    source = h_send(h, 0, "words", 1, H_RECORDS_MAX);
    h->clients[source].pace = 50;
    h_run(h, 100);
    late = h_recv(h, 1, "words", 0);
    h_begin_all(h, 1, "words");
    assert_true(h_run_cut(h, 200));
    place = h_gather(h, "words", 1);
    h_decide(h, 0, 1, committed, &place);
    h_run(h, 300);
    assert_int_equal(h->nodes[1].st.later.count, 1);
    assert_false(h->clients[source].read_on);
    read_more(h, source);
    h_run(h, 100);
    assert_int_equal(
            h->clients[0].received, h_mark_of(&h->clients[source], 1)->next);
    h_decide(h, 1, 1, committed, &place);
    h_run(h, 100);
    assert_true(h->clients[source].read_on);
    assert_true(h->clients[late].received > 0);
    h_end(h);
}

static void a_new_sink_that_is_gone_fails_the_source(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t source;
    size_t late;
    struct h_next_place place;

    (void)state;
    h_recv(h, 0, "words", 0);
    source = h_send(h, 0, "words", 1, H_RECORDS_MAX);
    h->clients[source].pace = 50;
    h_run(h, 100);
    late = h_recv(h, 1, "words", 0);
    h_begin_all(h, 1, "words");
    assert_true(h_run_cut(h, 200));
    place = h_gather(h, "words", 1);
    h_leave(h, late);
    h_decide_all(h, 1, committed, &place);
    h_run(h, 200);
    assert_int_equal(h->clients[source].fail_code, SHUFFLE_FAIL_NODE_LOST);
    assert_text(h->clients[source].fail_text,
            "node 2, new in the placement of words, has no sink of it any "
            "more: ");
    h_end(h);
}

static void a_source_that_waits_takes_the_new_placement(void **state)
{
    struct harness *h = h_new(3, 1);
    size_t running;
    size_t waiting;
    struct h_next_place place;

    (void)state;
    h_recv(h, 0, "words", 0);
    running = h_send(h, 0, "words", 1, H_RECORDS_MAX);
    h->clients[running].pace = 50;
    h_run(h, 100);
    h_recv(h, 1, "words", 0);
    h_begin_all(h, 1, "words");
    /* It counts meanwhile, and is held like the others. */
    waiting = h_send(h, 2, "words", 1, 2000);
    assert_true(h_run_cut(h, 200));
    h_run(h, 200);
    assert_int_equal(h->clients[waiting].sent, 0);
    place = h_gather(h, "words", 1);
    h_decide_all(h, 1, committed, &place);
    h_run_until_closed(h, waiting, 2000);
    assert_true(h->clients[waiting].done);
    assert_int_equal(h->clients[waiting].rows_count, 2);
    assert_int_equal(h->clients[running].fails, 0);
    h_end(h);
}

/* ---- after a long sleep ---- */

static void in_doubt_nothing_is_handed_to_sinks(void **state)
{
    struct harness *h = h_new(2, 1);
    uint64_t received;

    (void)state;
    begin(h, 50);
    shuffle_streams_doubt(&h->nodes[1].st, h->now_ms, true);
    h_drain(h, 1);
    received = h->clients[1].received;
    h_begin_all(h, 1, NULL);
    h_run(h, 300);
    assert_int_equal(h->clients[1].received, received);
    assert_null(h_mark_of(&h->clients[1], 1));
    shuffle_streams_doubt(&h->nodes[1].st, h->now_ms, false);
    assert_true(h_run_cut(h, 100));
    h_judge_cut(h, 1, h_all(h));
    h_end(h);
}

static void the_buried_fail_with_exact_counts(void **state)
{
    struct harness *h = h_new(2, 1);
    size_t source = begin(h, 50);

    (void)state;
    h->clients[1].pace = 0;
    h_run(h, 200);
    h_begin(h, 0, 1, h_all(h), NULL);
    shuffle_streams_buried(&h->nodes[0].st, h->now_ms);
    h_drain(h, 0);
    assert_true(h->nodes[0].cut.has_failed);
    assert_true(shuffle_streams_is_idle(&h->nodes[0].st));
    assert_int_equal(h->clients[source].fail_code, SHUFFLE_FAIL_NODE_LOST);
    assert_text(h->clients[source].fail_text, "node 1 was taken for dead: ");
    assert_int_equal(h->clients[source].fail_taken,
            h_rows_confirmed(&h->clients[source]));
    assert_int_equal(h->clients[0].fail_code, SHUFFLE_FAIL_NODE_LOST);
    h->clients[1].pace = SIZE_MAX;
    h_run(h, 100);
    assert_int_equal(h->clients[1].lost, 1);
    shuffle_streams_generation(&h->nodes[0].st, h->nodes[0].generation + 1);
    h_end(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_cut_parts_all_streams_at_the_same_records),
            cmocka_unit_test(a_node_alone_cuts_its_own_streams),
            cmocka_unit_test(
                    a_node_without_sinks_has_written_when_it_is_aligned),
            cmocka_unit_test(marks_overtake_records_and_count_the_spill),
            cmocka_unit_test(what_is_behind_a_mark_waits_for_it),
            cmocka_unit_test(a_stream_that_has_drained_is_aligned),
            cmocka_unit_test(a_sink_that_ends_its_run_need_not_echo),
            cmocka_unit_test(what_was_lost_before_the_cut_is_written_before_it),
            cmocka_unit_test(a_source_that_counts_meanwhile_is_behind_the_cut),
            cmocka_unit_test(what_a_cut_lacks_is_said_by_name),
            cmocka_unit_test(marks_wait_for_their_announcement),
            cmocka_unit_test(of_too_many_that_wait_the_oldest_goes),
            cmocka_unit_test(none_waits_longer_than_an_attempt_may_last),
            cmocka_unit_test(marks_of_a_decided_cut_are_skipped),
            cmocka_unit_test(an_outcome_lets_go_what_was_parked),
            cmocka_unit_test(a_mark_behind_what_has_come_fails_its_stream),
            cmocka_unit_test(a_mark_that_is_never_reached_fails_its_stream),
            cmocka_unit_test(two_marks_of_one_cut_must_agree),
            cmocka_unit_test(a_stream_that_is_lost_fails_the_cut),
            cmocka_unit_test(a_source_of_our_own_that_fails_fails_the_cut),
            cmocka_unit_test(a_sink_that_leaves_fails_the_cut),
            cmocka_unit_test(what_breaks_behind_the_cut_is_behind_it),
            cmocka_unit_test(a_mark_of_a_stream_that_ended_here_breaks_its_cut),
            cmocka_unit_test(a_broken_link_repeats_marks_and_barrier),
            cmocka_unit_test(a_barrier_waits_for_streams_that_are_down),
            cmocka_unit_test(
                    what_is_lost_early_fails_a_cut_when_it_is_announced),
            cmocka_unit_test(a_barrier_that_cannot_leave_fails_the_cut),
            cmocka_unit_test(a_further_cut_ends_the_one_before),
            cmocka_unit_test(programs_hear_what_became_of_their_marks),
            cmocka_unit_test(an_outcome_of_a_cut_that_is_not_known_is_told_all),
            cmocka_unit_test(a_sink_that_echoes_late_is_not_wrong),
            cmocka_unit_test(opens_of_others_wait_for_the_outcome),
            cmocka_unit_test(a_held_open_goes_with_its_link),
            cmocka_unit_test(streams_of_others_are_lost_or_must_be_confirmed),
            cmocka_unit_test(a_late_sink_gets_its_keys_at_the_next_cut),
            cmocka_unit_test(a_sink_whose_node_drains_is_moved_out),
            cmocka_unit_test(without_a_commit_the_old_placement_goes_on),
            cmocka_unit_test(who_went_on_without_a_commit_fails_when_it_comes),
            cmocka_unit_test(an_open_of_the_new_placement_waits_for_the_commit),
            cmocka_unit_test(a_new_sink_that_is_gone_fails_the_source),
            cmocka_unit_test(a_source_that_waits_takes_the_new_placement),
            cmocka_unit_test(in_doubt_nothing_is_handed_to_sinks),
            cmocka_unit_test(the_buried_fail_with_exact_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
