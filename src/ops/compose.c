/* Functions that are made of operators. */
#include "ops/ops_impl.h"

/* Makes a literal in x's dtype; NULL with an error that names `who` if the dtype does not hold v. */
static wg_node *make_literal(wg_node *x, const char *who, double v)
{
    if (!x) return NULL;
    if (!wg__holds((wg_dtype)x->dtype, v))
        return wg__bad(x, WG_EARG, who, "%g is no %s", v, wg_dtype_name(wg_node_dtype(x)));
    return wg_lit(x, v);
}

/* Errors of the functions below name the function that the user called, not the operators that the function is made
 * of. */

wg_node *wg_scale(wg_node *x, double factor)
{
    const char *outer = wg__enter(wg_node_graph(x), "scale");
    wg_node    *a = make_literal(x, "scale", factor);
    return wg__leave(wg_node_graph(x), outer, wg_mul(x, a));
}
wg_node *wg_shift(wg_node *x, double term)
{
    const char *outer = wg__enter(wg_node_graph(x), "shift");
    wg_node    *a = make_literal(x, "shift", term);
    return wg__leave(wg_node_graph(x), outer, wg_add(x, a));
}
wg_node *wg_one_minus(wg_node *x)
{
    const char *outer = wg__enter(wg_node_graph(x), "one_minus");
    wg_node    *one = wg_lit(x, 1);
    return wg__leave(wg_node_graph(x), outer, wg_sub(one, x));
}
/* Clips by two choices, so that the slope at a bound is 1; the minimum of a maximum would halve it there, as at a
 * tie. */
wg_node *wg_clip(wg_node *x, double lo, double hi)
{
    if (!(lo <= hi)) return wg__bad(x, WG_EARG, "clip", "from %g to %g is no range", lo, hi);
    const char *outer = wg__enter(wg_node_graph(x), "clip");
    wg_node    *least = make_literal(x, "clip", lo), *most = make_literal(x, "clip", hi);
    wg_node    *below = wg_less(x, least), *above = wg_greater(x, most);
    return wg__leave(wg_node_graph(x), outer, wg_where(below, least, wg_where(above, most, x)));
}

wg_node *wg_fill(wg_graph *g, wg_dtype t, wg_shape s, double value)
{
    if (!g || !wg__shape_valid(g, "fill", &s)) return NULL;
    const char *outer = wg__enter(g, "fill");
    return wg__leave(g, outer, wg_expand(wg_scalar(g, t, value), s));
}

static bool check_real(const wg_node *x, const char *who)
{
    if (!x || WG_DTYPE_BIT(x->dtype) & WG_DTYPE_REALS) return true;
    return wg__bad(x, WG_EDTYPE, who, "%s is not real", wg_dtype_name(wg_node_dtype(x))), false;
}

wg_node *wg_mean(wg_node *x, wg_axes axes, int keep)
{
    if (!check_real(x, "mean")) return NULL;
    const char *outer = wg__enter(wg_node_graph(x), "mean");
    wg_node    *size = wg_size(x, axes);
    wg_node    *sum = size ? wg_sum(x, axes, keep) : NULL;
    return wg__leave(wg_node_graph(x), outer, wg_div(sum, size));
}

wg_node *wg_mse(wg_node *x, wg_node *y)
{
    char a[160], b[160];
    if (!check_real(x, "mse")) return NULL;
    if (x && y && !wg__shape_equal(x->shape, y->shape)) { /* [b] against [b,1] would broadcast to [b,b] */
        wg__fail(x->g, WG_ESHAPE, "mse(%s, %s): the shapes differ", wg__node_str(x, a, sizeof a),
                 wg__node_str(y, b, sizeof b));
        return NULL;
    }
    wg_graph   *g = wg_node_graph(x ? x : y);
    const char *outer = wg__enter(g, "mse");
    return wg__leave(g, outer, wg_mean(wg_square(wg_sub(x, y)), WG_ALL_AXES, 0));
}

