#include "node/node.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "node/node_inner.h"

enum {
    BLOCKS_KEPT_BYTES = 16 * 1024 * 1024, /* returned blocks kept for reuse */
    ALONE_AFTER_MS = 10000, /* nobody has answered: be active alone */
    LISTEN_INTERVALS = 3, /* to hear of everybody after the first exchange */
    DRAIN_MS = 6000, /* what running streams have */
    STOP_MS = 7800, /* all of stopping */
    LEFT_ROUNDS = 3,
};

const char *node_state_name(enum node_state state)
{
    static const char *const names[] = {
            "joining", "active", "draining", "left"};

    return names[state];
}

static void set_state(struct node *n, enum node_state state)
{
    /* The drawing has one way back. */
    assert(state > n->state ||
            (state == NODE_JOINING && n->state == NODE_ACTIVE));
    n->state = state;
    node_publish(n, "node:state", node_state_name(state));
}

void node_log(
        struct node *n, enum node_urgency urgency, const char *format, ...)
{
    struct node_log_line *line;
    va_list args;

    if (n->log_count == NODE_LOG_LINES) {
        return;
    }
    line = &n->log[(n->log_first + n->log_count) % NODE_LOG_LINES];
    va_start(args, format);
    (void)vsnprintf(line->text.text, sizeof(line->text.text), format, args);
    va_end(args);
    line->urgency = urgency;
    n->log_count++;
}

void node_publish(struct node *n, const char *key, const char *value)
{
    struct error err;

    if (gossip_publish(&n->gossip, bytes_text(key), bytes_text(value), &err) !=
            0) {
        node_log(n, NODE_ERROR, "cannot publish %s: %s", key, err.text);
    }
}

/* What every member of a LaminarDB cluster says of itself, in its order; a
 * member without `node:rpc_addr`, even an empty one, would not count. */
static void publish_ourselves(struct node *n)
{
    char number[24];

    node_publish(n, "node:state", node_state_name(n->state));
    node_publish(n, "node:rpc_addr", "");
    node_publish(n, "node:raft_addr", "");
    node_publish(n, "node:name", n->options.name);
    (void)snprintf(number, sizeof(number), "%u", n->options.cores);
    node_publish(n, "load:cores", number);
    (void)snprintf(number, sizeof(number), "%" PRIu64, n->options.memory_bytes);
    node_publish(n, "load:memory_bytes", number);
    node_publish(n, "node:version", n->options.version);
}

static void publish_shuffle(struct node *n)
{
    char text[ADDR_TEXT_BYTES];

    if (n->shuffle_addr.family != ADDR_NONE) {
        node_publish(n, "weft:protocol", "1");
        node_publish(n, "shuffle:addr", addr_format(&n->shuffle_addr, text));
    }
}

static int start_gossip(struct node *n, uint64_t now_ms, struct error *err)
{
    struct gossip_options options = n->options.gossip;
    char name[GOSSIP_NODE_NAME_BYTES];

    options.cluster = bytes_text(n->options.cluster);
    options.self = (struct gossip_id){
            .node_id = bytes_text(gossip_node_name(n->options.id, name)),
            .generation = n->options.generation,
            .addr = n->options.gossip_addr,
    };
    options.seed = n->options.seed;
    return gossip_init(&n->gossip, &options, now_ms, err);
}

int node_restart_gossip(struct node *n, struct error *err)
{
    int code;

    gossip_close(&n->gossip);
    code = start_gossip(n, n->now_ms, err);
    if (code == 0) {
        shuffle_pool_generation(&n->pool, n->options.generation);
        shuffle_streams_generation(&n->streams, n->options.generation);
        checkpoint_generation(
                &n->checkpoint, node_now_us(n), n->options.generation);
        gossip_seeds(&n->gossip, n->seeds, n->seed_count);
        publish_ourselves(n);
        publish_shuffle(n);
    }
    return code;
}

static void start_shuffle(struct node *n, uint64_t now_ms)
{
    struct shuffle_pool_options pool = n->options.pool;
    struct shuffle_streams_options streams = n->options.streams;

    pool.id = n->options.id;
    pool.generation = n->options.generation;
    pool.cluster = n->options.cluster;
    pool.blocks = &n->blocks;
    pool.seed = n->options.seed + 1;
    shuffle_pool_init(&n->pool, &pool, now_ms);
    streams.id = n->options.id;
    streams.generation = n->options.generation;
    streams.blocks = &n->blocks;
    streams.budget = &n->budget;
    streams.seed = n->options.seed + 2;
    shuffle_streams_init(&n->streams, &streams, now_ms);
}

