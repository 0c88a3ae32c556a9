/* The window of a stream at its sink's node: memory that is set aside, and the
 * records that wait in it.
 *
 * A window is what the source may send beyond what is confirmed. It is paid
 * for when it is granted, so that whatever comes within it finds room: twice
 * its size, for a record may lie in a block of twice its size, and one block
 * more. It grows while that leaves `max_frame_bytes` of the budget free, for
 * the largest frame of a peer that has no credit.
 *
 * Records are copied here once, from the bytes as they were read, a run at a
 * time. A sink that takes them whole gets keyed ones without their key words. */
#pragma once

#include "base/block.h"
#include "shuffle/shuffle_record.h"

struct shuffle_instream;
struct shuffle_streams;

/* Sets aside what a window of so many bytes needs; false: no room. */
bool shuffle_window_reserve(
        struct shuffle_streams *st, struct shuffle_instream *in, size_t window);

/* Gives all of it back, and frees what waits. */
void shuffle_window_release(
        struct shuffle_streams *st, struct shuffle_instream *in);

/* Doubles it, up to `window_bytes`, if there is room. */
void shuffle_window_grow(
        struct shuffle_streams *st, struct shuffle_instream *in);

/* What a DATA frame brought. */
struct shuffle_taking {
    struct shuffle_records records; /* `failed` when one was malformed */
    uint64_t count;
    size_t bytes; /* as the stream's credit counts them */
    bool is_starved; /* the system had no memory */
};

/* Copies the records; what was well formed is there even if the rest is not. */
void shuffle_window_take(struct shuffle_streams *st,
        struct shuffle_instream *in, struct bytes records,
        struct shuffle_taking *t);

/* Takes a block of records as it is. */
void shuffle_window_keep(struct shuffle_instream *in, struct block *block);

/* The bytes of the first `records` that wait; of all, if there are fewer. */
uint64_t shuffle_window_bytes_before(const struct shuffle_streams *st,
        const struct shuffle_instream *in, uint64_t records);

/* Bytes that the stream's credit counts above what the local sink gets. */
size_t shuffle_window_extra_bytes(
        const struct shuffle_instream *in, uint64_t records);
