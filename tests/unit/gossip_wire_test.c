/* The gossip wire's golden datagrams, both ways: decoded to the meaning beside
 * them, and encoded again to the same bytes. Numbers are those of the wire's
 * conformance list; what is malformed is in gossip_decode_test.c, and what is
 * too much in gossip_encode_test.c. */
#include "gossip/gossip_wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "gossip/gossip_decode.h"
#include "gossip/gossip_encode.h"
#include "tests/unit/gossip_bytes.h"
#include "tests/unit/gossip_examples.h"
#include "tests/unit/sha256.h"

enum {
    TEXT_BYTES = 8192,
    EXAMPLES = sizeof(gossip_examples) / sizeof(gossip_examples[0]),
};

struct fixture {
    struct gossip_decoder decoder;
    struct gossip_encoder encoder;
    struct gossip_blocks_reader blocks;
    uint8_t datagram[GOSSIP_DATAGRAM_BYTES];
    uint8_t build[BUILD_BYTES];
};

static int setup(void **state)
{
    struct fixture *f = malloc(sizeof(*f));

    assert_non_null(f);
    assert_int_equal(gossip_decoder_init(&f->decoder), 0);
    assert_int_equal(gossip_encoder_init(&f->encoder), 0);
    assert_int_equal(
            gossip_blocks_reader_init(&f->blocks, GOSSIP_PLAIN_MAX_BYTES), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gossip_blocks_reader_close(&f->blocks);
    gossip_encoder_close(&f->encoder);
    gossip_decoder_close(&f->decoder);
    free(f);
    return 0;
}

/* ---- a message as text ---- */

struct text {
    char data[TEXT_BYTES];
    size_t size;
};

__attribute__((format(printf, 2, 3))) static void say(
        struct text *t, const char *format, ...)
{
    va_list arguments;
    int size;

    va_start(arguments, format);
    size = vsnprintf(
            t->data + t->size, sizeof(t->data) - t->size, format, arguments);
    va_end(arguments);
    assert_true(size >= 0 && (size_t)size < sizeof(t->data) - t->size);
    t->size += (size_t)size;
}

static void say_bytes(struct text *t, struct bytes b)
{
    say(t, "%.*s", (int)b.size, b.size > 0 ? (const char *)b.data : "");
}

static void say_id(struct text *t, const struct gossip_id *id)
{
    char addr[ADDR_TEXT_BYTES];

    say_bytes(t, id->node_id);
    say(t, "/%llu/%s", (unsigned long long)id->generation,
            addr_format(&id->addr, addr));
}

static void say_digest(struct text *t, const struct gossip_message *m)
{
    say(t, " {");
    for (size_t i = 0; i < m->digest_count; i++) {
        const struct gossip_digest_entry *entry = &m->digest[i];

        say(t, i > 0 ? "; " : "");
        say_id(t, &entry->id);
        say(t, " %llu %llu %llu", (unsigned long long)entry->heartbeat,
                (unsigned long long)entry->last_gc,
                (unsigned long long)entry->max_version);
    }
    say(t, "}");
}

static void say_entry(struct text *t, const struct gossip_entry *entry)
{
    static const char *const marks[] = {
            [KV_SET] = "", [KV_DELETE] = "-", [KV_DELETE_AFTER_TTL] = "~"};

    say(t, " ");
    say_bytes(t, entry->key);
    say(t, "=");
    say_bytes(t, entry->value);
    say(t, "@%llu%s", (unsigned long long)entry->version, marks[entry->status]);
}

static void say_delta(struct text *t, const struct gossip_message *m)
{
    say(t, " [");
    for (size_t i = 0; i < m->node_count; i++) {
        const struct gossip_node_delta *node = &m->nodes[i];

        say(t, i > 0 ? "; " : "");
        say_id(t, &node->id);
        say(t, " %llu %llu:", (unsigned long long)node->last_gc,
                (unsigned long long)node->from_excluded);
        for (size_t j = 0; j < node->entry_count; j++) {
            say_entry(t, &m->entries[node->first_entry + j]);
        }
        say(t, " | %llu", (unsigned long long)node->max_version);
    }
    say(t, m->is_truncated ? "...]" : "]");
}

static void describe(const struct gossip_message *m, struct text *t)
{
    static const char *const types[] = {[GOSSIP_SYN] = "Syn",
            [GOSSIP_SYN_ACK] = "SynAck",
            [GOSSIP_ACK] = "Ack",
            [GOSSIP_BAD_CLUSTER] = "BadCluster"};

    t->size = 0;
    say(t, "V%d %s", (int)m->version, types[m->type]);
    if (m->type == GOSSIP_SYN) {
        say(t, " ");
        say_bytes(t, m->cluster);
    }
    if (m->type == GOSSIP_SYN || m->type == GOSSIP_SYN_ACK) {
        say_digest(t, m);
    }
    if (m->type == GOSSIP_SYN_ACK || m->type == GOSSIP_ACK) {
        say_delta(t, m);
    }
}

static struct bytes hex_bytes(struct fixture *f, const char *hex)
{
    struct writer w = writer_of(f->build, sizeof(f->build));

    put_hex(&w, hex);
    return writer_bytes(&w);
}

static void assert_says(
        struct fixture *f, struct bytes datagram, const char *meaning)
{
    struct gossip_message m;
    struct text text;
    enum gossip_drop why;
    uint8_t *copy = exact_copy(datagram);
    int code =
            gossip_decode(&f->decoder, bytes_of(copy, datagram.size), &m, &why);

    assert_string_equal(gossip_drop_name(why), "none");
    assert_int_equal(code, 0);
    describe(&m, &text);
    free(copy);
    assert_string_equal(text.data, meaning);
}

/* ---- encoding what was decoded ---- */

static void encode_node(struct fixture *f, const struct gossip_message *m,
        const struct gossip_node_delta *node)
{
    assert_true(gossip_encode_node(
            &f->encoder, &node->id, node->last_gc, node->from_excluded));
    for (size_t i = 0; i < node->entry_count; i++) {
        assert_true(gossip_encode_entry(
                &f->encoder, &m->entries[node->first_entry + i]));
    }
    if (node->entry_count == 0) {
        assert_true(gossip_encode_max_version(&f->encoder, node->max_version));
    }
}

static struct bytes encode(struct fixture *f, const struct gossip_message *m)
{
    gossip_encode_begin(
            &f->encoder, m->version, m->type, m->cluster, f->datagram);
    for (size_t i = 0; i < m->digest_count; i++) {
        assert_true(gossip_encode_digest_entry(&f->encoder, &m->digest[i]));
    }
    for (size_t i = 0; i < m->node_count; i++) {
        (void)gossip_encode_delta(&f->encoder);
        encode_node(f, m, &m->nodes[i]);
    }
    return gossip_encode_finish(&f->encoder);
}

/* Copies a block stream with all its blocks stored raw. */
static void put_stored_raw(
        struct fixture *f, struct writer *w, struct reader *r)
{
    struct bytes plain;
    bool is_over;

    assert_int_equal(gossip_blocks_read(&f->blocks, r, &plain, &is_over),
            GOSSIP_DROP_NONE);
    assert_false(is_over);
    put_raw_stream(w, plain);
}

/* The datagram as a writer that never compresses would have put it. */
static void put_raw_form(struct fixture *f, struct writer *w,
        struct bytes datagram, const struct gossip_message *m)
{
    struct reader r = reader_of(datagram);
    bool has_digest = m->type == GOSSIP_SYN || m->type == GOSSIP_SYN_ACK;
    size_t digest_bytes = 2;

    writer_put(w, reader_take(&r, GOSSIP_HEADER_BYTES));
    if (has_digest && m->version == GOSSIP_V0) {
        for (size_t i = 0; i < m->digest_count; i++) {
            digest_bytes += gossip_digest_entry_bytes(&m->digest[i].id);
        }
        writer_put(w, reader_take(&r, digest_bytes));
    } else if (has_digest) {
        put_stored_raw(f, w, &r);
    }
    if (m->type == GOSSIP_SYN_ACK || m->type == GOSSIP_ACK) {
        put_stored_raw(f, w, &r);
    }
    writer_put(w, r.rest);
    assert_false(w->failed);
}

/* ---- tests ---- */

static void lines_32_42_examples_decode_to_their_meaning(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < EXAMPLES; i++) {
        printf("  %s\n", gossip_examples[i].name);
        assert_says(f, hex_bytes(f, gossip_examples[i].hex),
                gossip_examples[i].meaning);
    }
}

