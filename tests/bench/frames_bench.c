/* Frames from one process to another over loopback, ours beside raw sockets.
 *
 * A frame is [length][tag 05][payload]. Ours are a pool and its adaptor at both
 * ends, sending with `shuffle_pool_vnode_data` as fast as it takes them. The raw
 * limit is a blocking socket with the same batching: frames copied into writes
 * of 256 KiB, read 256 KiB at a time and counted where they lie. Each round runs
 * both, in turns, and what counts is the ratio inside a round: these numbers
 * swing with the machine, their ratio much less. The processor time a frame
 * (sender + receiver) swings least.
 *
 *   frames_bench [--rounds N] [--ms N] [--json] [SIZE…] */
#include "shuffle/shuffle_uv.h"

#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/tcp.h>
#include <netinet/in.h>
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
    VNODE_HEAD_BYTES = 4,
};

struct settings {
    int rounds;
    uint64_t ms; /* that a run sends for */
    bool json;
    size_t sizes[SIZES_MAX]; /* of payloads, vnode included */
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

/* Something like Arrow's beginning, for frames are judged by it. */
static uint8_t *new_payload(size_t size)
{
    uint8_t *payload = calloc(1, size);

    if (payload == NULL) {
        die("payload");
    }
    memcpy(payload, "\x2a\0\0\0\xff\xff\xff\xff\x01\0\0\0", 12);
    return payload;
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

static struct result raw_receive(int listener)
{
    int fd = accept(listener, NULL, NULL);
    uint8_t *buffer = malloc(BATCH_BYTES);
    struct result result = {0, 0, 0};
    uint64_t start_ns = 0;
    uint64_t skip = 0;
    size_t held = 0;
    ssize_t n;

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
    uint8_t *payload = new_payload(payload_size);
    uint8_t *batch = malloc(BATCH_BYTES);
    uint64_t end_ns = now_ns() + ms * 1000000;
    size_t filled = 0;

    if (frame == NULL || batch == NULL) {
        die("malloc");
    }
    frame_put_header(frame, 0x05, payload_size);
    memcpy(frame + FRAME_HEADER_BYTES, payload, payload_size);
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
    free(payload);
    free(frame);
}

/* --- ours --- */

struct node {
    uv_loop_t loop;
    struct budget budget;
    struct block_pool blocks;
    struct shuffle_pool pool;
    struct shuffle_uv tcp;
    struct addr bound;
    struct result result;
    uint64_t start_ns;
    bool is_down;
    uv_idle_t source; /* fills the queue whenever it may have room */
    bool is_source;
    struct bytes arrow; /* that it sends */
};

static void act(struct node *node, const struct shuffle_pool_action *action)
{
    switch (action->type) {
    case SHUFFLE_POOL_LAMINAR:
        if (node->start_ns == 0) {
            node->start_ns = now_ns();
        }
        node->result.frames++;
        break;
    case SHUFFLE_POOL_DOWN:
        node->is_down = true;
        break;
    case SHUFFLE_POOL_CONNECT:
    case SHUFFLE_POOL_CLOSE:
    case SHUFFLE_POOL_FINISH:
    case SHUFFLE_POOL_WRITE:
    case SHUFFLE_POOL_READ:
        shuffle_uv_perform(&node->tcp, action);
        break;
    default:
        break;
    }
}

static void on_source(uv_idle_t *idle)
{
    struct node *node = idle->data;
    struct shuffle_pool_action action;

    while (shuffle_pool_vnode_data(&node->pool, uv_now(&node->loop), 2, 42,
                   node->arrow, NULL) == 0) {
    }
    while (shuffle_pool_next(&node->pool, &action)) {
        act(node, &action);
    }
    (void)uv_idle_stop(idle);
}

/* Something has moved, so there may be room again. */
static void on_turn(void *owner)
{
    struct node *node = owner;
    struct shuffle_pool_action action;

    while (shuffle_pool_next(&node->pool, &action)) {
        act(node, &action);
    }
    if (node->is_source) {
        (void)uv_idle_start(&node->source, on_source);
    }
}

static void on_closed(void *owner)
{
    (void)owner;
}

static void open_node(struct node *node, uint64_t id)
{
    struct shuffle_pool_options options = shuffle_pool_defaults();
    struct addr at = addr_ipv4(127, 0, 0, 1, 0);

    memset(node, 0, sizeof(*node));
    (void)uv_loop_init(&node->loop);
    node->budget.max_bytes = (size_t)128 << 20;
    block_pool_init(&node->blocks, &node->budget, 8 << 20);
    options.id = id;
    options.generation = 1;
    options.cluster = "bench";
    options.vnodes = 256;
    options.blocks = &node->blocks;
    shuffle_pool_init(&node->pool, &options, uv_now(&node->loop));
    node->tcp.owner = node;
    node->tcp.on_turn = on_turn;
    node->tcp.on_closed = on_closed;
    shuffle_uv_init(&node->tcp, &node->loop, &node->pool);
    if (shuffle_uv_listen(&node->tcp, &at, &node->bound, NULL) != 0) {
        die("listen");
    }
}

static void close_node(struct node *node)
{
    shuffle_uv_close(&node->tcp);
    (void)uv_run(&node->loop, UV_RUN_DEFAULT);
    shuffle_pool_close(&node->pool);
    block_pool_close(&node->blocks);
    (void)uv_loop_close(&node->loop);
}

static struct result our_receive(struct node *node)
{
    while (!node->is_down) {
        (void)uv_run(&node->loop, UV_RUN_ONCE);
    }
    node->result.ns = now_ns() - node->start_ns;
    return node->result;
}

static void our_send(const struct addr *to, size_t payload_size, uint64_t ms)
{
    struct node node;
    uint8_t *payload = new_payload(payload_size);
    struct bytes arrow = bytes_of(
            payload + VNODE_HEAD_BYTES, payload_size - VNODE_HEAD_BYTES);
    uint64_t end_ns = now_ns() + ms * 1000000;

    open_node(&node, 1);
    (void)shuffle_pool_register(&node.pool, uv_now(&node.loop), 2, to);
    (void)uv_idle_init(&node.loop, &node.source);
    node.source.data = &node;
    node.arrow = arrow;
    node.is_source = true;
    on_turn(&node);
    while (now_ns() < end_ns) {
        (void)uv_run(&node.loop, UV_RUN_ONCE);
    }
    node.is_source = false;
    uv_close((uv_handle_t *)&node.source, NULL);
    shuffle_pool_leave(&node.pool, uv_now(&node.loop));
    on_turn(&node);
    while (!node.is_down || shuffle_pool_links(&node.pool) > 0) {
        (void)uv_run(&node.loop, UV_RUN_ONCE);
    }
    close_node(&node);
    free(payload);
}

/* --- rounds --- */

enum kind {
    RAW,
    OURS,
};

/* The receiving process: says where it listens, then what it got. */
static void run_receiver(enum kind kind, int out)
{
    struct node node;
    struct addr bound;
    struct result result;
    uint64_t start_ns = cpu_ns();

    if (kind == RAW) {
        int listener = raw_listen(&bound);

        write_all(out, &bound, sizeof(bound));
        result = raw_receive(listener);
    } else {
        open_node(&node, 2);
        write_all(out, &node.bound, sizeof(node.bound));
        result = our_receive(&node);
    }
    result.cpu_ns = cpu_ns() - start_ns;
    write_all(out, &result, sizeof(result));
    _exit(0);
}

static struct measure run_once(enum kind kind, size_t payload_size, uint64_t ms)
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
        close(pipes[0]);
        run_receiver(kind, pipes[1]);
    }
    close(pipes[1]);
    read_all(pipes[0], &to, sizeof(to));
    start_ns = cpu_ns();
    if (kind == RAW) {
        raw_send(&to, payload_size, ms);
    } else {
        our_send(&to, payload_size, ms);
    }
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
        printf("{\"bench\":\"frames\",\"payload\":%zu,\"raw\":%.0f,"
               "\"weft\":%.0f,\"ratio\":%.3f}\n",
                size, raw->frames_per_s, ours->frames_per_s, ratio);
    } else {
        printf("%9zu B %12.0f %12.0f %7.2f %7.2f %8.0f+%-8.0f %8.0f+%-8.0f\n",
                size, raw->frames_per_s, ours->frames_per_s,
                ours->frames_per_s * (double)size / 1e9, ratio, raw->sender_ns,
                raw->receiver_ns, ours->sender_ns, ours->receiver_ns);
    }
    (void)fflush(stdout);
}

