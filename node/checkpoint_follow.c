#include "node/checkpoint_inner.h"

#include <stdlib.h>

/* The attempt that an announcement names, without its lists. */
static struct checkpoint_attempt key_of(const struct control_announcement *a)
{
    return (struct checkpoint_attempt){
            .leader = a->leader,
            .generation = a->generation,
            .epoch = a->epoch,
            .attempt = a->attempt,
    };
}

/* --- refusing --- */

/* What we hold against a Prepare: `reason` says it, and the epoch is returned
 * above which a leader must go; 0 when there is nothing. */
static uint64_t held_against(const struct checkpoint *c,
        const struct checkpoint_attempt *next,
        char reason[static CHECKPOINT_REASON_BYTES])
{
    const struct checkpoint_attempt *held = &c->held;
    const struct checkpoint_attempt *now = &c->part.attempt;
    bool is_same = held->leader == next->leader &&
                   held->generation == next->generation;

    if (checkpoint_part_is_running(c) && now->epoch >= next->epoch &&
            !now->is_laminar) {
        checkpoint_reason_add(reason,
                "node %" PRIu64 " is at epoch %" PRIu64 " of leader %" PRIu64,
                c->options.id, now->epoch, now->leader);
        return now->epoch;
    }
    if (next->epoch > held->epoch || (next->epoch == held->epoch && is_same &&
                                             next->attempt > held->attempt)) {
        return 0;
    }
    if (held->leader == 0) {
        checkpoint_reason_add(reason,
                "node %" PRIu64 " has epoch %" PRIu64 " on its disk",
                c->options.id, held->epoch);
    } else {
        checkpoint_reason_add(reason,
                "node %" PRIu64 " has acked epoch %" PRIu64
                " of leader %" PRIu64,
                c->options.id, held->epoch, held->leader);
    }
    return held->epoch;
}

static void send_ack(
        struct checkpoint *c, uint64_t to, const struct control_ack *ack)
{
    int code = control_write_ack(ack, c->text, CHECKPOINT_TEXT_BYTES);

    assert(code == 0);
    (void)code;
    checkpoint_send(c, to, SHUFFLE_CONTROL_ACK, c->text);
}

/* A refusal without a part. It goes to the leader alone: the key keeps what we
 * have acked. Where an epoch stands against it, the leader hears of that first,
 * so that its next one is above. */
static void refuse(struct checkpoint *c, const struct control_announcement *a,
        const char *reason, uint64_t held_epoch)
{
    struct control_ack ack = {
            .epoch = held_epoch,
            .has_error = true,
            .error = bytes_text(reason),
            .local_watermark = c->local,
    };

    if (held_epoch != 0) {
        send_ack(c, a->leader, &ack);
    }
    ack.epoch = a->epoch;
    ack.is_weft = true;
    ack.checkpoint_id = a->checkpoint_id;
    ack.leader = a->leader;
    ack.attempt = a->attempt;
    send_ack(c, a->leader, &ack);
}

/* Whether we can have no part in it, though we are listed. A leader below us
 * that begins while we lead has the better right; one above us has not. */
static bool is_refused(struct checkpoint *c, const struct checkpoint_peer *peer,
        const struct control_announcement *a)
{
    const struct checkpoint_attempt next = key_of(a);
    char reason[CHECKPOINT_REASON_BYTES] = "";
    uint64_t held_epoch = 0;

    if (!checkpoint_takes_part(c)) {
        checkpoint_reason_add(
                reason, "node %" PRIu64 " is not active", c->options.id);
    } else if (!peer->facts.live && peer->facts.generation == a->generation) {
        checkpoint_reason_add(reason,
                "node %" PRIu64 " holds node %" PRIu64 " for dead",
                c->options.id, a->leader);
    } else if (c->lead.state == CHECKPOINT_LEAD_KEEPING ||
               (c->lead.state == CHECKPOINT_LEAD_WAITING &&
                       a->leader > c->options.id)) {
        checkpoint_reason_add(reason,
                "node %" PRIu64 " leads epoch %" PRIu64 " itself",
                c->options.id, c->lead.attempt.epoch);
        held_epoch = c->lead.attempt.epoch;
    } else {
        held_epoch = held_against(c, &next, reason);
    }
    if (reason[0] != '\0') {
        refuse(c, a, reason, held_epoch);
    }
    return reason[0] != '\0';
}

/* --- taking part --- */

/* What runs here gives way to a later attempt. */
static void give_way(struct checkpoint *c, uint64_t now_us,
        const struct control_announcement *a)
{
    char reason[CHECKPOINT_REASON_BYTES] = "";

    if (c->lead.state == CHECKPOINT_LEAD_WAITING) {
        checkpoint_reason_add(reason, "node %" PRIu64 " leads now", a->leader);
        checkpoint_lead_abort(c, now_us, reason, NULL, 0);
        return;
    }
    checkpoint_reason_add(reason,
            "epoch %" PRIu64 " of leader %" PRIu64
            " has begun at node %" PRIu64,
            a->epoch, a->leader, c->options.id);
    checkpoint_part_give_up(c, now_us, reason);
}

