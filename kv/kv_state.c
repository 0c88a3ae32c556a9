#include "kv/kv_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

void kv_state_init(struct kv_state *s, struct budget *budget, uint64_t seed)
{
    *s = (struct kv_state){.budget = budget};
    prng_init(&s->chance, seed);
}

static struct kv_entry *entry_of(struct kv_tree_node *node)
{
    /* The node is the first field, so this is its owner. */
    return (struct kv_entry *)(void *)node;
}

bool kv_entry_is_visible(const struct kv_entry *entry)
{
    return entry->status != KV_DELETE;
}

/* --- the two orders ---------------------------------------------------- */

static void unlink_entry(
        struct kv_state *s, enum kv_order order, struct kv_entry *entry)
{
    struct kv_list *list = &s->orders[order];
    struct kv_entry *before = entry->before[order];
    struct kv_entry *after = entry->after[order];

    if (before != NULL) {
        before->after[order] = after;
    } else {
        list->first = after;
    }
    if (after != NULL) {
        after->before[order] = before;
    } else {
        list->last = before;
    }
    entry->before[order] = NULL;
    entry->after[order] = NULL;
}

/* Behind `before`; at the front if that is NULL. */
static void link_behind(struct kv_state *s, enum kv_order order,
        struct kv_entry *before, struct kv_entry *entry)
{
    struct kv_list *list = &s->orders[order];
    struct kv_entry *after =
            before != NULL ? before->after[order] : list->first;

    entry->before[order] = before;
    entry->after[order] = after;
    if (before != NULL) {
        before->after[order] = entry;
    } else {
        list->first = entry;
    }
    if (after != NULL) {
        after->before[order] = entry;
    } else {
        list->last = entry;
    }
}

/* Versions come in ascending order but for what a careless sender mixed up, so
 * the place is at the end or close to it. */
static void link_by_version(struct kv_state *s, struct kv_entry *entry)
{
    struct kv_entry *before = s->orders[KV_BY_VERSION].last;

    while (before != NULL && before->version > entry->version) {
        before = before->before[KV_BY_VERSION];
    }
    link_behind(s, KV_BY_VERSION, before, entry);
}

static bool is_timed(const struct kv_entry *entry)
{
    return entry->status != KV_SET;
}

/* Into both orders and the counts, as a change to be told; `detach` is the
 * reverse. */
static void attach(struct kv_state *s, struct kv_entry *entry)
{
    link_by_version(s, entry);
    if (entry->after[KV_BY_VERSION] == s->untold) {
        s->untold = entry;
    }
    if (is_timed(entry)) {
        link_behind(s, KV_BY_TIME, s->orders[KV_BY_TIME].last, entry);
    }
    s->entries++;
    s->visible += kv_entry_is_visible(entry) ? 1 : 0;
}

static void detach(struct kv_state *s, struct kv_entry *entry)
{
    if (entry == s->untold) {
        s->untold = entry->after[KV_BY_VERSION];
    }
    unlink_entry(s, KV_BY_VERSION, entry);
    if (is_timed(entry)) {
        unlink_entry(s, KV_BY_TIME, entry);
    }
    s->entries--;
    s->visible -= kv_entry_is_visible(entry) ? 1 : 0;
}

/* --- memory ------------------------------------------------------------ */

static size_t entry_bytes(const struct kv_entry *entry)
{
    return KV_ENTRY_BYTES + entry->node.key.size + entry->value.size;
}

/* A key without a value, not yet attached; NULL when the budget ends. */
static struct kv_entry *create(struct kv_state *s, struct bytes key)
{
    struct kv_entry *entry;
    uint8_t *copy;

    if (!budget_take(s->budget, KV_ENTRY_BYTES + key.size)) {
        return NULL;
    }
    entry = malloc(KV_ENTRY_BYTES + key.size);
    if (entry == NULL) {
        budget_give(s->budget, KV_ENTRY_BYTES + key.size);
        return NULL;
    }
    *entry = (struct kv_entry){.status = KV_SET};
    copy = (uint8_t *)(entry + 1);
    if (key.size > 0) {
        memcpy(copy, key.data, key.size);
    }
    entry->node.key = bytes_of(copy, key.size);
    entry->node.priority = prng_u64(&s->chance);
    return entry;
}

static void destroy(struct kv_state *s, struct kv_entry *entry)
{
    budget_give(s->budget, entry_bytes(entry));
    free(entry->value_memory);
    free(entry);
}

/* Only growth needs room: what replaces its equal always fits. */
static bool resize(struct kv_state *s, size_t from, size_t to)
{
    if (to > from) {
        return budget_take(s->budget, to - from);
    }
    budget_give(s->budget, from - to);
    return true;
}

