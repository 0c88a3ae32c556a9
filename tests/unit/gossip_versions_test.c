/* In which version exchanges are opened. The numbers after s19 are those of the
 * checklist of observable behaviours in docs/wire.md. */
#include "tests/unit/gossip_fixture.h"

#include "base/prng.h"

static struct gossip_options speaking(enum gossip_protocol protocol)
{
    struct gossip_options o = reference_options();

    o.protocol = protocol;
    return o;
}

/* The version of the Syn that a node sent last; it was a Syn. */
static enum gossip_version last_syn(const struct node *node)
{
    assert_true(node->last_size > GOSSIP_HEADER_BYTES);
    assert_int_equal(node->last[3], GOSSIP_SYN);
    return (enum gossip_version)node->last[2];
}

/* The version of a Syn to this address, sent now and lost. It is the one that
 * was shown before. */
static enum gossip_version syn_to(
        struct world *w, struct gossip *g, const struct addr *to)
{
    bool was_cut = w->is_cut;
    enum gossip_version shown =
            gossip_versions_next(&g->versions, to, w->now_ms);

    w->is_cut = true;
    assert_int_equal(gossip_contact(g, w->now_ms, to), 0);
    drain(w, g);
    w->is_cut = was_cut;
    assert_true(addr_equal(&node_of(w, g)->last_to, to));
    assert_int_equal(last_syn(node_of(w, g)), shown);
    return shown;
}

static enum gossip_version syn_to_node(
        struct world *w, struct gossip *g, size_t number)
{
    struct addr to = addr_of_node(number);

    return syn_to(w, g, &to);
}

/* Several in a row, as text: "1110". */
static const char *syns_to_node(
        struct world *w, struct gossip *g, size_t number, size_t count)
{
    static char text[16];

    assert_true(count < sizeof(text));
    for (size_t i = 0; i < count; i++) {
        text[i] = syn_to_node(w, g, number) == GOSSIP_V1 ? '1' : '0';
    }
    text[count] = '\0';
    return text;
}

/* The next round of a node whose only company is one address: it sends one
 * Syn. */
static enum gossip_version round_syn(struct world *w, struct gossip *g)
{
    struct node *node = node_of(w, g);
    size_t sent = node->sent;

    tick(w, g, gossip_deadline_ms(g));
    assert_int_equal(node->sent, sent + 1);
    return last_syn(node);
}

/* A message that says nothing, of this type and version, from a node. */
static void hear_empty(struct world *w, struct gossip *g, size_t from,
        enum gossip_version version, enum gossip_type type)
{
    script_deliver(script_begin(version, type), w, g, from);
}

/* A Syn from node `from` with one line, about a generation of node `about`. */
static void hear_of(struct world *w, struct gossip *g, size_t from,
        enum gossip_version version, size_t about, uint64_t generation)
{
    struct script *s = script_begin(version, GOSSIP_SYN);
    char name[32];
    struct gossip_digest_entry line = {
            .id = id_of_node(about, name), .heartbeat = 1};

    line.id.generation = generation;
    assert_true(gossip_encode_digest_entry(&s->encoder, &line));
    script_deliver(s, w, g, from);
}

/* A node that knows node 2, and has heard V1 from it. */
static struct gossip *with_proven(
        struct world *w, enum gossip_protocol protocol)
{
    struct gossip *g = world_add(w, 1, speaking(protocol));

    hear_of(w, g, 2, GOSSIP_V1, 2, 1);
    return g;
}

/* A node in `v1` whose seed has just been refused. */
static struct gossip *with_refused(struct world *w)
{
    struct gossip *g = world_add(w, 1, speaking(GOSSIP_PROTOCOL_V1));
    struct addr seed = addr_of_node(2);

    gossip_seeds(g, &seed, 1);
    assert_string_equal(syns_to_node(w, g, 2, 4), "1110");
    return g;
}

