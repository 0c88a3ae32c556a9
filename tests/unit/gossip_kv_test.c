/* The seam over gossip, and what watches hear. The numbers after s19 are those
 * of the checklist of observable behaviours in docs/wire.md, those after c14
 * of the checklist of the key-value seam. */
#include "gossip/gossip_kv.h"
#include "gossip/gossip_node_id.h"
#include "tests/unit/gossip_fixture.h"

static void c14_1_ids_and_names(void **context)
{
    static const struct {
        uint64_t node_id;
        const char *name;
    } ROWS[] = {{1, "node-1"}, {42, "node-42"},
            {UINT64_MAX, "node-18446744073709551615"}};

    (void)context;
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        char name[GOSSIP_NODE_NAME_BYTES];
        uint64_t node_id;

        assert_string_equal(
                gossip_node_name(ROWS[i].node_id, name), ROWS[i].name);
        assert_true(gossip_node_id_parse(bytes_text(name), &node_id));
        assert_int_equal(node_id, ROWS[i].node_id);
    }
}

static void c14_2_4_only_the_canonical_form_is_a_node_id(void **context)
{
    static const char *const NAMES[] = {"foo", "node-007", "node-+7", "node-",
            "Node-7", "node-18446744073709551616", "node-0", "node- 7",
            "node-7 ", "node--7", "", "node-7x"};
    uint64_t node_id;

    (void)context;
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        printf("\"%s\"\n", NAMES[i]);
        assert_false(gossip_node_id_parse(bytes_text(NAMES[i]), &node_id));
    }
}

/* Node 2, of a generation, with or without the key. */
static void teach(struct world *w, struct gossip *g, const char *name,
        uint64_t generation, const char *key, const char *value)
{
    struct script *s = script_begin(GOSSIP_V0, GOSSIP_SYN_ACK);
    struct gossip_id id = {.node_id = bytes_text(name),
            .generation = generation,
            .addr = addr_of_node(2)};
    struct gossip_digest_entry line = {.id = id, .heartbeat = 1};

    assert_true(gossip_encode_digest_entry(&s->encoder, &line));
    gossip_encode_delta(&s->encoder);
    assert_true(gossip_encode_node(&s->encoder, &id, 0, 0));
    script_entry(s, key, value, 1, KV_SET);
    script_deliver(s, w, g, 9);
}

/* Lets a member's heartbeat rise until it is judged alive. */
static void enliven(struct world *w, struct gossip *g, const char *name,
        uint64_t generation)
{
    for (uint64_t heartbeat = 2; heartbeat < 6; heartbeat++) {
        struct script *s = script_begin(GOSSIP_V0, GOSSIP_SYN);
        struct gossip_digest_entry line = {.id = {.node_id = bytes_text(name),
                                                   .generation = generation,
                                                   .addr = addr_of_node(2)},
                .heartbeat = heartbeat};

        assert_true(gossip_encode_digest_entry(&s->encoder, &line));
        script_deliver(s, w, g, 9);
        tick(w, g, w->now_ms + 1000);
    }
}

static bool scans(struct kv *kv, uint64_t node_id, const char *value)
{
    struct kv_cursor cursor = {0};
    struct kv_found found;
    size_t count = 0;

    while (kv_scan(kv, bytes_text("key"), &cursor, &found)) {
        if (found.node_id == node_id) {
            assert_true(bytes_equal_text(found.value, value));
            count++;
        }
    }
    assert_true(count <= 1);
    return count == 1;
}

static void c14_5_an_old_value_does_not_shine_through(void **context)
{
    struct world w = {0};
    struct gossip *g = world_add(&w, 1, reference_options());
    struct kv kv = gossip_kv_seam(g, NULL);
    struct bytes value;

    (void)context;
    teach(&w, g, "node-2", 5, "key", "old");
    teach(&w, g, "node-2", 6, "other", "x");
    enliven(&w, g, "node-2", 5);
    enliven(&w, g, "node-2", 6);
    assert_false(kv_read_from(&kv, 2, bytes_text("key"), &value));
    assert_false(scans(&kv, 2, "old"));
    assert_true(kv_read_from(&kv, 2, bytes_text("other"), &value));
    world_close(&w);
}

static void c14_6_the_newer_of_two_live_ones_speaks(void **context)
{
    struct world w = {0};
    struct gossip *g = world_add(&w, 1, reference_options());
    struct kv kv = gossip_kv_seam(g, NULL);
    struct bytes value;

    (void)context;
    teach(&w, g, "node-2", 5, "key", "old");
    teach(&w, g, "node-2", 6, "key", "new");
    enliven(&w, g, "node-2", 5);
    enliven(&w, g, "node-2", 6);
    assert_true(kv_read_from(&kv, 2, bytes_text("key"), &value));
    assert_true(bytes_equal_text(value, "new"));
    assert_true(scans(&kv, 2, "new"));
    world_close(&w);
}

