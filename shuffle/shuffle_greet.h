/* Do two Weft nodes fit together? What GREET and WELCOME say, and the reason
 * to refuse (docs/wire.md, "Greeting between Weft nodes"). */
#pragma once

#include "shuffle/shuffle_reason.h"
#include "shuffle/shuffle_wire.h"

/* What a node says of itself. */
struct shuffle_greet_self {
    uint64_t id;
    uint64_t generation;
    uint32_t vnodes;
    const char *cluster; /* at most 255 bytes */
};

/* Our greeting to a peer; `peer_generation` is as believed, 0 = unknown. */
struct shuffle_wire_greet shuffle_greet_make(
        const struct shuffle_greet_self *self, uint64_t peer_id,
        uint64_t peer_generation);

/* Judges theirs. `peer_id` is who they must be: Hello's id for the acceptor,
 * the one that was wanted for the connector. An older generation than the one
 * we know is refused; a newer one is news. SHUFFLE_REASON_NONE when they fit,
 * else a sentence in `text`, which begins with the reason's word. */
enum shuffle_reason shuffle_greet_judge(const struct shuffle_greet_self *self,
        const struct shuffle_wire_greet *greet, uint64_t peer_id,
        uint64_t peer_generation, char *text, size_t text_size);
