#include "conf/conf_report.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    LINE_BYTES = 2048, /* a place, a setting and a sentence; more is cut */
};

void conf_report_init(struct conf_report *report)
{
    *report = (struct conf_report){0};
}

void conf_report_close(struct conf_report *report)
{
    free(report->text);
    conf_report_init(report);
}

/* Room for `more` bytes and a NUL behind the text. */
static bool reserve(struct conf_report *report, size_t more)
{
    size_t wanted = report->size + more + 1;
    char *grown;

    if (wanted <= report->capacity) {
        return true;
    }
    wanted *= 2;
    grown = realloc(report->text, wanted);
    if (grown == NULL) {
        return false;
    }
    report->text = grown;
    report->capacity = wanted;
    return true;
}

void conf_report_add(struct conf_report *report, const char *format, ...)
{
    char line[LINE_BYTES];
    va_list args;
    int length;

    report->mistakes++;
    va_start(args, format);
    (void)vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    length = snprintf(NULL, 0, "%s\n", line);
    if (length > 0 && reserve(report, (size_t)length)) {
        (void)snprintf(report->text + report->size,
                report->capacity - report->size, "%s\n", line);
        report->size += (size_t)length;
    }
}

const char *conf_report_text(const struct conf_report *report)
{
    return report->text != NULL ? report->text : "";
}
