#include "node/node_inner.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "node/report_json.h"

/* --- from the pool --- */

static void take_frame(struct node *n, const struct shuffle_pool_action *action)
{
    if (action->tag == SHUFFLE_TAG_CONTROL) {
        node_take_control(n, action);
        return;
    }
    if (!shuffle_streams_receive(&n->streams, n->now_ms, action->link,
                action->peer, action->tag, action->payload)) {
        shuffle_pool_refuse(&n->pool, n->now_ms, action->link);
    }
}

static void take_laminar(
        struct node *n, const struct shuffle_pool_action *action)
{
    struct shuffle_wire_vnode_data data;

    if (action->tag == SHUFFLE_TAG_BARRIER) {
        node_take_barrier(n, action);
        return;
    }
    if (action->tag != SHUFFLE_TAG_VNODE_DATA ||
            !shuffle_wire_decode_vnode_data(action->payload, &data)) {
        shuffle_pool_unused(&n->pool, action->link);
        return;
    }
    if (!shuffle_streams_laminar(&n->streams, n->now_ms, action->link,
                action->peer, &data, shuffle_pool_take(&n->pool))) {
        shuffle_pool_starved(&n->pool, n->now_ms, action->link);
    }
}

/* Of a link on which nobody confirms, what was on the way is in doubt. */
static void take_down(struct node *n, const struct shuffle_pool_action *action)
{
    shuffle_streams_link_down(&n->streams, n->now_ms, action->link);
    if (action->outgoing) {
        const struct shuffle_laminar_loss loss = {
                action->unsent_frames, action->unacked_frames};

        shuffle_streams_laminar_lost(
                &n->streams, n->now_ms, action->peer, &loss, action->text);
    }
}

/* What waited for the link has not left us. */
static void take_unreachable(
        struct node *n, const struct shuffle_pool_action *action)
{
    const struct shuffle_laminar_loss loss = {UINT64_MAX, UINT64_MAX};

    shuffle_streams_laminar_lost(
            &n->streams, n->now_ms, action->peer, &loss, action->text);
    shuffle_streams_unreachable(
            &n->streams, n->now_ms, action->peer, action->text);
    checkpoint_unreachable(
            &n->checkpoint, node_now_us(n), action->peer, action->text);
}

void node_pool_action(struct node *n, const struct shuffle_pool_action *action)
{
    switch (action->type) {
    case SHUFFLE_POOL_CONNECT:
    case SHUFFLE_POOL_CLOSE:
    case SHUFFLE_POOL_FINISH:
    case SHUFFLE_POOL_WRITE:
    case SHUFFLE_POOL_READ:
        break; /* the TCP adaptor's */
    case SHUFFLE_POOL_RESOLVE:
        node_tell_member(n, action->peer);
        break;
    case SHUFFLE_POOL_UP:
        if (action->dialect == SHUFFLE_WEFT_DIALECT) {
            shuffle_streams_link_up(&n->streams, n->now_ms, action->link,
                    action->peer, action->generation, action->outgoing);
        }
        break;
    case SHUFFLE_POOL_DOWN:
        take_down(n, action);
        break;
    case SHUFFLE_POOL_UNREACHABLE:
        take_unreachable(n, action);
        break;
    case SHUFFLE_POOL_FRAME:
        take_frame(n, action);
        break;
    case SHUFFLE_POOL_LAMINAR:
        take_laminar(n, action);
        break;
    case SHUFFLE_POOL_BARRIER_SENT:
        shuffle_streams_barrier_sent(&n->streams, n->now_ms, action->peer,
                action->checkpoint, action->code, action->text);
        break;
    }
}

/* --- from the streams --- */

static void send_block(struct node *n, uint32_t link, struct block *block)
{
    if (shuffle_pool_block(&n->pool, n->now_ms, link, block) != 0) {
        block_free(block);
    }
}

static void send_laminar(
        struct node *n, const struct shuffle_streams_action *action)
{
    struct error err = {.text = ""};
    int code = shuffle_pool_vnode_data(&n->pool, n->now_ms, action->peer,
            action->vnode, action->payload, &err);

    shuffle_streams_laminar_sent(
            &n->streams, n->now_ms, action->client, code, err.text);
}

/* Has all that was queued for the peer been written? */
static void answer_flush(
        struct node *n, const struct shuffle_streams_action *action)
{
    uint32_t link = shuffle_pool_link_to(&n->pool, action->peer);
    bool is_written = link != 0 && !shuffle_pool_has_output(&n->pool, link);

