#include "node/checkpoint_inner.h"

#include <stdlib.h>
#include <string.h>

enum {
    LEFT_MAX_MS = 24 * 60 * 60 * 1000, /* what a record may ask us to wait */
};

bool checkpoint_part_is_running(const struct checkpoint *c)
{
    switch (c->part.state) {
    case CHECKPOINT_PART_NONE:
    case CHECKPOINT_PART_OVER:
        return false;
    case CHECKPOINT_PART_WATCHING:
    case CHECKPOINT_PART_CUTTING:
    case CHECKPOINT_PART_READY:
    case CHECKPOINT_PART_ACKED:
    case CHECKPOINT_PART_REFUSED:
        break;
    }
    return true;
}

bool checkpoint_part_is(
        const struct checkpoint *c, const struct checkpoint_attempt *attempt)
{
    return checkpoint_part_is_running(c) &&
           checkpoint_attempt_is(&c->part.attempt, attempt);
}

static bool is_led_by_us(const struct checkpoint *c)
{
    return c->part.attempt.leader == c->options.id;
}

/* The ledger keeps more entries than parts can run. */
static struct checkpoint_entry *entry_of(struct checkpoint *c)
{
    const struct checkpoint_attempt *attempt = &c->part.attempt;
    struct checkpoint_entry *entry =
            checkpoint_ledger_find(&c->ledger, attempt->leader,
                    attempt->generation, attempt->epoch, attempt->attempt);

    assert(entry != NULL);
    return entry;
}

/* --- beginning --- */

static void enter(struct checkpoint *c, uint64_t now_us)
{
    const struct checkpoint_attempt *attempt = &c->part.attempt;
    struct checkpoint_entry *entry =
            checkpoint_ledger_begin(&c->ledger, now_us);

    entry->leader = attempt->leader;
    entry->generation = attempt->generation;
    entry->epoch = attempt->epoch;
    entry->attempt = attempt->attempt;
    entry->is_laminar = attempt->is_laminar;
    entry->checkpoint_id = attempt->checkpoint_id;
    entry->members_count = attempt->members_count;
    for (size_t i = 0; i < attempt->members_count && i < CHECKPOINT_NAMED_MAX;
            i++) {
        entry->members[i] = attempt->members[i];
    }
}

/* Until when the leader must have said what came of it. */
static uint64_t end_of(const struct checkpoint *c, uint64_t now_us)
{
    uint64_t wait_ms = c->part.attempt.left_ms;

    if (is_led_by_us(c)) {
        return UINT64_MAX; /* we shall be the first to know */
    }
    if (c->part.attempt.is_laminar && wait_ms < CHECKPOINT_LAMINAR_MS) {
        wait_ms = CHECKPOINT_LAMINAR_MS;
    }
    return now_us + checkpoint_us(wait_ms + CHECKPOINT_SILENCE_MS);
}

static void start(struct checkpoint *c, uint64_t now_us,
        const struct control_announcement *prepare,
        enum checkpoint_part_state state)
{
    struct checkpoint_part *part = &c->part;

    assert(!checkpoint_part_is_running(c));
    checkpoint_attempt_copy(&part->attempt, prepare);
    if (part->attempt.left_ms > LEFT_MAX_MS) {
        part->attempt.left_ms = LEFT_MAX_MS;
    }
    part->state = state;
    part->deadline_us = now_us + checkpoint_us(part->attempt.left_ms);
    part->wants_lack = false;
    part->was_acked = false;
    part->error[0] = '\0';
    part->missing_count = 0;
    part->lost_to = 0;
    free(part->ack_text);
    part->ack_text = NULL;
}

/* All listed members but ourselves, with what they speak. */
static void order_cut(struct checkpoint *c)
{
    const struct checkpoint_attempt *attempt = &c->part.attempt;
    struct shuffle_cut_member *members =
            calloc(attempt->members_count + 1, sizeof(*members));
    struct checkpoint_action action = {
            .type = CHECKPOINT_CUT,
            .order = {.checkpoint = attempt->cut,
                    .announced = attempt->checkpoint_id,
                    .epoch = attempt->epoch,
                    .members = members,
                    .rotate = attempt->rotate,
                    .rotate_count = attempt->rotate_count},
    };

    if (members == NULL) {
        abort();
    }
    for (size_t i = 0; i < attempt->members_count; i++) {
        uint64_t id = attempt->members[i];
        const struct checkpoint_peer *peer = checkpoint_find(c, id);

        if (id != c->options.id) {
            members[action.order.members_count++] = (struct shuffle_cut_member){
                    .id = id,
                    .speaks_weft = peer == NULL || peer->facts.speaks_weft};
        }
    }
    checkpoint_actions_push(&c->actions, &action);
    free(members);
}

