/* Borrowed bytes: a pointer and a size that travel together.
 *
 * A `struct bytes` never owns what it points at; whoever hands one out says
 * until when it stays good. Text in Weft is bytes too: it is UTF-8, it has a
 * size, and it need not end in a NUL. */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
    const uint8_t *data; /* may be NULL when size is 0 */
    size_t size;
};

/* Inline, as bytes_skip is: they run for every field of every frame. */
static inline struct bytes bytes_of(const void *data, size_t size)
{
    return (struct bytes){.data = (const uint8_t *)data, .size = size};
}

/* Of a C string, without its NUL. */
struct bytes bytes_text(const char *text);

bool bytes_equal(struct bytes a, struct bytes b);
bool bytes_equal_text(struct bytes a, const char *text);

/* Bytewise like memcmp, a prefix before the longer one: <0, 0, >0. */
int bytes_compare(struct bytes a, struct bytes b);

bool bytes_starts_with(struct bytes whole, struct bytes prefix);

/* From offset `from` to the end; `from` is at most the size: asserted. */
static inline struct bytes bytes_skip(struct bytes b, size_t from)
{
    assert(from <= b.size);
    return bytes_of(b.size == 0 ? b.data : b.data + from, b.size - from);
}

/* Well-formed UTF-8 as RFC 3629 has it: no surrogates, no overlong forms,
 * nothing above U+10FFFF. A NUL inside is fine. */
bool bytes_is_utf8(struct bytes b);

/* Canonical decimal digits, 0 to 2^64-1, no sign, no leading zero, nothing
 * around them. */
bool bytes_to_u64(struct bytes digits, uint64_t *value);
