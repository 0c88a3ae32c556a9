/* The block stream: cutting, bounds, and what a reader refuses. Numbers are
 * those of the wire's conformance list. */
#include "gossip/gossip_blocks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/prng.h"
#include "tests/unit/gossip_bytes.h"

enum {
    TEST_PLAIN_MAX_BYTES = 1024 * 1024,
};

struct fixture {
    struct gossip_blocks_reader reader;
    struct gossip_blocks_writer writer;
    uint8_t memory[GOSSIP_BLOCKS_MAX_BYTES];
    uint8_t build[BUILD_BYTES];
};

static int setup(void **state)
{
    struct fixture *f = malloc(sizeof(*f));

    assert_non_null(f);
    assert_int_equal(
            gossip_blocks_reader_init(&f->reader, TEST_PLAIN_MAX_BYTES), 0);
    assert_int_equal(gossip_blocks_writer_init(&f->writer), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gossip_blocks_writer_close(&f->writer);
    gossip_blocks_reader_close(&f->reader);
    free(f);
    return 0;
}

static void begin(struct fixture *f, size_t threshold_bytes)
{
    gossip_blocks_begin(
            &f->writer, f->memory, sizeof(f->memory), threshold_bytes);
}

/* Appends a string with its length, and returns the bound foretold for it. */
static size_t append_string(struct fixture *f, struct bytes text)
{
    size_t bound = gossip_blocks_bound(&f->writer, 2 + text.size);
    struct writer item = gossip_blocks_item(&f->writer, 2 + text.size);

    writer_string16(&item, text);
    gossip_blocks_append(&f->writer, &item);
    return bound;
}

/* Reads the stream back, to its last byte. */
static struct bytes read_back(struct fixture *f, struct bytes stream)
{
    struct reader r = reader_of(stream);
    struct bytes plain;
    bool is_over;

    assert_int_equal(gossip_blocks_read(&f->reader, &r, &plain, &is_over),
            GOSSIP_DROP_NONE);
    assert_false(is_over);
    assert_int_equal(r.rest.size, 0);
    return plain;
}

/* As appended: nothing but lower-case letters, which zstd cannot shrink when
 * they are few. */
static struct bytes random_letters(
        struct prng *chance, uint8_t *memory, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        memory[i] = (uint8_t)('a' + prng_below(chance, 26));
    }
    return bytes_of(memory, size);
}

static enum gossip_drop read_hex(struct fixture *f, const char *hex)
{
    struct writer w = writer_of(f->build, sizeof(f->build));
    uint8_t *copy;
    struct reader r;
    struct bytes plain;
    bool is_over;
    enum gossip_drop why;

    put_hex(&w, hex);
    copy = exact_copy(writer_bytes(&w));
    r = reader_of(bytes_of(copy, w.size));
    why = gossip_blocks_read(&f->reader, &r, &plain, &is_over);
    free(copy);
    return why;
}

static void line_5_three_of_256_block_tags_are_known(void **state)
{
    size_t known = 0;

    for (unsigned tag = 0; tag < 256; tag++) {
        char hex[16];
        enum gossip_drop why;

        /* a zero-length block of that kind, or the end; then the end */
        (void)snprintf(hex, sizeof(hex), "%02x000000", tag);
        why = read_hex(*state, hex);
        known += why == GOSSIP_DROP_NONE;
        assert_true(why == GOSSIP_DROP_NONE || why == GOSSIP_DROP_BLOCK_TAG);
    }
    assert_int_equal(known, 3);
}

static void line_14_an_empty_stream_is_its_end_tag(void **state)
{
    struct fixture *f = *state;
    struct bytes stream;

    begin(f, GOSSIP_BLOCK_BYTES);
    stream = gossip_blocks_finish(&f->writer);
    assert_int_equal(stream.size, 1);
    assert_int_equal(stream.data[0], GOSSIP_BLOCK_END);
    assert_int_equal(read_back(f, stream).size, 0);
}

static size_t sentence(char *text, size_t capacity, int i)
{
    int size = snprintf(text, capacity,
            "sentence %d: the quick brown fox jumps over the lazy dog", i);

    assert_true(size > 0 && (size_t)size < capacity);
    return (size_t)size;
}

static void line_22_sentences_shrink_to_a_third(void **state)
{
    struct fixture *f = *state;
    struct bytes stream;
    struct reader r;
    size_t text_bytes = 0;
    char text[80];

    begin(f, 1000);
    for (int i = 0; i < 100; i++) {
        size_t size = sentence(text, sizeof(text), i);

        append_string(f, bytes_of(text, size));
        text_bytes += size;
    }
    stream = gossip_blocks_finish(&f->writer);
    assert_true(stream.size < text_bytes / 3);
    r = reader_of(read_back(f, stream));
    for (int i = 0; i < 100; i++) {
        size_t size = sentence(text, sizeof(text), i);

        assert_true(bytes_equal(reader_string16(&r), bytes_of(text, size)));
    }
    assert_false(r.failed);
    assert_int_equal(r.rest.size, 0);
}

