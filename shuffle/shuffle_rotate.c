#include "shuffle/shuffle_rotate.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shuffle/shuffle_cuts.h"
#include "shuffle/shuffle_offer.h"
#include "shuffle/shuffle_route.h"
#include "shuffle/shuffle_send.h"
#include "shuffle/shuffle_streams.h"

/* ---- sources ---- */

/* The source's next placement while it is put together. */
struct plan {
    struct shuffle_place place;
    struct shuffle_outstream **streams; /* room for both placements' */
    size_t count;
};

static bool is_same(
        const struct shuffle_sink_id *a, const struct shuffle_sink_id *b)
{
    return a->node == b->node && a->generation == b->generation &&
           a->number == b->number;
}

/* Where the source's stream to that very sink is, if it may go on; else NULL.
 * One that has not opened yet was offered under another placement. */
static struct shuffle_outstream **stream_to(
        struct shuffle_source *source, const struct shuffle_sink_id *id)
{
    size_t at = shuffle_place_find(&source->place, id->node);

    if (at == source->place.sinks_count || source->streams[at] == NULL ||
            !source->streams[at]->was_open ||
            !is_same(&source->streams[at]->sink, id)) {
        return NULL;
    }
    return &source->streams[at];
}

/* Streams that go on move into the plan. */
static bool plan_streams(struct shuffle_streams *st,
        struct shuffle_source *source, struct plan *plan)
{
    for (size_t i = 0; i < plan->place.sinks_count; i++) {
        struct shuffle_sink_id id = shuffle_place_sink(&plan->place, i);
        struct shuffle_outstream **kept = stream_to(source, &id);
        struct shuffle_outstream *out =
                kept != NULL ? *kept : shuffle_outstream_new(st, source, &id);

        if (out == NULL) {
            return false;
        }
        if (kept != NULL) {
            *kept = NULL;
        }
        plan->streams[plan->count++] = out;
    }
    return true;
}

/* Streams that have ended are there for the summary alone: one a node. */
static bool fold(struct plan *plan, const struct shuffle_outstream *out)
{
    if (out->state != SHUFFLE_OUT_DONE) {
        return false;
    }
    for (size_t i = plan->place.sinks_count; i < plan->count; i++) {
        struct shuffle_outstream *other = plan->streams[i];

        if (other->state == SHUFFLE_OUT_DONE &&
                other->sink.node == out->sink.node) {
            other->routed_records += out->routed_records;
            other->routed_bytes += out->routed_bytes;
            other->sent_records += out->sent_records;
            other->sent_bytes += out->sent_bytes;
            other->taken_records += out->taken_records;
            other->limit_bytes += out->limit_bytes;
            return true;
        }
    }
    return false;
}

/* A stream that is in the new placement no more. */
static void leave(struct shuffle_streams *st, struct shuffle_outstream *out,
        struct plan *plan)
{
    if (!out->was_open) {
        shuffle_outstream_fail(st, out, SHUFFLE_FAIL_NOT_STARTED,
                "it is in the placement no more");
        shuffle_outstream_free(st, out);
        return;
    }
    if (fold(plan, out)) {
        shuffle_outstream_free(st, out);
        return;
    }
    out->is_leaving = true;
    shuffle_outstream_mark(st, out);
    shuffle_outstream_touch(st, out);
    plan->streams[plan->count++] = out;
}

static void adopt(struct shuffle_streams *st, struct shuffle_source *source,
        struct plan *plan)
{
    for (size_t i = 0; i < source->streams_count; i++) {
        if (source->streams[i] != NULL) {
            leave(st, source->streams[i], plan);
        }
    }
    free(source->streams);
    shuffle_place_close(&source->place);
    source->place = plan->place;
    source->streams = plan->streams;
    source->streams_count = plan->count;
}

/* Asks the sinks that are new. */
static void open_streams(
        struct shuffle_streams *st, struct shuffle_source *source)
{
    source->is_opening = false;
    for (size_t i = 0; i < source->place.sinks_count; i++) {
        struct shuffle_outstream *out = source->streams[i];

        if (out->was_open) {
            continue;
        }
        source->is_opening = true;
        shuffle_offer_patience(st, out);
        shuffle_outstream_offer(st, out);
    }
}

static void undo(struct shuffle_streams *st, struct shuffle_source *source,
        struct plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        struct shuffle_outstream *out = plan->streams[i];
        size_t at = shuffle_place_find(&source->place, out->sink.node);

        if (at < source->place.sinks_count && source->streams[at] == NULL) {
            source->streams[at] = out;
        } else {
            shuffle_outstream_free(st, out);
        }
    }
    free(plan->streams);
    shuffle_place_close(&plan->place);
}

static void rotate_source(struct shuffle_streams *st,
        struct shuffle_source *source, const struct shuffle_wire_sinks *sinks)
{
    struct plan plan = {0};
    size_t most = shuffle_wire_sinks_count(sinks) + source->streams_count;

    plan.streams = calloc(most, sizeof(struct shuffle_outstream *));
    if (plan.streams == NULL ||
            shuffle_place_init(&plan.place, st->options.vnodes, 0, sinks) !=
                    0 ||
            !plan_streams(st, source, &plan)) {
        undo(st, source, &plan);
        shuffle_source_lose(
                st, source, "the node has no memory for another placement");
        return;
    }
    adopt(st, source, &plan);
    open_streams(st, source);
}

