#include "node/report_json.h"

#include <json-c/json.h>

#include "node/report_inner.h"
#include "shuffle/shuffle_info.h"

static struct json_object *traffic(
        const char *unit, uint64_t units, uint64_t bytes)
{
    struct json_object *object = json_object_new_object();

    report_add_number(object, unit, units);
    report_add_number(object, "bytes", bytes);
    return object;
}

static struct json_object *gossip_dropped(const struct node *n)
{
    const struct gossip_counters *c = gossip_counters(&n->gossip);
    struct json_object *object = json_object_new_object();

    for (int i = GOSSIP_DROP_NONE + 1; i < GOSSIP_DROP_COUNT; i++) {
        report_add_number(
                object, gossip_drop_name((enum gossip_drop)i), c->malformed[i]);
    }
    for (int i = 0; i < GOSSIP_REFUSED_COUNT; i++) {
        report_add_number(object, gossip_refusal_name((enum gossip_refusal)i),
                c->refused[i]);
    }
    report_add_number(object, "truncated", c->truncated);
    report_add_number(object, "udp_receive", n->loop.udp_receive);
    report_add_number(object, "udp_refused", n->loop.udp_refused);
    report_add_number(object, "udp_send", n->loop.udp_send);
    report_add_number(object, "udp_full", n->loop.udp_full);
    return object;
}

static struct json_object *syns(const uint64_t counts[static GOSSIP_VERSIONS])
{
    struct json_object *object = json_object_new_object();

    report_add_number(object, "v0", counts[GOSSIP_V0]);
    report_add_number(object, "v1", counts[GOSSIP_V1]);
    return object;
}

static struct json_object *gossip_info(const struct node *n)
{
    const struct gossip_counters *c = gossip_counters(&n->gossip);
    struct json_object *object = json_object_new_object();

    report_add_addr(object, "addr", &n->options.gossip_addr);
    report_add_text(object, "dialect", "plain");
    report_add_text(object, "protocol",
            gossip_protocol_name(n->gossip.options.protocol));
    report_add_number(object, "rounds", c->rounds);
    report_add_number(object, "live", gossip_live_count(&n->gossip));
    report_add_number(object, "dead", gossip_dead_count(&n->gossip));
    report_add(
            object, "sent", traffic("packets", c->sent_packets, c->sent_bytes));
    report_add(object, "received",
            traffic("packets", c->received_packets, c->received_bytes));
    report_add(object, "syns_sent", syns(c->sent_syns));
    report_add(object, "syns_received", syns(c->received_syns));
    report_add(object, "dropped", gossip_dropped(n));
    return object;
}

static struct json_object *shuffle_dropped(const struct node *n)
{
    const struct shuffle_count *c = shuffle_pool_count(&n->pool);
    struct json_object *object = json_object_new_object();

    for (int i = 0; i < SHUFFLE_DROP_COUNT; i++) {
        report_add_number(
                object, shuffle_drop_name((enum shuffle_drop)i), c->drops[i]);
    }
    report_add_number(object, "accept", n->loop.accept);
    return object;
}

static struct json_object *peer_of(
        const struct node *n, const struct shuffle_info *peer)
{
    struct json_object *object = json_object_new_object();

    report_add_digits(object, "id", peer->id);
    report_add_addr(object, "addr", &peer->address);
    report_add_text(object, "dialect",
            peer->dialect == SHUFFLE_WEFT_DIALECT ? "weft" : "laminar");
    report_add_text(object, "direction", peer->outgoing ? "out" : "in");
    report_add_text(object, "state", peer->state);
    report_add_number(object, "queued_bytes", peer->queued_bytes);
    report_add_number(object, "unconfirmed_records",
            peer->outgoing ? shuffle_streams_unconfirmed(&n->streams, peer->id)
                           : 0);
    report_add_number(object, "frames", peer->frames);
    report_add_number(object, "bytes", peer->bytes);
    report_add_number(object, "reconnects", peer->reconnects);
    report_add(object, "last_error",
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
    report_add_addr(object, "addr", &n->shuffle_addr);
    report_add_number(object, "connections", shuffle_pool_links(&n->pool));
    report_add(object, "sent", traffic("frames", c->frames_out, c->bytes_out));
    report_add(
            object, "received", traffic("frames", c->frames_in, c->bytes_in));
    report_add(object, "dropped", shuffle_dropped(n));
    report_add(object, "peers", peers);
    return object;
}

static struct json_object *placement_of(const struct shuffle_wire_sinks *sinks)
{
    struct json_object *array = json_object_new_array();
    size_t count = shuffle_wire_sinks_count(sinks);

    for (size_t i = 0; i < count; i++) {
        (void)json_object_array_add(
                array, report_digits(shuffle_wire_sink_at(sinks, i).node));
    }
    return array;
}

static struct json_object *stage_of(const struct shuffle_stage_info *stage)
{
    struct json_object *object = json_object_new_object();

    report_add(object, "name", report_text(stage->name));
    report_add_number(object, "sources", stage->sources);
    report_add_number(object, "sinks", stage->sinks);
    report_add(object, "placement", placement_of(&stage->placement));
    report_add_number(object, "records_in", stage->records_in);
    report_add_number(object, "records_out", stage->records_out);
    report_add_number(object, "bytes_in", stage->bytes_in);
    report_add_number(object, "bytes_out", stage->bytes_out);
    report_add_number(object, "waiting_bytes", stage->waiting_bytes);
    report_add_number(object, "longest_without_credit_ms",
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

    report_add_number(object, "queued_bytes", queued_bytes(n));
    report_add_number(object, "budget_bytes", n->budget.max_bytes);
    report_add_number(object, "remote_bytes", gossip_remote_bytes(&n->gossip));
    report_add_number(
            object, "max_remote_bytes", n->options.gossip.remote_max_bytes);
    return object;
}

static struct json_object *loop_info(const struct node *n)
{
    struct json_object *object = json_object_new_object();

    report_add_number(object, "longest_turn_us", n->loop.longest_turn_us);
    report_add_number(object, "latest_round_ms",
            gossip_counters(&n->gossip)->latest_round_ms);
    return object;
}

/* null while nobody is active. */
static struct json_object *leader_of(const struct node *n)
{
    uint64_t leader = checkpoint_leader(&n->checkpoint);

    return leader == 0 ? NULL : report_digits(leader);
}

char *report_info(const struct node *n)
{
    const struct gossip_member *self = gossip_self(&n->gossip);
    struct json_object *object = json_object_new_object();

    report_add_digits(object, "id", n->options.id);
    report_add(object, "gossip_id", report_text(self->id.node_id));
    report_add_text(object, "name", n->options.name);
    report_add_text(object, "cluster", n->options.cluster);
    report_add_digits(object, "generation", n->options.generation);
    report_add_text(object, "version", n->options.version);
    report_add_text(object, "state", node_state_name(n->state));
    report_add_number(object, "uptime_ms", n->now_ms - n->started_ms);
    report_add(object, "leader", leader_of(n));
    report_add(object, "gossip", gossip_info(n));
    report_add(object, "shuffle", shuffle_section(n));
    report_add(object, "stages", stages_info(n));
    report_add(object, "checkpoint", report_checkpoint(n));
    report_add(object, "memory", memory_info(n));
    report_add(object, "loop", loop_info(n));
    return report_finish(object);
}
