/* What is offered to a peer, and in which order. The numbers in the names are
 * those of the checklist of observable behaviours in docs/wire.md. */
#include "tests/unit/gossip_fixture.h"

enum {
    GRACE_MS = 1000,
};

/* A table of members whose states the test writes itself. */
struct table {
    struct gossip_phi_options phi;
    struct gossip_members members;
    struct gossip_ranking ranking;
    struct gossip_blocks_writer blocks;
    struct gossip_decoder decoder;
    struct budget budget;
    struct prng chance;
    uint8_t bytes[GOSSIP_DATAGRAM_BYTES];
};

static int setup(void **context)
{
    struct table *t = calloc(1, sizeof(*t));

    assert_non_null(t);
    t->phi = reference_options().phi;
    t->budget.max_bytes = 64 << 20;
    prng_init(&t->chance, 3);
    assert_int_equal(gossip_members_init(&t->members, 100, &t->phi, 1), 0);
    assert_int_equal(gossip_ranking_init(&t->ranking, 101), 0);
    gossip_ranking_begin(&t->ranking);
    assert_int_equal(gossip_blocks_writer_init(&t->blocks), 0);
    assert_int_equal(gossip_decoder_init(&t->decoder), 0);
    *context = t;
    return 0;
}

static int teardown(void **context)
{
    struct table *t = *context;

    gossip_members_check(&t->members);
    gossip_decoder_close(&t->decoder);
    gossip_blocks_writer_close(&t->blocks);
    gossip_ranking_close(&t->ranking);
    gossip_members_close(&t->members);
    assert_int_equal(t->budget.used_bytes, 0);
    free(t);
    return 0;
}

static struct gossip_member *add(struct table *t, size_t number)
{
    char name[32];
    struct gossip_id id = id_of_node(number, name);

    return gossip_members_add(&t->members, &id, &t->budget, 0);
}

static void put(struct gossip_member *m, const char *key, const char *value)
{
    assert_int_equal(
            kv_state_set(&m->state, bytes_text(key), bytes_text(value)), 0);
}

static void offer(
        struct table *t, const struct gossip_member *m, uint64_t floor)
{
    gossip_ranking_offer(&t->ranking, m, floor, false, &t->chance);
}

static void assert_takes(struct table *t, const struct gossip_member *m)
{
    struct gossip_candidate candidate;

    assert_true(gossip_ranking_take(&t->ranking, &candidate));
    assert_ptr_equal(candidate.member, m);
}

static void assert_takes_nothing(struct table *t)
{
    struct gossip_candidate candidate;

    assert_false(gossip_ranking_take(&t->ranking, &candidate));
}

static void s19_3_nobody_to_rank(void **context)
{
    assert_takes_nothing(*context);
}

static void s19_4_a_version_without_entries_is_offered(void **context)
{
    struct table *t = *context;
    struct gossip_member *m = add(t, 1);

    kv_state_raise(&m->state, 2);
    offer(t, m, 0);
    assert_takes(t, m);
}

static void s19_5_unknown_ones_rank_by_what_they_have(void **context)
{
    struct table *t = *context;
    struct gossip_member *three = add(t, 1);
    struct gossip_member *one = add(t, 2);
    struct gossip_candidate candidate;

    kv_state_raise(&three->state, 3);
    kv_state_raise(&one->state, 1);
    offer(t, three, 0);
    offer(t, one, 0);
    assert_true(gossip_ranking_take(&t->ranking, &candidate));
    assert_ptr_equal(candidate.member, one);
    assert_int_equal(candidate.rank, 1);
    assert_true(gossip_ranking_take(&t->ranking, &candidate));
    assert_int_equal(candidate.rank, 3);
}

static void s19_6_who_has_nothing_newer_is_not_offered(void **context)
{
    struct table *t = *context;
    struct gossip_member *empty = add(t, 1);
    struct gossip_member *one = add(t, 2);

    kv_state_raise(&one->state, 1);
    offer(t, empty, 1);
    offer(t, one, 1);
    assert_takes_nothing(t);
}

