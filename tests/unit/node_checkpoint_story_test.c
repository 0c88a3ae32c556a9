/* What a cluster lives through, told as stories: docs/wire.md, "The
 * protocol". */
#include "checkpoint_harness.h"

static void begin(struct harness *h, size_t i)
{
    checkpoint_request(&h->nodes[i]->cp, h->now_us, 1);
    h_drain(h, i);
}

static void heals(struct harness *h, size_t members)
{
    const struct h_answer *answer;
    size_t last = h->nodes_count - 1;

    h_run(h, 15000);
    for (size_t i = 0; i < h->nodes_count; i++) {
        h->nodes[i]->pause_after = 0;
    }
    answer = h_ask(h, last, 5000);
    assert_non_null(answer);
    assert_int_equal(answer->outcome, SHUFFLE_OUTCOME_COMMITTED);
    assert_int_equal(h_latest(h, last)->members_count, members);
}

/* --- what is promised --- */

static void an_epoch_is_never_acked_for_two_leaders(void **state)
{
    struct harness h;
    struct h_call first;
    struct h_call second;

    (void)state;
    h_start(&h, 1);
    h_fact(&h, 0, h_member(8));
    h_fact(&h, 0, h_member(9));
    h_call(&h, 0, 8, 7, &first);
    h_hear(&h, 0, 8, 0, first.a);
    h_run(&h, 1);
    assert_non_null(strstr(h.nodes[0]->ack.text, "\"ok\":true"));
    h_hear(&h, 0, 8, 0, h_outcome_of(&first, CONTROL_COMMIT));
    h_call(&h, 0, 9, 7, &second);
    h_hear(&h, 0, 9, 0, second.a);
    assert_int_equal(h.nodes[0]->cuts, 1);
    assert_non_null(strstr(
            h.nodes[0]->last_sent, "node 1 has acked epoch 7 of leader 8"));
    assert_non_null(strstr(h.nodes[0]->ack.text, "\"leader\":\"8\""));
    h_call(&h, 0, 9, 6, &second); /* nor one below */
    h_hear(&h, 0, 9, 0, second.a);
    assert_int_equal(h.nodes[0]->cuts, 1);
    h_call(&h, 0, 9, 8, &second);
    h_hear(&h, 0, 9, 0, second.a);
    assert_int_equal(h.nodes[0]->cuts, 2);
    h_close(&h);
}

/* Datagrams and connections are read in no order that anybody promises. */
static void the_key_does_not_overtake_the_outcome_before_it(void **state)
{
    struct harness h;
    struct h_call first;
    struct h_call second;

    (void)state;
    h_start(&h, 1);
    h_fact(&h, 0, h_member(9));
    h_call(&h, 0, 9, 7, &first);
    h_hear(&h, 0, 9, 0, first.a);
    h_run(&h, 1);
    assert_non_null(strstr(h.nodes[0]->ack.text, "\"ok\":true"));
    h_call(&h, 0, 9, 8, &second);
    h_hear(&h, 0, 9, 3, second.a);
    assert_int_equal(h.nodes[0]->unknowns, 0);
    assert_int_equal(h.nodes[0]->cuts, 1);
    h_hear(&h, 0, 9, 0, h_outcome_of(&first, CONTROL_COMMIT));
    assert_int_equal(h_latest(&h, 0)->outcome, SHUFFLE_OUTCOME_COMMITTED);
    h_hear(&h, 0, 9, 0, second.a);
    assert_int_equal(h.nodes[0]->cuts, 2);
    h_call(&h, 0, 9, 9, &second); /* a frame is never ahead */
    h_hear(&h, 0, 9, 0, second.a);
    assert_int_equal(h.nodes[0]->cuts, 3);
    h_close(&h);
}

static void another_life_of_the_leader_is_another_leader(void **state)
{
    struct harness h;
    struct h_call call;
    struct checkpoint_member again = h_member(9);

    (void)state;
    h_start(&h, 1);
    h_fact(&h, 0, again);
    h_call(&h, 0, 9, 7, &call);
    h_hear(&h, 0, 9, 0, call.a);
    h_run(&h, 1);
    again.generation++;
    h_fact(&h, 0, again);
    assert_int_equal(h.nodes[0]->unknowns, 1);
    call.a.generation++;
    call.generations[1]++;
    h_hear(&h, 0, 9, 0, call.a);
    assert_int_equal(h.nodes[0]->cuts, 1);
    assert_non_null(strstr(h.nodes[0]->last_sent, "has acked epoch 7"));
    h_close(&h);
}

static void what_is_on_disk_is_held_and_the_leader_goes_above(void **state)
{
    struct harness h;
    const struct h_answer *answer;

    (void)state;
    h_init(&h, 1);
    h_boot(&h, h_add(&h, 1));
    h_add(&h, 2);
    h.nodes[1]->options.epoch_floor = 100;
    h_boot(&h, 1);
    h_meet(&h);
    answer = h_ask(&h, 0, 100);
    assert_int_equal(answer->outcome, SHUFFLE_OUTCOME_ABORTED);
    assert_string_equal(answer->reason, "node 2 has epoch 100 on its disk");
    answer = h_ask(&h, 0, 100);
    assert_int_equal(answer->outcome, SHUFFLE_OUTCOME_COMMITTED);
    assert_int_equal(answer->epoch, 101);
    h_close(&h);
}

static void one_attempt_with_two_contents_is_the_first_one(void **state)
{
    struct harness h;
    struct h_call call;
    struct bytes stage = bytes_text("words");

    (void)state;
    h_start(&h, 1);
    h_fact(&h, 0, h_member(9));
    h_call(&h, 0, 9, 7, &call);
    h_hear(&h, 0, 9, 0, call.a);
    call.a.rotate = &stage;
    call.a.rotate_count = 1;
    h_hear(&h, 0, 9, 4, call.a);
    assert_int_equal(h.nodes[0]->cuts, 1);
    assert_string_equal(h.nodes[0]->order_rotate, "");
    assert_int_equal(h.nodes[0]->warnings, 1);
    assert_non_null(strstr(h.nodes[0]->warning, "with two contents"));
    h_close(&h);
}

static void a_repeated_prepare_repeats_the_ack(void **state)
{
    struct harness h;
    struct h_call call;
    unsigned sent;

    (void)state;
    h_start(&h, 1);
    h_fact(&h, 0, h_member(9));
    h_call(&h, 0, 9, 7, &call);
    h_hear(&h, 0, 9, 0, call.a);
    h_hear(&h, 0, 9, 3, call.a); /* nothing to repeat yet */
    assert_int_equal(h.nodes[0]->sent, 0);
    h_run(&h, 1);
    assert_int_equal(h.nodes[0]->sent, 1);
    h_hear(&h, 0, 9, 3, call.a);
    assert_int_equal(h.nodes[0]->sent, 2);
    assert_string_equal(h.nodes[0]->last_sent, h.nodes[0]->ack.text);
    h_hear(&h, 0, 9, 0, h_outcome_of(&call, CONTROL_ABORT));
    sent = h.nodes[0]->sent;
    h_hear(&h, 0, 9, 3, call.a); /* it is over */
    assert_int_equal(h.nodes[0]->sent, sent);
    assert_int_equal(h.nodes[0]->cuts, 1);
    h_close(&h);
}

static void a_contrary_outcome_is_counted_and_ignored(void **state)
{
    struct harness h;
    struct h_call call;

    (void)state;
    h_start(&h, 1);
    h_fact(&h, 0, h_member(9));
    h_call(&h, 0, 9, 7, &call);
    h_hear(&h, 0, 9, 0, call.a);
    h_run(&h, 1);
    h_hear(&h, 0, 9, 0, h_outcome_of(&call, CONTROL_COMMIT));
    h_hear(&h, 0, 9, 5, h_outcome_of(&call, CONTROL_ABORT));
    assert_int_equal(h.nodes[0]->commits, 1);
    assert_int_equal(h.nodes[0]->aborts, 0);
    assert_int_equal(h.nodes[0]->cp.contradictions, 1);
    assert_non_null(strstr(h.nodes[0]->warning,
            "epoch 7 of leader 9 is said to be aborted, and was committed"));
    h_close(&h);
}

