/* A number of bytes that several owners share and nobody may exceed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct budget {
    size_t max_bytes;
    size_t used_bytes;
};

/* Takes `bytes` or nothing. */
bool budget_take(struct budget *b, size_t bytes);

/* Gives back what was taken. */
void budget_give(struct budget *b, size_t bytes);
