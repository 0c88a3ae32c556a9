#include "node/input.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/output.h"
#include "node/packer.h"

enum {
    LINE_MAX_BYTES = 8,
    TEXT_BYTES = 512,
};

static void feed(struct input *in, const char *text, size_t size)
{
    size_t room;
    uint8_t *to = input_room(in, &room);

    assert_true(size <= room);
    memcpy(to, text, size);
    input_filled(in, size);
}

/* All records that are there, each followed by a bar. */
static enum input_status drain(struct input *in, char *text)
{
    struct input_record record;
    enum input_status status;

    while ((status = input_next(in, &record)) == INPUT_RECORD) {
        (void)strncat(text, (const char *)record.body.data, record.body.size);
        (void)strcat(text, "|");
    }
    return status;
}

static void every_split_of_the_input_gives_the_same_lines(void **state)
{
    static const char text[] = "\nab\n\nlongest8\nx";
    size_t size = strlen(text);

    (void)state;
    for (size_t first = 0; first <= size; first++) {
        for (size_t second = first; second <= size; second++) {
            char got[TEXT_BYTES] = "";
            struct input in;

            input_init(&in, LINE_MAX_BYTES);
            feed(&in, text, first);
            assert_int_equal(drain(&in, got), INPUT_MORE);
            feed(&in, text + first, second - first);
            assert_int_equal(drain(&in, got), INPUT_MORE);
            feed(&in, text + second, size - second);
            assert_int_equal(drain(&in, got), INPUT_MORE);
            input_end(&in);
            assert_int_equal(drain(&in, got), INPUT_MORE);
            assert_string_equal(got, "|ab||longest8|x|");
            assert_true(in.count == 5);
            input_close(&in);
        }
    }
}

static void a_line_above_the_bound_is_refused_with_or_without_its_feed(
        void **state)
{
    static const char *const texts[] = {"a\nninebytes\n", "a\nninebytes"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char got[TEXT_BYTES] = "";
        struct input in;

        input_init(&in, LINE_MAX_BYTES);
        feed(&in, texts[i], strlen(texts[i]));
        assert_int_equal(drain(&in, got), INPUT_TOO_LONG);
        assert_int_equal(drain(&in, got), INPUT_TOO_LONG);
        assert_string_equal(got, "a|");
        assert_true(in.count == 1);
        input_close(&in);
    }
}

/* Memory stays what it was, however much passes. */
static void lines_never_grow_the_buffer(void **state)
{
    static char portion[INPUT_READ_BYTES];
    struct input in;
    size_t capacity;
    uint64_t lines = 0;

    (void)state;
    memset(portion, 'x', sizeof(portion));
    for (size_t i = 6; i < sizeof(portion); i += 7) {
        portion[i] = '\n';
    }
    input_init(&in, LINE_MAX_BYTES);
    capacity = in.capacity;
    for (size_t i = 0; i < 100; i++) {
        struct input_record record;
        size_t cut = i % 7; /* so that portions end inside lines */

        feed(&in, portion, sizeof(portion) - cut - 3);
        feed(&in, "\n", 1);
        while (input_next(&in, &record) == INPUT_RECORD) {
            lines++;
        }
    }
    assert_true(lines > 100 * (sizeof(portion) / 7 - 2));
    assert_int_equal(in.capacity, capacity);
    input_close(&in);
}

static void raw_records_are_cut_by_their_length(void **state)
{
    static const char text[] = "\x09\0\0\0\x02\0\0\0ab\x01\0\0\0\0\0\0\0";
    size_t size = sizeof(text) - 1;

    (void)state;
    for (size_t first = 0; first <= size; first++) {
        struct input_record record;
        uint64_t sum = 0;
        struct input in;

        input_init(&in, 0);
        feed(&in, text, first);
        while (input_next(&in, &record) == INPUT_RECORD) {
            sum += record.vnode + record.body.size;
        }
        feed(&in, text + first, size - first);
        while (input_next(&in, &record) == INPUT_RECORD) {
            sum += record.vnode + record.body.size;
        }
        input_end(&in);
        assert_int_equal(input_next(&in, &record), INPUT_MORE);
        assert_true(sum == 9 + 2 + 1);
        assert_true(in.count == 2);
        input_close(&in);
    }
}

