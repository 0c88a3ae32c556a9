#include "node/cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/client_posix.h"
#include "node/settings_posix.h"

/* The lowest free number is the one that is given out. */
void cmd_hold_closed_files(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) == -1) {
            (void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
        }
    }
}

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
    uint64_t grace_ms = cli->flag[CLI_WAIT].given ? CMD_GRACE_MS : 0;
    uint64_t deadline_ms = client_now_ms() + grace_ms;
    char path[CONF_SOCKET_BYTES];
    struct error err;
    int code = settings_socket(cli, path);

    if (code != CLI_EXIT_DONE) {
        return code;
    }
    while (client_connect(client, path, &err) != 0) {
        if (client_left_ms(deadline_ms) == 0) {
            return cmd_fail(CLI_EXIT_NO_NODE, "%s", err.text);
        }
        (void)poll(NULL, 0, CMD_RETRY_MS);
    }
    return CLI_EXIT_DONE;
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
