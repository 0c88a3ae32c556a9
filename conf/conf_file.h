/* A small file, read whole. */
#pragma once

#include <stddef.h>

#include "base/error.h"

/* Reads at most `capacity` bytes. ERR_IO with the system's reason, ERR_FULL
 * when the file is larger; the sentence does not repeat the path. */
int conf_file_read(const char *path, void *data, size_t capacity, size_t *size,
        struct error *err);
