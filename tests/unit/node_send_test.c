#include "tests/unit/node_peer.h"

#include "node/cli.h"
#include "node/send_posix.h"

enum {
    SAID_BYTES = 4096,
    LONGEST_LINE = SHUFFLE_RECORD_MAX - SHUFFLE_WHOLE_HEAD_BYTES,
};

static int program(struct client *client, const void *options)
{
    return send_run(client, options);
}

static struct send_options usual(void)
{
    return (struct send_options){
            .stage = "words",
            .sinks = 2,
            .delimiter = '\t',
            .deadline_ms = UINT64_MAX,
            .stop_fd = -1,
    };
}

static void start(struct peer *p, const struct send_options *options)
{
    struct frame frame;

    peer_start(p, program, options);
    peer_expect(p, SHUFFLE_TAG_ATTACH, &frame);
}

static void attach(struct peer *p)
{
    peer_say_state(p, SHUFFLE_STATE_ATTACHED, "");
}

/* Collects records up to MARK DRAIN: each as "body/key;" in `text`. */
static uint64_t collect(
        struct peer *p, uint8_t format, char *text, size_t capacity)
{
    struct shuffle_wire_mark mark;
    struct frame frame;
    uint64_t records = 0;
    size_t size = 0;

    text[0] = '\0';
    while (peer_frame(p, &frame) && frame.tag == SHUFFLE_TAG_DATA) {
        struct shuffle_wire_data data;
        struct shuffle_records left;
        struct shuffle_record record;

        assert_true(frame.payload.size + FRAME_HEADER_BYTES <=
                    SHUFFLE_DATA_FRAME_MAX);
        assert_true(shuffle_wire_decode_data(frame.payload, &data));
        assert_int_equal(data.stream, 0);
        assert_true(data.first == records);
        left = shuffle_records_of(data.records, format, SHUFFLE_RECORD_MAX);
        while (shuffle_records_next(&left, &record)) {
            size += (size_t)snprintf(text + size, capacity - size, "%.*s/%.*s;",
                    (int)record.body.size, (const char *)record.body.data,
                    (int)record.key.size, (const char *)record.key.data);
            assert_true(size < capacity);
            records++;
        }
        assert_false(left.failed);
    }
    assert_int_equal(frame.tag, SHUFFLE_TAG_MARK);
    assert_true(shuffle_wire_decode_mark(frame.payload, &mark));
    assert_true(mark.next == records);
    assert_int_equal(mark.flags, SHUFFLE_FLAG_DRAIN);
    return records;
}

/* The same without looking at the text. */
static uint64_t count(struct peer *p, uint64_t *bytes)
{
    struct frame frame;
    uint64_t records = 0;

    *bytes = 0;
    while (peer_frame(p, &frame) && frame.tag == SHUFFLE_TAG_DATA) {
        struct shuffle_wire_data data;
        struct shuffle_records left;
        struct shuffle_record record;

        assert_true(shuffle_wire_decode_data(frame.payload, &data));
        assert_true(data.first == records);
        left = shuffle_records_of(
                data.records, SHUFFLE_FORMAT_WHOLE, SHUFFLE_RECORD_MAX);
        while (shuffle_records_next(&left, &record)) {
            records++;
            *bytes += record.body.size;
        }
        assert_false(left.failed);
    }
    return records;
}

static void it_says_what_it_is(void **state)
{
    struct send_options options = usual();
    struct shuffle_wire_attach attach_frame;
    char said[SAID_BYTES];
    struct frame frame;
    struct peer p;

    (void)state;
    options.key_field = 2;
    peer_start(&p, program, &options);
    peer_expect(&p, SHUFFLE_TAG_ATTACH, &frame);
    assert_true(shuffle_wire_decode_attach(frame.payload, &attach_frame));
    assert_int_equal(attach_frame.role, SHUFFLE_ROLE_SOURCE);
    assert_int_equal(attach_frame.format, SHUFFLE_FORMAT_KEYED);
    assert_int_equal(attach_frame.want, 2);
    assert_true(bytes_equal_text(attach_frame.stage, "words"));
    peer_say_state(&p, SHUFFLE_STATE_REFUSED, "the node is draining");
    assert_int_equal(peer_end(&p, said, sizeof(said)), CLI_EXIT_NO);
    assert_string_equal(said, "weft: the node is draining\n");
}

struct text_case {
    const char *name;
    const char *input;
    uint64_t key_field;
    char delimiter;
    const char *records;
};

