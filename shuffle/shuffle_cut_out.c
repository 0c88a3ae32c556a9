/* A cut at our sources: what is marked, and when the Barriers may go. */
#include "shuffle/shuffle_cuts.h"

#include <assert.h>
#include <inttypes.h>

#include "shuffle/shuffle_laminar_cut.h"
#include "shuffle/shuffle_route.h"
#include "shuffle/shuffle_send.h"
#include "shuffle/shuffle_streams.h"

/* ---- those that it is not for ---- */

/* Of a stream whose end is marked the sink's node knows all there is to know,
 * unless it has lost it meanwhile: then a mark there tells of it. */
static bool is_cut(const struct shuffle_outstream *out)
{
    bool has_end =
            out->is_leaving || out->source->state == SHUFFLE_SOURCE_DRAINING;
    bool is_confirmed = out->taken_records == out->cut_next;

    return out->was_open && out->state != SHUFFLE_OUT_DONE &&
           !(has_end && is_confirmed);
}

/* Of each stream, the records that were read from the program so far. Those
 * that a new placement holds back are behind the cut. */
static void count_before(struct shuffle_source *source)
{
    for (size_t i = 0; i < source->streams_count; i++) {
        source->streams[i]->cut_next = source->streams[i]->routed_records;
    }
    if (source->state == SHUFFLE_SOURCE_RUNNING) {
        shuffle_route_count_spill(source);
    }
}

/* True if the source has failed. */
static bool shed_source(
        struct shuffle_streams *st, struct shuffle_source *source)
{
    for (size_t i = 0; i < source->streams_count; i++) {
        struct shuffle_outstream *out = source->streams[i];

        if (!shuffle_cut_lists(st, out->sink.node) &&
                out->taken_records < out->cut_next) {
            shuffle_source_fail_left_out(st, out);
            return true;
        }
    }
    return false;
}

static void shed_streams(struct shuffle_streams *st)
{
    for (struct shuffle_sink *sink = shuffle_stage_next_sink(st, NULL);
            sink != NULL; sink = shuffle_stage_next_sink(st, sink->stage)) {
        for (struct shuffle_instream *in = sink->streams; in != NULL;
                in = in->next) {
            if (in->state == SHUFFLE_IN_OPEN &&
                    !shuffle_cut_lists(st, in->source.node)) {
                shuffle_instream_give_up(
                        st, in, "its node has no part in a checkpoint");
            }
        }
    }
}

void shuffle_cut_shed(struct shuffle_streams *st)
{
    struct shuffle_source *next;

    shed_streams(st);
    for (struct shuffle_source *s = st->sources; s != NULL; s = next) {
        next = s->next;
        if (shuffle_source_counts(s)) {
            count_before(s);
            (void)shed_source(st, s);
        }
    }
}

/* ---- marks ---- */

static void tell_source(struct shuffle_streams *st,
        struct shuffle_source *source, uint64_t next)
{
    const struct shuffle_wire_mark mark = {.next = next,
            .checkpoint = st->cuts.now.checkpoint,
            .epoch = st->cuts.now.epoch};

    shuffle_tell_mark(st, source->client, &mark);
    shuffle_told_add(&source->told, mark.checkpoint);
}

static void mark_stream(
        struct shuffle_streams *st, struct shuffle_outstream *out)
{
    if (shuffle_cut_lists(st, out->sink.node)) {
        out->has_cut = true;
        shuffle_outstream_cut(st, out);
    }
}

static void hold_at(struct shuffle_streams *st, struct shuffle_source *source,
        size_t spill_held)
{
    source->spill_held = spill_held;
    source->is_held = true;
    shuffle_told_add(&source->held_by, st->cuts.now.checkpoint);
}

static void hold(struct shuffle_streams *st, struct shuffle_source *source)
{
    if (source->state == SHUFFLE_SOURCE_RUNNING &&
            shuffle_cut_rotates(st, source->stage)) {
        hold_at(st, source, shuffle_route_end(source));
        shuffle_route_resume(st, source);
    }
}

/* A source that does not count yet has brought nothing to its streams, but
 * some may be open. */
static void mark_offered(
        struct shuffle_streams *st, struct shuffle_source *source)
{
    for (size_t i = 0; i < source->streams_count; i++) {
        struct shuffle_outstream *out = source->streams[i];

        if (out->state == SHUFFLE_OUT_OPEN) {
            out->cut_next = 0;
            mark_stream(st, out);
        }
    }
}

static void mark_counted(
        struct shuffle_streams *st, struct shuffle_source *source)
{
    uint64_t next = 0;

    count_before(source);
    for (size_t i = 0; i < source->streams_count; i++) {
        struct shuffle_outstream *out = source->streams[i];

        next += out->cut_next;
        if (is_cut(out)) {
            mark_stream(st, out);
        }
    }
    hold(st, source);
    tell_source(st, source, next);
}

