/* Each element several times, one after the other: what broadcasts along a last axis that is short. */
#include "cpu/kernels/kernel_impl.h"

#if defined(__AVX512F__)
enum { VECTOR = 64 };
#elif defined(__AVX__)
enum { VECTOR = 32 };
#else
enum { VECTOR = 16 };
#endif
_Static_assert((int)VECTOR <= (int)WG__REPEAT_BEYOND, "a vector may go beyond the last element by its size");

#define DTYPE u8
#define T uint8_t
#include "cpu/loop/repeat.h"

#define DTYPE u32
#define T uint32_t
#include "cpu/loop/repeat.h"

#define DTYPE u64
#define T uint64_t
#include "cpu/loop/repeat.h"

void LEVEL(wg__repeat)(size_t size, int64_t m, int64_t step, int64_t c, const void *x, void *y);
void LEVEL(wg__repeat)(size_t size, int64_t m, int64_t step, int64_t c, const void *x, void *y)
{
    if (size == 8) repeat_u64(m, step, c, x, y);
    else if (size == 4) repeat_u32(m, step, c, x, y);
    else repeat_u8(m, step, c, x, y);
}
