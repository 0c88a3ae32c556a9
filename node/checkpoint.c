#include "node/checkpoint_inner.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct checkpoint_options checkpoint_defaults(void)
{
    return (struct checkpoint_options){
            .align_timeout_ms = 8000,
            .patience = 2,
    };
}

int checkpoint_init(struct checkpoint *c,
        const struct checkpoint_options *options, uint64_t now_us,
        struct error *err)
{
    assert(options->id != 0 && options->align_timeout_ms > 0);
    memset(c, 0, sizeof(*c));
    c->options = *options;
    c->begun_us = now_us;
    c->leaderless_us = now_us;
    c->epoch = options->epoch_floor;
    c->held.epoch = options->epoch_floor;
    checkpoint_actions_init(&c->actions);
    c->text = malloc(CHECKPOINT_TEXT_BYTES);
    if (c->text == NULL) {
        return error_set(err, ERR_FULL,
                "there is no memory for the records of checkpoints");
    }
    return 0;
}

void checkpoint_close(struct checkpoint *c)
{
    checkpoint_attempt_close(&c->lead.attempt);
    checkpoint_attempt_close(&c->part.attempt);
    free(c->lead.words);
    free(c->lead.ack_versions);
    free(c->lead.placed);
    free(c->lead.outcome_text);
    free(c->part.ack_text);
    free(c->peers);
    free(c->text);
    checkpoint_actions_close(&c->actions);
    memset(c, 0, sizeof(*c));
}

/* --- what is said --- */

void checkpoint_log(
        struct checkpoint *c, bool is_warning, const char *format, ...)
{
    char text[CHECKPOINT_REASON_BYTES + 128];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    checkpoint_actions_push(
            &c->actions, &(struct checkpoint_action){.type = CHECKPOINT_LOG,
                                 .is_warning = is_warning,
                                 .text = text});
}

void checkpoint_send(struct checkpoint *c, uint64_t peer,
        enum shuffle_control_kind kind, const char *text)
{
    checkpoint_actions_push(
            &c->actions, &(struct checkpoint_action){.type = CHECKPOINT_CONTROL,
                                 .peer = peer,
                                 .kind = kind,
                                 .text = text});
}

/* A request names at most as many stages as fit. */
static void write_request(
        struct checkpoint *c, const struct control_request *request)
{
    int code = control_write_request(request, c->text, CHECKPOINT_TEXT_BYTES);

    assert(code == 0);
    (void)code;
}

void checkpoint_send_request(struct checkpoint *c, uint64_t peer,
        const struct control_request *request)
{
    write_request(c, request);
    checkpoint_send(c, peer, SHUFFLE_CONTROL_REQUEST, c->text);
}

void checkpoint_send_all(
        struct checkpoint *c, const struct control_request *request)
{
    struct checkpoint_action action = {
            .type = CHECKPOINT_CONTROL, .kind = SHUFFLE_CONTROL_REQUEST};
    size_t text_at;

    write_request(c, request);
    text_at = checkpoint_actions_keep_text(&c->actions, c->text);
    for (size_t i = 0; i < c->peers_count; i++) {
        if (c->peers[i].facts.live && c->peers[i].facts.speaks_weft) {
            action.peer = c->peers[i].facts.id;
            checkpoint_actions_push_kept(&c->actions, &action, text_at);
        }
    }
}

void checkpoint_note_epoch(struct checkpoint *c, uint64_t epoch, uint64_t from)
{
    if (epoch > c->epoch) {
        c->epoch = epoch;
        c->epoch_from = from;
    }
}

void checkpoint_raise_watermark(
        struct checkpoint *c, const struct control_watermark *watermark)
{
    if (watermark->is_set &&
            (!c->cluster.is_set || watermark->ms > c->cluster.ms)) {
        c->cluster = *watermark;
    }
}

bool checkpoint_takes_part(const struct checkpoint *c)
{
    return c->active || c->draining;
}

/* --- facts about ourselves --- */

void checkpoint_generation(
        struct checkpoint *c, uint64_t now_us, uint64_t generation)
{
    char reason[CHECKPOINT_REASON_BYTES] = "";

    assert(generation > c->options.generation);
    checkpoint_reason_add(
            reason, "node %" PRIu64 " has joined anew", c->options.id);
    if (c->lead.state == CHECKPOINT_LEAD_WAITING) {
        checkpoint_lead_abort(c, now_us, reason, &c->options.id, 1);
    } else if (c->lead.state == CHECKPOINT_LEAD_KEEPING) {
        c->lead.state = CHECKPOINT_LEAD_IDLE; /* until it is kept: unknown */
    }
    checkpoint_part_give_up(c, now_us, reason);
    c->options.generation = generation;
    c->attempts = 0;
    c->is_in_doubt = false;
    c->is_buried = false;
    checkpoint_advance(c, now_us);
}

