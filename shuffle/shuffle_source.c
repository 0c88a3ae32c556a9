#include "shuffle/shuffle_source.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shuffle/shuffle_cuts.h"
#include "shuffle/shuffle_offer.h"
#include "shuffle/shuffle_record.h"
#include "shuffle/shuffle_rotate.h"
#include "shuffle/shuffle_route.h"
#include "shuffle/shuffle_send.h"
#include "shuffle/shuffle_streams.h"

enum {
    SPILL_BYTES = SHUFFLE_RECORD_MAX + SHUFFLE_CLIENT_READ_MAX,
};

/* ---- coming and going ---- */

void shuffle_source_attach(struct shuffle_streams *st, uint32_t client,
        const struct shuffle_wire_attach *attach)
{
    struct shuffle_stage *stage = shuffle_stage_of(st, attach->stage);
    struct shuffle_source *source = calloc(1, sizeof(*source));
    struct block *spill = block_new(st->options.blocks, SPILL_BYTES);

    if (stage == NULL || source == NULL || spill == NULL) {
        block_free(spill);
        free(source);
        shuffle_tell_refused(st, client,
                "the node's memory budget has no room for a source");
        return;
    }
    source->stage = stage;
    source->client = client;
    source->number = ++st->sources_count;
    source->want = attach->want == 0 ? 1 : attach->want;
    source->format = attach->format;
    source->spill = spill;
    source->next = st->sources;
    st->sources = source;
    stage->sources_count++;
    st->has_facts = true;
    shuffle_tell_read(st, client, false);
    shuffle_offer_consider(st, source);
}

struct shuffle_source *shuffle_source_find(
        const struct shuffle_streams *st, uint32_t client)
{
    struct shuffle_source *source = st->sources;

    while (source != NULL && source->client != client) {
        source = source->next;
    }
    return source;
}

bool shuffle_source_counts(const struct shuffle_source *source)
{
    return source->state == SHUFFLE_SOURCE_RUNNING ||
           source->state == SHUFFLE_SOURCE_DRAINING;
}

void shuffle_source_close(
        struct shuffle_streams *st, struct shuffle_source *source)
{
    struct shuffle_source **at = &st->sources;

    while (*at != source) {
        at = &(*at)->next;
    }
    *at = source->next;
    shuffle_offer_close(st, source);
    block_free(source->spill);
    free(source->hint);
    source->stage->sources_count--;
    free(source);
}

/* Leaves for good; whoever has to hear of it has heard. */
static void detach(struct shuffle_streams *st, struct shuffle_source *source)
{
    struct shuffle_stage *stage = source->stage;
    bool counted = shuffle_source_counts(source);

    shuffle_source_close(st, source);
    if (counted) {
        stage->counted--;
        shuffle_offer_publish(st, stage);
    }
    st->has_facts = true;
}

/* ---- failing ---- */

/* A node may have had several sinks of it, one behind the other. */
static bool is_first_of_node(const struct shuffle_source *source, size_t at)
{
    size_t i = 0;

    while (source->streams[i]->sink.node != source->streams[at]->sink.node) {
        i++;
    }
    return i == at;
}

static struct shuffle_summary_row row_from(
        const struct shuffle_source *source, size_t at)
{
    struct shuffle_summary_row row = {.node = source->streams[at]->sink.node};

    for (size_t i = at; i < source->streams_count; i++) {
        const struct shuffle_outstream *out = source->streams[i];

        if (out->sink.node == row.node) {
            row.records += out->routed_records;
            row.confirmed += out->taken_records;
            row.bytes += out->routed_bytes;
        }
    }
    return row;
}

static void tell_summary(
        struct shuffle_streams *st, const struct shuffle_source *source)
{
    struct shuffle_streams_action action = {
            .type = SHUFFLE_STREAMS_CLIENT_SUMMARY, .client = source->client};
    struct shuffle_summary_row row;
    struct writer w = writer_of(st->scratch, st->scratch_capacity);

    for (size_t i = 0; i < source->streams_count; i++) {
        if (is_first_of_node(source, i)) {
            row = row_from(source, i);
            writer_put(&w, bytes_of(&row, sizeof(row)));
            action.rows_count++;
        }
    }
    assert(!w.failed);
    shuffle_actions_push(&st->actions, &action, writer_bytes(&w));
}