void checkpoint_part_begin(struct checkpoint *c, uint64_t now_us,
        const struct control_announcement *prepare, bool is_laminar)
{
    struct checkpoint_part *part = &c->part;

    start(c, now_us, prepare, CHECKPOINT_PART_CUTTING);
    part->attempt.is_laminar = is_laminar;
    if (is_laminar) {
        part->attempt.cut = checkpoint_attempt_cut(prepare->leader,
                prepare->generation, prepare->epoch, prepare->attempt);
    }
    part->end_us = end_of(c, now_us);
    c->begun_us = now_us;
    enter(c, now_us);
    order_cut(c);
}

void checkpoint_part_watch(struct checkpoint *c, uint64_t now_us,
        const struct control_announcement *prepare)
{
    start(c, now_us, prepare, CHECKPOINT_PART_WATCHING);
    c->part.end_us = end_of(c, now_us);
    enter(c, now_us);
}

/* --- acking --- */

/* Never below what we hold, nor the same epoch for another. LaminarDB leaders,
 * who use epochs again, are exempt. */
static void hold(struct checkpoint *c)
{
    const struct checkpoint_attempt *attempt = &c->part.attempt;
    struct checkpoint_attempt *held = &c->held;
    bool is_above =
            attempt->epoch > held->epoch ||
            (attempt->epoch == held->epoch && attempt->leader == held->leader &&
                    attempt->generation == held->generation &&
                    attempt->attempt > held->attempt);

    assert(is_above || attempt->is_laminar);
    if (is_above) {
        *held = (struct checkpoint_attempt){
                .is_laminar = attempt->is_laminar,
                .leader = attempt->leader,
                .generation = attempt->generation,
                .epoch = attempt->epoch,
                .attempt = attempt->attempt,
        };
    }
}

static struct control_ack ack_of(const struct checkpoint *c)
{
    const struct checkpoint_part *part = &c->part;
    const struct checkpoint_attempt *attempt = &part->attempt;

    return (struct control_ack){
            .epoch = attempt->epoch,
            .ok = part->was_acked,
            .has_error = !part->was_acked,
            .error = bytes_text(part->error),
            .local_watermark = c->local,
            .is_weft = !attempt->is_laminar,
            .checkpoint_id = attempt->checkpoint_id,
            .leader = attempt->leader,
            .attempt = attempt->attempt,
            .missing = part->missing,
            .missing_count = part->missing_count,
    };
}

/* Our sinks of the stages that are placed anew; of one who leaves, none. */
static size_t list_sinks(const struct checkpoint *c,
        struct control_sink sinks[static CHECKPOINT_STAGES_MAX])
{
    const struct checkpoint_attempt *attempt = &c->part.attempt;
    size_t count = 0;

    if (c->draining || c->drain.state != CHECKPOINT_DRAIN_NONE) {
        return 0;
    }
    for (size_t i = 0; i < c->sinks_count; i++) {
        for (size_t j = 0; j < attempt->rotate_count; j++) {
            if (bytes_equal(c->sinks[i].stage, attempt->rotate[j])) {
                sinks[count++] = c->sinks[i];
                break;
            }
        }
    }
    return count;
}

static void publish_ack(struct checkpoint *c, const struct control_ack *ack)
{
    int code = control_write_ack(ack, c->text, CHECKPOINT_TEXT_BYTES);

    assert(code == 0);
    (void)code;
    checkpoint_actions_push(&c->actions,
            &(struct checkpoint_action){
                    .type = CHECKPOINT_PUBLISH_ACK, .text = c->text});
}

static void keep_ack(struct checkpoint_part *part, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = realloc(part->ack_text, size);

    if (copy == NULL) {
        abort();
    }
    part->ack_text = memcpy(copy, text, size);
}

/* Says what has come of our part, to the leader: our own ear, or another's.
 * What we hear ourselves may be the last word: nothing may stand behind it. */