static void s19_126_v0_opens_in_v0_whatever_it_hears(void **context)
{
    struct world w = {.is_cut = true};
    struct gossip *g = with_proven(&w, GOSSIP_PROTOCOL_V0);
    struct script *s;

    (void)context;
    assert_int_equal(w.nodes[0]->last[2], GOSSIP_V1);
    assert_int_equal(w.nodes[0]->last[3], GOSSIP_SYN_ACK);
    assert_int_equal(syn_to_node(&w, g, 2), GOSSIP_V0);
    s = script_begin(GOSSIP_V1, GOSSIP_ACK);
    script_node(s, 2, 0, 0);
    script_entry(s, "weft:protocol", "1", 1, KV_SET);
    script_deliver(s, &w, g, 2);
    assert_known(g, 2, "weft:protocol", "1");
    assert_string_equal(syns_to_node(&w, g, 2, 5), "00000");
    world_close(&w);
}

static void s19_127_v1_tries_three_times_and_then_holds(void **context)
{
    struct world w = {.is_cut = true};
    struct gossip *g = world_add(&w, 1, speaking(GOSSIP_PROTOCOL_V1));
    struct addr seed = addr_of_node(2);
    uint64_t held_ms;

    (void)context;
    gossip_seeds(g, &seed, 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(round_syn(&w, g), GOSSIP_V1);
    }
    assert_int_equal(logged_count(w.nodes[0], GOSSIP_UNANSWERED), 0);
    assert_int_equal(round_syn(&w, g), GOSSIP_V0);
    held_ms = w.now_ms;
    while (gossip_deadline_ms(g) < held_ms + GOSSIP_REFUSED_MS) {
        assert_int_equal(round_syn(&w, g), GOSSIP_V0);
    }
    assert_int_equal(round_syn(&w, g), GOSSIP_V1);
    assert_int_equal(w.now_ms, held_ms + GOSSIP_REFUSED_MS);
    assert_int_equal(logged_count(w.nodes[0], GOSSIP_UNANSWERED), 1);
    world_close(&w);
}

static void s19_128_v1_learns_from_an_old_peer_in_four_rounds(void **context)
{
    struct world w = {0};
    struct gossip *g = world_add(&w, 1, speaking(GOSSIP_PROTOCOL_V1));
    struct gossip *old = world_add(&w, 2, speaking(GOSSIP_PROTOCOL_V0));

    (void)context;
    w.nodes[1]->is_old = true;
    set(old, "key", "value");
    gossip_seeds(g, &old->self->id.addr, 1);
    for (uint64_t round = 0; round < 3; round++) {
        tick(&w, g, round * 1000);
        assert_null(known(g, 2, "key"));
    }
    tick(&w, g, 3000);
    assert_known(g, 2, "key", "value");
    world_close(&w);
}

static void s19_129_after_the_hold_it_is_tried_again(void **context)
{
    struct world w = {.is_cut = true};
    struct gossip *g = with_refused(&w);

    (void)context;
    w.now_ms += GOSSIP_REFUSED_MS - 1;
    assert_int_equal(syn_to_node(&w, g, 2), GOSSIP_V0);
    w.now_ms += 1;
    assert_string_equal(syns_to_node(&w, g, 2, 6), "111000");
    assert_int_equal(logged_count(w.nodes[0], GOSSIP_UNANSWERED), 2);
    world_close(&w);
}

static void s19_130_any_v1_message_ends_a_refusal(void **context)
{
    static const enum gossip_type TYPES[] = {
            GOSSIP_SYN, GOSSIP_SYN_ACK, GOSSIP_ACK, GOSSIP_BAD_CLUSTER};

    (void)context;
    for (size_t i = 0; i < sizeof(TYPES) / sizeof(TYPES[0]); i++) {
        struct world w = {.is_cut = true};
        struct gossip *g = with_refused(&w);

        hear_empty(&w, g, 2, GOSSIP_V0, TYPES[i]);
        assert_int_equal(syn_to_node(&w, g, 2), GOSSIP_V0);
        hear_empty(&w, g, 2, GOSSIP_V1, TYPES[i]);
        assert_string_equal(syns_to_node(&w, g, 2, 4), "1110");
        world_close(&w);
    }
}

