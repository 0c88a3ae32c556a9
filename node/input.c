#include "node/input.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/reader.h"
#include "node/need.h"

static void grow(struct input *in, size_t capacity)
{
    in->data = need(realloc(in->data, capacity));
    in->capacity = capacity;
}

void input_init(struct input *in, size_t line_max)
{
    *in = (struct input){.line_max = line_max};
    grow(in, line_max + 2 * (size_t)INPUT_READ_BYTES);
}

void input_close(struct input *in)
{
    free(in->data);
    *in = (struct input){0};
}

uint8_t *input_room(struct input *in, size_t *size)
{
    if (in->capacity - in->end < INPUT_READ_BYTES) {
        memmove(in->data, in->data + in->start, in->end - in->start);
        in->scanned -= in->start;
        in->end -= in->start;
        in->start = 0;
    }
    if (in->capacity - in->end < INPUT_READ_BYTES) {
        grow(in, 2 * in->capacity);
    }
    *size = in->capacity - in->end;
    return in->data + in->end;
}

void input_filled(struct input *in, size_t size)
{
    assert(size <= in->capacity - in->end);
    in->end += size;
}

void input_end(struct input *in)
{
    in->ended = true;
}

void input_begin(struct input *in)
{
    assert(in->start == in->end);
    in->start = 0;
    in->scanned = 0;
    in->end = 0;
    in->ended = false;
    in->count = 0;
}

static enum input_status give(struct input *in, struct input_record *record,
        size_t head, size_t size, size_t tail)
{
    record->body = (struct bytes){in->data + in->start + head, size};
    in->start += head + size + tail;
    in->scanned = in->start;
    in->count++;
    if (in->start == in->end) {
        in->start = 0;
        in->scanned = 0;
        in->end = 0;
    }
    return INPUT_RECORD;
}

static enum input_status next_line(
        struct input *in, struct input_record *record)
{
    const uint8_t *feed =
            memchr(in->data + in->scanned, '\n', in->end - in->scanned);
    size_t size;

    if (feed != NULL) {
        size = (size_t)(feed - in->data) - in->start;
        return size > in->line_max ? INPUT_TOO_LONG
                                   : give(in, record, 0, size, 1);
    }
    in->scanned = in->end;
    size = in->end - in->start;
    if (size > in->line_max) {
        return INPUT_TOO_LONG;
    }
    return in->ended && size > 0 ? give(in, record, 0, size, 0) : INPUT_MORE;
}

static enum input_status next_raw(struct input *in, struct input_record *record)
{
    struct reader r = reader_of(
            (struct bytes){in->data + in->start, in->end - in->start});
    uint32_t vnode = reader_u32le(&r);
    uint32_t size = reader_u32le(&r);

    if (r.failed || r.rest.size < size) {
        return in->ended && in->start < in->end ? INPUT_CUT : INPUT_MORE;
    }
    record->vnode = vnode;
    return give(in, record, INPUT_RAW_HEAD_BYTES, size, 0);
}

enum input_status input_next(struct input *in, struct input_record *record)
{
    return in->line_max == 0 ? next_raw(in, record) : next_line(in, record);
}

struct bytes input_field(struct bytes line, uint64_t number, uint8_t delimiter)
{
    const uint8_t *at = line.data;
    const uint8_t *end = line.data + line.size;

    for (uint64_t i = 1;; i++) {
        const uint8_t *found =
                at == end ? NULL : memchr(at, delimiter, (size_t)(end - at));

        if (i == number) {
            return (struct bytes){
                    at, (size_t)((found == NULL ? end : found) - at)};
        }
        if (found == NULL) {
            return (struct bytes){end, 0};
        }
        at = found + 1;
    }
}
