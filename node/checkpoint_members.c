#include "node/checkpoint_inner.h"

#include <stdlib.h>
#include <string.h>

/* Where the member stands among the peers, or would. */
static size_t place_of(const struct checkpoint *c, uint64_t id)
{
    size_t low = 0;
    size_t high = c->peers_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (c->peers[middle].facts.id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct checkpoint_peer *checkpoint_find(const struct checkpoint *c, uint64_t id)
{
    size_t at = place_of(c, id);

    return at < c->peers_count && c->peers[at].facts.id == id ? &c->peers[at]
                                                              : NULL;
}

static struct checkpoint_peer *meet(struct checkpoint *c, uint64_t id)
{
    size_t at = place_of(c, id);

    if (c->peers_count == c->peers_capacity) {
        size_t capacity = c->peers_capacity == 0 ? 8 : c->peers_capacity * 2;
        struct checkpoint_peer *more =
                realloc(c->peers, capacity * sizeof(*more));

        if (more == NULL) {
            abort(); /* a member that is overlooked is one without a vote */
        }
        c->peers = more;
        c->peers_capacity = capacity;
    }
    memmove(&c->peers[at + 1], &c->peers[at],
            (c->peers_count - at) * sizeof(c->peers[0]));
    c->peers[at] = (struct checkpoint_peer){.facts.id = id};
    c->peers_count++;
    return &c->peers[at];
}

static void say_suspended(struct checkpoint *c, uint64_t id, bool on)
{
    checkpoint_actions_push(&c->actions,
            &(struct checkpoint_action){
                    .type = CHECKPOINT_SUSPENDED, .peer = id, .on = on});
}

/* What a former life has done, or was asked, is nothing to this one. */
static void begin_life(struct checkpoint *c, struct checkpoint_peer *peer)
{
    if (peer->is_suspended) {
        say_suspended(c, peer->facts.id, false);
    }
    *peer = (struct checkpoint_peer){.facts.id = peer->facts.id};
}

void checkpoint_member(struct checkpoint *c, uint64_t now_us,
        const struct checkpoint_member *member)
{
    struct checkpoint_peer *peer = checkpoint_find(c, member->id);

    assert(member->id != c->options.id);
    if (member->id == 0) {
        return;
    }
    if (peer == NULL) {
        peer = meet(c, member->id);
    } else if (peer->facts.generation != member->generation) {
        begin_life(c, peer);
    }
    if (member->live && !peer->facts.live) {
        c->ask_due_us = now_us; /* it may know what we do not */
    }
    peer->facts = *member;
    checkpoint_lead_member(c, now_us, member->id);
    checkpoint_part_member(c, now_us, member->id);
    checkpoint_advance(c, now_us);
}

void checkpoint_member_gone(struct checkpoint *c, uint64_t now_us, uint64_t id)
{
    struct checkpoint_peer *peer = checkpoint_find(c, id);

    if (peer == NULL) {
        return;
    }
    begin_life(c, peer);
    checkpoint_lead_member(c, now_us, id);
    checkpoint_part_member(c, now_us, id);
    memmove(peer, peer + 1,
            (size_t)(&c->peers[c->peers_count] - (peer + 1)) * sizeof(*peer));
    c->peers_count--;
    checkpoint_advance(c, now_us);
}

/* --- who leads --- */

bool checkpoint_counts(const struct checkpoint_peer *peer)
{
    return peer->facts.live && (peer->facts.active || peer->facts.draining) &&
           !peer->is_suspended;
}

size_t checkpoint_present(const struct checkpoint *c)
{
    size_t present = checkpoint_takes_part(c) ? 1 : 0;

    for (size_t i = 0; i < c->peers_count; i++) {
        present += checkpoint_counts(&c->peers[i]) ? 1 : 0;
    }
    return present;
}

bool checkpoint_is_minority(const struct checkpoint *c, size_t present,
        char reason[static CHECKPOINT_REASON_BYTES])
{
    if (c->options.expect == 0 || present > c->options.expect / 2) {
        return false;
    }
    checkpoint_reason_add(reason,
            "%zu of %" PRIu32 " expected members %s here, and a checkpoint "
            "takes more than half of them",
            present, c->options.expect, present == 1 ? "is" : "are");
    return true;
}

static uint64_t lowest_active(const struct checkpoint *c)
{
    for (size_t i = 0; i < c->peers_count; i++) {
        if (c->peers[i].facts.live && c->peers[i].facts.active) {
            uint64_t id = c->peers[i].facts.id;

            return c->active && c->options.id < id ? c->options.id : id;
        }
    }
    return c->active ? c->options.id : 0;
}

bool checkpoint_leads(const struct checkpoint *c)
{
    return c->leader == c->options.id && !c->is_in_doubt;
}

bool checkpoint_has_company(const struct checkpoint *c)
{
    for (size_t i = 0; i < c->peers_count; i++) {
        if (c->peers[i].facts.live && c->peers[i].facts.active) {
            return true;
        }
    }
    return false;
}

/* Whoever has asked us will ask the leader. */
static void forget_requests(struct checkpoint *c)
{
    for (size_t i = 0; i < c->peers_count; i++) {
        c->peers[i].has_asked = false;
    }
    checkpoint_stages_clear(&c->leaving);
}

/* Only a leader leaves anybody out. */
static void forget_health(struct checkpoint *c)
{
    for (size_t i = 0; i < c->peers_count; i++) {
        struct checkpoint_peer *peer = &c->peers[i];

        if (peer->is_suspended) {
            say_suspended(c, peer->facts.id, false);
        }
        peer->is_suspended = false;
        peer->lost = 0;
        peer->failed_count = 0;
    }
}

static void stop_leading(struct checkpoint *c, uint64_t now_us)
{
    char reason[CHECKPOINT_REASON_BYTES] = "";

    if (c->lead.state == CHECKPOINT_LEAD_WAITING) {
        if (c->leader != 0) {
            checkpoint_reason_add(
                    reason, "node %" PRIu64 " leads now", c->leader);
        } else {
            checkpoint_reason_add(
                    reason, "node %" PRIu64 " leads no more", c->options.id);
        }
        checkpoint_lead_abort(c, now_us, reason, NULL, 0);
    }
    forget_health(c);
}

void checkpoint_look_for_leader(struct checkpoint *c, uint64_t now_us)
{
    uint64_t before = c->leader;

    c->leader = lowest_active(c);
    if (c->leader == before) {
        return;
    }
    if (before == c->options.id) {
        stop_leading(c, now_us);
    }
    if (c->leader != c->options.id) {
        forget_requests(c);
    }
    if (c->leader == 0) {
        c->leaderless_us = now_us;
    }
    c->request_due_us = now_us;
}

/* --- who is sick --- */

void checkpoint_count_lost(
        struct checkpoint *c, uint64_t now_us, uint64_t id, uint64_t epoch)
{
    struct checkpoint_peer *peer = checkpoint_find(c, id);
    size_t count;

    if (peer == NULL) {
        return;
    }
    if (peer->failed_count == CHECKPOINT_FAILED_MAX) {
        peer->failed_count--;
        memmove(peer->failed, peer->failed + 1,
                peer->failed_count * sizeof(peer->failed[0]));
    }
    count = peer->failed_count++;
    peer->failed[count] = epoch;
    peer->lost++;
    if (c->options.patience > 0 && peer->lost >= c->options.patience &&
            !peer->is_suspended) {
        peer->is_suspended = true;
        peer->suspended_us = now_us;
        c->probe_due_us = now_us + checkpoint_us(CHECKPOINT_PROBE_MS);
        say_suspended(c, id, true);
    }
}

void checkpoint_count_well(struct checkpoint *c, uint64_t id)
{
    struct checkpoint_peer *peer = checkpoint_find(c, id);

    if (peer != NULL) {
        peer->lost = 0;
        peer->failed_count = 0;
    }
}

/* One attempt more that is lost to it, and it is out again. */
void checkpoint_readmit(struct checkpoint *c, struct checkpoint_peer *peer)
{
    assert(peer->is_suspended);
    peer->is_suspended = false;
    peer->lost = c->options.patience - 1;
    say_suspended(c, peer->facts.id, false);
}

bool checkpoint_has_sick(const struct checkpoint *c)
{
    for (size_t i = 0; i < c->peers_count; i++) {
        if (c->peers[i].is_suspended) {
            return true;
        }
    }
    return false;
}

/* LaminarDB members know no probe: an attempt is the only way to ask them. */
static bool is_tried_again(const struct checkpoint_peer *peer, uint64_t now_us)
{
    return !peer->facts.speaks_weft &&
           now_us - peer->suspended_us >= checkpoint_us(CHECKPOINT_MUTE_MS);
}

void checkpoint_probe(struct checkpoint *c, uint64_t now_us)
{
    const struct control_request probe = {.why = CONTROL_WHY_PROBE};

    for (size_t i = 0; i < c->peers_count; i++) {
        struct checkpoint_peer *peer = &c->peers[i];

        if (!peer->is_suspended || !peer->facts.live) {
            continue;
        }
        if (is_tried_again(peer, now_us)) {
            checkpoint_readmit(c, peer);
        } else if (peer->facts.speaks_weft) {
            checkpoint_send_request(c, peer->facts.id, &probe);
        }
    }
    c->probe_due_us = now_us + checkpoint_us(CHECKPOINT_PROBE_MS);
}

struct checkpoint_health checkpoint_health(
        const struct checkpoint *c, uint64_t id)
{
    const struct checkpoint_peer *peer = checkpoint_find(c, id);

    if (peer == NULL) {
        return (struct checkpoint_health){.id = id};
    }
    return (struct checkpoint_health){
            .id = id,
            .is_suspended = peer->is_suspended,
            .epochs = peer->failed,
            .epochs_count = peer->failed_count,
    };
}
