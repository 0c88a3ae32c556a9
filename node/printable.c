#include "node/printable.h"

#include <assert.h>
#include <stdio.h>

/* C0, DEL, and C1 as UTF-8 has it: C2 80 to C2 9F. */
static size_t control_size(struct bytes text)
{
    uint8_t first = text.data[0];

    if (first < 0x20 || first == 0x7F) {
        return 1;
    }
    return first == 0xC2 && text.size > 1 && text.data[1] < 0xA0 ? 2 : 0;
}

const char *printable(struct bytes text, char *out, size_t capacity)
{
    size_t used = 0;

    assert(capacity > PRINTABLE_BYTES);
    while (text.size > 0 && used + PRINTABLE_BYTES < capacity) {
        size_t control = control_size(text);

        if (control == 0) {
            out[used++] = (char)text.data[0];
            text = bytes_skip(text, 1);
            continue;
        }
        used += (size_t)snprintf(
                out + used, capacity - used, "\\x%02x", text.data[control - 1]);
        text = bytes_skip(text, control);
    }
    out[used] = '\0';
    return out;
}
