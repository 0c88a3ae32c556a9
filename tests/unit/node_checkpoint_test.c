/* Numbers in names are those of docs/wire.md, "The protocol". */
#include "checkpoint_harness.h"

/* --- announce, observe, ack --- */

static void an_announcement_9_begins_the_cut_that_it_names(void **state)
{
    struct harness h;
    struct h_call call;

    (void)state;
    h_start(&h, 1);
    h_fact(&h, 0, h_member(9));
    h_call(&h, 0, 9, 5, &call);
    call.a.checkpoint_id = 42;
    h_hear(&h, 0, 9, 0, call.a);
    assert_int_equal(h.nodes[0]->cuts, 1);
    assert_int_equal(h.nodes[0]->order.epoch, 5);
    assert_int_equal(h.nodes[0]->order.checkpoint, 42);
    assert_int_equal(h.nodes[0]->order.announced, 42);
    assert_int_equal(h.nodes[0]->order.members_count, 1);
    assert_int_equal(h.nodes[0]->order_weft, 1);
    h_close(&h);
}

static void a_silent_leader_10_begins_nothing(void **state)
{
    struct harness h;

    (void)state;
    h_start(&h, 3);
    h_run(&h, 60000);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(h.nodes[i]->cuts, 0);
        assert_int_equal(h.nodes[i]->sent, 0);
        assert_string_equal(h.nodes[i]->barrier.text, "");
    }
    h_close(&h);
}

static void a_lone_node_11_65_announces_and_commits(void **state)
{
    struct harness h;
    struct control_announcement a;
    const struct h_answer *answer;

    (void)state;
    h_start(&h, 1);
    answer = h_ask(&h, 0, 100);
    assert_non_null(answer);
    assert_int_equal(answer->outcome, SHUFFLE_OUTCOME_COMMITTED);
    assert_int_equal(answer->epoch, 1);
    assert_true(control_read_announcement(
            &h.memory, bytes_text(h.nodes[0]->barrier.text), &a));
    assert_int_equal(a.phase, CONTROL_COMMIT);
    assert_int_equal(a.epoch, 1);
    assert_int_equal(h.nodes[0]->sent, 0);
    h_close(&h);
}

/* --- quorum --- */

static void acks_of_all_13_commit_without_a_watermark(void **state)
{
    struct harness h;

    (void)state;
    h_start_solo(&h, 3);
    h_run(&h, 1);
    assert_int_equal(h.nodes[0]->commits, 0);
    h_say(&h, 0, 2, 0, h_ack_for(&h, 0));
    assert_int_equal(h.nodes[0]->commits, 0);
    h_say(&h, 0, 3, 0, h_ack_for(&h, 0));
    assert_int_equal(h.nodes[0]->commits, 1);
    assert_false(checkpoint_cluster_watermark(&h.nodes[0]->cp).is_set);
    assert_int_equal(h_latest(&h, 0)->last, 3);
    h_close(&h);
}

static void a_silent_member_14_20_is_named_at_the_deadline(void **state)
{
    struct harness h;

    (void)state;
    h_start_solo(&h, 3);
    h_run(&h, 1);
    h_say(&h, 0, 2, 0, h_ack_for(&h, 0));
    h_run(&h, H_ALIGN_MS - 2);
    assert_int_equal(h.nodes[0]->aborts, 0);
    h_run(&h, 2);
    assert_int_equal(h.nodes[0]->aborts, 1);
    assert_string_equal(h.nodes[0]->outcome_text, "no word from node 3");
    assert_int_equal(h_latest(&h, 0)->missing_count, 1);
    assert_int_equal(h_latest(&h, 0)->missing[0], 3);
    h_close(&h);
}

static struct control_ack refusal(const struct harness *h, const char *error)
{
    struct control_ack ack = h_ack_for(h, 0);

    ack.ok = false;
    ack.has_error = true;
    ack.error = bytes_text(error);
    return ack;
}

