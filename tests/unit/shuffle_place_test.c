/* Placement: docs/wire.md, "Placement". */
#include "shuffle/shuffle_place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/prng.h"

enum {
    VNODES = 256,
    SINKS_MAX = 16,
};

/* A placement of the given nodes, in generation 1000 + id, sink number 1. */
struct fixture {
    uint8_t packed[SINKS_MAX * SHUFFLE_SINK_BYTES];
    struct shuffle_wire_sinks sinks;
    struct shuffle_place place;
};

static void set_sinks(struct fixture *f, const uint64_t *nodes, size_t count)
{
    struct writer w = writer_of(f->packed, sizeof(f->packed));

    for (size_t i = 0; i < count; i++) {
        struct shuffle_sink_id sink = {nodes[i], 1000 + nodes[i], 1};

        shuffle_wire_put_sink(&w, &sink);
    }
    assert_false(w.failed);
    f->sinks = (struct shuffle_wire_sinks){0, writer_bytes(&w)};
}

static void place(struct fixture *f, const uint64_t *nodes, size_t count)
{
    set_sinks(f, nodes, count);
    assert_int_equal(shuffle_place_init(&f->place, VNODES, 0, &f->sinks), 0);
}

static uint64_t owner_of(const struct shuffle_place *p, uint32_t vnode)
{
    return shuffle_place_sink(p, p->owners[vnode]).node;
}

static size_t from_hex(const char *hex, uint8_t *out)
{
    size_t size = 0;

    for (; hex[0] != '\0'; hex += 2) {
        char digits[3] = {hex[0], hex[1], '\0'};

        out[size++] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return size;
}

static void keys_hash_as_laminardb_hashes_them(void **state)
{
    static const struct {
        const char *key; /* hexadecimal */
        uint64_t hash;
        uint32_t of_4, of_16, of_256;
    } rows[] = {
            {"", UINT64_C(0x2d06800538d394c2), 2, 2, 194},
            {"68656c6c6f", UINT64_C(0x9555e8555c62dcfd), 1, 13, 253},
            {"6b65792d78", UINT64_C(0xb1888f05ab928c38), 0, 8, 56},
            {"757365722d3432", UINT64_C(0x50fe4b21cf7b09cd), 1, 13, 205},
            {"018000000000000000", UINT64_C(0x5ed9351268211059), 1, 9, 89},
            {"018000000000000001", UINT64_C(0x82452dc3791a853e), 2, 14, 62},
            {"018000000000000002", UINT64_C(0xd30ba4d4d91d77ab), 3, 11, 171},
            {"018000000000000003", UINT64_C(0x6931b8dd7f46c2cd), 1, 13, 205},
            {"018000000000000004", UINT64_C(0x8eb3331c47842019), 1, 9, 25},
            {"018000000000000005", UINT64_C(0x668463788c788c1f), 3, 15, 31},
            {"018000000000000006", UINT64_C(0xada8b0c82c78bf1a), 2, 10, 26},
            {"018000000000000007", UINT64_C(0x71a4ba7277b9b643), 3, 3, 67},
            {"017fffffffffffffff", UINT64_C(0xa3c359fd3e03bbfc), 0, 12, 252},
            {"000000000000000000", UINT64_C(0x34499569f0391857), 3, 7, 87},
            {"01", UINT64_C(0xe12ef9d2eb86ceeb), 3, 11, 235},
            {"02610000000000000001", UINT64_C(0x5ded834e1a728bf1), 1, 1, 241},
            {"02757365722d34320007", UINT64_C(0x28bc4105978b517a), 2, 10, 122},
            {"02313233343536373808", UINT64_C(0x5aa9d6478f4fd94e), 2, 14, 78},
            {"023132333435363738ff390000000000000001",
                    UINT64_C(0x778b7084b0b45056), 2, 6, 86},
            {"01800000000000000702757365722d34320007",
                    UINT64_C(0x46f7d76948223543), 3, 3, 67},
    };
    struct fixture f;
    const uint64_t node = 1;

    (void)state;
    place(&f, &node, 1);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t key[64];
        size_t size = from_hex(rows[i].key, key);
        uint64_t hash = hash_xxh3(bytes_of(key, size));

        print_message("  %s\n", rows[i].key);
        assert_true(hash == rows[i].hash);
        assert_int_equal(hash % 4, rows[i].of_4);
        assert_int_equal(hash % 16, rows[i].of_16);
        assert_int_equal(shuffle_place_vnode(&f.place, hash), rows[i].of_256);
    }
    shuffle_place_close(&f.place);
}

static void vnodes_need_not_be_a_power_of_two(void **state)
{
    static const uint32_t vnodes[] = {1, 2, 3, 4, 7, 100, 255, 1000};
    struct fixture f;
    const uint64_t node = 1;

    (void)state;
    set_sinks(&f, &node, 1);
    for (size_t i = 0; i < sizeof(vnodes) / sizeof(vnodes[0]); i++) {
        assert_int_equal(
                shuffle_place_init(&f.place, vnodes[i], 0, &f.sinks), 0);
        for (uint64_t k = 0; k < 1000; k++) {
            uint64_t hash = hash_xxh3(bytes_of(&k, sizeof(k)));

            assert_int_equal(
                    shuffle_place_vnode(&f.place, hash), hash % vnodes[i]);
        }
        shuffle_place_close(&f.place);
    }
}