static void s19_7_stale_entries_are_counted_above_the_floor(void **context)
{
    struct table *t = *context;
    struct gossip_member *m = add(t, 1);
    struct gossip_candidate candidate;

    put(m, "a", "1");
    put(m, "b", "2");
    put(m, "c", "3");
    offer(t, m, 1);
    assert_true(gossip_ranking_take(&t->ranking, &candidate));
    assert_int_equal(UINT64_MAX - candidate.rank, 2);
    assert_int_equal(candidate.floor, 1);
}

static void s19_8_the_order_of_urgency(void **context)
{
    struct table *t = *context;
    struct gossip_member *m[6];

    for (size_t i = 0; i < 6; i++) {
        m[i] = add(t, i + 1);
        kv_state_raise(&m[i]->state, 1);
    }
    m[4]->state.max_version = 0;
    put(m[0], "a", "1");
    put(m[0], "b", "1");
    put(m[1], "a", "1");
    put(m[3], "a", "1");
    put(m[3], "b", "1");
    put(m[3], "c", "1");
    for (size_t i = 0; i < 4; i++) {
        offer(t, m[i], 1);
    }
    offer(t, m[4], 0);
    offer(t, m[5], 0);
    assert_takes(t, m[5]);
    assert_takes(t, m[3]);
    assert_takes(t, m[0]);
    assert_takes(t, m[1]);
    assert_takes_nothing(t);
}

static void equals_come_in_any_order(void **context)
{
    struct table *t = *context;
    struct gossip_member *m[4];
    size_t first[4] = {0};

    for (size_t i = 0; i < 4; i++) {
        m[i] = add(t, i + 1);
        kv_state_raise(&m[i]->state, 7);
    }
    for (int round = 0; round < 400; round++) {
        struct gossip_candidate candidate;

        gossip_ranking_begin(&t->ranking);
        for (size_t i = 0; i < 4; i++) {
            offer(t, m[i], 0);
        }
        assert_true(gossip_ranking_take(&t->ranking, &candidate));
        for (size_t i = 0; i < 4; i++) {
            first[i] += candidate.member == m[i] ? 1 : 0;
        }
    }
    for (size_t i = 0; i < 4; i++) {
        assert_in_range(first[i], 60, 140);
    }
}

/* Ranks the table against a digest, writes within a budget, and decodes. */
static struct gossip_message delta_for(struct table *t,
        struct gossip_digest_entry *lines, size_t line_count, size_t budget)
{
    struct gossip_message digest = {
            .digest = lines, .digest_count = line_count};
    struct gossip_delta_writer w;
    struct gossip_message m;
    enum gossip_drop why;
    struct bytes delta;
    static const uint8_t HEADER[] = {0x53, 0xb0, 0, GOSSIP_ACK};

    memcpy(t->bytes, HEADER, sizeof(HEADER));
    gossip_delta_begin(&w, &t->blocks, t->bytes + sizeof(HEADER), budget);
    gossip_ranking_compare(
            &t->ranking, &t->members, &digest, 10000, GRACE_MS, &t->chance);
    gossip_delta_write(&t->ranking, &w);
    delta = gossip_delta_finish(&w);
    assert_true(delta.size <= budget);
    assert_int_equal(
            gossip_decode(&t->decoder,
                    bytes_of(t->bytes, sizeof(HEADER) + delta.size), &m, &why),
            0);
    return m;
}

static struct gossip_digest_entry line_of(
        const struct gossip_member *m, uint64_t gc, uint64_t max)
{
    return (struct gossip_digest_entry){
            .id = m->id, .last_gc = gc, .max_version = max};
}

/* "node-2:c@3 node-2:d@5- ..." */
static void describe(const struct gossip_message *m, char *text, size_t size)
{
    text[0] = '\0';
    for (size_t i = 0; i < m->node_count; i++) {
        const struct gossip_node_delta *node = &m->nodes[i];

        for (size_t j = 0; j < node->entry_count; j++) {
            const struct gossip_entry *e = &m->entries[node->first_entry + j];
            size_t at = strlen(text);

            snprintf(text + at, size - at, "%.*s:%.*s@%d%s ",
                    (int)node->id.node_id.size,
                    (const char *)node->id.node_id.data, (int)e->key.size,
                    (const char *)e->key.data, (int)e->version,
                    e->status == KV_DELETE ? "-" : "");
        }
    }
}

