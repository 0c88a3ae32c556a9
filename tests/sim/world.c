#include "tests/sim/world.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "tests/sim/world_inner.h"

enum {
    BEGIN_US = 1000000, /* so that 0 is never a moment */
    STRIDE_US = 20000, /* of looking whether a claim holds */
    STEPS_PER_MOMENT_MAX = 1000000, /* then it is a busy loop */
};

/* --- saying what happens ------------------------------------------------- */

static void say_when(const struct world *w)
{
    printf("%10.3f ms  ", (double)(w->now_us - BEGIN_US) / 1000.0);
}

void world_fail(const struct world *w, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    printf("world: WEFT_SEED=%" PRIu64 " broke an invariant:\n",
            w->options.seed);
    say_when(w);
    (void)vprintf(format, args);
    printf("\n");
    va_end(args);
    (void)fflush(stdout);
    abort();
}

void world_trace(const struct world *w, const char *format, ...)
{
    va_list args;

    if (!w->traces) {
        return;
    }
    va_start(args, format);
    say_when(w);
    (void)vprintf(format, args);
    printf("\n");
    (void)fflush(stdout); /* what comes next may end us */
    va_end(args);
}

void world_note(struct world *w, uint64_t fact)
{
    uint64_t facts[] = {w->fingerprint, w->now_us, fact};

    w->fingerprint = hash_xxh3(bytes_of(facts, sizeof(facts)));
}

/* --- bytes ---------------------------------------------------------------- */

void world_bytes_add(struct world_bytes *b, struct bytes more)
{
    if (more.size == 0) {
        return;
    }
    if (b->at + b->size + more.size > b->capacity) {
        if (b->size > 0) {
            memmove(b->data, b->data + b->at, b->size);
        }
        b->at = 0;
        if (b->size + more.size > b->capacity) {
            b->capacity = 2 * (b->size + more.size);
            b->data = realloc(b->data, b->capacity);
            assert(b->data != NULL);
        }
    }
    memcpy(b->data + b->at + b->size, more.data, more.size);
    b->size += more.size;
}

void world_bytes_drop(struct world_bytes *b, size_t size)
{
    assert(size <= b->size);
    b->at += size;
    b->size -= size;
    if (b->size == 0) {
        b->at = 0;
    }
}

void world_bytes_close(struct world_bytes *b)
{
    free(b->data);
    *b = (struct world_bytes){.data = NULL};
}

/* --- what is to come ------------------------------------------------------ */

static bool is_earlier(const struct world_event *a, const struct world_event *b)
{
    return a->due_us != b->due_us ? a->due_us < b->due_us
                                  : a->number < b->number;
}

/* The event is the caller's to fill in, at once. */
struct world_event *world_at(
        struct world *w, uint64_t due_us, enum world_event_kind kind)
{
    struct world_event event = {
            .due_us = due_us, .number = w->next_number++, .kind = kind};
    size_t i = w->heap_count++;

    if (w->heap_count > w->heap_capacity) {
        w->heap_capacity = 2 * w->heap_count;
        w->heap = realloc(w->heap, w->heap_capacity * sizeof(w->heap[0]));
        assert(w->heap != NULL);
    }
    while (i > 0 && is_earlier(&event, &w->heap[(i - 1) / 2])) {
        w->heap[i] = w->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    w->heap[i] = event;
    return &w->heap[i];
}

static struct world_event take_first(struct world *w)
{
    struct world_event first = w->heap[0];
    struct world_event last = w->heap[--w->heap_count];
    size_t i = 0;
    size_t child;

