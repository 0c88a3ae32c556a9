#include "shuffle/shuffle_judge.h"

#include "shuffle/shuffle_wire.h"

/* Where a frame came, as far as that decides which may come. */
enum place {
    PLACE_FIRST, /* an accepted link that has said nothing */
    PLACE_SECOND, /* behind Hello: GREET, or LaminarDB's frames */
    PLACE_FROM_LAMINAR, /* an accepted link of a LaminarDB peer */
    PLACE_FROM_WEFT, /* an accepted link that has greeted */
    PLACE_HELD, /* greeted, and not yet welcomed */
    PLACE_TO_LAMINAR, /* what an acceptor writes that never should */
    PLACE_WELCOME, /* our own greeting waits for its answer */
    PLACE_TO_WEFT, /* answers on our own link */
};

static enum place place_of(const struct shuffle_link *link)
{
    bool is_weft = link->dialect == SHUFFLE_WEFT_DIALECT;

    switch (link->state) {
    case SHUFFLE_LINK_HELLO:
        return PLACE_FIRST;
    case SHUFFLE_LINK_NAMED:
        return PLACE_SECOND;
    case SHUFFLE_LINK_HELD:
        return PLACE_HELD;
    case SHUFFLE_LINK_CONNECTING:
    case SHUFFLE_LINK_GREETING:
        return PLACE_WELCOME;
    case SHUFFLE_LINK_UP:
    case SHUFFLE_LINK_CLOSING:
    case SHUFFLE_LINK_FINISHING:
        break;
    }
    if (link->outgoing) {
        return is_weft ? PLACE_TO_WEFT : PLACE_TO_LAMINAR;
    }
    return is_weft ? PLACE_FROM_WEFT : PLACE_FROM_LAMINAR;
}

static enum shuffle_verdict fatal(
        enum shuffle_drop *drop, enum shuffle_drop why)
{
    *drop = why;
    return SHUFFLE_VERDICT_FATAL;
}

/* An Arrow stream begins with a continuation marker and the length of its
 * schema message. The rest is not ours to read; this catches a framing that
 * has slipped. */
static bool begins_like_arrow(struct bytes body)
{
    struct reader r = reader_of(body);
    uint32_t continuation = reader_u32le(&r);
    uint32_t metadata_bytes = reader_u32le(&r);

    return !r.failed && continuation == UINT32_MAX && metadata_bytes > 0 &&
           metadata_bytes <= r.rest.size;
}

static enum shuffle_verdict judge_vnode_data(
        struct bytes payload, enum shuffle_drop *drop)
{
    struct shuffle_wire_vnode_data data;

    if (!shuffle_wire_decode_vnode_data(payload, &data)) {
        return fatal(drop, SHUFFLE_DROP_VNODE_DATA);
    }
    if (!begins_like_arrow(data.body)) {
        return fatal(drop, SHUFFLE_DROP_ARROW);
    }
    return SHUFFLE_VERDICT_LAMINAR;
}

static enum shuffle_verdict judge_close(
        struct bytes payload, enum shuffle_drop *drop)
{
    struct bytes reason;

    return shuffle_wire_decode_close(payload, &reason)
                   ? SHUFFLE_VERDICT_CLOSE
                   : fatal(drop, SHUFFLE_DROP_CLOSE);
}

/* 02, 04, 05 and FF, which both dialects share. */
static enum shuffle_verdict judge_laminar(
        const struct frame *frame, enum shuffle_drop *drop)
{
    struct shuffle_wire_barrier barrier;
    uint64_t node;

    switch (frame->tag) {
    case SHUFFLE_TAG_VNODE_DATA:
        return judge_vnode_data(frame->payload, drop);
    case SHUFFLE_TAG_BARRIER:
        return shuffle_wire_decode_barrier(frame->payload, &barrier)
                       ? SHUFFLE_VERDICT_LAMINAR
                       : fatal(drop, SHUFFLE_DROP_BARRIER);
    case SHUFFLE_TAG_HELLO:
        return shuffle_wire_decode_hello(frame->payload, &node)
                       ? SHUFFLE_VERDICT_LAMINAR
                       : fatal(drop, SHUFFLE_DROP_HELLO);
    case SHUFFLE_TAG_CLOSE:
        return judge_close(frame->payload, drop);
    default:
        return fatal(drop, SHUFFLE_DROP_TAG);
    }
}

/* Does the tag belong to LaminarDB's frames. */
static bool is_laminar(uint8_t tag)
{
    return tag == SHUFFLE_TAG_BARRIER || tag == SHUFFLE_TAG_HELLO ||
           tag == SHUFFLE_TAG_VNODE_DATA || tag == SHUFFLE_TAG_CLOSE;
}

/* Is the tag one of ours, on TCP or on the local socket. */
static bool is_weft(uint8_t tag)
{
    return !is_laminar(tag) && !shuffle_wire_is_skippable(tag) &&
           shuffle_wire_payload_max(tag, 0) > 0;
}

/* What is neither expected here nor an extension. */
static enum shuffle_verdict misplaced(uint8_t tag, enum shuffle_drop *drop)
{
    if (shuffle_wire_is_skippable(tag)) {
        return SHUFFLE_VERDICT_SKIP;
    }
    return fatal(drop, is_laminar(tag) || is_weft(tag) ? SHUFFLE_DROP_PLACE
                                                       : SHUFFLE_DROP_TAG);
}

