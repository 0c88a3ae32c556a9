#include "shuffle/shuffle_laminar.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "shuffle/shuffle_cuts.h"
#include "shuffle/shuffle_record.h"
#include "shuffle/shuffle_send.h"
#include "shuffle/shuffle_streams.h"

enum {
    MEMORY_RETRY_MS = 100,
};

static void free_list(struct block_list *list)
{
    while (list->head != NULL) {
        block_free(block_list_pop(list));
    }
}

void shuffle_laminar_close(struct shuffle_streams *st)
{
    struct shuffle_laminar *laminar = &st->laminar;

    shuffle_laminar_links_close(st);
    for (size_t i = 0; i < laminar->sources_count; i++) {
        free_list(&laminar->sources[i].records);
    }
    free_list(&laminar->waiting);
    *laminar = (struct shuffle_laminar){0};
}

static struct shuffle_laminar_source *find_source(
        struct shuffle_laminar *laminar, uint32_t client)
{
    for (size_t i = 0; i < laminar->sources_count; i++) {
        if (laminar->sources[i].client == client) {
            return &laminar->sources[i];
        }
    }
    return NULL;
}

bool shuffle_laminar_has(const struct shuffle_laminar *laminar, uint32_t client)
{
    for (size_t i = 0; i < laminar->sources_count; i++) {
        if (laminar->sources[i].client == client) {
            return true;
        }
    }
    return laminar->sink_client == client;
}

/* ---- attaching ---- */

static void attach_sink(
        struct shuffle_streams *st, struct shuffle_laminar *l, uint32_t client)
{
    if (l->sink_client != 0) {
        shuffle_tell_refused(st, client,
                "this node has a sink of laminar already, and takes one of "
                "each stage");
        return;
    }
    l->sink_client = client;
    l->delivered_records = 0;
    l->delivered_bytes = 0;
    l->taken_records = 0;
    l->limit_bytes = 0;
    shuffle_tell_state(st, client, SHUFFLE_STATE_ATTACHED, "");
}

static void attach_source(
        struct shuffle_streams *st, struct shuffle_laminar *l, uint32_t client)
{
    if (l->sources_count == SHUFFLE_LAMINAR_CLIENTS_MAX) {
        shuffle_tell_refused(
                st, client, "this node has 64 sources of laminar already");
        return;
    }
    l->sources[l->sources_count++] =
            (struct shuffle_laminar_source){.client = client, .is_read = true};
    shuffle_tell_state(st, client, SHUFFLE_STATE_ATTACHED, "");
    shuffle_tell_read(st, client, true);
}

void shuffle_laminar_attach(struct shuffle_streams *st, uint32_t client,
        const struct shuffle_wire_attach *attach)
{
    if (attach->role == SHUFFLE_ROLE_SINK) {
        attach_sink(st, &st->laminar, client);
    } else {
        attach_source(st, &st->laminar, client);
    }
}

/* ---- in: from LaminarDB peers to the sink ---- */

static void set_paused(
        struct shuffle_streams *st, struct shuffle_laminar *l, bool paused)
{
    struct shuffle_streams_action action = {
            .type = SHUFFLE_STREAMS_LAMINAR_PAUSE, .on = paused};

    if (l->is_paused != paused) {
        l->is_paused = paused;
        shuffle_actions_push(&st->actions, &action, bytes_of(NULL, 0));
    }
}

/* A block that holds the body alone: `own` without what is in front, or a
 * copy. NULL when there is no memory for that. */
static struct block *body_block(
        struct shuffle_streams *st, struct bytes body, struct block *own)
{
    struct block *copy;

    if (own != NULL) {
        block_skip(own, (size_t)(body.data - block_bytes(own).data));
        assert(own->size == body.size);
        return own;
    }
    copy = block_new(st->options.blocks, body.size);
    if (copy != NULL) {
        block_append(copy, body);
    }
    return copy;
}

bool shuffle_laminar_received(struct shuffle_streams *st, uint32_t link,
        uint64_t peer, const struct shuffle_wire_vnode_data *data,
        struct block *own)
{
    struct shuffle_laminar *l = &st->laminar;
    struct block *block = body_block(st, data->body, own);
    uint8_t head[SHUFFLE_LAMINAR_HEAD_BYTES];
    struct writer w = writer_of(head, sizeof(head));

