/* Frames from one process to another over loopback, ours beside raw sockets.
 *
 * A frame is [length][tag][payload]. The raw limit is a blocking socket with
 * batching like ours: frames copied into writes of 256 KiB, read 256 KiB at a
 * time and counted where they lie. What ours is, a bench says with its `struct
 * side`. Each round runs both, in turns, and what counts is the ratio inside a
 * round: these numbers swing with the machine, their ratio much less. The
 * processor time a frame, sender + receiver, swings least.
 *
 *   NAME_bench [--rounds N] [--ms N] [--json] [SIZE…] */
#pragma once

#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/addr_posix.h"
#include "base/frame.h"

enum {
    BATCH_BYTES = 256 * 1024,
    ROUNDS_MAX = 101,
    SIZES_MAX = 16,
};

struct settings {
    int rounds;
    uint64_t ms; /* that a run sends for */
    bool json;
    const char *bench; /* its name */
    size_t sizes[SIZES_MAX];
    size_t sizes_count;
};

/* What a receiver reports. */
struct result {
    uint64_t frames;
    uint64_t ns; /* from the first byte to the last */
    uint64_t cpu_ns; /* of the receiver */
};

/* What a run came to. */
struct measure {
    double frames_per_s;
    double sender_ns; /* processor time a frame, system included */
    double receiver_ns;
};

static uint64_t now_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t cpu_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void write_all(int fd, const void *data, size_t size)
{
    const uint8_t *at = data;

    while (size > 0) {
        ssize_t n = write(fd, at, size);

        if (n <= 0) {
            die("write");
        }
        at += n;
        size -= (size_t)n;
    }
}

static void read_all(int fd, void *data, size_t size)
{
    uint8_t *at = data;

    while (size > 0) {
        ssize_t n = read(fd, at, size);

        if (n <= 0) {
            die("read");
        }
        at += n;
        size -= (size_t)n;
    }
}

/* --- raw --- */

static int raw_listen(struct addr *bound)
{
    struct addr at = addr_ipv4(127, 0, 0, 1, 0);
    struct sockaddr_storage address;
    socklen_t size = addr_posix_to_sockaddr(&at, &address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 ||
            listen(fd, 1) != 0 ||
            getsockname(fd, (struct sockaddr *)&address, &size) != 0 ||
            !addr_posix_from_sockaddr((struct sockaddr *)&address, bound)) {
        die("listen");
    }
    return fd;
}

/* Counts the frames that lie whole in the buffer; returns what is left over,
 * moved to its front. A frame larger than the buffer is skipped piecewise. */
static size_t count_frames(
        uint8_t *buffer, size_t filled, uint64_t *skip, uint64_t *frames)
{
    size_t at = 0;

    while (at < filled) {
        struct bytes rest = bytes_of(buffer + at, filled - at);
        struct frame frame;
        size_t frame_bytes;

        if (*skip > 0) {
            size_t n = *skip < rest.size ? (size_t)*skip : rest.size;

            *skip -= n;
            at += n;
            *frames += *skip == 0 ? 1 : 0;
            continue;
        }
        if (frame_peek(rest, &frame, &frame_bytes) == FRAME_WHOLE) {
            at += frame_bytes;
            (*frames)++;
        } else if (frame_bytes > BATCH_BYTES) {
            *skip = frame_bytes;
        } else {
            memmove(buffer, buffer + at, filled - at);
            return filled - at;
        }
    }
    return 0;
}

static struct result raw_receive(int out)
{
    struct addr bound;
    int listener = raw_listen(&bound);
    int fd;
    uint8_t *buffer = malloc(BATCH_BYTES);
    struct result result = {0, 0, 0};
    uint64_t start_ns = 0;
    uint64_t skip = 0;
    size_t held = 0;
    ssize_t n;

    write_all(out, &bound, sizeof(bound));
    fd = accept(listener, NULL, NULL);
    if (fd < 0 || buffer == NULL) {
        die("accept");
    }
    while ((n = read(fd, buffer + held, BATCH_BYTES - held)) > 0) {
        start_ns = start_ns == 0 ? now_ns() : start_ns;
        held = count_frames(buffer, held + (size_t)n, &skip, &result.frames);
    }
    result.ns = now_ns() - start_ns;
    free(buffer);
    close(fd);
    close(listener);
    return result;
}

