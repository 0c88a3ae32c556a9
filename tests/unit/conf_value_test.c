#include "conf_fixture.h"

#include "conf/conf_text.h"

static int parse(struct fixture *f, const char *section, const char *key,
        const char *text)
{
    const struct conf_setting *setting = conf_find(section, key);

    assert_non_null(setting);
    return conf_value_parse(&f->conf, setting, bytes_text(text), 0, NULL);
}

static bool has_bounds(const struct conf_setting *setting)
{
    return setting->type == CONF_ID || setting->type == CONF_DURATION ||
           setting->type == CONF_INTERVAL || setting->type == CONF_SIZE ||
           setting->type == CONF_COUNT || setting->type == CONF_RATIO;
}

/* A number in the notation of the setting. */
static struct bytes written(const struct conf_setting *setting, uint64_t number,
        char text[static CONF_TEXT_BYTES])
{
    if (setting->type == CONF_DURATION || setting->type == CONF_INTERVAL) {
        return bytes_text(conf_text_duration(number, text));
    }
    (void)snprintf(text, CONF_TEXT_BYTES, "%llu", (unsigned long long)number);
    return bytes_text(text);
}

static int try_number(
        struct fixture *f, const struct conf_setting *setting, uint64_t number)
{
    char text[CONF_TEXT_BYTES];

    print_message("%s.%s = %llu\n", setting->section, setting->key,
            (unsigned long long)number);
    return conf_value_parse(
            &f->conf, setting, written(setting, number, text), 0, NULL);
}

static void every_number_is_held_to_its_bounds(void **state)
{
    struct fixture *f = fixture_open();

    (void)state;
    for (size_t i = 0; i < CONF_SETTINGS; i++) {
        const struct conf_setting *setting = &conf_table[i];

        if (!has_bounds(setting)) {
            continue;
        }
        assert_int_equal(try_number(f, setting, setting->min), 0);
        assert_int_equal(try_number(f, setting, setting->max), 0);
        if (setting->min > 0) {
            assert_int_equal(
                    try_number(f, setting, setting->min - 1), ERR_INVALID);
        }
        if (setting->max < UINT64_MAX) {
            assert_int_equal(
                    try_number(f, setting, setting->max + 1), ERR_INVALID);
        }
    }
    fixture_close(f);
}

/* 0 is not the shortest interval but none at all. */
static void an_interval_may_be_none(void **state)
{
    const struct conf_setting *setting = conf_find("checkpoint", "interval");
    struct fixture *f = fixture_open();
    char text[CONF_VALUE_BYTES];

    (void)state;
    assert_int_equal(parse(f, "checkpoint", "interval", "50ms"), 0);
    assert_int_equal(f->conf.checkpoint.interval_ms, 50);
    assert_int_equal(parse(f, "checkpoint", "interval", "1ms"), ERR_INVALID);
    assert_int_equal(parse(f, "checkpoint", "interval", ""), ERR_INVALID);
    assert_int_equal(parse(f, "checkpoint", "interval", "0"), 0);
    assert_int_equal(f->conf.checkpoint.interval_ms, 0);
    assert_int_equal(parse(f, "checkpoint", "interval", "0s"), 0);
    assert_int_equal(
            conf_value_parse(&f->conf, setting,
                    bytes_text(conf_value_format(&f->conf, setting, 0, text)),
                    0, NULL),
            0);
    assert_int_equal(f->conf.checkpoint.interval_ms, 0);
    assert_string_equal(conf_value_phrase(setting, text),
            "0, or a duration between 50ms and 24h");
    fixture_close(f);
}

static void a_text_is_held_to_its_bounds(void **state)
{
    struct fixture *f = fixture_open();
    char text[CONF_VALUE_BYTES];

    (void)state;
    for (size_t i = 0; i < CONF_SETTINGS; i++) {
        const struct conf_setting *setting = &conf_table[i];
        struct bytes longest = bytes_of(text, setting->max);

        if (setting->type != CONF_TEXT) {
            continue;
        }
        print_message("%s.%s\n", setting->section, setting->key);
        memset(text, 'x', sizeof(text));
        assert_int_equal(
                conf_value_parse(&f->conf, setting, longest, 0, NULL), 0);
        longest.size++;
        assert_int_equal(conf_value_parse(&f->conf, setting, longest, 0, NULL),
                ERR_INVALID);
        assert_int_equal(
                conf_value_parse(&f->conf, setting, bytes_of(text, 0), 0, NULL),
                conf_may_be_empty(setting) ? 0 : ERR_INVALID);
    }
    fixture_close(f);
}

