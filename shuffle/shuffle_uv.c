#include "shuffle/shuffle_uv.h"

#include <assert.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/addr_posix.h"

enum {
    PIECES_MAX = 64, /* of one write */
};

/* One connection. It outlives its link by the close callback. */
struct shuffle_uv_conn {
    struct shuffle_uv *self;
    uint32_t link;
    uv_tcp_t tcp;
    uv_connect_t connecting;
    uv_write_t writing;
    uv_shutdown_t finishing;
    size_t writing_bytes; /* 0: no write is waiting for room */
    bool is_connected;
    bool is_unread; /* by the pool's wish */
    bool is_dirty;
    bool is_rested;
    uint32_t turn; /* that `turn_bytes` is of */
    size_t turn_bytes;
    struct shuffle_uv_conn *next_dirty;
    struct shuffle_uv_conn *next_rested;
};

static uint64_t now_ms(const struct shuffle_uv *self)
{
    return uv_now(self->loop);
}

static void on_before_poll(uv_prepare_t *prepare);
static void on_after_poll(uv_check_t *check);

void shuffle_uv_init(
        struct shuffle_uv *self, uv_loop_t *loop, struct shuffle_pool *pool)
{
    assert(self->on_turn != NULL && self->on_closed != NULL);
    self->loop = loop;
    self->pool = pool;
    self->is_listening = false;
    self->accept.errors = 0;
    self->closing = false;
    self->turn = 0;
    self->turn_bytes = 0;
    self->dirty = NULL;
    self->rested = NULL;
    self->conns = calloc(SHUFFLE_LINKS_MAX, sizeof(self->conns[0]));
    self->read_buffer = malloc(SHUFFLE_UV_READ_BYTES);
    assert(self->conns != NULL && self->read_buffer != NULL);
    (void)uv_prepare_init(loop, &self->before_poll);
    (void)uv_check_init(loop, &self->after_poll);
    (void)uv_idle_init(loop, &self->more);
    self->before_poll.data = self;
    self->after_poll.data = self;
    self->more.data = self;
    self->open_handles = 3;
    (void)uv_prepare_start(&self->before_poll, on_before_poll);
    (void)uv_check_start(&self->after_poll, on_after_poll);
}

/* --- closing --- */

static void handle_gone(struct shuffle_uv *self)
{
    assert(self->open_handles > 0);
    self->open_handles--;
    if (self->closing && self->open_handles == 0) {
        free(self->conns);
        free(self->read_buffer);
        self->on_closed(self->owner); /* may free self: nothing behind it */
    }
}

static void on_handle_closed(uv_handle_t *handle)
{
    handle_gone(handle->data);
}

static void on_conn_closed(uv_handle_t *handle)
{
    struct shuffle_uv_conn *conn = handle->data;
    struct shuffle_uv *self = conn->self;

    free(conn);
    handle_gone(self);
}

static void remove_dirty(struct shuffle_uv_conn *conn)
{
    struct shuffle_uv_conn **at = &conn->self->dirty;

    while (conn->is_dirty && *at != conn) {
        at = &(*at)->next_dirty;
    }
    if (conn->is_dirty) {
        *at = conn->next_dirty;
        conn->is_dirty = false;
    }
}

static void remove_rested(struct shuffle_uv_conn *conn)
{
    struct shuffle_uv_conn **at = &conn->self->rested;

    while (conn->is_rested && *at != conn) {
        at = &(*at)->next_rested;
    }
    if (conn->is_rested) {
        *at = conn->next_rested;
        conn->is_rested = false;
    }
}

static void close_conn(struct shuffle_uv_conn *conn)
{
    uv_handle_t *handle = (uv_handle_t *)&conn->tcp;

    remove_dirty(conn);
    remove_rested(conn);
    if (conn->link != 0) {
        conn->self->conns[shuffle_link_slot(conn->link)] = NULL;
        conn->link = 0;
    }
    if (!uv_is_closing(handle)) {
        uv_close(handle, on_conn_closed);
    }
}

static void on_accept_turn(void *owner)
{
    struct shuffle_uv *self = owner;

    self->on_turn(self->owner);
}

static void on_accept_closed(void *owner)
{
    handle_gone(owner);
}

void shuffle_uv_stop_listening(struct shuffle_uv *self)
{
    if (self->is_listening) {
        self->is_listening = false;
        shuffle_accept_uv_close(&self->accept);
    }
}