/* The token of ours that the attempt answers; 0 when none. */
static uint64_t asked_by_us(
        const struct checkpoint *c, const struct control_announcement *a)
{
    for (size_t i = 0; i < a->asked_count; i++) {
        if (a->asked[i].node == c->options.id) {
            return a->asked[i].token;
        }
    }
    return 0;
}

/* The same Prepare once more: from the key what came in a frame, or late. */
static void hear_again(
        struct checkpoint *c, const struct control_announcement *a)
{
    const struct checkpoint_part *part = &c->part;

    if (!checkpoint_attempt_says(&part->attempt, a)) {
        c->contradictions++;
        checkpoint_log(c, true,
                "leader %" PRIu64 " has announced attempt %" PRIu64
                " with two contents; the first one counts",
                a->leader, a->attempt);
    } else if (checkpoint_part_is_running(c) && part->ack_text != NULL) {
        checkpoint_send(c, a->leader, SHUFFLE_CONTROL_ACK, part->ack_text);
    }
}

/* Of the leader's attempts, one before that which we know of already. */
static bool is_stale(
        const struct checkpoint *c, const struct control_announcement *a)
{
    const struct checkpoint_part *part = &c->part;

    return part->state != CHECKPOINT_PART_NONE && !part->attempt.is_laminar &&
           part->attempt.leader == a->leader &&
           part->attempt.generation == a->generation &&
           part->attempt.epoch >= a->epoch;
}

/* The key may be read before the frames that were sent ahead of it: a leader
 * begins nothing before it has said what became of the one before. Of that one
 * its frames tell, in their order, and so they do of this. */
static bool is_ahead(const struct checkpoint *c, uint64_t version,
        const struct control_announcement *a)
{
    const struct checkpoint_attempt *now = &c->part.attempt;

    return version != 0 && checkpoint_part_is_running(c) && !now->is_laminar &&
           now->leader == a->leader && now->generation == a->generation;
}

static void join(struct checkpoint *c, uint64_t now_us,
        const struct checkpoint_peer *peer,
        const struct control_announcement *a)
{
    uint64_t token = asked_by_us(c, a);

    if (is_refused(c, peer, a)) {
        checkpoint_bind_token(c, now_us, token, false);
        return;
    }
    give_way(c, now_us, a);
    checkpoint_part_begin(c, now_us, a, false);
    checkpoint_bind_token(c, now_us, token, true);
}

/* An attempt of others. It ends what its leader has begun before, and if one of
 * our programs has asked for it, we wait for the outcome. */
static void look_on(struct checkpoint *c, uint64_t now_us,
        const struct control_announcement *a)
{
    uint64_t token = asked_by_us(c, a);

    if (checkpoint_part_is_running(c) && c->part.attempt.leader == a->leader) {
        give_way(c, now_us, a);
    }
    if (token == 0) {
        return;
    }
    if (checkpoint_part_is_running(c)) {
        checkpoint_bind_token(c, now_us, token, false);
        return;
    }
    checkpoint_part_watch(c, now_us, a);
    checkpoint_bind_token(c, now_us, token, true);
}

static bool lists_us(
        const struct checkpoint *c, const struct control_announcement *a)
{
    for (size_t i = 0; i < a->members_count; i++) {
        if (a->members[i] == c->options.id) {
            return a->generations[i] == c->options.generation;
        }
    }
    return false;
}

static void hear_prepare(struct checkpoint *c, uint64_t now_us, uint64_t from,
        uint64_t version, const struct control_announcement *a)
{
    const struct checkpoint_peer *peer = checkpoint_find(c, from);
    const struct checkpoint_attempt next = key_of(a);

    if (a->leader != from || peer == NULL ||
            a->generation < peer->facts.generation) {
        return; /* hearsay, or of a life that is over */
    }
    if (c->part.state != CHECKPOINT_PART_NONE &&
            checkpoint_attempt_is(&c->part.attempt, &next)) {
        hear_again(c, a);
    } else if (is_stale(c, a) || checkpoint_decisions_find(&c->decisions,
                                         a->leader, a->generation, a->epoch)) {
        checkpoint_bind_token(c, now_us, asked_by_us(c, a), false);
    } else if (is_ahead(c, version, a)) {
        return;
    } else if (lists_us(c, a)) {
        join(c, now_us, peer, a);
    } else {
        look_on(c, now_us, a);
    }
}

/* --- LaminarDB leaders --- */

