#include "shuffle/shuffle_greet.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

struct shuffle_wire_greet shuffle_greet_make(
        const struct shuffle_greet_self *self, uint64_t peer_id,
        uint64_t peer_generation)
{
    return (struct shuffle_wire_greet){
            .version = SHUFFLE_VERSION,
            .highest_version = SHUFFLE_VERSION,
            .own_id = self->id,
            .own_generation = self->generation,
            .peer_id = peer_id,
            .peer_generation = peer_generation,
            .hash = SHUFFLE_HASH_XXH3,
            .vnodes = self->vnodes,
            .cluster = bytes_text(self->cluster),
    };
}

struct judge {
    char *text;
    size_t text_size;
};

static enum shuffle_reason refuse(const struct judge *judge,
        enum shuffle_reason reason, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

static enum shuffle_reason refuse(const struct judge *judge,
        enum shuffle_reason reason, const char *format, ...)
{
    va_list arguments;
    int used = snprintf(
            judge->text, judge->text_size, "%s: ", shuffle_reason_word(reason));

    if (used >= 0 && (size_t)used < judge->text_size) {
        va_start(arguments, format);
        (void)vsnprintf(judge->text + used, judge->text_size - (size_t)used,
                format, arguments);
        va_end(arguments);
    }
    return reason;
}

static enum shuffle_reason judge_kind(const struct judge *judge,
        const struct shuffle_greet_self *self,
        const struct shuffle_wire_greet *greet)
{
    if (greet->version != SHUFFLE_VERSION) {
        return refuse(judge, SHUFFLE_REASON_VERSION,
                "this node speaks %u and was greeted with %u", SHUFFLE_VERSION,
                greet->version);
    }
    if (!bytes_equal_text(greet->cluster, self->cluster)) {
        return refuse(judge, SHUFFLE_REASON_CLUSTER,
                "this node belongs to \"%.64s\"", self->cluster);
    }
    if (greet->hash != SHUFFLE_HASH_XXH3) {
        return refuse(judge, SHUFFLE_REASON_HASH,
                "this node places by hash %u and was greeted with %u",
                SHUFFLE_HASH_XXH3, greet->hash);
    }
    if (greet->vnodes != self->vnodes) {
        return refuse(judge, SHUFFLE_REASON_VNODES,
                "this node has %" PRIu32
                " vnodes and was greeted with %" PRIu32,
                self->vnodes, greet->vnodes);
    }
    return SHUFFLE_REASON_NONE;
}

static enum shuffle_reason judge_identity(const struct judge *judge,
        const struct shuffle_greet_self *self,
        const struct shuffle_wire_greet *greet, uint64_t peer_id,
        uint64_t peer_generation)
{
    if (greet->own_id != peer_id) {
        return refuse(judge, SHUFFLE_REASON_ID,
                "node %" PRIu64 " was expected, and %" PRIu64 " greets",
                peer_id, greet->own_id);
    }
    if (greet->peer_id != self->id) {
        return refuse(judge, SHUFFLE_REASON_ID,
                "this is node %" PRIu64 ", not %" PRIu64, self->id,
                greet->peer_id);
    }
    if (greet->peer_generation != 0 &&
            greet->peer_generation != self->generation) {
        return refuse(judge, SHUFFLE_REASON_GENERATION,
                "this node's is %" PRIu64 ", not %" PRIu64, self->generation,
                greet->peer_generation);
    }
    if (greet->own_generation < peer_generation) {
        return refuse(judge, SHUFFLE_REASON_GENERATION,
                "node %" PRIu64 " is known as %" PRIu64 ", newer than %" PRIu64,
                peer_id, peer_generation, greet->own_generation);
    }
    return SHUFFLE_REASON_NONE;
}

enum shuffle_reason shuffle_greet_judge(const struct shuffle_greet_self *self,
        const struct shuffle_wire_greet *greet, uint64_t peer_id,
        uint64_t peer_generation, char *text, size_t text_size)
{
    const struct judge judge = {.text = text, .text_size = text_size};
    enum shuffle_reason reason = judge_kind(&judge, self, greet);

    if (reason != SHUFFLE_REASON_NONE) {
        return reason;
    }
    return judge_identity(&judge, self, greet, peer_id, peer_generation);
}
