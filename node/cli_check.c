/* What flags and arguments must be to one another. */
#include "node/cli.h"

#include <string.h>

#include "shuffle/shuffle_wire.h"

/* One flag that makes no sense beside another, or without it. */
struct rule {
    enum cli_flag_id flag;
    enum cli_flag_id other;
    bool together; /* needs the other; else excludes it */
};

static const struct rule rules[] = {
        {CLI_NODE, CLI_ALL, false},
        {CLI_DEAD, CLI_ALL, true},
        {CLI_DELIMITER, CLI_KEY_FIELD, true},
        {CLI_SOURCES, CLI_FOLLOW, false},
        {CLI_TO, CLI_RAW, true},
        {CLI_KEY_FIELD, CLI_RAW, false},
        {CLI_SINKS, CLI_RAW, false},
        {CLI_NULL, CLI_RAW, false},
};

static int check_rules(const struct cli *cli, struct error *err)
{
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        const struct rule *rule = &rules[i];

        if (!cli->flag[rule->flag].given ||
                cli->flag[rule->other].given == rule->together) {
            continue;
        }
        return error_set(err, ERR_INVALID,
                rule->together ? "--%s means something only together with --%s"
                               : "--%s and --%s exclude each other",
                cli_flag_at(rule->flag)->name, cli_flag_at(rule->other)->name);
    }
    return 0;
}

/* Lines have no place in LaminarDB's stage, and its records none elsewhere. */
static int check_stage(const struct cli *cli, struct error *err)
{
    const char *stage = cli->arguments[0];
    bool is_laminar = strcmp(stage, "laminar") == 0;
    bool is_raw = cli->flag[CLI_RAW].given;

    if (!shuffle_wire_is_stage(bytes_text(stage))) {
        return error_set(err, ERR_INVALID,
                "\"%s\" is no name for a stage: 1 to 64 of A-Z a-z 0-9 . _ -",
                stage);
    }
    if (is_laminar && !is_raw) {
        return error_set(err, ERR_INVALID,
                "the stage laminar carries LaminarDB's binary records; add "
                "--raw, or choose another stage");
    }
    if (is_raw && !is_laminar) {
        return error_set(err, ERR_INVALID,
                "--raw is of the stage laminar, and not of \"%s\"", stage);
    }
    if (cli->verb == CLI_SEND && is_raw && !cli->flag[CLI_TO].given) {
        return error_set(err, ERR_INVALID,
                "whose are they? --raw needs --to ID, the node that gets the "
                "records");
    }
    return 0;
}

/* An empty name is most often a variable of the shell that was not set. */
static int check_config_flag(const struct cli *cli, struct error *err)
{
    const struct cli_value *config = &cli->flag[CLI_CONFIG];

    if (config->given && config->text[0] == '\0') {
        return error_set(err, ERR_INVALID,
                "--config needs the path of a file, and \"\" is none");
    }
    return 0;
}

int cli_check(const struct cli *cli, struct error *err)
{
    int rc = check_rules(cli, err);

    if (rc == 0) {
        rc = check_config_flag(cli, err);
    }
    if (rc == 0 && (cli->verb == CLI_SEND || cli->verb == CLI_RECV)) {
        rc = check_stage(cli, err);
    }
    return rc;
}
