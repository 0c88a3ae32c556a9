/* A stream at its sink's node: what has come, what of it is confirmed, and how
 * it ends (its window is shuffle/shuffle_window.h's).
 *
 *   OPEN ──MARK DRAIN and all its records──► DRAINED ──► DONE
 *     │
 *     └── FAIL, conviction, silence, newer generation ──► LOST
 *
 * An OPEN stream whose link breaks is kept for `connect_timeout` × 3 + 1 s: an
 * OPEN of the same source goes on with it. After its end a stream is
 * remembered for as long, so that a source whose link broke at that very
 * moment can be told how it ended. */
#pragma once

#include "base/block.h"
#include "shuffle/shuffle_marks.h"
#include "shuffle/shuffle_wire.h"

enum shuffle_instream_state {
    SHUFFLE_IN_OPEN,
    SHUFFLE_IN_DRAINED,
    SHUFFLE_IN_LOST,
    SHUFFLE_IN_DONE, /* remembered: DONE was said */
    SHUFFLE_IN_FAILED, /* remembered: FAIL was said, to the source */
};

struct shuffle_sink;
struct shuffle_streams;

struct shuffle_instream {
    struct shuffle_instream *next; /* of the sink, or of those remembered */
    struct shuffle_instream *next_in_bucket;
    struct shuffle_sink *sink; /* NULL once it is only remembered */
    enum shuffle_instream_state state;
    uint32_t link; /* 0 while it is down */
    uint32_t number; /* the source's number for it, on that link */
    struct shuffle_source_id source;
    char stage[SHUFFLE_STAGE_MAX + 1];
    uint64_t placement_id; /* as its source's node last said */
    uint8_t format;
    bool has_mark;
    bool got_data; /* in this turn */
    bool has_news; /* a GRANT is due */
    bool is_overdue; /* and has waited for a turn already */
    uint64_t mark_next; /* the records before DRAIN */
    struct shuffle_marks marks; /* of cuts */

    uint64_t received_records;
    uint64_t received_bytes;
    uint64_t delivered_records; /* to the local sink */
    uint64_t taken_records;
    uint64_t taken_bytes; /* of deliveries that are confirmed whole */
    uint64_t limit_bytes; /* as the source last heard it */
    size_t window_bytes;
    size_t reserved_bytes; /* of the shared budget */

    struct block_list waiting; /* for the local sink's credit */
    uint64_t waiting_bytes;
    uint32_t deliveries; /* to the sink, not yet confirmed whole */
    uint64_t until_ms; /* of a broken link, or of memory; UINT64_MAX = none */
    enum shuffle_fail_code fail_code; /* FAILED: what was said */
};

/* A stream to that sink, with its first window; NULL when there is no room for
 * another one. */
struct shuffle_instream *shuffle_instream_new(struct shuffle_streams *st,
        const struct shuffle_wire_open *open, struct shuffle_sink *sink);

/* Its frames come by this link from now on, under this number. */
void shuffle_instream_bind(struct shuffle_streams *st,
        struct shuffle_instream *in, uint32_t link, uint32_t number);

/* NULL when there is no such stream, or it has ended. */
struct shuffle_instream *shuffle_instream_find(
        const struct shuffle_streams *st, uint32_t link, uint32_t number);

/* Bytes that the stream's credit counts above what the local sink gets: a sink
 * of format 1 gets records of format 2 without their key words. */
size_t shuffle_instream_extra_bytes(
        const struct shuffle_instream *in, uint64_t records);

/* Copies the records into the window. False: not what was announced, beyond
 * the limit, or malformed. */
bool shuffle_instream_data(struct shuffle_streams *st,
        struct shuffle_instream *in, const struct shuffle_wire_data *data);

/* The same from our own node: records alone, and the block for keeps. */
void shuffle_instream_block(struct shuffle_streams *st,
        struct shuffle_instream *in, struct block *block);

/* DRAINED when all that was marked has come. */
void shuffle_instream_settle(struct shuffle_instream *in);

/* MARK, of the end or of a cut. False: not possible. */
bool shuffle_instream_mark(struct shuffle_streams *st,
        struct shuffle_instream *in, const struct shuffle_wire_mark *mark);
void shuffle_instream_fail(struct shuffle_streams *st,
        struct shuffle_instream *in, const struct shuffle_wire_fail *fail);

/* So many of its records were confirmed; `bytes` of deliveries that are so
 * whole. GRANT goes at once when a quarter of the window has come free. */
void shuffle_instream_taken(struct shuffle_streams *st,
        struct shuffle_instream *in, uint64_t records, uint64_t bytes);

/* The end of a turn: GRANT, if one is due and no data came; it waits for one
 * turn at most. */
void shuffle_instream_flush(
        struct shuffle_streams *st, struct shuffle_instream *in);

void shuffle_instream_link_down(
        struct shuffle_streams *st, struct shuffle_instream *in);

/* Loses it when its source's node is known to be lost, or its link has been
 * down for too long. */
void shuffle_instream_judge(
        struct shuffle_streams *st, struct shuffle_instream *in);

/* Its source counts as lost from now on. */
void shuffle_instream_lose(
        struct shuffle_streams *st, struct shuffle_instream *in);

/* The same, and its node hears so if it hears anything: it may be well, or wake
 * up, and then need not wait for us. */
void shuffle_instream_give_up(struct shuffle_streams *st,
        struct shuffle_instream *in, const char *text);

/* Tells the source how it ended, and from then on only remembers it; its sink
 * has let go of it. */
void shuffle_instream_end(struct shuffle_streams *st,
        struct shuffle_instream *in, enum shuffle_instream_state state,
        enum shuffle_fail_code code);

/* Frees it without a word. */
void shuffle_instream_free(
        struct shuffle_streams *st, struct shuffle_instream *in);

/* Forgets those that were remembered long enough; answers when the next is. */
uint64_t shuffle_instream_forget(struct shuffle_streams *st, bool all);

void shuffle_instream_check(const struct shuffle_instream *in);
