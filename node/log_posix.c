#include "node/log_posix.h"

#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "node/printable.h"
#include "node/quote.h"

enum {
    LINE_BYTES = 1500, /* below PIPE_BUF: a pipe takes it whole or not */
    TIME_BYTES = 40,
    TEXT_BYTES = LINE_BYTES - 200, /* the sentence, escaped or quoted */
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

static int format_json(const struct log *log, enum log_level level,
        const char *now, const char *text, char line[static LINE_BYTES])
{
    char quoted[TEXT_BYTES];

    quote_json(bytes_text(text), quoted, sizeof(quoted));
    return snprintf(line, LINE_BYTES,
            "{\"time\":\"%s\",\"level\":\"%s\",\"dropped\":%" PRIu64
            ",\"message\":%s}\n",
            now, level_names[level], log->dropped, quoted);
}

static int format_text(const struct log *log, enum log_level level,
        const char *now, const char *text, char line[static LINE_BYTES])
{
    char safe[TEXT_BYTES];
    char dropped[64] = "";

    if (log->dropped > 0) {
        (void)snprintf(dropped, sizeof(dropped),
                " (%" PRIu64 " lines were dropped before this)", log->dropped);
    }
    return snprintf(line, LINE_BYTES, "%s %-5s %s%s\n", now, level_names[level],
            printable(bytes_text(text), safe, sizeof(safe)), dropped);
}

void log_line(struct log *log, enum log_level level, const char *format, ...)
{
    struct error text;
    char line[LINE_BYTES];
    char now[TIME_BYTES];
    va_list args;
    int size;

    if (level > log->level) {
        return;
    }
    va_start(args, format);
    (void)vsnprintf(text.text, sizeof(text.text), format, args);
    va_end(args);
    format_now(now);
    size = log->json ? format_json(log, level, now, text.text, line)
                     : format_text(log, level, now, text.text, line);
    if (!is_writable(log->fd) || write(log->fd, line, (size_t)size) < 0) {
        log->dropped++;
        return;
    }
    log->dropped = 0;
}
