/* A few checkpoint cores wired together in memory, in virtual time.
 *
 * The harness plays everything around the core: lanes of CONTROL frames, keys
 * that go round by gossip, a detector that finds the silent dead, streams whose
 * cuts take as long as a test says, a disk. It can lose, delay, repeat and
 * reorder what is sent, stop a node between any two of its actions, and let it
 * come back as another life. It watches, all the time, what must hold:
 *
 *   - (leader, generation, epoch) has one outcome, whoever tells it
 *   - no life acks one epoch for two leaders, or two lives of one
 *   - nothing is committed that a listed member has not acked
 *   - nothing runs longer than `align_timeout` + 2 s where it began
 *
 * and every core passes its own check after each step. */
#pragma once

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/prng.h"
#include "node/checkpoint.h"

enum {
    H_NODES_MAX = 7,
    H_MESSAGES_MAX = 1 << 16,
    H_FACTS_MAX = 1 << 14, /* outcomes and acks that are remembered */
    H_ANSWERS_MAX = 64,
    H_TEXT_MAX = 8192,
    H_MEMBERS_MAX = 16,

    H_MS = 1000,
    H_FRAME_US = 200, /* one way of a frame */
    H_ROUND_US = 500 * H_MS, /* of gossip */
    H_DETECT_US = 4000 * H_MS, /* a silence that is taken for death */
    H_REFUSE_US = 400, /* until a connection is refused */
    H_ALIGN_MS = 2000,
    H_KEEP_MAX_US = 100 * H_MS, /* for a decision to reach the disk */
};

enum h_type {
    H_CONTROL,
    H_UNREACHABLE,
    H_EVENT, /* of the receiver's cut */
    H_KEPT,
};

struct h_message {
    uint64_t due_us;
    uint64_t order;
    enum h_type type;
    size_t from;
    size_t to;
    unsigned to_life; /* who it was for; another one does not get it */
    uint64_t from_id;
    enum shuffle_control_kind kind;
    enum shuffle_cut_event event;
    uint64_t cut;
    char *text;
};

/* A key of one's own, and the version of it that each of the others knows. */
struct h_slot {
    char text[H_TEXT_MAX];
    uint64_t version;
};

struct h_answer {
    uint32_t client;
    bool is_refused;
    char reason[256];
    enum shuffle_outcome_code outcome;
    uint64_t epoch;
    uint64_t at_us;
};

/* What one node knows of another. */
struct h_view {
    bool is_known;
    struct checkpoint_member facts;
    uint64_t heard_us;
    uint64_t barrier_seen;
    uint64_t ack_seen;
};

struct h_node {
    uint64_t id;
    uint64_t generation;
    unsigned life;
    bool is_up;
    bool is_active;
    bool is_draining;
    uint64_t paused_until_us; /* 0 = it runs */
    uint64_t paused_at_us;
    uint64_t resumed_us;
    unsigned pause_after; /* so many actions more; 0 = not at all */
    uint64_t pause_us;
    uint64_t slow_us; /* to add to each frame from here */
    struct checkpoint_options options;
    struct checkpoint cp;
    struct h_slot barrier;
    struct h_slot ack;
    uint64_t versions;
    struct h_view views[H_NODES_MAX];
    uint64_t epoch_on_disk;
    struct checkpoint_decision disk[H_FACTS_MAX / 16];
    size_t disk_count;

    /* Its streams. */
    uint64_t cut_us; /* how long a cut takes */
    bool is_stuck; /* it never ends */
    const char *cut_fails; /* the sentence, or NULL */
    uint64_t cut_fails_for; /* the peer that is named */
    const char *lack; /* what is lacking, when it is asked */
    uint64_t lacking[4];
    size_t lacking_count;
    uint64_t keep_us;
    const char *keep_fails;
    bool is_wiped;

    /* What it has done. */
    unsigned cuts;
    struct shuffle_cut_order order; /* the latest, its lists apart */
    size_t order_weft; /* of its members, how many speak Weft */
    char order_rotate[256]; /* names, each with a space behind */
    unsigned commits; /* OUTCOME actions */
    unsigned aborts;
    unsigned unknowns;
    char outcome_text[CHECKPOINT_REASON_BYTES];
    uint64_t placed_nodes[H_MEMBERS_MAX]; /* of the latest Commit's first */
    size_t placed_count;
    size_t places_count;
    struct h_answer answers[H_ANSWERS_MAX];
    size_t answers_count;
    unsigned drained;
    unsigned confirmed;
    unsigned buried;
    unsigned warnings;
    unsigned keeps;
    char warning[CHECKPOINT_REASON_BYTES + 128];
    unsigned sent; /* CONTROL frames */
    char last_sent[H_TEXT_MAX];
};

struct h_outcome {
    uint64_t leader;
    uint64_t generation;
    uint64_t epoch;
    bool is_committed;
};