static void c14_7_the_dead_are_read_and_not_scanned(void **context)
{
    struct world w = {0};
    struct gossip *g = world_add(&w, 1, reference_options());
    struct kv kv = gossip_kv_seam(g, NULL);
    struct bytes value;

    (void)context;
    teach(&w, g, "node-2", 5, "key", "v");
    tick(&w, g, 0);
    assert_true(kv_read_from(&kv, 2, bytes_text("key"), &value));
    assert_false(scans(&kv, 2, "v"));
    enliven(&w, g, "node-2", 5);
    assert_true(scans(&kv, 2, "v"));
    world_close(&w);
}

static void c14_8_what_we_write_we_read(void **context)
{
    struct world w = {0};
    struct gossip *g = world_add(&w, 1, reference_options());
    struct kv kv = gossip_kv_seam(g, NULL);
    struct bytes value;

    (void)context;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(
                kv_write(&kv, bytes_text("key"), bytes_text("v"), NULL), 0);
        assert_true(kv_read_from(&kv, 1, bytes_text("key"), &value));
        assert_true(bytes_equal_text(value, "v"));
        assert_int_equal(gossip_self(g)->state.max_version, 1);
    }
    assert_true(scans(&kv, 1, "v"));
    world_close(&w);
}

static void a_foreign_name_appears_nowhere(void **context)
{
    struct world w = {0};
    struct gossip *g = world_add(&w, 1, reference_options());
    struct kv kv = gossip_kv_seam(g, NULL);
    struct kv_cursor cursor = {0};
    struct kv_found found;
    struct bytes value;

    (void)context;
    teach(&w, g, "node-007", 5, "key", "v");
    enliven(&w, g, "node-007", 5);
    assert_int_equal(gossip_live_count(g), 1);
    assert_false(kv_read_from(&kv, 7, bytes_text("key"), &value));
    assert_false(kv_read_from(&kv, 0, bytes_text("key"), &value));
    assert_false(kv_scan(&kv, bytes_text("key"), &cursor, &found));
    world_close(&w);
}

/* --- watches -------------------------------------------------------------- */

/* A core with watches; drains its actions into "owner:rest=value " words. */
struct listener {
    struct world world;
    struct gossip *g;
    struct kv_watches watches;
    struct kv kv;
    char heard[512];
};

static int setup(void **context)
{
    struct listener *l = calloc(1, sizeof(*l));

    assert_non_null(l);
    l->g = world_add(&l->world, 1, reference_options());
    assert_int_equal(kv_watches_init(&l->watches, 8), 0);
    l->kv = gossip_kv_seam(l->g, &l->watches);
    *context = l;
    return 0;
}

static int teardown(void **context)
{
    struct listener *l = *context;

    world_close(&l->world);
    kv_watches_close(&l->watches);
    free(l);
    return 0;
}

static void hear_action(struct listener *l, const struct gossip_action *action)
{
    struct kv_change change;
    struct kv_hit hit;
    size_t cursor = 0;

    if (action->kind != GOSSIP_KEY ||
            !gossip_kv_change(l->g, action, &change)) {
        return;
    }
    while (kv_watches_next(&l->watches, &change, &cursor, &hit)) {
        size_t at = strlen(l->heard);

        snprintf(l->heard + at, sizeof(l->heard) - at, "%d:%.*s=%.*s ",
                (int)change.node_id, (int)hit.rest.size,
                (const char *)hit.rest.data, (int)change.value.size,
                (const char *)change.value.data);
    }
}

static void assert_hears(struct listener *l, const char *words)
{
    struct gossip_action action;

    while (gossip_next(l->g, &action)) {
        hear_action(l, &action);
    }
    assert_string_equal(l->heard, words);
    l->heard[0] = '\0';
}

static void learn(struct listener *l, uint64_t from, const char *key,
        const char *value, uint64_t version, enum kv_status status)
{
    struct script *s = script_begin(GOSSIP_V0, GOSSIP_SYN_ACK);
    struct addr addr = addr_of_node(2);

    script_line(s, 2, 1, 0, 0);
    gossip_encode_delta(&s->encoder);
    script_node(s, 2, 0, from);
    script_entry(s, key, value, version, status);
    gossip_receive(l->g, 0, &addr, gossip_encode_finish(&s->encoder));
    gossip_encoder_close(&s->encoder);
    free(s);
}

static void s19_102_a_watch_hears_the_rest_of_the_key(void **context)
{
    struct listener *l = *context;

    assert_int_equal(kv_watch(&l->kv, bytes_text("prefix:"), 1), 0);
    set(l->g, "prefix:x", "v");
    set(l->g, "other", "v");
    assert_hears(l, "1:x=v ");
    kv_unwatch(&l->kv, 1);
    set(l->g, "prefix:x", "w");
    assert_hears(l, "");
}

static void s19_103_the_empty_prefix_hears_the_whole_key(void **context)
{
    struct listener *l = *context;

    assert_int_equal(kv_watch(&l->kv, bytes_text(""), 1), 0);
    set(l->g, "prefix:x", "v");
    assert_hears(l, "1:prefix:x=v ");
}

