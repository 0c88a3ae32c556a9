/* Budgets: what fits is taken whole, and no message outgrows its datagram.
 * Numbers are those of the wire's conformance list. */
#include "gossip/gossip_encode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/prng.h"
#include "gossip/gossip_decode.h"
#include "tests/unit/gossip_bytes.h"

enum {
    VALUES_BYTES = 256 * 1024,
};

struct fixture {
    struct gossip_decoder decoder;
    struct gossip_encoder encoder;
    struct gossip_message m;
    uint8_t datagram[GOSSIP_DATAGRAM_BYTES];
    uint8_t values[VALUES_BYTES]; /* letters by chance */
};

static int setup(void **state)
{
    struct fixture *f = malloc(sizeof(*f));
    struct prng chance;

    assert_non_null(f);
    assert_int_equal(gossip_decoder_init(&f->decoder), 0);
    assert_int_equal(gossip_encoder_init(&f->encoder), 0);
    prng_init(&chance, 1);
    for (size_t i = 0; i < VALUES_BYTES; i++) {
        f->values[i] = (uint8_t)(' ' + prng_below(&chance, 95));
    }
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gossip_encoder_close(&f->encoder);
    gossip_decoder_close(&f->decoder);
    free(f);
    return 0;
}

/* An id of 27 bytes. */
static struct gossip_id id_27(const char *node_id)
{
    struct gossip_id id = {.node_id = bytes_text(node_id),
            .generation = 0,
            .addr = addr_ipv4(127, 0, 0, 1, 10001)};

    assert_int_equal(gossip_id_bytes(&id), 27);
    return id;
}

static struct gossip_entry entry_of(
        const char *key, const char *value, uint64_t version)
{
    return (struct gossip_entry){.key = bytes_text(key),
            .value = bytes_text(value),
            .version = version,
            .status = KV_SET};
}

/* ---- a delta under a small budget ---- */

/* One letter an operation: N and M are nodes, k an entry of 24 bytes, K one of
 * 37, t a tombstone of 19, x SetMaxVersion(100). Returns how many were taken;
 * the first that is refused ends it. */
static size_t try_ops(struct gossip_delta_writer *w, const char *ops)
{
    struct gossip_id n = id_27("node-10001");
    struct gossip_id m = id_27("node-10002");
    uint64_t version = 1;
    bool is_taken = true;
    size_t taken = 0;

    for (; is_taken && ops[taken] != '\0'; version++) {
        struct gossip_entry small = entry_of("key_a", "val_a", version);
        struct gossip_entry large =
                entry_of("key_b", "a value of 18 byte", version);
        struct gossip_entry tombstone = entry_of("key_c", "", version);

        tombstone.status = KV_DELETE;
        switch (ops[taken]) {
        case 'N':
            is_taken = gossip_delta_try_node(w, &n, 0, 0);
            break;
        case 'M':
            is_taken = gossip_delta_try_node(w, &m, 0, 0);
            break;
        case 'k':
            is_taken = gossip_delta_try_entry(w, &small);
            break;
        case 'K':
            is_taken = gossip_delta_try_entry(w, &large);
            break;
        case 't':
            is_taken = gossip_delta_try_entry(w, &tombstone);
            break;
        default:
            is_taken = gossip_delta_try_max_version(w, 100);
            break;
        }
        taken += is_taken;
    }
    return taken;
}

/* The delta as an Ack says it. */
static void decode_ack(struct fixture *f, struct bytes delta)
{
    uint8_t memory[1024];
    struct writer w = writer_of(memory, sizeof(memory));
    enum gossip_drop why;

    put_hex(&w, "53b00002");
    writer_put(&w, delta);
    assert_int_equal(
            gossip_decode(&f->decoder, writer_bytes(&w), &f->m, &why), 0);
}