    if (block == NULL) {
        l->is_starved = true;
        set_paused(st, l, true);
        return false;
    }
    shuffle_record_put_laminar_head(&w, peer, data->vnode, data->body.size);
    block_prepend(block, writer_bytes(&w));
    block->records = 1;
    block_list_push(shuffle_laminar_queue(st, link, peer), block);
    l->waiting_bytes += block->size;
    if (l->waiting_bytes >= SHUFFLE_LAMINAR_WAITING_BYTES) {
        set_paused(st, l, true);
    }
    return true;
}

/* Is there memory again for as much as may come before the next pause? */
static void consider_memory(
        struct shuffle_streams *st, struct shuffle_laminar *l)
{
    const struct budget *budget = st->options.budget;

    if (budget->max_bytes - budget->used_bytes >=
            SHUFFLE_LAMINAR_WAITING_BYTES) {
        l->is_starved = false;
    } else {
        shuffle_streams_arm(st, st->now_ms + MEMORY_RETRY_MS);
    }
}

/* A record may go when credit reaches, or, however large, when all before it
 * is confirmed. */
static bool may_go(const struct shuffle_laminar *l, const struct block *block)
{
    return l->delivered_bytes + block->size <= l->limit_bytes ||
           (l->limit_bytes > 0 && l->taken_records == l->delivered_records);
}

static void deliver(struct shuffle_streams *st, struct shuffle_laminar *l)
{
    struct block *block = block_list_pop(&l->waiting);
    uint8_t head[SHUFFLE_DATA_HEAD_BYTES];
    struct writer w = writer_of(head, sizeof(head));

    shuffle_wire_encode_data_head(&w, 0, l->delivered_records);
    l->waiting_bytes -= block->size;
    l->delivered_bytes += block->size;
    l->delivered_records++;
    l->records_out++;
    l->bytes_out += block->size;
    block_prepend(block, writer_bytes(&w));
    block_frame(block, SHUFFLE_TAG_DATA);
    shuffle_tell_block(st, l->sink_client, block);
}

static bool granted(struct shuffle_laminar *l, struct bytes payload)
{
    struct shuffle_wire_grant grant;

    if (!shuffle_wire_decode_grant(payload, &grant) || grant.stream != 0 ||
            grant.taken > l->delivered_records) {
        return false;
    }
    if (grant.taken > l->taken_records) {
        l->taken_records = grant.taken;
    }
    if (grant.limit > l->limit_bytes) {
        l->limit_bytes = grant.limit;
    }
    return true;
}

/* ---- out: from sources to LaminarDB peers ---- */

static void remove_source(
        struct shuffle_laminar *l, struct shuffle_laminar_source *source)
{
    free_list(&source->records);
    *source = l->sources[--l->sources_count];
}

static void fail_source(struct shuffle_streams *st,
        struct shuffle_laminar_source *source, enum shuffle_fail_code code,
        const char *text)
{
    shuffle_cut_fail(st, 0, "a source of laminar has failed: %s", text);
    shuffle_tell_fail(st, source->client, source->sent_records, code, text);
    shuffle_tell_close(st, source->client);
    remove_source(&st->laminar, source);
}

/* Hands the first record to the node. */
static void ask(
        struct shuffle_streams *st, struct shuffle_laminar_source *source)
{
    struct bytes bytes = block_bytes(source->records.head);
    struct shuffle_records records =
            shuffle_records_of(bytes, SHUFFLE_FORMAT_LAMINAR, SIZE_MAX);
    struct shuffle_record record;
    bool is_there = shuffle_records_next(&records, &record);
    struct shuffle_streams_action action = {
            .type = SHUFFLE_STREAMS_LAMINAR, .client = source->client};

    assert(is_there);
    (void)is_there;
    action.peer = record.peer;
    action.vnode = record.vnode;
    action.payload = record.body;
    source->is_asked = true;
    source->asked_peer = record.peer;
    shuffle_actions_push(&st->actions, &action, bytes_of(NULL, 0));
}

/* Has all of it been written by now? */
static void ask_written(
        struct shuffle_streams *st, struct shuffle_laminar_source *source)
{
    struct shuffle_streams_action action = {
            .type = SHUFFLE_STREAMS_LAMINAR_FLUSH,
            .client = source->client,
            .peer = source->peer};

    source->is_asked = true;
    shuffle_actions_push(&st->actions, &action, bytes_of(NULL, 0));
}

/* Asks for the first record, or says that there is none any more. True: the
 * source has ended. */
