#include "node/recv_posix.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/cmd.h"
#include "node/columns.h"
#include "node/humane.h"
#include "node/marks.h"
#include "node/progress_posix.h"
#include "shuffle/shuffle_wire.h"

enum recv_state {
    WAITING,
    RUNNING,
    FINISHING, /* what is here is written, then we end */
    ENDED,
};

struct recv {
    const struct recv_options *options;
    struct client *client;
    enum recv_state state;
    struct output output;
    struct progress progress;
    struct marks marks;
    bool can_block; /* a write of much may wait: a pipe, a terminal */
    bool is_attached; /* the node has said a STATE */
    bool is_drained; /* the node said MARK DRAIN: DONE is due */
    bool is_cut_off; /* the node takes nothing any more */
    uint64_t deadline_ms;
    uint64_t granted_bytes; /* taken_bytes at the last GRANT */
    uint64_t granted_records;
    struct error waiting; /* for what, as the node says */
    char *sentences[RECV_SENTENCES_MAX];
    size_t sentences_count; /* all of them, kept or not */
    int exit;
};

static void attach(struct recv *r)
{
    uint8_t payload[SHUFFLE_ATTACH_MAX];
    struct writer w = writer_of(payload, sizeof(payload));
    struct shuffle_wire_attach attach = {
            .role = SHUFFLE_ROLE_SINK,
            .format = r->options->mode == OUTPUT_RAW ? SHUFFLE_FORMAT_LAMINAR
                                                     : SHUFFLE_FORMAT_WHOLE,
            .want = r->options->sources,
            .stage = bytes_text(r->options->stage),
    };

    shuffle_wire_encode_attach(&w, &attach);
    assert(!w.failed);
    client_put(
            r->client, SHUFFLE_TAG_ATTACH, writer_bytes(&w), bytes_of("", 0));
}

static void put_grant(struct recv *r)
{
    uint8_t payload[SHUFFLE_GRANT_BYTES];
    struct writer w = writer_of(payload, sizeof(payload));
    struct shuffle_wire_grant grant = {
            .taken = r->output.taken_records,
            .limit = r->output.taken_bytes + RECV_WINDOW_BYTES,
    };

    shuffle_wire_encode_grant(&w, &grant);
    client_put(r->client, SHUFFLE_TAG_GRANT, writer_bytes(&w), bytes_of("", 0));
    r->granted_bytes = r->output.taken_bytes;
    r->granted_records = r->output.taken_records;
}

/* Confirmations go first: the node knows what is before the mark. */
static void echo_marks(struct recv *r)
{
    struct mark *due;

    while ((due = marks_due(&r->marks, r->output.taken_records)) != NULL) {
        uint8_t payload[SHUFFLE_MARK_BYTES];
        struct writer w = writer_of(payload, sizeof(payload));

        if (r->output.taken_records > r->granted_records) {
            put_grant(r);
        }
        shuffle_wire_encode_mark(&w, &due->wire);
        client_put(
                r->client, SHUFFLE_TAG_MARK, writer_bytes(&w), bytes_of("", 0));
        due->is_echoed = true;
    }
}

static void put_done(struct recv *r)
{
    uint8_t payload[SHUFFLE_DONE_BYTES];
    struct writer w = writer_of(payload, sizeof(payload));
    struct shuffle_wire_done done = {.taken = r->output.taken_records};

    shuffle_wire_encode_done(&w, &done);
    client_put(r->client, SHUFFLE_TAG_DONE, writer_bytes(&w), bytes_of("", 0));
}

static void flush(struct recv *r)
{
    if (r->is_cut_off || client_flush(r->client, NULL) != 0) {
        r->is_cut_off = true;
        client_drop_output(r->client);
    }
}

/* --- what the node says --- */

/* To be said behind all output. */
static void keep_sentence(struct recv *r, struct bytes text)
{
    if (r->sentences_count < RECV_SENTENCES_MAX) {
        char *copy = malloc(text.size + 1);

        if (copy != NULL) {
            if (text.size > 0) {
                memcpy(copy, text.data, text.size);
            }
            copy[text.size] = '\0';
        }
        r->sentences[r->sentences_count] = copy;
    }
    r->sentences_count++;
    r->exit = CLI_EXIT_NO;
}

