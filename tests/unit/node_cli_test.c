#include "node/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    WORDS_MAX = 96,
    LINE_BYTES = 1024,
};

/* A command line cut at its spaces, as the shell would. */
struct line {
    char text[LINE_BYTES];
    char *words[WORDS_MAX + 1];
    int count;
};

static void cut(struct line *line, const char *text)
{
    char *rest = line->text;

    assert_true(strlen(text) < sizeof(line->text));
    (void)strcpy(line->text, text);
    line->count = 0;
    for (char *word = strtok(rest, " "); word != NULL;
            word = strtok(NULL, " ")) {
        assert_true(line->count < WORDS_MAX);
        line->words[line->count] = word;
        line->count++;
    }
    line->words[line->count] = NULL;
}

static int parse(
        struct line *line, const char *text, struct cli *cli, struct error *err)
{
    err->text[0] = '\0';
    cut(line, text);
    return cli_parse(cli, line->count, line->words, err);
}

struct accepted {
    const char *line;
    enum cli_verb_id verb;
    size_t arguments;
    enum cli_flag_id flag; /* given, with this number */
    uint64_t number;
};

static const struct accepted accepted[] = {
        {"weft members --wait 3", CLI_MEMBERS, 0, CLI_WAIT, 3},
        {"weft --wait 3 members", CLI_MEMBERS, 0, CLI_WAIT, 3},
        {"weft --wait=3 members", CLI_MEMBERS, 0, CLI_WAIT, 3},
        {"weft -o json info", CLI_INFO, 0, CLI_OUTPUT, 1},
        {"weft info -ojson", CLI_INFO, 0, CLI_OUTPUT, 1},
        {"weft info -qo json", CLI_INFO, 0, CLI_OUTPUT, 1},
        {"weft info --output text", CLI_INFO, 0, CLI_OUTPUT, 0},
        {"weft kv get --node 18446744073709551615 k", CLI_KV_GET, 1, CLI_NODE,
                UINT64_MAX},
        {"weft kv --node 1 get k", CLI_KV_GET, 1, CLI_NODE, 1},
        {"weft kv set k -", CLI_KV_SET, 2, CLI_TTL, 0},
        {"weft kv set --ttl -- k -5", CLI_KV_SET, 2, CLI_TTL, 0},
        {"weft kv ls --all --dead", CLI_KV_LS, 0, CLI_DEAD, 0},
        {"weft send words a b - c --sinks 2", CLI_SEND, 5, CLI_SINKS, 2},
        {"weft send words --key-field 2 --delimiter ,", CLI_SEND, 1,
                CLI_DELIMITER, ','},
        {"weft send laminar --raw --to 7", CLI_SEND, 1, CLI_TO, 7},
        {"weft recv laminar --raw", CLI_RECV, 1, CLI_RAW, 0},
        {"weft recv words --timeout 250ms", CLI_RECV, 1, CLI_TIMEOUT, 250},
        {"weft recv words --marks --follow", CLI_RECV, 1, CLI_MARKS, 0},
        {"weft info --checkpoints", CLI_INFO, 0, CLI_CHECKPOINTS, 0},
        {"weft barrier --timeout 3s", CLI_BARRIER, 0, CLI_TIMEOUT, 3000},
        {"weft leave --timeout 2m", CLI_LEAVE, 0, CLI_TIMEOUT, 120000},
        {"weft check-config weft.ini --show", CLI_CHECK_CONFIG, 1, CLI_SHOW, 0},
        {"weft version --verbose", CLI_VERSION, 0, CLI_VERBOSE, 0},
        {"weft kv set --help", CLI_KV_SET, 0, CLI_HELP, 0},
};

static void flags_stand_before_or_after_what_they_belong_to(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
        const struct accepted *row = &accepted[i];
        struct error err;
        struct line line;
        struct cli cli;
        bool has_flag;

        print_message("  %s\n", row->line);
        assert_int_equal(parse(&line, row->line, &cli, &err), 0);
        assert_true(cli.has_verb);
        assert_int_equal(cli.verb, row->verb);
        assert_int_equal(cli.arguments_count, row->arguments);
        has_flag = cli.flag[row->flag].given;
        assert_true(has_flag || row->number == 0);
        assert_true(cli.flag[row->flag].number == row->number);
    }
}

