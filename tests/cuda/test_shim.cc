/* The shim itself: kernels that are wrong in a known way are told so. */
#include <cstdio>
#include <cstring>

#include <cuda_runtime.h>

#include "cuda_test.h"
#include "shim.h"

/* ---- Kernels ---- */

static __global__ void reverse(int *x, int barrier)
{
    __shared__ int s[64];
    s[threadIdx.x] = x[threadIdx.x];
    if (barrier) __syncthreads();
    x[threadIdx.x] = s[63 - threadIdx.x];
}
static __global__ void few_arrive(int *x)
{
    if (threadIdx.x < 3) __syncthreads();
    x[threadIdx.x] = 1;
}
static __global__ void two_barriers(int *x)
{
    if (threadIdx.x < 32) __syncthreads();
    else __syncthreads();
    x[threadIdx.x] = 1;
}
static __global__ void half_shuffles(int *x)
{
    if (threadIdx.x % 32 < 16) x[threadIdx.x] = __shfl_xor_sync(0xffffffffu, x[threadIdx.x], 1);
}
static __global__ void foreign_lane(int *x)
{
    if (threadIdx.x < 16) x[threadIdx.x] = __shfl_sync(0xffffu, x[threadIdx.x], 20);
}
static __global__ void never_written(float *x, int write)
{
    __shared__ float s[64];
    if (write) s[threadIdx.x] = 1;
    x[threadIdx.x] = s[threadIdx.x];
}
static __global__ void dynamic(float *x, int n)
{
    extern __shared__ __align__(16) unsigned char wg_shared[];
    float                                        *s = (float *)wg_shared;
    s[n] = x[0];
    __syncthreads();
    x[1] = s[n];
}
static __global__ void                    store(int *x, long at) { x[at] = 1; }
static __global__ void                    store_four(int *x) { *(int4 *)(x + 1) = make_int4(1, 2, 3, 4); }
static __global__ void                    add(int *x, int v) { x[threadIdx.x] += v; }
template <class T> static __global__ void sum_block(const T *x, T *y)
{
    __shared__ T part[4];
    T            s = x[threadIdx.x];
    for (int k = 16; k; k >>= 1) s += __shfl_down_sync(0xffffffffu, s, (unsigned)k);
    if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = s;
    __syncthreads();
    if (threadIdx.x == 0) *y = part[0] + part[1] + part[2] + part[3];
}
static __global__ void votes(unsigned *y)
{
    int      i = (int)threadIdx.x;
    unsigned even = __ballot_sync(0xffffffffu, i % 2 == 0);
    unsigned some = (unsigned)__any_sync(0xffffffffu, i == 5), every = (unsigned)__all_sync(0xffffffffu, i < 32);
    int      up = __shfl_up_sync(0xffffffffu, i, 1, 8), within = __shfl_sync(0xffffffffu, i, 9, 8);
    unsigned count = (unsigned)__syncthreads_count(i < 7), any = (unsigned)__syncthreads_or(i == 40),
             all = (unsigned)__syncthreads_and(i < 64);
    unsigned first[] = {even, some, every, (unsigned)up, (unsigned)within, count, any, all};
    if (i == 8)
        for (int k = 0; k < 8; k++) y[k] = first[k];
    atomicAdd(&y[8], 1u);
}

/* ---- What is told ---- */

bool told(const char *text)
{
    bool found = wg_shim_complaints() == 1 && strstr(wg_shim_complaint(0), text);
    if (!found)
        for (int i = 0; i < wg_shim_complaints(); i++) tap_note("said: %s", wg_shim_complaint(i));
    wg_shim_forgive();
    return found;
}

static int *device_ints()
{
    int *x = NULL;
    wg_shim_reset();
    cudaMalloc(&x, 64 * sizeof *x);
    cudaMemset(x, 0, 64 * sizeof *x);
    return x;
}

static bool race_shows()
{
    int results[2][64];
    for (unsigned order = 0; order < 2; order++) {
        int *x = device_ints(), start[64];
        for (int i = 0; i < 64; i++) start[i] = i;
        wg_shim_order(order);
        cudaMemcpy(x, start, sizeof start, cudaMemcpyHostToDevice);
        WG_LAUNCH(reverse, 1, 64, 0, 0)(x, 0);
        cudaMemcpy(results[order], x, sizeof start, cudaMemcpyDeviceToHost);
    }
    return memcmp(results[0], results[1], sizeof results[0]) != 0;
}

static bool barrier_helps()
{
    for (unsigned order = 0; order < 6; order++) {
        int *x = device_ints(), v[64];
        for (int i = 0; i < 64; i++) v[i] = i;
        wg_shim_order(order);
        cudaMemcpy(x, v, sizeof v, cudaMemcpyHostToDevice);
        WG_LAUNCH(reverse, 1, 64, 0, 0)(x, 1);
        cudaMemcpy(v, x, sizeof v, cudaMemcpyDeviceToHost);
        for (int i = 0; i < 64; i++)
            if (v[i] != 63 - i) return false;
    }
    return wg_shim_complaints() == 0;
}

