#include "shuffle/shuffle_sink.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shuffle/shuffle_cuts.h"
#include "shuffle/shuffle_place.h"
#include "shuffle/shuffle_record.h"
#include "shuffle/shuffle_send.h"
#include "shuffle/shuffle_source.h"
#include "shuffle/shuffle_streams.h"
#include "shuffle/shuffle_window.h"

static void publish(struct shuffle_streams *st)
{
    struct shuffle_streams_action action = {
            .type = SHUFFLE_STREAMS_PUBLISH_SINKS};

    shuffle_actions_push(&st->actions, &action, bytes_of(NULL, 0));
}

/* ---- attaching and waiting ---- */

static bool names_us(const struct shuffle_streams *st,
        const struct shuffle_sink *sink, const struct shuffle_wire_sinks *sinks)
{
    for (size_t i = 0; i < shuffle_wire_sinks_count(sinks); i++) {
        struct shuffle_sink_id id = shuffle_wire_sink_at(sinks, i);

        if (id.node == st->options.id) {
            return id.generation == st->options.generation &&
                   id.number == sink->number;
        }
    }
    return false;
}

/* What is known of where the stage's sources send: the latest of it counts. */
struct search {
    bool is_any;
    bool is_without_us;
    uint64_t epoch;
};

static void look_at(const struct shuffle_streams *st,
        const struct shuffle_sink *sink, const struct shuffle_wire_sinks *sinks,
        struct search *s)
{
    bool is_without_us = !names_us(st, sink, sinks);

    if (!s->is_any || sinks->epoch > s->epoch) {
        *s = (struct search){true, is_without_us, sinks->epoch};
    } else if (sinks->epoch == s->epoch) {
        s->is_without_us = s->is_without_us || is_without_us;
    }
}

static void look_around(const struct shuffle_streams *st,
        const struct shuffle_sink *sink, struct search *s)
{
    struct bytes stage = shuffle_stage_name(sink->stage);

    for (size_t i = 0; i < st->members.count; i++) {
        const struct shuffle_known *known = &st->members.items[i];
        const struct shuffle_member_place *place =
                shuffle_known_place(known, stage);

        if (place != NULL && shuffle_members_is_usable(known)) {
            look_at(st, sink, &place->sinks, s);
        }
    }
    for (const struct shuffle_source *source = st->sources; source != NULL;
            source = source->next) {
        if (source->stage == sink->stage && shuffle_source_counts(source)) {
            struct shuffle_wire_sinks sinks =
                    shuffle_place_sinks(&source->place);

            look_at(st, sink, &sinks, s);
        }
    }
}

/* Somebody's sources run under a placement in which we have no part. Those that
 * are said to, and under one that a cut has replaced, only do not know yet. */
static bool is_late(const struct shuffle_streams *st, struct shuffle_sink *sink)
{
    struct search s = {0};

    if (sink->streams != NULL || sink->is_moved_out) {
        return false;
    }
    look_around(st, sink, &s);
    if (!s.is_any) {
        sink->adopted_epoch = 0; /* nobody runs under that one any more */
    }
    return s.is_without_us && s.epoch >= sink->adopted_epoch;
}

static void say_late(struct shuffle_streams *st, struct shuffle_sink *sink)
{
    char text[SHUFFLE_SENTENCE_BYTES];

    (void)snprintf(text, sizeof(text),
            "waits until no source of %s runs: those that do began without "
            "this sink",
            sink->stage->name);
    shuffle_tell_state(st, sink->client, SHUFFLE_STATE_WAITING, text);
    sink->is_waiting = true;
    sink->say_ms = st->now_ms + SHUFFLE_SAY_MS;
    shuffle_streams_arm(st, sink->say_ms);
}