struct h_ack {
    uint64_t member;
    uint64_t member_generation;
    uint64_t leader;
    uint64_t leader_generation;
    uint64_t epoch;
};

/* A Prepare, as it was published. */
struct h_prepare {
    uint64_t leader;
    uint64_t generation;
    uint64_t epoch;
    uint64_t checkpoint_id;
    uint64_t members[H_MEMBERS_MAX];
    uint64_t generations[H_MEMBERS_MAX];
    size_t members_count;
};

struct harness {
    uint64_t now_us;
    uint64_t round_us; /* the next one of gossip */
    struct prng prng;
    struct h_node *nodes[H_NODES_MAX];
    size_t nodes_count;
    bool cut_off[H_NODES_MAX][H_NODES_MAX]; /* nothing gets from i to j */
    unsigned lose; /* of a thousand frames, and of rounds */
    unsigned repeat;
    uint64_t delay_us; /* frames take up to so much longer, in any order */
    struct h_message *messages; /* a heap by due time */
    size_t messages_count;
    uint64_t order;
    struct control_memory memory;
    struct h_outcome *outcomes;
    size_t outcomes_count;
    struct h_ack *acks;
    size_t acks_count;
    struct h_prepare *prepares;
    size_t prepares_count;
    bool is_watched; /* the invariants are asserted */
};

static inline void h_drain(struct harness *h, size_t i);

/* --- messages --- */

static inline bool h_before(
        const struct h_message *a, const struct h_message *b)
{
    return a->due_us < b->due_us ||
           (a->due_us == b->due_us && a->order < b->order);
}

static inline void h_swap(struct harness *h, size_t a, size_t b)
{
    struct h_message m = h->messages[a];

    h->messages[a] = h->messages[b];
    h->messages[b] = m;
}

static inline void h_push(struct harness *h, struct h_message m)
{
    size_t at = h->messages_count++;

    assert_true(h->messages_count < H_MESSAGES_MAX);
    m.order = h->order++;
    h->messages[at] = m;
    while (at > 0 && h_before(&h->messages[at], &h->messages[(at - 1) / 2])) {
        h_swap(h, at, (at - 1) / 2);
        at = (at - 1) / 2;
    }
}

static inline struct h_message h_pop(struct harness *h)
{
    struct h_message first = h->messages[0];
    size_t at = 0;

    h->messages[0] = h->messages[--h->messages_count];
    for (;;) {
        size_t least = at;

        for (size_t child = 2 * at + 1;
                child <= 2 * at + 2 && child < h->messages_count; child++) {
            if (h_before(&h->messages[child], &h->messages[least])) {
                least = child;
            }
        }
        if (least == at) {
            return first;
        }
        h_swap(h, at, least);
        at = least;
    }
}

static inline char *h_copy(const char *text)
{
    char *copy = malloc(strlen(text) + 1);

    assert_non_null(copy);
    return strcpy(copy, text);
}

static inline bool h_chance(struct harness *h, unsigned of_a_thousand)
{
    return prng_below(&h->prng, 1000) < of_a_thousand;
}

/* --- what must hold --- */

static inline void h_note_outcome(struct harness *h, uint64_t leader,
        uint64_t generation, uint64_t epoch, bool is_committed)
{
    for (size_t i = 0; i < h->outcomes_count; i++) {
        const struct h_outcome *o = &h->outcomes[i];

        if (o->leader == leader && o->generation == generation &&
                o->epoch == epoch) {
            if (o->is_committed != is_committed) {
                fail_msg("epoch %" PRIu64 " of %" PRIu64 "@%" PRIu64
                         " has two outcomes",
                        epoch, leader, generation);
            }
            return;
        }
    }
    assert_true(h->outcomes_count < H_FACTS_MAX);
    h->outcomes[h->outcomes_count++] =
            (struct h_outcome){leader, generation, epoch, is_committed};
}

static inline const struct h_prepare *h_find_prepare(
        const struct harness *h, uint64_t leader, uint64_t checkpoint_id)
{
    for (size_t i = h->prepares_count; i > 0; i--) {
        const struct h_prepare *p = &h->prepares[i - 1];

        if (p->leader == leader && p->checkpoint_id == checkpoint_id) {
            return p;
        }
    }
    return NULL;
}

static inline void h_note_ack(
        struct harness *h, const struct h_node *n, const char *text)
{
    struct control_ack ack;
    const struct h_prepare *p;

