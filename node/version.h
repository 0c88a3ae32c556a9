/* Which Weft this is; set when the build was configured. */
#pragma once

const char *version_text(void); /* "0.1.0" */
const char *version_commit(void); /* "1a2b3c4", or "unknown" */

/* The libraries it was built with, one a line: "libuv 1.44.2\n…". */
const char *version_libraries(void);
