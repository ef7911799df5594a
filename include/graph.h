/* graph.h - build, differentiate, compile and run computation graphs.
 *
 * Read from top to bottom as a tutorial: errors, shapes, a graph and its
 * leaves, operators, gradients, then the tape that runs it all.
 *
 *   wg_graph *g = wg_graph_new();
 *   wg_node  *x = wg_input(g, "x", WG_F64, WG_SCALAR), *d;
 *   wg_node  *z = wg_square(x);
 *   wg_grad(z, 1, &x, &d);
 *   wg_tape  *t = wg_compile(g, WG_NODES(z, d), NULL);
 *
 * Ownership: a graph owns its nodes, names, parameters and tapes, and
 * wg_graph_free releases them all.  Data go in and out by copy (set, get);
 * a view borrows.
 *
 * Errors: a builder (a function that returns a node) takes NULL and gives
 * NULL, so whole expressions are written first and checked once.  The first
 * error stays on its graph with operator, shapes and names.  Functions that
 * return int give WG_OK or one of the negative codes below. */
#ifndef WENGERT_GRAPH_H
#define WENGERT_GRAPH_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WG_API __attribute__((visibility("default")))

/* ---- Status ------------------------------------------------------------ */

#define WG_STATUS_MAP(X)                                 \
    X(0, OK, "no error")                                 \
    X(-1, ENOMEM, "out of memory")                       \
    X(-2, EARG, "bad argument")                          \
    X(-3, ESHAPE, "shapes do not agree")                 \
    X(-4, EDTYPE, "dtypes do not agree")                 \
    X(-5, EGRAD, "operator has no gradient")             \
    X(-6, EBOUND, "a symbolic dimension has no size")    \
    X(-7, EINDEX, "index out of range")                  \
    X(-8, ENAN, "a value is NaN or infinite")            \
    X(-9, EIO, "cannot read or write")                   \
    X(-10, EFORMAT, "malformed data")                    \
    X(-11, EINTERNAL, "internal check failed")           \
    X(-12, EDEVICE, "a device is missing or has failed")

enum wg_status {
#define X(code, name, text) WG_##name = code,
    WG_STATUS_MAP(X)
#undef X
};

/* What a status means, in a few words.  Never NULL. */
WG_API const char *wg_strerror(int status);

/* Why a reader of files or streams said no: where there is no graph to keep it. */
typedef struct wg_error {
    int     status;
    int64_t offset; /* bytes from the start of the file, or -1 */
    char    message[240];
} wg_error;

/* Called with every error that a graph or tape records; does nothing.
 * Put a breakpoint here to see the call that went wrong. */
WG_API void wg_on_error(int status, const char *message);

/* Version, compiler, CPU level, BLAS and its core, threads, and a line that
 * starts with "warning:" for each thing that makes this process slower than
 * its machine.  Static storage, never NULL. */
WG_API const char *wg_build_info(void);

/* ---- Dtypes and shapes ------------------------------------------------- */

/* X(name, C type, printed name): f32 and f64 compute; the others index,
 * label and mask. */
#define WG_DTYPE_MAP(X)      \
    X(F32, float, "f32")     \
    X(F64, double, "f64")    \
    X(I32, int32_t, "i32")   \
    X(I64, int64_t, "i64")   \
    X(U8, uint8_t, "u8")     \
    X(BOOL, uint8_t, "bool")

typedef enum wg_dtype {
#define X(name, type, text) WG_##name,
    WG_DTYPE_MAP(X)
#undef X
    WG_DTYPES /* how many there are */
} wg_dtype;

/* Bytes of one element; 0 for a value that is no dtype. */
WG_API size_t wg_dtype_size(wg_dtype t);
/* "f32"; "?" for a value that is no dtype. */
WG_API const char *wg_dtype_name(wg_dtype t);

#define WG_MAX_RANK 8

/* Row-major.  A negative dimension is a symbol made by wg_dim. */
typedef struct wg_shape {
    int     rank;
    int64_t dim[WG_MAX_RANK];
} wg_shape;