static void a_refusal_15_aborts_at_once_with_its_sentence(void **state)
{
    struct harness h;

    (void)state;
    h_start_solo(&h, 3);
    h_run(&h, 1);
    h_say(&h, 0, 2, 0, h_ack_for(&h, 0));
    h_say(&h, 0, 3, 0, refusal(&h, "node 3 gives up: disk full"));
    assert_int_equal(h.nodes[0]->aborts, 1);
    assert_string_equal(h.nodes[0]->outcome_text, "node 3 gives up: disk full");
    assert_int_equal(h_latest(&h, 0)->missing_count, 1);
    assert_int_equal(h_latest(&h, 0)->missing[0], 3);
    h_close(&h);
}

static void acks_of_other_attempts_16_do_not_count(void **state)
{
    struct harness h;
    struct control_ack ack;

    (void)state;
    h_start_solo(&h, 2);
    h_run(&h, 1);
    ack = h_ack_for(&h, 0);
    ack.epoch--;
    h_say(&h, 0, 2, 0, ack);
    ack = h_ack_for(&h, 0);
    ack.attempt++;
    h_say(&h, 0, 2, 0, ack);
    ack = h_ack_for(&h, 0);
    ack.leader = 7;
    h_say(&h, 0, 2, 0, ack);
    ack = h_ack_for(&h, 0);
    ack.checkpoint_id++;
    h_say(&h, 0, 2, 0, ack);
    ack = h_ack_for(&h, 0);
    ack.is_weft = false; /* and yet a Weft member */
    h_say(&h, 0, 2, 9, ack);
    h_say(&h, 0, 77, 0, h_ack_for(&h, 0)); /* nobody we know */
    assert_int_equal(h.nodes[0]->commits + h.nodes[0]->aborts, 0);
    h_say(&h, 0, 2, 0, h_ack_for(&h, 0));
    assert_int_equal(h.nodes[0]->commits, 1);
    h_close(&h);
}

static struct control_ack with_watermark(const struct harness *h, int64_t ms)
{
    struct control_ack ack = h_ack_for(h, 0);

    ack.local_watermark = (struct control_watermark){true, ms};
    return ack;
}

static void the_least_watermark_17_counts_and_none_holds_nobody(void **state)
{
    struct harness h;
    struct control_announcement a;

    (void)state;
    h_start_solo(&h, 4);
    h_run(&h, 1);
    h_say(&h, 0, 2, 0, with_watermark(&h, 100));
    h_say(&h, 0, 3, 0, h_ack_for(&h, 0));
    h_say(&h, 0, 4, 0, with_watermark(&h, 50));
    assert_true(control_read_announcement(
            &h.memory, bytes_text(h.nodes[0]->barrier.text), &a));
    assert_int_equal(a.phase, CONTROL_COMMIT);
    assert_true(a.min_watermark.is_set);
    assert_int_equal(a.min_watermark.ms, 50);
    assert_int_equal(checkpoint_cluster_watermark(&h.nodes[0]->cp).ms, 50);
    h_close(&h);
}

/* What three members say, in turn: +id ok, -id no, 0 nothing more; and what the
 * attempt has come to then, and whom it was lost to. */
static void every_row_18_of_the_quorum_ends_as_it_says(void **state)
{
    static const struct {
        const char *name;
        int words[6];
        char outcome; /* c, a, or w: waits */
        uint64_t missing;
    } rows[] = {
            {"all ok", {2, 3, 4}, 'c', 0},
            {"one no, others silent", {-3}, 'a', 3},
            {"all others ok, one no", {2, 4, -3}, 'a', 3},
            {"nobody", {0}, 'w', 0},
            {"one ok twice", {2, 2, 3}, 'w', 0},
            {"one ok thrice, the others once", {2, 2, 2, 3, 4}, 'c', 0},
            {"ok and then no: the first word counts", {2, -2, 3, 4}, 'c', 0},
            {"nodes that are not listed", {8, 9, 2, 3}, 'w', 0},
            {"a no of one that is not listed", {-9, 2, 3, 4}, 'c', 0},
    };

    (void)state;
    for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        struct harness h;

        h_start_solo(&h, 4);
        h_run(&h, 1);
        h_fact(&h, 0, h_member(8)); /* too late to be listed */
        for (size_t k = 0; k < 6 && rows[r].words[k] != 0; k++) {
            int word = rows[r].words[k];
            struct control_ack ack =
                    word > 0 ? h_ack_for(&h, 0) : refusal(&h, "no");

            h_say(&h, 0, (uint64_t)abs(word), 0, ack);
        }
        if (h.nodes[0]->commits != (rows[r].outcome == 'c' ? 1 : 0) ||
                h.nodes[0]->aborts != (rows[r].outcome == 'a' ? 1 : 0)) {
            fail_msg("%s", rows[r].name);
        }
        if (rows[r].missing != 0) {
            assert_int_equal(h_latest(&h, 0)->missing[0], rows[r].missing);
        }
        h_close(&h);
    }
}

