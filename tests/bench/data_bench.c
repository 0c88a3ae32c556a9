/* Records in DATA frames from one process to another: streams, a pool and its
 * adaptor at both ends, beside raw sockets (bench_raw.h) that carry one frame
 * a record. Here records are what programs know: the source packs them, they
 * are routed by key, and the sink counts and confirms each one; only the local
 * sockets are missing. The sizes are of records, their length words aside. */
#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench_raw.h"
#include "shuffle/shuffle_record.h"
#include "shuffle/shuffle_streams.h"
#include "shuffle/shuffle_uv.h"

enum {
    CLIENT = 1, /* the source's program, or the sink's */
    TICK_MS = 10,
    SOURCE_ID = 1,
    SINK_ID = 2,
    LIMIT_BYTES = 4 << 20, /* that the sink takes unconfirmed */
};

struct node {
    uv_loop_t loop;
    struct budget budget;
    struct block_pool blocks;
    struct shuffle_pool pool;
    struct shuffle_uv tcp;
    struct shuffle_streams streams;
    uv_timer_t timer;
    struct addr bound;
    struct bench_flow flow;
    uint64_t start_ns;
    uint64_t received_bytes;
    bool is_read; /* the source's program may go on */
    bool is_done; /* all was confirmed */
    bool is_down;
};

/* --- a node's two cores --- */

static void take_frame(
        struct node *node, const struct shuffle_pool_action *action)
{
    bool is_fine = shuffle_streams_receive(&node->streams, uv_now(&node->loop),
            action->link, action->peer, action->tag, action->payload);

    assert(is_fine);
    (void)is_fine;
}

static void act_pool(
        struct node *node, const struct shuffle_pool_action *action)
{
    switch (action->type) {
    case SHUFFLE_POOL_FRAME:
        take_frame(node, action);
        break;
    case SHUFFLE_POOL_UP:
        shuffle_streams_link_up(&node->streams, uv_now(&node->loop),
                action->link, action->peer, action->generation,
                action->outgoing);
        break;
    case SHUFFLE_POOL_DOWN:
        shuffle_streams_link_down(
                &node->streams, uv_now(&node->loop), action->link);
        node->is_down = true;
        break;
    case SHUFFLE_POOL_CONNECT:
    case SHUFFLE_POOL_CLOSE:
    case SHUFFLE_POOL_FINISH:
    case SHUFFLE_POOL_WRITE:
    case SHUFFLE_POOL_READ:
        shuffle_uv_perform(&node->tcp, action);
        break;
    default:
        break;
    }
}

static void client(struct node *node, uint8_t tag, const struct writer *payload)
{
    bool is_fine;

    assert(!payload->failed);
    is_fine = shuffle_streams_client(&node->streams, uv_now(&node->loop),
            CLIENT, tag, writer_bytes(payload));
    assert(is_fine);
    (void)is_fine;
}

/* The sink's program: counts, and at the end says that all is done. */
static void take_records(struct node *node, struct bytes payload)
{
    struct shuffle_wire_data data;
    size_t count = 0;
    bool is_fine = shuffle_wire_decode_data(payload, &data) &&
                   shuffle_records_count(data.records, SHUFFLE_FORMAT_WHOLE,
                           SHUFFLE_RECORD_MAX, &count);

    assert(is_fine);
    (void)is_fine;
    if (node->start_ns == 0) {
        node->start_ns = bench_now_ns();
    }
    node->flow.frames += count;
    node->received_bytes += data.records.size;
}

static void finish(struct node *node)
{
    const struct shuffle_wire_done done = {0, node->flow.frames};
    uint8_t text[32];
    struct writer w = writer_of(text, sizeof(text));

    node->flow.ns = bench_now_ns() - node->start_ns;
    shuffle_wire_encode_done(&w, &done);
    client(node, SHUFFLE_TAG_DONE, &w);
}

