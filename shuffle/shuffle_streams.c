#include "shuffle/shuffle_streams.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shuffle/shuffle_cuts.h"
#include "shuffle/shuffle_offer.h"
#include "shuffle/shuffle_opening.h"
#include "shuffle/shuffle_record.h"
#include "shuffle/shuffle_rotate.h"
#include "shuffle/shuffle_route.h"
#include "shuffle/shuffle_send.h"

enum {
    /* A placement of SHUFFLE_SINKS_MAX, as rows or as OPEN has it. */
    SCRATCH_BYTES = 256 << 10,
    KEPT_BYTES = 4 << 20, /* of windows' blocks, for the next ones */
};

static_assert(SCRATCH_BYTES >= SHUFFLE_SINKS_MAX * SHUFFLE_SINK_BYTES +
                                       SHUFFLE_OPEN_HEAD_MAX,
        "OPEN fits the scratch memory");
static_assert(
        SCRATCH_BYTES >= SHUFFLE_SINKS_MAX * sizeof(struct shuffle_summary_row),
        "and so does a summary");

struct shuffle_streams_options shuffle_streams_defaults(void)
{
    return (struct shuffle_streams_options){
            .vnodes = 256,
            .window_bytes = 2 << 20,
            .max_frame_bytes = 64 << 20,
            .connect_timeout_ms = 3000,
            .align_timeout_ms = 8000,
            .streams_max = 4096,
    };
}

static void *must(void *memory)
{
    if (memory == NULL) {
        abort();
    }
    return memory;
}

void shuffle_streams_init(struct shuffle_streams *st,
        const struct shuffle_streams_options *options, uint64_t now_ms)
{
    assert(options->id != 0 && options->vnodes > 0);
    assert(options->window_bytes >= SHUFFLE_FIRST_WINDOW_BYTES);
    *st = (struct shuffle_streams){.options = *options,
            .now_ms = now_ms,
            .deadline_ms = UINT64_MAX,
            .scratch_capacity = SCRATCH_BYTES,
            .window_budget = {.max_bytes = SIZE_MAX}};
    prng_init(&st->prng, options->seed);
    shuffle_actions_init(&st->actions);
    shuffle_members_init(&st->members);
    block_pool_init(&st->windows, &st->window_budget, KEPT_BYTES);
    st->scratch = must(malloc(SCRATCH_BYTES));
    st->inner = must(malloc(SCRATCH_BYTES));
}

void shuffle_streams_close(struct shuffle_streams *st)
{
    struct shuffle_sink *sink;

    while (st->sources != NULL) {
        shuffle_source_close(st, st->sources);
    }
    while ((sink = shuffle_stage_next_sink(st, NULL)) != NULL) {
        shuffle_sink_close(st, sink);
    }
    (void)shuffle_instream_forget(st, true);
    shuffle_laminar_close(st);
    shuffle_later_close(&st->later);
    shuffle_cuts_close(&st->cuts);
    shuffle_actions_close(&st->actions);
    shuffle_members_close(&st->members);
    shuffle_stage_close_all(st);
    block_pool_close(&st->windows);
    free(st->scratch);
    free(st->inner);
}

void shuffle_streams_arm(struct shuffle_streams *st, uint64_t at_ms)
{
    if (at_ms < st->deadline_ms) {
        st->deadline_ms = at_ms;
    }
}

void shuffle_streams_recount(struct shuffle_streams *st, uint32_t link)
{
    struct shuffle_streams_action action = {
            .type = SHUFFLE_STREAMS_OPEN_COUNT, .link = link};

    if (link >= SHUFFLE_LINK_SELF_BACK) {
        return;
    }
    for (size_t i = 0; i < SHUFFLE_BUCKETS; i++) {
        for (const struct shuffle_outstream *out = st->out_buckets[i];
                out != NULL; out = out->next_in_bucket) {
            action.count += out->link == link;
        }
        for (const struct shuffle_instream *in = st->in_buckets[i]; in != NULL;
                in = in->next_in_bucket) {
            action.count += in->link == link;
        }
    }
    shuffle_actions_push(&st->actions, &action, bytes_of(NULL, 0));
}

