#include "node/client_posix.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "node/need.h"
#include "node/socket_path_posix.h"
#include "shuffle/shuffle_wire.h"

uint64_t client_now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

int client_left_ms(uint64_t deadline_ms)
{
    uint64_t now_ms = client_now_ms();

    if (deadline_ms == UINT64_MAX) {
        return -1;
    }
    if (deadline_ms <= now_ms) {
        return 0;
    }
    return deadline_ms - now_ms > INT_MAX ? INT_MAX
                                          : (int)(deadline_ms - now_ms);
}

void client_adopt(struct client *c, int fd)
{
    *c = (struct client){
            .fd = fd, .out_fd = -1, .frame_max = SHUFFLE_FRAME_MAX};
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
}

static int refuse(const char *path, int reason, struct error *err)
{
    if (reason == EACCES || reason == EPERM) {
        return error_set(err, ERR_NOT_FOUND,
                "no node of yours answers at %s: permission denied; be the "
                "user that runs it, or root",
                path);
    }
    return error_set(err, ERR_NOT_FOUND,
            "no node answers at %s: %s; start one with `weft run`, or say "
            "with --socket where it is",
            path, strerror(reason));
}

int client_connect(struct client *c, const char *path, struct error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd;

    if (socket_path_check(path, err) != 0) {
        return ERR_NOT_FOUND;
    }
    if (strlen(path) >= sizeof(address.sun_path)) {
        return refuse(path, ENAMETOOLONG, err);
    }
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0) {
        return refuse(path, errno, err);
    }
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        int reason = errno;

        (void)close(fd);
        return refuse(path, reason, err);
    }
    client_adopt(c, fd);
    return 0;
}

void client_close(struct client *c)
{
    (void)close(c->fd);
    free(c->in);
    free(c->out);
    free(c->whole);
    *c = (struct client){.fd = -1, .out_fd = -1};
}

/* Moves what is there to the front and makes `buffer` hold `size` more. */
static void make_room(uint8_t **buffer, size_t *start, size_t *end,
        size_t *capacity, size_t size)
{
    size_t held = *end - *start;
    size_t wanted = *capacity == 0 ? 1 << 12 : *capacity;

    if (*capacity - *end >= size) {
        return;
    }
    if (*start > 0) {
        memmove(*buffer, *buffer + *start, held);
        *start = 0;
        *end = held;
    }
    while (wanted - held < size) {
        wanted *= 2;
    }
    if (wanted > *capacity) {
        *buffer = need(realloc(*buffer, wanted));
        *capacity = wanted;
    }
}

uint8_t *client_room(struct client *c, size_t size)
{
    make_room(&c->out, &c->out_start, &c->out_end, &c->out_capacity, size);
    return c->out + c->out_end;
}

void client_packed(struct client *c, size_t size)
{
    assert(size <= c->out_capacity - c->out_end);
    c->out_end += size;
}

size_t client_queued(const struct client *c)
{
    return c->out_end - c->out_start;
}

void client_drop_output(struct client *c)
{
    c->out_start = 0;
    c->out_end = 0;
}

static uint8_t *append(uint8_t *to, struct bytes b)
{
    if (b.size > 0) {
        memcpy(to, b.data, b.size);
    }
    return to + b.size;
}

void client_put(
        struct client *c, uint8_t tag, struct bytes head, struct bytes body)
{
    size_t payload = head.size + body.size;
    uint8_t *to = client_room(c, FRAME_HEADER_BYTES + payload);

    frame_put_header(to, tag, payload);
    (void)append(append(to + FRAME_HEADER_BYTES, head), body);
    client_packed(c, FRAME_HEADER_BYTES + payload);
}

static bool must_wait(int reason)
{
    return reason == EAGAIN || reason == EWOULDBLOCK || reason == EINTR;
}

int client_flush(struct client *c, struct error *err)
{
    while (client_queued(c) > 0) {
        ssize_t sent = send(
                c->fd, c->out + c->out_start, client_queued(c), MSG_NOSIGNAL);

        if (sent < 0 && must_wait(errno)) {
            return 0;
        }
        if (sent < 0) {
            return error_set(
                    err, ERR_IO, "the node has gone: %s", strerror(errno));
        }
        c->out_start += (size_t)sent;
    }
    c->out_start = 0;
    c->out_end = 0;
    return 0;
}

