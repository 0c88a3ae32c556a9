#include "node/report_json.h"

#include <stdio.h>

#include <json-c/json.h>

#include "node/report_inner.h"

static const char *outcome_name(enum shuffle_outcome_code outcome)
{
    switch (outcome) {
    case SHUFFLE_OUTCOME_COMMITTED:
        return "committed";
    case SHUFFLE_OUTCOME_ABORTED:
        return "aborted";
    case SHUFFLE_OUTCOME_UNKNOWN:
        return "unknown";
    }
    return "unknown";
}

/* Null while it runs. */
static void add_outcome(struct json_object *object, const char *name,
        const struct checkpoint_entry *entry)
{
    report_add(object, name,
            entry->is_running
                    ? NULL
                    : json_object_new_string(outcome_name(entry->outcome)));
}

/* Null for what there is none of, or nobody knows. */
static void add_text_or_null(
        struct json_object *object, const char *name, const char *text)
{
    report_add(object, name,
            text[0] == '\0' ? NULL : report_text(bytes_text(text)));
}

static struct json_object *ids_of(const uint64_t *ids, size_t count)
{
    struct json_object *array = json_object_new_array();

    for (size_t i = 0; i < count; i++) {
        (void)json_object_array_add(array, report_digits(ids[i]));
    }
    return array;
}

/* Those that an entry names. */
static struct json_object *members_of(const struct checkpoint_entry *entry)
{
    size_t named = entry->members_count < CHECKPOINT_NAMED_MAX
                           ? entry->members_count
                           : CHECKPOINT_NAMED_MAX;

    return ids_of(entry->members, named);
}

/* From Prepare to the outcome; null while there is none. */
static void add_duration(struct json_object *object, const char *name,
        const struct checkpoint_entry *entry)
{
    report_add(object, name,
            entry->has_step[CHECKPOINT_KNOWN]
                    ? json_object_new_uint64(entry->step_us[CHECKPOINT_KNOWN])
                    : NULL);
}

char *report_barrier(const struct checkpoint_entry *entry)
{
    struct json_object *object = json_object_new_object();

    report_add_digits(object, "checkpoint_id", entry->checkpoint_id);
    report_add_digits(object, "epoch", entry->epoch);
    add_outcome(object, "outcome", entry);
    add_text_or_null(object, "reason", entry->reason);
    report_add(object, "missing", ids_of(entry->missing, entry->missing_count));
    report_add(object, "participants", members_of(entry));
    report_add_number(object, "participants_count", entry->members_count);
    report_add_digits(object, "leader", entry->leader);
    add_duration(object, "duration_us", entry);
    return report_finish(object);
}

/* --- the ledger --- */

static void add_steps(
        struct json_object *object, const struct checkpoint_entry *entry)
{
    for (int i = 0; i < CHECKPOINT_STEPS; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "%s_us",
                checkpoint_step_name((enum checkpoint_step)i));
        report_add(object, name,
                entry->has_step[i] ? json_object_new_uint64(entry->step_us[i])
                                   : NULL);
    }
}

static struct json_object *entry_of(
        const struct node *n, const struct checkpoint_entry *entry)
{
    struct json_object *object = json_object_new_object();
    uint64_t prepared_ms = entry->prepared_us / 1000;

    report_add_digits(object, "epoch", entry->epoch);
    report_add_digits(object, "checkpoint_id", entry->checkpoint_id);
    report_add_digits(object, "leader", entry->leader);
    report_add_digits(object, "generation", entry->generation);
    report_add_digits(object, "attempt", entry->attempt);
    report_add_text(object, "dialect", entry->is_laminar ? "laminar" : "weft");
    add_outcome(object, "outcome", entry);
    add_text_or_null(object, "reason", entry->reason);
    report_add(object, "missing", ids_of(entry->missing, entry->missing_count));
    report_add(object, "participants", members_of(entry));
    report_add_number(object, "participants_count", entry->members_count);
    report_add_number(object, "parked_bytes", entry->parked_bytes);
    report_add(object, "last_acked",
            entry->last == 0 ? NULL : report_digits(entry->last));
    report_add_number(object, "age_ms",
            n->now_ms > prepared_ms ? n->now_ms - prepared_ms : 0);
    add_steps(object, entry);
    return object;
}