static const struct text_case text_cases[] = {
        {"lines", "a\nbc\n", 0, '\t', "a/a;bc/bc;"},
        {"no last line feed", "a\nbc", 0, '\t', "a/a;bc/bc;"},
        {"empty lines count", "\n\na\n\n", 0, '\t', "/;/;a/a;/;"},
        {"nothing", "", 0, '\t', ""},
        {"carriage returns are bytes", "a\r\n", 0, '\t', "a\r/a\r;"},
        {"first field", "a\tb\n", 1, '\t', "a\tb/a;"},
        {"last field", "a\tb\n", 2, '\t', "a\tb/b;"},
        {"missing field", "a\tb\n", 3, '\t', "a\tb/;"},
        {"empty field", "a\t\tb\n", 2, '\t', "a\t\tb/;"},
        {"comma", "k,v\nl\n", 1, ',', "k,v/k;l/l;"},
        {"empty line with a key field", "\n", 1, '\t', "/;"},
};

/* Whatever portions the input comes in, the records are the same. */
static void lines_become_records_whatever_the_portions(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(text_cases) / sizeof(text_cases[0]); i++) {
        const struct text_case *row = &text_cases[i];
        struct send_options options = usual();
        size_t size = strlen(row->input);

        options.key_field = row->key_field;
        options.delimiter = (uint8_t)row->delimiter;
        print_message("  %s\n", row->name);
        for (size_t portion = 1; portion <= size + 1; portion += 3) {
            char text[1024];
            char said[SAID_BYTES];
            uint64_t records;
            struct peer p;

            start(&p, &options);
            attach(&p);
            for (size_t at = 0; at < size; at += portion) {
                size_t left = size - at;

                peer_write(
                        &p, row->input + at, left < portion ? left : portion);
                if (portion < size) {
                    (void)poll(NULL, 0, 2); /* so that it is read by itself */
                }
            }
            peer_close_in(&p);
            records = collect(&p,
                    row->key_field == 0 ? SHUFFLE_FORMAT_WHOLE
                                        : SHUFFLE_FORMAT_KEYED,
                    text, sizeof(text));
            assert_string_equal(text, row->records);
            peer_say_done(&p, records);
            assert_int_equal(peer_end(&p, said, sizeof(said)), CLI_EXIT_DONE);
            assert_string_equal(said, "");
        }
    }
}

/* A file with `lines` lines of `bytes` each; the caller removes it. */
static void make_file(char *path, size_t lines, size_t bytes)
{
    char *line = malloc(bytes + 1);
    int fd = mkstemp(path);
    FILE *file;

    assert_true(fd >= 0);
    assert_non_null(line);
    file = fdopen(fd, "w");
    assert_non_null(file);
    memset(line, 'x', bytes);
    line[bytes] = '\n';
    for (size_t i = 0; i < lines; i++) {
        assert_int_equal(fwrite(line, 1, bytes + 1, file), bytes + 1);
    }
    assert_int_equal(fclose(file), 0);
    free(line);
}

static void a_large_file_arrives_whole(void **state)
{
    char path[] = "/tmp/weft-send-XXXXXX";
    char *files[] = {path, path};
    struct send_options options = usual();
    char said[SAID_BYTES];
    uint64_t bytes;
    struct peer p;

    (void)state;
    make_file(path, 50000, 100);
    options.files = files;
    options.files_count = 2;
    start(&p, &options);
    attach(&p);
    assert_true(count(&p, &bytes) == 100000);
    assert_true(bytes == 10000000);
    peer_say_done(&p, 100000);
    assert_int_equal(peer_end(&p, said, sizeof(said)), CLI_EXIT_DONE);
    (void)unlink(path);
}

static void a_line_of_the_largest_size_is_one_record(void **state)
{
    char path[] = "/tmp/weft-send-XXXXXX";
    char *files[] = {path};
    struct send_options options = usual();
    char said[SAID_BYTES];
    uint64_t bytes;
    struct peer p;

    (void)state;
    make_file(path, 3, LONGEST_LINE);
    options.files = files;
    options.files_count = 1;
    start(&p, &options);
    attach(&p);
    assert_true(count(&p, &bytes) == 3);
    assert_true(bytes == (uint64_t)3 * LONGEST_LINE);
    peer_say_done(&p, 3);
    assert_int_equal(peer_end(&p, said, sizeof(said)), CLI_EXIT_DONE);
    (void)unlink(path);
}

