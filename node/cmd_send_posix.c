#include "node/cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/send_posix.h"

/* Ctrl-C and SIGTERM become readable instead of ending us, so that the node
 * can be told. -1 where the system does not allow it. */
static int open_stop(void)
{
    sigset_t signals;

    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) != 0) {
        return -1;
    }
    return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Why there are no lines to read, in errno's numbers; 0 if there may be. */
static int judge_input(void)
{
    int flags = fcntl(STDIN_FILENO, F_GETFL);
    struct stat facts;

    if (flags == -1 || fstat(STDIN_FILENO, &facts) != 0) {
        return errno;
    }
    if ((flags & O_ACCMODE) == O_WRONLY) {
        return EBADF;
    }
    return S_ISDIR(facts.st_mode) ? EISDIR : 0;
}

static int judge_file(const char *path)
{
    struct stat facts;

    if (access(path, R_OK) != 0 || stat(path, &facts) != 0) {
        return errno;
    }
    return S_ISDIR(facts.st_mode) ? EISDIR : 0;
}

/* What cannot be read is better told before anything is sent than in its
 * middle, or when the sinks are there at last. */
static int check_files(const struct send_options *options)
{
    size_t inputs = options->files_count == 0 ? 1 : options->files_count;

    for (size_t i = 0; i < inputs; i++) {
        const char *path = options->files_count == 0 ? "-" : options->files[i];
        bool is_input = strcmp(path, "-") == 0;
        int reason = is_input ? judge_input() : judge_file(path);

        if (reason != 0) {
            return cmd_fail(CLI_EXIT_NO, "cannot read %s: %s",
                    is_input ? "standard input" : path, strerror(reason));
        }
    }
    return CLI_EXIT_DONE;
}

int cmd_send(const struct cli *cli)
{
    const struct cli_value *flag = cli->flag;
    struct send_options options = {
            .stage = cli->arguments[0],
            .files = cli->arguments + 1,
            .files_count = cli->arguments_count - 1,
            .sinks = flag[CLI_SINKS].given ? (uint32_t)flag[CLI_SINKS].number
                                           : 1,
            .key_field = flag[CLI_KEY_FIELD].number,
            .delimiter = flag[CLI_DELIMITER].given
                                 ? (uint8_t)flag[CLI_DELIMITER].number
                                 : '\t',
            .to = flag[CLI_TO].number,
            .deadline_ms = cmd_deadline_ms(cli),
            .is_json = cli_is_json(cli),
            .shows_progress = !flag[CLI_QUIET].given,
            .stop_fd = -1,
    };
    struct client client;
    int code = check_files(&options);

    if (code == CLI_EXIT_DONE) {
        code = cmd_connect(cli, &client);
    }
    if (code != CLI_EXIT_DONE) {
        return code;
    }
    options.stop_fd = open_stop();
    code = send_run(&client, &options);
    client_close(&client);
    return cmd_finish(code);
}
