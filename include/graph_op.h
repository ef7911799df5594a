/* graph_op.h - operators: their struct, and the calls that their functions use.
 *
 * Built-in and user operators use the same struct; nothing is registered.
 * docs/adding-an-op.md walks through one; examples/custom_op does it outside of the
 * library. */
#ifndef WENGERT_GRAPH_OP_H
#define WENGERT_GRAPH_OP_H

#include <wengert/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Attributes --------------------------------------------------------- */

/* How one member of an operator's attribute struct is printed, hashed,
 * compared and, for shapes, bound to sizes. */
typedef enum wg_field_type {
    WG_FIELD_INT,   /* int */
    WG_FIELD_FLAG,  /* int, printed by its name alone where it is set */
    WG_FIELD_I64,   /* int64_t */
    WG_FIELD_U64,   /* uint64_t */
    WG_FIELD_REAL,  /* double */
    WG_FIELD_DTYPE, /* wg_dtype */
    WG_FIELD_SHAPE, /* wg_shape; its symbols are bound at compile time */
    WG_FIELD_AXES,  /* wg_axes */
    WG_FIELD_LIST,  /* wg_list */
    WG_FIELD_STREAM, /* uint64_t: which of the graph's random sequences a WG_OP_RANDOM reads.  wg_apply makes it of the
                     * node's place in the expression and of the value it is given, a tape tells equal places apart;
                     * it is not printed */
    WG_FIELD_TEXT,   /* const char *, or NULL; wg_apply copies the text */
    WG_FIELD_LONGS,  /* wg_longs; wg_apply copies the numbers */
    WG_FIELD_REALS,  /* wg_reals; wg_apply copies the numbers */
    WG_FIELD_HANDLE, /* void *: something of the program's, equal where the pointer is; outlives the graph */
    WG_FIELD_GRAPH   /* wg_graph *: a body, equal where the pointer is; outlives the graph */
} wg_field_type;

/* One number for each axis. */
typedef struct wg_list {
    int     n;
    int64_t at[WG_MAX_RANK];
} wg_list;

/* Numbers without a limit: `at` is the caller's until wg_apply, and the graph's in a node. */
typedef struct wg_longs {
    int            n;
    const int64_t *at; /* [n] */
} wg_longs;
typedef struct wg_reals {
    int           n;
    const double *at; /* [n] */
} wg_reals;

typedef struct wg_field {
    const char   *name; /* NULL ends the table */
    wg_field_type type;
    size_t        offset;
} wg_field;
#define WG_FIELD(type, member, kind) {#member, WG_FIELD_##kind, offsetof(type, member)}

/* ---- The four calls an operator answers --------------------------------- */

/* infer: shapes and dtypes of the results.  Dimensions may be symbolic. */
typedef struct wg_infer {
    wg_graph       *g;
    int             n, m;  /* operands, results */
    const wg_shape *x;     /* [n] */
    const wg_dtype *dtype; /* [n] */
    const void     *attr;
    wg_shape       *y;      /* [m], of rank 0 at the start */
    wg_dtype       *ydtype; /* [m]; each starts as the first operand's */
    char            why[200];
} wg_infer;

/* Dense, row-major, 64-byte aligned where the library owns it. */
typedef struct wg_tensor {
    void    *data;
    wg_dtype dtype;
    wg_shape shape; /* no symbols */
} wg_tensor;

/* cpu: every y from x.  Everything was checked by infer; what remains (an index out
 * of range) is said with wg_reject_run. */
typedef struct wg_call {
    int              n, m; /* operands, results */
    const wg_tensor *x;    /* [n] */
    wg_tensor       *y;    /* [m], none in the memory of an x, unless WG_OP_IN_PLACE */
    const void      *attr;
    void            *scratch; /* as many bytes as wg_op.scratch asked for, 64-byte aligned */
    uint64_t         seed;    /* of the graph */
    uint64_t         run;     /* number of the run, from 0 */
    int              threads; /* for wg_parallel */
    char             why[120];
} wg_call;

/* cuda: every y from x on a CUDA device: queues kernels on the stream and returns 0, or
 * the cudaError_t of the launch that failed.  Nothing may be allocated or waited for,
 * since launches are recorded once and replayed: what differs from run to run is read
 * from device memory. */
