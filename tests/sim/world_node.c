/* The process around a simulated node: its loop, its sockets, its disk. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/world_inner.h"

enum {
    TURN_LATE_US = 60, /* at most, from what comes to the turn that sees it */
    FACTS_MAX = 64, /* of one turn */
    WRITE_BYTES = 1024 * 1024, /* of one write to a connection */
    PIECES_MAX = 64,
    READY_MAX = 256, /* facts that are looked at in one go */
};

/* Wall clocks, for generations. */
static const uint64_t wall_clock_ms = 1700000000000;

struct world_node *world_find(const struct world *w, uint64_t id)
{
    assert(id > 0 && id <= w->options.nodes);
    return w->nodes[id];
}

static uint64_t clock_ms(const struct world_node *n)
{
    return n->loop_us / 1000;
}

static void tell_time(const struct world *w, struct world_node *n)
{
    n->loop_us = w->now_us + n->clock_us;
    node_clock(&n->core, n->loop_us);
}

static void drain(struct world *w, struct world_node *n)
{
    tell_time(w, n);
    n->is_draining = true;
    world_check_node(w, n);
}

void world_wake(struct world *w, struct world_node *n)
{
    uint64_t at_us = w->now_us + world_up_to(w, TURN_LATE_US);

    if (n->is_up && n->phase == WORLD_ASLEEP && at_us < n->wake_us) {
        n->wake_us = at_us;
    }
}

/* --- its life ------------------------------------------------------------------ */

static struct node_options options_of(
        const struct world *w, const struct world_node *n)
{
    struct node_options o = {
            .id = n->id,
            .generation = n->generation,
            .name = "loom",
            .cluster = "weft",
            .version = "0",
            .gossip_addr = n->gossip_addr,
            .cores = 2,
            .memory_bytes = 1 << 30,
            .has_seeds = w->options.nodes > 1,
            .gossip = gossip_options_default(w->options.interval_ms),
            .pool = shuffle_pool_defaults(),
            .streams = shuffle_streams_defaults(),
            .checkpoint = checkpoint_defaults(),
            .decisions = n->store.decisions,
            .decisions_count = n->store.decisions_count,
            .memory_budget_bytes = 128 * 1024 * 1024,
    };

    o.pool.vnodes = o.streams.vnodes;
    o.pool.reserve_bytes = 4 * 1024 * 1024;
    o.pool.links_max = 256;
    o.checkpoint.keeps = w->options.keeps;
    o.checkpoint.earlier_generation = n->earlier_generation;
    if (w->options.tune != NULL) {
        w->options.tune(&o);
    }
    return o;
}

/* Each node has all the others for its seeds. */
static void tell_seeds(const struct world *w, struct world_node *n)
{
    struct addr seeds[WORLD_NODES_MAX];
    size_t count = 0;

    for (uint64_t id = 1; id <= w->options.nodes; id++) {
        if (id != n->id) {
            seeds[count++] = w->nodes[id]->gossip_addr;
        }
    }
    node_seeds(&n->core, seeds, count);
}

static void choose_generation(struct world *w, struct world_node *n)
{
    uint64_t wall_ms = wall_clock_ms + w->now_us / 1000;

    n->generation =
            wall_ms > n->store.generation ? wall_ms : n->store.generation + 1;
    n->store.generation = w->options.keeps ? n->generation : 0;
}

void world_begin(struct world *w, struct world_node *n)
{
    struct node_options o;
    struct error err;

    assert(!n->is_up);
    choose_generation(w, n);
    n->first_generation = n->generation;
    n->life++;
    n->phase = WORLD_TIMERS;
    n->clock_us = prng_below(&w->chance, UINT64_C(1) << 40);
    n->loop_us = w->now_us + n->clock_us;
    o = options_of(w, n);
    o.seed = prng_u64(&w->chance);
    if (node_init(&n->core, &o, clock_ms(n), &err) != 0) {
        world_fail(w, "node %" PRIu64 " does not start: %s", n->id, err.text);
    }
    tell_time(w, n);
    node_listening(&n->core, clock_ms(n), &n->shuffle_addr);
    tell_seeds(w, n);
    n->is_up = true;
    n->is_starting = false;
    n->is_paused = false;
    n->is_lost = false;
    n->is_draining = true;
    n->due_ms = 0;
    n->facts = 0;
    n->wake_us = w->now_us;
    n->announced_version = 0;
    n->acked_version = 0;
    n->resumed_us = w->now_us;
    world_trace(w, "node %" PRIu64 " starts, generation %" PRIu64, n->id,
            n->generation);
}

