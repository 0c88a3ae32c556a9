#include "gossip/gossip.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gossip/gossip_census.h"

/* A heartbeat that cannot rise any more stays: nobody reaches it by living. */
static void beat(struct gossip *g)
{
    if (g->self->heartbeat < UINT64_MAX) {
        g->self->heartbeat++;
    }
}

/* --- life -------------------------------------------------------------- */

struct gossip_options gossip_options_default(uint64_t interval_ms)
{
    const uint64_t quarter_hour_ms = UINT64_C(15) * 60 * 1000;
    const uint64_t max_interval_ms =
            interval_ms * 4 > 10000 ? interval_ms * 4 : 10000;

    return (struct gossip_options){
            .interval_ms = interval_ms,
            .protocol = GOSSIP_PROTOCOL_V0,
            .fanout = 3,
            .phi = {.threshold = 8.0,
                    .window = 1000,
                    .max_interval_ms = (uint32_t)max_interval_ms,
                    .prior_ms = (uint32_t)interval_ms,
                    .min_mean_ms = (uint32_t)interval_ms},
            .dead_grace_ms = quarter_hour_ms,
            .tombstone_grace_ms = quarter_hour_ms,
            .late_intervals = 2,
            .members_max = 4096,
            .value_max_bytes = 8 << 10,
            .node_state_max_bytes = 1 << 20,
            .remote_max_bytes = 64 << 20,
    };
}

static void assert_bounds(const struct gossip_options *o)
{
    assert(o->cluster.size > 0 && o->cluster.size <= GOSSIP_CLUSTER_MAX_BYTES);
    assert(o->self.node_id.size > 0);
    assert(o->interval_ms > 0);
    assert(o->fanout > 0 && o->fanout <= GOSSIP_FANOUT_MAX);
    assert(o->members_max > 0);
    assert(o->value_max_bytes <= 65000);
}

static int init_parts(struct gossip *g)
{
    const struct gossip_options *o = &g->options;

    if (gossip_members_init(
                &g->members, o->members_max, &o->phi, prng_u64(&g->chance)) ||
            gossip_removed_init(
                    &g->removed, GOSSIP_REMOVED_MAX, prng_u64(&g->chance)) ||
            gossip_versions_init(&g->versions, o->protocol,
                    o->members_max + GOSSIP_SEEDS_MAX, o->seed) ||
            gossip_ranking_init(&g->ranking, o->members_max + 1) ||
            gossip_round_init(&g->round, o->members_max) ||
            gossip_decoder_init(&g->decoder) ||
            gossip_encoder_init(&g->encoder)) {
        return ERR_FULL;
    }
    g->datagram = malloc(GOSSIP_DATAGRAM_BYTES);
    g->self = gossip_members_add(
            &g->members, &o->self, &g->own_budget, g->now_ms);
    return g->datagram != NULL && g->self != NULL ? 0 : ERR_FULL;
}

int gossip_init(struct gossip *g, const struct gossip_options *options,
        uint64_t now_ms, struct error *err)
{
    assert_bounds(options);
    *g = (struct gossip){.options = *options,
            .now_ms = now_ms,
            .started_ms = now_ms,
            .next_round_ms = now_ms,
            .next_forgotten_ms = now_ms + GOSSIP_FORGOTTEN_TRY_MS};
    if (!addr_is_target(&options->self.addr)) {
        char text[ADDR_TEXT_BYTES];

        return error_set(err, ERR_INVALID,
                "the gossip address to advertise is \"%s\", and must be one "
                "that others can send to",
                addr_format(&options->self.addr, text));
    }
    prng_init(&g->chance, options->seed);
    gossip_judge_init(&g->judge, &g->members, now_ms);
    g->own_budget.max_bytes =
            options->node_state_max_bytes + options->self.node_id.size;
    g->remote_budget.max_bytes = options->remote_max_bytes;
    if (init_parts(g) != 0) {
        gossip_close(g);
        return error_set(err, ERR_FULL,
                "no memory for a gossip table of %zu members",
                options->members_max);
    }
    memcpy(g->cluster, options->cluster.data, options->cluster.size);
    g->options.cluster = bytes_of(g->cluster, options->cluster.size);
    g->options.self = g->self->id;
    g->self->is_self = true;
    beat(g);
    return 0;
}