static void s19_131_auto_never_tries_v1_among_v0(void **context)
{
    struct world w = {0};

    (void)context;
    for (size_t i = 1; i <= 5; i++) {
        struct gossip *g = world_add(&w, i,
                speaking(i <= 2 ? GOSSIP_PROTOCOL_AUTO : GOSSIP_PROTOCOL_V0));

        w.nodes[i - 1]->is_old = i > 2;
        gossip_seeds(g, &w.nodes[0]->g.self->id.addr, 1);
        set(g, "key", "value");
    }
    for (uint64_t round = 0; round < 60; round++) {
        for (size_t i = 0; i < w.count; i++) {
            tick(&w, &w.nodes[i]->g, round * 1000);
            w.nodes[i]->log_count = 0;
        }
    }
    for (size_t i = 0; i < w.count; i++) {
        const struct gossip_counters *c = gossip_counters(&w.nodes[i]->g);

        assert_int_equal(gossip_live_count(&w.nodes[i]->g), 4);
        assert_true(c->sent_syns[GOSSIP_V0] > 60);
        assert_int_equal(c->sent_syns[GOSSIP_V1], 0);
        assert_int_equal(c->received_syns[GOSSIP_V1], 0);
    }
    world_close(&w);
}

static void s19_132_auto_answers_v1_with_v1_to_that_address(void **context)
{
    struct world w = {.is_cut = true};
    struct gossip *g = world_add(&w, 1, speaking(GOSSIP_PROTOCOL_AUTO));

    (void)context;
    hear_heartbeat(&w, g, 2, 1);
    hear_heartbeat(&w, g, 3, 1);
    assert_int_equal(syn_to_node(&w, g, 2), GOSSIP_V0);
    hear_empty(&w, g, 2, GOSSIP_V1, GOSSIP_SYN);
    assert_int_equal(syn_to_node(&w, g, 2), GOSSIP_V1);
    assert_int_equal(syn_to_node(&w, g, 3), GOSSIP_V0);
    assert_int_equal(gossip_version_for(g, member_of(g, 2)), GOSSIP_V1);
    assert_int_equal(gossip_version_for(g, member_of(g, 3)), GOSSIP_V0);
    world_close(&w);
}

static void s19_133_three_misses_in_a_row_and_not_in_all(void **context)
{
    struct world w = {.is_cut = true};
    struct gossip *g = with_proven(&w, GOSSIP_PROTOCOL_AUTO);

    (void)context;
    assert_string_equal(syns_to_node(&w, g, 2, 3), "111");
    hear_empty(&w, g, 2, GOSSIP_V1, GOSSIP_SYN_ACK);
    assert_string_equal(syns_to_node(&w, g, 2, 5), "11100");
    /* Refused, it would try again by itself if it were proven still. */
    w.now_ms += 2 * (uint64_t)GOSSIP_REFUSED_MS;
    assert_int_equal(syn_to_node(&w, g, 2), GOSSIP_V0);
    world_close(&w);
}

static void s19_134_somebody_else_at_the_address_is_unproven(void **context)
{
    (void)context;
    for (size_t from = 2; from <= 3; from++) { /* its own Syn, or hearsay */
        struct world w = {.is_cut = true};
        struct gossip *g = with_proven(&w, GOSSIP_PROTOCOL_AUTO);

        assert_int_equal(syn_to_node(&w, g, 2), GOSSIP_V1);
        hear_of(&w, g, from, GOSSIP_V0, 2, 1); /* nobody new */
        assert_int_equal(syn_to_node(&w, g, 2), GOSSIP_V1);
        hear_of(&w, g, from, GOSSIP_V0, 2, 2);
        assert_int_equal(syn_to_node(&w, g, 2), GOSSIP_V0);
        world_close(&w);
    }
}

