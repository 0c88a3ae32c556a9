/* A program's end of the node's local socket: frames out, frames in.
 *
 * Neither direction ever blocks by itself: the commands wait with poll for
 * whatever they have to wait for, and call the verbs below when there is
 * something to do.
 *
 *     client_put(&c, tag, head, body);       queue a frame
 *     client_flush(&c, err);                 send what the socket takes
 *     client_fill(&c, err);                  read what is there
 *     while (client_next(&c, &frame)) ...    frames, parsed in place
 *
 * What is queued to go out grows with what the caller puts there, and the
 * caller stops when `client_queued` says enough. What came in is kept in one
 * buffer that grows to the largest frame, at most `frame_max`. */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "base/frame.h"

enum {
    CLIENT_READ_BYTES = 128 << 10, /* asked for in one read */
    CLIENT_TIMED_OUT = 1, /* neither done nor failed: the time has passed */
    CLIENT_UNREAD = 2, /* likewise: nobody reads what we would print */
};

struct client {
    int fd;
    int out_fd; /* whose reader is watched while we wait; -1: nobody's */
    bool ended; /* the node has closed its end; what came in is still good */
    size_t frame_max; /* length field of the largest frame it may send */
    uint8_t *in; /* received, and not yet taken: from in_start to in_end */
    size_t in_start;
    size_t in_end;
    size_t in_capacity;
    uint8_t *out; /* queued, and not yet sent */
    size_t out_start;
    size_t out_end;
    size_t out_capacity;
    uint32_t calls; /* the number of the last CALL */
    uint8_t *whole; /* of an answer in pieces */
    size_t whole_size;
};

/* ERR_NOT_FOUND: no node answers at `path`, with a sentence that says what to
 * do. */
int client_connect(struct client *c, const char *path, struct error *err);

/* The same over a connected socket, which is closed with the client. */
void client_adopt(struct client *c, int fd);

void client_close(struct client *c);

/* Queues one frame; its payload is `head` and `body`, one behind the other. */
void client_put(
        struct client *c, uint8_t tag, struct bytes head, struct bytes body);

/* Room for `size` bytes at the end of the queue, for those who pack frames
 * themselves; good until the next verb. client_packed says how many it took. */
uint8_t *client_room(struct client *c, size_t size);
void client_packed(struct client *c, size_t size);

size_t client_queued(const struct client *c);

/* Forgets what is queued: nobody takes it any more. */
void client_drop_output(struct client *c);

/* Sends what the socket takes now. ERR_IO when the node has gone: what it said
 * before can still be read. */
int client_flush(struct client *c, struct error *err);

/* Reads once, what is there now. ERR_IO when the system refuses. */
int client_fill(struct client *c, struct error *err);

/* The next whole frame, borrowed until the next client_fill. ERR_INVALID when
 * what came is no frame; 1 when there was one, 0 when more must come. */
int client_next(struct client *c, struct frame *frame, struct error *err);

/* Monotonic, in milliseconds. */
uint64_t client_now_ms(void);

/* What is left until `deadline_ms`, for poll; -1 for UINT64_MAX, which is
 * never. */
int client_left_ms(uint64_t deadline_ms);

/* One answer of the node to a CALL; `json` is borrowed until the next one. */
struct client_answer {
    uint8_t exit;
    bool last; /* no other will follow */
    struct bytes json;
};

/* Queues a CALL, under a number of its own. */
void client_call(struct client *c, const char *json);

/* Waits for the next answer to the last CALL: 0, CLIENT_TIMED_OUT,
 * CLIENT_UNREAD when the pipe `out_fd` has lost its reader, or ERR_IO when the
 * node ended first. */
int client_answer(struct client *c, uint64_t deadline_ms,
        struct client_answer *answer, struct error *err);

/* Waits for all the pieces of one answer, up to the last, and joins them: a
 * node sends what is too long for one frame in several. `json` is borrowed
 * until the client is closed. Returns as client_answer does. */
int client_answer_whole(struct client *c, uint64_t deadline_ms,
        struct client_answer *answer, struct error *err);
