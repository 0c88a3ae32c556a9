#include "node/socket_path_posix.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char root_directory[] = "/run/weft";

/* /tmp/weft-UID */
static void tmp_directory(char directory[static SOCKET_PATH_BYTES])
{
    (void)snprintf(directory, SOCKET_PATH_BYTES, "/tmp/weft-%lu",
            (unsigned long)geteuid());
}

int socket_path(const char *configured, char path[static SOCKET_PATH_BYTES],
        struct error *err)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    char directory[SOCKET_PATH_BYTES];
    const char *parent = directory;
    int size;

    if (*configured != '\0') {
        size = snprintf(path, SOCKET_PATH_BYTES, "%s", configured);
    } else {
        tmp_directory(directory);
        if (geteuid() == 0) {
            parent = root_directory;
        } else if (runtime != NULL && *runtime == '/') {
            parent = runtime;
        }
        size = snprintf(path, SOCKET_PATH_BYTES, "%s/weft.sock", parent);
    }
    if (size < 0 || size >= SOCKET_PATH_BYTES) {
        return error_set(err, ERR_INVALID,
                "the path of the local socket is longer than %d bytes: "
                "\"%s…\"; "
                "set node.socket to a shorter one",
                SOCKET_PATH_BYTES - 1, path);
    }
    return 0;
}

/* Does the path lie right inside this directory? */
static bool lies_in(const char *path, const char *directory)
{
    size_t size = strlen(directory);

    return strncmp(path, directory, size) == 0 && path[size] == '/' &&
           strchr(path + size + 1, '/') == NULL;
}

int socket_path_check(const char *path, struct error *err)
{
    char directory[SOCKET_PATH_BYTES];
    struct stat st;

    tmp_directory(directory);
    if (!lies_in(path, directory) || lstat(directory, &st) != 0) {
        return 0;
    }
    if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
            (st.st_mode & 07777) != 0700) {
        return error_set(err, ERR_DENIED,
                "%s is not a directory of ours with mode 0700, so whoever "
                "answers there may be a stranger; remove it, or set "
                "node.socket",
                directory);
    }
    return 0;
}

int socket_path_prepare(const char *path, struct error *err)
{
    char directory[SOCKET_PATH_BYTES];
    mode_t mode = 0700;

    tmp_directory(directory);
    if (lies_in(path, root_directory)) {
        (void)snprintf(directory, sizeof(directory), "%s", root_directory);
        mode = 0755;
    }
    if (lies_in(path, directory) && mkdir(directory, mode) != 0 &&
            errno != EEXIST) {
        return error_set(err, ERR_IO,
                "cannot make %s for the local socket: %s; set node.socket",
                directory, strerror(errno));
    }
    return socket_path_check(path, err);
}