/* Axes of a tensor; a negative axis counts from the end. */
typedef struct wg_axes {
    int n; /* -1: every axis */
    int axis[WG_MAX_RANK];
} wg_axes;

/* What the macros below call; C++ calls them itself. */
WG_API wg_shape wg_shape_make(int rank, const int64_t *dim);
WG_API wg_axes  wg_axes_make(int n, const int *axis);

#ifndef __cplusplus
/* WG_SHAPE(64, 784), WG_AXES(0, -1), and WG_NODES(loss, step), which gives a
 * count and an array at once where a function takes both. */
#define WG_SCALAR ((wg_shape){0})
#define WG_SHAPE(...)                                                     \
    wg_shape_make((int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), \
                  (int64_t[]){__VA_ARGS__})
#define WG_AXES(...) \
    wg_axes_make((int)(sizeof((int[]){__VA_ARGS__}) / sizeof(int)), (int[]){__VA_ARGS__})
#define WG_ALL_AXES ((wg_axes){.n = -1})
#define WG_NODES(...)                                                   \
    (int)(sizeof((wg_node *[]){__VA_ARGS__}) / sizeof(wg_node *)), \
        (wg_node *[]){__VA_ARGS__}
#endif

/* In wg_reshape only: the one dimension that follows from the others. */
#define WG_AUTO (-1)

/* Elements of a shape; a negative value if a dimension is symbolic. */
WG_API int64_t wg_count(const wg_shape *s);

/* ---- Graph ------------------------------------------------------------- */

typedef struct wg_graph wg_graph;
typedef struct wg_node  wg_node;
typedef struct wg_tape  wg_tape;

/* NULL only if memory is short.  Free with wg_graph_free. */
WG_API wg_graph *wg_graph_new(void);
/* Releases the graph, its nodes, parameters and tapes.  NULL is allowed. */
WG_API void wg_graph_free(wg_graph *g);

/* The first error since the start or the last wg_clear_error. */
WG_API int wg_status(const wg_graph *g);
/* Its text: what was called, with which shapes and names, and the complaint.
 * Borrowed: until the next error after wg_clear_error, or wg_graph_free. */
WG_API const char *wg_message(const wg_graph *g);
WG_API void        wg_clear_error(wg_graph *g);

/* The seed of every random node and initialiser made so far or later
 * (default 0).  Takes effect for tapes compiled and values drawn after it. */
WG_API void     wg_set_seed(wg_graph *g, uint64_t seed);
WG_API uint64_t wg_seed(const wg_graph *g);

/* A symbolic dimension, for use in wg_shape.  The same name gives the same
 * symbol; equal symbols are equal sizes.  Its size is given to wg_compile. */
WG_API int64_t wg_dim(wg_graph *g, const char *name);
/* The name of a symbolic dimension ("batch", or an expression such as
 * "2*batch").  Writes at most n bytes into buf and returns buf. */
WG_API const char *wg_dim_name(const wg_graph *g, int64_t dim, char *buf, size_t n);

/* ---- Leaves ------------------------------------------------------------ */

/* A value that a tape takes from wg_set.  name may be NULL.  Two inputs are
 * never one node, whatever their names. */
WG_API wg_node *wg_input(wg_graph *g, const char *name, wg_dtype t, wg_shape s);
/* State that the graph keeps and all its tapes share; starts at zero.  The
 * shape has no symbols.  name is unique among parameters and not NULL. */
WG_API wg_node *wg_param(wg_graph *g, const char *name, wg_dtype t, wg_shape s);
/* A copy of data, wg_count(&s) elements of dtype t. */
WG_API wg_node *wg_const(wg_graph *g, wg_dtype t, wg_shape s, const void *data);
/* A rank-0 constant. */
WG_API wg_node *wg_scalar(wg_graph *g, wg_dtype t, double value);
/* A rank-0 constant of x's dtype, in x's graph. */
WG_API wg_node *wg_lit(wg_node *x, double value);
/* value in every element; nothing is materialised. */
WG_API wg_node *wg_fill(wg_graph *g, wg_dtype t, wg_shape s, double value);

