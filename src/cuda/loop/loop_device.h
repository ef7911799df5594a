/* loop_device.h - what the kernels of loops are made of: element types, functions
 * that rows call, casts, groups of four elements, and tails.
 *
 * It is included by *.cu, and is a part of every generated source, so it
 * includes nothing: loop_args.h must be before it.  For C it is empty. */
#if !defined(WENGERT_CUDA_LOOP_DEVICE_H) && defined(__cplusplus)
#define WENGERT_CUDA_LOOP_DEVICE_H

#define DEVICE_FN __device__ __forceinline__
#define DEVICE static DEVICE_FN
#ifdef __CUDACC__
#define UNROLL _Pragma("unroll")
#define UNROLL_SOME _Pragma("unroll 4") /* loads of some turns at once */
#else
#define UNROLL
#define UNROLL_SOME
#endif

/* of a group */
#define EACH UNROLL for (int j = 0; j < 4; j++)

/* ---- Element types, by the names that functions end in ---- */

typedef float         f32;
typedef double        f64;
typedef int           i32;
typedef long long     i64;
typedef unsigned char u8;
typedef unsigned char b8;

/* What expressions compute in: integers one size wider and cut, so that they wrap. */
typedef f32      wide_f32;
typedef f64      wide_f64;
typedef i64      wide_i32;
typedef __int128 wide_i64;
typedef i32      wide_u8;
typedef i32      wide_b8;

/* ---- M(f), DIV ---- */

#define BOTH(name)                                      \
    DEVICE f32 name##_f32(f32 x) { return name##f(x); } \
    DEVICE f64 name##_f64(f64 x) { return name(x); }
BOTH(sqrt)
BOTH(exp)
BOTH(expm1)
BOTH(log)
BOTH(log1p)
BOTH(sin)
BOTH(cos)
BOTH(tan)
BOTH(tanh)
BOTH(erf)
BOTH(floor)
BOTH(ceil)
BOTH(rint)
#undef BOTH

/* e^-|x| does not overflow. */
#define BOTH(T)                           \
    DEVICE T sigmoid_##T(T x)             \
    {                                     \
        T e = exp_##T(x < 0 ? x : -x);    \
        return (x < 0 ? e : 1) / (1 + e); \
    }                                     \
    DEVICE T softplus_##T(T x) { return (x > 0 ? x : 0) + log1p_##T(exp_##T(x < 0 ? x : -x)); }
BOTH(f32)
BOTH(f64)
#undef BOTH
DEVICE f32 pow_f32(f32 x, f32 y) { return powf(x, y); }
DEVICE f64 pow_f64(f64 x, f64 y) { return pow(x, y); }

DEVICE f32 divide_f32(f32 x, f32 y) { return x / y; }
DEVICE f64 divide_f64(f64 x, f64 y) { return x / y; }
DEVICE i32 divide_i32(i32 x, i32 y) { return y == 0 ? 0 : (i32)(x / (i64)y); }
DEVICE i64 divide_i64(i64 x, i64 y) { return y == 0 ? 0 : y == -1 ? (i64)(0 - (unsigned long long)x) : x / y; }
DEVICE u8  divide_u8(u8 x, u8 y) { return (u8)(y == 0 ? 0 : x / y); }
DEVICE b8  divide_b8(b8 x, b8 y) { return y && x; }

/* ---- What the largest of nothing is, and the smallest ---- */

DEVICE f32 most_f32() { return 0x1p127f * 2; }
DEVICE f64 most_f64() { return 0x1p1023 * 2; }
DEVICE i32 most_i32() { return 0x7fffffff; }
DEVICE i64 most_i64() { return 0x7fffffffffffffffLL; }
DEVICE f32 least_f32() { return -most_f32(); }
DEVICE f64 least_f64() { return -most_f64(); }
DEVICE i32 least_i32() { return -most_i32() - 1; }
DEVICE i64 least_i64() { return -most_i64() - 1; }

/* ---- Casts: reals are cut towards zero, what of them does not fit saturates, NaN becomes 0; integers keep their
 * low bits; bool asks != 0 ---- */

DEVICE f64 clip(f64 x, f64 lo, f64 hi) { return x < lo ? lo : x > hi ? hi : x == x ? x : 0; }

DEVICE f32 f64_to_f32(f64 x) { return (f32)x; }
DEVICE f64 f64_to_f64(f64 x) { return x; }
DEVICE i32 f64_to_i32(f64 x) { return (i32)clip(x, -0x1p31, 0x1.fffffffcp30); }
DEVICE i64 f64_to_i64(f64 x) { return x >= 0x1p63 ? most_i64() : (i64)clip(x, -0x1p63, 0x1.fffffffffffffp62); }
DEVICE u8  f64_to_u8(f64 x) { return (u8)(i32)clip(x, 0, 255); }
DEVICE b8  f64_to_b8(f64 x) { return x != 0; }