bool shuffle_streams_is_silent(struct shuffle_streams *st, uint64_t node)
{
    const struct shuffle_known *known =
            shuffle_members_find(&st->members, node);
    uint64_t at_ms;

    if (!shuffle_members_is_convicted(&st->members, node)) {
        return false;
    }
    at_ms = known == NULL ? 0 : known->heard_ms + SHUFFLE_SILENCE_MS;
    if (st->now_ms >= at_ms) {
        return true;
    }
    shuffle_streams_arm(st, at_ms);
    return false;
}

/* ---- facts ---- */

/* Sources and sinks look at what is known now. */
static void consider(struct shuffle_streams *st)
{
    struct shuffle_source *next_source;
    struct shuffle_instream *next;

    st->has_facts = false;
    for (struct shuffle_source *s = st->sources; s != NULL; s = next_source) {
        next_source = s->next;
        if (!shuffle_source_judge(st, s)) {
            shuffle_offer_consider(st, s);
        }
    }
    for (struct shuffle_sink *sink = shuffle_stage_next_sink(st, NULL);
            sink != NULL; sink = shuffle_stage_next_sink(st, sink->stage)) {
        for (struct shuffle_instream *in = sink->streams; in != NULL;
                in = next) {
            next = in->next;
            shuffle_instream_judge(st, in);
        }
        shuffle_sink_consider(st, sink);
    }
}

void shuffle_streams_member(struct shuffle_streams *st, uint64_t now_ms,
        const struct shuffle_member *member)
{
    assert(member->id != st->options.id);
    st->now_ms = now_ms;
    shuffle_members_set(&st->members, member);
    st->has_facts = true;
}

void shuffle_streams_member_gone(
        struct shuffle_streams *st, uint64_t now_ms, uint64_t id)
{
    st->now_ms = now_ms;
    shuffle_members_forget(&st->members, id);
    st->has_facts = true;
}

void shuffle_streams_heard(
        struct shuffle_streams *st, uint64_t id, uint64_t heard_ms)
{
    struct shuffle_known *known = shuffle_members_find(&st->members, id);

    if (known != NULL && heard_ms > known->heard_ms) {
        known->heard_ms = heard_ms;
    }
}

static void streams_up(struct shuffle_streams *st, uint64_t peer)
{
    for (struct shuffle_source *s = st->sources; s != NULL; s = s->next) {
        for (size_t i = 0; i < s->streams_count; i++) {
            if (s->streams[i]->sink.node == peer) {
                shuffle_source_link_up(st, s->streams[i]);
            }
        }
    }
}

/* The first stream of the source that runs on that link, or NULL. */
static struct shuffle_outstream *stream_on(
        const struct shuffle_source *source, uint32_t link)
{
    for (size_t i = 0; i < source->streams_count; i++) {
        if (source->streams[i]->link == link) {
            return source->streams[i];
        }
    }
    return NULL;
}

static void streams_down(struct shuffle_streams *st, uint32_t link)
{
    struct shuffle_source *next;

    for (struct shuffle_source *s = st->sources; s != NULL; s = next) {
        struct shuffle_outstream *out;

        next = s->next;
        while ((out = stream_on(s, link)) != NULL) {
            shuffle_source_link_down(st, out);
        }
    }
}

static void instreams_down(struct shuffle_streams *st, uint32_t link)
{
    for (struct shuffle_sink *sink = shuffle_stage_next_sink(st, NULL);
            sink != NULL; sink = shuffle_stage_next_sink(st, sink->stage)) {
        for (struct shuffle_instream *in = sink->streams; in != NULL;
                in = in->next) {
            if (in->link == link) {
                shuffle_instream_link_down(st, in);
            }
        }
    }
}

