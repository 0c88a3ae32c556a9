/* What a node must remember across restarts: its id, its generation, and how
 * the latest attempts at a checkpoint were decided.
 *
 * Small files in `[node] data_dir`, each replaced whole: written beside,
 * synced, renamed, and the directory synced, so that after a crash either the
 * old or the new text is there. The directory is locked while the node lives,
 * for two nodes with one memory would be one identity in two places.
 *
 *   identity     ID GENERATION
 *   decisions    LEADER GENERATION EPOCH committed|aborted     newest last
 *
 * What was found at the start is synced once more before it is believed: the
 * process may have died between a rename and its sync, and whoever repeats a
 * decision that the disk can still lose may have to contradict it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "node/checkpoint.h"

enum {
    STORE_DECISIONS_MAX = 64, /* older ones give way */
};

struct store {
    int dir_fd; /* -1: no data_dir, nothing is kept */
    int lock_fd;
    uint64_t id; /* 0: none kept yet */
    uint64_t generation; /* 0: none kept yet */
    struct checkpoint_decision
            decisions[STORE_DECISIONS_MAX]; /* oldest first */
    size_t decisions_count;
    bool in_doubt; /* see store_keep_decision */
};

/* Opens `dir` (made with mode 0700 if it is missing) and reads what it holds.
 * An empty `dir` is a memory that forgets. ERR_IO when the system refuses or
 * another node holds the lock, ERR_INVALID when a file is not ours. */
int store_open(struct store *s, const char *dir, struct error *err);

/* On disk before it returns. ERR_IO leaves the former text in force. */
int store_save(
        struct store *s, uint64_t id, uint64_t generation, struct error *err);

/* On disk before it returns; a decision that is there already is written again.
 * ERR_INVALID when the same attempt was decided the other way, ERR_IO when the
 * system refused. Both leave the former text in force, unless `in_doubt` is
 * set: then the new text is in its place, the directory would not sync, and
 * nobody can know which of the two a crash leaves. Say neither then, and end.
 *
 * May be called from another thread than the rest, one call at a time: it
 * shares only the directory with them. */
int store_keep_decision(struct store *s,
        const struct checkpoint_decision *decision, struct error *err);

void store_close(struct store *s);
