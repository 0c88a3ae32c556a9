/* What `weft send` reads, cut into records in place.
 *
 * Bytes are read into one buffer in whatever portions they come; a record is
 * borrowed from there, so the only copy of it is the one into its frame. Lines
 * end with a line feed, which is no part of the record; empty lines count, and
 * so does a last one without its line feed. Raw records are LaminarDB's:
 *
 *   vnode u32 LE, length u32 LE, bytes
 *
 *     room = input_room(&in, &size);   read(fd, room, size) …
 *     input_filled(&in, n);            or input_end(&in) at the end of a file
 *     while (input_next(&in, &record) == INPUT_RECORD) …
 *
 * The buffer holds the largest line and one read more; for raw records it
 * grows with the largest of them. */
#pragma once

#include "base/bytes.h"

enum {
    INPUT_READ_BYTES = 128 << 10, /* room that is there for every read */
    INPUT_RAW_HEAD_BYTES = 8,
};

enum input_status {
    INPUT_RECORD,
    INPUT_MORE, /* more must be read; at the end of a file: that was all */
    INPUT_TOO_LONG, /* a line above `line_max` */
    INPUT_CUT, /* the file ends inside a raw record */
};

struct input {
    uint8_t *data;
    size_t capacity;
    size_t start; /* of what has not been handed out */
    size_t scanned; /* up to here there is no line feed */
    size_t end;
    size_t line_max; /* bytes of a line; 0: raw records */
    bool ended;
    uint64_t count; /* records of this file so far */
};

struct input_record {
    struct bytes body; /* borrowed until the next input_room */
    uint32_t vnode; /* of a raw record */
};

/* `line_max` 0 means raw records. */
void input_init(struct input *in, size_t line_max);
void input_close(struct input *in);

/* At least INPUT_READ_BYTES to read into; how many is in `size`. */
uint8_t *input_room(struct input *in, size_t *size);
void input_filled(struct input *in, size_t size);

/* The file has ended: what is left is its last record. */
void input_end(struct input *in);

/* Another file begins: its records count from 1 again. */
void input_begin(struct input *in);

enum input_status input_next(struct input *in, struct input_record *record);

/* Field `number` (from 1) of a line whose fields `delimiter` parts; empty when
 * the line has fewer. Borrowed from the line. */
struct bytes input_field(struct bytes line, uint64_t number, uint8_t delimiter);
