/* The cuts that this node knows of, and what the parts of the streams tell of
 * them and ask about them (what a cut is: shuffle/shuffle_cut.h).
 *
 * One is announced, and has a phase:
 *
 *   NONE ──begin──► ALIGNING ──► WRITING ──► WRITTEN ──outcome──► NONE
 *                       └────────────┴── failed ──► OVER ───────► NONE
 *
 * OVER lasts until the end of the turn, so that nothing moves under the feet of
 * whoever found that the cut has failed. Others are early: their MARKs and
 * Barriers have come and their Prepare has not. The rest is over, and of them
 * the numbers of the latest SHUFFLE_CUT_DECIDED_MAX are kept.
 *
 * For a source's streams a cut is a MARK that each has to carry; the Barrier to
 * a node goes when all streams to it have. For a sink's streams it is a place
 * where records are parked; a stream that has drained, or whose end is marked,
 * needs no mark of its own. Loss of what a MARK has counted breaks its cut,
 * early ones too: they fail when they are announced. */
#pragma once

#include "shuffle/shuffle_cut.h"
#include "shuffle/shuffle_wire.h"

struct shuffle_instream;
struct shuffle_outstream;
struct shuffle_sink;
struct shuffle_source;
struct shuffle_stage;
struct shuffle_streams;

enum shuffle_cut_phase {
    SHUFFLE_PHASE_NONE,
    SHUFFLE_PHASE_ALIGNING,
    SHUFFLE_PHASE_WRITING,
    SHUFFLE_PHASE_WRITTEN,
    SHUFFLE_PHASE_OVER,
};

struct shuffle_cut_peer {
    uint64_t id;
    bool speaks_weft;
    bool is_in; /* its Barrier has come; of a Weft member */
    bool is_due; /* our Barrier has to go there, or to go again */
    bool is_blocked; /* a stream to it has yet to be marked */
};

struct shuffle_cut {
    enum shuffle_cut_phase phase;
    bool is_marked; /* MARKED was said */
    bool has_due; /* a Barrier of ours has to go */
    bool is_bereft; /* WRITTEN, and a source of ours has failed since */
    uint64_t checkpoint;
    uint64_t announced;
    uint64_t epoch;
    struct shuffle_cut_peer *peers; /* ascending ids */
    size_t peers_count;
    char (*rotate)[SHUFFLE_STAGE_MAX + 1];
    size_t rotate_count;
};

struct shuffle_cut_early {
    uint64_t checkpoint;
    uint64_t since_ms;
    uint64_t *nodes; /* whose Barriers have come */
    size_t nodes_count;
    bool is_broken;
    uint64_t broken_by;
    char why[SHUFFLE_CUT_TEXT_BYTES];
};

struct shuffle_cut_over {
    uint64_t checkpoint;
    uint64_t announced;
    uint64_t epoch;
    bool is_committed;
};

struct shuffle_cuts {
    struct shuffle_cut now;
    struct shuffle_cut_early early[SHUFFLE_CUTS_MAX]; /* the oldest first */
    size_t early_count;
    struct shuffle_cut_over over[SHUFFLE_CUT_DECIDED_MAX]; /* a ring */
    size_t over_count; /* ever */
    uint64_t let_go; /* early ones that went unannounced */
    uint64_t *lack; /* nodes of the latest answer */
};

void shuffle_cuts_close(struct shuffle_cuts *cuts);

/* --- what is known of it: shuffle_cuts.c --- */

/* There is an announced cut, failed or not. */
bool shuffle_cut_is_here(const struct shuffle_streams *st);

/* It may fail yet: ALIGNING or WRITING. */
bool shuffle_cut_is_running(const struct shuffle_streams *st);

/* Its outcome is awaited. */
bool shuffle_cut_is_undecided(const struct shuffle_streams *st);

/* Our own node, or a member that it is for. */
bool shuffle_cut_lists(const struct shuffle_streams *st, uint64_t node);
struct shuffle_cut_peer *shuffle_cut_peer(
        const struct shuffle_streams *st, uint64_t node);

/* It places that stage anew. */
bool shuffle_cut_rotates(
        const struct shuffle_streams *st, const struct shuffle_stage *stage);

/* NULL when that cut is not among those that are over. */
const struct shuffle_cut_over *shuffle_cut_find_over(
        const struct shuffle_streams *st, uint64_t checkpoint);
void shuffle_cut_add_over(
        struct shuffle_streams *st, const struct shuffle_cut_over *over);

/* The early cut of that number, or NULL; `shuffle_cut_early` makes it, at the
 * cost of the oldest if there are too many. */
struct shuffle_cut_early *shuffle_cut_find_early(
        struct shuffle_streams *st, uint64_t checkpoint);
struct shuffle_cut_early *shuffle_cut_early(
        struct shuffle_streams *st, uint64_t checkpoint);

/* Notes that the node's Barrier of it has come. */
void shuffle_cut_early_barrier(struct shuffle_cut_early *early, uint64_t node);

