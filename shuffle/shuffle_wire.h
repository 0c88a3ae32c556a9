/* Every frame of TCP and of the local socket: its tag, its payload, its limit.
 *
 * The frames 02, 04, 05 and FF are LaminarDB's, byte for byte; 10 to 3F go
 * between Weft nodes that have greeted; 40 to 4F, and 30 to 36 with stream 0,
 * go between a node and the programs attached to it (docs/wire.md, "Frames",
 * "Streams", "The local socket"). The header in front of a payload is
 * base/frame.h's; what the records of a DATA frame look like is
 * shuffle/shuffle_record.h's.
 *
 * `encode` writes one payload, without its header, into the caller's writer;
 * whoever wrote too much for it finds `failed` there. `decode` says whether
 * the payload is well formed: all fields there, nothing behind them, values
 * that are possible at all. What it yields is borrowed from the payload. A
 * frame of fixed size with a tag from 10 to 3F may be longer than we know it:
 * the rest is skipped, so that fields can be added. Whether a frame may come
 * at this place and in this direction is not asked here.
 *
 * Pure: no allocation, no state. */
#pragma once

#include "base/bytes.h"
#include "base/reader.h"
#include "base/writer.h"

enum shuffle_tag {
    SHUFFLE_TAG_BARRIER = 0x02,
    SHUFFLE_TAG_HELLO = 0x04,
    SHUFFLE_TAG_VNODE_DATA = 0x05,
    SHUFFLE_TAG_GREET = 0x10,
    SHUFFLE_TAG_WELCOME = 0x11,
    SHUFFLE_TAG_CONTROL = 0x20,
    SHUFFLE_TAG_PING = 0x21,
    SHUFFLE_TAG_PONG = 0x22,
    SHUFFLE_TAG_OPEN = 0x30,
    SHUFFLE_TAG_OPENED = 0x31,
    SHUFFLE_TAG_DATA = 0x32,
    SHUFFLE_TAG_GRANT = 0x33,
    SHUFFLE_TAG_MARK = 0x34,
    SHUFFLE_TAG_DONE = 0x35,
    SHUFFLE_TAG_FAIL = 0x36,
    SHUFFLE_TAG_CALL = 0x40,
    SHUFFLE_TAG_RESULT = 0x41,
    SHUFFLE_TAG_ATTACH = 0x42,
    SHUFFLE_TAG_STATE = 0x43,
    SHUFFLE_TAG_OUTCOME = 0x44,
    SHUFFLE_TAG_CLOSE = 0xFF,
};

enum {
    SHUFFLE_FRAME_MAX = 1 << 20, /* length field of any frame but 05 */
    SHUFFLE_DATA_FRAME_MAX = 64 << 10, /* of a DATA frame of several records */
    SHUFFLE_MAX_FRAME_EXTRA = 64, /* what 05 may have above `max_frame` */
    SHUFFLE_SINKS_MAX = 4096, /* of one placement */
    SHUFFLE_STAGE_MAX = 64, /* bytes of a stage's name */
    SHUFFLE_VERSION = 1, /* of the protocol in GREET */
    SHUFFLE_HASH_XXH3 = 1,

    /* Sizes of payloads, or of what stands in front of their variable part. */
    SHUFFLE_BARRIER_BYTES = 24,
    SHUFFLE_HELLO_BYTES = 8,
    SHUFFLE_VNODE_HEAD_BYTES = 4,
    SHUFFLE_GREET_MAX = 42 + 1 + 255,
    SHUFFLE_PING_BYTES = 8,
    SHUFFLE_SINK_BYTES = 24,
    SHUFFLE_OPEN_HEAD_MAX = 33 + 1 + SHUFFLE_STAGE_MAX + 10,
    SHUFFLE_OPENED_BYTES = 21,
    SHUFFLE_DATA_HEAD_BYTES = 12,
    SHUFFLE_GRANT_BYTES = 20,
    SHUFFLE_MARK_BYTES = 36,
    SHUFFLE_DONE_BYTES = 12,
    SHUFFLE_FAIL_HEAD_BYTES = 13,
    SHUFFLE_RESULT_HEAD_BYTES = 6,
    SHUFFLE_ATTACH_MAX = 6 + 1 + 255,
};

/* The largest payload that a tag may announce; `max_frame_bytes` is the
 * setting. 0 for a tag that is unknown and may not be skipped. */
size_t shuffle_wire_payload_max(uint8_t tag, size_t max_frame_bytes);

/* The same on the local socket, where a DATA frame may hold one record of
 * format 3 that carries a whole 05. */
size_t shuffle_wire_local_payload_max(uint8_t tag, size_t max_frame_bytes);

/* 80 to BF: skipped and counted when unknown. */
bool shuffle_wire_is_skippable(uint8_t tag);

/* 1 to 64 of A-Z a-z 0-9 . _ - */
bool shuffle_wire_is_stage(struct bytes name);

