/* One connection: how far it has come, and the bytes on it.
 *
 *   outgoing   CONNECTING ─► GREETING ─► UP        accepted   HELLO ─► NAMED ─► UP
 *                   └───────── laminar ──┘                       GREET ─► HELD ─┘
 *
 *   any of them ─► CLOSING ─► FINISHING ─► (gone)
 *
 * GREETING: Hello and GREET are out, WELCOME is awaited. HELLO: nothing has
 * come. NAMED: Hello has come; the next frame decides the dialect. HELD: GREET
 * has come while an older link of the same peer is still being read to its end;
 * WELCOME waits for that. CLOSING: Close is queued, nothing else will be.
 * FINISHING: all is written and the end of the stream sent; input is thrown
 * away until the other side ends too, so that no reset overtakes our Close.
 *
 * A link number is its slot and a serial; 0 is none. */
#pragma once

#include "base/addr.h"
#include "base/inbox.h"
#include "base/outbox.h"
#include "shuffle/shuffle_count.h"
#include "shuffle/shuffle_reason.h"
#include "shuffle/shuffle_sent.h"

enum shuffle_dialect {
    SHUFFLE_LAMINAR_DIALECT,
    SHUFFLE_WEFT_DIALECT,
};

enum shuffle_link_state {
    SHUFFLE_LINK_CONNECTING,
    SHUFFLE_LINK_GREETING,
    SHUFFLE_LINK_HELLO,
    SHUFFLE_LINK_NAMED,
    SHUFFLE_LINK_HELD,
    SHUFFLE_LINK_UP,
    SHUFFLE_LINK_CLOSING,
    SHUFFLE_LINK_FINISHING,
};

struct shuffle_link {
    uint32_t number;
    enum shuffle_link_state state;
    bool outgoing;
    bool is_superseded; /* read to its end, then closed */
    bool announced; /* UP was said, so DOWN will be */
    bool is_held; /* its owner wants it unread */
    bool unread; /* READ off was said */
    enum shuffle_dialect dialect;
    uint64_t peer; /* 0 before Hello */
    uint64_t generation; /* the peer's, as greeted; 0 = laminar or unknown */
    struct addr address; /* of the far end */

    struct inbox in;
    struct outbox out;
    struct shuffle_sent sent; /* of our own links to LaminarDB peers */

    uint32_t streams_open;
    uint64_t deadline_ms; /* of the state; UINT64_MAX = none */
    uint64_t heard_ms; /* the latest byte in */
    uint64_t progress_ms; /* the latest byte out, or when output began */
    uint64_t ping_ms; /* when the PING that awaits its PONG was sent; 0 none */
    struct shuffle_link *next_waiting; /* in the line for memory */
    bool waits_for_memory;

    struct shuffle_count count;
};

/* In a number, the slot. */
uint32_t shuffle_link_slot(uint32_t number);

/* CLOSING or FINISHING: nothing that it brings matters any more. */
bool shuffle_link_is_over(const struct shuffle_link *link);

/* Asserts that the drawing has that arrow. */
void shuffle_link_set_state(
        struct shuffle_link *link, enum shuffle_link_state state);
