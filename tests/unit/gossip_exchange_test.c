/* Whole exchanges between cores. The numbers after s19 are those of the
 * checklist of observable behaviours in docs/wire.md, those after s12 of the
 * checklist for encoders and decoders. */
#include "tests/unit/gossip_bytes.h"
#include "tests/unit/gossip_fixture.h"

static void s19_9_an_unknown_member_has_no_state(void **context)
{
    struct world w = {0};
    struct gossip *a = world_add(&w, 1, reference_options());

    (void)context;
    assert_null(member_of(a, 2));
    world_close(&w);
}

static void s19_17_a_digest_says_heartbeat_gc_and_max(void **context)
{
    struct world w = {0};
    struct gossip_options o = reference_options();
    struct gossip *a;
    struct gossip *b;
    struct gossip_decoder decoder;
    struct gossip_message m;
    char name[2][32];
    struct gossip_id ids[] = {id_of_node(1, name[0]), id_of_node(2, name[1])};

    (void)context;
    o.tombstone_grace_ms = 1000;
    a = world_add(&w, 1, o);
    b = world_add(&w, 2, o);
    set(a, "key", "1");
    set(b, "x", "1");
    assert_int_equal(gossip_delete(b, 0, bytes_text("x"), NULL), 0);
    tick(&w, b, 1000);
    set(b, "y", "1");
    exchange(&w, a, b);
    assert_int_equal(gossip_decoder_init(&decoder), 0);
    m = last_sent(w.nodes[1], &decoder);
    assert_int_equal(m.type, GOSSIP_SYN_ACK);
    assert_int_equal(gossip_digest_find(&m, &ids[0])->last_gc, 0);
    assert_int_equal(gossip_digest_find(&m, &ids[0])->max_version, 0);
    assert_int_equal(gossip_digest_find(&m, &ids[1])->last_gc, 2);
    assert_int_equal(gossip_digest_find(&m, &ids[1])->max_version, 3);
    gossip_decoder_close(&decoder);
    world_close(&w);
}

static void s19_34_each_node_delta_stands_alone(void **context)
{
    struct world w = {0};
    struct gossip *g = world_add(&w, 1, reference_options());
    struct script *s = script_begin(GOSSIP_V0, GOSSIP_SYN_ACK);

    (void)context;
    script_line(s, 2, 1, 0, 0);
    script_line(s, 3, 1, 0, 0);
    gossip_encode_delta(&s->encoder);
    script_node(s, 2, 0, 0);
    script_entry(s, "a", "a1", 1, KV_SET);
    script_entry(s, "b", "b3", 3, KV_SET);
    script_node(s, 3, 0, 0);
    script_entry(s, "old", "x", 17, KV_SET);
    script_deliver(s, &w, g, 9);

    s = script_begin(GOSSIP_V0, GOSSIP_ACK);
    script_node(s, 2, 0, 1);
    script_entry(s, "b", "b2", 2, KV_SET);
    script_entry(s, "a", "a4", 4, KV_SET);
    script_node(s, 3, 30, 0);
    script_entry(s, "new", "y", 32, KV_SET);
    script_deliver(s, &w, g, 9);
    assert_known(g, 2, "a", "a4");
    assert_known(g, 2, "b", "b3");
    assert_null(known(g, 3, "old"));
    assert_known(g, 3, "new", "y");
    assert_int_equal(gossip_counters(g)->resets, 1);
    world_close(&w);
}

static void s19_35_a_delta_introduces_nobody(void **context)
{
    struct world w = {0};
    struct gossip *g = world_add(&w, 1, reference_options());
    struct script *s = script_begin(GOSSIP_V0, GOSSIP_ACK);

    (void)context;
    script_node(s, 2, 0, 0);
    script_entry(s, "a", "1", 1, KV_SET);
    script_deliver(s, &w, g, 9);
    assert_int_equal(gossip_member_count(g), 1);
    world_close(&w);
}

static void s19_37_a_reset_takes_the_heartbeat(void **context)
{
    struct world w = {0};
    struct gossip *g = world_add(&w, 1, reference_options());
    struct script *s;

    (void)context;
    hear_heartbeat(&w, g, 2, 7);
    assert_int_equal(member_of(g, 2)->heartbeat, 7);
    s = script_begin(GOSSIP_V0, GOSSIP_ACK);
    script_node(s, 2, 5, 0);
    script_entry(s, "a", "1", 9, KV_SET);
    script_deliver(s, &w, g, 9);
    assert_int_equal(member_of(g, 2)->heartbeat, 0);
    assert_int_equal(member_of(g, 2)->state.last_gc_version, 5);
    assert_int_equal(member_of(g, 2)->state.max_version, 9);
    world_close(&w);
}

static void s19_39_nobody_writes_our_state(void **context)
{
    struct world w = {0};
    struct gossip *g = world_add(&w, 1, reference_options());
    struct script *s = script_begin(GOSSIP_V0, GOSSIP_ACK);

    (void)context;
    set(g, "mine", "1");
    script_node(s, 1, 0, 0);
    script_entry(s, "foreign", "x", 9, KV_SET);
    script_deliver(s, &w, g, 9);
    assert_null(known(g, 1, "foreign"));
    assert_int_equal(gossip_self(g)->state.max_version, 1);
    assert_int_equal(gossip_counters(g)->refused[GOSSIP_REFUSED_ABOUT_SELF], 1);
    world_close(&w);
}

/* The Syn and the SynAck of an exchange, and no interest in events. */
static void pull(struct gossip *b, struct gossip *a, uint64_t now_ms)
{
    struct gossip_action action;

    gossip_contact(b, now_ms, &a->self->id.addr);
    assert_true(gossip_next(b, &action));
    gossip_receive(a, now_ms, &b->self->id.addr, action.datagram);
    assert_true(gossip_next(a, &action));
    gossip_receive(b, now_ms, &a->self->id.addr, action.datagram);
    while (gossip_next(a, &action) || gossip_next(b, &action)) {
        /* the Ack, and what is new */
    }
}

