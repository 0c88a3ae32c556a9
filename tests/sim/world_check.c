/* What must hold in every world, after every verb of every node:
 *
 *   1  each core's own invariants (`x_check`)
 *   2  no record comes twice, or to a sink of another stage, or out of order
 *      from one source to one sink; nothing comes that was not sent
 *   3  a source whose program reports success has all its records at sinks;
 *      what one that failed was told to be confirmed, is
 *   4  a committed checkpoint is a cut: at each sink, the records before its
 *      MARK are below what their source counted, those behind it are not; and
 *      all below it have come, or the source reports a failure
 *   5  one attempt has one content, and (leader, generation, epoch) one
 *      outcome, for all nodes, programs, keys and disks
 *   6  a member acks one epoch for one leader's life only, and nothing below
 *      the greatest epoch it has acked
 *   7  nothing is committed before every listed member has acked
 *   8  what is parked is within the windows
 *   9  an attempt ends within `align_timeout` and two seconds at every node
 *      that is awake
 *
 * 2 to 4 are here, the others in world_attempts.c. */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/world_inner.h"

/* --- records --------------------------------------------------------------------- */

static void mark_seen(
        struct world *w, struct world_client *source, uint64_t number)
{
    if (number >= source->seen_capacity) {
        size_t capacity = 2 * (size_t)number + 256;

        source->seen = realloc(source->seen, capacity);
        assert(source->seen != NULL);
        memset(source->seen + source->seen_capacity, 0,
                capacity - source->seen_capacity);
        source->seen_capacity = capacity;
    }
    if (source->seen[number]) {
        world_fail(w, "record %" PRIu64 " of source %zu has come twice", number,
                source->facts.number);
    }
    source->seen[number] = true;
    source->delivered++;
}

/* The least number that may come next from the source. */
static uint64_t *next_of(struct world_client *sink, size_t source)
{
    if (source >= sink->nexts_count) {
        size_t count = 2 * source + 8;

        sink->nexts = realloc(sink->nexts, count * sizeof(sink->nexts[0]));
        assert(sink->nexts != NULL);
        memset(sink->nexts + sink->nexts_count, 0,
                (count - sink->nexts_count) * sizeof(sink->nexts[0]));
        sink->nexts_count = count;
    }
    return &sink->nexts[source];
}

void world_check_record(struct world *w, struct world_client *sink)
{
    const struct world_record *r =
            &sink->facts.records[sink->facts.records_count - 1];
    struct world_client *source = w->programs[r->source];
    uint64_t *next = next_of(sink, r->source);

    if (strcmp(source->facts.stage, sink->facts.stage) != 0) {
        world_fail(w, "sink %zu of %s was sent a record of %s",
                sink->facts.number, sink->facts.stage, source->facts.stage);
    }
    if (r->number < *next) {
        world_fail(w,
                "sink %zu was sent record %" PRIu64
                " of source %zu, and is beyond %" PRIu64,
                sink->facts.number, r->number, r->source, *next);
    }
    *next = r->number + 1;
    mark_seen(w, source, r->number);
}

void world_check_source_end(struct world *w, const struct world_client *source)
{
    const struct world_program *p = &source->facts;

    if (p->state == WORLD_DONE && source->delivered != p->sent) {
        world_fail(w,
                "source %zu has sent %" PRIu64
                " records, was told that all are confirmed, and %" PRIu64
                " are at sinks",
                p->number, p->sent, source->delivered);
    }
    if (p->taken > source->delivered) {
        world_fail(w,
                "source %zu was told of %" PRIu64
                " confirmed records, and %" PRIu64 " are at sinks",
                p->number, p->taken, source->delivered);
    }
    if (p->state == WORLD_DONE && source->lacks_at_cut) {
        world_fail(w,
                "source %zu has ended well, and the cut of epoch %" PRIu64
                " lacks records of it",
                p->number, source->lacking_epoch);
    }
}

/* --- cuts ---------------------------------------------------------------------------- */

static const struct world_mark *mark_of(
        const struct world_client *c, uint64_t checkpoint)
{
    for (size_t i = 0; i < c->facts.marks_count; i++) {
        if (c->facts.marks[i].checkpoint == checkpoint) {
            return &c->facts.marks[i];
        }
    }
    return NULL;
}

static void check_side(struct world *w, const struct world_client *sink,
        size_t place, bool is_before, const struct world_mark *cut)
{
    const struct world_record *r = &sink->facts.records[place];

    if (is_before != (r->number < cut->records)) {
        world_fail(w,
                "epoch %" PRIu64 " is no cut: record %" PRIu64
                " of source %zu, which counted %" PRIu64
                " before its mark, is record %zu of sink %zu, %s the mark",
                cut->epoch, r->number, r->source, cut->records, place,
                sink->facts.number, is_before ? "before" : "behind");
    }
}

/* How many of the source's records lie before the cut at this sink. A sink
 * without the mark has no side: what belongs before the cut counts. */
static uint64_t count_before(struct world *w, struct world_client *sink,
        size_t source, const struct world_mark *cut)
{
    const struct world_mark *mark = mark_of(sink, cut->checkpoint);
    uint64_t count = 0;

    for (size_t i = 0; i < sink->facts.records_count; i++) {
        const struct world_record *r = &sink->facts.records[i];

        if (r->source != source) {
            continue;
        }
        if (mark != NULL) {
            check_side(w, sink, i, i < mark->records, cut);
        }
        count += r->number < cut->records ? 1 : 0;
    }
    if (mark != NULL && *next_of(sink, source) < cut->records) {
        *next_of(sink, source) = cut->records;
    }
    return count;
}

/* A source that lost a stream behind its mark is told of it, perhaps later. */
static void note_lack(struct world *w, struct world_client *source,
        const struct world_mark *cut, uint64_t count)
{
    world_trace(w,
            "epoch %" PRIu64 " has %" PRIu64 " of the %" PRIu64
            " records before the mark of source %zu",
            cut->epoch, count, cut->records, source->facts.number);
    source->lacks_at_cut = true;
    source->lacking_epoch = cut->epoch;
    if (source->facts.state == WORLD_DONE) {
        world_check_source_end(w, source);
    }
}

void world_check_cut(
        struct world *w, struct world_client *source, uint64_t checkpoint)
{
    const struct world_mark *cut = mark_of(source, checkpoint);
    uint64_t count = 0;

    if (cut == NULL || source->facts.role != WORLD_SOURCE) {
        return;
    }
    for (size_t i = 0; i < w->programs_count; i++) {
        struct world_client *sink = w->programs[i];

        if (sink->facts.role == WORLD_SINK &&
                strcmp(sink->facts.stage, source->facts.stage) == 0) {
            count += count_before(w, sink, source->facts.number, cut);
        }
    }
    if (count != cut->records) {
        note_lack(w, source, cut, count);
    }
}

void world_check_end(struct world *w)
{
    for (size_t i = 0; i < w->programs_count; i++) {
        const struct world_client *c = w->programs[i];

        if (c->facts.role == WORLD_SOURCE && c->lacks_at_cut &&
                c->facts.state == WORLD_RUNNING) {
            world_fail(w,
                    "source %zu runs and was told of nothing, and the cut of "
                    "epoch %" PRIu64 " lacks records of it",
                    i, c->lacking_epoch);
        }
    }
}
