#include "node/cli.h"

#include <stdlib.h>
#include <string.h>

#include "base/edit.h"
#include "conf/conf_text.h"

/* What is being read: flags go to `cli`, words to the front of `argv`. */
struct parse {
    struct cli *cli;
    char **argv;
    int argc;
    int at; /* the next one to read */
    size_t words;
    struct error *err;
};

/* What begins with `word` is nearest of all: "mem" means "members". */
static size_t distance(const char *word, const char *candidate)
{
    if (*word != '\0' && strncmp(word, candidate, strlen(word)) == 0) {
        return 0;
    }
    return edit_distance(word, candidate);
}

/* Near enough to have been meant: half the word right, no less. */
static bool is_near(const char *word, const char *candidate)
{
    return 2 * distance(word, candidate) <= strlen(word);
}

/* NULL when nothing is near. `name` may go on with `=value`. */
static const char *nearest_flag(const char *name, size_t size)
{
    const char *nearest = cli_flag_at(0)->name;
    char word[EDIT_WORD_BYTES];

    (void)snprintf(word, sizeof(word), "%.*s", (int)size, name);
    for (enum cli_flag_id id = 1; id < CLI_FLAGS; id++) {
        const char *candidate = cli_flag_at(id)->name;

        if (distance(word, candidate) < distance(word, nearest)) {
            nearest = candidate;
        }
    }
    return is_near(word, nearest) ? nearest : NULL;
}

/* NULL when nothing is near. */
static const char *nearest_verb(const char *name)
{
    const char *nearest = cli_verb_at(0)->name;

    for (enum cli_verb_id id = 1; id < CLI_VERBS; id++) {
        const char *candidate = cli_verb_at(id)->name;

        if (distance(name, candidate) < distance(name, nearest)) {
            nearest = candidate;
        }
    }
    return is_near(name, nearest) ? nearest : NULL;
}

static int refuse_flag(struct parse *p, const char *name, size_t size)
{
    const char *nearest = nearest_flag(name, size);

    if (nearest == NULL) {
        return error_set(p->err, ERR_INVALID,
                "there is no flag \"--%.*s\"; a command's --help lists its own",
                (int)size, name);
    }
    return error_set(p->err, ERR_INVALID,
            "there is no flag \"--%.*s\"; the nearest is --%s", (int)size, name,
            nearest);
}

static int refuse_name(struct parse *p, const char *name)
{
    const char *nearest = nearest_verb(name);

    if (nearest == NULL) {
        return error_set(p->err, ERR_INVALID,
                "there is no command \"%s\"; weft --help lists them all", name);
    }
    return error_set(p->err, ERR_INVALID,
            "there is no command \"%s\"; the nearest is weft %s, and weft "
            "--help lists them all",
            name, nearest);
}

static bool find_flag(
        const char *name, size_t name_size, enum cli_flag_id *found)
{
    for (enum cli_flag_id id = 0; id < CLI_FLAGS; id++) {
        const char *candidate = cli_flag_at(id)->name;

        if (strlen(candidate) == name_size &&
                memcmp(candidate, name, name_size) == 0) {
            *found = id;
            return true;
        }
    }
    return false;
}

static bool find_letter(char letter, enum cli_flag_id *found)
{
    for (enum cli_flag_id id = 0; id < CLI_FLAGS; id++) {
        if (letter != 0 && cli_flag_at(id)->letter == letter) {
            *found = id;
            return true;
        }
    }
    return false;
}

static int read_number(
        const struct cli_flag *flag, struct cli_value *value, struct error *err)
{
    if (!bytes_to_u64(bytes_text(value->text), &value->number) ||
            value->number < flag->min || value->number > flag->max) {
        return error_set(err, ERR_INVALID,
                "--%s takes a number from %llu to %llu, and \"%s\" is none",
                flag->name, (unsigned long long)flag->min,
                (unsigned long long)flag->max, value->text);
    }
    return 0;
}