static void line_23_raw_and_compressed_blocks_mix(void **state)
{
    struct fixture *f = *state;
    struct prng chance;
    uint8_t letters[30][30];
    struct bytes stream;
    struct reader r;
    char text[80];
    size_t kinds[3] = {0};

    prng_init(&chance, 23);
    begin(f, 200);
    for (int i = 0; i < 100; i++) {
        append_string(f, bytes_of(text, sentence(text, sizeof(text), i)));
    }
    for (size_t i = 0; i < 30; i++) {
        for (size_t j = 0; j < 30; j++) {
            letters[i][j] = (uint8_t)(' ' + prng_below(&chance, 95));
        }
        append_string(f, bytes_of(letters[i], 30));
    }
    stream = gossip_blocks_finish(&f->writer);
    r = reader_of(stream);
    for (uint8_t tag = reader_u8(&r); tag != GOSSIP_BLOCK_END;
            tag = reader_u8(&r)) {
        kinds[tag]++;
        (void)reader_string16(&r);
    }
    assert_true(kinds[GOSSIP_BLOCK_ZSTD] > 0 && kinds[GOSSIP_BLOCK_RAW] > 0);
    r = reader_of(read_back(f, stream));
    for (int i = 0; i < 100; i++) {
        size_t size = sentence(text, sizeof(text), i);

        assert_true(bytes_equal(reader_string16(&r), bytes_of(text, size)));
    }
    for (size_t i = 0; i < 30; i++) {
        assert_true(bytes_equal(reader_string16(&r), bytes_of(letters[i], 30)));
    }
    assert_int_equal(r.rest.size, 0);
}

static void line_24_one_small_string_is_as_long_as_foretold(void **state)
{
    struct fixture *f = *state;

    begin(f, 10);
    assert_int_equal(append_string(f, bytes_text("qzjxkv")), 12);
    assert_int_equal(gossip_blocks_finish(&f->writer).size, 12);
}

static void line_25_two_small_strings_make_blocks_of_10_and_9(void **state)
{
    struct fixture *f = *state;
    struct bytes stream;

    begin(f, 10);
    append_string(f, bytes_text("qzjxkvw"));
    assert_int_equal(append_string(f, bytes_text("bgmpdhty")), 26);
    stream = gossip_blocks_finish(&f->writer);
    assert_int_equal(stream.size, 26);
    assert_int_equal(stream.data[0], GOSSIP_BLOCK_RAW);
    assert_int_equal(stream.data[1], 10);
    assert_int_equal(stream.data[13], GOSSIP_BLOCK_RAW);
    assert_int_equal(stream.data[14], 9);
}

static void line_26_an_empty_string_is_an_item(void **state)
{
    struct fixture *f = *state;
    struct bytes stream;
    size_t bound;

    begin(f, GOSSIP_BLOCK_BYTES);
    bound = append_string(f, bytes_of(NULL, 0));
    stream = gossip_blocks_finish(&f->writer);
    assert_true(stream.size <= bound);
    assert_int_equal(read_back(f, stream).size, 2);
}

/* One list: strings of many sizes, some far above the threshold. */
static void round_trip(struct fixture *f, struct prng *chance)
{
    size_t threshold_bytes = 1 + prng_below(chance, 600);
    size_t strings = prng_below(chance, 40);
    uint8_t *texts = f->build;
    size_t size = 0;
    size_t bound = 1;
    struct writer expected = writer_of(f->build + BUILD_BYTES / 2, 65536);
    struct bytes stream;

    begin(f, threshold_bytes);
    for (size_t i = 0; i < strings; i++) {
        struct bytes text = random_letters(
                chance, texts, prng_below(chance, 1 + prng_below(chance, 900)));

        bound = append_string(f, text);
        writer_string16(&expected, text);
        size += 2 + text.size;
    }
    stream = gossip_blocks_finish(&f->writer);
    assert_true(stream.size <= bound);
    assert_int_equal(expected.size, size);
    assert_true(bytes_equal(read_back(f, stream), writer_bytes(&expected)));
}

static void line_27_any_list_round_trips_within_its_bound(void **state)
{
    struct prng chance;
    const uint64_t seed = 27;

    printf("seed %llu, 2000 lists\n", (unsigned long long)seed);
    prng_init(&chance, seed);
    for (int i = 0; i < 2000; i++) {
        round_trip(*state, &chance);
    }
}

static void what_does_not_fit_the_budget_is_told_before(void **state)
{
    struct fixture *f = *state;
    struct prng chance;
    uint8_t text[100];

    prng_init(&chance, 1);
    gossip_blocks_begin(&f->writer, f->memory, 44, 16);
    assert_true(gossip_blocks_fits(&f->writer, 34)); /* 3 blocks: 9 + 34 + 1 */
    assert_false(gossip_blocks_fits(&f->writer, 35));
    append_string(f, random_letters(&chance, text, 32));
    assert_false(gossip_blocks_fits(&f->writer, 1));
    assert_true(gossip_blocks_finish(&f->writer).size <= 44);
}