/* Replaces the value, or leaves it as it was and says ERR_FULL. */
static int set_value(
        struct kv_state *s, struct kv_entry *entry, struct bytes value)
{
    uint8_t *copy = NULL;

    if (value.size > 0) {
        copy = malloc(value.size);
        if (copy == NULL) {
            return ERR_FULL;
        }
        memcpy(copy, value.data, value.size);
    }
    if (!resize(s, entry->value.size, value.size)) {
        free(copy);
        return ERR_FULL;
    }
    free(entry->value_memory);
    entry->value_memory = copy;
    entry->value = bytes_of(copy, value.size);
    return 0;
}

/* --- writing ----------------------------------------------------------- */

static struct kv_entry *find(const struct kv_state *s, struct bytes key)
{
    return entry_of(kv_tree_find(s->by_key, key));
}

static void stamp(struct kv_state *s, struct kv_entry *entry, uint64_t version,
        enum kv_status status, uint64_t now_ms)
{
    entry->version = version;
    entry->status = status;
    entry->status_ms = now_ms;
    attach(s, entry);
    kv_state_raise(s, version);
}

/* Over `entry`, which the key has now, or as a new one if that is NULL. */
static int store(struct kv_state *s, struct kv_entry *entry,
        const struct kv_update *update, uint64_t now_ms)
{
    bool is_new = entry == NULL;

    if (is_new) {
        entry = create(s, update->key);
        if (entry == NULL) {
            return ERR_FULL;
        }
    }
    if (set_value(s, entry, update->value) != 0) {
        if (is_new) {
            destroy(s, entry);
        }
        return ERR_FULL;
    }
    if (is_new) {
        kv_tree_insert(&s->by_key, &entry->node);
    } else {
        detach(s, entry);
    }
    stamp(s, entry, update->version, update->status, now_ms);
    return 0;
}

static uint64_t next_version(const struct kv_state *s)
{
    assert(s->max_version < UINT64_MAX);
    return s->max_version + 1;
}

static int set_as(struct kv_state *s, struct bytes key, struct bytes value,
        enum kv_status status, uint64_t now_ms)
{
    struct kv_entry *entry = find(s, key);

    if (entry != NULL && entry->status == status &&
            bytes_equal(entry->value, value)) {
        return 0;
    }
    return store(s, entry,
            &(struct kv_update){.key = key,
                    .value = value,
                    .version = next_version(s),
                    .status = status},
            now_ms);
}

int kv_state_set(struct kv_state *s, struct bytes key, struct bytes value)
{
    return set_as(s, key, value, KV_SET, 0);
}

int kv_state_set_with_ttl(struct kv_state *s, struct bytes key,
        struct bytes value, uint64_t now_ms)
{
    return set_as(s, key, value, KV_DELETE_AFTER_TTL, now_ms);
}

int kv_state_delete(struct kv_state *s, struct bytes key, uint64_t now_ms)
{
    struct kv_entry *entry = find(s, key);

    if (entry == NULL) {
        return 0;
    }
    return store(s, entry,
            &(struct kv_update){.key = key,
                    .version = next_version(s),
                    .status = KV_DELETE},
            now_ms);
}

int kv_state_delete_after_ttl(
        struct kv_state *s, struct bytes key, uint64_t now_ms)
{
    struct kv_entry *entry = find(s, key);

    if (entry == NULL || !kv_entry_is_visible(entry)) {
        return 0;
    }
    detach(s, entry);
    stamp(s, entry, next_version(s), KV_DELETE_AFTER_TTL, now_ms);
    if (s->untold == entry) {
        s->untold = NULL;
    }
    return 0;
}

/* --- reading ----------------------------------------------------------- */

const struct kv_entry *kv_state_get_versioned(
        const struct kv_state *s, struct bytes key)
{
    return find(s, key);
}

const struct kv_entry *kv_state_get(const struct kv_state *s, struct bytes key)
{
    const struct kv_entry *entry = find(s, key);

    return entry != NULL && kv_entry_is_visible(entry) ? entry : NULL;
}

/* The first visible entry from `node` on that still has the prefix. */
static const struct kv_entry *visible_from(const struct kv_state *s,
        struct kv_tree_node *node, struct bytes prefix)
{
    while (node != NULL && bytes_starts_with(node->key, prefix)) {
        if (kv_entry_is_visible(entry_of(node))) {
            return entry_of(node);
        }
        node = kv_tree_above(s->by_key, node->key);
    }
    return NULL;
}

const struct kv_entry *kv_state_first(
        const struct kv_state *s, struct bytes prefix)
{
    return visible_from(s, kv_tree_at(s->by_key, prefix), prefix);
}