static void on_first_source(struct recv *r)
{
    if (r->state == WAITING) {
        r->state = RUNNING;
        r->deadline_ms = UINT64_MAX;
        progress_clear(&r->progress);
    }
}

/* Attached is said without a sentence, and with one when the first source has
 * come, which may bring us no record at all. */
static void on_state(struct recv *r, struct bytes payload)
{
    struct shuffle_wire_state state;

    if (!shuffle_wire_decode_state(payload, &state)) {
        return;
    }
    r->is_attached = true;
    switch ((enum shuffle_state_code)state.code) {
    case SHUFFLE_STATE_ATTACHED:
        if (state.text.size > 0) {
            on_first_source(r);
        }
        break;
    case SHUFFLE_STATE_WAITING:
        (void)error_set(&r->waiting, ERR_NOT_FOUND, "%.*s",
                (int)state.text.size, (const char *)state.text.data);
        progress_say(&r->progress, state.text);
        break;
    case SHUFFLE_STATE_REFUSED:
        keep_sentence(r, state.text);
        r->state = FINISHING;
        break;
    }
}

static void on_data(struct recv *r, struct bytes payload)
{
    struct shuffle_wire_data data;

    on_first_source(r);
    if (shuffle_wire_decode_data(payload, &data)) {
        output_take(&r->output, data.records);
    }
}

static void on_mark(struct recv *r, struct bytes payload)
{
    struct shuffle_wire_mark mark;

    if (!shuffle_wire_decode_mark(payload, &mark)) {
        return;
    }
    if ((mark.flags & SHUFFLE_FLAG_DRAIN) != 0) {
        r->is_drained = true;
        r->state = FINISHING;
    } else {
        marks_add(&r->marks, &mark, output_records(&r->output));
    }
}

/* "epoch 5 committed, 1,204 records before it"; without a number if it ended
 * before its mark came to us. */
static void say_outcome(struct recv *r,
        const struct shuffle_wire_outcome *outcome, const struct mark *mark)
{
    static const char *const NAMES[] = {
            [SHUFFLE_OUTCOME_COMMITTED] = "committed",
            [SHUFFLE_OUTCOME_ABORTED] = "aborted",
            [SHUFFLE_OUTCOME_UNKNOWN] = "unknown",
    };
    char records[HUMANE_BYTES];

    progress_clear(&r->progress);
    (void)fprintf(stderr, "weft: epoch %llu %s",
            (unsigned long long)outcome->epoch, NAMES[outcome->code]);
    if (mark != NULL) {
        (void)fprintf(stderr, ", %s record%s before it",
                humane_count(mark->records, records),
                mark->records == 1 ? "" : "s");
    }
    if (outcome->text.size > 0) {
        (void)fputs(": ", stderr);
        columns_put_text(outcome->text, stderr);
    }
    (void)fputc('\n', stderr);
}

static void on_outcome(struct recv *r, struct bytes payload)
{
    struct shuffle_wire_outcome outcome;

    if (r->options->shows_marks &&
            shuffle_wire_decode_outcome(payload, &outcome)) {
        say_outcome(r, &outcome, marks_find(&r->marks, outcome.checkpoint));
    }
}

static void on_fail(struct recv *r, struct bytes payload)
{
    struct shuffle_wire_fail failed;

    if (!shuffle_wire_decode_fail(payload, &failed)) {
        return;
    }
    on_first_source(r);
    keep_sentence(r, failed.text);
    if (failed.code != SHUFFLE_FAIL_SOURCE_LOST) {
        r->state = FINISHING;
    }
}

static void on_frame(struct recv *r, const struct frame *frame)
{
    switch (frame->tag) {
    case SHUFFLE_TAG_STATE:
        on_state(r, frame->payload);
        break;
    case SHUFFLE_TAG_DATA:
        on_data(r, frame->payload);
        break;
    case SHUFFLE_TAG_MARK:
        on_mark(r, frame->payload);
        break;
    case SHUFFLE_TAG_OUTCOME:
        on_outcome(r, frame->payload);
        break;
    case SHUFFLE_TAG_FAIL:
        on_fail(r, frame->payload);
        break;
    default: /* not for a sink of this version */
        break;
    }
}