/* Every budget gives a prefix of `whole`, a larger one never a shorter one,
 * and the largest gives it all. */
static void assert_grows_to(struct table *t, struct gossip_digest_entry *lines,
        size_t line_count, const char *whole)
{
    char text[512];
    size_t length = 0;

    for (size_t budget = 100; budget < 600; budget++) {
        struct gossip_message m = delta_for(t, lines, line_count, budget);

        describe(&m, text, sizeof(text));
        assert_int_equal(strncmp(whole, text, strlen(text)), 0);
        assert_true(strlen(text) >= length);
        length = strlen(text);
    }
    assert_string_equal(text, whole);
}

/* n1 {a@1 b@2} and n2 {a@1 b@2 c@3, d deleted@5}. */
static void fill(struct table *t, struct gossip_member *n[static 2])
{
    (void)t;
    put(n[0], "a", "1");
    put(n[0], "b", "1");
    put(n[1], "a", "1");
    put(n[1], "b", "1");
    put(n[1], "c", "1");
    put(n[1], "d", "1");
    kv_state_delete(&n[1]->state, bytes_text("d"), 10000);
}

static void s19_41_the_most_news_first_and_a_prefix_always(void **context)
{
    struct table *t = *context;
    struct gossip_member *n[] = {add(t, 1), add(t, 2)};
    struct gossip_digest_entry lines[] = {
            line_of(n[0], 0, 1), line_of(n[1], 0, 2)};

    fill(t, n);
    assert_grows_to(t, lines, 2, "node-2:c@3 node-2:d@5- node-1:b@2 ");
}

static void s19_42_who_is_unknown_comes_first(void **context)
{
    struct table *t = *context;
    struct gossip_member *n[] = {add(t, 1), add(t, 2)};
    struct gossip_digest_entry lines[] = {line_of(n[1], 0, 3)};

    fill(t, n);
    assert_grows_to(t, lines, 1, "node-1:a@1 node-1:b@2 node-2:d@5- ");
}

static void s19_43_who_is_scheduled_is_not_offered(void **context)
{
    struct table *t = *context;
    struct gossip_member *n[] = {add(t, 1), add(t, 2)};

    fill(t, n);
    n[1]->is_dead = true;
    n[1]->dead_since_ms = 10000 - GRACE_MS / 2 - 1;
    assert_grows_to(t, NULL, 0, "node-1:a@1 node-1:b@2 ");
}

static void who_is_dead_here_and_unknown_there_comes_last(void **context)
{
    struct table *t = *context;
    struct gossip_member *n[] = {add(t, 1), add(t, 2), add(t, 3)};
    struct gossip_digest_entry lines[] = {line_of(n[2], 0, 1)};

    fill(t, n);
    put(n[2], "x", "1");
    put(n[2], "y", "1");
    n[0]->is_dead = true;
    n[0]->dead_since_ms = 10000;
    assert_grows_to(t, lines, 1,
            "node-2:a@1 node-2:b@2 node-2:c@3 node-2:d@5- node-3:y@2 "
            "node-1:a@1 node-1:b@2 ");
}

static void assert_node(const struct gossip_node_delta *node,
        const struct gossip_member *m, uint64_t gc, uint64_t from)
{
    assert_true(gossip_id_equal(&node->id, &m->id));
    assert_int_equal(node->last_gc, gc);
    assert_int_equal(node->from_excluded, from);
}

