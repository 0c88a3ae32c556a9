#include "shuffle/shuffle_outstream.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "shuffle/shuffle_send.h"
#include "shuffle/shuffle_source.h"
#include "shuffle/shuffle_streams.h"

enum {
    COPY_MAX_BYTES = 16 << 10, /* up to which a frame leaves in a small block */
    MEMORY_RETRY_MS = 50,
};

static struct shuffle_outstream **bucket(
        struct shuffle_streams *st, uint32_t number)
{
    return &st->out_buckets[number % SHUFFLE_BUCKETS];
}

struct shuffle_outstream *shuffle_outstream_new(struct shuffle_streams *st,
        struct shuffle_source *source, const struct shuffle_sink_id *sink)
{
    struct shuffle_outstream *out = malloc(sizeof(*out));
    struct shuffle_outstream **first;

    if (out == NULL) {
        return NULL;
    }
    *out = (struct shuffle_outstream){.source = source,
            .state = SHUFFLE_OUT_WANTED,
            .number = ++st->streams_count,
            .sink = *sink};
    first = bucket(st, out->number);
    out->next_in_bucket = *first;
    *first = out;
    return out;
}

static void forget_number(
        struct shuffle_streams *st, struct shuffle_outstream *out)
{
    struct shuffle_outstream **at = bucket(st, out->number);

    while (*at != out) {
        at = &(*at)->next_in_bucket;
    }
    *at = out->next_in_bucket;
}

static void forget_dirty(
        struct shuffle_streams *st, struct shuffle_outstream *out)
{
    struct shuffle_outstream **at = &st->dirty;

    if (!out->is_dirty) {
        return;
    }
    while (*at != out) {
        at = &(*at)->next_dirty;
    }
    *at = out->next_dirty;
    out->is_dirty = false;
}

static void set_link(struct shuffle_streams *st, struct shuffle_outstream *out,
        uint32_t link, enum shuffle_outstream_state state)
{
    uint32_t before = out->link;

    out->link = link;
    out->state = state;
    if (before != 0 && before != link) {
        shuffle_streams_recount(st, before);
    }
    if (link != 0 && before != link) {
        shuffle_streams_recount(st, link);
    }
}

void shuffle_outstream_free(
        struct shuffle_streams *st, struct shuffle_outstream *out)
{
    set_link(st, out, 0, SHUFFLE_OUT_DONE);
    forget_number(st, out);
    forget_dirty(st, out);
    block_free(out->filling);
    block_free(out->full);
    free(out);
}

struct shuffle_outstream *shuffle_outstream_find(
        const struct shuffle_streams *st, uint32_t link, uint32_t number)
{
    struct shuffle_outstream *out = st->out_buckets[number % SHUFFLE_BUCKETS];

    while (out != NULL && !(out->number == number && out->link == link)) {
        out = out->next_in_bucket;
    }
    return out;
}

static void send_open(struct shuffle_streams *st, struct shuffle_outstream *out)
{
    const struct shuffle_source *source = out->source;
    struct shuffle_wire_open open = {
            .stream = out->number,
            .source = {st->options.id, st->options.generation, source->number},
            .placement_id = source->place.id,
            .format = source->format,
            .stage = shuffle_stage_name(source->stage),
            .sinks = shuffle_place_sinks(&source->place),
    };
    struct shuffle_streams_action action = {.type = SHUFFLE_STREAMS_FRAME,
            .link = out->link,
            .tag = SHUFFLE_TAG_OPEN};
    struct writer w = writer_of(st->scratch, st->scratch_capacity);

    shuffle_wire_encode_open(&w, &open);
    assert(!w.failed);
    shuffle_actions_push(&st->actions, &action, writer_bytes(&w));
}

static uint32_t link_to(const struct shuffle_streams *st, uint64_t node)
{
    const struct shuffle_known *known;

    if (node == st->options.id) {
        return SHUFFLE_LINK_SELF;
    }
    known = shuffle_members_find(&st->members, node);
    return known == NULL ? 0 : known->link;
}

void shuffle_outstream_offer(
        struct shuffle_streams *st, struct shuffle_outstream *out)
{
    uint32_t link = link_to(st, out->sink.node);
    struct shuffle_streams_action want = {
            .type = SHUFFLE_STREAMS_WANT, .peer = out->sink.node};