static void lines_32_39_40_42_exact_examples_encode_to_their_bytes(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < EXAMPLES; i++) {
        struct bytes golden = hex_bytes(f, gossip_examples[i].hex);
        struct writer raw = writer_of(f->build + BUILD_BYTES / 2, 65536);
        struct gossip_message m;
        enum gossip_drop why;
        struct bytes encoded;

        if (!gossip_examples[i].is_exact) {
            continue;
        }
        printf("  %s\n", gossip_examples[i].name);
        assert_int_equal(gossip_decode(&f->decoder, golden, &m, &why), 0);
        encoded = encode(f, &m);
        assert_true(encoded.size <= golden.size);
        put_raw_form(f, &raw, encoded, &m);
        assert_int_equal(raw.size, golden.size);
        assert_memory_equal(raw.data, golden.data, golden.size);
    }
}

static void every_example_survives_our_own_encoding(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < EXAMPLES; i++) {
        struct gossip_message m;
        enum gossip_drop why;

        printf("  %s\n", gossip_examples[i].name);
        assert_int_equal(
                gossip_decode(&f->decoder, hex_bytes(f, gossip_examples[i].hex),
                        &m, &why),
                0);
        assert_says(f, encode(f, &m), gossip_examples[i].meaning);
    }
}

static void assert_prefixes_are_dropped(
        struct fixture *f, struct bytes datagram)
{
    for (size_t size = 0; size < datagram.size; size++) {
        uint8_t *copy = exact_copy(bytes_of(datagram.data, size));
        struct gossip_message m;
        enum gossip_drop why;
        int code = gossip_decode(&f->decoder, bytes_of(copy, size), &m, &why);

        free(copy);
        assert_true(code != 0 && why != GOSSIP_DROP_NONE);
        assert_int_equal(m.digest_count + m.node_count + m.entry_count, 0);
    }
}

