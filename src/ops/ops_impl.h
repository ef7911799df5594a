/* ops_impl.h - inside of src/ops: every built-in operator by name. */
#ifndef WENGERT_OPS_IMPL_H
#define WENGERT_OPS_IMPL_H

#include <stdbool.h>

#include "graph/graph_impl.h"
#include "ops/reduce/walk.h"

#define OP(name) extern const wg_op wg_op_##name;
#include "ops/ops.def"
#undef OP

/* ---- For structured operators (support.c) ---- */

/* Records "who(x): complaint" on x's graph and gives NULL; NULL x is allowed.  Inside of a composed builder, who is
 * that builder. */
wg_node *wg__bad(const wg_node *x, int status, const char *who, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* What a builder gives that has nothing to do: x itself; where x is a parameter, whose value changes with
 * assignments, a node with the value that x has in a run. */
wg_node *wg__unchanged(wg_node *x);

/* in[i]: whether axis i < rank is one of a; WG_OK, or a rejection. */
int wg__axis_set(wg_infer *c, const wg_axes *a, int rank, bool in[WG_MAX_RANK]);
/* The same for a constructor: false with an error on x's graph. */
bool wg__axes_in(const wg_node *x, const char *who, const wg_axes *a, bool in[WG_MAX_RANK]);
/* The axis of x as 0 <= axis < rank; false with an error on x's graph. */
bool wg__axis_in(const wg_node *x, const char *who, int *axis);
/* The ascending list of the axes in the set. */
wg_axes wg__axes_list(int rank, const bool in[WG_MAX_RANK]);
/* s without those axes, or with 1 in their places. */
wg_shape wg__shape_reduced(const wg_shape *s, const bool in[WG_MAX_RANK], int keep);
/* Whether every dimension is a number >= 0 or a symbol of the graph. */
bool wg__dims_valid(const wg_infer *c, const wg_shape *s);
/* The product of dimensions first..last-1, which may be symbolic. */
int wg__dims_product(wg_infer *c, const wg_shape *s, int first, int last, int64_t *y);

/* Dense sizes before, at and after axes first..last-1 of a shape without symbols. */
struct wg__split {
    int64_t outer, n, inner;
};
struct wg__split wg__split_at(const wg_shape *s, int first, int last);
/* What a sum, prod, max or min with these attributes reduces in a shape x. */
struct wg__split wg__reduce_split(const void *attr, const wg_shape *x);

/* Gives every result of an operator that reduces the axes the rows of its operand. */
int wg__rows_over_axes_all(wg_stack *s, const wg_axes *axes, bool keep);

/* Builds y of shape `to`, 0 but for y[place[i]] += x[i], places counted row-major over all of y; x and place have as
 * many elements, place is i64.  Sizes may be symbolic. */
wg_node *wg__scatter_flat(wg_node *x, wg_node *place, wg_shape to);
/* Builds 0, stride, 2 stride, .. as i64 along axis `axis` of `rank` axes, the others of size 1: as many as axes
 * from..to-1 of x have elements, where stride is the number of elements of the axes behind them.  So a sum of such
 * nodes is the place of an element of x. */
wg_node *wg__places(wg_node *x, int from, int to, int rank, int axis);

/* ---- The ends of loops (loop_ends.c) ---- */

/* How an operator heads a loop, or NULL: it does not. */
struct wg__producer;
const struct wg__producer       *wg__producer_of(const wg_op *op);
extern const struct wg__producer wg__matmul_producer;
/* The enum wg__reduce by which an operator ends a loop, or -1: it does not. */
int wg__reduction_of(const wg_op *op);

/* The node's ONNX operator over axes: an input from opset `since` on, before it
 * an attribute; x itself without axes. */
int wg__reduce_onnx(wg_onnx_form *f, const wg_axes *axes, int keep, int since);
/* Says the same of any operator of ONNX, over the value of the form `of`. */
int wg__say_reduced(wg_onnx_form *f, const char *name, const wg_axes *axes, int keep, int since, const char *of);

/* Whether x is a constant of one element, possibly broadcast, and which. */
bool wg__is_const(const wg_node *x, double *value);
/* The mask that wg_dropout multiplies x with on a tape that trains. */
wg_node *wg__dropout_mask(wg_node *x, double p);

/* ---- Where the rows of a batch come out (rows.c) ---- */

/* Axes are reduced, and left as 1 if `keep`. */
int wg__rows_reduced(wg_stack *s, const bool in[WG_MAX_RANK], bool keep);
int wg__rows_over_axes(wg_stack *s, const wg_axes *axes, bool keep);
/* One value in the result's shape. */
int wg__rows_filled(wg_stack *s);

/* How many pieces of that many elements make one worth a thread's while. */
static inline int64_t wg__grain(int64_t elements)
{
    return elements > 16384 ? 1 : elements > 1 ? 16384 / elements : 16384;
}
/* n elements of `size` bytes, ystep and xstep bytes apart. */
void wg__copy_strided(char *y, int64_t ystep, const char *x, int64_t xstep, int64_t n, size_t size);
/* rows of `width` bytes, on several threads. */
void wg__copy_rows(const wg_call *c, int64_t rows, int64_t width, char *y, int64_t ystep, const char *x, int64_t xstep);
/* value in every element, on several threads. */
void wg__fill_tensor(const wg_call *c, const wg_tensor *y, double value);
/* Element i of an index of i32, i64 or u8. */
int64_t wg__index_at(const wg_tensor *index, int64_t i);
/* Indices of an axis as 0 <= to[i] < size, or WG_EINDEX with the first that is not one. */
int wg__index_resolve(wg_call *c, const wg_tensor *index, int axis, int64_t size, int64_t *to);

/* Gives x as i64; a run fails where an element is outside of 0..size-1. */
wg_node *wg__one_hot_index(wg_node *x, int64_t size);
/* wg_one_hot where an index outside of 0..depth-1 gives zeros, or was refused before. */
wg_node *wg__one_hot(wg_node *index, int64_t depth, wg_dtype t);

/* d gelu_tanh / dx: a row of unary.def that only its gradient needs. */
wg_node *wg_gelu_tanh_slope(wg_node *x);
/* x y and x / y in which 0 outweighs infinity and NaN: rows of binary.def, for gradients and masks. */
wg_node *wg_zero_mul(wg_node *x, wg_node *y);
wg_node *wg_zero_div(wg_node *x, wg_node *y);

/* Elements low, low + |step|, .. of an axis, count of them; from the last to
 * the first where step < 0.  low and count may be symbolic. */
wg_node *wg__slice(wg_node *x, int axis, int64_t low, int64_t count, int64_t step);
/* x set into a tensor of shape `to` full of value: element i of axis k goes to
 * before[k] + i stride[k].  before and to may have symbols. */
wg_node *wg__pad(wg_node *x, wg_shape before, wg_list stride, wg_shape to, double value);
/* y = 0, of shape `to`; y[.., index[i..], ..] += x[.., i.., ..]. */
wg_node *wg__scatter_add(wg_node *x, wg_node *index, int axis, wg_shape to);

#endif
