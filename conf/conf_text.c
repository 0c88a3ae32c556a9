#include "conf/conf_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t factor;
};

/* The largest first: formatting takes the first that divides. */
static const struct unit durations[] = {
        {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};

static const struct unit sizes[] = {{"TiB", UINT64_C(1) << 40},
        {"GiB", UINT64_C(1) << 30}, {"MiB", UINT64_C(1) << 20},
        {"KiB", UINT64_C(1) << 10}, {"", 1}};

enum {
    DURATIONS = sizeof(durations) / sizeof(durations[0]),
    SIZES = sizeof(sizes) / sizeof(sizes[0]),
};

static size_t count_digits(struct bytes text)
{
    size_t digits = 0;

    while (digits < text.size && text.data[digits] >= '0' &&
            text.data[digits] <= '9') {
        digits++;
    }
    return digits;
}

static bool parse(struct bytes text, const struct unit *units, size_t count,
        uint64_t *value)
{
    size_t digits = count_digits(text);
    struct bytes name = bytes_skip(text, digits);
    uint64_t number;

    if (!bytes_to_u64(bytes_of(text.data, digits), &number)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (bytes_equal_text(name, units[i].name)) {
            *value = number * units[i].factor;
            return number <= UINT64_MAX / units[i].factor;
        }
    }
    return false;
}

static const char *format(
        uint64_t value, const struct unit *units, size_t count, char *text)
{
    const struct unit *unit = units;

    while (unit < units + count - 1 &&
            (value == 0 || value % unit->factor != 0)) {
        unit++;
    }
    (void)snprintf(text, CONF_TEXT_BYTES, "%llu%s",
            (unsigned long long)(value / unit->factor), unit->name);
    return text;
}

bool conf_text_to_duration(struct bytes text, uint64_t *ms)
{
    if (bytes_equal_text(text, "0")) {
        *ms = 0;
        return true;
    }
    return parse(text, durations, DURATIONS, ms);
}

bool conf_text_to_size(struct bytes text, uint64_t *size_bytes)
{
    return parse(text, sizes, SIZES, size_bytes);
}

/* strtod alone would also take signs, exponents, "inf" and hexadecimal. */
bool conf_text_to_ratio(struct bytes text, double *ratio)
{
    char copy[CONF_TEXT_BYTES];
    size_t whole = count_digits(text);
    struct bytes rest = bytes_skip(text, whole);

    if (whole == 0 || text.size >= sizeof(copy)) {
        return false;
    }
    if (rest.size > 0 &&
            (rest.data[0] != '.' || rest.size == 1 ||
                    count_digits(bytes_skip(rest, 1)) != rest.size - 1)) {
        return false;
    }
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    *ratio = strtod(copy, NULL);
    return true;
}

const char *conf_text_duration(uint64_t ms, char text[static CONF_TEXT_BYTES])
{
    return format(ms, durations, DURATIONS, text);
}

const char *conf_text_size(
        uint64_t size_bytes, char text[static CONF_TEXT_BYTES])
{
    return format(size_bytes, sizes, SIZES, text);
}

/* As few decimals as give the same number back. */
const char *conf_text_ratio(double ratio, char text[static CONF_TEXT_BYTES])
{
    for (int decimals = 1; decimals <= 17; decimals++) {
        (void)snprintf(text, CONF_TEXT_BYTES, "%.*f", decimals, ratio);
        if (strtod(text, NULL) == ratio) {
            break;
        }
    }
    return text;
}