static void lines_34_51_every_prefix_is_dropped(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < EXAMPLES; i++) {
        printf("  %s\n", gossip_examples[i].name);
        assert_prefixes_are_dropped(f, hex_bytes(f, gossip_examples[i].hex));
    }
    printf("  14.7 long names\n");
    assert_prefixes_are_dropped(f, hex_bytes(f, gossip_example_long_names));
}

/* The two digests of example 14.7, whose plain streams need two blocks. */
static struct gossip_digest_entry long_entry(size_t i)
{
    static const char letters[1001] = A50 A50 A50 A50 A50 A50 A50 A50 A50 A50
            A50 A50 A50 A50 A50 A50 A50 A50 A50 A50;

    return (struct gossip_digest_entry){
            .id = {.node_id = bytes_text(letters),
                    .generation = i,
                    .addr = addr_ipv4(127, 0, 0, 1, (uint16_t)(10000 + i))},
            .heartbeat = 1,
            .last_gc = 0,
            .max_version = 1};
}

static struct gossip_digest_entry small_entry(size_t i)
{
    static char names[1000][16];

    assert_true(i < 1000);
    (void)snprintf(names[i], sizeof(names[i]), "node-%05zu", i);
    return (struct gossip_digest_entry){
            .id = {.node_id = bytes_text(names[i]),
                    .generation = 1767225600000 + i,
                    .addr = addr_ipv4(10, 0, (uint8_t)(i / 256),
                            (uint8_t)(i % 256), 7946)},
            .heartbeat = 100 + i,
            .last_gc = 0,
            .max_version = i};
}

typedef struct gossip_digest_entry entry_maker(size_t i);

static struct bytes encode_syn(struct fixture *f, enum gossip_version version,
        entry_maker *entry_of, size_t count)
{
    gossip_encode_begin(
            &f->encoder, version, GOSSIP_SYN, bytes_text("weft"), f->datagram);
    for (size_t i = 0; i < count; i++) {
        struct gossip_digest_entry entry = entry_of(i);

        assert_true(gossip_encode_digest_entry(&f->encoder, &entry));
    }
    return gossip_encode_finish(&f->encoder);
}

static void assert_digest_is(
        const struct gossip_message *m, entry_maker *entry_of, size_t count)
{
    assert_int_equal(m->digest_count, count);
    for (size_t i = 0; i < count; i++) {
        struct gossip_digest_entry expected = entry_of(i);
        const struct gossip_digest_entry *entry =
                gossip_digest_find(m, &expected.id);

        assert_non_null(entry);
        assert_int_equal(entry->heartbeat, expected.heartbeat);
        assert_int_equal(entry->last_gc, expected.last_gc);
        assert_int_equal(entry->max_version, expected.max_version);
    }
}

