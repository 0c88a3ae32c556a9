/* Members' lives: met, live, dead, scheduled, removed, remembered. The numbers
 * in the names are those of the checklist of observable behaviours in
 * docs/wire.md. */
#include "tests/unit/gossip_fixture.h"

enum {
    HOUR_MS = 3600 * 1000,
};

/* Heartbeats of node `number` every `gap_ms`, from `*heartbeat` + 1 on. */
static void hear_regularly(struct world *w, struct gossip *g, size_t number,
        uint64_t *heartbeat, uint64_t gap_ms, size_t times)
{
    for (size_t i = 0; i < times; i++) {
        w->now_ms += gap_ms;
        hear_heartbeat(w, g, number, ++*heartbeat);
    }
}

static void evaluate(struct world *w, struct gossip *g)
{
    w->is_cut = true;
    tick(w, g, w->now_ms);
    w->is_cut = false;
}

static void pass(struct world *w, uint64_t ms)
{
    w->now_ms += ms;
}

static bool is_live(struct gossip *g, size_t number)
{
    return gossip_member_is_live(member_of(g, number));
}

static void s19_58_a_single_update_is_nobody_alive(void **context)
{
    struct world w = {0};
    struct gossip *g = world_add(&w, 1, reference_options());

    (void)context;
    hear_heartbeat(&w, g, 2, 1);
    hear_heartbeat(&w, g, 2, 2);
    evaluate(&w, g);
    assert_false(is_live(g, 2));
    assert_int_equal(gossip_live_count(g), 0);
    assert_int_equal(gossip_dead_count(g), 1);
    world_close(&w);
}

static void s19_59_three_live_then_dead_then_removed(void **context)
{
    struct world w = {0};
    struct gossip *g = world_add(&w, 1, reference_options());
    uint64_t heartbeats[3] = {1, 1, 1};
    struct prng chance;

    (void)context;
    prng_init(&chance, 59);
    for (size_t i = 0; i < 3; i++) {
        hear_heartbeat(&w, g, 2 + i, 1);
    }
    for (int i = 0; i < 2000; i++) {
        size_t who = (size_t)prng_below(&chance, 3);

        w.nodes[0]->log_count = 0;
        hear_regularly(&w, g, 2 + who, &heartbeats[who],
                1000 + 1000 * prng_below(&chance, 2), 1);
    }
    evaluate(&w, g);
    assert_int_equal(gossip_live_count(g), 3);
    pass(&w, 50000);
    evaluate(&w, g);
    assert_int_equal(gossip_live_count(g), 0);
    assert_int_equal(gossip_dead_count(g), 3);
    pass(&w, UINT64_C(25) * HOUR_MS);
    w.nodes[0]->log_count = 0;
    evaluate(&w, g);
    assert_int_equal(gossip_member_count(g), 1);
    assert_int_equal(gossip_dead_count(g), 0);
    assert_int_equal(logged_count(w.nodes[0], GOSSIP_REMOVED), 3);
    world_close(&w);
}

static void s19_60_silence_is_death_and_news_is_life(void **context)
{
    struct world w = {0};
    struct gossip *g = world_add(&w, 1, reference_options());
    uint64_t heartbeat = 1;

    (void)context;
    hear_heartbeat(&w, g, 2, 1);
    hear_regularly(&w, g, 2, &heartbeat, 500, 100);
    evaluate(&w, g);
    assert_true(is_live(g, 2));
    pass(&w, 20000);
    evaluate(&w, g);
    assert_false(is_live(g, 2));
    hear_regularly(&w, g, 2, &heartbeat, 1000, 3);
    evaluate(&w, g);
    assert_true(is_live(g, 2));
    assert_int_equal(logged_count(w.nodes[0], GOSSIP_MET), 1);
    assert_int_equal(logged_count(w.nodes[0], GOSSIP_LIVE), 2);
    assert_int_equal(logged_count(w.nodes[0], GOSSIP_DEAD), 1);
    world_close(&w);
}

