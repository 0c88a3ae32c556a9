/* Malformed and hostile datagrams: each class with its number, the reason it
 * is dropped under, or the word that it is accepted. */
#include "gossip/gossip_decode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/prng.h"
#include "tests/unit/gossip_bytes.h"

/* Ids, their counters, and the end of a Syn, in hexadecimal. */
#define ID1 "06006e6f64652d3100a8da769b010000040a0000010a1f"
#define ID2 "06006e6f64652d327ba8da769b010000040a0000020a1f"
#define ZERO "0000000000000000"
#define ONE "0100000000000000"
#define TWO "0200000000000000"
#define MAX "ffffffffffffffff"
#define WEFT "040077656674"
#define ENTRY1 ID1 ONE ZERO TWO
#define ENTRY2 ID2 ONE ZERO TWO
#define NODE1 "00" ID1 ZERO ZERO
#define NODE2 "00" ID2 ZERO ZERO
#define KEY_VALUE                                                              \
    "01"                                                                       \
    "01006b"                                                                   \
    "010076" /* k=v; version and status follow */

enum {
    OK = GOSSIP_DROP_NONE,
};

struct fixture {
    struct gossip_decoder decoder;
    struct gossip_message m;
    uint8_t build[BUILD_BYTES];
    uint8_t plain[BUILD_BYTES];
};

