/* Numbers in names are those of docs/wire.md, "LaminarDB's frames". */
#include "pool_harness.h"

#include "shuffle/shuffle_tracker.h"

static struct net fixture;

/* The 312 bytes of one record batch: x = 1, 2, 3. */
static const char arrow_hex[] =
        "ffffffff800000001000000000000a0010000e00070008000a00000000000001100000"
        "00"
        "0000040008000800000004000800000004000000010000001400000010001400040000"
        "00"
        "0f00100000000800100000001000000014000000000000021800000001000000780000"
        "000000000008000c000800070008000000000000014000000000000000ffffffff8800"
        "00"
        "0014000000000000000c00160014000f00100004000c00000018000000000000000000"
        "00"
        "031000000004000a0018000c00080004000a0000001400000038000000030000000000"
        "00"
        "0000000000020000000000000000000000000000000000000000000000000000001800"
        "00"
        "0000000000000000000100000003000000000000000000000000000000010000000000"
        "00"
        "0002000000000000000300000000000000ffffffff00000000";

static uint8_t arrow[312];

static int decode_arrow(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(arrow); i++) {
        unsigned value;

        if (sscanf(arrow_hex + 2 * i, "%2x", &value) != 1) {
            return 1;
        }
        arrow[i] = (uint8_t)value;
    }
    return 0;
}

static struct bytes batch(void)
{
    return bytes_of(arrow, sizeof(arrow));
}

/* Nodes 1 … count, which know each other as Weft's or as LaminarDB's. */
static struct net *begin(int count, bool speaks_weft)
{
    net_init(&fixture);
    for (int i = 0; i < count; i++) {
        net_add(&fixture, i);
        fixture.kv[i + 1].speaks_weft = speaks_weft;
    }
    net_tell_all(&fixture);
    return &fixture;
}

static struct shuffle_pool *pool_of(struct net *net, int index)
{
    return &net->nodes[index].pool;
}

static int send_batch(struct net *net, int from, uint64_t to, uint32_t vnode)
{
    return shuffle_pool_vnode_data(
            pool_of(net, from), net->now_ms, to, vnode, batch(), NULL);
}

static uint64_t drops(struct net *net, int index, enum shuffle_drop drop)
{
    return shuffle_pool_count(pool_of(net, index))->drops[drop];
}

/* --- frames, 1 to 10 --- */

static void frames_01_to_05_cross_bit_for_bit_and_in_order(void **state)
{
    struct net *net = begin(2, false);
    struct shuffle_wire_barrier barrier = shuffle_barrier_full_snapshot(17, 42);
    uint64_t peer = 2;
    const struct pipe *pipe;

    (void)state;
    assert_int_equal(send_batch(net, 0, 2, 42), 0);
    shuffle_pool_barrier(pool_of(net, 0), net->now_ms, &peer, 1, &barrier);
    assert_int_equal(shuffle_pool_hello(
                             pool_of(net, 0), net->now_ms, 2, 0xDEADBEEF, NULL),
            0);
    net_run(net);
    assert_string_equal(
            net_said(net, 1), "up:1<laminar 05:1:316 02:1:24 04:1:8");
    pipe = &net->wires[0].pipe[0];
    assert_memory_equal(pipe->bytes,
            "\0\0\0\x09\x04\x01\0\0\0\0\0\0\0"
            "\0\0\x01\x3d\x05\x2a\0\0\0",
            13 + 9);
    assert_memory_equal(pipe->bytes + 22, arrow, sizeof(arrow));
    assert_memory_equal(pipe->bytes + 22 + 312,
            "\0\0\0\x19\x02\x11\0\0\0\0\0\0\0\x2a\0\0\0\0\0\0\0\x01\0\0\0\0\0"
            "\0\0"
            "\0\0\0\x09\x04\xef\xbe\xad\xde\0\0\0\0",
            29 + 13);
    assert_int_equal(pipe->size, 22 + 312 + 29 + 13);
    net_close(net);
}

static void a_close_04_ends_the_link_and_tells_peer_and_reason(void **state)
{
    struct net *net = begin(1, false);
    struct wire *wire = stranger_connects(net, 0);

    (void)state;
    stranger_says(net, wire,
            "00000009 04 0300000000000000"
            "00000019 02 1100000000000000 2a00000000000000 0100000000000000"
            "00000009 ff 677261636566756c");
    assert_string_equal(net_said(net, 0), "up:3<laminar 02:3:24 down:3<other");
    assert_true(stranger_is_closed(wire));
    assert_string_equal(stranger_heard(wire), "");
    net_close(net);
}

static void the_text_of_close_24_comes_with_down(void **state)
{
    struct net *net = begin(1, false);
    struct wire *wire = stranger_connects(net, 0);
    struct shuffle_pool *pool = pool_of(net, 0);
    struct shuffle_pool_action action;
    bool was_told = false;

    (void)state;
    stranger_says(net, wire, "00000009 04 0300000000000000");
    shuffle_pool_received(pool, net->now_ms, wire->link[1],
            bytes_of("\0\0\0\x0d\xffleaving: bye", 17));
    while (shuffle_pool_next(pool, &action)) {
        if (action.type == SHUFFLE_POOL_DOWN) {
            assert_int_equal(action.reason, SHUFFLE_REASON_LEAVING);
            assert_int_equal(action.peer, 3);
            assert_string_equal(action.text, "leaving: bye");
            was_told = true;
        }
    }
    assert_true(was_told);
    wire->link[1] = 0;
    net_close(net);
}

struct malformed {
    const char *name;
    const char *hex;
    enum shuffle_drop drop;
    const char *class;
};

static const struct malformed malformed_table[] = {
        {"F2 zero length", "00000000", SHUFFLE_DROP_EMPTY, "invalid data"},
        {"F3 64 MiB and 1 announced", "04000002", SHUFFLE_DROP_TOO_LONG,
                "invalid input"},
        {"F4 barrier of 23",
                "00000018 02 1100000000000000 2a00000000000000 01000000000000",
                SHUFFLE_DROP_BARRIER, "invalid data"},
        {"F4 barrier of 25",
                "0000001a 02 1100000000000000 2a00000000000000 "
                "010000000000000000",
                SHUFFLE_DROP_BARRIER, "invalid data"},
        {"F4 barrier of 100000", "000186a1 02", SHUFFLE_DROP_BARRIER,
                "invalid data"},
        {"F5 hello of 7", "00000008 04 01000000000000", SHUFFLE_DROP_HELLO,
                "invalid data"},
        {"F6 vnode data of 3", "00000004 05 000000", SHUFFLE_DROP_VNODE_DATA,
                "invalid data"},
        {"F7 vnode data without Arrow", "00000005 05 2a000000",
                SHUFFLE_DROP_ARROW, "invalid data"},
        {"F7 vnode data of junk", "0000000d 05 2a000000 ffffffff ffffff00",
                SHUFFLE_DROP_ARROW, "invalid data"},
        {"F7 Arrow that ends at once", "0000000d 05 2a000000 ffffffff 00000000",
                SHUFFLE_DROP_ARROW, "invalid data"},
        {"F8 close with broken UTF-8", "00000003 ff c328", SHUFFLE_DROP_CLOSE,
                "invalid data"},
        {"F9 unknown tag, number 6", "00000001 7f", SHUFFLE_DROP_TAG,
                "invalid data"},
        {"F9 the reserved tag 01", "00000001 01", SHUFFLE_DROP_TAG,
                "invalid data"},
        {"F9 the reserved tag 03", "00000009 03 0000000000000000",
                SHUFFLE_DROP_TAG, "invalid data"},
        {"a Weft frame without greeting",
                "0000000d 35 0100000002000000000000"
                "00",
                SHUFFLE_DROP_PLACE, "protocol"},
};

static void malformed_frames_06_07_08_end_the_link_with_their_class(
        void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(malformed_table) / sizeof(malformed_table[0]);
            i++) {
        const struct malformed *row = &malformed_table[i];
        struct net *net = begin(1, false);
        struct wire *wire = stranger_connects(net, 0);

        print_message("  %s\n", row->name);
        stranger_says(net, wire,
                "00000009 04 0300000000000000"
                "00000019 02 1100000000000000 2a00000000000000 "
                "0100000000000000");
        net_said(net, 0);
        stranger_says(net, wire, row->hex);
        assert_string_equal(net_said(net, 0), "down:3<protocol");
        assert_true(stranger_is_closed(wire));
        assert_string_equal(stranger_heard(wire), "");
        assert_int_equal(drops(net, 0, row->drop), 1);
        assert_string_equal(shuffle_drop_class(row->drop), row->class);
        net_close(net);
    }
}

