#include "node/show.h"

#include <string.h>

#include "node/answer_json.h"
#include "node/columns.h"
#include "node/humane.h"

static const struct column columns[] = {
        {"ID", true},
        {"NAME", false},
        {"STATE", false},
        {"LIVE", false},
        {"HEARD", true},
        {"PHI", true},
        {"SHUFFLE", false},
        {"GOSSIP", false},
        {"VERSION", false},
        {"KEYS", true},
};

static void put(struct columns *c, struct bytes text)
{
    columns_cell(c, text.size == 0 ? bytes_text("-") : text);
}

/* A foreign program has no node id and no name, but a gossip id. */
static void put_name(struct columns *c, struct json_object *member)
{
    struct bytes name = answer_text(member, "name");

    put(c, name.size == 0 ? answer_text(member, "gossip_id") : name);
}

static void put_news(struct columns *c, struct json_object *member)
{
    char heard[HUMANE_BYTES];
    char phi[HUMANE_BYTES];

    if (answer_flag(member, "self")) {
        put(c, bytes_text("self"));
        put(c, bytes_text(""));
        return;
    }
    if (answer_is_null(member, "last_heard_ms")) {
        put(c, bytes_text("never"));
    } else {
        put(c, bytes_text(humane_ms(
                       answer_number(member, "last_heard_ms"), heard)));
    }
    (void)snprintf(phi, sizeof(phi), "%.2f", answer_ratio(member, "phi"));
    put(c, bytes_text(answer_is_null(member, "phi") ? "" : phi));
}

static void put_member(struct columns *c, struct json_object *member)
{
    bool is_live = answer_flag(member, "live");
    struct bytes state = answer_text(member, "state");
    char keys[HUMANE_BYTES];

    put(c, answer_text(member, "id"));
    put_name(c, member);
    if (answer_flag(member, "suspended")) {
        columns_coloured(c, bytes_text("suspended"), COLUMNS_BAD);
    } else {
        columns_coloured(c, state.size == 0 ? bytes_text("-") : state,
                bytes_equal_text(state, "active") ? COLUMNS_GOOD
                                                  : COLUMNS_FAINT);
    }
    columns_coloured(c, bytes_text(is_live ? "yes" : "no"),
            is_live ? COLUMNS_GOOD : COLUMNS_BAD);
    put_news(c, member);
    put(c, answer_text(member, "shuffle_addr"));
    put(c, answer_text(member, "gossip_addr"));
    put(c, answer_text(member, "version"));
    put(c, bytes_text(humane_count(answer_number(member, "keys"), keys)));
}

void show_members(struct bytes json, bool is_coloured, FILE *out)
{
    struct json_object *members = answer_open(json);
    struct columns c;

    columns_init(
            &c, columns, sizeof(columns) / sizeof(columns[0]), is_coloured);
    for (size_t i = 0; i < answer_count(members); i++) {
        put_member(&c, answer_item(members, i));
    }
    columns_print(&c, 0, out);
    columns_close(&c);
    answer_close(members);
}