char *report_checkpoints(const struct node *n)
{
    const struct checkpoint_ledger *ledger = checkpoint_ledger(&n->checkpoint);
    struct json_object *array = json_object_new_array();

    for (size_t age = 0; age < ledger->count; age++) {
        (void)json_object_array_add(
                array, entry_of(n, checkpoint_ledger_at(ledger, age)));
    }
    return report_finish(array);
}

/* --- of `info` --- */

/* NULL before the first one has ended. */
static const struct checkpoint_entry *latest_ended(
        const struct checkpoint_ledger *ledger)
{
    for (size_t age = 0; age < ledger->count; age++) {
        const struct checkpoint_entry *entry =
                checkpoint_ledger_at(ledger, age);

        if (!entry->is_running) {
            return entry;
        }
    }
    return NULL;
}

static void add_latest(
        struct json_object *object, const struct checkpoint_entry *entry)
{
    if (entry == NULL) {
        report_add(object, "epoch", NULL);
        report_add(object, "checkpoint_id", NULL);
        report_add(object, "leader", NULL);
        report_add(object, "last_outcome", NULL);
        report_add(object, "last_duration_us", NULL);
        return;
    }
    report_add_digits(object, "epoch", entry->epoch);
    report_add_digits(object, "checkpoint_id", entry->checkpoint_id);
    report_add_digits(object, "leader", entry->leader);
    add_outcome(object, "last_outcome", entry);
    add_duration(object, "last_duration_us", entry);
}

static struct json_object *suspended_of(const struct node *n)
{
    struct json_object *array = json_object_new_array();
    uint64_t last = 0;

    for (size_t i = 0; i < gossip_member_count(&n->gossip); i++) {
        uint64_t id;

        if (gossip_member_node_id(gossip_member_at(&n->gossip, i), &id) &&
                id != last && id != n->options.id &&
                checkpoint_health(&n->checkpoint, id).is_suspended) {
            (void)json_object_array_add(array, report_digits(id));
            last = id; /* generations of a name stand side by side */
        }
    }
    return array;
}

static struct json_object *dropped_of(const struct node *n)
{
    struct json_object *object = json_object_new_object();

    report_add_number(object, "record", n->control_refused);
    report_add_number(object, "contradicting", n->checkpoint.contradictions);
    report_add_number(object, "unannounced", n->streams.cuts.let_go);
    return object;
}

struct json_object *report_checkpoint(const struct node *n)
{
    struct control_watermark watermark =
            checkpoint_cluster_watermark(&n->checkpoint);
    struct json_object *object = json_object_new_object();

    add_latest(object, latest_ended(checkpoint_ledger(&n->checkpoint)));
    report_add_flag(object, "running", checkpoint_is_running(&n->checkpoint));
    report_add(object, "watermark_ms",
            watermark.is_set ? json_object_new_int64(watermark.ms) : NULL);
    report_add(object, "suspended", suspended_of(n));
    report_add(object, "dropped", dropped_of(n));
    return object;
}

/* --- of `members` --- */

void report_add_checkpoint_health(struct json_object *member,
        const struct node *n, const struct gossip_member *m)
{
    struct checkpoint_health health = {.is_suspended = false};
    uint64_t id;

    if (!m->is_self && gossip_member_node_id(m, &id)) {
        health = checkpoint_health(&n->checkpoint, id);
    }
    report_add_flag(member, "suspended", health.is_suspended);
    report_add(member, "failed_epochs",
            ids_of(health.epochs, health.epochs_count));
}
