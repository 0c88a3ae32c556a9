/* One line on standard error per thing an operator would want to know.
 *
 * A terminal gets text, everything else JSON, unless `[log] format` says
 * otherwise. The log never holds the node up: a line that standard error
 * cannot take at once is dropped, and the next one that fits says how many
 * were. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum log_level {
    LOG_ERROR,
    LOG_WARN,
    LOG_INFO,
    LOG_DEBUG,
};

struct log {
    enum log_level level; /* what is less urgent is not written */
    bool json;
    int fd;
    uint64_t dropped; /* since the last line that went out */
};

void log_init(struct log *log, enum log_level level, bool json);

void log_line(struct log *log, enum log_level level, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
