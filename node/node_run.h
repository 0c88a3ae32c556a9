/* The node as a process: sockets, loop and signals around the core. */
#pragma once

#include "base/error.h"
#include "conf/conf.h"

/* Runs the node in the foreground until it has left, and returns the process's
 * exit code; unless that is 0, `err` says why. */
int node_run(const struct conf *conf, struct error *err);
