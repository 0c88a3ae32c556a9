#include "base/writer.h"

/* Fails where a length of `length_bytes` and the bytes do not fit as one. */
static void judge_string(
        struct writer *w, struct bytes b, size_t max, size_t length_bytes)
{
    size_t room = w->capacity - w->size;

    if (b.size > max || room < length_bytes || b.size > room - length_bytes) {
        w->failed = true;
    }
}

void writer_string16(struct writer *w, struct bytes b)
{
    judge_string(w, b, UINT16_MAX, 2);
    writer_u16le(w, (uint16_t)b.size);
    writer_put(w, b);
}

void writer_string8(struct writer *w, struct bytes b)
{
    judge_string(w, b, UINT8_MAX, 1);
    writer_u8(w, (uint8_t)b.size);
    writer_put(w, b);
}

struct bytes writer_bytes(const struct writer *w)
{
    return bytes_of(w->data, w->size);
}
