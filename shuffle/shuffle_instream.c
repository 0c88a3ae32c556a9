#include "shuffle/shuffle_instream.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "shuffle/shuffle_outstream.h"
#include "shuffle/shuffle_place.h"
#include "shuffle/shuffle_record.h"
#include "shuffle/shuffle_send.h"
#include "shuffle/shuffle_sink.h"
#include "shuffle/shuffle_streams.h"

enum {
    KEY_WORDS_BYTES = SHUFFLE_KEYED_HEAD_BYTES - SHUFFLE_WHOLE_HEAD_BYTES,
};

/* ---- numbers, links, lists ---- */

static struct shuffle_instream **bucket(
        struct shuffle_streams *st, uint32_t link, uint32_t number)
{
    return &st->in_buckets[(link * 31 + number) % SHUFFLE_BUCKETS];
}

static void unbind(struct shuffle_streams *st, struct shuffle_instream *in)
{
    struct shuffle_instream **at = bucket(st, in->link, in->number);
    uint32_t link = in->link;

    if (link == 0) {
        return;
    }
    while (*at != in) {
        at = &(*at)->next_in_bucket;
    }
    *at = in->next_in_bucket;
    in->link = 0;
    shuffle_streams_recount(st, link);
}

static void bind(struct shuffle_streams *st, struct shuffle_instream *in,
        uint32_t link, uint32_t number)
{
    struct shuffle_instream **first = bucket(st, link, number);

    unbind(st, in);
    in->link = link;
    in->number = number;
    in->next_in_bucket = *first;
    *first = in;
    shuffle_streams_recount(st, link);
}

struct shuffle_instream *shuffle_instream_find(
        const struct shuffle_streams *st, uint32_t link, uint32_t number)
{
    struct shuffle_instream *in =
            st->in_buckets[(link * 31 + number) % SHUFFLE_BUCKETS];

    while (in != NULL && !(in->link == link && in->number == number)) {
        in = in->next_in_bucket;
    }
    return in;
}

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

/* ---- memory of the window ---- */

/* Records may lie in blocks of twice their size, and the last block may be
 * nearly empty. */
static size_t backing(size_t window)
{
    return 2 * window + SHUFFLE_DATA_FRAME_MAX;
}

static bool reserve(
        struct shuffle_streams *st, struct shuffle_instream *in, size_t window)
{
    size_t more = backing(window) - in->reserved_bytes;

    if (!budget_take(st->options.budget, more)) {
        return false;
    }
    in->reserved_bytes += more;
    in->window_bytes = window;
    return true;
}

static void release(struct shuffle_streams *st, struct shuffle_instream *in)
{
    budget_give(st->options.budget, in->reserved_bytes);
    in->reserved_bytes = 0;
    while (in->waiting.head != NULL) {
        block_free(block_list_pop(&in->waiting));
    }
    in->waiting_bytes = 0;
}

/* Growing leaves room for the largest frame of a peer without credits. */
static void grow(struct shuffle_streams *st, struct shuffle_instream *in)
{
    const struct budget *budget = st->options.budget;
    size_t window = in->window_bytes * 2;
    size_t more;

    if (window > st->options.window_bytes) {
        window = st->options.window_bytes;
    }
    if (window <= in->window_bytes) {
        return;
    }
    more = backing(window) - in->reserved_bytes;
    if (more + st->options.max_frame_bytes <=
            budget->max_bytes - budget->used_bytes) {
        (void)reserve(st, in, window);
    }
}

static void grant(struct shuffle_streams *st, struct shuffle_instream *in)
{
    uint64_t limit;

    grow(st, in);
    limit = in->taken_bytes + in->window_bytes;
    if (limit > in->limit_bytes) {
        in->limit_bytes = limit;
    }
    in->has_news = false;
    shuffle_send_grant(
            st, in->link, in->number, in->taken_records, in->limit_bytes);
}

/* ---- the beginning ---- */

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