/* Flags of a barrier and of a MARK; unknown ones are carried unchanged. */
enum {
    SHUFFLE_FLAG_FULL_SNAPSHOT = 1,
    SHUFFLE_FLAG_DRAIN = 2,
    SHUFFLE_FLAG_CANCEL = 4,
};

struct shuffle_wire_barrier {
    uint64_t checkpoint;
    uint64_t epoch;
    uint64_t flags;
};

void shuffle_wire_encode_barrier(
        struct writer *w, const struct shuffle_wire_barrier *barrier);
bool shuffle_wire_decode_barrier(
        struct bytes payload, struct shuffle_wire_barrier *barrier);

void shuffle_wire_encode_hello(struct writer *w, uint64_t node);
bool shuffle_wire_decode_hello(struct bytes payload, uint64_t *node);

struct shuffle_wire_vnode_data {
    uint32_t vnode;
    struct bytes body; /* an Arrow IPC stream, unread by us */
};

void shuffle_wire_encode_vnode_head(struct writer *w, uint32_t vnode);
bool shuffle_wire_decode_vnode_data(
        struct bytes payload, struct shuffle_wire_vnode_data *data);

/* The payload of Close is its reason: UTF-8, perhaps empty. */
bool shuffle_wire_decode_close(struct bytes payload, struct bytes *reason);

/* GREET and WELCOME. */
struct shuffle_wire_greet {
    uint16_t version;
    uint16_t highest_version;
    uint64_t own_id;
    uint64_t own_generation;
    uint64_t peer_id;
    uint64_t peer_generation; /* as believed; 0 is unknown */
    uint16_t hash;
    uint32_t vnodes;
    struct bytes cluster; /* up to 255 bytes */
};

void shuffle_wire_encode_greet(
        struct writer *w, const struct shuffle_wire_greet *greet);
bool shuffle_wire_decode_greet(
        struct bytes payload, struct shuffle_wire_greet *greet);

enum shuffle_control_kind {
    SHUFFLE_CONTROL_ANNOUNCEMENT = 1,
    SHUFFLE_CONTROL_ACK = 2,
    SHUFFLE_CONTROL_REQUEST = 3,
};

struct shuffle_wire_control {
    uint8_t kind; /* enum shuffle_control_kind, or one we do not know */
    struct bytes text;
};

void shuffle_wire_encode_control(
        struct writer *w, const struct shuffle_wire_control *control);
bool shuffle_wire_decode_control(
        struct bytes payload, struct shuffle_wire_control *control);

/* PING and PONG. */
void shuffle_wire_encode_ping(struct writer *w, uint64_t token);
bool shuffle_wire_decode_ping(struct bytes payload, uint64_t *token);

/* A source, unique for ever. */
struct shuffle_source_id {
    uint64_t node;
    uint64_t generation;
    uint32_t number; /* counts the sources of that node since its start */
};

/* A sink as placements name it: yesterday's is another than today's. */
struct shuffle_sink_id {
    uint64_t node;
    uint64_t generation;
    uint64_t number; /* counts the sinks of that node since its start */
};

/* The sinks of a placement as the wire has them, 24 bytes each. */
struct shuffle_wire_sinks {
    uint64_t epoch;
    struct bytes packed; /* 1 to SHUFFLE_SINKS_MAX; node ids ascend strictly */
};

size_t shuffle_wire_sinks_count(const struct shuffle_wire_sinks *sinks);
struct shuffle_sink_id shuffle_wire_sink_at(
        const struct shuffle_wire_sinks *sinks, size_t index);
void shuffle_wire_put_sink(
        struct writer *w, const struct shuffle_sink_id *sink);

struct shuffle_wire_open {
    uint32_t stream;
    struct shuffle_source_id source;
    uint64_t placement_id;
    uint8_t format;
    struct bytes stage;
    struct shuffle_wire_sinks sinks; /* at least one */
};

void shuffle_wire_encode_open(
        struct writer *w, const struct shuffle_wire_open *open);
bool shuffle_wire_decode_open(
        struct bytes payload, struct shuffle_wire_open *open);

enum shuffle_opened_code {
    SHUFFLE_OPENED_OK = 0,
    SHUFFLE_OPENED_NO_SINK = 1,
    SHUFFLE_OPENED_OTHER_PLACEMENT = 2,
    SHUFFLE_OPENED_FULL = 3,
    SHUFFLE_OPENED_FORMAT = 4,
};

struct shuffle_wire_opened {
    uint32_t stream;
    uint8_t code; /* enum shuffle_opened_code; never another one */
    uint64_t next;
    uint64_t limit;
    struct shuffle_wire_sinks sinks; /* with code 2 alone */
};

void shuffle_wire_encode_opened(
        struct writer *w, const struct shuffle_wire_opened *opened);
bool shuffle_wire_decode_opened(
        struct bytes payload, struct shuffle_wire_opened *opened);