void checkpoint_remember(
        struct checkpoint *c, const struct checkpoint_decision *decision)
{
    checkpoint_note_epoch(c, decision->epoch, 0);
    checkpoint_decisions_correct(&c->decisions, decision);
}

void checkpoint_state(
        struct checkpoint *c, uint64_t now_us, bool active, bool draining)
{
    assert(!(active && draining));
    c->active = active;
    c->draining = draining;
    checkpoint_advance(c, now_us);
}

void checkpoint_rotate(struct checkpoint *c, uint64_t now_us,
        const struct bytes *stages, size_t count)
{
    checkpoint_stages_clear(&c->rotate);
    checkpoint_stages_add_all(&c->rotate, stages, count);
    checkpoint_advance(c, now_us);
}

void checkpoint_sinks(
        struct checkpoint *c, const struct control_sink *sinks, size_t count)
{
    c->sinks_count = 0;
    for (size_t i = 0; i < count && i < CHECKPOINT_STAGES_MAX; i++) {
        assert(sinks[i].stage.size <= SHUFFLE_STAGE_MAX);
        assert(sinks[i].number > 0);
        memcpy(c->sink_names[i], sinks[i].stage.data, sinks[i].stage.size);
        c->sinks[i] = sinks[i];
        c->sinks[i].stage.data = c->sink_names[i];
        c->sinks_count++;
    }
}

void checkpoint_watermark(struct checkpoint *c, int64_t watermark_ms)
{
    c->local = (struct control_watermark){.is_set = true, .ms = watermark_ms};
}

/* --- records of others --- */

void checkpoint_announced(struct checkpoint *c, uint64_t now_us, uint64_t from,
        uint64_t version, const struct control_announcement *a)
{
    checkpoint_note_epoch(c, a->epoch, from);
    if (from != c->options.id) {
        checkpoint_follow(c, now_us, from, version, a);
    }
    checkpoint_advance(c, now_us);
}

/* Is the ack about the attempt that we lead? What comes from LaminarDB members
 * says its epoch and nothing else; the version of their entry says that it was
 * written since. */
static bool is_about_ours(const struct checkpoint *c,
        const struct checkpoint_peer *peer, uint64_t version,
        const struct control_ack *ack)
{
    const struct checkpoint_attempt *ours = &c->lead.attempt;
    size_t at = checkpoint_attempt_find(ours, peer->facts.id);

    if (c->lead.state != CHECKPOINT_LEAD_WAITING || at == ours->members_count ||
            ack->epoch != ours->epoch) {
        return false;
    }
    if (ack->is_weft) {
        return ack->leader == c->options.id && ack->attempt == ours->attempt &&
               ack->checkpoint_id == ours->checkpoint_id;
    }
    return !peer->facts.speaks_weft && version > c->lead.ack_versions[at];
}

void checkpoint_acked(struct checkpoint *c, uint64_t now_us, uint64_t from,
        uint64_t version, const struct control_ack *ack)
{
    struct checkpoint_peer *peer = checkpoint_find(c, from);

    checkpoint_note_epoch(c, ack->epoch, from);
    if (peer != NULL) {
        if (is_about_ours(c, peer, version, ack)) {
            checkpoint_lead_hear(c, now_us, from, ack);
        } else if (peer->is_suspended && !ack->is_weft && ack->ok &&
                   ack->epoch == c->lead.attempt.epoch) {
            checkpoint_readmit(c, peer); /* it acts on what is not for it */
        }
        if (version > peer->ack_version) {
            peer->ack_version = version;
        }
        if (ack->is_weft) {
            checkpoint_learn_from_ack(c, now_us, from, ack);
        }
    }
    checkpoint_advance(c, now_us);
}

void checkpoint_unreachable(
        struct checkpoint *c, uint64_t now_us, uint64_t peer, const char *text)
{
    size_t at = checkpoint_attempt_find(&c->lead.attempt, peer);

    if (c->lead.state == CHECKPOINT_LEAD_WAITING &&
            at < c->lead.attempt.members_count &&
            c->lead.words[at] == CHECKPOINT_SILENT) {
        char reason[CHECKPOINT_REASON_BYTES] = "";

        checkpoint_reason_add(
                reason, "node %" PRIu64 " cannot be reached: %s", peer, text);
        checkpoint_lead_abort(c, now_us, reason, &peer, 1);
    }
    checkpoint_advance(c, now_us);
}

/* --- time --- */

/* May an attempt of ours begin, if anybody wants one? */
static bool may_begin(const struct checkpoint *c)
{
    return checkpoint_leads(c) && !checkpoint_lead_is_running(c) &&
           !checkpoint_part_is_running(c) && !c->is_keeping;
}

