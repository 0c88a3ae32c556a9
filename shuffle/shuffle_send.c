#include "shuffle/shuffle_send.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum {
    SMALL_BYTES = SHUFFLE_MARK_BYTES,
    TEXT_MAX = 512,
    NODES_NAMED_MAX = 6,
};

static void send_frame(struct shuffle_streams *st, uint32_t link,
        enum shuffle_tag tag, struct bytes payload)
{
    struct shuffle_streams_action action = {
            .type = SHUFFLE_STREAMS_FRAME, .link = link, .tag = (uint8_t)tag};

    assert(link != 0);
    shuffle_actions_push(&st->actions, &action, payload);
}

static void tell_frame(struct shuffle_streams *st, uint32_t client,
        enum shuffle_tag tag, struct bytes payload)
{
    struct shuffle_streams_action action = {
            .type = SHUFFLE_STREAMS_CLIENT_FRAME,
            .client = client,
            .tag = (uint8_t)tag};

    shuffle_actions_push(&st->actions, &action, payload);
}

void shuffle_send_opened(struct shuffle_streams *st, uint32_t link,
        const struct shuffle_wire_opened *opened)
{
    struct writer w = writer_of(st->scratch, st->scratch_capacity);

    shuffle_wire_encode_opened(&w, opened);
    assert(!w.failed);
    send_frame(st, link, SHUFFLE_TAG_OPENED, writer_bytes(&w));
}

void shuffle_send_grant(struct shuffle_streams *st, uint32_t link,
        uint32_t stream, uint64_t taken, uint64_t limit)
{
    const struct shuffle_wire_grant grant = {stream, taken, limit};
    uint8_t payload[SMALL_BYTES];
    struct writer w = writer_of(payload, sizeof(payload));

    shuffle_wire_encode_grant(&w, &grant);
    send_frame(st, link, SHUFFLE_TAG_GRANT, writer_bytes(&w));
}

static struct bytes encode_mark(
        struct writer *w, const struct shuffle_wire_mark *mark)
{
    shuffle_wire_encode_mark(w, mark);
    assert(!w->failed);
    return writer_bytes(w);
}

void shuffle_send_mark(struct shuffle_streams *st, uint32_t link,
        const struct shuffle_wire_mark *mark)
{
    uint8_t payload[SMALL_BYTES];
    struct writer w = writer_of(payload, sizeof(payload));

    send_frame(st, link, SHUFFLE_TAG_MARK, encode_mark(&w, mark));
}

static struct bytes encode_done(
        struct writer *w, uint32_t stream, uint64_t taken)
{
    const struct shuffle_wire_done done = {stream, taken};

    shuffle_wire_encode_done(w, &done);
    assert(!w->failed);
    return writer_bytes(w);
}

void shuffle_send_done(struct shuffle_streams *st, uint32_t link,
        uint32_t stream, uint64_t taken)
{
    uint8_t payload[SMALL_BYTES];
    struct writer w = writer_of(payload, sizeof(payload));

    send_frame(st, link, SHUFFLE_TAG_DONE, encode_done(&w, stream, taken));
}

static struct bytes encode_fail(struct writer *w, uint32_t stream,
        uint64_t taken, enum shuffle_fail_code code, const char *text)
{
    const struct shuffle_wire_fail fail = {
            stream, taken, (uint8_t)code, bytes_text(text)};

    shuffle_wire_encode_fail(w, &fail);
    assert(!w->failed);
    return writer_bytes(w);
}

void shuffle_send_fail(struct shuffle_streams *st, uint32_t link,
        uint32_t stream, uint64_t taken, enum shuffle_fail_code code,
        const char *text)
{
    uint8_t payload[TEXT_MAX];
    struct writer w = writer_of(payload, sizeof(payload));

    send_frame(st, link, SHUFFLE_TAG_FAIL,
            encode_fail(&w, stream, taken, code, text));
}

void shuffle_tell_state(struct shuffle_streams *st, uint32_t client,
        enum shuffle_state_code code, const char *text)
{
    const struct shuffle_wire_state state = {(uint8_t)code, bytes_text(text)};
    uint8_t payload[TEXT_MAX];
    struct writer w = writer_of(payload, sizeof(payload));

    shuffle_wire_encode_state(&w, &state);
    assert(!w.failed);
    tell_frame(st, client, SHUFFLE_TAG_STATE, writer_bytes(&w));
}

void shuffle_tell_mark(struct shuffle_streams *st, uint32_t client,
        const struct shuffle_wire_mark *mark)
{
    uint8_t payload[SMALL_BYTES];
    struct writer w = writer_of(payload, sizeof(payload));

    tell_frame(st, client, SHUFFLE_TAG_MARK, encode_mark(&w, mark));
}

