/* What the machine can do: multiply-adds in registers, copies, updates. */
#include <string.h>

#include "limits.h"

/* ---- Multiply-adds: each chain starts elsewhere, or a compiler would see that they are one ---- */

typedef float v16 __attribute__((vector_size(64), may_alias));
typedef float v4 __attribute__((vector_size(16)));

static void fma_plain(float *y, const float *x, int64_t n, int64_t steps)
{
    const v4 a = {x[0], x[0], x[0], x[0]}, b = a;
    v4       c0 = a * x[1], c1 = a * x[2], c2 = a * x[3], c3 = a * x[4], c4 = a * x[5], c5 = a * x[6];
    v4       c6 = a * x[7], c7 = a * x[8], c8 = a * x[9], c9 = a * x[10], c10 = a * x[11], c11 = a * x[12];
    (void)n;
    for (int64_t i = 0; i < steps * BENCH_FMA_REPEAT; i++) {
        c0 = c0 * a + b, c1 = c1 * a + b, c2 = c2 * a + b, c3 = c3 * a + b;
        c4 = c4 * a + b, c5 = c5 * a + b, c6 = c6 * a + b, c7 = c7 * a + b;
        c8 = c8 * a + b, c9 = c9 * a + b, c10 = c10 * a + b, c11 = c11 * a + b;
    }
    c0 += c1 + c2 + c3 + c4 + c5 + c6 + c7 + c8 + c9 + c10 + c11;
    y[0] = c0[0] + c0[1] + c0[2] + c0[3];
}

#ifdef __x86_64__
#include <immintrin.h>

/* Runs chains of multiply-adds. This function and the next end in vzeroupper: dirty upper halves of
 * registers would slow what runs next. */
__attribute__((target("avx512f"))) static void fma_avx512(float *y, const float *x, int64_t n, int64_t steps)
{
    const __m512 a = _mm512_set1_ps(x[0]), b = a;
    __m512       c0 = a * x[1], c1 = a * x[2], c2 = a * x[3], c3 = a * x[4], c4 = a * x[5], c5 = a * x[6];
    __m512       c6 = a * x[7], c7 = a * x[8], c8 = a * x[9], c9 = a * x[10], c10 = a * x[11], c11 = a * x[12];
    (void)n;
    for (int64_t i = 0; i < steps * BENCH_FMA_REPEAT; i++) {
        c0 = _mm512_fmadd_ps(c0, a, b), c1 = _mm512_fmadd_ps(c1, a, b), c2 = _mm512_fmadd_ps(c2, a, b);
        c3 = _mm512_fmadd_ps(c3, a, b), c4 = _mm512_fmadd_ps(c4, a, b), c5 = _mm512_fmadd_ps(c5, a, b);
        c6 = _mm512_fmadd_ps(c6, a, b), c7 = _mm512_fmadd_ps(c7, a, b), c8 = _mm512_fmadd_ps(c8, a, b);
        c9 = _mm512_fmadd_ps(c9, a, b), c10 = _mm512_fmadd_ps(c10, a, b), c11 = _mm512_fmadd_ps(c11, a, b);
    }
    _mm512_storeu_ps(y, c0 + c1 + c2 + c3 + c4 + c5 + c6 + c7 + c8 + c9 + c10 + c11);
    _mm256_zeroupper();
}

__attribute__((target("avx2,fma"))) static void fma_avx2(float *y, const float *x, int64_t n, int64_t steps)
{
    const __m256 a = _mm256_set1_ps(x[0]), b = a;
    __m256       c0 = a * x[1], c1 = a * x[2], c2 = a * x[3], c3 = a * x[4], c4 = a * x[5], c5 = a * x[6];
    __m256       c6 = a * x[7], c7 = a * x[8], c8 = a * x[9], c9 = a * x[10], c10 = a * x[11], c11 = a * x[12];
    (void)n;
    for (int64_t i = 0; i < steps * BENCH_FMA_REPEAT; i++) {
        c0 = _mm256_fmadd_ps(c0, a, b), c1 = _mm256_fmadd_ps(c1, a, b), c2 = _mm256_fmadd_ps(c2, a, b);
        c3 = _mm256_fmadd_ps(c3, a, b), c4 = _mm256_fmadd_ps(c4, a, b), c5 = _mm256_fmadd_ps(c5, a, b);
        c6 = _mm256_fmadd_ps(c6, a, b), c7 = _mm256_fmadd_ps(c7, a, b), c8 = _mm256_fmadd_ps(c8, a, b);
        c9 = _mm256_fmadd_ps(c9, a, b), c10 = _mm256_fmadd_ps(c10, a, b), c11 = _mm256_fmadd_ps(c11, a, b);
    }
    _mm256_storeu_ps(y, c0 + c1 + c2 + c3 + c4 + c5 + c6 + c7 + c8 + c9 + c10 + c11);
    _mm256_zeroupper();
}
#endif

/* ---- Bytes ---- */

void bench_copy(float *y, const float *x, int64_t n, int64_t steps)
{
    for (int64_t s = 0; s < steps; s++) {
        memcpy(y, x, (size_t)n * sizeof *y);
        __asm__ volatile("" ::: "memory");
    }
}

static inline __attribute__((always_inline)) void update(float *y, const float *x, int64_t n, int64_t steps)
{
    v16       *to = (v16 *)y;
    const v16 *from = (const v16 *)x;
    for (int64_t s = 0; s < steps; s++) {
        for (int64_t i = 0; i < n / 16; i++) to[i] += from[i] * 1e-3f;
        __asm__ volatile("" ::: "memory");
    }
}

static void update_plain(float *y, const float *x, int64_t n, int64_t steps) { update(y, x, n, steps); }
#ifdef __x86_64__
__attribute__((target("avx512f"))) static void update_avx512(float *y, const float *x, int64_t n, int64_t steps)
{
    update(y, x, n, steps);
}
__attribute__((target("avx2"))) static void update_avx2(float *y, const float *x, int64_t n, int64_t steps)
{
    update(y, x, n, steps);
}
#endif

struct bench_level bench_level(void)
{
#ifdef __x86_64__
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f")) return (struct bench_level){"avx512", fma_avx512, update_avx512, 16};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return (struct bench_level){"avx2", fma_avx2, update_avx2, 8};
#endif
    return (struct bench_level){"plain", fma_plain, update_plain, 4};
}
