/* The invariants of checkpoints that concern nodes: see world_check.c. */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/world_inner.h"

enum {
    END_MS = 2000, /* what an attempt may take beyond its deadline */
    LATE_US = 20000, /* that a turn may come after its timer */
    LEDGER_LOOKS = 4, /* the latest entries that are looked at */
    CHECKS_PER_LONG = 64, /* of one that looks at every key */
};

/* One attempt, as far as anybody has told of it. */
struct attempt {
    uint64_t leader;
    uint64_t generation;
    uint64_t epoch;
    uint64_t number; /* the leader's count; 0 until its Prepare was heard */
    uint64_t checkpoint;
    bool is_listed[WORLD_NODES_MAX + 1];
    uint64_t generations[WORLD_NODES_MAX + 1];
    bool has_acked[WORLD_NODES_MAX + 1];
    enum shuffle_outcome_code outcome; /* 0 until it was heard */
};

/* That a node has acked. */
struct ack {
    uint64_t member;
    uint64_t generation;
    uint64_t epoch;
    uint64_t checkpoint;
};

struct world_history {
    struct attempt *attempts;
    size_t attempts_count;
    size_t attempts_capacity;
    struct ack *acks;
    size_t acks_count;
    size_t acks_capacity;
    struct control_memory memory;
    size_t commits;
    uint64_t committed_epoch;
};

void world_check_open(struct world *w)
{
    w->history = calloc(1, sizeof(*w->history));
    assert(w->history != NULL);
    control_memory_init(&w->history->memory);
}

void world_check_close(struct world *w)
{
    control_memory_close(&w->history->memory);
    free(w->history->attempts);
    free(w->history->acks);
    free(w->history);
}

size_t world_commits(const struct world *w)
{
    return w->history->commits;
}

uint64_t world_committed_epoch(const struct world *w)
{
    return w->history->committed_epoch;
}

/* --- attempts ----------------------------------------------------------------------- */

static struct attempt *find_by_id(const struct world *w, uint64_t checkpoint)
{
    struct world_history *h = w->history;

    for (size_t i = h->attempts_count; i > 0; i--) {
        if (h->attempts[i - 1].checkpoint == checkpoint) {
            return &h->attempts[i - 1];
        }
    }
    return NULL;
}

static struct attempt *find(const struct world *w, uint64_t leader,
        uint64_t generation, uint64_t epoch)
{
    struct world_history *h = w->history;

    for (size_t i = h->attempts_count; i > 0; i--) {
        struct attempt *a = &h->attempts[i - 1];

        if (a->leader == leader && a->generation == generation &&
                a->epoch == epoch) {
            return a;
        }
    }
    return NULL;
}

static struct attempt *add(struct world *w)
{
    struct world_history *h = w->history;

    if (h->attempts_count == h->attempts_capacity) {
        h->attempts_capacity = 2 * h->attempts_capacity + 16;
        h->attempts = realloc(
                h->attempts, h->attempts_capacity * sizeof(h->attempts[0]));
        assert(h->attempts != NULL);
    }
    h->attempts[h->attempts_count] = (struct attempt){.leader = 0};
    return &h->attempts[h->attempts_count++];
}

/* The leader's own part shows in its ledger alone. */
static void check_quorum(struct world *w, const struct attempt *a)
{
    for (uint64_t id = 1; id <= w->options.nodes; id++) {
        if (a->is_listed[id] && id != a->leader && !a->has_acked[id]) {
            world_fail(w,
                    "epoch %" PRIu64 " of leader %" PRIu64
                    " is committed without node %" PRIu64,
                    a->epoch, a->leader, id);
        }
    }
}

static void fill_in(struct world *w, struct attempt *known,
        const struct control_announcement *a)
{
    known->leader = a->leader;
    known->generation = a->generation;
    known->epoch = a->epoch;
    known->number = a->attempt;
    known->checkpoint = a->checkpoint_id;
    for (size_t i = 0; i < a->members_count; i++) {
        assert(a->members[i] > 0 && a->members[i] <= w->options.nodes);
        known->is_listed[a->members[i]] = true;
        known->generations[a->members[i]] = a->generations[i];
    }
}

