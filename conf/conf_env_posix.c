#include "conf/conf_env.h"

#include <string.h>

#include "conf/conf_assign.h"
#include "conf/conf_file.h"

enum {
    FILE_MAX_BYTES = 64 << 10,
};

/* A scalar is all of `text`; a list is its words, and none empties it. */
static void assign(struct conf *conf, const struct conf_setting *setting,
        struct bytes text, enum conf_source source, struct conf_report *report)
{
    struct conf_origin origin = {.source = source};
    struct bytes word;

    if (!conf_is_list(setting)) {
        conf_assign(conf, setting, text, origin, report);
        return;
    }
    conf_assign(conf, setting, bytes_of("", 0), origin, report);
    while (conf_env_word(&text, &word)) {
        conf_assign(conf, setting, word, origin, report);
    }
}

static struct bytes without_line_end(struct bytes text)
{
    if (text.size > 0 && text.data[text.size - 1] == '\n') {
        text.size--;
    }
    if (text.size > 0 && text.data[text.size - 1] == '\r') {
        text.size--;
    }
    return text;
}

static void assign_file(struct conf *conf, const struct conf_setting *setting,
        const char *path, struct conf_report *report)
{
    uint8_t text[FILE_MAX_BYTES];
    char name[CONF_VARIABLE_BYTES];
    size_t size;
    struct error err;

    if (conf->origins[setting - conf_table].source == CONF_ENV) {
        conf_report_add(report, "env %s_FILE: %s.%s: %s is set as well",
                conf_variable(setting, name), setting->section, setting->key,
                name);
    } else if (conf_file_read(path, text, sizeof(text), &size, &err) != 0) {
        conf_report_add(report, "env %s_FILE: %s.%s: \"%s\" %s",
                conf_variable(setting, name), setting->section, setting->key,
                path, err.text);
    } else {
        assign(conf, setting, without_line_end(bytes_of(text, size)),
                CONF_ENV_FILE, report);
    }
}

static void report_unknown(const char *variable,
        const struct conf_setting *nearest, struct conf_report *report)
{
    char name[CONF_VARIABLE_BYTES];

    conf_report_add(report,
            "env %.*s: there is no such setting; the nearest is %s",
            (int)(strchr(variable, '=') - variable), variable,
            conf_variable(nearest, name));
}

/* Files come after the plain variables, so that both of one setting show. */
static void read_variables(struct conf *conf, char *const variables[],
        enum conf_env wanted, struct conf_report *report)
{
    for (size_t i = 0; variables[i] != NULL; i++) {
        const struct conf_setting *setting;
        enum conf_env kind = conf_env_judge(variables[i], &setting);
        const char *value;

        if (kind != wanted) {
            continue;
        }
        value = strchr(variables[i], '=') + 1;
        if (kind == CONF_ENV_VALUE) {
            assign(conf, setting, bytes_text(value), CONF_ENV, report);
        } else if (kind == CONF_ENV_PATH) {
            assign_file(conf, setting, value, report);
        } else {
            report_unknown(variables[i], setting, report);
        }
    }
}

void conf_read_env(
        struct conf *conf, char *const variables[], struct conf_report *report)
{
    read_variables(conf, variables, CONF_ENV_VALUE, report);
    read_variables(conf, variables, CONF_ENV_PATH, report);
    read_variables(conf, variables, CONF_ENV_UNKNOWN, report);
}
