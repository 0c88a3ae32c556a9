#include "kv/kv_memory.h"

#include <string.h>

void kv_memory_init(struct kv_memory *m, uint64_t self_id, size_t bytes_max)
{
    memset(m, 0, sizeof(*m));
    m->self_id = self_id;
    m->budget.max_bytes = bytes_max;
}

void kv_memory_close(struct kv_memory *m)
{
    for (size_t i = 0; i < m->count; i++) {
        kv_state_close(&m->nodes[i].state);
    }
    m->count = 0;
}

static size_t place_of(const struct kv_memory *m, uint64_t node_id)
{
    size_t i = 0;

    while (i < m->count && m->nodes[i].node_id < node_id) {
        i++;
    }
    return i;
}

static bool is_at(const struct kv_memory *m, size_t i, uint64_t node_id)
{
    return i < m->count && m->nodes[i].node_id == node_id;
}

/* The node's state, made if need be; NULL when there are too many nodes. */
static struct kv_state *state_of(struct kv_memory *m, uint64_t node_id)
{
    size_t i = place_of(m, node_id);

    if (!is_at(m, i, node_id)) {
        if (m->count == KV_MEMORY_NODES_MAX) {
            return NULL;
        }
        memmove(&m->nodes[i + 1], &m->nodes[i],
                (m->count - i) * sizeof(m->nodes[0]));
        m->count++;
        m->nodes[i].node_id = node_id;
        kv_state_init(&m->nodes[i].state, &m->budget, node_id);
    }
    return &m->nodes[i].state;
}

int kv_memory_put(struct kv_memory *m, uint64_t node_id, struct bytes key,
        struct bytes value)
{
    struct kv_state *state = state_of(m, node_id);

    return state != NULL ? kv_state_set(state, key, value) : ERR_FULL;
}

void kv_memory_delete(struct kv_memory *m, uint64_t node_id, struct bytes key)
{
    size_t i = place_of(m, node_id);

    if (is_at(m, i, node_id)) {
        kv_state_delete(&m->nodes[i].state, key, 0);
    }
}

bool kv_memory_change(struct kv_memory *m, struct kv_change *change)
{
    for (size_t i = 0; i < m->count; i++) {
        const struct kv_entry *entry = kv_state_change(&m->nodes[i].state);

        if (entry != NULL) {
            *change = (struct kv_change){.node_id = m->nodes[i].node_id,
                    .key = entry->node.key,
                    .value = entry->value,
                    .version = entry->version,
                    .is_deletion = !kv_entry_is_visible(entry)};
            return true;
        }
    }
    return false;
}

static int write_own(
        void *context, struct bytes key, struct bytes value, struct error *err)
{
    struct kv_memory *m = context;

    if (kv_memory_put(m, m->self_id, key, value) != 0) {
        return error_set(err, ERR_FULL, "the keys take more than %zu bytes",
                m->budget.max_bytes);
    }
    return 0;
}

static bool read_from(const void *context, uint64_t node_id, struct bytes key,
        struct bytes *value)
{
    const struct kv_memory *m = context;
    size_t i = place_of(m, node_id);
    const struct kv_entry *entry =
            is_at(m, i, node_id) ? kv_state_get(&m->nodes[i].state, key) : NULL;

    if (entry != NULL) {
        *value = entry->value;
    }
    return entry != NULL;
}

static bool scan(const void *context, struct bytes key,
        struct kv_cursor *cursor, struct kv_found *found)
{
    const struct kv_memory *m = context;

    while (cursor->place < m->count) {
        const struct kv_memory_node *node = &m->nodes[cursor->place++];
        const struct kv_entry *entry = kv_state_get(&node->state, key);

        if (entry != NULL) {
            *found = (struct kv_found){node->node_id, entry->value};
            return true;
        }
    }
    return false;
}

struct kv kv_memory_seam(struct kv_memory *m, struct kv_watches *watches)
{
    static const struct kv_methods METHODS = {
            .write = write_own, .read_from = read_from, .scan = scan};

    return (struct kv){.methods = &METHODS, .context = m, .watches = watches};
}
