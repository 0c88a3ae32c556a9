#include "base/hash.h"

#include <xxhash.h>

uint64_t hash_xxh3(struct bytes b)
{
    return XXH3_64bits(b.data, b.size);
}
