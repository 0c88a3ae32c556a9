/* One owner's keys. The numbers in the names are those of the checklist of
 * observable behaviours in docs/wire.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/error.h"
#include "kv/kv_state.h"

struct fixture {
    struct budget budget;
    struct kv_state state;
};

static int setup(void **context)
{
    static struct fixture fixture;

    fixture.budget = (struct budget){.max_bytes = 64 << 20};
    kv_state_init(&fixture.state, &fixture.budget, 7);
    *context = &fixture;
    return 0;
}

static int teardown(void **context)
{
    struct fixture *fixture = *context;

    kv_state_check(&fixture->state);
    kv_state_close(&fixture->state);
    assert_int_equal(fixture->budget.used_bytes, 0);
    return 0;
}

static struct kv_state *state_of(void **context)
{
    return &((struct fixture *)*context)->state;
}

static void set(struct kv_state *s, const char *key, const char *value)
{
    assert_int_equal(kv_state_set(s, bytes_text(key), bytes_text(value)), 0);
}

static const struct kv_entry *versioned(struct kv_state *s, const char *key)
{
    return kv_state_get_versioned(s, bytes_text(key));
}

static void assert_entry(struct kv_state *s, const char *key, const char *value,
        uint64_t version, enum kv_status status)
{
    const struct kv_entry *entry = versioned(s, key);

    assert_non_null(entry);
    assert_true(bytes_equal_text(entry->value, value));
    assert_int_equal(entry->version, version);
    assert_int_equal(entry->status, status);
}

static void assert_absent(struct kv_state *s, const char *key)
{
    assert_null(kv_state_get(s, bytes_text(key)));
}

static void assert_pair(const struct kv_state *s, uint64_t gc, uint64_t max)
{
    assert_int_equal(s->last_gc_version, gc);
    assert_int_equal(s->max_version, max);
}

/* Applies a node delta as a member table does. */
static enum kv_decision apply(struct kv_state *s, const struct kv_delta *delta,
        const struct kv_update *updates, size_t count)
{
    enum kv_decision decision = kv_state_judge(s, delta);
    uint64_t known;

    if (decision == KV_REJECT) {
        return decision;
    }
    if (decision == KV_RESET) {
        kv_state_reset(s, delta->last_gc_version);
    }
    known = s->max_version;
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(kv_state_receive(s, known, &updates[i], 0), 0);
    }
    kv_state_raise(s, delta->max_version);
    return decision;
}

static struct kv_update update(const char *key, const char *value,
        uint64_t version, enum kv_status status)
{
    return (struct kv_update){
            bytes_text(key), bytes_text(value), version, status};
}

/* A copy that stands at (gc, max) and holds `key` at the version max. */
static void stand_at(
        struct kv_state *s, uint64_t gc, uint64_t max, const char *key)
{
    struct kv_update only = update(key, "old", max, KV_SET);

    kv_state_reset(s, gc);
    if (max > 0) {
        assert_int_equal(kv_state_receive(s, 0, &only, 0), 0);
    }
    assert_pair(s, gc, max);
}

static void s19_1_an_empty_state_lists_nothing(void **context)
{
    assert_null(kv_state_stale(state_of(context), 0));
    assert_int_equal(kv_state_stale_count(state_of(context), 0, 9), 0);
}

static void s19_2_stale_entries_come_in_ascending_version(void **context)
{
    struct kv_state *s = state_of(context);
    const struct kv_entry *entry;

    set(s, "c", "1");
    set(s, "b", "2");
    set(s, "a", "3");
    entry = kv_state_stale(s, 1);
    assert_true(bytes_equal_text(entry->node.key, "b"));
    entry = kv_state_newer(entry);
    assert_true(bytes_equal_text(entry->node.key, "a"));
    assert_null(kv_state_newer(entry));
    assert_int_equal(kv_state_stale_count(s, 1, 9), 2);
    assert_int_equal(kv_state_stale_count(s, 1, 1), 1);
}

static void s19_10_the_first_write_has_version_one(void **context)
{
    set(state_of(context), "key", "");
    assert_entry(state_of(context), "key", "", 1, KV_SET);
}