/* The peer has said which generation it is: its older sources are lost. */
static void instreams_outdated(
        struct shuffle_streams *st, uint64_t peer, uint64_t generation)
{
    for (struct shuffle_sink *sink = shuffle_stage_next_sink(st, NULL);
            sink != NULL; sink = shuffle_stage_next_sink(st, sink->stage)) {
        for (struct shuffle_instream *in = sink->streams; in != NULL;
                in = in->next) {
            if (in->source.node == peer && in->source.generation < generation &&
                    in->state == SHUFFLE_IN_OPEN) {
                shuffle_instream_lose(st, in);
            }
        }
    }
}

static void set_link(struct shuffle_streams *st, uint64_t peer, uint32_t link)
{
    struct shuffle_known *known = shuffle_members_entry(&st->members, peer);
    uint32_t before = known->link;

    if (before != 0 && before != link) {
        known->link = 0;
        streams_down(st, before);
        shuffle_cut_link_down(st, peer);
    }
    known->link = link;
    streams_up(st, peer);
}

void shuffle_streams_link_up(struct shuffle_streams *st, uint64_t now_ms,
        uint32_t link, uint64_t peer, uint64_t generation, bool outgoing)
{
    struct shuffle_known *known;

    assert(link != 0 && link < SHUFFLE_LINK_SELF_BACK);
    st->now_ms = now_ms;
    instreams_outdated(st, peer, generation);
    if (outgoing) {
        set_link(st, peer, link);
    }
    known = shuffle_members_find(&st->members, peer);
    if (known == NULL) {
        return; /* it connected to us, and gossip does not know it yet */
    }
    known->heard_ms = now_ms;
    if (generation > known->newest) {
        known->newest = generation;
        st->has_facts = true;
    }
}

static struct shuffle_known *known_by_link(
        const struct shuffle_streams *st, uint32_t link)
{
    for (size_t i = 0; i < st->members.count; i++) {
        if (st->members.items[i].link == link) {
            return &st->members.items[i];
        }
    }
    return NULL;
}

void shuffle_streams_link_down(
        struct shuffle_streams *st, uint64_t now_ms, uint32_t link)
{
    struct shuffle_known *known = known_by_link(st, link);
    uint64_t peer;

    st->now_ms = now_ms;
    if (known == NULL) {
        shuffle_later_link_down(st, link);
        shuffle_laminar_link_down(st, link);
        instreams_down(st, link);
        return;
    }
    peer = known->facts.id;
    known->link = 0;
    known->heard_ms = now_ms;
    if (!known->is_member) {
        shuffle_members_forget(&st->members, known->facts.id);
    }
    streams_down(st, link);
    shuffle_cut_link_down(st, peer);
    st->has_facts = true;
}

void shuffle_streams_unreachable(struct shuffle_streams *st, uint64_t now_ms,
        uint64_t peer, const char *text)
{
    st->now_ms = now_ms;
    for (struct shuffle_source *s = st->sources; s != NULL; s = s->next) {
        size_t at = s->has_place ? shuffle_place_find(&s->place, peer) : 0;

        if (s->has_place && at < s->place.sinks_count) {
            shuffle_source_unreachable(st, s->streams[at], text);
        }
    }
}

/* ---- frames ---- */

static bool to_sink_mark(struct shuffle_streams *st, uint32_t link,
        uint64_t peer, const struct shuffle_wire_mark *mark)
{
    struct shuffle_instream *in = shuffle_instream_find(st, link, mark->stream);

    if (in != NULL) {
        return shuffle_instream_mark(st, in, mark);
    }
    if ((mark->flags & SHUFFLE_FLAG_DRAIN) == 0) {
        shuffle_cut_stray_mark(st, peer, mark);
    }
    return true;
}

/* Towards our sinks. Frames of a stream that has ended here are late, not
 * wrong. */
