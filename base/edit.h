/* How far apart two words are, so that a sentence can name the nearest right
 * one: Levenshtein's distance (1966), in bytes inserted, removed or replaced. */
#pragma once

#include <stddef.h>

enum {
    EDIT_WORD_BYTES = 64, /* what is longer is compared by its first part */
};

size_t edit_distance(const char *a, const char *b);
