/* Programs at the local sockets of simulated nodes: `weft send`, `weft recv`
 * and `weft barrier`, as far as a node can tell. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shuffle/shuffle_record.h"
#include "tests/sim/world_inner.h"

enum {
    RECORD_BYTES = 16, /* source and number; more is padding */
    BATCH_MAX = 64, /* records that a source sends in one go */
    WAKE_LATE_US = 60,
    CALL_ID = 1,
};

static struct world_client *find(const struct world *w, size_t program)
{
    assert(program < w->programs_count);
    return w->programs[program];
}

static struct world_node *node_of(
        const struct world *w, const struct world_client *c)
{
    return w->nodes[c->facts.node];
}

static bool is_over(const struct world_client *c)
{
    return c->facts.state >= WORLD_DONE;
}

void world_schedule(struct world *w, struct world_client *c, uint64_t at_us)
{
    if (c->is_scheduled && c->at_us <= at_us) {
        return;
    }
    c->is_scheduled = true;
    c->at_us = at_us;
    world_at(w, at_us, WORLD_PROGRAM)->program = c->facts.number;
}

/* --- what a program says ----------------------------------------------------- */

static void put(struct world *w, struct world_client *c, uint8_t tag,
        struct bytes payload)
{
    uint8_t header[FRAME_HEADER_BYTES];

    frame_put_header(header, tag, payload.size);
    world_bytes_add(&c->to_node, bytes_of(header, sizeof(header)));
    world_bytes_add(&c->to_node, payload);
    if (c->is_connected) {
        world_wake(w, node_of(w, c));
    }
}

static void put_attach(
        struct world *w, struct world_client *c, uint8_t role, uint32_t want)
{
    const struct shuffle_wire_attach attach = {.role = role,
            .format = SHUFFLE_FORMAT_WHOLE,
            .want = want,
            .stage = bytes_text(c->facts.stage)};
    uint8_t payload[SHUFFLE_ATTACH_MAX];
    struct writer writer = writer_of(payload, sizeof(payload));

    shuffle_wire_encode_attach(&writer, &attach);
    put(w, c, SHUFFLE_TAG_ATTACH, writer_bytes(&writer));
}

static void put_grant(struct world *w, struct world_client *c)
{
    const struct shuffle_wire_grant grant = {
            .taken = c->facts.taken, .limit = c->taken_bytes + c->window_bytes};
    uint8_t payload[SHUFFLE_GRANT_BYTES];
    struct writer writer = writer_of(payload, sizeof(payload));

    shuffle_wire_encode_grant(&writer, &grant);
    put(w, c, SHUFFLE_TAG_GRANT, writer_bytes(&writer));
    c->granted_bytes = c->taken_bytes;
    c->granted_records = c->facts.taken;
}

static void put_mark(struct world *w, struct world_client *c,
        const struct shuffle_wire_mark *mark)
{
    uint8_t payload[SHUFFLE_MARK_BYTES];
    struct writer writer = writer_of(payload, sizeof(payload));

    shuffle_wire_encode_mark(&writer, mark);
    put(w, c, SHUFFLE_TAG_MARK, writer_bytes(&writer));
}

static void put_done(struct world *w, struct world_client *c)
{
    const struct shuffle_wire_done done = {.taken = c->facts.taken};
    uint8_t payload[SHUFFLE_DONE_BYTES];
    struct writer writer = writer_of(payload, sizeof(payload));

    shuffle_wire_encode_done(&writer, &done);
    put(w, c, SHUFFLE_TAG_DONE, writer_bytes(&writer));
}

/* --- how it ends ---------------------------------------------------------------- */

static const char *role_name(const struct world_client *c)
{
    static const char *const names[] = {"source", "sink", "caller"};

    return names[c->facts.role];
}

/* The program exits, and its system closes its socket. */
static void exit_program(struct world *w, struct world_client *c,
        enum world_program_state state, struct bytes text)
{
    if (is_over(c)) {
        return;
    }
    c->facts.state = state;
    if (text.size > 0) {
        (void)snprintf(c->facts.text, sizeof(c->facts.text), "%.*s",
                (int)text.size, (const char *)text.data);
    }
    world_trace(w,
            "%s %zu at node %" PRIu64 " is over (%d), %" PRIu64
            " taken of %" PRIu64 ": %s",
            role_name(c), c->facts.number, c->facts.node, (int)state,
            c->facts.taken, c->facts.sent, c->facts.text);
    world_note(w, state);
    if (c->facts.role == WORLD_SOURCE) {
        world_check_source_end(w, c);
    }
    c->has_closed = true;
    if (c->is_connected) {
        world_wake(w, node_of(w, c));
    }
}

