/* XXH3, 64 bits, seed 0: the one hash of the wire formats.
 *
 * It places keys on vnodes and vnodes on nodes (docs/wire.md, "Placement"),
 * so its values are part of the protocol. */
#pragma once

#include "base/bytes.h"

uint64_t hash_xxh3(struct bytes b);
