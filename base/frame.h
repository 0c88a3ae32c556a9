/* The one framing of TCP and of the local socket (docs/wire.md, "Frames").
 *
 *   [length u32 BE][tag u8][payload]      length = 1 + payload bytes
 *
 * Only header arithmetic lives here; what the tags mean is each protocol's
 * own. */
#pragma once

#include "base/bytes.h"

enum {
    FRAME_HEADER_BYTES = 5,
};

struct frame {
    uint8_t tag;
    struct bytes payload; /* borrowed from the input */
};

void frame_put_header(uint8_t header[static FRAME_HEADER_BYTES], uint8_t tag,
        size_t payload_bytes);

enum frame_status {
    FRAME_WHOLE, /* `frame` is set and takes `frame_bytes` of the input */
    FRAME_PARTIAL, /* more bytes are needed */
    FRAME_EMPTY, /* length 0: there is no such frame */
};

/* Looks at the front of `input`. From the fourth byte on `frame_bytes` is the
 * size of the whole frame, header included, even when it is not all here; 0
 * before. From the fifth byte on `frame->tag` is set. */
enum frame_status frame_peek(
        struct bytes input, struct frame *frame, size_t *frame_bytes);
