/* What the parts of the streams say: frames to peers and to local programs,
 * and the sentences in them. */
#pragma once

#include "shuffle/shuffle_streams.h"

enum {
    SHUFFLE_COUNT_BYTES = 32,
    SHUFFLE_SENTENCE_BYTES = 256,
};

/* To the far end of a stream. */
void shuffle_send_opened(struct shuffle_streams *st, uint32_t link,
        const struct shuffle_wire_opened *opened);
void shuffle_send_grant(struct shuffle_streams *st, uint32_t link,
        uint32_t stream, uint64_t taken, uint64_t limit);
void shuffle_send_mark(struct shuffle_streams *st, uint32_t link,
        const struct shuffle_wire_mark *mark);
void shuffle_send_done(struct shuffle_streams *st, uint32_t link,
        uint32_t stream, uint64_t taken);
void shuffle_send_fail(struct shuffle_streams *st, uint32_t link,
        uint32_t stream, uint64_t taken, enum shuffle_fail_code code,
        const char *text);

/* To a local program. */
void shuffle_tell_state(struct shuffle_streams *st, uint32_t client,
        enum shuffle_state_code code, const char *text);
void shuffle_tell_mark(struct shuffle_streams *st, uint32_t client,
        const struct shuffle_wire_mark *mark);
void shuffle_tell_outcome(struct shuffle_streams *st, uint32_t client,
        const struct shuffle_wire_outcome *outcome);
void shuffle_tell_done(
        struct shuffle_streams *st, uint32_t client, uint64_t taken);
void shuffle_tell_fail(struct shuffle_streams *st, uint32_t client,
        uint64_t taken, enum shuffle_fail_code code, const char *text);
void shuffle_tell_block(
        struct shuffle_streams *st, uint32_t client, struct block *block);
void shuffle_tell_read(struct shuffle_streams *st, uint32_t client, bool on);
void shuffle_tell_close(struct shuffle_streams *st, uint32_t client);

/* STATE 2 and the end. */
void shuffle_tell_refused(
        struct shuffle_streams *st, uint32_t client, const char *text);

/* What a code means, for a FAIL that has nothing more to tell. */
const char *shuffle_fail_text(enum shuffle_fail_code code);

/* 1041 as "1,041". Returns `text`. */
const char *shuffle_count_text(
        uint64_t count, char text[static SHUFFLE_COUNT_BYTES]);

/* "record" or "records". */
const char *shuffle_records_word(uint64_t count);

/* "node 1" or "nodes 1, 2 and 3"; of many, the first and how many more. Returns
 * `text`. */
const char *shuffle_nodes_text(const struct shuffle_wire_sinks *sinks,
        char text[static SHUFFLE_SENTENCE_BYTES]);
