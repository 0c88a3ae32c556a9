/* A sink: the conversation of `weft recv` with its node.
 *
 *   WAITING ──the first source──► RUNNING ──MARK DRAIN──► FINISHING ──► ENDED
 *      │                             │      all is written: DONE
 *      └── --timeout, STATE 2 ─► ENDED ◄── FAIL that is final, the node's end
 *
 * A MARK without DRAIN is a checkpoint's: it is sent back when all records
 * before it are written, and its OUTCOME comes some time later.
 *
 * A source that was lost (FAIL 5) is not the end: its sentence is kept and
 * said behind all output. Records are confirmed when `write` has taken them,
 * and that is what credit grows by: a slow reader of ours slows the sources,
 * and nothing grows here.
 *
 * Standard output is shared with whoever started us, so it is never made
 * non-blocking: that flag belongs to the open file, not to us, and would stay
 * behind. Instead, where a write could block, we wait with poll until there is
 * room, and then write at most PIPE_BUF bytes, which poll has promised to
 * fit. So we are never stuck in a write, and hear the node while our reader
 * sleeps, until our one batch is full. */
#pragma once

#include "node/client_posix.h"
#include "node/output.h"

enum {
    RECV_WINDOW_BYTES = 1 << 20, /* granted ahead of what is written */
    RECV_GRANT_BYTES = RECV_WINDOW_BYTES / 8, /* taken since the last GRANT */
    RECV_SENTENCES_MAX = 64, /* that are kept; what is more is counted */
};

struct recv_options {
    const char *stage;
    uint32_t sources; /* that must end before we do; 0: never */
    enum output_mode mode;
    uint64_t deadline_ms; /* of the wait for the first source */
    bool shows_progress;
    bool shows_marks; /* a line on standard error for each checkpoint */
    int out_fd;
};

/* Attaches and writes everything; returns the exit code, and has said why it
 * is not 0. */
int recv_run(struct client *client, const struct recv_options *options);
