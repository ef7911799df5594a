/* graph.h - build, differentiate, compile and run computation graphs.
 *
 * Read from top to bottom as a tutorial: errors, shapes, a graph and its
 * leaves, operators, gradients; then the tape that runs it all, in tape.h.
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
 * Errors: a builder (a function that returns a node) takes NULL for a node and
 * gives NULL, so whole expressions are written first and checked once.  The
 * first error stays on its graph with operator, shapes and names.  Functions
 * that return int give WG_OK or one of the negative codes below.  NULL for any
 * other pointer is WG_EARG (or NULL) with a message, unless it is said here what
 * it stands for; where there is neither graph nor tape to keep the message (no
 * node at all in wg_group, no tape in wg_run), wg_on_error alone is told. */
#ifndef WENGERT_GRAPH_H
#define WENGERT_GRAPH_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C++" { /* also where a program includes this header between extern "C" braces */
#include <initializer_list>
}
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

/* Says in a few words what a status means.  Never NULL. */
WG_API const char *wg_strerror(int status);

/* Why a reader of files or streams failed, where there is no graph to keep the
 * reason. */
typedef struct wg_error {
    int     status;
    int64_t offset; /* bytes from the start of the file, or -1 */
    char    message[240];
} wg_error;

/* Does nothing: the library calls this function with every error that a graph or tape
 * records.  Put a breakpoint here to see the call that went wrong. */
WG_API void wg_on_error(int status, const char *message);

/* Describes this build and process: version, compiler, CPU level, BLAS and its core,
 * threads, and a line that starts with "warning:" for each thing that makes this
 * process slower than its machine.  Static storage, never NULL. */
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
    WG_DTYPES /* the number of dtypes */
} wg_dtype;

/* Gives the bytes of one element; 0 for a value that is no dtype. */
WG_API size_t wg_dtype_size(wg_dtype t);
/* Names a dtype: "f32"; "?" for a value that is no dtype. */
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

/* Makes a shape, or the axes, for the macros below.  NULL for rank or n > 0 numbers
 * gives a value that every function refuses. */
WG_API wg_shape wg_shape_make(int rank, const int64_t *dim);
WG_API wg_axes  wg_axes_make(int n, const int *axis);

/* Structs of options begin with struct_size, which says how much of the struct the program
 * knows: sizeof the struct, or 0 for the layout that the library's file name stands for
 * (libwengert.so.0.1).  Members that a shorter struct does not have are 0; a longer struct
 * has members that this library does not know, and is an error of the call.  WG_OPTIONS
 * fills struct_size in:
 *
 *   wg_node *step = wg_minimize(loss, WG_OPTIONS(wg_solver, .kind = WG_SOLVER_ADAM));
 *
 * From one version to the next such structs, and enums, grow at their end only.  What lies in
 * arrays, or is passed by value, stays as it is for as long as the file's name does. */
#ifndef __cplusplus
#define WG_OPTIONS(type, ...) (&(type){.struct_size = sizeof(type), __VA_ARGS__})
#endif

/* WG_SHAPE(64, 784), WG_AXES(0, -1), and WG_NODES(loss, step), which gives a
 * count and an array at once where a function takes both.  The array lives as
 * long as the call it stands in. */
#ifndef __cplusplus
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
#else /* C++11 and later */
extern "C++" {
template <class... T> char (&wg__sized(T...))[sizeof...(T)];
template <class... T> inline wg_shape wg__shape_of(T... d)
{
    const int64_t dim[] = {static_cast<int64_t>(d)...};
    return wg_shape_make(static_cast<int>(sizeof...(T)), dim);
}
template <class... T> inline wg_axes wg__axes_of(T... a)
{
    const int axis[] = {static_cast<int>(a)...};
    return wg_axes_make(static_cast<int>(sizeof...(T)), axis);
}
}
#define WG_SCALAR (wg_shape_make(0, nullptr))
#define WG_SHAPE(...) (wg__shape_of(__VA_ARGS__))
#define WG_AXES(...) (wg__axes_of(__VA_ARGS__))
#define WG_ALL_AXES (wg_axes_make(-1, nullptr))
#define WG_NODES(...) \
    static_cast<int>(sizeof(wg__sized(__VA_ARGS__))), std::initializer_list<wg_node *>{__VA_ARGS__}.begin()
#endif

/* In wg_reshape only: the one dimension that follows from the others. */
#define WG_DIM_AUTO (-1)

