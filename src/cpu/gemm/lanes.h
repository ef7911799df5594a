/* lanes.h - vectors of T, float or double (F64), as the level has them; a part of gemm_impl.h.
 *
 * LANES elements are a vector, four of them a group.  `low`, `high`, `low_half` and `high_half` take elements, or pairs
 * of elements, of two vectors by turns, so that they turn a square of four by four in each group. */
#ifndef WENGERT_CPU_LANES_H
#define WENGERT_CPU_LANES_H

#if defined(__aarch64__)
#include "cpu/gemm/lanes_neon.h"
#else
#include <immintrin.h>
#endif

/* REGISTERS: how many vectors the CPU has room for. */
#if defined(__AVX512F__)
#define REGISTERS 32
#elif !defined(__aarch64__)
#define REGISTERS 16
#endif

#if defined(__aarch64__)
#elif defined(__AVX512F__) && F64
typedef __m512d  vec;
typedef __mmask8 some;
enum { LANES = 8 };
static inline vec  load(const T *p) { return _mm512_loadu_pd(p); }
static inline void store(T *p, vec x) { _mm512_storeu_pd(p, x); }
static inline vec  all(T x) { return _mm512_set1_pd(x); }
static inline vec  multiply_add(vec x, vec y, vec z) { return _mm512_fmadd_pd(x, y, z); }
static inline vec  low(vec x, vec y) { return _mm512_unpacklo_pd(x, y); }
static inline vec  high(vec x, vec y) { return _mm512_unpackhi_pd(x, y); }
static inline vec  low_half(vec x, vec y)
{
    return _mm512_permutex2var_pd(x, _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13), y);
}
static inline vec high_half(vec x, vec y)
{
    return _mm512_permutex2var_pd(x, _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15), y);
}
static inline some first(int n) { return (some)(0xffu >> (LANES - n)); }
static inline vec  load_some(const T *p, some n) { return _mm512_maskz_loadu_pd(n, p); }
static inline void store_some(T *p, some n, vec x) { _mm512_mask_storeu_pd(p, n, x); }
static inline vec  load_groups(const T *p, int64_t row)
{
    return _mm512_insertf64x4(_mm512_castpd256_pd512(_mm256_loadu_pd(p)), _mm256_loadu_pd(p + 4 * row), 1);
}
static inline void store_sums(T *p, vec x)
{
    _mm256_storeu_pd(p, _mm512_castpd512_pd256(x) + _mm512_extractf64x4_pd(x, 1));
}

#elif defined(__AVX512F__)
typedef __m512    vec;
typedef __mmask16 some;
enum { LANES = 16 };
static inline vec  load(const T *p) { return _mm512_loadu_ps(p); }
static inline void store(T *p, vec x) { _mm512_storeu_ps(p, x); }
static inline vec  all(T x) { return _mm512_set1_ps(x); }
static inline vec  multiply_add(vec x, vec y, vec z) { return _mm512_fmadd_ps(x, y, z); }
static inline vec  low(vec x, vec y) { return _mm512_unpacklo_ps(x, y); }
static inline vec  high(vec x, vec y) { return _mm512_unpackhi_ps(x, y); }
static inline vec  low_half(vec x, vec y) { return (vec)_mm512_unpacklo_pd((__m512d)x, (__m512d)y); }
static inline vec  high_half(vec x, vec y) { return (vec)_mm512_unpackhi_pd((__m512d)x, (__m512d)y); }
static inline some first(int n) { return (some)(0xffffu >> (LANES - n)); }
static inline vec  load_some(const T *p, some n) { return _mm512_maskz_loadu_ps(n, p); }
static inline void store_some(T *p, some n, vec x) { _mm512_mask_storeu_ps(p, n, x); }
static inline vec  load_groups(const T *p, int64_t row)
{
    __m512 x = _mm512_castps128_ps512(_mm_loadu_ps(p));
    x = _mm512_insertf32x4(x, _mm_loadu_ps(p + 4 * row), 1);
    x = _mm512_insertf32x4(x, _mm_loadu_ps(p + 8 * row), 2);
    return _mm512_insertf32x4(x, _mm_loadu_ps(p + 12 * row), 3);
}
static inline void store_sums(T *p, vec x)
{
    __m256 y = _mm512_castps512_ps256(x) + _mm512_extractf32x8_ps(x, 1);
    _mm_storeu_ps(p, _mm256_castps256_ps128(y) + _mm256_extractf128_ps(y, 1));
}

