/* cpu.h - what the CPU kernels offer to operators and tapes.
 *
 * Each kernel source (kernel_*.c in the folders of src/cpu) is compiled once for each level, and gives one table of
 * functions. wg__kernels() finds the table of the best level that this CPU supports, or of the level that WG_CPU
 * names. */
#ifndef WENGERT_CPU_H
#define WENGERT_CPU_H

#include <stdbool.h>

#include <wengert/graph_op.h>

#include "base/invariant.h"
#include "cpu/chains.h"
#include "loop/loop.h"

/* ---- Levels (level.c) ---- */

#define WG__LEVEL_MAP(X) \
    X(baseline)          \
    X(avx2)              \
    X(avx512)

/* Every elementwise function, in the order of the tables in src/ops. */
enum wg__row {
#define ROW(name) WG__ROW_##name,
#include "each_row.h"
#undef ROW
    WG__ROWS
};

enum { WG__REPEAT_BEYOND = 64, WG__COLUMNS = 64 };

struct wg__gemm;
struct wg__kernels {
    const char *level;
    /* [row][dtype of the first data operand]; NULL: not for that dtype. */
    wg_block *elementwise[WG__ROWS][WG_DTYPES];
    /* [chain][f64]: the steps of a chain on n elements; at[] has its operands, then the results of its steps. */
    void (*chain[WG__CHAINS][2])(int64_t n, void *const at[]);
    /* [from][to] */
    wg_block *cast[WG_DTYPES][WG_DTYPES];
    /* y[r] = a reduction of x[r*n .. r*n+n-1] (n <= WG__BLOCK), for r < rows.
     * f32 sums are exact to a few ulp of the partial sums: 16 fixed lanes. */
    void (*reduce_rows[WG__REDUCES][WG_DTYPES])(int64_t rows, int64_t n, const void *x, void *y);
    /* y[j] = y[j] op x[r*stride + j] for r < rows, j < n: in order, but for up to 16 columns with stride == n. */
    void (*reduce_cols[WG__REDUCES][WG_DTYPES])(int64_t rows, int64_t n, int64_t stride, const void *x, void *y);
    /* Rows of n elements: y = softmax(x) or log_softmax(x) over each row.
     * [0] f32, [1] f64. */
    void (*softmax[2])(int64_t rows, int64_t n, const void *x, void *y);
    void (*log_softmax[2])(int64_t rows, int64_t n, const void *x, void *y);
    /* y[r] = log sum exp of a row. */
    void (*logsumexp[2])(int64_t rows, int64_t n, const void *x, void *y);
    /* y[j] = log sum exp of x[r*stride + j] over 0 <= r < rows, for j < n <= WG__COLUMNS; rows > 0. */
    void (*logsumexp_cols[2])(int64_t rows, int64_t n, int64_t stride, const void *x, void *y);
    /* Numbers first..first+n-1 of a Philox4x32-10 sequence. */
    void (*uniform[2])(uint64_t seed, uint64_t stream, uint64_t run, int64_t first, int64_t n, double lo, double hi,
                       void *y);
    void (*normal[2])(uint64_t seed, uint64_t stream, uint64_t run, int64_t first, int64_t n, double mean, double sd,
                      void *y);
    /* scale with probability 1-p, else 0 */
    void (*mask[2])(uint64_t seed, uint64_t stream, uint64_t run, int64_t first, int64_t n, double p, void *y);
    /* y[i*c + k] = x[i*step] for i < m, k < c, elements of 1, 4 or 8 bytes; up to WG__REPEAT_BEYOND bytes behind y are
     * overwritten. */
    void (*repeat)(size_t size, int64_t m, int64_t step, int64_t c, const void *x, void *y);
    /* Makes rows [i0,i1), columns [j0,j1) of a product of [dtype: f32, f64]; k > 0.  With g->packed j0 is a multiple of
     * 32.  NULL: this level has none. */
    void (*gemm[2])(const struct wg__gemm *g, int64_t i0, int64_t i1, int64_t j0, int64_t j1);
    /* Packs op(b) of a product into panels, wg__gemm_packed_bytes bytes that are aligned to 64.  NULL: none. */
    void (*gemm_pack[2])(const struct wg__gemm *g, void *packed);
};

