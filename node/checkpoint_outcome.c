#include "node/checkpoint_inner.h"

enum {
    ASKED_MAX = 4, /* unknown outcomes that are asked for at a time */
};

bool checkpoint_decided(struct checkpoint *c, uint64_t leader,
        uint64_t generation, uint64_t epoch, bool is_committed)
{
    const struct checkpoint_decision decision = {
            .leader = leader,
            .generation = generation,
            .epoch = epoch,
            .is_committed = is_committed,
    };

    if (checkpoint_decisions_put(&c->decisions, &decision) !=
            CHECKPOINT_DECISIONS_OTHER) {
        return true;
    }
    c->contradictions++;
    checkpoint_log(c, true,
            "epoch %" PRIu64 " of leader %" PRIu64
            " is said to be %s, and was %s",
            epoch, leader, is_committed ? "committed" : "aborted",
            is_committed ? "aborted" : "committed");
    return false;
}

/* --- learning --- */

/* Hearsay says that it was committed, not where its stages are placed now. The
 * leader's own record does; unless it is lost, that one is waited for. */
static bool lacks_places(const struct checkpoint *c, uint64_t from,
        const struct control_announcement *a)
{
    return a->phase == CONTROL_COMMIT && a->places_count == 0 &&
           from != a->leader && c->part.attempt.rotate_count > 0 &&
           c->part.state == CHECKPOINT_PART_ACKED;
}

/* The leader's own words about an attempt that we have given up ourselves. */
static void refine(
        struct checkpoint_entry *entry, const struct control_announcement *a)
{
    if (entry->outcome != SHUFFLE_OUTCOME_ABORTED ||
            a->phase != CONTROL_ABORT || a->reason.size == 0) {
        return;
    }
    checkpoint_reason_copy(entry->reason, a->reason);
    entry->missing_count = 0;
    for (size_t i = 0; i < a->missing_count && i < CHECKPOINT_NAMED_MAX; i++) {
        entry->missing[entry->missing_count++] = a->missing[i];
    }
}

static void apply(struct checkpoint *c, uint64_t now_us, uint64_t from,
        const struct control_announcement *a, struct checkpoint_entry *entry)
{
    enum shuffle_outcome_code code = a->phase == CONTROL_COMMIT
                                             ? SHUFFLE_OUTCOME_COMMITTED
                                             : SHUFFLE_OUTCOME_ABORTED;

    if (entry->is_running) {
        checkpoint_part_end(c, now_us, code, a);
    } else if (entry->outcome == SHUFFLE_OUTCOME_UNKNOWN) {
        checkpoint_learn_late(c, now_us, entry, entry->checkpoint_id, code, a);
    } else if (from == a->leader) {
        refine(entry, a);
    }
}

static bool is_ours(
        const struct checkpoint *c, const struct control_announcement *a)
{
    return a->leader == c->options.id && a->generation == c->options.generation;
}

void checkpoint_learn(struct checkpoint *c, uint64_t now_us, uint64_t from,
        const struct control_announcement *a)
{
    struct checkpoint_entry *entry = checkpoint_ledger_find(
            &c->ledger, a->leader, a->generation, a->epoch, 0);
    bool is_running = entry != NULL && entry->is_running;

    if (is_ours(c, a) && checkpoint_decisions_find(&c->decisions, a->leader,
                                 a->generation, a->epoch) == NULL) {
        return; /* that is ours to decide */
    }
    if (is_running && lacks_places(c, from, a)) {
        return;
    }
    if (checkpoint_decided(c, a->leader, a->generation, a->epoch,
                a->phase == CONTROL_COMMIT) &&
            entry != NULL && !entry->is_laminar) {
        apply(c, now_us, from, a, entry);
    }
}