struct refused {
    const char *line;
    const char *says; /* a part of the sentence */
};

static const struct refused refused[] = {
        {"weft", "a command is missing"},
        {"weft memebrs", "the nearest is weft members"},
        {"weft mem", "the nearest is weft members"},
        {"weft kv", "weft kv --help"},
        {"weft kv gte k", "the nearest is weft kv get"},
        {"weft members --wiat 3", "the nearest is --wait"},
        {"weft members --wiat=3", "the nearest is --wait"},
        {"weft members --colour", "a command's --help lists its own"},
        {"weft xyzzy", "there is no command \"xyzzy\"; weft --help lists them"},
        {"weft members --wait", "--wait needs a value"},
        {"weft members --wait three", "\"three\" is none"},
        {"weft members --wait 0", "from 1 to"},
        {"weft members --wait -1", "\"-1\" is none"},
        {"weft members --ttl", "takes no --ttl"},
        {"weft members --quiet=yes", "takes no value"},
        {"weft members -x", "no flag -x"},
        {"weft members extra", "\"extra\" is one argument too many"},
        {"weft info --config=", "--config needs the path of a file"},
        {"weft info -o yaml", "text or json"},
        {"weft info --timeout 5", "duration"},
        {"weft info --timeout 0", "duration"},
        {"weft kv get", "weft kv get KEY"},
        {"weft kv set k", "weft kv set KEY VALUE|-"},
        {"weft kv set k -5", "no flag -5"},
        {"weft kv get k --node 0", "from 1 to"},
        {"weft kv get k --node 18446744073709551616", "is none"},
        {"weft kv get k --node 07", "is none"},
        {"weft kv ls --dead", "together with --all"},
        {"weft kv ls --all --node 1", "exclude"},
        {"weft send", "weft send STAGE"},
        {"weft send a/b", "\"a/b\" is no name for a stage"},
        {"weft send words --delimiter ,", "together with --key-field"},
        {"weft send words --key-field 0", "from 1 to"},
        {"weft send words --key-field 1 --delimiter ab", "one character"},
        {"weft send words --raw --to 1", "not of \"words\""},
        {"weft send words --to 1", "together with --raw"},
        {"weft send laminar", "add --raw"},
        {"weft send laminar --raw", "--to ID"},
        {"weft recv laminar", "add --raw"},
        {"weft recv words --follow --sources 2", "exclude"},
        {"weft recv words --sinks 2", "takes no --sinks"},
        {"weft recv words more", "one argument too many"},
};

static void wrong_usage_is_one_sentence_that_helps(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct error err;
        struct line line;
        struct cli cli;

        print_message("  %s\n", refused[i].line);
        assert_int_equal(
                parse(&line, refused[i].line, &cli, &err), ERR_INVALID);
        print_message("    %s\n", err.text);
        assert_non_null(strstr(err.text, refused[i].says));
    }
}

static void arguments_stand_in_one_row_in_their_order(void **state)
{
    struct error err;
    struct line line;
    struct cli cli;

    (void)state;
    assert_int_equal(
            parse(&line, "weft send -q words --sinks 1 a -- -b", &cli, &err),
            0);
    assert_int_equal(cli.arguments_count, 3);
    assert_string_equal(cli.arguments[0], "words");
    assert_string_equal(cli.arguments[1], "a");
    assert_string_equal(cli.arguments[2], "-b");
}

static void settings_are_kept_in_their_order(void **state)
{
    struct error err;
    struct line line;
    struct cli cli;

    (void)state;
    assert_int_equal(
            parse(&line, "weft run -s a.b=1 --set a.b=2 -sa.b=3", &cli, &err),
            0);
    assert_int_equal(cli.sets_count, 3);
    assert_string_equal(cli.sets[0], "a.b=1");
    assert_string_equal(cli.sets[2], "a.b=3");
}

static void more_settings_than_there_is_room_for_are_refused(void **state)
{
    char text[LINE_BYTES] = "weft run";
    struct error err;
    struct line line;
    struct cli cli;

    (void)state;
    for (size_t i = 0; i < CLI_SETS_MAX; i++) {
        (void)strcat(text, " -sa.b=1");
    }
    assert_int_equal(parse(&line, text, &cli, &err), 0);
    assert_int_equal(cli.sets_count, CLI_SETS_MAX);
    (void)strcat(text, " -sa.b=1");
    assert_int_equal(parse(&line, text, &cli, &err), ERR_INVALID);
}