DEVICE f32 clip_f32(f32 x, f32 lo, f32 hi) { return x < lo ? lo : x > hi ? hi : x == x ? x : 0; }

DEVICE f32 f32_to_f32(f32 x) { return x; }
DEVICE f64 f32_to_f64(f32 x) { return x; }
DEVICE i32 f32_to_i32(f32 x) { return x >= 0x1p31f ? most_i32() : (i32)clip_f32(x, -0x1p31f, 0x1.fffffep30f); }
DEVICE i64 f32_to_i64(f32 x) { return x >= 0x1p63f ? most_i64() : (i64)clip_f32(x, -0x1p63f, 0x1.fffffep62f); }
DEVICE u8  f32_to_u8(f32 x) { return (u8)(i32)clip_f32(x, 0, 255); }
DEVICE b8  f32_to_b8(f32 x) { return x != 0; }

DEVICE f32 i64_to_f32(i64 x) { return (f32)x; }
DEVICE f64 i64_to_f64(i64 x) { return (f64)x; }
DEVICE i32 i64_to_i32(i64 x) { return (i32)(unsigned)x; }
DEVICE i64 i64_to_i64(i64 x) { return x; }
DEVICE u8  i64_to_u8(i64 x) { return (u8)x; }
DEVICE b8  i64_to_b8(i64 x) { return x != 0; }

/* The small ones go by i32. */
#define BY_I32(from)                                         \
    DEVICE f32 from##_to_f32(from x) { return (f32)(i32)x; } \
    DEVICE f64 from##_to_f64(from x) { return (f64)(i32)x; } \
    DEVICE i32 from##_to_i32(from x) { return x; }           \
    DEVICE i64 from##_to_i64(from x) { return x; }           \
    DEVICE u8  from##_to_u8(from x) { return i64_to_u8(x); } \
    DEVICE b8  from##_to_b8(from x) { return x != 0; }
BY_I32(i32)
BY_I32(u8)
BY_I32(b8)
#undef BY_I32

/* ---- Groups of four elements ---- */

template <class T> struct alignas(sizeof(T) < 4 ? 4 * sizeof(T) : 16) group {
    T v[4];
};

template <class T> DEVICE T load(const void *data, i64 at) { return ((const T *)data)[at]; }
/* Loads four elements in a row, from a multiple of four on; with a stride, four elements that far apart. */
template <class T> DEVICE group<T> load4(const void *data, i64 at) { return *(const group<T> *)((const T *)data + at); }
template <class T> DEVICE group<T> load4(const void *data, i64 at, i64 stride)
{
    group<T> x;
    EACH     x.v[j] = load<T>(data, at + j * stride);
    return x;
}
template <class T> DEVICE void store(void *data, i64 at, int n, bool vector, const group<T> &x)
{
    T *y = (T *)data + at;
    if (vector && n == 4) {
        *(group<T> *)y = x;
        return;
    }
    EACH if (j < n) y[j] = x.v[j];
}

DEVICE i64 least(i64 a, i64 b) { return a < b ? a : b; }

/* q becomes q / d; gives the rest.  32 bits are much quicker. */
DEVICE i64 split(i64 &q, i64 d)
{
    i64 rest;
    if ((unsigned long long)(q | d) >> 32) {
        rest = q % d;
        q /= d;
    } else {
        unsigned n = (unsigned)q, by = (unsigned)d;
        rest = n % by;
        q = n / by;
    }
    return rest;
}

/* body(f, n) for every group f..f+n-1 of the domain that falls to block number `block` of `blocks` */
template <class Loop> DEVICE void some_groups(const wg_loop_args &a, Loop &loop, unsigned block, unsigned blocks)
{
    if (a.stop && *a.stop) return;
    i64 step = 4 * (i64)WG_LOOP_BLOCK * blocks;
    for (i64 f = 4 * ((i64)WG_LOOP_BLOCK * block + threadIdx.x); f < a.count; f += step)
        loop.body(a, f, (int)least(4, a.count - f));
}
template <class Loop> DEVICE void each_group(const wg_loop_args &a, Loop &loop)
{
    some_groups(a, loop, blockIdx.x, gridDim.x);
}

/* Finds the loop that a block works for, of n loops: the k with first[k] <= block < first[k + 1]. All
 * threads of the block must call it. */
