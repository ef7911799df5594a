/* builtins.h - what a kernel may write: CUDA's built-ins for the host compiler. */
#ifndef WENGERT_TESTS_CUDA_BUILTINS_H
#define WENGERT_TESTS_CUDA_BUILTINS_H

#include <cassert>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <math.h>
#include <type_traits>

#include "types.h"

/* ---- Words ---- */

#define __global__
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(n) __attribute__((aligned(n)))
#define __restrict __restrict__
/* Of a function, thread_local means static; with extern it stays a declaration.
 * Dynamic shared memory has one name everywhere:
 *     extern __shared__ __align__(16) unsigned char wg_shared[]; */
#define __shared__ thread_local
extern thread_local unsigned char wg_shared[];

extern uint3         threadIdx, blockIdx;
extern dim3          blockDim, gridDim;
static constexpr int warpSize = 32;

/* ---- Vectors ---- */

#define WG_SHIM_MAKERS(name, type, two, four)                                          \
    static inline name##1 make_##name##1(type x) { return {x}; }                       \
    static inline name##2 make_##name##2(type x, type y) { return {x, y}; }            \
    static inline name##3 make_##name##3(type x, type y, type z) { return {x, y, z}; } \
    static inline name##4 make_##name##4(type x, type y, type z, type w) { return {x, y, z, w}; }
WG_SHIM_VECTORS(WG_SHIM_MAKERS)
#undef WG_SHIM_MAKERS

/* ---- Threads of a block, lanes of a warp ---- */

enum wg_shim_vote { WG_SHIM_SYNC, WG_SHIM_COUNT, WG_SHIM_OR_ALL, WG_SHIM_AND_ALL };
enum wg_shim_warp_op {
    WG_SHIM_SYNCWARP,
    WG_SHIM_SHFL,
    WG_SHIM_UP,
    WG_SHIM_DOWN,
    WG_SHIM_XOR,
    WG_SHIM_BALLOT,
    WG_SHIM_ANY,
    WG_SHIM_ALL,
    WG_SHIM_MATCH
};
int      wg_shim_barrier(enum wg_shim_vote kind, int predicate, const char *file, int line);
uint64_t wg_shim_warp(enum wg_shim_warp_op op, unsigned mask, uint64_t value, int arg, int width, const char *file,
                      int line);
unsigned wg_shim_lane(void);
[[noreturn]] void wg_shim_trap(const char *file, int line);

/* Where a call stands in the source. */
#define WG_SHIM_AT const char *file = __builtin_FILE(), int line = __builtin_LINE()

static inline void __syncthreads(WG_SHIM_AT) { wg_shim_barrier(WG_SHIM_SYNC, 0, file, line); }
static inline int  __syncthreads_count(int p, WG_SHIM_AT) { return wg_shim_barrier(WG_SHIM_COUNT, p, file, line); }
static inline int  __syncthreads_or(int p, WG_SHIM_AT) { return wg_shim_barrier(WG_SHIM_OR_ALL, p, file, line); }
static inline int  __syncthreads_and(int p, WG_SHIM_AT) { return wg_shim_barrier(WG_SHIM_AND_ALL, p, file, line); }
static inline void __syncwarp(unsigned mask = 0xffffffffu, WG_SHIM_AT)
{
    wg_shim_warp(WG_SHIM_SYNCWARP, mask, 0, 0, 32, file, line);
}
static inline unsigned __ballot_sync(unsigned mask, int p, WG_SHIM_AT)
{
    return (unsigned)wg_shim_warp(WG_SHIM_BALLOT, mask, p != 0, 0, 32, file, line);
}
static inline int __any_sync(unsigned mask, int p, WG_SHIM_AT)
{
    return (int)wg_shim_warp(WG_SHIM_ANY, mask, p != 0, 0, 32, file, line);
}
static inline int __all_sync(unsigned mask, int p, WG_SHIM_AT)
{
    return (int)wg_shim_warp(WG_SHIM_ALL, mask, p != 0, 0, 32, file, line);
}
/* Which lanes run together is not promised; one alone is always a right answer. */
static inline unsigned __activemask(void) { return 1u << wg_shim_lane(); }

