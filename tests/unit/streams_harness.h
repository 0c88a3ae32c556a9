/* A few nodes' streams wired together in memory, in virtual time.
 *
 * The harness plays everything around the streams core: the pool (connections
 * that come up, break and lose what was on them), the gossip (what each node
 * publishes reaches the others when a test says so), the local programs (a
 * sender with numbered records, a receiver with a pace, which echoes its MARKs),
 * and the checkpoints' leader as far as streams see it. It holds the core to
 * its contract while it goes: no stream sends beyond its credit, no program
 * gets a record twice or out of order, and every core passes its own check
 * after every step. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/hash.h"
#include "shuffle/shuffle_record.h"
#include "shuffle/shuffle_streams.h"

enum {
    H_NODES_MAX = 6,
    H_CLIENTS_MAX = 32,
    H_STEP_MS = 10,
    H_RECORDS_MAX = 200000,
    H_WINDOW = 1 << 20,
    H_BUDGET = 64 << 20,
    H_MAX_FRAME = 1 << 20,
    H_CLIENT_LIMIT = 256 << 10,
    H_STREAMS_MAX = 4096,
    H_MARKS_MAX = 512,
    H_BARRIERS_MAX = 64,
    H_STAGES_MAX = 4,
};

struct h_frame {
    struct h_frame *next;
    uint8_t tag;
    struct block *block; /* DATA that came as a block: header included */
    size_t size;
    uint8_t payload[];
};

struct h_queue {
    struct h_frame *head;
    struct h_frame *tail;
};

/* The connection from one node to another. */
struct h_link {
    bool up;
    bool wanted;
    bool blocked; /* attempts fail */
    bool frozen; /* nothing moves on it, in either direction */
    uint32_t out; /* its number at the connecting node */
    uint32_t in; /* and at the accepting one */
    struct h_queue urgent;
    struct h_queue ordered;
    struct h_queue back;
    struct h_queue pending; /* Barriers, until it is up */
};

struct h_credit {
    uint64_t sent;
    uint64_t limit;
};

struct h_place {
    char stage[SHUFFLE_STAGE_MAX + 1];
    uint64_t epoch;
    size_t size;
    uint8_t packed[H_NODES_MAX * SHUFFLE_SINK_BYTES];
};

/* What a cut has come to at a node; of the latest one that was begun. */
struct h_cut {
    uint64_t checkpoint;
    uint64_t begun_ms;
    uint64_t aligned_ms; /* 0 = it is not */
    bool is_marked;
    bool is_written;
    bool has_failed;
    uint64_t failed_by;
    char text[SHUFFLE_CUT_TEXT_BYTES];
};

/* What the pool has to say of a Barrier yet. */
struct h_sent {
    uint64_t peer;
    uint64_t checkpoint;
    int code;
};

struct h_node {
    bool alive;
    bool live; /* as the others' detectors have it */
    uint64_t id;
    uint64_t generation;
    struct budget budget;
    struct block_pool blocks;
    struct shuffle_streams st;
    struct h_place places[4];
    size_t places_count;
    struct h_credit credits[H_STREAMS_MAX]; /* by outgoing stream */
    size_t queued_bytes; /* of DATA, on all links from here */
    struct h_cut cut;
    struct h_sent sent[H_BARRIERS_MAX];
    size_t sent_count;
    unsigned barriers; /* that were asked for, ever */
};

/* A MARK as a program got it. */
struct h_mark {
    uint64_t checkpoint;
    uint64_t next;
};

/* Where a record came out. */
struct h_place_out {
    uint32_t sink; /* 1 + the client; 0 = nowhere yet */
    uint32_t index; /* among all that it got */
};

struct h_client {
    bool attached; /* the socket is open */
    bool is_sink;
    size_t node;
    uint32_t number; /* also what its records carry */
    uint8_t format;
    char stage[SHUFFLE_STAGE_MAX + 1];

    int state; /* the latest STATE, -1 before */
    char state_text[512];
    int fail_code; /* the latest FAIL, 0 = none */
    unsigned fails;
    char fail_text[512];
    uint64_t fail_taken;
    bool done;
    bool closed; /* by the node */
    bool marked; /* got MARK DRAIN */
    uint64_t attached_ms;
    uint64_t closed_ms;
    struct h_mark marks[H_MARKS_MAX]; /* of cuts */
    size_t marks_count;
    size_t echoed; /* of them */
    bool is_mute; /* it echoes nothing */
    unsigned outcomes[4]; /* by code */
    struct h_mark outcome; /* the latest: `next` is its code */
    char outcome_text[128];

    /* A source. */
    uint32_t source_number; /* the node's own for it */
    uint64_t total; /* to send, then MARK */
    uint64_t sent;
    bool read_on;
    bool has_marked;
    size_t record_bytes;
    size_t pace; /* records a step; of a sink: records confirmed a step */
    size_t relay; /* 1 + the sink whose records it passes on; 0 = none */
    struct shuffle_summary_row rows[H_NODES_MAX];
    size_t rows_count;

    /* A sink. */
    unsigned lost; /* sources of which it heard that */
    uint64_t received;
    uint64_t received_bytes;
    uint64_t confirmed;
    uint64_t limit;
    uint64_t from[H_CLIENTS_MAX]; /* received, by source */
    uint64_t next[H_CLIENTS_MAX]; /* the least number that may come */
};

struct harness {
    uint64_t now_ms;
    struct prng prng;
    bool is_random; /* lanes and order by chance */
    bool gossip_off;
    size_t nodes_count;
    size_t clients_count;
    uint32_t links_made;
    size_t queued_max_bytes; /* the most DATA on all links at any time */
    struct h_node nodes[H_NODES_MAX];
    struct h_link links[H_NODES_MAX][H_NODES_MAX];
    struct h_client clients[H_CLIENTS_MAX];
    uint8_t *seen[H_CLIENTS_MAX]; /* of each source, how often each came */
    struct h_place_out *out[H_CLIENTS_MAX]; /* and where */
};

/* ---- queues ---- */

