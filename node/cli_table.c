#include "node/cli.h"

#include <assert.h>

enum {
    MANY = 1 << 20, /* as many as the shell passes on */
};

#define BIT(flag) (UINT32_C(1) << (flag))

static_assert(CLI_FLAGS <= 32, "a verb's flags are bits of one word");

/* clang-format off */
static const struct cli_flag flags[CLI_FLAGS] = {
    [CLI_CONFIG] = {'c', "config", "FILE", CLI_TEXT, 0, 0,
        "INI file (else $WEFT_CONFIG, /etc/weft/weft.ini)"},
    [CLI_SET] = {'s', "set", "SECTION.KEY=VALUE", CLI_TEXT, 0, 0,
        "one setting; repeatable, wins over all others"},
    [CLI_SOCKET] = {'S', "socket", "PATH", CLI_TEXT, 0, 0,
        "local socket (else $WEFT_NODE_SOCKET, node.socket)"},
    [CLI_OUTPUT] = {'o', "output", "text|json", CLI_FORMAT, 0, 0,
        "text for people, json for programs"},
    [CLI_TIMEOUT] = {0, "timeout", "DURATION", CLI_DURATION, 0, 0,
        "how long to wait: 250ms, 5s, 10m"},
    [CLI_QUIET] = {'q', "quiet", NULL, CLI_NOTHING, 0, 0,
        "no progress line"},
    [CLI_HELP] = {'h', "help", NULL, CLI_NOTHING, 0, 0,
        "this text; of every verb, too"},
    [CLI_PROGRAM_VERSION] = {0, "version", NULL, CLI_NOTHING, 0, 0,
        "the version of weft"},
    [CLI_WAIT] = {0, "wait", "N", CLI_NUMBER, 1, UINT32_MAX,
        "return once N members are live and active"},
    [CLI_NODE] = {0, "node", "ID", CLI_NUMBER, 1, UINT64_MAX,
        "of that node instead of the own one"},
    [CLI_TTL] = {0, "ttl", NULL, CLI_NOTHING, 0, 0,
        "let the key expire after tombstone_grace"},
    [CLI_ALL] = {0, "all", NULL, CLI_NOTHING, 0, 0,
        "of every live member"},
    [CLI_DEAD] = {0, "dead", NULL, CLI_NOTHING, 0, 0,
        "with --all: of dead members too"},
    [CLI_COUNT] = {0, "count", "N", CLI_NUMBER, 1, UINT64_MAX,
        "end after N lines"},
    [CLI_SINKS] = {0, "sinks", "N", CLI_NUMBER, 1, UINT32_MAX,
        "wait until N nodes have a sink (1)"},
    [CLI_KEY_FIELD] = {0, "key-field", "N", CLI_NUMBER, 1, UINT32_MAX,
        "field N of the line is the key, from 1 (else: all)"},
    [CLI_DELIMITER] = {0, "delimiter", "C", CLI_BYTE, 0, 0,
        "what parts the fields (tab)"},
    [CLI_SOURCES] = {0, "sources", "N", CLI_NUMBER, 1, UINT32_MAX,
        "end when N sources have ended (1)"},
    [CLI_FOLLOW] = {0, "follow", NULL, CLI_NOTHING, 0, 0,
        "never end by itself"},
    [CLI_NULL] = {0, "null", NULL, CLI_NOTHING, 0, 0,
        "end each record with NUL instead of line feed"},
    [CLI_RAW] = {0, "raw", NULL, CLI_NOTHING, 0, 0,
        "stage laminar: binary records instead of lines"},
    [CLI_TO] = {0, "to", "ID", CLI_NUMBER, 1, UINT64_MAX,
        "with --raw: the LaminarDB node that gets them"},
    [CLI_MARKS] = {0, "marks", NULL, CLI_NOTHING, 0, 0,
        "say of each checkpoint what is before it"},
    [CLI_CHECKPOINTS] = {0, "checkpoints", NULL, CLI_NOTHING, 0, 0,
        "of the latest 64 checkpoints instead, step by step"},
    [CLI_SHOW] = {0, "show", NULL, CLI_NOTHING, 0, 0,
        "print the settings in force, each with its origin"},
    [CLI_VERBOSE] = {0, "verbose", NULL, CLI_NOTHING, 0, 0,
        "and the commit and the libraries"},
};

