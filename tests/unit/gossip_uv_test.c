/* The UDP adaptor on loopback. Numbers are those of the conformance lists of
 * the wire (28 to 31, 37) and of the state machine (124). */
#include "gossip/gossip_uv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/socket.h>
#include <unistd.h>

#include "base/addr_posix.h"
#include "gossip/gossip_decode.h"

enum {
    PATIENCE_MS = 10000, /* how long a test waits before it fails */
    KEPT_BYTES = 65536,
};

struct node {
    struct gossip_uv uv;
    size_t datagrams;
    size_t turns;
    struct addr last_from;
    uint8_t last[KEPT_BYTES];
    size_t last_bytes;
    bool closes_at_next; /* in the middle of a batch */
    bool is_closed;
};

struct fixture {
    uv_loop_t loop;
    uv_timer_t patience;
    bool is_late;
    struct node a;
    struct node b;
};

static void on_datagram(
        void *owner, const struct addr *from, struct bytes datagram)
{
    struct node *n = owner;

    assert_true(datagram.size <= KEPT_BYTES);
    n->datagrams++;
    n->last_from = *from;
    n->last_bytes = datagram.size;
    if (datagram.size > 0) {
        memcpy(n->last, datagram.data, datagram.size);
    }
    if (n->closes_at_next) {
        gossip_uv_close(&n->uv);
    }
}

static void on_turn(void *owner)
{
    struct node *n = owner;

    n->turns++;
}

static void on_closed(void *owner)
{
    struct node *n = owner;

    n->is_closed = true;
}

static void on_late(uv_timer_t *timer)
{
    struct fixture *f = timer->data;

    f->is_late = true;
}

static struct addr addr_of(const char *text)
{
    struct addr addr;

    assert_true(addr_parse(bytes_text(text), &addr));
    return addr;
}

static void init_node(struct fixture *f, struct node *n)
{
    *n = (struct node){.datagrams = 0};
    n->uv.owner = n;
    n->uv.on_datagram = on_datagram;
    n->uv.on_turn = on_turn;
    n->uv.on_closed = on_closed;
    assert_int_equal(gossip_uv_init(&n->uv, &f->loop, NULL), 0);
}

static void open_node(struct node *n, const char *at)
{
    struct addr addr = addr_of(at);

    assert_int_equal(gossip_uv_open(&n->uv, &addr, NULL), 0);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    assert_int_equal(uv_loop_init(&f->loop), 0);
    assert_int_equal(uv_timer_init(&f->loop, &f->patience), 0);
    f->patience.data = f;
    assert_int_equal(uv_timer_start(&f->patience, on_late, PATIENCE_MS, 0), 0);
    init_node(f, &f->a);
    init_node(f, &f->b);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gossip_uv_close(&f->a.uv);
    gossip_uv_close(&f->b.uv);
    gossip_uv_close(&f->b.uv); /* twice is once */
    uv_close((uv_handle_t *)&f->patience, NULL);
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
    assert_true(f->a.is_closed && f->b.is_closed);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    free(f);
    return 0;
}

static void run_until(struct fixture *f, const size_t *count, size_t wanted)
{
    while (*count < wanted && !f->is_late) {
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    }
    assert_false(f->is_late);
}

static void send_text(struct node *from, struct node *to, const char *text)
{
    gossip_uv_send(&from->uv, gossip_uv_bound(&to->uv), bytes_text(text));
}

static void assert_last_is(const struct node *n, const char *text)
{
    assert_true(bytes_equal_text(bytes_of(n->last, n->last_bytes), text));
}

static void line_31_a_datagram_is_waited_for_and_delivered(void **state)
{
    struct fixture *f = *state;

    open_node(&f->a, "127.0.0.1:0");
    open_node(&f->b, "127.0.0.1:0");
    assert_int_not_equal(gossip_uv_bound(&f->a.uv)->port, 0);
    (void)uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_int_equal(f->b.datagrams, 0);
    assert_int_equal(f->b.turns, 0);
    send_text(&f->a, &f->b, "hello");
    run_until(f, &f->b.turns, 1);
    assert_last_is(&f->b, "hello");
    assert_true(addr_equal(&f->b.last_from, gossip_uv_bound(&f->a.uv)));
    assert_int_equal(f->a.uv.counters.sent, 1);
    assert_int_equal(f->b.uv.counters.received_bytes, 5);
}

