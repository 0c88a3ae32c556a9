/* Any text as any control record: nothing is read outside it, what is read is
 * possible, and written and read again it is written the same. Records as they
 * are go first. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "node/control_json.h"
#include "node/json_walk.h"
#include "node/strict_json.h"

enum {
    TEXT_BYTES = 256 * 1024,
};

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const SEEDS[] = {
        "{\"epoch\":5,\"checkpoint_id\":42,\"phase\":\"Prepare\",\"flags\":0,"
        "\"min_watermark_ms\":null}",
        "{\"epoch\":5,\"checkpoint_id\":42,\"phase\":\"Commit\",\"flags\":0,"
        "\"min_watermark_ms\":1700000000000}",
        "{\"epoch\":7,\"ok\":true,\"error\":null,"
        "\"local_watermark_ms\":1700000000000}",
        "{\"epoch\":9,\"ok\":false,\"error\":\"disk \\\"full\\\"\","
        "\"local_watermark_ms\":null}",
        "{\"epoch\":5,\"checkpoint_id\":42,\"phase\":\"Prepare\",\"flags\":0,"
        "\"min_watermark_ms\":null,\"leader\":\"1\",\"generation\":\"9\","
        "\"term\":\"0\",\"attempt\":\"7\",\"round\":\"0\",\"members\":[\"1\","
        "\"2\"],\"generations\":[\"9\",\"10\"],\"rotate\":[\"words\"],\"left_"
        "ms\":7500,"
        "\"asked\":{\"2\":\"17\"}}",
        "{\"epoch\":5,\"checkpoint_id\":42,\"phase\":\"Commit\",\"flags\":0,"
        "\"min_watermark_ms\":null,\"leader\":\"1\",\"generation\":\"9\","
        "\"term\":\"0\",\"attempt\":\"7\",\"round\":\"0\",\"place\":{\"words\":"
        "{\"epoch\":\"5\",\"sinks\":[[\"1\",\"9\",\"3\"]]}}}",
        "{\"epoch\":5,\"checkpoint_id\":42,\"phase\":\"Abort\",\"flags\":0,"
        "\"min_watermark_ms\":null,\"leader\":\"1\",\"generation\":\"9\","
        "\"term\":\"0\",\"attempt\":\"7\",\"round\":\"0\",\"reason\":"
        "\"\\u20ac\","
        "\"missing\":[\"2\"]}",
        "{\"epoch\":5,\"ok\":false,\"error\":\"\\ud83d\\ude00\","
        "\"local_watermark_ms\":-1,\"checkpoint_id\":\"42\",\"leader\":\"1\","
        "\"attempt\":\"7\",\"sinks\":{\"words\":\"3\"},\"missing\":[\"3\"],"
        "\"outcome\":\"aborted\"}",
        "{\"why\":\"drain\",\"stages\":[\"words\"],\"asked\":\"17\","
        "\"leader\":\"0\",\"generation\":\"0\",\"epoch\":\"0\"}",
};

struct texts {
    char first[TEXT_BYTES];
    char second[TEXT_BYTES];
};

static void try_announcement(
        struct control_memory *m, struct bytes json, struct texts *t)
{
    struct control_announcement a;

    if (!control_read_announcement(m, json, &a)) {
        return;
    }
    assert(control_write_announcement(&a, t->first, TEXT_BYTES) == 0);
    assert(control_read_announcement(m, bytes_text(t->first), &a));
    assert(control_write_announcement(&a, t->second, TEXT_BYTES) == 0);
    assert(strcmp(t->first, t->second) == 0);
}

static void try_ack(
        struct control_memory *m, struct bytes json, struct texts *t)
{
    struct control_ack ack;

    if (!control_read_ack(m, json, &ack)) {
        return;
    }
    assert(control_write_ack(&ack, t->first, TEXT_BYTES) == 0);
    assert(control_read_ack(m, bytes_text(t->first), &ack));
    assert(control_write_ack(&ack, t->second, TEXT_BYTES) == 0);
    assert(strcmp(t->first, t->second) == 0);
}

static void try_request(
        struct control_memory *m, struct bytes json, struct texts *t)
{
    struct control_request request;

    if (!control_read_request(m, json, &request)) {
        return;
    }
    assert(control_write_request(&request, t->first, TEXT_BYTES) == 0);
    assert(control_read_request(m, bytes_text(t->first), &request));
    assert(control_write_request(&request, t->second, TEXT_BYTES) == 0);
    assert(strcmp(t->first, t->second) == 0);
}

static void try_text(struct bytes json)
{
    struct texts *t = malloc(sizeof(*t));
    struct control_memory m;

    assert(t != NULL);
    control_memory_init(&m);
    try_announcement(&m, json, t);
    try_ack(&m, json, t);
    try_request(&m, json, t);
    control_memory_close(&m);
    free(t);
}

/* What we take for an object json-c takes as well, unless it is deeper. */
static void assert_object(struct bytes json)
{
    struct json_walk walk;
    struct bytes value;

    if (json.size <= JSON_TOKENER_DEFAULT_DEPTH &&
            json_walk_document(json, &value) &&
            json_walk_object(value, &walk)) {
        struct json_object *object = strict_json_parse(json);

        assert(object != NULL);
        (void)json_object_put(object);
    }
}

/* Runs once, before the first input. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    for (size_t i = 0; i < sizeof(SEEDS) / sizeof(SEEDS[0]); i++) {
        struct bytes json = bytes_text(SEEDS[i]);
        struct control_announcement a;
        struct control_request request;
        struct control_memory m;
        struct control_ack ack;

        control_memory_init(&m);
        assert(control_read_announcement(&m, json, &a) ||
                control_read_ack(&m, json, &ack) ||
                control_read_request(&m, json, &request));
        control_memory_close(&m);
        try_text(json);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size <= TEXT_BYTES / 8) {
        assert_object(bytes_of(data, size));
        try_text(bytes_of(data, size));
    }
    return 0;
}