static void s19_134_somebody_else_at_the_address_is_not_refused(void **context)
{
    struct world w = {.is_cut = true};
    struct gossip *g = with_refused(&w);

    (void)context;
    hear_of(&w, g, 3, GOSSIP_V0, 2, 1); /* the first one known there */
    assert_int_equal(syn_to_node(&w, g, 2), GOSSIP_V0);
    hear_of(&w, g, 3, GOSSIP_V0, 2, 2);
    assert_string_equal(syns_to_node(&w, g, 2, 4), "1110");
    world_close(&w);
}

static void s19_135_a_newcomer_that_speaks_v1_stays_proven(void **context)
{
    struct world w = {.is_cut = true};
    struct gossip *g = with_proven(&w, GOSSIP_PROTOCOL_AUTO);

    (void)context;
    hear_of(&w, g, 2, GOSSIP_V1, 2, 2);
    assert_int_equal(syn_to_node(&w, g, 2), GOSSIP_V1);
    world_close(&w);
}

static void s19_136_of_strangers_nothing_is_recorded(void **context)
{
    struct world w = {.is_cut = true};
    struct gossip *g = world_add(&w, 1, speaking(GOSSIP_PROTOCOL_AUTO));
    struct addr to = addr_of_node(2);

    (void)context;
    hear_empty(&w, g, 2, GOSSIP_V1, GOSSIP_SYN);
    assert_false(gossip_versions_has(&g->versions, &to));
    assert_int_equal(syn_to_node(&w, g, 2), GOSSIP_V0);
    hear_heartbeat(&w, g, 2, 1);
    assert_true(gossip_versions_has(&g->versions, &to));
    assert_int_equal(syn_to_node(&w, g, 2), GOSSIP_V0);
    world_close(&w);
}

static void s19_136_where_nothing_is_recorded_v1_is_not_tried(void **context)
{
    struct world w = {.is_cut = true};
    struct gossip *g = world_add(&w, 1, speaking(GOSSIP_PROTOCOL_V1));

    (void)context;
    assert_string_equal(syns_to_node(&w, g, 2, 2), "00");
    hear_heartbeat(&w, g, 2, 1);
    assert_string_equal(syns_to_node(&w, g, 2, 4), "1110");
    world_close(&w);
}

/* Ticks until a generation of node 2 is unknown. */
static void await_removal(
        struct world *w, struct gossip *g, uint64_t generation)
{
    char name[32];
    struct gossip_id id = id_of_node(2, name);

    id.generation = generation;
    while (gossip_find(g, &id) != NULL) {
        tick(w, g, gossip_deadline_ms(g));
        w->nodes[0]->log_count = 0;
    }
}

static void s19_137_a_record_goes_with_the_last_member_there(void **context)
{
    struct world w = {.is_cut = true};
    struct gossip_options o = speaking(GOSSIP_PROTOCOL_AUTO);
    struct addr to = addr_of_node(2);
    struct gossip *g;

    (void)context;
    o.dead_grace_ms = 10000;
    g = world_add(&w, 1, o);
    hear_of(&w, g, 2, GOSSIP_V1, 2, 1);
    tick(&w, g, 5000);
    hear_of(&w, g, 2, GOSSIP_V1, 2, 2);
    await_removal(&w, g, 1);
    assert_true(gossip_versions_has(&g->versions, &to));
    assert_int_equal(gossip_versions_next(&g->versions, &to, w.now_ms),
            GOSSIP_V0); /* three misses by now */
    await_removal(&w, g, 2);
    assert_false(gossip_versions_has(&g->versions, &to));
    world_close(&w);
}

