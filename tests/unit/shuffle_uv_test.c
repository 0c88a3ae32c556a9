#include "shuffle/shuffle_uv.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/addr_posix.h"

enum {
    LONG_MS = 20000, /* what a test waits for at most */
};

/* A node of a pool and its adaptor, as node/ would drive them. */
struct end {
    uv_loop_t *loop;
    struct budget budget;
    struct block_pool blocks;
    struct shuffle_pool pool;
    struct shuffle_uv tcp;
    uv_timer_t timer;
    struct addr bound;
    struct addr known; /* what RESOLVE answers */
    uint64_t frames;
    uint64_t payload_bytes;
    uint64_t checksum;
    uint64_t ups;
    uint64_t downs;
    uint64_t unreachables;
    uint64_t closed;
    uint64_t unsent_frames; /* of the latest DOWN */
    uint64_t unacked_frames;
    uint64_t turn; /* of the loop, that `turn_bytes` is of */
    size_t turn_bytes;
    size_t turn_bytes_max;
    bool leave_when_rested;
    enum shuffle_reason reason;
    uint64_t pause_at; /* frames after which laminar links go unread */
};

static uv_loop_t loop;
static struct end ends[3];

static void arm(struct end *end);

static void resolve(struct end *end, uint64_t peer)
{
    struct shuffle_peer_facts facts = {
            .id = peer, .generation = 1, .live = true, .address = end->known};

    (void)shuffle_pool_peer(&end->pool, uv_now(end->loop), &facts);
}

static void take_payload(
        struct end *end, const struct shuffle_pool_action *action)
{
    end->frames++;
    end->payload_bytes += action->payload.size;
    end->checksum = end->checksum * 31 + action->payload.data[12] +
                    action->payload.data[action->payload.size - 1];
    if (end->turn != end->tcp.turn) {
        end->turn = end->tcp.turn;
        end->turn_bytes = 0;
    }
    end->turn_bytes += action->payload.size;
    if (end->turn_bytes > end->turn_bytes_max) {
        end->turn_bytes_max = end->turn_bytes;
    }
    if (end->leave_when_rested && end->tcp.rested != NULL) {
        end->leave_when_rested = false;
        shuffle_pool_leave(&end->pool, uv_now(end->loop));
    }
    if (end->frames == end->pause_at) {
        shuffle_pool_laminar_pause(&end->pool, uv_now(end->loop), true);
    }
}

static void act(struct end *end, const struct shuffle_pool_action *action)
{
    switch (action->type) {
    case SHUFFLE_POOL_CONNECT:
    case SHUFFLE_POOL_CLOSE:
    case SHUFFLE_POOL_FINISH:
    case SHUFFLE_POOL_WRITE:
    case SHUFFLE_POOL_READ:
        shuffle_uv_perform(&end->tcp, action);
        break;
    case SHUFFLE_POOL_RESOLVE:
        resolve(end, action->peer);
        break;
    case SHUFFLE_POOL_UP:
        end->ups++;
        break;
    case SHUFFLE_POOL_DOWN:
        end->downs++;
        end->reason = action->reason;
        end->unsent_frames = action->unsent_frames;
        end->unacked_frames = action->unacked_frames;
        break;
    case SHUFFLE_POOL_UNREACHABLE:
        end->unreachables++;
        break;
    case SHUFFLE_POOL_FRAME:
    case SHUFFLE_POOL_LAMINAR:
        take_payload(end, action);
        break;
    case SHUFFLE_POOL_BARRIER_SENT:
        break;
    }
}

static void drain(void *owner)
{
    struct end *end = owner;
    struct shuffle_pool_action action;

    while (shuffle_pool_next(&end->pool, &action)) {
        act(end, &action);
    }
    shuffle_pool_check(&end->pool);
    arm(end);
}

static void on_timer(uv_timer_t *timer)
{
    struct end *end = timer->data;

    shuffle_pool_tick(&end->pool, uv_now(end->loop));
    drain(end);
}

static void arm(struct end *end)
{
    uint64_t deadline_ms = shuffle_pool_deadline_ms(&end->pool);
    uint64_t now = uv_now(end->loop);

    if (deadline_ms != UINT64_MAX &&
            !uv_is_closing((uv_handle_t *)&end->timer)) {
        (void)uv_timer_start(&end->timer, on_timer,
                deadline_ms > now ? deadline_ms - now : 0, 0);
    }
}

static void on_closed(void *owner)
{
    struct end *end = owner;

    end->closed++;
}

