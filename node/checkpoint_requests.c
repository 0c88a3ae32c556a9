#include "node/checkpoint_inner.h"

#include <string.h>

static void answer_refused(
        struct checkpoint *c, uint32_t client, const char *reason)
{
    checkpoint_actions_push(&c->actions,
            &(struct checkpoint_action){.type = CHECKPOINT_ANSWER,
                    .client = client,
                    .result = {.is_refused = true, .reason = reason}});
}

static void drop(struct checkpoint *c, size_t at)
{
    c->clients_count--;
    memmove(&c->clients[at], &c->clients[at + 1],
            (c->clients_count - at) * sizeof(c->clients[0]));
}

static size_t find_client(const struct checkpoint *c, uint32_t client)
{
    size_t i = 0;

    while (i < c->clients_count && c->clients[i].client != client) {
        i++;
    }
    return i;
}

void checkpoint_request(struct checkpoint *c, uint64_t now_us, uint32_t client)
{
    if (find_client(c, client) == c->clients_count) {
        if (c->clients_count == CHECKPOINT_CLIENTS_MAX) {
            answer_refused(
                    c, client, "too many programs wait for a checkpoint");
        } else {
            c->token++;
            c->clients[c->clients_count++] = (struct checkpoint_client){
                    .client = client, .token = c->token, .since_us = now_us};
            c->request_due_us = now_us;
        }
    }
    checkpoint_advance(c, now_us);
}

void checkpoint_forget(struct checkpoint *c, uint32_t client)
{
    size_t at = find_client(c, client);

    if (at < c->clients_count) {
        drop(c, at);
    }
}

static bool has_waiting(const struct checkpoint *c)
{
    for (size_t i = 0; i < c->clients_count; i++) {
        if (!c->clients[i].is_bound) {
            return true;
        }
    }
    return false;
}

/* --- at the leader --- */

bool checkpoint_is_wanted(const struct checkpoint *c, uint64_t now_us)
{
    if (c->options.interval_ms > 0 &&
            now_us >= c->begun_us + checkpoint_us(c->options.interval_ms)) {
        return true;
    }
    for (size_t i = 0; i < c->peers_count; i++) {
        if (c->peers[i].has_asked) {
            return true;
        }
    }
    return has_waiting(c) || checkpoint_drain_wants(c);
}

void checkpoint_bind(struct checkpoint *c)
{
    for (size_t i = 0; i < c->clients_count; i++) {
        c->clients[i].is_bound = true;
    }
}

static void refuse_waiting(struct checkpoint *c, const char *reason)
{
    size_t i = 0;

    while (i < c->clients_count) {
        if (c->clients[i].is_bound) {
            i++;
        } else {
            answer_refused(c, c->clients[i].client, reason);
            drop(c, i);
        }
    }
}

void checkpoint_refuse(struct checkpoint *c, const char *reason)
{
    refuse_waiting(c, reason);
    for (size_t i = 0; i < c->peers_count; i++) {
        c->peers[i].has_asked = false;
    }
    if (!c->is_refusing) {
        c->is_refusing = true;
        checkpoint_log(c, true, "no checkpoint is begun: %s", reason);
    }
    if (checkpoint_drain_wants(c)) {
        checkpoint_drain_ended(c, false);
    }
}

/* A request that is made once more while its attempt runs is answered by that;
 * afterwards, it was not heard of. One that comes before we know that we lead
 * waits for that. */
static void take_request(struct checkpoint *c, struct checkpoint_peer *peer,
        const struct control_request *request)
{
    bool is_new = request->asked > peer->token;

    if (!c->active || (!is_new && checkpoint_lead_is_running(c))) {
        return;
    }
    peer->has_asked = true;
    peer->token = is_new ? request->asked : peer->token;
    if (request->why == CONTROL_WHY_DRAIN) {
        checkpoint_stages_add_all(
                &c->leaving, request->stages, request->stages_count);
    }
}

/* --- at the others --- */

void checkpoint_bind_token(
        struct checkpoint *c, uint64_t now_us, uint64_t token, bool is_ours)
{
    struct checkpoint_drain *drain = &c->drain;
    bool is_anew = false;

    for (size_t i = 0; i < c->clients_count; i++) {
        struct checkpoint_client *client = &c->clients[i];

        if (!client->is_bound && client->token <= token) {
            client->is_bound = is_ours;
            client->token = is_ours ? client->token : c->token + 1;
            is_anew = is_anew || !is_ours;
        }
    }
    if (drain->is_asking && !drain->is_bound && drain->token <= token) {
        drain->is_bound = is_ours;
        drain->token = is_ours ? drain->token : c->token + 1;
        is_anew = is_anew || !is_ours;
    }
    if (is_anew) {
        c->token++;
        c->request_due_us = now_us;
    }
}

static void answer_drain(struct checkpoint *c, uint64_t now_us, bool committed)
{
    struct checkpoint_drain *drain = &c->drain;

    if (drain->is_bound) {
        drain->is_bound = false;
        drain->is_asking = !committed;
        drain->token = ++c->token;
        c->request_due_us = now_us;
    }
}

void checkpoint_answer(struct checkpoint *c, uint64_t now_us,
        const struct checkpoint_entry *entry)
{
    size_t i = 0;

    while (i < c->clients_count) {
        if (!c->clients[i].is_bound) {
            i++;
            continue;
        }
        checkpoint_actions_push(&c->actions,
                &(struct checkpoint_action){.type = CHECKPOINT_ANSWER,
                        .client = c->clients[i].client,
                        .result = {.entry = entry}});
        drop(c, i);
    }
    answer_drain(c, now_us, entry->outcome == SHUFFLE_OUTCOME_COMMITTED);
}