/* Counts the elements of a shape; a negative value if a dimension is symbolic. */
WG_API int64_t wg_count(const wg_shape *s);

/* ---- Graph ------------------------------------------------------------- */

typedef struct wg_graph wg_graph;
typedef struct wg_node  wg_node;
typedef struct wg_tape  wg_tape;

/* Makes an empty graph, which wg_graph_free releases.  NULL only if memory is short. */
WG_API wg_graph *wg_graph_new(void);
/* Releases the graph, its nodes, parameters and tapes.  NULL is allowed. */
WG_API void wg_graph_free(wg_graph *g);

/* Gives the status of the first error since the start or the last wg_clear_error; WG_OK
 * if there was none, WG_ENOMEM for NULL. */
WG_API int wg_status(const wg_graph *g);
/* Gives the text of that first error: what was called, with which shapes and names, and
 * the complaint.  Borrowed: until the next error after wg_clear_error, or
 * wg_graph_free. */
WG_API const char *wg_message(const wg_graph *g);
WG_API void        wg_clear_error(wg_graph *g);

/* Tells how many bytes the UTF-8 character at text has, 1 to 4, if the character only
 * shows something.  0 for the end of a text, for a control character (C0, DEL and C1 of
 * ECMA-48), which may steer a terminal, and for a byte that is no UTF-8.  Names and texts
 * come from files: they are safe to print with such bytes written as \x1b, and messages
 * have them so. */
WG_API int wg_printable(const char *text);

/* Sets the seed of every random node and initialiser, made before or later (default 0),
 * for the tapes that are compiled and the values that are drawn from now on. */
WG_API void     wg_set_seed(wg_graph *g, uint64_t seed);
WG_API uint64_t wg_seed(const wg_graph *g);

/* Makes a symbolic dimension, for use in wg_shape; wg_options.bind gives it a size.
 * The same name gives the same symbol; equal symbols are equal sizes.  INT64_MIN, which
 * no shape takes, on an error: name is NULL or empty, or memory is short. */
WG_API int64_t wg_dim(wg_graph *g, const char *name);
/* Writes the name of a symbolic dimension ("batch", or an expression such as "2*batch";
 * "" for a number that is no dimension) into buf, at most n bytes, and returns buf. */
WG_API const char *wg_dim_name(const wg_graph *g, int64_t dim, char *buf, size_t n);

/* ---- Leaves ------------------------------------------------------------ */

/* Makes a node whose value a tape takes from wg_set.  name may be NULL.  Two inputs are
 * never one node, whatever their names. */
WG_API wg_node *wg_input(wg_graph *g, const char *name, wg_dtype t, wg_shape s);
/* Makes a parameter: state that the graph keeps and all its tapes share; starts at
 * zero.  The shape has no symbols.  name is unique among parameters and not NULL. */
WG_API wg_node *wg_param(wg_graph *g, const char *name, wg_dtype t, wg_shape s);
/* Makes a constant from a copy of data, wg_count(&s) elements of dtype t. */
WG_API wg_node *wg_const(wg_graph *g, wg_dtype t, wg_shape s, const void *data);
/* Makes a rank-0 constant; a value that t does not hold is an error. */
WG_API wg_node *wg_scalar(wg_graph *g, wg_dtype t, double value);
/* Makes a rank-0 constant of x's dtype, in x's graph, as wg_scalar does. */
WG_API wg_node *wg_lit(wg_node *x, double value);
/* Makes a node of shape s with `value` in every element; nothing is materialised. */
WG_API wg_node *wg_fill(wg_graph *g, wg_dtype t, wg_shape s, double value);

/* What a parameter is for.  Every new parameter is a WG_ROLE_WEIGHT. */
typedef enum wg_role {
    WG_ROLE_WEIGHT, /* learned: a solver trains it */
    WG_ROLE_STATE,  /* kept by the program or a solver, such as a hidden state or a running mean: no solver trains
                     * it, and an evaluation tape may assign it */
    WG_ROLE_FROZEN  /* a weight that stays as it is: no solver trains it */
} wg_role;
/* Sets the role of a parameter: WG_OK; WG_EARG, with the reason on the graph, for what
 * is no parameter or no role.  Steps that were made before keep the roles of their
 * time, and no checkpoint changes a role that was set here. */
