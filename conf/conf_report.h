/* Every mistake found in a configuration, in the order found.
 *
 * A node that is misconfigured in three places says so three times, so that
 * nobody repairs a file one start at a time. Each mistake is one line of text:
 * where it stands, the setting, and a sentence that quotes the value and says
 * what is allowed. */
#pragma once

#include <stddef.h>

struct conf_report {
    char *text; /* the lines, each ended by '\n'; NULL while there is none */
    size_t size; /* bytes of text, without its NUL */
    size_t capacity;
    size_t mistakes; /* counted even where memory for the text ran out */
};

void conf_report_init(struct conf_report *report);
void conf_report_close(struct conf_report *report);

/* Adds one line; the format carries no line feed. */
void conf_report_add(struct conf_report *report, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

/* The lines found so far, "" if none; good until the next call. */
const char *conf_report_text(const struct conf_report *report);
