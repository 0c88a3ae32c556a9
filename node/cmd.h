/* The commands: one function a verb, from the parsed line to the exit code.
 *
 * Data goes to standard output, everything else to standard error, as `weft: `
 * and one sentence. Each command but `run` and those that need no node is a
 * short conversation at the node's local socket. */
#pragma once

#include <stdio.h>

#include "node/cli.h"

struct client;

enum {
    CMD_GRACE_MS = 2000, /* that a node may need to open its socket */
    CMD_RETRY_MS = 50,
};

int cmd_run(const struct cli *cli);
int cmd_members(const struct cli *cli);
int cmd_info(const struct cli *cli);
int cmd_barrier(const struct cli *cli);
int cmd_health(const struct cli *cli);
int cmd_leave(const struct cli *cli);
int cmd_kv_get(const struct cli *cli);
int cmd_kv_set(const struct cli *cli);
int cmd_kv_del(const struct cli *cli);
int cmd_kv_ls(const struct cli *cli);
int cmd_kv_watch(const struct cli *cli);
int cmd_send(const struct cli *cli);
int cmd_recv(const struct cli *cli);
int cmd_check_config(const struct cli *cli);
int cmd_version(const struct cli *cli);

/* Holds the place of each standard file that is closed, with one opened the
 * wrong way round: else the next thing to be opened, such as the node's socket,
 * would take its number and be read or written instead of it. */
void cmd_hold_closed_files(void);

/* Says one sentence on standard error and returns `exit`. */
int cmd_fail(int exit, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

/* Connects to the node: 0, or the exit code after saying why not. A command
 * that waits for others gives a node that was just started CMD_GRACE_MS. */
int cmd_connect(const struct cli *cli, struct client *client);

/* When the command gives up, on client_now_ms's clock; UINT64_MAX is never. */
uint64_t cmd_deadline_ms(const struct cli *cli);

/* Colour is for terminals whose user has not set NO_COLOR. */
bool cmd_is_coloured(FILE *out);

/* Ends a command that has printed to standard output: `exit`, or 0 when its
 * reader has gone, or 1 with a sentence when it could not be written. */
int cmd_finish(int exit);