static void a_text_that_a_file_could_not_hold_is_refused(void **state)
{
    static const char *const wrong[] = {" x", "x ", "a ;b", "a\t#b", ";x", "#x",
            "a\nb", "a\x7f", "\xff", "a\tb"};
    static const char *const right[] = {
            "a;b", "a#b", "a = b", "[x]", "na\xc3\xafve", "a b"};
    struct fixture *f = fixture_open();

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        print_message("%zu: %s\n", i, wrong[i]);
        assert_int_equal(parse(f, "node", "name", wrong[i]), ERR_INVALID);
    }
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        print_message("%s\n", right[i]);
        assert_int_equal(parse(f, "node", "name", right[i]), 0);
        assert_string_equal(f->conf.node.name, right[i]);
    }
    fixture_close(f);
}

static void a_refused_text_leaves_the_value_as_it_was(void **state)
{
    struct fixture *f = fixture_open();

    (void)state;
    for (size_t i = 0; i < CONF_SETTINGS; i++) {
        struct fixture *untouched = fixture_open();

        print_message("%s.%s\n", conf_table[i].section, conf_table[i].key);
        assert_int_equal(conf_value_parse(&f->conf, &conf_table[i],
                                 bytes_text("\x01"), 0, NULL),
                ERR_INVALID);
        fixture_expect_same(&f->conf, &untouched->conf);
        fixture_close(untouched);
    }
    fixture_close(f);
}

static void a_bind_address_is_numeric(void **state)
{
    static const char *const right[] = {
            "127.0.0.1:7741", "0.0.0.0:0", "[::]:7741", "[::1]:1"};
    static const char *const wrong[] = {"", "localhost:7741", "7741",
            "127.0.0.1", "::1", "127.0.0.1:65536", "224.0.0.1:7741",
            "[ff02::1]:7741", "[fe80::1%2]:7741", "auto"};
    struct fixture *f = fixture_open();
    char text[CONF_VALUE_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        assert_int_equal(parse(f, "gossip", "bind", right[i]), 0);
        assert_string_equal(conf_value_format(&f->conf,
                                    conf_find("gossip", "bind"), 0, text),
                right[i]);
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        print_message("%s\n", wrong[i]);
        assert_int_equal(parse(f, "gossip", "bind", wrong[i]), ERR_INVALID);
    }
    fixture_close(f);
}

static void an_advertised_address_is_one_that_others_can_reach(void **state)
{
    static const char *const right[] = {"auto", "10.0.0.2", "10.0.0.2:7741",
            "2001:db8::1", "[2001:db8::1]:7741", "::ffff:10.0.0.1"};
    static const char *const wrong[] = {"", "0.0.0.0", "0.0.0.0:7741",
            "10.0.0.2:0", "::", "[::]:1", "fe80::1%2", "[fe80::1%2]:1", "[::1]",
            "224.0.0.1", "alpha", "alpha:7741", "Auto"};
    const struct conf_setting *setting = conf_find("shuffle", "advertise");
    struct fixture *f = fixture_open();
    char text[CONF_VALUE_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        print_message("%s\n", right[i]);
        assert_int_equal(parse(f, "shuffle", "advertise", right[i]), 0);
        assert_string_equal(
                conf_value_format(&f->conf, setting, 0, text), right[i]);
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        print_message("%s\n", wrong[i]);
        assert_int_equal(
                parse(f, "shuffle", "advertise", wrong[i]), ERR_INVALID);
    }
    fixture_close(f);
}

static void a_seed_is_a_name_or_an_address_with_a_port(void **state)
{
    static const char *const right[] = {"weft-a:7741", "a.b_c.example:1",
            "10.0.0.2:65535", "[2001:db8::1]:7741", "127.0.0.1:7741"};
    static const char *const wrong[] = {"alpha", "alpha:", "alpha:0",
            "alpha:65536", "alpha:077", ":7741", "::1:7741", "[::1]", "a b:1",
            "-a:1", ".a:1", "10.0.0:1", "10.0.0.256:1", "0.0.0.0:7741",
            "[::]:7741", "http://a:1", "[fe80::1%2]:7741", "alpha:+1"};
    const struct conf_setting *setting = conf_find("cluster", "seed");
    struct fixture *f = fixture_open();
    char text[CONF_VALUE_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        print_message("%s\n", right[i]);
        assert_int_equal(parse(f, "cluster", "seed", right[i]), 0);
        assert_string_equal(
                conf_value_format(&f->conf, setting, i, text), right[i]);
    }
    assert_string_equal(f->conf.cluster.seed.items[3].host, "2001:db8::1");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        print_message("%s\n", wrong[i]);
        assert_int_equal(parse(f, "cluster", "seed", wrong[i]), ERR_INVALID);
    }
    assert_int_equal(f->conf.cluster.seed.count, 5);
    fixture_close(f);
}

