#include "node/settings_posix.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/cmd.h"
#include "node/need.h"
#include "node/socket_path_posix.h"

static const char system_file[] = "/etc/weft/weft.ini";

extern char **environ; /* NOLINT(cppcoreguidelines-*): the system's own */

/* The file to read, or NULL for none. One that was named must be there. */
static const char *choose_file(const struct cli *cli)
{
    const char *named = getenv("WEFT_CONFIG");

    if (cli->flag[CLI_CONFIG].given) {
        return cli->flag[CLI_CONFIG].text;
    }
    if (named != NULL && *named != '\0') {
        return named;
    }
    return access(system_file, F_OK) == 0 ? system_file : NULL;
}

/* --socket is the same as the setting. */
static void set_socket(
        struct conf *conf, const char *path, struct conf_report *report)
{
    char assignment[CONF_FILE_BYTES];

    (void)snprintf(assignment, sizeof(assignment), "node.socket=%s", path);
    conf_set(conf, assignment, report);
}

void settings_load(struct conf *conf, const struct cli *cli, const char *file,
        struct conf_report *report)
{
    conf_init(conf);
    if (file == NULL) {
        file = choose_file(cli);
    }
    if (file != NULL) {
        conf_read_file(conf, file, report);
    }
    conf_read_env(conf, environ, report);
    for (size_t i = 0; i < cli->sets_count; i++) {
        conf_set(conf, cli->sets[i], report);
    }
    if (cli->flag[CLI_SOCKET].given) {
        set_socket(conf, cli->flag[CLI_SOCKET].text, report);
    }
    conf_check(conf, report);
}

/* What the settings say; their mistakes are said here. */
static int configured_socket(
        const struct cli *cli, char path[static CONF_SOCKET_BYTES])
{
    struct conf_report report;
    struct conf *conf = malloc(sizeof(*conf));
    struct error err;
    int code = CLI_EXIT_DONE;

    if (conf == NULL) {
        return cmd_fail(CLI_EXIT_NO, "there is no memory");
    }
    conf_report_init(&report);
    settings_load(conf, cli, NULL, &report);
    if (report.mistakes > 0) {
        (void)fputs(conf_report_text(&report), stderr);
        code = CLI_EXIT_CONFIG;
    } else if (socket_path(conf->node.socket, path, &err) != 0) {
        code = cmd_fail(CLI_EXIT_CONFIG, "%s", err.text);
    }
    conf_report_close(&report);
    free(conf);
    return code;
}

/* Where the flag or the variable already says it, the rest of the settings is
 * not looked at: a mistake among them is the node's business. */
int settings_socket(const struct cli *cli, char path[static CONF_SOCKET_BYTES])
{
    const char *named = getenv("WEFT_NODE_SOCKET");
    struct error err;

    if (cli->flag[CLI_SOCKET].given) {
        named = cli->flag[CLI_SOCKET].text;
    } else if (cli->sets_count > 0) {
        named = NULL;
    }
    if (named == NULL || *named == '\0') {
        return configured_socket(cli, path);
    }
    if (socket_path(named, path, &err) != 0) {
        return cmd_fail(CLI_EXIT_USAGE, "%s", err.text);
    }
    return CLI_EXIT_DONE;
}

uint64_t settings_align_timeout_ms(const struct cli *cli)
{
    struct conf_report report;
    struct conf *conf = need(malloc(sizeof(*conf)));
    uint64_t align_timeout_ms;

    conf_report_init(&report);
    settings_load(conf, cli, NULL, &report);
    align_timeout_ms = conf->checkpoint.align_timeout_ms;
    conf_report_close(&report);
    free(conf);
    return align_timeout_ms;
}
