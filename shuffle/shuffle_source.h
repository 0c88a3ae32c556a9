/* A source: one local program that writes to a stage.
 *
 *   attach ─► WAITING ──enough sinks: OPEN to each──► OPENING
 *                ▲                                       │ │ all OPENED 0
 *                └────── refused: FAIL 1, 50–200 ms ─────┘ ▼
 *                                                       RUNNING
 *                                                          │ MARK DRAIN
 *                                                          ▼
 *              (gone) ◄── every stream DONE: DONE ──── DRAINING
 *
 * A cut may place its stage anew (shuffle/shuffle_rotate.h): then it holds what
 * it reads until that is decided and the new sinks have answered.
 *
 * From any state it may fail; then its streams are told, its program gets a
 * summary and FAIL, and it is gone at once. What its program wrote and no
 * stream could take yet lies in the *spill*, which was set aside when the
 * program attached, so that no record that was read can be lost for want of
 * memory. While anything is in the spill the program's socket is not read. */
#pragma once

#include "shuffle/shuffle_outstream.h"
#include "shuffle/shuffle_place.h"
#include "shuffle/shuffle_stage.h"
#include "shuffle/shuffle_told.h"

enum shuffle_source_state {
    SHUFFLE_SOURCE_WAITING,
    SHUFFLE_SOURCE_OPENING,
    SHUFFLE_SOURCE_RUNNING,
    SHUFFLE_SOURCE_DRAINING,
};

struct shuffle_source {
    struct shuffle_source *next;
    struct shuffle_stage *stage;
    enum shuffle_source_state state;
    uint32_t client;
    uint32_t number;
    uint32_t want; /* sinks to wait for */
    uint8_t format;
    bool is_read; /* what CLIENT_READ last said */
    bool has_place;
    bool is_drained; /* the program's MARK has come */
    bool is_held; /* a cut places its stage anew, and is not decided */
    bool is_opening; /* sinks of a new placement have not all answered yet */
    struct shuffle_place place;
    /* One for each sink of `place`, in its order; behind them those that an
     * earlier placement had: they end, and are part of the summary. */
    struct shuffle_outstream **streams;
    size_t streams_count;
    struct shuffle_told told; /* of cuts */
    struct shuffle_told held_by; /* cuts whose outcome is not known */
    uint64_t read_records; /* from the program */
    struct block *spill;
    size_t spill_used; /* of it, already routed */
    size_t spill_held; /* while held: where in it the cut is */
    uint64_t try_ms; /* when a refused offer is made again; 0 = at once */
    uint64_t say_ms; /* the next STATE 1 */
    uint8_t *hint; /* sinks of a placement that is said to be in force */
    struct shuffle_wire_sinks hint_sinks;
    char obstacle[160]; /* why the latest offer failed; empty = it has not */
};

void shuffle_source_attach(struct shuffle_streams *st, uint32_t client,
        const struct shuffle_wire_attach *attach);

/* NULL when that program is no source. */
struct shuffle_source *shuffle_source_find(
        const struct shuffle_streams *st, uint32_t client);

/* It counts: RUNNING or DRAINING. */
bool shuffle_source_counts(const struct shuffle_source *source);

/* Its program has gone. */
void shuffle_source_abandon(
        struct shuffle_streams *st, struct shuffle_source *source);

/* Its program says that it gives up: it hears what was confirmed. */
void shuffle_source_give_up(
        struct shuffle_streams *st, struct shuffle_source *source);

/* Frames of sink nodes. */
bool shuffle_source_opened(struct shuffle_streams *st,
        struct shuffle_outstream *out,
        const struct shuffle_wire_opened *opened);
bool shuffle_source_granted(struct shuffle_streams *st,
        struct shuffle_outstream *out, const struct shuffle_wire_grant *grant);
bool shuffle_source_done(struct shuffle_streams *st,
        struct shuffle_outstream *out, const struct shuffle_wire_done *done);
bool shuffle_source_failed(struct shuffle_streams *st,
        struct shuffle_outstream *out, const struct shuffle_wire_fail *fail);

/* Fails it as a whole. `what` is the left side of a colon, the right side is
 * how many of the records that were read are not confirmed. */
void shuffle_source_lose(struct shuffle_streams *st,
        struct shuffle_source *source, const char *what);

/* Fails it for one of its streams. `what` is the left side of a colon, the
 * right side is how many of so many records are not confirmed. */
void shuffle_source_fail_by(struct shuffle_streams *st,
        struct shuffle_outstream *out, enum shuffle_fail_code code,
        const char *what);

/* Fails it because the node of that sink has no part in a cut, and not all of
 * its `cut_next` records are confirmed. */
void shuffle_source_fail_left_out(
        struct shuffle_streams *st, struct shuffle_outstream *out);

/* What the pool and the gossip say of the node of one of its sinks. */
void shuffle_source_link_up(
        struct shuffle_streams *st, struct shuffle_outstream *out);
void shuffle_source_link_down(
        struct shuffle_streams *st, struct shuffle_outstream *out);
void shuffle_source_unreachable(struct shuffle_streams *st,
        struct shuffle_outstream *out, const char *why);

/* Fails it if the node of one of its sinks is lost by now; true if so. */
bool shuffle_source_judge(
        struct shuffle_streams *st, struct shuffle_source *source);

/* SIGTERM: `is_over` says that the time to end has passed. */
void shuffle_source_drain(struct shuffle_streams *st,
        struct shuffle_source *source, bool is_over);

/* Frees it without a word to anybody. */
void shuffle_source_close(
        struct shuffle_streams *st, struct shuffle_source *source);

void shuffle_source_check(
        const struct shuffle_streams *st, const struct shuffle_source *source);
