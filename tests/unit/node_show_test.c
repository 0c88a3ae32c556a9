#include "node/columns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/humane.h"
#include "node/show.h"

enum {
    TEXT_BYTES = 8192,
};

struct number {
    const char *(*format)(uint64_t, char[static HUMANE_BYTES]);
    uint64_t value;
    const char *text;
};

static void numbers_read_as_people_say_them(void **state)
{
    static const struct number numbers[] = {
            {humane_count, 0, "0"},
            {humane_count, 999, "999"},
            {humane_count, 1000, "1,000"},
            {humane_count, 1204332, "1,204,332"},
            {humane_count, UINT64_MAX, "18,446,744,073,709,551,615"},
            {humane_size, 0, "0 B"},
            {humane_size, 1023, "1023 B"},
            {humane_size, 1024, "1.0 KiB"},
            {humane_size, 1048575, "1023.9 KiB"},
            {humane_size, 1048576, "1.0 MiB"},
            {humane_size, UINT64_C(5) << 40, "5.0 TiB"},
            {humane_size, UINT64_MAX, "16777215.9 TiB"},
            {humane_ms, 0, "0 ms"},
            {humane_ms, 999, "999 ms"},
            {humane_ms, 4250, "4.2 s"},
            {humane_ms, 185000, "3m 05s"},
            {humane_ms, 3600000, "1h 00m"},
            {humane_ms, 90000000, "1d 01h"},
            {humane_us, 85, "85 us"},
            {humane_us, 1290, "1.2 ms"},
            {humane_us, 2000000, "2.0 s"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        char text[HUMANE_BYTES];

        assert_string_equal(
                numbers[i].format(numbers[i].value, text), numbers[i].text);
    }
}

/* What was written since `out` was opened; closes it. */
static void text_of(FILE *out, char text[static TEXT_BYTES])
{
    size_t size;

    rewind(out);
    size = fread(text, 1, TEXT_BYTES - 1, out);
    text[size] = '\0';
    (void)fclose(out);
}

static void columns_are_as_wide_as_their_widest_cell(void **state)
{
    static const struct column columns[] = {
            {"ID", true}, {"NAME", false}, {"LAST", false}};
    char text[TEXT_BYTES];
    FILE *out = tmpfile();
    struct columns c;

    (void)state;
    assert_non_null(out);
    columns_init(&c, columns, 3, false);
    columns_cell(&c, bytes_text("7"));
    columns_cell(&c, bytes_text("schön"));
    columns_cell(&c, bytes_text(""));
    columns_cell(&c, bytes_text("1234"));
    columns_cell(&c, bytes_text("b"));
    columns_coloured(&c, bytes_text("x"), COLUMNS_GOOD);
    columns_print(&c, 1, out);
    columns_close(&c);
    text_of(out, text);
    assert_string_equal(text, "   ID  NAME   LAST\n"
                              "    7  schön  \n"
                              " 1234  b      x\n");
}

static void colour_is_only_where_it_was_asked_for(void **state)
{
    static const struct column columns[] = {{"A", false}};
    char text[TEXT_BYTES];
    FILE *out = tmpfile();
    struct columns c;

    (void)state;
    assert_non_null(out);
    columns_init(&c, columns, 1, true);
    columns_coloured(&c, bytes_text("yes"), COLUMNS_GOOD);
    columns_print(&c, 0, out);
    columns_close(&c);
    text_of(out, text);
    assert_string_equal(text, "\033[2mA\033[0m\n\033[32myes\033[0m\n");
}

static void a_strangers_text_cannot_steer_the_terminal(void **state)
{
    char text[TEXT_BYTES];
    FILE *out = tmpfile();

    (void)state;
    assert_non_null(out);
    columns_put_text(bytes_text("a\033[2Jb\n\x7f\xc2\x9b"), out);
    text_of(out, text);
    assert_string_equal(text, "a\\x1b[2Jb\\x0a\\x7f\\x9b");
}

static const char members[] =
        "[{\"id\":\"1\",\"gossip_id\":\"node-1\",\"generation\":\"5\","
        "\"gossip_addr\":\"127.0.0.1:7741\",\"name\":\"a\",\"state\":"
        "\"active\",\"version\":\"0.1.0\",\"live\":true,\"self\":true,"
        "\"shuffle_addr\":\"127.0.0.1:7742\",\"phi\":null,"
        "\"last_heard_ms\":null,\"keys\":9,\"max_version\":\"12\"},"
        "{\"id\":null,\"gossip_id\":\"stranger\",\"generation\":\"1\","
        "\"gossip_addr\":\"127.0.0.1:9000\",\"name\":null,\"state\":null,"
        "\"version\":null,\"live\":false,\"self\":false,"
        "\"shuffle_addr\":null,\"phi\":12.5,\"last_heard_ms\":6250,"
        "\"keys\":0,\"max_version\":\"0\"}]";

static void a_member_is_a_row_whatever_it_lacks(void **state)
{
    char text[TEXT_BYTES];
    FILE *out = tmpfile();

    (void)state;
    assert_non_null(out);
    show_members(bytes_text(members), false, out);
    text_of(out, text);
    assert_string_equal(text,
            "ID  NAME      STATE   LIVE  HEARD    PHI  SHUFFLE         GOSSIP  "
            "        VERSION  KEYS\n"
            " 1  a         active  yes    self      -  127.0.0.1:7742  "
            "127.0.0.1:7741  0.1.0       9\n"
            " -  stranger  -       no    6.2 s  12.50  -               "
            "127.0.0.1:9000  -           0\n");
}

static const char info[] =
        "{\"id\":\"1\",\"name\":\"a\",\"cluster\":\"default\","
        "\"generation\":\"5\",\"version\":\"0.1.0\",\"state\":\"active\","
        "\"uptime_ms\":61000,\"leader\":\"1\",\"gossip\":{\"addr\":"
        "\"127.0.0.1:7741\",\"dialect\":\"plain\",\"protocol\":\"v0\","
        "\"rounds\":122,\"live\":2,\"dead\":0,\"sent\":{\"packets\":1204,"
        "\"bytes\":2048},\"received\":{\"packets\":1,\"bytes\":1},"
        "\"dropped\":{\"truncated\":0,\"foreign_cluster\":3,\"junk\":1000}},"
        "\"shuffle\":{\"addr\":\"127.0.0.1:7742\",\"connections\":0,"
        "\"sent\":{\"frames\":0,\"bytes\":0},\"received\":{\"frames\":0,"
        "\"bytes\":0},\"dropped\":{\"hello\":0},\"peers\":[]},\"stages\":[{"
        "\"name\":\"words\",\"sources\":1,\"sinks\":0,\"placement\":[\"1\","
        "\"2\"],\"records_in\":1000,\"records_out\":0,\"bytes_in\":1024,"
        "\"bytes_out\":0,\"waiting_bytes\":0,"
        "\"longest_without_credit_ms\":250}],\"checkpoint\":{\"epoch\":null,"
        "\"checkpoint_id\":null,\"last_outcome\":null,"
        "\"last_duration_us\":null},\"memory\":{\"queued_bytes\":0,"
        "\"budget_bytes\":134217728,\"remote_bytes\":0,"
        "\"max_remote_bytes\":67108864},\"loop\":{\"longest_turn_us\":85,"
        "\"latest_round_ms\":0}}";

static void info_says_what_there_is_and_no_more(void **state)
{
    char text[TEXT_BYTES];
    FILE *out = tmpfile();

    (void)state;
    assert_non_null(out);
    show_info(bytes_text(info), false, out);
    text_of(out, text);
    assert_non_null(strstr(text, "node       1 a, active for 1m 01s\n"));
    assert_non_null(strstr(text, "sent     1,204 packets, 2.0 KiB\n"));
    assert_non_null(strstr(text, "dropped  3 foreign_cluster, 1,000 junk\n"));
    assert_null(strstr(text, "truncated"));
    assert_null(strstr(text, "hello"));
    assert_null(strstr(text, "checkpoint"));
    assert_null(strstr(text, "PEER"));
    assert_non_null(strstr(text, "250 ms  1 2\n"));
}

static void show_checkpoint_of(const char *checkpoint, char text[TEXT_BYTES])
{
    char json[TEXT_BYTES];
    FILE *out = tmpfile();

    assert_non_null(out);
    (void)snprintf(json, sizeof(json), "{\"checkpoint\":%s}", checkpoint);
    show_info(bytes_text(json), false, out);
    text_of(out, text);
}

static void info_says_how_the_latest_checkpoint_ended(void **state)
{
    char text[TEXT_BYTES];

    (void)state;
    show_checkpoint_of("{\"epoch\":\"5\",\"last_outcome\":\"committed\","
                       "\"last_duration_us\":2100,\"running\":false,"
                       "\"suspended\":[]}",
            text);
    assert_non_null(strstr(text, "checkpoint epoch 5 committed in 2.1 ms\n"));
    assert_null(strstr(text, "left out"));
    show_checkpoint_of("{\"epoch\":\"6\",\"last_outcome\":\"aborted\","
                       "\"last_duration_us\":2100,\"running\":true,"
                       "\"suspended\":[\"3\",\"4\"]}",
            text);
    assert_non_null(strstr(text,
            "checkpoint epoch 6 aborted in 2.1 ms, the next is running\n"));
    assert_non_null(strstr(text, "           left out: nodes 3, 4\n"));
    show_checkpoint_of("{\"last_outcome\":null,\"running\":true}", text);
    assert_non_null(strstr(text, "checkpoint the first one is running\n"));
}

static void a_member_that_is_left_out_is_seen(void **state)
{
    char text[TEXT_BYTES];
    FILE *out = tmpfile();

    (void)state;
    assert_non_null(out);
    show_members(bytes_text("[{\"id\":\"3\",\"name\":\"c\",\"live\":true,"
                            "\"state\":\"active\",\"suspended\":true,"
                            "\"failed_epochs\":[\"4\",\"5\"]}]"),
            false, out);
    text_of(out, text);
    assert_non_null(strstr(text, " 3  c     suspended  yes"));
}

static const char ledger[] =
        "[{\"epoch\":\"6\",\"leader\":\"1\",\"outcome\":null,"
        "\"reason\":null,\"participants_count\":3,\"parked_bytes\":0,"
        "\"last_acked\":null,\"age_ms\":40,\"marked_us\":85,"
        "\"aligned_us\":null,\"written_us\":null,\"acked_us\":null,"
        "\"decided_us\":null,\"known_us\":null},"
        "{\"epoch\":\"5\",\"leader\":\"1\",\"outcome\":\"aborted\","
        "\"reason\":\"no word from node 3\",\"participants_count\":3,"
        "\"parked_bytes\":2048,\"last_acked\":\"2\",\"age_ms\":9000,"
        "\"marked_us\":85,\"aligned_us\":900,\"written_us\":1290,"
        "\"acked_us\":1300,\"decided_us\":8000000,\"known_us\":8000001}]";

static void checkpoints_are_rows_step_by_step(void **state)
{
    char text[TEXT_BYTES];
    FILE *out = tmpfile();

    (void)state;
    assert_non_null(out);
    show_checkpoints(bytes_text(ledger), false, out);
    text_of(out, text);
    assert_string_equal(text,
            "EPOCH  LEADER  OUTCOME    AGE  NODES  MARKED  ALIGNED  WRITTEN   "
            "ACKED  DECIDED  KNOWN   PARKED  LAST  REASON\n"
            "    6       1  running  40 ms      3   85 us        -        -    "
            "   -        -      -      0 B     -  -\n"
            "    5       1  aborted  9.0 s      3   85 us   900 us   1.2 ms  "
            "1.3 ms    8.0 s  8.0 s  2.0 KiB     2  no word from node 3\n");
}

/* Whatever a node of another version sends, something is printed. */
static void an_answer_that_lacks_everything_still_shows(void **state)
{
    static const char *const texts[] = {"{}", "[]", "[{}]", "null", "", "x"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char text[TEXT_BYTES];
        FILE *out = tmpfile();

        assert_non_null(out);
        show_members(bytes_text(texts[i]), true, out);
        show_info(bytes_text(texts[i]), true, out);
        show_keys(bytes_text(texts[i]), true, out);
        show_health(bytes_text(texts[i]), out);
        show_barrier(bytes_text(texts[i]), out);
        show_checkpoints(bytes_text(texts[i]), true, out);
        show_value(bytes_text(texts[i]), out);
        show_error(bytes_text(texts[i]), out);
        text_of(out, text);
        assert_true(strlen(text) > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(numbers_read_as_people_say_them),
            cmocka_unit_test(columns_are_as_wide_as_their_widest_cell),
            cmocka_unit_test(colour_is_only_where_it_was_asked_for),
            cmocka_unit_test(a_strangers_text_cannot_steer_the_terminal),
            cmocka_unit_test(a_member_is_a_row_whatever_it_lacks),
            cmocka_unit_test(info_says_what_there_is_and_no_more),
            cmocka_unit_test(info_says_how_the_latest_checkpoint_ended),
            cmocka_unit_test(a_member_that_is_left_out_is_seen),
            cmocka_unit_test(checkpoints_are_rows_step_by_step),
            cmocka_unit_test(an_answer_that_lacks_everything_still_shows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
