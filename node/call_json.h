/* The texts of CALLs (docs/wire.md, "The local socket").
 *
 * Each returns a NUL-terminated text that the caller frees. `node` is a node
 * id, 0 for the own one. */
#pragma once

#include "base/bytes.h"

char *call_plain(const char *command); /* a command without anything else */
char *call_members(uint64_t wait); /* 0: answer at once */
char *call_kv_get(const char *key, uint64_t node);
char *call_kv_set(const char *key, struct bytes value, bool ttl);
char *call_kv_del(const char *key);
char *call_kv_ls(const char *prefix, uint64_t node, bool all, bool dead);
char *call_kv_watch(const char *prefix);
