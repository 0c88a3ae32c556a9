#define _GNU_SOURCE /* struct ucred */

#include "node/local_uv.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "node/node.h"

enum {
    READ_BYTES = SHUFFLE_CLIENT_READ_MAX,
    PIECES_MAX = 64,
    BACKLOG = 64,
};

static void on_client_event(uv_poll_t *poll, int status, int events);

static void on_handle_closed(uv_handle_t *handle)
{
    struct local_uv *self = handle->data;

    self->open_handles--;
    if (self->open_handles == 0 && self->closing) {
        free(self->buffer);
        self->buffer = NULL;
    }
}

static void on_client_closed(uv_handle_t *handle)
{
    struct local_uv_client *client =
            (struct local_uv_client *)(void *)((char *)handle -
                                               offsetof(struct local_uv_client,
                                                       poll));

    (void)close(client->fd);
    client->open = false;
    on_handle_closed(handle);
}

/* --- one client --- */

static void watch(struct local_uv_client *client)
{
    int events = (client->reading ? UV_READABLE : 0) |
                 (client->blocked ? UV_WRITABLE : 0);

    if (client->closing) {
        return;
    }
    if (events == 0) {
        /* Still hear of the other side's end. */
        events = UV_DISCONNECT;
    }
    (void)uv_poll_start(&client->poll, events, on_client_event);
}

static void close_client(struct local_uv_client *client)
{
    if (!client->closing) {
        client->closing = true;
        (void)uv_poll_stop(&client->poll);
        uv_close((uv_handle_t *)&client->poll, on_client_closed);
    }
}

/* The program has gone: the node hears of it, once. */
static void lose_client(struct local_uv_client *client)
{
    struct local_uv *self = client->owner;

    close_client(client);
    node_client_gone(self->node, uv_now(self->loop), client->number);
    self->on_turn(self->owner);
}

static void read_client(struct local_uv_client *client)
{
    struct local_uv *self = client->owner;
    ssize_t size = read(client->fd, self->buffer, READ_BYTES);

    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (size <= 0) {
        lose_client(client);
        return;
    }
    node_client_received(self->node, uv_now(self->loop), client->number,
            bytes_of(self->buffer, (size_t)size));
    self->on_turn(self->owner);
}

static size_t gather(struct local_uv_client *client,
        struct iovec iov[static PIECES_MAX], size_t *bytes)
{
    struct bytes pieces[PIECES_MAX];
    size_t count = node_client_output(
            client->owner->node, client->number, pieces, PIECES_MAX);

    *bytes = 0;
    for (size_t i = 0; i < count; i++) {
        iov[i].iov_base = (void *)(uintptr_t)pieces[i].data;
        iov[i].iov_len = pieces[i].size;
        *bytes += pieces[i].size;
    }
    return count;
}

/* Writes until the socket is full or nothing is left. */
static void write_client(struct local_uv_client *client)
{
    struct local_uv *self = client->owner;
    bool was_blocked = client->blocked;
    struct iovec iov[PIECES_MAX];
    size_t wanted;
    size_t count;

    client->blocked = false;
    while ((count = gather(client, iov, &wanted)) > 0) {
        struct msghdr message = {.msg_iov = iov, .msg_iovlen = count};
        ssize_t size = sendmsg(client->fd, &message, MSG_NOSIGNAL);

        if (size < 0 && errno != EAGAIN && errno != EINTR) {
            lose_client(client);
            return;
        }
        if (size > 0) {
            node_client_written(self->node, client->number, (size_t)size);
        }
        if (size < 0 || (size_t)size < wanted) {
            client->blocked = true;
            break;
        }
    }
    if (client->blocked != was_blocked) {
        watch(client);
    }
}

static void on_client_event(uv_poll_t *poll, int status, int events)
{
    struct local_uv_client *client =
            (struct local_uv_client *)(void *)((char *)poll -
                                               offsetof(struct local_uv_client,
                                                       poll));

    if (client->closing) {
        return;
    }
    if (status < 0) {
        lose_client(client);
        return;
    }
    if ((events & UV_WRITABLE) != 0) {
        write_client(client);
        client->owner->on_turn(client->owner->owner);
    }
    if ((events & UV_READABLE) != 0 && !client->closing) {
        read_client(client);
    } else if ((events & UV_DISCONNECT) != 0 && !client->closing) {
        lose_client(client);
    }
}

/* --- the listener --- */

/* The same user or root. */
static bool is_trusted(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == 0 || peer.uid == geteuid());
}

static struct local_uv_client *free_slot(struct local_uv *self)
{
    for (size_t i = 0; i < LOCAL_UV_SLOTS; i++) {
        if (!self->clients[i].open) {
            return &self->clients[i];
        }
    }
    return NULL;
}

static void adopt_client(struct local_uv *self, int fd)
{
    struct local_uv_client *client = free_slot(self);
    int number;

    if (client == NULL || uv_poll_init(self->loop, &client->poll, fd) != 0) {
        (void)close(fd);
        return;
    }
    client->poll.data = self;
    client->owner = self;
    client->fd = fd;
    client->open = true;
    client->closing = false;
    client->reading = true;
    client->blocked = false;
    client->dirty = false;
    self->open_handles++;
    number = node_client_accepted(self->node, uv_now(self->loop));
    if (number < 0) {
        close_client(client);
        return;
    }
    client->number = (uint32_t)number;
    self->by_number[number] = client;
    watch(client);
}

static void on_connection(uv_poll_t *poll, int status, int events);

