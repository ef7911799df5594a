/* ops_impl.h - inside of src/ops: every built-in operator by name. */
#ifndef WENGERT_OPS_IMPL_H
#define WENGERT_OPS_IMPL_H

#include <stdbool.h>

#include "cpu/strided.h"
#include "graph/graph_impl.h"
#include "ops/op_attr.h"
#include "ops/reduce/walk.h"

#define OP(name) extern const wg_op wg_op_##name;
#include "ops/ops.def"
#undef OP

/* ---- For structured operators (support.c) ---- */

/* Records "who(x): complaint" on x's graph and gives NULL; NULL x is allowed.  Inside of a composed builder, who is
 * that builder. */
wg_node *wg__bad(const wg_node *x, int status, const char *who, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Gives the node for a builder whose result equals x: x itself or, for a parameter, a node with the value that x has in
 * a run, since assignments change the parameter. */
wg_node *wg__unchanged(wg_node *x);

/* Sets in[i] to whether a names axis i < rank; WG_OK, or a rejection. */
int wg__axis_set(wg_infer *c, const wg_axes *a, int rank, bool in[WG_MAX_RANK]);
/* Sets in[] as wg__axis_set does, for a constructor: false with an error on x's graph. */
bool wg__axes_in(const wg_node *x, const char *who, const wg_axes *a, bool in[WG_MAX_RANK]);
/* Makes *axis, which may count from the end, an axis 0 <= axis < rank of x; false with an error on x's graph. */
bool wg__axis_in(const wg_node *x, const char *who, int *axis);
/* Lists the axes of the set in ascending order. */
wg_axes wg__axes_list(int rank, const bool in[WG_MAX_RANK]);
/* Finds the axes first..last-1 that hold every axis of the set but those of size 1; false if another axis lies between
 * them. */
bool wg__axes_run(const wg_shape *s, const bool in[WG_MAX_RANK], int *first, int *last);
/* Removes the axes of the set from s, or with `keep` makes their sizes 1. */
wg_shape wg__shape_reduced(const wg_shape *s, const bool in[WG_MAX_RANK], int keep);
/* Tells whether every dimension is a number >= 0 or a symbol of the graph. */
bool wg__dims_valid(const wg_infer *c, const wg_shape *s);
/* Multiplies dimensions first..last-1, which may be symbolic, into *y; WG_OK, or a rejection. */
int wg__dims_product(wg_infer *c, const wg_shape *s, int first, int last, int64_t *y);

/* Numbers of elements before, in and behind axes first..last-1 of a shape without symbols. */
struct wg__split {
    int64_t outer, n, inner;
};
struct wg__split wg__split_at(const wg_shape *s, int first, int last);
/* Splits shape x at the axes that a sum, prod, max or min with these attributes reduces. */
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

/* Finds the producer by which an operator heads a loop. NULL: the operator heads none. */
struct wg__producer;
const struct wg__producer       *wg__producer_of(const wg_op *op);
extern const struct wg__producer wg__matmul_producer;
/* Finds the enum wg__reduce by which an operator ends a loop. -1: the operator ends none. */
int wg__reduction_of(const wg_op *op);

/* Writes the node's ONNX operator, over x. The axes are an input from opset `since` on and an attribute before; without
 * axes the form is x itself. */
int wg__reduce_onnx(wg_onnx_form *f, const wg_axes *axes, int keep, int since);
/* Writes ONNX operator `name` over the value of the form `of`, with axes as wg__reduce_onnx does. */
int wg__say_reduced(wg_onnx_form *f, const char *name, const wg_axes *axes, int keep, int since, const char *of);

/* Tells whether x is a constant of one element, possibly broadcast, and sets *value to the element. */
bool wg__is_const(const wg_node *x, double *value);
/* Makes the mask by which wg_dropout multiplies x on a tape that trains. */
wg_node *wg__dropout_mask(wg_node *x, double p);

/* ---- Where the rows of a batch come out (row_rules.c) ---- */

/* Finds the rows of a result whose axes in the set are reduced, and left with size 1 if `keep`. */
int wg__rows_reduced(wg_stack *s, const bool in[WG_MAX_RANK], bool keep);
/* Finds the rows of a result that is reduced over a list of axes. */
int wg__rows_over_axes(wg_stack *s, const wg_axes *axes, bool keep);
/* Finds the rows of a result that is one value repeated in its shape. */
int wg__rows_filled(wg_stack *s);

/* Counts the pieces of `elements` elements that a thread takes at once, so that they are worth its while. */
static inline int64_t wg__grain(int64_t elements)
{
    return elements > 16384 ? 1 : elements > 1 ? 16384 / elements : 16384;
}
/* Copies the parts of a tensor along an axis, which are other tensors: joined from them, or cut into them. */
void wg__join_parts(const wg_call *c, const wg_tensor *joined, int n, const wg_tensor *part, int axis);
void wg__cut_parts(const wg_call *c, const wg_tensor *joined, int n, const wg_tensor *part, int axis);
/* Copies rows of `width` bytes, on several threads. */
void wg__copy_rows(const wg_call *c, int64_t rows, int64_t width, char *y, int64_t ystep, const char *x, int64_t xstep);
/* Sets every element of y to `value`, on several threads. */
void wg__fill_tensor(const wg_call *c, const wg_tensor *y, double value);
/* Reads element i of an index of i32, i64 or u8. */
int64_t wg__index_at(const wg_tensor *index, int64_t i);
/* Resolves indices, which may count from the end, to 0 <= to[i] < size; WG_OK, or WG_EINDEX with a message about the
 * first index outside of the axis. */
int wg__index_resolve(wg_call *c, const wg_tensor *index, int axis, int64_t size, int64_t *to);

/* Builds x as i64; a run fails where an element is outside of 0..size-1. */
wg_node *wg__one_hot_index(wg_node *x, int64_t size);
/* Builds what wg_one_hot does, without its check: an index outside of 0..depth-1 gives zeros. */
wg_node *wg__one_hot(wg_node *index, int64_t depth, wg_dtype t);

/* Builds d gelu_tanh / dx: a row of unary.def that only the gradient of gelu_tanh needs. */
wg_node *wg_gelu_tanh_slope(wg_node *x);
/* Builds x y or x / y, in which 0 outweighs infinity and NaN: rows of binary.def, for gradients and masks. */
wg_node *wg_zero_mul(wg_node *x, wg_node *y);
wg_node *wg_zero_div(wg_node *x, wg_node *y);

/* Builds the elements low, low + |step|, .. of an axis, `count` of them, from the last to the first where step < 0. low
 * and count may be symbolic. */
wg_node *wg__slice(wg_node *x, int axis, int64_t low, int64_t count, int64_t step);
/* Builds a tensor of shape `to` full of `value`, with x set into it: element i of axis k goes to before[k] + i
 * stride[k]. before and to may have symbols. */
wg_node *wg__pad(wg_node *x, wg_shape before, wg_list stride, wg_shape to, double value);
/* Builds y of shape `to`: zeros, then y[.., index[i..], ..] += x[.., i.., ..]. */
wg_node *wg__scatter_add(wg_node *x, wg_node *index, int axis, wg_shape to);

#endif
