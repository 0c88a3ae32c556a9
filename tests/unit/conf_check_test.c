/* Flags, and the rules between settings. */
#include "conf_fixture.h"

static void flag(struct fixture *f, const char *assignment)
{
    conf_set(&f->conf, assignment, &f->report);
}

static void a_flag_wins_over_everything(void **state)
{
    struct fixture *f = fixture_open();
    char name[] = "WEFT_NODE_NAME=beta";
    char seed[] = "WEFT_CLUSTER_SEED=b:1";
    char *variables[] = {name, seed, NULL};

    (void)state;
    fixture_parse(f, "[node]\nname = alpha\n[cluster]\nseed = a:1\n");
    conf_read_env(&f->conf, variables, &f->report);
    flag(f, "node.name=gamma");
    flag(f, "node.name=a=b.c");
    flag(f, "cluster.seed=c:1");
    flag(f, "cluster.seed=d:1");
    fixture_expect(f, "");
    assert_string_equal(f->conf.node.name, "a=b.c");
    assert_int_equal(f->conf.cluster.seed.count, 2);
    assert_string_equal(f->conf.cluster.seed.items[0].host, "c");
    flag(f, "cluster.seed=");
    assert_int_equal(f->conf.cluster.seed.count, 0);
    fixture_close(f);
}

static void a_flag_that_is_none_is_a_mistake(void **state)
{
    struct fixture *f = fixture_open();
    char long_name[400] = "node.";

    (void)state;
    flag(f, "node.name");
    flag(f, "name=alpha");
    flag(f, "name=a.b");
    flag(f, "gossip.fanot=3");
    flag(f, "gossip.fanout=0");
    memset(long_name + 5, 'x', sizeof(long_name) - 6);
    long_name[390] = '=';
    long_name[399] = '\0';
    flag(f, long_name);
    assert_int_equal(f->report.mistakes, 6);
    conf_report_close(&f->report);

    flag(f, "node.name");
    flag(f, "gossip.fanot=3");
    flag(f, "gossip.fanout=0");
    fixture_expect(f,
            "flag: \"node.name\" must be section.key=value, as in "
            "gossip.interval=250ms\n"
            "flag: gossip.fanot: there is no such setting; the nearest is "
            "gossip.fanout\n"
            "flag: gossip.fanout: \"0\" must be a whole number between 1 and "
            "64\n");
    fixture_close(f);
}

static void an_open_port_needs_to_be_allowed(void **state)
{
    struct fixture *f = fixture_open();

    (void)state;
    fixture_parse(f, "[gossip]\nbind = 0.0.0.0:7741\n");
    flag(f, "shuffle.bind=[2001:db8::1]:7742");
    conf_check(&f->conf, &f->report);
    fixture_expect(f,
            "t.ini:2: gossip.bind: \"0.0.0.0:7741\" is open to the network, "
            "and anybody there could join or read: bind to 127.0.0.1, or allow "
            "it with security.insecure = yes\n"
            "flag: shuffle.bind: \"[2001:db8::1]:7742\" is open to the "
            "network, and anybody there could join or read: bind to 127.0.0.1, "
            "or allow it with security.insecure = yes\n");
    conf_report_close(&f->report);

    flag(f, "security.insecure=yes");
    conf_check(&f->conf, &f->report);
    fixture_expect(f, "");
    fixture_close(f);
}

static void any_loopback_address_is_closed(void **state)
{
    static const char *const binds[] = {"gossip.bind=127.0.0.1:0",
            "gossip.bind=127.3.2.1:7741", "gossip.bind=[::1]:7741"};

    (void)state;
    for (size_t i = 0; i < sizeof(binds) / sizeof(binds[0]); i++) {
        struct fixture *f = fixture_open();

        flag(f, binds[i]);
        conf_check(&f->conf, &f->report);
        fixture_expect(f, "");
        fixture_close(f);
    }
}

struct rule {
    const char *allowed;
    const char *refused;
    const char *report;
};

static void budgets_hold_one_another(void **state)
{
    static const struct rule rules[] = {
            {"shuffle.memory_budget=80MiB", "shuffle.memory_budget=83886079",
                    "flag: shuffle.memory_budget: must be at least "
                    "shuffle.max_frame + 16MiB\n"},
            {"shuffle.max_frame=112MiB", "shuffle.max_frame=117440513",
                    "default: shuffle.memory_budget: must be at least "
                    "shuffle.max_frame + 16MiB\n"},
            {"shuffle.window=128MiB", "shuffle.window=134217729",
                    "flag: shuffle.window: must be at most "
                    "shuffle.memory_budget\n"},
            {"shuffle.reconnect_min=10s", "shuffle.reconnect_min=10001ms",
                    "flag: shuffle.reconnect_min: must be at most "
                    "shuffle.reconnect_max\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        struct fixture *f = fixture_open();

        print_message("%s\n", rules[i].refused);
        flag(f, rules[i].allowed);
        conf_check(&f->conf, &f->report);
        fixture_expect(f, "");
        flag(f, rules[i].refused);
        conf_check(&f->conf, &f->report);
        fixture_expect(f, rules[i].report);
        fixture_close(f);
    }
}

static void a_peer_is_given_once_and_is_another_node(void **state)
{
    struct fixture *f = fixture_open();

    (void)state;
    fixture_parse(f,
            "[node]\nid = 7\n[shuffle]\npeer = 8@10.0.0.8:1\n"
            "peer = 9@10.0.0.9:1\npeer = 8@10.0.0.8:2\npeer = 7@10.0.0.7:1\n");
    conf_check(&f->conf, &f->report);
    fixture_expect(f, "t.ini:6: shuffle.peer: node 8 is given twice\n"
                      "t.ini:7: shuffle.peer: node 7 is this node itself\n");
    fixture_close(f);
}

static void min_mean_follows_the_interval(void **state)
{
    struct fixture *f = fixture_open();

    (void)state;
    flag(f, "gossip.interval=100ms");
    conf_check(&f->conf, &f->report);
    assert_int_equal(f->conf.gossip.min_mean_ms, 100);
    flag(f, "gossip.min_mean=70ms");
    conf_check(&f->conf, &f->report);
    assert_int_equal(f->conf.gossip.min_mean_ms, 70);
    fixture_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_flag_wins_over_everything),
            cmocka_unit_test(a_flag_that_is_none_is_a_mistake),
            cmocka_unit_test(an_open_port_needs_to_be_allowed),
            cmocka_unit_test(any_loopback_address_is_closed),
            cmocka_unit_test(budgets_hold_one_another),
            cmocka_unit_test(a_peer_is_given_once_and_is_another_node),
            cmocka_unit_test(min_mean_follows_the_interval),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