void gossip_close(struct gossip *g)
{
    free(g->datagram);
    gossip_encoder_close(&g->encoder);
    gossip_decoder_close(&g->decoder);
    gossip_round_close(&g->round);
    gossip_ranking_close(&g->ranking);
    gossip_versions_close(&g->versions);
    gossip_removed_close(&g->removed);
    gossip_members_close(&g->members);
    *g = (struct gossip){0};
}

/* --- time --------------------------------------------------------------- */

uint64_t gossip_deadline_ms(const struct gossip *g)
{
    uint64_t judgement_ms = gossip_judge_deadline_ms(&g->judge);

    return g->next_round_ms < judgement_ms ? g->next_round_ms : judgement_ms;
}

/* Others have heard nothing of us since our last round, an interval before the
 * one that is late, and what we say now takes its time to reach all of them.
 * Their mean gap is at least the floor. */
static void notice_lateness(struct gossip *g, uint64_t round_late_ms)
{
    const struct gossip_phi_options *phi = &g->options.phi;
    uint64_t beside_ms = (1 + GOSSIP_NEWS_INTERVALS) * g->options.interval_ms;
    double silence_ms = (double)(round_late_ms + beside_ms);

    if (silence_ms > phi->threshold * (double)phi->min_mean_ms &&
            round_late_ms > g->late_ms) {
        g->late_ms = round_late_ms;
    }
}

/* Every verb that hears or does something for the cluster begins here. */
static void advance(struct gossip *g, uint64_t now_ms)
{
    uint64_t due_ms = gossip_deadline_ms(g);
    uint64_t late_max_ms = g->options.late_intervals * g->options.interval_ms;
    uint64_t round_late_ms =
            now_ms > g->next_round_ms ? now_ms - g->next_round_ms : 0;

    assert(now_ms >= g->now_ms);
    g->now_ms = now_ms;
    if (round_late_ms > g->counters.latest_round_ms) {
        g->counters.latest_round_ms = round_late_ms;
    }
    if (late_max_ms > 0 && now_ms > due_ms && now_ms - due_ms > late_max_ms) {
        notice_lateness(g, round_late_ms);
        gossip_judge_excuse(
                &g->judge, now_ms - due_ms, g->options.interval_ms, now_ms);
        g->next_round_ms = now_ms;
    }
}

void gossip_clock(struct gossip *g, uint64_t now_ms)
{
    advance(g, now_ms);
}

/* --- rounds ------------------------------------------------------------- */

/* Those who heard different last heartbeats of it make a dead member look
 * alive at first; whoever lives is not silent for so long. */
static bool is_silent(const struct gossip *g, const struct gossip_member *m)
{
    uint64_t interval_ms = g->options.interval_ms;

    return m->phi.has_news ? g->now_ms - m->phi.last_news_ms >=
                                     GOSSIP_TWIN_INTERVALS * interval_ms
                           : g->now_ms - m->met_ms >=
                                     GOSSIP_SUCCESSOR_INTERVALS * interval_ms;
}

/* A higher generation of our name that says nothing is an earlier life. */
static void look_for_successors(struct gossip *g)
{
    for (size_t i = 0; i < g->members.count; i++) {
        struct gossip_member *m = g->members.list[i];

        if (m->may_succeed && is_silent(g, m)) {
            m->may_succeed = false;
            gossip_members_note(&g->members, m, GOSSIP_EVENT_SUCCESSOR);
        }
    }
}

static void remove_member(struct gossip *g, struct gossip_member *m)
{
    gossip_removed_put(&g->removed, &m->id, m->heartbeat);
    if (addr_is_target(&m->id.addr)) {
        gossip_forgotten_put(&g->forgotten, &m->id.addr);
        gossip_versions_removed(&g->versions, m);
    }
    gossip_members_remove(&g->members, m);
}

static void remove_expired(struct gossip *g)
{
    for (size_t i = g->members.count; i-- > 0;) {
        struct gossip_member *m = g->members.list[i];

        if (m->is_dead &&
                g->now_ms - m->dead_since_ms >= g->options.dead_grace_ms) {
            remove_member(g, m);
        }
    }
}

