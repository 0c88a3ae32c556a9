/* What a node must remember across restarts: its id and its generation.
 *
 * One small file in `[node] data_dir`, replaced whole: written beside, synced,
 * renamed, and the directory synced, so that after a crash either the old or
 * the new text is there. The directory is locked while the node lives, for two
 * nodes with one memory would be one identity in two places. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct store {
    int dir_fd; /* -1: no data_dir, nothing is kept */
    int lock_fd;
    uint64_t id; /* 0: none kept yet */
    uint64_t generation; /* 0: none kept yet */
};

/* Opens `dir` (made with mode 0700 if it is missing) and reads what it holds.
 * An empty `dir` is a memory that forgets. ERR_IO when the system refuses or
 * another node holds the lock, ERR_INVALID when the file is not ours. */
int store_open(struct store *s, const char *dir, struct error *err);

/* On disk before it returns. ERR_IO leaves the former text in force. */
int store_save(
        struct store *s, uint64_t id, uint64_t generation, struct error *err);

void store_close(struct store *s);
