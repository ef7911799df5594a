/* random.cu - uniform, normal and dropout_mask from Philox4x32-10 (J. K. Salmon,
 * M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as
 * 1, 2, 3", SC 2011).
 *
 * Counters, words and the way from words to numbers are those of
 * src/base/number/philox.h and src/cpu/kernels/random.h: uniform numbers and masks have the
 * same bits, normal numbers differ by the roundings of log, sin and cos.  A
 * thread makes the numbers of one block of four words.  The number of the run
 * is read from device memory, so that a captured graph draws anew.
 *
 * Hot kernels, that may not spill: draw. */
#include "cuda/kernels/block.cuh"

#define WG__PHILOX_FN DEVICE
#include "base/number/philox.h"

struct words {
    uint32_t v[4];
};

DEVICE struct words words_of(uint64_t seed, uint64_t stream, uint64_t run, uint64_t block)
{
    struct philox s = philox(philox_at(seed, stream, run, block));
    return words{{s.a, s.b, s.c, s.d}};
}

/* What a distribution needs besides the words. */
template <class T> struct range {
    T        a, b, last; /* low, width, largest below high; mean, deviation; what a mask keeps */
    uint32_t least;      /* of a word that a mask keeps */
    T        factor;     /* 2 where the width would overflow: then a and b are half of what they are */
};

/* Multiplies or adds with a rounding of its own. The CPU rounds twice: nothing may become a multiply-add. */
DEVICE float  times(float a, float b) { return __fmul_rn(a, b); }
DEVICE double times(double a, double b) { return __dmul_rn(a, b); }
DEVICE float  plus(float a, float b) { return __fadd_rn(a, b); }
DEVICE double plus(double a, double b) { return __dadd_rn(a, b); }

/* Converts word i of the block: unit to 0 <= u < 1, above_zero to u > 0, which has a logarithm. */
DEVICE void unit(const struct words &w, int i, float *u)
{
    *u = (float)(int32_t)(w.v[i] >> 8) * 5.9604644775390625e-8f;
}
DEVICE void unit(const struct words &w, int i, double *u)
{
    uint64_t bits = (uint64_t)w.v[2 * i + 1] << 32 | w.v[2 * i];
    *u = (double)(int64_t)(bits >> 11) * 1.1102230246251565404e-16;
}
DEVICE void above_zero(const struct words &w, int i, float *u)
{
    *u = plus(times((float)(int32_t)(w.v[i] >> 1), 4.656612873077392578125e-10f), 2.3283064365386962890625e-10f);
}
DEVICE void above_zero(const struct words &w, int i, double *u)
{
    unit(w, i, u);
    *u = plus(*u, 5.5511151231257827021e-17);
}

/* sin and cos of 2 pi v, 0 <= v < 1. */
#ifdef WG__CUDA_HOST /* the host's library has no sincospi */
DEVICE void turn(float v, float *s, float *c)
{
    double n = rint(4 * (double)v), r = ((double)v - n / 4) * 6.283185307179586477, q[2] = {sin(r), cos(r)};
    int    k = (int)n & 3;
    *s = (float)(k & 2 ? -q[k & 1] : q[k & 1]);
    *c = (float)((k + 1) & 2 ? -q[~k & 1] : q[~k & 1]);
}
DEVICE void turn(double v, double *s, double *c)
{
    double n = rint(4 * v), r = (v - n / 4) * 6.283185307179586477, q[2] = {sin(r), cos(r)};
    int    k = (int)n & 3;
    *s = k & 2 ? -q[k & 1] : q[k & 1];
    *c = (k + 1) & 2 ? -q[~k & 1] : q[~k & 1];
}
#else
DEVICE void turn(float v, float *s, float *c) { sincospif(2 * v, s, c); }
DEVICE void turn(double v, double *s, double *c) { sincospi(2 * v, s, c); }
#endif

/* ---- Distributions: EACH numbers of a block ---- */

