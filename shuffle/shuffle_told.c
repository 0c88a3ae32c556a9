#include "shuffle/shuffle_told.h"

#include <assert.h>
#include <string.h>

static void remove_at(struct shuffle_told *told, size_t at)
{
    told->count--;
    memmove(told->checkpoints + at, told->checkpoints + at + 1,
            (told->count - at) * sizeof(told->checkpoints[0]));
}

void shuffle_told_add(struct shuffle_told *told, uint64_t checkpoint)
{
    if (told->count == SHUFFLE_TOLD_MAX) {
        remove_at(told, 0);
    }
    told->checkpoints[told->count++] = checkpoint;
}

bool shuffle_told_take(
        struct shuffle_told *told, uint64_t checkpoint, bool is_final)
{
    for (size_t i = 0; i < told->count; i++) {
        if (told->checkpoints[i] == checkpoint) {
            if (is_final) {
                remove_at(told, i);
            }
            return true;
        }
    }
    return false;
}

bool shuffle_echoes_is_full(const struct shuffle_echoes *echoes)
{
    return echoes->count == SHUFFLE_TOLD_MAX;
}

void shuffle_echoes_add(
        struct shuffle_echoes *echoes, const struct shuffle_wire_mark *mark)
{
    assert(!shuffle_echoes_is_full(echoes));
    echoes->marks[echoes->count++] = *mark;
}

static bool is_same(
        const struct shuffle_wire_mark *a, const struct shuffle_wire_mark *b)
{
    return a->stream == b->stream && a->next == b->next &&
           a->checkpoint == b->checkpoint && a->epoch == b->epoch &&
           a->flags == b->flags;
}

bool shuffle_echoes_take(
        struct shuffle_echoes *echoes, const struct shuffle_wire_mark *mark)
{
    if (echoes->count == 0 || !is_same(&echoes->marks[0], mark)) {
        return false;
    }
    echoes->count--;
    memmove(echoes->marks, echoes->marks + 1,
            echoes->count * sizeof(echoes->marks[0]));
    return true;
}