static inline void h_push(
        struct h_queue *q, uint8_t tag, struct bytes payload, struct block *b)
{
    struct h_frame *f = malloc(sizeof(*f) + payload.size);

    assert_non_null(f);
    *f = (struct h_frame){.tag = tag, .block = b, .size = payload.size};
    if (payload.size > 0) {
        memcpy(f->payload, payload.data, payload.size);
    }
    if (q->tail == NULL) {
        q->head = f;
    } else {
        q->tail->next = f;
    }
    q->tail = f;
}

static inline struct h_frame *h_pop(struct h_queue *q)
{
    struct h_frame *f = q->head;

    q->head = f->next;
    if (q->head == NULL) {
        q->tail = NULL;
    }
    return f;
}

static inline struct bytes h_payload(const struct h_frame *f)
{
    if (f->block != NULL) {
        return bytes_skip(block_bytes(f->block), 5);
    }
    return bytes_of(f->payload, f->size);
}

static inline void h_free(struct h_frame *f)
{
    block_free(f->block);
    free(f);
}

static inline void h_clear(struct h_queue *q)
{
    while (q->head != NULL) {
        h_free(h_pop(q));
    }
}

/* ---- nodes ---- */

static inline void h_start(struct harness *h, size_t n)
{
    struct h_node *node = &h->nodes[n];
    struct shuffle_streams_options options = shuffle_streams_defaults();

    node->alive = true;
    node->live = true;
    node->generation = 1000 + h->now_ms;
    node->budget = (struct budget){.max_bytes = H_BUDGET};
    block_pool_init(&node->blocks, &node->budget, 1 << 20);
    options.id = node->id;
    options.generation = node->generation;
    options.window_bytes = H_WINDOW;
    options.max_frame_bytes = H_MAX_FRAME;
    options.blocks = &node->blocks;
    options.budget = &node->budget;
    options.seed = prng_u64(&h->prng);
    node->places_count = 0;
    node->cut = (struct h_cut){0};
    node->sent_count = 0;
    memset(node->credits, 0, sizeof(node->credits));
    shuffle_streams_init(&node->st, &options, h->now_ms);
}

static inline struct harness *h_new(size_t nodes, uint64_t seed)
{
    struct harness *h = calloc(1, sizeof(*h));

    assert_non_null(h);
    prng_init(&h->prng, seed);
    h->now_ms = 1000;
    h->nodes_count = nodes;
    for (size_t i = 0; i < nodes; i++) {
        h->nodes[i].id = i + 1;
        h_start(h, i);
    }
    return h;
}

static inline void h_link_gone(struct harness *h, size_t from, size_t to)
{
    struct h_link *link = &h->links[from][to];

    h_clear(&link->urgent);
    h_clear(&link->ordered);
    h_clear(&link->back);
    h_clear(&link->pending);
    if (!link->up) {
        return;
    }
    link->up = false;
    if (h->nodes[from].alive) {
        shuffle_streams_link_down(&h->nodes[from].st, h->now_ms, link->out);
    }
    if (h->nodes[to].alive) {
        shuffle_streams_link_down(&h->nodes[to].st, h->now_ms, link->in);
    }
}

static inline void h_stop(struct harness *h, size_t n)
{
    struct h_node *node = &h->nodes[n];

    if (!node->alive) {
        return;
    }
    node->alive = false;
    for (size_t i = 0; i < h->nodes_count; i++) {
        h_link_gone(h, n, i);
        h_link_gone(h, i, n);
    }
    for (size_t c = 0; c < h->clients_count; c++) {
        if (h->clients[c].node == n) {
            h->clients[c].attached = false;
        }
    }
    shuffle_streams_close(&node->st);
    block_pool_close(&node->blocks);
    assert_int_equal(node->budget.used_bytes, 0);
}

static inline void h_end(struct harness *h)
{
    for (size_t i = 0; i < h->nodes_count; i++) {
        h_stop(h, i);
    }
    for (size_t i = 0; i < H_CLIENTS_MAX; i++) {
        free(h->seen[i]);
        free(h->out[i]);
    }
    free(h);
}

/* ---- gossip ---- */

static inline void h_tell(struct harness *h, size_t about, size_t to)
{
    struct h_node *node = &h->nodes[about];
    struct shuffle_member_sink sinks[8];
    struct shuffle_member_place places[4];
    struct shuffle_member member = {.id = node->id,
            .generation = node->generation,
            .live = node->live,
            .active = node->alive && node->st.drain_at_ms == 0,
            .speaks_weft = true,
            .sinks = sinks,
            .places = places};

    while (node->alive && member.sinks_count < 8 &&
            shuffle_streams_sink_at(&node->st, member.sinks_count,
                    &sinks[member.sinks_count].stage,
                    &sinks[member.sinks_count].number)) {
        member.sinks_count++;
    }
    for (size_t i = 0; i < node->places_count; i++) {
        places[i].stage = bytes_text(node->places[i].stage);
        places[i].sinks = (struct shuffle_wire_sinks){node->places[i].epoch,
                bytes_of(node->places[i].packed, node->places[i].size)};
    }
    member.places_count = node->places_count;
    shuffle_streams_member(&h->nodes[to].st, h->now_ms, &member);
}

/* Everybody knows what everybody publishes. Of the dead, the last word. */
static inline void h_gossip(struct harness *h)
{
    for (size_t a = 0; a < h->nodes_count; a++) {
        for (size_t b = 0; b < h->nodes_count; b++) {
            if (a != b && h->nodes[b].alive) {
                h_tell(h, a, b);
            }
        }
    }
}

static inline void h_publish_place(
        struct h_node *node, const struct shuffle_streams_action *a)
{
    size_t i = 0;

    while (i < node->places_count &&
            !bytes_equal_text(a->stage, node->places[i].stage)) {
        i++;
    }
    if (!a->has_place) {
        if (i < node->places_count) {
            node->places[i] = node->places[--node->places_count];
        }
        return;
    }
    assert_true(i < 4);
    if (i == node->places_count) {
        node->places_count++;
    }
    memset(&node->places[i], 0, sizeof(node->places[i]));
    memcpy(node->places[i].stage, a->stage.data, a->stage.size);
    node->places[i].epoch = a->sinks.epoch;
    node->places[i].size = a->sinks.packed.size;
    assert_true(a->sinks.packed.size <= sizeof(node->places[i].packed));
    memcpy(node->places[i].packed, a->sinks.packed.data, a->sinks.packed.size);
}

