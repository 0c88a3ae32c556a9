/* The network between simulated nodes. */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/world_inner.h"

enum {
    SEGMENT_MAX_BYTES = 16 * 1024,
    CALL_RETRY_US = 1000000, /* of a call that nobody answers; doubles */
    RETRY_US = 200000, /* of a segment; doubles */
    RETRY_MAX_US = 1600000,
};

uint64_t world_delay_us(struct world *w, uint64_t from, uint64_t to)
{
    const struct world_link *link = &w->links[from][to];

    return link->delay_us + world_up_to(w, link->jitter_us);
}

static struct world_node *node_at(struct world *w, const struct addr *addr)
{
    for (uint64_t id = 1; id <= w->options.nodes; id++) {
        if (addr_equal(&w->nodes[id]->gossip_addr, addr) ||
                addr_equal(&w->nodes[id]->shuffle_addr, addr)) {
            return w->nodes[id];
        }
    }
    return NULL;
}

/* --- datagrams -------------------------------------------------------------- */

static void launch(
        struct world *w, uint64_t from, uint64_t to, struct bytes datagram)
{
    struct world_packet *packet = malloc(sizeof(*packet) + datagram.size);

    assert(packet != NULL);
    packet->from = from;
    packet->to = to;
    packet->size = datagram.size;
    memcpy(packet->bytes, datagram.data, datagram.size);
    world_at(w, w->now_us + world_delay_us(w, from, to), WORLD_DATAGRAM)
            ->packet = packet;
}

void world_send(struct world *w, struct world_node *from, const struct addr *to,
        struct bytes datagram)
{
    struct world_node *target = node_at(w, to);

    world_note(w, datagram.size);
    if (target == NULL ||
            world_by_chance(w, w->links[from->id][target->id].loss)) {
        return;
    }
    launch(w, from->id, target->id, datagram);
    if (world_by_chance(w, w->links[from->id][target->id].doubled)) {
        launch(w, from->id, target->id, datagram);
    }
}

/* It is ours from now on. */
void world_receive(struct world *w, struct world_packet *packet)
{
    struct world_node *n = w->nodes[packet->to];

    if (!n->is_up || w->cut[packet->from][packet->to] ||
            n->socket_count == WORLD_SOCKET_MAX) {
        free(packet);
        return;
    }
    n->socket[n->socket_count++] = packet;
    world_wake(w, n);
}

/* --- connecting --------------------------------------------------------------- */

struct world_end *world_other(const struct world_end *end)
{
    return &end->conn->ends[end == &end->conn->ends[0] ? 1 : 0];
}

static void come(struct world *w, uint64_t due_us, enum world_event_kind kind,
        struct world_end *end, bool is_good)
{
    struct world_event *event = world_at(w, due_us, kind);

    event->end = end;
    event->is_good = is_good;
    end->conn->events++;
}

static void add_end(struct world_node *n, struct world_end *end)
{
    end->node = n->id;
    end->next = n->ends;
    n->ends = end;
}

void world_connect(struct world *w, struct world_node *from, uint32_t link,
        const struct addr *to)
{
    struct world_node *target = node_at(w, to);
    struct world_conn *c = calloc(1, sizeof(*c));

    assert(c != NULL && target != NULL);
    c->next = w->conns;
    w->conns = c;
    for (size_t i = 0; i < 2; i++) {
        c->ends[i] = (struct world_end){.conn = c,
                .state = WORLD_END_CALLING,
                .is_read = true,
                .retry_us = i == 0 ? CALL_RETRY_US : RETRY_US};
    }
    add_end(from, &c->ends[0]);
    c->ends[0].link = link;
    c->ends[1].node = target->id;
    come(w, w->now_us + world_delay_us(w, from->id, target->id), WORLD_CALL,
            &c->ends[0], false);
}

static void answer(struct world *w, struct world_end *end, bool is_good)
{
    uint64_t delay_us = world_delay_us(w, world_other(end)->node, end->node);

    come(w, w->now_us + delay_us, WORLD_ANSWER, end, is_good);
}

static void call_again(struct world *w, struct world_end *end)
{
    come(w, w->now_us + end->retry_us, WORLD_CALL, end, false);
    end->retry_us *= 2;
}