static void s19_44_the_floor_is_what_the_peer_has(void **context)
{
    struct table *t = *context;
    struct gossip_member *n[] = {add(t, 1), add(t, 2)};
    struct gossip_digest_entry lines[] = {line_of(n[0], 0, 1)};
    struct gossip_message m;

    fill(t, n);
    m = delta_for(t, lines, 1, 1000);
    assert_int_equal(m.node_count, 2);
    assert_node(&m.nodes[0], n[1], 0, 0);
    assert_node(&m.nodes[1], n[0], 0, 1);
    assert_int_equal(m.nodes[1].entry_count, 1);
    assert_int_equal(m.entries[m.nodes[1].first_entry].version, 2);
}

static void s19_45_a_tombstone_travels(void **context)
{
    struct table *t = *context;
    struct gossip_member *n[] = {add(t, 1)};
    struct gossip_digest_entry lines[] = {line_of(n[0], 0, 1)};
    char text[128];
    struct gossip_message m;

    put(n[0], "a", "1");
    put(n[0], "b", "1");
    kv_state_delete(&n[0]->state, bytes_text("a"), 10000);
    m = delta_for(t, lines, 1, 1000);
    assert_node(&m.nodes[0], n[0], 0, 1);
    describe(&m, text, sizeof(text));
    assert_string_equal(text, "node-1:b@2 node-1:a@3- ");
}

static void s19_46_who_missed_a_collected_tombstone_is_reset(void **context)
{
    struct table *t = *context;
    struct gossip_member *n[] = {add(t, 1)};
    struct gossip_digest_entry lines[] = {line_of(n[0], 0, 1)};
    char text[128];
    struct gossip_message m;

    put(n[0], "a", "1");
    put(n[0], "b", "1");
    kv_state_delete(&n[0]->state, bytes_text("a"), 10000);
    kv_state_collect(&n[0]->state, 20000, 10000);
    m = delta_for(t, lines, 1, 1000);
    assert_node(&m.nodes[0], n[0], 3, 0);
    describe(&m, text, sizeof(text));
    assert_string_equal(text, "node-1:b@2 ");

    /* Who stands at the collection, or was reset by it, goes on from there. */
    put(n[0], "c", "1");
    lines[0] = line_of(n[0], 0, 3);
    m = delta_for(t, lines, 1, 1000);
    assert_node(&m.nodes[0], n[0], 3, 3);
    lines[0] = line_of(n[0], 3, 2);
    m = delta_for(t, lines, 1, 1000);
    assert_node(&m.nodes[0], n[0], 3, 2);
}

static void s19_47_all_collected_leaves_the_version(void **context)
{
    struct table *t = *context;
    struct gossip_member *n[] = {add(t, 1)};
    struct gossip_digest_entry lines[] = {line_of(n[0], 0, 1)};
    struct gossip_message m;

    put(n[0], "a", "1");
    kv_state_delete(&n[0]->state, bytes_text("a"), 10000);
    kv_state_collect(&n[0]->state, 20000, 10000);
    m = delta_for(t, lines, 1, 1000);
    assert_int_equal(m.node_count, 1);
    assert_node(&m.nodes[0], n[0], 2, 0);
    assert_int_equal(m.nodes[0].entry_count, 0);
    assert_int_equal(m.nodes[0].max_version, 2);
}

static void a_reset_is_not_begun_without_room_for_a_key(void **context)
{
    struct table *t = *context;
    struct gossip_member *n[] = {add(t, 1)};
    char value[61];

    memset(value, 'v', sizeof(value));
    value[sizeof(value) - 1] = '\0';
    n[0]->state.last_gc_version = 5;
    put(n[0], "key", value);
    for (size_t budget = 100; budget < 200; budget++) {
        struct gossip_message m = delta_for(t, NULL, 0, budget);

        assert_true(m.node_count == 0 || m.nodes[0].entry_count == 1);
    }
}

/* What is smaller does not overtake what comes first. */
static void what_does_not_fit_yet_ends_the_delta(void **context)
{
    struct table *t = *context;
    struct gossip_member *n[] = {add(t, 1), add(t, 2)};
    struct gossip_digest_entry lines[] = {
            line_of(n[0], 0, 1), line_of(n[1], 0, 1)};

    put(n[0], "a", "1");
    put(n[0], "b", "1");
    put(n[1], "a", "1");
    put(n[1], "b", "1");
    put(n[1], "c", "a value of thirty-six letters, or so");
    assert_grows_to(t, lines, 2, "node-2:b@2 node-2:c@3 node-1:b@2 ");
}