    assert_true(control_read_ack(&h->memory, bytes_text(text), &ack));
    if (!ack.ok || !ack.is_weft) {
        return;
    }
    p = h_find_prepare(h, ack.leader, ack.checkpoint_id);
    if (p == NULL) {
        return; /* a test's own leader */
    }
    for (size_t i = 0; i < h->acks_count; i++) {
        const struct h_ack *a = &h->acks[i];

        if (a->member == n->id && a->member_generation == n->generation &&
                a->epoch == ack.epoch) {
            assert_int_equal(a->leader, ack.leader);
            assert_int_equal(a->leader_generation, p->generation);
            return;
        }
    }
    assert_true(h->acks_count < H_FACTS_MAX);
    h->acks[h->acks_count++] = (struct h_ack){
            n->id, n->generation, ack.leader, p->generation, ack.epoch};
}

static inline bool h_has_acked(const struct harness *h,
        const struct h_prepare *p, uint64_t member, uint64_t generation)
{
    for (size_t i = 0; i < h->acks_count; i++) {
        const struct h_ack *a = &h->acks[i];

        if (a->member == member && a->member_generation == generation &&
                a->leader == p->leader &&
                a->leader_generation == p->generation && a->epoch == p->epoch) {
            return true;
        }
    }
    return false;
}

static inline void h_note_prepare(
        struct harness *h, const struct control_announcement *a)
{
    struct h_prepare *p = &h->prepares[h->prepares_count++];

    assert_true(h->prepares_count < H_FACTS_MAX);
    assert_true(a->members_count <= H_MEMBERS_MAX);
    *p = (struct h_prepare){.leader = a->leader,
            .generation = a->generation,
            .epoch = a->epoch,
            .checkpoint_id = a->checkpoint_id,
            .members_count = a->members_count};
    memcpy(p->members, a->members, a->members_count * sizeof(uint64_t));
    memcpy(p->generations, a->generations, a->members_count * sizeof(uint64_t));
}

static inline void h_note_announcement(
        struct harness *h, const struct h_node *n, const char *text)
{
    struct control_announcement a;
    const struct h_prepare *p;

    assert_true(control_read_announcement(&h->memory, bytes_text(text), &a));
    assert_true(a.is_weft);
    if (a.phase == CONTROL_PREPARE) {
        h_note_prepare(h, &a);
        return;
    }
    h_note_outcome(
            h, a.leader, a.generation, a.epoch, a.phase == CONTROL_COMMIT);
    if (a.phase != CONTROL_COMMIT || a.leader != n->id) {
        return;
    }
    p = h_find_prepare(h, a.leader, a.checkpoint_id);
    assert_non_null(p);
    for (size_t i = 0; h->is_watched && i < p->members_count; i++) {
        if (p->members[i] != n->id) {
            assert_true(h_has_acked(h, p, p->members[i], p->generations[i]));
        }
    }
}

static inline void h_watch(const struct harness *h, const struct h_node *n)
{
    uint64_t since_us;

    if (!n->is_up) {
        return;
    }
    checkpoint_check(&n->cp);
    if (!h->is_watched || !checkpoint_is_running(&n->cp) ||
            n->paused_until_us != 0 || n->cp.part.attempt.is_laminar) {
        return;
    }
    since_us = checkpoint_ledger_at(&n->cp.ledger, 0)->prepared_us;
    if (n->resumed_us > since_us) {
        since_us = n->resumed_us;
    }
    assert_true(h->now_us - since_us <=
                (n->options.align_timeout_ms + 2000) * H_MS + H_KEEP_MAX_US);
}

/* --- actions --- */

static inline size_t h_index(const struct harness *h, uint64_t id)
{
    for (size_t i = 0; i < h->nodes_count; i++) {
        if (h->nodes[i]->id == id) {
            return i;
        }
    }
    return H_NODES_MAX;
}

static inline void h_send(
        struct harness *h, size_t from, const struct checkpoint_action *action)
{
    size_t to = h_index(h, action->peer);
    struct h_message m = {.type = H_CONTROL,
            .from = from,
            .to = to,
            .from_id = h->nodes[from]->id,
            .kind = action->kind};
    unsigned copies = h_chance(h, h->repeat) ? 2 : 1;

    h->nodes[from]->sent++;
    (void)snprintf(h->nodes[from]->last_sent, H_TEXT_MAX, "%s", action->text);
    if (to == H_NODES_MAX || h->cut_off[from][to] || h_chance(h, h->lose)) {
        return;
    }
    if (!h->nodes[to]->is_up) {
        m.type = H_UNREACHABLE;
        m.to = from;
        m.to_life = h->nodes[from]->life;
        m.from_id = action->peer;
        m.due_us = h->now_us + H_REFUSE_US;
        h_push(h, m);
        return;
    }
    m.to_life = h->nodes[to]->life;
    for (unsigned i = 0; i < copies; i++) {
        m.due_us = h->now_us + H_FRAME_US + h->nodes[from]->slow_us;
        if (h->delay_us > 0) {
            m.due_us += prng_below(&h->prng, h->delay_us);
        }
        m.text = h_copy(action->text);
        h_push(h, m);
    }
}

