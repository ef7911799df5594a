/* Reductions.  Their axes are an attribute, and from opset 13 (ReduceSum) or 18
 * (the others) on a second input; none of them means all, unless
 * noop_with_empty_axes is set, which leaves only what goes on element by element.
 *
 *   ReduceL1         sum |x|        ReduceLogSum     ln sum x
 *   ReduceL2         sqrt sum x^2   ReduceLogSumExp  ln sum e^x
 *   ReduceSumSquare  sum x^2        ReduceMean       sum x / number of x
 *
 * Integers give integers: a mean goes towards zero, and what needs a root or a
 * logarithm is made in f64 and cast back. */
#include "onnx/import/import.h"

typedef wg_node *reducer(wg_node *x, wg_axes axes, int keep);

/* Tells whether input 1 is a list of no axes; its shape alone may say so. */
static bool no_axes(struct wg__in *c)
{
    struct wg__ints list;
    if (wg__in_ints(c, 1, &list)) return list.n == 0;
    const wg_shape *s = wg_node_shape(wg__in_node(c, 1));
    return s && s->rank == 1 && s->dim[0] == 0;
}

static bool axes_of(struct wg__in *c, const wg_node *x, wg_axes *to)
{
    struct wg__ints list = {0};
    if (wg__attr_has(c, "axes") && !wg__attr_ints(c, "axes", &list)) return false;
    if (wg__in_has(c, 1) && !no_axes(c) && !wg__in_need_ints(c, 1, "the list of axes", &list)) return false;
    *to = (wg_axes){.n = wg__attr_int(c, "noop_with_empty_axes", 0) ? 0 : -1};
    return list.n == 0 || wg__in_axes(c, &list, wg_node_shape(x)->rank, to);
}

/* f over x, in dtype `wide` where x's is one of `narrow`. */
static int reduce_in(struct wg__in *c, reducer *f, unsigned narrow, wg_dtype wide)
{
    wg_node *x = wg__in_node(c, 0);
    wg_axes  axes;
    if (!x) return wg__out_node(c, 0, NULL);
    if (!axes_of(c, x, &axes)) return WG_EARG;
    wg_dtype t = wg_node_dtype(x);
    bool     widen = (WG_DTYPE_BIT(t) & narrow) != 0;
    wg_node *y = f(widen ? wg_cast(x, wide) : x, axes, wg__attr_int(c, "keepdims", 1) != 0);
    if (widen && t == WG_BOOL) y = wg_greater(y, wg_lit(y, 0)); /* of no elements it is the least integer */
    return wg__out_node(c, 0, wg_cast(y, t));
}

static int reduce(struct wg__in *c, reducer *f) { return reduce_in(c, f, 0, WG_I32); }
static int reduce_small(struct wg__in *c, reducer *f)
{
    return reduce_in(c, f, WG_DTYPE_BIT(WG_U8) | WG_DTYPE_BIT(WG_BOOL), WG_I32);
}
static int reduce_real(struct wg__in *c, reducer *f) { return reduce_in(c, f, WG_DTYPE_INTS, WG_F64); }

static wg_node *average(wg_node *x, wg_axes axes, int keep)
{
    wg_node *size = wg_size(x, axes);
    wg_node *sum = wg_sum(x, axes, keep);
    return wg_div(sum, size);
}

static wg_node *sum_of_abs(wg_node *x, wg_axes axes, int keep) { return wg_sum(wg_abs(x), axes, keep); }

static wg_node *sum_of_squares(wg_node *x, wg_axes axes, int keep) { return wg_sum(wg_square(x), axes, keep); }

/* Computes the root of the sum of squares. The slope of a root at 0 is infinite; here no gradient
 * flows back there. */
static wg_node *length(wg_node *x, wg_axes axes, int keep)
{
    wg_node *s = sum_of_squares(x, axes, keep), *zero = wg_lit(s, 0), *one = wg_lit(s, 1);
    wg_node *none = wg_equal(s, zero);
    return wg_where(none, zero, wg_sqrt(wg_where(none, one, s)));
}

static wg_node *log_of_sum(wg_node *x, wg_axes axes, int keep) { return wg_log(wg_sum(x, axes, keep)); }

static int sum(struct wg__in *c) { return reduce(c, wg_sum); }
/* Computes ReduceMean. Integers go through i64: a sum that i32 does not hold may have a mean that it holds. */
static int mean(struct wg__in *c) { return reduce_in(c, average, WG_DTYPE_BIT(WG_I32) | WG_DTYPE_BIT(WG_U8), WG_I64); }
static int max(struct wg__in *c) { return reduce_small(c, wg_max); }
static int min(struct wg__in *c) { return reduce_small(c, wg_min); }
static int prod(struct wg__in *c) { return reduce(c, wg_prod); }
static int l1(struct wg__in *c) { return reduce(c, sum_of_abs); }
static int l2(struct wg__in *c) { return reduce_real(c, length); }
static int log_sum(struct wg__in *c) { return reduce_real(c, log_of_sum); }
static int log_sum_exp(struct wg__in *c) { return reduce_real(c, wg_logsumexp); }
static int sum_square(struct wg__in *c) { return reduce(c, sum_of_squares); }

#define BY_ATTR "axes keepdims"
#define BY_INPUT "keepdims noop_with_empty_axes"

const struct wg__row wg__rows_reduce[] = {
    {"ReduceSum", 1, "1", BY_ATTR, sum, NULL},
    {"ReduceSum", 13, "1-2", BY_INPUT, sum, "k1"},
    {"ReduceMean", 1, "1", BY_ATTR, mean, NULL},
    {"ReduceMean", 18, "1-2", BY_INPUT, mean, "k1"},
    {"ReduceMax", 1, "1", BY_ATTR, max, NULL},
    {"ReduceMax", 18, "1-2", BY_INPUT, max, "k1"},
    {"ReduceMin", 1, "1", BY_ATTR, min, NULL},
    {"ReduceMin", 18, "1-2", BY_INPUT, min, "k1"},
    {"ReduceProd", 1, "1", BY_ATTR, prod, NULL},
    {"ReduceProd", 18, "1-2", BY_INPUT, prod, "k1"},
    {"ReduceL1", 1, "1", BY_ATTR, l1, NULL},
    {"ReduceL1", 18, "1-2", BY_INPUT, l1, "k1"},
    {"ReduceL2", 1, "1", BY_ATTR, l2, NULL},
    {"ReduceL2", 18, "1-2", BY_INPUT, l2, "k1"},
    {"ReduceLogSum", 1, "1", BY_ATTR, log_sum, NULL},
    {"ReduceLogSum", 18, "1-2", BY_INPUT, log_sum, "k1"},
    {"ReduceLogSumExp", 1, "1", BY_ATTR, log_sum_exp, NULL},
    {"ReduceLogSumExp", 18, "1-2", BY_INPUT, log_sum_exp, "k1"},
    {"ReduceSumSquare", 1, "1", BY_ATTR, sum_square, NULL},
    {"ReduceSumSquare", 18, "1-2", BY_INPUT, sum_square, "k1"},
    {0},
};