static const struct two_block_row {
    const char *name;
    entry_maker *entry_of;
    size_t count;
    size_t plain_bytes;
    const char *plain_sha256;
    const char *v0_sha256; /* of the whole Syn; NULL where none is known */
    size_t raw_bytes;
    const char *raw_sha256; /* of the whole Syn in V1, blocks stored raw */
} two_block_rows[] = {
        {"long names", long_entry, 17, 17697,
                "0d4e13dee4d5a06940af9aca2fcf77b88069c4951147b90b19d6dc61dca4d9"
                "d8",
                "f915b6a8e82564cd786118e3faf673757e63275291a2fc43a7bd291b78245f"
                "2a",
                17714,
                "fb8a2b2b3bdb9d0d8eb80f022406210970a2b3c599f727ed5ffd97a4e97921"
                "52"},
        {"small entries", small_entry, 400, 20400,
                "9d77b18baeb79ca6eb33b3d088afe94733594a63ba6bc275507b410c2c82b6"
                "9d",
                NULL, 20417,
                "caf191633c09fa03c00459538f917223e006d3636d23087bd8ae0435c5c11a"
                "5d"},
};

static void assert_sha256(struct bytes b, const char *expected)
{
    char hex[SHA256_HEX_BYTES];

    assert_string_equal(sha256_hex(b, hex), expected);
}

static void sha256_is_sha256(void **state)
{
    (void)state;
    assert_sha256(bytes_text("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_sha256(bytes_of(NULL, 0),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void line_43_two_block_digests_are_exact(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < 2; i++) {
        const struct two_block_row *row = &two_block_rows[i];
        struct writer raw = writer_of(f->build, sizeof(f->build));
        struct gossip_message m;
        enum gossip_drop why;
        struct bytes syn;
        struct bytes plain;
        struct reader r;
        bool is_over;

        printf("  %s\n", row->name);
        syn = encode_syn(f, GOSSIP_V1, row->entry_of, row->count);
        assert_int_equal(gossip_decode(&f->decoder, syn, &m, &why), 0);
        assert_digest_is(&m, row->entry_of, row->count);
        r = reader_of(bytes_skip(syn, GOSSIP_HEADER_BYTES));
        assert_int_equal(gossip_blocks_read(&f->blocks, &r, &plain, &is_over),
                GOSSIP_DROP_NONE);
        assert_int_equal(plain.size, row->plain_bytes);
        assert_sha256(plain, row->plain_sha256);
        put_raw_form(f, &raw, syn, &m);
        assert_int_equal(raw.size, row->raw_bytes);
        assert_sha256(writer_bytes(&raw), row->raw_sha256);
        if (row->v0_sha256 != NULL) {
            syn = encode_syn(f, GOSSIP_V0, row->entry_of, row->count);
            assert_sha256(syn, row->v0_sha256);
        }
    }
}

static void line_43_two_block_digests_are_cut_at_16384(void **state)
{
    static const size_t last_bytes[2] = {1313, 4016};
    struct fixture *f = *state;

    for (size_t i = 0; i < 2; i++) {
        const struct two_block_row *row = &two_block_rows[i];
        struct reader r = reader_of(
                bytes_skip(encode_syn(f, GOSSIP_V1, row->entry_of, row->count),
                        GOSSIP_HEADER_BYTES));
        struct bytes block;

        printf("  %s\n", row->name);
        assert_int_equal(reader_u8(&r), GOSSIP_BLOCK_ZSTD);
        block = reader_string16(&r);
        assert_int_equal(ZSTD_getFrameContentSize(block.data, block.size),
                GOSSIP_BLOCK_BYTES);
        assert_int_equal(reader_u8(&r), GOSSIP_BLOCK_ZSTD);
        block = reader_string16(&r);
        assert_int_equal(ZSTD_getFrameContentSize(block.data, block.size),
                last_bytes[i]);
        assert_int_equal(reader_u8(&r), GOSSIP_BLOCK_END);
    }
}

static void example_14_7_as_chitchat_wrote_it(void **state)
{
    struct fixture *f = *state;
    struct gossip_message m;
    enum gossip_drop why;

    assert_int_equal(gossip_decode(&f->decoder,
                             hex_bytes(f, gossip_example_long_names), &m, &why),
            0);
    assert_true(bytes_equal_text(m.cluster, "weft"));
    assert_digest_is(&m, long_entry, 17);
}

static void line_41_digests_of_many_sizes_round_trip(void **state)
{
    static const size_t counts[] = {0, 1, 3, 200, 500};
    struct fixture *f = *state;
    struct gossip_message m;
    enum gossip_drop why;

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        for (int version = GOSSIP_V0; version <= GOSSIP_V1; version++) {
            struct bytes syn = encode_syn(
                    f, (enum gossip_version)version, small_entry, counts[i]);

            printf("  %zu entries in V%d: %zu bytes\n", counts[i], version,
                    syn.size);
            assert_int_equal(gossip_decode(&f->decoder, syn, &m, &why), 0);
            assert_int_equal(m.version, version);
            assert_digest_is(&m, small_entry, counts[i]);
        }
    }
}

