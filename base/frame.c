#include "base/frame.h"

#include <assert.h>

#include "base/reader.h"

void frame_put_header(uint8_t header[static FRAME_HEADER_BYTES], uint8_t tag,
        size_t payload_bytes)
{
    size_t length = payload_bytes + 1;

    assert(length <= UINT32_MAX);
    header[0] = (uint8_t)(length >> 24);
    header[1] = (uint8_t)(length >> 16);
    header[2] = (uint8_t)(length >> 8);
    header[3] = (uint8_t)length;
    header[4] = tag;
}

enum frame_status frame_peek(
        struct bytes input, struct frame *frame, size_t *frame_bytes)
{
    struct reader r = reader_of(input);
    size_t length = reader_u32be(&r);

    *frame_bytes = 0;
    if (r.failed) {
        return FRAME_PARTIAL;
    }
    if (length == 0) {
        return FRAME_EMPTY;
    }
    *frame_bytes = 4 + length;
    frame->tag = reader_u8(&r);
    frame->payload = reader_take(&r, length - 1);
    return r.failed ? FRAME_PARTIAL : FRAME_WHOLE;
}
