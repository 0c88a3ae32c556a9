#include "base/bytes.h"

#include <string.h>

struct bytes bytes_text(const char *text)
{
    return bytes_of(text, strlen(text));
}

bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.size == b.size &&
           (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

bool bytes_equal_text(struct bytes a, const char *text)
{
    return bytes_equal(a, bytes_text(text));
}

int bytes_compare(struct bytes a, struct bytes b)
{
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common == 0 ? 0 : memcmp(a.data, b.data, common);

    if (order != 0) {
        return order;
    }
    return (a.size > b.size) - (a.size < b.size);
}

bool bytes_starts_with(struct bytes whole, struct bytes prefix)
{
    return whole.size >= prefix.size &&
           bytes_equal(bytes_of(whole.data, prefix.size), prefix);
}

/* How many continuation bytes follow `lead`, which is no ASCII, and the least
 * code point that needs that many; -1 when no sequence starts so. */
static int continuation_bytes(uint8_t lead, uint32_t *point, uint32_t *least)
{
    if ((lead & 0xe0) == 0xc0) {
        *point = lead & 0x1f;
        *least = 0x80;
        return 1;
    }
    if ((lead & 0xf0) == 0xe0) {
        *point = lead & 0x0f;
        *least = 0x800;
        return 2;
    }
    if ((lead & 0xf8) == 0xf0) {
        *point = lead & 0x07;
        *least = 0x10000;
        return 3;
    }
    return -1;
}

bool bytes_is_utf8(struct bytes b)
{
    size_t i = 0;

    while (i < b.size) {
        uint32_t point;
        uint32_t least;
        int more;

        if (b.data[i] < 0x80) { /* ASCII, as most are */
            i++;
            continue;
        }
        more = continuation_bytes(b.data[i], &point, &least);
        i++;
        if (more < 0 || (size_t)more > b.size - i) {
            return false;
        }
        for (; more > 0; more--, i++) {
            if ((b.data[i] & 0xc0) != 0x80) {
                return false;
            }
            point = point << 6 | (b.data[i] & 0x3f);
        }
        if (point < least || point > 0x10ffff ||
                (point >= 0xd800 && point <= 0xdfff)) {
            return false;
        }
    }
    return true;
}

bool bytes_to_u64(struct bytes digits, uint64_t *value)
{
    uint64_t sum = 0;

    if (digits.size == 0 || digits.size > 20 ||
            (digits.data[0] == '0' && digits.size > 1)) {
        return false;
    }
    for (size_t i = 0; i < digits.size; i++) {
        unsigned digit = (unsigned)digits.data[i] - '0';

        if (digit > 9 || sum > (UINT64_MAX - digit) / 10) {
            return false;
        }
        sum = sum * 10 + digit;
    }
    *value = sum;
    return true;
}