/* The process is no more; what it had with others ends as `death` says. */
static void bury(struct world *w, struct world_node *n, enum world_death death)
{
    node_close(&n->core);
    n->is_up = false;
    n->is_paused = false;
    n->is_lost = death == WORLD_SILENT;
    n->strike = WORLD_STRIKE_NONE;
    n->has_kept = false;
    n->phase = WORLD_ASLEEP;
    n->wake_us = UINT64_MAX;
    while (n->ends != NULL) {
        struct world_end *end = n->ends;

        if (n->is_lost) {
            n->ends = end->next;
            world_lose_end(end);
        } else {
            world_close_end(w, end);
        }
    }
    for (size_t i = 0; i < n->socket_count; i++) {
        free(n->socket[i]);
    }
    n->socket_count = 0;
    memset(n->clients, 0, sizeof(n->clients));
    for (size_t i = 0; i < w->programs_count; i++) {
        struct world_client *c = w->programs[i];

        if (c->facts.node == n->id && c->is_connected) {
            if (n->is_lost) {
                world_leave(w, i);
            }
            world_cut_off(w, c);
        }
    }
}

void world_kill(struct world *w, uint64_t id, enum world_death death)
{
    struct world_node *n = world_find(w, id);

    assert(n->is_up);
    world_trace(w, "node %" PRIu64 " %s", id,
            death == WORLD_RESET ? "is killed" : "is lost with its host");
    bury(w, n, death);
}

void world_restart(struct world *w, uint64_t id, bool with_data)
{
    struct world_node *n = world_find(w, id);

    assert(!n->is_up);
    if (!with_data) {
        n->store = (struct world_store){.generation = 0};
    }
    world_begin(w, n);
}

void world_pause(struct world *w, uint64_t id)
{
    struct world_node *n = world_find(w, id);

    if (!n->is_paused) {
        assert(n->is_up);
        world_trace(w, "node %" PRIu64 " is paused", id);
        n->is_paused = true;
    }
}

/* It goes on where it was: in the midst of a turn, or with what has come. */
void world_resume(struct world *w, uint64_t id)
{
    struct world_node *n = world_find(w, id);

    if (n->is_paused) {
        world_trace(w, "node %" PRIu64 " goes on", id);
        n->is_paused = false;
        n->resumed_us = w->now_us;
        if (n->wake_us < w->now_us || n->phase != WORLD_ASLEEP) {
            n->wake_us = w->now_us;
        }
    }
}

void world_stop(struct world *w, uint64_t id)
{
    struct world_node *n = world_find(w, id);

    assert(n->is_up);
    world_trace(w, "node %" PRIu64 " gets SIGTERM", id);
    n->is_told_to_stop = true;
    world_wake(w, n);
}

void world_strike(struct world *w, uint64_t id, enum world_strike strike,
        uint64_t effects)
{
    struct world_node *n = world_find(w, id);

    n->strike = strike;
    n->strike_at = n->effects + effects;
}

/* The node has done something that shows outside. */
static void count_effect(struct world *w, struct world_node *n)
{
    enum world_strike strike = n->strike;

    n->effects++;
    if (strike == WORLD_STRIKE_NONE || n->effects <= n->strike_at) {
        return;
    }
    n->strike = WORLD_STRIKE_NONE;
    switch (strike) {
    case WORLD_STRIKE_NONE:
        break;
    case WORLD_STRIKE_PAUSE:
        world_pause(w, n->id);
        break;
    case WORLD_STRIKE_KILL:
        world_kill(w, n->id, WORLD_RESET);
        break;
    case WORLD_STRIKE_LOSE:
        world_kill(w, n->id, WORLD_SILENT);
        break;
    case WORLD_STRIKE_CUT:
        world_isolate(w, n->id);
        break;
    }
}