static void open_end_with(int i, struct shuffle_pool_options options)
{
    struct end *end = &ends[i];
    struct addr at = addr_ipv4(127, 0, 0, 1, 0);

    memset(end, 0, sizeof(*end));
    end->loop = &loop;
    end->budget.max_bytes = (size_t)96 << 20;
    block_pool_init(&end->blocks, &end->budget, 4 << 20);
    options.id = (uint64_t)i + 1;
    options.generation = 1;
    options.cluster = "weft";
    options.vnodes = 256;
    options.blocks = &end->blocks;
    shuffle_pool_init(&end->pool, &options, uv_now(&loop));
    end->tcp.owner = end;
    end->tcp.on_turn = drain;
    end->tcp.on_closed = on_closed;
    shuffle_uv_init(&end->tcp, &loop, &end->pool);
    (void)uv_timer_init(&loop, &end->timer);
    end->timer.data = end;
    assert_int_equal(shuffle_uv_listen(&end->tcp, &at, &end->bound, NULL), 0);
    assert_int_not_equal(end->bound.port, 0);
    shuffle_pool_listening(&end->pool, &end->bound);
}

static void open_end(int i)
{
    open_end_with(i, shuffle_pool_defaults());
}

static void on_timer_closed(uv_handle_t *timer)
{
    on_closed(timer->data);
}

static void close_end(int i)
{
    struct end *end = &ends[i];

    shuffle_uv_close(&end->tcp);
    shuffle_uv_close(&end->tcp);
    uv_close((uv_handle_t *)&end->timer, on_timer_closed);
    while (end->closed < 2) {
        (void)uv_run(&loop, UV_RUN_ONCE);
    }
    assert_int_equal(end->closed, 2); /* adaptor and timer, once each */
    shuffle_pool_close(&end->pool);
    block_pool_close(&end->blocks);
    assert_int_equal(end->budget.used_bytes, 0);
}

static int setup(void **state)
{
    (void)state;
    (void)signal(SIGPIPE, SIG_IGN);
    return uv_loop_init(&loop);
}

static int teardown(void **state)
{
    (void)state;
    return uv_loop_close(&loop);
}

static void on_too_long(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

/* Runs the loop until the counter has come that far. */
static void run_until(const uint64_t *counter, uint64_t value)
{
    uv_timer_t limit;
    bool too_long = false;

    (void)uv_timer_init(&loop, &limit);
    limit.data = &too_long;
    (void)uv_timer_start(&limit, on_too_long, LONG_MS, 0);
    while (*counter < value && !too_long) {
        (void)uv_run(&loop, UV_RUN_ONCE);
    }
    uv_close((uv_handle_t *)&limit, NULL);
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    assert_in_range(*counter, value, UINT64_MAX);
}

static void register_with(int from, int to)
{
    assert_int_equal(shuffle_pool_register(&ends[from].pool, uv_now(&loop),
                             (uint64_t)to + 1, &ends[to].bound),
            0);
}

/* An Arrow-like payload of `size` bytes; its last byte is `mark`. */
static int send_data(int from, int to, size_t size, uint8_t mark)
{
    static uint8_t body[1 << 20];
    int code;

    memcpy(body, "\xff\xff\xff\xff\x01\0\0\0", 8);
    body[8] = mark;
    body[size - 1] = mark;
    code = shuffle_pool_vnode_data(&ends[from].pool, uv_now(&loop),
            (uint64_t)to + 1, 1, bytes_of(body, size), NULL);
    drain(&ends[from]);
    return code;
}

static void a_frame_crosses_on_an_ephemeral_port(void **state)
{
    (void)state;
    open_end(0);
    open_end(1);
    register_with(0, 1);
    assert_int_equal(send_data(0, 1, 100, 7), 0);
    run_until(&ends[1].frames, 1);
    assert_int_equal(ends[1].payload_bytes, 104);
    close_end(0);
    close_end(1);
}

static void a_published_address_is_found_on_first_contact(void **state)
{
    struct shuffle_peer_facts facts = {.id = 2, .generation = 1, .live = true};

    (void)state;
    open_end(0);
    open_end(1);
    ends[0].known = ends[1].bound;
    shuffle_pool_peer(&ends[0].pool, uv_now(&loop), &facts);
    assert_int_equal(send_data(0, 1, 100, 7), 0);
    run_until(&ends[1].frames, 1);
    close_end(0);
    close_end(1);
}

static void nobody_listening_is_unreachable_at_once(void **state)
{
    uint64_t start_ms;

    (void)state;
    open_end(0);
    open_end(1);
    register_with(0, 1);
    close_end(1);
    start_ms = uv_now(&loop);
    assert_int_equal(send_data(0, 1, 100, 7), 0);
    run_until(&ends[0].unreachables, 1);
    assert_in_range(uv_now(&loop) - start_ms, 0, 2000);
    close_end(0);
}

static void much_data_arrives_whole_and_in_order_through_a_slow_reader(
        void **state)
{
    uint64_t expected = 0;
    uint64_t sent = 0;

    (void)state;
    open_end(0);
    open_end(1);
    register_with(0, 1);
    ends[1].pause_at = 100;
    while (sent < 2000) {
        size_t size = 20 + (sent * 7919) % 100000;
        uint8_t mark = (uint8_t)(sent * 31);

        if (send_data(0, 1, size, mark) == 0) {
            expected = expected * 31 + mark + mark;
            sent++;
        } else {
            assert_in_range(ends[0].budget.used_bytes, 0, (size_t)50 << 20);
            if (ends[1].frames >= 100) {
                shuffle_pool_laminar_pause(&ends[1].pool, uv_now(&loop), false);
                drain(&ends[1]);
            }
            (void)uv_run(&loop, UV_RUN_ONCE);
        }
    }
    shuffle_pool_laminar_pause(&ends[1].pool, uv_now(&loop), false);
    drain(&ends[1]);
    run_until(&ends[1].frames, 2000);
    assert_int_equal(ends[1].checksum, expected);
    close_end(0);
    close_end(1);
}

static void a_peer_that_ends_is_noticed_and_found_again(void **state)
{
    (void)state;
    open_end(0);
    open_end(1);
    register_with(0, 1);
    send_data(0, 1, 100, 7);
    run_until(&ends[1].frames, 1);
    close_end(1);
    run_until(&ends[0].downs, 1);
    open_end(1);
    register_with(0, 1);
    assert_int_equal(send_data(0, 1, 100, 7), 0);
    run_until(&ends[1].frames, 1);
    assert_int_equal(shuffle_pool_links(&ends[0].pool), 1);
    close_end(0);
    close_end(1);
}

/* Every connection of this process that is up, both ends of each. */
static int count_without_delay(void)
{
    int count = 0;

    for (int fd = 3; fd < 256; fd++) {
        struct sockaddr_storage peer;
        socklen_t peer_size = sizeof(peer);
        int on = 0;
        socklen_t size = sizeof(on);

        if (getpeername(fd, (struct sockaddr *)&peer, &peer_size) == 0 &&
                getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &size) == 0) {
            assert_int_not_equal(on, 0);
            count++;
        }
    }
    return count;
}

