/* What a program at the local socket asks for: the JSON of a CALL frame
 * (docs/wire.md, "The local socket"). */
#pragma once

#include "base/bytes.h"
#include "base/error.h"

enum request_command {
    REQUEST_MEMBERS,
    REQUEST_INFO,
    REQUEST_HEALTH,
    REQUEST_LEAVE,
    REQUEST_BARRIER,
    REQUEST_CHECKPOINTS,
    REQUEST_KV_GET,
    REQUEST_KV_SET,
    REQUEST_KV_DEL,
    REQUEST_KV_LS,
    REQUEST_KV_WATCH,
};

struct request {
    enum request_command command;
    struct bytes key;
    struct bytes value;
    struct bytes prefix;
    uint64_t node; /* 0: the own node */
    uint64_t wait; /* members: how many must be live and active */
    bool ttl;
    bool all;
    bool dead;

    void *document; /* json-c's; what the texts above are borrowed from */
};

/* ERR_INVALID with a sentence when the text is no request of ours; then there
 * is nothing to close. */
int request_parse(struct request *r, struct bytes json, struct error *err);

void request_close(struct request *r);
