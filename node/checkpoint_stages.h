/* A few names of stages, each once, ascending: what an attempt places anew.
 *
 * At most CHECKPOINT_STAGES_MAX; of more, those that come later are not taken,
 * and wait for an attempt of their own. */
#pragma once

#include "node/control_json.h"

enum {
    CHECKPOINT_STAGES_MAX = CONTROL_STAGES_MAX,
};

struct checkpoint_stages {
    struct bytes list[CHECKPOINT_STAGES_MAX]; /* into `names` */
    uint8_t names[CHECKPOINT_STAGES_MAX][SHUFFLE_STAGE_MAX];
    size_t count;
};

/* Not a value to be copied: the list points into it. */
void checkpoint_stages_clear(struct checkpoint_stages *s);

/* Adds a copy of the name, if it is a name, new, and there is room. */
void checkpoint_stages_add(struct checkpoint_stages *s, struct bytes stage);
void checkpoint_stages_add_all(
        struct checkpoint_stages *s, const struct bytes *stages, size_t count);

bool checkpoint_stages_has(
        const struct checkpoint_stages *s, struct bytes stage);
