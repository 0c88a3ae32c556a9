/* The life of one connection: how it begins, what it may say, how it ends. */
#include "shuffle/shuffle_inside.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static uint32_t free_slot(const struct shuffle_pool *pool)
{
    uint32_t slot = 0;

    while (slot < pool->options.links_max && pool->links[slot] != NULL) {
        slot++;
    }
    return slot;
}

static uint32_t next_number(struct shuffle_pool *pool, uint32_t slot)
{
    pool->serials[slot]++;
    if (pool->serials[slot] == 0) {
        pool->serials[slot] = 1;
    }
    return (uint32_t)pool->serials[slot] << 16 | slot;
}

struct shuffle_link *shuffle_links_open(
        struct shuffle_pool *pool, bool outgoing, const struct addr *address)
{
    uint32_t slot = free_slot(pool);
    struct shuffle_link *link;

    if (slot == pool->options.links_max) {
        return NULL;
    }
    link = calloc(1, sizeof(*link));
    assert(link != NULL);
    link->number = next_number(pool, slot);
    link->state = outgoing ? SHUFFLE_LINK_CONNECTING : SHUFFLE_LINK_HELLO;
    link->outgoing = outgoing;
    link->address = *address;
    link->heard_ms = pool->now_ms;
    link->progress_ms = pool->now_ms;
    link->deadline_ms = pool->now_ms + pool->options.connect_timeout_ms;
    inbox_init(&link->in, &pool->shorts, pool->options.max_frame_bytes);
    outbox_init(&link->out, pool->options.blocks, &pool->shorts,
            pool->options.queue_max_bytes);
    pool->links[slot] = link;
    pool->links_count++;
    pool->accepted_count += outgoing ? 0 : 1;
    shuffle_pool_arm(pool, link->deadline_ms);
    return link;
}

struct shuffle_peer *shuffle_links_peer(
        const struct shuffle_pool *pool, const struct shuffle_link *link)
{
    return link->peer == 0 ? NULL
                           : shuffle_peers_find(&pool->peers, link->peer);
}

void shuffle_links_count(struct shuffle_pool *pool, struct shuffle_link *link,
        enum shuffle_drop drop, uint64_t times)
{
    if (drop < SHUFFLE_DROP_COUNT) {
        link->count.drops[drop] += times;
        pool->count.drops[drop] += times;
    }
}

void shuffle_links_leave_line(
        struct shuffle_pool *pool, struct shuffle_link *link)
{
    struct shuffle_link **at = &pool->waiting;

    if (!link->waits_for_memory) {
        return;
    }
    while (*at != link) {
        at = &(*at)->next_waiting;
    }
    *at = link->next_waiting;
    link->next_waiting = NULL;
    link->waits_for_memory = false;
}

/* Nothing that it brings matters any more. */
static void stop_hearing(struct shuffle_pool *pool, struct shuffle_link *link)
{
    shuffle_links_leave_line(pool, link);
    inbox_close(&link->in);
    if (pool->reading == link->number) {
        pool->reading = 0;
        pool->has_deferred = false;
    }
}

/* Is it a link on which nobody tells us what has arrived. */
static bool confirms_nothing(const struct shuffle_link *link)
{
    return link->outgoing && link->dialect == SHUFFLE_LAMINAR_DIALECT;
}

static void say_loss(
        const struct shuffle_link *link, struct shuffle_pool_action *action)
{
    uint64_t frames = link->count.frames_out;

    action->unacked_frames = UINT64_MAX;
    if (confirms_nothing(link)) {
        action->unsent_frames = shuffle_sent_unsent(&link->sent, frames);
        action->unacked_frames = shuffle_sent_unacked(&link->sent, frames);
    }
}

void shuffle_links_say(struct shuffle_pool *pool, struct shuffle_link *link,
        enum shuffle_pool_action_type type, const struct shuffle_ending *ending)
{
    struct shuffle_pool_event *event = shuffle_pool_say(pool, type);

    event->action.link = link->number;
    event->action.peer = link->peer;
    event->action.generation = link->generation;
    event->action.outgoing = link->outgoing;
    event->action.dialect = link->dialect;
    if (ending != NULL) {
        say_loss(link, &event->action);
        event->action.reason = ending->reason;
        (void)snprintf(event->text, sizeof(event->text), "%s", ending->text);
    }
}

