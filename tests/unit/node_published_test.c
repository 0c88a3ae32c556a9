/* What nodes publish of their stages: read strictly, written canonically. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/published_json.h"

static int open_published(void **context)
{
    *context = malloc(sizeof(struct published));
    assert_non_null(*context);
    published_clear(*context);
    return 0;
}

static int close_published(void **context)
{
    free(*context);
    return 0;
}

static void sinks_are_read_with_their_numbers(void **context)
{
    struct published *p = *context;

    assert_true(
            published_read_sinks(p, bytes_text("{\"lines\":\"4\",\"words\":"
                                               "\"18446744073709551615\"}")));
    assert_int_equal(p->sinks_count, 2);
    assert_true(bytes_equal_text(p->sinks[0].stage, "lines"));
    assert_int_equal(p->sinks[0].number, 4);
    assert_true(bytes_equal_text(p->sinks[1].stage, "words"));
    assert_true(p->sinks[1].number == UINT64_MAX);
    assert_true(published_read_sinks(p, bytes_text("{}")));
    assert_int_equal(p->sinks_count, 2);
}

#define S16 "0123456789abcdef" /* four of them are the longest stage */

static void other_texts_of_sinks_say_nothing(void **context)
{
    static const char *const ROWS[] = {"", "null", "[]", "7", "{",
            "{\"words\":3}", "{\"words\":\"03\"}", "{\"words\":\"-3\"}",
            "{\"words\":\"18446744073709551616\"}", "{\"words\":null}",
            "{\"words\":\"3\"} x", "{\"\":\"3\"}", "{\"a b\":\"3\"}",
            "{\"words\":\"3\",\"lines\":4}", "{'words':'3'}",
            ("{\"" S16 S16 S16 S16 "x\":\"3\"}")};
    struct published *p = *context;

    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        printf("%s\n", ROWS[i]);
        assert_false(published_read_sinks(p, bytes_text(ROWS[i])));
        assert_int_equal(p->sinks_count, 0);
    }
}

static void sinks_beyond_the_bound_say_nothing(void **context)
{
    struct published *p = *context;
    char json[16 * 1024] = "{";

    for (int i = 0; i <= PUBLISHED_SINKS_MAX; i++) {
        size_t used = strlen(json);

        (void)snprintf(json + used, sizeof(json) - used, "%s\"s%d\":\"1\"",
                i > 0 ? "," : "", i);
    }
    strcat(json, "}");
    assert_false(published_read_sinks(p, bytes_text(json)));
    assert_int_equal(p->sinks_count, 0);
}

static void a_placement_is_packed_as_the_wire_has_it(void **context)
{
    struct published *p = *context;
    struct shuffle_sink_id sink;

    assert_true(published_read_place(p, bytes_text("words"),
            bytes_text("{\"epoch\":\"5\",\"sinks\":[[\"1\",\"1767225600000\","
                       "\"3\"],[\"2\",\"1767225600001\",\"1\"]]}")));
    assert_int_equal(p->places_count, 1);
    assert_true(bytes_equal_text(p->places[0].stage, "words"));
    assert_int_equal(p->places[0].sinks.epoch, 5);
    assert_int_equal(shuffle_wire_sinks_count(&p->places[0].sinks), 2);
    sink = shuffle_wire_sink_at(&p->places[0].sinks, 1);
    assert_int_equal(sink.node, 2);
    assert_int_equal(sink.generation, 1767225600001);
    assert_int_equal(sink.number, 1);
}

static void other_texts_of_placements_say_nothing(void **context)
{
    static const char *const ROWS[] = {"", "{}", "[]", "null",
            "{\"epoch\":\"0\"}", "{\"sinks\":[[\"1\",\"1\",\"1\"]]}",
            "{\"epoch\":0,\"sinks\":[[\"1\",\"1\",\"1\"]]}",
            "{\"epoch\":\"0\",\"sinks\":[]}", "{\"epoch\":\"0\",\"sinks\":{}}",
            "{\"epoch\":\"0\",\"sinks\":[[]]}",
            "{\"epoch\":\"0\",\"sinks\":[[\"1\",\"1\"]]}",
            "{\"epoch\":\"0\",\"sinks\":[[1,1,1]]}",
            "{\"epoch\":\"0\",\"sinks\":[[\"1\",\"1\",\"1\",\"1\"]]}",
            "{\"epoch\":\"0\",\"sinks\":[[\"0\",\"1\",\"1\"]]}",
            ("{\"epoch\":\"0\",\"sinks\":[[\"2\",\"1\",\"1\"],"
             "[\"1\",\"1\",\"1\"]]}"),
            ("{\"epoch\":\"0\",\"sinks\":[[\"1\",\"1\",\"1\"],"
             "[\"1\",\"1\",\"1\"]]}")};
    struct published *p = *context;

    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        printf("%s\n", ROWS[i]);
        assert_false(published_read_place(
                p, bytes_text("words"), bytes_text(ROWS[i])));
        assert_int_equal(p->places_count, 0);
    }
    assert_false(published_read_place(p, bytes_text("no stage"),
            bytes_text("{\"epoch\":\"0\",\"sinks\":[[\"1\",\"1\",\"1\"]]}")));
}

