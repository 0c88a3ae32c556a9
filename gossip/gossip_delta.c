#include "gossip/gossip_delta.h"

#include <assert.h>
#include <stdlib.h>

#include "base/error.h"

/* The classes of candidates, the most urgent first. */
enum {
    CLASS_UNKNOWN, /* by ascending max_version */
    CLASS_KNOWN, /* by descending number of entries to tell */
    CLASS_LAST,
};

int gossip_ranking_init(struct gossip_ranking *r, size_t capacity)
{
    *r = (struct gossip_ranking){.capacity = capacity};
    r->heap = calloc(capacity, sizeof(r->heap[0]));
    return r->heap != NULL ? 0 : ERR_FULL;
}

void gossip_ranking_close(struct gossip_ranking *r)
{
    free(r->heap);
    *r = (struct gossip_ranking){0};
}

/* --- the heap ---------------------------------------------------------- */

static bool is_before(
        const struct gossip_candidate *a, const struct gossip_candidate *b)
{
    if (a->class != b->class) {
        return a->class < b->class;
    }
    if (a->rank != b->rank) {
        return a->rank < b->rank;
    }
    return a->tie < b->tie;
}

static void push(
        struct gossip_ranking *r, const struct gossip_candidate *candidate)
{
    size_t i = r->count++;

    assert(r->count <= r->capacity);
    while (i > 0 && is_before(candidate, &r->heap[(i - 1) / 2])) {
        r->heap[i] = r->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    r->heap[i] = *candidate;
}

bool gossip_ranking_take(
        struct gossip_ranking *r, struct gossip_candidate *candidate)
{
    const struct gossip_candidate *moved;
    size_t i = 0;
    size_t child;

    if (r->count == 0) {
        return false;
    }
    *candidate = r->heap[0];
    moved = &r->heap[--r->count];
    while ((child = 2 * i + 1) < r->count) {
        if (child + 1 < r->count &&
                is_before(&r->heap[child + 1], &r->heap[child])) {
            child++;
        }
        if (!is_before(&r->heap[child], moved)) {
            break;
        }
        r->heap[i] = r->heap[child];
        i = child;
    }
    r->heap[i] = *moved;
    return true;
}

/* --- offering ---------------------------------------------------------- */

void gossip_ranking_begin(struct gossip_ranking *r)
{
    r->count = 0;
    r->uncounted = GOSSIP_RANK_COUNT_MAX;
}

void gossip_ranking_offer(struct gossip_ranking *r,
        const struct gossip_member *member, uint64_t floor, bool is_last,
        struct prng *chance)
{
    struct gossip_candidate candidate = {.member = member, .floor = floor};
    size_t count;

    if (member->state.max_version <= floor) {
        return;
    }
    if (floor == 0) {
        candidate.class = is_last ? CLASS_LAST : CLASS_UNKNOWN;
        candidate.rank = member->state.max_version;
    } else {
        candidate.class = CLASS_KNOWN;
        count = kv_state_stale_count(&member->state, floor, r->uncounted);
        r->uncounted -= count;
        candidate.rank = UINT64_MAX - count;
    }
    candidate.tie = prng_u64(chance);
    push(r, &candidate);
}

/* A peer that misses tombstones which are collected here has to start over. */
static bool needs_reset(
        const struct gossip_digest_entry *line, const struct kv_state *state)
{
    return line->last_gc < state->last_gc_version &&
           line->max_version < state->last_gc_version;
}

static void compare_one(struct gossip_ranking *r,
        const struct gossip_member *member,
        const struct gossip_digest_entry *line, struct prng *chance)
{
    if (line == NULL) {
        gossip_ranking_offer(r, member, 0, member->is_dead, chance);
    } else if (member->state.max_version > line->max_version) {
        gossip_ranking_offer(r, member,
                needs_reset(line, &member->state) ? 0 : line->max_version,
                false, chance);
    }
}

/* Both are in the order of identities, so one walk over both pairs them. */
void gossip_ranking_compare(struct gossip_ranking *r,
        const struct gossip_members *members, const struct gossip_message *m,
        uint64_t now_ms, uint64_t dead_grace_ms, struct prng *chance)
{
    size_t at = 0;

    gossip_ranking_begin(r);
    for (size_t i = 0; i < members->count; i++) {
        const struct gossip_member *member = members->list[i];
        const struct gossip_digest_entry *line = NULL;
        int order = -1;

        while (at < m->digest_count &&
                (order = gossip_id_compare(&m->digest[at].id, &member->id)) <
                        0) {
            at++;
        }
        if (at < m->digest_count && order == 0) {
            line = &m->digest[at];
        }
        if (!gossip_member_is_scheduled(member, now_ms, dead_grace_ms)) {
            compare_one(r, member, line, chance);
        }
    }
}

/* Whether others may have their turn: not when the datagram is full. What is
 * too large for any datagram must not keep everybody else's news out of it. */
static bool write_candidate(
        struct gossip_delta_writer *w, const struct gossip_candidate *candidate)
{
    const struct gossip_member *member = candidate->member;
    const struct kv_state *state = &member->state;
    const struct kv_entry *entry = kv_state_stale(state, candidate->floor);

