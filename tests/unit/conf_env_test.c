#include "conf_fixture.h"

#include <unistd.h>

#include "conf/conf_assign.h"
#include "conf/conf_env.h"

enum {
    VARIABLES = 4,
};

static struct fixture *read_env(
        const char *first, const char *second, const char *third)
{
    struct fixture *f = fixture_open();
    char *variables[VARIABLES] = {
            (char *)first, (char *)second, (char *)third, NULL};

    conf_read_env(&f->conf, variables, &f->report);
    return f;
}

static void every_setting_has_its_variable(void **state)
{
    (void)state;
    for (size_t i = 0; i < CONF_SETTINGS; i++) {
        char variable[CONF_VARIABLE_BYTES + 2];
        char path[CONF_VARIABLE_BYTES + 16];
        const struct conf_setting *found = NULL;

        (void)conf_variable(&conf_table[i], variable);
        print_message("%s\n", variable);
        (void)snprintf(path, sizeof(path), "%s_FILE=x", variable);
        (void)strcat(variable, "=");
        assert_int_equal(conf_env_judge(variable, &found), CONF_ENV_VALUE);
        assert_ptr_equal(found, &conf_table[i]);
        assert_int_equal(conf_env_judge(path, &found), CONF_ENV_PATH);
        assert_ptr_equal(found, &conf_table[i]);
    }
}

static void the_environment_wins_over_the_file(void **state)
{
    struct fixture *f = fixture_open();
    char name[] = "WEFT_NODE_NAME=beta";
    char seed[] = "WEFT_CLUSTER_SEED=b:1  c:2 ";
    char *variables[] = {name, seed, NULL};

    (void)state;
    fixture_parse(f, "[node]\nid = 7\nname = alpha\n[cluster]\nseed = a:1\n");
    conf_read_env(&f->conf, variables, &f->report);
    fixture_expect(f, "");
    assert_int_equal(f->conf.node.id, 7);
    assert_string_equal(f->conf.node.name, "beta");
    assert_int_equal(f->conf.cluster.seed.count, 2);
    assert_string_equal(f->conf.cluster.seed.items[0].host, "b");
    assert_string_equal(f->conf.cluster.seed.items[1].host, "c");
    fixture_close(f);
}

static void an_empty_variable_empties_a_list(void **state)
{
    struct fixture *f = fixture_open();
    char seed[] = "WEFT_CLUSTER_SEED=";
    char *variables[] = {seed, NULL};

    (void)state;
    fixture_parse(f, "[cluster]\nseed = a:1\nseed = b:1\n");
    conf_read_env(&f->conf, variables, &f->report);
    fixture_expect(f, "");
    assert_int_equal(f->conf.cluster.seed.count, 0);
    fixture_close(f);
}

static void an_unknown_variable_is_a_mistake_with_the_nearest(void **state)
{
    struct fixture *f = read_env(
            "WEFT_GOSIP_BIND=127.0.0.1:1", "WEFT_KV_MAX_VALUES=1", "WEFT_=");

    (void)state;
    fixture_expect(f,
            "env WEFT_GOSIP_BIND: there is no such setting; the nearest is "
            "WEFT_GOSSIP_BIND\n"
            "env WEFT_KV_MAX_VALUES: there is no such setting; the nearest is "
            "WEFT_KV_MAX_VALUE\n"
            "env WEFT_: there is no such setting; the nearest is "
            "WEFT_NODE_ID\n");
    fixture_close(f);
}

static void a_wrong_value_names_its_variable(void **state)
{
    struct fixture *f = read_env(
            "WEFT_LOG_LEVEL=loud", "WEFT_CLUSTER_SEED=a:1 b", "PATH=/bin");

    (void)state;
    fixture_expect(f,
            "env WEFT_LOG_LEVEL: log.level: \"loud\" must be debug, info, warn "
            "or error\n"
            "env WEFT_CLUSTER_SEED: cluster.seed: \"b\" must be host:port, the "
            "host a name or a numeric address, the port between 1 and "
            "65535\n");
    fixture_close(f);
}

