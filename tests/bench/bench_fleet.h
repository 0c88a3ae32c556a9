/* Processes that measure together: each listens, hears where the others do,
 * connects, waits until all are ready, and hands over what it found. None ends
 * before all have measured, so nobody's end is in somebody else's numbers.
 *
 *   static void run(struct bench_seat *seat, const void *context)
 *   {
 *       ... listen ...
 *       bench_seat_meet(seat, &bound);
 *       ... connect to seat->addrs[…] ...
 *       bench_seat_begin(seat);
 *       ... measure ...
 *       bench_seat_end(seat, &result, sizeof(result));
 *   }
 *   bench_fleet(3, run, &context, results, sizeof(results[0])); */
#pragma once

#include "bench/bench.h"

enum {
    BENCH_SEATS_MAX = 16,
};

struct bench_seat {
    int number; /* from 0 */
    int count; /* of all */
    struct addr addrs[BENCH_SEATS_MAX]; /* after meeting: by number */
    int control; /* to the process that started us */
};

/* Every process calls these three, once and in this order. */
void bench_seat_meet(struct bench_seat *seat, const struct addr *bound);
void bench_seat_begin(struct bench_seat *seat);
_Noreturn void bench_seat_end(
        struct bench_seat *seat, const void *result, size_t result_bytes);

/* Starts `count` processes and fills `results`, one behind another by number. */
void bench_fleet(int count,
        void (*run)(struct bench_seat *seat, const void *context),
        const void *context, void *results, size_t result_bytes);
