/* Gossip: who is here, and what everybody says of themselves.
 *
 * Each node owns a small state of versioned keys; all nodes hold copies of all
 * states. Once an interval a node picks a few others at random and compares
 * notes with each: a Syn says how far it knows everybody (a digest), the
 * SynAck answers with what it lacks (a delta) and the answerer's own digest,
 * the Ack returns the rest. That is scuttlebutt reconciliation (van Renesse et
 * al., 2008) as chitchat 0.10 to 0.13 does it, on UDP and byte for byte; what
 * it means is in docs/wire.md, "Gossip: what the messages mean". Digests carry
 * heartbeats, and the gaps between a member's heartbeats tell whether it is
 * alive (gossip_phi.h).
 *
 * The life of a node in this core:
 *
 *   gossip_init(&g, &options, now_ms, &err)     heartbeat 1, no keys
 *   gossip_set(&g, key, value, &err)            what we say of ourselves
 *   gossip_seeds(&g, addrs, count)              where to ask first
 *   gossip_tick(&g, now_ms)                     a round: whom to send a Syn
 *   while (gossip_next(&g, &action)) ...        SEND; MET, LIVE, KEY, ...
 *   gossip_receive(&g, now_ms, &from, datagram) a reply falls due: drain again
 *   gossip_tick at gossip_deadline_ms(&g)       and so on
 *   gossip_close(&g)                            nothing is said: peers notice
 *
 * Drain after each verb. Of a reply that was not fetched before the next
 * datagram came nothing is kept; it is counted, and lost like any datagram.
 * Events are never lost: they wait in the members themselves, the latest of
 * each kind (a key that changed twice before anybody looked is told once).
 *
 * Detection. A member is judged in every round and at its own deadline, the
 * moment its silence outgrows the threshold. If a verb comes more than
 * `late_intervals` intervals after gossip_deadline_ms, it was we who were
 * away: every silence is shortened by the lateness, and nobody is judged
 * before one interval more has passed in which we listened. If the others may
 * have heard nothing of us for longer than the threshold, counting the interval
 * before the late round and two in which news travels, then they may have found
 * us dead: LATE says so, once for each lateness and before all else. Members
 * remember whether we ever found them dead (gossip_member_was_convicted), so
 * that who comes back and asks can be answered.
 *
 * Healing. Members are removed when they have been dead for `dead_grace_ms`;
 * the addresses of the last GOSSIP_FORGOTTEN_MAX of them are kept, and one at
 * which nobody is known is tried every GOSSIP_FORGOTTEN_TRY_MS: two halves of a
 * cluster that have forgotten each other find together again without seeds.
 *
 * Identity. Only we write our own state: deltas about us are ignored. Three
 * events tell of mistakes. TWIN: a member with our name at another address,
 * whose heartbeat still rises five intervals after our start. SUCCESSOR: a
 * higher generation of our name that has been silent for two intervals since we
 * met it, or for five since its heartbeat rose; it is an earlier life of ours
 * with a better clock, and we should go on as its generation + 1. AHEAD:
 * somebody knows versions of our own state that we never wrote, so another node
 * has our exact identity.
 *
 * Versions. Exchanges are opened in V0, or in V1 with whoever reads it, as
 * `protocol` says and gossip_versions.h tells; UNANSWERED says that an address
 * did not.
 *
 * Memory has these bounds, all stated in the options: members (`members_max`;
 * further ones are not met, and counted), our own keys (`node_state_max_bytes`
 * of entries as kv_state.h counts them; ERR_FULL), everybody else's names and
 * keys together (`remote_max_bytes`; the prefix of a delta that fits is
 * applied, and counted). Beside that a member takes about 4.5 KiB, most of it
 * for its gaps, and its address 0.2 KiB; decoding has 16 MiB, of which few are
 * ever touched. Nothing is allocated per datagram but the entries and members
 * that it brings.
 *
 * Weft runs on one thread; times are the caller's monotonic milliseconds. */
#pragma once

