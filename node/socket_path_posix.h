/* Where a node and the programs beside it meet: the path of the local socket.
 *
 * `[node] socket` if it is set, else the user's usual place: /run/weft/weft.sock
 * for root, else $XDG_RUNTIME_DIR/weft.sock, else /tmp/weft-UID/weft.sock.
 * Everybody may write to /tmp, so the last one counts only in a directory that
 * is ours and closed to others: else a stranger could play the node. */
#pragma once

#include "base/error.h"
#include "conf/conf.h"

enum {
    SOCKET_PATH_BYTES = CONF_SOCKET_BYTES,
};

/* Fills in the path; `configured` is `[node] socket`, perhaps "". ERR_INVALID
 * when the usual place is too long for a socket. */
int socket_path(const char *configured, char path[static SOCKET_PATH_BYTES],
        struct error *err);

/* ERR_DENIED when it lies in a /tmp/weft-UID that is not ours and 0700. A
 * directory that is missing is no danger. */
int socket_path_check(const char *path, struct error *err);

/* For the node, before it binds: makes the directory of a usual place where it
 * is missing, then checks as above. Directories that the operator chose are
 * the operator's to make. */
int socket_path_prepare(const char *path, struct error *err);
