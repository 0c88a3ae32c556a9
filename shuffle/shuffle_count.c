#include "shuffle/shuffle_count.h"

#include <assert.h>
#include <stddef.h>

static const struct {
    const char *name;
    const char *class;
} drops[SHUFFLE_DROP_COUNT] = {
        [SHUFFLE_DROP_CUT] = {"cut", "unexpected EOF"},
        [SHUFFLE_DROP_EMPTY] = {"empty", "invalid data"},
        [SHUFFLE_DROP_TOO_LONG] = {"too_long", "invalid input"},
        [SHUFFLE_DROP_BARRIER] = {"barrier", "invalid data"},
        [SHUFFLE_DROP_HELLO] = {"hello", "invalid data"},
        [SHUFFLE_DROP_VNODE_DATA] = {"vnode_data", "invalid data"},
        [SHUFFLE_DROP_ARROW] = {"arrow", "invalid data"},
        [SHUFFLE_DROP_CLOSE] = {"close", "invalid data"},
        [SHUFFLE_DROP_TAG] = {"tag", "invalid data"},
        [SHUFFLE_DROP_SKIPPED] = {"skipped", "protocol"},
        [SHUFFLE_DROP_UNUSED] = {"unused", "protocol"},
        [SHUFFLE_DROP_PLACE] = {"place", "protocol"},
        [SHUFFLE_DROP_MALFORMED] = {"malformed", "protocol"},
        [SHUFFLE_DROP_NO_HELLO] = {"no_hello", "protocol"},
        [SHUFFLE_DROP_HELLO_LATE] = {"hello_late", "limit"},
        [SHUFFLE_DROP_HELLO_ID] = {"hello_id", "protocol"},
        [SHUFFLE_DROP_GREET] = {"greet", "protocol"},
        [SHUFFLE_DROP_GREET_LATE] = {"greet_late", "limit"},
        [SHUFFLE_DROP_SUPERSEDED] = {"superseded", "protocol"},
        [SHUFFLE_DROP_LINKS] = {"links", "limit"},
        [SHUFFLE_DROP_HOST] = {"host", "limit"},
        [SHUFFLE_DROP_LEAVING] = {"leaving", "limit"},
        [SHUFFLE_DROP_CONNECT] = {"connect", "limit"},
        [SHUFFLE_DROP_STALLED] = {"stalled", "limit"},
        [SHUFFLE_DROP_SILENT] = {"silent", "limit"},
        [SHUFFLE_DROP_RESERVED] = {"reserved", "limit"},
        [SHUFFLE_DROP_MEMORY] = {"memory", "limit"},
        [SHUFFLE_DROP_QUEUE] = {"queue", "limit"},
        [SHUFFLE_DROP_UNSENT] = {"unsent", "limit"},
};

const char *shuffle_drop_name(enum shuffle_drop drop)
{
    assert(drop < SHUFFLE_DROP_COUNT);
    return drops[drop].name;
}

const char *shuffle_drop_class(enum shuffle_drop drop)
{
    assert(drop < SHUFFLE_DROP_COUNT);
    return drops[drop].class;
}

void shuffle_count_add(
        struct shuffle_count *sum, const struct shuffle_count *part)
{
    sum->frames_in += part->frames_in;
    sum->frames_out += part->frames_out;
    sum->bytes_in += part->bytes_in;
    sum->bytes_out += part->bytes_out;
    for (size_t i = 0; i < SHUFFLE_DROP_COUNT; i++) {
        sum->drops[i] += part->drops[i];
    }
}
