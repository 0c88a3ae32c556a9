#include "node/identity.h"

#include "base/hash.h"

uint64_t identity_id(const struct identity_facts *facts)
{
    uint64_t id;

    if (facts->configured_id != 0) {
        return facts->configured_id;
    }
    if (facts->kept_id != 0) {
        return facts->kept_id;
    }
    if (facts->remembers) {
        return facts->chance % UINT32_MAX + 1;
    }
    id = hash_xxh3(facts->name) & UINT32_MAX;
    return id == 0 ? 1 : id;
}

uint64_t identity_generation(uint64_t wall_clock_ms, uint64_t kept)
{
    return wall_clock_ms > kept ? wall_clock_ms : kept + 1;
}
