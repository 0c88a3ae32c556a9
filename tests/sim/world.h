/* Whole nodes in one process: the production node core (gossip, keys, shuffle,
 * streams, checkpoints), virtual time, and a network and programs that do what
 * the test says.
 *
 * Everything follows from one seed: the same seed, the same settings and the
 * same calls give the same run, to the byte. `world_new` prints it first, and
 * WEFT_SEED in the environment replaces it; WEFT_TRACE=1 prints all that
 * happens.
 *
 *   struct world *w = world_new(&(struct world_options){.nodes = 3, ...});
 *   size_t sink = world_sink(w, &(struct world_sink_options){.node = 2, ...});
 *   world_run(w, 3000);
 *   world_kill(w, 1, WORLD_RESET);
 *   assert_true(world_within(w, world_agrees, 0, 20000));
 *   world_free(w);
 *
 * Nodes are known by their ids, 1 to `nodes`; node 3 is at 10.0.0.3, has all
 * others for its seeds, and a monotonic clock that began at some moment of its
 * own. A node is driven as the adaptors over libuv drive it: a turn of its loop
 * runs what timers are due, feeds what its sockets have, drains the core after
 * each, ends the turn, and writes what its sockets take. A turn is made of single effects (a datagram, a write, a line
 * of log), and between any two of them a node may be struck: paused, killed, cut
 * off (`world_strike`). A paused node does nothing, but its system goes on
 * taking connections, and bytes up to its buffers.
 *
 * Datagrams are lost, doubled, and overtake each other. Connections bring their
 * bytes in order, in pieces of chance, as fast as the link lets them; a full
 * buffer stops its sender. What a cut link does not let through is sent again
 * until it does, so a cut looks like silence; a system whose process has died
 * answers with a reset, a host that was lost (WORLD_SILENT) with nothing, and
 * once it is up again with a reset.
 *
 * After each verb of a node's the invariants of tests/sim/world_check.c are
 * checked; what breaks one is printed with seed and time, and ends the run. */
#pragma once

#include "node/node.h"

enum {
    WORLD_NODES_MAX = 16,
    WORLD_TEXT_BYTES = 512,
    WORLD_STAGE_BYTES = SHUFFLE_STAGE_MAX + 1,
};

/* One direction between two nodes. */
struct world_link {
    double loss; /* of each datagram, 0 to 1 */
    double doubled; /* of each datagram that is not lost */
    double refused; /* of each connect */
    uint64_t delay_us; /* at least, each way */
    uint64_t jitter_us; /* at most, on top */
    uint64_t bytes_per_s; /* of connections, each; 0 = no bound */
};

struct world_options {
    size_t nodes;
    uint64_t seed;
    uint64_t interval_ms; /* of gossip; 500 when 0 */
    struct world_link link; /* all of them, at first */
    size_t buffer_bytes; /* of each socket's system, each way; 64 KiB when 0 */
    bool keeps; /* every node has a data_dir */
    uint64_t keep_us; /* that writing a decision there takes, at most */
    double keep_fails; /* of these writes */
    bool is_quiet; /* the seed is printed by the caller */
    /* Changes what the nodes would have by default; may be NULL. */
    void (*tune)(struct node_options *options);
    /* Called after each verb of a node's, with its id; may be NULL. */
    void (*hook)(void *owner, uint64_t id);
    void *owner; /* of the hook */
};

struct world;

/* All nodes start within the first interval. */
struct world *world_new(const struct world_options *options);
void world_free(struct world *w);

/* --- time -------------------------------------------------------------- */

uint64_t world_now_ms(const struct world *w);
void world_run(struct world *w, uint64_t ms);

/* Runs until the claim holds, at most `ms`; says whether it does. */
typedef bool world_claim(struct world *w, uint64_t about);
bool world_within(
        struct world *w, world_claim *claim, uint64_t about, uint64_t ms);

/* Chance for the test's own use, of the run's seed. */
struct prng *world_chance(struct world *w);

/* --- what happens to nodes --------------------------------------------- */

enum world_death {
    WORLD_RESET, /* the process: its system ends its connections */
    WORLD_SILENT, /* the host, and all programs on it */
};

void world_kill(struct world *w, uint64_t id, enum world_death death);

/* A new process of a node that is down, with a higher generation. `with_data`:
 * what was kept in its data_dir is still there. */
void world_restart(struct world *w, uint64_t id, bool with_data);

/* Of nodes that are up; twice changes nothing. */
void world_pause(struct world *w, uint64_t id);
void world_resume(struct world *w, uint64_t id);

/* SIGTERM. */
void world_stop(struct world *w, uint64_t id);

enum world_strike {
    WORLD_STRIKE_NONE,
    WORLD_STRIKE_PAUSE,
    WORLD_STRIKE_KILL,
    WORLD_STRIKE_LOSE, /* its host */
    WORLD_STRIKE_CUT, /* all of its links */
};

/* Strikes the node behind that many more effects of its own, in the middle of
 * its turn. A further call replaces the first. */
void world_strike(struct world *w, uint64_t id, enum world_strike strike,
        uint64_t effects);