static enum shuffle_verdict judge_first(
        const struct frame *frame, enum shuffle_drop *drop)
{
    uint64_t node;

    if (frame->tag != SHUFFLE_TAG_HELLO) {
        return fatal(drop, SHUFFLE_DROP_NO_HELLO);
    }
    return shuffle_wire_decode_hello(frame->payload, &node)
                   ? SHUFFLE_VERDICT_HELLO
                   : fatal(drop, SHUFFLE_DROP_HELLO);
}

/* An accepted link that has greeted. */
static enum shuffle_verdict judge_from_weft(
        const struct frame *frame, enum shuffle_drop *drop)
{
    switch (frame->tag) {
    case SHUFFLE_TAG_DATA:
    case SHUFFLE_TAG_CONTROL:
    case SHUFFLE_TAG_OPEN:
    case SHUFFLE_TAG_MARK:
    case SHUFFLE_TAG_FAIL:
        return SHUFFLE_VERDICT_STREAM;
    case SHUFFLE_TAG_PING:
        return SHUFFLE_VERDICT_PING;
    default:
        return is_laminar(frame->tag) ? judge_laminar(frame, drop)
                                      : misplaced(frame->tag, drop);
    }
}

/* Answers on a link of our own. */
static enum shuffle_verdict judge_to_weft(
        const struct frame *frame, enum shuffle_drop *drop)
{
    switch (frame->tag) {
    case SHUFFLE_TAG_OPENED:
    case SHUFFLE_TAG_GRANT:
    case SHUFFLE_TAG_DONE:
    case SHUFFLE_TAG_FAIL:
        return SHUFFLE_VERDICT_STREAM;
    case SHUFFLE_TAG_PONG:
        return SHUFFLE_VERDICT_PONG;
    case SHUFFLE_TAG_CLOSE:
        return judge_close(frame->payload, drop);
    default:
        return misplaced(frame->tag, drop);
    }
}

/* The answer to our greeting. */
static enum shuffle_verdict judge_welcome(
        const struct frame *frame, enum shuffle_drop *drop)
{
    switch (frame->tag) {
    case SHUFFLE_TAG_WELCOME:
        return SHUFFLE_VERDICT_WELCOME;
    case SHUFFLE_TAG_CLOSE:
        return judge_close(frame->payload, drop);
    default:
        return misplaced(frame->tag, drop);
    }
}

static enum shuffle_verdict judge_from_laminar(
        const struct frame *frame, enum shuffle_drop *drop)
{
    return is_laminar(frame->tag) ? judge_laminar(frame, drop)
                                  : misplaced(frame->tag, drop);
}

/* The largest payload of a tag in this place. LaminarDB has one limit for all
 * its frames; a Weft peer's are short, but for those it shares with it. */
static size_t payload_max(enum place place, uint8_t tag, size_t max_frame_bytes)
{
    switch (place) {
    case PLACE_FIRST:
    case PLACE_SECOND:
    case PLACE_FROM_LAMINAR:
    case PLACE_TO_LAMINAR:
        return max_frame_bytes;
    case PLACE_FROM_WEFT:
    case PLACE_HELD:
    case PLACE_WELCOME:
    case PLACE_TO_WEFT:
        return tag == SHUFFLE_TAG_VNODE_DATA ? max_frame_bytes
                                             : SHUFFLE_FRAME_MAX - 1;
    }
    return 0;
}

enum shuffle_verdict shuffle_judge(const struct shuffle_link *link,
        const struct frame *frame, size_t max_frame_bytes,
        enum shuffle_drop *drop)
{
    enum place place = place_of(link);

    if (frame->payload.size > payload_max(place, frame->tag, max_frame_bytes)) {
        return fatal(drop, SHUFFLE_DROP_TOO_LONG);
    }
    switch (place) {
    case PLACE_FIRST:
        return judge_first(frame, drop);
    case PLACE_SECOND:
        return frame->tag == SHUFFLE_TAG_GREET
                       ? SHUFFLE_VERDICT_GREET
                       : judge_from_laminar(frame, drop);
    case PLACE_FROM_LAMINAR:
        return judge_from_laminar(frame, drop);
    case PLACE_FROM_WEFT:
        return judge_from_weft(frame, drop);
    case PLACE_HELD:
        return frame->tag == SHUFFLE_TAG_CLOSE
                       ? judge_close(frame->payload, drop)
                       : misplaced(frame->tag, drop);
    case PLACE_TO_LAMINAR:
        return frame->tag == SHUFFLE_TAG_CLOSE
                       ? judge_close(frame->payload, drop)
                       : SHUFFLE_VERDICT_IGNORE;
    case PLACE_WELCOME:
        return judge_welcome(frame, drop);
    case PLACE_TO_WEFT:
        return judge_to_weft(frame, drop);
    }
    return fatal(drop, SHUFFLE_DROP_PLACE);
}

bool shuffle_judge_long(const struct shuffle_link *link, uint8_t tag,
        size_t payload_bytes, size_t max_frame_bytes, enum shuffle_drop *drop)
{
    enum place place = place_of(link);

    if (place == PLACE_FIRST) {
        *drop = tag == SHUFFLE_TAG_HELLO ? SHUFFLE_DROP_HELLO
                                         : SHUFFLE_DROP_NO_HELLO;
        return false;
    }
    if (payload_bytes > payload_max(place, tag, max_frame_bytes)) {
        *drop = SHUFFLE_DROP_TOO_LONG;
        return false;
    }
    if (tag == SHUFFLE_TAG_HELLO || tag == SHUFFLE_TAG_BARRIER) {
        *drop = tag == SHUFFLE_TAG_HELLO ? SHUFFLE_DROP_HELLO
                                         : SHUFFLE_DROP_BARRIER;
        return false;
    }
    return true;
}