static void a_strangers_word_on_our_own_epochs_is_none(void **state)
{
    struct harness h;
    struct control_announcement a = {.epoch = 1,
            .checkpoint_id = 5,
            .phase = CONTROL_ABORT,
            .is_weft = true,
            .leader = 1,
            .generation = 1001,
            .attempt = 1};

    (void)state;
    h_start_solo(&h, 2);
    h_hear(&h, 0, 2, 0, a);
    h_run(&h, 1);
    assert_int_equal(h.nodes[0]->aborts, 0);
    h_say(&h, 0, 2, 0, h_ack_for(&h, 0));
    assert_int_equal(h.nodes[0]->commits, 1);
    h_close(&h);
}

static void who_is_not_listed_does_nothing(void **state)
{
    struct harness h;
    struct h_call call;

    (void)state;
    h_start(&h, 1);
    h_fact(&h, 0, h_member(9));
    h_call(&h, 0, 9, 7, &call);
    call.generations[0]++; /* another life of ours */
    h_hear(&h, 0, 9, 0, call.a);
    h_call(&h, 0, 9, 8, &call);
    call.members[0] = 2;
    h_hear(&h, 0, 9, 0, call.a);
    h_run(&h, 5000);
    assert_int_equal(h.nodes[0]->cuts, 0);
    assert_int_equal(h.nodes[0]->sent, 0);
    assert_string_equal(h.nodes[0]->ack.text, "");
    h_close(&h);
}

static void who_is_listed_and_cannot_says_why(void **state)
{
    static const struct {
        const char *name;
        bool active;
        bool live;
        const char *error;
    } rows[] = {
            {"joining", false, true, "node 1 is not active"},
            {"the leader dead", true, false, "node 1 holds node 9 for dead"},
    };

    (void)state;
    for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        struct harness h;
        struct h_call call;
        struct checkpoint_member leader = h_member(9);

        h_init(&h, 1);
        h_add(&h, 1);
        h.nodes[0]->is_active = rows[r].active;
        h_boot(&h, 0);
        leader.live = rows[r].live;
        h_fact(&h, 0, leader);
        h_call(&h, 0, 9, 7, &call);
        h_hear(&h, 0, 9, 0, call.a);
        assert_int_equal(h.nodes[0]->cuts, 0);
        if (strstr(h.nodes[0]->last_sent, rows[r].error) == NULL) {
            fail_msg("%s: %s", rows[r].name, h.nodes[0]->last_sent);
        }
        h_close(&h);
    }
}

static void hearsay_begins_nothing(void **state)
{
    struct harness h;
    struct h_call call;

    (void)state;
    h_start(&h, 1);
    h_fact(&h, 0, h_member(8));
    h_fact(&h, 0, h_member(9));
    h_call(&h, 0, 9, 7, &call);
    h_hear(&h, 0, 8, 0, call.a);
    assert_int_equal(h.nodes[0]->cuts, 0);
    h_call(&h, 0, 9, 8, &call);
    call.a.generation--; /* of a life that is over */
    h_hear(&h, 0, 9, 0, call.a);
    assert_int_equal(h.nodes[0]->cuts, 0);
    h_close(&h);
}

/* --- deadlines, and who is to blame --- */

static void a_member_says_what_it_lacks_before_the_leader_is_done(void **state)
{
    struct harness h;
    const struct h_answer *answer;
    uint64_t before_us;

    (void)state;
    h_start(&h, 3);
    before_us = h.now_us;
    h.nodes[1]->is_stuck = true;
    h.nodes[1]->lack = "stage words, 41 KiB unread";
    answer = h_ask(&h, 0, 3000);
    assert_string_equal(
            answer->reason, "node 2 is not done: stage words, 41 KiB unread");
    assert_in_range(answer->at_us - before_us, (H_ALIGN_MS - 250) * H_MS,
            (H_ALIGN_MS - 249) * H_MS);
    assert_int_equal(h_latest(&h, 0)->missing_count, 1);
    assert_int_equal(h_latest(&h, 0)->missing[0], 2);
    h_close(&h);
}

static void late_refusals_are_gathered_and_the_silent_named(void **state)
{
    struct harness h;
    const struct h_answer *answer;

    (void)state;
    h_start(&h, 4);
    h.nodes[1]->is_stuck = true;
    h.nodes[1]->lack = "barriers of nodes 3 and 4";
    h.nodes[1]->lacking[0] = 3;
    h.nodes[1]->lacking[1] = 4;
    h.nodes[1]->lacking_count = 2;
    h.nodes[3]->is_stuck = true;
    h.nodes[3]->lack = "barrier of node 3";
    h.nodes[3]->lacking[0] = 3;
    h.nodes[3]->lacking_count = 1;
    h_pause(&h, 2, 2500 * H_MS);
    answer = h_ask(&h, 0, 3000);
    assert_string_equal(answer->reason,
            "node 2 is not done: barriers of nodes 3 and 4; node 4 is not "
            "done: barrier of node 3; no word from node 3");
    assert_int_equal(h_latest(&h, 0)->missing_count, 1);
    assert_int_equal(h_latest(&h, 0)->missing[0], 3);
    h_close(&h);
}

static void those_who_are_named_are_to_blame_else_the_refusing(void **state)
{
    struct harness h;

    (void)state;
    h_start(&h, 3);
    for (size_t i = 1; i < 3; i++) {
        h.nodes[i]->is_stuck = true;
        h.nodes[i]->lack = "a barrier";
    }
    h.nodes[1]->lacking[0] = 3;
    h.nodes[1]->lacking[1] = 77; /* not listed */
    h.nodes[1]->lacking_count = 2;
    assert_non_null(h_ask(&h, 0, 3000));
    assert_int_equal(h_latest(&h, 0)->missing_count, 1);
    assert_int_equal(h_latest(&h, 0)->missing[0], 3);
    h_close(&h);
}

static void the_leaders_own_part_may_be_late_as_well(void **state)
{
    struct harness h;
    const struct h_answer *answer;

    (void)state;
    h_start(&h, 2);
    h.nodes[0]->is_stuck = true;
    h.nodes[0]->lack = "stage lines, 1 KiB unread";
    answer = h_ask(&h, 1, 3000);
    assert_int_equal(answer->outcome, SHUFFLE_OUTCOME_ABORTED);
    assert_string_equal(
            answer->reason, "node 1 is not done: stage lines, 1 KiB unread");
    h_close(&h);
}

static void a_member_that_changes_ends_it_at_once(void **state)
{
    static const struct {
        const char *reason;
        struct checkpoint_member then; /* id 0: it is gone */
    } rows[] = {
            {"node 3 is gone", {.id = 0}},
            {"node 3 is dead", {.id = 3, .generation = 1003, .active = true}},
            {"node 3 has started anew",
                    {.id = 3, .generation = 1004, .live = true}},
            {"node 3 has left", {.id = 3, .generation = 1003, .live = true}},
    };

    (void)state;
    for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        struct harness h;

        h_start_solo(&h, 3);
        h_run(&h, 1);
        h_say(&h, 0, 3, 0, h_ack_for(&h, 0)); /* even one that has acked */
        if (rows[r].then.id == 0) {
            checkpoint_member_gone(&h.nodes[0]->cp, h.now_us, 3);
            h_drain(&h, 0);
        } else {
            h_fact(&h, 0, rows[r].then);
        }
        assert_int_equal(h.nodes[0]->aborts, 1);
        assert_string_equal(h.nodes[0]->outcome_text, rows[r].reason);
        assert_int_equal(h_latest(&h, 0)->missing[0], 3);
        h_close(&h);
    }
}

static void a_draining_member_goes_on_acking(void **state)
{
    struct harness h;
    struct checkpoint_member member = h_member(2);

    (void)state;
    h_start_solo(&h, 2);
    h_run(&h, 1);
    member.active = false;
    member.draining = true;
    h_fact(&h, 0, member);
    h_say(&h, 0, 2, 0, h_ack_for(&h, 0));
    assert_int_equal(h.nodes[0]->commits, 1);
    h_close(&h);
}

