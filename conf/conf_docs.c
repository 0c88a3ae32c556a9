#include "conf/conf_docs.h"

#include <string.h>

#include "conf/conf_value.h"

enum {
    COLUMNS = 78,
};

/* One paragraph of comment, broken at spaces. */
static void comment(const char *text, FILE *out)
{
    size_t column = 0;

    while (*text != '\0') {
        size_t word = strcspn(text, " ");

        if (column == 0 || column + 1 + word > COLUMNS) {
            (void)fprintf(out, "%s# ", column == 0 ? "" : "\n");
            column = 2;
        } else {
            (void)fputc(' ', out);
            column++;
        }
        (void)fwrite(text, 1, word, out);
        column += word;
        text += word;
        text += strspn(text, " ");
    }
    (void)fputc('\n', out);
}

static bool begins_section(size_t i)
{
    return i == 0 ||
           strcmp(conf_table[i].section, conf_table[i - 1].section) != 0;
}

static void sample_setting(const struct conf_setting *setting, FILE *out)
{
    char phrase[CONF_PHRASE_BYTES];
    char takes[CONF_PHRASE_BYTES + 64];

    comment(setting->help, out);
    (void)snprintf(takes, sizeof(takes), "(%s%s)",
            conf_value_phrase(setting, phrase),
            conf_is_list(setting) ? "; repeatable" : "");
    comment(takes, out);
    (void)fprintf(out, ";%s = %s\n", setting->key,
            setting->initial[0] != '\0' ? setting->initial : setting->example);
}

void conf_sample(FILE *out)
{
    comment("Weft's settings. A line that begins with a semicolon shows the "
            "default, or an example where nothing is the default.",
            out);
    comment("WEFT_<SECTION>_<KEY> in the environment wins over this file, and "
            "--set section.key=value over both; see weft(1).",
            out);
    for (size_t i = 0; i < CONF_SETTINGS; i++) {
        (void)fputc('\n', out);
        if (begins_section(i)) {
            (void)fprintf(out, "[%s]\n\n", conf_table[i].section);
        }
        sample_setting(&conf_table[i], out);
    }
}

/* mdoc reads a line's first word as a macro and breaks sentences at its ends,
 * so each sentence stands on a line of its own. */
static void reference_setting(const struct conf_setting *setting, FILE *out)
{
    char phrase[CONF_PHRASE_BYTES];

    (void)fprintf(out, ".It Ic %s\n%s\n", setting->key, setting->help);
    (void)fprintf(out, "Takes %s", conf_value_phrase(setting, phrase));
    if (conf_is_list(setting)) {
        (void)fprintf(out, "; repeatable, up to %llu times.\n",
                (unsigned long long)setting->max);
    } else if (setting->initial[0] == '\0') {
        (void)fprintf(out, ".\nThe default is empty.\n");
    } else {
        (void)fprintf(out, ".\nThe default is\n.Ql %s .\n", setting->initial);
    }
}

void conf_reference(FILE *out)
{
    (void)fprintf(out, ".Sh SETTINGS\n");
    for (size_t i = 0; i < CONF_SETTINGS; i++) {
        if (begins_section(i)) {
            (void)fprintf(out, "%s.Ss [%s]\n.Bl -tag -width Ds\n",
                    i > 0 ? ".El\n" : "", conf_table[i].section);
        }
        reference_setting(&conf_table[i], out);
    }
    (void)fprintf(out, ".El\n");
}
