/* Whole node cores, wired together in memory under virtual time: how a node
 * becomes active, meets itself, answers its programs, and leaves. */
#include "node_world.h"

static int open_world(void **context)
{
    struct world *w = calloc(1, sizeof(*w));

    assert_non_null(w);
    world_init(w);
    *context = w;
    return 0;
}

static int close_world(void **context)
{
    struct world *w = *context;

    world_close(w);
    free(w);
    return 0;
}

static struct world_node *start(struct world *w, size_t number)
{
    struct node_options o = world_options(number);

    return world_start(w, &o);
}

/* Nodes 1 to `count`, active; the first is everybody's seed. */
static void start_cluster(struct world *w, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct node_options o = world_options(i + 1);
        struct world_node *n;

        o.has_seeds = i > 0;
        n = world_start(w, &o);
        world_seed(w, n, w->nodes[0]);
    }
    world_run(w, 10 * WORLD_INTERVAL_MS);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(node_active_count(&w->nodes[i]->node), count);
    }
}

/* The next frame to a program is a RESULT; its JSON as text. */
static void expect_result(struct world_node *n, uint32_t client,
        struct shuffle_wire_result *result, char json[static 64 * 1024])
{
    static uint8_t payload[64 * 1024];
    uint8_t tag;
    size_t size;

    assert_true(world_client_frame(n, client, &tag, payload, &size));
    assert_int_equal(tag, SHUFFLE_TAG_RESULT);
    assert_true(shuffle_wire_decode_result(bytes_of(payload, size), result));
    memcpy(json, result->json.data, result->json.size);
    json[result->json.size] = '\0';
}

static void expect_silence(struct world_node *n, uint32_t client)
{
    assert_int_equal(n->clients[client].output.size, 0);
}

/* The next frame to a program is a STATE with this code and word. */
static void expect_state(
        struct world_node *n, uint32_t client, uint8_t code, const char *word)
{
    static uint8_t payload[64 * 1024];
    struct shuffle_wire_state state;
    uint8_t tag;
    size_t size;
    char text[1024];

    assert_true(world_client_frame(n, client, &tag, payload, &size));
    assert_int_equal(tag, SHUFFLE_TAG_STATE);
    assert_true(shuffle_wire_decode_state(bytes_of(payload, size), &state));
    snprintf(text, sizeof(text), "%.*s", (int)state.text.size,
            (const char *)state.text.data);
    printf("%s\n", text);
    assert_int_equal(state.code, code);
    assert_non_null(strstr(text, word));
}

/* --- becoming active --- */

static void a_node_without_seeds_is_active_at_once(void **context)
{
    struct world *w = *context;
    struct node_options o = world_options(1);
    struct world_node *n;

    o.has_seeds = false;
    n = world_start(w, &o);
    assert_true(n->is_ready);
    assert_int_equal(n->node.state, NODE_ACTIVE);
}

static void a_node_that_does_not_listen_is_not_active(void **context)
{
    struct world *w = *context;
    struct node_options o = world_options(1);
    struct node *n = calloc(1, sizeof(*n));
    struct node_action action;
    struct addr addr = addr_ipv4(10, 0, 0, 1, 7742);
    struct error err;

    assert_non_null(n);
    o.has_seeds = false;
    assert_int_equal(node_init(n, &o, w->now_ms, &err), 0);
    while (node_next(n, &action)) {
        assert_int_not_equal(action.type, NODE_READY);
    }
    assert_int_equal(n->state, NODE_JOINING);
    node_listening(n, w->now_ms, &addr);
    while (node_next(n, &action)) {
    }
    assert_int_equal(n->state, NODE_ACTIVE);
    node_close(n);
    free(n);
}

static void a_node_that_nobody_answers_is_active_after_ten_seconds(
        void **context)
{
    struct world *w = *context;
    struct world_node *n = start(w, 2);
    struct error reason;

    node_seeds(&n->node, &(struct addr){.family = ADDR_IPV4, .port = 9}, 1);
    world_run(w, 9999);
    assert_int_equal(n->node.state, NODE_JOINING);
    assert_false(node_is_healthy(&n->node, &reason));
    world_run(w, 2);
    assert_int_equal(n->node.state, NODE_ACTIVE);
    assert_true(n->is_ready);
    assert_true(node_is_healthy(&n->node, &reason));
}

static void a_node_that_is_answered_listens_for_three_intervals(void **context)
{
    struct world *w = *context;
    struct node_options o = world_options(1);
    struct world_node *first;
    struct world_node *second;

    o.has_seeds = false;
    first = world_start(w, &o);
    second = start(w, 2);
    world_seed(w, second, first);
    world_run(w, 3 * WORLD_INTERVAL_MS - 1);
    assert_int_equal(second->node.state, NODE_JOINING);
    world_run(w, 2);
    assert_int_equal(second->node.state, NODE_ACTIVE);
    world_run(w, 3 * WORLD_INTERVAL_MS);
    assert_int_equal(node_active_count(&first->node), 2);
    assert_int_equal(node_active_count(&second->node), 2);
}

/* --- twins --- */

static void a_silent_higher_generation_is_our_own_past(void **context)
{
    struct world *w = *context;
    struct node_options o = world_options(2);
    struct world_node *again;

    start_cluster(w, 1);
    o.generation = 5000;
    world_seed(w, world_start(w, &o), w->nodes[0]);
    world_run(w, 10 * WORLD_INTERVAL_MS);
    world_kill(w, w->nodes[1]);
    o.generation = 1000; /* the clock went back */
    again = world_start(w, &o);
    world_seed(w, again, w->nodes[0]);
    world_run(w, 12 * WORLD_INTERVAL_MS);
    assert_int_equal(again->kept_generation, 5001);
    assert_int_equal(again->node.state, NODE_ACTIVE);
    assert_non_null(strstr(again->log, "5000"));
    assert_int_equal(node_member(&w->nodes[0]->node, 2)->id.generation, 5001);
    assert_int_equal(node_active_count(&w->nodes[0]->node), 2);
}

