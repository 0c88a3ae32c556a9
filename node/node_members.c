#include "node/node_inner.h"

#include "shuffle/shuffle_info.h"

#define PLACE_PREFIX "weft:place:"

const struct gossip_member *node_member(const struct node *n, uint64_t id)
{
    char name[GOSSIP_NODE_NAME_BYTES];

    return gossip_newest(&n->gossip, bytes_text(gossip_node_name(id, name)));
}

bool node_is_alone(const struct node *n)
{
    return gossip_live_count(&n->gossip) == 0;
}

/* What the node publishes under a key; empty when nothing. */
static struct bytes value_of(const struct node *n, uint64_t id, const char *key)
{
    struct bytes value;

    return kv_read_from(&n->kv, id, bytes_text(key), &value)
                   ? value
                   : bytes_of(NULL, 0);
}

size_t node_active_count(const struct node *n)
{
    struct kv_cursor cursor = {.place = 0};
    struct kv_found found;
    size_t active = 0;

    while (kv_scan(&n->kv, bytes_text("node:state"), &cursor, &found)) {
        active += bytes_equal_text(found.value, "active") ? 1 : 0;
    }
    return active;
}

static void read_published(
        struct node *n, uint64_t id, const struct gossip_member *m)
{
    struct published *p = &n->published;
    struct bytes prefix = bytes_text(PLACE_PREFIX);

    published_clear(p);
    (void)published_read_sinks(p, value_of(n, id, "weft:sinks"));
    for (const struct kv_entry *e = kv_state_first(&m->state, prefix);
            e != NULL; e = kv_state_next(&m->state, e, prefix)) {
        (void)published_read_place(
                p, bytes_skip(e->node.key, prefix.size), e->value);
    }
}

static void tell_pool(
        struct node *n, uint64_t id, const struct gossip_member *m, bool weft)
{
    struct shuffle_peer_facts facts = {
            .id = id,
            .generation = m->id.generation,
            .live = gossip_member_is_live(m),
            .speaks_weft = weft,
    };

    (void)addr_parse(value_of(n, id, "shuffle:addr"), &facts.address);
    (void)shuffle_pool_peer(&n->pool, n->now_ms, &facts);
}

static void tell_streams(
        struct node *n, uint64_t id, const struct gossip_member *m, bool weft)
{
    struct shuffle_member facts = {
            .id = id,
            .generation = m->id.generation,
            .live = gossip_member_is_live(m),
            .active = bytes_equal_text(value_of(n, id, "node:state"), "active"),
            .speaks_weft = weft,
    };

    read_published(n, id, m);
    facts.sinks = n->published.sinks;
    facts.sinks_count = n->published.sinks_count;
    facts.places = n->published.places;
    facts.places_count = n->published.places_count;
    shuffle_streams_member(&n->streams, n->now_ms, &facts);
}

void node_tell_member(struct node *n, uint64_t id)
{
    const struct gossip_member *m = node_member(n, id);
    bool weft;

    if (id == n->options.id) {
        return;
    }
    if (m == NULL) {
        shuffle_pool_peer_gone(&n->pool, n->now_ms, id);
        shuffle_streams_member_gone(&n->streams, n->now_ms, id);
        node_checkpoint_member_gone(n, id);
        return;
    }
    weft = bytes_equal_text(value_of(n, id, "weft:protocol"), "1");
    tell_pool(n, id, m, weft);
    tell_streams(n, id, m, weft);
    node_checkpoint_member(n, m, weft);
}

void node_tell_silence(struct node *n)
{
    size_t count = gossip_member_count(&n->gossip);

    for (size_t i = 0; i < count; i++) {
        const struct gossip_member *m = gossip_member_at(&n->gossip, i);
        uint64_t heard_ms;
        uint64_t id;

        if (gossip_member_is_live(m) || !gossip_member_node_id(m, &id)) {
            continue;
        }
        heard_ms = shuffle_info_heard_ms(&n->pool, id);
        if (heard_ms != 0) {
            shuffle_streams_heard(&n->streams, id, heard_ms);
        }
    }
}

/* Keys that the shuffle goes by. */
static bool concerns_shuffle(struct bytes key)
{
    return bytes_starts_with(key, bytes_text("weft:")) ||
           bytes_equal_text(key, "shuffle:addr") ||
           bytes_equal_text(key, "node:state");
}

static void log_liveness(struct node *n, const struct gossip_member *m)
{
    char addr[ADDR_TEXT_BYTES];

    node_log(n, NODE_NOTICE, "%.*s at %s is %s", (int)m->id.node_id.size,
            (const char *)m->id.node_id.data, addr_format(&m->id.addr, addr),
            gossip_member_is_live(m) ? "live" : "dead");
}

static void log_unanswered(struct node *n, const struct addr *to)
{
    char addr[ADDR_TEXT_BYTES];

    node_log(n, NODE_NOTICE,
            "%s does not answer gossip in protocol V1; it gets V0 for %d "
            "minutes",
            addr_format(to, addr), GOSSIP_REFUSED_MS / 60000);
}

void node_news(struct node *n, const struct gossip_action *news)
{
    const struct gossip_member *m = news->member;
    bool concerns = true;
    uint64_t id;

    switch (news->kind) {
    case GOSSIP_SEND:
        return;
    case GOSSIP_LATE:
        node_wake(n);
        return;
    case GOSSIP_UNANSWERED:
        log_unanswered(n, &news->to);
        return;
    case GOSSIP_TWIN:
        node_meet_twin(n, m);
        return;
    case GOSSIP_SUCCESSOR:
        node_succeed(n, m->id.generation);
        return;
    case GOSSIP_AHEAD:
        node_meet_double(n);
        return;
    case GOSSIP_DEAD:
    case GOSSIP_LIVE:
        log_liveness(n, m);
        break;
    case GOSSIP_KEY:
        node_answer_key(n, news);
        node_checkpoint_key(n, m, news->entry);
        concerns = concerns_shuffle(news->entry->node.key);
        break;
    case GOSSIP_MET:
    case GOSSIP_REMOVED:
        break;
    }
    if (concerns && gossip_member_node_id(m, &id)) {
        node_tell_member(n, id);
        node_answer_members(n);
    }
}
