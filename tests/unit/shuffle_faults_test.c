/* What peers and the system may do to a connection at any moment
 * (docs/wire.md, "Greeting between Weft nodes"). */
#include "pool_harness.h"

#include "shuffle/shuffle_info.h"

static struct net fixture;

static const char hello_3[] = "00000009 04 0300000000000000";

/* A barrier, as a LaminarDB peer would send it. */
static const char barrier_hex[] =
        "00000019 02 1100000000000000 2a00000000000000 0100000000000000";

/* Node 3 of cluster "weft" greets node 1, of any generation. */
static const char greet_3[] =
        "00000030 10 0100 0100 0300000000000000 2c01000000000000"
        "0100000000000000 0000000000000000 0100 00010000 0477656674";

/* Node 3 welcomes node 1 of generation 100. */
static const char welcome_3[] =
        "00000030 11 0100 0100 0300000000000000 2c01000000000000"
        "0100000000000000 6400000000000000 0100 00010000 0477656674";

/* Node 1, which knows a node 3 that strangers speak for. */
static struct net *begin(bool speaks_weft)
{
    net_init(&fixture);
    net_add(&fixture, 0);
    fixture.kv[3] = (struct shuffle_peer_facts){
            .id = 3,
            .generation = 300,
            .live = true,
            .speaks_weft = speaks_weft,
            .address = fixture.stranger_address,
    };
    net_tell(&fixture, 0, 3);
    return &fixture;
}

static struct shuffle_pool *pool_of(struct net *net)
{
    return &net->nodes[0].pool;
}

static uint64_t drops(struct net *net, enum shuffle_drop drop)
{
    return shuffle_pool_count(pool_of(net))->drops[drop];
}

/* A weft link from node 3, up. */
static struct wire *greeted(struct net *net)
{
    struct wire *wire = stranger_connects(net, 0);

    stranger_says(net, wire, hello_3);
    stranger_says(net, wire, greet_3);
    assert_string_equal(net_said(net, 0), "up:3<weft");
    return wire;
}

/* A weft link to node 3, up. */
static struct wire *welcomed(struct net *net)
{
    struct wire *wire;

    shuffle_pool_want(pool_of(net), net->now_ms, 3);
    net_run(net);
    wire = stranger_accepted(net);
    stranger_says(net, wire, welcome_3);
    assert_string_equal(net_said(net, 0), "up:3>weft");
    return wire;
}

/* A LaminarDB peer's connection, up, from an address of its own. */
static struct wire *laminar_from(struct net *net, uint8_t host)
{
    struct wire *wire =
            stranger_connects_from(net, 0, addr_ipv4(10, 6, 6, host, 6));

    stranger_says(net, wire, hello_3);
    stranger_says(net, wire, barrier_hex);
    return wire;
}

/* Nothing is left of any connection, and nothing queued for later. */
static void end(struct net *net)
{
    net_advance(net, 10000);
    assert_int_equal(shuffle_pool_links(pool_of(net)), 0);
    net_close(net);
}

struct misplaced {
    const char *name;
    const char *hex;
    enum shuffle_drop drop;
};

static const struct misplaced to_acceptor[] = {
        {"GREET again", greet_3, SHUFFLE_DROP_PLACE},
        {"WELCOME", welcome_3, SHUFFLE_DROP_PLACE},
        {"PONG", "00000009 22 0000000000000000", SHUFFLE_DROP_PLACE},
        {"OPENED", "00000016 31 01000000 00 0000000000000000 0000040000000000",
                SHUFFLE_DROP_PLACE},
        {"GRANT", "00000015 33 01000000 0200000000000000 0f00040000000000",
                SHUFFLE_DROP_PLACE},
        {"DONE", "0000000d 35 01000000 0200000000000000", SHUFFLE_DROP_PLACE},
        {"CALL of the local socket", "00000005 40 01000000",
                SHUFFLE_DROP_PLACE},
        {"an unknown tag", "00000001 7f", SHUFFLE_DROP_TAG},
        {"a PING cut short", "00000005 21 00000000", SHUFFLE_DROP_MALFORMED},
        {"nothing at all", "00000000", SHUFFLE_DROP_EMPTY},
};

