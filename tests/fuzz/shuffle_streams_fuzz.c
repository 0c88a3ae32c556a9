/* One node's streams among strangers: a peer and two local programs say
 * whatever they like, in any order, while cuts begin and end, with the peer and
 * without it. Nothing they say may break the core, which checks itself after each
 * step, or make it keep memory.
 *
 * The input is a list of steps: what happens, how many bytes, the bytes. */
#include <assert.h>
#include <stdlib.h>

#include "base/reader.h"
#include "shuffle/shuffle_record.h"
#include "shuffle/shuffle_streams.h"

enum {
    SOURCE = 1,
    SINK = 2,
    LINK_IN = 1,
    LINK_OUT = 2,
    LINK_LAMINAR = 3,
    LAMINAR = 42,
    PEER = 7,
    US = 9,
};

struct fixture {
    struct budget budget;
    struct block_pool blocks;
    struct shuffle_streams st;
    uint64_t now_ms;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void drain(struct fixture *f)
{
    struct shuffle_streams_action action;

    while (shuffle_streams_next(&f->st, &action)) {
        block_free(action.block);
        if (action.type == SHUFFLE_STREAMS_LAMINAR) {
            shuffle_streams_laminar_sent(
                    &f->st, f->now_ms, action.client, 0, "");
        }
    }
    shuffle_streams_check(&f->st);
}

static void say_member(struct fixture *f, bool live)
{
    const struct shuffle_member_sink sink = {bytes_text("words"), 1};
    const struct shuffle_member member = {.id = PEER,
            .generation = 1,
            .live = live,
            .active = true,
            .speaks_weft = true,
            .sinks = &sink,
            .sinks_count = 1};

    shuffle_streams_member(&f->st, f->now_ms, &member);
}

static void attach(struct fixture *f, uint32_t client, uint8_t role)
{
    const struct shuffle_wire_attach attach = {
            role, SHUFFLE_FORMAT_WHOLE, 1, bytes_text("words")};

    if (shuffle_source_find(&f->st, client) == NULL &&
            shuffle_sink_find(&f->st, client) == NULL) {
        shuffle_streams_attach(&f->st, f->now_ms, client, &attach);
    }
}

static void start(struct fixture *f)
{
    struct shuffle_streams_options options = shuffle_streams_defaults();

    *f = (struct fixture){.budget = {.max_bytes = 16 << 20}, .now_ms = 1};
    block_pool_init(&f->blocks, &f->budget, 1 << 20);
    options.id = US;
    options.generation = 1;
    options.max_frame_bytes = 1 << 20;
    options.blocks = &f->blocks;
    options.budget = &f->budget;
    shuffle_streams_init(&f->st, &options, f->now_ms);
    say_member(f, true);
    attach(f, SINK, SHUFFLE_ROLE_SINK);
    shuffle_streams_link_up(&f->st, f->now_ms, LINK_IN, PEER, 1, false);
    shuffle_streams_link_up(&f->st, f->now_ms, LINK_OUT, PEER, 1, true);
    drain(f);
}

/* An OPEN with the number that its placement has: chance would not find it. */
static struct bytes with_placement_id(struct bytes payload, struct writer *w)
{
    struct shuffle_wire_open open;

