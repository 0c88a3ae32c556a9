#include "node/version.h"

const char *version_text(void)
{
    return WEFT_VERSION;
}

const char *version_commit(void)
{
    return WEFT_COMMIT;
}

const char *version_libraries(void)
{
    return WEFT_LIBRARIES;
}