const struct kv_entry *kv_state_next(const struct kv_state *s,
        const struct kv_entry *entry, struct bytes prefix)
{
    return visible_from(s, kv_tree_above(s->by_key, entry->node.key), prefix);
}

const struct kv_entry *kv_state_newer(const struct kv_entry *entry)
{
    return entry->after[KV_BY_VERSION];
}

/* From both ends at once: the cost is that of the shorter side. */
const struct kv_entry *kv_state_stale(const struct kv_state *s, uint64_t floor)
{
    const struct kv_entry *old = s->orders[KV_BY_VERSION].first;
    const struct kv_entry *newest = s->orders[KV_BY_VERSION].last;

    while (newest != NULL && newest->version > floor) {
        if (old->version > floor) {
            return old;
        }
        old = old->after[KV_BY_VERSION];
        newest = newest->before[KV_BY_VERSION];
    }
    return newest != NULL ? newest->after[KV_BY_VERSION] : NULL;
}

size_t kv_state_stale_count(
        const struct kv_state *s, uint64_t floor, size_t count_max)
{
    const struct kv_entry *entry = s->orders[KV_BY_VERSION].last;
    size_t count = 0;

    while (entry != NULL && entry->version > floor && count < count_max) {
        count++;
        entry = entry->before[KV_BY_VERSION];
    }
    return count;
}

const struct kv_entry *kv_state_change(struct kv_state *s)
{
    struct kv_entry *entry = s->untold;

    if (entry != NULL) {
        s->untold = entry->after[KV_BY_VERSION];
    }
    return entry;
}

/* --- copies ------------------------------------------------------------ */

enum kv_decision kv_state_judge(
        const struct kv_state *s, const struct kv_delta *delta)
{
    if (delta->from_version > s->max_version) {
        return KV_REJECT;
    }
    if (delta->last_gc_version <= s->last_gc_version ||
            delta->last_gc_version <= s->max_version) {
        return delta->max_version > s->max_version ? KV_APPLY : KV_REJECT;
    }
    return delta->from_version == 0 ? KV_RESET : KV_REJECT;
}

static void remove_entry(struct kv_state *s, struct kv_entry *entry)
{
    detach(s, entry);
    kv_tree_remove(&s->by_key, &entry->node);
    destroy(s, entry);
}

/* All entries at once; the tree need not be kept in order for that. */
static void remove_all(struct kv_state *s)
{
    struct kv_entry *entry = s->orders[KV_BY_VERSION].first;

    while (entry != NULL) {
        struct kv_entry *after = entry->after[KV_BY_VERSION];

        destroy(s, entry);
        entry = after;
    }
    s->by_key = NULL;
    memset(s->orders, 0, sizeof(s->orders));
    s->untold = NULL;
    s->entries = 0;
    s->visible = 0;
}

void kv_state_reset(struct kv_state *s, uint64_t last_gc_version)
{
    remove_all(s);
    s->max_version = 0;
    s->last_gc_version = last_gc_version;
}

void kv_state_close(struct kv_state *s)
{
    remove_all(s);
}

int kv_state_receive(struct kv_state *s, uint64_t known,
        const struct kv_update *update, uint64_t now_ms)
{
    struct kv_entry *entry;

    if (update->version <= known ||
            (update->status != KV_SET &&
                    update->version <= s->last_gc_version)) {
        return 0;
    }
    entry = find(s, update->key);
    if (entry != NULL && entry->version >= update->version) {
        return 0;
    }
    return store(s, entry, update, now_ms);
}

void kv_state_raise(struct kv_state *s, uint64_t max_version)
{
    if (max_version > s->max_version) {
        s->max_version = max_version;
    }
}

void kv_state_collect(struct kv_state *s, uint64_t now_ms, uint64_t grace_ms)
{
    struct kv_entry *entry;

    while ((entry = s->orders[KV_BY_TIME].first) != NULL &&
            now_ms - entry->status_ms >= grace_ms) {
        if (entry->version > s->last_gc_version) {
            s->last_gc_version = entry->version;
        }
        remove_entry(s, entry);
    }
}

void kv_state_check(const struct kv_state *s)
{
    const struct kv_entry *entry;
    size_t entries = 0;
    size_t visible = 0;
    uint64_t version = 0;

    for (entry = s->orders[KV_BY_VERSION].first; entry != NULL;
            entry = entry->after[KV_BY_VERSION]) {
        assert(entry->version > version);
        assert(find(s, entry->node.key) == entry);
        version = entry->version;
        entries++;
        visible += kv_entry_is_visible(entry) ? 1 : 0;
    }
    assert(version <= s->max_version);
    assert(entries == s->entries);
    assert(visible == s->visible);
}