static void s19_48_a_reset_too_large_for_a_message_completes(void **context)
{
    struct world w = {.is_cut = true};
    struct gossip_options o = reference_options();
    struct gossip *a;
    struct gossip *b;
    char key[16];
    int exchanges = 0;

    (void)context;
    o.node_state_max_bytes = 64 << 20;
    o.tombstone_grace_ms = 1000;
    a = world_add(&w, 1, o);
    b = world_add(&w, 2, o);
    for (int i = 0; i < 20000; i++) {
        snprintf(key, sizeof(key), "key-%05d", i);
        set(a, key, "value");
    }
    do {
        pull(b, a, 0);
    } while (member_of(b, 1)->state.max_version < 20000);

    assert_int_equal(gossip_delete(a, 0, bytes_text("key-00000"), NULL), 0);
    gossip_tick(a, 2000);
    assert_int_equal(gossip_self(a)->state.last_gc_version, 20001);
    while (member_of(b, 1)->state.entries != 19999) {
        pull(b, a, 2000);
        assert_true(exchanges++ < 5);
    }
    assert_true(exchanges > 1);
    assert_null(known(b, 1, "key-00000"));
    assert_known(b, 1, "key-00001", "value");
    assert_known(b, 1, "key-19999", "value");
    assert_int_equal(member_of(b, 1)->state.last_gc_version, 20001);
    world_close(&w);
}

static void s19_50_one_exchange_makes_two_nodes_equal(void **context)
{
    struct world w = {0};
    struct gossip *a = world_add(&w, 1, reference_options());
    struct gossip *b = world_add(&w, 2, reference_options());

    (void)context;
    set(a, "a1", "1");
    set(a, "a2", "2");
    set(b, "b1", "1");
    set(b, "b2", "2");
    for (int round = 0; round < 2; round++) {
        exchange(&w, a, b);
        assert_known(a, 2, "b1", "1");
        assert_known(a, 2, "b2", "2");
        assert_known(b, 1, "a1", "1");
        assert_known(b, 1, "a2", "2");
        assert_int_equal(member_of(a, 2)->state.max_version, 2);
        assert_int_equal(member_of(b, 1)->state.max_version, 2);
    }
    set(a, "a1", "new");
    set(a, "a3", "3");
    set(b, "b2", "new");
    exchange(&w, a, b);
    assert_known(b, 1, "a1", "new");
    assert_known(b, 1, "a3", "3");
    assert_known(a, 2, "b2", "new");
    world_close(&w);
}

static void IPv6_members_are_members(void **context)
{
    static const char *const ADDRS[] = {
            "[2001:db8::1]:7946", "[2001:db8::2]:7946"};
    struct world w = {0};
    struct gossip *g[2];
    struct gossip_id ids[2];
    char names[2][32];

    (void)context;
    for (size_t i = 0; i < 2; i++) {
        struct gossip_options o = reference_options();

        ids[i] = id_of_node(i + 1, names[i]);
        assert_true(addr_parse(bytes_text(ADDRS[i]), &ids[i].addr));
        o.self = ids[i];
        g[i] = world_add(&w, i + 1, o);
        set(g[i], "key", ADDRS[i]);
    }
    gossip_seeds(g[0], &ids[1].addr, 1);
    for (uint64_t t = 0; t < 5; t++) {
        tick(&w, g[0], t * 1000);
        tick(&w, g[1], t * 1000);
    }
    for (size_t i = 0; i < 2; i++) {
        const struct gossip_member *m = gossip_find(g[i], &ids[1 - i]);

        assert_non_null(m);
        assert_true(gossip_member_is_live(m));
        assert_true(bytes_equal_text(
                kv_state_get(&m->state, bytes_text("key"))->value,
                ADDRS[1 - i]));
    }
    world_close(&w);
}

/* Heartbeats and versions at the end of their range, about others and us. */
static void the_largest_numbers_break_nothing(void **context)
{
    struct world w = {0};
    struct gossip *g = world_add(&w, 1, reference_options());
    struct gossip *peer = world_add(&w, 3, reference_options());
    struct script *s = script_begin(GOSSIP_V0, GOSSIP_SYN_ACK);
    const struct gossip_member *m;

    (void)context;
    script_line(s, 1, UINT64_MAX, UINT64_MAX, UINT64_MAX);
    script_line(s, 2, UINT64_MAX, UINT64_MAX, UINT64_MAX);
    gossip_encode_delta(&s->encoder);
    script_node(s, 1, UINT64_MAX, 0);
    script_entry(s, "key", "theirs", UINT64_MAX, KV_SET);
    script_node(s, 2, UINT64_MAX - 1, 0);
    script_entry(s, "key", "v", UINT64_MAX, KV_DELETE_AFTER_TTL);
    script_deliver(s, &w, g, 9);
    set(g, "key", "ours");
    assert_known(g, 1, "key", "ours");
    assert_int_equal(gossip_self(g)->state.max_version, 1);
    assert_int_equal(gossip_self(g)->heartbeat, 2);
    m = member_of(g, 2);
    assert_true(m->state.max_version == UINT64_MAX);
    exchange(&w, peer, g);
    assert_known(peer, 1, "key", "ours");
    assert_known(peer, 2, "key", "v");
    tick(&w, g, UINT64_C(3) * 3600 * 1000); /* past the grace of its time */
    assert_null(known(g, 2, "key"));
    assert_true(m->state.last_gc_version == UINT64_MAX);
    exchange(&w, peer, g);
    set(g, "key", "ours again");
    assert_int_equal(gossip_self(g)->state.max_version, 2);
    world_close(&w);
}

