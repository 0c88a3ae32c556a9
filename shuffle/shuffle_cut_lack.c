/* What the announced cut still lacks, in a sentence and in ids. */
#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "shuffle/shuffle_cuts.h"
#include "shuffle/shuffle_send.h"
#include "shuffle/shuffle_streams.h"
#include "shuffle/shuffle_window.h"

struct answer {
    struct shuffle_streams *st;
    struct shuffle_cut_lack *lack;
    size_t size; /* of its text */
};

/* One thing more, behind a semicolon; what finds no room is left out whole. */
static void add(struct answer *a, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

static void add(struct answer *a, const char *format, ...)
{
    char part[SHUFFLE_CUT_TEXT_BYTES];
    const char *glue = a->size == 0 ? "" : "; ";
    va_list args;
    int size;

    va_start(args, format);
    (void)vsnprintf(part, sizeof(part), format, args);
    va_end(args);
    size = snprintf(a->lack->text + a->size, sizeof(a->lack->text) - a->size,
            "%s%s", glue, part);
    if ((size_t)size >= sizeof(a->lack->text) - a->size) {
        a->lack->text[a->size] = '\0';
        return;
    }
    a->size += (size_t)size;
}

/* Each node once; there is room for every listed member and for us. */
static void add_node(struct answer *a, uint64_t node)
{
    uint64_t *nodes = a->st->cuts.lack;
    size_t i = 0;

    while (i < a->lack->nodes_count && nodes[i] != node) {
        i++;
    }
    if (i == a->lack->nodes_count) {
        nodes[a->lack->nodes_count++] = node;
    }
}

static void add_barriers(struct answer *a)
{
    const struct shuffle_cut *cut = &a->st->cuts.now;
    const struct shuffle_laminar_link *link = NULL;

    for (size_t i = 0; i < cut->peers_count; i++) {
        if (cut->peers[i].speaks_weft && !cut->peers[i].is_in) {
            add(a, "barrier of node %" PRIu64, cut->peers[i].id);
            add_node(a, cut->peers[i].id);
        }
    }
    while ((link = shuffle_laminar_lacks(a->st, link)) != NULL) {
        add(a, "barrier of node %" PRIu64, link->peer);
        add_node(a, link->peer);
    }
}

/* Ours, which wait for a stream to that node. */
static void add_due(struct answer *a)
{
    const struct shuffle_cut *cut = &a->st->cuts.now;

    for (size_t i = 0; i < cut->peers_count; i++) {
        if (cut->peers[i].is_due) {
            add(a, "a stream to node %" PRIu64, cut->peers[i].id);
            add_node(a, cut->peers[i].id);
        }
    }
}

static void add_marks(struct answer *a, const struct shuffle_sink *sink)
{
    for (const struct shuffle_instream *in = sink->streams; in != NULL;
            in = in->next) {
        if (!shuffle_cut_is_aligned(a->st, in)) {
            add(a, "mark of node %" PRIu64 " on stage %s", in->source.node,
                    sink->stage->name);
            add_node(a, in->source.node);
        }
    }
}

/* Records before the cut that have not come, and bytes that have. */
struct rest {
    uint64_t records;
    uint64_t bytes;
};

static void count_stream(const struct shuffle_streams *st,
        const struct shuffle_instream *in, struct rest *rest)
{
    const struct shuffle_mark *mark =
            shuffle_marks_find(&in->marks, st->cuts.now.checkpoint);
    uint64_t next = in->received_records;

    if (mark != NULL) {
        next = mark->next;
    } else if (in->has_mark && in->state == SHUFFLE_IN_OPEN) {
        next = in->mark_next;
    }
    if (next > in->received_records) {
        rest->records += next - in->received_records;
    }
    rest->bytes +=
            shuffle_window_bytes_before(st, in, next - in->delivered_records);
}

/* Deliveries before the MARK that the program has got, or all of them. */
static void count_deliveries(const struct shuffle_sink *sink, struct rest *rest)
{
    uint64_t records = sink->delivered_records - sink->taken_records;

    if (sink->cut == SHUFFLE_SINK_CUT_TOLD && sink->echoes.count > 0) {
        uint64_t next = sink->echoes.marks[sink->echoes.count - 1].next;

        records = next > sink->taken_records ? next - sink->taken_records : 0;
    }
    for (size_t i = 0; records > 0 && i < sink->deliveries_count; i++) {
        const struct shuffle_delivery *d =
                &sink->deliveries[(sink->deliveries_head + i) %
                                  SHUFFLE_DELIVERIES_MAX];

        rest->bytes += d->bytes;
        records -= d->records < records ? d->records : records;
    }
}

static void add_rest(
        struct answer *a, const char *stage, const struct rest *rest)
{
    char count[SHUFFLE_COUNT_BYTES];

    if (rest->bytes >= 1 << 20) {
        add(a, "stage %s, %" PRIu64 " MiB unread", stage, rest->bytes >> 20);
    } else if (rest->bytes >= 1 << 10) {
        add(a, "stage %s, %" PRIu64 " KiB unread", stage, rest->bytes >> 10);
    } else if (rest->bytes > 0) {
        add(a, "stage %s, %" PRIu64 " bytes unread", stage, rest->bytes);
    }
    if (rest->records > 0) {
        add(a, "stage %s, %s %s to come", stage,
                shuffle_count_text(rest->records, count),
                shuffle_records_word(rest->records));
    }
}

static void add_sink(struct answer *a, const struct shuffle_sink *sink)
{
    const struct shuffle_cut *cut = &a->st->cuts.now;
    struct rest rest = {0};

    if (cut->phase == SHUFFLE_PHASE_WRITING &&
            sink->cut == SHUFFLE_SINK_CUT_NONE) {
        return; /* it has echoed */
    }
    count_deliveries(sink, &rest);
    if (sink->cut == SHUFFLE_SINK_CUT_TOLD) {
        if (rest.bytes == 0) {
            add(a, "echo of the sink of %s", sink->stage->name);
        }
    } else {
        for (const struct shuffle_instream *in = sink->streams; in != NULL;
                in = in->next) {
            count_stream(a->st, in, &rest);
        }
    }
    add_rest(a, sink->stage->name, &rest);
}

static void add_laminar(struct answer *a)
{
    const struct shuffle_laminar *l = &a->st->laminar;
    struct rest rest = {
            .bytes = l->waiting_bytes - shuffle_laminar_parked(a->st)};

    if (l->cut == SHUFFLE_SINK_CUT_PENDING) {
        add_rest(a, "laminar", &rest);
    } else if (l->cut == SHUFFLE_SINK_CUT_TOLD) {
        add(a, "echo of the sink of laminar");
    }
}

void shuffle_streams_cut_lack(
        struct shuffle_streams *st, struct shuffle_cut_lack *lack)
{
    const struct shuffle_cut *cut = &st->cuts.now;
    struct answer a = {.st = st, .lack = lack};
    uint64_t *nodes;

    *lack = (struct shuffle_cut_lack){0};
    if (!shuffle_cut_is_running(st)) {
        return;
    }
    nodes = realloc(st->cuts.lack,
            (cut->peers_count + st->instreams_count + 1) * sizeof(*nodes));
    if (nodes == NULL) {
        abort();
    }
    st->cuts.lack = nodes;
    lack->nodes = nodes;
    if (cut->phase == SHUFFLE_PHASE_ALIGNING) {
        add_barriers(&a);
        for (struct shuffle_sink *s = shuffle_stage_next_sink(st, NULL);
                s != NULL; s = shuffle_stage_next_sink(st, s->stage)) {
            add_marks(&a, s);
        }
    }
    add_due(&a);
    for (struct shuffle_sink *s = shuffle_stage_next_sink(st, NULL); s != NULL;
            s = shuffle_stage_next_sink(st, s->stage)) {
        add_sink(&a, s);
    }
    add_laminar(&a);
}

uint64_t shuffle_streams_parked_bytes(const struct shuffle_streams *st)
{
    uint64_t bytes = shuffle_laminar_parked(st);

    for (const struct shuffle_sink *s = shuffle_stage_next_sink(st, NULL);
            s != NULL; s = shuffle_stage_next_sink(st, s->stage)) {
        for (const struct shuffle_instream *in = s->streams; in != NULL;
                in = in->next) {
            if (in->marks.count > 0) {
                bytes += in->waiting_bytes -
                         shuffle_window_bytes_before(st, in,
                                 in->marks.park_at - in->delivered_records);
            }
        }
    }
    return bytes;
}
