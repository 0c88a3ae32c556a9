#include "base/edit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct row {
    const char *a;
    const char *b;
    size_t distance;
};

static void words_are_as_far_apart_as_they_take_edits(void **state)
{
    static const struct row rows[] = {{"", "", 0}, {"", "weft", 4},
            {"weft", "weft", 0}, {"weft", "left", 1}, {"weft", "wft", 1},
            {"weft", "wefts", 1}, {"weft", "ewft", 2}, {"kitten", "sitting", 3},
            {"flaw", "lawn", 2}, {"abc", "xyz", 3}, {"Weft", "weft", 1}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        print_message("%s, %s\n", rows[i].a, rows[i].b);
        assert_int_equal(edit_distance(rows[i].a, rows[i].b), rows[i].distance);
        assert_int_equal(edit_distance(rows[i].b, rows[i].a), rows[i].distance);
    }
}

static void of_a_long_word_the_first_part_counts(void **state)
{
    char a[200];
    char b[200];

    (void)state;
    memset(a, 'x', sizeof(a));
    memset(b, 'x', sizeof(b));
    a[sizeof(a) - 1] = '\0';
    b[sizeof(b) - 1] = '\0';
    b[EDIT_WORD_BYTES] = 'y';
    assert_int_equal(edit_distance(a, b), 0);
    b[EDIT_WORD_BYTES - 1] = 'y';
    assert_int_equal(edit_distance(a, b), 1);
    assert_int_equal(edit_distance(a, ""), EDIT_WORD_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(words_are_as_far_apart_as_they_take_edits),
            cmocka_unit_test(of_a_long_word_the_first_part_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
