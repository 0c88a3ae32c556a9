#include "node/cmd.h"

#include <stdlib.h>
#include <string.h>

#include "node/quote.h"
#include "node/settings_posix.h"

enum {
    QUOTED_BYTES = 4096, /* one mistake, or a path, as JSON */
};

/* The mistakes as a JSON array of their lines. */
static void print_mistakes_json(const char *lines)
{
    const char *comma = "";

    while (*lines != '\0') {
        size_t size = strcspn(lines, "\n");
        char quoted[QUOTED_BYTES];

        quote_json(bytes_of(lines, size), quoted, sizeof(quoted));
        (void)printf("%s%s", comma, quoted);
        comma = ",";
        lines += size + (lines[size] == '\n');
    }
}

static void print_check_json(
        const struct conf *conf, const struct conf_report *report)
{
    char file[QUOTED_BYTES] = "null";

    if (conf->file[0] != '\0') {
        quote_json(bytes_text(conf->file), file, sizeof(file));
    }
    (void)printf("{\"file\":%s,\"mistakes\":[", file);
    print_mistakes_json(conf_report_text(report));
    (void)puts("]}");
}

/* What was found, as it was asked for; the mistakes are the answer, so they
 * are data, unless the settings are. */
static int report_check(const struct cli *cli, const struct conf *conf,
        const struct conf_report *report)
{
    bool shows = cli->flag[CLI_SHOW].given;

    if (cli_is_json(cli) && !shows) {
        print_check_json(conf, report);
    } else if (report->mistakes > 0) {
        (void)fputs(conf_report_text(report), shows ? stderr : stdout);
    } else if (shows) {
        conf_show(conf, stdout);
    } else if (conf->file[0] == '\0') {
        (void)puts("there is no file, and every setting is right");
    } else {
        (void)printf("%s: every setting is right\n", conf->file);
    }
    return report->mistakes > 0 ? CLI_EXIT_CONFIG : CLI_EXIT_DONE;
}

int cmd_check_config(const struct cli *cli)
{
    const char *file = cli->arguments_count > 0 ? cli->arguments[0] : NULL;
    struct conf *conf = malloc(sizeof(*conf));
    struct conf_report report;
    int code;

    if (conf == NULL) {
        return cmd_fail(CLI_EXIT_NO, "there is no memory");
    }
    conf_report_init(&report);
    settings_load(conf, cli, file, &report);
    code = report_check(cli, conf, &report);
    conf_report_close(&report);
    free(conf);
    return cmd_finish(code);
}