static void s19_137_and_stays_while_the_address_is_a_seed(void **context)
{
    struct world w = {.is_cut = true};
    struct gossip_options o = speaking(GOSSIP_PROTOCOL_AUTO);
    struct addr to = addr_of_node(2);
    struct addr other = addr_of_node(3);
    struct gossip *g;

    (void)context;
    o.dead_grace_ms = 10000;
    g = world_add(&w, 1, o);
    gossip_seeds(g, &to, 1);
    hear_of(&w, g, 2, GOSSIP_V1, 2, 1);
    await_removal(&w, g, 1);
    hear_empty(&w, g, 2, GOSSIP_V1, GOSSIP_BAD_CLUSTER);
    assert_int_equal(syn_to_node(&w, g, 2), GOSSIP_V1);
    gossip_seeds(g, &to, 1);
    assert_int_equal(syn_to_node(&w, g, 2), GOSSIP_V1);
    /* Whoever was known there counts, although it is known no more. */
    hear_of(&w, g, 3, GOSSIP_V0, 2, 2);
    assert_int_equal(syn_to_node(&w, g, 2), GOSSIP_V0);
    gossip_seeds(g, &other, 1);
    assert_true(gossip_versions_has(&g->versions, &to));
    await_removal(&w, g, 2);
    assert_false(gossip_versions_has(&g->versions, &to));
    assert_true(gossip_versions_has(&g->versions, &other));
    world_close(&w);
}

static void s19_138_v0_of_a_proven_address_changes_nothing(void **context)
{
    struct world w = {.is_cut = true};
    struct gossip *g = with_proven(&w, GOSSIP_PROTOCOL_AUTO);
    struct script *s = script_begin(GOSSIP_V0, GOSSIP_SYN_ACK);

    (void)context;
    assert_string_equal(syns_to_node(&w, g, 2, 2), "11");
    script_line(s, 2, 3, 0, 1);
    gossip_encode_delta(&s->encoder);
    script_node(s, 2, 0, 0);
    script_entry(s, "key", "value", 1, KV_SET);
    script_deliver(s, &w, g, 2);
    assert_known(g, 2, "key", "value");
    assert_int_equal(w.nodes[0]->last[2], GOSSIP_V0);
    assert_int_equal(w.nodes[0]->last[3], GOSSIP_ACK);
    assert_string_equal(syns_to_node(&w, g, 2, 2), "10");
    world_close(&w);
}

/* Another process at the address of a node of the world, which was `old`. */
static void replace(struct world *w, struct gossip *g,
        struct gossip_options options, size_t number)
{
    char name[32];

    options.self = id_of_node(number, name);
    options.self.generation = gossip_self(g)->id.generation + 1;
    gossip_check(g);
    gossip_close(g);
    assert_int_equal(gossip_init(g, &options, w->now_ms, NULL), 0);
}

static void s19_141_an_old_successor_is_met_in_four_syns(void **context)
{
    struct world w = {0};
    struct gossip *g = world_add(&w, 1, speaking(GOSSIP_PROTOCOL_AUTO));
    struct gossip *peer = world_add(&w, 2, speaking(GOSSIP_PROTOCOL_V1));
    uint64_t syns;

    (void)context;
    gossip_seeds(peer, &g->self->id.addr, 1);
    tick(&w, peer, 0);
    exchange(&w, g, peer);
    assert_int_equal(gossip_counters(g)->sent_syns[GOSSIP_V1], 1);
    replace(&w, peer, speaking(GOSSIP_PROTOCOL_V0), 2);
    w.nodes[1]->is_old = true;
    syns = gossip_counters(g)->sent_syns[GOSSIP_V0] +
           gossip_counters(g)->sent_syns[GOSSIP_V1];
    while (gossip_find(g, &peer->self->id) == NULL) {
        exchange(&w, g, peer);
    }
    assert_int_equal(gossip_counters(g)->sent_syns[GOSSIP_V0] +
                             gossip_counters(g)->sent_syns[GOSSIP_V1],
            syns + 4);
    world_close(&w);
}

