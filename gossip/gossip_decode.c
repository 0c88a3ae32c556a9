#include "gossip/gossip_decode.h"

#include <assert.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/sort.h"
#include "gossip/gossip_op.h"

static_assert(GOSSIP_DIGEST_MAX == 25575, "the digest's bound in entries");
static_assert((size_t)GOSSIP_BLOCKS_MAX_BYTES == GOSSIP_DATAGRAM_BYTES,
        "a block stream may fill a datagram");
static_assert((size_t)GOSSIP_DATAGRAM_BYTES / GOSSIP_DIGEST_ENTRY_MIN_BYTES <=
                      GOSSIP_DIGEST_MAX,
        "what a V0 digest can hold, a V1 digest can");

int gossip_decoder_init(struct gossip_decoder *d)
{
    *d = (struct gossip_decoder){
            .digest = malloc(GOSSIP_DIGEST_MAX * sizeof(*d->digest)),
            .nodes = malloc(GOSSIP_NODES_MAX * sizeof(*d->nodes)),
            .node_hashes = malloc(GOSSIP_NODES_MAX * sizeof(*d->node_hashes)),
            .entries = malloc(GOSSIP_ENTRIES_MAX * sizeof(*d->entries)),
    };
    if (gossip_blocks_reader_init(&d->digest_blocks, GOSSIP_PLAIN_MAX_BYTES) !=
                    0 ||
            gossip_blocks_reader_init(
                    &d->delta_blocks, GOSSIP_PLAIN_MAX_BYTES) != 0 ||
            d->digest == NULL || d->nodes == NULL || d->node_hashes == NULL ||
            d->entries == NULL) {
        gossip_decoder_close(d);
        return ERR_FULL;
    }
    return 0;
}

void gossip_decoder_close(struct gossip_decoder *d)
{
    free(d->entries);
    free(d->node_hashes);
    free(d->nodes);
    free(d->digest);
    gossip_blocks_reader_close(&d->delta_blocks);
    gossip_blocks_reader_close(&d->digest_blocks);
    *d = (struct gossip_decoder){.digest = NULL};
}

/* ---- digest ---- */

static enum gossip_drop decode_digest_entry(
        struct reader *r, struct gossip_digest_entry *entry)
{
    enum gossip_drop why = gossip_id_decode(r, &entry->id);

    entry->heartbeat = reader_u64le(r);
    entry->last_gc = reader_u64le(r);
    entry->max_version = reader_u64le(r);
    if (why != GOSSIP_DROP_NONE) {
        return why;
    }
    return r->failed ? GOSSIP_DROP_DIGEST : GOSSIP_DROP_NONE;
}

static bool is_ascending(const struct gossip_digest_entry *digest, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (gossip_id_compare(&digest[i - 1].id, &digest[i].id) >= 0) {
            return false;
        }
    }
    return true;
}

/* Of equal ids, the one whose name lies further on in the datagram is later. */
static int compare_entries(const void *a, const void *b)
{
    const struct gossip_id *x = &((const struct gossip_digest_entry *)a)->id;
    const struct gossip_id *y = &((const struct gossip_digest_entry *)b)->id;
    int order = gossip_id_compare(x, y);

    if (order != 0) {
        return order;
    }
    return (x->node_id.data > y->node_id.data) -
           (x->node_id.data < y->node_id.data);
}

/* Ascending, and of a member that is there twice only the last line. Peers send
 * their digests ascending, so there is seldom anything to do. */
static size_t make_ascending(struct gossip_digest_entry *digest, size_t count)
{
    size_t kept = 0;

    if (is_ascending(digest, count)) {
        return count;
    }
    sort_ascending(digest, count, sizeof(digest[0]), compare_entries);
    for (size_t i = 1; i < count; i++) {
        if (!gossip_id_equal(&digest[kept].id, &digest[i].id)) {
            kept++;
        }
        digest[kept] = digest[i];
    }
    return kept + 1;
}

static enum gossip_drop decode_digest_v0(
        struct gossip_decoder *d, struct reader *r, size_t *count)
{
    enum gossip_drop why = GOSSIP_DROP_NONE;

    *count = reader_u16le(r);
    if (r->failed || *count > r->rest.size / GOSSIP_DIGEST_ENTRY_MIN_BYTES) {
        return GOSSIP_DROP_DIGEST;
    }
    for (size_t i = 0; i < *count && why == GOSSIP_DROP_NONE; i++) {
        why = decode_digest_entry(r, &d->digest[i]);
    }
    return why;
}

static enum gossip_drop decode_digest_v1(
        struct gossip_decoder *d, struct reader *r, size_t *count)
{
    struct bytes plain;
    struct reader entries;
    bool is_over;
    enum gossip_drop why =
            gossip_blocks_read(&d->digest_blocks, r, &plain, &is_over);

