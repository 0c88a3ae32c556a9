/* Stages and their streams: records from a source on one node to the sinks on
 * others, each to the one that owns its key.
 *
 * A program attaches to its node as a *source* of a stage (`weft send`) or as
 * its *sink* (`weft recv`). The life of a source, first record to last:
 *
 *   waits until `want` live, active nodes have a sink of the stage, then takes
 *   them all as its placement (or the placement that is in force already), and
 *   offers it: OPEN to each sink node. When every one has answered OPENED 0 it
 *   counts: its placement is published and its socket is read. A refusal, or a
 *   node that cannot be reached, takes the offer back (FAIL 1) and is tried
 *   again after a random 50 to 200 ms.
 *
 *   Each record is hashed once, here, and copied into the DATA frame that is
 *   filling for its owner. A frame leaves when it is full or when the turn
 *   ends, if the sink node's credit allows; a full one that may not leave
 *   stops the reading of that source's socket, and nothing else.
 *
 *   The sink node copies the records into the stream's window, and on to the
 *   local sink as far as that one's own credit reaches. What the sink confirms
 *   is confirmed to the source (GRANT), which is what credit grows by.
 *
 *   MARK with DRAIN says how many records there were. When all have come, and
 *   so many sources have ended as the sink wants, the sink gets the same mark,
 *   writes, and answers DONE, which every source gets for each of its streams.
 *
 * Whatever breaks in between is counted on both ends, to the record: a source
 * hears how many of its records were confirmed, a sink which source was lost
 * after how many (docs/wire.md, "Streams" has the table). A broken connection
 * is opened again; the stream goes on when all that was sent was confirmed. A
 * stream to our own node is the same object, without a connection.
 *
 * A core: verbs in, actions out. The node feeds what the gossip says of the
 * members, what the pool says of the links, and the frames of peers and of
 * local programs; it calls `shuffle_streams_flush` at the end of each turn of
 * its loop, and drains `shuffle_streams_next` after every verb. Frames of a
 * Weft peer go to `shuffle_streams_receive` only from links that are up.
 *
 * Memory. Windows are backed by `budget`: a stream is refused (OPENED 3) when
 * it has no room for the first 256 KiB, and a window grows to `window_bytes`
 * only while that leaves `max_frame_bytes` free. A record may lie in a block
 * of twice its size, so twice the window is taken. What sources pack comes
 * from `blocks`, whose budget is the same: when it has no more, sources are
 * left unread until it has. Blocks that left with an action come home when the
 * node frees them, which it must have done before `shuffle_streams_close`.
 * The bounds that are counts: `streams_max` streams at our sinks, 64 programs
 * (the node's own bound), SHUFFLE_SINKS_MAX sinks of a placement. */
#pragma once

#include "base/block.h"
#include "base/prng.h"
#include "shuffle/shuffle_actions.h"
#include "shuffle/shuffle_cut.h"
#include "shuffle/shuffle_cuts.h"
#include "shuffle/shuffle_instream.h"
#include "shuffle/shuffle_laminar.h"
#include "shuffle/shuffle_later.h"
#include "shuffle/shuffle_members.h"
#include "shuffle/shuffle_outstream.h"
#include "shuffle/shuffle_sink.h"
#include "shuffle/shuffle_source.h"
#include "shuffle/shuffle_stage.h"
#include "shuffle/shuffle_streams_info.h"
#include "shuffle/shuffle_wire.h"

enum {
    SHUFFLE_FIRST_WINDOW_BYTES = 256 << 10,
    SHUFFLE_CLIENT_READ_MAX = 128 << 10, /* that may follow CLIENT_READ off */
    SHUFFLE_DRAIN_MS = 6000, /* from the signal to FAIL 4 */
    SHUFFLE_SILENCE_MS = 5000, /* that makes a conviction final */
    SHUFFLE_SAY_MS = 10000, /* between two sentences of one that waits */
    SHUFFLE_BUCKETS = 256,
    SHUFFLE_ENDED_MAX = 256, /* streams that are remembered after their end */
};

struct shuffle_streams_options {
    uint64_t id; /* our own, not 0 */
    uint64_t generation;
    uint32_t vnodes;
    size_t window_bytes; /* at least SHUFFLE_FIRST_WINDOW_BYTES */
    size_t max_frame_bytes;
    uint64_t connect_timeout_ms;
    uint64_t align_timeout_ms; /* how long a cut may park unannounced */
    uint32_t streams_max; /* that may end at our sinks at one time */
    struct block_pool *blocks; /* for what sources pack; outlives us */
    struct budget *budget; /* the shared one; outlives us */
    uint64_t seed;
};

/* 256 vnodes, windows of 2 MiB, frames of 64 MiB, 3 s, 8 s, 4096 streams; id,
 * generation, blocks, budget and seed stay the caller's to fill in. */
