#include "base/sort.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

struct heap {
    uint8_t *data;
    size_t item_bytes;
    int (*compare)(const void *a, const void *b);
};

static void *item_at(const struct heap *h, size_t i)
{
    return h->data + i * h->item_bytes;
}

/* Finds the place of `held` below `root`, which is free, in a heap of `count`
 * with the greatest on top. */
static void sink(
        const struct heap *h, const void *held, size_t root, size_t count)
{
    size_t child;

    while ((child = 2 * root + 1) < count) {
        if (child + 1 < count &&
                h->compare(item_at(h, child), item_at(h, child + 1)) < 0) {
            child++;
        }
        if (h->compare(held, item_at(h, child)) >= 0) {
            break;
        }
        memcpy(item_at(h, root), item_at(h, child), h->item_bytes);
        root = child;
    }
    memcpy(item_at(h, root), held, h->item_bytes);
}

void sort_ascending(void *items, size_t count, size_t item_bytes,
        int (*compare)(const void *a, const void *b))
{
    struct heap h = {
            .data = items, .item_bytes = item_bytes, .compare = compare};
    _Alignas(max_align_t) uint8_t held[SORT_ITEM_MAX_BYTES];

    assert(item_bytes > 0 && item_bytes <= SORT_ITEM_MAX_BYTES);
    for (size_t root = count / 2; root-- > 0;) {
        memcpy(held, item_at(&h, root), item_bytes);
        sink(&h, held, root, count);
    }
    for (size_t last = count; last-- > 1;) {
        memcpy(held, item_at(&h, last), item_bytes);
        memcpy(item_at(&h, last), item_at(&h, 0), item_bytes);
        sink(&h, held, 0, last);
    }
}
