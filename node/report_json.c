#include "node/report_json.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "shuffle/shuffle_info.h"

/* --- json-c, in fewer words --- */

static void add(
        struct json_object *object, const char *name, struct json_object *value)
{
    (void)json_object_object_add(object, name, value);
}

static struct json_object *text_of(struct bytes text)
{
    return json_object_new_string_len(
            text.size == 0 ? "" : (const char *)text.data, (int)text.size);
}

static void add_text(
        struct json_object *object, const char *name, const char *text)
{
    add(object, name, json_object_new_string(text));
}

static void add_number(
        struct json_object *object, const char *name, uint64_t number)
{
    add(object, name, json_object_new_uint64(number));
}

static void add_flag(struct json_object *object, const char *name, bool flag)
{
    add(object, name, json_object_new_boolean(flag));
}

static struct json_object *digits_of(uint64_t number)
{
    char digits[24];

    (void)snprintf(digits, sizeof(digits), "%" PRIu64, number);
    return json_object_new_string(digits);
}

static void add_digits(
        struct json_object *object, const char *name, uint64_t number)
{
    add(object, name, digits_of(number));
}

static void add_addr(
        struct json_object *object, const char *name, const struct addr *addr)
{
    char text[ADDR_TEXT_BYTES];

    add(object, name,
            addr->family == ADDR_NONE
                    ? NULL
                    : json_object_new_string(addr_format(addr, text)));
}

