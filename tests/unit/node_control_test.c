/* Control records: LaminarDB's fields to the byte, and by its table of accepted
 * and refused forms (docs/wire.md, "Control records"); ours behind them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/prng.h"
#include "node/control_json.h"
#include "node/json_walk.h"

enum {
    TEXT_BYTES = 64 * 1024,
};

static int open_memory(void **context)
{
    struct control_memory *m = malloc(sizeof(*m));

    assert_non_null(m);
    control_memory_init(m);
    *context = m;
    return 0;
}

static int close_memory(void **context)
{
    control_memory_close(*context);
    free(*context);
    return 0;
}

/* Read from a copy of exactly that size, so that a byte too far is noticed. */
static bool read_announcement(struct control_memory *m, const char *text,
        size_t size, struct control_announcement *a)
{
    char *copy = malloc(size > 0 ? size : 1);
    bool ok;

    assert_non_null(copy);
    memcpy(copy, text, size);
    ok = control_read_announcement(m, bytes_of(copy, size), a);
    free(copy);
    return ok;
}

static bool read_ack(struct control_memory *m, const char *text, size_t size,
        struct control_ack *ack)
{
    char *copy = malloc(size > 0 ? size : 1);
    bool ok;

    assert_non_null(copy);
    memcpy(copy, text, size);
    ok = control_read_ack(m, bytes_of(copy, size), ack);
    free(copy);
    return ok;
}

/* --- LaminarDB's records --- */

#define PREPARE                                                                \
    "{\"epoch\":5,\"checkpoint_id\":42,\"phase\":\"Prepare\",\"flags\":0,"     \
    "\"min_watermark_ms\":null}"
#define COMMIT                                                                 \
    "{\"epoch\":5,\"checkpoint_id\":42,\"phase\":\"Commit\",\"flags\":0,"      \
    "\"min_watermark_ms\":1700000000000}"
#define ABORT                                                                  \
    "{\"epoch\":5,\"checkpoint_id\":42,\"phase\":\"Abort\",\"flags\":0,"       \
    "\"min_watermark_ms\":null}"
#define LARGEST                                                                \
    "{\"epoch\":18446744073709551615,\"checkpoint_id\":18446744073709551615,"  \
    "\"phase\":\"Commit\",\"flags\":18446744073709551615,"                     \
    "\"min_watermark_ms\":9223372036854775807}"
#define LEAST                                                                  \
    "{\"epoch\":0,\"checkpoint_id\":0,\"phase\":\"Commit\",\"flags\":0,"       \
    "\"min_watermark_ms\":-9223372036854775808}"
#define BEYOND_DOUBLES                                                         \
    "{\"epoch\":9007199254740993,\"checkpoint_id\":18446744073709551557,"      \
    "\"phase\":\"Commit\",\"flags\":1,\"min_watermark_ms\":-1}"

static void an_announcement_is_written_as_laminar_writes_it(void **context)
{
    static const char *const ROWS[] = {
            PREPARE, COMMIT, ABORT, LARGEST, LEAST, BEYOND_DOUBLES};
    struct control_announcement a;
    char text[512];

    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        print_message("%s\n", ROWS[i]);
        assert_true(read_announcement(*context, ROWS[i], strlen(ROWS[i]), &a));
        assert_false(a.is_weft);
        assert_int_equal(
                control_write_announcement(&a, text, strlen(ROWS[i]) + 1), 0);
        assert_string_equal(text, ROWS[i]);
        assert_int_equal(control_write_announcement(&a, text, strlen(ROWS[i])),
                ERR_FULL);
    }
}

static void numbers_are_exact_to_64_bits(void **context)
{
    struct control_announcement a;

    assert_true(read_announcement(*context, LARGEST, strlen(LARGEST), &a));
    assert_true(a.epoch == UINT64_MAX && a.checkpoint_id == UINT64_MAX);
    assert_true(a.flags == UINT64_MAX);
    assert_true(a.min_watermark.is_set && a.min_watermark.ms == INT64_MAX);
    assert_true(read_announcement(*context, LEAST, strlen(LEAST), &a));
    assert_true(a.epoch == 0 && a.min_watermark.ms == INT64_MIN);
    assert_true(read_announcement(
            *context, BEYOND_DOUBLES, strlen(BEYOND_DOUBLES), &a));
    assert_true(a.epoch == UINT64_C(9007199254740993));
}

static void an_ack_is_written_as_laminar_writes_it(void **context)
{
    static const char *const ROWS[] = {
            "{\"epoch\":7,\"ok\":true,\"error\":null,"
            "\"local_watermark_ms\":1700000000000}",
            "{\"epoch\":9,\"ok\":false,\"error\":\"disk \\\"full\\\"\","
            "\"local_watermark_ms\":null}",
            "{\"epoch\":18446744073709551615,\"ok\":false,\"error\":\"\","
            "\"local_watermark_ms\":-9223372036854775808}",
            "{\"epoch\":1,\"ok\":false,\"error\":"
            "\"\\\"\\\\\\b\\t\\n\\f\\r\\u0000\\u0001\\u000b\\u001f / \x7F "
            "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\","
            "\"local_watermark_ms\":null}",
    };
    struct control_ack ack;
    char text[512];

    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        print_message("%s\n", ROWS[i]);
        assert_true(read_ack(*context, ROWS[i], strlen(ROWS[i]), &ack));
        assert_false(ack.is_weft);
        assert_int_equal(control_write_ack(&ack, text, strlen(ROWS[i]) + 1), 0);
        assert_string_equal(text, ROWS[i]);
        assert_int_equal(
                control_write_ack(&ack, text, strlen(ROWS[i])), ERR_FULL);
    }
}

