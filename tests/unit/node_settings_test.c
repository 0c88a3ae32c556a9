#include "node/settings_posix.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "node/socket_path_posix.h"

enum {
    STRANGER = 54321, /* a user id that nobody has */
    WORDS_MAX = 16,
    TEXT_BYTES = 512,
};

struct parsed {
    char text[TEXT_BYTES];
    char *words[WORDS_MAX];
    struct cli cli;
};

static const struct cli *parse(struct parsed *parsed, const char *line)
{
    int count = 0;
    struct error err;

    (void)strcpy(parsed->text, line);
    for (char *word = strtok(parsed->text, " "); word != NULL;
            word = strtok(NULL, " ")) {
        parsed->words[count] = word;
        count++;
    }
    assert_int_equal(cli_parse(&parsed->cli, count, parsed->words, &err), 0);
    return &parsed->cli;
}

/* A file with one setting, which the test removes. */
static void make_file(char *path, const char *text)
{
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    (void)close(fd);
}

static void the_socket_is_the_flags_then_the_variables_then_the_settings(
        void **state)
{
    char file[] = "/tmp/weft-ini-XXXXXX";
    char path[CONF_SOCKET_BYTES];
    char line[TEXT_BYTES];
    struct parsed p;

    (void)state;
    make_file(file, "[node]\nsocket = /of/file\n");
    assert_int_equal(setenv("WEFT_CONFIG", file, 1), 0);
    assert_int_equal(unsetenv("WEFT_NODE_SOCKET"), 0);

    assert_int_equal(settings_socket(parse(&p, "weft info"), path), 0);
    assert_string_equal(path, "/of/file");
    assert_int_equal(setenv("WEFT_NODE_SOCKET", "/of/env", 1), 0);
    assert_int_equal(settings_socket(parse(&p, "weft info"), path), 0);
    assert_string_equal(path, "/of/env");
    assert_int_equal(
            settings_socket(
                    parse(&p, "weft info -s node.socket=/of/set"), path),
            0);
    assert_string_equal(path, "/of/set");
    (void)snprintf(line, sizeof(line),
            "weft info -s node.socket=/of/set -S /of/flag -c %s", file);
    assert_int_equal(settings_socket(parse(&p, line), path), 0);
    assert_string_equal(path, "/of/flag");

    assert_int_equal(unsetenv("WEFT_NODE_SOCKET"), 0);
    assert_int_equal(unsetenv("WEFT_CONFIG"), 0);
    (void)unlink(file);
}

static void a_file_that_is_named_must_be_there(void **state)
{
    struct conf *conf = malloc(sizeof(*conf));
    struct conf_report report;
    struct parsed p;

    (void)state;
    assert_non_null(conf);
    conf_report_init(&report);
    settings_load(
            conf, parse(&p, "weft run -c /nowhere/weft.ini"), NULL, &report);
    assert_int_equal(report.mistakes, 1);
    assert_non_null(strstr(conf_report_text(&report), "/nowhere/weft.ini"));
    conf_report_close(&report);
    free(conf);
}

static void the_socket_flag_is_the_nodes_setting_too(void **state)
{
    struct conf *conf = malloc(sizeof(*conf));
    struct conf_report report;
    struct parsed p;

    (void)state;
    assert_non_null(conf);
    conf_report_init(&report);
    settings_load(conf, parse(&p, "weft run -S /of/flag"), NULL, &report);
    assert_int_equal(report.mistakes, 0);
    assert_string_equal(conf->node.socket, "/of/flag");
    conf_report_close(&report);
    free(conf);
}

static void a_path_too_long_for_a_socket_is_refused(void **state)
{
    char configured[2 * SOCKET_PATH_BYTES];
    char path[SOCKET_PATH_BYTES];
    struct error err;

    (void)state;
    memset(configured, 'x', sizeof(configured) - 1);
    configured[sizeof(configured) - 1] = '\0';
    assert_int_equal(socket_path(configured, path, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "107 bytes"));
}

/* As a user that is not root; -1 where we may not become one. */
static int as_stranger(int (*story)(void))
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        if (setuid(STRANGER) != 0) {
            _exit(99);
        }
        _exit(story());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status) == 99 ? -1 : WEXITSTATUS(status);
}

/* 0, or the number of the step that went wrong. */
static int story_of_a_user(void)
{
    static const char tmp_path[] = "/tmp/weft-54321/weft.sock";
    char path[SOCKET_PATH_BYTES];
    struct error err;

    (void)setenv("XDG_RUNTIME_DIR", "/run/user/54321", 1);
    if (socket_path("", path, &err) != 0 ||
            strcmp(path, "/run/user/54321/weft.sock") != 0) {
        return 1;
    }
    (void)unsetenv("XDG_RUNTIME_DIR");
    if (socket_path("", path, &err) != 0 || strcmp(path, tmp_path) != 0) {
        return 2;
    }
    if (socket_path_check(path, &err) != 0) {
        return 3; /* what is missing is no danger */
    }
    if (socket_path_prepare(path, &err) != 0 ||
            socket_path_check(path, &err) != 0) {
        return 4;
    }
    if (chmod("/tmp/weft-54321", 0755) != 0 ||
            socket_path_check(path, &err) != ERR_DENIED) {
        return 5; /* others may look in */
    }
    if (rmdir("/tmp/weft-54321") != 0 ||
            symlink("/tmp", "/tmp/weft-54321") != 0 ||
            socket_path_check(path, &err) != ERR_DENIED ||
            socket_path_prepare(path, &err) != ERR_DENIED) {
        return 6; /* it leads elsewhere */
    }
    return unlink("/tmp/weft-54321") == 0 ? 0 : 7;
}

static void in_tmp_only_a_directory_of_ours_is_trusted(void **state)
{
    int step = as_stranger(story_of_a_user);

    (void)state;
    if (step < 0) {
        print_message("  skipped: only root can become another user\n");
        skip();
    }
    assert_int_equal(step, 0);
}

/* A command that only waits lets the node complain of its settings. */
static void a_mistake_leaves_the_time_for_a_checkpoint_as_it_is(void **state)
{
    char file[] = "/tmp/weft-ini-XXXXXX";
    struct parsed p;

    (void)state;
    assert_true(
            settings_align_timeout_ms(parse(&p,
                    "weft barrier -s checkpoint.align_timeout=3s")) == 3000);
    make_file(file, "[checkpoint]\nalign_timeout = soon\n[gossip]\nphi = x\n");
    assert_int_equal(setenv("WEFT_CONFIG", file, 1), 0);
    assert_true(settings_align_timeout_ms(parse(&p, "weft barrier")) == 8000);
    assert_int_equal(unsetenv("WEFT_CONFIG"), 0);
    (void)unlink(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(
                    the_socket_is_the_flags_then_the_variables_then_the_settings),
            cmocka_unit_test(a_file_that_is_named_must_be_there),
            cmocka_unit_test(the_socket_flag_is_the_nodes_setting_too),
            cmocka_unit_test(a_path_too_long_for_a_socket_is_refused),
            cmocka_unit_test(
                    a_mistake_leaves_the_time_for_a_checkpoint_as_it_is),
            cmocka_unit_test(in_tmp_only_a_directory_of_ours_is_trusted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
