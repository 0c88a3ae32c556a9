#include "node/published_json.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "node/strict_json.h"

void published_clear(struct published *p)
{
    p->sinks_count = 0;
    p->places_count = 0;
    p->text_bytes = 0;
}

/* A number as it must be written: a string of canonical digits. */
static bool read_number(struct json_object *value, uint64_t *number)
{
    struct bytes digits;

    return strict_json_text(value, &digits) && bytes_to_u64(digits, number);
}

/* Copies into the member's memory; false when it is full. */
static bool keep(struct published *p, struct bytes text, struct bytes *kept)
{
    if (text.size > sizeof(p->text) - p->text_bytes) {
        return false;
    }
    memcpy(p->text + p->text_bytes, text.data, text.size);
    *kept = bytes_of(p->text + p->text_bytes, text.size);
    p->text_bytes += text.size;
    return true;
}

static bool add_sink(
        struct published *p, struct bytes stage, struct json_object *value)
{
    struct shuffle_member_sink *sink = &p->sinks[p->sinks_count];

    if (p->sinks_count == PUBLISHED_SINKS_MAX ||
            !shuffle_wire_is_stage(stage) ||
            !read_number(value, &sink->number) ||
            !keep(p, stage, &sink->stage)) {
        return false;
    }
    p->sinks_count++;
    return true;
}

bool published_read_sinks(struct published *p, struct bytes json)
{
    struct json_object *object = strict_json_parse(json);
    size_t before = p->sinks_count;
    bool ok = json_object_is_type(object, json_type_object);

    if (ok) {
        json_object_object_foreach(object, name, value)
        {
            ok = ok && add_sink(p, bytes_text(name), value);
        }
    }
    if (!ok) {
        p->sinks_count = before;
    }
    (void)json_object_put(object);
    return ok;
}

static bool read_sink(struct json_object *array, struct shuffle_sink_id *sink)
{
    return json_object_is_type(array, json_type_array) &&
           json_object_array_length(array) == 3 &&
           read_number(json_object_array_get_idx(array, 0), &sink->node) &&
           read_number(
                   json_object_array_get_idx(array, 1), &sink->generation) &&
           read_number(json_object_array_get_idx(array, 2), &sink->number);
}

/* The sinks as the wire has them: by strictly ascending node id. */
static bool pack_sinks(
        struct published *p, struct json_object *array, struct bytes *packed)
{
    struct writer w =
            writer_of(p->text + p->text_bytes, sizeof(p->text) - p->text_bytes);
    size_t count = json_object_array_length(array);
    uint64_t last = 0;

    for (size_t i = 0; i < count; i++) {
        struct shuffle_sink_id sink;

        if (!read_sink(json_object_array_get_idx(array, i), &sink) ||
                sink.node <= last) {
            return false;
        }
        last = sink.node;
        shuffle_wire_put_sink(&w, &sink);
    }
    *packed = writer_bytes(&w);
    p->text_bytes += packed->size;
    return !w.failed && count > 0 && count <= SHUFFLE_SINKS_MAX;
}

static bool read_place(struct published *p, struct json_object *object,
        struct shuffle_wire_sinks *sinks)
{
    struct json_object *epoch;
    struct json_object *array;

    return json_object_is_type(object, json_type_object) &&
           json_object_object_get_ex(object, "epoch", &epoch) &&
           read_number(epoch, &sinks->epoch) &&
           json_object_object_get_ex(object, "sinks", &array) &&
           json_object_is_type(array, json_type_array) &&
           pack_sinks(p, array, &sinks->packed);
}

bool published_read_place(
        struct published *p, struct bytes stage, struct bytes json)
{
    struct json_object *object = strict_json_parse(json);
    struct shuffle_member_place *place = &p->places[p->places_count];
    bool ok = p->places_count < PUBLISHED_PLACES_MAX &&
              shuffle_wire_is_stage(stage) && keep(p, stage, &place->stage) &&
              read_place(p, object, &place->sinks);

    if (ok) {
        p->places_count++;
    }
    (void)json_object_put(object);
    return ok;
}

/* A text that grows in the caller's memory, and says when it no longer does. */
struct text {
    char *at;
    size_t left;
    bool full;
};

__attribute__((format(printf, 2, 3))) static void put(
        struct text *t, const char *format, ...)
{
    va_list args;
    int size;

    va_start(args, format);
    size = vsnprintf(t->at, t->left, format, args);
    va_end(args);
    if (size < 0 || (size_t)size >= t->left) {
        t->full = true;
        return;
    }
    t->at += size;
    t->left -= (size_t)size;
}

int published_write_sinks(
        const struct shuffle_streams *streams, char *text, size_t capacity)
{
    struct text t = {.at = text, .left = capacity};
    struct bytes stage;
    uint64_t number;

    put(&t, "{");
    for (size_t i = 0; shuffle_streams_sink_at(streams, i, &stage, &number);
            i++) {
        put(&t, "%s\"%.*s\":\"%" PRIu64 "\"", i > 0 ? "," : "", (int)stage.size,
                (const char *)stage.data, number);
    }
    put(&t, "}");
    return t.full ? ERR_FULL : 0;
}

int published_write_place(
        const struct shuffle_wire_sinks *sinks, char *text, size_t capacity)
{
    struct text t = {.at = text, .left = capacity};
    size_t count = shuffle_wire_sinks_count(sinks);

    put(&t, "{\"epoch\":\"%" PRIu64 "\",\"sinks\":[", sinks->epoch);
    for (size_t i = 0; i < count; i++) {
        struct shuffle_sink_id sink = shuffle_wire_sink_at(sinks, i);

        put(&t, "%s[\"%" PRIu64 "\",\"%" PRIu64 "\",\"%" PRIu64 "\"]",
                i > 0 ? "," : "", sink.node, sink.generation, sink.number);
    }
    put(&t, "]}");
    return t.full ? ERR_FULL : 0;
}