static void no_end_delays_small_frames(void **state)
{
    (void)state;
    open_end(0);
    open_end(1);
    register_with(0, 1);
    send_data(0, 1, 100, 7);
    run_until(&ends[1].frames, 1);
    assert_int_equal(count_without_delay(), 2);
    close_end(0);
    close_end(1);
}

/* The other end has 3 MiB to read at once. */
static void begin_flood(void)
{
    open_end(0);
    open_end(1);
    register_with(0, 1);
    send_data(0, 1, 100, 7);
    run_until(&ends[1].ups, 1);
    shuffle_pool_laminar_pause(&ends[1].pool, uv_now(&loop), true);
    drain(&ends[1]);
    for (int i = 0; i < 30; i++) {
        assert_int_equal(send_data(0, 1, 100000, 7), 0);
    }
    for (int i = 0; i < 50; i++) {
        (void)uv_run(&loop, UV_RUN_NOWAIT);
    }
    shuffle_pool_laminar_pause(&ends[1].pool, uv_now(&loop), false);
    drain(&ends[1]);
}

static void a_turn_reads_a_megabyte_from_a_connection(void **state)
{
    (void)state;
    begin_flood();
    run_until(&ends[1].frames, 31);
    /* With the frame that the turn before had begun. */
    assert_in_range(ends[1].turn_bytes_max, 500000,
            SHUFFLE_UV_TURN_LINK_BYTES + SHUFFLE_UV_READ_BYTES + 100000);
    close_end(0);
    close_end(1);
}

static void a_connection_may_end_while_it_rests(void **state)
{
    (void)state;
    begin_flood();
    ends[1].leave_when_rested = true;
    run_until(&ends[1].downs, 1);
    run_until(&ends[0].downs, 1);
    close_end(0);
    close_end(1);
}

/* Frames that a peer never reads, until the system and the queue are full. */
static void a_broken_connection_says_how_much_never_left(void **state)
{
    struct addr at = addr_ipv4(127, 0, 0, 1, 0);
    struct sockaddr_storage address;
    socklen_t size = addr_posix_to_sockaddr(&at, &address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    uint64_t sent = 0;
    int fd;

    (void)state;
    open_end(0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, 1), 0);
    size = sizeof(address);
    assert_int_equal(
            getsockname(listener, (struct sockaddr *)&address, &size), 0);
    assert_true(addr_posix_from_sockaddr((struct sockaddr *)&address, &at));
    assert_int_equal(
            shuffle_pool_register(&ends[0].pool, uv_now(&loop), 2, &at), 0);
    while (send_data(0, 1, 50000, 7) == 0 || sent < 100) {
        sent++;
        for (int i = 0; i < 10; i++) {
            (void)uv_run(&loop, UV_RUN_NOWAIT);
        }
    }
    fd = accept(listener, NULL, NULL);
    assert_true(fd >= 0);
    close(fd); /* with bytes unread: a reset */
    run_until(&ends[0].downs, 1);
    assert_in_range(ends[0].unsent_frames, 20, sent);
    assert_in_range(ends[0].unacked_frames, ends[0].unsent_frames, sent + 1);
    close(listener);
    close_end(0);
}