static inline void h_begin_cut(
        struct harness *h, size_t i, const struct shuffle_cut_order *order)
{
    struct h_node *n = h->nodes[i];
    struct h_message m = {.type = H_EVENT,
            .from = i,
            .to = i,
            .to_life = n->life,
            .due_us = h->now_us + n->cut_us,
            .cut = order->checkpoint};

    n->cuts++;
    n->order = *order;
    n->order_weft = 0;
    n->order_rotate[0] = '\0';
    for (size_t k = 0; k < order->members_count; k++) {
        n->order_weft += order->members[k].speaks_weft ? 1 : 0;
    }
    for (size_t k = 0; k < order->rotate_count; k++) {
        (void)strncat(n->order_rotate, (const char *)order->rotate[k].data,
                order->rotate[k].size);
        (void)strcat(n->order_rotate, " ");
    }
    if (n->is_stuck) {
        return;
    }
    for (int event = SHUFFLE_CUT_MARKED; event <= SHUFFLE_CUT_WRITTEN;
            event++) {
        m.event = (enum shuffle_cut_event)event;
        if (n->cut_fails != NULL && event == SHUFFLE_CUT_WRITTEN) {
            m.event = SHUFFLE_CUT_FAILED;
        }
        h_push(h, m);
    }
}

static inline void h_end_cut(
        struct harness *h, size_t i, const struct shuffle_cut_outcome *outcome)
{
    struct h_node *n = h->nodes[i];

    switch (outcome->code) {
    case SHUFFLE_OUTCOME_COMMITTED:
        n->commits++;
        break;
    case SHUFFLE_OUTCOME_ABORTED:
        n->aborts++;
        break;
    case SHUFFLE_OUTCOME_UNKNOWN:
        n->unknowns++;
        break;
    }
    (void)snprintf(
            n->outcome_text, sizeof(n->outcome_text), "%s", outcome->text);
    n->places_count = outcome->places_count;
    n->placed_count = 0;
    if (outcome->places_count > 0) {
        const struct shuffle_wire_sinks *sinks = &outcome->places[0].sinks;

        n->placed_count = shuffle_wire_sinks_count(sinks);
        for (size_t k = 0; k < n->placed_count && k < H_MEMBERS_MAX; k++) {
            n->placed_nodes[k] = shuffle_wire_sink_at(sinks, k).node;
        }
    }
    for (size_t age = 0; age < n->cp.ledger.count; age++) {
        const struct checkpoint_entry *e =
                checkpoint_ledger_at(&n->cp.ledger, age);

        if (e->epoch == outcome->epoch && !e->is_laminar &&
                e->checkpoint_id == outcome->checkpoint &&
                outcome->code != SHUFFLE_OUTCOME_UNKNOWN) {
            h_note_outcome(h, e->leader, e->generation, e->epoch,
                    outcome->code == SHUFFLE_OUTCOME_COMMITTED);
        }
    }
}

static inline void h_answer(struct harness *h, struct h_node *n,
        const struct checkpoint_action *action)
{
    struct h_answer *answer = &n->answers[n->answers_count++];

    assert_true(n->answers_count <= H_ANSWERS_MAX);
    *answer = (struct h_answer){.client = action->client,
            .is_refused = action->result.is_refused,
            .at_us = h->now_us};
    if (action->result.is_refused) {
        (void)snprintf(answer->reason, sizeof(answer->reason), "%s",
                action->result.reason);
    } else {
        (void)snprintf(answer->reason, sizeof(answer->reason), "%.255s",
                action->result.entry->reason);
        answer->outcome = action->result.entry->outcome;
        answer->epoch = action->result.entry->epoch;
    }
}

static inline void h_publish(
        struct h_node *n, struct h_slot *slot, const char *text)
{
    if (strcmp(slot->text, text) != 0) {
        (void)snprintf(slot->text, sizeof(slot->text), "%s", text);
        slot->version = ++n->versions;
    }
}

static inline void h_write_disk(
        struct harness *h, size_t i, const struct checkpoint_decision *kept)
{
    struct h_node *n = h->nodes[i];

    n->keeps++;
    if (n->keep_fails == NULL || !kept->is_committed) {
        assert_true(n->disk_count < H_FACTS_MAX / 16);
        n->disk[n->disk_count++] = *kept;
    }
    h_push(h, (struct h_message){.type = H_KEPT,
                      .from = i,
                      .to = i,
                      .to_life = n->life,
                      .due_us = h->now_us + n->keep_us});
}

static inline void h_rise_again(struct harness *h, size_t i)
{
    struct h_node *n = h->nodes[i];

    n->buried++;
    n->generation++;
    checkpoint_generation(&n->cp, h->now_us, n->generation);
}

static inline void h_perform(
        struct harness *h, size_t i, const struct checkpoint_action *action)
{
    struct h_node *n = h->nodes[i];