int node_init(struct node *n, const struct node_options *options,
        uint64_t now_ms, struct error *err)
{
    int code;

    *n = (struct node){.options = *options,
            .state = NODE_JOINING,
            .started_ms = now_ms,
            .now_ms = now_ms};
    code = start_gossip(n, now_ms, err);
    if (code != 0) {
        return code;
    }
    code = kv_watches_init(&n->watches, LOCAL_CLIENTS_MAX);
    if (code != 0) {
        gossip_close(&n->gossip);
        return error_set(err, code, "no memory for a node");
    }
    n->kv = gossip_kv_seam(&n->gossip, &n->watches);
    n->budget.max_bytes = options->memory_budget_bytes;
    block_pool_init(&n->blocks, &n->budget, BLOCKS_KEPT_BYTES);
    start_shuffle(n, now_ms);
    code = node_checkpoint_init(n, err);
    local_init(&n->local, &n->blocks, options->pool.max_frame_bytes);
    publish_ourselves(n);
    return code;
}

void node_close(struct node *n)
{
    local_close(&n->local);
    node_checkpoint_close(n);
    shuffle_streams_close(&n->streams);
    shuffle_pool_close(&n->pool);
    block_pool_close(&n->blocks);
    kv_watches_close(&n->watches);
    gossip_close(&n->gossip);
}

void node_listening(
        struct node *n, uint64_t now_ms, const struct addr *advertised)
{
    n->now_ms = now_ms;
    n->shuffle_addr = *advertised;
    shuffle_pool_listening(&n->pool, advertised);
    publish_shuffle(n);
}

/* --- facts --- */

void node_datagram(struct node *n, uint64_t now_ms, const struct addr *from,
        struct bytes datagram)
{
    n->now_ms = now_ms;
    gossip_receive(&n->gossip, now_ms, from, datagram);
}

/* That we slept must be known before anything else of this moment is. */
void node_clock(struct node *n, uint64_t now_us)
{
    struct gossip_action late;

    n->clock_us = now_us;
    if (now_us / 1000 > n->now_ms) {
        n->now_ms = now_us / 1000;
    }
    gossip_clock(&n->gossip, n->now_ms);
    if (n->gossip.late_ms != 0 && gossip_next(&n->gossip, &late)) {
        node_news(n, &late);
    }
}

void node_seeds(struct node *n, const struct addr *addrs, size_t count)
{
    n->seed_count = count < GOSSIP_SEEDS_MAX ? count : GOSSIP_SEEDS_MAX;
    memcpy(n->seeds, addrs, n->seed_count * sizeof(*addrs));
    gossip_seeds(&n->gossip, n->seeds, n->seed_count);
}

void node_stop(struct node *n, uint64_t now_ms)
{
    n->now_ms = now_ms;
    if (n->is_stopping) {
        return;
    }
    n->is_stopping = true;
    n->stop_ms = now_ms;
    node_tell_sinks(n);
    node_ask_to_drain(n);
}

void node_begin_draining(struct node *n)
{
    if (n->state >= NODE_DRAINING) {
        return;
    }
    set_state(n, NODE_DRAINING);
    n->draining_due = true;
    checkpoint_state(&n->checkpoint, node_now_us(n), false, true);
    node_attach_waiting(n); /* they are refused, with a sentence */
    shuffle_streams_drain(
            &n->streams, n->now_ms, n->stop_ms + SHUFFLE_DRAIN_MS);
}

/* --- life --- */

static bool is_ready(const struct node *n)
{
    uint64_t age_ms = n->now_ms - n->started_ms;
    uint64_t listened_ms = LISTEN_INTERVALS * n->options.gossip.interval_ms;

    if (n->shuffle_addr.family == ADDR_NONE || node_may_have_twin(n) ||
            node_may_have_past(n)) {
        return false;
    }
    return !n->options.has_seeds || age_ms >= ALONE_AFTER_MS ||
           (gossip_counters(&n->gossip)->exchanges > 0 &&
                   age_ms >= listened_ms);
}