static void three_nodes_19_66_commit_in_a_round_trip(void **state)
{
    struct harness h;
    const struct h_answer *answer;
    uint64_t before_us;

    (void)state;
    h_start(&h, 3);
    before_us = h.now_us;
    answer = h_ask(&h, 0, 100);
    assert_non_null(answer);
    assert_int_equal(answer->outcome, SHUFFLE_OUTCOME_COMMITTED);
    /* One way there, the cut, and one way back. */
    assert_int_equal(
            answer->at_us - before_us, 2 * H_FRAME_US + h.nodes[1]->cut_us);
    h_run(&h, 1);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(h.nodes[i]->commits, 1);
        assert_int_equal(h_latest(&h, i)->epoch, 1);
    }
    h_close(&h);
}

static void keys_alone_carry_an_attempt(void **state)
{
    struct harness h;

    (void)state;
    h_start(&h, 3);
    h.nodes[0]->slow_us = 3600 * 1000000ull;
    h.nodes[1]->slow_us = 3600 * 1000000ull;
    h.nodes[2]->slow_us = 3600 * 1000000ull;
    assert_int_equal(h_ask(&h, 0, 2000)->outcome, SHUFFLE_OUTCOME_COMMITTED);
    h_run(&h, 600);
    assert_int_equal(h.nodes[1]->commits, 1);
    assert_int_equal(h.nodes[2]->commits, 1);
    h_close(&h);
}

/* --- leader --- */

static void the_lowest_active_21_to_26_leads(void **state)
{
    static const struct {
        const char *name;
        uint64_t ours;
        bool active;
        uint64_t others[3];
        uint64_t leader;
    } rows[] = {
            {"nobody is active", 9, false, {0}, 0},
            {"only id 0", 9, false, {0, 0, 0}, 0},
            {"one", 1, true, {0}, 1},
            {"100, 1, 50", 100, true, {1, 50}, 1},
            {"0, 5, 3", 5, true, {0, 3}, 3},
            {"we are 1", 1, true, {5, 7}, 1},
            {"we are 7", 7, true, {3, 5}, 3},
            {"we are 42, alone", 42, true, {0}, 42},
            {"we are 1, and not active", 1, false, {5, 7}, 5},
    };

    (void)state;
    for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        struct harness h;
        size_t i;

        h_init(&h, 1);
        i = h_add(&h, rows[r].ours);
        h.nodes[i]->is_active = rows[r].active;
        h_boot(&h, i);
        for (size_t k = 0; k < 3; k++) {
            h_fact(&h, i, h_member(rows[r].others[k]));
        }
        for (int again = 0; again < 2; again++) {
            if (checkpoint_leader(&h.nodes[i]->cp) != rows[r].leader) {
                fail_msg("%s", rows[r].name);
            }
        }
        h_close(&h);
    }
}

static size_t self_leaders(const struct harness *h)
{
    size_t count = 0;

    for (size_t i = 0; i < h->nodes_count; i++) {
        count += h->nodes[i]->is_up && checkpoint_leader(&h->nodes[i]->cp) ==
                                               h->nodes[i]->id
                         ? 1
                         : 0;
    }
    return count;
}

