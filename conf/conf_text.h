/* Numbers with units as people write them: durations and sizes.
 *
 * A duration is digits and one of `ms s m h`; a size is digits and one of
 * `KiB MiB GiB TiB`, or plain bytes. No sign, no fraction, no space between.
 * What is formatted here parses to the same number. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum {
    CONF_TEXT_BYTES = 32, /* the longest number with its unit, and its NUL */
};

/* False when the text is none, or the number does not fit. A bare 0 is a
 * duration too. */
bool conf_text_to_duration(struct bytes text, uint64_t *ms);
bool conf_text_to_size(struct bytes text, uint64_t *size_bytes);

/* Decimal digits, with a fraction or without: `8`, `8.25`. */
bool conf_text_to_ratio(struct bytes text, double *ratio);

/* Each writes the text and its NUL, in the largest unit that needs no
 * fraction, and returns `text`. */
const char *conf_text_duration(uint64_t ms, char text[static CONF_TEXT_BYTES]);
const char *conf_text_size(
        uint64_t size_bytes, char text[static CONF_TEXT_BYTES]);
const char *conf_text_ratio(double ratio, char text[static CONF_TEXT_BYTES]);
