/* fold.cuh - what reductions do with two values, and how the threads of a row's
 * group or of a block fold theirs into one.
 *
 * A fold has types: In what is read, Acc what a thread keeps, Part what stands
 * between two passes; and Second, the fold of parts.  put writes a result.
 * The order is fixed by the shape alone, so equal inputs give equal bits. */
#ifndef WENGERT_CUDA_FOLD_CUH
#define WENGERT_CUDA_FOLD_CUH

#include "cuda/kernels/block.cuh"

/* ---- Numbers ---- */

/* Signed overflow wraps: integers are added without a sign. */
template <class T> struct number {
    typedef T bits;
};
template <> struct number<int32_t> {
    typedef uint32_t bits;
};
template <> struct number<int64_t> {
    typedef uint64_t bits;
};
DEVICE bool                    is_nan(float v) { return v != v; }
DEVICE bool                    is_nan(double v) { return v != v; }
template <class T> DEVICE bool is_nan(T) { return false; }

/* Returns the least value of T: no element is below it. */
template <class T> DEVICE T                    least_of();
template <> __device__ __forceinline__ float   least_of<float>() { return -(float)INFINITY; }
template <> __device__ __forceinline__ double  least_of<double>() { return -(double)INFINITY; }
template <> __device__ __forceinline__ int32_t least_of<int32_t>() { return INT32_MIN; }
template <> __device__ __forceinline__ int64_t least_of<int64_t>() { return INT64_MIN; }
template <> __device__ __forceinline__ uint8_t least_of<uint8_t>() { return 0; }

template <class T> DEVICE T                    shuffle(T v, int by) { return __shfl_xor_sync(ALL_LANES, v, by); }
template <> __device__ __forceinline__ uint8_t shuffle(uint8_t v, int by)
{
    return (uint8_t)__shfl_xor_sync(ALL_LANES, (unsigned)v, by);
}
template <class T, class O> DEVICE void put(O *y, T v) { *y = (O)v; }

/* ---- Folds ---- */

template <class T> struct sum_fold {
    typedef T                        In, Acc;
    typedef typename number<T>::bits bits;
    METHOD T                         start() { return 0; }
    METHOD T                         fold(T a, T b) { return (T)((bits)a + (bits)b); }
};
template <class T> struct max_fold {
    typedef T In, Acc;
    METHOD T  start() { return least_of<T>(); }
    METHOD T  fold(T a, T b) { return b > a || is_nan(b) ? b : a; }
};

/* Parts that are folded as they are. */
template <class F> struct again : F {
    typedef typename F::Acc In;
    METHOD In               of(In x, int64_t) { return x; }
};

/* The first of the largest; a NaN is the largest of all. */
template <class T> struct found {
    T       v;
    int64_t i;
};
template <class T> struct argmax_fold {
    typedef T                  In;
    typedef found<T>           Acc, Part;
    typedef again<argmax_fold> Second;
    METHOD Acc                 start() { return Acc{least_of<T>(), INT64_MAX}; }
    METHOD Acc                 of(T x, int64_t i) { return Acc{x, i}; }
    METHOD Acc                 fold(const Acc &a, const Acc &b)
    {
        bool na = is_nan(a.v), nb = is_nan(b.v);
        bool above = na || nb ? nb && !na : b.v > a.v, same = na || nb ? na && nb : b.v == a.v;
        return above || (same && b.i < a.i) ? b : a;
    }
};
template <class T> __device__ __forceinline__ found<T> shuffle(const found<T> &a, int by)
{
    return found<T>{shuffle(a.v, by), shuffle(a.i, by)};
}
template <class T> DEVICE void put(int64_t *y, const found<T> &a) { *y = a.i; }

/* sum e^x as s e^m with m the largest x so far: one pass (M. Milakov,
 * N. Gimelshein, "Online normalizer calculation for softmax", 2018). */