/* The text of a value is there; judges it. */
static int read_value(
        const struct cli_flag *flag, struct cli_value *value, struct error *err)
{
    switch (flag->kind) {
    case CLI_NOTHING:
    case CLI_TEXT:
        break;
    case CLI_NUMBER:
        return read_number(flag, value, err);
    case CLI_DURATION:
        if (!conf_text_to_duration(bytes_text(value->text), &value->number) ||
                value->number == 0) {
            return error_set(err, ERR_INVALID,
                    "--%s takes a duration like 250ms, 5s or 10m, and \"%s\" "
                    "is none",
                    flag->name, value->text);
        }
        return 0;
    case CLI_BYTE:
        if (strlen(value->text) != 1) {
            return error_set(err, ERR_INVALID,
                    "--%s takes one character of one byte, and \"%s\" is none",
                    flag->name, value->text);
        }
        value->number = (unsigned char)value->text[0];
        return 0;
    case CLI_FORMAT:
        value->number = strcmp(value->text, "json") == 0;
        if (value->number == 0 && strcmp(value->text, "text") != 0) {
            return error_set(err, ERR_INVALID,
                    "--%s is text or json, and not \"%s\"", flag->name,
                    value->text);
        }
        return 0;
    }
    return 0;
}

static int keep_set(struct parse *p, const char *assignment)
{
    struct cli *cli = p->cli;

    if (cli->sets_count == CLI_SETS_MAX) {
        return error_set(p->err, ERR_INVALID,
                "--set may be given %d times; put the rest into a file",
                CLI_SETS_MAX);
    }
    cli->sets[cli->sets_count] = assignment;
    cli->sets_count++;
    return 0;
}

/* `attached` is the value that came with the flag, or NULL. */
static int take_flag(struct parse *p, enum cli_flag_id id, const char *attached)
{
    const struct cli_flag *flag = cli_flag_at(id);
    struct cli_value *value = &p->cli->flag[id];

    value->given = true;
    if (flag->kind == CLI_NOTHING) {
        if (attached != NULL) {
            return error_set(p->err, ERR_INVALID,
                    "--%s takes no value, and got \"%s\"", flag->name,
                    attached);
        }
        return 0;
    }
    if (attached == NULL) {
        if (p->at == p->argc) {
            return error_set(p->err, ERR_INVALID, "--%s needs a value: --%s %s",
                    flag->name, flag->name, flag->value);
        }
        attached = p->argv[p->at];
        p->at++;
    }
    value->text = attached;
    if (id == CLI_SET) {
        return keep_set(p, attached);
    }
    return read_value(flag, value, p->err);
}

/* `--name` or `--name=value`. */
static int read_long_flag(struct parse *p, const char *text)
{
    const char *name = text + 2;
    const char *equals = strchr(name, '=');
    size_t size = equals == NULL ? strlen(name) : (size_t)(equals - name);
    enum cli_flag_id id;

    if (!find_flag(name, size, &id)) {
        return refuse_flag(p, name, size);
    }
    return take_flag(p, id, equals == NULL ? NULL : equals + 1);
}

/* `-q`, `-qh`, `-c FILE` or `-cFILE`. */
static int read_letters(struct parse *p, const char *text)
{
    for (const char *c = text + 1; *c != '\0'; c++) {
        enum cli_flag_id id;
        const char *attached = NULL;
        int rc;

        if (!find_letter(*c, &id)) {
            return error_set(p->err, ERR_INVALID,
                    "there is no flag -%c in \"%s\"; `--` before it makes it "
                    "an argument",
                    *c, text);
        }
        if (cli_flag_at(id)->kind != CLI_NOTHING && c[1] != '\0') {
            attached = c + 1;
        }
        rc = take_flag(p, id, attached);
        if (rc != 0 || attached != NULL) {
            return rc;
        }
    }
    return 0;
}

