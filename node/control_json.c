#include "node/control_json.h"

#include <stdlib.h>

#include "node/json_walk.h"

/* --- memory --- */

enum {
    /* Of a text's size: what the arrays of its densest list take ("a", becomes
     * a struct bytes), and its texts (["1","1","1"], becomes a packed sink). */
    ARRAYS_PER_BYTE = 4,
    TEXTS_PER_BYTE = 2,
    ALIGN_BYTES = 16,
    LISTS_MAX = 4,
};

void control_memory_init(struct control_memory *m)
{
    *m = (struct control_memory){.bytes = NULL};
}

void control_memory_close(struct control_memory *m)
{
    free(m->bytes);
    control_memory_init(m);
}

/* Room for all that a text of this size can hold. */
static bool memory_begin(struct control_memory *m, size_t size)
{
    size_t arrays_max;
    size_t capacity;

    if (size > SHUFFLE_FRAME_MAX) {
        return false;
    }
    arrays_max = (size + LISTS_MAX * ALIGN_BYTES) * ARRAYS_PER_BYTE;
    capacity = arrays_max + size * TEXTS_PER_BYTE;
    if (capacity > m->capacity) {
        uint8_t *bytes = realloc(m->bytes, capacity);

        if (bytes == NULL) {
            return false;
        }
        m->bytes = bytes;
        m->capacity = capacity;
    }
    m->arrays_used = 0;
    m->arrays_max = arrays_max;
    m->texts_used = 0;
    return true;
}

/* Where the next array begins; its elements are claimed one by one. */
static void *begin_array(struct control_memory *m)
{
    m->arrays_used +=
            (ALIGN_BYTES - m->arrays_used % ALIGN_BYTES) % ALIGN_BYTES;
    return m->bytes + m->arrays_used;
}

static bool claim(struct control_memory *m, size_t size)
{
    if (m->arrays_used > m->arrays_max ||
            size > m->arrays_max - m->arrays_used) {
        return false;
    }
    m->arrays_used += size;
    return true;
}

static struct writer begin_text(struct control_memory *m)
{
    size_t used = m->arrays_max + m->texts_used;

    return writer_of(m->bytes + used, m->capacity - used);
}

static struct bytes end_text(struct control_memory *m, const struct writer *w)
{
    m->texts_used += w->size;
    return writer_bytes(w);
}

/* --- fields --- */

struct field {
    struct bytes value;
    unsigned times;
};

enum {
    WORD_BYTES = 32, /* longer than any word of ours */
};

/* A string, as it is written, decoded; empty when it is none of our words. */
static struct bytes word_of(
        struct bytes string, uint8_t text[static WORD_BYTES])
{
    struct writer w = writer_of(text, WORD_BYTES);

    return bytes_of(text, json_walk_text(string, &w) ? w.size : 0);
}

/* The values of the named fields; false when the text is no object. */
static bool gather(struct bytes json, const char *const *names,
        struct field *fields, size_t count)
{
    uint8_t text[WORD_BYTES];
    struct json_walk walk;
    struct bytes object;
    struct bytes name;
    struct bytes value;

    if (!json_walk_document(json, &object) ||
            !json_walk_object(object, &walk)) {
        return false;
    }
    while (json_walk_field(&walk, &name, &value)) {
        struct bytes word = word_of(name, text);

        for (size_t i = 0; i < count; i++) {
            if (bytes_equal_text(word, names[i])) {
                fields[i].value = value;
                fields[i].times++;
            }
        }
    }
    return true;
}

/* Which of the words a string says; `count` when it is none. */
static size_t find_word(
        struct bytes string, const char *const *words, size_t count)
{
    uint8_t text[WORD_BYTES];
    struct bytes word = word_of(string, text);
    size_t i = 0;

    while (i < count && !bytes_equal_text(word, words[i])) {
        i++;
    }
    return i;
}

static bool all_once(const struct field *fields, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        if (fields[i].times != 1) {
            return false;
        }
    }
    return true;
}

static bool read_u64(const struct field *f, uint64_t *number)
{
    return f->times == 1 && json_walk_u64(f->value, number);
}

static bool read_bool(const struct field *f, bool *is_true)
{
    return f->times == 1 && json_walk_bool(f->value, is_true);
}