static void s19_11_keys_share_the_versions(void **context)
{
    struct kv_state *s = state_of(context);

    set(s, "a", "1");
    set(s, "b", "2");
    assert_entry(s, "a", "1", 1, KV_SET);
    set(s, "a", "3");
    assert_entry(s, "b", "2", 2, KV_SET);
    assert_entry(s, "a", "3", 3, KV_SET);
}

static void s19_12_the_same_value_again_is_no_write(void **context)
{
    struct kv_state *s = state_of(context);

    set(s, "key", "1");
    set(s, "key", "1");
    assert_entry(s, "key", "1", 1, KV_SET);
    assert_pair(s, 0, 1);
}

static void s19_13_a_deleted_key_can_be_set_back(void **context)
{
    struct kv_state *s = state_of(context);

    set(s, "key", "2");
    kv_state_delete(s, bytes_text("key"), 1234);
    assert_absent(s, "key");
    assert_entry(s, "key", "", 2, KV_DELETE);
    assert_int_equal(versioned(s, "key")->status_ms, 1234);
    set(s, "key", "2");
    assert_entry(s, "key", "2", 3, KV_SET);
    assert_int_equal(versioned(s, "key")->status_ms, 0);
}

static void s19_14_a_ttl_keeps_the_key_readable(void **context)
{
    struct kv_state *s = state_of(context);

    set(s, "key", "1");
    kv_state_delete_after_ttl(s, bytes_text("key"), 1234);
    assert_non_null(kv_state_get(s, bytes_text("key")));
    assert_entry(s, "key", "1", 2, KV_DELETE_AFTER_TTL);
    assert_int_equal(versioned(s, "key")->status_ms, 1234);
    set(s, "key", "2");
    assert_entry(s, "key", "2", 3, KV_SET);
}

static void s19_15_a_set_takes_the_ttl_away(void **context)
{
    struct kv_state *s = state_of(context);

    set(s, "key", "1");
    kv_state_delete_after_ttl(s, bytes_text("key"), 0);
    set(s, "key", "other");
    assert_entry(s, "key", "other", 3, KV_SET);
    kv_state_collect(s, 1000000, 1);
    assert_non_null(kv_state_get(s, bytes_text("key")));
}

static void g10_setting_a_ttl_key_to_its_own_value_is_a_write(void **context)
{
    struct kv_state *s = state_of(context);

    set(s, "key", "1");
    kv_state_delete_after_ttl(s, bytes_text("key"), 0);
    set(s, "key", "1");
    assert_entry(s, "key", "1", 3, KV_SET);
}

static void s19_16_set_with_ttl_is_readable(void **context)
{
    struct kv_state *s = state_of(context);

    kv_state_set_with_ttl(s, bytes_text("key"), bytes_text("v"), 9);
    assert_non_null(kv_state_get(s, bytes_text("key")));
    assert_entry(s, "key", "v", 1, KV_DELETE_AFTER_TTL);
}

static void s19_18_a_tombstone_is_collected_after_its_grace(void **context)
{
    struct kv_state *s = state_of(context);

    set(s, "gone", "1");
    set(s, "kept", "2");
    kv_state_delete(s, bytes_text("gone"), 10000);
    kv_state_collect(s, 15000, 10000);
    assert_non_null(versioned(s, "gone"));
    kv_state_collect(s, 19999, 10000);
    assert_non_null(versioned(s, "gone"));
    kv_state_collect(s, 20000, 10000);
    assert_null(versioned(s, "gone"));
    assert_entry(s, "kept", "2", 2, KV_SET);
    assert_pair(s, 3, 3);
}

static void s19_19_a_prefix_lists_its_keys_in_order(void **context)
{
    static const char *const KEYS[] = {"Europe", "Europe:", "Europe:UK",
            "Europe:Italy", "Asia:Japan", "Africa:Uganda", "Oceania"};
    struct kv_state *s = state_of(context);
    struct bytes prefix = bytes_text("Europe:");
    const struct kv_entry *entry;

    for (size_t i = 0; i < sizeof(KEYS) / sizeof(KEYS[0]); i++) {
        set(s, KEYS[i], "x");
    }
    kv_state_delete(s, bytes_text("Europe:UK"), 0);
    entry = kv_state_first(s, prefix);
    assert_true(bytes_equal_text(entry->node.key, "Europe:"));
    entry = kv_state_next(s, entry, prefix);
    assert_true(bytes_equal_text(entry->node.key, "Europe:Italy"));
    assert_null(kv_state_next(s, entry, prefix));
}