void world_leave(struct world *w, size_t program)
{
    exit_program(
            w, find(w, program), WORLD_LEFT, bytes_text("the program died"));
}

/* What has come before the end is still read. */
void world_cut_off(struct world *w, struct world_client *c)
{
    c->is_connected = false;
    c->is_cut_off = true;
    world_schedule(w, c, w->now_us + world_up_to(w, WAKE_LATE_US));
}

/* --- what a program is told ----------------------------------------------------- */

static void add_mark(struct world_client *c,
        const struct shuffle_wire_mark *mark, uint64_t records)
{
    struct world_program *p = &c->facts;

    if (p->marks_count == c->marks_capacity) {
        c->marks_capacity = 2 * c->marks_capacity + 8;
        p->marks = realloc(p->marks, c->marks_capacity * sizeof(p->marks[0]));
        assert(p->marks != NULL);
    }
    p->marks[p->marks_count++] =
            (struct world_mark){.checkpoint = mark->checkpoint,
                    .epoch = mark->epoch,
                    .records = records};
}

static void on_state(
        struct world *w, struct world_client *c, struct bytes payload)
{
    struct shuffle_wire_state state;

    if (!shuffle_wire_decode_state(payload, &state)) {
        world_fail(
                w, "node %" PRIu64 " says a STATE that is none", c->facts.node);
    }
    world_trace(w, "%s %zu at node %" PRIu64 ": state %d, %.*s", role_name(c),
            c->facts.number, c->facts.node, state.code, (int)state.text.size,
            (const char *)state.text.data);
    switch ((enum shuffle_state_code)state.code) {
    case SHUFFLE_STATE_ATTACHED:
        c->facts.state = WORLD_RUNNING;
        c->next_us = w->now_us;
        break;
    case SHUFFLE_STATE_WAITING:
        break;
    case SHUFFLE_STATE_REFUSED:
        exit_program(w, c, WORLD_FAILED, state.text);
        break;
    }
}

/* Who sends what no source of this world has sent? */
static void check_sender(const struct world *w, const struct world_client *c,
        const struct world_record *record)
{
    if (record->source >= w->programs_count ||
            w->programs[record->source]->facts.role != WORLD_SOURCE ||
            record->number >= w->programs[record->source]->facts.sent) {
        world_fail(w, "sink %zu was sent record %" PRIu64 " of program %zu",
                c->facts.number, record->number, record->source);
    }
}

static void add_record(
        struct world *w, struct world_client *c, struct bytes body)
{
    struct world_program *p = &c->facts;
    struct world_record record;
    uint64_t words[2];

    if (body.size < sizeof(words)) {
        world_fail(w, "sink %zu was sent a record of %zu bytes", p->number,
                body.size);
    }
    memcpy(words, body.data, sizeof(words));
    record = (struct world_record){
            .source = (size_t)words[0], .number = words[1]};
    check_sender(w, c, &record);
    if (p->records_count == c->records_capacity) {
        c->records_capacity = 2 * c->records_capacity + 64;
        p->records = realloc(
                p->records, c->records_capacity * sizeof(p->records[0]));
        assert(p->records != NULL);
    }
    p->records[p->records_count++] = record;
    world_check_record(w, c);
}

static void on_data(
        struct world *w, struct world_client *c, struct bytes payload)
{
    struct shuffle_wire_data data;
    struct shuffle_records records;
    struct shuffle_record record;
    size_t count = 0;

    if (!shuffle_wire_decode_data(payload, &data)) {
        world_fail(
                w, "node %" PRIu64 " says a DATA that is none", c->facts.node);
    }
    records = shuffle_records_of(
            data.records, SHUFFLE_FORMAT_WHOLE, SHUFFLE_RECORD_MAX);
    while (shuffle_records_next(&records, &record)) {
        add_record(w, c, record.body);
        c->taken_bytes += record.whole.size;
        c->facts.taken++;
        count++;
    }
    c->next_us = w->now_us + count * c->pace_us;
}

