#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int refuse(struct error *err, int value)
{
    return error_set(err, ERR_INVALID, "%d is not allowed", value);
}

static void failing_is_one_statement(void **state)
{
    struct error err;

    (void)state;
    assert_int_equal(refuse(&err, 7), ERR_INVALID);
    assert_string_equal(err.text, "7 is not allowed");
}

static void nobody_has_to_listen(void **state)
{
    (void)state;
    assert_int_equal(refuse(NULL, 7), ERR_INVALID);
    assert_int_equal(error_prefix(NULL, ERR_IO, "x"), ERR_IO);
}

static void each_caller_puts_its_place_in_front(void **state)
{
    struct error err;

    (void)state;
    (void)refuse(&err, 7);
    assert_int_equal(
            error_prefix(&err, ERR_IO, "%s:%d: ", "weft.ini", 12), ERR_IO);
    assert_string_equal(err.text, "weft.ini:12: 7 is not allowed");
    (void)error_prefix(&err, ERR_IO, "node: ");
    assert_string_equal(err.text, "node: weft.ini:12: 7 is not allowed");
}

static void a_long_sentence_is_cut(void **state)
{
    char words[600];
    struct error err;

    (void)state;
    memset(words, 'x', sizeof(words));
    words[sizeof(words) - 1] = '\0';
    (void)error_set(&err, ERR_IO, "%s", words);
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    (void)error_prefix(&err, ERR_IO, "here: ");
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    assert_memory_equal(err.text, "here: xxx", 9);
    (void)error_prefix(&err, ERR_IO, "%s", words);
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(failing_is_one_statement),
            cmocka_unit_test(nobody_has_to_listen),
            cmocka_unit_test(each_caller_puts_its_place_in_front),
            cmocka_unit_test(a_long_sentence_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
