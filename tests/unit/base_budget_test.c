#include "base/budget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void a_budget_is_taken_whole_or_not_at_all(void **state)
{
    struct budget b = {.max_bytes = 100};

    (void)state;
    assert_true(budget_take(&b, 60));
    assert_false(budget_take(&b, 41));
    assert_int_equal(b.used_bytes, 60);
    assert_true(budget_take(&b, 40));
    assert_true(budget_take(&b, 0));
    assert_false(budget_take(&b, 1));
    assert_false(budget_take(&b, SIZE_MAX));
    budget_give(&b, 100);
    assert_int_equal(b.used_bytes, 0);
    assert_true(budget_take(&b, 100));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_budget_is_taken_whole_or_not_at_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