static void the_empty_prefix_lists_every_readable_key(void **context)
{
    struct kv_state *s = state_of(context);
    const struct kv_entry *entry;
    size_t count = 0;

    set(s, "", "empty key");
    set(s, "a", "1");
    set(s, "b", "2");
    kv_state_delete(s, bytes_text("a"), 0);
    for (entry = kv_state_first(s, bytes_text("")); entry != NULL;
            entry = kv_state_next(s, entry, bytes_text(""))) {
        count++;
    }
    assert_int_equal(count, 2);
    assert_int_equal(s->visible, 2);
    assert_int_equal(s->entries, 3);
}

static void s19_20_a_deleted_key_reads_as_absent(void **context)
{
    struct kv_state *s = state_of(context);

    set(s, "key", "1");
    kv_state_delete(s, bytes_text("key"), 0);
    assert_absent(s, "key");
}

static void s19_21_deleting_nothing_changes_nothing(void **context)
{
    struct kv_state *s = state_of(context);

    set(s, "key", "1");
    kv_state_delete(s, bytes_text("other"), 0);
    kv_state_delete_after_ttl(s, bytes_text("other"), 0);
    assert_pair(s, 0, 1);
    assert_int_equal(s->entries, 1);
}

static void s19_22_a_tombstone_is_deleted_anew(void **context)
{
    struct kv_state *s = state_of(context);

    set(s, "key", "1");
    kv_state_delete(s, bytes_text("key"), 5);
    kv_state_delete(s, bytes_text("key"), 6);
    assert_entry(s, "key", "", 3, KV_DELETE);
    assert_int_equal(versioned(s, "key")->status_ms, 6);
}

static void s19_23_a_ttl_does_not_wake_a_tombstone(void **context)
{
    struct kv_state *s = state_of(context);

    set(s, "key", "1");
    kv_state_delete(s, bytes_text("key"), 0);
    kv_state_delete_after_ttl(s, bytes_text("key"), 0);
    assert_absent(s, "key");
    assert_pair(s, 0, 2);
}

static void s19_24_an_unchanged_ttl_is_not_renewed(void **context)
{
    struct kv_state *s = state_of(context);

    kv_state_set_with_ttl(s, bytes_text("key"), bytes_text("v"), 100);
    kv_state_set_with_ttl(s, bytes_text("key"), bytes_text("v"), 200);
    assert_entry(s, "key", "v", 1, KV_DELETE_AFTER_TTL);
    assert_int_equal(versioned(s, "key")->status_ms, 100);
}

static void s19_25_entries_are_taken_whatever_their_order(void **context)
{
    struct kv_state *s = state_of(context);
    struct kv_update updates[] = {
            update("c", "c4", 4, KV_SET), update("b", "b3", 3, KV_SET)};
    struct kv_delta delta = {.from_version = 2, .max_version = 4};

    set(s, "a", "a1");
    set(s, "b", "b2");
    assert_int_equal(apply(s, &delta, updates, 2), KV_APPLY);
    assert_entry(s, "a", "a1", 1, KV_SET);
    assert_entry(s, "b", "b3", 3, KV_SET);
    assert_entry(s, "c", "c4", 4, KV_SET);
    assert_pair(s, 0, 4);
}

static void g18_the_newer_of_two_entries_stays(void **context)
{
    struct kv_state *s = state_of(context);
    struct kv_update updates[] = {update("a", "newer", 4, KV_SET),
            update("a", "older", 3, KV_SET), update("a", "same", 4, KV_SET)};
    struct kv_delta delta = {.from_version = 1, .max_version = 4};

    set(s, "a", "first");
    assert_int_equal(apply(s, &delta, updates, 3), KV_APPLY);
    assert_entry(s, "a", "newer", 4, KV_SET);
}

