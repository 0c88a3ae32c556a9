/* Clusters in which not everybody reads protocol V1: docs/wire.md, "Versions".
 *
 * An old node, which is chitchat before 0.12, is our own core on v0 behind a
 * network that drops V1 for it; a newer chitchat is our core without the key
 * that tells a Weft node. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/sim/sim.h"

enum kind {
    OLD, /* chitchat 0.10 */
    NEW, /* chitchat 0.13 that opens in V0 */
    WEFT_V0,
    WEFT_V1,
    WEFT_AUTO,
    KINDS,
};

static void be(struct sim *sim, size_t node, enum kind kind)
{
    static const enum gossip_protocol PROTOCOLS[KINDS] = {
            [OLD] = GOSSIP_PROTOCOL_V0,
            [NEW] = GOSSIP_PROTOCOL_V0,
            [WEFT_V0] = GOSSIP_PROTOCOL_V0,
            [WEFT_V1] = GOSSIP_PROTOCOL_V1,
            [WEFT_AUTO] = GOSSIP_PROTOCOL_AUTO};

    sim_speak(sim, node, PROTOCOLS[kind], kind != OLD);
}

/* What each says of itself as soon as it is up. */
static void publish(struct sim *sim, size_t node, enum kind kind)
{
    if (kind >= WEFT_V0) {
        sim_set(sim, node, "weft:protocol", "1");
    }
    sim_set(sim, node, "key", "value");
}

/* Nobody is forgotten in a test, however often somebody is restarted. */
static void with_room(struct gossip_options *options)
{
    options->members_max = 200;
}

static struct sim *mixed(
        const enum kind *kinds, size_t nodes, double loss, uint64_t seed)
{
    struct sim *sim = sim_new(&(struct sim_options){.nodes = nodes,
            .seed = seed,
            .loss = loss,
            .doubled = 0.02,
            .delay_min_ms = 1,
            .delay_max_ms = 30,
            .tune = with_room});

    for (size_t i = 0; i < nodes; i++) {
        be(sim, i, kinds[i]);
    }
    sim_run_intervals(sim, 1); /* now all are up */
    for (size_t i = 0; i < nodes; i++) {
        publish(sim, i, kinds[i]);
    }
    return sim;
}

static const enum kind EVERY_KIND[] = {OLD, NEW, WEFT_V0, WEFT_V1, WEFT_AUTO,
        OLD, NEW, WEFT_V0, WEFT_V1, WEFT_AUTO, WEFT_AUTO};

enum {
    EVERY_KIND_COUNT = sizeof(EVERY_KIND) / sizeof(EVERY_KIND[0]),
};

/* V1 was sent in vain to old nodes by nobody but those on `v1`, and by each no
 * more than three times in ten minutes to each. */
static void assert_little_in_vain(
        const struct sim *sim, const enum kind *kinds, size_t nodes)
{
    uint64_t holds = 1 + sim_now_ms(sim) / GOSSIP_REFUSED_MS;

    for (size_t from = 0; from < nodes; from++) {
        for (size_t to = 0; to < nodes; to++) {
            size_t unread = sim_unread(sim, from, to);

            assert_true(unread == 0 || kinds[from] == WEFT_V1);
            /* The network doubles some. */
            assert_true(unread <= 2 * GOSSIP_MISSES_MAX * holds);
        }
    }
}

static uint64_t syns_sent(struct sim *sim, size_t node, enum gossip_version v)
{
    return gossip_counters(sim_gossip(sim, node))->sent_syns[v];
}

static void s19_140_every_kind_is_live_everywhere(void **context)
{
    struct sim *sim = mixed(EVERY_KIND, EVERY_KIND_COUNT, 0.0, 140);

    (void)context;
    assert_true(sim_within(sim, sim_all_agree, 0, 10000));
    assert_true(sim_within(sim, sim_converged, 0, 5000));
    for (size_t i = 0; i < EVERY_KIND_COUNT; i++) {
        assert_int_equal(syns_sent(sim, i, GOSSIP_V1) > 0,
                EVERY_KIND[i] == WEFT_V1 || EVERY_KIND[i] == WEFT_AUTO);
    }
    sim_free(sim);
}

static void half_an_hour_of_every_kind_kills_nobody(void **context)
{
    static const double LOSSES[] = {0.0, 0.1, 0.3};

    (void)context;
    for (size_t k = 0; k < sizeof(LOSSES) / sizeof(LOSSES[0]); k++) {
        struct sim *sim =
                mixed(EVERY_KIND, EVERY_KIND_COUNT, LOSSES[k], 1400 + k);

        assert_true(sim_within(sim, sim_all_agree, 0, 60000));
        sim_forgive(sim);
        for (size_t i = 0; i < 180; i++) {
            sim_probe(sim, i % EVERY_KIND_COUNT);
            sim_run(sim, 10000);
        }
        print_message("loss %.1f: a write took p99 %.1f s\n", LOSSES[k],
                (double)sim_probe_ms(sim, 0.99) / 1000.0);
        assert_int_equal(sim_false_deaths(sim), 0);
        assert_true(sim_probe_ms(sim, 0.99) <=
                    (LOSSES[k] > 0.2 ? 8 : 4) * sim_interval_ms(sim));
        assert_little_in_vain(sim, EVERY_KIND, EVERY_KIND_COUNT);
        sim_free(sim);
    }
}

