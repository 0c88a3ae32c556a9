#include "node/cmd.h"

#include <string.h>

#include "node/version.h"

/* The lines "name version" as the members of an object. */
static void print_libraries_json(const char *lines)
{
    const char *comma = "";

    while (*lines != '\0') {
        size_t name = strcspn(lines, " ");
        size_t size = strcspn(lines, "\n");

        (void)printf("%s\"%.*s\":\"%.*s\"", comma, (int)name, lines,
                (int)(size - name - 1), lines + name + 1);
        comma = ",";
        lines += size + 1;
    }
}

static void print_json(bool is_verbose)
{
    (void)printf("{\"version\":\"%s\"", version_text());
    if (is_verbose) {
        (void)printf(",\"commit\":\"%s\",\"libraries\":{", version_commit());
        print_libraries_json(version_libraries());
        (void)putchar('}');
    }
    (void)puts("}");
}

int cmd_version(const struct cli *cli)
{
    bool is_verbose = cli->flag[CLI_VERBOSE].given;

    if (cli_is_json(cli)) {
        print_json(is_verbose);
    } else {
        (void)printf("weft %s\n", version_text());
        if (is_verbose) {
            (void)printf(
                    "commit %s\n%s", version_commit(), version_libraries());
        }
    }
    return cmd_finish(CLI_EXIT_DONE);
}