static void a_seed_whose_name_is_too_long_is_refused(void **state)
{
    struct fixture *f = fixture_open();
    char text[CONF_HOST_BYTES + 8];

    (void)state;
    memset(text, 'a', sizeof(text));
    memcpy(text + CONF_HOST_BYTES - 1, ":1", 3);
    assert_int_equal(parse(f, "cluster", "seed", text), 0);
    assert_int_equal(
            strlen(f->conf.cluster.seed.items[0].host), CONF_HOST_BYTES - 1);
    memset(text, 'a', sizeof(text));
    memcpy(text + CONF_HOST_BYTES, ":1", 3);
    assert_int_equal(parse(f, "cluster", "seed", text), ERR_INVALID);
    fixture_close(f);
}

static void a_peer_is_an_id_and_a_numeric_address(void **state)
{
    static const char *const wrong[] = {"42", "42@", "@10.0.0.2:1",
            "0@10.0.0.2:1", "042@10.0.0.2:1", "x@10.0.0.2:1", "42@alpha:1",
            "42@10.0.0.2", "42@10.0.0.2:0", "42@0.0.0.0:1",
            "18446744073709551616@10.0.0.2:1"};
    struct fixture *f = fixture_open();
    struct addr expected = addr_ipv4(10, 0, 0, 2, 7742);

    (void)state;
    assert_int_equal(
            parse(f, "shuffle", "peer", "18446744073709551615@10.0.0.2:7742"),
            0);
    assert_int_equal(f->conf.shuffle.peer.items[0].id, UINT64_MAX);
    assert_true(addr_equal(&f->conf.shuffle.peer.items[0].addr, &expected));
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        print_message("%s\n", wrong[i]);
        assert_int_equal(parse(f, "shuffle", "peer", wrong[i]), ERR_INVALID);
    }
    fixture_close(f);
}

static void a_list_ends_at_its_bound(void **state)
{
    struct fixture *f = fixture_open();

    (void)state;
    for (int i = 0; i < CONF_SEEDS_MAX; i++) {
        assert_int_equal(parse(f, "cluster", "seed", "a:1"), 0);
    }
    assert_int_equal(parse(f, "cluster", "seed", "a:1"), ERR_FULL);
    for (int i = 0; i < CONF_PEERS_MAX; i++) {
        assert_int_equal(parse(f, "shuffle", "peer", "1@10.0.0.2:1"), 0);
    }
    assert_int_equal(parse(f, "shuffle", "peer", "1@10.0.0.2:1"), ERR_FULL);
    fixture_close(f);
}

static void a_choice_is_one_of_its_words(void **state)
{
    struct fixture *f = fixture_open();

    (void)state;
    assert_int_equal(parse(f, "security", "insecure", "yes"), 0);
    assert_true(f->conf.security.insecure);
    assert_int_equal(parse(f, "security", "insecure", "no"), 0);
    assert_false(f->conf.security.insecure);
    assert_int_equal(parse(f, "security", "insecure", "true"), ERR_INVALID);
    assert_int_equal(parse(f, "gossip", "protocol", "auto"), 0);
    assert_int_equal(f->conf.gossip.protocol, CONF_PROTOCOL_AUTO);
    assert_int_equal(parse(f, "gossip", "protocol", "v1"), 0);
    assert_int_equal(f->conf.gossip.protocol, CONF_PROTOCOL_V1);
    assert_int_equal(parse(f, "gossip", "protocol", "V1"), ERR_INVALID);
    assert_int_equal(parse(f, "gossip", "protocol", "v2"), ERR_INVALID);
    assert_int_equal(parse(f, "log", "level", "warn"), 0);
    assert_int_equal(f->conf.log.level, CONF_LOG_WARN);
    assert_int_equal(parse(f, "log", "level", "warning"), ERR_INVALID);
    assert_int_equal(parse(f, "log", "format", "json"), 0);
    assert_int_equal(f->conf.log.format, CONF_LOG_JSON);
    assert_int_equal(parse(f, "log", "format", ""), ERR_INVALID);
    fixture_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(every_number_is_held_to_its_bounds),
            cmocka_unit_test(an_interval_may_be_none),
            cmocka_unit_test(a_text_is_held_to_its_bounds),
            cmocka_unit_test(a_text_that_a_file_could_not_hold_is_refused),
            cmocka_unit_test(a_refused_text_leaves_the_value_as_it_was),
            cmocka_unit_test(a_bind_address_is_numeric),
            cmocka_unit_test(
                    an_advertised_address_is_one_that_others_can_reach),
            cmocka_unit_test(a_seed_is_a_name_or_an_address_with_a_port),
            cmocka_unit_test(a_seed_whose_name_is_too_long_is_refused),
            cmocka_unit_test(a_peer_is_an_id_and_a_numeric_address),
            cmocka_unit_test(a_list_ends_at_its_bound),
            cmocka_unit_test(a_choice_is_one_of_its_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