static void put_large(struct gossip_member *m, const char *key, size_t size)
{
    uint8_t *value = calloc(1, size);

    assert_non_null(value);
    assert_int_equal(
            kv_state_set(&m->state, bytes_text(key), bytes_of(value, size)), 0);
    free(value);
}

/* We write nothing so large ourselves, but others may. */
static void s19_49_what_fits_nowhere_ends_its_node_and_no_other(void **context)
{
    struct table *t = *context;
    struct gossip_member *n[] = {add(t, 1), add(t, 2), add(t, 3)};
    struct gossip_digest_entry lines[] = {
            line_of(n[0], 0, 1), line_of(n[1], 0, 1), line_of(n[2], 0, 1)};
    char text[128];
    struct gossip_message m;

    for (size_t i = 0; i < 3; i++) {
        put(n[i], "a", "1");
        put(n[i], "b", "1");
    }
    put_large(n[1], "large", 65480);
    put(n[1], "after", "1");
    put(n[2], "c", "1");
    m = delta_for(t, lines, 3, GOSSIP_DATAGRAM_BYTES - GOSSIP_HEADER_BYTES);
    describe(&m, text, sizeof(text));
    assert_int_equal(m.node_count, 3);
    assert_string_equal(text, "node-2:b@2 node-3:b@2 node-3:c@3 node-1:b@2 ");

    /* What would fit into another datagram is waited for. */
    m = delta_for(t, lines, 3, 1000);
    describe(&m, text, sizeof(text));
    assert_string_equal(text, "node-2:b@2 node-3:b@2 node-3:c@3 node-1:b@2 ");
}

static void a_name_that_fits_nowhere_keeps_nobody_out(void **context)
{
    struct table *t = *context;
    char *name = malloc(65500);
    struct gossip_id id = id_of_node(2, (char[32]){0});
    struct gossip_member *m = add(t, 1);
    struct gossip_member *giant;
    struct gossip_message delta;
    char text[128];

    assert_non_null(name);
    memset(name, 'n', 65500);
    id.node_id = bytes_of(name, 65500);
    giant = gossip_members_add(&t->members, &id, &t->budget, 0);
    free(name);
    put(giant, "a", "1");
    put(m, "a", "1");
    put(m, "b", "1");
    delta = delta_for(t, NULL, 0, GOSSIP_DATAGRAM_BYTES - GOSSIP_HEADER_BYTES);
    describe(&delta, text, sizeof(text));
    assert_string_equal(text, "node-1:a@1 node-1:b@2 ");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest cases[] = {
            CASE(s19_3_nobody_to_rank),
            CASE(s19_4_a_version_without_entries_is_offered),
            CASE(s19_5_unknown_ones_rank_by_what_they_have),
            CASE(s19_6_who_has_nothing_newer_is_not_offered),
            CASE(s19_7_stale_entries_are_counted_above_the_floor),
            CASE(s19_8_the_order_of_urgency),
            CASE(equals_come_in_any_order),
            CASE(s19_41_the_most_news_first_and_a_prefix_always),
            CASE(s19_42_who_is_unknown_comes_first),
            CASE(s19_43_who_is_scheduled_is_not_offered),
            CASE(who_is_dead_here_and_unknown_there_comes_last),
            CASE(s19_44_the_floor_is_what_the_peer_has),
            CASE(s19_45_a_tombstone_travels),
            CASE(s19_46_who_missed_a_collected_tombstone_is_reset),
            CASE(s19_47_all_collected_leaves_the_version),
            CASE(a_reset_is_not_begun_without_room_for_a_key),
            CASE(what_does_not_fit_yet_ends_the_delta),
            CASE(s19_49_what_fits_nowhere_ends_its_node_and_no_other),
            CASE(a_name_that_fits_nowhere_keeps_nobody_out),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