static void heard_prepare(struct world *w, const struct world_node *n,
        const struct control_announcement *a)
{
    struct attempt *known = find(w, a->leader, a->generation, a->epoch);

    if (known == NULL) {
        if (find_by_id(w, a->checkpoint_id) != NULL) {
            world_fail(w, "two attempts have the checkpoint id %" PRIx64,
                    a->checkpoint_id);
        }
        fill_in(w, add(w), a);
        world_trace(w,
                "node %" PRIu64 " prepares epoch %" PRIu64 " (%" PRIx64 ")",
                n->id, a->epoch, a->checkpoint_id);
    } else if (known->number == 0) {
        fill_in(w, known, a);
        check_quorum(w, known);
    } else if (known->number != a->attempt ||
               known->checkpoint != a->checkpoint_id) {
        world_fail(w,
                "node %" PRIu64 " announces epoch %" PRIu64
                " of leader %" PRIu64 " with two contents",
                n->id, a->epoch, a->leader);
    }
}

/* --- outcomes ------------------------------------------------------------------------ */

static void has_committed(struct world *w, const struct attempt *a)
{
    uint64_t checkpoint = a->checkpoint;

    world_trace(w, "epoch %" PRIu64 " of leader %" PRIu64 " is committed",
            a->epoch, a->leader);
    w->history->commits++;
    if (a->epoch > w->history->committed_epoch) {
        w->history->committed_epoch = a->epoch;
    }
    check_quorum(w, a);
    for (size_t i = 0; i < w->programs_count; i++) {
        world_check_cut(w, w->programs[i], checkpoint);
    }
}

static void heard_outcome(struct world *w, struct attempt *a,
        enum shuffle_outcome_code outcome, const char *where, uint64_t node)
{
    if (outcome == SHUFFLE_OUTCOME_UNKNOWN || a->outcome == outcome) {
        return;
    }
    if (a->outcome != 0) {
        world_fail(w,
                "epoch %" PRIu64 " of leader %" PRIu64
                " has two outcomes: %s of node %" PRIu64 " says %s",
                a->epoch, a->leader, where, node,
                outcome == SHUFFLE_OUTCOME_COMMITTED ? "committed" : "aborted");
    }
    a->outcome = outcome;
    if (outcome == SHUFFLE_OUTCOME_COMMITTED) {
        has_committed(w, a);
    } else {
        world_trace(w, "epoch %" PRIu64 " of leader %" PRIu64 " is aborted",
                a->epoch, a->leader);
    }
}

/* Of a leader without company nothing but the outcome is ever seen. */
static struct attempt *add_lonely(
        struct world *w, uint64_t leader, uint64_t generation, uint64_t epoch)
{
    struct attempt *a = add(w);

    a->leader = leader;
    a->generation = generation;
    a->epoch = epoch;
    a->is_listed[leader] = true;
    return a;
}

/* Prepare is heard as it leaves its leader, and so before any outcome. */
static void heard_of(struct world *w, uint64_t leader, uint64_t generation,
        uint64_t epoch, enum shuffle_outcome_code outcome, const char *where,
        uint64_t node)
{
    struct attempt *a = find(w, leader, generation, epoch);

    if (a != NULL) {
        heard_outcome(w, a, outcome, where, node);
    } else if (outcome == SHUFFLE_OUTCOME_COMMITTED && node != leader) {
        world_fail(w,
                "%s of node %" PRIu64 " has a commit of epoch %" PRIu64
                " of leader %" PRIu64 ", which nobody has prepared",
                where, node, epoch, leader);
    } else if (outcome == SHUFFLE_OUTCOME_COMMITTED) {
        a = add_lonely(w, leader, generation, epoch);
        heard_outcome(w, a, outcome, where, node);
    }
}

void world_check_decision(struct world *w, const struct world_node *n,
        const struct checkpoint_decision *d)
{
    world_trace(w, "node %" PRIu64 " keeps that epoch %" PRIu64 " is %s", n->id,
            d->epoch, d->is_committed ? "committed" : "aborted");
}

void world_check_outcome(struct world *w, const struct world_client *c,
        const struct shuffle_wire_outcome *outcome)
{
    struct attempt *a = find_by_id(w, outcome->checkpoint);

    if (a != NULL) {
        heard_outcome(w, a, (enum shuffle_outcome_code)outcome->code,
                "a program", c->facts.node);
    }
}