    switch (action->type) {
    case CHECKPOINT_PUBLISH:
        h_note_announcement(h, n, action->text);
        h_publish(n, &n->barrier, action->text);
        break;
    case CHECKPOINT_PUBLISH_ACK:
        if (action->text[0] != '\0') {
            h_note_ack(h, n, action->text);
        }
        h_publish(n, &n->ack, action->text);
        break;
    case CHECKPOINT_CONTROL:
        h_send(h, i, action);
        break;
    case CHECKPOINT_CUT:
        h_begin_cut(h, i, &action->order);
        break;
    case CHECKPOINT_OUTCOME:
        h_end_cut(h, i, &action->outcome);
        break;
    case CHECKPOINT_KEEP:
        h_write_disk(h, i, &action->kept);
        break;
    case CHECKPOINT_ANSWER:
        h_answer(h, n, action);
        break;
    case CHECKPOINT_SUSPENDED:
        break;
    case CHECKPOINT_DRAINED:
        n->drained++;
        n->is_active = false;
        n->is_draining = true;
        checkpoint_state(&n->cp, h->now_us, false, true);
        break;
    case CHECKPOINT_CONFIRMED:
        n->confirmed++;
        break;
    case CHECKPOINT_BURIED:
        h_rise_again(h, i);
        break;
    case CHECKPOINT_LOG:
        if (action->is_warning) {
            n->warnings++;
            (void)snprintf(n->warning, sizeof(n->warning), "%s", action->text);
        }
        break;
    }
}

static inline void h_pause(struct harness *h, size_t i, uint64_t us)
{
    struct h_node *n = h->nodes[i];

    n->paused_at_us = h->now_us;
    n->paused_until_us = h->now_us + us;
    n->pause_after = 0;
}

static inline void h_drain(struct harness *h, size_t i)
{
    struct h_node *n = h->nodes[i];
    struct checkpoint_action action;

    while (n->is_up && n->paused_until_us == 0) {
        if (checkpoint_wants_lack(&n->cp)) {
            struct shuffle_cut_lack lack = {
                    .nodes = n->lacking, .nodes_count = n->lacking_count};

            (void)snprintf(lack.text, sizeof(lack.text), "%s",
                    n->lack == NULL ? "" : n->lack);
            checkpoint_lack(&n->cp, h->now_us, &lack);
        }
        if (!checkpoint_next(&n->cp, &action)) {
            break;
        }
        h_perform(h, i, &action);
        if (n->pause_after > 0 && --n->pause_after == 0) {
            h_pause(h, i, n->pause_us);
        }
    }
    h_watch(h, n);
}

/* --- gossip --- */

static inline void h_deliver_keys(struct harness *h, size_t from, size_t to)
{
    struct h_node *n = h->nodes[from];
    struct h_node *m = h->nodes[to];
    struct h_view *view = &m->views[from];
    struct control_announcement a;
    struct control_ack ack;

    if (n->barrier.version > view->barrier_seen) {
        view->barrier_seen = n->barrier.version;
        assert_true(control_read_announcement(
                &h->memory, bytes_text(n->barrier.text), &a));
        checkpoint_announced(&m->cp, h->now_us, n->id, n->barrier.version, &a);
        h_drain(h, to);
    }
    if (n->ack.version > view->ack_seen && m->is_up) {
        view->ack_seen = n->ack.version;
        if (n->ack.text[0] == '\0') {
            return;
        }
        assert_true(
                control_read_ack(&h->memory, bytes_text(n->ack.text), &ack));
        checkpoint_acked(&m->cp, h->now_us, n->id, n->ack.version, &ack);
        h_drain(h, to);
    }
}

static inline bool h_same_facts(
        const struct checkpoint_member *a, const struct checkpoint_member *b)
{
    return a->id == b->id && a->generation == b->generation &&
           a->live == b->live && a->active == b->active &&
           a->draining == b->draining && a->speaks_weft == b->speaks_weft;
}

static inline void h_tell_facts(struct harness *h, size_t of, size_t to)
{
    struct h_node *n = h->nodes[of];
    struct h_node *m = h->nodes[to];
    struct h_view *view = &m->views[of];
    struct checkpoint_member facts = {.id = n->id,
            .generation = n->generation,
            .live = true,
            .active = n->is_active,
            .draining = n->is_draining,
            .speaks_weft = true};

    view->heard_us = h->now_us;
    if (view->facts.generation != facts.generation) {
        view->barrier_seen = 0;
        view->ack_seen = 0;
    } else {
        facts.convicted = view->facts.convicted;
    }
    if (!view->is_known || !h_same_facts(&view->facts, &facts)) {
        view->is_known = true;
        view->facts = facts;
        checkpoint_member(&m->cp, h->now_us, &view->facts);
        h_drain(h, to);
    }
}