/* ---- local programs ---- */

static inline size_t h_attach(struct harness *h, size_t node, uint8_t role,
        uint8_t format, uint32_t want, const char *stage)
{
    size_t c = h->clients_count++;
    struct h_client *client = &h->clients[c];
    struct shuffle_wire_attach attach = {.role = role,
            .format = format,
            .want = want,
            .stage = bytes_text(stage)};

    assert_true(c < H_CLIENTS_MAX);
    *client = (struct h_client){.attached = true,
            .is_sink = role == SHUFFLE_ROLE_SINK,
            .node = node,
            .number = (uint32_t)c + 1,
            .format = format,
            .state = -1,
            .attached_ms = h->now_ms,
            .pace = SIZE_MAX};
    (void)snprintf(client->stage, sizeof(client->stage), "%s", stage);
    shuffle_streams_attach(
            &h->nodes[node].st, h->now_ms, client->number, &attach);
    return c;
}

static inline void h_client_frame(struct harness *h, struct h_client *client,
        uint8_t tag, struct bytes payload)
{
    bool is_fine = shuffle_streams_client(&h->nodes[client->node].st, h->now_ms,
            client->number, tag, payload);

    assert_true(is_fine);
}

static inline void h_confirm(struct harness *h, struct h_client *client)
{
    const struct shuffle_wire_grant grant = {
            0, client->confirmed, client->limit};
    uint8_t payload[64];
    struct writer w = writer_of(payload, sizeof(payload));

    shuffle_wire_encode_grant(&w, &grant);
    h_client_frame(h, client, SHUFFLE_TAG_GRANT, writer_bytes(&w));
}

/* `weft recv`: its first credit follows at once. */
static inline size_t h_recv(
        struct harness *h, size_t node, const char *stage, uint32_t want)
{
    size_t c = h_attach(
            h, node, SHUFFLE_ROLE_SINK, SHUFFLE_FORMAT_WHOLE, want, stage);

    h->clients[c].limit = H_CLIENT_LIMIT;
    h_confirm(h, &h->clients[c]);
    return c;
}

/* `weft send` of so many numbered records. */
static inline size_t h_send(struct harness *h, size_t node, const char *stage,
        uint32_t want, uint64_t total)
{
    size_t c = h_attach(
            h, node, SHUFFLE_ROLE_SOURCE, SHUFFLE_FORMAT_WHOLE, want, stage);

    assert_true(total <= H_RECORDS_MAX);
    h->clients[c].source_number = h->nodes[node].st.sources_count;
    h->clients[c].total = total;
    h->clients[c].record_bytes = 32;
    h->seen[c] = calloc(total + 1, 1);
    h->out[c] = calloc(total + 1, sizeof(*h->out[c]));
    assert_non_null(h->seen[c]);
    assert_non_null(h->out[c]);
    return c;
}

/* The program ends: its socket closes. */
static inline void h_leave(struct harness *h, size_t c)
{
    struct h_client *client = &h->clients[c];

    if (client->attached) {
        client->attached = false;
        client->closed_ms = h->now_ms;
        shuffle_streams_client_gone(
                &h->nodes[client->node].st, h->now_ms, client->number);
    }
}

/* Record `number` of a source: its name, then filled up. */
static inline struct bytes h_body(
        const struct h_client *client, uint64_t number, uint8_t *body)
{
    int size = snprintf((char *)body, 64, "%u:%llu:", client->number,
            (unsigned long long)number);
    size_t bytes = client->record_bytes;

    if (bytes < (size_t)size) {
        bytes = (size_t)size;
    }
    memset(body + size, 'x', bytes - (size_t)size);
    return bytes_of(body, bytes);
}

/* A program that passes on what a sink of another stage got: `recv a | send b`.
 * The sink confirms what has been passed on. */
static inline size_t h_relay(
        struct harness *h, size_t node, size_t sink, const char *stage)
{
    size_t c = h_send(h, node, stage, 1, H_RECORDS_MAX);

    h->clients[c].relay = sink + 1;
    h->clients[c].total = 0;
    return c;
}

/* As much as there is to pass on by now; false while more may come. */
static inline bool h_knows_end(const struct harness *h, struct h_client *client)
{
    const struct h_client *sink;

    if (client->relay == 0) {
        return true;
    }
    sink = &h->clients[client->relay - 1];
    client->total = sink->received;
    return sink->marked;
}

static inline void h_send_some(struct harness *h, struct h_client *client)
{
    bool knows_end = h_knows_end(h, client);
    static uint8_t payload[SHUFFLE_RECORD_MAX + 64];
    static uint8_t body[SHUFFLE_RECORD_MAX];
    size_t left = client->pace;

    while (client->read_on && client->attached &&
            client->sent < client->total && left > 0) {
        struct writer w = writer_of(payload, sizeof(payload));
        uint64_t first = client->sent;

        shuffle_wire_encode_data_head(&w, 0, first);
        while (client->sent < client->total && left > 0) {
            struct bytes b = h_body(client, client->sent, body);
            size_t head = shuffle_record_head_bytes(client->format);

            if (client->sent > first &&
                    w.size + head + b.size + 1 > SHUFFLE_DATA_FRAME_MAX) {
                break;
            }
            if (client->format == SHUFFLE_FORMAT_KEYED) {
                shuffle_record_put_keyed(&w, b, 0, (uint32_t)b.size);
            } else {
                shuffle_record_put_whole(&w, b);
            }
            client->sent++;
            left--;
        }
        assert_false(w.failed);
        h_client_frame(h, client, SHUFFLE_TAG_DATA, writer_bytes(&w));
        break; /* a frame a turn: READ off is obeyed at once */
    }
    if (client->read_on && client->sent == client->total && knows_end &&
            !client->has_marked) {
        const struct shuffle_wire_mark mark = {
                .next = client->sent, .flags = SHUFFLE_FLAG_DRAIN};
        struct writer w = writer_of(payload, sizeof(payload));

        client->has_marked = true;
        shuffle_wire_encode_mark(&w, &mark);
        h_client_frame(h, client, SHUFFLE_TAG_MARK, writer_bytes(&w));
    }
}

