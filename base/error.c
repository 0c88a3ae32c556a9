#include "base/error.h"

#include <stdio.h>
#include <string.h>

int error_set(struct error *err, int code, const char *format, ...)
{
    va_list args;

    if (err == NULL) {
        return code;
    }
    va_start(args, format);
    (void)vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    return code;
}

int error_prefix(struct error *err, int code, const char *format, ...)
{
    struct error joined;
    va_list args;
    size_t used;

    if (err == NULL) {
        return code;
    }
    va_start(args, format);
    (void)vsnprintf(joined.text, sizeof(joined.text), format, args);
    va_end(args);
    used = strlen(joined.text);
    (void)snprintf(
            joined.text + used, sizeof(joined.text) - used, "%s", err->text);
    *err = joined;
    return code;
}
