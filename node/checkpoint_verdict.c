#include "node/checkpoint_inner.h"

#include <stdlib.h>
#include <string.h>

/* A record about our attempt, without what belongs to its phase. */
static struct control_announcement record_of(
        const struct checkpoint_attempt *attempt, enum control_phase phase)
{
    return (struct control_announcement){
            .epoch = attempt->epoch,
            .checkpoint_id = attempt->checkpoint_id,
            .phase = phase,
            .is_weft = true,
            .leader = attempt->leader,
            .generation = attempt->generation,
            .attempt = attempt->attempt,
    };
}

/* Whoever asks for our latest outcome gets the record itself. */
static void keep_outcome(
        struct checkpoint_lead *lead, const char *text, bool is_committed)
{
    size_t size = strlen(text) + 1;
    char *copy = realloc(lead->outcome_text, size);

    if (copy == NULL) {
        abort();
    }
    lead->outcome_text = memcpy(copy, text, size);
    lead->outcome = (struct checkpoint_decision){
            .leader = lead->attempt.leader,
            .generation = lead->attempt.generation,
            .epoch = lead->attempt.epoch,
            .is_committed = is_committed,
    };
}

void checkpoint_announce(struct checkpoint *c)
{
    const struct checkpoint_attempt *attempt = &c->lead.attempt;
    struct checkpoint_action action = {.type = CHECKPOINT_PUBLISH};
    size_t text_at = checkpoint_actions_keep_text(&c->actions, c->text);

    checkpoint_actions_push_kept(&c->actions, &action, text_at);
    action.type = CHECKPOINT_CONTROL;
    action.kind = SHUFFLE_CONTROL_ANNOUNCEMENT;
    for (size_t i = 0; i < c->peers_count; i++) {
        const struct checkpoint_peer *peer = &c->peers[i];
        bool hears = peer->told == attempt->epoch ||
                     checkpoint_attempt_lists(
                             attempt, peer->facts.id, peer->facts.generation);

        if (hears && peer->facts.live && peer->facts.speaks_weft) {
            action.peer = peer->facts.id;
            checkpoint_actions_push_kept(&c->actions, &action, text_at);
        }
    }
}

static void say_outcome(struct checkpoint *c,
        const struct control_announcement *record, bool is_committed)
{
    int code =
            control_write_announcement(record, c->text, CHECKPOINT_TEXT_BYTES);

    assert(code == 0);
    (void)code;
    keep_outcome(&c->lead, c->text, is_committed);
    checkpoint_announce(c);
}

static struct checkpoint_entry *entry_of(struct checkpoint *c)
{
    const struct checkpoint_attempt *attempt = &c->lead.attempt;

    return checkpoint_ledger_find(&c->ledger, attempt->leader,
            attempt->generation, attempt->epoch, attempt->attempt);
}

/* --- commit --- */

static struct control_announcement commit_record(
        const struct checkpoint_lead *lead,
        const struct checkpoint_places *places)
{
    struct control_announcement record =
            record_of(&lead->attempt, CONTROL_COMMIT);

    record.min_watermark = lead->watermark;
    record.places = places->list;
    record.places_count = places->count;
    return record;
}

/* How many of the stages can be placed anew in one record; the others go on as
 * before. To be known before the decision, for after it nothing may fail. */
static size_t places_that_fit(struct checkpoint *c)
{
    size_t stages = c->lead.attempt.rotate_count;

    for (;;) {
        struct checkpoint_places places =
                checkpoint_place_build(&c->lead, stages);
        struct control_announcement record = commit_record(&c->lead, &places);
        int code = control_write_announcement(
                &record, c->text, CHECKPOINT_TEXT_BYTES);

        checkpoint_place_free(&places);
        if (code == 0) {
            return stages;
        }
        assert(stages > 0);
        stages--;
    }
}

static void commit(struct checkpoint *c, uint64_t now_us)
{
    struct checkpoint_lead *lead = &c->lead;
    const struct checkpoint_attempt *attempt = &lead->attempt;
    struct checkpoint_places places =
            checkpoint_place_build(lead, lead->places_max);
    struct control_announcement record = commit_record(lead, &places);
    bool is_new = checkpoint_decided(
            c, attempt->leader, attempt->generation, attempt->epoch, true);

    assert(is_new);
    (void)is_new;
    lead->state = CHECKPOINT_LEAD_IDLE;
    say_outcome(c, &record, true);
    checkpoint_raise_watermark(c, &lead->watermark);
    for (size_t i = 0; i < attempt->members_count; i++) {
        checkpoint_count_well(c, attempt->members[i]);
    }
    checkpoint_part_end(c, now_us, SHUFFLE_OUTCOME_COMMITTED, &record);
    if (lead->is_drain) {
        checkpoint_drain_ended(c, true);
    }
    checkpoint_place_free(&places);
}

static void keep(struct checkpoint *c, bool is_committed)
{
    const struct checkpoint_attempt *attempt = &c->lead.attempt;

    c->is_keeping = true;
    c->keeping = (struct checkpoint_decision){
            .leader = attempt->leader,
            .generation = attempt->generation,
            .epoch = attempt->epoch,
            .is_committed = is_committed,
    };
    checkpoint_actions_push(
            &c->actions, &(struct checkpoint_action){
                                 .type = CHECKPOINT_KEEP, .kept = c->keeping});
}