/* The text of the document, in memory of its own; the document is gone. */
static char *finish(struct json_object *document)
{
    const char *text = json_object_to_json_string_ext(
            document, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    size_t size = strlen(text) + 1;
    char *copy = malloc(size);

    assert(copy != NULL);
    memcpy(copy, text, size);
    (void)json_object_put(document);
    return copy;
}

void report_free(char *report)
{
    free(report);
}

/* --- members --- */

/* A key's value, or null. */
static void add_value(struct json_object *object, const char *name,
        const struct gossip_member *m, const char *key)
{
    const struct kv_entry *entry = kv_state_get(&m->state, bytes_text(key));

    add(object, name, entry == NULL ? NULL : text_of(entry->value));
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
    add_addr(object, "shuffle_addr", &addr);
}

static void add_liveness(struct json_object *object, const struct node *n,
        const struct gossip_member *m)
{
    uint64_t silence_ms;
    char text[32];
    double phi;

    add_flag(object, "live", gossip_member_is_live(m));
    add_flag(object, "self", m->is_self);
    if (gossip_member_phi(m, n->now_ms, &phi)) {
        (void)snprintf(text, sizeof(text), "%.2f", phi);
        add(object, "phi", json_object_new_double_s(phi, text));
    } else {
        add(object, "phi", NULL);
    }
    add(object, "last_heard_ms",
            gossip_member_silence_ms(m, n->now_ms, &silence_ms)
                    ? json_object_new_uint64(silence_ms)
                    : NULL);
}

static struct json_object *member_of(
        const struct node *n, const struct gossip_member *m)
{
    struct json_object *object = json_object_new_object();
    uint64_t id;

    add(object, "id", gossip_member_node_id(m, &id) ? digits_of(id) : NULL);
    add(object, "gossip_id", text_of(m->id.node_id));
    add_digits(object, "generation", m->id.generation);
    add_addr(object, "gossip_addr", &m->id.addr);
    add_value(object, "name", m, "node:name");
    add_value(object, "state", m, "node:state");
    add_value(object, "version", m, "node:version");
    add_shuffle_addr(object, m);
    add_liveness(object, n, m);
    add_number(object, "keys", m->state.visible);
    add_digits(object, "max_version", m->state.max_version);
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
    return finish(array);
}

/* --- info --- */

static struct json_object *traffic(
        const char *unit, uint64_t units, uint64_t bytes)
{
    struct json_object *object = json_object_new_object();

    add_number(object, unit, units);
    add_number(object, "bytes", bytes);
    return object;
}

static struct json_object *gossip_dropped(const struct node *n)
{
    const struct gossip_counters *c = gossip_counters(&n->gossip);
    struct json_object *object = json_object_new_object();

    for (int i = GOSSIP_DROP_NONE + 1; i < GOSSIP_DROP_COUNT; i++) {
        add_number(
                object, gossip_drop_name((enum gossip_drop)i), c->malformed[i]);
    }
    for (int i = 0; i < GOSSIP_REFUSED_COUNT; i++) {
        add_number(object, gossip_refusal_name((enum gossip_refusal)i),
                c->refused[i]);
    }
    add_number(object, "truncated", c->truncated);
    add_number(object, "udp_receive", n->loop.udp_receive);
    add_number(object, "udp_refused", n->loop.udp_refused);
    add_number(object, "udp_send", n->loop.udp_send);
    add_number(object, "udp_full", n->loop.udp_full);
    return object;
}

static struct json_object *gossip_info(const struct node *n)
{
    const struct gossip_counters *c = gossip_counters(&n->gossip);
    struct json_object *object = json_object_new_object();

    add_addr(object, "addr", &n->options.gossip_addr);
    add_text(object, "dialect", "plain");
    add_text(object, "protocol", "v0");
    add_number(object, "rounds", c->rounds);
    add_number(object, "live", gossip_live_count(&n->gossip));
    add_number(object, "dead", gossip_dead_count(&n->gossip));
    add(object, "sent", traffic("packets", c->sent_packets, c->sent_bytes));
    add(object, "received",
            traffic("packets", c->received_packets, c->received_bytes));
    add(object, "dropped", gossip_dropped(n));
    return object;
}

static struct json_object *shuffle_dropped(const struct node *n)
{
    const struct shuffle_count *c = shuffle_pool_count(&n->pool);
    struct json_object *object = json_object_new_object();

    for (int i = 0; i < SHUFFLE_DROP_COUNT; i++) {
        add_number(
                object, shuffle_drop_name((enum shuffle_drop)i), c->drops[i]);
    }
    add_number(object, "accept", n->loop.accept);
    return object;
}

static struct json_object *peer_of(
        const struct node *n, const struct shuffle_info *peer)
{
    struct json_object *object = json_object_new_object();

    add_digits(object, "id", peer->id);
    add_addr(object, "addr", &peer->address);
    add_text(object, "dialect",
            peer->dialect == SHUFFLE_WEFT_DIALECT ? "weft" : "laminar");
    add_text(object, "direction", peer->outgoing ? "out" : "in");
    add_text(object, "state", peer->state);
    add_number(object, "queued_bytes", peer->queued_bytes);
    add_number(object, "unconfirmed_records",
            peer->outgoing ? shuffle_streams_unconfirmed(&n->streams, peer->id)
                           : 0);
    add_number(object, "frames", peer->frames);
    add_number(object, "bytes", peer->bytes);
    add_number(object, "reconnects", peer->reconnects);
    add(object, "last_error",
            peer->last_error[0] == '\0'
                    ? NULL
                    : json_object_new_string(peer->last_error));
    return object;
}

static struct json_object *shuffle_section(const struct node *n)
{
    const struct shuffle_count *c = shuffle_pool_count(&n->pool);
    struct json_object *object = json_object_new_object();
    struct json_object *peers = json_object_new_array();
    struct shuffle_info peer;

    for (size_t i = 0; shuffle_info_at(&n->pool, i, &peer); i++) {
        (void)json_object_array_add(peers, peer_of(n, &peer));
    }
    add_addr(object, "addr", &n->shuffle_addr);
    add_number(object, "connections", shuffle_pool_links(&n->pool));
    add(object, "sent", traffic("frames", c->frames_out, c->bytes_out));
    add(object, "received", traffic("frames", c->frames_in, c->bytes_in));
    add(object, "dropped", shuffle_dropped(n));
    add(object, "peers", peers);
    return object;
}

static struct json_object *placement_of(const struct shuffle_wire_sinks *sinks)
{
    struct json_object *array = json_object_new_array();
    size_t count = shuffle_wire_sinks_count(sinks);

    for (size_t i = 0; i < count; i++) {
        (void)json_object_array_add(
                array, digits_of(shuffle_wire_sink_at(sinks, i).node));
    }
    return array;
}

static struct json_object *stage_of(const struct shuffle_stage_info *stage)
{
    struct json_object *object = json_object_new_object();

    add(object, "name", text_of(stage->name));
    add_number(object, "sources", stage->sources);
    add_number(object, "sinks", stage->sinks);
    add(object, "placement", placement_of(&stage->placement));
    add_number(object, "records_in", stage->records_in);
    add_number(object, "records_out", stage->records_out);
    add_number(object, "bytes_in", stage->bytes_in);
    add_number(object, "bytes_out", stage->bytes_out);
    add_number(object, "waiting_bytes", stage->waiting_bytes);
    add_number(object, "longest_without_credit_ms",
            stage->longest_without_credit_ms);
    return object;
}

static struct json_object *stages_info(const struct node *n)
{
    struct json_object *array = json_object_new_array();
    struct shuffle_stage_info stage;

    for (size_t i = 0; shuffle_streams_stage_at(&n->streams, i, &stage); i++) {
        (void)json_object_array_add(array, stage_of(&stage));
    }
    return array;
}

/* What waits somewhere: of the reserves only what is in use counts. */
static size_t queued_bytes(const struct node *n)
{
    return n->budget.used_bytes - n->pool.reserve.max_bytes +
           n->pool.reserve.used_bytes - n->local.reserve.max_bytes +
           n->local.reserve.used_bytes;
}

static struct json_object *memory_info(const struct node *n)
{
    struct json_object *object = json_object_new_object();

    add_number(object, "queued_bytes", queued_bytes(n));
    add_number(object, "budget_bytes", n->budget.max_bytes);
    add_number(object, "remote_bytes", n->gossip.remote_budget.used_bytes);
    add_number(object, "max_remote_bytes", n->gossip.remote_budget.max_bytes);
    return object;
}

static struct json_object *loop_info(const struct node *n)
{
    struct json_object *object = json_object_new_object();

    add_number(object, "longest_turn_us", n->loop.longest_turn_us);
    add_number(object, "latest_round_ms",
            gossip_counters(&n->gossip)->latest_round_ms);
    return object;
}

/* The lowest live, active id; null while there is none. */
static struct json_object *leader_of(const struct node *n)
{
    struct kv_cursor cursor = {.place = 0};
    struct kv_found found;
    uint64_t leader = UINT64_MAX;
    bool has_leader = false;

    while (kv_scan(&n->kv, bytes_text("node:state"), &cursor, &found)) {
        if (bytes_equal_text(found.value, "active") &&
                found.node_id <= leader) {
            leader = found.node_id;
            has_leader = true;
        }
    }
    return has_leader ? digits_of(leader) : NULL;
}

char *report_info(const struct node *n)
{
    const struct gossip_member *self = gossip_self(&n->gossip);
    struct json_object *object = json_object_new_object();

    add_digits(object, "id", n->options.id);
    add(object, "gossip_id", text_of(self->id.node_id));
    add_text(object, "name", n->options.name);
    add_text(object, "cluster", n->options.cluster);
    add_digits(object, "generation", n->options.generation);
    add_text(object, "version", n->options.version);
    add_text(object, "state", node_state_name(n->state));
    add_number(object, "uptime_ms", n->now_ms - n->started_ms);
    add(object, "leader", leader_of(n));
    add(object, "gossip", gossip_info(n));
    add(object, "shuffle", shuffle_section(n));
    add(object, "stages", stages_info(n));
    add(object, "memory", memory_info(n));
    add(object, "loop", loop_info(n));
    return finish(object);
}

/* --- small ones --- */

char *report_health(const struct node *n)
{
    struct json_object *object = json_object_new_object();
    struct error reason;

    add_flag(object, "healthy", node_is_healthy(n, &reason));
    add_text(object, "state", node_state_name(n->state));
    add_text(object, "reason", reason.text);
    return finish(object);
}

char *report_error(const char *sentence)
{
    struct json_object *object = json_object_new_object();

    add_text(object, "error", sentence);
    return finish(object);
}

char *report_state(enum node_state state)
{
    struct json_object *object = json_object_new_object();

    add_text(object, "state", node_state_name(state));
    return finish(object);
}

/* --- keys --- */

static struct json_object *key_of(const struct report_key *key)
{
    struct json_object *object = json_object_new_object();

    add(object, "node", key->has_node ? digits_of(key->node) : NULL);
    add(object, "key", text_of(key->key));
    add(object, "value", key->has_value ? text_of(key->value) : NULL);
    add(object, "version", key->version == 0 ? NULL : digits_of(key->version));
    return object;
}

char *report_key(const struct report_key *key)
{
    return finish(key_of(key));
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
    return finish(array);
}

/* --- streams --- */

static struct json_object *row_of(const struct shuffle_summary_row *row)
{
    struct json_object *object = json_object_new_object();

    add_digits(object, "node", row->node);
    add_number(object, "records", row->records);
    add_number(object, "confirmed", row->confirmed);
    add_number(object, "bytes", row->bytes);
    return object;
}

char *report_summary(const struct shuffle_summary_row *rows, size_t count)
{
    struct json_object *array = json_object_new_array();

    for (size_t i = 0; i < count; i++) {
        (void)json_object_array_add(array, row_of(&rows[i]));
    }
    return finish(array);
}
