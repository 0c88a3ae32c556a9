#include "node/show.h"

#include <string.h>

#include <json-c/json.h>

#include "node/answer_json.h"
#include "node/columns.h"
#include "node/humane.h"

/* `text`, or a dash where there is none. */
static void put(struct bytes text, FILE *out)
{
    columns_put_text(text.size == 0 ? bytes_text("-") : text, out);
}

static void put_count(struct json_object *object, const char *name, FILE *out)
{
    char text[HUMANE_BYTES];

    (void)fprintf(out, "%s %s", humane_count(answer_number(object, name), text),
            name);
}

static void put_size(struct json_object *object, const char *name, FILE *out)
{
    char text[HUMANE_BYTES];

    (void)fputs(humane_size(answer_number(object, name), text), out);
}

/* A heading word, in a column of its own. */
static void begin(const char *word, FILE *out)
{
    (void)fprintf(out, "%-11s", word);
}

static void show_node(struct json_object *info, FILE *out)
{
    char uptime[HUMANE_BYTES];

    begin("node", out);
    put(answer_text(info, "id"), out);
    (void)fputs(" ", out);
    put(answer_text(info, "name"), out);
    (void)fputs(", ", out);
    put(answer_text(info, "state"), out);
    (void)fprintf(out, " for %s\n",
            humane_ms(answer_number(info, "uptime_ms"), uptime));
    begin("", out);
    (void)fputs("version ", out);
    put(answer_text(info, "version"), out);
    (void)fputs(", generation ", out);
    put(answer_text(info, "generation"), out);
    (void)fputc('\n', out);
    begin("cluster", out);
    put(answer_text(info, "cluster"), out);
    (void)fputs(", leader ", out);
    put(answer_text(info, "leader"), out);
    (void)fputc('\n', out);
}

/* "sent 1,204 packets, 1.2 MiB" */
static void show_traffic(struct json_object *section, const char *direction,
        const char *unit, FILE *out)
{
    struct json_object *traffic = answer_field(section, direction);

    begin("", out);
    (void)fprintf(out, "%-8s ", direction);
    put_count(traffic, unit, out);
    (void)fputs(", ", out);
    put_size(traffic, "bytes", out);
    (void)fputc('\n', out);
}

/* Only the reasons for which something was dropped. */
static void show_dropped(struct json_object *section, FILE *out)
{
    struct json_object *dropped = answer_field(section, "dropped");
    const char *between = "dropped  ";

    if (!json_object_is_type(dropped, json_type_object)) {
        return;
    }
    json_object_object_foreach(dropped, reason, count)
    {
        uint64_t times = json_object_get_uint64(count);
        char text[HUMANE_BYTES];

        if (times == 0) {
            continue;
        }
        if (between[0] == 'd') {
            begin("", out);
        }
        (void)fprintf(
                out, "%s%s %s", between, humane_count(times, text), reason);
        between = ", ";
    }
    if (between[0] == ',') {
        (void)fputc('\n', out);
    }
}

static void show_gossip(struct json_object *gossip, FILE *out)
{
    begin("gossip", out);
    put(answer_text(gossip, "addr"), out);
    (void)fputs(", ", out);
    put(answer_text(gossip, "dialect"), out);
    (void)fputs(" ", out);
    put(answer_text(gossip, "protocol"), out);
    (void)fputs(", ", out);
    put_count(gossip, "rounds", out);
    (void)fputc('\n', out);
    begin("", out);
    (void)fputs("members  ", out);
    put_count(gossip, "live", out);
    (void)fputs(", ", out);
    put_count(gossip, "dead", out);
    (void)fputc('\n', out);
    show_traffic(gossip, "sent", "packets", out);
    show_traffic(gossip, "received", "packets", out);
    show_dropped(gossip, out);
}

static void show_shuffle(struct json_object *shuffle, FILE *out)
{
    begin("shuffle", out);
    put(answer_text(shuffle, "addr"), out);
    (void)fputs(", ", out);
    put_count(shuffle, "connections", out);
    (void)fputc('\n', out);
    show_traffic(shuffle, "sent", "frames", out);
    show_traffic(shuffle, "received", "frames", out);
    show_dropped(shuffle, out);
}

static void show_memory(struct json_object *info, FILE *out)
{
    struct json_object *memory = answer_field(info, "memory");
    struct json_object *loop = answer_field(info, "loop");
    char turn[HUMANE_BYTES];
    char round[HUMANE_BYTES];

    begin("memory", out);
    put_size(memory, "queued_bytes", out);
    (void)fputs(" queued of ", out);
    put_size(memory, "budget_bytes", out);
    (void)fputs("; keys of others ", out);
    put_size(memory, "remote_bytes", out);
    (void)fputs(" of ", out);
    put_size(memory, "max_remote_bytes", out);
    (void)fputc('\n', out);
    begin("loop", out);
    (void)fprintf(out, "longest turn %s, latest round %s late\n",
            humane_us(answer_number(loop, "longest_turn_us"), turn),
            humane_ms(answer_number(loop, "latest_round_ms"), round));
}

/* Whether another one is under way. */
static void show_next(struct json_object *checkpoint, FILE *out)
{
    (void)fputs(answer_flag(checkpoint, "running") ? ", the next is running\n"
                                                   : "\n",
            out);
}