/* Flags into the value, words to the front of argv. */
static int read_all(struct parse *p)
{
    bool flags_ended = false;

    while (p->at < p->argc) {
        char *text = p->argv[p->at];
        int rc = 0;

        p->at++;
        if (flags_ended || text[0] != '-' || text[1] == '\0') {
            p->argv[p->words] = text;
            p->words++;
        } else if (strcmp(text, "--") == 0) {
            flags_ended = true;
        } else if (text[1] == '-') {
            rc = read_long_flag(p, text);
        } else {
            rc = read_letters(p, text);
        }
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

/* How many of the words spell the verb's name: 0, 1 or 2. */
static size_t words_of_verb(
        const struct cli_verb *verb, char *const words[], size_t count)
{
    const char *space = strchr(verb->name, ' ');
    size_t first =
            space == NULL ? strlen(verb->name) : (size_t)(space - verb->name);

    if (count == 0 || strlen(words[0]) != first ||
            memcmp(words[0], verb->name, first) != 0) {
        return 0;
    }
    if (space == NULL) {
        return 1;
    }
    return count > 1 && strcmp(words[1], space + 1) == 0 ? 2 : 0;
}

/* "kv" is the first word of several verbs and itself none. */
static bool is_group(const char *word)
{
    size_t size = strlen(word);

    for (enum cli_verb_id id = 0; id < CLI_VERBS; id++) {
        const char *name = cli_verb_at(id)->name;

        if (strncmp(name, word, size) == 0 && name[size] == ' ') {
            return true;
        }
    }
    return false;
}

static int refuse_verb(struct parse *p)
{
    char two[2 * EDIT_WORD_BYTES];
    const char *name = p->argv[0];

    if (is_group(name)) {
        if (p->words == 1) {
            return error_set(p->err, ERR_INVALID,
                    "%s is the first word of several commands; weft %s --help "
                    "lists them",
                    name, name);
        }
        (void)snprintf(two, sizeof(two), "%s %s", name, p->argv[1]);
        name = two;
    }
    return refuse_name(p, name);
}

static int find_verb(struct parse *p)
{
    struct cli *cli = p->cli;

    for (enum cli_verb_id id = 0; id < CLI_VERBS; id++) {
        size_t taken = words_of_verb(cli_verb_at(id), p->argv, p->words);

        if (taken > 0) {
            cli->has_verb = true;
            cli->verb = id;
            cli->arguments = p->argv + taken;
            cli->arguments_count = p->words - taken;
            return 0;
        }
    }
    if (p->words == 0 && (cli->flag[CLI_HELP].given ||
                                 cli->flag[CLI_PROGRAM_VERSION].given)) {
        return 0;
    }
    if (p->words == 0) {
        return error_set(p->err, ERR_INVALID,
                "a command is missing; weft --help lists them");
    }
    if (p->words == 1 && cli->flag[CLI_HELP].given && is_group(p->argv[0])) {
        cli->group = p->argv[0];
        return 0;
    }
    return refuse_verb(p);
}

static int check_flags(const struct cli *cli, struct error *err)
{
    const char *verb = cli_verb_at(cli->verb)->name;

    for (enum cli_flag_id id = 0; id < CLI_FLAGS; id++) {
        if (cli->flag[id].given && id != CLI_PROGRAM_VERSION &&
                !cli_verb_takes(cli->verb, id)) {
            return error_set(err, ERR_INVALID,
                    "weft %s takes no --%s; weft %s --help lists what it "
                    "takes",
                    verb, cli_flag_at(id)->name, verb);
        }
    }
    return 0;
}

static int check_arguments(const struct cli *cli, struct error *err)
{
    const struct cli_verb *verb = cli_verb_at(cli->verb);

    if (cli->arguments_count < verb->arguments_min) {
        return error_set(err, ERR_INVALID, "an argument is missing: weft %s %s",
                verb->name, verb->arguments);
    }
    if (cli->arguments_count > verb->arguments_max) {
        return error_set(err, ERR_INVALID,
                "\"%s\" is one argument too many: weft %s%s%s",
                cli->arguments[verb->arguments_max], verb->name,
                *verb->arguments == '\0' ? "" : " ", verb->arguments);
    }
    return 0;
}

int cli_parse(struct cli *cli, int argc, char **argv, struct error *err)
{
    struct parse p = {cli, argv + 1, argc - 1, 0, 0, err};
    int rc;

    *cli = (struct cli){0};
    if (argc < 1) {
        p.argc = 0;
    }
    rc = read_all(&p);
    if (rc == 0) {
        rc = find_verb(&p);
    }
    if (rc != 0 || !cli->has_verb) {
        return rc;
    }
    rc = check_flags(cli, err);
    if (rc != 0 || cli->flag[CLI_HELP].given ||
            cli->flag[CLI_PROGRAM_VERSION].given) {
        return rc;
    }
    rc = check_arguments(cli, err);
    return rc != 0 ? rc : cli_check(cli, err);
}

uint64_t cli_timeout_ms(const struct cli *cli)
{
    if (cli->flag[CLI_TIMEOUT].given) {
        return cli->flag[CLI_TIMEOUT].number;
    }
    if (cli->flag[CLI_WAIT].given) {
        return CLI_FOR_EVER;
    }
    return cli_verb_at(cli->verb)->timeout_ms;
}

bool cli_is_json(const struct cli *cli)
{
    return cli->flag[CLI_OUTPUT].given && cli->flag[CLI_OUTPUT].number == 1;
}