/* The link has nothing to say to the rest of the pool from here on. */
static void depart(struct shuffle_pool *pool, struct shuffle_link *link,
        const struct shuffle_ending *ending)
{
    struct shuffle_peer *peer = shuffle_links_peer(pool, link);

    shuffle_links_count(pool, link, ending->drop, 1);
    stop_hearing(pool, link);
    if (link->announced) {
        shuffle_links_say(pool, link, SHUFFLE_POOL_DOWN, ending);
        link->announced = false;
    }
    if (peer != NULL && link->outgoing) {
        shuffle_reach_lost(pool, peer, ending);
    }
}

/* Frees it; what it counted goes to its peer. */
static void release(struct shuffle_pool *pool, struct shuffle_link *link)
{
    struct shuffle_peer *peer = shuffle_links_peer(pool, link);

    shuffle_links_count(
            pool, link, SHUFFLE_DROP_UNSENT, link->out.queued_frames);
    if (peer != NULL) {
        shuffle_count_add(&peer->count, &link->count);
        peer->accepted_count -= link->outgoing ? 0 : 1;
        shuffle_reach_forget(pool, peer);
    }
    outbox_close(&link->out);
    pool->links[shuffle_link_slot(link->number)] = NULL;
    pool->links_count--;
    pool->accepted_count -= link->outgoing ? 0 : 1;
    free(link);
}

void shuffle_links_end(struct shuffle_pool *pool, struct shuffle_link *link,
        const struct shuffle_ending *ending)
{
    uint64_t held = link->is_superseded ? link->peer : 0;

    if (!shuffle_link_is_over(link)) {
        depart(pool, link, ending);
    }
    shuffle_pool_say(pool, SHUFFLE_POOL_CLOSE)->action.link = link->number;
    release(pool, link);
    if (held != 0) {
        shuffle_handshake_welcome_held(pool, held);
    }
}

/* May a byte of ours go on it: to a peer that has not greeted, never back. */
static bool may_speak(const struct shuffle_link *link)
{
    if (link->dialect == SHUFFLE_WEFT_DIALECT) {
        return link->state != SHUFFLE_LINK_CONNECTING;
    }
    return link->outgoing && link->state == SHUFFLE_LINK_UP;
}

/* The text of Close: the stable word comes first, once. */
static void close_text(
        const struct shuffle_ending *ending, char *text, size_t text_size)
{
    if (shuffle_reason_parse(bytes_text(ending->text)) == ending->reason) {
        (void)snprintf(text, text_size, "%s", ending->text);
    } else {
        (void)snprintf(text, text_size, "%s: %s",
                shuffle_reason_word(ending->reason), ending->text);
    }
}

void shuffle_links_close(struct shuffle_pool *pool, struct shuffle_link *link,
        const struct shuffle_ending *ending)
{
    char text[SHUFFLE_TEXT_BYTES];
    struct outbox_frame frame = {
            .kind = OUTBOX_CONTROL,
            .tag = SHUFFLE_TAG_CLOSE,
    };
    uint64_t held = link->is_superseded ? link->peer : 0;

    assert(!shuffle_link_is_over(link));
    close_text(ending, text, sizeof(text));
    frame.body = bytes_text(text);
    if (!may_speak(link) || shuffle_links_push(pool, link, &frame) != 0) {
        shuffle_links_end(pool, link, ending);
        return;
    }
    depart(pool, link, ending);
    shuffle_link_set_state(link, SHUFFLE_LINK_CLOSING);
    link->is_superseded = false;
    link->deadline_ms = pool->now_ms + SHUFFLE_CLOSE_MS;
    shuffle_pool_arm(pool, link->deadline_ms);
    shuffle_links_update_reading(pool, link);
    if (held != 0) {
        shuffle_handshake_welcome_held(pool, held);
    }
}

void shuffle_links_update_reading(
        struct shuffle_pool *pool, struct shuffle_link *link)
{
    bool is_laminar_source = !link->outgoing &&
                             link->dialect == SHUFFLE_LAMINAR_DIALECT &&
                             link->state == SHUFFLE_LINK_UP;
    bool unread = link->waits_for_memory || link->is_held ||
                  (pool->laminar_paused && is_laminar_source);
    struct shuffle_pool_event *event;