static uint64_t taken_records(const struct shuffle_source *source)
{
    uint64_t taken = 0;

    for (size_t i = 0; i < source->streams_count; i++) {
        taken += source->streams[i]->taken_records;
    }
    return taken;
}

/* Every stream but `culprit` (or all) is told, the program gets its summary
 * and the sentence, and the source is gone. */
static void end_failed(struct shuffle_streams *st,
        struct shuffle_source *source, const struct shuffle_outstream *culprit,
        enum shuffle_fail_code to_sinks, enum shuffle_fail_code code,
        const char *text)
{
    shuffle_cut_source_failed(st, source, culprit, text);
    for (size_t i = 0; i < source->streams_count; i++) {
        if (source->streams[i] != culprit) {
            shuffle_outstream_fail(st, source->streams[i], to_sinks, text);
        }
    }
    tell_summary(st, source);
    shuffle_tell_fail(st, source->client, taken_records(source), code, text);
    shuffle_tell_close(st, source->client);
    detach(st, source);
}

void shuffle_source_lose(struct shuffle_streams *st,
        struct shuffle_source *source, const char *what)
{
    char lost[SHUFFLE_COUNT_BYTES];
    char all[SHUFFLE_COUNT_BYTES];
    char text[2 * SHUFFLE_SENTENCE_BYTES];

    (void)snprintf(text, sizeof(text), "%s: %s of %s %s of %s not confirmed",
            what,
            shuffle_count_text(
                    source->read_records - taken_records(source), lost),
            shuffle_count_text(source->read_records, all),
            shuffle_records_word(source->read_records), source->stage->name);
    end_failed(st, source, NULL, SHUFFLE_FAIL_SOURCE_LOST,
            SHUFFLE_FAIL_NODE_LOST, text);
}

/* `what` ends in a colon's left side: "the sink of words on node 2 left". */
static void fail_counting(struct shuffle_streams *st,
        struct shuffle_outstream *out, enum shuffle_fail_code code,
        const char *what, uint64_t records)
{
    char lost[SHUFFLE_COUNT_BYTES];
    char all[SHUFFLE_COUNT_BYTES];
    char text[2 * SHUFFLE_SENTENCE_BYTES];

    (void)snprintf(text, sizeof(text), "%s: %s of %s %s not confirmed", what,
            shuffle_count_text(records - out->taken_records, lost),
            shuffle_count_text(records, all), shuffle_records_word(records));
    end_failed(st, out->source, out, SHUFFLE_FAIL_SOURCE_LOST, code, text);
}

void shuffle_source_fail_by(struct shuffle_streams *st,
        struct shuffle_outstream *out, enum shuffle_fail_code code,
        const char *what)
{
    fail_counting(st, out, code, what, out->routed_records);
}

void shuffle_source_fail_left_out(
        struct shuffle_streams *st, struct shuffle_outstream *out)
{
    char what[SHUFFLE_SENTENCE_BYTES];

    (void)snprintf(what, sizeof(what),
            "node %llu, with a sink of %s, has no part in a checkpoint",
            (unsigned long long)out->sink.node, out->source->stage->name);
    /* It may wake up, and then need not wait for more of us. */
    shuffle_outstream_fail(st, out, SHUFFLE_FAIL_SOURCE_LOST, what);
    fail_counting(st, out, SHUFFLE_FAIL_NODE_LOST, what, out->cut_next);
}

static void fail_sink_left(
        struct shuffle_streams *st, struct shuffle_outstream *out)
{
    char what[SHUFFLE_SENTENCE_BYTES];

    (void)snprintf(what, sizeof(what), "the sink of %s on node %llu left",
            out->source->stage->name, (unsigned long long)out->sink.node);
    shuffle_source_fail_by(st, out, SHUFFLE_FAIL_SINK_LEFT, what);
}

/* `how` goes on from "node 2 ". */
static void fail_node(struct shuffle_streams *st, struct shuffle_outstream *out,
        enum shuffle_fail_code code, const char *how)
{
    char what[SHUFFLE_SENTENCE_BYTES];

