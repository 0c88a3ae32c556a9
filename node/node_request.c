#include "node/node_inner.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "node/report_json.h"
#include "node/request_json.h"

enum {
    PIECE_BYTES = 512 * 1024, /* of a long answer, in one frame */
    SHORT_BYTES = 64 * 1024, /* an answer that has memory set aside */
    ANSWER_BYTES = LOCAL_QUEUE_BYTES / 2, /* no text is longer */
};

/* Keys that the node itself publishes: nobody else may write them. */
static const char *const own_prefixes[] = {
        "node:", "load:", "partitions:", "shuffle:", "control:", "weft:"};

/* One RESULT frame. An answer that others will follow counts as long: nobody
 * knows how many there will be. */
static void answer_piece(struct node *n, uint32_t client,
        const struct shuffle_wire_result *head, struct bytes json)
{
    uint8_t bytes[SHUFFLE_RESULT_HEAD_BYTES];
    struct writer w = writer_of(bytes, sizeof(bytes));

    shuffle_wire_encode_result(&w, head);
    assert(!w.failed);
    if (head->last && json.size <= SHORT_BYTES) {
        local_push(
                &n->local, client, SHUFFLE_TAG_RESULT, writer_bytes(&w), json);
    } else {
        local_push_long(
                &n->local, client, SHUFFLE_TAG_RESULT, writer_bytes(&w), json);
    }
}

/* A text that is too long for one frame goes in several; the last says so. */
void node_answer(struct node *n, uint32_t client, uint32_t call, int exit_code,
        bool last, const char *json)
{
    struct shuffle_wire_result head = {.id = call, .exit = (uint8_t)exit_code};
    struct bytes rest = bytes_text(json);

    while (rest.size > PIECE_BYTES) {
        answer_piece(n, client, &head, bytes_of(rest.data, PIECE_BYTES));
        rest = bytes_skip(rest, PIECE_BYTES);
    }
    head.last = last;
    answer_piece(n, client, &head, rest);
}

/* Answers with a report and frees it. */
static void answer_report(struct node *n, uint32_t client, uint32_t call,
        int exit_code, char *report)
{
    struct error err;

    if (strlen(report) > ANSWER_BYTES) {
        (void)error_set(&err, ERR_FULL,
                "the answer has %zu MiB, and at most %d are sent: ask for less",
                strlen(report) >> 20, ANSWER_BYTES >> 20);
        report_free(report);
        report = report_error(err.text);
        exit_code = 1;
    }
    node_answer(n, client, call, exit_code, true, report);
    report_free(report);
}

static void answer_error(struct node *n, uint32_t client, uint32_t call,
        int exit_code, const struct error *err)
{
    answer_report(n, client, call, exit_code, report_error(err->text));
}

/* --- members --- */

static bool is_waiting(
        const struct node *n, uint32_t client, enum local_wait wait)
{
    const struct local_client *c = &n->local.clients[client];

    return c->role == LOCAL_CALLER && c->wait == wait;
}

/* Whoever watches or waits does that alone: there is one such call at a time. */
static bool begin_waiting(
        struct node *n, uint32_t client, enum local_wait wait, uint32_t call)
{
    struct local_client *c = &n->local.clients[client];
    struct error err;

    if (c->wait != LOCAL_WAIT_NONE) {
        (void)error_set(&err, ERR_INVALID,
                "a program waits for one thing at a time: use a connection "
                "for each");
        answer_error(n, client, call, 1, &err);
        return false;
    }
    c->wait = wait;
    c->wait_call = call;
    return true;
}

void node_answer_members(struct node *n)
{
    uint64_t active = UINT64_MAX; /* counted when somebody asks */

    for (uint32_t i = 0; i < LOCAL_CLIENTS_MAX; i++) {
        struct local_client *c = &n->local.clients[i];

        if (!is_waiting(n, i, LOCAL_WAIT_MEMBERS)) {
            continue;
        }
        if (active == UINT64_MAX) {
            active = node_active_count(n);
        }
        if (c->wait_count <= active) {
            c->wait = LOCAL_WAIT_NONE;
            answer_report(n, i, c->wait_call, 0, report_members(n));
        }
    }
}

static void request_members(
        struct node *n, uint32_t client, uint32_t call, const struct request *r)
{
    if (r->wait == 0) {
        answer_report(n, client, call, 0, report_members(n));
    } else if (begin_waiting(n, client, LOCAL_WAIT_MEMBERS, call)) {
        n->local.clients[client].wait_count = r->wait;
        node_answer_members(n);
    }
}

/* --- health and leaving --- */

static void request_health(struct node *n, uint32_t client, uint32_t call)
{
    struct error reason;
    bool healthy = node_is_healthy(n, &reason);

    answer_report(n, client, call, healthy ? 0 : 1, report_health(n));
}

