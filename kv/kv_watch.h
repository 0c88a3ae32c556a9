/* Who wants to hear about which keys.
 *
 * A watch is a prefix and the tag of whoever wants to know. It is told of
 * changes from then on, not of what is there already: of every node's keys,
 * our own included, that begin with the prefix. The empty prefix is told of
 * all keys, and a key equal to the prefix matches.
 *
 * Nothing is called: a change is offered, and the watches it concerns are
 * asked for one by one: the empty prefix first, then the others in ascending
 * order. */
#pragma once

#include "base/bytes.h"

struct kv_change {
    uint64_t node_id; /* whose key */
    struct bytes key;
    struct bytes value; /* empty when deleted */
    uint64_t version;
    bool is_deletion;
};

struct kv_watch {
    struct bytes prefix; /* borrowed until it is removed */
    uint64_t tag;
    bool wants_deletions;
};

struct kv_watches {
    struct kv_watch *list; /* ascending prefixes */
    size_t count;
    size_t capacity;
};

struct kv_hit {
    uint64_t tag;
    struct bytes rest; /* the key without the watch's prefix */
};

/* Returns 0, or ERR_FULL when there is no memory. */
int kv_watches_init(struct kv_watches *w, size_t capacity);
void kv_watches_close(struct kv_watches *w);

/* Several watches may share a prefix, or a tag. ERR_FULL when there are
 * `capacity` of them. */
int kv_watches_add(struct kv_watches *w, const struct kv_watch *watch);

/* Removes every watch with this tag. */
void kv_watches_remove(struct kv_watches *w, uint64_t tag);

/* The next watch that the change concerns, from `*cursor` on, which begins at
 * 0. The hit is borrowed from the change. */
bool kv_watches_next(const struct kv_watches *w, const struct kv_change *change,
        size_t *cursor, struct kv_hit *hit);
