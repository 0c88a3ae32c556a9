/* What a frame means on the link that it came on.
 *
 * Which frames may come depends on who connected, in which dialect, and how far
 * the link is; what they must look like stands in shuffle/shuffle_wire.h. The
 * verdict is for shuffle_pool to carry out. Rows F1 to F9 of docs/wire.md,
 * "Frames" are judged here, apart from lengths that the inbox refuses. */
#pragma once

#include "base/frame.h"
#include "shuffle/shuffle_link.h"

enum shuffle_verdict {
    SHUFFLE_VERDICT_STREAM, /* 20 and 30 to 36: not ours to read */
    SHUFFLE_VERDICT_LAMINAR, /* 02, 04 or 05 */
    SHUFFLE_VERDICT_HELLO, /* the handshake's */
    SHUFFLE_VERDICT_GREET,
    SHUFFLE_VERDICT_WELCOME,
    SHUFFLE_VERDICT_PING,
    SHUFFLE_VERDICT_PONG,
    SHUFFLE_VERDICT_CLOSE,
    SHUFFLE_VERDICT_SKIP, /* an extension that we do not know; counted */
    SHUFFLE_VERDICT_IGNORE, /* what an acceptor should not write */
    SHUFFLE_VERDICT_FATAL, /* and `drop` says why */
};

enum shuffle_verdict shuffle_judge(const struct shuffle_link *link,
        const struct frame *frame, size_t max_frame_bytes,
        enum shuffle_drop *drop);

/* The same when only the tag and the payload's size are known: may a frame of
 * this kind and size come at all? */
bool shuffle_judge_long(const struct shuffle_link *link, uint8_t tag,
        size_t payload_bytes, size_t max_frame_bytes, enum shuffle_drop *drop);