static const struct cli_verb verbs[CLI_VERBS] = {
    [CLI_RUN] = {"run", "", 0, 0, CLI_FOR_EVER, 0,
        "be a node, in the foreground, until told to leave",
        "SIGTERM and Ctrl-C let it drain and leave, for at most 8 seconds; a second one\n"
        "ends it at once.",
        "weft run -s node.name=loom"},
    [CLI_MEMBERS] = {"members", "", 0, 0, 5000, BIT(CLI_WAIT),
        "list who is in the cluster",
        "With --wait it waits for ever, unless --timeout says how long; when that has\n"
        "passed, the exit code is 5. A node that was just started is given 2 seconds\n"
        "to answer at its socket.",
        "weft members --wait 1 --timeout 30s"},
    [CLI_INFO] = {"info", "", 0, 0, 5000, BIT(CLI_CHECKPOINTS),
        "say what the node does, and how it is",
        "", "weft info -o json"},
    [CLI_KV_GET] = {"kv get", "KEY", 1, 1, 5000, BIT(CLI_NODE),
        "print the value of a key",
        "The value and a line feed; exit code 1 if there is no such key.",
        "weft kv get shuffle:addr"},
    [CLI_KV_SET] = {"kv set", "KEY VALUE|-", 2, 2, 5000, BIT(CLI_TTL),
        "write a key of this node",
        "`-` reads the value from standard input, without its last line feed.",
        "weft kv set colour blue"},
    [CLI_KV_DEL] = {"kv del", "KEY", 1, 1, 5000, 0,
        "delete a key of this node",
        "Exit code 1 if there is no such key.",
        "weft kv del colour"},
    [CLI_KV_LS] = {"kv ls", "[PREFIX]", 0, 1, 5000,
        BIT(CLI_NODE) | BIT(CLI_ALL) | BIT(CLI_DEAD),
        "list keys, of one node or of all",
        "", "weft kv ls shuffle: --all"},
    [CLI_KV_WATCH] = {"kv watch", "[PREFIX]", 0, 1, CLI_FOR_EVER,
        BIT(CLI_COUNT),
        "print keys as they change",
        "First what is there, then each change, one JSON object a line; a deleted key\n"
        "has the value null.",
        "weft kv watch shuffle: --count 1"},
    [CLI_SEND] = {"send", "STAGE [FILE…]", 1, MANY, CLI_FOR_EVER,
        BIT(CLI_SINKS) | BIT(CLI_KEY_FIELD) | BIT(CLI_DELIMITER) |
            BIT(CLI_RAW) | BIT(CLI_TO),
        "send each line to the node that owns its key",
        "Reads standard input if no file is named, or for the file `-`. A line is at\n"
        "most 256 KiB. --timeout is for the wait for sinks. The exit code is 0 when\n"
        "every record is confirmed by its sink.",
        "tr -s ' ' '\\n' < /usr/share/common-licenses/GPL-3 | weft send words"},
    [CLI_RECV] = {"recv", "STAGE", 1, 1, CLI_FOR_EVER,
        BIT(CLI_SOURCES) | BIT(CLI_FOLLOW) | BIT(CLI_NULL) | BIT(CLI_RAW) |
            BIT(CLI_MARKS),
        "receive the lines whose keys this node owns",
        "Ends when its sources have ended. --timeout is for the wait for the first of\n"
        "them. The exit code is 1 if a source was lost.",
        "weft recv words | sort | uniq -c"},
    [CLI_BARRIER] = {"barrier", "", 0, 0, 12000, 0,
        "make a checkpoint of the cluster, and wait for it",
        "From any node; whoever asks while one runs shares the next. It waits for\n"
        "align_timeout and 4 seconds, unless --timeout is given. Exit code 0: committed.\n"
        "1: aborted, and the line says why. 5: not known, or not in time.",
        "weft barrier"},
    [CLI_HEALTH] = {"health", "", 0, 0, 5000, 0,
        "say whether the node is ready",
        "Exit code 0: it answers and is ready. 1: it answers and is not. 3: no answer.",
        "weft health && echo ready"},
    [CLI_LEAVE] = {"leave", "", 0, 0, 10000, 0,
        "let the node drain and leave the cluster",
        "Returns when the node has gone.",
        "weft leave"},
    [CLI_CHECK_CONFIG] = {"check-config", "[FILE]", 0, 1, CLI_FOR_EVER,
        BIT(CLI_SHOW),
        "find every mistake in a configuration",
        "One mistake a line, with file and line; the exit code is then 78.",
        "weft check-config --show"},
    [CLI_VERSION] = {"version", "", 0, 0, CLI_FOR_EVER, BIT(CLI_VERBOSE),
        "print the version",
        "", "weft version --verbose"},
};
/* clang-format on */

const struct cli_verb *cli_verb_at(enum cli_verb_id id)
{
    assert((unsigned)id < CLI_VERBS);
    return &verbs[id];
}

const struct cli_flag *cli_flag_at(enum cli_flag_id id)
{
    assert((unsigned)id < CLI_FLAGS);
    return &flags[id];
}

bool cli_verb_takes(enum cli_verb_id verb, enum cli_flag_id flag)
{
    return flag <= CLI_HELP || (cli_verb_at(verb)->flags & BIT(flag)) != 0;
}
