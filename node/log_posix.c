#include "node/log_posix.h"

#include "node/quote.h"

#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    LINE_BYTES = 1500, /* below PIPE_BUF: a pipe takes it whole or not */
    TIME_BYTES = 40,
};

static const char *const level_names[] = {"error", "warn", "info", "debug"};

void log_init(struct log *log, enum log_level level, bool json)
{
    *log = (struct log){.level = level, .json = json, .fd = STDERR_FILENO};
}

/* RFC 3339 in UTC, to the millisecond. */
static void format_now(char text[static TIME_BYTES])
{
    struct timespec now;
    struct tm utc;
    size_t used;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &utc);
    used = strftime(text, TIME_BYTES, "%Y-%m-%dT%H:%M:%S", &utc);
    (void)snprintf(
            text + used, TIME_BYTES - used, ".%03ldZ", now.tv_nsec / 1000000);
}

static bool is_writable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};

    return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) != 0;
}

static size_t format_line(const struct log *log, enum log_level level,
        const char *text, char line[static LINE_BYTES])
{
    char quoted[LINE_BYTES - 200];
    char now[TIME_BYTES];
    int size;

    format_now(now);
    if (log->json) {
        quote_json(bytes_text(text), quoted, sizeof(quoted));
        size = snprintf(line, LINE_BYTES,
                "{\"time\":\"%s\",\"level\":\"%s\",\"dropped\":%" PRIu64
                ",\"message\":%s}\n",
                now, level_names[level], log->dropped, quoted);
    } else if (log->dropped > 0) {
        size = snprintf(line, LINE_BYTES,
                "%s %-5s %s (%" PRIu64 " lines were dropped before this)\n",
                now, level_names[level], text, log->dropped);
    } else {
        size = snprintf(line, LINE_BYTES, "%s %-5s %s\n", now,
                level_names[level], text);
    }
    return size < LINE_BYTES ? (size_t)size : LINE_BYTES - 1;
}

void log_line(struct log *log, enum log_level level, const char *format, ...)
{
    struct error text;
    char line[LINE_BYTES];
    va_list args;
    size_t size;

    if (level > log->level) {
        return;
    }
    va_start(args, format);
    (void)vsnprintf(text.text, sizeof(text.text), format, args);
    va_end(args);
    size = format_line(log, level, text.text, line);
    if (!is_writable(log->fd) || write(log->fd, line, size) < 0) {
        log->dropped++;
        return;
    }
    log->dropped = 0;
}
