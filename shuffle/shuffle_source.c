#include "shuffle/shuffle_source.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "shuffle/shuffle_record.h"
#include "shuffle/shuffle_send.h"
#include "shuffle/shuffle_streams.h"

enum {
    RETRY_MIN_MS = 50,
    RETRY_MAX_MS = 200,
    SPILL_BYTES = SHUFFLE_RECORD_MAX + SHUFFLE_CLIENT_READ_MAX,
};

/* ---- coming and going ---- */

static void publish_place(
        struct shuffle_streams *st, const struct shuffle_stage *stage)
{
    struct shuffle_streams_action action = {
            .type = SHUFFLE_STREAMS_PUBLISH_PLACE,
            .stage = shuffle_stage_name(stage)};
    struct writer w = writer_of(st->scratch, st->scratch_capacity);
    const struct shuffle_source *source = st->sources;

    while (source != NULL &&
            !(source->stage == stage && shuffle_source_counts(source))) {
        source = source->next;
    }
    writer_put(&w, action.stage);
    if (source != NULL) {
        action.has_place = true;
        action.sinks = shuffle_place_sinks(&source->place);
        writer_put(&w, action.sinks.packed);
    }
    assert(!w.failed);
    shuffle_actions_push(&st->actions, &action, writer_bytes(&w));
}

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
    shuffle_source_consider(st, source);
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

static void close_streams(
        struct shuffle_streams *st, struct shuffle_source *source)
{
    if (!source->has_place) {
        return;
    }
    for (size_t i = 0; i < source->place.sinks_count; i++) {
        shuffle_outstream_close(st, &source->streams[i]);
    }
    free(source->streams);
    source->streams = NULL;
    shuffle_place_close(&source->place);
    source->has_place = false;
}

void shuffle_source_close(
        struct shuffle_streams *st, struct shuffle_source *source)
{
    struct shuffle_source **at = &st->sources;

    while (*at != source) {
        at = &(*at)->next;
    }
    *at = source->next;
    close_streams(st, source);
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
        publish_place(st, stage);
    }
    st->has_facts = true;
}

/* ---- sentences ---- */

static void say(struct shuffle_streams *st, struct shuffle_source *source,
        const char *text)
{
    shuffle_tell_state(st, source->client, SHUFFLE_STATE_WAITING, text);
    source->say_ms = st->now_ms + SHUFFLE_SAY_MS;
    shuffle_streams_arm(st, source->say_ms);
}

static void say_wanting(struct shuffle_streams *st,
        struct shuffle_source *source, const struct shuffle_wire_sinks *live)
{
    size_t count = shuffle_wire_sinks_count(live);
    const char *stage = source->stage->name;
    char nodes[SHUFFLE_SENTENCE_BYTES];
    char text[2 * SHUFFLE_SENTENCE_BYTES];

    if (st->now_ms < source->say_ms) {
        shuffle_streams_arm(st, source->say_ms);
        return;
    }
    if (source->want == 1) {
        (void)snprintf(text, sizeof(text),
                "waits for a sink of %s: no node has one", stage);
    } else if (count == 0) {
        (void)snprintf(text, sizeof(text),
                "waits for %u sinks of %s: no node has one", source->want,
                stage);
    } else {
        (void)snprintf(text, sizeof(text),
                "waits for %u sinks of %s: %zu %s there, on %s", source->want,
                stage, count, count == 1 ? "is" : "are",
                shuffle_nodes_text(live, nodes));
    }
    say(st, source, text);
}

static void say_offering(
        struct shuffle_streams *st, struct shuffle_source *source)
{
    struct shuffle_wire_sinks sinks = shuffle_place_sinks(&source->place);
    char nodes[SHUFFLE_SENTENCE_BYTES];
    char text[2 * SHUFFLE_SENTENCE_BYTES];