static void say(struct checkpoint *c, uint64_t now_us)
{
    struct checkpoint_part *part = &c->part;
    struct control_ack ack = ack_of(c);
    struct control_sink sinks[CHECKPOINT_STAGES_MAX];

    if (ack.ok) {
        ack.sinks = sinks;
        ack.sinks_count = list_sinks(c, sinks);
    }
    if (is_led_by_us(c)) {
        checkpoint_lead_hear(c, now_us, c->options.id, &ack);
        return;
    }
    publish_ack(c, &ack);
    keep_ack(part, c->text);
    if (!part->attempt.is_laminar) {
        checkpoint_send(
                c, part->attempt.leader, SHUFFLE_CONTROL_ACK, part->ack_text);
    }
}

/* Of a part that was neither acked nor refused. */
static void refuse(struct checkpoint *c, uint64_t now_us, const char *error,
        const uint64_t *missing, size_t missing_count)
{
    struct checkpoint_part *part = &c->part;

    assert(part->state == CHECKPOINT_PART_CUTTING ||
            part->state == CHECKPOINT_PART_READY);
    part->state = CHECKPOINT_PART_REFUSED;
    part->wants_lack = false;
    (void)memcpy(part->error, error, strlen(error) + 1);
    part->missing_count = missing_count < CHECKPOINT_NAMED_MAX
                                  ? missing_count
                                  : CHECKPOINT_NAMED_MAX;
    if (part->missing_count > 0) {
        memcpy(part->missing, missing,
                part->missing_count * sizeof(part->missing[0]));
    }
    say(c, now_us);
}

void checkpoint_part_speak(struct checkpoint *c, uint64_t now_us)
{
    struct checkpoint_part *part = &c->part;

    if (part->state != CHECKPOINT_PART_READY || c->is_in_doubt) {
        return;
    }
    part->state = CHECKPOINT_PART_ACKED;
    part->was_acked = true;
    hold(c);
    checkpoint_ledger_step(entry_of(c), CHECKPOINT_ACKED, now_us);
    say(c, now_us);
}

/* --- what the cut has come to --- */

static void cut_failed(
        struct checkpoint *c, uint64_t now_us, uint64_t peer, const char *text)
{
    char error[CHECKPOINT_REASON_BYTES] = "";

    checkpoint_reason_add(error, "node %" PRIu64 " gives up: %s", c->options.id,
            text == NULL ? "its cut has failed" : text);
    refuse(c, now_us, error, &peer, peer == 0 ? 0 : 1);
}

static void take_event(struct checkpoint *c, uint64_t now_us,
        enum shuffle_cut_event event, uint64_t peer, const char *text)
{
    struct checkpoint_part *part = &c->part;

    switch (event) {
    case SHUFFLE_CUT_MARKED:
        checkpoint_ledger_step(entry_of(c), CHECKPOINT_MARKED, now_us);
        break;
    case SHUFFLE_CUT_ALIGNED:
        checkpoint_ledger_step(entry_of(c), CHECKPOINT_ALIGNED, now_us);
        break;
    case SHUFFLE_CUT_WRITTEN:
        checkpoint_ledger_step(entry_of(c), CHECKPOINT_WRITTEN, now_us);
        if (part->state == CHECKPOINT_PART_CUTTING) {
            part->state = CHECKPOINT_PART_READY;
            part->wants_lack = false;
            checkpoint_part_speak(c, now_us);
        }
        break;
    case SHUFFLE_CUT_FAILED:
        if (part->state == CHECKPOINT_PART_CUTTING) {
            cut_failed(c, now_us, peer, text);
        }
        break;
    }
}

void checkpoint_cut(struct checkpoint *c, uint64_t now_us, uint64_t checkpoint,
        enum shuffle_cut_event event, uint64_t peer, const char *text,
        uint64_t parked_bytes)
{
    if (checkpoint_part_is_running(c) &&
            c->part.state != CHECKPOINT_PART_WATCHING &&
            c->part.attempt.cut == checkpoint) {
        struct checkpoint_entry *entry = entry_of(c);

        if (parked_bytes > entry->parked_bytes) {
            entry->parked_bytes = parked_bytes;
        }
        take_event(c, now_us, event, peer, text);
    }
    checkpoint_advance(c, now_us);
}

bool checkpoint_wants_lack(const struct checkpoint *c)
{
    return c->part.wants_lack;
}

void checkpoint_lack(struct checkpoint *c, uint64_t now_us,
        const struct shuffle_cut_lack *lack)
{
    char error[CHECKPOINT_REASON_BYTES] = "";

    if (c->part.wants_lack) {
        checkpoint_reason_add(error, "node %" PRIu64 " is not done%s%s",
                c->options.id, lack->text[0] == '\0' ? "" : ": ", lack->text);
        refuse(c, now_us, error, lack->nodes, lack->nodes_count);
    }
    checkpoint_advance(c, now_us);
}