/* Once more from the words of the document, without the core's own helpers. */
static uint64_t rendezvous_again(
        uint64_t vnode, const uint64_t *nodes, size_t count)
{
    uint64_t best_score = 0;
    uint64_t best_node = 0;

    for (size_t i = 0; i < count; i++) {
        uint8_t text[16];
        uint64_t score;

        for (unsigned b = 0; b < 8; b++) {
            text[b] = (uint8_t)(vnode >> (8 * b));
            text[8 + b] = (uint8_t)(nodes[i] >> (8 * b));
        }
        score = hash_xxh3(bytes_of(text, sizeof(text)));
        if (score > best_score ||
                (score == best_score && nodes[i] > best_node)) {
            best_score = score;
            best_node = nodes[i];
        }
    }
    return best_node;
}

static void each_vnode_belongs_to_the_largest_score(void **state)
{
    static const uint64_t nodes[] = {
            3, 9, 77, UINT64_C(0xbe6903b5f625ab5a), UINT64_MAX};
    struct fixture f;

    (void)state;
    place(&f, nodes, 5);
    for (uint32_t v = 0; v < VNODES; v++) {
        assert_true(owner_of(&f.place, v) == rendezvous_again(v, nodes, 5));
    }
    shuffle_place_close(&f.place);
}

static void no_node_has_all_and_none_has_nothing(void **state)
{
    static const uint64_t nodes[] = {1, 2, 3};
    size_t owned[3] = {0};
    struct fixture f;

    (void)state;
    place(&f, nodes, 3);
    for (uint32_t v = 0; v < VNODES; v++) {
        owned[f.place.owners[v]]++;
    }
    for (size_t i = 0; i < 3; i++) {
        assert_in_range(owned[i], VNODES / 6, VNODES / 2);
    }
    shuffle_place_close(&f.place);
}

static void a_node_that_comes_takes_only_its_own(void **state)
{
    static const uint64_t before[] = {1, 2, 4};
    static const uint64_t after[] = {1, 2, 3, 4};
    struct fixture a;
    struct fixture b;

    (void)state;
    place(&a, before, 3);
    place(&b, after, 4);
    for (uint32_t v = 0; v < VNODES; v++) {
        uint64_t now = owner_of(&b.place, v);

        assert_true(now == 3 || now == owner_of(&a.place, v));
    }
    shuffle_place_close(&a.place);
    shuffle_place_close(&b.place);
}

static void the_id_is_the_hash_of_all_that_decides(void **state)
{
    static const uint64_t nodes[] = {7, 9};
    uint8_t text[34 + 2 * SHUFFLE_SINK_BYTES];
    struct fixture f;

    (void)state;
    set_sinks(&f, nodes, 2);
    f.sinks.epoch = 5;
    assert_int_equal(shuffle_place_init(&f.place, VNODES, 3, &f.sinks), 0);
    memcpy(text, "weft-place-1", 12);
    memcpy(text + 12, "\1\0\0\1\0\0", 6);
    memcpy(text + 18, "\5\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0", 16);
    memcpy(text + 34, f.sinks.packed.data, f.sinks.packed.size);
    assert_true(f.place.id == hash_xxh3(bytes_of(text, sizeof(text))));
    shuffle_place_close(&f.place);
}

static void any_difference_is_another_id(void **state)
{
    static const uint64_t nodes[] = {7, 9};
    struct fixture f;
    uint64_t id;

    (void)state;
    set_sinks(&f, nodes, 2);
    id = shuffle_place_id(VNODES, 0, &f.sinks);
    assert_true(id != shuffle_place_id(VNODES + 1, 0, &f.sinks));
    assert_true(id != shuffle_place_id(VNODES, 1, &f.sinks));
    f.sinks.epoch = 1;
    assert_true(id != shuffle_place_id(VNODES, 0, &f.sinks));
    f.sinks.epoch = 0;
    for (size_t i = 0; i < 2 * SHUFFLE_SINK_BYTES; i++) {
        f.packed[i] ^= 0x40;
        assert_true(id != shuffle_place_id(VNODES, 0, &f.sinks));
        f.packed[i] ^= 0x40;
    }
    assert_true(id == shuffle_place_id(VNODES, 0, &f.sinks));
}

static void a_sink_is_found_by_its_node(void **state)
{
    static const uint64_t nodes[] = {2, 3, 5, 8, 13};
    struct fixture f;

    (void)state;
    place(&f, nodes, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(shuffle_place_find(&f.place, nodes[i]), i);
    }
    assert_int_equal(shuffle_place_find(&f.place, 1), 5);
    assert_int_equal(shuffle_place_find(&f.place, 7), 5);
    assert_int_equal(shuffle_place_find(&f.place, 14), 5);
    shuffle_place_close(&f.place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(keys_hash_as_laminardb_hashes_them),
            cmocka_unit_test(vnodes_need_not_be_a_power_of_two),
            cmocka_unit_test(each_vnode_belongs_to_the_largest_score),
            cmocka_unit_test(no_node_has_all_and_none_has_nothing),
            cmocka_unit_test(a_node_that_comes_takes_only_its_own),
            cmocka_unit_test(the_id_is_the_hash_of_all_that_decides),
            cmocka_unit_test(any_difference_is_another_id),
            cmocka_unit_test(a_sink_is_found_by_its_node),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
