/* Control records: what members say of checkpoints, as JSON.
 *
 *   control:barrier      announcement, by the leader
 *   control:barrier-ack  ack, by each member
 *
 * The same texts travel in CONTROL frames between Weft nodes, and there is a
 * third, the request. The first fields are LaminarDB's, in its order and to the
 * byte; those behind them are ours, and its readers skip them:
 *
 *   {"epoch":5,"checkpoint_id":42,"phase":"Prepare","flags":0,
 *    "min_watermark_ms":null,
 *    "leader":"1","generation":"1767225600000","term":"0","attempt":"7",
 *    "round":"0","members":["1","2"],
 *    "generations":["1767225600000","1767225600001"],"rotate":["words"],
 *    "left_ms":7500,"asked":{"2":"17"}}
 *   {"epoch":5,…,"phase":"Commit",…,"round":"0","place":{"words":
 *    {"epoch":"5","sinks":[["1","1767225600000","3"]]}}}
 *   {"epoch":5,…,"phase":"Abort",…,"round":"0","reason":"…","missing":["2"]}
 *
 *   {"epoch":5,"ok":false,"error":"…","local_watermark_ms":null,
 *    "checkpoint_id":"42","leader":"1","attempt":"7","sinks":{"words":"3"},
 *    "missing":["3"],"outcome":null}
 *
 *   {"why":"drain","stages":["words"],"asked":"17",
 *    "leader":"0","generation":"0","epoch":"0"}
 *
 * Numbers that were LaminarDB's are JSON numbers, ours are strings of decimal
 * digits (`left_ms` apart, which is small); all are 64 bits exact. `term` and
 * `round` are 0: decisions by a majority, and rewinding, will need them.
 * docs/wire.md, "Control records" says what each field means, and what of it is
 * accepted; LaminarDB's own fields have the table of accepted and refused forms
 * there, which `read` keeps to the letter.
 *
 * Pure: texts in, values out. */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "shuffle/shuffle_cut.h"

enum {
    CONTROL_STAGES_MAX = 256, /* that one list of a record may name */
};

enum control_phase {
    CONTROL_PREPARE,
    CONTROL_COMMIT,
    CONTROL_ABORT,
};

/* The name of the phase as the record has it. */
const char *control_phase_name(enum control_phase phase);

/* That a member's request is answered by this attempt. */
struct control_asked {
    uint64_t node;
    uint64_t token; /* its latest request that counts */
};

struct control_watermark {
    bool is_set;
    int64_t ms;
};

struct control_announcement {
    uint64_t epoch;
    uint64_t checkpoint_id;
    enum control_phase phase;
    uint64_t flags;
    struct control_watermark min_watermark;

    bool is_weft; /* all of ours that belong to the phase are there and fit */
    uint64_t leader; /* whose attempt it is; not always who tells of it */
    uint64_t generation;
    uint64_t term;
    uint64_t attempt; /* of this leader and generation, from 1 */
    uint64_t round;
    const uint64_t *members; /* Prepare: ascending ids, the leader's too */
    const uint64_t *generations; /* Prepare: theirs, in the members' order */
    size_t members_count; /* of both */
    const struct bytes *rotate; /* Prepare: stages */
    size_t rotate_count;
    uint64_t left_ms; /* Prepare: that a member has for its part */
    const struct control_asked *asked; /* Prepare: ascending nodes */
    size_t asked_count;
    const struct shuffle_cut_place *places; /* Commit */
    size_t places_count;
    struct bytes reason; /* Abort */
    const uint64_t *missing; /* Abort: whom it was lost to */
    size_t missing_count;
};

enum control_known {
    CONTROL_UNDECIDED, /* "outcome":null */
    CONTROL_COMMITTED,
    CONTROL_ABORTED,
};

/* A sink as an ack names it. */
struct control_sink {
    struct bytes stage;
    uint64_t number;
};

struct control_ack {
    uint64_t epoch;
    bool ok;
    bool has_error;
    struct bytes error;
    struct control_watermark local_watermark;

    bool is_weft;
    uint64_t checkpoint_id;
    uint64_t leader;
    uint64_t attempt;
    const struct control_sink *sinks; /* of stages to be rotated */
    size_t sinks_count;
    const uint64_t *missing; /* whose Barrier or MARK had not come */
    size_t missing_count;
    enum control_known outcome; /* what its writer knows by now */
};

enum control_why {
    CONTROL_WHY_BARRIER, /* start a checkpoint, please */
    CONTROL_WHY_DRAIN, /* the same: my sinks of these stages are leaving */
    CONTROL_WHY_OUTCOME, /* what became of this attempt? */
    CONTROL_WHY_PROBE, /* are you well again? */
    CONTROL_WHY_WELL, /* the answer: I am */
    CONTROL_WHY_AWAKE, /* I slept: have you buried this generation of mine? */
    CONTROL_WHY_ALIVE, /* the answer: no */
    CONTROL_WHY_BURIED, /* the answer: yes */
};

/* The same of a request: "barrier". */
const char *control_why_name(enum control_why why);

struct control_request {
    enum control_why why;
    const struct bytes *stages;
    size_t stages_count;
    uint64_t asked; /* the requester's own count; it rises */
    uint64_t leader; /* OUTCOME: of which attempt */
    uint64_t generation; /* OUTCOME: of its leader; AWAKE: the asker's own */
    uint64_t epoch;
};

/* What a record that was read points into; one record at a time. It grows to
 * six times the longest text that was read, of 1 MiB at most. */
struct control_memory {
    uint8_t *bytes; /* first the arrays, then the texts */
    size_t capacity;
    size_t arrays_used;
    size_t arrays_max; /* where the texts begin */
    size_t texts_used;
};

void control_memory_init(struct control_memory *m);
void control_memory_close(struct control_memory *m);

/* False: not of the form, or no memory; then the record holds nothing. What is
 * read is borrowed from `m` until the next read with it. A record whose own
 * fields fit and whose Weft fields are missing, come twice or do not fit is
 * LaminarDB's: `is_weft` is false, and none of them is set. */
bool control_read_announcement(struct control_memory *m, struct bytes json,
        struct control_announcement *a);
bool control_read_ack(
        struct control_memory *m, struct bytes json, struct control_ack *ack);
bool control_read_request(struct control_memory *m, struct bytes json,
        struct control_request *request);

/* Write the text with a NUL behind it. ERR_FULL when it does not fit. With
 * `is_weft` false, LaminarDB's fields alone; otherwise what the phase has. What
 * is no UTF-8 in a sentence is written as U+FFFD. */
int control_write_announcement(
        const struct control_announcement *a, char *text, size_t capacity);
int control_write_ack(
        const struct control_ack *ack, char *text, size_t capacity);
int control_write_request(
        const struct control_request *request, char *text, size_t capacity);
