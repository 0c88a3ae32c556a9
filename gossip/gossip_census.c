#include "gossip/gossip_census.h"

static struct gossip_digest_entry line_about(const struct gossip_member *m)
{
    return (struct gossip_digest_entry){.id = m->id,
            .heartbeat = m->heartbeat,
            .last_gc = m->state.last_gc_version,
            .max_version = m->state.max_version};
}

static size_t line_bytes(const struct gossip_member *m)
{
    return gossip_digest_entry_bytes(&m->id);
}

static bool is_eligible(
        const struct gossip_census *c, const struct gossip_member *m)
{
    return !gossip_member_is_scheduled(m, c->now_ms, c->dead_grace_ms);
}

/* Marks everybody, and says whether they all fit. */
static bool choose_all(const struct gossip_census *c)
{
    size_t bytes = 0;

    for (size_t i = 0; i < c->members->count; i++) {
        struct gossip_member *m = c->members->list[i];

        m->is_chosen = is_eligible(c, m);
        bytes += m->is_chosen ? line_bytes(m) : 0;
    }
    return bytes <= c->budget_bytes;
}

enum urgency {
    URGENCY_SELF,
    URGENCY_RECEIVER,
    URGENCY_LIVE,
    URGENCY_REST,
    URGENCIES,
};

enum {
    CROWD_MIN = 16, /* lines that a digest holds at least */
};

/* Where not all fit, nobody is told whose line takes the place of many: a
 * stranger may invent names of 60 KB. */
static bool is_modest(
        const struct gossip_census *c, const struct gossip_member *m)
{
    return line_bytes(m) <= c->budget_bytes / CROWD_MIN;
}

static enum urgency urgency_of(
        const struct gossip_census *c, const struct gossip_member *m)
{
    if (m->is_self) {
        return URGENCY_SELF;
    }
    if (!m->is_live) {
        return URGENCY_REST;
    }
    return addr_equal(&m->id.addr, &c->to) ? URGENCY_RECEIVER : URGENCY_LIVE;
}

/* Marks those of one urgency as far as they fit, once around from the rotation
 * on; returns how far it came. */
static size_t choose_urgency(
        const struct gossip_census *c, enum urgency urgency, size_t *bytes)
{
    size_t count = c->members->count;

    for (size_t i = 0; i < count; i++) {
        struct gossip_member *m = c->members->list[(*c->rotation + i) % count];

        if (urgency_of(c, m) != urgency || !is_eligible(c, m) ||
                !is_modest(c, m)) {
            continue;
        }
        if (*bytes + line_bytes(m) > c->budget_bytes) {
            return i;
        }
        *bytes += line_bytes(m);
        m->is_chosen = true;
    }
    return count;
}

/* The next census begins where this one had to stop. */
static void choose_some(const struct gossip_census *c)
{
    size_t count = c->members->count;
    size_t bytes = 0;

    for (size_t i = 0; i < count; i++) {
        c->members->list[i]->is_chosen = false;
    }
    for (int urgency = 0; urgency < URGENCIES; urgency++) {
        size_t come = choose_urgency(c, (enum urgency)urgency, &bytes);

        if (come < count) {
            *c->rotation = (*c->rotation + come) % count;
            return;
        }
    }
}

void gossip_census_write(
        const struct gossip_census *census, struct gossip_encoder *e)
{
    if (!choose_all(census)) {
        choose_some(census);
    }
    for (size_t i = 0; i < census->members->count; i++) {
        const struct gossip_member *m = census->members->list[i];
        struct gossip_digest_entry line;

        if (!m->is_chosen) {
            continue;
        }
        line = line_about(m);
        if (!gossip_encode_digest_entry(e, &line)) {
            return;
        }
    }
}
