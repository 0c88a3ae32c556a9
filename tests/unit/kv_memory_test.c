/* The seam over its in-memory back end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "kv/kv_memory.h"

static void assert_reads(struct kv *kv, uint64_t node_id, const char *value)
{
    struct bytes read;

    assert_true(kv_read_from(kv, node_id, bytes_text("key"), &read));
    assert_true(bytes_equal_text(read, value));
}

static void what_is_written_can_be_read(void **context)
{
    struct kv_memory m;
    struct kv kv;
    struct bytes read;

    (void)context;
    kv_memory_init(&m, 7, 1000);
    kv = kv_memory_seam(&m, NULL);
    assert_false(kv_read_from(&kv, 7, bytes_text("key"), &read));
    assert_int_equal(
            kv_write(&kv, bytes_text("key"), bytes_text("1"), NULL), 0);
    assert_reads(&kv, 7, "1");
    assert_false(kv_read_from(&kv, 8, bytes_text("key"), &read));
    kv_memory_close(&m);
}

static void a_scan_finds_whoever_has_the_key(void **context)
{
    static const uint64_t IDS[] = {UINT64_MAX, 3, 42};
    static const uint64_t FOUND[] = {3, UINT64_MAX};
    struct kv_memory m;
    struct kv_cursor cursor = {0};
    struct kv_found found;
    struct kv kv;

    (void)context;
    kv_memory_init(&m, 42, 1000);
    kv = kv_memory_seam(&m, NULL);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(
                kv_memory_put(&m, IDS[i], bytes_text("key"), bytes_text("v")),
                0);
    }
    kv_memory_delete(&m, 42, bytes_text("key"));
    for (size_t i = 0; i < 2; i++) {
        assert_true(kv_scan(&kv, bytes_text("key"), &cursor, &found));
        assert_int_equal(found.node_id, FOUND[i]);
        assert_true(bytes_equal_text(found.value, "v"));
    }
    assert_false(kv_scan(&kv, bytes_text("key"), &cursor, &found));
    kv_memory_close(&m);
}

static void changes_reach_the_watches(void **context)
{
    struct kv_watches watches;
    struct kv_memory m;
    struct kv_change change;
    struct kv_hit hit;
    size_t cursor = 0;
    struct kv kv;

    (void)context;
    assert_int_equal(kv_watches_init(&watches, 2), 0);
    kv_memory_init(&m, 1, 1000);
    kv = kv_memory_seam(&m, &watches);
    assert_int_equal(kv_watch(&kv, bytes_text("control:"), 5), 0);
    assert_int_equal(kv_memory_put(&m, 2, bytes_text("control:barrier"),
                             bytes_text("{}")),
            0);
    assert_true(kv_memory_change(&m, &change));
    assert_int_equal(change.node_id, 2);
    assert_true(kv_watches_next(&watches, &change, &cursor, &hit));
    assert_int_equal(hit.tag, 5);
    assert_true(bytes_equal_text(hit.rest, "barrier"));
    assert_false(kv_memory_change(&m, &change));
    kv_unwatch(&kv, 5);
    cursor = 0;
    assert_false(kv_watches_next(&watches, &change, &cursor, &hit));
    kv_memory_close(&m);
    kv_watches_close(&watches);
}

static void a_full_memory_says_so(void **context)
{
    struct kv_memory m;
    struct error err;
    struct kv kv;

    (void)context;
    kv_memory_init(&m, 1, 10);
    kv = kv_memory_seam(&m, NULL);
    assert_int_equal(
            kv_write(&kv, bytes_text("key"), bytes_text("1"), &err), ERR_FULL);
    assert_string_equal(err.text, "the keys take more than 10 bytes");
    kv_memory_close(&m);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
            cmocka_unit_test(what_is_written_can_be_read),
            cmocka_unit_test(a_scan_finds_whoever_has_the_key),
            cmocka_unit_test(changes_reach_the_watches),
            cmocka_unit_test(a_full_memory_says_so),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
