#include "shuffle/shuffle_cut.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shuffle/shuffle_cuts.h"
#include "shuffle/shuffle_laminar_cut.h"
#include "shuffle/shuffle_later.h"
#include "shuffle/shuffle_rotate.h"
#include "shuffle/shuffle_send.h"
#include "shuffle/shuffle_streams.h"

/* ---- what is said of it ---- */

void shuffle_cut_say(struct shuffle_streams *st, enum shuffle_cut_event event,
        uint64_t peer, const char *text)
{
    const struct shuffle_cut *cut = &st->cuts.now;
    struct shuffle_streams_action action = {.type = SHUFFLE_STREAMS_CUT,
            .barrier = {.checkpoint = cut->checkpoint, .epoch = cut->epoch},
            .event = event,
            .peer = peer};

    shuffle_actions_push_text(&st->actions, &action, text);
}

void shuffle_cut_fail(
        struct shuffle_streams *st, uint64_t peer, const char *format, ...)
{
    char text[SHUFFLE_CUT_TEXT_BYTES];
    va_list args;

    if (!shuffle_cut_is_running(st)) {
        return;
    }
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    st->cuts.now.phase = SHUFFLE_PHASE_OVER;
    st->is_unsettled = true;
    shuffle_cut_say(st, SHUFFLE_CUT_FAILED, peer, text);
}

void shuffle_cut_break(struct shuffle_streams *st, uint64_t checkpoint,
        uint64_t peer, const char *text)
{
    struct shuffle_cut_early *early;

    if (shuffle_cut_is_here(st) && checkpoint == st->cuts.now.checkpoint) {
        shuffle_cut_fail(st, peer, "%s", text);
        return;
    }
    if (shuffle_cut_find_over(st, checkpoint) != NULL) {
        return;
    }
    early = shuffle_cut_early(st, checkpoint);
    if (early->is_broken) {
        return; /* the first reason is the best */
    }
    early->is_broken = true;
    early->broken_by = peer;
    (void)snprintf(early->why, sizeof(early->why), "%s", text);
}

/* ---- its end ---- */

/* Everything is as if it had never been, but that its number is known. */
static void end_cut(struct shuffle_streams *st, bool is_committed)
{
    struct shuffle_cut *cut = &st->cuts.now;
    const struct shuffle_cut_over over = {.checkpoint = cut->checkpoint,
            .announced = cut->announced,
            .epoch = cut->epoch,
            .is_committed = is_committed};

    shuffle_cut_unmark(st, cut->checkpoint);
    for (struct shuffle_sink *sink = shuffle_stage_next_sink(st, NULL);
            sink != NULL; sink = shuffle_stage_next_sink(st, sink->stage)) {
        sink->cut = SHUFFLE_SINK_CUT_NONE;
    }
    shuffle_laminar_cut_end(st);
    shuffle_cut_unmark_sources(st);
    shuffle_cut_add_over(st, &over);
    free(cut->peers);
    free(cut->rotate);
    *cut = (struct shuffle_cut){0};
}

void shuffle_cut_clear(struct shuffle_streams *st)
{
    if (st->cuts.now.phase == SHUFFLE_PHASE_OVER) {
        end_cut(st, false);
        shuffle_cut_release_sources(st);
        shuffle_later_answer(st);
    }
}

/* ---- its beginning ---- */

static void *must(void *memory)
{
    if (memory == NULL) {
        abort();
    }
    return memory;
}

static void copy_order(
        struct shuffle_cut *cut, const struct shuffle_cut_order *order)
{
    *cut = (struct shuffle_cut){.checkpoint = order->checkpoint,
            .announced = order->announced,
            .epoch = order->epoch,
            .has_due = true,
            .peers_count = order->members_count,
            .rotate_count = order->rotate_count};
    cut->peers = must(calloc(order->members_count + 1, sizeof(*cut->peers)));
    cut->rotate = must(calloc(order->rotate_count + 1, sizeof(*cut->rotate)));
    for (size_t i = 0; i < order->members_count; i++) {
        assert(i == 0 || order->members[i - 1].id < order->members[i].id);
        cut->peers[i] = (struct shuffle_cut_peer){.id = order->members[i].id,
                .speaks_weft = order->members[i].speaks_weft,
                .is_due = true};
    }
    for (size_t i = 0; i < order->rotate_count; i++) {
        assert(order->rotate[i].size <= SHUFFLE_STAGE_MAX);
        memcpy(cut->rotate[i], order->rotate[i].data, order->rotate[i].size);
    }
}

/* What is marked in front of it was given up by the node that marked it. */
static void let_go_older(struct shuffle_streams *st, uint64_t checkpoint)
{
    for (struct shuffle_sink *sink = shuffle_stage_next_sink(st, NULL);
            sink != NULL; sink = shuffle_stage_next_sink(st, sink->stage)) {
        for (struct shuffle_instream *in = sink->streams; in != NULL;
                in = in->next) {
            shuffle_cut_make_first(st, in, checkpoint);
        }
    }
}

