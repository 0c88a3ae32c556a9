#include "conf/conf.h"

#include <string.h>

#include "conf/conf_assign.h"
#include "conf/conf_value.h"

static void show_item(const struct conf *conf,
        const struct conf_setting *setting, size_t i, FILE *out)
{
    struct conf_origin origin = conf->origins[setting - conf_table];
    char place[CONF_ORIGIN_BYTES];
    char value[CONF_VALUE_BYTES];

    origin.line = conf_value_line(conf, setting, i);
    (void)fprintf(out, "# %s\n%s =%s%s\n",
            conf_origin_text(conf, setting, origin, place), setting->key,
            conf_value_format(conf, setting, i, value)[0] != '\0' ? " " : "",
            value);
}

/* An empty list is written as what empties one. */
static void show_nothing(
        const struct conf *conf, const struct conf_setting *setting, FILE *out)
{
    char place[CONF_ORIGIN_BYTES];

    (void)fprintf(out, "# %s\n%s =\n",
            conf_origin_text(
                    conf, setting, conf->origins[setting - conf_table], place),
            setting->key);
}

void conf_show(const struct conf *conf, FILE *out)
{
    const char *section = "";

    for (size_t i = 0; i < CONF_SETTINGS; i++) {
        const struct conf_setting *setting = &conf_table[i];
        size_t count = conf_value_count(conf, setting);

        if (strcmp(section, setting->section) != 0) {
            (void)fprintf(out, "%s[%s]\n", i > 0 ? "\n" : "", setting->section);
            section = setting->section;
        }
        if (count == 0) {
            show_nothing(conf, setting, out);
        }
        for (size_t item = 0; item < count; item++) {
            show_item(conf, setting, item, out);
        }
    }
}