static void line_28_junk_is_dropped_and_the_next_is_delivered(void **state)
{
    static const uint8_t syn[] = {
            0x53, 0xb0, 0, 0, 0, 0, 4, 0, 'w', 'e', 'f', 't'};
    struct fixture *f = *state;
    struct gossip_decoder decoder;
    struct gossip_message m;
    enum gossip_drop why;

    assert_int_equal(gossip_decoder_init(&decoder), 0);
    open_node(&f->a, "127.0.0.1:0");
    open_node(&f->b, "127.0.0.1:0");
    send_text(&f->a, &f->b, "junk");
    run_until(f, &f->b.datagrams, 1);
    assert_int_not_equal(
            gossip_decode(
                    &decoder, bytes_of(f->b.last, f->b.last_bytes), &m, &why),
            0);
    gossip_uv_send(
            &f->a.uv, gossip_uv_bound(&f->b.uv), bytes_of(syn, sizeof(syn)));
    run_until(f, &f->b.datagrams, 2);
    assert_int_equal(gossip_decode(&decoder,
                             bytes_of(f->b.last, f->b.last_bytes), &m, &why),
            0);
    assert_true(bytes_equal_text(m.cluster, "weft"));
    assert_true(addr_equal(&f->b.last_from, gossip_uv_bound(&f->a.uv)));
    gossip_decoder_close(&decoder);
}

static void line_29_an_address_is_opened_by_one(void **state)
{
    struct fixture *f = *state;
    struct node c;
    struct error err;
    struct addr taken;
    char text[ADDR_TEXT_BYTES];

    open_node(&f->a, "127.0.0.1:0");
    taken = *gossip_uv_bound(&f->a.uv);
    assert_int_equal(gossip_uv_open(&f->b.uv, &taken, &err), ERR_IO);
    printf("  %s\n", err.text);
    assert_non_null(strstr(err.text, addr_format(&taken, text)));
    gossip_uv_close(&f->a.uv);
    while (!f->a.is_closed) {
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    }
    init_node(f, &c);
    assert_int_equal(gossip_uv_open(&c.uv, &taken, &err), 0);
    gossip_uv_close(&c.uv);
    while (!c.is_closed) {
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    }
}

/* A port that was just given up, so that nobody listens there. */
static struct addr closed_port(struct fixture *f)
{
    struct node gone;
    struct addr addr;

    init_node(f, &gone);
    open_node(&gone, "127.0.0.1:0");
    addr = *gossip_uv_bound(&gone.uv);
    gossip_uv_close(&gone.uv);
    while (!gone.is_closed) {
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    }
    return addr;
}

static void line_30_sending_where_nobody_listens_is_no_error(void **state)
{
    struct fixture *f = *state;
    struct addr nobody = closed_port(f);

    open_node(&f->a, "127.0.0.1:0");
    open_node(&f->b, "127.0.0.1:0");
    for (int i = 0; i < 3; i++) {
        gossip_uv_send(&f->a.uv, &nobody, bytes_text("anybody?"));
        (void)uv_run(&f->loop, UV_RUN_NOWAIT);
    }
    assert_int_equal(f->a.uv.counters.sent, 3);
    assert_int_equal(f->a.uv.counters.send_errors, 0);
    send_text(&f->b, &f->a, "still there");
    run_until(f, &f->a.datagrams, 1);
    assert_last_is(&f->a, "still there");
}

static void connect_socket(struct node *n, const struct addr *to)
{
    struct sockaddr_storage storage;
    socklen_t size = addr_posix_to_sockaddr(to, &storage);
    uv_os_fd_t fd;

    assert_int_equal(uv_fileno((uv_handle_t *)&n->uv.socket, &fd), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&storage, size), 0);
    assert_int_equal(send(fd, "x", 1, 0), 1);
}

/* The system reports a refused datagram to a connected socket as an error of
 * its next receive: the one receive error that can be had on loopback. */
static void s19_124_a_receive_error_does_not_end_the_loop(void **state)
{
    struct fixture *f = *state;
    struct addr nobody = closed_port(f);

    open_node(&f->a, "127.0.0.1:0");
    open_node(&f->b, "127.0.0.1:0");
    for (uint64_t errors = 1; errors <= 3; errors++) {
        connect_socket(&f->a, &nobody);
        while (f->a.uv.counters.receive_errors < errors && !f->is_late) {
            (void)uv_run(&f->loop, UV_RUN_ONCE);
        }
        assert_false(f->is_late);
        connect_socket(&f->a, gossip_uv_bound(&f->b.uv));
        send_text(&f->b, &f->a, "after the error");
        run_until(f, &f->a.datagrams, errors);
        assert_last_is(&f->a, "after the error");
    }
}

static void a_send_that_cannot_be_is_counted_and_forgotten(void **state)
{
    static uint8_t too_large[70000];
    struct fixture *f = *state;

    open_node(&f->a, "127.0.0.1:0");
    open_node(&f->b, "127.0.0.1:0");
    gossip_uv_send(&f->a.uv, gossip_uv_bound(&f->b.uv),
            bytes_of(too_large, sizeof(too_large)));
    assert_int_equal(f->a.uv.counters.send_errors, 1);
    assert_int_equal(f->a.uv.counters.sent, 0);
    send_text(&f->a, &f->b, "smaller");
    run_until(f, &f->b.datagrams, 1);
}