static bool to_sink(struct shuffle_streams *st, uint32_t link, uint64_t peer,
        uint8_t tag, struct bytes payload)
{
    struct shuffle_instream *in;
    struct shuffle_wire_data data;
    struct shuffle_wire_mark mark;
    struct shuffle_wire_fail fail;

    switch (tag) {
    case SHUFFLE_TAG_OPEN:
        return shuffle_opening_take(st, link, peer, payload);
    case SHUFFLE_TAG_DATA:
        if (!shuffle_wire_decode_data(payload, &data)) {
            return false;
        }
        in = shuffle_instream_find(st, link, data.stream);
        return in == NULL || shuffle_instream_data(st, in, &data);
    case SHUFFLE_TAG_MARK:
        if (!shuffle_wire_decode_mark(payload, &mark)) {
            return false;
        }
        return to_sink_mark(st, link, peer, &mark);
    case SHUFFLE_TAG_FAIL:
        if (!shuffle_wire_decode_fail(payload, &fail)) {
            return false;
        }
        in = shuffle_instream_find(st, link, fail.stream);
        if (in != NULL) {
            shuffle_instream_fail(st, in, &fail);
        } else {
            (void)shuffle_later_forget(st, link, fail.stream);
        }
        return true;
    default:
        return false;
    }
}

/* Back to our sources. */
static bool to_source(struct shuffle_streams *st, uint32_t link, uint8_t tag,
        struct bytes payload)
{
    struct shuffle_outstream *out;
    struct shuffle_wire_opened opened;
    struct shuffle_wire_grant grant;
    struct shuffle_wire_done done;
    struct shuffle_wire_fail fail;

    switch (tag) {
    case SHUFFLE_TAG_OPENED:
        if (!shuffle_wire_decode_opened(payload, &opened)) {
            return false;
        }
        out = shuffle_outstream_find(st, link, opened.stream);
        return out == NULL || shuffle_source_opened(st, out, &opened);
    case SHUFFLE_TAG_GRANT:
        if (!shuffle_wire_decode_grant(payload, &grant)) {
            return false;
        }
        out = shuffle_outstream_find(st, link, grant.stream);
        return out == NULL || shuffle_source_granted(st, out, &grant);
    case SHUFFLE_TAG_DONE:
        if (!shuffle_wire_decode_done(payload, &done)) {
            return false;
        }
        out = shuffle_outstream_find(st, link, done.stream);
        return out == NULL || shuffle_source_done(st, out, &done);
    case SHUFFLE_TAG_FAIL:
        if (!shuffle_wire_decode_fail(payload, &fail)) {
            return false;
        }
        out = shuffle_outstream_find(st, link, fail.stream);
        return out == NULL || shuffle_source_failed(st, out, &fail);
    default:
        return false;
    }
}

bool shuffle_streams_receive(struct shuffle_streams *st, uint64_t now_ms,
        uint32_t link, uint64_t peer, uint8_t tag, struct bytes payload)
{
    struct shuffle_known *known = shuffle_members_find(&st->members, peer);

    st->now_ms = now_ms;
    if (known != NULL) {
        known->heard_ms = now_ms;
    }
    return known != NULL && known->link == link
                   ? to_source(st, link, tag, payload)
                   : to_sink(st, link, peer, tag, payload);
}

/* A frame or block that we send to ourselves. */
static void deliver_own(
        struct shuffle_streams *st, const struct shuffle_streams_action *action)
{
    struct bytes payload = bytes_of(st->inner, action->payload.size);
    bool is_fine;

    st->is_unsettled = true;
    if (action->type == SHUFFLE_STREAMS_BLOCK) {
        struct shuffle_instream *in = shuffle_instream_find(
                st, SHUFFLE_LINK_SELF_BACK, action->count);

        if (in == NULL) {
            block_free(action->block);
        } else {
            shuffle_instream_block(st, in, action->block);
        }
        return;
    }
    assert(payload.size <= st->scratch_capacity);
    memcpy(st->inner, action->payload.data, action->payload.size);
    if (action->link == SHUFFLE_LINK_SELF) {
        is_fine = to_sink(st, SHUFFLE_LINK_SELF_BACK, st->options.id,
                action->tag, payload);
    } else {
        is_fine = to_source(st, SHUFFLE_LINK_SELF, action->tag, payload);
    }
    assert(is_fine);
    (void)is_fine;
}

/* ---- local programs ---- */