    *count = 0;
    if (why == GOSSIP_DROP_NONE && is_over) {
        return GOSSIP_DROP_DIGEST_LARGE;
    }
    entries = reader_of(plain);
    while (why == GOSSIP_DROP_NONE && entries.rest.size > 0) {
        why = decode_digest_entry(&entries, &d->digest[*count]);
        (*count)++;
    }
    return why;
}

static enum gossip_drop decode_digest(
        struct gossip_decoder *d, struct reader *r, struct gossip_message *m)
{
    size_t count;
    enum gossip_drop why = m->version == GOSSIP_V0
                                   ? decode_digest_v0(d, r, &count)
                                   : decode_digest_v1(d, r, &count);

    if (why == GOSSIP_DROP_NONE) {
        m->digest = d->digest;
        m->digest_count = make_ascending(d->digest, count);
    }
    return why;
}

static enum gossip_drop decode_cluster(
        struct reader *r, struct gossip_message *m)
{
    m->cluster = reader_string16(r);
    if (r->failed) {
        return GOSSIP_DROP_CLUSTER;
    }
    return bytes_is_utf8(m->cluster) ? GOSSIP_DROP_NONE : GOSSIP_DROP_TEXT;
}

/* ---- delta ---- */

/* What has been read of a delta; the last node is the one that is open. */
struct delta {
    struct gossip_node_delta *nodes;
    struct gossip_entry *entries;
    size_t node_count;
    size_t entry_count;
};

/* The functions below read one operation, tag excluded. One that is cut leaves
 * the reader failed and nothing added. */

static enum gossip_drop decode_node(struct reader *r, struct delta *delta)
{
    struct gossip_node_delta *node = &delta->nodes[delta->node_count];
    enum gossip_drop why;

    *node = (struct gossip_node_delta){.first_entry = delta->entry_count};
    why = gossip_id_decode(r, &node->id);
    node->last_gc = reader_u64le(r);
    node->from_excluded = reader_u64le(r);
    if (why == GOSSIP_DROP_NONE && !r->failed) {
        delta->node_count++;
    }
    return why;
}

static enum gossip_drop judge_entry(const struct gossip_entry *entry,
        uint8_t status, const struct delta *delta)
{
    if (delta->node_count == 0) {
        return GOSSIP_DROP_OP_ORPHAN;
    }
    if (!bytes_is_utf8(entry->key) || !bytes_is_utf8(entry->value)) {
        return GOSSIP_DROP_TEXT;
    }
    if (status > KV_DELETE_AFTER_TTL) {
        return GOSSIP_DROP_OP_STATUS;
    }
    if (entry->version <= delta->nodes[delta->node_count - 1].max_version) {
        return GOSSIP_DROP_OP_VERSION;
    }
    return GOSSIP_DROP_NONE;
}

static enum gossip_drop decode_entry(struct reader *r, struct delta *delta)
{
    struct gossip_entry *entry = &delta->entries[delta->entry_count];
    struct gossip_node_delta *node;
    enum gossip_drop why;
    uint8_t status;

    entry->key = reader_string16(r);
    entry->value = reader_string16(r);
    entry->version = reader_u64le(r);
    status = reader_u8(r);
    if (r->failed) {
        return GOSSIP_DROP_NONE;
    }
    why = judge_entry(entry, status, delta);
    if (why != GOSSIP_DROP_NONE) {
        return why;
    }
    entry->status = (enum kv_status)status;
    delta->entry_count++;
    node = &delta->nodes[delta->node_count - 1];
    node->entry_count++;
    node->max_version = entry->version;
    return GOSSIP_DROP_NONE;
}

static enum gossip_drop decode_max_version(
        struct reader *r, struct delta *delta)
{
    uint64_t max_version = reader_u64le(r);
    struct gossip_node_delta *node;

    if (r->failed) {
        return GOSSIP_DROP_NONE;
    }
    if (delta->node_count == 0) {
        return GOSSIP_DROP_OP_ORPHAN;
    }
    node = &delta->nodes[delta->node_count - 1];
    if (max_version < node->max_version) {
        return GOSSIP_DROP_OP_LOWERED;
    }
    node->max_version = max_version;
    return GOSSIP_DROP_NONE;
}

static enum gossip_drop decode_op(struct reader *r, struct delta *delta)
{
    switch (reader_u8(r)) {
    case GOSSIP_OP_NODE:
        return decode_node(r, delta);
    case GOSSIP_OP_KEY_VALUE:
        return decode_entry(r, delta);
    case GOSSIP_OP_SET_MAX_VERSION:
        return decode_max_version(r, delta);
    default:
        return GOSSIP_DROP_OP_TAG;
    }
}

