/* What a CALL asks for, and the sentence when it asks for nothing of ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/call_json.h"
#include "node/request_json.h"

static void every_command_is_understood(void **context)
{
    static const struct {
        const char *json;
        enum request_command command;
    } ROWS[] = {
            {"{\"cmd\":\"members\"}", REQUEST_MEMBERS},
            {"{\"cmd\":\"info\"}", REQUEST_INFO},
            {"{\"cmd\":\"health\"}", REQUEST_HEALTH},
            {"{\"cmd\":\"leave\"}", REQUEST_LEAVE},
            {"{\"cmd\":\"barrier\"}", REQUEST_BARRIER},
            {"{\"cmd\":\"checkpoints\"}", REQUEST_CHECKPOINTS},
            {"{\"cmd\":\"kv_get\"}", REQUEST_KV_GET},
            {"{\"cmd\":\"kv_set\"}", REQUEST_KV_SET},
            {"{\"cmd\":\"kv_del\"}", REQUEST_KV_DEL},
            {"{\"cmd\":\"kv_ls\"}", REQUEST_KV_LS},
            {"{\"cmd\":\"kv_watch\"}", REQUEST_KV_WATCH},
            {" { \"more\" : [1, {}], \"cmd\" : \"info\" } ", REQUEST_INFO},
    };
    struct request r;
    struct error err;

    (void)context;
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        printf("%s\n", ROWS[i].json);
        assert_int_equal(request_parse(&r, bytes_text(ROWS[i].json), &err), 0);
        assert_int_equal(r.command, ROWS[i].command);
        request_close(&r);
    }
}

static void what_the_command_line_writes_comes_through(void **context)
{
    char *json =
            call_kv_set("a \"key\"", bytes_of("tab\there \xc3\xa9", 11), true);
    struct request r;
    struct error err;

    (void)context;
    assert_int_equal(request_parse(&r, bytes_text(json), &err), 0);
    assert_true(bytes_equal_text(r.key, "a \"key\""));
    assert_true(bytes_equal_text(r.value, "tab\there \xc3\xa9"));
    assert_true(r.ttl);
    request_close(&r);
    free(json);
    json = call_kv_ls("x/", UINT64_MAX, true, true);
    assert_int_equal(request_parse(&r, bytes_text(json), &err), 0);
    assert_int_equal(r.command, REQUEST_KV_LS);
    assert_true(bytes_equal_text(r.prefix, "x/"));
    assert_true(r.node == UINT64_MAX);
    assert_true(r.all && r.dead && !r.ttl);
    request_close(&r);
    free(json);
    json = call_members(3);
    assert_int_equal(request_parse(&r, bytes_text(json), &err), 0);
    assert_int_equal(r.wait, 3);
    request_close(&r);
    free(json);
    json = call_kv_get("k", 0);
    assert_int_equal(request_parse(&r, bytes_text(json), &err), 0);
    assert_int_equal(r.node, 0);
    request_close(&r);
    free(json);
}

static void absent_null_and_mistyped_fields_say_nothing(void **context)
{
    struct request r;
    struct error err;

    (void)context;
    assert_int_equal(
            request_parse(&r,
                    bytes_text("{\"cmd\":\"members\",\"wait\":null,\"key\":7,"
                               "\"node\":null,\"all\":\"yes\",\"dead\":1}"),
                    &err),
            0);
    assert_int_equal(r.wait, 0);
    assert_int_equal(r.key.size, 0);
    assert_non_null(r.key.data);
    assert_int_equal(r.node, 0);
    assert_false(r.all);
    assert_false(r.dead);
    request_close(&r);
}

static void other_texts_are_refused_with_a_sentence(void **context)
{
    static const struct {
        const char *json;
        const char *word;
    } ROWS[] = {
            {"", "object"},
            {"null", "object"},
            {"[]", "object"},
            {"\"info\"", "object"},
            {"{\"cmd\":\"info\"", "object"},
            {"{\"cmd\":\"info\"} x", "object"},
            {"{'cmd':'info'}", "object"},
            {"{}", "command"},
            {"{\"cmd\":7}", "command"},
            {"{\"cmd\":\"inf\"}", "\"inf\""},
            {"{\"cmd\":\"info\\u0000\"}", "command"},
            {"{\"cmd\":\"kv_get\",\"node\":\"0\"}", "\"0\""},
            {"{\"cmd\":\"kv_get\",\"node\":\"07\"}", "\"07\""},
            {"{\"cmd\":\"kv_get\",\"node\":\"18446744073709551616\"}",
                    "18446744073709551616"},
            {"{\"cmd\":\"kv_get\",\"node\":\"me\"}", "\"me\""},
    };

    (void)context;
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        struct request r;
        struct error err = {.text = ""};

        printf("%s\n", ROWS[i].json);
        assert_int_equal(
                request_parse(&r, bytes_text(ROWS[i].json), &err), ERR_INVALID);
        assert_non_null(strstr(err.text, ROWS[i].word));
        assert_null(r.document);
    }
}

static void nesting_without_end_is_refused(void **context)
{
    char json[512];
    struct request r;
    struct error err;

    (void)context;
    memset(json, '[', sizeof(json));
    assert_int_equal(
            request_parse(&r, bytes_of(json, sizeof(json)), &err), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
            cmocka_unit_test(every_command_is_understood),
            cmocka_unit_test(what_the_command_line_writes_comes_through),
            cmocka_unit_test(absent_null_and_mistyped_fields_say_nothing),
            cmocka_unit_test(other_texts_are_refused_with_a_sentence),
            cmocka_unit_test(nesting_without_end_is_refused),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
