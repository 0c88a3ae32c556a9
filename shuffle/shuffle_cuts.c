#include "shuffle/shuffle_cuts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "shuffle/shuffle_streams.h"

static void close_cut(struct shuffle_cut *cut)
{
    free(cut->peers);
    free(cut->rotate);
    *cut = (struct shuffle_cut){0};
}

void shuffle_cuts_close(struct shuffle_cuts *cuts)
{
    close_cut(&cuts->now);
    for (size_t i = 0; i < cuts->early_count; i++) {
        free(cuts->early[i].nodes);
    }
    free(cuts->lack);
    *cuts = (struct shuffle_cuts){0};
}

/* ---- the announced one ---- */

bool shuffle_cut_is_here(const struct shuffle_streams *st)
{
    return st->cuts.now.phase != SHUFFLE_PHASE_NONE;
}

bool shuffle_cut_is_running(const struct shuffle_streams *st)
{
    return st->cuts.now.phase == SHUFFLE_PHASE_ALIGNING ||
           st->cuts.now.phase == SHUFFLE_PHASE_WRITING;
}

bool shuffle_cut_is_undecided(const struct shuffle_streams *st)
{
    return shuffle_cut_is_running(st) ||
           st->cuts.now.phase == SHUFFLE_PHASE_WRITTEN;
}

struct shuffle_cut_peer *shuffle_cut_peer(
        const struct shuffle_streams *st, uint64_t node)
{
    const struct shuffle_cut *cut = &st->cuts.now;
    size_t low = 0;
    size_t high = cut->peers_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (cut->peers[middle].id < node) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < cut->peers_count && cut->peers[low].id == node
                   ? &cut->peers[low]
                   : NULL;
}

bool shuffle_cut_lists(const struct shuffle_streams *st, uint64_t node)
{
    return node == st->options.id || shuffle_cut_peer(st, node) != NULL;
}

bool shuffle_cut_rotates(
        const struct shuffle_streams *st, const struct shuffle_stage *stage)
{
    const struct shuffle_cut *cut = &st->cuts.now;

    for (size_t i = 0; i < cut->rotate_count; i++) {
        if (strcmp(cut->rotate[i], stage->name) == 0) {
            return true;
        }
    }
    return false;
}

void shuffle_cut_unmark(struct shuffle_streams *st, uint64_t checkpoint)
{
    for (struct shuffle_sink *sink = shuffle_stage_next_sink(st, NULL);
            sink != NULL; sink = shuffle_stage_next_sink(st, sink->stage)) {
        for (struct shuffle_instream *in = sink->streams; in != NULL;
                in = in->next) {
            shuffle_marks_remove(&in->marks, checkpoint);
        }
    }
    st->is_unsettled = true;
}

/* ---- those that are over ---- */

const struct shuffle_cut_over *shuffle_cut_find_over(
        const struct shuffle_streams *st, uint64_t checkpoint)
{
    const struct shuffle_cuts *cuts = &st->cuts;
    size_t kept = cuts->over_count < SHUFFLE_CUT_DECIDED_MAX
                          ? cuts->over_count
                          : SHUFFLE_CUT_DECIDED_MAX;

    for (size_t i = 0; i < kept; i++) {
        if (cuts->over[i].checkpoint == checkpoint) {
            return &cuts->over[i];
        }
    }
    return NULL;
}

void shuffle_cut_add_over(
        struct shuffle_streams *st, const struct shuffle_cut_over *over)
{
    struct shuffle_cuts *cuts = &st->cuts;
    size_t at = cuts->over_count % SHUFFLE_CUT_DECIDED_MAX;
    const struct shuffle_cut_over *before =
            shuffle_cut_find_over(st, over->checkpoint);

    if (before != NULL) {
        at = (size_t)(before - cuts->over);
    } else {
        cuts->over_count++;
    }
    cuts->over[at] = *over;
}

/* ---- early ones ---- */

struct shuffle_cut_early *shuffle_cut_find_early(
        struct shuffle_streams *st, uint64_t checkpoint)
{
    for (size_t i = 0; i < st->cuts.early_count; i++) {
        if (st->cuts.early[i].checkpoint == checkpoint) {
            return &st->cuts.early[i];
        }
    }
    return NULL;
}

void shuffle_cut_drop_early(
        struct shuffle_streams *st, struct shuffle_cut_early *early)
{
    struct shuffle_cuts *cuts = &st->cuts;
    size_t at = (size_t)(early - cuts->early);

    free(early->nodes);
    cuts->early_count--;
    memmove(early, early + 1, (cuts->early_count - at) * sizeof(*early));
}

void shuffle_cut_let_go(
        struct shuffle_streams *st, struct shuffle_cut_early *early)
{
    const struct shuffle_cut_over over = {.checkpoint = early->checkpoint};

