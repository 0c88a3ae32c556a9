/* weft: the command line's way to the command. */
#include "node/cmd.h"

#include <signal.h>

static int perform(const struct cli *cli)
{
    switch (cli->verb) {
    case CLI_RUN:
        return cmd_run(cli);
    case CLI_MEMBERS:
        return cmd_members(cli);
    case CLI_INFO:
        return cmd_info(cli);
    case CLI_KV_GET:
        return cmd_kv_get(cli);
    case CLI_KV_SET:
        return cmd_kv_set(cli);
    case CLI_KV_DEL:
        return cmd_kv_del(cli);
    case CLI_KV_LS:
        return cmd_kv_ls(cli);
    case CLI_KV_WATCH:
        return cmd_kv_watch(cli);
    case CLI_SEND:
        return cmd_send(cli);
    case CLI_RECV:
        return cmd_recv(cli);
    case CLI_BARRIER:
        return cmd_barrier(cli);
    case CLI_HEALTH:
        return cmd_health(cli);
    case CLI_LEAVE:
        return cmd_leave(cli);
    case CLI_CHECK_CONFIG:
        return cmd_check_config(cli);
    case CLI_VERSION:
        return cmd_version(cli);
    case CLI_VERBS:
        break;
    }
    return CLI_EXIT_USAGE;
}

int main(int argc, char **argv)
{
    struct error err;
    struct cli cli;

    cmd_hold_closed_files();
    if (cli_parse(&cli, argc, argv, &err) != 0) {
        return cmd_fail(CLI_EXIT_USAGE, "%s", err.text);
    }
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR) {
        return cmd_fail(CLI_EXIT_NO, "cannot ignore SIGPIPE");
    }
    if (cli.flag[CLI_HELP].given) {
        cli_help(&cli, stdout);
        return cmd_finish(CLI_EXIT_DONE);
    }
    if (cli.flag[CLI_PROGRAM_VERSION].given) {
        return cmd_version(&cli);
    }
    return perform(&cli);
}
