/* Chance that replays: xoshiro256** (Blackman and Vigna, 2018), seeded by
 * splitmix64. The same seed gives the same numbers on every machine. Not for
 * secrets. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct prng {
    uint64_t state[4];
};

void prng_init(struct prng *p, uint64_t seed);

uint64_t prng_u64(struct prng *p);

/* Uniform in 0 … bound-1, without bias; `bound` is at least 1. */
uint64_t prng_below(struct prng *p, uint64_t bound);

/* Uniform in [0, 1), 53 bits of it. */
double prng_unit(struct prng *p);