template <class T> struct uniform_numbers {
    enum { EACH = 16 / sizeof(T) };
    METHOD void make(const struct words &w, const struct range<T> &q, T *y)
    {
        UNROLL
        for (int i = 0; i < EACH; i++) {
            T u;
            unit(w, i, &u);
            u = times(plus(times(u, q.b), q.a), q.factor);
            y[i] = u > q.last ? q.last : u;
        }
    }
};
/* Pairs r cos a and r sin a with r = sqrt(-2 ln u) and a = 2 pi v (G. E. P. Box, M. E. Muller 1958). */
template <class T> struct normal_numbers {
    enum { EACH = 16 / sizeof(T) };
    METHOD void make(const struct words &w, const struct range<T> &q, T *y)
    {
        UNROLL
        for (int i = 0; i < EACH; i += 2) {
            T u, v, s, c;
            above_zero(w, i, &u);
            unit(w, i + 1, &v);
            turn(v, &s, &c);
            T radius = sqrt(-2 * log(u));
            y[i] = plus(times(times(radius, c), q.b), q.a);
            y[i + 1] = plus(times(times(radius, s), q.b), q.a);
        }
    }
};
template <class T> struct mask_numbers {
    enum { EACH = 4 };
    METHOD void make(const struct words &w, const struct range<T> &q, T *y)
    {
        UNROLL
        for (int i = 0; i < EACH; i++) y[i] = w.v[i] >= q.least ? q.a : (T)0;
    }
};

template <class N, class T>
__global__ void __launch_bounds__(BLOCK)
    draw(uint64_t seed, uint64_t stream, const uint64_t *run, struct range<T> q, int64_t n, T *y)
{
    int64_t  step = (int64_t)gridDim.x * BLOCK, blocks = (n + N::EACH - 1) / N::EACH;
    uint64_t at_run = *run;
    bool     aligned = ((uintptr_t)y & 15) == 0;
    for (int64_t b = (int64_t)blockIdx.x * BLOCK + threadIdx.x; b < blocks; b += step) {
        struct alignas(16) {
            T v[N::EACH];
        } z;
        N::make(words_of(seed, stream, at_run, (uint64_t)b), q, z.v);
        T *to = y + b * N::EACH;
        if (aligned && (b + 1) * N::EACH <= n) *(decltype(z) *)(void *)to = z;
        else UNROLL
        for (int i = 0; i < N::EACH; i++)
            if (b * N::EACH + i < n) to[i] = z.v[i];
    }
}

/* ---- Launches ---- */

static float  below(float x) { return nextafterf(x, -(float)INFINITY); }
static double below(double x) { return nextafter(x, -(double)INFINITY); }

template <class T> static struct range<T> uniform_range(const struct wg__random_attr *a) {
    T lo = (T)a->a, hi = (T)a->b, last = hi > lo ? below(hi) : lo;
    if (hi - lo < (T)INFINITY) return {lo, hi - lo, last, 0, 1};
    return {lo / 2, hi / 2 - lo / 2, last, 0, 2};
} template <class T> static struct range<T> normal_range(const struct wg__random_attr *a) {
    return {(T)a->a, (T)a->b, 0, 0, 1};
} template <class T> static struct range<T> mask_range(const struct wg__random_attr *a) {
    return {(T)(1 / (1 - a->a)), 0, 0, (uint32_t)(a->a * 4294967296.0), 1};
}

template <class N, class T>
static cudaError_t draw_all(const struct wg__cuda_launch *l, struct range<T> q)
{
    const struct wg__random_attr *a = (const struct wg__random_attr *)l->call->attr;
    int64_t                       n = wg_count(&l->call->y->shape);
    void (*k)(uint64_t, uint64_t, const uint64_t *, struct range<T>, int64_t, T *) = draw<N, T>;
    if (n == 0) return cudaSuccess;
    WG_LAUNCH(k, grid_of(l, ceil_div(n, (int64_t)N::EACH * BLOCK)), BLOCK, 0, l->stream)
    (l->call->seed, a->stream, l->run, q, n, (T *)l->call->y->data);
    return cudaGetLastError();
}

#define DISTRIBUTION(id, op)                                                                 \
    static cudaError_t op(const struct wg__cuda_launch *l)                                   \
    {                                                                                        \
        const struct wg__random_attr *a = (const struct wg__random_attr *)l->call->attr;     \
        return a->dtype == WG_F64 ? draw_all<id##_numbers<double>>(l, id##_range<double>(a)) \
                                  : draw_all<id##_numbers<float>>(l, id##_range<float>(a));  \
    }
DISTRIBUTION(uniform, uniform)
DISTRIBUTION(normal, normal)
DISTRIBUTION(mask, dropout_mask)

const struct wg__cuda_op wg__cuda_random_ops[] = {
    {"uniform", uniform, NULL}, {"normal", normal, NULL}, {"dropout_mask", dropout_mask, NULL}, {NULL, NULL, NULL}};