void world_call_arrives(struct world *w, struct world_end *end)
{
    struct world_end *other = world_other(end);
    struct world_node *target = w->nodes[other->node];

    end->conn->events--;
    if (end->state != WORLD_END_CALLING) {
        return; /* given up, or answered on an earlier try */
    }
    if (w->cut[end->node][other->node] || target->is_lost) {
        call_again(w, end);
        return;
    }
    if (other->state == WORLD_END_CALLING) {
        if (!target->is_up ||
                world_by_chance(w, w->links[end->node][other->node].refused)) {
            other->state = WORLD_END_GONE;
        } else {
            other->state = WORLD_END_BACKLOG;
            add_end(target, other);
            world_wake(w, target);
        }
    }
    answer(w, end, other->state != WORLD_END_GONE);
}

void world_answer_arrives(struct world *w, struct world_end *end, bool is_good)
{
    end->conn->events--;
    if (end->state != WORLD_END_CALLING) {
        return;
    }
    if (w->cut[world_other(end)->node][end->node]) {
        call_again(w, end);
        return;
    }
    end->state = is_good ? WORLD_END_ANSWERED : WORLD_END_REFUSED;
    end->retry_us = RETRY_US;
    world_wake(w, w->nodes[end->node]);
}

/* --- bytes ---------------------------------------------------------------------- */

size_t world_room(const struct world *w, const struct world_end *end)
{
    bool is_deaf = w->cut[world_other(end)->node][end->node];
    size_t used = end->flight_bytes + (is_deaf ? end->unheard_bytes : 0);

    return used < w->options.buffer_bytes ? w->options.buffer_bytes - used : 0;
}

static void set_out(struct world *w, struct world_end *end)
{
    if (end->first != NULL && !end->is_stopped) {
        come(w, end->first->due_us, WORLD_SEGMENT, end, true);
    }
}

static void append(struct world *w, struct world_end *end, struct bytes bytes)
{
    const struct world_link *link =
            &w->links[end->node][world_other(end)->node];
    struct world_segment *s = malloc(sizeof(*s) + bytes.size);
    uint64_t from_us = end->free_us > w->now_us ? end->free_us : w->now_us;

    assert(s != NULL);
    end->free_us = link->bytes_per_s == 0
                           ? from_us
                           : from_us + bytes.size * 1000000 / link->bytes_per_s;
    s->next = NULL;
    s->size = bytes.size;
    s->due_us =
            end->free_us + world_delay_us(w, end->node, world_other(end)->node);
    if (bytes.size > 0) {
        memcpy(s->bytes, bytes.data, bytes.size);
    }
    end->flight_bytes += bytes.size;
    if (end->first == NULL) {
        end->first = s;
        end->last = s;
        set_out(w, end);
        return;
    }
    if (s->due_us < end->last->due_us) {
        s->due_us = end->last->due_us;
    }
    end->last->next = s;
    end->last = s;
}

/* Cut into pieces of chance: many frames in one, or one in many. */
void world_write(struct world *w, struct world_end *end, struct bytes bytes)
{
    while (bytes.size > 0) {
        size_t most = world_up_to(w, 3) == 0 ? 64 : SEGMENT_MAX_BYTES;
        size_t size = 1 + (size_t)world_up_to(w, most - 1);

        size = size < bytes.size ? size : bytes.size;
        append(w, end, bytes_of(bytes.data, size));
        bytes = bytes_skip(bytes, size);
    }
}

void world_finish(struct world *w, struct world_end *end)
{
    if (!end->has_ended) {
        end->has_ended = true;
        append(w, end, bytes_of(NULL, 0));
    }
}

static void drop_first(struct world_end *end)
{
    struct world_segment *s = end->first;

    end->first = s->next;
    end->last = s->next == NULL ? NULL : end->last;
    end->flight_bytes -= s->size;
    free(s);
}

static void drop_all(struct world_end *end)
{
    while (end->first != NULL) {
        drop_first(end);
    }
    end->unheard_bytes = 0;
    end->is_stopped = false;
}

/* The other system says that there is no such connection. */
static void say_reset(struct world *w, struct world_end *to)
{
    drop_all(to);
    if (to->state == WORLD_END_UP || to->state == WORLD_END_BACKLOG ||
            to->state == WORLD_END_ANSWERED) {
        come(w, w->now_us + world_delay_us(w, world_other(to)->node, to->node),
                WORLD_RESETS, to, false);
    }
}

void world_reset_arrives(struct world *w, struct world_end *end)
{
    end->conn->events--;
    if (w->cut[world_other(end)->node][end->node] ||
            w->nodes[end->node]->is_lost) {
        return; /* what it sends next will tell it */
    }
    drop_all(end);
    end->is_reset = true;
    if (end->state != WORLD_END_GONE) {
        world_wake(w, w->nodes[end->node]);
    }
}