/* All that is before the cut has been routed: it is with the sinks by now. */
static bool is_at_cut(const struct shuffle_source *source)
{
    return source->is_held && source->spill_used == shuffle_route_end(source);
}

static void fail_gone_on(
        struct shuffle_streams *st, struct shuffle_source *source)
{
    shuffle_source_lose(st, source,
            "a checkpoint has placed the stage anew, and this node had gone on "
            "without it");
}

static void turn_source(struct shuffle_streams *st,
        struct shuffle_source *source, const struct shuffle_wire_sinks *sinks,
        bool is_in_time)
{
    if (source->has_place && source->place.epoch >= sinks->epoch) {
        return; /* said before */
    }
    switch (source->state) {
    case SHUFFLE_SOURCE_WAITING:
    case SHUFFLE_SOURCE_DRAINING: /* it sends nothing more */
        break;
    case SHUFFLE_SOURCE_OPENING:
        shuffle_offer_withdraw(
                st, source, "a checkpoint has placed the stage anew");
        break;
    case SHUFFLE_SOURCE_RUNNING:
        if (is_in_time && is_at_cut(source)) {
            rotate_source(st, source, sinks);
        } else {
            fail_gone_on(st, source);
        }
        break;
    }
}

/* ---- both ---- */

void shuffle_rotate(struct shuffle_streams *st,
        const struct shuffle_cut_place *place, bool is_in_time)
{
    struct shuffle_stage *stage = shuffle_stage_find(st, place->stage);
    struct shuffle_source *next;

    if (stage == NULL || shuffle_wire_sinks_count(&place->sinks) == 0) {
        return;
    }
    if (stage->sink != NULL) {
        shuffle_sink_adopt(st, stage->sink, &place->sinks);
    }
    for (struct shuffle_source *s = st->sources; s != NULL; s = next) {
        next = s->next;
        if (s->stage == stage) {
            turn_source(st, s, &place->sinks, is_in_time);
        }
    }
    if (stage->counted > 0) {
        shuffle_offer_publish(st, stage);
    }
    st->has_facts = true;
}

void shuffle_rotate_decided(struct shuffle_streams *st,
        const struct shuffle_cut_outcome *outcome, bool is_in_time)
{
    bool is_final = outcome->code != SHUFFLE_OUTCOME_UNKNOWN;
    bool is_missed = outcome->code == SHUFFLE_OUTCOME_COMMITTED &&
                     !is_in_time && outcome->places_count == 0;
    struct shuffle_source *next;

    for (struct shuffle_source *s = st->sources; s != NULL; s = next) {
        bool was_held =
                shuffle_told_take(&s->held_by, outcome->checkpoint, is_final);

        next = s->next;
        if (was_held && is_missed && s->state == SHUFFLE_SOURCE_RUNNING &&
                s->place.epoch < outcome->epoch) {
            fail_gone_on(st, s);
        }
    }
}

/* ---- answers ---- */

static bool is_all_open(const struct shuffle_source *source)
{
    for (size_t i = 0; i < source->place.sinks_count; i++) {
        if (!source->streams[i]->was_open) {
            return false;
        }
    }
    return true;
}

static void fail_refused(struct shuffle_streams *st,
        struct shuffle_outstream *out, const char *how)
{
    char what[SHUFFLE_SENTENCE_BYTES];

    (void)snprintf(what, sizeof(what),
            "node %" PRIu64 ", new in the placement of %s, %s", out->sink.node,
            out->source->stage->name, how);
    shuffle_outstream_unlink(st, out); /* it has no stream to fail */
    shuffle_source_lose(st, out->source, what);
}

bool shuffle_rotate_answered(struct shuffle_streams *st,
        struct shuffle_outstream *out, const struct shuffle_wire_opened *opened)
{
    switch ((enum shuffle_opened_code)opened->code) {
    case SHUFFLE_OPENED_OK:
        break;
    case SHUFFLE_OPENED_NO_SINK:
        fail_refused(st, out, "has no sink of it any more");
        return true;
    case SHUFFLE_OPENED_OTHER_PLACEMENT:
        fail_refused(st, out, "has another placement in force");
        return true;
    case SHUFFLE_OPENED_FORMAT:
        fail_refused(st, out, "takes records of another format");
        return true;
    case SHUFFLE_OPENED_FULL:
        shuffle_outstream_unlink(st, out);
        out->try_ms = shuffle_offer_retry_ms(st);
        shuffle_streams_arm(st, out->give_up_ms);
        return true;
    }
    if (opened->next != 0) {
        return false;
    }
    out->state = SHUFFLE_OUT_OPEN;
    out->was_open = true;
    out->try_ms = 0;
    out->limit_bytes = opened->limit;
    shuffle_cut_stream_opened(st, out);
    if (is_all_open(out->source)) {
        out->source->is_opening = false;
        shuffle_route_resume(st, out->source);
    }
    return true;
}

void shuffle_rotate_tick(
        struct shuffle_streams *st, struct shuffle_source *source)
{
    for (size_t i = 0; source->is_opening && i < source->streams_count; i++) {
        struct shuffle_outstream *out = source->streams[i];

        if (out->state != SHUFFLE_OUT_WANTED || out->try_ms == 0) {
            continue;
        }
        if (st->now_ms >= out->try_ms) {
            shuffle_outstream_offer(st, out);
        } else {
            shuffle_streams_arm(st, out->try_ms);
        }
    }
}
