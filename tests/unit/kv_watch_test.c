/* Watches alone: which of them a change concerns, and in which order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "kv/kv_watch.h"

/* The tags that a change of `key` hits, as letters. */
static void hits_of(const struct kv_watches *w, const char *key,
        bool is_deletion, char text[static 16])
{
    struct kv_change change = {
            .node_id = 1, .key = bytes_text(key), .is_deletion = is_deletion};
    size_t cursor = 0;
    size_t count = 0;
    struct kv_hit hit;

    while (kv_watches_next(w, &change, &cursor, &hit)) {
        text[count++] = (char)hit.tag;
    }
    text[count] = '\0';
}

static void add(struct kv_watches *w, const char *prefix, char tag)
{
    const struct kv_watch watch = {
            .prefix = bytes_text(prefix), .tag = (uint64_t)tag};

    assert_int_equal(kv_watches_add(w, &watch), 0);
}

static void s19_105_every_prefix_of_the_key_is_told(void **context)
{
    static const char *const ROWS[][2] = {{"hello", "e"}, {"", "e"}, {"a", "e"},
            {"b", "eb"}, {"ba", "eb"}, {"bb", "ebxy"}};
    struct kv_watches w;
    char text[16];

    (void)context;
    assert_int_equal(kv_watches_init(&w, 8), 0);
    add(&w, "bc", 'c');
    add(&w, "bb", 'x');
    add(&w, "b", 'b');
    add(&w, "", 'e');
    add(&w, "bb", 'y');
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        printf("key \"%s\"\n", ROWS[i][0]);
        hits_of(&w, ROWS[i][0], false, text);
        assert_string_equal(text, ROWS[i][1]);
    }
    kv_watches_close(&w);
}

static void the_prefix_is_taken_off(void **context)
{
    struct kv_change change = {.key = bytes_text("prefix:x")};
    struct kv_watches w;
    struct kv_hit hit;
    size_t cursor = 0;

    (void)context;
    assert_int_equal(kv_watches_init(&w, 1), 0);
    add(&w, "prefix:", 'p');
    assert_true(kv_watches_next(&w, &change, &cursor, &hit));
    assert_true(bytes_equal_text(hit.rest, "x"));
    change.key = bytes_text("prefix:");
    cursor = 0;
    assert_true(kv_watches_next(&w, &change, &cursor, &hit));
    assert_int_equal(hit.rest.size, 0);
    kv_watches_close(&w);
}

static void deletions_are_for_those_who_want_them(void **context)
{
    const struct kv_watch all = {
            .prefix = bytes_text(""), .tag = 'd', .wants_deletions = true};
    struct kv_watches w;
    char text[16];

    (void)context;
    assert_int_equal(kv_watches_init(&w, 4), 0);
    add(&w, "", 'e');
    assert_int_equal(kv_watches_add(&w, &all), 0);
    hits_of(&w, "key", true, text);
    assert_string_equal(text, "d");
    hits_of(&w, "key", false, text);
    assert_string_equal(text, "ed");
    kv_watches_close(&w);
}

static void a_removed_watch_is_silent_and_its_place_free(void **context)
{
    struct kv_watches w;
    char text[16];

    (void)context;
    assert_int_equal(kv_watches_init(&w, 2), 0);
    add(&w, "", 'a');
    add(&w, "k", 'b');
    assert_int_equal(kv_watches_add(&w, &(struct kv_watch){0}), ERR_FULL);
    kv_watches_remove(&w, 'a');
    hits_of(&w, "key", false, text);
    assert_string_equal(text, "b");
    add(&w, "", 'c');
    hits_of(&w, "key", false, text);
    assert_string_equal(text, "cb");
    kv_watches_close(&w);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
            cmocka_unit_test(s19_105_every_prefix_of_the_key_is_told),
            cmocka_unit_test(the_prefix_is_taken_off),
            cmocka_unit_test(deletions_are_for_those_who_want_them),
            cmocka_unit_test(a_removed_watch_is_silent_and_its_place_free),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
