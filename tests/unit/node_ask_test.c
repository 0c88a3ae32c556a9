#include "tests/unit/node_peer.h"

#include <sys/stat.h>
#include <sys/un.h>

#include "node/cmd.h"

enum {
    TEXT_BYTES = 8192,
    WORDS_MAX = 16,
};

/* A directory of the test's own, with a socket in it. */
struct place {
    char dir[64];
    char path[96];
    int listener;
};

static void listen_at(struct place *place)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    (void)strcpy(address.sun_path, place->path);
    place->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_true(place->listener >= 0);
    assert_int_equal(
            bind(place->listener, (struct sockaddr *)&address, sizeof(address)),
            0);
    assert_int_equal(listen(place->listener, 4), 0);
}

static void open_place(struct place *place, bool listens)
{
    (void)strcpy(place->dir, "/tmp/weft-ask-XXXXXX");
    assert_non_null(mkdtemp(place->dir));
    (void)snprintf(place->path, sizeof(place->path), "%s/s", place->dir);
    place->listener = -1;
    if (listens) {
        listen_at(place);
    }
}

static void close_place(struct place *place)
{
    if (place->listener >= 0) {
        (void)close(place->listener);
    }
    (void)unlink(place->path);
    (void)rmdir(place->dir);
}

static int perform(const struct cli *cli)
{
    switch (cli->verb) {
    case CLI_MEMBERS:
        return cmd_members(cli);
    case CLI_INFO:
        return cmd_info(cli);
    case CLI_KV_GET:
        return cmd_kv_get(cli);
    case CLI_KV_SET:
        return cmd_kv_set(cli);
    case CLI_KV_DEL:
        return cmd_kv_del(cli);
    case CLI_KV_LS:
        return cmd_kv_ls(cli);
    case CLI_KV_WATCH:
        return cmd_kv_watch(cli);
    case CLI_BARRIER:
        return cmd_barrier(cli);
    case CLI_HEALTH:
        return cmd_health(cli);
    case CLI_LEAVE:
        return cmd_leave(cli);
    default:
        return 99;
    }
}

/* The command as the shell would run it: words are cut at spaces. */
static int command(const char *line, const char *path)
{
    char text[TEXT_BYTES];
    char *words[WORDS_MAX + 3] = {"weft", "-S", (char *)(uintptr_t)path};
    int count = 3;
    struct error err;
    struct cli cli;

    (void)strcpy(text, line);
    for (char *word = strtok(text, " "); word != NULL;
            word = strtok(NULL, " ")) {
        words[count] = word;
        count++;
    }
    if (cli_parse(&cli, count, words, &err) != 0) {
        return cmd_fail(CLI_EXIT_USAGE, "%s", err.text);
    }
    return perform(&cli);
}

/* The child of peer_start, which connects to the place by itself. */
struct ask {
    const char *line;
    const char *path;
};

static int program(struct client *client, const void *options)
{
    const struct ask *ask = options;

    (void)client;
    return command(ask->line, ask->path);
}

/* Our end of the socket becomes that of the next who connects. */
static void take(struct peer *p, const struct place *place)
{
    struct pollfd fd = {place->listener, POLLIN, 0};

    assert_int_equal(poll(&fd, 1, PEER_PATIENCE_MS), 1);
    client_close(&p->node);
    client_adopt(&p->node, accept(place->listener, NULL, NULL));
}

/* `input` is what the command finds on its standard input. */
static void start(struct peer *p, struct place *place, const char *line,
        const char *input)
{
    struct ask ask = {line, place->path};

    peer_start(p, program, &ask);
    peer_write(p, input, strlen(input));
    peer_close_in(p);
    if (place->listener >= 0) {
        take(p, place);
    }
}

static void expect_call(struct peer *p, const char *json, uint32_t *id)
{
    struct shuffle_wire_call call;
    struct frame frame;

    peer_expect(p, SHUFFLE_TAG_CALL, &frame);
    assert_true(shuffle_wire_decode_call(frame.payload, &call));
    *id = call.id;
    if (!bytes_equal_text(call.json, json)) {
        fail_msg("the call is %.*s", (int)call.json.size,
                (const char *)call.json.data);
    }
}

static void answer(
        struct peer *p, uint32_t id, uint8_t exit, bool last, const char *json)
{
    uint8_t payload[TEXT_BYTES];
    struct writer w = writer_of(payload, sizeof(payload));
    struct shuffle_wire_result result = {id, exit, last, bytes_text(json)};

    shuffle_wire_encode_result(&w, &result);
    peer_say(p, SHUFFLE_TAG_RESULT, &w);
}

