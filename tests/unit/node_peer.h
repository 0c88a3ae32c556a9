/* A node of paper for the tests of programs that talk to one: the program runs
 * in a child process, and the test speaks for the node, frame by frame. */
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "node/client_posix.h"
#include "shuffle/shuffle_record.h"
#include "shuffle/shuffle_wire.h"

enum {
    PEER_PATIENCE_MS = 20000, /* after which a test has failed */
};

/* What the child does with its end of the socket, its standard input and its
 * standard output in place; returns its exit code. */
typedef int peer_program(struct client *client, const void *options);

struct peer {
    struct client node; /* our end of the socket */
    pid_t pid;
    int in; /* write here what the program reads; -1 = closed */
    int out; /* read here what it writes */
    int err;
};

static inline void peer_start(
        struct peer *p, peer_program *program, const void *options)
{
    int pair[2];
    int in[2];
    int out[2];
    int err[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    assert_int_equal(pipe(err), 0);
    (void)fflush(NULL);
    p->pid = fork();
    assert_true(p->pid >= 0);
    if (p->pid == 0) {
        struct client client;
        int code;

        (void)signal(SIGPIPE, SIG_IGN);
        (void)dup2(in[0], STDIN_FILENO);
        (void)dup2(out[1], STDOUT_FILENO);
        (void)dup2(err[1], STDERR_FILENO);
        for (int fd = STDERR_FILENO + 1; fd < 64; fd++) {
            if (fd != pair[1]) {
                (void)close(fd);
            }
        }
        client_adopt(&client, pair[1]);
        code = program(&client, options);
        client_close(&client);
        (void)fflush(NULL);
        _exit(code);
    }
    (void)close(pair[1]);
    (void)close(in[0]);
    (void)close(out[1]);
    (void)close(err[1]);
    client_adopt(&p->node, pair[0]);
    p->in = in[1];
    p->out = out[0];
    p->err = err[0];
}

static inline void peer_close_in(struct peer *p)
{
    (void)close(p->in);
    p->in = -1;
}

static inline void peer_write(struct peer *p, const void *data, size_t size)
{
    assert_int_equal(write(p->in, data, size), (ssize_t)size);
}

/* The next frame of the program; false when it has closed its end. */
static inline bool peer_frame(struct peer *p, struct frame *frame)
{
    struct error err;

    for (;;) {
        struct pollfd fd = {p->node.fd, POLLIN, 0};
        int rc = client_next(&p->node, frame, &err);

        assert_true(rc >= 0);
        if (rc == 1) {
            return true;
        }
        if (p->node.ended) {
            return false;
        }
        assert_int_equal(poll(&fd, 1, PEER_PATIENCE_MS), 1);
        assert_int_equal(client_fill(&p->node, &err), 0);
    }
}

static inline void peer_expect(struct peer *p, uint8_t tag, struct frame *frame)
{
    assert_true(peer_frame(p, frame));
    assert_int_equal(frame->tag, tag);
}

/* Says a frame, whole. */
static inline void peer_say(struct peer *p, uint8_t tag, struct writer *w)
{
    struct error err;

    assert_false(w->failed);
    client_put(&p->node, tag, writer_bytes(w), bytes_of("", 0));
    while (client_queued(&p->node) > 0) {
        struct pollfd fd = {p->node.fd, POLLOUT, 0};

        assert_int_equal(poll(&fd, 1, PEER_PATIENCE_MS), 1);
        assert_int_equal(client_flush(&p->node, &err), 0);
    }
}

static inline void peer_say_state(
        struct peer *p, enum shuffle_state_code code, const char *text)
{
    uint8_t payload[512];
    struct writer w = writer_of(payload, sizeof(payload));
    struct shuffle_wire_state state = {(uint8_t)code, bytes_text(text)};

    shuffle_wire_encode_state(&w, &state);
    peer_say(p, SHUFFLE_TAG_STATE, &w);
}

static inline void peer_say_fail(struct peer *p, enum shuffle_fail_code code,
        uint64_t taken, const char *text)
{
    uint8_t payload[512];
    struct writer w = writer_of(payload, sizeof(payload));
    struct shuffle_wire_fail failed = {
            .taken = taken, .code = (uint8_t)code, .text = bytes_text(text)};

    shuffle_wire_encode_fail(&w, &failed);
    peer_say(p, SHUFFLE_TAG_FAIL, &w);
}

static inline void peer_say_done(struct peer *p, uint64_t taken)
{
    uint8_t payload[64];
    struct writer w = writer_of(payload, sizeof(payload));
    struct shuffle_wire_done done = {.taken = taken};

    shuffle_wire_encode_done(&w, &done);
    peer_say(p, SHUFFLE_TAG_DONE, &w);
}

static inline void peer_say_mark(
        struct peer *p, uint64_t next, uint64_t checkpoint, uint64_t epoch)
{
    uint8_t payload[SHUFFLE_MARK_BYTES];
    struct writer w = writer_of(payload, sizeof(payload));
    struct shuffle_wire_mark mark = {
            .next = next, .checkpoint = checkpoint, .epoch = epoch};

    shuffle_wire_encode_mark(&w, &mark);
    peer_say(p, SHUFFLE_TAG_MARK, &w);
}

static inline void peer_say_outcome(struct peer *p, uint64_t checkpoint,
        uint64_t epoch, enum shuffle_outcome_code code, const char *text)
{
    uint8_t payload[512];
    struct writer w = writer_of(payload, sizeof(payload));
    struct shuffle_wire_outcome outcome = {
            checkpoint, epoch, (uint8_t)code, bytes_text(text)};

    shuffle_wire_encode_outcome(&w, &outcome);
    peer_say(p, SHUFFLE_TAG_OUTCOME, &w);
}

/* All that the program writes until it closes, or what `capacity` holds. */
static inline size_t peer_read(int fd, char *text, size_t capacity)
{
    size_t size = 0;

    while (size < capacity) {
        struct pollfd p = {fd, POLLIN, 0};
        ssize_t got;

        assert_int_equal(poll(&p, 1, PEER_PATIENCE_MS), 1);
        got = read(fd, text + size, capacity - size);
        assert_true(got >= 0);
        if (got == 0) {
            break;
        }
        size += (size_t)got;
    }
    return size;
}

/* Waits for the program's end; what it said on standard error is in `said`. */
static inline int peer_end(struct peer *p, char *said, size_t capacity)
{
    size_t size = peer_read(p->err, said, capacity - 1);
    int status;

    said[size] = '\0';
    assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
    assert_true(WIFEXITED(status));
    if (p->in >= 0) {
        (void)close(p->in);
    }
    (void)close(p->out);
    (void)close(p->err);
    client_close(&p->node);
    return WEXITSTATUS(status);
}
