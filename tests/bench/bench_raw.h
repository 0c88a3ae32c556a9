/* The raw limit that frames and records are measured beside: two processes, a
 * blocking socket, and the same batching as ours. Frames are copied into writes
 * of 256 KiB, read 256 KiB at a time, and counted where they lie. */
#pragma once

#include "bench/bench_fleet.h"

enum {
    BENCH_RECEIVER, /* the seats */
    BENCH_SENDER,
    BENCH_ENDS,
    BENCH_NAME_BYTES = 64,
};

/* What came out at the receiver. */
struct bench_flow {
    uint64_t frames;
    uint64_t ns; /* from the first byte to the last */
};

/* A second. */
double bench_flow_rate(const struct bench_flow *flow);

/* One end's run of frames with so large a payload, for `ms`: meets and begins.
 * The sender finds nothing. */
void bench_raw(struct bench_seat *seat, size_t payload_bytes, uint64_t ms,
        struct bench_flow *flow);

/* "frames of 24 KiB", and returns the name. */
const char *bench_name_size(
        char name[static BENCH_NAME_BYTES], const char *what, size_t bytes);