static void s19_51_a_foreign_syn_gets_bad_cluster(void **context)
{
    struct world w = {0};
    struct gossip_options o = reference_options();
    struct gossip *a = world_add(&w, 1, o);
    struct gossip *b;
    struct gossip_decoder decoder;

    (void)context;
    o.cluster = bytes_text("other");
    b = world_add(&w, 2, o);
    set(b, "key", "1");
    exchange(&w, b, a);
    assert_int_equal(gossip_decoder_init(&decoder), 0);
    assert_int_equal(last_sent(w.nodes[0], &decoder).type, GOSSIP_BAD_CLUSTER);
    gossip_decoder_close(&decoder);
    assert_int_equal(gossip_member_count(a), 1);
    assert_int_equal(gossip_self(a)->heartbeat, 2);
    assert_int_equal(
            gossip_counters(a)->refused[GOSSIP_REFUSED_FOREIGN_CLUSTER], 1);
    assert_int_equal(
            gossip_counters(b)->refused[GOSSIP_REFUSED_BAD_CLUSTER], 1);
    world_close(&w);
}

/* Also line 45 of section 12: the reply has the version of the message. */
static void s19_52_and_s12_45_who_answers_what(void **context)
{
    static const struct {
        enum gossip_type type;
        int reply; /* -1: none */
    } ROWS[] = {{GOSSIP_SYN, GOSSIP_SYN_ACK}, {GOSSIP_SYN_ACK, GOSSIP_ACK},
            {GOSSIP_ACK, -1}, {GOSSIP_BAD_CLUSTER, -1}};
    struct gossip_decoder decoder;

    (void)context;
    assert_int_equal(gossip_decoder_init(&decoder), 0);
    for (size_t i = 0; i < 8; i++) {
        enum gossip_version version = i % 2 == 0 ? GOSSIP_V0 : GOSSIP_V1;
        struct world w = {0};
        struct gossip *g = world_add(&w, 1, reference_options());
        struct script *s = script_begin(version, ROWS[i / 2].type);

        printf("type %d in V%d\n", ROWS[i / 2].type, version);
        if (ROWS[i / 2].type == GOSSIP_SYN_ACK) {
            gossip_encode_delta(&s->encoder);
        }
        script_deliver(s, &w, g, 9);
        assert_int_equal(gossip_self(g)->heartbeat, 2);
        if (ROWS[i / 2].reply < 0) {
            assert_int_equal(w.nodes[0]->sent, 0);
        } else {
            struct gossip_message m = last_sent(w.nodes[0], &decoder);
            struct addr to = addr_of_node(9);

            assert_int_equal(w.nodes[0]->sent, 1);
            assert_int_equal(m.type, ROWS[i / 2].reply);
            assert_int_equal(m.version, version);
            assert_true(addr_equal(&w.nodes[0]->last_to, &to));
        }
        world_close(&w);
    }
    gossip_decoder_close(&decoder);
}

static void s19_53_only_what_decodes_makes_the_heart_beat(void **context)
{
    struct world w = {0};
    struct gossip *g = world_add(&w, 1, reference_options());
    struct addr from = addr_of_node(9);

    (void)context;
    assert_int_equal(gossip_self(g)->heartbeat, 1);
    gossip_receive(g, 0, &from, bytes_text("junk"));
    assert_int_equal(gossip_self(g)->heartbeat, 1);
    assert_int_equal(gossip_counters(g)->malformed[GOSSIP_DROP_MAGIC], 1);
    gossip_receive(g, 0, &from, bytes_of("\x53\xb0\x00\x03", 4));
    assert_int_equal(gossip_self(g)->heartbeat, 2);
    world_close(&w);
}

static void s19_54_a_digest_introduces(void **context)
{
    struct world w = {0};
    struct gossip *g = world_add(&w, 1, reference_options());

    (void)context;
    hear_heartbeat(&w, g, 2, 7);
    assert_non_null(member_of(g, 2));
    assert_int_equal(member_of(g, 2)->state.entries, 0);
    assert_int_equal(member_of(g, 2)->heartbeat, 7);
    assert_int_equal(w.nodes[0]->log[0].kind, GOSSIP_MET);
    world_close(&w);
}

/* Letters without a pattern. */
static void scramble(struct prng *chance, char *text, size_t size)
{
    for (size_t i = 0; i < size - 1; i++) {
        text[i] = (char)('a' + prng_below(chance, 26));
    }
    text[size - 1] = '\0';
}

static void s19_55_and_s12_36_a_full_state_fits_a_datagram(void **context)
{
    struct world w = {0};
    struct gossip_options o = reference_options();
    struct prng chance;
    char name[1001];
    char value[1001];
    struct gossip *g = NULL;
    struct gossip_decoder decoder;
    struct gossip_message m;

    (void)context;
    prng_init(&chance, 55);
    for (size_t i = 0; i < 55; i++) {
        struct gossip *other;

        scramble(&chance, name, sizeof(name));
        scramble(&chance, value, sizeof(value));
        o.self = (struct gossip_id){.node_id = bytes_text(name),
                .generation = 1,
                .addr = addr_of_node(i)};
        other = world_add(&w, i, o);
        set(other, "k", value);
        if (i == 0) {
            g = other;
        } else {
            exchange(&w, other, g);
            assert_int_equal(gossip_member_count(g), i + 1);
            w.count--;
            gossip_close(other);
            free(w.nodes[w.count]);
        }
    }
    script_deliver(script_begin(GOSSIP_V0, GOSSIP_SYN), &w, g, 9999);
    assert_int_equal(gossip_decoder_init(&decoder), 0);
    m = last_sent(w.nodes[0], &decoder);
    assert_int_equal(m.digest_count, 55);
    assert_true(w.nodes[0]->last_size <= GOSSIP_DATAGRAM_BYTES);
    assert_int_equal(m.node_count, 4);
    gossip_decoder_close(&decoder);
    world_close(&w);
}

