#include "node/send_posix.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/cmd.h"
#include "node/humane.h"
#include "node/input.h"
#include "node/marks.h"
#include "node/packer.h"
#include "node/progress_posix.h"

enum {
    STOP_BYTES = 128, /* what one signal is in a signalfd */
};

enum send_state {
    WAITING,
    SENDING,
    DRAINING,
    GIVING_UP,
    ENDED,
};

struct send {
    const struct send_options *options;
    struct client *client;
    enum send_state state;
    bool is_cut_off; /* the node takes nothing any more */
    bool needs_input; /* all that was read is packed */
    struct input input;
    struct packer packer;
    struct progress progress;
    size_t file; /* the next one to open */
    const char *name; /* of the one that is open */
    int fd; /* -1: none is open */
    uint64_t deadline_ms;
    uint64_t started_ms; /* since it is attached */
    uint64_t taken; /* records confirmed, as the node says at the end */
    struct marks marks;
    bool has_committed; /* a checkpoint, with: */
    uint64_t committed_records;
    uint64_t committed_epoch;
    struct error waiting; /* for what, as the node says */
    char *summary; /* a row per sink node, as the node sent it; or NULL */
    struct error failure; /* what to say at the end; "" if all went well */
    int exit;
};

static void fail(struct send *s, int exit, const char *text, size_t size)
{
    (void)error_set(&s->failure, ERR_IO, "%.*s", (int)size, text);
    s->exit = exit;
}

static void attach(struct send *s)
{
    uint8_t payload[SHUFFLE_ATTACH_MAX];
    struct writer w = writer_of(payload, sizeof(payload));
    struct shuffle_wire_attach attach = {
            .role = SHUFFLE_ROLE_SOURCE,
            .format = SHUFFLE_FORMAT_WHOLE,
            .want = s->options->sinks,
            .stage = bytes_text(s->options->stage),
    };

    if (s->options->to != 0) {
        attach.format = SHUFFLE_FORMAT_LAMINAR;
    } else if (s->options->key_field != 0) {
        attach.format = SHUFFLE_FORMAT_KEYED;
    }
    shuffle_wire_encode_attach(&w, &attach);
    assert(!w.failed);
    client_put(
            s->client, SHUFFLE_TAG_ATTACH, writer_bytes(&w), bytes_of("", 0));
}

static void put_mark(struct send *s)
{
    uint8_t payload[SHUFFLE_MARK_BYTES];
    struct writer w = writer_of(payload, sizeof(payload));
    struct shuffle_wire_mark mark = {
            .next = s->packer.records,
            .flags = SHUFFLE_FLAG_DRAIN,
    };

    shuffle_wire_encode_mark(&w, &mark);
    client_put(s->client, SHUFFLE_TAG_MARK, writer_bytes(&w), bytes_of("", 0));
}

/* Tells the node that our input ends before its end. What it knows of the
 * records may still come back. */
static void give_up(struct send *s, int exit)
{
    uint8_t payload[SHUFFLE_FAIL_HEAD_BYTES];
    struct writer w = writer_of(payload, sizeof(payload));
    struct shuffle_wire_fail head = {
            .taken = s->packer.records,
            .code = SHUFFLE_FAIL_SOURCE_LOST,
            .text = bytes_of("", 0),
    };

    s->exit = exit;
    shuffle_wire_encode_fail(&w, &head);
    client_put(s->client, SHUFFLE_TAG_FAIL, writer_bytes(&w),
            bytes_text(s->failure.text));
    s->state = GIVING_UP;
    s->deadline_ms = client_now_ms() + SEND_GIVE_UP_MS;
}

/* --- input --- */

static void open_next_file(struct send *s)
{
    s->name = "standard input";
    s->fd = STDIN_FILENO;
    if (s->options->files_count > 0 &&
            strcmp(s->options->files[s->file], "-") != 0) {
        s->name = s->options->files[s->file];
        s->fd = open(s->name, O_RDONLY | O_CLOEXEC);
    }
    s->file++;
    if (s->fd < 0) {
        (void)error_set(&s->failure, ERR_IO, "cannot read %s: %s", s->name,
                strerror(errno));
        give_up(s, CLI_EXIT_NO);
        return;
    }
    input_begin(&s->input);
}

static bool has_more_files(const struct send *s)
{
    return s->options->files_count == 0 ? s->file == 0
                                        : s->file < s->options->files_count;
}

static void close_file(struct send *s)
{
    if (s->fd != STDIN_FILENO && s->fd >= 0) {
        (void)close(s->fd);
    }
    s->fd = -1;
}

