/* Writes the documents that are made from the table of settings.
 *
 *   settings sample                    the commented sample file
 *   settings manual TEMPLATE DOCDIR    the manual page: the template with its
 *                                      line @SETTINGS@ and word @DOCDIR@ filled
 */
#include "conf/conf_docs.h"

#include <string.h>

enum {
    LINE_BYTES = 512,
};

static void copy_line(const char *line, const char *docdir, FILE *out)
{
    static const char word[] = "@DOCDIR@";
    const char *found = strstr(line, word);

    if (found == NULL) {
        (void)fputs(line, out);
        return;
    }
    (void)fprintf(out, "%.*s%s%s", (int)(found - line), line, docdir,
            found + strlen(word));
}

static int write_manual(const char *template, const char *docdir, FILE *out)
{
    FILE *in = fopen(template, "r");
    char line[LINE_BYTES];

    if (in == NULL) {
        perror(template);
        return 1;
    }
    while (fgets(line, sizeof(line), in) != NULL) {
        if (strcmp(line, "@SETTINGS@\n") == 0) {
            conf_reference(out);
        } else {
            copy_line(line, docdir, out);
        }
    }
    return fclose(in) == 0 && fflush(out) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "sample") == 0) {
        conf_sample(stdout);
        return fflush(stdout) == 0 ? 0 : 1;
    }
    if (argc == 4 && strcmp(argv[1], "manual") == 0) {
        return write_manual(argv[2], argv[3], stdout);
    }
    (void)fputs("usage: settings sample | manual TEMPLATE DOCDIR\n", stderr);
    return 2;
}