static void request_leave(struct node *n, uint32_t client, uint32_t call)
{
    if (begin_waiting(n, client, LOCAL_WAIT_LEFT, call)) {
        node_log(n, NODE_NOTICE, "a local program asks us to leave");
        node_stop(n, n->now_ms);
    }
}

void node_answer_left(struct node *n)
{
    for (uint32_t i = 0; i < LOCAL_CLIENTS_MAX; i++) {
        if (is_waiting(n, i, LOCAL_WAIT_LEFT)) {
            answer_report(n, i, n->local.clients[i].wait_call, 0,
                    report_state(n->state));
        }
    }
}

/* --- checkpoints --- */

static void request_barrier(struct node *n, uint32_t client, uint32_t call)
{
    if (begin_waiting(n, client, LOCAL_WAIT_CHECKPOINT, call)) {
        checkpoint_request(&n->checkpoint, node_now_us(n), client);
    }
}

/* What a command ends with: no is 1, nobody knows is 5. */
static int barrier_exit(const struct checkpoint_entry *entry)
{
    switch (entry->outcome) {
    case SHUFFLE_OUTCOME_COMMITTED:
        return 0;
    case SHUFFLE_OUTCOME_ABORTED:
        return 1;
    case SHUFFLE_OUTCOME_UNKNOWN:
        break;
    }
    return 5;
}

void node_answer_barrier(
        struct node *n, uint32_t client, const struct checkpoint_result *result)
{
    struct local_client *c = &n->local.clients[client];

    if (!is_waiting(n, client, LOCAL_WAIT_CHECKPOINT)) {
        return;
    }
    c->wait = LOCAL_WAIT_NONE;
    if (result->is_refused) {
        answer_report(n, client, c->wait_call, 5, report_error(result->reason));
    } else {
        answer_report(n, client, c->wait_call, barrier_exit(result->entry),
                report_barrier(result->entry));
    }
}

/* --- keys --- */

static void answer_key(struct node *n, uint32_t client, uint32_t call,
        uint64_t node, struct bytes key, const struct kv_entry *entry)
{
    struct report_key report = {.has_node = true, .node = node, .key = key};

    if (entry != NULL) {
        report.has_value = true;
        report.value = entry->value;
        report.version = entry->version;
    }
    answer_report(n, client, call, 0, report_key(&report));
}

const char *node_own_prefix(struct bytes key)
{
    for (size_t i = 0; i < sizeof(own_prefixes) / sizeof(own_prefixes[0]);
            i++) {
        if (bytes_starts_with(key, bytes_text(own_prefixes[i]))) {
            return own_prefixes[i];
        }
    }
    return NULL;
}

static int check_key(const struct request *r, struct error *err)
{
    const char *prefix = node_own_prefix(r->key);

    return prefix == NULL ? 0
                          : error_set(err, ERR_INVALID,
                                    "keys that begin with \"%s\" are the "
                                    "node's own: take another name",
                                    prefix);
}

static const struct gossip_member *owner_of(
        const struct node *n, const struct request *r)
{
    return r->node == 0 || r->node == n->options.id ? gossip_self(&n->gossip)
                                                    : node_member(n, r->node);
}

static void request_get(
        struct node *n, uint32_t client, uint32_t call, const struct request *r)
{
    const struct gossip_member *owner = owner_of(n, r);
    const struct kv_entry *entry =
            owner == NULL ? NULL : kv_state_get(&owner->state, r->key);
    struct error err;

    if (owner == NULL) {
        (void)error_set(&err, ERR_NOT_FOUND,
                "no node %" PRIu64 " is known here: see weft members", r->node);
        answer_error(n, client, call, 1, &err);
    } else if (entry == NULL) {
        (void)error_set(&err, ERR_NOT_FOUND, "there is no key \"%.*s\"",
                (int)r->key.size, (const char *)r->key.data);
        answer_error(n, client, call, 1, &err);
    } else {
        answer_key(n, client, call, r->node == 0 ? n->options.id : r->node,
                r->key, entry);
    }
}

static void request_set(
        struct node *n, uint32_t client, uint32_t call, const struct request *r)
{
    const struct gossip_member *self = gossip_self(&n->gossip);
    struct error err;
    int code = check_key(r, &err);

    if (code == 0) {
        code = r->ttl ? gossip_set_with_ttl(
                                &n->gossip, n->now_ms, r->key, r->value, &err)
                      : gossip_set(&n->gossip, r->key, r->value, &err);
    }
    if (code != 0) {
        answer_error(n, client, call, 1, &err);
        return;
    }
    answer_key(n, client, call, n->options.id, r->key,
            kv_state_get(&self->state, r->key));
}

static void request_del(
        struct node *n, uint32_t client, uint32_t call, const struct request *r)
{
    struct error err;
    int code = check_key(r, &err);

