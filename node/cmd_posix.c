#include "node/cmd.h"

#include "node/client_posix.h"
#include "node/settings_posix.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int cmd_fail(int exit, const char *format, ...)
{
    va_list args;

    (void)fflush(stdout);
    (void)fputs("weft: ", stderr);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    return exit;
}

int cmd_connect(const struct cli *cli, struct client *client)
{
    char path[CONF_SOCKET_BYTES];
    struct error err;
    int code = settings_socket(cli, path);

    if (code == CLI_EXIT_DONE && client_connect(client, path, &err) != 0) {
        code = cmd_fail(CLI_EXIT_NO_NODE, "%s", err.text);
    }
    return code;
}

uint64_t cmd_deadline_ms(const struct cli *cli)
{
    uint64_t timeout_ms = cli_timeout_ms(cli);
    uint64_t now_ms = client_now_ms();

    if (timeout_ms == CLI_FOR_EVER || timeout_ms > UINT64_MAX - now_ms) {
        return UINT64_MAX;
    }
    return now_ms + timeout_ms;
}

bool cmd_is_coloured(FILE *out)
{
    const char *no_color = getenv("NO_COLOR");

    return (no_color == NULL || *no_color == '\0') && isatty(fileno(out)) != 0;
}

int cmd_finish(int exit)
{
    if (fflush(stdout) == 0 && ferror(stdout) == 0) {
        return exit;
    }
    if (errno == EPIPE) {
        return CLI_EXIT_DONE;
    }
    return cmd_fail(CLI_EXIT_NO, "cannot write to standard output: %s",
            strerror(errno));
}