static void lines_15_to_20_deltas_under_a_small_budget(void **state)
{
    static const struct {
        const char *name;
        size_t budget_bytes;
        const char *ops;
        size_t taken;
        size_t delta_bytes; /* at most; exactly, where nothing shrinks */
        size_t nodes;
        size_t entries;
    } rows[] = {
            {"line 15", 198, "Nx", 2, 57, 1, 0},
            {"line 16", 198, "NktMkt", 6, 198, 2, 4},
            {"line 17", 140, "NkkM", 4, 140, 2, 2},
            {"line 17, a byte less", 139, "NkkM", 3, 96, 1, 2},
            {"line 18", 155, "NkkM", 4, 140, 2, 2},
            {"line 19", 100, "NkkM", 3, 96, 1, 2},
            {"line 20", 100, "NkK", 2, 72, 1, 1},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct gossip_delta_writer w;
        struct bytes delta;

        printf("  %s\n", rows[i].name);
        gossip_delta_begin(
                &w, &f->encoder.blocks, f->datagram, rows[i].budget_bytes);
        assert_int_equal(try_ops(&w, rows[i].ops), rows[i].taken);
        delta = gossip_delta_finish(&w);
        assert_true(delta.size <= rows[i].delta_bytes);
        decode_ack(f, delta);
        assert_int_equal(f->m.node_count, rows[i].nodes);
        assert_int_equal(f->m.entry_count, rows[i].entries);
    }
    assert_int_equal(f->m.nodes[0].max_version, 2);
}

static void line_15_a_node_without_entries_has_its_max_version(void **state)
{
    struct fixture *f = *state;
    struct gossip_delta_writer w;

    gossip_delta_begin(&w, &f->encoder.blocks, f->datagram, 198);
    assert_int_equal(try_ops(&w, "Nx"), 2);
    decode_ack(f, gossip_delta_finish(&w));
    assert_int_equal(f->m.nodes[0].entry_count, 0);
    assert_int_equal(f->m.nodes[0].max_version, 100);
}

/* A Node from 0 with something collected: wiped on arrival. */
static void a_reset_goes_only_with_what_replaces_it(void **state)
{
    static const struct {
        const char *name;
        size_t budget_bytes;
        uint64_t last_gc;
        uint64_t from_excluded;
        bool is_entry_taken;
        size_t nodes;
    } rows[] = {
            {"a reset and its entry fit", 109, 9, 0, true, 1},
            {"the entry of a reset does not", 108, 9, 0, false, 0},
            {"no reset: nothing was collected", 108, 0, 0, false, 1},
            {"no reset: not from 0", 108, 9, 1, false, 1},
    };
    struct fixture *f = *state;
    struct gossip_id id = id_27("node-10001");

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct gossip_entry entry = entry_of(
                "key_a", "this value takes forty-two bytes altogether", 2);
        struct gossip_delta_writer w;

        printf("  %s\n", rows[i].name);
        entry.value.size = 42;
        gossip_delta_begin(
                &w, &f->encoder.blocks, f->datagram, rows[i].budget_bytes);
        assert_true(gossip_delta_try_node(
                &w, &id, rows[i].last_gc, rows[i].from_excluded));
        assert_int_equal(
                gossip_delta_try_entry(&w, &entry), rows[i].is_entry_taken);
        decode_ack(f, gossip_delta_finish(&w));
        assert_int_equal(f->m.node_count, rows[i].nodes);
        assert_int_equal(f->m.entry_count, rows[i].is_entry_taken);
    }
}

static void a_reset_may_go_with_its_max_version(void **state)
{
    struct fixture *f = *state;
    struct gossip_id id = id_27("node-10001");
    struct gossip_delta_writer w;

    gossip_delta_begin(&w, &f->encoder.blocks, f->datagram, 100);
    assert_true(gossip_delta_try_node(&w, &id, 9, 0));
    assert_true(gossip_delta_try_max_version(&w, 9));
    decode_ack(f, gossip_delta_finish(&w));
    assert_int_equal(f->m.node_count, 1);
    assert_int_equal(f->m.nodes[0].last_gc, 9);
    assert_int_equal(f->m.nodes[0].max_version, 9);
}

/* ---- whole messages ---- */

/* Fills the message's digest: made-up members whose names are `name_bytes`
 * long. Returns how many were taken. */
