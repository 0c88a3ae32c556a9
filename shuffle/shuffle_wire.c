#include "shuffle/shuffle_wire.h"

#include <assert.h>

/* All fields were there and nothing stands behind them. */
static bool is_exact(const struct reader *r)
{
    return !r->failed && r->rest.size == 0;
}

size_t shuffle_wire_payload_max(uint8_t tag, size_t max_frame_bytes)
{
    switch (tag) {
    case SHUFFLE_TAG_BARRIER:
        return SHUFFLE_BARRIER_BYTES;
    case SHUFFLE_TAG_HELLO:
        return SHUFFLE_HELLO_BYTES;
    case SHUFFLE_TAG_VNODE_DATA:
        return max_frame_bytes;
    case SHUFFLE_TAG_GREET:
    case SHUFFLE_TAG_WELCOME:
    case SHUFFLE_TAG_CONTROL:
    case SHUFFLE_TAG_PING:
    case SHUFFLE_TAG_PONG:
    case SHUFFLE_TAG_OPEN:
    case SHUFFLE_TAG_OPENED:
    case SHUFFLE_TAG_DATA:
    case SHUFFLE_TAG_GRANT:
    case SHUFFLE_TAG_MARK:
    case SHUFFLE_TAG_DONE:
    case SHUFFLE_TAG_FAIL:
    case SHUFFLE_TAG_CALL:
    case SHUFFLE_TAG_RESULT:
    case SHUFFLE_TAG_ATTACH:
    case SHUFFLE_TAG_STATE:
    case SHUFFLE_TAG_OUTCOME:
    case SHUFFLE_TAG_CLOSE:
        return SHUFFLE_FRAME_MAX - 1;
    default:
        return shuffle_wire_is_skippable(tag) ? SHUFFLE_FRAME_MAX - 1 : 0;
    }
}

size_t shuffle_wire_local_payload_max(uint8_t tag, size_t max_frame_bytes)
{
    if (tag == SHUFFLE_TAG_DATA) {
        size_t single = max_frame_bytes + SHUFFLE_MAX_FRAME_EXTRA - 1;

        return single > SHUFFLE_FRAME_MAX - 1 ? single : SHUFFLE_FRAME_MAX - 1;
    }
    return shuffle_wire_payload_max(tag, max_frame_bytes);
}

bool shuffle_wire_is_skippable(uint8_t tag)
{
    return tag >= 0x80 && tag <= 0xBF;
}

