#include "shuffle/shuffle_marks.h"

#include <assert.h>
#include <string.h>

void shuffle_marks_init(struct shuffle_marks *m)
{
    *m = (struct shuffle_marks){.park_at = UINT64_MAX};
}

const struct shuffle_mark *shuffle_marks_find(
        const struct shuffle_marks *m, uint64_t checkpoint)
{
    for (size_t i = 0; i < m->count; i++) {
        if (m->items[i].checkpoint == checkpoint) {
            return &m->items[i];
        }
    }
    return NULL;
}

uint64_t shuffle_marks_floor(const struct shuffle_marks *m)
{
    return m->count == 0 ? 0 : m->items[m->count - 1].next;
}

static void set_park_at(struct shuffle_marks *m)
{
    m->park_at = m->count == 0 ? UINT64_MAX : m->items[0].next;
}

void shuffle_marks_push(
        struct shuffle_marks *m, uint64_t checkpoint, uint64_t next)
{
    assert(m->count < SHUFFLE_MARKS_MAX);
    assert(next >= shuffle_marks_floor(m));
    assert(shuffle_marks_find(m, checkpoint) == NULL);
    m->items[m->count++] = (struct shuffle_mark){checkpoint, next};
    set_park_at(m);
}

void shuffle_marks_remove(struct shuffle_marks *m, uint64_t checkpoint)
{
    const struct shuffle_mark *mark = shuffle_marks_find(m, checkpoint);
    size_t at;

    if (mark == NULL) {
        return;
    }
    at = (size_t)(mark - m->items);
    m->count--;
    memmove(m->items + at, m->items + at + 1,
            (m->count - at) * sizeof(m->items[0]));
    set_park_at(m);
}
