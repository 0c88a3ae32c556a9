#include "node/checkpoint_inner.h"

enum {
    TRIES_MAX = 2, /* attempts to move our stages away */
};

static void say_drained(struct checkpoint *c)
{
    c->drain.state = CHECKPOINT_DRAIN_DONE;
    checkpoint_actions_push(&c->actions,
            &(struct checkpoint_action){.type = CHECKPOINT_DRAINED});
}

/* Whoever leads then may still move what we could not. */
static void ask_another(struct checkpoint *c, uint64_t now_us)
{
    struct checkpoint_drain *drain = &c->drain;

    if (drain->stages.count > 0 && !drain->is_moved &&
            checkpoint_has_company(c)) {
        drain->is_asking = true;
        drain->token = ++c->token;
        c->request_due_us = now_us;
    }
}

void checkpoint_drain(struct checkpoint *c, uint64_t now_us,
        const struct bytes *stages, size_t count)
{
    struct checkpoint_drain *drain = &c->drain;

    if (drain->state == CHECKPOINT_DRAIN_NONE) {
        checkpoint_stages_clear(&drain->stages);
        checkpoint_stages_add_all(&drain->stages, stages, count);
        if (checkpoint_leads(c) && checkpoint_has_company(c)) {
            drain->state = CHECKPOINT_DRAIN_MOVING;
            drain->deadline_us = now_us + checkpoint_us(CHECKPOINT_DRAIN_MS);
        } else {
            say_drained(c);
            ask_another(c, now_us);
        }
    }
    checkpoint_advance(c, now_us);
}

bool checkpoint_drain_wants(const struct checkpoint *c)
{
    return c->drain.state == CHECKPOINT_DRAIN_MOVING &&
           c->drain.stages.count > 0 && !c->drain.is_moved &&
           c->drain.tries < TRIES_MAX;
}

void checkpoint_drain_ended(struct checkpoint *c, bool is_committed)
{
    c->drain.tries++;
    c->drain.is_moved = c->drain.is_moved || is_committed;
}

void checkpoint_drain_tick(struct checkpoint *c, uint64_t now_us)
{
    bool is_late = now_us >= c->drain.deadline_us;

    if (c->drain.state != CHECKPOINT_DRAIN_MOVING) {
        return;
    }
    if (is_late || !checkpoint_leads(c) ||
            (!checkpoint_lead_is_running(c) && !checkpoint_drain_wants(c))) {
        say_drained(c);
        ask_another(c, now_us);
    }
}

uint64_t checkpoint_drain_due(const struct checkpoint *c)
{
    return c->drain.state == CHECKPOINT_DRAIN_MOVING ? c->drain.deadline_us
                                                     : UINT64_MAX;
}
