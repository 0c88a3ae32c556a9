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
 * generation. Probes go with every attempt, and every five seconds. A LaminarDB
 * member answers none: it is tried again after a minute.
 *
 * The half. With `expect`, a side with half or fewer of the expected members
 * starts and commits nothing.
 *
 * Sleep. A node whose own round came far too late asks the others whether they
 * have buried it, and until one that did not sleep has said no (or all of them
 * turn out to ask the same) it answers no Prepare, and hands nothing to sinks.
 * If one says yes it joins anew. Whoever has found the asking generation dead,
 * or knows a newer one, says yes; no says only whoever holds it for live.
 *
 * A core: facts in, actions out, no clock; the node carries the texts. Times are
 * microseconds on the caller's monotonic clock, for the ledger's sake. Memory:
 * members are bounded by gossip's own bound; the ledger and the decisions by
 * their constants; a request that waits is a number. */
#pragma once

#include "base/error.h"
#include "node/checkpoint_actions.h"
#include "node/checkpoint_attempt.h"
#include "node/checkpoint_reason.h"
#include "node/checkpoint_stages.h"

enum {
    CHECKPOINT_CLIENTS_MAX = 64, /* programs that may wait for one */
    CHECKPOINT_TEXT_BYTES = 64 * 1024, /* the longest control record */

    CHECKPOINT_AGAIN_MS = 1000, /* what was asked and not answered */
    CHECKPOINT_SILENCE_MS = 2000, /* of a leader, beyond the deadline */
    CHECKPOINT_DRAIN_MS = 4000, /* for moving our stages away, in all */
    CHECKPOINT_PROBE_MS = 5000,
    CHECKPOINT_MUTE_MS = 60000, /* that one who answers no probe is left out */
    CHECKPOINT_LEADERLESS_MS = 10000, /* until a request is refused */
    CHECKPOINT_LAMINAR_MS = 30000, /* in which a LaminarDB leader decides */
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
    /* Under which we ran when that disk last kept one; 0 = it is a new disk. */
    uint64_t earlier_generation;
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
    bool convicted; /* this generation was found dead here, live or not */
};

/* A member, and what has become of it here. */
struct checkpoint_peer {
    struct checkpoint_member facts;
    bool has_acked; /* in its key, whose latest version is this */
    uint64_t ack_version;

    /* As its leader sees it. */
    unsigned lost; /* attempts in a row that were lost to it */
    uint64_t failed[CHECKPOINT_FAILED_MAX]; /* their epochs, the latest last */
    size_t failed_count;
    bool is_suspended;
    uint64_t suspended_us; /* since when */
    bool has_asked; /* for a checkpoint that has not begun yet */
    uint64_t token; /* its latest request */
    uint64_t told; /* the epoch that answers it: it hears of the outcome */

    bool slept_too; /* it asks the same while we are in doubt */
};

/* The attempt that we lead:
 *
 *   IDLE ──Prepare──► WAITING ──all have acked──► KEEPING ──kept──► IDLE
 *                        │                           └── cannot ──►
 *                        └── refused, lost, late ─────────────────►
 *
 * Without a disk KEEPING takes no time. */
enum checkpoint_lead_state {
    CHECKPOINT_LEAD_IDLE,
    CHECKPOINT_LEAD_WAITING,
    CHECKPOINT_LEAD_KEEPING,
};

enum checkpoint_word {
    CHECKPOINT_SILENT,
    CHECKPOINT_OK,
    CHECKPOINT_REFUSED,
};

/* A member's sink of a stage that is placed anew. */
struct checkpoint_placed {
    bool is_set;
    uint64_t number;
};

