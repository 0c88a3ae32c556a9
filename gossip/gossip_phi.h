/* Accrual failure detection, as chitchat counts it.
 *
 * We never ask whether a member is dead; we ask how surprising its silence is:
 * the time since its last news, over the mean gap between its news. Phi 8 is a
 * silence of eight usual gaps. (Hayashibara's phi of 2004 is the logarithm of
 * a probability; this is a plain ratio.) The mean leans on a prior of weight 5
 * and never falls below `min_mean_ms`, so that a chatty cluster is not hasty;
 * chitchat has no such floor, which is 0.
 *
 * The first news only starts the clock, the second gives the first gap; before
 * that phi is not defined, and who has no phi is not alive. A gap longer than
 * `max_interval_ms` says that the member was away, not that it is slow, and is
 * not counted.
 *
 * Pure arithmetic, no allocation. Times are milliseconds on the caller's
 * monotonic clock and never go backwards. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gossip_phi_options {
    double threshold; /* alive up to and with this phi */
    size_t window; /* how many gaps are remembered, at least 1 */
    uint32_t max_interval_ms;
    uint32_t prior_ms;
    uint32_t min_mean_ms; /* 0: no floor */
};

struct gossip_phi {
    const struct gossip_phi_options *options;
    uint32_t *gaps_ms; /* a ring of options->window */
    size_t gap_count;
    size_t next_gap; /* where the next one goes */
    uint64_t sum_ms;
    uint64_t last_news_ms;
    bool has_news;
};

/* The options and the ring, of `options->window` gaps, are the caller's and
 * borrowed for as long as the detector lives. */
void gossip_phi_init(struct gossip_phi *phi,
        const struct gossip_phi_options *options, uint32_t *gaps_ms);

/* The member gave a sign of life. */
void gossip_phi_news(struct gossip_phi *phi, uint64_t now_ms);

/* Forgets the gaps, as for a member found dead: it has to earn its next life.
 * The time of the last news stays. */
void gossip_phi_clear(struct gossip_phi *phi);

/* `late_ms` in which nobody listened do not count as silence. */
void gossip_phi_excuse(
        struct gossip_phi *phi, uint64_t late_ms, uint64_t now_ms);

bool gossip_phi_is_defined(const struct gossip_phi *phi);

double gossip_phi_mean_ms(const struct gossip_phi *phi);

/* Only where it is defined: asserted. */
double gossip_phi_at(const struct gossip_phi *phi, uint64_t now_ms);

bool gossip_phi_is_alive(const struct gossip_phi *phi, uint64_t now_ms);

/* The first millisecond at which it will not be alive unless there is news;
 * only where phi is defined: asserted. */
uint64_t gossip_phi_deadline_ms(const struct gossip_phi *phi);
