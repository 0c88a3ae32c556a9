/* How a function says that it failed: a code for the caller's branch, and a
 * sentence for whoever reads it at night.
 *
 * Functions that can fail return 0 or one of the codes below. The sentence
 * names the thing, quotes the value, gives the bound and says what to change;
 * lower case, no full stop. `struct error *err` comes last and may be NULL. */
#pragma once

#include <stdarg.h>

enum {
    ERR_INVALID = -1, /* the input is wrong; trying again will not help */
    ERR_FULL = -2, /* a stated bound was reached; drop it, or wait */
    ERR_IO = -3, /* the system refused; it may come back */
    ERR_DENIED = -4, /* not sealed with our cluster's key */
    ERR_NOT_FOUND = -5, /* nobody of that name, or nothing under that key yet */
};

struct error {
    char text[512]; /* NUL-terminated; a longer sentence is cut */
};

/* Writes the sentence into `err`, if there is one, and returns `code`, so that
 * failing is one statement. */
int error_set(struct error *err, int code, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* Puts the caller's own place in front of a sentence that is already there:
 * "weft.ini:12: " before "gossip.interval is ...". Returns `code`. */
int error_prefix(struct error *err, int code, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
