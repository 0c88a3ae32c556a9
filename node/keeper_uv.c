#include "node/keeper_uv.h"

#include <assert.h>

void keeper_uv_init(
        struct keeper_uv *self, uv_loop_t *loop, struct store *store)
{
    assert(self->on_kept != NULL && self->on_closed != NULL);
    self->loop = loop;
    self->store = store;
    self->work.data = self;
    self->first = 0;
    self->count = 0;
    self->closing = false;
}

/* On a thread of the pool: the loop touches neither the decision nor what is
 * left here before it has ended. */
static void on_work(uv_work_t *work)
{
    struct keeper_uv *self = work->data;

    self->code = store_keep_decision(
            self->store, &self->waiting[self->first], &self->err);
}

static void on_worked(uv_work_t *work, int status);

static void start(struct keeper_uv *self)
{
    int code = uv_queue_work(self->loop, &self->work, on_work, on_worked);

    assert(code == 0);
    (void)code;
}

/* The answer is copied first, for the next one may be under way already when
 * the owner reads it. */
static void on_worked(uv_work_t *work, int status)
{
    struct keeper_uv *self = work->data;
    struct error err = self->err;
    int code = self->code;

    self->first = (self->first + 1) % KEEPER_WAITING_MAX;
    self->count--;
    if (self->closing) {
        self->on_closed(self->owner); /* may free self: nothing after this */
        return;
    }
    assert(status == 0); /* only closing cancels */
    (void)status;
    if (self->count > 0) {
        start(self);
    }
    self->on_kept(self->owner, code == 0 ? NULL : err.text);
}

void keeper_uv_keep(
        struct keeper_uv *self, const struct checkpoint_decision *decision)
{
    assert(!self->closing && self->count < KEEPER_WAITING_MAX);
    self->waiting[(self->first + self->count) % KEEPER_WAITING_MAX] = *decision;
    self->count++;
    if (self->count == 1) {
        start(self);
    }
}

void keeper_uv_close(struct keeper_uv *self)
{
    if (self->closing) {
        return;
    }
    self->closing = true;
    if (self->count == 0) {
        self->on_closed(self->owner);
        return;
    }
    self->count = 1;
    (void)uv_cancel((uv_req_t *)&self->work); /* if it has not begun */
}
