/* Frames from one process to another over loopback, ours beside raw sockets.
 *
 * A frame is [length][tag 05][payload]. Ours are a pool and its adaptor at both
 * ends, sending with `shuffle_pool_vnode_data` as fast as it takes them. The raw
 * limit is a blocking socket with the same batching: frames copied into writes
 * of 256 KiB, read 256 KiB at a time and counted where they lie. The system's
 * share of our processor time at both ends says how much is left to be won,
 * the calls a frame whether batching works: reads, writes and polls of both.
 *
 *   frames_bench [--rounds N] [--ms N] [--json] [PAYLOAD…] */
#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/frame.h"
#include "bench/bench_fleet.h"
#include "bench/bench_node.h"

enum {
    RECEIVER, /* the seats */
    SENDER,
    SEATS,
};

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
    uint64_t frames; /* the sender's are 0 */
    uint64_t ns; /* from the first byte to the last */
    struct bench_usage usage;
};

/* --- raw --- */

static void raw_receive(int listener, struct result *result)
{
    struct bench_counter counter = {.buffer = bench_alloc(BENCH_BATCH_BYTES)};
    int fd = bench_accept(listener);
    uint64_t start_ns = 0;
    ssize_t n;

    while ((n = read(fd, counter.buffer + counter.held,
                    BENCH_BATCH_BYTES - counter.held)) > 0) {
        start_ns = start_ns == 0 ? bench_now_ns() : start_ns;
        bench_count(&counter, (size_t)n);
    }
    result->frames = counter.frames;
    result->ns = bench_now_ns() - start_ns;
}

/* Frames one behind another in batches, a large one across several. */
struct batch {
    int fd;
    uint8_t *data;
    size_t filled;
};

static void batch_frame(struct batch *batch, const uint8_t *frame, size_t size)
{
    while (size > 0) {
        size_t room = BENCH_BATCH_BYTES - batch->filled;
        size_t n = size < room ? size : room;

        memcpy(batch->data + batch->filled, frame, n);
        frame += n;
        size -= n;
        batch->filled += n;
        if (batch->filled == BENCH_BATCH_BYTES) {
            bench_write(batch->fd, batch->data, batch->filled);
            batch->filled = 0;
        }
    }
}

static void raw_send(int fd, const struct context *what)
{
    struct batch batch = {.fd = fd, .data = bench_alloc(BENCH_BATCH_BYTES)};
    size_t size = FRAME_HEADER_BYTES + what->payload_bytes;
    uint8_t *frame = bench_alloc(size);
    uint64_t end_ns = bench_now_ns() + what->ms * 1000000;

    frame_put_header(frame, 0x05, what->payload_bytes);
    while (bench_now_ns() < end_ns) {
        for (int i = 0; i < 16; i++) {
            batch_frame(&batch, frame, size);
        }
    }
    bench_write(fd, batch.data, batch.filled);
    (void)close(fd);
}

static void run_raw(struct bench_seat *seat, const struct context *what,
        struct result *result)
{
    struct addr bound;
    int listener = bench_listen(&bound);

    bench_seat_meet(seat, &bound);
    bench_seat_begin(seat);
    if (seat->number == SENDER) {
        raw_send(bench_connect(&seat->addrs[RECEIVER]), what);
    } else {
        raw_receive(listener, result);
    }
}

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

    while (bench_node_send(&ours->node, RECEIVER + 1, ours->payload_bytes)) {
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
    result->frames = ours->frames;
    result->ns = bench_now_ns() - ours->start_ns;
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
    if (seat->number == SENDER) {
        bench_node_register(&ours.node, RECEIVER + 1, &seat->addrs[RECEIVER]);
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
    struct result result = {.frames = 0};

    if (what->kind == RAW) {
        run_raw(seat, what, &result);
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
    struct result results[SEATS];
    const struct result *receiver = &results[RECEIVER];
    const struct bench_usage *a = &results[RECEIVER].usage;
    const struct bench_usage *b = &results[SENDER].usage;

    bench_fleet(SEATS, run, what, results, sizeof(results[0]));
    column->rate[round] = (double)receiver->frames * 1e9 / (double)receiver->ns;
    column->calls[round] =
            (double)(a->calls + b->calls) / (double)receiver->frames;
    column->kernel[round] = (double)(a->kernel_ns + b->kernel_ns) /
                            (double)(a->cpu_ns + b->cpu_ns + 1);
}

static void name_size(char name[static 64], const char *what, size_t bytes)
{
    if (bytes % 1024 == 0) {
        (void)snprintf(name, 64, "%s of %zu KiB", what, bytes / 1024);
    } else {
        (void)snprintf(name, 64, "%s of %zu B", what, bytes);
    }
}

static void print_calls(const struct bench_settings *settings, size_t bytes,
        struct column *ours)
{
    char name[64];
    struct bench_row row = {.name = name, .unit = "a frame"};

    name_size(name, "system calls at frames", bytes);
    row.value = bench_median(ours->calls, settings->rounds);
    bench_print(settings, &row);
}

static void run_size(const struct bench_settings *settings, size_t bytes)
{
    static struct column columns[KINDS];
    double ratios[BENCH_ROUNDS_MAX];
    char name[64];
    struct bench_row row = {.name = name, .unit = "k/s", .beside = "raw"};

    for (int i = 0; i < settings->rounds; i++) {
        for (int turn = 0; turn < KINDS; turn++) {
            enum kind kind = (i + turn) % 2 == 0 ? RAW : OURS;
            struct context what = {kind, bytes, settings->ms};

            run_once(&columns[kind], i, &what);
        }
        ratios[i] = columns[OURS].rate[i] / columns[RAW].rate[i];
    }
    name_size(name, "frames", bytes);
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
