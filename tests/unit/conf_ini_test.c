#include "conf_fixture.h"

#include <unistd.h>

#include "conf/conf_line.h"

static void the_defaults_are_those_of_the_manual(void **state)
{
    struct fixture *f = fixture_open();
    struct addr gossip = addr_ipv4(127, 0, 0, 1, 7741);
    struct addr shuffle = addr_ipv4(127, 0, 0, 1, 7742);

    (void)state;
    assert_string_equal(f->conf.cluster.name, "default");
    assert_true(addr_equal(&f->conf.gossip.bind, &gossip));
    assert_true(addr_equal(&f->conf.shuffle.bind, &shuffle));
    assert_true(f->conf.gossip.advertise.is_auto);
    assert_int_equal(f->conf.gossip.interval_ms, 500);
    assert_true(f->conf.gossip.phi == 8.0);
    assert_int_equal(f->conf.kv.max_value_bytes, 8192);
    assert_int_equal(f->conf.shuffle.memory_budget_bytes, 128 << 20);
    assert_false(f->conf.security.insecure);
    conf_check(&f->conf, &f->report);
    fixture_expect(f, "");
    assert_int_equal(f->conf.gossip.min_mean_ms, 500);
    fixture_close(f);
}

static void a_file_is_read_with_its_lines(void **state)
{
    struct fixture *f = fixture_open();

    (void)state;
    fixture_parse(f, "# a comment\n"
                     "  ; and an indented one\n"
                     "[node]\n"
                     "id=7\n"
                     "name =  alpha \n"
                     "\n"
                     "[cluster]\n"
                     "seed = a:1\n"
                     "seed = [::1]:2\n"
                     "[node]\n"
                     "data_dir = /x = y");
    fixture_expect(f, "");
    assert_int_equal(f->conf.node.id, 7);
    assert_string_equal(f->conf.node.name, "alpha");
    assert_string_equal(f->conf.node.data_dir, "/x = y");
    assert_int_equal(f->conf.cluster.seed.count, 2);
    assert_int_equal(f->conf.cluster.seed.items[1].line, 9);
    fixture_close(f);
}

static void line_ends_of_windows_are_fine(void **state)
{
    struct fixture *f = fixture_open();

    (void)state;
    fixture_parse(f, "[node]\r\nid = 7\r\n\r\nname = alpha\r\n");
    fixture_expect(f, "");
    assert_string_equal(f->conf.node.name, "alpha");
    fixture_close(f);
}

struct trap {
    const char *name;
    const char *text;
    const char *report;
};

