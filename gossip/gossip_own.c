/* What we say of ourselves: the writes of gossip.h, and their bounds. */
#include "gossip/gossip.h"

static int judge_key(struct bytes key, struct error *err)
{
    if (key.size == 0) {
        return error_set(err, ERR_INVALID, "the key is empty");
    }
    if (key.size > GOSSIP_KEY_MAX_BYTES) {
        return error_set(err, ERR_INVALID,
                "the key has %zu bytes, and may have %d", key.size,
                GOSSIP_KEY_MAX_BYTES);
    }
    if (!bytes_is_utf8(key)) {
        return error_set(err, ERR_INVALID, "the key is not UTF-8");
    }
    return 0;
}

static int judge_pair(struct bytes key, struct bytes value, size_t max_bytes,
        struct error *err)
{
    int code = judge_key(key, err);

    if (code != 0) {
        return code;
    }
    if (value.size > max_bytes) {
        return error_set(err, ERR_INVALID,
                "the value of \"%.*s\" has %zu bytes, and %s is %zu",
                (int)key.size, (const char *)key.data, value.size,
                max_bytes == GOSSIP_PUBLISHED_MAX_BYTES ? "the most"
                                                        : "kv.max_value",
                max_bytes);
    }
    if (!bytes_is_utf8(value)) {
        return error_set(err, ERR_INVALID, "the value of \"%.*s\" is not UTF-8",
                (int)key.size, (const char *)key.data);
    }
    return 0;
}

static int say_full(const struct gossip *g, struct error *err)
{
    return error_set(err, ERR_FULL,
            "this node's keys would take more than kv.max_node_state, "
            "which is %zu bytes",
            g->options.node_state_max_bytes);
}

static int written(struct gossip *g, int code, struct error *err)
{
    if (code != 0) {
        return say_full(g, err);
    }
    gossip_members_note(&g->members, g->self, GOSSIP_EVENT_KEYS);
    return 0;
}

static int set(struct gossip *g, struct bytes key, struct bytes value,
        size_t max_bytes, struct error *err)
{
    int code = judge_pair(key, value, max_bytes, err);

    if (code != 0) {
        return code;
    }
    return written(g, kv_state_set(&g->self->state, key, value), err);
}

int gossip_set(struct gossip *g, struct bytes key, struct bytes value,
        struct error *err)
{
    return set(g, key, value, g->options.value_max_bytes, err);
}

int gossip_publish(struct gossip *g, struct bytes key, struct bytes value,
        struct error *err)
{
    return set(g, key, value, GOSSIP_PUBLISHED_MAX_BYTES, err);
}

int gossip_set_with_ttl(struct gossip *g, uint64_t now_ms, struct bytes key,
        struct bytes value, struct error *err)
{
    int code = judge_pair(key, value, g->options.value_max_bytes, err);

    if (code != 0) {
        return code;
    }
    return written(
            g, kv_state_set_with_ttl(&g->self->state, key, value, now_ms), err);
}

static int judge_present(
        const struct gossip *g, struct bytes key, struct error *err)
{
    int code = judge_key(key, err);

    if (code != 0) {
        return code;
    }
    if (kv_state_get(&g->self->state, key) == NULL) {
        return error_set(err, ERR_NOT_FOUND, "this node has no key \"%.*s\"",
                (int)key.size, (const char *)key.data);
    }
    return 0;
}

int gossip_delete(
        struct gossip *g, uint64_t now_ms, struct bytes key, struct error *err)
{
    int code = judge_present(g, key, err);

    if (code != 0) {
        return code;
    }
    return written(g, kv_state_delete(&g->self->state, key, now_ms), err);
}

int gossip_delete_after_ttl(
        struct gossip *g, uint64_t now_ms, struct bytes key, struct error *err)
{
    int code = judge_present(g, key, err);

    if (code != 0) {
        return code;
    }
    return written(
            g, kv_state_delete_after_ttl(&g->self->state, key, now_ms), err);
}
