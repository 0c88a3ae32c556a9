/* docs/wire.md, "Placement": the published values. */
#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct row {
    const char *key;
    uint64_t hash;
};

static void keys_hash_as_everywhere(void **state)
{
    static const struct row rows[] = {
            {"", UINT64_C(0x2d06800538d394c2)},
            {"hello", UINT64_C(0x9555e8555c62dcfd)},
            {"key-x", UINT64_C(0xb1888f05ab928c38)},
            {"user-42", UINT64_C(0x50fe4b21cf7b09cd)},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        print_message("\"%s\"\n", rows[i].key);
        assert_int_equal(hash_xxh3(bytes_text(rows[i].key)), rows[i].hash);
    }
    assert_int_equal(hash_xxh3(bytes_of(NULL, 0)), rows[0].hash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(keys_hash_as_everywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
