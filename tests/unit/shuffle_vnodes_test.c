/* Numbers in names are those of docs/wire.md, "LaminarDB's frames". */
#include "shuffle/shuffle_vnodes.h"

#include "aborts.h"

static void a_new_registry_37_is_all_unassigned(void **state)
{
    struct shuffle_vnodes vnodes;

    (void)state;
    shuffle_vnodes_init(&vnodes, 8);
    for (uint32_t v = 0; v < 8; v++) {
        assert_int_equal(shuffle_vnodes_owner(&vnodes, v), SHUFFLE_UNASSIGNED);
    }
    assert_int_equal(vnodes.version, 1);
    shuffle_vnodes_close(&vnodes);
}

static void a_single_owner_38_has_them_all(void **state)
{
    struct shuffle_vnodes vnodes;

    (void)state;
    shuffle_vnodes_init_single(&vnodes, 4, 77);
    for (uint32_t v = 0; v < 4; v++) {
        assert_int_equal(shuffle_vnodes_owner(&vnodes, v), 77);
    }
    shuffle_vnodes_close(&vnodes);
}

static void an_assignment_39_changes_owners_and_version(void **state)
{
    static const uint64_t owners[] = {5, 6, 5, 6};
    struct shuffle_vnodes vnodes;

    (void)state;
    shuffle_vnodes_init(&vnodes, 4);
    shuffle_vnodes_assign(&vnodes, owners, 4);
    assert_int_equal(vnodes.version, 2);
    assert_int_equal(shuffle_vnodes_owner(&vnodes, 1), 6);
    shuffle_vnodes_assign_version(&vnodes, owners, 4, 2);
    shuffle_vnodes_assign_version(&vnodes, owners, 4, 40);
    assert_int_equal(vnodes.version, 40);
    shuffle_vnodes_close(&vnodes);
}

static void assign_three_of_four(void)
{
    static const uint64_t owners[] = {1, 2, 3};
    struct shuffle_vnodes vnodes;

    shuffle_vnodes_init(&vnodes, 4);
    shuffle_vnodes_assign(&vnodes, owners, 3);
}

static void assign_an_older_version(void)
{
    static const uint64_t owners[] = {1};
    struct shuffle_vnodes vnodes;

    shuffle_vnodes_init(&vnodes, 1);
    shuffle_vnodes_assign_version(&vnodes, owners, 1, 0);
}

static void init_none(void)
{
    struct shuffle_vnodes vnodes;

    shuffle_vnodes_init(&vnodes, 0);
}

static void a_wrong_length_40_is_a_programming_error(void **state)
{
    (void)state;
    assert_aborts(assign_three_of_four);
    assert_aborts(assign_an_older_version);
    assert_aborts(init_none);
}

static void a_key_41_has_one_vnode_in_range(void **state)
{
    struct shuffle_vnodes vnodes;

    (void)state;
    shuffle_vnodes_init(&vnodes, 16);
    for (int i = 0; i < 100; i++) {
        char key[16];
        uint32_t v;

        (void)snprintf(key, sizeof(key), "key-%d", i);
        v = shuffle_vnodes_of_key(&vnodes, bytes_text(key));
        assert_true(v < 16);
        assert_int_equal(v, shuffle_vnodes_of_key(&vnodes, bytes_text(key)));
    }
    assert_int_equal(shuffle_vnodes_of_key(&vnodes, bytes_text("")), 2);
    assert_int_equal(shuffle_vnodes_of_key(&vnodes, bytes_text("hello")), 13);
    assert_int_equal(shuffle_vnodes_of_key(&vnodes, bytes_text("key-x")), 8);
    shuffle_vnodes_close(&vnodes);
}

static void a_vnode_out_of_range_42_is_unassigned(void **state)
{
    struct shuffle_vnodes vnodes;

    (void)state;
    shuffle_vnodes_init_single(&vnodes, 4, 77);
    assert_int_equal(shuffle_vnodes_owner(&vnodes, 4), SHUFFLE_UNASSIGNED);
    assert_int_equal(
            shuffle_vnodes_owner(&vnodes, UINT32_MAX), SHUFFLE_UNASSIGNED);
    shuffle_vnodes_close(&vnodes);
}

static void owned_vnodes_43_are_listed_in_order(void **state)
{
    static const uint64_t owners[] = {1, 2, 1, 2};
    struct shuffle_vnodes vnodes;
    uint32_t owned[8];

    (void)state;
    shuffle_vnodes_init(&vnodes, 4);
    shuffle_vnodes_assign(&vnodes, owners, 4);
    assert_int_equal(shuffle_vnodes_owned(&vnodes, 1, owned, 8), 2);
    assert_int_equal(owned[0], 0);
    assert_int_equal(owned[1], 2);
    assert_int_equal(shuffle_vnodes_owned(&vnodes, 2, owned, 1), 2);
    assert_int_equal(owned[0], 1);
    assert_int_equal(shuffle_vnodes_owned(&vnodes, 99, owned, 8), 0);
    shuffle_vnodes_close(&vnodes);

    shuffle_vnodes_init_single(&vnodes, 8, 3);
    assert_int_equal(shuffle_vnodes_owned(&vnodes, 3, owned, 8), 8);
    for (uint32_t v = 0; v < 8; v++) {
        assert_int_equal(owned[v], v);
    }
    shuffle_vnodes_close(&vnodes);
}

static void round_robin_44_does_not_depend_on_the_order_of_peers(void **state)
{
    static const uint64_t expected[] = {3, 5, 7, 3, 5, 7, 3, 5};
    static const uint64_t orders[][3] = {
            {7, 3, 5}, {3, 5, 7}, {5, 7, 3}, {7, 5, 3}};
    uint64_t owners[8];

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        shuffle_vnodes_round_robin(owners, 8, orders[i], 3);
        assert_memory_equal(owners, expected, sizeof(expected));
    }
}

static void one_peer_45_owns_all_and_duplicates_count(void **state)
{
    static const uint64_t one[] = {9};
    static const uint64_t twice[] = {9, 4, 9};
    static const uint64_t expected[] = {4, 9, 9, 4};
    uint64_t owners[4];

    (void)state;
    shuffle_vnodes_round_robin(owners, 4, one, 1);
    for (int v = 0; v < 4; v++) {
        assert_int_equal(owners[v], 9);
    }
    shuffle_vnodes_round_robin(owners, 4, twice, 3);
    assert_memory_equal(owners, expected, sizeof(expected));
}

static void share_among_nobody(void)
{
    uint64_t owners[4] = {0};

    shuffle_vnodes_round_robin(owners, 4, owners, 0);
}

static void no_peer_46_is_a_programming_error(void **state)
{
    (void)state;
    assert_aborts(share_among_nobody);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_new_registry_37_is_all_unassigned),
            cmocka_unit_test(a_single_owner_38_has_them_all),
            cmocka_unit_test(an_assignment_39_changes_owners_and_version),
            cmocka_unit_test(a_wrong_length_40_is_a_programming_error),
            cmocka_unit_test(a_key_41_has_one_vnode_in_range),
            cmocka_unit_test(a_vnode_out_of_range_42_is_unassigned),
            cmocka_unit_test(owned_vnodes_43_are_listed_in_order),
            cmocka_unit_test(
                    round_robin_44_does_not_depend_on_the_order_of_peers),
            cmocka_unit_test(one_peer_45_owns_all_and_duplicates_count),
            cmocka_unit_test(no_peer_46_is_a_programming_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
