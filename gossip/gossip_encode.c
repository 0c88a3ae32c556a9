#include "gossip/gossip_encode.h"

#include <assert.h>

#include "gossip/gossip_op.h"

enum {
    COUNT_BYTES = 2, /* in front of a V0 digest */
    CLUSTER_LENGTH_BYTES = 2,
    EMPTY_DELTA_BYTES = 1,
};

/* ---- a digest ---- */

size_t gossip_digest_entry_bytes(const struct gossip_id *id)
{
    return gossip_id_bytes(id) + 8 + 8 + 8;
}

void gossip_digest_begin(struct gossip_digest_writer *w,
        struct gossip_blocks_writer *blocks, enum gossip_version version,
        void *memory, size_t budget_bytes)
{
    assert(budget_bytes >= COUNT_BYTES);
    *w = (struct gossip_digest_writer){.version = version};
    switch (version) {
    case GOSSIP_V0:
        w->out = writer_of(memory, budget_bytes);
        writer_u16le(&w->out, 0); /* the count, known at the end */
        break;
    case GOSSIP_V1:
        w->blocks = blocks;
        gossip_blocks_begin(blocks, memory, budget_bytes, GOSSIP_BLOCK_BYTES);
        break;
    }
}

static void put_digest_entry(
        struct writer *w, const struct gossip_digest_entry *entry)
{
    gossip_id_encode(w, &entry->id);
    writer_u64le(w, entry->heartbeat);
    writer_u64le(w, entry->last_gc);
    writer_u64le(w, entry->max_version);
}

static bool try_v0(struct gossip_digest_writer *w,
        const struct gossip_digest_entry *entry, size_t entry_bytes)
{
    if (entry_bytes > w->out.capacity - w->out.size) {
        return false;
    }
    put_digest_entry(&w->out, entry);
    return true;
}

static bool try_v1(struct gossip_digest_writer *w,
        const struct gossip_digest_entry *entry, size_t entry_bytes)
{
    struct writer item;

    if (entry_bytes > GOSSIP_PLAIN_MAX_BYTES - w->plain_bytes ||
            !gossip_blocks_fits(w->blocks, entry_bytes)) {
        return false;
    }
    item = gossip_blocks_item(w->blocks, entry_bytes);
    put_digest_entry(&item, entry);
    gossip_blocks_append(w->blocks, &item);
    return true;
}

bool gossip_digest_try(
        struct gossip_digest_writer *w, const struct gossip_digest_entry *entry)
{
    size_t entry_bytes = gossip_digest_entry_bytes(&entry->id);
    bool is_taken = w->version == GOSSIP_V0 ? try_v0(w, entry, entry_bytes)
                                            : try_v1(w, entry, entry_bytes);

    if (is_taken) {
        w->entry_count++;
        w->plain_bytes += entry_bytes;
    }
    return is_taken;
}

struct bytes gossip_digest_finish(struct gossip_digest_writer *w)
{
    struct writer count;

    if (w->version == GOSSIP_V1) {
        return gossip_blocks_finish(w->blocks);
    }
    assert(w->entry_count <= UINT16_MAX && !w->out.failed);
    count = writer_of(w->out.data, COUNT_BYTES);
    writer_u16le(&count, (uint16_t)w->entry_count);
    return writer_bytes(&w->out);
}

/* ---- a delta ---- */

void gossip_delta_begin(struct gossip_delta_writer *w,
        struct gossip_blocks_writer *blocks, void *memory, size_t budget_bytes)
{
    assert(budget_bytes >= GOSSIP_DELTA_MIN_BUDGET_BYTES);
    *w = (struct gossip_delta_writer){.blocks = blocks};
    gossip_blocks_begin(blocks, memory, budget_bytes, GOSSIP_BLOCK_BYTES);
}

static size_t node_op_bytes(const struct gossip_id *id)
{
    return 1 + gossip_id_bytes(id) + 8 + 8;
}

static size_t entry_op_bytes(const struct gossip_entry *entry)
{
    return 1 + 2 + entry->key.size + 2 + entry->value.size + 8 + 1;
}

