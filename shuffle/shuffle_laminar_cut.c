#include "shuffle/shuffle_laminar_cut.h"

#include <stdlib.h>

#include "shuffle/shuffle_cuts.h"
#include "shuffle/shuffle_send.h"
#include "shuffle/shuffle_streams.h"

/* ---- links ---- */

static struct shuffle_laminar_link *find_link(
        const struct shuffle_laminar *l, uint32_t link)
{
    for (size_t i = 0; i < l->links_count; i++) {
        if (l->links[i].link == link) {
            return &l->links[i];
        }
    }
    return NULL;
}

static struct shuffle_laminar_link *link_of(
        struct shuffle_laminar *l, uint32_t link, uint64_t peer)
{
    struct shuffle_laminar_link *known = find_link(l, link);
    struct shuffle_laminar_link *links;

    if (known != NULL) {
        return known;
    }
    links = realloc(l->links, (l->links_count + 1) * sizeof(*links));
    if (links == NULL) {
        abort(); /* a record out of its place would be lost to its cut */
    }
    l->links = links;
    l->links[l->links_count] =
            (struct shuffle_laminar_link){.link = link, .peer = peer};
    return &l->links[l->links_count++];
}

/* Behind the sink's MARK, or with what it may get now. */
static struct block_list *open_queue(struct shuffle_laminar *l)
{
    return l->cut == SHUFFLE_SINK_CUT_PENDING ? &l->behind : &l->waiting;
}

struct block_list *shuffle_laminar_queue(
        struct shuffle_streams *st, uint32_t link, uint64_t peer)
{
    struct shuffle_laminar_link *from = link_of(&st->laminar, link, peer);

    from->has_data = true;
    return from->has_barrier ? &from->behind : open_queue(&st->laminar);
}

static void set_held(
        struct shuffle_streams *st, struct shuffle_laminar_link *link, bool on)
{
    const struct shuffle_streams_action action = {
            .type = SHUFFLE_STREAMS_LINK_HOLD, .link = link->link, .on = on};

    if (link->has_barrier != on) {
        link->has_barrier = on;
        shuffle_actions_push(&st->actions, &action, bytes_of(NULL, 0));
    }
}

/* Its barrier holds it no longer. */
static void release(
        struct shuffle_streams *st, struct shuffle_laminar_link *link)
{
    set_held(st, link, false);
    block_list_move(open_queue(&st->laminar), &link->behind);
}

void shuffle_laminar_link_down(struct shuffle_streams *st, uint32_t link)
{
    struct shuffle_laminar *l = &st->laminar;
    struct shuffle_laminar_link *gone = find_link(l, link);

    if (gone != NULL) {
        block_list_move(open_queue(l), &gone->behind);
        *gone = l->links[--l->links_count];
    }
}

/* ---- barriers ---- */

static bool is_of(
        const struct shuffle_laminar_link *link, const struct shuffle_cut *cut)
{
    return link->has_barrier && link->checkpoint == cut->announced &&
           link->epoch == cut->epoch;
}

/* A barrier of that number is of no use any more. An aborted number may be used
 * again by a LaminarDB leader, and then it is not the cut's own number. */
static bool is_over(const struct shuffle_streams *st,
        const struct shuffle_wire_barrier *barrier)
{
    const struct shuffle_cuts *cuts = &st->cuts;

    for (size_t i = 0; i < SHUFFLE_CUT_DECIDED_MAX && i < cuts->over_count;
            i++) {
        const struct shuffle_cut_over *over = &cuts->over[i];

        if (over->announced == barrier->checkpoint &&
                over->epoch == barrier->epoch &&
                (over->is_committed || over->checkpoint == over->announced)) {
            return true;
        }
    }
    return false;
}

void shuffle_laminar_barrier(struct shuffle_streams *st, uint32_t link,
        uint64_t peer, const struct shuffle_wire_barrier *barrier)
{
    const struct shuffle_cut *cut = &st->cuts.now;
    bool is_now = shuffle_cut_is_here(st) &&
                  barrier->checkpoint == cut->announced &&
                  barrier->epoch == cut->epoch;
    struct shuffle_laminar_link *from;

    if (is_over(st, barrier) ||
            (is_now && cut->phase != SHUFFLE_PHASE_ALIGNING)) {
        return; /* late */
    }
    from = link_of(&st->laminar, link, peer);
    if (from->has_barrier) {
        release(st, from); /* the peer has given the earlier one up */
    }
    from->checkpoint = barrier->checkpoint;
    from->epoch = barrier->epoch;
    from->since_ms = st->now_ms;
    set_held(st, from, true);
    shuffle_streams_arm(st, st->now_ms + st->options.align_timeout_ms);
}

void shuffle_laminar_expire(struct shuffle_streams *st)
{
    struct shuffle_laminar *l = &st->laminar;

    for (size_t i = 0; i < l->links_count; i++) {
        struct shuffle_laminar_link *link = &l->links[i];
        uint64_t at_ms = link->since_ms + st->options.align_timeout_ms;

        if (!link->has_barrier ||
                (shuffle_cut_is_here(st) && is_of(link, &st->cuts.now))) {
            continue;
        }
        if (st->now_ms >= at_ms) {
            release(st, link);
        } else {
            shuffle_streams_arm(st, at_ms);
        }
    }
}

/* ---- the cut ---- */

