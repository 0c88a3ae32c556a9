/* What the files of the world share among themselves; nobody else's. */
#pragma once

#include "base/frame.h"
#include "base/prng.h"
#include "tests/sim/world.h"

enum {
    WORLD_SOCKET_MAX = 200, /* datagrams that wait for a node */
    WORLD_LOCAL_BYTES = 208 * 1024, /* that a local socket holds, each way */
    WORLD_READ_BYTES = 128 * 1024, /* of one read */
    WORLD_DECISIONS_MAX = 64, /* that a data_dir keeps */
};

/* Bytes in order: added at the end, taken from the front. */
struct world_bytes {
    uint8_t *data;
    size_t at; /* of the first */
    size_t size; /* from there */
    size_t capacity;
};

void world_bytes_add(struct world_bytes *b, struct bytes more);
void world_bytes_drop(struct world_bytes *b, size_t size);
void world_bytes_close(struct world_bytes *b);

static inline struct bytes world_bytes_view(const struct world_bytes *b)
{
    return bytes_of(b->data == NULL ? NULL : b->data + b->at, b->size);
}

/* --- the network --- */

struct world_packet {
    uint64_t from;
    uint64_t to;
    size_t size;
    uint8_t bytes[];
};

/* Bytes between two ends; an empty one is the end of the stream. */
struct world_segment {
    struct world_segment *next;
    uint64_t due_us;
    size_t size;
    uint8_t bytes[];
};

enum world_end_state {
    WORLD_END_CALLING, /* connects */
    WORLD_END_ANSWERED, /* connected, and the node is to hear of it */
    WORLD_END_REFUSED, /* likewise */
    WORLD_END_BACKLOG, /* waits to be accepted */
    WORLD_END_UP,
    WORLD_END_GONE, /* closed here, or its process has died */
};

/* One end of a connection. */
struct world_end {
    struct world_conn *conn;
    struct world_end *next; /* of the same node */
    enum world_end_state state;
    uint64_t node; /* whose system it is in, for as long as there are bytes */
    uint32_t link;
    bool is_read;
    bool is_dirty; /* the node has something to write */

    /* On their way to the other end. */
    struct world_segment *first;
    struct world_segment *last;
    size_t flight_bytes; /* in segments */
    size_t unheard_bytes; /* have arrived; the way back is cut */
    uint64_t free_us; /* when the link is done with the last segment */
    uint64_t retry_us; /* the wait before the next try */
    bool is_stopped; /* the other end's buffer is full */
    bool has_ended; /* nothing comes behind these */
    struct world_bytes tap; /* what was written and is no whole frame yet */

    /* What has come and waits to be read. */
    struct world_bytes inbound;
    bool is_at_end;
    bool is_reset;
    bool was_told; /* of one of these */
};

struct world_conn {
    struct world_conn *next;
    struct world_end ends[2]; /* 0 called 1 */
    size_t events; /* that know of it */
};

enum world_event_kind {
    WORLD_DATAGRAM, /* packet */
    WORLD_CALL, /* end: reaches the other system */
    WORLD_ANSWER, /* end: the answer reaches it; `is_good` */
    WORLD_SEGMENT, /* end: its first segment arrives */
    WORLD_RESETS, /* end: is told of a reset */
    WORLD_PROGRAM, /* program: acts */
    WORLD_KEPT, /* node, life, decision, is_good */
    WORLD_STARTS, /* node */
};

struct world_event {
    uint64_t due_us;
    uint64_t number; /* of all events: equals come as they were made */
    enum world_event_kind kind;
    struct world_packet *packet;
    struct world_end *end;
    size_t program;
    uint64_t node;
    uint64_t life;
    struct checkpoint_decision decision;
    bool is_good;
};

/* --- nodes --- */