static int raw_connect(const struct addr *to)
{
    struct sockaddr_storage address;
    socklen_t size = addr_posix_to_sockaddr(to, &address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int on = 1;

    if (fd < 0 || connect(fd, (struct sockaddr *)&address, size) != 0) {
        die("connect");
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

/* Copies frames one behind another into batches, a large one across several. */
static void raw_send(const struct addr *to, size_t payload_size, uint64_t ms)
{
    int fd = raw_connect(to);
    size_t frame_size = FRAME_HEADER_BYTES + payload_size;
    uint8_t *frame = malloc(frame_size);
    uint8_t *batch = malloc(BATCH_BYTES);
    uint64_t end_ns = now_ns() + ms * 1000000;
    size_t filled = 0;

    if (frame == NULL || batch == NULL) {
        die("malloc");
    }
    frame_put_header(frame, 0x05, payload_size);
    memset(frame + FRAME_HEADER_BYTES, 0, payload_size);
    while (now_ns() < end_ns) {
        for (int i = 0; i < 16; i++) {
            size_t at = 0;

            while (at < frame_size) {
                size_t room = BATCH_BYTES - filled;
                size_t n = frame_size - at < room ? frame_size - at : room;

                memcpy(batch + filled, frame + at, n);
                at += n;
                filled += n;
                if (filled == BATCH_BYTES) {
                    write_all(fd, batch, filled);
                    filled = 0;
                }
            }
        }
    }
    write_all(fd, batch, filled);
    close(fd);
    free(batch);
    free(frame);
}

/* --- rounds --- */

/* Ours, beside raw. */
struct side {
    /* In a process of its own: writes where it listens to `out`, takes all
     * that is sent there, and returns what that was. */
    struct result (*receive)(int out);

    /* Sends frames, or records, of so many bytes for so long. */
    void (*send)(const struct addr *to, size_t size, uint64_t ms);
};

static struct measure run_once(
        const struct side *side, size_t size, uint64_t ms)
{
    int pipes[2];
    struct addr to;
    struct result result;
    uint64_t start_ns;
    pid_t child;

    if (pipe(pipes) != 0) {
        die("pipe");
    }
    child = fork();
    if (child < 0) {
        die("fork");
    }
    if (child == 0) {
        start_ns = cpu_ns();
        result = side->receive(pipes[1]);
        result.cpu_ns = cpu_ns() - start_ns;
        write_all(pipes[1], &result, sizeof(result));
        _exit(0);
    }
    close(pipes[1]);
    read_all(pipes[0], &to, sizeof(to));
    start_ns = cpu_ns();
    side->send(&to, size, ms);
    start_ns = cpu_ns() - start_ns;
    read_all(pipes[0], &result, sizeof(result));
    close(pipes[0]);
    (void)waitpid(child, NULL, 0);
    return (struct measure){
            .frames_per_s = (double)result.frames * 1e9 / (double)result.ns,
            .sender_ns = (double)start_ns / (double)result.frames,
            .receiver_ns = (double)result.cpu_ns / (double)result.frames,
    };
}

static int compare_doubles(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;

    return (left > right) - (left < right);
}

static double median(double values[], int count)
{
    qsort(values, (size_t)count, sizeof(values[0]), compare_doubles);
    return values[count / 2];
}

/* Three numbers of each round, in columns, for their medians. */
struct column {
    double rates[ROUNDS_MAX];
    double senders[ROUNDS_MAX];
    double receivers[ROUNDS_MAX];
};

static void note(struct column *column, int round, struct measure measure)
{
    column->rates[round] = measure.frames_per_s;
    column->senders[round] = measure.sender_ns;
    column->receivers[round] = measure.receiver_ns;
}

static struct measure medians(struct column *column, int rounds)
{
    return (struct measure){
            .frames_per_s = median(column->rates, rounds),
            .sender_ns = median(column->senders, rounds),
            .receiver_ns = median(column->receivers, rounds),
    };
}

static void print_size(const struct settings *settings, size_t size,
        const struct measure *raw, const struct measure *ours, double ratio)
{
    if (settings->json) {
        printf("{\"bench\":\"%s\",\"bytes\":%zu,\"raw\":%.0f,"
               "\"weft\":%.0f,\"ratio\":%.3f}\n",
                settings->bench, size, raw->frames_per_s, ours->frames_per_s,
                ratio);
    } else {
        printf("%9zu B %12.0f %12.0f %7.2f %7.2f %8.0f+%-8.0f %8.0f+%-8.0f\n",
                size, raw->frames_per_s, ours->frames_per_s,
                ours->frames_per_s * (double)size / 1e9, ratio, raw->sender_ns,
                raw->receiver_ns, ours->sender_ns, ours->receiver_ns);
    }
    (void)fflush(stdout);
}

static void run_size(
        const struct settings *settings, const struct side *ours, size_t size)
{
    static const struct side raw_side = {raw_receive, raw_send};
    static struct column columns[2];
    double ratios[ROUNDS_MAX];
    struct measure medians_of[2];

    for (int i = 0; i < settings->rounds; i++) {
        for (int turn = 0; turn < 2; turn++) {
            int which = (i + turn) % 2;

            note(&columns[which], i,
                    run_once(
                            which == 0 ? &raw_side : ours, size, settings->ms));
        }
        ratios[i] = columns[1].rates[i] / columns[0].rates[i];
    }
    for (int which = 0; which < 2; which++) {
        medians_of[which] = medians(&columns[which], settings->rounds);
    }
    print_size(settings, size, &medians_of[0], &medians_of[1],
            median(ratios, settings->rounds));
}

static void parse(struct settings *settings, int argc, char **argv)
{
    size_t sizes_count = 0;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc) {
            settings->rounds = atoi(argv[++i]);
        } else if (strcmp(argv[i], "--ms") == 0 && i + 1 < argc) {
            settings->ms = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--json") == 0) {
            settings->json = true;
        } else if (sizes_count < SIZES_MAX) {
            settings->sizes[sizes_count++] =
                    (size_t)strtoull(argv[i], NULL, 10);
        }
    }
    if (sizes_count > 0) {
        settings->sizes_count = sizes_count;
    }
    if (settings->rounds < 1 || settings->rounds > ROUNDS_MAX) {
        settings->rounds = 9;
    }
}

/* All of it; `settings` has the sizes unless the arguments name others. */
static int bench_sides(struct settings *settings, const struct side *ours,
        int argc, char **argv)
{
    (void)signal(SIGPIPE, SIG_IGN);
    parse(settings, argc, argv);
    if (!settings->json) {
        printf("%11s %12s %12s %8s %7s %17s %17s\n", "bytes", "raw/s", "weft/s",
                "GB/s", "ratio", "raw ns", "weft ns");
    }
    for (size_t i = 0; i < settings->sizes_count; i++) {
        run_size(settings, ours, settings->sizes[i]);
    }
    return 0;
}