/* Each floor between the versions, on the way from either end. */
static void news_begin_right_above_the_floor(void **context)
{
    struct kv_state *s = state_of(context);

    for (uint64_t i = 0; i < 9; i++) {
        char key[] = {(char)('a' + i), '\0'};

        kv_state_raise(s, 10 * i + 9);
        set(s, key, "v");
    }
    for (uint64_t floor = 0; floor < 100; floor++) {
        const struct kv_entry *entry = kv_state_stale(s, floor);

        if (floor >= 90) {
            assert_null(entry);
        } else {
            assert_int_equal(entry->version, floor / 10 * 10 + 10);
        }
    }
}

static void s19_26_an_unchanged_value_takes_the_new_version(void **context)
{
    struct kv_state *s = state_of(context);
    struct kv_update again = update("a", "v", 3, KV_SET);
    struct kv_delta delta = {.from_version = 1, .max_version = 3};

    set(s, "a", "v");
    apply(s, &delta, &again, 1);
    assert_entry(s, "a", "v", 3, KV_SET);
}

static void s19_27_a_delta_from_the_future_changes_nothing(void **context)
{
    struct kv_state *s = state_of(context);
    struct kv_update next = update("b", "v", 7, KV_SET);
    struct kv_delta delta = {.from_version = 6, .max_version = 7};

    stand_at(s, 0, 5, "a");
    assert_int_equal(apply(s, &delta, &next, 1), KV_REJECT);
    assert_pair(s, 0, 5);
    assert_null(versioned(s, "b"));
}

static void s19_28_an_entry_behind_a_collection_is_taken(void **context)
{
    struct kv_state *s = state_of(context);
    struct kv_update next = update("new", "v", 32, KV_SET);
    struct kv_delta delta = {30, 31, 32};

    for (int i = 0; i < 15; i++) {
        set(s, "key", i % 2 == 0 ? "even" : "odd");
    }
    set(s, "gone", "");
    kv_state_delete(s, bytes_text("gone"), 0);
    kv_state_delete(s, bytes_text("gone"), 0);
    kv_state_collect(s, 10, 10);
    assert_pair(s, 18, 18);
    kv_state_raise(s, 31);
    assert_int_equal(apply(s, &delta, &next, 1), KV_APPLY);
    assert_pair(s, 18, 32);
    assert_entry(s, "new", "v", 32, KV_SET);
}

static void s19_29_a_reset_leaves_only_the_new(void **context)
{
    struct kv_state *s = state_of(context);
    struct kv_update next = update("new", "v", 32, KV_SET);
    struct kv_delta delta = {30, 0, 32};

    stand_at(s, 0, 17, "old");
    assert_int_equal(apply(s, &delta, &next, 1), KV_RESET);
    assert_null(versioned(s, "old"));
    assert_entry(s, "new", "v", 32, KV_SET);
    assert_pair(s, 30, 32);
}

static void s19_30_an_older_copy_teaches_nothing(void **context)
{
    struct kv_state *s = state_of(context);
    struct kv_update old = update("key", "older", 30, KV_SET);
    struct kv_delta delta = {17, 0, 30};

    stand_at(s, 0, 32, "key");
    assert_int_equal(apply(s, &delta, &old, 1), KV_REJECT);
    assert_entry(s, "key", "old", 32, KV_SET);
}

static void s19_31_a_reset_may_end_below_its_collection(void **context)
{
    struct kv_state *s = state_of(context);
    struct kv_update next = update("new", "v", 80, KV_SET);
    struct kv_delta delta = {120, 0, 80};

    stand_at(s, 50, 70, "one");
    assert_int_equal(apply(s, &delta, &next, 1), KV_RESET);
    assert_pair(s, 120, 80);
    assert_int_equal(s->entries, 1);
    assert_entry(s, "new", "v", 80, KV_SET);
}

static void s19_32_a_collection_at_our_max_is_no_gap(void **context)
{
    struct kv_state *s = state_of(context);
    struct kv_update next = update("key", "v", 100, KV_SET);
    struct kv_delta delta = {70, 70, 100};

    stand_at(s, 50, 70, "old");
    assert_int_equal(apply(s, &delta, &next, 1), KV_APPLY);
    assert_pair(s, 50, 100);
    assert_entry(s, "key", "v", 100, KV_SET);
}

