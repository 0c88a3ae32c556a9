/* A stage as this node sees it: its local sink, and what has passed.
 *
 * A stage begins with the first program that attaches to it here. Its counts
 * outlive its programs, so that `weft info` can tell of them; beyond
 * SHUFFLE_STAGES_MAX stages the ones without a program are forgotten. */
#pragma once

#include "shuffle/shuffle_wire.h"

enum {
    SHUFFLE_STAGES_MAX = 256,
};

struct shuffle_sink;
struct shuffle_streams;

struct shuffle_stage {
    struct shuffle_stage *next;
    char name[SHUFFLE_STAGE_MAX + 1];
    struct shuffle_sink *sink; /* the local one, or NULL */
    uint32_t sources_count; /* attached here */
    uint32_t counted; /* of them, those that count */
    uint64_t records_in;
    uint64_t bytes_in;
    uint64_t records_out;
    uint64_t bytes_out;
    uint64_t longest_without_credit_ms;
};

struct bytes shuffle_stage_name(const struct shuffle_stage *stage);

/* NULL when no program has ever used it here. */
struct shuffle_stage *shuffle_stage_find(
        const struct shuffle_streams *st, struct bytes name);

/* Made if need be; NULL when there is no memory. */
struct shuffle_stage *shuffle_stage_of(
        struct shuffle_streams *st, struct bytes name);

/* The first sink of a stage behind `after` (NULL: of all); NULL when there is
 * none. */
struct shuffle_sink *shuffle_stage_next_sink(
        const struct shuffle_streams *st, const struct shuffle_stage *after);

void shuffle_stage_close_all(struct shuffle_streams *st);
