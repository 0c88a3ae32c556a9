/* Text for a terminal or a log, where control characters must do nothing: what
 * a stranger wrote can neither steer the one nor add a line to the other. */
#pragma once

#include "base/bytes.h"

enum {
    PRINTABLE_BYTES = 4, /* what one byte of text becomes at most: \x1b */
};

/* Writes `text` and its NUL into `out`, control characters as escapes; what
 * does not fit is left out. Returns `out`. */
const char *printable(struct bytes text, char *out, size_t capacity);