template <class T> struct exp_sum {
    T m, s;
};
/* e^(x - shift) is 0 or infinite, never NaN by the shift, where all x are infinite. */
template <class T> DEVICE T shift_of(T m) { return fabs(m) == (T)INFINITY ? (T)0 : m; }
template <class T> struct online_fold {
    typedef T                  In;
    typedef exp_sum<T>         Acc, Part;
    typedef again<online_fold> Second;
    METHOD Acc                 start() { return Acc{-(T)INFINITY, 0}; }
    METHOD Acc of(T x, int64_t) { return Acc{x, x == -(T)INFINITY ? (T)0 : x == (T)INFINITY ? x : (T)1}; }
    /* One of the two powers is e^0. */
    METHOD Acc fold(const Acc &a, const Acc &b)
    {
        bool more = b.m > a.m || is_nan(b.m);
        T    m = more ? b.m : a.m, e = exp((more ? a.m : b.m) - shift_of(m));
        return Acc{m, more ? a.s * e + b.s : b.s * e + a.s};
    }
};
template <class T> __device__ __forceinline__ exp_sum<T> shuffle(const exp_sum<T> &a, int by)
{
    return exp_sum<T>{shuffle(a.m, by), shuffle(a.s, by)};
}
template <class T> DEVICE T    log_sum(const exp_sum<T> &a) { return shift_of(a.m) + log(a.s); }
template <class T> DEVICE void put(T *y, const exp_sum<T> &a) { *y = log_sum(a); }

/* ---- Threads ---- */

/* Elements j, j + step, .. of a row, in four accumulators. */
template <class F>
DEVICE typename F::Acc fold_strided(const typename F::In *x, int64_t stride, int64_t j, int64_t step, int64_t n)
{
    typename F::Acc a[4];
    UNROLL
    for (int k = 0; k < 4; k++) a[k] = F::start();
    for (; j + 3 * step < n; j += 4 * step) {
        typename F::In v[4];
        UNROLL
        for (int k = 0; k < 4; k++) v[k] = x[(j + k * step) * stride];
        UNROLL
        for (int k = 0; k < 4; k++) a[k] = F::fold(a[k], F::of(v[k], j + k * step));
    }
    for (; j < n; j += step) a[0] = F::fold(a[0], F::of(x[j * stride], j));
    return F::fold(F::fold(a[0], a[1]), F::fold(a[2], a[3]));
}

/* Folds elements begin..end-1 of x by the threads of a block, four neighbours a thread. The order is
 * the same whether x is aligned or not. */
template <class F> DEVICE typename F::Acc fold_quads(const typename F::In *x, int64_t begin, int64_t end)
{
    typename F::Acc a[4];
    bool            aligned = quads_at(x + begin);
    UNROLL
    for (int k = 0; k < 4; k++) a[k] = F::start();
    int64_t i = begin + 4 * (int64_t)threadIdx.x;
    for (; i + 4 * BLOCK + 4 <= end; i += 8 * BLOCK) {
        quad<typename F::In> v = load4(x + i, aligned), w = load4(x + i + 4 * BLOCK, aligned);
        UNROLL
        for (int k = 0; k < 4; k++) a[k] = F::fold(a[k], F::of(v.v[k], i + k));
        UNROLL
        for (int k = 0; k < 4; k++) a[k] = F::fold(a[k], F::of(w.v[k], i + 4 * BLOCK + k));
    }
    for (; i < end; i += 4 * BLOCK) UNROLL
    for (int k = 0; k < 4; k++)
        if (i + k < end) a[k] = F::fold(a[k], F::of(x[i + k], i + k));
    return F::fold(F::fold(a[0], a[1]), F::fold(a[2], a[3]));
}

/* Folds over groups of `lanes` lanes, a power of two; every lane gets the result. */
template <class F> DEVICE typename F::Acc fold_lanes(typename F::Acc a, int lanes)
{
    for (int by = lanes / 2; by > 0; by /= 2) a = F::fold(a, shuffle(a, by));
    return a;
}

/* Folds over a block; every thread gets the result. */
template <class F> DEVICE typename F::Acc fold_block(typename F::Acc a)
{
    __shared__ typename F::Acc of_warp[WARPS];
    a = fold_lanes<F>(a, WARP);
    __syncthreads(); /* the last use of of_warp */
    if (threadIdx.x % WARP == 0) of_warp[threadIdx.x / WARP] = a;
    __syncthreads();
    a = of_warp[0];
    for (int w = 1; w < WARPS; w++) a = F::fold(a, of_warp[w]);
    return a;
}

#endif
