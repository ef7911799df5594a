/* cuda_impl.h - inside of libwengert-cuda.so.
 *
 * Kernels are CUDA C++ in *.cu files, with one small C interface each: a launch
 * function that takes the wg_call of the CPU with device pointers in it.  They
 * are compiled three times over: by nvcc, by NVRTC (fused loops), and by the
 * host compiler with the shim of tests/cuda_host, which runs them on the CPU.
 * So a launch is written WG_LAUNCH(kernel, grid, block, shared, stream)(args..)
 * and nothing of the language beyond that and the usual built-ins is used. */
#ifndef WENGERT_CUDA_IMPL_H
#define WENGERT_CUDA_IMPL_H

#include <cuda_runtime.h>
#include <stdbool.h>

#if defined(CUDART_VERSION) && !defined(WG__CUDA_HOST) && CUDART_VERSION < 12080
#error "CUDA 12.8 or later is needed: earlier runtimes have no cudaLibraryLoadData"
#endif

#include <wengert/graph_op.h> /* has templates, which have no C linkage */

#ifdef __cplusplus
extern "C" {
#endif

#ifdef WG__CUDA_HOST /* tests/cuda_host/cuda_runtime.h has WG_LAUNCH */
#elif defined(__CUDACC__)
#define WG_LAUNCH(kernel, grid, block, shared, stream) kernel<<<(grid), (block), (shared), (stream)>>>
#endif

/* The fault that a kernel reports when it meets an index out of range: the first fault counts. */
struct wg__cuda_fault {
    int     status; /* 0: none; WG_EINDEX */
    int     instr;  /* which instruction of the tape */
    int64_t index, size;
};
/* The same fault in the host's memory, with the run in which it happened. */
struct wg__cuda_told {
    struct wg__cuda_fault fault;
    uint64_t              run;
};

/* One instruction on its way to the device. */
struct wg__cuda_launch {
    const wg_call         *call; /* data are device pointers; n, shapes, dtypes, attr as for the CPU */
    cudaStream_t           stream;
    void                  *scratch; /* device memory, as many bytes as asked for */
    struct wg__cuda_fault *fault;   /* device memory */
    const uint64_t        *run;     /* device memory: number of the run, so that a captured graph can be replayed */
    int                    instr;
    int                    sms; /* multiprocessors: how many blocks fill the device */
};

/* An operator on CUDA, by the name of its wg_op. */
struct wg__cuda_op {
    const char *name; /* NULL ends a list */
    cudaError_t (*launch)(const struct wg__cuda_launch *l);
    size_t (*scratch)(const wg_call *c); /* NULL: none */
};
/* The operators that are kernels of their own, one list for each file; elementwise operators and sum,
 * prod, max and min are loops instead. */
extern const struct wg__cuda_op wg__cuda_reduce_ops[];  /* reduce.cu: argmax logsumexp */
extern const struct wg__cuda_op wg__cuda_softmax_ops[]; /* softmax.cu: softmax log_softmax cross_entropy */
extern const struct wg__cuda_op wg__cuda_index_ops[];   /* index.cu: gather scatter_add */
extern const struct wg__cuda_op wg__cuda_shape_ops[];   /* move.cu: transpose slice pad concat .. */
extern const struct wg__cuda_op wg__cuda_result_ops[];  /* results.cu: max_with_index moments top_k split */
extern const struct wg__cuda_op wg__cuda_random_ops[];  /* random.cu: uniform normal dropout_mask */

/* ---- Loops: a chain of elementwise steps as one kernel (interpret.cu, loop_source.c) ---- */

enum { WG__CUDA_INPUTS = 16, WG__CUDA_OUTPUTS = 8, WG__CUDA_STEPS = 32 };

/* A slot: inputs first, then registers (one for each step, unless it is an output), then outputs. */
struct wg__cuda_step {
    const char *op; /* name of the row, or "not", "where", "cast", "expand" (a copy) */
    double      a;  /* of a row with a parameter */
    uint8_t     n, y, x[WG_BLOCK_MAX_ARITY];
    uint8_t     from, to; /* wg_dtype of the last data operand, and of the result */
};
struct wg__cuda_operand {
    void   *data;
    uint8_t dtype;
    int64_t stride[WG_MAX_RANK]; /* in elements; 0 where it broadcasts */
};
struct wg__cuda_loop {
    int                     rank; /* >= 1 */
    int64_t                 dim[WG_MAX_RANK];
    int                     inputs, registers, outputs, steps;
    bool                    stops; /* after a fault it does nothing: an output is a parameter */
    struct wg__cuda_operand in[WG__CUDA_INPUTS], out[WG__CUDA_OUTPUTS]; /* outputs dense */
    struct wg__cuda_step    step[WG__CUDA_STEPS];
    int                     tail; /* enum wg__reduce; -1: none */
    int                     tail_slot, tail_dtype;
    int64_t                 outer, reduced, inner; /* the domain as the reduction sees it */
    void                   *tail_out;              /* [outer, inner] */
};
/* Runs any loop without NVRTC, by the precompiled interpreter. wg__cuda_loop_scratch: the bytes of
 * scratch that it needs. */
cudaError_t wg__cuda_loop_run(const struct wg__cuda_loop *l, const struct wg__cuda_launch *at);
size_t      wg__cuda_loop_scratch(const struct wg__cuda_loop *l);
/* Writes the CUDA source of the loop's own kernel, complete for NVRTC: `extern "C" __global__ void
 * wg_loop(...)`, and wg_loops(...) for several loops without tails. malloc; NULL if memory is short.
 * Loops that differ in pointers and sizes only give the same text, so that it can be cached. */
char *wg__cuda_loop_source(const struct wg__cuda_loop *l);

#ifdef __cplusplus
}
#endif
#endif