static void a_frame_cut_at_every_byte_09_is_an_unexpected_end(void **state)
{
    static const char session[] =
            "\0\0\0\x09\x04\x03\0\0\0\0\0\0\0"
            "\0\0\0\x19\x02\x11\0\0\0\0\0\0\0\x2a\0\0\0\0\0\0\0\x01\0\0\0\0\0"
            "\0\0"
            "\0\0\0\x09\xffgraceful";

    (void)state;
    assert_int_equal(sizeof(session) - 1, 55);
    for (size_t cut = 0; cut < 55; cut++) {
        struct net *net = begin(1, false);
        struct wire *wire = stranger_connects(net, 0);
        bool is_boundary = cut == 0 || cut == 13 || cut == 42;

        stranger_says_bytes(net, wire, bytes_of(session, cut));
        stranger_ends(net, wire);
        assert_true(stranger_is_closed(wire));
        assert_int_equal(drops(net, 0, SHUFFLE_DROP_CUT), is_boundary ? 0 : 1);
        assert_string_equal(net_said(net, 0),
                cut < 42    ? ""
                : cut == 42 ? "up:3<laminar 02:3:24 down:3<ended"
                            : "up:3<laminar 02:3:24 "
                              "down:3<ended");
        net_close(net);
    }
    assert_string_equal(shuffle_drop_class(SHUFFLE_DROP_CUT), "unexpected EOF");
}

static void exactly_64_mib_10_is_sent_and_taken_and_one_more_is_not(
        void **state)
{
    struct net *net = begin(2, false);
    size_t size = (size_t)64 * 1024 * 1024 - 4;
    uint8_t *body = calloc(1, size + 1);
    struct error err;

    (void)state;
    assert_non_null(body);
    memcpy(body, "\xff\xff\xff\xff\x01\0\0\0", 8);
    assert_int_equal(shuffle_pool_vnode_data(pool_of(net, 0), net->now_ms, 2, 1,
                             bytes_of(body, size + 1), &err),
            ERR_INVALID);
    net_run(net);
    assert_int_equal(net->wires_count, 0);
    assert_int_equal(shuffle_pool_vnode_data(pool_of(net, 0), net->now_ms, 2, 1,
                             bytes_of(body, size), &err),
            0);
    net_run(net);
    assert_string_equal(net_said(net, 1), "up:1<laminar 05:1:67108864");
    assert_int_equal(net->nodes[1].budget.used_bytes, 16 << 20);
    free(body);
    net_close(net);
}

/* --- the pool of connections, 11 to 25 --- */

static void hello_11_attributes_and_a_later_one_is_delivered(void **state)
{
    struct net *net = begin(2, false);

    (void)state;
    assert_int_equal(
            shuffle_pool_hello(pool_of(net, 0), net->now_ms, 2, 1234, NULL), 0);
    net_run(net);
    assert_string_equal(net_said(net, 1), "up:1<laminar 04:1:8");
    net_close(net);
}

static void four_messages_12_keep_their_order_on_one_connection(void **state)
{
    struct net *net = begin(2, false);
    uint64_t peer = 2;
    struct shuffle_wire_barrier barrier = shuffle_barrier(1, 1);

    (void)state;
    send_batch(net, 0, 2, 1);
    net_run(net);
    shuffle_pool_hello(pool_of(net, 0), net->now_ms, 2, 9, NULL);
    shuffle_pool_barrier(pool_of(net, 0), net->now_ms, &peer, 1, &barrier);
    send_batch(net, 0, 2, 2);
    net_run(net);
    assert_string_equal(
            net_said(net, 1), "up:1<laminar 05:1:316 04:1:8 02:1:24 05:1:316");
    assert_int_equal(shuffle_pool_links(pool_of(net, 0)), 1);
    assert_string_equal(net_said(net, 0), "up:2>laminar barrier:2:0");
    net_close(net);
}

static void frames_for_several_peers_each_go_their_own_way(void **state)
{
    struct net *net = begin(3, false);

    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(send_batch(net, 0, 2, 1), 0);
        assert_int_equal(send_batch(net, 0, 3, 1), 0);
        assert_int_equal(send_batch(net, 0, 3, 1), 0);
        net_run(net);
    }
    assert_string_equal(
            net_said(net, 1), "up:1<laminar 05:1:316 05:1:316 05:1:316");
    assert_string_equal(net_said(net, 2),
            "up:1<laminar 05:1:316 05:1:316 05:1:316 05:1:316 05:1:316 "
            "05:1:316");
    net_close(net);
}

/* `receive` of the reference waits for one message, `drain_available` takes all
 * that is there; nothing is there before something has come. */
static void next_is_receive_and_drain_available_in_one(void **state)
{
    struct net *net = begin(1, false);
    struct wire *wire = stranger_connects(net, 0);
    struct shuffle_pool *pool = pool_of(net, 0);
    struct shuffle_pool_action action;
    uint8_t read[3 * 13];

    (void)state;
    stranger_says(net, wire,
            "00000009 04 0300000000000000 00000009 04 0100000000000000");
    assert_string_equal(net_said(net, 0), "up:3<laminar 04:3:8");
    assert_false(shuffle_pool_next(pool, &action));
    for (uint8_t i = 0; i < 3; i++) {
        memcpy(read + 13 * i, "\0\0\0\x09\x04\0\0\0\0\0\0\0\0", 13);
        read[13 * i + 5] = i;
    }
    shuffle_pool_received(
            pool, net->now_ms, wire->link[1], bytes_of(read, sizeof(read)));
    for (uint8_t i = 0; i < 3; i++) {
        assert_true(shuffle_pool_next(pool, &action));
        assert_int_equal(action.type, SHUFFLE_POOL_LAMINAR);
        assert_int_equal(action.peer, 3);
        assert_int_equal(action.payload.data[0], i);
    }
    assert_false(shuffle_pool_next(pool, &action));
    net_close(net);
}

static void an_unknown_peer_13_17_is_not_found(void **state)
{
    struct net *net = begin(1, false);
    uint64_t peer = 99;
    struct shuffle_wire_barrier barrier = shuffle_barrier(1, 1);
    struct error err;

    (void)state;
    assert_int_equal(shuffle_pool_vnode_data(pool_of(net, 0), net->now_ms, 99,
                             1, batch(), &err),
            ERR_NOT_FOUND);
    assert_string_equal(err.text, "node 99 is unknown");
    shuffle_pool_want(pool_of(net, 0), net->now_ms, 99);
    shuffle_pool_barrier(pool_of(net, 0), net->now_ms, &peer, 1, &barrier);
    net_run(net);
    assert_string_equal(net_said(net, 0), "unreachable:99:-5 barrier:99:-5");
    net_close(net);
}

static void an_unpublished_address_is_waited_for_and_told_apart(void **state)
{
    struct net *net = begin(2, true);

    (void)state;
    net->kv[2].address = (struct addr){.family = ADDR_NONE};
    net_tell(net, 0, 2);
    shuffle_pool_want(pool_of(net, 0), net->now_ms, 2);
    net_advance(net, 2999);
    assert_int_equal(net->nodes[0].resolves, 1);
    assert_string_equal(net_said(net, 0), "");
    net_advance(net, 1);
    assert_string_equal(net_said(net, 0), "unreachable:2:-5");
    net->kv[2].address = net->nodes[1].address;
    net_tell(net, 0, 2);
    net_run(net);
    assert_string_equal(net_said(net, 0), "up:2>weft");
    net_close(net);
}

static void an_address_14_19_is_resolved_on_first_contact(void **state)
{
    struct net *net = begin(1, false);
    struct shuffle_peer_facts known = {.id = 2, .generation = 5, .live = true};

    (void)state;
    net_add(net, 1);
    net->kv[2].speaks_weft = false;
    shuffle_pool_peer(pool_of(net, 0), net->now_ms, &known);
    assert_int_equal(send_batch(net, 0, 2, 7), 0);
    net_run(net);
    assert_int_equal(net->nodes[0].resolves, 1);
    assert_string_equal(net_said(net, 1), "up:1<laminar 05:1:316");
    send_batch(net, 0, 2, 7);
    net_run(net);
    assert_int_equal(net->nodes[0].resolves, 1);
    net_close(net);
}

static void a_peer_15_that_went_away_is_reached_again_at_its_new_address(
        void **state)
{
    struct net *net = begin(2, false);
    struct addr address = addr_ipv4(10, 0, 0, 77, 7777);

    (void)state;
    send_batch(net, 0, 2, 7);
    net_run(net);
    net_kill(net, 1);
    net_run(net);
    assert_string_equal(net_said(net, 0), "up:2>laminar down:2>ended");
    net_add(net, 1);
    net->nodes[1].address = address;
    net->kv[2].address = (struct addr){.family = ADDR_NONE};
    assert_int_equal(
            shuffle_pool_register(pool_of(net, 0), net->now_ms, 2, &address),
            0);
    assert_int_equal(send_batch(net, 0, 2, 7), 0);
    net_run(net);
    assert_string_equal(net_said(net, 1), "up:1<laminar 05:1:316");
    assert_int_equal(shuffle_pool_links(pool_of(net, 0)), 1);
    net_close(net);
}

