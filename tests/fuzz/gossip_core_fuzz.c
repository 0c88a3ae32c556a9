/* Any datagrams, one after another, into a whole gossip core.
 *
 * The input is a row of datagrams, each behind its length (u16 LE); the core
 * keeps its state from one to the next, and time goes on by a second each.
 * After every one all its actions are fetched and its invariants checked. */
#include <stdlib.h>

#include "base/reader.h"
#include "gossip/gossip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whoever sends the datagrams is its seed, so it asks in return. */
static struct gossip *new_core(const struct addr *seed)
{
    struct gossip *g = malloc(sizeof(*g));
    struct gossip_options o = gossip_options_default(500);

    o.cluster = bytes_text("weft");
    o.self = (struct gossip_id){.node_id = bytes_text("node-1"),
            .generation = 1767225600000,
            .addr = addr_ipv4(10, 0, 0, 1, 7946)};
    o.members_max = 64;
    o.remote_max_bytes = 1 << 20;
    if (g == NULL || gossip_init(g, &o, 0, NULL) != 0 ||
            gossip_set(g, bytes_text("key"), bytes_text("value"), NULL) != 0) {
        abort();
    }
    gossip_seeds(g, seed, 1);
    return g;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct addr from = addr_ipv4(10, 0, 0, 2, 7946);
    struct reader r = reader_of(bytes_of(data, size));
    struct gossip *g = new_core(&from);
    struct gossip_action action;
    uint64_t now_ms = 0;

    while (r.rest.size > 0) {
        struct bytes datagram = reader_string16(&r);

        now_ms += 1000;
        gossip_receive(g, now_ms, &from, datagram);
        gossip_tick(g, now_ms);
        while (gossip_next(g, &action)) {
            /* nobody performs them */
        }
        gossip_check(g);
        if (r.failed) {
            break;
        }
    }
    gossip_close(g);
    free(g);
    return 0;
}