static void a_raw_record_may_be_larger_than_the_buffer(void **state)
{
    static const char head[] = "\x01\0\0\0\0\0\x10\0"; /* 1 MiB */
    static char portion[INPUT_READ_BYTES];
    struct input_record record;
    struct input in;

    (void)state;
    input_init(&in, 0);
    feed(&in, head, 8);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(input_next(&in, &record), INPUT_MORE);
        feed(&in, portion, sizeof(portion));
    }
    assert_int_equal(input_next(&in, &record), INPUT_RECORD);
    assert_int_equal(record.body.size, 1 << 20);
    input_close(&in);
}

static void fields_are_found_by_their_number(void **state)
{
    static const struct {
        const char *line;
        uint64_t number;
        const char *field;
    } rows[] = {
            {"a,b,c", 1, "a"},
            {"a,b,c", 2, "b"},
            {"a,b,c", 3, "c"},
            {"a,b,c", 4, ""},
            {"a,b,c", UINT32_MAX, ""},
            {",", 1, ""},
            {",", 2, ""},
            {"", 1, ""},
            {"abc", 1, "abc"},
            {"a,", 2, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bytes line = bytes_text(rows[i].line);
        struct bytes field = input_field(line, rows[i].number, ',');

        assert_true(bytes_equal_text(field, rows[i].field));
        assert_true(field.data >= line.data &&
                    field.data + field.size <= line.data + line.size);
    }
}

/* docs/wire.md has this frame, with stream 1. */
static void a_packed_frame_has_the_bytes_of_the_document(void **state)
{
    static const uint8_t expected[] = {0, 0, 0, 0x1c, 0x32, 0, 0, 0, 0, 0, 0, 0,
            0, 0, 0, 0, 0, 3, 0, 0, 0, 't', 'h', 'e', 4, 0, 0, 0, 'l', 'o', 'o',
            'm'};
    uint8_t memory[PACKER_ROOM_BYTES];
    struct packer p;

    (void)state;
    packer_init(&p);
    packer_begin(&p, memory, sizeof(memory));
    assert_true(packer_add_whole(&p, bytes_text("the")));
    assert_true(packer_add_whole(&p, bytes_text("loom")));
    assert_int_equal(packer_close(&p), sizeof(expected));
    assert_memory_equal(memory, expected, sizeof(expected));
    assert_int_equal(packer_close(&p), 0);
}

static void a_frame_takes_what_fits_and_not_a_byte_more(void **state)
{
    static uint8_t body[PACKER_ROOM_BYTES];
    static uint8_t memory[PACKER_ROOM_BYTES];
    size_t room = PACKER_ROOM_BYTES - PACKER_HEAD_BYTES;
    struct packer p;

    (void)state;
    packer_init(&p);
    packer_begin(&p, memory, sizeof(memory));
    assert_false(packer_add_whole(&p, bytes_of(body, room - 3)));
    assert_true(packer_add_whole(&p, bytes_of(body, room - 4)));
    assert_false(packer_add_whole(&p, bytes_of(body, 0)));
    assert_int_equal(packer_close(&p), PACKER_ROOM_BYTES);
    assert_true(p.records == 1);
}

/* Writes the output in portions; what is taken follows record by record. */
static void what_is_written_is_taken_to_the_record(void **state)
{
    uint8_t frame[64];
    struct writer w = writer_of(frame, sizeof(frame));
    static const uint64_t taken[] = {0, 0, 0, 1, 2, 2, 2, 2, 3};

    (void)state;
    shuffle_record_put_whole(&w, bytes_text("ab"));
    shuffle_record_put_whole(&w, bytes_text(""));
    shuffle_record_put_whole(&w, bytes_text("cde"));
    for (size_t portion = 1; portion <= 8; portion++) {
        struct output o;
        size_t written = 0;

        output_init(&o, OUTPUT_LINES);
        output_take(&o, writer_bytes(&w));
        output_fill(&o);
        assert_false(output_has_frame(&o));
        while (output_pending(&o).size > 0) {
            size_t left = output_pending(&o).size;
            size_t size = left < portion ? left : portion;

            assert_memory_equal(
                    output_pending(&o).data, &"ab\n\ncde\n"[written], size);
            output_written(&o, size);
            written += size;
            assert_true(o.taken_records == taken[written]);
        }
        assert_int_equal(written, 8);
        assert_true(o.taken_bytes == w.size);
        output_close(&o);
    }
}

static void a_full_batch_goes_on_where_it_stopped(void **state)
{
    size_t size = 3 * (size_t)OUTPUT_BATCH_BYTES / 4;
    size_t capacity = 2 * (size + SHUFFLE_WHOLE_HEAD_BYTES);
    uint8_t *body = malloc(size);
    uint8_t *frame = malloc(capacity);
    struct writer w = writer_of(frame, capacity);
    size_t written = 0;
    struct output o;

    (void)state;
    assert_non_null(body);
    assert_non_null(frame);
    memset(body, 'x', size);
    shuffle_record_put_whole(&w, bytes_of(body, size));
    shuffle_record_put_whole(&w, bytes_of(body, size));
    output_init(&o, OUTPUT_LINES);
    output_take(&o, writer_bytes(&w));
    while (output_fill(&o), output_pending(&o).size > 0) {
        assert_true(output_pending(&o).size <= OUTPUT_BATCH_BYTES);
        written += output_pending(&o).size;
        output_written(&o, output_pending(&o).size);
    }
    assert_false(output_has_frame(&o));
    assert_int_equal(written, 2 * (size + 1));
    assert_true(o.taken_records == 2 && o.taken_bytes == w.size);
    output_close(&o);
    free(frame);
    free(body);
}

static void every_truncation_of_records_is_malformed_and_never_read_past(
        void **state)
{
    uint8_t frame[32];
    struct writer w = writer_of(frame, sizeof(frame));

    (void)state;
    shuffle_record_put_whole(&w, bytes_text("abc"));
    shuffle_record_put_whole(&w, bytes_text("de"));
    for (size_t size = 0; size <= w.size; size++) {
        uint8_t *cut = malloc(size == 0 ? 1 : size); /* its end is guarded */
        struct output o;

        assert_non_null(cut);
        memcpy(cut, frame, size);
        output_init(&o, OUTPUT_LINES);
        output_take(&o, bytes_of(cut, size));
        output_fill(&o);
        assert_int_equal(o.is_malformed,
                size != 0 && size != SHUFFLE_WHOLE_HEAD_BYTES + 3 &&
                        size != w.size);
        assert_false(output_has_frame(&o));
        output_close(&o);
        free(cut);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(every_split_of_the_input_gives_the_same_lines),
            cmocka_unit_test(
                    a_line_above_the_bound_is_refused_with_or_without_its_feed),
            cmocka_unit_test(lines_never_grow_the_buffer),
            cmocka_unit_test(raw_records_are_cut_by_their_length),
            cmocka_unit_test(a_raw_record_may_be_larger_than_the_buffer),
            cmocka_unit_test(fields_are_found_by_their_number),
            cmocka_unit_test(a_packed_frame_has_the_bytes_of_the_document),
            cmocka_unit_test(a_frame_takes_what_fits_and_not_a_byte_more),
            cmocka_unit_test(what_is_written_is_taken_to_the_record),
            cmocka_unit_test(a_full_batch_goes_on_where_it_stopped),
            cmocka_unit_test(
                    every_truncation_of_records_is_malformed_and_never_read_past),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