static void both_directions_16_use_two_connections(void **state)
{
    struct net *net = begin(2, false);

    (void)state;
    send_batch(net, 0, 2, 1);
    send_batch(net, 0, 2, 2);
    shuffle_pool_hello(pool_of(net, 1), net->now_ms, 1, 2, NULL);
    send_batch(net, 0, 2, 3);
    net_run(net);
    assert_string_equal(net_said(net, 1),
            "up:1>laminar up:1<laminar 05:1:316 05:1:316 05:1:316");
    assert_string_equal(net_said(net, 0), "up:2>laminar up:2<laminar 04:2:8");
    net_close(net);
}

static void a_barrier_18_fans_out_and_a_tracker_fires(void **state)
{
    struct net *net = begin(3, false);
    struct shuffle_wire_barrier barrier = shuffle_barrier_full_snapshot(17, 42);
    struct shuffle_wire_barrier aligned;
    struct shuffle_tracker tracker;
    const uint64_t peers[] = {2, 3};

    (void)state;
    shuffle_pool_barrier(pool_of(net, 0), net->now_ms, peers, 2, &barrier);
    net_run(net);
    assert_string_equal(net_said(net, 0),
            "up:2>laminar barrier:2:0 up:3>laminar barrier:3:0");
    for (int i = 1; i <= 2; i++) {
        assert_string_equal(net_said(net, i), "up:1<laminar 02:1:24");
        shuffle_tracker_init(&tracker, 2);
        assert_int_equal(
                shuffle_tracker_observe(&tracker, 0, &barrier, &aligned),
                SHUFFLE_TRACKER_WAITING);
        assert_int_equal(
                shuffle_tracker_observe(&tracker, 1, &barrier, &aligned),
                SHUFFLE_TRACKER_ALIGNED);
        shuffle_tracker_close(&tracker);
    }
    net_close(net);
}

static void a_changed_address_20_is_found_through_the_kv_alone(void **state)
{
    struct net *net = begin(2, false);

    (void)state;
    send_batch(net, 0, 2, 7);
    net_run(net);
    net_advance(net, 60000);
    net_kill(net, 1);
    net_run(net);
    net_said(net, 0);
    net_add(net, 1);
    net->nodes[1].address = addr_ipv4(10, 0, 0, 77, 7777);
    net->kv[2].address = net->nodes[1].address;
    net->kv[2].speaks_weft = false;
    /* Nobody told node 1: its cached address is refused, so it asks. */
    assert_int_equal(send_batch(net, 0, 2, 7), 0);
    net_run(net);
    assert_int_equal(net->nodes[0].resolves, 1);
    assert_string_equal(net_said(net, 0), "up:2>laminar");
    assert_string_equal(net_said(net, 1), "up:1<laminar 05:1:316");
    net_close(net);
}

static void a_stuck_consumer_21_bounds_memory_and_harms_nobody_else(
        void **state)
{
    struct net *net = begin(3, false);
    struct shuffle_pool *sender = pool_of(net, 0);
    static uint8_t body[64 * 1024];
    int refused = 0;

    (void)state;
    memcpy(body, "\xff\xff\xff\xff\x01\0\0\0", 8);
    shuffle_pool_laminar_pause(pool_of(net, 1), net->now_ms, true);
    for (int i = 0; i < 1000; i++) {
        refused += shuffle_pool_vnode_data(sender, net->now_ms, 2, 1,
                           bytes_of(body, sizeof(body)), NULL) == ERR_FULL;
        net_run(net);
    }
    assert_true(refused > 0);
    assert_true(net->nodes[0].used_max <= (size_t)(16 + 16 + 1) * 1024 * 1024);
    assert_true(net->nodes[1].used_max <= (size_t)(16 + 1) * 1024 * 1024);
    assert_int_equal(drops(net, 0, SHUFFLE_DROP_QUEUE), refused);
    assert_int_equal(shuffle_pool_vnode_data(sender, net->now_ms, 3, 1,
                             bytes_of(body, sizeof(body)), NULL),
            0);
    net_run(net);
    assert_string_equal(net_said(net, 2), "up:1<laminar 05:1:65540");
    shuffle_pool_laminar_pause(pool_of(net, 1), net->now_ms, false);
    net_run(net);
    assert_int_equal(net->nodes[1].frames, 1000 - refused);
    assert_int_equal(net->nodes[0].budget.used_bytes, 16 << 20);
    net_close(net);
}

static void a_fan_out_22_with_one_unreachable_reaches_the_others(void **state)
{
    struct net *net = begin(4, false);
    struct shuffle_wire_barrier barrier = shuffle_barrier(3, 3);
    const uint64_t peers[] = {2, 3, 4};

    (void)state;
    net->nodes[1].is_listening = false;
    shuffle_pool_barrier(pool_of(net, 0), net->now_ms, peers, 3, &barrier);
    net_run(net);
    assert_string_equal(net_said(net, 0),
            "up:3>laminar barrier:3:0 up:4>laminar barrier:4:0 "
            "unreachable:2:-3 barrier:2:-3");
    assert_string_equal(net_said(net, 2), "up:1<laminar 02:1:24");
    assert_string_equal(net_said(net, 3), "up:1<laminar 02:1:24");
    net_close(net);
}

static void a_silent_connection_23_ends_at_the_hello_deadline(void **state)
{
    struct net *net = begin(1, false);
    struct wire *wire = stranger_connects(net, 0);

    (void)state;
    net_advance(net, 2999);
    assert_false(stranger_is_closed(wire));
    net_advance(net, 1);
    assert_true(stranger_is_closed(wire));
    assert_int_equal(drops(net, 0, SHUFFLE_DROP_HELLO_LATE), 1);
    assert_string_equal(net_said(net, 0), "");
    net_close(net);
}

static void a_half_hello_23_ends_at_the_same_deadline(void **state)
{
    struct net *net = begin(1, false);
    struct wire *wire = stranger_connects(net, 0);

    (void)state;
    for (int i = 0; i < 6; i++) {
        stranger_says(net, wire, i == 0 ? "00" : i < 3 ? "00" : "09");
        net_advance(net, 400);
    }
    net_advance(net, 600);
    assert_true(stranger_is_closed(wire));
    net_close(net);
}

static void a_barrier_first_23_ends_at_once_and_delivers_nothing(void **state)
{
    struct net *net = begin(1, false);
    struct wire *wire = stranger_connects(net, 0);

    (void)state;
    stranger_says(net, wire,
            "00000019 02 1100000000000000 2a00000000000000 0100000000000000");
    assert_true(stranger_is_closed(wire));
    assert_int_equal(drops(net, 0, SHUFFLE_DROP_NO_HELLO), 1);
    assert_string_equal(net_said(net, 0), "");
    net_close(net);
}

static void a_hello_of_nobody_is_refused(void **state)
{
    static const char *const hellos[] = {
            "00000009 04 0000000000000000", "00000009 04 0100000000000000"};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct net *net = begin(1, false);
        struct wire *wire = stranger_connects(net, 0);

        stranger_says(net, wire, hellos[i]);
        assert_true(stranger_is_closed(wire));
        assert_int_equal(drops(net, 0, SHUFFLE_DROP_HELLO_ID), 1);
        net_close(net);
    }
}

static void two_first_sends_25_share_one_connection(void **state)
{
    (void)state;
    for (int weft = 0; weft <= 1; weft++) {
        struct net *net = begin(2, weft == 1);

        send_batch(net, 0, 2, 1);
        send_batch(net, 0, 2, 2);
        shuffle_pool_want(pool_of(net, 0), net->now_ms, 2);
        net_run(net);
        assert_int_equal(net->wires_count, 1);
        assert_string_equal(
                net_said(net, 1), weft ? "up:1<weft 05:1:316 05:1:316"
                                       : "up:1<laminar 05:1:316 05:1:316");
        net_close(net);
    }
}

static void two_connections_of_one_laminar_id_are_both_read(void **state)
{
    struct net *net = begin(1, false);
    struct wire *first = stranger_connects(net, 0);
    struct wire *second = stranger_connects(net, 0);
    static const char barrier[] =
            "00000019 02 1100000000000000 2a00000000000000 0100000000000000";

    (void)state;
    stranger_says(net, first, "00000009 04 0300000000000000");
    stranger_says(net, second, "00000009 04 0300000000000000");
    stranger_says(net, first, barrier);
    stranger_says(net, second, barrier);
    stranger_says(net, first, barrier);
    assert_string_equal(net_said(net, 0),
            "up:3<laminar 02:3:24 up:3<laminar 02:3:24 02:3:24");
    net_close(net);
}

/* --- what a LaminarDB peer sees, in both directions --- */

