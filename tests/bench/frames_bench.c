/* VnodeData from one process to another: a pool and its adaptor at both ends,
 * sending with `shuffle_pool_vnode_data` as fast as it takes frames, beside raw
 * sockets (bench/sides.h). The sizes are of payloads, the vnode included.
 *
 * The queue is as long as one write: what waits in a longer one has left the
 * processor's cache again by the time it is written. */
#include "shuffle/shuffle_uv.h"

#include "tests/bench/sides.h"

enum {
    VNODE_HEAD_BYTES = 4,
};

/* Something like Arrow's beginning, for frames are judged by it. */
static uint8_t *new_payload(size_t size)
{
    uint8_t *payload = calloc(1, size);

    assert(size >= 16);
    if (payload == NULL) {
        die("payload");
    }
    memcpy(payload, "\x2a\0\0\0\xff\xff\xff\xff\x01\0\0\0", 12);
    return payload;
}

struct node {
    uv_loop_t loop;
    struct budget budget;
    struct block_pool blocks;
    struct shuffle_pool pool;
    struct shuffle_uv tcp;
    struct addr bound;
    struct result result;
    uint64_t start_ns;
    bool is_down;
    uv_idle_t source; /* fills the queue whenever it may have room */
    bool is_source;
    struct bytes arrow; /* that it sends */
};

static void act(struct node *node, const struct shuffle_pool_action *action)
{
    switch (action->type) {
    case SHUFFLE_POOL_LAMINAR:
        if (node->start_ns == 0) {
            node->start_ns = now_ns();
        }
        node->result.frames++;
        break;
    case SHUFFLE_POOL_DOWN:
        node->is_down = true;
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

static void on_source(uv_idle_t *idle)
{
    struct node *node = idle->data;
    struct shuffle_pool_action action;

    while (shuffle_pool_vnode_data(&node->pool, uv_now(&node->loop), 2, 42,
                   node->arrow, NULL) == 0) {
    }
    while (shuffle_pool_next(&node->pool, &action)) {
        act(node, &action);
    }
    (void)uv_idle_stop(idle);
}

/* Something has moved, so there may be room again. */
static void on_turn(void *owner)
{
    struct node *node = owner;
    struct shuffle_pool_action action;

    while (shuffle_pool_next(&node->pool, &action)) {
        act(node, &action);
    }
    if (node->is_source) {
        (void)uv_idle_start(&node->source, on_source);
    }
}

static void on_closed(void *owner)
{
    (void)owner;
}

static void open_node(struct node *node, uint64_t id)
{
    struct shuffle_pool_options options = shuffle_pool_defaults();
    struct addr at = addr_ipv4(127, 0, 0, 1, 0);

    memset(node, 0, sizeof(*node));
    (void)uv_loop_init(&node->loop);
    node->budget.max_bytes = (size_t)128 << 20;
    block_pool_init(&node->blocks, &node->budget, 8 << 20);
    options.id = id;
    options.generation = 1;
    options.cluster = "bench";
    options.vnodes = 256;
    options.queue_max_bytes = SHUFFLE_UV_WRITE_BYTES;
    options.blocks = &node->blocks;
    shuffle_pool_init(&node->pool, &options, uv_now(&node->loop));
    node->tcp.owner = node;
    node->tcp.on_turn = on_turn;
    node->tcp.on_closed = on_closed;
    shuffle_uv_init(&node->tcp, &node->loop, &node->pool);
    if (shuffle_uv_listen(&node->tcp, &at, &node->bound, NULL) != 0) {
        die("listen");
    }
}

static void close_node(struct node *node)
{
    shuffle_uv_close(&node->tcp);
    (void)uv_run(&node->loop, UV_RUN_DEFAULT);
    shuffle_pool_close(&node->pool);
    block_pool_close(&node->blocks);
    (void)uv_loop_close(&node->loop);
}

static struct result receive(int out)
{
    static struct node node;

    open_node(&node, 2);
    write_all(out, &node.bound, sizeof(node.bound));
    while (!node.is_down) {
        (void)uv_run(&node.loop, UV_RUN_ONCE);
    }
    node.result.ns = now_ns() - node.start_ns;
    return node.result;
}

static void send_frames(const struct addr *to, size_t payload_size, uint64_t ms)
{
    struct node node;
    uint8_t *payload = new_payload(payload_size);
    struct bytes arrow = bytes_of(
            payload + VNODE_HEAD_BYTES, payload_size - VNODE_HEAD_BYTES);
    uint64_t end_ns = now_ns() + ms * 1000000;

    open_node(&node, 1);
    (void)shuffle_pool_register(&node.pool, uv_now(&node.loop), 2, to);
    (void)uv_idle_init(&node.loop, &node.source);
    node.source.data = &node;
    node.arrow = arrow;
    node.is_source = true;
    on_turn(&node);
    while (now_ns() < end_ns) {
        (void)uv_run(&node.loop, UV_RUN_ONCE);
    }
    node.is_source = false;
    uv_close((uv_handle_t *)&node.source, NULL);
    shuffle_pool_leave(&node.pool, uv_now(&node.loop));
    on_turn(&node);
    while (!node.is_down || shuffle_pool_links(&node.pool) > 0) {
        (void)uv_run(&node.loop, UV_RUN_ONCE);
    }
    close_node(&node);
    free(payload);
}

int main(int argc, char **argv)
{
    static const struct side ours = {receive, send_frames};
    struct settings settings = {
            .rounds = 9,
            .ms = 300,
            .bench = "frames",
            .sizes = {64, 256, 1024, 24 * 1024, 64 * 1024, 1024 * 1024},
            .sizes_count = 6,
    };

    return bench_sides(&settings, &ours, argc, argv);
}
