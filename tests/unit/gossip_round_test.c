/* Whom a round goes to, and when. The numbers in the names are those of the
 * checklist of observable behaviours in docs/wire.md. */
#include "tests/unit/gossip_fixture.h"

enum {
    DRAWS = 4000,
};

struct draw {
    struct gossip_round round;
    struct prng chance;
    struct addr targets[GOSSIP_TARGETS_MAX];
    size_t count;
};

static void fill(struct gossip_addr_set *set, const char *numbers)
{
    set->count = 0;
    for (; *numbers != '\0'; numbers++) {
        set->addrs[set->count++] = addr_of_node((size_t)(*numbers - '0'));
    }
    gossip_addr_set_unique(set);
}

/* The sets are written as digits, one a node. */
static void draw(
        struct draw *d, const char *live, const char *dead, const char *seeds)
{
    struct addr seed_addrs[8];
    size_t seed_count = 0;

    fill(&d->round.live, live);
    fill(&d->round.dead, dead);
    fill(&d->round.known, live);
    for (const char *c = dead; *c != '\0'; c++) {
        d->round.known.addrs[d->round.known.count++] =
                addr_of_node((size_t)(*c - '0'));
    }
    for (; *seeds != '\0'; seeds++) {
        seed_addrs[seed_count++] = addr_of_node((size_t)(*seeds - '0'));
    }
    d->count = gossip_round_pick(
            &d->round, seed_addrs, seed_count, 3, &d->chance, d->targets);
}

static size_t hits(const struct draw *d, char number)
{
    struct addr addr = addr_of_node((size_t)(number - '0'));
    size_t count = 0;

    for (size_t i = 0; i < d->count; i++) {
        count += addr_equal(&d->targets[i], &addr) ? 1 : 0;
    }
    return count;
}

static int setup(void **context)
{
    struct draw *d = calloc(1, sizeof(*d));

    assert_non_null(d);
    prng_init(&d->chance, 11);
    assert_int_equal(gossip_round_init(&d->round, 16), 0);
    *context = d;
    return 0;
}

static int teardown(void **context)
{
    struct draw *d = *context;

    gossip_round_close(&d->round);
    free(d);
    return 0;
}

/* Chance at its minimum is the draw in which the dead one is tried. */
static void s19_86_a_dead_one_at_times_and_no_seed_that_is_live(void **context)
{
    struct draw *d = *context;
    size_t dead = 0;

    for (int i = 0; i < DRAWS; i++) {
        draw(d, "12", "3", "2");
        assert_int_equal(hits(d, '1'), 1);
        assert_int_equal(hits(d, '2'), 1);
        assert_int_equal(d->count, 2 + hits(d, '3'));
        dead += hits(d, '3');
    }
    assert_in_range(dead, DRAWS / 3 - 150, DRAWS / 3 + 150);
}

static void s19_87_three_of_five_and_nothing_else(void **context)
{
    struct draw *d = *context;
    size_t first = 0;

    for (int i = 0; i < DRAWS; i++) {
        draw(d, "12345", "", "");
        assert_int_equal(d->count, 3);
        for (char c = '1'; c <= '5'; c++) {
            assert_true(hits(d, c) <= 1);
        }
        first += hits(d, '1');
    }
    assert_in_range(first, DRAWS * 3 / 5 - 150, DRAWS * 3 / 5 + 150);
}

/* Four dead to one live: the dead one is certain. Two seeds among five judged
 * addresses: in two draws of five. */
static void s19_88_one_live_a_dead_one_and_a_seed(void **context)
{
    struct draw *d = *context;
    size_t with_seed = 0;

    for (int i = 0; i < DRAWS; i++) {
        draw(d, "1", "2345", "23");
        assert_int_equal(hits(d, '1'), 1);
        assert_in_range(d->count, 2, 3);
        with_seed += d->count == 3 ? 1 : 0;
    }
    assert_in_range(with_seed, DRAWS * 2 / 5 - 150, DRAWS * 2 / 5 + 150);
}

/* While fewer are live than there are seeds, even a seed that is live does not
 * do: islands find together so. */
static void a_seed_is_asked_until_as_many_are_live(void **context)
{
    struct draw *d = *context;
    size_t with_seed = 0;

    for (int i = 0; i < DRAWS; i++) {
        draw(d, "1", "", "123");
        assert_int_equal(d->count, 2);
        draw(d, "12", "", "12");
        assert_int_equal(d->count, 2);
        draw(d, "1", "45", "12");
        with_seed += d->count == 3 ? 1 : 0;
    }
    assert_in_range(with_seed, DRAWS * 2 / 3 - 150, DRAWS * 2 / 3 + 150);
}

