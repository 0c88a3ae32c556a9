/* Answers of the node as text for people. Each prints the whole answer; one
 * that is no JSON prints as it is. */
#pragma once

#include <stdio.h>

#include "base/bytes.h"

void show_members(struct bytes json, bool is_coloured, FILE *out);
void show_info(struct bytes json, bool is_coloured, FILE *out);
void show_keys(struct bytes json, bool is_coloured, FILE *out); /* kv ls */
void show_value(struct bytes json, FILE *out); /* kv get: the value alone */
void show_health(struct bytes json, FILE *out);

/* How a checkpoint ended, in one line; and the latest ones, step by step. */
void show_barrier(struct bytes json, FILE *out);
void show_checkpoints(struct bytes json, bool is_coloured, FILE *out);

/* Whether the answer is no more than a sentence. */
bool show_has_error(struct bytes json);

/* The sentence of an answer that failed, straight into `out`. */
void show_error(struct bytes json, FILE *out);