/* LaminarDB's optional fields: absent is null. */
static bool is_none(const struct field *f)
{
    return f->times == 0 || (f->times == 1 && json_walk_is_null(f->value));
}

static bool read_watermark(
        const struct field *f, struct control_watermark *watermark)
{
    watermark->is_set = !is_none(f);
    return !watermark->is_set ||
           (f->times == 1 && json_walk_i64(f->value, &watermark->ms));
}

/* --- our own values --- */

static bool read_text(
        struct control_memory *m, struct bytes value, struct bytes *text)
{
    struct writer w = begin_text(m);

    if (!json_walk_text(value, &w)) {
        return false;
    }
    *text = end_text(m, &w);
    return true;
}

/* A string of canonical digits. */
static bool read_digits(struct bytes value, uint64_t *number)
{
    uint8_t text[20];
    struct writer w = writer_of(text, sizeof(text));

    return json_walk_text(value, &w) && bytes_to_u64(writer_bytes(&w), number);
}

static bool read_id(struct bytes value, uint64_t *id)
{
    return read_digits(value, id) && *id != 0;
}

static bool read_stage(
        struct control_memory *m, struct bytes value, struct bytes *stage)
{
    return read_text(m, value, stage) && shuffle_wire_is_stage(*stage);
}

static bool read_numbers(struct control_memory *m, struct bytes value,
        const uint64_t **numbers, size_t *count)
{
    uint64_t *array = begin_array(m);
    struct json_walk walk;
    struct bytes item;

    *numbers = array;
    *count = 0;
    if (!json_walk_array(value, &walk)) {
        return false;
    }
    while (json_walk_item(&walk, &item)) {
        if (!claim(m, sizeof(*array)) || !read_digits(item, &array[*count])) {
            return false;
        }
        ++*count;
    }
    return true;
}

static bool read_ids(struct control_memory *m, struct bytes value,
        const uint64_t **ids, size_t *count)
{
    if (!read_numbers(m, value, ids, count)) {
        return false;
    }
    for (size_t i = 0; i < *count; i++) {
        if ((*ids)[i] == 0) {
            return false;
        }
    }
    return true;
}

/* At least one, ascending, and the leader among them. */
static bool read_members(struct control_memory *m, struct bytes value,
        struct control_announcement *a)
{
    bool has_leader = false;

    if (!read_ids(m, value, &a->members, &a->members_count)) {
        return false;
    }
    for (size_t i = 0; i < a->members_count; i++) {
        if (i > 0 && a->members[i] <= a->members[i - 1]) {
            return false;
        }
        has_leader = has_leader || a->members[i] == a->leader;
    }
    return has_leader;
}

static bool read_generations(struct control_memory *m, struct bytes value,
        struct control_announcement *a)
{
    size_t count;

    return read_numbers(m, value, &a->generations, &count) &&
           count == a->members_count;
}

static bool read_stages(struct control_memory *m, struct bytes value,
        const struct bytes **stages, size_t *count)
{
    struct bytes *array = begin_array(m);
    struct json_walk walk;
    struct bytes item;

    *stages = array;
    *count = 0;
    if (!json_walk_array(value, &walk)) {
        return false;
    }
    while (json_walk_item(&walk, &item)) {
        if (*count == CONTROL_STAGES_MAX || !claim(m, sizeof(*array)) ||
                !read_stage(m, item, &array[*count])) {
            return false;
        }
        ++*count;
    }
    return true;
}

static bool read_asked(struct control_memory *m, struct bytes value,
        const struct control_asked **asked, size_t *count)
{
    struct control_asked *array = begin_array(m);
    struct json_walk walk;
    struct bytes name;
    struct bytes token;

    *asked = array;
    *count = 0;
    if (!json_walk_object(value, &walk)) {
        return false;
    }
    while (json_walk_field(&walk, &name, &token)) {
        struct control_asked *last = &array[*count];

        if (!claim(m, sizeof(*array)) || !read_id(name, &last->node) ||
                !read_digits(token, &last->token) ||
                (*count > 0 && last->node <= last[-1].node)) {
            return false;
        }
        ++*count;
    }
    return true;
}