/* Sends it again later, and with it all that is behind it. */
static void send_again(struct world *w, struct world_end *end)
{
    end->first->due_us = w->now_us + end->retry_us;
    end->retry_us =
            end->retry_us < RETRY_MAX_US ? 2 * end->retry_us : RETRY_MAX_US;
    set_out(w, end);
}

/* The other end's system has it; does ours hear of that? */
static void acknowledge(struct world *w, struct world_end *end, size_t size)
{
    if (w->cut[world_other(end)->node][end->node]) {
        end->unheard_bytes += size;
        return;
    }
    end->unheard_bytes = 0;
    if (end->is_dirty && end->state == WORLD_END_UP) {
        world_wake(w, w->nodes[end->node]);
    }
}

void world_segment_arrives(struct world *w, struct world_end *end)
{
    struct world_end *other = world_other(end);
    struct world_segment *s = end->first;
    size_t size;

    end->conn->events--;
    if (s == NULL || end->is_stopped) {
        return;
    }
    if (s->due_us > w->now_us) {
        set_out(w, end); /* what was first has been dropped meanwhile */
        return;
    }
    if (w->cut[end->node][other->node] || w->nodes[other->node]->is_lost) {
        send_again(w, end);
        return;
    }
    end->retry_us = RETRY_US;
    if (other->state == WORLD_END_GONE || other->is_reset) {
        say_reset(w, end);
        return;
    }
    size = s->size;
    if (size > 0 && other->inbound.size > 0 &&
            other->inbound.size + size > w->options.buffer_bytes) {
        end->is_stopped = true;
        return;
    }
    if (size == 0) {
        other->is_at_end = true;
    } else {
        world_bytes_add(&other->inbound, bytes_of(s->bytes, size));
    }
    drop_first(end);
    acknowledge(w, end, size);
    set_out(w, end);
    world_wake(w, w->nodes[other->node]);
}

void world_has_read(struct world *w, struct world_end *end, size_t bytes)
{
    struct world_end *other = world_other(end);

    world_bytes_drop(&end->inbound, bytes);
    if (other->is_stopped) {
        other->is_stopped = false;
        other->first->due_us =
                w->now_us + world_delay_us(w, end->node, other->node);
        set_out(w, other);
    }
}

/* --- ending ------------------------------------------------------------------------ */

static void remove_end(struct world *w, struct world_end *end)
{
    struct world_end **at = &w->nodes[end->node]->ends;

    while (*at != NULL && *at != end) {
        at = &(*at)->next;
    }
    if (*at == end) {
        *at = end->next;
    }
    end->state = WORLD_END_GONE;
}

/* What was written still goes; what was not read is answered with a reset. */
void world_close_end(struct world *w, struct world_end *end)
{
    struct world_end *other = world_other(end);
    bool was_connected = end->state != WORLD_END_CALLING;
    bool is_unread = end->inbound.size > 0;

    remove_end(w, end);
    world_bytes_close(&end->inbound);
    if (!was_connected && other->state == WORLD_END_CALLING) {
        other->state = WORLD_END_GONE; /* the call is not to arrive any more */
    } else if (!was_connected || is_unread) {
        drop_all(end);
        say_reset(w, other);
    } else if (!end->is_reset) {
        world_finish(w, end);
    }
}

void world_lose_end(struct world_end *end)
{
    struct world_end *other = world_other(end);

    if (end->state == WORLD_END_CALLING && end == &end->conn->ends[0] &&
            other->state == WORLD_END_CALLING) {
        other->state = WORLD_END_GONE;
    }
    end->state = WORLD_END_GONE;
    end->next = NULL;
    drop_all(end);
    world_bytes_close(&end->inbound);
}

static bool is_forgotten(const struct world_conn *c)
{
    return c->events == 0 && c->ends[0].state == WORLD_END_GONE &&
           c->ends[1].state == WORLD_END_GONE;
}

void world_sweep(struct world *w)
{
    struct world_conn **at = &w->conns;

    while (*at != NULL) {
        struct world_conn *c = *at;

        if (!is_forgotten(c)) {
            at = &c->next;
            continue;
        }
        *at = c->next;
        for (size_t i = 0; i < 2; i++) {
            drop_all(&c->ends[i]);
            world_bytes_close(&c->ends[i].inbound);
            world_bytes_close(&c->ends[i].tap);
        }
        free(c);
    }
}