static void s19_66_alive_at_the_third_heartbeat(void **context)
{
    static const bool ALIVE[] = {false, false, true};
    struct world w = {0};
    struct gossip *g = world_add(&w, 1, reference_options());

    (void)context;
    for (uint64_t heartbeat = 1; heartbeat <= 3; heartbeat++) {
        hear_heartbeat(&w, g, 2, heartbeat);
        pass(&w, 1000);
        evaluate(&w, g);
        assert_int_equal(is_live(g, 2), ALIVE[heartbeat - 1]);
        assert_int_equal(gossip_dead_count(g), ALIVE[heartbeat - 1] ? 0 : 1);
    }
    world_close(&w);
}

static bool is_in_digest(struct world *w, struct gossip *g, size_t number)
{
    struct gossip_decoder decoder;
    struct gossip_message m;
    char name[32];
    struct gossip_id id = id_of_node(number, name);
    bool is_there;

    script_deliver(script_begin(GOSSIP_V0, GOSSIP_SYN), w, g, 9);
    assert_int_equal(gossip_decoder_init(&decoder), 0);
    m = last_sent(node_of(w, g), &decoder);
    is_there = gossip_digest_find(&m, &id) != NULL;
    gossip_decoder_close(&decoder);
    return is_there;
}

static void s19_67_scheduled_after_more_than_half_the_grace(void **context)
{
    struct world w = {0};
    struct gossip_options o = reference_options();
    struct gossip *g;

    (void)context;
    o.dead_grace_ms = 10000;
    g = world_add(&w, 1, o);
    hear_heartbeat(&w, g, 2, 1);
    evaluate(&w, g);
    pass(&w, 5000);
    assert_false(gossip_member_is_scheduled(member_of(g, 2), w.now_ms, 10000));
    assert_true(is_in_digest(&w, g, 2));
    pass(&w, 1);
    assert_true(gossip_member_is_scheduled(member_of(g, 2), w.now_ms, 10000));
    assert_false(is_in_digest(&w, g, 2));
    world_close(&w);
}

static void a_scheduled_member_may_still_revive(void **context)
{
    struct world w = {0};
    struct gossip_options o = reference_options();
    struct gossip *g;

    (void)context;
    o.dead_grace_ms = 10000;
    g = world_add(&w, 1, o);
    hear_heartbeat(&w, g, 2, 1);
    evaluate(&w, g);
    pass(&w, 6000);
    hear_heartbeat(&w, g, 2, 2);
    pass(&w, 1000);
    hear_heartbeat(&w, g, 2, 3);
    evaluate(&w, g);
    assert_true(is_live(g, 2));
    assert_true(is_in_digest(&w, g, 2));
    world_close(&w);
}

static void s19_68_removed_at_the_grace(void **context)
{
    struct world w = {0};
    struct gossip_options o = reference_options();
    struct gossip *g;

    (void)context;
    o.interval_ms = 1;
    o.dead_grace_ms = 10000;
    g = world_add(&w, 1, o);
    hear_heartbeat(&w, g, 2, 1);
    evaluate(&w, g);
    pass(&w, 9999);
    evaluate(&w, g);
    assert_non_null(member_of(g, 2));
    pass(&w, 1);
    evaluate(&w, g);
    assert_null(member_of(g, 2));
    world_close(&w);
}

static void s19_69_the_first_time_of_death_counts(void **context)
{
    struct world w = {0};
    struct gossip_options o = reference_options();
    struct gossip *g;

    (void)context;
    o.dead_grace_ms = 10000;
    g = world_add(&w, 1, o);
    hear_heartbeat(&w, g, 2, 1);
    evaluate(&w, g);
    pass(&w, 6000);
    evaluate(&w, g);
    assert_true(gossip_member_is_scheduled(member_of(g, 2), w.now_ms, 10000));
    pass(&w, 4000);
    evaluate(&w, g);
    assert_null(member_of(g, 2));
    world_close(&w);
}

static void s19_70_a_revived_member_dies_anew(void **context)
{
    struct world w = {0};
    struct gossip_options o = reference_options();
    struct gossip *g;
    uint64_t heartbeat = 1;

    (void)context;
    o.dead_grace_ms = 100000;
    g = world_add(&w, 1, o);
    hear_heartbeat(&w, g, 2, 1);
    evaluate(&w, g);
    pass(&w, 40000);
    hear_regularly(&w, g, 2, &heartbeat, 1000, 3);
    evaluate(&w, g);
    assert_true(is_live(g, 2));
    assert_int_equal(gossip_dead_count(g), 0);
    pass(&w, 60000);
    evaluate(&w, g);
    assert_false(is_live(g, 2));
    assert_false(gossip_member_is_scheduled(member_of(g, 2), w.now_ms, 100000));
    world_close(&w);
}