static void a_sentence_that_is_no_utf8_is_mended(void **context)
{
    const struct control_ack ack = {.epoch = 1,
            .has_error = true,
            .error = bytes_text("a\xFF\xC3(\xE2\x82")};
    char text[128];

    (void)context;
    assert_int_equal(control_write_ack(&ack, text, sizeof(text)), 0);
    assert_string_equal(text,
            "{\"epoch\":1,\"ok\":false,\"error\":\"a\xEF\xBF\xBD\xEF\xBF\xBD("
            "\xEF\xBF\xBD\xEF\xBF\xBD\",\"local_watermark_ms\":null}");
}

struct form {
    const char *name;
    const char *text;
    bool is_accepted;
};

#define E "\"epoch\":5"
#define C "\"checkpoint_id\":42"
#define P "\"phase\":\"Prepare\""
#define F "\"flags\":0"
#define W "\"min_watermark_ms\":null"

static const struct form ANNOUNCEMENTS[] = {
        {"any order", "{" W "," F "," P "," C "," E "}", true},
        {"space around", " \t\r\n{ " E " , " C ",\n" P "," F " } \n", true},
        {"an unknown number",
                "{" E "," C "," P "," F ",\"x\":123456789012345678901.5e-400}",
                true},
        {"an unknown object",
                "{\"x\":{\"epoch\":[null,{\"y\":true}]}," E "," C "," P "," F
                "}",
                true},
        {"an unknown field twice",
                "{" E "," C "," P "," F ",\"x\":1,\"x\":\"\\ud800\"}", true},
        {"a name with escapes", "{\"\\u0065poch\":5," C "," P "," F "}", true},
        {"a phase with escapes",
                "{" E "," C ",\"phase\":\"\\u0050repare\"," F "}", true},
        {"no watermark", "{" E "," C "," P "," F "}", true},
        {"no epoch", "{" C "," P "," F "," W "}", false},
        {"no checkpoint id", "{" E "," P "," F "," W "}", false},
        {"no phase", "{" E "," C "," F "," W "}", false},
        {"no flags", "{" E "," C "," P "," W "}", false},
        {"epoch twice", "{" E "," E "," C "," P "," F "}", false},
        {"epoch twice, with escapes",
                "{" E ",\"e\\u0070och\":5," C "," P "," F "}", false},
        {"checkpoint id twice", "{" E "," C "," C "," P "," F "}", false},
        {"phase twice", "{" E "," C "," P "," P "," F "}", false},
        {"flags twice", "{" E "," C "," P "," F "," F "}", false},
        {"watermark twice", "{" E "," C "," P "," F "," W "," W "}", false},
        {"epoch 5.0", "{\"epoch\":5.0," C "," P "," F "}", false},
        {"epoch 5e0", "{\"epoch\":5e0," C "," P "," F "}", false},
        {"epoch -5", "{\"epoch\":-5," C "," P "," F "}", false},
        {"epoch -0", "{\"epoch\":-0," C "," P "," F "}", false},
        {"epoch 05", "{\"epoch\":05," C "," P "," F "}", false},
        {"epoch \"5\"", "{\"epoch\":\"5\"," C "," P "," F "}", false},
        {"epoch null", "{\"epoch\":null," C "," P "," F "}", false},
        {"epoch 2^64", "{\"epoch\":18446744073709551616," C "," P "," F "}",
                false},
        {"flags -1", "{" E "," C "," P ",\"flags\":-1}", false},
        {"watermark 2^63",
                "{" E "," C "," P "," F
                ",\"min_watermark_ms\":9223372036854775808}",
                false},
        {"watermark -2^63-1",
                "{" E "," C "," P "," F
                ",\"min_watermark_ms\":-9223372036854775809}",
                false},
        {"watermark 1.0", "{" E "," C "," P "," F ",\"min_watermark_ms\":1.0}",
                false},
        {"watermark \"1\"",
                "{" E "," C "," P "," F ",\"min_watermark_ms\":\"1\"}", false},
        {"phase prepare", "{" E "," C ",\"phase\":\"prepare\"," F "}", false},
        {"phase Aligned", "{" E "," C ",\"phase\":\"Aligned\"," F "}", false},
        {"phase empty", "{" E "," C ",\"phase\":\"\"," F "}", false},
        {"phase with more", "{" E "," C ",\"phase\":\"Prepares\"," F "}",
                false},
        {"phase null", "{" E "," C ",\"phase\":null," F "}", false},
        {"phase an object", "{" E "," C ",\"phase\":{\"Prepare\":null}," F "}",
                false},
        {"an array", "[5,42,\"Prepare\",0,null]", false},
        {"a short array", "[5,42,\"Prepare\",0]", false},
        {"text behind", "{" E "," C "," P "," F "} x", false},
        {"two records", PREPARE PREPARE, false},
        {"a comma behind the last", "{" E "," C "," P "," F ",}", false},
        {"a comma before the first", "{," E "," C "," P "," F "}", false},
        {"no comma", "{" E " " C "," P "," F "}", false},
        {"no colon", "{\"epoch\" 5," C "," P "," F "}", false},
        {"apostrophes", "{'epoch':5," C "," P "," F "}", false},
        {"a name without quotes", "{epoch:5," C "," P "," F "}", false},
        {"a comment", "{/* */" E "," C "," P "," F "}", false},
        {"a line feed in a string", "{" E "," C "," P "," F ",\"x\":\"\n\"}",
                false},
        {"an escape there is none of",
                "{" E "," C "," P "," F ",\"x\":\"\\x41\"}", false},
        {"NaN", "{" E "," C "," P "," F ",\"x\":NaN}", false},
        {"a plus", "{" E "," C "," P "," F ",\"x\":+1}", false},
        {"a point without digits", "{" E "," C "," P "," F ",\"x\":1.}", false},
        {"no UTF-8", "{" E "," C "," P "," F ",\"x\":\"\xFF\"}", false},
        {"empty", "", false},
        {"space", " ", false},
        {"null", "null", false},
        {"a number", "5", false},
        {"a string", "\"epoch\"", false},
};