static void s19_33_a_lower_max_never_resets(void **context)
{
    struct kv_state *s = state_of(context);
    struct kv_update old = update("key", "v", 18, KV_SET);
    struct kv_delta delta = {20, 0, 18};

    stand_at(s, 0, 20, "key");
    assert_int_equal(apply(s, &delta, &old, 1), KV_REJECT);
    assert_entry(s, "key", "old", 20, KV_SET);
    assert_pair(s, 0, 20);
}

static void s19_114_a_collection_at_our_max_resets_nothing(void **context)
{
    struct kv_state *s = state_of(context);
    struct kv_update next = update("new", "v", 25, KV_SET);
    struct kv_delta delta = {20, 0, 25};

    stand_at(s, 0, 20, "key");
    assert_int_equal(apply(s, &delta, &next, 1), KV_APPLY);
    assert_entry(s, "key", "old", 20, KV_SET);
    assert_pair(s, 0, 25);
}

/* The worked decisions of docs/wire.md, row by row. */
static void s19_36_every_worked_decision(void **context)
{
    static const struct {
        uint64_t gc, max;
        struct kv_delta delta;
        enum kv_decision decision;
        uint64_t gc_after, max_after;
    } ROWS[] = {
            {0, 5, {0, 6, 7}, KV_REJECT, 0, 5},
            {0, 5, {0, 5, 7}, KV_APPLY, 0, 7},
            {0, 5, {0, 3, 7}, KV_APPLY, 0, 7},
            {0, 5, {0, 0, 5}, KV_REJECT, 0, 5},
            {0, 5, {0, 0, 7}, KV_APPLY, 0, 7},
            {18, 31, {30, 31, 32}, KV_APPLY, 18, 32},
            {0, 17, {30, 0, 32}, KV_RESET, 30, 32},
            {0, 32, {17, 0, 30}, KV_REJECT, 0, 32},
            {50, 70, {120, 0, 80}, KV_RESET, 120, 80},
            {120, 80, {120, 80, 130}, KV_APPLY, 120, 130},
            {120, 80, {120, 0, 100}, KV_APPLY, 120, 100},
            {50, 70, {70, 70, 100}, KV_APPLY, 50, 100},
            {0, 20, {20, 0, 18}, KV_REJECT, 0, 20},
            {0, 10, {15, 10, 20}, KV_REJECT, 0, 10},
            {0, 10, {15, 0, 0}, KV_RESET, 15, 0},
            {0, 0, {0, 0, 0}, KV_REJECT, 0, 0},
            {0, 0, {5, 0, 9}, KV_RESET, 5, 9},
            {0, 0, {0, 3, 9}, KV_REJECT, 0, 0},
    };
    struct kv_state *s = state_of(context);

    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        printf("row %zu\n", i + 1);
        stand_at(s, ROWS[i].gc, ROWS[i].max, "key");
        assert_int_equal(apply(s, &ROWS[i].delta, NULL, 0), ROWS[i].decision);
        assert_pair(s, ROWS[i].gc_after, ROWS[i].max_after);
        kv_state_check(s);
    }
}

static void s19_37_an_apply_leaves_gc_and_a_reset_takes_it(void **context)
{
    struct kv_state *s = state_of(context);
    struct kv_delta applied = {70, 70, 100};
    struct kv_delta reset = {120, 0, 130};

    stand_at(s, 50, 70, "key");
    apply(s, &applied, NULL, 0);
    assert_int_equal(s->last_gc_version, 50);
    apply(s, &reset, NULL, 0);
    assert_int_equal(s->last_gc_version, 120);
}

static void s19_38_a_collected_tombstone_is_not_stored(void **context)
{
    struct kv_state *s = state_of(context);
    struct kv_update updates[] = {update("gone", "", 90, KV_DELETE),
            update("ttl", "x", 91, KV_DELETE_AFTER_TTL),
            update("kept", "x", 92, KV_SET), update("last", "", 120, KV_DELETE),
            update("later", "", 121, KV_DELETE)};
    struct kv_delta delta = {120, 80, 130};

    stand_at(s, 120, 80, "key");
    apply(s, &delta, updates, 5);
    assert_null(versioned(s, "gone"));
    assert_null(versioned(s, "ttl"));
    assert_null(versioned(s, "last"));
    assert_non_null(versioned(s, "kept"));
    assert_non_null(versioned(s, "later"));
}

