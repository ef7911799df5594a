/* import.h - from ONNX nodes to graph nodes.
 *
 * An ONNX operator is a row: its name, the first opset that the row is for (a
 * later row of the same name takes over from its own first opset), how many
 * inputs it has, the attributes it understands, and a function that builds
 * nodes.  `grep '"Gather"' src/onnx` finds it.  Where things are:
 *
 *   ../proto                           bytes to structs, trusting nothing; a model of a file
 *   import                             an import, and what came of it
 *   import_look, import_uses           its first phase: names, rows; what takes part, and how
 *   import_build, import_branch        its second phase: inputs, nodes, outputs; If
 *   import_rows                        all rows; wg_onnx_operator
 *   import_attr, _value, _known, _say  what rows are given: attributes, operands, known values, complaints
 *
 * Rows are tables below rows/, with helpers in brackets:
 *
 *   rows/values/import_elementwise [_curve], import_logic    Add, Relu, Sinh; Equal, Where, Cast
 *   rows/values/import_reduce, import_product                ReduceSum; MatMul, Gemm
 *   rows/values/import_softmax, import_norm, import_loss     Softmax; BatchNormalization, Dropout; losses of labels
 *   rows/values/import_random                                RandomNormal
 *   rows/shapes/import_shape [_list, _layout, _pad, _pieces] Reshape; Transpose, CumSum; Pad; Slice, Concat, Split
 *   rows/shapes/import_index, import_constant [_fold]        Gather, OneHot, ArgMax; Constant, Range
 *
 * import_fold and import_list do arithmetic on lists of integers and symbols, by elements and as shapes. */
#ifndef WENGERT_ONNX_IMPORT_H
#define WENGERT_ONNX_IMPORT_H

#include <wengert/onnx.h>

#include "onnx/proto/proto.h"

/* A list of integers known while the model is loaded.  An element of a list
 * that was folded may be a symbolic dimension.  raw: these are numbers of the
 * file, or computed from such; none is a symbol, though it may read like one. */
enum { WG__MAX_INTS = 64 };
struct wg__ints {
    int     n;
    bool    raw;
    int64_t at[WG__MAX_INTS];
};
/* Tells whether element i is a symbolic dimension. Everything that needs to know asks here. */
bool wg__is_symbol(const struct wg__ints *v, int i);
/* Tells whether element i is a number of the file that reads like a symbol. Such a number may not go
 * where a symbol may. */
bool wg__is_unclear(const struct wg__ints *v, int i);

/* What a name of the model stands for.  node is made when it is first asked
 * for.  ints: an i64 (or i32) scalar or vector that is known, maybe with
 * symbols, which is how shape arithmetic is folded. */
struct wg__import_value {
    const char                   *name;
    wg_node                      *node;
    const struct wg__onnx_tensor *tensor; /* an initialiser or Constant, not yet a node */
    const wg_array               *given;  /* of an input: its value, which the import was told */
    struct wg__ints              *ints;
    const char                   *why;       /* of an initialiser or input that is broken: why, until that was said */
    int                           status;    /* for why */
    wg_node                      *turned;    /* a constant matrix with its axes exchanged, once that was asked for */
    int                           ints_rank; /* 0 or 1 */
    wg_dtype                      ints_dtype;
    bool                          broken; /* made by a node that failed: its users are passed over in silence */
    bool                          weight; /* a float initialiser that becomes a parameter */
    bool                          input;  /* of the model */
    bool                          used;   /* an output of the model needs it */
    bool                          shapes; /* a row wants its value while the model is loaded */
};

/* One ONNX node while it is built. */
struct wg__import;
struct wg__in {
    struct wg__import            *import; /* that this is a part of */
    struct wg_onnx               *m;
    wg_graph                     *g;
    const struct wg__onnx_node   *node;
    int                           opset, n_in, n_out; /* n_in without left-out inputs at the end */
    const wg_onnx_import_options *options;
};

struct wg__row {
    const char *op; /* NULL ends a list */
    int         since;
    const char *arity;             /* inputs: "2", "1-3", "1-*"; left-out ones at the end do not count */
    const char *attr;              /* names of attributes, apart by blanks */
    int (*make)(struct wg__in *c); /* WG_OK or a status whose reason was given */
    /* Which inputs are weights where they are float initialisers of rank 1 or more: "1", "12"; "v01": where
     * they are vectors, as a bias or scale along the last axis is.  "k1": whose values are wanted while the model
     * is loaded.  NULL: none. */
    const char *uses;
};
extern const struct wg__row wg__rows_elementwise[], wg__rows_logic[], wg__rows_shape[], wg__rows_index[],
    wg__rows_reduce[], wg__rows_product[], wg__rows_softmax[], wg__rows_norm[], wg__rows_loss[], wg__rows_constant[],
    wg__rows_random[], wg__rows_branch[];