static void announcements_are_accepted_and_refused_as_laminar_does(
        void **context)
{
    for (size_t i = 0; i < sizeof(ANNOUNCEMENTS) / sizeof(ANNOUNCEMENTS[0]);
            i++) {
        const struct form *row = &ANNOUNCEMENTS[i];
        struct control_announcement a;

        print_message("%s\n", row->name);
        assert_int_equal(
                read_announcement(*context, row->text, strlen(row->text), &a),
                row->is_accepted);
        if (row->is_accepted) {
            assert_true(a.epoch == 5 && a.checkpoint_id == 42);
            assert_true(a.phase == CONTROL_PREPARE && a.flags == 0);
            assert_false(a.min_watermark.is_set || a.is_weft);
        }
    }
}

static const struct form ACKS[] = {
        {"any order",
                "{\"local_watermark_ms\":null,\"error\":null,\"ok\":true," E
                "}",
                true},
        {"neither error nor watermark", "{" E ",\"ok\":true}", true},
        {"unknown fields", "{" E ",\"ok\":true,\"x\":[{}],\"x\":{}}", true},
        {"no ok", "{" E ",\"error\":null}", false},
        {"no epoch", "{\"ok\":true}", false},
        {"ok 1", "{" E ",\"ok\":1}", false},
        {"ok \"true\"", "{" E ",\"ok\":\"true\"}", false},
        {"ok null", "{" E ",\"ok\":null}", false},
        {"ok twice", "{" E ",\"ok\":true,\"ok\":true}", false},
        {"error twice", "{" E ",\"ok\":true,\"error\":null,\"error\":null}",
                false},
        {"error a number", "{" E ",\"ok\":true,\"error\":1}", false},
        {"error half a pair", "{" E ",\"ok\":true,\"error\":\"\\ud83d\"}",
                false},
        {"error the other half", "{" E ",\"ok\":true,\"error\":\"\\ude00\"}",
                false},
        {"watermark 2^63",
                "{" E ",\"ok\":true,\"local_watermark_ms\":"
                "9223372036854775808}",
                false},
        {"epoch 2^64", "{\"epoch\":18446744073709551616,\"ok\":true}", false},
        {"an array", "[5,true,null,null]", false},
        {"text behind", "{" E ",\"ok\":true}}", false},
        {"True", "{" E ",\"ok\":True}", false},
};

static void acks_are_accepted_and_refused_as_laminar_does(void **context)
{
    for (size_t i = 0; i < sizeof(ACKS) / sizeof(ACKS[0]); i++) {
        const struct form *row = &ACKS[i];
        struct control_ack ack;

        print_message("%s\n", row->name);
        assert_int_equal(read_ack(*context, row->text, strlen(row->text), &ack),
                row->is_accepted);
        if (row->is_accepted) {
            assert_true(ack.epoch == 5 && ack.ok && !ack.has_error);
            assert_false(ack.local_watermark.is_set || ack.is_weft);
        }
    }
}

static void a_surrogate_pair_is_one_character(void **context)
{
    static const char text[] =
            "{" E
            ",\"ok\":false,\"error\":\"\\uD83D\\ude00\\/\\u20ac\\u007f\"}";
    struct control_ack ack;

    assert_true(read_ack(*context, text, strlen(text), &ack));
    assert_true(
            bytes_equal_text(ack.error, "\xF0\x9F\x98\x80/\xE2\x82\xAC\x7F"));
}

/* An extra field may be nested, but not so deep that it costs the stack. */
static void nesting_has_a_bound(void **context)
{
    static const char head[] = "{" E ",\"ok\":true,\"x\":";
    char text[2048];

    for (int depth = JSON_WALK_DEPTH_MAX - 1; depth <= JSON_WALK_DEPTH_MAX;
            depth++) {
        size_t size = sizeof(head) - 1;
        struct control_ack ack;

        memcpy(text, head, size);
        memset(text + size, '[', (size_t)depth);
        memset(text + size + depth, ']', (size_t)depth);
        size += 2 * (size_t)depth;
        text[size++] = '}';
        assert_int_equal(read_ack(*context, text, size, &ack),
                depth < JSON_WALK_DEPTH_MAX);
    }
}

/* --- ours --- */

#define OURS                                                                   \
    "\"leader\":\"1\",\"generation\":\"1767225600000\",\"term\":\"0\","        \
    "\"attempt\":\"7\",\"round\":\"0\""
#define HEAD(phase, watermark)                                                 \
    "{\"epoch\":5,\"checkpoint_id\":42,\"phase\":\"" phase "\",\"flags\":0,"   \
    "\"min_watermark_ms\":" watermark "," OURS
#define OUR_PREPARE                                                            \
    HEAD("Prepare", "null")                                                    \
    ",\"members\":[\"1\",\"2\",\"18446744073709551615\"],"                     \
    "\"generations\":[\"1767225600000\",\"0\",\"18446744073709551615\"],"      \
    "\"rotate\":[\"words\",\"lines\"],\"left_ms\":7500,"                       \
    "\"asked\":{\"2\":\"17\",\"18446744073709551615\":\"1\"}}"
#define OUR_COMMIT                                                             \
    HEAD("Commit", "1700000000000")                                            \
    ",\"place\":{\"words\":{\"epoch\":\"5\",\"sinks\":[[\"1\","                \
    "\"1767225600000\",\"3\"],[\"2\",\"1767225600001\",\"1\"]]},"              \
    "\"lines\":{\"epoch\":\"0\",\"sinks\":[[\"2\",\"1767225600001\","          \
    "\"2\"]]}}}"
#define OUR_ABORT                                                              \
    HEAD("Abort", "null")                                                      \
    ",\"reason\":\"node 2: \\\"barrier of node 3\\\"\",\"missing\":[\"2\"]}"
#define OUR_ACK                                                                \
    "{\"epoch\":5,\"ok\":false,\"error\":\"stage words, 41 KiB unread\","      \
    "\"local_watermark_ms\":null,\"checkpoint_id\":\"42\",\"leader\":\"1\","   \
    "\"attempt\":\"7\",\"sinks\":{\"words\":\"3\",\"lines\":\"4\"},"           \
    "\"missing\":[\"3\"],\"outcome\":null}"
