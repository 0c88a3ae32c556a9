/* Decisions on their way to disk: in order, answered on the loop, and nobody
 * waits for a disk that hangs. (A pipe in the place of the file hangs whoever
 * opens it for writing, until somebody reads.) */
#define _GNU_SOURCE /* O_PATH */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "node/keeper_uv.h"

enum {
    PATIENCE_MS = 20000,
    ANSWERS_MAX = 16,
};

struct fixture {
    char base[32];
    char dir[64];
    uv_loop_t loop;
    uv_timer_t patience;
    uv_timer_t ticks;
    struct store store;
    struct keeper_uv keeper;
    struct error answers[ANSWERS_MAX]; /* empty: kept */
    size_t answered;
    uint64_t next_epoch; /* to be kept from the answer; 0: none */
    size_t ticked;
    unsigned closed;
    bool is_late;
};

static void keep(struct fixture *f, uint64_t epoch)
{
    const struct checkpoint_decision decision = {.leader = 1,
            .generation = 1000,
            .epoch = epoch,
            .is_committed = true};

    keeper_uv_keep(&f->keeper, &decision);
}

static void on_kept(void *owner, const char *why)
{
    struct fixture *f = owner;
    uint64_t next = f->next_epoch;

    assert_true(f->answered < ANSWERS_MAX);
    if (why != NULL) {
        (void)error_set(&f->answers[f->answered], 0, "%s", why);
    }
    f->answered++;
    f->next_epoch = 0;
    if (next != 0) {
        keep(f, next);
    }
}

static void on_closed(void *owner)
{
    struct fixture *f = owner;

    f->closed++;
}

static void on_patience(uv_timer_t *timer)
{
    struct fixture *f = timer->data;

    f->is_late = true;
}

static void on_tick(uv_timer_t *timer)
{
    struct fixture *f = timer->data;

    f->ticked++;
}

static void open_store(struct fixture *f)
{
    struct error err;

    if (store_open(&f->store, f->dir, &err) != 0) {
        fail_msg("%s", err.text);
    }
}

static int setup(void **context)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    strcpy(f->base, "/tmp/weft-keeper-XXXXXX");
    assert_non_null(mkdtemp(f->base));
    snprintf(f->dir, sizeof(f->dir), "%s/kept", f->base);
    open_store(f);
    assert_int_equal(uv_loop_init(&f->loop), 0);
    assert_int_equal(uv_timer_init(&f->loop, &f->patience), 0);
    assert_int_equal(uv_timer_init(&f->loop, &f->ticks), 0);
    f->patience.data = f;
    f->ticks.data = f;
    uv_timer_start(&f->patience, on_patience, PATIENCE_MS, 0);
    f->keeper.owner = f;
    f->keeper.on_kept = on_kept;
    f->keeper.on_closed = on_closed;
    keeper_uv_init(&f->keeper, &f->loop, &f->store);
    *context = f;
    return 0;
}

static int teardown(void **context)
{
    static const char *const NAMES[] = {
            "identity", "decisions", "decisions.new", "lock"};
    struct fixture *f = *context;
    char path[96];

    keeper_uv_close(&f->keeper);
    keeper_uv_close(&f->keeper); /* may be called twice */
    uv_close((uv_handle_t *)&f->patience, NULL);
    uv_close((uv_handle_t *)&f->ticks, NULL);
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    assert_int_equal(f->closed, 1);
    store_close(&f->store);
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", f->dir, NAMES[i]);
        (void)unlink(path);
    }
    (void)rmdir(f->dir);
    (void)rmdir(f->base);
    free(f);
    return 0;
}

static void run_until_answered(struct fixture *f, size_t count)
{
    while (f->answered < count) {
        assert_false(f->is_late);
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    }
    assert_int_equal(f->answered, count);
}

static void assert_on_disk(struct fixture *f, size_t count)
{
    store_close(&f->store);
    open_store(f);
    assert_int_equal(f->store.decisions_count, count);
}

static void path_of_new(const struct fixture *f, char path[static 96])
{
    snprintf(path, 96, "%s/decisions.new", f->dir);
}

/* From now on the disk hangs, until somebody reads. */
static void hang_disk(const struct fixture *f)
{
    char path[96];

    path_of_new(f, path);
    assert_int_equal(mkfifo(path, 0600), 0);
}

static int release_disk(const struct fixture *f)
{
    char path[96];
    int fd;

    path_of_new(f, path);
    fd = open(path, O_RDONLY | O_NONBLOCK);
    assert_true(fd >= 0);
    return fd;
}

