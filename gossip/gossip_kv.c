#include "gossip/gossip_kv.h"

#include <assert.h>

#include "gossip/gossip_node_id.h"

static int write_own(
        void *context, struct bytes key, struct bytes value, struct error *err)
{
    return gossip_set(context, key, value, err);
}

static bool read_from(const void *context, uint64_t node_id, struct bytes key,
        struct bytes *value)
{
    const struct gossip *g = context;
    char name[GOSSIP_NODE_NAME_BYTES];
    const struct gossip_member *m;
    const struct kv_entry *entry;

    if (node_id == 0) {
        return false;
    }
    m = gossip_newest(g, bytes_text(gossip_node_name(node_id, name)));
    entry = m != NULL ? kv_state_get(&m->state, key) : NULL;
    if (entry != NULL) {
        *value = entry->value;
    }
    return entry != NULL;
}

/* The newest live member of the name at `*place`, which moves on to the next
 * name; NULL if none of them is live. */
static const struct gossip_member *next_name(
        const struct gossip *g, size_t *place)
{
    struct bytes name = gossip_member_at(g, *place)->id.node_id;
    const struct gossip_member *newest = NULL;

    while (*place < gossip_member_count(g)) {
        const struct gossip_member *m = gossip_member_at(g, *place);

        if (!bytes_equal(m->id.node_id, name)) {
            break;
        }
        if (gossip_member_is_live(m)) {
            newest = m;
        }
        (*place)++;
    }
    return newest;
}

static bool scan(const void *context, struct bytes key,
        struct kv_cursor *cursor, struct kv_found *found)
{
    const struct gossip *g = context;

    while (cursor->place < gossip_member_count(g)) {
        const struct gossip_member *m = next_name(g, &cursor->place);
        const struct kv_entry *entry =
                m != NULL ? kv_state_get(&m->state, key) : NULL;

        if (entry != NULL && gossip_member_node_id(m, &found->node_id)) {
            found->value = entry->value;
            return true;
        }
    }
    return false;
}

struct kv gossip_kv_seam(struct gossip *g, struct kv_watches *watches)
{
    static const struct kv_methods METHODS = {
            .write = write_own, .read_from = read_from, .scan = scan};

    return (struct kv){.methods = &METHODS, .context = g, .watches = watches};
}

bool gossip_kv_change(const struct gossip *g,
        const struct gossip_action *action, struct kv_change *change)
{
    const struct gossip_member *m = action->member;
    const struct kv_entry *entry = action->entry;

    assert(action->kind == GOSSIP_KEY);
    if (!gossip_member_node_id(m, &change->node_id) ||
            gossip_newest(g, m->id.node_id) != m) {
        return false;
    }
    change->key = entry->node.key;
    change->value = entry->value;
    change->version = entry->version;
    change->is_deletion = !kv_entry_is_visible(entry);
    return true;
}
