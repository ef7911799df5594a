/* Elementwise functions of float. */
#include <float.h>

#include "cpu/kernels/kernel_impl.h"

#define M(f) f##_f32
#define LIBM(name) name##f
#define MATH(f) f##_f32
#define BEYOND(x, limit) ((x) > (T)(limit) || (x) < -(T)(limit))
#define POSITIVE(x) ((x) >= (T)FLT_MIN && (x) < (T)INFINITY)
#define LOGIC(kind, row, f)
#define CHAINED
#define DTYPE f32
#define T float
#define WIDE float
#define LINKAGE
#define BLOCK(row) LEVEL(wg__##row##_f32)
#define DECLARE(row) wg_block LEVEL(wg__##row##_f32);
#include "cpu/kernels/declare.h"

INLINE float divide_f32(float x, float y) { return x / y; }
#include "cpu/kernels/elementwise.h"
