#include "base/budget.h"

#include <assert.h>

bool budget_take(struct budget *b, size_t bytes)
{
    if (bytes > b->max_bytes - b->used_bytes) {
        return false;
    }
    b->used_bytes += bytes;
    return true;
}

void budget_give(struct budget *b, size_t bytes)
{
    assert(bytes <= b->used_bytes);
    b->used_bytes -= bytes;
}