static bool all_follow(const struct harness *h, uint64_t leader, unsigned mask)
{
    for (size_t i = 0; i < h->nodes_count; i++) {
        if (((mask >> i) & 1) != 0 && h->nodes[i]->is_up &&
                checkpoint_leader(&h->nodes[i]->cp) != leader) {
            return false;
        }
    }
    return true;
}

static void three_nodes_27_agree_on_one_leader(void **state)
{
    struct harness h;

    (void)state;
    h_init(&h, 1);
    h_boot(&h, h_add(&h, 8));
    h_boot(&h, h_add(&h, 3));
    h_boot(&h, h_add(&h, 5));
    h_meet(&h);
    assert_true(all_follow(&h, 3, 7));
    assert_int_equal(self_leaders(&h), 1);
    h_close(&h);
}

static void when_the_leader_leaves_28_the_next_one_leads(void **state)
{
    struct harness h;

    (void)state;
    h_start(&h, 3);
    h.nodes[0]->is_active = false;
    checkpoint_state(&h.nodes[0]->cp, h.now_us, false, false);
    h_run(&h, 1000);
    assert_true(all_follow(&h, 2, 7));
    assert_int_equal(self_leaders(&h), 1);
    assert_int_equal(h_ask(&h, 2, 1000)->outcome, SHUFFLE_OUTCOME_COMMITTED);
    h_close(&h);
}

static void each_side_29_has_its_leader_and_both_one_again(void **state)
{
    struct harness h;

    (void)state;
    h_start(&h, 4);
    h_split(&h, 3);
    h_run(&h, 5000);
    assert_true(all_follow(&h, 1, 3));
    assert_true(all_follow(&h, 3, 12));
    assert_int_equal(h_ask(&h, 1, 1000)->outcome, SHUFFLE_OUTCOME_COMMITTED);
    assert_int_equal(h_ask(&h, 3, 1000)->outcome, SHUFFLE_OUTCOME_COMMITTED);
    h_split(&h, 0);
    h_run(&h, 1500);
    assert_true(all_follow(&h, 1, 15));
    assert_int_equal(h_ask(&h, 3, 2000)->outcome, SHUFFLE_OUTCOME_COMMITTED);
    assert_int_equal(h_latest(&h, 0)->members_count, 4);
    h_close(&h);
}

static void with_expect_30_the_smaller_half_commits_nothing(void **state)
{
    struct harness h;
    const struct h_answer *answer;

    (void)state;
    h_init(&h, 1);
    for (size_t i = 0; i < 4; i++) {
        h_add(&h, i + 1);
        h.nodes[i]->options.expect = 4;
        h_boot(&h, i);
    }
    h_meet(&h);
    assert_int_equal(h_ask(&h, 0, 100)->outcome, SHUFFLE_OUTCOME_COMMITTED);
    h_split(&h, 3);
    h_run(&h, 5000);
    answer = h_ask(&h, 0, 100);
    assert_true(answer->is_refused);
    assert_string_equal(answer->reason,
            "2 of 4 expected members are here, and a checkpoint takes more "
            "than half of them");
    answer = h_ask(&h, 3, 100); /* a follower knows it as well */
    assert_true(answer->is_refused);
    h_split(&h, 0);
    h_run(&h, 1500);
    assert_int_equal(h_ask(&h, 3, 1000)->outcome, SHUFFLE_OUTCOME_COMMITTED);
    h_close(&h);
}

/* --- watermark --- */

static struct control_announcement told(
        enum control_phase phase, uint64_t epoch, int64_t ms)
{
    return (struct control_announcement){.epoch = epoch,
            .checkpoint_id = 1,
            .phase = phase,
            .min_watermark = {true, ms},
            .is_weft = true,
            .leader = 1,
            .generation = 1001,
            .attempt = epoch};
}

