/* The stage `laminar` in a cut.
 *
 * A LaminarDB peer marks no stream; its Barrier stands among its VnodeData, and
 * what came before it on that link is before the cut. Behind it the link is
 * left unread (LINK_HOLD) until we are aligned or the attempt ends; what one
 * read had brought already is kept with the link meanwhile. A peer is waited
 * for only on links that are open and have brought VnodeData.
 *
 * Its Barrier names the cut by the announced number and epoch, which a LaminarDB
 * leader may use again after a failure: one that was never committed may be
 * another attempt's, and holds its link until that is announced, or for
 * `align_timeout`.
 *
 * The local sink gets its MARK like any other. Local sources get theirs with the
 * number of records that were handed on; what they had queued leaves before our
 * own Barrier, which keeps its order on the way to such a peer. */
#pragma once

#include "base/block.h"
#include "shuffle/shuffle_wire.h"

struct shuffle_streams;

/* A link on which VnodeData or a Barrier has come. */
struct shuffle_laminar_link {
    uint32_t link;
    uint64_t peer;
    bool has_data;
    bool has_barrier; /* and is held */
    uint64_t checkpoint; /* of that barrier */
    uint64_t epoch;
    uint64_t since_ms;
    struct block_list behind; /* what had been read with it */
};

/* Where a record of that link has to wait. */
struct block_list *shuffle_laminar_queue(
        struct shuffle_streams *st, uint32_t link, uint64_t peer);

void shuffle_laminar_barrier(struct shuffle_streams *st, uint32_t link,
        uint64_t peer, const struct shuffle_wire_barrier *barrier);
void shuffle_laminar_link_down(struct shuffle_streams *st, uint32_t link);

/* The announced cut begins, marks sources, is aligned, is over. */
void shuffle_laminar_cut_begin(struct shuffle_streams *st);
void shuffle_laminar_cut_mark(struct shuffle_streams *st);
bool shuffle_laminar_cut_is_aligned(const struct shuffle_streams *st);
void shuffle_laminar_cut_aligned(struct shuffle_streams *st);
void shuffle_laminar_cut_end(struct shuffle_streams *st);

/* The next link whose Barrier has not come, of a peer that is waited for; NULL
 * behind the last. Begin with NULL. */
const struct shuffle_laminar_link *shuffle_laminar_lacks(
        const struct shuffle_streams *st,
        const struct shuffle_laminar_link *after);

/* The sink gets its MARK, if all before it is delivered; true if it did. */
bool shuffle_laminar_tell(struct shuffle_streams *st);
bool shuffle_laminar_echoed(struct shuffle_streams *st, struct bytes payload);

/* Its program has left, or fails: the cut with it. */
void shuffle_laminar_sink_left(struct shuffle_streams *st);

/* Links that were held for too long are read again. */
void shuffle_laminar_expire(struct shuffle_streams *st);

/* Bytes that wait behind a cut. */
uint64_t shuffle_laminar_parked(const struct shuffle_streams *st);

void shuffle_laminar_links_close(struct shuffle_streams *st);