static void a_laminar_acceptor_gets_its_frames_and_nothing_else(void **state)
{
    struct net *net = begin(1, false);
    struct shuffle_wire_barrier barrier = shuffle_barrier_full_snapshot(17, 42);
    uint64_t peer = 3;
    struct wire *wire;

    (void)state;
    shuffle_pool_register(
            pool_of(net, 0), net->now_ms, 3, &net->stranger_address);
    shuffle_pool_barrier(pool_of(net, 0), net->now_ms, &peer, 1, &barrier);
    net_run(net);
    net_advance(net, 100000);
    wire = stranger_accepted(net);
    assert_int_equal(
            shuffle_pool_frame(pool_of(net, 0), net->now_ms, wire->link[0],
                    SHUFFLE_TAG_CONTROL, bytes_text("\x01"), bytes_text("{}")),
            ERR_NOT_FOUND);
    shuffle_pool_streams_open(pool_of(net, 0), net->now_ms, wire->link[0], 1);
    net_advance(net, 100000);
    assert_string_equal(stranger_heard(wire),
            "00000009040100000000000000"
            "000000190211000000000000002a000000000000000100000000000000");
    stranger_says(net, wire, "00000009 04 0300000000000000");
    net_said(net, 0);
    stranger_says(net, wire, "00000009 ff 677261636566756c");
    assert_string_equal(net_said(net, 0), "down:3>other");
    net_close(net);
}

static void nothing_is_written_back_before_greet(void **state)
{
    struct net *net = begin(1, false);
    struct wire *wire = stranger_connects(net, 0);

    (void)state;
    stranger_says(net, wire, "00000009 04 0300000000000000");
    net_advance(net, 100000);
    stranger_says(net, wire,
            "00000019 02 1100000000000000 2a00000000000000 0100000000000000"
            "00000001 80"
            "00000009 21 0000000000000000");
    assert_true(stranger_is_closed(wire));
    assert_string_equal(stranger_heard(wire), "");
    assert_int_equal(drops(net, 0, SHUFFLE_DROP_SKIPPED), 1);
    assert_int_equal(drops(net, 0, SHUFFLE_DROP_PLACE), 1);
    net_close(net);
}

static void leaving_says_nothing_to_a_laminar_connector(void **state)
{
    struct net *net = begin(1, false);
    struct wire *wire = stranger_connects(net, 0);

    (void)state;
    stranger_says(net, wire,
            "00000009 04 0300000000000000"
            "00000019 02 1100000000000000 2a00000000000000 0100000000000000");
    shuffle_pool_leave(pool_of(net, 0), net->now_ms);
    net_run(net);
    assert_true(stranger_is_closed(wire));
    assert_string_equal(stranger_heard(wire), "");
    assert_int_equal(shuffle_pool_links(pool_of(net, 0)), 0);
    net_close(net);
}

/* --- greeting --- */

/* Hello 7 and a GREET from 7 to 9 as in docs/wire.md. */
static const char hello_7[] = "00000009 04 0700000000000000";
static const char greet_7_9[] =
        "00000030 10 0100 0100 0700000000000000 00a8da769b010000 "
        "0900000000000000 0000000000000000 0100 00010000 0477656674";

/* A lone node 9. */
static struct net *begin_9(void)
{
    net_init(&fixture);
    net_add_with(&fixture, 0, net_options(9), (size_t)128 << 20);
    return &fixture;
}

static void greet_is_answered_with_welcome(void **state)
{
    struct net *net = begin_9();
    struct wire *wire = stranger_connects(net, 0);

    (void)state;
    stranger_says(net, wire, hello_7);
    assert_string_equal(stranger_heard(wire), "");
    stranger_says(net, wire, greet_7_9);
    assert_string_equal(stranger_heard(wire),
            "000000301101000100090000000000000084030000000000000700000000000000"
            "00000000000000000100000100000477656674");
    assert_string_equal(net_said(net, 0), "up:7<weft");
    stranger_says(net, wire, "00000009 21 2a00000000000000");
    assert_non_null(strstr(stranger_heard(wire), "00000009222a00000000000000"));
    stranger_says(net, wire, "0000000d 35 01000000 0200000000000000");
    assert_string_equal(net_said(net, 0), "down:7<protocol");
    net_close(net);
}

static void a_weft_connector_waits_for_welcome(void **state)
{
    struct net *net = begin(1, false);
    struct shuffle_peer_facts facts = {
            .id = 3, .generation = 300, .live = true, .speaks_weft = true};
    struct wire *wire;

    (void)state;
    facts.address = net->stranger_address;
    shuffle_pool_peer(pool_of(net, 0), net->now_ms, &facts);
    send_batch(net, 0, 3, 1);
    net_run(net);
    wire = stranger_accepted(net);
    assert_string_equal(stranger_heard(wire),
            "00000009040100000000000000"
            "00000030100100010001000000000000006400000000000000030000000000"
            "00002c010000000000000100000100000477656674");
    stranger_says(net, wire,
            "00000030 11 0100 0100 0300000000000000 2c01000000000000 "
            "0100000000000000 6400000000000000 0100 00010000 0477656674");
    assert_string_equal(net_said(net, 0), "up:3>weft");
    assert_non_null(strstr(stranger_heard(wire), "0000013d0501000000"));
    net_close(net);
}

struct greeting {
    const char *name;
    const char *hex; /* of GREET, to node 9 of generation 900 */
    enum shuffle_reason reason;
};

static const struct greeting greetings[] = {
        {"another version",
                "00000030 10 0200 0200 0700000000000000 00a8da769b010000 "
                "0900000000000000 0000000000000000 0100 00010000 0477656674",
                SHUFFLE_REASON_VERSION},
        {"another cluster",
                "00000030 10 0100 0100 0700000000000000 00a8da769b010000 "
                "0900000000000000 0000000000000000 0100 00010000 0470726f64",
                SHUFFLE_REASON_CLUSTER},
        {"another hash",
                "00000030 10 0100 0100 0700000000000000 00a8da769b010000 "
                "0900000000000000 0000000000000000 0200 00010000 0477656674",
                SHUFFLE_REASON_HASH},
        {"another number of vnodes",
                "00000030 10 0100 0100 0700000000000000 00a8da769b010000 "
                "0900000000000000 0000000000000000 0100 00020000 0477656674",
                SHUFFLE_REASON_VNODES},
        {"meant for another node",
                "00000030 10 0100 0100 0700000000000000 00a8da769b010000 "
                "0800000000000000 0000000000000000 0100 00010000 0477656674",
                SHUFFLE_REASON_ID},
        {"meant for an earlier life",
                "00000030 10 0100 0100 0700000000000000 00a8da769b010000 "
                "0900000000000000 8303000000000000 0100 00010000 0477656674",
                SHUFFLE_REASON_GENERATION},
        {"not whom Hello named",
                "00000030 10 0100 0100 0600000000000000 00a8da769b010000 "
                "0900000000000000 0000000000000000 0100 00010000 0477656674",
                SHUFFLE_REASON_ID},
        {"from an earlier life",
                "00000030 10 0100 0100 0700000000000000 0100000000000000 "
                "0900000000000000 0000000000000000 0100 00010000 0477656674",
                SHUFFLE_REASON_GENERATION},
        {"cut short", "00000003 10 0100", SHUFFLE_REASON_PROTOCOL},
};

static void a_greeting_that_does_not_fit_is_closed_with_its_word(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(greetings) / sizeof(greetings[0]); i++) {
        struct net *net = begin_9();
        struct wire *wire = stranger_connects(net, 0);
        struct shuffle_peer_facts known = {.id = 7, .generation = 7};
        const struct pipe *heard = &wire->pipe[1];

        print_message("  %s\n", greetings[i].name);
        shuffle_pool_peer(pool_of(net, 0), net->now_ms, &known);
        stranger_says(net, wire, hello_7);
        stranger_says(net, wire, greetings[i].hex);
        assert_true(heard->size > FRAME_HEADER_BYTES);
        assert_int_equal(heard->bytes[4], SHUFFLE_TAG_CLOSE);
        assert_int_equal(shuffle_reason_parse(
                                 bytes_of(heard->bytes + 5, heard->size - 5)),
                greetings[i].reason);
        assert_true(heard->ended);
        stranger_ends(net, wire);
        assert_true(stranger_is_closed(wire));
        assert_string_equal(net_said(net, 0), "");
        net_close(net);
    }
}

static void two_weft_nodes_greet_and_exchange_both_ways(void **state)
{
    struct net *net = begin(2, true);
    uint32_t link;

    (void)state;
    shuffle_pool_want(pool_of(net, 0), net->now_ms, 2);
    net_run(net);
    link = shuffle_pool_link_to(pool_of(net, 0), 2);
    assert_int_not_equal(link, 0);
    assert_int_equal(
            shuffle_pool_frame(pool_of(net, 0), net->now_ms, link,
                    SHUFFLE_TAG_OPEN, bytes_text("head"), bytes_text("body")),
            0);
    net_run(net);
    assert_string_equal(net_said(net, 1), "up:1<weft 30:1:8");
    assert_int_equal(shuffle_pool_frame(pool_of(net, 1), net->now_ms,
                             net->nodes[1].last.link, SHUFFLE_TAG_GRANT,
                             bytes_text(""), bytes_text("g")),
            0);
    net_run(net);
    assert_string_equal(net_said(net, 0), "up:2>weft 33:2:1");
    net_close(net);
}

