/* How long a connection may keep us waiting, and for what. */
#include "shuffle/shuffle_inside.h"

#include <inttypes.h>
#include <stdio.h>

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void end_late(struct shuffle_pool *pool, struct shuffle_link *link,
        enum shuffle_drop drop, const char *what, uint64_t ms)
{
    char text[SHUFFLE_TEXT_BYTES];
    struct shuffle_ending ending = {
            .reason = SHUFFLE_REASON_LOST,
            .drop = drop,
            .text = text,
    };

    (void)snprintf(text, sizeof(text), "%s within %" PRIu64 " ms", what, ms);
    shuffle_links_end(pool, link, &ending);
}

/* The state's own deadline has passed. */
static void pass_deadline(struct shuffle_pool *pool, struct shuffle_link *link)
{
    uint64_t connect_ms = pool->options.connect_timeout_ms;

    switch (link->state) {
    case SHUFFLE_LINK_CONNECTING:
        end_late(pool, link, SHUFFLE_DROP_CONNECT, "no connection", connect_ms);
        break;
    case SHUFFLE_LINK_GREETING:
        end_late(pool, link, SHUFFLE_DROP_GREET_LATE, "no WELCOME", connect_ms);
        break;
    case SHUFFLE_LINK_HELLO:
        end_late(pool, link, SHUFFLE_DROP_HELLO_LATE, "no Hello", connect_ms);
        break;
    case SHUFFLE_LINK_CLOSING:
    case SHUFFLE_LINK_FINISHING:
        end_late(pool, link, SHUFFLE_DROP_COUNT, "no end", SHUFFLE_CLOSE_MS);
        break;
    case SHUFFLE_LINK_NAMED:
    case SHUFFLE_LINK_HELD:
    case SHUFFLE_LINK_UP:
        break;
    }
}

/* Is the older link of a peer read to its end, as far as one can tell? */
static bool is_read_out(
        const struct shuffle_pool *pool, const struct shuffle_link *link)
{
    return link->is_superseded &&
           pool->now_ms - link->heard_ms >= SHUFFLE_SUPERSEDED_QUIET_MS;
}

/* A held link has waited long enough for the older one. */
static bool is_held_too_long(
        const struct shuffle_pool *pool, const struct shuffle_link *older)
{
    for (uint32_t slot = 0; slot < pool->options.links_max; slot++) {
        const struct shuffle_link *link = pool->links[slot];

        if (link != NULL && link->state == SHUFFLE_LINK_HELD &&
                link->peer == older->peer &&
                pool->now_ms >= link->deadline_ms) {
            return true;
        }
    }
    return false;
}

static bool tick_superseded(
        struct shuffle_pool *pool, struct shuffle_link *link)
{
    if (!link->is_superseded) {
        return false;
    }
    if (is_read_out(pool, link) || is_held_too_long(pool, link)) {
        shuffle_links_close(pool, link, &shuffle_links_superseded);
        return true;
    }
    shuffle_pool_arm(pool, link->heard_ms + SHUFFLE_SUPERSEDED_QUIET_MS);
    return false;
}

/* Output that makes no progress. */
static bool tick_stalled(struct shuffle_pool *pool, struct shuffle_link *link)
{
    uint64_t timeout_ms = pool->options.peer_timeout_ms;

    if (outbox_is_empty(&link->out)) {
        return false;
    }
    if (pool->now_ms - link->progress_ms >= timeout_ms) {
        end_late(pool, link, SHUFFLE_DROP_STALLED, "nothing could be written",
                timeout_ms);
        return true;
    }
    shuffle_pool_arm(pool, link->progress_ms + timeout_ms);
    return false;
}

static bool tick_reserved(struct shuffle_pool *pool, struct shuffle_link *link)
{
    if (!inbox_is_reserved(&link->in) || link->unread) {
        return false;
    }
    if (pool->now_ms - link->heard_ms >= SHUFFLE_RESERVED_MAX_MS) {
        end_late(pool, link, SHUFFLE_DROP_RESERVED, "no more of a frame came",
                SHUFFLE_RESERVED_MAX_MS);
        return true;
    }
    shuffle_pool_arm(pool, link->heard_ms + SHUFFLE_RESERVED_MAX_MS);
    return false;
}

static void ping(struct shuffle_pool *pool, struct shuffle_link *link)
{
    uint8_t payload[SHUFFLE_PING_BYTES];
    struct writer w = writer_of(payload, sizeof(payload));

    shuffle_wire_encode_ping(&w, pool->now_ms);
    if (shuffle_links_push_urgent(pool, link, SHUFFLE_TAG_PING, &w) == 0) {
        link->ping_ms = pool->now_ms;
    }
}

/* While a stream is open: the connector asks, the acceptor only listens. */
static void tick_silent(struct shuffle_pool *pool, struct shuffle_link *link)
{
    uint64_t timeout_ms = pool->options.peer_timeout_ms;
    uint64_t silent_ms = pool->now_ms - link->heard_ms;
    bool awaits = !link->outgoing || link->ping_ms != 0;

    if (link->state != SHUFFLE_LINK_UP || link->streams_open == 0 ||
            link->dialect != SHUFFLE_WEFT_DIALECT) {
        return;
    }
    if (awaits && silent_ms >= timeout_ms) {
        end_late(pool, link, SHUFFLE_DROP_SILENT, "nothing was heard",
                timeout_ms);
        return;
    }
    if (link->outgoing && link->ping_ms == 0 &&
            silent_ms >= SHUFFLE_PING_AFTER_MS) {
        ping(pool, link);
        awaits = true;
    }
    shuffle_pool_arm(pool,
            link->heard_ms +
                    (awaits ? timeout_ms
                            : earlier(SHUFFLE_PING_AFTER_MS, timeout_ms)));
}

void shuffle_patience_tick(struct shuffle_pool *pool, struct shuffle_link *link)
{
    if (pool->now_ms >= link->deadline_ms && link->state != SHUFFLE_LINK_HELD) {
        pass_deadline(pool, link);
        return;
    }
    shuffle_pool_arm(pool, link->deadline_ms);
    if (shuffle_link_is_over(link) || tick_superseded(pool, link) ||
            tick_stalled(pool, link) || tick_reserved(pool, link)) {
        return;
    }
    tick_silent(pool, link);
}
