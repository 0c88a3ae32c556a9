/* The seam without a network: every node's keys in one place, for tests.
 *
 * `write` writes the keys of the node it was made for; tests put in what
 * others would say. There is no liveness: whoever has a key is found. */
#pragma once

#include "kv/kv.h"
#include "kv/kv_state.h"

enum {
    KV_MEMORY_NODES_MAX = 64,
};

struct kv_memory_node {
    uint64_t node_id;
    struct kv_state state;
};

struct kv_memory {
    struct kv_memory_node nodes[KV_MEMORY_NODES_MAX]; /* ascending ids */
    size_t count;
    uint64_t self_id;
    struct budget budget;
};

/* `bytes_max` for everybody's keys. Stays where it is until close. */
void kv_memory_init(struct kv_memory *m, uint64_t self_id, size_t bytes_max);
void kv_memory_close(struct kv_memory *m);

/* The seam to it, with the watches it is to have. */
struct kv kv_memory_seam(struct kv_memory *m, struct kv_watches *watches);

/* What another node would say. 0, or ERR_FULL. */
int kv_memory_put(struct kv_memory *m, uint64_t node_id, struct bytes key,
        struct bytes value);
void kv_memory_delete(struct kv_memory *m, uint64_t node_id, struct bytes key);

/* The next change, for the watches; false when all are told. */
bool kv_memory_change(struct kv_memory *m, struct kv_change *change);