struct checkpoint_lead {
    enum checkpoint_lead_state state;
    struct checkpoint_attempt attempt;
    uint8_t *words; /* enum checkpoint_word of each member, in their order */
    uint64_t *ack_versions; /* of LaminarDB members, when it began */
    struct checkpoint_placed *placed; /* by member, then by stage */
    size_t oks;
    size_t heard; /* words, both kinds */
    uint64_t started_us;
    uint64_t left_us; /* from here on refusals are gathered */
    uint64_t deadline_us;
    struct control_watermark watermark; /* the least that was said */
    size_t places_max; /* stages whose placement fits into the record */
    char reason[CHECKPOINT_REASON_BYTES]; /* of those who have refused */
    uint64_t blamed[CHECKPOINT_NAMED_MAX];
    size_t blamed_count;
    bool is_drain; /* it moves our own stages away */
    char *outcome_text; /* the latest Commit or Abort of ours */
    struct checkpoint_decision outcome; /* which it says */
};

/* Our own part in an attempt, led by whomever:
 *
 *   NONE ──Prepare──► CUTTING ──written──► READY ──► ACKED ──┐
 *     │                  └── failed, late ──► REFUSED ───────┼─ outcome ─► OVER
 *     └───► WATCHING (for a program's sake) ─────────────────┘
 *
 * READY lasts while we do not know whether we were buried. An attempt whose
 * outcome is not to be had goes to OVER as well: as aborted if it was not acked
 * and never will be, else as unknown. */
enum checkpoint_part_state {
    CHECKPOINT_PART_NONE,
    CHECKPOINT_PART_WATCHING,
    CHECKPOINT_PART_CUTTING,
    CHECKPOINT_PART_READY,
    CHECKPOINT_PART_ACKED,
    CHECKPOINT_PART_REFUSED,
    CHECKPOINT_PART_OVER,
};

struct checkpoint_part {
    enum checkpoint_part_state state;
    struct checkpoint_attempt attempt;
    uint64_t deadline_us; /* for the cut */
    uint64_t end_us; /* until when the outcome is waited for */
    bool wants_lack;
    bool was_acked;
    enum shuffle_outcome_code outcome; /* in OVER */
    char error[CHECKPOINT_REASON_BYTES]; /* of our refusal */
    uint64_t missing[CHECKPOINT_NAMED_MAX]; /* likewise */
    size_t missing_count;
    uint64_t lost_to; /* the leader, when the outcome is not to be had of it */
    char *ack_text; /* what we have said, or NULL */
};

/* A program that waits. */
struct checkpoint_client {
    uint32_t client;
    uint64_t token;
    uint64_t since_us;
    bool is_bound; /* to the attempt that our part is in */
};

enum checkpoint_drain_state {
    CHECKPOINT_DRAIN_NONE,
    CHECKPOINT_DRAIN_MOVING, /* we lead: an attempt is to move our stages */
    CHECKPOINT_DRAIN_DONE, /* DRAINED was said */
};

struct checkpoint_drain {
    enum checkpoint_drain_state state;
    struct checkpoint_stages stages;
    uint64_t deadline_us;
    unsigned tries;
    bool is_moved;
    bool is_asking; /* another leader, with `token` */
    bool is_bound; /* our part's attempt is to move them */
    uint64_t token;
};

struct checkpoint {
    struct checkpoint_options options;
    bool active;
    bool draining;

    struct checkpoint_peer *peers; /* ascending ids */
    size_t peers_count;
    size_t peers_capacity;
    uint64_t leader; /* 0 = nobody */
    uint64_t leaderless_us; /* since when; only while there is none */
    uint64_t probe_due_us; /* while somebody is left out */

    uint64_t epoch; /* the greatest that anybody has named, or acked */
    uint64_t epoch_from; /* who; 0 = ourselves, or our disk */
    uint64_t attempts; /* that we have led, in this generation */
    uint64_t begun_us; /* when the latest attempt did, as seen from here */

    struct checkpoint_attempt held; /* the greatest that we have acked */
    struct checkpoint_lead lead;
    struct checkpoint_part part;
    struct checkpoint_decisions decisions;
    struct checkpoint_ledger ledger;
    uint64_t ask_due_us; /* while there are outcomes that we do not know */
    bool is_keeping; /* KEEP is under way: */
    struct checkpoint_decision keeping;

