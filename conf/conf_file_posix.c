#include "conf/conf_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int read_all(FILE *file, void *data, size_t capacity, size_t *size,
        struct error *err)
{
    *size = fread(data, 1, capacity, file);
    if (ferror(file)) {
        return error_set(err, ERR_IO, "cannot be read: %s", strerror(errno));
    }
    if (*size == capacity && fgetc(file) != EOF) {
        return error_set(err, ERR_FULL, "is larger than %zu bytes", capacity);
    }
    return 0;
}

int conf_file_read(const char *path, void *data, size_t capacity, size_t *size,
        struct error *err)
{
    FILE *file = fopen(path, "rb");
    int rc;

    if (file == NULL) {
        return error_set(err, ERR_IO, "cannot be opened: %s", strerror(errno));
    }
    rc = read_all(file, data, capacity, size, err);
    (void)fclose(file);
    return rc;
}
