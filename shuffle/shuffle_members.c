#include "shuffle/shuffle_members.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void shuffle_members_init(struct shuffle_members *m)
{
    *m = (struct shuffle_members){0};
}

static void drop_facts(struct shuffle_known *known)
{
    uint64_t id = known->facts.id;

    free((void *)(uintptr_t)known->facts.sinks);
    free((void *)(uintptr_t)known->facts.places);
    free(known->texts);
    known->texts = NULL;
    known->facts = (struct shuffle_member){.id = id};
    known->is_member = false;
}

void shuffle_members_close(struct shuffle_members *m)
{
    for (size_t i = 0; i < m->count; i++) {
        drop_facts(&m->items[i]);
    }
    free(m->items);
    *m = (struct shuffle_members){0};
}

/* Where the id is, or would be. */
static size_t position(const struct shuffle_members *m, uint64_t id)
{
    size_t low = 0;
    size_t high = m->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (m->items[middle].facts.id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct shuffle_known *shuffle_members_find(
        const struct shuffle_members *m, uint64_t id)
{
    size_t at = position(m, id);

    return at < m->count && m->items[at].facts.id == id ? &m->items[at] : NULL;
}

static void *must(void *memory)
{
    if (memory == NULL) {
        abort();
    }
    return memory;
}

struct shuffle_known *shuffle_members_entry(
        struct shuffle_members *m, uint64_t id)
{
    size_t at = position(m, id);

    if (at < m->count && m->items[at].facts.id == id) {
        return &m->items[at];
    }
    if (m->count == m->capacity) {
        m->capacity = m->capacity == 0 ? 16 : m->capacity * 2;
        m->items = must(realloc(m->items, m->capacity * sizeof(*m->items)));
    }
    memmove(m->items + at + 1, m->items + at,
            (m->count - at) * sizeof(*m->items));
    m->items[at] = (struct shuffle_known){.facts = {.id = id}};
    m->count++;
    return &m->items[at];
}

static size_t texts_bytes(const struct shuffle_member *member)
{
    size_t bytes = 0;

    for (size_t i = 0; i < member->sinks_count; i++) {
        bytes += member->sinks[i].stage.size;
    }
    for (size_t i = 0; i < member->places_count; i++) {
        bytes += member->places[i].stage.size;
        bytes += member->places[i].sinks.packed.size;
    }
    return bytes;
}

static struct bytes keep(struct writer *w, struct bytes b)
{
    size_t at = w->size;

    writer_put(w, b);
    assert(!w->failed);
    return bytes_of(w->data + at, b.size);
}

static void copy_sinks(struct shuffle_known *known,
        const struct shuffle_member *member, struct writer *w)
{
    struct shuffle_member_sink *sinks;

    if (member->sinks_count == 0) {
        return;
    }
    sinks = must(malloc(member->sinks_count * sizeof(*sinks)));
    for (size_t i = 0; i < member->sinks_count; i++) {
        sinks[i] = member->sinks[i];
        sinks[i].stage = keep(w, member->sinks[i].stage);
    }
    known->facts.sinks = sinks;
    known->facts.sinks_count = member->sinks_count;
}

static void copy_places(struct shuffle_known *known,
        const struct shuffle_member *member, struct writer *w)
{
    struct shuffle_member_place *places;

    if (member->places_count == 0) {
        return;
    }
    places = must(malloc(member->places_count * sizeof(*places)));
    for (size_t i = 0; i < member->places_count; i++) {
        places[i] = member->places[i];
        places[i].stage = keep(w, member->places[i].stage);
        places[i].sinks.packed = keep(w, member->places[i].sinks.packed);
    }
    known->facts.places = places;
    known->facts.places_count = member->places_count;
}

void shuffle_members_set(
        struct shuffle_members *m, const struct shuffle_member *member)
{
    struct shuffle_known *known = shuffle_members_entry(m, member->id);
    size_t bytes = texts_bytes(member);
    struct writer w;

    drop_facts(known);
    known->is_member = true;
    known->facts.generation = member->generation;
    if (member->generation > known->newest) {
        known->newest = member->generation;
    }
    known->facts.live = member->live;
    known->facts.active = member->active;
    known->facts.speaks_weft = member->speaks_weft;
    known->texts = must(malloc(bytes + 1));
    w = writer_of(known->texts, bytes);
    copy_sinks(known, member, &w);
    copy_places(known, member, &w);
}

void shuffle_members_forget(struct shuffle_members *m, uint64_t id)
{
    struct shuffle_known *known = shuffle_members_find(m, id);
    size_t at;

    if (known == NULL) {
        return;
    }
    drop_facts(known);
    if (known->link != 0) {
        return;
    }
    at = (size_t)(known - m->items);
    m->count--;
    memmove(known, known + 1, (m->count - at) * sizeof(*known));
}

bool shuffle_members_is_usable(const struct shuffle_known *known)
{
    return known->is_member && known->facts.live && known->facts.active &&
           known->facts.speaks_weft;
}

bool shuffle_members_is_convicted(const struct shuffle_members *m, uint64_t id)
{
    const struct shuffle_known *known = shuffle_members_find(m, id);

    return known == NULL || !known->is_member || !known->facts.live;
}

uint64_t shuffle_known_sink(
        const struct shuffle_known *known, struct bytes stage)
{
    for (size_t i = 0; i < known->facts.sinks_count; i++) {
        if (bytes_equal(known->facts.sinks[i].stage, stage)) {
            return known->facts.sinks[i].number;
        }
    }
    return 0;
}

const struct shuffle_member_place *shuffle_known_place(
        const struct shuffle_known *known, struct bytes stage)
{
    for (size_t i = 0; i < known->facts.places_count; i++) {
        if (bytes_equal(known->facts.places[i].stage, stage)) {
            return &known->facts.places[i];
        }
    }
    return NULL;
}

bool shuffle_members_has_sink(const struct shuffle_members *m,
        struct bytes stage, const struct shuffle_sink_id *sink)
{
    const struct shuffle_known *known = shuffle_members_find(m, sink->node);

    return known != NULL && shuffle_members_is_usable(known) &&
           known->facts.generation == sink->generation &&
           shuffle_known_sink(known, stage) == sink->number;
}
