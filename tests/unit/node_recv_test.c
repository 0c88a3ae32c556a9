#include "tests/unit/node_peer.h"

#include "node/cli.h"
#include "node/marks.h"
#include "node/recv_posix.h"

enum {
    SAID_BYTES = 4096,
    FRAME_BYTES = 64 << 10,
};

static int program(struct client *client, const void *options)
{
    return recv_run(client, options);
}

static struct recv_options usual(void)
{
    return (struct recv_options){
            .stage = "words",
            .sources = 1,
            .mode = OUTPUT_LINES,
            .deadline_ms = UINT64_MAX,
            .out_fd = STDOUT_FILENO,
    };
}

/* What a sink has granted and confirmed so far. */
struct sink {
    struct shuffle_wire_grant grant;
    uint64_t sent_records;
    uint64_t sent_bytes; /* length words included */
};

/* Attached, and the first GRANT is in. */
static void start(
        struct peer *p, struct sink *sink, const struct recv_options *options)
{
    struct frame frame;

    *sink = (struct sink){0};
    peer_start(p, program, options);
    peer_expect(p, SHUFFLE_TAG_ATTACH, &frame);
    peer_expect(p, SHUFFLE_TAG_GRANT, &frame);
    assert_true(shuffle_wire_decode_grant(frame.payload, &sink->grant));
    assert_true(sink->grant.taken == 0);
    assert_true(sink->grant.limit >= SHUFFLE_RECORD_MAX);
    peer_say_state(p, SHUFFLE_STATE_ATTACHED, "");
}

/* Queues one DATA frame of `count` records of `size` bytes, each filled with
 * its number's letter. */
static void put_data(
        struct peer *p, struct sink *sink, size_t count, size_t size)
{
    size_t capacity = SHUFFLE_DATA_HEAD_BYTES + count * (size + 4);
    uint8_t *payload = malloc(capacity);
    uint8_t *body = malloc(size + 1);
    struct writer w = writer_of(payload, capacity);

    assert_non_null(payload);
    assert_non_null(body);
    shuffle_wire_encode_data_head(&w, 0, sink->sent_records);
    for (size_t i = 0; i < count; i++) {
        memset(body, 'a' + (int)((sink->sent_records + i) % 26), size);
        shuffle_record_put_whole(&w, bytes_of(body, size));
    }
    assert_false(w.failed);
    client_put(&p->node, SHUFFLE_TAG_DATA, writer_bytes(&w), bytes_of("", 0));
    sink->sent_records += count;
    sink->sent_bytes += count * (size + 4);
    free(body);
    free(payload);
}

/* What a test has read of the program's output. */
struct read_text {
    char *text;
    size_t size;
    size_t capacity; /* 0: nobody reads */
};

/* Lets bytes flow in every direction, once; false when none could for
 * `patience_ms`. */
static bool pump(struct peer *p, struct sink *sink, struct read_text *out,
        int patience_ms)
{
    bool has_output = client_queued(&p->node) > 0;
    bool reads = out->size < out->capacity;
    struct pollfd fds[] = {
            {p->node.fd, has_output ? POLLIN | POLLOUT : POLLIN, 0},
            {reads ? p->out : -1, POLLIN, 0},
    };
    struct frame frame;

    if (poll(fds, 2, patience_ms) == 0) {
        return false;
    }
    if ((fds[0].revents & POLLOUT) != 0) {
        assert_int_equal(client_flush(&p->node, NULL), 0);
    }
    if ((fds[0].revents & POLLIN) != 0) {
        assert_int_equal(client_fill(&p->node, NULL), 0);
    }
    if (fds[1].revents != 0) {
        ssize_t got =
                read(p->out, out->text + out->size, out->capacity - out->size);

        assert_true(got > 0);
        out->size += (size_t)got;
    }
    while (client_next(&p->node, &frame, NULL) == 1) {
        assert_int_equal(frame.tag, SHUFFLE_TAG_GRANT);
        assert_true(shuffle_wire_decode_grant(frame.payload, &sink->grant));
        assert_true(sink->grant.taken <= sink->sent_records);
    }
    return true;
}

