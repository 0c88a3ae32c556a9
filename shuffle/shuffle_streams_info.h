/* What the streams tell of themselves: what is to be published, and what
 * `weft info` says of stages and peers. */
#pragma once

#include "shuffle/shuffle_wire.h"

struct shuffle_streams;

/* What `weft:sinks` shall say, by ascending name; false beyond the last. The
 * name is borrowed until the next verb. */
bool shuffle_streams_sink_at(const struct shuffle_streams *st, size_t index,
        struct bytes *stage, uint64_t *number);

struct shuffle_stage_info {
    struct bytes name; /* borrowed until the next verb */
    size_t sources; /* here */
    size_t sinks; /* here: 0 or 1 */
    struct shuffle_wire_sinks placement; /* in force here; empty if none */
    uint64_t records_in; /* from local sources */
    uint64_t bytes_in;
    uint64_t records_out; /* to the local sink */
    uint64_t bytes_out;
    uint64_t waiting_bytes; /* packed or in windows, not yet handed on */
    uint64_t longest_without_credit_ms;
};

/* Stages that have or had a program here, in order of their first; false
 * beyond the last. */
bool shuffle_streams_stage_at(const struct shuffle_streams *st, size_t index,
        struct shuffle_stage_info *info);

/* Records sent to the peer, by all sources here, that no sink has confirmed. */
uint64_t shuffle_streams_unconfirmed(
        const struct shuffle_streams *st, uint64_t peer);
