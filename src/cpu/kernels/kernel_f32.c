/* Elementwise functions of float. */
#include "cpu/kernels/kernel_impl.h"

#define M(f) f##_f32
#define LIBM(name) name##f
#define BEYOND(x) ((x) > (T)TRIG_LIMIT || (x) < -(T)TRIG_LIMIT)
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