/* --- what happens to links ---------------------------------------------- */

/* One direction; the other is another link. */
void world_cut(struct world *w, uint64_t from, uint64_t to);
void world_join(struct world *w, uint64_t from, uint64_t to);
void world_isolate(struct world *w, uint64_t id);
void world_rejoin(struct world *w, uint64_t id);
/* Ids up to `last` on one side, all others on the other. */
void world_partition(struct world *w, uint64_t last);
void world_set_link(struct world *w, uint64_t from, uint64_t to,
        const struct world_link *link);
void world_set_links(struct world *w, const struct world_link *link);

/* Every link works, nothing is lost or doubled or slow any more, every node
 * that was paused goes on, and every program that hung. */
void world_heal(struct world *w);

/* All connections between the two end with a reset at both. */
void world_break(struct world *w, uint64_t a, uint64_t b);

/* --- programs at local sockets ------------------------------------------ */

enum world_role {
    WORLD_SOURCE,
    WORLD_SINK,
    WORLD_CALLER,
};

enum world_program_state {
    WORLD_WAITING, /* to be attached */
    WORLD_RUNNING,
    WORLD_DONE, /* as `weft send`, `recv` or `barrier` that exits with 0 */
    WORLD_FAILED, /* as one that exits with another code: `text` says why */
    WORLD_LEFT, /* it died, or its host did */
};

/* A record at its sink; sources are known by their program's number. */
struct world_record {
    size_t source;
    uint64_t number;
};

/* A MARK that a program was sent. */
struct world_mark {
    uint64_t checkpoint;
    uint64_t epoch;
    uint64_t records; /* before it: the source's own, or all of the sink's */
};

/* What a program is and has come to; its number is its place among all. */
struct world_program {
    enum world_role role;
    enum world_program_state state;
    uint64_t node;
    uint64_t node_life; /* which of the node's processes */
    size_t number;
    char stage[WORLD_STAGE_BYTES];
    char text[WORLD_TEXT_BYTES]; /* the latest sentence or JSON */
    uint64_t sent; /* records of a source that left it */
    uint64_t taken; /* as confirmed: by the sink, or to the source at its end */
    struct world_record *records; /* of a sink; `taken` are written */
    size_t records_count;
    struct world_mark *marks;
    size_t marks_count;
    size_t lost_sources; /* a sink was told of */
    int exit_code; /* of a caller */
};

struct world_source_options {
    uint64_t node;
    const char *stage;
    uint32_t sinks; /* to wait for */
    uint64_t records; /* in all; 0 = until world_end */
    uint64_t pace_us; /* between two; 0 = as fast as the node reads */
    size_t record_bytes; /* at least 16, which is the default */
};

struct world_sink_options {
    uint64_t node;
    const char *stage;
    uint32_t sources; /* to wait for; 0 = follow */
    uint64_t pace_us; /* that one record takes */
    size_t window_bytes; /* granted ahead; 64 KiB when 0 */
};

/* A program at a node that is up; its number. */
size_t world_source(struct world *w, const struct world_source_options *o);
size_t world_sink(struct world *w, const struct world_sink_options *o);
/* CALL with this JSON; the answer is `text` and `exit_code`. */
size_t world_call(struct world *w, uint64_t node, const char *json);
size_t world_barrier(struct world *w, uint64_t node);

/* Good until the next program is made. */
const struct world_program *world_program(const struct world *w, size_t number);
size_t world_programs(const struct world *w);

/* The source's input ends. */
void world_end(struct world *w, size_t program);
/* The program dies. */
void world_leave(struct world *w, size_t program);
/* It is stopped, or goes on. */
void world_hang(struct world *w, size_t program, bool hangs);
/* From now on. */
void world_pace(struct world *w, size_t program, uint64_t pace_us);

/* --- what is known -------------------------------------------------------- */

/* NULL while the node is down. */
struct node *world_node(struct world *w, uint64_t id);
bool world_is_paused(const struct world *w, uint64_t id);
uint64_t world_generation(const struct world *w, uint64_t id);
/* Links from or to it are cut. */
bool world_is_cut(const struct world *w, uint64_t id);
/* How many effects it has had, in all its lives. */
uint64_t world_effects(const struct world *w, uint64_t id);

/* Claims. Those about the cluster are about the nodes that are up. */

/* All are active, everybody finds everybody live, and nobody else. */
bool world_agrees(struct world *w, uint64_t unused);
/* Nobody else finds this node live. */
bool world_agrees_down(struct world *w, uint64_t id);
/* The program has ended. */
bool world_is_over(struct world *w, uint64_t program);
bool world_is_running(struct world *w, uint64_t program);
/* The node's process is no more. */
bool world_is_down(struct world *w, uint64_t id);

/* How many checkpoints have been committed, by whatever was heard of it. */
size_t world_commits(const struct world *w);
/* The latest of them; 0 = none. */
uint64_t world_committed_epoch(const struct world *w);

/* At the end of a run: asserts that nobody is left who should have been told of
 * a loss. */
void world_check_end(struct world *w);

/* A number that two runs share exactly if they were the same. */
uint64_t world_fingerprint(const struct world *w);
