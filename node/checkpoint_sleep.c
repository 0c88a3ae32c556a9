#include "node/checkpoint_inner.h"

void checkpoint_slept(struct checkpoint *c, uint64_t now_us)
{
    char reason[CHECKPOINT_REASON_BYTES] = "";

    if (c->lead.state == CHECKPOINT_LEAD_WAITING) {
        checkpoint_reason_add(
                reason, "node %" PRIu64 " was away", c->options.id);
        checkpoint_lead_abort(c, now_us, reason, &c->options.id, 1);
    }
    for (size_t i = 0; i < c->peers_count && !c->is_in_doubt; i++) {
        c->peers[i].slept_too = false;
    }
    c->is_in_doubt = true;
    c->awake_due_us = now_us;
    checkpoint_advance(c, now_us);
}

/* Is there anybody who can say whether we were buried? Who slept as well cannot,
 * and when all did, there was nobody to bury anyone. */
static bool has_witnesses(const struct checkpoint *c)
{
    for (size_t i = 0; i < c->peers_count; i++) {
        const struct checkpoint_peer *peer = &c->peers[i];

        if (peer->facts.live && peer->facts.speaks_weft && !peer->slept_too) {
            return true;
        }
    }
    return false;
}

static void confirm(struct checkpoint *c, uint64_t now_us)
{
    c->is_in_doubt = false;
    checkpoint_actions_push(&c->actions,
            &(struct checkpoint_action){.type = CHECKPOINT_CONFIRMED});
    checkpoint_part_speak(c, now_us);
}

void checkpoint_sleep_tick(struct checkpoint *c, uint64_t now_us)
{
    const struct control_request awake = {
            .why = CONTROL_WHY_AWAKE, .generation = c->options.generation};

    if (!c->is_in_doubt || c->is_buried) {
        return;
    }
    if (!has_witnesses(c)) {
        confirm(c, now_us);
    } else if (now_us >= c->awake_due_us) {
        checkpoint_send_all(c, &awake);
        c->awake_due_us = now_us + checkpoint_us(CHECKPOINT_AGAIN_MS);
    }
}

void checkpoint_sleep_answered(struct checkpoint *c, uint64_t now_us,
        const struct control_request *request)
{
    if (!c->is_in_doubt || c->is_buried ||
            request->generation != c->options.generation) {
        return;
    }
    if (request->why == CONTROL_WHY_ALIVE) {
        confirm(c, now_us);
    } else {
        c->is_buried = true;
        checkpoint_actions_push(&c->actions,
                &(struct checkpoint_action){.type = CHECKPOINT_BURIED});
    }
}

/* This very life, or one behind it: what runs of the older one was given up. */
static bool was_buried(
        const struct checkpoint_member *known, uint64_t generation)
{
    return generation < known->generation ||
           (generation == known->generation && known->convicted);
}

/* Whom we have buried hears so in any case. But that we have not says little
 * while we do not know what happened when we slept ourselves, and nothing of a
 * life that we do not hold for live: we may have begun while it slept. */
void checkpoint_answer_awake(struct checkpoint *c, struct checkpoint_peer *peer,
        const struct control_request *request)
{
    const struct checkpoint_member *known = &peer->facts;
    bool is_buried = was_buried(known, request->generation);
    bool is_known = request->generation == known->generation;

    if (!is_buried && c->is_in_doubt) {
        peer->slept_too = is_known;
        return;
    }
    if (!is_buried && !(is_known && known->live)) {
        return; /* it asks again */
    }
    checkpoint_send_request(c, known->id,
            &(struct control_request){
                    .why = is_buried ? CONTROL_WHY_BURIED : CONTROL_WHY_ALIVE,
                    .generation = request->generation});
}