static bool is_own_addr(const struct gossip *g, const struct addr *addr)
{
    return addr_equal(addr, &g->self->id.addr);
}

static int push_pending(struct gossip *g, const struct addr *to)
{
    if (g->pending_count == GOSSIP_PENDING_MAX) {
        g->counters.refused[GOSSIP_REFUSED_UNSENT]++;
        return ERR_FULL;
    }
    g->pending[g->pending_count++] = *to;
    return 0;
}

static void gather_addresses(struct gossip *g)
{
    struct gossip_round *r = &g->round;

    r->live.count = 0;
    r->dead.count = 0;
    r->known.count = 0;
    for (size_t i = 0; i < g->members.count; i++) {
        const struct gossip_member *m = g->members.list[i];
        const struct addr *addr = &m->id.addr;

        if (m->is_self || !addr_is_target(addr) || is_own_addr(g, addr)) {
            continue;
        }
        r->known.addrs[r->known.count++] = *addr;
        if (m->is_live) {
            r->live.addrs[r->live.count++] = *addr;
        } else if (m->is_dead) {
            r->dead.addrs[r->dead.count++] = *addr;
        }
    }
    gossip_addr_set_unique(&r->live);
    gossip_addr_set_unique(&r->dead);
    gossip_addr_set_unique(&r->known);
}

static size_t other_seeds(
        const struct gossip *g, struct addr seeds[static GOSSIP_SEEDS_MAX])
{
    size_t count = 0;

    for (size_t i = 0; i < g->seed_count; i++) {
        if (!is_own_addr(g, &g->seeds[i])) {
            seeds[count++] = g->seeds[i];
        }
    }
    return count;
}

static void pick_targets(struct gossip *g)
{
    struct addr targets[GOSSIP_TARGETS_MAX];
    struct addr seeds[GOSSIP_SEEDS_MAX];
    size_t seed_count = other_seeds(g, seeds);
    size_t count;

    gather_addresses(g);
    count = gossip_round_pick(&g->round, seeds, seed_count, g->options.fanout,
            &g->chance, targets);
    for (size_t i = 0; i < count; i++) {
        push_pending(g, &targets[i]);
    }
}

/* An address may have been forgotten with an old generation while a newer one
 * lives there. */
static bool is_known_addr(const struct gossip *g, const struct addr *addr)
{
    for (size_t i = 0; i < g->members.count; i++) {
        if (addr_equal(&g->members.list[i]->id.addr, addr)) {
            return true;
        }
    }
    return false;
}

static void try_forgotten(struct gossip *g)
{
    struct addr addr;

    if (g->now_ms < g->next_forgotten_ms) {
        return;
    }
    g->next_forgotten_ms = g->now_ms + GOSSIP_FORGOTTEN_TRY_MS;
    while (gossip_forgotten_pick(&g->forgotten, &g->chance, &addr)) {
        if (!is_known_addr(g, &addr)) {
            push_pending(g, &addr);
            return;
        }
        gossip_forgotten_drop(&g->forgotten, &addr);
    }
}

static void collect(struct gossip *g)
{
    for (size_t i = 0; i < g->members.count; i++) {
        kv_state_collect(&g->members.list[i]->state, g->now_ms,
                g->options.tombstone_grace_ms);
    }
}

/* Rounds that were missed are not made up for. */
static void schedule_round(struct gossip *g)
{
    g->next_round_ms += g->options.interval_ms;
    if (g->next_round_ms <= g->now_ms) {
        g->next_round_ms = g->now_ms + g->options.interval_ms;
    }
}

static void run_round(struct gossip *g)
{
    g->counters.rounds++;
    schedule_round(g);
    pick_targets(g);
    try_forgotten(g);
    beat(g);
    collect(g);
    gossip_judge_round(&g->judge, g->now_ms);
    look_for_successors(g);
    remove_expired(g);
}

void gossip_tick(struct gossip *g, uint64_t now_ms)
{
    advance(g, now_ms);
    if (now_ms >= g->next_round_ms) {
        run_round(g);
    } else {
        gossip_judge_due(&g->judge, now_ms);
    }
}

/* --- what we send ------------------------------------------------------ */

