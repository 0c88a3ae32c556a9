#include "conf/conf_value.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "conf/conf_text.h"

static const char *const yesnos[] = {"no", "yes"};
static const char *const protocols[] = {"v0", "v1", "auto"};
static const char *const levels[] = {"debug", "info", "warn", "error"};
static const char *const formats[] = {"auto", "text", "json"};

enum {
    YESNOS = sizeof(yesnos) / sizeof(yesnos[0]),
    PROTOCOLS = sizeof(protocols) / sizeof(protocols[0]),
    LEVELS = sizeof(levels) / sizeof(levels[0]),
    FORMATS = sizeof(formats) / sizeof(formats[0]),
};

static_assert(CONF_PROTOCOL_AUTO + 1 == PROTOCOLS, "a name for each protocol");
static_assert(CONF_LOG_ERROR + 1 == LEVELS, "a name for each level");
static_assert(CONF_LOG_JSON + 1 == FORMATS, "a name for each format");

static void *field(struct conf *conf, const struct conf_setting *setting)
{
    return (char *)conf + setting->at;
}

static const void *const_field(
        const struct conf *conf, const struct conf_setting *setting)
{
    return (const char *)conf + setting->at;
}

bool conf_value_has_comment(struct bytes text)
{
    for (size_t i = 1; i < text.size; i++) {
        bool marks = text.data[i] == ';' || text.data[i] == '#';

        if (marks && (text.data[i - 1] == ' ' || text.data[i - 1] == '\t')) {
            return true;
        }
    }
    return false;
}

static bool parse_text(
        struct bytes text, const struct conf_setting *setting, char *out)
{
    if (text.size < setting->min || text.size > setting->max) {
        return false;
    }
    if (text.size > 0) {
        memcpy(out, text.data, text.size);
    }
    out[text.size] = '\0';
    return true;
}

static bool parse_number(
        struct bytes text, const struct conf_setting *setting, uint64_t *out)
{
    uint64_t number;
    bool is_one;

    if (text.size == 0 && conf_may_be_empty(setting)) {
        *out = 0;
        return true;
    }
    if (setting->type == CONF_DURATION || setting->type == CONF_INTERVAL) {
        is_one = conf_text_to_duration(text, &number);
    } else if (setting->type == CONF_SIZE) {
        is_one = conf_text_to_size(text, &number);
    } else {
        is_one = bytes_to_u64(text, &number);
    }
    if (!is_one || number > setting->max ||
            (number < setting->min &&
                    (number > 0 || setting->type != CONF_INTERVAL))) {
        return false;
    }
    *out = number;
    return true;
}

static bool parse_ratio(
        struct bytes text, const struct conf_setting *setting, double *out)
{
    double ratio;

    if (!conf_text_to_ratio(text, &ratio) || ratio < (double)setting->min ||
            ratio > (double)setting->max) {
        return false;
    }
    *out = ratio;
    return true;
}

static bool parse_choice(struct bytes text, const char *const names[],
        size_t count, size_t *choice)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes_equal_text(text, names[i])) {
            *choice = i;
            return true;
        }
    }
    return false;
}

static bool parse_yesno(struct bytes text, bool *out)
{
    size_t choice;

    if (!parse_choice(text, yesnos, YESNOS, &choice)) {
        return false;
    }
    *out = choice != 0;
    return true;
}

static bool parse_protocol(struct bytes text, enum conf_protocol *out)
{
    size_t choice;

    if (!parse_choice(text, protocols, PROTOCOLS, &choice)) {
        return false;
    }
    *out = (enum conf_protocol)choice;
    return true;
}

static bool parse_level(struct bytes text, enum conf_log_level *out)
{
    size_t choice;

    if (!parse_choice(text, levels, LEVELS, &choice)) {
        return false;
    }
    *out = (enum conf_log_level)choice;
    return true;
}

static bool parse_format(struct bytes text, enum conf_log_format *out)
{
    size_t choice;

    if (!parse_choice(text, formats, FORMATS, &choice)) {
        return false;
    }
    *out = (enum conf_log_format)choice;
    return true;
}

static bool parse_bind(struct bytes text, struct addr *out)
{
    struct addr addr;

    if (!addr_parse(text, &addr) || addr_is_multicast(&addr)) {
        return false;
    }
    *out = addr;
    return true;
}

static bool parse_advertise(struct bytes text, struct conf_advertise *out)
{
    struct addr addr;

    if (bytes_equal_text(text, "auto")) {
        *out = (struct conf_advertise){.is_auto = true};
        return true;
    }
    if (addr_parse(text, &addr)) {
        if (!addr_is_target(&addr)) {
            return false;
        }
    } else if (!addr_parse_host(text, &addr) || addr_is_wildcard(&addr) ||
               addr_is_multicast(&addr)) {
        return false;
    }
    *out = (struct conf_advertise){.is_auto = false, .addr = addr};
    return true;
}