static void read_input(struct send *s)
{
    size_t room;
    uint8_t *to = input_room(&s->input, &room);
    ssize_t got = read(s->fd, to,
            room < INPUT_READ_BYTES ? room : (size_t)INPUT_READ_BYTES);

    if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
        return;
    }
    if (got < 0) {
        (void)error_set(&s->failure, ERR_IO, "cannot read %s: %s", s->name,
                strerror(errno));
        give_up(s, CLI_EXIT_NO);
        return;
    }
    if (got == 0) {
        input_end(&s->input);
        close_file(s);
    }
    input_filled(&s->input, (size_t)got);
}

/* --- packing --- */

static bool add(struct send *s, const struct input_record *record)
{
    const struct send_options *o = s->options;

    if (o->to != 0) {
        return packer_add_laminar(
                &s->packer, o->to, record->vnode, record->body);
    }
    if (o->key_field == 0) {
        return packer_add_whole(&s->packer, record->body);
    }
    return packer_add_keyed(&s->packer, record->body,
            input_field(record->body, o->key_field, o->delimiter));
}

static void end_frame(struct send *s)
{
    client_packed(s->client, packer_close(&s->packer));
}

/* Room for a frame that takes at least this record. */
static void begin_frame(struct send *s, size_t body_bytes)
{
    size_t room = packer_room_for(body_bytes + SHUFFLE_LAMINAR_HEAD_BYTES);

    if (room < PACKER_ROOM_BYTES) {
        room = PACKER_ROOM_BYTES;
    }
    packer_begin(&s->packer, client_room(s->client, room), room);
}

static void refuse_record(struct send *s, enum input_status status)
{
    unsigned long long number = (unsigned long long)s->input.count + 1;

    if (status == INPUT_TOO_LONG) {
        (void)error_set(&s->failure, ERR_INVALID,
                "line %llu of %s is longer than a record may be, %d KiB",
                number, s->name, SHUFFLE_RECORD_MAX >> 10);
    } else {
        (void)error_set(&s->failure, ERR_INVALID,
                "%s ends inside its record %llu", s->name, number);
    }
    give_up(s, CLI_EXIT_NO);
}

static void end_of_input(struct send *s)
{
    if (has_more_files(s)) {
        open_next_file(s);
        return;
    }
    put_mark(s);
    s->state = DRAINING;
}

/* Packs what has been read, until enough is queued. */
static void pack(struct send *s)
{
    enum input_status status = INPUT_RECORD;
    struct input_record record;

    if (s->is_cut_off) {
        return;
    }
    begin_frame(s, 0);
    while (client_queued(s->client) < SEND_QUEUE_BYTES) {
        status = input_next(&s->input, &record);
        if (status != INPUT_RECORD) {
            break;
        }
        if (!add(s, &record)) {
            end_frame(s);
            begin_frame(s, record.body.size);
            if (!add(s, &record)) {
                assert(false);
            }
        }
    }
    end_frame(s);
    s->needs_input = status == INPUT_MORE;
    if (status == INPUT_TOO_LONG || status == INPUT_CUT) {
        refuse_record(s, status);
    } else if (status == INPUT_MORE && s->fd < 0) {
        end_of_input(s);
    }
}

/* --- what the node says --- */

static void on_state(struct send *s, struct bytes payload)
{
    struct shuffle_wire_state state;

    if (!shuffle_wire_decode_state(payload, &state)) {
        return;
    }
    switch ((enum shuffle_state_code)state.code) {
    case SHUFFLE_STATE_ATTACHED:
        if (s->state == WAITING) {
            s->state = SENDING;
            s->deadline_ms = UINT64_MAX;
            s->started_ms = client_now_ms();
            progress_clear(&s->progress);
            open_next_file(s);
        }
        break;
    case SHUFFLE_STATE_WAITING:
        (void)error_set(&s->waiting, ERR_NOT_FOUND, "%.*s",
                (int)state.text.size, (const char *)state.text.data);
        progress_say(&s->progress, state.text);
        break;
    case SHUFFLE_STATE_REFUSED:
        fail(s, CLI_EXIT_NO, (const char *)state.text.data, state.text.size);
        s->state = ENDED;
        break;
    }
}

static void on_result(struct send *s, struct bytes payload)
{
    struct shuffle_wire_result result;

    if (!shuffle_wire_decode_result(payload, &result) || result.id != 0) {
        return;
    }
    free(s->summary);
    s->summary = malloc(result.json.size + 1);
    if (s->summary != NULL) {
        memcpy(s->summary, result.json.data, result.json.size);
        s->summary[result.json.size] = '\0';
    }
}