/* "node-id", generation 1: as in chitchat's own tests. */
static struct gossip_id id_of(const char *node_id, struct addr addr)
{
    return (struct gossip_id){
            .node_id = bytes_text(node_id), .generation = 1, .addr = addr};
}

static void line_2_an_id_takes_24_bytes_and_decodes_to_itself(void **state)
{
    struct gossip_id id = id_of("node-id", addr_ipv4(127, 0, 0, 1, 7280));
    uint8_t memory[64];
    struct writer w = writer_of(memory, sizeof(memory));
    struct gossip_id decoded;
    struct reader r;

    (void)state;
    gossip_id_encode(&w, &id);
    assert_int_equal(w.size, 24);
    assert_int_equal(gossip_id_bytes(&id), 24);
    r = reader_of(writer_bytes(&w));
    assert_int_equal(gossip_id_decode(&r, &decoded), GOSSIP_DROP_NONE);
    assert_false(r.failed);
    assert_true(gossip_id_equal(&id, &decoded));
}

static void line_4_an_address_takes_5_or_17_bytes_and_a_port(void **state)
{
    struct gossip_id v4 = id_of("", addr_ipv4(10, 0, 0, 1, 1));
    struct gossip_id v6 = v4;

    (void)state;
    v6.addr.family = ADDR_IPV6;
    assert_int_equal(gossip_id_bytes(&v4), 2 + 8 + 5 + 2);
    assert_int_equal(gossip_id_bytes(&v6), 2 + 8 + 17 + 2);
}

static void a_name_too_long_for_its_length_is_refused(void **state)
{
    struct fixture *f = *state;
    struct gossip_id id = {.addr = addr_ipv4(10, 0, 0, 1, 1)};
    struct writer w = writer_of(f->build, BUILD_BYTES / 2);

    id.node_id = bytes_of(f->build + BUILD_BYTES / 2, 65536);
    gossip_id_encode(&w, &id);
    assert_true(w.failed);
}

static void lines_3_8_a_digest_line_is_heartbeat_last_gc_max(void **state)
{
    struct fixture *f = *state;
    struct gossip_digest_entry entry = {
            .id = id_of("node-id", addr_ipv4(127, 0, 0, 1, 7280)),
            .heartbeat = 100,
            .last_gc = 2,
            .max_version = 3};
    struct gossip_digest_writer w;
    struct bytes digest;

    assert_int_equal(gossip_digest_entry_bytes(&entry.id), 24 + 24);
    gossip_digest_begin(&w, NULL, GOSSIP_V0, f->datagram, 100);
    assert_true(gossip_digest_try(&w, &entry));
    digest = gossip_digest_finish(&w);
    assert_int_equal(digest.size, 2 + 24 + 24);
    assert_memory_equal(digest.data + 2 + 24,
            "\x64\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0", 24);
}

/* Ids of 27 bytes: "node-10001" and so on, 127.0.0.1. */
static struct gossip_digest_entry entry_27(size_t i)
{
    struct gossip_digest_entry entry = small_entry(i);

    entry.id.generation = 0;
    entry.id.addr = addr_ipv4(127, 0, 0, 1, 10001);
    return entry;
}

static struct bytes encode_27(struct fixture *f, enum gossip_type type,
        size_t digest_count, bool has_delta)
{
    struct gossip_digest_entry entry = entry_27(1);
    struct gossip_entry tombstone = {.key = bytes_text("some-key"),
            .value = bytes_of(NULL, 0),
            .version = 1,
            .status = KV_DELETE};

    gossip_encode_begin(&f->encoder, GOSSIP_V0, type,
            bytes_text(type == GOSSIP_SYN ? "cluster-a" : ""), f->datagram);
    if (digest_count > 0) {
        assert_true(gossip_encode_digest_entry(&f->encoder, &entry));
    }
    if (has_delta) {
        (void)gossip_encode_delta(&f->encoder);
        assert_true(gossip_encode_node(&f->encoder, &entry.id, 0, 0));
        assert_true(gossip_encode_entry(&f->encoder, &tombstone));
    }
    return gossip_encode_finish(&f->encoder);
}