void shuffle_uv_close(struct shuffle_uv *self)
{
    if (self->closing) {
        return;
    }
    self->closing = true;
    shuffle_uv_stop_listening(self);
    for (uint32_t slot = 0; slot < SHUFFLE_LINKS_MAX; slot++) {
        if (self->conns[slot] != NULL) {
            close_conn(self->conns[slot]);
        }
    }
    uv_close((uv_handle_t *)&self->before_poll, on_handle_closed);
    uv_close((uv_handle_t *)&self->after_poll, on_handle_closed);
    uv_close((uv_handle_t *)&self->more, on_handle_closed);
}

uint64_t shuffle_uv_accept_errors(const struct shuffle_uv *self)
{
    return self->accept.errors;
}

/* --- more work for the next turn --- */

static void on_more(uv_idle_t *idle)
{
    (void)idle; /* it is enough that the loop does not sleep */
}

static void ask_for_more(struct shuffle_uv *self)
{
    (void)uv_idle_start(&self->more, on_more);
}

/* --- the end of a connection --- */

/* What is left of a count of the system's without the bytes of a write that
 * the pool has not heard of yet. */
static uint64_t without(int bytes, size_t unheard_bytes)
{
    size_t all = bytes < 0 ? 0 : (size_t)bytes;

    return all > unheard_bytes ? all - unheard_bytes : 0;
}

static void tell_unsent(const struct shuffle_uv_conn *conn)
{
    const uv_stream_t *stream = (const uv_stream_t *)&conn->tcp;
    size_t waiting = uv_stream_get_write_queue_size(stream);
    size_t unheard =
            conn->writing_bytes > waiting ? conn->writing_bytes - waiting : 0;
    int unsent;
    int unacked;
    int fd;

    if (uv_fileno((const uv_handle_t *)&conn->tcp, &fd) == 0 &&
            ioctl(fd, SIOCOUTQNSD, &unsent) == 0 &&
            ioctl(fd, SIOCOUTQ, &unacked) == 0) {
        shuffle_pool_unsent(conn->self->pool, conn->link,
                without(unsent, unheard), without(unacked, unheard));
    }
}

/* `why` is libuv's code. */
static void lose(struct shuffle_uv_conn *conn, int why)
{
    struct shuffle_uv *self = conn->self;

    tell_unsent(conn);
    shuffle_pool_closed(self->pool, now_ms(self), conn->link,
            why == UV_EOF ? NULL : uv_strerror(why));
}

/* --- reading --- */

/* Into the shared buffer, or straight to where the rest of a long frame
 * belongs. */
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct shuffle_uv_conn *conn = handle->data;
    struct shuffle_uv *self = conn->self;
    size_t size = SHUFFLE_UV_READ_BYTES;
    uint8_t *room = shuffle_pool_room(self->pool, conn->link, &size);

    (void)suggested;
    if (room == NULL) {
        room = self->read_buffer;
        size = SHUFFLE_UV_READ_BYTES;
    } else if (size > SHUFFLE_UV_TURN_LINK_BYTES) {
        size = SHUFFLE_UV_TURN_LINK_BYTES;
    }
    *buffer = uv_buf_init((char *)room, (unsigned)size);
}

/* The turn has brought enough from this connection, or from all. */
static void rest_if_enough(struct shuffle_uv_conn *conn, size_t bytes)
{
    struct shuffle_uv *self = conn->self;

    if (conn->turn != self->turn) {
        conn->turn = self->turn;
        conn->turn_bytes = 0;
    }
    conn->turn_bytes += bytes;
    self->turn_bytes += bytes;
    if (conn->turn_bytes >= SHUFFLE_UV_TURN_LINK_BYTES ||
            self->turn_bytes >= SHUFFLE_UV_TURN_BYTES) {
        (void)uv_read_stop((uv_stream_t *)&conn->tcp);
        conn->is_rested = true;
        conn->next_rested = self->rested;
        self->rested = conn;
        ask_for_more(self);
    }
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct shuffle_uv_conn *conn = stream->data;
    struct shuffle_uv *self = conn->self;

    if (size == 0 || conn->link == 0) {
        return;
    }
    if (size > 0) {
        rest_if_enough(conn, (size_t)size);
        shuffle_pool_received(self->pool, now_ms(self), conn->link,
                bytes_of(buffer->base, (size_t)size));
    } else {
        (void)uv_read_stop(stream);
        lose(conn, (int)size);
    }
    self->on_turn(self->owner);
}