/* Members 1000 to 1299 with a random value of 500 bytes each. */
static void teach_many(struct world *w, struct gossip *g)
{
    struct prng chance;
    char value[501];

    prng_init(&chance, 125);
    for (size_t i = 0; i < 300; i += 20) {
        struct script *s = script_begin(GOSSIP_V0, GOSSIP_SYN_ACK);

        for (size_t j = i; j < i + 20; j++) {
            script_line(s, 1000 + j, 5, 0, 0);
        }
        gossip_encode_delta(&s->encoder);
        for (size_t j = i; j < i + 20; j++) {
            scramble(&chance, value, sizeof(value));
            script_node(s, 1000 + j, 0, 0);
            script_entry(s, "key", value, 1, KV_SET);
        }
        w->nodes[0]->log_count = 0;
        script_deliver(s, w, g, 9999);
    }
    w->nodes[0]->log_count = 0;
}

static void s19_125_a_full_reply_fits_in_either_version(void **context)
{
    struct world w = {0};
    struct gossip *g = world_add(&w, 1, reference_options());
    struct gossip_decoder decoder;

    (void)context;
    teach_many(&w, g);
    assert_int_equal(gossip_decoder_init(&decoder), 0);
    for (int version = GOSSIP_V0; version <= GOSSIP_V1; version++) {
        struct gossip_message m;

        script_deliver(script_begin((enum gossip_version)version, GOSSIP_SYN),
                &w, g, 9);
        m = last_sent(w.nodes[0], &decoder);
        assert_int_equal(m.type, GOSSIP_SYN_ACK);
        assert_int_equal(m.version, version);
        assert_int_equal(m.digest_count, 301);
        assert_in_range(w.nodes[0]->last_size, 50000, GOSSIP_DATAGRAM_BYTES);
        assert_true(m.node_count > 70);
    }
    gossip_decoder_close(&decoder);
    world_close(&w);
}

static void s19_85_a_heartbeat_crosses(void **context)
{
    struct world w = {0};
    struct gossip *a = world_add(&w, 1, reference_options());
    struct gossip *b = world_add(&w, 2, reference_options());

    (void)context;
    assert_int_equal(gossip_self(a)->heartbeat, 1);
    gossip_tick(a, 0);
    assert_int_equal(gossip_self(a)->heartbeat, 2);
    exchange(&w, a, b);
    assert_int_equal(member_of(b, 1)->heartbeat, 2);
    world_close(&w);
}

static void s19_101_who_knows_more_of_us_raises_an_alarm(void **context)
{
    struct world w = {0};
    struct gossip *g = world_add(&w, 1, reference_options());
    struct script *s = script_begin(GOSSIP_V0, GOSSIP_SYN);

    (void)context;
    set(g, "key", "1");
    drain(&w, g);
    w.nodes[0]->log_count = 0;
    script_line(s, 1, 50, 0, 1);
    script_deliver(s, &w, g, 9);
    assert_int_equal(w.nodes[0]->log_count, 0);
    s = script_begin(GOSSIP_V0, GOSSIP_SYN);
    script_line(s, 1, 50, 3, 9);
    script_deliver(s, &w, g, 9);
    assert_int_equal(w.nodes[0]->log_count, 1);
    assert_int_equal(w.nodes[0]->log[0].kind, GOSSIP_AHEAD);
    assert_int_equal(gossip_self(g)->state.max_version, 1);
    assert_int_equal(gossip_self(g)->state.last_gc_version, 0);
    assert_int_equal(gossip_self(g)->heartbeat, 3);
    world_close(&w);
}

/* 500 keys of 8 KiB of rows: 4 MB in datagrams of 64 KiB. */
static void s12_35_an_honest_flood_arrives_in_prefixes(void **context)
{
    struct world w = {0};
    struct gossip_options o = reference_options();
    struct gossip *a;
    struct gossip *b;
    static char value[8192];
    char key[16];
    uint64_t before = 0;
    int exchanges = 0;

    (void)context;
    o.node_state_max_bytes = 8 << 20;
    a = world_add(&w, 1, o);
    b = world_add(&w, 2, o);
    for (int i = 0; i < 500; i++) {
        for (size_t at = 0; at < sizeof(value) - 1; at++) {
            value[at] = "a row of values, as rows are;\n"[at % 30];
        }
        snprintf(key, sizeof(key), "key-%05d", i);
        set(a, key, value);
    }
    w.nodes[0]->log_count = 0;
    while (before < 500) {
        const struct kv_state *copy;

        w.nodes[0]->log_count = 0;
        w.nodes[1]->log_count = 0;
        exchange(&w, b, a);
        copy = &member_of(b, 1)->state;
        assert_true(copy->max_version > before);
        assert_int_equal(copy->entries, copy->max_version);
        before = copy->max_version;
        assert_true(exchanges++ < 10);
    }
    assert_true(gossip_counters(b)->truncated > 0);
    world_close(&w);
}

/* Introduces members 1000 to 1000 + count - 1 by hearsay. */
static void introduce(struct world *w, struct gossip *g, size_t count)
{
    for (size_t i = 0; i < count; i += 500) {
        struct script *s = script_begin(GOSSIP_V0, GOSSIP_SYN);

        for (size_t j = i; j < i + 500 && j < count; j++) {
            script_line(s, 1000 + j, 5, 0, 0);
        }
        w->nodes[0]->log_count = 0;
        script_deliver(s, w, g, 9999);
    }
    w->nodes[0]->log_count = 0;
}

static void s12_46_48_a_digest_never_outgrows_its_message(void **context)
{
    struct world w = {0};
    struct gossip *g = world_add(&w, 1, reference_options());
    struct gossip_decoder decoder;
    char name[32];
    struct gossip_id self = id_of_node(1, name);

    (void)context;
    assert_int_equal(gossip_decoder_init(&decoder), 0);
    introduce(&w, g, 4000);
    assert_int_equal(gossip_member_count(g), 4001);
    for (int version = GOSSIP_V0; version <= GOSSIP_V1; version++) {
        struct gossip_message m;

        script_deliver(script_begin((enum gossip_version)version, GOSSIP_SYN),
                &w, g, 9);
        m = last_sent(w.nodes[0], &decoder);
        assert_int_equal(m.type, GOSSIP_SYN_ACK);
        assert_int_equal(m.version, version);
        assert_true(m.digest_count > 900 && m.digest_count < 4001);
        assert_non_null(gossip_digest_find(&m, &self));
        if (version == GOSSIP_V0) {
            assert_true(w.nodes[0]->last_size > 65507 - 100);
            assert_int_equal(m.node_count, 0);
        }
    }
    gossip_decoder_close(&decoder);
    world_close(&w);
}