static void who_cannot_be_reached_ends_it_and_is_named(void **state)
{
    struct harness h;
    const struct h_answer *answer;

    (void)state;
    h_start(&h, 3);
    h_kill(&h, 2);
    answer = h_ask(&h, 0, 10);
    assert_non_null(answer);
    assert_string_equal(
            answer->reason, "node 3 cannot be reached: connection refused");
    assert_int_equal(h_latest(&h, 0)->missing[0], 3);
    h_close(&h);
}

/* --- lost leaders --- */

static void an_outcome_is_only_heard_of_from_others(void **state)
{
    struct harness h;

    (void)state;
    h_start(&h, 4);
    begin(&h, 0);
    /* The Commit reaches node 3 alone, and then there is no node 1. */
    h_run(&h, 0);
    while (h.nodes[0]->commits == 0) {
        h.cut_off[0][1] = h.nodes[0]->cp.lead.oks >= 3;
        h.cut_off[0][3] = h.cut_off[0][1];
        h_step(&h);
    }
    h.cut_off[0][1] = true;
    h.cut_off[0][3] = true;
    h_run(&h, 1);
    h_kill(&h, 0);
    assert_int_equal(h.nodes[2]->commits, 1);
    assert_int_equal(h.nodes[1]->commits, 0);
    h_run(&h, 10000);
    assert_int_equal(h.nodes[1]->commits, 1);
    assert_int_equal(h.nodes[3]->commits, 1);
    assert_int_equal(h.nodes[1]->aborts + h.nodes[3]->aborts, 0);
    h_close(&h);
}

static void who_has_not_acked_tells_the_others_that_it_was_aborted(void **state)
{
    struct harness h;

    (void)state;
    h_start(&h, 3);
    h.nodes[2]->is_stuck = true;
    begin(&h, 0);
    h_run(&h, 10);
    h_kill(&h, 0);
    h_run(&h, 12000);
    assert_int_equal(h.nodes[2]->aborts, 1);
    assert_int_equal(h.nodes[1]->aborts, 1);
    assert_int_equal(h.nodes[1]->commits + h.nodes[2]->commits, 0);
    h_close(&h);
}

static void a_silent_leader_leaves_it_unknown_after_two_seconds(void **state)
{
    struct harness h;
    struct h_call call;

    (void)state;
    h_start(&h, 1);
    h_fact(&h, 0, h_member(9));
    h_call(&h, 0, 9, 7, &call);
    h_hear(&h, 0, 9, 0, call.a);
    h_run(&h, H_ALIGN_MS - 250 + 2000 - 1);
    assert_int_equal(h.nodes[0]->unknowns, 0);
    h_run(&h, 2);
    assert_int_equal(h.nodes[0]->unknowns, 1);
    assert_non_null(strstr(h.nodes[0]->last_sent, "\"outcome\""));
    h_hear(&h, 0, 9, 0, h_outcome_of(&call, CONTROL_COMMIT));
    assert_int_equal(h.nodes[0]->commits, 1);
    assert_int_equal(h_latest(&h, 0)->outcome, SHUFFLE_OUTCOME_COMMITTED);
    h_close(&h);
}

static void an_ack_in_a_key_tells_the_outcome(void **state)
{
    struct harness h;
    struct h_call call;
    struct control_ack ack;

    (void)state;
    h_start(&h, 1);
    h_fact(&h, 0, h_member(8));
    h_fact(&h, 0, h_member(9));
    h_call(&h, 0, 9, 7, &call);
    h_hear(&h, 0, 9, 0, call.a);
    h_run(&h, 1);
    ack = (struct control_ack){.epoch = 7,
            .ok = true,
            .is_weft = true,
            .checkpoint_id = call.a.checkpoint_id,
            .leader = 9,
            .attempt = 7,
            .outcome = CONTROL_COMMITTED};
    ack.attempt = 6; /* of another attempt */
    h_say(&h, 0, 8, 4, ack);
    assert_int_equal(h.nodes[0]->commits, 0);
    ack.attempt = 7;
    h_say(&h, 0, 8, 5, ack);
    assert_int_equal(h.nodes[0]->commits, 1);
    assert_non_null(strstr(h.nodes[0]->ack.text, "committed"));
    h_close(&h);
}

static void a_commit_without_its_places_waits_for_the_leaders_word(void **state)
{
    struct harness h;
    struct h_call call;
    struct bytes stage = bytes_text("words");
    struct control_announcement commit;

    (void)state;
    h_start(&h, 1);
    h_fact(&h, 0, h_member(8));
    h_fact(&h, 0, h_member(9));
    h_call(&h, 0, 9, 7, &call);
    call.a.rotate = &stage;
    call.a.rotate_count = 1;
    h_hear(&h, 0, 9, 0, call.a);
    h_run(&h, 1);
    commit = h_outcome_of(&call, CONTROL_COMMIT);
    h_hear(&h, 0, 8, 0, commit);
    assert_int_equal(h.nodes[0]->commits, 0);
    h_run(&h, 4000); /* no word: unknown first, so that nothing moves */
    assert_int_equal(h.nodes[0]->unknowns, 1);
    h_hear(&h, 0, 8, 0, commit);
    assert_int_equal(h.nodes[0]->commits, 1);
    h_close(&h);
}

static void the_next_attempt_begins_above_when_the_leader_dies(void **state)
{
    struct harness h;
    const struct h_answer *answer;

    (void)state;
    h_start(&h, 3);
    assert_non_null(h_ask(&h, 0, 100));
    begin(&h, 0);
    h_run(&h, 0);
    h_step(&h);
    h_kill(&h, 0);
    answer = h_ask(&h, 2, 10000);
    assert_non_null(answer);
    assert_int_equal(answer->outcome, SHUFFLE_OUTCOME_COMMITTED);
    assert_int_equal(answer->epoch, 3);
    h_close(&h);
}

static void a_member_that_returns_in_mid_attempt_is_not_the_listed_one(
        void **state)
{
    struct harness h;

    (void)state;
    h_start(&h, 3);
    h.nodes[1]->cut_us = 100 * H_MS;
    begin(&h, 0);
    h_run(&h, 10);
    h_kill(&h, 2);
    h_revive(&h, 2); /* the same list names it, by another generation */
    h_tell_facts(&h, 0, 2);
    h_deliver_keys(&h, 0, 2);
    assert_int_equal(h.nodes[2]->cuts, 1); /* that of its former life */
    h_run(&h, 600);
    assert_int_equal(h.nodes[2]->commits, 0);
    heals(&h, 3);
    h_close(&h);
}

static void a_paused_leader_between_any_two_actions(void **state)
{
    (void)state;
    for (unsigned after = 1; after <= 12; after++) {
        for (int is_long = 0; is_long < 2; is_long++) {
            struct harness h;

            h_init(&h, after);
            for (size_t i = 0; i < 3; i++) {
                h_add(&h, i + 1);
                h.nodes[i]->options.keeps = after % 2 == 0;
                h_boot(&h, i);
            }
            h_meet(&h);
            h.nodes[0]->pause_after = after;
            h.nodes[0]->pause_us = (is_long ? 6000 : 1000) * H_MS;
            begin(&h, 0);
            heals(&h, 3);
            h_close(&h);
        }
    }
}

static void a_paused_follower_between_any_two_actions(void **state)
{
    (void)state;
    for (unsigned after = 1; after <= 5; after++) {
        for (int is_long = 0; is_long < 2; is_long++) {
            struct harness h;

            h_start(&h, 3);
            h.nodes[1]->pause_after = after;
            h.nodes[1]->pause_us = (is_long ? 6000 : 1000) * H_MS;
            begin(&h, 0);
            heals(&h, 3);
            h_close(&h);
        }
    }
}

