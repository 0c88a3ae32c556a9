/* What was dropped on connections and why, one number a reason, and what came
 * and went.
 *
 * A stranger's wrong bytes cost a counter and no sentence. The rows F1 to F9
 * of malformed frames each have their own; docs/wire.md, "Frames" lists them.
 * Every reason is listed from the start, so that zero is seen as well. */
#pragma once

#include <stdint.h>

enum shuffle_drop {
    SHUFFLE_DROP_CUT, /* F1: end of stream inside a frame */
    SHUFFLE_DROP_EMPTY, /* F2: length 0 */
    SHUFFLE_DROP_TOO_LONG, /* F3: above max_frame, or the tag's own limit */
    SHUFFLE_DROP_BARRIER, /* F4: not 24 bytes */
    SHUFFLE_DROP_HELLO, /* F5: not 8 bytes */
    SHUFFLE_DROP_VNODE_DATA, /* F6: no vnode */
    SHUFFLE_DROP_ARROW, /* F7: not the beginning of an Arrow stream */
    SHUFFLE_DROP_CLOSE, /* F8: a reason that is not UTF-8 */
    SHUFFLE_DROP_TAG, /* F9: an unknown tag that may not be skipped */
    SHUFFLE_DROP_SKIPPED, /* an unknown tag of 80 to BF; not fatal */
    SHUFFLE_DROP_UNUSED, /* CONTROL, Barrier, a second Hello: no use yet */
    SHUFFLE_DROP_PLACE, /* a known frame in the wrong place or direction */
    SHUFFLE_DROP_MALFORMED, /* a Weft frame whose fields do not fit */
    SHUFFLE_DROP_NO_HELLO, /* the first frame was another */
    SHUFFLE_DROP_HELLO_LATE, /* no Hello within connect_timeout */
    SHUFFLE_DROP_HELLO_ID, /* Hello with id 0 or our own */
    SHUFFLE_DROP_GREET, /* GREET or WELCOME that does not fit us */
    SHUFFLE_DROP_GREET_LATE, /* no WELCOME within connect_timeout */
    SHUFFLE_DROP_SUPERSEDED, /* the peer greeted on a newer connection */
    SHUFFLE_DROP_LINKS, /* refused: links_max */
    SHUFFLE_DROP_HOST, /* refused: links_per_host_max */
    SHUFFLE_DROP_LEAVING, /* refused: we are leaving */
    SHUFFLE_DROP_CONNECT, /* a connect that failed or took too long */
    SHUFFLE_DROP_STALLED, /* output without progress for peer_timeout */
    SHUFFLE_DROP_SILENT, /* no PONG, or an open stream gone silent */
    SHUFFLE_DROP_RESERVED, /* a reserved frame that brought nothing for 10 s */
    SHUFFLE_DROP_MEMORY, /* no memory for even a short frame */
    SHUFFLE_DROP_QUEUE, /* a frame refused: queue_max_bytes or no memory */
    SHUFFLE_DROP_UNSENT, /* frames queued when their connection ended */
    SHUFFLE_DROP_COUNT,
};

struct shuffle_count {
    uint64_t frames_in;
    uint64_t frames_out; /* queued on a connection */
    uint64_t bytes_in;
    uint64_t bytes_out; /* handed to the system */
    uint64_t drops[SHUFFLE_DROP_COUNT];
};

/* A stable name in snake_case, for `weft info`. */
const char *shuffle_drop_name(enum shuffle_drop drop);

/* The reference's error class of F1 to F9: "unexpected EOF", "invalid data" or
 * "invalid input"; of the others "protocol" or "limit". */
const char *shuffle_drop_class(enum shuffle_drop drop);

void shuffle_count_add(
        struct shuffle_count *sum, const struct shuffle_count *part);
