#include "checkpoint_harness.h"

static void an_entry_begins_running_with_no_step(void **state)
{
    static struct checkpoint_ledger ledger;
    const struct checkpoint_entry *entry;

    (void)state;
    ledger = (struct checkpoint_ledger){.count = 0};
    entry = checkpoint_ledger_begin(&ledger, 700);
    assert_true(entry->is_running);
    assert_int_equal(entry->prepared_us, 700);
    for (int step = 0; step < CHECKPOINT_STEPS; step++) {
        assert_false(entry->has_step[step]);
    }
    assert_ptr_equal(checkpoint_ledger_at(&ledger, 0), entry);
}

static void a_step_counts_from_prepare_and_only_once(void **state)
{
    static struct checkpoint_ledger ledger;
    struct checkpoint_entry *entry;

    (void)state;
    ledger = (struct checkpoint_ledger){.count = 0};
    entry = checkpoint_ledger_begin(&ledger, 1000);
    checkpoint_ledger_step(entry, CHECKPOINT_ALIGNED, 1250);
    checkpoint_ledger_step(entry, CHECKPOINT_ALIGNED, 9999);
    assert_true(entry->has_step[CHECKPOINT_ALIGNED]);
    assert_int_equal(entry->step_us[CHECKPOINT_ALIGNED], 250);
    assert_false(entry->has_step[CHECKPOINT_WRITTEN]);
}

static void the_sixty_fifth_replaces_the_oldest(void **state)
{
    static struct checkpoint_ledger ledger;

    (void)state;
    ledger = (struct checkpoint_ledger){.count = 0};
    for (uint64_t epoch = 1; epoch <= CHECKPOINT_LEDGER_MAX + 1; epoch++) {
        checkpoint_ledger_begin(&ledger, epoch)->epoch = epoch;
    }
    assert_int_equal(ledger.count, CHECKPOINT_LEDGER_MAX);
    assert_int_equal(
            checkpoint_ledger_at(&ledger, 0)->epoch, CHECKPOINT_LEDGER_MAX + 1);
    assert_int_equal(
            checkpoint_ledger_at(&ledger, CHECKPOINT_LEDGER_MAX - 1)->epoch, 2);
    assert_null(checkpoint_ledger_find(&ledger, 0, 0, 1, 0));
}

static void an_entry_is_found_by_its_attempt_or_as_the_latest(void **state)
{
    static struct checkpoint_ledger ledger;

    (void)state;
    ledger = (struct checkpoint_ledger){.count = 0};
    for (uint64_t attempt = 1; attempt <= 3; attempt++) {
        struct checkpoint_entry *entry = checkpoint_ledger_begin(&ledger, 0);

        entry->leader = 9;
        entry->generation = 90;
        entry->epoch = 5;
        entry->attempt = attempt;
    }
    assert_int_equal(checkpoint_ledger_find(&ledger, 9, 90, 5, 2)->attempt, 2);
    assert_int_equal(checkpoint_ledger_find(&ledger, 9, 90, 5, 0)->attempt, 3);
    assert_null(checkpoint_ledger_find(&ledger, 9, 91, 5, 2));
    assert_null(checkpoint_ledger_find(&ledger, 8, 90, 5, 2));
    assert_null(checkpoint_ledger_find(&ledger, 9, 90, 6, 2));
}

static void every_step_has_a_name(void **state)
{
    static const char *const names[] = {
            "marked", "aligned", "written", "acked", "decided", "known"};

    (void)state;
    for (int step = 0; step < CHECKPOINT_STEPS; step++) {
        assert_string_equal(
                checkpoint_step_name((enum checkpoint_step)step), names[step]);
    }
}

static void clauses_make_a_sentence_and_a_long_one_ends_in_dots(void **state)
{
    static const uint64_t ids[] = {3, 4, 5, 6, 7, 8, 9, 10, 11};
    char reason[CHECKPOINT_REASON_BYTES] = "";

    (void)state;
    checkpoint_reason_add(reason, "node %d is not done", 2);
    checkpoint_reason_add_nodes(reason, "no word from", ids, 1);
    checkpoint_reason_add_nodes(reason, "no word from", ids, 3);
    assert_string_equal(reason, "node 2 is not done; no word from node 3; "
                                "no word from nodes 3, 4 and 5");
    reason[0] = '\0';
    checkpoint_reason_add_nodes(reason, "no word from", ids, 9);
    assert_string_equal(
            reason, "no word from nodes 3, 4, 5, 6, 7, 8, 9 and 2 more");
    for (int i = 0; i < 200; i++) {
        checkpoint_reason_add(reason, "gr\xC3\xBC\xC3\x9F"
                                      "e");
    }
    assert_true(strlen(reason) < CHECKPOINT_REASON_BYTES);
    assert_string_equal(reason + strlen(reason) - 3, "...");
    assert_true(bytes_is_utf8(bytes_text(reason)));
}