/* What a program was told is written must not be gone. */
static void keys_written_while_joining_outlive_the_new_generation(
        void **context)
{
    static const char *const CALLS[] = {
            "{\"cmd\":\"kv_set\",\"key\":\"a\",\"value\":\"1\"}",
            "{\"cmd\":\"kv_set\",\"key\":\"b\",\"value\":\"\"}",
            "{\"cmd\":\"kv_set\",\"key\":\"c\",\"value\":\"3\",\"ttl\":true}",
            "{\"cmd\":\"kv_set\",\"key\":\"d\",\"value\":\"4\"}",
            "{\"cmd\":\"kv_del\",\"key\":\"d\"}"};
    struct world *w = *context;
    struct node_options o = world_options(2);
    const struct kv_state *kept;
    struct world_node *again;

    start_cluster(w, 1);
    o.generation = 5000;
    world_seed(w, world_start(w, &o), w->nodes[0]);
    world_run(w, 10 * WORLD_INTERVAL_MS);
    world_kill(w, w->nodes[1]);
    o.generation = 1000;
    again = world_start(w, &o);
    for (size_t i = 0; i < sizeof(CALLS) / sizeof(CALLS[0]); i++) {
        (void)world_call(w, again, 1, CALLS[i]);
    }
    world_run(w, 1);
    world_seed(w, again, w->nodes[0]);
    world_run(w, 12 * WORLD_INTERVAL_MS);
    assert_int_equal(again->kept_generation, 5001);
    kept = &node_member(&w->nodes[0]->node, 2)->state;
    assert_true(
            bytes_equal_text(kv_state_get(kept, bytes_text("a"))->value, "1"));
    assert_int_equal(kv_state_get(kept, bytes_text("b"))->value.size, 0);
    assert_int_equal(kv_state_get_versioned(kept, bytes_text("c"))->status,
            KV_DELETE_AFTER_TTL);
    assert_null(kv_state_get(kept, bytes_text("d")));
}

/* Its seeds were not up when it started: it hears of its past late, and must
 * not have become active meanwhile. */
static void our_past_is_heard_of_even_late(void **context)
{
    struct world *w = *context;
    struct node_options o = world_options(2);
    struct world_node *again;

    start_cluster(w, 1);
    o.generation = 5000;
    world_seed(w, world_start(w, &o), w->nodes[0]);
    world_run(w, 10 * WORLD_INTERVAL_MS);
    world_kill(w, w->nodes[1]);
    w->nodes[0]->is_cut = true;
    world_run(w, 10); /* what was on its way is gone */
    o.generation = 1000;
    again = world_start(w, &o);
    world_seed(w, again, w->nodes[0]);
    world_run(w, 12 * WORLD_INTERVAL_MS);
    w->nodes[0]->is_cut = false;
    world_run(w, 12 * WORLD_INTERVAL_MS);
    assert_int_equal(again->kept_generation, 5001);
    assert_int_equal(again->node.state, NODE_ACTIVE);
    assert_int_equal(node_member(&w->nodes[0]->node, 2)->id.generation, 5001);
}

/* The others heard different last heartbeats of it. */
static void the_echo_of_our_past_does_not_make_it_live(void **context)
{
    struct world *w = *context;
    struct node_options o = world_options(3);
    struct world_node *again;

    start_cluster(w, 2);
    o.generation = 5000;
    again = world_start(w, &o);
    world_seed(w, again, w->nodes[0]);
    world_run(w, 10 * WORLD_INTERVAL_MS);
    w->nodes[1]->is_cut = true;
    world_run(w, 2 * WORLD_INTERVAL_MS);
    world_kill(w, again);
    w->nodes[0]->is_cut = true;
    w->nodes[1]->is_cut = false;
    o.generation = 1000;
    again = world_start(w, &o);
    world_seed(w, again, w->nodes[1]);
    world_run(w, 10);
    w->nodes[0]->is_cut = false;
    world_run(w, 12 * WORLD_INTERVAL_MS);
    assert_int_equal(again->kept_generation, 5001);
    assert_int_equal(again->node.state, NODE_ACTIVE);
}

static void a_past_that_an_active_node_hears_of_is_told(void **context)
{
    struct world *w = *context;
    struct node_options o = world_options(2);
    struct world_node *again;

    start_cluster(w, 1);
    o.generation = 5000;
    again = world_start(w, &o);
    world_seed(w, again, w->nodes[0]);
    world_run(w, 10 * WORLD_INTERVAL_MS);
    world_kill(w, again);
    w->nodes[0]->is_cut = true;
    world_run(w, 10); /* what was on its way is gone */
    o.generation = 1000;
    again = world_start(w, &o);
    world_seed(w, again, w->nodes[0]);
    world_run(w, 11000); /* it is active, alone */
    w->nodes[0]->is_cut = false;
    world_run(w, 12 * WORLD_INTERVAL_MS);
    assert_int_equal(again->kept_generation, 0);
    assert_int_equal(again->node.state, NODE_ACTIVE);
    assert_non_null(strstr(again->log, "generation 5000"));
    assert_non_null(strstr(again->log, "restart"));
}

