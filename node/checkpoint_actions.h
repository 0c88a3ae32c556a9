/* What the checkpoint core wants done, queued as data.
 *
 * Actions leave in the order in which they were decided, however much later:
 * what they point at was copied when they were queued, into one buffer that is
 * used again whenever the queue has run empty. The queue grows with the number
 * of members; whoever drives the core empties it after each verb. */
#pragma once

#include "node/checkpoint_decisions.h"
#include "node/checkpoint_ledger.h"
#include "node/control_json.h"

enum checkpoint_action_type {
    CHECKPOINT_PUBLISH, /* text: our `control:barrier` */
    CHECKPOINT_PUBLISH_ACK, /* text: our `control:barrier-ack`; empty: none */
    CHECKPOINT_CONTROL, /* peer, kind, text: a CONTROL frame */
    CHECKPOINT_CUT, /* order: begin it */
    CHECKPOINT_OUTCOME, /* outcome: for the streams */
    CHECKPOINT_KEEP, /* kept: on disk, then checkpoint_kept */
    CHECKPOINT_ANSWER, /* client, result: of `weft barrier` */
    CHECKPOINT_SUSPENDED, /* peer, on: left out from now on, or not any more */
    CHECKPOINT_DRAINED, /* `draining` may be published now */
    CHECKPOINT_CONFIRMED, /* nobody has buried us: go on */
    CHECKPOINT_BURIED, /* join anew */
    CHECKPOINT_LOG, /* is_warning, text: for the operator */
};

/* How a request ended. */
struct checkpoint_result {
    bool is_refused; /* nothing was begun: `reason` says why */
    const char *reason; /* a sentence when refused, else NULL */
    const struct checkpoint_entry *entry; /* NULL when refused */
};

/* Fields that an action's comment does not name are not set. What is pointed
 * at is borrowed until the next verb. */
struct checkpoint_action {
    enum checkpoint_action_type type;
    uint64_t peer;
    enum shuffle_control_kind kind;
    const char *text;
    struct shuffle_cut_order order;
    struct shuffle_cut_outcome outcome;
    struct checkpoint_decision kept;
    uint32_t client;
    bool on;
    bool is_warning;
    struct checkpoint_result result;
};

/* Where in the buffer stands what the action points at. */
struct checkpoint_queued {
    struct checkpoint_action action;
    size_t text_at;
    size_t lists_at;
};

struct checkpoint_actions {
    struct checkpoint_queued *items; /* a ring */
    size_t head;
    size_t count;
    size_t capacity;
    uint8_t *bytes;
    size_t bytes_size;
    size_t bytes_capacity;
};

void checkpoint_actions_init(struct checkpoint_actions *q);
void checkpoint_actions_close(struct checkpoint_actions *q);

/* Copies a text once, for any number of actions that are pushed before the
 * queue runs empty; says where it stands. */
size_t checkpoint_actions_keep_text(
        struct checkpoint_actions *q, const char *text);

/* Queues the action; its text is what was kept at `text_at`. */
void checkpoint_actions_push_kept(struct checkpoint_actions *q,
        const struct checkpoint_action *action, size_t text_at);

/* Queues the action and a copy of all that it points at, the entry of a result
 * apart. */
void checkpoint_actions_push(
        struct checkpoint_actions *q, const struct checkpoint_action *action);

/* False when there is none. */
bool checkpoint_actions_pop(
        struct checkpoint_actions *q, struct checkpoint_action *action);