static void revival_after_a_long_silence_takes_two(void **context)
{
    struct world w = {0};
    struct gossip *g = world_add(&w, 1, reference_options());
    uint64_t heartbeat = 1;

    (void)context;
    hear_heartbeat(&w, g, 2, 1);
    hear_regularly(&w, g, 2, &heartbeat, 500, 100);
    pass(&w, 60000);
    evaluate(&w, g);
    hear_regularly(&w, g, 2, &heartbeat, 0, 1);
    pass(&w, 1000);
    evaluate(&w, g);
    assert_false(is_live(g, 2));
    hear_regularly(&w, g, 2, &heartbeat, 0, 1);
    pass(&w, 1000);
    evaluate(&w, g);
    assert_true(is_live(g, 2));
    world_close(&w);
}

static void s19_71_a_ghost_needs_a_higher_heartbeat(void **context)
{
    struct world w = {0};
    struct gossip_options o = reference_options();
    struct gossip *g;

    (void)context;
    o.dead_grace_ms = 10000;
    g = world_add(&w, 1, o);
    hear_heartbeat(&w, g, 2, 7);
    evaluate(&w, g);
    pass(&w, 10000);
    evaluate(&w, g);
    assert_null(member_of(g, 2));
    hear_heartbeat(&w, g, 2, 7);
    assert_null(member_of(g, 2));
    assert_int_equal(gossip_counters(g)->refused[GOSSIP_REFUSED_GHOST], 1);
    hear_heartbeat(&w, g, 2, 8);
    assert_non_null(member_of(g, 2));
    assert_int_equal(g->removed.count, 0);
    world_close(&w);
}

/* Removes `count` members at once, and returns how many of them a digest with
 * the remembered heartbeats brings back. */
static size_t ghosts_of(size_t count)
{
    struct world w = {0};
    struct gossip_options o = reference_options();
    struct gossip *g;
    size_t back;

    o.dead_grace_ms = 10000;
    o.members_max = 6000;
    g = world_add(&w, 1, o);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < count; i += 1000) {
            struct script *s = script_begin(GOSSIP_V0, GOSSIP_SYN);

            for (size_t j = i; j < i + 1000 && j < count; j++) {
                script_line(s, 10000 + j, 5, 0, 0);
            }
            gossip_receive(g, w.now_ms, &(struct addr){0},
                    gossip_encode_finish(&s->encoder));
            gossip_encoder_close(&s->encoder);
            free(s);
        }
        if (round == 0) {
            assert_int_equal(gossip_member_count(g), count + 1);
            gossip_tick(g, w.now_ms);
            w.now_ms += 10000;
            gossip_tick(g, w.now_ms);
            assert_int_equal(gossip_member_count(g), 1);
        }
    }
    back = gossip_member_count(g) - 1;
    world_close(&w);
    return back;
}

static void s19_122_the_memory_holds_five_thousand(void **context)
{
    (void)context;
    assert_int_equal(ghosts_of(600), 0);
    assert_int_equal(ghosts_of(5100), 100);
}

/* A death is found at its own millisecond, not at the next round. */
static void a_member_is_judged_at_its_own_deadline(void **context)
{
    struct world w = {0};
    struct gossip_options o = reference_options();
    struct gossip *g;
    uint64_t heartbeat = 1;
    uint64_t deadline_ms;

    (void)context;
    o.phi.prior_ms = 1000;
    g = world_add(&w, 1, o);
    hear_heartbeat(&w, g, 2, 1);
    hear_regularly(&w, g, 2, &heartbeat, 777, 20);
    evaluate(&w, g);
    assert_true(is_live(g, 2));
    deadline_ms = gossip_phi_deadline_ms(&member_of(g, 2)->phi);
    while (gossip_deadline_ms(g) < deadline_ms) {
        w.now_ms = gossip_deadline_ms(g);
        evaluate(&w, g);
        assert_true(is_live(g, 2));
    }
    assert_int_equal(gossip_deadline_ms(g), deadline_ms);
    w.now_ms = deadline_ms - 1;
    evaluate(&w, g);
    assert_true(is_live(g, 2));
    w.now_ms = deadline_ms;
    evaluate(&w, g);
    assert_false(is_live(g, 2));
    world_close(&w);
}