static inline bool h_runs(const struct h_node *n)
{
    return n->is_up && n->paused_until_us == 0;
}

static inline void h_detect(struct harness *h, size_t of, size_t by)
{
    struct h_node *m = h->nodes[by];
    struct h_view *view = &m->views[of];

    if (view->is_known && view->facts.live &&
            h->now_us - view->heard_us > H_DETECT_US) {
        view->facts.live = false;
        view->facts.convicted = true;
        checkpoint_member(&m->cp, h->now_us, &view->facts);
        h_drain(h, by);
    }
}

static inline void h_round(struct harness *h)
{
    for (size_t i = 0; i < h->nodes_count; i++) {
        for (size_t j = 0; j < h->nodes_count; j++) {
            if (i == j || !h_runs(h->nodes[j])) {
                continue;
            }
            if (h_runs(h->nodes[i]) && !h->cut_off[i][j] &&
                    !h_chance(h, h->lose)) {
                h_tell_facts(h, i, j);
                if (h_runs(h->nodes[i]) && h_runs(h->nodes[j])) {
                    h_deliver_keys(h, i, j);
                }
            } else {
                h_detect(h, i, j);
            }
        }
    }
}

/* --- nodes --- */

/* Adds a node; it is up, and nobody has heard of it. */
static inline size_t h_add(struct harness *h, uint64_t id)
{
    size_t i = h->nodes_count++;
    struct h_node *n = calloc(1, sizeof(*n));

    assert_true(h->nodes_count <= H_NODES_MAX);
    assert_non_null(n);
    h->nodes[i] = n;
    n->id = id;
    n->generation = 1000 + id;
    n->is_up = true;
    n->is_active = true;
    n->cut_us = 300;
    n->keep_us = 500;
    n->options = checkpoint_defaults();
    n->options.align_timeout_ms = H_ALIGN_MS;
    return i;
}

static inline void h_boot(struct harness *h, size_t i)
{
    struct h_node *n = h->nodes[i];

    n->options.id = n->id;
    n->options.generation = n->generation;
    assert_int_equal(checkpoint_init(&n->cp, &n->options, h->now_us, NULL), 0);
    for (size_t k = 0; k < n->disk_count; k++) {
        checkpoint_remember(&n->cp, &n->disk[k]);
    }
    checkpoint_state(&n->cp, h->now_us, n->is_active, n->is_draining);
    h_drain(h, i);
}

/* All know of all at once. */
static inline void h_meet(struct harness *h)
{
    for (size_t i = 0; i < h->nodes_count; i++) {
        for (size_t j = 0; j < h->nodes_count; j++) {
            if (i != j && h_runs(h->nodes[i]) && h_runs(h->nodes[j])) {
                h_tell_facts(h, i, j);
            }
        }
    }
}

static inline void h_init(struct harness *h, uint64_t seed)
{
    *h = (struct harness){.now_us = 1000000, .is_watched = true};
    h->round_us = h->now_us + H_ROUND_US;
    prng_init(&h->prng, seed);
    control_memory_init(&h->memory);
    h->messages = calloc(H_MESSAGES_MAX, sizeof(*h->messages));
    h->outcomes = calloc(H_FACTS_MAX, sizeof(*h->outcomes));
    h->acks = calloc(H_FACTS_MAX, sizeof(*h->acks));
    h->prepares = calloc(H_FACTS_MAX, sizeof(*h->prepares));
    assert_non_null(h->messages);
    assert_non_null(h->outcomes);
    assert_non_null(h->acks);
    assert_non_null(h->prepares);
}

/* `count` active nodes 1, 2, … that know each other. */
static inline void h_start(struct harness *h, size_t count)
{
    h_init(h, 1);
    for (size_t i = 0; i < count; i++) {
        h_boot(h, h_add(h, i + 1));
    }
    h_meet(h);
}

static inline void h_close(struct harness *h)
{
    for (size_t i = 0; i < h->nodes_count; i++) {
        if (h->nodes[i]->is_up) {
            checkpoint_close(&h->nodes[i]->cp);
        }
        free(h->nodes[i]);
    }
    while (h->messages_count > 0) {
        free(h->messages[--h->messages_count].text);
    }
    control_memory_close(&h->memory);
    free(h->messages);
    free(h->outcomes);
    free(h->acks);
    free(h->prepares);
}

static inline void h_kill(struct harness *h, size_t i)
{
    struct h_node *n = h->nodes[i];

    checkpoint_close(&n->cp);
    n->is_up = false;
    n->is_active = false;
    n->is_draining = false;
    n->life++;
    n->paused_until_us = 0;
    n->pause_after = 0;
}

/* Its disk is lost, and the next life will have a new one. */
static inline void h_wipe(struct harness *h, size_t i)
{
    assert_false(h->nodes[i]->is_up);
    h->nodes[i]->disk_count = 0;
    h->nodes[i]->is_wiped = true;
}

