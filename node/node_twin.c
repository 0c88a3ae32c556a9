/* Who else has our name: our own past, or a second node with our id. */
#include "node/node_inner.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
    TWIN_EVERY_MS = 60000,
};

/* --- what is known --- */

bool node_has_living_namesake(const struct node *n)
{
    struct bytes own_name = gossip_self(&n->gossip)->id.node_id;
    size_t count = gossip_member_count(&n->gossip);

    for (size_t i = 0; i < count; i++) {
        const struct gossip_member *m = gossip_member_at(&n->gossip, i);
        uint64_t silence_ms;

        if (!m->is_self && bytes_equal(m->id.node_id, own_name) &&
                gossip_member_silence_ms(m, n->now_ms, &silence_ms) &&
                silence_ms < 2 * n->options.gossip.interval_ms) {
            return true;
        }
    }
    return false;
}

bool node_may_have_past(const struct node *n)
{
    size_t count = gossip_member_count(&n->gossip);

    for (size_t i = 0; i < count; i++) {
        if (gossip_member_at(&n->gossip, i)->may_succeed) {
            return true;
        }
    }
    return false;
}

/* A namesake that lives is either about to be found out as a twin or about to
 * fall silent. */
bool node_may_have_twin(const struct node *n)
{
    uint64_t judged_ms =
            (GOSSIP_TWIN_INTERVALS + 2) * n->options.gossip.interval_ms;

    return n->now_ms - n->started_ms < judged_ms && node_has_living_namesake(n);
}

/* --- our past --- */

/* The keys of programs, to go on under another generation. */
struct legacy {
    uint8_t *memory; /* each: u8 is it to expire, key, value */
    struct bytes packed;
};

static bool is_inherited(const struct kv_entry *e)
{
    return node_own_prefix(e->node.key) == NULL;
}

static size_t packed_bytes(const struct kv_state *state)
{
    struct bytes all = bytes_of(NULL, 0);
    size_t size = 0;

    for (const struct kv_entry *e = kv_state_first(state, all); e != NULL;
            e = kv_state_next(state, e, all)) {
        if (is_inherited(e)) {
            size += 1 + 2 + e->node.key.size + 2 + e->value.size;
        }
    }
    return size;
}

/* False when there is no memory. */
static bool pack_keys(struct legacy *l, const struct kv_state *state)
{
    struct bytes all = bytes_of(NULL, 0);
    size_t size = packed_bytes(state);
    struct writer w;

    *l = (struct legacy){.memory = malloc(size + 1)};
    if (l->memory == NULL) {
        return false;
    }
    w = writer_of(l->memory, size);
    for (const struct kv_entry *e = kv_state_first(state, all); e != NULL;
            e = kv_state_next(state, e, all)) {
        if (is_inherited(e)) {
            writer_u8(&w, e->status == KV_DELETE_AFTER_TTL);
            writer_string16(&w, e->node.key);
            writer_string16(&w, e->value);
        }
    }
    l->packed = writer_bytes(&w);
    return !w.failed;
}

static void unpack_keys(struct node *n, struct legacy *l)
{
    struct reader r = reader_of(l->packed);

    while (r.rest.size > 0) {
        bool expires = reader_u8(&r) != 0;
        struct bytes key = reader_string16(&r);
        struct bytes value = reader_string16(&r);

        if (expires) {
            (void)gossip_set_with_ttl(&n->gossip, n->now_ms, key, value, NULL);
        } else {
            (void)gossip_set(&n->gossip, key, value, NULL);
        }
    }
    free(l->memory);
}

/* The streams have nothing open yet, for programs are attached by an active
 * node only; but keys may have been written. */
static void go_on_above(struct node *n, uint64_t past)
{
    struct legacy legacy;
    struct error err;
    bool has_keys = pack_keys(&legacy, &gossip_self(&n->gossip)->state);

    n->options.generation = past + 1;
    n->keep_due = true;
    if (!has_keys || node_restart_gossip(n, &err) != 0) {
        node_log(n, NODE_ERROR, "no memory to start under a new generation");
        node_finish(n, 1);
        free(legacy.memory);
        return;
    }
    unpack_keys(n, &legacy);
}

void node_succeed(struct node *n, uint64_t past)
{
    if (n->state != NODE_JOINING) {
        node_log(n, NODE_WARNING,
                "generation %" PRIu64 " of this node was here before, and "
                "others take it for the newer one: restart this node",
                past);
        return;
    }
    node_log(n, NODE_NOTICE,
            "generation %" PRIu64 " of this node was here before: going on "
            "above it",
            past);
    go_on_above(n, past);
}

void node_rise_again(struct node *n)
{
    if (n->is_stopping || n->state > NODE_ACTIVE) {
        node_finish(n, 0); /* it was leaving, and the others know it gone */
        return;
    }
    node_log(n, NODE_WARNING,
            "this node slept for so long that others took it for dead: its "
            "streams have failed, and it joins anew");
    shuffle_streams_buried(&n->streams, n->now_ms);
    if (n->state == NODE_ACTIVE) {
        node_join_again(n);
    }
    go_on_above(n, n->options.generation);
}

/* --- a second node --- */

/* Whether to say it again: an event a minute is enough, whoever causes it. */
static bool is_due(const struct node *n, uint64_t *said_ms)
{
    if (*said_ms != 0 && n->now_ms < *said_ms + TWIN_EVERY_MS) {
        return false;
    }
    *said_ms = n->now_ms;
    return true;
}

void node_meet_twin(struct node *n, const struct gossip_member *twin)
{
    char text[ADDR_TEXT_BYTES];

    (void)addr_format(&twin->id.addr, text);
    n->twin_addr = twin->id.addr;
    if (n->state == NODE_JOINING) {
        node_log(n, NODE_ERROR,
                "node %" PRIu64 " is at %s already: set [node] id",
                n->options.id, text);
        node_finish(n, 1);
    } else if (is_due(n, &n->twin_said_ms)) {
        node_log(n, NODE_WARNING,
                "another node has our id %" PRIu64 " at %s: set [node] id of "
                "one of them",
                n->options.id, text);
    }
}

void node_meet_double(struct node *n)
{
    if (is_due(n, &n->double_said_ms)) {
        node_log(n, NODE_WARNING,
                "somebody knows keys of ours that we never wrote: another node "
                "has our id and generation, set [node] id of one of them");
    }
}