static bool is_asking(const struct checkpoint *c)
{
    return has_waiting(c) || (c->drain.is_asking && !c->drain.is_bound);
}

/* Whether the leader can be asked at all; if not, who waits is told so. */
static bool can_ask(struct checkpoint *c)
{
    const struct checkpoint_peer *peer = checkpoint_find(c, c->leader);
    char reason[CHECKPOINT_REASON_BYTES] = "";

    if (!peer->facts.speaks_weft) {
        checkpoint_reason_add(reason,
                "node %" PRIu64
                " leads; it is a LaminarDB server, and takes no requests",
                c->leader);
        c->drain.is_asking = false;
    } else if (checkpoint_is_minority(c, checkpoint_present(c), reason)) {
        c->drain.is_asking = false;
    }
    if (reason[0] != '\0') {
        refuse_waiting(c, reason);
    }
    return reason[0] == '\0';
}

static void ask_leader(struct checkpoint *c, uint64_t now_us)
{
    struct control_request request = {.asked = c->token};

    if (!can_ask(c)) {
        return;
    }
    if (has_waiting(c)) {
        request.why = CONTROL_WHY_BARRIER;
        checkpoint_send_request(c, c->leader, &request);
    }
    if (c->drain.is_asking && !c->drain.is_bound) {
        request.why = CONTROL_WHY_DRAIN;
        request.stages = c->drain.stages.list;
        request.stages_count = c->drain.stages.count;
        checkpoint_send_request(c, c->leader, &request);
    }
    c->request_due_us = now_us + checkpoint_us(CHECKPOINT_AGAIN_MS);
}

/* --- time --- */

static uint64_t patience_us(const struct checkpoint *c)
{
    return c->leader == 0 ? checkpoint_us(CHECKPOINT_LEADERLESS_MS)
                          : checkpoint_us(CHECKPOINT_LEADERLESS_MS +
                                          2 * c->options.align_timeout_ms);
}

/* When a program has waited long enough for one to begin. */
static uint64_t refused_at(
        const struct checkpoint *c, const struct checkpoint_client *client)
{
    uint64_t since_us = client->since_us;

    if (c->leader == 0 && c->leaderless_us > since_us) {
        since_us = c->leaderless_us;
    }
    return since_us + patience_us(c);
}

static void refuse_late(struct checkpoint *c, uint32_t client)
{
    char reason[CHECKPOINT_REASON_BYTES] = "";

    if (c->leader == 0) {
        checkpoint_reason_add(
                reason, "no leader for %d s", CHECKPOINT_LEADERLESS_MS / 1000);
    } else {
        checkpoint_reason_add(reason,
                "node %" PRIu64 ", which leads, has begun no checkpoint in "
                "%" PRIu64 " s",
                c->leader, patience_us(c) / 1000000);
    }
    answer_refused(c, client, reason);
}

void checkpoint_requests_tick(struct checkpoint *c, uint64_t now_us)
{
    size_t i = 0;

    if (is_asking(c) && c->leader != 0 && c->leader != c->options.id &&
            now_us >= c->request_due_us) {
        ask_leader(c, now_us);
    }
    while (i < c->clients_count) {
        if (!c->clients[i].is_bound &&
                now_us >= refused_at(c, &c->clients[i])) {
            refuse_late(c, c->clients[i].client);
            drop(c, i);
        } else {
            i++;
        }
    }
}

uint64_t checkpoint_requests_due(const struct checkpoint *c)
{
    uint64_t due_us = UINT64_MAX;

    if (is_asking(c) && c->leader != 0 && c->leader != c->options.id) {
        due_us = c->request_due_us;
    }
    for (size_t i = 0; i < c->clients_count; i++) {
        uint64_t refused_us = refused_at(c, &c->clients[i]);

        if (!c->clients[i].is_bound && refused_us < due_us) {
            due_us = refused_us;
        }
    }
    return due_us;
}

/* --- what others ask, and answer --- */

/* Well enough to have a part in the next attempt. */
static void answer_probe(struct checkpoint *c, uint64_t from)
{
    const struct control_request well = {.why = CONTROL_WHY_WELL};

    if (checkpoint_takes_part(c) && !c->is_in_doubt) {
        checkpoint_send_request(c, from, &well);
    }
}

static void take(struct checkpoint *c, uint64_t now_us,
        struct checkpoint_peer *peer, const struct control_request *request)
{
    switch (request->why) {
    case CONTROL_WHY_BARRIER:
    case CONTROL_WHY_DRAIN:
        take_request(c, peer, request);
        break;
    case CONTROL_WHY_OUTCOME:
        checkpoint_answer_outcome(c, peer->facts.id, request);
        break;
    case CONTROL_WHY_PROBE:
        answer_probe(c, peer->facts.id);
        break;
    case CONTROL_WHY_WELL:
        if (peer->is_suspended) {
            checkpoint_readmit(c, peer);
        }
        break;
    case CONTROL_WHY_AWAKE:
        checkpoint_answer_awake(c, peer, request);
        break;
    case CONTROL_WHY_ALIVE:
    case CONTROL_WHY_BURIED:
        checkpoint_sleep_answered(c, now_us, request);
        break;
    }
}

void checkpoint_requested(struct checkpoint *c, uint64_t now_us, uint64_t from,
        const struct control_request *request)
{
    struct checkpoint_peer *peer = checkpoint_find(c, from);

    if (peer != NULL) {
        take(c, now_us, peer, request);
    }
    checkpoint_advance(c, now_us);
}