static void take_for_client(
        struct node *node, uint8_t tag, struct bytes payload)
{
    switch (tag) {
    case SHUFFLE_TAG_DATA:
        take_records(node, payload);
        break;
    case SHUFFLE_TAG_MARK:
        finish(node);
        break;
    case SHUFFLE_TAG_DONE:
        node->is_done = true;
        break;
    default:
        assert(tag != SHUFFLE_TAG_FAIL);
    }
}

static void send_block(struct node *node, uint32_t link, struct block *block)
{
    if (shuffle_pool_block(&node->pool, uv_now(&node->loop), link, block) !=
            0) {
        block_free(block);
    }
}

static void act_streams(
        struct node *node, const struct shuffle_streams_action *action)
{
    uint64_t now_ms = uv_now(&node->loop);

    switch (action->type) {
    case SHUFFLE_STREAMS_WANT:
        shuffle_pool_want(&node->pool, now_ms, action->peer);
        break;
    case SHUFFLE_STREAMS_FRAME:
        (void)shuffle_pool_frame(&node->pool, now_ms, action->link, action->tag,
                action->payload, bytes_of(NULL, 0));
        break;
    case SHUFFLE_STREAMS_BLOCK:
        send_block(node, action->link, action->block);
        break;
    case SHUFFLE_STREAMS_OPEN_COUNT:
        shuffle_pool_streams_open(
                &node->pool, now_ms, action->link, action->count);
        break;
    case SHUFFLE_STREAMS_CLIENT_FRAME:
        take_for_client(node, action->tag, action->payload);
        break;
    case SHUFFLE_STREAMS_CLIENT_BLOCK:
        take_for_client(node, SHUFFLE_TAG_DATA,
                bytes_skip(block_bytes(action->block), FRAME_HEADER_BYTES));
        block_free(action->block);
        break;
    case SHUFFLE_STREAMS_CLIENT_READ:
        node->is_read = action->on;
        break;
    default:
        break;
    }
}

static void drain(struct node *node)
{
    struct shuffle_pool_action from_pool;
    struct shuffle_streams_action from_streams;
    bool is_quiet;

    do {
        is_quiet = true;
        while (shuffle_pool_next(&node->pool, &from_pool)) {
            act_pool(node, &from_pool);
            is_quiet = false;
        }
        while (shuffle_streams_next(&node->streams, &from_streams)) {
            act_streams(node, &from_streams);
            is_quiet = false;
        }
    } while (!is_quiet);
}

static void on_turn(void *owner)
{
    drain(owner);
}

static void on_closed(void *owner)
{
    (void)owner;
}

static void flush(struct node *node)
{
    shuffle_streams_flush(&node->streams, uv_now(&node->loop));
    drain(node);
}

static void on_timer(uv_timer_t *timer)
{
    struct node *node = timer->data;

    shuffle_pool_tick(&node->pool, uv_now(&node->loop));
    shuffle_streams_tick(&node->streams, uv_now(&node->loop));
    drain(node);
}

static void open_node(struct node *node, uint64_t id)
{
    struct shuffle_pool_options pool = shuffle_pool_defaults();
    struct shuffle_streams_options streams = shuffle_streams_defaults();
    struct addr at = addr_ipv4(127, 0, 0, 1, 0);

    memset(node, 0, sizeof(*node));
    (void)uv_loop_init(&node->loop);
    node->budget.max_bytes = (size_t)256 << 20;
    block_pool_init(&node->blocks, &node->budget, 8 << 20);
    pool.id = id;
    pool.generation = 1;
    pool.cluster = "bench";
    pool.vnodes = 256;
    pool.blocks = &node->blocks;
    shuffle_pool_init(&node->pool, &pool, uv_now(&node->loop));
    streams.id = id;
    streams.generation = 1;
    streams.blocks = &node->blocks;
    streams.budget = &node->budget;
    shuffle_streams_init(&node->streams, &streams, uv_now(&node->loop));
    node->tcp.owner = node;
    node->tcp.on_turn = on_turn;
    node->tcp.on_closed = on_closed;
    shuffle_uv_init(&node->tcp, &node->loop, &node->pool);
    if (shuffle_uv_listen(&node->tcp, &at, &node->bound, NULL) != 0) {
        bench_die("listen");
    }
    (void)uv_timer_init(&node->loop, &node->timer);
    node->timer.data = node;
    (void)uv_timer_start(&node->timer, on_timer, TICK_MS, TICK_MS);
}