static int setup(void **state)
{
    struct fixture *f = malloc(sizeof(*f));

    assert_non_null(f);
    assert_int_equal(gossip_decoder_init(&f->decoder), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gossip_decoder_close(&f->decoder);
    free(f);
    return 0;
}

/* Decodes an exact copy. The message is then about memory that is gone, but
 * for what the decoder holds: counts, versions, flags. */
static enum gossip_drop decode(struct fixture *f, struct bytes datagram)
{
    uint8_t *copy = exact_copy(datagram);
    enum gossip_drop why;
    int code = gossip_decode(
            &f->decoder, bytes_of(copy, datagram.size), &f->m, &why);

    free(copy);
    assert_int_equal(code == 0, why == GOSSIP_DROP_NONE);
    return why;
}

static struct writer build(struct fixture *f, const char *hex)
{
    struct writer w = writer_of(f->build, sizeof(f->build));

    put_hex(&w, hex);
    return w;
}

static enum gossip_drop decode_hex(struct fixture *f, const char *hex)
{
    struct writer w = build(f, hex);

    return decode(f, writer_bytes(&w));
}

static void assert_reason(const char *name, enum gossip_drop why, int expected)
{
    printf("  %s: %s\n", name, gossip_drop_name(why));
    assert_string_equal(gossip_drop_name(why),
            gossip_drop_name((enum gossip_drop)expected));
}

/* ---- whole datagrams ---- */

static void headers_and_digests_by_their_row(void **state)
{
    static const struct {
        const char *name;
        const char *hex;
        int why;
    } rows[] = {
            {"H1 empty", "", GOSSIP_DROP_HEADER},
            {"H2 two bytes", "53b0", GOSSIP_DROP_HEADER},
            {"H3 no type", "53b000", GOSSIP_DROP_HEADER},
            {"H4 magic swapped", "b0530003", GOSSIP_DROP_MAGIC},
            {"H4 magic wrong", "53b10003", GOSSIP_DROP_MAGIC},
            {"H5 version 2", "53b00203", GOSSIP_DROP_VERSION},
            {"H5 version 2 is judged before the type", "53b00204",
                    GOSSIP_DROP_VERSION},
            {"H6 type 4", "53b00004", GOSSIP_DROP_TYPE},
            {"H6 type 255", "53b000ff", GOSSIP_DROP_TYPE},
            {"H7 bytes after BadCluster", "53b000036a756e6b", OK},
            {"H8 bytes after BadCluster, V1", "53b001036a756e6b", OK},
            {"H8 no type, V1", "53b001", GOSSIP_DROP_HEADER},
            {"H8 type 4, V1", "53b00104", GOSSIP_DROP_TYPE},

            {"S1 no digest", "53b00000", GOSSIP_DROP_DIGEST},
            {"S2 count cut", "53b0000001", GOSSIP_DROP_DIGEST},
            {"S3 count above the entries", "53b000000200" ENTRY1 WEFT,
                    GOSSIP_DROP_DIGEST},
            {"S4 name longer than the datagram", "53b0000001000a006e6f64652d31",
                    GOSSIP_DROP_DIGEST},
            {"S5 name not UTF-8",
                    "53b000000100"
                    "0200fffe" ONE "040a0000010a1f" ONE ZERO TWO WEFT,
                    GOSSIP_DROP_TEXT},
            {"S6 family 5",
                    "53b000000100"
                    "06006e6f64652d31" ONE "050a0000010a1f" ONE ZERO TWO WEFT,
                    GOSSIP_DROP_FAMILY},
            {"S7 address cut",
                    "53b000000100"
                    "0000" ONE "040a0000",
                    GOSSIP_DROP_DIGEST},
            {"S7 port cut",
                    "53b000000100"
                    "0000" ONE "040a0000010a",
                    GOSSIP_DROP_DIGEST},
            {"S7 heartbeat cut", "53b000000100" ID1 "0100", GOSSIP_DROP_DIGEST},
            {"S7 last_gc cut", "53b000000100" ID1 ONE "00", GOSSIP_DROP_DIGEST},
            {"S7 max_version cut", "53b000000100" ID1 ONE ZERO "00000000",
                    GOSSIP_DROP_DIGEST},
            {"S7 IPv6 address cut",
                    "53b000000100"
                    "0000" ONE "0620010db8000000000000000000"
                    "000000000000000000000000000000000000000000000000",
                    GOSSIP_DROP_DIGEST},
            {"S8 no cluster", "53b000000100" ENTRY1, GOSSIP_DROP_CLUSTER},
            {"S8 cluster length cut",
                    "53b000000000"
                    "04",
                    GOSSIP_DROP_CLUSTER},
            {"S9 cluster too long", "53b000000000090077656674",
                    GOSSIP_DROP_CLUSTER},
            {"S9 cluster not UTF-8", "53b0000000000200c328", GOSSIP_DROP_TEXT},
            {"S10 bytes after the cluster", "53b000000000" WEFT "000102", OK},
            {"S11 one id twice", "53b000000200" ENTRY1 ENTRY1 WEFT, OK},
            {"S12 not ascending", "53b000000200" ENTRY2 ENTRY1 WEFT, OK},
            {"S13 empty name, address 0.0.0.0:0",
                    "53b000000100"
                    "0000" ONE "04000000000000" ONE ZERO TWO WEFT,
                    OK},
            {"S13 NUL in the name",
                    "53b000000100"
                    "0300610062" ONE "040a0000010000" ONE ZERO TWO WEFT,
                    OK},
            {"S14 absurd numbers", "53b000000100" ID1 MAX MAX MAX WEFT, OK},

            {"D1 no digest", "53b00100", GOSSIP_DROP_BLOCK},
            {"D2 no end tag",
                    "53b00100"
                    "022f00" ENTRY1,
                    GOSSIP_DROP_BLOCK},
            {"D3 block tag 3", "53b0010003040077656674", GOSSIP_DROP_BLOCK_TAG},
            {"D4 block length cut", "53b00100022f", GOSSIP_DROP_BLOCK},
            {"D4 block longer than the datagram", "53b0010001320061626300",
                    GOSSIP_DROP_BLOCK},
            {"D5 not zstd", "53b00100010800676172626167652100040077656674",
                    GOSSIP_DROP_BLOCK_ZSTD},
            {"D6 entry cut",
                    "53b00100"
                    "022e00" ID1 ONE ZERO "02000000000000"
                    "00" WEFT,
                    GOSSIP_DROP_DIGEST},
            {"D6 a byte left over",
                    "53b00100"
                    "023000" ENTRY1 "00"
                    "00" WEFT,
                    GOSSIP_DROP_DIGEST},
            {"D7 V0 digest under V1", "53b001000000040077656674",
                    GOSSIP_DROP_CLUSTER},
            {"D7 V0 digest under V1, entries", "53b001000100" ENTRY1 WEFT,
                    GOSSIP_DROP_BLOCK},
            {"D8 V1 digest under V0", "53b0000000040077656674",
                    GOSSIP_DROP_DIGEST},
            {"D9 no cluster",
                    "53b00100"
                    "022f00" ENTRY1 "00",
                    GOSSIP_DROP_CLUSTER},
            {"D9 cluster inside the block",
                    "53b00100"
                    "023500" ENTRY1 WEFT "00",
                    GOSSIP_DROP_DIGEST},
            {"D10 bytes after the cluster",
                    "53b00100"
                    "00" WEFT "000102",
                    OK},
            {"D10 bytes after the delta",
                    "53b00101"
                    "00"
                    "00"
                    "000102",
                    OK},
            {"D11 entries across blocks, empty blocks",
                    "53b00100"
                    "020800"
                    "06006e6f64652d31"
                    "020000"
                    "010000"
                    "022700"
                    "00a8da769b010000040a0000010a1f" ONE ZERO TWO "00" WEFT,
                    OK},
            {"D12 one id twice",
                    "53b00100"
                    "025e00" ENTRY1 ENTRY1 "00" WEFT,
                    OK},
            {"D13 not ascending",
                    "53b00100"
                    "025e00" ENTRY2 ENTRY1 "00" WEFT,
                    OK},
            {"D14 family 5",
                    "53b00100"
                    "022900"
                    "0000" ONE "050a0000010a1f" ONE ZERO TWO "00" WEFT,
                    GOSSIP_DROP_FAMILY},
            {"D14 name not UTF-8",
                    "53b00100"
                    "022b00"
                    "0200fffe" ONE "040a0000010a1f" ONE ZERO TWO "00" WEFT,
                    GOSSIP_DROP_TEXT},
            {"D14 name too long",
                    "53b00100"
                    "022900"
                    "ffff" ONE "040a0000010a1f" ONE ZERO TWO "00" WEFT,
                    GOSSIP_DROP_DIGEST},
            {"D16 no delta",
                    "53b00101"
                    "022f00" ENTRY1 "00",
                    GOSSIP_DROP_BLOCK},

            {"B1 no delta", "53b00002", GOSSIP_DROP_BLOCK},
            {"B1 no delta after a V0 digest", "53b000010100" ENTRY1,
                    GOSSIP_DROP_BLOCK},
            {"a broken delta drops the digest too", "53b000010100" ENTRY1 "03",
                    GOSSIP_DROP_BLOCK_TAG},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_reason(
                rows[i].name, decode_hex(*state, rows[i].hex), rows[i].why);
    }
}

static void line_38_two_of_256_versions_are_known(void **state)
{
    for (unsigned version = 0; version < 256; version++) {
        char hex[16];

        (void)snprintf(hex, sizeof(hex), "53b0%02x03", version);
        assert_int_equal(decode_hex(*state, hex),
                version <= 1 ? GOSSIP_DROP_NONE : GOSSIP_DROP_VERSION);
    }
}

static void four_of_256_types_are_known(void **state)
{
    for (unsigned type = 0; type < 256; type++) {
        char hex[16];

        (void)snprintf(hex, sizeof(hex), "53b000%02x", type);
        assert_int_equal(decode_hex(*state, hex) == GOSSIP_DROP_TYPE, type > 3);
    }
}

/* A, B, and B again with other numbers, in either version. */
static void lines_9_S11_D12_the_last_line_about_a_member_wins(void **state)
{
    static const struct {
        const char *name;
        const char *hex;
    } rows[] = {
            {"V0", "53b000000400" ENTRY2 ENTRY1 ID2 TWO ONE MAX ENTRY1 WEFT},
            {"V1", "53b00100"
                   "02bc00" ENTRY2 ENTRY1 ID2 TWO ONE MAX ENTRY1 "00" WEFT},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < 2; i++) {
        printf("  %s\n", rows[i].name);
        assert_int_equal(decode_hex(f, rows[i].hex), GOSSIP_DROP_NONE);
        assert_int_equal(f->m.digest_count, 2);
        assert_int_equal(f->m.digest[0].heartbeat, 1);
        assert_int_equal(f->m.digest[0].max_version, 2);
        assert_int_equal(f->m.digest[1].heartbeat, 2);
        assert_int_equal(f->m.digest[1].last_gc, 1);
        assert_true(f->m.digest[1].max_version == UINT64_MAX);
    }
}

/* ---- block streams: rows B2 to B14 and D11, D15, in all three places ---- */

/* Writes the stream of one row from plain bytes that are valid where it
 * stands; cut streams end the datagram. */
typedef void stream_writer(struct writer *w, struct bytes plain);

static void b2_unknown_tag(struct writer *w, struct bytes plain)
{
    put_raw_block(w, plain);
    put_hex(w, "0300000000");
}

static void b3_length_cut(struct writer *w, struct bytes plain)
{
    put_raw_block(w, plain);
    put_hex(w, "0205");
}

static void b4_raw_cut(struct writer *w, struct bytes plain)
{
    put_raw_block(w, plain);
    put_hex(w, "0232006162");
}

static void b5_compressed_cut(struct writer *w, struct bytes plain)
{
    put_zstd_block(w, plain);
    w->size--;
}

static void b6_not_zstd(struct writer *w, struct bytes plain)
{
    put_raw_block(w, plain);
    put_hex(w, "0108006761726261676521"
               "00");
}

static void put_block_of_frames(struct writer *w, struct writer *frames)
{
    writer_u8(w, GOSSIP_BLOCK_ZSTD);
    writer_string16(w, writer_bytes(frames));
    writer_u8(w, GOSSIP_BLOCK_END);
}

static void b7_frame_cut(struct writer *w, struct bytes plain)
{
    uint8_t memory[4096];
    struct writer frames = writer_of(memory, sizeof(memory));

    put_frame(&frames, plain, (struct frame_options){.has_checksum = false});
    frames.size--;
    put_block_of_frames(w, &frames);
}

static void b7_stray_bytes(struct writer *w, struct bytes plain)
{
    uint8_t memory[4096];
    struct writer frames = writer_of(memory, sizeof(memory));

    put_frame(&frames, plain, (struct frame_options){.has_checksum = false});
    put_hex(&frames, "00");
    put_block_of_frames(w, &frames);
}

static void b8_checksum_wrong(struct writer *w, struct bytes plain)
{
    uint8_t memory[4096];
    struct writer frames = writer_of(memory, sizeof(memory));

    put_frame(&frames, plain, (struct frame_options){.has_checksum = true});
    frames.data[frames.size - 1] ^= 1;
    put_block_of_frames(w, &frames);
}

static void b11_no_end(struct writer *w, struct bytes plain)
{
    put_raw_block(w, plain);
}

static void b13_empty_blocks(struct writer *w, struct bytes plain)
{
    put_hex(w, "020000"
               "010000");
    put_raw_block(w, plain);
    put_hex(w, "010000"
               "020000"
               "00");
}

static void b14_two_frames(struct writer *w, struct bytes plain)
{
    uint8_t memory[8192];
    struct writer frames = writer_of(memory, sizeof(memory));
    struct frame_options none = {.has_checksum = false};

    put_frame(&frames, bytes_of(plain.data, plain.size / 2), none);
    put_frame(&frames, bytes_skip(plain, plain.size / 2), none);
    put_block_of_frames(w, &frames);
}

static void b14_skippable_frame(struct writer *w, struct bytes plain)
{
    uint8_t memory[4096];
    struct writer frames = writer_of(memory, sizeof(memory));

    put_hex(&frames, "502a4d18"
                     "03000000"
                     "616263");
    put_frame(&frames, plain, (struct frame_options){.has_checksum = false});
    put_block_of_frames(w, &frames);
}

static void b14_no_size(struct writer *w, struct bytes plain)
{
    uint8_t memory[4096];
    struct writer frames = writer_of(memory, sizeof(memory));

    put_frame(&frames, plain, (struct frame_options){.has_no_size = true});
    put_block_of_frames(w, &frames);
}

static void b14_checksum_right(struct writer *w, struct bytes plain)
{
    uint8_t memory[4096];
    struct writer frames = writer_of(memory, sizeof(memory));

    put_frame(&frames, plain, (struct frame_options){.has_checksum = true});
    put_block_of_frames(w, &frames);
}

static void d11_mixed(struct writer *w, struct bytes plain)
{
    put_raw_block(w, bytes_of(plain.data, 20));
    put_hex(w, "020000");
    put_zstd_block(w, bytes_skip(plain, 20));
    put_hex(w, "00");
}

static void one_zstd_block(struct writer *w, struct bytes plain)
{
    put_zstd_block(w, plain);
    put_hex(w, "00");
}

static void one_frame_without_size(struct writer *w, struct bytes plain)
{
    size_t at = w->size;
    struct writer length;

    put_hex(w, "010000");
    put_frame(w, plain, (struct frame_options){.has_no_size = true});
    length = writer_of(w->data + at + 1, 2);
    writer_u16le(&length, (uint16_t)(w->size - at - 3));
    put_hex(w, "00");
}

/* An entry or KeyValue is made longer until the plain bytes are as many. */
static void put_padding(struct writer *w, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        writer_u8(w, 'a');
    }
}