static size_t fill_digest(struct fixture *f, size_t name_bytes)
{
    size_t count = 0;
    struct gossip_digest_entry entry = {
            .id = {.addr = addr_ipv4(10, 0, 0, 1, 7946)}, .max_version = 1};

    for (;;) {
        entry.id.node_id = bytes_of(f->values + count * 7, name_bytes);
        entry.id.generation = count;
        if (!gossip_encode_digest_entry(&f->encoder, &entry)) {
            return count;
        }
        count++;
    }
}

/* Adds node deltas of one entry each until one is refused. */
static size_t fill_delta(struct fixture *f, size_t value_bytes)
{
    size_t count = 0;
    struct gossip_id id = id_27("node-10001");
    struct gossip_entry entry = {.version = 1, .status = KV_SET};

    entry.key = bytes_text("key");
    for (;;) {
        id.generation = count;
        entry.value = bytes_of(f->values + count * 13, value_bytes);
        if (!gossip_encode_node(&f->encoder, &id, 0, 0) ||
                !gossip_encode_entry(&f->encoder, &entry)) {
            return count;
        }
        count++;
    }
}

static void begin(
        struct fixture *f, enum gossip_version version, enum gossip_type type)
{
    gossip_encode_begin(&f->encoder, version, type,
            bytes_text(type == GOSSIP_SYN ? "weft" : ""), f->datagram);
}

static struct bytes finish_and_decode(struct fixture *f)
{
    struct bytes datagram = gossip_encode_finish(&f->encoder);
    enum gossip_drop why;

    assert_true(datagram.size <= GOSSIP_DATAGRAM_BYTES);
    assert_int_equal(gossip_decode(&f->decoder, datagram, &f->m, &why), 0);
    return datagram;
}

static void lines_37_46_the_fullest_message_is_a_datagram(void **state)
{
    static const struct {
        const char *name;
        enum gossip_version version;
        enum gossip_type type;
        size_t name_bytes;
        size_t value_bytes;
    } rows[] = {
            {"Syn V0", GOSSIP_V0, GOSSIP_SYN, 24, 0},
            {"Syn V1", GOSSIP_V1, GOSSIP_SYN, 24, 0},
            {"Syn V0, long names", GOSSIP_V0, GOSSIP_SYN, 1000, 0},
            {"Syn V1, long names", GOSSIP_V1, GOSSIP_SYN, 1000, 0},
            {"SynAck V0", GOSSIP_V0, GOSSIP_SYN_ACK, 24, 500},
            {"SynAck V1", GOSSIP_V1, GOSSIP_SYN_ACK, 24, 500},
            {"Ack V0", GOSSIP_V0, GOSSIP_ACK, 0, 500},
            {"Ack V1, large values", GOSSIP_V1, GOSSIP_ACK, 0, 20000},
            {"Ack V0, small values", GOSSIP_V0, GOSSIP_ACK, 0, 100},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bytes datagram;
        size_t members = 0;
        size_t nodes = 0;

        begin(f, rows[i].version, rows[i].type);
        if (rows[i].type != GOSSIP_ACK) {
            members = fill_digest(f, rows[i].name_bytes);
            assert_true(members > 0);
        }
        if (rows[i].type != GOSSIP_SYN) {
            (void)gossip_encode_delta(&f->encoder);
            nodes = fill_delta(f, rows[i].value_bytes);
        }
        datagram = finish_and_decode(f);
        printf("  %s: %zu bytes, %zu members, %zu nodes\n", rows[i].name,
                datagram.size, members, nodes);
        assert_int_equal(f->m.digest_count, members);
        /* a last Node whose entry was refused stays: from 0, not a reset */
        assert_true(f->m.node_count == nodes || f->m.node_count == nodes + 1);
        assert_int_equal(f->m.entry_count, nodes);
    }
}