/* The node speaks what we do not understand, or not at all any more. */
static void on_broken(struct recv *r, const char *sentence)
{
    keep_sentence(r, bytes_text(sentence));
    r->state = FINISHING;
}

static bool is_listening(const struct recv *r)
{
    return r->state == WAITING || r->state == RUNNING;
}

/* Frames in their order, as far as their records find room. */
static void take_frames(struct recv *r)
{
    struct error err;

    output_fill(&r->output);
    while (is_listening(r) && !output_has_frame(&r->output)) {
        struct frame frame;
        int rc = client_next(r->client, &frame, &err);

        if (rc < 0) {
            on_broken(r, err.text);
        }
        if (rc <= 0) {
            break;
        }
        on_frame(r, &frame);
        output_fill(&r->output);
        if (r->output.is_malformed) {
            on_broken(r, "the node sent records that are cut short; are node "
                         "and command of the same version?");
        }
    }
    if (is_listening(r) && r->client->ended && !output_has_frame(&r->output)) {
        on_broken(r, "the node ended before the end of the input");
    }
}

/* --- output --- */

/* Does a write of much wait for a reader? Files and /dev/null take it at once.
 */
static bool may_block(int fd)
{
    struct stat st;

    if (fstat(fd, &st) != 0) {
        return true;
    }
    return !S_ISREG(st.st_mode) && (!S_ISCHR(st.st_mode) || isatty(fd) != 0);
}

static void on_write_failed(struct recv *r, int reason)
{
    struct error err;

    r->state = ENDED;
    if (reason == EPIPE) {
        r->exit = CLI_EXIT_DONE; /* our reader has seen enough */
        r->sentences_count = 0;
        return;
    }
    (void)error_set(&err, ERR_IO, "cannot write to standard output: %s",
            strerror(reason));
    keep_sentence(r, bytes_text(err.text));
}

/* Call it when poll says that there is room. */
static void write_some(struct recv *r)
{
    struct bytes b = output_pending(&r->output);
    size_t size = r->can_block && b.size > PIPE_BUF ? PIPE_BUF : b.size;
    ssize_t written = write(r->options->out_fd, b.data, size);

    if (written >= 0) {
        output_written(&r->output, (size_t)written);
    } else if (errno != EINTR && errno != EAGAIN) {
        on_write_failed(r, errno);
    }
}

/* --- the loop --- */

static void on_deadline(struct recv *r)
{
    struct error err;

    if (!r->is_attached) {
        (void)error_set(&err, ERR_NOT_FOUND,
                "the node took the call and did not attach the sink of %s in "
                "time; is it stopped?",
                r->options->stage);
    } else {
        (void)error_set(&err, ERR_NOT_FOUND,
                "no source of %s has come in time%s%s", r->options->stage,
                r->waiting.text[0] == '\0' ? "" : ": the sink ",
                r->waiting.text);
    }
    keep_sentence(r, bytes_text(err.text));
    r->exit = CLI_EXIT_TIMED_OUT;
    r->state = ENDED;
}

/* A confirmation goes out when it is worth a frame, or before we sleep. */
static void grant_if_due(struct recv *r, bool sleeps)
{
    uint64_t due = r->output.taken_bytes - r->granted_bytes;

    if (due >= RECV_GRANT_BYTES ||
            (sleeps && r->output.taken_records > r->granted_records)) {
        put_grant(r);
        flush(r);
    }
}

enum {
    NODE, /* places among what is waited for */
    READER,
    WATCHED,
};

/* The node is read while there is room for what it sends. A reader that has
 * gone shows even while there is nothing to write. */
static void watch(const struct recv *r, struct pollfd fds[static WATCHED])
{
    bool reads = is_listening(r) && !output_has_frame(&r->output) &&
                 !r->client->ended;
    bool writes = client_queued(r->client) > 0;
    bool has_output = output_pending(&r->output).size > 0;

    fds[NODE].fd = reads || writes ? r->client->fd : -1;
    fds[NODE].events = (short)((reads ? POLLIN : 0) | (writes ? POLLOUT : 0));
    fds[READER].fd = r->options->out_fd;
    fds[READER].events = has_output ? POLLOUT : 0;
}