/* A member that publishes more than we look at costs no memory but its own. */
static void texts_end_where_the_memory_for_them_does(void **context)
{
    static const char place[] =
            "{\"epoch\":\"0\",\"sinks\":[[\"1\",\"1\",\"1\"]]}";
    struct published *p = *context;

    for (int i = 0; i < PUBLISHED_PLACES_MAX; i++) {
        assert_true(
                published_read_place(p, bytes_text("s"), bytes_text(place)));
    }
    assert_false(published_read_place(p, bytes_text("s"), bytes_text(place)));
    assert_int_equal(p->places_count, PUBLISHED_PLACES_MAX);
    published_clear(p);
    p->text_bytes = sizeof(p->text) - 10;
    assert_false(published_read_place(p, bytes_text("s"), bytes_text(place)));
    assert_false(
            published_read_sinks(p, bytes_text("{\"a-longer-name\":\"1\"}")));
    assert_int_equal(p->sinks_count + p->places_count, 0);
}

static void a_placement_is_written_as_it_is_read(void **context)
{
    static const char text[] =
            "{\"epoch\":\"5\",\"sinks\":[[\"1\",\"1767225600000\",\"3\"],"
            "[\"18446744073709551615\",\"18446744073709551615\","
            "\"18446744073709551615\"]]}";
    struct published *p = *context;
    char written[sizeof(text)];

    assert_true(published_read_place(p, bytes_text("w"), bytes_text(text)));
    assert_int_equal(published_write_place(
                             &p->places[0].sinks, written, sizeof(written)),
            0);
    assert_string_equal(written, text);
    assert_int_equal(published_write_place(
                             &p->places[0].sinks, written, sizeof(written) - 1),
            ERR_FULL);
}

/* Streams with sinks of these stages attached. */
static void our_own_sinks_are_written_sorted(void **context)
{
    struct budget budget = {.max_bytes = 64 * 1024 * 1024};
    struct shuffle_streams_options options = shuffle_streams_defaults();
    struct shuffle_streams *st = malloc(sizeof(*st));
    struct shuffle_streams_action action;
    struct block_pool blocks;
    char text[64];

    (void)context;
    assert_non_null(st);
    block_pool_init(&blocks, &budget, 0);
    options.id = 1;
    options.generation = 1;
    options.blocks = &blocks;
    options.budget = &budget;
    shuffle_streams_init(st, &options, 0);
    assert_int_equal(published_write_sinks(st, text, sizeof(text)), 0);
    assert_string_equal(text, "{}");
    for (uint32_t i = 0; i < 2; i++) {
        const struct shuffle_wire_attach attach = {.role = SHUFFLE_ROLE_SINK,
                .format = 1,
                .want = 1,
                .stage = bytes_text(i == 0 ? "words" : "lines")};

        shuffle_streams_attach(st, 0, i + 1, &attach);
    }
    while (shuffle_streams_next(st, &action)) {
        assert_int_not_equal(action.type, SHUFFLE_STREAMS_CLIENT_CLOSE);
    }
    assert_int_equal(published_write_sinks(st, text, sizeof(text)), 0);
    assert_string_equal(text, "{\"lines\":\"2\",\"words\":\"1\"}");
    assert_int_equal(published_write_sinks(st, text, 25), ERR_FULL);
    assert_int_equal(published_write_sinks(st, text, 26), 0);
    shuffle_streams_close(st);
    block_pool_close(&blocks);
    free(st);
}

#define CASE(f)                                                                \
    cmocka_unit_test_setup_teardown(f, open_published, close_published)

int main(void)
{
    const struct CMUnitTest cases[] = {
            CASE(sinks_are_read_with_their_numbers),
            CASE(other_texts_of_sinks_say_nothing),
            CASE(sinks_beyond_the_bound_say_nothing),
            CASE(a_placement_is_packed_as_the_wire_has_it),
            CASE(other_texts_of_placements_say_nothing),
            CASE(texts_end_where_the_memory_for_them_does),
            CASE(a_placement_is_written_as_it_is_read),
            CASE(our_own_sinks_are_written_sorted),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
