/* The seam over gossip: node ids instead of members.
 *
 * `write` is gossip_set. `read_from` takes the newest generation of `node-<id>`
 * that is known, live or not; `scan` the newest live generation of each,
 * ourselves always included, in the order of the names. Members whose name is
 * no node id (gossip_node_id.h) do not appear. */
#pragma once

#include "gossip/gossip.h"
#include "kv/kv.h"

/* The core and the watches are borrowed. */
struct kv gossip_kv_seam(struct gossip *g, struct kv_watches *watches);

/* Makes a GOSSIP_KEY action a change for the watches, borrowed as the action
 * is. False for a member without a node id, and for a generation that is not
 * the newest of its name. */
bool gossip_kv_change(const struct gossip *g,
        const struct gossip_action *action, struct kv_change *change);