static void write_digest(
        struct gossip *g, const struct addr *to, size_t rest_bytes)
{
    const struct gossip_census census = {.members = &g->members,
            .now_ms = g->now_ms,
            .dead_grace_ms = g->options.dead_grace_ms,
            .budget_bytes =
                    GOSSIP_DATAGRAM_BYTES - GOSSIP_HEADER_BYTES - rest_bytes,
            .to = *to,
            .rotation = &g->digest_rotation};

    gossip_census_write(&census, &g->encoder);
}

/* Apart from the digest's lines: its count, and the cluster's name. */
static struct bytes write_syn(struct gossip *g, const struct addr *to)
{
    bool gives_up;
    enum gossip_version version =
            gossip_versions_open(&g->versions, to, g->now_ms, &gives_up);

    if (gives_up) {
        g->has_unanswered = true;
        g->unanswered = *to;
    }
    g->counters.sent_syns[version]++;
    gossip_encode_begin(
            &g->encoder, version, GOSSIP_SYN, g->options.cluster, g->datagram);
    write_digest(g, to, 2 + 2 + g->options.cluster.size);
    return gossip_encode_finish(&g->encoder);
}

static void write_delta(struct gossip *g, const struct gossip_message *m)
{
    size_t budget_bytes = gossip_encode_delta(&g->encoder);

    if (budget_bytes < GOSSIP_DELTA_MIN_BUDGET_BYTES) {
        return; /* it stays empty */
    }
    gossip_ranking_compare(&g->ranking, &g->members, m, g->now_ms,
            g->options.dead_grace_ms, &g->chance);
    gossip_delta_write(&g->ranking, &g->encoder.delta);
}

/* A reply has the version of what it answers. */
static void reply(struct gossip *g, const struct gossip_message *m,
        enum gossip_type type, const struct addr *to)
{
    gossip_encode_begin(
            &g->encoder, m->version, type, bytes_of(NULL, 0), g->datagram);
    if (type == GOSSIP_SYN_ACK) {
        write_digest(g, to, 2 + 1); /* and the least delta */
    }
    if (type != GOSSIP_BAD_CLUSTER) {
        write_delta(g, m);
    }
    g->reply_size = gossip_encode_finish(&g->encoder).size;
    g->reply_to = *to;
}

static void drop_unfetched_reply(struct gossip *g)
{
    if (g->reply_size > 0) {
        g->counters.refused[GOSSIP_REFUSED_UNSENT]++;
        g->reply_size = 0;
    }
}

/* --- what we are told -------------------------------------------------- */

/* Whoever holds more of us than we wrote has it from somebody who is us. */
static void hear_about_self(
        struct gossip *g, const struct gossip_digest_entry *line)
{
    if (line->max_version > g->self->state.max_version) {
        gossip_members_note(&g->members, g->self, GOSSIP_EVENT_AHEAD);
    }
}

static bool is_namesake(const struct gossip *g, const struct gossip_id *id)
{
    return bytes_equal(id->node_id, g->self->id.node_id);
}

/* A member not known yet; NULL if it is to stay unknown. A full table is found
 * first: whoever floods it makes the most of these calls. */
static struct gossip_member *meet(
        struct gossip *g, const struct gossip_digest_entry *line)
{
    struct gossip_member *m = NULL;

    if (!gossip_members_is_full(&g->members)) {
        if (gossip_removed_refuses(&g->removed, &line->id, line->heartbeat)) {
            g->counters.refused[GOSSIP_REFUSED_GHOST]++;
            return NULL;
        }
        m = gossip_members_add(
                &g->members, &line->id, &g->remote_budget, g->now_ms);
    }
    if (m == NULL) {
        g->counters.refused[GOSSIP_REFUSED_MEMBERS_FULL]++;
        return NULL;
    }
    m->may_succeed = is_namesake(g, &line->id) &&
                     line->id.generation > g->self->id.generation &&
                     line->id.generation < UINT64_MAX; /* can be followed */
    m->was_convicted = gossip_removed_has(&g->removed, &line->id);
    gossip_removed_drop(&g->removed, &line->id);
    gossip_forgotten_drop(&g->forgotten, &line->id.addr);
    if (addr_is_target(&m->id.addr)) {
        gossip_versions_met(&g->versions, m);
    }
    gossip_members_note(&g->members, m, GOSSIP_EVENT_MET);
    return m;
}

