#include "shuffle/shuffle_offer.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shuffle/shuffle_cuts.h"
#include "shuffle/shuffle_route.h"
#include "shuffle/shuffle_send.h"
#include "shuffle/shuffle_source.h"
#include "shuffle/shuffle_streams.h"

enum {
    RETRY_MIN_MS = 50,
    RETRY_MAX_MS = 200,
};

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

/* ---- which placement ---- */

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

/* Takes these sinks if they are all there and of a later epoch than those that
 * were found before. */
static void take_if_newer(const struct shuffle_streams *st,
        const struct shuffle_stage *stage,
        const struct shuffle_wire_sinks *found,
        struct shuffle_wire_sinks *sinks)
{
    bool is_newer = sinks->packed.size == 0 || found->epoch > sinks->epoch;

    if (is_newer && found->packed.size > 0 && are_there(st, stage, found)) {
        *sinks = *found;
    }
}

/* The placement that is in force as far as we know, if all of it is there: the
 * one a sink node told us of, our own sources', or one that is published; of
 * these the latest. */
static bool placement_in_force(const struct shuffle_streams *st,
        const struct shuffle_source *source, struct shuffle_wire_sinks *sinks)
{
    const struct shuffle_stage *stage = source->stage;
    struct bytes name = shuffle_stage_name(stage);

    *sinks = (struct shuffle_wire_sinks){0};
    take_if_newer(st, stage, &source->hint_sinks, sinks);
    for (const struct shuffle_source *s = st->sources; s != NULL; s = s->next) {
        if (s->stage == stage && shuffle_source_counts(s)) {
            struct shuffle_wire_sinks own = shuffle_place_sinks(&s->place);

            take_if_newer(st, stage, &own, sinks);
        }
    }
    for (size_t i = 0; i < st->members.count; i++) {
        const struct shuffle_known *known = &st->members.items[i];
        const struct shuffle_member_place *place =
                shuffle_known_place(known, name);

        if (place != NULL && shuffle_members_is_usable(known)) {
            take_if_newer(st, stage, &place->sinks, sinks);
        }
    }
    return sinks->packed.size > 0;
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

/* ---- offering it ---- */

void shuffle_offer_close(
        struct shuffle_streams *st, struct shuffle_source *source)
{
    if (!source->has_place) {
        return;
    }
    for (size_t i = 0; i < source->streams_count; i++) {
        shuffle_outstream_free(st, source->streams[i]);
    }
    free(source->streams);
    source->streams = NULL;
    source->streams_count = 0;
    shuffle_place_close(&source->place);
    source->has_place = false;
}

void shuffle_offer_publish(
        struct shuffle_streams *st, const struct shuffle_stage *stage)
{
    struct shuffle_streams_action action = {
            .type = SHUFFLE_STREAMS_PUBLISH_PLACE,
            .stage = shuffle_stage_name(stage)};
    struct writer w = writer_of(st->scratch, st->scratch_capacity);
    const struct shuffle_source *source = NULL;

    for (const struct shuffle_source *s = st->sources; s != NULL; s = s->next) {
        if (s->stage == stage && shuffle_source_counts(s) &&
                (source == NULL || s->place.epoch > source->place.epoch)) {
            source = s;
        }
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

void shuffle_offer_withdraw(struct shuffle_streams *st,
        struct shuffle_source *source, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(source->obstacle, sizeof(source->obstacle), format, args);
    va_end(args);
    for (size_t i = 0; i < source->streams_count; i++) {
        shuffle_outstream_fail(st, source->streams[i], SHUFFLE_FAIL_NOT_STARTED,
                "another sink is not ready");
    }
    shuffle_offer_close(st, source);
    source->state = SHUFFLE_SOURCE_WAITING;
    source->try_ms = shuffle_offer_retry_ms(st);
}

/* One for each sink of the placement; false: there is no memory. */
static bool make_streams(
        struct shuffle_streams *st, struct shuffle_source *source)
{
    size_t count = source->place.sinks_count;

    source->streams = calloc(count, sizeof(struct shuffle_outstream *));
    for (size_t i = 0; source->streams != NULL && i < count; i++) {
        struct shuffle_sink_id id = shuffle_place_sink(&source->place, i);
        struct shuffle_outstream *out = shuffle_outstream_new(st, source, &id);

        if (out == NULL) {
            return false;
        }
        shuffle_offer_patience(st, out);
        source->streams[source->streams_count++] = out;
    }
    return source->streams != NULL;
}

void shuffle_offer_patience(
        struct shuffle_streams *st, struct shuffle_outstream *out)
{
    out->give_up_ms = st->now_ms + 3 * st->options.connect_timeout_ms;
    shuffle_streams_arm(st, out->give_up_ms);
}

uint64_t shuffle_offer_retry_ms(struct shuffle_streams *st)
{
    uint64_t at_ms = st->now_ms + RETRY_MIN_MS +
                     prng_below(&st->prng, RETRY_MAX_MS - RETRY_MIN_MS + 1);

    shuffle_streams_arm(st, at_ms);
    return at_ms;
}

static void offer(struct shuffle_streams *st, struct shuffle_source *source,
        const struct shuffle_wire_sinks *sinks)
{
    source->try_ms = st->now_ms + RETRY_MAX_MS;
    if (shuffle_place_init(&source->place, st->options.vnodes, 0, sinks) != 0) {
        shuffle_streams_arm(st, source->try_ms);
        return;
    }
    source->has_place = true;
    source->state = SHUFFLE_SOURCE_OPENING;
    if (!make_streams(st, source)) {
        shuffle_offer_close(st, source);
        source->state = SHUFFLE_SOURCE_WAITING;
        shuffle_streams_arm(st, source->try_ms);
        return;
    }
    for (size_t i = 0; i < source->streams_count; i++) {
        shuffle_outstream_offer(st, source->streams[i]);
    }
}

void shuffle_offer_consider(
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
    shuffle_offer_publish(st, source->stage);
    st->has_facts = true;
    shuffle_tell_state(st, source->client, SHUFFLE_STATE_ATTACHED, "");
    shuffle_cut_source_counts(st, source);
    shuffle_route_resume(st, source);
}

static bool is_all_open(const struct shuffle_source *source)
{
    for (size_t i = 0; i < source->streams_count; i++) {
        if (source->streams[i]->state != SHUFFLE_OUT_OPEN) {
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

static void take_refusal(struct shuffle_streams *st,
        struct shuffle_outstream *out, const struct shuffle_wire_opened *opened)
{
    struct shuffle_source *source = out->source;
    unsigned long long node = out->sink.node;

    shuffle_outstream_unlink(st, out); /* it hears no FAIL 1 */
    switch ((enum shuffle_opened_code)opened->code) {
    case SHUFFLE_OPENED_NO_SINK:
        shuffle_offer_withdraw(
                st, source, "node %llu has no sink for it now", node);
        break;
    case SHUFFLE_OPENED_OTHER_PLACEMENT:
        take_hint(source, &opened->sinks);
        shuffle_offer_withdraw(
                st, source, "at node %llu another placement is in force", node);
        break;
    case SHUFFLE_OPENED_FULL:
        shuffle_offer_withdraw(
                st, source, "node %llu has no memory for it now", node);
        break;
    case SHUFFLE_OPENED_FORMAT:
        refuse_format(st, out);
        break;
    case SHUFFLE_OPENED_OK:
        assert(false);
    }
}

bool shuffle_offer_answered(struct shuffle_streams *st,
        struct shuffle_outstream *out, const struct shuffle_wire_opened *opened)
{
    if (opened->code != SHUFFLE_OPENED_OK) {
        take_refusal(st, out, opened);
        return true;
    }
    if (opened->next != 0) {
        return false;
    }
    out->state = SHUFFLE_OUT_OPEN;
    out->was_open = true;
    out->limit_bytes = opened->limit;
    shuffle_cut_stream_opened(st, out);
    if (is_all_open(out->source)) {
        count_in(st, out->source);
    }
    return true;
}

void shuffle_offer_tick(
        struct shuffle_streams *st, struct shuffle_source *source)
{
    shuffle_offer_consider(st, source);
    if (source->state == SHUFFLE_SOURCE_OPENING) {
        say_offering(st, source);
    }
}
