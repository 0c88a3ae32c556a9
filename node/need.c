#include "node/need.h"

#include <stdio.h>
#include <stdlib.h>

void *need(void *memory)
{
    if (memory == NULL) {
        (void)fputs("weft: there is no memory left\n", stderr);
        exit(EXIT_FAILURE);
    }
    return memory;
}
