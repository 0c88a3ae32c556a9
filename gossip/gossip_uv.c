#include "gossip/gossip_uv.h"

#include <assert.h>
#include <stdlib.h>

#include "base/addr_posix.h"

enum {
    SLOT_BYTES = 64 * 1024, /* how libuv divides the buffer of a batch */
    SOCKET_BUFFER_BYTES = 4 * 1024 * 1024, /* wished for; the system decides */
    LIBUV_TURN = 32, /* after as many, libuv goes back to the loop */
};

static_assert(LIBUV_TURN + GOSSIP_UV_BATCH <= GOSSIP_UV_TURN,
        "a turn ends with the batch that passes libuv's own limit");

int gossip_uv_init(struct gossip_uv *self, uv_loop_t *loop, struct error *err)
{
    int code;

    assert(self->on_datagram != NULL && self->on_closed != NULL);
    self->batch = malloc(GOSSIP_UV_BATCH * SLOT_BYTES);
    if (self->batch == NULL) {
        return error_set(err, ERR_FULL, "no memory for receiving gossip");
    }
    code = uv_udp_init_ex(loop, &self->socket, AF_UNSPEC | UV_UDP_RECVMMSG);
    assert(code == 0); /* without a family, no socket is made yet */
    self->socket.data = self;
    self->counters = (struct gossip_uv_counters){.received = 0};
    self->is_open = false;
    self->closing = false;
    self->has_news = false;
    return 0;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct gossip_uv *self = handle->data;

    (void)suggested;
    *buffer = uv_buf_init(
            (char *)self->batch, (unsigned)(GOSSIP_UV_BATCH * SLOT_BYTES));
}

static void take_datagram(struct gossip_uv *self, struct bytes datagram,
        const struct sockaddr *from, unsigned flags)
{
    struct addr addr;

    if ((flags & UV_UDP_PARTIAL) != 0 ||
            !addr_posix_from_sockaddr(from, &addr)) {
        self->counters.receive_refused++;
        return;
    }
    addr = addr_posix_unmap(&addr);
    self->counters.received++;
    self->counters.received_bytes += datagram.size;
    self->has_news = true;
    self->on_datagram(self->owner, &addr, datagram);
}

static void end_batch(struct gossip_uv *self)
{
    if (self->has_news) {
        self->has_news = false;
        if (self->on_turn != NULL) {
            self->on_turn(self->owner);
        }
    }
}

/* libuv calls this for each datagram, and once more without an address when a
 * batch is over or nothing was there. It goes on with a batch though the
 * handle was closed in the middle of it. */
static void on_received(uv_udp_t *socket, ssize_t size, const uv_buf_t *buffer,
        const struct sockaddr *from, unsigned flags)
{
    struct gossip_uv *self = socket->data;

    if (self->closing) {
        return;
    }
    if (size < 0) {
        self->counters.receive_errors++;
    } else if (from != NULL) {
        take_datagram(self, bytes_of(buffer->base, (size_t)size), from, flags);
    } else {
        end_batch(self);
    }
}

static int read_bound(struct gossip_uv *self)
{
    struct sockaddr_storage storage;
    int size = sizeof(storage);
    int code = uv_udp_getsockname(
            &self->socket, (struct sockaddr *)&storage, &size);

    if (code == 0 && !addr_posix_from_sockaddr(
                             (struct sockaddr *)&storage, &self->bound)) {
        code = UV_EAFNOSUPPORT;
    }
    return code;
}

int gossip_uv_open(
        struct gossip_uv *self, const struct addr *at, struct error *err)
{
    struct sockaddr_storage storage;
    char text[ADDR_TEXT_BYTES];
    int wished_bytes = SOCKET_BUFFER_BYTES;
    int code;

    assert(!self->is_open && !self->closing);
    (void)addr_posix_to_sockaddr(at, &storage);
    code = uv_udp_bind(&self->socket, (struct sockaddr *)&storage, 0);
    if (code == 0) {
        code = read_bound(self);
    }
    if (code == 0) {
        code = uv_udp_recv_start(&self->socket, on_alloc, on_received);
    }
    if (code != 0) {
        return error_set(err, ERR_IO, "cannot listen on UDP %s: %s",
                addr_format(at, text), uv_strerror(code));
    }
    /* A burst of large datagrams finds room, if the system grants it. */
    (void)uv_recv_buffer_size((uv_handle_t *)&self->socket, &wished_bytes);
    self->is_open = true;
    return 0;
}

const struct addr *gossip_uv_bound(const struct gossip_uv *self)
{
    assert(self->is_open);
    return &self->bound;
}

void gossip_uv_send(
        struct gossip_uv *self, const struct addr *to, struct bytes datagram)
{
    struct sockaddr_storage storage;
    struct addr there =
            self->bound.family == ADDR_IPV6 ? addr_posix_map(to) : *to;
    uv_buf_t buffer =
            uv_buf_init((char *)datagram.data, (unsigned)datagram.size);
    int code;

    assert(self->is_open && !self->closing);
    (void)addr_posix_to_sockaddr(&there, &storage);
    code = uv_udp_try_send(
            &self->socket, &buffer, 1, (struct sockaddr *)&storage);
    if (code >= 0) {
        self->counters.sent++;
        self->counters.sent_bytes += datagram.size;
    } else if (code == UV_EAGAIN) {
        self->counters.send_dropped++;
    } else {
        self->counters.send_errors++;
    }
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct gossip_uv *self = handle->data;

    free(self->batch);
    self->batch = NULL;
    self->on_closed(self->owner); /* may free self: nothing after this line */
}

void gossip_uv_close(struct gossip_uv *self)
{
    if (self->closing) {
        return;
    }
    self->closing = true;
    self->is_open = false;
    uv_close((uv_handle_t *)&self->socket, on_handle_closed);
}
