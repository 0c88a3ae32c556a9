/* One JSON string, for those who write the rest of the JSON by hand. */
#pragma once

#include "base/bytes.h"

/* Writes `text` in quotes, with its NUL, into `out`; bytes that are not UTF-8
 * become U+FFFD, and what does not fit is cut between characters. */
void quote_json(struct bytes text, char *out, size_t capacity);
