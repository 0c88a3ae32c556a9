/* What a connection brings: frames, each judged and carried out, and the memory
 * that long ones wait for. */
#include "shuffle/shuffle_inside.h"

#include "shuffle/shuffle_judge.h"

#include <assert.h>
#include <stdio.h>

static void take_ping(struct shuffle_pool *pool, struct shuffle_link *link,
        const struct frame *frame)
{
    uint8_t payload[SHUFFLE_PING_BYTES];
    struct writer w = writer_of(payload, sizeof(payload));
    uint64_t token;

    if (!shuffle_wire_decode_ping(frame->payload, &token)) {
        shuffle_links_refuse_frame(pool, link, SHUFFLE_DROP_MALFORMED,
                frame->tag, frame->payload.size);
        return;
    }
    shuffle_wire_encode_ping(&w, token);
    (void)shuffle_links_push_urgent(pool, link, SHUFFLE_TAG_PONG, &w);
}

static void take_close(struct shuffle_pool *pool, struct shuffle_link *link,
        struct bytes reason)
{
    char text[SHUFFLE_TEXT_BYTES];
    struct shuffle_ending ending = {
            .reason = shuffle_reason_parse(reason),
            .drop = SHUFFLE_DROP_COUNT,
            .text = text,
    };
    int size = reason.size < sizeof(text) ? (int)reason.size
                                          : (int)sizeof(text) - 1;

    (void)snprintf(text, sizeof(text), "%.*s", size,
            reason.size == 0 ? "" : (const char *)reason.data);
    shuffle_links_end(pool, link, &ending);
}

/* The frame behind Hello was no GREET: a LaminarDB peer. UP goes first, so the
 * frame is judged once more behind it. */
static void name_laminar(struct shuffle_pool *pool, struct shuffle_link *link,
        const struct frame *frame)
{
    pool->deferred = *frame;
    pool->has_deferred = true;
    shuffle_handshake_up(pool, link);
}

static bool lend(struct shuffle_pool_action *action,
        enum shuffle_pool_action_type type, const struct shuffle_link *link)
{
    action->type = type;
    action->link = link->number;
    action->peer = link->peer;
    action->dialect = link->dialect;
    return true;
}

/* Carries out the verdict; true when the frame is in `action`. It is put there
 * first, while its place and size are at hand: to fetch them back after the
 * verdict costs as much as the verdict. */
static bool take_frame(struct shuffle_pool *pool, struct shuffle_link *link,
        const struct frame *frame, struct shuffle_pool_action *action)
{
    enum shuffle_drop drop = SHUFFLE_DROP_COUNT;
    enum shuffle_verdict verdict;

    action->tag = frame->tag;
    action->payload = frame->payload;
    verdict = shuffle_judge(link, frame, pool->options.max_frame_bytes, &drop);
    if (link->state == SHUFFLE_LINK_NAMED &&
            (verdict == SHUFFLE_VERDICT_LAMINAR ||
                    verdict == SHUFFLE_VERDICT_CLOSE)) {
        name_laminar(pool, link, frame);
        return false;
    }
    link->count.frames_in++;
    pool->count.frames_in++;
    switch (verdict) {
    case SHUFFLE_VERDICT_STREAM:
        return lend(action, SHUFFLE_POOL_FRAME, link);
    case SHUFFLE_VERDICT_LAMINAR:
        return lend(action, SHUFFLE_POOL_LAMINAR, link);
    case SHUFFLE_VERDICT_HELLO:
        shuffle_handshake_hello(pool, link, frame->payload);
        break;
    case SHUFFLE_VERDICT_GREET:
        shuffle_handshake_greet(pool, link, frame);
        break;
    case SHUFFLE_VERDICT_WELCOME:
        shuffle_handshake_welcome(pool, link, frame);
        break;
    case SHUFFLE_VERDICT_PING:
        take_ping(pool, link, frame);
        break;
    case SHUFFLE_VERDICT_PONG:
        link->ping_ms = 0;
        shuffle_pool_arm(pool, pool->now_ms + SHUFFLE_PING_AFTER_MS);
        break;
    case SHUFFLE_VERDICT_CLOSE:
        take_close(pool, link, frame->payload);
        break;
    case SHUFFLE_VERDICT_SKIP:
        shuffle_links_count(pool, link, SHUFFLE_DROP_SKIPPED, 1);
        break;
    case SHUFFLE_VERDICT_IGNORE:
        break;
    case SHUFFLE_VERDICT_FATAL:
        shuffle_links_refuse_frame(
                pool, link, drop, frame->tag, frame->payload.size);
        break;
    }
    return false;
}

static void join_line(struct shuffle_pool *pool, struct shuffle_link *link)
{
    struct shuffle_link **at = &pool->waiting;

    while (*at != NULL) {
        at = &(*at)->next_waiting;
    }
    *at = link;
    link->waits_for_memory = true;
    shuffle_pool_arm(pool, pool->now_ms);
    pool->reading = 0;
    shuffle_links_update_reading(pool, link);
}

/* A Weft peer's own frames never wait: their memory was promised with the
 * stream's limit, and control must come through. */