static void a_longer_line_is_an_error_with_its_number(void **state)
{
    char path[] = "/tmp/weft-send-XXXXXX";
    char *files[] = {path};
    struct send_options options = usual();
    struct shuffle_wire_fail failed;
    char said[SAID_BYTES];
    struct frame frame;
    struct peer p;

    (void)state;
    make_file(path, 2, LONGEST_LINE + 1);
    options.files = files;
    options.files_count = 1;
    start(&p, &options);
    attach(&p);
    peer_expect(&p, SHUFFLE_TAG_FAIL, &frame);
    assert_true(shuffle_wire_decode_fail(frame.payload, &failed));
    assert_int_equal(failed.code, SHUFFLE_FAIL_SOURCE_LOST);
    peer_say_fail(&p, SHUFFLE_FAIL_SOURCE_LOST, 0, "the source gave up");
    assert_int_equal(peer_end(&p, said, sizeof(said)), CLI_EXIT_NO);
    assert_non_null(strstr(said, "line 1 of"));
    assert_non_null(strstr(said, path));
    (void)unlink(path);
}

static void nothing_is_read_before_it_is_attached(void **state)
{
    struct send_options options = usual();
    char text[64];
    char said[SAID_BYTES];
    struct pollfd fd;
    struct peer p;

    (void)state;
    start(&p, &options);
    peer_write(&p, "a\n", 2);
    peer_close_in(&p);
    peer_say_state(&p, SHUFFLE_STATE_WAITING, "nobody is here");
    fd = (struct pollfd){p.node.fd, POLLIN, 0};
    assert_int_equal(poll(&fd, 1, 50), 0);
    attach(&p);
    assert_true(collect(&p, SHUFFLE_FORMAT_WHOLE, text, sizeof(text)) == 1);
    peer_say_done(&p, 1);
    assert_int_equal(peer_end(&p, said, sizeof(said)), CLI_EXIT_DONE);
}

static void waiting_ends_when_its_time_has_passed(void **state)
{
    struct send_options options = usual();
    char said[SAID_BYTES];
    struct peer p;

    (void)state;
    options.deadline_ms = client_now_ms() + 100;
    start(&p, &options);
    peer_say_state(&p, SHUFFLE_STATE_WAITING, "1 of 2 sinks are here");
    assert_int_equal(peer_end(&p, said, sizeof(said)), CLI_EXIT_TIMED_OUT);
    assert_non_null(strstr(said, "1 of 2 sinks are here"));
}

/* The node reads nothing: what is read of the input stays bounded. */
static void a_slow_node_stops_the_reading_of_input(void **state)
{
    struct send_options options = usual();
    char said[SAID_BYTES];
    char portion[4096];
    size_t written = 0;
    uint64_t bytes;
    uint64_t records;
    struct peer p;

    (void)state;
    memset(portion, 'x', sizeof(portion));
    portion[sizeof(portion) - 1] = '\n';
    start(&p, &options);
    attach(&p);
    assert_int_equal(fcntl(p.in, F_SETFL, O_NONBLOCK), 0);
    for (;;) {
        struct pollfd fd = {p.in, POLLOUT, 0};

        if (poll(&fd, 1, 300) == 0) {
            break;
        }
        assert_int_equal(write(p.in, portion, sizeof(portion)),
                (ssize_t)sizeof(portion));
        written += sizeof(portion);
        assert_true(written < 4 << 20);
    }
    peer_close_in(&p);
    records = count(&p, &bytes);
    assert_true(records == written / sizeof(portion));
    peer_say_done(&p, records);
    assert_int_equal(peer_end(&p, said, sizeof(said)), CLI_EXIT_DONE);
}

static void a_failure_in_the_middle_ends_it_at_once(void **state)
{
    struct send_options options = usual();
    char said[SAID_BYTES];
    struct peer p;

    (void)state;
    start(&p, &options);
    attach(&p);
    peer_write(&p, "a\nb\n", 4);
    peer_say_fail(&p, SHUFFLE_FAIL_SINK_LEFT, 1,
            "the sink of words on node 2 left: 1 of 2 records not confirmed");
    assert_int_equal(peer_end(&p, said, sizeof(said)), CLI_EXIT_NO);
    assert_string_equal(said, "weft: the sink of words on node 2 left: 1 of 2 "
                              "records not confirmed\n");
}

static void the_nodes_end_is_a_failure(void **state)
{
    struct send_options options = usual();
    char said[SAID_BYTES];
    struct peer p;

    (void)state;
    start(&p, &options);
    attach(&p);
    peer_write(&p, "a\n", 2);
    (void)shutdown(p.node.fd, SHUT_RDWR);
    assert_int_equal(peer_end(&p, said, sizeof(said)), CLI_EXIT_NO);
    assert_non_null(strstr(said, "the node ended"));
}

