/* block.cuh - what the kernels of structured operators share: how many blocks,
 * aligned loads, division by a constant, units of a copy, faulty indices. */
#ifndef WENGERT_CUDA_BLOCK_CUH
#define WENGERT_CUDA_BLOCK_CUH

#include <math.h>
#include <stdint.h>

#include "ops/op_attr.h"
#include "cuda/cuda_impl.h"

#define DEVICE static __device__ __forceinline__
#define METHOD static __device__ __forceinline__
#ifdef __CUDACC__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL
#endif

enum { WARP = 32, BLOCK = 256, WARPS = BLOCK / WARP };
#define ALL_LANES 0xffffffffu

/* ---- On the host ---- */

static inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* Returns the grid for so many blocks of work: enough blocks to fill the device, which loop over the rest. */
static inline unsigned grid_of(const struct wg__cuda_launch *l, int64_t blocks)
{
    int64_t most = (int64_t)(l->sms > 0 ? l->sms : 1) * 16;
    return (unsigned)(blocks < 1 ? 1 : blocks < most ? blocks : most);
}

/* Dense sizes before, at and after axes first..last-1. */
struct split {
    int64_t outer, n, inner;
};
static inline struct split split_at(const wg_shape *s, int first, int last)
{
    struct split p = {1, 1, 1};
    for (int i = 0; i < s->rank; i++) *(i < first ? &p.outer : i < last ? &p.n : &p.inner) *= s->dim[i];
    return p;
}
static inline int axis_of(int axis, int rank) { return axis < 0 ? axis + rank : axis; }

/* ---- Division by a number known at launch ----
 *
 * T. Granlund, P. L. Montgomery, "Division by invariant integers using
 * multiplication", PLDI 1994: n / d = (n + high(n m)) >> l for n, d < 2^31. */
struct div32 {
    typedef uint32_t index;
    uint32_t         d, m, l;
    static div32     by(int64_t d)
    {
        uint32_t l = 0;
        while (((uint64_t)1 << l) < (uint64_t)d) l++;
        uint64_t m = ((((uint64_t)1 << l) - (uint64_t)d) << 32) / (uint64_t)d + 1;
        return div32{(uint32_t)d, (uint32_t)m, l};
    }
    __device__ __forceinline__ uint32_t quotient(uint32_t n) const
    {
        return ((uint32_t)((uint64_t)n * m >> 32) + n) >> l;
    }
};
/* The same where numbers may be larger. */
struct div64 {
    typedef uint64_t                    index;
    uint64_t                            d;
    static div64                        by(int64_t d) { return div64{(uint64_t)d}; }
    __device__ __forceinline__ uint64_t quotient(uint64_t n) const { return n / d; }
};
/* n / d, which leaves n % d in *n */
template <class D> DEVICE typename D::index divide(const D &by, typename D::index *n)
{
    typename D::index q = by.quotient(*n);
    *n -= q * (typename D::index)by.d;
    return q;
}
static inline bool fits_32(int64_t n) { return n < (int64_t)1 << 31; }

/* ---- Four elements at a time ---- */

template <class T> struct alignas(sizeof(T) * 4 > 16 ? 16 : sizeof(T) * 4) quad {
    T v[4];
};
template <class T> DEVICE bool quads_at(const T *x) { return ((uintptr_t)x & (alignof(quad<T>) - 1)) == 0; }
template <class T> DEVICE quad<T> load4(const T *x, bool aligned)
{
    if (aligned) return *(const quad<T> *)(const void *)x;
    return quad<T>{{x[0], x[1], x[2], x[3]}};
}
template <class T> DEVICE void store4(T *y, bool aligned, const quad<T> &v)
{
    if (aligned) *(quad<T> *)(void *)y = v;
    else
        for (int k = 0; k < 4; k++) y[k] = v.v[k];
}

/* ---- Units of a copy: 16, 8, 4 or 1 bytes ---- */

struct alignas(16) unit16 {
    uint32_t v[4];
};
/* The largest unit that divides all of these numbers of bytes and addresses. */
struct unit_choice {
    uint64_t bits;
};
static inline void unit_with(struct unit_choice *u, int64_t bytes) { u->bits |= (uint64_t)bytes; }
static inline void unit_at(struct unit_choice *u, const void *p) { u->bits |= (uintptr_t)p; }
static inline int  unit_of(const struct unit_choice *u)
{
    return u->bits % 16 == 0 ? 16 : u->bits % 8 == 0 ? 8 : u->bits % 4 == 0 ? 4 : 1;
}
/* k = F<unit, divider> for a unit and a count of units. */
#define BY_UNIT(k, F, unit, count)               \
    switch (fits_32(count) ? (unit) : -(unit)) { \
    case 16: k = F<unit16, div32>; break;        \
    case 8: k = F<uint64_t, div32>; break;       \
    case 4: k = F<uint32_t, div32>; break;       \
    case 1: k = F<uint8_t, div32>; break;        \
    case -16: k = F<unit16, div64>; break;       \
    case -8: k = F<uint64_t, div64>; break;      \
    case -4: k = F<uint32_t, div64>; break;      \
    default: k = F<uint8_t, div64>; break;       \
    }

/* ---- Indices that may be out of range ---- */

struct indices {
    const void            *data;
    wg_dtype               dtype;
    bool                   from_end; /* a negative one counts from the end */
    int                    instr;
    int64_t                m, size;
    struct wg__cuda_fault *fault;
};
DEVICE int64_t index_at(const indices &s, int64_t i)
{
    return s.dtype == WG_I32   ? ((const int32_t *)s.data)[i]
           : s.dtype == WG_I64 ? ((const int64_t *)s.data)[i]
                               : ((const uint8_t *)s.data)[i];
}
/* 0 <= place < size, or -1. */
DEVICE int64_t place_of(const indices &s, int64_t i)
{
    int64_t at = index_at(s, i);
    if (at < 0 && s.from_end) at += s.size;
    return at >= 0 && at < s.size ? at : -1;
}
/* The first place in the list at which a thread met an index out of range. */
enum : int64_t { NO_FAULT = INT64_MAX };
DEVICE void note_fault(int64_t *first, int64_t i)
{
    if (i < *first) *first = i;
}
/* Tells of the first index of the list that is out of range, so that the same one is told in every run.  All threads
 * of a block come here, at the end of a kernel, with what each has found.  The first block with a fault looks through
 * all that comes before it, each thread at every BLOCK-th index. */
static inline __device__ void tell_fault(const indices &s, int64_t found)
{
    __shared__ unsigned long long first;
    __shared__ int                mine;
    if (!__syncthreads_or(found != NO_FAULT)) return;
    if (threadIdx.x == 0) {
        first = (unsigned long long)NO_FAULT;
        mine = atomicCAS(&s.fault->status, 0, (int)WG_EINDEX) == 0;
    }
    __syncthreads();
    if (!mine) return;
    if (found != NO_FAULT) atomicMin(&first, (unsigned long long)found);
    __syncthreads();
    int64_t end = (int64_t)first, k = threadIdx.x;
    __syncthreads();
    while (k < end && place_of(s, k) >= 0) k += blockDim.x;
    if (k < end) atomicMin(&first, (unsigned long long)k);
    __syncthreads();
    if (threadIdx.x != 0) return;
    s.fault->instr = s.instr;
    s.fault->index = index_at(s, (int64_t)first);
    s.fault->size = s.size;
}

#endif
