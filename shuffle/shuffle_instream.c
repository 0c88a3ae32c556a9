#include "shuffle/shuffle_instream.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "shuffle/shuffle_cuts.h"
#include "shuffle/shuffle_send.h"
#include "shuffle/shuffle_sink.h"
#include "shuffle/shuffle_streams.h"
#include "shuffle/shuffle_window.h"

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

void shuffle_instream_bind(struct shuffle_streams *st,
        struct shuffle_instream *in, uint32_t link, uint32_t number)
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

struct shuffle_instream *shuffle_instream_new(struct shuffle_streams *st,
        const struct shuffle_wire_open *open, struct shuffle_sink *sink)
{
    struct shuffle_instream *in;

    if (st->instreams_count >= st->options.streams_max) {
        return NULL;
    }
    in = calloc(1, sizeof(*in));
    if (in == NULL ||
            !shuffle_window_reserve(st, in, SHUFFLE_FIRST_WINDOW_BYTES)) {
        free(in);
        return NULL;
    }
    in->source = open->source;
    in->placement_id = open->placement_id;
    in->format = open->format;
    in->limit_bytes = in->window_bytes;
    in->until_ms = UINT64_MAX;
    shuffle_marks_init(&in->marks);
    memcpy(in->stage, open->stage.data, open->stage.size);
    st->instreams_count++;
    shuffle_sink_add(st, sink, in);
    shuffle_cut_stream_begins(st, in);
    return in;
}

/* ---- records ---- */

static bool is_allowed(const struct shuffle_instream *in, size_t bytes)
{
    return in->state == SHUFFLE_IN_OPEN &&
           bytes <= in->limit_bytes - in->received_bytes;
}

bool shuffle_instream_data(struct shuffle_streams *st,
        struct shuffle_instream *in, const struct shuffle_wire_data *data)
{
    struct shuffle_taking t;
    size_t length = data->records.size + SHUFFLE_DATA_HEAD_BYTES + 1;

    if (data->first != in->received_records || data->records.size == 0 ||
            !is_allowed(in, data->records.size)) {
        return false;
    }
    shuffle_window_take(st, in, data->records, &t);
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
    shuffle_window_keep(in, block);
    shuffle_instream_settle(in);
}

/* ---- confirmation ---- */

static void grant(struct shuffle_streams *st, struct shuffle_instream *in)
{
    uint64_t limit;

    shuffle_window_grow(st, in);
    limit = in->taken_bytes + in->window_bytes;
    if (limit > in->limit_bytes) {
        in->limit_bytes = limit;
    }
    in->has_news = false;
    shuffle_send_grant(
            st, in->link, in->number, in->taken_records, in->limit_bytes);
}

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

bool shuffle_instream_mark(struct shuffle_streams *st,
        struct shuffle_instream *in, const struct shuffle_wire_mark *mark)
{
    if ((mark->flags & SHUFFLE_FLAG_DRAIN) == 0) {
        shuffle_cut_stream_marked(st, in, mark);
        return true;
    }
    if (mark->next < in->received_records ||
            (in->has_mark && mark->next != in->mark_next)) {
        return false;
    }
    if (!shuffle_cut_stream_ends(st, in, mark->next)) {
        return true;
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

    if (in->state != SHUFFLE_IN_LOST) {
        shuffle_cut_stream_lost(st, in);
    }
    unbind(st, in);
    in->state = SHUFFLE_IN_LOST;
    in->until_ms = UINT64_MAX;
    in->has_news = false;
    if (held_open) {
        shuffle_sink_source_ended(in->sink);
    }
}

void shuffle_instream_give_up(struct shuffle_streams *st,
        struct shuffle_instream *in, const char *text)
{
    if (in->link != 0) {
        shuffle_send_fail(st, in->link, in->number, in->taken_records,
                SHUFFLE_FAIL_NODE_LOST, text);
    }
    shuffle_instream_lose(st, in);
}

/* Without a connection a conviction ends it at once; with one, which may only
 * look alive, once the node has been silent as well. Of a node that gossip has
 * forgotten, the connection knows more than we. */
static bool is_beyond_hope(
        struct shuffle_streams *st, const struct shuffle_instream *in)
{
    const struct shuffle_known *known =
            shuffle_members_find(&st->members, in->source.node);

    if (in->link != 0) {
        return known != NULL && known->is_member &&
               shuffle_streams_is_silent(st, in->source.node);
    }
    return st->now_ms >= in->until_ms ||
           shuffle_members_is_convicted(&st->members, in->source.node);
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
    if (is_restarted || is_beyond_hope(st, in)) {
        shuffle_instream_give_up(
                st, in, shuffle_fail_text(SHUFFLE_FAIL_NODE_LOST));
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
        shuffle_send_fail(st, in->link, in->number, in->taken_records, code,
                shuffle_fail_text(code));
    }
    unbind(st, in);
    shuffle_window_release(st, in);
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
    shuffle_window_release(st, in);
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
    uint64_t records = 0;

    for (const struct block *b = in->waiting.head; b != NULL; b = b->next) {
        assert(b->records > 0);
        bytes += b->size;
        records += b->records;
    }
    assert(bytes == in->waiting_bytes);
    assert(in->taken_records <= in->delivered_records);
    assert(in->delivered_records + records == in->received_records);
    assert(in->delivered_records <= in->marks.park_at);
    assert(in->received_bytes <= in->limit_bytes);
    assert(in->limit_bytes <= in->taken_bytes + in->window_bytes);
    assert(in->reserved_bytes >= 2 * in->window_bytes);
    assert(!in->has_mark || in->received_records <= in->mark_next);
    assert(in->state != SHUFFLE_IN_DRAINED ||
            in->received_records == in->mark_next);
    assert(in->state != SHUFFLE_IN_LOST || in->link == 0);
}
