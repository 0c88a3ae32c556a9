/* What the files of the checkpoint core share among themselves; nobody else's.
 *
 * Verbs change what we know, and end with checkpoint_advance, which does
 * whatever is due by then; the functions here never call it themselves. */
#pragma once

#include <inttypes.h>

#include "node/checkpoint.h"

static inline uint64_t checkpoint_us(uint64_t ms)
{
    return ms * 1000;
}

/* --- checkpoint.c: verbs, time, and what is said to others --- */

void checkpoint_advance(struct checkpoint *c, uint64_t now_us);

void checkpoint_log(struct checkpoint *c, bool is_warning, const char *format,
        ...) __attribute__((format(printf, 3, 4)));

/* Somebody has named the epoch; 0 = we ourselves. */
void checkpoint_note_epoch(struct checkpoint *c, uint64_t epoch, uint64_t from);

/* A CONTROL frame with what stands in `c->text`. */
void checkpoint_send(struct checkpoint *c, uint64_t peer,
        enum shuffle_control_kind kind, const char *text);
void checkpoint_send_request(struct checkpoint *c, uint64_t peer,
        const struct control_request *request);

/* The same to every live Weft member. */
void checkpoint_send_all(
        struct checkpoint *c, const struct control_request *request);

/* The cluster's watermark is at least this; if it is set. */
void checkpoint_raise_watermark(
        struct checkpoint *c, const struct control_watermark *watermark);

/* Active or draining: one that is listed, and acks. */
bool checkpoint_takes_part(const struct checkpoint *c);

/* --- checkpoint_members.c: who is here, who leads, who is sick --- */

/* NULL when nothing is known of it. */
struct checkpoint_peer *checkpoint_find(
        const struct checkpoint *c, uint64_t id);

/* Is it to be listed now? */
bool checkpoint_counts(const struct checkpoint_peer *peer);

/* How many would be listed now, we ourselves among them. */
size_t checkpoint_present(const struct checkpoint *c);

/* With `expect`, whether too few of us are here; then `reason` is the sentence
 * about it. */
bool checkpoint_is_minority(const struct checkpoint *c, size_t present,
        char reason[static CHECKPOINT_REASON_BYTES]);

/* We are the leader, and may act as one. */
bool checkpoint_leads(const struct checkpoint *c);

/* Is anybody active here who could lead in our stead? */
bool checkpoint_has_company(const struct checkpoint *c);

/* Finds the leader anew, and draws the consequences of a change. */
void checkpoint_look_for_leader(struct checkpoint *c, uint64_t now_us);

/* An attempt that it was listed in was lost to it, or was not. */
void checkpoint_count_lost(
        struct checkpoint *c, uint64_t now_us, uint64_t id, uint64_t epoch);
void checkpoint_count_well(struct checkpoint *c, uint64_t id);

/* It has answered, or cannot: it is listed again, on probation. */
void checkpoint_readmit(struct checkpoint *c, struct checkpoint_peer *peer);
bool checkpoint_has_sick(const struct checkpoint *c);
void checkpoint_probe(struct checkpoint *c, uint64_t now_us);

/* --- checkpoint_lead.c: the leader's side of an attempt --- */

bool checkpoint_lead_is_running(const struct checkpoint *c);

/* Begins an attempt, or refuses it to all who wait for one. */
void checkpoint_lead_begin(struct checkpoint *c, uint64_t now_us);

/* A member's word, ours included: judged already to be about our attempt. */
void checkpoint_lead_hear(struct checkpoint *c, uint64_t now_us, uint64_t id,
        const struct control_ack *ack);

/* What is known of a member has changed. */
void checkpoint_lead_member(struct checkpoint *c, uint64_t now_us, uint64_t id);

/* The deadline, if it has come. */
void checkpoint_lead_tick(struct checkpoint *c, uint64_t now_us);

/* --- checkpoint_verdict.c: how an attempt of ours ends --- */

/* Publishes what stands in `c->text`, and sends it to all who are listed in our
 * attempt, or have asked for it. */
void checkpoint_announce(struct checkpoint *c);

/* All have acked: decides, and commits when that is kept. */
void checkpoint_lead_decide(struct checkpoint *c, uint64_t now_us);

/* Ends the attempt that is not decided yet. */
void checkpoint_lead_abort(struct checkpoint *c, uint64_t now_us,
        const char *reason, const uint64_t *missing, size_t missing_count);

/* --- checkpoint_place.c: new placements, from what the acks say --- */

/* Notes the sinks that member `at` of the list has named. */
void checkpoint_place_note(
        struct checkpoint_lead *lead, size_t at, const struct control_ack *ack);

/* The placements of the first `stages_max` stages to be placed anew, without
 * those that nobody has a sink of; to be freed. */
struct checkpoint_places {
    struct shuffle_cut_place *list;
    size_t count;
};
struct checkpoint_places checkpoint_place_build(
        const struct checkpoint_lead *lead, size_t stages_max);