/* Finds the table that this process uses. */
const struct wg__kernels *wg__kernels(void);
/* Finds the table of a level by its name. NULL: there is no such level, or this CPU does not support it. */
const struct wg__kernels *wg__kernels_of(const char *level);
/* Says what is wrong with the value of WG_CPU. NULL: nothing. */
const char *wg__cpu_level_note(void);
/* Gives the model name of the CPU, "unknown CPU" if the system does not tell. */
const char *wg__cpu_model(void);
/* Gives a warning if OpenBLAS runs kernels below what the CPU offers. NULL: it does not. */
const char *wg__blas_warning(void);
const char *wg__blas_core(void);

/* No standard normal number is larger: sqrt(-2 ln u) for the least u, 2^-54. */
#define WG__NORMAL_MOST 8.66

/* ---- Threads (pool.c) ---- */

/* Counts the threads that work on a job at most: WG_THREADS, else the cores that this process may use,
 * or fewer where a quota allows fewer. */
int wg__threads(void);
/* Reads WG_THREADS into *n, which stays as it is where the variable is not set; false if its value is no number in
 * 1..1024. */
bool wg__threads_wish(int *n);
/* Calls body(context, i) for 0 <= i < n, on at most `threads` threads (0: all), the caller among them, and returns when
 * every call is done. Takes no lock: a caller that finds the pool in use works alone. */
void wg__pool_run(int threads, int64_t n, void (*body)(void *context, int64_t i), void *context);

/* ---- The workspace of a thread (workspace.h) ---- */

/* Makes sure that the calling thread can run loops and products; false if memory is short. Called before they run: the
 * first call on a thread takes memory, later calls do not. */
static inline bool wg__workspace_ready(void);
/* The workspace of the calling thread, NULL until wg__workspace_made makes it. */
extern __thread struct wg__workspace *wg__own_workspace;
bool                                  wg__workspace_made(void);
static inline bool                    wg__workspace_ready(void) { return wg__own_workspace || wg__workspace_made(); }

/* ---- Matrix products (gemm.c) ---- */

struct wg__gemm {
    wg_dtype    dtype;  /* f32 or f64 */
    bool        ta, tb; /* transposed operands: a is [k,m], b is [n,k] */
    int64_t     m, n, k;
    const void *a, *b;
    void       *c; /* [m,n], overwritten */

    const void *packed; /* op(b) by wg__gemm_pack, or NULL: b is read; the bits are the same */
};
/* Makes c in tiles, each handed to `take` unless that is NULL.  The bits do not depend on threads. */
void wg__gemm(const struct wg__gemm *g, int threads, wg__take_tile *take, void *context);
/* Counts the bytes of op(b) in panels, where keeping them is worth while by the product's shape; else 0. */
size_t wg__gemm_packed_bytes(const struct wg__gemm *g);
/* Packs op(b) of a product for which wg__gemm_packed_bytes is not 0; `packed` is aligned to 64. */
void wg__gemm_pack(const struct wg__gemm *g, void *packed);

/* ---- Loops over elements (loop/) ---- */

/* Finds everything else that the CPU can know before the run.  NULL, or the first step
 * for whose dtypes the operator has no function. */
const struct wg__step *wg__loop_prepare(struct wg__loop *l);
void                   wg__loop_run(const struct wg__loop *l, int threads);
/* Makes a producer's call ready, and computes its result; take may be NULL. */
void wg__production_ready(struct wg__production *p, const wg_call *c);
void wg__production_run(const struct wg__production *p, int threads, wg__take_tile *take, void *context);

/* Runs an elementwise operator by itself, as a loop of one step. */
int wg__loop_call(const wg_op *op, wg_call *c);
/* Runs a reduction by itself, as a loop of no step that ends in the reduction. */
void wg__reduce_call(enum wg__reduce kind, const wg_tensor *x, int64_t outer, int64_t reduced, int64_t inner, void *y,
                     int threads);

#endif
