/* What nodes publish of their stages, as JSON in their keys.
 *
 *   weft:sinks         {"lines":"4","words":"3"}       stage and sink number
 *   weft:place:STAGE   {"epoch":"0","sinks":[["1","1767225600000","3"]]}
 *                                       of each sink: node, generation, number
 *
 * Every number is a string, for it uses all 64 bits (docs/wire.md, "Streams").
 * A stranger's text that is not of this form says nothing. */
#pragma once

#include "base/error.h"
#include "shuffle/shuffle_streams.h"

enum {
    PUBLISHED_SINKS_MAX = 256, /* stages of one member that are looked at */
    PUBLISHED_PLACES_MAX = 256,
    PUBLISHED_TEXT_BYTES = 256 * 1024, /* names and sinks of one member */
};

/* What one member publishes, read from its keys. */
struct published {
    struct shuffle_member_sink sinks[PUBLISHED_SINKS_MAX];
    size_t sinks_count;
    struct shuffle_member_place places[PUBLISHED_PLACES_MAX];
    size_t places_count;
    uint8_t text[PUBLISHED_TEXT_BYTES]; /* what the above point into */
    size_t text_bytes;
};

void published_clear(struct published *p);

/* Adds what a value says; false, and nothing added, if it is not of the form
 * or there is no more room. */
bool published_read_sinks(struct published *p, struct bytes json);
bool published_read_place(
        struct published *p, struct bytes stage, struct bytes json);

/* Write the values, with their NUL. ERR_FULL when they do not fit. */
int published_write_sinks(
        const struct shuffle_streams *streams, char *text, size_t capacity);
int published_write_place(
        const struct shuffle_wire_sinks *sinks, char *text, size_t capacity);