    (void)snprintf(what, sizeof(what), "node %llu, with a sink of %s, %s",
            (unsigned long long)out->sink.node, out->source->stage->name, how);
    shuffle_source_fail_by(st, out, code, what);
}

void shuffle_source_abandon(
        struct shuffle_streams *st, struct shuffle_source *source)
{
    static const char why[] = "its program has ended";
    bool counts = shuffle_source_counts(source);

    shuffle_cut_source_failed(st, source, NULL, why);
    for (size_t i = 0; i < source->streams_count; i++) {
        shuffle_outstream_fail(st, source->streams[i],
                counts ? SHUFFLE_FAIL_SOURCE_LOST : SHUFFLE_FAIL_NOT_STARTED,
                why);
    }
    detach(st, source);
}

void shuffle_source_give_up(
        struct shuffle_streams *st, struct shuffle_source *source)
{
    if (shuffle_source_counts(source)) {
        end_failed(st, source, NULL, SHUFFLE_FAIL_SOURCE_LOST,
                SHUFFLE_FAIL_SOURCE_LOST, "its program has given up");
        return;
    }
    shuffle_tell_close(st, source->client);
    shuffle_source_abandon(st, source);
}

void shuffle_source_drain(
        struct shuffle_streams *st, struct shuffle_source *source, bool is_over)
{
    char lost[SHUFFLE_COUNT_BYTES];
    char all[SHUFFLE_COUNT_BYTES];
    char text[SHUFFLE_SENTENCE_BYTES];

    if (!shuffle_source_counts(source)) {
        shuffle_tell_refused(st, source->client, "the node is draining");
        shuffle_source_abandon(st, source);
        return;
    }
    if (!is_over) {
        return;
    }
    (void)snprintf(text, sizeof(text),
            "node %llu is leaving: %s of %s records of %s not confirmed",
            (unsigned long long)st->options.id,
            shuffle_count_text(
                    source->read_records - taken_records(source), lost),
            shuffle_count_text(source->read_records, all), source->stage->name);
    end_failed(st, source, NULL, SHUFFLE_FAIL_DRAINING, SHUFFLE_FAIL_DRAINING,
            text);
}

/* ---- links and members ---- */

void shuffle_source_link_up(
        struct shuffle_streams *st, struct shuffle_outstream *out)
{
    if (out->state == SHUFFLE_OUT_WANTED) {
        shuffle_outstream_offer(st, out);
    }
}

void shuffle_source_link_down(
        struct shuffle_streams *st, struct shuffle_outstream *out)
{
    shuffle_outstream_unlink(st, out);
    if (!shuffle_source_counts(out->source)) {
        shuffle_offer_withdraw(st, out->source,
                "the connection to node %llu broke",
                (unsigned long long)out->sink.node);
        return;
    }
    out->give_up_ms = st->now_ms + 3 * st->options.connect_timeout_ms;
    shuffle_streams_arm(st, out->give_up_ms);
    shuffle_outstream_offer(st, out);
}

void shuffle_source_unreachable(struct shuffle_streams *st,
        struct shuffle_outstream *out, const char *why)
{
    if (out->state == SHUFFLE_OUT_WANTED &&
            !shuffle_source_counts(out->source)) {
        shuffle_offer_withdraw(st, out->source,
                "node %llu cannot be reached: %s",
                (unsigned long long)out->sink.node, why);
    }
}

static bool is_restarted(
        const struct shuffle_streams *st, const struct shuffle_outstream *out)
{
    const struct shuffle_known *known =
            shuffle_members_find(&st->members, out->sink.node);

    return known != NULL && known->newest > out->sink.generation;
}

static bool has_given_up(
        struct shuffle_streams *st, const struct shuffle_outstream *out)
{
    if (out->state != SHUFFLE_OUT_WANTED) {
        return false;
    }
    if (st->now_ms >= out->give_up_ms) {
        return true;
    }
    shuffle_streams_arm(st, out->give_up_ms);
    return false;
}

static bool finish(struct shuffle_streams *st, struct shuffle_outstream *out);

