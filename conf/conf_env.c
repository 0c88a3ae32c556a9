#include "conf/conf_env.h"

#include <string.h>

#include "base/edit.h"
#include "conf/conf_assign.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Whether `NAME=value` has this name. */
static bool is_named(const char *variable, const char *name, const char *suffix)
{
    size_t name_size = strlen(name);
    size_t suffix_size = strlen(suffix);

    return strncmp(variable, name, name_size) == 0 &&
           strncmp(variable + name_size, suffix, suffix_size) == 0 &&
           variable[name_size + suffix_size] == '=';
}

static const struct conf_setting *find(const char *variable, const char *suffix)
{
    char name[CONF_VARIABLE_BYTES];

    for (size_t i = 0; i < CONF_SETTINGS; i++) {
        if (is_named(variable, conf_variable(&conf_table[i], name), suffix)) {
            return &conf_table[i];
        }
    }
    return NULL;
}

/* `_PORT` with a URL for its value, and `_PORT_7741_TCP`. */
static bool is_port(const char *variable)
{
    const char *equals = strchr(variable, '=');
    const char *port = strstr(variable, "_PORT");

    if (port == NULL || port > equals) {
        return false;
    }
    port += strlen("_PORT");
    return (port == equals && strstr(equals, "://") != NULL) ||
           (port[0] == '_' && is_digit(port[1]));
}

static bool is_kubernetes(const char *variable)
{
    const char *equals = strchr(variable, '=');
    const char *service = strstr(variable, "_SERVICE_");

    return (service != NULL && service < equals) ||
           strncmp(variable, "WEFT_PORT=", strlen("WEFT_PORT=")) == 0 ||
           strncmp(variable, "WEFT_PORT_", strlen("WEFT_PORT_")) == 0 ||
           is_port(variable);
}

static const struct conf_setting *nearest(const char *variable)
{
    const struct conf_setting *best = &conf_table[0];
    size_t best_distance = SIZE_MAX;
    char name[CONF_VARIABLE_BYTES];
    char known[CONF_VARIABLE_BYTES];

    (void)snprintf(name, sizeof(name), "%.*s",
            (int)(strchr(variable, '=') - variable), variable);
    for (size_t i = 0; i < CONF_SETTINGS; i++) {
        size_t distance =
                edit_distance(name, conf_variable(&conf_table[i], known));

        if (distance < best_distance) {
            best = &conf_table[i];
            best_distance = distance;
        }
    }
    return best;
}

enum conf_env conf_env_judge(
        const char *variable, const struct conf_setting **setting)
{
    if (strncmp(variable, "WEFT_", strlen("WEFT_")) != 0 ||
            strchr(variable, '=') == NULL) {
        return CONF_ENV_NONE;
    }
    *setting = find(variable, "");
    if (*setting != NULL) {
        return CONF_ENV_VALUE;
    }
    *setting = find(variable, "_FILE");
    if (*setting != NULL) {
        return CONF_ENV_PATH;
    }
    if (is_named(variable, "WEFT_CONFIG", "") || is_kubernetes(variable)) {
        return CONF_ENV_NONE;
    }
    *setting = nearest(variable);
    return CONF_ENV_UNKNOWN;
}

static bool divides(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool conf_env_word(struct bytes *text, struct bytes *word)
{
    size_t size = 0;

    while (text->size > 0 && divides(text->data[0])) {
        *text = bytes_skip(*text, 1);
    }
    while (size < text->size && !divides(text->data[size])) {
        size++;
    }
    *word = bytes_of(text->data, size);
    *text = bytes_skip(*text, size);
    return size > 0;
}
