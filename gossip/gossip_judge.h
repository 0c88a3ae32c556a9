/* Judgement: who is live and who is dead, in our opinion.
 *
 * Everybody is judged in every round; in between, a live member is judged at
 * its own deadline, the moment its silence outgrows the threshold, so that a
 * death is not found a round late. A dead member's gaps are forgotten each
 * time it is looked at, and the first time of its death counts.
 *
 * Who does not listen cannot judge: after we were away, the time away is taken
 * off every silence, and nobody is judged before some time has passed in which
 * we listened. */
#pragma once

#include "gossip/gossip_members.h"

struct gossip_judge {
    struct gossip_members *members; /* what is found is noted there */
    uint64_t next_ms; /* no live member's deadline is earlier */
    uint64_t from_ms; /* nobody is judged before */
};

/* The members are borrowed. */
void gossip_judge_init(struct gossip_judge *j, struct gossip_members *members,
        uint64_t now_ms);

/* When somebody may have to be found dead; UINT64_MAX if nobody is live. */
uint64_t gossip_judge_deadline_ms(const struct gossip_judge *j);

/* A member gave a sign of life. */
void gossip_judge_news(
        struct gossip_judge *j, struct gossip_member *member, uint64_t now_ms);

/* Everybody but ourselves. */
void gossip_judge_round(struct gossip_judge *j, uint64_t now_ms);

/* The live members whose deadline has come. */
void gossip_judge_due(struct gossip_judge *j, uint64_t now_ms);

/* We did not listen for the last `late_ms`, and want to listen for
 * `listen_ms` before we judge. */
void gossip_judge_excuse(struct gossip_judge *j, uint64_t late_ms,
        uint64_t listen_ms, uint64_t now_ms);
