/* Every setting that a core acts on reaches it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "node/node_options.h"

static struct node_options options_after(
        struct conf *conf, const char *const settings[], size_t count)
{
    struct conf_report report;

    conf_init(conf);
    conf_report_init(&report);
    for (size_t i = 0; i < count; i++) {
        conf_set(conf, settings[i], &report);
    }
    conf_check(conf, &report);
    assert_string_equal(conf_report_text(&report), "");
    conf_report_close(&report);
    return node_options_of(conf);
}

static void what_was_written_reaches_its_core(void **context)
{
    static const char *const SETTINGS[] = {"cluster.name=loom",
            "cluster.seed=10.0.0.2:7741", "gossip.interval=211ms",
            "gossip.protocol=v1", "gossip.fanout=4", "gossip.phi=9.5",
            "gossip.min_mean=212ms", "gossip.dead_grace=213s",
            "gossip.tombstone_grace=214s", "gossip.members_max=215",
            "kv.max_value=3KiB", "kv.max_node_state=200KiB",
            "kv.max_remote=5MiB", "shuffle.vnodes=128",
            "shuffle.max_frame=7MiB", "shuffle.window=1MiB",
            "shuffle.memory_budget=99MiB", "shuffle.connect_timeout=216ms",
            "shuffle.peer_timeout=217s", "shuffle.reconnect_min=21ms",
            "shuffle.reconnect_max=219ms", "checkpoint.interval=220s",
            "checkpoint.align_timeout=221ms", "checkpoint.patience=3",
            "checkpoint.expect=5"};
    static struct conf conf;
    struct node_options o = options_after(
            &conf, SETTINGS, sizeof(SETTINGS) / sizeof(SETTINGS[0]));

    (void)context;
    assert_string_equal(o.cluster, "loom");
    assert_true(o.has_seeds);
    assert_int_equal(o.gossip.interval_ms, 211);
    assert_int_equal(o.gossip.protocol, GOSSIP_PROTOCOL_V1);
    assert_int_equal(o.gossip.fanout, 4);
    assert_true(o.gossip.phi.threshold == 9.5);
    assert_int_equal(o.gossip.phi.min_mean_ms, 212);
    assert_int_equal(o.gossip.dead_grace_ms, 213 * 1000);
    assert_int_equal(o.gossip.tombstone_grace_ms, 214 * 1000);
    assert_int_equal(o.gossip.members_max, 215);
    assert_int_equal(o.gossip.value_max_bytes, 3 << 10);
    assert_int_equal(o.gossip.node_state_max_bytes, 200 << 10);
    assert_int_equal(o.gossip.remote_max_bytes, 5 << 20);
    assert_int_equal(o.pool.vnodes, 128);
    assert_int_equal(o.streams.vnodes, 128);
    assert_int_equal(o.pool.max_frame_bytes, 7 << 20);
    assert_int_equal(o.streams.max_frame_bytes, 7 << 20);
    assert_int_equal(o.streams.window_bytes, 1 << 20);
    assert_int_equal(o.memory_budget_bytes, 99 << 20);
    assert_int_equal(o.pool.connect_timeout_ms, 216);
    assert_int_equal(o.streams.connect_timeout_ms, 216);
    assert_int_equal(o.pool.peer_timeout_ms, 217 * 1000);
    assert_int_equal(o.pool.reconnect_min_ms, 21);
    assert_int_equal(o.pool.reconnect_max_ms, 219);
    assert_int_equal(o.checkpoint.interval_ms, 220 * 1000);
    assert_int_equal(o.checkpoint.align_timeout_ms, 221);
    assert_int_equal(o.streams.align_timeout_ms, 221);
    assert_int_equal(o.checkpoint.patience, 3);
    assert_int_equal(o.checkpoint.expect, 5);
}

/* The mean is floored at one interval unless somebody says otherwise. */
static void what_follows_from_another_setting_does(void **context)
{
    static const char *const SETTINGS[] = {"gossip.interval=300ms"};
    static struct conf conf;
    struct node_options o = options_after(&conf, SETTINGS, 1);

    (void)context;
    assert_int_equal(o.gossip.phi.min_mean_ms, 300);
    assert_false(o.has_seeds);
}

/* The least budget that passes as a setting is one that a node starts with. */
static void the_smallest_budget_starts_a_node(void **context)
{
    static const char *const SETTINGS[] = {
            "shuffle.max_frame=1MiB", "shuffle.memory_budget=17MiB"};
    static struct conf conf;
    struct node_options o = options_after(&conf, SETTINGS, 2);
    struct node *n = malloc(sizeof(*n));
    struct error err = {.text = ""};

    (void)context;
    assert_non_null(n);
    o.id = 1;
    o.generation = 1;
    o.name = "a";
    o.version = "0";
    o.gossip_addr = addr_ipv4(127, 0, 0, 1, 7741);
    assert_int_equal(node_init(n, &o, 1000, &err), 0);
    assert_string_equal(err.text, "");
    node_close(n);
    free(n);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
            cmocka_unit_test(what_was_written_reaches_its_core),
            cmocka_unit_test(what_follows_from_another_setting_does),
            cmocka_unit_test(the_smallest_budget_starts_a_node),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
