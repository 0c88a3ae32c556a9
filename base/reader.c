#include "base/reader.h"

struct bytes reader_string16(struct reader *r)
{
    return reader_take(r, reader_u16le(r));
}

struct bytes reader_string8(struct reader *r)
{
    return reader_take(r, reader_u8(r));
}