struct question {
    const char *line;
    const char *call;
    uint8_t answer_exit;
    const char *answer;
    int exit;
    const char *out;
    const char *err;
};

static const struct question questions[] = {
        {"members -o json", "{\"cmd\":\"members\"}", 0, "[{\"id\":\"1\"}]", 0,
                "[{\"id\":\"1\"}]\n", ""},
        {"members -o json --wait 3", "{\"cmd\":\"members\",\"wait\":3}", 0,
                "[]", 0, "[]\n", ""},
        {"info -o json", "{\"cmd\":\"info\"}", 0, "{}", 0, "{}\n", ""},
        {"kv get a", "{\"cmd\":\"kv_get\",\"key\":\"a\",\"node\":null}", 0,
                "{\"node\":\"1\",\"key\":\"a\",\"value\":\"b c\","
                "\"version\":\"3\"}",
                0, "b c\n", ""},
        {"kv get a/b --node 18446744073709551615",
                "{\"cmd\":\"kv_get\",\"key\":\"a/b\","
                "\"node\":\"18446744073709551615\"}",
                1, "{\"error\":\"there is no key \\\"a/b\\\"\"}", 1, "",
                "weft: there is no key \"a/b\"\n"},
        {"kv set a b --ttl",
                "{\"cmd\":\"kv_set\",\"key\":\"a\",\"value\":\"b\","
                "\"ttl\":true}",
                0, "{}", 0, "", ""},
        {"kv set a b -o json",
                "{\"cmd\":\"kv_set\",\"key\":\"a\",\"value\":\"b\","
                "\"ttl\":false}",
                0, "{\"version\":\"4\"}", 0, "{\"version\":\"4\"}\n", ""},
        {"kv set a -",
                "{\"cmd\":\"kv_set\",\"key\":\"a\",\"value\":\"from\\ninput\","
                "\"ttl\":false}",
                0, "{}", 0, "", ""},
        {"kv del a", "{\"cmd\":\"kv_del\",\"key\":\"a\"}", 1,
                "{\"error\":\"no\"}", 1, "", "weft: no\n"},
        {"kv ls p: --all --dead",
                "{\"cmd\":\"kv_ls\",\"prefix\":\"p:\",\"node\":null,"
                "\"all\":true,\"dead\":true}",
                0,
                "[{\"node\":\"12\",\"key\":\"p:a\",\"value\":\"x\\u001by\","
                "\"version\":\"3\"}]",
                0, "NODE  VERSION  KEY  VALUE\n  12        3  p:a  x\\x1by\n",
                ""},
        {"health", "{\"cmd\":\"health\"}", 1,
                "{\"healthy\":false,\"state\":\"joining\","
                "\"reason\":\"no seed has answered\"}",
                1, "unhealthy: no seed has answered\n", ""},
        {"health", "{\"cmd\":\"health\"}", 0,
                "{\"healthy\":true,\"state\":\"active\",\"reason\":\"\"}", 0,
                "healthy: active\n", ""},
        {"barrier", "{\"cmd\":\"barrier\"}", 0,
                "{\"checkpoint_id\":\"21474836522\",\"epoch\":\"5\","
                "\"outcome\":\"committed\",\"reason\":null,\"missing\":[],"
                "\"participants\":[\"1\",\"2\",\"3\"],"
                "\"participants_count\":3,\"leader\":\"1\","
                "\"duration_us\":2100}",
                0, "epoch 5 committed by leader 1 on 3 nodes in 2.1 ms\n", ""},
        {"barrier", "{\"cmd\":\"barrier\"}", 1,
                "{\"epoch\":\"6\",\"outcome\":\"aborted\","
                "\"reason\":\"no word from node 3\",\"missing\":[\"3\"],"
                "\"participants_count\":1,\"leader\":\"1\","
                "\"duration_us\":8000000}",
                1,
                "epoch 6 aborted by leader 1 on 1 node in 8.0 s: "
                "no word from node 3\n",
                ""},
        {"barrier -o json", "{\"cmd\":\"barrier\"}", 5,
                "{\"outcome\":\"unknown\"}", 5, "{\"outcome\":\"unknown\"}\n",
                ""},
        {"barrier -o json", "{\"cmd\":\"barrier\"}", 5,
                "{\"error\":\"nobody leads\"}", 5, "", "weft: nobody leads\n"},
        {"info --checkpoints -o json", "{\"cmd\":\"checkpoints\"}", 0, "[]", 0,
                "[]\n", ""},
        {"leave", "{\"cmd\":\"leave\"}", 0, "{\"state\":\"left\"}", 0, "", ""},
        {"info", "{\"cmd\":\"info\"}", 2, "{\"error\":\"unknown\"}", 2, "",
                "weft: unknown\n"},
};