static void the_clusters_watermark_31_32_only_grows(void **state)
{
    static const struct {
        enum control_phase phase;
        int64_t ms;
        bool is_set;
        int64_t then;
    } rows[] = {
            {CONTROL_PREPARE, 7, false, 0},
            {CONTROL_ABORT, 7, false, 0},
            {CONTROL_COMMIT, -5, true, -5},
            {CONTROL_COMMIT, 100, true, 100},
            {CONTROL_COMMIT, 250, true, 250},
            {CONTROL_COMMIT, 42, true, 250},
            {CONTROL_COMMIT, 250, true, 250},
            {CONTROL_COMMIT, 12345, true, 12345},
            {CONTROL_COMMIT, 100, true, 12345},
            {CONTROL_PREPARE, 99999, true, 12345},
    };
    struct harness h;

    (void)state;
    h_init(&h, 1);
    h_boot(&h, h_add(&h, 2));
    h_fact(&h, 0, h_member(1));
    assert_false(checkpoint_cluster_watermark(&h.nodes[0]->cp).is_set);
    for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        struct control_watermark now;

        h_hear(&h, 0, 1, 0, told(rows[r].phase, r + 1, rows[r].ms));
        now = checkpoint_cluster_watermark(&h.nodes[0]->cp);
        assert_int_equal(now.is_set, rows[r].is_set);
        assert_int_equal(now.ms, rows[r].then);
    }
    h_close(&h);
}

static void a_lone_leaders_own_watermark_33_is_the_clusters(void **state)
{
    struct harness h;

    (void)state;
    h_start(&h, 1);
    checkpoint_watermark(&h.nodes[0]->cp, 12345);
    assert_non_null(h_ask(&h, 0, 100));
    assert_int_equal(checkpoint_cluster_watermark(&h.nodes[0]->cp).ms, 12345);
    checkpoint_watermark(&h.nodes[0]->cp, 42);
    assert_non_null(h_ask(&h, 0, 100));
    assert_int_equal(checkpoint_cluster_watermark(&h.nodes[0]->cp).ms, 12345);
    h_close(&h);
}

/* --- members --- */

static void a_new_life_45_leads_again(void **state)
{
    struct harness h;

    (void)state;
    h_start(&h, 3);
    assert_non_null(h_ask(&h, 0, 100));
    h_kill(&h, 0);
    h_run(&h, 5000);
    assert_true(all_follow(&h, 2, 6));
    assert_int_equal(h_ask(&h, 2, 1000)->epoch, 2);
    h_revive(&h, 0);
    h_run(&h, 1500);
    assert_true(all_follow(&h, 1, 7));
    assert_int_equal(h_ask(&h, 0, 1000)->outcome, SHUFFLE_OUTCOME_COMMITTED);
    /* Above what it has never led itself. */
    assert_int_equal(h_latest(&h, 0)->epoch, 3);
    h_close(&h);
}

static void facts_that_say_nothing_new_46_do_nothing(void **state)
{
    struct harness h;
    struct checkpoint_action action;

    (void)state;
    h_start(&h, 2);
    for (int i = 0; i < 10; i++) {
        checkpoint_member(
                &h.nodes[0]->cp, h.now_us, &h.nodes[0]->views[1].facts);
        checkpoint_state(&h.nodes[0]->cp, h.now_us, true, false);
        assert_false(checkpoint_next(&h.nodes[0]->cp, &action));
    }
    h_close(&h);
}

static void a_member_that_is_not_ready_40_47_is_not_expected(void **state)
{
    struct harness h;

    (void)state;
    h_init(&h, 1);
    for (size_t i = 0; i < 3; i++) {
        h_add(&h, i + 1);
        h.nodes[i]->is_active = i != 0;
        h_boot(&h, i);
    }
    h_meet(&h);
    assert_int_equal(h_ask(&h, 1, 100)->outcome, SHUFFLE_OUTCOME_COMMITTED);
    assert_true(all_follow(&h, 2, 7));
    assert_int_equal(h_latest(&h, 1)->members_count, 2);
    assert_int_equal(h.nodes[0]->cuts, 0);
    h_close(&h);
}

