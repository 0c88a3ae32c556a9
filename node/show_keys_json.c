#include "node/show.h"

#include "node/answer_json.h"
#include "node/columns.h"

static const struct column columns[] = {
        {"NODE", true},
        {"VERSION", true},
        {"KEY", false},
        {"VALUE", false},
};

void show_keys(struct bytes json, bool is_coloured, FILE *out)
{
    struct json_object *keys = answer_open(json);
    struct columns c;

    columns_init(
            &c, columns, sizeof(columns) / sizeof(columns[0]), is_coloured);
    for (size_t i = 0; i < answer_count(keys); i++) {
        struct json_object *row = answer_item(keys, i);

        columns_cell(&c, answer_text(row, "node"));
        columns_cell(&c, answer_text(row, "version"));
        columns_cell(&c, answer_text(row, "key"));
        columns_cell(&c, answer_text(row, "value"));
    }
    columns_print(&c, 0, out);
    columns_close(&c);
    answer_close(keys);
}

void show_value(struct bytes json, FILE *out)
{
    struct json_object *answer = answer_open(json);
    struct bytes value = answer_text(answer, "value");

    (void)fwrite(value.data, 1, value.size, out);
    (void)fputc('\n', out);
    answer_close(answer);
}

/* One word, and the reason. */
void show_health(struct bytes json, FILE *out)
{
    struct json_object *answer = answer_open(json);
    struct bytes reason = answer_text(answer, "reason");

    if (reason.size == 0) {
        reason = answer_text(answer, "state");
    }
    (void)fprintf(out,
            "%s: ", answer_flag(answer, "healthy") ? "healthy" : "unhealthy");
    columns_put_text(reason, out);
    (void)fputc('\n', out);
    answer_close(answer);
}

bool show_has_error(struct bytes json)
{
    struct json_object *answer = answer_open(json);
    bool has_error = answer_text(answer, "error").size > 0;

    answer_close(answer);
    return has_error;
}

void show_error(struct bytes json, FILE *out)
{
    struct json_object *answer = answer_open(json);
    struct bytes sentence = answer_text(answer, "error");

    columns_put_text(sentence.size == 0 ? json : sentence, out);
    answer_close(answer);
}