    assert(out->state == SHUFFLE_OUT_WANTED);
    if (link == 0) {
        shuffle_actions_push(&st->actions, &want, bytes_of(NULL, 0));
        return;
    }
    set_link(st, out, link, SHUFFLE_OUT_OPENING);
    send_open(st, out);
}

void shuffle_outstream_unlink(
        struct shuffle_streams *st, struct shuffle_outstream *out)
{
    assert(out->state != SHUFFLE_OUT_DONE);
    set_link(st, out, 0, SHUFFLE_OUT_WANTED);
    out->is_marked = false;
    out->is_cut_sent = false;
}

void shuffle_outstream_finish(
        struct shuffle_streams *st, struct shuffle_outstream *out)
{
    set_link(st, out, 0, SHUFFLE_OUT_DONE);
}

void shuffle_outstream_touch(
        struct shuffle_streams *st, struct shuffle_outstream *out)
{
    if (!out->is_dirty) {
        out->is_dirty = true;
        out->next_dirty = st->dirty;
        st->dirty = out;
    }
}

static bool has_credit(const struct shuffle_outstream *out, size_t bytes)
{
    return out->state == SHUFFLE_OUT_OPEN &&
           bytes <= out->limit_bytes - out->sent_bytes;
}

static size_t filling_bytes(const struct shuffle_outstream *out)
{
    return out->filling_records == 0
                   ? 0
                   : (size_t)(out->at - block_end(out->filling));
}

static void send_block(struct shuffle_streams *st,
        struct shuffle_outstream *out, struct block *block)
{
    struct shuffle_streams_action action = {.type = SHUFFLE_STREAMS_BLOCK,
            .link = out->link,
            .count = out->number,
            .block = block};
    uint8_t head[SHUFFLE_DATA_HEAD_BYTES];
    struct writer w = writer_of(head, sizeof(head));
    uint64_t first = out->sent_records;

    out->sent_records += block->records;
    out->sent_bytes += block->size;
    if (out->link != SHUFFLE_LINK_SELF) {
        shuffle_wire_encode_data_head(&w, out->number, first);
        block_prepend(block, writer_bytes(&w));
        block_frame(block, SHUFFLE_TAG_DATA);
    }
    shuffle_actions_push(&st->actions, &action, bytes_of(NULL, 0));
}

/* A small frame leaves in a small block, and its own is filled again: a trickle
 * of records would otherwise hold 64 KiB for each of its frames. */
static void send_copy(struct shuffle_streams *st, struct shuffle_outstream *out)
{
    size_t bytes = filling_bytes(out);
    struct block *block = block_new(st->options.blocks, bytes);

    if (block == NULL) {
        shuffle_outstream_touch(st, out); /* it goes on filling meanwhile */
        shuffle_streams_arm(st, st->now_ms + MEMORY_RETRY_MS);
        return;
    }
    block_append(block, bytes_of(block_end(out->filling), bytes));
    block->records = out->filling_records;
    out->filling_records = 0;
    out->at = NULL;
    out->end = NULL;
    send_block(st, out, block);
}

/* Seals what is filling, so that it can leave or wait as the full one. */
static struct block *seal(struct shuffle_outstream *out)
{
    struct block *block = out->filling;
    size_t bytes = filling_bytes(out);

    block_grow(block, bytes);
    block->records = out->filling_records;
    out->filling = NULL;
    out->filling_records = 0;
    out->at = NULL;
    out->end = NULL;
    return block;
}

void shuffle_outstream_pump(
        struct shuffle_streams *st, struct shuffle_outstream *out)
{
    struct block *block = out->full;
    struct shuffle_stage *stage = out->source->stage;

    if (block == NULL) {
        return;
    }
    if (!has_credit(out, block->size)) {
        if (out->starved_ms == 0) {
            out->starved_ms = st->now_ms + 1; /* so that 0 stays "it has" */
        }
        return;
    }
    if (out->starved_ms != 0) {
        uint64_t for_ms = st->now_ms + 1 - out->starved_ms;

        if (for_ms > stage->longest_without_credit_ms) {
            stage->longest_without_credit_ms = for_ms;
        }
        out->starved_ms = 0;
    }
    out->full = NULL;
    send_block(st, out, block);
}

