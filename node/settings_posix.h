/* The settings of this process: defaults, file, environment, flags. */
#pragma once

#include "conf/conf.h"
#include "node/cli.h"

/* Reads them all, in this order, each over the one before. The file is that of
 * --config, else $WEFT_CONFIG, else /etc/weft/weft.ini if there is one. Every
 * mistake goes into the report. */
void settings_load(struct conf *conf, const struct cli *cli, const char *file,
        struct conf_report *report);

/* How long the settings let a checkpoint take. A mistake among them is the
 * node's business; then it is the default. */
uint64_t settings_align_timeout_ms(const struct cli *cli);

/* The path of the node's local socket, for a program that wants to talk to it:
 * --socket, else what the settings say. 0 or, after saying why on standard
 * error, the exit code. */
int settings_socket(const struct cli *cli, char path[static CONF_SOCKET_BYTES]);