static void put_entries(struct writer *w, size_t plain_bytes)
{
    size_t name_bytes;

    put_hex(w, ENTRY1);
    name_bytes = plain_bytes - w->size - GOSSIP_DIGEST_ENTRY_MIN_BYTES;
    while (name_bytes > 40000) { /* more than one name may hold */
        writer_u16le(w, 20000);
        put_padding(w, 20000);
        put_hex(w, ONE "040a0000010a1f" ONE ZERO TWO);
        name_bytes -= 20000 + GOSSIP_DIGEST_ENTRY_MIN_BYTES;
    }
    writer_u16le(w, (uint16_t)name_bytes);
    put_padding(w, name_bytes);
    put_hex(w, ONE "040a0000010a1f" ONE ZERO TWO);
    assert_int_equal(w->size, plain_bytes);
}

static void put_ops(struct writer *w, size_t plain_bytes)
{
    size_t value_bytes;

    put_hex(w, NODE1 "01"
                     "01006b");
    value_bytes = plain_bytes - w->size - (2 + 8 + 1);
    if (value_bytes > 40000) {
        writer_u16le(w, 20000);
        put_padding(w, 20000);
        put_hex(w, ONE "00"
                       "01"
                       "01006b");
        value_bytes -= 20000 + 2 + 8 + 1 + 1 + 3;
    }
    writer_u16le(w, (uint16_t)value_bytes);
    put_padding(w, value_bytes);
    put_hex(w, TWO "00");
    assert_int_equal(w->size, plain_bytes);
}

