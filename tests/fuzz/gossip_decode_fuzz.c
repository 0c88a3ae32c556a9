/* Any bytes as a datagram: the decoder must not crash, and what it accepts
 * must survive being written and read again, as far as it fits.
 *
 * The first byte of the input decides whether a valid header is put in front,
 * so that the fuzzer need not guess it. */
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gossip/gossip_decode.h"
#include "gossip/gossip_encode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz {
    struct gossip_decoder first;
    struct gossip_decoder second;
    struct gossip_encoder encoder;
    uint8_t datagram[GOSSIP_DATAGRAM_BYTES];
};

/* libFuzzer gives its target no other place to keep something between runs. */
static struct fuzz *fuzz_of_process(void)
{
    static struct fuzz *fuzz;

    if (fuzz == NULL) {
        fuzz = malloc(sizeof(*fuzz));
        assert(fuzz != NULL);
        assert(gossip_decoder_init(&fuzz->first) == 0);
        assert(gossip_decoder_init(&fuzz->second) == 0);
        assert(gossip_encoder_init(&fuzz->encoder) == 0);
    }
    return fuzz;
}

/* Writes one node and its entries; false when something did not fit. */
static bool write_node(struct gossip_encoder *e, const struct gossip_message *m,
        const struct gossip_node_delta *node)
{
    if (!gossip_encode_node(e, &node->id, node->last_gc, node->from_excluded)) {
        return false;
    }
    for (size_t i = 0; i < node->entry_count; i++) {
        if (!gossip_encode_entry(e, &m->entries[node->first_entry + i])) {
            return false;
        }
    }
    return node->entry_count > 0 ||
           gossip_encode_max_version(e, node->max_version);
}

/* Writes the message; false when not all of it fits. */
static bool write_message(struct fuzz *f, const struct gossip_message *m)
{
    struct bytes cluster = m->cluster;
    bool is_whole = true;

    if (cluster.size > GOSSIP_CLUSTER_MAX_BYTES) {
        return false;
    }
    gossip_encode_begin(&f->encoder, m->version, m->type, cluster, f->datagram);
    for (size_t i = 0; i < m->digest_count && is_whole; i++) {
        is_whole = gossip_encode_digest_entry(&f->encoder, &m->digest[i]);
    }
    for (size_t i = 0; i < m->node_count && is_whole; i++) {
        (void)gossip_encode_delta(&f->encoder);
        is_whole = write_node(&f->encoder, m, &m->nodes[i]);
    }
    return is_whole;
}

static void assert_same_digest(
        const struct gossip_message *a, const struct gossip_message *b)
{
    assert(a->digest_count == b->digest_count);
    for (size_t i = 0; i < a->digest_count; i++) {
        assert(gossip_id_equal(&a->digest[i].id, &b->digest[i].id));
        assert(a->digest[i].heartbeat == b->digest[i].heartbeat);
        assert(a->digest[i].last_gc == b->digest[i].last_gc);
        assert(a->digest[i].max_version == b->digest[i].max_version);
        assert(gossip_digest_find(a, &b->digest[i].id) == &a->digest[i]);
    }
}

static void assert_same_nodes(
        const struct gossip_message *a, const struct gossip_message *b)
{
    assert(a->node_count == b->node_count);
    for (size_t i = 0; i < a->node_count; i++) {
        const struct gossip_node_delta *x = &a->nodes[i];
        const struct gossip_node_delta *y = &b->nodes[i];

        assert(gossip_id_equal(&x->id, &y->id));
        assert(x->last_gc == y->last_gc);
        assert(x->from_excluded == y->from_excluded);
        assert(x->entry_count == y->entry_count);
        /* a SetMaxVersion behind entries is not written again */
        assert(x->entry_count > 0 || x->max_version == y->max_version);
    }
}

static void assert_same_entries(
        const struct gossip_message *a, const struct gossip_message *b)
{
    assert(a->entry_count == b->entry_count);
    for (size_t i = 0; i < a->entry_count; i++) {
        assert(bytes_equal(a->entries[i].key, b->entries[i].key));
        assert(bytes_equal(a->entries[i].value, b->entries[i].value));
        assert(a->entries[i].version == b->entries[i].version);
        assert(a->entries[i].status == b->entries[i].status);
    }
}

static void try_datagram(struct fuzz *f, struct bytes datagram)
{
    struct gossip_message m;
    struct gossip_message again;
    enum gossip_drop why;
    struct bytes written;

    if (gossip_decode(&f->first, datagram, &m, &why) != 0) {
        assert(why != GOSSIP_DROP_NONE);
        return;
    }
    if (!write_message(f, &m)) {
        return; /* a message that is begun may be given up */
    }
    written = gossip_encode_finish(&f->encoder);
    assert(gossip_decode(&f->second, written, &again, &why) == 0);
    assert(m.version == again.version && m.type == again.type);
    assert(bytes_equal(m.cluster, again.cluster));
    assert_same_digest(&m, &again);
    assert_same_nodes(&m, &again);
    assert_same_entries(&m, &again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t headers[8][4] = {
            {0x53, 0xb0, GOSSIP_V0, GOSSIP_SYN},
            {0x53, 0xb0, GOSSIP_V0, GOSSIP_SYN_ACK},
            {0x53, 0xb0, GOSSIP_V0, GOSSIP_ACK},
            {0x53, 0xb0, GOSSIP_V0, GOSSIP_BAD_CLUSTER},
            {0x53, 0xb0, GOSSIP_V1, GOSSIP_SYN},
            {0x53, 0xb0, GOSSIP_V1, GOSSIP_SYN_ACK},
            {0x53, 0xb0, GOSSIP_V1, GOSSIP_ACK},
            {0x53, 0xb0, GOSSIP_V1, GOSSIP_BAD_CLUSTER},
    };
    struct fuzz *f = fuzz_of_process();
    uint8_t *copy;

    if (size == 0 || data[0] >= 8) {
        try_datagram(f, bytes_of(data, size));
        return 0;
    }
    copy = malloc(4 + size - 1);
    assert(copy != NULL);
    memcpy(copy, headers[data[0]], 4);
    memcpy(copy + 4, data + 1, size - 1);
    try_datagram(f, bytes_of(copy, 4 + size - 1));
    free(copy);
    return 0;
}