static bool go_on(
        struct shuffle_streams *st, struct shuffle_laminar_source *source)
{
    uint32_t client = source->client;

    if (source->is_asked) {
        return false;
    }
    if (source->records.head != NULL) {
        ask(st, source);
        return false;
    }
    if (source->is_drained && source->sent_records > 0 && !source->is_written) {
        ask_written(st, source);
        return false;
    }
    if (source->is_drained) {
        shuffle_tell_done(st, client, source->sent_records);
        shuffle_tell_close(st, client);
        remove_source(&st->laminar, source);
        return true;
    }
    if (!source->is_read) {
        source->is_read = true;
        shuffle_tell_read(st, client, true);
    }
    return false;
}

/* The pool has taken the first record. */
static void count_sent(
        struct shuffle_laminar *l, struct shuffle_laminar_source *source)
{
    struct block *block = block_list_pop(&source->records);

    if (source->peer != source->asked_peer) {
        source->peer = source->asked_peer;
        source->peer_records = 0;
        source->peer_since = l->records_in;
    }
    source->peer_records++;
    source->sent_records++;
    l->records_in++;
    l->bytes_in += block->size;
    block_free(block);
}

/* Of the last `frames` on the link, how many are certainly this source's: the
 * others' since its first may all be among them. */
static uint64_t certainly_own(const struct shuffle_laminar *l,
        const struct shuffle_laminar_source *source, uint64_t frames)
{
    uint64_t since = l->records_in - source->peer_since;
    uint64_t others = since - source->peer_records;

    frames = frames < since ? frames : since;
    return frames > others ? frames - others : 0;
}

static void tell_loss(struct shuffle_streams *st,
        struct shuffle_laminar_source *source,
        const struct shuffle_laminar_loss *loss, const char *text)
{
    uint64_t most = source->peer_records;
    uint64_t least = certainly_own(&st->laminar, source, loss->unsent_frames);
    uint64_t acked =
            loss->unacked_frames < most ? most - loss->unacked_frames : 0;
    char counts[3][SHUFFLE_COUNT_BYTES];
    char known[SHUFFLE_SENTENCE_BYTES] = "";
    char sentence[2 * SHUFFLE_SENTENCE_BYTES];

    if (loss->unacked_frames != UINT64_MAX) {
        (void)snprintf(known, sizeof(known),
                "; its system had acknowledged %s of them",
                shuffle_count_text(acked, counts[2]));
    }
    (void)snprintf(sentence, sizeof(sentence),
            "node %llu: %s: between %s and %s frames may be lost%s",
            (unsigned long long)source->peer, text,
            shuffle_count_text(least, counts[0]),
            shuffle_count_text(most, counts[1]), known);
    fail_source(st, source, SHUFFLE_FAIL_NODE_LOST, sentence);
}

void shuffle_laminar_lost(struct shuffle_streams *st, uint64_t peer,
        const struct shuffle_laminar_loss *loss, const char *text)
{
    struct shuffle_laminar *l = &st->laminar;
    size_t i = 0;

    while (i < l->sources_count) {
        if (l->sources[i].peer == peer && l->sources[i].peer_records > 0) {
            tell_loss(st, &l->sources[i], loss, text);
        } else {
            i++;
        }
    }
}

void shuffle_laminar_sent(
        struct shuffle_streams *st, uint32_t client, int code, const char *text)
{
    struct shuffle_laminar_source *source = find_source(&st->laminar, client);

    if (source == NULL) {
        return;
    }
    assert(source->is_asked);
    source->is_asked = false;
    if (code == ERR_FULL) {
        return; /* the next flush asks again */
    }
    if (code != 0) {
        fail_source(st, source, SHUFFLE_FAIL_NODE_LOST, text);
        return;
    }
    if (source->records.head == NULL) {
        source->is_written = true;
    } else {
        count_sent(&st->laminar, source);
    }
    (void)go_on(st, source);
}

/* Keeps the records, each in a block of its own. */
static bool keep_records(struct shuffle_streams *st,
        struct shuffle_laminar_source *source,
        const struct shuffle_wire_data *data, bool *has_memory)
{
    struct shuffle_records records;
    struct shuffle_record record;

    *has_memory = true;
    records = shuffle_records_of(data->records, SHUFFLE_FORMAT_LAMINAR,
            st->options.max_frame_bytes + SHUFFLE_LAMINAR_HEAD_BYTES -
                    SHUFFLE_VNODE_HEAD_BYTES);
    while (shuffle_records_next(&records, &record)) {
        struct block *block = block_new(st->options.blocks, record.whole.size);

        if (block == NULL) {
            *has_memory = false;
            return true;
        }
        block_append(block, record.whole);
        block_list_push(&source->records, block);
        source->read_records++;
    }
    return !records.failed;
}