bool world_is_committed(const struct world *w, uint64_t checkpoint)
{
    const struct attempt *a = find_by_id(w, checkpoint);

    return a != NULL && a->outcome == SHUFFLE_OUTCOME_COMMITTED;
}

/* --- acks ---------------------------------------------------------------------------- */

static void add_ack(struct world *w, const struct ack *ack)
{
    struct world_history *h = w->history;

    if (h->acks_count == h->acks_capacity) {
        h->acks_capacity = 2 * h->acks_capacity + 64;
        h->acks = realloc(h->acks, h->acks_capacity * sizeof(h->acks[0]));
        assert(h->acks != NULL);
    }
    h->acks[h->acks_count++] = *ack;
}

/* False: it was said before. */
static bool judge_ack(struct world *w, const struct ack *ack)
{
    for (size_t i = 0; i < w->history->acks_count; i++) {
        const struct ack *past = &w->history->acks[i];

        if (past->member != ack->member ||
                past->generation != ack->generation) {
            continue;
        }
        if (past->checkpoint == ack->checkpoint) {
            return false;
        }
        if (past->epoch == ack->epoch) {
            world_fail(w,
                    "node %" PRIu64 " acks epoch %" PRIu64
                    " twice, for %" PRIx64 " and %" PRIx64,
                    ack->member, ack->epoch, past->checkpoint, ack->checkpoint);
        }
    }
    for (size_t i = 0; i < w->history->acks_count; i++) {
        const struct ack *past = &w->history->acks[i];

        if (past->member == ack->member &&
                past->generation == ack->generation &&
                past->epoch > ack->epoch) {
            world_fail(w,
                    "node %" PRIu64 " acks epoch %" PRIu64 " behind %" PRIu64,
                    ack->member, ack->epoch, past->epoch);
        }
    }
    return true;
}

static void heard_ack(struct world *w, const struct world_node *n,
        const struct control_ack *ack)
{
    struct attempt *a = find_by_id(w, ack->checkpoint_id);
    struct ack mine = {.member = n->id,
            .epoch = ack->epoch,
            .checkpoint = ack->checkpoint_id};

    if (!ack->is_weft) {
        world_fail(
                w, "node %" PRIu64 " acks as if it were no Weft node", n->id);
    }
    if (a == NULL || a->number == 0) {
        world_fail(w,
                "node %" PRIu64 " acks %" PRIx64 ", which nobody prepared",
                n->id, ack->checkpoint_id);
    }
    if (ack->outcome != CONTROL_UNDECIDED) {
        heard_outcome(w, a,
                ack->outcome == CONTROL_COMMITTED ? SHUFFLE_OUTCOME_COMMITTED
                                                  : SHUFFLE_OUTCOME_ABORTED,
                "an ack", n->id);
    }
    mine.generation = a->generations[n->id];
    if (!ack->ok || !judge_ack(w, &mine)) {
        return;
    }
    add_ack(w, &mine);
    /* It may have risen between the ack and its leaving. */
    if (!a->is_listed[n->id] || mine.generation < n->first_generation ||
            mine.generation > n->core.options.generation) {
        world_fail(w,
                "node %" PRIu64 " acks epoch %" PRIu64 ", which lists another",
                n->id, ack->epoch);
    }
    a->has_acked[n->id] = true;
}

/* --- what nodes say ---------------------------------------------------------------------- */

static void heard_announcement(
        struct world *w, const struct world_node *n, struct bytes text)
{
    struct control_announcement a;

    if (!control_read_announcement(&w->history->memory, text, &a) ||
            !a.is_weft) {
        world_fail(w, "node %" PRIu64 " announces what none can read: %.*s",
                n->id, (int)text.size, (const char *)text.data);
    }
    switch (a.phase) {
    case CONTROL_PREPARE:
        heard_prepare(w, n, &a);
        break;
    case CONTROL_COMMIT:
        heard_of(w, a.leader, a.generation, a.epoch, SHUFFLE_OUTCOME_COMMITTED,
                "an announcement", n->id);
        break;
    case CONTROL_ABORT:
        heard_of(w, a.leader, a.generation, a.epoch, SHUFFLE_OUTCOME_ABORTED,
                "an announcement", n->id);
        break;
    }
}

static void heard_ack_text(
        struct world *w, const struct world_node *n, struct bytes text)
{
    struct control_ack ack;