/* Every Syn of the others shows it, and each would be a line of the log. */
static void keys_that_we_never_wrote_are_told_of_once_a_minute(void **context)
{
    static const char SENTENCE[] = "keys of ours that we never wrote";
    struct world *w = *context;
    struct node_options o = world_options(2);
    struct world_node *again;
    const char *first;

    start_cluster(w, 1);
    o.generation = 5000;
    again = world_start(w, &o);
    world_seed(w, again, w->nodes[0]);
    for (int i = 0; i < 50; i++) {
        (void)world_call(w, again, 1,
                i % 2 == 0
                        ? "{\"cmd\":\"kv_set\",\"key\":\"k\",\"value\":\"a\"}"
                        : "{\"cmd\":\"kv_set\",\"key\":\"k\",\"value\":\"b\"}");
    }
    world_run(w, 10 * WORLD_INTERVAL_MS);
    world_kill(w, again);
    again = world_start(w, &o); /* it has forgotten even its generation */
    world_seed(w, again, w->nodes[0]);
    world_run(w, 20 * WORLD_INTERVAL_MS);
    first = strstr(again->log, SENTENCE);
    assert_non_null(first);
    assert_null(strstr(first + 1, SENTENCE));
    world_run(w, 61000);
    assert_non_null(strstr(first + 1, SENTENCE));
}

static void a_restart_elsewhere_is_no_twin(void **context)
{
    struct world *w = *context;
    struct node_options o = world_options(2);
    struct world_node *again;

    start_cluster(w, 2);
    world_kill(w, w->nodes[1]);
    o.generation = 2000;
    o.gossip_addr = addr_ipv4(10, 0, 0, 22, 7741);
    again = world_start(w, &o);
    world_seed(w, again, w->nodes[0]);
    world_run(w, 20 * WORLD_INTERVAL_MS);
    assert_int_equal(again->node.state, NODE_ACTIVE);
    assert_false(again->has_stopped);
    assert_int_equal(again->kept_generation, 0);
    assert_int_equal(node_member(&w->nodes[0]->node, 2)->id.generation, 2000);
}

static void a_twin_that_joins_ends_with_its_address(void **context)
{
    static const uint64_t GENERATIONS[] = {500, 2000};

    for (size_t i = 0; i < 2; i++) {
        struct world *w = *context;
        struct node_options o = world_options(2);
        struct world_node *twin;

        printf("generation %d\n", (int)GENERATIONS[i]);
        if (i > 0) {
            world_close(w);
            world_init(w);
        }
        start_cluster(w, 3);
        o.generation = GENERATIONS[i];
        o.gossip_addr = addr_ipv4(10, 0, 0, 22, 7741);
        twin = world_start(w, &o);
        world_seed(w, twin, w->nodes[0]);
        world_run(w, 12 * WORLD_INTERVAL_MS);
        assert_true(twin->has_stopped);
        assert_int_equal(twin->exit_code, 1);
        assert_false(twin->is_ready);
        assert_non_null(strstr(twin->log, "10.0.0.2:7741"));
        assert_non_null(strstr(twin->log, "set [node] id"));
        assert_int_equal(w->nodes[1]->node.state, NODE_ACTIVE);
    }
}

/* Two nodes that could not hear each other while they started. */
static void a_twin_of_an_active_node_is_told_of_and_kept(void **context)
{
    struct world *w = *context;
    struct node_options o = world_options(1);
    struct world_node *a;
    struct world_node *b;
    struct error reason;
    size_t said;

    o.has_seeds = false;
    a = world_start(w, &o);
    o.generation = 2000;
    o.gossip_addr = addr_ipv4(10, 0, 0, 22, 7741);
    b = world_start(w, &o);
    world_run(w, 20 * WORLD_INTERVAL_MS);
    assert_true(node_is_healthy(&a->node, &reason));
    world_seed(w, a, b);
    world_run(w, 10 * WORLD_INTERVAL_MS);
    for (int i = 0; i < 2; i++) {
        struct world_node *n = i == 0 ? a : b;

        assert_false(node_is_healthy(&n->node, &reason));
        assert_non_null(strstr(reason.text, i == 0 ? "10.0.0.22" : "10.0.0.1"));
        assert_int_equal(n->node.state, NODE_ACTIVE);
        assert_false(n->has_stopped);
    }
    said = a->log_bytes;
    world_run(w, 30000);
    assert_null(strstr(a->log + said, "set [node] id"));
    world_run(w, 31000);
    assert_non_null(strstr(a->log + said, "set [node] id")); /* each minute */
    world_kill(w, b);
    world_run(w, 70000);
    assert_true(node_is_healthy(&a->node, &reason));
}

/* --- leaving --- */

static void a_node_that_stops_says_left_and_goes(void **context)
{
    struct world *w = *context;
    struct world_node *n;
    uint64_t began_ms;
    struct bytes state;

    start_cluster(w, 3);
    n = w->nodes[1];
    began_ms = w->now_ms;
    node_stop(&n->node, w->now_ms);
    node_stop(&n->node, w->now_ms);
    world_drain(w, n);
    while (!n->has_stopped) {
        assert_true(w->now_ms < began_ms + 8000);
        world_run(w, 50);
    }
    assert_int_equal(n->exit_code, 0);
    assert_int_equal(n->node.state, NODE_LEFT);
    world_run(w, 2 * WORLD_INTERVAL_MS);
    for (size_t i = 0; i < 3; i += 2) {
        assert_true(kv_read_from(
                &w->nodes[i]->node.kv, 2, bytes_text("node:state"), &state));
        assert_true(bytes_equal_text(state, "left"));
        assert_int_equal(node_active_count(&w->nodes[i]->node), 2);
    }
}

static void a_node_alone_with_slow_rounds_still_leaves_in_time(void **context)
{
    struct world *w = *context;
    struct node_options o = world_options(1);
    struct world_node *n;

    o.has_seeds = false;
    o.gossip = gossip_options_default(60000);
    n = world_start(w, &o);
    world_run(w, 1000);
    node_stop(&n->node, w->now_ms);
    world_drain(w, n);
    world_run(w, 8000);
    assert_true(n->has_stopped);
    assert_int_equal(n->exit_code, 0);
}