void shuffle_sink_attach(struct shuffle_streams *st, uint32_t client,
        const struct shuffle_wire_attach *attach)
{
    struct shuffle_stage *stage = shuffle_stage_of(st, attach->stage);
    char text[SHUFFLE_SENTENCE_BYTES];
    struct shuffle_sink *sink;

    if (stage != NULL && stage->sink != NULL) {
        (void)snprintf(text, sizeof(text),
                "node %llu has a sink of %s already, and takes one of each "
                "stage",
                (unsigned long long)st->options.id, stage->name);
        shuffle_tell_refused(st, client, text);
        return;
    }
    sink = stage == NULL ? NULL : calloc(1, sizeof(*sink));
    if (sink == NULL) {
        shuffle_tell_refused(st, client, "the node has no memory for a sink");
        return;
    }
    sink->stage = stage;
    sink->client = client;
    sink->number = ++st->sinks_count;
    sink->want = attach->want;
    sink->format = attach->format;
    stage->sink = sink;
    publish(st);
    st->has_facts = true;
    if (is_late(st, sink)) {
        say_late(st, sink);
    } else {
        shuffle_tell_state(st, client, SHUFFLE_STATE_ATTACHED, "");
    }
}

void shuffle_sink_consider(
        struct shuffle_streams *st, struct shuffle_sink *sink)
{
    bool late = sink->state == SHUFFLE_SINK_RUNNING && is_late(st, sink);

    if (!late && sink->is_waiting) {
        sink->is_waiting = false;
        shuffle_tell_state(st, sink->client, SHUFFLE_STATE_ATTACHED, "");
    }
    if (!late) {
        return;
    }
    if (!sink->is_waiting || st->now_ms >= sink->say_ms) {
        say_late(st, sink);
    }
    shuffle_streams_arm(st, sink->say_ms);
}

struct shuffle_sink *shuffle_sink_find(
        const struct shuffle_streams *st, uint32_t client)
{
    for (struct shuffle_stage *s = st->stages; s != NULL; s = s->next) {
        if (s->sink != NULL && s->sink->client == client) {
            return s->sink;
        }
    }
    return NULL;
}

/* ---- its streams ---- */

void shuffle_sink_add(struct shuffle_streams *st, struct shuffle_sink *sink,
        struct shuffle_instream *in)
{
    in->sink = sink;
    in->next = sink->streams;
    sink->streams = in;
    if (!sink->had_source || sink->is_waiting) {
        shuffle_tell_state(st, sink->client, SHUFFLE_STATE_ATTACHED,
                sink->had_source ? "" : "the first source has come");
        sink->had_source = true;
        sink->is_waiting = false;
    }
}

/* Deliveries of a stream that is gone are confirmed to nobody. */
void shuffle_sink_remove(struct shuffle_sink *sink, struct shuffle_instream *in)
{
    struct shuffle_instream **at = &sink->streams;

    while (*at != in) {
        at = &(*at)->next;
    }
    *at = in->next;
    if (sink->turn == in) {
        sink->turn = in->next;
    }
    for (size_t i = 0; in->deliveries > 0 && i < sink->deliveries_count; i++) {
        size_t slot = (sink->deliveries_head + i) % SHUFFLE_DELIVERIES_MAX;

        if (sink->deliveries[slot].in == in) {
            sink->deliveries[slot].in = NULL;
            in->deliveries--;
        }
    }
}

static const struct shuffle_instream *any_open(const struct shuffle_sink *sink)
{
    const struct shuffle_instream *in = sink->streams;

    while (in != NULL && in->state == SHUFFLE_IN_LOST) {
        in = in->next;
    }
    return in;
}

static bool set_placement(struct shuffle_sink *sink,
        const struct shuffle_wire_sinks *sinks, uint64_t id)
{
    uint8_t *packed = malloc(sinks->packed.size);

    if (packed == NULL) {
        return false;
    }
    memcpy(packed, sinks->packed.data, sinks->packed.size);
    free(sink->packed);
    sink->packed = packed;
    sink->packed_bytes = sinks->packed.size;
    sink->epoch = sinks->epoch;
    sink->placement_id = id;
    return true;
}

bool shuffle_sink_accepts(
        struct shuffle_sink *sink, const struct shuffle_wire_open *open)
{
    if (any_open(sink) != NULL) {
        return sink->placement_id == open->placement_id;
    }
    return set_placement(sink, &open->sinks, open->placement_id);
}

