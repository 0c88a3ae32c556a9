/* The table of settings, and finding a row in it.
 *
 * A row says all there is to say about a setting: reading it, judging it,
 * showing it and documenting it are loops over this table, so a setting that
 * is not here does not exist, and one that is here is in every document. */
#pragma once

#include "conf/conf.h"

enum conf_type {
    CONF_ID, /* uint64_t; empty is 0 */
    CONF_TEXT, /* char[max + 1] */
    CONF_BIND, /* struct addr; wildcard and port 0 are fine */
    CONF_ADVERTISE, /* struct conf_advertise */
    CONF_SEEDS, /* struct conf_seeds, a list */
    CONF_PEERS, /* struct conf_peers, a list */
    CONF_DURATION, /* uint64_t, ms */
    CONF_INTERVAL, /* uint64_t, ms; 0, whatever the bounds */
    CONF_SIZE, /* uint64_t, bytes */
    CONF_COUNT, /* uint64_t */
    CONF_RATIO, /* double */
    CONF_YESNO, /* bool */
    CONF_PROTOCOL, /* enum conf_protocol */
    CONF_LEVEL, /* enum conf_log_level */
    CONF_FORMAT, /* enum conf_log_format */
};

struct conf_setting {
    const char *section;
    const char *key;
    enum conf_type type;
    size_t at; /* offset of the field in struct conf */
    uint64_t min; /* of a number in its unit, of a text in bytes */
    uint64_t max;
    const char *initial; /* the default as text, or "" */
    const char *example; /* for the sample file where the default is "" */
    const char *help; /* one sentence with its full stop */
};

extern const struct conf_setting conf_table[CONF_SETTINGS];

bool conf_is_list(const struct conf_setting *setting);

/* May its text be empty: "find it yourself", or "none". */
bool conf_may_be_empty(const struct conf_setting *setting);

/* The row, or NULL. */
const struct conf_setting *conf_find(const char *section, const char *key);

bool conf_is_section(const char *name);

/* The nearest by edit distance, for a sentence that helps: a section; a row,
 * where the same key in another section is nearest of all. */
const char *conf_nearest_section(const char *name);
const struct conf_setting *conf_nearest(const char *section, const char *key);
