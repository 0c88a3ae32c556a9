#include "node/cmd.h"

#include <unistd.h>

#include "node/recv_posix.h"

static enum output_mode mode_of(const struct cli *cli)
{
    if (cli->flag[CLI_RAW].given) {
        return OUTPUT_RAW;
    }
    return cli->flag[CLI_NULL].given ? OUTPUT_NULS : OUTPUT_LINES;
}

static uint32_t sources_of(const struct cli *cli)
{
    if (cli->flag[CLI_FOLLOW].given) {
        return 0;
    }
    return cli->flag[CLI_SOURCES].given
                   ? (uint32_t)cli->flag[CLI_SOURCES].number
                   : 1;
}

int cmd_recv(const struct cli *cli)
{
    struct recv_options options = {
            .stage = cli->arguments[0],
            .sources = sources_of(cli),
            .mode = mode_of(cli),
            .deadline_ms = cmd_deadline_ms(cli),
            .shows_progress =
                    !cli->flag[CLI_QUIET].given && isatty(STDOUT_FILENO) == 0,
            .shows_marks = cli->flag[CLI_MARKS].given,
            .out_fd = STDOUT_FILENO,
    };
    struct client client;
    int code = cmd_connect(cli, &client);

    if (code != CLI_EXIT_DONE) {
        return code;
    }
    if (options.mode == OUTPUT_RAW) {
        client.frame_max = UINT32_MAX - 4; /* its records have no other bound */
    }
    code = recv_run(&client, &options);
    client_close(&client);
    return code;
}
