/* Any bytes on any connection: a pool takes what strangers say on links that it
 * accepted and on one that it made, cut into any reads, and stays whole. The
 * first byte says how the conversation begins, the second how reads are cut. */
#include <assert.h>
#include <string.h>

#include "shuffle/shuffle_pool.h"

enum {
    BUDGET_BYTES = 24 << 20,
    RESERVE_BYTES = 16 << 20,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fixture {
    struct budget budget;
    struct block_pool blocks;
    struct shuffle_pool pool;
    uint64_t now_ms;
    uint32_t outgoing; /* the link that the pool made, once it did */
};

static void open_pool(struct fixture *f)
{
    struct shuffle_pool_options options = shuffle_pool_defaults();

    memset(f, 0, sizeof(*f));
    f->budget.max_bytes = BUDGET_BYTES;
    block_pool_init(&f->blocks, &f->budget, 1 << 20);
    options.id = 9;
    options.generation = 900;
    options.cluster = "weft";
    options.vnodes = 256;
    options.max_frame_bytes = 1 << 20;
    options.reserve_bytes = RESERVE_BYTES;
    options.blocks = &f->blocks;
    options.links_max = 8;
    f->now_ms = 1000;
    shuffle_pool_init(&f->pool, &options, f->now_ms);
}

static void close_pool(struct fixture *f)
{
    shuffle_pool_close(&f->pool);
    block_pool_close(&f->blocks);
    assert(f->budget.used_bytes == 0);
}

/* All that is lent is read, so that a reader past the end is caught. */
static void touch(struct bytes b)
{
    volatile uint8_t sum = 0;

    for (size_t i = 0; i < b.size; i++) {
        sum = (uint8_t)(sum + b.data[i]);
    }
}

static void drain(struct fixture *f)
{
    struct shuffle_pool_action action;

    while (shuffle_pool_next(&f->pool, &action)) {
        if (action.type == SHUFFLE_POOL_CONNECT) {
            f->outgoing = action.link;
        } else if (action.type == SHUFFLE_POOL_FRAME ||
                   action.type == SHUFFLE_POOL_LAMINAR) {
            touch(action.payload);
        }
    }
    shuffle_pool_check(&f->pool);
    assert(f->budget.used_bytes <= BUDGET_BYTES);
}

/* Takes what the pool wants to write, a part of it at a time. */
static void write_out(struct fixture *f, uint32_t link)
{
    struct bytes pieces[4];
    size_t count = shuffle_pool_output(&f->pool, link, pieces, 4, 777);
    size_t bytes = 0;

    for (size_t i = 0; i < count; i++) {
        touch(pieces[i]);
        bytes += pieces[i].size;
    }
    shuffle_pool_written(&f->pool, f->now_ms, link, bytes);
    drain(f);
}

static void receive(
        struct fixture *f, uint32_t link, struct bytes bytes, size_t cut)
{
    while (bytes.size > 0) {
        size_t n = bytes.size < cut ? bytes.size : cut;

        shuffle_pool_received(
                &f->pool, f->now_ms, link, bytes_of(bytes.data, n));
        drain(f);
        write_out(f, link);
        bytes = bytes_skip(bytes, n);
    }
}

static uint32_t accept_one(struct fixture *f)
{
    struct addr from = addr_ipv4(10, 0, 0, 7, 7);
    uint32_t link = 0;

    (void)shuffle_pool_accepted(&f->pool, f->now_ms, &from, &link);
    return link;
}

static const uint8_t hello[] = {0, 0, 0, 9, 4, 7, 0, 0, 0, 0, 0, 0, 0};

static const uint8_t greet[] = {0, 0, 0, 0x30, 0x10, 1, 0, 1, 0, 7, 0, 0, 0, 0,
        0, 0, 0, 0, 0xa8, 0xda, 0x76, 0x9b, 1, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 4, 'w', 'e', 'f', 't'};

static const uint8_t welcome[] = {0, 0, 0, 0x30, 0x11, 1, 0, 1, 0, 7, 0, 0, 0,
        0, 0, 0, 0, 0, 0xa8, 0xda, 0x76, 0x9b, 1, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 4, 'w', 'e', 'f', 't'};

/* A link of our own to a Weft peer, or to a LaminarDB one. */
static uint32_t connect_one(struct fixture *f, bool speaks_weft)
{
    struct shuffle_peer_facts facts = {.id = 7,
            .generation = 7,
            .live = true,
            .speaks_weft = speaks_weft,
            .address = addr_ipv4(10, 0, 0, 7, 7742)};

    (void)shuffle_pool_peer(&f->pool, f->now_ms, &facts);
    shuffle_pool_want(&f->pool, f->now_ms, 7);
    drain(f);
    shuffle_pool_connected(&f->pool, f->now_ms, f->outgoing);
    drain(f);
    return f->outgoing;
}

/* How far the conversation has come when the stranger goes wild. */
static uint32_t begin(struct fixture *f, uint8_t how)
{
    uint32_t link;

    switch (how % 6) {
    case 0:
        return accept_one(f);
    case 1:
    case 2:
        link = accept_one(f);
        receive(f, link, bytes_of(hello, sizeof(hello)), SIZE_MAX);
        if (how % 6 == 2) {
            receive(f, link, bytes_of(greet, sizeof(greet)), SIZE_MAX);
            shuffle_pool_streams_open(&f->pool, f->now_ms, link, 1);
        }
        return link;
    case 3:
        return connect_one(f, false);
    case 4:
        return connect_one(f, true);
    default:
        link = connect_one(f, true);
        receive(f, link, bytes_of(welcome, sizeof(welcome)), SIZE_MAX);
        return link;
    }
}

static void let_time_pass(struct fixture *f)
{
    for (int i = 0; i < 8; i++) {
        f->now_ms += 7000;
        shuffle_pool_tick(&f->pool, f->now_ms);
        drain(f);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fixture fixture;
    uint32_t link;
    size_t cut;

    if (size < 2) {
        return 0;
    }
    open_pool(&fixture);
    link = begin(&fixture, data[0]);
    cut = data[1] == 0 ? SIZE_MAX : data[1];
    if ((data[0] & 0x80) != 0) {
        /* Another connection of the same peer greets in between. */
        (void)begin(&fixture, 2);
    }
    receive(&fixture, link, bytes_of(data + 2, size - 2), cut);
    if ((data[0] & 0x40) != 0) {
        shuffle_pool_closed(&fixture.pool, fixture.now_ms, link, NULL);
        drain(&fixture);
    }
    let_time_pass(&fixture);
    close_pool(&fixture);
    return 0;
}
