/* Checkpoints: one consistent cut across the cluster, or none.
 *
 * The leader is the lowest live, active id, and only ever an active node. An
 * attempt is one try at one checkpoint; its life, seen from above:
 *
 *   leader   Prepare ──────────────► every listed member: begins its cut
 *            (KV, and CONTROL)       (shuffle/shuffle_cut.h), and acks when it
 *            ◄────────────── acks    is written; or refuses, and says why
 *            decides, keeps, and only then says so:
 *            Commit or Abort ──────► what was held goes on; programs hear of it
 *
 * The list of members is frozen with the attempt. One that dies, comes back as
 * another generation, cannot be reached, refuses, or is silent until
 * `align_timeout`, ends it with Abort, by name. So does the loss of leadership
 * before the decision. After it, nothing changes it any more.
 *
 * Identity. (leader, its generation, epoch) has one outcome, for ever. A leader
 * gives each attempt an epoch above every one that it has heard of from anyone,
 * and an attempt number one above its last; neither is used twice. The
 * checkpoint id is the epoch's low half and half a hash of leader and
 * generation: two leaders that use one epoch do not share it. LaminarDB leaders
 * reuse epochs after failures; there the attempt is the version of their entry.
 *
 * Promises of a member. It never acks below the greatest (epoch, attempt) that
 * it has acked, nor one epoch for a second leader or generation; a refusal says
 * which it holds. Once it has acked it cannot know the outcome by itself: if its
 * leader is lost, or silent for two seconds beyond the deadline, it reports
 * `unknown`, asks all the others, and learns from whoever knows. A member that
 * has not acked knows that nothing was committed.
 *
 * Time. Prepare says how long a member has for its part (`left_ms`); a member
 * that is not done by then refuses, and names what it lacks. The leader waits a
 * little longer, so that it can name all of them.
 *
 * The sick. A member to which `patience` attempts in a row were lost is left
 * out (suspended), live or not, until it answers a probe or has a new
 * generation. Probes go with every attempt, and every five seconds.
 *
 * The half. With `expect`, a side with half or fewer of the expected members
 * starts and commits nothing.
 *
 * Sleep. A node whose own round came far too late asks the others whether they
 * have buried it, and until one has said no it answers no Prepare (and hands
 * nothing to sinks). If one says yes it joins anew.
 *
 * A core: facts in, actions out, no clock; the node carries the texts. Times are
 * microseconds on the caller's monotonic clock, for the ledger's sake. Memory:
 * members are bounded by gossip's own bound; the ledger and the decisions by
 * their constants; a request that waits is a number. */
#pragma once

#include "base/error.h"
#include "node/checkpoint_ledger.h"
#include "node/control_json.h"

enum {
    CHECKPOINT_CLIENTS_MAX = 64, /* programs that may wait for one */
    CHECKPOINT_TEXT_BYTES = 64 * 1024, /* the longest control record */
};

struct checkpoint_options {
    uint64_t id; /* our own */
    uint64_t generation;
    uint64_t interval_ms; /* between starts; 0 = only when asked */
    uint64_t align_timeout_ms;
    uint32_t patience; /* 0 = nobody is ever left out */
    uint32_t expect; /* 0 = any number of members may commit */
    uint64_t epoch_floor; /* the greatest epoch on disk, or 0 */
    bool keeps; /* decisions go to disk: KEEP is answered when they are there */
};

/* 0 = by hand, 8 s, 2, 0; id and generation stay the caller's to fill in. */
struct checkpoint_options checkpoint_defaults(void);

/* What gossip knows of another member now. */
struct checkpoint_member {
    uint64_t id;
    uint64_t generation; /* the newest */
    bool live;
    bool active; /* as it says of itself */
    bool draining; /* likewise: it still serves and acks, and does not lead */
    bool speaks_weft;
};

