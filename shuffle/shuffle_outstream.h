/* A stream at its source's node: what is packed, what was sent, what is
 * confirmed.
 *
 *   WANTED ──link up: OPEN──► OPENING ──OPENED 0──► OPEN ──DONE──► DONE
 *     ▲                          │                    │
 *     └────── link down ─────────┴────────────────────┘
 *
 * Before its source counts, a link that goes down takes the offer back; after
 * that, the stream asks for a link again, repeats its OPEN, and goes on if all
 * that was sent was confirmed.
 *
 * Two blocks hold what has not left: the one that is filling, and the one
 * before it while it is full and has no credit. */
#pragma once

#include "base/block.h"
#include "shuffle/shuffle_wire.h"

enum {
    /* Of records in a block of several: a whole frame takes 64 KiB. */
    SHUFFLE_PACK_BYTES = SHUFFLE_DATA_FRAME_MAX - SHUFFLE_DATA_HEAD_BYTES - 5,
};

/* Our own node, reached without a link: frames to our sinks, and those that go
 * back to our sources. */
enum {
    SHUFFLE_LINK_SELF = INT32_MAX,
    SHUFFLE_LINK_SELF_BACK = INT32_MAX - 1,
};

enum shuffle_outstream_state {
    SHUFFLE_OUT_WANTED,
    SHUFFLE_OUT_OPENING,
    SHUFFLE_OUT_OPEN,
    SHUFFLE_OUT_DONE,
};

struct shuffle_source;
struct shuffle_streams;

struct shuffle_outstream {
    struct shuffle_source *source;
    struct shuffle_outstream *next_in_bucket;
    struct shuffle_outstream *next_dirty;
    bool is_dirty;
    bool is_marked; /* MARK with DRAIN is out, on the present link */
    bool was_open; /* has answered OPENED 0 */
    bool is_leaving; /* not in the placement any more: it ends */
    bool has_cut; /* the announced cut has a MARK in it */
    bool is_cut_sent; /* and it is out, on the present link */
    enum shuffle_outstream_state state;
    uint32_t number;
    uint32_t link; /* 0 while WANTED */
    struct shuffle_sink_id sink;

    uint64_t routed_records; /* all that was ever packed for it */
    uint64_t routed_bytes;
    uint64_t sent_records;
    uint64_t sent_bytes;
    uint64_t taken_records; /* confirmed */
    uint64_t limit_bytes;

    uint8_t *at; /* where the next record goes, in `filling` */
    uint8_t *end;
    uint32_t filling_records;
    struct block *filling;
    struct block *full;
    uint64_t starved_ms; /* since when `full` has no credit; 0 = it has */
    uint64_t give_up_ms; /* of a link that is down */
    uint64_t try_ms; /* when a sink node without memory is asked again */
    uint64_t cut_next; /* the records before that MARK */
};

/* NULL when there is no memory. */
struct shuffle_outstream *shuffle_outstream_new(struct shuffle_streams *st,
        struct shuffle_source *source, const struct shuffle_sink_id *sink);

/* Frees it and what it holds; it is known by its number no more. */
void shuffle_outstream_free(
        struct shuffle_streams *st, struct shuffle_outstream *out);

struct shuffle_outstream *shuffle_outstream_find(
        const struct shuffle_streams *st, uint32_t link, uint32_t number);

/* Sends OPEN if there is a link, else asks for one. */
void shuffle_outstream_offer(
        struct shuffle_streams *st, struct shuffle_outstream *out);

/* Its link is gone, or is another one. */
void shuffle_outstream_unlink(
        struct shuffle_streams *st, struct shuffle_outstream *out);

/* The sink node has said DONE. */
void shuffle_outstream_finish(
        struct shuffle_streams *st, struct shuffle_outstream *out);

/* Makes room for a record of so many bytes at `at`. False: it has to wait, for
 * credit or for memory. */
bool shuffle_outstream_make_room(struct shuffle_streams *st,
        struct shuffle_outstream *out, size_t bytes);

/* Sends the full block, if there is one and credit for it. */
void shuffle_outstream_pump(
        struct shuffle_streams *st, struct shuffle_outstream *out);

/* The turn ends: what is filling leaves too, if it may. */
void shuffle_outstream_flush(
        struct shuffle_streams *st, struct shuffle_outstream *out);

/* Will be flushed at the end of the turn. */
void shuffle_outstream_touch(
        struct shuffle_streams *st, struct shuffle_outstream *out);

/* MARK with DRAIN behind all that was routed, once. */
void shuffle_outstream_mark(
        struct shuffle_streams *st, struct shuffle_outstream *out);

/* MARK of the announced cut, once on each link; `cut_next` says where. */
void shuffle_outstream_cut(
        struct shuffle_streams *st, struct shuffle_outstream *out);

/* Its MARK, of a cut or of the end, has yet to go to the sink node. */
bool shuffle_outstream_owes_mark(const struct shuffle_outstream *out);

/* FAIL to the sink node, if it has heard of the stream. */
void shuffle_outstream_fail(struct shuffle_streams *st,
        struct shuffle_outstream *out, enum shuffle_fail_code code,
        const char *text);

/* Bytes that are packed and have not left. */
size_t shuffle_outstream_waiting_bytes(const struct shuffle_outstream *out);

void shuffle_outstream_check(const struct shuffle_outstream *out);
