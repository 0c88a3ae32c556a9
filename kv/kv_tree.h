/* Keys in byte order: a treap (Seidel and Aragon, 1989).
 *
 * A search tree by key that is also a heap by a random priority, so its depth
 * stays logarithmic whatever order the keys come in, and no stranger can
 * choose keys that make it slow. The nodes are embedded in their owners and
 * the tree never allocates. A tree is the pointer to its root; NULL is empty.
 */
#pragma once

#include "base/bytes.h"

struct kv_tree_node {
    struct kv_tree_node *left;
    struct kv_tree_node *right;
    uint64_t priority; /* drawn by the owner, once */
    struct bytes key; /* the owner's memory, unchanged while in the tree */
};

struct kv_tree_node *kv_tree_find(struct kv_tree_node *root, struct bytes key);

/* The smallest key at or above `key`, or NULL. */
struct kv_tree_node *kv_tree_at(struct kv_tree_node *root, struct bytes key);

/* The smallest key above `key`, or NULL. */
struct kv_tree_node *kv_tree_above(struct kv_tree_node *root, struct bytes key);

/* The key must not be there yet. */
void kv_tree_insert(struct kv_tree_node **root, struct kv_tree_node *node);

/* The node must be in this tree. */
void kv_tree_remove(struct kv_tree_node **root, struct kv_tree_node *node);
