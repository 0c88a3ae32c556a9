/* The life of one connection, from accept or connect to its end. */
#include "shuffle/shuffle_inside.h"

#include "shuffle/shuffle_greet.h"
#include "shuffle/shuffle_judge.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    CLOSE_MS = 1000, /* for a Close to be written, and then for their end */
    PING_AFTER_MS = 2000, /* of silence, while a stream is open */
    RESERVED_MAX_MS = 10000, /* a reserved frame may bring nothing for */
    SUPERSEDED_QUIET_MS = 20, /* an older link has been read to its end */
};

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* --- to be and not to be --- */

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

static bool is_over(const struct shuffle_link *link)
{
    return link->state == SHUFFLE_LINK_CLOSING ||
           link->state == SHUFFLE_LINK_FINISHING;
}

static struct shuffle_peer *peer_of(
        const struct shuffle_pool *pool, const struct shuffle_link *link)
{
    return link->peer == 0 ? NULL
                           : shuffle_peers_find(&pool->peers, link->peer);
}

static void count_drop(struct shuffle_pool *pool, struct shuffle_link *link,
        enum shuffle_drop drop, uint64_t times)
{
    if (drop < SHUFFLE_DROP_COUNT) {
        link->count.drops[drop] += times;
        pool->count.drops[drop] += times;
    }
}

static void leave_line(struct shuffle_pool *pool, struct shuffle_link *link)
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
    leave_line(pool, link);
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

static void say_link(struct shuffle_pool *pool, struct shuffle_link *link,
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

static void welcome_held(struct shuffle_pool *pool, uint64_t peer);

/* The link has nothing to say to the rest of the pool from here on. */
static void depart(struct shuffle_pool *pool, struct shuffle_link *link,
        const struct shuffle_ending *ending)
{
    struct shuffle_peer *peer = peer_of(pool, link);

    count_drop(pool, link, ending->drop, 1);
    stop_hearing(pool, link);
    if (link->announced) {
        say_link(pool, link, SHUFFLE_POOL_DOWN, ending);
        link->announced = false;
    }
    if (peer != NULL && link->outgoing) {
        shuffle_reach_lost(pool, peer, ending);
    }
}

/* Frees it; what it counted goes to its peer. */
static void release(struct shuffle_pool *pool, struct shuffle_link *link)
{
    struct shuffle_peer *peer = peer_of(pool, link);

    count_drop(pool, link, SHUFFLE_DROP_UNSENT, link->out.queued_frames);
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

    if (!is_over(link)) {
        depart(pool, link, ending);
    }
    shuffle_pool_say(pool, SHUFFLE_POOL_CLOSE)->action.link = link->number;
    release(pool, link);
    if (held != 0) {
        welcome_held(pool, held);
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

    assert(!is_over(link));
    close_text(ending, text, sizeof(text));
    frame.body = bytes_text(text);
    if (!may_speak(link) || shuffle_links_push(pool, link, &frame) != 0) {
        shuffle_links_end(pool, link, ending);
        return;
    }
    depart(pool, link, ending);
    shuffle_link_set_state(link, SHUFFLE_LINK_CLOSING);
    link->is_superseded = false;
    link->deadline_ms = pool->now_ms + CLOSE_MS;
    shuffle_pool_arm(pool, link->deadline_ms);
    shuffle_links_update_reading(pool, link);
    if (held != 0) {
        welcome_held(pool, held);
    }
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
    count_drop(pool, link, SHUFFLE_DROP_QUEUE, 1);
}

/* What `payload` has been written into, as one frame ahead of the others. */
static int push_urgent(struct shuffle_pool *pool, struct shuffle_link *link,
        uint8_t tag, const struct writer *payload)
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
        link->deadline_ms = now_ms + CLOSE_MS;
        shuffle_pool_arm(pool, link->deadline_ms);
        shuffle_pool_say(pool, SHUFFLE_POOL_FINISH)->action.link = number;
    }
}

/* --- the handshake --- */

