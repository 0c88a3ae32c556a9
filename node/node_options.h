/* From the settings to the options of the cores: what the operator wrote, in
 * the words of gossip, pool and streams. */
#pragma once

#include "conf/conf.h"
#include "node/node.h"

/* Everything that the settings decide; the rest (who and where we are, the
 * machine, chance) is zero and the caller's to fill in. Texts are borrowed from
 * `conf`. */
struct node_options node_options_of(const struct conf *conf);
