/* Frames from one process to another over loopback, ours beside raw sockets.
 *
 * A frame is [length][tag 05][payload]. Ours are a pool and its adaptor at both
 * ends, sending with `shuffle_pool_vnode_data` as fast as it takes them. The system's
 * share of our processor time at both ends says how much is left to be won,
 * the calls a frame whether batching works: reads, writes and polls of both.
 *
 *   frames_bench [--rounds N] [--ms N] [--json] [PAYLOAD…] */
#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "bench/bench_node.h"
#include "bench/bench_raw.h"

enum kind {
    RAW,
    OURS,
    KINDS,
};

struct context {
    enum kind kind;
    size_t payload_bytes;
    uint64_t ms;
};

/* What one end found. */
struct result {
    struct bench_flow flow; /* the sender's is 0 */
    struct bench_usage usage;
};

/* --- ours --- */

/* Our own process; ids are seats' numbers + 1. */
struct ours {
    struct bench_node node;
    size_t payload_bytes;
    uint64_t start_ns;
    uint64_t frames;
};

static void on_frame(void *owner, uint64_t peer, size_t payload)
{
    struct ours *ours = owner;

    (void)peer;
    assert(payload == ours->payload_bytes);
    if (ours->frames == 0) {
        ours->start_ns = bench_now_ns();
    }
    ours->frames++;
}

static void on_room(void *owner)
{
    struct ours *ours = owner;

    while (bench_node_send(
            &ours->node, BENCH_RECEIVER + 1, ours->payload_bytes)) {
    }
}

static void our_send(struct ours *ours, uint64_t ms)
{
    struct bench_node *node = &ours->node;
    uint64_t end_ns = bench_now_ns() + ms * 1000000;

    node->on_room = on_room;
    bench_node_kick(node);
    while (bench_now_ns() < end_ns) {
        bench_node_turn(node);
    }
    bench_node_leave(node);
}

static void our_receive(struct ours *ours, struct result *result)
{
    while (!ours->node.has_lost) {
        bench_node_turn(&ours->node);
    }
    result->flow.frames = ours->frames;
    result->flow.ns = bench_now_ns() - ours->start_ns;
}

static void run_ours(struct bench_seat *seat, const struct context *what,
        struct result *result)
{
    static struct ours ours;

    ours.payload_bytes = what->payload_bytes;
    ours.node.owner = &ours;
    ours.node.on_frame = on_frame;
    bench_node_open(&ours.node, (uint64_t)seat->number + 1);
    bench_seat_meet(seat, &ours.node.bound);
    bench_seat_begin(seat);
    if (seat->number == BENCH_SENDER) {
        bench_node_register(
                &ours.node, BENCH_RECEIVER + 1, &seat->addrs[BENCH_RECEIVER]);
        our_send(&ours, what->ms);
    } else {
        our_receive(&ours, result);
    }
    result->usage = bench_usage();
    result->usage.calls += ours.node.polls;
    bench_node_close(&ours.node);
}

/* --- rounds --- */

static void run(struct bench_seat *seat, const void *context)
{
    const struct context *what = context;
    struct result result = {.flow = {0}};

    if (what->kind == RAW) {
        bench_raw(seat, what->payload_bytes, what->ms, &result.flow);
    } else {
        run_ours(seat, what, &result);
    }
    bench_seat_end(seat, &result, sizeof(result));
}

/* The rounds of one kind. */
struct column {
    double rate[BENCH_ROUNDS_MAX]; /* frames a second */
    double calls[BENCH_ROUNDS_MAX]; /* a frame, both ends */
    double kernel[BENCH_ROUNDS_MAX]; /* share of both ends' time */
};

static void run_once(
        struct column *column, int round, const struct context *what)
{
    struct result results[BENCH_ENDS];
    const struct bench_flow *flow = &results[BENCH_RECEIVER].flow;
    const struct bench_usage *a = &results[BENCH_RECEIVER].usage;
    const struct bench_usage *b = &results[BENCH_SENDER].usage;

    bench_fleet(BENCH_ENDS, run, what, results, sizeof(results[0]));
    column->rate[round] = bench_flow_rate(flow);
    column->calls[round] = (double)(a->calls + b->calls) / (double)flow->frames;
    column->kernel[round] = (double)(a->kernel_ns + b->kernel_ns) /
                            (double)(a->cpu_ns + b->cpu_ns + 1);
}

static void print_calls(const struct bench_settings *settings, size_t bytes,
        struct column *ours)
{
    char name[BENCH_NAME_BYTES];
    struct bench_row row = {.name = name, .unit = "a frame"};

    bench_name_size(name, "system calls at frames", bytes);
    row.value = bench_median(ours->calls, settings->rounds);
    bench_print(settings, &row);
}

static void run_size(const struct bench_settings *settings, size_t bytes)
{
    static struct column columns[KINDS];
    double ratios[BENCH_ROUNDS_MAX];
    char name[BENCH_NAME_BYTES];
    struct bench_row row = {.name = name, .unit = "k/s", .beside = "raw"};

    for (int i = 0; i < settings->rounds; i++) {
        for (int turn = 0; turn < KINDS; turn++) {
            enum kind kind = (i + turn) % 2 == 0 ? RAW : OURS;
            struct context what = {kind, bytes, settings->ms};

            run_once(&columns[kind], i, &what);
        }
        ratios[i] = columns[OURS].rate[i] / columns[RAW].rate[i];
    }
    bench_name_size(name, "frames", bytes);
    row.value = bench_median(columns[OURS].rate, settings->rounds) / 1e3;
    row.baseline = bench_median(columns[RAW].rate, settings->rounds) / 1e3;
    row.ratio = bench_median(ratios, settings->rounds);
    row.kernel = bench_median(columns[OURS].kernel, settings->rounds);
    bench_print(settings, &row);
    print_calls(settings, bytes, &columns[OURS]);
}

int main(int argc, char **argv)
{
    static const size_t sizes[] = {
            64, 256, 1024, 24 * 1024, 64 * 1024, 1024 * 1024};
    struct bench_settings settings = {.rounds = 9, .ms = 300};

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
