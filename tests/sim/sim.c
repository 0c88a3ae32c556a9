#include "tests/sim/sim.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

enum {
    NODES_MAX = 1000,
    PROBES_MAX = 4096,
    TOLD_MAX = 1 << 16,
    NEVER = 0,
};

struct packet {
    uint64_t due_ms;
    uint64_t number; /* of all packets: equals arrive as they were sent */
    size_t to;
    struct addr from;
    size_t size;
    uint8_t bytes[];
};

struct sim_node {
    struct gossip g;
    bool is_up;
    bool is_paused;
    uint64_t start_ms; /* when it will be up; UINT64_MAX: never */
    uint64_t deadline_ms;
    uint64_t generation;
    enum gossip_protocol protocol;
    bool reads_v1;
    uint64_t heard; /* see sim_heard */
    size_t latenesses;
    struct packet *socket[SIM_SOCKET_MAX]; /* while it is paused */
    size_t socket_count;
};

struct probe {
    uint64_t start_ms;
    uint64_t end_ms; /* NEVER: not yet */
    size_t missing; /* nodes that have not got it */
};

/* The latest version of a key that an observer was told of. */
struct told {
    uint64_t hash; /* of observer, member and key; 0: free */
    uint64_t version;
};

struct sim {
    struct sim_options options;
    struct prng chance;
    uint64_t now_ms;
    uint64_t next_check_ms;
    struct sim_node *nodes;
    bool *cut; /* [from * nodes + to] */
    size_t *unread; /* [from * nodes + to] */
    struct packet **heap; /* in the air, the earliest on top */
    size_t heap_count;
    size_t heap_capacity;
    uint64_t next_number;
    struct probe probes[PROBES_MAX];
    size_t probe_count;
    size_t false_deaths;
    size_t ghosts;
    size_t regressions;
    struct told *told; /* TOLD_MAX of them, by hash */
    size_t told_count;
    bool *removed; /* [node * nodes + other]: has removed its generation */
    uint64_t fingerprint;
    struct sim_traffic traffic;
    char text[256]; /* of sim_get */
};

/* --- packets in the air -------------------------------------------------- */

static bool is_earlier(const struct packet *a, const struct packet *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms
                                  : a->number < b->number;
}

