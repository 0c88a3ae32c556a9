/* One node's streams and a peer that a test speaks for, frame by frame: what a
 * peer may not say, and what is said to it (docs/wire.md, "Streams"). */
#include "shuffle/shuffle_streams.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shuffle/shuffle_place.h"

enum {
    US = 9,
    OUR_GENERATION = 900,
    PEER = 7,
    PEER_GENERATION = 700,
    IN = 5, /* the link that the peer made */
    OUT = 6, /* and the one that we made */
    SINK = 1, /* our programs */
    SOURCE = 2,
    BUDGET = 64 << 20,
    TAGS = 0x50,
};

struct fixture {
    struct budget budget;
    struct block_pool blocks;
    struct shuffle_streams st;
    uint64_t now_ms;
    unsigned sent[TAGS]; /* frames to the peer by tag, since `forget` */
    unsigned told[TAGS]; /* frames to our programs */
    unsigned blocks_sent;
    struct shuffle_wire_open open; /* the latest of each */
    size_t open_sinks; /* of its placement; the rest of it is gone */
    struct shuffle_wire_opened opened;
    struct shuffle_wire_grant grant;
    struct shuffle_wire_fail fail;
    char told_text[512]; /* of the latest FAIL */
    bool closed; /* a program was */
    bool wanted;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct shuffle_streams_options options = shuffle_streams_defaults();

    assert_non_null(f);
    f->budget.max_bytes = BUDGET;
    block_pool_init(&f->blocks, &f->budget, 1 << 20);
    options.id = US;
    options.generation = OUR_GENERATION;
    options.max_frame_bytes = 1 << 20;
    options.streams_max = 4;
    options.blocks = &f->blocks;
    options.budget = &f->budget;
    shuffle_streams_init(&f->st, &options, 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    shuffle_streams_close(&f->st);
    block_pool_close(&f->blocks);
    assert_int_equal(f->budget.used_bytes, 0);
    free(f);
    return 0;
}

static void note_sent(struct fixture *f, const struct shuffle_streams_action *a)
{
    f->sent[a->tag]++;
    switch (a->tag) {
    case SHUFFLE_TAG_OPEN:
        assert_true(shuffle_wire_decode_open(a->payload, &f->open));
        f->open_sinks = shuffle_wire_sinks_count(&f->open.sinks);
        break;
    case SHUFFLE_TAG_OPENED:
        assert_true(shuffle_wire_decode_opened(a->payload, &f->opened));
        break;
    case SHUFFLE_TAG_GRANT:
        assert_true(shuffle_wire_decode_grant(a->payload, &f->grant));
        break;
    case SHUFFLE_TAG_FAIL:
        assert_true(shuffle_wire_decode_fail(a->payload, &f->fail));
        break;
    default:
        break;
    }
}

static void note_told(struct fixture *f, const struct shuffle_streams_action *a)
{
    struct shuffle_wire_fail fail;

    f->told[a->tag]++;
    if (a->tag == SHUFFLE_TAG_FAIL) {
        assert_true(shuffle_wire_decode_fail(a->payload, &fail));
        (void)snprintf(f->told_text, sizeof(f->told_text), "%.*s",
                (int)fail.text.size, (const char *)fail.text.data);
    }
}

static void turn(struct fixture *f)
{
    struct shuffle_streams_action a;

    shuffle_streams_flush(&f->st, f->now_ms);
    while (shuffle_streams_next(&f->st, &a)) {
        switch (a.type) {
        case SHUFFLE_STREAMS_FRAME:
            note_sent(f, &a);
            break;
        case SHUFFLE_STREAMS_BLOCK:
            f->blocks_sent++;
            block_free(a.block);
            break;
        case SHUFFLE_STREAMS_CLIENT_FRAME:
            note_told(f, &a);
            break;
        case SHUFFLE_STREAMS_CLIENT_BLOCK:
            block_free(a.block);
            break;
        case SHUFFLE_STREAMS_CLIENT_CLOSE:
            f->closed = true;
            break;
        case SHUFFLE_STREAMS_WANT:
            f->wanted = true;
            break;
        default:
            break;
        }
    }
    shuffle_streams_check(&f->st);
}

static void forget(struct fixture *f)
{
    memset(f->sent, 0, sizeof(f->sent));
    memset(f->told, 0, sizeof(f->told));
}

static void attach(struct fixture *f, uint32_t client, uint8_t role)
{
    const struct shuffle_wire_attach attach = {
            role, 1, 1, {(const uint8_t *)"words", 5}};

    shuffle_streams_attach(&f->st, f->now_ms, client, &attach);
    turn(f);
}

/* Every verdict is one of `receive`; a frame that is refused changes nothing
 * that the core's own check would find. */
static bool say(
        struct fixture *f, uint32_t link, uint8_t tag, const struct writer *w)
{
    bool is_allowed;