/* Forgets it; its marks in streams stay. */
void shuffle_cut_drop_early(
        struct shuffle_streams *st, struct shuffle_cut_early *early);

/* Forgets it and its marks, and counts it: nobody has announced it. */
void shuffle_cut_let_go(
        struct shuffle_streams *st, struct shuffle_cut_early *early);

/* Lets go those that have waited for too long; arms the next look. */
void shuffle_cut_expire(struct shuffle_streams *st);

/* Takes the cut's marks out of all streams: what they parked flows on. */
void shuffle_cut_unmark(struct shuffle_streams *st, uint64_t checkpoint);

void shuffle_cuts_check(const struct shuffle_streams *st);

/* --- its life: shuffle_cut.c --- */

void shuffle_cut_say(struct shuffle_streams *st, enum shuffle_cut_event event,
        uint64_t peer, const char *text);

/* The announced cut has failed, if it may fail yet. */
void shuffle_cut_fail(struct shuffle_streams *st, uint64_t peer,
        const char *format, ...) __attribute__((format(printf, 3, 4)));

/* That cut cannot be made any more, be it announced or early. */
void shuffle_cut_break(struct shuffle_streams *st, uint64_t checkpoint,
        uint64_t peer, const char *text);

/* Our link to the peer is gone: what went on it may not have arrived. */
void shuffle_cut_link_down(struct shuffle_streams *st, uint64_t peer);

/* In a turn: what has failed ends; the Barriers that may go go, and it is seen
 * whether all is aligned; and, behind the sinks, whether all is written. */
void shuffle_cut_clear(struct shuffle_streams *st);
void shuffle_cut_align(struct shuffle_streams *st);
void shuffle_cut_finish(struct shuffle_streams *st);

/* --- at our sources: shuffle_cut_out.c --- */

/* Loses or fails what comes from or goes to Weft nodes that the cut is not for;
 * nothing is marked yet. */
void shuffle_cut_shed(struct shuffle_streams *st);

/* Marks all that is open, and holds what is to be placed anew. */
void shuffle_cut_mark_sources(struct shuffle_streams *st);

/* The sources' streams carry no MARK of it any more; and what was held may go
 * on. */
void shuffle_cut_unmark_sources(struct shuffle_streams *st);
void shuffle_cut_release_sources(struct shuffle_streams *st);

/* Sends our Barriers behind our MARKs. */
void shuffle_cut_send_barriers(struct shuffle_streams *st);

/* A stream is open for the first time, or a source counts from now on. */
void shuffle_cut_stream_opened(
        struct shuffle_streams *st, struct shuffle_outstream *out);
void shuffle_cut_source_counts(
        struct shuffle_streams *st, struct shuffle_source *source);

/* A source is about to go before its end; `culprit` may be NULL. */
void shuffle_cut_source_failed(struct shuffle_streams *st,
        const struct shuffle_source *source,
        const struct shuffle_outstream *culprit, const char *why);

/* --- at our sinks: shuffle_cut_in.c --- */

/* MARK without DRAIN. Of a stream that is not here any more: what it counts is
 * lost. */
void shuffle_cut_stream_marked(struct shuffle_streams *st,
        struct shuffle_instream *in, const struct shuffle_wire_mark *mark);
void shuffle_cut_stray_mark(struct shuffle_streams *st, uint64_t peer,
        const struct shuffle_wire_mark *mark);

/* Lets go the cuts whose marks are in front of this one's in the stream. */
void shuffle_cut_make_first(struct shuffle_streams *st,
        struct shuffle_instream *in, uint64_t checkpoint);

/* The end of a stream is marked. False: it is before a mark that has come, and
 * the stream has failed. */
bool shuffle_cut_stream_ends(
        struct shuffle_streams *st, struct shuffle_instream *in, uint64_t next);

/* A stream begins at our sink, is lost, or goes without its DONE. */
void shuffle_cut_stream_begins(
        struct shuffle_streams *st, struct shuffle_instream *in);
void shuffle_cut_stream_lost(
        struct shuffle_streams *st, const struct shuffle_instream *in);

/* The announced cut has a MARK there, or needs none. */
bool shuffle_cut_is_aligned(
        const struct shuffle_streams *st, const struct shuffle_instream *in);

/* Gives the sink its MARK when all before it is delivered; true if it did, and
 * more may be delivered now. */
bool shuffle_cut_tell_sink(
        struct shuffle_streams *st, struct shuffle_sink *sink);

/* All before it is delivered, and what is parked may follow. */
void shuffle_cut_pass(
        const struct shuffle_streams *st, struct shuffle_sink *sink);

/* The program's echo. False: not what it has to say. */
bool shuffle_cut_echoed(struct shuffle_streams *st, struct shuffle_sink *sink,
        struct bytes payload);

/* The sink goes before its end. */
void shuffle_cut_sink_left(
        struct shuffle_streams *st, const struct shuffle_sink *sink);
