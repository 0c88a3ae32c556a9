#include "gossip/gossip_members.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

int gossip_members_init(struct gossip_members *t, size_t members_max,
        const struct gossip_phi_options *phi_options, uint64_t seed)
{
    *t = (struct gossip_members){
            .capacity = members_max + 1, .phi_options = phi_options};
    prng_init(&t->chance, seed);
    t->list = calloc(t->capacity, sizeof(struct gossip_member *));
    return t->list != NULL ? 0 : ERR_FULL;
}

static void destroy(struct gossip_member *member)
{
    budget_give(member->state.budget, member->id.node_id.size);
    kv_state_close(&member->state);
    free(member);
}

/* One that was removed and has turns to come is in the queue only. */
static void destroy_queued(struct gossip_members *t)
{
    while (t->first_event != NULL) {
        struct gossip_member *member = t->first_event;

        t->first_event = member->next_event;
        if ((member->events & GOSSIP_EVENT_REMOVED) != 0) {
            destroy(member);
        }
    }
    if (t->leaving != NULL) {
        destroy(t->leaving);
    }
}

void gossip_members_close(struct gossip_members *t)
{
    destroy_queued(t);
    for (size_t i = 0; i < t->count; i++) {
        destroy(t->list[i]);
    }
    free(t->list);
    *t = (struct gossip_members){0};
}