/* Deltas as chance makes them, from any owner's any past. */
static void s19_40_121_the_pair_never_decreases(void **context)
{
    struct kv_state *s = state_of(context);
    struct prng chance;

    prng_init(&chance, 40);
    for (int round = 0; round < 20000; round++) {
        uint64_t gc = s->last_gc_version;
        uint64_t max = s->max_version;
        struct kv_update updates[4];
        struct kv_delta delta = {.last_gc_version = prng_below(&chance, 60),
                .from_version = prng_below(&chance, 3) == 0
                                        ? 0
                                        : prng_below(&chance, 60)};
        size_t count = (size_t)prng_below(&chance, 5);
        static const char *const KEYS[] = {"a", "b", "c", "d", "e"};

        for (size_t i = 0; i < count; i++) {
            delta.max_version += 1 + prng_below(&chance, 20);
            updates[i] = update(KEYS[prng_below(&chance, 5)], "v",
                    delta.max_version, (enum kv_status)prng_below(&chance, 3));
        }
        apply(s, &delta, updates, count);
        assert_true(s->last_gc_version > gc ||
                    (s->last_gc_version == gc && s->max_version >= max));
        kv_state_check(s);
        if (prng_below(&chance, 50) == 0) {
            kv_state_reset(s, 0);
        }
    }
}

static void s19_110_a_key_may_start_with_any_character(void **context)
{
    struct kv_state *s = state_of(context);

    set(s, "\xc3\xa4rger", "1");
    set(s, "\xf0\x9f\xa7\xb5", "2");
    assert_entry(s, "\xc3\xa4rger", "1", 1, KV_SET);
    assert_non_null(kv_state_first(s, bytes_text("\xc3\xa4")));
    assert_non_null(kv_state_first(s, bytes_text("\xf0\x9f\xa7\xb5")));
    assert_null(kv_state_first(s, bytes_text("\xc3\xa4z")));
}

static void a_full_budget_refuses_and_changes_nothing(void **context)
{
    struct kv_state *s = state_of(context);

    s->budget->max_bytes = 2 * KV_ENTRY_BYTES + 10;
    set(s, "a", "1234");
    assert_int_equal(
            kv_state_set(s, bytes_text("b"), bytes_text("12345")), ERR_FULL);
    assert_null(versioned(s, "b"));
    assert_pair(s, 0, 1);
    set(s, "b", "1234");
    assert_int_equal(
            kv_state_set(s, bytes_text("b"), bytes_text("12345")), ERR_FULL);
    assert_entry(s, "b", "1234", 2, KV_SET);
    set(s, "b", "4321");
    assert_int_equal(kv_state_delete(s, bytes_text("a"), 0), 0);
    set(s, "b", "12345");
    assert_entry(s, "b", "12345", 5, KV_SET);
}

static void a_full_budget_keeps_the_prefix_of_a_delta(void **context)
{
    struct kv_state *s = state_of(context);
    struct kv_update first = update("a", "1", 3, KV_SET);
    struct kv_update second = update("b", "2", 8, KV_SET);

    s->budget->max_bytes = KV_ENTRY_BYTES + 2;
    assert_int_equal(kv_state_receive(s, 0, &first, 0), 0);
    assert_int_equal(kv_state_receive(s, 0, &second, 0), ERR_FULL);
    assert_pair(s, 0, 3);
}

static void assert_change(struct kv_state *s, const char *key)
{
    const struct kv_entry *entry = kv_state_change(s);

    assert_non_null(entry);
    assert_true(bytes_equal_text(entry->node.key, key));
}

static void changes_are_told_once_and_in_version_order(void **context)
{
    struct kv_state *s = state_of(context);

    set(s, "a", "1");
    set(s, "b", "2");
    set(s, "a", "3");
    assert_change(s, "b");
    set(s, "c", "4");
    assert_change(s, "a");
    assert_change(s, "c");
    assert_null(kv_state_change(s));
    kv_state_delete_after_ttl(s, bytes_text("a"), 0);
    assert_null(kv_state_change(s));
    kv_state_delete(s, bytes_text("b"), 0);
    assert_change(s, "b");
    assert_null(kv_state_change(s));
}

