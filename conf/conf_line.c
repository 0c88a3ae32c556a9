#include "conf/conf_line.h"

#include "conf/conf_value.h"

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static struct bytes trim(struct bytes b)
{
    while (b.size > 0 && is_space(b.data[b.size - 1])) {
        b.size--;
    }
    while (b.size > 0 && is_space(b.data[0])) {
        b = bytes_skip(b, 1);
    }
    return b;
}

/* The first `byte` in `b`, or its size. */
static size_t find(struct bytes b, char byte)
{
    size_t i = 0;

    while (i < b.size && b.data[i] != (uint8_t)byte) {
        i++;
    }
    return i;
}

static enum conf_line wrong(struct error *err, const char *sentence)
{
    (void)error_set(err, ERR_INVALID, "%s", sentence);
    return CONF_LINE_WRONG;
}

/* What makes a line no text at all, whatever it says. */
static int judge_bytes(struct bytes line, struct error *err)
{
    if (!bytes_is_utf8(line)) {
        return error_set(err, ERR_INVALID, "the line is not UTF-8");
    }
    for (size_t i = 0; i < line.size; i++) {
        uint8_t c = line.data[i];

        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return error_set(err, ERR_INVALID,
                    "the line holds the control character 0x%02x", c);
        }
    }
    return 0;
}

static enum conf_line judge_section(
        struct bytes text, struct bytes *name, struct error *err)
{
    size_t end = find(text, ']');

    if (end + 1 != text.size) {
        return wrong(err, "a section stands alone on its line: [name]");
    }
    *name = bytes_of(text.data + 1, end - 1);
    if (name->size > CONF_SECTION_MAX) {
        return wrong(err, "a section's name has at most 49 bytes");
    }
    return CONF_LINE_SECTION;
}

static enum conf_line judge_pair(struct bytes text, struct error *err)
{
    size_t equals = find(text, '=');

    if (equals == text.size || find(text, ':') < equals) {
        return wrong(err, "a setting is written key = value");
    }
    if (equals == 0) {
        return wrong(err, "there is no key before the =");
    }
    return CONF_LINE_PAIR;
}

enum conf_line conf_line_judge(
        struct bytes line, struct bytes *name, struct error *err)
{
    struct bytes text = trim(line);

    if (line.size > CONF_LINE_MAX) {
        (void)error_set(err, ERR_INVALID,
                "the line has %zu bytes, and may have %d", line.size,
                CONF_LINE_MAX);
        return CONF_LINE_WRONG;
    }
    if (judge_bytes(line, err) != 0) {
        return CONF_LINE_WRONG;
    }
    if (text.size == 0 || text.data[0] == '#' || text.data[0] == ';') {
        return CONF_LINE_BLANK;
    }
    if (is_space(line.data[0])) {
        return wrong(err, "the line is indented, and would continue the value "
                          "above it: begin it at the margin");
    }
    if (conf_value_has_comment(text)) {
        return wrong(err, "a comment stands on a line of its own");
    }
    return text.data[0] == '[' ? judge_section(text, name, err)
                               : judge_pair(text, err);
}