static void say_texts(
        struct peer *p, struct sink *sink, const char *const texts[])
{
    uint8_t payload[1024];
    struct writer w = writer_of(payload, sizeof(payload));

    shuffle_wire_encode_data_head(&w, 0, sink->sent_records);
    for (size_t i = 0; texts[i] != NULL; i++) {
        shuffle_record_put_whole(&w, bytes_text(texts[i]));
        sink->sent_records++;
    }
    peer_say(p, SHUFFLE_TAG_DATA, &w);
}

static void say_drain(struct peer *p, const struct sink *sink)
{
    uint8_t payload[SHUFFLE_MARK_BYTES];
    struct writer w = writer_of(payload, sizeof(payload));
    struct shuffle_wire_mark mark = {
            .next = sink->sent_records, .flags = SHUFFLE_FLAG_DRAIN};

    shuffle_wire_encode_mark(&w, &mark);
    peer_say(p, SHUFFLE_TAG_MARK, &w);
}

/* Reads grants up to DONE, which must confirm all. */
static void expect_done(struct peer *p, struct sink *sink)
{
    struct shuffle_wire_done done;
    struct frame frame;

    while (peer_frame(p, &frame) && frame.tag == SHUFFLE_TAG_GRANT) {
        assert_true(shuffle_wire_decode_grant(frame.payload, &sink->grant));
    }
    assert_int_equal(frame.tag, SHUFFLE_TAG_DONE);
    assert_true(shuffle_wire_decode_done(frame.payload, &done));
    assert_true(done.taken == sink->sent_records);
    assert_true(sink->grant.taken == sink->sent_records);
}

static void it_says_what_it_is(void **state)
{
    struct recv_options options = usual();
    struct shuffle_wire_attach attach;
    char said[SAID_BYTES];
    struct frame frame;
    struct peer p;

    (void)state;
    options.sources = 0;
    peer_start(&p, program, &options);
    peer_expect(&p, SHUFFLE_TAG_ATTACH, &frame);
    assert_true(shuffle_wire_decode_attach(frame.payload, &attach));
    assert_int_equal(attach.role, SHUFFLE_ROLE_SINK);
    assert_int_equal(attach.format, SHUFFLE_FORMAT_WHOLE);
    assert_int_equal(attach.want, 0);
    assert_true(bytes_equal_text(attach.stage, "words"));
    peer_say_state(&p, SHUFFLE_STATE_REFUSED,
            "the stage words has a sink on this node already");
    assert_int_equal(peer_end(&p, said, sizeof(said)), CLI_EXIT_NO);
    assert_string_equal(
            said, "weft: the stage words has a sink on this node already\n");
}

static void each_record_is_a_line(void **state)
{
    static const char *const texts[] = {"the", "", "loom", NULL};
    struct recv_options options = usual();
    char text[64];
    char said[SAID_BYTES];
    struct sink sink;
    struct peer p;

    (void)state;
    start(&p, &sink, &options);
    say_texts(&p, &sink, texts);
    say_drain(&p, &sink);
    expect_done(&p, &sink);
    text[peer_read(p.out, text, sizeof(text) - 1)] = '\0';
    assert_string_equal(text, "the\n\nloom\n");
    assert_int_equal(peer_end(&p, said, sizeof(said)), CLI_EXIT_DONE);
    assert_string_equal(said, "");
}

static void null_ends_records_with_nul(void **state)
{
    static const char *const texts[] = {"a\nb", "c", NULL};
    struct recv_options options = usual();
    char text[64];
    char said[SAID_BYTES];
    struct sink sink;
    struct peer p;

    (void)state;
    options.mode = OUTPUT_NULS;
    start(&p, &sink, &options);
    say_texts(&p, &sink, texts);
    say_drain(&p, &sink);
    expect_done(&p, &sink);
    assert_int_equal(peer_read(p.out, text, sizeof(text)), 6);
    assert_memory_equal(text, "a\nb\0c\0", 6);
    assert_int_equal(peer_end(&p, said, sizeof(said)), CLI_EXIT_DONE);
}