/* The streams of an earlier placement need nothing more of their nodes when
 * all is confirmed. */
static bool is_needless(const struct shuffle_outstream *out)
{
    return out->is_leaving && out->taken_records == out->routed_records;
}

static const char *why_given_up(const struct shuffle_outstream *out)
{
    return out->try_ms == 0 ? "cannot be reached"
                            : "has no memory for another stream";
}

static bool is_lost(
        struct shuffle_streams *st, const struct shuffle_outstream *out)
{
    return has_given_up(st, out) || is_restarted(st, out) ||
           shuffle_streams_is_silent(st, out->sink.node);
}

/* True if the stream's node is lost; the source is failed, or tries anew. */
static bool judge_stream(
        struct shuffle_streams *st, struct shuffle_outstream *out)
{
    bool counts = shuffle_source_counts(out->source);

    if (out->state == SHUFFLE_OUT_DONE || out->sink.node == st->options.id) {
        return false;
    }
    if (is_needless(out)) {
        return is_lost(st, out) && finish(st, out);
    }
    if (has_given_up(st, out)) {
        if (counts) {
            fail_node(st, out, SHUFFLE_FAIL_NODE_LOST, why_given_up(out));
        } else {
            shuffle_offer_withdraw(st, out->source,
                    "node %llu cannot be reached",
                    (unsigned long long)out->sink.node);
        }
        return true;
    }
    if (counts && is_restarted(st, out)) {
        fail_node(st, out, SHUFFLE_FAIL_NODE_LOST, "was started anew");
        return true;
    }
    if (counts && shuffle_streams_is_silent(st, out->sink.node)) {
        /* It may wake up, and then need not wait for more of us. */
        shuffle_outstream_fail(st, out, SHUFFLE_FAIL_SOURCE_LOST,
                "it had given up this silent node");
        fail_node(st, out, SHUFFLE_FAIL_NODE_LOST, "is dead");
        return true;
    }
    return false;
}

bool shuffle_source_judge(
        struct shuffle_streams *st, struct shuffle_source *source)
{
    for (size_t i = 0; i < source->streams_count; i++) {
        if (judge_stream(st, source->streams[i])) {
            return true;
        }
    }
    return false;
}

/* ---- what sink nodes say ---- */

/* OPENED of a stream that was open before its link broke. */
static void reopened(struct shuffle_streams *st, struct shuffle_outstream *out,
        const struct shuffle_wire_opened *opened)
{
    if (opened->code != SHUFFLE_OPENED_OK && is_needless(out)) {
        (void)finish(st, out);
        return;
    }
    if (opened->code == SHUFFLE_OPENED_NO_SINK) {
        shuffle_outstream_unlink(st, out);
        fail_sink_left(st, out);
        return;
    }
    if (opened->code != SHUFFLE_OPENED_OK ||
            opened->next != out->sent_records ||
            out->taken_records != out->sent_records) {
        shuffle_outstream_fail(st, out, SHUFFLE_FAIL_NODE_LOST,
                "not all of it had been confirmed");
        fail_node(st, out, SHUFFLE_FAIL_NODE_LOST, "was disconnected");
        return;
    }
    out->state = SHUFFLE_OUT_OPEN;
    if (opened->limit > out->limit_bytes) {
        out->limit_bytes = opened->limit;
    }
    shuffle_outstream_cut(st, out);
    if (out->source->state == SHUFFLE_SOURCE_DRAINING || out->is_leaving) {
        shuffle_outstream_mark(st, out);
    }
    shuffle_outstream_touch(st, out);
    shuffle_route_resume(st, out->source);
}

bool shuffle_source_opened(struct shuffle_streams *st,
        struct shuffle_outstream *out, const struct shuffle_wire_opened *opened)
{
    if (out->state != SHUFFLE_OUT_OPENING) {
        return true; /* said before */
    }
    if (!shuffle_source_counts(out->source)) {
        return shuffle_offer_answered(st, out, opened);
    }
    if (!out->was_open) {
        return shuffle_rotate_answered(st, out, opened);
    }
    reopened(st, out, opened);
    return true;
}