/* A new life; it remembers what its disk does, and nothing else. */
static inline void h_revive(struct harness *h, size_t i)
{
    struct h_node *n = h->nodes[i];

    assert_false(n->is_up);
    n->options.earlier_generation =
            n->options.keeps && !n->is_wiped ? n->generation : 0;
    n->is_wiped = false;
    n->generation += 10;
    n->is_up = true;
    n->is_active = true;
    memset(n->views, 0, sizeof(n->views));
    n->barrier = (struct h_slot){.version = 0};
    n->ack = (struct h_slot){.version = 0};
    n->versions = 0;
    h_boot(h, i);
}

/* Nothing passes between the two groups; bit i of the mask is node i. */
static inline void h_split(struct harness *h, unsigned mask)
{
    for (size_t i = 0; i < H_NODES_MAX; i++) {
        for (size_t j = 0; j < H_NODES_MAX; j++) {
            h->cut_off[i][j] = ((mask >> i) & 1) != ((mask >> j) & 1);
        }
    }
}

/* --- time --- */

static inline void h_take(struct harness *h, struct h_message *m)
{
    struct h_node *n = h->nodes[m->to];
    struct control_announcement a;
    struct control_ack ack;
    struct control_request request;
    struct bytes text = bytes_text(m->text == NULL ? "" : m->text);

    switch (m->type) {
    case H_UNREACHABLE:
        checkpoint_unreachable(
                &n->cp, h->now_us, m->from_id, "connection refused");
        return;
    case H_EVENT:
        checkpoint_cut(&n->cp, h->now_us, m->cut, m->event, n->cut_fails_for,
                n->cut_fails, 4096);
        return;
    case H_KEPT:
        checkpoint_kept(&n->cp, h->now_us, n->keep_fails);
        return;
    case H_CONTROL:
        break;
    }
    switch (m->kind) {
    case SHUFFLE_CONTROL_ANNOUNCEMENT:
        assert_true(control_read_announcement(&h->memory, text, &a));
        checkpoint_announced(&n->cp, h->now_us, m->from_id, 0, &a);
        break;
    case SHUFFLE_CONTROL_ACK:
        assert_true(control_read_ack(&h->memory, text, &ack));
        checkpoint_acked(&n->cp, h->now_us, m->from_id, 0, &ack);
        break;
    case SHUFFLE_CONTROL_REQUEST:
        assert_true(control_read_request(&h->memory, text, &request));
        checkpoint_requested(&n->cp, h->now_us, m->from_id, &request);
        break;
    }
}

static inline void h_deliver(struct harness *h, struct h_message m)
{
    struct h_node *n = h->nodes[m.to];

    if (n->is_up && n->life == m.to_life && n->paused_until_us > h->now_us) {
        m.due_us = n->paused_until_us;
        h_push(h, m);
        return;
    }
    if (n->is_up && n->life == m.to_life &&
            (m.from == m.to || !h->cut_off[m.from][m.to])) {
        h_take(h, &m);
        h_drain(h, m.to);
    }
    free(m.text);
}

static inline void h_resume(struct harness *h, size_t i)
{
    struct h_node *n = h->nodes[i];
    uint64_t away_us = h->now_us - n->paused_at_us;

    n->paused_until_us = 0;
    n->resumed_us = h->now_us;
    for (size_t j = 0; j < h->nodes_count; j++) {
        n->views[j].heard_us += away_us; /* it was we who were away */
    }
    if (away_us > 3 * H_ROUND_US) {
        checkpoint_slept(&n->cp, h->now_us);
    }
    h_drain(h, i);
}

static inline uint64_t h_next_us(const struct harness *h)
{
    uint64_t next_us = h->round_us;

    if (h->messages_count > 0 && h->messages[0].due_us < next_us) {
        next_us = h->messages[0].due_us;
    }
    for (size_t i = 0; i < h->nodes_count; i++) {
        const struct h_node *n = h->nodes[i];
        uint64_t due_us = n->paused_until_us;

        if (h_runs(n)) {
            due_us = checkpoint_deadline_us(&n->cp);
        }
        if (n->is_up && due_us < next_us) {
            next_us = due_us;
        }
    }
    return next_us > h->now_us ? next_us : h->now_us;
}

/* Whatever is due at the next moment at which anything is. */
static inline void h_step(struct harness *h)
{
    h->now_us = h_next_us(h);
    for (size_t i = 0; i < h->nodes_count; i++) {
        struct h_node *n = h->nodes[i];

        if (n->is_up && n->paused_until_us != 0 &&
                n->paused_until_us <= h->now_us) {
            h_resume(h, i);
        }
        if (h_runs(n) && checkpoint_deadline_us(&n->cp) <= h->now_us) {
            checkpoint_tick(&n->cp, h->now_us);
            h_drain(h, i);
            assert_true(
                    !h_runs(n) || checkpoint_deadline_us(&n->cp) > h->now_us);
        }
    }
    while (h->messages_count > 0 && h->messages[0].due_us <= h->now_us) {
        h_deliver(h, h_pop(h));
    }
    if (h->round_us <= h->now_us) {
        h->round_us += H_ROUND_US;
        h_round(h);
    }
}