    if (!shuffle_wire_decode_open(payload, &open)) {
        return payload;
    }
    open.placement_id = shuffle_place_id(256, 0, &open.sinks);
    shuffle_wire_encode_open(w, &open);
    assert(!w->failed);
    return writer_bytes(w);
}

static bool receive(struct fixture *f, uint32_t link, struct bytes frame)
{
    uint8_t copy[512];
    struct writer w = writer_of(copy, sizeof(copy));
    struct bytes payload = bytes_skip(frame, 1);

    if (frame.data[0] == SHUFFLE_TAG_OPEN) {
        payload = with_placement_id(payload, &w);
    }
    return shuffle_streams_receive(
            &f->st, f->now_ms, link, PEER, frame.data[0], payload);
}

static void from_peer(struct fixture *f, uint32_t link, struct bytes frame)
{
    bool goes_on = frame.size == 0 || receive(f, link, frame);

    if (!goes_on) {
        drain(f);
        shuffle_streams_link_down(&f->st, f->now_ms, link);
        shuffle_streams_link_up(
                &f->st, f->now_ms, link, PEER, 1, link == LINK_OUT);
    }
}

static void from_program(struct fixture *f, uint32_t client, struct bytes frame)
{
    bool goes_on =
            frame.size == 0 || shuffle_streams_client(&f->st, f->now_ms, client,
                                       frame.data[0], bytes_skip(frame, 1));

    if (!goes_on) {
        shuffle_streams_client_gone(&f->st, f->now_ms, client);
    }
}

/* Small numbers, so that MARKs that were made up meet the cut they name. */
static void begin_cut(struct fixture *f, struct bytes bytes)
{
    struct reader r = reader_of(bytes);
    const struct shuffle_cut_member members[] = {
            {PEER, true}, {LAMINAR, false}};
    const struct bytes words = bytes_text("words");
    struct shuffle_cut_order order = {.members = members, .rotate = &words};
    uint8_t how = reader_u8(&r);

    order.checkpoint = reader_u8(&r);
    order.announced = order.checkpoint;
    order.epoch = order.checkpoint;
    order.members_count = how % 3;
    order.rotate_count = how / 3 % 2;
    shuffle_streams_cut(&f->st, f->now_ms, &order);
}

static void end_cut(struct fixture *f, struct bytes bytes)
{
    struct reader r = reader_of(bytes);
    uint8_t packed[2 * SHUFFLE_SINK_BYTES];
    struct writer w = writer_of(packed, sizeof(packed));
    const struct shuffle_sink_id sinks[] = {
            {PEER, 1, 1}, {US, 1, f->st.sinks_count}};
    struct shuffle_cut_place place = {.stage = bytes_text("words")};
    struct shuffle_cut_outcome outcome = {.text = "", .places = &place};
    uint8_t how = reader_u8(&r);

    outcome.checkpoint = reader_u8(&r);
    outcome.epoch = outcome.checkpoint;
    outcome.code = (enum shuffle_outcome_code)(1 + how % 3);
    for (size_t i = 0; i < 2; i++) {
        if ((how & (0x10U << i)) != 0) {
            shuffle_wire_put_sink(&w, &sinks[i]);
        }
    }
    place.sinks = (struct shuffle_wire_sinks){outcome.epoch, writer_bytes(&w)};
    outcome.places_count = w.size > 0;
    shuffle_streams_outcome(&f->st, f->now_ms, &outcome);
}

static void barrier(struct fixture *f, struct bytes bytes)
{
    struct reader r = reader_of(bytes);
    struct shuffle_wire_barrier b = {0};
    uint8_t how = reader_u8(&r);

    b.checkpoint = reader_u8(&r);
    b.epoch = b.checkpoint;
    if (how % 4 == 0) {
        shuffle_streams_barrier_sent(&f->st, f->now_ms,
                how % 8 == 0 ? PEER : LAMINAR, b.checkpoint, -1, "no");
    } else if (how % 4 == 1) {
        shuffle_streams_barrier(
                &f->st, f->now_ms, LINK_LAMINAR, LAMINAR, false, &b);
    } else {
        shuffle_streams_barrier(&f->st, f->now_ms, LINK_IN, PEER, true, &b);
    }
}

static void ask(struct fixture *f)
{
    struct shuffle_cut_lack lack;

    shuffle_streams_cut_lack(&f->st, &lack);
    assert(lack.nodes_count == 0 || lack.text[0] != '\0');
    assert(shuffle_streams_parked_bytes(&f->st) <= f->budget.max_bytes);
}

static void from_laminar(struct fixture *f, struct bytes bytes)
{
    const struct shuffle_wire_vnode_data data = {1, bytes};

    if (bytes.size == 0 || !shuffle_streams_laminar(&f->st, f->now_ms,
                                   LINK_LAMINAR, LAMINAR, &data, NULL)) {
        shuffle_streams_link_down(&f->st, f->now_ms, LINK_LAMINAR);
    }
}

static void sleep_or_die(struct fixture *f, size_t size)
{
    if (size % 8 == 0) {
        shuffle_streams_buried(&f->st, f->now_ms);
    } else {
        shuffle_streams_doubt(&f->st, f->now_ms, size % 2 == 0);
    }
}

static void step(struct fixture *f, uint8_t what, struct bytes bytes)
{
    switch (what % 15) {
    case 0:
    case 1:
        from_peer(f, LINK_IN, bytes);
        break;
    case 2:
        from_peer(f, LINK_OUT, bytes);
        break;
    case 3:
        from_program(f, SOURCE, bytes);
        break;
    case 4:
        from_program(f, SINK, bytes);
        break;
    case 5:
        shuffle_streams_flush(&f->st, f->now_ms);
        break;
    case 6:
        f->now_ms += bytes.size * 100;
        shuffle_streams_tick(&f->st, f->now_ms);
        break;
    case 7:
        if (bytes.size % 2 == 0) {
            attach(f, SOURCE, SHUFFLE_ROLE_SOURCE);
        } else {
            attach(f, SINK, SHUFFLE_ROLE_SINK);
        }
        break;
    case 8:
        say_member(f, bytes.size % 2 == 0);
        break;
    case 9:
        begin_cut(f, bytes);
        break;
    case 10:
        end_cut(f, bytes);
        break;
    case 11:
        barrier(f, bytes);
        break;
    case 12:
        ask(f);
        break;
    case 13:
        from_laminar(f, bytes);
        break;
    case 14:
        sleep_or_die(f, bytes.size);
        break;
    }
    drain(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader r = reader_of(bytes_of(data, size));
    struct fixture f;

    start(&f);
    while (r.rest.size > 0 && !r.failed) {
        uint8_t what = reader_u8(&r);

        step(&f, what, reader_string8(&r));
    }
    shuffle_streams_close(&f.st);
    block_pool_close(&f.blocks);
    assert(f.budget.used_bytes == 0);
    return 0;
}
