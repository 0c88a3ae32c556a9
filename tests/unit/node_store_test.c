/* What a node remembers: kept whole, locked, and refused when it is not ours. */
#define _GNU_SOURCE /* O_PATH */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "node/store_posix.h"

struct fixture {
    char base[32]; /* a directory of the test's own */
    char dir[64]; /* what the store is given; not there yet */
};

static int make_directory(void **context)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    strcpy(f->base, "/tmp/weft-store-XXXXXX");
    assert_non_null(mkdtemp(f->base));
    snprintf(f->dir, sizeof(f->dir), "%s/kept", f->base);
    *context = f;
    return 0;
}

static int remove_directory(void **context)
{
    static const char *const NAMES[] = {
            "identity", "identity.new", "decisions", "decisions.new", "lock"};
    struct fixture *f = *context;
    char path[96];

    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", f->dir, NAMES[i]);
        (void)unlink(path);
    }
    (void)rmdir(f->dir);
    (void)rmdir(f->base);
    free(f);
    return 0;
}

static void write_file(
        const struct fixture *f, const char *name, struct bytes text)
{
    char path[96];
    FILE *file;

    (void)mkdir(f->dir, 0700);
    snprintf(path, sizeof(path), "%s/%s", f->dir, name);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text.data, 1, text.size, file), text.size);
    fclose(file);
}

static void nothing_is_kept_without_a_directory(void **context)
{
    struct store s;
    struct error err;

    (void)context;
    assert_int_equal(store_open(&s, "", &err), 0);
    assert_int_equal(s.id, 0);
    assert_int_equal(store_save(&s, 7, 1000, &err), 0);
    store_close(&s);
    assert_int_equal(store_open(&s, "", &err), 0);
    assert_int_equal(s.id, 0);
    store_close(&s);
}

