#include "node/checkpoint_reason.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    NAMES_MAX = 8,
};

/* Where a text of at most `max` bytes may end, so that no character of UTF-8 is
 * cut in two. */
static size_t whole_end(const char *text, size_t max)
{
    while (max > 0 && ((unsigned char)text[max] & 0xC0) == 0x80) {
        max--;
    }
    return max;
}

static void append(char *reason, const char *more)
{
    size_t size = strlen(reason);
    size_t room = CHECKPOINT_REASON_BYTES - 1 - size;
    size_t more_size = strlen(more);
    size_t end;

    if (more_size <= room) {
        memcpy(reason + size, more, more_size + 1);
        return;
    }
    memcpy(reason + size, more, room);
    reason[CHECKPOINT_REASON_BYTES - 1] = '\0';
    end = whole_end(reason, CHECKPOINT_REASON_BYTES - 4);
    memcpy(reason + end, "...", 4);
}

void checkpoint_reason_add(
        char reason[static CHECKPOINT_REASON_BYTES], const char *format, ...)
{
    char clause[CHECKPOINT_REASON_BYTES + 1];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(clause, sizeof(clause), format, args);
    va_end(args);
    if (reason[0] != '\0') {
        append(reason, "; ");
    }
    append(reason, clause);
}

void checkpoint_reason_add_nodes(char reason[static CHECKPOINT_REASON_BYTES],
        const char *words, const uint64_t *ids, size_t count)
{
    size_t shown = count > NAMES_MAX ? NAMES_MAX - 1 : count;
    char names[NAMES_MAX * 28];
    int size = 0;

    for (size_t i = 0; i < shown; i++) {
        size += snprintf(names + size, sizeof(names) - (size_t)size,
                "%s%" PRIu64,
                i == 0           ? ""
                : i + 1 == count ? " and "
                                 : ", ",
                ids[i]);
    }
    if (shown < count) {
        (void)snprintf(names + size, sizeof(names) - (size_t)size,
                " and %zu more", count - shown);
    }
    checkpoint_reason_add(
            reason, "%s %s %s", words, count == 1 ? "node" : "nodes", names);
}

void checkpoint_reason_copy(
        char reason[static CHECKPOINT_REASON_BYTES], struct bytes text)
{
    size_t size = 0;

    reason[0] = '\0';
    if (!bytes_is_utf8(text)) {
        return;
    }
    for (size_t i = 0; i < text.size && size < CHECKPOINT_REASON_BYTES - 1;
            i++) {
        if (text.data[i] >= 0x20 && text.data[i] != 0x7F) {
            reason[size++] = (char)text.data[i];
        }
    }
    reason[size] = '\0';
    if (size == CHECKPOINT_REASON_BYTES - 1) {
        reason[whole_end(reason, size - 3)] = '\0';
    }
}