#define OUR_REQUEST                                                            \
    "{\"why\":\"drain\",\"stages\":[\"words\"],\"asked\":\"17\","              \
    "\"leader\":\"0\",\"generation\":\"0\",\"epoch\":\"0\"}"

#define PREPARES(members, generations, rotate, left_ms, asked)                 \
    (HEAD("Prepare", "null") ",\"members\":" members                           \
                             ",\"generations\":" generations                   \
                             ",\"rotate\":" rotate ",\"left_ms\":" left_ms     \
                             ",\"asked\":" asked "}")

static void our_prepare_says_who_and_how_long(void **context)
{
    struct control_announcement a;

    assert_true(
            read_announcement(*context, OUR_PREPARE, strlen(OUR_PREPARE), &a));
    assert_true(a.is_weft);
    assert_int_equal(a.leader, 1);
    assert_int_equal(a.generation, 1767225600000);
    assert_int_equal(a.attempt, 7);
    assert_int_equal(a.members_count, 3);
    assert_true(a.members[0] == 1 && a.members[2] == UINT64_MAX);
    assert_true(a.generations[0] == UINT64_C(1767225600000));
    assert_true(a.generations[1] == 0 && a.generations[2] == UINT64_MAX);
    assert_int_equal(a.rotate_count, 2);
    assert_true(bytes_equal_text(a.rotate[1], "lines"));
    assert_int_equal(a.left_ms, 7500);
    assert_int_equal(a.asked_count, 2);
    assert_true(a.asked[1].node == UINT64_MAX && a.asked[1].token == 1);
}

static void our_commit_says_where_stages_go(void **context)
{
    struct control_announcement a;
    struct shuffle_sink_id sink;

    assert_true(
            read_announcement(*context, OUR_COMMIT, strlen(OUR_COMMIT), &a));
    assert_true(a.is_weft);
    assert_int_equal(a.places_count, 2);
    assert_true(bytes_equal_text(a.places[0].stage, "words"));
    assert_int_equal(a.places[0].sinks.epoch, 5);
    assert_int_equal(shuffle_wire_sinks_count(&a.places[0].sinks), 2);
    sink = shuffle_wire_sink_at(&a.places[0].sinks, 1);
    assert_int_equal(sink.node, 2);
    assert_int_equal(sink.generation, 1767225600001);
    assert_int_equal(sink.number, 1);
    assert_int_equal(shuffle_wire_sinks_count(&a.places[1].sinks), 1);
}

static void our_abort_says_why(void **context)
{
    struct control_announcement a;

    assert_true(read_announcement(*context, OUR_ABORT, strlen(OUR_ABORT), &a));
    assert_true(a.is_weft);
    assert_true(bytes_equal_text(a.reason, "node 2: \"barrier of node 3\""));
    assert_true(a.missing_count == 1 && a.missing[0] == 2);
}

static void our_ack_says_what_it_lacks_and_knows(void **context)
{
    struct control_ack ack;

    assert_true(read_ack(*context, OUR_ACK, strlen(OUR_ACK), &ack));
    assert_true(ack.is_weft && !ack.ok);
    assert_true(ack.checkpoint_id == 42 && ack.leader == 1);
    assert_int_equal(ack.attempt, 7);
    assert_int_equal(ack.sinks_count, 2);
    assert_true(bytes_equal_text(ack.sinks[1].stage, "lines"));
    assert_int_equal(ack.sinks[1].number, 4);
    assert_true(ack.missing_count == 1 && ack.missing[0] == 3);
    assert_int_equal(ack.outcome, CONTROL_UNDECIDED);
}

static void our_records_are_written_as_they_are_read(void **context)
{
    static const char *const ROWS[] = {OUR_PREPARE, OUR_COMMIT, OUR_ABORT,
            PREPARES("[\"1\"]", "[\"9\"]", "[]", "0", "{}"),
            (HEAD("Commit", "null") ",\"place\":{}}"),
            (HEAD("Abort", "null") ",\"reason\":\"\",\"missing\":[]}")};
    static const char *const KNOWN[] = {"null", "\"committed\"", "\"aborted\""};
    struct control_announcement a;
    struct control_ack ack;
    char text[1024];
    char ours[1024];

    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        size_t size = strlen(ROWS[i]);

        print_message("%s\n", ROWS[i]);
        assert_true(read_announcement(*context, ROWS[i], size, &a));
        assert_true(a.is_weft);
        assert_int_equal(control_write_announcement(&a, text, size + 1), 0);
        assert_string_equal(text, ROWS[i]);
        assert_int_equal(control_write_announcement(&a, text, size), ERR_FULL);
    }
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(ours, sizeof(ours), "%.*s%s}",
                (int)(strlen(OUR_ACK) - strlen("null}")), OUR_ACK, KNOWN[i]);
        assert_true(read_ack(*context, ours, strlen(ours), &ack));
        assert_int_equal(ack.outcome, i);
        assert_int_equal(control_write_ack(&ack, text, strlen(ours) + 1), 0);
        assert_string_equal(text, ours);
    }
}

/* Read by LaminarDB, and by a Weft that does not know this phase's fields, they
 * are the record without them. */
