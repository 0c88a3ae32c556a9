#include "base/block.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/frame.h"

static_assert(
        BLOCK_CLASS_MIN_BYTES << (BLOCK_CLASSES - 1) == BLOCK_CLASS_MAX_BYTES,
        "the classes end where they say");

void block_pool_init(
        struct block_pool *pool, struct budget *budget, size_t kept_max_bytes)
{
    *pool = (struct block_pool){
            .budget = budget,
            .kept_max_bytes = kept_max_bytes,
    };
}

void block_pool_close(struct block_pool *pool)
{
    assert(pool->out_count == 0);
    for (size_t i = 0; i < BLOCK_CLASSES; i++) {
        while (pool->kept[i] != NULL) {
            struct block *b = pool->kept[i];

            pool->kept[i] = b->next;
            free(b);
        }
    }
    pool->kept_bytes = 0;
}

/* The smallest class that holds so much; BLOCK_CLASSES when none does. */
static size_t class_of(size_t bytes)
{
    size_t i = 0;

    while (i < BLOCK_CLASSES && (size_t)BLOCK_CLASS_MIN_BYTES << i < bytes) {
        i++;
    }
    return i;
}

static struct block *take_kept(struct block_pool *pool, size_t class)
{
    struct block *b;

    if (class == BLOCK_CLASSES || pool->kept[class] == NULL) {
        return NULL;
    }
    b = pool->kept[class];
    pool->kept[class] = b->next;
    pool->kept_bytes -= b->capacity;
    return b;
}

struct block *block_new(struct block_pool *pool, size_t body_bytes)
{
    size_t class = class_of(body_bytes);
    size_t capacity = class < BLOCK_CLASSES
                              ? (size_t)BLOCK_CLASS_MIN_BYTES << class
                              : body_bytes;
    struct block *b;

    if (!budget_take(pool->budget, capacity)) {
        return NULL;
    }
    b = take_kept(pool, class);
    if (b == NULL) {
        b = malloc(sizeof(*b) + BLOCK_HEAD_BYTES + capacity);
    }
    if (b == NULL) {
        budget_give(pool->budget, capacity);
        return NULL;
    }
    pool->out_count++;
    b->next = NULL;
    b->pool = pool;
    b->capacity = capacity;
    b->start = BLOCK_HEAD_BYTES;
    b->size = 0;
    b->copied_bytes = 0;
    b->frames = 0;
    b->records = 0;
    return b;
}

void block_free(struct block *b)
{
    struct block_pool *pool;
    size_t class;

    if (b == NULL) {
        return;
    }
    pool = b->pool;
    class = class_of(b->capacity);
    assert(pool->out_count > 0);
    pool->out_count--;
    budget_give(pool->budget, b->capacity);
    if (class == BLOCK_CLASSES ||
            pool->kept_bytes + b->capacity > pool->kept_max_bytes) {
        free(b);
        return;
    }
    b->next = pool->kept[class];
    pool->kept[class] = b;
    pool->kept_bytes += b->capacity;
}

void block_prepend(struct block *b, struct bytes bytes)
{
    assert(bytes.size <= b->start);
    if (bytes.size > 0) {
        b->start -= bytes.size;
        b->size += bytes.size;
        memcpy(b->memory + b->start, bytes.data, bytes.size);
    }
}

void block_frame(struct block *b, uint8_t tag)
{
    uint8_t header[FRAME_HEADER_BYTES];

    frame_put_header(header, tag, b->size);
    block_prepend(b, bytes_of(header, sizeof(header)));
    b->frames = 1;
}

struct bytes block_bytes(const struct block *b)
{
    return bytes_of(b->memory + b->start, b->size);
}

void block_skip(struct block *b, size_t bytes)
{
    assert(bytes <= b->size);
    b->start += bytes;
    b->size -= bytes;
}

void block_list_push(struct block_list *list, struct block *b)
{
    b->next = NULL;
    if (list->head == NULL) {
        list->head = b;
    } else {
        list->tail->next = b;
    }
    list->tail = b;
}

struct block *block_list_pop(struct block_list *list)
{
    struct block *b = list->head;

    if (b != NULL) {
        list->head = b->next;
        b->next = NULL;
        if (list->head == NULL) {
            list->tail = NULL;
        }
    }
    return b;
}

void block_list_move(struct block_list *to, struct block_list *from)
{
    if (from->head == NULL) {
        return;
    }
    if (to->head == NULL) {
        *to = *from;
    } else {
        to->tail->next = from->head;
        to->tail = from->tail;
    }
    *from = (struct block_list){NULL, NULL};
}