static const struct misplaced to_connector[] = {
        {"WELCOME again", welcome_3, SHUFFLE_DROP_PLACE},
        {"GREET", greet_3, SHUFFLE_DROP_PLACE},
        {"Hello", hello_3, SHUFFLE_DROP_PLACE},
        {"Barrier", barrier_hex, SHUFFLE_DROP_PLACE},
        {"PING", "00000009 21 0000000000000000", SHUFFLE_DROP_PLACE},
        {"CONTROL", "00000002 20 01", SHUFFLE_DROP_PLACE},
        {"DATA",
                "0000001c 32 01000000 0000000000000000"
                "03000000 746865 04000000 6c6f6f6d",
                SHUFFLE_DROP_PLACE},
        {"MARK",
                "00000025 34 01000000 0200000000000000 0000000000000000"
                "0000000000000000 0200000000000000",
                SHUFFLE_DROP_PLACE},
};

static void expect_refused(
        struct net *net, struct wire *wire, const struct misplaced *row)
{
    print_message("  %s\n", row->name);
    stranger_says(net, wire, row->hex);
    assert_non_null(strstr(net_said(net, 0), "protocol"));
    assert_int_equal(drops(net, row->drop), 1);
    assert_non_null(strstr(stranger_heard(wire), "ff70726f746f636f6c3a"));
    end(net);
}

static void what_may_not_come_from_a_greeted_peer_ends_its_link(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(to_acceptor) / sizeof(to_acceptor[0]); i++) {
        struct net *net = begin(true);

        expect_refused(net, greeted(net), &to_acceptor[i]);
    }
}

static void what_may_not_come_back_ends_our_link(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(to_connector) / sizeof(to_connector[0]);
            i++) {
        struct net *net = begin(true);

        expect_refused(net, welcomed(net), &to_connector[i]);
    }
}

static void greet_behind_other_frames_comes_too_late(void **state)
{
    struct net *net = begin(true);
    struct wire *wire = stranger_connects(net, 0);

    (void)state;
    stranger_says(net, wire, hello_3);
    stranger_says(net, wire, barrier_hex);
    stranger_says(net, wire, greet_3);
    assert_string_equal(
            net_said(net, 0), "up:3<laminar 02:3:24 down:3<protocol");
    assert_string_equal(stranger_heard(wire), "");
    end(net);
}

/* How far a connection had come when it was reset. */
static const struct {
    const char *name;
    bool outgoing;
    bool speaks_weft;
    const char *said[3];
} resets[] = {
        {"before Hello", false, true, {NULL}},
        {"inside Hello", false, true, {"000000"}},
        {"behind Hello", false, true, {hello_3}},
        {"behind Hello and a part of GREET", false, true,
                {hello_3, "00000030 10 01"}},
        {"greeted", false, true, {hello_3, greet_3}},
        {"greeted, inside a frame", false, true, {hello_3, greet_3, "0000"}},
        {"a LaminarDB peer's", false, true, {hello_3, barrier_hex}},
        {"waiting for WELCOME", true, true, {NULL}},
        {"inside WELCOME", true, true, {"00000030 11"}},
        {"welcomed", true, true, {welcome_3}},
        {"to a LaminarDB peer", true, false, {NULL}},
};

static void a_reset_at_any_moment_leaves_nothing_behind(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(resets) / sizeof(resets[0]); i++) {
        struct net *net = begin(resets[i].speaks_weft);
        struct wire *wire;
        int side = resets[i].outgoing ? 0 : 1;

        print_message("  %s\n", resets[i].name);
        if (resets[i].outgoing) {
            shuffle_pool_want(pool_of(net), net->now_ms, 3);
            net_run(net);
            wire = stranger_accepted(net);
        } else {
            wire = stranger_connects(net, 0);
        }
        for (size_t j = 0; j < 3 && resets[i].said[j] != NULL; j++) {
            stranger_says(net, wire, resets[i].said[j]);
        }
        net->stranger_address = addr_ipv4(10, 1, 1, 1, 1); /* no more of it */
        shuffle_pool_closed(pool_of(net), net->now_ms, wire->link[side],
                "connection reset by peer");
        net_run(net);
        assert_true(stranger_is_closed(wire));
        end(net);
    }
}

/* The frame behind Hello is judged again behind UP; it must not be another
 * connection's by then. */