/* Of members 1000 to 4999, how many are in at least one of six digests. */
static size_t count_named(struct world *w, struct gossip *g)
{
    static bool seen[4000];
    struct gossip_decoder decoder;
    size_t count = 0;

    memset(seen, 0, sizeof(seen));
    assert_int_equal(gossip_decoder_init(&decoder), 0);
    for (int i = 0; i < 6; i++) {
        struct gossip_message m;

        script_deliver(script_begin(GOSSIP_V0, GOSSIP_SYN), w, g, 9);
        m = last_sent(w->nodes[0], &decoder);
        for (size_t j = 0; j < m.digest_count; j++) {
            char text[32];
            size_t number;

            copy_text(text, sizeof(text), m.digest[j].id.node_id);
            number = strtoul(text + strlen("node-"), NULL, 10);
            if (number >= 1000 && !seen[number - 1000]) {
                seen[number - 1000] = true;
                count++;
            }
        }
    }
    gossip_decoder_close(&decoder);
    return count;
}

static void a_capped_digest_names_everybody_in_turn(void **context)
{
    struct world w = {0};
    struct gossip *g = world_add(&w, 1, reference_options());

    (void)context;
    introduce(&w, g, 4000);
    assert_int_equal(count_named(&w, g), 4000);
    world_close(&w);
}

/* Names as long as a datagram, between all the others. */
static void a_giant_name_keeps_nobody_out_of_a_digest(void **context)
{
    static const size_t SIZES[] = {60000, 65443};
    static char name[65443];
    struct world w = {0};
    struct gossip *g = world_add(&w, 1, reference_options());

    (void)context;
    introduce(&w, g, 4000);
    memset(name, 'x', sizeof(name));
    memcpy(name, "node-2500-", 10);
    for (size_t i = 0; i < 2; i++) {
        struct gossip_digest_entry line = {.heartbeat = 1};
        struct script *s = script_begin(GOSSIP_V1, GOSSIP_SYN);

        line.id.node_id = bytes_of(name, SIZES[i]);
        line.id.addr = addr_of_node(8);
        assert_true(gossip_encode_digest_entry(&s->encoder, &line));
        script_deliver(s, &w, g, 9);
    }
    assert_int_equal(gossip_member_count(g), 4003);
    assert_int_equal(count_named(&w, g), 4000);
    world_close(&w);
}

static void the_living_come_before_hearsay_in_a_digest(void **context)
{
    struct world w = {0};
    struct gossip *g = world_add(&w, 1, reference_options());
    struct gossip_decoder decoder;

    (void)context;
    for (uint64_t heartbeat = 1; heartbeat < 4; heartbeat++) {
        for (size_t i = 2; i < 20; i++) {
            hear_heartbeat(&w, g, i, heartbeat);
        }
        tick(&w, g, heartbeat * 1000);
    }
    assert_int_equal(gossip_live_count(g), 18);
    introduce(&w, g, 4000);
    assert_int_equal(gossip_decoder_init(&decoder), 0);
    for (int i = 0; i < 6; i++) {
        struct gossip_message m;

        script_deliver(script_begin(GOSSIP_V0, GOSSIP_SYN), &w, g, 2);
        m = last_sent(w.nodes[0], &decoder);
        for (size_t k = 1; k < 20; k++) {
            char name[32];
            struct gossip_id id = id_of_node(k, name);

            assert_non_null(gossip_digest_find(&m, &id));
        }
    }
    gossip_decoder_close(&decoder);
    world_close(&w);
}

/* The receiver's own line, in a cluster of which most is left out. */
static void the_receiver_is_in_its_digest(void **context)
{
    struct world w = {0};
    struct gossip *g = world_add(&w, 1, reference_options());
    char name[32];
    struct gossip_id receiver = id_of_node(4999, name);
    struct gossip_decoder decoder;

    (void)context;
    for (uint64_t heartbeat = 1; heartbeat < 4; heartbeat++) {
        for (size_t i = 1000; i < 5000; i += 500) {
            struct script *s = script_begin(GOSSIP_V0, GOSSIP_SYN);

            for (size_t j = i; j < i + 500; j++) {
                script_line(s, j, heartbeat, 0, 0);
            }
            w.nodes[0]->log_count = 0;
            script_deliver(s, &w, g, 9999);
        }
        w.nodes[0]->log_count = 0;
        w.now_ms = heartbeat * 1000;
        gossip_tick(g, w.now_ms);
    }
    assert_int_equal(gossip_live_count(g), 4000);
    w.is_cut = true;
    assert_int_equal(gossip_decoder_init(&decoder), 0);
    for (int i = 0; i < 6; i++) {
        struct gossip_message m;
        struct gossip_action action;

        while (gossip_next(g, &action)) {
            /* of no interest here */
        }
        script_deliver(script_begin(GOSSIP_V0, GOSSIP_SYN), &w, g, 4999);
        m = last_sent(w.nodes[0], &decoder);
        assert_true(m.digest_count < 2000);
        assert_non_null(gossip_digest_find(&m, &receiver));
    }
    gossip_decoder_close(&decoder);
    world_close(&w);
}

static void strangers_cannot_invent_members_without_end(void **context)
{
    struct world w = {0};
    struct gossip_options o = reference_options();
    struct gossip *g;

    (void)context;
    o.members_max = 100;
    g = world_add(&w, 1, o);
    introduce(&w, g, 500);
    assert_int_equal(gossip_member_count(g), 101);
    assert_int_equal(
            gossip_counters(g)->refused[GOSSIP_REFUSED_MEMBERS_FULL], 400);
    world_close(&w);
}