    assert_false(w->failed);
    is_allowed = shuffle_streams_receive(
            &f->st, f->now_ms, link, PEER, tag, writer_bytes(w));
    turn(f);
    return is_allowed;
}

/* ---- towards our sink ---- */

struct offer {
    uint32_t stream;
    uint64_t source_node;
    uint32_t source;
    uint64_t generation; /* that our sink is said to have */
    uint64_t number;
    uint64_t other; /* another sink node of the placement, 0 = none */
    uint64_t id_off_by; /* from the right placement id */
};

static struct offer offer_of(uint32_t stream, uint32_t source)
{
    return (struct offer){stream, PEER, source, OUR_GENERATION, 1, 0, 0};
}

static bool say_open(struct fixture *f, const struct offer *o)
{
    const struct shuffle_sink_id ours = {US, o->generation, o->number};
    const struct shuffle_sink_id other = {o->other, 1, 1};
    uint8_t sinks[2 * SHUFFLE_SINK_BYTES];
    uint8_t payload[256];
    struct writer s = writer_of(sinks, sizeof(sinks));
    struct writer w = writer_of(payload, sizeof(payload));
    struct shuffle_wire_open open = {.stream = o->stream,
            .source = {o->source_node, PEER_GENERATION, o->source},
            .format = 1,
            .stage = bytes_text("words")};

    shuffle_wire_put_sink(&s, &ours);
    if (o->other != 0) {
        shuffle_wire_put_sink(&s, &other);
    }
    open.sinks.packed = writer_bytes(&s);
    open.placement_id = shuffle_place_id(256, 0, &open.sinks) + o->id_off_by;
    shuffle_wire_encode_open(&w, &open);
    return say(f, IN, SHUFFLE_TAG_OPEN, &w);
}

/* Our sink, and the peer's stream 1 to it. */
static void begin_in(struct fixture *f)
{
    struct offer offer = offer_of(1, 1);

    shuffle_streams_link_up(
            &f->st, f->now_ms, IN, PEER, PEER_GENERATION, false);
    attach(f, SINK, SHUFFLE_ROLE_SINK);
    assert_true(say_open(f, &offer));
    assert_int_equal(f->opened.code, SHUFFLE_OPENED_OK);
    forget(f);
}

/* Records of `size` bytes each. */
static bool say_data(struct fixture *f, uint32_t link, uint32_t stream,
        uint64_t first, size_t count, size_t size)
{
    size_t room = SHUFFLE_DATA_HEAD_BYTES + count * (4 + size);
    uint8_t *payload = calloc(1, room + 1);
    struct writer w = writer_of(payload, room);
    bool is_allowed;

    assert_non_null(payload);
    shuffle_wire_encode_data_head(&w, stream, first);
    for (size_t i = 0; i < count; i++) {
        writer_u32le(&w, (uint32_t)size);
        w.size += size;
    }
    is_allowed = say(f, link, SHUFFLE_TAG_DATA, &w);
    free(payload);
    return is_allowed;
}

static bool say_mark(struct fixture *f, uint64_t next)
{
    const struct shuffle_wire_mark mark = {
            .stream = 1, .next = next, .flags = SHUFFLE_FLAG_DRAIN};
    uint8_t payload[SHUFFLE_MARK_BYTES];
    struct writer w = writer_of(payload, sizeof(payload));

    shuffle_wire_encode_mark(&w, &mark);
    return say(f, IN, SHUFFLE_TAG_MARK, &w);
}

static void records_out_of_order_are_refused(void **state)
{
    struct fixture *f = *state;

    begin_in(f);
    assert_false(say_data(f, IN, 1, 1, 1, 3));
    assert_true(say_data(f, IN, 1, 0, 2, 3));
    assert_false(say_data(f, IN, 1, 1, 1, 3));
    assert_false(say_data(f, IN, 1, 3, 1, 3));
    assert_true(say_data(f, IN, 1, 2, 1, 3));
}

static void several_records_keep_to_64_kib_and_one_need_not(void **state)
{
    struct fixture *f = *state;

    begin_in(f);
    assert_true(say_data(f, IN, 1, 0, 1, 100000));
    assert_false(say_data(f, IN, 1, 1, 2, 40000));
}

static void a_mark_below_what_came_is_refused(void **state)
{
    struct fixture *f = *state;

    begin_in(f);
    assert_true(say_data(f, IN, 1, 0, 2, 3));
    assert_false(say_mark(f, 1));
}

static void a_second_mark_says_the_same(void **state)
{
    struct fixture *f = *state;

    begin_in(f);
    assert_true(say_mark(f, 2));
    assert_true(say_mark(f, 2));
    assert_false(say_mark(f, 3));
}

static void records_beyond_the_mark_lose_the_source(void **state)
{
    struct fixture *f = *state;

    begin_in(f);
    assert_true(say_mark(f, 1));
    assert_false(say_data(f, IN, 1, 0, 2, 3));
}

static void nothing_comes_behind_what_was_marked(void **state)
{
    struct fixture *f = *state;

    begin_in(f);
    assert_true(say_data(f, IN, 1, 0, 1, 3));
    assert_true(say_mark(f, 1));
    assert_false(say_data(f, IN, 1, 1, 1, 3));
}

static void a_peer_opens_for_its_own_sources_alone(void **state)
{
    struct fixture *f = *state;
    struct offer offer = offer_of(2, 2);

    begin_in(f);
    offer.source_node = 8;
    assert_false(say_open(f, &offer));
    assert_int_equal(f->sent[SHUFFLE_TAG_OPENED], 0);
}

static void a_stream_number_is_used_once(void **state)
{
    struct fixture *f = *state;
    struct offer offer = offer_of(1, 2);

    begin_in(f);
    assert_false(say_open(f, &offer));
}

static const struct {
    const char *name;
    struct offer offer;
    enum shuffle_opened_code code;
} offers[] = {
        {"a sink of an earlier life", {2, PEER, 2, OUR_GENERATION - 1, 1, 0, 0},
                SHUFFLE_OPENED_NO_SINK},
        {"yesterday's sink", {2, PEER, 2, OUR_GENERATION, 7, 0, 0},
                SHUFFLE_OPENED_NO_SINK},
        {"a number that is not the placement's",
                {2, PEER, 2, OUR_GENERATION, 1, 0, 1}, SHUFFLE_OPENED_NO_SINK},
        {"another placement", {2, PEER, 2, OUR_GENERATION, 1, 11, 0},
                SHUFFLE_OPENED_OTHER_PLACEMENT},
        {"the same", {2, PEER, 2, OUR_GENERATION, 1, 0, 0}, SHUFFLE_OPENED_OK},
};

static void an_offer_gets_the_answer_it_deserves(void **state)
{
    struct fixture *f = *state;

    begin_in(f);
    for (size_t i = 0; i < sizeof(offers) / sizeof(offers[0]); i++) {
        print_message("  %s\n", offers[i].name);
        forget(f);
        assert_true(say_open(f, &offers[i].offer));
        assert_int_equal(f->sent[SHUFFLE_TAG_OPENED], 1);
        assert_int_equal(f->opened.code, offers[i].code);
    }
}

static void a_source_that_has_sent_cannot_be_placed_anew(void **state)
{
    struct fixture *f = *state;
    struct offer offer = offer_of(2, 1);

    begin_in(f);
    offer.other = 11;
    assert_true(say_data(f, IN, 1, 0, 1, 3));
    assert_true(say_open(f, &offer));
    assert_int_equal(f->opened.code, SHUFFLE_OPENED_OTHER_PLACEMENT);
    assert_true(say_data(f, IN, 1, 1, 1, 3)); /* the stream goes on */
}

static void streams_have_a_bound(void **state)
{
    struct fixture *f = *state;

    begin_in(f);
    for (uint32_t i = 2; i <= 5; i++) {
        struct offer offer = offer_of(i, i);

        assert_true(say_open(f, &offer));
        assert_int_equal(f->opened.code,
                i <= 4 ? SHUFFLE_OPENED_OK : SHUFFLE_OPENED_FULL);
    }
}

/* What our sink says, which wants one source. */
static bool sink_says(struct fixture *f, uint8_t tag, const struct writer *w)
{
    bool is_allowed;

    assert_false(w->failed);
    is_allowed = shuffle_streams_client(
            &f->st, f->now_ms, SINK, tag, writer_bytes(w));
    turn(f);
    return is_allowed;
}

static void sink_grants(struct fixture *f, uint64_t taken, uint64_t limit)
{
    const struct shuffle_wire_grant grant = {0, taken, limit};
    uint8_t payload[SHUFFLE_GRANT_BYTES];
    struct writer w = writer_of(payload, sizeof(payload));

    shuffle_wire_encode_grant(&w, &grant);
    assert_true(sink_says(f, SHUFFLE_TAG_GRANT, &w));
}

static bool sink_is_done(struct fixture *f, uint64_t taken)
{
    const struct shuffle_wire_done done = {0, taken};
    uint8_t payload[SHUFFLE_DONE_BYTES];
    struct writer w = writer_of(payload, sizeof(payload));

    shuffle_wire_encode_done(&w, &done);
    return sink_says(f, SHUFFLE_TAG_DONE, &w);
}

/* Though it wants one source alone, another that is open holds it. */
static void a_run_is_held_by_every_open_stream(void **state)
{
    struct fixture *f = *state;
    struct offer offer = offer_of(2, 2);
    const struct shuffle_wire_mark mark = {
            .stream = 2, .flags = SHUFFLE_FLAG_DRAIN};
    uint8_t payload[SHUFFLE_MARK_BYTES];
    struct writer w = writer_of(payload, sizeof(payload));

    begin_in(f);
    assert_true(say_open(f, &offer));
    assert_true(say_mark(f, 0));
    assert_int_equal(f->told[SHUFFLE_TAG_MARK], 0);
    shuffle_wire_encode_mark(&w, &mark);
    assert_true(say(f, IN, SHUFFLE_TAG_MARK, &w));
    assert_int_equal(f->told[SHUFFLE_TAG_MARK], 1);
}

static void a_sink_is_done_with_all_or_not_at_all(void **state)
{
    struct fixture *f = *state;

    begin_in(f);
    assert_false(sink_is_done(f, 0));
    sink_grants(f, 0, 1000);
    assert_true(say_data(f, IN, 1, 0, 2, 3));
    assert_true(say_mark(f, 2));
    assert_int_equal(f->told[SHUFFLE_TAG_MARK], 1);
    assert_false(sink_is_done(f, 1));
    assert_true(sink_is_done(f, 2));
    assert_int_equal(f->sent[SHUFFLE_TAG_DONE], 1);
}

/* 600 KB come and are confirmed; the window would double behind that. */
static uint64_t limit_behind_600_kb(struct fixture *f)
{
    begin_in(f);
    sink_grants(f, 0, 10 << 20);
    for (uint64_t first = 0; first < 10; first++) {
        assert_true(say_data(f, IN, 1, first, 1, 60000));
        sink_grants(f, first + 1, 10 << 20);
        turn(f);
        turn(f);
    }
    return f->grant.limit - 10 * 60004;
}

static void a_window_grows(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(limit_behind_600_kb(f), 2 << 20);
}

static void a_window_does_not_grow_into_the_last_frames_room(void **state)
{
    struct fixture *f = *state;

    /* As much as the first window takes, a frame, and a little. */
    f->budget.max_bytes = (512 << 10) + (64 << 10) + (1 << 20) + (400 << 10);
    assert_int_equal(limit_behind_600_kb(f), SHUFFLE_FIRST_WINDOW_BYTES);
}

/* Gossip has not told us of it yet, or no more. */
static void a_newer_greeting_alone_loses_the_older_sources(void **state)
{
    struct fixture *f = *state;

    begin_in(f);
    shuffle_streams_link_up(
            &f->st, f->now_ms, IN + 10, PEER, PEER_GENERATION, false);
    turn(f);
    assert_int_equal(f->told[SHUFFLE_TAG_FAIL], 0);
    shuffle_streams_link_up(
            &f->st, f->now_ms, IN + 11, PEER, PEER_GENERATION + 1, false);
    turn(f);
    assert_int_equal(f->told[SHUFFLE_TAG_FAIL], 1);
    assert_string_equal(
            f->told_text, "source 1 of node 7 was lost after 0 records");
}

/* Sources that end one after another, in thousands. */
static void what_has_ended_is_remembered_up_to_a_bound(void **state)
{
    struct fixture *f = *state;
    const struct shuffle_wire_attach attach = {
            SHUFFLE_ROLE_SINK, 1, 0, {(const uint8_t *)"words", 5}};

    shuffle_streams_link_up(
            &f->st, f->now_ms, IN, PEER, PEER_GENERATION, false);
    shuffle_streams_attach(&f->st, f->now_ms, SINK, &attach);
    turn(f);
    for (uint32_t i = 1; i <= 1000; i++) {
        struct offer offer = offer_of(1, i);

        assert_true(say_open(f, &offer));
        assert_true(say_mark(f, 0));
        assert_int_equal(f->sent[SHUFFLE_TAG_DONE], i);
    }
    assert_int_equal(f->st.ended_count, SHUFFLE_ENDED_MAX);
    f->now_ms += 60000;
    shuffle_streams_tick(&f->st, f->now_ms);
    turn(f);
    assert_int_equal(f->st.ended_count, 0);
}

/* ---- back to our source ---- */

static bool say_opened(struct fixture *f, uint64_t next, uint64_t limit)
{
    const struct shuffle_wire_opened opened = {
            .stream = f->open.stream, .next = next, .limit = limit};
    uint8_t payload[SHUFFLE_OPENED_BYTES];
    struct writer w = writer_of(payload, sizeof(payload));

    shuffle_wire_encode_opened(&w, &opened);
    return say(f, OUT, SHUFFLE_TAG_OPENED, &w);
}

static bool say_grant(struct fixture *f, uint64_t taken, uint64_t limit)
{
    const struct shuffle_wire_grant grant = {f->open.stream, taken, limit};
    uint8_t payload[SHUFFLE_GRANT_BYTES];
    struct writer w = writer_of(payload, sizeof(payload));

    shuffle_wire_encode_grant(&w, &grant);
    return say(f, OUT, SHUFFLE_TAG_GRANT, &w);
}

static bool say_done(struct fixture *f, uint64_t taken)
{
    const struct shuffle_wire_done done = {f->open.stream, taken};
    uint8_t payload[SHUFFLE_DONE_BYTES];
    struct writer w = writer_of(payload, sizeof(payload));

    shuffle_wire_encode_done(&w, &done);
    return say(f, OUT, SHUFFLE_TAG_DONE, &w);
}

static bool say_fail(struct fixture *f, uint64_t taken)
{
    const struct shuffle_wire_fail fail = {
            f->open.stream, taken, SHUFFLE_FAIL_SINK_LEFT, bytes_text("")};
    uint8_t payload[SHUFFLE_FAIL_HEAD_BYTES];
    struct writer w = writer_of(payload, sizeof(payload));

    shuffle_wire_encode_fail(&w, &fail);
    return say(f, OUT, SHUFFLE_TAG_FAIL, &w);
}

static void know_peer(struct fixture *f, uint64_t generation, bool live)
{
    const struct shuffle_member_sink sink = {bytes_text("words"), 1};
    const struct shuffle_member member = {.id = PEER,
            .generation = generation,
            .live = live,
            .active = true,
            .speaks_weft = true,
            .sinks = &sink,
            .sinks_count = 1};

    shuffle_streams_member(&f->st, f->now_ms, &member);
    turn(f);
}

/* Our source, whose OPEN the peer has. */
static void offer_out(struct fixture *f)
{
    know_peer(f, PEER_GENERATION, true);
    shuffle_streams_link_up(
            &f->st, f->now_ms, OUT, PEER, PEER_GENERATION, true);
    attach(f, SOURCE, SHUFFLE_ROLE_SOURCE);
    assert_int_equal(f->sent[SHUFFLE_TAG_OPEN], 1);
}

/* And two records that it has sent. */
static void begin_out(struct fixture *f)
{
    uint8_t payload[SHUFFLE_DATA_HEAD_BYTES + 8] = {0};

    offer_out(f);
    assert_true(say_opened(f, 0, 1000));
    assert_true(shuffle_streams_client(&f->st, f->now_ms, SOURCE,
            SHUFFLE_TAG_DATA, bytes_of(payload, sizeof(payload))));
    turn(f);
    assert_int_equal(f->blocks_sent, 1);
    forget(f);
}

static void a_new_stream_cannot_have_records_already(void **state)
{
    struct fixture *f = *state;

    offer_out(f);
    assert_false(say_opened(f, 1, 1000));
}

static void no_more_is_confirmed_than_was_sent(void **state)
{
    struct fixture *f = *state;

    begin_out(f);
    assert_false(say_grant(f, 3, 1000));
    assert_false(say_fail(f, 3));
    assert_true(say_grant(f, 2, 1000));
}

/* The program gives a frame of that many records of `size` bytes. */
static bool give(struct fixture *f, uint64_t first, size_t count, size_t size)
{
    size_t room = SHUFFLE_DATA_HEAD_BYTES + count * (4 + size);
    uint8_t *payload = calloc(1, room + 1);
    struct writer w = writer_of(payload, room);
    bool is_allowed;

    assert_non_null(payload);
    shuffle_wire_encode_data_head(&w, 0, first);
    for (size_t i = 0; i < count; i++) {
        writer_u32le(&w, (uint32_t)size);
        w.size += size;
    }
    is_allowed = shuffle_streams_client(
            &f->st, f->now_ms, SOURCE, SHUFFLE_TAG_DATA, writer_bytes(&w));
    free(payload);
    return is_allowed;
}

static void a_program_keeps_to_64_kib_as_well(void **state)
{
    struct fixture *f = *state;

    begin_out(f);
    assert_true(give(f, 2, 1, 100000));
    assert_false(give(f, 3, 2, 40000));
}

/* One full frame and one that fills, and what the same read brought. */
static void without_credit_records_wait_in_their_order(void **state)
{
    struct fixture *f = *state;

    begin_out(f);
    for (uint64_t i = 0; i < 4; i++) {
        assert_true(give(f, 2 + i, 1, 50000));
    }
    turn(f);
    assert_int_equal(f->blocks_sent, 1);
    assert_true(say_grant(f, 2, 1 << 20));
    turn(f);
    assert_int_equal(f->blocks_sent, 5);
}

/* The peer's sink runs under a placement of its own; ours saw another too. */
static void the_placement_in_force_is_offered_next(void **state)
{
    struct fixture *f = *state;
    const struct shuffle_sink_id theirs = {PEER, PEER_GENERATION, 1};
    const struct shuffle_member_sink sink = {bytes_text("words"), 1};
    const struct shuffle_member member = {.id = PEER + 1,
            .generation = 1,
            .live = true,
            .active = true,
            .speaks_weft = true,
            .sinks = &sink,
            .sinks_count = 1};
    struct shuffle_wire_opened opened = {
            .code = SHUFFLE_OPENED_OTHER_PLACEMENT};
    uint8_t sinks[SHUFFLE_SINK_BYTES];
    uint8_t payload[64];
    struct writer s = writer_of(sinks, sizeof(sinks));
    struct writer w = writer_of(payload, sizeof(payload));

    shuffle_streams_member(&f->st, f->now_ms, &member);
    offer_out(f);
    assert_int_equal(f->open_sinks, 2);
    shuffle_wire_put_sink(&s, &theirs);
    opened.stream = f->open.stream;
    opened.sinks.packed = writer_bytes(&s);
    shuffle_wire_encode_opened(&w, &opened);
    assert_true(say(f, OUT, SHUFFLE_TAG_OPENED, &w));
    f->now_ms += 200;
    shuffle_streams_tick(&f->st, f->now_ms);
    turn(f);
    assert_int_equal(f->sent[SHUFFLE_TAG_OPEN], 2);
    assert_int_equal(f->open_sinks, 1);
}

static void counts_and_limits_never_go_back(void **state)
{
    struct fixture *f = *state;

    begin_out(f);
    assert_true(say_grant(f, 2, 2000));
    assert_true(say_grant(f, 1, 0));
    shuffle_streams_client_gone(&f->st, f->now_ms, SOURCE);
    turn(f);
    assert_int_equal(f->fail.taken, 2);
}

static void nothing_is_done_before_it_is_marked(void **state)
{
    struct fixture *f = *state;

    begin_out(f);
    assert_false(say_done(f, 2));
}

static void done_confirms_all_that_was_sent(void **state)
{
    struct fixture *f = *state;
    const struct shuffle_wire_mark mark = {
            .next = 2, .flags = SHUFFLE_FLAG_DRAIN};
    uint8_t payload[SHUFFLE_MARK_BYTES];
    struct writer w = writer_of(payload, sizeof(payload));

    begin_out(f);
    shuffle_wire_encode_mark(&w, &mark);
    assert_true(shuffle_streams_client(
            &f->st, f->now_ms, SOURCE, SHUFFLE_TAG_MARK, writer_bytes(&w)));
    turn(f);
    assert_int_equal(f->sent[SHUFFLE_TAG_MARK], 1);
    assert_false(say_done(f, 1));
    assert_true(say_done(f, 2));
    assert_int_equal(f->told[SHUFFLE_TAG_DONE], 1);
}

static void a_mark_of_a_program_names_all_that_it_sent(void **state)
{
    struct fixture *f = *state;
    const struct shuffle_wire_mark mark = {
            .next = 3, .flags = SHUFFLE_FLAG_DRAIN};
    uint8_t payload[SHUFFLE_MARK_BYTES];
    struct writer w = writer_of(payload, sizeof(payload));

    begin_out(f);
    shuffle_wire_encode_mark(&w, &mark);
    assert_false(shuffle_streams_client(
            &f->st, f->now_ms, SOURCE, SHUFFLE_TAG_MARK, writer_bytes(&w)));
}

/* The connection breaks; the peer says that it has other than was sent. */
static void a_stream_reopened_short_fails(void **state)
{
    struct fixture *f = *state;

    begin_out(f);
    assert_true(say_grant(f, 2, 2000));
    shuffle_streams_link_down(&f->st, f->now_ms, OUT);
    turn(f);
    assert_true(f->wanted);
    shuffle_streams_link_up(
            &f->st, f->now_ms, OUT, PEER, PEER_GENERATION, true);
    turn(f);
    assert_int_equal(f->sent[SHUFFLE_TAG_OPEN], 1);
    assert_true(say_opened(f, 1, 2000));
    assert_true(f->closed);
    assert_non_null(strstr(f->told_text, "was disconnected"));
}

static void a_sink_node_that_restarts_fails_its_sources(void **state)
{
    struct fixture *f = *state;

    begin_out(f);
    know_peer(f, PEER_GENERATION + 1, true);
    assert_true(f->closed);
    assert_string_equal(f->told_text,
            "node 7, with a sink of words, was started anew: 2 of 2 records "
            "not confirmed");
}

static void a_silent_node_is_told_that_it_was_given_up(void **state)
{
    struct fixture *f = *state;

    begin_out(f);
    know_peer(f, PEER_GENERATION, false);
    assert_false(f->closed);
    f->now_ms += 5000;
    shuffle_streams_tick(&f->st, f->now_ms);
    turn(f);
    assert_true(f->closed);
    assert_int_equal(f->sent[SHUFFLE_TAG_FAIL], 1);
    assert_int_equal(f->fail.code, SHUFFLE_FAIL_SOURCE_LOST);
}

/* A second link of ours to the same peer: what went by the first is lost. */
static void a_newer_link_of_ours_reopens_the_streams(void **state)
{
    struct fixture *f = *state;

    begin_out(f);
    assert_true(say_grant(f, 2, 2000));
    shuffle_streams_link_up(
            &f->st, f->now_ms, OUT + 10, PEER, PEER_GENERATION, true);
    turn(f);
    assert_int_equal(f->sent[SHUFFLE_TAG_OPEN], 1);
}

/* ---- anything at all ---- */

static uint64_t draw(uint64_t *state, uint64_t below)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state % below;
}

