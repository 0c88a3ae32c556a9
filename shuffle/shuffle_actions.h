/* What the streams ask of their node, queued as data.
 *
 * Actions leave in the order in which they were decided. Payloads are copied
 * when they are queued, into one buffer that is reused whenever the queue has
 * run empty, so that a steady flow allocates nothing. */
#pragma once

#include "base/block.h"
#include "shuffle/shuffle_cut.h"
#include "shuffle/shuffle_wire.h"

enum shuffle_streams_action_type {
    SHUFFLE_STREAMS_WANT, /* peer: a link to it; LINK_UP or UNREACHABLE */
    SHUFFLE_STREAMS_FRAME, /* link, tag, payload */
    SHUFFLE_STREAMS_BLOCK, /* link, block: one whole frame, yours from now on */
    SHUFFLE_STREAMS_OPEN_COUNT, /* link, count: streams open on it now */
    SHUFFLE_STREAMS_CLIENT_FRAME, /* client, tag, payload */
    SHUFFLE_STREAMS_CLIENT_BLOCK, /* client, block: as BLOCK */
    SHUFFLE_STREAMS_CLIENT_READ, /* client, on: read its socket, or leave it */
    SHUFFLE_STREAMS_CLIENT_SUMMARY, /* client, rows: RESULT with id 0 */
    SHUFFLE_STREAMS_CLIENT_CLOSE, /* client: end it behind what is queued */
    SHUFFLE_STREAMS_PUBLISH_SINKS, /* weft:sinks is to be written anew */
    SHUFFLE_STREAMS_PUBLISH_PLACE, /* stage, has_place, sinks */
    SHUFFLE_STREAMS_LAMINAR, /* client, peer, vnode, payload: a frame 05 */
    SHUFFLE_STREAMS_LAMINAR_FLUSH, /* client, peer: is all for it written? */
    SHUFFLE_STREAMS_LAMINAR_PAUSE, /* on: leave LaminarDB peers unread */
    SHUFFLE_STREAMS_LINK_HOLD, /* link, on: leave this link unread, or read */
    SHUFFLE_STREAMS_BARRIER, /* payload: peers, as u64s; barrier: 02 to each */
    SHUFFLE_STREAMS_CUT, /* event, barrier, peer, text: what a cut came to */
};

/* How one stream of a source ended. */
struct shuffle_summary_row {
    uint64_t node; /* of the sink */
    uint64_t records; /* routed to it */
    uint64_t confirmed; /* of them, by the sink */
    uint64_t bytes; /* of the records, length words included */
};

/* Fields that the comment above does not name are not set. Everything but
 * `block` is borrowed until the next verb. */
struct shuffle_streams_action {
    enum shuffle_streams_action_type type;
    uint32_t link;
    uint32_t client;
    uint64_t peer;
    uint32_t vnode;
    uint32_t count;
    uint8_t tag;
    bool on;
    bool has_place; /* false: the key is to be deleted */
    struct bytes payload;
    struct bytes stage;
    struct shuffle_wire_sinks sinks;
    const struct shuffle_summary_row *rows;
    size_t rows_count;
    struct block *block;
    struct shuffle_wire_barrier barrier;
    enum shuffle_cut_event event;
    struct bytes text; /* a sentence; with a NUL behind it */
};

struct shuffle_queued_action {
    struct shuffle_streams_action action;
    size_t at; /* of its copied bytes */
    size_t size;
};

struct shuffle_actions {
    struct shuffle_queued_action *items; /* a ring */
    size_t head;
    size_t count;
    size_t capacity;
    uint8_t *bytes; /* what the queued actions have copied */
    size_t bytes_size;
    size_t bytes_capacity;
};

void shuffle_actions_init(struct shuffle_actions *q);

/* Frees the blocks that nobody took. */
void shuffle_actions_close(struct shuffle_actions *q);

/* Queues `action`; `copied` is what its payload, stage, sinks or rows point
 * at. */
void shuffle_actions_push(struct shuffle_actions *q,
        const struct shuffle_streams_action *action, struct bytes copied);

/* The same with a sentence, of which a copy and its NUL are lent. */
void shuffle_actions_push_text(struct shuffle_actions *q,
        const struct shuffle_streams_action *action, const char *text);

/* False when there is none. */
bool shuffle_actions_pop(
        struct shuffle_actions *q, struct shuffle_streams_action *action);