bool gossip_delta_is_too_large(const struct gossip_delta_writer *w,
        const struct gossip_id *id, const struct gossip_entry *entry)
{
    size_t op_bytes = entry != NULL ? entry_op_bytes(entry) : 0;

    return !gossip_blocks_fits_alone(w->blocks, node_op_bytes(id) + op_bytes);
}

static void put_node(struct writer *w, const struct gossip_node_delta *node)
{
    writer_u8(w, GOSSIP_OP_NODE);
    gossip_id_encode(w, &node->id);
    writer_u64le(w, node->last_gc);
    writer_u64le(w, node->from_excluded);
}

/* Opens an item for an operation of the open node, with the node's own in
 * front if that was kept back: both fit, or neither is written. */
static bool open_op(
        struct gossip_delta_writer *w, size_t op_bytes, struct writer *item)
{
    size_t item_bytes = op_bytes;

    assert(w->has_node);
    if (w->is_held) {
        item_bytes += node_op_bytes(&w->node.id);
    }
    if (!gossip_blocks_fits(w->blocks, item_bytes)) {
        return false;
    }
    *item = gossip_blocks_item(w->blocks, item_bytes);
    if (w->is_held) {
        put_node(item, &w->node);
        w->is_held = false;
    }
    return true;
}

bool gossip_delta_try_node(struct gossip_delta_writer *w,
        const struct gossip_id *id, uint64_t last_gc, uint64_t from_excluded)
{
    struct writer item;

    if (!gossip_blocks_fits(w->blocks, node_op_bytes(id))) {
        return false;
    }
    w->node = (struct gossip_node_delta){
            .id = *id, .last_gc = last_gc, .from_excluded = from_excluded};
    w->has_node = true;
    w->is_held = from_excluded == 0 && last_gc > 0;
    if (!w->is_held) {
        item = gossip_blocks_item(w->blocks, node_op_bytes(id));
        put_node(&item, &w->node);
        gossip_blocks_append(w->blocks, &item);
    }
    return true;
}

bool gossip_delta_try_entry(
        struct gossip_delta_writer *w, const struct gossip_entry *entry)
{
    struct writer item;

    assert(entry->version > w->node.max_version);
    if (!open_op(w, entry_op_bytes(entry), &item)) {
        return false;
    }
    writer_u8(&item, GOSSIP_OP_KEY_VALUE);
    writer_string16(&item, entry->key);
    writer_string16(&item, entry->value);
    writer_u64le(&item, entry->version);
    writer_u8(&item, (uint8_t)entry->status);
    gossip_blocks_append(w->blocks, &item);
    w->node.entry_count++;
    w->node.max_version = entry->version;
    return true;
}

bool gossip_delta_try_max_version(
        struct gossip_delta_writer *w, uint64_t max_version)
{
    struct writer item;

    assert(w->node.entry_count == 0);
    if (!open_op(w, 1 + 8, &item)) {
        return false;
    }
    writer_u8(&item, GOSSIP_OP_SET_MAX_VERSION);
    writer_u64le(&item, max_version);
    gossip_blocks_append(w->blocks, &item);
    w->node.max_version = max_version;
    return true;
}

struct bytes gossip_delta_finish(struct gossip_delta_writer *w)
{
    w->has_node = false;
    w->is_held = false;
    return gossip_blocks_finish(w->blocks);
}

/* ---- a message ---- */

int gossip_encoder_init(struct gossip_encoder *e)
{
    *e = (struct gossip_encoder){.state = GOSSIP_ENCODER_DONE};
    return gossip_blocks_writer_init(&e->blocks);
}

void gossip_encoder_close(struct gossip_encoder *e)
{
    gossip_blocks_writer_close(&e->blocks);
}

static void *rest_of(const struct gossip_encoder *e)
{
    return e->out.data + e->out.size;
}

static void begin_digest(struct gossip_encoder *e, enum gossip_version version)
{
    size_t reserved = e->type == GOSSIP_SYN
                              ? CLUSTER_LENGTH_BYTES + e->cluster.size
                              : (size_t)EMPTY_DELTA_BYTES;

    gossip_digest_begin(&e->digest, &e->blocks, version, rest_of(e),
            e->out.capacity - e->out.size - reserved);
    e->state = GOSSIP_ENCODER_DIGEST;
}

