/* Elementwise functions of double. */
#include <float.h>

#include "cpu/kernels/kernel_impl.h"

#define M(f) f##_f64
#define LIBM(name) name
#define MATH(f) f##_f64
#define BEYOND(x, limit) ((x) > (T)(limit) || (x) < -(T)(limit))
#define POSITIVE(x) ((x) >= (T)DBL_MIN && (x) < (T)INFINITY)
#define LOGIC(kind, row, f)
#define CHAINED
#define DTYPE f64
#define T double
#define WIDE double
#define LINKAGE
#define BLOCK(row) LEVEL(wg__##row##_f64)
#define DECLARE(row) wg_block LEVEL(wg__##row##_f64);
#include "cpu/kernels/declare.h"

INLINE double divide_f64(double x, double y) { return x / y; }
#include "cpu/kernels/elementwise.h"
