/* A source: the conversation of `weft send` with its node.
 *
 *   WAITING ──STATE 0──► SENDING ──all is read: MARK DRAIN──► DRAINING
 *      │                    │                                    │
 *      └────────────────────┴── Ctrl-C, bad input: FAIL 5 ──► GIVING_UP
 *                                                                │
 *          (the end) ◄── DONE, FAIL, STATE 2, or the node's end ─┘
 *
 * Nothing is read before the node has attached us, and no more than
 * SEND_QUEUE_BYTES is packed ahead of what its socket takes: the node leaves it
 * unread while a sink is slow, and that is felt by whoever writes to us. Both
 * directions are watched all the time, for FAIL and STATE may come at any; so
 * may a checkpoint's MARK, which says how many of our records are before it,
 * and its OUTCOME. */
#pragma once

#include "node/client_posix.h"

enum {
    SEND_QUEUE_BYTES = 256 << 10,
    SEND_GIVE_UP_MS = 1000, /* that the node has to answer our FAIL */
};

struct send_options {
    const char *stage;
    char *const *files; /* paths; `-` is standard input */
    size_t files_count;
    uint32_t sinks; /* to wait for */
    uint64_t key_field; /* from 1; 0: the whole line is the key */
    uint8_t delimiter;
    uint64_t to; /* not 0: raw records for this LaminarDB node */
    uint64_t deadline_ms; /* of the wait for sinks; UINT64_MAX = never */
    bool is_json; /* a report on standard output */
    bool shows_progress;
    int stop_fd; /* becomes readable when we shall stop; -1 = none */
};

/* Attaches and sends everything; returns the exit code, and has said why it is
 * not 0. */
int send_run(struct client *client, const struct send_options *options);