    if (unread == link->unread) {
        return;
    }
    link->unread = unread;
    event = shuffle_pool_say(pool, SHUFFLE_POOL_READ);
    event->action.link = link->number;
    event->action.on = !unread;
}

/* --- endings with a reason --- */

const struct shuffle_ending shuffle_links_no_memory = {
        .reason = SHUFFLE_REASON_BUSY,
        .drop = SHUFFLE_DROP_MEMORY,
        .text = "busy: no memory is left for this connection",
};

const struct shuffle_ending shuffle_links_superseded = {
        .reason = SHUFFLE_REASON_SUPERSEDED,
        .drop = SHUFFLE_DROP_SUPERSEDED,
        .text = "superseded: you have greeted on a newer connection",
};

void shuffle_links_refuse(struct shuffle_pool *pool, struct shuffle_link *link,
        enum shuffle_drop drop, const char *text)
{
    struct shuffle_ending ending = {
            .reason = SHUFFLE_REASON_PROTOCOL,
            .drop = drop,
            .text = text,
    };

    shuffle_links_close(pool, link, &ending);
}

/* For the log: what it was, and how long. */
void shuffle_links_refuse_frame(struct shuffle_pool *pool,
        struct shuffle_link *link, enum shuffle_drop drop, uint8_t tag,
        size_t payload_bytes)
{
    char text[SHUFFLE_TEXT_BYTES];

    (void)snprintf(text, sizeof(text), "protocol: %s (%s), tag %02x, %zu bytes",
            shuffle_drop_class(drop), shuffle_drop_name(drop), tag,
            payload_bytes);
    shuffle_links_refuse(pool, link, drop, text);
}

/* --- output --- */

void shuffle_links_output(struct shuffle_pool *pool, struct shuffle_link *link)
{
    link->progress_ms = pool->now_ms;
    shuffle_pool_arm(pool, pool->now_ms + pool->options.peer_timeout_ms);
    shuffle_pool_say(pool, SHUFFLE_POOL_WRITE)->action.link = link->number;
}

void shuffle_links_count_full(
        struct shuffle_pool *pool, struct shuffle_link *link)
{
    shuffle_links_count(pool, link, SHUFFLE_DROP_QUEUE, 1);
}

/* What `payload` has been written into, as one frame ahead of the others. */
int shuffle_links_push_urgent(struct shuffle_pool *pool,
        struct shuffle_link *link, uint8_t tag, const struct writer *payload)
{
    struct outbox_frame frame = {
            .kind = OUTBOX_URGENT,
            .tag = tag,
            .body = writer_bytes(payload),
    };

    assert(!payload->failed);
    return shuffle_links_push(pool, link, &frame);
}

size_t shuffle_pool_output(struct shuffle_pool *pool, uint32_t number,
        struct bytes pieces[], size_t pieces_max, size_t bytes_max)
{
    struct shuffle_link *link = shuffle_links_find(pool, number);

    return link == NULL
                   ? 0
                   : outbox_gather(&link->out, pieces, pieces_max, bytes_max);
}

bool shuffle_pool_has_output(const struct shuffle_pool *pool, uint32_t number)
{
    const struct shuffle_link *link = shuffle_links_find(pool, number);

    return link != NULL && !outbox_is_empty(&link->out);
}

void shuffle_pool_written(struct shuffle_pool *pool, uint64_t now_ms,
        uint32_t number, size_t bytes)
{
    struct shuffle_link *link = shuffle_links_find(pool, number);

    pool->now_ms = now_ms;
    if (link == NULL || bytes == 0) {
        return;
    }
    outbox_advance(&link->out, bytes);
    link->progress_ms = now_ms;
    link->count.bytes_out += bytes;
    pool->count.bytes_out += bytes;
    if (confirms_nothing(link)) {
        shuffle_sent_note(&link->sent, link->count.bytes_out,
                link->count.frames_out, &link->out);
    }
    if (outbox_is_empty(&link->out) && link->state == SHUFFLE_LINK_CLOSING) {
        shuffle_link_set_state(link, SHUFFLE_LINK_FINISHING);
        link->deadline_ms = now_ms + SHUFFLE_CLOSE_MS;
        shuffle_pool_arm(pool, link->deadline_ms);
        shuffle_pool_say(pool, SHUFFLE_POOL_FINISH)->action.link = number;
    }
}
