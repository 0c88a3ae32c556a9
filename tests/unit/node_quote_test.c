/* One JSON string: what is escaped, and where a text is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "node/quote.h"

static void every_text_becomes_one_json_string(void **context)
{
    static const struct {
        const char *name;
        const char *text;
        size_t size;
        const char *json;
    } ROWS[] = {
            {"nothing", "", 0, "\"\""},
            {"plain", "loom", 4, "\"loom\""},
            {"quote and backslash", "a\"b\\c", 5, "\"a\\\"b\\\\c\""},
            {"a slash stays", "a/b", 3, "\"a/b\""},
            {"short escapes", "\b\t\n\f\r", 5, "\"\\b\\t\\n\\f\\r\""},
            {"other controls", "\x01\x1f", 2, "\"\\u0001\\u001f\""},
            {"a NUL inside", "a\0b", 3, "\"a\\u0000b\""},
            {"delete is no control", "\x7f", 1, "\"\x7f\""},
            {"two to four bytes", "\xc3\xa9\xe2\x82\xac\xf0\x9f\xa7\xb5", 9,
                    "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\xa7\xb5\""},
            {"not UTF-8",
                    "a\xff"
                    "b",
                    3,
                    "\"a\xef\xbf\xbd"
                    "b\""},
            {"cut off inside", "a\xe2\x82", 3, "\"a\xef\xbf\xbd\xef\xbf\xbd\""},
    };

    (void)context;
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        char out[64];

        printf("%s\n", ROWS[i].name);
        quote_json(bytes_of(ROWS[i].text, ROWS[i].size), out, sizeof(out));
        assert_string_equal(out, ROWS[i].json);
    }
}

static void what_does_not_fit_is_cut_between_characters(void **context)
{
    static const struct {
        size_t capacity;
        const char *json;
    } ROWS[] = {{3, "\"\""}, {4, "\"a\""}, {5, "\"a\""}, {6, "\"a\xc3\xa9\""},
            {7, "\"a\xc3\xa9\""}, {8, "\"a\xc3\xa9\\n\""}};

    (void)context;
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        char out[16];

        memset(out, 'x', sizeof(out));
        printf("%zu bytes\n", ROWS[i].capacity);
        quote_json(bytes_text("a\xc3\xa9\n"), out, ROWS[i].capacity);
        assert_string_equal(out, ROWS[i].json);
        assert_int_equal(out[ROWS[i].capacity], 'x');
    }
}

int main(void)
{
    const struct CMUnitTest cases[] = {
            cmocka_unit_test(every_text_becomes_one_json_string),
            cmocka_unit_test(what_does_not_fit_is_cut_between_characters),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