static const struct place {
    const char *name;
    const char *before;
    void (*put_plain)(struct writer *w, size_t plain_bytes);
    const char *after; /* of a stream that is whole */
} places[] = {
        {"Ack", "53b00002", put_ops, ""},
        {"SynAck delta", "53b000010100" ENTRY1, put_ops, ""},
        {"V1 Syn digest", "53b00100", put_entries, WEFT},
        {"V1 SynAck digest", "53b00101", put_entries, "00"},
};

static enum gossip_drop decode_stream(struct fixture *f,
        const struct place *place, stream_writer *put_stream,
        size_t plain_bytes, bool is_whole)
{
    struct writer w = build(f, place->before);
    struct writer plain = writer_of(f->plain, sizeof(f->plain));

    place->put_plain(&plain, plain_bytes);
    put_stream(&w, writer_bytes(&plain));
    put_hex(&w, is_whole ? place->after : "");
    return decode(f, writer_bytes(&w));
}

static void block_streams_by_their_row(void **state)
{
    static const struct {
        const char *name;
        stream_writer *put_stream;
        size_t plain_bytes;
        int why;
    } rows[] = {
            {"B2 block tag 3", b2_unknown_tag, 300, GOSSIP_DROP_BLOCK_TAG},
            {"B3 block length cut", b3_length_cut, 300, GOSSIP_DROP_BLOCK},
            {"B4 raw block cut", b4_raw_cut, 300, GOSSIP_DROP_BLOCK},
            {"B5 compressed block cut", b5_compressed_cut, 300,
                    GOSSIP_DROP_BLOCK},
            {"B6 not zstd", b6_not_zstd, 300, GOSSIP_DROP_BLOCK_ZSTD},
            {"B7 frame cut", b7_frame_cut, 300, GOSSIP_DROP_BLOCK_ZSTD},
            {"B7 bytes after the frame", b7_stray_bytes, 300,
                    GOSSIP_DROP_BLOCK_ZSTD},
            {"B8 checksum wrong", b8_checksum_wrong, 300,
                    GOSSIP_DROP_BLOCK_ZSTD},
            {"B9 D15 65,536 plain bytes", one_zstd_block, 65536,
                    GOSSIP_DROP_BLOCK_LARGE},
            {"B9 65,536 plain bytes, no size", one_frame_without_size, 65536,
                    GOSSIP_DROP_BLOCK_LARGE},
            {"B10 D15 65,535 plain bytes", one_zstd_block, 65535, OK},
            {"B10 65,535 plain bytes, no size", one_frame_without_size, 65535,
                    OK},
            {"B11 no end tag", b11_no_end, 300, GOSSIP_DROP_BLOCK},
            {"B13 empty blocks", b13_empty_blocks, 300, OK},
            {"B14 two frames", b14_two_frames, 300, OK},
            {"B14 a skippable frame", b14_skippable_frame, 300, OK},
            {"B14 a frame without size", b14_no_size, 300, OK},
            {"B14 a right checksum", b14_checksum_right, 300, OK},
            {"D11 blocks mixed", d11_mixed, 300, OK},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t j = 0; j < sizeof(places) / sizeof(places[0]); j++) {
            printf(" %s:", places[j].name);
            assert_reason(rows[i].name,
                    decode_stream(f, &places[j], rows[i].put_stream,
                            rows[i].plain_bytes, rows[i].why == OK),
                    rows[i].why);
        }
    }
}

