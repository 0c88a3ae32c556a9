#include "shuffle/shuffle_accept_uv.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr_posix.h"

static int fail(struct error *err, const struct addr *at)
{
    char text[ADDR_TEXT_BYTES];

    return error_set(err, ERR_IO, "cannot listen on TCP %s: %s",
            addr_format(at, text), uv_strerror(uv_translate_sys_error(errno)));
}

static void make_quiet(int fd)
{
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static int bind_and_listen(
        int fd, const struct addr *at, struct addr *bound, struct error *err)
{
    struct sockaddr_storage address;
    socklen_t size = addr_posix_to_sockaddr(at, &address);
    int on = 1;

    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&address, size) != 0) {
        return fail(err, at);
    }
    if (listen(fd, SHUFFLE_ACCEPT_BACKLOG) != 0) {
        return fail(err, at);
    }
    size = sizeof(address);
    if (getsockname(fd, (struct sockaddr *)&address, &size) != 0 ||
            !addr_posix_from_sockaddr((struct sockaddr *)&address, bound)) {
        return fail(err, at);
    }
    return 0;
}

static void on_pause_over(uv_timer_t *timer);
static void on_readable(uv_poll_t *poll, int status, int events);

static void pause_listening(struct shuffle_accept_uv *self)
{
    self->errors++;
    (void)uv_poll_stop(&self->poll);
    (void)uv_timer_start(
            &self->pause, on_pause_over, SHUFFLE_ACCEPT_PAUSE_MS, 0);
}

static void on_pause_over(uv_timer_t *timer)
{
    struct shuffle_accept_uv *self = timer->data;

    (void)uv_poll_start(&self->poll, UV_READABLE, on_readable);
}

/* Did accept fail because nobody waits, or only for that one connection? */
static bool is_harmless(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR ||
           error == ECONNABORTED;
}

static bool accept_one(struct shuffle_accept_uv *self)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof(address);
    struct addr from;
    int fd = accept(self->fd, (struct sockaddr *)&address, &size);

    if (fd < 0) {
        if (!is_harmless(errno)) {
            pause_listening(self);
        }
        return false;
    }
    make_quiet(fd);
    if (!addr_posix_from_sockaddr((struct sockaddr *)&address, &from)) {
        close(fd);
        return true;
    }
    from = addr_posix_unmap(&from);
    self->on_accepted(self->owner, fd, &from);
    return true;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct shuffle_accept_uv *self = poll->data;
    int left = SHUFFLE_ACCEPT_BATCH;

    (void)events;
    if (status < 0) {
        pause_listening(self);
        return;
    }
    while (left > 0 && !self->closing && accept_one(self)) {
        left--;
    }
    self->on_turn(self->owner);
}

int shuffle_accept_uv_init(struct shuffle_accept_uv *self, uv_loop_t *loop,
        const struct addr *at, struct addr *bound, struct error *err)
{
    int family = at->family == ADDR_IPV4 ? AF_INET : AF_INET6;
    int code;

    self->errors = 0;
    self->closing = false;
    self->fd = socket(family, SOCK_STREAM, 0);
    if (self->fd < 0) {
        return fail(err, at);
    }
    make_quiet(self->fd);
    code = bind_and_listen(self->fd, at, bound, err);
    if (code == 0 && uv_poll_init(loop, &self->poll, self->fd) != 0) {
        code = fail(err, at);
    }
    if (code != 0) {
        close(self->fd);
        return code;
    }
    (void)uv_timer_init(loop, &self->pause);
    self->poll.data = self;
    self->pause.data = self;
    self->open_handles = 2;
    (void)uv_poll_start(&self->poll, UV_READABLE, on_readable);
    return 0;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct shuffle_accept_uv *self = handle->data;

    assert(self->open_handles > 0);
    self->open_handles--;
    if (self->open_handles == 0) {
        close(self->fd);
        self->on_closed(self->owner); /* may free self: nothing behind it */
    }
}

void shuffle_accept_uv_close(struct shuffle_accept_uv *self)
{
    if (self->closing) {
        return;
    }
    self->closing = true;
    uv_close((uv_handle_t *)&self->poll, on_handle_closed);
    uv_close((uv_handle_t *)&self->pause, on_handle_closed);
}