/* What has been written by now may be echoed. */
static inline void h_echo_some(struct harness *h, struct h_client *client)
{
    while (client->attached && !client->is_mute &&
            client->echoed < client->marks_count &&
            client->marks[client->echoed].next <= client->confirmed) {
        const struct h_mark *told = &client->marks[client->echoed++];
        const struct shuffle_wire_mark mark = {.next = told->next,
                .checkpoint = told->checkpoint,
                .epoch = told->checkpoint >> 32};
        uint8_t payload[64];
        struct writer w = writer_of(payload, sizeof(payload));

        shuffle_wire_encode_mark(&w, &mark);
        h_client_frame(h, client, SHUFFLE_TAG_MARK, writer_bytes(&w));
    }
}

static inline void h_take_some(struct harness *h, struct h_client *client)
{
    uint64_t before = client->confirmed;
    uint64_t most = client->received - client->confirmed;

    for (size_t c = 0; c < h->clients_count; c++) {
        if (h->clients[c].relay != 0 &&
                &h->clients[h->clients[c].relay - 1] == client) {
            most = h->clients[c].sent - client->confirmed;
        }
    }

    client->confirmed += most < client->pace ? most : client->pace;
    if (client->confirmed != before) {
        /* As `recv` does: as many bytes more as were written. */
        uint64_t share = client->received == 0
                                 ? 0
                                 : client->received_bytes * client->confirmed /
                                           client->received;

        if (share + H_CLIENT_LIMIT > client->limit) {
            client->limit = share + H_CLIENT_LIMIT;
        }
        h_confirm(h, client);
    }
    h_echo_some(h, client);
    if (client->marked && client->confirmed == client->received &&
            !client->done && client->echoed == client->marks_count) {
        const struct shuffle_wire_done done = {0, client->confirmed};
        uint8_t payload[64];
        struct writer w = writer_of(payload, sizeof(payload));

        client->done = true;
        shuffle_wire_encode_done(&w, &done);
        h_client_frame(h, client, SHUFFLE_TAG_DONE, writer_bytes(&w));
    }
}

/* A record has come out: once, and behind all earlier ones of its source. */
static inline void h_record(struct harness *h, struct h_client *client,
        struct bytes body, size_t at)
{
    char text[64] = {0};
    unsigned source;
    unsigned long long number;
    size_t c;

    memcpy(text, body.data, body.size < 63 ? body.size : 63);
    assert_int_equal(sscanf(text, "%u:%llu:", &source, &number), 2);
    c = source - 1;
    assert_true(c < h->clients_count && number < h->clients[c].total);
    assert_string_equal(h->clients[c].stage, client->stage);
    assert_int_equal(h->seen[c][number], 0);
    h->seen[c][number] = 1;
    if (h->out[c] != NULL) {
        h->out[c][number] = (struct h_place_out){
                client->number, (uint32_t)(client->received + at)};
    }
    assert_true(number >= client->next[c]);
    client->next[c] = number + 1;
    client->from[c]++;
}

static inline void h_client_data(
        struct harness *h, struct h_client *client, struct bytes payload)
{
    struct shuffle_wire_data data;
    struct shuffle_records records;
    struct shuffle_record record;
    size_t count = 0;

    assert_true(shuffle_wire_decode_data(payload, &data));
    assert_int_equal(data.stream, 0);
    assert_int_equal(data.first, client->received);
    client->received_bytes += data.records.size;
    assert_true(client->received_bytes <= client->limit);
    records = shuffle_records_of(
            data.records, client->format, SHUFFLE_RECORD_MAX);
    while (shuffle_records_next(&records, &record)) {
        h_record(h, client, record.body, count);
        count++;
    }
    assert_false(records.failed);
    assert_true(count == 1 || payload.size < SHUFFLE_DATA_FRAME_MAX);
    client->received += count;
}

/* A lost source is told behind all its records, with their number. */
static inline void h_lost(
        struct harness *h, struct h_client *client, uint64_t taken)
{
    unsigned number;
    unsigned long long node;
    size_t c = 0;

    assert_int_equal(sscanf(client->fail_text, "source %u of node %llu was",
                             &number, &node),
            2);
    /* A node that was started anew counts from 1 again. */
    while (c < h->clients_count &&
            !(!h->clients[c].is_sink && h->clients[c].node + 1 == node &&
                    h->clients[c].source_number == number &&
                    client->from[c] == taken)) {
        c++;
    }
    assert_true(c < h->clients_count);
    client->lost++;
}

static inline void h_client_mark(
        struct h_client *client, const struct shuffle_wire_mark *mark)
{
    assert_int_equal(mark->stream, 0);
    if (mark->flags == SHUFFLE_FLAG_DRAIN) {
        assert_int_equal(mark->next, client->received);
        client->marked = true;
        return;
    }
    assert_int_equal(mark->flags, 0);
    assert_int_equal(mark->epoch, mark->checkpoint >> 32);
    assert_true(client->marks_count < H_MARKS_MAX);
    if (client->is_sink) {
        assert_false(client->marked);
        assert_int_equal(mark->next, client->received);
    } else {
        assert_true(mark->next <= client->sent);
    }
    client->marks[client->marks_count++] =
            (struct h_mark){mark->checkpoint, mark->next};
}

