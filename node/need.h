/* Memory without which a command cannot go on.
 *
 * A short-lived program has nobody to tell that a few kilobytes are missing:
 * it says so and ends. The node itself never calls this. */
#pragma once

/* `memory` as malloc or a library returned it; does not return NULL. */
void *need(void *memory);