static void on_mark(
        struct world *w, struct world_client *c, struct bytes payload)
{
    struct shuffle_wire_mark mark;

    if (!shuffle_wire_decode_mark(payload, &mark)) {
        world_fail(
                w, "node %" PRIu64 " says a MARK that is none", c->facts.node);
    }
    world_trace(w,
            "%s %zu at node %" PRIu64 ": mark of epoch %" PRIu64 " (%" PRIx64
            ") at %" PRIu64 ", flags %" PRIu64,
            role_name(c), c->facts.number, c->facts.node, mark.epoch,
            mark.checkpoint,
            c->facts.role == WORLD_SOURCE ? mark.next : c->facts.taken,
            mark.flags);
    if (c->facts.role == WORLD_SOURCE) {
        add_mark(c, &mark, mark.next);
        if (world_is_committed(w, mark.checkpoint)) {
            world_check_cut(w, c, mark.checkpoint);
        }
    } else if ((mark.flags & SHUFFLE_FLAG_DRAIN) == 0) {
        add_mark(c, &mark, c->facts.taken);
        put_grant(w, c);
        put_mark(w, c, &mark);
    } else {
        put_grant(w, c);
        put_done(w, c);
        exit_program(w, c,
                c->facts.lost_sources > 0 ? WORLD_FAILED : WORLD_DONE,
                bytes_of(NULL, 0));
    }
}

static void on_outcome(
        struct world *w, struct world_client *c, struct bytes payload)
{
    struct shuffle_wire_outcome outcome;

    if (!shuffle_wire_decode_outcome(payload, &outcome)) {
        world_fail(w, "node %" PRIu64 " says an OUTCOME that is none",
                c->facts.node);
    }
    world_trace(w, "%s %zu at node %" PRIu64 ": outcome %d of epoch %" PRIu64,
            role_name(c), c->facts.number, c->facts.node, outcome.code,
            outcome.epoch);
    world_check_outcome(w, c, &outcome);
}

static void on_done(
        struct world *w, struct world_client *c, struct bytes payload)
{
    struct shuffle_wire_done done;

    if (!shuffle_wire_decode_done(payload, &done)) {
        world_fail(
                w, "node %" PRIu64 " says a DONE that is none", c->facts.node);
    }
    c->facts.taken = done.taken;
    exit_program(w, c, done.taken == c->facts.sent ? WORLD_DONE : WORLD_FAILED,
            bytes_of(NULL, 0));
}

static void on_fail(
        struct world *w, struct world_client *c, struct bytes payload)
{
    struct shuffle_wire_fail failed;

    if (!shuffle_wire_decode_fail(payload, &failed)) {
        world_fail(
                w, "node %" PRIu64 " says a FAIL that is none", c->facts.node);
    }
    if (c->facts.role == WORLD_SINK &&
            failed.code == SHUFFLE_FAIL_SOURCE_LOST) {
        c->facts.lost_sources++;
        world_trace(w, "sink %zu: %.*s", c->facts.number, (int)failed.text.size,
                (const char *)failed.text.data);
        return;
    }
    if (c->facts.role == WORLD_SOURCE) {
        c->facts.taken = failed.taken;
    }
    exit_program(w, c, WORLD_FAILED, failed.text);
}

static void on_result(
        struct world *w, struct world_client *c, struct bytes payload)
{
    struct shuffle_wire_result result;

    if (!shuffle_wire_decode_result(payload, &result)) {
        world_fail(w, "node %" PRIu64 " says a RESULT that is none",
                c->facts.node);
    }
    if (c->facts.role == WORLD_CALLER) {
        c->facts.exit_code = result.exit;
        exit_program(w, c, result.exit == 0 ? WORLD_DONE : WORLD_FAILED,
                result.json);
    }
}

