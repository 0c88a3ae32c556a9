#include "gossip/gossip_member.h"

#include "gossip/gossip_node_id.h"

bool gossip_member_is_live(const struct gossip_member *m)
{
    return m->is_self || m->is_live;
}

bool gossip_member_was_convicted(const struct gossip_member *m)
{
    return m->was_convicted;
}

/* Strictly more than half: at exactly half it is not scheduled yet. */
bool gossip_member_is_scheduled(
        const struct gossip_member *m, uint64_t now_ms, uint64_t dead_grace_ms)
{
    return m->is_dead && now_ms - m->dead_since_ms > dead_grace_ms / 2;
}

bool gossip_member_phi(
        const struct gossip_member *m, uint64_t now_ms, double *phi)
{
    if (!gossip_phi_is_defined(&m->phi)) {
        return false;
    }
    *phi = gossip_phi_at(&m->phi, now_ms);
    return true;
}

bool gossip_member_silence_ms(
        const struct gossip_member *m, uint64_t now_ms, uint64_t *silence_ms)
{
    if (!m->phi.has_news) {
        return false;
    }
    *silence_ms = now_ms - m->phi.last_news_ms;
    return true;
}

bool gossip_member_node_id(const struct gossip_member *m, uint64_t *node_id)
{
    return gossip_node_id_parse(m->id.node_id, node_id);
}