static void a_link_that_ends_behind_up_takes_its_frame_with_it(void **state)
{
    struct net *net = begin(false);
    struct wire *wire = stranger_connects(net, 0);
    struct shuffle_pool_action action;
    struct shuffle_pool *pool = pool_of(net);

    (void)state;
    stranger_says(net, wire, hello_3);
    shuffle_pool_received(pool, net->now_ms, wire->link[1],
            bytes_of("\0\0\0\x19\x02"
                     "012345678901234567890123",
                    29));
    assert_true(shuffle_pool_next(pool, &action));
    assert_int_equal(action.type, SHUFFLE_POOL_UP);
    shuffle_pool_starved(pool, net->now_ms, wire->link[1]);
    while (shuffle_pool_next(pool, &action)) {
        assert_int_not_equal(action.type, SHUFFLE_POOL_LAMINAR);
    }
    wire->link[1] = 0;
    (void)laminar_from(net, 1);
    assert_string_equal(net_said(net, 0), "up:3<laminar 02:3:24");
    net_close(net);
}

static void leaving_while_connecting_writes_nothing(void **state)
{
    (void)state;
    for (int speaks_weft = 0; speaks_weft < 2; speaks_weft++) {
        struct net *net = begin(speaks_weft != 0);

        net->kv[3].address = net->silent_address;
        net_tell(net, 0, 3);
        shuffle_pool_want(pool_of(net), net->now_ms, 3);
        net_run(net);
        assert_int_equal(shuffle_pool_links(pool_of(net)), 1);
        shuffle_pool_leave(pool_of(net), net->now_ms);
        net_run(net);
        assert_int_equal(net->wires[0].pipe[0].size, 0);
        end(net);
    }
}

static void a_peer_that_comes_to_us_is_not_kept_waiting(void **state)
{
    struct net *net = begin(true);
    uint64_t deadline_ms;

    (void)state;
    net->kv[3].address = addr_ipv4(10, 1, 1, 1, 1);
    net_tell(net, 0, 3);
    shuffle_pool_want(pool_of(net), net->now_ms, 3);
    net_run(net);
    assert_string_equal(net_said(net, 0), "unreachable:3:-3");
    deadline_ms = net->now_ms;
    net->kv[3].address = net->stranger_address;
    (void)stranger_connects(net, 0);
    stranger_says(net, &net->wires[net->wires_count - 1], hello_3);
    assert_non_null(stranger_accepted(net)); /* without waiting */
    assert_int_equal(net->now_ms, deadline_ms);
    net_close(net);
}

/* Its address is right, and each connection to it ends at once. */
static void a_link_that_does_not_last_is_not_made_again_at_once(void **state)
{
    struct net *net = begin(false);
    struct error err;

    (void)state;
    shuffle_pool_want(pool_of(net), net->now_ms, 3);
    net_run(net);
    stranger_ends(net, stranger_accepted(net));
    assert_string_equal(net_said(net, 0), "up:3>laminar down:3>ended");
    assert_int_equal(
            shuffle_pool_hello(pool_of(net), net->now_ms, 3, 9, &err), ERR_IO);
    net_advance(net, 130);
    assert_int_equal(
            shuffle_pool_hello(pool_of(net), net->now_ms, 3, 9, &err), 0);
    net_run(net);
    net_advance(net, 4000);
    stranger_ends(net, stranger_accepted(net));
    assert_int_equal(shuffle_pool_hello(pool_of(net), net->now_ms, 3, 9, &err),
            0); /* that one had lasted */
    net_close(net);
}

static void a_peer_that_changes_its_dialect_is_greeted_anew(void **state)
{
    struct net *net = begin(false);

    (void)state;
    shuffle_pool_want(pool_of(net), net->now_ms, 3);
    net_run(net);
    assert_string_equal(net_said(net, 0), "up:3>laminar");
    net->kv[3].speaks_weft = true;
    net_tell(net, 0, 3);
    net_run(net);
    assert_string_equal(net_said(net, 0), "down:3>generation");
    net_close(net);
}

static void a_link_refused_for_good_is_not_made_again(void **state)
{
    struct net *net = begin(true);
    struct wire *wire = welcomed(net);
    int wires_count = net->wires_count;

    (void)state;
    stranger_says(net, wire, "0000000a ff 70726f746f636f6c3a");
    assert_string_equal(net_said(net, 0), "down:3>protocol");
    shuffle_pool_want(pool_of(net), net->now_ms, 3);
    net_advance(net, 20000);
    assert_string_equal(net_said(net, 0), "unreachable:3:-1");
    assert_int_equal(net->wires_count, wires_count);
    net_close(net);
}