void shuffle_cut_mark_sources(struct shuffle_streams *st)
{
    for (struct shuffle_source *s = st->sources; s != NULL; s = s->next) {
        if (shuffle_source_counts(s)) {
            mark_counted(st, s);
        } else {
            mark_offered(st, s);
        }
    }
    shuffle_laminar_cut_mark(st);
}

void shuffle_cut_stream_opened(
        struct shuffle_streams *st, struct shuffle_outstream *out)
{
    if (shuffle_cut_is_undecided(st)) {
        assert(out->routed_records == 0);
        out->cut_next = 0;
        mark_stream(st, out);
    }
}

void shuffle_cut_source_counts(
        struct shuffle_streams *st, struct shuffle_source *source)
{
    if (!shuffle_cut_is_undecided(st)) {
        return;
    }
    tell_source(st, source, 0);
    if (shuffle_cut_rotates(st, source->stage)) {
        hold_at(st, source, 0);
    }
}

void shuffle_cut_unmark_sources(struct shuffle_streams *st)
{
    for (struct shuffle_source *s = st->sources; s != NULL; s = s->next) {
        for (size_t i = 0; i < s->streams_count; i++) {
            s->streams[i]->has_cut = false;
            s->streams[i]->is_cut_sent = false;
        }
    }
}

void shuffle_cut_release_sources(struct shuffle_streams *st)
{
    for (struct shuffle_source *s = st->sources; s != NULL; s = s->next) {
        s->is_held = false;
    }
    st->is_unsettled = true;
}

/* ---- barriers ---- */

/* Nodes to which a stream has yet to be marked. */
static void find_blocked(struct shuffle_streams *st)
{
    struct shuffle_cut *cut = &st->cuts.now;

    for (size_t i = 0; i < cut->peers_count; i++) {
        cut->peers[i].is_blocked = false;
    }
    for (struct shuffle_source *s = st->sources; s != NULL; s = s->next) {
        for (size_t i = 0; i < s->streams_count; i++) {
            struct shuffle_cut_peer *peer;

            if (!shuffle_outstream_owes_mark(s->streams[i])) {
                continue;
            }
            peer = shuffle_cut_peer(st, s->streams[i]->sink.node);
            if (peer != NULL) {
                peer->is_blocked = true;
            }
        }
    }
}

/* To all that are due, of one dialect; they know the cut by that number. */
static void send_due(
        struct shuffle_streams *st, bool speaks_weft, uint64_t checkpoint)
{
    struct shuffle_cut *cut = &st->cuts.now;
    struct shuffle_streams_action action = {.type = SHUFFLE_STREAMS_BARRIER,
            .barrier = {.checkpoint = checkpoint, .epoch = cut->epoch}};
    struct writer w = writer_of(st->scratch, st->scratch_capacity);

    for (size_t i = 0; i < cut->peers_count; i++) {
        struct shuffle_cut_peer *peer = &cut->peers[i];

        if (peer->speaks_weft == speaks_weft && peer->is_due &&
                !peer->is_blocked && w.size + sizeof(peer->id) <= w.capacity) {
            writer_put(&w, bytes_of(&peer->id, sizeof(peer->id)));
            peer->is_due = false;
        }
    }
    if (w.size > 0) {
        shuffle_actions_push(&st->actions, &action, writer_bytes(&w));
    }
}

void shuffle_cut_send_barriers(struct shuffle_streams *st)
{
    struct shuffle_cut *cut = &st->cuts.now;

    if (!cut->has_due || cut->is_bereft) {
        return;
    }
    find_blocked(st);
    send_due(st, true, cut->checkpoint);
    send_due(st, false, cut->announced);
    cut->has_due = false;
    for (size_t i = 0; i < cut->peers_count; i++) {
        cut->has_due = cut->has_due || cut->peers[i].is_due;
    }
    if (!cut->has_due && !cut->is_marked) {
        cut->is_marked = true;
        shuffle_cut_say(st, SHUFFLE_CUT_MARKED, 0, "");
    }
}

/* ---- failing ---- */

void shuffle_cut_source_failed(struct shuffle_streams *st,
        const struct shuffle_source *source,
        const struct shuffle_outstream *culprit, const char *why)
{
    if (!shuffle_source_counts(source)) {
        return;
    }
    st->cuts.now.is_bereft = st->cuts.now.phase == SHUFFLE_PHASE_WRITTEN;
    shuffle_cut_fail(st, culprit == NULL ? 0 : culprit->sink.node,
            "source %" PRIu32 " of %s has failed: %s", source->number,
            source->stage->name, why);
}
