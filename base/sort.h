/* Sorting what strangers chose: heapsort (Williams, 1964).
 *
 * In place, without allocation, and n log n whatever the input; of qsort the C
 * library promises none of that. Equal items end up in any order. */
#pragma once

#include <stddef.h>

enum {
    SORT_ITEM_MAX_BYTES = 256,
};

/* `compare` is that of qsort. Asserts SORT_ITEM_MAX_BYTES. */
void sort_ascending(void *items, size_t count, size_t item_bytes,
        int (*compare)(const void *a, const void *b));