/* Casts the label to the dtype of the logits; an integer label is checked in each run to be 0 or 1. NULL with an error
 * where label and logits do not fit. Messages begin with the call that the user made. */
static wg_node *binary_label(wg_node *logits, wg_node *label)
{
    char z[160], y[160];
    if (!logits || !label || !check_real(logits, logits->g->call)) return NULL;
    if (!wg__shape_equal(logits->shape, label->shape)) {
        wg__fail(logits->g, WG_ESHAPE, "needs labels of the logits' shape, not %s and %s",
                 wg__node_str(logits, z, sizeof z), wg__node_str(label, y, sizeof y));
        return NULL;
    }
    if (WG_DTYPE_BIT(label->dtype) & WG_DTYPE_REALS && label->dtype != logits->dtype)
        return wg__bad(label, WG_EDTYPE, logits->g->call, "labels of %s for logits of %s",
                       wg_dtype_name((wg_dtype)label->dtype), wg_dtype_name((wg_dtype)logits->dtype));
    bool whole = WG_DTYPE_BIT(label->dtype) & (WG_DTYPE_INTS | WG_DTYPE_BIT(WG_U8));
    return wg_cast(whole ? wg__one_hot_index(label, 2) : label, (wg_dtype)logits->dtype);
}

/* Builds -(y ln s + (1 - y) ln (1 - s)) with s = sigmoid(z) as y softplus(-z) + (1 - y) softplus(z): no term overflows
 * or cancels, and an infinite softplus counts nothing where its factor is 0. */
wg_node *wg_sigmoid_cross_entropy_each(wg_node *logits, wg_node *label)
{
    wg_graph   *g = wg_node_graph(logits ? logits : label);
    const char *outer = wg__enter(g, "sigmoid_cross_entropy_each");
    wg_node    *y = binary_label(logits, label);
    if (!y) {
        if (g && !g->status) wg__fail(g, WG_EARG, "the %s are NULL", logits ? "labels" : "logits");
        return wg__leave(g, outer, NULL);
    }
    wg_node *yes = wg_zero_mul(y, wg_softplus(wg_neg(logits)));
    wg_node *no = wg_zero_mul(wg_one_minus(y), wg_softplus(logits));
    return wg__leave(g, outer, wg_add(yes, no));
}

wg_node *wg_sigmoid_cross_entropy(wg_node *logits, wg_node *label)
{
    wg_graph   *g = wg_node_graph(logits ? logits : label);
    const char *outer = wg__enter(g, "sigmoid_cross_entropy");
    wg_node    *each = wg_sigmoid_cross_entropy_each(logits, label);
    return wg__leave(g, outer, wg_mean(each, WG_ALL_AXES, 0));
}

wg_node *wg_squeeze(wg_node *x, int axis)
{
    char name[48];
    bool in[WG_MAX_RANK] = {0};
    if (!x || !wg__axis_in(x, "squeeze", &axis)) return NULL;
    if (x->shape->dim[axis] != 1)
        return wg__bad(x, WG_ESHAPE, "squeeze", "axis %d has size %s, not 1", axis,
                       wg_dim_name(x->g, x->shape->dim[axis], name, sizeof name));
    in[axis] = true;
    const char *outer = wg__enter(x->g, "squeeze");
    return wg__leave(x->g, outer, wg_reshape(x, wg__shape_reduced(x->shape, in, 0)));
}

wg_node *wg_unsqueeze(wg_node *x, int axis)
{
    if (!x) return NULL;
    int      rank = x->shape->rank + 1;
    wg_shape s = {.rank = rank};
    if (rank > WG_MAX_RANK) return wg__bad(x, WG_ESHAPE, "unsqueeze", "rank %d is above %d", rank, WG_MAX_RANK);
    if (axis < -rank || axis >= rank)
        return wg__bad(x, WG_EARG, "unsqueeze", "axis %d is outside of rank %d", axis, rank);
    if (axis < 0) axis += rank;
    for (int i = 0; i < rank; i++) s.dim[i] = i < axis ? x->shape->dim[i] : i == axis ? 1 : x->shape->dim[i - 1];
    const char *outer = wg__enter(x->g, "unsqueeze");
    return wg__leave(x->g, outer, wg_reshape(x, s));
}