/* A life of six in which nothing is spared; all that follows from the seed. */
static struct sim *life(const enum kind *kinds, uint64_t seed)
{
    struct sim *sim = mixed(kinds, 6, 0.1, seed);

    sim_run(sim, 20000);
    sim_delete(sim, 0, "key");
    sim_restart(sim, 4);
    publish(sim, 4, kinds[4]);
    sim_run(sim, 20000);
    sim_kill(sim, 3);
    sim_set(sim, 1, "key", "another");
    sim_run(sim, 20000);
    sim_isolate(sim, 0);
    sim_run(sim, 15000);
    sim_rejoin(sim, 0);
    sim_restart(sim, 0);
    publish(sim, 0, kinds[0]);
    sim_run(sim, 60000);
    return sim;
}

/* In every datagram of the whole cluster, at every moment. */
static void one_on_auto_among_old_ones_is_v0_to_the_byte(void **context)
{
    (void)context;
    for (size_t place = 0; place < 6; place++) {
        uint64_t prints[2];

        for (size_t k = 0; k < 2; k++) {
            enum kind kinds[6] = {OLD, OLD, OLD, OLD, OLD, OLD};
            struct sim *sim;

            kinds[place] = k == 0 ? WEFT_V0 : WEFT_AUTO;
            sim = life(kinds, 1260 + place);
            prints[k] = sim_fingerprint(sim);
            assert_true(place == 3 || syns_sent(sim, place, GOSSIP_V0) > 100);
            sim_free(sim);
        }
        assert_true(prints[0] == prints[1]);
    }
}

/* Several speak V1 among themselves, and no old node can tell. */
static void several_on_auto_are_v0_to_every_old_one(void **context)
{
    uint64_t prints[2];
    uint64_t heard[2][6];
    uint64_t v1_syns = 0;

    (void)context;
    for (size_t k = 0; k < 2; k++) {
        enum kind weft = k == 0 ? WEFT_V0 : WEFT_AUTO;
        enum kind kinds[6] = {OLD, weft, weft, OLD, weft, OLD};
        struct sim *sim = life(kinds, 1261);

        for (size_t i = 0; i < 6; i++) {
            heard[k][i] = sim_heard(sim, i);
        }
        v1_syns = syns_sent(sim, 1, GOSSIP_V1);
        prints[k] = sim_fingerprint(sim);
        sim_free(sim);
    }
    for (size_t i = 0; i < 6; i++) {
        bool is_old = i == 0 || i == 3 || i == 5;

        assert_int_equal(heard[0][i] == heard[1][i], is_old);
    }
    assert_true(v1_syns > 100);
    assert_true(prints[0] != prints[1]);
}

/* As an operator upgrades, and sometimes the other way round. */
static void whoever_takes_whose_place_all_agree(void **context)
{
    (void)context;
    for (uint64_t seed = 0; seed < 6; seed++) {
        enum kind kinds[7] = {OLD, OLD, OLD, OLD, OLD, OLD, OLD};
        struct sim *sim = mixed(kinds, 7, 0.1, 1410 + seed);
        struct prng chance;

        prng_init(&chance, sim_fingerprint(sim));
        for (int i = 0; i < 60; i++) {
            size_t node = (size_t)prng_below(&chance, 7);

            kinds[node] = (enum kind)prng_below(&chance, KINDS);
            be(sim, node, kinds[node]);
            sim_restart(sim, node);
            publish(sim, node, kinds[node]);
            sim_run(sim, prng_below(&chance, 8000));
        }
        sim_heal(sim);
        assert_true(sim_within(sim, sim_all_agree, 0, 20000));
        assert_true(sim_within(sim, sim_converged, 0, 5000));
        sim_free(sim);
    }
}

/* The successor knows nobody, so only our own Syns can find it. */
static void s19_141_an_old_successor_is_met_soon(void **context)
{
    static const enum kind KINDS_OF_PEERS[] = {WEFT_V0, WEFT_V1, WEFT_AUTO};

    (void)context;
    for (size_t i = 0; i < 3; i++) {
        enum kind kinds[2] = {WEFT_AUTO, KINDS_OF_PEERS[i]};
        struct sim *sim = mixed(kinds, 2, 0.0, 1411 + i);

        assert_true(sim_within(sim, sim_all_agree, 0, 10000));
        sim_run_intervals(sim, 5);
        assert_true(syns_sent(sim, 0, GOSSIP_V1) > 0);
        sim_kill(sim, 1);
        sim_run_intervals(sim, 1);
        be(sim, 1, OLD);
        sim_restart(sim, 1);
        sim_seed(sim, 1, 1);
        sim_run_intervals(sim, 5);
        assert_true(sim_knows(sim, 0, 1));
        assert_true(sim_unread(sim, 0, 1) <= 3 + 1); /* and one doubled */
        sim_free(sim);
    }
}

int main(void)
{
    const struct CMUnitTest cases[] = {
            cmocka_unit_test(s19_140_every_kind_is_live_everywhere),
            cmocka_unit_test(half_an_hour_of_every_kind_kills_nobody),
            cmocka_unit_test(one_on_auto_among_old_ones_is_v0_to_the_byte),
            cmocka_unit_test(several_on_auto_are_v0_to_every_old_one),
            cmocka_unit_test(whoever_takes_whose_place_all_agree),
            cmocka_unit_test(s19_141_an_old_successor_is_met_soon),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