void node_join_again(struct node *n)
{
    set_state(n, NODE_JOINING);
    n->started_ms = n->now_ms;
    checkpoint_state(&n->checkpoint, node_now_us(n), false, false);
}

static void become_active(struct node *n)
{
    set_state(n, NODE_ACTIVE);
    n->ready_due = true;
    checkpoint_state(&n->checkpoint, node_now_us(n), true, false);
    node_attach_waiting(n);
    node_answer_members(n);
}

/* All that was drained is gone, or its time is up: say `left`. */
static void say_left(struct node *n)
{
    set_state(n, NODE_LEFT);
    checkpoint_state(&n->checkpoint, node_now_us(n), false, false);
    n->left_round = gossip_counters(&n->gossip)->rounds;
    shuffle_pool_leave(&n->pool, n->now_ms);
}

void node_finish(struct node *n, int exit_code)
{
    if (!n->stopped) {
        n->stopped = true;
        n->stop_due = true;
        n->exit_code = exit_code;
        node_answer_left(n);
    }
}

/* Goes on with the node's life; true if anything has come of it. All that the
 * streams have decided must be done before: they are idle when they have said
 * their last word, not when it has left. */
static bool advance(struct node *n)
{
    uint64_t stopping_ms = n->now_ms - n->stop_ms;
    enum node_state before = n->state;

    if (n->stopped) {
        return false;
    }
    switch (n->state) {
    case NODE_JOINING:
        if (is_ready(n)) {
            become_active(n);
        }
        break;
    case NODE_ACTIVE:
        break;
    case NODE_DRAINING:
        if (shuffle_streams_is_idle(&n->streams) || stopping_ms >= DRAIN_MS) {
            say_left(n);
        }
        break;
    case NODE_LEFT:
        if (stopping_ms >= STOP_MS ||
                (shuffle_pool_links(&n->pool) == 0 &&
                        gossip_counters(&n->gossip)->rounds >=
                                n->left_round + LEFT_ROUNDS)) {
            node_finish(n, 0);
        }
        break;
    }
    return n->state != before || n->stopped;
}

/* When `advance` has to look again without being told of anything; what is
 * past already waits for the next round. */
static uint64_t life_deadline_ms(const struct node *n)
{
    uint64_t deadline = UINT64_MAX;

    switch (n->state) {
    case NODE_JOINING:
        deadline = n->started_ms +
                   (gossip_counters(&n->gossip)->exchanges > 0
                                   ? LISTEN_INTERVALS *
                                             n->options.gossip.interval_ms
                                   : ALONE_AFTER_MS);
        break;
    case NODE_ACTIVE:
        break;
    case NODE_DRAINING:
        deadline = n->stop_ms + DRAIN_MS;
        break;
    case NODE_LEFT:
        deadline = n->stop_ms + STOP_MS;
        break;
    }
    return deadline > n->now_ms ? deadline : UINT64_MAX;
}

/* --- turns --- */

void node_turn(struct node *n, uint64_t now_ms)
{
    n->now_ms = now_ms;
    shuffle_streams_flush(&n->streams, now_ms);
}