WG_API int     wg_set_role(wg_node *param, wg_role role);
WG_API wg_role wg_node_role(const wg_node *param); /* WG_ROLE_WEIGHT for what is no parameter */

/* Counts the parameters; wg_param_at finds parameter i, 0 <= i < wg_param_count, and
 * wg_param_find a parameter by name; NULL if there is none. */
WG_API int      wg_param_count(const wg_graph *g);
WG_API wg_node *wg_param_at(const wg_graph *g, int i);
WG_API wg_node *wg_param_find(const wg_graph *g, const char *name);
/* Copies wg_count elements of the parameter's dtype in or out.  No tape of
 * the graph may run meanwhile. */
WG_API int wg_param_set(wg_node *param, const void *data);
WG_API int wg_param_get(const wg_node *param, void *data);
/* Shows the live values, borrowed until wg_graph_free; what a device writes is there
 * after the next call.  NULL with the reason on the graph for what is no parameter, or
 * cannot be copied from its device. */
WG_API const void *wg_param_view(const wg_node *param);

/* ---- Questions about a node --------------------------------------------- */

WG_API wg_graph       *wg_node_graph(const wg_node *x); /* NULL for NULL */
WG_API const wg_shape *wg_node_shape(const wg_node *x); /* NULL for NULL */
WG_API wg_dtype        wg_node_dtype(const wg_node *x); /* WG_DTYPES for NULL */
WG_API const char     *wg_node_name(const wg_node *x);  /* "" if it has none */
/* Says what a node is: "matmul" or the name of another operator, "input", "param",
 * "const", "assign", "group", "result"; "" for NULL. */
WG_API const char *wg_node_kind(const wg_node *x);
/* Finds result k of a node whose operator has several, such as wg_top_k: result 0 is
 * the node itself.  NULL with an error on the graph if there is none. */
WG_API wg_node *wg_result(wg_node *x, int k);
/* Names a node, for messages, prints and ONNX.  Returns x; name NULL leaves x as
 * it is.  A parameter's name stays unique and not empty: another parameter's
 * name is an error (NULL).  A uniform or normal node gets a random sequence of
 * its own by its name. */
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
WG_API wg_node *wg_pow(wg_node *x, wg_node *y);     /* x^y; its gradient by y wants x >= 0 */
WG_API wg_node *wg_minimum(wg_node *x, wg_node *y); /* NaN if either is; a tie's gradient goes half to each */
WG_API wg_node *wg_maximum(wg_node *x, wg_node *y);

WG_API wg_node *wg_scale(wg_node *x, double factor);  /* factor * x */
WG_API wg_node *wg_shift(wg_node *x, double term);    /* x + term */
WG_API wg_node *wg_one_minus(wg_node *x);             /* 1 - x */
WG_API wg_node *wg_clip(wg_node *x, double lo, double hi);

/* Compares element by element and gives bool; logic takes and gives bool. */
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
/* Chooses c ? x : y for each element, with c bool; all three broadcast. */
WG_API wg_node *wg_where(wg_node *c, wg_node *x, wg_node *y);
/* Converts x to another dtype: a real is cut and saturates (NaN gives 0), an integer
 * keeps its low bits, bool is x != 0.  The gradient passes between real dtypes. */
WG_API wg_node *wg_cast(wg_node *x, wg_dtype t);

/* ---- Operators: reductions ----------------------------------------------- */

/* Reduces x over axes; keep != 0 leaves a reduced axis as 1.  The mean, max and min of
 * no elements are NaN, -inf and inf; the gradient of max and min is shared evenly
 * between ties, whatever the axes. */
WG_API wg_node *wg_sum(wg_node *x, wg_axes axes, int keep);
WG_API wg_node *wg_mean(wg_node *x, wg_axes axes, int keep);
WG_API wg_node *wg_max(wg_node *x, wg_axes axes, int keep);
WG_API wg_node *wg_min(wg_node *x, wg_axes axes, int keep);
WG_API wg_node *wg_prod(wg_node *x, wg_axes axes, int keep);
/* Computes ln sum e^x without overflow. */
WG_API wg_node *wg_logsumexp(wg_node *x, wg_axes axes, int keep);
/* Finds the index of the (first) largest element along one axis, as i64; a NaN counts
 * as the largest. */
