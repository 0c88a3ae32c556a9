/* A source's offer of a placement to the sinks of its stage.
 *
 * Enough sinks are there: all of them are the placement, unless one is in force
 * already whose sinks are all there. Each gets OPEN. If all say yes, the source
 * counts from then on, and where it sends is published. If one does not, or its
 * node cannot be reached, the others get FAIL 1, and after a random 50 to 200
 * ms there is another offer: with the placement that is in force, if that was
 * the answer. Chance is what lets two sources that began at the same time get
 * out of each other's way. Meanwhile the program hears what it waits for, at
 * once and every 10 s. */
#pragma once

#include "shuffle/shuffle_outstream.h"

struct shuffle_source;
struct shuffle_stage;
struct shuffle_streams;

/* Something has changed: is there a placement to offer? */
void shuffle_offer_consider(
        struct shuffle_streams *st, struct shuffle_source *source);

/* OPENED of a source that does not count yet. False: not possible. */
bool shuffle_offer_answered(struct shuffle_streams *st,
        struct shuffle_outstream *out,
        const struct shuffle_wire_opened *opened);

/* Takes the offer back; it is made again a little later. What stood in its way
 * is part of the next sentence. */
void shuffle_offer_withdraw(struct shuffle_streams *st,
        struct shuffle_source *source, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* Time has passed: another offer, another sentence. */
void shuffle_offer_tick(
        struct shuffle_streams *st, struct shuffle_source *source);

/* How long a stream's node may take to be reached, from now. */
void shuffle_offer_patience(
        struct shuffle_streams *st, struct shuffle_outstream *out);

/* A random moment 50 to 200 ms from now; arms the tick. */
uint64_t shuffle_offer_retry_ms(struct shuffle_streams *st);

/* Frees the streams and the placement, without a word. */
void shuffle_offer_close(
        struct shuffle_streams *st, struct shuffle_source *source);

/* The placement of the stage's sources that count, or that there is none. */
void shuffle_offer_publish(
        struct shuffle_streams *st, const struct shuffle_stage *stage);