void node_tick(struct node *n, uint64_t now_ms)
{
    n->now_ms = now_ms;
    gossip_tick(&n->gossip, now_ms);
    shuffle_pool_tick(&n->pool, now_ms);
    node_tell_silence(n);
    shuffle_streams_tick(&n->streams, now_ms);
    checkpoint_tick(&n->checkpoint, node_now_us(n));
    local_tick(&n->local, now_ms);
    node_retry_clients(n);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Never a moment too early, for then it would be looked at twice. */
static uint64_t checkpoint_deadline_ms(const struct node *n)
{
    uint64_t deadline_us = checkpoint_deadline_us(&n->checkpoint);

    return deadline_us > UINT64_MAX - 999 ? UINT64_MAX
                                          : (deadline_us + 999) / 1000;
}

uint64_t node_deadline_ms(const struct node *n)
{
    uint64_t cores = earlier(
            earlier(gossip_deadline_ms(&n->gossip), checkpoint_deadline_ms(n)),
            earlier(shuffle_pool_deadline_ms(&n->pool),
                    shuffle_streams_deadline_ms(&n->streams)));

    return earlier(
            cores, earlier(local_deadline_ms(&n->local), life_deadline_ms(n)));
}

bool node_is_healthy(const struct node *n, struct error *reason)
{
    char text[ADDR_TEXT_BYTES];
    size_t members;

    if (n->state == NODE_JOINING) {
        (void)error_set(reason, 0, "still looking for the cluster");
        return false;
    }
    if (n->state != NODE_ACTIVE) {
        (void)error_set(reason, 0, "leaving");
        return false;
    }
    if (n->twin_said_ms != 0 && node_has_living_namesake(n)) {
        (void)error_set(reason, 0, "another node has our id at %s",
                addr_format(&n->twin_addr, text));
        return false;
    }
    members = gossip_live_count(&n->gossip) + 1;
    (void)error_set(reason, 0, "active with %zu live member%s", members,
            members == 1 ? "" : "s");
    return true;
}

/* --- actions --- */

/* One thing that happens is a line or two: what has been logged goes out before
 * more happens, so that a cluster that comes at once is told of whole. */
static bool has_room_to_log(const struct node *n)
{
    return n->log_count < NODE_LOG_LINES / 2;
}

/* What the streams and the pool decide about each other happens here; what is
 * left is for the adaptors. */
static bool next_of_pool(struct node *n, struct node_action *action)
{
    while (has_room_to_log(n) && shuffle_pool_next(&n->pool, &action->pool)) {
        if (action->pool.type <= SHUFFLE_POOL_READ) {
            action->type = NODE_POOL;
            return true;
        }
        node_pool_action(n, &action->pool);
    }
    return false;
}

static bool settle_streams(struct node *n)
{
    struct shuffle_streams_action action;
    bool any = false;

    while (shuffle_streams_next(&n->streams, &action)) {
        node_streams_action(n, &action);
        any = true;
    }
    return any;
}

static bool next_of_gossip(struct node *n, struct node_action *action)
{
    struct gossip_action news;

    while (has_room_to_log(n) && gossip_next(&n->gossip, &news)) {
        if (news.kind == GOSSIP_SEND) {
            action->type = NODE_SEND;
            action->to = news.to;
            action->datagram = news.datagram;
            return true;
        }
        node_news(n, &news);
    }
    return false;
}

static bool next_of_local(struct node *n, struct node_action *action)
{
    if (!local_next_action(&n->local, &action->local)) {
        return false;
    }
    action->type = NODE_LOCAL;
    if (action->local.type == LOCAL_CLOSE) {
        node_forget_client(n, action->local.client);
    }
    return true;
}

static bool next_of_our_own(struct node *n, struct node_action *action)
{
    if (n->log_count > 0) {
        action->type = NODE_LOG;
        action->urgency = n->log[n->log_first].urgency;
        action->text = n->log[n->log_first].text.text;
        n->log_first = (n->log_first + 1) % NODE_LOG_LINES;
        n->log_count--;
        return true;
    }
    if (n->keep_due) {
        n->keep_due = false;
        action->type = NODE_KEEP;
        action->generation = n->options.generation;
        return true;
    }
    if (n->ready_due) {
        n->ready_due = false;
        action->type = NODE_READY;
        return true;
    }
    if (n->draining_due) {
        n->draining_due = false;
        action->type = NODE_DRAINING_BEGAN;
        return true;
    }
    return false;
}

/* Last of all, so that answers to those who wait for it go out first. */
static bool next_of_ending(struct node *n, struct node_action *action)
{
    if (!n->stop_due) {
        return false;
    }
    n->stop_due = false;
    action->type = NODE_STOPPED;
    action->exit_code = n->exit_code;
    return true;
}

bool node_next(struct node *n, struct node_action *action)
{
    bool has_more;

    do {
        has_more = false;
        /* A generation must be kept before anything is said under it. */
        if (next_of_our_own(n, action) || next_of_pool(n, action) ||
                next_of_gossip(n, action) ||
                node_settle_checkpoint(n, action, &has_more)) {
            return true;
        }
    } while (settle_streams(n) || advance(n) || has_more || n->log_count > 0 ||
             n->keep_due);
    return next_of_local(n, action) || next_of_ending(n, action);
}
