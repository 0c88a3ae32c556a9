/* One line on a terminal's standard error that says how far a command is.
 *
 * It is rewritten in place a few times a second, and removed before anything
 * else is said. Switched off, it writes nothing at all. */
#pragma once

#include "base/bytes.h"

enum {
    PROGRESS_MS = 200, /* between two lines */
};

struct progress {
    bool on;
    bool visible;
    uint64_t started_ms; /* of the counting; 0 = it has not begun */
    uint64_t said_ms;
};

/* On if `wanted` and standard error is a terminal. */
void progress_init(struct progress *p, bool wanted);

/* A sentence, at once: what is waited for. */
void progress_say(struct progress *p, struct bytes sentence);

/* Records, bytes and rate, if the time for it has come. */
void progress_count(
        struct progress *p, uint64_t now_ms, uint64_t records, uint64_t bytes);

/* How long to wait at most before it wants to be called again; -1 = for ever.
 * `left_ms` is what the caller would have waited. */
int progress_left_ms(const struct progress *p, int left_ms);

void progress_clear(struct progress *p);