static void what_is_gone_is_no_change(void **context)
{
    struct kv_state *s = state_of(context);

    set(s, "a", "1");
    kv_state_set_with_ttl(s, bytes_text("b"), bytes_text("2"), 0);
    set(s, "c", "3");
    assert_change(s, "a");
    kv_state_collect(s, 10, 5);
    assert_change(s, "c");
    set(s, "d", "4");
    kv_state_reset(s, 9);
    assert_null(kv_state_change(s));
}

/* Keys that would make an unbalanced tree a list. */
static void twenty_thousand_keys_in_order_are_quick(void **context)
{
    struct kv_state *s = state_of(context);
    char key[16];

    for (int i = 0; i < 20000; i++) {
        snprintf(key, sizeof(key), "key-%06d", i);
        set(s, key, "v");
    }
    for (int i = 0; i < 20000; i += 2) {
        snprintf(key, sizeof(key), "key-%06d", i);
        kv_state_delete(s, bytes_text(key), 5);
    }
    assert_int_equal(kv_state_stale_count(s, 20000, SIZE_MAX), 10000);
    kv_state_collect(s, 10, 5);
    assert_int_equal(s->entries, 10000);
    assert_pair(s, 30000, 30000);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest cases[] = {
            CASE(s19_1_an_empty_state_lists_nothing),
            CASE(s19_2_stale_entries_come_in_ascending_version),
            CASE(s19_10_the_first_write_has_version_one),
            CASE(s19_11_keys_share_the_versions),
            CASE(s19_12_the_same_value_again_is_no_write),
            CASE(s19_13_a_deleted_key_can_be_set_back),
            CASE(s19_14_a_ttl_keeps_the_key_readable),
            CASE(s19_15_a_set_takes_the_ttl_away),
            CASE(g10_setting_a_ttl_key_to_its_own_value_is_a_write),
            CASE(s19_16_set_with_ttl_is_readable),
            CASE(s19_18_a_tombstone_is_collected_after_its_grace),
            CASE(s19_19_a_prefix_lists_its_keys_in_order),
            CASE(the_empty_prefix_lists_every_readable_key),
            CASE(s19_20_a_deleted_key_reads_as_absent),
            CASE(s19_21_deleting_nothing_changes_nothing),
            CASE(s19_22_a_tombstone_is_deleted_anew),
            CASE(s19_23_a_ttl_does_not_wake_a_tombstone),
            CASE(s19_24_an_unchanged_ttl_is_not_renewed),
            CASE(s19_25_entries_are_taken_whatever_their_order),
            CASE(g18_the_newer_of_two_entries_stays),
            CASE(news_begin_right_above_the_floor),
            CASE(s19_26_an_unchanged_value_takes_the_new_version),
            CASE(s19_27_a_delta_from_the_future_changes_nothing),
            CASE(s19_28_an_entry_behind_a_collection_is_taken),
            CASE(s19_29_a_reset_leaves_only_the_new),
            CASE(s19_30_an_older_copy_teaches_nothing),
            CASE(s19_31_a_reset_may_end_below_its_collection),
            CASE(s19_32_a_collection_at_our_max_is_no_gap),
            CASE(s19_33_a_lower_max_never_resets),
            CASE(s19_36_every_worked_decision),
            CASE(s19_37_an_apply_leaves_gc_and_a_reset_takes_it),
            CASE(s19_38_a_collected_tombstone_is_not_stored),
            CASE(s19_40_121_the_pair_never_decreases),
            CASE(s19_110_a_key_may_start_with_any_character),
            CASE(s19_114_a_collection_at_our_max_resets_nothing),
            CASE(a_full_budget_refuses_and_changes_nothing),
            CASE(a_full_budget_keeps_the_prefix_of_a_delta),
            CASE(changes_are_told_once_and_in_version_order),
            CASE(what_is_gone_is_no_change),
            CASE(twenty_thousand_keys_in_order_are_quick),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
