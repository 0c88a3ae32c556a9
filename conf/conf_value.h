/* The value of one setting: from text into its field, and back.
 *
 * What a type takes is decided here and nowhere else; where the text came from
 * does not matter. What is formatted here parses to the same value. */
#pragma once

#include "base/error.h"
#include "conf/conf_table.h"

enum {
    CONF_VALUE_BYTES = 256, /* any value as text, with its NUL */
    CONF_PHRASE_BYTES = 128, /* what a setting takes, with its NUL */
};

/* Could not stand on a line of the file as it is: the parser would end the
 * value at ` ;`, and a ` #` behind it was meant to. */
bool conf_value_has_comment(struct bytes text);

/* Judges `text` and stores it; a list grows by one, and empty text empties it.
 * On ERR_INVALID or ERR_FULL the field keeps what it had. `line` is remembered
 * with an item of a list. */
int conf_value_parse(struct conf *conf, const struct conf_setting *setting,
        struct bytes text, unsigned line, struct error *err);

/* 1 for a scalar. */
size_t conf_value_count(
        const struct conf *conf, const struct conf_setting *setting);

/* The value as text; `i` is the item of a list and 0 for a scalar. Returns
 * `text`. */
const char *conf_value_format(const struct conf *conf,
        const struct conf_setting *setting, size_t i,
        char text[static CONF_VALUE_BYTES]);

/* The line that an item of a list was read from, 0 if none. */
unsigned conf_value_line(
        const struct conf *conf, const struct conf_setting *setting, size_t i);

/* What the setting takes, for people: "a duration, 50ms to 1m". Returns
 * `text`. */
const char *conf_value_phrase(const struct conf_setting *setting,
        char text[static CONF_PHRASE_BYTES]);
