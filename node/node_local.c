#include "node/node_inner.h"

#include <assert.h>

int node_client_accepted(struct node *n, uint64_t now_ms)
{
    n->now_ms = now_ms;
    return local_accept(&n->local, now_ms);
}

static void refuse(struct node *n, uint32_t client, const char *sentence)
{
    struct shuffle_wire_state state = {
            .code = SHUFFLE_STATE_REFUSED, .text = bytes_text(sentence)};
    uint8_t payload[256];
    struct writer w = writer_of(payload, sizeof(payload));

    shuffle_wire_encode_state(&w, &state);
    assert(!w.failed);
    local_push(&n->local, client, SHUFFLE_TAG_STATE, writer_bytes(&w),
            bytes_of(NULL, 0));
    local_end(&n->local, client);
}

/* A program that comes before we are ready waits, and what it has sent with
 * its ATTACH waits too. */
static void wait_until_active(
        struct node *n, uint32_t client, const struct frame *frame)
{
    struct shuffle_wire_state state = {.code = SHUFFLE_STATE_WAITING,
            .text = bytes_text("this node is still joining its cluster")};
    uint8_t payload[128];
    struct writer w = writer_of(payload, sizeof(payload));

    n->local.clients[client].wait = LOCAL_WAIT_ACTIVE;
    local_stash(&n->local, client, frame);
    local_hold(&n->local, client, true);
    shuffle_wire_encode_state(&w, &state);
    local_push(&n->local, client, SHUFFLE_TAG_STATE, writer_bytes(&w),
            bytes_of(NULL, 0));
}

static void attach(struct node *n, uint32_t client, const struct frame *frame)
{
    struct shuffle_wire_attach attach;

    if (!shuffle_wire_decode_attach(frame->payload, &attach)) {
        local_end(&n->local, client);
    } else if (n->state == NODE_JOINING) {
        wait_until_active(n, client, frame);
    } else if (n->state != NODE_ACTIVE) {
        refuse(n, client, "this node is leaving");
    } else {
        shuffle_streams_attach(
                &n->streams, n->now_ms, node_program_of(client), &attach);
    }
}

static void take_call(struct node *n, uint32_t client, struct bytes payload)
{
    struct shuffle_wire_call call;

    if (shuffle_wire_decode_call(payload, &call)) {
        node_request(n, client, &call);
    } else {
        local_end(&n->local, client);
    }
}

static void take_frame(
        struct node *n, uint32_t client, const struct frame *frame)
{
    if (n->local.clients[client].wait == LOCAL_WAIT_ACTIVE) {
        local_stash(&n->local, client, frame);
    } else if (frame->tag == SHUFFLE_TAG_CALL) {
        take_call(n, client, frame->payload);
    } else if (frame->tag == SHUFFLE_TAG_ATTACH) {
        attach(n, client, frame);
    } else if (!shuffle_streams_client(&n->streams, n->now_ms,
                       node_program_of(client), frame->tag, frame->payload)) {
        local_end(&n->local, client);
    }
}

static void take_frames(struct node *n, uint32_t client)
{
    struct frame frame;

    while (local_next(&n->local, client, &frame) == LOCAL_FRAME) {
        take_frame(n, client, &frame);
    }
}

void node_client_received(
        struct node *n, uint64_t now_ms, uint32_t client, struct bytes bytes)
{
    n->now_ms = now_ms;
    local_feed(&n->local, client, bytes);
    take_frames(n, client);
}

void node_forget_client(struct node *n, uint32_t client)
{
    kv_watches_remove(&n->watches, client);
    checkpoint_forget(&n->checkpoint, client);
    shuffle_streams_client_gone(
            &n->streams, n->now_ms, node_program_of(client));
}

void node_client_gone(struct node *n, uint64_t now_ms, uint32_t client)
{
    n->now_ms = now_ms;
    local_forget(&n->local, client);
    node_forget_client(n, client);
}

size_t node_client_output(struct node *n, uint32_t client,
        struct bytes pieces[], size_t pieces_max)
{
    return local_output(&n->local, client, pieces, pieces_max);
}

void node_client_written(struct node *n, uint32_t client, size_t bytes)
{
    local_written(&n->local, client, bytes);
}

/* Takes the frames that were kept, from ATTACH on. */
static void take_stash(struct node *n, uint32_t client)
{
    struct block *stash = local_unstash(&n->local, client);
    struct bytes rest = stash == NULL ? bytes_of(NULL, 0) : block_bytes(stash);
    struct frame frame;
    size_t size;

    while (frame_peek(rest, &frame, &size) == FRAME_WHOLE) {
        take_frame(n, client, &frame);
        rest = bytes_skip(rest, size);
    }
    block_free(stash);
}

void node_attach_waiting(struct node *n)
{
    for (uint32_t i = 0; i < LOCAL_CLIENTS_MAX; i++) {
        struct local_client *c = &n->local.clients[i];

        if (c->role != LOCAL_FREE && c->wait == LOCAL_WAIT_ACTIVE) {
            c->wait = LOCAL_WAIT_NONE;
            local_hold(&n->local, i, false);
            take_stash(n, i);
        }
    }
}

void node_retry_clients(struct node *n)
{
    for (uint32_t i = 0; i < LOCAL_CLIENTS_MAX; i++) {
        if (local_retry(&n->local, i)) {
            take_frames(n, i);
        }
    }
}
