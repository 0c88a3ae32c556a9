#include "node/checkpoint_inner.h"

#include <stdlib.h>
#include <string.h>

bool checkpoint_lead_is_running(const struct checkpoint *c)
{
    return c->lead.state != CHECKPOINT_LEAD_IDLE;
}

/* --- beginning --- */

/* What goes into a Prepare, while it is put together. */
struct draft {
    struct control_announcement prepare;
    uint64_t *members;
    uint64_t *generations;
    struct control_asked *asked;
    struct checkpoint_stages rotate;
};

static void *taken(size_t count, size_t bytes)
{
    void *memory = calloc(count > 0 ? count : 1, bytes);

    if (memory == NULL) {
        abort();
    }
    return memory;
}

static void list_member(struct draft *d, uint64_t id, uint64_t generation)
{
    d->members[d->prepare.members_count] = id;
    d->generations[d->prepare.members_count] = generation;
    d->prepare.members_count++;
}

static void list_members(const struct checkpoint *c, struct draft *d)
{
    bool is_listed = false;

    for (size_t i = 0; i < c->peers_count; i++) {
        const struct checkpoint_peer *peer = &c->peers[i];

        if (!is_listed && peer->facts.id > c->options.id) {
            list_member(d, c->options.id, c->options.generation);
            is_listed = true;
        }
        if (checkpoint_counts(peer)) {
            list_member(d, peer->facts.id, peer->facts.generation);
        }
        if (peer->has_asked) {
            d->asked[d->prepare.asked_count++] = (struct control_asked){
                    .node = peer->facts.id, .token = peer->token};
        }
    }
    if (!is_listed) {
        list_member(d, c->options.id, c->options.generation);
    }
}

static void list_stages(const struct checkpoint *c, struct draft *d)
{
    checkpoint_stages_clear(&d->rotate);
    if (checkpoint_drain_wants(c)) {
        checkpoint_stages_add_all(
                &d->rotate, c->drain.stages.list, c->drain.stages.count);
    }
    checkpoint_stages_add_all(&d->rotate, c->leaving.list, c->leaving.count);
    checkpoint_stages_add_all(&d->rotate, c->rotate.list, c->rotate.count);
}

static uint64_t left_ms(const struct checkpoint *c)
{
    uint64_t align_ms = c->options.align_timeout_ms;
    uint64_t spare_ms = align_ms / 8 < 500 ? align_ms / 8 : 500;

    return align_ms - spare_ms;
}

static void draft_init(const struct checkpoint *c, struct draft *d)
{
    d->members = taken(c->peers_count + 1, sizeof(uint64_t));
    d->generations = taken(c->peers_count + 1, sizeof(uint64_t));
    d->asked = taken(c->peers_count, sizeof(struct control_asked));
    d->prepare = (struct control_announcement){
            .epoch = c->epoch + 1,
            .checkpoint_id = checkpoint_attempt_id(
                    c->options.id, c->options.generation, c->epoch + 1),
            .phase = CONTROL_PREPARE,
            .is_weft = true,
            .leader = c->options.id,
            .generation = c->options.generation,
            .attempt = c->attempts + 1,
            .members = d->members,
            .generations = d->generations,
            .left_ms = left_ms(c),
            .asked = d->asked,
    };
    list_members(c, d);
    list_stages(c, d);
    d->prepare.rotate = d->rotate.list;
    d->prepare.rotate_count = d->rotate.count;
}

static void draft_close(struct draft *d)
{
    free(d->members);
    free(d->generations);
    free(d->asked);
}

/* Why none can begin, whoever asks. */
static bool is_refused(
        const struct checkpoint *c, char reason[static CHECKPOINT_REASON_BYTES])
{
    if (c->epoch == UINT64_MAX) {
        checkpoint_reason_add(reason,
                "there is no epoch above %" PRIu64 ", which node %" PRIu64
                " has named",
                c->epoch, c->epoch_from == 0 ? c->options.id : c->epoch_from);
        return true;
    }
    return checkpoint_is_minority(c, checkpoint_present(c), reason);
}

