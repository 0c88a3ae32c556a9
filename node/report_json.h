/* What a node says of itself, as the JSON that scripts may rely on.
 *
 * Field names and types are a contract (weft.1, "OUTPUT"): ids, generations
 * and versions are strings of digits, for they use all 64 bits; what is absent
 * is null, never missing. Every report is one text in memory of its own, to be
 * freed with report_free. */
#pragma once

#include "node/node.h"

/* All members, by ascending node id, one row an id: the newest generation.
 * Those without a node id come last. */
char *report_members(const struct node *n);

char *report_info(const struct node *n);

char *report_health(const struct node *n);

/* How a checkpoint ended, for whoever asked for it. */
char *report_barrier(const struct checkpoint_entry *entry);

/* The ledger, the latest first. */
char *report_checkpoints(const struct node *n);

/* {"error": sentence} */
char *report_error(const char *sentence);

char *report_state(enum node_state state);

struct report_key {
    bool has_node; /* the owner has a node id */
    uint64_t node;
    struct bytes key;
    bool has_value; /* else it is deleted */
    struct bytes value;
    uint64_t version; /* 0: none is known */
};

char *report_key(const struct report_key *key);

/* Which keys to list, and of whom. */
struct report_keys_filter {
    struct bytes prefix;
    const struct gossip_member *owner; /* NULL: everybody's */
    bool dead; /* those of members that are not live as well */
};

char *report_keys(
        const struct node *n, const struct report_keys_filter *filter);

/* How each stream of a source ended. */
char *report_summary(const struct shuffle_summary_row *rows, size_t count);

void report_free(char *report);
