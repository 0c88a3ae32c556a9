#include "shuffle/shuffle_vnodes.h"

#include "base/hash.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void shuffle_vnodes_init(struct shuffle_vnodes *vnodes, uint32_t count)
{
    shuffle_vnodes_init_single(vnodes, count, SHUFFLE_UNASSIGNED);
}

void shuffle_vnodes_init_single(
        struct shuffle_vnodes *vnodes, uint32_t count, uint64_t owner)
{
    assert(count > 0);
    vnodes->owners = malloc(count * sizeof(vnodes->owners[0]));
    assert(vnodes->owners != NULL);
    vnodes->count = count;
    vnodes->version = 1;
    for (uint32_t v = 0; v < count; v++) {
        vnodes->owners[v] = owner;
    }
}

void shuffle_vnodes_close(struct shuffle_vnodes *vnodes)
{
    free(vnodes->owners);
    vnodes->owners = NULL;
    vnodes->count = 0;
}

void shuffle_vnodes_assign(struct shuffle_vnodes *vnodes,
        const uint64_t owners[], size_t owners_count)
{
    shuffle_vnodes_assign_version(
            vnodes, owners, owners_count, vnodes->version + 1);
}

void shuffle_vnodes_assign_version(struct shuffle_vnodes *vnodes,
        const uint64_t owners[], size_t owners_count, uint64_t version)
{
    assert(owners_count == vnodes->count);
    assert(version >= vnodes->version);
    memcpy(vnodes->owners, owners, owners_count * sizeof(owners[0]));
    vnodes->version = version;
}

uint64_t shuffle_vnodes_owner(
        const struct shuffle_vnodes *vnodes, uint32_t vnode)
{
    return vnode < vnodes->count ? vnodes->owners[vnode] : SHUFFLE_UNASSIGNED;
}

uint32_t shuffle_vnodes_of_key(
        const struct shuffle_vnodes *vnodes, struct bytes key)
{
    return (uint32_t)(hash_xxh3(key) % vnodes->count);
}

size_t shuffle_vnodes_owned(const struct shuffle_vnodes *vnodes, uint64_t owner,
        uint32_t owned[], size_t max)
{
    size_t count = 0;

    for (uint32_t v = 0; v < vnodes->count; v++) {
        if (vnodes->owners[v] == owner) {
            if (count < max) {
                owned[count] = v;
            }
            count++;
        }
    }
    return count;
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

void shuffle_vnodes_round_robin(uint64_t owners[], size_t owners_count,
        const uint64_t ids[], size_t ids_count)
{
    uint64_t *sorted;

    assert(ids_count > 0);
    sorted = malloc(ids_count * sizeof(sorted[0]));
    assert(sorted != NULL);
    memcpy(sorted, ids, ids_count * sizeof(sorted[0]));
    qsort(sorted, ids_count, sizeof(sorted[0]), compare_ids);
    for (size_t v = 0; v < owners_count; v++) {
        owners[v] = sorted[v % ids_count];
    }
    free(sorted);
}