static void one_question_one_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
        const struct question *row = &questions[i];
        char out[TEXT_BYTES];
        char err[TEXT_BYTES];
        struct place place;
        struct peer p;
        uint32_t id;

        print_message("  %s\n", row->line);
        open_place(&place, true);
        start(&p, &place, row->line, "from\ninput\n");
        expect_call(&p, row->call, &id);
        answer(&p, id + 1, 0, true, "\"of another call\"");
        answer(&p, id, row->answer_exit, true, row->answer);
        (void)shutdown(p.node.fd, SHUT_RDWR);
        out[peer_read(p.out, out, sizeof(out) - 1)] = '\0';
        assert_int_equal(peer_end(&p, err, sizeof(err)), row->exit);
        assert_string_equal(out, row->out);
        assert_string_equal(err, row->err);
        close_place(&place);
    }
}

static void an_answer_in_pieces_is_joined(void **state)
{
    char out[TEXT_BYTES];
    char err[TEXT_BYTES];
    struct place place;
    struct peer p;
    uint32_t id;

    (void)state;
    open_place(&place, true);
    start(&p, &place, "members -o json", "");
    expect_call(&p, "{\"cmd\":\"members\"}", &id);
    answer(&p, id, 0, false, "[{\"id\":");
    answer(&p, id, 0, false, "");
    answer(&p, id, 0, true, "\"1\"}]");
    out[peer_read(p.out, out, sizeof(out) - 1)] = '\0';
    assert_int_equal(peer_end(&p, err, sizeof(err)), 0);
    assert_string_equal(out, "[{\"id\":\"1\"}]\n");
    assert_string_equal(err, "");
    close_place(&place);
}

static void no_node_is_exit_3_and_names_the_path(void **state)
{
    static const char *const lines[] = {"members", "info", "kv get a",
            "kv watch", "health", "barrier", "leave"};

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        char err[TEXT_BYTES];
        struct place place;
        struct peer p;

        open_place(&place, false);
        start(&p, &place, lines[i], "");
        assert_int_equal(peer_end(&p, err, sizeof(err)), CLI_EXIT_NO_NODE);
        assert_non_null(strstr(err, place.path));
        assert_non_null(strstr(err, "weft run"));
        close_place(&place);
    }
}

/* A node that was just started has no socket yet; one that waits for others
 * waits for it as well. */
static void a_wait_begins_before_the_node_does(void **state)
{
    char err[TEXT_BYTES];
    struct place place;
    struct pollfd fd;
    struct peer p;
    uint32_t id;

    (void)state;
    open_place(&place, false);
    start(&p, &place, "members -o json --wait 1", "");
    fd = (struct pollfd){p.err, POLLIN, 0};
    assert_int_equal(poll(&fd, 1, 200), 0);
    listen_at(&place);
    take(&p, &place);
    expect_call(&p, "{\"cmd\":\"members\",\"wait\":1}", &id);
    answer(&p, id, 0, true, "[]");
    assert_int_equal(peer_end(&p, err, sizeof(err)), CLI_EXIT_DONE);
    close_place(&place);
}

struct silence {
    const char *line;
    int exit;
};

/* A node that does not answer is none; one that is waited with is late. */
static void a_silent_node_is_told_from_a_long_wait(void **state)
{
    static const struct silence silences[] = {
            {"members --timeout 50ms", CLI_EXIT_NO_NODE},
            {"health --timeout 50ms", CLI_EXIT_NO_NODE},
            {"members --wait 3 --timeout 50ms", CLI_EXIT_TIMED_OUT},
            {"leave --timeout 50ms", CLI_EXIT_TIMED_OUT},
            {"barrier --timeout 50ms", CLI_EXIT_TIMED_OUT},
            {"kv watch --timeout 50ms", CLI_EXIT_TIMED_OUT},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(silences) / sizeof(silences[0]); i++) {
        char err[TEXT_BYTES];
        struct place place;
        struct peer p;

        open_place(&place, true);
        start(&p, &place, silences[i].line, "");
        assert_int_equal(peer_end(&p, err, sizeof(err)), silences[i].exit);
        assert_non_null(strstr(err, "50ms"));
        close_place(&place);
    }
}