static const struct trap traps[] = {
        {"an indented line would continue the value above",
                "[cluster]\nname = a\n  b\n",
                "t.ini:3: the line is indented, and would continue the value "
                "above it: begin it at the margin\n"},
        {"so would one behind a tab", "[cluster]\nname = a\n\tname = b\n",
                "t.ini:3: the line is indented, and would continue the value "
                "above it: begin it at the margin\n"},
        {"a semicolon would end the value", "[node]\nname = a ;b\n",
                "t.ini:2: a comment stands on a line of its own\n"},
        {"a hash would not", "[node]\nname = a # b\n",
                "t.ini:2: a comment stands on a line of its own\n"},
        {"a semicolon would end a section", "[node] ; me\n",
                "t.ini:1: a comment stands on a line of its own\n"},
        {"what follows a section would be lost", "[node] id = 3\n",
                "t.ini:1: a section stands alone on its line: [name]\n"},
        {"a section without its end", "[node\n",
                "t.ini:1: a section stands alone on its line: [name]\n"},
        {"a section's name would be cut at 49",
                "[node567890123456789012345678901234567890123456789x]\n",
                "t.ini:1: a section's name has at most 49 bytes\n"},
        {"a byte-order mark", "\xef\xbb\xbf[node]\nid = 7\n",
                "t.ini:1: the file begins with a byte-order mark: save it "
                "without one\n"},
        {"a doubled scalar", "[node]\nid = 7\nid = 7\n",
                "t.ini:3: node.id: is already set in line 2\n"},
        {"a doubled scalar in a section that comes back",
                "[node]\nid = 7\n[log]\n[node]\nid = 8\n",
                "t.ini:5: node.id: is already set in line 2\n"},
        {"no equals sign", "[node]\nid\n",
                "t.ini:2: a setting is written key = value\n"},
        {"a colon would divide", "[gossip]\nbind 127.0.0.1:7741\n",
                "t.ini:2: a setting is written key = value\n"},
        {"a colon before the equals sign would divide", "[node]\nid: a=7\n",
                "t.ini:2: a setting is written key = value\n"},
        {"no key", "[node]\n= 7\n", "t.ini:2: there is no key before the =\n"},
        {"a control character", "[node]\nname = a\x1b[1m\n",
                "t.ini:2: the line holds the control character 0x1b\n"},
        {"a lone carriage return", "[node]\rid = 7\n",
                "t.ini:1: the line holds the control character 0x0d\n"},
        {"no UTF-8", "[node]\nname = \xff\n",
                "t.ini:2: the line is not UTF-8\n"},
        {"before the first section", "id = 7\n",
                "t.ini:1: id: stands before the first section\n"},
        {"out of bounds", "[gossip]\ninterval = 49ms\n",
                "t.ini:2: gossip.interval: \"49ms\" must be a duration between "
                "50ms and 1m\n"},
        {"a text in quotes", "[node]\nname = \"alpha\"\n",
                "t.ini:2: node.name: \"alpha\" is written without its quotes, "
                "which would be part of the value\n"},
        {"an address in quotes", "[gossip]\nbind = '127.0.0.1:1'\n",
                "t.ini:2: gossip.bind: '127.0.0.1:1' is written without its "
                "quotes, which would be part of the value\n"},
        {"a port too high", "[gossip]\nbind = 127.0.0.1:65536\n",
                "t.ini:2: gossip.bind: \"127.0.0.1:65536\" must be a numeric "
                "address and a port, as in 127.0.0.1:7741, without a scope "
                "id\n"},
        {"a seed without a host", "[cluster]\nseed = :7741\n",
                "t.ini:2: cluster.seed: \":7741\" must be host:port, the host "
                "a name or a numeric address, the port between 1 and 65535\n"},
        {"no value", "[gossip]\ninterval =\n",
                "t.ini:2: gossip.interval: \"\" must be a duration between "
                "50ms and 1m\n"},
        {"an unknown key", "[gossip]\nintervall = 5s\n",
                "t.ini:2: gossip.intervall: there is no such setting; the "
                "nearest is gossip.interval\n"},
        {"a key of another section", "[gossip]\nmax_frame = 1MiB\n",
                "t.ini:2: gossip.max_frame: there is no such setting; the "
                "nearest is shuffle.max_frame\n"},
        {"a key in capitals", "[node]\nID = 7\n",
                "t.ini:2: node.ID: there is no such setting; the nearest is "
                "node.id\n"},
        {"an unknown section, once", "[shufle]\nbind = 1\npeer = 2\n",
                "t.ini:1: [shufle]: there is no such section; the nearest is "
                "[shuffle]\n"},
        {"a section with a space", "[node ]\nid = 7\n",
                "t.ini:1: [node ]: there is no such section; the nearest is "
                "[node]\n"},
};

static void what_the_parser_would_misread_is_refused_with_its_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(traps) / sizeof(traps[0]); i++) {
        struct fixture *f = fixture_open();

        print_message("%s\n", traps[i].name);
        fixture_parse(f, traps[i].text);
        fixture_expect(f, traps[i].report);
        fixture_close(f);
    }
}

static void a_nul_is_refused(void **state)
{
    static const char text[] = "[node]\nname = a\0b\nid = 7\n";
    struct fixture *f = fixture_open();

    (void)state;
    fixture_parse_bytes(f, text, sizeof(text) - 1);
    fixture_expect(f, "t.ini:2: the line holds the control character 0x00\n");
    assert_int_equal(f->conf.node.id, 7);
    fixture_close(f);
}

/* "[node]", then a comment or a setting of exactly `size` bytes. */
static void parse_long_line(
        struct fixture *f, const char *start, size_t size, const char *line_end)
{
    char text[512] = "[node]\n";
    size_t used = strlen(text);

    memset(text + used, 'x', size);
    memcpy(text + used, start, strlen(start));
    memcpy(text + used + size, line_end, strlen(line_end));
    fixture_parse_bytes(f, text, used + size + strlen(line_end));
}