/* --- the end --- */

static void note_end(struct checkpoint_entry *entry, uint64_t now_us,
        enum shuffle_outcome_code code, const struct control_announcement *a)
{
    entry->is_running = false;
    entry->outcome = code;
    if (code != SHUFFLE_OUTCOME_UNKNOWN) {
        checkpoint_ledger_step(entry, CHECKPOINT_KNOWN, now_us);
    }
    checkpoint_reason_copy(entry->reason, a->reason);
    entry->missing_count = a->missing_count < CHECKPOINT_NAMED_MAX
                                   ? a->missing_count
                                   : CHECKPOINT_NAMED_MAX;
    if (entry->missing_count > 0) {
        memcpy(entry->missing, a->missing,
                entry->missing_count * sizeof(entry->missing[0]));
    }
}

static void tell_streams(struct checkpoint *c, const char *reason,
        enum shuffle_outcome_code code, uint64_t cut,
        const struct control_announcement *a)
{
    checkpoint_actions_push(
            &c->actions, &(struct checkpoint_action){.type = CHECKPOINT_OUTCOME,
                                 .outcome = {.checkpoint = cut,
                                         .epoch = a->epoch,
                                         .code = code,
                                         .text = reason,
                                         .places = a->places,
                                         .places_count = a->places_count}});
}

/* A LaminarDB leader may use the epoch again, and goes by that alone: what still
 * stood in our key would be our word on the next attempt before its cut is
 * made, or refuse it for ever. */
static void withdraw_ack(struct checkpoint *c)
{
    free(c->part.ack_text);
    c->part.ack_text = NULL;
    checkpoint_actions_push(
            &c->actions, &(struct checkpoint_action){
                                 .type = CHECKPOINT_PUBLISH_ACK, .text = ""});
}

/* Our ack stays in its key, and now says as well what came of it, for those
 * who have missed it. */
static void publish_outcome(
        struct checkpoint *c, enum shuffle_outcome_code code)
{
    struct control_ack ack = ack_of(c);

    if (c->part.ack_text == NULL) {
        return;
    }
    if (!ack.is_weft) {
        withdraw_ack(c);
        return;
    }
    if (code == SHUFFLE_OUTCOME_UNKNOWN) {
        return;
    }
    ack.outcome = code == SHUFFLE_OUTCOME_COMMITTED ? CONTROL_COMMITTED
                                                    : CONTROL_ABORTED;
    publish_ack(c, &ack);
}

void checkpoint_part_end(struct checkpoint *c, uint64_t now_us,
        enum shuffle_outcome_code code, const struct control_announcement *a)
{
    struct checkpoint_part *part = &c->part;
    struct checkpoint_entry *entry = entry_of(c);
    bool was_cut = part->state != CHECKPOINT_PART_WATCHING;

    assert(checkpoint_part_is_running(c));
    part->state = CHECKPOINT_PART_OVER;
    part->outcome = code;
    part->wants_lack = false;
    note_end(entry, now_us, code, a);
    if (was_cut) {
        tell_streams(c, entry->reason, code, part->attempt.cut, a);
    }
    publish_outcome(c, code);
    checkpoint_answer(c, now_us, entry);
}

void checkpoint_learn_late(struct checkpoint *c, uint64_t now_us,
        struct checkpoint_entry *entry, uint64_t cut,
        enum shuffle_outcome_code code, const struct control_announcement *a)
{
    struct checkpoint_part *part = &c->part;
    const struct checkpoint_attempt key = {
            .is_laminar = entry->is_laminar,
            .leader = entry->leader,
            .generation = entry->generation,
            .epoch = entry->epoch,
            .attempt = entry->attempt,
    };

    assert(!entry->is_running && entry->outcome == SHUFFLE_OUTCOME_UNKNOWN);
    note_end(entry, now_us, code, a);
    checkpoint_log(c, false,
            "epoch %" PRIu64 " of node %" PRIu64 ", which was unknown, was %s",
            entry->epoch, entry->leader,
            code == SHUFFLE_OUTCOME_COMMITTED ? "committed" : "aborted");
    tell_streams(c, entry->reason, code, cut, a);
    if (part->state == CHECKPOINT_PART_OVER &&
            checkpoint_attempt_is(&part->attempt, &key)) {
        part->outcome = code;
        publish_outcome(c, code);
    }
}

