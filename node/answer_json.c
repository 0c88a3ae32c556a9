#include "node/answer_json.h"

#include <json-c/json.h>

#include "node/strict_json.h"

struct json_object *answer_open(struct bytes json)
{
    return strict_json_parse(json);
}

void answer_close(struct json_object *answer)
{
    (void)json_object_put(answer);
}

struct json_object *answer_field(struct json_object *object, const char *name)
{
    struct json_object *field = NULL;

    if (json_object_is_type(object, json_type_object)) {
        (void)json_object_object_get_ex(object, name, &field);
    }
    return field;
}

struct bytes answer_text(struct json_object *object, const char *name)
{
    struct bytes text = bytes_of("", 0);

    (void)strict_json_text(answer_field(object, name), &text);
    return text;
}

uint64_t answer_number(struct json_object *object, const char *name)
{
    struct json_object *field = answer_field(object, name);

    return json_object_is_type(field, json_type_int)
                   ? json_object_get_uint64(field)
                   : 0;
}

double answer_ratio(struct json_object *object, const char *name)
{
    struct json_object *field = answer_field(object, name);

    return json_object_is_type(field, json_type_double) ||
                           json_object_is_type(field, json_type_int)
                   ? json_object_get_double(field)
                   : 0;
}

bool answer_flag(struct json_object *object, const char *name)
{
    struct json_object *field = answer_field(object, name);

    return json_object_is_type(field, json_type_boolean) &&
           json_object_get_boolean(field);
}

bool answer_is_null(struct json_object *object, const char *name)
{
    return answer_field(object, name) == NULL;
}

size_t answer_count(struct json_object *array)
{
    return json_object_is_type(array, json_type_array)
                   ? json_object_array_length(array)
                   : 0;
}

struct json_object *answer_item(struct json_object *array, size_t i)
{
    return i < answer_count(array) ? json_object_array_get_idx(array, i) : NULL;
}
