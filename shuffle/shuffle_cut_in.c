/* A cut at our sinks: where records are parked, and what programs write before
 * it. */
#include "shuffle/shuffle_cuts.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "shuffle/shuffle_send.h"
#include "shuffle/shuffle_streams.h"

/* ---- marks of a stream ---- */

static bool is_now(const struct shuffle_streams *st, uint64_t checkpoint)
{
    return shuffle_cut_is_here(st) && checkpoint == st->cuts.now.checkpoint;
}

/* Both ends count the same records, or the stream is worth nothing. `what`
 * goes on from "the mark of epoch 5 on stream of source 3 of node 7". */
static void refuse(struct shuffle_streams *st, struct shuffle_instream *in,
        const struct shuffle_wire_mark *mark, uint64_t found, const char *what)
{
    char said[SHUFFLE_COUNT_BYTES];
    char have[SHUFFLE_COUNT_BYTES];
    char text[SHUFFLE_CUT_TEXT_BYTES];

    (void)snprintf(text, sizeof(text),
            "source %" PRIu32 " of node %" PRIu64
            " marks %s of its records on stage %s, and %s %s",
            in->source.number, in->source.node,
            shuffle_count_text(mark->next, said), in->stage,
            shuffle_count_text(found, have), what);
    shuffle_cut_break(st, mark->checkpoint, in->source.node, text);
    shuffle_instream_give_up(st, in, text);
}

/* False: it cannot be, and the stream has failed. */
static bool is_possible(struct shuffle_streams *st, struct shuffle_instream *in,
        const struct shuffle_wire_mark *mark)
{
    const struct shuffle_mark *before =
            shuffle_marks_find(&in->marks, mark->checkpoint);

    if (before != NULL && before->next != mark->next) {
        refuse(st, in, mark, before->next, "were marked before");
        return false;
    }
    if (before == NULL && mark->next < in->received_records) {
        refuse(st, in, mark, in->received_records, "have come already");
        return false;
    }
    if (before == NULL && mark->next < shuffle_marks_floor(&in->marks)) {
        refuse(st, in, mark, shuffle_marks_floor(&in->marks),
                "are before an earlier mark");
        return false;
    }
    if (in->has_mark && mark->next > in->mark_next) {
        refuse(st, in, mark, in->mark_next, "are all of them");
        return false;
    }
    return true;
}

void shuffle_cut_make_first(struct shuffle_streams *st,
        struct shuffle_instream *in, uint64_t checkpoint)
{
    if (shuffle_marks_find(&in->marks, checkpoint) == NULL) {
        return;
    }
    while (in->marks.items[0].checkpoint != checkpoint) {
        shuffle_cut_let_go(
                st, shuffle_cut_find_early(st, in->marks.items[0].checkpoint));
    }
}

void shuffle_cut_stream_marked(struct shuffle_streams *st,
        struct shuffle_instream *in, const struct shuffle_wire_mark *mark)
{
    uint64_t checkpoint = mark->checkpoint;
    bool is_announced = is_now(st, checkpoint);

    if (shuffle_cut_find_over(st, checkpoint) != NULL ||
            (is_announced && st->cuts.now.phase != SHUFFLE_PHASE_ALIGNING)) {
        return; /* late, or repeated */
    }
    if (!is_possible(st, in, mark) ||
            shuffle_marks_find(&in->marks, checkpoint) != NULL) {
        return;
    }
    if (!is_announced) {
        (void)shuffle_cut_early(st, checkpoint);
    }
    shuffle_marks_push(&in->marks, checkpoint, mark->next);
    if (is_announced) {
        shuffle_cut_make_first(st, in, checkpoint);
    }
}

/* All that it brought is written: its DONE is on its way. */
static bool is_done(const struct shuffle_streams *st, uint64_t peer,
        const struct shuffle_wire_mark *mark)
{
    const struct shuffle_instream *in = st->ended;

    while (in != NULL &&
            !(in->source.node == peer && in->number == mark->stream)) {
        in = in->next;
    }
    return in != NULL && in->state == SHUFFLE_IN_DONE &&
           mark->next <= in->taken_records;
}

void shuffle_cut_stray_mark(struct shuffle_streams *st, uint64_t peer,
        const struct shuffle_wire_mark *mark)
{
    char text[SHUFFLE_CUT_TEXT_BYTES];

    if (mark->next == 0 || is_done(st, peer, mark) ||
            (is_now(st, mark->checkpoint) &&
                    st->cuts.now.phase != SHUFFLE_PHASE_ALIGNING)) {
        return; /* it counts nothing, or nothing that was before the cut */
    }
    (void)snprintf(text, sizeof(text),
            "node %" PRIu64 " has marked a stream that had ended here", peer);
    shuffle_cut_break(st, mark->checkpoint, peer, text);
}

