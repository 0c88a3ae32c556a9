/* A log line is one line, whatever a stranger is called, and never blocks. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "node/log_posix.h"

enum {
    PIPE_MAX_BYTES = 1024 * 1024,
};

struct fixture {
    struct log log;
    int reader;
    char said[PIPE_MAX_BYTES];
};

static int open_pipe(void **context)
{
    struct fixture *f = calloc(1, sizeof(*f));
    int ends[2];

    assert_non_null(f);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    f->reader = ends[0];
    log_init(&f->log, LOG_INFO, false);
    f->log.fd = ends[1];
    *context = f;
    return 0;
}

static int close_pipe(void **context)
{
    struct fixture *f = *context;

    close(f->reader);
    close(f->log.fd);
    free(f);
    return 0;
}

/* All that was written since. */
static const char *said(struct fixture *f)
{
    size_t size = 0;
    ssize_t got;

    while ((got = read(f->reader, f->said + size, sizeof(f->said) - size - 1)) >
            0) {
        size += (size_t)got;
    }
    f->said[size] = '\0';
    return f->said;
}

static void a_line_has_its_time_level_and_text(void **context)
{
    struct fixture *f = *context;
    const char *line;

    log_line(&f->log, LOG_WARN, "node %d", 7);
    line = said(f);
    assert_int_equal(strlen(line),
            strlen("2026-01-01T00:00:00.000Z") + strlen(" warn  node 7\n"));
    assert_string_equal(line + 24, " warn  node 7\n");
    assert_int_equal(line[10], 'T');
    assert_int_equal(line[19], '.');
    assert_int_equal(line[23], 'Z');
}

static void what_is_less_urgent_is_not_written(void **context)
{
    struct fixture *f = *context;

    log_line(&f->log, LOG_DEBUG, "detail");
    assert_string_equal(said(f), "");
    assert_int_equal(f->log.dropped, 0);
    log_line(&f->log, LOG_ERROR, "mistake");
    assert_non_null(strstr(said(f), "error mistake\n"));
}

static void a_stranger_adds_no_line_and_no_colour(void **context)
{
    struct fixture *f = *context;

    log_line(&f->log, LOG_INFO, "%s", "a\nb\x1b[2J");
    assert_non_null(strstr(said(f), " a\\x0ab\\x1b[2J\n"));
    f->log.json = true;
    log_line(&f->log, LOG_INFO, "%s", "a\nb\"\xff");
    assert_non_null(strstr(said(f), "\"dropped\":0,\"message\":"
                                    "\"a\\nb\\\"\xef\xbf\xbd\"}\n"));
}

/* The longest sentence, at its worst, is still one line with its end. */
static void the_longest_line_ends(void **context)
{
    struct fixture *f = *context;
    char worst[600];

    memset(worst, 1, sizeof(worst) - 1);
    worst[sizeof(worst) - 1] = '\0';
    for (int json = 0; json < 2; json++) {
        const char *line;

        f->log.json = json != 0;
        log_line(&f->log, LOG_ERROR, "%s", worst);
        line = said(f);
        assert_int_equal(strcspn(line, "\n"), strlen(line) - 1);
        assert_non_null(strstr(line, json ? "\"}\n" : "\\x01\n"));
    }
}

static void a_full_pipe_drops_and_says_how_many(void **context)
{
    struct fixture *f = *context;
    uint64_t dropped;

    while (f->log.dropped < 3) {
        log_line(&f->log, LOG_INFO, "line");
    }
    dropped = f->log.dropped;
    (void)said(f);
    log_line(&f->log, LOG_INFO, "again");
    assert_int_equal(dropped, 3);
    assert_non_null(
            strstr(said(f), "again (3 lines were dropped before this)\n"));
    log_line(&f->log, LOG_INFO, "again");
    assert_non_null(strstr(said(f), "again\n"));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, open_pipe, close_pipe)

int main(void)
{
    const struct CMUnitTest cases[] = {
            CASE(a_line_has_its_time_level_and_text),
            CASE(what_is_less_urgent_is_not_written),
            CASE(a_stranger_adds_no_line_and_no_colour),
            CASE(the_longest_line_ends),
            CASE(a_full_pipe_drops_and_says_how_many),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