static void raw_records_keep_their_peer_and_vnode(void **state)
{
    static const uint8_t expected[] = {
            42, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 3, 0, 0, 0, 'a', 'b', 'c'};
    struct recv_options options = usual();
    uint8_t payload[64];
    struct writer w = writer_of(payload, sizeof(payload));
    char text[64];
    char said[SAID_BYTES];
    struct sink sink;
    struct peer p;

    (void)state;
    options.stage = "laminar";
    options.mode = OUTPUT_RAW;
    start(&p, &sink, &options);
    shuffle_wire_encode_data_head(&w, 0, 0);
    shuffle_record_put_laminar_head(&w, 42, 9, 3);
    writer_put(&w, bytes_text("abc"));
    peer_say(&p, SHUFFLE_TAG_DATA, &w);
    sink.sent_records = 1;
    say_drain(&p, &sink);
    expect_done(&p, &sink);
    assert_true(sink.grant.limit == 16 + 3 + RECV_WINDOW_BYTES);
    assert_int_equal(peer_read(p.out, text, sizeof(text)), sizeof(expected));
    assert_memory_equal(text, expected, sizeof(expected));
    assert_int_equal(peer_end(&p, said, sizeof(said)), CLI_EXIT_DONE);
}

/* The output is what say_data sent: count lines of one letter each. */
static void check_lines(
        const char *text, size_t text_size, size_t count, size_t size)
{
    assert_int_equal(text_size, count * (size + 1));
    for (size_t i = 0; i < count; i++) {
        const char *line = text + i * (size + 1);

        assert_int_equal(line[0], 'a' + (int)(i % 26));
        assert_int_equal(line[size - 1], line[0]);
        assert_int_equal(line[size], '\n');
    }
}

struct flow {
    size_t size; /* of a record */
    size_t a_frame; /* records */
    size_t frames;
};

/* Sends all of it as far as credit reaches, while the output is read. */
static void run_flow(struct peer *p, struct sink *sink, const struct flow *flow,
        struct read_text *out)
{
    size_t count = flow->a_frame * flow->frames;

    while (sink->sent_records < count || out->size < out->capacity) {
        if (sink->sent_records < count && client_queued(&p->node) == 0 &&
                sink->sent_bytes + flow->a_frame * (flow->size + 4) <=
                        sink->grant.limit) {
            put_data(p, sink, flow->a_frame, flow->size);
        }
        assert_true(pump(p, sink, out, PEER_PATIENCE_MS));
    }
}

static void records_arrive_right_and_in_order(void **state)
{
    static const struct flow flows[] = {
            {1, 1, 100}, {1, 10000, 20}, {100, 600, 40}, {4095, 15, 40},
            {4096, 15, 40},
            {SHUFFLE_RECORD_MAX - 4, 1, 9}, /* larger than a batch */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(flows) / sizeof(flows[0]); i++) {
        struct recv_options options = usual();
        size_t count = flows[i].a_frame * flows[i].frames;
        struct read_text out = {.capacity = count * (flows[i].size + 1)};
        char said[SAID_BYTES];
        struct sink sink;
        struct peer p;

        print_message("  %zu records of %zu\n", count, flows[i].size);
        out.text = malloc(out.capacity);
        assert_non_null(out.text);
        start(&p, &sink, &options);
        run_flow(&p, &sink, &flows[i], &out);
        check_lines(out.text, out.size, count, flows[i].size);
        say_drain(&p, &sink);
        expect_done(&p, &sink);
        assert_true(sink.grant.limit == sink.sent_bytes + RECV_WINDOW_BYTES);
        assert_int_equal(peer_end(&p, said, sizeof(said)), CLI_EXIT_DONE);
        free(out.text);
    }
}

/* Nobody reads: no more is confirmed than the pipe took, and credit ends. Then
 * somebody reads: nothing is lost. */