/* Parameters by number (0 <= i < wg_param_count) or by name; NULL if none. */
WG_API int      wg_param_count(const wg_graph *g);
WG_API wg_node *wg_param_at(const wg_graph *g, int i);
WG_API wg_node *wg_param_find(const wg_graph *g, const char *name);
/* Copies wg_count elements of the parameter's dtype in or out.  No tape of
 * the graph may run meanwhile. */
WG_API int wg_param_set(wg_node *param, const void *data);
WG_API int wg_param_get(const wg_node *param, void *data);
/* Borrowed: the live values, until wg_graph_free; what a device writes is there
 * after the next call.  NULL if it cannot be copied from its device. */
WG_API const void *wg_param_view(const wg_node *param);

/* ---- Asking a node ----------------------------------------------------- */

WG_API wg_graph       *wg_node_graph(const wg_node *x); /* NULL for NULL */
WG_API const wg_shape *wg_node_shape(const wg_node *x); /* NULL for NULL */
WG_API wg_dtype        wg_node_dtype(const wg_node *x); /* WG_DTYPES for NULL */
WG_API const char     *wg_node_name(const wg_node *x);  /* "" if it has none */
/* "matmul", "input", "param", "const", "assign", "group"; "" for NULL. */
WG_API const char *wg_node_kind(const wg_node *x);
/* Names a node, for messages, prints and ONNX.  Returns x. */
WG_API wg_node *wg_named(wg_node *x, const char *name);

/* ---- Operators: elementwise (NumPy broadcasting; docs/ops.md lists all) --- */

WG_API wg_node *wg_neg(wg_node *x);        /* -x */
WG_API wg_node *wg_abs(wg_node *x);        /* |x| */
WG_API wg_node *wg_sign(wg_node *x);       /* -1, 0 or 1 */
WG_API wg_node *wg_sqrt(wg_node *x);       /* x^(1/2), x >= 0 */
WG_API wg_node *wg_rsqrt(wg_node *x);      /* x^(-1/2), x > 0 */
WG_API wg_node *wg_reciprocal(wg_node *x); /* 1/x */
WG_API wg_node *wg_square(wg_node *x);     /* x^2 */
WG_API wg_node *wg_exp(wg_node *x);        /* e^x */
WG_API wg_node *wg_expm1(wg_node *x);      /* e^x - 1 */
WG_API wg_node *wg_log(wg_node *x);        /* ln x, x > 0 */
WG_API wg_node *wg_log1p(wg_node *x);      /* ln(1 + x), x > -1 */
WG_API wg_node *wg_sin(wg_node *x);
WG_API wg_node *wg_cos(wg_node *x);
WG_API wg_node *wg_tan(wg_node *x);
WG_API wg_node *wg_tanh(wg_node *x);
WG_API wg_node *wg_sigmoid(wg_node *x);    /* 1 / (1 + e^-x) */
WG_API wg_node *wg_softplus(wg_node *x);   /* ln(1 + e^x) */
WG_API wg_node *wg_relu(wg_node *x);       /* max(x, 0) */
WG_API wg_node *wg_leaky_relu(wg_node *x, double alpha); /* x > 0 ? x : alpha x */
WG_API wg_node *wg_elu(wg_node *x, double alpha);        /* x > 0 ? x : alpha (e^x - 1) */
WG_API wg_node *wg_gelu(wg_node *x);       /* x/2 (1 + erf(x / sqrt 2)), Hendrycks & Gimpel 2016 */
WG_API wg_node *wg_gelu_tanh(wg_node *x);  /* x/2 (1 + tanh((2/pi)^(1/2) (x + 0.044715 x^3))): near gelu, ibid. */
WG_API wg_node *wg_erf(wg_node *x);        /* 2/sqrt(pi) int_0^x e^(-t^2) dt */
WG_API wg_node *wg_floor(wg_node *x);
WG_API wg_node *wg_ceil(wg_node *x);
WG_API wg_node *wg_round(wg_node *x);      /* halves to even, as IEEE 754 */
WG_API wg_node *wg_step(wg_node *x);       /* x > 0 ? 1 : 0 */

