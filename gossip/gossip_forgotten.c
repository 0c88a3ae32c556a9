#include "gossip/gossip_forgotten.h"

#include <string.h>

static void drop_at(struct gossip_forgotten *f, size_t i)
{
    f->count--;
    memmove(&f->addrs[i], &f->addrs[i + 1],
            (f->count - i) * sizeof(f->addrs[0]));
}

void gossip_forgotten_drop(struct gossip_forgotten *f, const struct addr *addr)
{
    for (size_t i = 0; i < f->count; i++) {
        if (addr_equal(&f->addrs[i], addr)) {
            drop_at(f, i);
            return;
        }
    }
}

void gossip_forgotten_put(struct gossip_forgotten *f, const struct addr *addr)
{
    gossip_forgotten_drop(f, addr);
    if (f->count == GOSSIP_FORGOTTEN_MAX) {
        drop_at(f, 0);
    }
    f->addrs[f->count++] = *addr;
}

bool gossip_forgotten_pick(const struct gossip_forgotten *f,
        struct prng *chance, struct addr *addr)
{
    if (f->count == 0) {
        return false;
    }
    *addr = f->addrs[prng_below(chance, f->count)];
    return true;
}