bool shuffle_source_granted(struct shuffle_streams *st,
        struct shuffle_outstream *out, const struct shuffle_wire_grant *grant)
{
    if (grant->taken > out->sent_records) {
        return false;
    }
    if (grant->taken > out->taken_records) {
        out->taken_records = grant->taken;
    }
    if (grant->limit > out->limit_bytes) {
        out->limit_bytes = grant->limit;
    }
    shuffle_outstream_pump(st, out);
    shuffle_outstream_touch(st, out);
    shuffle_route_resume(st, out->source);
    return true;
}

static bool has_ended(const struct shuffle_source *source)
{
    for (size_t i = 0; i < source->streams_count; i++) {
        if (source->streams[i]->state != SHUFFLE_OUT_DONE) {
            return false;
        }
    }
    return source->state == SHUFFLE_SOURCE_DRAINING;
}

/* The stream is done; true: and with the last one its source. */
static bool finish(struct shuffle_streams *st, struct shuffle_outstream *out)
{
    struct shuffle_source *source = out->source;

    shuffle_outstream_finish(st, out);
    if (!has_ended(source)) {
        return false;
    }
    tell_summary(st, source);
    shuffle_tell_done(st, source->client, source->read_records);
    shuffle_tell_close(st, source->client);
    detach(st, source);
    return true;
}

bool shuffle_source_done(struct shuffle_streams *st,
        struct shuffle_outstream *out, const struct shuffle_wire_done *done)
{
    if (out->state != SHUFFLE_OUT_OPEN || !out->is_marked ||
            done->taken != out->routed_records ||
            out->sent_records != out->routed_records) {
        return false;
    }
    out->taken_records = done->taken;
    (void)finish(st, out);
    return true;
}

bool shuffle_source_failed(struct shuffle_streams *st,
        struct shuffle_outstream *out, const struct shuffle_wire_fail *fail)
{
    if (fail->taken > out->sent_records) {
        return false;
    }
    if (fail->taken > out->taken_records) {
        out->taken_records = fail->taken;
    }
    if (!shuffle_source_counts(out->source)) {
        shuffle_outstream_unlink(st, out);
        shuffle_offer_withdraw(st, out->source,
                "node %llu has no sink for it any more",
                (unsigned long long)out->sink.node);
        return true;
    }
    if (is_needless(out)) {
        (void)finish(st, out);
        return true;
    }
    switch ((enum shuffle_fail_code)fail->code) {
    case SHUFFLE_FAIL_SINK_LEFT:
        fail_sink_left(st, out);
        break;
    case SHUFFLE_FAIL_DRAINING:
        fail_node(st, out, SHUFFLE_FAIL_DRAINING, "is leaving");
        break;
    case SHUFFLE_FAIL_NOT_STARTED:
    case SHUFFLE_FAIL_NODE_LOST:
    case SHUFFLE_FAIL_SOURCE_LOST:
        fail_node(st, out, SHUFFLE_FAIL_NODE_LOST, "had given this source up");
        break;
    }
    return true;
}

void shuffle_source_check(
        const struct shuffle_streams *st, const struct shuffle_source *source)
{
    uint64_t routed = 0;

    assert(source->has_place == (source->state != SHUFFLE_SOURCE_WAITING));
    assert(source->spill_used <= shuffle_route_end(source));
    assert(shuffle_route_end(source) <= source->spill->size);
    assert(!source->is_held || shuffle_cut_is_here(st));
    assert(source->streams_count >= source->place.sinks_count);
    for (size_t i = 0; i < source->streams_count; i++) {
        const struct shuffle_outstream *out = source->streams[i];

        assert(out->source == source);
        assert(out->is_leaving == (i >= source->place.sinks_count));
        assert(!out->has_cut || shuffle_cut_is_here(st));
        assert(!source->is_held || !out->has_cut ||
                out->routed_records <= out->cut_next);
        assert(shuffle_outstream_find(st, out->link, out->number) == out);
        routed += out->routed_records;
        shuffle_outstream_check(out);
    }
    assert(routed <= source->read_records);
    assert(shuffle_route_is_spilled(source) || !shuffle_source_counts(source) ||
            routed == source->read_records);
    assert(!source->is_read || !shuffle_route_is_stuck(source));
}