void shuffle_sink_adopt(struct shuffle_streams *st, struct shuffle_sink *sink,
        const struct shuffle_wire_sinks *sinks)
{
    const struct shuffle_wire_sinks before = shuffle_sink_placement(sink);
    bool was_in = sink->packed != NULL && names_us(st, sink, &before);
    bool is_in = names_us(st, sink, sinks);

    if (sinks->epoch <= sink->epoch && sink->packed != NULL) {
        return; /* said before */
    }
    if (!set_placement(
                sink, sinks, shuffle_place_id(st->options.vnodes, 0, sinks))) {
        return; /* its streams go on; new ones are refused, and say so */
    }
    sink->is_moved_out = was_in && !is_in;
    sink->adopted_epoch = is_in ? sinks->epoch : 0;
    st->has_facts = true;
}

struct shuffle_wire_sinks shuffle_sink_placement(
        const struct shuffle_sink *sink)
{
    return (struct shuffle_wire_sinks){.epoch = sink->epoch,
            .packed = bytes_of(sink->packed, sink->packed_bytes)};
}

void shuffle_sink_source_ended(struct shuffle_sink *sink)
{
    sink->ended++;
}

/* ---- handing on ---- */

static struct shuffle_delivery *latest_of(struct shuffle_sink *sink)
{
    return &sink->deliveries[(sink->deliveries_head + sink->deliveries_count +
                                     SHUFFLE_DELIVERIES_MAX - 1) %
                             SHUFFLE_DELIVERIES_MAX];
}

static bool joins(struct shuffle_sink *sink, const struct shuffle_instream *in)
{
    return sink->deliveries_count > 0 && latest_of(sink)->in == in &&
           latest_of(sink)->bytes < SHUFFLE_DELIVERY_BYTES;
}

static void note_delivery(struct shuffle_sink *sink,
        struct shuffle_instream *in, uint64_t records, size_t bytes)
{
    size_t counted = bytes + shuffle_window_extra_bytes(in, records);

    if (!joins(sink, in)) {
        assert(sink->deliveries_count < SHUFFLE_DELIVERIES_MAX);
        sink->deliveries_count++;
        *latest_of(sink) = (struct shuffle_delivery){.in = in};
        in->deliveries++;
    }
    in->delivered_records += records;
    latest_of(sink)->records += records;
    latest_of(sink)->bytes += counted;
    sink->delivered_records += records;
    sink->delivered_bytes += bytes;
    sink->stage->records_out += records;
    sink->stage->bytes_out += bytes;
}

/* A block that is mostly air would hold memory that nobody accounts for. */
static struct block *right_size(struct block_pool *pool, struct block *block)
{
    struct block *smaller;

    if (block->size > block->capacity / 2 ||
            block->capacity <= BLOCK_CLASS_MIN_BYTES) {
        return block;
    }
    smaller = block_new(pool, block->size);
    if (smaller == NULL) {
        return block;
    }
    block_append(smaller, block_bytes(block));
    smaller->records = block->records;
    block_free(block);
    return smaller;
}

static void hand_block(struct shuffle_streams *st, struct shuffle_sink *sink,
        struct block *block)
{
    uint8_t head[SHUFFLE_DATA_HEAD_BYTES];
    struct writer w = writer_of(head, sizeof(head));

    block = right_size(&st->windows, block);
    shuffle_wire_encode_data_head(&w, 0, sink->delivered_records);
    block_prepend(block, writer_bytes(&w));
    block_frame(block, SHUFFLE_TAG_DATA);
    shuffle_tell_block(st, sink->client, block);
}

/* The most whole records in `credit` bytes from the front of the block, and no
 * more than `records`. */
static size_t prefix_of(const struct shuffle_streams *st,
        const struct shuffle_sink *sink, const struct block *block,
        uint64_t credit, uint64_t records_max, uint32_t *count)
{
    struct shuffle_records records =
            shuffle_records_of(block_bytes(block), sink->format,
                    st->options.max_frame_bytes + SHUFFLE_LAMINAR_HEAD_BYTES);
    struct shuffle_record record;
    size_t bytes = 0;

    *count = 0;
    while (*count < records_max && shuffle_records_next(&records, &record) &&
            bytes + record.whole.size <= credit) {
        bytes += record.whole.size;
        ++*count;
    }
    return bytes;
}