/* A node that leaves says so; its address stays right. */
static void a_peer_that_is_leaving_is_not_asked_for_anew(void **state)
{
    struct net *net = begin(true);

    (void)state;
    shuffle_pool_want(pool_of(net), net->now_ms, 3);
    net_run(net);
    stranger_says(net, stranger_accepted(net), "00000009 ff 6c656176696e673a");
    assert_string_equal(net_said(net, 0), "unreachable:3:-3");
    assert_int_equal(net->nodes[0].resolves, 0);
    net_close(net);
}

/* A stream that opens on a link that was idle for long begins a new silence. */
static void an_idle_link_is_not_silent_when_a_stream_opens(void **state)
{
    struct net *net = begin(true);
    struct wire *wire = greeted(net);

    (void)state;
    net_advance(net, 60000);
    shuffle_pool_streams_open(pool_of(net), net->now_ms, wire->link[1], 1);
    net_advance(net, 29000);
    assert_string_equal(net_said(net, 0), "");
    net_advance(net, 2000);
    assert_string_equal(net_said(net, 0), "down:3<lost");
    net_close(net);
}

/* 5 bytes of header, vnode, and what an Arrow stream begins with. */
static void begin_vnode_data(struct net *net, struct wire *wire, size_t payload)
{
    uint8_t bytes[FRAME_HEADER_BYTES + 12] = {0};

    frame_put_header(bytes, SHUFFLE_TAG_VNODE_DATA, payload);
    memcpy(bytes + FRAME_HEADER_BYTES + 4, "\xff\xff\xff\xff\x01\0\0\0", 8);
    stranger_says_bytes(net, wire, bytes_of(bytes, sizeof(bytes)));
}

static void the_line_for_memory_has_one_order_and_its_own_patience(void **state)
{
    struct net *net = begin(false);
    struct wire *large = laminar_from(net, 1);
    struct wire *small = laminar_from(net, 2);
    struct block *taken = block_new(&net->nodes[0].blocks, (size_t)60 << 20);

    (void)state;
    assert_non_null(taken);
    begin_vnode_data(net, large, (size_t)60 << 20);
    begin_vnode_data(net, small, (size_t)1 << 20); /* there is room for it */
    assert_true(large->unread[1]);
    assert_true(small->unread[1]);
    net_advance(net, 30000); /* while unread they cannot bring anything */
    block_free(taken);
    net_advance(net, 200);
    assert_false(large->unread[1]);
    assert_false(stranger_is_closed(large));
    net_advance(net, 9000); /* from now on it must bring something */
    assert_false(stranger_is_closed(large));
    net_advance(net, 1200);
    assert_true(stranger_is_closed(large));
    assert_int_equal(drops(net, SHUFFLE_DROP_RESERVED), 2);
    net_close(net);
}

/* The one row about the accepted connection. */
static const char *state_of(struct net *net)
{
    struct shuffle_info row;

    for (size_t i = 0; shuffle_info_at(pool_of(net), i, &row); i++) {
        if (!row.outgoing) {
            return row.state;
        }
    }
    return "";
}

static void a_connection_left_unread_says_so(void **state)
{
    struct net *net = begin(false);
    struct wire *wire = laminar_from(net, 1);

    (void)state;
    assert_string_equal(state_of(net), "up");
    shuffle_pool_laminar_pause(pool_of(net), net->now_ms, true);
    net_run(net);
    assert_true(wire->unread[1]);
    assert_string_equal(state_of(net), "unread");
    shuffle_pool_laminar_pause(pool_of(net), net->now_ms, false);
    net_run(net);
    assert_string_equal(state_of(net), "up");
    net_close(net);
}

static void a_frame_without_use_is_counted(void **state)
{
    struct net *net = begin(true);
    struct wire *wire = greeted(net);

    (void)state;
    stranger_says(net, wire, "00000004 20 01 7b7d");
    assert_string_equal(net_said(net, 0), "20:3:3");
    shuffle_pool_unused(pool_of(net), wire->link[1]);
    assert_int_equal(drops(net, SHUFFLE_DROP_UNUSED), 1);
    assert_string_equal(shuffle_drop_name(SHUFFLE_DROP_UNUSED), "unused");
    net_close(net);
}

static void a_link_without_memory_for_a_frame_ends(void **state)
{
    struct net *net = begin(false);
    struct wire *wire = laminar_from(net, 1);

    (void)state;
    net_said(net, 0);
    shuffle_pool_starved(pool_of(net), net->now_ms, wire->link[1]);
    net_run(net);
    assert_string_equal(net_said(net, 0), "down:3<busy");
    assert_int_equal(drops(net, SHUFFLE_DROP_MEMORY), 1);
    end(net);
}