static void what_is_not_all_of_ours_is_laminars(void **context)
{
    static const char *const ROWS[] = {
            (HEAD("Prepare", "null") "}"), /* no members */
            PREPARES("[]", "[]", "[]", "1", "{}"),
            PREPARES("[\"2\"]", "[\"9\"]", "[]", "1", "{}"),
            PREPARES("[\"2\",\"1\"]", "[\"9\",\"9\"]", "[]", "1", "{}"),
            PREPARES("[\"1\",\"1\"]", "[\"9\",\"9\"]", "[]", "1", "{}"),
            PREPARES("[\"0\",\"1\"]", "[\"9\",\"9\"]", "[]", "1", "{}"),
            PREPARES("[1]", "[\"9\"]", "[]", "1", "{}"),
            PREPARES("[\"1\"]", "[]", "[]", "1", "{}"),
            PREPARES("[\"1\"]", "[\"9\",\"9\"]", "[]", "1", "{}"),
            PREPARES("[\"1\"]", "[9]", "[]", "1", "{}"),
            PREPARES("[\"1\"]", "\"9\"", "[]", "1", "{}"),
            PREPARES("[\"1\"]", "[\"9\"]", "[\"a b\"]", "1", "{}"),
            PREPARES("[\"1\"]", "[\"9\"]", "null", "1", "{}"),
            PREPARES("[\"1\"]", "[\"9\"]", "[]", "\"1\"", "{}"),
            PREPARES("[\"1\"]", "[\"9\"]", "[]", "1", "{\"2\":17}"),
            PREPARES("[\"1\"]", "[\"9\"]", "[]", "1",
                    "{\"2\":\"1\",\"2\":\"1\"}"),
            PREPARES("[\"1\"],\"members\":[\"1\"]", "[\"9\"]", "[]", "1", "{}"),
            (HEAD("Commit", "null") "}"), /* no place */
            (HEAD("Commit", "null") ",\"place\":[]}"),
            (HEAD("Commit", "null") ",\"place\":{\"w\":{\"epoch\":\"5\","
                                    "\"sinks\":[]}}}"),
            (HEAD("Commit", "null") ",\"place\":{\"w\":{\"epoch\":5,"
                                    "\"sinks\":[[\"1\",\"1\",\"1\"]]}}}"),
            (HEAD("Commit", "null") ",\"place\":{\"w\":{\"epoch\":\"5\","
                                    "\"sinks\":[[\"1\",\"1\"]]}}}"),
            (HEAD("Commit", "null") ",\"place\":{\"w\":{\"epoch\":\"5\","
                                    "\"sinks\":[[\"1\",\"1\",\"1\",\"1\"]]}}}"),
            (HEAD("Commit", "null") ",\"place\":{\"w\":{\"epoch\":\"5\","
                                    "\"sinks\":[[\"0\",\"1\",\"1\"]]}}}"),
            (HEAD("Commit", "null") ",\"place\":{\"w\":{\"epoch\":\"5\","
                                    "\"sinks\":[[\"2\",\"1\",\"1\"],"
                                    "[\"1\",\"1\",\"1\"]]}}}"),
            (HEAD("Commit", "null") ",\"place\":{\"w\":{\"epoch\":\"5\","
                                    "\"sinks\":[[\"1\",\"1\",\"1\"]]},"
                                    "\"w\":{\"epoch\":\"5\","
                                    "\"sinks\":[[\"1\",\"1\",\"1\"]]}}}"),
            (HEAD("Commit", "null") ",\"place\":{\"\":{\"epoch\":\"5\","
                                    "\"sinks\":[[\"1\",\"1\",\"1\"]]}}}"),
            (HEAD("Abort", "null") ",\"reason\":null,\"missing\":[]}"),
            (HEAD("Abort", "null") ",\"reason\":\"\",\"missing\":[\"0\"]}"),
            (HEAD("Abort", "null") ",\"reason\":\"\",\"missing\":[\"01\"]}"),
    };

    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        struct control_announcement a;

        print_message("%s\n", ROWS[i]);
        assert_true(read_announcement(*context, ROWS[i], strlen(ROWS[i]), &a));
        assert_true(a.epoch == 5 && a.checkpoint_id == 42);
        assert_false(a.is_weft);
        assert_true(a.leader == 0 && a.attempt == 0);
        assert_int_equal(a.members_count + a.places_count + a.rotate_count, 0);
    }
}

/* Any of ours in another spelling makes the record LaminarDB's. */
static void each_of_our_numbers_is_a_string(void **context)
{
    static const char *const NAMES[] = {
            "leader", "generation", "term", "attempt", "round"};
    static const char *const SPELLED[] = {"1", "\"\"", "\"01\"", "\"-1\"",
            "\"18446744073709551616\"", "null"};

    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        for (size_t s = 0; s < sizeof(SPELLED) / sizeof(SPELLED[0]); s++) {
            struct control_announcement a;
            char text[1024] = "{" E "," C ",\"phase\":\"Commit\"," F;
            size_t size;

            for (size_t n = 0; n < sizeof(NAMES) / sizeof(NAMES[0]); n++) {
                size = strlen(text);
                (void)snprintf(text + size, sizeof(text) - size, ",\"%s\":%s",
                        NAMES[n], n == i ? SPELLED[s] : "\"1\"");
            }
            strcat(text, ",\"place\":{}}");
            assert_true(read_announcement(*context, text, strlen(text), &a));
            assert_false(a.is_weft);
        }
    }
}

static void an_ack_that_is_not_all_ours_is_laminars(void **context)
{
    static const char *const ROWS[] = {
            "{" E ",\"ok\":true,\"checkpoint_id\":\"42\",\"leader\":\"1\"}",
            ("{" E ",\"ok\":true,\"checkpoint_id\":42,\"leader\":\"1\","
             "\"attempt\":\"7\",\"sinks\":{},\"missing\":[],"
             "\"outcome\":null}"),
            ("{" E ",\"ok\":true,\"checkpoint_id\":\"42\",\"leader\":\"0\","
             "\"attempt\":\"7\",\"sinks\":{},\"missing\":[],"
             "\"outcome\":null}"),
            ("{" E ",\"ok\":true,\"checkpoint_id\":\"42\",\"leader\":\"1\","
             "\"attempt\":\"7\",\"sinks\":[],\"missing\":[],"
             "\"outcome\":null}"),
            ("{" E ",\"ok\":true,\"checkpoint_id\":\"42\",\"leader\":\"1\","
             "\"attempt\":\"7\",\"sinks\":{\"w\":\"1\",\"w\":\"1\"},"
             "\"missing\":[],\"outcome\":null}"),
            ("{" E ",\"ok\":true,\"checkpoint_id\":\"42\",\"leader\":\"1\","
             "\"attempt\":\"7\",\"sinks\":{},\"missing\":[],"
             "\"outcome\":\"unknown\"}"),
            ("{" E ",\"ok\":true,\"checkpoint_id\":\"42\",\"leader\":\"1\","
             "\"attempt\":\"7\",\"sinks\":{},\"missing\":[],\"outcome\":"
             "\"\"}"),
    };

    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        struct control_ack ack;

        print_message("%s\n", ROWS[i]);
        assert_true(read_ack(*context, ROWS[i], strlen(ROWS[i]), &ack));
        assert_true(ack.ok && !ack.is_weft);
        assert_true(ack.leader == 0 && ack.sinks_count == 0);
    }
}

