#include "node/report_json.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include <json-c/json.h>

#include "node/report_inner.h"

/* --- members --- */

/* A key's value, or null. */
static void add_value(struct json_object *object, const char *name,
        const struct gossip_member *m, const char *key)
{
    const struct kv_entry *entry = kv_state_get(&m->state, bytes_text(key));

    report_add(object, name, entry == NULL ? NULL : report_text(entry->value));
}

static void add_shuffle_addr(
        struct json_object *object, const struct gossip_member *m)
{
    const struct kv_entry *entry =
            kv_state_get(&m->state, bytes_text("shuffle:addr"));
    struct addr addr = {.family = ADDR_NONE};

    if (entry != NULL) {
        (void)addr_parse(entry->value, &addr);
    }
    report_add_addr(object, "shuffle_addr", &addr);
}

static void add_liveness(struct json_object *object, const struct node *n,
        const struct gossip_member *m)
{
    uint64_t silence_ms;
    char text[32];
    double phi;

    report_add_flag(object, "live", gossip_member_is_live(m));
    report_add_flag(object, "self", m->is_self);
    if (gossip_member_phi(m, n->now_ms, &phi)) {
        (void)snprintf(text, sizeof(text), "%.2f", phi);
        report_add(object, "phi", json_object_new_double_s(phi, text));
    } else {
        report_add(object, "phi", NULL);
    }
    report_add(object, "last_heard_ms",
            gossip_member_silence_ms(m, n->now_ms, &silence_ms)
                    ? json_object_new_uint64(silence_ms)
                    : NULL);
}

/* What an exchange with it is opened in. */
static void add_protocol(struct json_object *object, const struct node *n,
        const struct gossip_member *m)
{
    enum gossip_version version = gossip_version_for(&n->gossip, m);

    if (m->is_self) {
        report_add(object, "protocol", NULL);
    } else {
        report_add_text(object, "protocol", version == GOSSIP_V1 ? "v1" : "v0");
    }
}

static struct json_object *member_of(
        const struct node *n, const struct gossip_member *m)
{
    struct json_object *object = json_object_new_object();
    uint64_t id;

    report_add(object, "id",
            gossip_member_node_id(m, &id) ? report_digits(id) : NULL);
    report_add(object, "gossip_id", report_text(m->id.node_id));
    report_add_digits(object, "generation", m->id.generation);
    report_add_addr(object, "gossip_addr", &m->id.addr);
    add_protocol(object, n, m);
    add_value(object, "name", m, "node:name");
    add_value(object, "state", m, "node:state");
    add_value(object, "version", m, "node:version");
    add_shuffle_addr(object, m);
    add_liveness(object, n, m);
    report_add_number(object, "keys", m->state.visible);
    report_add_digits(object, "max_version", m->state.max_version);
    report_add_checkpoint_health(object, n, m);
    return object;
}

/* By node id; those without one behind, in the order of their names. */
static int by_node_id(const void *a, const void *b)
{
    const struct gossip_member *ma = *(const struct gossip_member *const *)a;
    const struct gossip_member *mb = *(const struct gossip_member *const *)b;
    uint64_t ia = UINT64_MAX;
    uint64_t ib = UINT64_MAX;
    bool has_a = gossip_member_node_id(ma, &ia);
    bool has_b = gossip_member_node_id(mb, &ib);

    if (has_a != has_b) {
        return has_a ? -1 : 1;
    }
    if (ia != ib) {
        return ia < ib ? -1 : 1;
    }
    return bytes_compare(ma->id.node_id, mb->id.node_id);
}

/* The newest generation of each name, sorted; the caller frees it. */
static const struct gossip_member **current_members(
        const struct node *n, size_t *count)
{
    size_t all = gossip_member_count(&n->gossip);
    const struct gossip_member **members = calloc(all, sizeof(*members));

    assert(members != NULL);
    *count = 0;
    for (size_t i = 0; i < all; i++) {
        const struct gossip_member *m = gossip_member_at(&n->gossip, i);

        if (i + 1 == all ||
                !bytes_equal(m->id.node_id,
                        gossip_member_at(&n->gossip, i + 1)->id.node_id)) {
            members[(*count)++] = m;
        }
    }
    qsort(members, *count, sizeof(*members), by_node_id);
    return members;
}

char *report_members(const struct node *n)
{
    struct json_object *array = json_object_new_array();
    size_t count;
    const struct gossip_member **members = current_members(n, &count);

    for (size_t i = 0; i < count; i++) {
        (void)json_object_array_add(array, member_of(n, members[i]));
    }
    free(members);
    return report_finish(array);
}

/* --- keys --- */

static struct json_object *key_of(const struct report_key *key)
{
    struct json_object *object = json_object_new_object();

    report_add(object, "node", key->has_node ? report_digits(key->node) : NULL);
    report_add(object, "key", report_text(key->key));
    report_add(
            object, "value", key->has_value ? report_text(key->value) : NULL);
    report_add(object, "version",
            key->version == 0 ? NULL : report_digits(key->version));
    return object;
}

char *report_key(const struct report_key *key)
{
    return report_finish(key_of(key));
}

static void list_keys(struct json_object *array, const struct gossip_member *m,
        struct bytes prefix)
{
    for (const struct kv_entry *e = kv_state_first(&m->state, prefix);
            e != NULL; e = kv_state_next(&m->state, e, prefix)) {
        struct report_key key = {.key = e->node.key,
                .has_value = true,
                .value = e->value,
                .version = e->version};

        key.has_node = gossip_member_node_id(m, &key.node);
        (void)json_object_array_add(array, key_of(&key));
    }
}

char *report_keys(const struct node *n, const struct report_keys_filter *filter)
{
    struct json_object *array = json_object_new_array();
    size_t count;
    const struct gossip_member **members = current_members(n, &count);

    for (size_t i = 0; i < count; i++) {
        const struct gossip_member *m = members[i];

        if (filter->owner == NULL ? filter->dead || gossip_member_is_live(m)
                                  : filter->owner == m) {
            list_keys(array, m, filter->prefix);
        }
    }
    free(members);
    return report_finish(array);
}
