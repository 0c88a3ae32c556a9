#include "node/seeds_uv.h"

#include <stdio.h>
#include <string.h>

#include "base/addr_posix.h"

enum {
    PERIOD_JOINING_MS = 5000,
    PERIOD_JOINED_MS = 30000,
};

void seeds_uv_init(
        struct seeds_uv *self, uv_loop_t *loop, const struct conf_seeds *seeds)
{
    *self = (struct seeds_uv){.loop = loop, .name_count = seeds->count};
    for (size_t i = 0; i < seeds->count; i++) {
        struct seeds_uv_name *name = &self->names[i];
        struct bytes host = bytes_text(seeds->items[i].host);

        name->owner = self;
        name->seed = &seeds->items[i];
        if (addr_parse_host(host, &name->addrs[0])) {
            name->addrs[0].port = name->seed->port;
            name->addr_count = 1;
        }
    }
    uv_timer_init(loop, &self->timer);
    self->timer.data = self;
    self->timer_open = true;
}

static bool is_literal(const struct seeds_uv_name *name)
{
    struct addr addr;

    return addr_parse_host(bytes_text(name->seed->host), &addr);
}

static void keep_addresses(
        struct seeds_uv_name *name, const struct addrinfo *found)
{
    size_t count = 0;

    for (; found != NULL && count < SEEDS_ADDRS_OF_NAME_MAX;
            found = found->ai_next) {
        struct addr addr;

        if (addr_posix_from_sockaddr(found->ai_addr, &addr)) {
            addr.port = name->seed->port;
            name->addrs[count++] = addr;
        }
    }
    name->addr_count = count;
}

static void report_failure(struct seeds_uv_name *name, int status)
{
    char sentence[CONF_HOST_BYTES + 200];

    if (name->failed) {
        return;
    }
    name->failed = true;
    (void)snprintf(sentence, sizeof(sentence),
            "seed \"%s:%u\" does not resolve (%s); trying again while running",
            name->seed->host, name->seed->port, uv_strerror(status));
    name->owner->on_failed(name->owner->owner, sentence);
}

static void on_name_resolved(
        uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    struct seeds_uv_name *name = request->data;
    struct seeds_uv *self = name->owner;

    name->resolving = false;
    if (self->closing) {
        uv_freeaddrinfo(found);
        return;
    }
    if (status == 0 && found != NULL) {
        name->failed = false;
        keep_addresses(name, found);
    } else {
        report_failure(name, status);
    }
    uv_freeaddrinfo(found);
    self->on_resolved(self->owner);
}

static void resolve(struct seeds_uv *self, struct seeds_uv_name *name)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM};
    int status;

    if (name->resolving || is_literal(name)) {
        return;
    }
    name->request.data = name;
    status = uv_getaddrinfo(self->loop, &name->request, on_name_resolved,
            name->seed->host, NULL, &hints);
    if (status == 0) {
        name->resolving = true;
    } else {
        report_failure(name, status);
    }
}

static void on_period(uv_timer_t *timer)
{
    struct seeds_uv *self = timer->data;

    for (size_t i = 0; i < self->name_count; i++) {
        resolve(self, &self->names[i]);
    }
    uv_timer_start(&self->timer, on_period,
            self->joined ? PERIOD_JOINED_MS : PERIOD_JOINING_MS, 0);
}

void seeds_uv_start(struct seeds_uv *self)
{
    on_period(&self->timer);
}

void seeds_uv_joined(struct seeds_uv *self, bool joined)
{
    if (self->closing || self->joined == joined) {
        return;
    }
    self->joined = joined;
    if (!joined) {
        on_period(&self->timer);
    }
}

size_t seeds_uv_addrs(
        const struct seeds_uv *self, struct addr addrs[static SEEDS_ADDRS_MAX])
{
    size_t count = 0;

    for (size_t i = 0; i < self->name_count; i++) {
        const struct seeds_uv_name *name = &self->names[i];

        for (size_t j = 0; j < name->addr_count && count < SEEDS_ADDRS_MAX;
                j++) {
            addrs[count++] = name->addrs[j];
        }
    }
    return count;
}

bool seeds_uv_settled(const struct seeds_uv *self)
{
    for (size_t i = 0; i < self->name_count; i++) {
        if (self->names[i].addr_count == 0 && !self->names[i].failed) {
            return false;
        }
    }
    return true;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct seeds_uv *self = handle->data;

    self->timer_open = false;
}

/* A lookup under way completes, cancelled or not, before the loop ends. */
void seeds_uv_close(struct seeds_uv *self)
{
    if (self->closing) {
        return;
    }
    self->closing = true;
    for (size_t i = 0; i < self->name_count; i++) {
        if (self->names[i].resolving) {
            (void)uv_cancel((uv_req_t *)&self->names[i].request);
        }
    }
    uv_close((uv_handle_t *)&self->timer, on_timer_closed);
}