WG_API wg_node *wg_add(wg_node *x, wg_node *y);
WG_API wg_node *wg_sub(wg_node *x, wg_node *y);
WG_API wg_node *wg_mul(wg_node *x, wg_node *y);
WG_API wg_node *wg_div(wg_node *x, wg_node *y);     /* integers: towards zero; x/0 = 0 */
WG_API wg_node *wg_pow(wg_node *x, wg_node *y);     /* x^y; the gradient wants x > 0 unless y is constant */
WG_API wg_node *wg_minimum(wg_node *x, wg_node *y); /* NaN if either is; a tie's gradient goes half to each */
WG_API wg_node *wg_maximum(wg_node *x, wg_node *y);

WG_API wg_node *wg_scale(wg_node *x, double factor);  /* factor * x */
WG_API wg_node *wg_shift(wg_node *x, double term);    /* x + term */
WG_API wg_node *wg_one_minus(wg_node *x);             /* 1 - x */
WG_API wg_node *wg_clip(wg_node *x, double lo, double hi);

/* Comparisons give bool; logic takes and gives bool. */
WG_API wg_node *wg_less(wg_node *x, wg_node *y);
WG_API wg_node *wg_less_equal(wg_node *x, wg_node *y);
WG_API wg_node *wg_greater(wg_node *x, wg_node *y);
WG_API wg_node *wg_greater_equal(wg_node *x, wg_node *y);
WG_API wg_node *wg_equal(wg_node *x, wg_node *y);
WG_API wg_node *wg_not_equal(wg_node *x, wg_node *y);
WG_API wg_node *wg_and(wg_node *x, wg_node *y);
WG_API wg_node *wg_or(wg_node *x, wg_node *y);
WG_API wg_node *wg_xor(wg_node *x, wg_node *y);
WG_API wg_node *wg_not(wg_node *x);
/* c ? x : y, with c bool; all three broadcast. */
WG_API wg_node *wg_where(wg_node *c, wg_node *x, wg_node *y);
/* To another dtype: real to integer truncates and saturates (NaN gives 0),
 * anything to bool asks != 0.  The gradient passes between real dtypes. */
WG_API wg_node *wg_cast(wg_node *x, wg_dtype t);

/* ---- Operators: reductions ----------------------------------------------- */

/* keep != 0 leaves a reduced axis as 1.  The mean, max and min of no elements
 * are NaN, -inf and inf; the gradient of max and min is shared between ties. */
WG_API wg_node *wg_sum(wg_node *x, wg_axes axes, int keep);
WG_API wg_node *wg_mean(wg_node *x, wg_axes axes, int keep);
WG_API wg_node *wg_max(wg_node *x, wg_axes axes, int keep);
WG_API wg_node *wg_min(wg_node *x, wg_axes axes, int keep);
WG_API wg_node *wg_prod(wg_node *x, wg_axes axes, int keep);
/* ln sum e^x without overflow. */
WG_API wg_node *wg_logsumexp(wg_node *x, wg_axes axes, int keep);
/* Index of the (first) largest element along one axis, as i64; a NaN counts
 * as the largest. */
WG_API wg_node *wg_argmax(wg_node *x, int axis, int keep);
/* The number of elements along axes, as a rank-0 value of x's dtype: a
 * number at compile time even where a dimension is symbolic. */
WG_API wg_node *wg_size(wg_node *x, wg_axes axes);
/* Sums the axes away along which s was broadcast to x's shape. */
WG_API wg_node *wg_sum_to(wg_node *x, wg_shape s);

/* ---- Operators: linear algebra and shape ---------------------------------- */

/* [.., m, k] x [.., k, n] -> [.., m, n]; leading axes broadcast. */
WG_API wg_node *wg_matmul(wg_node *x, wg_node *y);
/* op(x) op(y), with op the transpose of the last two axes where the flag is set. */
WG_API wg_node *wg_matmul_t(wg_node *x, wg_node *y, int tx, int ty);
WG_API wg_node *wg_reshape(wg_node *x, wg_shape s);       /* one dim may be WG_AUTO */
WG_API wg_node *wg_transpose(wg_node *x, wg_axes perm);   /* y.dim[i] = x.dim[perm[i]]; all axes: reversed */
WG_API wg_node *wg_expand(wg_node *x, wg_shape s);        /* broadcast up to s */
WG_API wg_node *wg_squeeze(wg_node *x, int axis);         /* drops an axis of size 1 */
WG_API wg_node *wg_unsqueeze(wg_node *x, int axis);       /* adds an axis of size 1 at axis of the result */
/* x[.., start:stop:step, ..] along one axis; negative start and stop count
 * from the end, WG_END is past the last; step > 0 or < 0 as in Python. */
