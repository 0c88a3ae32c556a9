#include "node/humane.h"

#include <stdio.h>
#include <string.h>

enum {
    SECOND_MS = 1000,
    MINUTE_MS = 60 * SECOND_MS,
    HOUR_MS = 60 * MINUTE_MS,
    DAY_MS = 24 * HOUR_MS,
};

const char *humane_count(uint64_t count, char text[static HUMANE_BYTES])
{
    char digits[HUMANE_BYTES];
    int size =
            snprintf(digits, sizeof(digits), "%llu", (unsigned long long)count);
    char *to = text;

    for (int i = 0; i < size; i++) {
        if (i > 0 && (size - i) % 3 == 0) {
            *to++ = ',';
        }
        *to++ = digits[i];
    }
    *to = '\0';
    return text;
}

/* In tenths, rounded down, so that 1023.99 KiB never reads as 1024.0. */
static const char *with_unit(uint64_t value, uint64_t one, const char *unit,
        char text[static HUMANE_BYTES])
{
    (void)snprintf(text, HUMANE_BYTES, "%llu.%llu %s",
            (unsigned long long)(value / one),
            (unsigned long long)(value % one * 10 / one), unit);
    return text;
}

const char *humane_size(uint64_t size_bytes, char text[static HUMANE_BYTES])
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    uint64_t one = 1024;
    size_t i = 0;

    if (size_bytes < 1024) {
        (void)snprintf(
                text, HUMANE_BYTES, "%llu B", (unsigned long long)size_bytes);
        return text;
    }
    while (i < 3 && size_bytes / one >= 1024) {
        one *= 1024;
        i++;
    }
    return with_unit(size_bytes, one, units[i], text);
}

/* Two units of time, the second with two digits. */
static const char *two_units(uint64_t large, const char *large_unit,
        uint64_t small, const char *small_unit, char text[static HUMANE_BYTES])
{
    (void)snprintf(text, HUMANE_BYTES, "%llu%s %02llu%s",
            (unsigned long long)large, large_unit, (unsigned long long)small,
            small_unit);
    return text;
}

const char *humane_ms(uint64_t ms, char text[static HUMANE_BYTES])
{
    if (ms < SECOND_MS) {
        (void)snprintf(text, HUMANE_BYTES, "%llu ms", (unsigned long long)ms);
        return text;
    }
    if (ms < MINUTE_MS) {
        return with_unit(ms, SECOND_MS, "s", text);
    }
    if (ms < HOUR_MS) {
        return two_units(
                ms / MINUTE_MS, "m", ms % MINUTE_MS / SECOND_MS, "s", text);
    }
    if (ms < DAY_MS) {
        return two_units(
                ms / HOUR_MS, "h", ms % HOUR_MS / MINUTE_MS, "m", text);
    }
    return two_units(ms / DAY_MS, "d", ms % DAY_MS / HOUR_MS, "h", text);
}

const char *humane_us(uint64_t us, char text[static HUMANE_BYTES])
{
    if (us < 1000) {
        (void)snprintf(text, HUMANE_BYTES, "%llu us", (unsigned long long)us);
        return text;
    }
    if (us < UINT64_C(1000) * SECOND_MS) {
        return with_unit(us, 1000, "ms", text);
    }
    return humane_ms(us / 1000, text);
}
