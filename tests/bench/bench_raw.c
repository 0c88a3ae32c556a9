#include "bench/bench_raw.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/frame.h"

static void receive(int listener, struct bench_flow *flow)
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
    flow->frames = counter.frames;
    flow->ns = bench_now_ns() - start_ns;
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

static void send_frames(int fd, size_t payload_bytes, uint64_t ms)
{
    struct batch batch = {.fd = fd, .data = bench_alloc(BENCH_BATCH_BYTES)};
    size_t size = FRAME_HEADER_BYTES + payload_bytes;
    uint8_t *frame = bench_alloc(size);
    uint64_t end_ns = bench_now_ns() + ms * 1000000;

    frame_put_header(frame, 0x05, payload_bytes);
    while (bench_now_ns() < end_ns) {
        for (int i = 0; i < 16; i++) {
            batch_frame(&batch, frame, size);
        }
    }
    bench_write(fd, batch.data, batch.filled);
    (void)close(fd);
}

void bench_raw(struct bench_seat *seat, size_t payload_bytes, uint64_t ms,
        struct bench_flow *flow)
{
    struct addr bound;
    int listener = bench_listen(&bound);

    bench_seat_meet(seat, &bound);
    bench_seat_begin(seat);
    if (seat->number == BENCH_SENDER) {
        send_frames(
                bench_connect(&seat->addrs[BENCH_RECEIVER]), payload_bytes, ms);
    } else {
        receive(listener, flow);
    }
}

double bench_flow_rate(const struct bench_flow *flow)
{
    return (double)flow->frames * 1e9 / (double)flow->ns;
}

const char *bench_name_size(
        char name[static BENCH_NAME_BYTES], const char *what, size_t bytes)
{
    if (bytes % 1024 == 0) {
        (void)snprintf(
                name, BENCH_NAME_BYTES, "%s of %zu KiB", what, bytes / 1024);
    } else {
        (void)snprintf(name, BENCH_NAME_BYTES, "%s of %zu B", what, bytes);
    }
    return name;
}
