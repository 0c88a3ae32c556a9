/* Reading JSON that somebody else wrote: all of the text is one document, as
 * RFC 8259 has it, or it is nothing. */
#pragma once

#include "base/bytes.h"

struct json_object;

/* The document, to be put back with json_object_put; NULL when the text is not
 * JSON, or nested deeper than any of ours. */
struct json_object *strict_json_parse(struct bytes text);

/* A string's text, borrowed from the document; false for any other type. */
bool strict_json_text(struct json_object *value, struct bytes *text);
