/* OPENs that are answered when the announced cut is decided.
 *
 * Until then an OPEN has to wait if its node has no part in the cut, for nobody
 * would mark the stream, or if its placement is the one that the cut is about
 * to bring, which is not in force here yet. SHUFFLE_LATER_MAX of them wait, in
 * memory of the shared budget; what finds no room is answered with OPENED 3. */
#pragma once

#include "base/block.h"

enum {
    SHUFFLE_LATER_MAX = 256,
};

struct shuffle_streams;
struct shuffle_wire_open;

struct shuffle_later_open {
    uint32_t link;
    uint32_t stream;
    uint64_t peer;
    struct block *payload;
};

struct shuffle_later {
    struct shuffle_later_open *opens; /* in the order in which they came */
    size_t count;
};

/* Frees all of it. */
void shuffle_later_close(struct shuffle_later *later);

/* Whether that OPEN has to wait. */
bool shuffle_later_is_due(const struct shuffle_streams *st, uint64_t peer,
        const struct shuffle_wire_open *open);

/* Keeps it. False: there is no room. */
bool shuffle_later_keep(struct shuffle_streams *st, uint32_t link,
        uint64_t peer, uint32_t stream, struct bytes payload);

/* The OPEN of that stream is kept. */
bool shuffle_later_has(
        const struct shuffle_streams *st, uint32_t link, uint32_t stream);

/* Forgets the OPEN of that stream; false when there is none. */
bool shuffle_later_forget(
        struct shuffle_streams *st, uint32_t link, uint32_t stream);
void shuffle_later_link_down(struct shuffle_streams *st, uint32_t link);

/* Answers all of them, as things stand now; some may have to wait again. */
void shuffle_later_answer(struct shuffle_streams *st);