int client_fill(struct client *c, struct error *err)
{
    ssize_t got;

    make_room(&c->in, &c->in_start, &c->in_end, &c->in_capacity,
            CLIENT_READ_BYTES);
    got = recv(c->fd, c->in + c->in_end, c->in_capacity - c->in_end, 0);
    if (got == 0 || (got < 0 && errno == ECONNRESET)) {
        c->ended = true;
        return 0;
    }
    if (got < 0) {
        return must_wait(errno)
                       ? 0
                       : error_set(err, ERR_IO, "cannot read from the node: %s",
                                 strerror(errno));
    }
    c->in_end += (size_t)got;
    return 0;
}

int client_next(struct client *c, struct frame *frame, struct error *err)
{
    struct bytes input = bytes_of(c->in + c->in_start, c->in_end - c->in_start);
    size_t size;
    enum frame_status status;

    if (input.size == 0) {
        return 0;
    }
    status = frame_peek(input, frame, &size);
    if (status == FRAME_EMPTY || size > 4 + c->frame_max) {
        return error_set(err, ERR_INVALID,
                "what answers at the socket is no node of this version: a "
                "frame of %zu bytes",
                size);
    }
    if (status == FRAME_PARTIAL) {
        return 0;
    }
    c->in_start += size;
    if (c->in_start == c->in_end) {
        c->in_start = 0;
        c->in_end = 0;
    }
    return 1;
}

void client_call(struct client *c, const char *json)
{
    uint8_t id[4];
    struct writer w = writer_of(id, sizeof(id));

    c->calls++;
    writer_u32le(&w, c->calls);
    client_put(c, SHUFFLE_TAG_CALL, writer_bytes(&w), bytes_text(json));
}

/* An answer among the frames that are here: 1, or 0 if there is none yet. */
static int find_answer(
        struct client *c, struct client_answer *answer, struct error *err)
{
    struct shuffle_wire_result result;
    struct frame frame = {0};
    int rc;

    while ((rc = client_next(c, &frame, err)) == 1) {
        if (frame.tag == SHUFFLE_TAG_STATE) {
            struct shuffle_wire_state state;

            if (shuffle_wire_decode_state(frame.payload, &state)) {
                return error_set(err, ERR_DENIED, "the node refuses: %.*s",
                        (int)state.text.size, (const char *)state.text.data);
            }
        }
        if (frame.tag == SHUFFLE_TAG_RESULT &&
                shuffle_wire_decode_result(frame.payload, &result) &&
                result.id == c->calls) {
            answer->exit = result.exit;
            answer->last = result.last;
            answer->json = result.json;
            return 1;
        }
    }
    return rc;
}

/* Waits until something can be sent or read, and does it. */
static int wait_once(struct client *c, uint64_t deadline_ms, struct error *err)
{
    struct pollfd fds[] = {
            {c->fd, client_queued(c) > 0 ? POLLIN | POLLOUT : POLLIN, 0},
            {c->out_fd, 0, 0},
    };
    int ready = poll(fds, 2, client_left_ms(deadline_ms));

    if (ready <= 0) {
        return ready == 0 ? CLIENT_TIMED_OUT : 0;
    }
    if ((fds[1].revents & POLLERR) != 0) {
        return CLIENT_UNREAD;
    }
    if ((fds[0].revents & POLLOUT) != 0 && client_flush(c, NULL) != 0) {
        client_drop_output(c); /* the answer may still be there to read */
    }
    return (fds[0].revents & ~POLLOUT) != 0 ? client_fill(c, err) : 0;
}

int client_answer(struct client *c, uint64_t deadline_ms,
        struct client_answer *answer, struct error *err)
{
    for (;;) {
        int rc = find_answer(c, answer, err);

        if (rc != 0) {
            return rc > 0 ? 0 : rc;
        }
        if (c->ended) {
            return error_set(err, ERR_IO, "the node ended before it answered");
        }
        rc = wait_once(c, deadline_ms, err);
        if (rc != 0) {
            return rc;
        }
    }
}

static int keep_piece(struct client *c, struct bytes piece, struct error *err)
{
    uint8_t *grown = realloc(c->whole, c->whole_size + piece.size + 1);

    if (grown == NULL) {
        return error_set(err, ERR_FULL, "no memory for so long an answer");
    }
    if (piece.size > 0) {
        memcpy(grown + c->whole_size, piece.data, piece.size);
    }
    c->whole = grown;
    c->whole_size += piece.size;
    return 0;
}

int client_answer_whole(struct client *c, uint64_t deadline_ms,
        struct client_answer *answer, struct error *err)
{
    int rc;

    c->whole_size = 0;
    do {
        rc = client_answer(c, deadline_ms, answer, err);
        if (rc == 0) {
            rc = keep_piece(c, answer->json, err);
        }
    } while (rc == 0 && !answer->last);
    answer->json = bytes_of(c->whole, c->whole_size);
    return rc;
}
