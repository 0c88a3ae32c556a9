#include "shuffle/shuffle_opening.h"

#include "shuffle/shuffle_instream.h"
#include "shuffle/shuffle_later.h"
#include "shuffle/shuffle_place.h"
#include "shuffle/shuffle_record.h"
#include "shuffle/shuffle_send.h"
#include "shuffle/shuffle_sink.h"
#include "shuffle/shuffle_streams.h"

static bool is_same_source(
        const struct shuffle_source_id *a, const struct shuffle_source_id *b)
{
    return a->node == b->node && a->generation == b->generation &&
           a->number == b->number;
}

static struct shuffle_instream *find_in(
        struct shuffle_instream *in, const struct shuffle_wire_open *open)
{
    while (in != NULL && !(is_same_source(&in->source, &open->source) &&
                                 bytes_equal_text(open->stage, in->stage))) {
        in = in->next;
    }
    return in;
}

static void answer(struct shuffle_streams *st, uint32_t link, uint32_t stream,
        enum shuffle_opened_code code)
{
    const struct shuffle_wire_opened opened = {
            .stream = stream, .code = (uint8_t)code};

    shuffle_send_opened(st, link, &opened);
}

/* What has been confirmed goes first: with OPENED the source judges whether
 * it may go on. */
static void answer_ok(struct shuffle_streams *st, struct shuffle_instream *in)
{
    const struct shuffle_wire_opened opened = {.stream = in->number,
            .code = SHUFFLE_OPENED_OK,
            .next = in->received_records,
            .limit = in->limit_bytes};

    if (in->received_records > 0) {
        shuffle_send_grant(
                st, in->link, in->number, in->taken_records, in->limit_bytes);
    }
    shuffle_send_opened(st, in->link, &opened);
}

/* A sink that wants records whole takes keyed ones too. */
static bool takes_format(const struct shuffle_sink *sink, uint8_t format)
{
    return format == sink->format ||
           (format == SHUFFLE_FORMAT_KEYED &&
                   sink->format == SHUFFLE_FORMAT_WHOLE);
}

/* Our sink, if the offered placement means it and not a former one. */
static struct shuffle_sink *meant(
        const struct shuffle_streams *st, const struct shuffle_wire_open *open)
{
    const struct shuffle_stage *stage = shuffle_stage_find(st, open->stage);
    const struct shuffle_sink *sink = stage == NULL ? NULL : stage->sink;
    size_t count = shuffle_wire_sinks_count(&open->sinks);

    if (sink == NULL || sink->state != SHUFFLE_SINK_RUNNING ||
            st->drain_at_ms != 0 ||
            shuffle_place_id(st->options.vnodes, 0, &open->sinks) !=
                    open->placement_id) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        struct shuffle_sink_id id = shuffle_wire_sink_at(&open->sinks, i);

        if (id.node == st->options.id) {
            return id.generation == st->options.generation &&
                                   id.number == sink->number
                           ? stage->sink
                           : NULL;
        }
    }
    return NULL;
}

static void answer_other_placement(struct shuffle_streams *st, uint32_t link,
        uint32_t stream, const struct shuffle_sink *sink)
{
    const struct shuffle_wire_opened opened = {.stream = stream,
            .code = SHUFFLE_OPENED_OTHER_PLACEMENT,
            .sinks = shuffle_sink_placement(sink)};

    shuffle_send_opened(st, link, &opened);
}

static void begin(struct shuffle_streams *st, uint32_t link,
        const struct shuffle_wire_open *open)
{
    struct shuffle_sink *sink = meant(st, open);
    struct shuffle_instream *in;

    if (sink == NULL) {
        answer(st, link, open->stream, SHUFFLE_OPENED_NO_SINK);
        return;
    }
    if (!takes_format(sink, open->format)) {
        answer(st, link, open->stream, SHUFFLE_OPENED_FORMAT);
        return;
    }
    if (!shuffle_sink_accepts(sink, open)) {
        answer_other_placement(st, link, open->stream, sink);
        return;
    }
    in = shuffle_instream_new(st, open, sink);
    if (in == NULL) {
        answer(st, link, open->stream, SHUFFLE_OPENED_FULL);
        return;
    }
    shuffle_instream_bind(st, in, link, open->stream);
    answer_ok(st, in);
}

/* OPEN of a stream that is remembered: how it ended. */
static void repeat_end(struct shuffle_streams *st, uint32_t link,
        uint32_t stream, const struct shuffle_instream *in)
{
    const struct shuffle_wire_opened opened = {.stream = stream,
            .code = SHUFFLE_OPENED_OK,
            .next = in->received_records,
            .limit = in->limit_bytes};

    if (in->state == SHUFFLE_IN_FAILED) {
        shuffle_send_fail(st, link, stream, in->taken_records, in->fail_code,
                shuffle_fail_text(in->fail_code));
        return;
    }
    shuffle_send_grant(st, link, stream, in->taken_records, in->limit_bytes);
    shuffle_send_opened(st, link, &opened);
    shuffle_send_done(st, link, stream, in->taken_records);
}

/* OPEN of a stream that is here: it goes on, unless it is another offer. */
static void resume(struct shuffle_streams *st, uint32_t link,
        const struct shuffle_wire_open *open, struct shuffle_instream *in)
{
    if (in->state == SHUFFLE_IN_LOST) {
        shuffle_send_fail(st, link, open->stream, in->taken_records,
                SHUFFLE_FAIL_NODE_LOST,
                shuffle_fail_text(SHUFFLE_FAIL_NODE_LOST));
        return;
    }
    if (in->placement_id == open->placement_id ||
            in->sink->placement_id == open->placement_id) {
        in->placement_id = open->placement_id; /* a cut may have changed it */
        in->until_ms = UINT64_MAX;
        shuffle_instream_bind(st, in, link, open->stream);
        answer_ok(st, in);
        return;
    }
    if (in->received_records > 0 || in->has_mark) {
        answer_other_placement(st, link, open->stream, in->sink);
        return;
    }
    shuffle_instream_free(st, in);
    begin(st, link, open);
}

bool shuffle_opening_take(struct shuffle_streams *st, uint32_t link,
        uint64_t peer, struct bytes payload)
{
    struct shuffle_wire_open open;

    if (!shuffle_wire_decode_open(payload, &open) || open.source.node != peer ||
            shuffle_instream_find(st, link, open.stream) != NULL ||
            shuffle_later_has(st, link, open.stream)) {
        return false;
    }
    shuffle_opening_answer(st, link, peer, &open, payload);
    return true;
}

void shuffle_opening_answer(struct shuffle_streams *st, uint32_t link,
        uint64_t peer, const struct shuffle_wire_open *open,
        struct bytes payload)
{
    const struct shuffle_stage *stage = shuffle_stage_find(st, open->stage);
    struct shuffle_instream *in = NULL;

    if (shuffle_later_is_due(st, peer, open)) {
        if (!shuffle_later_keep(st, link, peer, open->stream, payload)) {
            answer(st, link, open->stream, SHUFFLE_OPENED_FULL);
        }
        return;
    }
    if (stage != NULL && stage->sink != NULL) {
        in = find_in(stage->sink->streams, open);
    }
    if (in != NULL) {
        resume(st, link, open, in);
        return;
    }
    in = find_in(st->ended, open);
    if (in != NULL && in->placement_id == open->placement_id) {
        repeat_end(st, link, open->stream, in);
        return;
    }
    begin(st, link, open);
}