template <class T>
static inline T wg_shim_shuffle(enum wg_shim_warp_op op, unsigned mask, T v, int arg, int width, const char *file,
                                int line)
{
    static_assert(std::is_arithmetic<T>::value && (sizeof v == 4 || sizeof v == 8), "shuffles move 4 or 8 bytes");
    uint64_t bits = 0;
    memcpy(&bits, &v, sizeof v);
    bits = wg_shim_warp(op, mask, bits, arg, width, file, line);
    memcpy(&v, &bits, sizeof v);
    return v;
}
template <class T> static inline T __shfl_sync(unsigned mask, T v, int lane, int width = 32, WG_SHIM_AT)
{
    return wg_shim_shuffle(WG_SHIM_SHFL, mask, v, lane, width, file, line);
}
template <class T> static inline T __shfl_up_sync(unsigned mask, T v, unsigned by, int width = 32, WG_SHIM_AT)
{
    return wg_shim_shuffle(WG_SHIM_UP, mask, v, (int)by, width, file, line);
}
template <class T> static inline T __shfl_down_sync(unsigned mask, T v, unsigned by, int width = 32, WG_SHIM_AT)
{
    return wg_shim_shuffle(WG_SHIM_DOWN, mask, v, (int)by, width, file, line);
}
template <class T> static inline T __shfl_xor_sync(unsigned mask, T v, int bits, int width = 32, WG_SHIM_AT)
{
    return wg_shim_shuffle(WG_SHIM_XOR, mask, v, bits, width, file, line);
}
template <class T> static inline unsigned __match_any_sync(unsigned mask, T v, WG_SHIM_AT)
{
    uint64_t bits = 0;
    memcpy(&bits, &v, sizeof v);
    return (unsigned)wg_shim_warp(WG_SHIM_MATCH, mask, bits, 0, 32, file, line);
}

static inline void              __threadfence(void) {}
static inline void              __threadfence_block(void) {}
static inline void              __threadfence_system(void) {}
static inline void              __nanosleep(unsigned) {}
[[noreturn]] static inline void __trap(WG_SHIM_AT) { wg_shim_trap(file, line); }
#undef WG_SHIM_AT

/* ---- Atomics: the threads of the shim take turns ---- */

template <class T> struct wg_shim_same {
    typedef T type;
};
#define WG_SHIM_ATOMIC(name, expression)                                            \
    template <class T> static inline T name(T *p, typename wg_shim_same<T>::type v) \
    {                                                                               \
        T old = *p;                                                                 \
        *p = (T)(expression);                                                       \
        return old;                                                                 \
    }
WG_SHIM_ATOMIC(atomicAdd, old + v)
WG_SHIM_ATOMIC(atomicSub, old - v)
WG_SHIM_ATOMIC(atomicMax, old < v ? v : old)
WG_SHIM_ATOMIC(atomicMin, v < old ? v : old)
WG_SHIM_ATOMIC(atomicExch, v)
WG_SHIM_ATOMIC(atomicAnd, old &v)
WG_SHIM_ATOMIC(atomicOr, old | v)
WG_SHIM_ATOMIC(atomicXor, old ^ v)
WG_SHIM_ATOMIC(atomicInc, old >= v ? 0 : old + 1)
#undef WG_SHIM_ATOMIC
template <class T>
static inline T atomicCAS(T *p, typename wg_shim_same<T>::type expected, typename wg_shim_same<T>::type v)
{
    T old = *p;
    if (old == expected) *p = v;
    return old;
}

/* ---- Loads, stores, bits ---- */

template <class T> static inline T    __ldg(const T *p) { return *p; }
template <class T> static inline T    __ldcs(const T *p) { return *p; }
template <class T> static inline T    __ldcg(const T *p) { return *p; }
template <class T> static inline void __stcs(T *p, typename wg_shim_same<T>::type v) { *p = v; }
template <class T> static inline void __stcg(T *p, typename wg_shim_same<T>::type v) { *p = v; }

