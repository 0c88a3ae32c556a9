#include "node/cli.h"

#include <ctype.h>
#include <string.h>

enum {
    VERB_COLUMN = 14, /* where what verbs do begins */
    FLAG_COLUMN = 28, /* where what flags do begins */
};

static void print_verbs(FILE *out, const char *group)
{
    for (enum cli_verb_id id = 0; id < CLI_VERBS; id++) {
        const struct cli_verb *verb = cli_verb_at(id);

        if (group == NULL || strncmp(verb->name, group, strlen(group)) == 0) {
            (void)fprintf(
                    out, "  %-*s %s\n", VERB_COLUMN, verb->name, verb->summary);
        }
    }
}

static void print_flag(FILE *out, enum cli_flag_id id)
{
    const struct cli_flag *flag = cli_flag_at(id);
    char left[64];

    (void)snprintf(left, sizeof(left), "%c%c%s --%s%s%s",
            flag->letter == 0 ? ' ' : '-',
            flag->letter == 0 ? ' ' : flag->letter,
            flag->letter == 0 ? " " : ",", flag->name,
            flag->value == NULL ? "" : " ",
            flag->value == NULL ? "" : flag->value);
    (void)fprintf(out, "  %-*s %s\n", FLAG_COLUMN, left, flag->help);
}

static void print_common_flags(FILE *out)
{
    for (enum cli_flag_id id = 0; id <= CLI_HELP; id++) {
        print_flag(out, id);
    }
}

static void print_program(FILE *out)
{
    (void)fputs("Weft is a cluster node: who is here, and each record to the "
                "node that owns it.\n\nusage: weft COMMAND [ARGUMENT…] "
                "[FLAG…]\n\n",
            out);
    print_verbs(out, NULL);
    (void)fputs("\nFlags of every command, before or after its arguments; `--` "
                "ends them:\n\n",
            out);
    print_common_flags(out);
    print_flag(out, CLI_PROGRAM_VERSION);
    (void)fputs(
            "\nExit codes: 0 done or yes, 1 failed or no, 2 wrong usage, 3 no "
            "node answers,\n5 timed out, 78 the configuration is wrong.\n\n"
            "example: weft members\n",
            out);
}

static void print_group(FILE *out, const char *group)
{
    (void)fprintf(out, "usage: weft %s COMMAND [ARGUMENT…] [FLAG…]\n\n", group);
    print_verbs(out, group);
    (void)fprintf(out, "\nexample: weft %s ls --all\n", group);
}

static void print_verb(FILE *out, enum cli_verb_id id)
{
    const struct cli_verb *verb = cli_verb_at(id);
    bool has_own = false;

    (void)fprintf(out, "usage: weft %s%s%s [FLAG…]\n\n%c%s.%s%s\n", verb->name,
            *verb->arguments == '\0' ? "" : " ", verb->arguments,
            toupper((unsigned char)verb->summary[0]), verb->summary + 1,
            *verb->detail == '\0' ? "" : "\n", verb->detail);
    for (enum cli_flag_id flag = CLI_PROGRAM_VERSION; flag < CLI_FLAGS;
            flag++) {
        if (!cli_verb_takes(id, flag)) {
            continue;
        }
        if (!has_own) {
            (void)fputc('\n', out);
        }
        has_own = true;
        print_flag(out, flag);
    }
    (void)fputs("\nFlags of every command:\n\n", out);
    print_common_flags(out);
    (void)fprintf(out, "\nexample: %s\n", verb->example);
}

void cli_help(const struct cli *cli, FILE *out)
{
    if (cli->has_verb) {
        print_verb(out, cli->verb);
    } else if (cli->group != NULL) {
        print_group(out, cli->group);
    } else {
        print_program(out);
    }
}