static bool is_stage_character(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

bool shuffle_wire_is_stage(struct bytes name)
{
    if (name.size == 0 || name.size > SHUFFLE_STAGE_MAX) {
        return false;
    }
    for (size_t i = 0; i < name.size; i++) {
        if (!is_stage_character(name.data[i])) {
            return false;
        }
    }
    return true;
}

void shuffle_wire_encode_barrier(
        struct writer *w, const struct shuffle_wire_barrier *barrier)
{
    writer_u64le(w, barrier->checkpoint);
    writer_u64le(w, barrier->epoch);
    writer_u64le(w, barrier->flags);
}

bool shuffle_wire_decode_barrier(
        struct bytes payload, struct shuffle_wire_barrier *barrier)
{
    struct reader r = reader_of(payload);

    barrier->checkpoint = reader_u64le(&r);
    barrier->epoch = reader_u64le(&r);
    barrier->flags = reader_u64le(&r);
    return is_exact(&r);
}

void shuffle_wire_encode_hello(struct writer *w, uint64_t node)
{
    writer_u64le(w, node);
}

bool shuffle_wire_decode_hello(struct bytes payload, uint64_t *node)
{
    struct reader r = reader_of(payload);

    *node = reader_u64le(&r);
    return is_exact(&r);
}

void shuffle_wire_encode_vnode_head(struct writer *w, uint32_t vnode)
{
    writer_u32le(w, vnode);
}

bool shuffle_wire_decode_vnode_data(
        struct bytes payload, struct shuffle_wire_vnode_data *data)
{
    struct reader r = reader_of(payload);

    data->vnode = reader_u32le(&r);
    data->body = r.rest;
    return !r.failed;
}

bool shuffle_wire_decode_close(struct bytes payload, struct bytes *reason)
{
    *reason = payload;
    return bytes_is_utf8(payload);
}

void shuffle_wire_encode_greet(
        struct writer *w, const struct shuffle_wire_greet *greet)
{
    writer_u16le(w, greet->version);
    writer_u16le(w, greet->highest_version);
    writer_u64le(w, greet->own_id);
    writer_u64le(w, greet->own_generation);
    writer_u64le(w, greet->peer_id);
    writer_u64le(w, greet->peer_generation);
    writer_u16le(w, greet->hash);
    writer_u32le(w, greet->vnodes);
    writer_string8(w, greet->cluster);
}

bool shuffle_wire_decode_greet(
        struct bytes payload, struct shuffle_wire_greet *greet)
{
    struct reader r = reader_of(payload);

    greet->version = reader_u16le(&r);
    greet->highest_version = reader_u16le(&r);
    greet->own_id = reader_u64le(&r);
    greet->own_generation = reader_u64le(&r);
    greet->peer_id = reader_u64le(&r);
    greet->peer_generation = reader_u64le(&r);
    greet->hash = reader_u16le(&r);
    greet->vnodes = reader_u32le(&r);
    greet->cluster = reader_string8(&r);
    return is_exact(&r);
}

void shuffle_wire_encode_control(
        struct writer *w, const struct shuffle_wire_control *control)
{
    writer_u8(w, control->kind);
    writer_put(w, control->text);
}

bool shuffle_wire_decode_control(
        struct bytes payload, struct shuffle_wire_control *control)
{
    struct reader r = reader_of(payload);

    control->kind = reader_u8(&r);
    control->text = r.rest;
    return !r.failed;
}

void shuffle_wire_encode_ping(struct writer *w, uint64_t token)
{
    writer_u64le(w, token);
}

bool shuffle_wire_decode_ping(struct bytes payload, uint64_t *token)
{
    struct reader r = reader_of(payload);

    *token = reader_u64le(&r);
    return !r.failed;
}

size_t shuffle_wire_sinks_count(const struct shuffle_wire_sinks *sinks)
{
    return sinks->packed.size / SHUFFLE_SINK_BYTES;
}

static struct shuffle_sink_id get_sink(struct reader *r)
{
    struct shuffle_sink_id sink;

    sink.node = reader_u64le(r);
    sink.generation = reader_u64le(r);
    sink.number = reader_u64le(r);
    return sink;
}

struct shuffle_sink_id shuffle_wire_sink_at(
        const struct shuffle_wire_sinks *sinks, size_t index)
{
    struct reader r;

    assert(index < shuffle_wire_sinks_count(sinks));
    r = reader_of(bytes_skip(sinks->packed, index * SHUFFLE_SINK_BYTES));
    return get_sink(&r);
}

void shuffle_wire_put_sink(struct writer *w, const struct shuffle_sink_id *sink)
{
    writer_u64le(w, sink->node);
    writer_u64le(w, sink->generation);
    writer_u64le(w, sink->number);
}

static void put_sinks(struct writer *w, const struct shuffle_wire_sinks *sinks)
{
    size_t count = shuffle_wire_sinks_count(sinks);

    assert(sinks->packed.size % SHUFFLE_SINK_BYTES == 0);
    assert(count >= 1 && count <= SHUFFLE_SINKS_MAX);
    writer_u64le(w, sinks->epoch);
    writer_u16le(w, (uint16_t)count);
    writer_put(w, sinks->packed);
}

/* A placement has a sink, none twice, and no sentinel among them. */
static bool are_ascending(const struct shuffle_wire_sinks *sinks)
{
    uint64_t previous = 0;

    for (size_t i = 0; i < shuffle_wire_sinks_count(sinks); i++) {
        struct shuffle_sink_id sink = shuffle_wire_sink_at(sinks, i);

        if (sink.node <= previous) {
            return false;
        }
        previous = sink.node;
    }
    return previous != 0;
}

static bool get_sinks(struct reader *r, struct shuffle_wire_sinks *sinks)
{
    size_t count;

    sinks->epoch = reader_u64le(r);
    count = reader_u16le(r);
    sinks->packed = reader_take(r, count * SHUFFLE_SINK_BYTES);
    return !r->failed && count <= SHUFFLE_SINKS_MAX && are_ascending(sinks);
}

void shuffle_wire_encode_open(
        struct writer *w, const struct shuffle_wire_open *open)
{
    writer_u32le(w, open->stream);
    writer_u64le(w, open->source.node);
    writer_u64le(w, open->source.generation);
    writer_u32le(w, open->source.number);
    writer_u64le(w, open->placement_id);
    writer_u8(w, open->format);
    writer_string8(w, open->stage);
    put_sinks(w, &open->sinks);
}

bool shuffle_wire_decode_open(
        struct bytes payload, struct shuffle_wire_open *open)
{
    struct reader r = reader_of(payload);

    open->stream = reader_u32le(&r);
    open->source.node = reader_u64le(&r);
    open->source.generation = reader_u64le(&r);
    open->source.number = reader_u32le(&r);
    open->placement_id = reader_u64le(&r);
    open->format = reader_u8(&r);
    open->stage = reader_string8(&r);
    return get_sinks(&r, &open->sinks) && is_exact(&r) &&
           shuffle_wire_is_stage(open->stage);
}

void shuffle_wire_encode_opened(
        struct writer *w, const struct shuffle_wire_opened *opened)
{
    writer_u32le(w, opened->stream);
    writer_u8(w, opened->code);
    writer_u64le(w, opened->next);
    writer_u64le(w, opened->limit);
    if (opened->code == SHUFFLE_OPENED_OTHER_PLACEMENT) {
        put_sinks(w, &opened->sinks);
    }
}

bool shuffle_wire_decode_opened(
        struct bytes payload, struct shuffle_wire_opened *opened)
{
    struct reader r = reader_of(payload);

    *opened = (struct shuffle_wire_opened){.stream = reader_u32le(&r)};
    opened->code = reader_u8(&r);
    opened->next = reader_u64le(&r);
    opened->limit = reader_u64le(&r);
    if (opened->code > SHUFFLE_OPENED_FORMAT) {
        return false;
    }
    if (opened->code == SHUFFLE_OPENED_OTHER_PLACEMENT &&
            !get_sinks(&r, &opened->sinks)) {
        return false;
    }
    return is_exact(&r);
}

void shuffle_wire_encode_data_head(
        struct writer *w, uint32_t stream, uint64_t first)
{
    writer_u32le(w, stream);
    writer_u64le(w, first);
}

bool shuffle_wire_decode_data(
        struct bytes payload, struct shuffle_wire_data *data)
{
    struct reader r = reader_of(payload);

    data->stream = reader_u32le(&r);
    data->first = reader_u64le(&r);
    data->records = r.rest;
    return !r.failed;
}

void shuffle_wire_encode_grant(
        struct writer *w, const struct shuffle_wire_grant *grant)
{
    writer_u32le(w, grant->stream);
    writer_u64le(w, grant->taken);
    writer_u64le(w, grant->limit);
}

bool shuffle_wire_decode_grant(
        struct bytes payload, struct shuffle_wire_grant *grant)
{
    struct reader r = reader_of(payload);

    grant->stream = reader_u32le(&r);
    grant->taken = reader_u64le(&r);
    grant->limit = reader_u64le(&r);
    return !r.failed;
}

void shuffle_wire_encode_mark(
        struct writer *w, const struct shuffle_wire_mark *mark)
{
    writer_u32le(w, mark->stream);
    writer_u64le(w, mark->next);
    writer_u64le(w, mark->checkpoint);
    writer_u64le(w, mark->epoch);
    writer_u64le(w, mark->flags);
}

bool shuffle_wire_decode_mark(
        struct bytes payload, struct shuffle_wire_mark *mark)
{
    struct reader r = reader_of(payload);

    mark->stream = reader_u32le(&r);
    mark->next = reader_u64le(&r);
    mark->checkpoint = reader_u64le(&r);
    mark->epoch = reader_u64le(&r);
    mark->flags = reader_u64le(&r);
    return !r.failed;
}

void shuffle_wire_encode_done(
        struct writer *w, const struct shuffle_wire_done *done)
{
    writer_u32le(w, done->stream);
    writer_u64le(w, done->taken);
}

bool shuffle_wire_decode_done(
        struct bytes payload, struct shuffle_wire_done *done)
{
    struct reader r = reader_of(payload);

    done->stream = reader_u32le(&r);
    done->taken = reader_u64le(&r);
    return !r.failed;
}

void shuffle_wire_encode_fail(
        struct writer *w, const struct shuffle_wire_fail *fail)
{
    writer_u32le(w, fail->stream);
    writer_u64le(w, fail->taken);
    writer_u8(w, fail->code);
    writer_put(w, fail->text);
}

bool shuffle_wire_decode_fail(
        struct bytes payload, struct shuffle_wire_fail *fail)
{
    struct reader r = reader_of(payload);

    fail->stream = reader_u32le(&r);
    fail->taken = reader_u64le(&r);
    fail->code = reader_u8(&r);
    fail->text = r.rest;
    return !r.failed && fail->code >= SHUFFLE_FAIL_NOT_STARTED &&
           fail->code <= SHUFFLE_FAIL_SOURCE_LOST && bytes_is_utf8(fail->text);
}

void shuffle_wire_encode_call(
        struct writer *w, const struct shuffle_wire_call *call)
{
    writer_u32le(w, call->id);
    writer_put(w, call->json);
}

bool shuffle_wire_decode_call(
        struct bytes payload, struct shuffle_wire_call *call)
{
    struct reader r = reader_of(payload);

    call->id = reader_u32le(&r);
    call->json = r.rest;
    return !r.failed;
}

void shuffle_wire_encode_result(
        struct writer *w, const struct shuffle_wire_result *result)
{
    writer_u32le(w, result->id);
    writer_u8(w, result->exit);
    writer_u8(w, result->last ? 1 : 0);
    writer_put(w, result->json);
}

bool shuffle_wire_decode_result(
        struct bytes payload, struct shuffle_wire_result *result)
{
    struct reader r = reader_of(payload);
    uint8_t last;

    result->id = reader_u32le(&r);
    result->exit = reader_u8(&r);
    last = reader_u8(&r);
    result->last = last == 1;
    result->json = r.rest;
    return !r.failed && last <= 1;
}

void shuffle_wire_encode_attach(
        struct writer *w, const struct shuffle_wire_attach *attach)
{
    writer_u8(w, attach->role);
    writer_u8(w, attach->format);
    writer_u32le(w, attach->want);
    writer_string8(w, attach->stage);
}

bool shuffle_wire_decode_attach(
        struct bytes payload, struct shuffle_wire_attach *attach)
{
    struct reader r = reader_of(payload);

    attach->role = reader_u8(&r);
    attach->format = reader_u8(&r);
    attach->want = reader_u32le(&r);
    attach->stage = reader_string8(&r);
    return is_exact(&r) && (attach->role == SHUFFLE_ROLE_SOURCE ||
                                   attach->role == SHUFFLE_ROLE_SINK);
}

void shuffle_wire_encode_state(
        struct writer *w, const struct shuffle_wire_state *state)
{
    writer_u8(w, state->code);
    writer_put(w, state->text);
}

bool shuffle_wire_decode_state(
        struct bytes payload, struct shuffle_wire_state *state)
{
    struct reader r = reader_of(payload);

    state->code = reader_u8(&r);
    state->text = r.rest;
    return !r.failed && state->code <= SHUFFLE_STATE_REFUSED &&
           bytes_is_utf8(state->text);
}

void shuffle_wire_encode_outcome(
        struct writer *w, const struct shuffle_wire_outcome *outcome)
{
    writer_u64le(w, outcome->checkpoint);
    writer_u64le(w, outcome->epoch);
    writer_u8(w, outcome->code);
    writer_put(w, outcome->text);
}

bool shuffle_wire_decode_outcome(
        struct bytes payload, struct shuffle_wire_outcome *outcome)
{
    struct reader r = reader_of(payload);

    outcome->checkpoint = reader_u64le(&r);
    outcome->epoch = reader_u64le(&r);
    outcome->code = reader_u8(&r);
    outcome->text = r.rest;
    return !r.failed && outcome->code >= SHUFFLE_OUTCOME_COMMITTED &&
           outcome->code <= SHUFFLE_OUTCOME_UNKNOWN &&
           bytes_is_utf8(outcome->text);
}