    shuffle_streams_laminar_sent(&n->streams, n->now_ms, action->client,
            is_written ? 0 : ERR_FULL, "");
}

static void send_barrier(
        struct node *n, const struct shuffle_streams_action *action)
{
    struct bytes rest = action->payload;
    uint64_t peer;

    for (; rest.size > 0; rest = bytes_skip(rest, sizeof(peer))) {
        memcpy(&peer, rest.data, sizeof(peer));
        shuffle_pool_barrier(&n->pool, n->now_ms, &peer, 1, &action->barrier);
    }
}

static void publish_sinks(struct node *n)
{
    struct bytes stage;
    uint64_t number;

    if (!shuffle_streams_sink_at(&n->streams, 0, &stage, &number)) {
        (void)gossip_delete(
                &n->gossip, n->now_ms, bytes_text("weft:sinks"), NULL);
    } else if (published_write_sinks(&n->streams, n->value, sizeof(n->value)) ==
               0) {
        node_publish(n, "weft:sinks", n->value);
    } else {
        node_log(n, NODE_ERROR, "too many sinks to publish them all");
    }
}

static void publish_place(
        struct node *n, const struct shuffle_streams_action *action)
{
    char key[sizeof("weft:place:") + SHUFFLE_STAGE_MAX];

    (void)snprintf(key, sizeof(key), "weft:place:%.*s", (int)action->stage.size,
            (const char *)action->stage.data);
    if (!action->has_place) {
        (void)gossip_delete(&n->gossip, n->now_ms, bytes_text(key), NULL);
    } else if (published_write_place(
                       &action->sinks, n->value, sizeof(n->value)) == 0) {
        node_publish(n, key, n->value);
    } else {
        node_log(n, NODE_ERROR, "%s has too many sinks to publish them", key);
    }
}

static void answer_summary(
        struct node *n, const struct shuffle_streams_action *action)
{
    char *json = report_summary(action->rows, action->rows_count);

    node_answer(n, node_client_of(action->client), 0, 0, true, json);
    report_free(json);
}

void node_streams_action(
        struct node *n, const struct shuffle_streams_action *action)
{
    struct bytes none = bytes_of(NULL, 0);

    switch (action->type) {
    case SHUFFLE_STREAMS_WANT:
        shuffle_pool_want(&n->pool, n->now_ms, action->peer);
        break;
    case SHUFFLE_STREAMS_FRAME:
        (void)shuffle_pool_frame(&n->pool, n->now_ms, action->link, action->tag,
                action->payload, none);
        break;
    case SHUFFLE_STREAMS_BLOCK:
        send_block(n, action->link, action->block);
        break;
    case SHUFFLE_STREAMS_OPEN_COUNT:
        shuffle_pool_streams_open(
                &n->pool, n->now_ms, action->link, action->count);
        break;
    case SHUFFLE_STREAMS_CLIENT_FRAME:
        local_push(&n->local, node_client_of(action->client), action->tag,
                action->payload, none);
        break;
    case SHUFFLE_STREAMS_CLIENT_BLOCK:
        local_push_block(
                &n->local, node_client_of(action->client), action->block);
        break;
    case SHUFFLE_STREAMS_CLIENT_READ:
        local_hold(&n->local, node_client_of(action->client), !action->on);
        break;
    case SHUFFLE_STREAMS_CLIENT_SUMMARY:
        answer_summary(n, action);
        break;
    case SHUFFLE_STREAMS_CLIENT_CLOSE:
        local_end(&n->local, node_client_of(action->client));
        break;
    case SHUFFLE_STREAMS_PUBLISH_SINKS:
        publish_sinks(n);
        node_tell_sinks(n);
        break;
    case SHUFFLE_STREAMS_PUBLISH_PLACE:
        publish_place(n, action);
        n->has_place_news = true;
        break;
    case SHUFFLE_STREAMS_LAMINAR:
        send_laminar(n, action);
        break;
    case SHUFFLE_STREAMS_LAMINAR_FLUSH:
        answer_flush(n, action);
        break;
    case SHUFFLE_STREAMS_LAMINAR_PAUSE:
        shuffle_pool_laminar_pause(&n->pool, n->now_ms, action->on);
        break;
    case SHUFFLE_STREAMS_LINK_HOLD:
        shuffle_pool_hold(&n->pool, n->now_ms, action->link, action->on);
        break;
    case SHUFFLE_STREAMS_BARRIER:
        send_barrier(n, action);
        break;
    case SHUFFLE_STREAMS_CUT:
        node_take_cut(n, action);
        break;
    }
}