static void what_was_saved_is_read_again(void **context)
{
    const struct fixture *f = *context;
    struct stat st;
    struct store s;
    struct error err;

    assert_int_equal(store_open(&s, f->dir, &err), 0);
    assert_int_equal(s.id, 0);
    assert_int_equal(s.generation, 0);
    assert_int_equal(store_save(&s, 7, 1000, &err), 0);
    assert_int_equal(store_save(&s, UINT64_MAX, UINT64_MAX, &err), 0);
    store_close(&s);
    assert_int_equal(store_open(&s, f->dir, &err), 0);
    assert_true(s.id == UINT64_MAX);
    assert_true(s.generation == UINT64_MAX);
    store_close(&s);
    assert_int_equal(stat(f->dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

static void a_crash_before_the_rename_leaves_the_former_text(void **context)
{
    const struct fixture *f = *context;
    struct store s;
    struct error err;

    assert_int_equal(store_open(&s, f->dir, &err), 0);
    assert_int_equal(store_save(&s, 7, 1000, &err), 0);
    store_close(&s);
    write_file(f, "identity.new", bytes_text("7 20"));
    assert_int_equal(store_open(&s, f->dir, &err), 0);
    assert_int_equal(s.generation, 1000);
    assert_int_equal(store_save(&s, 7, 1001, &err), 0);
    store_close(&s);
    assert_int_equal(store_open(&s, f->dir, &err), 0);
    assert_int_equal(s.generation, 1001);
    store_close(&s);
}

static void a_file_that_is_not_ours_is_refused_with_its_name(void **context)
{
    static const struct {
        const char *name;
        const char *text;
        size_t size;
    } ROWS[] = {
            {"empty", "", 0},
            {"no line feed", "7 1000", 6},
            {"one number", "7\n", 2},
            {"no generation", "7 \n", 3},
            {"a leading zero", "07 1000\n", 8},
            {"a sign", "7 -1000\n", 8},
            {"two lines", "7 1000\n7 1001\n", 14},
            {"a NUL", "7 10\0000\n", 7},
            {"an id of nobody", "0 1000\n", 7},
            {"too large", "18446744073709551616 1\n", 23},
            {"longer than any",
                    "1 1                                     "
                    "                              \n",
                    71},
    };
    const struct fixture *f = *context;
    struct store s;
    struct error err;

    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        printf("%s\n", ROWS[i].name);
        write_file(f, "identity", bytes_of(ROWS[i].text, ROWS[i].size));
        assert_int_equal(store_open(&s, f->dir, &err), ERR_INVALID);
        assert_non_null(strstr(err.text, f->dir));
        assert_non_null(strstr(err.text, "identity"));
        assert_int_equal(s.dir_fd, -1);
        assert_int_equal(s.lock_fd, -1);
    }
}

/* Locks belong to processes, so the second node is one. */
static void a_second_node_finds_the_directory_locked(void **context)
{
    const struct fixture *f = *context;
    struct store s;
    struct error err;
    int status;
    pid_t child;

    assert_int_equal(store_open(&s, f->dir, &err), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct store second;
        int code = store_open(&second, f->dir, &err);

        _exit(code == ERR_IO && strstr(err.text, "data_dir") != NULL ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    store_close(&s);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct store second;

        _exit(store_open(&second, f->dir, &err) == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void what_the_system_refuses_is_said(void **context)
{
    const struct fixture *f = *context;
    char path[96];
    struct store s;
    struct error err;

    snprintf(path, sizeof(path), "%s/not/there", f->base);
    assert_int_equal(store_open(&s, path, &err), ERR_IO);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(store_open(&s, f->dir, &err), 0);
    assert_int_equal(store_save(&s, 7, 1000, &err), 0);
    snprintf(path, sizeof(path), "%s/identity.new", f->dir);
    assert_int_equal(mkdir(path, 0700), 0); /* in the way of the next one */
    assert_int_equal(store_save(&s, 7, 1001, &err), ERR_IO);
    assert_int_equal(rmdir(path), 0);
    store_close(&s);
    assert_int_equal(store_open(&s, f->dir, &err), 0);
    assert_int_equal(s.generation, 1000);
    store_close(&s);
}

/* --- decisions --- */

static struct checkpoint_decision decision_of(uint64_t epoch, bool is_committed)
{
    return (struct checkpoint_decision){.leader = 1,
            .generation = 1000,
            .epoch = epoch,
            .is_committed = is_committed};
}

static void keep_decision(struct store *s, uint64_t epoch, bool is_committed)
{
    struct checkpoint_decision decision = decision_of(epoch, is_committed);
    struct error err;

    if (store_keep_decision(s, &decision, &err) != 0) {
        fail_msg("%s", err.text);
    }
}

static void open_store(struct store *s, const struct fixture *f)
{
    struct error err;

    if (store_open(s, f->dir, &err) != 0) {
        fail_msg("%s", err.text);
    }
}

static void assert_decision(
        const struct store *s, size_t i, uint64_t epoch, bool is_committed)
{
    assert_true(i < s->decisions_count);
    assert_int_equal(s->decisions[i].leader, 1);
    assert_int_equal(s->decisions[i].generation, 1000);
    assert_int_equal(s->decisions[i].epoch, epoch);
    assert_int_equal(s->decisions[i].is_committed, is_committed);
}

static void decisions_are_read_again_in_their_order(void **context)
{
    static const char TEXT[] =
            "1 1000 1 committed\n"
            "1 1000 2 aborted\n"
            "18446744073709551615 18446744073709551615 18446744073709551615 "
            "committed\n";
    const struct fixture *f = *context;
    struct checkpoint_decision largest = {
            UINT64_MAX, UINT64_MAX, UINT64_MAX, true};
    char path[96];
    char text[256] = "";
    struct store s;
    struct error err;
    FILE *file;

    open_store(&s, f);
    assert_int_equal(s.decisions_count, 0);
    keep_decision(&s, 1, true);
    keep_decision(&s, 2, false);
    assert_int_equal(store_keep_decision(&s, &largest, &err), 0);
    store_close(&s);
    snprintf(path, sizeof(path), "%s/decisions", f->dir);
    file = fopen(path, "r");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
    fclose(file);
    assert_string_equal(text, TEXT);
    open_store(&s, f);
    assert_int_equal(s.decisions_count, 3);
    assert_decision(&s, 0, 1, true);
    assert_decision(&s, 1, 2, false);
    assert_true(s.decisions[2].leader == UINT64_MAX);
    assert_true(s.decisions[2].generation == UINT64_MAX);
    assert_true(s.decisions[2].epoch == UINT64_MAX);
    assert_true(s.decisions[2].is_committed);
    store_close(&s);
}

static void the_65th_decision_takes_the_place_of_the_first(void **context)
{
    const struct fixture *f = *context;
    struct store s;

    open_store(&s, f);
    for (uint64_t epoch = 1; epoch <= STORE_DECISIONS_MAX; epoch++) {
        keep_decision(&s, epoch, epoch % 2 == 0);
    }
    assert_int_equal(s.decisions_count, STORE_DECISIONS_MAX);
    assert_decision(&s, 0, 1, false);
    keep_decision(&s, 65, true);
    for (int life = 0; life < 2; life++) {
        assert_int_equal(s.decisions_count, STORE_DECISIONS_MAX);
        assert_decision(&s, 0, 2, true);
        assert_decision(&s, 62, 64, true);
        assert_decision(&s, 63, 65, true);
        store_close(&s);
        open_store(&s, f);
    }
    store_close(&s);
}

static void an_attempt_is_decided_once(void **context)
{
    const struct fixture *f = *context;
    struct checkpoint_decision other = decision_of(1, false);
    struct store s;
    struct error err;

    open_store(&s, f);
    keep_decision(&s, 1, true);
    keep_decision(&s, 2, true);
    keep_decision(&s, 1, true); /* the newest now */
    assert_int_equal(s.decisions_count, 2);
    assert_decision(&s, 0, 2, true);
    assert_decision(&s, 1, 1, true);
    assert_int_equal(store_keep_decision(&s, &other, &err), ERR_INVALID);
    assert_string_equal(err.text,
            "epoch 1 of leader 1 was committed before, and cannot be aborted "
            "now");
    assert_false(s.in_doubt);
    other.generation++; /* another life of the leader may */
    assert_int_equal(store_keep_decision(&s, &other, &err), 0);
    store_close(&s);
    open_store(&s, f);
    assert_int_equal(s.decisions_count, 3);
    assert_decision(&s, 1, 1, true);
    store_close(&s);
}

static void decisions_that_are_not_ours_are_refused_by_name(void **context)
{
    static const struct {
        const char *name;
        const char *text;
    } ROWS[] = {
            {"empty", ""},
            {"torn", "1 1000 1 committed\n1 1000 2 comm"},
            {"no line feed", "1 1000 1 committed"},
            {"an empty line", "1 1000 1 committed\n\n"},
            {"a word too few", "1 1000 committed\n"},
            {"a word too many", "1 1000 1 committed 2\n"},
            {"another outcome", "1 1000 1 unknown\n"},
            {"no outcome", "1 1000 1 \n"},
            {"two spaces", "1  1000 1 aborted\n"},
            {"a leader of nobody", "0 1000 1 aborted\n"},
            {"a leading zero", "1 1000 01 aborted\n"},
            {"a sign", "1 1000 -1 aborted\n"},
            {"too large", "1 18446744073709551616 1 aborted\n"},
            {"a carriage return", "1 1000 1 aborted\r\n"},
            {"both outcomes", "1 1000 1 aborted\n1 1000 1 committed\n"},
            {"somebody's notes", "buy milk\n"},
    };
    const struct fixture *f = *context;
    struct store s;
    struct error err;

    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        printf("%s\n", ROWS[i].name);
        write_file(f, "decisions", bytes_text(ROWS[i].text));
        assert_int_equal(store_open(&s, f->dir, &err), ERR_INVALID);
        assert_non_null(strstr(err.text, f->dir));
        assert_non_null(strstr(err.text, "/decisions "));
        assert_int_equal(s.dir_fd, -1);
    }
}

static void a_line_more_than_we_write_is_not_ours(void **context)
{
    const struct fixture *f = *context;
    char text[STORE_DECISIONS_MAX * 32];
    struct store s;
    struct error err;
    size_t size = 0;

    for (int epoch = 1; epoch <= STORE_DECISIONS_MAX + 1; epoch++) {
        size += (size_t)snprintf(
                &text[size], sizeof(text) - size, "1 1 %d aborted\n", epoch);
        write_file(f, "decisions", bytes_of(text, size));
        assert_int_equal(store_open(&s, f->dir, &err),
                epoch <= STORE_DECISIONS_MAX ? 0 : ERR_INVALID);
        store_close(&s);
    }
}

/* A crash at each step, as the directory looks afterwards. */
static void a_crash_leaves_the_former_decisions_or_the_new_ones(void **context)
{
    static const struct {
        const char *name;
        const char *beside;
    } ROWS[] = {
            {"before the first byte", ""},
            {"in the middle of a line", "1 1000 1 committed\n1 1000 2 c"},
            {"before the rename", "1 1000 1 committed\n1 1000 2 committed\n"},
    };
    const struct fixture *f = *context;
    struct store s;

    open_store(&s, f);
    keep_decision(&s, 1, true);
    store_close(&s);
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        printf("%s\n", ROWS[i].name);
        write_file(f, "decisions.new", bytes_text(ROWS[i].beside));
        open_store(&s, f);
        assert_int_equal(s.decisions_count, i + 1);
        keep_decision(&s, 10 + i, false);
        store_close(&s);
        open_store(&s, f);
        assert_int_equal(s.decisions_count, i + 2);
        assert_decision(&s, i + 1, 10 + i, false);
        store_close(&s);
    }
}

static void a_decision_that_was_refused_is_not_kept_later(void **context)
{
    static const char *const IN_THE_WAY[] = {"decisions.new", "decisions"};
    const struct fixture *f = *context;
    char path[96];

    for (size_t i = 0; i < 2; i++) {
        struct checkpoint_decision refused = decision_of(7, true);
        struct store s;
        struct error err;

        printf("%s\n", IN_THE_WAY[i]);
        open_store(&s, f);
        snprintf(path, sizeof(path), "%s/%s", f->dir, IN_THE_WAY[i]);
        (void)unlink(path);
        assert_int_equal(mkdir(path, 0700), 0);
        assert_int_equal(store_keep_decision(&s, &refused, &err), ERR_IO);
        assert_non_null(strstr(err.text, "epoch 7"));
        assert_non_null(strstr(err.text, "data_dir"));
        assert_false(s.in_doubt);
        assert_int_equal(rmdir(path), 0);
        keep_decision(&s, 7, false); /* the other way: nobody was told */
        keep_decision(&s, 8, true);
        store_close(&s);
        open_store(&s, f);
        assert_int_equal(s.decisions_count, 2);
        assert_decision(&s, 0, 7, false);
        store_close(&s);
        snprintf(path, sizeof(path), "%s/decisions", f->dir);
        assert_int_equal(unlink(path), 0);
    }
}

static void a_directory_that_may_not_be_written_refuses(void **context)
{
    const struct fixture *f = *context;
    struct checkpoint_decision decision = decision_of(1, true);
    struct store s;
    struct error err;

    if (geteuid() == 0) {
        skip(); /* who may write anywhere */
    }
    open_store(&s, f);
    assert_int_equal(chmod(f->dir, 0500), 0);
    assert_int_equal(store_keep_decision(&s, &decision, &err), ERR_IO);
    assert_non_null(strstr(err.text, "ermission"));
    assert_int_equal(chmod(f->dir, 0700), 0);
    store_close(&s);
}

/* A directory that is open only as a place cannot be synced. */
static void a_sync_that_fails_after_the_rename_leaves_a_doubt(void **context)
{
    const struct fixture *f = *context;
    struct checkpoint_decision decision = decision_of(2, true);
    struct store s;
    struct error err;

    open_store(&s, f);
    keep_decision(&s, 1, true);
    assert_int_equal(close(s.dir_fd), 0);
    s.dir_fd = open(f->dir, O_PATH | O_DIRECTORY);
    assert_true(s.dir_fd >= 0);
    assert_int_equal(store_keep_decision(&s, &decision, &err), ERR_IO);
    assert_true(s.in_doubt);
    store_close(&s);
    open_store(&s, f); /* this time the new text was left */
    assert_false(s.in_doubt);
    assert_int_equal(s.decisions_count, 2);
    store_close(&s);
}

static void decisions_without_a_directory_are_forgotten(void **context)
{
    struct store s;
    struct error err;

    (void)context;
    assert_int_equal(store_open(&s, "", &err), 0);
    keep_decision(&s, 1, true);
    assert_int_equal(s.decisions_count, 0);
    store_close(&s);
}

#define CASE(f)                                                                \
    cmocka_unit_test_setup_teardown(f, make_directory, remove_directory)

int main(void)
{
    const struct CMUnitTest cases[] = {
            CASE(nothing_is_kept_without_a_directory),
            CASE(what_was_saved_is_read_again),
            CASE(a_crash_before_the_rename_leaves_the_former_text),
            CASE(a_file_that_is_not_ours_is_refused_with_its_name),
            CASE(a_second_node_finds_the_directory_locked),
            CASE(what_the_system_refuses_is_said),
            CASE(decisions_are_read_again_in_their_order),
            CASE(the_65th_decision_takes_the_place_of_the_first),
            CASE(an_attempt_is_decided_once),
            CASE(decisions_that_are_not_ours_are_refused_by_name),
            CASE(a_line_more_than_we_write_is_not_ours),
            CASE(a_crash_leaves_the_former_decisions_or_the_new_ones),
            CASE(a_decision_that_was_refused_is_not_kept_later),
            CASE(a_directory_that_may_not_be_written_refuses),
            CASE(a_sync_that_fails_after_the_rename_leaves_a_doubt),
            CASE(decisions_without_a_directory_are_forgotten),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
