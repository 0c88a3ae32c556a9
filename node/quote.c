#include "node/quote.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* The size of the well-formed character at the front; 0 if there is none. */
static size_t character_bytes(struct bytes text)
{
    for (size_t size = 1; size <= 4 && size <= text.size; size++) {
        if (bytes_is_utf8(bytes_of(text.data, size))) {
            return size;
        }
    }
    return 0;
}

/* What stands in the JSON for the character at the front; its NUL included. */
static void escape(struct bytes character, char out[static 8])
{
    static const char *const shorts = "\b\t\n\f\r\"\\";
    static const char *const letters = "btnfr\"\\";
    char first = (char)character.data[0];
    const char *found = first == '\0' ? NULL : strchr(shorts, first);

    if (found != NULL) {
        (void)snprintf(out, 8, "\\%c", letters[found - shorts]);
    } else if (character.data[0] < 0x20) {
        (void)snprintf(out, 8, "\\u%04x", character.data[0]);
    } else {
        memcpy(out, character.data, character.size);
        out[character.size] = '\0';
    }
}

void quote_json(struct bytes text, char *out, size_t capacity)
{
    size_t used = 1;

    assert(capacity >= 3);
    out[0] = '"';
    while (text.size > 0) {
        size_t size = character_bytes(text);
        char escaped[8] = "\xef\xbf\xbd";

        if (size > 0) {
            escape(bytes_of(text.data, size), escaped);
        }
        if (used + strlen(escaped) + 2 > capacity) {
            break;
        }
        memcpy(out + used, escaped, strlen(escaped));
        used += strlen(escaped);
        text = bytes_skip(text, size > 0 ? size : 1);
    }
    out[used] = '"';
    out[used + 1] = '\0';
}