static void open_delta(struct gossip_encoder *e)
{
    size_t budget_bytes = e->out.capacity - e->out.size;

    e->has_delta = budget_bytes >= GOSSIP_DELTA_MIN_BUDGET_BYTES;
    if (e->has_delta) {
        gossip_delta_begin(&e->delta, &e->blocks, rest_of(e), budget_bytes);
    }
    e->state = GOSSIP_ENCODER_DELTA;
}

void gossip_encode_begin(struct gossip_encoder *e, enum gossip_version version,
        enum gossip_type type, struct bytes cluster,
        uint8_t datagram[static GOSSIP_DATAGRAM_BYTES])
{
    assert(cluster.size <= GOSSIP_CLUSTER_MAX_BYTES);
    e->type = type;
    e->cluster = cluster;
    e->out = writer_of(datagram, GOSSIP_DATAGRAM_BYTES);
    writer_u16le(&e->out, GOSSIP_MAGIC);
    writer_u8(&e->out, (uint8_t)version);
    writer_u8(&e->out, (uint8_t)type);
    switch (type) {
    case GOSSIP_SYN:
    case GOSSIP_SYN_ACK:
        begin_digest(e, version);
        break;
    case GOSSIP_ACK:
        open_delta(e);
        break;
    case GOSSIP_BAD_CLUSTER:
        e->state = GOSSIP_ENCODER_DONE;
        break;
    }
}

bool gossip_encode_digest_entry(
        struct gossip_encoder *e, const struct gossip_digest_entry *entry)
{
    assert(e->state == GOSSIP_ENCODER_DIGEST);
    return gossip_digest_try(&e->digest, entry);
}

/* Digest and delta are written in their place: only the size is news. */
static void close_digest(struct gossip_encoder *e)
{
    e->out.size += gossip_digest_finish(&e->digest).size;
}

static void close_delta(struct gossip_encoder *e)
{
    if (e->has_delta) {
        e->out.size += gossip_delta_finish(&e->delta).size;
    } else {
        writer_u8(&e->out, GOSSIP_BLOCK_END);
    }
}

size_t gossip_encode_delta(struct gossip_encoder *e)
{
    assert(e->type == GOSSIP_SYN_ACK || e->type == GOSSIP_ACK);
    if (e->state == GOSSIP_ENCODER_DIGEST) {
        close_digest(e);
        open_delta(e);
    }
    assert(e->state == GOSSIP_ENCODER_DELTA);
    return e->out.capacity - e->out.size;
}

bool gossip_encode_node(struct gossip_encoder *e, const struct gossip_id *id,
        uint64_t last_gc, uint64_t from_excluded)
{
    assert(e->state == GOSSIP_ENCODER_DELTA);
    return e->has_delta &&
           gossip_delta_try_node(&e->delta, id, last_gc, from_excluded);
}

bool gossip_encode_entry(
        struct gossip_encoder *e, const struct gossip_entry *entry)
{
    assert(e->state == GOSSIP_ENCODER_DELTA && e->has_delta);
    return gossip_delta_try_entry(&e->delta, entry);
}

bool gossip_encode_max_version(struct gossip_encoder *e, uint64_t max_version)
{
    assert(e->state == GOSSIP_ENCODER_DELTA && e->has_delta);
    return gossip_delta_try_max_version(&e->delta, max_version);
}

struct bytes gossip_encode_finish(struct gossip_encoder *e)
{
    switch (e->state) {
    case GOSSIP_ENCODER_DIGEST:
        close_digest(e);
        if (e->type == GOSSIP_SYN) {
            writer_string16(&e->out, e->cluster);
        } else {
            writer_u8(&e->out, GOSSIP_BLOCK_END);
        }
        break;
    case GOSSIP_ENCODER_DELTA:
        close_delta(e);
        break;
    case GOSSIP_ENCODER_DONE:
        break;
    }
    e->state = GOSSIP_ENCODER_DONE;
    assert(!e->out.failed);
    return writer_bytes(&e->out);
}
