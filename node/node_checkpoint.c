/* Between the checkpoint core and the others: what gossip, the links and the
 * streams know goes in, what it decides is carried out. */
#include "node/node_inner.h"

#include <inttypes.h>
#include <stdio.h>

#include "shuffle/shuffle_misplaced.h"

#define BARRIER_KEY "control:barrier"
#define ACK_KEY "control:barrier-ack"

enum {
    STAGES_MAX = SHUFFLE_STAGES_MAX, /* that one attempt places anew */
    US_PER_MS = 1000,
};

uint64_t node_now_us(const struct node *n)
{
    uint64_t now_us = n->now_ms * US_PER_MS;

    return n->clock_us > now_us ? n->clock_us : now_us;
}

int node_checkpoint_init(struct node *n, struct error *err)
{
    struct checkpoint_options options = n->options.checkpoint;
    int code;

    options.id = n->options.id;
    options.generation = n->options.generation;
    code = checkpoint_init(&n->checkpoint, &options, node_now_us(n), err);
    if (code != 0) {
        return code;
    }
    for (size_t i = 0; i < n->options.decisions_count; i++) {
        checkpoint_remember(&n->checkpoint, &n->options.decisions[i]);
    }
    control_memory_init(&n->control);
    return 0;
}

void node_checkpoint_close(struct node *n)
{
    checkpoint_close(&n->checkpoint);
    control_memory_close(&n->control);
}

/* --- what gossip tells --- */

void node_checkpoint_member(
        struct node *n, const struct gossip_member *m, bool speaks_weft)
{
    struct checkpoint_member facts = {
            .generation = m->id.generation,
            .live = gossip_member_is_live(m),
            .speaks_weft = speaks_weft,
            .convicted = gossip_member_was_convicted(m),
    };
    struct bytes state;

    if (!gossip_member_node_id(m, &facts.id)) {
        return;
    }
    if (kv_read_from(&n->kv, facts.id, bytes_text("node:state"), &state)) {
        facts.active = bytes_equal_text(state, "active");
        facts.draining = bytes_equal_text(state, "draining");
    }
    checkpoint_member(&n->checkpoint, node_now_us(n), &facts);
    n->has_place_news = true;
}

void node_checkpoint_member_gone(struct node *n, uint64_t id)
{
    checkpoint_member_gone(&n->checkpoint, node_now_us(n), id);
    n->has_place_news = true;
}

/* A control record, from a key or from a frame: `version` 0. */
static void take_announcement(
        struct node *n, uint64_t from, uint64_t version, struct bytes text)
{
    struct control_announcement a;

    if (control_read_announcement(&n->control, text, &a)) {
        checkpoint_announced(&n->checkpoint, node_now_us(n), from, version, &a);
    } else {
        n->control_refused++;
    }
}

static void take_ack(
        struct node *n, uint64_t from, uint64_t version, struct bytes text)
{
    struct control_ack ack;

    if (control_read_ack(&n->control, text, &ack)) {
        checkpoint_acked(&n->checkpoint, node_now_us(n), from, version, &ack);
    } else {
        n->control_refused++;
    }
}

void node_checkpoint_key(
        struct node *n, const struct gossip_member *m, const struct kv_entry *e)
{
    uint64_t id;

    if (m->is_self || e->status == KV_DELETE ||
            !gossip_member_node_id(m, &id) || node_member(n, id) != m) {
        return;
    }
    if (bytes_equal_text(e->node.key, BARRIER_KEY)) {
        take_announcement(n, id, e->version, e->value);
    } else if (bytes_equal_text(e->node.key, ACK_KEY)) {
        take_ack(n, id, e->version, e->value);
    }
}

/* --- what peers and streams tell --- */

void node_take_control(struct node *n, const struct shuffle_pool_action *action)
{
    struct shuffle_wire_control control;
    struct control_request request;

    if (!shuffle_wire_decode_control(action->payload, &control)) {
        shuffle_pool_refuse(&n->pool, n->now_ms, action->link);
        return;
    }
    switch (control.kind) {
    case SHUFFLE_CONTROL_ANNOUNCEMENT:
        take_announcement(n, action->peer, 0, control.text);
        break;
    case SHUFFLE_CONTROL_ACK:
        take_ack(n, action->peer, 0, control.text);
        break;
    case SHUFFLE_CONTROL_REQUEST:
        if (control_read_request(&n->control, control.text, &request)) {
            checkpoint_requested(
                    &n->checkpoint, node_now_us(n), action->peer, &request);
        } else {
            n->control_refused++;
        }
        break;
    default: /* of a later version */
        shuffle_pool_unused(&n->pool, action->link);
        break;
    }
}

void node_take_barrier(struct node *n, const struct shuffle_pool_action *action)
{
    struct shuffle_wire_barrier barrier;

    if (shuffle_wire_decode_barrier(action->payload, &barrier)) {
        shuffle_streams_barrier(&n->streams, n->now_ms, action->link,
                action->peer, action->dialect == SHUFFLE_WEFT_DIALECT,
                &barrier);
    } else {
        shuffle_pool_unused(&n->pool, action->link);
    }
}

void node_take_cut(struct node *n, const struct shuffle_streams_action *action)
{
    checkpoint_cut(&n->checkpoint, node_now_us(n), action->barrier.checkpoint,
            action->event, action->peer, (const char *)action->text.data,
            shuffle_streams_parked_bytes(&n->streams));
}

/* --- what it should know before it decides anything --- */