/* --- two phases --- */

static void a_decision_67_is_kept_before_it_is_told(void **state)
{
    struct harness h;
    uint64_t before_us;

    (void)state;
    h_init(&h, 1);
    h_add(&h, 1);
    h_add(&h, 2);
    h.nodes[0]->options.keeps = true;
    h.nodes[0]->keep_us = 5000;
    h_boot(&h, 0);
    h_boot(&h, 1);
    h_meet(&h);
    before_us = h.now_us;
    checkpoint_request(&h.nodes[0]->cp, h.now_us, 1);
    h_drain(&h, 0);
    h_run(&h, 3);
    assert_int_equal(h.nodes[0]->disk_count, 1);
    assert_true(h.nodes[0]->disk[0].is_committed);
    assert_int_equal(h.nodes[0]->commits + h.nodes[1]->commits, 0);
    h_run(&h, 4);
    assert_int_equal(h.nodes[0]->commits, 1);
    assert_int_equal(h.nodes[1]->commits, 1);
    assert_true(h.nodes[0]->answers[0].at_us - before_us >= 5000);
    h_close(&h);
}

/* Two nodes; the leader dies when its decision is on disk and nobody has heard
 * of it, or before. */
static void die_before_a_word(struct harness *h, bool decides)
{
    h_init(h, 1);
    h_add(h, 1);
    h_add(h, 2);
    h->nodes[0]->options.keeps = true;
    h->nodes[0]->keep_us = 50 * H_MS;
    h->nodes[0]->is_stuck = !decides;
    h_boot(h, 0);
    h_boot(h, 1);
    h_meet(h);
    checkpoint_request(&h->nodes[0]->cp, h->now_us, 1);
    h_drain(h, 0);
    h_run(h, 10);
    assert_int_equal(h->nodes[0]->disk_count, decides ? 1 : 0);
    h_kill(h, 0);
    h_run(h, 5000);
    assert_int_equal(h->nodes[1]->unknowns, 1);
    assert_int_equal(h->nodes[1]->aborts + h->nodes[1]->commits, 0);
    assert_false(checkpoint_is_running(&h->nodes[1]->cp));
}

static void come_back(struct harness *h)
{
    h->nodes[0]->is_stuck = false;
    h_revive(h, 0);
    h_run(h, 7000);
}

static void a_kept_decision_68_is_found_by_who_has_acked(void **state)
{
    struct harness h;

    (void)state;
    die_before_a_word(&h, true);
    come_back(&h);
    assert_int_equal(h.nodes[1]->commits, 1);
    assert_int_equal(h_latest(&h, 1)->outcome, SHUFFLE_OUTCOME_COMMITTED);
    h_close(&h);
}

static void without_a_decision_69_it_was_aborted(void **state)
{
    struct harness h;

    (void)state;
    die_before_a_word(&h, false);
    come_back(&h);
    assert_int_equal(h.nodes[1]->aborts, 1);
    assert_int_equal(h_latest(&h, 1)->outcome, SHUFFLE_OUTCOME_ABORTED);
    h_close(&h);
}

/* It may have been committed: what was on the old disk nobody knows. */
static void a_new_disk_69_says_nothing_of_earlier_lives(void **state)
{
    struct harness h;

    (void)state;
    die_before_a_word(&h, true);
    h_wipe(&h, 0);
    come_back(&h);
    assert_int_equal(h.nodes[1]->aborts, 0);
    assert_int_equal(h_latest(&h, 1)->outcome, SHUFFLE_OUTCOME_UNKNOWN);
    h_kill(&h, 0); /* and its next life has the disk, but not the other one's */
    come_back(&h);
    assert_int_equal(h.nodes[1]->aborts, 0);
    h_close(&h);
}

