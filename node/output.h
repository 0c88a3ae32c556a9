/* What `weft recv` writes: records of DATA frames as lines, batch by batch.
 *
 * Records are copied from their frame into one buffer of fixed size, which is
 * then written in whatever portions the other side takes. What was written is
 * counted to the record, for that is what may be confirmed. A record may be
 * larger than the buffer: it passes in pieces. Raw records are LaminarDB's:
 *
 *   peer u64 LE, vnode u32 LE, length u32 LE, bytes
 *
 *     output_take(&out, records);          a frame's records, borrowed
 *     while (output_fill(&out), (b = output_pending(&out)).size > 0) {
 *         output_written(&out, write(fd, b.data, b.size));
 *     }                                    then the next frame
 */
#pragma once

#include "shuffle/shuffle_record.h"

enum {
    OUTPUT_BATCH_BYTES = 256 << 10,
    OUTPUT_BATCH_RECORDS = 32 << 10,
    OUTPUT_RAW_HEAD_BYTES = 16,
};

enum output_mode {
    OUTPUT_LINES, /* record, line feed; records of format 1 */
    OUTPUT_NULS, /* record, NUL; records of format 1 */
    OUTPUT_RAW, /* records of format 3 */
};

struct output {
    enum output_mode mode;
    uint8_t *batch;
    size_t start; /* of what is not written yet */
    size_t end;
    uint32_t *ends; /* in the batch, of each record that ends in it */
    size_t ends_first; /* of those not written yet */
    size_t ends_count;

    struct shuffle_records records; /* of the frame, not yet begun */
    struct bytes pieces[3]; /* of the record that is being copied */
    size_t piece; /* the next one; 3: none is */
    uint8_t head[OUTPUT_RAW_HEAD_BYTES];
    bool is_malformed; /* a frame that no node of this version sends */

    uint64_t taken_records; /* written to their ends */
    uint64_t taken_bytes; /* of them, as credit counts: length words included */
    uint64_t passed; /* bytes of the batches before this one */
    uint64_t written_ends; /* where the last record taken ended in all bytes */
};

void output_init(struct output *o, enum output_mode mode);
void output_close(struct output *o);

/* The records of the next frame, borrowed until output_has_frame is false. */
void output_take(struct output *o, struct bytes records);
bool output_has_frame(const struct output *o);

/* How many records have been copied to their ends, written or not. */
uint64_t output_records(const struct output *o);

/* Copies from the frame what has room. */
void output_fill(struct output *o);

/* What to write next; empty when all that was copied is written. */
struct bytes output_pending(const struct output *o);
void output_written(struct output *o, size_t size);
