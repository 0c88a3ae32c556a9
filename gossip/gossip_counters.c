#include "gossip/gossip_counters.h"

#include <assert.h>
#include <stdbool.h>

const char *gossip_refusal_name(enum gossip_refusal why)
{
    switch (why) {
    case GOSSIP_REFUSED_FOREIGN_CLUSTER:
        return "foreign_cluster";
    case GOSSIP_REFUSED_BAD_CLUSTER:
        return "bad_cluster";
    case GOSSIP_REFUSED_MEMBERS_FULL:
        return "members_full";
    case GOSSIP_REFUSED_REMOTE_FULL:
        return "remote_full";
    case GOSSIP_REFUSED_ABOUT_SELF:
        return "about_self";
    case GOSSIP_REFUSED_GHOST:
        return "ghost";
    case GOSSIP_REFUSED_UNSENT:
        return "unsent";
    case GOSSIP_REFUSED_COUNT:
        break;
    }
    assert(false);
    return "";
}