void checkpoint_lead_decide(struct checkpoint *c, uint64_t now_us)
{
    assert(c->lead.state == CHECKPOINT_LEAD_WAITING);
    assert(c->lead.oks == c->lead.attempt.members_count);
    c->lead.places_max = places_that_fit(c);
    checkpoint_ledger_step(entry_of(c), CHECKPOINT_DECIDED, now_us);
    if (c->options.keeps) {
        c->lead.state = CHECKPOINT_LEAD_KEEPING;
        keep(c, true);
        return;
    }
    commit(c, now_us);
}

/* --- abort --- */

/* Who has acked is well; to whom it was lost is less so, if that very life of
 * it is still live. */
static void count_health(struct checkpoint *c, uint64_t now_us,
        const uint64_t *missing, size_t missing_count)
{
    const struct checkpoint_attempt *attempt = &c->lead.attempt;

    for (size_t i = 0; i < attempt->members_count; i++) {
        if (c->lead.words[i] == CHECKPOINT_OK) {
            checkpoint_count_well(c, attempt->members[i]);
        }
    }
    for (size_t i = 0; i < missing_count; i++) {
        const struct checkpoint_peer *peer = checkpoint_find(c, missing[i]);

        if (peer != NULL && peer->facts.live &&
                checkpoint_attempt_lists(
                        attempt, missing[i], peer->facts.generation)) {
            checkpoint_count_lost(c, now_us, missing[i], attempt->epoch);
        }
    }
}

static void end_aborted(struct checkpoint *c, uint64_t now_us,
        const char *reason, const uint64_t *missing, size_t missing_count)
{
    struct checkpoint_lead *lead = &c->lead;
    const struct checkpoint_attempt *attempt = &lead->attempt;
    struct control_announcement record = record_of(attempt, CONTROL_ABORT);
    bool is_new = checkpoint_decided(
            c, attempt->leader, attempt->generation, attempt->epoch, false);

    assert(is_new);
    (void)is_new;
    record.reason = bytes_text(reason);
    record.missing = missing;
    record.missing_count = missing_count < CHECKPOINT_NAMED_MAX
                                   ? missing_count
                                   : CHECKPOINT_NAMED_MAX;
    lead->state = CHECKPOINT_LEAD_IDLE;
    checkpoint_ledger_step(entry_of(c), CHECKPOINT_DECIDED, now_us);
    say_outcome(c, &record, false);
    checkpoint_log(c, true,
            "the checkpoint of epoch %" PRIu64 " is aborted: %s",
            attempt->epoch, reason);
    count_health(c, now_us, record.missing, record.missing_count);
    checkpoint_part_end(c, now_us, SHUFFLE_OUTCOME_ABORTED, &record);
    if (lead->is_drain) {
        checkpoint_drain_ended(c, false);
    }
}

void checkpoint_lead_abort(struct checkpoint *c, uint64_t now_us,
        const char *reason, const uint64_t *missing, size_t missing_count)
{
    assert(c->lead.state == CHECKPOINT_LEAD_WAITING);
    end_aborted(c, now_us, reason, missing, missing_count);
}

/* --- what the disk says --- */

/* Nobody has heard of it yet, so it can still be the other way round; but what
 * the disk will show after a crash is anybody's guess, so it is told again. */
static void not_kept(struct checkpoint *c, uint64_t now_us, const char *why)
{
    char reason[CHECKPOINT_REASON_BYTES] = "";

    checkpoint_reason_add(
            reason, "the decision could not be kept on disk: %s", why);
    keep(c, false);
    end_aborted(c, now_us, reason, &c->options.id, 1);
}

/* It is kept, or not, and belongs to a life of ours that is over. */
static void kept_late(struct checkpoint *c, uint64_t now_us,
        const struct checkpoint_decision *kept, bool is_committed)
{
    const struct control_announcement record = {
            .epoch = kept->epoch,
            .phase = is_committed ? CONTROL_COMMIT : CONTROL_ABORT,
            .is_weft = true,
            .leader = kept->leader,
            .generation = kept->generation,
    };

    checkpoint_learn(c, now_us, kept->leader, &record);
}

void checkpoint_kept(struct checkpoint *c, uint64_t now_us, const char *why)
{
    struct checkpoint_decision kept = c->keeping;

    assert(c->is_keeping);
    c->is_keeping = false;
    if (c->lead.state == CHECKPOINT_LEAD_KEEPING) {
        if (why == NULL) {
            commit(c, now_us);
        } else {
            not_kept(c, now_us, why);
        }
    } else if (kept.is_committed) {
        if (why != NULL) {
            keep(c, false);
        }
        kept_late(c, now_us, &kept, why == NULL);
    } else if (why != NULL) {
        checkpoint_log(c, true,
                "the disk may say that epoch %" PRIu64
                " was committed, and it was aborted: %s",
                kept.epoch, why);
    }
    checkpoint_advance(c, now_us);
}