static void a_sink_holds_its_node_no_longer_than_the_drain(void **context)
{
    struct world *w = *context;
    struct world_node *n;
    uint32_t sink;
    uint32_t late;

    start_cluster(w, 2);
    n = w->nodes[1];
    sink = world_attach(w, n, SHUFFLE_ROLE_SINK, 1, "words");
    world_run(w, 2 * WORLD_INTERVAL_MS);
    assert_true(n->clients[sink].is_connected);
    node_stop(&n->node, w->now_ms);
    world_drain(w, n);
    world_run(w, 1);
    late = world_attach(w, n, SHUFFLE_ROLE_SINK, 1, "lines");
    world_run(w, 1);
    expect_state(n, late, SHUFFLE_STATE_REFUSED, "leaving");
    assert_true(n->clients[late].is_ended);
    world_run(w, 7998);
    assert_true(n->has_stopped);
    assert_true(n->clients[sink].is_ended);
    assert_int_equal(n->exit_code, 0);
}

static void leave_is_answered_when_the_node_has_left(void **context)
{
    static char json[64 * 1024];
    struct world *w = *context;
    struct world_node *n;
    struct shuffle_wire_result result;
    uint32_t client;

    start_cluster(w, 2);
    n = w->nodes[0];
    client = world_call(w, n, 9, "{\"cmd\":\"leave\"}");
    world_run(w, 1);
    expect_silence(n, client);
    world_run(w, 8000);
    assert_true(n->has_stopped);
    world_flush_client(n, client);
    expect_result(n, client, &result, json);
    assert_int_equal(result.id, 9);
    assert_int_equal(result.exit, 0);
    assert_true(result.last);
    assert_non_null(strstr(json, "left"));
}

/* --- calls --- */

static void members_wait_until_so_many_are_active(void **context)
{
    static char json[64 * 1024];
    struct world *w = *context;
    struct world_node *n;
    struct shuffle_wire_result result;
    uint32_t now;
    uint32_t later;

    start_cluster(w, 2);
    n = w->nodes[0];
    now = world_call(w, n, 1, "{\"cmd\":\"members\",\"wait\":2}");
    later = world_call(w, n, 2, "{\"cmd\":\"members\",\"wait\":3}");
    world_run(w, 1);
    expect_result(n, now, &result, json);
    assert_int_equal(result.exit, 0);
    expect_silence(n, later);
    world_run(w, 20 * WORLD_INTERVAL_MS);
    expect_silence(n, later);
    world_seed(w, start(w, 3), n);
    world_run(w, 2 * WORLD_INTERVAL_MS);
    expect_silence(n, later); /* it is joining */
    world_run(w, 4 * WORLD_INTERVAL_MS);
    expect_result(n, later, &result, json);
    assert_int_equal(result.id, 2);
    assert_non_null(strstr(json, "\"node-3\""));
    expect_silence(n, later);
}

static void a_watch_tells_what_is_there_and_what_changes(void **context)
{
    static const struct {
        const char *node;
        const char *value;
    } CHANGES[] = {{"\"1\"", "\"new\""}, {"\"2\"", "null"}};
    static char json[64 * 1024];
    struct world *w = *context;
    struct world_node *a;
    struct world_node *b;
    struct shuffle_wire_result result;
    uint32_t watch;

    start_cluster(w, 2);
    a = w->nodes[0];
    b = w->nodes[1];
    (void)world_call(
            w, b, 1, "{\"cmd\":\"kv_set\",\"key\":\"w/x\",\"value\":\"old\"}");
    (void)world_call(
            w, b, 1, "{\"cmd\":\"kv_set\",\"key\":\"v\",\"value\":\"no\"}");
    world_run(w, 4 * WORLD_INTERVAL_MS);
    watch = world_call(w, a, 7, "{\"cmd\":\"kv_watch\",\"prefix\":\"w/\"}");
    world_run(w, 1);
    expect_result(a, watch, &result, json);
    assert_int_equal(result.id, 7);
    assert_false(result.last);
    assert_non_null(strstr(json, "\"w/x\""));
    assert_non_null(strstr(json, "\"old\""));
    expect_silence(a, watch);
    for (size_t i = 0; i < 2; i++) {
        (void)world_call(w, i == 0 ? a : b, 1,
                i == 0 ? "{\"cmd\":\"kv_set\",\"key\":\"w/y\","
                         "\"value\":\"new\"}"
                       : "{\"cmd\":\"kv_del\",\"key\":\"w/x\"}");
        world_run(w, 4 * WORLD_INTERVAL_MS);
        expect_result(a, watch, &result, json);
        assert_false(result.last);
        assert_non_null(strstr(json, CHANGES[i].node));
        assert_non_null(strstr(json, CHANGES[i].value));
        expect_silence(a, watch);
    }
}