void checkpoint_place_free(struct checkpoint_places *places);

/* --- checkpoint_follow.c: whether an announcement concerns us --- */

void checkpoint_follow(struct checkpoint *c, uint64_t now_us, uint64_t from,
        uint64_t version, const struct control_announcement *a);

/* --- checkpoint_part.c: our own part in an attempt --- */

bool checkpoint_part_is_running(const struct checkpoint *c);

/* Is that the attempt whose part is running here? */
bool checkpoint_part_is(
        const struct checkpoint *c, const struct checkpoint_attempt *attempt);

/* Begins our part in it; none is running. Of a LaminarDB leader's, `attempt` is
 * the version. */
void checkpoint_part_begin(struct checkpoint *c, uint64_t now_us,
        const struct control_announcement *prepare, bool is_laminar);

/* We are not listed, but a program of ours waits for the outcome. */
void checkpoint_part_watch(struct checkpoint *c, uint64_t now_us,
        const struct control_announcement *prepare);

/* The outcome is known. `a` says it; its reason may be empty. */
void checkpoint_part_end(struct checkpoint *c, uint64_t now_us,
        enum shuffle_outcome_code code, const struct control_announcement *a);

/* The outcome will not be heard of in the usual way: `reason` says why. */
void checkpoint_part_give_up(
        struct checkpoint *c, uint64_t now_us, const char *reason);

/* What is said when it may be said. */
void checkpoint_part_speak(struct checkpoint *c, uint64_t now_us);
void checkpoint_part_member(struct checkpoint *c, uint64_t now_us, uint64_t id);
void checkpoint_part_tick(struct checkpoint *c, uint64_t now_us);
uint64_t checkpoint_part_due(const struct checkpoint *c);

/* --- checkpoint_outcome.c: what became of attempts, ours and others' --- */

/* Notes a decision; false when the contrary is known. */
bool checkpoint_decided(struct checkpoint *c, uint64_t leader,
        uint64_t generation, uint64_t epoch, bool is_committed);

/* A Commit or Abort of Weft's form, by whomever. */
void checkpoint_learn(struct checkpoint *c, uint64_t now_us, uint64_t from,
        const struct control_announcement *a);

/* What an ack says of an attempt's outcome. */
void checkpoint_learn_from_ack(struct checkpoint *c, uint64_t now_us,
        uint64_t from, const struct control_ack *ack);

/* An entry that was unknown is known now. */
void checkpoint_learn_late(struct checkpoint *c, uint64_t now_us,
        struct checkpoint_entry *entry, uint64_t cut,
        enum shuffle_outcome_code code, const struct control_announcement *a);

/* Asks all the others for the outcomes that we do not know. */
void checkpoint_ask(struct checkpoint *c, uint64_t now_us);
bool checkpoint_has_unknown(const struct checkpoint *c);
void checkpoint_answer_outcome(struct checkpoint *c, uint64_t from,
        const struct control_request *request);

/* --- checkpoint_requests.c: who wants a checkpoint --- */

/* Does anybody want an attempt of ours that has not begun? */
bool checkpoint_is_wanted(const struct checkpoint *c, uint64_t now_us);

/* Ours has begun: it answers all who wait here. */
void checkpoint_bind(struct checkpoint *c);

/* None can begin. */
void checkpoint_refuse(struct checkpoint *c, const char *reason);

/* A leader's attempt answers our requests up to `token`; it is the one that our
 * part is in, or else (`is_ours` false) they are made anew. */
void checkpoint_bind_token(
        struct checkpoint *c, uint64_t now_us, uint64_t token, bool is_ours);

/* The attempt of our part has ended. */
void checkpoint_answer(struct checkpoint *c, uint64_t now_us,
        const struct checkpoint_entry *entry);
void checkpoint_requests_tick(struct checkpoint *c, uint64_t now_us);
uint64_t checkpoint_requests_due(const struct checkpoint *c);

/* --- checkpoint_drain.c: leaving our stages at a barrier --- */

/* Our attempt to move our stages away has ended. */
void checkpoint_drain_ended(struct checkpoint *c, bool is_committed);
void checkpoint_drain_tick(struct checkpoint *c, uint64_t now_us);
uint64_t checkpoint_drain_due(const struct checkpoint *c);

/* Does an attempt of ours have to move our stages? */
bool checkpoint_drain_wants(const struct checkpoint *c);

/* --- checkpoint_sleep.c: whether we were buried --- */

void checkpoint_sleep_answered(struct checkpoint *c, uint64_t now_us,
        const struct control_request *request);
void checkpoint_sleep_tick(struct checkpoint *c, uint64_t now_us);
void checkpoint_answer_awake(struct checkpoint *c, struct checkpoint_peer *peer,
        const struct control_request *request);