static void s19_142_two_on_auto_find_to_v1(void **context)
{
    struct world w = {0};
    struct gossip *g[3];

    (void)context;
    for (size_t i = 0; i < 3; i++) {
        g[i] = world_add(&w, i + 1,
                speaking(i < 2 ? GOSSIP_PROTOCOL_AUTO : GOSSIP_PROTOCOL_V0));
        set(g[i], "weft:protocol", "1");
    }
    exchange(&w, g[0], g[1]);
    assert_int_equal(gossip_counters(g[0])->sent_syns[GOSSIP_V0], 1);
    for (int i = 0; i < 5; i++) {
        exchange(&w, g[0], g[1]);
        exchange(&w, g[1], g[0]);
    }
    assert_int_equal(gossip_counters(g[0])->sent_syns[GOSSIP_V0], 1);
    assert_int_equal(gossip_counters(g[0])->sent_syns[GOSSIP_V1], 5);
    assert_int_equal(gossip_counters(g[1])->sent_syns[GOSSIP_V0], 0);
    assert_int_equal(gossip_counters(g[1])->sent_syns[GOSSIP_V1], 5);

    for (int i = 0; i < 3; i++) {
        exchange(&w, g[2], g[0]);
        assert_int_equal(w.nodes[0]->last[3], GOSSIP_SYN_ACK);
        assert_int_equal(w.nodes[0]->last[2], GOSSIP_V0);
        exchange(&w, g[0], g[2]);
        assert_int_equal(w.nodes[2]->last[3], GOSSIP_SYN_ACK);
        assert_int_equal(w.nodes[2]->last[2], GOSSIP_V1);
    }
    assert_int_equal(gossip_counters(g[2])->sent_syns[GOSSIP_V1], 0);
    world_close(&w);
}

/* Only who was met last at an address speaks for it. */
static void a_weft_that_was_replaced_is_not_asked(void **context)
{
    struct world w = {0};
    struct gossip *g = world_add(&w, 1, speaking(GOSSIP_PROTOCOL_AUTO));
    struct gossip *weft = world_add(&w, 2, speaking(GOSSIP_PROTOCOL_V0));

    (void)context;
    set(weft, "weft:protocol", "1");
    exchange(&w, g, weft);
    assert_int_equal(syn_to_node(&w, g, 2), GOSSIP_V1);
    hear_of(&w, g, 3, GOSSIP_V0, 2, 2);
    assert_known(g, 2, "weft:protocol", "1");
    assert_string_equal(syns_to_node(&w, g, 2, 2), "00");
    world_close(&w);
}

/* A Weft node that is refused is tried again when the hold ends. */
static void a_weft_finds_back_to_v1_by_itself(void **context)
{
    struct world w = {0};
    struct gossip *g = world_add(&w, 1, speaking(GOSSIP_PROTOCOL_AUTO));
    struct gossip *weft = world_add(&w, 2, speaking(GOSSIP_PROTOCOL_V0));

    (void)context;
    set(weft, "weft:protocol", "1");
    exchange(&w, g, weft);
    assert_string_equal(syns_to_node(&w, g, 2, 5), "11100");
    w.now_ms += GOSSIP_REFUSED_MS;
    exchange(&w, g, weft);
    assert_int_equal(gossip_counters(g)->sent_syns[GOSSIP_V1], 4);
    assert_string_equal(syns_to_node(&w, g, 2, 3), "111");
    world_close(&w);
}

static void several_refusals_are_each_told_once(void **context)
{
    struct world w = {.is_cut = true};
    struct gossip *g = world_add(&w, 1, speaking(GOSSIP_PROTOCOL_V1));
    struct addr to[4];

    (void)context;
    for (size_t i = 0; i < 4; i++) {
        to[i] = addr_of_node(2 + i);
    }
    gossip_seeds(g, to, 4);
    for (int round = 0; round < 6; round++) {
        for (size_t i = 0; i < 4; i++) {
            assert_int_equal(gossip_contact(g, 0, &to[i]), 0);
        }
        drain(&w, g);
        assert_int_equal(
                logged_count(w.nodes[0], GOSSIP_UNANSWERED), round < 3 ? 0 : 4);
    }
    world_close(&w);
}