    while ((child = 2 * i + 1) < w->heap_count) {
        if (child + 1 < w->heap_count &&
                is_earlier(&w->heap[child + 1], &w->heap[child])) {
            child++;
        }
        if (!is_earlier(&w->heap[child], &last)) {
            break;
        }
        w->heap[i] = w->heap[child];
        i = child;
    }
    w->heap[i] = last;
    return first;
}

static void happen(struct world *w, const struct world_event *event)
{
    switch (event->kind) {
    case WORLD_DATAGRAM:
        world_receive(w, event->packet);
        break;
    case WORLD_CALL:
        world_call_arrives(w, event->end);
        break;
    case WORLD_ANSWER:
        world_answer_arrives(w, event->end, event->is_good);
        break;
    case WORLD_SEGMENT:
        world_segment_arrives(w, event->end);
        break;
    case WORLD_RESETS:
        world_reset_arrives(w, event->end);
        break;
    case WORLD_PROGRAM:
        world_act(w, event->program);
        break;
    case WORLD_KEPT:
        world_kept(w, event);
        break;
    case WORLD_STARTS:
        world_begin(w, w->nodes[event->node]);
        break;
    }
}

/* --- time ----------------------------------------------------------------- */

uint64_t world_now_ms(const struct world *w)
{
    return (w->now_us - BEGIN_US) / 1000;
}

/* The node whose loop wakes first. */
static struct world_node *next_node(const struct world *w)
{
    struct world_node *first = NULL;

    for (size_t id = 1; id <= w->options.nodes; id++) {
        struct world_node *n = w->nodes[id];

        if (n->is_up && !n->is_paused &&
                (first == NULL || n->wake_us < first->wake_us)) {
            first = n;
        }
    }
    return first;
}

/* A turn of a node takes no time, so nothing comes between its steps, unless
 * the node is struck. */
static void run_node(struct world *w, struct world_node *n)
{
    while (n->is_up && !n->is_paused && world_step_node(w, n)) {
        /* until the turn is over */
    }
}

/* The next thing that happens, if it does so by `end_us`. */
static bool step(struct world *w, uint64_t end_us)
{
    struct world_node *n = next_node(w);
    uint64_t wake_us = n != NULL ? n->wake_us : UINT64_MAX;
    uint64_t due_us = w->heap_count > 0 ? w->heap[0].due_us : UINT64_MAX;
    uint64_t first_us = due_us <= wake_us ? due_us : wake_us;

    if (first_us > end_us) {
        return false;
    }
    w->now_us = first_us > w->now_us ? first_us : w->now_us;
    if (due_us <= wake_us) {
        struct world_event event = take_first(w);

        happen(w, &event);
    } else {
        run_node(w, n);
    }
    return true;
}

static void run_until(struct world *w, uint64_t end_us)
{
    uint64_t moment_us = w->now_us;
    size_t steps = 0;

    while (step(w, end_us)) {
        steps = w->now_us == moment_us ? steps + 1 : 0;
        moment_us = w->now_us;
        if (steps > STEPS_PER_MOMENT_MAX) {
            world_fail(w, "time stands still: somebody is always due");
        }
    }
    w->now_us = end_us;
    world_sweep(w);
}

void world_run(struct world *w, uint64_t ms)
{
    run_until(w, w->now_us + ms * 1000);
}

bool world_within(
        struct world *w, world_claim *claim, uint64_t about, uint64_t ms)
{
    uint64_t end_us = w->now_us + ms * 1000;

    while (!claim(w, about)) {
        uint64_t left_us = end_us - w->now_us;

        if (left_us == 0) {
            return false;
        }
        run_until(w, w->now_us + (left_us < STRIDE_US ? left_us : STRIDE_US));
    }
    return true;
}

/* --- a world --------------------------------------------------------------- */

static uint64_t seed_of(const struct world_options *options)
{
    const char *text = getenv("WEFT_SEED");

    return text != NULL ? strtoull(text, NULL, 10) : options->seed;
}

static void create_node(struct world *w, uint64_t id)
{
    struct world_node *n = calloc(1, sizeof(*n));

    assert(n != NULL);
    n->id = id;
    n->is_starting = true;
    n->gossip_addr = addr_ipv4(10, 0, 0, (uint8_t)id, 7741);
    n->shuffle_addr = addr_ipv4(10, 0, 0, (uint8_t)id, 7742);
    n->read_buffer = malloc(WORLD_READ_BYTES);
    assert(n->read_buffer != NULL);
    w->nodes[id] = n;
    world_at(w, w->now_us + world_up_to(w, w->options.interval_ms * 1000),
            WORLD_STARTS)
            ->node = id;
}

struct world *world_new(const struct world_options *options)
{
    struct world *w = calloc(1, sizeof(*w));
    const char *trace = getenv("WEFT_TRACE");