static struct shuffle_instream *create(struct shuffle_streams *st,
        const struct shuffle_wire_open *open, struct shuffle_sink *sink)
{
    struct shuffle_instream *in;

    if (st->instreams_count >= st->options.streams_max) {
        return NULL;
    }
    in = calloc(1, sizeof(*in));
    if (in == NULL || !reserve(st, in, SHUFFLE_FIRST_WINDOW_BYTES)) {
        free(in);
        return NULL;
    }
    in->source = open->source;
    in->placement_id = open->placement_id;
    in->format = open->format;
    in->limit_bytes = in->window_bytes;
    in->until_ms = UINT64_MAX;
    memcpy(in->stage, open->stage.data, open->stage.size);
    st->instreams_count++;
    shuffle_sink_add(st, sink, in);
    return in;
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
    in = create(st, open, sink);
    if (in == NULL) {
        answer(st, link, open->stream, SHUFFLE_OPENED_FULL);
        return;
    }
    bind(st, in, link, open->stream);
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
        shuffle_send_fail(
                st, link, stream, in->taken_records, in->fail_code, "");
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
                SHUFFLE_FAIL_NODE_LOST, "");
        return;
    }
    if (in->placement_id == open->placement_id) {
        in->until_ms = UINT64_MAX;
        bind(st, in, link, open->stream);
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

bool shuffle_instream_offered(struct shuffle_streams *st, uint32_t link,
        uint64_t peer, const struct shuffle_wire_open *open)
{
    const struct shuffle_stage *stage = shuffle_stage_find(st, open->stage);
    struct shuffle_instream *in = NULL;

    if (open->source.node != peer ||
            shuffle_instream_find(st, link, open->stream) != NULL) {
        return false;
    }
    if (stage != NULL && stage->sink != NULL) {
        in = find_in(stage->sink->streams, open);
    }
    if (in != NULL) {
        resume(st, link, open, in);
        return true;
    }
    in = find_in(st->ended, open);
    if (in != NULL && in->placement_id == open->placement_id) {
        repeat_end(st, link, open->stream, in);
        return true;
    }
    begin(st, link, open);
    return true;
}

/* ---- records ---- */

size_t shuffle_instream_extra_bytes(
        const struct shuffle_instream *in, uint64_t records)
{
    bool is_cut = in->format == SHUFFLE_FORMAT_KEYED &&
                  in->sink->format == SHUFFLE_FORMAT_WHOLE;

    return is_cut ? (size_t)records * KEY_WORDS_BYTES : 0;
}

/* Several records in a block become one frame, which has its bound. */
static size_t room_in(const struct block *tail)
{
    size_t room = block_room(tail);
    size_t left = tail->size < SHUFFLE_PACK_BYTES
                          ? SHUFFLE_PACK_BYTES - tail->size
                          : 0;

    return room < left ? room : left;
}

/* The block that takes `bytes` more: the last one, or a new one. The first of
 * a window is as large as what came; where something waits already, more will
 * come. */
static struct block *tail_with_room(struct shuffle_streams *st,
        struct shuffle_instream *in, size_t bytes, size_t rest)
{
    struct block *tail = in->waiting.tail;
    size_t capacity = rest;

    if (tail != NULL && room_in(tail) >= bytes) {
        return tail;
    }
    if (tail != NULL || capacity > SHUFFLE_PACK_BYTES) {
        capacity = SHUFFLE_PACK_BYTES;
    }
    tail = block_new(&st->windows, bytes > capacity ? bytes : capacity);
    if (tail != NULL) {
        block_list_push(&in->waiting, tail);
    }
    return tail;
}

/* What has been taken of a frame so far. */
struct taking {
    struct shuffle_records records;
    uint64_t count;
    size_t bytes; /* as the stream counts them */
    bool is_starved;
};

static void copy_run(struct shuffle_instream *in, struct taking *t,
        struct bytes run, uint32_t count)
{
    if (count == 0) {
        return;
    }
    block_append(in->waiting.tail, run);
    in->waiting.tail->records += count;
    in->waiting_bytes += run.size;
    t->count += count;
    t->bytes += run.size;
}

/* Copies the records as they are, a run of them at a time. */
static void take_as_is(struct shuffle_streams *st, struct shuffle_instream *in,
        struct taking *t)
{
    struct bytes run = bytes_of(t->records.at, 0);
    struct shuffle_record record;
    uint32_t count = 0;
    size_t room = 0;

    while (shuffle_records_next_keyed(&t->records, &record)) {
        size_t size = record.whole.size;

        if (run.size + size > room) {
            size_t rest = size + (size_t)(t->records.end - t->records.at);
            struct block *tail;

            copy_run(in, t, run, count);
            run = bytes_of(record.whole.data, 0);
            count = 0;
            tail = tail_with_room(st, in, size, rest);
            if (tail == NULL) {
                t->is_starved = true;
                return;
            }
            room = size > room_in(tail) ? size : room_in(tail);
        }
        run.size += size;
        count++;
    }
    copy_run(in, t, run, count);
}

/* Copies records of format 2 as records of format 1. */
static void take_without_keys(struct shuffle_streams *st,
        struct shuffle_instream *in, struct taking *t)
{
    struct shuffle_record record;

    while (shuffle_records_next_keyed(&t->records, &record)) {
        size_t size = SHUFFLE_WHOLE_HEAD_BYTES + record.body.size;
        size_t rest = size + (size_t)(t->records.end - t->records.at);
        struct block *tail = tail_with_room(st, in, size, rest);
        struct writer w;

        if (tail == NULL) {
            t->is_starved = true;
            return;
        }
        w = writer_of(block_end(tail), block_room(tail));
        shuffle_record_put_whole(&w, record.body);
        assert(!w.failed);
        block_grow(tail, w.size);
        tail->records++;
        in->waiting_bytes += size;
        t->count++;
        t->bytes += record.whole.size;
    }
}

static bool is_allowed(const struct shuffle_instream *in, size_t bytes)
{
    return in->state == SHUFFLE_IN_OPEN &&
           bytes <= in->limit_bytes - in->received_bytes;
}

bool shuffle_instream_data(struct shuffle_streams *st,
        struct shuffle_instream *in, const struct shuffle_wire_data *data)
{
    struct taking t = {.records = shuffle_records_of(
                               data->records, in->format, SHUFFLE_RECORD_MAX)};
    size_t length = data->records.size + SHUFFLE_DATA_HEAD_BYTES + 1;

    if (data->first != in->received_records || data->records.size == 0 ||
            !is_allowed(in, data->records.size)) {
        return false;
    }
    if (in->format == in->sink->format) {
        take_as_is(st, in, &t);
    } else {
        take_without_keys(st, in, &t);
    }
    /* What was well formed counts even if the rest is not. */
    in->received_records += t.count;
    in->received_bytes += t.bytes;
    in->got_data = true;
    if (in->has_mark && in->received_records > in->mark_next) {
        in->has_mark = false; /* the source's own number was wrong */
        shuffle_instream_lose(st, in);
        return false;
    }
    shuffle_instream_settle(in);
    return !t.records.failed && !t.is_starved &&
           (t.count == 1 || length <= SHUFFLE_DATA_FRAME_MAX);
}

/* Small blocks that have to wait are gathered in the last one. */
static void keep_block(struct shuffle_instream *in, struct block *block)
{
    struct block *tail = in->waiting.tail;

    if (tail == NULL || block->size > room_in(tail)) {
        block_list_push(&in->waiting, block);
        return;
    }
    block_append(tail, block_bytes(block));
    tail->records += block->records;
    block_free(block);
}

void shuffle_instream_block(struct shuffle_streams *st,
        struct shuffle_instream *in, struct block *block)
{
    const struct shuffle_wire_data data = {.stream = in->number,
            .first = in->received_records,
            .records = block_bytes(block)};
    bool is_fine;

    if (in->format != in->sink->format) {
        is_fine = shuffle_instream_data(st, in, &data);
        assert(is_fine);
        (void)is_fine;
        block_free(block);
        return;
    }
    assert(is_allowed(in, block->size));
    in->received_records += block->records;
    in->received_bytes += block->size;
    in->waiting_bytes += block->size;
    in->got_data = true;
    keep_block(in, block);
    shuffle_instream_settle(in);
}

/* ---- confirmation ---- */

void shuffle_instream_taken(struct shuffle_streams *st,
        struct shuffle_instream *in, uint64_t records, uint64_t bytes)
{
    in->taken_records += records;
    in->taken_bytes += bytes;
    assert(in->taken_records <= in->received_records);
    assert(in->taken_bytes <= in->received_bytes);
    in->has_news = true;
    if (in->link != 0 && in->taken_bytes + in->window_bytes - in->limit_bytes >=
                                 in->window_bytes / 4) {
        grant(st, in);
    }
}

void shuffle_instream_flush(
        struct shuffle_streams *st, struct shuffle_instream *in)
{
    if (in->has_news && in->link != 0 && (!in->got_data || in->is_overdue)) {
        grant(st, in);
    }
    in->is_overdue = in->has_news;
    in->got_data = false;
}

/* ---- the end ---- */

void shuffle_instream_settle(struct shuffle_instream *in)
{
    if (in->state == SHUFFLE_IN_OPEN && in->has_mark &&
            in->received_records == in->mark_next) {
        in->state = SHUFFLE_IN_DRAINED;
        in->until_ms = UINT64_MAX;
        shuffle_sink_source_ended(in->sink);
    }
}

bool shuffle_instream_mark(
        struct shuffle_instream *in, const struct shuffle_wire_mark *mark)
{
    if ((mark->flags & SHUFFLE_FLAG_DRAIN) == 0) {
        return true;
    }
    if (mark->next < in->received_records ||
            (in->has_mark && mark->next != in->mark_next)) {
        return false;
    }
    in->has_mark = true;
    in->mark_next = mark->next;
    shuffle_instream_settle(in);
    return true;
}

void shuffle_instream_fail(struct shuffle_streams *st,
        struct shuffle_instream *in, const struct shuffle_wire_fail *fail)
{
    if (fail->code == SHUFFLE_FAIL_NOT_STARTED && in->received_records == 0 &&
            in->state == SHUFFLE_IN_OPEN) {
        shuffle_instream_free(st, in);
        return;
    }
    shuffle_instream_lose(st, in);
}

void shuffle_instream_lose(
        struct shuffle_streams *st, struct shuffle_instream *in)
{
    bool held_open = in->state == SHUFFLE_IN_OPEN;

    unbind(st, in);
    in->state = SHUFFLE_IN_LOST;
    in->until_ms = UINT64_MAX;
    in->has_news = false;
    if (held_open) {
        shuffle_sink_source_ended(in->sink);
    }
}

void shuffle_instream_judge(
        struct shuffle_streams *st, struct shuffle_instream *in)
{
    const struct shuffle_known *known =
            shuffle_members_find(&st->members, in->source.node);
    bool is_restarted = known != NULL && known->newest > in->source.generation;

    if (in->state != SHUFFLE_IN_OPEN || in->source.node == st->options.id) {
        return;
    }
    if (is_restarted ||
            (in->link == 0 && (st->now_ms >= in->until_ms ||
                                      shuffle_members_is_convicted(&st->members,
                                              in->source.node)))) {
        shuffle_instream_lose(st, in);
        return;
    }
    shuffle_streams_arm(st, in->until_ms);
}

void shuffle_instream_link_down(
        struct shuffle_streams *st, struct shuffle_instream *in)
{
    unbind(st, in);
    if (in->state != SHUFFLE_IN_OPEN) {
        return;
    }
    in->until_ms = st->now_ms + 3 * st->options.connect_timeout_ms + 1000;
    st->has_facts = true;
    shuffle_streams_arm(st, in->until_ms);
}

static void forget_oldest(struct shuffle_streams *st)
{
    struct shuffle_instream **last = &st->ended;

    while ((*last)->next != NULL) {
        last = &(*last)->next;
    }
    free(*last);
    *last = NULL;
    st->ended_count--;
}

void shuffle_instream_end(struct shuffle_streams *st,
        struct shuffle_instream *in, enum shuffle_instream_state state,
        enum shuffle_fail_code code)
{
    assert(state == SHUFFLE_IN_DONE || state == SHUFFLE_IN_FAILED);
    if (in->link != 0 && state == SHUFFLE_IN_DONE) {
        shuffle_send_done(st, in->link, in->number, in->taken_records);
    } else if (in->link != 0) {
        shuffle_send_fail(
                st, in->link, in->number, in->taken_records, code, "");
    }
    unbind(st, in);
    release(st, in);
    shuffle_sink_remove(in->sink, in);
    in->sink = NULL;
    in->state = state;
    in->fail_code = code;
    in->until_ms = st->now_ms + 3 * st->options.connect_timeout_ms + 1000;
    shuffle_streams_arm(st, in->until_ms);
    in->next = st->ended;
    st->ended = in;
    st->instreams_count--;
    if (++st->ended_count > SHUFFLE_ENDED_MAX) {
        forget_oldest(st);
    }
}

void shuffle_instream_free(
        struct shuffle_streams *st, struct shuffle_instream *in)
{
    unbind(st, in);
    release(st, in);
    shuffle_sink_remove(in->sink, in);
    st->instreams_count--;
    free(in);
}

uint64_t shuffle_instream_forget(struct shuffle_streams *st, bool all)
{
    struct shuffle_instream **at = &st->ended;
    uint64_t next_ms = UINT64_MAX;

    while (*at != NULL) {
        struct shuffle_instream *in = *at;

        if (all || in->until_ms <= st->now_ms) {
            *at = in->next;
            st->ended_count--;
            free(in);
            continue;
        }
        if (in->until_ms < next_ms) {
            next_ms = in->until_ms;
        }
        at = &in->next;
    }
    return next_ms;
}

void shuffle_instream_check(const struct shuffle_instream *in)
{
    uint64_t bytes = 0;

    for (const struct block *b = in->waiting.head; b != NULL; b = b->next) {
        assert(b->records > 0);
        bytes += b->size;
    }
    assert(bytes == in->waiting_bytes);
    assert(in->taken_records <= in->received_records);
    assert(in->received_bytes <= in->limit_bytes);
    assert(in->limit_bytes <= in->taken_bytes + in->window_bytes);
    assert(in->reserved_bytes >= backing(in->window_bytes));
    assert(!in->has_mark || in->received_records <= in->mark_next);
    assert(in->state != SHUFFLE_IN_DRAINED ||
            in->received_records == in->mark_next);
    assert(in->state != SHUFFLE_IN_LOST || in->link == 0);
}