static void control_overtakes_data_that_is_queued(void **state)
{
    struct net *net = begin(2, true);
    struct shuffle_pool *pool = pool_of(net, 0);
    uint32_t link;

    (void)state;
    shuffle_pool_want(pool, net->now_ms, 2);
    net_run(net);
    net_said(net, 1);
    link = shuffle_pool_link_to(pool, 2);
    for (int i = 0; i < 2; i++) {
        struct block *block = block_new(&net->nodes[0].blocks, 64 * 1024);

        block_grow(block, 64 * 1024);
        memset(block->memory + BLOCK_HEAD_BYTES, 0, 64 * 1024);
        block_frame(block, SHUFFLE_TAG_DATA);
        assert_int_equal(shuffle_pool_block(pool, net->now_ms, link, block), 0);
    }
    shuffle_pool_frame(pool, net->now_ms, link, SHUFFLE_TAG_FAIL,
            bytes_text(""), bytes_text("f"));
    shuffle_pool_frame(pool, net->now_ms, link, SHUFFLE_TAG_MARK,
            bytes_text(""), bytes_text("m"));
    net_run(net);
    assert_string_equal(
            net_said(net, 1), "34:1:1 32:1:65536 32:1:65536 36:1:1");
    net_close(net);
}

static void say_control(struct net *net, int index, uint64_t peer)
{
    struct error err;

    assert_int_equal(shuffle_pool_control(pool_of(net, index), net->now_ms,
                             peer, SHUFFLE_CONTROL_ACK, bytes_text("{}"), &err),
            0);
}

static void queue_block(struct net *net, int index, uint32_t link)
{
    struct block *block = block_new(&net->nodes[index].blocks, 64 * 1024);

    block_grow(block, 64 * 1024);
    memset(block->memory + BLOCK_HEAD_BYTES, 0, 64 * 1024);
    block_frame(block, SHUFFLE_TAG_DATA);
    assert_int_equal(
            shuffle_pool_block(pool_of(net, index), net->now_ms, link, block),
            0);
}

static void a_barrier_overtakes_data_and_never_a_mark(void **state)
{
    struct net *net = begin(2, true);
    struct shuffle_wire_barrier barrier = shuffle_barrier(1, 1);
    struct shuffle_pool *pool = pool_of(net, 0);
    const uint64_t peer = 2;
    uint32_t link;

    (void)state;
    shuffle_pool_want(pool, net->now_ms, 2);
    net_run(net);
    net_said(net, 1);
    link = shuffle_pool_link_to(pool, 2);
    queue_block(net, 0, link);
    say_control(net, 0, 2);
    shuffle_pool_frame(pool, net->now_ms, link, SHUFFLE_TAG_MARK,
            bytes_text(""), bytes_text("m"));
    shuffle_pool_barrier(pool, net->now_ms, &peer, 1, &barrier);
    shuffle_pool_frame(pool, net->now_ms, link, SHUFFLE_TAG_MARK,
            bytes_text(""), bytes_text("mm"));
    net_run(net);
    assert_string_equal(
            net_said(net, 1), "20:1:3 34:1:1 02:1:24 34:1:2 32:1:65536");
    net_close(net);
}

static void control_and_barriers_keep_their_order_while_connecting(void **state)
{
    struct net *net = begin(2, true);
    struct shuffle_wire_barrier barrier = shuffle_barrier(1, 1);
    struct shuffle_pool *pool = pool_of(net, 0);
    const uint64_t peer = 2;

    (void)state;
    say_control(net, 0, 2);
    shuffle_pool_barrier(pool, net->now_ms, &peer, 1, &barrier);
    say_control(net, 0, 2);
    net_run(net);
    assert_string_equal(net_said(net, 0), "up:2>weft barrier:2:0");
    assert_string_equal(net_said(net, 1), "up:1<weft 20:1:3 02:1:24 20:1:3");
    assert_int_equal(net->nodes[1].last.payload.size, 3);
    net_close(net);
}

static void control_for_nobody_fails_at_once_and_says_why(void **state)
{
    struct net *net = begin(2, false);
    struct error err;

    (void)state;
    assert_int_equal(shuffle_pool_control(pool_of(net, 0), net->now_ms, 99,
                             SHUFFLE_CONTROL_ACK, bytes_text("{}"), &err),
            ERR_NOT_FOUND);
    assert_string_equal(err.text, "node 99 is unknown, or speaks no Weft");
    /* Node 2 is LaminarDB's here. */
    assert_int_equal(shuffle_pool_control(pool_of(net, 0), net->now_ms, 2,
                             SHUFFLE_CONTROL_ACK, bytes_text("{}"), &err),
            ERR_NOT_FOUND);
    net_close(net);
}

static void a_link_that_is_held_waits_and_others_do_not(void **state)
{
    struct net *net = begin(3, false);
    struct shuffle_pool *pool = pool_of(net, 0);
    uint32_t link;

    (void)state;
    assert_int_equal(send_batch(net, 1, 1, 7), 0);
    net_run(net);
    link = net->nodes[0].last.link;
    net_said(net, 0);
    shuffle_pool_hold(pool, net->now_ms, link, true);
    net_run(net);
    assert_int_equal(send_batch(net, 1, 1, 7), 0);
    assert_int_equal(send_batch(net, 2, 1, 7), 0);
    net_run(net);
    assert_string_equal(net_said(net, 0), "up:3<laminar 05:3:316");
    /* The pause of all LaminarDB links is another matter. */
    shuffle_pool_laminar_pause(pool, net->now_ms, true);
    shuffle_pool_laminar_pause(pool, net->now_ms, false);
    net_run(net);
    assert_string_equal(net_said(net, 0), "");
    shuffle_pool_hold(pool, net->now_ms, link, false);
    net_run(net);
    assert_string_equal(net_said(net, 0), "05:2:316");
    shuffle_pool_hold(pool, net->now_ms, 0x770000, true); /* no such link */
    net_close(net);
}

static void a_block_for_a_link_that_is_gone_stays_the_callers(void **state)
{
    struct net *net = begin(1, true);
    struct block *block = block_new(&net->nodes[0].blocks, 10);

    (void)state;
    assert_int_equal(
            shuffle_pool_block(pool_of(net, 0), net->now_ms, 0x10000, block),
            ERR_NOT_FOUND);
    block_free(block);
    net_close(net);
}

static void control_that_finds_no_room_ends_its_link(void **state)
{
    struct net *net = begin(2, true);
    struct shuffle_pool *pool = pool_of(net, 0);
    static uint8_t text[1 << 20];
    uint32_t link;
    int code = 0;

    (void)state;
    shuffle_pool_want(pool, net->now_ms, 2);
    net_run(net);
    net_said(net, 0);
    link = shuffle_pool_link_to(pool, 2);
    for (int i = 0; i < 100 && code == 0; i++) {
        code = shuffle_pool_frame(pool, net->now_ms, link, SHUFFLE_TAG_FAIL,
                bytes_text(""), bytes_of(text, sizeof(text) - 1));
    }
    assert_int_equal(code, ERR_FULL);
    assert_int_equal(shuffle_pool_frame(pool, net->now_ms, link,
                             SHUFFLE_TAG_FAIL, bytes_text(""), bytes_text("")),
            ERR_NOT_FOUND);
    net_run(net);
    assert_string_equal(net_said(net, 0), "down:2>busy");
    net_close(net);
}

static void a_newer_greet_supersedes_behind_what_was_buffered(void **state)
{
    struct net *net = begin_9();
    struct wire *older = stranger_connects(net, 0);
    struct wire *newer;

    (void)state;
    stranger_says(net, older, hello_7);
    stranger_says(net, older, greet_7_9);
    newer = stranger_connects(net, 0);
    stranger_says(net, newer, hello_7);
    stranger_says(net, newer, greet_7_9);
    assert_string_equal(stranger_heard(newer), "");
    net_advance(net, 10);
    stranger_says(net, older, "0000000d 36 01000000 0200000000000000");
    net_advance(net, 19);
    assert_string_equal(net_said(net, 0), "up:7<weft 36:7:12");
    net_advance(net, 10);
    assert_string_equal(net_said(net, 0), "down:7<superseded up:7<weft");
    assert_non_null(strstr(stranger_heard(older), "ff73757065727365646564"));
    assert_string_not_equal(stranger_heard(newer), "");
    assert_int_equal(drops(net, 0, SHUFFLE_DROP_SUPERSEDED), 1);
    net_close(net);
}