static void two_leaders_at_once_end_as_one(void **state)
{
    struct harness h;

    (void)state;
    h_init(&h, 1);
    for (size_t i = 0; i < 4; i++) {
        h_add(&h, i + 1);
        h.nodes[i]->options.interval_ms = 300;
        h_boot(&h, i);
    }
    h_meet(&h);
    /* Nodes 1 and 2 cannot hear each other, and all others hear both. */
    h.cut_off[0][1] = true;
    h.cut_off[1][0] = true;
    h_run(&h, 20000);
    assert_true(h.nodes[1]->cp.leader == 2 && h.nodes[0]->cp.leader == 1);
    h_split(&h, 0);
    heals(&h, 4);
    h_close(&h);
}

static void who_follows_another_refuses_what_it_has_not_acked(void **state)
{
    struct harness h;
    struct h_call call;

    (void)state;
    h_start(&h, 1);
    h.nodes[0]->is_stuck = true;
    h_fact(&h, 0, h_member(8));
    h_fact(&h, 0, h_member(9));
    h_call(&h, 0, 9, 7, &call);
    h_hear(&h, 0, 9, 0, call.a);
    h_call(&h, 0, 8, 9, &call);
    h_hear(&h, 0, 8, 0, call.a);
    assert_int_equal(h.nodes[0]->cuts, 2);
    assert_int_equal(h.nodes[0]->aborts, 1);
    assert_int_equal(h.nodes[0]->sent, 1);
    assert_non_null(strstr(h.nodes[0]->last_sent, "\"epoch\":7,\"ok\":false"));
    assert_non_null(strstr(
            h.nodes[0]->last_sent, "epoch 9 of leader 8 has begun at node 1"));
    h_close(&h);
}

static void a_lower_leader_makes_a_higher_one_give_way(void **state)
{
    struct harness h;
    struct h_call call;

    (void)state;
    h_init(&h, 1);
    h_boot(&h, h_add(&h, 5));
    h_fact(&h, 0, h_member(9));
    begin(&h, 0);
    h_run(&h, 1);
    h_fact(&h, 0,
            (struct checkpoint_member){.id = 3,
                    .generation = 1003,
                    .live = true,
                    .draining = true,
                    .speaks_weft = true});
    h_call(&h, 0, 3, 9, &call);
    h_hear(&h, 0, 3, 0, call.a);
    assert_int_equal(h.nodes[0]->cuts, 2);
    assert_string_equal(h.nodes[0]->outcome_text, "node 3 leads now");
    h_close(&h);
}

static void a_higher_leader_is_refused_by_one_that_leads(void **state)
{
    struct harness h;
    struct h_call call;

    (void)state;
    h_start_solo(&h, 9);
    h_run(&h, 1);
    h_call(&h, 0, 9, 50, &call);
    h_hear(&h, 0, 9, 0, call.a);
    assert_int_equal(h.nodes[0]->cuts, 1);
    assert_non_null(
            strstr(h.nodes[0]->last_sent, "node 1 leads epoch 1 itself"));
    h_close(&h);
}

/* --- the disk --- */

static void a_decision_that_cannot_be_kept_is_an_abort(void **state)
{
    struct harness h;
    const struct h_answer *answer;

    (void)state;
    h_init(&h, 1);
    h_add(&h, 1);
    h_add(&h, 2);
    h.nodes[0]->options.keeps = true;
    h.nodes[0]->keep_fails = "no space left on device";
    h_boot(&h, 0);
    h_boot(&h, 1);
    h_meet(&h);
    answer = h_ask(&h, 1, 100);
    assert_int_equal(answer->outcome, SHUFFLE_OUTCOME_ABORTED);
    assert_string_equal(answer->reason,
            "the decision could not be kept on disk: no space left on device");
    assert_int_equal(h.nodes[0]->disk_count, 1);
    assert_false(h.nodes[0]->disk[0].is_committed);
    h.nodes[0]->keep_fails = NULL;
    answer = h_ask(&h, 1, 1000);
    assert_int_equal(answer->outcome, SHUFFLE_OUTCOME_COMMITTED);
    h_close(&h);
}

static void a_decision_under_way_survives_joining_anew(void **state)
{
    struct harness h;

    (void)state;
    h_init(&h, 1);
    h_add(&h, 1);
    h_add(&h, 2);
    h.nodes[0]->options.keeps = true;
    h.nodes[0]->keep_us = 20 * H_MS;
    h_boot(&h, 0);
    h_boot(&h, 1);
    h_meet(&h);
    begin(&h, 0);
    h_run(&h, 5);
    assert_int_equal(h.nodes[0]->disk_count, 1);
    h.nodes[0]->generation++;
    checkpoint_generation(&h.nodes[0]->cp, h.now_us, h.nodes[0]->generation);
    h_drain(&h, 0);
    assert_int_equal(h.nodes[0]->unknowns, 1);
    h_run(&h, 8000);
    assert_int_equal(h.nodes[0]->commits, 1);
    assert_int_equal(h.nodes[1]->commits, 1);
    heals(&h, 2);
    h_close(&h);
}

/* It may be on disk, and may not: an answer now could be contradicted. */
static void what_is_being_kept_is_not_presumed_aborted(void **state)
{
    struct harness h;
    struct h_node *n;
    struct control_request ask = {.why = CONTROL_WHY_OUTCOME,
            .leader = 1,
            .generation = 1001,
            .epoch = 1};
    unsigned sent;

    (void)state;
    h_init(&h, 1);
    h_add(&h, 1);
    n = h.nodes[0];
    n->options.keeps = true;
    n->options.earlier_generation = 1;
    n->keep_us = 20 * H_MS;
    h_boot(&h, 0);
    begin(&h, 0);
    h_run(&h, 5);
    assert_int_equal(n->disk_count, 1);
    n->generation++;
    checkpoint_generation(&n->cp, h.now_us, n->generation);
    h_drain(&h, 0);
    h_fact(&h, 0, h_member(2));
    sent = n->sent;
    checkpoint_requested(&n->cp, h.now_us, 2, &ask);
    h_drain(&h, 0);
    assert_int_equal(n->sent, sent);
    h_run(&h, 20);
    checkpoint_requested(&n->cp, h.now_us, 2, &ask);
    h_drain(&h, 0);
    assert_non_null(strstr(n->last_sent, "\"Commit\""));
    h_close(&h);
}

/* --- requests --- */

static void requests_of_many_share_the_next_one(void **state)
{
    struct harness h;

    (void)state;
    h_start(&h, 3);
    h.nodes[1]->cut_us = 5 * H_MS;
    begin(&h, 0);
    h_run(&h, 1);
    for (uint32_t client = 10; client < 15; client++) {
        for (size_t i = 0; i < 3; i++) {
            checkpoint_request(&h.nodes[i]->cp, h.now_us, client);
            h_drain(&h, i);
        }
    }
    h_run(&h, 100);
    assert_int_equal(h.nodes[0]->answers_count, 6);
    assert_int_equal(h.nodes[0]->answers[0].epoch, 1);
    assert_int_equal(h.nodes[0]->cuts, 2);
    for (size_t i = 0; i < 3; i++) {
        size_t first = i == 0 ? 1 : 0;

        assert_int_equal(h.nodes[i]->answers_count, first + 5);
        for (size_t k = first; k < first + 5; k++) {
            assert_int_equal(h.nodes[i]->answers[k].epoch, 2);
            assert_int_equal(h.nodes[i]->answers[k].client, 10 + k - first);
        }
    }
    h_close(&h);
}

static void a_request_follows_the_leader(void **state)
{
    struct harness h;
    const struct h_answer *answer;

    (void)state;
    h_start(&h, 3);
    h_kill(&h, 0);
    answer = h_ask(&h, 2, 10000);
    assert_non_null(answer);
    assert_int_equal(answer->outcome, SHUFFLE_OUTCOME_COMMITTED);
    h_close(&h);
}