/* NULL, or why the program may not attach; `text` is room for it. */
static const char *objection(const struct shuffle_streams *st,
        const struct shuffle_wire_attach *attach,
        char text[static SHUFFLE_SENTENCE_BYTES])
{
    if (st->drain_at_ms != 0) {
        return "the node is draining";
    }
    if (!shuffle_wire_is_stage(attach->stage)) {
        return "a stage is named with 1 to 64 letters, digits, dots, dashes "
               "and underscores";
    }
    if (!shuffle_record_is_format(attach->format)) {
        (void)snprintf(text, SHUFFLE_SENTENCE_BYTES,
                "there is no record format %u: 1 to 3 exist", attach->format);
        return text;
    }
    if ((attach->format == SHUFFLE_FORMAT_LAMINAR) !=
            bytes_equal_text(attach->stage, "laminar")) {
        return "the stage laminar takes records of format 3, and no other "
               "stage does";
    }
    return NULL;
}

void shuffle_streams_attach(struct shuffle_streams *st, uint64_t now_ms,
        uint32_t client, const struct shuffle_wire_attach *attach)
{
    char text[SHUFFLE_SENTENCE_BYTES];
    const char *why = objection(st, attach, text);

    st->now_ms = now_ms;
    assert(client != 0 && shuffle_source_find(st, client) == NULL &&
            shuffle_sink_find(st, client) == NULL);
    if (why != NULL) {
        shuffle_tell_refused(st, client, why);
    } else if (attach->format == SHUFFLE_FORMAT_LAMINAR) {
        shuffle_laminar_attach(st, client, attach);
    } else if (attach->role == SHUFFLE_ROLE_SOURCE) {
        shuffle_source_attach(st, client, attach);
    } else {
        shuffle_sink_attach(st, client, attach);
    }
}

static bool from_source(struct shuffle_streams *st,
        struct shuffle_source *source, uint8_t tag, struct bytes payload)
{
    struct shuffle_wire_fail fail;

    switch (tag) {
    case SHUFFLE_TAG_DATA:
        return shuffle_route_data(st, source, payload);
    case SHUFFLE_TAG_MARK:
        return shuffle_route_mark(st, source, payload);
    case SHUFFLE_TAG_FAIL:
        if (!shuffle_wire_decode_fail(payload, &fail)) {
            return false;
        }
        shuffle_source_give_up(st, source);
        return true;
    default:
        return false;
    }
}

static bool from_sink(struct shuffle_streams *st, struct shuffle_sink *sink,
        uint8_t tag, struct bytes payload)
{
    uint32_t client = sink->client;
    struct shuffle_wire_fail fail;

    switch (tag) {
    case SHUFFLE_TAG_GRANT:
        return shuffle_sink_granted(st, sink, payload);
    case SHUFFLE_TAG_DONE:
        return shuffle_sink_done(st, sink, payload);
    case SHUFFLE_TAG_MARK:
        return shuffle_cut_echoed(st, sink, payload);
    case SHUFFLE_TAG_FAIL:
        if (!shuffle_wire_decode_fail(payload, &fail)) {
            return false;
        }
        shuffle_sink_abandon(st, sink);
        shuffle_tell_close(st, client);
        return true;
    default:
        return false;
    }
}

bool shuffle_streams_client(struct shuffle_streams *st, uint64_t now_ms,
        uint32_t client, uint8_t tag, struct bytes payload)
{
    struct shuffle_source *source = shuffle_source_find(st, client);
    struct shuffle_sink *sink = shuffle_sink_find(st, client);

    st->now_ms = now_ms;
    if (source != NULL) {
        return from_source(st, source, tag, payload);
    }
    if (sink != NULL) {
        return from_sink(st, sink, tag, payload);
    }
    if (shuffle_laminar_has(&st->laminar, client)) {
        return shuffle_laminar_client(st, client, tag, payload);
    }
    return true; /* it has ended, and does not know yet */
}

void shuffle_streams_client_gone(
        struct shuffle_streams *st, uint64_t now_ms, uint32_t client)
{
    struct shuffle_source *source = shuffle_source_find(st, client);
    struct shuffle_sink *sink = shuffle_sink_find(st, client);