static inline void h_client_got(struct harness *h, struct h_client *client,
        uint8_t tag, struct bytes payload)
{
    struct shuffle_wire_state state;
    struct shuffle_wire_fail fail;
    struct shuffle_wire_mark mark;
    struct shuffle_wire_done done;
    struct shuffle_wire_outcome outcome;

    assert_false(client->closed);
    switch (tag) {
    case SHUFFLE_TAG_DATA:
        h_client_data(h, client, payload);
        break;
    case SHUFFLE_TAG_STATE:
        assert_true(shuffle_wire_decode_state(payload, &state));
        client->state = state.code;
        (void)snprintf(client->state_text, sizeof(client->state_text), "%.*s",
                (int)state.text.size, (const char *)state.text.data);
        break;
    case SHUFFLE_TAG_FAIL:
        assert_true(shuffle_wire_decode_fail(payload, &fail));
        client->fail_code = fail.code;
        client->fail_taken = fail.taken;
        client->fails++;
        (void)snprintf(client->fail_text, sizeof(client->fail_text), "%.*s",
                (int)fail.text.size, (const char *)fail.text.data);
        if (client->is_sink && fail.code == SHUFFLE_FAIL_SOURCE_LOST) {
            h_lost(h, client, fail.taken);
        }
        break;
    case SHUFFLE_TAG_MARK:
        assert_true(shuffle_wire_decode_mark(payload, &mark));
        h_client_mark(client, &mark);
        break;
    case SHUFFLE_TAG_OUTCOME:
        assert_true(shuffle_wire_decode_outcome(payload, &outcome));
        client->outcomes[outcome.code]++;
        client->outcome = (struct h_mark){outcome.checkpoint, outcome.code};
        (void)snprintf(client->outcome_text, sizeof(client->outcome_text),
                "%.*s", (int)outcome.text.size,
                outcome.text.size == 0 ? "" : (const char *)outcome.text.data);
        break;
    case SHUFFLE_TAG_DONE:
        assert_true(shuffle_wire_decode_done(payload, &done));
        assert_int_equal(done.taken, client->total);
        client->done = true;
        break;
    default:
        fail();
    }
}

/* ---- what a node asks for ---- */

static inline struct h_link *h_link_by(
        struct harness *h, size_t n, uint32_t number, size_t *other, bool *back)
{
    for (size_t i = 0; i < h->nodes_count; i++) {
        if (h->links[n][i].up && h->links[n][i].out == number) {
            *other = i;
            *back = false;
            return &h->links[n][i];
        }
        if (h->links[i][n].up && h->links[i][n].in == number) {
            *other = i;
            *back = true;
            return &h->links[i][n];
        }
    }
    return NULL;
}

/* What leaves on a stream stays within what was granted. */
static inline void h_spend(struct h_node *node, struct bytes payload)
{
    struct shuffle_wire_data data;
    struct h_credit *credit;

    assert_true(shuffle_wire_decode_data(payload, &data));
    assert_true(data.stream < H_STREAMS_MAX);
    credit = &node->credits[data.stream];
    credit->sent += data.records.size;
    assert_true(credit->sent <= credit->limit);
    node->queued_bytes += data.records.size;
}

static inline void h_earn(struct h_node *node, uint32_t stream, uint64_t limit)
{
    assert_true(stream < H_STREAMS_MAX);
    assert_true(limit >= node->credits[stream].limit);
    node->credits[stream].limit = limit;
}

static inline void h_post(
        struct harness *h, size_t n, const struct shuffle_streams_action *a)
{
    struct h_frame *f;
    struct h_queue *q;
    size_t other;
    bool back;
    struct h_link *link = h_link_by(h, n, a->link, &other, &back);

    if (link == NULL) {
        block_free(a->block);
        return;
    }
    q = back ? &link->back : &link->ordered;
    if (!back && a->block == NULL && a->tag != SHUFFLE_TAG_OPEN &&
            a->tag != SHUFFLE_TAG_DATA && a->tag != SHUFFLE_TAG_FAIL) {
        q = &link->urgent;
    }
    h_push(q, a->block != NULL ? SHUFFLE_TAG_DATA : a->tag, a->payload,
            a->block);
    f = q->tail;
    if (f->tag == SHUFFLE_TAG_DATA) {
        h_spend(&h->nodes[n], h_payload(f));
    }
}

static inline void h_say_sent(
        struct h_node *node, uint64_t peer, uint64_t checkpoint, int code)
{
    assert_true(node->sent_count < H_BARRIERS_MAX);
    node->sent[node->sent_count++] = (struct h_sent){peer, checkpoint, code};
}

/* On a link that is up, in the lane of MARK; else when it comes up. */
static inline void h_send_barriers(
        struct harness *h, size_t n, const struct shuffle_streams_action *a)
{
    uint8_t payload[SHUFFLE_BARRIER_BYTES];
    struct writer w = writer_of(payload, sizeof(payload));

    shuffle_wire_encode_barrier(&w, &a->barrier);
    assert_int_equal(a->payload.size % sizeof(uint64_t), 0);
    for (size_t i = 0; i < a->payload.size; i += sizeof(uint64_t)) {
        struct h_link *link;
        uint64_t peer;

        memcpy(&peer, a->payload.data + i, sizeof(peer));
        assert_true(peer >= 1 && peer <= h->nodes_count);
        link = &h->links[n][peer - 1];
        h->nodes[n].barriers++;
        if (link->up) {
            h_push(&link->urgent, SHUFFLE_TAG_BARRIER, writer_bytes(&w), NULL);
            h_say_sent(&h->nodes[n], peer, a->barrier.checkpoint, 0);
        } else {
            h_push(&link->pending, SHUFFLE_TAG_BARRIER, writer_bytes(&w), NULL);
            link->wanted = true;
        }
    }
}

/* What waited for the link is on it now, or has failed with the attempt. */
static inline void h_settle_barriers(
        struct harness *h, size_t from, size_t to, int code)
{
    struct h_link *link = &h->links[from][to];

    while (link->pending.head != NULL) {
        struct h_frame *f = h_pop(&link->pending);
        struct shuffle_wire_barrier barrier;

        assert_true(shuffle_wire_decode_barrier(h_payload(f), &barrier));
        h_say_sent(&h->nodes[from], to + 1, barrier.checkpoint, code);
        if (code == 0) {
            h_push(&link->urgent, SHUFFLE_TAG_BARRIER, h_payload(f), NULL);
        }
        h_free(f);
    }
}