static void decisions_are_kept_in_order_and_answered_on_the_loop(void **context)
{
    struct fixture *f = *context;

    for (uint64_t epoch = 1; epoch <= KEEPER_WAITING_MAX; epoch++) {
        keep(f, epoch);
    }
    assert_int_equal(f->answered, 0);
    run_until_answered(f, KEEPER_WAITING_MAX);
    for (size_t i = 0; i < KEEPER_WAITING_MAX; i++) {
        assert_string_equal(f->answers[i].text, "");
    }
    assert_on_disk(f, KEEPER_WAITING_MAX);
    for (size_t i = 0; i < KEEPER_WAITING_MAX; i++) {
        assert_int_equal(f->store.decisions[i].epoch, i + 1);
    }
}

static void an_answer_may_bring_the_next_decision(void **context)
{
    struct fixture *f = *context;

    keep(f, 1);
    f->next_epoch = 2;
    run_until_answered(f, 2);
    assert_on_disk(f, 2);
}

static void what_cannot_be_kept_is_answered_with_its_reason(void **context)
{
    struct fixture *f = *context;
    char path[96];

    path_of_new(f, path);
    assert_int_equal(mkdir(path, 0700), 0);
    keep(f, 1);
    keep(f, 2);
    run_until_answered(f, 2);
    assert_non_null(strstr(f->answers[0].text, "epoch 1"));
    assert_non_null(strstr(f->answers[1].text, "epoch 2"));
    assert_false(f->store.in_doubt);
    assert_int_equal(rmdir(path), 0);
    keep(f, 3);
    run_until_answered(f, 3);
    assert_string_equal(f->answers[2].text, "");
    assert_on_disk(f, 1);
}

static void a_doubt_is_seen_with_the_answer(void **context)
{
    struct fixture *f = *context;

    assert_int_equal(close(f->store.dir_fd), 0);
    f->store.dir_fd = open(f->dir, O_PATH | O_DIRECTORY); /* cannot be synced */
    keep(f, 1);
    run_until_answered(f, 1);
    assert_non_null(strstr(f->answers[0].text, "epoch 1"));
    assert_true(f->store.in_doubt);
}

static void the_loop_goes_on_while_the_disk_hangs(void **context)
{
    struct fixture *f = *context;
    int fd;

    hang_disk(f);
    keep(f, 1);
    uv_timer_start(&f->ticks, on_tick, 1, 1);
    while (f->ticked < 50) {
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    }
    assert_int_equal(f->answered, 0);
    fd = release_disk(f);
    run_until_answered(f, 1);
    assert_string_not_equal(f->answers[0].text, ""); /* a pipe has no sync */
    (void)close(fd);
}

static void closing_waits_for_the_running_one_and_drops_the_others(
        void **context)
{
    struct fixture *f = *context;
    int fd;

    hang_disk(f);
    keep(f, 1);
    keep(f, 2);
    uv_timer_start(&f->ticks, on_tick, 1, 1);
    while (f->ticked < 50) { /* by then it is on the pool */
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    }
    uv_timer_stop(&f->ticks);
    keeper_uv_close(&f->keeper);
    assert_int_equal(f->closed, 0);
    fd = release_disk(f);
    while (f->closed == 0) {
        assert_false(f->is_late);
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    }
    (void)close(fd);
    assert_int_equal(f->answered, 0);
}

static void on_hold(uv_work_t *work)
{
    uv_sem_wait(work->data);
}

static void on_held(uv_work_t *work, int status)
{
    (void)work;
    assert_int_equal(status, 0);
}

/* main gives the pool one thread, and something else has it. */
static void closing_takes_back_what_has_not_begun(void **context)
{
    struct fixture *f = *context;
    uv_work_t holder;
    uv_sem_t held;

    assert_int_equal(uv_sem_init(&held, 0), 0);
    holder.data = &held;
    assert_int_equal(uv_queue_work(&f->loop, &holder, on_hold, on_held), 0);
    keep(f, 1);
    keeper_uv_close(&f->keeper);
    while (f->closed == 0) {
        assert_false(f->is_late);
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    }
    uv_sem_post(&held);
    assert_int_equal(f->answered, 0);
    assert_on_disk(f, 0);
    uv_timer_stop(&f->patience);
    (void)uv_run(&f->loop, UV_RUN_DEFAULT);
    uv_sem_destroy(&held);
}

static void with_nothing_under_way_closing_is_at_once(void **context)
{
    struct fixture *f = *context;

    keeper_uv_close(&f->keeper);
    assert_int_equal(f->closed, 1);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest cases[] = {
            CASE(decisions_are_kept_in_order_and_answered_on_the_loop),
            CASE(an_answer_may_bring_the_next_decision),
            CASE(what_cannot_be_kept_is_answered_with_its_reason),
            CASE(a_doubt_is_seen_with_the_answer),
            CASE(the_loop_goes_on_while_the_disk_hangs),
            CASE(closing_waits_for_the_running_one_and_drops_the_others),
            CASE(closing_takes_back_what_has_not_begun),
            CASE(with_nothing_under_way_closing_is_at_once),
    };

    (void)setenv("UV_THREADPOOL_SIZE", "1", 1);
    return cmocka_run_group_tests(cases, NULL, NULL);
}
