#include "conf/conf.h"

#include <assert.h>
#include <string.h>

#include "conf/conf_assign.h"
#include "conf/conf_value.h"

/* An empty default is a zeroed field. */
void conf_init(struct conf *conf)
{
    memset(conf, 0, sizeof(*conf));
    for (size_t i = 0; i < CONF_SETTINGS; i++) {
        const struct conf_setting *setting = &conf_table[i];

        if (setting->initial[0] != '\0') {
            int rc = conf_value_parse(
                    conf, setting, bytes_text(setting->initial), 0, NULL);

            assert(rc == 0); /* the table obeys its own bounds */
        }
    }
}

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

const char *conf_variable(const struct conf_setting *setting,
        char name[static CONF_VARIABLE_BYTES])
{
    int size = snprintf(name, CONF_VARIABLE_BYTES, "WEFT_%s_%s",
            setting->section, setting->key);

    assert(size > 0 && size < CONF_VARIABLE_BYTES);
    for (char *c = name; *c != '\0'; c++) {
        *c = upper(*c);
    }
    return name;
}

const char *conf_origin_text(const struct conf *conf,
        const struct conf_setting *setting, struct conf_origin origin,
        char text[static CONF_ORIGIN_BYTES])
{
    char name[CONF_VARIABLE_BYTES];

    switch (origin.source) {
    case CONF_DEFAULT:
        (void)snprintf(text, CONF_ORIGIN_BYTES, "default");
        break;
    case CONF_FILE:
        (void)snprintf(
                text, CONF_ORIGIN_BYTES, "%s:%u", conf->file, origin.line);
        break;
    case CONF_ENV:
        (void)snprintf(text, CONF_ORIGIN_BYTES, "env %s",
                conf_variable(setting, name));
        break;
    case CONF_ENV_FILE:
        (void)snprintf(text, CONF_ORIGIN_BYTES, "env %s_FILE",
                conf_variable(setting, name));
        break;
    case CONF_FLAG:
        (void)snprintf(text, CONF_ORIGIN_BYTES, "flag");
        break;
    }
    return text;
}

/* One mistake in a setting, wherever it was set. */
static void mistake(const struct conf *conf, const struct conf_setting *setting,
        struct conf_origin origin, const char *sentence,
        struct conf_report *report)
{
    char place[CONF_ORIGIN_BYTES];

    conf_report_add(report, "%s: %s.%s: %s",
            conf_origin_text(conf, setting, origin, place), setting->section,
            setting->key, sentence);
}

void conf_assign(struct conf *conf, const struct conf_setting *setting,
        struct bytes text, struct conf_origin origin,
        struct conf_report *report)
{
    struct conf_origin *known = &conf->origins[setting - conf_table];
    struct error err;

    if (origin.source == CONF_FILE && known->source == CONF_FILE &&
            !conf_is_list(setting)) {
        (void)error_set(
                &err, ERR_INVALID, "is already set in line %u", known->line);
        mistake(conf, setting, origin, err.text, report);
        return;
    }
    if (conf_is_list(setting) && known->source != origin.source) {
        (void)conf_value_parse(conf, setting, bytes_of("", 0), 0, NULL);
    }
    if (conf_value_parse(conf, setting, text, origin.line, &err) != 0) {
        mistake(conf, setting, origin, err.text, report);
    }
    *known = origin;
}

void conf_set(
        struct conf *conf, const char *assignment, struct conf_report *report)
{
    const char *dot = strchr(assignment, '.');
    const char *equals = strchr(assignment, '=');
    char section[CONF_NAME_BYTES];
    char key[CONF_NAME_BYTES];
    const struct conf_setting *setting;