WG_API wg_node *wg_argmax(wg_node *x, int axis, int keep);
/* Finds the largest element over axes, and as wg_result(y, 1) its index: an i64,
 * counted row-major over the reduced axes, of the first of equal elements.  A NaN
 * counts as the largest; an axis of size 0 is an error.  The gradient goes to the
 * indexed element alone (wg_max shares it between ties). */
WG_API wg_node *wg_max_with_index(wg_node *x, wg_axes axes, int keep);
/* Selects the k largest elements along one axis, the largest first (smallest != 0: the
 * k smallest, the smallest first), and as wg_result(y, 1) their indices in x as i64.
 * Equal elements come in the order of x; a NaN counts as larger than any number.
 * 0 <= k <= the size of the axis.  The gradient goes to the selected elements. */
WG_API wg_node *wg_top_k(wg_node *x, int axis, int64_t k, int smallest);
/* Computes the mean of x over axes, and as wg_result(y, 1) the mean of (x - mean)^2:
 * the variance of these elements, not the estimate from a sample; in one pass, without
 * cancellation.  x is f32 or f64.  Of no elements both are NaN. */
WG_API wg_node *wg_moments(wg_node *x, wg_axes axes, int keep);
/* Counts the elements along axes, as a rank-0 value of x's dtype: a number at compile
 * time even where a dimension is symbolic. */
WG_API wg_node *wg_size(wg_node *x, wg_axes axes);
/* Sums the axes away along which s was broadcast to x's shape. */
WG_API wg_node *wg_sum_to(wg_node *x, wg_shape s);

/* ---- Operators: linear algebra and shape ---------------------------------- */

/* Multiplies matrices: [.., m, k] x [.., k, n] -> [.., m, n]; leading axes
 * broadcast. */
WG_API wg_node *wg_matmul(wg_node *x, wg_node *y);
/* Multiplies op(x) op(y), with op the transpose of the last two axes where the flag is
 * set. */
WG_API wg_node *wg_matmul_t(wg_node *x, wg_node *y, int tx, int ty);
WG_API wg_node *wg_reshape(wg_node *x, wg_shape s);       /* one dim may be WG_DIM_AUTO */
WG_API wg_node *wg_transpose(wg_node *x, wg_axes perm);   /* y.dim[i] = x.dim[perm[i]]; all axes: reversed */
WG_API wg_node *wg_expand(wg_node *x, wg_shape s);        /* broadcast up to s */
WG_API wg_node *wg_squeeze(wg_node *x, int axis);         /* drops an axis of size 1 */
WG_API wg_node *wg_unsqueeze(wg_node *x, int axis);       /* adds an axis of size 1 at axis of the result */
/* Takes x[.., start:stop:step, ..] along one axis; negative start and stop count from
 * the end, WG_SLICE_END is past the last; step > 0 or < 0 as in Python.  A range of
 * known length (2:5, -3:) of a symbolic axis has that length, or compiling fails. */
#define WG_SLICE_END INT64_MAX
WG_API wg_node *wg_slice(wg_node *x, int axis, int64_t start, int64_t stop, int64_t step);
WG_API wg_node *wg_concat(int n, wg_node *const x[], int axis);
/* Cuts x into n pieces along axis: piece k, of size[k] elements there, is
 * wg_result(y, k).  The sizes add up to the size of the axis.  size NULL: n equal
 * pieces of an axis of known size. */
WG_API wg_node *wg_split(wg_node *x, int axis, int n, const int64_t size[]);
/* Puts before[i] and after[i] copies of value around axis i, i < rank. */
WG_API wg_node *wg_pad(wg_node *x, const int64_t *before, const int64_t *after, double value);
/* Takes y[.., i.., ..] = x[.., index[i..], ..] along axis; index i32 or i64, negative
 * counts from the end.  An index outside of the axis is a run-time error (WG_EINDEX)
 * that names the index. */
WG_API wg_node *wg_gather(wg_node *x, wg_node *index, int axis);
/* Makes 1 at index along a new last axis of size depth, which may be symbolic, and 0
 * elsewhere, in dtype t.  An index outside of 0..depth-1 is a run-time error
 * (WG_EINDEX) that names the index. */
WG_API wg_node *wg_one_hot(wg_node *index, int64_t depth, wg_dtype t);

/* ---- Operators: softmax and losses ----------------------------------------- */

WG_API wg_node *wg_softmax(wg_node *x, int axis);
WG_API wg_node *wg_log_softmax(wg_node *x, int axis);
/* Computes the mean over the batch of -log_softmax(logits)[label]: logits [b, classes],
 * label [b] of i32, i64 or u8.  A label outside 0..classes-1 is a run-time error. */