/* Takes from the block what credit and marks allow; NULL when that is
 * nothing. */
static struct block *split(struct shuffle_streams *st,
        const struct shuffle_sink *sink, struct block *block, uint64_t credit,
        uint64_t records_max)
{
    uint32_t count;
    size_t bytes = prefix_of(st, sink, block, credit, records_max, &count);
    struct block *front = bytes == 0 ? NULL : block_new(&st->windows, bytes);

    if (front == NULL) {
        return NULL;
    }
    block_append(front, bytes_of(block_bytes(block).data, bytes));
    front->records = count;
    block_skip(block, bytes);
    block->records -= count;
    return front;
}

/* Hands one block of the stream to the program; false when there is none or
 * no credit for it. */
static bool deliver(struct shuffle_streams *st, struct shuffle_sink *sink,
        struct shuffle_instream *in)
{
    uint64_t credit = sink->limit_bytes - sink->delivered_bytes;
    uint64_t unparked = in->marks.park_at - in->delivered_records;
    struct block *block = in->waiting.head;
    size_t bytes;
    uint32_t records;

    if (block == NULL || (sink->deliveries_count == SHUFFLE_DELIVERIES_MAX &&
                                 !joins(sink, in))) {
        return false;
    }
    if (block->size > credit || block->records > unparked) {
        block = split(st, sink, block, credit, unparked);
        if (block == NULL) {
            return false;
        }
    } else {
        (void)block_list_pop(&in->waiting);
    }
    bytes = block->size;
    records = block->records;
    hand_block(st, sink, block);
    in->waiting_bytes -= bytes;
    note_delivery(sink, in, records, bytes);
    return true;
}

/* One block of each stream, beginning where the last round ended. */
static bool hand_round(struct shuffle_streams *st, struct shuffle_sink *sink)
{
    struct shuffle_instream *first =
            sink->turn != NULL ? sink->turn : sink->streams;
    struct shuffle_instream *in = first;
    bool is_any = false;

    if (in == NULL) {
        return false;
    }
    do {
        struct shuffle_instream *next =
                in->next != NULL ? in->next : sink->streams;

        if (deliver(st, sink, in)) {
            sink->turn = next;
            is_any = true;
        }
        in = next;
    } while (in != first);
    return is_any;
}

static void hand_on(struct shuffle_streams *st, struct shuffle_sink *sink)
{
    if (st->is_in_doubt) {
        return;
    }
    do {
        while (hand_round(st, sink)) {
        }
    } while (shuffle_cut_tell_sink(st, sink));
}

/* ---- what the program confirms ---- */

bool shuffle_sink_confirm(
        struct shuffle_streams *st, struct shuffle_sink *sink, uint64_t taken)
{
    uint64_t more = taken - sink->taken_records;

    if (taken > sink->delivered_records) {
        return false;
    }
    if (taken <= sink->taken_records) {
        return true; /* said before */
    }
    sink->taken_records = taken;
    while (more > 0) {
        struct shuffle_delivery *d = &sink->deliveries[sink->deliveries_head];
        uint64_t records = d->records < more ? d->records : more;
        bool is_whole = records == d->records;

        d->records -= records;
        more -= records;
        if (d->in != NULL && is_whole) {
            d->in->deliveries--;
        }
        if (d->in != NULL) {
            shuffle_instream_taken(st, d->in, records, is_whole ? d->bytes : 0);
        }
        if (is_whole) {
            sink->deliveries_head =
                    (sink->deliveries_head + 1) % SHUFFLE_DELIVERIES_MAX;
            sink->deliveries_count--;
        }
    }
    return true;
}

bool shuffle_sink_granted(struct shuffle_streams *st, struct shuffle_sink *sink,
        struct bytes payload)
{
    struct shuffle_wire_grant grant;

    if (!shuffle_wire_decode_grant(payload, &grant) || grant.stream != 0) {
        return false;
    }
    if (grant.limit > sink->limit_bytes) {
        sink->limit_bytes = grant.limit;
    }
    return shuffle_sink_confirm(st, sink, grant.taken);
}

