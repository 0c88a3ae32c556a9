#include "node/call_json.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "node/need.h"

static void add(
        struct json_object *call, const char *name, struct json_object *value)
{
    if (json_object_object_add(call, name, value) != 0) {
        (void)need(NULL);
    }
}

static void add_text(
        struct json_object *call, const char *name, const char *text)
{
    add(call, name, need(json_object_new_string(text)));
}

static void add_flag(struct json_object *call, const char *name, bool flag)
{
    add(call, name, need(json_object_new_boolean(flag)));
}

/* Ids use all 64 bits, so they travel as digits. */
static void add_node(struct json_object *call, uint64_t node)
{
    char digits[24];

    if (node == 0) {
        add(call, "node", NULL);
        return;
    }
    (void)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)node);
    add_text(call, "node", digits);
}

static struct json_object *begin(const char *command)
{
    struct json_object *call = need(json_object_new_object());

    add_text(call, "cmd", command);
    return call;
}

static char *finish(struct json_object *call)
{
    const char *text = need((void *)(uintptr_t)json_object_to_json_string_ext(
            call, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    size_t size = strlen(text) + 1;
    char *copy = need(malloc(size));

    memcpy(copy, text, size);
    (void)json_object_put(call);
    return copy;
}

char *call_plain(const char *command)
{
    return finish(begin(command));
}

char *call_members(uint64_t wait)
{
    struct json_object *call = begin("members");

    if (wait > 0) {
        add(call, "wait", need(json_object_new_uint64(wait)));
    }
    return finish(call);
}

char *call_kv_get(const char *key, uint64_t node)
{
    struct json_object *call = begin("kv_get");

    add_text(call, "key", key);
    add_node(call, node);
    return finish(call);
}

char *call_kv_set(const char *key, struct bytes value, bool ttl)
{
    struct json_object *call = begin("kv_set");

    add_text(call, "key", key);
    add(call, "value",
            need(json_object_new_string_len(
                    (const char *)value.data, (int)value.size)));
    add_flag(call, "ttl", ttl);
    return finish(call);
}

char *call_kv_del(const char *key)
{
    struct json_object *call = begin("kv_del");

    add_text(call, "key", key);
    return finish(call);
}

char *call_kv_ls(const char *prefix, uint64_t node, bool all, bool dead)
{
    struct json_object *call = begin("kv_ls");

    add_text(call, "prefix", prefix);
    add_node(call, node);
    add_flag(call, "all", all);
    add_flag(call, "dead", dead);
    return finish(call);
}

char *call_kv_watch(const char *prefix)
{
    struct json_object *call = begin("kv_watch");

    add_text(call, "prefix", prefix);
    return finish(call);
}
