/* The programs at the local socket: who they are and what they may say.
 *
 * A client's first frame, within 5 s, is CALL or ATTACH, and with it the client
 * takes its role for good:
 *
 *   NEW ──CALL──► CALLER         CALL, any number of them
 *    └──ATTACH──► SOURCE         DATA, MARK, FAIL
 *             └─► SINK           GRANT, MARK, DONE, FAIL
 *
 * A frame that the role may not send, or that is malformed, ends the client.
 * What the frames mean is the node's business: here they are only cut out of
 * the bytes, and the answers queued.
 *
 * Memory. A long frame that comes in waits unread until the budget has room;
 * short ones, in and out, have LOCAL_RESERVE_BYTES of it to themselves. Answers
 * that are long, or that follow each other for ever, have memory apart from the
 * budget, so that nobody who asks and does not read holds up records or other
 * programs: LOCAL_ANSWERS_BYTES for all, LOCAL_QUEUE_BYTES for one. A client
 * that finds none is ended. What a sink is sent was granted before. */
#pragma once

#include "base/error.h"
#include "base/inbox.h"
#include "base/outbox.h"
#include "shuffle/shuffle_wire.h"

enum {
    LOCAL_CLIENTS_MAX = 64,
    LOCAL_QUEUE_BYTES = 64 * 1024 * 1024, /* copied, of one client */
    LOCAL_ANSWERS_BYTES = 128 * 1024 * 1024, /* long ones, of all */
    LOCAL_RESERVE_BYTES = 4 * 1024 * 1024,
    LOCAL_FIRST_FRAME_MS = 5000,
    LOCAL_PREFIX_BYTES = 255, /* of a watch */
    LOCAL_STASH_BYTES = 512 * 1024, /* what one read may bring, and more */
};

enum local_role {
    LOCAL_FREE, /* nobody */
    LOCAL_NEW,
    LOCAL_CALLER,
    LOCAL_SOURCE,
    LOCAL_SINK,
};

/* What a program waits for. */
enum local_wait {
    LOCAL_WAIT_NONE,
    LOCAL_WAIT_ACTIVE, /* to be attached: its frames are stashed */
    LOCAL_WAIT_MEMBERS, /* until `wait_count` are live and active */
    LOCAL_WAIT_LEFT, /* until the node has left */
    LOCAL_WAIT_CHECKPOINT, /* until the one it asked for has ended */
    LOCAL_WAIT_KEYS, /* for every change below a prefix */
};

struct local_client {
    enum local_role role;
    bool ending; /* close when all is written */
    bool hold; /* the node wants nothing read from it */
    bool starved; /* a long frame waits for memory */
    bool told_read; /* what the adaptor was told last: reading or not */
    bool wants_write; /* there is output that the adaptor does not know of */
    bool wants_close;
    uint64_t since_ms;
    struct inbox in;
    struct outbox out;
    struct block *stash; /* frames that came too early, or NULL */

    enum local_wait wait;
    uint32_t wait_call;
    uint64_t wait_count;
    uint8_t prefix[LOCAL_PREFIX_BYTES];
    size_t prefix_bytes;
};

enum local_action_type {
    LOCAL_WRITE, /* client: there is output; write once, at the turn's end */
    LOCAL_READ, /* client, on */
    LOCAL_CLOSE, /* client: at once; its number may be used again */
};

struct local_action {
    enum local_action_type type;
    uint32_t client;
    bool on;
};

struct local {
    struct block_pool *blocks; /* for long frames */
    struct budget reserve;
    struct block_pool shorts; /* for all others, from the reserve */
    struct budget answers;
    struct block_pool longs; /* for long answers */
    size_t max_frame_bytes;
    struct local_client clients[LOCAL_CLIENTS_MAX];
};

/* Takes the reserve from the blocks' budget: asserted to be there. `blocks`
 * outlives it; `max_frame_bytes` is the setting. */
void local_init(
        struct local *l, struct block_pool *blocks, size_t max_frame_bytes);
void local_close(struct local *l);

/* The number of a new client, or ERR_FULL. */
int local_accept(struct local *l, uint64_t now_ms);

/* Bytes that a client sent, borrowed until local_next says LOCAL_MORE. */
void local_feed(struct local *l, uint32_t client, struct bytes bytes);

enum local_input {
    LOCAL_FRAME, /* `frame` is set, borrowed until the next call */
    LOCAL_MORE, /* all is used or kept */
    LOCAL_BROKEN, /* not our protocol: the client is being ended */
};

/* The next frame that the client's role allows; it has taken its role. */
enum local_input local_next(
        struct local *l, uint32_t client, struct frame *frame);

/* Keeps a frame for later; a client that sends more than LOCAL_STASH_BYTES of
 * them is ended. */
void local_stash(struct local *l, uint32_t client, const struct frame *frame);

/* The frames kept so far, NULL if none; to be freed by the caller. */
struct block *local_unstash(struct local *l, uint32_t client);

/* Tries again where memory was missing; true when local_next has news. */
bool local_retry(struct local *l, uint32_t client);

/* Queues a frame, short or part of a long answer, or a block of whole frames,
 * which is ours from then on. A client that cannot take it is ended. */
void local_push(struct local *l, uint32_t client, uint8_t tag,
        struct bytes head, struct bytes body);
void local_push_long(struct local *l, uint32_t client, uint8_t tag,
        struct bytes head, struct bytes body);
void local_push_block(struct local *l, uint32_t client, struct block *block);

/* Leaves the client unread, or reads it again. */
void local_hold(struct local *l, uint32_t client, bool hold);

/* Ends the client once all that is queued has been written. */
void local_end(struct local *l, uint32_t client);

/* The connection is gone; nothing is written or read any more. */
void local_forget(struct local *l, uint32_t client);

/* What to write next (base/outbox.h), and how much of it was written. */
size_t local_output(struct local *l, uint32_t client, struct bytes pieces[],
        size_t pieces_max);
void local_written(struct local *l, uint32_t client, size_t bytes);

/* Ends clients whose first frame is late; when the next one would be. */
void local_tick(struct local *l, uint64_t now_ms);
uint64_t local_deadline_ms(const struct local *l);

bool local_next_action(struct local *l, struct local_action *action);
