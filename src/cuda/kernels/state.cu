/* state.cu - what a run leaves behind: its number, its fault, and parameters.
 *
 * The host does not wait to see whether a kernel met a fault. Every kernel that would change the state
 * looks at the fault itself: after a fault parameters are not written and runs are not counted, in
 * this run and in all runs behind it, until the host has seen the fault. */
#include "cuda/kernels/block.cuh"

/* ---- The end of a run ---- */

/* Closes a run. told is the host's memory; its status is written last. */
static __global__ void close_run(const struct wg__cuda_fault *fault, uint64_t *run, volatile struct wg__cuda_told *told)
{
    if (!fault->status) {
        ++*run;
        return;
    }
    if (told->fault.status) return; /* of an earlier run */
    told->fault.instr = fault->instr;
    told->fault.index = fault->index;
    told->fault.size = fault->size;
    told->run = *run;
    __threadfence_system();
    told->fault.status = fault->status;
}

extern "C" cudaError_t wg__cuda_close_run(const struct wg__cuda_fault *fault, uint64_t *run, struct wg__cuda_told *told,
                                          cudaStream_t stream)
{
    WG_LAUNCH(close_run, 1, 1, 0, stream)(fault, run, told);
    return cudaGetLastError();
}

static __global__ void set_run(uint64_t *run, uint64_t value) { *run = value; }

extern "C" cudaError_t wg__cuda_set_run(uint64_t *run, uint64_t value, cudaStream_t stream)
{
    WG_LAUNCH(set_run, 1, 1, 0, stream)(run, value);
    return cudaGetLastError();
}

/* ---- Assignments that are copies ---- */

template <class U>
static __global__ void __launch_bounds__(BLOCK) copy_unless(const int *stop, const U *from, U *to, int64_t n)
{
    if (*stop) return;
    int64_t step = (int64_t)gridDim.x * BLOCK;
    for (int64_t i = (int64_t)blockIdx.x * BLOCK + threadIdx.x; i < n; i += step) to[i] = from[i];
}

template <class U> static void launch(const struct wg__cuda_launch *l, const void *from, void *to, int64_t bytes)
{
    int64_t n = bytes / (int64_t)sizeof(U);
    void (*k)(const int *, const U *, U *, int64_t) = copy_unless<U>;
    WG_LAUNCH(k, grid_of(l, ceil_div(n, BLOCK)), BLOCK, 0, l->stream)(&l->fault->status, (const U *)from, (U *)to, n);
}

extern "C" cudaError_t wg__cuda_assign_copy(const struct wg__cuda_launch *l, const void *from, void *to, size_t bytes)
{
    struct unit_choice u = {bytes};
    if (!bytes) return cudaSuccess;
    unit_at(&u, from);
    unit_at(&u, to);
    switch (unit_of(&u)) {
    case 16: launch<unit16>(l, from, to, (int64_t)bytes); break;
    case 8: launch<uint64_t>(l, from, to, (int64_t)bytes); break;
    case 4: launch<uint32_t>(l, from, to, (int64_t)bytes); break;
    default: launch<uint8_t>(l, from, to, (int64_t)bytes); break;
    }
    return cudaGetLastError();
}