/* ---- the end ---- */

static void detach(struct shuffle_streams *st, struct shuffle_sink *sink)
{
    assert(sink->streams == NULL);
    if (sink->state == SHUFFLE_SINK_RUNNING) {
        publish(st);
    }
    sink->stage->sink = NULL;
    st->has_facts = true;
    free(sink->packed);
    free(sink);
}

/* Every stream is told how it ended; of those that are lost nobody hears. */
static void end_streams(struct shuffle_streams *st, struct shuffle_sink *sink,
        enum shuffle_instream_state state, enum shuffle_fail_code code)
{
    while (sink->streams != NULL) {
        if (sink->streams->state == SHUFFLE_IN_LOST) {
            shuffle_instream_free(st, sink->streams);
        } else {
            shuffle_instream_end(st, sink->streams, state, code);
        }
    }
}

bool shuffle_sink_done(struct shuffle_streams *st, struct shuffle_sink *sink,
        struct bytes payload)
{
    struct shuffle_wire_done done;

    if (!shuffle_wire_decode_done(payload, &done) || done.stream != 0 ||
            !sink->is_marked || done.taken != sink->delivered_records) {
        return false;
    }
    (void)shuffle_sink_confirm(st, sink, done.taken);
    end_streams(st, sink, SHUFFLE_IN_DONE, SHUFFLE_FAIL_NOT_STARTED);
    shuffle_tell_close(st, sink->client);
    detach(st, sink);
    return true;
}

void shuffle_sink_abandon(struct shuffle_streams *st, struct shuffle_sink *sink)
{
    shuffle_cut_sink_left(st, sink);
    end_streams(st, sink, SHUFFLE_IN_FAILED, SHUFFLE_FAIL_SINK_LEFT);
    detach(st, sink);
}

static void fail(struct shuffle_streams *st, struct shuffle_sink *sink,
        enum shuffle_fail_code code, const char *text)
{
    shuffle_tell_fail(st, sink->client, sink->taken_records, code, text);
    shuffle_tell_close(st, sink->client);
    shuffle_cut_sink_left(st, sink);
    end_streams(st, sink, SHUFFLE_IN_FAILED, code);
    detach(st, sink);
}

static void leave(struct shuffle_streams *st, struct shuffle_sink *sink)
{
    char text[SHUFFLE_SENTENCE_BYTES];

    (void)snprintf(text, sizeof(text),
            "node %llu is leaving, and the sink of "
            "%s with it",
            (unsigned long long)st->options.id, sink->stage->name);
    fail(st, sink, SHUFFLE_FAIL_DRAINING, text);
}

void shuffle_sink_bury(struct shuffle_streams *st, struct shuffle_sink *sink)
{
    char taken[SHUFFLE_COUNT_BYTES];
    char got[SHUFFLE_COUNT_BYTES];
    char text[2 * SHUFFLE_SENTENCE_BYTES];

    (void)snprintf(text, sizeof(text),
            "node %llu was taken for dead: of %s records of %s, %s were "
            "confirmed",
            (unsigned long long)st->options.id,
            shuffle_count_text(sink->delivered_records, got), sink->stage->name,
            shuffle_count_text(sink->taken_records, taken));
    fail(st, sink, SHUFFLE_FAIL_NODE_LOST, text);
}

void shuffle_sink_drain(
        struct shuffle_streams *st, struct shuffle_sink *sink, bool is_over)
{
    bool is_idle = sink->state == SHUFFLE_SINK_RUNNING &&
                   sink->streams == NULL &&
                   sink->taken_records == sink->delivered_records &&
                   sink->cut == SHUFFLE_SINK_CUT_NONE;

    if (is_over || is_idle) {
        leave(st, sink);
    }
}

/* Behind its last record the program hears of a source that was lost. */
static void tell_lost(struct shuffle_streams *st, struct shuffle_sink *sink,
        struct shuffle_instream *in)
{
    char count[SHUFFLE_COUNT_BYTES];
    char text[SHUFFLE_SENTENCE_BYTES];