static void line_44_a_stream_is_cut_every_16384_bytes(void **state)
{
    static const struct {
        const char *name;
        size_t plain_bytes;
        size_t stream_bytes; /* incompressible, so all raw */
        size_t last_block_bytes;
    } rows[] = {
            {"nothing", 0, 1, 0},
            {"exactly a block", 16384, 3 + 16384 + 1, 16384},
            {"a block and a byte", 16385, 3 + 16384 + 3 + 1 + 1, 1},
    };
    struct fixture *f = *state;
    struct prng chance;

    prng_init(&chance, 44);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bytes stream;
        struct writer item;

        printf("  %s\n", rows[i].name);
        begin(f, GOSSIP_BLOCK_BYTES);
        item = gossip_blocks_item(&f->writer, rows[i].plain_bytes);
        while (item.size < item.capacity) {
            writer_u8(&item, (uint8_t)prng_u64(&chance));
        }
        gossip_blocks_append(&f->writer, &item);
        stream = gossip_blocks_finish(&f->writer);
        assert_int_equal(stream.size, rows[i].stream_bytes);
        assert_int_equal(read_back(f, stream).size, rows[i].plain_bytes);
        if (rows[i].last_block_bytes > 0) {
            const uint8_t *last =
                    stream.data + stream.size - (rows[i].last_block_bytes + 4);

            assert_int_equal(last[0], GOSSIP_BLOCK_RAW);
            assert_int_equal(last[1] | last[2] << 8, rows[i].last_block_bytes);
        }
    }
}

/* A stream of compressed blocks that inflate to `plain_bytes` each. */
static void put_zeros(struct writer *w, size_t blocks, size_t plain_bytes)
{
    uint8_t *zeros = calloc(1, plain_bytes);

    assert_non_null(zeros);
    for (size_t i = 0; i < blocks; i++) {
        put_zstd_block(w, bytes_of(zeros, plain_bytes));
    }
    free(zeros);
}

static void a_stream_is_read_up_to_its_bound_and_no_further(void **state)
{
    static const struct {
        const char *name;
        size_t blocks;
        size_t last_bytes; /* of one block more */
        size_t plain_bytes;
        bool is_over;
    } rows[] = {
            {"exactly the bound", 63, 16384, TEST_PLAIN_MAX_BYTES, false},
            {"one byte more", 63, 16385, 63 * 16384, true},
            {"a whole block more", 64, 16384, TEST_PLAIN_MAX_BYTES, true},
            {"a bomb", 400, 16384, TEST_PLAIN_MAX_BYTES, true},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct writer w = writer_of(f->build, sizeof(f->build));
        struct bytes plain;
        struct reader r;
        bool is_over;

        printf("  %s\n", rows[i].name);
        put_zeros(&w, rows[i].blocks, 16384);
        put_zeros(&w, 1, rows[i].last_bytes);
        writer_u8(&w, GOSSIP_BLOCK_END);
        r = reader_of(writer_bytes(&w));
        assert_int_equal(gossip_blocks_read(&f->reader, &r, &plain, &is_over),
                GOSSIP_DROP_NONE);
        assert_int_equal(is_over, rows[i].is_over);
        assert_int_equal(plain.size, rows[i].plain_bytes);
    }
}

static void a_frame_that_hides_its_size_cannot_pass_the_bound(void **state)
{
    static uint8_t zeros[65535];
    struct fixture *f = *state;
    struct writer w = writer_of(f->build, sizeof(f->build));
    struct bytes plain;
    struct reader r;
    bool is_over;

    for (int i = 0; i < 20; i++) {
        size_t at = w.size;
        struct writer length;

        put_hex(&w, "010000");
        put_frame(&w, bytes_of(zeros, sizeof(zeros)),
                (struct frame_options){.has_no_size = true});
        length = writer_of(w.data + at + 1, 2);
        writer_u16le(&length, (uint16_t)(w.size - at - 3));
    }
    writer_u8(&w, GOSSIP_BLOCK_END);
    r = reader_of(writer_bytes(&w));
    assert_int_equal(gossip_blocks_read(&f->reader, &r, &plain, &is_over),
            GOSSIP_DROP_NONE);
    assert_true(is_over);
    assert_int_equal(plain.size, 16 * 65535);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(line_5_three_of_256_block_tags_are_known),
            cmocka_unit_test(line_14_an_empty_stream_is_its_end_tag),
            cmocka_unit_test(line_22_sentences_shrink_to_a_third),
            cmocka_unit_test(line_23_raw_and_compressed_blocks_mix),
            cmocka_unit_test(line_24_one_small_string_is_as_long_as_foretold),
            cmocka_unit_test(line_25_two_small_strings_make_blocks_of_10_and_9),
            cmocka_unit_test(line_26_an_empty_string_is_an_item),
            cmocka_unit_test(line_27_any_list_round_trips_within_its_bound),
            cmocka_unit_test(what_does_not_fit_the_budget_is_told_before),
            cmocka_unit_test(line_44_a_stream_is_cut_every_16384_bytes),
            cmocka_unit_test(a_stream_is_read_up_to_its_bound_and_no_further),
            cmocka_unit_test(a_frame_that_hides_its_size_cannot_pass_the_bound),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
