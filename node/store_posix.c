#include "node/store_posix.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"

#define IDENTITY_FILE "identity"
#define IDENTITY_NEW "identity.new"
#define LOCK_FILE "lock"

enum {
    IDENTITY_BYTES_MAX = 64, /* "id generation\n", twenty digits each */
};

static int lock_directory(struct store *s, const char *dir, struct error *err)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    s->lock_fd =
            openat(s->dir_fd, LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->lock_fd < 0) {
        return error_set(err, ERR_IO, "cannot make %s/%s: %s", dir, LOCK_FILE,
                strerror(errno));
    }
    if (fcntl(s->lock_fd, F_SETLK, &whole) != 0) {
        return error_set(err, ERR_IO,
                "node.data_dir \"%s\" is in use by another node: give each "
                "node a directory of its own",
                dir);
    }
    return 0;
}

/* "<id> <generation>\n", both canonical decimals. */
static bool parse_identity(
        struct bytes text, uint64_t *id, uint64_t *generation)
{
    size_t space = 0;

    while (space < text.size && text.data[space] != ' ') {
        space++;
    }
    return space + 2 < text.size && text.data[text.size - 1] == '\n' &&
           bytes_to_u64(bytes_of(text.data, space), id) && *id != 0 &&
           bytes_to_u64(bytes_of(text.data + space + 1, text.size - space - 2),
                   generation);
}

static int read_identity(struct store *s, const char *dir, struct error *err)
{
    uint8_t text[IDENTITY_BYTES_MAX];
    int fd = openat(s->dir_fd, IDENTITY_FILE, O_RDONLY | O_CLOEXEC);
    ssize_t size;

    if (fd < 0) {
        return errno == ENOENT ? 0
                               : error_set(err, ERR_IO, "cannot read %s/%s: %s",
                                         dir, IDENTITY_FILE, strerror(errno));
    }
    size = read(fd, text, sizeof(text));
    (void)close(fd);
    if (size < 0 || !parse_identity(bytes_of(text, (size_t)size), &s->id,
                            &s->generation)) {
        return error_set(err, ERR_INVALID,
                "%s/%s is not a node's identity: move it away to start as a "
                "new node",
                dir, IDENTITY_FILE);
    }
    return 0;
}

int store_open(struct store *s, const char *dir, struct error *err)
{
    int code;

    *s = (struct store){.dir_fd = -1, .lock_fd = -1};
    if (dir[0] == '\0') {
        return 0;
    }
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        return error_set(err, ERR_IO, "cannot make node.data_dir \"%s\": %s",
                dir, strerror(errno));
    }
    s->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->dir_fd < 0) {
        return error_set(err, ERR_IO, "cannot open node.data_dir \"%s\": %s",
                dir, strerror(errno));
    }
    code = lock_directory(s, dir, err);
    if (code == 0) {
        code = read_identity(s, dir, err);
    }
    if (code != 0) {
        store_close(s);
    }
    return code;
}

static bool write_synced(int dir_fd, const char *text)
{
    size_t size = strlen(text);
    int fd = openat(dir_fd, IDENTITY_NEW,
            O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok;

    if (fd < 0) {
        return false;
    }
    ok = write(fd, text, size) == (ssize_t)size && fsync(fd) == 0;
    return close(fd) == 0 && ok;
}

int store_save(
        struct store *s, uint64_t id, uint64_t generation, struct error *err)
{
    char text[IDENTITY_BYTES_MAX];

    s->id = id;
    s->generation = generation;
    if (s->dir_fd < 0) {
        return 0;
    }
    (void)snprintf(
            text, sizeof(text), "%" PRIu64 " %" PRIu64 "\n", id, generation);
    if (!write_synced(s->dir_fd, text) ||
            renameat(s->dir_fd, IDENTITY_NEW, s->dir_fd, IDENTITY_FILE) != 0 ||
            fsync(s->dir_fd) != 0) {
        return error_set(err, ERR_IO,
                "cannot keep the generation in node.data_dir: %s",
                strerror(errno));
    }
    return 0;
}

void store_close(struct store *s)
{
    if (s->lock_fd >= 0) {
        (void)close(s->lock_fd);
    }
    if (s->dir_fd >= 0) {
        (void)close(s->dir_fd);
    }
    *s = (struct store){.dir_fd = -1, .lock_fd = -1};
}