static void a_watch_prints_a_line_a_change_and_counts(void **state)
{
    char out[TEXT_BYTES];
    char err[TEXT_BYTES];
    struct place place;
    struct peer p;
    uint32_t id;

    (void)state;
    open_place(&place, true);
    start(&p, &place, "kv watch p: --count 2", "");
    expect_call(&p, "{\"cmd\":\"kv_watch\",\"prefix\":\"p:\"}", &id);
    answer(&p, id, 0, false, "{\"key\":\"p:a\"}");
    answer(&p, id, 0, false, "{\"key\":\"p:b\"}");
    out[peer_read(p.out, out, sizeof(out) - 1)] = '\0';
    assert_string_equal(out, "{\"key\":\"p:a\"}\n{\"key\":\"p:b\"}\n");
    assert_int_equal(peer_end(&p, err, sizeof(err)), CLI_EXIT_DONE);
    close_place(&place);
}

static void a_watch_that_has_printed_outlives_no_node(void **state)
{
    char err[TEXT_BYTES];
    struct place place;
    struct peer p;
    uint32_t id;

    (void)state;
    open_place(&place, true);
    start(&p, &place, "kv watch", "");
    expect_call(&p, "{\"cmd\":\"kv_watch\",\"prefix\":\"\"}", &id);
    answer(&p, id, 0, false, "{\"key\":\"p:a\"}");
    (void)shutdown(p.node.fd, SHUT_RDWR);
    assert_int_equal(peer_end(&p, err, sizeof(err)), CLI_EXIT_NO);
    assert_string_equal(err, "weft: the watch has ended: the node has ended\n");
    close_place(&place);
}

static void a_watch_whose_node_never_answered_says_so(void **state)
{
    char err[TEXT_BYTES];
    struct place place;
    struct peer p;
    uint32_t id;

    (void)state;
    open_place(&place, true);
    start(&p, &place, "kv watch", "");
    expect_call(&p, "{\"cmd\":\"kv_watch\",\"prefix\":\"\"}", &id);
    (void)shutdown(p.node.fd, SHUT_RDWR);
    assert_int_equal(peer_end(&p, err, sizeof(err)), CLI_EXIT_NO);
    assert_string_equal(err, "weft: the node ended before it answered\n");
    close_place(&place);
}

static void a_watch_whose_reader_has_gone_ends_quietly(void **state)
{
    char err[TEXT_BYTES];
    struct place place;
    struct peer p;
    uint32_t id;

    (void)state;
    open_place(&place, true);
    start(&p, &place, "kv watch", "");
    expect_call(&p, "{\"cmd\":\"kv_watch\",\"prefix\":\"\"}", &id);
    (void)close(p.out);
    p.out = dup(p.err);
    assert_int_equal(peer_end(&p, err, sizeof(err)), CLI_EXIT_DONE);
    assert_string_equal(err, "");
    close_place(&place);
}

/* Left is said, and the process is still there: the command waits for it. */
static void leave_returns_when_the_node_has_gone(void **state)
{
    char err[TEXT_BYTES];
    struct place place;
    struct pollfd fd;
    struct peer p;
    uint32_t id;

    (void)state;
    open_place(&place, true);
    start(&p, &place, "leave", "");
    expect_call(&p, "{\"cmd\":\"leave\"}", &id);
    answer(&p, id, 0, true, "{\"state\":\"left\"}");
    fd = (struct pollfd){p.err, POLLIN, 0};
    assert_int_equal(poll(&fd, 1, 100), 0);
    (void)shutdown(p.node.fd, SHUT_RDWR);
    assert_int_equal(peer_end(&p, err, sizeof(err)), CLI_EXIT_DONE);
    close_place(&place);
}

static void a_value_that_is_no_utf8_is_refused(void **state)
{
    char err[TEXT_BYTES];
    struct place place;
    struct peer p;

    (void)state;
    open_place(&place, false);
    start(&p, &place, "kv set a -", "\xff\n");
    assert_int_equal(peer_end(&p, err, sizeof(err)), CLI_EXIT_NO);
    assert_non_null(strstr(err, "UTF-8"));
    close_place(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(one_question_one_answer),
            cmocka_unit_test(an_answer_in_pieces_is_joined),
            cmocka_unit_test(no_node_is_exit_3_and_names_the_path),
            cmocka_unit_test(a_wait_begins_before_the_node_does),
            cmocka_unit_test(a_silent_node_is_told_from_a_long_wait),
            cmocka_unit_test(a_watch_prints_a_line_a_change_and_counts),
            cmocka_unit_test(a_watch_that_has_printed_outlives_no_node),
            cmocka_unit_test(a_watch_whose_node_never_answered_says_so),
            cmocka_unit_test(a_watch_whose_reader_has_gone_ends_quietly),
            cmocka_unit_test(leave_returns_when_the_node_has_gone),
            cmocka_unit_test(a_value_that_is_no_utf8_is_refused),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
