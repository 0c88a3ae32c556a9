#include "gossip/gossip_phi.h"

#include <assert.h>

/* How many gaps the prior counts for. */
static const double PRIOR_WEIGHT = 5.0;

void gossip_phi_init(struct gossip_phi *phi,
        const struct gossip_phi_options *options, uint32_t *gaps_ms)
{
    assert(options->window > 0);
    *phi = (struct gossip_phi){.options = options, .gaps_ms = gaps_ms};
}

static void push_gap(struct gossip_phi *phi, uint32_t gap_ms)
{
    if (phi->gap_count == phi->options->window) {
        phi->sum_ms -= phi->gaps_ms[phi->next_gap];
    } else {
        phi->gap_count++;
    }
    phi->gaps_ms[phi->next_gap] = gap_ms;
    phi->sum_ms += gap_ms;
    phi->next_gap = (phi->next_gap + 1) % phi->options->window;
}

void gossip_phi_news(struct gossip_phi *phi, uint64_t now_ms)
{
    assert(now_ms >= phi->last_news_ms);
    if (phi->has_news &&
            now_ms - phi->last_news_ms <= phi->options->max_interval_ms) {
        push_gap(phi, (uint32_t)(now_ms - phi->last_news_ms));
    }
    phi->has_news = true;
    phi->last_news_ms = now_ms;
}

void gossip_phi_clear(struct gossip_phi *phi)
{
    phi->gap_count = 0;
    phi->next_gap = 0;
    phi->sum_ms = 0;
}

void gossip_phi_excuse(
        struct gossip_phi *phi, uint64_t late_ms, uint64_t now_ms)
{
    uint64_t silence_ms = now_ms - phi->last_news_ms;

    if (phi->has_news) {
        phi->last_news_ms += late_ms < silence_ms ? late_ms : silence_ms;
    }
}

bool gossip_phi_is_defined(const struct gossip_phi *phi)
{
    return phi->gap_count > 0;
}

double gossip_phi_mean_ms(const struct gossip_phi *phi)
{
    double sum_ms =
            (double)phi->sum_ms + PRIOR_WEIGHT * (double)phi->options->prior_ms;
    double mean_ms = sum_ms / ((double)phi->gap_count + PRIOR_WEIGHT);
    double floor_ms = (double)phi->options->min_mean_ms;

    return mean_ms < floor_ms ? floor_ms : mean_ms;
}

double gossip_phi_at(const struct gossip_phi *phi, uint64_t now_ms)
{
    assert(gossip_phi_is_defined(phi));
    return (double)(now_ms - phi->last_news_ms) / gossip_phi_mean_ms(phi);
}

bool gossip_phi_is_alive(const struct gossip_phi *phi, uint64_t now_ms)
{
    return gossip_phi_is_defined(phi) && now_ms < gossip_phi_deadline_ms(phi);
}

uint64_t gossip_phi_deadline_ms(const struct gossip_phi *phi)
{
    double silence_ms = phi->options->threshold * gossip_phi_mean_ms(phi);

    assert(gossip_phi_is_defined(phi));
    return phi->last_news_ms + (uint64_t)silence_ms + 1;
}
