/* y[.., j, ..] = x[.., low + j |step|, ..] for j < count along one axis; where
 * step < 0, the same elements from the last to the first.
 *
 *   dx = g put back in its places among zeros, reversed first where step < 0 */
#include <string.h>

#include "ops/ops_impl.h"

static const wg_field fields[] = {WG_FIELD(struct wg__slice_attr, axis, INT),
                                  WG_FIELD(struct wg__slice_attr, range, SHAPE),
                                  WG_FIELD(struct wg__slice_attr, step, I64),
                                  {0}};

/* Tells whether low + (count-1) |step| < size, without overflow. */
static bool is_inside(int64_t low, int64_t count, int64_t step, int64_t size)
{
    int64_t last;
    if (count == 0) return true; /* wherever it is */
    return step != INT64_MIN && !__builtin_mul_overflow(count - 1, step < 0 ? -step : step, &last) &&
           !__builtin_add_overflow(last, low, &last) && last < size;
}

static int infer(wg_infer *c)
{
    const struct wg__slice_attr *a = c->attr;
    int                          axis = wg_axis(c, a->axis, c->x[0].rank);
    if (axis < 0) return axis;
    int64_t size = c->x[0].dim[axis], low = a->range.dim[0], count = a->range.dim[1];
    if (a->range.rank != 2 || a->step == 0 || !wg__dims_valid(c, &a->range))
        return wg_reject(c, WG_EARG, "needs a first element, a count and a step other than 0");
    if (wg_dim_known(size) && wg_dim_known(low) && wg_dim_known(count) && !is_inside(low, count, a->step, size))
        return wg_reject(c, WG_EARG, "%lld elements from %lld in steps of %lld are not in axis %d of size %lld",
                         (long long)count, (long long)low, (long long)a->step, axis, (long long)size);
    *c->y = c->x[0];
    c->y->dim[axis] = count;
    return WG_OK;
}

struct work {
    const char *x; /* the first element taken */
    char       *y;
    int64_t     count, inner, outer_step, step; /* inner and the steps in bytes */
};

/* Copies rows begin..end-1 of outer*count rows of `inner` bytes, those of several outer indices at once. */
static void copy_some_rows(void *context, int64_t begin, int64_t end)
{
    const struct work *w = context;
    while (begin < end) {
        int64_t o = begin / w->count, j = begin % w->count, left = end - begin;
        bool    whole = j == 0 && left >= w->count;
        int64_t rows = whole ? left / w->count : 1, n = whole || w->count - j < left ? w->count - j : left;
        wg__copy_plane(w->y + begin * w->inner, n * w->inner, w->inner, w->x + o * w->outer_step + j * w->step,
                       w->outer_step, w->step, rows, n, (size_t)w->inner);
        begin += rows * n;
    }
}

static int cpu(wg_call *c)
{
    const struct wg__slice_attr *a = c->attr;
    int                          axis = a->axis < 0 ? a->axis + c->y->shape.rank : a->axis;
    struct wg__split             p = wg__split_at(&c->x[0].shape, axis, axis + 1);
    int64_t     size = (int64_t)wg_dtype_size(c->y->dtype), low = a->range.dim[0], count = a->range.dim[1];
    int64_t     first = a->step < 0 ? low - a->step * (count - 1) : low;
    struct work w = {.y = c->y->data, .count = count, .inner = p.inner * size};
    if (wg_count(&c->y->shape) == 0) return WG_OK;
    w.outer_step = p.n * w.inner;
    w.step = count > 1 ? a->step * w.inner : w.inner;
    w.x = (const char *)c->x[0].data + first * w.inner;
    wg_parallel(c, p.outer * count, wg__grain(p.inner), copy_some_rows, &w);
    return WG_OK;
}

static void grad(wg_adjoint *v)
{
    const struct wg__slice_attr *a = v->attr;
    int                          rank = v->x[0]->shape->rank, axis = a->axis < 0 ? a->axis + rank : a->axis;
    wg_shape                     before = {.rank = rank};
    wg_list                      stride = {.n = rank};
    for (int i = 0; i < rank; i++) stride.at[i] = 1;
    before.dim[axis] = a->range.dim[0];
    stride.at[axis] = a->step < 0 ? -a->step : a->step;
    wg_node *g = a->step < 0 ? wg__slice(v->g[0], axis, 0, a->range.dim[1], -1) : v->g[0];
    v->dx[0] = wg__pad(g, before, stride, *v->x[0]->shape, 0);
}

static double flops(const wg_call *c) { return (void)c, 0; }

/* Writes Slice(x,[start],[stop],[axis],[step]). Before opset 10 Slice has attributes and no step; Gather does the rest
 * there. */