DEVICE int loop_of(const unsigned *first, int n, unsigned block)
{
    int before = 0, lane = (int)threadIdx.x % 32;
    for (int k = lane; k - lane < n; k += 32) before += __popc(__ballot_sync(0xffffffffu, k < n && first[k] <= block));
    return before - 1;
}

/* ---- Tails ----
 *
 * A Loop has types T to add up in, Part and Out to store; start() and
 * fold(x, y); and body(a, f, n, v), which computes the group and gives the n
 * values that are reduced. */

template <class Loop> DEVICE void fold_group(const wg_loop_args &a, Loop &loop, i64 f, int n, typename Loop::T *sum)
{
    typename Loop::T v[4];
    loop.body(a, f, n, v);
    EACH if (j < n) sum[j] = loop.fold(sum[j], v[j]);
}

template <class Loop> DEVICE void tail_store(const wg_loop_args &a, i64 at, typename Loop::T y)
{
    if (a.chunks == 1) ((typename Loop::Out *)a.tail_out)[at] = (typename Loop::Out)y;
    else ((typename Loop::Part *)a.part)[at] = y;
}

/* Sums y over a team; its first lane gets the sum. Every thread of the block must call it. */
template <class Loop> DEVICE typename Loop::T fold_team(Loop &loop, int across, typename Loop::T y)
{
    typedef typename Loop::T T;
    __shared__ T             warp[WG_LOOP_BLOCK / 32];
    for (int d = (across < 32 ? across : 32) / 2; d > 0; d /= 2) {
        T other = __shfl_xor_sync(0xffffffffu, y, d);
        y = loop.fold(y, other);
    }
    if (across <= 32) return y;
    if (threadIdx.x % 32 == 0) warp[threadIdx.x / 32] = y;
    __syncthreads();
    y = warp[0];
    for (int w = 1; w < WG_LOOP_BLOCK / 32; w++) y = loop.fold(y, warp[w]);
    __syncthreads();
    return y;
}

/* inner = 1: along rows */
template <class Loop> DEVICE void tail_rows(const wg_loop_args &a, Loop &loop)
{
    typedef typename Loop::T T;
    int                      lane = (int)threadIdx.x % a.across;
    i64                      teams = WG_LOOP_BLOCK / a.across, tasks = a.outer * a.chunks;
    for (i64 first = blockIdx.x * teams; first < tasks; first += gridDim.x * teams) {
        i64 task = first + threadIdx.x / a.across, o = task, begin = split(o, a.chunks) * a.chunk;
        i64 end = task < tasks ? least(begin + a.chunk, a.reduced) : 0;
        T   sum[4] = {loop.start(), loop.start(), loop.start(), loop.start()};
        UNROLL_SOME
        for (i64 r = begin + 4 * lane; r < end; r += 4 * a.across)
            fold_group(a, loop, o * a.reduced + r, (int)least(4, end - r), sum);
        T y = loop.fold(loop.fold(sum[0], sum[1]), loop.fold(sum[2], sum[3]));
        y = fold_team(loop, a.across, y);
        if (lane == 0 && task < tasks) tail_store<Loop>(a, task, y);
    }
}

/* inner > 1: down columns */
template <class Loop> DEVICE void tail_columns(const wg_loop_args &a, Loop &loop)
{
    typedef typename Loop::T T;
    __shared__ T             part[WG_LOOP_BLOCK][4];
    int                      t = (int)threadIdx.x, row = t / a.across, rows = WG_LOOP_BLOCK / a.across;
    i64 width = 4 * a.across, tiles = (a.inner + width - 1) / width, tasks = a.outer * a.chunks * tiles;
    for (i64 task = blockIdx.x; task < tasks; task += gridDim.x) {
        i64 q = task, col = split(q, tiles) * width + 4 * (t % a.across);
        i64 o = q, begin = split(o, a.chunks) * a.chunk, end = least(begin + a.chunk, a.reduced);
        int n = (int)least(4, a.inner - col);
        T   sum[4] = {loop.start(), loop.start(), loop.start(), loop.start()};
        UNROLL_SOME
        for (i64 r = begin + row; r < end && n > 0; r += rows)
            fold_group(a, loop, (o * a.reduced + r) * a.inner + col, n, sum);
        for (int j = 0; j < 4; j++) part[t][j] = sum[j];
        for (int half = rows / 2; half > 0; half /= 2) {
            __syncthreads();
            for (int j = 0; row < half && j < 4; j++) part[t][j] = loop.fold(part[t][j], part[t + half * a.across][j]);
        }
        for (int j = 0; row == 0 && j < n; j++) tail_store<Loop>(a, q * a.inner + col + j, part[t][j]);
        __syncthreads();
    }
}

#endif
