/* The local socket: programs of the same user (or root) at a path.
 *
 * The adaptor between the system's stream sockets and the node's clients: it
 * accepts, reads into one buffer that all clients share, and writes once a
 * client and turn. It polls descriptors rather than owning libuv pipes, so that
 * what is written stays in the node's outbox and nothing is copied twice. Who a
 * client is and what it may say, `node/local.h` decides. */
#pragma once

#include <uv.h>

#include "base/bytes.h"
#include "base/error.h"
#include "node/local.h"

struct node;
struct node_action;

enum {
    LOCAL_UV_SLOTS = 2 * LOCAL_CLIENTS_MAX, /* some may still be closing */
    LOCAL_UV_PAUSE_MS = 100, /* when the system has no descriptor left */
};

struct local_uv_client {
    uv_poll_t poll;
    struct local_uv *owner;
    uint32_t number; /* the node's own for it */
    int fd;
    bool open; /* from accept until the close callback */
    bool closing; /* the node knows no such client any more */
    bool reading;
    bool blocked; /* the socket is full: wait until it takes more */
    bool dirty; /* there is output for the turn's end */
};

struct local_uv {
    uv_loop_t *loop;
    struct node *node;
    void (*on_turn)(void *owner); /* facts were fed: drain the node */
    void *owner;
    uv_poll_t listener;
    uv_timer_t pause; /* of the listener */
    int listen_fd;
    char path[108];
    bool bound; /* the path is ours to unlink */
    bool closing;
    size_t open_handles;
    struct local_uv_client clients[LOCAL_UV_SLOTS];
    struct local_uv_client *by_number[LOCAL_CLIENTS_MAX];
    uint8_t *buffer; /* every read lands here */
};

/* Binds `path` with mode 0600. A socket that nobody answers at is replaced;
 * one that somebody answers at is ERR_IO with a sentence. `on_turn` is called
 * after each fact. */
int local_uv_init(struct local_uv *self, uv_loop_t *loop, struct node *node,
        const char *path, void (*on_turn)(void *owner), void *owner,
        struct error *err);

/* Performs one of the node's local actions. */
void local_uv_perform(struct local_uv *self, const struct local_action *action);

/* Writes what the turn has gathered, one write a client. */
void local_uv_flush(struct local_uv *self);

/* Unlinks the path and closes every handle; may be called twice. */
void local_uv_close(struct local_uv *self);