static void heap_push(struct sim *sim, struct packet *packet)
{
    size_t i = sim->heap_count++;

    if (sim->heap_count > sim->heap_capacity) {
        sim->heap_capacity = 2 * sim->heap_count;
        sim->heap = realloc(
                sim->heap, sim->heap_capacity * sizeof(struct packet *));
        assert(sim->heap != NULL);
    }
    while (i > 0 && is_earlier(packet, sim->heap[(i - 1) / 2])) {
        sim->heap[i] = sim->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    sim->heap[i] = packet;
}

static struct packet *heap_pop(struct sim *sim)
{
    struct packet *top = sim->heap[0];
    struct packet *last = sim->heap[--sim->heap_count];
    size_t i = 0;
    size_t child;

    while ((child = 2 * i + 1) < sim->heap_count) {
        if (child + 1 < sim->heap_count &&
                is_earlier(sim->heap[child + 1], sim->heap[child])) {
            child++;
        }
        if (!is_earlier(sim->heap[child], last)) {
            break;
        }
        sim->heap[i] = sim->heap[child];
        i = child;
    }
    sim->heap[i] = last;
    return top;
}

/* --- identities ----------------------------------------------------------- */

static struct addr addr_of(size_t node)
{
    size_t number = node + 1;

    return addr_ipv4(10, 0, (uint8_t)(number >> 8), (uint8_t)number, 7946);
}

/* The node at an address; the count if there is none. */
static size_t node_at(const struct sim *sim, const struct addr *addr)
{
    size_t number = (size_t)addr->octets[2] << 8 | addr->octets[3];

    return number > 0 && number <= sim->options.nodes ? number - 1
                                                      : sim->options.nodes;
}

static struct gossip_id id_of(
        const struct sim *sim, size_t node, char name[static 32])
{
    snprintf(name, 32, "node-%zu", node + 1);
    return (struct gossip_id){.node_id = bytes_text(name),
            .generation = sim->nodes[node].generation,
            .addr = addr_of(node)};
}

static bool is_cut(const struct sim *sim, size_t from, size_t to)
{
    return sim->cut[from * sim->options.nodes + to];
}

/* --- sending and telling -------------------------------------------------- */

static void note(struct sim *sim, uint64_t fact)
{
    uint64_t facts[] = {sim->fingerprint, sim->now_ms, fact};

    sim->fingerprint = hash_xxh3(bytes_of(facts, sizeof(facts)));
}

static void launch(
        struct sim *sim, size_t from, size_t to, struct bytes datagram)
{
    const struct sim_options *o = &sim->options;
    struct packet *packet = malloc(sizeof(*packet) + datagram.size);

    assert(packet != NULL);
    packet->due_ms =
            sim->now_ms + o->delay_min_ms +
            prng_below(&sim->chance, o->delay_max_ms - o->delay_min_ms + 1);
    packet->number = sim->next_number++;
    packet->to = to;
    packet->from = addr_of(from);
    packet->size = datagram.size;
    memcpy(packet->bytes, datagram.data, datagram.size);
    heap_push(sim, packet);
}

static void overhear(
        struct sim *sim, size_t from, size_t to, struct bytes datagram)
{
    struct sim_node *n = &sim->nodes[to];
    uint64_t facts[] = {n->heard, sim->now_ms, from, hash_xxh3(datagram)};

    n->heard = hash_xxh3(bytes_of(facts, sizeof(facts)));
}

static void send(struct sim *sim, size_t from, const struct addr *to_addr,
        struct bytes datagram)
{
    size_t to = node_at(sim, to_addr);

    sim->traffic.packets++;
    sim->traffic.bytes += datagram.size;
    note(sim, hash_xxh3(datagram));
    if (to < sim->options.nodes) {
        overhear(sim, from, to, datagram);
    }
    if (to == sim->options.nodes || is_cut(sim, from, to) ||
            prng_unit(&sim->chance) < sim->options.loss) {
        return;
    }
    launch(sim, from, to, datagram);
    if (prng_unit(&sim->chance) < sim->options.doubled) {
        launch(sim, from, to, datagram);
    }
}

static bool is_reachable(const struct sim *sim, size_t node)
{
    return sim->nodes[node].is_up && !sim->nodes[node].is_paused;
}

/* Is it true what a node says of another: that this generation is dead? */
static bool is_false_death(
        const struct sim *sim, size_t node, const struct gossip_member *m)
{
    size_t other = node_at(sim, &m->id.addr);

    return other < sim->options.nodes && is_reachable(sim, other) &&
           sim->nodes[other].generation == m->id.generation &&
           !is_cut(sim, other, node);
}

static void arrive(struct sim *sim, const struct kv_entry *entry)
{
    char key[32] = {0};
    struct probe *probe;

    if (!bytes_starts_with(entry->node.key, bytes_text("probe-"))) {
        return;
    }
    memcpy(key, entry->node.key.data, entry->node.key.size);
    probe = &sim->probes[strtoul(key + strlen("probe-"), NULL, 10)];
    if (--probe->missing == 0) {
        probe->end_ms = sim->now_ms;
    }
}

static bool *removed_flag(
        struct sim *sim, size_t node, const struct gossip_member *m)
{
    size_t other = node_at(sim, &m->id.addr);

    return other < sim->options.nodes &&
                           m->id.generation == sim->nodes[other].generation
                   ? &sim->removed[node * sim->options.nodes + other]
                   : NULL;
}

/* Each life of an observer begins anew; other generations are other members. */
static uint64_t hash_of_told(
        const struct sim *sim, size_t node, const struct gossip_action *action)
{
    uint64_t parts[] = {node, sim->nodes[node].g.started_ms,
            gossip_id_hash(&action->member->id),
            hash_xxh3(action->entry->node.key)};

    return hash_xxh3(bytes_of(parts, sizeof(parts))) | 1;
}

/* Where the hash is, or would be. */
static struct told *told_at(const struct sim *sim, uint64_t hash)
{
    size_t i = (size_t)hash % TOLD_MAX;

    while (sim->told[i].hash != 0 && sim->told[i].hash != hash) {
        i = (i + 1) % TOLD_MAX;
    }
    return &sim->told[i];
}

/* Beyond half of the room, what is new is not watched. */
static void watch_version(
        struct sim *sim, size_t node, const struct gossip_action *action)
{
    uint64_t hash = hash_of_told(sim, node, action);
    struct told *told = told_at(sim, hash);

    if (told->hash == 0) {
        if (sim->told_count == TOLD_MAX / 2) {
            return;
        }
        sim->told_count++;
        told->hash = hash;
    }
    sim->regressions += action->entry->version < told->version ? 1 : 0;
    told->version = action->entry->version;
}

static void perform(
        struct sim *sim, size_t node, const struct gossip_action *action)
{
    bool *removed;

    switch (action->kind) {
    case GOSSIP_LATE:
        sim->nodes[node].latenesses++;
        return;
    case GOSSIP_SEND:
        send(sim, node, &action->to, action->datagram);
        return;
    case GOSSIP_KEY:
        arrive(sim, action->entry);
        watch_version(sim, node, action);
        return;
    case GOSSIP_DEAD:
        sim->false_deaths += is_false_death(sim, node, action->member) ? 1 : 0;
        return;
    case GOSSIP_REMOVED:
        removed = removed_flag(sim, node, action->member);
        if (removed != NULL) {
            *removed = true;
        }
        return;
    case GOSSIP_MET:
        removed = removed_flag(sim, node, action->member);
        sim->ghosts += removed != NULL && *removed ? 1 : 0;
        return;
    case GOSSIP_LIVE:
    case GOSSIP_TWIN:
    case GOSSIP_SUCCESSOR:
    case GOSSIP_AHEAD:
    case GOSSIP_UNANSWERED:
        return;
    }
}

static void drain(struct sim *sim, size_t node)
{
    struct sim_node *n = &sim->nodes[node];
    struct gossip_action action;

    while (gossip_next(&n->g, &action)) {
        perform(sim, node, &action);
    }
    n->deadline_ms = gossip_deadline_ms(&n->g);
}

/* --- nodes ---------------------------------------------------------------- */

static void start(struct sim *sim, size_t node)
{
    struct sim_node *n = &sim->nodes[node];
    struct gossip_options o = gossip_options_default(sim->options.interval_ms);
    struct addr seed = addr_of(0);
    char name[32];
    struct error err;

    o.cluster = bytes_text("sim");
    o.self = id_of(sim, node, name);
    o.members_max = 2 * sim->options.nodes;
    o.seed = prng_u64(&sim->chance);
    o.protocol = n->protocol;
    if (sim->options.tune != NULL) {
        sim->options.tune(&o);
    }
    if (gossip_init(&n->g, &o, sim->now_ms, &err) != 0) {
        fprintf(stderr, "sim: %s\n", err.text);
        abort();
    }
    gossip_seeds(&n->g, &seed, 1);
    n->is_up = true;
    n->is_paused = false;
    n->deadline_ms = gossip_deadline_ms(&n->g);
    n->start_ms = UINT64_MAX;
}

static void empty_socket(struct sim_node *n)
{
    for (size_t i = 0; i < n->socket_count; i++) {
        free(n->socket[i]);
    }
    n->socket_count = 0;
}

static void stop(struct sim_node *n)
{
    if (n->is_up) {
        gossip_close(&n->g);
    }
    n->is_up = false;
    n->is_paused = false;
    empty_socket(n);
}

static void receive(struct sim *sim, struct packet *packet)
{
    struct sim_node *n = &sim->nodes[packet->to];

    note(sim, packet->to);
    if (n->is_paused && n->socket_count < SIM_SOCKET_MAX) {
        n->socket[n->socket_count++] = packet;
        return;
    }
    if (!n->reads_v1 && packet->bytes[2] == GOSSIP_V1) {
        sim->unread[node_at(sim, &packet->from) * sim->options.nodes +
                    packet->to]++;
    } else if (n->is_up && !n->is_paused) {
        gossip_receive(&n->g, sim->now_ms, &packet->from,
                bytes_of(packet->bytes, packet->size));
        drain(sim, packet->to);
    }
    free(packet);
}

static uint64_t seed_of(const struct sim_options *options)
{
    const char *text = getenv("WEFT_SEED");

    return text != NULL ? strtoull(text, NULL, 10) : options->seed;
}

struct sim *sim_new(const struct sim_options *options)
{
    struct sim *sim = calloc(1, sizeof(*sim));
    size_t n = options->nodes;

    assert(sim != NULL && n > 0 && n <= NODES_MAX);
    assert(options->delay_max_ms >= options->delay_min_ms);
    sim->options = *options;
    sim->options.seed = seed_of(options);
    if (sim->options.interval_ms == 0) {
        sim->options.interval_ms = 500;
    }
    printf("sim: WEFT_SEED=%" PRIu64 ", %zu nodes, loss %.2f, delay %" PRIu64
           "-%" PRIu64 " ms\n",
            sim->options.seed, n, options->loss, options->delay_min_ms,
            options->delay_max_ms);
    prng_init(&sim->chance, sim->options.seed);
    sim->nodes = calloc(n, sizeof(sim->nodes[0]));
    sim->cut = calloc(n * n, sizeof(sim->cut[0]));
    sim->unread = calloc(n * n, sizeof(sim->unread[0]));
    sim->removed = calloc(n * n, sizeof(sim->removed[0]));
    sim->told = calloc(TOLD_MAX, sizeof(sim->told[0]));
    assert(sim->nodes != NULL && sim->cut != NULL && sim->unread != NULL &&
            sim->removed != NULL);
    for (size_t i = 0; i < n; i++) {
        sim->nodes[i].generation = 1;
        sim->nodes[i].protocol = gossip_options_default(1).protocol;
        sim->nodes[i].reads_v1 = true;
        sim->nodes[i].start_ms =
                prng_below(&sim->chance, sim->options.interval_ms);
    }
    return sim;
}

void sim_free(struct sim *sim)
{
    for (size_t i = 0; i < sim->options.nodes; i++) {
        stop(&sim->nodes[i]);
    }
    for (size_t i = 0; i < sim->heap_count; i++) {
        free(sim->heap[i]);
    }
    free(sim->heap);
    free(sim->nodes);
    free(sim->cut);
    free(sim->unread);
    free(sim->told);
    free(sim->removed);
    free(sim);
}

/* --- time ----------------------------------------------------------------- */

uint64_t sim_now_ms(const struct sim *sim)
{
    return sim->now_ms;
}

uint64_t sim_interval_ms(const struct sim *sim)
{
    return sim->options.interval_ms;
}

/* When this node does something by itself. */
static uint64_t wakes_ms(const struct sim_node *n)
{
    if (n->is_up) {
        return n->is_paused ? UINT64_MAX : n->deadline_ms;
    }
    return n->start_ms;
}

/* The node that wakes first. */
static size_t next_node(const struct sim *sim, uint64_t *due_ms)
{
    size_t first = 0;

    *due_ms = UINT64_MAX;
    for (size_t i = 0; i < sim->options.nodes; i++) {
        uint64_t ms = wakes_ms(&sim->nodes[i]);

        if (ms < *due_ms) {
            *due_ms = ms;
            first = i;
        }
    }
    return first;
}

static void wake(struct sim *sim, size_t node)
{
    struct sim_node *n = &sim->nodes[node];

    if (!n->is_up) {
        start(sim, node);
    }
    gossip_tick(&n->g, sim->now_ms);
    drain(sim, node);
}

/* The next thing that happens, if it does so by `end_ms`. */
static bool step(struct sim *sim, uint64_t end_ms)
{
    uint64_t due_ms;
    size_t node = next_node(sim, &due_ms);

    if (sim->heap_count > 0 && sim->heap[0]->due_ms <= due_ms) {
        if (sim->heap[0]->due_ms > end_ms) {
            return false;
        }
        sim->now_ms = sim->heap[0]->due_ms;
        receive(sim, heap_pop(sim));
        return true;
    }
    if (due_ms > end_ms) {
        return false;
    }
    if (due_ms > sim->now_ms) {
        sim->now_ms = due_ms;
    }
    wake(sim, node);
    return true;
}

static void check(const struct sim *sim)
{
    for (size_t i = 0; i < sim->options.nodes; i++) {
        if (sim->nodes[i].is_up) {
            gossip_check(&sim->nodes[i].g);
        }
    }
}

void sim_run(struct sim *sim, uint64_t ms)
{
    uint64_t end_ms = sim->now_ms + ms;

    while (step(sim, end_ms)) {
        /* until the time is over */
    }
    sim->now_ms = end_ms;
    if (sim->now_ms >= sim->next_check_ms) {
        check(sim);
        sim->next_check_ms = sim->now_ms + sim->options.interval_ms;
    }
}

void sim_run_intervals(struct sim *sim, size_t intervals)
{
    sim_run(sim, intervals * sim->options.interval_ms);
}

bool sim_within(struct sim *sim, sim_claim *claim, size_t node, uint64_t ms)
{
    uint64_t end_ms = sim->now_ms + ms;
    uint64_t stride_ms = sim->options.interval_ms / 10 + 1;

    while (!claim(sim, node)) {
        uint64_t left_ms = end_ms - sim->now_ms;

        if (left_ms == 0) {
            return false;
        }
        sim_run(sim, left_ms < stride_ms ? left_ms : stride_ms);
    }
    return true;
}

/* --- what happens to nodes and links -------------------------------------- */

void sim_kill(struct sim *sim, size_t node)
{
    stop(&sim->nodes[node]);
    sim->nodes[node].start_ms = UINT64_MAX;
}

void sim_hold(struct sim *sim, size_t node)
{
    assert(!sim->nodes[node].is_up);
    sim->nodes[node].start_ms = UINT64_MAX;
}

void sim_seed(struct sim *sim, size_t node, size_t seed)
{
    struct addr addr = addr_of(seed);

    gossip_seeds(&sim->nodes[node].g, &addr, 1);
}

void sim_restart_same(struct sim *sim, size_t node)
{
    stop(&sim->nodes[node]);
    start(sim, node);
}

void sim_restart(struct sim *sim, size_t node)
{
    sim->nodes[node].generation++;
    for (size_t i = 0; i < sim->options.nodes; i++) {
        sim->removed[i * sim->options.nodes + node] = false;
    }
    sim_restart_same(sim, node);
}

void sim_speak(struct sim *sim, size_t node, enum gossip_protocol protocol,
        bool reads_v1)
{
    sim->nodes[node].protocol = protocol;
    sim->nodes[node].reads_v1 = reads_v1;
}

void sim_pause(struct sim *sim, size_t node)
{
    assert(sim->nodes[node].is_up);
    sim->nodes[node].is_paused = true;
}

void sim_resume(struct sim *sim, size_t node)
{
    struct sim_node *n = &sim->nodes[node];
    size_t count = n->socket_count;
    struct packet *waiting[SIM_SOCKET_MAX];

    memcpy(waiting, n->socket, count * sizeof(waiting[0]));
    n->socket_count = 0;
    n->is_paused = false;
    wake(sim, node);
    for (size_t i = 0; i < count; i++) {
        receive(sim, waiting[i]);
    }
}

static void set_cut(struct sim *sim, size_t from, size_t to, bool value)
{
    sim->cut[from * sim->options.nodes + to] = value;
}

void sim_cut(struct sim *sim, size_t from, size_t to)
{
    set_cut(sim, from, to, true);
}

void sim_link(struct sim *sim, size_t from, size_t to)
{
    set_cut(sim, from, to, false);
}

static void set_all_cut(struct sim *sim, size_t node, bool value)
{
    for (size_t i = 0; i < sim->options.nodes; i++) {
        set_cut(sim, node, i, value);
        set_cut(sim, i, node, value);
    }
}

void sim_isolate(struct sim *sim, size_t node)
{
    set_all_cut(sim, node, true);
}

void sim_rejoin(struct sim *sim, size_t node)
{
    set_all_cut(sim, node, false);
}

void sim_partition(struct sim *sim, size_t first)
{
    for (size_t i = 0; i < sim->options.nodes; i++) {
        for (size_t j = 0; j < sim->options.nodes; j++) {
            set_cut(sim, i, j, (i < first) != (j < first));
        }
    }
}

void sim_heal(struct sim *sim)
{
    memset(sim->cut, 0, sim->options.nodes * sim->options.nodes);
    sim->options.loss = 0.0;
}

void sim_set_loss(struct sim *sim, double loss)
{
    sim->options.loss = loss;
}

/* --- what nodes say and know ---------------------------------------------- */

struct gossip *sim_gossip(struct sim *sim, size_t node)
{
    return sim->nodes[node].is_up ? &sim->nodes[node].g : NULL;
}

void sim_set(struct sim *sim, size_t node, const char *key, const char *value)
{
    struct error err;

    if (gossip_set(&sim->nodes[node].g, bytes_text(key), bytes_text(value),
                &err) != 0) {
        fprintf(stderr, "sim: %s\n", err.text);
        abort();
    }
    drain(sim, node);
}

void sim_delete(struct sim *sim, size_t node, const char *key)
{
    struct error err;

    if (gossip_delete(
                &sim->nodes[node].g, sim->now_ms, bytes_text(key), &err) != 0) {
        fprintf(stderr, "sim: %s\n", err.text);
        abort();
    }
    drain(sim, node);
}

static const struct gossip_member *member_of(
        const struct sim *sim, size_t node, size_t other)
{
    char name[32];
    struct gossip_id id = id_of(sim, other, name);

    return gossip_find(&sim->nodes[node].g, &id);
}

const char *sim_get(struct sim *sim, size_t node, size_t owner, const char *key)
{
    const struct gossip_member *m = member_of(sim, node, owner);
    const struct kv_entry *entry =
            m != NULL ? kv_state_get(&m->state, bytes_text(key)) : NULL;

    if (entry == NULL) {
        return NULL;
    }
    snprintf(sim->text, sizeof(sim->text), "%.*s", (int)entry->value.size,
            (const char *)entry->value.data);
    return sim->text;
}

bool sim_knows(const struct sim *sim, size_t node, size_t other)
{
    return member_of(sim, node, other) != NULL;
}

bool sim_is_live(const struct sim *sim, size_t node, size_t other)
{
    const struct gossip_member *m = member_of(sim, node, other);

    return m != NULL && gossip_member_is_live(m);
}

/* Those that are about to start count: nobody agrees before they are there. */
static size_t up_count(const struct sim *sim)
{
    size_t count = 0;

    for (size_t i = 0; i < sim->options.nodes; i++) {
        const struct sim_node *n = &sim->nodes[i];

        count += n->is_up || n->start_ms != UINT64_MAX ? 1 : 0;
    }
    return count;
}

bool sim_all_agree(struct sim *sim, size_t unused)
{
    size_t up = up_count(sim);

    (void)unused;
    for (size_t i = 0; i < sim->options.nodes; i++) {
        if (sim->nodes[i].start_ms != UINT64_MAX) {
            return false;
        }
        if (!sim->nodes[i].is_up) {
            continue;
        }
        if (gossip_live_count(&sim->nodes[i].g) + 1 != up) {
            return false;
        }
        for (size_t j = 0; j < sim->options.nodes; j++) {
            if (sim->nodes[j].is_up && !sim_is_live(sim, i, j)) {
                return false;
            }
        }
    }
    return true;
}

bool sim_agrees_down(struct sim *sim, size_t node)
{
    for (size_t i = 0; i < sim->options.nodes; i++) {
        if (i != node && sim->nodes[i].is_up && sim_is_live(sim, i, node)) {
            return false;
        }
    }
    return true;
}

bool sim_agrees_up(struct sim *sim, size_t node)
{
    for (size_t i = 0; i < sim->options.nodes; i++) {
        if (sim->nodes[i].is_up && !sim_is_live(sim, i, node)) {
            return false;
        }
    }
    return true;
}

bool sim_forgot(struct sim *sim, size_t node)
{
    for (size_t i = 0; i < sim->options.nodes; i++) {
        if (i != node && sim->nodes[i].is_up && sim_knows(sim, i, node)) {
            return false;
        }
    }
    return true;
}

/* What can be read is the same; a copy need not have every tombstone. */
static bool is_same(const struct kv_state *a, const struct kv_state *b)
{
    struct bytes all = bytes_of(NULL, 0);
    const struct kv_entry *x = kv_state_first(a, all);
    const struct kv_entry *y = kv_state_first(b, all);

    while (x != NULL && y != NULL) {
        if (!bytes_equal(x->node.key, y->node.key) ||
                !bytes_equal(x->value, y->value)) {
            return false;
        }
        x = kv_state_next(a, x, all);
        y = kv_state_next(b, y, all);
    }
    return x == y;
}

bool sim_converged(struct sim *sim, size_t unused)
{
    (void)unused;
    for (size_t i = 0; i < sim->options.nodes; i++) {
        for (size_t j = 0; j < sim->options.nodes; j++) {
            const struct gossip_member *copy;

            if (!sim->nodes[i].is_up || !sim->nodes[j].is_up) {
                continue;
            }
            copy = member_of(sim, i, j);
            if (copy == NULL ||
                    copy->state.max_version !=
                            sim->nodes[j].g.self->state.max_version ||
                    !is_same(&copy->state, &sim->nodes[j].g.self->state)) {
                return false;
            }
        }
    }
    return true;
}

bool sim_agrees_down_within(struct sim *sim, size_t node, uint64_t ms)
{
    return sim_within(sim, sim_agrees_down, node, ms);
}

size_t sim_false_deaths(const struct sim *sim)
{
    return sim->false_deaths;
}

void sim_forgive(struct sim *sim)
{
    sim->false_deaths = 0;
}

size_t sim_latenesses(const struct sim *sim, size_t node)
{
    return sim->nodes[node].latenesses;
}

bool sim_was_convicted(struct sim *sim, size_t node)
{
    for (size_t i = 0; i < sim->options.nodes; i++) {
        const struct gossip_member *m =
                sim->nodes[i].is_up ? member_of(sim, i, node) : NULL;

        if (m != NULL && gossip_member_was_convicted(m)) {
            return true;
        }
    }
    return false;
}

size_t sim_regressions(const struct sim *sim)
{
    return sim->regressions;
}

size_t sim_ghosts(const struct sim *sim)
{
    return sim->ghosts;
}

/* --- probes ---------------------------------------------------------------- */

void sim_probe(struct sim *sim, size_t node)
{
    struct probe *probe = &sim->probes[sim->probe_count];
    char key[32];

    assert(sim->probe_count < PROBES_MAX);
    snprintf(key, sizeof(key), "probe-%zu", sim->probe_count++);
    probe->start_ms = sim->now_ms;
    probe->missing = up_count(sim);
    sim_set(sim, node, key, "");
}

uint64_t sim_probe_ms(const struct sim *sim, double share)
{
    uint64_t worst_ms[PROBES_MAX];
    size_t wanted = (size_t)(share * (double)sim->probe_count + 0.999);

    for (size_t i = 0; i < sim->probe_count; i++) {
        const struct probe *p = &sim->probes[i];
        uint64_t took_ms =
                p->missing > 0 ? UINT64_MAX : p->end_ms - p->start_ms;
        size_t at = i;

        while (at > 0 && worst_ms[at - 1] > took_ms) {
            worst_ms[at] = worst_ms[at - 1];
            at--;
        }
        worst_ms[at] = took_ms;
    }
    return wanted > 0 ? worst_ms[wanted - 1] : 0;
}

struct sim_traffic sim_traffic(const struct sim *sim)
{
    return sim->traffic;
}

uint64_t sim_heard(const struct sim *sim, size_t node)
{
    return sim->nodes[node].heard;
}

size_t sim_unread(const struct sim *sim, size_t from, size_t node)
{
    return sim->unread[from * sim->options.nodes + node];
}

uint64_t sim_fingerprint(const struct sim *sim)
{
    return sim->fingerprint;
}
