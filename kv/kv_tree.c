#include "kv/kv_tree.h"

#include <assert.h>

struct kv_tree_node *kv_tree_find(struct kv_tree_node *root, struct bytes key)
{
    while (root != NULL) {
        int order = bytes_compare(key, root->key);

        if (order == 0) {
            return root;
        }
        root = order < 0 ? root->left : root->right;
    }
    return NULL;
}

struct kv_tree_node *kv_tree_at(struct kv_tree_node *root, struct bytes key)
{
    struct kv_tree_node *best = NULL;

    while (root != NULL) {
        if (bytes_compare(root->key, key) >= 0) {
            best = root;
            root = root->left;
        } else {
            root = root->right;
        }
    }
    return best;
}

struct kv_tree_node *kv_tree_above(struct kv_tree_node *root, struct bytes key)
{
    struct kv_tree_node *best = NULL;

    while (root != NULL) {
        if (bytes_compare(root->key, key) > 0) {
            best = root;
            root = root->left;
        } else {
            root = root->right;
        }
    }
    return best;
}

/* Cuts a tree into the keys below and those above `key`. */
static void split(struct kv_tree_node *tree, struct bytes key,
        struct kv_tree_node **below, struct kv_tree_node **above)
{
    while (tree != NULL) {
        if (bytes_compare(tree->key, key) < 0) {
            *below = tree;
            below = &tree->right;
            tree = tree->right;
        } else {
            *above = tree;
            above = &tree->left;
            tree = tree->left;
        }
    }
    *below = NULL;
    *above = NULL;
}

/* Joins two trees, every key of `below` being smaller than any of `above`. */
static void merge(struct kv_tree_node **root, struct kv_tree_node *below,
        struct kv_tree_node *above)
{
    while (below != NULL && above != NULL) {
        if (below->priority > above->priority) {
            *root = below;
            root = &below->right;
            below = below->right;
        } else {
            *root = above;
            root = &above->left;
            above = above->left;
        }
    }
    *root = below != NULL ? below : above;
}

void kv_tree_insert(struct kv_tree_node **root, struct kv_tree_node *node)
{
    while (*root != NULL && (*root)->priority >= node->priority) {
        int order = bytes_compare(node->key, (*root)->key);

        assert(order != 0);
        root = order < 0 ? &(*root)->left : &(*root)->right;
    }
    split(*root, node->key, &node->left, &node->right);
    *root = node;
}

void kv_tree_remove(struct kv_tree_node **root, struct kv_tree_node *node)
{
    while (*root != node) {
        assert(*root != NULL);
        root = bytes_compare(node->key, (*root)->key) < 0 ? &(*root)->left
                                                          : &(*root)->right;
    }
    merge(root, node->left, node->right);
}
