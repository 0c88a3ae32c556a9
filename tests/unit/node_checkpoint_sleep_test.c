/* Who was asleep asks whether it was buried: what is answered, and by whom. */
#include "checkpoint_harness.h"

/* What node 1 sends when member 2 says that it slept, under that generation. */
static const char *answer_to(struct harness *h, uint64_t generation)
{
    const struct control_request awake = {
            .why = CONTROL_WHY_AWAKE, .generation = generation};

    h->nodes[0]->last_sent[0] = '\0';
    checkpoint_requested(&h->nodes[0]->cp, h->now_us, 2, &awake);
    h_drain(h, 0);
    return h->nodes[0]->last_sent;
}

static void start(struct harness *h, struct checkpoint_member member)
{
    h_start(h, 1);
    h_fact(h, 0, member);
}

static void who_is_live_here_is_alive(void **state)
{
    struct harness h;

    (void)state;
    start(&h, h_member(2));
    assert_non_null(strstr(answer_to(&h, 1002), "\"alive\""));
    h_close(&h);
}

static void who_was_ever_convicted_here_is_buried(void **state)
{
    struct checkpoint_member member = h_member(2);
    struct harness h;

    (void)state;
    member.convicted = true; /* and is live again */
    start(&h, member);
    assert_non_null(strstr(answer_to(&h, 1002), "\"buried\""));
    member.live = false;
    h_fact(&h, 0, member);
    assert_non_null(strstr(answer_to(&h, 1002), "\"buried\""));
    h_close(&h);
}

static void who_has_a_newer_life_is_buried(void **state)
{
    struct harness h;

    (void)state;
    start(&h, h_member(2));
    assert_non_null(strstr(answer_to(&h, 1001), "\"buried\""));
    h_close(&h);
}

/* Gossip may have brought its keys to one who began while it slept. */
static void of_whom_nothing_is_known_nothing_is_said(void **state)
{
    struct checkpoint_member member = h_member(2);
    struct harness h;

    (void)state;
    member.live = false;
    start(&h, member);
    assert_string_equal(answer_to(&h, 1002), "");
    assert_string_equal(answer_to(&h, 1003), ""); /* not heard of yet */
    member.live = true;
    h_fact(&h, 0, member);
    assert_non_null(strstr(answer_to(&h, 1002), "\"alive\""));
    assert_string_equal(answer_to(&h, 1003), "");
    h_close(&h);
}

static void who_is_in_doubt_says_only_what_it_knows(void **state)
{
    struct checkpoint_member member = h_member(2);
    struct harness h;

    (void)state;
    start(&h, member);
    h_fact(&h, 0, h_member(3)); /* who is a witness, and says nothing */
    checkpoint_slept(&h.nodes[0]->cp, h.now_us);
    h_drain(&h, 0);
    assert_string_equal(answer_to(&h, 1002), "");
    assert_true(h.nodes[0]->cp.is_in_doubt);
    member.convicted = true;
    h_fact(&h, 0, member);
    assert_non_null(strstr(answer_to(&h, 1002), "\"buried\""));
    h_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(who_is_live_here_is_alive),
            cmocka_unit_test(who_was_ever_convicted_here_is_buried),
            cmocka_unit_test(who_has_a_newer_life_is_buried),
            cmocka_unit_test(of_whom_nothing_is_known_nothing_is_said),
            cmocka_unit_test(who_is_in_doubt_says_only_what_it_knows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