/* Splits at the last `byte`; false if there is none. */
static bool split_last(
        struct bytes text, char byte, struct bytes *front, struct bytes *back)
{
    for (size_t i = text.size; i > 0; i--) {
        if (text.data[i - 1] == (uint8_t)byte) {
            *front = bytes_of(text.data, i - 1);
            *back = bytes_skip(text, i);
            return true;
        }
    }
    return false;
}

static bool is_host_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}

/* A name to look up. Digits and dots alone are an IPv4 address gone wrong,
 * which some resolvers would still take for one. */
static bool is_host_name(struct bytes host)
{
    bool has_letter = false;

    if (host.size == 0 || host.data[0] == '-' || host.data[0] == '.') {
        return false;
    }
    for (size_t i = 0; i < host.size; i++) {
        uint8_t c = host.data[i];

        if (!is_host_byte(c)) {
            return false;
        }
        has_letter = has_letter || (c != '.' && (c < '0' || c > '9'));
    }
    return has_letter;
}

static bool parse_seed(struct bytes text, struct conf_seed *seed)
{
    struct addr addr = {.family = ADDR_NONE};
    struct bytes host;
    struct bytes digits;
    uint64_t port;

    if (!split_last(text, ':', &host, &digits) ||
            !bytes_to_u64(digits, &port) || port < 1 || port > UINT16_MAX) {
        return false;
    }
    if (addr_parse(text, &addr)) {
        if (!addr_is_target(&addr)) {
            return false;
        }
    } else if (!is_host_name(host)) {
        return false;
    }
    if (addr.family == ADDR_IPV6) {
        host = bytes_of(host.data + 1, host.size - 2); /* its brackets */
    }
    if (host.size >= sizeof(seed->host)) {
        return false;
    }
    memcpy(seed->host, host.data, host.size);
    seed->host[host.size] = '\0';
    seed->port = (uint16_t)port;
    return true;
}

static bool parse_peer(struct bytes text, struct conf_peer *peer)
{
    struct bytes id;
    struct bytes addr;

    return split_last(text, '@', &id, &addr) && bytes_to_u64(id, &peer->id) &&
           peer->id > 0 && addr_parse(addr, &peer->addr) &&
           addr_is_target(&peer->addr);
}

/* What is not allowed as it stands; the phrase says what is. */
static int refuse(const struct conf_setting *setting, struct bytes text,
        struct error *err)
{
    char phrase[CONF_PHRASE_BYTES];

    return error_set(err, ERR_INVALID, "\"%.*s\" must be %s",
            (int)(text.size < 200 ? text.size : 200), (const char *)text.data,
            conf_value_phrase(setting, phrase));
}

static int full(const struct conf_setting *setting, struct error *err)
{
    return error_set(err, ERR_FULL, "is given more than %llu times",
            (unsigned long long)setting->max);
}

static int append_seed(struct conf_seeds *seeds,
        const struct conf_setting *setting, struct bytes text, unsigned line,
        struct error *err)
{
    struct conf_seed seed = {.line = line};

    if (text.size == 0) {
        seeds->count = 0;
        return 0;
    }
    if (!parse_seed(text, &seed)) {
        return refuse(setting, text, err);
    }
    if (seeds->count == CONF_SEEDS_MAX) {
        return full(setting, err);
    }
    seeds->items[seeds->count++] = seed;
    return 0;
}

static int append_peer(struct conf_peers *peers,
        const struct conf_setting *setting, struct bytes text, unsigned line,
        struct error *err)
{
    struct conf_peer peer = {.line = line};

    if (text.size == 0) {
        peers->count = 0;
        return 0;
    }
    if (!parse_peer(text, &peer)) {
        return refuse(setting, text, err);
    }
    if (peers->count == CONF_PEERS_MAX) {
        return full(setting, err);
    }
    peers->items[peers->count++] = peer;
    return 0;
}

static bool parse_scalar(
        void *out, const struct conf_setting *setting, struct bytes text)
{
    switch (setting->type) {
    case CONF_TEXT:
        return parse_text(text, setting, out);
    case CONF_BIND:
        return parse_bind(text, out);
    case CONF_ADVERTISE:
        return parse_advertise(text, out);
    case CONF_ID:
    case CONF_DURATION:
    case CONF_INTERVAL:
    case CONF_SIZE:
    case CONF_COUNT:
        return parse_number(text, setting, out);
    case CONF_RATIO:
        return parse_ratio(text, setting, out);
    case CONF_YESNO:
        return parse_yesno(text, out);
    case CONF_PROTOCOL:
        return parse_protocol(text, out);
    case CONF_LEVEL:
        return parse_level(text, out);
    case CONF_FORMAT:
        return parse_format(text, out);
    case CONF_SEEDS:
    case CONF_PEERS:
        break;
    }
    assert(!conf_is_list(setting));
    return false;
}

