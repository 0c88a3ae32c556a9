#include "shuffle/shuffle_stage.h"

#include <stdlib.h>
#include <string.h>

#include "shuffle/shuffle_streams.h"

struct bytes shuffle_stage_name(const struct shuffle_stage *stage)
{
    return bytes_text(stage->name);
}

struct shuffle_stage *shuffle_stage_find(
        const struct shuffle_streams *st, struct bytes name)
{
    for (struct shuffle_stage *s = st->stages; s != NULL; s = s->next) {
        if (bytes_equal(shuffle_stage_name(s), name)) {
            return s;
        }
    }
    return NULL;
}

static bool is_unused(const struct shuffle_stage *stage)
{
    return stage->sink == NULL && stage->sources_count == 0;
}

/* Beyond the bound, the oldest that nobody uses goes. */
static void make_room(struct shuffle_streams *st)
{
    struct shuffle_stage **unused = NULL;
    size_t count = 0;

    for (struct shuffle_stage **s = &st->stages; *s != NULL; s = &(*s)->next) {
        count++;
        if (unused == NULL && is_unused(*s)) {
            unused = s;
        }
    }
    if (count >= SHUFFLE_STAGES_MAX && unused != NULL) {
        struct shuffle_stage *gone = *unused;

        *unused = gone->next;
        free(gone);
    }
}

struct shuffle_stage *shuffle_stage_of(
        struct shuffle_streams *st, struct bytes name)
{
    struct shuffle_stage *stage = shuffle_stage_find(st, name);
    struct shuffle_stage **last;

    if (stage != NULL) {
        return stage;
    }
    make_room(st);
    stage = calloc(1, sizeof(*stage));
    if (stage == NULL) {
        return NULL;
    }
    memcpy(stage->name, name.data, name.size);
    for (last = &st->stages; *last != NULL; last = &(*last)->next) {
    }
    *last = stage;
    return stage;
}

struct shuffle_sink *shuffle_stage_next_sink(
        const struct shuffle_streams *st, const struct shuffle_stage *after)
{
    const struct shuffle_stage *s = after == NULL ? st->stages : after->next;

    while (s != NULL && s->sink == NULL) {
        s = s->next;
    }
    return s == NULL ? NULL : s->sink;
}

void shuffle_stage_close_all(struct shuffle_streams *st)
{
    while (st->stages != NULL) {
        struct shuffle_stage *stage = st->stages;

        st->stages = stage->next;
        free(stage);
    }
}
