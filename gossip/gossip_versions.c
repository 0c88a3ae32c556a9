#include "gossip/gossip_versions.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* --- records ------------------------------------------------------------ */

int gossip_versions_init(struct gossip_versions *v,
        enum gossip_protocol protocol, size_t capacity, uint64_t seed)
{
    assert(capacity > 0);
    *v = (struct gossip_versions){.protocol = protocol, .capacity = capacity};
    prng_init(&v->chance, seed);
    v->records = calloc(capacity, sizeof(v->records[0]));
    return v->records != NULL ? 0 : ERR_FULL;
}

void gossip_versions_close(struct gossip_versions *v)
{
    free(v->records);
    *v = (struct gossip_versions){0};
}

/* A struct addr has padding, whose bytes mean nothing. */
static struct bytes key_of(
        const struct addr *addr, uint8_t key[static GOSSIP_VERSION_KEY_BYTES])
{
    key[0] = addr->family;
    memcpy(&key[1], addr->octets, sizeof(addr->octets));
    key[17] = (uint8_t)(addr->port >> 8);
    key[18] = (uint8_t)addr->port;
    return bytes_of(key, GOSSIP_VERSION_KEY_BYTES);
}

static struct gossip_version_record *find(
        const struct gossip_versions *v, const struct addr *addr)
{
    uint8_t key[GOSSIP_VERSION_KEY_BYTES];

    /* The node is the first field, so this is its owner. */
    return (struct gossip_version_record *)(void *)kv_tree_find(
            v->by_addr, key_of(addr, key));
}

bool gossip_versions_has(
        const struct gossip_versions *v, const struct addr *addr)
{
    return find(v, addr) != NULL;
}

/* One that was given back, or else one that was never used. */
static struct gossip_version_record *take_free(struct gossip_versions *v)
{
    struct gossip_version_record *record = v->free;

    if (record == NULL) {
        assert(v->made < v->capacity);
        return &v->records[v->made++];
    }
    v->free = record->next_free;
    return record;
}

static struct gossip_version_record *find_or_add(
        struct gossip_versions *v, const struct addr *addr)
{
    struct gossip_version_record *record = find(v, addr);

    if (record != NULL) {
        return record;
    }
    record = take_free(v);
    *record = (struct gossip_version_record){.is_used = true};
    record->node.key = key_of(addr, record->key);
    record->node.priority = prng_u64(&v->chance);
    kv_tree_insert(&v->by_addr, &record->node);
    return record;
}

static void drop_if_unused(
        struct gossip_versions *v, struct gossip_version_record *record)
{
    if (record->is_seed || record->member_count > 0) {
        return;
    }
    kv_tree_remove(&v->by_addr, &record->node);
    record->is_used = false;
    record->next_free = v->free;
    v->free = record;
}

/* --- who is where --------------------------------------------------------- */

static bool is_among(const struct gossip_version_record *record,
        const struct addr *addrs, size_t count)
{
    uint8_t key[GOSSIP_VERSION_KEY_BYTES];

    for (size_t i = 0; i < count; i++) {
        if (bytes_equal(record->node.key, key_of(&addrs[i], key))) {
            return true;
        }
    }
    return false;
}

void gossip_versions_seeds(
        struct gossip_versions *v, const struct addr *addrs, size_t count)
{
    for (size_t i = 0; i < v->made; i++) {
        struct gossip_version_record *record = &v->records[i];

        if (record->is_used && record->is_seed &&
                !is_among(record, addrs, count)) {
            record->is_seed = false;
            drop_if_unused(v, record);
        }
    }
    for (size_t i = 0; i < count; i++) {
        find_or_add(v, &addrs[i])->is_seed = true;
    }
}

static void forget_findings(struct gossip_version_record *record)
{
    record->is_proven = false;
    record->is_waiting = false;
    record->misses = 0;
    record->refused_until_ms = 0;
}