/* Else the answers of one call would carry the number of another. */
static void a_program_waits_for_one_thing_at_a_time(void **context)
{
    static const char *const MORE[] = {
            "{\"cmd\":\"kv_watch\",\"prefix\":\"w/\"}",
            "{\"cmd\":\"members\",\"wait\":9}", "{\"cmd\":\"leave\"}"};
    static char json[64 * 1024];
    struct world *w = *context;
    struct shuffle_wire_result result;
    struct world_node *n;
    uint32_t client;

    start_cluster(w, 1);
    n = w->nodes[0];
    client = world_call(w, n, 7, "{\"cmd\":\"kv_watch\",\"prefix\":\"w/\"}");
    for (size_t i = 0; i < sizeof(MORE) / sizeof(MORE[0]); i++) {
        world_call_again(w, n, client, 8, MORE[i]);
        world_run(w, 1);
        expect_result(n, client, &result, json);
        assert_int_equal(result.id, 8);
        assert_int_equal(result.exit, 1);
        assert_true(result.last);
        assert_int_equal(n->node.state, NODE_ACTIVE);
    }
    world_call_again(w, n, client, 9,
            "{\"cmd\":\"kv_set\",\"key\":\"w/x\",\"value\":\"y\"}");
    world_run(w, 1);
    for (uint32_t id = 9; id >= 7; id -= 2) {
        expect_result(n, client, &result, json);
        assert_int_equal(result.id, id);
        assert_int_equal(result.last, id == 9);
    }
    expect_silence(n, client);
}

static void calls_are_answered_with_their_exit_code(void **context)
{
    static const struct {
        const char *json;
        int exit;
        const char *word;
    } ROWS[] = {
            {"{\"cmd\":\"kv_set\",\"key\":\"k\",\"value\":\"v\"}", 0, "\"v\""},
            {"{\"cmd\":\"kv_get\",\"key\":\"k\"}", 0, "\"v\""},
            {"{\"cmd\":\"kv_get\",\"key\":\"k\",\"node\":\"1\"}", 0, "\"v\""},
            {"{\"cmd\":\"kv_get\",\"key\":\"none\"}", 1, "none"},
            {"{\"cmd\":\"kv_get\",\"key\":\"k\",\"node\":\"9\"}", 1, "9"},
            {"{\"cmd\":\"kv_ls\",\"prefix\":\"k\"}", 0, "\"v\""},
            {"{\"cmd\":\"kv_ls\",\"prefix\":\"\",\"node\":\"9\"}", 1, "9"},
            {"{\"cmd\":\"kv_del\",\"key\":\"k\"}", 0, "null"},
            {"{\"cmd\":\"kv_del\",\"key\":\"k\"}", 1, "k"},
            {"{\"cmd\":\"kv_set\",\"key\":\"\",\"value\":\"v\"}", 1, "empty"},
            {"{\"cmd\":\"kv_set\",\"key\":\"node:x\",\"value\":\"v\"}", 1,
                    "node:"},
            {"{\"cmd\":\"kv_del\",\"key\":\"weft:protocol\"}", 1, "weft:"},
            {"{\"cmd\":\"health\"}", 0, "active"},
            {"{\"cmd\":\"info\"}", 0, "\"gossip\""},
            {"{\"cmd\":\"members\"}", 0, "node-1"},
            {"{\"cmd\":\"checkpoints\"}", 0, "[]"},
            {"{\"cmd\":\"barrier\"}", 0, "\"committed\""},
            {"{\"cmd\":\"checkpoints\"}", 0, "\"committed\""},
            {"{\"cmd\":\"unheard\"}", 2, "unheard"},
            {"{", 2, "object"},
    };
    static char json[64 * 1024];
    struct world *w = *context;

    start_cluster(w, 1);
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        struct world_node *n = w->nodes[0];
        struct shuffle_wire_result result;
        uint32_t client = world_call(w, n, (uint32_t)i, ROWS[i].json);

        printf("%s\n", ROWS[i].json);
        world_run(w, 1);
        expect_result(n, client, &result, json);
        assert_int_equal(result.id, i);
        assert_int_equal(result.exit, ROWS[i].exit);
        assert_true(result.last);
        assert_non_null(strstr(json, ROWS[i].word));
        node_client_gone(&n->node, w->now_ms, client);
        n->clients[client].is_connected = false;
        world_drain(w, n);
    }
}

static void ask(struct world *w, struct world_node *n, const char *call,
        struct shuffle_wire_result *result, char json[static 64 * 1024])
{
    uint32_t client = world_call(w, n, 1, call);

    world_run(w, 100);
    expect_result(n, client, result, json);
    node_client_gone(&n->node, w->now_ms, client);
    n->clients[client].is_connected = false;
    world_drain(w, n);
}

/* How many times `part` stands in the text. */
static size_t times(const char *text, const char *part)
{
    size_t count = 0;

    while ((text = strstr(text, part)) != NULL) {
        text += strlen(part);
        count++;
    }
    return count;
}

/* All are Weft nodes, which read V1. Of ourselves nothing is said. */
static void a_node_says_which_protocol_it_opens_with(void **context)
{
    static const struct {
        enum gossip_protocol protocol;
        const char *name;
        size_t v0; /* members that an exchange is opened with in V0 */
        size_t v1;
    } NODES[] = {{GOSSIP_PROTOCOL_V0, "\"protocol\":\"v0\"", 2, 0},
            {GOSSIP_PROTOCOL_V1, "\"protocol\":\"v1\"", 0, 2},
            {GOSSIP_PROTOCOL_AUTO, "\"protocol\":\"auto\"", 0, 2}};
    static char json[64 * 1024];
    struct shuffle_wire_result result;
    struct world *w = *context;

    for (size_t i = 0; i < 3; i++) {
        struct node_options o = world_options(i + 1);
        struct world_node *n;

        o.gossip.protocol = NODES[i].protocol;
        n = world_start(w, &o);
        world_seed(w, n, w->nodes[0]);
    }
    world_run(w, 40 * WORLD_INTERVAL_MS);
    for (size_t i = 0; i < 3; i++) {
        ask(w, w->nodes[i], "{\"cmd\":\"info\"}", &result, json);
        assert_non_null(strstr(json, NODES[i].name));
        assert_non_null(strstr(json, "\"syns_sent\":{\"v0\":"));
        assert_int_equal(times(json, "\"syns_sent\":{\"v0\":0,"), i == 1);
        assert_int_equal(times(json, "\"v1\":0},\"syns_received\""), i == 0);
        ask(w, w->nodes[i], "{\"cmd\":\"members\"}", &result, json);
        assert_int_equal(times(json, "\"protocol\":\"v0\""), NODES[i].v0);
        assert_int_equal(times(json, "\"protocol\":\"v1\""), NODES[i].v1);
        assert_int_equal(times(json, "\"protocol\":null"), 1);
    }
}

