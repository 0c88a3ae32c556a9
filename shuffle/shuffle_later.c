#include "shuffle/shuffle_later.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "shuffle/shuffle_cuts.h"
#include "shuffle/shuffle_opening.h"
#include "shuffle/shuffle_streams.h"

void shuffle_later_close(struct shuffle_later *later)
{
    for (size_t i = 0; i < later->count; i++) {
        block_free(later->opens[i].payload);
    }
    free(later->opens);
    *later = (struct shuffle_later){0};
}

bool shuffle_later_is_due(const struct shuffle_streams *st, uint64_t peer,
        const struct shuffle_wire_open *open)
{
    bool is_to_come =
            open->sinks.epoch != 0 && open->sinks.epoch == st->cuts.now.epoch;

    return shuffle_cut_is_undecided(st) &&
           (is_to_come || !shuffle_cut_lists(st, peer));
}

bool shuffle_later_keep(struct shuffle_streams *st, uint32_t link,
        uint64_t peer, uint32_t stream, struct bytes payload)
{
    struct shuffle_later *later = &st->later;
    struct block *copy;

    if (later->count == SHUFFLE_LATER_MAX) {
        return false;
    }
    if (later->opens == NULL) {
        later->opens = calloc(SHUFFLE_LATER_MAX, sizeof(later->opens[0]));
    }
    copy = later->opens == NULL ? NULL
                                : block_new(st->options.blocks, payload.size);
    if (copy == NULL) {
        return false;
    }
    block_append(copy, payload);
    later->opens[later->count++] = (struct shuffle_later_open){
            .link = link, .stream = stream, .peer = peer, .payload = copy};
    return true;
}

static void remove_at(struct shuffle_later *later, size_t at)
{
    block_free(later->opens[at].payload);
    later->count--;
    memmove(later->opens + at, later->opens + at + 1,
            (later->count - at) * sizeof(later->opens[0]));
}

bool shuffle_later_has(
        const struct shuffle_streams *st, uint32_t link, uint32_t stream)
{
    for (size_t i = 0; i < st->later.count; i++) {
        if (st->later.opens[i].link == link &&
                st->later.opens[i].stream == stream) {
            return true;
        }
    }
    return false;
}

bool shuffle_later_forget(
        struct shuffle_streams *st, uint32_t link, uint32_t stream)
{
    struct shuffle_later *later = &st->later;

    for (size_t i = 0; i < later->count; i++) {
        if (later->opens[i].link == link && later->opens[i].stream == stream) {
            remove_at(later, i);
            return true;
        }
    }
    return false;
}

void shuffle_later_link_down(struct shuffle_streams *st, uint32_t link)
{
    size_t i = 0;

    while (i < st->later.count) {
        if (st->later.opens[i].link == link) {
            remove_at(&st->later, i);
        } else {
            i++;
        }
    }
}

void shuffle_later_answer(struct shuffle_streams *st)
{
    struct shuffle_later before = st->later;

    st->later = (struct shuffle_later){0};
    for (size_t i = 0; i < before.count; i++) {
        const struct shuffle_later_open *kept = &before.opens[i];
        struct shuffle_wire_open open;
        bool is_fine =
                shuffle_wire_decode_open(block_bytes(kept->payload), &open);

        assert(is_fine); /* it was judged when it came */
        (void)is_fine;
        shuffle_opening_answer(
                st, kept->link, kept->peer, &open, block_bytes(kept->payload));
    }
    shuffle_later_close(&before);
}