/* Whom the leader goes on without. */
static void show_suspended(struct json_object *ids, FILE *out)
{
    size_t count = answer_count(ids);

    if (count == 0) {
        return;
    }
    begin("", out);
    (void)fprintf(out, "left out: node%s", count > 1 ? "s" : "");
    for (size_t i = 0; i < count; i++) {
        (void)fprintf(out, "%s %s", i > 0 ? "," : "",
                json_object_get_string(answer_item(ids, i)));
    }
    (void)fputc('\n', out);
}

static void show_checkpoint(struct json_object *checkpoint, FILE *out)
{
    char took[HUMANE_BYTES];

    if (answer_text(checkpoint, "last_outcome").size > 0) {
        begin("checkpoint", out);
        (void)fputs("epoch ", out);
        put(answer_text(checkpoint, "epoch"), out);
        (void)fputs(" ", out);
        put(answer_text(checkpoint, "last_outcome"), out);
        (void)fprintf(out, " in %s",
                humane_us(answer_number(checkpoint, "last_duration_us"), took));
        show_next(checkpoint, out);
    } else if (answer_flag(checkpoint, "running")) {
        begin("checkpoint", out);
        (void)fputs("the first one is running\n", out);
    }
    show_suspended(answer_field(checkpoint, "suspended"), out);
    show_dropped(checkpoint, out);
}

static void cell(struct columns *c, struct bytes text)
{
    columns_cell(c, text.size == 0 ? bytes_text("-") : text);
}

static void cell_count(
        struct columns *c, struct json_object *row, const char *name)
{
    char text[HUMANE_BYTES];

    cell(c, bytes_text(humane_count(answer_number(row, name), text)));
}

static void cell_size(
        struct columns *c, struct json_object *row, const char *name)
{
    char text[HUMANE_BYTES];

    cell(c, bytes_text(humane_size(answer_number(row, name), text)));
}

static const struct column peer_columns[] = {
        {"PEER", true},
        {"ADDRESS", false},
        {"DIALECT", false},
        {"WAY", false},
        {"STATE", false},
        {"QUEUED", true},
        {"UNCONFIRMED", true},
        {"FRAMES", true},
        {"BYTES", true},
        {"RECONNECTS", true},
        {"LAST ERROR", false},
};

static void put_peer(struct columns *c, struct json_object *peer)
{
    cell(c, answer_text(peer, "id"));
    cell(c, answer_text(peer, "addr"));
    cell(c, answer_text(peer, "dialect"));
    cell(c, answer_text(peer, "direction"));
    cell(c, answer_text(peer, "state"));
    cell_size(c, peer, "queued_bytes");
    cell_count(c, peer, "unconfirmed_records");
    cell_count(c, peer, "frames");
    cell_size(c, peer, "bytes");
    cell_count(c, peer, "reconnects");
    cell(c, answer_text(peer, "last_error"));
}

static const struct column stage_columns[] = {
        {"STAGE", false},
        {"SOURCES", true},
        {"SINKS", true},
        {"IN", true},
        {"OUT", true},
        {"BYTES IN", true},
        {"BYTES OUT", true},
        {"WAITING", true},
        {"NO CREDIT FOR", true},
        {"PLACEMENT", false},
};

/* The ids of the sink nodes: "1 2 3". */
static void put_placement(struct columns *c, struct json_object *stage)
{
    struct json_object *ids = answer_field(stage, "placement");
    char text[256];
    size_t size = 0;

    text[0] = '\0';
    for (size_t i = 0; i < answer_count(ids) && size < sizeof(text); i++) {
        size += (size_t)snprintf(text + size, sizeof(text) - size, "%s%s",
                i == 0 ? "" : " ", json_object_get_string(answer_item(ids, i)));
    }
    cell(c, bytes_text(text));
}

static void put_stage(struct columns *c, struct json_object *stage)
{
    char text[HUMANE_BYTES];

    cell(c, answer_text(stage, "name"));
    cell_count(c, stage, "sources");
    cell_count(c, stage, "sinks");
    cell_count(c, stage, "records_in");
    cell_count(c, stage, "records_out");
    cell_size(c, stage, "bytes_in");
    cell_size(c, stage, "bytes_out");
    cell_size(c, stage, "waiting_bytes");
    cell(c, bytes_text(humane_ms(
                    answer_number(stage, "longest_without_credit_ms"), text)));
    put_placement(c, stage);
}

/* A table of its own, if it has rows. */
static void show_rows(struct json_object *rows, const struct column *columns,
        size_t columns_count,
        void (*put_row)(struct columns *, struct json_object *),
        bool is_coloured, FILE *out)
{
    struct columns c;

    if (answer_count(rows) == 0) {
        return;
    }
    columns_init(&c, columns, columns_count, is_coloured);
    for (size_t i = 0; i < answer_count(rows); i++) {
        put_row(&c, answer_item(rows, i));
    }
    (void)fputc('\n', out);
    columns_print(&c, 0, out);
    columns_close(&c);
}

void show_info(struct bytes json, bool is_coloured, FILE *out)
{
    struct json_object *info = answer_open(json);
    struct json_object *shuffle = answer_field(info, "shuffle");

    show_node(info, out);
    show_gossip(answer_field(info, "gossip"), out);
    show_shuffle(shuffle, out);
    show_checkpoint(answer_field(info, "checkpoint"), out);
    show_memory(info, out);
    show_rows(answer_field(shuffle, "peers"), peer_columns,
            sizeof(peer_columns) / sizeof(peer_columns[0]), put_peer,
            is_coloured, out);
    show_rows(answer_field(info, "stages"), stage_columns,
            sizeof(stage_columns) / sizeof(stage_columns[0]), put_stage,
            is_coloured, out);
    answer_close(info);
}