/* Who was away for a minute does not bury those who spoke before. */
static void a_late_observer_judges_nobody(void **context)
{
    struct world w = {0};
    struct gossip_options o = reference_options();
    struct gossip *g;
    uint64_t heartbeat = 1;

    (void)context;
    o.late_intervals = 2;
    o.phi.prior_ms = 1000;
    g = world_add(&w, 1, o);
    hear_heartbeat(&w, g, 2, 1);
    for (int i = 0; i < 20; i++) {
        hear_regularly(&w, g, 2, &heartbeat, 1000, 1);
        evaluate(&w, g);
    }
    assert_true(is_live(g, 2));
    pass(&w, 60000);
    evaluate(&w, g);
    assert_true(is_live(g, 2));
    assert_true(gossip_counters(g)->latest_round_ms >= 59000);
    pass(&w, 1000);
    evaluate(&w, g);
    assert_true(is_live(g, 2));
    for (int i = 0; i < 9; i++) {
        pass(&w, 1000);
        evaluate(&w, g);
    }
    assert_false(is_live(g, 2));
    world_close(&w);
}

/* Never told of anything but its own lateness: it knows nobody. */
static size_t latenesses(struct world *w, struct gossip *g)
{
    size_t before = logged_count(w->nodes[0], GOSSIP_LATE);

    evaluate(w, g);
    return logged_count(w->nodes[0], GOSSIP_LATE) - before;
}

/* Threshold 8, an interval since our last round, two until all have news. */
static void who_may_have_been_found_dead_is_told_once(void **context)
{
    static const struct {
        const char *name;
        uint64_t late_ms;
        uint32_t min_mean_ms;
        uint64_t late_intervals;
        bool is_told;
    } ROWS[] = {
            {"in time", 0, 1000, 2, false},
            {"a pause that buries nobody", 5000, 1000, 2, false},
            {"the first that may", 5001, 1000, 2, true},
            {"a minute", 60000, 1000, 2, true},
            {"patient others", 60000, 10000, 2, false},
            {"hasty others", 2001, 100, 2, true},
            {"hasty others, not late", 2000, 100, 2, false},
            {"never late", 60000, 1000, 0, false},
    };

    (void)context;
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        struct world w = {.now_ms = 7000};
        struct gossip_options o = reference_options();
        struct gossip *g;

        printf("%s\n", ROWS[i].name);
        o.late_intervals = ROWS[i].late_intervals;
        o.phi.min_mean_ms = ROWS[i].min_mean_ms;
        g = world_add(&w, 1, o);
        assert_int_equal(latenesses(&w, g), 0);
        pass(&w, 1000 + ROWS[i].late_ms);
        assert_int_equal(latenesses(&w, g), ROWS[i].is_told ? 1 : 0);
        pass(&w, 1000);
        assert_int_equal(latenesses(&w, g), 0);
        pass(&w, 1000 + ROWS[i].late_ms);
        assert_int_equal(latenesses(&w, g), ROWS[i].is_told ? 1 : 0);
        world_close(&w);
    }
}

/* Whatever is noticed first after a long pause, nothing overtakes it. */
static void lateness_is_told_before_all_else(void **context)
{
    struct world w = {0};
    struct gossip_options o = reference_options();
    struct addr from = addr_of_node(2);
    struct gossip_action action;
    struct script *s;
    struct gossip *g;

    (void)context;
    o.late_intervals = 2;
    o.phi.min_mean_ms = 1000;
    g = world_add(&w, 1, o);
    evaluate(&w, g);
    set(g, "key", "value");
    s = script_begin(GOSSIP_V0, GOSSIP_SYN);
    script_line(s, 2, 1, 0, 0);
    gossip_receive(g, 31000, &from, gossip_encode_finish(&s->encoder));
    gossip_encoder_close(&s->encoder);
    free(s);
    assert_true(gossip_next(g, &action));
    assert_int_equal(action.kind, GOSSIP_LATE);
    assert_int_equal(action.late_ms, 30000);
    assert_ptr_equal(action.member, gossip_self(g));
    assert_true(gossip_next(g, &action));
    assert_int_equal(action.kind, GOSSIP_SEND);
    world_close(&w);
}