static void update_reading(struct shuffle_uv_conn *conn)
{
    uv_stream_t *stream = (uv_stream_t *)&conn->tcp;

    if (!conn->is_connected) {
        return;
    }
    if (conn->is_unread || conn->is_rested) {
        (void)uv_read_stop(stream);
    } else {
        (void)uv_read_start(stream, on_alloc, on_read);
    }
}

static void begin_turn(struct shuffle_uv *self)
{
    struct shuffle_uv_conn *conn;

    self->turn++;
    self->turn_bytes = 0;
    while ((conn = self->rested) != NULL) {
        self->rested = conn->next_rested;
        conn->is_rested = false;
        update_reading(conn);
    }
}

/* --- writing --- */

static void mark_dirty(struct shuffle_uv_conn *conn)
{
    if (!conn->is_dirty && conn->writing_bytes == 0) {
        conn->is_dirty = true;
        conn->next_dirty = conn->self->dirty;
        conn->self->dirty = conn;
    }
}

/* What is to be written, as libuv has it; returns how many pieces. */
static unsigned gather(struct shuffle_uv_conn *conn, uv_buf_t buffers[],
        size_t pieces_max, size_t bytes_max, size_t *bytes)
{
    struct bytes pieces[PIECES_MAX];
    size_t count = shuffle_pool_output(
            conn->self->pool, conn->link, pieces, pieces_max, bytes_max);

    *bytes = 0;
    for (size_t i = 0; i < count; i++) {
        /* libuv's buffers are not const; writing does not change them. */
        union {
            const uint8_t *in;
            char *out;
        } base = {.in = pieces[i].data};

        buffers[i] = uv_buf_init(base.out, (unsigned)pieces[i].size);
        *bytes += pieces[i].size;
    }
    return (unsigned)count;
}

static void on_room(uv_write_t *request, int status)
{
    struct shuffle_uv_conn *conn = request->data;
    struct shuffle_uv *self = conn->self;
    size_t bytes = conn->writing_bytes;

    conn->writing_bytes = 0;
    if (conn->link == 0 || self->closing) {
        return;
    }
    if (status < 0) {
        lose(conn, status);
    } else {
        shuffle_pool_written(self->pool, now_ms(self), conn->link, bytes);
        mark_dirty(conn);
    }
    self->on_turn(self->owner);
}

/* The system takes no more: a small write says when it does again. It is
 * small, so that progress is seen and what is urgent waits little. */
static void wait_for_room(struct shuffle_uv_conn *conn)
{
    uv_buf_t buffer;
    size_t bytes;
    int status;

    if (gather(conn, &buffer, 1, SHUFFLE_UV_WAIT_BYTES, &bytes) == 0) {
        return;
    }
    conn->writing_bytes = bytes;
    conn->writing.data = conn;
    status = uv_write(
            &conn->writing, (uv_stream_t *)&conn->tcp, &buffer, 1, on_room);
    if (status != 0) {
        conn->writing_bytes = 0;
        lose(conn, status);
    }
}

static void write_some(struct shuffle_uv_conn *conn)
{
    struct shuffle_uv *self = conn->self;
    uv_buf_t buffers[PIECES_MAX];
    size_t bytes;
    unsigned count =
            gather(conn, buffers, PIECES_MAX, SHUFFLE_UV_WRITE_BYTES, &bytes);
    int written;

    if (count == 0) {
        return;
    }
    written = uv_try_write((uv_stream_t *)&conn->tcp, buffers, count);
    if (written < 0 && written != UV_EAGAIN) {
        lose(conn, written);
        return;
    }
    written = written < 0 ? 0 : written;
    shuffle_pool_written(self->pool, now_ms(self), conn->link, (size_t)written);
    if ((size_t)written < bytes) {
        wait_for_room(conn);
    } else if (shuffle_pool_has_output(self->pool, conn->link)) {
        mark_dirty(conn);
        ask_for_more(self);
    }
}

/* One write for each connection that has output. */
static void flush(struct shuffle_uv *self)
{
    struct shuffle_uv_conn *conn = self->dirty;

    if (conn == NULL) {
        return;
    }
    self->dirty = NULL;
    while (conn != NULL) {
        struct shuffle_uv_conn *next = conn->next_dirty;

        conn->is_dirty = false;
        write_some(conn);
        conn = next;
    }
    self->on_turn(self->owner);
}

