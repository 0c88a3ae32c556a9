/* Numbers as people read them. */
#pragma once

#include <stdint.h>

enum {
    HUMANE_BYTES = 48, /* the longest text, and its NUL */
};

/* Each writes its text and returns it. */
const char *humane_count(
        uint64_t count, char text[static HUMANE_BYTES]); /* 1,204,332 */
const char *humane_size(
        uint64_t size_bytes, char text[static HUMANE_BYTES]); /* 1.2 MiB */
const char *humane_ms(uint64_t ms,
        char text[static HUMANE_BYTES]); /* 250 ms, 4.2 s, 3m 05s */
const char *humane_us(
        uint64_t us, char text[static HUMANE_BYTES]); /* 85 us, 1.2 ms */
