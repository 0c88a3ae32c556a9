/* Any text as a configuration file: it is read or refused with a report, and
 * whatever settings come of it can be shown and read again. */
#include "conf/conf_ini.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *shown(const struct conf *conf, size_t *size)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, size);

    assert(out != NULL);
    conf_show(conf, out);
    (void)fclose(out);
    return text;
}

static size_t parse(struct conf *conf, struct bytes text)
{
    struct conf_report report;
    size_t mistakes;

    conf_report_init(&report);
    conf_init(conf);
    conf_ini_parse(conf, text, &report);
    mistakes = report.mistakes;
    conf_report_close(&report);
    return mistakes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct conf conf;
    size_t text_size;
    char *text;

    (void)parse(&conf, bytes_of(data, size));
    text = shown(&conf, &text_size);
    assert(parse(&conf, bytes_of(text, text_size)) == 0);
    free(text);
    return 0;
}
