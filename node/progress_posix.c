#include "node/progress_posix.h"

#include <stdio.h>
#include <unistd.h>

#include "node/columns.h"
#include "node/humane.h"

void progress_init(struct progress *p, bool wanted)
{
    *p = (struct progress){.on = wanted && isatty(STDERR_FILENO) != 0};
}

void progress_say(struct progress *p, struct bytes sentence)
{
    if (!p->on) {
        return;
    }
    (void)fputs("\r\033[K", stderr);
    columns_put_text(sentence, stderr);
    (void)fflush(stderr);
    p->visible = true;
}

void progress_count(
        struct progress *p, uint64_t now_ms, uint64_t records, uint64_t bytes)
{
    char count[HUMANE_BYTES];
    char size[HUMANE_BYTES];
    char rate[HUMANE_BYTES];
    uint64_t elapsed_ms;

    if (!p->on || (p->said_ms != 0 && now_ms - p->said_ms < PROGRESS_MS)) {
        return;
    }
    if (p->started_ms == 0) {
        p->started_ms = now_ms;
    }
    p->said_ms = now_ms;
    elapsed_ms = now_ms - p->started_ms + 1;
    (void)fprintf(stderr, "\r\033[K%s records, %s, %s/s",
            humane_count(records, count), humane_size(bytes, size),
            humane_count(records * 1000 / elapsed_ms, rate));
    (void)fflush(stderr);
    p->visible = true;
}

int progress_left_ms(const struct progress *p, int left_ms)
{
    if (!p->on || (left_ms >= 0 && left_ms < PROGRESS_MS)) {
        return left_ms;
    }
    return PROGRESS_MS;
}

void progress_clear(struct progress *p)
{
    if (p->visible) {
        (void)fputs("\r\033[K", stderr);
        (void)fflush(stderr);
        p->visible = false;
    }
}
