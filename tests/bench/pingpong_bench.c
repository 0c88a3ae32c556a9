/* How long is the way there and back? 64 bytes from one process to another,
 * answered at once: ours as frames through pool and adaptor at both ends, on
 * the two connections that two nodes have, beside blocking sockets, which is as
 * fast as the system does it. These go on one connection, where each answer
 * carries the acknowledgement too, and once more on two, as ours: that is what
 * a connection for each way costs anybody.
 *
 *   pingpong_bench [--rounds N] [--ms N] [--json] */
#include <assert.h>
#include <signal.h>

#include "base/frame.h"
#include "bench/bench_fleet.h"
#include "bench/bench_node.h"

enum {
    PAYLOAD_BYTES = 64,
    WARMUP = 200, /* ways there and back that do not count */
    SAMPLES_MAX = 1 << 16,
};

enum kind {
    RAW, /* on one connection */
    RAW_PAIR, /* on two, one for each way, as ours */
    OURS,
    KINDS,
};

struct context {
    enum kind kind;
    uint64_t ms;
};

struct result {
    double p50_us;
    double p99_us;
};

/* What the process that serves has measured so far. */
struct game {
    struct bench_node node;
    double samples[SAMPLES_MAX];
    size_t count; /* of ways, those that do not count included */
    uint64_t sent_ns;
    uint64_t ms; /* to go on for, once warm */
    uint64_t end_ns;
    bool is_server; /* else it answers */
    bool is_over;
};

static void begin(struct game *game, uint64_t ms)
{
    game->ms = ms;
    game->sent_ns = bench_now_ns();
}

/* The answer is here. */
static void note(struct game *game)
{
    uint64_t now_ns = bench_now_ns();

    game->count++;
    if (game->count <= WARMUP) {
        game->end_ns = now_ns + game->ms * 1000000;
    } else {
        game->samples[game->count - WARMUP - 1] =
                (double)(now_ns - game->sent_ns) / 1e3;
        game->is_over =
                now_ns >= game->end_ns || game->count == SAMPLES_MAX + WARMUP;
    }
    game->sent_ns = now_ns;
}

static struct result result_of(struct game *game)
{
    size_t count = game->count - WARMUP;

    return (struct result){
            .p50_us = bench_quantile(game->samples, count, 0.5),
            .p99_us = bench_quantile(game->samples, count, 0.99),
    };
}

/* --- raw --- */

static void raw_serve(struct game *game, int out, int in)
{
    uint8_t frame[FRAME_HEADER_BYTES + PAYLOAD_BYTES] = {0};

    frame_put_header(frame, 0x05, PAYLOAD_BYTES);
    while (!game->is_over) {
        bench_write(out, frame, sizeof(frame));
        bench_read(in, frame, sizeof(frame));
        note(game);
    }
    frame[FRAME_HEADER_BYTES] = 1; /* the last */
    bench_write(out, frame, sizeof(frame));
}

static void raw_answer(int out, int in)
{
    uint8_t frame[FRAME_HEADER_BYTES + PAYLOAD_BYTES];

    bench_read(in, frame, sizeof(frame));
    while (frame[FRAME_HEADER_BYTES] == 0) {
        bench_write(out, frame, sizeof(frame));
        bench_read(in, frame, sizeof(frame));
    }
}

static void run_raw(
        struct bench_seat *seat, struct game *game, const struct context *what)
{
    struct addr bound;
    int listener = bench_listen(&bound);
    int out;
    int in;

    bench_seat_meet(seat, &bound);
    if (what->kind == RAW_PAIR) {
        out = bench_connect(&seat->addrs[1 - seat->number]);
        in = bench_accept(listener);
    } else {
        out = game->is_server ? bench_connect(&seat->addrs[1])
                              : bench_accept(listener);
        in = out;
    }
    bench_seat_begin(seat);
    if (game->is_server) {
        begin(game, what->ms);
        raw_serve(game, out, in);
    } else {
        raw_answer(out, in);
    }
}

/* --- ours --- */

/* The last frame is longer, and not answered. */
static void on_frame(void *owner, uint64_t peer, size_t payload)
{
    struct game *game = owner;

    if (game->is_server) {
        note(game);
        payload += game->is_over ? 1 : 0;
    } else {
        game->is_over = payload != PAYLOAD_BYTES;
    }
    if (game->is_server || !game->is_over) {
        (void)bench_node_send(&game->node, peer, payload);
    }
}

static void run_ours(struct bench_seat *seat, struct game *game, uint64_t ms)
{
    struct bench_node *node = &game->node;
    uint64_t self = (uint64_t)seat->number + 1;
    uint64_t other = 3 - self;

    node->owner = game;
    node->on_frame = on_frame;
    bench_node_open(node, self);
    bench_seat_meet(seat, &node->bound);
    bench_node_register(node, other, &seat->addrs[other - 1]);
    bench_seat_begin(seat);
    if (game->is_server) {
        begin(game, ms);
        (void)bench_node_send(node, other, PAYLOAD_BYTES);
        bench_node_kick(node);
    }
    while (!game->is_over) {
        bench_node_turn(node);
    }
}

/* --- rounds --- */

static void run(struct bench_seat *seat, const void *context)
{
    static struct game game;
    const struct context *what = context;
    struct result result = {0, 0};

    game.is_server = seat->number == 0;
    if (what->kind == OURS) {
        run_ours(seat, &game, what->ms);
    } else {
        run_raw(seat, &game, what);
    }
    if (game.is_server) {
        result = result_of(&game);
    }
    bench_seat_end(seat, &result, sizeof(result));
}

struct column {
    double p50[BENCH_ROUNDS_MAX];
    double p99[BENCH_ROUNDS_MAX];
};

static void run_once(struct column *column, int round, struct context context)
{
    struct result results[2];

    bench_fleet(2, run, &context, results, sizeof(results[0]));
    column->p50[round] = results[0].p50_us;
    column->p99[round] = results[0].p99_us;
}

static void print(const struct bench_settings *settings, const char *name,
        double raw[], double ours[])
{
    double ratios[BENCH_ROUNDS_MAX];
    struct bench_row row = {.name = name, .unit = "us", .beside = "raw"};

    for (int i = 0; i < settings->rounds; i++) {
        ratios[i] = ours[i] / raw[i];
    }
    row.value = bench_median(ours, settings->rounds);
    row.baseline = bench_median(raw, settings->rounds);
    row.ratio = bench_median(ratios, settings->rounds);
    bench_print(settings, &row);
}

int main(int argc, char **argv)
{
    static struct column columns[KINDS];
    struct bench_settings settings = {.rounds = 9, .ms = 300};

    (void)signal(SIGPIPE, SIG_IGN);
    bench_parse(&settings, argc, argv);
    for (int i = 0; i < settings.rounds; i++) {
        for (int turn = 0; turn < KINDS; turn++) {
            enum kind kind = (enum kind)((i + turn) % KINDS);

            run_once(&columns[kind], i,
                    (struct context){.kind = kind, .ms = settings.ms});
        }
    }
    print(&settings, "ping-pong of 64 B, p50", columns[RAW].p50,
            columns[OURS].p50);
    print(&settings, "ping-pong of 64 B, p99", columns[RAW].p99,
            columns[OURS].p99);
    print(&settings, "the same beside two sockets, p50", columns[RAW_PAIR].p50,
            columns[OURS].p50);
    print(&settings, "the same beside two sockets, p99", columns[RAW_PAIR].p99,
            columns[OURS].p99);
    return 0;
}