static void on_frame(
        struct world *w, struct world_client *c, const struct frame *frame)
{
    switch (frame->tag) {
    case SHUFFLE_TAG_STATE:
        on_state(w, c, frame->payload);
        break;
    case SHUFFLE_TAG_DATA:
        on_data(w, c, frame->payload);
        break;
    case SHUFFLE_TAG_MARK:
        on_mark(w, c, frame->payload);
        break;
    case SHUFFLE_TAG_OUTCOME:
        on_outcome(w, c, frame->payload);
        break;
    case SHUFFLE_TAG_DONE:
        on_done(w, c, frame->payload);
        break;
    case SHUFFLE_TAG_FAIL:
        on_fail(w, c, frame->payload);
        break;
    case SHUFFLE_TAG_RESULT:
        on_result(w, c, frame->payload);
        break;
    default:
        world_fail(w, "node %" PRIu64 " says a frame of tag %02x to a %s",
                c->facts.node, frame->tag, role_name(c));
    }
}

/* --- acting ------------------------------------------------------------------------ */

/* One frame, if a whole one has come. */
static bool take_frame(struct world *w, struct world_client *c)
{
    struct frame frame;
    size_t size;

    if (frame_peek(world_bytes_view(&c->from_node), &frame, &size) !=
            FRAME_WHOLE) {
        return false;
    }
    on_frame(w, c, &frame);
    world_bytes_drop(&c->from_node, size);
    if (c->is_connected) {
        world_wake(w, node_of(w, c));
    }
    return true;
}

/* A sink takes its time over each frame, and then the next. */
static void act_as_sink(struct world *w, struct world_client *c)
{
    while (!is_over(c) && c->next_us <= w->now_us && take_frame(w, c)) {
        if (c->taken_bytes - c->granted_bytes >= c->window_bytes / 8) {
            put_grant(w, c);
        }
    }
    if (is_over(c)) {
        return;
    }
    if (c->next_us > w->now_us) {
        world_schedule(w, c, c->next_us);
    } else if (c->facts.taken > c->granted_records) {
        put_grant(w, c);
    }
}

static size_t put_record(
        const struct world_client *c, uint64_t number, uint8_t *at)
{
    uint64_t words[2] = {c->facts.number, number};
    size_t size = c->record_bytes;

    memset(at, 0, SHUFFLE_WHOLE_HEAD_BYTES + size);
    at[0] = (uint8_t)size;
    at[1] = (uint8_t)(size >> 8);
    memcpy(at + SHUFFLE_WHOLE_HEAD_BYTES, words, sizeof(words));
    return SHUFFLE_WHOLE_HEAD_BYTES + size;
}

static bool has_more(const struct world_client *c)
{
    return !c->is_ending && (c->records == 0 || c->facts.sent < c->records);
}

/* The records that are due, in one frame. */
static void send_batch(struct world *w, struct world_client *c)
{
    uint8_t payload[SHUFFLE_DATA_FRAME_MAX];
    struct writer writer = writer_of(payload, sizeof(payload));
    size_t most = 1 + (size_t)world_up_to(w, BATCH_MAX - 1);
    size_t size = SHUFFLE_DATA_HEAD_BYTES;
    size_t count = 0;

    shuffle_wire_encode_data_head(&writer, 0, c->facts.sent);
    while (has_more(c) && count < most && c->next_us <= w->now_us &&
            size + SHUFFLE_WHOLE_HEAD_BYTES + c->record_bytes <
                    sizeof(payload)) {
        size += put_record(c, c->facts.sent, payload + size);
        c->facts.sent++;
        c->next_us += c->pace_us;
        count++;
    }
    if (count > 0) {
        put(w, c, SHUFFLE_TAG_DATA, bytes_of(payload, size));
    }
}

static void act_as_source(struct world *w, struct world_client *c)
{
    while (!is_over(c) && take_frame(w, c)) {
        /* all that has come */
    }
    if (c->facts.state != WORLD_RUNNING || c->has_drained) {
        return;
    }
    while (has_more(c) && c->next_us <= w->now_us &&
            c->to_node.size < WORLD_LOCAL_BYTES / 2) {
        send_batch(w, c);
    }
    if (!has_more(c)) {
        const struct shuffle_wire_mark mark = {
                .next = c->facts.sent, .flags = SHUFFLE_FLAG_DRAIN};

        c->has_drained = true;
        put_mark(w, c, &mark);
    } else if (c->next_us > w->now_us) {
        world_schedule(w, c, c->next_us);
    }
}

static void act_as_caller(struct world *w, struct world_client *c)
{
    while (!is_over(c) && take_frame(w, c)) {
        /* all that has come */
    }
}

