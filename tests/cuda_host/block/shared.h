/* shared.h - the shared memory of the block that runs. */
#ifndef WENGERT_TESTS_CUDA_SHARED_H
#define WENGERT_TESTS_CUDA_SHARED_H

#include <stddef.h>

namespace shim
{

/* Bytes that a block can have, as on recent devices. */
static const size_t SHARED_MAX = 227 << 10;

/* Every __shared__ variable holds NaNs; dynamic memory has `bytes`. */
void poison_shared(size_t bytes);
/* What was written past the dynamic memory; NULL: nothing. */
const char *check_shared(size_t bytes);

} // namespace shim

#endif
