/* The settings of a node: their values, and where each of them comes from.
 *
 * A life: conf_init fills in the defaults; then the file, the environment and
 * the flags are read, in this order, each over the one before; conf_check
 * judges what concerns more than one setting. Every step puts its mistakes into
 * one report and goes on, so that all of them are known at the end; a setting
 * whose text is wrong keeps the value it had.
 *
 *     conf_init(&conf);
 *     conf_read_file(&conf, "weft.ini", &report);
 *     conf_read_env(&conf, environ, &report);
 *     conf_set(&conf, "gossip.interval=250ms", &report);
 *     conf_check(&conf, &report);
 *     if (report.mistakes > 0) ...
 *
 * Names, units, bounds, defaults and help stand in one table, conf_table.c, and
 * everything that knows a setting by name is made from it. A list is given by
 * repeating its key; a later source replaces the whole list of an earlier one.
 * Nothing here resolves a host name or asks the system for anything: what is
 * empty below is for the node to find. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/addr.h"
#include "conf/conf_report.h"

enum {
    CONF_SETTINGS = 37, /* rows of the table */
    /* Texts with their NUL; each legal one fits on a line of the file. */
    CONF_NAME_BYTES = 129,
    CONF_HOST_BYTES = 181,
    CONF_DIR_BYTES = 181,
    CONF_SOCKET_BYTES = 108, /* what Linux keeps of a local socket's path */
    CONF_FILE_BYTES = 1024, /* the path of the file itself */
    CONF_SEEDS_MAX = 64,
    CONF_PEERS_MAX = 256,
};

enum conf_source {
    CONF_DEFAULT,
    CONF_FILE,
    CONF_ENV,
    CONF_ENV_FILE, /* a file that the environment names */
    CONF_FLAG,
};

struct conf_origin {
    enum conf_source source;
    unsigned line; /* of the file, from 1; 0 for other sources */
};

/* Where others are told to find us. */
struct conf_advertise {
    bool is_auto; /* find it out; `addr` means nothing */
    struct addr addr; /* port 0: the port that was bound */
};

/* One `host:port` to ask for the cluster; a name or a numeric address, IPv6
 * without its brackets. */
struct conf_seed {
    char host[CONF_HOST_BYTES];
    uint16_t port;
    unsigned line; /* as in struct conf_origin */
};

/* One `id@address` that is known without asking anybody. */
struct conf_peer {
    uint64_t id;
    struct addr addr;
    unsigned line; /* as in struct conf_origin */
};

enum conf_protocol {
    CONF_PROTOCOL_V0,
    CONF_PROTOCOL_V1,
    CONF_PROTOCOL_AUTO, /* V1 with those who are known to read it */
};

enum conf_log_level {
    CONF_LOG_DEBUG,
    CONF_LOG_INFO,
    CONF_LOG_WARN,
    CONF_LOG_ERROR,
};

enum conf_log_format {
    CONF_LOG_AUTO, /* text on a terminal, else json */
    CONF_LOG_TEXT,
    CONF_LOG_JSON,
};

struct conf_seeds {
    struct conf_seed items[CONF_SEEDS_MAX];
    size_t count;
};

struct conf_peers {
    struct conf_peer items[CONF_PEERS_MAX];
    size_t count;
};

struct conf {
    struct {
        uint64_t id; /* 0: kept in data_dir, drawn, or made from the name */
        char name[CONF_NAME_BYTES]; /* "": the host name */
        char data_dir[CONF_DIR_BYTES]; /* "": memory only */
        char socket[CONF_SOCKET_BYTES]; /* "": the user's usual place */
    } node;
    struct {
        char name[CONF_NAME_BYTES];
        struct conf_seeds seed;
    } cluster;
    struct {
        struct addr bind;
        struct conf_advertise advertise;
        enum conf_protocol protocol; /* what exchanges are opened in */
        uint64_t interval_ms;
        uint64_t fanout;
        double phi;
        uint64_t min_mean_ms; /* 0: the interval; conf_check fills it in */
        uint64_t dead_grace_ms;
        uint64_t tombstone_grace_ms;
        uint64_t members_max;
    } gossip;
    struct {
        uint64_t max_value_bytes;
        uint64_t max_node_state_bytes;
        uint64_t max_remote_bytes;
    } kv;
    struct {
        bool insecure;
    } security;
    struct {
        struct addr bind;
        struct conf_advertise advertise;
        struct conf_peers peer;
        uint64_t vnodes;
        uint64_t max_frame_bytes;
        uint64_t window_bytes;
        uint64_t memory_budget_bytes;
        uint64_t connect_timeout_ms;
        uint64_t peer_timeout_ms;
        uint64_t reconnect_min_ms;
        uint64_t reconnect_max_ms;
    } shuffle;
    struct {
        uint64_t interval_ms; /* 0: by hand */
        uint64_t align_timeout_ms;
        uint64_t patience;
        uint64_t expect;
    } checkpoint;
    struct {
        enum conf_log_level level;
        enum conf_log_format format;
    } log;

    struct conf_origin origins[CONF_SETTINGS]; /* by row of the table */
    char file[CONF_FILE_BYTES]; /* the file that was read, or "" */
};

/* The defaults. */
void conf_init(struct conf *conf);

/* Reads an INI file. A line that the parser would silently take for something
 * else (too long, indented, with an inline comment, ...) is a mistake with its
 * line. A file that cannot be read is one mistake. */
void conf_read_file(
        struct conf *conf, const char *path, struct conf_report *report);

/* Reads the variables WEFT_<SECTION>_<KEY> of a list of `NAME=value` that ends
 * in NULL; lists are split at spaces. WEFT_<SECTION>_<KEY>_FILE names a file
 * that holds the value. WEFT_CONFIG and what Kubernetes defines for a Service
 * called weft are left alone; any other WEFT_ name is a mistake. */
void conf_read_env(
        struct conf *conf, char *const variables[], struct conf_report *report);

/* One flag, `section.key=value`. A scalar may be set again, and the last one
 * counts; a list grows, and an empty value empties it. */
void conf_set(
        struct conf *conf, const char *assignment, struct conf_report *report);

/* The rules between settings, after all sources: budgets that must hold one
 * another, and no port open to the network without `security.insecure`. Fills
 * in what follows from other settings. */
void conf_check(struct conf *conf, struct conf_report *report);

/* The settings in force as a valid INI file, the origin of each in a comment
 * above it. */
void conf_show(const struct conf *conf, FILE *out);