static void B13_streams_of_empty_blocks_are_empty(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(decode_hex(f, "53b00002"
                                   "020000"
                                   "00"),
            GOSSIP_DROP_NONE);
    assert_int_equal(f->m.node_count, 0);
    assert_int_equal(decode_hex(f, "53b00002"
                                   "010000"
                                   "00"),
            GOSSIP_DROP_NONE);
    assert_int_equal(f->m.node_count, 0);
    assert_int_equal(decode_hex(f, "53b00100"
                                   "010000"
                                   "020000"
                                   "00" WEFT),
            GOSSIP_DROP_NONE);
    assert_int_equal(f->m.digest_count, 0);
}

static void B12_bytes_after_the_end_tag_are_ignored(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(decode_hex(f, "53b00002"
                                   "00"
                                   "03ffffff"),
            GOSSIP_DROP_NONE);
    assert_int_equal(decode_hex(f, "53b00102"
                                   "00"
                                   "01"),
            GOSSIP_DROP_NONE);
}

/* ---- operations ---- */

/* In an Ack, in one raw block. */
static enum gossip_drop decode_ops(struct fixture *f, const char *ops)
{
    struct writer w = build(f, "53b00002");
    struct writer plain = writer_of(f->plain, sizeof(f->plain));

    put_hex(&plain, ops);
    put_raw_stream(&w, writer_bytes(&plain));
    return decode(f, writer_bytes(&w));
}

static void operations_by_their_row(void **state)
{
    static const struct {
        const char *name;
        const char *ops;
        int why;
    } rows[] = {
            {"O1 operation tag 3", NODE1 "03", GOSSIP_DROP_OP_TAG},
            {"O2 Node cut", "00" ID1 ZERO "00", GOSSIP_DROP_OP},
            {"O2 Node cut in its id",
                    "00"
                    "06006e6f",
                    GOSSIP_DROP_OP},
            {"O2 KeyValue cut", NODE1 KEY_VALUE ONE, GOSSIP_DROP_OP},
            {"O2 SetMaxVersion cut",
                    NODE1 "02"
                          "00",
                    GOSSIP_DROP_OP},
            {"O3 KeyValue first", KEY_VALUE ONE "00", GOSSIP_DROP_OP_ORPHAN},
            {"O3 SetMaxVersion first", "02" ONE, GOSSIP_DROP_OP_ORPHAN},
            {"O4 one member twice", NODE1 NODE2 NODE1, GOSSIP_DROP_OP_TWICE},
            {"O4 and with entries between",
                    NODE1 KEY_VALUE ONE "00" NODE1 KEY_VALUE TWO "00",
                    GOSSIP_DROP_OP_TWICE},
            {"O5 version 0", NODE1 KEY_VALUE ZERO "00", GOSSIP_DROP_OP_VERSION},
            {"O5 version again", NODE1 KEY_VALUE ONE "00" KEY_VALUE ONE "00",
                    GOSSIP_DROP_OP_VERSION},
            {"O5 version lower", NODE1 KEY_VALUE TWO "00" KEY_VALUE ONE "00",
                    GOSSIP_DROP_OP_VERSION},
            {"O5 version below SetMaxVersion",
                    NODE1 "02" TWO KEY_VALUE ONE "00", GOSSIP_DROP_OP_VERSION},
            {"O6 status 3", NODE1 KEY_VALUE ONE "03", GOSSIP_DROP_OP_STATUS},
            {"O6 status 255", NODE1 KEY_VALUE ONE "ff", GOSSIP_DROP_OP_STATUS},
            {"O7 key not UTF-8",
                    NODE1 "01"
                          "0200c328"
                          "0000" ONE "00",
                    GOSSIP_DROP_TEXT},
            {"O7 value not UTF-8",
                    NODE1 "01"
                          "01006b"
                          "0200c328" ONE "00",
                    GOSSIP_DROP_TEXT},
            {"O8 a bare Node", NODE1, OK},
            {"O8 a bare Node before another", NODE1 NODE2 KEY_VALUE ONE "00",
                    OK},
            {"O9 SetMaxVersion lower than an entry",
                    NODE1 KEY_VALUE TWO "00"
                                        "02" ONE,
                    GOSSIP_DROP_OP_LOWERED},
            {"O9 SetMaxVersion lower than another", NODE1 "02" TWO "02" ONE,
                    GOSSIP_DROP_OP_LOWERED},
            {"O9 SetMaxVersion equal to an entry",
                    NODE1 KEY_VALUE TWO "00"
                                        "02" TWO,
                    OK},
            {"O10 version below from_excluded",
                    "00" ID1 ZERO MAX KEY_VALUE ONE "00", OK},
            {"O11 one key twice", NODE1 KEY_VALUE ONE "00" KEY_VALUE TWO "00",
                    OK},
            {"O12 tombstone with a value", NODE1 KEY_VALUE ONE "01", OK},
            {"O13 empty key",
                    NODE1 "01"
                          "0000"
                          "0000" ONE "00",
                    OK},
            {"O14 SetMaxVersion 0", NODE1 "02" ZERO, OK},
            {"O15 key of other letters",
                    NODE1 "01"
                          "0300e282ac"
                          "0000" ONE "00",
                    OK},
            {"X3 X4 the largest version", NODE1 KEY_VALUE MAX "00", OK},
            {"a Node with family 5",
                    "00"
                    "0000" ONE "050a0000010a1f" ZERO ZERO,
                    GOSSIP_DROP_FAMILY},
            {"a Node whose name is not UTF-8",
                    "00"
                    "0200fffe" ONE "040a0000010a1f" ZERO ZERO,
                    GOSSIP_DROP_TEXT},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_reason(
                rows[i].name, decode_ops(*state, rows[i].ops), rows[i].why);
    }
}

