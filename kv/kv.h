/* The seam: keys of nodes, whatever carries them.
 *
 *   write      a key of our own; others see it some time later
 *   read_from  a key of one node, live or not: its newest generation known
 *   scan       a key of every live node, ourselves included, once per id
 *   watch      a prefix, of everybody's keys (kv_watch.h)
 *
 * A newest generation that lacks the key has no value: an old one must not
 * shine through. The back ends are kv_memory.h, for tests, and
 * gossip/gossip_kv.h, for clusters. What is read is borrowed until the back
 * end changes next. */
#pragma once

#include "base/error.h"
#include "kv/kv_watch.h"

struct kv_cursor {
    size_t place; /* the back end's own; begins at 0 */
};

struct kv_found {
    uint64_t node_id;
    struct bytes value;
};

struct kv_methods {
    int (*write)(void *context, struct bytes key, struct bytes value,
            struct error *err);
    bool (*read_from)(const void *context, uint64_t node_id, struct bytes key,
            struct bytes *value);
    bool (*scan)(const void *context, struct bytes key,
            struct kv_cursor *cursor, struct kv_found *found);
};

struct kv {
    const struct kv_methods *methods;
    void *context; /* the back end; outlives this */
    struct kv_watches *watches; /* borrowed */
};

/* 0, or ERR_INVALID or ERR_FULL with the back end's sentence. A value that is
 * there already is no write. */
int kv_write(
        struct kv *kv, struct bytes key, struct bytes value, struct error *err);

/* False when nothing can be read there. */
bool kv_read_from(const struct kv *kv, uint64_t node_id, struct bytes key,
        struct bytes *value);

/* The next node that has the key; false at the end. */
bool kv_scan(const struct kv *kv, struct bytes key, struct kv_cursor *cursor,
        struct kv_found *found);

/* ERR_FULL when there are too many. The prefix is borrowed until then. */
int kv_watch(struct kv *kv, struct bytes prefix, uint64_t tag);
void kv_unwatch(struct kv *kv, uint64_t tag);