template <class To, class From> static inline To wg_shim_bits(From v)
{
    static_assert(sizeof(To) == sizeof(From), "as many bits");
    To to;
    memcpy(&to, &v, sizeof to);
    return to;
}
static inline int       __float_as_int(float v) { return wg_shim_bits<int>(v); }
static inline unsigned  __float_as_uint(float v) { return wg_shim_bits<unsigned>(v); }
static inline float     __int_as_float(int v) { return wg_shim_bits<float>(v); }
static inline float     __uint_as_float(unsigned v) { return wg_shim_bits<float>(v); }
static inline long long __double_as_longlong(double v) { return wg_shim_bits<long long>(v); }
static inline double    __longlong_as_double(long long v) { return wg_shim_bits<double>(v); }
static inline int       __double2hiint(double v) { return (int)(__double_as_longlong(v) >> 32); }
static inline int       __double2loint(double v) { return (int)__double_as_longlong(v); }
static inline double    __hiloint2double(int hi, int lo)
{
    return __longlong_as_double((long long)((unsigned long long)(unsigned)hi << 32 | (unsigned)lo));
}
static inline int      __popc(unsigned v) { return __builtin_popcount(v); }
static inline int      __popcll(unsigned long long v) { return __builtin_popcountll(v); }
static inline int      __clz(int v) { return v ? __builtin_clz((unsigned)v) : 32; }
static inline int      __clzll(long long v) { return v ? __builtin_clzll((unsigned long long)v) : 64; }
static inline int      __ffs(int v) { return __builtin_ffs(v); }
static inline int      __ffsll(long long v) { return __builtin_ffsll(v); }
static inline unsigned __brev(unsigned v)
{
    unsigned r = 0;
    for (int i = 0; i < 32; i++, v >>= 1) r = r << 1 | (v & 1);
    return r;
}
static inline int      __mulhi(int a, int b) { return (int)((long long)a * b >> 32); }
static inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((unsigned long long)a * b >> 32); }
static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b)
{
    return (unsigned long long)((unsigned __int128)a * b >> 64);
}

/* ---- Arithmetic ---- */

static inline float  __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
static inline double __fma_rn(double a, double b, double c) { return fma(a, b, c); }
static inline float  __fadd_rn(float a, float b) { return a + b; }
static inline float  __fsub_rn(float a, float b) { return a - b; }
static inline float  __fmul_rn(float a, float b) { return a * b; }
static inline float  __fdiv_rn(float a, float b) { return a / b; }
static inline float  __frcp_rn(float a) { return 1 / a; }
static inline float  __fsqrt_rn(float a) { return sqrtf(a); }
static inline double __dadd_rn(double a, double b) { return a + b; }
static inline double __dsub_rn(double a, double b) { return a - b; }
static inline double __dmul_rn(double a, double b) { return a * b; }
static inline double __ddiv_rn(double a, double b) { return a / b; }
static inline double __drcp_rn(double a) { return 1 / a; }
static inline double __dsqrt_rn(double a) { return sqrt(a); }
static inline float  __fdividef(float a, float b) { return a / b; }
static inline float  __saturatef(float a) { return a > 0 ? a < 1 ? a : 1 : 0; }
static inline float  rsqrtf(float a) { return 1 / sqrtf(a); }
static inline double rsqrt(double a) { return 1 / sqrt(a); }
static inline float  __frsqrt_rn(float a) { return (float)(1 / sqrt((double)a)); }
static inline int    __float2int_rn(float a) { return (int)nearbyintf(a); }
static inline int    __float2int_rz(float a) { return (int)a; }
static inline int    __double2int_rz(double a) { return (int)a; }
static inline float  __int2float_rn(int a) { return (float)a; }
static inline float  __uint2float_rn(unsigned a) { return (float)a; }
static inline double __uint2double_rn(unsigned a) { return (double)a; }
static inline float  __double2float_rn(double a) { return (float)a; }
static inline float  __ll2float_rn(long long a) { return (float)a; }
/* The C library declares these names too. */
#define __expf(x) expf(x)
#define __exp10f(x) exp10f(x)
#define __logf(x) logf(x)
#define __log2f(x) log2f(x)
#define __log10f(x) log10f(x)
#define __powf(x, y) powf(x, y)
#define __sinf(x) sinf(x)
#define __cosf(x) cosf(x)
#define __tanf(x) tanf(x)
#define __sincosf(x, s, c) sincosf(x, s, c)

#define WG_SHIM_MIN_MAX(type)                                        \
    static inline type min(type a, type b) { return b < a ? b : a; } \
    static inline type max(type a, type b) { return a < b ? b : a; }
WG_SHIM_MIN_MAX(int)
WG_SHIM_MIN_MAX(unsigned)
WG_SHIM_MIN_MAX(long)
WG_SHIM_MIN_MAX(unsigned long)
WG_SHIM_MIN_MAX(long long)
WG_SHIM_MIN_MAX(unsigned long long)
#undef WG_SHIM_MIN_MAX
static inline float  min(float a, float b) { return fminf(a, b); }
static inline float  max(float a, float b) { return fmaxf(a, b); }
static inline double min(double a, double b) { return fmin(a, b); }
static inline double max(double a, double b) { return fmax(a, b); }

long long               wg_shim_clock(void);
static inline long long clock64(void) { return wg_shim_clock(); }

#endif
