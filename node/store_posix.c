#include "node/store_posix.h"

#include <assert.h>
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
#define DECISIONS_FILE "decisions"
#define DECISIONS_NEW "decisions.new"
#define LOCK_FILE "lock"

enum {
    IDENTITY_BYTES_MAX = 64, /* "id generation\n", twenty digits each */
    DECISION_BYTES_MAX = 3 * 21 + 10, /* and " committed\n" instead of three */
    DECISIONS_BYTES_MAX = STORE_DECISIONS_MAX * DECISION_BYTES_MAX,
};

/* --- opening --- */

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

/* The whole of a file that is to have fewer than `max` bytes; -1 in `*size`
 * when it is not there. */
static int read_file(const struct store *s, const char *dir, const char *name,
        uint8_t *text, size_t max, ssize_t *size, struct error *err)
{
    int fd = openat(s->dir_fd, name, O_RDONLY | O_CLOEXEC);

    *size = -1;
    if (fd < 0 && errno == ENOENT) {
        return 0;
    }
    if (fd >= 0) {
        *size = read(fd, text, max);
        (void)close(fd);
    }
    return *size >= 0 ? 0
                      : error_set(err, ERR_IO, "cannot read %s/%s: %s", dir,
                                name, strerror(errno));
}

static int read_identity(struct store *s, const char *dir, struct error *err)
{
    uint8_t text[IDENTITY_BYTES_MAX];
    ssize_t size;
    int code = read_file(s, dir, IDENTITY_FILE, text, sizeof(text), &size, err);

    if (code != 0 || size < 0) {
        return code;
    }
    if (!parse_identity(bytes_of(text, (size_t)size), &s->id, &s->generation)) {
        return error_set(err, ERR_INVALID,
                "%s/%s is not a node's identity: move it away to start as a "
                "new node",
                dir, IDENTITY_FILE);
    }
    return 0;
}

static bool is_same_attempt(const struct checkpoint_decision *a,
        const struct checkpoint_decision *b)
{
    return a->leader == b->leader && a->generation == b->generation &&
           a->epoch == b->epoch;
}

/* The place of the attempt's decision; the count if there is none. */
static size_t place_of(
        const struct store *s, const struct checkpoint_decision *decision)
{
    size_t i = 0;

    while (i < s->decisions_count &&
            !is_same_attempt(&s->decisions[i], decision)) {
        i++;
    }
    return i;
}

/* What stands before the first `end`, which is taken off as well; nothing when
 * there is no `end`. */
static struct bytes cut(struct bytes *text, uint8_t end)
{
    size_t size = 0;
    struct bytes word;

    while (size < text->size && text->data[size] != end) {
        size++;
    }
    if (size == text->size) {
        return bytes_of(NULL, 0);
    }
    word = bytes_of(text->data, size);
    *text = bytes_skip(*text, size + 1);
    return word;
}

/* "<leader> <generation> <epoch> committed|aborted". */
static bool parse_decision(
        struct bytes line, struct checkpoint_decision *decision)
{
    struct bytes leader = cut(&line, ' ');
    struct bytes generation = cut(&line, ' ');
    struct bytes epoch = cut(&line, ' ');

    decision->is_committed = bytes_equal_text(line, "committed");
    return bytes_to_u64(leader, &decision->leader) && decision->leader != 0 &&
           bytes_to_u64(generation, &decision->generation) &&
           bytes_to_u64(epoch, &decision->epoch) &&
           (decision->is_committed || bytes_equal_text(line, "aborted"));
}

/* At least one, each of another attempt. */
static bool parse_decisions(struct store *s, struct bytes text)
{
    while (text.size > 0 && s->decisions_count < STORE_DECISIONS_MAX) {
        struct checkpoint_decision decision;

        if (!parse_decision(cut(&text, '\n'), &decision) ||
                place_of(s, &decision) < s->decisions_count) {
            return false;
        }
        s->decisions[s->decisions_count++] = decision;
    }
    return text.size == 0 && s->decisions_count > 0;
}

static int read_decisions(struct store *s, const char *dir, struct error *err)
{
    uint8_t text[DECISIONS_BYTES_MAX + 1];
    ssize_t size;
    int code =
            read_file(s, dir, DECISIONS_FILE, text, sizeof(text), &size, err);

    if (code != 0 || size < 0) {
        return code;
    }
    if (!parse_decisions(s, bytes_of(text, (size_t)size))) {
        return error_set(err, ERR_INVALID,
                "%s/%s does not hold a node's decisions: move it away to "
                "start without them, which forgets what was committed",
                dir, DECISIONS_FILE);
    }
    return 0;
}