/* What has come of it before its announcement. */
static void take_early(struct shuffle_streams *st)
{
    struct shuffle_cut *cut = &st->cuts.now;
    struct shuffle_cut_early *early =
            shuffle_cut_find_early(st, cut->checkpoint);

    if (early == NULL) {
        return;
    }
    for (size_t i = 0; i < early->nodes_count; i++) {
        struct shuffle_cut_peer *peer = shuffle_cut_peer(st, early->nodes[i]);

        if (peer != NULL) {
            peer->is_in = true;
        }
    }
    if (early->is_broken) {
        shuffle_cut_fail(st, early->broken_by, "%s", early->why);
    }
    shuffle_cut_drop_early(st, early);
}

void shuffle_streams_cut(struct shuffle_streams *st, uint64_t now_ms,
        const struct shuffle_cut_order *order)
{
    struct shuffle_cut *cut = &st->cuts.now;
    bool is_late = shuffle_cut_find_over(st, order->checkpoint) != NULL;

    st->now_ms = now_ms;
    if (shuffle_cut_is_here(st) && cut->checkpoint == order->checkpoint) {
        return; /* said before */
    }
    if (shuffle_cut_is_here(st)) {
        end_cut(st, false);
        shuffle_cut_release_sources(st);
    }
    copy_order(cut, order);
    shuffle_cut_shed(st);
    cut->phase = SHUFFLE_PHASE_ALIGNING;
    shuffle_laminar_cut_begin(st);
    let_go_older(st, order->checkpoint);
    take_early(st);
    if (is_late) {
        shuffle_cut_fail(st, 0,
                "what came of this checkpoint before its announcement was let "
                "go");
    }
    if (shuffle_cut_is_running(st)) {
        shuffle_cut_mark_sources(st);
        shuffle_cut_send_barriers(st);
    }
    shuffle_later_answer(st);
    st->is_unsettled = true;
}

/* ---- barriers ---- */

void shuffle_streams_barrier(struct shuffle_streams *st, uint64_t now_ms,
        uint32_t link, uint64_t peer, bool speaks_weft,
        const struct shuffle_wire_barrier *barrier)
{
    struct shuffle_cut_peer *listed;

    st->now_ms = now_ms;
    if (!speaks_weft) {
        shuffle_laminar_barrier(st, link, peer, barrier);
        return;
    }
    if (shuffle_cut_is_here(st) &&
            barrier->checkpoint == st->cuts.now.checkpoint) {
        listed = shuffle_cut_peer(st, peer);
        if (listed != NULL) {
            listed->is_in = true;
        }
    } else if (shuffle_cut_find_over(st, barrier->checkpoint) == NULL) {
        shuffle_cut_early_barrier(
                shuffle_cut_early(st, barrier->checkpoint), peer);
    }
}

void shuffle_streams_barrier_sent(struct shuffle_streams *st, uint64_t now_ms,
        uint64_t peer, uint64_t checkpoint, int code, const char *text)
{
    const struct shuffle_cut *cut = &st->cuts.now;
    const struct shuffle_cut_peer *listed = shuffle_cut_peer(st, peer);

    st->now_ms = now_ms;
    if (code == 0 || listed == NULL ||
            checkpoint !=
                    (listed->speaks_weft ? cut->checkpoint : cut->announced)) {
        return;
    }
    shuffle_cut_fail(st, peer,
            "the barrier for node %" PRIu64 " has not left: %s", peer, text);
}

/* Marks and Barrier may be lost with it; the marks are repeated with their
 * streams, and the Barrier behind them, until there is an outcome. When a source
 * has failed since we have written, its marks are not: then neither may the
 * Barrier go again. */
void shuffle_cut_link_down(struct shuffle_streams *st, uint64_t peer)
{
    struct shuffle_cut_peer *listed = shuffle_cut_peer(st, peer);

    if (shuffle_cut_is_undecided(st) && listed != NULL &&
            !st->cuts.now.is_bereft) {
        listed->is_due = true;
        st->cuts.now.has_due = true;
        st->is_unsettled = true;
    }
}

/* ---- from phase to phase ---- */

static bool has_all_barriers(const struct shuffle_cut *cut)
{
    for (size_t i = 0; i < cut->peers_count; i++) {
        if (cut->peers[i].speaks_weft && !cut->peers[i].is_in) {
            return false;
        }
    }
    return true;
}

static bool are_streams_aligned(const struct shuffle_streams *st)
{
    for (const struct shuffle_sink *sink = shuffle_stage_next_sink(st, NULL);
            sink != NULL; sink = shuffle_stage_next_sink(st, sink->stage)) {
        for (const struct shuffle_instream *in = sink->streams; in != NULL;
                in = in->next) {
            if (!shuffle_cut_is_aligned(st, in)) {
                return false;
            }
        }
    }
    return true;
}

/* Whose program has got the end already has nothing to write behind a mark: its
 * DONE says as much as an echo. */