static void close_node(struct node *node)
{
    uv_close((uv_handle_t *)&node->timer, NULL);
    shuffle_uv_close(&node->tcp);
    (void)uv_run(&node->loop, UV_RUN_DEFAULT);
    shuffle_streams_close(&node->streams);
    shuffle_pool_close(&node->pool);
    block_pool_close(&node->blocks);
    (void)uv_loop_close(&node->loop);
}

static void attach(struct node *node, uint8_t role)
{
    struct shuffle_wire_attach attach = {
            role, SHUFFLE_FORMAT_WHOLE, 1, bytes_text("words")};

    shuffle_streams_attach(
            &node->streams, uv_now(&node->loop), CLIENT, &attach);
    drain(node);
}

/* --- the sink --- */

static void confirm(struct node *node)
{
    const struct shuffle_wire_grant grant = {
            0, node->flow.frames, node->received_bytes + LIMIT_BYTES};
    uint8_t text[32];
    struct writer w = writer_of(text, sizeof(text));

    shuffle_wire_encode_grant(&w, &grant);
    client(node, SHUFFLE_TAG_GRANT, &w);
}

static void receive(struct bench_seat *seat, struct bench_flow *flow)
{
    static struct node node;

    open_node(&node, SINK_ID);
    attach(&node, SHUFFLE_ROLE_SINK);
    bench_seat_meet(seat, &node.bound);
    bench_seat_begin(seat);
    while (!node.is_down) {
        if (node.flow.ns == 0) {
            confirm(&node);
        }
        flush(&node);
        (void)uv_run(&node.loop, UV_RUN_ONCE);
    }
    *flow = node.flow;
}

/* --- the source --- */

/* What the gossip would say of the sink. */
static void tell_of_sink(struct node *node, const struct addr *at)
{
    uint64_t now_ms = uv_now(&node->loop);
    struct shuffle_member_sink sink = {bytes_text("words"), 1};
    struct shuffle_peer_facts peer = {.id = SINK_ID,
            .generation = 1,
            .live = true,
            .speaks_weft = true,
            .address = *at};
    struct shuffle_member member = {.id = SINK_ID,
            .generation = 1,
            .live = true,
            .active = true,
            .speaks_weft = true,
            .sinks = &sink,
            .sinks_count = 1};

    (void)shuffle_pool_peer(&node->pool, now_ms, &peer);
    shuffle_streams_member(&node->streams, now_ms, &member);
}

/* A DATA frame's payload as a program packs it, and how many records it has. */
static uint8_t *pack(size_t record_bytes, size_t *count, size_t *size)
{
    size_t whole = SHUFFLE_WHOLE_HEAD_BYTES + record_bytes;
    uint8_t *payload;

    *count = whole > SHUFFLE_PACK_BYTES ? 1 : SHUFFLE_PACK_BYTES / whole;
    *size = SHUFFLE_DATA_HEAD_BYTES + *count * whole;
    payload = bench_alloc(*size);
    for (size_t i = 0; i < *count; i++) {
        struct writer w =
                writer_of(payload + SHUFFLE_DATA_HEAD_BYTES + i * whole, whole);

        writer_u32le(&w, (uint32_t)record_bytes);
        writer_u64le(&w, i * 0x9E3779B97F4A7C15);
    }
    return payload;
}

static void say_end(struct node *node, uint64_t sent)
{
    const struct shuffle_wire_mark mark = {
            .next = sent, .flags = SHUFFLE_FLAG_DRAIN};
    uint8_t text[64];
    struct writer w = writer_of(text, sizeof(text));

    shuffle_wire_encode_mark(&w, &mark);
    client(node, SHUFFLE_TAG_MARK, &w);
}

static void send_records(
        struct bench_seat *seat, size_t record_bytes, uint64_t ms)
{
    static struct node node;
    size_t count;
    size_t size;
    uint8_t *payload = pack(record_bytes, &count, &size);
    uint64_t sent = 0;
    uint64_t end_ns;