static void go_up(struct shuffle_pool *pool, struct shuffle_link *link)
{
    shuffle_link_set_state(link, SHUFFLE_LINK_UP);
    link->deadline_ms = UINT64_MAX;
    link->announced = true;
    say_link(pool, link, SHUFFLE_POOL_UP, NULL);
    if (link->outgoing) {
        shuffle_reach_up(pool, peer_of(pool, link), link);
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
    const struct shuffle_peer *peer = peer_of(pool, link);
    struct shuffle_greet_self self = greet_self(pool);
    struct shuffle_wire_greet greet = shuffle_greet_make(
            &self, link->peer, peer == NULL ? 0 : peer->generation);
    uint8_t payload[SHUFFLE_GREET_MAX];
    struct writer w = writer_of(payload, sizeof(payload));

    shuffle_wire_encode_greet(&w, &greet);
    assert(!w.failed);
    return push_urgent(pool, link, tag, &w) == 0;
}

static bool push_hello(struct shuffle_pool *pool, struct shuffle_link *link)
{
    uint8_t payload[SHUFFLE_HELLO_BYTES];
    struct writer w = writer_of(payload, sizeof(payload));

    shuffle_wire_encode_hello(&w, pool->options.id);
    return push_urgent(pool, link, SHUFFLE_TAG_HELLO, &w) == 0;
}

static const struct shuffle_ending no_memory = {
        .reason = SHUFFLE_REASON_BUSY,
        .drop = SHUFFLE_DROP_MEMORY,
        .text = "busy: no memory is left for this connection",
};

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
        shuffle_links_end(pool, link, &no_memory);
        return;
    }
    if (link->dialect == SHUFFLE_LAMINAR_DIALECT) {
        go_up(pool, link);
        return;
    }
    shuffle_link_set_state(link, SHUFFLE_LINK_GREETING);
    link->deadline_ms = now_ms + pool->options.connect_timeout_ms;
    shuffle_pool_arm(pool, link->deadline_ms);
    if (!push_greeting(pool, link, SHUFFLE_TAG_GREET)) {
        shuffle_links_end(pool, link, &no_memory);
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

static void refuse(struct shuffle_pool *pool, struct shuffle_link *link,
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
static void refuse_frame(struct shuffle_pool *pool, struct shuffle_link *link,
        enum shuffle_drop drop, uint8_t tag, size_t payload_bytes)
{
    char text[SHUFFLE_TEXT_BYTES];

    (void)snprintf(text, sizeof(text), "protocol: %s (%s), tag %02x, %zu bytes",
            shuffle_drop_class(drop), shuffle_drop_name(drop), tag,
            payload_bytes);
    refuse(pool, link, drop, text);
}

static void take_hello(struct shuffle_pool *pool, struct shuffle_link *link,
        struct bytes payload)
{
    struct shuffle_peer *peer;
    uint64_t id = 0;
    bool is_whole = shuffle_wire_decode_hello(payload, &id);

    assert(is_whole);
    if (id == 0 || id == pool->options.id) {
        refuse(pool, link, SHUFFLE_DROP_HELLO_ID,
                "protocol: a Hello with no id of a peer");
        return;
    }
    peer = shuffle_reach_add(pool, id);
    if (peer == NULL) {
        refuse(pool, link, SHUFFLE_DROP_LINKS, "busy: too many peers");
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
    static const struct shuffle_ending ending = {
            .reason = SHUFFLE_REASON_SUPERSEDED,
            .drop = SHUFFLE_DROP_SUPERSEDED,
            .text = "superseded: you have greeted on a newer connection",
    };
    bool is_left = false;

    for (uint32_t slot = 0; slot < pool->options.links_max; slot++) {
        struct shuffle_link *link = pool->links[slot];

        if (link == NULL || link == newer || link->outgoing ||
                link->peer != newer->peer ||
                link->dialect != SHUFFLE_WEFT_DIALECT || is_over(link)) {
            continue;
        }
        if (link->state == SHUFFLE_LINK_HELD) {
            shuffle_links_close(pool, link, &ending);
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
        go_up(pool, link);
    } else {
        shuffle_links_end(pool, link, &no_memory);
    }
}

/* An older link has ended: is a newer one to be welcomed now? */
static void welcome_held(struct shuffle_pool *pool, uint64_t peer)
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

static void take_greet(struct shuffle_pool *pool, struct shuffle_link *link,
        const struct frame *frame)
{
    const struct shuffle_peer *peer = peer_of(pool, link);
    struct shuffle_greet_self self = greet_self(pool);
    char text[SHUFFLE_TEXT_BYTES];
    struct shuffle_ending ending = {.drop = SHUFFLE_DROP_GREET, .text = text};
    struct shuffle_wire_greet greet;

    link->dialect = SHUFFLE_WEFT_DIALECT;
    if (!shuffle_wire_decode_greet(frame->payload, &greet)) {
        refuse_frame(pool, link, SHUFFLE_DROP_MALFORMED, frame->tag,
                frame->payload.size);
        return;
    }
    ending.reason = shuffle_greet_judge(&self, &greet, link->peer,
            peer == NULL ? 0 : peer->generation, text, sizeof(text));
    if (ending.reason != SHUFFLE_REASON_NONE) {
        shuffle_links_close(pool, link, &ending);
        return;
    }
    link->generation = greet.own_generation;
    if (!supersede(pool, link)) {
        welcome(pool, link);
        return;
    }
    shuffle_link_set_state(link, SHUFFLE_LINK_HELD);
    link->deadline_ms = pool->now_ms + pool->options.connect_timeout_ms / 2;
    shuffle_pool_arm(pool, pool->now_ms + SUPERSEDED_QUIET_MS);
}

static void take_welcome(struct shuffle_pool *pool, struct shuffle_link *link,
        const struct frame *frame)
{
    const struct shuffle_peer *peer = peer_of(pool, link);
    struct shuffle_greet_self self = greet_self(pool);
    char text[SHUFFLE_TEXT_BYTES];
    struct shuffle_ending ending = {.drop = SHUFFLE_DROP_GREET, .text = text};
    struct shuffle_wire_greet greet;

    if (!shuffle_wire_decode_greet(frame->payload, &greet)) {
        refuse_frame(pool, link, SHUFFLE_DROP_MALFORMED, frame->tag,
                frame->payload.size);
        return;
    }
    ending.reason = shuffle_greet_judge(&self, &greet, link->peer,
            peer == NULL ? 0 : peer->generation, text, sizeof(text));
    if (ending.reason != SHUFFLE_REASON_NONE) {
        shuffle_links_close(pool, link, &ending);
        return;
    }
    link->generation = greet.own_generation;
    go_up(pool, link);
}

/* --- input --- */

static void take_ping(struct shuffle_pool *pool, struct shuffle_link *link,
        const struct frame *frame)
{
    uint8_t payload[SHUFFLE_PING_BYTES];
    struct writer w = writer_of(payload, sizeof(payload));
    uint64_t token;

    if (!shuffle_wire_decode_ping(frame->payload, &token)) {
        refuse_frame(pool, link, SHUFFLE_DROP_MALFORMED, frame->tag,
                frame->payload.size);
        return;
    }
    shuffle_wire_encode_ping(&w, token);
    (void)push_urgent(pool, link, SHUFFLE_TAG_PONG, &w);
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
    go_up(pool, link);
}

static bool lend(struct shuffle_pool_action *action,
        enum shuffle_pool_action_type type, const struct shuffle_link *link)
{
    action->type = type;
    action->link = link->number;
    action->peer = link->peer;
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
        take_hello(pool, link, frame->payload);
        break;
    case SHUFFLE_VERDICT_GREET:
        take_greet(pool, link, frame);
        break;
    case SHUFFLE_VERDICT_WELCOME:
        take_welcome(pool, link, frame);
        break;
    case SHUFFLE_VERDICT_PING:
        take_ping(pool, link, frame);
        break;
    case SHUFFLE_VERDICT_PONG:
        link->ping_ms = 0;
        shuffle_pool_arm(pool, pool->now_ms + PING_AFTER_MS);
        break;
    case SHUFFLE_VERDICT_CLOSE:
        take_close(pool, link, frame->payload);
        break;
    case SHUFFLE_VERDICT_SKIP:
        count_drop(pool, link, SHUFFLE_DROP_SKIPPED, 1);
        break;
    case SHUFFLE_VERDICT_IGNORE:
        break;
    case SHUFFLE_VERDICT_FATAL:
        refuse_frame(pool, link, drop, frame->tag, frame->payload.size);
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
        refuse_frame(pool, link, drop, tag, payload);
        return;
    }
    shuffle_pool_arm(pool, pool->now_ms + RESERVED_MAX_MS);
    if (never_waits(link, tag)) {
        if (!inbox_reserve(&link->in, pool->options.blocks) &&
                !inbox_reserve(&link->in, &pool->shorts)) {
            shuffle_links_close(pool, link, &no_memory);
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

bool shuffle_links_retry(struct shuffle_pool *pool)
{
    struct shuffle_link *link = pool->waiting;

    if (link == NULL || !inbox_reserve(&link->in, pool->options.blocks)) {
        return false;
    }
    leave_line(pool, link);
    link->heard_ms = pool->now_ms;
    shuffle_pool_arm(pool, pool->now_ms + RESERVED_MAX_MS);
    shuffle_links_update_reading(pool, link);
    return true;
}

bool shuffle_links_next(
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
        refuse(pool, link, SHUFFLE_DROP_EMPTY,
                "protocol: invalid data (empty), a frame of length 0");
        break;
    case INBOX_TOO_LONG:
        refuse(pool, link, SHUFFLE_DROP_TOO_LONG,
                "protocol: invalid input (too_long), a frame above max_frame");
        break;
    case INBOX_NO_MEMORY:
        shuffle_links_close(pool, link, &no_memory);
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
    if (link == NULL || is_over(link) || link->waits_for_memory) {
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

void shuffle_links_update_reading(
        struct shuffle_pool *pool, struct shuffle_link *link)
{
    bool is_laminar_source = !link->outgoing &&
                             link->dialect == SHUFFLE_LAMINAR_DIALECT &&
                             link->state == SHUFFLE_LINK_UP;
    bool unread = link->waits_for_memory ||
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

/* --- time --- */

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
        end_late(pool, link, SHUFFLE_DROP_COUNT, "no end", CLOSE_MS);
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
           pool->now_ms - link->heard_ms >= SUPERSEDED_QUIET_MS;
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
    static const struct shuffle_ending ending = {
            .reason = SHUFFLE_REASON_SUPERSEDED,
            .drop = SHUFFLE_DROP_SUPERSEDED,
            .text = "superseded: you have greeted on a newer connection",
    };

    if (!link->is_superseded) {
        return false;
    }
    if (is_read_out(pool, link) || is_held_too_long(pool, link)) {
        shuffle_links_close(pool, link, &ending);
        return true;
    }
    shuffle_pool_arm(pool, link->heard_ms + SUPERSEDED_QUIET_MS);
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
    if (pool->now_ms - link->heard_ms >= RESERVED_MAX_MS) {
        end_late(pool, link, SHUFFLE_DROP_RESERVED, "no more of a frame came",
                RESERVED_MAX_MS);
        return true;
    }
    shuffle_pool_arm(pool, link->heard_ms + RESERVED_MAX_MS);
    return false;
}

static void ping(struct shuffle_pool *pool, struct shuffle_link *link)
{
    uint8_t payload[SHUFFLE_PING_BYTES];
    struct writer w = writer_of(payload, sizeof(payload));

    shuffle_wire_encode_ping(&w, pool->now_ms);
    if (push_urgent(pool, link, SHUFFLE_TAG_PING, &w) == 0) {
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
    if (link->outgoing && link->ping_ms == 0 && silent_ms >= PING_AFTER_MS) {
        ping(pool, link);
        awaits = true;
    }
    shuffle_pool_arm(pool,
            link->heard_ms +
                    (awaits ? timeout_ms : earlier(PING_AFTER_MS, timeout_ms)));
}

void shuffle_links_tick(struct shuffle_pool *pool, struct shuffle_link *link)
{
    if (pool->now_ms >= link->deadline_ms && link->state != SHUFFLE_LINK_HELD) {
        pass_deadline(pool, link);
        return;
    }
    shuffle_pool_arm(pool, link->deadline_ms);
    if (is_over(link) || tick_superseded(pool, link) ||
            tick_stalled(pool, link) || tick_reserved(pool, link)) {
        return;
    }
    tick_silent(pool, link);
}
