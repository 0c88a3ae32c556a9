/* Any text as an address: what is taken can be written, and reads as the same
 * address again. */
#include <assert.h>

#include "base/addr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes text = bytes_of(data, size);
    char written[ADDR_TEXT_BYTES];
    struct addr addr;
    struct addr again;

    if (addr_parse(text, &addr) || addr_parse_host(text, &addr)) {
        (void)addr_format(&addr, written);
        assert(addr_parse(bytes_text(written), &again));
        assert(addr_equal(&addr, &again));
    }
    return 0;
}