enum checkpoint_action_type {
    CHECKPOINT_PUBLISH, /* text: our `control:barrier` */
    CHECKPOINT_PUBLISH_ACK, /* text: our `control:barrier-ack` */
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

/* A decision as it is kept. */
struct checkpoint_decision {
    uint64_t leader;
    uint64_t generation;
    uint64_t epoch;
    bool is_committed;
};

/* How a request ended. Arrays are borrowed until the next verb. */
struct checkpoint_result {
    bool is_refused; /* nothing was begun: `reason` says why */
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

struct checkpoint;

/* ERR_FULL without memory. */
int checkpoint_init(struct checkpoint *c,
        const struct checkpoint_options *options, uint64_t now_us,
        struct error *err);
void checkpoint_close(struct checkpoint *c);

/* The node goes on under a higher generation: all attempts of the old one are
 * over for us. */
void checkpoint_generation(
        struct checkpoint *c, uint64_t now_us, uint64_t generation);

/* A decision that was kept by an earlier life, for whoever asks. */
void checkpoint_remember(
        struct checkpoint *c, const struct checkpoint_decision *decision);

/* --- facts --- */

/* Whether we are active; only then do we lead or ack. Draining still acks. */
void checkpoint_state(
        struct checkpoint *c, uint64_t now_us, bool active, bool draining);

/* Say it again whenever it changes. Our own node is not among them. */
void checkpoint_member(struct checkpoint *c, uint64_t now_us,
        const struct checkpoint_member *member);
void checkpoint_member_gone(struct checkpoint *c, uint64_t now_us, uint64_t id);

/* The stages that have a sink somewhere, or a placement: with each, whether
 * the two differ, so that the next attempt places it anew. Replaces the
 * former list; copied. */
void checkpoint_rotate(struct checkpoint *c, uint64_t now_us,
        const struct bytes *stages, size_t count);

/* Our own sinks of these stages, for our acks; copied. A draining node has
 * none. */
void checkpoint_sinks(
        struct checkpoint *c, const struct control_sink *sinks, size_t count);

/* A record of a member, from its key (`version` is the entry's) or from a
 * CONTROL frame (0). */
void checkpoint_announced(struct checkpoint *c, uint64_t now_us, uint64_t from,
        uint64_t version, const struct control_announcement *a);
void checkpoint_acked(struct checkpoint *c, uint64_t now_us, uint64_t from,
        const struct control_ack *ack);
void checkpoint_requested(struct checkpoint *c, uint64_t now_us, uint64_t from,
        const struct control_request *request);

/* No connection to the peer could be made. */
void checkpoint_unreachable(
        struct checkpoint *c, uint64_t now_us, uint64_t peer, const char *text);

/* What the cut has come to. FAILED has `text` and perhaps `peer`. */
void checkpoint_cut(struct checkpoint *c, uint64_t now_us, uint64_t checkpoint,
        enum shuffle_cut_event event, uint64_t peer, const char *text,
        uint64_t parked_bytes);

/* The answer to a LACK that was asked for: see checkpoint_wants_lack. */
void checkpoint_lack(struct checkpoint *c, uint64_t now_us,
        const struct shuffle_cut_lack *lack);

/* The deadline of our own part has come, and what it lacks is to be said with
 * checkpoint_lack before the next checkpoint_next. */
bool checkpoint_wants_lack(const struct checkpoint *c);

/* KEEP is done; `why` is NULL, or what the system said. */
void checkpoint_kept(struct checkpoint *c, uint64_t now_us, const char *why);

/* What our own programs have seen, in event time. */
void checkpoint_watermark(struct checkpoint *c, int64_t watermark_ms);

/* A program asks for a checkpoint and waits for ANSWER; or waits no more. */
void checkpoint_request(struct checkpoint *c, uint64_t now_us, uint32_t client);
void checkpoint_forget(struct checkpoint *c, uint32_t client);

/* SIGTERM. DRAINED comes at once, or, on a leader with company, when the
 * running attempt is decided and one more has moved our stages away. A
 * follower asks its leader for that one. */
void checkpoint_drain(struct checkpoint *c, uint64_t now_us,
        const struct bytes *stages, size_t count);

/* Our own round came far too late: we may have been buried. */
void checkpoint_slept(struct checkpoint *c, uint64_t now_us);

/* Others, whom we have judged dead in this generation: what to answer them
 * when they ask. */
void checkpoint_convicted(
        struct checkpoint *c, uint64_t id, uint64_t generation);

/* --- time, actions, what is known --- */

void checkpoint_tick(struct checkpoint *c, uint64_t now_us);
uint64_t checkpoint_deadline_us(const struct checkpoint *c);
bool checkpoint_next(struct checkpoint *c, struct checkpoint_action *action);

/* 0 = nobody. */
uint64_t checkpoint_leader(const struct checkpoint *c);

const struct checkpoint_ledger *checkpoint_ledger(const struct checkpoint *c);

/* An attempt of which we have no outcome runs here. */
bool checkpoint_is_running(const struct checkpoint *c);

/* How many attempts in a row were lost to the member, and whether it is left
 * out; `epochs` are the latest of them, up to CHECKPOINT_FAILED_MAX. */
struct checkpoint_health {
    uint64_t id;
    bool is_suspended;
    const uint64_t *epochs;
    size_t epochs_count;
};
struct checkpoint_health checkpoint_health(
        const struct checkpoint *c, uint64_t id);

/* The least watermark of the cluster; it only grows. */
struct control_watermark checkpoint_cluster_watermark(
        const struct checkpoint *c);

/* Asserts what must always hold. */
void checkpoint_check(const struct checkpoint *c);