    st->now_ms = now_ms;
    if (source != NULL) {
        shuffle_source_abandon(st, source);
    }
    if (sink != NULL) {
        shuffle_sink_abandon(st, sink);
    }
    shuffle_laminar_client_gone(st, client);
}

bool shuffle_streams_laminar(struct shuffle_streams *st, uint64_t now_ms,
        uint32_t link, uint64_t peer,
        const struct shuffle_wire_vnode_data *data, struct block *own)
{
    st->now_ms = now_ms;
    return shuffle_laminar_received(st, link, peer, data, own);
}

void shuffle_streams_laminar_sent(struct shuffle_streams *st, uint64_t now_ms,
        uint32_t client, int code, const char *text)
{
    st->now_ms = now_ms;
    shuffle_laminar_sent(st, client, code, text);
}

void shuffle_streams_laminar_lost(struct shuffle_streams *st, uint64_t now_ms,
        uint64_t peer, const struct shuffle_laminar_loss *loss,
        const char *text)
{
    const struct shuffle_cut_peer *listed = shuffle_cut_peer(st, peer);

    st->now_ms = now_ms;
    shuffle_laminar_lost(st, peer, loss, text);
    if (listed != NULL && !listed->speaks_weft) {
        shuffle_cut_link_down(st, peer);
    }
}

/* ---- turns and time ---- */

static void flush_sources(struct shuffle_streams *st)
{
    struct shuffle_outstream *dirty;

    for (struct shuffle_source *s = st->sources; s != NULL; s = s->next) {
        shuffle_route_resume(st, s);
    }
    dirty = st->dirty;
    st->dirty = NULL; /* one that finds no memory is touched for later */
    while (dirty != NULL) {
        struct shuffle_outstream *out = dirty;

        dirty = out->next_dirty;
        out->is_dirty = false;
        shuffle_outstream_flush(st, out);
    }
}

static void flush_sinks(struct shuffle_streams *st)
{
    const struct shuffle_stage *next;

    for (const struct shuffle_stage *s = st->stages; s != NULL; s = next) {
        next = s->next;
        if (s->sink != NULL) {
            shuffle_sink_flush(st, s->sink);
        }
    }
}

static void settle(struct shuffle_streams *st)
{
    st->is_unsettled = false;
    shuffle_cut_clear(st);
    if (st->has_facts) {
        consider(st);
    }
    flush_sources(st);
    shuffle_cut_align(st);
    flush_sinks(st);
    shuffle_laminar_flush(st);
    shuffle_cut_finish(st);
}

void shuffle_streams_flush(struct shuffle_streams *st, uint64_t now_ms)
{
    st->now_ms = now_ms;
    settle(st);
}

static void drain_programs(struct shuffle_streams *st, bool is_over)
{
    struct shuffle_source *next_source;
    const struct shuffle_stage *next;

    for (struct shuffle_source *s = st->sources; s != NULL; s = next_source) {
        next_source = s->next;
        shuffle_source_drain(st, s, is_over);
    }
    for (const struct shuffle_stage *s = st->stages; s != NULL; s = next) {
        next = s->next;
        if (s->sink != NULL) {
            shuffle_sink_drain(st, s->sink, is_over);
        }
    }
}

void shuffle_streams_drain(
        struct shuffle_streams *st, uint64_t now_ms, uint64_t until_ms)
{
    st->now_ms = now_ms;
    if (st->drain_at_ms != 0) {
        return;
    }
    st->drain_at_ms = until_ms;
    shuffle_streams_arm(st, st->drain_at_ms);
    drain_programs(st, false);
    shuffle_laminar_end(st, SHUFFLE_FAIL_DRAINING, "the node is leaving");
}

/* ---- after a long sleep ---- */

void shuffle_streams_doubt(
        struct shuffle_streams *st, uint64_t now_ms, bool in_doubt)
{
    st->now_ms = now_ms;
    st->is_in_doubt = in_doubt;
    st->is_unsettled = true;
}

