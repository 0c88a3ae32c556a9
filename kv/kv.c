#include "kv/kv.h"

int kv_write(
        struct kv *kv, struct bytes key, struct bytes value, struct error *err)
{
    return kv->methods->write(kv->context, key, value, err);
}

bool kv_read_from(const struct kv *kv, uint64_t node_id, struct bytes key,
        struct bytes *value)
{
    return kv->methods->read_from(kv->context, node_id, key, value);
}

bool kv_scan(const struct kv *kv, struct bytes key, struct kv_cursor *cursor,
        struct kv_found *found)
{
    return kv->methods->scan(kv->context, key, cursor, found);
}

int kv_watch(struct kv *kv, struct bytes prefix, uint64_t tag)
{
    const struct kv_watch watch = {.prefix = prefix, .tag = tag};

    return kv_watches_add(kv->watches, &watch);
}

void kv_unwatch(struct kv *kv, uint64_t tag)
{
    kv_watches_remove(kv->watches, tag);
}
