/* The manual page names every command, flag and counter that there is. Its
 * settings are made from their table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gossip/gossip_counters.h"
#include "node/cli.h"
#include "shuffle/shuffle_count.h"

struct manual {
    char text[64 << 10];
};

/* Tests run in the root of the repository. */
static int read_manual(void **state)
{
    static struct manual manual;
    FILE *file = fopen("docs/weft.1.in", "rb");
    size_t size;

    assert_non_null(file);
    size = fread(manual.text, 1, sizeof(manual.text) - 1, file);
    assert_int_equal(fclose(file), 0);
    manual.text[size] = '\0';
    *state = &manual;
    return 0;
}

static void expect(const struct manual *manual, const char *start,
        const char *name, const char *end)
{
    char wanted[128];

    (void)snprintf(wanted, sizeof(wanted), "%s%s%s", start, name, end);
    print_message("%s\n", name);
    assert_non_null(strstr(manual->text, wanted));
}

static void every_command_is_in_the_manual(void **state)
{
    for (enum cli_verb_id id = 0; id < CLI_VERBS; id++) {
        expect(*state, "\n.It Cm ", cli_verb_at(id)->name, "");
    }
}

static void every_flag_is_in_the_manual(void **state)
{
    for (enum cli_flag_id id = 0; id < CLI_FLAGS; id++) {
        const char *start = cli_flag_at(id)->letter == 0 ? "Fl -" : ", -";

        expect(*state, start, cli_flag_at(id)->name, "");
    }
}

static void every_counter_is_in_the_manual(void **state)
{
    static const char *const others[] = {"truncated", "udp_receive",
            "udp_refused", "udp_send", "udp_full", "accept"};

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        expect(*state, "\n.It Ic ", others[i], "\n");
    }
    for (int why = GOSSIP_DROP_NONE + 1; why < GOSSIP_DROP_COUNT; why++) {
        expect(*state, "\n.It Ic ", gossip_drop_name((enum gossip_drop)why),
                "\n");
    }
    for (int why = 0; why < GOSSIP_REFUSED_COUNT; why++) {
        expect(*state, "\n.It Ic ",
                gossip_refusal_name((enum gossip_refusal)why), "\n");
    }
    for (int why = 0; why < SHUFFLE_DROP_COUNT; why++) {
        expect(*state, "\n.It Ic ", shuffle_drop_name((enum shuffle_drop)why),
                "\n");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(every_command_is_in_the_manual),
            cmocka_unit_test(every_flag_is_in_the_manual),
            cmocka_unit_test(every_counter_is_in_the_manual),
    };

    return cmocka_run_group_tests(tests, read_manual, NULL);
}
