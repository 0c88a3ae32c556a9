#include "shuffle/shuffle_sent.h"

static struct shuffle_sent_mark *mark_at(struct shuffle_sent *sent, size_t i)
{
    return &sent->marks[(sent->first + i) % SHUFFLE_SENT_MARKS];
}

static const struct shuffle_sent_mark *mark_of(
        const struct shuffle_sent *sent, size_t i)
{
    return &sent->marks[(sent->first + i) % SHUFFLE_SENT_MARKS];
}

/* The latest mark is always true; it is written over while it is close to the
 * one before. */
static struct shuffle_sent_mark *next_mark(
        struct shuffle_sent *sent, uint64_t bytes)
{
    if (sent->count >= 2 && bytes - mark_at(sent, sent->count - 2)->bytes <
                                    SHUFFLE_SENT_STEP_BYTES) {
        return mark_at(sent, sent->count - 1);
    }
    if (sent->count == SHUFFLE_SENT_MARKS) {
        sent->first = (sent->first + 1) % SHUFFLE_SENT_MARKS;
        sent->count--;
    }
    return mark_at(sent, sent->count++);
}

void shuffle_sent_note(struct shuffle_sent *sent, uint64_t bytes,
        uint64_t frames, const struct outbox *out)
{
    uint64_t ended = frames - out->queued_frames;
    uint64_t begun = out->flight.head == NULL ? 0 : out->flight.head->frames;

    *next_mark(sent, bytes) = (struct shuffle_sent_mark){
            .bytes = bytes,
            .frames_min = ended,
            .frames_max = ended + begun,
    };
}

static uint64_t written_bytes(const struct shuffle_sent *sent)
{
    return sent->count == 0 ? 0 : mark_of(sent, sent->count - 1)->bytes;
}

/* Where the stream stands without its last bytes. */
static uint64_t without(const struct shuffle_sent *sent, uint64_t bytes)
{
    uint64_t written = written_bytes(sent);

    return bytes < written ? written - bytes : 0;
}

uint64_t shuffle_sent_unsent(const struct shuffle_sent *sent, uint64_t frames)
{
    uint64_t left_bytes = without(sent, sent->unsent_bytes);
    size_t i = 0;

    if (left_bytes == 0) {
        return frames;
    }
    while (mark_of(sent, i)->bytes < left_bytes) {
        i++;
    }
    return frames - mark_of(sent, i)->frames_max;
}

uint64_t shuffle_sent_unacked(const struct shuffle_sent *sent, uint64_t frames)
{
    uint64_t acked_bytes = without(sent, sent->unacked_bytes);
    uint64_t acked_frames = 0;

    if (!sent->is_told) {
        return UINT64_MAX;
    }
    for (size_t i = 0; i < sent->count; i++) {
        if (mark_of(sent, i)->bytes <= acked_bytes) {
            acked_frames = mark_of(sent, i)->frames_min;
        }
    }
    return frames - acked_frames;
}