/* Reads to the end of the plain stream. A last operation that is cut is
 * malformed, unless it was our bound that cut it. */
static enum gossip_drop decode_ops(
        struct bytes plain, bool is_truncated, struct delta *delta)
{
    struct reader r = reader_of(plain);
    enum gossip_drop why = GOSSIP_DROP_NONE;

    while (why == GOSSIP_DROP_NONE && !r.failed && r.rest.size > 0) {
        why = decode_op(&r, delta);
    }
    if (why == GOSSIP_DROP_NONE && r.failed && !is_truncated) {
        why = GOSSIP_DROP_OP;
    }
    return why;
}

static void cut_empty_node(struct delta *delta)
{
    const struct gossip_node_delta *last;

    if (delta->node_count == 0) {
        return;
    }
    last = &delta->nodes[delta->node_count - 1];
    if (last->entry_count == 0 && last->max_version == 0) {
        delta->node_count--;
    }
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* By their hashes: who contrives two members of one hash has made nothing but
 * a message that is dropped. */
static bool is_any_twice(struct gossip_decoder *d, size_t node_count)
{
    for (size_t i = 0; i < node_count; i++) {
        d->node_hashes[i] = gossip_id_hash(&d->nodes[i].id);
    }
    sort_ascending(d->node_hashes, node_count, sizeof(d->node_hashes[0]),
            compare_numbers);
    for (size_t i = 1; i < node_count; i++) {
        if (d->node_hashes[i - 1] == d->node_hashes[i]) {
            return true;
        }
    }
    return false;
}

static enum gossip_drop decode_delta(
        struct gossip_decoder *d, struct reader *r, struct gossip_message *m)
{
    struct delta delta = {.nodes = d->nodes, .entries = d->entries};
    struct bytes plain;
    enum gossip_drop why =
            gossip_blocks_read(&d->delta_blocks, r, &plain, &m->is_truncated);

    if (why == GOSSIP_DROP_NONE) {
        why = decode_ops(plain, m->is_truncated, &delta);
    }
    if (why == GOSSIP_DROP_NONE && is_any_twice(d, delta.node_count)) {
        why = GOSSIP_DROP_OP_TWICE;
    }
    if (why != GOSSIP_DROP_NONE) {
        return why;
    }
    if (m->is_truncated) {
        cut_empty_node(&delta);
    }
    m->nodes = delta.nodes;
    m->node_count = delta.node_count;
    m->entries = delta.entries;
    m->entry_count = delta.entry_count;
    return GOSSIP_DROP_NONE;
}

/* ---- message ---- */

/* Bytes behind the last field of a message are nobody's, and ignored. */
static enum gossip_drop decode_body(
        struct gossip_decoder *d, struct reader *r, struct gossip_message *m)
{
    enum gossip_drop why = GOSSIP_DROP_NONE;

    switch (m->type) {
    case GOSSIP_SYN:
        why = decode_digest(d, r, m);
        return why != GOSSIP_DROP_NONE ? why : decode_cluster(r, m);
    case GOSSIP_SYN_ACK:
        why = decode_digest(d, r, m);
        return why != GOSSIP_DROP_NONE ? why : decode_delta(d, r, m);
    case GOSSIP_ACK:
        return decode_delta(d, r, m);
    case GOSSIP_BAD_CLUSTER:
        return GOSSIP_DROP_NONE;
    }
    return GOSSIP_DROP_TYPE;
}

static enum gossip_drop decode_header(
        struct reader *r, struct gossip_message *m)
{
    uint16_t magic = reader_u16le(r);
    uint8_t version = reader_u8(r);
    uint8_t type;

    if (r->failed) {
        return GOSSIP_DROP_HEADER;
    }
    if (magic != GOSSIP_MAGIC) {
        return GOSSIP_DROP_MAGIC;
    }
    if (version > GOSSIP_V1) {
        return GOSSIP_DROP_VERSION;
    }
    type = reader_u8(r);
    if (r->failed) {
        return GOSSIP_DROP_HEADER;
    }
    if (type > GOSSIP_BAD_CLUSTER) {
        return GOSSIP_DROP_TYPE;
    }
    m->version = (enum gossip_version)version;
    m->type = (enum gossip_type)type;
    return GOSSIP_DROP_NONE;
}

int gossip_decode(struct gossip_decoder *d, struct bytes datagram,
        struct gossip_message *m, enum gossip_drop *why)
{
    struct reader r = reader_of(datagram);

    *m = (struct gossip_message){.digest = NULL};
    *why = decode_header(&r, m);
    if (*why == GOSSIP_DROP_NONE) {
        *why = decode_body(d, &r, m);
    }
    if (*why != GOSSIP_DROP_NONE) {
        *m = (struct gossip_message){.digest = NULL};
        return ERR_INVALID;
    }
    return 0;
}
