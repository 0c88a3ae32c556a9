/* How two ends learn who the other is: Hello, GREET and WELCOME, and which of a
 * peer's connections is the one that counts. */
#include "shuffle/shuffle_inside.h"

#include "shuffle/shuffle_greet.h"

#include <assert.h>

void shuffle_handshake_up(struct shuffle_pool *pool, struct shuffle_link *link)
{
    shuffle_link_set_state(link, SHUFFLE_LINK_UP);
    link->deadline_ms = UINT64_MAX;
    link->announced = true;
    shuffle_links_say(pool, link, SHUFFLE_POOL_UP, NULL);
    if (link->outgoing) {
        shuffle_reach_up(pool, shuffle_links_peer(pool, link), link);
    }
    shuffle_links_update_reading(pool, link);
}

static struct shuffle_greet_self greet_self(const struct shuffle_pool *pool)
{
    return (struct shuffle_greet_self){
            .id = pool->options.id,
            .generation = pool->options.generation,
            .vnodes = pool->options.vnodes,
            .cluster = pool->options.cluster,
    };
}

/* GREET or WELCOME; false when there was no memory for it. */
static bool push_greeting(
        struct shuffle_pool *pool, struct shuffle_link *link, uint8_t tag)
{
    const struct shuffle_peer *peer = shuffle_links_peer(pool, link);
    struct shuffle_greet_self self = greet_self(pool);
    struct shuffle_wire_greet greet = shuffle_greet_make(
            &self, link->peer, peer == NULL ? 0 : peer->generation);
    uint8_t payload[SHUFFLE_GREET_MAX];
    struct writer w = writer_of(payload, sizeof(payload));

    shuffle_wire_encode_greet(&w, &greet);
    assert(!w.failed);
    return shuffle_links_push_urgent(pool, link, tag, &w) == 0;
}

static bool push_hello(struct shuffle_pool *pool, struct shuffle_link *link)
{
    uint8_t payload[SHUFFLE_HELLO_BYTES];
    struct writer w = writer_of(payload, sizeof(payload));

    shuffle_wire_encode_hello(&w, pool->options.id);
    return shuffle_links_push_urgent(pool, link, SHUFFLE_TAG_HELLO, &w) == 0;
}

void shuffle_pool_connected(
        struct shuffle_pool *pool, uint64_t now_ms, uint32_t number)
{
    struct shuffle_link *link = shuffle_links_find(pool, number);

    pool->now_ms = now_ms;
    if (link == NULL || link->state != SHUFFLE_LINK_CONNECTING) {
        return;
    }
    link->heard_ms = now_ms;
    if (!push_hello(pool, link)) {
        shuffle_links_end(pool, link, &shuffle_links_no_memory);
        return;
    }
    if (link->dialect == SHUFFLE_LAMINAR_DIALECT) {
        shuffle_handshake_up(pool, link);
        return;
    }
    shuffle_link_set_state(link, SHUFFLE_LINK_GREETING);
    link->deadline_ms = now_ms + pool->options.connect_timeout_ms;
    shuffle_pool_arm(pool, link->deadline_ms);
    if (!push_greeting(pool, link, SHUFFLE_TAG_GREET)) {
        shuffle_links_end(pool, link, &shuffle_links_no_memory);
    }
}

void shuffle_pool_connect_failed(struct shuffle_pool *pool, uint64_t now_ms,
        uint32_t number, const char *why)
{
    struct shuffle_link *link = shuffle_links_find(pool, number);
    struct shuffle_ending ending = {
            .reason = SHUFFLE_REASON_LOST,
            .drop = SHUFFLE_DROP_CONNECT,
            .text = why,
    };

    pool->now_ms = now_ms;
    if (link != NULL) {
        shuffle_links_end(pool, link, &ending);
    }
}

static size_t count_from_host(
        const struct shuffle_pool *pool, const struct addr *from)
{
    size_t count = 0;

    for (uint32_t slot = 0; slot < pool->options.links_max; slot++) {
        const struct shuffle_link *link = pool->links[slot];

        if (link != NULL && !link->outgoing &&
                addr_same_host(&link->address, from)) {
            count++;
        }
    }
    return count;
}

/* SHUFFLE_DROP_COUNT when one more may come from there. */
static enum shuffle_drop refusal(
        const struct shuffle_pool *pool, const struct addr *from)
{
    if (pool->leaving) {
        return SHUFFLE_DROP_LEAVING;
    }
    if (pool->accepted_count >=
            pool->options.links_max - pool->options.links_max / 4) {
        return SHUFFLE_DROP_LINKS;
    }
    if (count_from_host(pool, from) >= pool->options.links_per_host_max) {
        return SHUFFLE_DROP_HOST;
    }
    return SHUFFLE_DROP_COUNT;
}