    assert(w != NULL);
    assert(options->nodes > 0 && options->nodes <= WORLD_NODES_MAX);
    w->options = *options;
    w->options.seed = seed_of(options);
    w->traces = trace != NULL && trace[0] == '1';
    if (w->options.interval_ms == 0) {
        w->options.interval_ms = 500;
    }
    if (w->options.buffer_bytes == 0) {
        w->options.buffer_bytes = 64 * 1024;
    }
    if (!options->is_quiet || w->traces) {
        printf("world: WEFT_SEED=%" PRIu64 ", %zu nodes\n", w->options.seed,
                options->nodes);
    }
    prng_init(&w->chance, w->options.seed);
    prng_init(&w->test_chance, ~w->options.seed);
    w->now_us = BEGIN_US;
    world_set_links(w, &options->link);
    for (uint64_t id = 1; id <= options->nodes; id++) {
        create_node(w, id);
    }
    world_check_open(w);
    return w;
}

static void free_node(struct world *w, uint64_t id)
{
    struct world_node *n = w->nodes[id];

    if (n->is_up) {
        world_kill(w, id, WORLD_SILENT);
    }
    free(n->read_buffer);
    free(n);
}

static void free_events(struct world *w)
{
    while (w->heap_count > 0) {
        struct world_event event = take_first(w);

        free(event.packet);
        if (event.end != NULL) {
            event.end->conn->events--;
        }
    }
    free(w->heap);
}

void world_free(struct world *w)
{
    for (uint64_t id = 1; id <= w->options.nodes; id++) {
        free_node(w, id);
    }
    free_events(w);
    for (struct world_conn *c = w->conns; c != NULL; c = c->next) {
        for (size_t i = 0; i < 2; i++) {
            world_lose_end(&c->ends[i]);
        }
    }
    world_sweep(w);
    for (size_t i = 0; i < w->programs_count; i++) {
        world_close_program(w->programs[i]);
        free(w->programs[i]);
    }
    free(w->programs);
    world_check_close(w);
    free(w);
}

struct prng *world_chance(struct world *w)
{
    return &w->test_chance;
}

/* --- links ------------------------------------------------------------------ */

void world_cut(struct world *w, uint64_t from, uint64_t to)
{
    w->cut[from][to] = true;
}

void world_join(struct world *w, uint64_t from, uint64_t to)
{
    w->cut[from][to] = false;
}

static void cut_all(struct world *w, uint64_t id, bool is_cut)
{
    for (uint64_t other = 1; other <= w->options.nodes; other++) {
        w->cut[id][other] = is_cut && other != id;
        w->cut[other][id] = is_cut && other != id;
    }
}

void world_isolate(struct world *w, uint64_t id)
{
    world_trace(w, "node %" PRIu64 " is cut off", id);
    cut_all(w, id, true);
}

void world_rejoin(struct world *w, uint64_t id)
{
    world_trace(w, "node %" PRIu64 " is linked again", id);
    cut_all(w, id, false);
}

void world_partition(struct world *w, uint64_t last)
{
    world_trace(w, "cut behind node %" PRIu64, last);
    for (uint64_t a = 1; a <= w->options.nodes; a++) {
        for (uint64_t b = 1; b <= w->options.nodes; b++) {
            w->cut[a][b] = (a <= last) != (b <= last);
        }
    }
}

void world_set_link(struct world *w, uint64_t from, uint64_t to,
        const struct world_link *link)
{
    w->links[from][to] = *link;
}

void world_set_links(struct world *w, const struct world_link *link)
{
    for (uint64_t a = 1; a <= w->options.nodes; a++) {
        for (uint64_t b = 1; b <= w->options.nodes; b++) {
            w->links[a][b] = *link;
        }
    }
}

void world_heal(struct world *w)
{
    const struct world_link link = {.delay_us = 500, .jitter_us = 500};

    world_trace(w, "healed");
    memset(w->cut, 0, sizeof(w->cut));
    world_set_links(w, &link);
    w->options.keep_fails = 0.0;
    for (uint64_t id = 1; id <= w->options.nodes; id++) {
        if (w->nodes[id]->is_up) {
            world_strike(w, id, WORLD_STRIKE_NONE, 0);
            world_resume(w, id);
        }
    }
    for (size_t i = 0; i < w->programs_count; i++) {
        world_hang(w, i, false);
    }
}

static void reset_both(struct world *w, struct world_conn *c)
{
    for (size_t i = 0; i < 2; i++) {
        if (c->ends[i].state == WORLD_END_UP) {
            world_at(w, w->now_us, WORLD_RESETS)->end = &c->ends[i];
            c->events++;
        }
    }
}

void world_break(struct world *w, uint64_t a, uint64_t b)
{
    world_trace(w, "connections of %" PRIu64 " and %" PRIu64 " break", a, b);
    for (struct world_conn *c = w->conns; c != NULL; c = c->next) {
        uint64_t x = c->ends[0].node;
        uint64_t y = c->ends[1].node;

        if ((x == a && y == b) || (x == b && y == a)) {
            reset_both(w, c);
        }
    }
}

/* --- what is known ----------------------------------------------------------- */

struct node *world_node(struct world *w, uint64_t id)
{
    return w->nodes[id]->is_up ? &w->nodes[id]->core : NULL;
}

bool world_is_paused(const struct world *w, uint64_t id)
{
    return w->nodes[id]->is_up && w->nodes[id]->is_paused;
}

uint64_t world_generation(const struct world *w, uint64_t id)
{
    return w->nodes[id]->generation;
}

bool world_is_cut(const struct world *w, uint64_t id)
{
    for (uint64_t other = 1; other <= w->options.nodes; other++) {
        if (w->cut[id][other] || w->cut[other][id]) {
            return true;
        }
    }
    return false;
}

uint64_t world_effects(const struct world *w, uint64_t id)
{
    return w->nodes[id]->effects;
}

static size_t count_up(const struct world *w)
{
    size_t count = 0;

    for (uint64_t id = 1; id <= w->options.nodes; id++) {
        count += w->nodes[id]->is_up ? 1 : 0;
    }
    return count;
}

/* Every node that is up is live here, in its present generation. */
static bool finds_all(const struct world *w, const struct node *n)
{
    for (uint64_t id = 1; id <= w->options.nodes; id++) {
        const struct gossip_member *m = node_member(n, id);

        if (id == n->options.id || !w->nodes[id]->is_up) {
            continue;
        }
        if (m == NULL || !gossip_member_is_live(m) ||
                m->id.generation != w->nodes[id]->core.options.generation) {
            return false;
        }
    }
    return true;
}

bool world_agrees(struct world *w, uint64_t unused)
{
    size_t up = count_up(w);

    (void)unused;
    for (uint64_t id = 1; id <= w->options.nodes; id++) {
        const struct node *n = world_node(w, id);

        if (w->nodes[id]->is_starting) {
            return false;
        }
        if (n != NULL && (n->state != NODE_ACTIVE || !finds_all(w, n) ||
                                 gossip_live_count(&n->gossip) + 1 != up ||
                                 node_active_count(n) != up)) {
            return false;
        }
    }
    return true;
}

bool world_agrees_down(struct world *w, uint64_t id)
{
    for (uint64_t other = 1; other <= w->options.nodes; other++) {
        const struct node *n = other == id ? NULL : world_node(w, other);
        const struct gossip_member *m = n == NULL ? NULL : node_member(n, id);

        if (m != NULL && gossip_member_is_live(m)) {
            return false;
        }
    }
    return true;
}

bool world_is_down(struct world *w, uint64_t id)
{
    return !w->nodes[id]->is_up;
}

const struct world_program *world_program(const struct world *w, size_t number)
{
    assert(number < w->programs_count);
    return &w->programs[number]->facts;
}

size_t world_programs(const struct world *w)
{
    return w->programs_count;
}

bool world_is_over(struct world *w, uint64_t program)
{
    return world_program(w, program)->state >= WORLD_DONE;
}

bool world_is_running(struct world *w, uint64_t program)
{
    return world_program(w, program)->state == WORLD_RUNNING;
}

uint64_t world_fingerprint(const struct world *w)
{
    return w->fingerprint;
}
