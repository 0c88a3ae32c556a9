#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct text {
    const char *name;
    const char *bytes;
};

static void well_formed_utf8_is_known(void **state)
{
    static const struct text right[] = {{"nothing", ""}, {"ascii", "weft"},
            {"the first of two bytes", "\xc2\x80"},
            {"the last of two", "\xdf\xbf"},
            {"the first of three", "\xe0\xa0\x80"},
            {"below the surrogates", "\xed\x9f\xbf"},
            {"above the surrogates", "\xee\x80\x80"},
            {"the last of three", "\xef\xbf\xbf"},
            {"the first of four", "\xf0\x90\x80\x80"},
            {"the last of all", "\xf4\x8f\xbf\xbf"}};

    (void)state;
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        print_message("%s\n", right[i].name);
        assert_true(bytes_is_utf8(bytes_text(right[i].bytes)));
    }
    assert_true(bytes_is_utf8(bytes_of("a\0b", 3)));
    assert_true(bytes_is_utf8(bytes_of(NULL, 0)));
}

static void malformed_utf8_is_refused(void **state)
{
    static const struct text wrong[] = {{"a lone continuation", "\x80"},
            {"overlong in two bytes", "\xc1\xbf"},
            {"overlong in three", "\xe0\x9f\xbf"},
            {"overlong in four", "\xf0\x8f\xbf\xbf"},
            {"the first surrogate", "\xed\xa0\x80"},
            {"the last surrogate", "\xed\xbf\xbf"},
            {"beyond the last", "\xf4\x90\x80\x80"},
            {"five bytes", "\xf8\x88\x80\x80\x80"}, {"no lead", "\xff"},
            {"cut after one of two", "\xc2"},
            {"cut after two of three", "\xe2\x82"},
            {"cut after three of four", "\xf0\x9f\x92"},
            {"no continuation", "\xc2x"}, {"one short", "\xe2\x82x"}};

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        print_message("%s\n", wrong[i].name);
        assert_false(bytes_is_utf8(bytes_text(wrong[i].bytes)));
    }
}

static void canonical_digits_are_a_number(void **state)
{
    static const char *const wrong[] = {"", "00", "01", "+1", "-1", " 1", "1 ",
            "1x", "0x1", "18446744073709551616", "28446744073709551615",
            "100000000000000000000"};
    uint64_t value = 7;

    (void)state;
    assert_true(bytes_to_u64(bytes_text("0"), &value));
    assert_int_equal(value, 0);
    assert_true(bytes_to_u64(bytes_text("18446744073709551615"), &value));
    assert_int_equal(value, UINT64_MAX);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        print_message("\"%s\"\n", wrong[i]);
        assert_false(bytes_to_u64(bytes_text(wrong[i]), &value));
        assert_int_equal(value, UINT64_MAX);
    }
}

static void a_prefix_comes_before_the_longer(void **state)
{
    static const char *const sorted[] = {"", "a", "ab", "b", "\x7f", "\xff"};
    enum {
        COUNT = sizeof(sorted) / sizeof(sorted[0])
    };

    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t j = 0; j < COUNT; j++) {
            int order =
                    bytes_compare(bytes_text(sorted[i]), bytes_text(sorted[j]));

            assert_int_equal(order < 0, i < j);
            assert_int_equal(order > 0, i > j);
            assert_int_equal(
                    bytes_equal_text(bytes_text(sorted[i]), sorted[j]), i == j);
        }
    }
}

static void nothing_needs_no_pointer(void **state)
{
    struct bytes nothing = bytes_of(NULL, 0);
    struct bytes text = bytes_text("weft");

    (void)state;
    assert_true(bytes_equal(nothing, bytes_text("")));
    assert_int_equal(bytes_compare(nothing, bytes_text("")), 0);
    assert_true(bytes_starts_with(text, nothing));
    assert_false(bytes_starts_with(nothing, text));
    assert_int_equal(bytes_skip(nothing, 0).size, 0);
    assert_int_equal(bytes_skip(text, 4).size, 0);
}

static void a_prefix_is_found(void **state)
{
    struct bytes text = bytes_text("weft:sinks");

    (void)state;
    assert_true(bytes_starts_with(text, bytes_text("weft:")));
    assert_true(bytes_starts_with(text, text));
    assert_false(bytes_starts_with(text, bytes_text("weft:sinks2")));
    assert_false(bytes_starts_with(text, bytes_text("weft-")));
    assert_true(bytes_equal_text(bytes_skip(text, 5), "sinks"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(well_formed_utf8_is_known),
            cmocka_unit_test(malformed_utf8_is_refused),
            cmocka_unit_test(canonical_digits_are_a_number),
            cmocka_unit_test(a_prefix_comes_before_the_longer),
            cmocka_unit_test(nothing_needs_no_pointer),
            cmocka_unit_test(a_prefix_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
