#include "node/checkpoint_inner.h"

#include <stdlib.h>

#include "base/writer.h"

/* The stage's place among those to be placed anew, or rotate_count. */
static size_t stage_at(
        const struct checkpoint_attempt *attempt, struct bytes stage)
{
    size_t i = 0;

    while (i < attempt->rotate_count &&
            !bytes_equal(attempt->rotate[i], stage)) {
        i++;
    }
    return i;
}

void checkpoint_place_note(
        struct checkpoint_lead *lead, size_t at, const struct control_ack *ack)
{
    size_t stages = lead->attempt.rotate_count;

    for (size_t i = 0; i < ack->sinks_count; i++) {
        size_t stage = stage_at(&lead->attempt, ack->sinks[i].stage);

        if (stage < stages) {
            lead->placed[at * stages + stage] = (struct checkpoint_placed){
                    .is_set = true, .number = ack->sinks[i].number};
        }
    }
}

/* Writes the stage's sinks behind what is there; members ascend, so sinks do. */
static struct bytes put_sinks(
        struct writer *w, const struct checkpoint_lead *lead, size_t stage)
{
    const struct checkpoint_attempt *attempt = &lead->attempt;
    size_t before = w->size;

    for (size_t i = 0; i < attempt->members_count; i++) {
        const struct checkpoint_placed *placed =
                &lead->placed[i * attempt->rotate_count + stage];

        if (placed->is_set &&
                w->size - before < SHUFFLE_SINKS_MAX * SHUFFLE_SINK_BYTES) {
            shuffle_wire_put_sink(
                    w, &(struct shuffle_sink_id){.node = attempt->members[i],
                               .generation = attempt->generations[i],
                               .number = placed->number});
        }
    }
    return bytes_of(w->data + before, w->size - before);
}

struct checkpoint_places checkpoint_place_build(
        const struct checkpoint_lead *lead, size_t stages_max)
{
    const struct checkpoint_attempt *attempt = &lead->attempt;
    size_t stages = attempt->rotate_count < stages_max ? attempt->rotate_count
                                                       : stages_max;
    size_t lists = stages * sizeof(struct shuffle_cut_place);
    size_t packed = stages * attempt->members_count * SHUFFLE_SINK_BYTES;
    uint8_t *memory = malloc(lists + packed + 1);
    struct checkpoint_places places = {.list = (void *)memory};
    struct writer w;

    if (memory == NULL) {
        abort(); /* all have acked: this attempt must be decided */
    }
    w = writer_of(memory + lists, packed);
    for (size_t stage = 0; stage < stages; stage++) {
        struct bytes sinks = put_sinks(&w, lead, stage);

        if (sinks.size > 0) {
            places.list[places.count++] = (struct shuffle_cut_place){
                    .stage = attempt->rotate[stage],
                    .sinks = {.epoch = attempt->epoch, .packed = sinks}};
        }
    }
    assert(!w.failed);
    return places;
}

void checkpoint_place_free(struct checkpoint_places *places)
{
    free(places->list);
    *places = (struct checkpoint_places){0};
}