static void a_line_of_199_bytes_is_the_longest(void **state)
{
    static const char *const line_ends[] = {"", "\n", "\r\n"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct fixture *f = fixture_open();

        parse_long_line(f, "data_dir =           /", 199, line_ends[i]);
        fixture_expect(f, "");
        assert_int_equal(strlen(f->conf.node.data_dir), 178);
        fixture_close(f);

        f = fixture_open();
        parse_long_line(f, "data_dir =           /", 200, line_ends[i]);
        fixture_expect(
                f, "t.ini:2: the line has 200 bytes, and may have 199\n");
        assert_string_equal(f->conf.node.data_dir, "");
        fixture_close(f);

        f = fixture_open();
        parse_long_line(f, "# ", 200, line_ends[i]);
        fixture_expect(
                f, "t.ini:2: the line has 200 bytes, and may have 199\n");
        fixture_close(f);
    }
}

static void every_legal_text_fits_on_a_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < CONF_SETTINGS; i++) {
        const struct conf_setting *setting = &conf_table[i];
        size_t key = strlen(setting->key) + strlen(" = ");

        if (setting->type == CONF_TEXT) {
            assert_in_range(key + setting->max, 0, CONF_LINE_MAX);
        } else if (setting->type == CONF_SEEDS) {
            assert_in_range(key + CONF_HOST_BYTES - 1 + strlen("[]:65535"), 0,
                    CONF_LINE_MAX);
        }
    }
}

static void every_mistake_is_reported(void **state)
{
    struct fixture *f = fixture_open();

    (void)state;
    fixture_parse(f, "[node]\nid = 0\nname = a\n  b\n[nod]\nid = x\n"
                     "[kv]\nmax_value = 1\nmax_remote = 1GiB ; much\n");
    assert_int_equal(f->report.mistakes, 5);
    fixture_expect(f,
            "t.ini:2: node.id: \"0\" must be a whole number between 1 and "
            "18446744073709551615, or empty\n"
            "t.ini:4: the line is indented, and would continue the value above "
            "it: begin it at the margin\n"
            "t.ini:5: [nod]: there is no such section; the nearest is [node]\n"
            "t.ini:8: kv.max_value: \"1\" must be a size between 1KiB and "
            "32KiB\n"
            "t.ini:9: a comment stands on a line of its own\n");
    fixture_close(f);
}

static void a_thousand_mistakes_are_all_kept(void **state)
{
    struct fixture *f = fixture_open();
    size_t lines = 0;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        fixture_parse(f, "[nod]\n");
    }
    for (const char *c = conf_report_text(&f->report); *c != '\0'; c++) {
        lines += *c == '\n';
    }
    assert_int_equal(lines, 1000);
    assert_int_equal(f->report.mistakes, 1000);
    fixture_close(f);
}

static void a_file_on_disk_is_read(void **state)
{
    char path[] = "/tmp/weft-conf-XXXXXX";
    int fd = mkstemp(path);
    struct fixture *f = fixture_open();

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "[node]\nid = 7\n", 14), 14);
    assert_int_equal(close(fd), 0);
    conf_read_file(&f->conf, path, &f->report);
    assert_int_equal(unlink(path), 0);
    fixture_expect(f, "");
    assert_int_equal(f->conf.node.id, 7);
    assert_string_equal(f->conf.file, path);
    fixture_close(f);
}

static void an_unreadable_file_is_one_sentence(void **state)
{
    struct fixture *f = fixture_open();

    (void)state;
    conf_read_file(&f->conf, "/nowhere/weft.ini", &f->report);
    fixture_expect(f,
            "/nowhere/weft.ini: cannot be opened: No such file or directory\n");
    fixture_close(f);

    f = fixture_open();
    conf_read_file(&f->conf, "/", &f->report);
    fixture_expect(f, "/: cannot be read: Is a directory\n");
    fixture_close(f);

    f = fixture_open();
    conf_read_file(&f->conf, "/dev/zero", &f->report);
    fixture_expect(f, "/dev/zero: is larger than 1048576 bytes\n");
    fixture_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(the_defaults_are_those_of_the_manual),
            cmocka_unit_test(a_file_is_read_with_its_lines),
            cmocka_unit_test(line_ends_of_windows_are_fine),
            cmocka_unit_test(
                    what_the_parser_would_misread_is_refused_with_its_line),
            cmocka_unit_test(a_nul_is_refused),
            cmocka_unit_test(a_line_of_199_bytes_is_the_longest),
            cmocka_unit_test(every_legal_text_fits_on_a_line),
            cmocka_unit_test(every_mistake_is_reported),
            cmocka_unit_test(a_thousand_mistakes_are_all_kept),
            cmocka_unit_test(a_file_on_disk_is_read),
            cmocka_unit_test(an_unreadable_file_is_one_sentence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