static void line_6_three_of_256_operation_tags_are_known(void **state)
{
    size_t known = 0;

    for (unsigned tag = 0; tag < 256; tag++) {
        char ops[256];

        (void)snprintf(ops, sizeof(ops), NODE1 "%02x", tag);
        known += decode_ops(*state, ops) != GOSSIP_DROP_OP_TAG;
    }
    assert_int_equal(known, 3);
}

static void line_7_three_of_256_statuses_are_known(void **state)
{
    size_t known = 0;

    for (unsigned status = 0; status < 256; status++) {
        char ops[256];

        (void)snprintf(ops, sizeof(ops), NODE1 KEY_VALUE ONE "%02x", status);
        known += decode_ops(*state, ops) == GOSSIP_DROP_NONE;
    }
    assert_int_equal(known, 3);
}

static void O8_a_bare_node_has_nothing_and_max_0(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(
            decode_ops(f, NODE1 NODE2 KEY_VALUE TWO "00"), GOSSIP_DROP_NONE);
    assert_int_equal(f->m.node_count, 2);
    assert_int_equal(f->m.nodes[0].entry_count, 0);
    assert_int_equal(f->m.nodes[0].max_version, 0);
    assert_int_equal(f->m.nodes[1].first_entry, 0);
    assert_int_equal(f->m.nodes[1].entry_count, 1);
    assert_int_equal(f->m.nodes[1].max_version, 2);
}

/* ---- more than we inflate ---- */

static void X1_X8_a_bomb_is_dropped_at_the_bound(void **state)
{
    static const struct {
        const char *name;
        const char *before;
        int why;
    } rows[] = {
            /* zeros are a Node of family 0 */
            {"X1 delta", "53b00002", GOSSIP_DROP_FAMILY},
            {"X8 V1 digest", "53b00100", GOSSIP_DROP_DIGEST_LARGE},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < 2; i++) {
        struct writer w = build(f, rows[i].before);

        while (w.size + 14 + 1 < GOSSIP_DATAGRAM_BYTES) {
            put_hex(&w, "010b00"
                        "28b52ffd60fffefbff0700");
        }
        put_hex(&w, "00");
        assert_reason(rows[i].name, decode(f, writer_bytes(&w)), rows[i].why);
    }
}

/* A delta of one node with `count` keys of 8 KiB, versions from 1. */
static void put_large_ops(struct writer *plain, size_t count)
{
    put_hex(plain, NODE1);
    for (size_t i = 1; i <= count; i++) {
        put_hex(plain, "01"
                       "01006b"
                       "0020");
        put_padding(plain, 8192);
        writer_u64le(plain, i);
        put_hex(plain, "00");
    }
    assert_false(plain->failed);
}

static enum gossip_drop decode_large(struct fixture *f, struct writer *plain)
{
    struct writer w = build(f, "53b00002");

    put_zstd_stream(&w, writer_bytes(plain), GOSSIP_BLOCK_BYTES);
    assert_true(w.size <= GOSSIP_DATAGRAM_BYTES);
    return decode(f, writer_bytes(&w));
}

static void X1_an_honest_delta_is_cut_behind_a_whole_operation(void **state)
{
    struct fixture *f = *state;
    struct writer plain = writer_of(f->plain, sizeof(f->plain));

    put_large_ops(&plain, 200);
    assert_int_equal(decode_large(f, &plain), GOSSIP_DROP_NONE);
    assert_true(f->m.is_truncated);
    assert_int_equal(f->m.node_count, 1);
    assert_int_equal(
            f->m.entry_count, (GOSSIP_PLAIN_MAX_BYTES - 40) / (8192 + 15));
    for (size_t i = 0; i < f->m.entry_count; i++) {
        assert_int_equal(f->m.entries[i].version, i + 1);
        assert_int_equal(f->m.entries[i].value.size, 8192);
    }
    assert_int_equal(f->m.nodes[0].max_version, f->m.entry_count);
    assert_int_equal(f->m.nodes[0].entry_count, f->m.entry_count);
}