void shuffle_streams_buried(struct shuffle_streams *st, uint64_t now_ms)
{
    struct shuffle_sink *sink;
    char what[SHUFFLE_SENTENCE_BYTES];

    st->now_ms = now_ms;
    st->is_in_doubt = false;
    (void)snprintf(what, sizeof(what), "node %llu was taken for dead",
            (unsigned long long)st->options.id);
    while (st->sources != NULL) {
        shuffle_source_lose(st, st->sources, what);
    }
    while ((sink = shuffle_stage_next_sink(st, NULL)) != NULL) {
        shuffle_sink_bury(st, sink);
    }
    shuffle_laminar_end(
            st, SHUFFLE_FAIL_NODE_LOST, "the node was taken for dead");
    st->is_unsettled = true;
}

bool shuffle_streams_is_idle(const struct shuffle_streams *st)
{
    return st->sources == NULL && shuffle_stage_next_sink(st, NULL) == NULL &&
           st->laminar.sink_client == 0 && st->laminar.sources_count == 0;
}

void shuffle_streams_generation(struct shuffle_streams *st, uint64_t generation)
{
    assert(shuffle_streams_is_idle(st));
    st->options.generation = generation;
}

static void tick_drain(struct shuffle_streams *st)
{
    if (st->drain_at_ms == 0) {
        return;
    }
    if (st->now_ms >= st->drain_at_ms) {
        drain_programs(st, true);
        return;
    }
    shuffle_streams_arm(st, st->drain_at_ms);
}

void shuffle_streams_tick(struct shuffle_streams *st, uint64_t now_ms)
{
    struct shuffle_source *next;

    st->now_ms = now_ms;
    if (now_ms < st->deadline_ms) {
        return;
    }
    st->deadline_ms = UINT64_MAX;
    tick_drain(st);
    consider(st);
    for (struct shuffle_source *s = st->sources; s != NULL; s = next) {
        next = s->next;
        shuffle_offer_tick(st, s);
        shuffle_rotate_tick(st, s);
    }
    shuffle_streams_arm(st, shuffle_instream_forget(st, false));
    shuffle_cut_expire(st);
    shuffle_laminar_expire(st);
    settle(st);
}

uint64_t shuffle_streams_deadline_ms(const struct shuffle_streams *st)
{
    return st->deadline_ms;
}

static bool is_own(const struct shuffle_streams_action *action)
{
    return (action->type == SHUFFLE_STREAMS_FRAME ||
                   action->type == SHUFFLE_STREAMS_BLOCK) &&
           action->link >= SHUFFLE_LINK_SELF_BACK;
}

bool shuffle_streams_next(
        struct shuffle_streams *st, struct shuffle_streams_action *action)
{
    for (;;) {
        if (shuffle_actions_pop(&st->actions, action)) {
            if (!is_own(action)) {
                return true;
            }
            deliver_own(st, action);
        } else if (st->is_unsettled) {
            settle(st);
        } else {
            return false;
        }
    }
}

void shuffle_streams_check(const struct shuffle_streams *st)
{
    size_t streams = 0;
    size_t reserved = 0;
    size_t ended = 0;

    for (const struct shuffle_source *s = st->sources; s != NULL; s = s->next) {
        shuffle_source_check(st, s);
    }
    for (const struct shuffle_sink *sink = shuffle_stage_next_sink(st, NULL);
            sink != NULL; sink = shuffle_stage_next_sink(st, sink->stage)) {
        shuffle_sink_check(sink);
        assert(sink->cut != SHUFFLE_SINK_CUT_PENDING || !sink->is_marked);
        for (const struct shuffle_instream *in = sink->streams; in != NULL;
                in = in->next) {
            streams++;
            reserved += in->reserved_bytes;
        }
    }
    for (const struct shuffle_instream *in = st->ended; in != NULL;
            in = in->next) {
        assert(in->link == 0 && in->waiting.head == NULL);
        ended++;
    }
    assert(streams == st->instreams_count);
    assert(ended == st->ended_count && ended <= SHUFFLE_ENDED_MAX);
    assert(reserved <= st->options.budget->used_bytes);
    shuffle_cuts_check(st);
}