    if (st->now_ms < source->say_ms) {
        shuffle_streams_arm(st, source->say_ms);
        return;
    }
    (void)snprintf(text, sizeof(text),
            "waits for the answer of the sink%s of %s on %s%s%s",
            source->place.sinks_count == 1 ? "" : "s", source->stage->name,
            shuffle_nodes_text(&sinks, nodes),
            source->obstacle[0] == '\0' ? "" : "; ", source->obstacle);
    say(st, source, text);
}

/* ---- failing ---- */

static void tell_summary(
        struct shuffle_streams *st, const struct shuffle_source *source)
{
    struct shuffle_streams_action action = {
            .type = SHUFFLE_STREAMS_CLIENT_SUMMARY,
            .client = source->client,
            .rows_count = source->place.sinks_count};
    struct shuffle_summary_row row;
    struct writer w = writer_of(st->scratch, st->scratch_capacity);

    for (size_t i = 0; i < source->place.sinks_count; i++) {
        const struct shuffle_outstream *out = &source->streams[i];

        row = (struct shuffle_summary_row){.node = out->sink.node,
                .records = out->routed_records,
                .confirmed = out->taken_records,
                .bytes = out->routed_bytes};
        writer_put(&w, bytes_of(&row, sizeof(row)));
    }
    assert(!w.failed);
    shuffle_actions_push(&st->actions, &action, writer_bytes(&w));
}