/* --- its disk --------------------------------------------------------------------- */

static void keep_decision(struct world *w, struct world_node *n,
        const struct checkpoint_decision *decision)
{
    struct world_event *event = world_at(
            w, w->now_us + world_up_to(w, w->options.keep_us), WORLD_KEPT);
    bool fails = world_by_chance(w, w->options.keep_fails);

    event->node = n->id;
    event->life = n->life;
    event->decision = *decision;
    event->is_good = !fails;
}

static void add_decision(
        struct world_store *s, const struct checkpoint_decision *decision)
{
    s->decisions[s->decisions_next] = *decision;
    s->decisions_next = (s->decisions_next + 1) % WORLD_DECISIONS_MAX;
    if (s->decisions_count < WORLD_DECISIONS_MAX) {
        s->decisions_count++;
    }
}

/* A process that died meanwhile may have been done with it, or not. */
void world_kept(struct world *w, const struct world_event *event)
{
    struct world_node *n = w->nodes[event->node];
    bool is_same = n->is_up && n->life == event->life;

    if (event->is_good && w->options.keeps &&
            (is_same || (!n->is_up && n->life == event->life &&
                                world_up_to(w, 1) == 0))) {
        add_decision(&n->store, &event->decision);
    }
    if (is_same) {
        n->has_kept = true;
        n->keep_failed = !event->is_good;
        world_wake(w, n);
    }
}

/* --- what it does -------------------------------------------------------------------- */

static struct world_end *end_of(const struct world_node *n, uint32_t link)
{
    struct world_end *end = n->ends;

    while (end != NULL &&
            (end->link != link || end->state == WORLD_END_BACKLOG)) {
        end = end->next;
    }
    return end;
}

static void perform_pool(struct world *w, struct world_node *n,
        const struct shuffle_pool_action *action)
{
    struct world_end *end = end_of(n, action->link);

    if (action->type == SHUFFLE_POOL_CONNECT) {
        world_connect(w, n, action->link, &action->address);
        return;
    }
    if (end == NULL) {
        return;
    }
    switch (action->type) {
    case SHUFFLE_POOL_CLOSE:
        world_close_end(w, end);
        break;
    case SHUFFLE_POOL_FINISH:
        world_finish(w, end);
        break;
    case SHUFFLE_POOL_WRITE:
        end->is_dirty = true;
        break;
    case SHUFFLE_POOL_READ:
        end->is_read = action->on;
        break;
    default:
        world_fail(w, "node %" PRIu64 " let an action of type %d out", n->id,
                (int)action->type);
    }
}

static struct world_client *client_of(
        const struct world *w, const struct world_node *n, uint32_t client)
{
    return n->clients[client] == 0 ? NULL : w->programs[n->clients[client] - 1];
}

static void perform_local(struct world *w, struct world_node *n,
        const struct local_action *action)
{
    struct world_client *c = client_of(w, n, action->client);

    switch (action->type) {
    case LOCAL_WRITE:
        break; /* at the turn's end, all of them */
    case LOCAL_READ:
        n->reads[action->client] = action->on;
        break;
    case LOCAL_CLOSE:
        if (c != NULL) {
            world_cut_off(w, c);
        }
        n->clients[action->client] = 0;
        break;
    }
}

static void log_line(const struct world *w, const struct world_node *n,
        const struct node_action *action)
{
    static const char *const names[] = {
            [NODE_ERROR] = "error",
            [NODE_WARNING] = "warning",
            [NODE_NOTICE] = "notice",
    };

    world_trace(w, "node %" PRIu64 " %s: %s", n->id, names[action->urgency],
            action->text);
}