static void a_slow_reader_stops_confirmations(void **state)
{
    struct recv_options options = usual();
    struct read_text out = {0};
    char said[SAID_BYTES];
    struct sink sink;
    struct peer p;

    (void)state;
    start(&p, &sink, &options);
    while (sink.sent_bytes + FRAME_BYTES <= sink.grant.limit) {
        put_data(&p, &sink, 630, 100);
    }
    while (pump(&p, &sink, &out, 300)) {
    }
    assert_true(sink.grant.taken * 101 <= 64 << 10);
    assert_true(sink.grant.limit == sink.grant.taken * 104 + RECV_WINDOW_BYTES);

    out.capacity = sink.sent_records * 101;
    out.text = malloc(out.capacity);
    assert_non_null(out.text);
    while (out.size < out.capacity) {
        assert_true(pump(&p, &sink, &out, PEER_PATIENCE_MS));
    }
    check_lines(out.text, out.size, sink.sent_records, 100);
    free(out.text);
    say_drain(&p, &sink);
    expect_done(&p, &sink);
    assert_int_equal(peer_end(&p, said, sizeof(said)), CLI_EXIT_DONE);
}

static void a_closed_pipe_ends_it_quietly(void **state)
{
    struct recv_options options = usual();
    char said[SAID_BYTES];
    struct sink sink;
    struct peer p;

    (void)state;
    start(&p, &sink, &options);
    (void)close(p.out);
    p.out = dup(p.err);
    put_data(&p, &sink, 100, 100);
    (void)client_flush(&p.node, NULL);
    assert_int_equal(peer_end(&p, said, sizeof(said)), CLI_EXIT_DONE);
    assert_string_equal(said, "");
}

static void a_closed_pipe_is_noticed_without_a_write(void **state)
{
    struct recv_options options = usual();
    char said[SAID_BYTES];
    struct sink sink;
    struct peer p;

    (void)state;
    start(&p, &sink, &options);
    (void)close(p.out);
    p.out = dup(p.err);
    assert_int_equal(peer_end(&p, said, sizeof(said)), CLI_EXIT_DONE);
}

static void a_lost_source_is_said_behind_all_output(void **state)
{
    static const char *const texts[] = {"a", "b", NULL};
    struct recv_options options = usual();
    char text[64];
    char said[SAID_BYTES];
    struct sink sink;
    struct peer p;

    (void)state;
    start(&p, &sink, &options);
    peer_say_fail(&p, SHUFFLE_FAIL_SOURCE_LOST, 0,
            "source 3 of node 7 was lost after 1,041 records");
    say_texts(&p, &sink, texts);
    say_drain(&p, &sink);
    expect_done(&p, &sink);
    text[peer_read(p.out, text, sizeof(text) - 1)] = '\0';
    assert_string_equal(text, "a\nb\n");
    assert_int_equal(peer_end(&p, said, sizeof(said)), CLI_EXIT_NO);
    assert_string_equal(
            said, "weft: source 3 of node 7 was lost after 1,041 records\n");
}

/* The next MARK; what is confirmed before it is in the sink. */
static void expect_mark(struct peer *p, struct sink *sink, uint64_t checkpoint)
{
    struct shuffle_wire_mark mark;
    struct frame frame;

    while (peer_frame(p, &frame) && frame.tag == SHUFFLE_TAG_GRANT) {
        assert_true(shuffle_wire_decode_grant(frame.payload, &sink->grant));
    }
    assert_int_equal(frame.tag, SHUFFLE_TAG_MARK);
    assert_true(shuffle_wire_decode_mark(frame.payload, &mark));
    assert_int_equal(mark.checkpoint, checkpoint);
    assert_int_equal(mark.flags, 0);
}

