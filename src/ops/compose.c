/* Functions that are made of operators. */
#include "ops/ops_impl.h"

/* A number beside x, in x's dtype; an integer x takes whole numbers only. */
static wg_node *number(wg_node *x, const char *who, double v)
{
    if (!x) return NULL;
    bool whole = v >= -0x1p63 && v < 0x1p63 && v == (double)(int64_t)v;
    if (!(WG_BIT(x->dtype) & WG_REALS) && !whole)
        return wg__bad(x, WG_EARG, who, "%g is no %s", v, wg_dtype_name(wg_node_dtype(x)));
    return wg_lit(x, v);
}

wg_node *wg_scale(wg_node *x, double factor)
{
    wg_node *a = number(x, "scale", factor);
    return wg_mul(x, a);
}
wg_node *wg_shift(wg_node *x, double term)
{
    wg_node *a = number(x, "shift", term);
    return wg_add(x, a);
}
wg_node *wg_one_minus(wg_node *x)
{
    wg_node *one = wg_lit(x, 1);
    return wg_sub(one, x);
}
wg_node *wg_clip(wg_node *x, double lo, double hi)
{
    if (!(lo <= hi)) return wg__bad(x, WG_EARG, "clip", "from %g to %g is no range", lo, hi);
    wg_node *least = wg_lit(x, lo), *most = wg_lit(x, hi);
    return wg_minimum(wg_maximum(x, least), most);
}

wg_node *wg_fill(wg_graph *g, wg_dtype t, wg_shape s, double value)
{
    if (!g || !wg__shape_valid(g, "fill", &s)) return NULL;
    return wg_expand(wg_scalar(g, t, value), s);
}

static bool real(const wg_node *x, const char *who)
{
    if (!x || WG_BIT(x->dtype) & WG_REALS) return true;
    return wg__bad(x, WG_EDTYPE, who, "%s is not real", wg_dtype_name(wg_node_dtype(x))), false;
}

wg_node *wg_mean(wg_node *x, wg_axes axes, int keep)
{
    if (!real(x, "mean")) return NULL;
    wg_node *size = wg_size(x, axes);
    wg_node *sum = size ? wg_sum(x, axes, keep) : NULL;
    return wg_div(sum, size);
}

wg_node *wg_mse(wg_node *x, wg_node *y)
{
    char text[160];
    if (!real(x, "mse")) return NULL;
    if (x && y && !wg__shape_equal(x->shape, y->shape)) /* [b] against [b,1] would broadcast to [b,b] */
        return wg__bad(x, WG_ESHAPE, "mse", "%s is of another shape", wg__node_str(y, text, sizeof text));
    return wg_mean(wg_square(wg_sub(x, y)), WG_ALL_AXES, 0);
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
    return wg_reshape(x, wg__shape_reduced(x->shape, in, 0));
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
    return wg_reshape(x, s);
}

wg_node *wg_one_hot(wg_node *index, int64_t depth, wg_dtype t)
{
    if (!index) return NULL;
    if (!(WG_BIT(index->dtype) & (WG_INTS | WG_BIT(WG_U8))))
        return wg__bad(index, WG_EDTYPE, "one_hot", "an index of %s", wg_dtype_name(wg_node_dtype(index)));
    char name[48];
    if (!*wg_dim_name(index->g, depth, name, sizeof name))
        return wg__bad(index, WG_EARG, "one_hot", "depth is %lld", (long long)depth);
    wg_node *wide = wg_cast(index, WG_I64);
    wg_node *column = wg_unsqueeze(wide, -1);
    wg_node *place = wg_iota(index->g, depth);
    return wg_cast(wg_equal(column, place), t);
}

/* x's axis summed to a size that is this axis', or 1: which is known once a tape is compiled.  Element i goes to
 * place i, or all to place 0. */
static wg_node *sum_axis_to(wg_node *x, int axis, int64_t size)
{
    wg_shape to = *x->shape;
    wg_node *place = wg_iota(x->g, to.dim[axis]), *line = wg_fill(x->g, WG_I64, WG_SHAPE(size), 0);
    wg_node *many = wg_not_equal(wg_size(line, WG_ALL_AXES), wg_scalar(x->g, WG_I64, 1));
    to.dim[axis] = size;
    return wg__scatter_add(x, wg_mul(place, wg_cast(many, WG_I64)), axis, to);
}

/* The axes along which s was broadcast to x: those before it, and its ones. */
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
    x = wg_sum(x, wg__axes_list(x->shape->rank, in), 1);
    for (int i = 0, front = x ? x->shape->rank - s.rank : 0; x && i < x->shape->rank; i++)
        if (open[i]) x = sum_axis_to(x, i, s.dim[i - front]);
    return wg_reshape(x, s);
}
