/* A configuration under test with its report, and the ways to read into it. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/conf.h"
#include "conf/conf_ini.h"
#include "conf/conf_value.h"

struct fixture {
    struct conf conf;
    struct conf_report report;
};

static inline struct fixture *fixture_open(void)
{
    struct fixture *f = malloc(sizeof(*f));

    assert_non_null(f);
    conf_init(&f->conf);
    conf_report_init(&f->report);
    return f;
}

static inline void fixture_close(struct fixture *f)
{
    conf_report_close(&f->report);
    free(f);
}

/* Reads `size` bytes as the file `t.ini`. */
static inline void fixture_parse_bytes(
        struct fixture *f, const char *text, size_t size)
{
    (void)snprintf(f->conf.file, sizeof(f->conf.file), "t.ini");
    conf_ini_parse(&f->conf, bytes_of(text, size), &f->report);
}

static inline void fixture_parse(struct fixture *f, const char *text)
{
    fixture_parse_bytes(f, text, strlen(text));
}

static inline void fixture_expect(const struct fixture *f, const char *report)
{
    assert_string_equal(conf_report_text(&f->report), report);
}

/* Every setting of both has the same value. */
static inline void fixture_expect_same(
        const struct conf *a, const struct conf *b)
{
    for (size_t i = 0; i < CONF_SETTINGS; i++) {
        const struct conf_setting *setting = &conf_table[i];
        size_t count = conf_value_count(a, setting);

        assert_int_equal(count, conf_value_count(b, setting));
        for (size_t item = 0; item < count; item++) {
            char left[CONF_VALUE_BYTES];
            char right[CONF_VALUE_BYTES];

            assert_string_equal(conf_value_format(a, setting, item, left),
                    conf_value_format(b, setting, item, right));
        }
    }
}
