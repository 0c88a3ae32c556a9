/* A sink: the one local program that takes a stage's records on this node.
 *
 *   attach ─► RUNNING ──no stream holds it open, `want` sources ended──► ENDING
 *                                                                          │
 *                 (gone) ◄── DONE to every stream ◄── its program's DONE ──┘
 *
 * It is published from its attaching until it is ENDING. Records come from the
 * streams' windows in turn, block by block, as far as the program's credit
 * reaches; each block handed over is a *delivery*. The program confirms
 * records in the order in which it got them, so the deliveries, first in first
 * out, say whose records they were. At most SHUFFLE_DELIVERIES_MAX are out at
 * one time; what comes meanwhile gathers in the windows.
 *
 * Records behind a cut wait until the program has got its MARK, which it echoes
 * when all before it is written (shuffle/shuffle_cuts.h).
 *
 * A source that is lost is told behind all its records (FAIL 5); then the run
 * goes on. With `want` 0 (`--follow`) the run never ends by itself, and each
 * stream gets its DONE when all its records are confirmed. */
#pragma once

#include "shuffle/shuffle_instream.h"
#include "shuffle/shuffle_stage.h"
#include "shuffle/shuffle_told.h"

enum {
    SHUFFLE_DELIVERIES_MAX = 1024,
    SHUFFLE_DELIVERY_BYTES = 32 << 10, /* up to which two of one stream join */
};

enum shuffle_sink_state {
    SHUFFLE_SINK_RUNNING,
    SHUFFLE_SINK_ENDING, /* MARK follows when all is delivered */
};

/* Its part in the announced cut. */
enum shuffle_sink_cut {
    SHUFFLE_SINK_CUT_NONE, /* none, or it is done */
    SHUFFLE_SINK_CUT_PENDING, /* MARK follows when all before it is delivered */
    SHUFFLE_SINK_CUT_TOLD, /* its echo, or the end, is awaited */
};

struct shuffle_delivery {
    struct shuffle_instream *in;
    uint64_t records; /* not yet confirmed */
    uint64_t bytes; /* as the stream's credit counts them */
};

struct shuffle_sink {
    struct shuffle_stage *stage;
    enum shuffle_sink_state state;
    uint32_t client;
    uint64_t number;
    uint32_t want; /* sources; 0 = follow */
    uint8_t format;
    bool is_waiting; /* STATE 1 was said, STATE 0 was not */
    bool is_marked; /* its program has got MARK DRAIN */
    bool had_source; /* STATE 0 has said so */
    bool is_moved_out; /* the stage was placed anew, without it */
    uint64_t adopted_epoch; /* of a placement that a cut brought; 0 = none */
    enum shuffle_sink_cut cut;
    struct shuffle_told told;
    struct shuffle_echoes echoes;
    uint64_t say_ms; /* the next STATE 1 */
    uint64_t ended; /* sources that have drained or failed */
    struct shuffle_instream *streams;
    uint64_t epoch; /* of the placement in force */
    uint64_t placement_id;
    uint8_t *packed; /* its sinks */
    size_t packed_bytes;
    struct shuffle_instream *turn; /* served next */
    uint64_t delivered_records;
    uint64_t delivered_bytes; /* as its own credit counts them */
    uint64_t taken_records;
    uint64_t limit_bytes;
    size_t deliveries_head;
    size_t deliveries_count;
    struct shuffle_delivery deliveries[SHUFFLE_DELIVERIES_MAX];
};

void shuffle_sink_attach(struct shuffle_streams *st, uint32_t client,
        const struct shuffle_wire_attach *attach);

/* NULL when that program is no sink. */
struct shuffle_sink *shuffle_sink_find(
        const struct shuffle_streams *st, uint32_t client);

/* Frames of its program. */
bool shuffle_sink_granted(struct shuffle_streams *st, struct shuffle_sink *sink,
        struct bytes payload);
bool shuffle_sink_done(struct shuffle_streams *st, struct shuffle_sink *sink,
        struct bytes payload);

/* The program has written so many records. False: more than it got. */
bool shuffle_sink_confirm(
        struct shuffle_streams *st, struct shuffle_sink *sink, uint64_t taken);

/* Its program has left before its run had ended: FAIL 2 to every stream. */
void shuffle_sink_abandon(
        struct shuffle_streams *st, struct shuffle_sink *sink);

/* A stream has ended its holding the run open. */
void shuffle_sink_source_ended(struct shuffle_sink *sink);

/* Takes a stream into the run, and out of it. Its program hears of the first
 * one (STATE 0 with a sentence), which may bring it no record at all. */
void shuffle_sink_add(struct shuffle_streams *st, struct shuffle_sink *sink,
        struct shuffle_instream *in);
void shuffle_sink_remove(
        struct shuffle_sink *sink, struct shuffle_instream *in);

/* The placement in force is that of the streams here, else any. A stream of
 * another one is refused. */
bool shuffle_sink_accepts(
        struct shuffle_sink *sink, const struct shuffle_wire_open *open);
struct shuffle_wire_sinks shuffle_sink_placement(
        const struct shuffle_sink *sink);

/* A cut has placed the stage anew: that is the placement in force. A sink that
 * was in the former one and is not in this one ends its run when its last
 * stream has ended. */
void shuffle_sink_adopt(struct shuffle_streams *st, struct shuffle_sink *sink,
        const struct shuffle_wire_sinks *sinks);

/* All of them fail, as if their node were lost. */
void shuffle_sink_bury(struct shuffle_streams *st, struct shuffle_sink *sink);

/* Hands on what credit allows, says what is due, ends the run if it is over. */
void shuffle_sink_flush(struct shuffle_streams *st, struct shuffle_sink *sink);

/* Facts have changed, or time has passed: STATE 1 or 0. */
void shuffle_sink_consider(
        struct shuffle_streams *st, struct shuffle_sink *sink);

/* SIGTERM: `is_over` says that the time to end has passed. */
void shuffle_sink_drain(
        struct shuffle_streams *st, struct shuffle_sink *sink, bool is_over);

/* Frees it and its streams without a word. */
void shuffle_sink_close(struct shuffle_streams *st, struct shuffle_sink *sink);

void shuffle_sink_check(const struct shuffle_sink *sink);
