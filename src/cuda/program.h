/* program.h - a device and the tapes on it: what cuda_device.c, program.c, copies.c, instr.c, loop/
 * and product/ share. */
#ifndef WENGERT_CUDA_PROGRAM_H
#define WENGERT_CUDA_PROGRAM_H

#include <cublasLt.h>

#include "cuda/cuda_impl.h"
#include "tape/device/device.h"

/* What a device answered when it was asked what cuBLAS's epilogues do (probe.c). */
struct wg__cuda_meaning {
    bool  known;
    bool  relu;  /* max(x, 0), and NaN stays NaN */
    bool  slope; /* what RELU_AUX leaves lets through DRELU what is above 0, and nothing at 0 */
    bool  gelu;  /* gelu_tanh and its slope, NaN stays NaN */
    float error; /* of the two, relative to 1 + |value| */
};

struct wg__device {
    pthread_mutex_t         lock; /* around programs and kernels */
    struct wg__program     *programs;
    int                     index, sms, major, minor;
    int                     driver; /* its version */
    bool                    pools;  /* memory comes from the stream's pool */
    char                    name[128];
    cudaStream_t            stream; /* for memory, and copies that no tape makes */
    cublasLtHandle_t        blas;
    struct wg__cuda_kernel *kernels;                        /* of loops, while tapes use them (generated.c) */
    struct wg__cuda_meaning meaning[WG_PRECISION_FP16 + 1]; /* by precision; written in one's turn */
};