static void who_does_not_answer_v1_is_logged_once(void **context)
{
    struct world *w = *context;
    struct node_options o = world_options(1);
    struct world_node *n;
    struct addr nobody = addr_ipv4(10, 0, 0, 9, 7741);

    o.gossip.protocol = GOSSIP_PROTOCOL_V1;
    n = world_start(w, &o);
    node_seeds(&n->node, &nobody, 1);
    world_drain(w, n);
    world_run(w, 40 * WORLD_INTERVAL_MS);
    assert_int_equal(
            times(n->log, "10.0.0.9:7741 does not answer gossip in protocol "
                          "V1; it gets V0 for 10 minutes"),
            1);
}

static void a_checkpoint_may_be_asked_for_anywhere(void **context)
{
    static char json[64 * 1024];
    struct shuffle_wire_result result;
    struct world *w = *context;

    start_cluster(w, 3);
    for (size_t i = 0; i < 3; i++) {
        ask(w, w->nodes[i], "{\"cmd\":\"barrier\"}", &result, json);
        printf("%s\n", json);
        assert_int_equal(result.exit, 0);
        assert_non_null(strstr(json, "\"outcome\":\"committed\""));
        assert_non_null(strstr(json, "\"reason\":null,\"missing\":[]"));
        assert_non_null(
                strstr(json, "\"participants\":[\"1\",\"2\",\"3\"],"
                             "\"participants_count\":3,\"leader\":\"1\""));
    }
    for (size_t i = 0; i < 3; i++) {
        ask(w, w->nodes[i], "{\"cmd\":\"checkpoints\"}", &result, json);
        assert_non_null(strstr(json, "\"last_acked\""));
        assert_non_null(strstr(json, "\"known_us\""));
        ask(w, w->nodes[i], "{\"cmd\":\"info\"}", &result, json);
        assert_non_null(strstr(json, "\"last_outcome\":\"committed\""));
        assert_non_null(strstr(json,
                "\"running\":false,\"watermark_ms\":null,\"suspended\":[]"));
        ask(w, w->nodes[i], "{\"cmd\":\"members\"}", &result, json);
        assert_non_null(
                strstr(json, "\"suspended\":false,\"failed_epochs\":[]"));
    }
}

/* The node knows by itself that none will be begun, and says so in time. */
static void a_checkpoint_that_nobody_begins_is_a_sentence(void **context)
{
    static char json[64 * 1024];
    struct world *w = *context;
    struct node_options o = world_options(1);
    struct shuffle_wire_result result;
    struct world_node *n;
    uint32_t client;

    o.has_seeds = false;
    o.checkpoint.expect = 3;
    n = world_start(w, &o);
    world_run(w, 3 * WORLD_INTERVAL_MS);
    assert_int_equal(n->node.state, NODE_ACTIVE);
    client = world_call(w, n, 7, "{\"cmd\":\"barrier\"}");
    world_run(w, 11000);
    expect_result(n, client, &result, json);
    printf("%s\n", json);
    assert_int_equal(result.exit, 5);
    assert_non_null(strstr(json, "{\"error\":\""));
}

/* Its answer is its alone: whoever takes its place hears nothing of it. */
static void who_asked_and_went_is_forgotten(void **context)
{
    struct world *w = *context;
    struct world_node *n;
    uint32_t client;
    uint32_t next;

    start_cluster(w, 2);
    n = w->nodes[1];
    client = world_call(w, n, 7, "{\"cmd\":\"barrier\"}");
    node_client_gone(&n->node, w->now_ms, client);
    n->clients[client].is_connected = false;
    world_drain(w, n);
    next = world_call(w, n, 8, "{\"cmd\":\"members\",\"wait\":9}");
    assert_int_equal(next, client);
    world_run(w, 1000);
    expect_silence(n, next);
}

/* --- programs and streams --- */

static void a_program_that_comes_early_is_attached_when_active(void **context)
{
    struct world *w = *context;
    struct world_node *n;
    uint32_t sink;
    uint32_t gone;
    uint8_t grant[SHUFFLE_GRANT_BYTES];
    struct writer writer = writer_of(grant, sizeof(grant));

    start_cluster(w, 1);
    n = start(w, 2);
    world_seed(w, n, w->nodes[0]);
    sink = world_attach(w, n, SHUFFLE_ROLE_SINK, 1, "words");
    gone = world_attach(w, n, SHUFFLE_ROLE_SINK, 1, "lines");
    shuffle_wire_encode_grant(
            &writer, &(struct shuffle_wire_grant){.limit = 1 << 20});
    world_client_send(w, n, sink, SHUFFLE_TAG_GRANT, writer_bytes(&writer));
    world_run(w, 1);
    expect_state(n, sink, SHUFFLE_STATE_WAITING, "joining");
    assert_false(n->clients[sink].is_read);
    node_client_gone(&n->node, w->now_ms, gone);
    n->clients[gone].is_connected = false;
    world_drain(w, n);
    world_run(w, 3 * WORLD_INTERVAL_MS + 2);
    assert_int_equal(n->node.state, NODE_ACTIVE);
    assert_true(n->clients[sink].is_read);
    assert_true(n->clients[sink].is_connected);
    world_run(w, 3 * WORLD_INTERVAL_MS);
    {
        struct bytes sinks;

        assert_true(kv_read_from(
                &w->nodes[0]->node.kv, 2, bytes_text("weft:sinks"), &sinks));
        assert_true(bytes_equal_text(sinks, "{\"words\":\"1\"}"));
    }
}