struct shuffle_wire_data {
    uint32_t stream;
    uint64_t first; /* the number of its first record */
    struct bytes records; /* not looked at: shuffle/shuffle_record.h */
};

void shuffle_wire_encode_data_head(
        struct writer *w, uint32_t stream, uint64_t first);
bool shuffle_wire_decode_data(
        struct bytes payload, struct shuffle_wire_data *data);

/* Counts and limits are absolute: a repeated frame changes nothing. */
struct shuffle_wire_grant {
    uint32_t stream;
    uint64_t taken; /* records that the sink has confirmed */
    uint64_t limit; /* record bytes allowed since the beginning */
};

void shuffle_wire_encode_grant(
        struct writer *w, const struct shuffle_wire_grant *grant);
bool shuffle_wire_decode_grant(
        struct bytes payload, struct shuffle_wire_grant *grant);

struct shuffle_wire_mark {
    uint32_t stream;
    uint64_t next; /* records before it */
    uint64_t checkpoint;
    uint64_t epoch;
    uint64_t flags;
};

void shuffle_wire_encode_mark(
        struct writer *w, const struct shuffle_wire_mark *mark);
bool shuffle_wire_decode_mark(
        struct bytes payload, struct shuffle_wire_mark *mark);

struct shuffle_wire_done {
    uint32_t stream;
    uint64_t taken;
};

void shuffle_wire_encode_done(
        struct writer *w, const struct shuffle_wire_done *done);
bool shuffle_wire_decode_done(
        struct bytes payload, struct shuffle_wire_done *done);

enum shuffle_fail_code {
    SHUFFLE_FAIL_NOT_STARTED = 1,
    SHUFFLE_FAIL_SINK_LEFT = 2,
    SHUFFLE_FAIL_NODE_LOST = 3,
    SHUFFLE_FAIL_DRAINING = 4,
    SHUFFLE_FAIL_SOURCE_LOST = 5,
};

struct shuffle_wire_fail {
    uint32_t stream;
    uint64_t taken;
    uint8_t code; /* enum shuffle_fail_code; never another one */
    struct bytes text; /* UTF-8 */
};

void shuffle_wire_encode_fail(
        struct writer *w, const struct shuffle_wire_fail *fail);
bool shuffle_wire_decode_fail(
        struct bytes payload, struct shuffle_wire_fail *fail);

struct shuffle_wire_call {
    uint32_t id;
    struct bytes json;
};

void shuffle_wire_encode_call(
        struct writer *w, const struct shuffle_wire_call *call);
bool shuffle_wire_decode_call(
        struct bytes payload, struct shuffle_wire_call *call);

struct shuffle_wire_result {
    uint32_t id;
    uint8_t exit;
    bool last;
    struct bytes json;
};

void shuffle_wire_encode_result(
        struct writer *w, const struct shuffle_wire_result *result);
bool shuffle_wire_decode_result(
        struct bytes payload, struct shuffle_wire_result *result);

enum shuffle_role {
    SHUFFLE_ROLE_SOURCE = 1,
    SHUFFLE_ROLE_SINK = 2,
};

struct shuffle_wire_attach {
    uint8_t role; /* enum shuffle_role; never another one */
    uint8_t format;
    uint32_t want; /* sinks or sources to wait for; of a sink, 0 = follow */
    struct bytes stage; /* not judged: a wrong name deserves a sentence */
};

void shuffle_wire_encode_attach(
        struct writer *w, const struct shuffle_wire_attach *attach);
bool shuffle_wire_decode_attach(
        struct bytes payload, struct shuffle_wire_attach *attach);

enum shuffle_state_code {
    SHUFFLE_STATE_ATTACHED = 0,
    SHUFFLE_STATE_WAITING = 1,
    SHUFFLE_STATE_REFUSED = 2,
};

struct shuffle_wire_state {
    uint8_t code; /* enum shuffle_state_code; never another one */
    struct bytes text; /* UTF-8 */
};

void shuffle_wire_encode_state(
        struct writer *w, const struct shuffle_wire_state *state);
bool shuffle_wire_decode_state(
        struct bytes payload, struct shuffle_wire_state *state);

enum shuffle_outcome_code {
    SHUFFLE_OUTCOME_COMMITTED = 1,
    SHUFFLE_OUTCOME_ABORTED = 2,
    SHUFFLE_OUTCOME_UNKNOWN = 3,
};

struct shuffle_wire_outcome {
    uint64_t checkpoint;
    uint64_t epoch;
    uint8_t code; /* enum shuffle_outcome_code; never another one */
    struct bytes text; /* UTF-8 */
};

void shuffle_wire_encode_outcome(
        struct writer *w, const struct shuffle_wire_outcome *outcome);
bool shuffle_wire_decode_outcome(
        struct bytes payload, struct shuffle_wire_outcome *outcome);