static void begin_writing(struct shuffle_streams *st)
{
    st->cuts.now.phase = SHUFFLE_PHASE_WRITING;
    shuffle_cut_say(st, SHUFFLE_CUT_ALIGNED, 0, "");
    for (struct shuffle_sink *sink = shuffle_stage_next_sink(st, NULL);
            sink != NULL; sink = shuffle_stage_next_sink(st, sink->stage)) {
        sink->cut = SHUFFLE_SINK_CUT_PENDING;
        if (sink->is_marked) {
            shuffle_cut_pass(st, sink);
        }
    }
    shuffle_laminar_cut_aligned(st);
}

void shuffle_cut_align(struct shuffle_streams *st)
{
    const struct shuffle_cut *cut = &st->cuts.now;

    if (!shuffle_cut_is_undecided(st)) {
        return;
    }
    shuffle_cut_send_barriers(st);
    if (cut->phase == SHUFFLE_PHASE_ALIGNING && cut->is_marked &&
            has_all_barriers(cut) && are_streams_aligned(st) &&
            shuffle_laminar_cut_is_aligned(st)) {
        begin_writing(st);
    }
}

static bool is_all_written(const struct shuffle_streams *st)
{
    for (const struct shuffle_sink *sink = shuffle_stage_next_sink(st, NULL);
            sink != NULL; sink = shuffle_stage_next_sink(st, sink->stage)) {
        if (sink->cut != SHUFFLE_SINK_CUT_NONE) {
            return false;
        }
    }
    return st->laminar.cut == SHUFFLE_SINK_CUT_NONE;
}

void shuffle_cut_finish(struct shuffle_streams *st)
{
    struct shuffle_cut *cut = &st->cuts.now;

    if (cut->phase == SHUFFLE_PHASE_WRITING && !cut->has_due &&
            is_all_written(st)) {
        cut->phase = SHUFFLE_PHASE_WRITTEN;
        shuffle_cut_say(st, SHUFFLE_CUT_WRITTEN, 0, "");
    }
}

/* ---- the outcome ---- */

struct telling {
    struct shuffle_streams *st;
    struct shuffle_wire_outcome outcome;
    bool is_for_all; /* nobody here was told of that cut */
};

static void tell(
        const struct telling *t, uint32_t client, struct shuffle_told *told)
{
    bool is_final = t->outcome.code != SHUFFLE_OUTCOME_UNKNOWN;

    if (shuffle_told_take(told, t->outcome.checkpoint, is_final) ||
            t->is_for_all) {
        shuffle_tell_outcome(t->st, client, &t->outcome);
    }
}

static void tell_programs(const struct telling *t)
{
    struct shuffle_streams *st = t->st;
    struct shuffle_laminar *l = &st->laminar;

    for (struct shuffle_source *s = st->sources; s != NULL; s = s->next) {
        if (shuffle_source_counts(s)) {
            tell(t, s->client, &s->told);
        }
    }
    for (struct shuffle_sink *sink = shuffle_stage_next_sink(st, NULL);
            sink != NULL; sink = shuffle_stage_next_sink(st, sink->stage)) {
        tell(t, sink->client, &sink->told);
    }
    if (l->sink_client != 0) {
        tell(t, l->sink_client, &l->told);
    }
    for (size_t i = 0; i < l->sources_count; i++) {
        tell(t, l->sources[i].client, &l->sources[i].told);
    }
}

void shuffle_streams_outcome(struct shuffle_streams *st, uint64_t now_ms,
        const struct shuffle_cut_outcome *outcome)
{
    bool is_committed = outcome->code == SHUFFLE_OUTCOME_COMMITTED;
    bool is_now = shuffle_cut_is_here(st) &&
                  st->cuts.now.checkpoint == outcome->checkpoint;
    struct shuffle_cut_early *early =
            shuffle_cut_find_early(st, outcome->checkpoint);
    const struct shuffle_cut_over *before =
            shuffle_cut_find_over(st, outcome->checkpoint);
    struct shuffle_cut_over over = {.checkpoint = outcome->checkpoint,
            .announced = before == NULL ? 0 : before->announced,
            .epoch = outcome->epoch,
            .is_committed = is_committed};
    const struct telling telling = {.st = st,
            .outcome = {outcome->checkpoint, outcome->epoch,
                    (uint8_t)outcome->code, bytes_text(outcome->text)},
            .is_for_all = !is_now && before == NULL};

    st->now_ms = now_ms;
    if (early != NULL) {
        shuffle_cut_drop_early(st, early);
        shuffle_cut_unmark(st, outcome->checkpoint);
    }
    tell_programs(&telling);
    if (is_now) {
        end_cut(st, is_committed);
    } else {
        shuffle_cut_add_over(st, &over);
    }
    for (size_t i = 0; is_committed && i < outcome->places_count; i++) {
        shuffle_rotate(st, &outcome->places[i], is_now);
    }
    shuffle_rotate_decided(st, outcome, is_now);
    if (!shuffle_cut_is_here(st)) {
        shuffle_cut_release_sources(st);
        shuffle_later_answer(st);
    }
    st->is_unsettled = true;
}
