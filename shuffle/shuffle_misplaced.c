#include "shuffle/shuffle_misplaced.h"

struct search {
    const struct shuffle_streams *st;
    const struct shuffle_left_out *left_out;
    struct bytes *stages;
    size_t count;
    size_t max;
};

static bool is_left_out(const struct shuffle_left_out *left_out, uint64_t node)
{
    for (size_t i = 0; i < left_out->count; i++) {
        if (left_out->nodes[i] == node) {
            return true;
        }
    }
    return false;
}

/* The number of our own sink of that stage, or 0. */
static uint64_t own_sink(const struct search *s, struct bytes stage)
{
    const struct shuffle_stage *own = shuffle_stage_find(s->st, stage);

    if (s->left_out->us_too || own == NULL || own->sink == NULL ||
            own->sink->state != SHUFFLE_SINK_RUNNING) {
        return 0;
    }
    return own->sink->number;
}

/* The sink of that stage that a placement should have of this node, or 0. */
static uint64_t sink_of(
        const struct search *s, uint64_t node, struct bytes stage)
{
    const struct shuffle_known *known;

    if (node == s->st->options.id) {
        return own_sink(s, stage);
    }
    known = shuffle_members_find(&s->st->members, node);
    if (known == NULL || !shuffle_members_is_usable(known) ||
            is_left_out(s->left_out, node)) {
        return 0;
    }
    return shuffle_known_sink(known, stage);
}

static uint64_t generation_of(const struct search *s, uint64_t node)
{
    return node == s->st->options.id
                   ? s->st->options.generation
                   : shuffle_members_find(&s->st->members, node)
                             ->facts.generation;
}

static size_t sinks_count(const struct search *s, struct bytes stage)
{
    size_t count = own_sink(s, stage) != 0;

    for (size_t i = 0; i < s->st->members.count; i++) {
        count += sink_of(s, s->st->members.items[i].facts.id, stage) != 0;
    }
    return count;
}

static bool fits(const struct search *s, struct bytes stage,
        const struct shuffle_wire_sinks *sinks)
{
    size_t count = shuffle_wire_sinks_count(sinks);

    for (size_t i = 0; i < count; i++) {
        struct shuffle_sink_id id = shuffle_wire_sink_at(sinks, i);

        if (id.number != sink_of(s, id.node, stage) ||
                id.generation != generation_of(s, id.node)) {
            return false;
        }
    }
    return count == sinks_count(s, stage);
}

static void look_at(struct search *s, struct bytes stage,
        const struct shuffle_wire_sinks *sinks)
{
    for (size_t i = 0; i < s->count; i++) {
        if (bytes_equal(s->stages[i], stage)) {
            return;
        }
    }
    if (s->count < s->max && !fits(s, stage, sinks)) {
        s->stages[s->count++] = stage;
    }
}

size_t shuffle_misplaced(const struct shuffle_streams *st,
        const struct shuffle_left_out *left_out, struct bytes stages[],
        size_t max)
{
    struct search s = {
            .st = st, .left_out = left_out, .stages = stages, .max = max};

    /* One that is draining sends nothing more, wherever it did. */
    for (const struct shuffle_source *source = st->sources; source != NULL;
            source = source->next) {
        if (source->state == SHUFFLE_SOURCE_RUNNING) {
            struct shuffle_wire_sinks sinks =
                    shuffle_place_sinks(&source->place);

            look_at(&s, shuffle_stage_name(source->stage), &sinks);
        }
    }
    for (size_t i = 0; i < st->members.count; i++) {
        const struct shuffle_known *known = &st->members.items[i];

        if (!known->is_member || !known->facts.live) {
            continue;
        }
        for (size_t k = 0; k < known->facts.places_count; k++) {
            look_at(&s, known->facts.places[k].stage,
                    &known->facts.places[k].sinks);
        }
    }
    return s.count;
}
