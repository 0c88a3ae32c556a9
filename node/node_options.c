#include "node/node_options.h"

enum {
    POOL_RESERVE_BYTES = 8 * 1024 * 1024, /* for small frames of peers */
};

static enum gossip_protocol protocol_of(enum conf_protocol protocol)
{
    switch (protocol) {
    case CONF_PROTOCOL_V0:
        return GOSSIP_PROTOCOL_V0;
    case CONF_PROTOCOL_V1:
        return GOSSIP_PROTOCOL_V1;
    case CONF_PROTOCOL_AUTO:
        break;
    }
    return GOSSIP_PROTOCOL_AUTO;
}

static struct gossip_options gossip_of(const struct conf *conf)
{
    struct gossip_options o = gossip_options_default(conf->gossip.interval_ms);

    o.protocol = protocol_of(conf->gossip.protocol);
    o.fanout = conf->gossip.fanout;
    o.phi.threshold = conf->gossip.phi;
    o.phi.min_mean_ms = (uint32_t)conf->gossip.min_mean_ms;
    o.dead_grace_ms = conf->gossip.dead_grace_ms;
    o.tombstone_grace_ms = conf->gossip.tombstone_grace_ms;
    o.members_max = conf->gossip.members_max;
    o.value_max_bytes = conf->kv.max_value_bytes;
    o.node_state_max_bytes = conf->kv.max_node_state_bytes;
    o.remote_max_bytes = conf->kv.max_remote_bytes;
    return o;
}

static struct shuffle_pool_options pool_of(const struct conf *conf)
{
    struct shuffle_pool_options o = shuffle_pool_defaults();

    o.vnodes = (uint32_t)conf->shuffle.vnodes;
    o.max_frame_bytes = conf->shuffle.max_frame_bytes;
    o.reserve_bytes = POOL_RESERVE_BYTES;
    o.connect_timeout_ms = conf->shuffle.connect_timeout_ms;
    o.peer_timeout_ms = conf->shuffle.peer_timeout_ms;
    o.reconnect_min_ms = conf->shuffle.reconnect_min_ms;
    o.reconnect_max_ms = conf->shuffle.reconnect_max_ms;
    return o;
}

static struct shuffle_streams_options streams_of(const struct conf *conf)
{
    struct shuffle_streams_options o = shuffle_streams_defaults();

    o.vnodes = (uint32_t)conf->shuffle.vnodes;
    o.window_bytes = conf->shuffle.window_bytes;
    o.max_frame_bytes = conf->shuffle.max_frame_bytes;
    o.connect_timeout_ms = conf->shuffle.connect_timeout_ms;
    o.align_timeout_ms = conf->checkpoint.align_timeout_ms;
    return o;
}

static struct checkpoint_options checkpoint_of(const struct conf *conf)
{
    struct checkpoint_options o = checkpoint_defaults();

    o.interval_ms = conf->checkpoint.interval_ms;
    o.align_timeout_ms = conf->checkpoint.align_timeout_ms;
    o.patience = (uint32_t)conf->checkpoint.patience;
    o.expect = (uint32_t)conf->checkpoint.expect;
    return o;
}

struct node_options node_options_of(const struct conf *conf)
{
    return (struct node_options){
            .cluster = conf->cluster.name,
            .has_seeds = conf->cluster.seed.count > 0,
            .gossip = gossip_of(conf),
            .pool = pool_of(conf),
            .streams = streams_of(conf),
            .checkpoint = checkpoint_of(conf),
            .memory_budget_bytes = conf->shuffle.memory_budget_bytes,
    };
}