/* The process ends as main does: with the socket closed behind its output. */
static void end_process(struct world *w, struct world_node *n, int exit_code)
{
    world_trace(w, "node %" PRIu64 " has ended with %d", n->id, exit_code);
    for (uint32_t i = 0; i < LOCAL_CLIENTS_MAX; i++) {
        struct bytes pieces[PIECES_MAX];
        struct world_client *c = client_of(w, n, i);
        size_t count =
                c == NULL ? 0
                          : node_client_output(&n->core, i, pieces, PIECES_MAX);

        for (size_t k = 0; k < count; k++) {
            world_bytes_add(&c->from_node, pieces[k]);
        }
    }
    bury(w, n, WORLD_RESET);
}

static void perform(
        struct world *w, struct world_node *n, const struct node_action *action)
{
    world_note(w, (uint64_t)action->type);
    switch (action->type) {
    case NODE_SEND:
        world_send(w, n, &action->to, action->datagram);
        break;
    case NODE_POOL:
        perform_pool(w, n, &action->pool);
        break;
    case NODE_LOCAL:
        perform_local(w, n, &action->local);
        break;
    case NODE_LOG:
        log_line(w, n, action);
        break;
    case NODE_KEEP:
        n->generation = action->generation;
        n->store.generation = w->options.keeps ? n->generation : 0;
        break;
    case NODE_KEEP_DECISION:
        world_check_decision(w, n, &action->decision);
        keep_decision(w, n, &action->decision);
        break;
    case NODE_READY:
        world_trace(w, "node %" PRIu64 " is active", n->id);
        break;
    case NODE_DRAINING_BEGAN:
        world_trace(w, "node %" PRIu64 " drains", n->id);
        break;
    case NODE_STOPPED:
        end_process(w, n, action->exit_code);
        break;
    }
}

/* --- what it writes -------------------------------------------------------------------- */

/* A node writes whole frames in order, so what it says can be listened to. */
static void listen(struct world *w, struct world_node *n, struct world_end *end,
        struct bytes bytes)
{
    struct frame frame;
    size_t size;

    world_bytes_add(&end->tap, bytes);
    while (frame_peek(world_bytes_view(&end->tap), &frame, &size) ==
            FRAME_WHOLE) {
        world_check_frame(w, n, &frame);
        world_bytes_drop(&end->tap, size);
    }
}

static void lose(struct world_node *n, struct world_end *end, const char *why)
{
    end->was_told = true;
    shuffle_pool_unsent(&n->core.pool, end->link, end->flight_bytes,
            end->flight_bytes + end->unheard_bytes);
    shuffle_pool_closed(&n->core.pool, clock_ms(n), end->link, why);
}

/* What the system takes now; the rest waits until it has room. */
static void write_link(
        struct world *w, struct world_node *n, struct world_end *end)
{
    struct bytes pieces[PIECES_MAX];
    size_t room = world_room(w, end);
    size_t written = 0;
    size_t count = shuffle_pool_output(
            &n->core.pool, end->link, pieces, PIECES_MAX, WRITE_BYTES);

    for (size_t i = 0; i < count && written < room; i++) {
        struct bytes piece = pieces[i];

        piece.size = piece.size < room - written ? piece.size : room - written;
        listen(w, n, end, piece);
        world_write(w, end, piece);
        written += piece.size;
    }
    shuffle_pool_written(&n->core.pool, clock_ms(n), end->link, written);
    end->is_dirty = shuffle_pool_has_output(&n->core.pool, end->link);
}

static bool wants_to_write(const struct world *w, const struct world_end *end)
{
    return end->state == WORLD_END_UP && end->is_dirty && !end->was_told &&
           (end->is_reset || world_room(w, end) > 0);
}

/* One connection that has output and room; false: there is none. */
static bool write_one(struct world *w, struct world_node *n)
{
    for (struct world_end *end = n->ends; end != NULL; end = end->next) {
        if (!wants_to_write(w, end)) {
            continue;
        }
        if (end->is_reset) {
            lose(n, end, "broken pipe");
            drain(w, n);
        } else {
            write_link(w, n, end);
            drain(w, n);
            count_effect(w, n);
        }
        return true;
    }
    return false;
}