/* The latest frame's memory changes hands; a short one's does not. */
static void a_long_frame_can_be_taken_with_its_memory(void **state)
{
    enum {
        PAYLOAD = 1 << 20
    };
    struct net *net = begin(false);
    struct wire *wire = laminar_from(net, 1);
    struct shuffle_pool *pool = pool_of(net);
    struct shuffle_pool_action action;
    size_t before = net->nodes[0].budget.used_bytes;
    uint8_t *rest = calloc(1, PAYLOAD);
    struct block *taken;

    (void)state;
    assert_non_null(rest);
    assert_null(shuffle_pool_take(pool));
    stranger_says(net, wire, "00000009 04 01");
    shuffle_pool_received(
            pool, net->now_ms, wire->link[1], bytes_of("\0\0\0\0\0\0\0", 7));
    assert_true(shuffle_pool_next(pool, &action)); /* short, in two pieces */
    assert_null(shuffle_pool_take(pool));
    assert_false(shuffle_pool_next(pool, &action));
    begin_vnode_data(net, wire, PAYLOAD);
    shuffle_pool_received(
            pool, net->now_ms, wire->link[1], bytes_of(rest, PAYLOAD - 12));
    assert_true(shuffle_pool_next(pool, &action));
    assert_int_equal(action.payload.size, PAYLOAD);
    taken = shuffle_pool_take(pool);
    assert_non_null(taken);
    assert_null(shuffle_pool_take(pool));
    assert_false(shuffle_pool_next(pool, &action));
    assert_int_equal(block_bytes(taken).size, FRAME_HEADER_BYTES + PAYLOAD);
    assert_in_range(
            net->nodes[0].budget.used_bytes, before + PAYLOAD, SIZE_MAX);
    block_free(taken);
    assert_int_equal(net->nodes[0].budget.used_bytes, before);
    free(rest);
    net_close(net);
}

/* A slot's numbers come again only after 65,535 others. */
static void an_accept_storm_leaves_no_trace(void **state)
{
    struct net *net = begin(true);
    struct shuffle_pool *pool = pool_of(net);
    struct addr from = addr_ipv4(10, 6, 6, 6, 6);
    size_t before = net->nodes[0].budget.used_bytes;
    struct shuffle_pool_action action;
    uint32_t last = 0;

    (void)state;
    for (int i = 0; i < 70000; i++) {
        uint32_t link;

        assert_int_equal(
                shuffle_pool_accepted(pool, net->now_ms, &from, &link), 0);
        assert_int_not_equal(link, 0);
        assert_int_not_equal(link, last);
        last = link;
        shuffle_pool_closed(pool, net->now_ms, link, "connection reset");
        while (shuffle_pool_next(pool, &action)) {
            assert_int_equal(action.type, SHUFFLE_POOL_CLOSE);
        }
    }
    assert_int_equal(shuffle_pool_links(pool), 0);
    assert_int_equal(net->nodes[0].budget.used_bytes, before);
    net_close(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(
                    what_may_not_come_from_a_greeted_peer_ends_its_link),
            cmocka_unit_test(what_may_not_come_back_ends_our_link),
            cmocka_unit_test(greet_behind_other_frames_comes_too_late),
            cmocka_unit_test(a_reset_at_any_moment_leaves_nothing_behind),
            cmocka_unit_test(
                    a_link_that_ends_behind_up_takes_its_frame_with_it),
            cmocka_unit_test(leaving_while_connecting_writes_nothing),
            cmocka_unit_test(a_peer_that_comes_to_us_is_not_kept_waiting),
            cmocka_unit_test(
                    a_link_that_does_not_last_is_not_made_again_at_once),
            cmocka_unit_test(a_peer_that_changes_its_dialect_is_greeted_anew),
            cmocka_unit_test(a_link_refused_for_good_is_not_made_again),
            cmocka_unit_test(a_peer_that_is_leaving_is_not_asked_for_anew),
            cmocka_unit_test(an_idle_link_is_not_silent_when_a_stream_opens),
            cmocka_unit_test(
                    the_line_for_memory_has_one_order_and_its_own_patience),
            cmocka_unit_test(a_connection_left_unread_says_so),
            cmocka_unit_test(a_frame_without_use_is_counted),
            cmocka_unit_test(a_link_without_memory_for_a_frame_ends),
            cmocka_unit_test(a_long_frame_can_be_taken_with_its_memory),
            cmocka_unit_test(an_accept_storm_leaves_no_trace),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