    if (dot == NULL || equals == NULL || equals < dot ||
            (size_t)(equals - assignment) >= CONF_NAME_BYTES) {
        conf_report_add(report,
                "flag: \"%s\" must be section.key=value, as in "
                "gossip.interval=250ms",
                assignment);
        return;
    }
    (void)snprintf(section, sizeof(section), "%.*s", (int)(dot - assignment),
            assignment);
    (void)snprintf(key, sizeof(key), "%.*s", (int)(equals - dot - 1), dot + 1);
    setting = conf_find(section, key);
    if (setting == NULL) {
        const struct conf_setting *nearest = conf_nearest(section, key);

        conf_report_add(report,
                "flag: %s.%s: there is no such setting; the nearest is %s.%s",
                section, key, nearest->section, nearest->key);
        return;
    }
    conf_assign(conf, setting, bytes_text(equals + 1),
            (struct conf_origin){.source = CONF_FLAG}, report);
}

/* A mistake that shows only beside another setting: it is put where the named
 * one was set. */
static void conflict(const struct conf *conf, const char *section,
        const char *key, const char *sentence, struct conf_report *report)
{
    const struct conf_setting *setting = conf_find(section, key);

    assert(setting != NULL);
    mistake(conf, setting, conf->origins[setting - conf_table], sentence,
            report);
}

static void check_sizes(const struct conf *conf, struct conf_report *report)
{
    const uint64_t spare_bytes = UINT64_C(16) << 20;

    if (conf->shuffle.memory_budget_bytes <
            conf->shuffle.max_frame_bytes + spare_bytes) {
        conflict(conf, "shuffle", "memory_budget",
                "must be at least shuffle.max_frame + 16MiB", report);
    }
    if (conf->shuffle.window_bytes > conf->shuffle.memory_budget_bytes) {
        conflict(conf, "shuffle", "window",
                "must be at most shuffle.memory_budget", report);
    }
    if (conf->shuffle.reconnect_min_ms > conf->shuffle.reconnect_max_ms) {
        conflict(conf, "shuffle", "reconnect_min",
                "must be at most shuffle.reconnect_max", report);
    }
}

/* Nothing that arrives from the network is authenticated yet, so whoever opens
 * a port to it has to say so. */
static void check_open(const struct conf *conf, const char *section,
        const struct addr *bind, struct conf_report *report)
{
    struct error err;
    char text[ADDR_TEXT_BYTES];

    if (conf->security.insecure || addr_is_loopback(bind)) {
        return;
    }
    (void)error_set(&err, ERR_INVALID,
            "\"%s\" is open to the network, and anybody there could join or "
            "read: bind to 127.0.0.1, or allow it with security.insecure = yes",
            addr_format(bind, text));
    conflict(conf, section, "bind", err.text, report);
}

static void check_peers(const struct conf *conf, struct conf_report *report)
{
    const struct conf_setting *setting = conf_find("shuffle", "peer");
    const struct conf_peers *peers = &conf->shuffle.peer;

    for (size_t i = 0; i < peers->count; i++) {
        struct conf_origin origin = conf->origins[setting - conf_table];
        size_t first = 0;
        struct error err;

        while (peers->items[first].id != peers->items[i].id) {
            first++;
        }
        origin.line = peers->items[i].line;
        if (first < i) {
            (void)error_set(&err, ERR_INVALID, "node %llu is given twice",
                    (unsigned long long)peers->items[i].id);
            mistake(conf, setting, origin, err.text, report);
        } else if (peers->items[i].id == conf->node.id) {
            (void)error_set(&err, ERR_INVALID, "node %llu is this node itself",
                    (unsigned long long)peers->items[i].id);
            mistake(conf, setting, origin, err.text, report);
        }
    }
}

void conf_check(struct conf *conf, struct conf_report *report)
{
    check_open(conf, "gossip", &conf->gossip.bind, report);
    check_open(conf, "shuffle", &conf->shuffle.bind, report);
    check_sizes(conf, report);
    check_peers(conf, report);
    if (conf->gossip.min_mean_ms == 0) {
        conf->gossip.min_mean_ms = conf->gossip.interval_ms;
    }
}