void node_tell_sinks(struct node *n)
{
    struct control_sink sinks[STAGES_MAX];
    size_t count = 0;

    while (!n->is_stopping && count < STAGES_MAX &&
            shuffle_streams_sink_at(&n->streams, count, &sinks[count].stage,
                    &sinks[count].number)) {
        count++;
    }
    checkpoint_sinks(&n->checkpoint, sinks, count);
    n->has_place_news = true;
}

/* Whoever is left out has no part in placements either. */
static size_t find_suspended(
        const struct node *n, uint64_t ids[], size_t ids_max)
{
    size_t members = gossip_member_count(&n->gossip);
    size_t count = 0;

    for (size_t i = 0; i < members && count < ids_max; i++) {
        const struct gossip_member *m = gossip_member_at(&n->gossip, i);
        uint64_t id;

        if (!m->is_self && gossip_member_node_id(m, &id) &&
                checkpoint_health(&n->checkpoint, id).is_suspended) {
            ids[count++] = id;
        }
    }
    return count;
}

static void tell_misplaced(struct node *n)
{
    uint64_t suspended[CHECKPOINT_NAMED_MAX];
    struct shuffle_left_out left_out = {.nodes = suspended,
            .count = find_suspended(n, suspended, CHECKPOINT_NAMED_MAX),
            .us_too = n->is_stopping};
    struct bytes stages[STAGES_MAX];
    size_t count =
            shuffle_misplaced(&n->streams, &left_out, stages, STAGES_MAX);

    checkpoint_rotate(&n->checkpoint, node_now_us(n), stages, count);
}

static void tell_lack(struct node *n)
{
    struct shuffle_cut_lack lack;

    shuffle_streams_cut_lack(&n->streams, &lack);
    checkpoint_lack(&n->checkpoint, node_now_us(n), &lack);
}

void node_ask_to_drain(struct node *n)
{
    struct bytes stages[STAGES_MAX];
    uint64_t number;
    size_t count = 0;

    while (count < STAGES_MAX && shuffle_streams_sink_at(&n->streams, count,
                                         &stages[count], &number)) {
        count++;
    }
    checkpoint_drain(&n->checkpoint, node_now_us(n), stages, count);
}

/* --- what it decides --- */

static void send_control(struct node *n, const struct checkpoint_action *action)
{
    struct error err = {.text = ""};

    if (shuffle_pool_control(&n->pool, n->now_ms, action->peer, action->kind,
                bytes_text(action->text), &err) != 0) {
        checkpoint_unreachable(
                &n->checkpoint, node_now_us(n), action->peer, err.text);
    }
}

static void say_suspended(
        struct node *n, const struct checkpoint_action *action)
{
    if (action->on) {
        node_log(n, NODE_WARNING,
                "node %" PRIu64 " is left out of checkpoints until it is well",
                action->peer);
    } else {
        node_log(n, NODE_NOTICE,
                "node %" PRIu64 " takes part in checkpoints again",
                action->peer);
    }
    n->has_place_news = true;
}

static void publish_ack(struct node *n, const char *text)
{
    if (text[0] == '\0') {
        (void)gossip_delete(&n->gossip, n->now_ms, bytes_text(ACK_KEY), NULL);
    } else {
        node_publish(n, ACK_KEY, text);
    }
}

static void perform(struct node *n, const struct checkpoint_action *action)
{
    switch (action->type) {
    case CHECKPOINT_PUBLISH:
        node_publish(n, BARRIER_KEY, action->text);
        break;
    case CHECKPOINT_PUBLISH_ACK:
        publish_ack(n, action->text);
        break;
    case CHECKPOINT_CONTROL:
        send_control(n, action);
        break;
    case CHECKPOINT_CUT:
        shuffle_streams_cut(&n->streams, n->now_ms, &action->order);
        break;
    case CHECKPOINT_OUTCOME:
        shuffle_streams_outcome(&n->streams, n->now_ms, &action->outcome);
        break;
    case CHECKPOINT_KEEP:
        break; /* the process's */
    case CHECKPOINT_ANSWER:
        node_answer_barrier(n, action->client, &action->result);
        break;
    case CHECKPOINT_SUSPENDED:
        say_suspended(n, action);
        break;
    case CHECKPOINT_DRAINED:
        node_begin_draining(n);
        break;
    case CHECKPOINT_CONFIRMED:
        shuffle_streams_doubt(&n->streams, n->now_ms, false);
        break;
    case CHECKPOINT_BURIED:
        node_rise_again(n);
        break;
    case CHECKPOINT_LOG:
        node_log(n, action->is_warning ? NODE_WARNING : NODE_NOTICE, "%s",
                action->text);
        break;
    }
}

bool node_settle_checkpoint(
        struct node *n, struct node_action *action, bool *has_done)
{
    struct checkpoint_action next;

    if (n->has_place_news) {
        n->has_place_news = false;
        tell_misplaced(n);
    }
    for (;;) {
        if (checkpoint_wants_lack(&n->checkpoint)) {
            tell_lack(n);
        }
        if (!checkpoint_next(&n->checkpoint, &next)) {
            return false;
        }
        *has_done = true;
        if (next.type == CHECKPOINT_KEEP) {
            action->type = NODE_KEEP_DECISION;
            action->decision = next.kept;
            return true;
        }
        perform(n, &next);
    }
}

void node_decision_kept(struct node *n, uint64_t now_ms, const char *why)
{
    n->now_ms = now_ms;
    checkpoint_kept(&n->checkpoint, node_now_us(n), why);
}

void node_wake(struct node *n)
{
    shuffle_streams_doubt(&n->streams, n->now_ms, true);
    checkpoint_slept(&n->checkpoint, node_now_us(n));
}