static void an_older_link_that_ends_lets_the_newer_in_at_once(void **state)
{
    struct net *net = begin_9();
    struct wire *older = stranger_connects(net, 0);
    struct wire *newer;

    (void)state;
    stranger_says(net, older, hello_7);
    stranger_says(net, older, greet_7_9);
    newer = stranger_connects(net, 0);
    stranger_says(net, newer, hello_7);
    stranger_says(net, newer, greet_7_9);
    stranger_ends(net, older);
    assert_string_equal(net_said(net, 0), "up:7<weft down:7<ended up:7<weft");
    net_close(net);
}

static void a_talkative_older_link_cannot_hold_the_newer_for_ever(void **state)
{
    struct net *net = begin_9();
    struct wire *older = stranger_connects(net, 0);
    struct wire *newer;

    (void)state;
    stranger_says(net, older, hello_7);
    stranger_says(net, older, greet_7_9);
    newer = stranger_connects(net, 0);
    stranger_says(net, newer, hello_7);
    stranger_says(net, newer, greet_7_9);
    for (int i = 0; i < 151; i++) {
        stranger_says(net, older, "00000001 80");
        net_advance(net, 10);
    }
    assert_string_not_equal(stranger_heard(newer), "");
    net_close(net);
}

/* --- alive --- */

/* Node 1 with an outgoing weft link to a stranger that has id 3. */
static struct wire *greet_stranger(struct net *net)
{
    struct shuffle_peer_facts facts = {
            .id = 3, .generation = 300, .live = true, .speaks_weft = true};
    struct wire *wire;

    facts.address = net->stranger_address;
    net->kv[3] = facts;
    shuffle_pool_peer(pool_of(net, 0), net->now_ms, &facts);
    shuffle_pool_want(pool_of(net, 0), net->now_ms, 3);
    net_run(net);
    wire = stranger_accepted(net);
    stranger_says(net, wire,
            "00000030 11 0100 0100 0300000000000000 2c01000000000000 "
            "0100000000000000 6400000000000000 0100 00010000 0477656674");
    assert_string_equal(net_said(net, 0), "up:3>weft");
    return wire;
}

static void without_a_stream_silence_means_nothing(void **state)
{
    struct net *net = begin(1, true);
    struct wire *wire = greet_stranger(net);
    size_t heard = wire->pipe[0].size;

    (void)state;
    net_advance(net, 1000000);
    assert_int_equal(wire->pipe[0].size, heard);
    assert_string_equal(net_said(net, 0), "");
    net_close(net);
}

static void with_a_stream_the_connector_pings_and_gives_up_in_time(void **state)
{
    struct net *net = begin(1, true);
    struct wire *wire = greet_stranger(net);
    size_t heard = wire->pipe[0].size;

    (void)state;
    shuffle_pool_streams_open(pool_of(net, 0), net->now_ms, wire->link[0], 1);
    net_advance(net, 1999);
    assert_int_equal(wire->pipe[0].size, heard);
    net_advance(net, 1);
    assert_int_equal(wire->pipe[0].size, heard + 13);
    stranger_says(net, wire, "00000009 22 0000000000000000");
    net_advance(net, 2000);
    assert_int_equal(wire->pipe[0].size, heard + 26);
    net_advance(net, 27999);
    assert_string_equal(net_said(net, 0), "");
    net_advance(net, 1);
    assert_string_equal(net_said(net, 0), "down:3>lost");
    assert_int_equal(drops(net, 0, SHUFFLE_DROP_SILENT), 1);
    net_close(net);
}

static void an_accepted_link_with_a_stream_may_not_go_silent(void **state)
{
    struct net *net = begin_9();
    struct wire *wire = stranger_connects(net, 0);

    (void)state;
    stranger_says(net, wire, hello_7);
    stranger_says(net, wire, greet_7_9);
    shuffle_pool_streams_open(pool_of(net, 0), net->now_ms, wire->link[1], 2);
    net_advance(net, 29000);
    stranger_says(net, wire, "00000009 21 2a00000000000000");
    net_advance(net, 29999);
    assert_string_equal(net_said(net, 0), "up:7<weft");
    net_advance(net, 1);
    assert_string_equal(net_said(net, 0), "down:7<lost");
    net_close(net);
}

static void output_without_progress_loses_the_link(void **state)
{
    struct net *net = begin(1, false);
    struct wire *wire;
    static uint8_t body[300 * 1024];

    (void)state;
    memcpy(body, "\xff\xff\xff\xff\x01\0\0\0", 8);
    shuffle_pool_register(
            pool_of(net, 0), net->now_ms, 3, &net->stranger_address);
    shuffle_pool_vnode_data(pool_of(net, 0), net->now_ms, 3, 1,
            bytes_of(body, sizeof(body)), NULL);
    net_advance(net, 20000);
    wire = stranger_accepted(net);
    wire->pipe[0].taken += 1000;
    net_advance(net, 29999);
    assert_string_equal(net_said(net, 0), "up:3>laminar");
    net_advance(net, 1);
    assert_string_equal(net_said(net, 0), "down:3>lost");
    assert_int_equal(drops(net, 0, SHUFFLE_DROP_STALLED), 1);
    assert_int_equal(drops(net, 0, SHUFFLE_DROP_UNSENT), 1);
    net_close(net);
}

/* --- the way to a peer --- */

static void a_connect_that_nobody_answers_ends_at_its_deadline(void **state)
{
    struct net *net = begin(1, false);
    uint64_t peer = 3;
    struct shuffle_wire_barrier barrier = shuffle_barrier(1, 1);

    (void)state;
    shuffle_pool_register(
            pool_of(net, 0), net->now_ms, 3, &net->silent_address);
    shuffle_pool_barrier(pool_of(net, 0), net->now_ms, &peer, 1, &barrier);
    net_advance(net, 2999);
    assert_string_equal(net_said(net, 0), "");
    net_advance(net, 1);
    assert_string_equal(net_said(net, 0), "unreachable:3:-3 barrier:3:-3");
    assert_int_equal(drops(net, 0, SHUFFLE_DROP_CONNECT), 1);
    assert_int_equal(drops(net, 0, SHUFFLE_DROP_UNSENT), 1);
    net_close(net);
}

static void no_welcome_in_time_fails_the_attempt(void **state)
{
    struct net *net = begin(1, false);

    (void)state;
    net->kv[3] = (struct shuffle_peer_facts){.id = 3,
            .generation = 300,
            .live = true,
            .speaks_weft = true,
            .address = net->stranger_address};
    net_tell(net, 0, 3);
    shuffle_pool_want(pool_of(net, 0), net->now_ms, 3);
    net_advance(net, 2999);
    assert_string_equal(net_said(net, 0), "");
    net_advance(net, 1);
    assert_string_equal(net_said(net, 0), "unreachable:3:-3");
    assert_int_equal(drops(net, 0, SHUFFLE_DROP_GREET_LATE), 1);
    net_close(net);
}

static void an_address_by_hand_is_tried_first_and_never_forgotten(void **state)
{
    struct net *net = begin(2, false);
    struct addr elsewhere = addr_ipv4(10, 0, 0, 66, 66);

    (void)state;
    shuffle_pool_register(pool_of(net, 0), net->now_ms, 2, &elsewhere);
    send_batch(net, 0, 2, 1);
    net_run(net);
    assert_string_equal(net_said(net, 1), "up:1<laminar 05:1:316");
    assert_int_equal(drops(net, 0, SHUFFLE_DROP_CONNECT), 1);
    assert_true(addr_equal(
            &shuffle_pool_peer_at(pool_of(net, 0), 0)->by_hand, &elsewhere));
    net_close(net);
}

static void while_wanted_a_peer_is_tried_again_with_growing_gaps(void **state)
{
    struct net *net = begin(2, true);
    struct shuffle_pool *pool = pool_of(net, 0);
    uint64_t attempts;

    (void)state;
    net->nodes[1].is_listening = false;
    shuffle_pool_want(pool, net->now_ms, 2);
    net_advance(net, 50);
    attempts = drops(net, 0, SHUFFLE_DROP_CONNECT);
    assert_int_equal(attempts, 1);
    net_advance(net, 8900);
    attempts = drops(net, 0, SHUFFLE_DROP_CONNECT);
    /* 100, 200, 400 … 6400 ms, each a quarter more or less. */
    assert_in_range(attempts, 6, 8);
    net_advance(net, 100000);
    assert_in_range(
            drops(net, 0, SHUFFLE_DROP_CONNECT), attempts, attempts + 1);
    net_close(net);
}

