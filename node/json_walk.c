#include "node/json_walk.h"

/* What is still to be read; `failed` stays. */
struct scan {
    struct bytes rest;
    bool failed;
};

static void scan_fail(struct scan *s)
{
    s->failed = true;
    s->rest = bytes_of(NULL, 0);
}

static int peek(const struct scan *s)
{
    return s->rest.size > 0 ? s->rest.data[0] : -1;
}

static bool take(struct scan *s, int c)
{
    if (peek(s) != c) {
        return false;
    }
    s->rest = bytes_skip(s->rest, 1);
    return true;
}

static void need(struct scan *s, int c)
{
    if (!take(s, c)) {
        scan_fail(s);
    }
}

static void skip_space(struct scan *s)
{
    while (take(s, ' ') || take(s, '\t') || take(s, '\n') || take(s, '\r')) {
    }
}

static void skip_word(struct scan *s, const char *word)
{
    for (; *word != '\0'; word++) {
        need(s, *word);
    }
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static void skip_digits(struct scan *s)
{
    if (!is_digit(peek(s))) {
        scan_fail(s);
    }
    while (is_digit(peek(s))) {
        s->rest = bytes_skip(s->rest, 1);
    }
}

static void skip_number(struct scan *s)
{
    (void)take(s, '-');
    if (!take(s, '0')) {
        skip_digits(s);
    }
    if (take(s, '.')) {
        skip_digits(s);
    }
    if (take(s, 'e') || take(s, 'E')) {
        if (!take(s, '+')) {
            (void)take(s, '-');
        }
        skip_digits(s);
    }
}

/* -1 for what is no hexadecimal digit. */
static int hex_value(int c)
{
    if (is_digit(c)) {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static uint32_t take_hex4(struct scan *s)
{
    uint32_t code = 0;

    for (int i = 0; i < 4; i++) {
        int digit = hex_value(peek(s));

        if (digit < 0) {
            scan_fail(s);
            return 0;
        }
        code = code << 4 | (uint32_t)digit;
        s->rest = bytes_skip(s->rest, 1);
    }
    return code;
}

/* What stands behind a backslash, up to the `u` of \u0041. */
static int take_escape(struct scan *s)
{
    static const char NAMES[] = "\"\\/bfnrtu";
    static const char MEANT[] = "\"\\/\b\f\n\r\tu";

    for (size_t i = 0; NAMES[i] != '\0'; i++) {
        if (take(s, NAMES[i])) {
            return MEANT[i];
        }
    }
    scan_fail(s);
    return -1;
}

static void skip_string(struct scan *s)
{
    need(s, '"');
    while (!s->failed && !take(s, '"')) {
        if (take(s, '\\')) {
            if (take_escape(s) == 'u') {
                (void)take_hex4(s);
            }
        } else if (peek(s) < ' ') { /* a control character, or the end */
            scan_fail(s);
        } else {
            s->rest = bytes_skip(s->rest, 1);
        }
    }
}

static void skip_value(struct scan *s, int depth);

/* A comma, then the next; or the end of the array or object. */
static bool skip_comma(struct scan *s, int end)
{
    skip_space(s);
    if (take(s, end)) {
        return false;
    }
    need(s, ',');
    skip_space(s);
    return !s->failed;
}

static void skip_name(struct scan *s)
{
    skip_string(s);
    skip_space(s);
    need(s, ':');
    skip_space(s);
}

static void skip_group(struct scan *s, int depth)
{
    bool is_object = take(s, '{');
    int end = is_object ? '}' : ']';

    if (!is_object) {
        need(s, '[');
    }
    if (depth == JSON_WALK_DEPTH_MAX) {
        scan_fail(s);
        return;
    }
    skip_space(s);
    if (take(s, end)) {
        return;
    }
    do {
        if (is_object) {
            skip_name(s);
        }
        skip_value(s, depth + 1);
    } while (skip_comma(s, end));
}

static void skip_value(struct scan *s, int depth)
{
    switch (peek(s)) {
    case '{':
    case '[':
        skip_group(s, depth);
        break;
    case '"':
        skip_string(s);
        break;
    case 't':
        skip_word(s, "true");
        break;
    case 'f':
        skip_word(s, "false");
        break;
    case 'n':
        skip_word(s, "null");
        break;
    default:
        skip_number(s);
        break;
    }
}

/* From `from` to where the scan is now. */
static struct bytes passed(const struct scan *s, struct bytes from)
{
    return bytes_of(from.data, from.size - s->rest.size);
}

bool json_walk_document(struct bytes text, struct bytes *value)
{
    struct scan s = {.rest = text};
    struct bytes from;

    skip_space(&s);
    from = s.rest;
    skip_value(&s, 0);
    *value = passed(&s, from);
    skip_space(&s);
    return !s.failed && s.rest.size == 0 && bytes_is_utf8(text);
}

/* The walk stands before the first item, or before the comma of the next. */
static bool walk_into(struct bytes value, int begin, struct json_walk *walk)
{
    struct scan s = {.rest = value};

    if (!take(&s, begin)) {
        return false;
    }
    skip_space(&s);
    walk->rest = s.rest;
    return true;
}

bool json_walk_array(struct bytes value, struct json_walk *walk)
{
    return walk_into(value, '[', walk);
}

bool json_walk_object(struct bytes value, struct json_walk *walk)
{
    return walk_into(value, '{', walk);
}

/* `name` is NULL in an array. */
static bool walk_on(
        struct json_walk *walk, struct bytes *name, struct bytes *value)
{
    struct scan s = {.rest = walk->rest};
    struct bytes from;

    if (take(&s, name != NULL ? '}' : ']')) {
        return false;
    }
    if (take(&s, ',')) {
        skip_space(&s);
    }
    if (name != NULL) {
        from = s.rest;
        skip_string(&s);
        *name = passed(&s, from);
        skip_space(&s);
        need(&s, ':');
        skip_space(&s);
    }
    from = s.rest;
    skip_value(&s, 0);
    *value = passed(&s, from);
    skip_space(&s);
    walk->rest = s.rest;
    return !s.failed;
}

bool json_walk_item(struct json_walk *walk, struct bytes *value)
{
    return walk_on(walk, NULL, value);
}

bool json_walk_field(
        struct json_walk *walk, struct bytes *name, struct bytes *value)
{
    return walk_on(walk, name, value);
}

bool json_walk_is_null(struct bytes value)
{
    return bytes_equal_text(value, "null");
}

bool json_walk_bool(struct bytes value, bool *is_true)
{
    *is_true = bytes_equal_text(value, "true");
    return *is_true || bytes_equal_text(value, "false");
}

bool json_walk_u64(struct bytes value, uint64_t *number)
{
    return bytes_to_u64(value, number);
}

bool json_walk_i64(struct bytes value, int64_t *number)
{
    bool is_negative = value.size > 0 && value.data[0] == '-';
    uint64_t size;

    if (!bytes_to_u64(bytes_skip(value, is_negative ? 1 : 0), &size) ||
            (is_negative && size == 0) ||
            size > (uint64_t)INT64_MAX + (is_negative ? 1 : 0)) {
        return false;
    }
    /* The least number has no positive twin: go one step less, then that. */
    *number = is_negative ? -(int64_t)(size - 1) - 1 : (int64_t)size;
    return true;
}

static void put_code(struct writer *w, uint32_t code)
{
    if (code < 0x80) {
        writer_u8(w, (uint8_t)code);
    } else if (code < 0x800) {
        writer_u8(w, (uint8_t)(0xC0 | code >> 6));
        writer_u8(w, (uint8_t)(0x80 | (code & 0x3F)));
    } else if (code < 0x10000) {
        writer_u8(w, (uint8_t)(0xE0 | code >> 12));
        writer_u8(w, (uint8_t)(0x80 | (code >> 6 & 0x3F)));
        writer_u8(w, (uint8_t)(0x80 | (code & 0x3F)));
    } else {
        writer_u8(w, (uint8_t)(0xF0 | code >> 18));
        writer_u8(w, (uint8_t)(0x80 | (code >> 12 & 0x3F)));
        writer_u8(w, (uint8_t)(0x80 | (code >> 6 & 0x3F)));
        writer_u8(w, (uint8_t)(0x80 | (code & 0x3F)));
    }
}

/* Behind \u: one code, or the two halves of a surrogate pair. */
static void decode_u(struct scan *s, struct writer *w)
{
    uint32_t code = take_hex4(s);
    uint32_t low;

    if (code >= 0xDC00 && code <= 0xDFFF) {
        scan_fail(s);
        return;
    }
    if (code >= 0xD800 && code <= 0xDBFF) {
        need(s, '\\');
        need(s, 'u');
        low = take_hex4(s);
        if (low < 0xDC00 || low > 0xDFFF) {
            scan_fail(s);
            return;
        }
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    put_code(w, code);
}

bool json_walk_text(struct bytes value, struct writer *w)
{
    struct scan s = {.rest = value};

    need(&s, '"');
    while (!s.failed && !w->failed && !take(&s, '"')) {
        if (s.rest.size == 0) {
            return false;
        }
        if (take(&s, '\\')) {
            int meant = take_escape(&s);

            if (meant == 'u') {
                decode_u(&s, w);
            } else if (meant >= 0) {
                writer_u8(w, (uint8_t)meant);
            }
        } else {
            writer_u8(w, s.rest.data[0]);
            s.rest = bytes_skip(s.rest, 1);
        }
    }
    return !s.failed && !w->failed;
}
