/* What gossip costs in CPU time, without a socket.
 *
 * First one whole exchange (Syn, SynAck, Ack; both ends together) between two
 * nodes that know the same members, a hundredth of which have a new value at
 * one of them. Then the dearest datagrams that a stranger can make: what one of
 * them costs a node whose tables are full.
 *
 *   gossip_bench [--rounds N] [--json] */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/bench.h"
#include "gossip/gossip.h"

enum {
    BATCH = 100, /* members in one lesson */
    INVENTED = 40000, /* ids and keys that a hostile datagram draws from */
    NAME_BYTES = 32,
};

struct bench {
    struct gossip *a;
    struct gossip *b;
    struct gossip_encoder encoder;
    struct prng chance;
    uint8_t datagram[GOSSIP_DATAGRAM_BYTES];
    double ms[BENCH_ROUNDS_MAX];
    size_t rounds;
    struct bench_settings settings;
};

static double cpu_ms(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

/* The median of the rounds. */
static void print(struct bench *bench, const char *name)
{
    struct bench_row row = {.name = name, .unit = "ms CPU"};

    row.value = bench_median(bench->ms, (int)bench->rounds);
    bench_print(&bench->settings, &row);
}

/* --- members ------------------------------------------------------------- */

static struct gossip_id id_of(size_t number, char name[static NAME_BYTES])
{
    snprintf(name, NAME_BYTES, "node-%zu", number);
    return (struct gossip_id){.node_id = bytes_text(name),
            .generation = 1767225600000,
            .addr = addr_ipv4(10, (uint8_t)(number >> 16),
                    (uint8_t)(number >> 8), (uint8_t)number, 7946)};
}

static struct gossip *node_new(size_t number, size_t members_max)
{
    struct gossip *g = calloc(1, sizeof(*g));
    struct gossip_options options = gossip_options_default(500);
    char name[NAME_BYTES];
    int code;

    assert(g != NULL);
    options.cluster = bytes_text("weft");
    options.self = id_of(number, name);
    options.members_max = members_max;
    options.seed = number;
    code = gossip_init(g, &options, 0, NULL);
    assert(code == 0);
    return g;
}

static void node_free(struct gossip *g)
{
    gossip_close(g);
    free(g);
}

static void drop_actions(struct gossip *g)
{
    struct gossip_action action;

    while (gossip_next(g, &action)) {
        /* of no interest here */
    }
}

static void deliver(struct bench *bench, struct gossip *g)
{
    struct addr from = addr_ipv4(10, 99, 99, 99, 7946);

    gossip_receive(g, 0, &from, gossip_encode_finish(&bench->encoder));
    drop_actions(g);
}

/* Three keys of a member, as nodes have them, at versions from `from` on. */
static void encode_keys(struct bench *bench, size_t number, uint64_t from)
{
    static const char *const KEYS[] = {
            "node:state", "shuffle:addr", "weft:protocol"};
    char name[NAME_BYTES];
    char value[32];
    struct gossip_id id = id_of(number, name);

    if (!gossip_encode_node(&bench->encoder, &id, 0, from)) {
        return;
    }
    for (size_t i = 0; i < 3; i++) {
        struct gossip_entry entry = {.key = bytes_text(KEYS[i]),
                .version = from + i + 1,
                .status = KV_SET};

        snprintf(value, sizeof(value), "10.0.%zu.%zu:%d", number >> 8 & 255,
                number & 255, (int)(from + i));
        entry.value = bytes_text(value);
        (void)gossip_encode_entry(&bench->encoder, &entry);
    }
}

/* Members `first` to `first` + BATCH - 1, with a heartbeat and their keys. */
static void teach(struct bench *bench, struct gossip *g, size_t first,
        uint64_t heartbeat, uint64_t from)
{
    gossip_encode_begin(&bench->encoder, GOSSIP_V0, GOSSIP_SYN_ACK,
            bytes_of(NULL, 0), bench->datagram);
    for (size_t i = first; i < first + BATCH; i++) {
        char name[NAME_BYTES];
        struct gossip_digest_entry line = {
                .id = id_of(i, name), .heartbeat = heartbeat};

        (void)gossip_encode_digest_entry(&bench->encoder, &line);
    }
    (void)gossip_encode_delta(&bench->encoder);
    for (size_t i = first; i < first + BATCH; i++) {
        encode_keys(bench, i, from);
    }
    deliver(bench, g);
}

/* --- one exchange -------------------------------------------------------- */

/* Hands what one has to send to the other, and its answer back. */
static void exchange(struct gossip *a, struct gossip *b)
{
    struct gossip *from = a;
    struct gossip_action action;
    int code = gossip_contact(a, 0, &b->self->id.addr);

    assert(code == 0);
    while (gossip_next(from, &action) && action.kind == GOSSIP_SEND) {
        struct gossip *to = from == a ? b : a;

        gossip_receive(to, 0, &from->self->id.addr, action.datagram);
        from = to;
    }
    drop_actions(a);
    drop_actions(b);
}

static void bench_exchange(struct bench *bench, size_t members)
{
    size_t batches = members / BATCH;
    char name[64];

    bench->a = node_new(900001, members + 2);
    bench->b = node_new(900002, members + 2);
    for (size_t i = 0; i < batches; i++) {
        teach(bench, bench->a, i * BATCH, 1, 0);
        teach(bench, bench->b, i * BATCH, 1, 0);
    }
    exchange(bench->a, bench->b);
    for (size_t round = 0; round < bench->rounds; round++) {
        double start_ms;

        if (round % BATCH < batches) {
            teach(bench, bench->a, round % batches * BATCH, round + 2,
                    3 + 3 * (round / batches));
        }
        start_ms = cpu_ms();
        exchange(bench->a, bench->b);
        bench->ms[round] = cpu_ms() - start_ms;
    }
    (void)snprintf(
            name, sizeof(name), "gossip exchange at %zu members", members);
    print(bench, name);
    node_free(bench->a);
    node_free(bench->b);
}

/* --- a stranger's dearest ------------------------------------------------ */

/* A permutation of 0 to INVENTED - 1: nothing arrives in order. */
static size_t scattered(size_t i)
{
    return i * 7919 % INVENTED;
}

static struct gossip_id invented(size_t i)
{
    return (struct gossip_id){
            .generation = scattered(i), .addr = addr_ipv4(10, 0, 0, 1, 7946)};
}

static size_t encode_invented_lines(struct bench *bench)
{
    size_t count = 0;
    struct gossip_digest_entry line;

    do {
        line = (struct gossip_digest_entry){
                .id = invented(count), .heartbeat = 1};
    } while (gossip_encode_digest_entry(&bench->encoder, &line) &&
             ++count < INVENTED);
    return count;
}

static size_t encode_invented_nodes(struct bench *bench)
{
    size_t count = 0;
    struct gossip_id id;

    (void)gossip_encode_delta(&bench->encoder);
    do {
        id = invented(count);
    } while (gossip_encode_node(&bench->encoder, &id, 0, 0) &&
             ++count < INVENTED);
    return count;
}

static size_t encode_invented_keys(
        struct bench *bench, const struct gossip_id *id)
{
    size_t count = 0;
    struct gossip_entry entry = {.status = KV_SET};
    uint8_t key[3];

    (void)gossip_encode_delta(&bench->encoder);
    (void)gossip_encode_node(&bench->encoder, id, 0, 0);
    do {
        size_t number = scattered(count);

        key[0] = (uint8_t)(number & 127);
        key[1] = (uint8_t)(number >> 7 & 127);
        key[2] = (uint8_t)(number >> 14 & 127);
        entry.key = bytes_of(key, sizeof(key));
        entry.version = count + 1;
    } while (
            gossip_encode_entry(&bench->encoder, &entry) && ++count < INVENTED);
    return count;
}

enum hostile {
    HOSTILE_LINES, /* a digest of invented members */
    HOSTILE_NODES, /* a delta about invented members */
    HOSTILE_BOTH,
    HOSTILE_KEYS, /* a delta of tiny keys of one member */
    HOSTILE_BEHIND, /* a digest that is one version behind everything */
    HOSTILES,
};

static size_t encode_behind(struct bench *bench, const struct gossip *g)
{
    size_t count = 0;

    for (size_t i = 0; i < gossip_member_count(g); i++) {
        struct gossip_digest_entry line = {
                .id = gossip_member_at(g, i)->id, .max_version = 1};

        count += gossip_encode_digest_entry(&bench->encoder, &line) ? 1 : 0;
    }
    return count;
}

static size_t encode_hostile(
        struct bench *bench, enum hostile kind, struct gossip *g, size_t round)
{
    struct gossip_encoder *e = &bench->encoder;
    size_t items = 0;

    gossip_encode_begin(e, GOSSIP_V1,
            kind == HOSTILE_LINES || kind == HOSTILE_BEHIND ? GOSSIP_SYN
            : kind == HOSTILE_BOTH                          ? GOSSIP_SYN_ACK
                                                            : GOSSIP_ACK,
            kind == HOSTILE_LINES || kind == HOSTILE_BEHIND ? bytes_text("weft")
                                                            : bytes_of(NULL, 0),
            bench->datagram);
    switch (kind) {
    case HOSTILE_LINES:
        return encode_invented_lines(bench);
    case HOSTILE_BEHIND:
        return encode_behind(bench, g);
    case HOSTILE_NODES:
        return encode_invented_nodes(bench);
    case HOSTILE_BOTH:
        for (size_t i = 0; i < 12000; i++) {
            struct gossip_digest_entry line = {.id = invented(i)};

            items += gossip_encode_digest_entry(e, &line) ? 1 : 0;
        }
        return items + encode_invented_nodes(bench);
    case HOSTILE_KEYS:
        return encode_invented_keys(
                bench, &gossip_member_at(g, round % 4096)->id);
    case HOSTILES:
        break;
    }
    return 0;
}

/* Keys of one stranger after another, until there is no room for more. */
static void fill_with_keys(struct bench *bench, struct gossip *g)
{
    for (size_t i = 0;
            gossip_counters(g)->refused[GOSSIP_REFUSED_REMOTE_FULL] == 0; i++) {
        (void)encode_hostile(bench, HOSTILE_KEYS, g, i);
        deliver(bench, g);
    }
}

static void bench_hostile(struct bench *bench, enum hostile kind)
{
    static const char *const NAMES[HOSTILES] = {"invented members, digest",
            "invented members, delta", "invented members, both",
            "tiny keys of one member", "everything from version 1"};
    struct gossip *g = node_new(900001, 4096);
    char name[64];
    size_t items = 0;
    size_t bytes = 0;

    (void)encode_hostile(bench, HOSTILE_LINES, g, 0);
    deliver(bench, g);
    if (kind == HOSTILE_BEHIND) {
        fill_with_keys(bench, g);
    }
    for (size_t round = 0; round < bench->rounds; round++) {
        struct addr from = addr_ipv4(10, 99, 99, 99, 7946);
        struct bytes datagram;
        double start_ms;

        items = encode_hostile(bench, kind, g, round);
        datagram = gossip_encode_finish(&bench->encoder);
        bytes = datagram.size;
        start_ms = cpu_ms();
        gossip_receive(g, 0, &from, datagram);
        bench->ms[round] = cpu_ms() - start_ms;
        drop_actions(g);
    }
    (void)snprintf(name, sizeof(name), "%s, %zu in %zu KiB", NAMES[kind], items,
            bytes / 1024);
    print(bench, name);
    node_free(g);
}

int main(int argc, char **argv)
{
    static struct bench bench;

    bench.settings.rounds = 99;
    bench_parse(&bench.settings, argc, argv);
    bench.rounds = (size_t)bench.settings.rounds;
    prng_init(&bench.chance, 1);
    if (gossip_encoder_init(&bench.encoder) != 0) {
        return 1;
    }
    bench_exchange(&bench, 1000);
    bench_exchange(&bench, 10000);
    bench.rounds = bench.rounds < 9 ? bench.rounds : 9;
    for (int kind = 0; kind < HOSTILES; kind++) {
        bench_hostile(&bench, (enum hostile)kind);
    }
    gossip_encoder_close(&bench.encoder);
    return 0;
}