WG_API wg_node *wg_softmax_cross_entropy(wg_node *logits, wg_node *label);
/* Computes the mean over all elements of -(y ln s + (1 - y) ln (1 - s)), s =
 * sigmoid(logits), finite for finite logits.  y, the label, is of the logits' shape:
 * bool, or i32, i64 or u8, where anything but 0 and 1 is a run-time error (WG_EINDEX),
 * or of the logits' dtype.  Real labels are probabilities and are not checked: the
 * formula holds for any, and outside of 0..1 the loss has no lower bound. */
WG_API wg_node *wg_sigmoid_cross_entropy(wg_node *logits, wg_node *label);
/* Computes the loss of wg_sigmoid_cross_entropy for each element, without the mean. */
WG_API wg_node *wg_sigmoid_cross_entropy_each(wg_node *logits, wg_node *label);
/* Computes the mean of (x - y)^2 over all elements; x and y have the same shape. */
WG_API wg_node *wg_mse(wg_node *x, wg_node *y);

/* ---- Operators: random (Philox4x32-10, Salmon et al. 2011) ------------------ */

/* Draws anew in each run: numbers are a function of (graph seed, place of the node
 * in its expression, run), the same bits on every CPU, for any number of threads and
 * in whatever order nodes are built.  Two random nodes of equal expressions
 * (wg_uniform(g, t, s, 0, 1), written twice) are told apart by their order on the
 * tape: the first that the tape's outputs need has the first sequence.  So what such
 * a node draws depends on which tape it is on, and in which place.  Name a uniform or
 * normal node (wg_named) to pin it: a named node draws the same on every tape.  In eager
 * mode a name comes too late, since the node has drawn; it counts on compiled tapes.
 * Ends, mean and deviation must fit into the dtype. */
WG_API wg_node *wg_uniform(wg_graph *g, wg_dtype t, wg_shape s, double lo, double hi);
WG_API wg_node *wg_normal(wg_graph *g, wg_dtype t, wg_shape s, double mean, double sd);
/* Zeroes elements with probability p and scales the rest by 1/(1-p);
 * x itself on a tape compiled with .evaluate (Srivastava et al. 2014).  A name of the
 * result does not pin what is drawn. */
WG_API wg_node *wg_dropout(wg_node *x, double p);

/* ---- Training or not -------------------------------------------------------- */

/* Gives 1 on a tape that may train, 0 on a tape compiled with .evaluate; rank 0, bool.
 * wg_where(wg_training(g), x, y) is x on the first and y on the second: the tape
 * computes nothing of the operand that is not chosen.  1 in eager mode. */
WG_API wg_node *wg_training(wg_graph *g);

/* ---- Gradients ------------------------------------------------------------- */

/* Builds dx[i] = d loss / d x[i] as nodes of the same graph, so that the gradient of a
 * gradient works; zero where loss does not depend on x[i].  loss has one element.  On
 * an error every dx[i] is NULL. */
WG_API int wg_grad(wg_node *loss, int n, wg_node *const x[], wg_node *dx[]);
/* Builds dx[i] = (d y / d x[i])^T seed, seed of y's shape and dtype. */
WG_API int wg_vjp(wg_node *y, wg_node *seed, int n, wg_node *const x[], wg_node *dx[]);
/* Builds sum_i (d y / d x[i]) tangent[i], of y's shape: forward mode, made from two
 * reverse sweeps, so that each operator has one rule only. */
WG_API wg_node *wg_jvp(wg_node *y, int n, wg_node *const x[], wg_node *const tangent[]);

/* ---- State ----------------------------------------------------------------- */

/* Makes an output of a tape: after each run, param takes the value of next.  Every
 * assignment of a tape reads only old values, and a tape has one assignment of a
 * parameter at most.  (For eager mode see wg_graph_eager.) */
WG_API wg_node *wg_assign(wg_node *param, wg_node *next);
/* Makes a node that stands for n > 0 nodes (several assignments, say). */
WG_API wg_node *wg_group(int n, wg_node *const x[]);
/* Makes every tape that is compiled from now on and computes x keep its value for
 * wg_get.  Returns x. */
WG_API wg_node *wg_watch(wg_node *x);

#ifdef __cplusplus
}
#endif

#include <wengert/tape.h>
#endif
