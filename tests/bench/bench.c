#include "bench/bench.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/addr_posix.h"
#include "base/frame.h"

/* --- settings and rows --- */

void bench_parse(struct bench_settings *settings, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc) {
            settings->rounds = atoi(argv[++i]);
        } else if (strcmp(argv[i], "--ms") == 0 && i + 1 < argc) {
            settings->ms = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--json") == 0) {
            settings->json = true;
        } else if (settings->numbers_count < BENCH_NUMBERS_MAX) {
            settings->numbers[settings->numbers_count++] =
                    (size_t)strtoull(argv[i], NULL, 10);
        }
    }
    if (settings->rounds < 1) {
        settings->rounds = 1;
    }
    if (settings->rounds > BENCH_ROUNDS_MAX) {
        settings->rounds = BENCH_ROUNDS_MAX;
    }
}

static void print_json(const struct bench_row *row)
{
    printf("{\"name\":\"%s\",\"value\":%.6g,\"unit\":\"%s\"", row->name,
            row->value, row->unit);
    if (row->beside != NULL) {
        printf(",\"beside\":\"%s\",\"baseline\":%.6g,\"ratio\":%.4f",
                row->beside, row->baseline, row->ratio);
    }
    if (row->kernel > 0) {
        printf(",\"kernel\":%.3f", row->kernel);
    }
    printf("}\n");
}

static void print_text(const struct bench_row *row)
{
    printf("%-38s %10.4g %-8s", row->name, row->value, row->unit);
    if (row->beside != NULL) {
        printf(" %6.2f of %s %.4g", row->ratio, row->beside, row->baseline);
    }
    printf("\n");
}

void bench_print(
        const struct bench_settings *settings, const struct bench_row *row)
{
    if (settings->json) {
        print_json(row);
    } else {
        print_text(row);
    }
    (void)fflush(stdout);
}

/* --- clocks and counts --- */

static uint64_t ns_of(clockid_t clock)
{
    struct timespec t;

    (void)clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint64_t bench_now_ns(void)
{
    return ns_of(CLOCK_MONOTONIC);
}

/* Linux counts a process's reads and writes in a file of it. */
static uint64_t count_calls(void)
{
    FILE *file = fopen("/proc/self/io", "r");
    char line[64];
    uint64_t calls = 0;

    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, "syscr: ", 7) == 0 ||
                strncmp(line, "syscw: ", 7) == 0) {
            calls += strtoull(line + 7, NULL, 10);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return calls;
}

struct bench_usage bench_usage(void)
{
    struct rusage usage;

    (void)getrusage(RUSAGE_SELF, &usage);
    return (struct bench_usage){
            .cpu_ns = ns_of(CLOCK_PROCESS_CPUTIME_ID),
            .kernel_ns = (uint64_t)usage.ru_stime.tv_sec * 1000000000 +
                         (uint64_t)usage.ru_stime.tv_usec * 1000,
            .calls = count_calls(),
    };
}

static int compare_doubles(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;

    return (left > right) - (left < right);
}

double bench_quantile(double values[], size_t count, double part)
{
    size_t at = (size_t)((double)count * part);

    qsort(values, count, sizeof(values[0]), compare_doubles);
    return values[at < count ? at : count - 1];
}

double bench_median(double values[], int count)
{
    return bench_quantile(values, (size_t)count, 0.5);
}

/* --- the system --- */

_Noreturn void bench_die(const char *what)
{
    perror(what);
    exit(1);
}

void *bench_alloc(size_t bytes)
{
    void *memory = calloc(1, bytes);

    if (memory == NULL) {
        bench_die("memory");
    }
    return memory;
}

void bench_write(int fd, const void *data, size_t size)
{
    const uint8_t *at = data;

    while (size > 0) {
        ssize_t n = write(fd, at, size);

        if (n <= 0) {
            bench_die("write");
        }
        at += n;
        size -= (size_t)n;
    }
}

void bench_read(int fd, void *data, size_t size)
{
    uint8_t *at = data;

    while (size > 0) {
        ssize_t n = read(fd, at, size);

        if (n <= 0) {
            bench_die("read");
        }
        at += n;
        size -= (size_t)n;
    }
}

int bench_listen(struct addr *bound)
{
    struct addr at = addr_ipv4(127, 0, 0, 1, 0);
    struct sockaddr_storage address;
    socklen_t size = addr_posix_to_sockaddr(&at, &address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 ||
            listen(fd, 64) != 0 ||
            getsockname(fd, (struct sockaddr *)&address, &size) != 0 ||
            !addr_posix_from_sockaddr((struct sockaddr *)&address, bound)) {
        bench_die("listen");
    }
    return fd;
}

static int without_delay(int fd)
{
    int on = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

int bench_accept(int listener)
{
    int fd = accept(listener, NULL, NULL);

    if (fd < 0) {
        bench_die("accept");
    }
    return without_delay(fd);
}

int bench_connect(const struct addr *to)
{
    struct sockaddr_storage address;
    socklen_t size = addr_posix_to_sockaddr(to, &address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&address, size) != 0) {
        bench_die("connect");
    }
    return without_delay(fd);
}

/* --- counting frames --- */

/* A part of a frame that is too large for the buffer; returns its bytes. */
static size_t skip_some(struct bench_counter *counter, size_t bytes)
{
    size_t n = counter->skip < bytes ? (size_t)counter->skip : bytes;

    counter->skip -= n;
    counter->frames += counter->skip == 0 ? 1 : 0;
    return n;
}

void bench_count(struct bench_counter *counter, size_t bytes)
{
    size_t filled = counter->held + bytes;
    size_t at = 0;

    counter->held = 0;
    while (at < filled) {
        struct bytes rest = bytes_of(counter->buffer + at, filled - at);
        struct frame frame;
        size_t frame_bytes;

        if (counter->skip > 0) {
            at += skip_some(counter, rest.size);
        } else if (frame_peek(rest, &frame, &frame_bytes) == FRAME_WHOLE) {
            at += frame_bytes;
            counter->frames++;
        } else if (frame_bytes > BENCH_BATCH_BYTES) {
            counter->skip = frame_bytes;
        } else {
            memmove(counter->buffer, counter->buffer + at, rest.size);
            counter->held = rest.size;
            return;
        }
    }
}
