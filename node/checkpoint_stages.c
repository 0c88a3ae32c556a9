#include "node/checkpoint_stages.h"

#include <string.h>

void checkpoint_stages_clear(struct checkpoint_stages *s)
{
    s->count = 0;
}

/* Where the name stands, or would. */
static size_t place_of(const struct checkpoint_stages *s, struct bytes stage)
{
    size_t i = 0;

    while (i < s->count && bytes_compare(s->list[i], stage) < 0) {
        i++;
    }
    return i;
}

void checkpoint_stages_add(struct checkpoint_stages *s, struct bytes stage)
{
    size_t at = place_of(s, stage);
    size_t behind = s->count - at;

    if (stage.size == 0 || stage.size > SHUFFLE_STAGE_MAX ||
            s->count == CHECKPOINT_STAGES_MAX ||
            (behind > 0 && bytes_equal(s->list[at], stage))) {
        return;
    }
    memmove(s->names[at + 1], s->names[at], behind * sizeof(s->names[0]));
    memcpy(s->names[at], stage.data, stage.size);
    memmove(&s->list[at + 1], &s->list[at], behind * sizeof(s->list[0]));
    s->list[at].size = stage.size;
    s->count++;
    for (size_t i = at; i < s->count; i++) {
        s->list[i].data = s->names[i];
    }
}

void checkpoint_stages_add_all(
        struct checkpoint_stages *s, const struct bytes *stages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        checkpoint_stages_add(s, stages[i]);
    }
}

bool checkpoint_stages_has(
        const struct checkpoint_stages *s, struct bytes stage)
{
    size_t at = place_of(s, stage);

    return at < s->count && bytes_equal(s->list[at], stage);
}