static bool read_sinks(struct control_memory *m, struct bytes value,
        const struct control_sink **sinks, size_t *count)
{
    struct control_sink *array = begin_array(m);
    struct json_walk walk;
    struct bytes name;
    struct bytes number;

    *sinks = array;
    *count = 0;
    if (!json_walk_object(value, &walk)) {
        return false;
    }
    while (json_walk_field(&walk, &name, &number)) {
        struct control_sink *last = &array[*count];

        if (*count == CONTROL_STAGES_MAX || !claim(m, sizeof(*array)) ||
                !read_stage(m, name, &last->stage) ||
                !read_id(number, &last->number)) {
            return false;
        }
        for (size_t i = 0; i < *count; i++) {
            if (bytes_equal(array[i].stage, last->stage)) {
                return false;
            }
        }
        ++*count;
    }
    return true;
}

/* --- placements --- */

static bool read_sink(struct bytes value, struct shuffle_sink_id *sink)
{
    uint64_t *const parts[] = {&sink->node, &sink->generation, &sink->number};
    struct json_walk walk;
    struct bytes item;

    if (!json_walk_array(value, &walk)) {
        return false;
    }
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (!json_walk_item(&walk, &item) || !read_digits(item, parts[i])) {
            return false;
        }
    }
    return !json_walk_item(&walk, &item);
}

/* As the wire has them: at least one, by strictly ascending node id. */
static bool pack_sinks(
        struct control_memory *m, struct bytes value, struct bytes *packed)
{
    struct writer w = begin_text(m);
    struct json_walk walk;
    struct bytes item;
    uint64_t last = 0;

    if (!json_walk_array(value, &walk)) {
        return false;
    }
    while (json_walk_item(&walk, &item)) {
        struct shuffle_sink_id sink;

        if (!read_sink(item, &sink) || sink.node <= last) {
            return false;
        }
        last = sink.node;
        shuffle_wire_put_sink(&w, &sink);
    }
    *packed = end_text(m, &w);
    return !w.failed && packed->size > 0 &&
           packed->size / SHUFFLE_SINK_BYTES <= SHUFFLE_SINKS_MAX;
}

static bool read_place(struct control_memory *m, struct bytes value,
        struct shuffle_wire_sinks *sinks)
{
    static const char *const NAMES[] = {"epoch", "sinks"};
    struct field fields[2] = {{.times = 0}};

    return gather(value, NAMES, fields, 2) && all_once(fields, 0, 2) &&
           read_digits(fields[0].value, &sinks->epoch) &&
           pack_sinks(m, fields[1].value, &sinks->packed);
}

static bool read_places(struct control_memory *m, struct bytes value,
        const struct shuffle_cut_place **places, size_t *count)
{
    struct shuffle_cut_place *array = begin_array(m);
    struct json_walk walk;
    struct bytes name;
    struct bytes place;

    *places = array;
    *count = 0;
    if (!json_walk_object(value, &walk)) {
        return false;
    }
    while (json_walk_field(&walk, &name, &place)) {
        struct shuffle_cut_place *last = &array[*count];

        if (*count == CONTROL_STAGES_MAX || !claim(m, sizeof(*array)) ||
                !read_stage(m, name, &last->stage) ||
                !read_place(m, place, &last->sinks)) {
            return false;
        }
        for (size_t i = 0; i < *count; i++) {
            if (bytes_equal(array[i].stage, last->stage)) {
                return false;
            }
        }
        ++*count;
    }
    return true;
}

/* --- announcements --- */

static const char *const PHASES[] = {
        [CONTROL_PREPARE] = "Prepare",
        [CONTROL_COMMIT] = "Commit",
        [CONTROL_ABORT] = "Abort",
};

const char *control_phase_name(enum control_phase phase)
{
    return PHASES[phase];
}

enum {
    A_EPOCH,
    A_CHECKPOINT_ID,
    A_PHASE,
    A_FLAGS,
    A_MIN_WATERMARK_MS,
    A_LEADER, /* from here on ours */
    A_GENERATION,
    A_TERM,
    A_ATTEMPT,
    A_ROUND,
    A_MEMBERS, /* from here on of one phase */
    A_GENERATIONS,
    A_ROTATE,
    A_LEFT_MS,
    A_ASKED,
    A_PLACE,
    A_REASON,
    A_MISSING,
    A_FIELDS,
};