static void on_done(struct send *s, struct bytes payload)
{
    struct shuffle_wire_done done;
    char taken[HUMANE_BYTES];
    char sent[HUMANE_BYTES];

    if (!shuffle_wire_decode_done(payload, &done)) {
        return;
    }
    s->taken = done.taken;
    s->state = ENDED;
    if (done.taken != s->packer.records) {
        (void)error_set(&s->failure, ERR_IO,
                "only %s of %s records are confirmed",
                humane_count(done.taken, taken),
                humane_count(s->packer.records, sent));
        s->exit = CLI_EXIT_NO;
    }
}

/* Our own reason is the better one; what it cost, the node knows. */
static void on_given_up(struct send *s)
{
    char taken[HUMANE_BYTES];
    char sent[HUMANE_BYTES];
    size_t used = strlen(s->failure.text);

    (void)snprintf(s->failure.text + used, sizeof(s->failure.text) - used,
            "; %s of %s records are confirmed", humane_count(s->taken, taken),
            humane_count(s->packer.records, sent));
}

static void on_fail(struct send *s, struct bytes payload)
{
    struct shuffle_wire_fail failed;

    if (!shuffle_wire_decode_fail(payload, &failed)) {
        return;
    }
    s->taken = failed.taken;
    if (s->state == GIVING_UP) {
        on_given_up(s);
    } else {
        fail(s, CLI_EXIT_NO, (const char *)failed.text.data, failed.text.size);
    }
    s->state = ENDED;
}

static void on_mark(struct send *s, struct bytes payload)
{
    struct shuffle_wire_mark mark;

    if (shuffle_wire_decode_mark(payload, &mark)) {
        marks_add(&s->marks, &mark, mark.next);
    }
}

/* An earlier checkpoint's may come late, and says nothing new then. */
static void on_outcome(struct send *s, struct bytes payload)
{
    struct shuffle_wire_outcome outcome;
    const struct mark *mark;

    if (!shuffle_wire_decode_outcome(payload, &outcome) ||
            outcome.code != SHUFFLE_OUTCOME_COMMITTED) {
        return;
    }
    mark = marks_find(&s->marks, outcome.checkpoint);
    if (mark == NULL || mark->records < s->committed_records) {
        return;
    }
    s->has_committed = true;
    s->committed_records = mark->records;
    s->committed_epoch = outcome.epoch;
}

static void on_frame(struct send *s, const struct frame *frame)
{
    switch (frame->tag) {
    case SHUFFLE_TAG_STATE:
        on_state(s, frame->payload);
        break;
    case SHUFFLE_TAG_RESULT:
        on_result(s, frame->payload);
        break;
    case SHUFFLE_TAG_MARK:
        on_mark(s, frame->payload);
        break;
    case SHUFFLE_TAG_OUTCOME:
        on_outcome(s, frame->payload);
        break;
    case SHUFFLE_TAG_DONE:
        on_done(s, frame->payload);
        break;
    case SHUFFLE_TAG_FAIL:
        on_fail(s, frame->payload);
        break;
    default: /* not for a source of this version */
        break;
    }
}

static void on_node_ended(struct send *s)
{
    char sent[HUMANE_BYTES];

    if (s->state == ENDED) {
        return;
    }
    if (s->state != GIVING_UP) {
        (void)error_set(&s->failure, ERR_IO,
                "the node ended before it had confirmed the %s records sent",
                humane_count(s->packer.records, sent));
        s->exit = CLI_EXIT_NO;
    }
    s->state = ENDED;
}

static void receive(struct send *s)
{
    struct frame frame;
    int rc = client_fill(s->client, &s->failure);

    while (rc == 0 && s->state != ENDED &&
            (rc = client_next(s->client, &frame, &s->failure)) == 1) {
        on_frame(s, &frame);
        rc = 0;
    }
    if (rc < 0) {
        s->exit = CLI_EXIT_NO;
        s->state = ENDED;
    } else if (s->client->ended) {
        on_node_ended(s);
    }
}

/* What the node does not take is lost, but what it said can still be read. */
static void flush(struct send *s)
{
    if (s->is_cut_off || client_flush(s->client, NULL) != 0) {
        s->is_cut_off = true;
        client_drop_output(s->client);
    }
}

/* --- the loop --- */

static void on_deadline(struct send *s)
{
    if (s->state == WAITING) {
        (void)error_set(&s->failure, ERR_NOT_FOUND,
                "the time has passed before anything was sent: the source %s",
                s->waiting.text[0] == '\0' ? "was not attached"
                                           : s->waiting.text);
        s->exit = CLI_EXIT_TIMED_OUT;
    }
    s->state = ENDED;
}

