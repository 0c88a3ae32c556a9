/* A cluster in one process: the production gossip core, virtual time, and a
 * network that loses, delays, doubles and cuts as the test says.
 *
 * Everything follows from one seed: the same seed, the same settings and the
 * same calls give the same run, to the datagram. `sim_new` prints it first, and
 * WEFT_SEED in the environment replaces it, so that a failure can be run again.
 *
 *   struct sim *sim = sim_new(&(struct sim_options){.nodes = 5, ...});
 *   sim_run(sim, 3000);
 *   sim_isolate(sim, 2);
 *   assert_false(sim_agrees_down_within(sim, 2, 900));
 *   assert_true(sim_agrees_down_within(sim, 2, 4000));
 *   sim_free(sim);
 *
 * Nodes are numbered from 0; node n is member `node-<n + 1>` at 10.0.x.y, and
 * every node has node 0 for its seed. They start at random moments within the
 * first interval. Datagrams to a paused node wait in its socket, the first
 * SIM_SOCKET_MAX of them, and are read behind its overdue timer when it goes
 * on. Once an interval the invariants of all cores are checked. */
#pragma once

#include "gossip/gossip.h"

enum {
    SIM_SOCKET_MAX = 200, /* datagrams */
};

struct sim_options {
    size_t nodes;
    uint64_t seed;
    uint64_t interval_ms; /* 500 when 0 */
    double loss; /* of each datagram, 0 to 1 */
    double doubled; /* of each datagram that is not lost */
    uint64_t delay_min_ms;
    uint64_t delay_max_ms;
    /* Changes what the nodes would have by default; may be NULL. */
    void (*tune)(struct gossip_options *options);
};

struct sim;

struct sim *sim_new(const struct sim_options *options);
void sim_free(struct sim *sim);

/* --- time -------------------------------------------------------------- */

uint64_t sim_now_ms(const struct sim *sim);
uint64_t sim_interval_ms(const struct sim *sim);
void sim_run(struct sim *sim, uint64_t ms);
void sim_run_intervals(struct sim *sim, size_t intervals);

/* Runs until the claim holds, at most `ms`; says whether it does. */
typedef bool sim_claim(struct sim *sim, size_t node);
bool sim_within(struct sim *sim, sim_claim *claim, size_t node, uint64_t ms);

/* --- what happens to nodes and links ------------------------------------ */

void sim_kill(struct sim *sim, size_t node);
/* A new process with the next generation, at the same address. */
void sim_restart(struct sim *sim, size_t node);
/* The same identity as before, as nobody should. */
void sim_restart_same(struct sim *sim, size_t node);
/* As one that never started: it can be started later by a restart. */
void sim_hold(struct sim *sim, size_t node);
/* From now on its only seed; itself: none. */
void sim_seed(struct sim *sim, size_t node, size_t seed);
/* What it opens exchanges in from its next start on; and whether it reads V1,
 * which chitchat before 0.12 drops. Else the default, and yes. */
void sim_speak(struct sim *sim, size_t node, enum gossip_protocol protocol,
        bool reads_v1);
void sim_pause(struct sim *sim, size_t node);
void sim_resume(struct sim *sim, size_t node);

/* Datagrams from one node to another; the other direction is another link. */
void sim_cut(struct sim *sim, size_t from, size_t to);
void sim_link(struct sim *sim, size_t from, size_t to);
void sim_isolate(struct sim *sim, size_t node);
void sim_rejoin(struct sim *sim, size_t node);
/* Nodes below `first` on one side, all others on the other. */
void sim_partition(struct sim *sim, size_t first);
/* Every link works, and nothing is lost any more. */
void sim_heal(struct sim *sim);
void sim_set_loss(struct sim *sim, double loss);

/* --- what nodes say and know -------------------------------------------- */

/* NULL while the node is down. */
struct gossip *sim_gossip(struct sim *sim, size_t node);

void sim_set(struct sim *sim, size_t node, const char *key, const char *value);
void sim_delete(struct sim *sim, size_t node, const char *key);

/* What `node` knows of a key of `owner`'s newest generation, as text that is
 * good until the next call; NULL if nothing. */
const char *sim_get(
        struct sim *sim, size_t node, size_t owner, const char *key);

bool sim_knows(const struct sim *sim, size_t node, size_t other);
bool sim_is_live(const struct sim *sim, size_t node, size_t other);

/* Claims about the whole cluster, that is about the nodes that are up: */

/* Everybody finds everybody live, and nobody else. */
bool sim_all_agree(struct sim *sim, size_t unused);
/* Nobody else finds this node live. */
bool sim_agrees_down(struct sim *sim, size_t node);
/* Everybody finds this node live. */
bool sim_agrees_up(struct sim *sim, size_t node);
/* Everybody has the same keys of everybody. */
bool sim_converged(struct sim *sim, size_t unused);
/* Nobody knows the node any more. */
bool sim_forgot(struct sim *sim, size_t node);

bool sim_agrees_down_within(struct sim *sim, size_t node, uint64_t ms);

/* How often a node was found dead that was up and neither paused nor cut off
 * at that moment. */
size_t sim_false_deaths(const struct sim *sim);
void sim_forgive(struct sim *sim); /* sets it to 0 */

/* How often a node was told that it may have been found dead while it was
 * away; in all its lives. */
size_t sim_latenesses(const struct sim *sim, size_t node);

/* Has anybody who is up ever found the node's present generation dead? */
bool sim_was_convicted(struct sim *sim, size_t node);

/* How often an observer was told of an older version of a key than before. */
size_t sim_regressions(const struct sim *sim);

/* How often a member came back that had been removed before, under the same
 * identity. */
size_t sim_ghosts(const struct sim *sim);

/* --- probes: how long a write travels ------------------------------------ */

/* Writes a key of its own at this node, and watches it arrive. */
void sim_probe(struct sim *sim, size_t node);

/* How long the given share of all probes took to arrive everywhere, at most;
 * UINT64_MAX when more than the rest has not arrived yet. */
uint64_t sim_probe_ms(const struct sim *sim, double share);

/* What all nodes have sent so far. */
struct sim_traffic {
    uint64_t packets;
    uint64_t bytes;
};
struct sim_traffic sim_traffic(const struct sim *sim);

/* What was sent to this node, when, by whom, to the byte: a number that two
 * runs share if it was the same. */
uint64_t sim_heard(const struct sim *sim, size_t node);

/* How many datagrams of one node another has dropped for being V1. */
size_t sim_unread(const struct sim *sim, size_t from, size_t node);

/* A number that two runs share exactly if they were the same. */
uint64_t sim_fingerprint(const struct sim *sim);
