/* Who we are: where the id comes from, and how the generation grows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/hash.h"
#include "node/identity.h"

static void the_id_comes_from_the_first_place_that_has_one(void **context)
{
    const uint64_t of_name = hash_xxh3(bytes_text("loom")) & UINT32_MAX;
    const struct {
        const char *name;
        struct identity_facts facts;
        uint64_t id;
    } ROWS[] = {
            {"configured",
                    {.configured_id = 7, .kept_id = 8, .remembers = true}, 7},
            {"kept", {.kept_id = 8, .remembers = true, .chance = 99}, 8},
            {"drawn, lowest", {.remembers = true, .chance = 0}, 1},
            {"drawn, highest", {.remembers = true, .chance = UINT32_MAX - 1},
                    UINT32_MAX},
            {"drawn, wraps", {.remembers = true, .chance = UINT32_MAX}, 1},
            {"by name", {.chance = 99, .name = bytes_text("loom")}, of_name},
    };

    (void)context;
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        printf("%s\n", ROWS[i].name);
        assert_int_equal(identity_id(&ROWS[i].facts), ROWS[i].id);
    }
    assert_int_not_equal(of_name, 0);
}

static void the_generation_grows_whatever_the_clock_does(void **context)
{
    static const struct {
        uint64_t clock;
        uint64_t kept;
        uint64_t generation;
    } ROWS[] = {{1000, 0, 1000}, {1000, 999, 1000}, {1000, 1000, 1001},
            {1000, 5000, 5001}, {0, 0, 1}};

    (void)context;
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        assert_int_equal(identity_generation(ROWS[i].clock, ROWS[i].kept),
                ROWS[i].generation);
    }
}

int main(void)
{
    const struct CMUnitTest cases[] = {
            cmocka_unit_test(the_id_comes_from_the_first_place_that_has_one),
            cmocka_unit_test(the_generation_grows_whatever_the_clock_does),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