static void say_slice(wg_onnx_form *f, const char *x, int64_t start, int64_t stop, int axis, int64_t step)
{
    wg_onnx_say(f, "Slice(%s,", x);
    wg_onnx_say_dims(f, 1, &start);
    wg_onnx_say(f, ",");
    wg_onnx_say_dims(f, 1, &stop);
    wg_onnx_say(f, ",[%d],[%lld])", axis, (long long)step);
}

static int onnx_known(wg_onnx_form *f, int axis, int64_t low, int64_t count, int64_t step)
{
    int64_t by = step < 0 ? -step : step, last = count ? low + (count - 1) * by : low;
    int64_t start = step < 0 ? last : low, stop = count == 0 ? start : step < 0 ? low - 1 : last + 1;
    if (f->opset >= 10) {
        say_slice(f, "x", start, stop < 0 ? -INT64_MAX : stop, axis, step);
        return WG_OK;
    }
    if (step == 1)
        return wg_onnx_say(f, "Slice{axes=[%d],starts=[%lld],ends=[%lld]}", axis, (long long)start, (long long)stop);
    return wg_onnx_say(f, "Gather{axis=%d}(x,[%lld:%lld:%lld])", axis, (long long)start, (long long)stop,
                       (long long)step);
}

/* Writes a slice of symbolic size: forward up to low + count |step|, which is past the last element, then reversed
 * where step < 0. */
static int onnx_symbolic(wg_onnx_form *f, int axis, int64_t low, int64_t count, int64_t step)
{
    wg_infer c = {.g = wg_node_graph(f->y)};
    int64_t  stop, by = step < 0 ? -step : step;
    bool     whole = low == 0 && by == 1 && count == wg_node_shape(wg_node_operand(f->y, 0))->dim[axis];
    if (f->opset < 10) return wg_onnx_refuse(f, "a range of symbolic size needs opset 10");
    if (wg_dim_mul(&c, count, by, &stop) || wg_dim_add(&c, low, stop, &stop)) return wg_onnx_refuse(f, "%s", c.why);
    if (step < 0) wg_onnx_say(f, "Slice(");
    if (whole) wg_onnx_say(f, "x");
    else say_slice(f, "x", low, stop, axis, by);
    return step < 0 ? wg_onnx_say(f, ",[-1],[%lld],[%d],[-1])", (long long)-INT64_MAX, axis) : WG_OK;
}

static int onnx(wg_onnx_form *f)
{
    const struct wg__slice_attr *a = f->attr;
    int64_t                      low = a->range.dim[0], count = a->range.dim[1];
    int                          axis = a->axis < 0 ? a->axis + wg_node_shape(f->y)->rank : a->axis;
    bool                         known = wg_dim_known(low) && wg_dim_known(count);
    return known ? onnx_known(f, axis, low, count, a->step) : onnx_symbolic(f, axis, low, count, a->step);
}

/* Finds the rows: they stay apart where the slice is along another axis and its range does not depend on the number of
 * rows. */
static int rows(wg_stack *s)
{
    const struct wg__slice_attr *a = s->attr;
    int                          axis = a->axis < 0 ? a->axis + wg_node_shape(s->node)->rank : a->axis;
    *s->y = s->x[0];
    return s->x[0].axis != axis && !wg__shape_has(wg_node_graph(s->node), &a->range, s->symbol);
}

const wg_op wg_op_slice = {.name = "slice",
                           .onnx = "Slice",
                           .doc = "y = every step-th element of x in a range of one axis",
                           .arity = 1,
                           .attr_size = sizeof(struct wg__slice_attr),
                           .fields = fields,
                           .infer = infer,
                           .cpu = cpu,
                           .grad = grad,
                           .flops = flops,
                           .to_onnx = onnx,
                           .rows = rows};

wg_node *wg__slice(wg_node *x, int axis, int64_t low, int64_t count, int64_t step)
{
    if (!x) return NULL;
    if (low == 0 && step == 1 && count == x->shape->dim[axis]) return wg__unchanged(x);
    return wg_apply(&wg_op_slice, 1, &x, &(struct wg__slice_attr){axis, WG_SHAPE(low, count), step});
}

wg_node *wg_narrow(wg_node *x, int axis, int64_t low, int64_t count, int64_t step)
{
    if (!x || !wg__axis_in(x, "narrow", &axis)) return NULL;
    return wg__slice(x, axis, low, count, step);
}

/* Finds the place that a Python index means, clipped to lo..hi. */
static int64_t clip_index(int64_t i, int64_t size, int64_t lo, int64_t hi)
{
    if (i < 0) i = i < -size ? lo : i + size;
    return i < lo ? lo : i > hi ? hi : i;
}