static bool is_quoted(struct bytes text)
{
    return text.size >= 2 && (text.data[0] == '"' || text.data[0] == '\'') &&
           text.data[0] == text.data[text.size - 1];
}

/* What no type takes, because a line of the file could not hold it, or because
 * a shell that was not there should have taken it away. */
static int judge_bytes(struct bytes text, struct error *err)
{
    if (!bytes_is_utf8(text)) {
        return error_set(err, ERR_INVALID, "the value is not UTF-8");
    }
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < 0x20 || text.data[i] == 0x7f) {
            return error_set(err, ERR_INVALID,
                    "the value holds the control character 0x%02x",
                    text.data[i]);
        }
    }
    if (text.size > 0 &&
            (text.data[0] == ' ' || text.data[text.size - 1] == ' ' ||
                    text.data[0] == ';' || text.data[0] == '#' ||
                    conf_value_has_comment(text))) {
        return error_set(err, ERR_INVALID,
                "\"%.*s\" begins or ends with a space, or holds what a file "
                "takes for a comment",
                (int)(text.size < 200 ? text.size : 200),
                (const char *)text.data);
    }
    if (is_quoted(text)) {
        return error_set(err, ERR_INVALID,
                "%.*s is written without its quotes, which would be part of "
                "the value",
                (int)(text.size < 200 ? text.size : 200),
                (const char *)text.data);
    }
    return 0;
}

int conf_value_parse(struct conf *conf, const struct conf_setting *setting,
        struct bytes text, unsigned line, struct error *err)
{
    void *out = field(conf, setting);
    int rc = judge_bytes(text, err);

    if (rc != 0) {
        return rc;
    }
    if (setting->type == CONF_SEEDS) {
        return append_seed(out, setting, text, line, err);
    }
    if (setting->type == CONF_PEERS) {
        return append_peer(out, setting, text, line, err);
    }
    return parse_scalar(out, setting, text) ? 0 : refuse(setting, text, err);
}

size_t conf_value_count(
        const struct conf *conf, const struct conf_setting *setting)
{
    const void *in = const_field(conf, setting);

    if (setting->type == CONF_SEEDS) {
        return ((const struct conf_seeds *)in)->count;
    }
    if (setting->type == CONF_PEERS) {
        return ((const struct conf_peers *)in)->count;
    }
    return 1;
}

unsigned conf_value_line(
        const struct conf *conf, const struct conf_setting *setting, size_t i)
{
    const void *in = const_field(conf, setting);

    assert(i < conf_value_count(conf, setting));
    if (setting->type == CONF_SEEDS) {
        return ((const struct conf_seeds *)in)->items[i].line;
    }
    if (setting->type == CONF_PEERS) {
        return ((const struct conf_peers *)in)->items[i].line;
    }
    return conf->origins[setting - conf_table].line;
}

static void format_number(
        uint64_t number, const struct conf_setting *setting, char *text)
{
    if (number == 0 && conf_may_be_empty(setting)) {
        text[0] = '\0';
    } else if (setting->type == CONF_DURATION ||
               setting->type == CONF_INTERVAL) {
        (void)conf_text_duration(number, text);
    } else if (setting->type == CONF_SIZE) {
        (void)conf_text_size(number, text);
    } else {
        (void)snprintf(
                text, CONF_VALUE_BYTES, "%llu", (unsigned long long)number);
    }
}

/* An address without a port is written as it is read: without brackets. */
static void format_host(const struct addr *addr, char *text)
{
    char whole[ADDR_TEXT_BYTES];
    size_t brackets = addr->family == ADDR_IPV6;
    const char *colon = strrchr(addr_format(addr, whole), ':');

    assert(colon != NULL); /* before the port, which every address has */
    (void)snprintf(text, CONF_VALUE_BYTES, "%.*s",
            (int)((size_t)(colon - whole) - 2 * brackets), whole + brackets);
}

static void format_advertise(const struct conf_advertise *advertise, char *text)
{
    if (advertise->is_auto) {
        (void)snprintf(text, CONF_VALUE_BYTES, "auto");
    } else if (advertise->addr.port == 0) {
        format_host(&advertise->addr, text);
    } else {
        (void)addr_format(&advertise->addr, text);
    }
}