static void a_record_names_no_more_stages_than_a_node_has(void **context)
{
    char text[16 * 1024];

    for (int count = CONTROL_STAGES_MAX; count <= CONTROL_STAGES_MAX + 1;
            count++) {
        struct control_request request;
        size_t size;

        strcpy(text, "{\"why\":\"drain\",\"stages\":[");
        for (int i = 0; i < count; i++) {
            size = strlen(text);
            (void)snprintf(text + size, sizeof(text) - size, "%s\"s%d\"",
                    i > 0 ? "," : "", i);
        }
        strcat(text, "],\"asked\":\"1\",\"leader\":\"0\","
                     "\"generation\":\"0\",\"epoch\":\"0\"}");
        assert_int_equal(
                control_read_request(*context, bytes_text(text), &request),
                count <= CONTROL_STAGES_MAX);
    }
}

/* The densest texts of their size: all of them find room. */
static void long_lists_find_room(void **context)
{
    enum {
        COUNT = 9999,
    };
    struct control_announcement a = {
            .is_weft = true, .phase = CONTROL_ABORT, .leader = 1, .attempt = 1};
    struct control_announcement read;
    uint64_t *ids = malloc(COUNT * sizeof(*ids));
    char *text = malloc(2 * TEXT_BYTES);

    assert_non_null(ids);
    assert_non_null(text);
    for (size_t i = 0; i < COUNT; i++) {
        ids[i] = 1;
    }
    a.missing = ids;
    a.missing_count = COUNT;
    assert_int_equal(control_write_announcement(&a, text, TEXT_BYTES), 0);
    assert_true(control_read_announcement(*context, bytes_text(text), &read));
    assert_true(read.is_weft && read.missing_count == COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(read.missing[i], 1);
    }
    free(text);
    free(ids);
}

static void requests_are_written_as_they_are_read(void **context)
{
    static const char *const NAMES[] = {"barrier", "drain", "outcome", "probe",
            "well", "awake", "alive", "buried"};
    struct control_request request;
    char text[512];

    assert_true(
            control_read_request(*context, bytes_text(OUR_REQUEST), &request));
    assert_int_equal(request.why, CONTROL_WHY_DRAIN);
    assert_true(request.stages_count == 1 && request.asked == 17);
    assert_int_equal(
            control_write_request(&request, text, sizeof(OUR_REQUEST)), 0);
    assert_string_equal(text, OUR_REQUEST);
    assert_int_equal(
            control_write_request(&request, text, sizeof(OUR_REQUEST) - 1),
            ERR_FULL);
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        struct control_request other = {.why = (enum control_why)i,
                .leader = UINT64_MAX,
                .generation = UINT64_MAX,
                .epoch = UINT64_MAX};

        assert_int_equal(control_write_request(&other, text, sizeof(text)), 0);
        assert_true(control_read_request(*context, bytes_text(text), &request));
        assert_int_equal(request.why, i);
        assert_string_equal(control_why_name(request.why), NAMES[i]);
        assert_true(request.leader == UINT64_MAX);
        assert_true(request.generation == UINT64_MAX);
        assert_true(request.epoch == UINT64_MAX);
    }
}

static void other_requests_say_nothing(void **context)
{
    static const char *const ROWS[] = {"", "{}", "[]",
            "{\"why\":\"barrier\",\"stages\":[],\"asked\":\"1\"}",
            ("{\"why\":\"sleep\",\"stages\":[],\"asked\":\"1\","
             "\"leader\":\"0\",\"generation\":\"0\",\"epoch\":\"0\"}"),
            ("{\"why\":\"\",\"stages\":[],\"asked\":\"1\","
             "\"leader\":\"0\",\"generation\":\"0\",\"epoch\":\"0\"}"),
            ("{\"why\":\"barrier\",\"stages\":[],\"asked\":1,"
             "\"leader\":\"0\",\"generation\":\"0\",\"epoch\":\"0\"}"),
            ("{\"why\":\"barrier\",\"stages\":{},\"asked\":\"1\","
             "\"leader\":\"0\",\"generation\":\"0\",\"epoch\":\"0\"}"),
            ("{\"why\":\"barrier\",\"why\":\"barrier\",\"stages\":[],"
             "\"asked\":\"1\",\"leader\":\"0\",\"generation\":\"0\","
             "\"epoch\":\"0\"}")};
    struct control_request request;

    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        print_message("%s\n", ROWS[i]);
        assert_false(
                control_read_request(*context, bytes_text(ROWS[i]), &request));
    }
}

static void every_truncation_is_refused(void **context)
{
    static const char *const ROWS[] = {
            PREPARE, OUR_PREPARE, OUR_COMMIT, OUR_ABORT, OUR_ACK, OUR_REQUEST};
    struct control_request request;
    struct control_announcement a;
    struct control_ack ack;

    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        for (size_t size = 0; size < strlen(ROWS[i]); size++) {
            assert_false(read_announcement(*context, ROWS[i], size, &a));
            assert_false(read_ack(*context, ROWS[i], size, &ack));
            assert_false(control_read_request(
                    *context, bytes_of(ROWS[i], size), &request));
        }
    }
}

/* --- chance --- */

enum {
    RANDOM_ROUNDS = 2000,
    RANDOM_ITEMS = 20,
};

