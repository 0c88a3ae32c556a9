#include "gossip/gossip_judge.h"

void gossip_judge_init(
        struct gossip_judge *j, struct gossip_members *members, uint64_t now_ms)
{
    *j = (struct gossip_judge){
            .members = members, .next_ms = UINT64_MAX, .from_ms = now_ms};
}

uint64_t gossip_judge_deadline_ms(const struct gossip_judge *j)
{
    return j->next_ms > j->from_ms ? j->next_ms : j->from_ms;
}

static void expect(struct gossip_judge *j, const struct gossip_member *m)
{
    uint64_t deadline_ms;

    if (!m->is_live || !gossip_phi_is_defined(&m->phi)) {
        return;
    }
    deadline_ms = gossip_phi_deadline_ms(&m->phi);
    if (deadline_ms < j->next_ms) {
        j->next_ms = deadline_ms;
    }
}

void gossip_judge_news(
        struct gossip_judge *j, struct gossip_member *member, uint64_t now_ms)
{
    gossip_phi_news(&member->phi, now_ms);
    expect(j, member);
}

static void come_alive(struct gossip_judge *j, struct gossip_member *m)
{
    m->is_dead = false;
    m->is_live = true;
    gossip_members_note(j->members, m, GOSSIP_EVENT_LIVE);
}

static void bury(
        struct gossip_judge *j, struct gossip_member *m, uint64_t now_ms)
{
    if (m->is_live) {
        m->was_convicted = true;
        gossip_members_note(j->members, m, GOSSIP_EVENT_DEAD);
    }
    if (!m->is_dead) {
        m->dead_since_ms = now_ms;
    }
    m->is_live = false;
    m->is_dead = true;
    gossip_phi_clear(&m->phi);
}

static void judge(
        struct gossip_judge *j, struct gossip_member *m, uint64_t now_ms)
{
    if (!gossip_phi_is_alive(&m->phi, now_ms)) {
        bury(j, m, now_ms);
    } else if (!m->is_live) {
        come_alive(j, m);
    }
}

static void judge_all(struct gossip_judge *j, bool only_live, uint64_t now_ms)
{
    if (now_ms < j->from_ms) {
        return;
    }
    j->next_ms = UINT64_MAX;
    for (size_t i = 0; i < j->members->count; i++) {
        struct gossip_member *m = j->members->list[i];

        if (!m->is_self && (m->is_live || !only_live)) {
            judge(j, m, now_ms);
        }
        expect(j, m);
    }
}

void gossip_judge_round(struct gossip_judge *j, uint64_t now_ms)
{
    judge_all(j, false, now_ms);
}

void gossip_judge_due(struct gossip_judge *j, uint64_t now_ms)
{
    if (now_ms >= j->next_ms) {
        judge_all(j, true, now_ms);
    }
}

void gossip_judge_excuse(struct gossip_judge *j, uint64_t late_ms,
        uint64_t listen_ms, uint64_t now_ms)
{
    for (size_t i = 0; i < j->members->count; i++) {
        gossip_phi_excuse(&j->members->list[i]->phi, late_ms, now_ms);
    }
    j->from_ms = now_ms + listen_ms;
}
