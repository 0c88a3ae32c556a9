#include "node/strict_json.h"

#include <limits.h>

#include <json-c/json.h>

struct json_object *strict_json_parse(struct bytes text)
{
    struct json_tokener *tokener = json_tokener_new();
    struct json_object *document = NULL;

    if (tokener != NULL && text.size <= INT_MAX) {
        json_tokener_set_flags(
                tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
        document = json_tokener_parse_ex(
                tokener, (const char *)text.data, (int)text.size);
    }
    if (tokener != NULL) {
        json_tokener_free(tokener);
    }
    return document;
}

bool strict_json_text(struct json_object *value, struct bytes *text)
{
    if (!json_object_is_type(value, json_type_string)) {
        return false;
    }
    *text = bytes_of(json_object_get_string(value),
            (size_t)json_object_get_string_len(value));
    return true;
}