void world_act(struct world *w, size_t program)
{
    struct world_client *c = find(w, program);

    if (!c->is_scheduled || c->at_us > w->now_us) {
        return; /* it was scheduled anew */
    }
    c->is_scheduled = false;
    if (is_over(c) || c->hangs) {
        return;
    }
    switch (c->facts.role) {
    case WORLD_SOURCE:
        act_as_source(w, c);
        break;
    case WORLD_SINK:
        act_as_sink(w, c);
        break;
    case WORLD_CALLER:
        act_as_caller(w, c);
        break;
    }
    if (c->is_cut_off && !is_over(c) && c->next_us <= w->now_us) {
        exit_program(w, c, WORLD_FAILED,
                bytes_text("the node ended before the end of the input"));
    }
}

/* --- made and told --------------------------------------------------------------------- */

static struct world_client *create(
        struct world *w, enum world_role role, uint64_t node, const char *stage)
{
    struct world_client *c = calloc(1, sizeof(*c));

    assert(c != NULL && w->nodes[node]->is_up);
    if (w->programs_count == w->programs_capacity) {
        w->programs_capacity = 2 * w->programs_capacity + 16;
        w->programs = realloc(
                w->programs, w->programs_capacity * sizeof(w->programs[0]));
        assert(w->programs != NULL);
    }
    c->facts = (struct world_program){.role = role,
            .node = node,
            .node_life = w->nodes[node]->life,
            .number = w->programs_count};
    (void)snprintf(c->facts.stage, sizeof(c->facts.stage), "%s", stage);
    c->is_connected = true;
    w->programs[w->programs_count++] = c;
    world_wake(w, w->nodes[node]);
    return c;
}

size_t world_source(struct world *w, const struct world_source_options *o)
{
    struct world_client *c = create(w, WORLD_SOURCE, o->node, o->stage);

    c->records = o->records;
    c->pace_us = o->pace_us;
    c->record_bytes =
            o->record_bytes > RECORD_BYTES ? o->record_bytes : RECORD_BYTES;
    assert(c->record_bytes < SHUFFLE_DATA_FRAME_MAX / 2);
    put_attach(w, c, SHUFFLE_ROLE_SOURCE, o->sinks);
    return c->facts.number;
}

size_t world_sink(struct world *w, const struct world_sink_options *o)
{
    struct world_client *c = create(w, WORLD_SINK, o->node, o->stage);

    c->pace_us = o->pace_us;
    c->window_bytes = o->window_bytes > 0 ? o->window_bytes : 64 * 1024;
    put_attach(w, c, SHUFFLE_ROLE_SINK, o->sources);
    put_grant(w, c);
    return c->facts.number;
}

size_t world_call(struct world *w, uint64_t node, const char *json)
{
    struct world_client *c = create(w, WORLD_CALLER, node, "");
    const struct shuffle_wire_call call = {
            .id = CALL_ID, .json = bytes_text(json)};
    uint8_t payload[1024];
    struct writer writer = writer_of(payload, sizeof(payload));

    shuffle_wire_encode_call(&writer, &call);
    assert(!writer.failed);
    put(w, c, SHUFFLE_TAG_CALL, writer_bytes(&writer));
    c->facts.state = WORLD_RUNNING;
    return c->facts.number;
}

size_t world_barrier(struct world *w, uint64_t node)
{
    return world_call(w, node, "{\"cmd\":\"barrier\"}");
}

void world_end(struct world *w, size_t program)
{
    struct world_client *c = find(w, program);

    c->is_ending = true;
    world_schedule(w, c, w->now_us);
}

void world_hang(struct world *w, size_t program, bool hangs)
{
    struct world_client *c = find(w, program);

    c->hangs = hangs;
    world_schedule(w, c, w->now_us);
}

void world_pace(struct world *w, size_t program, uint64_t pace_us)
{
    struct world_client *c = find(w, program);

    c->pace_us = pace_us;
    if (c->next_us > w->now_us + pace_us) {
        c->next_us = w->now_us + pace_us;
    }
    world_schedule(w, c, w->now_us);
}

void world_close_program(struct world_client *c)
{
    world_bytes_close(&c->to_node);
    world_bytes_close(&c->from_node);
    free(c->facts.records);
    free(c->facts.marks);
    free(c->nexts);
    free(c->seen);
}