static void s19_106_what_is_there_already_is_not_told(void **context)
{
    struct listener *l = *context;

    set(l->g, "key", "v");
    assert_hears(l, "");
    assert_int_equal(kv_watch(&l->kv, bytes_text(""), 1), 0);
    assert_hears(l, "");
}

static void s19_107_a_remote_key_is_told_once(void **context)
{
    struct listener *l = *context;

    assert_int_equal(kv_watch(&l->kv, bytes_text(""), 1), 0);
    learn(l, 0, "key", "v", 1, KV_SET);
    assert_hears(l, "2:key=v ");
    learn(l, 0, "key", "v", 1, KV_SET);
    assert_hears(l, "");
}

static void s19_108_an_own_key_is_told_at_once_and_once(void **context)
{
    struct listener *l = *context;
    struct gossip *peer = world_add(&l->world, 2, reference_options());

    assert_int_equal(kv_watch(&l->kv, bytes_text(""), 1), 0);
    set(l->g, "key", "v");
    assert_hears(l, "1:key=v ");
    exchange(&l->world, peer, l->g);
    assert_known(peer, 1, "key", "v");
    assert_hears(l, "");
    set(l->g, "key", "v");
    assert_hears(l, "");
}

static void s19_109_a_deletion_is_not_told(void **context)
{
    struct listener *l = *context;

    set(l->g, "key", "v");
    assert_hears(l, "");
    assert_int_equal(kv_watch(&l->kv, bytes_text(""), 1), 0);
    assert_int_equal(gossip_delete(l->g, 0, bytes_text("key"), NULL), 0);
    learn(l, 0, "gone", "", 2, KV_DELETE);
    assert_hears(l, "");
    set(l->g, "key", "w");
    assert_hears(l, "1:key=w ");
    assert_int_equal(
            gossip_delete_after_ttl(l->g, 0, bytes_text("key"), NULL), 0);
    assert_hears(l, "");
    learn(l, 2, "ttl", "x", 3, KV_DELETE_AFTER_TTL);
    assert_hears(l, "2:ttl=x ");
}

static void s19_110_any_first_character_will_do(void **context)
{
    struct listener *l = *context;

    assert_int_equal(kv_watch(&l->kv, bytes_text("\xc3\xa4"), 1), 0);
    set(l->g, "\xc3\xa4rger", "v");
    learn(l, 0, "\xc3\xa4pfel", "w", 1, KV_SET);
    learn(l, 1, "\xf0\x9f\xa7\xb5", "x", 2, KV_SET);
    assert_hears(l, "1:rger=v 2:pfel=w ");
}

static void after_a_reset_what_is_relearned_is_told(void **context)
{
    struct listener *l = *context;
    struct script *s;
    struct addr addr = addr_of_node(2);

    assert_int_equal(kv_watch(&l->kv, bytes_text(""), 1), 0);
    learn(l, 0, "old", "v", 3, KV_SET);
    assert_hears(l, "2:old=v ");
    s = script_begin(GOSSIP_V0, GOSSIP_ACK);
    script_node(s, 2, 9, 0);
    script_entry(s, "new", "w", 8, KV_SET);
    script_entry(s, "more", "w", 10, KV_SET);
    gossip_receive(l->g, 0, &addr, gossip_encode_finish(&s->encoder));
    gossip_encoder_close(&s->encoder);
    free(s);
    assert_hears(l, "2:new=w 2:more=w ");
}

static void an_old_generation_is_not_told(void **context)
{
    struct listener *l = *context;

    assert_int_equal(kv_watch(&l->kv, bytes_text(""), 1), 0);
    teach(&l->world, l->g, "node-2", 7, "key", "new");
    l->heard[0] = '\0';
    learn(l, 0, "key", "old", 1, KV_SET);
    assert_hears(l, "");
}

int main(void)
{
#define HEAR(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest cases[] = {
            cmocka_unit_test(c14_1_ids_and_names),
            cmocka_unit_test(c14_2_4_only_the_canonical_form_is_a_node_id),
            cmocka_unit_test(c14_5_an_old_value_does_not_shine_through),
            cmocka_unit_test(c14_6_the_newer_of_two_live_ones_speaks),
            cmocka_unit_test(c14_7_the_dead_are_read_and_not_scanned),
            cmocka_unit_test(c14_8_what_we_write_we_read),
            cmocka_unit_test(a_foreign_name_appears_nowhere),
            HEAR(s19_102_a_watch_hears_the_rest_of_the_key),
            HEAR(s19_103_the_empty_prefix_hears_the_whole_key),
            HEAR(s19_106_what_is_there_already_is_not_told),
            HEAR(s19_107_a_remote_key_is_told_once),
            HEAR(s19_108_an_own_key_is_told_at_once_and_once),
            HEAR(s19_109_a_deletion_is_not_told),
            HEAR(s19_110_any_first_character_will_do),
            HEAR(after_a_reset_what_is_relearned_is_told),
            HEAR(an_old_generation_is_not_told),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