static void a_mark_comes_back_behind_what_is_confirmed(void **state)
{
    static const char *const texts[] = {"a", "b", NULL};
    struct recv_options options = usual();
    char text[64];
    char said[SAID_BYTES];
    struct sink sink;
    struct peer p;

    (void)state;
    start(&p, &sink, &options);
    peer_say_mark(&p, 0, 41, 4); /* before the first source */
    expect_mark(&p, &sink, 41);
    say_texts(&p, &sink, texts);
    peer_say_mark(&p, 2, 42, 5);
    expect_mark(&p, &sink, 42);
    assert_int_equal(sink.grant.taken, 2);
    peer_say_outcome(&p, 42, 5, SHUFFLE_OUTCOME_COMMITTED, "");
    say_texts(&p, &sink, texts);
    peer_say_mark(&p, 4, 43, 6);
    say_drain(&p, &sink);
    expect_mark(&p, &sink, 43);
    assert_int_equal(sink.grant.taken, 4);
    expect_done(&p, &sink);
    text[peer_read(p.out, text, sizeof(text) - 1)] = '\0';
    assert_string_equal(text, "a\nb\na\nb\n");
    assert_int_equal(peer_end(&p, said, sizeof(said)), CLI_EXIT_DONE);
    assert_string_equal(said, "");
}

/* Nobody reads, so the mark stays away however long we wait; and records behind
 * it may come meanwhile. */
static void a_mark_waits_for_a_slow_reader(void **state)
{
    struct recv_options options = usual();
    struct read_text out = {0};
    uint64_t before;
    char said[SAID_BYTES];
    struct sink sink;
    struct peer p;

    (void)state;
    start(&p, &sink, &options);
    while (sink.sent_bytes < 128 << 10) {
        put_data(&p, &sink, 630, 100);
    }
    before = sink.sent_records;
    peer_say_mark(&p, before, 42, 5);
    put_data(&p, &sink, 630, 100);
    while (pump(&p, &sink, &out, 300)) { /* asserts that GRANTs alone come */
    }
    assert_true(sink.grant.taken < before);

    out.capacity = sink.sent_records * 101;
    out.text = malloc(out.capacity);
    assert_non_null(out.text);
    out.size = peer_read(p.out, out.text, out.capacity);
    expect_mark(&p, &sink, 42);
    assert_true(sink.grant.taken >= before);
    check_lines(out.text, out.size, sink.sent_records, 100);
    free(out.text);
    say_drain(&p, &sink);
    expect_done(&p, &sink);
    assert_int_equal(peer_end(&p, said, sizeof(said)), CLI_EXIT_DONE);
}

static void marks_are_shown_with_their_outcome(void **state)
{
    static const char *const texts[] = {"a", NULL};
    struct recv_options options = usual();
    char said[SAID_BYTES];
    struct sink sink;
    struct peer p;

    (void)state;
    options.shows_marks = true;
    start(&p, &sink, &options);
    put_data(&p, &sink, 1204, 4);
    peer_say_mark(&p, 1204, 42, 5);
    expect_mark(&p, &sink, 42);
    peer_say_outcome(&p, 42, 5, SHUFFLE_OUTCOME_UNKNOWN, "node 1 was lost");
    peer_say_outcome(&p, 42, 5, SHUFFLE_OUTCOME_COMMITTED, "");
    say_texts(&p, &sink, texts);
    peer_say_mark(&p, 1205, 43, UINT64_MAX);
    expect_mark(&p, &sink, 43);
    peer_say_outcome(&p, 43, UINT64_MAX, SHUFFLE_OUTCOME_ABORTED,
            "no word from node 3\x1b[2J");
    peer_say_outcome(&p, 44, 7, SHUFFLE_OUTCOME_ABORTED, "");
    say_drain(&p, &sink);
    expect_done(&p, &sink);
    assert_int_equal(peer_end(&p, said, sizeof(said)), CLI_EXIT_DONE);
    assert_string_equal(said,
            "weft: epoch 5 unknown, 1,204 records before it: node 1 was lost\n"
            "weft: epoch 5 committed, 1,204 records before it\n"
            "weft: epoch 18446744073709551615 aborted, 1,205 records before "
            "it: no word from node 3\\x1b[2J\n"
            "weft: epoch 7 aborted\n");
}

/* A node that aborts one checkpoint after the other while nobody reads: what
 * comes back is the latest of its marks. */