    open_node(&node, SOURCE_ID);
    bench_seat_meet(seat, &node.bound);
    bench_seat_begin(seat);
    end_ns = bench_now_ns() + ms * 1000000;
    tell_of_sink(&node, &seat->addrs[BENCH_RECEIVER]);
    attach(&node, SHUFFLE_ROLE_SOURCE);
    while (bench_now_ns() < end_ns) {
        /* As much as one read of its socket brings. */
        for (size_t given = 0; node.is_read && given < (128 << 10);
                given += size) {
            struct writer head = writer_of(payload, SHUFFLE_DATA_HEAD_BYTES);
            struct writer whole = {payload, size, size, false};

            shuffle_wire_encode_data_head(&head, 0, sent);
            client(&node, SHUFFLE_TAG_DATA, &whole);
            sent += count;
            drain(&node);
        }
        flush(&node);
        (void)uv_run(&node.loop, node.is_read ? UV_RUN_NOWAIT : UV_RUN_ONCE);
    }
    say_end(&node, sent);
    while (!node.is_done) {
        flush(&node);
        (void)uv_run(&node.loop, UV_RUN_ONCE);
    }
    shuffle_pool_leave(&node.pool, uv_now(&node.loop));
    drain(&node);
    while (shuffle_pool_links(&node.pool) > 0) {
        (void)uv_run(&node.loop, UV_RUN_ONCE);
    }
    close_node(&node);
    free(payload);
}

/* --- rounds --- */

struct context {
    bool is_raw;
    size_t record_bytes;
    uint64_t ms;
};

static void run(struct bench_seat *seat, const void *context)
{
    const struct context *what = context;
    struct bench_flow flow = {0};

    if (what->is_raw) {
        bench_raw(seat, what->record_bytes, what->ms, &flow);
    } else if (seat->number == BENCH_SENDER) {
        send_records(seat, what->record_bytes, what->ms);
    } else {
        receive(seat, &flow);
    }
    bench_seat_end(seat, &flow, sizeof(flow));
}

static double rate_of(bool is_raw, size_t record_bytes, uint64_t ms)
{
    struct context what = {is_raw, record_bytes, ms};
    struct bench_flow flows[BENCH_ENDS];

    bench_fleet(BENCH_ENDS, run, &what, flows, sizeof(flows[0]));
    return bench_flow_rate(&flows[BENCH_RECEIVER]);
}

static void run_size(const struct bench_settings *settings, size_t bytes)
{
    double ours[BENCH_ROUNDS_MAX];
    double raw[BENCH_ROUNDS_MAX];
    double ratios[BENCH_ROUNDS_MAX];
    char name[BENCH_NAME_BYTES];
    struct bench_row row = {.name = bench_name_size(name, "records", bytes),
            .unit = "k/s",
            .beside = "raw"};

    for (int i = 0; i < settings->rounds; i++) {
        raw[i] = rate_of(true, bytes, settings->ms);
        ours[i] = rate_of(false, bytes, settings->ms);
        ratios[i] = ours[i] / raw[i];
    }
    row.value = bench_median(ours, settings->rounds) / 1e3;
    row.baseline = bench_median(raw, settings->rounds) / 1e3;
    row.ratio = bench_median(ratios, settings->rounds);
    bench_print(settings, &row);
}

int main(int argc, char **argv)
{
    static const size_t sizes[] = {64, 1024, 24 * 1024, 64 * 1024};
    struct bench_settings settings = {.rounds = 9, .ms = 200};

    (void)signal(SIGPIPE, SIG_IGN);
    bench_parse(&settings, argc, argv);
    if (settings.numbers_count == 0) {
        memcpy(settings.numbers, sizes, sizeof(sizes));
        settings.numbers_count = sizeof(sizes) / sizeof(sizes[0]);
    }
    for (size_t i = 0; i < settings.numbers_count; i++) {
        run_size(&settings, settings.numbers[i]);
    }
    return 0;
}