/* Where the loop of a node stands within its turn. */
enum world_phase {
    WORLD_ASLEEP,
    WORLD_TIMERS,
    WORLD_FACTS,
    WORLD_WRITES,
    WORLD_CLIENT_WRITES,
    WORLD_LAST_WRITES,
};

/* A data_dir. */
struct world_store {
    uint64_t generation;
    struct checkpoint_decision decisions[WORLD_DECISIONS_MAX];
    size_t decisions_count;
    size_t decisions_next; /* the place of the next one: a ring */
};

struct world_node {
    struct node core; /* while it is up */
    uint64_t id;
    bool is_up;
    bool is_starting; /* for the first time, soon */
    bool is_paused;
    bool is_lost; /* its host is down */
    uint64_t life; /* counts its processes */
    uint64_t effects;
    uint64_t generation;
    uint64_t first_generation; /* of this process; it may have to rise */
    uint64_t earlier_generation; /* that its disk knew; 0 = none */
    uint64_t clock_us; /* its own clock, less the world's */
    struct addr gossip_addr;
    struct addr shuffle_addr;
    struct world_store store;

    enum world_phase phase;
    bool is_draining; /* the core may have actions */
    size_t facts; /* fed in this turn */
    uint64_t loop_us; /* its clock, when it last looked */
    uint64_t due_ms; /* by its clock: when its timer is due */
    uint64_t wake_us; /* world time of its next turn */
    uint8_t *read_buffer;

    struct world_packet *socket[WORLD_SOCKET_MAX];
    size_t socket_count;
    struct world_end *ends;
    size_t clients[LOCAL_CLIENTS_MAX]; /* program's number + 1; 0 = nobody */
    bool reads[LOCAL_CLIENTS_MAX];
    bool has_kept;
    bool keep_failed;
    bool is_told_to_stop;

    enum world_strike strike;
    uint64_t strike_at; /* effects */

    /* For the invariants. */
    uint64_t announced_version;
    uint64_t acked_version;
    uint64_t resumed_us; /* the latest end of a pause */
    uint64_t checks;
};

/* --- programs --- */

struct world_client {
    struct world_program facts;
    bool is_connected; /* to its node's socket */
    bool is_accepted; /* by its node's process */
    uint32_t client; /* the number that it has there */
    bool has_closed; /* its own side */
    bool is_cut_off; /* the node has closed */
    bool hangs;
    bool is_ending; /* world_end was said */
    bool has_drained; /* MARK DRAIN has left it */
    bool is_scheduled;
    uint64_t at_us; /* of its next act */
    struct world_bytes to_node;
    struct world_bytes from_node;

    uint64_t records; /* of a source, in all */
    uint64_t pace_us;
    size_t record_bytes;
    uint64_t next_us; /* when the next record is due */
    size_t window_bytes;
    uint64_t taken_bytes;
    uint64_t granted_bytes;
    uint64_t granted_records;
    size_t marks_capacity;
    size_t records_capacity;

    /* For the invariants: of a sink, by source, the least number that may come;
     * of a source, which of its records have come. */
    uint64_t *nexts;
    size_t nexts_count;
    bool *seen;
    size_t seen_capacity;
    uint64_t delivered;
    bool lacks_at_cut; /* a committed cut lacks records: it is to fail */
    uint64_t lacking_epoch;
};

struct world_history; /* what the invariants remember: world_check.c */

struct world {
    struct world_options options;
    struct prng chance;
    struct prng test_chance;
    uint64_t now_us;
    bool traces;
    struct world_node *nodes[WORLD_NODES_MAX + 1]; /* by id */
    struct world_link links[WORLD_NODES_MAX + 1][WORLD_NODES_MAX + 1];
    bool cut[WORLD_NODES_MAX + 1][WORLD_NODES_MAX + 1];
    struct world_event *heap; /* the earliest on top */
    size_t heap_count;
    size_t heap_capacity;
    uint64_t next_number;
    struct world_conn *conns;
    struct world_client **programs;
    size_t programs_count;
    size_t programs_capacity;
    struct world_history *history;
    uint64_t fingerprint;
};