/* Each once, and in their order. */
static inline void h_note_cut(struct harness *h, struct h_node *node,
        const struct shuffle_streams_action *a)
{
    struct h_cut *cut = &node->cut;

    assert_int_equal(a->barrier.checkpoint, cut->checkpoint);
    assert_false(cut->has_failed || cut->is_written);
    switch (a->event) {
    case SHUFFLE_CUT_MARKED:
        assert_true(!cut->is_marked && cut->aligned_ms == 0);
        cut->is_marked = true;
        break;
    case SHUFFLE_CUT_ALIGNED:
        assert_true(cut->is_marked && cut->aligned_ms == 0);
        cut->aligned_ms = h->now_ms;
        break;
    case SHUFFLE_CUT_WRITTEN:
        assert_true(cut->aligned_ms != 0);
        cut->is_written = true;
        break;
    case SHUFFLE_CUT_FAILED:
        cut->has_failed = true;
        cut->failed_by = a->peer;
        assert_int_equal(a->text.data[a->text.size], 0);
        (void)snprintf(
                cut->text, sizeof(cut->text), "%s", (const char *)a->text.data);
        break;
    }
}

static inline void h_act(
        struct harness *h, size_t n, const struct shuffle_streams_action *a)
{
    struct h_client *client =
            a->client == 0 ? NULL : &h->clients[a->client - 1];

    switch (a->type) {
    case SHUFFLE_STREAMS_WANT:
        assert_true(a->peer >= 1 && a->peer <= h->nodes_count);
        h->links[n][a->peer - 1].wanted = true;
        break;
    case SHUFFLE_STREAMS_FRAME:
    case SHUFFLE_STREAMS_BLOCK:
        h_post(h, n, a);
        break;
    case SHUFFLE_STREAMS_CLIENT_FRAME:
        if (client->attached) {
            h_client_got(h, client, a->tag, a->payload);
        }
        break;
    case SHUFFLE_STREAMS_CLIENT_BLOCK:
        if (client->attached) {
            h_client_got(h, client, SHUFFLE_TAG_DATA,
                    bytes_skip(block_bytes(a->block), 5));
        }
        block_free(a->block);
        break;
    case SHUFFLE_STREAMS_CLIENT_READ:
        client->read_on = a->on;
        break;
    case SHUFFLE_STREAMS_CLIENT_SUMMARY:
        assert_true(a->rows_count <= H_NODES_MAX);
        client->rows_count = a->rows_count;
        for (size_t i = 0; i < a->rows_count; i++) {
            client->rows[i] = a->rows[i];
        }
        break;
    case SHUFFLE_STREAMS_CLIENT_CLOSE:
        client->closed = true;
        break;
    case SHUFFLE_STREAMS_PUBLISH_PLACE:
        h_publish_place(&h->nodes[n], a);
        break;
    case SHUFFLE_STREAMS_OPEN_COUNT:
    case SHUFFLE_STREAMS_PUBLISH_SINKS:
    case SHUFFLE_STREAMS_LAMINAR:
    case SHUFFLE_STREAMS_LAMINAR_FLUSH:
    case SHUFFLE_STREAMS_LAMINAR_PAUSE:
    case SHUFFLE_STREAMS_LINK_HOLD:
        break;
    case SHUFFLE_STREAMS_BARRIER:
        h_send_barriers(h, n, a);
        break;
    case SHUFFLE_STREAMS_CUT:
        h_note_cut(h, &h->nodes[n], a);
        break;
    }
}

static inline void h_drain(struct harness *h, size_t n)
{
    struct shuffle_streams_action action;

    while (h->nodes[n].alive &&
            shuffle_streams_next(&h->nodes[n].st, &action)) {
        h_act(h, n, &action);
    }
    while (h->nodes[n].alive && h->nodes[n].sent_count > 0) {
        struct h_sent sent = h->nodes[n].sent[--h->nodes[n].sent_count];

        shuffle_streams_barrier_sent(&h->nodes[n].st, h->now_ms, sent.peer,
                sent.checkpoint, sent.code, "connection refused");
        h_drain(h, n);
    }
    if (h->nodes[n].alive) {
        shuffle_streams_check(&h->nodes[n].st);
    }
}

/* ---- time ---- */

static inline void h_connect(struct harness *h, size_t from, size_t to)
{
    struct h_link *link = &h->links[from][to];

    if (!link->wanted || !h->nodes[from].alive) {
        link->wanted = false;
        return;
    }
    link->wanted = false;
    if (link->up) {
        return;
    }
    if (link->blocked || !h->nodes[to].alive) {
        shuffle_streams_unreachable(&h->nodes[from].st, h->now_ms,
                h->nodes[to].id, "connection refused");
        h_settle_barriers(h, from, to, ERR_IO);
        h_drain(h, from);
        /* The pool tries on for as long as somebody wants it. */
        link->wanted = true;
        return;
    }
    link->up = true;
    link->out = ++h->links_made;
    link->in = ++h->links_made;
    shuffle_streams_link_up(&h->nodes[to].st, h->now_ms, link->in,
            h->nodes[from].id, h->nodes[from].generation, false);
    h_drain(h, to);
    shuffle_streams_link_up(&h->nodes[from].st, h->now_ms, link->out,
            h->nodes[to].id, h->nodes[to].generation, true);
    h_drain(h, from);
    h_settle_barriers(h, from, to, 0);
    h_drain(h, from);
}

static inline void h_arrive(
        struct harness *h, size_t from, size_t to, struct h_frame *f, bool back)
{
    struct h_link *link = &h->links[from][to];
    struct bytes payload = h_payload(f);
    struct shuffle_wire_opened opened;
    struct shuffle_wire_grant grant;
    bool is_fine;

