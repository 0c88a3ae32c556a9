#include "node/show.h"

#include <json-c/json.h>

#include "node/answer_json.h"
#include "node/columns.h"
#include "node/humane.h"

static void put(struct bytes text, FILE *out)
{
    columns_put_text(text.size == 0 ? bytes_text("-") : text, out);
}

/* "epoch 5 committed by leader 1 on 3 nodes in 2.1 ms" */
void show_barrier(struct bytes json, FILE *out)
{
    struct json_object *answer = answer_open(json);
    uint64_t count = answer_number(answer, "participants_count");
    struct bytes reason = answer_text(answer, "reason");
    char took[HUMANE_BYTES];
    char nodes[HUMANE_BYTES];

    (void)fputs("epoch ", out);
    put(answer_text(answer, "epoch"), out);
    (void)fputs(" ", out);
    put(answer_text(answer, "outcome"), out);
    (void)fputs(" by leader ", out);
    put(answer_text(answer, "leader"), out);
    (void)fprintf(out, " on %s node%s", humane_count(count, nodes),
            count == 1 ? "" : "s");
    if (!answer_is_null(answer, "duration_us")) {
        (void)fprintf(out, " in %s",
                humane_us(answer_number(answer, "duration_us"), took));
    }
    if (reason.size > 0) {
        (void)fputs(": ", out);
        columns_put_text(reason, out);
    }
    (void)fputc('\n', out);
    answer_close(answer);
}

static const struct column columns[] = {
        {"EPOCH", true},
        {"LEADER", true},
        {"OUTCOME", false},
        {"AGE", true},
        {"NODES", true},
        {"MARKED", true},
        {"ALIGNED", true},
        {"WRITTEN", true},
        {"ACKED", true},
        {"DECIDED", true},
        {"KNOWN", true},
        {"PARKED", true},
        {"LAST", true},
        {"REASON", false},
};

static void cell(struct columns *c, struct bytes text)
{
    columns_cell(c, text.size == 0 ? bytes_text("-") : text);
}

/* How long after Prepare; a dash for a step that was not made, or not here. */
static void cell_step(
        struct columns *c, struct json_object *entry, const char *name)
{
    char text[HUMANE_BYTES];

    cell(c, answer_is_null(entry, name)
                    ? bytes_text("")
                    : bytes_text(humane_us(answer_number(entry, name), text)));
}

static void cell_outcome(struct columns *c, struct json_object *entry)
{
    struct bytes outcome = answer_text(entry, "outcome");

    if (outcome.size == 0) {
        columns_cell(c, bytes_text("running"));
    } else {
        columns_coloured(c, outcome,
                bytes_equal_text(outcome, "committed") ? COLUMNS_GOOD
                                                       : COLUMNS_BAD);
    }
}

static void put_entry(struct columns *c, struct json_object *entry)
{
    char text[HUMANE_BYTES];

    cell(c, answer_text(entry, "epoch"));
    cell(c, answer_text(entry, "leader"));
    cell_outcome(c, entry);
    cell(c, bytes_text(humane_ms(answer_number(entry, "age_ms"), text)));
    cell(c, bytes_text(humane_count(
                    answer_number(entry, "participants_count"), text)));
    cell_step(c, entry, "marked_us");
    cell_step(c, entry, "aligned_us");
    cell_step(c, entry, "written_us");
    cell_step(c, entry, "acked_us");
    cell_step(c, entry, "decided_us");
    cell_step(c, entry, "known_us");
    cell(c, bytes_text(
                    humane_size(answer_number(entry, "parked_bytes"), text)));
    cell(c, answer_text(entry, "last_acked"));
    cell(c, answer_text(entry, "reason"));
}

void show_checkpoints(struct bytes json, bool is_coloured, FILE *out)
{
    struct json_object *entries = answer_open(json);
    struct columns c;

    columns_init(
            &c, columns, sizeof(columns) / sizeof(columns[0]), is_coloured);
    for (size_t i = 0; i < answer_count(entries); i++) {
        put_entry(&c, answer_item(entries, i));
    }
    columns_print(&c, 0, out);
    columns_close(&c);
    answer_close(entries);
}