/* --- world.c --- */

void world_fail(const struct world *w, const char *format, ...)
        __attribute__((format(printf, 2, 3), noreturn));
void world_trace(const struct world *w, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

/* Something has happened that two equal runs share. */
void world_note(struct world *w, uint64_t fact);

struct world_event *world_at(
        struct world *w, uint64_t due_us, enum world_event_kind kind);

static inline bool world_by_chance(struct world *w, double share)
{
    return share > 0.0 && prng_unit(&w->chance) < share;
}

/* 0 … `most` */
static inline uint64_t world_up_to(struct world *w, uint64_t most)
{
    return most == 0 ? 0 : prng_below(&w->chance, most + 1);
}

/* --- world_net.c --- */

/* How long something takes between the two now. */
uint64_t world_delay_us(struct world *w, uint64_t from, uint64_t to);

void world_send(struct world *w, struct world_node *from, const struct addr *to,
        struct bytes datagram);
void world_receive(struct world *w, struct world_packet *packet);

void world_connect(struct world *w, struct world_node *from, uint32_t link,
        const struct addr *to);
void world_call_arrives(struct world *w, struct world_end *end);
void world_answer_arrives(struct world *w, struct world_end *end, bool is_good);
void world_segment_arrives(struct world *w, struct world_end *end);
void world_reset_arrives(struct world *w, struct world_end *end);

struct world_end *world_other(const struct world_end *end);

/* How much the system of this end takes from its node now. */
size_t world_room(const struct world *w, const struct world_end *end);
void world_write(struct world *w, struct world_end *end, struct bytes bytes);
/* The stream ends behind what was written. */
void world_finish(struct world *w, struct world_end *end);
/* The node has read that many bytes. */
void world_has_read(struct world *w, struct world_end *end, size_t bytes);
/* As close(2), by the node or at its death. */
void world_close_end(struct world *w, struct world_end *end);
/* The host is lost, and all that its system knew. */
void world_lose_end(struct world_end *end);
/* Frees connections that nobody knows any more. */
void world_sweep(struct world *w);

/* --- world_node.c --- */

struct world_node *world_find(const struct world *w, uint64_t id);
void world_begin(struct world *w, struct world_node *n);

/* Something has come for the node: it wakes. */
void world_wake(struct world *w, struct world_node *n);
/* One thing that the node does; false: it has gone to sleep. */
bool world_step_node(struct world *w, struct world_node *n);
void world_kept(struct world *w, const struct world_event *event);

/* --- world_program.c --- */

void world_act(struct world *w, size_t program);
void world_schedule(struct world *w, struct world_client *c, uint64_t at_us);
/* The node's side has ended. */
void world_cut_off(struct world *w, struct world_client *c);
void world_close_program(struct world_client *c);

/* --- world_check.c: records and cuts --- */

/* The sink's latest record; the source's end. */
void world_check_record(struct world *w, struct world_client *sink);
void world_check_source_end(struct world *w, const struct world_client *source);

/* A checkpoint that is committed, and of which the source may have its mark. */
void world_check_cut(
        struct world *w, struct world_client *source, uint64_t checkpoint);

/* --- world_attempts.c: checkpoints, as nodes tell of them --- */

void world_check_open(struct world *w);
void world_check_close(struct world *w);

/* After a verb, and when the core is quiet. */
void world_check_node(struct world *w, struct world_node *n);

/* A frame that a node writes to a peer. */
void world_check_frame(
        struct world *w, struct world_node *n, const struct frame *frame);
void world_check_decision(struct world *w, const struct world_node *n,
        const struct checkpoint_decision *decision);
void world_check_outcome(struct world *w, const struct world_client *c,
        const struct shuffle_wire_outcome *outcome);
bool world_is_committed(const struct world *w, uint64_t checkpoint);