/* Our own list of whom it is for, since it names nobody. */
static void begin_laminar(struct checkpoint *c, uint64_t now_us,
        const struct checkpoint_peer *leader, uint64_t version,
        const struct control_announcement *a)
{
    uint64_t *lists = calloc(2 * (c->peers_count + 1), sizeof(*lists));
    uint64_t *generations = lists + c->peers_count + 1;
    struct control_announcement prepare = *a;
    bool is_listed = false;

    if (lists == NULL) {
        abort();
    }
    prepare.members_count = 0;
    for (size_t i = 0; i <= c->peers_count; i++) {
        const struct checkpoint_peer *peer =
                i < c->peers_count ? &c->peers[i] : NULL;

        if (!is_listed && (peer == NULL || peer->facts.id > c->options.id)) {
            lists[prepare.members_count] = c->options.id;
            generations[prepare.members_count++] = c->options.generation;
            is_listed = true;
        }
        if (peer != NULL && peer->facts.live && peer->facts.active) {
            lists[prepare.members_count] = peer->facts.id;
            generations[prepare.members_count++] = peer->facts.generation;
        }
    }
    prepare.leader = leader->facts.id;
    prepare.generation = leader->facts.generation;
    prepare.attempt = version;
    prepare.members = lists;
    prepare.generations = generations;
    prepare.left_ms = c->options.align_timeout_ms;
    checkpoint_part_begin(c, now_us, &prepare, true);
    free(lists);
}

static bool is_of_part(const struct checkpoint *c,
        const struct checkpoint_peer *leader,
        const struct control_announcement *a)
{
    const struct checkpoint_attempt *attempt = &c->part.attempt;

    return c->part.state != CHECKPOINT_PART_NONE && attempt->is_laminar &&
           attempt->leader == leader->facts.id &&
           attempt->generation == leader->facts.generation &&
           attempt->epoch == a->epoch;
}

static void hear_laminar_outcome(struct checkpoint *c, uint64_t now_us,
        const struct checkpoint_peer *leader, uint64_t version,
        const struct control_announcement *a)
{
    const struct checkpoint_attempt *attempt = &c->part.attempt;
    enum shuffle_outcome_code code = a->phase == CONTROL_COMMIT
                                             ? SHUFFLE_OUTCOME_COMMITTED
                                             : SHUFFLE_OUTCOME_ABORTED;
    struct control_announcement word = {.epoch = a->epoch};

    if (!is_of_part(c, leader, a) || version <= attempt->attempt) {
        return;
    }
    if (a->phase == CONTROL_ABORT) {
        word.reason = bytes_text("its leader has aborted it");
    }
    if (checkpoint_part_is_running(c)) {
        checkpoint_part_end(c, now_us, code, &word);
    } else if (c->part.outcome == SHUFFLE_OUTCOME_UNKNOWN) {
        checkpoint_learn_late(c, now_us,
                checkpoint_ledger_find(&c->ledger, attempt->leader,
                        attempt->generation, attempt->epoch, attempt->attempt),
                attempt->cut, code, &word);
    }
}

static void follow_laminar(struct checkpoint *c, uint64_t now_us, uint64_t from,
        uint64_t version, const struct control_announcement *a)
{
    const struct checkpoint_peer *peer = checkpoint_find(c, from);
    const struct checkpoint_attempt *attempt = &c->part.attempt;

    if (peer == NULL || peer->facts.speaks_weft || version == 0 ||
            from != c->leader) {
        return;
    }
    if (a->phase == CONTROL_COMMIT) {
        checkpoint_raise_watermark(c, &a->min_watermark);
    }
    if (a->phase != CONTROL_PREPARE) {
        hear_laminar_outcome(c, now_us, peer, version, a);
        return;
    }
    if (!checkpoint_takes_part(c) || checkpoint_lead_is_running(c) ||
            (c->part.state != CHECKPOINT_PART_NONE && attempt->is_laminar &&
                    attempt->leader == from &&
                    attempt->generation == peer->facts.generation &&
                    version <= attempt->attempt)) {
        return;
    }
    if (checkpoint_part_is_running(c)) {
        char reason[CHECKPOINT_REASON_BYTES] = "";

        checkpoint_reason_add(
                reason, "node %" PRIu64 " has begun another", from);
        checkpoint_part_give_up(c, now_us, reason);
    }
    begin_laminar(c, now_us, peer, version, a);
}

void checkpoint_follow(struct checkpoint *c, uint64_t now_us, uint64_t from,
        uint64_t version, const struct control_announcement *a)
{
    if (!a->is_weft) {
        follow_laminar(c, now_us, from, version, a);
    } else if (a->phase == CONTROL_PREPARE) {
        hear_prepare(c, now_us, from, version, a);
    } else {
        if (a->phase == CONTROL_COMMIT && from == a->leader) {
            checkpoint_raise_watermark(c, &a->min_watermark);
        }
        checkpoint_learn(c, now_us, from, a);
    }
}
