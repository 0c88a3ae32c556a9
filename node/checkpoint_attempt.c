#include "node/checkpoint_attempt.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/writer.h"

static uint64_t hash_of(const uint64_t *words, size_t count)
{
    uint8_t bytes[32];
    struct writer w = writer_of(bytes, sizeof(bytes));

    for (size_t i = 0; i < count; i++) {
        writer_u64le(&w, words[i]);
    }
    assert(!w.failed);
    return hash_xxh3(writer_bytes(&w));
}

uint64_t checkpoint_attempt_id(
        uint64_t leader, uint64_t generation, uint64_t epoch)
{
    const uint64_t words[] = {leader, generation};

    return (epoch & UINT32_MAX) << 32 | (hash_of(words, 2) & UINT32_MAX);
}

uint64_t checkpoint_attempt_cut(
        uint64_t leader, uint64_t generation, uint64_t epoch, uint64_t version)
{
    const uint64_t words[] = {leader, generation, epoch, version};

    return hash_of(words, 4);
}

static size_t memory_for(const struct control_announcement *prepare)
{
    size_t bytes = 2 * prepare->members_count * sizeof(uint64_t) +
                   prepare->rotate_count * sizeof(struct bytes);

    for (size_t i = 0; i < prepare->rotate_count; i++) {
        bytes += prepare->rotate[i].size;
    }
    return bytes;
}

static void copy_lists(struct checkpoint_attempt *to,
        const struct control_announcement *prepare)
{
    size_t members_bytes = prepare->members_count * sizeof(uint64_t);
    uint64_t *members = to->memory;
    uint64_t *generations = members + prepare->members_count;
    struct bytes *rotate = (void *)(generations + prepare->members_count);
    uint8_t *name = (uint8_t *)(rotate + prepare->rotate_count);

    if (members_bytes > 0) {
        memcpy(members, prepare->members, members_bytes);
        memcpy(generations, prepare->generations, members_bytes);
    }
    for (size_t i = 0; i < prepare->rotate_count; i++) {
        rotate[i] = bytes_of(name, prepare->rotate[i].size);
        memcpy(name, prepare->rotate[i].data, prepare->rotate[i].size);
        name += prepare->rotate[i].size;
    }
    to->members = members;
    to->generations = generations;
    to->members_count = prepare->members_count;
    to->rotate = rotate;
    to->rotate_count = prepare->rotate_count;
}

void checkpoint_attempt_copy(struct checkpoint_attempt *to,
        const struct control_announcement *prepare)
{
    size_t bytes = memory_for(prepare);
    void *memory = malloc(bytes > 0 ? bytes : 1);
    void *before = to->memory; /* `prepare` may point into it */

    if (memory == NULL) {
        abort(); /* no honest way on: a decision would be lost */
    }
    *to = (struct checkpoint_attempt){
            .leader = prepare->leader,
            .generation = prepare->generation,
            .epoch = prepare->epoch,
            .attempt = prepare->attempt,
            .checkpoint_id = prepare->checkpoint_id,
            .cut = prepare->checkpoint_id,
            .left_ms = prepare->left_ms,
            .memory = memory,
    };
    copy_lists(to, prepare);
    free(before);
}

void checkpoint_attempt_close(struct checkpoint_attempt *a)
{
    free(a->memory);
    *a = (struct checkpoint_attempt){0};
}

bool checkpoint_attempt_is(
        const struct checkpoint_attempt *a, const struct checkpoint_attempt *b)
{
    return a->leader == b->leader && a->generation == b->generation &&
           a->epoch == b->epoch && a->attempt == b->attempt &&
           a->is_laminar == b->is_laminar;
}

bool checkpoint_attempt_says(const struct checkpoint_attempt *a,
        const struct control_announcement *prepare)
{
    if (a->checkpoint_id != prepare->checkpoint_id ||
            a->members_count != prepare->members_count ||
            a->rotate_count != prepare->rotate_count) {
        return false;
    }
    for (size_t i = 0; i < a->members_count; i++) {
        if (a->members[i] != prepare->members[i] ||
                a->generations[i] != prepare->generations[i]) {
            return false;
        }
    }
    for (size_t i = 0; i < a->rotate_count; i++) {
        if (!bytes_equal(a->rotate[i], prepare->rotate[i])) {
            return false;
        }
    }
    return true;
}

size_t checkpoint_attempt_find(const struct checkpoint_attempt *a, uint64_t id)
{
    size_t low = 0;
    size_t high = a->members_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (a->members[middle] < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < a->members_count && a->members[low] == id ? low
                                                           : a->members_count;
}

bool checkpoint_attempt_lists(
        const struct checkpoint_attempt *a, uint64_t id, uint64_t generation)
{
    size_t at = checkpoint_attempt_find(a, id);

    return at < a->members_count && a->generations[at] == generation;
}