void shuffle_laminar_cut_begin(struct shuffle_streams *st)
{
    struct shuffle_laminar *l = &st->laminar;

    for (size_t i = 0; i < l->links_count; i++) {
        if (l->links[i].has_barrier && !is_of(&l->links[i], &st->cuts.now)) {
            release(st, &l->links[i]);
        }
    }
}

void shuffle_laminar_cut_mark(struct shuffle_streams *st)
{
    const struct shuffle_cut *cut = &st->cuts.now;
    struct shuffle_laminar *l = &st->laminar;

    for (size_t i = 0; i < l->sources_count; i++) {
        struct shuffle_laminar_source *source = &l->sources[i];
        const struct shuffle_wire_mark mark = {.next = source->sent_records,
                .checkpoint = cut->checkpoint,
                .epoch = cut->epoch};

        shuffle_tell_mark(st, source->client, &mark);
        shuffle_told_add(&source->told, mark.checkpoint);
    }
}

const struct shuffle_laminar_link *shuffle_laminar_lacks(
        const struct shuffle_streams *st,
        const struct shuffle_laminar_link *after)
{
    const struct shuffle_laminar *l = &st->laminar;
    size_t i = after == NULL ? 0 : (size_t)(after - l->links) + 1;

    for (; i < l->links_count; i++) {
        const struct shuffle_laminar_link *link = &l->links[i];
        const struct shuffle_cut_peer *peer = shuffle_cut_peer(st, link->peer);

        if (peer != NULL && !peer->speaks_weft && link->has_data &&
                !is_of(link, &st->cuts.now)) {
            return link;
        }
    }
    return NULL;
}

bool shuffle_laminar_cut_is_aligned(const struct shuffle_streams *st)
{
    return shuffle_laminar_lacks(st, NULL) == NULL;
}

void shuffle_laminar_cut_aligned(struct shuffle_streams *st)
{
    struct shuffle_laminar *l = &st->laminar;

    if (l->sink_client != 0) {
        l->cut = SHUFFLE_SINK_CUT_PENDING;
    }
    for (size_t i = 0; i < l->links_count; i++) {
        if (l->links[i].has_barrier) {
            release(st, &l->links[i]);
        }
    }
}

/* The sink has its MARK, or will not get it. */
static void flow_on(struct shuffle_laminar *l, enum shuffle_sink_cut cut)
{
    l->cut = cut;
    block_list_move(&l->waiting, &l->behind);
}

void shuffle_laminar_cut_end(struct shuffle_streams *st)
{
    struct shuffle_laminar *l = &st->laminar;

    flow_on(l, SHUFFLE_SINK_CUT_NONE);
    for (size_t i = 0; i < l->links_count; i++) {
        if (is_of(&l->links[i], &st->cuts.now)) {
            release(st, &l->links[i]);
        }
    }
}

bool shuffle_laminar_tell(struct shuffle_streams *st)
{
    struct shuffle_laminar *l = &st->laminar;
    const struct shuffle_wire_mark mark = {.next = l->delivered_records,
            .checkpoint = st->cuts.now.checkpoint,
            .epoch = st->cuts.now.epoch};

    if (l->cut != SHUFFLE_SINK_CUT_PENDING || l->waiting.head != NULL ||
            shuffle_echoes_is_full(&l->echoes)) {
        return false;
    }
    shuffle_tell_mark(st, l->sink_client, &mark);
    shuffle_echoes_add(&l->echoes, &mark);
    shuffle_told_add(&l->told, mark.checkpoint);
    flow_on(l, SHUFFLE_SINK_CUT_TOLD);
    return true;
}

bool shuffle_laminar_echoed(struct shuffle_streams *st, struct bytes payload)
{
    struct shuffle_laminar *l = &st->laminar;
    struct shuffle_wire_mark mark;

    if (!shuffle_wire_decode_mark(payload, &mark) ||
            !shuffle_echoes_take(&l->echoes, &mark)) {
        return false;
    }
    if (mark.next > l->taken_records) {
        l->taken_records = mark.next;
    }
    if (shuffle_cut_is_here(st) && mark.checkpoint == st->cuts.now.checkpoint) {
        l->cut = SHUFFLE_SINK_CUT_NONE;
    }
    return true;
}

void shuffle_laminar_sink_left(struct shuffle_streams *st)
{
    struct shuffle_laminar *l = &st->laminar;

    shuffle_cut_fail(st, 0, "the sink of laminar on this node has left");
    flow_on(l, SHUFFLE_SINK_CUT_NONE);
    l->told = (struct shuffle_told){0};
    l->echoes = (struct shuffle_echoes){0};
    l->sink_client = 0;
}

/* ---- what is parked ---- */

static uint64_t bytes_in(const struct block_list *list)
{
    uint64_t bytes = 0;

    for (const struct block *b = list->head; b != NULL; b = b->next) {
        bytes += b->size;
    }
    return bytes;
}

uint64_t shuffle_laminar_parked(const struct shuffle_streams *st)
{
    const struct shuffle_laminar *l = &st->laminar;
    uint64_t bytes = bytes_in(&l->behind);

    for (size_t i = 0; i < l->links_count; i++) {
        bytes += bytes_in(&l->links[i].behind);
    }
    return bytes;
}

void shuffle_laminar_links_close(struct shuffle_streams *st)
{
    struct shuffle_laminar *l = &st->laminar;

    for (size_t i = 0; i < l->links_count; i++) {
        block_list_move(&l->waiting, &l->links[i].behind);
    }
    block_list_move(&l->waiting, &l->behind);
    free(l->links);
    l->links = NULL;
    l->links_count = 0;
}
