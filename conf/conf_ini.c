#include "conf/conf_ini.h"

#include <stdlib.h>
#include <string.h>

#include <ini.h>

#include "conf/conf_assign.h"
#include "conf/conf_file.h"
#include "conf/conf_line.h"

enum {
    FILE_MAX_BYTES = 1 << 20,
};

/* What inih is fed from, line by line. It tells its handler no line number, so
 * we keep the one handed out last. */
struct feed {
    struct conf *conf;
    struct conf_report *report;
    struct bytes rest;
    unsigned line;
    bool in_section; /* one that exists: its keys are worth judging */
};

/* Up to `\n` or `\r\n`, which is no part of it. */
static struct bytes take_line(struct feed *feed)
{
    size_t size = 0;
    struct bytes line;

    while (size < feed->rest.size && feed->rest.data[size] != '\n') {
        size++;
    }
    line = bytes_of(feed->rest.data, size);
    feed->rest =
            bytes_skip(feed->rest, size < feed->rest.size ? size + 1 : size);
    feed->line++;
    if (line.size > 0 && line.data[line.size - 1] == '\r') {
        line.size--;
    }
    return line;
}

static void report_line(struct feed *feed, const char *sentence)
{
    conf_report_add(
            feed->report, "%s:%u: %s", feed->conf->file, feed->line, sentence);
}

static void enter_section(struct feed *feed, struct bytes name)
{
    char text[CONF_SECTION_MAX + 1];

    memcpy(text, name.data, name.size);
    text[name.size] = '\0';
    feed->in_section = conf_is_section(text);
    if (!feed->in_section) {
        conf_report_add(feed->report,
                "%s:%u: [%s]: there is no such section; the nearest is [%s]",
                feed->conf->file, feed->line, text, conf_nearest_section(text));
    }
}

/* A line that inih would misread is replaced by an empty one. */
static char *on_line(char *out, int capacity, void *data)
{
    struct feed *feed = data;
    struct bytes line;
    struct bytes name;
    struct error err;

    (void)capacity; /* CONF_LINE_MAX + 1 */
    if (feed->rest.size == 0) {
        return NULL;
    }
    line = take_line(feed);
    out[0] = '\0';
    switch (conf_line_judge(line, &name, &err)) {
    case CONF_LINE_BLANK:
        return out;
    case CONF_LINE_WRONG:
        report_line(feed, err.text);
        /* The keys under a broken section belong to nobody. */
        if (line.size > 0 && line.data[0] == '[') {
            feed->in_section = false;
        }
        return out;
    case CONF_LINE_SECTION:
        enter_section(feed, name);
        break;
    case CONF_LINE_PAIR:
        break;
    }
    memcpy(out, line.data, line.size);
    out[line.size] = '\0';
    return out;
}

static int on_pair(
        void *data, const char *section, const char *key, const char *value)
{
    struct feed *feed = data;
    const struct conf_setting *setting = conf_find(section, key);
    const struct conf_setting *nearest;

    if (section[0] == '\0' && !feed->in_section) {
        conf_report_add(feed->report,
                "%s:%u: %s: stands before the first section", feed->conf->file,
                feed->line, key);
    } else if (!feed->in_section) {
        return 1;
    } else if (setting == NULL) {
        nearest = conf_nearest(section, key);
        conf_report_add(feed->report,
                "%s:%u: %s.%s: there is no such setting; the nearest is %s.%s",
                feed->conf->file, feed->line, section, key, nearest->section,
                nearest->key);
    } else {
        conf_assign(feed->conf, setting, bytes_text(value),
                (struct conf_origin){CONF_FILE, feed->line}, feed->report);
    }
    return 1;
}

void conf_ini_parse(
        struct conf *conf, struct bytes text, struct conf_report *report)
{
    struct feed feed = {.conf = conf, .report = report, .rest = text};
    int line;

    if (bytes_starts_with(text, bytes_text("\xef\xbb\xbf"))) {
        conf_report_add(report,
                "%s:1: the file begins with a byte-order mark: save it "
                "without one",
                conf->file);
        feed.rest = bytes_skip(text, 3);
    }
    line = ini_parse_stream(on_line, &feed, on_pair, &feed);
    if (line != 0) { /* the judge let something pass that inih does not take */
        conf_report_add(
                report, "%s:%d: the line is not understood", conf->file, line);
    }
}

void conf_read_file(
        struct conf *conf, const char *path, struct conf_report *report)
{
    uint8_t *text = malloc(FILE_MAX_BYTES);
    size_t size;
    struct error err;

    (void)snprintf(conf->file, sizeof(conf->file), "%s", path);
    if (text == NULL) {
        conf_report_add(report, "%s: there is no memory to read it", path);
    } else if (conf_file_read(path, text, FILE_MAX_BYTES, &size, &err) != 0) {
        conf_report_add(report, "%s: %s", path, err.text);
    } else {
        conf_ini_parse(conf, bytes_of(text, size), report);
    }
    free(text);
}
