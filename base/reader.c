#include "base/reader.h"

struct reader reader_of(struct bytes input)
{
    return (struct reader){.rest = input, .failed = false};
}

struct bytes reader_take(struct reader *r, size_t size)
{
    struct bytes taken;

    if (r->failed || size > r->rest.size) {
        r->failed = true;
        return bytes_of(NULL, 0);
    }
    taken = bytes_of(r->rest.data, size);
    r->rest = bytes_skip(r->rest, size);
    return taken;
}

static uint64_t take_le(struct reader *r, size_t size)
{
    struct bytes field = reader_take(r, size);
    uint64_t value = 0;

    for (size_t i = field.size; i > 0; i--) {
        value = value << 8 | field.data[i - 1];
    }
    return value;
}

uint8_t reader_u8(struct reader *r)
{
    return (uint8_t)take_le(r, 1);
}

uint16_t reader_u16le(struct reader *r)
{
    return (uint16_t)take_le(r, 2);
}

uint32_t reader_u32le(struct reader *r)
{
    return (uint32_t)take_le(r, 4);
}

uint32_t reader_u32be(struct reader *r)
{
    struct bytes field = reader_take(r, 4);
    uint32_t value = 0;

    for (size_t i = 0; i < field.size; i++) {
        value = value << 8 | field.data[i];
    }
    return value;
}

uint64_t reader_u64le(struct reader *r)
{
    return take_le(r, 8);
}

struct bytes reader_string16(struct reader *r)
{
    return reader_take(r, reader_u16le(r));
}

struct bytes reader_string8(struct reader *r)
{
    return reader_take(r, reader_u8(r));
}