static bool write_client(
        struct world *w, struct world_node *n, struct world_client *c)
{
    struct bytes pieces[PIECES_MAX];
    size_t room = c->from_node.size < WORLD_LOCAL_BYTES
                          ? WORLD_LOCAL_BYTES - c->from_node.size
                          : 0;
    size_t written = 0;
    size_t count = room == 0 ? 0
                             : node_client_output(
                                       &n->core, c->client, pieces, PIECES_MAX);

    for (size_t i = 0; i < count && written < room; i++) {
        struct bytes piece = pieces[i];

        piece.size = piece.size < room - written ? piece.size : room - written;
        world_bytes_add(&c->from_node, piece);
        written += piece.size;
    }
    if (written > 0) {
        node_client_written(&n->core, c->client, written);
        drain(w, n);
        world_schedule(w, c, w->now_us + world_up_to(w, TURN_LATE_US));
    }
    return written > 0;
}

/* One program for which there is something. */
static bool write_one_client(struct world *w, struct world_node *n)
{
    for (uint32_t i = 0; i < LOCAL_CLIENTS_MAX; i++) {
        struct world_client *c = client_of(w, n, i);

        if (c != NULL && !c->has_closed && write_client(w, n, c)) {
            count_effect(w, n);
            return true;
        }
    }
    return false;
}

/* --- what it is told ---------------------------------------------------------------------- */

enum ready_kind {
    READY_DATAGRAM,
    READY_STOP,
    READY_KEPT,
    READY_LINK,
    READY_NEW_CLIENT,
    READY_CLIENT,
};

/* Something that waits for the node in one of its sockets. */
struct ready {
    enum ready_kind kind;
    struct world_end *end;
    struct world_client *client;
};

struct ready_list {
    struct ready items[READY_MAX];
    size_t count;
};

static void add_ready(struct ready_list *l, enum ready_kind kind,
        struct world_end *end, struct world_client *client)
{
    if (l->count < READY_MAX) {
        l->items[l->count++] =
                (struct ready){.kind = kind, .end = end, .client = client};
    }
}

static bool is_link_ready(const struct world_end *end)
{
    switch (end->state) {
    case WORLD_END_ANSWERED:
    case WORLD_END_REFUSED:
        return !end->was_told;
    case WORLD_END_BACKLOG:
        return true;
    case WORLD_END_UP:
        return end->is_read && !end->was_told &&
               (end->inbound.size > 0 || end->is_at_end || end->is_reset);
    case WORLD_END_CALLING:
    case WORLD_END_GONE:
        return false;
    }
    return false;
}

/* An end shows even to a node that does not read. */
static bool is_client_ready(
        const struct world_node *n, const struct world_client *c)
{
    return (c->to_node.size > 0 && n->reads[c->client]) || c->has_closed;
}

static void find_ready(const struct world *w, const struct world_node *n,
        struct ready_list *list)
{
    list->count = 0;
    if (n->socket_count > 0) {
        add_ready(list, READY_DATAGRAM, NULL, NULL);
    }
    if (n->is_told_to_stop) {
        add_ready(list, READY_STOP, NULL, NULL);
    }
    if (n->has_kept) {
        add_ready(list, READY_KEPT, NULL, NULL);
    }
    for (struct world_end *end = n->ends; end != NULL; end = end->next) {
        if (is_link_ready(end)) {
            add_ready(list, READY_LINK, end, NULL);
        }
    }
    for (size_t i = 0; i < w->programs_count; i++) {
        struct world_client *c = w->programs[i];

        if (c->facts.node != n->id || !c->is_connected) {
            continue;
        }
        if (!c->is_accepted) {
            add_ready(list, READY_NEW_CLIENT, NULL, c);
        } else if (is_client_ready(n, c)) {
            add_ready(list, READY_CLIENT, NULL, c);
        }
    }
}