/* The asker has seen the old leader die a moment before us. */
static void a_request_waits_until_we_know_that_we_lead(void **state)
{
    struct harness h;
    const struct control_request ask = {.why = CONTROL_WHY_BARRIER, .asked = 5};
    struct checkpoint_member leader = h_member(1);

    (void)state;
    h_init(&h, 1);
    h_boot(&h, h_add(&h, 2));
    h.is_watched = false;
    h_fact(&h, 0, leader);
    h_fact(&h, 0, h_member(3));
    checkpoint_requested(&h.nodes[0]->cp, h.now_us, 3, &ask);
    h_drain(&h, 0);
    assert_int_equal(h.nodes[0]->cuts, 0);
    leader.live = false;
    h_fact(&h, 0, leader);
    assert_int_equal(h.nodes[0]->cuts, 1);
    h_close(&h);
}

/* A life that comes back may know what became of its attempts. */
static void whoever_comes_back_is_asked_at_once(void **state)
{
    struct harness h;
    struct checkpoint_member leader = h_member(1);
    struct h_call call;
    size_t before;

    (void)state;
    h_init(&h, 1);
    h_boot(&h, h_add(&h, 2));
    h.is_watched = false;
    h_fact(&h, 0, leader);
    h_call(&h, 0, 1, 7, &call);
    h_hear(&h, 0, 1, 0, call.a);
    h_run(&h, 10);
    leader.live = false;
    h_fact(&h, 0, leader);
    assert_int_equal(h_latest(&h, 0)->outcome, SHUFFLE_OUTCOME_UNKNOWN);
    assert_int_equal(h_latest(&h, 0)->missing_count, 1);
    assert_int_equal(h_latest(&h, 0)->missing[0], 1);
    before = h.nodes[0]->sent;
    leader.live = true;
    leader.generation++;
    h_fact(&h, 0, leader);
    assert_int_equal(h.nodes[0]->sent, before + 1);
    assert_non_null(strstr(h.nodes[0]->last_sent, "\"why\":\"outcome\""));
    h_close(&h);
}

static void a_request_that_comes_twice_is_one(void **state)
{
    struct harness h;
    const struct control_request ask = {.why = CONTROL_WHY_BARRIER, .asked = 5};

    (void)state;
    h_start(&h, 1);
    h.nodes[0]->cut_us = 10 * H_MS;
    h_fact(&h, 0, (struct checkpoint_member){.id = 2, .generation = 1002});
    for (int i = 0; i < 3; i++) {
        checkpoint_requested(&h.nodes[0]->cp, h.now_us, 2, &ask);
        h_drain(&h, 0);
        h_run(&h, 2);
    }
    h_run(&h, 100);
    assert_int_equal(h.nodes[0]->cuts, 1);
    /* Later it means that the asker has not heard of that one. */
    checkpoint_requested(&h.nodes[0]->cp, h.now_us, 2, &ask);
    h_drain(&h, 0);
    assert_int_equal(h.nodes[0]->cuts, 2);
    h_close(&h);
}

static void a_lost_request_is_made_again(void **state)
{
    struct harness h;
    const struct h_answer *answer;

    (void)state;
    h_start(&h, 2);
    h.cut_off[1][0] = true;
    checkpoint_request(&h.nodes[1]->cp, h.now_us, 5);
    h_drain(&h, 1);
    h.cut_off[1][0] = false;
    h_run(&h, 1100);
    assert_int_equal(h.nodes[1]->answers_count, 1);
    answer = &h.nodes[1]->answers[0];
    assert_int_equal(answer->outcome, SHUFFLE_OUTCOME_COMMITTED);
    h_close(&h);
}

static void without_a_leader_a_request_waits_ten_seconds(void **state)
{
    struct harness h;

    (void)state;
    h_init(&h, 1);
    h_add(&h, 1);
    h.nodes[0]->is_active = false;
    h_boot(&h, 0);
    begin(&h, 0);
    h_run(&h, 9999);
    assert_int_equal(h.nodes[0]->answers_count, 0);
    h_run(&h, 1);
    assert_true(h.nodes[0]->answers[0].is_refused);
    assert_string_equal(h.nodes[0]->answers[0].reason, "no leader for 10 s");
    h_close(&h);
}

static void a_leader_that_begins_nothing_is_not_waited_for(void **state)
{
    struct harness h;

    (void)state;
    h_init(&h, 1);
    h_boot(&h, h_add(&h, 5));
    h_fact(&h, 0, h_member(1));
    begin(&h, 0);
    h_run(&h, 15000);
    assert_true(h.nodes[0]->answers[0].is_refused);
    assert_string_equal(h.nodes[0]->answers[0].reason,
            "node 1, which leads, has begun no checkpoint in 14 s");
    h_close(&h);
}

static void a_program_that_waits_no_more_gets_no_answer(void **state)
{
    struct harness h;

    (void)state;
    h_start(&h, 2);
    begin(&h, 1);
    checkpoint_forget(&h.nodes[1]->cp, 1);
    h_run(&h, 100);
    assert_int_equal(h.nodes[1]->answers_count, 0);
    for (uint32_t client = 0; client <= CHECKPOINT_CLIENTS_MAX; client++) {
        checkpoint_request(&h.nodes[1]->cp, h.now_us, client);
    }
    h_drain(&h, 1);
    assert_int_equal(h.nodes[1]->answers_count, 1);
    assert_true(h.nodes[1]->answers[0].is_refused);
    h_close(&h);
}

static void of_a_laminar_leader_nobody_can_ask_anything(void **state)
{
    struct harness h;
    struct checkpoint_member leader = h_member(1);

    (void)state;
    h_init(&h, 1);
    h_boot(&h, h_add(&h, 5));
    leader.speaks_weft = false;
    h_fact(&h, 0, leader);
    begin(&h, 0);
    assert_true(h.nodes[0]->answers[0].is_refused);
    assert_string_equal(h.nodes[0]->answers[0].reason,
            "node 1 leads; it is a LaminarDB server, and takes no requests");
    h_close(&h);
}

static void one_that_is_left_out_hears_what_it_asked_for(void **state)
{
    struct harness h;
    const struct h_answer *answer;

    (void)state;
    h_start(&h, 3);
    h.nodes[0]->cp.peers[1].is_suspended = true; /* node 3 */
    h.nodes[0]->cp.probe_due_us = UINT64_MAX;
    h.cut_off[2][0] = false;
    answer = h_ask(&h, 2, 2000);
    assert_non_null(answer);
    assert_int_equal(answer->outcome, SHUFFLE_OUTCOME_COMMITTED);
    assert_int_equal(h.nodes[2]->cuts, 0);
    assert_int_equal(h_latest(&h, 2)->members_count, 2);
    h_close(&h);
}

static void above_the_last_epoch_there_is_none(void **state)
{
    struct harness h;
    const struct h_answer *answer;

    (void)state;
    h_start(&h, 1);
    h.is_watched = false;
    h_fact(&h, 0, h_member(2));
    h_say(&h, 0, 2, 1, (struct control_ack){.epoch = UINT64_MAX});
    answer = h_ask(&h, 0, 10);
    assert_true(answer->is_refused);
    assert_string_equal(answer->reason,
            "there is no epoch above 18446744073709551615, which node 2 has "
            "named");
    h_close(&h);
}

static void epochs_begin_above_every_one_that_was_named(void **state)
{
    struct harness h;
    struct control_announcement a = {.epoch = 41, .phase = CONTROL_ABORT};

    (void)state;
    h_start(&h, 1);
    h_fact(&h, 0, (struct checkpoint_member){.id = 9, .generation = 1});
    h_hear(&h, 0, 9, 4, a); /* even of the dead, and of LaminarDB's */
    assert_int_equal(h_ask(&h, 0, 10)->epoch, 42);
    h_say(&h, 0, 9, 5, (struct control_ack){.epoch = 50});
    assert_int_equal(h_ask(&h, 0, 10)->epoch, 51);
    h_close(&h);
}

/* --- the interval --- */

static void the_leader_begins_one_each_interval(void **state)
{
    struct harness h;

    (void)state;
    h_init(&h, 1);
    for (size_t i = 0; i < 3; i++) {
        h_add(&h, i + 1);
        h.nodes[i]->options.interval_ms = 1000;
        h_boot(&h, i);
    }
    h_meet(&h);
    h_run(&h, 10500);
    assert_int_equal(h.nodes[0]->cuts, 10);
    assert_int_equal(h.nodes[2]->commits, 10);
    h_kill(&h, 0);
    h_run(&h, 5000);
    assert_true(h.nodes[1]->commits > 10); /* it is found dead: at once */
    h_close(&h);
}