static void in_back_off_a_message_fails_at_once_and_says_why(void **state)
{
    struct net *net = begin(2, false);
    struct error err;

    (void)state;
    net->nodes[1].is_listening = false;
    send_batch(net, 0, 2, 1);
    net_run(net);
    assert_int_equal(shuffle_pool_vnode_data(
                             pool_of(net, 0), net->now_ms, 2, 1, batch(), &err),
            ERR_IO);
    assert_string_equal(
            err.text, "node 2 at 10.0.0.2:7742: connection refused");
    net->nodes[1].is_listening = true;
    net_advance(net, 200);
    assert_int_equal(send_batch(net, 0, 2, 1), 0);
    net_run(net);
    assert_non_null(strstr(net_said(net, 1), "05:1:316"));
    net_close(net);
}

static void news_of_the_peer_end_a_back_off(void **state)
{
    struct net *net = begin(2, true);

    (void)state;
    net->nodes[1].is_listening = false;
    for (int i = 0; i < 3; i++) {
        shuffle_pool_want(pool_of(net, 0), net->now_ms, 2);
        net_advance(net, 3000);
    }
    net_said(net, 0);
    net->nodes[1].is_listening = true;
    net->nodes[1].address.port = 1;
    net->kv[2].address.port = 1;
    net_tell(net, 0, 2);
    net_run(net);
    assert_string_equal(net_said(net, 0), "up:2>weft");
    net_close(net);
}

static void a_refusal_for_good_stops_until_something_changes(void **state)
{
    struct shuffle_pool_options options = net_options(2);
    struct net *net;

    (void)state;
    net_init(&fixture);
    net = &fixture;
    net_add(net, 0);
    options.cluster = "prod";
    net_add_with(net, 1, options, (size_t)128 << 20);
    net_tell_all(net);
    shuffle_pool_want(pool_of(net, 0), net->now_ms, 2);
    net_advance(net, 20000);
    assert_string_equal(net_said(net, 0), "unreachable:2:-1");
    assert_int_equal(net->wires_count, 1);
    shuffle_pool_want(pool_of(net, 0), net->now_ms, 2);
    net_run(net);
    assert_string_equal(net_said(net, 0), "unreachable:2:-1");
    net->kv[2].generation++;
    net_tell(net, 0, 2);
    shuffle_pool_want(pool_of(net, 0), net->now_ms, 2);
    net_run(net);
    assert_int_equal(net->wires_count, 2);
    net_close(net);
}

static void a_reused_address_is_asked_for_again(void **state)
{
    struct net *net = begin(3, true);

    (void)state;
    /* The KV that node 1 has seen says that 3 lives where 2 does. */
    net->kv[3].address = net->nodes[1].address;
    net_tell(net, 0, 3);
    net->kv[3].address = net->nodes[2].address;
    shuffle_pool_want(pool_of(net, 0), net->now_ms, 3);
    net_run(net);
    assert_string_equal(net_said(net, 0), "up:3>weft");
    assert_int_equal(net->nodes[0].resolves, 1);
    assert_int_equal(drops(net, 1, SHUFFLE_DROP_GREET), 1);
    net_close(net);
}

static void a_newer_generation_ends_the_old_link(void **state)
{
    struct net *net = begin(2, true);

    (void)state;
    shuffle_pool_want(pool_of(net, 0), net->now_ms, 2);
    net_run(net);
    net_said(net, 0);
    net->kv[2].generation++;
    net_tell(net, 0, 2);
    net_run(net);
    assert_string_equal(net_said(net, 0), "down:2>generation");
    net_close(net);
}

static void wildcards_and_our_own_address_are_no_targets(void **state)
{
    struct net *net = begin(2, true);
    struct addr own = net->nodes[0].address;
    struct addr wildcard = addr_ipv4(0, 0, 0, 0, 4000);

    (void)state;
    assert_int_equal(
            shuffle_pool_register(pool_of(net, 0), net->now_ms, 2, &own),
            ERR_INVALID);
    assert_int_equal(
            shuffle_pool_register(pool_of(net, 0), net->now_ms, 2, &wildcard),
            ERR_INVALID);
    net->kv[2].address = wildcard;
    net_tell(net, 0, 2);
    shuffle_pool_want(pool_of(net, 0), net->now_ms, 2);
    net_advance(net, 3000);
    assert_string_equal(net_said(net, 0), "unreachable:2:-5");
    net_close(net);
}

static void a_forgotten_member_is_unknown_again(void **state)
{
    struct net *net = begin(2, true);

    (void)state;
    shuffle_pool_peer_gone(pool_of(net, 0), net->now_ms, 2);
    assert_int_equal(shuffle_pool_peers(pool_of(net, 0)), 0);
    assert_int_equal(send_batch(net, 0, 2, 1), ERR_NOT_FOUND);
    net_close(net);
}

static void a_forgotten_member_is_unknown_though_its_link_is_up(void **state)
{
    struct net *net = begin(2, false);

    (void)state;
    assert_int_equal(send_batch(net, 0, 2, 1), 0);
    net_run(net);
    assert_int_equal(send_batch(net, 0, 2, 1), 0);
    shuffle_pool_peer_gone(pool_of(net, 0), net->now_ms, 2);
    assert_int_equal(shuffle_pool_links(pool_of(net, 0)), 1);
    assert_int_equal(send_batch(net, 0, 2, 1), ERR_NOT_FOUND);
    net_close(net);
}

/* --- limits and memory --- */

static void connections_are_limited_in_total_and_per_address(void **state)
{
    struct shuffle_pool_options options = net_options(1);
    struct net *net = &fixture;
    uint32_t link;
    struct addr from = addr_ipv4(10, 1, 1, 1, 1);

    (void)state;
    net_init(net);
    options.links_max = 8;
    options.links_per_host_max = 2;
    net_add_with(net, 0, options, (size_t)128 << 20);
    for (uint8_t i = 0; i < 8; i++) {
        from.octets[3] = i / 2;
        from.port = i;
        assert_int_equal(shuffle_pool_accepted(
                                 pool_of(net, 0), net->now_ms, &from, &link),
                i < 6 ? 0 : ERR_FULL);
    }
    assert_int_equal(drops(net, 0, SHUFFLE_DROP_LINKS), 2);
    net_advance(net, 3000);
    assert_int_equal(shuffle_pool_links(pool_of(net, 0)), 0);
    from.octets[3] = 1;
    for (int i = 0; i < 3; i++) {
        (void)shuffle_pool_accepted(pool_of(net, 0), net->now_ms, &from, &link);
    }
    assert_int_equal(drops(net, 0, SHUFFLE_DROP_HOST), 1);
    net_close(net);
}

static void long_frames_wait_for_memory_first_come_first_served(void **state)
{
    struct net *net = begin(1, false);
    struct wire *wires[4];
    size_t left = (size_t)40 * 1024 * 1024;
    uint8_t *piece = calloc(1, left);

    (void)state;
    assert_non_null(piece);
    for (int i = 0; i < 4; i++) {
        char hello[] = "00000009 04 0300000000000000";

        hello[13] = (char)('3' + i);
        wires[i] = stranger_connects(net, 0);
        stranger_says(net, wires[i], hello);
        /* 40 MiB of VnodeData: two of them fit into what 128 MiB leave. */
        stranger_says(
                net, wires[i], "02800005 05 2a000000 ffffffff 01000000 00 00");
    }
    assert_false(wires[1]->unread[1]);
    assert_true(wires[2]->unread[1]);
    assert_true(wires[3]->unread[1]);
    stranger_says_bytes(net, wires[3], bytes_of(piece, left));
    assert_true(net->nodes[0].used_max <= (size_t)128 << 20);
    stranger_says_bytes(net, wires[0], bytes_of(piece, left - 10));
    assert_false(wires[2]->unread[1]);
    assert_true(wires[3]->unread[1]);
    stranger_says_bytes(net, wires[1], bytes_of(piece, left - 10));
    assert_false(wires[3]->unread[1]);
    assert_non_null(strstr(net_said(net, 0), "05:6:41943044"));
    free(piece);
    net_close(net);
}

static void a_reserved_frame_that_brings_nothing_loses_its_link(void **state)
{
    struct net *net = begin(1, false);
    struct wire *wire = stranger_connects(net, 0);

    (void)state;
    stranger_says(net, wire, "00000009 04 0300000000000000");
    stranger_says(net, wire, "02800005 05 2a000000 ffffffff");
    net_advance(net, 9000);
    stranger_says(net, wire, "01");
    net_advance(net, 9999);
    assert_false(stranger_is_closed(wire));
    net_advance(net, 1);
    assert_true(stranger_is_closed(wire));
    assert_int_equal(drops(net, 0, SHUFFLE_DROP_RESERVED), 1);
    assert_int_equal(net->nodes[0].budget.used_bytes, 16 << 20);
    net_close(net);
}

static void a_stranger_cannot_reserve_memory_before_hello(void **state)
{
    struct net *net = begin(1, false);
    struct wire *wire = stranger_connects(net, 0);

    (void)state;
    stranger_says(net, wire, "02800005 05 2a000000 ffffffff");
    assert_true(stranger_is_closed(wire));
    assert_int_equal(drops(net, 0, SHUFFLE_DROP_NO_HELLO), 1);
    net_close(net);
}