static const char *const ANNOUNCEMENT[A_FIELDS] = {"epoch", "checkpoint_id",
        "phase", "flags", "min_watermark_ms", "leader", "generation", "term",
        "attempt", "round", "members", "generations", "rotate", "left_ms",
        "asked", "place", "reason", "missing"};

static bool read_phase(const struct field *f, enum control_phase *phase)
{
    size_t count = sizeof(PHASES) / sizeof(PHASES[0]);
    size_t found = f->times == 1 ? find_word(f->value, PHASES, count) : count;

    *phase = (enum control_phase)(found < count ? found : 0);
    return found < count;
}

static bool read_prepare(struct control_memory *m, const struct field *f,
        struct control_announcement *a)
{
    return all_once(f, A_MEMBERS, A_PLACE) &&
           read_members(m, f[A_MEMBERS].value, a) &&
           read_generations(m, f[A_GENERATIONS].value, a) &&
           read_stages(m, f[A_ROTATE].value, &a->rotate, &a->rotate_count) &&
           json_walk_u64(f[A_LEFT_MS].value, &a->left_ms) &&
           read_asked(m, f[A_ASKED].value, &a->asked, &a->asked_count);
}

static bool read_our_announcement(struct control_memory *m,
        const struct field *f, struct control_announcement *a)
{
    if (!all_once(f, A_LEADER, A_MEMBERS) ||
            !read_id(f[A_LEADER].value, &a->leader) ||
            !read_digits(f[A_GENERATION].value, &a->generation) ||
            !read_digits(f[A_TERM].value, &a->term) ||
            !read_id(f[A_ATTEMPT].value, &a->attempt) ||
            !read_digits(f[A_ROUND].value, &a->round)) {
        return false;
    }
    switch (a->phase) {
    case CONTROL_PREPARE:
        return read_prepare(m, f, a);
    case CONTROL_COMMIT:
        return all_once(f, A_PLACE, A_REASON) &&
               read_places(m, f[A_PLACE].value, &a->places, &a->places_count);
    case CONTROL_ABORT:
        return all_once(f, A_REASON, A_FIELDS) &&
               read_text(m, f[A_REASON].value, &a->reason) &&
               read_ids(m, f[A_MISSING].value, &a->missing, &a->missing_count);
    }
    return false;
}

static bool read_announcement(
        const struct field *f, struct control_announcement *a)
{
    return read_u64(&f[A_EPOCH], &a->epoch) &&
           read_u64(&f[A_CHECKPOINT_ID], &a->checkpoint_id) &&
           read_phase(&f[A_PHASE], &a->phase) &&
           read_u64(&f[A_FLAGS], &a->flags) &&
           read_watermark(&f[A_MIN_WATERMARK_MS], &a->min_watermark);
}

bool control_read_announcement(struct control_memory *m, struct bytes json,
        struct control_announcement *a)
{
    struct field fields[A_FIELDS] = {{.times = 0}};
    struct control_announcement theirs = {.epoch = 0};

    *a = theirs;
    if (!memory_begin(m, json.size) ||
            !gather(json, ANNOUNCEMENT, fields, A_FIELDS) ||
            !read_announcement(fields, &theirs)) {
        return false;
    }
    *a = theirs;
    a->is_weft = read_our_announcement(m, fields, a);
    if (!a->is_weft) {
        *a = theirs;
    }
    return true;
}

/* --- acks --- */

enum {
    K_EPOCH,
    K_OK,
    K_ERROR,
    K_LOCAL_WATERMARK_MS,
    K_CHECKPOINT_ID, /* from here on ours */
    K_LEADER,
    K_ATTEMPT,
    K_SINKS,
    K_MISSING,
    K_OUTCOME,
    K_FIELDS,
};

static const char *const ACK[K_FIELDS] = {"epoch", "ok", "error",
        "local_watermark_ms", "checkpoint_id", "leader", "attempt", "sinks",
        "missing", "outcome"};

static bool read_error(struct control_memory *m, const struct field *f,
        struct control_ack *ack)
{
    ack->has_error = !is_none(f);
    return !ack->has_error ||
           (f->times == 1 && read_text(m, f->value, &ack->error));
}

