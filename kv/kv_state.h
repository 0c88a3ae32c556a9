/* One owner's versioned keys, as its owner writes them and others copy them.
 *
 * Every write of the owner gets the next version, and all its keys share one
 * count; a key's older versions are forgotten at once. Whoever holds a copy
 * complete up to a version can therefore be brought up to date with the
 * entries above it, in ascending version order, and may stop anywhere: a
 * prefix is a correct, older copy (scuttlebutt reconciliation; van Renesse et
 * al., 2008).
 *
 * A deletion is an entry too, a tombstone, or else a copy that missed it would
 * bring the key back. Tombstones and keys with a TTL are collected a grace
 * period after *this* copy learned of them. `last_gc_version` is the highest
 * version ever collected: a copy that lags behind it cannot know what it
 * missed and has to start over (`kv_state_judge`).
 *
 * The owner's copy is changed by the `set` and `delete` functions, a copy of
 * somebody else's by `judge`, `reset`, `receive` and `raise`; `collect` is for
 * both. Keys and values are copied in. What is handed out (entries, and the
 * bytes in them) is borrowed until the state changes next.
 *
 * Memory: an entry costs KV_ENTRY_BYTES and its key and value, taken from a
 * budget that several states may share. At its end a write is refused with
 * ERR_FULL and changes nothing. Reading and writing one key is logarithmic;
 * finding what is newer than a version is linear in what is newer, or in what
 * is not. */
#pragma once

#include "base/budget.h"
#include "base/prng.h"
#include "kv/kv_status.h"
#include "kv/kv_tree.h"

enum kv_order {
    KV_BY_VERSION,
    KV_BY_TIME, /* only entries that will be collected */
    KV_ORDERS,
};

struct kv_entry {
    struct kv_tree_node node; /* holds the key */
    struct kv_entry *before[KV_ORDERS];
    struct kv_entry *after[KV_ORDERS];
    struct bytes value; /* empty in our own tombstones */
    uint8_t *value_memory; /* what `value` points at, ours to free */
    uint64_t version;
    uint64_t status_ms; /* when this copy learned of a deletion or a TTL */
    enum kv_status status;
};

enum {
    KV_ENTRY_BYTES = sizeof(struct kv_entry),
};

struct kv_list {
    struct kv_entry *first;
    struct kv_entry *last;
};

struct kv_state {
    struct kv_tree_node *by_key;
    struct kv_list orders[KV_ORDERS];
    struct kv_entry *untold; /* the oldest that kv_state_change has not given */
    uint64_t max_version;
    uint64_t last_gc_version;
    size_t entries; /* tombstones included */
    size_t visible; /* without them */
    struct budget *budget;
    struct prng chance;
};

/* What a node delta says about itself, apart from its entries. */
struct kv_delta {
    uint64_t last_gc_version;
    uint64_t from_version; /* what the copy must already hold */
    uint64_t max_version;
};

/* One entry of a node delta, borrowed. */
struct kv_update {
    struct bytes key;
    struct bytes value;
    uint64_t version;
    enum kv_status status;
};

/* An empty state. `budget` is borrowed until `close`; the seed only shapes the
 * tree. */
void kv_state_init(struct kv_state *s, struct budget *budget, uint64_t seed);

/* Frees the entries and gives their bytes back. */
void kv_state_close(struct kv_state *s);

/* The owner's writes. Each takes the next version and returns 0, or changes
 * nothing: with 0 where the change is already there, with ERR_FULL where the
 * budget ends. (An unchanged `max_version` tells a no-op apart.)
 *
 * set: a no-op if the key is set to this value already. With a TTL: a no-op if
 * it has this value and a TTL already, whose time is then not renewed.
 * delete: a no-op if the key is absent; a tombstone is deleted anew.
 * delete_after_ttl: keeps the value visible until it is collected; a no-op if
 * the key is absent or a tombstone. */
int kv_state_set(struct kv_state *s, struct bytes key, struct bytes value);
int kv_state_set_with_ttl(struct kv_state *s, struct bytes key,
        struct bytes value, uint64_t now_ms);
int kv_state_delete(struct kv_state *s, struct bytes key, uint64_t now_ms);
int kv_state_delete_after_ttl(
        struct kv_state *s, struct bytes key, uint64_t now_ms);

/* The entry of a key that can be read, or NULL. */
const struct kv_entry *kv_state_get(const struct kv_state *s, struct bytes key);

/* The entry of a key, a tombstone too, or NULL. */
const struct kv_entry *kv_state_get_versioned(
        const struct kv_state *s, struct bytes key);

/* Keys that start with `prefix` and can be read, in byte order: the first, and
 * the one after `entry`; NULL at the end. */
const struct kv_entry *kv_state_first(
        const struct kv_state *s, struct bytes prefix);
const struct kv_entry *kv_state_next(const struct kv_state *s,
        const struct kv_entry *entry, struct bytes prefix);

/* Entries above a version, tombstones included, in ascending version order:
 * the first, and the one after `entry`; NULL at the end. */
const struct kv_entry *kv_state_stale(const struct kv_state *s, uint64_t floor);
const struct kv_entry *kv_state_newer(const struct kv_entry *entry);

/* How many `stale` would list; counts no further than `count_max`. */
size_t kv_state_stale_count(
        const struct kv_state *s, uint64_t floor, size_t count_max);

/* The next change that nobody has asked for yet, in version order: entries
 * that were written or received, tombstones included, as they are now; a key
 * that changed twice in between comes once. NULL when all are told. What is
 * not a change: a key that is collected, one that vanished in a reset, and our
 * own delete_after_ttl, which lets the value be. */
const struct kv_entry *kv_state_change(struct kv_state *s);

/* May others see the entry: everything but a tombstone. */
bool kv_entry_is_visible(const struct kv_entry *entry);

/* What to do with a node delta about a state of which this is a copy.
 *
 *   from_version > max                              reject: a gap before it
 *   gc <= our gc or our max, and max > our max      apply
 *   gc <= our gc or our max, otherwise              reject: nothing new
 *   gc above both, from_version = 0                 reset, then apply
 *   gc above both, otherwise                        reject: collected
 *                                                   tombstones between us */
enum kv_decision {
    KV_REJECT,
    KV_APPLY,
    KV_RESET,
};

enum kv_decision kv_state_judge(
        const struct kv_state *s, const struct kv_delta *delta);

/* Forgets all entries: max 0 and the given last_gc_version. */
void kv_state_reset(struct kv_state *s, uint64_t last_gc_version);

/* Stores one entry of a delta that is being applied; `known` is the state's
 * max_version before the first of them. Entries at or below it, already
 * collected ones, and those older than what the key holds are passed over. The
 * max_version grows with each, so a delta that ends with ERR_FULL leaves a
 * correct prefix. */
int kv_state_receive(struct kv_state *s, uint64_t known,
        const struct kv_update *update, uint64_t now_ms);

/* The last step of applying: the copy is complete up to `max_version`. Never
 * lowers it. */
void kv_state_raise(struct kv_state *s, uint64_t max_version);

/* Removes what has been deleted, or has had a TTL, for `grace_ms` or longer,
 * and raises last_gc_version accordingly. Linear in what it removes. */
void kv_state_collect(struct kv_state *s, uint64_t now_ms, uint64_t grace_ms);

/* Asserts that tree, lists and counts agree. */
void kv_state_check(const struct kv_state *s);