static void lines_10_to_13_sizes_of_whole_messages(void **state)
{
    static const struct {
        const char *name;
        enum gossip_type type;
        size_t digest_count;
        bool has_delta;
        size_t raw_bytes;
    } rows[] = {
            {"line 10, Syn", GOSSIP_SYN, 0, false, 17},
            {"line 10, Syn with an entry", GOSSIP_SYN, 1, false, 68},
            {"line 11, SynAck", GOSSIP_SYN_ACK, 0, false, 7},
            {"line 11, SynAck with both", GOSSIP_SYN_ACK, 1, true,
                    2 + 1 + 1 + 53 + 70},
            {"line 12, Ack", GOSSIP_ACK, 0, false, 5},
            {"line 12, Ack with a delta", GOSSIP_ACK, 0, true, 74},
            {"line 13, BadCluster", GOSSIP_BAD_CLUSTER, 0, false, 4},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct writer raw = writer_of(f->build, sizeof(f->build));
        struct bytes encoded = encode_27(
                f, rows[i].type, rows[i].digest_count, rows[i].has_delta);
        struct gossip_message m;
        enum gossip_drop why;

        printf("  %s\n", rows[i].name);
        assert_int_equal(gossip_decode(&f->decoder, encoded, &m, &why), 0);
        assert_int_equal(m.type, rows[i].type);
        put_raw_form(f, &raw, encoded, &m);
        assert_int_equal(raw.size, rows[i].raw_bytes);
    }
}

static void members_are_ordered_by_name_generation_address(void **state)
{
    static const struct {
        const char *node_id;
        uint64_t generation;
        const char *addr;
    } rows[] = {
            {"", 9, "10.0.0.1:1"},
            {"node-1", 1, "10.0.0.9:1"},
            {"node-1", 2, "10.0.0.1:1"},
            {"node-10", 1, "10.0.0.1:1"},
            {"node-2", 1, "9.0.0.1:1"},
            {"node-2", 1, "10.0.0.1:1"},
            {"node-2", 1, "10.0.0.1:2"},
            {"node-2", 1, "10.0.0.1:256"},
            {"node-2", 1, "10.0.1.1:1"},
            {"node-2", 1, "[::1]:1"},
            {"node-2", 1, "[::ffff:10.0.0.1]:1"},
    };
    struct gossip_id previous;
    struct gossip_id id;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        printf("  %s/%llu/%s\n", rows[i].node_id,
                (unsigned long long)rows[i].generation, rows[i].addr);
        id.node_id = bytes_text(rows[i].node_id);
        id.generation = rows[i].generation;
        assert_true(addr_parse(bytes_text(rows[i].addr), &id.addr));
        assert_int_equal(gossip_id_compare(&id, &id), 0);
        if (i > 0) {
            assert_true(gossip_id_compare(&previous, &id) < 0);
            assert_true(gossip_id_compare(&id, &previous) > 0);
            assert_false(gossip_id_equal(&id, &previous));
        }
        previous = id;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(line_2_an_id_takes_24_bytes_and_decodes_to_itself),
            cmocka_unit_test(lines_3_8_a_digest_line_is_heartbeat_last_gc_max),
            cmocka_unit_test(line_4_an_address_takes_5_or_17_bytes_and_a_port),
            cmocka_unit_test(a_name_too_long_for_its_length_is_refused),
            cmocka_unit_test(members_are_ordered_by_name_generation_address),
            cmocka_unit_test(lines_10_to_13_sizes_of_whole_messages),
            cmocka_unit_test(lines_32_42_examples_decode_to_their_meaning),
            cmocka_unit_test(
                    lines_32_39_40_42_exact_examples_encode_to_their_bytes),
            cmocka_unit_test(every_example_survives_our_own_encoding),
            cmocka_unit_test(lines_34_51_every_prefix_is_dropped),
            cmocka_unit_test(line_41_digests_of_many_sizes_round_trip),
            cmocka_unit_test(sha256_is_sha256),
            cmocka_unit_test(line_43_two_block_digests_are_exact),
            cmocka_unit_test(line_43_two_block_digests_are_cut_at_16384),
            cmocka_unit_test(example_14_7_as_chitchat_wrote_it),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