static void s19_89_nobody_live_means_the_seed_always(void **context)
{
    struct draw *d = *context;

    for (int i = 0; i < DRAWS; i++) {
        draw(d, "", "", "7");
        assert_int_equal(d->count, 1);
        assert_int_equal(hits(d, '7'), 1);
        draw(d, "", "1234", "7");
        assert_int_equal(hits(d, '7'), 1);
        assert_int_equal(d->count, 5);
    }
}

static void addresses_count_once(void **context)
{
    struct draw *d = *context;

    draw(d, "1112", "", "");
    assert_int_equal(d->count, 2);
    assert_int_equal(hits(d, '1'), 1);
    assert_int_equal(hits(d, '2'), 1);
}

static void s19_83_a_seed_is_asked_at_once(void **context)
{
    struct world w = {.is_cut = true};
    struct gossip *g = world_add(&w, 1, reference_options());
    struct addr seeds[] = {addr_of_node(1), addr_of_node(2)};

    (void)context;
    gossip_seeds(g, seeds, 2);
    assert_int_equal(gossip_deadline_ms(g), 0);
    tick(&w, g, 0);
    assert_int_equal(w.nodes[0]->sent, 1);
    assert_true(addr_equal(&w.nodes[0]->last_to, &seeds[1]));
    assert_int_equal(gossip_deadline_ms(g), 1000);
    world_close(&w);
}

static void seeds_are_distinct_and_can_be_sent_to(void **context)
{
    struct world w = {.is_cut = true};
    struct gossip *g = world_add(&w, 1, reference_options());
    struct addr seeds[] = {addr_of_node(2), addr_of_node(3), addr_of_node(2),
            addr_ipv4(0, 0, 0, 0, 7946)};

    (void)context;
    gossip_seeds(g, seeds, 4);
    assert_int_equal(g->seed_count, 2);
    gossip_seeds(g, seeds, 1);
    assert_int_equal(g->seed_count, 1);
    world_close(&w);
}

static void s19_84_a_contact_sends_one_syn(void **context)
{
    struct world w = {.is_cut = true};
    struct gossip *g = world_add(&w, 1, reference_options());
    struct addr to = addr_of_node(7);
    struct gossip_decoder decoder;
    struct gossip_message m;

    (void)context;
    assert_int_equal(gossip_contact(g, 5, &to), 0);
    drain(&w, g);
    assert_int_equal(w.nodes[0]->sent, 1);
    assert_true(addr_equal(&w.nodes[0]->last_to, &to));
    assert_int_equal(gossip_decoder_init(&decoder), 0);
    m = last_sent(w.nodes[0], &decoder);
    assert_int_equal(m.type, GOSSIP_SYN);
    assert_int_equal(m.version, GOSSIP_V0);
    assert_true(bytes_equal_text(m.cluster, "weft"));
    assert_int_equal(m.digest_count, 1);
    assert_true(gossip_id_equal(&m.digest[0].id, &gossip_self(g)->id));
    gossip_decoder_close(&decoder);
    world_close(&w);
}

static void too_many_contacts_are_refused(void **context)
{
    struct world w = {.is_cut = true};
    struct gossip *g = world_add(&w, 1, reference_options());

    (void)context;
    for (size_t i = 0; i < GOSSIP_PENDING_MAX; i++) {
        struct addr to = addr_of_node(2 + i);

        assert_int_equal(gossip_contact(g, 0, &to), 0);
    }
    assert_int_equal(gossip_contact(g, 0, &(struct addr){0}), ERR_FULL);
    drain(&w, g);
    assert_int_equal(w.nodes[0]->sent, GOSSIP_PENDING_MAX);
    world_close(&w);
}

static void missed_rounds_are_not_made_up_for(void **context)
{
    struct world w = {.is_cut = true};
    struct gossip *g = world_add(&w, 1, reference_options());

    (void)context;
    tick(&w, g, 0);
    tick(&w, g, 1000);
    assert_int_equal(gossip_deadline_ms(g), 2000);
    tick(&w, g, 1500);
    assert_int_equal(gossip_counters(g)->rounds, 2);
    tick(&w, g, 7300);
    assert_int_equal(gossip_counters(g)->rounds, 3);
    assert_int_equal(gossip_deadline_ms(g), 8300);
    world_close(&w);
}