static void end_without_word(struct checkpoint *c, uint64_t now_us,
        enum shuffle_outcome_code code, const char *reason)
{
    const struct checkpoint_attempt *attempt = &c->part.attempt;
    const struct control_announcement word = {
            .epoch = attempt->epoch,
            .reason = bytes_text(reason),
            .missing = &c->part.lost_to,
            .missing_count = c->part.lost_to == 0 ? 0 : 1,
    };

    if (code == SHUFFLE_OUTCOME_UNKNOWN) {
        checkpoint_log(c, true,
                "what became of epoch %" PRIu64 " of node %" PRIu64
                " is unknown: %s",
                attempt->epoch, attempt->leader, reason);
    } else if (!attempt->is_laminar) {
        (void)checkpoint_decided(
                c, attempt->leader, attempt->generation, attempt->epoch, false);
    }
    checkpoint_part_end(c, now_us, code, &word);
}

void checkpoint_part_give_up(
        struct checkpoint *c, uint64_t now_us, const char *reason)
{
    struct checkpoint_part *part = &c->part;

    switch (part->state) {
    case CHECKPOINT_PART_NONE:
    case CHECKPOINT_PART_OVER:
        return;
    case CHECKPOINT_PART_WATCHING:
        end_without_word(c, now_us, SHUFFLE_OUTCOME_UNKNOWN, reason);
        return;
    case CHECKPOINT_PART_ACKED:
        end_without_word(c, now_us, SHUFFLE_OUTCOME_UNKNOWN, reason);
        checkpoint_ask(c, now_us);
        return;
    case CHECKPOINT_PART_CUTTING:
    case CHECKPOINT_PART_READY:
        /* Nothing can have been committed without us, and now never will. */
        refuse(c, now_us, reason, NULL, 0);
        break;
    case CHECKPOINT_PART_REFUSED:
        break;
    }
    end_without_word(c, now_us, SHUFFLE_OUTCOME_ABORTED, reason);
}

/* --- what happens meanwhile --- */

void checkpoint_part_member(struct checkpoint *c, uint64_t now_us, uint64_t id)
{
    const struct checkpoint_attempt *attempt = &c->part.attempt;
    const struct checkpoint_peer *peer = checkpoint_find(c, id);
    char reason[CHECKPOINT_REASON_BYTES] = "";
    uint64_t generation;

    if (!checkpoint_part_is_running(c) || attempt->leader != id) {
        return;
    }
    generation = peer == NULL ? 0 : peer->facts.generation;
    if (generation > attempt->generation) {
        checkpoint_reason_add(reason, "node %" PRIu64 " has started anew", id);
    } else if (generation == 0) {
        checkpoint_reason_add(reason, "node %" PRIu64 " is gone", id);
    } else if (generation == attempt->generation && !peer->facts.live) {
        checkpoint_reason_add(reason, "node %" PRIu64 " is dead", id);
    } else {
        return;
    }
    c->part.lost_to = id;
    checkpoint_part_give_up(c, now_us, reason);
}

static void say_silence(struct checkpoint *c, uint64_t now_us)
{
    char reason[CHECKPOINT_REASON_BYTES] = "";

    checkpoint_reason_add(reason,
            "node %" PRIu64 ", which led it, has not said what became of it",
            c->part.attempt.leader);
    c->part.lost_to = c->part.attempt.leader;
    checkpoint_part_give_up(c, now_us, reason);
}

void checkpoint_part_tick(struct checkpoint *c, uint64_t now_us)
{
    struct checkpoint_part *part = &c->part;

    if (!checkpoint_part_is_running(c)) {
        return;
    }
    if (now_us >= part->end_us) {
        say_silence(c, now_us);
    } else if (part->state == CHECKPOINT_PART_CUTTING && !c->is_in_doubt &&
               now_us >= part->deadline_us) {
        part->wants_lack = true;
    }
}

uint64_t checkpoint_part_due(const struct checkpoint *c)
{
    const struct checkpoint_part *part = &c->part;

    if (!checkpoint_part_is_running(c)) {
        return UINT64_MAX;
    }
    return part->state == CHECKPOINT_PART_CUTTING && !part->wants_lack &&
                           !c->is_in_doubt && part->deadline_us < part->end_us
                   ? part->deadline_us
                   : part->end_us;
}