/* The bound is what the message would take if nothing shrank. */
static void line_37_a_delta_is_bounded_to_the_byte(void **state)
{
    struct fixture *f = *state;
    struct gossip_id id = id_27("node-10001");
    struct gossip_entry entry = entry_of("k", "", 1);
    size_t refused = 0;

    /* 65,503 = 44 (Node) + 15 + value, 4 blocks of 3 and the end tag */
    for (size_t value_bytes = 65431; value_bytes <= 65432; value_bytes++) {
        begin(f, GOSSIP_V0, GOSSIP_ACK);
        assert_int_equal(
                gossip_encode_delta(&f->encoder), GOSSIP_DATAGRAM_BYTES - 4);
        assert_true(gossip_encode_node(&f->encoder, &id, 0, 0));
        entry.value = bytes_of(f->values, value_bytes);
        refused += !gossip_encode_entry(&f->encoder, &entry);
        assert_true(gossip_encode_finish(&f->encoder).size <=
                    GOSSIP_DATAGRAM_BYTES);
    }
    assert_int_equal(refused, 1);
}

static void line_37_a_digest_fills_a_datagram_to_its_last_byte(void **state)
{
    struct fixture *f = *state;
    struct gossip_digest_entry entry = {
            .id = {.addr = addr_ipv4(10, 0, 0, 1, 7946)}};
    size_t name_bytes = GOSSIP_DATAGRAM_BYTES - 4 - 2 - (2 + 4) -
                        GOSSIP_DIGEST_ENTRY_MIN_BYTES;

    begin(f, GOSSIP_V0, GOSSIP_SYN);
    entry.id.node_id = bytes_of(f->values, name_bytes + 1);
    assert_false(gossip_encode_digest_entry(&f->encoder, &entry));
    entry.id.node_id.size = name_bytes;
    assert_true(gossip_encode_digest_entry(&f->encoder, &entry));
    assert_int_equal(finish_and_decode(f).size, GOSSIP_DATAGRAM_BYTES);
}

/* Names that shrink to nothing let a digest reach what readers inflate. */
static void line_49_a_digest_is_written_up_to_its_plain_bound(void **state)
{
    struct fixture *f = *state;
    char name[1000];
    struct gossip_digest_entry entry = {
            .id = {.addr = addr_ipv4(10, 0, 0, 1, 7946)}};

    memset(name, 'n', sizeof(name));
    entry.id.node_id = bytes_of(name, sizeof(name));
    begin(f, GOSSIP_V1, GOSSIP_SYN);
    while (gossip_encode_digest_entry(&f->encoder, &entry)) {
        entry.id.generation++;
    }
    assert_true(finish_and_decode(f).size < GOSSIP_DATAGRAM_BYTES);
    assert_int_equal(f->m.digest_count, GOSSIP_PLAIN_MAX_BYTES / 1041);
}

static void line_47_the_delta_has_all_that_the_digest_leaves(void **state)
{
    struct fixture *f = *state;
    struct gossip_digest_entry entry = {
            .id = {.addr = addr_ipv4(10, 0, 0, 1, 7946)}};

    for (int version = GOSSIP_V0; version <= GOSSIP_V1; version++) {
        for (size_t name_bytes = 0; name_bytes < 3000; name_bytes += 700) {
            size_t budget_bytes;

            begin(f, (enum gossip_version)version, GOSSIP_SYN_ACK);
            entry.id.node_id = bytes_of(f->values, name_bytes);
            assert_true(gossip_encode_digest_entry(&f->encoder, &entry));
            budget_bytes = gossip_encode_delta(&f->encoder);
            /* an empty delta is one byte */
            assert_int_equal(finish_and_decode(f).size - 1,
                    GOSSIP_DATAGRAM_BYTES - budget_bytes);
        }
        begin(f, (enum gossip_version)version, GOSSIP_ACK);
        assert_int_equal(gossip_encode_delta(&f->encoder), 65503);
    }
}

/* A digest that leaves `left_bytes` of a V0 SynAck. */
static size_t budget_after_digest(struct fixture *f, size_t left_bytes)
{
    struct gossip_digest_entry entry = {
            .id = {.addr = addr_ipv4(10, 0, 0, 1, 7946)}};

    begin(f, GOSSIP_V0, GOSSIP_SYN_ACK);
    entry.id.node_id = bytes_of(
            f->values, GOSSIP_DATAGRAM_BYTES - 4 - 2 -
                               GOSSIP_DIGEST_ENTRY_MIN_BYTES - left_bytes);
    assert_true(gossip_encode_digest_entry(&f->encoder, &entry));
    return gossip_encode_delta(&f->encoder);
}