static void without_an_ack_69_nothing_can_have_been_committed(void **state)
{
    struct harness h;

    (void)state;
    h_start(&h, 2);
    h.nodes[1]->is_stuck = true;
    checkpoint_request(&h.nodes[0]->cp, h.now_us, 1);
    h_drain(&h, 0);
    h_run(&h, 10);
    h_kill(&h, 0);
    h_run(&h, 6000);
    assert_int_equal(h.nodes[1]->aborts, 1);
    assert_int_equal(h.nodes[1]->unknowns, 0);
    h_close(&h);
}

static void an_outcome_70_that_comes_before_its_prepare_stands(void **state)
{
    struct harness h;
    struct h_call call;

    (void)state;
    h_start(&h, 1);
    h_fact(&h, 0, h_member(9));
    h_call(&h, 0, 9, 5, &call);
    h_hear(&h, 0, 9, 0, h_outcome_of(&call, CONTROL_ABORT));
    h_hear(&h, 0, 9, 3, call.a);
    assert_int_equal(h.nodes[0]->cuts, 0);
    h_call(&h, 0, 9, 6, &call);
    h_hear(&h, 0, 9, 0, call.a);
    h_run(&h, 1);
    h_hear(&h, 0, 9, 0, h_outcome_of(&call, CONTROL_COMMIT));
    h_hear(&h, 0, 9, 4, call.a); /* late, from the key */
    h_hear(&h, 0, 9, 5, h_outcome_of(&call, CONTROL_COMMIT));
    assert_int_equal(h.nodes[0]->cuts, 1);
    assert_int_equal(h.nodes[0]->commits, 1);
    assert_non_null(strstr(h.nodes[0]->ack.text, "\"ok\":true"));
    assert_non_null(strstr(h.nodes[0]->ack.text, "committed"));
    h_close(&h);
}

static struct checkpoint_member laminar(uint64_t id)
{
    struct checkpoint_member member = h_member(id);

    member.speaks_weft = false;
    return member;
}

static struct control_ack plain_ack(uint64_t epoch, bool ok)
{
    return (struct control_ack){.epoch = epoch, .ok = ok};
}

static void an_ack_73_that_was_there_before_does_not_count(void **state)
{
    struct harness h;
    uint64_t epoch;

    (void)state;
    h_start(&h, 1);
    h.is_watched = false;
    h_fact(&h, 0, laminar(2));
    h_say(&h, 0, 2, 11, plain_ack(4, true));
    checkpoint_request(&h.nodes[0]->cp, h.now_us, 1);
    h_drain(&h, 0);
    h_run(&h, 1);
    epoch = h.nodes[0]->cp.lead.attempt.epoch;
    assert_int_equal(epoch, 5); /* above what anybody has acked */
    h_say(&h, 0, 2, 11, plain_ack(4, true));
    h_say(&h, 0, 2, 11, plain_ack(5, true)); /* no newer than it was */
    h_say(&h, 0, 2, 0, plain_ack(5, true)); /* it has no lane */
    assert_int_equal(h.nodes[0]->commits, 0);
    h_run(&h, H_ALIGN_MS);
    assert_int_equal(h.nodes[0]->aborts, 1);
    h_say(&h, 0, 2, 12, plain_ack(5, true)); /* too late */
    checkpoint_request(&h.nodes[0]->cp, h.now_us, 1);
    h_drain(&h, 0);
    h_run(&h, 1);
    h_say(&h, 0, 2, 12, plain_ack(5, true));
    assert_int_equal(h.nodes[0]->commits, 0);
    h_say(&h, 0, 2, 13, plain_ack(6, true));
    assert_int_equal(h.nodes[0]->commits, 1);
    h_close(&h);
}

static void leadership_74_lost_before_the_decision_aborts(void **state)
{
    struct harness h;

    (void)state;
    h_start_solo(&h, 3);
    h_run(&h, 1);
    h.nodes[0]->is_active = false;
    h.nodes[0]->is_draining = true;
    checkpoint_state(&h.nodes[0]->cp, h.now_us, false, true);
    h_drain(&h, 0);
    assert_int_equal(h.nodes[0]->aborts, 1);
    assert_string_equal(h.nodes[0]->outcome_text, "node 2 leads now");
    assert_int_equal(h_latest(&h, 0)->missing_count, 0);
    h_close(&h);
}

