/* The sentence about what went wrong, made of clauses: "node 2 is not done:
 * stage words, 41 KiB unread; no word from nodes 3 and 4".
 *
 * A sentence that does not fit in CHECKPOINT_REASON_BYTES ends with "...". */
#pragma once

#include "node/checkpoint_ledger.h"

/* Puts a clause behind what stands there. */
void checkpoint_reason_add(char reason[static CHECKPOINT_REASON_BYTES],
        const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "no word from" and the nodes, as a clause; up to eight of them by name. */
void checkpoint_reason_add_nodes(char reason[static CHECKPOINT_REASON_BYTES],
        const char *words, const uint64_t *ids, size_t count);

/* What a record says, as text: what is not printable or not UTF-8 is left
 * out. */
void checkpoint_reason_copy(
        char reason[static CHECKPOINT_REASON_BYTES], struct bytes text);
