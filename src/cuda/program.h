/* program.h - a device and the tapes on it: what device.c, program.c, instr.c and matmul.c share. */
#ifndef WENGERT_CUDA_PROGRAM_H
#define WENGERT_CUDA_PROGRAM_H

#include <cublasLt.h>

#include "cuda/cuda_impl.h"
#include "tape/device.h"

struct wg__device {
    int              index, sms, major;
    bool             pools; /* memory comes from the stream's pool */
    char             name[128];
    cudaStream_t     stream; /* for memory, and copies that no tape makes */
    cublasLtHandle_t blas;
};

/* Records what call failed and why, forgets the runtime's own note of it; the status. */
int wg__cuda_failed(struct wg__why *w, const struct wg__device *d, cudaError_t e, const char *call);
int wg__cuda_refuse(struct wg__why *w, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Makes the device that of this thread. */
int wg__cuda_enter(const struct wg__device *d, struct wg__why *w);
/* Calls that a failure ends: TRY(d, w, cudaEventRecord(e, s)) */
#define WG__TRY(d, w, call)                                          \
    do {                                                             \
        cudaError_t error_ = (call);                                 \
        if (error_) return wg__cuda_failed((w), (d), error_, #call); \
    } while (0)

int  wg__cuda_alloc(struct wg__device *d, size_t bytes, const char *what, void **p, struct wg__why *w);
void wg__cuda_release(struct wg__device *d, void *p);
int  wg__cuda_pin(struct wg__device *d, size_t bytes, const char *what, void **p, struct wg__why *w);
void wg__cuda_unpin(struct wg__device *d, void *p);

/* ---- Instructions (instr.c) ---- */

struct wg__cuda_loops;    /* the kernels of a tape's loops (loops.c) */
struct wg__cuda_products; /* its products with what cuBLAS does on the way (epilogue.c) */

/* Where instructions run: what they share. */
struct wg__cuda_place {
    struct wg__device        *d;
    const wg_tape            *t;
    struct wg__cuda_launch    launch; /* call and instr are each instruction's */
    void                     *workspace;
    size_t                    workspace_bytes;
    struct wg__cuda_loops    *loops;
    struct wg__cuda_products *products;
};
bool wg__cuda_knows(const struct wg__instr *p);
/* The loop of an instruction (translate.c). */
void   wg__cuda_translate(const wg_tape *t, const struct wg__instr *p, struct wg__cuda_loop *to);
size_t wg__cuda_scratch(const wg_tape *t, const struct wg__instr *p);
/* Asks the stream for instruction i. */
int wg__cuda_instr(const struct wg__cuda_place *at, int i, struct wg__why *w);

/* ---- Loops (loops.c) ---- */

/* Kernels for all loops of the tape, and which are launched as one; sets at->loops. */
int  wg__cuda_loops_make(struct wg__cuda_place *at, struct wg__why *w);
void wg__cuda_loops_free(struct wg__cuda_place *at);
/* What the user may want to know of them ("loops are interpreted: no NVRTC"), or NULL. */
const char *wg__cuda_loops_note(const struct wg__cuda_place *at);
/* The loop of instruction i, after its head; nothing where an earlier instruction's launch did it. */
int wg__cuda_loop(const struct wg__cuda_place *at, int i, struct wg__why *w);

/* ---- Matrix products (matmul.c) ---- */

/* What cuBLAS does to a product before it writes it. */
struct wg__cuda_epilogue {
    bool        relu;
    const void *bias; /* [n], or NULL */
    void       *to;   /* instead of c */
};
/* c = op(a) op(b), row-major; e may be NULL.  WG_EARG without a message: not with this epilogue. */
int wg__cuda_gemm(const struct wg__cuda_place *at, const struct wg__gemm *g, const struct wg__cuda_epilogue *e,
                  struct wg__why *w);
/* How each product of the tape is done; sets at->products (epilogue.c). */
int  wg__cuda_products_make(struct wg__cuda_place *at, struct wg__why *w);
void wg__cuda_products_free(struct wg__cuda_place *at);
/* The product at the head of instruction i's loop.  rest: whether the loop is still to run. */
int wg__cuda_product(const struct wg__cuda_place *at, int i, bool *rest, struct wg__why *w);
/* Whether a product has computed instruction i, a sum, on the way. */
bool wg__cuda_absorbed(const struct wg__cuda_place *at, int i);
/* The operator, whose leading axes broadcast. */
int wg__cuda_matmul(const struct wg__cuda_place *at, const wg_call *c, struct wg__why *w);
/* What cuBLAS may use. */
size_t wg__cuda_workspace(const struct wg__device *d);

/* ---- Tapes (program.c) ---- */

int wg__cuda_build(struct wg__device *d, const wg_tape *t, const struct wg__segment *s, int n, struct wg__program **out,
                   struct wg__why *w);
void        wg__cuda_destroy(struct wg__program *p);
const char *wg__cuda_note(const struct wg__program *p);
int         wg__cuda_begin(struct wg__program *p, uint64_t run, struct wg__why *w);
int         wg__cuda_after(struct wg__program *p, const struct wg__program *other, struct wg__why *w);
int         wg__cuda_upload(struct wg__program *p, void *to, const void *from, size_t bytes, struct wg__why *w);
int         wg__cuda_uploaded(struct wg__program *p, int which, struct wg__why *w);
int         wg__cuda_reuse(struct wg__program *p, int which, struct wg__why *w);
int         wg__cuda_launch_segment(struct wg__program *p, int segment, struct wg__why *w);
int         wg__cuda_step_alone(struct wg__program *p, int instr, struct wg__why *w);
int         wg__cuda_assign(struct wg__program *p, struct wg__why *w);
int         wg__cuda_fault_of(struct wg__program *p, struct wg__fault *f, struct wg__why *w);
int         wg__cuda_end(struct wg__program *p, struct wg__why *w);
int         wg__cuda_download(struct wg__program *p, void *to, const void *from, size_t bytes, struct wg__why *w);

#endif
