/* What people read about the settings, made from the table. */
#pragma once

#include <stdio.h>

/* The commented sample file: every setting with its help, its bounds and its
 * default, each switched off by a semicolon. */
void conf_sample(FILE *out);

/* The section SETTINGS of the manual page, in mdoc. */
void conf_reference(FILE *out);