bool shuffle_cut_stream_ends(
        struct shuffle_streams *st, struct shuffle_instream *in, uint64_t next)
{
    const struct shuffle_marks *marks = &in->marks;
    struct shuffle_wire_mark last;

    if (next >= shuffle_marks_floor(marks)) {
        return true;
    }
    last = (struct shuffle_wire_mark){
            .checkpoint = marks->items[marks->count - 1].checkpoint,
            .next = marks->items[marks->count - 1].next};
    refuse(st, in, &last, next, "are all of them");
    return false;
}

/* ---- streams that come and go ---- */

void shuffle_cut_stream_begins(
        struct shuffle_streams *st, struct shuffle_instream *in)
{
    /* Aligned without it, so that all of it is behind the cut. */
    if (in->sink->cut == SHUFFLE_SINK_CUT_PENDING) {
        shuffle_marks_push(&in->marks, st->cuts.now.checkpoint, 0);
    }
}

void shuffle_cut_stream_lost(
        struct shuffle_streams *st, const struct shuffle_instream *in)
{
    char text[SHUFFLE_CUT_TEXT_BYTES];

    (void)snprintf(text, sizeof(text),
            "source %" PRIu32 " of node %" PRIu64 " was lost on stage %s",
            in->source.number, in->source.node, in->stage);
    shuffle_cut_fail(st, in->source.node, "%s", text);
    for (size_t i = 0; i < in->marks.count; i++) {
        shuffle_cut_break(
                st, in->marks.items[i].checkpoint, in->source.node, text);
    }
}

void shuffle_cut_sink_left(
        struct shuffle_streams *st, const struct shuffle_sink *sink)
{
    shuffle_cut_fail(
            st, 0, "the sink of %s on this node has left", sink->stage->name);
    for (const struct shuffle_instream *in = sink->streams; in != NULL;
            in = in->next) {
        shuffle_cut_stream_lost(st, in);
    }
}

/* ---- alignment, and writing ---- */

bool shuffle_cut_is_aligned(
        const struct shuffle_streams *st, const struct shuffle_instream *in)
{
    return in->state != SHUFFLE_IN_OPEN || in->has_mark ||
           shuffle_marks_find(&in->marks, st->cuts.now.checkpoint) != NULL;
}

/* All of its records before the cut are with the program. */
static bool is_delivered(
        const struct shuffle_streams *st, const struct shuffle_instream *in)
{
    const struct shuffle_mark *mark =
            shuffle_marks_find(&in->marks, st->cuts.now.checkpoint);

    if (mark != NULL) {
        return in->delivered_records == mark->next;
    }
    return in->state != SHUFFLE_IN_OPEN && in->waiting.head == NULL;
}

static bool are_delivered(
        const struct shuffle_streams *st, const struct shuffle_sink *sink)
{
    for (const struct shuffle_instream *in = sink->streams; in != NULL;
            in = in->next) {
        if (!is_delivered(st, in)) {
            return false;
        }
    }
    return true;
}

void shuffle_cut_pass(
        const struct shuffle_streams *st, struct shuffle_sink *sink)
{
    sink->cut = SHUFFLE_SINK_CUT_TOLD;
    for (struct shuffle_instream *in = sink->streams; in != NULL;
            in = in->next) {
        shuffle_marks_remove(&in->marks, st->cuts.now.checkpoint);
    }
}

bool shuffle_cut_tell_sink(
        struct shuffle_streams *st, struct shuffle_sink *sink)
{
    const struct shuffle_cut *cut = &st->cuts.now;
    const struct shuffle_wire_mark mark = {.next = sink->delivered_records,
            .checkpoint = cut->checkpoint,
            .epoch = cut->epoch};

    if (sink->cut != SHUFFLE_SINK_CUT_PENDING || st->is_in_doubt ||
            shuffle_echoes_is_full(&sink->echoes) || !are_delivered(st, sink)) {
        return false;
    }
    shuffle_tell_mark(st, sink->client, &mark);
    shuffle_echoes_add(&sink->echoes, &mark);
    shuffle_told_add(&sink->told, mark.checkpoint);
    shuffle_cut_pass(st, sink);
    return true;
}

bool shuffle_cut_echoed(struct shuffle_streams *st, struct shuffle_sink *sink,
        struct bytes payload)
{
    struct shuffle_wire_mark mark;

    if (!shuffle_wire_decode_mark(payload, &mark) ||
            !shuffle_echoes_take(&sink->echoes, &mark)) {
        return false;
    }
    if (is_now(st, mark.checkpoint)) {
        sink->cut = SHUFFLE_SINK_CUT_NONE;
    }
    return shuffle_sink_confirm(st, sink, mark.next);
}