void checkpoint_learn_from_ack(struct checkpoint *c, uint64_t now_us,
        uint64_t from, const struct control_ack *ack)
{
    const struct checkpoint_ledger *ledger = &c->ledger;
    struct control_announcement word = {
            .epoch = ack->epoch,
            .checkpoint_id = ack->checkpoint_id,
            .phase = ack->outcome == CONTROL_COMMITTED ? CONTROL_COMMIT
                                                       : CONTROL_ABORT,
            .is_weft = true,
            .leader = ack->leader,
            .attempt = ack->attempt,
    };

    if (ack->outcome == CONTROL_UNDECIDED) {
        return;
    }
    for (size_t age = 0; age < ledger->count; age++) {
        const struct checkpoint_entry *entry =
                checkpoint_ledger_at(ledger, age);

        if (entry->epoch == ack->epoch && entry->leader == ack->leader &&
                entry->attempt == ack->attempt && !entry->is_laminar &&
                entry->checkpoint_id == ack->checkpoint_id) {
            word.generation = entry->generation;
            checkpoint_learn(c, now_us, from, &word);
            return;
        }
    }
}

/* --- asking --- */

/* LaminarDB leaders use epochs again: of theirs nobody else can tell. */
static bool is_unknown(const struct checkpoint_entry *entry)
{
    return !entry->is_running && !entry->is_laminar &&
           entry->outcome == SHUFFLE_OUTCOME_UNKNOWN;
}

bool checkpoint_has_unknown(const struct checkpoint *c)
{
    for (size_t age = 0; age < c->ledger.count; age++) {
        if (is_unknown(checkpoint_ledger_at(&c->ledger, age))) {
            return true;
        }
    }
    return false;
}

void checkpoint_ask(struct checkpoint *c, uint64_t now_us)
{
    size_t asked = 0;

    for (size_t age = 0; age < c->ledger.count && asked < ASKED_MAX; age++) {
        const struct checkpoint_entry *entry =
                checkpoint_ledger_at(&c->ledger, age);

        if (is_unknown(entry)) {
            asked++;
            checkpoint_send_all(
                    c, &(struct control_request){.why = CONTROL_WHY_OUTCOME,
                               .leader = entry->leader,
                               .generation = entry->generation,
                               .epoch = entry->epoch});
        }
    }
    c->ask_due_us = now_us + checkpoint_us(CHECKPOINT_PROBE_MS);
}

/* Of our earlier lives, whose commits were all on disk before anybody heard of
 * them: what is not there was not committed. That is so only for lives that had
 * this disk: those before the one it knows may have had another, which is gone.
 * A ring that is full may have forgotten the oldest. */
static bool is_presumed_aborted(
        const struct checkpoint *c, const struct control_request *request)
{
    const struct checkpoint_decisions *d = &c->decisions;

    if (!c->options.keeps || c->is_keeping ||
            request->leader != c->options.id ||
            c->options.earlier_generation == 0 ||
            request->generation < c->options.earlier_generation ||
            request->generation >= c->options.generation) {
        return false;
    }
    if (d->count < CHECKPOINT_DECISIONS_MAX) {
        return true;
    }
    for (size_t i = 0; i < d->count; i++) {
        if (d->ring[i].leader == c->options.id &&
                d->ring[i].epoch < request->epoch) {
            return true;
        }
    }
    return false;
}

void checkpoint_answer_outcome(struct checkpoint *c, uint64_t from,
        const struct control_request *request)
{
    const struct checkpoint_decision *known =
            checkpoint_decisions_find(&c->decisions, request->leader,
                    request->generation, request->epoch);
    const struct checkpoint_decision *latest = &c->lead.outcome;
    const struct control_announcement word = {
            .epoch = request->epoch,
            .checkpoint_id = checkpoint_attempt_id(
                    request->leader, request->generation, request->epoch),
            .phase = known != NULL && known->is_committed ? CONTROL_COMMIT
                                                          : CONTROL_ABORT,
            .is_weft = true,
            .leader = request->leader,
            .generation = request->generation,
            .attempt = 1,
    };

    if (known == NULL && !is_presumed_aborted(c, request)) {
        return;
    }
    if (c->lead.outcome_text != NULL && latest->leader == request->leader &&
            latest->generation == request->generation &&
            latest->epoch == request->epoch) {
        checkpoint_send(
                c, from, SHUFFLE_CONTROL_ANNOUNCEMENT, c->lead.outcome_text);
    } else if (control_write_announcement(
                       &word, c->text, CHECKPOINT_TEXT_BYTES) == 0) {
        checkpoint_send(c, from, SHUFFLE_CONTROL_ANNOUNCEMENT, c->text);
    }
}