static void what_kubernetes_defines_is_left_alone(void **state)
{
    static const char *const names[] = {"WEFT_SERVICE_HOST=10.0.0.1",
            "WEFT_SERVICE_PORT=7741", "WEFT_SERVICE_PORT_GOSSIP=7741",
            "WEFT_PORT=udp://10.0.0.1:7741",
            "WEFT_PORT_7741_UDP=udp://10.0.0.1", "WEFT_PORT_7741_UDP_PROTO=udp",
            "WEFT_GOSSIP_SERVICE_HOST=10.0.0.1",
            "WEFT_GOSSIP_PORT=tcp://10.0.0.1:7741",
            "WEFT_GOSSIP_PORT_7741_TCP_ADDR=10.0.0.1", "WEFT_CONFIG=/weft.ini",
            "WEFTY=1", "WEFT=1", "weft_node_id=1", "WEFT_NOTHING"};
    static const char *const mistakes[] = {"WEFT_GOSSIP_PORT=7741",
            "WEFT_PORTS=1", "WEFT_SERVICE=1", "WEFT_CONFIGS=1",
            "WEFT_NODE_ID_PORT_X=1", "WEFT_X=_SERVICE_", "WEFT_Y=_PORT=://"};
    const struct conf_setting *setting;

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        print_message("%s\n", names[i]);
        assert_int_equal(conf_env_judge(names[i], &setting), CONF_ENV_NONE);
    }
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
        print_message("%s\n", mistakes[i]);
        assert_int_equal(
                conf_env_judge(mistakes[i], &setting), CONF_ENV_UNKNOWN);
    }
}

/* A file with this text; the caller unlinks it. */
static void write_file(char path[static 32], const char *text)
{
    int fd;

    (void)snprintf(path, 32, "/tmp/weft-env-XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
}

static struct fixture *read_env_file(const char *variable, const char *text)
{
    char path[32];
    char assignment[128];
    struct fixture *f;

    write_file(path, text);
    (void)snprintf(assignment, sizeof(assignment), "%s=%s", variable, path);
    f = read_env(assignment, NULL, NULL);
    assert_int_equal(unlink(path), 0);
    return f;
}

static void a_file_holds_the_value(void **state)
{
    struct fixture *f = read_env_file("WEFT_NODE_NAME_FILE", "alpha\n");

    (void)state;
    fixture_expect(f, "");
    assert_string_equal(f->conf.node.name, "alpha");
    fixture_close(f);

    f = read_env_file("WEFT_NODE_NAME_FILE", "alpha\r\n");
    assert_string_equal(f->conf.node.name, "alpha");
    fixture_close(f);

    f = read_env_file("WEFT_CLUSTER_SEED_FILE", "a:1\nb:2 c:3\n");
    fixture_expect(f, "");
    assert_int_equal(f->conf.cluster.seed.count, 3);
    fixture_close(f);

    f = read_env_file("WEFT_NODE_NAME_FILE", "alpha\nbeta\n");
    fixture_expect(f,
            "env WEFT_NODE_NAME_FILE: node.name: the value holds the control "
            "character 0x0a\n");
    fixture_close(f);
}

static void a_file_that_is_not_there_is_a_mistake(void **state)
{
    struct fixture *f =
            read_env("WEFT_NODE_NAME_FILE=/nowhere/name", NULL, NULL);

    (void)state;
    fixture_expect(f,
            "env WEFT_NODE_NAME_FILE: node.name: \"/nowhere/name\" cannot be "
            "opened: No such file or directory\n");
    fixture_close(f);
}

static void a_value_and_a_file_are_one_too_many(void **state)
{
    struct fixture *f = read_env(
            "WEFT_NODE_NAME_FILE=/nowhere/name", "WEFT_NODE_NAME=alpha", NULL);

    (void)state;
    fixture_expect(f,
            "env WEFT_NODE_NAME_FILE: node.name: WEFT_NODE_NAME is set as "
            "well\n");
    fixture_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(every_setting_has_its_variable),
            cmocka_unit_test(the_environment_wins_over_the_file),
            cmocka_unit_test(an_empty_variable_empties_a_list),
            cmocka_unit_test(an_unknown_variable_is_a_mistake_with_the_nearest),
            cmocka_unit_test(a_wrong_value_names_its_variable),
            cmocka_unit_test(what_kubernetes_defines_is_left_alone),
            cmocka_unit_test(a_file_holds_the_value),
            cmocka_unit_test(a_file_that_is_not_there_is_a_mistake),
            cmocka_unit_test(a_value_and_a_file_are_one_too_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