static void a_program_that_waits_for_a_leaving_node_is_refused(void **context)
{
    struct world *w = *context;
    struct world_node *n = start(w, 1);
    uint32_t source;

    source = world_attach(w, n, SHUFFLE_ROLE_SOURCE, 1, "words");
    world_client_send(w, n, source, SHUFFLE_TAG_DATA,
            bytes_of("\0\0\0\0\0\0\0\0\0\0\0\0\4\0\0\0loom", 20));
    world_run(w, 100);
    expect_state(n, source, SHUFFLE_STATE_WAITING, "joining");
    node_stop(&n->node, w->now_ms);
    world_drain(w, n);
    world_run(w, 100);
    expect_state(n, source, SHUFFLE_STATE_REFUSED, "leaving");
    assert_true(n->clients[source].is_ended);
}

/* One line, from a source on node 1 to a sink on node 2: the address is read
 * from the gossip at first contact, and there was no connection before. */
static void a_record_finds_its_owner_at_first_contact(void **context)
{
    static uint8_t payload[64 * 1024];
    struct world *w = *context;
    struct world_node *a;
    struct world_node *b;
    uint32_t sink;
    uint32_t source;
    uint8_t bytes[64];
    struct writer writer = writer_of(bytes, sizeof(bytes));
    struct shuffle_wire_data data;
    uint8_t tag = 0;
    size_t size;

    start_cluster(w, 2);
    a = w->nodes[0];
    b = w->nodes[1];
    sink = world_attach(w, b, SHUFFLE_ROLE_SINK, 1, "words");
    shuffle_wire_encode_grant(
            &writer, &(struct shuffle_wire_grant){.limit = 1 << 20});
    world_client_send(w, b, sink, SHUFFLE_TAG_GRANT, writer_bytes(&writer));
    world_run(w, 4 * WORLD_INTERVAL_MS);
    assert_int_equal(w->connections, 0);
    source = world_attach(w, a, SHUFFLE_ROLE_SOURCE, 1, "words");
    world_run(w, 100);
    assert_int_equal(w->connections, 1);
    writer = writer_of(bytes, sizeof(bytes));
    shuffle_wire_encode_data_head(&writer, 0, 0);
    writer_put(&writer, bytes_of("\4\0\0\0loom", 8));
    world_client_send(w, a, source, SHUFFLE_TAG_DATA, writer_bytes(&writer));
    world_run(w, 100);
    while (tag != SHUFFLE_TAG_DATA) {
        assert_true(world_client_frame(b, sink, &tag, payload, &size));
    }
    assert_true(shuffle_wire_decode_data(bytes_of(payload, size), &data));
    assert_int_equal(data.records.size, 8);
    assert_memory_equal(data.records.data, "\4\0\0\0loom", 8);
    shuffle_streams_check(&a->node.streams);
    shuffle_pool_check(&b->node.pool);
}

/* What a program sends, with its one number field in front of zeros. */
static void send_counted(struct world *w, struct world_node *n, uint32_t client,
        uint8_t tag, uint64_t count)
{
    uint8_t bytes[SHUFFLE_MARK_BYTES];
    struct writer writer = writer_of(bytes, sizeof(bytes));

    if (tag == SHUFFLE_TAG_MARK) {
        shuffle_wire_encode_mark(
                &writer, &(struct shuffle_wire_mark){
                                 .next = count, .flags = SHUFFLE_FLAG_DRAIN});
    } else if (tag == SHUFFLE_TAG_GRANT) {
        shuffle_wire_encode_grant(&writer,
                &(struct shuffle_wire_grant){.taken = count, .limit = 1 << 20});
    } else {
        shuffle_wire_encode_done(
                &writer, &(struct shuffle_wire_done){.taken = count});
    }
    world_client_send(w, n, client, tag, writer_bytes(&writer));
}

/* Skips what comes before a frame of this tag; false if there is none. */
static bool comes_to_client(
        struct world_node *n, uint32_t client, uint8_t wanted)
{
    static uint8_t payload[64 * 1024];
    uint8_t tag;
    size_t size;

    while (world_client_frame(n, client, &tag, payload, &size)) {
        if (tag == wanted) {
            return true;
        }
    }
    return false;
}

/* A source of two records, one of them confirmed, gives up. */
static void a_source_that_gives_up_hears_what_was_confirmed(void **context)
{
    static uint8_t payload[64 * 1024];
    static char json[64 * 1024];
    struct world *w = *context;
    struct shuffle_wire_result result;
    struct shuffle_wire_fail fail = {.code = SHUFFLE_FAIL_SOURCE_LOST};
    uint8_t bytes[SHUFFLE_FAIL_HEAD_BYTES];
    struct writer writer = writer_of(bytes, sizeof(bytes));
    struct world_node *a;
    uint32_t sink;
    uint32_t source;
    uint8_t tag;
    size_t size;

    start_cluster(w, 2);
    a = w->nodes[0];
    sink = world_attach(w, w->nodes[1], SHUFFLE_ROLE_SINK, 1, "words");
    send_counted(w, w->nodes[1], sink, SHUFFLE_TAG_GRANT, 0);
    world_run(w, 4 * WORLD_INTERVAL_MS);
    source = world_attach(w, a, SHUFFLE_ROLE_SOURCE, 1, "words");
    world_run(w, 100);
    for (uint8_t i = 0; i < 2; i++) {
        uint8_t data[] = {0, 0, 0, 0, i, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 'x'};

        world_client_send(
                w, a, source, SHUFFLE_TAG_DATA, bytes_of(data, sizeof(data)));
    }
    world_run(w, 100);
    send_counted(w, w->nodes[1], sink, SHUFFLE_TAG_GRANT, 1);
    world_run(w, 100);
    a->clients[source].output.size = 0; /* that it waits, that it is attached */
    shuffle_wire_encode_fail(&writer, &fail);
    world_client_send(w, a, source, SHUFFLE_TAG_FAIL, writer_bytes(&writer));
    world_run(w, 100);
    expect_result(a, source, &result, json);
    assert_int_equal(result.id, 0);
    assert_non_null(strstr(json, "\"confirmed\":1"));
    assert_true(world_client_frame(a, source, &tag, payload, &size));
    assert_int_equal(tag, SHUFFLE_TAG_FAIL);
    assert_true(shuffle_wire_decode_fail(bytes_of(payload, size), &fail));
    assert_int_equal(fail.code, SHUFFLE_FAIL_SOURCE_LOST);
    assert_int_equal(fail.taken, 1);
    assert_true(a->clients[source].is_ended);
    assert_true(comes_to_client(w->nodes[1], sink, SHUFFLE_TAG_FAIL));
}

