/* The stage `laminar`: the VnodeData of LaminarDB peers, in and out.
 *
 * Such a peer knows no streams: it confirms nothing and has no credit. What it
 * sends waits here for the local sink (format 3: peer, vnode, bytes), and when
 * SHUFFLE_LAMINAR_WAITING_BYTES wait, its connections are left unread
 * (LAMINAR_PAUSE) until half of them have gone to the sink. There need not be
 * a sink for that: what came before one attaches is not lost. Such a run never
 * ends by itself. A long frame waits in the memory that it was read into; a
 * short one is copied, and when there is no memory for that, its connection
 * ends, so that nothing is missing in the middle of one, and none is read until
 * there is.
 *
 * What a local source writes goes out record by record as the action LAMINAR;
 * the node hands it to the pool and says how that went. While the pool is
 * full the source is left unread and asked again at the end of later turns.
 * Its DONE means that the pool has written everything, not that it has arrived.
 * When the connection breaks before, nobody knows what the peer has read: the
 * source is told a range, from the frames that never left us to all of them,
 * and how many of these the peer's system had acknowledged. */
#pragma once

#include "base/block.h"
#include "shuffle/shuffle_laminar_cut.h"
#include "shuffle/shuffle_sink.h"
#include "shuffle/shuffle_told.h"
#include "shuffle/shuffle_wire.h"

enum {
    SHUFFLE_LAMINAR_WAITING_BYTES = 1 << 20,
    SHUFFLE_LAMINAR_CLIENTS_MAX = 64, /* local sources of the stage */
};

struct shuffle_streams;

/* What is known of the frames on a link that is no more. */
struct shuffle_laminar_loss {
    uint64_t unsent_frames; /* at least so many never left us */
    uint64_t unacked_frames; /* at most; UINT64_MAX = nobody knows */
};

struct shuffle_laminar_source {
    uint32_t client;
    struct block_list records; /* one a block, not yet handed on */
    uint64_t read_records;
    uint64_t sent_records;
    bool is_asked; /* the node has a record, or the question of the end */
    bool is_written; /* all of it */
    uint64_t asked_peer; /* of the record that the node has */
    uint64_t peer; /* of the latest record that the pool took */
    uint64_t peer_records; /* that it took for this peer in a row */
    uint64_t peer_since; /* `records_in` of all sources before those */
    bool is_read; /* what CLIENT_READ last said */
    bool is_drained;
    struct shuffle_told told; /* of cuts */
};

struct shuffle_laminar {
    uint32_t sink_client; /* 0 = none */
    uint64_t delivered_records;
    uint64_t delivered_bytes;
    uint64_t taken_records;
    uint64_t limit_bytes;
    struct block_list waiting; /* one record each */
    struct block_list behind; /* the MARK that the sink has yet to get */
    uint64_t waiting_bytes; /* those behind a cut included */
    struct shuffle_laminar_link *links; /* see shuffle_laminar_cut.h */
    size_t links_count;
    enum shuffle_sink_cut cut; /* the local sink's part in one */
    struct shuffle_told told;
    struct shuffle_echoes echoes;
    bool is_paused;
    bool is_starved; /* a frame found no memory, and there is none yet */
    uint64_t records_in; /* from sources, handed on */
    uint64_t bytes_in;
    uint64_t records_out; /* to sinks */
    uint64_t bytes_out;
    struct shuffle_laminar_source sources[SHUFFLE_LAMINAR_CLIENTS_MAX];
    size_t sources_count;
};

void shuffle_laminar_close(struct shuffle_streams *st);

/* `attach` names the stage `laminar`. */
void shuffle_laminar_attach(struct shuffle_streams *st, uint32_t client,
        const struct shuffle_wire_attach *attach);

/* Is the program one of ours? */
bool shuffle_laminar_has(
        const struct shuffle_laminar *laminar, uint32_t client);

bool shuffle_laminar_client(struct shuffle_streams *st, uint32_t client,
        uint8_t tag, struct bytes payload);
void shuffle_laminar_client_gone(struct shuffle_streams *st, uint32_t client);

bool shuffle_laminar_received(struct shuffle_streams *st, uint32_t link,
        uint64_t peer, const struct shuffle_wire_vnode_data *data,
        struct block *own);
void shuffle_laminar_sent(struct shuffle_streams *st, uint32_t client, int code,
        const char *text);

/* The link to the peer is gone, or could not be made. */
void shuffle_laminar_lost(struct shuffle_streams *st, uint64_t peer,
        const struct shuffle_laminar_loss *loss, const char *text);

/* The turn ends. */
void shuffle_laminar_flush(struct shuffle_streams *st);

/* Its programs end. */
void shuffle_laminar_end(struct shuffle_streams *st,
        enum shuffle_fail_code code, const char *text);
