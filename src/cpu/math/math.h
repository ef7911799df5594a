/* math.h - elementary functions that vectorise.
 *
 * Plain C without branches or calls, so that a loop over any of them becomes
 * vector code at every level, and an element's bits depend on nothing but its
 * value.  Coefficients are weighted minimax fits made for this library.
 *
 * Bounds in ulp over the whole range, which tests/cpu/test_math.c holds at every
 * level (in brackets: without fused multiply-add, where that is more):
 *
 *               f32        f64                     f32        f64
 *   exp         1.0        1.0         sigmoid     2.2        2.3
 *   expm1       1.5        1.9         softplus    1.7        1.6
 *   log         0.9        0.9         erf         1.2        1.1 (1.3)
 *   log1p       1.4        1.3         sin, cos    1.6        0.8 (0.9)
 *   tanh        1.5        2.5         tan         2.8        2.2
 *   pow         0.6        1.2         sqrt, floor, ceil, rint: as IEEE 754 has them
 *
 * NaN in, NaN out (but pow(1, y) = pow(x, 0) = 1, as C has it); zeros keep
 * their sign; what overflows is infinite, what underflows is 0, or subnormal
 * where the thread does not flush (base/system/arithmetic.h).
 * sin, cos and tan hold up to TRIG_LIMIT: beyond it the caller asks libm. */
#ifndef WENGERT_CPU_MATH_H
#define WENGERT_CPU_MATH_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

/* n pi/2 is exact in three parts for |n| < 2^20. */
#define TRIG_LIMIT 0x1p20

INLINE uint32_t bits_f32(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}
INLINE uint64_t bits_f64(double x)
{
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}
INLINE float float_of(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}
INLINE double double_of(uint64_t u)
{
    double x;
    memcpy(&x, &u, sizeof x);
    return x;
}

INLINE float  fabs_f32(float x) { return float_of(bits_f32(x) & 0x7fffffff); }
INLINE double fabs_f64(double x) { return double_of(bits_f64(x) & INT64_MAX); }
INLINE float  copysign_f32(float x, float s)
{
    return float_of((bits_f32(x) & 0x7fffffff) | (bits_f32(s) & 0x80000000));
}
INLINE double copysign_f64(double x, double s)
{
    return double_of((bits_f64(x) & INT64_MAX) | (bits_f64(s) & (uint64_t)1 << 63));
}
INLINE float  sqrt_f32(float x) { return __builtin_sqrtf(x); }
INLINE double sqrt_f64(double x) { return __builtin_sqrt(x); }

/* Computes a b + c, with one rounding where the level has FMA, unless the source that includes this header defines
 * WG__NO_FMA. */
#if (defined(__FMA__) || defined(__ARM_FEATURE_FMA)) && !defined(WG__NO_FMA)
INLINE float  fma_f32(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
INLINE double fma_f64(double a, double b, double c) { return __builtin_fma(a, b, c); }
#else
INLINE float  fma_f32(float a, float b, float c) { return a * b + c; }
INLINE double fma_f64(double a, double b, double c) { return a * b + c; }
#endif

/* Adding 1.5 2^p, p the bits after the point, rounds to an integer, which then
 * stands in the low bits of the sum. */
#define ROUNDER_F32 0x1.8p23f
#define ROUNDER_F64 0x1.8p52

#if defined(__SSE4_1__) || !defined(__x86_64__)
INLINE float  rint_f32(float x) { return __builtin_rintf(x); }
INLINE double rint_f64(double x) { return __builtin_rint(x); }
INLINE float  floor_f32(float x) { return __builtin_floorf(x); }
INLINE double floor_f64(double x) { return __builtin_floor(x); }
INLINE float  ceil_f32(float x) { return __builtin_ceilf(x); }
INLINE double ceil_f64(double x) { return __builtin_ceil(x); }
#else
INLINE float  rint_f32(float x)
{
    float a = fabs_f32(x), r = (a + 0x1p23f) - 0x1p23f;
    return a < 0x1p23f ? copysign_f32(r, x) : x;
}
INLINE double rint_f64(double x)
{
    double a = fabs_f64(x), r = (a + 0x1p52) - 0x1p52;
    return a < 0x1p52 ? copysign_f64(r, x) : x;
}
INLINE float floor_f32(float x)
{
    float r = rint_f32(x);
    return copysign_f32(r > x ? r - 1 : r, x);
}
INLINE double floor_f64(double x)
{
    double r = rint_f64(x);
    return copysign_f64(r > x ? r - 1 : r, x);
}
INLINE float ceil_f32(float x)
{
    float r = rint_f32(x);
    return copysign_f32(r < x ? r + 1 : r, x);
}
INLINE double ceil_f64(double x)
{
    double r = rint_f64(x);
    return copysign_f64(r < x ? r + 1 : r, x);
}
#endif

#include "cpu/math/math_f64.h"

#include "cpu/math/math_f32.h"

#endif