static void a_weft_frame_above_1_mib_is_refused_at_its_length(void **state)
{
    struct net *net = begin_9();
    struct wire *wire = stranger_connects(net, 0);

    (void)state;
    stranger_says(net, wire, hello_7);
    stranger_says(net, wire, greet_7_9);
    stranger_says(net, wire, "00100001 32 00");
    assert_string_equal(net_said(net, 0), "up:7<weft down:7<protocol");
    assert_int_equal(drops(net, 0, SHUFFLE_DROP_TOO_LONG), 1);
    net_close(net);
}

/* --- the end --- */

static void leaving_says_close_and_waits_for_their_end(void **state)
{
    struct net *net = begin(3, true);

    (void)state;
    shuffle_pool_want(pool_of(net, 0), net->now_ms, 2);
    shuffle_pool_want(pool_of(net, 2), net->now_ms, 1);
    net_run(net);
    net_said(net, 0);
    net_said(net, 1);
    net_said(net, 2);
    shuffle_pool_leave(pool_of(net, 0), net->now_ms);
    net_run(net);
    assert_string_equal(net_said(net, 0), "down:2>leaving down:3<leaving");
    assert_string_equal(net_said(net, 1), "down:1<leaving");
    assert_string_equal(net_said(net, 2), "down:1>leaving");
    assert_int_equal(shuffle_pool_links(pool_of(net, 0)), 0);
    assert_int_equal(send_batch(net, 0, 3, 1), ERR_IO);
    assert_true(stranger_connects(net, 0)->pipe[1].ended);
    assert_int_equal(drops(net, 0, SHUFFLE_DROP_LEAVING), 1);
    net_close(net);
}

static void every_reason_has_a_name_from_the_start(void **state)
{
    (void)state;
    for (int i = 0; i < SHUFFLE_DROP_COUNT; i++) {
        const char *name = shuffle_drop_name((enum shuffle_drop)i);

        assert_non_null(name);
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(
                    name, shuffle_drop_name((enum shuffle_drop)j));
        }
    }
    for (int i = 0; i < SHUFFLE_REASON_OTHER; i++) {
        const char *word = shuffle_reason_word((enum shuffle_reason)i);

        assert_int_equal(shuffle_reason_parse(bytes_text(word)),
                i == SHUFFLE_REASON_NONE ? SHUFFLE_REASON_OTHER : i);
    }
}

static void counters_add_up_per_peer(void **state)
{
    struct net *net = begin(2, false);
    const struct shuffle_peer *peer;

    (void)state;
    send_batch(net, 0, 2, 1);
    net_run(net);
    net_kill(net, 1);
    net_run(net);
    peer = shuffle_pool_peer_at(pool_of(net, 0), 0);
    assert_int_equal(peer->id, 2);
    assert_int_equal(peer->count.frames_out, 2);
    assert_int_equal(peer->count.bytes_out, 13 + 321);
    assert_int_equal(shuffle_pool_count(pool_of(net, 0))->bytes_out, 334);
    net_close(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(frames_01_to_05_cross_bit_for_bit_and_in_order),
            cmocka_unit_test(
                    a_close_04_ends_the_link_and_tells_peer_and_reason),
            cmocka_unit_test(the_text_of_close_24_comes_with_down),
            cmocka_unit_test(
                    malformed_frames_06_07_08_end_the_link_with_their_class),
            cmocka_unit_test(a_frame_cut_at_every_byte_09_is_an_unexpected_end),
            cmocka_unit_test(
                    exactly_64_mib_10_is_sent_and_taken_and_one_more_is_not),
            cmocka_unit_test(hello_11_attributes_and_a_later_one_is_delivered),
            cmocka_unit_test(
                    four_messages_12_keep_their_order_on_one_connection),
            cmocka_unit_test(frames_for_several_peers_each_go_their_own_way),
            cmocka_unit_test(next_is_receive_and_drain_available_in_one),
            cmocka_unit_test(an_unknown_peer_13_17_is_not_found),
            cmocka_unit_test(
                    an_unpublished_address_is_waited_for_and_told_apart),
            cmocka_unit_test(an_address_14_19_is_resolved_on_first_contact),
            cmocka_unit_test(
                    a_peer_15_that_went_away_is_reached_again_at_its_new_address),
            cmocka_unit_test(both_directions_16_use_two_connections),
            cmocka_unit_test(a_barrier_18_fans_out_and_a_tracker_fires),
            cmocka_unit_test(
                    a_changed_address_20_is_found_through_the_kv_alone),
            cmocka_unit_test(
                    a_stuck_consumer_21_bounds_memory_and_harms_nobody_else),
            cmocka_unit_test(
                    a_fan_out_22_with_one_unreachable_reaches_the_others),
            cmocka_unit_test(a_silent_connection_23_ends_at_the_hello_deadline),
            cmocka_unit_test(a_half_hello_23_ends_at_the_same_deadline),
            cmocka_unit_test(
                    a_barrier_first_23_ends_at_once_and_delivers_nothing),
            cmocka_unit_test(a_hello_of_nobody_is_refused),
            cmocka_unit_test(two_first_sends_25_share_one_connection),
            cmocka_unit_test(two_connections_of_one_laminar_id_are_both_read),
            cmocka_unit_test(
                    a_laminar_acceptor_gets_its_frames_and_nothing_else),
            cmocka_unit_test(nothing_is_written_back_before_greet),
            cmocka_unit_test(leaving_says_nothing_to_a_laminar_connector),
            cmocka_unit_test(greet_is_answered_with_welcome),
            cmocka_unit_test(a_weft_connector_waits_for_welcome),
            cmocka_unit_test(
                    a_greeting_that_does_not_fit_is_closed_with_its_word),
            cmocka_unit_test(two_weft_nodes_greet_and_exchange_both_ways),
            cmocka_unit_test(control_overtakes_data_that_is_queued),
            cmocka_unit_test(a_barrier_overtakes_data_and_never_a_mark),
            cmocka_unit_test(
                    control_and_barriers_keep_their_order_while_connecting),
            cmocka_unit_test(control_for_nobody_fails_at_once_and_says_why),
            cmocka_unit_test(a_link_that_is_held_waits_and_others_do_not),
            cmocka_unit_test(a_block_for_a_link_that_is_gone_stays_the_callers),
            cmocka_unit_test(control_that_finds_no_room_ends_its_link),
            cmocka_unit_test(a_newer_greet_supersedes_behind_what_was_buffered),
            cmocka_unit_test(an_older_link_that_ends_lets_the_newer_in_at_once),
            cmocka_unit_test(
                    a_talkative_older_link_cannot_hold_the_newer_for_ever),
            cmocka_unit_test(without_a_stream_silence_means_nothing),
            cmocka_unit_test(
                    with_a_stream_the_connector_pings_and_gives_up_in_time),
            cmocka_unit_test(an_accepted_link_with_a_stream_may_not_go_silent),
            cmocka_unit_test(output_without_progress_loses_the_link),
            cmocka_unit_test(
                    a_connect_that_nobody_answers_ends_at_its_deadline),
            cmocka_unit_test(no_welcome_in_time_fails_the_attempt),
            cmocka_unit_test(
                    an_address_by_hand_is_tried_first_and_never_forgotten),
            cmocka_unit_test(
                    while_wanted_a_peer_is_tried_again_with_growing_gaps),
            cmocka_unit_test(in_back_off_a_message_fails_at_once_and_says_why),
            cmocka_unit_test(news_of_the_peer_end_a_back_off),
            cmocka_unit_test(a_refusal_for_good_stops_until_something_changes),
            cmocka_unit_test(a_reused_address_is_asked_for_again),
            cmocka_unit_test(a_newer_generation_ends_the_old_link),
            cmocka_unit_test(wildcards_and_our_own_address_are_no_targets),
            cmocka_unit_test(a_forgotten_member_is_unknown_again),
            cmocka_unit_test(
                    a_forgotten_member_is_unknown_though_its_link_is_up),
            cmocka_unit_test(connections_are_limited_in_total_and_per_address),
            cmocka_unit_test(
                    long_frames_wait_for_memory_first_come_first_served),
            cmocka_unit_test(
                    a_reserved_frame_that_brings_nothing_loses_its_link),
            cmocka_unit_test(a_stranger_cannot_reserve_memory_before_hello),
            cmocka_unit_test(a_weft_frame_above_1_mib_is_refused_at_its_length),
            cmocka_unit_test(leaving_says_close_and_waits_for_their_end),
            cmocka_unit_test(every_reason_has_a_name_from_the_start),
            cmocka_unit_test(counters_add_up_per_peer),
    };

    return cmocka_run_group_tests(tests, decode_arrow, NULL);
}