static void X1_what_is_malformed_before_the_cut_drops_all(void **state)
{
    struct fixture *f = *state;
    struct writer plain = writer_of(f->plain, sizeof(f->plain));

    put_hex(&plain, "03");
    put_large_ops(&plain, 200);
    assert_int_equal(decode_large(f, &plain), GOSSIP_DROP_OP_TAG);
    assert_int_equal(f->m.node_count, 0);
    assert_false(f->m.is_truncated);
}

static void X1_what_is_malformed_behind_the_cut_is_not_seen(void **state)
{
    struct fixture *f = *state;
    struct writer plain = writer_of(f->plain, sizeof(f->plain));

    put_large_ops(&plain, 200);
    put_hex(&plain, "03");
    assert_int_equal(decode_large(f, &plain), GOSSIP_DROP_NONE);
    assert_true(f->m.is_truncated);
}

/* Fills up so that the cut falls right behind what is written next. */
static void pad_ops(struct writer *plain, size_t until)
{
    size_t value_bytes = until - plain->size - 15;

    put_hex(plain, "01"
                   "01006b");
    writer_u16le(plain, (uint16_t)value_bytes);
    put_padding(plain, value_bytes);
    writer_u64le(plain, 1000);
    put_hex(plain, "00");
    assert_int_equal(plain->size, until);
}

static void X1_a_delta_of_exactly_the_bound_is_whole(void **state)
{
    struct fixture *f = *state;
    struct writer plain = writer_of(f->plain, sizeof(f->plain));

    put_large_ops(&plain, 127);
    pad_ops(&plain, GOSSIP_PLAIN_MAX_BYTES);
    assert_int_equal(decode_large(f, &plain), GOSSIP_DROP_NONE);
    assert_false(f->m.is_truncated);
    assert_int_equal(f->m.entry_count, 128);
}

static void X1_a_node_is_cut_when_its_entries_are(void **state)
{
    struct fixture *f = *state;
    struct writer plain = writer_of(f->plain, sizeof(f->plain));

    put_large_ops(&plain, 127);
    pad_ops(&plain, GOSSIP_PLAIN_MAX_BYTES - 40);
    put_hex(&plain, "00" ID2 TWO ZERO); /* a reset */
    assert_int_equal(plain.size, GOSSIP_PLAIN_MAX_BYTES);
    put_hex(&plain, KEY_VALUE ONE "00");
    assert_int_equal(decode_large(f, &plain), GOSSIP_DROP_NONE);
    assert_true(f->m.is_truncated);
    assert_int_equal(f->m.node_count, 1);
    assert_int_equal(f->m.entry_count, 128);
}

/* A V1 digest of the smallest entries, the last one made longer. */
static enum gossip_drop decode_digest_of(struct fixture *f, size_t plain_bytes)
{
    struct writer w = build(f, "53b00100");
    struct writer plain = writer_of(f->plain, sizeof(f->plain));
    size_t name_bytes;

    while (plain_bytes - plain.size >= 2 * GOSSIP_DIGEST_ENTRY_MIN_BYTES) {
        put_hex(&plain, "0000" ONE "040a0000010a1f" ONE ZERO TWO);
    }
    name_bytes = plain_bytes - plain.size - GOSSIP_DIGEST_ENTRY_MIN_BYTES;
    writer_u16le(&plain, (uint16_t)name_bytes);
    put_padding(&plain, name_bytes);
    put_hex(&plain, ONE "040a0000010a1f" ONE ZERO TWO);
    assert_int_equal(plain.size, plain_bytes);
    put_zstd_stream(&w, writer_bytes(&plain), 65535);
    put_hex(&w, WEFT);
    assert_true(w.size <= GOSSIP_DATAGRAM_BYTES);
    return decode(f, writer_bytes(&w));
}

static void line_49_a_digest_inflates_to_its_bound_and_no_further(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(decode_digest_of(f, GOSSIP_PLAIN_MAX_BYTES), OK);
    assert_int_equal(f->m.digest_count, 2);
    assert_int_equal(decode_digest_of(f, GOSSIP_PLAIN_MAX_BYTES + 1),
            GOSSIP_DROP_DIGEST_LARGE);
}

/* 25,575 entries, in the order that makes the sort work hardest. */
static void X9_the_largest_digest_is_sorted_whatever_its_order(void **state)
{
    struct fixture *f = *state;
    struct writer w = build(f, "53b00100");
    struct writer plain = writer_of(f->plain, sizeof(f->plain));
    struct prng chance;

    prng_init(&chance, 9);
    for (size_t i = 0; i < GOSSIP_DIGEST_MAX; i++) {
        put_hex(&plain, "0000");
        writer_u64le(&plain, prng_below(&chance, GOSSIP_DIGEST_MAX));
        put_hex(&plain, "040a0000010a1f");
        writer_u64le(&plain, i);
        put_hex(&plain, ZERO ZERO);
    }
    put_zstd_stream(&w, writer_bytes(&plain), GOSSIP_BLOCK_BYTES);
    put_hex(&w, WEFT);
    assert_int_equal(decode(f, writer_bytes(&w)), GOSSIP_DROP_NONE);
    assert_true(f->m.digest_count > GOSSIP_DIGEST_MAX / 2);
    assert_true(f->m.digest_count < GOSSIP_DIGEST_MAX);
    for (size_t i = 1; i < f->m.digest_count; i++) {
        assert_true(f->m.digest[i - 1].id.generation <
                    f->m.digest[i].id.generation);
    }
}