static void of_too_many_marks_the_oldest_stay_away(void **state)
{
    struct recv_options options = usual();
    struct read_text out = {0};
    char said[SAID_BYTES];
    struct sink sink;
    struct peer p;

    (void)state;
    start(&p, &sink, &options);
    while (sink.sent_bytes < 128 << 10) {
        put_data(&p, &sink, 630, 100);
    }
    for (uint64_t i = 1; i <= MARKS_MAX + 4; i++) {
        peer_say_mark(&p, sink.sent_records, i, i);
    }
    (void)poll(NULL, 0, 200); /* so that all have come before any is due */
    out.capacity = sink.sent_records * 101;
    out.text = malloc(out.capacity);
    assert_non_null(out.text);
    out.size = peer_read(p.out, out.text, out.capacity);
    for (uint64_t i = 5; i <= MARKS_MAX + 4; i++) {
        expect_mark(&p, &sink, i);
    }
    free(out.text);
    say_drain(&p, &sink);
    expect_done(&p, &sink);
    assert_int_equal(peer_end(&p, said, sizeof(said)), CLI_EXIT_DONE);
}

static void the_nodes_end_comes_behind_what_it_said(void **state)
{
    static const char *const texts[] = {"a", NULL};
    struct recv_options options = usual();
    char text[64];
    char said[SAID_BYTES];
    struct sink sink;
    struct peer p;

    (void)state;
    start(&p, &sink, &options);
    say_texts(&p, &sink, texts);
    (void)shutdown(p.node.fd, SHUT_RDWR);
    text[peer_read(p.out, text, sizeof(text) - 1)] = '\0';
    assert_string_equal(text, "a\n");
    assert_int_equal(peer_end(&p, said, sizeof(said)), CLI_EXIT_NO);
    assert_non_null(strstr(said, "the node ended before"));
}

/* What came before the node's end is written, however late it is read. */
static void the_nodes_end_loses_nothing_that_a_slow_reader_waits_for(
        void **state)
{
    struct recv_options options = usual();
    struct read_text out = {0};
    char said[SAID_BYTES];
    struct sink sink;
    struct peer p;

    (void)state;
    start(&p, &sink, &options);
    while (sink.sent_bytes < 640 << 10) {
        put_data(&p, &sink, 630, 100);
    }
    while (client_queued(&p.node) > 0 && pump(&p, &sink, &out, 300)) {
    }
    out.capacity = sink.sent_records * 101;
    out.text = malloc(out.capacity);
    assert_non_null(out.text);
    while (client_queued(&p.node) > 0) {
        assert_true(pump(&p, &sink, &out, PEER_PATIENCE_MS));
    }
    (void)shutdown(p.node.fd, SHUT_WR);
    (void)poll(NULL, 0, 100); /* so that it hears of the end while it waits */
    out.size += peer_read(p.out, out.text + out.size, out.capacity - out.size);
    check_lines(out.text, out.size, sink.sent_records, 100);
    free(out.text);
    assert_int_equal(peer_end(&p, said, sizeof(said)), CLI_EXIT_NO);
    assert_non_null(strstr(said, "the node ended before"));
}

static void a_failure_that_is_not_a_sources_is_the_end(void **state)
{
    static const char *const texts[] = {"a", NULL};
    struct recv_options options = usual();
    char text[64];
    char said[SAID_BYTES];
    struct sink sink;
    struct peer p;

    (void)state;
    start(&p, &sink, &options);
    say_texts(&p, &sink, texts);
    peer_say_fail(&p, SHUFFLE_FAIL_DRAINING, 1, "the node is leaving");
    text[peer_read(p.out, text, sizeof(text) - 1)] = '\0';
    assert_string_equal(text, "a\n");
    assert_int_equal(peer_end(&p, said, sizeof(said)), CLI_EXIT_NO);
    assert_string_equal(said, "weft: the node is leaving\n");
}

static void waiting_ends_when_its_time_has_passed(void **state)
{
    struct recv_options options = usual();
    char said[SAID_BYTES];
    struct sink sink;
    struct peer p;

    (void)state;
    options.deadline_ms = client_now_ms() + 100;
    start(&p, &sink, &options);
    assert_int_equal(peer_end(&p, said, sizeof(said)), CLI_EXIT_TIMED_OUT);
    assert_non_null(strstr(said, "no source of words has come in time"));
}