static void start_lead(struct checkpoint *c, uint64_t now_us,
        const struct control_announcement *prepare)
{
    struct checkpoint_lead *lead = &c->lead;
    size_t members = prepare->members_count;

    assert(lead->state == CHECKPOINT_LEAD_IDLE);
    checkpoint_attempt_copy(&lead->attempt, prepare);
    free(lead->words);
    free(lead->ack_versions);
    free(lead->placed);
    lead->words = taken(members, 1);
    lead->ack_versions = taken(members, sizeof(uint64_t));
    lead->placed = taken(
            members * prepare->rotate_count, sizeof(struct checkpoint_placed));
    for (size_t i = 0; i < members; i++) {
        const struct checkpoint_peer *peer =
                checkpoint_find(c, prepare->members[i]);

        lead->ack_versions[i] = peer == NULL ? 0 : peer->ack_version;
    }
    lead->state = CHECKPOINT_LEAD_WAITING;
    lead->oks = 0;
    lead->heard = 0;
    lead->started_us = now_us;
    lead->left_us = now_us + checkpoint_us(prepare->left_ms);
    lead->deadline_us = now_us + checkpoint_us(c->options.align_timeout_ms);
    lead->watermark = (struct control_watermark){.is_set = false};
    lead->reason[0] = '\0';
    lead->blamed_count = 0;
    lead->is_drain = checkpoint_drain_wants(c);
}

/* What was asked of this attempt is asked no more. */
static void take_requests(struct checkpoint *c)
{
    for (size_t i = 0; i < c->peers_count; i++) {
        struct checkpoint_peer *peer = &c->peers[i];

        if (peer->has_asked) {
            peer->has_asked = false;
            peer->told = c->lead.attempt.epoch;
        }
    }
    checkpoint_stages_clear(&c->leaving);
}

static void begin(struct checkpoint *c, uint64_t now_us, struct draft *d)
{
    char reason[CHECKPOINT_REASON_BYTES] = "";

    if (control_write_announcement(
                &d->prepare, c->text, CHECKPOINT_TEXT_BYTES) != 0) {
        checkpoint_reason_add(reason,
                "%zu members and %zu stages do not fit into one record of %d "
                "KiB",
                d->prepare.members_count, d->prepare.rotate_count,
                CHECKPOINT_TEXT_BYTES / 1024);
        checkpoint_refuse(c, reason);
        return;
    }
    c->attempts++;
    c->is_refusing = false;
    checkpoint_note_epoch(c, d->prepare.epoch, 0);
    start_lead(c, now_us, &d->prepare);
    take_requests(c);
    checkpoint_announce(c);
    checkpoint_part_begin(c, now_us, &d->prepare, false);
    checkpoint_bind(c);
}

void checkpoint_lead_begin(struct checkpoint *c, uint64_t now_us)
{
    char reason[CHECKPOINT_REASON_BYTES] = "";
    struct draft draft;

    checkpoint_probe(c, now_us);
    if (is_refused(c, reason)) {
        c->begun_us = now_us;
        checkpoint_refuse(c, reason);
        return;
    }
    draft_init(c, &draft);
    begin(c, now_us, &draft);
    draft_close(&draft);
}

/* --- hearing --- */

static void blame(struct checkpoint_lead *lead, uint64_t id)
{
    for (size_t i = 0; i < lead->blamed_count; i++) {
        if (lead->blamed[i] == id) {
            return;
        }
    }
    if (lead->blamed_count < CHECKPOINT_NAMED_MAX) {
        lead->blamed[lead->blamed_count++] = id;
    }
}

/* Whom the refusal names; it is the refusing member's own fault if nobody. */
static void blame_named(struct checkpoint_lead *lead, uint64_t id,
        const struct control_ack *ack)
{
    size_t members = lead->attempt.members_count;
    bool has_named = false;

    for (size_t i = 0; i < ack->missing_count; i++) {
        uint64_t named = ack->missing[i];

        if (checkpoint_attempt_find(&lead->attempt, named) < members) {
            blame(lead, named);
            has_named = true;
        }
    }
    if (!has_named) {
        blame(lead, id);
    }
}

/* A Weft member's refusal is a sentence that begins with its name. */
static void note_refusal(struct checkpoint_lead *lead, uint64_t id,
        const struct control_ack *ack)
{
    char error[CHECKPOINT_REASON_BYTES] = "";

    if (ack->has_error) {
        checkpoint_reason_copy(error, ack->error);
    }
    if (error[0] == '\0') {
        checkpoint_reason_add(lead->reason, "node %" PRIu64 " refuses", id);
    } else if (ack->is_weft) {
        checkpoint_reason_add(lead->reason, "%s", error);
    } else {
        checkpoint_reason_add(
                lead->reason, "node %" PRIu64 " refuses: %s", id, error);
    }
    blame_named(lead, id, ack);
}