typedef struct wg_cuda_call {
    const wg_call  *call;    /* as for cpu, but data of x and y are device pointers; scratch and run are below */
    void           *stream;  /* a cudaStream_t */
    void           *scratch; /* device memory, as many bytes as wg_op.scratch asked for */
    const uint64_t *run;     /* device memory: the number of the run */
    int             sms;     /* multiprocessors of the device */
} wg_cuda_call;

/* grad: dx[i] from g, the gradients of the results.  g[k] is NULL where nothing
 * flows back to result k; of an operator with one result g[0] is there.  Where
 * operands broadcast, dx[i] may have the result's shape: it is summed back by
 * the caller.  dx[i] stays NULL where nothing flows (an index, a mask). */
typedef struct wg_adjoint {
    wg_node *const *g;    /* [m] */
    wg_node        *y;    /* the node: result 0; wg_result(y, k) has the others */
    int             n, m; /* operands, results */
    wg_node *const *x;    /* [n] */
    wg_node       **dx;   /* [n], NULL at the start */
    const char     *need; /* [n]: whether dx[i] is wanted */
    const void     *attr;
} wg_adjoint;

/* A function of n elements of each operand, for operators that work element
 * by element: y[i] = f(x[0][i], ...).  Where `once` has bit k, operand k is
 * one element.  y may be the memory of an operand.  Runs on any thread. */
typedef void wg_block(int64_t n, void *y, const void *const x[], unsigned once, const void *attr);
#define WG_BLOCK_MAX_ARITY 3

/* rows: where the rows of a batch come out.  A value is a stack of rows along
 * one axis, which has symbol * each places: places r * each to r * each +
 * each - 1 are of row r.  Or it is the same for every row: axis -1.
 *
 * The function sets y from x and returns 1, where element for element a row of
 * the result depends on the same row of the operands alone; 0 where it does
 * not, or where that is not known. */
typedef struct wg_rows {
    int     axis;
    int64_t each; /* may be symbolic */
} wg_rows;
typedef struct wg_stack {
    const wg_node *node; /* with its operands and shapes */
    const void    *attr;
    int            n, m;   /* operands, results */
    const wg_rows *x;      /* [n] */
    int64_t        symbol; /* the number of rows */
    wg_rows       *y;      /* [m]; each starts as the same for every row */
    unsigned       unread; /* bit i is set by the function: on an evaluation tape nothing of operand i is in y */
} wg_stack;

/* ---- The operator ------------------------------------------------------- */

enum wg_op_flags {
    WG_OP_RANDOM   = 1, /* never merged; reads seed and run */
    WG_OP_IN_PLACE = 2, /* y may be the memory of operand 0 of the same size */
    WG_OP_VIEW     = 4, /* y is operand 0's bytes with another shape: nothing runs */
    WG_OP_SHAPE    = 16, /* y depends on the shapes of its operands only: known at compile time */
    WG_OP_MAY_FAIL = 32, /* cpu can answer with an error */
    WG_OP_ORDERED  = 64  /* does something beside its result: never merged, never folded; on a tape such operators run
                          * in the order of the expression */
};

/* Where tests may sample operand values. */
enum wg_domain {
    WG_DOMAIN_ANY,      /* [-2, 2] */
    WG_DOMAIN_POSITIVE, /* [0.5, 2] */
    WG_DOMAIN_NONZERO,  /* [-2, -0.5] and [0.5, 2] */
    WG_DOMAIN_SMOOTH    /* [-2, 2] but not near an integer or a half */
};

/* Dtypes that operands may have, for the common infer functions. */
#define WG_DTYPE_BIT(t) (1u << (t))
#define WG_DTYPE_REALS (WG_DTYPE_BIT(WG_F32) | WG_DTYPE_BIT(WG_F64))
#define WG_DTYPE_INTS (WG_DTYPE_BIT(WG_I32) | WG_DTYPE_BIT(WG_I64))
#define WG_DTYPE_NUMBERS (WG_DTYPE_REALS | WG_DTYPE_INTS | WG_DTYPE_BIT(WG_U8))
#define WG_DTYPE_ALL (WG_DTYPE_NUMBERS | WG_DTYPE_BIT(WG_BOOL))

#define WG_OP_VARIADIC (-1)