static void line_37_the_largest_datagram_is_carried_whole(void **state)
{
    static uint8_t large[GOSSIP_DATAGRAM_BYTES];
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(large); i++) {
        large[i] = (uint8_t)(i * 7);
    }
    open_node(&f->a, "127.0.0.1:0");
    open_node(&f->b, "127.0.0.1:0");
    gossip_uv_send(&f->a.uv, gossip_uv_bound(&f->b.uv),
            bytes_of(large, sizeof(large)));
    run_until(f, &f->b.datagrams, 1);
    assert_int_equal(f->b.last_bytes, sizeof(large));
    assert_memory_equal(f->b.last, large, sizeof(large));
}

static void an_empty_datagram_is_a_datagram(void **state)
{
    struct fixture *f = *state;

    open_node(&f->a, "127.0.0.1:0");
    open_node(&f->b, "127.0.0.1:0");
    send_text(&f->a, &f->b, "");
    run_until(f, &f->b.datagrams, 1);
    assert_int_equal(f->b.last_bytes, 0);
}

static void a_turn_of_the_loop_brings_so_many_and_no_more(void **state)
{
    enum {
        SENT = 150
    }; /* small enough for any socket buffer */
    struct fixture *f = *state;

    open_node(&f->a, "127.0.0.1:0");
    open_node(&f->b, "127.0.0.1:0");
    for (int i = 0; i < SENT; i++) {
        send_text(&f->a, &f->b, "one of many");
    }
    while (f->b.datagrams < SENT && !f->is_late) {
        size_t before = f->b.datagrams;

        (void)uv_run(&f->loop, UV_RUN_ONCE);
        assert_true(f->b.datagrams - before <= GOSSIP_UV_TURN);
    }
    assert_false(f->is_late);
    assert_true(f->b.turns < SENT); /* they came in batches */
}

static void closing_in_the_middle_of_a_batch_ends_it(void **state)
{
    struct fixture *f = *state;

    open_node(&f->a, "127.0.0.1:0");
    open_node(&f->b, "127.0.0.1:0");
    f->b.closes_at_next = true;
    for (int i = 0; i < 5; i++) {
        send_text(&f->a, &f->b, "one of five");
    }
    while (!f->b.is_closed && !f->is_late) {
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    }
    assert_int_equal(f->b.datagrams, 1);
    assert_int_equal(f->b.turns, 0);
}

/* Some machines have no IPv6; then there is nothing to test. */
static bool has_ipv6(void)
{
    struct addr addr = addr_of("[::1]:0");
    struct sockaddr_storage storage;
    socklen_t size = addr_posix_to_sockaddr(&addr, &storage);
    int fd = socket(AF_INET6, SOCK_DGRAM, 0);
    bool is_bound = fd >= 0 && bind(fd, (struct sockaddr *)&storage, size) == 0;

    if (fd >= 0) {
        (void)close(fd);
    }
    return is_bound;
}

static void IPv6_nodes_speak_too(void **state)
{
    struct fixture *f = *state;

    if (!has_ipv6()) {
        skip();
    }
    open_node(&f->a, "[::1]:0");
    open_node(&f->b, "[::1]:0");
    send_text(&f->a, &f->b, "over six");
    run_until(f, &f->b.datagrams, 1);
    assert_last_is(&f->b, "over six");
    assert_true(addr_equal(&f->b.last_from, gossip_uv_bound(&f->a.uv)));
}

static void a_socket_on_any_address_serves_IPv4_as_IPv4(void **state)
{
    struct fixture *f = *state;
    struct addr any;

    if (!has_ipv6()) {
        skip();
    }
    open_node(&f->a, "127.0.0.1:0");
    open_node(&f->b, "[::]:0");
    any = addr_ipv4(127, 0, 0, 1, gossip_uv_bound(&f->b.uv)->port);
    gossip_uv_send(&f->a.uv, &any, bytes_text("four to six"));
    run_until(f, &f->b.datagrams, 1);
    assert_true(addr_equal(&f->b.last_from, gossip_uv_bound(&f->a.uv)));
    gossip_uv_send(&f->b.uv, &f->b.last_from, bytes_text("and back"));
    run_until(f, &f->a.datagrams, 1);
    assert_last_is(&f->a, "and back");
    assert_true(addr_equal(&f->a.last_from, &any));
}

#define UV_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
            UV_TEST(line_28_junk_is_dropped_and_the_next_is_delivered),
            UV_TEST(line_29_an_address_is_opened_by_one),
            UV_TEST(line_30_sending_where_nobody_listens_is_no_error),
            UV_TEST(line_31_a_datagram_is_waited_for_and_delivered),
            UV_TEST(line_37_the_largest_datagram_is_carried_whole),
            UV_TEST(s19_124_a_receive_error_does_not_end_the_loop),
            UV_TEST(a_send_that_cannot_be_is_counted_and_forgotten),
            UV_TEST(an_empty_datagram_is_a_datagram),
            UV_TEST(a_turn_of_the_loop_brings_so_many_and_no_more),
            UV_TEST(closing_in_the_middle_of_a_batch_ends_it),
            UV_TEST(IPv6_nodes_speak_too),
            UV_TEST(a_socket_on_any_address_serves_IPv4_as_IPv4),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