size_t gossip_members_place(
        const struct gossip_members *t, const struct gossip_id *id)
{
    size_t low = 0;
    size_t high = t->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (gossip_id_compare(&t->list[middle]->id, id) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

size_t gossip_members_place_from(
        const struct gossip_members *t, const struct gossip_id *id, size_t hint)
{
    for (size_t i = hint; i < t->count && i <= hint + 1; i++) {
        if (gossip_id_equal(&t->list[i]->id, id)) {
            return i;
        }
    }
    return gossip_members_place(t, id);
}

struct gossip_member *gossip_members_at(const struct gossip_members *t,
        const struct gossip_id *id, size_t place)
{
    return place < t->count && gossip_id_equal(&t->list[place]->id, id)
                   ? t->list[place]
                   : NULL;
}

struct gossip_member *gossip_members_find(
        const struct gossip_members *t, const struct gossip_id *id)
{
    return gossip_members_at(t, id, gossip_members_place(t, id));
}

/* Where the first generation of a name is, or would be: no address sorts
 * before none. */
static size_t first_of_name(const struct gossip_members *t, struct bytes name)
{
    return gossip_members_place(t, &(struct gossip_id){.node_id = name});
}

static const struct gossip_member *newest(
        const struct gossip_members *t, struct bytes name, bool only_live)
{
    const struct gossip_member *best = NULL;

    for (size_t i = first_of_name(t, name);
            i < t->count && bytes_equal(t->list[i]->id.node_id, name); i++) {
        if (!only_live || gossip_member_is_live(t->list[i])) {
            best = t->list[i];
        }
    }
    return best;
}

const struct gossip_member *gossip_members_newest(
        const struct gossip_members *t, struct bytes name)
{
    return newest(t, name, false);
}

const struct gossip_member *gossip_members_newest_live(
        const struct gossip_members *t, struct bytes name)
{
    return newest(t, name, true);
}

/* One piece of memory: the member, its ring of gaps, its name. */
static struct gossip_member *create(const struct gossip_members *t,
        const struct gossip_id *id, struct budget *budget, uint64_t seed)
{
    size_t ring_bytes = t->phi_options->window * sizeof(uint32_t);
    struct gossip_member *member;
    uint8_t *name;

    if (!budget_take(budget, id->node_id.size)) {
        return NULL;
    }
    member = malloc(sizeof(*member) + ring_bytes + id->node_id.size);
    if (member == NULL) {
        budget_give(budget, id->node_id.size);
        return NULL;
    }
    *member = (struct gossip_member){.id = *id};
    gossip_phi_init(&member->phi, t->phi_options, (uint32_t *)(member + 1));
    name = (uint8_t *)(member + 1) + ring_bytes;
    if (id->node_id.size > 0) {
        memcpy(name, id->node_id.data, id->node_id.size);
    }
    member->id.node_id = bytes_of(name, id->node_id.size);
    kv_state_init(&member->state, budget, seed);
    return member;
}

bool gossip_members_is_full(const struct gossip_members *t)
{
    return t->count == t->capacity;
}

struct gossip_member *gossip_members_add(struct gossip_members *t,
        const struct gossip_id *id, struct budget *budget, uint64_t now_ms)
{
    struct gossip_member *member;
    size_t i;

    if (gossip_members_is_full(t)) {
        return NULL;
    }
    i = gossip_members_place(t, id);
    assert(i == t->count || !gossip_id_equal(&t->list[i]->id, id));
    member = create(t, id, budget, prng_u64(&t->chance));
    if (member == NULL) {
        return NULL;
    }
    member->met_ms = now_ms;
    memmove(&t->list[i + 1], &t->list[i], (t->count - i) * sizeof(t->list[0]));
    t->list[i] = member;
    t->count++;
    return member;
}

void gossip_members_remove(
        struct gossip_members *t, struct gossip_member *member)
{
    size_t i = gossip_members_place(t, &member->id);

    assert(i < t->count && t->list[i] == member);
    t->count--;
    memmove(&t->list[i], &t->list[i + 1], (t->count - i) * sizeof(t->list[0]));
    gossip_members_note(t, member, GOSSIP_EVENT_REMOVED);
}

void gossip_members_note(struct gossip_members *t, struct gossip_member *member,
        enum gossip_event event)
{
    if (event == GOSSIP_EVENT_LIVE || event == GOSSIP_EVENT_DEAD) {
        member->events &= ~((unsigned)GOSSIP_EVENT_LIVE | GOSSIP_EVENT_DEAD);
    }
    member->events |= event;
    if (member->has_turn) {
        return;
    }
    member->has_turn = true;
    member->next_event = NULL;
    if (t->last_event != NULL) {
        t->last_event->next_event = member;
    } else {
        t->first_event = member;
    }
    t->last_event = member;
}

static void end_turn(struct gossip_members *t, struct gossip_member *member)
{
    t->first_event = member->next_event;
    if (t->first_event == NULL) {
        t->last_event = NULL;
    }
    member->has_turn = false;
}

/* The oldest key version that was not told yet. */
static bool next_key(
        struct gossip_member *member, const struct kv_entry **entry)
{
    *entry = kv_state_change(&member->state);
    if (*entry == NULL) {
        member->events &= ~(unsigned)GOSSIP_EVENT_KEYS;
    }
    return *entry != NULL;
}

/* The most basic event first: the bits are in that order. */
static enum gossip_event lowest(unsigned events)
{
    return (enum gossip_event)(events & (~events + 1));
}

static void free_leaving(struct gossip_members *t)
{
    if (t->leaving != NULL) {
        destroy(t->leaving);
        t->leaving = NULL;
    }
}

bool gossip_members_next_event(struct gossip_members *t,
        struct gossip_member **member, enum gossip_event *event,
        const struct kv_entry **entry)
{
    free_leaving(t);
    while ((*member = t->first_event) != NULL) {
        if ((*member)->events == 0) {
            end_turn(t, *member);
            continue;
        }
        *event = lowest((*member)->events);
        if (*event == GOSSIP_EVENT_KEYS) {
            if (next_key(*member, entry)) {
                return true;
            }
            continue;
        }
        (*member)->events &= ~(unsigned)*event;
        if (*event == GOSSIP_EVENT_REMOVED) {
            end_turn(t, *member);
            t->leaving = *member;
        }
        return true;
    }
    return false;
}

void gossip_members_check(const struct gossip_members *t)
{
    assert(t->count <= t->capacity);
    for (size_t i = 0; i < t->count; i++) {
        const struct gossip_member *m = t->list[i];

        assert(i == 0 || gossip_id_compare(&t->list[i - 1]->id, &m->id) < 0);
        assert(!(m->is_live && m->is_dead));
        assert(m->events == 0 || m->has_turn);
        kv_state_check(&m->state);
    }
}