#elif F64
typedef __m256d vec;
typedef __m256i some;
enum { LANES = 4 };
static inline vec  load(const T *p) { return _mm256_loadu_pd(p); }
static inline void store(T *p, vec x) { _mm256_storeu_pd(p, x); }
static inline vec  all(T x) { return _mm256_set1_pd(x); }
static inline vec  multiply_add(vec x, vec y, vec z) { return _mm256_fmadd_pd(x, y, z); }
static inline vec  low(vec x, vec y) { return _mm256_unpacklo_pd(x, y); }
static inline vec  high(vec x, vec y) { return _mm256_unpackhi_pd(x, y); }
static inline vec  low_half(vec x, vec y) { return _mm256_permute2f128_pd(x, y, 0x20); }
static inline vec  high_half(vec x, vec y) { return _mm256_permute2f128_pd(x, y, 0x31); }
static inline some first(int n) { return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3)); }
static inline vec  load_some(const T *p, some n) { return _mm256_maskload_pd(p, n); }
static inline void store_some(T *p, some n, vec x) { _mm256_maskstore_pd(p, n, x); }
static inline vec  load_groups(const T *p, int64_t row) { return (void)row, load(p); }
static inline void store_sums(T *p, vec x) { store(p, x); }

#else
typedef __m256  vec;
typedef __m256i some;
enum { LANES = 8 };
static inline vec  load(const T *p) { return _mm256_loadu_ps(p); }
static inline void store(T *p, vec x) { _mm256_storeu_ps(p, x); }
static inline vec  all(T x) { return _mm256_set1_ps(x); }
static inline vec  multiply_add(vec x, vec y, vec z) { return _mm256_fmadd_ps(x, y, z); }
static inline vec  low(vec x, vec y) { return _mm256_unpacklo_ps(x, y); }
static inline vec  high(vec x, vec y) { return _mm256_unpackhi_ps(x, y); }
static inline vec  low_half(vec x, vec y) { return (vec)_mm256_unpacklo_pd((__m256d)x, (__m256d)y); }
static inline vec  high_half(vec x, vec y) { return (vec)_mm256_unpackhi_pd((__m256d)x, (__m256d)y); }
static inline some first(int n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
static inline vec  load_some(const T *p, some n) { return _mm256_maskload_ps(p, n); }
static inline void store_some(T *p, some n, vec x) { _mm256_maskstore_ps(p, n, x); }
static inline vec  load_groups(const T *p, int64_t row)
{
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)), _mm_loadu_ps(p + 4 * row), 1);
}
static inline void store_sums(T *p, vec x)
{
    _mm_storeu_ps(p, _mm256_castps256_ps128(x) + _mm256_extractf128_ps(x, 1));
}
#endif

/* What the names mean on every level.
 * first(n):          the first n elements of a vector, 1 to LANES; load_some gives 0 for the others, store_some leaves
 *                    the others, and both touch no other memory
 * load_groups(p, r): groups from memory that are four rows of r elements apart
 * store_sums(p, x):  the four sums over the groups of x */

/* Sets y[q] to column q of the LANES x 4 matrix at b, whose rows are `row` elements apart. */
static inline void turn(const T *b, int64_t row, vec y[4])
{
    vec x0 = load_groups(b, row), x1 = load_groups(b + row, row);
    vec x2 = load_groups(b + 2 * row, row), x3 = load_groups(b + 3 * row, row);
    vec t0 = low(x0, x1), t1 = high(x0, x1), t2 = low(x2, x3), t3 = high(x2, x3);
    y[0] = low_half(t0, t2);
    y[F64 ? 2 : 1] = high_half(t0, t2);
    y[F64 ? 1 : 2] = low_half(t1, t3);
    y[3] = high_half(t1, t3);
}

/* Stores the sums of the elements of four vectors; each sum has the same order of additions in any place. */
static inline void store_four_sums(T *p, vec x0, vec x1, vec x2, vec x3)
{
    vec t0 = low(x0, x1) + high(x0, x1), t1 = low(x2, x3) + high(x2, x3);
    store_sums(p, low_half(t0, t1) + high_half(t0, t1));
}

#endif