static void format_seed(const struct conf_seed *seed, char *text)
{
    bool is_ipv6 = strchr(seed->host, ':') != NULL;

    (void)snprintf(text, CONF_VALUE_BYTES, is_ipv6 ? "[%s]:%u" : "%s:%u",
            seed->host, (unsigned)seed->port);
}

static void format_peer(const struct conf_peer *peer, char *text)
{
    char addr[ADDR_TEXT_BYTES];

    (void)snprintf(text, CONF_VALUE_BYTES, "%llu@%s",
            (unsigned long long)peer->id, addr_format(&peer->addr, addr));
}

const char *conf_value_format(const struct conf *conf,
        const struct conf_setting *setting, size_t i,
        char text[static CONF_VALUE_BYTES])
{
    const void *in = const_field(conf, setting);

    assert(i < conf_value_count(conf, setting));
    switch (setting->type) {
    case CONF_TEXT:
        (void)snprintf(text, CONF_VALUE_BYTES, "%s", (const char *)in);
        break;
    case CONF_BIND:
        (void)addr_format(in, text);
        break;
    case CONF_ADVERTISE:
        format_advertise(in, text);
        break;
    case CONF_SEEDS:
        format_seed(&((const struct conf_seeds *)in)->items[i], text);
        break;
    case CONF_PEERS:
        format_peer(&((const struct conf_peers *)in)->items[i], text);
        break;
    case CONF_ID:
    case CONF_DURATION:
    case CONF_INTERVAL:
    case CONF_SIZE:
    case CONF_COUNT:
        format_number(*(const uint64_t *)in, setting, text);
        break;
    case CONF_RATIO:
        (void)conf_text_ratio(*(const double *)in, text);
        break;
    case CONF_YESNO:
        (void)snprintf(text, CONF_VALUE_BYTES, "%s", yesnos[*(const bool *)in]);
        break;
    case CONF_PROTOCOL:
        (void)snprintf(text, CONF_VALUE_BYTES, "%s",
                protocols[*(const enum conf_protocol *)in]);
        break;
    case CONF_LEVEL:
        (void)snprintf(text, CONF_VALUE_BYTES, "%s",
                levels[*(const enum conf_log_level *)in]);
        break;
    case CONF_FORMAT:
        (void)snprintf(text, CONF_VALUE_BYTES, "%s",
                formats[*(const enum conf_log_format *)in]);
        break;
    }
    return text;
}

/* "between MIN and MAX", in the unit of the setting. */
static void between(const struct conf_setting *setting, const char *what,
        char text[static CONF_PHRASE_BYTES])
{
    char min[CONF_VALUE_BYTES];
    char max[CONF_VALUE_BYTES];

    format_number(setting->min, setting, min);
    format_number(setting->max, setting, max);
    (void)snprintf(text, CONF_PHRASE_BYTES, "%s between %.40s and %.40s%s",
            what, min, max, conf_may_be_empty(setting) ? ", or empty" : "");
}

const char *conf_value_phrase(
        const struct conf_setting *setting, char text[static CONF_PHRASE_BYTES])
{
    const char *words = "";

    switch (setting->type) {
    case CONF_ID:
    case CONF_COUNT:
        between(setting, "a whole number", text);
        return text;
    case CONF_RATIO:
        between(setting, "a number", text);
        return text;
    case CONF_DURATION:
        between(setting, "a duration", text);
        return text;
    case CONF_INTERVAL:
        between(setting, "0, or a duration", text);
        return text;
    case CONF_SIZE:
        between(setting, "a size", text);
        return text;
    case CONF_TEXT:
        (void)snprintf(text, CONF_PHRASE_BYTES,
                "a text of at most %llu bytes%s",
                (unsigned long long)setting->max,
                setting->min > 0 ? "" : ", or empty");
        return text;
    case CONF_SEEDS:
        words = "host:port, the host a name or a numeric address, the port "
                "between 1 and 65535";
        break;
    case CONF_PEERS:
        words = "id@address:port, the address numeric and without a scope id";
        break;
    case CONF_BIND:
        words = "a numeric address and a port, as in 127.0.0.1:7741, without a "
                "scope id";
        break;
    case CONF_ADVERTISE:
        words = "auto, or a numeric address others can reach, with or without "
                "a port";
        break;
    case CONF_YESNO:
        words = "yes or no";
        break;
    case CONF_PROTOCOL:
        words = "v0, v1 or auto";
        break;
    case CONF_LEVEL:
        words = "debug, info, warn or error";
        break;
    case CONF_FORMAT:
        words = "auto, text or json";
        break;
    }
    (void)snprintf(text, CONF_PHRASE_BYTES, "%s", words);
    return text;
}