/* Waits for whatever can go on; what is confirmed is said before we sleep. */
static int wait(struct recv *r, struct pollfd fds[static WATCHED])
{
    int ready;

    watch(r, fds);
    ready = poll(fds, WATCHED, 0);
    if (ready != 0) {
        return ready;
    }
    grant_if_due(r, true);
    watch(r, fds);
    return poll(fds, WATCHED,
            progress_left_ms(&r->progress, client_left_ms(r->deadline_ms)));
}

static void act_on_reader(struct recv *r, short revents)
{
    if ((revents & POLLOUT) != 0) {
        write_some(r);
    } else if ((revents & POLLNVAL) != 0) {
        on_write_failed(r, EBADF);
    } else if ((revents & (POLLERR | POLLHUP)) != 0) {
        on_write_failed(r, EPIPE);
    }
}

static void wait_and_act(struct recv *r)
{
    struct pollfd fds[WATCHED];

    if (wait(r, fds) < 0) {
        return;
    }
    if ((fds[NODE].revents & POLLOUT) != 0) {
        flush(r);
    }
    /* Reading moves what came in, so not while records are lent from there. */
    if ((fds[NODE].events & POLLIN) != 0 &&
            (fds[NODE].revents & ~POLLOUT) != 0) {
        r->client->ended |= client_fill(r->client, NULL) != 0;
    }
    act_on_reader(r, fds[READER].revents);
    if (r->state == WAITING && client_left_ms(r->deadline_ms) == 0) {
        on_deadline(r);
    }
}

/* The end of the run, when all of it is written. */
static void finish(struct recv *r)
{
    if (r->is_drained) {
        put_grant(r);
        echo_marks(r);
        put_done(r);
    }
    r->state = ENDED;
}

static void run(struct recv *r)
{
    while (r->state != ENDED) {
        take_frames(r);
        if (r->state == FINISHING && output_pending(&r->output).size == 0 &&
                !output_has_frame(&r->output)) {
            finish(r);
            break;
        }
        progress_count(&r->progress, client_now_ms(), r->output.taken_records,
                r->output.taken_bytes);
        echo_marks(r);
        grant_if_due(r, false);
        flush(r);
        wait_and_act(r);
    }
}

/* The last confirmations, unless the node has stopped taking anything. */
static void send_the_rest(struct recv *r)
{
    uint64_t deadline_ms = client_now_ms() + 1000;

    if (r->output.taken_records > r->granted_records) {
        put_grant(r);
    }
    flush(r);
    while (client_queued(r->client) > 0 && client_left_ms(deadline_ms) > 0) {
        struct pollfd fd = {r->client->fd, POLLOUT, 0};

        (void)poll(&fd, 1, client_left_ms(deadline_ms));
        flush(r);
    }
}

static void say_sentences(struct recv *r)
{
    size_t kept = r->sentences_count < RECV_SENTENCES_MAX ? r->sentences_count
                                                          : RECV_SENTENCES_MAX;
    char more[HUMANE_BYTES];

    for (size_t i = 0; i < kept; i++) {
        (void)cmd_fail(0, "%s",
                r->sentences[i] == NULL ? "(there is no memory to say why)"
                                        : r->sentences[i]);
    }
    if (r->sentences_count > kept) {
        (void)cmd_fail(0, "and %s more like it",
                humane_count(r->sentences_count - kept, more));
    }
}

int recv_run(struct client *client, const struct recv_options *options)
{
    struct recv r = {
            .options = options,
            .client = client,
            .deadline_ms = options->deadline_ms,
            .can_block = may_block(options->out_fd),
    };

    output_init(&r.output, options->mode);
    progress_init(&r.progress, options->shows_progress);
    attach(&r);
    put_grant(&r);
    run(&r);
    send_the_rest(&r);
    progress_clear(&r.progress);
    say_sentences(&r);
    for (size_t i = 0; i < RECV_SENTENCES_MAX; i++) {
        free(r.sentences[i]);
    }
    output_close(&r.output);
    return r.exit;
}
