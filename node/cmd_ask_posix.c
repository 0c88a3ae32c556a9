/* The commands that ask the node one thing and print its answer. */
#include "node/cmd.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/call_json.h"
#include "node/client_posix.h"
#include "node/settings_posix.h"
#include "node/show.h"

enum {
    VALUE_MAX = 64 << 10, /* no node keeps a larger one */
    BARRIER_GRACE_MS = 4000,
};

/* How an answer is shown as text. */
typedef void show_function(struct bytes json, bool is_coloured, FILE *out);

static void print_json(struct bytes json)
{
    (void)fwrite(json.data, 1, json.size, stdout);
    (void)fputc('\n', stdout);
}

/* The sentence of an answer that is neither yes nor what was asked for. */
static int say_failed(const struct client_answer *answer)
{
    (void)fputs("weft: ", stderr);
    show_error(answer->json, stderr);
    (void)fputc('\n', stderr);
    return answer->exit;
}

/* What a command was told to wait for; NULL for one that only asks. */
static const char *waited_for(const struct cli *cli)
{
    switch (cli->verb) {
    case CLI_LEAVE:
        return "the node has not left";
    case CLI_BARRIER:
        return "the checkpoint has not ended";
    default:
        return cli->flag[CLI_WAIT].given ? "too few members are live and active"
                                         : NULL;
    }
}

/* A node that is silent is none, unless it was told to wait for something. */
static int say_timed_out(const struct cli *cli)
{
    const char *text = cli->flag[CLI_TIMEOUT].given
                               ? cli->flag[CLI_TIMEOUT].text
                               : "the usual time";
    const char *what = waited_for(cli);

    if (what == NULL) {
        return cmd_fail(CLI_EXIT_NO_NODE,
                "the node took the call and did not answer within %s; is it "
                "stopped?",
                text);
    }
    return cmd_fail(CLI_EXIT_TIMED_OUT, "%s: %s has passed", what, text);
}

/* The exit code when no answer came. */
static int say_unanswered(
        const struct cli *cli, int rc, const struct error *err)
{
    if (rc == CLIENT_TIMED_OUT) {
        return say_timed_out(cli);
    }
    return cmd_fail(
            rc == ERR_DENIED ? CLI_EXIT_NO : CLI_EXIT_NO_NODE, "%s", err->text);
}

/* Asks and prints. Takes `json`. */
static int ask(const struct cli *cli, char *json, show_function *show)
{
    struct client client;
    struct client_answer answer;
    struct error err;
    int code = cmd_connect(cli, &client);
    int rc;

    if (code != CLI_EXIT_DONE) {
        free(json);
        return code;
    }
    client_call(&client, json);
    free(json);
    rc = client_answer_whole(&client, cmd_deadline_ms(cli), &answer, &err);
    if (rc != 0) {
        code = say_unanswered(cli, rc, &err);
    } else if (answer.exit != 0) {
        code = say_failed(&answer);
    } else if (cli_is_json(cli)) {
        print_json(answer.json);
    } else {
        show(answer.json, cmd_is_coloured(stdout), stdout);
    }
    client_close(&client);
    return cmd_finish(code);
}

int cmd_members(const struct cli *cli)
{
    return ask(cli, call_members(cli->flag[CLI_WAIT].number), show_members);
}

int cmd_info(const struct cli *cli)
{
    if (cli->flag[CLI_CHECKPOINTS].given) {
        return ask(cli, call_plain("checkpoints"), show_checkpoints);
    }
    return ask(cli, call_plain("info"), show_info);
}

static void show_value_plainly(struct bytes json, bool is_coloured, FILE *out)
{
    (void)is_coloured;
    show_value(json, out);
}

int cmd_kv_get(const struct cli *cli)
{
    return ask(cli, call_kv_get(cli->arguments[0], cli->flag[CLI_NODE].number),
            show_value_plainly);
}

/* What was written or deleted is not repeated to people. */
static void show_nothing(struct bytes json, bool is_coloured, FILE *out)
{
    (void)json;
    (void)is_coloured;
    (void)out;
}

int cmd_kv_del(const struct cli *cli)
{
    return ask(cli, call_kv_del(cli->arguments[0]), show_nothing);
}

int cmd_kv_ls(const struct cli *cli)
{
    const char *prefix = cli->arguments_count > 0 ? cli->arguments[0] : "";

    return ask(cli,
            call_kv_ls(prefix, cli->flag[CLI_NODE].number,
                    cli->flag[CLI_ALL].given, cli->flag[CLI_DEAD].given),
            show_keys);
}

/* The value on standard input, without its last line feed; its size, or -1
 * when it is larger than any value may be. */
static long read_value(char *value, size_t capacity)
{
    size_t size = fread(value, 1, capacity, stdin);

    if (size > 0 && size < capacity && value[size - 1] == '\n') {
        size--;
    }
    return size < capacity ? (long)size : -1;
}