    if (f->tag == SHUFFLE_TAG_DATA) {
        h->nodes[from].queued_bytes -= payload.size - SHUFFLE_DATA_HEAD_BYTES;
    }
    if (back && f->tag == SHUFFLE_TAG_OPENED) {
        assert_true(shuffle_wire_decode_opened(payload, &opened));
        if (opened.code == SHUFFLE_OPENED_OK) {
            h_earn(&h->nodes[from], opened.stream, opened.limit);
        }
    }
    if (back && f->tag == SHUFFLE_TAG_GRANT) {
        assert_true(shuffle_wire_decode_grant(payload, &grant));
        h_earn(&h->nodes[from], grant.stream, grant.limit);
    }
    if (f->tag == SHUFFLE_TAG_BARRIER) {
        struct shuffle_wire_barrier barrier;

        assert_true(shuffle_wire_decode_barrier(payload, &barrier));
        shuffle_streams_barrier(&h->nodes[to].st, h->now_ms, link->in,
                h->nodes[from].id, true, &barrier);
        h_drain(h, to);
        is_fine = true;
    } else if (back) {
        is_fine = shuffle_streams_receive(&h->nodes[from].st, h->now_ms,
                link->out, h->nodes[to].id, f->tag, payload);
        h_drain(h, from);
    } else {
        is_fine = shuffle_streams_receive(&h->nodes[to].st, h->now_ms, link->in,
                h->nodes[from].id, f->tag, payload);
        h_drain(h, to);
    }
    assert_true(is_fine);
    h_free(f);
}

/* One frame, the urgent before the others, or by chance. */
static inline bool h_move_one(struct harness *h, size_t from, size_t to)
{
    struct h_link *link = &h->links[from][to];
    struct h_queue *q[3] = {&link->urgent, &link->ordered, &link->back};
    size_t first = h->is_random ? (size_t)prng_below(&h->prng, 3) : 0;

    if (link->frozen || !link->up) {
        return false;
    }
    for (size_t i = 0; i < 3; i++) {
        size_t at = (first + i) % 3;

        if (q[at]->head != NULL) {
            h_arrive(h, from, to, h_pop(q[at]), at == 2);
            return true;
        }
    }
    return false;
}

static inline void h_move(struct harness *h)
{
    size_t queued = 0;

    for (size_t a = 0; a < h->nodes_count; a++) {
        queued += h->nodes[a].queued_bytes;
    }
    if (queued > h->queued_max_bytes) {
        h->queued_max_bytes = queued;
    }
    for (size_t a = 0; a < h->nodes_count; a++) {
        for (size_t b = 0; b < h->nodes_count; b++) {
            size_t most =
                    h->is_random ? (size_t)prng_below(&h->prng, 20) : 1000;

            h_connect(h, a, b);
            while (most > 0 && h_move_one(h, a, b)) {
                most--;
            }
        }
    }
}

static inline void h_turn(struct harness *h)
{
    if (!h->gossip_off) {
        h_gossip(h);
    }
    h_move(h);
    for (size_t c = 0; c < h->clients_count; c++) {
        struct h_client *client = &h->clients[c];

        if (client->closed) {
            h_leave(h, c);
        }
        if (!client->attached) {
            continue;
        }
        if (client->is_sink) {
            h_take_some(h, client);
        } else {
            h_send_some(h, client);
        }
        h_drain(h, client->node);
    }
    for (size_t n = 0; n < h->nodes_count; n++) {
        if (h->nodes[n].alive) {
            shuffle_streams_tick(&h->nodes[n].st, h->now_ms);
            shuffle_streams_flush(&h->nodes[n].st, h->now_ms);
            h_drain(h, n);
        }
    }
}

static inline void h_run(struct harness *h, uint64_t ms)
{
    uint64_t until = h->now_ms + ms;

    while (h->now_ms < until) {
        h_turn(h);
        h->now_ms += H_STEP_MS;
    }
}

/* Runs until the program's socket is closed; how long that took. */
static inline uint64_t h_run_until_closed(
        struct harness *h, size_t c, uint64_t most_ms)
{
    uint64_t since = h->now_ms;

    while (!h->clients[c].closed && h->now_ms - since < most_ms) {
        h_turn(h);
        h->now_ms += H_STEP_MS;
    }
    assert_true(h->clients[c].closed);
    return h->now_ms - since;
}

/* ---- what has become of it ---- */

/* Records of the source that came out of any sink. */
static inline uint64_t h_came_out(const struct harness *h, size_t source)
{
    uint64_t count = 0;

    for (uint64_t i = 0; i < h->clients[source].total; i++) {
        count += h->seen[source][i];
    }
    return count;
}

static inline uint64_t h_rows_records(const struct h_client *client)
{
    uint64_t count = 0;

    for (size_t i = 0; i < client->rows_count; i++) {
        count += client->rows[i].records;
    }
    return count;
}

static inline uint64_t h_rows_confirmed(const struct h_client *client)
{
    uint64_t count = 0;

    for (size_t i = 0; i < client->rows_count; i++) {
        count += client->rows[i].confirmed;
    }
    return count;
}

/* ---- cuts ---- */

/* A number that tells its epoch, as leaders make them. */
static inline uint64_t h_checkpoint(uint64_t epoch)
{
    return epoch << 32 | (epoch * 7 + 1);
}

/* Prepare reaches a node: the cut is for the nodes with a bit in `listed`. */
static inline void h_begin(struct harness *h, size_t n, uint64_t epoch,
        unsigned listed, const char *rotate)
{
    struct shuffle_cut_member members[H_NODES_MAX];
    const struct bytes stages[] = {bytes_text(rotate == NULL ? "" : rotate)};
    struct shuffle_cut_order order = {.checkpoint = h_checkpoint(epoch),
            .announced = epoch,
            .epoch = epoch,
            .members = members,
            .rotate = stages,
            .rotate_count = rotate != NULL};

    for (size_t i = 0; i < h->nodes_count; i++) {
        if (i != n && (listed & (1U << i)) != 0) {
            members[order.members_count++] =
                    (struct shuffle_cut_member){h->nodes[i].id, true};
        }
    }
    h->nodes[n].cut = (struct h_cut){
            .checkpoint = order.checkpoint, .begun_ms = h->now_ms};
    shuffle_streams_cut(&h->nodes[n].st, h->now_ms, &order);
    h_drain(h, n);
}

