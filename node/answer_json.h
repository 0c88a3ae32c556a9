/* Reading an answer of the node, field by field.
 *
 * A field that is absent, null or of another type reads as "nothing": no text,
 * 0, false. The node and the command line are one program, so an answer that
 * lacks a field is an older one's, and no mistake. */
#pragma once

#include "base/bytes.h"

struct json_object;

/* An object or array; NULL when the text is neither. Close it when done. */
struct json_object *answer_open(struct bytes json);
void answer_close(struct json_object *answer);

/* Borrowed until answer_close; empty when there is none. */
struct bytes answer_text(struct json_object *object, const char *name);

uint64_t answer_number(struct json_object *object, const char *name);
double answer_ratio(struct json_object *object, const char *name);
bool answer_flag(struct json_object *object, const char *name);
bool answer_is_null(struct json_object *object, const char *name);

/* The object or array of this name, or NULL; everything reads as "nothing" in
 * a NULL object. */
struct json_object *answer_field(struct json_object *object, const char *name);

/* Of an array; 0 and NULL for anything else. */
size_t answer_count(struct json_object *array);
struct json_object *answer_item(struct json_object *array, size_t i);