#define WG_END INT64_MAX
WG_API wg_node *wg_slice(wg_node *x, int axis, int64_t start, int64_t stop, int64_t step);
WG_API wg_node *wg_concat(int n, wg_node *const x[], int axis);
/* before[i] and after[i] copies of value around axis i, i < rank. */
WG_API wg_node *wg_pad(wg_node *x, const int64_t *before, const int64_t *after, double value);
/* y[.., i.., ..] = x[.., index[i..], ..] along axis; index i32 or i64, negative
 * counts from the end; outside the axis is a run-time error that says so. */
WG_API wg_node *wg_gather(wg_node *x, wg_node *index, int axis);
/* 1 at index along a new last axis of that depth, 0 elsewhere, in dtype t. */
WG_API wg_node *wg_one_hot(wg_node *index, int64_t depth, wg_dtype t);

/* ---- Operators: softmax and losses ----------------------------------------- */

WG_API wg_node *wg_softmax(wg_node *x, int axis);
WG_API wg_node *wg_log_softmax(wg_node *x, int axis);
/* Mean over the batch of -log_softmax(logits)[label]: logits [b, classes],
 * label [b] of i32, i64 or u8.  A label outside 0..classes-1 is a run-time error. */
WG_API wg_node *wg_softmax_cross_entropy(wg_node *logits, wg_node *label);
/* Mean of (x - y)^2 over all elements. */
WG_API wg_node *wg_mse(wg_node *x, wg_node *y);

/* ---- Operators: random (Philox4x32-10, Salmon et al. 2011) ------------------ */

/* A fresh draw each run: a function of (graph seed, node, run), the same on
 * every machine and for any number of threads. */
WG_API wg_node *wg_uniform(wg_graph *g, wg_dtype t, wg_shape s, double lo, double hi);
WG_API wg_node *wg_normal(wg_graph *g, wg_dtype t, wg_shape s, double mean, double sd);
/* Zeroes elements with probability p and scales the rest by 1/(1-p);
 * x itself on a tape compiled with .evaluate (Srivastava et al. 2014). */
WG_API wg_node *wg_dropout(wg_node *x, double p);

/* ---- Gradients ------------------------------------------------------------- */

/* dx[i] = d loss / d x[i] as nodes of the same graph, so that the gradient of
 * a gradient works; zero where loss does not depend on x[i].  loss has one
 * element.  On an error every dx[i] is NULL. */
WG_API int wg_grad(wg_node *loss, int n, wg_node *const x[], wg_node *dx[]);
/* dx[i] = (d y / d x[i])^T seed, seed of y's shape and dtype. */
WG_API int wg_vjp(wg_node *y, wg_node *seed, int n, wg_node *const x[], wg_node *dx[]);
/* Forward mode: sum_i (d y / d x[i]) tangent[i], of y's shape.  Made from two
 * reverse sweeps, so each operator has one rule only. */
WG_API wg_node *wg_jvp(wg_node *y, int n, wg_node *const x[], wg_node *const tangent[]);

/* ---- State ----------------------------------------------------------------- */

/* Compiled as an output: after each run, param takes the value of next.
 * Every assignment of a tape reads only old values. */
WG_API wg_node *wg_assign(wg_node *param, wg_node *next);
/* One node that stands for several (several assignments, say). */
WG_API wg_node *wg_group(int n, wg_node *const x[]);
/* Every tape compiled from now on that computes x keeps its value for
 * wg_get.  Returns x. */
WG_API wg_node *wg_watch(wg_node *x);

/* ---- Tape ------------------------------------------------------------------ */