int shuffle_pool_accepted(struct shuffle_pool *pool, uint64_t now_ms,
        const struct addr *from, uint32_t *number)
{
    enum shuffle_drop drop = refusal(pool, from);
    struct shuffle_link *link = NULL;

    pool->now_ms = now_ms;
    if (drop == SHUFFLE_DROP_COUNT) {
        link = shuffle_links_open(pool, false, from);
        drop = SHUFFLE_DROP_LINKS;
    }
    if (link == NULL) {
        pool->count.drops[drop]++;
        return ERR_FULL;
    }
    *number = link->number;
    return 0;
}

void shuffle_handshake_hello(struct shuffle_pool *pool,
        struct shuffle_link *link, struct bytes payload)
{
    struct shuffle_peer *peer;
    uint64_t id = 0;
    bool is_whole = shuffle_wire_decode_hello(payload, &id);

    assert(is_whole);
    if (id == 0 || id == pool->options.id) {
        shuffle_links_refuse(pool, link, SHUFFLE_DROP_HELLO_ID,
                "protocol: a Hello with no id of a peer");
        return;
    }
    peer = shuffle_reach_add(pool, id);
    if (peer == NULL) {
        shuffle_links_refuse(
                pool, link, SHUFFLE_DROP_LINKS, "busy: too many peers");
        return;
    }
    link->peer = id;
    peer->accepted_count++;
    shuffle_link_set_state(link, SHUFFLE_LINK_NAMED);
    link->deadline_ms = UINT64_MAX;
    shuffle_reach_alive(pool, peer);
}

/* The peer's other accepted weft links end: a held one at once, one that is up
 * when it has been read to its end. True when one of those is left. */
static bool supersede(struct shuffle_pool *pool, struct shuffle_link *newer)
{
    bool is_left = false;

    for (uint32_t slot = 0; slot < pool->options.links_max; slot++) {
        struct shuffle_link *link = pool->links[slot];

        if (link == NULL || link == newer || link->outgoing ||
                link->peer != newer->peer ||
                link->dialect != SHUFFLE_WEFT_DIALECT ||
                shuffle_link_is_over(link)) {
            continue;
        }
        if (link->state == SHUFFLE_LINK_HELD) {
            shuffle_links_close(pool, link, &shuffle_links_superseded);
            continue;
        }
        link->is_superseded = true;
        is_left = true;
    }
    return is_left;
}

static void welcome(struct shuffle_pool *pool, struct shuffle_link *link)
{
    if (push_greeting(pool, link, SHUFFLE_TAG_WELCOME)) {
        shuffle_handshake_up(pool, link);
    } else {
        shuffle_links_end(pool, link, &shuffle_links_no_memory);
    }
}

void shuffle_handshake_welcome_held(struct shuffle_pool *pool, uint64_t peer)
{
    struct shuffle_link *held = NULL;

    for (uint32_t slot = 0; slot < pool->options.links_max; slot++) {
        struct shuffle_link *link = pool->links[slot];

        if (link == NULL || link->peer != peer || link->outgoing) {
            continue;
        }
        if (link->is_superseded) {
            return;
        }
        if (link->state == SHUFFLE_LINK_HELD) {
            held = link;
        }
    }
    if (held != NULL) {
        welcome(pool, held);
    }
}

/* Judges a GREET or a WELCOME, which say the same of their sender, and keeps
 * its generation; false: the link has been refused. */
static bool take_greeting(struct shuffle_pool *pool, struct shuffle_link *link,
        const struct frame *frame)
{
    const struct shuffle_peer *peer = shuffle_links_peer(pool, link);
    struct shuffle_greet_self self = greet_self(pool);
    char text[SHUFFLE_TEXT_BYTES];
    struct shuffle_ending ending = {.drop = SHUFFLE_DROP_GREET, .text = text};
    struct shuffle_wire_greet greet;

    if (!shuffle_wire_decode_greet(frame->payload, &greet)) {
        shuffle_links_refuse_frame(pool, link, SHUFFLE_DROP_MALFORMED,
                frame->tag, frame->payload.size);
        return false;
    }
    ending.reason = shuffle_greet_judge(&self, &greet, link->peer,
            peer == NULL ? 0 : peer->generation, text, sizeof(text));
    if (ending.reason != SHUFFLE_REASON_NONE) {
        shuffle_links_close(pool, link, &ending);
        return false;
    }
    link->generation = greet.own_generation;
    return true;
}

void shuffle_handshake_greet(struct shuffle_pool *pool,
        struct shuffle_link *link, const struct frame *frame)
{
    link->dialect = SHUFFLE_WEFT_DIALECT;
    if (!take_greeting(pool, link, frame)) {
        return;
    }
    if (!supersede(pool, link)) {
        welcome(pool, link);
        return;
    }
    shuffle_link_set_state(link, SHUFFLE_LINK_HELD);
    link->deadline_ms = pool->now_ms + pool->options.connect_timeout_ms / 2;
    shuffle_pool_arm(pool, pool->now_ms + SHUFFLE_SUPERSEDED_QUIET_MS);
}

void shuffle_handshake_welcome(struct shuffle_pool *pool,
        struct shuffle_link *link, const struct frame *frame)
{
    if (take_greeting(pool, link, frame)) {
        shuffle_handshake_up(pool, link);
    }
}