static void the_clock_alone_finds_out_and_does_nothing(void **context)
{
    struct world w = {0};
    struct gossip_options o = reference_options();
    struct gossip_action action;
    struct gossip *g;

    (void)context;
    o.late_intervals = 2;
    o.phi.min_mean_ms = 1000;
    g = world_add(&w, 1, o);
    evaluate(&w, g);
    gossip_clock(g, 900);
    gossip_clock(g, 1100);
    assert_false(gossip_next(g, &action));
    gossip_clock(g, 21000);
    assert_int_equal(gossip_counters(g)->rounds, 1);
    assert_int_equal(gossip_deadline_ms(g), 21000);
    gossip_clock(g, 21500);
    assert_true(gossip_next(g, &action));
    assert_int_equal(action.kind, GOSSIP_LATE);
    assert_int_equal(action.late_ms, 20000);
    assert_false(gossip_next(g, &action));
    world_close(&w);
}

/* The next generation of node 2, heard of three times and judged. */
static const struct gossip_member *live_generation(
        struct world *w, struct gossip *g, uint64_t generation)
{
    char name[32];
    struct gossip_digest_entry line = {.id = id_of_node(2, name)};

    line.id.generation = generation;
    for (line.heartbeat = 1; line.heartbeat <= 3; line.heartbeat++) {
        struct script *s = script_begin(GOSSIP_V0, GOSSIP_SYN);

        pass(w, 1000);
        assert_true(gossip_encode_digest_entry(&s->encoder, &line));
        script_deliver(s, w, g, 9999);
    }
    evaluate(w, g);
    assert_true(gossip_member_is_live(gossip_find(g, &line.id)));
    return gossip_find(g, &line.id);
}

static void a_conviction_stays_with_the_generation(void **context)
{
    struct world w = {0};
    struct gossip_options o = reference_options();
    struct gossip *g;
    uint64_t heartbeat = 1;

    (void)context;
    o.dead_grace_ms = 200000;
    g = world_add(&w, 1, o);
    hear_heartbeat(&w, g, 2, 1);
    evaluate(&w, g);
    assert_int_equal(gossip_dead_count(g), 1);
    assert_false(gossip_member_was_convicted(member_of(g, 2)));
    hear_regularly(&w, g, 2, &heartbeat, 1000, 3);
    evaluate(&w, g);
    assert_true(is_live(g, 2));
    assert_false(gossip_member_was_convicted(member_of(g, 2)));
    pass(&w, 60000);
    evaluate(&w, g);
    assert_true(gossip_member_was_convicted(member_of(g, 2)));
    hear_regularly(&w, g, 2, &heartbeat, 1000, 3);
    evaluate(&w, g);
    assert_true(is_live(g, 2));
    assert_true(gossip_member_was_convicted(member_of(g, 2)));
    assert_false(gossip_member_was_convicted(live_generation(&w, g, 2)));
    assert_false(gossip_member_was_convicted(gossip_self(g)));
    world_close(&w);
}

/* Who slept for longer than its grace is a stranger again, and yet is known. */
static void a_conviction_outlives_the_removal(void **context)
{
    struct world w = {0};
    struct gossip_options o = reference_options();
    struct gossip *g;
    uint64_t heartbeat = 1;

    (void)context;
    o.dead_grace_ms = 100000;
    g = world_add(&w, 1, o);
    hear_heartbeat(&w, g, 2, 1);
    hear_regularly(&w, g, 2, &heartbeat, 1000, 3);
    evaluate(&w, g);
    pass(&w, 60000);
    evaluate(&w, g);
    pass(&w, 100000);
    evaluate(&w, g);
    assert_null(member_of(g, 2));
    hear_regularly(&w, g, 2, &heartbeat, 1000, 3);
    evaluate(&w, g);
    assert_true(is_live(g, 2));
    assert_true(gossip_member_was_convicted(member_of(g, 2)));
    assert_false(gossip_member_was_convicted(live_generation(&w, g, 2)));
    world_close(&w);
}