/* ---- Attributes: of the node, or the default ---- */

bool        wg__attr_has(const struct wg__in *c, const char *name);
int64_t     wg__attr_int(const struct wg__in *c, const char *name, int64_t otherwise);
double      wg__attr_real(const struct wg__in *c, const char *name, double otherwise);
const char *wg__attr_text(const struct wg__in *c, const char *name, const char *otherwise);
/* Reads a list of integers. False if the attribute is not there or is longer than WG__MAX_INTS. */
bool wg__attr_ints(const struct wg__in *c, const char *name, struct wg__ints *to);
/* Returns the element type that the attribute gives by its number; WG_DTYPES with a complaint if we
 * have no such type. */
wg_dtype                    wg__attr_dtype(struct wg__in *c, const char *name, wg_dtype otherwise);
const struct wg__onnx_attr *wg__attr_find(const struct wg__in *c, const char *name);

/* ---- Operands ---- */

bool wg__in_has(const struct wg__in *c, int i);
/* Returns the value of input i: rank, dtype and what is known of it; NULL where the input is left out. */
const struct wg__import_value *wg__in_value(const struct wg__in *c, int i);
/* Returns the node of input i; NULL where the input is left out, or memory is short (the reason is on g). */
wg_node *wg__in_node(struct wg__in *c, int i);
/* Returns the dtype of input i without making a node; WG_DTYPES where the input is left out. */
wg_dtype wg__in_dtype(struct wg__in *c, int i);
/* Gives the integers of input i if they are known; false without a complaint if not. */
bool wg__in_ints(struct wg__in *c, int i, struct wg__ints *to);
/* Gives the integers of input i, or complains that `what` has to be known when the model is loaded. */
bool wg__in_need_ints(struct wg__in *c, int i, const char *what, struct wg__ints *to);
/* Gives the one element of input i as a double, or complains that `what` has to be known. */
bool wg__in_need_real(struct wg__in *c, int i, const char *what, double *to);
/* Gives the values of input i if they are known (an initialiser, a Constant, or folded from such);
 * false without a complaint if not. The caller frees to->data with wg__data_free. */
bool wg__in_known(struct wg__in *c, int i, wg_array *to);

/* Makes a constant of rank 0 and dtype t from a whole number, as exactly as wg_cast does. */
wg_node *wg__in_whole(struct wg__in *c, wg_dtype t, int64_t v);
/* Makes a node of rank 0 and dtype t from a dimension, which may be symbolic. */
wg_node *wg__in_dim(struct wg__in *c, wg_dtype t, int64_t d);

/* Allocates a constant of n elements for a row (wg__data_free). NULL with a complaint where the model
 * has made too many such elements. */
void *wg__in_data(struct wg__in *c, int64_t n, wg_dtype t);
/* Returns first, first + step, .. as an i64 vector of n elements; n may be symbolic. */
wg_node *wg__in_iota(struct wg__in *c, int64_t n, int64_t first, int64_t step);

/* ---- Results ---- */

/* Makes x the value of output i. A NULL x fails with the reason that is on the graph. */
int wg__out_node(struct wg__in *c, int i, wg_node *x);
/* Makes output i a list of integers: of rank 1, or a single integer of rank 0. */
int wg__out_ints(struct wg__in *c, int i, const struct wg__ints *v, wg_dtype t, bool rank0);

/* ---- Complaints ---- */

/* Complains that something is not supported: "Conv (opset 13) node 'conv1': complaint". */
int wg__unsupported(struct wg__in *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Complains that the node breaks ONNX's own rules. */
int wg__malformed(struct wg__in *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Gives an axis as 0 <= *axis < rank, or complains. */
bool wg__in_axis(struct wg__in *c, int64_t axis, int rank, int *to);
/* Gives a list of axes as a wg_axes in which each is in range and none is there twice, or complains. */
bool wg__in_axes(struct wg__in *c, const struct wg__ints *v, int rank, wg_axes *to);
/* Gives a shape of known or symbolic dimensions, or complains. */
bool wg__in_shape(struct wg__in *c, const struct wg__ints *v, wg_shape *to);

/* Returns y as the second operand beside x. Before opset 7 it is broadcast from `axis` on where the
 * attribute broadcast is set; from 7 on nothing is to do: NumPy's rules are the builders' own. */
wg_node *wg__in_broadcast(struct wg__in *c, wg_node *x, wg_node *y);

#endif