struct chance {
    struct prng prng;
    uint64_t ids[RANDOM_ITEMS];
    uint64_t generations[RANDOM_ITEMS];
    struct bytes stages[RANDOM_ITEMS];
    struct control_asked asked[RANDOM_ITEMS];
    struct control_sink sinks[RANDOM_ITEMS];
    struct shuffle_cut_place places[RANDOM_ITEMS];
    uint8_t packed[RANDOM_ITEMS][RANDOM_ITEMS * SHUFFLE_SINK_BYTES];
    char names[RANDOM_ITEMS][SHUFFLE_STAGE_MAX + 1];
    char sentence[256];
};

/* Of any length in bits: small ones are as likely as large ones. */
static uint64_t number(struct chance *c)
{
    return prng_u64(&c->prng) >> prng_below(&c->prng, 64);
}

static size_t count_of(struct chance *c)
{
    return (size_t)prng_below(&c->prng, RANDOM_ITEMS + 1);
}

/* Ascending, none of them 0. */
static size_t fill_ids(struct chance *c, uint64_t *ids)
{
    size_t count = count_of(c);
    uint64_t last = 0;

    for (size_t i = 0; i < count; i++) {
        uint64_t step = number(c) / RANDOM_ITEMS + 1;

        ids[i] = last += step < UINT64_MAX / RANDOM_ITEMS
                                 ? step
                                 : UINT64_MAX / RANDOM_ITEMS;
    }
    return count;
}

/* Different ones: each ends in its own letter. */
static size_t fill_stages(struct chance *c)
{
    static const char LETTERS[] = "azAZ09._-";
    size_t count = count_of(c);

    for (size_t i = 0; i < count; i++) {
        size_t size = (size_t)prng_below(&c->prng, SHUFFLE_STAGE_MAX);

        for (size_t k = 0; k < size; k++) {
            c->names[i][k] = LETTERS[prng_below(&c->prng, sizeof(LETTERS) - 1)];
        }
        c->names[i][size] = (char)('a' + (int)i);
        c->stages[i] = bytes_of(c->names[i], size + 1);
    }
    return count;
}

static struct bytes fill_sentence(struct chance *c)
{
    static const char *const PARTS[] = {"a", "\"", "\\", "\n", "\x01", "\x1F",
            "\x7F", "/", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    size_t parts = (size_t)prng_below(&c->prng, 50);

    c->sentence[0] = '\0';
    for (size_t i = 0; i < parts; i++) {
        strcat(c->sentence,
                PARTS[prng_below(&c->prng, sizeof(PARTS) / sizeof(PARTS[0]))]);
    }
    return bytes_text(c->sentence);
}

static struct control_watermark watermark_of(struct chance *c)
{
    struct control_watermark w = {.is_set = prng_below(&c->prng, 2) == 0};

    w.ms = w.is_set ? (int64_t)(number(c) / 2) : 0;
    w.ms = prng_below(&c->prng, 2) == 0 ? w.ms : -w.ms;
    return w;
}

static size_t fill_places(struct chance *c)
{
    size_t count = fill_stages(c);

    for (size_t i = 0; i < count; i++) {
        struct writer w = writer_of(c->packed[i], sizeof(c->packed[i]));
        size_t sinks = fill_ids(c, c->ids);

        if (sinks == 0) {
            c->ids[0] = 1;
            sinks = 1;
        }
        for (size_t k = 0; k < sinks; k++) {
            const struct shuffle_sink_id sink = {
                    c->ids[k], number(c), number(c)};

            shuffle_wire_put_sink(&w, &sink);
        }
        c->places[i].stage = c->stages[i];
        c->places[i].sinks.epoch = number(c);
        c->places[i].sinks.packed = writer_bytes(&w);
    }
    return count;
}

static struct control_announcement random_announcement(struct chance *c)
{
    struct control_announcement a = {.epoch = number(c),
            .checkpoint_id = number(c),
            .phase = (enum control_phase)prng_below(&c->prng, 3),
            .flags = number(c),
            .min_watermark = watermark_of(c),
            .is_weft = prng_below(&c->prng, 8) > 0};