    shuffle_cut_drop_early(st, early);
    shuffle_cut_unmark(st, over.checkpoint);
    shuffle_cut_add_over(st, &over);
    st->cuts.let_go++;
}

static void arm(struct shuffle_streams *st)
{
    if (st->cuts.early_count > 0) {
        shuffle_streams_arm(
                st, st->cuts.early[0].since_ms + st->options.align_timeout_ms);
    }
}

struct shuffle_cut_early *shuffle_cut_early(
        struct shuffle_streams *st, uint64_t checkpoint)
{
    struct shuffle_cuts *cuts = &st->cuts;
    struct shuffle_cut_early *early = shuffle_cut_find_early(st, checkpoint);

    if (early != NULL) {
        return early;
    }
    if (cuts->early_count == SHUFFLE_CUTS_MAX) {
        shuffle_cut_let_go(st, &cuts->early[0]);
    }
    early = &cuts->early[cuts->early_count++];
    *early = (struct shuffle_cut_early){
            .checkpoint = checkpoint, .since_ms = st->now_ms};
    arm(st);
    return early;
}

void shuffle_cut_early_barrier(struct shuffle_cut_early *early, uint64_t node)
{
    uint64_t *nodes;

    for (size_t i = 0; i < early->nodes_count; i++) {
        if (early->nodes[i] == node) {
            return;
        }
    }
    nodes = realloc(early->nodes, (early->nodes_count + 1) * sizeof(*nodes));
    if (nodes == NULL) {
        return; /* it counts as lacking, and the cut says so */
    }
    early->nodes = nodes;
    early->nodes[early->nodes_count++] = node;
}

void shuffle_cut_expire(struct shuffle_streams *st)
{
    struct shuffle_cuts *cuts = &st->cuts;

    while (cuts->early_count > 0 && st->now_ms - cuts->early[0].since_ms >=
                                            st->options.align_timeout_ms) {
        shuffle_cut_let_go(st, &cuts->early[0]);
    }
    arm(st);
}

/* ---- what must hold ---- */

static bool is_early(const struct shuffle_cuts *cuts, uint64_t checkpoint)
{
    for (size_t i = 0; i < cuts->early_count; i++) {
        if (cuts->early[i].checkpoint == checkpoint) {
            return true;
        }
    }
    return false;
}

static void check_marks(
        const struct shuffle_streams *st, const struct shuffle_instream *in)
{
    const struct shuffle_cut *cut = &st->cuts.now;

    for (size_t i = 0; i < in->marks.count; i++) {
        uint64_t checkpoint = in->marks.items[i].checkpoint;
        bool is_now = shuffle_cut_is_here(st) && checkpoint == cut->checkpoint;

        assert(is_now || is_early(&st->cuts, checkpoint));
        assert(!is_now || i == 0);
        assert(in->marks.items[i].next >= in->delivered_records);
    }
}

static void check_sink(
        const struct shuffle_streams *st, const struct shuffle_sink *sink)
{
    assert(sink->cut == SHUFFLE_SINK_CUT_NONE ||
            st->cuts.now.phase == SHUFFLE_PHASE_WRITING ||
            st->cuts.now.phase == SHUFFLE_PHASE_WRITTEN ||
            st->cuts.now.phase == SHUFFLE_PHASE_OVER);
    assert(st->cuts.now.phase != SHUFFLE_PHASE_WRITTEN ||
            sink->cut == SHUFFLE_SINK_CUT_NONE);
    for (const struct shuffle_instream *in = sink->streams; in != NULL;
            in = in->next) {
        check_marks(st, in);
        assert(sink->cut != SHUFFLE_SINK_CUT_TOLD ||
                shuffle_marks_find(&in->marks, st->cuts.now.checkpoint) ==
                        NULL);
    }
}

void shuffle_cuts_check(const struct shuffle_streams *st)
{
    const struct shuffle_cuts *cuts = &st->cuts;

    assert(cuts->early_count <= SHUFFLE_CUTS_MAX);
    for (size_t i = 0; i < cuts->early_count; i++) {
        assert(!shuffle_cut_is_here(st) ||
                cuts->early[i].checkpoint != cuts->now.checkpoint);
        assert(shuffle_cut_find_over(st, cuts->early[i].checkpoint) == NULL);
    }
    for (size_t i = 1; i < cuts->now.peers_count; i++) {
        assert(cuts->now.peers[i - 1].id < cuts->now.peers[i].id);
    }
    assert(st->later.count <= SHUFFLE_LATER_MAX);
    assert(st->later.count == 0 || shuffle_cut_is_here(st));
    for (const struct shuffle_sink *sink = shuffle_stage_next_sink(st, NULL);
            sink != NULL; sink = shuffle_stage_next_sink(st, sink->stage)) {
        check_sink(st, sink);
    }
}