/* Records what call failed and why, forgets the runtime's own note of it; the status. */
int wg__cuda_failed(struct wg__why *w, const struct wg__device *d, cudaError_t e, const char *call);
int wg__cuda_refuse(struct wg__why *w, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Makes the device that of this thread. */
int wg__cuda_enter(const struct wg__device *d, struct wg__why *w);
/* Waits for and ends a turn. One thread of the process at a time captures, plans products, loads
 * kernels or pins memory: while a stream is being captured, cuBLAS's heuristics may fail in any other
 * thread. */
void wg__cuda_take_turn(void);
void wg__cuda_end_turn(void);
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

struct wg__cuda_loops;    /* the kernels of a tape's loops (tape_loops.c) */
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
/* Returns the matrix product that the instruction is, or that heads its loop; NULL if there is none. */
const wg_call *wg__cuda_product_of(const struct wg__instr *p);
/* Tells whether the instruction writes a parameter, which a fault has to leave as it is. */
bool   wg__cuda_writes_parameter(const wg_tape *t, const struct wg__instr *p);
size_t wg__cuda_scratch(const struct wg__instr *p);
/* Asks the stream for instruction i. */
int wg__cuda_instr(const struct wg__cuda_place *at, int i, struct wg__why *w);

/* ---- Loops (tape_loops.c) ---- */

/* Makes the kernels of all loops of the tape and groups loops that are launched as one; sets at->loops. */
int  wg__cuda_loops_make(struct wg__cuda_place *at, struct wg__why *w);
void wg__cuda_loops_free(struct wg__cuda_place *at);
/* Returns what the user may want to know of the loops ("loops are interpreted: no NVRTC"), or NULL. */
const char *wg__cuda_loops_note(const struct wg__cuda_place *at);
/* Launches the loop of instruction i, after its head; does nothing where an earlier instruction's
 * launch did it. */
int wg__cuda_loop(const struct wg__cuda_place *at, int i, struct wg__why *w);

/* ---- Matrix products (epilogue.c; inside: products.h) ---- */

/* Plans how each product of the tape is done; sets at->products. */
int  wg__cuda_products_make(struct wg__cuda_place *at, struct wg__why *w);
void wg__cuda_products_free(struct wg__cuda_place *at);
/* Returns what the user may want to know of the products: what the device's epilogues mean, what was
 * refused; or NULL. */
const char *wg__cuda_products_note(const struct wg__cuda_place *at);
/* Launches the product that is due at instruction i, if there is one. rest: whether a part of i is
 * still to run. */
int wg__cuda_product(const struct wg__cuda_place *at, int i, bool *rest, struct wg__why *w);
/* Tells whether products compute all of instruction i, whose loop has no launch then: a product, a
 * loop that is an epilogue, a sum that is taken along. */
bool wg__cuda_absorbed(const struct wg__cuda_place *at, int i);
/* Returns the bytes of workspace that cuBLAS may use. */
size_t wg__cuda_workspace(const struct wg__device *d);

/* ---- Tapes (program.c) ---- */

struct wg__program {
    struct wg__program       *next; /* of the device */
    struct wg__device        *d;
    const struct wg__segment *segment; /* [n], the tape's */
    int                       n, last; /* the last segment that is the device's; -1: none */
    cudaGraphExec_t          *graph;   /* [n]; NULL: not captured yet */
    cudaStream_t              stream, copies;
    cudaEvent_t               uploaded[2]; /* a pinned buffer was read */
    cudaEvent_t               placed[2];   /* an area was read */
    cudaEvent_t               done;
    char                     *memory;     /* scratch, workspace, fault, run's number, areas */
    char                     *staging[2]; /* the areas: inputs on their way */
    int                       area;       /* the one that is next */
    struct wg__cuda_told     *told;       /* pinned */
    struct wg__cuda_place     at;
    uint64_t                 *run;     /* on the device */
    uint64_t                  counted; /* what it is */
    bool                      known;   /* that it is that */
    bool                      random;  /* the tape draws numbers */
    bool                      fails;   /* an instruction on the device may meet a fault */
    char                     *note;    /* for the print; NULL: none */
};

int wg__cuda_build(struct wg__device *d, const wg_tape *t, const struct wg__segment *s, int n, struct wg__program **out,
                   struct wg__why *w);
void        wg__cuda_destroy(struct wg__program *p);
const char *wg__cuda_note(const struct wg__program *p);
int         wg__cuda_begin(struct wg__program *p, uint64_t run, struct wg__why *w);
int         wg__cuda_after(struct wg__program *p, const struct wg__program *other, struct wg__why *w);
int         wg__cuda_launch_segment(struct wg__program *p, int segment, struct wg__why *w);
int         wg__cuda_step_alone(struct wg__program *p, int instr, struct wg__why *w);
int         wg__cuda_assign(struct wg__program *p, struct wg__why *w);
int         wg__cuda_fault_of(struct wg__program *p, struct wg__fault *f, struct wg__why *w);
int         wg__cuda_end(struct wg__program *p, struct wg__why *w);
size_t      wg__cuda_needs(const struct wg__device *d, const wg_tape *t);
bool        wg__cuda_faulted(const struct wg__program *p);
int         wg__cuda_wait(struct wg__program *p, struct wg__why *w);
/* Counts a run, or tells the host of its fault; sets the number of the next; copies an
 * assigned value unless there is a fault (state.cu). */
cudaError_t wg__cuda_close_run(const struct wg__cuda_fault *fault, uint64_t *run, struct wg__cuda_told *told,
                               cudaStream_t stream);
cudaError_t wg__cuda_set_run(uint64_t *run, uint64_t value, cudaStream_t stream);
cudaError_t wg__cuda_assign_copy(const struct wg__cuda_launch *l, const void *from, void *to, size_t bytes);

/* ---- Copies (copies.c) ---- */

int  wg__cuda_feed(struct wg__program *p, const struct wg__feed *f, struct wg__why *w);
int  wg__cuda_fed(struct wg__program *p, int which, struct wg__why *w);
int  wg__cuda_upload(struct wg__program *p, void *to, const void *from, size_t bytes, struct wg__why *w);
int  wg__cuda_download(struct wg__program *p, void *to, const void *from, size_t bytes, struct wg__why *w);
int  wg__cuda_reader_new(struct wg__program *p, struct wg__reader **out, struct wg__why *w);
void wg__cuda_reader_free(struct wg__reader *r);
int  wg__cuda_reader_ask(struct wg__reader *r, int slot, const void *from, size_t bytes, struct wg__why *w);
int  wg__cuda_reader_take(struct wg__reader *r, int slot, bool wait, const void **value, struct wg__why *w);

#endif
