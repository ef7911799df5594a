/* cuda_loop.h - loops on CUDA: what the planner, the interpreter and the compiler of loops share. */
#ifndef WENGERT_CUDA_LOOP_H
#define WENGERT_CUDA_LOOP_H

#include "loop/reduction.h"
#include "cuda/cuda_impl.h"
#include "cuda/loop/loop_args.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What device code calls the dtypes. */
#define WG__CUDA_DTYPES(X) X(f32, WG_F32) X(f64, WG_F64) X(i32, WG_I32) X(i64, WG_I64) X(u8, WG_U8) X(b8, WG_BOOL)

/* Every elementwise function, in the order of the tables in src/ops. */
enum wg__cuda_row {
#define ROW(name) WG__CUDA_##name,
#include "cpu/each_row.h"
#undef ROW
    WG__CUDA_cast,
    WG__CUDA_ROWS
};
/* Rows whose result is bool: from here to WG__CUDA_not. */
enum {
    WG__CUDA_TESTS = 0
#define U(...) +1
#define UA(...) +1
#include "ops/unary.def"
#undef U
#undef UA
#define B(...) +1
#define C(...)
#define L(...)
#include "ops/binary.def"
#undef B
#undef C
#undef L
};
/* Returns the row of an operator, where "expand" is a copy; -1 if there is none. */
int wg__cuda_row(const char *op);

/* How an operand's elements are found.  A matter of structure: generated sources differ by it. */
enum wg__cuda_form { WG__CUDA_DENSE, WG__CUDA_ONE, WG__CUDA_STRIDED };
int wg__cuda_form(const struct wg__cuda_loop *l, const struct wg__cuda_operand *x);

/* The steps and the tail of a loop, not its head; it does not stop. (translate.c) */
struct wg__loop;
void wg__cuda_translate(const struct wg__loop *l, struct wg__cuda_loop *to);

/* ---- Launching: loop_plan.c ---- */

struct wg__cuda_plan {
    struct wg_loop_args args;
    unsigned            grid; /* blocks of WG_LOOP_BLOCK threads, no dynamic shared memory; 0: nothing to do */
};
/* Plans the launch of the loop's own kernel. at->scratch has as many bytes as wg__cuda_loop_scratch
 * says. wg__cuda_loop_finish comes after the kernel. */
void wg__cuda_plan(const struct wg__cuda_loop *l, const struct wg__cuda_launch *at, struct wg__cuda_plan *p);
/* Plans the launch that joins the parts of a long reduction: parts in in[0], one chunk; grid = 0 where
 * there is nothing to do. */
void wg__cuda_plan_finish(const struct wg__cuda_loop *l, const struct wg__cuda_launch *at, struct wg__cuda_plan *p);
/* Puts the parts of a long reduction together; does nothing where there is one chunk. (interpret.cu) */
cudaError_t wg__cuda_loop_finish(const struct wg__cuda_loop *l, const struct wg__cuda_launch *at);

/* Several loops without tails and of one source, as one launch. */
struct wg__cuda_group {
    const struct wg_loop_args *args;  /* [n], in device memory */
    const unsigned            *first; /* [n + 1], in device memory: the first block of each */
    int                        n;
    unsigned                   grid;
};
/* Deals blocks to n loops in proportion to their sizes: loop i gets the blocks first[i]..first[i + 1]
 * - 1, and first[n] is the grid. */
void wg__cuda_deal(int n, const struct wg_loop_args *args, int sms, unsigned *first);
/* Runs the interpreter for a group; `any` is any loop of the group. (interpret.cu) */
cudaError_t wg__cuda_loops_run(const struct wg__cuda_loop *any, const struct wg__cuda_group *g, cudaStream_t stream);

/* ---- Compiling: nvrtc.c ---- */

/* Tells whether loops are to be compiled: WG_NVRTC=none says no. */
bool wg__cuda_compiles(void);
/* Returns device code (malloc) of a generated source for architecture `sm` (90), from the cache on
 * disk or from NVRTC. NULL with a message in why: there is no NVRTC, or its log. */
void *wg__cuda_compile(const char *source, int sm, int driver, size_t *bytes, char *why, size_t why_size);

/* ---- Kernels: generated.c ---- */

struct wg__device;
struct wg__why;
struct wg__cuda_kernel {
    struct wg__cuda_kernel *next;
    int                     users;
    uint64_t                hash;
    char                   *source;
    cudaLibrary_t           library;
    const void             *one, *several; /* wg_loop; wg_loops where there is no tail */
};
/* Finds or makes the kernel of a source on a device, for one more user; _put is for one user less.
 * WG_OK and a NULL *k: there is no kernel, for the reason in why. */
int  wg__cuda_kernel_get(struct wg__device *d, const char *source, bool several, struct wg__cuda_kernel **k, char *why,
                         size_t why_size, struct wg__why *w);
void wg__cuda_kernel_put(struct wg__device *d, struct wg__cuda_kernel *k);

/* ---- A tape's loops that are launched as one: loop_groups.c ---- */

struct wg__cuda_place;
/* Finds the leader of each instruction, the instruction at which it is launched: itself, or an earlier
 * one whose loop has the same source. */
void wg__cuda_groups(const struct wg__cuda_place *at, char *const *source, int *leader);

#ifdef __cplusplus
}
#endif
#endif