static uint64_t taken_records(const struct shuffle_source *source)
{
    uint64_t taken = 0;

    for (size_t i = 0; i < source->place.sinks_count; i++) {
        taken += source->streams[i].taken_records;
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
    for (size_t i = 0; i < source->place.sinks_count; i++) {
        if (&source->streams[i] != culprit) {
            shuffle_outstream_fail(st, &source->streams[i], to_sinks, text);
        }
    }
    tell_summary(st, source);
    shuffle_tell_fail(st, source->client, taken_records(source), code, text);
    shuffle_tell_close(st, source->client);
    detach(st, source);
}

/* `what` ends in a colon's left side: "the sink of words on node 2 left". */
static void fail_by(struct shuffle_streams *st, struct shuffle_outstream *out,
        enum shuffle_fail_code code, const char *what)
{
    uint64_t missing = out->routed_records - out->taken_records;
    char lost[SHUFFLE_COUNT_BYTES];
    char all[SHUFFLE_COUNT_BYTES];
    char text[2 * SHUFFLE_SENTENCE_BYTES];

    (void)snprintf(text, sizeof(text), "%s: %s of %s %s not confirmed", what,
            shuffle_count_text(missing, lost),
            shuffle_count_text(out->routed_records, all),
            shuffle_records_word(out->routed_records));
    end_failed(st, out->source, out, SHUFFLE_FAIL_SOURCE_LOST, code, text);
}

static void fail_sink_left(
        struct shuffle_streams *st, struct shuffle_outstream *out)
{
    char what[SHUFFLE_SENTENCE_BYTES];

    (void)snprintf(what, sizeof(what), "the sink of %s on node %llu left",
            out->source->stage->name, (unsigned long long)out->sink.node);
    fail_by(st, out, SHUFFLE_FAIL_SINK_LEFT, what);
}

/* `how` goes on from "node 2 ". */
static void fail_node(struct shuffle_streams *st, struct shuffle_outstream *out,
        enum shuffle_fail_code code, const char *how)
{
    char what[SHUFFLE_SENTENCE_BYTES];

    (void)snprintf(what, sizeof(what), "node %llu, with a sink of %s, %s",
            (unsigned long long)out->sink.node, out->source->stage->name, how);
    fail_by(st, out, code, what);
}

void shuffle_source_abandon(
        struct shuffle_streams *st, struct shuffle_source *source)
{
    bool counts = shuffle_source_counts(source);

    for (size_t i = 0; i < source->place.sinks_count; i++) {
        shuffle_outstream_fail(st, &source->streams[i],
                counts ? SHUFFLE_FAIL_SOURCE_LOST : SHUFFLE_FAIL_NOT_STARTED,
                "its program has ended");
    }
    detach(st, source);
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

/* ---- placement ---- */

/* This very sink is there, ours included. */
static bool is_there(const struct shuffle_streams *st,
        const struct shuffle_stage *stage, const struct shuffle_sink_id *id)
{
    if (id->node == st->options.id) {
        return id->generation == st->options.generation &&
               stage->sink != NULL &&
               stage->sink->state == SHUFFLE_SINK_RUNNING &&
               stage->sink->number == id->number;
    }
    return shuffle_members_has_sink(
            &st->members, shuffle_stage_name(stage), id);
}

static bool are_there(const struct shuffle_streams *st,
        const struct shuffle_stage *stage,
        const struct shuffle_wire_sinks *sinks)
{
    for (size_t i = 0; i < shuffle_wire_sinks_count(sinks); i++) {
        struct shuffle_sink_id id = shuffle_wire_sink_at(sinks, i);

        if (!is_there(st, stage, &id)) {
            return false;
        }
    }
    return true;
}

/* Our own sink, in its place among the others by ascending id. */
static void put_own(const struct shuffle_streams *st,
        const struct shuffle_stage *stage, struct writer *w)
{
    const struct shuffle_sink *sink = stage->sink;

    if (sink != NULL && sink->state == SHUFFLE_SINK_RUNNING) {
        struct shuffle_sink_id id = {
                st->options.id, st->options.generation, sink->number};

        shuffle_wire_put_sink(w, &id);
    }
}

/* All live, active nodes with a sink, up to the most that a placement holds;
 * written to the scratch memory. */
static struct shuffle_wire_sinks live_sinks(
        struct shuffle_streams *st, const struct shuffle_stage *stage)
{
    struct writer w = writer_of(
            st->scratch, (size_t)SHUFFLE_SINKS_MAX * SHUFFLE_SINK_BYTES);
    struct bytes name = shuffle_stage_name(stage);
    bool is_own_put = false;

    for (size_t i = 0; i < st->members.count; i++) {
        const struct shuffle_known *known = &st->members.items[i];
        struct shuffle_sink_id id = {known->facts.id, known->facts.generation,
                shuffle_known_sink(known, name)};

        if (!is_own_put && id.node > st->options.id) {
            put_own(st, stage, &w);
            is_own_put = true;
        }
        if (id.number != 0 && shuffle_members_is_usable(known)) {
            shuffle_wire_put_sink(&w, &id);
        }
    }
    if (!is_own_put) {
        put_own(st, stage, &w);
    }
    w.size -= w.size % SHUFFLE_SINK_BYTES;
    return (struct shuffle_wire_sinks){.packed = writer_bytes(&w)};
}

/* The placement that is in force as far as we know, if all of it is there: the
 * one a sink node told us of, our own sources', or one that is published. */
static bool placement_in_force(const struct shuffle_streams *st,
        const struct shuffle_source *source, struct shuffle_wire_sinks *sinks)
{
    const struct shuffle_stage *stage = source->stage;
    struct bytes name = shuffle_stage_name(stage);

    *sinks = source->hint_sinks;
    if (source->hint != NULL && are_there(st, stage, sinks)) {
        return true;
    }
    for (const struct shuffle_source *s = st->sources; s != NULL; s = s->next) {
        if (s->stage == stage && shuffle_source_counts(s)) {
            *sinks = shuffle_place_sinks(&s->place);
            if (are_there(st, stage, sinks)) {
                return true;
            }
        }
    }
    for (size_t i = 0; i < st->members.count; i++) {
        const struct shuffle_known *known = &st->members.items[i];
        const struct shuffle_member_place *place =
                shuffle_known_place(known, name);

        if (place != NULL && shuffle_members_is_usable(known) &&
                are_there(st, stage, &place->sinks)) {
            *sinks = place->sinks;
            return true;
        }
    }
    return false;
}

static void take_hint(
        struct shuffle_source *source, const struct shuffle_wire_sinks *sinks)
{
    uint8_t *copy = malloc(sinks->packed.size);

    if (copy == NULL) {
        return;
    }
    memcpy(copy, sinks->packed.data, sinks->packed.size);
    free(source->hint);
    source->hint = copy;
    source->hint_sinks = (struct shuffle_wire_sinks){
            sinks->epoch, bytes_of(copy, sinks->packed.size)};
}

/* Takes the offer back; it is made again a little later. */
static void withdraw(struct shuffle_streams *st, struct shuffle_source *source,
        const char *format, ...) __attribute__((format(printf, 3, 4)));

static void withdraw(struct shuffle_streams *st, struct shuffle_source *source,
        const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(source->obstacle, sizeof(source->obstacle), format, args);
    va_end(args);
    for (size_t i = 0; i < source->place.sinks_count; i++) {
        shuffle_outstream_fail(st, &source->streams[i],
                SHUFFLE_FAIL_NOT_STARTED, "another sink is not ready");
    }
    close_streams(st, source);
    source->state = SHUFFLE_SOURCE_WAITING;
    source->try_ms = st->now_ms + RETRY_MIN_MS +
                     prng_below(&st->prng, RETRY_MAX_MS - RETRY_MIN_MS + 1);
    shuffle_streams_arm(st, source->try_ms);
}

static void offer(struct shuffle_streams *st, struct shuffle_source *source,
        const struct shuffle_wire_sinks *sinks)
{
    size_t count = shuffle_wire_sinks_count(sinks);

    source->try_ms = st->now_ms + RETRY_MAX_MS;
    source->streams = calloc(count, sizeof(*source->streams));
    if (source->streams == NULL || shuffle_place_init(&source->place,
                                           st->options.vnodes, 0, sinks) != 0) {
        free(source->streams);
        source->streams = NULL;
        shuffle_streams_arm(st, source->try_ms);
        return;
    }
    source->has_place = true;
    source->state = SHUFFLE_SOURCE_OPENING;
    for (size_t i = 0; i < count; i++) {
        struct shuffle_sink_id id = shuffle_place_sink(&source->place, i);

        shuffle_outstream_init(st, &source->streams[i], source, &id);
    }
    for (size_t i = 0; i < count; i++) {
        source->streams[i].give_up_ms =
                st->now_ms + 3 * st->options.connect_timeout_ms;
        shuffle_outstream_offer(st, &source->streams[i]);
    }
    shuffle_streams_arm(st, source->streams[0].give_up_ms);
}

void shuffle_source_consider(
        struct shuffle_streams *st, struct shuffle_source *source)
{
    struct shuffle_wire_sinks live;
    struct shuffle_wire_sinks sinks;

    if (source->state != SHUFFLE_SOURCE_WAITING) {
        return;
    }
    if (st->now_ms < source->try_ms) {
        shuffle_streams_arm(st, source->try_ms);
        return;
    }
    live = live_sinks(st, source->stage);
    if (shuffle_wire_sinks_count(&live) < source->want) {
        say_wanting(st, source, &live);
        return;
    }
    if (!placement_in_force(st, source, &sinks)) {
        sinks = live;
    }
    offer(st, source, &sinks);
    if (source->has_place) {
        say_offering(st, source);
    }
}

static void count_in(struct shuffle_streams *st, struct shuffle_source *source)
{
    source->state = SHUFFLE_SOURCE_RUNNING;
    source->obstacle[0] = '\0';
    free(source->hint);
    source->hint = NULL;
    source->hint_sinks = (struct shuffle_wire_sinks){0};
    source->stage->counted++;
    publish_place(st, source->stage);
    st->has_facts = true;
    shuffle_tell_state(st, source->client, SHUFFLE_STATE_ATTACHED, "");
    shuffle_source_resume(st, source);
}

static bool is_all_open(const struct shuffle_source *source)
{
    for (size_t i = 0; i < source->place.sinks_count; i++) {
        if (source->streams[i].state != SHUFFLE_OUT_OPEN) {
            return false;
        }
    }
    return true;
}

static void refuse_format(
        struct shuffle_streams *st, struct shuffle_outstream *out)
{
    struct shuffle_source *source = out->source;
    char text[SHUFFLE_SENTENCE_BYTES];

    (void)snprintf(text, sizeof(text),
            "the sink of %s on node %llu takes records of another format",
            source->stage->name, (unsigned long long)out->sink.node);
    shuffle_tell_refused(st, source->client, text);
    shuffle_source_abandon(st, source);
}

static void refused(struct shuffle_streams *st, struct shuffle_outstream *out,
        const struct shuffle_wire_opened *opened)
{
    struct shuffle_source *source = out->source;
    unsigned long long node = out->sink.node;

    shuffle_outstream_unlink(st, out); /* it hears no FAIL 1 */
    switch ((enum shuffle_opened_code)opened->code) {
    case SHUFFLE_OPENED_NO_SINK:
        withdraw(st, source, "node %llu has no sink for it now", node);
        break;
    case SHUFFLE_OPENED_OTHER_PLACEMENT:
        take_hint(source, &opened->sinks);
        withdraw(
                st, source, "at node %llu another placement is in force", node);
        break;
    case SHUFFLE_OPENED_FULL:
        withdraw(st, source, "node %llu has no memory for it now", node);
        break;
    case SHUFFLE_OPENED_FORMAT:
        refuse_format(st, out);
        break;
    case SHUFFLE_OPENED_OK:
        assert(false);
    }
}

/* OPENED of a stream that was open before its link broke. */
static void reopened(struct shuffle_streams *st, struct shuffle_outstream *out,
        const struct shuffle_wire_opened *opened)
{
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
    if (out->source->state == SHUFFLE_SOURCE_DRAINING) {
        shuffle_outstream_mark(st, out);
    }
    shuffle_outstream_touch(st, out);
    shuffle_source_resume(st, out->source);
}

bool shuffle_source_opened(struct shuffle_streams *st,
        struct shuffle_outstream *out, const struct shuffle_wire_opened *opened)
{
    struct shuffle_source *source = out->source;

    if (out->state != SHUFFLE_OUT_OPENING) {
        return true; /* said before */
    }
    if (shuffle_source_counts(source)) {
        reopened(st, out, opened);
        return true;
    }
    if (opened->code != SHUFFLE_OPENED_OK) {
        refused(st, out, opened);
        return true;
    }
    if (opened->next != 0) {
        return false;
    }
    out->state = SHUFFLE_OUT_OPEN;
    out->limit_bytes = opened->limit;
    if (is_all_open(source)) {
        count_in(st, source);
    }
    return true;
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
        withdraw(st, out->source, "the connection to node %llu broke",
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
        withdraw(st, out->source, "node %llu cannot be reached: %s",
                (unsigned long long)out->sink.node, why);
    }
}

/* Given up by the detector, and silent for long enough. */
static bool is_silent(
        struct shuffle_streams *st, const struct shuffle_outstream *out)
{
    const struct shuffle_known *known =
            shuffle_members_find(&st->members, out->sink.node);
    uint64_t at_ms;

    if (!shuffle_members_is_convicted(&st->members, out->sink.node)) {
        return false;
    }
    at_ms = known == NULL ? 0 : known->heard_ms + SHUFFLE_SILENCE_MS;
    if (st->now_ms >= at_ms) {
        return true;
    }
    shuffle_streams_arm(st, at_ms);
    return false;
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

/* True if the stream's node is lost; the source is failed, or tries anew. */
static bool judge_stream(
        struct shuffle_streams *st, struct shuffle_outstream *out)
{
    bool counts = shuffle_source_counts(out->source);

    if (out->state == SHUFFLE_OUT_DONE || out->sink.node == st->options.id) {
        return false;
    }
    if (has_given_up(st, out)) {
        if (counts) {
            fail_node(st, out, SHUFFLE_FAIL_NODE_LOST, "cannot be reached");
        } else {
            withdraw(st, out->source, "node %llu cannot be reached",
                    (unsigned long long)out->sink.node);
        }
        return true;
    }
    if (counts && is_restarted(st, out)) {
        fail_node(st, out, SHUFFLE_FAIL_NODE_LOST, "was started anew");
        return true;
    }
    if (counts && is_silent(st, out)) {
        fail_node(st, out, SHUFFLE_FAIL_NODE_LOST, "is dead");
        return true;
    }
    return false;
}

bool shuffle_source_judge(
        struct shuffle_streams *st, struct shuffle_source *source)
{
    for (size_t i = 0; i < source->place.sinks_count; i++) {
        if (judge_stream(st, &source->streams[i])) {
            return true;
        }
    }
    return false;
}

void shuffle_source_tick(
        struct shuffle_streams *st, struct shuffle_source *source)
{
    shuffle_source_consider(st, source);
    if (source->state == SHUFFLE_SOURCE_OPENING) {
        say_offering(st, source);
    }
}

/* ---- records ---- */

/* Copies each record into the frame that is filling for its key's owner, up to
 * the first one that has to wait. This is the hot path: one hash, one look-up,
 * one copy. */
static void route(struct shuffle_streams *st, struct shuffle_source *source,
        struct shuffle_records *records)
{
    struct shuffle_record record;
    uint64_t routed = 0;
    uint64_t bytes = 0;
    const uint8_t *at = records->at;

    while (shuffle_records_next_keyed(records, &record)) {
        size_t owner =
                shuffle_place_owner(&source->place, hash_xxh3(record.key));
        struct shuffle_outstream *out = &source->streams[owner];
        size_t size = record.whole.size;

        if (size > (size_t)(out->end - out->at) &&
                !shuffle_outstream_make_room(st, out, size)) {
            records->at = at; /* it is read again */
            break;
        }
        memcpy(out->at, record.whole.data, size);
        out->at += size;
        out->filling_records++;
        out->routed_records++;
        out->routed_bytes += size;
        routed++;
        bytes += size;
        at = records->at;
    }
    source->stage->records_in += routed;
    source->stage->bytes_in += bytes;
}

static bool is_spilled(const struct shuffle_source *source)
{
    return source->spill->size > source->spill_used;
}

/* A full frame waits for credit. */
static bool is_stuck(const struct shuffle_source *source)
{
    for (size_t i = 0; i < source->place.sinks_count; i++) {
        if (source->streams[i].full != NULL) {
            return true;
        }
    }
    return false;
}

static void set_read(struct shuffle_streams *st, struct shuffle_source *source)
{
    bool on = source->state == SHUFFLE_SOURCE_RUNNING && !source->is_drained &&
              !is_spilled(source) && !is_stuck(source);

    if (on != source->is_read) {
        source->is_read = on;
        shuffle_tell_read(st, source->client, on);
    }
}

/* When all that was read has been routed, the end can be marked. */
static void mark_end(struct shuffle_streams *st, struct shuffle_source *source)
{
    if (source->state != SHUFFLE_SOURCE_RUNNING || !source->is_drained ||
            is_spilled(source)) {
        return;
    }
    source->state = SHUFFLE_SOURCE_DRAINING;
    for (size_t i = 0; i < source->place.sinks_count; i++) {
        shuffle_outstream_mark(st, &source->streams[i]);
        shuffle_outstream_touch(st, &source->streams[i]);
    }
}

static struct shuffle_records records_of(
        const struct shuffle_source *source, struct bytes bytes)
{
    return shuffle_records_of(bytes, source->format, SHUFFLE_RECORD_MAX);
}

static void route_spill(
        struct shuffle_streams *st, struct shuffle_source *source)
{
    struct bytes all = block_bytes(source->spill);
    struct shuffle_records records =
            records_of(source, bytes_skip(all, source->spill_used));

    route(st, source, &records);
    source->spill_used = (size_t)(records.at - all.data);
    if (!is_spilled(source)) {
        source->spill->size = 0;
        source->spill_used = 0;
        return;
    }
    shuffle_streams_arm(st, st->now_ms + RETRY_MIN_MS);
}

void shuffle_source_resume(
        struct shuffle_streams *st, struct shuffle_source *source)
{
    if (!shuffle_source_counts(source)) {
        return;
    }
    if (is_spilled(source)) {
        route_spill(st, source);
    }
    mark_end(st, source);
    set_read(st, source);
}

/* Keeps what could not be routed yet. False: malformed, or more than a read
 * may bring. */
static bool spill(struct shuffle_source *source, struct bytes rest)
{
    size_t count;

    if (rest.size == 0) {
        return true;
    }
    if (!shuffle_records_count(
                rest, source->format, SHUFFLE_RECORD_MAX, &count) ||
            rest.size > block_room(source->spill)) {
        return false;
    }
    block_append(source->spill, rest);
    source->read_records += count;
    return true;
}

/* Routes a frame's records, or keeps them; counts them as read. */
static bool take(struct shuffle_streams *st, struct shuffle_source *source,
        struct bytes bytes)
{
    struct shuffle_records records = records_of(source, bytes);
    uint64_t before = source->stage->records_in;

    if (shuffle_source_counts(source) && !is_spilled(source)) {
        route(st, source, &records);
        source->read_records += source->stage->records_in - before;
    }
    return !records.failed &&
           spill(source,
                   bytes_of(records.at, (size_t)(records.end - records.at)));
}

bool shuffle_source_data(struct shuffle_streams *st,
        struct shuffle_source *source, struct bytes payload)
{
    struct shuffle_wire_data data;
    uint64_t before = source->read_records;

    if (!shuffle_wire_decode_data(payload, &data) || data.stream != 0 ||
            data.first != before || data.records.size == 0 ||
            source->is_drained || !take(st, source, data.records)) {
        return false;
    }
    set_read(st, source);
    return source->read_records == before + 1 ||
           payload.size < SHUFFLE_DATA_FRAME_MAX;
}

bool shuffle_source_mark(struct shuffle_streams *st,
        struct shuffle_source *source, struct bytes payload)
{
    struct shuffle_wire_mark mark;

    if (!shuffle_wire_decode_mark(payload, &mark) || mark.stream != 0 ||
            mark.next != source->read_records || source->is_drained ||
            (mark.flags & SHUFFLE_FLAG_DRAIN) == 0) {
        return false;
    }
    source->is_drained = true;
    shuffle_source_resume(st, source);
    return true;
}

/* ---- what sink nodes say ---- */

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
    shuffle_source_resume(st, out->source);
    return true;
}

bool shuffle_source_done(struct shuffle_streams *st,
        struct shuffle_outstream *out, const struct shuffle_wire_done *done)
{
    struct shuffle_source *source = out->source;

    if (out->state != SHUFFLE_OUT_OPEN || !out->is_marked ||
            done->taken != out->routed_records ||
            out->sent_records != out->routed_records) {
        return false;
    }
    out->taken_records = done->taken;
    shuffle_outstream_finish(st, out);
    for (size_t i = 0; i < source->place.sinks_count; i++) {
        if (source->streams[i].state != SHUFFLE_OUT_DONE) {
            return true;
        }
    }
    tell_summary(st, source);
    shuffle_tell_done(st, source->client, source->read_records);
    shuffle_tell_close(st, source->client);
    detach(st, source);
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
        withdraw(st, out->source, "node %llu has no sink for it any more",
                (unsigned long long)out->sink.node);
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
    assert(source->spill_used <= source->spill->size);
    for (size_t i = 0; i < source->place.sinks_count; i++) {
        const struct shuffle_outstream *out = &source->streams[i];

        assert(out->source == source);
        assert(shuffle_outstream_find(st, out->link, out->number) == out);
        routed += out->routed_records;
        shuffle_outstream_check(out);
    }
    assert(routed <= source->read_records);
    assert(is_spilled(source) || !shuffle_source_counts(source) ||
            routed == source->read_records);
    assert(!source->is_read || !is_stuck(source));
}