static void a_command_waits_as_long_as_it_says(void **state)
{
    struct error err;
    struct line line;
    struct cli cli;

    (void)state;
    assert_int_equal(parse(&line, "weft members", &cli, &err), 0);
    assert_int_equal(cli_timeout_ms(&cli), 5000);
    assert_int_equal(parse(&line, "weft leave", &cli, &err), 0);
    assert_int_equal(cli_timeout_ms(&cli), 10000);
    assert_int_equal(parse(&line, "weft members --wait 2", &cli, &err), 0);
    assert_int_equal(cli_timeout_ms(&cli), CLI_FOR_EVER);
    assert_int_equal(parse(&line, "weft send words", &cli, &err), 0);
    assert_int_equal(cli_timeout_ms(&cli), CLI_FOR_EVER);
    assert_int_equal(
            parse(&line, "weft members --wait 2 --timeout 1s", &cli, &err), 0);
    assert_int_equal(cli_timeout_ms(&cli), 1000);
}

/* Everything after "example: weft " up to the end of the command. */
static void example_of(const struct cli_verb *verb, char *text, size_t capacity)
{
    const char *start = strstr(verb->example, "weft ");
    size_t size;

    assert_non_null(start);
    size = strcspn(start, "|&<>\n");
    assert_true(size < capacity);
    memcpy(text, start, size);
    text[size] = '\0';
}

static void every_verb_has_an_example_that_parses(void **state)
{
    (void)state;
    for (enum cli_verb_id id = 0; id < CLI_VERBS; id++) {
        char text[LINE_BYTES];
        struct error err;
        struct line line;
        struct cli cli;

        example_of(cli_verb_at(id), text, sizeof(text));
        print_message("  %s\n", text);
        assert_int_equal(parse(&line, text, &cli, &err), 0);
        assert_int_equal(cli.verb, id);
    }
}

/* The help for a command line, as text. */
static void help_of(const char *text, char *help, size_t capacity)
{
    FILE *out = tmpfile();
    struct error err;
    struct line line;
    struct cli cli;
    size_t size;

    assert_non_null(out);
    assert_int_equal(parse(&line, text, &cli, &err), 0);
    cli_help(&cli, out);
    rewind(out);
    size = fread(help, 1, capacity - 1, out);
    help[size] = '\0';
    (void)fclose(out);
}

static void the_programs_help_lists_every_verb(void **state)
{
    char help[8192];

    (void)state;
    help_of("weft --help", help, sizeof(help));
    for (enum cli_verb_id id = 0; id < CLI_VERBS; id++) {
        assert_non_null(strstr(help, cli_verb_at(id)->name));
        assert_non_null(strstr(help, cli_verb_at(id)->summary));
    }
}

static void a_verbs_help_lists_its_own_flags_and_no_others(void **state)
{
    char help[8192];

    (void)state;
    help_of("weft members -h", help, sizeof(help));
    assert_non_null(strstr(help, "usage: weft members"));
    assert_non_null(strstr(help, "--wait N"));
    assert_non_null(strstr(help, "--socket PATH"));
    assert_non_null(strstr(help, "example: weft members"));
    assert_null(strstr(help, "--ttl"));
}

static void a_groups_help_lists_its_verbs(void **state)
{
    char help[8192];

    (void)state;
    help_of("weft kv --help", help, sizeof(help));
    assert_non_null(strstr(help, "kv watch"));
    assert_null(strstr(help, "members"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(flags_stand_before_or_after_what_they_belong_to),
            cmocka_unit_test(wrong_usage_is_one_sentence_that_helps),
            cmocka_unit_test(arguments_stand_in_one_row_in_their_order),
            cmocka_unit_test(settings_are_kept_in_their_order),
            cmocka_unit_test(more_settings_than_there_is_room_for_are_refused),
            cmocka_unit_test(a_command_waits_as_long_as_it_says),
            cmocka_unit_test(every_verb_has_an_example_that_parses),
            cmocka_unit_test(the_programs_help_lists_every_verb),
            cmocka_unit_test(a_verbs_help_lists_its_own_flags_and_no_others),
            cmocka_unit_test(a_groups_help_lists_its_verbs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
