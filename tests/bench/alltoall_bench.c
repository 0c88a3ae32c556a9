/* Everybody to everybody: several processes, each sending frames of 1 KiB to
 * each other one as fast as they are taken. Ours are pools and adaptors; beside
 * them stands a plain epoll program with the same batching: 256 KiB of frames
 * copied together, one write of them, reads of 256 KiB, frames counted where
 * they lie. What counts is the frames that arrive, at all processes together.
 *
 *   alltoall_bench [--rounds N] [--ms N] [--json] [PROCESSES…] */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/frame.h"
#include "bench/bench_fleet.h"
#include "bench/bench_node.h"

enum {
    PAYLOAD_BYTES = 1024,
    FRAME_BYTES = FRAME_HEADER_BYTES + PAYLOAD_BYTES,
    BATCH_FRAMES = BENCH_BATCH_BYTES / FRAME_BYTES,
    EVENTS_MAX = 2 * BENCH_SEATS_MAX,
};

enum kind {
    RAW,
    OURS,
    KINDS,
};

struct context {
    enum kind kind;
    uint64_t ms;
};

/* --- raw --- */

/* One direction of a connection. */
struct stream {
    int fd;
    bool is_incoming;
    struct bench_counter counter; /* of what comes */
    uint8_t *batch; /* of what goes */
    size_t written; /* of the batch */
};

struct raw {
    int epoll;
    struct stream streams[EVENTS_MAX];
    size_t streams_count;
    uint8_t frame[FRAME_BYTES];
};

static void raw_add(struct raw *raw, int fd, bool is_incoming)
{
    struct stream *stream = &raw->streams[raw->streams_count++];
    struct epoll_event event = {
            .events = is_incoming ? EPOLLIN : EPOLLOUT,
            .data.ptr = stream,
    };

    stream->fd = fd;
    stream->is_incoming = is_incoming;
    if (is_incoming) {
        stream->counter.buffer = bench_alloc(BENCH_BATCH_BYTES);
    } else {
        stream->batch = bench_alloc(BENCH_BATCH_BYTES);
    }
    if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0 ||
            epoll_ctl(raw->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        bench_die("epoll");
    }
}

static void raw_read(struct stream *stream)
{
    struct bench_counter *counter = &stream->counter;
    ssize_t n = read(stream->fd, counter->buffer + counter->held,
            BENCH_BATCH_BYTES - counter->held);

    if (n > 0) {
        bench_count(counter, (size_t)n);
    } else if (n == 0 || errno != EAGAIN) {
        bench_die("read");
    }
}

static void raw_write(struct raw *raw, struct stream *stream)
{
    const size_t bytes = (size_t)BATCH_FRAMES * FRAME_BYTES;
    ssize_t n;

    if (stream->written == 0) {
        for (size_t i = 0; i < BATCH_FRAMES; i++) {
            memcpy(stream->batch + i * FRAME_BYTES, raw->frame, FRAME_BYTES);
        }
    }
    n = write(stream->fd, stream->batch + stream->written,
            bytes - stream->written);
    if (n > 0) {
        stream->written = (stream->written + (size_t)n) % bytes;
    } else if (errno != EAGAIN) {
        bench_die("write");
    }
}

static void raw_turn(struct raw *raw)
{
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(raw->epoll, events, EVENTS_MAX, 10);

    for (int i = 0; i < count; i++) {
        struct stream *stream = events[i].data.ptr;

        if (stream->is_incoming) {
            raw_read(stream);
        } else {
            raw_write(raw, stream);
        }
    }
}

static uint64_t raw_frames(const struct raw *raw)
{
    uint64_t frames = 0;

    for (size_t i = 0; i < raw->streams_count; i++) {
        frames += raw->streams[i].counter.frames;
    }
    return frames;
}

static double run_raw(struct bench_seat *seat, uint64_t ms)
{
    static struct raw raw;
    struct addr bound;
    int listener = bench_listen(&bound);
    uint64_t start_ns;

    raw.epoll = epoll_create1(0);
    frame_put_header(raw.frame, 0x05, PAYLOAD_BYTES);
    bench_seat_meet(seat, &bound);
    for (int i = 0; i < seat->count; i++) {
        if (i != seat->number) {
            raw_add(&raw, bench_connect(&seat->addrs[i]), false);
        }
    }
    for (int i = 1; i < seat->count; i++) {
        raw_add(&raw, bench_accept(listener), true);
    }
    bench_seat_begin(seat);
    start_ns = bench_now_ns();
    while (bench_now_ns() - start_ns < ms * 1000000) {
        raw_turn(&raw);
    }
    return (double)raw_frames(&raw) * 1e9 / (double)(bench_now_ns() - start_ns);
}

