#include "shuffle/shuffle_streams_info.h"

#include "shuffle/shuffle_streams.h"

bool shuffle_streams_sink_at(const struct shuffle_streams *st, size_t index,
        struct bytes *stage, uint64_t *number)
{
    struct bytes after = bytes_of(NULL, 0);

    for (size_t i = 0; i <= index; i++) {
        const struct shuffle_sink *least = NULL;

        for (const struct shuffle_sink *s = shuffle_stage_next_sink(st, NULL);
                s != NULL; s = shuffle_stage_next_sink(st, s->stage)) {
            struct bytes name = shuffle_stage_name(s->stage);

            if (s->state == SHUFFLE_SINK_RUNNING &&
                    bytes_compare(name, after) > 0 &&
                    (least == NULL ||
                            bytes_compare(name,
                                    shuffle_stage_name(least->stage)) < 0)) {
                least = s;
            }
        }
        if (least == NULL) {
            return false;
        }
        after = shuffle_stage_name(least->stage);
        *stage = after;
        *number = least->number;
    }
    return true;
}

static void add_source(const struct shuffle_streams *st,
        const struct shuffle_source *source, struct shuffle_stage_info *info)
{
    info->waiting_bytes += source->spill->size - source->spill_used;
    if (shuffle_source_counts(source)) {
        info->placement = shuffle_place_sinks(&source->place);
    }
    for (size_t i = 0; i < source->streams_count; i++) {
        const struct shuffle_outstream *out = source->streams[i];
        uint64_t since = out->starved_ms;

        info->waiting_bytes += shuffle_outstream_waiting_bytes(out);
        if (since != 0 &&
                st->now_ms + 1 - since > info->longest_without_credit_ms) {
            info->longest_without_credit_ms = st->now_ms + 1 - since;
        }
    }
}

static void add_sink(
        const struct shuffle_sink *sink, struct shuffle_stage_info *info)
{
    if (sink->streams != NULL) {
        info->placement = shuffle_sink_placement(sink);
    }
    for (const struct shuffle_instream *in = sink->streams; in != NULL;
            in = in->next) {
        info->waiting_bytes += in->waiting_bytes;
    }
}

/* The stage of the LaminarDB peers stands behind the others. */
static bool laminar_stage(
        const struct shuffle_laminar *l, struct shuffle_stage_info *info)
{
    bool is_used = l->sink_client != 0 || l->sources_count > 0 ||
                   l->records_in > 0 || l->records_out > 0 ||
                   l->waiting_bytes > 0;

    *info = (struct shuffle_stage_info){.name = bytes_text("laminar"),
            .sources = l->sources_count,
            .sinks = l->sink_client != 0,
            .records_in = l->records_in,
            .bytes_in = l->bytes_in,
            .records_out = l->records_out,
            .bytes_out = l->bytes_out,
            .waiting_bytes = l->waiting_bytes};
    return is_used;
}

bool shuffle_streams_stage_at(const struct shuffle_streams *st, size_t index,
        struct shuffle_stage_info *info)
{
    const struct shuffle_stage *stage = st->stages;

    while (stage != NULL && index > 0) {
        stage = stage->next;
        index--;
    }
    if (stage == NULL) {
        return index == 0 && laminar_stage(&st->laminar, info);
    }
    *info = (struct shuffle_stage_info){.name = shuffle_stage_name(stage),
            .sources = stage->sources_count,
            .sinks = stage->sink != NULL,
            .records_in = stage->records_in,
            .bytes_in = stage->bytes_in,
            .records_out = stage->records_out,
            .bytes_out = stage->bytes_out,
            .longest_without_credit_ms = stage->longest_without_credit_ms};
    if (stage->sink != NULL) {
        add_sink(stage->sink, info);
    }
    for (const struct shuffle_source *s = st->sources; s != NULL; s = s->next) {
        if (s->stage == stage) {
            add_source(st, s, info);
        }
    }
    return true;
}

uint64_t shuffle_streams_unconfirmed(
        const struct shuffle_streams *st, uint64_t peer)
{
    uint64_t records = 0;

    for (const struct shuffle_source *s = st->sources; s != NULL; s = s->next) {
        for (size_t i = 0; i < s->streams_count; i++) {
            const struct shuffle_outstream *out = s->streams[i];

            if (out->sink.node == peer) {
                records += out->sent_records - out->taken_records;
            }
        }
    }
    return records;
}
