#include "shuffle/shuffle_info.h"

#include "shuffle/shuffle_inside.h"

static const char *peer_state_name(enum shuffle_peer_state state)
{
    switch (state) {
    case SHUFFLE_PEER_IDLE:
        return "idle";
    case SHUFFLE_PEER_RESOLVING:
        return "resolving";
    case SHUFFLE_PEER_CONNECTING:
        return "connecting";
    case SHUFFLE_PEER_LINKED:
        return "up";
    case SHUFFLE_PEER_BACKOFF:
        return "backoff";
    case SHUFFLE_PEER_STOPPED:
        return "refused";
    }
    return "";
}

static const char *link_state_name(const struct shuffle_link *link)
{
    switch (link->state) {
    case SHUFFLE_LINK_CONNECTING:
        return "connecting";
    case SHUFFLE_LINK_GREETING:
    case SHUFFLE_LINK_HELLO:
    case SHUFFLE_LINK_NAMED:
    case SHUFFLE_LINK_HELD:
        return "greeting";
    case SHUFFLE_LINK_UP:
        return link->unread ? "unread" : "up";
    case SHUFFLE_LINK_CLOSING:
    case SHUFFLE_LINK_FINISHING:
        return "closing";
    }
    return "";
}

static bool was_ever_used(const struct shuffle_peer *peer)
{
    return peer->state != SHUFFLE_PEER_IDLE || peer->count.frames_out > 0 ||
           peer->why[0] != '\0';
}

static void describe_peer(const struct shuffle_pool *pool,
        const struct shuffle_peer *peer, struct shuffle_info *row)
{
    const struct shuffle_link *link = shuffle_links_find(pool, peer->link);

    *row = (struct shuffle_info){
            .id = peer->id,
            .address = peer->tried,
            .dialect = peer->speaks_weft ? SHUFFLE_WEFT_DIALECT
                                         : SHUFFLE_LAMINAR_DIALECT,
            .outgoing = true,
            .state = peer_state_name(peer->state),
            .queued_bytes = peer->pending.queued_bytes,
            .frames = peer->count.frames_out,
            .bytes = peer->count.bytes_out,
            .reconnects = peer->ups > 0 ? peer->ups - 1 : 0,
            .last_error = peer->why,
    };
    if (link != NULL) {
        row->queued_bytes += link->out.queued_bytes;
        row->frames += link->count.frames_out;
        row->bytes += link->count.bytes_out;
    }
}

static void describe_link(
        const struct shuffle_link *link, struct shuffle_info *row)
{
    *row = (struct shuffle_info){
            .id = link->peer,
            .address = link->address,
            .dialect = link->dialect,
            .state = link_state_name(link),
            .queued_bytes = link->out.queued_bytes,
            .frames = link->count.frames_in,
            .bytes = link->count.bytes_in,
            .last_error = "",
    };
}

bool shuffle_info_at(
        const struct shuffle_pool *pool, size_t index, struct shuffle_info *row)
{
    for (size_t i = 0; i < pool->peers.count; i++) {
        const struct shuffle_peer *peer = pool->peers.items[i];

        if (was_ever_used(peer) && index-- == 0) {
            describe_peer(pool, peer, row);
            return true;
        }
    }
    for (uint32_t slot = 0; slot < pool->options.links_max; slot++) {
        const struct shuffle_link *link = pool->links[slot];

        if (link != NULL && !link->outgoing && link->peer != 0 &&
                index-- == 0) {
            describe_link(link, row);
            return true;
        }
    }
    return false;
}

uint64_t shuffle_info_heard_ms(const struct shuffle_pool *pool, uint64_t peer)
{
    uint64_t heard_ms = 0;

    for (uint32_t slot = 0; slot < pool->options.links_max; slot++) {
        const struct shuffle_link *link = pool->links[slot];

        if (link != NULL && link->peer == peer && link->heard_ms > heard_ms) {
            heard_ms = link->heard_ms;
        }
    }
    return heard_ms;
}