static void others_keys_end_at_their_bound(void **context)
{
    struct world w = {0};
    struct gossip_options o = reference_options();
    struct gossip *a;
    struct gossip *b;
    char key[16];

    (void)context;
    a = world_add(&w, 1, o);
    o.remote_max_bytes = 10 * (KV_ENTRY_BYTES + 20);
    b = world_add(&w, 2, o);
    for (int i = 0; i < 50; i++) {
        snprintf(key, sizeof(key), "key-%05d", i);
        set(a, key, "value");
    }
    exchange(&w, b, a);
    assert_in_range(member_of(b, 1)->state.entries, 9, 11);
    assert_int_equal(
            member_of(b, 1)->state.entries, member_of(b, 1)->state.max_version);
    assert_int_equal(
            gossip_counters(b)->refused[GOSSIP_REFUSED_REMOTE_FULL], 1);
    world_close(&w);
}

static void our_own_keys_have_bounds_and_sentences(void **context)
{
    struct world w = {0};
    struct gossip_options o = reference_options();
    struct gossip *g;
    struct error err;
    char text[300];

    (void)context;
    o.value_max_bytes = 10;
    o.node_state_max_bytes = KV_ENTRY_BYTES + 20;
    g = world_add(&w, 1, o);
    memset(text, 'k', sizeof(text));
    assert_int_equal(gossip_set(g, bytes_of(text, 256), bytes_text(""), &err),
            ERR_INVALID);
    assert_string_equal(err.text, "the key has 256 bytes, and may have 255");
    assert_int_equal(
            gossip_set(g, bytes_text(""), bytes_text(""), &err), ERR_INVALID);
    assert_string_equal(err.text, "the key is empty");
    assert_int_equal(gossip_set(g, bytes_text("\xff"), bytes_text(""), &err),
            ERR_INVALID);
    assert_string_equal(err.text, "the key is not UTF-8");
    assert_int_equal(gossip_set(g, bytes_text("k"), bytes_of(text, 11), &err),
            ERR_INVALID);
    assert_string_equal(err.text,
            "the value of \"k\" has 11 bytes, and kv.max_value is 10");
    assert_int_equal(gossip_set(g, bytes_text("k"), bytes_text("\xff"), &err),
            ERR_INVALID);
    assert_string_equal(err.text, "the value of \"k\" is not UTF-8");
    set(g, "k", "0123456789"); /* as long as a value may be */
    assert_int_equal(gossip_set(g, bytes_of(text, 255), bytes_text(""), &err),
            ERR_FULL); /* as long as a key may be, but there is no room */
    assert_int_equal(
            gossip_set(g, bytes_text("l"), bytes_text("v"), &err), ERR_FULL);
    assert_int_equal(gossip_delete(g, 0, bytes_text("l"), &err), ERR_NOT_FOUND);
    assert_string_equal(err.text, "this node has no key \"l\"");
    world_close(&w);
}

/* Hardly to be compressed, and nearly a whole datagram. */
static void what_a_node_says_by_itself_may_be_long(void **context)
{
    static char value[GOSSIP_PUBLISHED_MAX_BYTES + 1];
    struct world w = {0};
    struct gossip_options o = reference_options();
    struct gossip *a = world_add(&w, 1, o);
    struct gossip *b = world_add(&w, 2, o);
    struct prng chance;
    struct error err;

    (void)context;
    prng_init(&chance, 1);
    for (size_t i = 0; i < sizeof(value); i++) {
        value[i] = (char)(' ' + prng_below(&chance, 95));
    }
    assert_int_equal(gossip_set(a, bytes_text("k"),
                             bytes_of(value, sizeof(value) - 1), &err),
            ERR_INVALID);
    assert_int_equal(gossip_publish(a, bytes_text("k"),
                             bytes_of(value, sizeof(value)), &err),
            ERR_INVALID);
    assert_string_equal(err.text,
            "the value of \"k\" has 61441 bytes, and the most is 61440");
    assert_int_equal(gossip_publish(a, bytes_text("k"),
                             bytes_of(value, sizeof(value) - 1), &err),
            0);
    exchange(&w, b, a);
    assert_int_equal(known(b, 1, "k")->value.size, sizeof(value) - 1);
    world_close(&w);
}

static void a_reply_that_nobody_fetched_is_counted(void **context)
{
    struct world w = {0};
    struct gossip *g = world_add(&w, 1, reference_options());
    struct addr from = addr_of_node(9);
    static const uint8_t SYN[] = {
            0x53, 0xb0, 0, 0, 0, 0, 4, 0, 'w', 'e', 'f', 't'};
    struct gossip_action action;

    (void)context;
    gossip_receive(g, 0, &from, bytes_of(SYN, sizeof(SYN)));
    gossip_receive(g, 0, &from, bytes_of(SYN, sizeof(SYN)));
    assert_true(gossip_next(g, &action));
    assert_int_equal(action.kind, GOSSIP_SEND);
    assert_false(gossip_next(g, &action));
    assert_int_equal(gossip_counters(g)->refused[GOSSIP_REFUSED_UNSENT], 1);

    /* Nor does one outlive a message that has no answer. */
    gossip_receive(g, 0, &from, bytes_of(SYN, sizeof(SYN)));
    gossip_receive(g, 0, &from, bytes_of("\x53\xb0\x00\x03", 4));
    assert_false(gossip_next(g, &action));
    assert_int_equal(gossip_counters(g)->refused[GOSSIP_REFUSED_UNSENT], 2);
    world_close(&w);
}

/* Twenty thousand datagrams that were right before chance had its way with
 * them: the core stays sound, its memory within its bounds, its own keys its
 * own. */
