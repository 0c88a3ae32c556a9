/* Why a connection ends, in words that both sides know.
 *
 * Between Weft nodes the text of Close begins with one stable word and a
 * colon; what follows is a sentence for people (docs/wire.md, "Greeting between
 * Weft nodes"). The word tells the connecting side what to do next: read the
 * peer's address anew, wait and try again, or stop until something changes. */
#pragma once

#include "base/bytes.h"

enum shuffle_reason {
    SHUFFLE_REASON_NONE, /* the other side ended it without a word */
    SHUFFLE_REASON_CLUSTER,
    SHUFFLE_REASON_GENERATION,
    SHUFFLE_REASON_ID,
    SHUFFLE_REASON_HASH,
    SHUFFLE_REASON_VNODES,
    SHUFFLE_REASON_VERSION,
    SHUFFLE_REASON_SUPERSEDED,
    SHUFFLE_REASON_BUSY,
    SHUFFLE_REASON_PROTOCOL,
    SHUFFLE_REASON_LEAVING,
    SHUFFLE_REASON_OTHER, /* a Close whose word we do not know */
    SHUFFLE_REASON_LOST, /* an error of the system, or no progress in time */
    SHUFFLE_REASON_COUNT,
};

enum shuffle_advice {
    SHUFFLE_ADVICE_WAIT, /* the address is right; try again later */
    SHUFFLE_ADVICE_RESOLVE, /* somebody else lives there: ask the KV again */
    SHUFFLE_ADVICE_STOP, /* trying again will not help until facts change */
};

/* The stable word; for NONE, OTHER and LOST what we call it ourselves. */
const char *shuffle_reason_word(enum shuffle_reason reason);

/* From the text of a Close, with or without a colon behind the word. */
enum shuffle_reason shuffle_reason_parse(struct bytes text);

enum shuffle_advice shuffle_reason_advice(enum shuffle_reason reason);
