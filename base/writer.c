#include "base/writer.h"

#include <string.h>

struct writer writer_of(void *data, size_t capacity)
{
    return (struct writer){.data = data, .capacity = capacity};
}

void writer_put(struct writer *w, struct bytes b)
{
    if (w->failed || b.size > w->capacity - w->size) {
        w->failed = true;
        return;
    }
    if (b.size > 0) {
        memcpy(w->data + w->size, b.data, b.size);
        w->size += b.size;
    }
}

static void put_le(struct writer *w, uint64_t value, size_t size)
{
    uint8_t field[8];

    for (size_t i = 0; i < size; i++) {
        field[i] = (uint8_t)(value >> (8 * i));
    }
    writer_put(w, bytes_of(field, size));
}

void writer_u8(struct writer *w, uint8_t value)
{
    put_le(w, value, 1);
}

void writer_u16le(struct writer *w, uint16_t value)
{
    put_le(w, value, 2);
}

void writer_u32le(struct writer *w, uint32_t value)
{
    put_le(w, value, 4);
}

void writer_u32be(struct writer *w, uint32_t value)
{
    uint8_t field[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16),
            (uint8_t)(value >> 8), (uint8_t)value};

    writer_put(w, bytes_of(field, sizeof(field)));
}

void writer_u64le(struct writer *w, uint64_t value)
{
    put_le(w, value, 8);
}

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
