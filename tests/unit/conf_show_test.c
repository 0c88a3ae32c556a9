#include "conf_fixture.h"

#include "conf/conf_docs.h"

enum {
    TEXT_BYTES = 64 << 10,
};

/* What a function writes into a file, as text that the caller frees. */
static char *shown(const struct conf *conf)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    conf_show(conf, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static char *documented(void (*write)(FILE *out))
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    write(out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static struct fixture *from_every_source(void)
{
    struct fixture *f = fixture_open();
    char name[] = "WEFT_NODE_NAME=na\xc3\xafve";
    char peer[] = "WEFT_SHUFFLE_PEER=8@[2001:db8::1]:1 9@10.0.0.9:2";
    char *variables[] = {name, peer, NULL};

    fixture_parse(f,
            "[node]\nid = 18446744073709551615\n[cluster]\nseed = a:1\n"
            "seed = [::1]:2\n[gossip]\nadvertise = ::1\ndead_grace = 90s\n");
    conf_read_env(&f->conf, variables, &f->report);
    conf_set(&f->conf, "gossip.phi=7.25", &f->report);
    conf_set(&f->conf, "kv.max_value=1025", &f->report);
    conf_set(&f->conf, "shuffle.advertise=[2001:db8::2]:3", &f->report);
    conf_set(&f->conf, "gossip.protocol=v1", &f->report);
    conf_set(&f->conf, "log.format=json", &f->report);
    conf_check(&f->conf, &f->report);
    fixture_expect(f, "");
    return f;
}

static void what_is_shown_reads_as_the_same_settings(void **state)
{
    struct fixture *f = from_every_source();
    struct fixture *again = fixture_open();
    char *text = shown(&f->conf);

    (void)state;
    fixture_parse(again, text);
    fixture_expect(again, "");
    fixture_expect_same(&f->conf, &again->conf);
    free(text);
    fixture_close(again);
    fixture_close(f);
}

static void each_value_is_shown_with_its_origin(void **state)
{
    static const char *const expected[] = {
            "[node]\n# t.ini:2\nid = 18446744073709551615\n",
            "# env WEFT_NODE_NAME\nname = na\xc3\xafve\n",
            "# default\ndata_dir =\n",
            "# t.ini:4\nseed = a:1\n# t.ini:5\nseed = [::1]:2\n",
            "\n[gossip]\n# default\nbind = 127.0.0.1:7741\n",
            "# t.ini:7\nadvertise = ::1\n",
            "# flag\nprotocol = v1\n",
            "# flag\nphi = 7.25\n",
            "# t.ini:8\ndead_grace = 90s\n",
            "# env WEFT_SHUFFLE_PEER\npeer = 8@[2001:db8::1]:1\n",
            "# env WEFT_SHUFFLE_PEER\npeer = 9@10.0.0.9:2\n",
    };
    struct fixture *f = from_every_source();
    char *text = shown(&f->conf);

    (void)state;
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        print_message("%s", expected[i]);
        assert_non_null(strstr(text, expected[i]));
    }
    free(text);
    fixture_close(f);
}

/* Settings switched on: what begins with a semicolon becomes a line. */
static void switch_on(char *text)
{
    char *to = text;

    for (const char *from = text; *from != '\0'; from++) {
        bool at_margin = from == text || from[-1] == '\n';

        if (!at_margin || *from != ';') {
            *to++ = *from;
        }
    }
    *to = '\0';
}

static void the_sample_changes_nothing(void **state)
{
    struct fixture *f = fixture_open();
    struct fixture *untouched = fixture_open();
    char *text = documented(conf_sample);

    (void)state;
    fixture_parse(f, text);
    fixture_expect(f, "");
    fixture_expect_same(&f->conf, &untouched->conf);
    free(text);
    fixture_close(untouched);
    fixture_close(f);
}

static void every_line_of_the_sample_can_be_switched_on(void **state)
{
    struct fixture *f = fixture_open();
    char *text = documented(conf_sample);

    (void)state;
    switch_on(text);
    fixture_parse(f, text);
    conf_check(&f->conf, &f->report);
    fixture_expect(f, "");
    for (size_t i = 0; i < CONF_SETTINGS; i++) {
        print_message("%s.%s\n", conf_table[i].section, conf_table[i].key);
        assert_int_equal(f->conf.origins[i].source, CONF_FILE);
    }
    free(text);
    fixture_close(f);
}

static void the_sample_in_the_repository_is_this_one(void **state)
{
    static char on_disk[TEXT_BYTES];
    FILE *file = fopen("conf/weft.ini", "rb");
    char *text = documented(conf_sample);
    size_t size;

    (void)state;
    assert_non_null(file); /* tests run in the root of the repository */
    size = fread(on_disk, 1, sizeof(on_disk) - 1, file);
    assert_int_equal(fclose(file), 0);
    on_disk[size] = '\0';
    assert_string_equal(on_disk, text);
    free(text);
}

static void the_ready_configurations_make_one_cluster(void **state)
{
    static const char *const paths[] = {
            "conf/a.ini", "conf/b.ini", "conf/c.ini"};
    struct fixture *f[3];

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        f[i] = fixture_open();
        conf_read_file(&f[i]->conf, paths[i], &f[i]->report);
        conf_check(&f[i]->conf, &f[i]->report);
        fixture_expect(f[i], "");
        assert_int_equal(f[i]->conf.node.id, i + 1);
        assert_int_equal(f[i]->conf.cluster.seed.count, 3);
        assert_string_not_equal(f[i]->conf.node.socket, "");
    }
    for (size_t i = 0; i < 3; i++) {
        const struct conf *a = &f[i]->conf;
        const struct conf *b = &f[(i + 1) % 3]->conf;

        assert_string_equal(a->cluster.name, b->cluster.name);
        assert_string_not_equal(a->node.name, b->node.name);
        assert_string_not_equal(a->node.socket, b->node.socket);
        assert_false(addr_equal(&a->gossip.bind, &b->gossip.bind));
        assert_false(addr_equal(&a->shuffle.bind, &b->shuffle.bind));
        assert_int_equal(
                a->cluster.seed.items[(i + 1) % 3].port, b->gossip.bind.port);
    }
    for (size_t i = 0; i < 3; i++) {
        fixture_close(f[i]);
    }
}

static void the_manual_knows_every_setting(void **state)
{
    char *reference = documented(conf_reference);

    (void)state;
    for (size_t i = 0; i < CONF_SETTINGS; i++) {
        char item[64];

        (void)snprintf(item, sizeof(item), ".It Ic %s\n", conf_table[i].key);
        print_message("%s.%s\n", conf_table[i].section, conf_table[i].key);
        assert_non_null(strstr(reference, item));
        assert_non_null(strstr(reference, conf_table[i].help));
    }
    free(reference);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(what_is_shown_reads_as_the_same_settings),
            cmocka_unit_test(each_value_is_shown_with_its_origin),
            cmocka_unit_test(the_sample_changes_nothing),
            cmocka_unit_test(every_line_of_the_sample_can_be_switched_on),
            cmocka_unit_test(the_sample_in_the_repository_is_this_one),
            cmocka_unit_test(the_ready_configurations_make_one_cluster),
            cmocka_unit_test(the_manual_knows_every_setting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
