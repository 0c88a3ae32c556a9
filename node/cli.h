/* The command line as a value: which verb, with which flags and arguments.
 *
 * Two tables in cli_table.c hold every verb and every flag; parsing, errors and
 * help are made from them, so that none can drift from the others. Flags may
 * stand before or after the verb and its arguments, `--` ends them, and a
 * mistake is one sentence that names the nearest right word.
 *
 * Pure: texts stay borrowed from argv, whose pointers are moved so that the
 * arguments stand in one row. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"

enum cli_exit {
    CLI_EXIT_DONE = 0, /* for a question: yes */
    CLI_EXIT_NO = 1, /* the node answered: it failed, or no */
    CLI_EXIT_USAGE = 2,
    CLI_EXIT_NO_NODE = 3,
    CLI_EXIT_TIMED_OUT = 5,
    CLI_EXIT_CONFIG = 78,
};

enum cli_verb_id {
    CLI_RUN,
    CLI_MEMBERS,
    CLI_INFO,
    CLI_KV_GET,
    CLI_KV_SET,
    CLI_KV_DEL,
    CLI_KV_LS,
    CLI_KV_WATCH,
    CLI_SEND,
    CLI_RECV,
    CLI_BARRIER,
    CLI_HEALTH,
    CLI_LEAVE,
    CLI_CHECK_CONFIG,
    CLI_VERSION,
    CLI_VERBS,
};

enum cli_flag_id {
    CLI_CONFIG, /* from here to CLI_HELP: of every verb */
    CLI_SET,
    CLI_SOCKET,
    CLI_OUTPUT,
    CLI_TIMEOUT,
    CLI_QUIET,
    CLI_HELP,
    CLI_PROGRAM_VERSION,
    CLI_WAIT,
    CLI_NODE,
    CLI_TTL,
    CLI_ALL,
    CLI_DEAD,
    CLI_COUNT,
    CLI_SINKS,
    CLI_KEY_FIELD,
    CLI_DELIMITER,
    CLI_SOURCES,
    CLI_FOLLOW,
    CLI_NULL,
    CLI_RAW,
    CLI_TO,
    CLI_MARKS,
    CLI_CHECKPOINTS,
    CLI_SHOW,
    CLI_VERBOSE,
    CLI_FLAGS,
};

enum {
    CLI_SETS_MAX = 64, /* of -s, --set */
    CLI_FOR_EVER = 0, /* a timeout that never passes */
};

/* How a flag's value is read. */
enum cli_kind {
    CLI_NOTHING, /* it has none */
    CLI_TEXT,
    CLI_NUMBER, /* decimal, between the bounds */
    CLI_DURATION, /* `250ms`, `5s`, …; the number is in milliseconds */
    CLI_BYTE, /* one character of one byte */
    CLI_FORMAT, /* `text` or `json`; the number is 1 for json */
};

struct cli_flag {
    char letter; /* 0: it has none */
    const char *name; /* without its dashes */
    const char *value; /* what help calls the value; NULL: it has none */
    enum cli_kind kind;
    uint64_t min; /* of CLI_NUMBER */
    uint64_t max;
    const char *help;
};

struct cli_verb {
    const char *name; /* one word, or two: "kv get" */
    const char *arguments; /* as usage shows them, "" if none */
    size_t arguments_min;
    size_t arguments_max;
    uint64_t timeout_ms; /* unless --timeout is given; CLI_FOR_EVER */
    uint32_t flags; /* own ones: bit n is enum cli_flag_id n */
    const char *summary; /* one line, in the list of verbs */
    const char *detail; /* a few lines more, "" if none */
    const char *example; /* works as printed */
};

struct cli_value {
    bool given;
    uint64_t number; /* of CLI_NUMBER, CLI_DURATION, CLI_BYTE, CLI_FORMAT */
    const char *text; /* as it was written */
};

struct cli {
    bool has_verb; /* false: only help or the version is asked for */
    enum cli_verb_id verb;
    const char *group; /* with help and no verb: "kv", or NULL for all */
    struct cli_value flag[CLI_FLAGS];
    const char *sets[CLI_SETS_MAX];
    size_t sets_count;
    char **arguments;
    size_t arguments_count;
};

/* `argv` as main gets it. ERR_INVALID with a sentence for wrong usage; where
 * help is asked for, missing arguments are no mistake. */
int cli_parse(struct cli *cli, int argc, char **argv, struct error *err);

/* How long the command waits: --timeout, else its verb's own time. */
uint64_t cli_timeout_ms(const struct cli *cli);

bool cli_is_json(const struct cli *cli);

/* The help that was asked for: of the program, a group of verbs, or one. */
void cli_help(const struct cli *cli, FILE *out);

/* The rows of the tables. */
const struct cli_verb *cli_verb_at(enum cli_verb_id id);
const struct cli_flag *cli_flag_at(enum cli_flag_id id);

/* Does the verb take the flag? Every verb takes those up to CLI_HELP. */
bool cli_verb_takes(enum cli_verb_id verb, enum cli_flag_id flag);

/* What a verb's flags and arguments must be to one another, and to no table:
 * called by cli_parse. */
int cli_check(const struct cli *cli, struct error *err);