wg_node *wg__one_hot(wg_node *index, int64_t depth, wg_dtype t)
{
    wg_node *wide = wg_cast(index, WG_I64);
    wg_node *column = wg_unsqueeze(wide, -1);
    wg_node *place = column ? wg_iota(index->g, depth) : NULL;
    return wg_cast(wg_equal(column, place), t);
}

wg_node *wg_one_hot(wg_node *index, int64_t depth, wg_dtype t)
{
    if (!index) return NULL;
    if (!(WG_DTYPE_BIT(index->dtype) & (WG_DTYPE_INTS | WG_DTYPE_BIT(WG_U8))))
        return wg__bad(index, WG_EDTYPE, "one_hot", "an index of %s", wg_dtype_name(wg_node_dtype(index)));
    char name[48];
    if (!*wg_dim_name(index->g, depth, name, sizeof name))
        return wg__bad(index, WG_EARG, "one_hot", "depth is %lld", (long long)depth);
    if (!wg_dtype_size(t)) return wg__bad(index, WG_EARG, "one_hot", "%d is no dtype", (int)t);
    const char *outer = wg__enter(index->g, "one_hot");
    return wg__leave(index->g, outer, wg__one_hot(wg__one_hot_index(index, depth), depth, t));
}

/* Sums an axis of x to `size`, which is the size of that axis or 1: the tape that is compiled knows which. In the first
 * case element i goes to place i, in the second every element goes to place 0. */
static wg_node *sum_axis_to(wg_node *x, int axis, int64_t size)
{
    wg_shape to = *x->shape;
    wg_node *place = wg_iota(x->g, to.dim[axis]), *line = wg_fill(x->g, WG_I64, WG_SHAPE(size), 0);
    wg_node *many = wg_not_equal(wg_size(line, WG_ALL_AXES), wg_scalar(x->g, WG_I64, 1));
    to.dim[axis] = size;
    return wg__scatter_add(x, wg_mul(place, wg_cast(many, WG_I64)), axis, to);
}

/* Sums x over the axes along which s was broadcast to x: those in front of the axes of s, and those of size 1 in s. */
wg_node *wg_sum_to(wg_node *x, wg_shape s)
{
    char text[96];
    bool in[WG_MAX_RANK] = {0}, open[WG_MAX_RANK] = {0}, fits = x && s.rank <= x->shape->rank;
    if (!x || !wg__shape_valid(x->g, "sum_to", &s)) return NULL;
    for (int i = 0, front = x->shape->rank - s.rank; fits && i < x->shape->rank; i++) {
        int64_t want = i < front ? 1 : s.dim[i - front], have = x->shape->dim[i];
        open[i] = i >= front && want != have && want != 1 && wg__dims_may_equal(x->g, want, have);
        in[i] = i < front || (want != have && !open[i]);
        fits = !in[i] || want == 1;
    }
    if (!fits)
        return wg__bad(x, WG_ESHAPE, "sum_to", "%s does not broadcast to it",
                       wg__shape_str(x->g, &s, text, sizeof text));
    wg_graph   *g = x->g;
    const char *outer = wg__enter(g, "sum_to");
    x = wg_sum(x, wg__axes_list(x->shape->rank, in), 1);
    for (int i = 0, front = x ? x->shape->rank - s.rank : 0; x && i < x->shape->rank; i++)
        if (open[i]) x = sum_axis_to(x, i, s.dim[i - front]);
    return wg__leave(g, outer, wg_reshape(x, s));
}