void gossip_versions_met(
        struct gossip_versions *v, const struct gossip_member *member)
{
    struct gossip_version_record *record = find_or_add(v, &member->id.addr);
    uint64_t hash = gossip_id_hash(&member->id);

    if (record->has_met && record->met_hash != hash) {
        forget_findings(record);
    }
    record->has_met = true;
    record->met_hash = hash;
    record->latest = member;
    record->member_count++;
}

void gossip_versions_removed(
        struct gossip_versions *v, const struct gossip_member *member)
{
    struct gossip_version_record *record = find(v, &member->id.addr);

    assert(record != NULL && record->member_count > 0);
    record->member_count--;
    if (record->latest == member) {
        record->latest = NULL;
    }
    drop_if_unused(v, record);
}

/* --- what it reads -------------------------------------------------------- */

void gossip_versions_heard(struct gossip_versions *v, const struct addr *from)
{
    struct gossip_version_record *record = find(v, from);

    if (record != NULL) {
        forget_findings(record);
        record->is_proven = true;
    }
}

static bool is_weft(const struct gossip_version_record *record)
{
    return record->latest != NULL &&
           kv_state_get(&record->latest->state, bytes_text("weft:protocol")) !=
                   NULL;
}

static bool is_eligible(const struct gossip_versions *v,
        const struct gossip_version_record *record)
{
    switch (v->protocol) {
    case GOSSIP_PROTOCOL_V0:
        return false;
    case GOSSIP_PROTOCOL_V1:
        return true;
    case GOSSIP_PROTOCOL_AUTO:
        return record->is_proven || is_weft(record);
    }
    return false;
}

static bool wants_v1(const struct gossip_versions *v,
        const struct gossip_version_record *record, uint64_t now_ms)
{
    return record != NULL && now_ms >= record->refused_until_ms &&
           is_eligible(v, record);
}

/* Would a Syn that is due now find the last one it may unanswered? */
static bool is_last_miss(const struct gossip_version_record *record)
{
    return record->is_waiting && record->misses + 1 == GOSSIP_MISSES_MAX;
}

enum gossip_version gossip_versions_next(
        const struct gossip_versions *v, const struct addr *to, uint64_t now_ms)
{
    const struct gossip_version_record *record = find(v, to);

    return wants_v1(v, record, now_ms) && !is_last_miss(record) ? GOSSIP_V1
                                                                : GOSSIP_V0;
}

enum gossip_version gossip_versions_open(struct gossip_versions *v,
        const struct addr *to, uint64_t now_ms, bool *gives_up)
{
    struct gossip_version_record *record = find(v, to);

    *gives_up = false;
    if (!wants_v1(v, record, now_ms)) {
        return GOSSIP_V0;
    }
    if (is_last_miss(record)) {
        forget_findings(record);
        record->refused_until_ms = now_ms + GOSSIP_REFUSED_MS;
        *gives_up = true;
        return GOSSIP_V0;
    }
    record->misses += record->is_waiting ? 1 : 0;
    record->is_waiting = true;
    return GOSSIP_V1;
}

const char *gossip_protocol_name(enum gossip_protocol protocol)
{
    switch (protocol) {
    case GOSSIP_PROTOCOL_V0:
        return "v0";
    case GOSSIP_PROTOCOL_V1:
        return "v1";
    case GOSSIP_PROTOCOL_AUTO:
        break;
    }
    return "auto";
}

void gossip_versions_check(const struct gossip_versions *v)
{
    for (size_t i = 0; i < v->made; i++) {
        const struct gossip_version_record *record = &v->records[i];

        if (!record->is_used) {
            continue;
        }
        assert(record->is_seed || record->member_count > 0);
        assert(record->latest == NULL || record->member_count > 0);
        assert(record->misses < GOSSIP_MISSES_MAX);
        assert(record->misses == 0 || record->is_waiting);
        assert(!record->is_waiting || v->protocol != GOSSIP_PROTOCOL_V0);
    }
}
