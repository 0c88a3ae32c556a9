/* The text of an INI file into settings, by inih. */
#pragma once

#include "conf/conf.h"

/* Reads `text` as the file that conf->file names; mistakes go to `report`. */
void conf_ini_parse(
        struct conf *conf, struct bytes text, struct conf_report *report);
