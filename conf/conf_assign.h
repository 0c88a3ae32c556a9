/* Setting one value, with its origin and a mistake that says where.
 *
 * The sources (file, environment, flags) differ in how they find a name and a
 * text; from there on all of them come here. */
#pragma once

#include "conf/conf_table.h"

enum {
    CONF_ORIGIN_BYTES = CONF_FILE_BYTES + 32,
};

/* Where the setting came from: `default`, `FILE:LINE`, `env WEFT_…` or `flag`.
 * `text` is returned. */
const char *conf_origin_text(const struct conf *conf,
        const struct conf_setting *setting, struct conf_origin origin,
        char text[static CONF_ORIGIN_BYTES]);

/* Sets it, or reports why not and leaves it as it was. The first text of a list
 * from another source replaces the list; a scalar that stands twice in a file
 * is a mistake. */
void conf_assign(struct conf *conf, const struct conf_setting *setting,
        struct bytes text, struct conf_origin origin,
        struct conf_report *report);

enum {
    CONF_VARIABLE_BYTES = 64, /* the longest WEFT_<SECTION>_<KEY>_FILE */
};

/* The environment variable of a setting. Returns `name`. */
const char *conf_variable(const struct conf_setting *setting,
        char name[static CONF_VARIABLE_BYTES]);