/* Somebody who is not us bears our name, elsewhere, and lives. Right after our
 * start it may be the echo of our previous life. */
static void look_at_namesake(struct gossip *g, struct gossip_member *m)
{
    uint64_t echo_ms = GOSSIP_TWIN_INTERVALS * g->options.interval_ms;

    if (is_namesake(g, &m->id) && !is_own_addr(g, &m->id.addr) &&
            g->now_ms - g->started_ms >= echo_ms) {
        gossip_members_note(&g->members, m, GOSSIP_EVENT_TWIN);
    }
}

/* The first heartbeat only primes: it may be hearsay of any age. */
static void hear_heartbeat(
        struct gossip *g, struct gossip_member *m, uint64_t heartbeat)
{
    if (heartbeat <= m->heartbeat) {
        return;
    }
    if (m->heartbeat > 0) {
        gossip_judge_news(&g->judge, m, g->now_ms);
        look_at_namesake(g, m);
    }
    m->heartbeat = heartbeat;
}

/* Digest and table are in the same order, so the place of one line is the hint
 * for the next. */
static void hear_digest(struct gossip *g, const struct gossip_message *m)
{
    size_t hint = 0;

    for (size_t i = 0; i < m->digest_count; i++) {
        const struct gossip_digest_entry *line = &m->digest[i];
        struct gossip_member *member;

        hint = gossip_members_place_from(&g->members, &line->id, hint);
        member = gossip_members_at(&g->members, &line->id, hint);
        if (member == g->self) {
            hear_about_self(g, line);
            continue;
        }
        if (member == NULL) {
            member = meet(g, line);
        }
        if (member != NULL) {
            hear_heartbeat(g, member, line->heartbeat);
        }
    }
}

static void hear_delta(struct gossip *g, const struct gossip_message *m)
{
    g->counters.exchanges++;
    g->counters.truncated += m->is_truncated ? 1 : 0;
    gossip_delta_apply(&g->members, m, g->now_ms, &g->counters);
}

/* Heartbeats before deltas: a digest is what introduces an unknown member, and
 * a delta about an unknown member is passed over. */
static void hear(struct gossip *g, const struct gossip_message *m,
        const struct addr *from)
{
    switch (m->type) {
    case GOSSIP_SYN:
        g->counters.received_syns[m->version]++;
        if (!bytes_equal(m->cluster, g->options.cluster)) {
            g->counters.refused[GOSSIP_REFUSED_FOREIGN_CLUSTER]++;
            reply(g, m, GOSSIP_BAD_CLUSTER, from);
            return;
        }
        hear_digest(g, m);
        reply(g, m, GOSSIP_SYN_ACK, from);
        return;
    case GOSSIP_SYN_ACK:
        hear_digest(g, m);
        hear_delta(g, m);
        reply(g, m, GOSSIP_ACK, from);
        return;
    case GOSSIP_ACK:
        hear_delta(g, m);
        return;
    case GOSSIP_BAD_CLUSTER:
        g->counters.refused[GOSSIP_REFUSED_BAD_CLUSTER]++;
        return;
    }
}

void gossip_receive(struct gossip *g, uint64_t now_ms, const struct addr *from,
        struct bytes datagram)
{
    struct gossip_message message;
    enum gossip_drop why;

    advance(g, now_ms);
    drop_unfetched_reply(g);
    g->counters.received_packets++;
    g->counters.received_bytes += datagram.size;
    if (gossip_decode(&g->decoder, datagram, &message, &why) != 0) {
        g->counters.malformed[why]++;
        return;
    }
    beat(g);
    hear(g, &message, from);
    if (message.version == GOSSIP_V1) {
        gossip_versions_heard(&g->versions, from); /* now that all are met */
    }
}

/* --- actions ----------------------------------------------------------- */

static void send(struct gossip *g, struct gossip_action *action,
        const struct addr *to, struct bytes datagram)
{
    g->counters.sent_packets++;
    g->counters.sent_bytes += datagram.size;
    *action = (struct gossip_action){
            .kind = GOSSIP_SEND, .to = *to, .datagram = datagram};
}

