#include "node/report_json.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "node/report_inner.h"

/* --- json-c, in fewer words --- */

void report_add(
        struct json_object *object, const char *name, struct json_object *value)
{
    (void)json_object_object_add(object, name, value);
}

struct json_object *report_text(struct bytes text)
{
    return json_object_new_string_len(
            text.size == 0 ? "" : (const char *)text.data, (int)text.size);
}

void report_add_text(
        struct json_object *object, const char *name, const char *text)
{
    report_add(object, name, json_object_new_string(text));
}

void report_add_number(
        struct json_object *object, const char *name, uint64_t number)
{
    report_add(object, name, json_object_new_uint64(number));
}

void report_add_flag(struct json_object *object, const char *name, bool flag)
{
    report_add(object, name, json_object_new_boolean(flag));
}

struct json_object *report_digits(uint64_t number)
{
    char digits[24];

    (void)snprintf(digits, sizeof(digits), "%" PRIu64, number);
    return json_object_new_string(digits);
}

void report_add_digits(
        struct json_object *object, const char *name, uint64_t number)
{
    report_add(object, name, report_digits(number));
}

void report_add_addr(
        struct json_object *object, const char *name, const struct addr *addr)
{
    char text[ADDR_TEXT_BYTES];

    report_add(object, name,
            addr->family == ADDR_NONE
                    ? NULL
                    : json_object_new_string(addr_format(addr, text)));
}

char *report_finish(struct json_object *document)
{
    const char *text = json_object_to_json_string_ext(
            document, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    size_t size = strlen(text) + 1;
    char *copy = malloc(size);

    assert(copy != NULL);
    memcpy(copy, text, size);
    (void)json_object_put(document);
    return copy;
}

void report_free(char *report)
{
    free(report);
}

/* --- small ones --- */

char *report_health(const struct node *n)
{
    struct json_object *object = json_object_new_object();
    struct error reason;

    report_add_flag(object, "healthy", node_is_healthy(n, &reason));
    report_add_text(object, "state", node_state_name(n->state));
    report_add_text(object, "reason", reason.text);
    return report_finish(object);
}

char *report_error(const char *sentence)
{
    struct json_object *object = json_object_new_object();

    report_add_text(object, "error", sentence);
    return report_finish(object);
}

char *report_state(enum node_state state)
{
    struct json_object *object = json_object_new_object();

    report_add_text(object, "state", node_state_name(state));
    return report_finish(object);
}

/* --- streams --- */

static struct json_object *row_of(const struct shuffle_summary_row *row)
{
    struct json_object *object = json_object_new_object();

    report_add_digits(object, "node", row->node);
    report_add_number(object, "records", row->records);
    report_add_number(object, "confirmed", row->confirmed);
    report_add_number(object, "bytes", row->bytes);
    return object;
}

char *report_summary(const struct shuffle_summary_row *rows, size_t count)
{
    struct json_object *array = json_object_new_array();

    for (size_t i = 0; i < count; i++) {
        (void)json_object_array_add(array, row_of(&rows[i]));
    }
    return report_finish(array);
}