struct shuffle_streams_options shuffle_streams_defaults(void);

struct shuffle_streams;

void shuffle_streams_init(struct shuffle_streams *st,
        const struct shuffle_streams_options *options, uint64_t now_ms);
void shuffle_streams_close(struct shuffle_streams *st);

/* The node goes on under a higher generation. Nothing is attached yet:
 * asserted, for a source or sink is known by it. */
void shuffle_streams_generation(
        struct shuffle_streams *st, uint64_t generation);

/* --- facts: what the gossip and the pool know --- */

/* What is known of another member now; say it again whenever it changes.
 * Everything is copied. Our own node is not among them. */
void shuffle_streams_member(struct shuffle_streams *st, uint64_t now_ms,
        const struct shuffle_member *member);
void shuffle_streams_member_gone(
        struct shuffle_streams *st, uint64_t now_ms, uint64_t id);

/* When anything last came from a member on any of its links, whatever it was:
 * to be said of members that are not live, at least once a second. Frames that
 * come to us count by themselves. */
void shuffle_streams_heard(
        struct shuffle_streams *st, uint64_t id, uint64_t heard_ms);

/* A link in the Weft dialect has come up, or any link is gone. `outgoing`: we
 * connected. `generation` is the peer's as it greeted. */
void shuffle_streams_link_up(struct shuffle_streams *st, uint64_t now_ms,
        uint32_t link, uint64_t peer, uint64_t generation, bool outgoing);
void shuffle_streams_link_down(
        struct shuffle_streams *st, uint64_t now_ms, uint32_t link);

/* An attempt to reach the peer has failed; `text` says why. */
void shuffle_streams_unreachable(struct shuffle_streams *st, uint64_t now_ms,
        uint64_t peer, const char *text);

/* A frame of tag 30 to 36 from a peer. False: malformed, or not allowed there
 * and then; the link is to be closed with a reason. */
bool shuffle_streams_receive(struct shuffle_streams *st, uint64_t now_ms,
        uint32_t link, uint64_t peer, uint8_t tag, struct bytes payload);

/* VnodeData that a LaminarDB peer sent on that link, for the sink of the stage
 * `laminar`. `own` is the block that it lies in, from now on ours, or NULL: it
 * is copied. False: there is no memory for a copy; its connection must not go
 * on without it. */
bool shuffle_streams_laminar(struct shuffle_streams *st, uint64_t now_ms,
        uint32_t link, uint64_t peer,
        const struct shuffle_wire_vnode_data *data, struct block *own);

/* How the LAMINAR or LAMINAR_FLUSH action of this client went: 0, or a code
 * with a sentence. ERR_FULL, no room yet or not all written yet: it is asked
 * again at the end of a later turn. */
void shuffle_streams_laminar_sent(struct shuffle_streams *st, uint64_t now_ms,
        uint32_t client, int code, const char *text);

/* Our link to a LaminarDB peer has broken, or none could be made; what was on
 * the way is lost, or not: nobody knows. */
void shuffle_streams_laminar_lost(struct shuffle_streams *st, uint64_t now_ms,
        uint64_t peer, const struct shuffle_laminar_loss *loss,
        const char *text);

/* --- checkpoints: shuffle/shuffle_cut.h --- */

/* Prepare has come: begins the cut, and ends the one before it as if it had
 * been cancelled. CUT actions tell what comes of it. */
void shuffle_streams_cut(struct shuffle_streams *st, uint64_t now_ms,
        const struct shuffle_cut_order *order);

/* Barrier (02) of a peer, on a link that it made to us. `speaks_weft`: its
 * number is that of the cut; else the announced one. */
void shuffle_streams_barrier(struct shuffle_streams *st, uint64_t now_ms,
        uint32_t link, uint64_t peer, bool speaks_weft,
        const struct shuffle_wire_barrier *barrier);

/* What the pool says of a Barrier of ours: 0, or why it has not left. */
void shuffle_streams_barrier_sent(struct shuffle_streams *st, uint64_t now_ms,
        uint64_t peer, uint64_t checkpoint, int code, const char *text);

/* The attempt is over here: what was parked flows on, programs get OUTCOME.
 * May come twice for one cut: `unknown`, and later what it really was. One
 * that is not known here tells the programs all the same. */
void shuffle_streams_outcome(struct shuffle_streams *st, uint64_t now_ms,
        const struct shuffle_cut_outcome *outcome);

/* What the announced cut still lacks, and the bytes parked behind all cuts. */
void shuffle_streams_cut_lack(
        struct shuffle_streams *st, struct shuffle_cut_lack *lack);
uint64_t shuffle_streams_parked_bytes(const struct shuffle_streams *st);

