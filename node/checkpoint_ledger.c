#include "node/checkpoint_ledger.h"

#include <assert.h>

const char *checkpoint_step_name(enum checkpoint_step step)
{
    static const char *const names[CHECKPOINT_STEPS] = {
            [CHECKPOINT_MARKED] = "marked",
            [CHECKPOINT_ALIGNED] = "aligned",
            [CHECKPOINT_WRITTEN] = "written",
            [CHECKPOINT_ACKED] = "acked",
            [CHECKPOINT_DECIDED] = "decided",
            [CHECKPOINT_KNOWN] = "known",
    };

    assert(step < CHECKPOINT_STEPS);
    return names[step];
}

struct checkpoint_entry *checkpoint_ledger_begin(
        struct checkpoint_ledger *ledger, uint64_t now_us)
{
    struct checkpoint_entry *entry = &ledger->entries[ledger->next];

    *entry = (struct checkpoint_entry){
            .is_running = true,
            .prepared_us = now_us,
    };
    ledger->next = (ledger->next + 1) % CHECKPOINT_LEDGER_MAX;
    if (ledger->count < CHECKPOINT_LEDGER_MAX) {
        ledger->count++;
    }
    return entry;
}

static size_t index_of(const struct checkpoint_ledger *ledger, size_t age)
{
    return (ledger->next + CHECKPOINT_LEDGER_MAX - 1 - age) %
           CHECKPOINT_LEDGER_MAX;
}

const struct checkpoint_entry *checkpoint_ledger_at(
        const struct checkpoint_ledger *ledger, size_t age)
{
    assert(age < ledger->count);
    return &ledger->entries[index_of(ledger, age)];
}

struct checkpoint_entry *checkpoint_ledger_find(
        struct checkpoint_ledger *ledger, uint64_t leader, uint64_t generation,
        uint64_t epoch, uint64_t attempt)
{
    for (size_t age = 0; age < ledger->count; age++) {
        struct checkpoint_entry *entry =
                &ledger->entries[index_of(ledger, age)];

        if (entry->epoch == epoch && entry->leader == leader &&
                entry->generation == generation &&
                (attempt == 0 || entry->attempt == attempt)) {
            return entry;
        }
    }
    return NULL;
}

void checkpoint_ledger_step(struct checkpoint_entry *entry,
        enum checkpoint_step step, uint64_t now_us)
{
    assert(step < CHECKPOINT_STEPS);
    if (!entry->has_step[step]) {
        entry->has_step[step] = true;
        entry->step_us[step] =
                now_us > entry->prepared_us ? now_us - entry->prepared_us : 0;
    }
}
