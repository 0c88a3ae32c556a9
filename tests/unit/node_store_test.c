/* What a node remembers: kept whole, locked, and refused when it is not ours. */
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
    static const char *const NAMES[] = {"identity", "identity.new", "lock"};
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

static void write_identity(const struct fixture *f, struct bytes text)
{
    char path[96];
    FILE *file;

    (void)mkdir(f->dir, 0700);
    snprintf(path, sizeof(path), "%s/identity", f->dir);
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
    char path[96];
    struct store s;
    struct error err;
    FILE *file;

    assert_int_equal(store_open(&s, f->dir, &err), 0);
    assert_int_equal(store_save(&s, 7, 1000, &err), 0);
    store_close(&s);
    snprintf(path, sizeof(path), "%s/identity.new", f->dir);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs("7 20", file);
    fclose(file);
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
        write_identity(f, bytes_of(ROWS[i].text, ROWS[i].size));
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
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