#include "base/error.h"
#include "gossip/gossip_counters.h"
#include "gossip/gossip_decode.h"
#include "gossip/gossip_delta.h"
#include "gossip/gossip_encode.h"
#include "gossip/gossip_forgotten.h"
#include "gossip/gossip_judge.h"
#include "gossip/gossip_members.h"
#include "gossip/gossip_removed.h"
#include "gossip/gossip_round.h"
#include "gossip/gossip_versions.h"

enum {
    GOSSIP_KEY_MAX_BYTES = 255,
    GOSSIP_PUBLISHED_MAX_BYTES = 60 << 10, /* a value of a node's own */
    GOSSIP_SEEDS_MAX = 64, /* addresses; further ones are not used */
    GOSSIP_REMOVED_MAX = 5000, /* removed members remembered */
    GOSSIP_PENDING_MAX = 32, /* Syns waiting to be fetched */
    GOSSIP_TWIN_INTERVALS = 5,
    GOSSIP_SUCCESSOR_INTERVALS = 2,
    GOSSIP_NEWS_INTERVALS = 2, /* what is news to all may be as old as that */
};

struct gossip_options {
    struct bytes cluster; /* 1 to GOSSIP_CLUSTER_MAX_BYTES; copied */
    struct gossip_id self; /* copied */
    uint64_t interval_ms;
    enum gossip_protocol protocol; /* what exchanges are opened in */
    size_t fanout; /* live members a round, 1 to GOSSIP_FANOUT_MAX */
    struct gossip_phi_options phi;
    uint64_t dead_grace_ms;
    uint64_t tombstone_grace_ms;
    uint64_t late_intervals; /* 0: we are never late */
    size_t members_max; /* others */
    size_t value_max_bytes; /* of our own; at most 65,000 */
    size_t node_state_max_bytes;
    size_t remote_max_bytes;
    uint64_t seed; /* of all chance */
};

enum gossip_action_kind {
    GOSSIP_LATE, /* we were away for `late_ms`; `member` is ourselves */
    GOSSIP_SEND, /* `datagram` to `to` */
    GOSSIP_MET, /* `member` is known now, and not live yet */
    GOSSIP_LIVE,
    GOSSIP_DEAD,
    GOSSIP_REMOVED, /* its last mention */
    GOSSIP_KEY, /* `entry` of `member` has a new version; ours included */
    GOSSIP_TWIN, /* `member` bears our name and lives */
    GOSSIP_SUCCESSOR, /* `member` is a higher, silent generation of our name */
    GOSSIP_AHEAD, /* somebody knows more of us than we wrote */
    GOSSIP_UNANSWERED, /* `to` does not answer V1, and gets V0 for
            GOSSIP_REFUSED_MS; `member` is ourselves */
};

/* What is pointed at is borrowed until the next call on the core. */
struct gossip_action {
    enum gossip_action_kind kind;
    struct addr to;
    struct bytes datagram;
    const struct gossip_member *member;
    const struct kv_entry *entry; /* a tombstone too: see its status */
    uint64_t late_ms; /* how long after its time our round came */
};

struct gossip {
    struct gossip_options options;
    uint8_t cluster[GOSSIP_CLUSTER_MAX_BYTES];
    struct gossip_members members;
    struct gossip_member *self;
    struct budget own_budget;
    struct budget remote_budget;
    struct gossip_removed removed;
    struct gossip_forgotten forgotten;
    struct gossip_versions versions;
    struct gossip_decoder decoder;
    struct gossip_encoder encoder;
    struct gossip_ranking ranking;
    struct gossip_round round;
    struct gossip_judge judge;
    struct gossip_counters counters;
    struct prng chance;

    struct addr seeds[GOSSIP_SEEDS_MAX];
    size_t seed_count;
    struct addr pending[GOSSIP_PENDING_MAX]; /* whom to send a Syn */
    size_t pending_count;
    uint8_t *datagram; /* what is being sent */
    size_t reply_size; /* of a reply that waits in it; 0: none */
    struct addr reply_to;
    bool has_unanswered; /* to be told */
    struct addr unanswered;
    size_t digest_rotation; /* who comes first if not all fit */