static void a_follower_74_starts_nothing_by_its_own_clock(void **state)
{
    struct harness h;

    (void)state;
    h_init(&h, 1);
    h_boot(&h, h_add(&h, 1));
    h_add(&h, 2);
    h.nodes[1]->options.interval_ms = 100;
    h_boot(&h, 1);
    h_meet(&h);
    h_run(&h, 5000);
    assert_int_equal(h.nodes[0]->cuts + h.nodes[1]->cuts, 0);
    h_close(&h);
}

static void a_follower_that_cannot_75_says_so_at_once(void **state)
{
    struct harness h;
    const struct h_answer *answer;
    uint64_t before_us;

    (void)state;
    h_start(&h, 3);
    h.nodes[1]->cut_fails = "a stream of node 3 was lost";
    h.nodes[1]->cut_fails_for = 3;
    before_us = h.now_us;
    answer = h_ask(&h, 0, 100);
    assert_int_equal(answer->outcome, SHUFFLE_OUTCOME_ABORTED);
    assert_true(answer->at_us - before_us <= 2 * H_FRAME_US + 300);
    assert_string_equal(
            answer->reason, "node 2 gives up: a stream of node 3 was lost");
    assert_int_equal(h_latest(&h, 0)->missing[0], 3);
    h_run(&h, 1);
    assert_string_equal(h.nodes[2]->outcome_text, answer->reason);
    h_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(an_announcement_9_begins_the_cut_that_it_names),
            cmocka_unit_test(a_silent_leader_10_begins_nothing),
            cmocka_unit_test(a_lone_node_11_65_announces_and_commits),
            cmocka_unit_test(acks_of_all_13_commit_without_a_watermark),
            cmocka_unit_test(a_silent_member_14_20_is_named_at_the_deadline),
            cmocka_unit_test(a_refusal_15_aborts_at_once_with_its_sentence),
            cmocka_unit_test(acks_of_other_attempts_16_do_not_count),
            cmocka_unit_test(
                    the_least_watermark_17_counts_and_none_holds_nobody),
            cmocka_unit_test(every_row_18_of_the_quorum_ends_as_it_says),
            cmocka_unit_test(three_nodes_19_66_commit_in_a_round_trip),
            cmocka_unit_test(keys_alone_carry_an_attempt),
            cmocka_unit_test(the_lowest_active_21_to_26_leads),
            cmocka_unit_test(three_nodes_27_agree_on_one_leader),
            cmocka_unit_test(when_the_leader_leaves_28_the_next_one_leads),
            cmocka_unit_test(each_side_29_has_its_leader_and_both_one_again),
            cmocka_unit_test(with_expect_30_the_smaller_half_commits_nothing),
            cmocka_unit_test(the_clusters_watermark_31_32_only_grows),
            cmocka_unit_test(a_lone_leaders_own_watermark_33_is_the_clusters),
            cmocka_unit_test(a_new_life_45_leads_again),
            cmocka_unit_test(facts_that_say_nothing_new_46_do_nothing),
            cmocka_unit_test(a_member_that_is_not_ready_40_47_is_not_expected),
            cmocka_unit_test(a_decision_67_is_kept_before_it_is_told),
            cmocka_unit_test(a_kept_decision_68_is_found_by_who_has_acked),
            cmocka_unit_test(without_a_decision_69_it_was_aborted),
            cmocka_unit_test(a_new_disk_69_says_nothing_of_earlier_lives),
            cmocka_unit_test(without_an_ack_69_nothing_can_have_been_committed),
            cmocka_unit_test(
                    an_outcome_70_that_comes_before_its_prepare_stands),
            cmocka_unit_test(an_ack_73_that_was_there_before_does_not_count),
            cmocka_unit_test(leadership_74_lost_before_the_decision_aborts),
            cmocka_unit_test(a_follower_74_starts_nothing_by_its_own_clock),
            cmocka_unit_test(a_follower_that_cannot_75_says_so_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
