/* The ledger: what became of the latest attempts, and how long each step took.
 *
 * Every node keeps its last CHECKPOINT_LEDGER_MAX, of those that it led or had
 * a part in. `weft info --checkpoints` prints it, and the sentence about an
 * abort is made from it. An entry is born when its Prepare is seen and filled
 * in as it goes on; times are microseconds since then, the decision and
 * what only a leader can know stay unset on the others.
 *
 * Steps: prepared (0) → marked → aligned → written → acked → decided → known. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shuffle/shuffle_wire.h"

enum {
    CHECKPOINT_LEDGER_MAX = 64,
    CHECKPOINT_REASON_BYTES = 512,
    CHECKPOINT_NAMED_MAX = 64, /* members that an entry names one by one */
    CHECKPOINT_FAILED_MAX = 8, /* epochs that are told of a sick member */
};

enum checkpoint_step {
    CHECKPOINT_MARKED,
    CHECKPOINT_ALIGNED,
    CHECKPOINT_WRITTEN,
    CHECKPOINT_ACKED,
    CHECKPOINT_DECIDED, /* by its leader: here, if it is us */
    CHECKPOINT_KNOWN, /* the outcome, here */
    CHECKPOINT_STEPS,
};

/* A name for the step, as JSON has it: "marked". */
const char *checkpoint_step_name(enum checkpoint_step step);

struct checkpoint_entry {
    uint64_t leader;
    uint64_t generation;
    uint64_t epoch;
    uint64_t attempt;
    bool is_laminar; /* LaminarDB leads: `attempt` is its entry's version */
    uint64_t checkpoint_id;
    bool is_running; /* `outcome` is not set yet */
    enum shuffle_outcome_code outcome;
    char reason[CHECKPOINT_REASON_BYTES]; /* empty when committed */
    uint64_t missing[CHECKPOINT_NAMED_MAX]; /* whom it was lost to */
    size_t missing_count;
    uint64_t members[CHECKPOINT_NAMED_MAX]; /* the first of them */
    size_t members_count; /* all of them: may be above the bound */
    uint64_t parked_bytes; /* behind our MARKs, at the most */
    uint64_t last; /* who acked last, as the leader saw it; 0 = unknown */
    uint64_t prepared_us; /* the clock when Prepare was seen */
    bool has_step[CHECKPOINT_STEPS];
    uint64_t step_us[CHECKPOINT_STEPS]; /* since then */
};

struct checkpoint_ledger {
    struct checkpoint_entry entries[CHECKPOINT_LEDGER_MAX]; /* a ring */
    size_t next;
    size_t count;
};

/* A new entry, which replaces the oldest. */
struct checkpoint_entry *checkpoint_ledger_begin(
        struct checkpoint_ledger *ledger, uint64_t now_us);

/* Entry by age: 0 is the latest. */
const struct checkpoint_entry *checkpoint_ledger_at(
        const struct checkpoint_ledger *ledger, size_t age);

/* The entry of that attempt, or NULL; of attempt 0, the latest with the rest. */
struct checkpoint_entry *checkpoint_ledger_find(
        struct checkpoint_ledger *ledger, uint64_t leader, uint64_t generation,
        uint64_t epoch, uint64_t attempt);

/* Notes the step, once. */
void checkpoint_ledger_step(struct checkpoint_entry *entry,
        enum checkpoint_step step, uint64_t now_us);