static bool never_waits(const struct shuffle_link *link, uint8_t tag)
{
    return link->dialect == SHUFFLE_WEFT_DIALECT &&
           tag != SHUFFLE_TAG_VNODE_DATA;
}

static void take_long(struct shuffle_pool *pool, struct shuffle_link *link)
{
    enum shuffle_drop drop = SHUFFLE_DROP_COUNT;
    uint8_t tag = inbox_long_tag(&link->in);
    size_t payload = inbox_long_bytes(&link->in) - FRAME_HEADER_BYTES;

    if (!shuffle_judge_long(
                link, tag, payload, pool->options.max_frame_bytes, &drop)) {
        shuffle_links_refuse_frame(pool, link, drop, tag, payload);
        return;
    }
    shuffle_pool_arm(pool, pool->now_ms + SHUFFLE_RESERVED_MAX_MS);
    if (never_waits(link, tag)) {
        if (!inbox_reserve(&link->in, pool->options.blocks) &&
                !inbox_reserve(&link->in, &pool->shorts)) {
            shuffle_links_close(pool, link, &shuffle_links_no_memory);
        }
        return;
    }
    if (pool->waiting == NULL &&
            inbox_reserve(&link->in, pool->options.blocks)) {
        return;
    }
    inbox_hold(&link->in);
    join_line(pool, link);
}

bool shuffle_input_retry(struct shuffle_pool *pool)
{
    struct shuffle_link *link = pool->waiting;

    if (link == NULL || !inbox_reserve(&link->in, pool->options.blocks)) {
        return false;
    }
    shuffle_links_leave_line(pool, link);
    link->heard_ms = pool->now_ms;
    shuffle_pool_arm(pool, pool->now_ms + SHUFFLE_RESERVED_MAX_MS);
    shuffle_links_update_reading(pool, link);
    return true;
}

bool shuffle_input_next(
        struct shuffle_pool *pool, struct shuffle_pool_action *action)
{
    struct shuffle_link *link = shuffle_links_find(pool, pool->reading);
    enum inbox_status status = INBOX_FRAME;
    struct frame frame;

    assert(link != NULL);
    if (pool->has_deferred) {
        frame = pool->deferred;
        pool->has_deferred = false;
    } else {
        status = inbox_next(&link->in, &frame);
    }
    switch (status) {
    case INBOX_FRAME:
        return take_frame(pool, link, &frame, action);
    case INBOX_MORE:
        pool->reading = 0;
        break;
    case INBOX_LONG:
        take_long(pool, link);
        break;
    case INBOX_EMPTY:
        shuffle_links_refuse(pool, link, SHUFFLE_DROP_EMPTY,
                "protocol: invalid data (empty), a frame of length 0");
        break;
    case INBOX_TOO_LONG:
        shuffle_links_refuse(pool, link, SHUFFLE_DROP_TOO_LONG,
                "protocol: invalid input (too_long), a frame above max_frame");
        break;
    case INBOX_NO_MEMORY:
        shuffle_links_close(pool, link, &shuffle_links_no_memory);
        break;
    }
    return false;
}

uint8_t *shuffle_pool_room(
        const struct shuffle_pool *pool, uint32_t number, size_t *size)
{
    struct shuffle_link *link = shuffle_links_find(pool, number);

    return link == NULL ? NULL : inbox_room(&link->in, size);
}

void shuffle_pool_received(struct shuffle_pool *pool, uint64_t now_ms,
        uint32_t number, struct bytes bytes)
{
    struct shuffle_link *link = shuffle_links_find(pool, number);

    assert(pool->reading == 0);
    pool->now_ms = now_ms;
    if (link == NULL || shuffle_link_is_over(link) || link->waits_for_memory) {
        return;
    }
    link->heard_ms = now_ms;
    link->count.bytes_in += bytes.size;
    pool->count.bytes_in += bytes.size;
    inbox_feed(&link->in, bytes);
    pool->reading = number;
}

void shuffle_pool_unsent(struct shuffle_pool *pool, uint32_t number,
        uint64_t unsent_bytes, uint64_t unacked_bytes)
{
    struct shuffle_link *link = shuffle_links_find(pool, number);

    if (link != NULL) {
        link->sent.unsent_bytes = unsent_bytes;
        link->sent.unacked_bytes = unacked_bytes;
        link->sent.is_told = true;
    }
}

void shuffle_pool_closed(struct shuffle_pool *pool, uint64_t now_ms,
        uint32_t number, const char *why)
{
    struct shuffle_link *link = shuffle_links_find(pool, number);
    struct shuffle_ending ending = {
            .reason = why == NULL ? SHUFFLE_REASON_NONE : SHUFFLE_REASON_LOST,
            .drop = SHUFFLE_DROP_COUNT,
            .text = why == NULL ? "the other side ended the connection" : why,
    };

    assert(pool->reading == 0);
    pool->now_ms = now_ms;
    if (link == NULL) {
        return;
    }
    if (inbox_held_bytes(&link->in) > 0) {
        ending.drop = SHUFFLE_DROP_CUT;
    }
    shuffle_links_end(pool, link, &ending);
}