static void on_before_poll(uv_prepare_t *prepare)
{
    struct shuffle_uv *self = prepare->data;

    (void)uv_idle_stop(&self->more);
    begin_turn(self);
    flush(self);
    if (self->dirty != NULL) {
        ask_for_more(self);
    }
}

static void on_after_poll(uv_check_t *check)
{
    flush(check->data);
}

/* --- connections --- */

static struct shuffle_uv_conn *new_conn(struct shuffle_uv *self)
{
    struct shuffle_uv_conn *conn = calloc(1, sizeof(*conn));

    assert(conn != NULL);
    conn->self = self;
    (void)uv_tcp_init(self->loop, &conn->tcp);
    conn->tcp.data = conn;
    self->open_handles++;
    return conn;
}

static void attach(struct shuffle_uv_conn *conn, uint32_t link)
{
    conn->link = link;
    conn->self->conns[shuffle_link_slot(link)] = conn;
}

static void on_accepted(void *owner, int fd, const struct addr *from)
{
    struct shuffle_uv *self = owner;
    struct shuffle_uv_conn *conn = new_conn(self);
    uint32_t link;

    if (uv_tcp_open(&conn->tcp, fd) != 0) {
        close(fd);
        close_conn(conn);
        return;
    }
    if (uv_tcp_nodelay(&conn->tcp, 1) != 0 ||
            shuffle_pool_accepted(self->pool, now_ms(self), from, &link) != 0) {
        close_conn(conn);
        return;
    }
    attach(conn, link);
    conn->is_connected = true;
    update_reading(conn);
}

int shuffle_uv_listen(struct shuffle_uv *self, const struct addr *at,
        struct addr *bound, struct error *err)
{
    int code;

    assert(!self->is_listening);
    self->accept.owner = self;
    self->accept.on_accepted = on_accepted;
    self->accept.on_turn = on_accept_turn;
    self->accept.on_closed = on_accept_closed;
    code = shuffle_accept_uv_init(&self->accept, self->loop, at, bound, err);
    if (code == 0) {
        self->is_listening = true;
        self->open_handles++;
    }
    return code;
}

static void on_connected(uv_connect_t *request, int status)
{
    struct shuffle_uv_conn *conn = request->data;
    struct shuffle_uv *self = conn->self;

    if (conn->link == 0 || self->closing) {
        return;
    }
    if (status == 0) {
        status = uv_tcp_nodelay(&conn->tcp, 1);
    }
    if (status != 0) {
        shuffle_pool_connect_failed(
                self->pool, now_ms(self), conn->link, uv_strerror(status));
    } else {
        conn->is_connected = true;
        update_reading(conn);
        shuffle_pool_connected(self->pool, now_ms(self), conn->link);
    }
    self->on_turn(self->owner);
}

static void connect_to(
        struct shuffle_uv *self, uint32_t link, const struct addr *to)
{
    struct shuffle_uv_conn *conn = new_conn(self);
    struct sockaddr_storage address;
    int status;

    attach(conn, link);
    (void)addr_posix_to_sockaddr(to, &address);
    conn->connecting.data = conn;
    status = uv_tcp_connect(&conn->connecting, &conn->tcp,
            (const struct sockaddr *)&address, on_connected);
    if (status != 0) {
        shuffle_pool_connect_failed(
                self->pool, now_ms(self), link, uv_strerror(status));
    }
}

static void on_finished(uv_shutdown_t *request, int status)
{
    (void)request;
    (void)status; /* the other side's end, or the pool's deadline, comes next */
}

void shuffle_uv_perform(
        struct shuffle_uv *self, const struct shuffle_pool_action *action)
{
    struct shuffle_uv_conn *conn =
            self->closing ? NULL : self->conns[shuffle_link_slot(action->link)];

    if (self->closing) {
        return;
    }
    if (action->type == SHUFFLE_POOL_CONNECT) {
        connect_to(self, action->link, &action->address);
        return;
    }
    if (conn == NULL || conn->link != action->link) {
        return;
    }
    switch (action->type) {
    case SHUFFLE_POOL_CLOSE:
        close_conn(conn);
        break;
    case SHUFFLE_POOL_FINISH:
        (void)uv_shutdown(
                &conn->finishing, (uv_stream_t *)&conn->tcp, on_finished);
        break;
    case SHUFFLE_POOL_WRITE:
        mark_dirty(conn);
        break;
    case SHUFFLE_POOL_READ:
        conn->is_unread = !action->on;
        update_reading(conn);
        break;
    default:
        assert(false);
    }
}
