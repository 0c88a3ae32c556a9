#include "shuffle/shuffle_link.h"

#include <assert.h>

uint32_t shuffle_link_slot(uint32_t number)
{
    return number & 0xffff;
}

bool shuffle_link_is_over(const struct shuffle_link *link)
{
    return link->state == SHUFFLE_LINK_CLOSING ||
           link->state == SHUFFLE_LINK_FINISHING;
}

static bool has_arrow(enum shuffle_link_state from, enum shuffle_link_state to)
{
    switch (from) {
    case SHUFFLE_LINK_CONNECTING:
        return to == SHUFFLE_LINK_GREETING || to == SHUFFLE_LINK_UP;
    case SHUFFLE_LINK_GREETING:
        return to == SHUFFLE_LINK_UP || to == SHUFFLE_LINK_CLOSING;
    case SHUFFLE_LINK_HELLO:
        return to == SHUFFLE_LINK_NAMED;
    case SHUFFLE_LINK_NAMED:
        return to == SHUFFLE_LINK_UP || to == SHUFFLE_LINK_HELD ||
               to == SHUFFLE_LINK_CLOSING;
    case SHUFFLE_LINK_HELD:
        return to == SHUFFLE_LINK_UP || to == SHUFFLE_LINK_CLOSING;
    case SHUFFLE_LINK_UP:
        return to == SHUFFLE_LINK_CLOSING;
    case SHUFFLE_LINK_CLOSING:
        return to == SHUFFLE_LINK_FINISHING;
    case SHUFFLE_LINK_FINISHING:
        return false;
    }
    return false;
}

void shuffle_link_set_state(
        struct shuffle_link *link, enum shuffle_link_state state)
{
    assert(has_arrow(link->state, state));
    link->state = state;
}