static wg_node *slice_known(wg_node *x, int axis, int64_t start, int64_t stop, int64_t step)
{
    int64_t size = x->shape->dim[axis], back = step < 0;
    start = clip_index(start, size, 0 - back, size - back);
    stop = clip_index(stop, size, 0 - back, size - back);
    uint64_t width =
        back ? (start > stop ? (uint64_t)(start - stop) : 0) : (stop > start ? (uint64_t)(stop - start) : 0);
    uint64_t by = back ? 0 - (uint64_t)step : (uint64_t)step;
    int64_t  count = width ? (int64_t)((width - 1) / by) + 1 : 0;
    if (count == 0) return wg__slice(x, axis, 0, 0, 1);
    if (count == 1) return wg__slice(x, axis, start, 1, 1);
    return wg__slice(x, axis, back ? start + step * (count - 1) : start, count, step);
}

/* ---- Where the size is a symbol ---- */

/* Builds x[.., from:to:step, ..] with step > 0. from and to may be symbolic and have to lie in the axis. */
static wg_node *slice_between(wg_node *x, int axis, int64_t from, int64_t to, int64_t step)
{
    int64_t  count;
    wg_infer c = {.g = x->g};
    int      status = wg__dim_sub(&c, to, from, &count);
    if (!status && wg__dim_is_number(x->g, count)) count = count > 0 ? (count - 1) / step + 1 : 0;
    else if (!status) status = wg__dim_range(&c, count, 0, WG_SLICE_END, step, &count);
    return status ? wg__bad(x, status, "slice", "%s", c.why) : wg__slice(x, axis, from, count, count == 1 ? 1 : step);
}

/* Builds x[.., start:stop:step, ..] with step > 0, where start and stop are numbers or WG_SLICE_END. Where the length
 * of the range does not depend on the size of the axis, the result has that length. */
static wg_node *slice_forward(wg_node *x, int axis, int64_t start, int64_t stop, int64_t step)
{
    wg_infer c = {.g = x->g};
    int64_t  size = x->shape->dim[axis], low = start, count = 0;
    bool     depends = stop < 0 || stop == WG_SLICE_END; /* stop depends on the size */
    if (start == INT64_MIN) low = start = 0;
    if (start >= 0 && !depends) return slice_between(x, axis, start, stop, step);
    if (start < 0 && !depends)
        return wg__bad(x, WG_ESHAPE, "slice",
                       "axis %d is symbolic: its range may not go from a place counted from "
                       "the end to one counted from the front",
                       axis);
    int status = start < 0 ? wg__dim_sub(&c, size, -start, &low) : wg__dim_range(&c, size, start, stop, step, &count);
    if (start < 0) {
        int64_t width = (stop < 0 ? stop : 0) - start;
        count = width > 0 ? (width - 1) / step + 1 : 0;
    }
    return status ? wg__bad(x, status, "slice", "%s", c.why) : wg__slice(x, axis, low, count, count == 1 ? 1 : step);
}

/* Finds the place that place i has when the axis is reversed. */
static int64_t mirror_index(int64_t i) { return i == WG_SLICE_END ? 0 : i == INT64_MIN ? WG_SLICE_END : -1 - i; }

/* Builds a slice along a symbolic axis. Backward, x[start:stop:step] is [-1-start:-1-stop:-step] of the reversed x. */
static wg_node *slice_symbolic(wg_node *x, int axis, int64_t start, int64_t stop, int64_t step)
{
    int64_t size = x->shape->dim[axis];
    bool    symbol = !wg__dim_is_number(x->g, stop);
    if (stop == size) {
        stop = WG_SLICE_END;
        symbol = false;
    }
    if (!wg__dim_is_number(x->g, start) || (symbol && (start < 0 || step < 0)) || step == INT64_MIN)
        return wg__bad(x, WG_ESHAPE, "slice",
                       "axis %d is symbolic: only stop may be a symbol, where start is none and "
                       "step is above 0",
                       axis);
    if (symbol) return slice_between(x, axis, start, stop, step);
    if (step > 0) return slice_forward(x, axis, start, stop, step);
    wg_node *turned = wg__slice(x, axis, 0, size, -1);
    return turned ? slice_forward(turned, axis, mirror_index(start), mirror_index(stop), -step) : NULL;
}

wg_node *wg_slice(wg_node *x, int axis, int64_t start, int64_t stop, int64_t step)
{
    if (!x || !wg__axis_in(x, "slice", &axis)) return NULL;
    if (step == 0) return wg__bad(x, WG_EARG, "slice", "step is 0");
    return wg_dim_known(x->shape->dim[axis]) ? slice_known(x, axis, start, stop, step)
                                             : slice_symbolic(x, axis, start, stop, step);
}