static bool read_known(struct bytes value, enum control_known *outcome)
{
    static const char *const WORDS[] = {
            [CONTROL_UNDECIDED] = "",
            [CONTROL_COMMITTED] = "committed",
            [CONTROL_ABORTED] = "aborted",
    };
    size_t found = find_word(value, WORDS, 3);

    if (json_walk_is_null(value)) {
        *outcome = CONTROL_UNDECIDED;
        return true;
    }
    *outcome = found < 3 ? (enum control_known)found : CONTROL_UNDECIDED;
    return *outcome != CONTROL_UNDECIDED;
}

/* An attempt of LaminarDB's leader has no number but its entry's version, which
 * is never 0 either. */
static bool read_our_ack(struct control_memory *m, const struct field *f,
        struct control_ack *ack)
{
    return all_once(f, K_CHECKPOINT_ID, K_FIELDS) &&
           read_digits(f[K_CHECKPOINT_ID].value, &ack->checkpoint_id) &&
           read_id(f[K_LEADER].value, &ack->leader) &&
           read_id(f[K_ATTEMPT].value, &ack->attempt) &&
           read_sinks(m, f[K_SINKS].value, &ack->sinks, &ack->sinks_count) &&
           read_ids(
                   m, f[K_MISSING].value, &ack->missing, &ack->missing_count) &&
           read_known(f[K_OUTCOME].value, &ack->outcome);
}

bool control_read_ack(
        struct control_memory *m, struct bytes json, struct control_ack *ack)
{
    struct field fields[K_FIELDS] = {{.times = 0}};
    struct control_ack theirs = {.epoch = 0};

    *ack = theirs;
    if (!memory_begin(m, json.size) || !gather(json, ACK, fields, K_FIELDS) ||
            !read_u64(&fields[K_EPOCH], &theirs.epoch) ||
            !read_bool(&fields[K_OK], &theirs.ok) ||
            !read_error(m, &fields[K_ERROR], &theirs) ||
            !read_watermark(
                    &fields[K_LOCAL_WATERMARK_MS], &theirs.local_watermark)) {
        return false;
    }
    *ack = theirs;
    ack->is_weft = read_our_ack(m, fields, ack);
    if (!ack->is_weft) {
        *ack = theirs;
    }
    return true;
}

/* --- requests --- */

enum {
    R_WHY,
    R_STAGES,
    R_ASKED,
    R_LEADER,
    R_GENERATION,
    R_EPOCH,
    R_FIELDS,
};

static const char *const REQUEST[R_FIELDS] = {
        "why", "stages", "asked", "leader", "generation", "epoch"};

static const char *const WHYS[] = {
        [CONTROL_WHY_BARRIER] = "barrier",
        [CONTROL_WHY_DRAIN] = "drain",
        [CONTROL_WHY_OUTCOME] = "outcome",
        [CONTROL_WHY_PROBE] = "probe",
        [CONTROL_WHY_WELL] = "well",
        [CONTROL_WHY_AWAKE] = "awake",
        [CONTROL_WHY_ALIVE] = "alive",
        [CONTROL_WHY_BURIED] = "buried",
};

const char *control_why_name(enum control_why why)
{
    return WHYS[why];
}

static bool read_why(struct bytes value, enum control_why *why)
{
    size_t count = sizeof(WHYS) / sizeof(WHYS[0]);
    size_t found = find_word(value, WHYS, count);

    *why = (enum control_why)(found < count ? found : 0);
    return found < count;
}

bool control_read_request(struct control_memory *m, struct bytes json,
        struct control_request *request)
{
    struct field f[R_FIELDS] = {{.times = 0}};
    struct control_request read = {.asked = 0};

    *request = read;
    if (!memory_begin(m, json.size) || !gather(json, REQUEST, f, R_FIELDS) ||
            !all_once(f, 0, R_FIELDS) || !read_why(f[R_WHY].value, &read.why) ||
            !read_stages(
                    m, f[R_STAGES].value, &read.stages, &read.stages_count) ||
            !read_digits(f[R_ASKED].value, &read.asked) ||
            !read_digits(f[R_LEADER].value, &read.leader) ||
            !read_digits(f[R_GENERATION].value, &read.generation) ||
            !read_digits(f[R_EPOCH].value, &read.epoch)) {
        return false;
    }
    *request = read;
    return true;
}
