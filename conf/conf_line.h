/* One line of an INI file, judged before the parser sees it.
 *
 * inih is forgiving where it should not be: a line of 200 bytes becomes two, an
 * indented one becomes another value of the key above, ` ;` ends a value, a
 * colon divides as an equals sign does, a section's name ends after 49 bytes
 * and whatever follows its bracket is lost. Each of these would run a node with
 * settings nobody wrote, so each is refused here, with a sentence. */
#pragma once

#include "base/bytes.h"
#include "base/error.h"

enum {
    CONF_LINE_MAX = 199, /* bytes of a line; one more and inih would split it */
    CONF_SECTION_MAX = 49, /* bytes of a section's name that inih keeps */
};

enum conf_line {
    CONF_LINE_BLANK, /* or a comment */
    CONF_LINE_SECTION,
    CONF_LINE_PAIR,
    CONF_LINE_WRONG, /* the error says why */
};

/* Judges one line, without what ends it. For a section `name` is set, borrowed
 * from the line. */
enum conf_line conf_line_judge(
        struct bytes line, struct bytes *name, struct error *err);