    if (!control_read_ack(&w->history->memory, text, &ack) ||
            (ack.ok && !ack.is_weft)) {
        world_fail(w, "node %" PRIu64 " acks what none can read: %.*s", n->id,
                (int)text.size, (const char *)text.data);
    }
    if (ack.is_weft) { /* else it tells of an epoch that it holds */
        heard_ack(w, n, &ack);
    }
}

void world_check_frame(
        struct world *w, struct world_node *n, const struct frame *frame)
{
    struct shuffle_wire_control control;

    if (frame->tag != SHUFFLE_TAG_CONTROL) {
        return;
    }
    if (!shuffle_wire_decode_control(frame->payload, &control)) {
        world_fail(w, "node %" PRIu64 " sends a CONTROL that is none", n->id);
    }
    if (control.kind == SHUFFLE_CONTROL_ANNOUNCEMENT) {
        heard_announcement(w, n, control.text);
    } else if (control.kind == SHUFFLE_CONTROL_ACK) {
        heard_ack_text(w, n, control.text);
    }
}

/* A value of its own that is not the one of last time; empty: there is none. */
static struct bytes newly_published(
        const struct world_node *n, const char *key, uint64_t *version)
{
    const struct kv_entry *e =
            kv_state_get(&n->core.gossip.self->state, bytes_text(key));

    if (e == NULL || e->version == *version) {
        return bytes_of(NULL, 0);
    }
    *version = e->version;
    return e->value;
}

static void check_keys(struct world *w, struct world_node *n)
{
    struct bytes announced =
            newly_published(n, "control:barrier", &n->announced_version);
    struct bytes acked =
            newly_published(n, "control:barrier-ack", &n->acked_version);

    if (announced.size > 0) {
        heard_announcement(w, n, announced);
    }
    if (acked.size > 0) {
        heard_ack_text(w, n, acked);
    }
}

/* --- what nodes are ------------------------------------------------------------------------ */

/* World time at which the node's clock showed this. */
static uint64_t world_us(const struct world_node *n, uint64_t clock_us)
{
    return clock_us - n->clock_us;
}

static void check_time(struct world *w, const struct world_node *n,
        const struct checkpoint_entry *e)
{
    uint64_t began_us = world_us(n, e->prepared_us);
    uint64_t from_us = began_us > n->resumed_us ? began_us : n->resumed_us;
    uint64_t most_us =
            (n->core.options.checkpoint.align_timeout_ms + END_MS) * 1000;

    if (w->now_us > from_us + most_us + LATE_US) {
        world_fail(w,
                "epoch %" PRIu64 " of leader %" PRIu64
                " has not ended at node %" PRIu64 " in %" PRIu64 " ms",
                e->epoch, e->leader, n->id, (w->now_us - began_us) / 1000);
    }
}

static void check_ledger(struct world *w, const struct world_node *n)
{
    const struct checkpoint_ledger *l = checkpoint_ledger(&n->core.checkpoint);

    for (size_t age = 0; age < LEDGER_LOOKS && age < l->count; age++) {
        const struct checkpoint_entry *e = checkpoint_ledger_at(l, age);

        if (e->is_running) {
            check_time(w, n, e);
        } else {
            heard_of(w, e->leader, e->generation, e->epoch, e->outcome,
                    "the ledger", n->id);
        }
    }
}

static void check_parked(struct world *w, const struct world_node *n)
{
    const struct shuffle_streams *st = &n->core.streams;
    uint64_t most = (uint64_t)st->instreams_count * st->options.window_bytes;
    uint64_t parked = shuffle_streams_parked_bytes(st);

    if (parked > most) {
        world_fail(w, "node %" PRIu64 " parks %" PRIu64 " bytes in %u streams",
                n->id, parked, st->instreams_count);
    }
}

void world_check_node(struct world *w, struct world_node *n)
{
    if (n->checks++ % CHECKS_PER_LONG == 0) {
        gossip_check(&n->core.gossip);
        shuffle_pool_check(&n->core.pool);
    }
    shuffle_streams_check(&n->core.streams);
    checkpoint_check(&n->core.checkpoint);
    check_keys(w, n);
    check_ledger(w, n);
    check_parked(w, n);
    if (w->options.hook != NULL) {
        w->options.hook(w->options.owner, n->id);
    }
}