/* A second time it need not be polite. */
static void on_stop(struct send *s)
{
    uint8_t signal[STOP_BYTES];

    (void)!read(s->options->stop_fd, signal, sizeof(signal));
    if (s->state == GIVING_UP) {
        s->state = ENDED;
        return;
    }
    (void)error_set(&s->failure, ERR_IO, "interrupted");
    give_up(s, CLI_EXIT_NO);
}

/* Shall more be read, or has what was read not even been packed yet? */
static bool wants_input(const struct send *s)
{
    return s->state == SENDING && s->needs_input && s->fd >= 0;
}

static bool can_pack(const struct send *s)
{
    return s->state == SENDING && !s->is_cut_off && !wants_input(s) &&
           client_queued(s->client) < SEND_QUEUE_BYTES;
}

/* How long there may be nothing to do. */
static int patience_ms(const struct send *s)
{
    if (can_pack(s)) {
        return 0;
    }
    return progress_left_ms(&s->progress, client_left_ms(s->deadline_ms));
}

static void wait_and_act(struct send *s)
{
    bool has_output = client_queued(s->client) > 0;
    struct pollfd fds[] = {
            {s->client->fd, has_output ? POLLIN | POLLOUT : POLLIN, 0},
            {wants_input(s) ? s->fd : -1, POLLIN, 0},
            {s->options->stop_fd, POLLIN, 0},
    };

    if (poll(fds, sizeof(fds) / sizeof(fds[0]), patience_ms(s)) < 0) {
        return;
    }
    if (fds[2].revents != 0) {
        on_stop(s);
    }
    if ((fds[0].revents & ~POLLOUT) != 0) {
        receive(s);
    }
    if (fds[1].revents != 0 && wants_input(s)) {
        read_input(s);
    }
    if (s->state != ENDED && client_left_ms(s->deadline_ms) == 0) {
        on_deadline(s);
    }
}

static void run(struct send *s)
{
    while (s->state != ENDED) {
        if (s->state == SENDING) {
            pack(s);
        }
        if (s->state == SENDING || s->state == DRAINING) {
            progress_count(&s->progress, client_now_ms(), s->packer.records,
                    s->packer.bytes);
        }
        flush(s);
        wait_and_act(s);
    }
}

/* Up to where the latest checkpoint holds what was sent. */
static void print_committed(const struct send *s)
{
    if (s->has_committed) {
        (void)printf("\"committed_records\":%llu,\"committed_epoch\":\"%llu\",",
                (unsigned long long)s->committed_records,
                (unsigned long long)s->committed_epoch);
    } else {
        (void)printf("\"committed_records\":null,\"committed_epoch\":null,");
    }
}

static void print_report(const struct send *s)
{
    uint64_t took_ms = s->started_ms == 0 ? 0 : client_now_ms() - s->started_ms;

    (void)printf("{\"records\":%llu,\"bytes\":%llu,\"seconds\":%llu,"
                 "\"duration_ms\":%llu,\"confirmed\":%llu,",
            (unsigned long long)s->packer.records,
            (unsigned long long)s->packer.bytes,
            (unsigned long long)took_ms / 1000, (unsigned long long)took_ms,
            (unsigned long long)s->taken);
    print_committed(s);
    (void)printf("\"sinks\":%s}\n", s->summary == NULL ? "[]" : s->summary);
}

/* What a line may have beside the length words of its record. */
static size_t line_max(const struct send_options *options)
{
    if (options->to != 0) {
        return 0; /* no lines: raw records */
    }
    return SHUFFLE_RECORD_MAX - (options->key_field == 0
                                                ? SHUFFLE_WHOLE_HEAD_BYTES
                                                : SHUFFLE_KEYED_HEAD_BYTES);
}

int send_run(struct client *client, const struct send_options *options)
{
    struct send s = {
            .options = options,
            .client = client,
            .fd = -1,
            .deadline_ms = options->deadline_ms,
    };

    packer_init(&s.packer);
    input_init(&s.input, line_max(options));
    progress_init(&s.progress, options->shows_progress);
    attach(&s);
    run(&s);
    progress_clear(&s.progress);
    if (options->is_json) {
        print_report(&s);
    }
    if (s.failure.text[0] != '\0') {
        s.exit = cmd_fail(s.exit, "%s", s.failure.text);
    }
    close_file(&s);
    input_close(&s.input);
    free(s.summary);
    return s.exit;
}