/* Passes that can be left out, to look for the cause of something odd. */
enum wg_skip { WG_SKIP_REWRITE = 1, WG_SKIP_MERGE = 2, WG_SKIP_FUSE = 4, WG_SKIP_REUSE = 8 };

#define WG_MAX_BINDINGS 8

/* How a device may multiply matrices of f32: as they are (never TF32), or with
 * operands rounded to nearest in a shorter format, for its tensor cores: TF32
 * (10 bits of fraction), bfloat16 (7), half precision (10, and values beyond
 * 65504 may become infinite); a device may use TF32 instead of those two.  Sums
 * and results stay f32.  f64 and whatever is no product stay as they are, and
 * the CPU takes no notice. */
enum wg_precision { WG_EXACT, WG_TF32, WG_BF16, WG_FP16 };

typedef struct wg_options {
    struct {
        const char *name;
        int64_t     size;
    } bind[WG_MAX_BINDINGS]; /* {{"batch", 64}}: sizes of symbolic dimensions */
    int      evaluate;       /* leave out what only training does (dropout) */
    int      threads;        /* at most so many; 0: as many as the process has (WG_THREADS) */
    unsigned skip;           /* of enum wg_skip */
    int64_t  max_bytes;      /* a tape that needs more memory for its values is refused; 0: no limit */
    int      device;         /* WG_CPU or WG_CUDA(i): where it runs */
    int      precision;      /* of enum wg_precision */
} wg_options;

/* Devices.  WG_CUDA(0) is the first CUDA device.  The first request for one
 * loads libwengert-cuda.so, from beside libwengert.so or from where the system
 * finds libraries; WG_CUDA_LIBRARY names another file.  Without it, or without
 * a driver, wg_compile says what was looked for and why it could not be used.
 *
 * A tape on a device is the same tape: its values are there, wg_set copies in
 * and wg_get copies out, wg_tape_print shows the copies.  What has no kernel
 * for the device runs on the CPU, and the print warns of it.  A parameter has a
 * copy on each device that uses it; each side sees what the other wrote, by a
 * copy on the next use.
 *
 * wg_run returns before the device is done; wg_wait, wg_get and wg_view wait.  So
 * an error of the device itself can be that of a later call, which then says
 * so.  An index out of range is told by the first call that finds it: a later
 * wg_run, which does nothing else, or one of those that wait.  No parameter was
 * written by that run, nor by those of its tape behind it, and the next has its
 * number; other tapes go on.  (A tape with operators on the CPU tells at once.)
 * wg_set does not wait for the run before: inputs have two buffers on each side,
 * and are copied while the device computes (not those of wg_input_buffer, for
 * whose copy wg_run waits). */
#define WG_CPU 0
#define WG_CUDA(i) ((i) + 1)
/* How many CUDA devices this process can use: 0 where the library or the driver is missing. */
WG_API int wg_device_count(void);
/* The name of a device (WG_CPU, WG_CUDA(i)) into buf of n bytes.  WG_OK; else
 * WG_EARG or WG_EDEVICE, and buf says why there is no such device. */
WG_API int wg_device_name(int device, char *buf, size_t n);

/* A tape that computes the n nodes of out.  NULL with the reason on the graph.
 * options may be NULL.  Owned by the graph. */
WG_API wg_tape *wg_compile(wg_graph *g, int n, wg_node *const out[], const wg_options *options);
/* Frees a tape before its graph.  NULL is allowed. */
WG_API void wg_tape_free(wg_tape *t);

/* Eager mode: from now on each node is computed as it is built, and wg_get,
 * wg_view and wg_set on the tape that this returns look at and change values.
 * Inputs need their wg_set before nodes are built on them; shapes may not
 * have symbols; wg_run computes everything again.  The values are those of a
 * compiled tape, bit for bit. */
WG_API wg_tape *wg_graph_eager(wg_graph *g);

/* Runs the tape once.  A failure is on the tape and leaves parameters as they
 * were.  One thread at a time per tape; tapes of one graph may run in
 * parallel as long as none assigns. */