static void note_ok(
        struct checkpoint *c, size_t at, const struct control_ack *ack)
{
    struct checkpoint_lead *lead = &c->lead;
    const struct control_watermark *said = &ack->local_watermark;

    lead->oks++;
    if (said->is_set &&
            (!lead->watermark.is_set || said->ms < lead->watermark.ms)) {
        lead->watermark = *said;
    }
    checkpoint_place_note(lead, at, ack);
}

static void abort_for_refusals(struct checkpoint *c, uint64_t now_us)
{
    struct checkpoint_lead *lead = &c->lead;

    checkpoint_lead_abort(
            c, now_us, lead->reason, lead->blamed, lead->blamed_count);
}

void checkpoint_lead_hear(struct checkpoint *c, uint64_t now_us, uint64_t id,
        const struct control_ack *ack)
{
    struct checkpoint_lead *lead = &c->lead;
    struct checkpoint_attempt *attempt = &lead->attempt;
    size_t at = checkpoint_attempt_find(attempt, id);
    struct checkpoint_entry *entry;

    assert(lead->state == CHECKPOINT_LEAD_WAITING);
    assert(at < attempt->members_count);
    if (lead->words[at] != CHECKPOINT_SILENT) {
        return;
    }
    lead->words[at] = ack->ok ? CHECKPOINT_OK : CHECKPOINT_REFUSED;
    lead->heard++;
    if (ack->ok) {
        note_ok(c, at, ack);
    } else {
        note_refusal(lead, id, ack);
    }
    entry = checkpoint_ledger_find(&c->ledger, attempt->leader,
            attempt->generation, attempt->epoch, attempt->attempt);
    entry->last = id;
    if (lead->oks == attempt->members_count) {
        checkpoint_lead_decide(c, now_us);
    } else if (lead->heard == attempt->members_count ||
               (!ack->ok && now_us < lead->left_us)) {
        abort_for_refusals(c, now_us);
    }
}

/* --- what ends it --- */

/* What has become of the life of the member that was listed; NULL while it is
 * well. */
static const char *fate_of(
        const struct checkpoint_peer *peer, uint64_t generation)
{
    if (peer == NULL || peer->facts.generation == 0) {
        return "is gone";
    }
    if (peer->facts.generation != generation) {
        return "has started anew";
    }
    if (!peer->facts.live) {
        return "is dead";
    }
    return peer->facts.active || peer->facts.draining ? NULL : "has left";
}

void checkpoint_lead_member(struct checkpoint *c, uint64_t now_us, uint64_t id)
{
    const struct checkpoint_attempt *attempt = &c->lead.attempt;
    size_t at = checkpoint_attempt_find(attempt, id);
    char reason[CHECKPOINT_REASON_BYTES] = "";
    const char *fate;

    if (c->lead.state != CHECKPOINT_LEAD_WAITING ||
            at == attempt->members_count) {
        return;
    }
    fate = fate_of(checkpoint_find(c, id), attempt->generations[at]);
    if (fate != NULL) {
        checkpoint_reason_add(reason, "node %" PRIu64 " %s", id, fate);
        checkpoint_lead_abort(c, now_us, reason, &id, 1);
    }
}

/* Some have not said a word: they are to blame, whatever the others lack. */
static void abort_for_silence(struct checkpoint *c, uint64_t now_us)
{
    struct checkpoint_lead *lead = &c->lead;
    size_t silent = lead->attempt.members_count - lead->heard;
    uint64_t *ids = taken(silent, sizeof(*ids));
    size_t count = 0;

    for (size_t i = 0; i < lead->attempt.members_count; i++) {
        if (lead->words[i] == CHECKPOINT_SILENT) {
            ids[count++] = lead->attempt.members[i];
        }
    }
    assert(count == silent && count > 0);
    checkpoint_reason_add_nodes(lead->reason, "no word from", ids, count);
    checkpoint_lead_abort(c, now_us, lead->reason, ids, count);
    free(ids);
}

void checkpoint_lead_tick(struct checkpoint *c, uint64_t now_us)
{
    if (c->lead.state == CHECKPOINT_LEAD_WAITING &&
            now_us >= c->lead.deadline_us) {
        abort_for_silence(c, now_us);
    }
}