    struct checkpoint_client clients[CHECKPOINT_CLIENTS_MAX];
    size_t clients_count;
    uint64_t token; /* of our latest request */
    uint64_t request_due_us; /* when it is said (again) to another leader */
    bool is_refusing; /* and has said so */

    struct checkpoint_stages rotate;
    struct checkpoint_stages leaving; /* stages of draining members */
    struct control_sink sinks[CHECKPOINT_STAGES_MAX]; /* ascending */
    uint8_t sink_names[CHECKPOINT_STAGES_MAX][SHUFFLE_STAGE_MAX];
    size_t sinks_count;
    struct checkpoint_drain drain;

    bool is_in_doubt; /* we slept, and nobody has answered yet */
    bool is_buried; /* somebody has, and our new generation is on its way */
    uint64_t awake_due_us; /* when the others are asked (again) */

    struct control_watermark local;
    struct control_watermark cluster;
    uint64_t contradictions; /* records against what is known; ignored */
    char *text; /* CHECKPOINT_TEXT_BYTES, where records are written */
    struct checkpoint_actions actions;
};

/* ERR_FULL without memory. */
int checkpoint_init(struct checkpoint *c,
        const struct checkpoint_options *options, uint64_t now_us,
        struct error *err);
void checkpoint_close(struct checkpoint *c);

/* The node goes on under a higher generation: all attempts of the old one are
 * over for us. */
void checkpoint_generation(
        struct checkpoint *c, uint64_t now_us, uint64_t generation);

/* A decision that was kept by an earlier life, for whoever asks; in the order
 * in which they were kept: of two about one attempt the later one counts. */
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

/* The stages whose sinks are not as their placement has them, so that the next
 * attempt places them anew. Replaces the former list; copied. */
void checkpoint_rotate(struct checkpoint *c, uint64_t now_us,
        const struct bytes *stages, size_t count);

/* Our own sinks, one of a stage at the most, numbered from 1; copied. Our acks
 * name those of the stages that are placed anew; a draining node has none. */
void checkpoint_sinks(
        struct checkpoint *c, const struct control_sink *sinks, size_t count);

/* A record of a member, from its key (`version` is the entry's) or from a
 * CONTROL frame (0). What is said more than once changes nothing. */
void checkpoint_announced(struct checkpoint *c, uint64_t now_us, uint64_t from,
        uint64_t version, const struct control_announcement *a);
void checkpoint_acked(struct checkpoint *c, uint64_t now_us, uint64_t from,
        uint64_t version, const struct control_ack *ack);
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

/* The deadline of our own part has come: say with checkpoint_lack what it lacks.
 * To be asked after each verb; until it is answered, we do not refuse. */
bool checkpoint_wants_lack(const struct checkpoint *c);

/* The latest KEEP is done; `why` is NULL, or what the system said. A commit that
 * could not be kept is aborted, and a second KEEP says so, for nobody knows what
 * stands on the disk. */
void checkpoint_kept(struct checkpoint *c, uint64_t now_us, const char *why);

/* What our own programs have seen, in event time. */
void checkpoint_watermark(struct checkpoint *c, int64_t watermark_ms);

/* A program asks for a checkpoint that begins from now on, and waits for ANSWER;
 * or waits no more. Asking again while it waits changes nothing. */
void checkpoint_request(struct checkpoint *c, uint64_t now_us, uint32_t client);
void checkpoint_forget(struct checkpoint *c, uint32_t client);

/* SIGTERM. DRAINED comes at once, or, on a leader with company, when the
 * running attempt is decided and one more has moved our stages away. A
 * follower asks its leader for that one. */
void checkpoint_drain(struct checkpoint *c, uint64_t now_us,
        const struct bytes *stages, size_t count);

/* Our own round came far too late: we may have been buried. CONFIRMED, or
 * BURIED; after the latter checkpoint_generation ends the doubt. */
void checkpoint_slept(struct checkpoint *c, uint64_t now_us);

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
