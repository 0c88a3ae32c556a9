/* Our digest: a line about everybody we know, or about as many as fit.
 *
 * Members that are scheduled for removal are left out. When the lines do not
 * all fit into the message, we choose: ourselves, the receiver, the others that
 * are live, then the dead, each time starting somewhere else, so that in a few
 * rounds everybody has had a line. Only a line that would take a sixteenth of
 * the message is never chosen. A member that is left out looks unknown to the
 * receiver, who then offers all it has: wasteful, but correct. */
#pragma once

#include "gossip/gossip_encode.h"
#include "gossip/gossip_members.h"

struct gossip_census {
    const struct gossip_members *members;
    uint64_t now_ms;
    uint64_t dead_grace_ms;
    size_t budget_bytes; /* for the lines */
    struct addr to;
    size_t *rotation; /* where to start; kept by the caller between censuses */
};

/* Writes the digest of an encoder that has begun a Syn or SynAck. */
void gossip_census_write(
        const struct gossip_census *census, struct gossip_encoder *e);
