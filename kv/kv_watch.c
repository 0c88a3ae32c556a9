#include "kv/kv_watch.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

int kv_watches_init(struct kv_watches *w, size_t capacity)
{
    *w = (struct kv_watches){.capacity = capacity};
    w->list = calloc(capacity, sizeof(w->list[0]));
    return w->list != NULL ? 0 : ERR_FULL;
}

void kv_watches_close(struct kv_watches *w)
{
    free(w->list);
    *w = (struct kv_watches){0};
}

/* Behind those with the same prefix. */
int kv_watches_add(struct kv_watches *w, const struct kv_watch *watch)
{
    size_t i = w->count;

    if (w->count == w->capacity) {
        return ERR_FULL;
    }
    while (i > 0 && bytes_compare(w->list[i - 1].prefix, watch->prefix) > 0) {
        w->list[i] = w->list[i - 1];
        i--;
    }
    w->list[i] = *watch;
    w->count++;
    return 0;
}

void kv_watches_remove(struct kv_watches *w, uint64_t tag)
{
    size_t kept = 0;

    for (size_t i = 0; i < w->count; i++) {
        if (w->list[i].tag != tag) {
            w->list[kept++] = w->list[i];
        }
    }
    w->count = kept;
}

static bool concerns(
        const struct kv_watch *watch, const struct kv_change *change)
{
    return bytes_starts_with(change->key, watch->prefix) &&
           (!change->is_deletion || watch->wants_deletions);
}

bool kv_watches_next(const struct kv_watches *w, const struct kv_change *change,
        size_t *cursor, struct kv_hit *hit)
{
    while (*cursor < w->count) {
        const struct kv_watch *watch = &w->list[(*cursor)++];

        if (concerns(watch, change)) {
            *hit = (struct kv_hit){.tag = watch->tag,
                    .rest = bytes_skip(change->key, watch->prefix.size)};
            return true;
        }
    }
    return false;
}