/* --- rotation and draining --- */

static void sinks_of(struct harness *h, size_t i, const char *stage)
{
    struct control_sink sink = {.stage = bytes_text(stage), .number = 3};

    checkpoint_sinks(&h->nodes[i]->cp, &sink, 1);
}

static void a_commit_places_anew_from_the_acks(void **state)
{
    struct harness h;
    const struct bytes stages[] = {bytes_text("words"), bytes_text("empty")};

    (void)state;
    h_start(&h, 4);
    sinks_of(&h, 3, "words");
    sinks_of(&h, 1, "words");
    sinks_of(&h, 0, "lines");
    checkpoint_rotate(&h.nodes[0]->cp, h.now_us, stages, 2);
    assert_non_null(h_ask(&h, 0, 100));
    h_run(&h, 1);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(h.nodes[i]->order_rotate, "empty words ");
        assert_int_equal(h.nodes[i]->places_count, 1); /* nobody has empty */
        assert_int_equal(h.nodes[i]->placed_count, 2);
        assert_int_equal(h.nodes[i]->placed_nodes[0], 2);
        assert_int_equal(h.nodes[i]->placed_nodes[1], 4);
    }
    h_close(&h);
}

static void a_leader_moves_its_stages_away_before_it_drains(void **state)
{
    struct harness h;
    const struct bytes stage = bytes_text("words");

    (void)state;
    h_start(&h, 3);
    for (size_t i = 0; i < 3; i++) {
        sinks_of(&h, i, "words");
    }
    begin(&h, 0);
    h_run(&h, 0);
    checkpoint_drain(&h.nodes[0]->cp, h.now_us, &stage, 1);
    h_drain(&h, 0);
    assert_int_equal(h.nodes[0]->drained, 0);
    h_run(&h, 20);
    assert_int_equal(h.nodes[0]->drained, 1);
    assert_int_equal(h.nodes[0]->cuts, 2); /* the running one, and one more */
    assert_string_equal(h.nodes[1]->order_rotate, "words ");
    assert_int_equal(h.nodes[1]->placed_count, 2);
    assert_int_equal(h.nodes[1]->placed_nodes[0], 2);
    h_run(&h, 1000);
    assert_int_equal(h.nodes[1]->cp.leader, 2);
    assert_int_equal(h.nodes[0]->cuts, 2);
    h_close(&h);
}

static void a_drain_that_fails_twice_goes_on_and_so_does_one_alone(void **state)
{
    struct harness h;
    const struct bytes stage = bytes_text("words");

    (void)state;
    h_start(&h, 2);
    h.nodes[1]->cut_fails = "no";
    checkpoint_drain(&h.nodes[0]->cp, h.now_us, &stage, 1);
    h_drain(&h, 0);
    h_run(&h, 100);
    assert_int_equal(h.nodes[0]->drained, 1);
    assert_int_equal(h.nodes[0]->cuts, 2);
    h_close(&h);

    h_start(&h, 1);
    checkpoint_drain(&h.nodes[0]->cp, h.now_us, &stage, 1);
    h_drain(&h, 0);
    assert_int_equal(h.nodes[0]->drained, 1);
    assert_int_equal(h.nodes[0]->cuts, 0);
    h_close(&h);
}

static void a_drain_takes_four_seconds_at_most(void **state)
{
    struct harness h;
    const struct bytes stage = bytes_text("words");

    (void)state;
    h_init(&h, 1);
    for (size_t i = 0; i < 2; i++) {
        h_add(&h, i + 1);
        h.nodes[i]->options.align_timeout_ms = 60000;
        h_boot(&h, i);
    }
    h_meet(&h);
    h.nodes[1]->is_stuck = true;
    checkpoint_drain(&h.nodes[0]->cp, h.now_us, &stage, 1);
    h_drain(&h, 0);
    h_run(&h, 3999);
    assert_int_equal(h.nodes[0]->drained, 0);
    h_run(&h, 2);
    assert_int_equal(h.nodes[0]->drained, 1);
    assert_int_equal(h.nodes[0]->aborts, 1); /* it leads no more */
    h_close(&h);
}

static void a_follower_drains_at_once_and_asks_its_leader(void **state)
{
    struct harness h;
    const struct bytes stage = bytes_text("words");

    (void)state;
    h_start(&h, 3);
    for (size_t i = 0; i < 3; i++) {
        sinks_of(&h, i, "words");
    }
    checkpoint_drain(&h.nodes[1]->cp, h.now_us, &stage, 1);
    h_drain(&h, 1);
    assert_int_equal(h.nodes[1]->drained, 1);
    h_run(&h, 100);
    assert_int_equal(h.nodes[1]->cuts, 1);
    assert_int_equal(h.nodes[1]->commits, 1);
    assert_int_equal(h.nodes[1]->placed_count, 2);
    assert_int_equal(h.nodes[1]->placed_nodes[0], 1);
    assert_int_equal(h.nodes[1]->placed_nodes[1], 3);
    h_run(&h, 5000);
    assert_int_equal(h.nodes[1]->cuts, 1); /* once is enough */
    h_close(&h);
}

/* --- the sick --- */

static void the_sick_are_left_out_probed_and_taken_back(void **state)
{
    struct harness h;
    struct checkpoint_health health;

    (void)state;
    h_start(&h, 3);
    h.nodes[2]->is_stuck = true;
    h.nodes[2]->lack = "stage words, 41 KiB unread";
    for (int i = 0; i < 2; i++) {
        assert_false(checkpoint_health(&h.nodes[0]->cp, 3).is_suspended);
        assert_int_equal(h_ask(&h, 0, 3000)->outcome, SHUFFLE_OUTCOME_ABORTED);
    }
    health = checkpoint_health(&h.nodes[0]->cp, 3);
    assert_true(health.is_suspended);
    assert_int_equal(health.epochs_count, 2);
    assert_int_equal(health.epochs[0], 1);
    assert_int_equal(health.epochs[1], 2);
    assert_int_equal(h_ask(&h, 0, 3000)->outcome, SHUFFLE_OUTCOME_COMMITTED);
    assert_int_equal(h_latest(&h, 0)->members_count, 2);
    h_run(&h, 1); /* its answer to the probe */
    assert_false(checkpoint_health(&h.nodes[0]->cp, 3).is_suspended);
    assert_int_equal(h_ask(&h, 0, 3000)->outcome, SHUFFLE_OUTCOME_ABORTED);
    assert_true(checkpoint_health(&h.nodes[0]->cp, 3).is_suspended);
    h.nodes[2]->is_stuck = false;
    h_run(&h, 5010); /* probed without an attempt, too */
    assert_false(checkpoint_health(&h.nodes[0]->cp, 3).is_suspended);
    assert_int_equal(h_ask(&h, 0, 3000)->outcome, SHUFFLE_OUTCOME_COMMITTED);
    assert_int_equal(h_latest(&h, 0)->members_count, 3);
    assert_int_equal(checkpoint_health(&h.nodes[0]->cp, 3).epochs_count, 0);
    h_close(&h);
}

static void a_new_life_is_well_and_so_are_all_under_another_leader(void **state)
{
    struct harness h;
    struct checkpoint_member member = h_member(2);

    (void)state;
    h_start_solo(&h, 2);
    h_run(&h, H_ALIGN_MS);
    begin(&h, 0);
    h_run(&h, H_ALIGN_MS);
    assert_true(checkpoint_health(&h.nodes[0]->cp, 2).is_suspended);
    member.generation++;
    h_fact(&h, 0, member);
    assert_false(checkpoint_health(&h.nodes[0]->cp, 2).is_suspended);
    for (int i = 0; i < 2; i++) {
        begin(&h, 0);
        h_run(&h, H_ALIGN_MS);
    }
    assert_true(checkpoint_health(&h.nodes[0]->cp, 2).is_suspended);
    checkpoint_state(&h.nodes[0]->cp, h.now_us, false, true);
    h_drain(&h, 0);
    assert_false(checkpoint_health(&h.nodes[0]->cp, 2).is_suspended);
    h_close(&h);
}