/* A node that is stopped takes what we say, and says nothing. */
static void a_node_that_does_not_attach_is_told_from_a_lack_of_sources(
        void **state)
{
    struct recv_options options = usual();
    char said[SAID_BYTES];
    struct peer p;

    (void)state;
    options.deadline_ms = client_now_ms() + 100;
    peer_start(&p, program, &options);
    assert_int_equal(peer_end(&p, said, sizeof(said)), CLI_EXIT_TIMED_OUT);
    assert_non_null(strstr(said, "did not attach the sink of words"));
    assert_null(strstr(said, "no source"));
}

static void its_time_is_for_the_first_source_alone(void **state)
{
    static const char *const texts[] = {"a", NULL};
    struct recv_options options = usual();
    char said[SAID_BYTES];
    struct sink sink;
    struct peer p;

    (void)state;
    options.deadline_ms = client_now_ms() + 200;
    start(&p, &sink, &options);
    say_texts(&p, &sink, texts);
    (void)poll(NULL, 0, 400);
    say_drain(&p, &sink);
    expect_done(&p, &sink);
    assert_int_equal(peer_end(&p, said, sizeof(said)), CLI_EXIT_DONE);
}

/* All its records may go to others. */
static void a_source_without_a_record_for_us_has_come_too(void **state)
{
    struct recv_options options = usual();
    char said[SAID_BYTES];
    struct sink sink;
    struct peer p;

    (void)state;
    options.deadline_ms = client_now_ms() + 200;
    start(&p, &sink, &options);
    peer_say_state(&p, SHUFFLE_STATE_ATTACHED, "the first source has come");
    (void)poll(NULL, 0, 400);
    say_drain(&p, &sink);
    expect_done(&p, &sink);
    assert_int_equal(peer_end(&p, said, sizeof(said)), CLI_EXIT_DONE);
}

static void records_that_are_cut_short_are_a_failure(void **state)
{
    struct recv_options options = usual();
    uint8_t payload[64];
    struct writer w = writer_of(payload, sizeof(payload));
    char said[SAID_BYTES];
    struct sink sink;
    struct peer p;

    (void)state;
    start(&p, &sink, &options);
    shuffle_wire_encode_data_head(&w, 0, 0);
    writer_u32le(&w, 10);
    writer_put(&w, bytes_text("short"));
    peer_say(&p, SHUFFLE_TAG_DATA, &w);
    assert_int_equal(peer_end(&p, said, sizeof(said)), CLI_EXIT_NO);
    assert_non_null(strstr(said, "cut short"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(it_says_what_it_is),
            cmocka_unit_test(each_record_is_a_line),
            cmocka_unit_test(null_ends_records_with_nul),
            cmocka_unit_test(raw_records_keep_their_peer_and_vnode),
            cmocka_unit_test(records_arrive_right_and_in_order),
            cmocka_unit_test(a_slow_reader_stops_confirmations),
            cmocka_unit_test(a_closed_pipe_ends_it_quietly),
            cmocka_unit_test(a_closed_pipe_is_noticed_without_a_write),
            cmocka_unit_test(a_lost_source_is_said_behind_all_output),
            cmocka_unit_test(a_mark_comes_back_behind_what_is_confirmed),
            cmocka_unit_test(a_mark_waits_for_a_slow_reader),
            cmocka_unit_test(marks_are_shown_with_their_outcome),
            cmocka_unit_test(of_too_many_marks_the_oldest_stay_away),
            cmocka_unit_test(the_nodes_end_comes_behind_what_it_said),
            cmocka_unit_test(
                    the_nodes_end_loses_nothing_that_a_slow_reader_waits_for),
            cmocka_unit_test(a_failure_that_is_not_a_sources_is_the_end),
            cmocka_unit_test(waiting_ends_when_its_time_has_passed),
            cmocka_unit_test(
                    a_node_that_does_not_attach_is_told_from_a_lack_of_sources),
            cmocka_unit_test(its_time_is_for_the_first_source_alone),
            cmocka_unit_test(a_source_without_a_record_for_us_has_come_too),
            cmocka_unit_test(records_that_are_cut_short_are_a_failure),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