static void feed_datagram(struct world *w, struct world_node *n)
{
    struct world_packet *packet = n->socket[0];
    const struct addr *from = &w->nodes[packet->from]->gossip_addr;

    n->socket_count--;
    memmove(n->socket, n->socket + 1, n->socket_count * sizeof(n->socket[0]));
    tell_time(w, n);
    node_datagram(
            &n->core, clock_ms(n), from, bytes_of(packet->bytes, packet->size));
    free(packet);
}

static void accept_link(
        struct world *w, struct world_node *n, struct world_end *end)
{
    struct addr from = w->nodes[world_other(end)->node]->shuffle_addr;

    from.port = 40000;
    if (shuffle_pool_accepted(&n->core.pool, clock_ms(n), &from, &end->link) !=
            0) {
        world_close_end(w, end);
        return;
    }
    end->state = WORLD_END_UP;
}

/* One read, of as much as chance wants. */
static void read_link(
        struct world *w, struct world_node *n, struct world_end *end)
{
    size_t most = WORLD_READ_BYTES;
    uint8_t *to = shuffle_pool_room(&n->core.pool, end->link, &most);
    size_t size = end->inbound.size;

    if (to == NULL) {
        to = n->read_buffer;
        most = WORLD_READ_BYTES;
    }
    if (world_up_to(w, 7) == 0) {
        most = 1 + (size_t)world_up_to(w, 100 < most ? 100 : most - 1);
    }
    size = size < most ? size : most;
    memcpy(to, world_bytes_view(&end->inbound).data, size);
    world_has_read(w, end, size);
    shuffle_pool_received(
            &n->core.pool, clock_ms(n), end->link, bytes_of(to, size));
}

static void feed_link(
        struct world *w, struct world_node *n, struct world_end *end)
{
    switch (end->state) {
    case WORLD_END_ANSWERED:
        end->state = WORLD_END_UP;
        shuffle_pool_connected(&n->core.pool, clock_ms(n), end->link);
        break;
    case WORLD_END_REFUSED:
        end->was_told = true;
        shuffle_pool_connect_failed(
                &n->core.pool, clock_ms(n), end->link, "connection refused");
        break;
    case WORLD_END_BACKLOG:
        accept_link(w, n, end);
        break;
    case WORLD_END_UP:
        if (end->inbound.size > 0) {
            read_link(w, n, end);
        } else {
            lose(n, end, end->is_reset ? "connection reset by peer" : NULL);
        }
        break;
    case WORLD_END_CALLING:
    case WORLD_END_GONE:
        assert(false);
    }
}

static void accept_client(
        struct world *w, struct world_node *n, struct world_client *c)
{
    int number = node_client_accepted(&n->core, clock_ms(n));

    c->is_accepted = true;
    if (number < 0) {
        world_cut_off(w, c);
        return;
    }
    c->client = (uint32_t)number;
    n->clients[number] = c->facts.number + 1;
    n->reads[number] = true;
}

static void feed_client(
        struct world *w, struct world_node *n, struct world_client *c)
{
    struct bytes bytes = world_bytes_view(&c->to_node);

    if (bytes.size == 0 || !n->reads[c->client]) {
        c->is_connected = false;
        n->clients[c->client] = 0;
        node_client_gone(&n->core, clock_ms(n), c->client);
        return;
    }
    bytes.size = bytes.size < WORLD_READ_BYTES ? bytes.size : WORLD_READ_BYTES;
    if (world_up_to(w, 7) == 0) {
        bytes.size = 1 + (size_t)world_up_to(w, bytes.size - 1);
    }
    memcpy(n->read_buffer, bytes.data, bytes.size);
    world_bytes_drop(&c->to_node, bytes.size);
    world_schedule(w, c, w->now_us + world_up_to(w, TURN_LATE_US));
    node_client_received(&n->core, clock_ms(n), c->client,
            bytes_of(n->read_buffer, bytes.size));
}

