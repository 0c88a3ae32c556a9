#include "conf/conf_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/prng.h"

struct number {
    const char *text;
    uint64_t value;
};

static void durations_and_sizes_are_read_in_their_units(void **state)
{
    static const struct number durations[] = {{"0", 0}, {"0ms", 0},
            {"250ms", 250}, {"5s", 5000}, {"10m", 600000}, {"1h", 3600000},
            {"18446744073709551615ms", UINT64_MAX}};
    static const struct number sizes[] = {{"0", 0}, {"17", 17},
            {"64KiB", 65536}, {"1MiB", 1048576}, {"3GiB", 3221225472},
            {"2TiB", 2199023255552}, {"18446744073709551615", UINT64_MAX}};
    uint64_t value;

    (void)state;
    for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
        print_message("%s\n", durations[i].text);
        assert_true(
                conf_text_to_duration(bytes_text(durations[i].text), &value));
        assert_int_equal(value, durations[i].value);
    }
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        print_message("%s\n", sizes[i].text);
        assert_true(conf_text_to_size(bytes_text(sizes[i].text), &value));
        assert_int_equal(value, sizes[i].value);
    }
}

static void what_is_no_duration_is_refused(void **state)
{
    static const char *const texts[] = {"", "5", "s", "ms", "5 s", " 5s", "5s ",
            "-5s", "+5s", "5S", "5sec", "1.5s", "05s", "0x5s", "5ms5",
            "18446744073709551616ms", "18446744073709551615s",
            "5124095576030432h"};
    uint64_t value;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        print_message("\"%s\"\n", texts[i]);
        assert_false(conf_text_to_duration(bytes_text(texts[i]), &value));
    }
}

static void what_is_no_size_is_refused(void **state)
{
    static const char *const texts[] = {"", "KiB", "1KB", "1kib", "1K", "1 KiB",
            "-1", "1.5MiB", "01", "1KiB ", "18446744073709551616",
            "16777216TiB", "18014398509481984KiB"};
    uint64_t value;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        print_message("\"%s\"\n", texts[i]);
        assert_false(conf_text_to_size(bytes_text(texts[i]), &value));
    }
}

static void ratios_are_plain_decimals(void **state)
{
    static const char *const wrong[] = {"", ".", ".5", "5.", "-1", "+1", "1e3",
            "0x8", "inf", "nan", "1.2.3", "1,5", " 1", "1 ",
            "11111111111111111111111111111111"};
    double ratio;

    (void)state;
    assert_true(conf_text_to_ratio(bytes_text("8"), &ratio));
    assert_true(ratio == 8.0);
    assert_true(conf_text_to_ratio(bytes_text("8.25"), &ratio));
    assert_true(ratio == 8.25);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        print_message("\"%s\"\n", wrong[i]);
        assert_false(conf_text_to_ratio(bytes_text(wrong[i]), &ratio));
    }
}

static void the_largest_whole_unit_is_written(void **state)
{
    char text[CONF_TEXT_BYTES];

    (void)state;
    assert_string_equal(conf_text_duration(0, text), "0ms");
    assert_string_equal(conf_text_duration(999, text), "999ms");
    assert_string_equal(conf_text_duration(90000, text), "90s");
    assert_string_equal(conf_text_duration(900000, text), "15m");
    assert_string_equal(conf_text_duration(7200000, text), "2h");
    assert_string_equal(conf_text_size(0, text), "0");
    assert_string_equal(conf_text_size(1025, text), "1025");
    assert_string_equal(conf_text_size(8192, text), "8KiB");
    assert_string_equal(conf_text_size(UINT64_C(1) << 30, text), "1GiB");
    assert_string_equal(conf_text_ratio(8, text), "8.0");
    assert_string_equal(conf_text_ratio(0.1, text), "0.1");
}

/* A number of any magnitude, and any number of units of each kind. */
static uint64_t any_number(struct prng *p)
{
    static const uint64_t factors[] = {1, 1000, 60000, 3600000, 1024, 1048576};
    uint64_t factor = factors[prng_below(p, 6)];

    return (prng_u64(p) >> prng_below(p, 64)) / factor * factor;
}

static void what_is_written_reads_as_the_same_number(void **state)
{
    struct prng p;
    char text[CONF_TEXT_BYTES];

    (void)state;
    prng_init(&p, 7741);
    for (int i = 0; i < 10000; i++) {
        uint64_t number = any_number(&p);
        uint64_t value;
        double ratio = (double)prng_below(&p, 100000) / 1000.0;
        double again;

        (void)conf_text_duration(number, text);
        assert_true(conf_text_to_duration(bytes_text(text), &value));
        assert_int_equal(value, number);
        (void)conf_text_size(number, text);
        assert_true(conf_text_to_size(bytes_text(text), &value));
        assert_int_equal(value, number);
        (void)conf_text_ratio(ratio, text);
        assert_true(conf_text_to_ratio(bytes_text(text), &again));
        assert_true(again == ratio);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(durations_and_sizes_are_read_in_their_units),
            cmocka_unit_test(what_is_no_duration_is_refused),
            cmocka_unit_test(what_is_no_size_is_refused),
            cmocka_unit_test(ratios_are_plain_decimals),
            cmocka_unit_test(the_largest_whole_unit_is_written),
            cmocka_unit_test(what_is_written_reads_as_the_same_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
