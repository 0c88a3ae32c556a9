/* What the reports are written with: json-c in fewer words. For the files that
 * implement node/report_json.h; nobody else's. */
#pragma once

#include "base/addr.h"
#include "base/bytes.h"

struct gossip_member;
struct json_object;
struct node;

/* Values: a text, and a number as a string of digits. */
struct json_object *report_text(struct bytes text);
struct json_object *report_digits(uint64_t number);

/* Fields of an object; `value` is the object's from then on, NULL is null. */
void report_add(struct json_object *object, const char *name,
        struct json_object *value);
void report_add_text(
        struct json_object *object, const char *name, const char *text);
void report_add_number(
        struct json_object *object, const char *name, uint64_t number);
void report_add_flag(struct json_object *object, const char *name, bool flag);
void report_add_digits(
        struct json_object *object, const char *name, uint64_t number);

/* Null for ADDR_NONE. */
void report_add_addr(
        struct json_object *object, const char *name, const struct addr *addr);

/* The parts of `info` and of a row of `members` that are about checkpoints. */
struct json_object *report_checkpoint(const struct node *n);
void report_add_checkpoint_health(struct json_object *member,
        const struct node *n, const struct gossip_member *m);

/* The text of the document, in memory of its own; the document is gone. */
char *report_finish(struct json_object *document);