WG_API int         wg_run(wg_tape *t);
/* Until all runs are over.  WG_OK, or why one failed of which nobody has been told. */
WG_API int         wg_wait(wg_tape *t);
WG_API int         wg_tape_status(const wg_tape *t);
WG_API const char *wg_tape_message(const wg_tape *t);

/* Copies a whole value in (inputs, parameters) or out (outputs, inputs,
 * parameters, watched nodes), in the node's own dtype. */
WG_API int wg_set(wg_tape *t, const wg_node *x, const void *data);
WG_API int wg_get(wg_tape *t, const wg_node *x, void *data);
/* The same for values of one element, converting from or to double.
 * wg_get_scalar gives NaN on an error, with the reason on the tape. */
WG_API int    wg_set_scalar(wg_tape *t, const wg_node *x, double value);
WG_API double wg_get_scalar(wg_tape *t, const wg_node *x);
/* A loss without waiting for it: whenever wg_run_number(t) becomes a multiple
 * of `every`, the value that x has after that run goes to the host by itself,
 * and wg_followed takes those that have arrived, the oldest first:
 *
 *   wg_follow(t, loss, 10);
 *   ... wg_run(t);
 *   while (wg_followed(t, loss, &run, &value) > 0) printf("%g\n", value);
 *
 * On the CPU they are there at once; from a device those of the last two may
 * be on their way, and have arrived once wg_get or wg_view has given anything.
 * x is kept by the tape and has one element.  A failing run gives no value.
 * every == 0 stops, and forgets what nobody took. */
#define WG_FOLLOW_KEEPS 64 /* when more wait to be taken, the oldest is dropped */
WG_API int wg_follow(wg_tape *t, const wg_node *x, int every);
/* 1 with a value and the number of its run (each may be NULL), 0 if none is
 * here now, or a negative status: one could not be copied. */
WG_API int wg_followed(wg_tape *t, const wg_node *x, uint64_t *run, double *value);
/* Borrowed: valid until the next wg_run(t) or wg_graph_free.  NULL with the
 * reason on the tape if t does not keep x. */
WG_API const void *wg_view(wg_tape *t, const wg_node *x);
/* Borrowed: where wg_set would copy to, to be filled in place.  NULL if x is
 * no input of t. */
WG_API void *wg_input_buffer(wg_tape *t, const wg_node *x);
/* The shape x has on this tape: symbols replaced by sizes.  NULL if not there. */
WG_API const wg_shape *wg_tape_shape(wg_tape *t, const wg_node *x);
WG_API wg_graph       *wg_tape_graph(const wg_tape *t);

/* The number of the next run, from 0: with the seed it fixes every random
 * number.  Set it to resume. */
WG_API uint64_t wg_run_number(const wg_tape *t);
WG_API void     wg_set_run_number(wg_tape *t, uint64_t run);

typedef struct wg_tape_stats {
    int64_t instructions;
    double  flops;       /* of one run; a multiply-add counts two */
    int64_t peak_bytes;  /* planned for intermediate values */
    int64_t value_bytes; /* the sum of all intermediate values */
} wg_tape_stats;
WG_API wg_tape_stats wg_stats(const wg_tape *t);

/* One instruction a line: value, operator, operands, dtype, shape, place in
 * the buffer, what it frees; then instructions, FLOPs and peak bytes. */
WG_API int wg_tape_print(const wg_tape *t, FILE *f);
/* Graphviz: the part of a graph that out needs, or a compiled tape. */
WG_API int wg_dot(wg_graph *g, int n, wg_node *const out[], FILE *f);
WG_API int wg_tape_dot(const wg_tape *t, FILE *f);

/* With on != 0 a run stops with WG_ENAN at the first instruction that makes a
 * NaN or an infinity, and names node, operator and operands. */
WG_API int wg_watch_finite(wg_tape *t, int on);
/* Records the time of each instruction for up to `runs` runs from now, into
 * memory taken here; 0 stops and releases it. */
WG_API int wg_trace(wg_tape *t, int runs);
/* Writes what was recorded as Chrome trace JSON (chrome://tracing, Perfetto). */
WG_API int wg_trace_write(const wg_tape *t, FILE *f);

#ifdef __cplusplus
}
#endif
#endif