static bool take_data(struct shuffle_streams *st,
        struct shuffle_laminar_source *source, struct bytes payload)
{
    struct shuffle_wire_data data;
    bool has_memory;

    if (!shuffle_wire_decode_data(payload, &data) || data.stream != 0 ||
            data.first != source->read_records || source->is_drained ||
            !keep_records(st, source, &data, &has_memory)) {
        return false;
    }
    if (!has_memory) {
        fail_source(st, source, SHUFFLE_FAIL_NODE_LOST,
                "the node's memory budget has no room for a record");
        return true;
    }
    if (source->is_read) {
        source->is_read = false;
        shuffle_tell_read(st, source->client, false);
    }
    (void)go_on(st, source);
    return true;
}

static bool take_mark(struct shuffle_streams *st,
        struct shuffle_laminar_source *source, struct bytes payload)
{
    struct shuffle_wire_mark mark;

    if (!shuffle_wire_decode_mark(payload, &mark) || mark.stream != 0 ||
            mark.next != source->read_records ||
            (mark.flags & SHUFFLE_FLAG_DRAIN) == 0) {
        return false;
    }
    source->is_drained = true;
    (void)go_on(st, source);
    return true;
}

/* ---- both ---- */

bool shuffle_laminar_client(struct shuffle_streams *st, uint32_t client,
        uint8_t tag, struct bytes payload)
{
    struct shuffle_laminar_source *source = find_source(&st->laminar, client);

    if (source == NULL && tag == SHUFFLE_TAG_MARK) {
        return shuffle_laminar_echoed(st, payload);
    }
    if (tag == SHUFFLE_TAG_FAIL) {
        shuffle_laminar_client_gone(st, client);
        shuffle_tell_close(st, client);
        return true;
    }
    if (source == NULL) {
        return tag == SHUFFLE_TAG_GRANT && granted(&st->laminar, payload);
    }
    switch (tag) {
    case SHUFFLE_TAG_DATA:
        return take_data(st, source, payload);
    case SHUFFLE_TAG_MARK:
        return take_mark(st, source, payload);
    default:
        return false;
    }
}

void shuffle_laminar_client_gone(struct shuffle_streams *st, uint32_t client)
{
    struct shuffle_laminar *l = &st->laminar;
    struct shuffle_laminar_source *source = find_source(l, client);

    if (source != NULL) {
        shuffle_cut_fail(st, 0, "a source of laminar on this node has left");
        remove_source(l, source);
    } else if (l->sink_client == client) {
        shuffle_laminar_sink_left(st);
    }
}

static void hand_on(struct shuffle_streams *st, struct shuffle_laminar *l)
{
    if (l->sink_client == 0 || st->is_in_doubt) {
        return;
    }
    do {
        while (l->waiting.head != NULL && may_go(l, l->waiting.head)) {
            deliver(st, l);
        }
    } while (shuffle_laminar_tell(st));
}

void shuffle_laminar_flush(struct shuffle_streams *st)
{
    struct shuffle_laminar *l = &st->laminar;
    size_t i = 0;

    hand_on(st, l);
    if (l->is_starved) {
        consider_memory(st, l);
    }
    if (l->waiting_bytes <= SHUFFLE_LAMINAR_WAITING_BYTES / 2 &&
            !l->is_starved) {
        set_paused(st, l, false);
    }
    while (i < l->sources_count) {
        if (!go_on(st, &l->sources[i])) {
            i++;
        }
    }
}

void shuffle_laminar_end(struct shuffle_streams *st,
        enum shuffle_fail_code code, const char *text)
{
    struct shuffle_laminar *l = &st->laminar;

    if (l->sink_client != 0) {
        shuffle_tell_fail(st, l->sink_client, l->taken_records, code, text);
        shuffle_tell_close(st, l->sink_client);
        shuffle_laminar_sink_left(st);
    }
    while (l->sources_count > 0) {
        fail_source(st, &l->sources[0], code, text);
    }
}
