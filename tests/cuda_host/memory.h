/* memory.h - where device memory and pinned memory lie. */
#ifndef WENGERT_TESTS_CUDA_MEMORY_H
#define WENGERT_TESTS_CUDA_MEMORY_H

#include "inside.h"

namespace shim
{

struct area {
    char  *pages; /* NULL: pinned host memory */
    size_t mapped, size;
    bool   freed;
    char  *data;
};
/* The area that p points into, live or freed; NULL: none. */
const area *area_of(const void *p);
/* memset for device memory that is open. */
void fill(char *p, int byte, size_t bytes);

} // namespace shim

#endif