/* --- the table against a plain one ----------------------------------------- */

enum {
    PLACES = 12, /* addresses */
    LIVES = 4, /* members at each */
    SEEDS = 3,
    STEPS = 20000,
};

/* What the rules say of an address, in the simplest words. */
struct plain {
    bool is_seed;
    bool is_known[LIVES];
    int last; /* the life met last; -1: none */
    bool proven;
    bool waiting;
    unsigned misses;
    uint64_t refused_until_ms;
};

static bool is_kept(const struct plain *p)
{
    bool kept = p->is_seed;

    for (size_t i = 0; i < LIVES; i++) {
        kept = kept || p->is_known[i];
    }
    return kept;
}

static void renew(struct plain *p)
{
    p->proven = false;
    p->waiting = false;
    p->misses = 0;
    p->refused_until_ms = 0;
}

static void settle(struct plain *p)
{
    if (!is_kept(p)) {
        renew(p);
        p->last = -1;
    }
}

static enum gossip_version plain_open(
        struct plain *p, enum gossip_protocol protocol, uint64_t now_ms)
{
    if (protocol == GOSSIP_PROTOCOL_V0 || !is_kept(p) ||
            (protocol == GOSSIP_PROTOCOL_AUTO && !p->proven) ||
            now_ms < p->refused_until_ms) {
        return GOSSIP_V0;
    }
    if (p->waiting && ++p->misses == 3) {
        renew(p);
        p->refused_until_ms = now_ms + GOSSIP_REFUSED_MS;
        return GOSSIP_V0;
    }
    p->waiting = true;
    return GOSSIP_V1;
}

struct both {
    struct gossip_versions table;
    struct plain plain[PLACES];
    struct gossip_member members[PLACES][LIVES];
    struct addr addrs[PLACES];
    struct prng chance;
    uint64_t now_ms;
};

static void meet_or_remove(struct both *b, size_t place)
{
    size_t life = (size_t)prng_below(&b->chance, LIVES);
    struct plain *p = &b->plain[place];

    if (p->is_known[life]) {
        gossip_versions_removed(&b->table, &b->members[place][life]);
        p->is_known[life] = false;
        settle(p);
        return;
    }
    gossip_versions_met(&b->table, &b->members[place][life]);
    if (p->last != -1 && p->last != (int)life) {
        renew(p);
    }
    p->is_known[life] = true;
    p->last = (int)life;
}

static void reseed(struct both *b)
{
    struct addr seeds[SEEDS];
    size_t first = (size_t)prng_below(&b->chance, PLACES - SEEDS + 1);

    for (size_t i = 0; i < PLACES; i++) {
        b->plain[i].is_seed = i >= first && i < first + SEEDS;
        settle(&b->plain[i]);
    }
    memcpy(seeds, &b->addrs[first], sizeof(seeds));
    gossip_versions_seeds(&b->table, seeds, SEEDS);
}

static void open_both(struct both *b, size_t place)
{
    bool gives_up;
    enum gossip_version shown =
            gossip_versions_next(&b->table, &b->addrs[place], b->now_ms);
    uint64_t refused_ms = b->plain[place].refused_until_ms;

    assert_int_equal(gossip_versions_open(
                             &b->table, &b->addrs[place], b->now_ms, &gives_up),
            shown);
    assert_int_equal(
            plain_open(&b->plain[place], b->table.protocol, b->now_ms), shown);
    assert_int_equal(gives_up, b->plain[place].refused_until_ms != refused_ms);
}

