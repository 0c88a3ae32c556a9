#include "bench/bench_node.h"

#include <assert.h>
#include <string.h>

enum {
    VNODE = 42,
    VNODES = 256,
    VNODE_HEAD_BYTES = 4,
    PAYLOAD_MAX_BYTES = 4 * 1024 * 1024,
};

/* Something like Arrow's beginning, for frames are judged by it. */
static const uint8_t ARROW[PAYLOAD_MAX_BYTES] = {0xff, 0xff, 0xff, 0xff, 1};

static void act(
        struct bench_node *node, const struct shuffle_pool_action *action)
{
    switch (action->type) {
    case SHUFFLE_POOL_LAMINAR:
        node->on_frame(node->owner, action->peer, action->payload.size);
        break;
    case SHUFFLE_POOL_UP:
        node->links_up += action->outgoing ? 1 : 0;
        break;
    case SHUFFLE_POOL_DOWN:
        node->has_lost = true;
        break;
    case SHUFFLE_POOL_CONNECT:
    case SHUFFLE_POOL_CLOSE:
    case SHUFFLE_POOL_FINISH:
    case SHUFFLE_POOL_WRITE:
    case SHUFFLE_POOL_READ:
        shuffle_uv_perform(&node->tcp, action);
        break;
    default:
        break;
    }
}

static void drain(struct bench_node *node)
{
    struct shuffle_pool_action action;

    while (shuffle_pool_next(&node->pool, &action)) {
        act(node, &action);
    }
}

static void on_filling(uv_idle_t *idle)
{
    struct bench_node *node = idle->data;

    node->on_room(node->owner);
    drain(node);
    (void)uv_idle_stop(idle);
}

static void on_turn(void *owner)
{
    struct bench_node *node = owner;

    drain(node);
    if (node->on_room != NULL) {
        (void)uv_idle_start(&node->filling, on_filling);
    }
}

static void on_closed(void *owner)
{
    (void)owner;
}

static void on_after_poll(uv_check_t *check)
{
    struct bench_node *node = check->data;

    node->polls++;
}

static void open_handles(struct bench_node *node)
{
    (void)uv_loop_init(&node->loop);
    (void)uv_idle_init(&node->loop, &node->filling);
    (void)uv_check_init(&node->loop, &node->after_poll);
    node->filling.data = node;
    node->after_poll.data = node;
    (void)uv_check_start(&node->after_poll, on_after_poll);
}

void bench_node_open(struct bench_node *node, uint64_t id)
{
    struct shuffle_pool_options options = shuffle_pool_defaults();
    struct addr at = addr_ipv4(127, 0, 0, 1, 0);

    assert(node->on_frame != NULL);
    open_handles(node);
    node->budget.max_bytes = (size_t)128 << 20;
    block_pool_init(&node->blocks, &node->budget, 8 << 20);
    options.id = id;
    options.generation = 1;
    options.cluster = "bench";
    options.vnodes = VNODES;
    options.blocks = &node->blocks;
    shuffle_pool_init(&node->pool, &options, uv_now(&node->loop));
    node->tcp.owner = node;
    node->tcp.on_turn = on_turn;
    node->tcp.on_closed = on_closed;
    shuffle_uv_init(&node->tcp, &node->loop, &node->pool);
    if (shuffle_uv_listen(&node->tcp, &at, &node->bound, NULL) != 0) {
        bench_die("listen");
    }
}

void bench_node_close(struct bench_node *node)
{
    uv_close((uv_handle_t *)&node->filling, NULL);
    uv_close((uv_handle_t *)&node->after_poll, NULL);
    shuffle_uv_close(&node->tcp);
    (void)uv_run(&node->loop, UV_RUN_DEFAULT);
    shuffle_pool_close(&node->pool);
    block_pool_close(&node->blocks);
    (void)uv_loop_close(&node->loop);
}

void bench_node_register(
        struct bench_node *node, uint64_t peer, const struct addr *at)
{
    int code =
            shuffle_pool_register(&node->pool, uv_now(&node->loop), peer, at);

    assert(code == 0);
    (void)code;
}

bool bench_node_send(struct bench_node *node, uint64_t peer, size_t payload)
{
    assert(payload >= 16 && payload <= PAYLOAD_MAX_BYTES);
    return shuffle_pool_vnode_data(&node->pool, uv_now(&node->loop), peer,
                   VNODE, bytes_of(ARROW, payload - VNODE_HEAD_BYTES),
                   NULL) == 0;
}

bool bench_node_is_idle_to(const struct bench_node *node, uint64_t peer)
{
    uint32_t link = shuffle_pool_link_to(&node->pool, peer);

    return link != 0 && !shuffle_pool_has_output(&node->pool, link);
}

void bench_node_kick(struct bench_node *node)
{
    on_turn(node);
}

void bench_node_turn(struct bench_node *node)
{
    (void)uv_run(&node->loop, UV_RUN_ONCE);
}

void bench_node_leave(struct bench_node *node)
{
    node->on_room = NULL;
    (void)uv_idle_stop(&node->filling);
    shuffle_pool_leave(&node->pool, uv_now(&node->loop));
    on_turn(node);
    while (shuffle_pool_links(&node->pool) > 0) {
        bench_node_turn(node);
    }
}