/* The time away is taken off a silence once, and an interval of listening comes
 * before the judgement. */
static void who_comes_back_listens_before_it_judges(void **context)
{
    struct world w = {0};
    struct gossip_options o = reference_options();
    struct addr from = addr_of_node(9);
    struct gossip *g;
    uint64_t heartbeat = 1;

    (void)context;
    o.late_intervals = 2;
    o.phi.prior_ms = 1000;
    g = world_add(&w, 1, o);
    hear_heartbeat(&w, g, 2, 1);
    for (int i = 0; i < 20; i++) {
        hear_regularly(&w, g, 2, &heartbeat, 1000, 1);
        evaluate(&w, g);
    }
    for (int i = 0; i < 7; i++) {
        pass(&w, 1000);
        evaluate(&w, g);
    }
    /* It would be dead in a second; we are away from the next round on. */
    pass(&w, 1000 + 60000);
    for (int i = 0; i < 3; i++) {
        gossip_receive(g, w.now_ms, &from, bytes_text("junk"));
        pass(&w, 1);
    }
    evaluate(&w, g);
    assert_int_equal(w.now_ms - member_of(g, 2)->phi.last_news_ms, 8003);
    assert_true(is_live(g, 2));
    pass(&w, 900);
    evaluate(&w, g);
    assert_true(is_live(g, 2));
    pass(&w, 100);
    evaluate(&w, g);
    assert_false(is_live(g, 2));
    world_close(&w);
}

static void two_intervals_late_is_not_late_yet(void **context)
{
    static const struct {
        uint64_t late_ms;
        uint64_t silence_ms;
    } ROWS[] = {{2000, 3000}, {2001, 1000}};

    (void)context;
    for (size_t i = 0; i < 2; i++) {
        struct world w = {0};
        struct gossip_options o = reference_options();
        struct gossip *g;

        o.late_intervals = 2;
        g = world_add(&w, 1, o);
        hear_heartbeat(&w, g, 2, 1);
        hear_heartbeat(&w, g, 2, 2);
        evaluate(&w, g);
        pass(&w, 1000 + ROWS[i].late_ms);
        evaluate(&w, g);
        assert_int_equal(w.now_ms - member_of(g, 2)->phi.last_news_ms,
                ROWS[i].silence_ms);
        world_close(&w);
    }
}

/* Between rounds too: news that shrinks the mean may bring a deadline closer. */
static void no_deadline_is_missed(void **context)
{
    struct world w = {0};
    struct gossip_options o = reference_options();
    struct gossip *g;
    uint64_t heartbeat = 1;

    (void)context;
    o.interval_ms = 100000;
    g = world_add(&w, 1, o); /* its first round is due */
    hear_heartbeat(&w, g, 2, 1);
    hear_regularly(&w, g, 2, &heartbeat, 10000, 2);
    evaluate(&w, g);
    assert_true(is_live(g, 2));
    for (int i = 0; i < 5; i++) {
        hear_regularly(&w, g, 2, &heartbeat, 1, 1);
        assert_true(gossip_deadline_ms(g) <=
                    gossip_phi_deadline_ms(&member_of(g, 2)->phi));
    }
    world_close(&w);
}

static void only_the_last_of_life_and_death_is_told(void **context)
{
    struct world w = {0};
    struct gossip *g = world_add(&w, 1, reference_options());
    struct gossip_action action;
    uint64_t heartbeat = 1;
    size_t deaths = 0;

    (void)context;
    hear_heartbeat(&w, g, 2, 1);
    hear_regularly(&w, g, 2, &heartbeat, 500, 3);
    gossip_tick(g, w.now_ms);
    assert_true(is_live(g, 2));
    pass(&w, 100000);
    gossip_tick(g, w.now_ms);
    assert_false(is_live(g, 2));
    while (gossip_next(g, &action)) {
        assert_int_not_equal(action.kind, GOSSIP_LIVE);
        deaths += action.kind == GOSSIP_DEAD ? 1 : 0;
    }
    assert_int_equal(deaths, 1);
    world_close(&w);
}

