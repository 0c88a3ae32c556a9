/* What all benches share: clocks, blocking sockets, medians, and how a result
 * is told.
 *
 * A bench measures us and a baseline in the same rounds, in turns, and tells
 * the median of the rounds' ratios: the numbers swing with the machine, their
 * ratio much less. What it finds it prints, a line a row; with --json the row
 * is an object, for run.py. A bench never fails on a number. Whatever the
 * system refuses ends it with a sentence. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/bytes.h"

enum {
    BENCH_ROUNDS_MAX = 101,
    BENCH_NUMBERS_MAX = 16,
    BENCH_BATCH_BYTES = 256 * 1024, /* of a baseline's writes and reads */
};

/* What a bench's command line says: [--rounds N] [--ms N] [--json] [NUMBER…] */
struct bench_settings {
    int rounds; /* 1 to BENCH_ROUNDS_MAX */
    uint64_t ms; /* how long one run of a round takes */
    bool json;
    size_t numbers[BENCH_NUMBERS_MAX]; /* what they mean is the bench's */
    size_t numbers_count;
};

/* Changes what the arguments name; the rest stays as the caller set it. */
void bench_parse(struct bench_settings *settings, int argc, char **argv);

/* One result. Without a baseline, `beside` is NULL and `ratio` not told. */
struct bench_row {
    const char *name; /* run.py knows what must hold by it */
    double value;
    const char *unit;
    const char *beside;
    double baseline; /* in the same unit */
    double ratio;
    double kernel; /* share of our processor time that is the system's; 0: not
                      measured */
};

void bench_print(
        const struct bench_settings *settings, const struct bench_row *row);

uint64_t bench_now_ns(void);

/* What this process has spent and asked for, since it began. */
struct bench_usage {
    uint64_t cpu_ns;
    uint64_t kernel_ns; /* of it */
    uint64_t calls; /* read, write and their kin; 0 where nobody counts them */
};

struct bench_usage bench_usage(void);

/* Sorts, and returns the value that a part of all, 0 to 1, lie below. */
double bench_quantile(double values[], size_t count, double part);
double bench_median(double values[], int count);

/* Says what the system refused, and ends the process. */
_Noreturn void bench_die(const char *what);

void *bench_alloc(size_t bytes); /* zeroed, never NULL */

/* Blocking, all of it or the end. */
void bench_write(int fd, const void *data, size_t size);
void bench_read(int fd, void *data, size_t size);

/* Plain TCP on loopback, without delay. */
int bench_listen(struct addr *bound);
int bench_accept(int listener);
int bench_connect(const struct addr *to);

/* A reader of frames as plain programs have it: they are counted where they
 * lie, and what is cut off moves to the front. */
struct bench_counter {
    uint8_t *buffer; /* of BENCH_BATCH_BYTES */
    size_t held; /* of a frame that has begun */
    uint64_t skip; /* bytes to come of one larger than the buffer */
    uint64_t frames;
};

/* `bytes` more lie in the buffer behind those that are held. */
void bench_count(struct bench_counter *counter, size_t bytes);