static void fewer_confirmed_than_sent_is_a_failure(void **state)
{
    struct send_options options = usual();
    char text[64];
    char said[SAID_BYTES];
    struct peer p;

    (void)state;
    start(&p, &options);
    attach(&p);
    peer_write(&p, "a\nb\n", 4);
    peer_close_in(&p);
    assert_true(collect(&p, SHUFFLE_FORMAT_WHOLE, text, sizeof(text)) == 2);
    peer_say_done(&p, 1);
    assert_int_equal(peer_end(&p, said, sizeof(said)), CLI_EXIT_NO);
    assert_non_null(strstr(said, "only 1 of 2"));
}

static void a_report_counts_records_and_names_the_sinks(void **state)
{
    struct send_options options = usual();
    uint8_t payload[256];
    struct writer w = writer_of(payload, sizeof(payload));
    struct shuffle_wire_result result = {
            .json = bytes_text("[{\"node\":\"2\"}]")};
    char text[512];
    char said[SAID_BYTES];
    size_t size;
    struct peer p;

    (void)state;
    options.is_json = true;
    start(&p, &options);
    attach(&p);
    peer_write(&p, "ab\ncde\n", 7);
    peer_close_in(&p);
    assert_true(collect(&p, SHUFFLE_FORMAT_WHOLE, text, sizeof(text)) == 2);
    shuffle_wire_encode_result(&w, &result);
    peer_say(&p, SHUFFLE_TAG_RESULT, &w);
    peer_say_done(&p, 2);
    size = peer_read(p.out, text, sizeof(text) - 1);
    text[size] = '\0';
    assert_non_null(strstr(text, "{\"records\":2,\"bytes\":5,\"seconds\":0,"));
    assert_non_null(strstr(text, "\"confirmed\":2,\"committed_records\":null,"
                                 "\"committed_epoch\":null,"
                                 "\"sinks\":[{\"node\":\"2\"}]}"));
    assert_int_equal(peer_end(&p, said, sizeof(said)), CLI_EXIT_DONE);
}

/* What was aborted, or is not known, or is older than what was committed already
 * changes nothing. */
static void a_report_says_up_to_where_it_is_committed(void **state)
{
    struct send_options options = usual();
    char text[512];
    char said[SAID_BYTES];
    struct peer p;

    (void)state;
    options.is_json = true;
    start(&p, &options);
    attach(&p);
    peer_say_mark(&p, 0, 41, 6);
    peer_say_mark(&p, 1, 42, UINT64_MAX);
    peer_say_mark(&p, 2, 43, 8);
    peer_say_mark(&p, 2, 44, 9);
    peer_say_outcome(&p, 44, 9, SHUFFLE_OUTCOME_UNKNOWN, "");
    peer_say_outcome(&p, 43, 8, SHUFFLE_OUTCOME_ABORTED, "no");
    peer_say_outcome(&p, 42, UINT64_MAX, SHUFFLE_OUTCOME_COMMITTED, "");
    peer_say_outcome(&p, 41, 6, SHUFFLE_OUTCOME_COMMITTED, "");
    peer_say_outcome(&p, 99, 99, SHUFFLE_OUTCOME_COMMITTED, "");
    peer_write(&p, "ab\ncde\n", 7);
    peer_close_in(&p);
    assert_true(collect(&p, SHUFFLE_FORMAT_WHOLE, text, sizeof(text)) == 2);
    peer_say_done(&p, 2);
    text[peer_read(p.out, text, sizeof(text) - 1)] = '\0';
    assert_non_null(strstr(text, "\"committed_records\":1,"
                                 "\"committed_epoch\":"
                                 "\"18446744073709551615\",\"sinks\":[]}"));
    assert_int_equal(peer_end(&p, said, sizeof(said)), CLI_EXIT_DONE);
}

/* The stop descriptor of the child, which closes all others. */
static int stoppable(struct client *client, const void *options)
{
    struct send_options copy = *(const struct send_options *)options;

    copy.stop_fd = STDIN_FILENO; /* what is written there is the signal */
    return send_run(client, &copy);
}