/* A block that has been sent as a copy is filled again if the record fits. */
static bool fill_again(struct shuffle_outstream *out, size_t bytes)
{
    if (out->filling == NULL || out->filling_records > 0 ||
            bytes > SHUFFLE_PACK_BYTES ||
            block_room(out->filling) < SHUFFLE_PACK_BYTES) {
        return false;
    }
    out->at = block_end(out->filling);
    out->end = out->at + SHUFFLE_PACK_BYTES;
    return true;
}

bool shuffle_outstream_make_room(
        struct shuffle_streams *st, struct shuffle_outstream *out, size_t bytes)
{
    size_t capacity = bytes > SHUFFLE_PACK_BYTES ? bytes : SHUFFLE_PACK_BYTES;

    if (fill_again(out, bytes)) {
        shuffle_outstream_touch(st, out);
        return true;
    }
    if (out->filling_records > 0) {
        if (out->full != NULL) {
            return false;
        }
        out->full = seal(out);
        shuffle_outstream_pump(st, out);
    }
    block_free(out->filling);
    out->filling = block_new(st->options.blocks, capacity);
    if (out->filling == NULL) {
        return false;
    }
    out->at = block_end(out->filling);
    out->end = out->at + capacity;
    shuffle_outstream_touch(st, out);
    return true;
}

void shuffle_outstream_flush(
        struct shuffle_streams *st, struct shuffle_outstream *out)
{
    size_t bytes = filling_bytes(out);

    shuffle_outstream_pump(st, out);
    if (bytes == 0 || out->full != NULL || !has_credit(out, bytes)) {
        return;
    }
    if (bytes <= COPY_MAX_BYTES) {
        send_copy(st, out);
        return;
    }
    send_block(st, out, seal(out));
}

void shuffle_outstream_mark(
        struct shuffle_streams *st, struct shuffle_outstream *out)
{
    if (out->state == SHUFFLE_OUT_OPEN && !out->is_marked) {
        out->is_marked = true;
        shuffle_send_mark(st, out->link,
                &(struct shuffle_wire_mark){.stream = out->number,
                        .next = out->routed_records,
                        .flags = SHUFFLE_FLAG_DRAIN});
    }
}

void shuffle_outstream_cut(
        struct shuffle_streams *st, struct shuffle_outstream *out)
{
    const struct shuffle_cut *cut = &st->cuts.now;

    if (out->state == SHUFFLE_OUT_OPEN && out->has_cut && !out->is_cut_sent) {
        out->is_cut_sent = true;
        shuffle_send_mark(st, out->link,
                &(struct shuffle_wire_mark){.stream = out->number,
                        .next = out->cut_next,
                        .checkpoint = cut->checkpoint,
                        .epoch = cut->epoch});
    }
}

bool shuffle_outstream_owes_mark(const struct shuffle_outstream *out)
{
    bool is_ending =
            out->is_leaving || out->source->state == SHUFFLE_SOURCE_DRAINING;

    return out->state != SHUFFLE_OUT_DONE &&
           ((out->has_cut && !out->is_cut_sent) ||
                   (is_ending && !out->is_marked));
}

void shuffle_outstream_fail(struct shuffle_streams *st,
        struct shuffle_outstream *out, enum shuffle_fail_code code,
        const char *text)
{
    if (out->state == SHUFFLE_OUT_OPEN) {
        shuffle_outstream_flush(st, out);
    }
    if (out->state == SHUFFLE_OUT_OPENING || out->state == SHUFFLE_OUT_OPEN) {
        shuffle_send_fail(
                st, out->link, out->number, out->taken_records, code, text);
    }
}

size_t shuffle_outstream_waiting_bytes(const struct shuffle_outstream *out)
{
    return filling_bytes(out) + (out->full == NULL ? 0 : out->full->size);
}

void shuffle_outstream_check(const struct shuffle_outstream *out)
{
    uint64_t unsent = out->filling_records;

    if (out->full != NULL) {
        unsent += out->full->records;
        assert(out->full->records > 0);
    }
    assert(out->taken_records <= out->sent_records);
    assert(out->sent_records + unsent == out->routed_records);
    assert(out->sent_bytes + shuffle_outstream_waiting_bytes(out) ==
            out->routed_bytes);
    assert(out->sent_bytes <= out->limit_bytes || out->sent_bytes == 0);
    assert((out->link != 0) == (out->state == SHUFFLE_OUT_OPENING ||
                                       out->state == SHUFFLE_OUT_OPEN));
    assert(out->at <= out->end);
    assert(!out->is_cut_sent || out->has_cut);
}