static void mutated_datagrams_change_nothing_of_ours(void **context)
{
    struct world w = {.is_cut = true};
    struct gossip_options o = reference_options();
    struct gossip *g;
    struct gossip *peer;
    struct prng chance;
    uint64_t malformed = 0;

    (void)context;
    prng_init(&chance, 20000);
    o.members_max = 50;
    o.remote_max_bytes = 100000;
    g = world_add(&w, 1, o);
    peer = world_add(&w, 2, o);
    set(g, "mine", "1");
    for (int i = 0; i < 50; i++) {
        char key[16];

        snprintf(key, sizeof(key), "key-%d", i);
        set(peer, key, "a value that is worth packing, a value");
    }
    for (int i = 0; i < 20000; i++) {
        struct gossip *from = i % 4 == 0 ? g : peer;
        struct gossip_action action;
        uint8_t bytes[4096];
        size_t size;

        gossip_contact(from, 0, &from->self->id.addr);
        while (gossip_next(from, &action) && action.kind != GOSSIP_SEND) {
            /* only what is sent */
        }
        size = action.datagram.size < sizeof(bytes) ? action.datagram.size
                                                    : sizeof(bytes);
        memcpy(bytes, action.datagram.data, size);
        for (uint64_t k = prng_below(&chance, 4); k > 0; k--) {
            bytes[prng_below(&chance, size)] = (uint8_t)prng_u64(&chance);
        }
        size -= (size_t)prng_below(&chance, 8) == 0
                        ? (size_t)prng_below(&chance, size)
                        : 0;
        gossip_receive(i % 2 == 0 ? g : peer, 0, &(struct addr){0},
                bytes_of(bytes, size));
    }
    for (size_t i = 0; i < GOSSIP_DROP_COUNT; i++) {
        malformed += gossip_counters(g)->malformed[i];
    }
    assert_true(malformed > 2000);
    assert_true(gossip_member_count(g) <= 51);
    assert_true(gossip_remote_bytes(g) <= 100000);
    assert_int_equal(gossip_self(g)->state.max_version, 1);
    assert_known(g, 1, "mine", "1");
    world_close(&w);
}

/* --- two exchanges as chitchat sent them --------------------------------- */

struct transcript {
    enum gossip_version version;
    const char *syn;
    const char *syn_ack;
    const char *ack;
    uint64_t heartbeat; /* of node-2 before the Syn comes */
};

static const struct transcript TRANSCRIPTS[] = {
        {GOSSIP_V0,
                "53b00000010006006e6f64652d3100a8da769b010000040a0000010a1f0200"
                "00000000000000000000000000000200000000000000040077656674",
                "53b00001020006006e6f64652d3100a8da769b010000040a0000010a1f0200"
                "000000000000000000000000000000000000000000"
                "0006006e6f64652d327ba8da769b010000040a0000020a1f02000000000000"
                "000000000000000000020000000000000001650028b52ffd206ee50200e404"
                "0006006e6f64652d327ba8da769b010000040a0000020a1f00010a3a737461"
                "7465060061637469766501010c0073687566666c653a616464720e0031302e"
                "323a34303132330200000000000000000400728139"
                "8aea5257ab037800",
                "53b0000201650028b52ffd206ee50200e4040006006e6f64652d3100a8da76"
                "9b010000040a0000010a1f00010a3a7374"
                "617465060061637469766501010c0073687566666c653a616464720e003130"
                "2e313a343031323302000000000000000004007281398aea5257ab037800",
                1},
        {GOSSIP_V1,
                "53b00100022f0006006e6f64652d3100a8da769b010000040a0000010a1f02"
                "0000000000000000000000000000000200000000000000000400776566"
                "74",
                "53b00101013d0028b52ffd205ea50100740206006e6f64652d3100a8da769b"
                "010000040a0000010a1f0200327b020a1f"
                "0302000000000000000400a0136050aa2ca480310001650028b52ffd206ee5"
                "0200e4040006006e6f64652d327ba8da76"
                "9b010000040a0000020a1f00010a3a73746174650600616374697665010"
                "10c0073687566666c653a616464720e0031302e"
                "323a343031323302000000000000000004007281398aea5257ab037800",
                "53b0010201650028b52ffd206ee50200e4040006006e6f64652d3100a8da76"
                "9b010000040a0000010a1f00010a3a7374"
                "617465060061637469766501010c0073687566666c653a616464720e003130"
                "2e313a343031323302000000000000000004007281398aea5257ab037800",
                2},
};

static struct gossip *transcript_node(
        struct world *w, size_t number, const char *shuffle_addr)
{
    struct gossip_options o = reference_options();
    char name[32];
    struct gossip *g;

    o.self = id_of_node(number, name);
    o.self.generation = number == 1 ? 1767225600000 : 1767225600123;
    g = world_add(w, number, o);
    set(g, "node:state", "active");
    set(g, "shuffle:addr", shuffle_addr);
    return g;
}

/* Feeds golden bytes; the reply, if any, is in `node->last` afterwards. */
static void feed(
        struct world *w, struct gossip *g, size_t from, const char *hex)
{
    uint8_t bytes[512];
    size_t size = strlen(hex) / 2;
    struct addr addr = addr_of_node(from);

    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(hex_digit(hex[2 * i]) << 4 |
                             hex_digit(hex[2 * i + 1]));
    }
    gossip_receive(g, w->now_ms, &addr, bytes_of(bytes, size));
    drain(w, g);
}

static void assert_same_delta(
        const struct gossip_message *a, const struct gossip_message *b)
{
    assert_int_equal(a->node_count, b->node_count);
    assert_int_equal(a->entry_count, b->entry_count);
    for (size_t i = 0; i < a->node_count; i++) {
        assert_true(gossip_id_equal(&a->nodes[i].id, &b->nodes[i].id));
        assert_int_equal(a->nodes[i].last_gc, b->nodes[i].last_gc);
        assert_int_equal(a->nodes[i].from_excluded, b->nodes[i].from_excluded);
        assert_int_equal(a->nodes[i].max_version, b->nodes[i].max_version);
    }
    for (size_t i = 0; i < a->entry_count; i++) {
        assert_true(bytes_equal(a->entries[i].key, b->entries[i].key));
        assert_true(bytes_equal(a->entries[i].value, b->entries[i].value));
        assert_int_equal(a->entries[i].version, b->entries[i].version);
        assert_int_equal(a->entries[i].status, b->entries[i].status);
    }
}