static void feed(struct world *w, struct world_node *n, const struct ready *r)
{
    switch (r->kind) {
    case READY_DATAGRAM:
        feed_datagram(w, n);
        break;
    case READY_STOP:
        n->is_told_to_stop = false;
        node_stop(&n->core, clock_ms(n));
        break;
    case READY_KEPT:
        n->has_kept = false;
        tell_time(w, n);
        node_decision_kept(&n->core, clock_ms(n),
                n->keep_failed ? "no space left on device" : NULL);
        break;
    case READY_LINK:
        feed_link(w, n, r->end);
        break;
    case READY_NEW_CLIENT:
        accept_client(w, n, r->client);
        break;
    case READY_CLIENT:
        feed_client(w, n, r->client);
        break;
    }
    world_note(w, (uint64_t)r->kind);
}

/* One of the things that wait, by chance; false: there is none. */
static bool feed_one(struct world *w, struct world_node *n)
{
    struct ready_list list;

    if (n->facts == FACTS_MAX) {
        return false;
    }
    find_ready(w, n, &list);
    if (list.count == 0) {
        return false;
    }
    feed(w, n, &list.items[world_up_to(w, list.count - 1)]);
    n->facts++;
    drain(w, n);
    return true;
}

/* --- its loop ------------------------------------------------------------------------------ */

/* The loop looks at its timers first, or, when it was woken by its sockets or
 * stopped while it waited for them, at these. */
static void begin_turn(struct world *w, struct world_node *n)
{
    n->loop_us = w->now_us + n->clock_us;
    n->facts = 0;
    n->phase = world_up_to(w, 1) == 0 ? WORLD_TIMERS : WORLD_FACTS;
}

static bool has_ready(const struct world *w, const struct world_node *n)
{
    struct ready_list list;

    find_ready(w, n, &list);
    return list.count > 0;
}

static void fall_asleep(struct world *w, struct world_node *n)
{
    uint64_t deadline_ms = node_deadline_ms(&n->core);
    uint64_t now_us = w->now_us + n->clock_us;

    n->phase = WORLD_ASLEEP;
    n->due_ms = deadline_ms;
    if (has_ready(w, n)) {
        n->wake_us = w->now_us + 1;
    } else if (deadline_ms == UINT64_MAX) {
        n->wake_us = UINT64_MAX;
    } else if (deadline_ms * 1000 <= now_us) {
        n->wake_us = w->now_us + 1;
    } else {
        n->wake_us = deadline_ms * 1000 - n->clock_us;
    }
}

static bool drain_one(struct world *w, struct world_node *n)
{
    struct node_action action;

    if (!node_next(&n->core, &action)) {
        n->is_draining = false;
        world_check_node(w, n);
        return false;
    }
    perform(w, n, &action);
    if (n->is_up) {
        count_effect(w, n);
    }
    return true;
}

bool world_step_node(struct world *w, struct world_node *n)
{
    if (n->is_draining) {
        (void)drain_one(w, n);
        return true;
    }
    switch (n->phase) {
    case WORLD_ASLEEP:
        begin_turn(w, n);
        return true;
    case WORLD_TIMERS:
        if (n->due_ms <= clock_ms(n)) {
            tell_time(w, n);
            node_tick(&n->core, clock_ms(n));
            drain(w, n);
        }
        n->phase = WORLD_FACTS;
        return true;
    case WORLD_FACTS:
        if (!feed_one(w, n)) {
            n->phase = WORLD_WRITES;
        }
        return true;
    case WORLD_WRITES:
        if (!write_one(w, n)) {
            tell_time(w, n);
            node_turn(&n->core, clock_ms(n));
            drain(w, n);
            n->phase = WORLD_CLIENT_WRITES;
        }
        return true;
    case WORLD_CLIENT_WRITES:
        if (!write_one_client(w, n)) {
            n->phase = WORLD_LAST_WRITES;
        }
        return true;
    case WORLD_LAST_WRITES:
        if (write_one(w, n)) {
            return true;
        }
        fall_asleep(w, n);
        return false;
    }
    return false;
}