    if (code == 0) {
        code = gossip_delete(&n->gossip, n->now_ms, r->key, &err);
    }
    if (code != 0) {
        answer_error(n, client, call, 1, &err);
        return;
    }
    answer_key(n, client, call, n->options.id, r->key, NULL);
}

static void request_ls(
        struct node *n, uint32_t client, uint32_t call, const struct request *r)
{
    struct report_keys_filter filter = {
            .prefix = r->prefix,
            .owner = r->all ? NULL : owner_of(n, r),
            .dead = r->dead,
    };
    struct error err;

    if (!r->all && filter.owner == NULL) {
        (void)error_set(&err, ERR_NOT_FOUND,
                "no node %" PRIu64 " is known here: see weft members", r->node);
        answer_error(n, client, call, 1, &err);
        return;
    }
    answer_report(n, client, call, 0, report_keys(n, &filter));
}

static void tell_change(
        struct node *n, uint32_t client, const struct kv_change *change)
{
    struct report_key key = {
            .has_node = true,
            .node = change->node_id,
            .key = change->key,
            .has_value = !change->is_deletion,
            .value = change->value,
            .version = change->version,
    };
    char *report = report_key(&key);

    node_answer(
            n, client, n->local.clients[client].wait_call, 0, false, report);
    report_free(report);
}

void node_answer_key(struct node *n, const struct gossip_action *news)
{
    struct kv_change change;
    struct kv_hit hit;
    size_t cursor = 0;

    if (!gossip_kv_change(&n->gossip, news, &change)) {
        return;
    }
    while (kv_watches_next(&n->watches, &change, &cursor, &hit)) {
        tell_change(n, (uint32_t)hit.tag, &change);
    }
}

/* What is there already: the keys of every live node. */
static void tell_keys(struct node *n, uint32_t client, struct bytes prefix)
{
    struct kv_cursor cursor = {.place = 0};
    struct kv_found found;

    while (kv_scan(&n->kv, bytes_text("node:state"), &cursor, &found)) {
        const struct gossip_member *m = node_member(n, found.node_id);

        for (const struct kv_entry *e = kv_state_first(&m->state, prefix);
                e != NULL; e = kv_state_next(&m->state, e, prefix)) {
            struct kv_change there = {.node_id = found.node_id,
                    .key = e->node.key,
                    .value = e->value,
                    .version = e->version};

            tell_change(n, client, &there);
        }
    }
}

static void request_watch(
        struct node *n, uint32_t client, uint32_t call, const struct request *r)
{
    struct local_client *c = &n->local.clients[client];
    struct kv_watch watch = {.tag = client, .wants_deletions = true};
    struct error err;

    if (r->prefix.size > LOCAL_PREFIX_BYTES) {
        (void)error_set(&err, ERR_INVALID, "a prefix has at most %d bytes",
                LOCAL_PREFIX_BYTES);
        answer_error(n, client, call, 1, &err);
        return;
    }
    if (!begin_waiting(n, client, LOCAL_WAIT_KEYS, call)) {
        return;
    }
    memcpy(c->prefix, r->prefix.data, r->prefix.size);
    watch.prefix = bytes_of(c->prefix, r->prefix.size);
    (void)kv_watches_add(&n->watches, &watch);
    tell_keys(n, client, r->prefix);
}

/* --- all of them --- */

static void dispatch(
        struct node *n, uint32_t client, uint32_t call, const struct request *r)
{
    switch (r->command) {
    case REQUEST_MEMBERS:
        request_members(n, client, call, r);
        break;
    case REQUEST_INFO:
        answer_report(n, client, call, 0, report_info(n));
        break;
    case REQUEST_HEALTH:
        request_health(n, client, call);
        break;
    case REQUEST_LEAVE:
        request_leave(n, client, call);
        break;
    case REQUEST_BARRIER:
        request_barrier(n, client, call);
        break;
    case REQUEST_CHECKPOINTS:
        answer_report(n, client, call, 0, report_checkpoints(n));
        break;
    case REQUEST_KV_GET:
        request_get(n, client, call, r);
        break;
    case REQUEST_KV_SET:
        request_set(n, client, call, r);
        break;
    case REQUEST_KV_DEL:
        request_del(n, client, call, r);
        break;
    case REQUEST_KV_LS:
        request_ls(n, client, call, r);
        break;
    case REQUEST_KV_WATCH:
        request_watch(n, client, call, r);
        break;
    }
}

void node_request(
        struct node *n, uint32_t client, const struct shuffle_wire_call *call)
{
    struct request r;
    struct error err;

    if (request_parse(&r, call->json, &err) != 0) {
        answer_error(n, client, call->id, 2, &err);
        return;
    }
    dispatch(n, client, call->id, &r);
    request_close(&r);
}
