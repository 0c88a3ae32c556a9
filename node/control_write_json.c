#include <inttypes.h>
#include <stdio.h>

#include "node/control_json.h"
#include "base/writer.h"

/* The end of a text that did not fit is not a text: `failed` says so. */
static void put(struct writer *w, const char *text)
{
    writer_put(w, bytes_text(text));
}

static void put_number(struct writer *w, uint64_t number)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%" PRIu64, number);
    put(w, text);
}

/* How many bytes the character in front takes; 0 when it is none. */
static size_t character_bytes(struct bytes text)
{
    for (size_t size = 1; size <= 4 && size <= text.size; size++) {
        if (bytes_is_utf8(bytes_of(text.data, size))) {
            return size;
        }
    }
    return 0;
}

static void put_low(struct writer *w, uint8_t c)
{
    static const char *const NAMED[] = {['\b'] = "\\b",
            ['\t'] = "\\t",
            ['\n'] = "\\n",
            ['\f'] = "\\f",
            ['\r'] = "\\r"};
    char text[8];

    if (c < sizeof(NAMED) / sizeof(NAMED[0]) && NAMED[c] != NULL) {
        put(w, NAMED[c]);
        return;
    }
    (void)snprintf(text, sizeof(text), "\\u%04x", c);
    put(w, text);
}

/* As serde_json escapes: what must be, and nothing else. */
static void put_text(struct writer *w, struct bytes text)
{
    put(w, "\"");
    while (text.size > 0) {
        size_t size = character_bytes(text);

        if (size == 0) {
            put(w, "\xEF\xBF\xBD");
            size = 1;
        } else if (text.data[0] < 0x20) {
            put_low(w, text.data[0]);
        } else {
            if (text.data[0] == '"' || text.data[0] == '\\') {
                put(w, "\\");
            }
            writer_put(w, bytes_of(text.data, size));
        }
        text = bytes_skip(text, size);
    }
    put(w, "\"");
}

/* `name` is the field with all that stands in front of its value. */
static void put_digits(struct writer *w, const char *name, uint64_t number)
{
    put(w, name);
    put(w, "\"");
    put_number(w, number);
    put(w, "\"");
}

static void put_watermark(
        struct writer *w, const struct control_watermark *watermark)
{
    char text[24];

    if (!watermark->is_set) {
        put(w, "null");
        return;
    }
    (void)snprintf(text, sizeof(text), "%" PRId64, watermark->ms);
    put(w, text);
}

static void put_numbers(struct writer *w, const char *name,
        const uint64_t *numbers, size_t count)
{
    put(w, name);
    put(w, "[");
    for (size_t i = 0; i < count; i++) {
        put_digits(w, i > 0 ? "," : "", numbers[i]);
    }
    put(w, "]");
}

static void put_stages(struct writer *w, const char *name,
        const struct bytes *stages, size_t count)
{
    put(w, name);
    put(w, "[");
    for (size_t i = 0; i < count; i++) {
        put(w, i > 0 ? "," : "");
        put_text(w, stages[i]);
    }
    put(w, "]");
}

static int end(struct writer *w)
{
    writer_u8(w, '\0');
    return w->failed ? ERR_FULL : 0;
}

/* --- announcements --- */

static void put_prepare(struct writer *w, const struct control_announcement *a)
{
    put_numbers(w, ",\"members\":", a->members, a->members_count);
    put_numbers(w, ",\"generations\":", a->generations, a->members_count);
    put_stages(w, ",\"rotate\":", a->rotate, a->rotate_count);
    put(w, ",\"left_ms\":");
    put_number(w, a->left_ms);
    put(w, ",\"asked\":{");
    for (size_t i = 0; i < a->asked_count; i++) {
        put_digits(w, i > 0 ? "," : "", a->asked[i].node);
        put_digits(w, ":", a->asked[i].token);
    }
    put(w, "}");
}

static void put_place(struct writer *w, const struct shuffle_cut_place *place)
{
    size_t count = shuffle_wire_sinks_count(&place->sinks);

    put_text(w, place->stage);
    put_digits(w, ":{\"epoch\":", place->sinks.epoch);
    put(w, ",\"sinks\":[");
    for (size_t i = 0; i < count; i++) {
        struct shuffle_sink_id sink = shuffle_wire_sink_at(&place->sinks, i);

        put_digits(w, i > 0 ? ",[" : "[", sink.node);
        put_digits(w, ",", sink.generation);
        put_digits(w, ",", sink.number);
        put(w, "]");
    }
    put(w, "]}");
}

