/* How fast are streams by themselves? One source, three sinks, one process, no
 * socket: a program's DATA frames are routed and packed by one core, taken and
 * handed on by three others, and confirmed all the way back. What the whole
 * node reaches between processes can only be less; what is missing to this is
 * the price of sockets.
 *
 *   records_bench [--rounds N] [--json] */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/hash.h"
#include "bench/bench.h"
#include "shuffle/shuffle_record.h"
#include "shuffle/shuffle_streams.h"

enum {
    SINKS = 3,
    SOURCE_CLIENT = 1,
    SINK_CLIENT = 2,
    BYTES_A_ROUND = 512 << 20,
    KEYS = 1 << 16,
    LIMIT = 1 << 20,
};

struct bench_node {
    struct budget budget;
    struct block_pool blocks;
    struct shuffle_streams st;
    uint64_t received; /* by its program */
    uint64_t received_bytes;
};

struct bench {
    struct bench_node nodes[SINKS + 1]; /* the source's is the last */
    bool is_read;
    bool is_done;
};

static double now_s(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void start(struct bench_node *node, uint64_t id)
{
    struct shuffle_streams_options options = shuffle_streams_defaults();

    *node = (struct bench_node){.budget = {.max_bytes = 256 << 20}};
    block_pool_init(&node->blocks, &node->budget, 64 << 20);
    options.id = id;
    options.generation = 1;
    options.blocks = &node->blocks;
    options.budget = &node->budget;
    options.seed = id;
    shuffle_streams_init(&node->st, &options, 1);
}

/* Links: node i is reached by link i + 1 from the source, and sees it so. */
static void carry(
        struct bench *b, size_t from, const struct shuffle_streams_action *a)
{
    size_t to = from == SINKS ? a->link - 1 : SINKS;
    uint8_t tag = a->block != NULL ? SHUFFLE_TAG_DATA : a->tag;
    struct bytes payload = a->block != NULL
                                   ? bytes_skip(block_bytes(a->block), 5)
                                   : a->payload;
    bool is_fine = shuffle_streams_receive(&b->nodes[to].st, 1, a->link,
            b->nodes[from].st.options.id, tag, payload);

    assert(is_fine);
    (void)is_fine;
    block_free(a->block);
}

static void client_got(
        struct bench *b, size_t n, const struct shuffle_streams_action *a)
{
    struct bytes payload = a->block != NULL
                                   ? bytes_skip(block_bytes(a->block), 5)
                                   : a->payload;
    uint8_t tag = a->block != NULL ? SHUFFLE_TAG_DATA : a->tag;
    struct shuffle_wire_data data;

    if (a->client == SOURCE_CLIENT) {
        b->is_done |= tag == SHUFFLE_TAG_DONE;
        assert(tag != SHUFFLE_TAG_FAIL);
    } else if (tag == SHUFFLE_TAG_DATA) {
        size_t count;
        bool is_fine = shuffle_wire_decode_data(payload, &data) &&
                       shuffle_records_count(data.records, SHUFFLE_FORMAT_WHOLE,
                               SHUFFLE_RECORD_MAX, &count);

        assert(is_fine);
        (void)is_fine;
        b->nodes[n].received += count;
        b->nodes[n].received_bytes += data.records.size;
    } else if (tag == SHUFFLE_TAG_MARK) {
        const struct shuffle_wire_done done = {0, b->nodes[n].received};
        uint8_t text[32];
        struct writer w = writer_of(text, sizeof(text));

        shuffle_wire_encode_done(&w, &done);
        (void)shuffle_streams_client(&b->nodes[n].st, 1, a->client,
                SHUFFLE_TAG_DONE, writer_bytes(&w));
    }
    block_free(a->block);
}

static void drain(struct bench *b, size_t n)
{
    struct shuffle_streams_action a;

    while (shuffle_streams_next(&b->nodes[n].st, &a)) {
        switch (a.type) {
        case SHUFFLE_STREAMS_FRAME:
        case SHUFFLE_STREAMS_BLOCK:
            carry(b, n, &a);
            break;
        case SHUFFLE_STREAMS_CLIENT_FRAME:
        case SHUFFLE_STREAMS_CLIENT_BLOCK:
            client_got(b, n, &a);
            break;
        case SHUFFLE_STREAMS_CLIENT_READ:
            b->is_read = a.on;
            break;
        default:
            break;
        }
    }
}

static void confirm(struct bench *b, size_t n)
{
    struct bench_node *node = &b->nodes[n];
    const struct shuffle_wire_grant grant = {
            0, node->received, node->received_bytes + LIMIT};
    uint8_t text[32];
    struct writer w = writer_of(text, sizeof(text));

    shuffle_wire_encode_grant(&w, &grant);
    (void)shuffle_streams_client(
            &node->st, 1, SINK_CLIENT, SHUFFLE_TAG_GRANT, writer_bytes(&w));
}

static void turn(struct bench *b)
{
    for (size_t i = 0; i <= SINKS; i++) {
        size_t n = SINKS - i; /* the source first */

        shuffle_streams_flush(&b->nodes[n].st, 1);
        drain(b, n);
        if (n < SINKS) {
            confirm(b, n);
            drain(b, n);
        }
    }
}

static void attach(struct bench *b)
{
    struct shuffle_wire_attach sink = {SHUFFLE_ROLE_SINK, SHUFFLE_FORMAT_WHOLE,
            1, {(const uint8_t *)"words", 5}};
    struct shuffle_wire_attach source = {SHUFFLE_ROLE_SOURCE,
            SHUFFLE_FORMAT_WHOLE, SINKS, {(const uint8_t *)"words", 5}};
    struct shuffle_member_sink theirs = {sink.stage, 1};

    for (size_t i = 0; i < SINKS; i++) {
        struct shuffle_member member = {.id = i + 1,
                .generation = 1,
                .live = true,
                .active = true,
                .speaks_weft = true,
                .sinks = &theirs,
                .sinks_count = 1};

        shuffle_streams_attach(&b->nodes[i].st, 1, SINK_CLIENT, &sink);
        confirm(b, i);
        drain(b, i);
        shuffle_streams_member(&b->nodes[SINKS].st, 1, &member);
        shuffle_streams_link_up(
                &b->nodes[i].st, 1, (uint32_t)i + 1, SINKS + 1, 1, false);
        shuffle_streams_link_up(
                &b->nodes[SINKS].st, 1, (uint32_t)i + 1, i + 1, 1, true);
    }
    shuffle_streams_attach(&b->nodes[SINKS].st, 1, SOURCE_CLIENT, &source);
    turn(b);
    turn(b);
    assert(b->is_read);
}

/* DATA frames as a program would write them, with keys that repeat. */
static uint8_t *frames(
        size_t record_bytes, size_t *frame_records, size_t *frame_bytes)
{
    size_t whole = SHUFFLE_WHOLE_HEAD_BYTES + record_bytes;
    size_t count = SHUFFLE_PACK_BYTES / whole;
    size_t frames_count = KEYS / count + 1;
    uint8_t *all = malloc(frames_count * count * whole);
    uint64_t number = 0;

    assert(all != NULL);
    for (size_t i = 0; i < frames_count * count; i++) {
        uint8_t *at = all + i * whole;
        uint64_t hash;

        memset(at, 0, whole);
        at[0] = (uint8_t)record_bytes;
        number++;
        hash = hash_xxh3(bytes_of(&number, sizeof(number)));
        memcpy(at + SHUFFLE_WHOLE_HEAD_BYTES, &hash, sizeof(hash));
    }
    *frame_records = count;
    *frame_bytes = count * whole;
    return all;
}

static double run(size_t record_bytes, double *routing_rate)
{
    static struct bench b;
    size_t count;
    size_t bytes;
    uint8_t *all = frames(record_bytes, &count, &bytes);
    uint8_t *payload = malloc(SHUFFLE_DATA_HEAD_BYTES + bytes);
    size_t variants = KEYS / count + 1;
    uint64_t sent = 0;
    double routing = 0;
    double began;
    double took;

    assert(payload != NULL);
    memset(&b, 0, sizeof(b));
    for (size_t i = 0; i <= SINKS; i++) {
        start(&b.nodes[i], i + 1);
    }
    attach(&b);
    began = now_s();
    for (size_t i = 0; sent * record_bytes < BYTES_A_ROUND; i++) {
        struct writer w = writer_of(payload, SHUFFLE_DATA_HEAD_BYTES + bytes);
        double before;
        bool is_fine;

        while (!b.is_read) {
            turn(&b);
        }
        shuffle_wire_encode_data_head(&w, 0, sent);
        writer_put(&w, bytes_of(all + i % variants * bytes, bytes));
        before = now_s();
        is_fine = shuffle_streams_client(&b.nodes[SINKS].st, 1, SOURCE_CLIENT,
                SHUFFLE_TAG_DATA, writer_bytes(&w));
        routing += now_s() - before;
        assert(is_fine);
        (void)is_fine;
        sent += count;
        drain(&b, SINKS);
        if (i % 4 == 3) {
            turn(&b);
        }
    }
    {
        const struct shuffle_wire_mark mark = {
                .next = sent, .flags = SHUFFLE_FLAG_DRAIN};
        struct writer w = writer_of(payload, 64);

        shuffle_wire_encode_mark(&w, &mark);
        (void)shuffle_streams_client(&b.nodes[SINKS].st, 1, SOURCE_CLIENT,
                SHUFFLE_TAG_MARK, writer_bytes(&w));
    }
    while (!b.is_done) {
        turn(&b);
    }
    took = now_s() - began;
    assert(b.nodes[0].received + b.nodes[1].received + b.nodes[2].received ==
            sent);
    for (size_t i = 0; i <= SINKS; i++) {
        shuffle_streams_close(&b.nodes[i].st);
        block_pool_close(&b.nodes[i].blocks);
    }
    free(payload);
    free(all);
    *routing_rate = (double)sent / routing;
    return (double)sent / took;
}

static void run_size(const struct bench_settings *settings, size_t record_bytes)
{
    double routing[BENCH_ROUNDS_MAX];
    double whole[BENCH_ROUNDS_MAX];
    char name[64];
    struct bench_row row = {.name = name, .unit = "M/s"};

    for (int i = 0; i < settings->rounds; i++) {
        whole[i] = run(record_bytes, &routing[i]);
    }
    (void)snprintf(
            name, sizeof(name), "records of %zu B, routed", record_bytes);
    row.value = bench_median(routing, settings->rounds) / 1e6;
    bench_print(settings, &row);
    (void)snprintf(
            name, sizeof(name), "records of %zu B, confirmed", record_bytes);
    row.value = bench_median(whole, settings->rounds) / 1e6;
    bench_print(settings, &row);
}

int main(int argc, char **argv)
{
    struct bench_settings settings = {.rounds = 9};

    bench_parse(&settings, argc, argv);
    run_size(&settings, 24);
    run_size(&settings, 100);
    return 0;
}