/* --- ours --- */

struct ours {
    struct bench_node node;
    uint64_t self; /* ids are seats' numbers + 1 */
    uint64_t count;
    uint64_t frames; /* that came */
};

static void on_frame(void *owner, uint64_t peer, size_t payload)
{
    struct ours *ours = owner;

    (void)peer;
    (void)payload;
    ours->frames++;
}

/* A batch for everybody whose last one is gone. */
static void on_room(void *owner)
{
    struct ours *ours = owner;

    for (uint64_t peer = 1; peer <= ours->count; peer++) {
        if (peer == ours->self || !bench_node_is_idle_to(&ours->node, peer)) {
            continue;
        }
        for (size_t i = 0; i < BATCH_FRAMES; i++) {
            (void)bench_node_send(&ours->node, peer, PAYLOAD_BYTES);
        }
    }
}

/* One frame to each opens the links. */
static void connect_to_all(struct ours *ours, const struct bench_seat *seat)
{
    struct bench_node *node = &ours->node;

    for (uint64_t peer = 1; peer <= ours->count; peer++) {
        if (peer != ours->self) {
            bench_node_register(node, peer, &seat->addrs[peer - 1]);
            (void)bench_node_send(node, peer, PAYLOAD_BYTES);
        }
    }
    bench_node_kick(node);
    while (node->links_up + 1 < ours->count || ours->frames + 1 < ours->count) {
        bench_node_turn(node);
    }
    ours->frames = 0;
}

static double run_ours(struct bench_seat *seat, uint64_t ms)
{
    static struct ours ours;
    uint64_t start_ns;

    ours.self = (uint64_t)seat->number + 1;
    ours.count = (uint64_t)seat->count;
    ours.node.owner = &ours;
    ours.node.on_frame = on_frame;
    bench_node_open(&ours.node, ours.self);
    bench_seat_meet(seat, &ours.node.bound);
    connect_to_all(&ours, seat);
    bench_seat_begin(seat);
    ours.node.on_room = on_room;
    start_ns = bench_now_ns();
    bench_node_kick(&ours.node);
    while (bench_now_ns() - start_ns < ms * 1000000) {
        bench_node_turn(&ours.node);
    }
    return (double)ours.frames * 1e9 / (double)(bench_now_ns() - start_ns);
}

/* --- rounds --- */

static void run(struct bench_seat *seat, const void *context)
{
    const struct context *what = context;
    double rate = what->kind == RAW ? run_raw(seat, what->ms)
                                    : run_ours(seat, what->ms);

    bench_seat_end(seat, &rate, sizeof(rate));
}

/* Frames a second at all processes together. */
static double run_once(int count, struct context context)
{
    double rates[BENCH_SEATS_MAX];
    double sum = 0;

    bench_fleet(count, run, &context, rates, sizeof(rates[0]));
    for (int i = 0; i < count; i++) {
        sum += rates[i];
    }
    return sum;
}

static void run_size(const struct bench_settings *settings, int count)
{
    double rates[KINDS][BENCH_ROUNDS_MAX];
    double ratios[BENCH_ROUNDS_MAX];
    char name[64];
    struct bench_row row = {.name = name, .unit = "M/s", .beside = "raw"};

    for (int i = 0; i < settings->rounds; i++) {
        for (int turn = 0; turn < KINDS; turn++) {
            enum kind kind = (i + turn) % 2 == 0 ? RAW : OURS;

            rates[kind][i] = run_once(
                    count, (struct context){.kind = kind, .ms = settings->ms});
        }
        ratios[i] = rates[OURS][i] / rates[RAW][i];
    }
    (void)snprintf(name, sizeof(name), "all-to-all of %d, 1 KiB", count);
    row.value = bench_median(rates[OURS], settings->rounds) / 1e6;
    row.baseline = bench_median(rates[RAW], settings->rounds) / 1e6;
    row.ratio = bench_median(ratios, settings->rounds);
    bench_print(settings, &row);
}

int main(int argc, char **argv)
{
    struct bench_settings settings = {.rounds = 9, .ms = 300};

    (void)signal(SIGPIPE, SIG_IGN);
    bench_parse(&settings, argc, argv);
    if (settings.numbers_count == 0) {
        settings.numbers[settings.numbers_count++] = 3;
        settings.numbers[settings.numbers_count++] = 8;
    }
    for (size_t i = 0; i < settings.numbers_count; i++) {
        if (settings.numbers[i] >= 2 &&
                settings.numbers[i] <= BENCH_SEATS_MAX) {
            run_size(&settings, (int)settings.numbers[i]);
        }
    }
    return 0;
}