static inline void h_run(struct harness *h, uint64_t ms)
{
    uint64_t end_us = h->now_us + ms * H_MS;

    while (h_next_us(h) <= end_us) {
        h_step(h);
    }
    h->now_us = end_us;
}

/* A request of a program at node i, which answers within `ms`. */
static inline const struct h_answer *h_ask(
        struct harness *h, size_t i, uint64_t ms)
{
    struct h_node *n = h->nodes[i];
    size_t before = n->answers_count;
    uint64_t end_us = h->now_us + ms * H_MS;

    checkpoint_request(&n->cp, h->now_us, (uint32_t)(100 + before));
    h_drain(h, i);
    while (n->answers_count == before && h_next_us(h) <= end_us) {
        h_step(h);
    }
    return n->answers_count > before ? &n->answers[before] : NULL;
}

static inline const struct checkpoint_entry *h_latest(
        const struct harness *h, size_t i)
{
    assert_true(h->nodes[i]->cp.ledger.count > 0);
    return checkpoint_ledger_at(&h->nodes[i]->cp.ledger, 0);
}

/* --- members that are only told of --- */

/* Tells node i of a member that the test itself speaks for. */
static inline void h_fact(
        struct harness *h, size_t i, struct checkpoint_member facts)
{
    checkpoint_member(&h->nodes[i]->cp, h->now_us, &facts);
    h_drain(h, i);
}

static inline struct checkpoint_member h_member(uint64_t id)
{
    return (struct checkpoint_member){.id = id,
            .generation = 1000 + id,
            .live = true,
            .active = true,
            .speaks_weft = true};
}

/* A member's word about the attempt that node i leads. */
static inline struct control_ack h_ack_for(const struct harness *h, size_t i)
{
    const struct checkpoint_attempt *attempt = &h->nodes[i]->cp.lead.attempt;

    return (struct control_ack){.epoch = attempt->epoch,
            .ok = true,
            .is_weft = true,
            .checkpoint_id = attempt->checkpoint_id,
            .leader = attempt->leader,
            .attempt = attempt->attempt};
}

static inline void h_say(struct harness *h, size_t i, uint64_t from,
        uint64_t version, struct control_ack ack)
{
    checkpoint_acked(&h->nodes[i]->cp, h->now_us, from, version, &ack);
    h_drain(h, i);
}

static inline void h_hear(struct harness *h, size_t i, uint64_t from,
        uint64_t version, struct control_announcement a)
{
    checkpoint_announced(&h->nodes[i]->cp, h->now_us, from, version, &a);
    h_drain(h, i);
}

/* Node i alone with members 2 to `last`, of whom it is told; it leads, and has
 * begun an attempt because a program asked. */
static inline void h_start_solo(struct harness *h, uint64_t last)
{
    h_start(h, 1);
    h->is_watched = false;
    for (uint64_t id = 2; id <= last; id++) {
        h_fact(h, 0, h_member(id));
    }
    checkpoint_request(&h->nodes[0]->cp, h->now_us, 1);
    h_drain(h, 0);
}

/* A Prepare of `leader` for itself and node i, of epoch and attempt 7. */
struct h_call {
    struct control_announcement a;
    uint64_t members[2];
    uint64_t generations[2];
};

static inline void h_call(const struct harness *h, size_t i, uint64_t leader,
        uint64_t epoch, struct h_call *call)
{
    const struct h_node *n = h->nodes[i];
    size_t ours = leader < n->id ? 1 : 0;

    call->members[ours] = n->id;
    call->generations[ours] = n->generation;
    call->members[1 - ours] = leader;
    call->generations[1 - ours] = 1000 + leader;
    call->a = (struct control_announcement){.epoch = epoch,
            .checkpoint_id =
                    checkpoint_attempt_id(leader, 1000 + leader, epoch),
            .phase = CONTROL_PREPARE,
            .is_weft = true,
            .leader = leader,
            .generation = 1000 + leader,
            .attempt = epoch,
            .members = call->members,
            .generations = call->generations,
            .members_count = 2,
            .left_ms = H_ALIGN_MS - 250};
}

static inline struct control_announcement h_outcome_of(
        const struct h_call *call, enum control_phase phase)
{
    struct control_announcement a = call->a;

    a.phase = phase;
    a.members_count = 0;
    a.reason = bytes_text(phase == CONTROL_ABORT ? "it was not to be" : "");
    return a;
}