static void lines_21_48_a_delta_without_budget_is_empty(void **state)
{
    struct fixture *f = *state;
    struct gossip_id id = id_27("node-10001");

    for (size_t left = 1; left <= 101; left += 1) {
        assert_int_equal(budget_after_digest(f, left), left);
        assert_int_equal(
                gossip_encode_node(&f->encoder, &id, 0, 0), left >= 100);
        (void)finish_and_decode(f);
        assert_int_equal(f->m.node_count, left >= 100);
        assert_int_equal(f->m.digest_count, 1);
    }
}

/* What an operation longer than a block costs is counted for every block. */
static void an_entry_longer_than_a_block_keeps_the_bound(void **state)
{
    struct fixture *f = *state;
    struct gossip_id id = id_27("node-10001");
    size_t taken = 0;

    for (size_t value_bytes = 65380; value_bytes < 65480; value_bytes++) {
        struct gossip_entry entry = entry_of("k", "", 1);

        begin(f, GOSSIP_V0, GOSSIP_ACK);
        (void)gossip_encode_delta(&f->encoder);
        assert_true(gossip_encode_node(&f->encoder, &id, 0, 0));
        entry.value = bytes_of(f->values, value_bytes);
        taken += gossip_encode_entry(&f->encoder, &entry);
        (void)finish_and_decode(f);
    }
    assert_int_equal(taken, 65431 - 65380 + 1);
}

static void a_string_too_long_for_its_length_is_refused(void **state)
{
    struct fixture *f = *state;
    struct gossip_id id = id_27("node-10001");
    struct gossip_entry entry = entry_of("k", "", 1);

    begin(f, GOSSIP_V0, GOSSIP_ACK);
    (void)gossip_encode_delta(&f->encoder);
    assert_true(gossip_encode_node(&f->encoder, &id, 0, 0));
    entry.value = bytes_of(f->values, 65536);
    assert_false(gossip_encode_entry(&f->encoder, &entry));
    entry.value.size = 100000;
    assert_false(gossip_encode_entry(&f->encoder, &entry));
    (void)finish_and_decode(f);
    assert_int_equal(f->m.entry_count, 0);
}

static void a_message_may_be_given_up_for_another(void **state)
{
    struct fixture *f = *state;
    struct gossip_id id = id_27("node-10001");

    begin(f, GOSSIP_V1, GOSSIP_SYN_ACK);
    (void)fill_digest(f, 24);
    begin(f, GOSSIP_V0, GOSSIP_ACK);
    (void)gossip_encode_delta(&f->encoder);
    assert_true(gossip_encode_node(&f->encoder, &id, 9, 0));
    begin(f, GOSSIP_V0, GOSSIP_ACK);
    assert_int_equal(finish_and_decode(f).size, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(lines_15_to_20_deltas_under_a_small_budget),
            cmocka_unit_test(
                    line_15_a_node_without_entries_has_its_max_version),
            cmocka_unit_test(a_reset_goes_only_with_what_replaces_it),
            cmocka_unit_test(a_reset_may_go_with_its_max_version),
            cmocka_unit_test(lines_37_46_the_fullest_message_is_a_datagram),
            cmocka_unit_test(line_37_a_delta_is_bounded_to_the_byte),
            cmocka_unit_test(
                    line_37_a_digest_fills_a_datagram_to_its_last_byte),
            cmocka_unit_test(line_49_a_digest_is_written_up_to_its_plain_bound),
            cmocka_unit_test(line_47_the_delta_has_all_that_the_digest_leaves),
            cmocka_unit_test(lines_21_48_a_delta_without_budget_is_empty),
            cmocka_unit_test(an_entry_longer_than_a_block_keeps_the_bound),
            cmocka_unit_test(a_string_too_long_for_its_length_is_refused),
            cmocka_unit_test(a_message_may_be_given_up_for_another),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