static void assert_same_digest(
        const struct gossip_message *a, const struct gossip_message *b)
{
    assert_int_equal(a->digest_count, b->digest_count);
    for (size_t i = 0; i < a->digest_count; i++) {
        assert_true(gossip_id_equal(&a->digest[i].id, &b->digest[i].id));
        assert_int_equal(a->digest[i].heartbeat, b->digest[i].heartbeat);
        assert_int_equal(a->digest[i].last_gc, b->digest[i].last_gc);
        assert_int_equal(a->digest[i].max_version, b->digest[i].max_version);
    }
}

/* What the node sent last says the same as the golden bytes. */
static void assert_says(struct node *node, const char *hex)
{
    struct gossip_decoder decoders[2];
    uint8_t bytes[512];
    size_t size = strlen(hex) / 2;
    struct gossip_message golden;
    struct gossip_message ours;
    enum gossip_drop why;

    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(hex_digit(hex[2 * i]) << 4 |
                             hex_digit(hex[2 * i + 1]));
    }
    assert_int_equal(gossip_decoder_init(&decoders[0]), 0);
    assert_int_equal(gossip_decoder_init(&decoders[1]), 0);
    assert_int_equal(
            gossip_decode(&decoders[0], bytes_of(bytes, size), &golden, &why),
            0);
    ours = last_sent(node, &decoders[1]);
    assert_int_equal(ours.type, golden.type);
    assert_int_equal(ours.version, golden.version);
    assert_same_digest(&ours, &golden);
    assert_same_delta(&ours, &golden);
    gossip_decoder_close(&decoders[0]);
    gossip_decoder_close(&decoders[1]);
}

static void both_sides_of_a_real_exchange(void **context)
{
    (void)context;
    for (size_t i = 0; i < 2; i++) {
        const struct transcript *t = &TRANSCRIPTS[i];
        struct world w = {.is_cut = true};
        struct gossip *a = transcript_node(&w, 1, "10.0.0.1:40123");
        struct gossip *b = transcript_node(&w, 2, "10.0.0.2:40123");
        struct addr to = b->self->id.addr;

        printf("V%d\n", t->version);
        gossip_seeds(a, &to, 1);
        tick(&w, a, 0);
        if (t->version == GOSSIP_V0) {
            assert_says(w.nodes[0], t->syn);
        }
        for (uint64_t beat = 1; beat < t->heartbeat; beat++) {
            gossip_tick(b, 0);
        }
        feed(&w, b, 1, t->syn);
        assert_says(w.nodes[1], t->syn_ack);
        feed(&w, a, 2, t->syn_ack);
        assert_says(w.nodes[0], t->ack);
        feed(&w, b, 1, t->ack);
        assert_int_equal(gossip_self(a)->heartbeat, 3);
        assert_int_equal(gossip_self(b)->heartbeat, t->heartbeat + 2);
        for (size_t k = 0; k < 2; k++) {
            const struct gossip *g = k == 0 ? a : b;
            const struct gossip_member *m[] = {
                    gossip_member_at(g, 0), gossip_member_at(g, 1)};

            for (size_t n = 0; n < 2; n++) {
                assert_int_equal(m[n]->state.max_version, 2);
                assert_true(bytes_equal_text(
                        kv_state_get(&m[n]->state, bytes_text("shuffle:addr"))
                                ->value,
                        n == 0 ? "10.0.0.1:40123" : "10.0.0.2:40123"));
            }
        }
        world_close(&w);
    }
}

int main(void)
{
    const struct CMUnitTest cases[] = {
            cmocka_unit_test(s19_9_an_unknown_member_has_no_state),
            cmocka_unit_test(s19_17_a_digest_says_heartbeat_gc_and_max),
            cmocka_unit_test(s19_34_each_node_delta_stands_alone),
            cmocka_unit_test(s19_35_a_delta_introduces_nobody),
            cmocka_unit_test(s19_37_a_reset_takes_the_heartbeat),
            cmocka_unit_test(s19_39_nobody_writes_our_state),
            cmocka_unit_test(s19_48_a_reset_too_large_for_a_message_completes),
            cmocka_unit_test(s19_50_one_exchange_makes_two_nodes_equal),
            cmocka_unit_test(IPv6_members_are_members),
            cmocka_unit_test(the_largest_numbers_break_nothing),
            cmocka_unit_test(s19_51_a_foreign_syn_gets_bad_cluster),
            cmocka_unit_test(s19_52_and_s12_45_who_answers_what),
            cmocka_unit_test(s19_53_only_what_decodes_makes_the_heart_beat),
            cmocka_unit_test(s19_54_a_digest_introduces),
            cmocka_unit_test(s19_55_and_s12_36_a_full_state_fits_a_datagram),
            cmocka_unit_test(s19_125_a_full_reply_fits_in_either_version),
            cmocka_unit_test(s19_85_a_heartbeat_crosses),
            cmocka_unit_test(s19_101_who_knows_more_of_us_raises_an_alarm),
            cmocka_unit_test(s12_35_an_honest_flood_arrives_in_prefixes),
            cmocka_unit_test(s12_46_48_a_digest_never_outgrows_its_message),
            cmocka_unit_test(a_capped_digest_names_everybody_in_turn),
            cmocka_unit_test(a_giant_name_keeps_nobody_out_of_a_digest),
            cmocka_unit_test(the_living_come_before_hearsay_in_a_digest),
            cmocka_unit_test(the_receiver_is_in_its_digest),
            cmocka_unit_test(strangers_cannot_invent_members_without_end),
            cmocka_unit_test(others_keys_end_at_their_bound),
            cmocka_unit_test(our_own_keys_have_bounds_and_sentences),
            cmocka_unit_test(what_a_node_says_by_itself_may_be_long),
            cmocka_unit_test(a_reply_that_nobody_fetched_is_counted),
            cmocka_unit_test(mutated_datagrams_change_nothing_of_ours),
            cmocka_unit_test(both_sides_of_a_real_exchange),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