static void with_patience_0_nobody_is_left_out(void **state)
{
    struct harness h;

    (void)state;
    h_init(&h, 1);
    h_add(&h, 1);
    h.nodes[0]->options.patience = 0;
    h_boot(&h, 0);
    h.is_watched = false;
    h_fact(&h, 0, h_member(2));
    for (int i = 0; i < 12; i++) {
        begin(&h, 0);
        h_run(&h, H_ALIGN_MS);
    }
    assert_false(checkpoint_health(&h.nodes[0]->cp, 2).is_suspended);
    assert_int_equal(checkpoint_health(&h.nodes[0]->cp, 2).epochs_count,
            CHECKPOINT_FAILED_MAX);
    h_close(&h);
}

static void attempts_lost_to_others_do_not_count(void **state)
{
    struct harness h;

    (void)state;
    h_start(&h, 3);
    for (int i = 0; i < 6; i++) {
        h.nodes[1]->is_stuck = i % 2 == 0;
        h.nodes[2]->is_stuck = i % 2 != 0;
        assert_int_equal(h_ask(&h, 0, 3000)->outcome, SHUFFLE_OUTCOME_ABORTED);
    }
    assert_false(checkpoint_health(&h.nodes[0]->cp, 2).is_suspended);
    assert_false(checkpoint_health(&h.nodes[0]->cp, 3).is_suspended);
    h_close(&h);
}

/* --- sleep --- */

static void who_slept_asks_and_acks_when_it_is_said_to_live(void **state)
{
    struct harness h;

    (void)state;
    h_start(&h, 3);
    h.nodes[1]->slow_us = 300 * H_MS; /* so that it is in doubt for a while */
    checkpoint_slept(&h.nodes[1]->cp, h.now_us);
    h_drain(&h, 1);
    begin(&h, 0);
    h_run(&h, 250);
    assert_int_equal(h.nodes[1]->cuts, 1);
    assert_string_equal(h.nodes[1]->ack.text, "");
    h_run(&h, 1000);
    assert_int_equal(h.nodes[1]->confirmed, 1);
    assert_int_equal(h.nodes[1]->buried, 0);
    assert_int_equal(h.nodes[0]->commits, 1);
    h_close(&h);
}

static void who_was_buried_joins_anew(void **state)
{
    struct harness h;

    (void)state;
    h_start(&h, 3);
    h_pause(&h, 1, 6000 * H_MS);
    h_run(&h, 7000);
    assert_int_equal(h.nodes[1]->buried, 1);
    assert_int_equal(h.nodes[1]->generation, 1003);
    assert_false(h.nodes[1]->cp.is_in_doubt);
    heals(&h, 3);
    h_close(&h);
}

static void who_was_buried_by_two_hears_it_once(void **state)
{
    const struct control_request word = {
            .why = CONTROL_WHY_BURIED, .generation = 1002};
    struct harness h;

    (void)state;
    h_start(&h, 3);
    checkpoint_slept(&h.nodes[1]->cp, h.now_us);
    h_drain(&h, 1);
    checkpoint_requested(&h.nodes[1]->cp, h.now_us, 1, &word);
    checkpoint_requested(&h.nodes[1]->cp, h.now_us, 3, &word);
    h_drain(&h, 1);
    assert_int_equal(h.nodes[1]->buried, 1);
    assert_int_equal(h.nodes[1]->generation, 1003);
    h_close(&h);
}

static void a_leader_that_slept_ends_its_attempt(void **state)
{
    struct harness h;

    (void)state;
    h_start_solo(&h, 2);
    h_run(&h, 1);
    checkpoint_slept(&h.nodes[0]->cp, h.now_us);
    h_drain(&h, 0);
    assert_int_equal(h.nodes[0]->aborts, 1);
    assert_string_equal(h.nodes[0]->outcome_text, "node 1 was away");
    begin(&h, 0);
    h_run(&h, 3000);
    assert_int_equal(h.nodes[0]->cuts, 1); /* in doubt nobody leads */
    assert_non_null(strstr(h.nodes[0]->last_sent, "\"awake\""));
    h_fact(&h, 0, (struct checkpoint_member){.id = 2, .generation = 1002});
    assert_int_equal(h.nodes[0]->confirmed, 1); /* nobody is left to ask */
    assert_int_equal(h.nodes[0]->cuts, 2);
    h_close(&h);
}

static void alone_nobody_can_have_buried_us(void **state)
{
    struct harness h;

    (void)state;
    h_start(&h, 1);
    checkpoint_slept(&h.nodes[0]->cp, h.now_us);
    h_drain(&h, 0);
    assert_int_equal(h.nodes[0]->confirmed, 1);
    h_close(&h);
}

/* --- LaminarDB leads, or follows --- */

static struct control_announcement plain(
        uint64_t epoch, enum control_phase phase)
{
    return (struct control_announcement){
            .epoch = epoch, .checkpoint_id = 42, .phase = phase};
}

static void a_laminar_leader_may_use_an_epoch_again(void **state)
{
    struct harness h;
    struct checkpoint_member leader = h_member(1);
    uint64_t cut;

    (void)state;
    h_init(&h, 1);
    h_boot(&h, h_add(&h, 5));
    leader.speaks_weft = false;
    h_fact(&h, 0, leader);
    h_fact(&h, 0, h_member(7));
    h_hear(&h, 0, 1, 10, plain(5, CONTROL_PREPARE));
    h_run(&h, 1);
    cut = h.nodes[0]->order.checkpoint;
    assert_int_equal(h.nodes[0]->order.announced, 42);
    assert_int_equal(h.nodes[0]->order.members_count, 2);
    assert_int_equal(h.nodes[0]->order_weft, 1);
    assert_int_equal(cut, checkpoint_attempt_cut(1, 1001, 5, 10));
    assert_string_equal(h.nodes[0]->ack.text,
            "{\"epoch\":5,\"ok\":true,\"error\":null,"
            "\"local_watermark_ms\":null}");
    h_hear(&h, 0, 1, 10, plain(5, CONTROL_PREPARE)); /* the same entry */
    h_hear(&h, 0, 1, 11, plain(5, CONTROL_ABORT));
    assert_int_equal(h.nodes[0]->aborts, 1);
    h_hear(&h, 0, 1, 12, plain(5, CONTROL_PREPARE));
    h_run(&h, 1);
    assert_int_equal(h.nodes[0]->cuts, 2);
    assert_int_not_equal(h.nodes[0]->order.checkpoint, cut);
    h_hear(&h, 0, 1, 13, plain(5, CONTROL_COMMIT));
    assert_int_equal(h.nodes[0]->commits, 1);
    assert_int_equal(h.nodes[0]->cp.contradictions, 0);
    h_close(&h);
}

static void what_a_laminar_leader_overwrote_is_unknown(void **state)
{
    struct harness h;
    struct checkpoint_member leader = h_member(1);

    (void)state;
    h_init(&h, 1);
    h_boot(&h, h_add(&h, 5));
    leader.speaks_weft = false;
    h_fact(&h, 0, leader);
    h_hear(&h, 0, 1, 10, plain(5, CONTROL_PREPARE));
    h_run(&h, 1);
    h_hear(&h, 0, 1, 12, plain(6, CONTROL_PREPARE)); /* 11 was never seen */
    assert_int_equal(h.nodes[0]->unknowns, 1);
    assert_int_equal(h.nodes[0]->cuts, 2);
    h_run(&h, 40000); /* its leader decides for up to thirty seconds */
    assert_int_equal(h.nodes[0]->unknowns, 2);
    h_hear(&h, 0, 1, 13, plain(6, CONTROL_COMMIT));
    assert_int_equal(h.nodes[0]->commits, 1);
    h_close(&h);
}