/* to_onnx: the operator's form in ONNX, written with wg_onnx_say and the like.
 *
 * A form is a text.  "Add(x,y)" is one ONNX node over operands 0 and 1, "Add"
 * the same over all operands.  Forms nest, hold attributes and constants, and
 * may differ by opset; the first alternative that the opset allows is taken:
 *
 *   Reciprocal(Sqrt(x))                      Mul(x,x)
 *   Elu{alpha=1.5}(x)                        Transpose{perm=[1,0]}(x)
 *   20:Gelu(x); Mul(Mul(x,0.5),Add(Erf(Mul(x,0.70710678118654752)),1))
 *   Slice(x,[0],[9],[1],[1])                 Expand(x,[8,10])
 *
 *   x y z     operands 0, 1, 2; `*` all of them; `_` an input left out
 *   1.5       a number of operand 0's dtype (of the result's where there is no
 *             operand); 7:i64 one of another dtype
 *   [1,2]     an i64 vector; wg_onnx_say_dims writes one that may hold symbols
 *   [0:9:2]   the i64 vector 0, 2, .. before 9
 *   {a=1, b=0.5, c=[1,2], d="text", to=f64}  attributes: a whole number is an
 *             int, one with a point or exponent a float; a dtype is ONNX's
 *             number of it, with x for that of operand 0
 *
 * Of an operator with several results the form is asked for each of them
 * (`result`), unless its outermost operator gives them all: `all`.
 *
 * An alternative may also ask for the dtype of operand 0, "real" being f32 and
 * f64:  real:Min; 12:Min; Where(Less(x,y),x,y)
 * u8 and bool go through i32 where ONNX's arithmetic does not take them. */
typedef struct wg_onnx_form {
    const wg_node *y; /* the node: operands and shapes by wg_node_operand, wg_node_shape */
    const void    *attr;
    int            opset;
    int            result; /* which result the form is asked for */
    int            all;    /* set to 1: the text's outermost operator gives all results, in their order */
    size_t         n;
    char           text[1024], why[200];
} wg_onnx_form;

typedef struct wg_op {
    size_t          struct_size; /* sizeof(wg_op), or 0; another size is refused by wg_apply */
    const char     *name; /* "matmul" */
    const char     *onnx; /* its form in ONNX, or with to_onnx the ONNX operator's name; NULL: none */
    const char     *doc;  /* one line, with the formula */
    int             arity; /* or WG_OP_VARIADIC: one or more */
    int             results; /* 0: one; or WG_OP_VARIADIC: what `count` says */
    unsigned        flags;
    unsigned        dtypes;  /* that operands may have; 0: any */
    const unsigned *takes;   /* instead of dtypes: [arity] a set for each operand; NULL: none */
    enum wg_domain  domain;
    size_t          attr_size;
    const wg_field *fields; /* of the attributes; with none, nodes with attributes are never merged */

    int (*count)(int n, const void *attr); /* results, one or more; NULL unless results is WG_OP_VARIADIC */
    int (*infer)(wg_infer *c);
    int (*cpu)(wg_call *c); /* NULL only where block is there */
    wg_block *(*block)(int n, const wg_dtype x[], wg_dtype y); /* elementwise operators only */
    void (*grad)(wg_adjoint *v); /* NULL: not differentiable, and wg_grad says so */
    size_t (*scratch)(const wg_call *c); /* NULL: none */
    double (*flops)(const wg_call *c);   /* NULL: one an element of y */
    int (*to_onnx)(wg_onnx_form *f);     /* NULL: the form is `onnx` */
    int (*rows)(wg_stack *s);            /* NULL: rows may meet */
    int (*cuda)(const wg_cuda_call *c);  /* NULL: on a device, an operator of a program's own runs on the CPU */
} wg_op;

/* Makes a node of op over x[0..n-1]; attr is copied.  NULL as every builder.  Of an
 * operator with several results the node is result 0, and wg_result finds the
 * others. */
WG_API wg_node *wg_apply(const wg_op *op, int n, wg_node *const x[], const void *attr);

/* Every built-in operator, NULL-terminated. */
WG_API extern const wg_op *const wg_ops[];

/* What follows is for the functions of an operator: the struct is the one that
 * the library handed to them, and not NULL.
 *
 * ---- For infer ---------------------------------------------------------- */