int cmd_kv_set(const struct cli *cli)
{
    struct bytes value = bytes_text(cli->arguments[1]);
    char *read = NULL;
    int code;

    if (bytes_equal_text(value, "-")) {
        long size;

        read = malloc(VALUE_MAX + 2);
        size = read == NULL ? -1 : read_value(read, VALUE_MAX + 2);
        value = bytes_of(read, size < 0 ? VALUE_MAX + 1 : (size_t)size);
    }
    if (value.size > VALUE_MAX) {
        code = cmd_fail(CLI_EXIT_NO,
                "the value is larger than %d KiB, and none may be",
                VALUE_MAX >> 10);
    } else if (!bytes_is_utf8(value) ||
               !bytes_is_utf8(bytes_text(cli->arguments[0]))) {
        code = cmd_fail(CLI_EXIT_NO,
                "keys and values are UTF-8, and this is not; encode it first, "
                "for instance with base64");
    } else {
        code = ask(cli,
                call_kv_set(cli->arguments[0], value, cli->flag[CLI_TTL].given),
                show_nothing);
    }
    free(read);
    return code;
}

/* Asks what may be answered with no, which is no failure to answer. */
static int ask_whether(const struct cli *cli, const char *call,
        uint64_t deadline_ms, void (*show)(struct bytes json, FILE *out))
{
    struct client client;
    struct client_answer answer;
    struct error err;
    int code = cmd_connect(cli, &client);
    int rc;

    if (code != CLI_EXIT_DONE) {
        return code;
    }
    client_call(&client, call);
    rc = client_answer_whole(&client, deadline_ms, &answer, &err);
    if (rc != 0) {
        code = say_unanswered(cli, rc, &err);
    } else if (show_has_error(answer.json)) {
        code = say_failed(&answer);
    } else {
        code = answer.exit;
        if (cli_is_json(cli)) {
            print_json(answer.json);
        } else {
            show(answer.json, stdout);
        }
    }
    client_close(&client);
    return cmd_finish(code);
}

int cmd_health(const struct cli *cli)
{
    return ask_whether(
            cli, "{\"cmd\":\"health\"}", cmd_deadline_ms(cli), show_health);
}

/* A checkpoint ends by itself, and the node knows best how: we are there a
 * little longer than it may take. */
int cmd_barrier(const struct cli *cli)
{
    uint64_t deadline_ms = cli->flag[CLI_TIMEOUT].given
                                   ? cmd_deadline_ms(cli)
                                   : client_now_ms() +
                                             settings_align_timeout_ms(cli) +
                                             BARRIER_GRACE_MS;

    return ask_whether(cli, "{\"cmd\":\"barrier\"}", deadline_ms, show_barrier);
}

/* The node has said that it left; it is gone when its end is closed. */
static int wait_for_end(
        const struct cli *cli, struct client *client, uint64_t deadline_ms)
{
    struct client_answer answer;
    struct error err;
    int rc = 0;

    while (rc == 0) {
        rc = client_answer(client, deadline_ms, &answer, &err);
    }
    return rc == CLIENT_TIMED_OUT ? say_timed_out(cli) : CLI_EXIT_DONE;
}

int cmd_leave(const struct cli *cli)
{
    uint64_t deadline_ms = cmd_deadline_ms(cli);
    struct client client;
    struct client_answer answer;
    struct error err;
    int code = cmd_connect(cli, &client);
    int rc;

    if (code != CLI_EXIT_DONE) {
        return code;
    }
    client_call(&client, "{\"cmd\":\"leave\"}");
    rc = client_answer(&client, deadline_ms, &answer, &err);
    if (rc == CLIENT_TIMED_OUT) {
        code = say_timed_out(cli);
    } else if (rc != 0) {
        code = cmd_fail(
                CLI_EXIT_NO, "%s, so it may have lost something", err.text);
    } else if (answer.exit != 0) {
        code = say_failed(&answer);
    } else {
        if (cli_is_json(cli)) {
            print_json(answer.json);
        }
        code = wait_for_end(cli, &client, deadline_ms);
    }
    client_close(&client);
    return cmd_finish(code);
}

/* Prints answers as they come, until enough of them, the end, or nobody reads
 * them any more. */
static int watch(const struct cli *cli, struct client *client)
{
    uint64_t deadline_ms = cmd_deadline_ms(cli);
    uint64_t printed = 0;
    struct client_answer answer = {0};

    client->out_fd = STDOUT_FILENO;
    while (!answer.last) {
        struct error err;
        int rc = client_answer(client, deadline_ms, &answer, &err);

        if (rc == CLIENT_TIMED_OUT) {
            return cmd_fail(CLI_EXIT_TIMED_OUT,
                    "the watch has ended: %s has passed",
                    cli->flag[CLI_TIMEOUT].text);
        }
        if (rc == CLIENT_UNREAD) {
            break;
        }
        if (rc != 0) {
            return cmd_fail(CLI_EXIT_NO, "%s",
                    printed > 0 && rc == ERR_IO && client->ended
                            ? "the watch has ended: the node has ended"
                            : err.text);
        }
        if (answer.exit != 0) {
            return say_failed(&answer);
        }
        print_json(answer.json);
        printed++;
        if (fflush(stdout) != 0 || printed == cli->flag[CLI_COUNT].number) {
            break;
        }
    }
    return CLI_EXIT_DONE;
}

int cmd_kv_watch(const struct cli *cli)
{
    const char *prefix = cli->arguments_count > 0 ? cli->arguments[0] : "";
    struct client client;
    int code = cmd_connect(cli, &client);
    char *json;

    if (code != CLI_EXIT_DONE) {
        return code;
    }
    json = call_kv_watch(prefix);
    client_call(&client, json);
    free(json);
    code = watch(cli, &client);
    client_close(&client);
    return cmd_finish(code);
}
