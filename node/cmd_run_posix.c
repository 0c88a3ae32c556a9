#include "node/cmd.h"

#include <stdlib.h>

#include "node/node_run.h"
#include "node/settings_posix.h"

static int run(const struct conf *conf)
{
    struct error err = {{0}};
    int code = node_run(conf, &err);

    return code == 0 || err.text[0] == '\0' ? code
                                            : cmd_fail(code, "%s", err.text);
}

int cmd_run(const struct cli *cli)
{
    struct conf *conf = malloc(sizeof(*conf));
    struct conf_report report;
    int code;

    if (conf == NULL) {
        return cmd_fail(CLI_EXIT_NO, "there is no memory");
    }
    conf_report_init(&report);
    settings_load(conf, cli, NULL, &report);
    if (report.mistakes > 0) {
        (void)fputs(conf_report_text(&report), stderr);
        code = CLI_EXIT_CONFIG;
    } else {
        code = run(conf);
    }
    conf_report_close(&report);
    free(conf);
    return code;
}