static bool faulty(void (*kernel)(int *), int threads, const char *text)
{
    int *x = device_ints();
    WG_LAUNCH(kernel, 1, threads, 0, 0)(x);
    return cudaDeviceSynchronize() == cudaErrorLaunchFailure && told(text);
}

static bool poison_shows()
{
    int  *x = device_ints();
    float y[64];
    WG_LAUNCH(never_written, 1, 64, 0, 0)((float *)x, 1);
    WG_LAUNCH(never_written, 1, 64, 0, 0)((float *)x, 0);
    cudaMemcpy(y, x, sizeof y, cudaMemcpyDeviceToHost);
    return y[0] != y[0] && y[63] != y[63];
}

static bool dynamic_is_bounded(int n, size_t bytes, bool fine)
{
    int *x = device_ints();
    WG_LAUNCH(dynamic, 1, 1, bytes, 0)((float *)x, n);
    cudaDeviceSynchronize();
    return fine ? wg_shim_complaints() == 0 : told("dynamic shared memory");
}

static bool sums_are_right()
{
    float *x, *y, v[128], s = 0;
    wg_shim_reset();
    cudaMalloc(&x, sizeof v);
    cudaMalloc(&y, sizeof s);
    for (int i = 0; i < 128; i++) v[i] = (float)i;
    cudaMemcpy(x, v, sizeof v, cudaMemcpyHostToDevice);
    WG_LAUNCH((sum_block<float>), 1, 128, 0, 0)(x, y);
    cudaMemcpy(&s, y, sizeof s, cudaMemcpyDeviceToHost);
    return s == 127 * 64;
}

static bool votes_are_right()
{
    static const unsigned want[] = {0x55555555u, 1, 1, 8, 9, 7, 1, 1, 64};
    for (unsigned order = 0; order < 4; order++) {
        unsigned *y, got[9];
        wg_shim_reset();
        wg_shim_order(order);
        cudaMalloc(&y, sizeof got);
        cudaMemset(y, 0, sizeof got);
        WG_LAUNCH(votes, 1, 64, 0, 0)(y);
        cudaMemcpy(got, y, sizeof got, cudaMemcpyDeviceToHost);
        if (memcmp(want, got, sizeof got) != 0 || wg_shim_complaints()) return false;
    }
    return true;
}

static bool wild_store(long at, const char *text)
{
    int *x = device_ints();
    WG_LAUNCH(store, 1, 1, 0, 0)(x, at);
    cudaDeviceSynchronize();
    return told(text);
}

static bool bad_launch(unsigned grid, unsigned block, size_t shared)
{
    int *x = device_ints();
    WG_LAUNCH(add, grid, block, shared, 0)(x, 1);
    return cudaGetLastError() == cudaErrorInvalidConfiguration && wg_shim_complaints() == 1;
}

void test_shim(void)
{
    tap(sums_are_right(), "shim: shuffles and shared memory add up a block");
    tap(votes_are_right(), "shim: votes, widths, counting barriers and atomics in any order");
    tap(barrier_helps(), "shim: a kernel with its barrier gives one result in any order");
    tap(race_shows(), "shim: without the barrier, the order shows");
    tap(faulty(few_arrive, 64, "wait at __syncthreads"), "shim: a barrier that some threads never reach");
    tap(faulty(two_barriers, 64, "barriers differ"), "shim: threads at different barriers");
    tap(faulty(half_shuffles, 32, "mask 0xffffffff"), "shim: a mask that names lanes which take no part");
    tap(faulty(half_shuffles, 8, "has not got"), "shim: a mask that names lanes which do not exist");
    tap(faulty(foreign_lane, 32, "reads lane 20"), "shim: a shuffle from outside of its mask");
    tap(poison_shows(), "shim: shared memory keeps nothing from block to block");
    tap(dynamic_is_bounded(3, 16, true), "shim: dynamic shared memory");
#ifdef __SANITIZE_ADDRESS__
    const char *asan = "the address sanitizer would end the program";
    tap_skip(asan, "shim: a store past dynamic shared memory");
    tap_skip(asan, "shim: a store past device memory");
    tap_skip(asan, "shim: a store far from any memory");
    tap_skip(asan, "shim: a misaligned vector");
#else
    tap(dynamic_is_bounded(4, 16, false), "shim: a store past dynamic shared memory");
    tap(wild_store(5000, "past the end of device memory of 256 bytes") && wild_store(-1 - 64 * 1024, "touched") &&
            wild_store(-1, "just outside"),
        "shim: a store past device memory");
    tap(wild_store(1l << 45, "touched"), "shim: a store far from any memory");
    tap(faulty(store_four, 1, "misaligned"), "shim: a misaligned vector");
#endif
    tap(bad_launch(0, 1, 0) && bad_launch(1, 2000, 0) && bad_launch(1, 1, 64 << 10),
        "shim: launches that no device takes");
    wg_shim_reset();
}
