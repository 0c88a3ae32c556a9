#include "bench/bench_fleet.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    SEAT_MAX_S = 60, /* a process whose others have died ends by itself */
};

void bench_seat_meet(struct bench_seat *seat, const struct addr *bound)
{
    bench_write(seat->control, bound, sizeof(*bound));
    bench_read(seat->control, seat->addrs,
            (size_t)seat->count * sizeof(seat->addrs[0]));
}

static void wait_for_all(struct bench_seat *seat)
{
    char all = 0;

    bench_read(seat->control, &all, 1);
}

void bench_seat_begin(struct bench_seat *seat)
{
    bench_write(seat->control, "", 1);
    wait_for_all(seat);
}

_Noreturn void bench_seat_end(
        struct bench_seat *seat, const void *result, size_t result_bytes)
{
    bench_write(seat->control, result, result_bytes);
    wait_for_all(seat);
    _exit(0);
}

/* One process more; returns our end of its control. */
static int start(struct bench_seat *seat,
        void (*run)(struct bench_seat *seat, const void *context),
        const void *context)
{
    int ends[2];
    pid_t child;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) {
        bench_die("socketpair");
    }
    child = fork();
    if (child < 0) {
        bench_die("fork");
    }
    if (child == 0) {
        (void)close(ends[0]);
        seat->control = ends[1];
        (void)alarm(SEAT_MAX_S);
        run(seat, context);
        assert(false);
    }
    (void)close(ends[1]);
    return ends[0];
}

static void read_from_all(
        const int controls[], int count, void *into, size_t bytes)
{
    for (int i = 0; i < count; i++) {
        bench_read(controls[i], (uint8_t *)into + (size_t)i * bytes, bytes);
    }
}

static void write_to_all(
        const int controls[], int count, const void *data, size_t bytes)
{
    for (int i = 0; i < count; i++) {
        bench_write(controls[i], data, bytes);
    }
}

void bench_fleet(int count,
        void (*run)(struct bench_seat *seat, const void *context),
        const void *context, void *results, size_t result_bytes)
{
    struct addr addrs[BENCH_SEATS_MAX];
    char ready[BENCH_SEATS_MAX];
    int controls[BENCH_SEATS_MAX];

    assert(count <= BENCH_SEATS_MAX);
    (void)fflush(stdout);
    for (int i = 0; i < count; i++) {
        struct bench_seat seat = {.number = i, .count = count};

        controls[i] = start(&seat, run, context);
    }
    read_from_all(controls, count, addrs, sizeof(addrs[0]));
    write_to_all(controls, count, addrs, (size_t)count * sizeof(addrs[0]));
    read_from_all(controls, count, ready, 1);
    write_to_all(controls, count, "", 1);
    read_from_all(controls, count, results, result_bytes);
    write_to_all(controls, count, "", 1);
    for (int i = 0; i < count; i++) {
        (void)close(controls[i]);
        (void)wait(NULL);
    }
}