static void on_pause_over(uv_timer_t *timer)
{
    struct local_uv *self = timer->data;

    (void)uv_poll_start(&self->listener, UV_READABLE, on_connection);
}

/* Who waits to be accepted would wake the loop again at once. */
static void pause_listening(struct local_uv *self)
{
    (void)uv_poll_stop(&self->listener);
    (void)uv_timer_start(&self->pause, on_pause_over, LOCAL_UV_PAUSE_MS, 0);
}

/* Did accept fail because nobody waits, or only for that one? */
static bool is_harmless(int error)
{
    return error == EAGAIN || error == EINTR || error == ECONNABORTED;
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
    struct local_uv *self = poll->data;
    int fd;

    (void)events;
    if (status < 0) {
        pause_listening(self);
        return;
    }
    fd = accept4(self->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (!is_harmless(errno)) {
            pause_listening(self);
        }
        return;
    }
    if (!is_trusted(fd)) {
        (void)close(fd);
        return;
    }
    adopt_client(self, fd);
}

static struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    assert(strlen(path) < sizeof(address.sun_path));
    memcpy(address.sun_path, path, strlen(path) + 1);
    return address;
}

/* Whether a node answers at the path. */
static bool is_answered(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool answered = fd >= 0 && connect(fd, (const struct sockaddr *)address,
                                       sizeof(*address)) == 0;

    if (fd >= 0) {
        (void)close(fd);
    }
    return answered;
}

static int listen_at(struct local_uv *self, struct error *err)
{
    struct sockaddr_un address = address_of(self->path);
    struct stat st;

    if (is_answered(&address)) {
        return error_set(err, ERR_IO,
                "another node answers at \"%s\": set [node] socket",
                self->path);
    }
    if (lstat(self->path, &st) == 0) {
        if (!S_ISSOCK(st.st_mode)) {
            return error_set(err, ERR_IO,
                    "there is something else than a socket at \"%s\": set "
                    "[node] socket",
                    self->path);
        }
        (void)unlink(self->path);
    }
    self->listen_fd =
            socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (self->listen_fd < 0) {
        return error_set(err, ERR_IO, "cannot open the local socket: %s",
                strerror(errno));
    }
    if (bind(self->listen_fd, (const struct sockaddr *)&address,
                sizeof(address)) != 0) {
        return error_set(err, ERR_IO,
                "cannot bind the local socket \"%s\" (%s): set [node] socket",
                self->path, strerror(errno));
    }
    self->bound = true;
    if (chmod(self->path, 0600) != 0 || listen(self->listen_fd, BACKLOG) != 0) {
        return error_set(err, ERR_IO, "cannot listen at \"%s\": %s", self->path,
                strerror(errno));
    }
    return 0;
}

static int watch_listener(struct local_uv *self, struct error *err)
{
    int code = uv_poll_init(self->loop, &self->listener, self->listen_fd);

    if (code != 0) {
        return error_set(err, ERR_IO, "cannot wait at \"%s\": %s", self->path,
                uv_strerror(code));
    }
    self->listener.data = self;
    (void)uv_timer_init(self->loop, &self->pause);
    self->pause.data = self;
    self->open_handles = 2;
    (void)uv_poll_start(&self->listener, UV_READABLE, on_connection);
    return 0;
}

static void release(struct local_uv *self)
{
    if (self->bound) {
        (void)unlink(self->path);
        self->bound = false;
    }
    if (self->listen_fd >= 0) {
        (void)close(self->listen_fd);
        self->listen_fd = -1;
    }
}

int local_uv_init(struct local_uv *self, uv_loop_t *loop, struct node *node,
        const char *path, void (*on_turn)(void *owner), void *owner,
        struct error *err)
{
    int code;

    *self = (struct local_uv){.loop = loop,
            .node = node,
            .on_turn = on_turn,
            .owner = owner,
            .listen_fd = -1};
    assert(strlen(path) < sizeof(self->path));
    memcpy(self->path, path, strlen(path) + 1);
    self->buffer = malloc(READ_BYTES);
    code = self->buffer == NULL
                   ? error_set(err, ERR_FULL, "no memory for the local socket")
                   : listen_at(self, err);
    if (code == 0) {
        code = watch_listener(self, err);
    }
    if (code != 0) {
        release(self);
        free(self->buffer);
        self->closing = true;
        return code;
    }
    return 0;
}

void local_uv_perform(struct local_uv *self, const struct local_action *action)
{
    struct local_uv_client *client = self->by_number[action->client];

    if (client->closing) {
        return;
    }
    switch (action->type) {
    case LOCAL_WRITE:
        client->dirty = true;
        break;
    case LOCAL_READ:
        client->reading = action->on;
        watch(client);
        break;
    case LOCAL_CLOSE:
        close_client(client);
        break;
    }
}

void local_uv_flush(struct local_uv *self)
{
    for (size_t i = 0; i < LOCAL_UV_SLOTS; i++) {
        struct local_uv_client *client = &self->clients[i];

        if (client->open && client->dirty) {
            client->dirty = false;
            if (!client->closing && !client->blocked) {
                write_client(client);
            }
        }
    }
}

void local_uv_close(struct local_uv *self)
{
    if (self->closing) {
        return;
    }
    self->closing = true;
    for (size_t i = 0; i < LOCAL_UV_SLOTS; i++) {
        if (self->clients[i].open) {
            close_client(&self->clients[i]);
        }
    }
    (void)uv_poll_stop(&self->listener);
    uv_close((uv_handle_t *)&self->listener, on_handle_closed);
    uv_close((uv_handle_t *)&self->pause, on_handle_closed);
    release(self);
}
