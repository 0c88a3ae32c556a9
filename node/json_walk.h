/* Reading JSON text where it stands, for records that a library would bend:
 * json-c makes a number beyond 64 bits the largest, and of a field that comes
 * twice it keeps the last.
 *
 * A value here is the piece of text that it is written with, without the space
 * around it, borrowed from the whole. Nothing is decoded before it is asked for;
 * so a value nobody asks for may have any shape that RFC 8259 allows, and a
 * number in it any size. Each walk judges again what it passes, and no text
 * makes it read outside.
 *
 * Pure: no allocation, no state but the walk's. */
#pragma once

#include "base/bytes.h"
#include "base/writer.h"

enum {
    JSON_WALK_DEPTH_MAX = 128, /* arrays and objects inside one another */
};

/* All of the text is one value, in UTF-8, with or without space around it. */
bool json_walk_document(struct bytes text, struct bytes *value);

/* What is left of an array or an object. */
struct json_walk {
    struct bytes rest;
};

/* False for any other kind of value. */
bool json_walk_array(struct bytes value, struct json_walk *walk);
bool json_walk_object(struct bytes value, struct json_walk *walk);

/* False behind the last. A field's name is a string as it is written. */
bool json_walk_item(struct json_walk *walk, struct bytes *value);
bool json_walk_field(
        struct json_walk *walk, struct bytes *name, struct bytes *value);

bool json_walk_is_null(struct bytes value);
bool json_walk_bool(struct bytes value, bool *is_true);

/* Digits alone, and for `i64` a sign in front: 5.0, 5e0 and -0 are no integers,
 * and what does not fit 64 bits is none either. */
bool json_walk_u64(struct bytes value, uint64_t *number);
bool json_walk_i64(struct bytes value, int64_t *number);

/* Writes a string's text, decoded. False for any other kind of value, for half
 * a surrogate pair, and when `w` is full. */
bool json_walk_text(struct bytes value, struct writer *w);