    if (!gossip_delta_try_node(
                w, &member->id, state->last_gc_version, candidate->floor)) {
        return gossip_delta_is_too_large(w, &member->id, NULL);
    }
    if (entry == NULL) {
        gossip_delta_try_max_version(w, state->max_version);
        return true;
    }
    for (; entry != NULL; entry = kv_state_newer(entry)) {
        const struct gossip_entry told = {.key = entry->node.key,
                .value = entry->value,
                .version = entry->version,
                .status = entry->status};

        if (!gossip_delta_try_entry(w, &told)) {
            return gossip_delta_is_too_large(w, &member->id, &told);
        }
    }
    return true;
}

void gossip_delta_write(struct gossip_ranking *r, struct gossip_delta_writer *w)
{
    struct gossip_candidate candidate;

    while (gossip_ranking_take(r, &candidate)) {
        if (!write_candidate(w, &candidate)) {
            return;
        }
    }
}

/* --- taking ------------------------------------------------------------ */

/* Everything a copy had is gone, and the heartbeat must prime again. */
static void start_over(struct gossip_member *member, uint64_t last_gc)
{
    kv_state_reset(&member->state, last_gc);
    member->heartbeat = 0;
}

/* False when memory ended before the entries did. */
static bool receive_entries(struct kv_state *state,
        const struct gossip_entry *entries, size_t count, uint64_t now_ms)
{
    uint64_t known = state->max_version;

    for (size_t i = 0; i < count; i++) {
        const struct kv_update update = {.key = entries[i].key,
                .value = entries[i].value,
                .version = entries[i].version,
                .status = entries[i].status};

        if (kv_state_receive(state, known, &update, now_ms) != 0) {
            return false;
        }
    }
    return true;
}

static void apply_one(struct gossip_members *members,
        struct gossip_member *member, const struct gossip_message *m,
        const struct gossip_node_delta *delta, uint64_t now_ms,
        struct gossip_counters *counters)
{
    const struct kv_delta offer = {.last_gc_version = delta->last_gc,
            .from_version = delta->from_excluded,
            .max_version = delta->max_version};
    enum kv_decision decision = kv_state_judge(&member->state, &offer);

    if (decision == KV_REJECT) {
        return;
    }
    if (decision == KV_RESET) {
        start_over(member, delta->last_gc);
        counters->resets++;
    }
    if (receive_entries(&member->state, m->entries + delta->first_entry,
                delta->entry_count, now_ms)) {
        kv_state_raise(&member->state, delta->max_version);
    } else {
        counters->refused[GOSSIP_REFUSED_REMOTE_FULL]++;
    }
    gossip_members_note(members, member, GOSSIP_EVENT_KEYS);
}

void gossip_delta_apply(struct gossip_members *members,
        const struct gossip_message *m, uint64_t now_ms,
        struct gossip_counters *counters)
{
    for (size_t i = 0; i < m->node_count; i++) {
        struct gossip_member *member =
                gossip_members_find(members, &m->nodes[i].id);

        if (member == NULL) {
            continue;
        }
        if (member->is_self) {
            counters->refused[GOSSIP_REFUSED_ABOUT_SELF]++;
            continue;
        }
        apply_one(members, member, m, &m->nodes[i], now_ms, counters);
    }
}
