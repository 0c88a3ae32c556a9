/* Who we know: the questions of gossip.h, and their answers. */
#include <assert.h>

#include "gossip/gossip.h"

size_t gossip_member_count(const struct gossip *g)
{
    return g->members.count;
}

const struct gossip_member *gossip_member_at(const struct gossip *g, size_t i)
{
    assert(i < g->members.count);
    return g->members.list[i];
}

const struct gossip_member *gossip_self(const struct gossip *g)
{
    return g->self;
}

const struct gossip_member *gossip_find(
        const struct gossip *g, const struct gossip_id *id)
{
    return gossip_members_find(&g->members, id);
}

const struct gossip_member *gossip_newest(
        const struct gossip *g, struct bytes name)
{
    return gossip_members_newest(&g->members, name);
}

enum gossip_version gossip_version_for(
        const struct gossip *g, const struct gossip_member *m)
{
    return gossip_versions_next(&g->versions, &m->id.addr, g->now_ms);
}

size_t gossip_live_count(const struct gossip *g)
{
    size_t count = 0;

    for (size_t i = 0; i < g->members.count; i++) {
        count += g->members.list[i]->is_live ? 1 : 0;
    }
    return count;
}

size_t gossip_dead_count(const struct gossip *g)
{
    size_t count = 0;

    for (size_t i = 0; i < g->members.count; i++) {
        count += g->members.list[i]->is_dead ? 1 : 0;
    }
    return count;
}

size_t gossip_remote_bytes(const struct gossip *g)
{
    return g->remote_budget.used_bytes;
}

const struct gossip_counters *gossip_counters(const struct gossip *g)
{
    return &g->counters;
}
