/* What the files of the node core share among themselves; nobody else's. */
#pragma once

#include "node/node.h"

/* Something an operator wants to know; kept until it is fetched. */
void node_log(struct node *n, enum node_urgency urgency, const char *format,
        ...) __attribute__((format(printf, 3, 4)));

/* Sets one of our own keys; a refusal is an event. */
void node_publish(struct node *n, const char *key, const char *value);

/* --- node.c: the node's life --- */

/* Gossip starts anew, under the generation that stands in the options now. */
int node_restart_gossip(struct node *n, struct error *err);

/* Active no more, and not leaving: from JOINING on. */
void node_join_again(struct node *n);

/* Nothing new is taken, and what runs has until six seconds after the signal. */
void node_begin_draining(struct node *n);

/* The process is to end, when all that is queued has been done. */
void node_finish(struct node *n, int exit_code);

/* --- node_twin.c: who else has our name --- */

/* A silent higher generation of our name was here: go on above it. */
void node_succeed(struct node *n, uint64_t past);
void node_meet_twin(struct node *n, const struct gossip_member *twin);

/* The others have buried us: all that is attached fails, and we join anew. */
void node_rise_again(struct node *n);

/* Somebody knows more of our very generation than we have written. */
void node_meet_double(struct node *n);

/* Somebody else with our name has shown life within two intervals. */
bool node_has_living_namesake(const struct node *n);

/* One that may yet be found out as a twin, or fall silent. */
bool node_may_have_twin(const struct node *n);

/* A higher generation of our name is known, and not yet found silent. */
bool node_may_have_past(const struct node *n);

/* --- node_members.c: from gossip to the shuffle --- */

/* One piece of news of gossip's, SEND apart. */
void node_news(struct node *n, const struct gossip_action *news);

/* Tells pool and streams what is known of this node id now. */
void node_tell_member(struct node *n, uint64_t id);

/* What pool and streams must hear anyway: the silence of the convicted. */
void node_tell_silence(struct node *n);

/* --- node_shuffle.c: between pool, streams and clients --- */

/* Performs an action of the pool's that is not the TCP adaptor's. */
void node_pool_action(struct node *n, const struct shuffle_pool_action *action);
void node_streams_action(
        struct node *n, const struct shuffle_streams_action *action);

/* --- node_checkpoint.c: between checkpoints and all the others --- */

int node_checkpoint_init(struct node *n, struct error *err);
void node_checkpoint_close(struct node *n);

/* The checkpoint core's time. */
uint64_t node_now_us(const struct node *n);

/* What gossip has told: of the newest generation of a node id, of one of its
 * keys. */
void node_checkpoint_member(
        struct node *n, const struct gossip_member *m, bool speaks_weft);
void node_checkpoint_member_gone(struct node *n, uint64_t id);
void node_checkpoint_key(struct node *n, const struct gossip_member *m,
        const struct kv_entry *e);

/* A CONTROL frame, a Barrier, and what the cut has come to. */
void node_take_control(
        struct node *n, const struct shuffle_pool_action *action);
void node_take_barrier(
        struct node *n, const struct shuffle_pool_action *action);
void node_take_cut(struct node *n, const struct shuffle_streams_action *action);

/* Our own sinks have changed, or we are to stop. */
void node_tell_sinks(struct node *n);

/* We are to stop: CHECKPOINT_DRAINED says when draining may begin. */
void node_ask_to_drain(struct node *n);

/* We slept for so long that the others may have buried us. */
void node_wake(struct node *n);

/* Performs what the checkpoint core wants; true when `action` is left for the
 * process. */
bool node_settle_checkpoint(
        struct node *n, struct node_action *action, bool *has_done);

/* --- node_local.c: what local programs say --- */

/* To the streams, program 0 is nobody: they know our clients by one number
 * more. */
static inline uint32_t node_program_of(uint32_t client)
{
    return client + 1;
}

static inline uint32_t node_client_of(uint32_t program)
{
    return program - 1;
}

/* The node joins no more: programs that waited for it to be active are
 * attached, or refused. */
void node_attach_waiting(struct node *n);

/* The client is no more; its number may be given anew. */
void node_forget_client(struct node *n, uint32_t client);

/* Programs that wait for memory, or for a condition, are looked at again. */
void node_retry_clients(struct node *n);

/* --- node_request.c: answers --- */

void node_request(
        struct node *n, uint32_t client, const struct shuffle_wire_call *call);

/* The prefix by which a key is the node's own; NULL for a program's. */
const char *node_own_prefix(struct bytes key);

/* Answers those who wait for a number of members. */
void node_answer_members(struct node *n);

/* Answers those who wait for us to have left. */
void node_answer_left(struct node *n);

/* Tells those who watch of a key that has changed. */
void node_answer_key(struct node *n, const struct gossip_action *news);

/* How the checkpoint ended that the client asked for. */
void node_answer_barrier(struct node *n, uint32_t client,
        const struct checkpoint_result *result);

/* RESULT to one client; `json` is copied. */
void node_answer(struct node *n, uint32_t client, uint32_t call, int exit_code,
        bool last, const char *json);