static void put_phase(struct writer *w, const struct control_announcement *a)
{
    switch (a->phase) {
    case CONTROL_PREPARE:
        put_prepare(w, a);
        break;
    case CONTROL_COMMIT:
        put(w, ",\"place\":{");
        for (size_t i = 0; i < a->places_count; i++) {
            put(w, i > 0 ? "," : "");
            put_place(w, &a->places[i]);
        }
        put(w, "}");
        break;
    case CONTROL_ABORT:
        put(w, ",\"reason\":");
        put_text(w, a->reason);
        put_numbers(w, ",\"missing\":", a->missing, a->missing_count);
        break;
    }
}

int control_write_announcement(
        const struct control_announcement *a, char *text, size_t capacity)
{
    struct writer w = writer_of(text, capacity);

    put(&w, "{\"epoch\":");
    put_number(&w, a->epoch);
    put(&w, ",\"checkpoint_id\":");
    put_number(&w, a->checkpoint_id);
    put(&w, ",\"phase\":\"");
    put(&w, control_phase_name(a->phase));
    put(&w, "\",\"flags\":");
    put_number(&w, a->flags);
    put(&w, ",\"min_watermark_ms\":");
    put_watermark(&w, &a->min_watermark);
    if (a->is_weft) {
        put_digits(&w, ",\"leader\":", a->leader);
        put_digits(&w, ",\"generation\":", a->generation);
        put_digits(&w, ",\"term\":", a->term);
        put_digits(&w, ",\"attempt\":", a->attempt);
        put_digits(&w, ",\"round\":", a->round);
        put_phase(&w, a);
    }
    put(&w, "}");
    return end(&w);
}

/* --- acks --- */

static const char *known_text(enum control_known outcome)
{
    switch (outcome) {
    case CONTROL_UNDECIDED:
        return "null";
    case CONTROL_COMMITTED:
        return "\"committed\"";
    case CONTROL_ABORTED:
        return "\"aborted\"";
    }
    return "null";
}

static void put_our_ack(struct writer *w, const struct control_ack *ack)
{
    put_digits(w, ",\"checkpoint_id\":", ack->checkpoint_id);
    put_digits(w, ",\"leader\":", ack->leader);
    put_digits(w, ",\"attempt\":", ack->attempt);
    put(w, ",\"sinks\":{");
    for (size_t i = 0; i < ack->sinks_count; i++) {
        put(w, i > 0 ? "," : "");
        put_text(w, ack->sinks[i].stage);
        put_digits(w, ":", ack->sinks[i].number);
    }
    put(w, "}");
    put_numbers(w, ",\"missing\":", ack->missing, ack->missing_count);
    put(w, ",\"outcome\":");
    put(w, known_text(ack->outcome));
}

int control_write_ack(
        const struct control_ack *ack, char *text, size_t capacity)
{
    struct writer w = writer_of(text, capacity);

    put(&w, "{\"epoch\":");
    put_number(&w, ack->epoch);
    put(&w, ack->ok ? ",\"ok\":true" : ",\"ok\":false");
    put(&w, ",\"error\":");
    if (ack->has_error) {
        put_text(&w, ack->error);
    } else {
        put(&w, "null");
    }
    put(&w, ",\"local_watermark_ms\":");
    put_watermark(&w, &ack->local_watermark);
    if (ack->is_weft) {
        put_our_ack(&w, ack);
    }
    put(&w, "}");
    return end(&w);
}

/* --- requests --- */

int control_write_request(
        const struct control_request *request, char *text, size_t capacity)
{
    struct writer w = writer_of(text, capacity);

    put(&w, "{\"why\":\"");
    put(&w, control_why_name(request->why));
    put_stages(&w, "\",\"stages\":", request->stages, request->stages_count);
    put_digits(&w, ",\"asked\":", request->asked);
    put_digits(&w, ",\"leader\":", request->leader);
    put_digits(&w, ",\"generation\":", request->generation);
    put_digits(&w, ",\"epoch\":", request->epoch);
    put(&w, "}");
    return end(&w);
}