static void a_strangers_sentence_is_made_printable(void **state)
{
    char reason[CHECKPOINT_REASON_BYTES];
    char text[2 * CHECKPOINT_REASON_BYTES];

    (void)state;
    checkpoint_reason_copy(reason, bytes_text("a\nb\x1B[31mc"));
    assert_string_equal(reason, "ab[31mc");
    checkpoint_reason_copy(reason, bytes_text("\xFF"));
    assert_string_equal(reason, "");
    for (size_t i = 0; i < sizeof(text); i += 2) {
        memcpy(text + i, "\xC3\xBC", 2);
    }
    checkpoint_reason_copy(reason, bytes_of(text, sizeof(text)));
    assert_true(strlen(reason) > CHECKPOINT_REASON_BYTES - 8);
    assert_true(bytes_is_utf8(bytes_text(reason)));
}

static void the_first_decision_stands(void **state)
{
    static struct checkpoint_decisions d;
    struct checkpoint_decision one = {1, 10, 5, true};

    (void)state;
    d = (struct checkpoint_decisions){.count = 0};
    assert_int_equal(
            checkpoint_decisions_put(&d, &one), CHECKPOINT_DECISIONS_NEW);
    assert_int_equal(
            checkpoint_decisions_put(&d, &one), CHECKPOINT_DECISIONS_SAME);
    one.is_committed = false;
    assert_int_equal(
            checkpoint_decisions_put(&d, &one), CHECKPOINT_DECISIONS_OTHER);
    assert_true(checkpoint_decisions_find(&d, 1, 10, 5)->is_committed);
    assert_null(checkpoint_decisions_find(&d, 1, 11, 5));
    assert_null(checkpoint_decisions_find(&d, 2, 10, 5));
    assert_null(checkpoint_decisions_find(&d, 1, 10, 6));
}

static void what_the_disk_says_last_stands(void **state)
{
    static struct checkpoint_decisions d;
    struct checkpoint_decision one = {1, 10, 5, true};

    (void)state;
    d = (struct checkpoint_decisions){.count = 0};
    checkpoint_decisions_correct(&d, &one);
    one.is_committed = false;
    checkpoint_decisions_correct(&d, &one);
    assert_int_equal(d.count, 1);
    assert_false(checkpoint_decisions_find(&d, 1, 10, 5)->is_committed);
}

static void the_last_sixty_four_decisions_are_known(void **state)
{
    static struct checkpoint_decisions d;

    (void)state;
    d = (struct checkpoint_decisions){.count = 0};
    for (uint64_t epoch = 1; epoch <= CHECKPOINT_DECISIONS_MAX + 2; epoch++) {
        checkpoint_decisions_put(
                &d, &(struct checkpoint_decision){1, 1, epoch, true});
    }
    assert_null(checkpoint_decisions_find(&d, 1, 1, 2));
    assert_non_null(checkpoint_decisions_find(&d, 1, 1, 3));
    assert_non_null(
            checkpoint_decisions_find(&d, 1, 1, CHECKPOINT_DECISIONS_MAX + 2));
}

static void stages_are_kept_once_and_in_order(void **state)
{
    static struct checkpoint_stages s;
    const struct bytes names[] = {bytes_text("words"), bytes_text("a"),
            bytes_text("words"), bytes_text(""), bytes_text("lines")};

    (void)state;
    checkpoint_stages_clear(&s);
    checkpoint_stages_add_all(&s, names, 5);
    assert_int_equal(s.count, 3);
    assert_true(bytes_equal_text(s.list[0], "a"));
    assert_true(bytes_equal_text(s.list[1], "lines"));
    assert_true(bytes_equal_text(s.list[2], "words"));
    assert_true(checkpoint_stages_has(&s, bytes_text("lines")));
    assert_false(checkpoint_stages_has(&s, bytes_text("line")));
    for (int i = 0; i < 2 * CHECKPOINT_STAGES_MAX; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "s%d", i);
        checkpoint_stages_add(&s, bytes_text(name));
    }
    assert_int_equal(s.count, CHECKPOINT_STAGES_MAX);
}

static void attempts_of_two_leaders_have_two_ids(void **state)
{
    uint64_t id = checkpoint_attempt_id(1, 1767225600000, 5);

    (void)state;
    assert_int_equal(id >> 32, 5);
    assert_int_not_equal(id, checkpoint_attempt_id(2, 1767225600000, 5));
    assert_int_not_equal(id, checkpoint_attempt_id(1, 1767225600001, 5));
    assert_int_equal(
            checkpoint_attempt_id(1, 2, (UINT64_C(7) << 32) + 3) >> 32, 3);
    assert_int_not_equal(checkpoint_attempt_cut(1, 2, 3, 4),
            checkpoint_attempt_cut(1, 2, 3, 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(an_entry_begins_running_with_no_step),
            cmocka_unit_test(a_step_counts_from_prepare_and_only_once),
            cmocka_unit_test(the_sixty_fifth_replaces_the_oldest),
            cmocka_unit_test(an_entry_is_found_by_its_attempt_or_as_the_latest),
            cmocka_unit_test(every_step_has_a_name),
            cmocka_unit_test(
                    clauses_make_a_sentence_and_a_long_one_ends_in_dots),
            cmocka_unit_test(a_strangers_sentence_is_made_printable),
            cmocka_unit_test(the_first_decision_stands),
            cmocka_unit_test(what_the_disk_says_last_stands),
            cmocka_unit_test(the_last_sixty_four_decisions_are_known),
            cmocka_unit_test(stages_are_kept_once_and_in_order),
            cmocka_unit_test(attempts_of_two_leaders_have_two_ids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