static void leaving_delivers_its_close(void **state)
{
    (void)state;
    open_end(0);
    open_end(1);
    register_with(0, 1);
    send_data(0, 1, 100, 7);
    run_until(&ends[1].frames, 1);
    shuffle_pool_leave(&ends[0].pool, uv_now(&loop));
    drain(&ends[0]);
    run_until(&ends[1].downs, 1);
    assert_int_equal(ends[1].reason, SHUFFLE_REASON_LEAVING);
    run_until(&ends[0].downs, 1);
    close_end(0);
    close_end(1);
}

/* A blocking socket of somebody who speaks in bytes. */
static int stranger_connects_to(int i)
{
    struct sockaddr_storage address;
    socklen_t size = addr_posix_to_sockaddr(&ends[i].bound, &address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, size), 0);
    return fd;
}

static const uint64_t *dropped(int i, enum shuffle_drop drop)
{
    return &shuffle_pool_count(&ends[i].pool)->drops[drop];
}

static void silent_and_half_open_strangers_are_closed(void **state)
{
    struct shuffle_pool_options options = shuffle_pool_defaults();
    int fds[3];
    char byte;

    (void)state;
    options.connect_timeout_ms = 50;
    open_end_with(0, options);
    for (int i = 0; i < 3; i++) {
        fds[i] = stranger_connects_to(0);
    }
    assert_int_equal(write(fds[1], "\0\0\0\x09\x04\x05", 6), 6);
    assert_int_equal(shutdown(fds[2], SHUT_WR), 0);
    run_until(dropped(0, SHUFFLE_DROP_HELLO_LATE), 2);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(read(fds[i], &byte, 1), 0);
        close(fds[i]);
    }
    assert_int_equal(shuffle_pool_links(&ends[0].pool), 0);
    close_end(0);
}

static void an_accept_error_pauses_and_does_not_end_listening(void **state)
{
    struct rlimit limit;
    struct rlimit low;
    int fd;
    int probe;

    (void)state;
    open_end(0);
    open_end(1);
    register_with(1, 0);
    fd = stranger_connects_to(0);
    probe = dup(fd);
    assert_true(probe >= 0);
    close(probe);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = limit;
    low.rlim_cur = (rlim_t)probe; /* not one more descriptor */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    run_until(&ends[0].tcp.accept.errors, 2);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(send_data(1, 0, 100, 7), 0);
    run_until(&ends[0].frames, 1);
    close(fd);
    close_end(0);
    close_end(1);
}

static void a_port_in_use_is_one_sentence(void **state)
{
    struct shuffle_uv other = {
            .owner = &ends[1], .on_turn = drain, .on_closed = on_closed};
    struct addr bound;
    struct error err;
    char expected[128];

    (void)state;
    open_end(0);
    shuffle_uv_init(&other, &loop, &ends[0].pool);
    assert_int_equal(
            shuffle_uv_listen(&other, &ends[0].bound, &bound, &err), ERR_IO);
    (void)snprintf(expected, sizeof(expected),
            "cannot listen on TCP 127.0.0.1:%u: address already in use",
            ends[0].bound.port);
    assert_string_equal(err.text, expected);
    shuffle_uv_close(&other);
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    close_end(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_frame_crosses_on_an_ephemeral_port),
            cmocka_unit_test(a_published_address_is_found_on_first_contact),
            cmocka_unit_test(nobody_listening_is_unreachable_at_once),
            cmocka_unit_test(
                    much_data_arrives_whole_and_in_order_through_a_slow_reader),
            cmocka_unit_test(a_peer_that_ends_is_noticed_and_found_again),
            cmocka_unit_test(no_end_delays_small_frames),
            cmocka_unit_test(a_turn_reads_a_megabyte_from_a_connection),
            cmocka_unit_test(a_connection_may_end_while_it_rests),
            cmocka_unit_test(a_broken_connection_says_how_much_never_left),
            cmocka_unit_test(leaving_delivers_its_close),
            cmocka_unit_test(silent_and_half_open_strangers_are_closed),
            cmocka_unit_test(an_accept_error_pauses_and_does_not_end_listening),
            cmocka_unit_test(a_port_in_use_is_one_sentence),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