void shuffle_tell_outcome(struct shuffle_streams *st, uint32_t client,
        const struct shuffle_wire_outcome *outcome)
{
    uint8_t payload[TEXT_MAX];
    struct writer w = writer_of(payload, sizeof(payload));

    shuffle_wire_encode_outcome(&w, outcome);
    assert(!w.failed);
    tell_frame(st, client, SHUFFLE_TAG_OUTCOME, writer_bytes(&w));
}

void shuffle_tell_done(
        struct shuffle_streams *st, uint32_t client, uint64_t taken)
{
    uint8_t payload[SMALL_BYTES];
    struct writer w = writer_of(payload, sizeof(payload));

    tell_frame(st, client, SHUFFLE_TAG_DONE, encode_done(&w, 0, taken));
}

void shuffle_tell_fail(struct shuffle_streams *st, uint32_t client,
        uint64_t taken, enum shuffle_fail_code code, const char *text)
{
    uint8_t payload[TEXT_MAX];
    struct writer w = writer_of(payload, sizeof(payload));

    tell_frame(st, client, SHUFFLE_TAG_FAIL,
            encode_fail(&w, 0, taken, code, text));
}

void shuffle_tell_block(
        struct shuffle_streams *st, uint32_t client, struct block *block)
{
    struct shuffle_streams_action action = {
            .type = SHUFFLE_STREAMS_CLIENT_BLOCK,
            .client = client,
            .block = block};

    shuffle_actions_push(&st->actions, &action, bytes_of(NULL, 0));
}

void shuffle_tell_read(struct shuffle_streams *st, uint32_t client, bool on)
{
    struct shuffle_streams_action action = {
            .type = SHUFFLE_STREAMS_CLIENT_READ, .client = client, .on = on};

    shuffle_actions_push(&st->actions, &action, bytes_of(NULL, 0));
}

void shuffle_tell_close(struct shuffle_streams *st, uint32_t client)
{
    struct shuffle_streams_action action = {
            .type = SHUFFLE_STREAMS_CLIENT_CLOSE, .client = client};

    shuffle_actions_push(&st->actions, &action, bytes_of(NULL, 0));
}

void shuffle_tell_refused(
        struct shuffle_streams *st, uint32_t client, const char *text)
{
    shuffle_tell_state(st, client, SHUFFLE_STATE_REFUSED, text);
    shuffle_tell_close(st, client);
}

const char *shuffle_fail_text(enum shuffle_fail_code code)
{
    switch (code) {
    case SHUFFLE_FAIL_NOT_STARTED:
        return "the source never counted here";
    case SHUFFLE_FAIL_SINK_LEFT:
        return "the sink left";
    case SHUFFLE_FAIL_NODE_LOST:
        return "the source was given up";
    case SHUFFLE_FAIL_DRAINING:
        return "the node is leaving";
    case SHUFFLE_FAIL_SOURCE_LOST:
        return "the source is lost";
    }
    return "";
}

const char *shuffle_count_text(
        uint64_t count, char text[static SHUFFLE_COUNT_BYTES])
{
    char *at = text + SHUFFLE_COUNT_BYTES - 1;
    unsigned digits = 0;

    *at = '\0';
    do {
        if (digits > 0 && digits % 3 == 0) {
            *--at = ',';
        }
        *--at = (char)('0' + count % 10);
        count /= 10;
        digits++;
    } while (count > 0);
    memmove(text, at, strlen(at) + 1);
    return text;
}

const char *shuffle_records_word(uint64_t count)
{
    return count == 1 ? "record" : "records";
}

const char *shuffle_nodes_text(const struct shuffle_wire_sinks *sinks,
        char text[static SHUFFLE_SENTENCE_BYTES])
{
    size_t count = shuffle_wire_sinks_count(sinks);
    size_t named = count <= NODES_NAMED_MAX ? count : NODES_NAMED_MAX;
    size_t at = (size_t)snprintf(
            text, SHUFFLE_SENTENCE_BYTES, "node%s ", count == 1 ? "" : "s");

    for (size_t i = 0; i < named; i++) {
        const char *glue = i == 0                             ? ""
                           : i + 1 == named && named == count ? " and "
                                                              : ", ";

        at += (size_t)snprintf(text + at, SHUFFLE_SENTENCE_BYTES - at, "%s%llu",
                glue, (unsigned long long)shuffle_wire_sink_at(sinks, i).node);
    }
    if (named < count) {
        (void)snprintf(text + at, SHUFFLE_SENTENCE_BYTES - at, " and %zu more",
                count - named);
    }
    return text;
}
