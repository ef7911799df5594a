/* loop.h - loops on CUDA: what plans, interprets and compiles them shares. */
#ifndef WENGERT_CUDA_LOOP_H
#define WENGERT_CUDA_LOOP_H

#include "cuda/cuda_impl.h"
#include "cuda/loop_args.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Every elementwise function, in the order of the tables in src/ops. */
enum wg__cuda_row {
#define ROW(name) WG__CUDA_##name,
#include "cpu/rows.h"
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
/* The row of an operator, "expand" being a copy; -1: none. */
int wg__cuda_row(const char *op);

enum wg__cuda_tail { WG__CUDA_SUM, WG__CUDA_PROD, WG__CUDA_MAX, WG__CUDA_MIN }; /* as enum wg__reduce */

/* How an operand's elements are found.  A matter of structure: generated sources differ by it. */
enum wg__cuda_form { WG__CUDA_DENSE, WG__CUDA_ONE, WG__CUDA_STRIDED };
int wg__cuda_form(const struct wg__cuda_loop *l, const struct wg__cuda_operand *x);

/* ---- Launching: loop_plan.c ---- */

struct wg__cuda_plan {
    struct wg_loop_args args;
    unsigned            grid; /* blocks of WG_LOOP_BLOCK threads, no dynamic shared memory; 0: nothing to do */
};
/* The arguments of the loop's own kernel.  scratch: as many bytes as
 * wg__cuda_loop_scratch says.  After the kernel comes wg__cuda_loop_finish. */
void wg__cuda_plan(const struct wg__cuda_loop *l, const struct wg__cuda_launch *at, struct wg__cuda_plan *p);
/* The same for what comes after it: parts in in[0], one chunk; grid = 0 where there is nothing to do. */
void wg__cuda_plan_finish(const struct wg__cuda_loop *l, const struct wg__cuda_launch *at, struct wg__cuda_plan *p);
/* Puts the parts of a long reduction together; does nothing where there is one chunk. (loop.cu) */
cudaError_t wg__cuda_loop_finish(const struct wg__cuda_loop *l, const struct wg__cuda_launch *at);

/* A loop's domain and strides from the operands of one call. */
void wg__cuda_loop_of_call(const wg_call *c, struct wg__cuda_loop *l);

/* ---- Compiling: nvrtc.c ---- */

/* Device code of a generated source for architecture `sm` (90), from the disk's
 * cache or from NVRTC.  malloc.  NULL with a message in why: no NVRTC, or its log. */
void *wg__cuda_compile(const char *source, int sm, size_t *bytes, char *why, size_t why_size);

#ifdef __cplusplus
}
#endif
#endif