static void say_anything(struct fixture *f, uint64_t *seed)
{
    static const uint8_t tags[] = {SHUFFLE_TAG_OPEN, SHUFFLE_TAG_OPENED,
            SHUFFLE_TAG_DATA, SHUFFLE_TAG_GRANT, SHUFFLE_TAG_MARK,
            SHUFFLE_TAG_DONE, SHUFFLE_TAG_FAIL, SHUFFLE_TAG_PING};
    uint8_t payload[64];
    size_t size = draw(seed, sizeof(payload));

    for (size_t i = 0; i < size; i++) {
        payload[i] =
                (uint8_t)(draw(seed, 4) == 0 ? draw(seed, 256) : draw(seed, 3));
    }
    (void)shuffle_streams_receive(&f->st, f->now_ms,
            draw(seed, 2) == 0 ? IN : OUT, PEER, tags[draw(seed, sizeof(tags))],
            bytes_of(payload, size));
}

/* Small numbers, so that most frames are about something that is there. */
static void any_frames_in_any_order_break_nothing(void **state)
{
    struct fixture *f = *state;
    uint64_t seed = 20260101;

    print_message("  seed %llu\n", (unsigned long long)seed);
    begin_in(f);
    offer_out(f);
    for (int i = 0; i < 20000; i++) {
        struct offer offer = offer_of(
                (uint32_t)draw(&seed, 3) + 1, (uint32_t)draw(&seed, 6) + 1);

        say_anything(f, &seed);
        if (draw(&seed, 8) == 0) {
            (void)say_open(f, &offer);
        }
        if (draw(&seed, 4) == 0) {
            (void)say_data(f, IN, offer.stream, draw(&seed, 4), draw(&seed, 3),
                    draw(&seed, 9));
        }
        if (draw(&seed, 64) == 0) {
            f->now_ms += draw(&seed, 3000);
            shuffle_streams_tick(&f->st, f->now_ms);
        }
        turn(f);
        assert_true(shuffle_streams_deadline_ms(&f->st) > f->now_ms);
        assert_in_range(f->budget.used_bytes, 0, 24 << 20);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
            CASE(records_out_of_order_are_refused),
            CASE(several_records_keep_to_64_kib_and_one_need_not),
            CASE(a_mark_below_what_came_is_refused),
            CASE(a_second_mark_says_the_same),
            CASE(records_beyond_the_mark_lose_the_source),
            CASE(nothing_comes_behind_what_was_marked),
            CASE(a_peer_opens_for_its_own_sources_alone),
            CASE(a_stream_number_is_used_once),
            CASE(an_offer_gets_the_answer_it_deserves),
            CASE(a_source_that_has_sent_cannot_be_placed_anew),
            CASE(streams_have_a_bound),
            CASE(a_newer_greeting_alone_loses_the_older_sources),
            CASE(what_has_ended_is_remembered_up_to_a_bound),
            CASE(a_run_is_held_by_every_open_stream),
            CASE(a_sink_is_done_with_all_or_not_at_all),
            CASE(a_window_grows),
            CASE(a_window_does_not_grow_into_the_last_frames_room),
            CASE(a_program_keeps_to_64_kib_as_well),
            CASE(without_credit_records_wait_in_their_order),
            CASE(the_placement_in_force_is_offered_next),
            CASE(a_new_stream_cannot_have_records_already),
            CASE(no_more_is_confirmed_than_was_sent),
            CASE(counts_and_limits_never_go_back),
            CASE(nothing_is_done_before_it_is_marked),
            CASE(done_confirms_all_that_was_sent),
            CASE(a_mark_of_a_program_names_all_that_it_sent),
            CASE(a_stream_reopened_short_fails),
            CASE(a_sink_node_that_restarts_fails_its_sources),
            CASE(a_silent_node_is_told_that_it_was_given_up),
            CASE(a_newer_link_of_ours_reopens_the_streams),
            CASE(any_frames_in_any_order_break_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
