/* Who we are, before the first datagram.
 *
 * The id is what the operator wrote; else the one kept in data_dir; else, with
 * a data_dir, one drawn by chance from 1 … 2^32-1 (short enough to be typed);
 * else the low 32 bits of XXH3-64 of the name, so that a node without a memory
 * is the same node again. The generation grows at every start, whatever the
 * clock does. */
#pragma once

#include "base/bytes.h"

struct identity_facts {
    uint64_t configured_id; /* 0: none */
    uint64_t kept_id; /* 0: none */
    bool remembers; /* there is a data_dir */
    struct bytes name;
    uint64_t chance;
};

uint64_t identity_id(const struct identity_facts *facts);

/* max(wall clock, kept + 1). */
uint64_t identity_generation(uint64_t wall_clock_ms, uint64_t kept);