static int read_all(struct store *s, const char *dir, struct error *err)
{
    int code = read_identity(s, dir, err);

    if (code == 0) {
        code = read_decisions(s, dir, err);
    }
    if (code == 0 && fsync(s->dir_fd) != 0) {
        code = error_set(err, ERR_IO, "cannot sync node.data_dir \"%s\": %s",
                dir, strerror(errno));
    }
    return code;
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
        code = read_all(s, dir, err);
    }
    if (code != 0) {
        store_close(s);
    }
    return code;
}

/* --- keeping --- */

/* What the system said, for any thread. */
static const char *say(int error, char text[static 64])
{
    if (strerror_r(error, text, 64) != 0) {
        (void)snprintf(text, 64, "error %d", error);
    }
    return text;
}

static bool write_synced(int dir_fd, const char *name, const char *text)
{
    size_t size = strlen(text);
    int fd = openat(
            dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok;

    if (fd < 0) {
        return false;
    }
    errno = ENOSPC; /* of a write that took less than it was given */
    ok = write(fd, text, size) == (ssize_t)size && fsync(fd) == 0;
    return close(fd) == 0 && ok;
}

static bool replace(
        int dir_fd, const char *name, const char *beside, const char *text)
{
    return write_synced(dir_fd, beside, text) &&
           renameat(dir_fd, beside, dir_fd, name) == 0;
}

int store_save(
        struct store *s, uint64_t id, uint64_t generation, struct error *err)
{
    char text[IDENTITY_BYTES_MAX];
    char why[64];

    s->id = id;
    s->generation = generation;
    if (s->dir_fd < 0) {
        return 0;
    }
    (void)snprintf(
            text, sizeof(text), "%" PRIu64 " %" PRIu64 "\n", id, generation);
    if (!replace(s->dir_fd, IDENTITY_FILE, IDENTITY_NEW, text) ||
            fsync(s->dir_fd) != 0) {
        return error_set(err, ERR_IO,
                "cannot keep the generation in node.data_dir: %s",
                say(errno, why));
    }
    return 0;
}

/* The decisions and one more, which is the newest: not in the store before it
 * is on disk. */
struct kept {
    struct checkpoint_decision decisions[STORE_DECISIONS_MAX + 1];
    size_t first;
    size_t end;
};

static struct kept with(
        const struct store *s, const struct checkpoint_decision *newest)
{
    struct kept kept = {.first = 0};

    for (size_t i = 0; i < s->decisions_count; i++) {
        if (!is_same_attempt(&s->decisions[i], newest)) {
            kept.decisions[kept.end++] = s->decisions[i];
        }
    }
    kept.decisions[kept.end++] = *newest;
    kept.first = kept.end > STORE_DECISIONS_MAX ? 1 : 0;
    return kept;
}

static void write_decisions(
        const struct kept *kept, char text[static DECISIONS_BYTES_MAX + 1])
{
    size_t size = 0;

    for (size_t i = kept->first; i < kept->end; i++) {
        const struct checkpoint_decision *d = &kept->decisions[i];
        int written = snprintf(&text[size], DECISIONS_BYTES_MAX + 1 - size,
                "%" PRIu64 " %" PRIu64 " %" PRIu64 " %s\n", d->leader,
                d->generation, d->epoch,
                d->is_committed ? "committed" : "aborted");

        assert(written > 0 && written <= DECISION_BYTES_MAX);
        size += (size_t)written;
    }
}

static int say_not_kept(
        const struct checkpoint_decision *d, int error, struct error *err)
{
    char why[64];

    return error_set(err, ERR_IO,
            "cannot keep in node.data_dir how epoch %" PRIu64 " was decided: "
            "%s",
            d->epoch, say(error, why));
}

int store_keep_decision(struct store *s,
        const struct checkpoint_decision *decision, struct error *err)
{
    size_t place = place_of(s, decision);
    struct kept kept = with(s, decision);
    char text[DECISIONS_BYTES_MAX + 1];

    if (place < s->decisions_count &&
            s->decisions[place].is_committed != decision->is_committed) {
        return error_set(err, ERR_INVALID,
                "epoch %" PRIu64 " of leader %" PRIu64 " was %s before, and "
                "cannot be %s now",
                decision->epoch, decision->leader,
                decision->is_committed ? "aborted" : "committed",
                decision->is_committed ? "committed" : "aborted");
    }
    if (s->dir_fd < 0) {
        return 0;
    }
    write_decisions(&kept, text);
    if (!replace(s->dir_fd, DECISIONS_FILE, DECISIONS_NEW, text)) {
        return say_not_kept(decision, errno, err);
    }
    if (fsync(s->dir_fd) != 0) {
        s->in_doubt = true;
        return say_not_kept(decision, errno, err);
    }
    s->decisions_count = kept.end - kept.first;
    memcpy(s->decisions, &kept.decisions[kept.first],
            s->decisions_count * sizeof(s->decisions[0]));
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