static void run_size(const struct settings *settings, size_t size)
{
    static struct column columns[2];
    double ratios[ROUNDS_MAX];
    struct measure raw;
    struct measure ours;

    for (int i = 0; i < settings->rounds; i++) {
        enum kind first = i % 2 == 0 ? RAW : OURS;
        enum kind second = i % 2 == 0 ? OURS : RAW;

        note(&columns[first], i, run_once(first, size, settings->ms));
        note(&columns[second], i, run_once(second, size, settings->ms));
        ratios[i] = columns[OURS].rates[i] / columns[RAW].rates[i];
    }
    raw = medians(&columns[RAW], settings->rounds);
    ours = medians(&columns[OURS], settings->rounds);
    print_size(settings, size, &raw, &ours, median(ratios, settings->rounds));
}

static void parse(struct settings *settings, int argc, char **argv)
{
    static const size_t sizes[] = {
            64, 256, 1024, 24 * 1024, 64 * 1024, 1024 * 1024};

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc) {
            settings->rounds = atoi(argv[++i]);
        } else if (strcmp(argv[i], "--ms") == 0 && i + 1 < argc) {
            settings->ms = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--json") == 0) {
            settings->json = true;
        } else if (settings->sizes_count < SIZES_MAX) {
            settings->sizes[settings->sizes_count++] =
                    (size_t)strtoull(argv[i], NULL, 10);
        }
    }
    if (settings->sizes_count == 0) {
        memcpy(settings->sizes, sizes, sizeof(sizes));
        settings->sizes_count = sizeof(sizes) / sizeof(sizes[0]);
    }
    if (settings->rounds < 1 || settings->rounds > ROUNDS_MAX) {
        settings->rounds = 9;
    }
}

int main(int argc, char **argv)
{
    struct settings settings = {.rounds = 9, .ms = 300};

    (void)signal(SIGPIPE, SIG_IGN);
    parse(&settings, argc, argv);
    if (!settings.json) {
        printf("%11s %12s %12s %8s %8s\n", "payload", "raw/s", "weft/s", "GB/s",
                "ratio");
    }
    for (size_t i = 0; i < settings.sizes_count; i++) {
        assert(settings.sizes[i] >= 16);
        run_size(&settings, settings.sizes[i]);
    }
    return 0;
}