static void a_twin_that_lives_elsewhere_is_told(void **context)
{
    struct world w = {0};
    struct gossip *g = world_add(&w, 1, reference_options());

    (void)context;
    for (uint64_t heartbeat = 1; heartbeat <= 8; heartbeat++) {
        struct script *s = script_begin(GOSSIP_V0, GOSSIP_SYN);
        struct gossip_digest_entry line = {.heartbeat = heartbeat};
        char name[32];

        line.id = id_of_node(1, name);
        line.id.generation = 77;
        line.id.addr = addr_of_node(5);
        assert_true(gossip_encode_digest_entry(&s->encoder, &line));
        script_deliver(s, &w, g, 5);
        assert_int_equal(logged_count(w.nodes[0], GOSSIP_TWIN),
                heartbeat < 6 ? 0 : heartbeat - 5);
        pass(&w, 1000);
        evaluate(&w, g);
    }
    assert_int_equal(logged_count(w.nodes[0], GOSSIP_SUCCESSOR), 0);
    world_close(&w);
}

/* A lower one is no successor, and nothing comes after the highest of all. */
static void a_silent_higher_generation_of_us_is_told_once(void **context)
{
    struct world w = {0};
    struct gossip *g = world_add(&w, 1, reference_options());
    static const uint64_t GENERATIONS[] = {0, 77, UINT64_MAX};

    (void)context;
    for (size_t i = 0; i < 3; i++) {
        struct script *s = script_begin(GOSSIP_V0, GOSSIP_SYN);
        struct gossip_digest_entry line = {.heartbeat = 9};
        char name[32];

        line.id = id_of_node(1, name);
        line.id.generation = GENERATIONS[i];
        assert_true(gossip_encode_digest_entry(&s->encoder, &line));
        script_deliver(s, &w, g, 5);
    }
    for (int i = 0; i < 5; i++) {
        evaluate(&w, g);
        assert_int_equal(
                logged_count(w.nodes[0], GOSSIP_SUCCESSOR), i < 2 ? 0 : 1);
        pass(&w, 1000);
    }
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
            cmocka_unit_test(s19_58_a_single_update_is_nobody_alive),
            cmocka_unit_test(s19_59_three_live_then_dead_then_removed),
            cmocka_unit_test(s19_60_silence_is_death_and_news_is_life),
            cmocka_unit_test(s19_66_alive_at_the_third_heartbeat),
            cmocka_unit_test(s19_67_scheduled_after_more_than_half_the_grace),
            cmocka_unit_test(a_scheduled_member_may_still_revive),
            cmocka_unit_test(s19_68_removed_at_the_grace),
            cmocka_unit_test(s19_69_the_first_time_of_death_counts),
            cmocka_unit_test(s19_70_a_revived_member_dies_anew),
            cmocka_unit_test(revival_after_a_long_silence_takes_two),
            cmocka_unit_test(s19_71_a_ghost_needs_a_higher_heartbeat),
            cmocka_unit_test(s19_122_the_memory_holds_five_thousand),
            cmocka_unit_test(a_member_is_judged_at_its_own_deadline),
            cmocka_unit_test(a_late_observer_judges_nobody),
            cmocka_unit_test(who_may_have_been_found_dead_is_told_once),
            cmocka_unit_test(lateness_is_told_before_all_else),
            cmocka_unit_test(the_clock_alone_finds_out_and_does_nothing),
            cmocka_unit_test(a_conviction_stays_with_the_generation),
            cmocka_unit_test(a_conviction_outlives_the_removal),
            cmocka_unit_test(who_comes_back_listens_before_it_judges),
            cmocka_unit_test(two_intervals_late_is_not_late_yet),
            cmocka_unit_test(no_deadline_is_missed),
            cmocka_unit_test(only_the_last_of_life_and_death_is_told),
            cmocka_unit_test(a_twin_that_lives_elsewhere_is_told),
            cmocka_unit_test(a_silent_higher_generation_of_us_is_told_once),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