/* We slept for so long that others may have buried us: nothing is handed to
 * sinks until it is said that they have not. */
void shuffle_streams_doubt(
        struct shuffle_streams *st, uint64_t now_ms, bool in_doubt);

/* They have: every source and sink here fails with exact counts, as if its
 * node were lost. Nothing is attached afterwards. */
void shuffle_streams_buried(struct shuffle_streams *st, uint64_t now_ms);

/* --- local programs; the node numbers them, never 0 --- */

/* ATTACH of a program that has not attached yet. The answer is STATE; a
 * refusal is followed by CLIENT_CLOSE. Only an active node attaches. */
void shuffle_streams_attach(struct shuffle_streams *st, uint64_t now_ms,
        uint32_t client, const struct shuffle_wire_attach *attach);

/* A frame of tag 32 to 36 from a program that has attached. After CLIENT_READ
 * off, what the same read of its socket had brought (SHUFFLE_CLIENT_READ_MAX)
 * may still be given. False: malformed, or not allowed there and then; close
 * the program's socket and say `_client_gone`. */
bool shuffle_streams_client(struct shuffle_streams *st, uint64_t now_ms,
        uint32_t client, uint8_t tag, struct bytes payload);

/* The program's socket has ended, by whoever. To be said of every program that
 * has attached, after CLIENT_CLOSE too; unknown ones are ignored. */
void shuffle_streams_client_gone(
        struct shuffle_streams *st, uint64_t now_ms, uint32_t client);

/* --- turns, time, actions --- */

/* The turn of the loop ends: what is filling leaves, what came is handed on
 * and confirmed. Drain the actions afterwards. */
void shuffle_streams_flush(struct shuffle_streams *st, uint64_t now_ms);

/* SIGTERM: refuses new programs, and lets what runs run until then; as a rule
 * that is SHUFFLE_DRAIN_MS after the signal. */
void shuffle_streams_drain(
        struct shuffle_streams *st, uint64_t now_ms, uint64_t until_ms);

/* Nothing is attached and no stream is open: a draining node may leave. */
bool shuffle_streams_is_idle(const struct shuffle_streams *st);

void shuffle_streams_tick(struct shuffle_streams *st, uint64_t now_ms);
uint64_t shuffle_streams_deadline_ms(const struct shuffle_streams *st);
bool shuffle_streams_next(
        struct shuffle_streams *st, struct shuffle_streams_action *action);

/* For the parts: `shuffle_streams_tick` has work at `at_ms`. */
void shuffle_streams_arm(struct shuffle_streams *st, uint64_t at_ms);

/* For the parts: the node is convicted, and nothing has come from it for
 * SHUFFLE_SILENCE_MS. Arms the tick that will see it. */
bool shuffle_streams_is_silent(struct shuffle_streams *st, uint64_t node);

/* For the parts: how many streams are open on the link has changed. */
void shuffle_streams_recount(struct shuffle_streams *st, uint32_t link);

/* Asserts what must always hold. */
void shuffle_streams_check(const struct shuffle_streams *st);

struct shuffle_streams {
    struct shuffle_streams_options options;
    struct prng prng;
    uint64_t now_ms; /* of the latest verb */
    uint64_t deadline_ms; /* never later than the true one */
    uint64_t drain_at_ms; /* of FAIL 4; 0 = not draining */
    struct shuffle_actions actions;
    struct shuffle_members members;
    struct shuffle_stage *stages; /* in order of their first program */
    struct shuffle_source *sources;
    uint32_t sources_count; /* since our start: the next one's number */
    uint64_t sinks_count; /* the same of sinks */
    uint32_t streams_count; /* the same of outgoing streams */
    uint32_t instreams_count; /* open now */

    /* Streams by number, and those that this turn's end looks at. */
    struct shuffle_outstream *out_buckets[SHUFFLE_BUCKETS];
    struct shuffle_instream *in_buckets[SHUFFLE_BUCKETS];
    struct shuffle_outstream *dirty;
    bool has_facts; /* that sources and sinks have not yet looked at */
    bool is_unsettled; /* our own streams have moved since the last flush */

    /* Windows: their budget is backed by what streams have reserved. */
    struct budget window_budget;
    struct block_pool windows;

    struct shuffle_cuts cuts;
    struct shuffle_later later; /* OPENs that wait for one to be decided */
    bool is_in_doubt; /* sinks get nothing until it is said that we live */

    struct shuffle_instream *ended; /* latest first: what to say once more */
    size_t ended_count;
    struct shuffle_laminar laminar;
    uint8_t *scratch; /* a placement or a frame while it is built */
    uint8_t *inner; /* a frame to ourselves while it is read */
    size_t scratch_capacity; /* of each */
};