/* Writes c->why and returns status. */
WG_API int wg_reject(wg_infer *c, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Gives every result the shape of operand 0. */
WG_API int wg_infer_same(wg_infer *c);
/* Gives the result the NumPy broadcast of all operands, which have one dtype. */
WG_API int wg_infer_broadcast(wg_infer *c);
/* Broadcasts two shapes into y: WG_OK, or a rejection. */
WG_API int wg_broadcast(wg_infer *c, const wg_shape *a, const wg_shape *b, wg_shape *y);
/* Gives the axis as 0 <= axis < rank, or a negative status. */
WG_API int wg_axis(wg_infer *c, int axis, int rank);

/* Adds or multiplies dimensions, which may be symbolic: WG_OK, or a rejection where the
 * result does not fit into an int64_t. */
WG_API int wg_dim_add(wg_infer *c, int64_t a, int64_t b, int64_t *y);
WG_API int wg_dim_mul(wg_infer *c, int64_t a, int64_t b, int64_t *y);
/* Divides a by b where the quotient is whole; WG_ESHAPE where it is not, or cannot be
 * known. */
WG_API int wg_dim_div(wg_infer *c, int64_t a, int64_t b, int64_t *y);
static inline int wg_dim_known(int64_t d) { return d >= 0; }

/* ---- For builders: operators whose sizes may be symbolic ------------------- */

/* Takes count elements of an axis, the lowest at low, |step| apart; from last to first
 * where step < 0.  Elements that the axis has not got are refused: where its size is a
 * symbol, when a tape is compiled. */
WG_API wg_node *wg_narrow(wg_node *x, int axis, int64_t low, int64_t count, int64_t step);
/* Adds up in the places that wg_gather reads: zeros of `size` along axis, to which
 * slices are added, y[.., index[i..], ..] += x[.., i.., ..].  An index outside of the
 * axis is a run-time error (WG_EINDEX) that names the index. */
WG_API wg_node *wg_scatter_add(wg_node *x, wg_node *index, int axis, int64_t size);
/* Makes 0, 1, .. n-1 as i64; n may be symbolic. */
WG_API wg_node *wg_iota(wg_graph *g, int64_t n);

/* ---- For cpu ------------------------------------------------------------ */

/* Writes c->why and returns status. */
WG_API int wg_reject_run(wg_call *c, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Calls body(context, begin, end) over 0..n in pieces of `grain`, on the
 * library's threads where that pays.  The pieces depend on n and grain only. */
WG_API void wg_parallel(const wg_call *c, int64_t n, int64_t grain,
                        void (*body)(void *context, int64_t begin, int64_t end), void *context);

/* ---- For rows ----------------------------------------------------------- */

/* Tells whether a tape may take the rows of several callers at once.  dim is a symbol
 * of wg_dim; inputs whose axis 0 is dim are stacks of rows.  WG_OK: on an evaluation
 * tape each y is such a stack too, and its rows depend on the same rows of the inputs
 * alone.  That is proved operator by operator from the graph as it is.  WG_EARG where
 * it cannot be proved, and `why` (may be NULL) names the first node where rows may
 * meet.  WG_ENOMEM. */
WG_API int wg_rows_apart(int n, wg_node *const y[], int64_t dim, wg_error *why);

/* Finds the rows for an operator that works element by element, with NumPy
 * broadcasting: a value for wg_op.rows. */
WG_API int wg_rows_broadcast(wg_stack *s);

/* ---- For to_onnx -------------------------------------------------------- */

/* Appends to the form.  WG_OK, or WG_EARG once the form is too long. */
WG_API int wg_onnx_say(wg_onnx_form *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Appends an i64 vector of dimensions, such as "[1,2]". */
WG_API int wg_onnx_say_dims(wg_onnx_form *f, int n, const int64_t *dim);
/* Appends a number that reads back as the same double, with a point in it. */
WG_API int wg_onnx_say_real(wg_onnx_form *f, double v);
/* Says why there is no form; returns WG_EARG. */
WG_API int wg_onnx_refuse(wg_onnx_form *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- For grad ----------------------------------------------------------- */

WG_API int            wg_node_arity(const wg_node *x);
WG_API wg_node       *wg_node_operand(const wg_node *x, int i);
WG_API const void    *wg_node_attr(const wg_node *x);
WG_API const wg_op   *wg_node_op(const wg_node *x); /* NULL for leaves, assignments and results above 0 */
/* Counts the results of x's operator; 1 where x is no node of an operator. */
WG_API int            wg_node_results(const wg_node *x);
/* Gives the number of x among the results of its operator; 0 for any other node. */
WG_API int            wg_node_result(const wg_node *x);

#ifdef __cplusplus
}
#endif
#endif