    (void)snprintf(text, sizeof(text),
            "source %u of node %llu was lost after %s %s", in->source.number,
            (unsigned long long)in->source.node,
            shuffle_count_text(in->received_records, count),
            shuffle_records_word(in->received_records));
    shuffle_tell_fail(st, sink->client, in->received_records,
            SHUFFLE_FAIL_SOURCE_LOST, text);
    shuffle_instream_free(st, in);
}

/* What each stream has to say or to hear at the end of a turn. */
static void settle_streams(
        struct shuffle_streams *st, struct shuffle_sink *sink)
{
    struct shuffle_instream *next;

    for (struct shuffle_instream *in = sink->streams; in != NULL; in = next) {
        next = in->next;
        shuffle_instream_flush(st, in);
        if (in->state == SHUFFLE_IN_LOST && in->waiting.head == NULL) {
            tell_lost(st, sink, in);
        } else if (sink->want == 0 && in->state == SHUFFLE_IN_DRAINED &&
                   in->taken_records == in->mark_next) {
            shuffle_instream_end(
                    st, in, SHUFFLE_IN_DONE, SHUFFLE_FAIL_NOT_STARTED);
        }
    }
}

static bool is_held_open(const struct shuffle_sink *sink)
{
    for (const struct shuffle_instream *in = sink->streams; in != NULL;
            in = in->next) {
        if (in->state == SHUFFLE_IN_OPEN) {
            return true;
        }
    }
    return false;
}

static bool is_all_delivered(const struct shuffle_sink *sink)
{
    for (const struct shuffle_instream *in = sink->streams; in != NULL;
            in = in->next) {
        if (in->waiting.head != NULL) {
            return false;
        }
    }
    return true;
}

static bool is_run_over(const struct shuffle_sink *sink)
{
    bool is_enough = sink->want > 0 && sink->ended >= sink->want;

    return (is_enough || sink->is_moved_out) && !is_held_open(sink);
}

static void end_run(struct shuffle_streams *st, struct shuffle_sink *sink)
{
    if (sink->state == SHUFFLE_SINK_RUNNING && is_run_over(sink)) {
        publish(st);
        sink->state = SHUFFLE_SINK_ENDING;
    }
    if (sink->state == SHUFFLE_SINK_ENDING && !sink->is_marked &&
            sink->cut != SHUFFLE_SINK_CUT_PENDING && is_all_delivered(sink)) {
        sink->is_marked = true;
        shuffle_tell_mark(st, sink->client,
                &(struct shuffle_wire_mark){.next = sink->delivered_records,
                        .flags = SHUFFLE_FLAG_DRAIN});
    }
}

void shuffle_sink_flush(struct shuffle_streams *st, struct shuffle_sink *sink)
{
    hand_on(st, sink);
    settle_streams(st, sink);
    end_run(st, sink);
    if (st->drain_at_ms != 0) {
        shuffle_sink_drain(st, sink, false);
    }
}

void shuffle_sink_close(struct shuffle_streams *st, struct shuffle_sink *sink)
{
    while (sink->streams != NULL) {
        shuffle_instream_free(st, sink->streams);
    }
    sink->stage->sink = NULL;
    free(sink->packed);
    free(sink);
}

void shuffle_sink_check(const struct shuffle_sink *sink)
{
    uint64_t unconfirmed = 0;
    size_t deliveries = 0;

    for (size_t i = 0; i < sink->deliveries_count; i++) {
        size_t slot = (sink->deliveries_head + i) % SHUFFLE_DELIVERIES_MAX;

        unconfirmed += sink->deliveries[slot].records;
        deliveries += sink->deliveries[slot].in != NULL;
    }
    assert(sink->taken_records + unconfirmed == sink->delivered_records);
    assert(sink->delivered_bytes <= sink->limit_bytes);
    for (const struct shuffle_instream *in = sink->streams; in != NULL;
            in = in->next) {
        assert(in->sink == sink);
        assert(in->deliveries <= deliveries);
        deliveries -= in->deliveries;
        shuffle_instream_check(in);
    }
    assert(deliveries == 0);
    assert(!sink->is_marked || sink->state == SHUFFLE_SINK_ENDING);
}
