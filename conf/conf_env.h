/* Which environment variables are settings, and which only look like it.
 *
 * Kubernetes puts variables into every container for each Service it knows; for
 * one called `weft` or `weft-…` they begin as ours do. They are told apart by
 * their form and left alone; every other WEFT_ name that is no setting is
 * somebody's mistake. */
#pragma once

#include "conf/conf_table.h"

enum conf_env {
    CONF_ENV_NONE, /* not ours to judge */
    CONF_ENV_VALUE, /* holds the text of a setting */
    CONF_ENV_PATH, /* WEFT_…_FILE: names a file that holds the text */
    CONF_ENV_UNKNOWN, /* `setting` is the nearest */
};

/* Judges one `NAME=value`. `setting` is set unless the answer is NONE. A
 * setting of exactly that name wins over the reading as a _FILE. */
enum conf_env conf_env_judge(
        const char *variable, const struct conf_setting **setting);

/* The next word of a list, taken from the front of `text`; spaces and line ends
 * divide. False when there is none. */
bool conf_env_word(struct bytes *text, struct bytes *word);