/* LaminarDB's servers do advertise 0.0.0.0. */
static void nobody_is_sent_to_an_address_that_is_none(void **context)
{
    static const char *const ADDRS[] = {"0.0.0.0:7946", "10.0.0.9:0",
            "224.0.0.1:7946", "[::]:7946", "[ff02::1]:7946", "10.0.0.1:7946"};
    struct world w = {.is_cut = true};
    struct gossip_options o = reference_options();
    struct gossip *g;

    (void)context;
    o.dead_grace_ms = 20000;
    g = world_add(&w, 1, o);
    for (size_t i = 0; i < 6; i++) {
        struct script *s = script_begin(GOSSIP_V0, GOSSIP_SYN);
        struct gossip_digest_entry line = {.heartbeat = 3};

        line.id.node_id = bytes_text("node-x");
        line.id.generation = i;
        assert_true(addr_parse(bytes_text(ADDRS[i]), &line.id.addr));
        assert_true(gossip_encode_digest_entry(&s->encoder, &line));
        script_deliver(s, &w, g, 9);
    }
    assert_int_equal(gossip_member_count(g), 7);
    w.nodes[0]->sent = 0;
    for (uint64_t t = 0; t < 100; t++) { /* past their removal */
        tick(&w, g, t * 1000);
    }
    assert_int_equal(gossip_member_count(g), 1);
    assert_int_equal(w.nodes[0]->sent, 0);
    world_close(&w);
}

static void a_forgotten_address_is_tried_now_and_then(void **context)
{
    struct world w = {.is_cut = true};
    struct gossip_options o = reference_options();
    struct gossip *g;
    struct addr forgotten = addr_of_node(2);

    (void)context;
    o.dead_grace_ms = 5000;
    g = world_add(&w, 1, o);
    hear_heartbeat(&w, g, 2, 1);
    for (uint64_t t = 0; t <= 6; t++) {
        tick(&w, g, t * 1000);
    }
    assert_int_equal(gossip_member_count(g), 1);
    w.nodes[0]->sent = 0;
    for (uint64_t t = 7; t < 70; t++) {
        tick(&w, g, t * 1000);
    }
    assert_int_equal(w.nodes[0]->sent, 2);
    assert_true(addr_equal(&w.nodes[0]->last_to, &forgotten));
    hear_heartbeat(&w, g, 2, 9);
    assert_int_equal(g->forgotten.count, 0);
    world_close(&w);
}

/* Of two generations at one address the old one is removed. */
static void an_address_is_not_forgotten_while_somebody_lives_there(
        void **context)
{
    struct world w = {.is_cut = true};
    struct gossip_options o = reference_options();
    struct gossip *g;

    (void)context;
    o.dead_grace_ms = 5000;
    g = world_add(&w, 1, o);
    hear_heartbeat(&w, g, 2, 1);
    for (uint64_t t = 0; t < 100; t++) {
        struct script *s = script_begin(GOSSIP_V0, GOSSIP_SYN);
        struct gossip_digest_entry line = {.heartbeat = t + 1};
        char name[32];

        line.id = id_of_node(2, name);
        line.id.generation = 2;
        assert_true(gossip_encode_digest_entry(&s->encoder, &line));
        script_deliver(s, &w, g, 2);
        tick(&w, g, t * 1000);
        w.nodes[0]->log_count = 0;
    }
    assert_int_equal(gossip_member_count(g), 2);
    assert_int_equal(gossip_live_count(g), 1);
    assert_int_equal(g->forgotten.count, 0);
    world_close(&w);
}

/* One that is forgotten twice is kept once. */
static void the_last_addresses_are_kept(void **context)
{
    struct gossip_forgotten f = {.count = 0};

    (void)context;
    for (size_t i = 0; i < GOSSIP_FORGOTTEN_MAX + 5; i++) {
        struct addr addr = addr_of_node(i);

        gossip_forgotten_put(&f, &addr);
        gossip_forgotten_put(&f, &addr);
    }
    assert_int_equal(f.count, GOSSIP_FORGOTTEN_MAX);
    for (size_t i = 0; i < GOSSIP_FORGOTTEN_MAX; i++) {
        struct addr addr = addr_of_node(i + 5);

        assert_true(addr_equal(&f.addrs[i], &addr));
    }
}

int main(void)
{
#define DRAW(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest cases[] = {
            DRAW(s19_86_a_dead_one_at_times_and_no_seed_that_is_live),
            DRAW(s19_87_three_of_five_and_nothing_else),
            DRAW(s19_88_one_live_a_dead_one_and_a_seed),
            DRAW(a_seed_is_asked_until_as_many_are_live),
            DRAW(s19_89_nobody_live_means_the_seed_always),
            DRAW(addresses_count_once),
            cmocka_unit_test(s19_83_a_seed_is_asked_at_once),
            cmocka_unit_test(seeds_are_distinct_and_can_be_sent_to),
            cmocka_unit_test(s19_84_a_contact_sends_one_syn),
            cmocka_unit_test(too_many_contacts_are_refused),
            cmocka_unit_test(missed_rounds_are_not_made_up_for),
            cmocka_unit_test(nobody_is_sent_to_an_address_that_is_none),
            cmocka_unit_test(a_forgotten_address_is_tried_now_and_then),
            cmocka_unit_test(
                    an_address_is_not_forgotten_while_somebody_lives_there),
            cmocka_unit_test(the_last_addresses_are_kept),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
