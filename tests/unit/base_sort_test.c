#include "base/sort.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/prng.h"

enum {
    ITEMS_MAX = 200,
};

struct item {
    uint32_t key;
    uint32_t tag; /* goes with its key */
};

static int compare(const void *a, const void *b)
{
    const struct item *x = a;
    const struct item *y = b;

    return (x->key > y->key) - (x->key < y->key);
}

static void assert_sorts(struct item *items, size_t count)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < count; i++) {
        items[i].tag = items[i].key ^ 0x5a5a;
        sum += items[i].key;
    }
    sort_ascending(items, count, sizeof(items[0]), compare);
    for (size_t i = 0; i < count; i++) {
        assert_true(i == 0 || items[i - 1].key <= items[i].key);
        assert_int_equal(items[i].tag, items[i].key ^ 0x5a5a);
        sum -= items[i].key;
    }
    assert_int_equal(sum, 0);
}

static void every_count_is_sorted_whole(void **state)
{
    struct item items[ITEMS_MAX];
    struct prng chance;

    (void)state;
    prng_init(&chance, 4);
    for (size_t count = 0; count < ITEMS_MAX; count++) {
        for (size_t i = 0; i < count; i++) {
            items[i].key = (uint32_t)prng_below(&chance, 1 + count);
        }
        assert_sorts(items, count);
    }
}

static void any_order_will_do(void **state)
{
    struct item items[ITEMS_MAX];

    (void)state;
    for (uint32_t i = 0; i < ITEMS_MAX; i++) {
        items[i].key = i;
    }
    assert_sorts(items, ITEMS_MAX);
    for (uint32_t i = 0; i < ITEMS_MAX; i++) {
        items[i].key = ITEMS_MAX - i;
    }
    assert_sorts(items, ITEMS_MAX);
    for (uint32_t i = 0; i < ITEMS_MAX; i++) {
        items[i].key = 7;
    }
    assert_sorts(items, ITEMS_MAX);
}

static size_t compared;

static int compare_counted(const void *a, const void *b)
{
    compared++;
    return compare(a, b);
}

/* 2 n log n and no more, even for orders that make a quicksort quadratic. */
static void no_order_is_dear(void **state)
{
    enum {
        COUNT = 1 << 14,
    };
    static struct item items[COUNT];

    (void)state;
    for (uint32_t kind = 0; kind < 4; kind++) {
        for (uint32_t i = 0; i < COUNT; i++) {
            const uint32_t keys[] = {
                    i, COUNT - i, i % 2 == 0 ? i : COUNT - i, i * 7919 % COUNT};

            items[i].key = keys[kind];
        }
        compared = 0;
        sort_ascending(items, COUNT, sizeof(items[0]), compare_counted);
        assert_true(compared < 2 * 14 * COUNT);
    }
}

int main(void)
{
    const struct CMUnitTest cases[] = {
            cmocka_unit_test(every_count_is_sorted_whole),
            cmocka_unit_test(any_order_will_do),
            cmocka_unit_test(no_order_is_dear),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