static void put_node_of(struct writer *plain, uint64_t generation)
{
    put_hex(plain, "00"
                   "0000");
    writer_u64le(plain, generation);
    put_hex(plain, "040a0000010a1f" ZERO ZERO);
}

static void O4_is_found_among_the_most_nodes(void **state)
{
    struct fixture *f = *state;

    for (uint64_t twin = 0; twin <= 1; twin++) {
        struct writer w = build(f, "53b00002");
        struct writer plain = writer_of(f->plain, sizeof(f->plain));

        for (size_t i = 0; i < GOSSIP_NODES_MAX - 1; i++) {
            put_node_of(&plain, GOSSIP_NODES_MAX - i);
        }
        put_node_of(&plain, twin ? GOSSIP_NODES_MAX / 2 : 0);
        put_zstd_stream(&w, writer_bytes(&plain), GOSSIP_BLOCK_BYTES);
        assert_int_equal(decode(f, writer_bytes(&w)),
                twin ? GOSSIP_DROP_OP_TWICE : GOSSIP_DROP_NONE);
        assert_int_equal(f->m.node_count, twin ? 0 : GOSSIP_NODES_MAX);
    }
}

static void the_most_entries_fit(void **state)
{
    struct fixture *f = *state;
    struct writer w = build(f, "53b00002");
    struct writer plain = writer_of(f->plain, sizeof(f->plain));

    put_node_of(&plain, 1);
    for (uint64_t version = 1; version < GOSSIP_ENTRIES_MAX; version++) {
        put_hex(&plain, "01"
                        "0000"
                        "0000");
        writer_u64le(&plain, version);
        put_hex(&plain, "00");
    }
    put_zstd_stream(&w, writer_bytes(&plain), GOSSIP_BLOCK_BYTES);
    assert_int_equal(decode(f, writer_bytes(&w)), GOSSIP_DROP_NONE);
    assert_true(f->m.entry_count >= GOSSIP_ENTRIES_MAX - 4);
}

static void line_35_random_bodies_neither_crash_nor_leave_a_message(
        void **state)
{
    struct fixture *f = *state;
    struct prng chance;
    const uint64_t seed = 35;

    printf("seed %llu, 20000 datagrams\n", (unsigned long long)seed);
    prng_init(&chance, seed);
    for (int i = 0; i < 20000; i++) {
        struct writer w = build(f, "53b0");
        size_t size = prng_below(&chance, 200);

        writer_u8(&w, (uint8_t)prng_below(&chance, 2));
        writer_u8(&w, (uint8_t)prng_below(&chance, 3));
        for (size_t j = 0; j < size; j++) {
            writer_u8(&w, (uint8_t)prng_below(&chance, 1 + (1U << (i % 9))));
        }
        if (decode(f, writer_bytes(&w)) != GOSSIP_DROP_NONE) {
            assert_int_equal(f->m.digest_count + f->m.node_count, 0);
        }
    }
}

static void every_reason_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int i = 0; i < GOSSIP_DROP_COUNT; i++) {
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(gossip_drop_name((enum gossip_drop)i),
                    gossip_drop_name((enum gossip_drop)j));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(headers_and_digests_by_their_row),
            cmocka_unit_test(line_38_two_of_256_versions_are_known),
            cmocka_unit_test(four_of_256_types_are_known),
            cmocka_unit_test(lines_9_S11_D12_the_last_line_about_a_member_wins),
            cmocka_unit_test(block_streams_by_their_row),
            cmocka_unit_test(B12_bytes_after_the_end_tag_are_ignored),
            cmocka_unit_test(B13_streams_of_empty_blocks_are_empty),
            cmocka_unit_test(operations_by_their_row),
            cmocka_unit_test(line_6_three_of_256_operation_tags_are_known),
            cmocka_unit_test(line_7_three_of_256_statuses_are_known),
            cmocka_unit_test(O8_a_bare_node_has_nothing_and_max_0),
            cmocka_unit_test(X1_X8_a_bomb_is_dropped_at_the_bound),
            cmocka_unit_test(
                    X1_an_honest_delta_is_cut_behind_a_whole_operation),
            cmocka_unit_test(X1_what_is_malformed_before_the_cut_drops_all),
            cmocka_unit_test(X1_what_is_malformed_behind_the_cut_is_not_seen),
            cmocka_unit_test(X1_a_delta_of_exactly_the_bound_is_whole),
            cmocka_unit_test(X1_a_node_is_cut_when_its_entries_are),
            cmocka_unit_test(
                    line_49_a_digest_inflates_to_its_bound_and_no_further),
            cmocka_unit_test(
                    X9_the_largest_digest_is_sorted_whatever_its_order),
            cmocka_unit_test(O4_is_found_among_the_most_nodes),
            cmocka_unit_test(the_most_entries_fit),
            cmocka_unit_test(
                    line_35_random_bodies_neither_crash_nor_leave_a_message),
            cmocka_unit_test(every_reason_has_a_name_of_its_own),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
