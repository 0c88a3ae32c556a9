/* UDP for gossip, over libuv: one socket, in and out.
 *
 * Datagrams are read in batches (recvmmsg, up to GOSSIP_UV_BATCH of them into
 * one buffer). Each is handed to `on_datagram`; after a batch `on_turn` says
 * that it is time to act. A loop's turn brings at most GOSSIP_UV_TURN
 * datagrams, whoever sends them, so timers and the shuffle get theirs.
 *
 * Nothing that happens to the socket ends the loop. A receive that fails is
 * counted and the next one tried; a send that fails, or that the system has no
 * room for, is counted and forgotten, for gossip repeats itself. To send where
 * nobody listens is no error.
 *
 * A socket bound to [::] serves IPv4 too, where the system lets it; the
 * addresses it shows and takes are then IPv4, as they should be. */
#pragma once

#include <uv.h>

#include "base/addr.h"
#include "base/bytes.h"
#include "base/error.h"

enum {
    GOSSIP_UV_BATCH = 16,
    GOSSIP_UV_TURN = 64,
};

struct gossip_uv_counters {
    uint64_t received; /* datagrams handed on */
    uint64_t received_bytes;
    uint64_t receive_errors;
    uint64_t receive_refused; /* larger than a datagram, or from an address
            that we cannot answer */
    uint64_t sent;
    uint64_t sent_bytes;
    uint64_t send_errors;
    uint64_t send_dropped; /* the system had no room */
};

struct gossip_uv {
    void *owner; /* the caller's, handed to the functions; set before init */

    /* `from` and `datagram` are borrowed for the call. It may send, and may
     * close the adaptor. */
    void (*on_datagram)(
            void *owner, const struct addr *from, struct bytes datagram);

    /* After a batch that brought something; NULL when nobody wants it. */
    void (*on_turn)(void *owner);

    /* The handle is gone, and the memory the caller's again. */
    void (*on_closed)(void *owner);

    struct gossip_uv_counters counters;

    uv_udp_t socket;
    uint8_t *batch; /* GOSSIP_UV_BATCH slots of 64 KiB */
    struct addr bound;
    bool is_open; /* bound, and receiving */
    bool closing;
    bool has_news; /* the batch brought something */
};

/* Sets up the handle; the fields of the caller are set before. Returns 0 or
 * ERR_FULL when there is no memory, and then there is nothing to close. */
int gossip_uv_init(struct gossip_uv *self, uv_loop_t *loop, struct error *err);

/* Binds to that address, where port 0 is any, and begins to receive. Once.
 * Returns 0 or ERR_IO: another program may have the port. */
int gossip_uv_open(
        struct gossip_uv *self, const struct addr *at, struct error *err);

/* What it is bound to, with the port it got. Asserts that it is open. */
const struct addr *gossip_uv_bound(const struct gossip_uv *self);

/* Sends now or not at all. Asserts that it is open. */
void gossip_uv_send(
        struct gossip_uv *self, const struct addr *to, struct bytes datagram);

/* Stops, and calls `on_closed` from the loop. May be called twice. */
void gossip_uv_close(struct gossip_uv *self);
