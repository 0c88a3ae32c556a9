#include "node/request_json.h"

#include <json-c/json.h>

#include "node/strict_json.h"

static const struct {
    const char *name;
    enum request_command command;
} commands[] = {
        {"members", REQUEST_MEMBERS},
        {"info", REQUEST_INFO},
        {"health", REQUEST_HEALTH},
        {"leave", REQUEST_LEAVE},
        {"barrier", REQUEST_BARRIER},
        {"checkpoints", REQUEST_CHECKPOINTS},
        {"kv_get", REQUEST_KV_GET},
        {"kv_set", REQUEST_KV_SET},
        {"kv_del", REQUEST_KV_DEL},
        {"kv_ls", REQUEST_KV_LS},
        {"kv_watch", REQUEST_KV_WATCH},
};

static int find_command(
        struct bytes name, enum request_command *command, struct error *err)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (bytes_equal_text(name, commands[i].name)) {
            *command = commands[i].command;
            return 0;
        }
    }
    return error_set(err, ERR_INVALID, "there is no command \"%.*s\"",
            (int)(name.size < 64 ? name.size : 64), (const char *)name.data);
}

/* The text of a field; empty when it is absent, null or no string. */
static struct bytes text_of(struct json_object *object, const char *field)
{
    struct bytes text = bytes_of("", 0);

    (void)strict_json_text(json_object_object_get(object, field), &text);
    return text;
}

static bool flag_of(struct json_object *object, const char *field)
{
    struct json_object *value;

    return json_object_object_get_ex(object, field, &value) &&
           json_object_is_type(value, json_type_boolean) &&
           json_object_get_boolean(value);
}

static uint64_t number_of(struct json_object *object, const char *field)
{
    struct json_object *value;

    return json_object_object_get_ex(object, field, &value) &&
                           json_object_is_type(value, json_type_int)
                   ? json_object_get_uint64(value)
                   : 0;
}

static int read_fields(
        struct request *r, struct json_object *object, struct error *err)
{
    struct bytes node = text_of(object, "node");

    r->key = text_of(object, "key");
    r->value = text_of(object, "value");
    r->prefix = text_of(object, "prefix");
    r->wait = number_of(object, "wait");
    r->ttl = flag_of(object, "ttl");
    r->all = flag_of(object, "all");
    r->dead = flag_of(object, "dead");
    if (node.size > 0 && (!bytes_to_u64(node, &r->node) || r->node == 0)) {
        return error_set(err, ERR_INVALID,
                "\"%.*s\" is not a node id: one is a number from 1 to 2^64-1",
                (int)(node.size < 64 ? node.size : 64),
                (const char *)node.data);
    }
    return find_command(text_of(object, "cmd"), &r->command, err);
}

int request_parse(struct request *r, struct bytes json, struct error *err)
{
    struct json_object *object = strict_json_parse(json);
    int code;

    *r = (struct request){.document = object};
    if (!json_object_is_type(object, json_type_object)) {
        code = error_set(err, ERR_INVALID, "a call carries one JSON object");
    } else {
        code = read_fields(r, object, err);
    }
    if (code != 0) {
        request_close(r);
    }
    return code;
}

void request_close(struct request *r)
{
    (void)json_object_put(r->document);
    *r = (struct request){.document = NULL};
}