    uint64_t late_ms; /* of the lateness to be told; 0: none */
    uint64_t now_ms; /* the latest verb's */
    uint64_t started_ms;
    uint64_t next_round_ms;
    uint64_t next_forgotten_ms;
};

/* The options that an INI file would leave as they are, for an interval. The
 * caller fills in `cluster`, `self` and `seed`. */
struct gossip_options gossip_options_default(uint64_t interval_ms);

/* Returns 0, or ERR_FULL when there is no memory, or ERR_INVALID for an
 * address nobody can send to. Asserts the options' bounds. The first round is
 * due at once. The core stays where it is until close. */
int gossip_init(struct gossip *g, const struct gossip_options *options,
        uint64_t now_ms, struct error *err);

/* May be called twice, and after a failed init. */
void gossip_close(struct gossip *g);

/* A datagram that came from `from`. */
void gossip_receive(struct gossip *g, uint64_t now_ms, const struct addr *from,
        struct bytes datagram);

/* The time is `now_ms`: whatever is due happens. */
void gossip_tick(struct gossip *g, uint64_t now_ms);

/* The time is `now_ms`, and nothing is done but to find out whether we were
 * away; so that LATE can be had before other news of the same moment are acted
 * on. Costs two comparisons. */
void gossip_clock(struct gossip *g, uint64_t now_ms);

/* When gossip_tick wants to be called next. */
uint64_t gossip_deadline_ms(const struct gossip *g);

/* The next action, or false when there is none. */
bool gossip_next(struct gossip *g, struct gossip_action *action);

/* What we say of ourselves; see kv_state.h for what changes nothing. A key is
 * UTF-8 of 1 to GOSSIP_KEY_MAX_BYTES bytes, a value UTF-8 of up to
 * `value_max_bytes`: else ERR_INVALID. ERR_FULL when our state has no room. */
int gossip_set(struct gossip *g, struct bytes key, struct bytes value,
        struct error *err);

/* The same for what the node says by itself, such as a checkpoint's list of
 * members: up to GOSSIP_PUBLISHED_MAX_BYTES, whatever programs may write. */
int gossip_publish(struct gossip *g, struct bytes key, struct bytes value,
        struct error *err);

int gossip_set_with_ttl(struct gossip *g, uint64_t now_ms, struct bytes key,
        struct bytes value, struct error *err);

/* ERR_NOT_FOUND when we have no such key. */
int gossip_delete(
        struct gossip *g, uint64_t now_ms, struct bytes key, struct error *err);
int gossip_delete_after_ttl(
        struct gossip *g, uint64_t now_ms, struct bytes key, struct error *err);

/* Replaces the seeds. Our own address among them is harmless. */
void gossip_seeds(struct gossip *g, const struct addr *addrs, size_t count);

/* A Syn to this address, outside the rounds. Returns 0, or ERR_FULL when
 * GOSSIP_PENDING_MAX are waiting to be fetched. */
int gossip_contact(struct gossip *g, uint64_t now_ms, const struct addr *to);

/* Who we know, in ascending order of identity, ourselves included. */
size_t gossip_member_count(const struct gossip *g);
const struct gossip_member *gossip_member_at(const struct gossip *g, size_t i);
const struct gossip_member *gossip_self(const struct gossip *g);
const struct gossip_member *gossip_find(
        const struct gossip *g, const struct gossip_id *id);

/* The newest generation of a name, live or not; NULL if there is none. */
const struct gossip_member *gossip_newest(
        const struct gossip *g, struct bytes name);

/* The version in which a Syn to this member would go out now; V0 too if it can't
 * be sent to. */
enum gossip_version gossip_version_for(
        const struct gossip *g, const struct gossip_member *m);

/* Others that are live, others that are dead. */
size_t gossip_live_count(const struct gossip *g);
size_t gossip_dead_count(const struct gossip *g);

/* What others' names and keys take of `remote_max_bytes`. */
size_t gossip_remote_bytes(const struct gossip *g);

const struct gossip_counters *gossip_counters(const struct gossip *g);

/* Asserts what must always hold. */
void gossip_check(const struct gossip *g);