static void plain_records_of_others_begin_nothing(void **state)
{
    struct harness h;
    struct checkpoint_member other = h_member(9);

    (void)state;
    h_start(&h, 1);
    other.speaks_weft = false;
    h_fact(&h, 0, other);
    h_fact(&h, 0, h_member(7));
    h_hear(&h, 0, 9, 10, plain(5, CONTROL_PREPARE)); /* it does not lead */
    h_hear(&h, 0, 7, 10, plain(6, CONTROL_PREPARE)); /* broken: of a Weft */
    assert_int_equal(h.nodes[0]->cuts, 0);
    h_close(&h);
}

static void a_laminar_follower_that_acts_unlisted_is_well_again(void **state)
{
    struct harness h;
    struct checkpoint_member other = h_member(2);
    uint64_t epoch;

    (void)state;
    h_start(&h, 1);
    h.is_watched = false;
    other.speaks_weft = false;
    h_fact(&h, 0, other);
    for (int i = 0; i < 2; i++) {
        begin(&h, 0);
        h_run(&h, H_ALIGN_MS);
    }
    assert_true(checkpoint_health(&h.nodes[0]->cp, 2).is_suspended);
    begin(&h, 0);
    h_run(&h, 1);
    epoch = h_latest(&h, 0)->epoch;
    assert_int_equal(h.nodes[0]->commits, 1);
    h_say(&h, 0, 2, 5, (struct control_ack){.epoch = epoch, .ok = true});
    assert_false(checkpoint_health(&h.nodes[0]->cp, 2).is_suspended);
    h_close(&h);
}

/* --- the ledger --- */

static void the_ledger_tells_each_step(void **state)
{
    struct harness h;
    const struct checkpoint_entry *entry;

    (void)state;
    h_start(&h, 2);
    assert_non_null(h_ask(&h, 0, 100));
    h_run(&h, 1);
    entry = h_latest(&h, 0);
    for (int step = 0; step < CHECKPOINT_STEPS; step++) {
        assert_true(entry->has_step[step]);
        assert_true(
                step == 0 || entry->step_us[step] >= entry->step_us[step - 1]);
    }
    assert_int_equal(entry->step_us[CHECKPOINT_WRITTEN], 300);
    assert_int_equal(entry->step_us[CHECKPOINT_DECIDED], 300 + 2 * H_FRAME_US);
    assert_int_equal(entry->parked_bytes, 4096);
    assert_int_equal(entry->last, 2);
    assert_int_equal(entry->members_count, 2);
    assert_string_equal(entry->reason, "");
    entry = h_latest(&h, 1);
    assert_false(entry->has_step[CHECKPOINT_DECIDED]);
    assert_int_equal(entry->step_us[CHECKPOINT_KNOWN], 300 + 2 * H_FRAME_US);
    h_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(an_epoch_is_never_acked_for_two_leaders),
            cmocka_unit_test(the_key_does_not_overtake_the_outcome_before_it),
            cmocka_unit_test(another_life_of_the_leader_is_another_leader),
            cmocka_unit_test(what_is_on_disk_is_held_and_the_leader_goes_above),
            cmocka_unit_test(one_attempt_with_two_contents_is_the_first_one),
            cmocka_unit_test(a_repeated_prepare_repeats_the_ack),
            cmocka_unit_test(a_contrary_outcome_is_counted_and_ignored),
            cmocka_unit_test(a_strangers_word_on_our_own_epochs_is_none),
            cmocka_unit_test(who_is_not_listed_does_nothing),
            cmocka_unit_test(who_is_listed_and_cannot_says_why),
            cmocka_unit_test(hearsay_begins_nothing),
            cmocka_unit_test(
                    a_member_says_what_it_lacks_before_the_leader_is_done),
            cmocka_unit_test(late_refusals_are_gathered_and_the_silent_named),
            cmocka_unit_test(
                    those_who_are_named_are_to_blame_else_the_refusing),
            cmocka_unit_test(the_leaders_own_part_may_be_late_as_well),
            cmocka_unit_test(a_member_that_changes_ends_it_at_once),
            cmocka_unit_test(a_draining_member_goes_on_acking),
            cmocka_unit_test(who_cannot_be_reached_ends_it_and_is_named),
            cmocka_unit_test(an_outcome_is_only_heard_of_from_others),
            cmocka_unit_test(
                    who_has_not_acked_tells_the_others_that_it_was_aborted),
            cmocka_unit_test(
                    a_silent_leader_leaves_it_unknown_after_two_seconds),
            cmocka_unit_test(an_ack_in_a_key_tells_the_outcome),
            cmocka_unit_test(
                    a_commit_without_its_places_waits_for_the_leaders_word),
            cmocka_unit_test(
                    the_next_attempt_begins_above_when_the_leader_dies),
            cmocka_unit_test(
                    a_member_that_returns_in_mid_attempt_is_not_the_listed_one),
            cmocka_unit_test(a_paused_leader_between_any_two_actions),
            cmocka_unit_test(a_paused_follower_between_any_two_actions),
            cmocka_unit_test(two_leaders_at_once_end_as_one),
            cmocka_unit_test(who_follows_another_refuses_what_it_has_not_acked),
            cmocka_unit_test(a_lower_leader_makes_a_higher_one_give_way),
            cmocka_unit_test(a_higher_leader_is_refused_by_one_that_leads),
            cmocka_unit_test(a_decision_that_cannot_be_kept_is_an_abort),
            cmocka_unit_test(a_decision_under_way_survives_joining_anew),
            cmocka_unit_test(what_is_being_kept_is_not_presumed_aborted),
            cmocka_unit_test(requests_of_many_share_the_next_one),
            cmocka_unit_test(a_request_follows_the_leader),
            cmocka_unit_test(a_request_waits_until_we_know_that_we_lead),
            cmocka_unit_test(whoever_comes_back_is_asked_at_once),
            cmocka_unit_test(a_request_that_comes_twice_is_one),
            cmocka_unit_test(a_lost_request_is_made_again),
            cmocka_unit_test(without_a_leader_a_request_waits_ten_seconds),
            cmocka_unit_test(a_leader_that_begins_nothing_is_not_waited_for),
            cmocka_unit_test(a_program_that_waits_no_more_gets_no_answer),
            cmocka_unit_test(of_a_laminar_leader_nobody_can_ask_anything),
            cmocka_unit_test(one_that_is_left_out_hears_what_it_asked_for),
            cmocka_unit_test(above_the_last_epoch_there_is_none),
            cmocka_unit_test(epochs_begin_above_every_one_that_was_named),
            cmocka_unit_test(the_leader_begins_one_each_interval),
            cmocka_unit_test(a_commit_places_anew_from_the_acks),
            cmocka_unit_test(a_leader_moves_its_stages_away_before_it_drains),
            cmocka_unit_test(
                    a_drain_that_fails_twice_goes_on_and_so_does_one_alone),
            cmocka_unit_test(a_drain_takes_four_seconds_at_most),
            cmocka_unit_test(a_follower_drains_at_once_and_asks_its_leader),
            cmocka_unit_test(the_sick_are_left_out_probed_and_taken_back),
            cmocka_unit_test(
                    a_new_life_is_well_and_so_are_all_under_another_leader),
            cmocka_unit_test(with_patience_0_nobody_is_left_out),
            cmocka_unit_test(attempts_lost_to_others_do_not_count),
            cmocka_unit_test(who_slept_asks_and_acks_when_it_is_said_to_live),
            cmocka_unit_test(who_was_buried_joins_anew),
            cmocka_unit_test(who_was_buried_by_two_hears_it_once),
            cmocka_unit_test(a_leader_that_slept_ends_its_attempt),
            cmocka_unit_test(alone_nobody_can_have_buried_us),
            cmocka_unit_test(a_laminar_leader_may_use_an_epoch_again),
            cmocka_unit_test(what_a_laminar_leader_overwrote_is_unknown),
            cmocka_unit_test(plain_records_of_others_begin_nothing),
            cmocka_unit_test(
                    a_laminar_follower_that_acts_unlisted_is_well_again),
            cmocka_unit_test(the_ledger_tells_each_step),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