static void a_signal_tells_the_node_and_ends_with_1(void **state)
{
    char path[] = "/tmp/weft-send-XXXXXX";
    char *files[] = {path};
    struct send_options options = usual();
    char said[SAID_BYTES];
    struct frame frame;
    struct peer p;

    (void)state;
    make_file(path, 100000, 100);
    options.files = files;
    options.files_count = 1;
    peer_start(&p, stoppable, &options);
    peer_expect(&p, SHUFFLE_TAG_ATTACH, &frame);
    attach(&p);
    peer_expect(&p, SHUFFLE_TAG_DATA, &frame);
    peer_write(&p, "!", 1);
    while (peer_frame(&p, &frame) && frame.tag == SHUFFLE_TAG_DATA) {
    }
    assert_int_equal(frame.tag, SHUFFLE_TAG_FAIL);
    peer_say_fail(&p, SHUFFLE_FAIL_SOURCE_LOST, 7, "whatever");
    assert_int_equal(peer_end(&p, said, sizeof(said)), CLI_EXIT_NO);
    assert_memory_equal(said, "weft: interrupted; 7 of ", 24);
    assert_non_null(strstr(said, " records are confirmed\n"));
    assert_null(strstr(said, "whatever"));
    (void)unlink(path);
}

static void raw_records_go_to_the_named_node(void **state)
{
    static const uint8_t input[] = {
            9, 0, 0, 0, 3, 0, 0, 0, 'a', 'b', 'c', 1, 0, 0, 0, 0, 0, 0, 0};
    struct send_options options = usual();
    struct shuffle_records left;
    struct shuffle_record record;
    struct shuffle_wire_data data;
    char said[SAID_BYTES];
    struct frame frame;
    struct peer p;

    (void)state;
    options.stage = "laminar";
    options.to = 42;
    start(&p, &options);
    attach(&p);
    peer_write(&p, input, sizeof(input));
    peer_close_in(&p);
    peer_expect(&p, SHUFFLE_TAG_DATA, &frame);
    assert_true(shuffle_wire_decode_data(frame.payload, &data));
    left = shuffle_records_of(
            data.records, SHUFFLE_FORMAT_LAMINAR, SHUFFLE_RECORD_MAX);
    assert_true(shuffle_records_next(&left, &record));
    assert_true(record.peer == 42 && record.vnode == 9);
    assert_true(bytes_equal_text(record.body, "abc"));
    assert_true(shuffle_records_next(&left, &record));
    assert_true(record.peer == 42 && record.vnode == 1);
    assert_int_equal(record.body.size, 0);
    assert_false(shuffle_records_next(&left, &record));
    peer_expect(&p, SHUFFLE_TAG_MARK, &frame);
    peer_say_done(&p, 2);
    assert_int_equal(peer_end(&p, said, sizeof(said)), CLI_EXIT_DONE);
}

static void a_raw_record_that_is_cut_is_an_error(void **state)
{
    static const uint8_t input[] = {9, 0, 0, 0, 3, 0, 0, 0, 'a', 'b'};
    struct send_options options = usual();
    char said[SAID_BYTES];
    struct frame frame;
    struct peer p;

    (void)state;
    options.stage = "laminar";
    options.to = 42;
    start(&p, &options);
    attach(&p);
    peer_write(&p, input, sizeof(input));
    peer_close_in(&p);
    peer_expect(&p, SHUFFLE_TAG_FAIL, &frame);
    (void)shutdown(p.node.fd, SHUT_RDWR);
    assert_int_equal(peer_end(&p, said, sizeof(said)), CLI_EXIT_NO);
    assert_non_null(strstr(said, "ends inside its record 1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(it_says_what_it_is),
            cmocka_unit_test(lines_become_records_whatever_the_portions),
            cmocka_unit_test(a_large_file_arrives_whole),
            cmocka_unit_test(a_line_of_the_largest_size_is_one_record),
            cmocka_unit_test(a_longer_line_is_an_error_with_its_number),
            cmocka_unit_test(nothing_is_read_before_it_is_attached),
            cmocka_unit_test(waiting_ends_when_its_time_has_passed),
            cmocka_unit_test(a_slow_node_stops_the_reading_of_input),
            cmocka_unit_test(a_failure_in_the_middle_ends_it_at_once),
            cmocka_unit_test(the_nodes_end_is_a_failure),
            cmocka_unit_test(fewer_confirmed_than_sent_is_a_failure),
            cmocka_unit_test(a_report_counts_records_and_names_the_sinks),
            cmocka_unit_test(a_report_says_up_to_where_it_is_committed),
            cmocka_unit_test(a_signal_tells_the_node_and_ends_with_1),
            cmocka_unit_test(raw_records_go_to_the_named_node),
            cmocka_unit_test(a_raw_record_that_is_cut_is_an_error),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