static inline unsigned h_all(const struct harness *h)
{
    return (1U << h->nodes_count) - 1;
}

static inline void h_begin_all(
        struct harness *h, uint64_t epoch, const char *rotate)
{
    for (size_t n = 0; n < h->nodes_count; n++) {
        if (h->nodes[n].alive) {
            h_begin(h, n, epoch, h_all(h), rotate);
        }
    }
}

/* A placement as Commit brings it. */
struct h_next_place {
    char stage[SHUFFLE_STAGE_MAX + 1];
    uint64_t epoch;
    size_t count;
    uint8_t packed[H_NODES_MAX * SHUFFLE_SINK_BYTES];
};

/* The sinks of the stage on all nodes but those that drain. */
static inline struct h_next_place h_gather(
        const struct harness *h, const char *stage, uint64_t epoch)
{
    struct h_next_place place = {.epoch = epoch};
    struct writer w = writer_of(place.packed, sizeof(place.packed));

    (void)snprintf(place.stage, sizeof(place.stage), "%s", stage);
    for (size_t n = 0; n < h->nodes_count; n++) {
        const struct h_node *node = &h->nodes[n];
        struct shuffle_sink_id id = {node->id, node->generation, 0};
        struct bytes name;

        for (size_t i = 0;
                node->alive && node->st.drain_at_ms == 0 &&
                shuffle_streams_sink_at(&node->st, i, &name, &id.number);
                i++) {
            if (bytes_equal_text(name, stage)) {
                shuffle_wire_put_sink(&w, &id);
                place.count++;
            }
        }
    }
    assert_false(w.failed);
    return place;
}

/* The outcome reaches a node; with places or without (NULL). */
static inline void h_decide(struct harness *h, size_t n, uint64_t epoch,
        enum shuffle_outcome_code code, const struct h_next_place *place)
{
    struct shuffle_cut_place places[1];
    struct shuffle_cut_outcome outcome = {.checkpoint = h_checkpoint(epoch),
            .epoch = epoch,
            .code = code,
            .text = code == SHUFFLE_OUTCOME_ABORTED ? "node 9 is dead" : "",
            .places = places};

    if (place != NULL && place->count > 0) {
        places[0].stage = bytes_text(place->stage);
        places[0].sinks = (struct shuffle_wire_sinks){place->epoch,
                bytes_of(place->packed, place->count * SHUFFLE_SINK_BYTES)};
        outcome.places_count = 1;
    }
    shuffle_streams_outcome(&h->nodes[n].st, h->now_ms, &outcome);
    h_drain(h, n);
}

static inline void h_decide_all(struct harness *h, uint64_t epoch,
        enum shuffle_outcome_code code, const struct h_next_place *place)
{
    for (size_t n = 0; n < h->nodes_count; n++) {
        if (h->nodes[n].alive) {
            h_decide(h, n, epoch, code, place);
        }
    }
}

static inline bool h_is_written(const struct harness *h)
{
    for (size_t n = 0; n < h->nodes_count; n++) {
        if (h->nodes[n].alive && !h->nodes[n].cut.is_written) {
            return false;
        }
    }
    return true;
}

static inline bool h_has_failed(const struct harness *h)
{
    for (size_t n = 0; n < h->nodes_count; n++) {
        if (h->nodes[n].alive && h->nodes[n].cut.has_failed) {
            return true;
        }
    }
    return false;
}

/* Runs until all have written, or one has failed. */
static inline bool h_run_cut(struct harness *h, uint64_t most_ms)
{
    uint64_t since = h->now_ms;

    while (!h_is_written(h) && !h_has_failed(h) &&
            h->now_ms - since < most_ms) {
        h_turn(h);
        h->now_ms += H_STEP_MS;
    }
    return h_is_written(h);
}

/* The MARK of that cut that a program has got, or NULL. */
static inline const struct h_mark *h_mark_of(
        const struct h_client *client, uint64_t epoch)
{
    for (size_t i = 0; i < client->marks_count; i++) {
        if (client->marks[i].checkpoint == h_checkpoint(epoch)) {
            return &client->marks[i];
        }
    }
    return NULL;
}

/* Did the record come out before its sink's MARK? A sink without one has ended
 * before the cut, or come behind it. */
static inline bool h_is_before(
        const struct harness *h, const struct h_place_out *out, uint64_t epoch)
{
    const struct h_client *sink = &h->clients[out->sink - 1];
    const struct h_mark *mark = h_mark_of(sink, epoch);

    if (mark != NULL) {
        return out->index < mark->next;
    }
    return sink->attached_ms <= h->nodes[sink->node].cut.aligned_ms;
}

/* Of every source, the sinks have written those records before the cut that its
 * MARK has counted, and no other. All `listed` nodes have written it. */
static inline void h_judge_cut(
        const struct harness *h, uint64_t epoch, unsigned listed)
{
    for (size_t c = 0; c < h->clients_count; c++) {
        const struct h_client *source = &h->clients[c];
        const struct h_mark *mark = h_mark_of(source, epoch);

        if (source->is_sink || h->out[c] == NULL ||
                (listed & (1U << source->node)) == 0 ||
                (mark == NULL && !source->attached)) {
            continue;
        }
        for (uint64_t i = 0; i < source->total; i++) {
            const struct h_place_out *out = &h->out[c][i];
            bool is_counted = mark != NULL && i < mark->next;
            bool is_before = out->sink != 0 && h_is_before(h, out, epoch);

            if (out->sink != 0 &&
                    (listed & (1U << h->clients[out->sink - 1].node)) == 0) {
                continue; /* the cut does not know of that sink */
            }

            if (is_counted != is_before) {
                print_message("epoch %llu: record %llu of client %zu on node "
                              "%zu, marked at %lld, came out at %u of client "
                              "%d\n",
                        (unsigned long long)epoch, (unsigned long long)i, c,
                        source->node, mark == NULL ? -1 : (long long)mark->next,
                        out->index, (int)out->sink - 1);
            }
            assert_int_equal(is_counted, is_before);
        }
    }
}