static bool next_reply(struct gossip *g, struct gossip_action *action)
{
    if (g->reply_size == 0) {
        return false;
    }
    send(g, action, &g->reply_to, bytes_of(g->datagram, g->reply_size));
    g->reply_size = 0;
    return true;
}

/* A Syn is written when it is fetched: always with our latest digest. */
static bool next_syn(struct gossip *g, struct gossip_action *action)
{
    struct addr to;

    if (g->pending_count == 0) {
        return false;
    }
    to = g->pending[0];
    g->pending_count--;
    memmove(&g->pending[0], &g->pending[1], g->pending_count * sizeof(to));
    send(g, action, &to, write_syn(g, &to));
    return true;
}

static enum gossip_action_kind kind_of(enum gossip_event event)
{
    switch (event) {
    case GOSSIP_EVENT_MET:
        return GOSSIP_MET;
    case GOSSIP_EVENT_LIVE:
        return GOSSIP_LIVE;
    case GOSSIP_EVENT_DEAD:
        return GOSSIP_DEAD;
    case GOSSIP_EVENT_KEYS:
        return GOSSIP_KEY;
    case GOSSIP_EVENT_TWIN:
        return GOSSIP_TWIN;
    case GOSSIP_EVENT_SUCCESSOR:
        return GOSSIP_SUCCESSOR;
    case GOSSIP_EVENT_AHEAD:
        return GOSSIP_AHEAD;
    case GOSSIP_EVENT_REMOVED:
        break;
    }
    return GOSSIP_REMOVED;
}

static bool next_event(struct gossip *g, struct gossip_action *action)
{
    const struct kv_entry *entry = NULL;
    struct gossip_member *member;
    enum gossip_event event;

    if (!gossip_members_next_event(&g->members, &member, &event, &entry)) {
        return false;
    }
    *action = (struct gossip_action){
            .kind = kind_of(event), .member = member, .entry = entry};
    return true;
}

static bool next_lateness(struct gossip *g, struct gossip_action *action)
{
    if (g->late_ms == 0) {
        return false;
    }
    *action = (struct gossip_action){
            .kind = GOSSIP_LATE, .member = g->self, .late_ms = g->late_ms};
    g->late_ms = 0;
    return true;
}

/* Told behind the Syn that gave V1 up, before the next one. */
static bool next_unanswered(struct gossip *g, struct gossip_action *action)
{
    if (!g->has_unanswered) {
        return false;
    }
    *action = (struct gossip_action){
            .kind = GOSSIP_UNANSWERED, .to = g->unanswered, .member = g->self};
    g->has_unanswered = false;
    return true;
}

bool gossip_next(struct gossip *g, struct gossip_action *action)
{
    return next_lateness(g, action) || next_unanswered(g, action) ||
           next_reply(g, action) || next_syn(g, action) ||
           next_event(g, action);
}

/* --- whom we ask ------------------------------------------------------- */

static bool has_seed(const struct gossip *g, const struct addr *addr)
{
    for (size_t i = 0; i < g->seed_count; i++) {
        if (addr_equal(&g->seeds[i], addr)) {
            return true;
        }
    }
    return false;
}

void gossip_seeds(struct gossip *g, const struct addr *addrs, size_t count)
{
    g->seed_count = 0;
    for (size_t i = 0; i < count && g->seed_count < GOSSIP_SEEDS_MAX; i++) {
        if (addr_is_target(&addrs[i]) && !has_seed(g, &addrs[i])) {
            g->seeds[g->seed_count++] = addrs[i];
        }
    }
    gossip_versions_seeds(&g->versions, g->seeds, g->seed_count);
}

int gossip_contact(struct gossip *g, uint64_t now_ms, const struct addr *to)
{
    advance(g, now_ms);
    return push_pending(g, to);
}

void gossip_check(const struct gossip *g)
{
    gossip_members_check(&g->members);
    gossip_versions_check(&g->versions);
    assert(gossip_members_find(&g->members, &g->self->id) == g->self);
    assert(g->self->heartbeat > 0);
    assert(!g->self->is_live && !g->self->is_dead);
    assert(g->own_budget.used_bytes <= g->own_budget.max_bytes);
    assert(g->remote_budget.used_bytes <= g->remote_budget.max_bytes);
    assert(g->pending_count <= GOSSIP_PENDING_MAX);
}
