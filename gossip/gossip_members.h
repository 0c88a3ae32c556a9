/* Everybody we know, in the order of their identities, ourselves included.
 *
 * The order is that of a digest, so two digests are compared by walking both;
 * among the generations of one name the oldest comes first.
 *
 * The table also keeps the queue of members about whom there is something to
 * tell: events are bits of a member and its keys are told from the state
 * itself, so the queue needs no memory of its own and nothing is lost in it.
 *
 * Memory: a member costs sizeof(struct gossip_member) and its ring of gaps,
 * for at most `members_max` others; its name and keys are taken from the
 * budget. It is allocated when it is met. */
#pragma once

#include "gossip/gossip_member.h"

struct gossip_members {
    struct gossip_member **list; /* ascending identities */
    size_t count; /* ourselves included */
    size_t capacity;
    const struct gossip_phi_options *phi_options;
    struct prng chance; /* seeds of the states */
    struct gossip_member *first_event;
    struct gossip_member *last_event;
    struct gossip_member *leaving; /* told as removed; freed at the next turn */
};

/* `members_max` others, and ourselves. The options are borrowed until close.
 * Returns 0, or ERR_FULL when there is no memory. */
int gossip_members_init(struct gossip_members *t, size_t members_max,
        const struct gossip_phi_options *phi_options, uint64_t seed);
void gossip_members_close(struct gossip_members *t);

struct gossip_member *gossip_members_find(
        const struct gossip_members *t, const struct gossip_id *id);

/* The position of the first member at or above the identity, which is the
 * count if there is none. */
size_t gossip_members_place(
        const struct gossip_members *t, const struct gossip_id *id);

/* The same, quickly when it is at `hint` or right behind it. */
size_t gossip_members_place_from(const struct gossip_members *t,
        const struct gossip_id *id, size_t hint);

/* The member at its place, or NULL if somebody else is there. */
struct gossip_member *gossip_members_at(const struct gossip_members *t,
        const struct gossip_id *id, size_t place);

/* The newest generation of a name, or NULL; the newest live one. */
const struct gossip_member *gossip_members_newest(
        const struct gossip_members *t, struct bytes name);
const struct gossip_member *gossip_members_newest_live(
        const struct gossip_members *t, struct bytes name);

/* Is there no room for another? */
bool gossip_members_is_full(const struct gossip_members *t);

/* Adds a member that is not there yet, whose name is copied; its name and keys
 * are charged to `budget`, borrowed until the member goes. NULL at a bound. */
struct gossip_member *gossip_members_add(struct gossip_members *t,
        const struct gossip_id *id, struct budget *budget, uint64_t now_ms);

/* Takes a member out of the table. It is freed once its removal is told. */
void gossip_members_remove(
        struct gossip_members *t, struct gossip_member *member);

/* Something is to be told about the member. LIVE and DEAD replace each other.
 */
void gossip_members_note(struct gossip_members *t, struct gossip_member *member,
        enum gossip_event event);

/* The next thing to tell: the member, which event, and for GOSSIP_EVENT_KEYS
 * the entry. False when all is told. Borrowed until the next call. */
bool gossip_members_next_event(struct gossip_members *t,
        struct gossip_member **member, enum gossip_event *event,
        const struct kv_entry **entry);

/* Asserts order and counts. */
void gossip_members_check(const struct gossip_members *t);
