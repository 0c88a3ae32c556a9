#include "shuffle/shuffle_reason.h"

#include <assert.h>
#include <string.h>

static const struct {
    const char *word;
    enum shuffle_advice advice;
} reasons[SHUFFLE_REASON_COUNT] = {
        [SHUFFLE_REASON_NONE] = {"ended", SHUFFLE_ADVICE_WAIT},
        [SHUFFLE_REASON_CLUSTER] = {"cluster", SHUFFLE_ADVICE_STOP},
        [SHUFFLE_REASON_GENERATION] = {"generation", SHUFFLE_ADVICE_RESOLVE},
        [SHUFFLE_REASON_ID] = {"id", SHUFFLE_ADVICE_RESOLVE},
        [SHUFFLE_REASON_HASH] = {"hash", SHUFFLE_ADVICE_STOP},
        [SHUFFLE_REASON_VNODES] = {"vnodes", SHUFFLE_ADVICE_STOP},
        [SHUFFLE_REASON_VERSION] = {"version", SHUFFLE_ADVICE_STOP},
        [SHUFFLE_REASON_SUPERSEDED] = {"superseded", SHUFFLE_ADVICE_WAIT},
        [SHUFFLE_REASON_BUSY] = {"busy", SHUFFLE_ADVICE_WAIT},
        [SHUFFLE_REASON_PROTOCOL] = {"protocol", SHUFFLE_ADVICE_STOP},
        [SHUFFLE_REASON_LEAVING] = {"leaving", SHUFFLE_ADVICE_WAIT},
        [SHUFFLE_REASON_OTHER] = {"other", SHUFFLE_ADVICE_WAIT},
        [SHUFFLE_REASON_LOST] = {"lost", SHUFFLE_ADVICE_WAIT},
};

const char *shuffle_reason_word(enum shuffle_reason reason)
{
    assert(reason < SHUFFLE_REASON_COUNT);
    return reasons[reason].word;
}

/* The bytes before the first colon, or all of them. */
static struct bytes first_word(struct bytes text)
{
    const uint8_t *colon =
            text.size == 0 ? NULL : memchr(text.data, ':', text.size);

    return colon == NULL ? text
                         : bytes_of(text.data, (size_t)(colon - text.data));
}

enum shuffle_reason shuffle_reason_parse(struct bytes text)
{
    struct bytes word = first_word(text);

    for (int i = SHUFFLE_REASON_CLUSTER; i < SHUFFLE_REASON_OTHER; i++) {
        if (bytes_equal_text(word, reasons[i].word)) {
            return (enum shuffle_reason)i;
        }
    }
    return SHUFFLE_REASON_OTHER;
}

enum shuffle_advice shuffle_reason_advice(enum shuffle_reason reason)
{
    assert(reason < SHUFFLE_REASON_COUNT);
    return reasons[reason].advice;
}