static void step(struct both *b)
{
    size_t place = (size_t)prng_below(&b->chance, PLACES);

    switch (prng_below(&b->chance, 8)) {
    case 0:
        meet_or_remove(b, place);
        break;
    case 1:
        if (prng_below(&b->chance, 8) == 0) {
            reseed(b);
        }
        break;
    case 2:
        b->now_ms += prng_below(&b->chance, GOSSIP_REFUSED_MS / 20);
        break;
    case 3:
        gossip_versions_heard(&b->table, &b->addrs[place]);
        if (is_kept(&b->plain[place])) {
            renew(&b->plain[place]);
            b->plain[place].proven = true;
        }
        break;
    default:
        open_both(b, place);
        break;
    }
    assert_int_equal(gossip_versions_has(&b->table, &b->addrs[place]),
            is_kept(&b->plain[place]));
}

static struct both *new_both(enum gossip_protocol protocol, uint64_t seed)
{
    struct both *b = calloc(1, sizeof(*b));

    assert_non_null(b);
    prng_init(&b->chance, seed);
    assert_int_equal(
            gossip_versions_init(&b->table, protocol, PLACES, seed), 0);
    for (size_t i = 0; i < PLACES; i++) {
        b->addrs[i] = addr_of_node(1 + i / 2);
        b->addrs[i].port = (uint16_t)(7946 + i % 2);
        b->plain[i].last = -1;
        for (size_t j = 0; j < LIVES; j++) {
            b->members[i][j].id =
                    (struct gossip_id){.node_id = bytes_text("node"),
                            .generation = j,
                            .addr = b->addrs[i]};
        }
    }
    return b;
}

static void the_table_does_what_the_rules_say(void **context)
{
    const char *text = getenv("WEFT_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : 21;

    (void)context;
    print_message("WEFT_SEED=%llu\n", (unsigned long long)seed);
    for (int protocol = GOSSIP_PROTOCOL_V0; protocol <= GOSSIP_PROTOCOL_AUTO;
            protocol++) {
        struct both *b = new_both((enum gossip_protocol)protocol, seed);

        for (size_t i = 0; i < STEPS; i++) {
            step(b);
            gossip_versions_check(&b->table);
        }
        gossip_versions_close(&b->table);
        free(b);
    }
}

int main(void)
{
    const struct CMUnitTest cases[] = {
            cmocka_unit_test(s19_126_v0_opens_in_v0_whatever_it_hears),
            cmocka_unit_test(s19_127_v1_tries_three_times_and_then_holds),
            cmocka_unit_test(s19_128_v1_learns_from_an_old_peer_in_four_rounds),
            cmocka_unit_test(s19_129_after_the_hold_it_is_tried_again),
            cmocka_unit_test(s19_130_any_v1_message_ends_a_refusal),
            cmocka_unit_test(s19_131_auto_never_tries_v1_among_v0),
            cmocka_unit_test(s19_132_auto_answers_v1_with_v1_to_that_address),
            cmocka_unit_test(s19_133_three_misses_in_a_row_and_not_in_all),
            cmocka_unit_test(s19_134_somebody_else_at_the_address_is_unproven),
            cmocka_unit_test(
                    s19_134_somebody_else_at_the_address_is_not_refused),
            cmocka_unit_test(s19_135_a_newcomer_that_speaks_v1_stays_proven),
            cmocka_unit_test(s19_136_of_strangers_nothing_is_recorded),
            cmocka_unit_test(s19_136_where_nothing_is_recorded_v1_is_not_tried),
            cmocka_unit_test(s19_137_a_record_goes_with_the_last_member_there),
            cmocka_unit_test(s19_137_and_stays_while_the_address_is_a_seed),
            cmocka_unit_test(s19_138_v0_of_a_proven_address_changes_nothing),
            cmocka_unit_test(s19_141_an_old_successor_is_met_in_four_syns),
            cmocka_unit_test(s19_142_two_on_auto_find_to_v1),
            cmocka_unit_test(a_weft_that_was_replaced_is_not_asked),
            cmocka_unit_test(a_weft_finds_back_to_v1_by_itself),
            cmocka_unit_test(several_refusals_are_each_told_once),
            cmocka_unit_test(the_table_does_what_the_rules_say),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