    if (!a.is_weft) {
        return a;
    }
    a.leader = number(c) / 2 + 1;
    a.generation = number(c);
    a.term = number(c);
    a.attempt = number(c) / 2 + 1;
    a.round = number(c);
    switch (a.phase) {
    case CONTROL_PREPARE:
        a.asked_count = fill_ids(c, c->ids);
        for (size_t i = 0; i < a.asked_count; i++) {
            c->asked[i] = (struct control_asked){c->ids[i], number(c)};
        }
        a.asked = c->asked;
        a.members_count = fill_ids(c, c->ids);
        if (a.members_count == 0) {
            c->ids[a.members_count++] = a.leader;
        }
        a.leader = c->ids[prng_below(&c->prng, a.members_count)];
        a.members = c->ids;
        for (size_t i = 0; i < a.members_count; i++) {
            c->generations[i] = number(c);
        }
        a.generations = c->generations;
        a.rotate_count = fill_stages(c);
        a.rotate = c->stages;
        a.left_ms = number(c);
        break;
    case CONTROL_COMMIT:
        a.places_count = fill_places(c);
        a.places = c->places;
        break;
    case CONTROL_ABORT:
        a.reason = fill_sentence(c);
        a.missing_count = fill_ids(c, c->ids);
        a.missing = c->ids;
        break;
    }
    return a;
}

static void assert_same_lists(const struct control_announcement *a,
        const struct control_announcement *b)
{
    assert_int_equal(a->members_count, b->members_count);
    for (size_t i = 0; i < a->members_count; i++) {
        assert_true(a->members[i] == b->members[i]);
        assert_true(a->generations[i] == b->generations[i]);
    }
    assert_int_equal(a->rotate_count, b->rotate_count);
    for (size_t i = 0; i < a->rotate_count; i++) {
        assert_true(bytes_equal(a->rotate[i], b->rotate[i]));
    }
    assert_int_equal(a->asked_count, b->asked_count);
    for (size_t i = 0; i < a->asked_count; i++) {
        assert_true(a->asked[i].node == b->asked[i].node);
        assert_true(a->asked[i].token == b->asked[i].token);
    }
    assert_int_equal(a->places_count, b->places_count);
    for (size_t i = 0; i < a->places_count; i++) {
        assert_true(bytes_equal(a->places[i].stage, b->places[i].stage));
        assert_true(a->places[i].sinks.epoch == b->places[i].sinks.epoch);
        assert_true(bytes_equal(
                a->places[i].sinks.packed, b->places[i].sinks.packed));
    }
    assert_true(bytes_equal(a->reason, b->reason));
    assert_int_equal(a->missing_count, b->missing_count);
    for (size_t i = 0; i < a->missing_count; i++) {
        assert_true(a->missing[i] == b->missing[i]);
    }
}

static void assert_same(const struct control_announcement *a,
        const struct control_announcement *b)
{
    assert_true(a->epoch == b->epoch && a->checkpoint_id == b->checkpoint_id);
    assert_true(a->phase == b->phase && a->flags == b->flags);
    assert_true(a->min_watermark.is_set == b->min_watermark.is_set);
    assert_true(a->min_watermark.ms == b->min_watermark.ms);
    assert_true(a->is_weft == b->is_weft && a->leader == b->leader);
    assert_true(a->generation == b->generation && a->term == b->term);
    assert_true(a->attempt == b->attempt && a->round == b->round);
    assert_true(a->left_ms == b->left_ms);
    assert_same_lists(a, b);
}

static void try_ack(struct control_memory *m, struct chance *c, char *text)
{
    struct control_ack read;
    struct control_ack ack = {.epoch = number(c),
            .ok = prng_below(&c->prng, 2) == 0,
            .has_error = prng_below(&c->prng, 2) == 0,
            .local_watermark = watermark_of(c),
            .is_weft = true,
            .checkpoint_id = number(c),
            .leader = number(c) / 2 + 1,
            .attempt = number(c) / 2 + 1,
            .sinks = c->sinks,
            .sinks_count = fill_stages(c),
            .missing = c->ids,
            .missing_count = fill_ids(c, c->ids),
            .outcome = (enum control_known)prng_below(&c->prng, 3)};

    ack.error = ack.has_error ? fill_sentence(c) : bytes_of(NULL, 0);
    for (size_t i = 0; i < ack.sinks_count; i++) {
        c->sinks[i] = (struct control_sink){c->stages[i], number(c) / 2 + 1};
    }
    assert_int_equal(control_write_ack(&ack, text, TEXT_BYTES), 0);
    assert_true(control_read_ack(m, bytes_text(text), &read));
    assert_true(read.is_weft && read.epoch == ack.epoch && read.ok == ack.ok);
    assert_true(read.has_error == ack.has_error);
    assert_true(bytes_equal(read.error, ack.error));
    assert_true(read.local_watermark.is_set == ack.local_watermark.is_set);
    assert_true(read.local_watermark.ms == ack.local_watermark.ms);
    assert_true(read.checkpoint_id == ack.checkpoint_id);
    assert_true(read.leader == ack.leader && read.attempt == ack.attempt);
    assert_int_equal(read.outcome, ack.outcome);
    assert_int_equal(read.sinks_count, ack.sinks_count);
    for (size_t i = 0; i < ack.sinks_count; i++) {
        assert_true(bytes_equal(read.sinks[i].stage, ack.sinks[i].stage));
        assert_true(read.sinks[i].number == ack.sinks[i].number);
    }
    assert_int_equal(read.missing_count, ack.missing_count);
    for (size_t i = 0; i < ack.missing_count; i++) {
        assert_true(read.missing[i] == ack.missing[i]);
    }
}

static void whatever_is_written_is_read_back(void **context)
{
    const char *given = getenv("WEFT_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : 20260704;
    struct chance *c = malloc(sizeof(*c));
    char *text = malloc(TEXT_BYTES);

    assert_non_null(c);
    assert_non_null(text);
    print_message("WEFT_SEED=%llu, %d rounds\n", (unsigned long long)seed,
            RANDOM_ROUNDS);
    prng_init(&c->prng, seed);
    for (int round = 0; round < RANDOM_ROUNDS; round++) {
        struct control_announcement a = random_announcement(c);
        struct control_announcement read;

        assert_int_equal(control_write_announcement(&a, text, TEXT_BYTES), 0);
        assert_true(
                control_read_announcement(*context, bytes_text(text), &read));
        assert_same(&a, &read);
        try_ack(*context, c, text);
    }
    free(text);
    free(c);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, open_memory, close_memory)

int main(void)
{
    const struct CMUnitTest cases[] = {
            CASE(an_announcement_is_written_as_laminar_writes_it),
            CASE(numbers_are_exact_to_64_bits),
            CASE(an_ack_is_written_as_laminar_writes_it),
            CASE(a_sentence_that_is_no_utf8_is_mended),
            CASE(announcements_are_accepted_and_refused_as_laminar_does),
            CASE(acks_are_accepted_and_refused_as_laminar_does),
            CASE(a_surrogate_pair_is_one_character),
            CASE(nesting_has_a_bound),
            CASE(our_prepare_says_who_and_how_long),
            CASE(our_commit_says_where_stages_go),
            CASE(our_abort_says_why),
            CASE(our_ack_says_what_it_lacks_and_knows),
            CASE(our_records_are_written_as_they_are_read),
            CASE(what_is_not_all_of_ours_is_laminars),
            CASE(each_of_our_numbers_is_a_string),
            CASE(an_ack_that_is_not_all_ours_is_laminars),
            CASE(a_record_names_no_more_stages_than_a_node_has),
            CASE(long_lists_find_room),
            CASE(requests_are_written_as_they_are_read),
            CASE(other_requests_say_nothing),
            CASE(every_truncation_is_refused),
            CASE(whatever_is_written_is_read_back),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