/* A sink sends a checkpoint's mark back, as one that has written all does. */
static void echo_mark(struct world *w, struct world_node *n, uint32_t client)
{
    static uint8_t payload[64 * 1024];
    uint8_t tag = 0;
    size_t size = 0;

    while (tag != SHUFFLE_TAG_MARK) {
        assert_true(world_client_frame(n, client, &tag, payload, &size));
    }
    world_client_send(w, n, client, SHUFFLE_TAG_MARK, bytes_of(payload, size));
}

/* The last DONE of a draining node leaves it before its Close does. */
static void the_last_word_of_a_stream_comes_before_the_leaving(void **context)
{
    struct world *w = *context;
    struct world_node *a;
    struct world_node *b;
    uint32_t sink;
    uint32_t source;

    start_cluster(w, 2);
    a = w->nodes[0];
    b = w->nodes[1];
    sink = world_attach(w, b, SHUFFLE_ROLE_SINK, 1, "words");
    send_counted(w, b, sink, SHUFFLE_TAG_GRANT, 0);
    world_run(w, 4 * WORLD_INTERVAL_MS);
    source = world_attach(w, a, SHUFFLE_ROLE_SOURCE, 1, "words");
    world_run(w, 100);
    node_stop(&b->node, w->now_ms);
    world_drain(w, b);
    world_run(w, 100);
    echo_mark(w, b, sink); /* of the checkpoint that moves stages away */
    world_run(w, 900);
    assert_int_equal(b->node.state, NODE_DRAINING);
    world_client_send(w, a, source, SHUFFLE_TAG_DATA,
            bytes_of("\0\0\0\0\0\0\0\0\0\0\0\0\4\0\0\0loom", 20));
    send_counted(w, a, source, SHUFFLE_TAG_MARK, 1);
    world_run(w, 100);
    assert_true(comes_to_client(b, sink, SHUFFLE_TAG_DATA));
    send_counted(w, b, sink, SHUFFLE_TAG_GRANT, 1);
    world_run(w, 100);
    assert_true(comes_to_client(b, sink, SHUFFLE_TAG_MARK));
    send_counted(w, b, sink, SHUFFLE_TAG_DONE, 1);
    world_run(w, 100);
    assert_int_equal(b->node.state, NODE_LEFT);
    assert_true(comes_to_client(a, source, SHUFFLE_TAG_DONE));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, open_world, close_world)

int main(void)
{
    const struct CMUnitTest cases[] = {
            CASE(a_node_without_seeds_is_active_at_once),
            CASE(a_node_that_does_not_listen_is_not_active),
            CASE(a_node_that_nobody_answers_is_active_after_ten_seconds),
            CASE(a_node_that_is_answered_listens_for_three_intervals),
            CASE(a_silent_higher_generation_is_our_own_past),
            CASE(keys_written_while_joining_outlive_the_new_generation),
            CASE(our_past_is_heard_of_even_late),
            CASE(the_echo_of_our_past_does_not_make_it_live),
            CASE(a_past_that_an_active_node_hears_of_is_told),
            CASE(keys_that_we_never_wrote_are_told_of_once_a_minute),
            CASE(a_restart_elsewhere_is_no_twin),
            CASE(a_twin_that_joins_ends_with_its_address),
            CASE(a_twin_of_an_active_node_is_told_of_and_kept),
            CASE(a_node_that_stops_says_left_and_goes),
            CASE(a_node_alone_with_slow_rounds_still_leaves_in_time),
            CASE(a_sink_holds_its_node_no_longer_than_the_drain),
            CASE(leave_is_answered_when_the_node_has_left),
            CASE(members_wait_until_so_many_are_active),
            CASE(a_watch_tells_what_is_there_and_what_changes),
            CASE(a_program_waits_for_one_thing_at_a_time),
            CASE(calls_are_answered_with_their_exit_code),
            CASE(a_node_says_which_protocol_it_opens_with),
            CASE(who_does_not_answer_v1_is_logged_once),
            CASE(a_checkpoint_may_be_asked_for_anywhere),
            CASE(a_checkpoint_that_nobody_begins_is_a_sentence),
            CASE(who_asked_and_went_is_forgotten),
            CASE(a_program_that_comes_early_is_attached_when_active),
            CASE(a_program_that_waits_for_a_leaving_node_is_refused),
            CASE(a_record_finds_its_owner_at_first_contact),
            CASE(a_source_that_gives_up_hears_what_was_confirmed),
            CASE(the_last_word_of_a_stream_comes_before_the_leaving),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