void checkpoint_advance(struct checkpoint *c, uint64_t now_us)
{
    checkpoint_look_for_leader(c, now_us);
    checkpoint_sleep_tick(c, now_us);
    checkpoint_part_tick(c, now_us);
    checkpoint_lead_tick(c, now_us);
    checkpoint_drain_tick(c, now_us);
    checkpoint_requests_tick(c, now_us);
    if (checkpoint_has_sick(c) && now_us >= c->probe_due_us) {
        checkpoint_probe(c, now_us);
    }
    if (checkpoint_has_unknown(c) && now_us >= c->ask_due_us) {
        checkpoint_ask(c, now_us);
    }
    if (may_begin(c) && checkpoint_is_wanted(c, now_us)) {
        checkpoint_lead_begin(c, now_us);
        checkpoint_drain_tick(c, now_us);
    }
}

void checkpoint_tick(struct checkpoint *c, uint64_t now_us)
{
    checkpoint_advance(c, now_us);
}

static void earlier(uint64_t *due_us, bool counts, uint64_t other_us)
{
    if (counts && other_us < *due_us) {
        *due_us = other_us;
    }
}

uint64_t checkpoint_deadline_us(const struct checkpoint *c)
{
    uint64_t due_us = UINT64_MAX;

    earlier(&due_us, true, checkpoint_part_due(c));
    earlier(&due_us, true, checkpoint_requests_due(c));
    earlier(&due_us, true, checkpoint_drain_due(c));
    earlier(&due_us, c->lead.state == CHECKPOINT_LEAD_WAITING,
            c->lead.deadline_us);
    earlier(&due_us, may_begin(c) && c->options.interval_ms > 0,
            c->begun_us + checkpoint_us(c->options.interval_ms));
    earlier(&due_us, checkpoint_has_sick(c), c->probe_due_us);
    earlier(&due_us, checkpoint_has_unknown(c), c->ask_due_us);
    earlier(&due_us, c->is_in_doubt, c->awake_due_us);
    return due_us;
}

bool checkpoint_next(struct checkpoint *c, struct checkpoint_action *action)
{
    return checkpoint_actions_pop(&c->actions, action);
}

/* --- what is known --- */

uint64_t checkpoint_leader(const struct checkpoint *c)
{
    return c->leader;
}

const struct checkpoint_ledger *checkpoint_ledger(const struct checkpoint *c)
{
    return &c->ledger;
}

bool checkpoint_is_running(const struct checkpoint *c)
{
    return checkpoint_part_is_running(c);
}

struct control_watermark checkpoint_cluster_watermark(
        const struct checkpoint *c)
{
    return c->cluster;
}

static void check_lead(const struct checkpoint *c)
{
    const struct checkpoint_lead *lead = &c->lead;
    size_t oks = 0;
    size_t heard = 0;

    if (lead->state == CHECKPOINT_LEAD_IDLE) {
        return;
    }
    for (size_t i = 0; i < lead->attempt.members_count; i++) {
        oks += lead->words[i] == CHECKPOINT_OK ? 1 : 0;
        heard += lead->words[i] != CHECKPOINT_SILENT ? 1 : 0;
    }
    assert(oks == lead->oks && heard == lead->heard);
    assert(lead->attempt.leader == c->options.id);
    assert(lead->attempt.generation == c->options.generation);
    assert(lead->attempt.epoch <= c->epoch);
    assert(checkpoint_part_is(c, &lead->attempt));
    if (lead->state == CHECKPOINT_LEAD_WAITING) {
        assert(heard < lead->attempt.members_count);
        assert(checkpoint_leads(c));
    } else {
        assert(oks == lead->attempt.members_count && c->is_keeping);
    }
}

static void check_part(const struct checkpoint *c)
{
    const struct checkpoint_part *part = &c->part;

    if (part->state == CHECKPOINT_PART_NONE) {
        return;
    }
    if (part->was_acked && !part->attempt.is_laminar) {
        assert(c->held.epoch > part->attempt.epoch ||
                (c->held.epoch == part->attempt.epoch &&
                        c->held.leader == part->attempt.leader &&
                        c->held.generation == part->attempt.generation));
    }
    assert(!part->was_acked || part->state == CHECKPOINT_PART_ACKED ||
            part->state == CHECKPOINT_PART_OVER);
    assert(!part->wants_lack || part->state == CHECKPOINT_PART_CUTTING);
}

void checkpoint_check(const struct checkpoint *c)
{
    size_t running = 0;

    for (size_t i = 0; i < c->peers_count; i++) {
        assert(i == 0 || c->peers[i - 1].facts.id < c->peers[i].facts.id);
        assert(c->peers[i].facts.id != c->options.id);
    }
    for (size_t age = 0; age < c->ledger.count; age++) {
        running += checkpoint_ledger_at(&c->ledger, age)->is_running ? 1 : 0;
    }
    assert(running == (checkpoint_part_is_running(c) ? 1 : 0));
    for (size_t i = 0; i < c->clients_count; i++) {
        assert(!c->clients[i].is_bound || checkpoint_part_is_running(c));
    }
    check_lead(c);
    check_part(c);
}
