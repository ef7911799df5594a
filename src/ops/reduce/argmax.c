/* y = the least i with x[i] >= x[j] for all j along one axis, as i64; the
 * first NaN, where there is one, counts as the largest.  Nothing flows back. */
#include "ops/ops_impl.h"

static const wg_field fields[] = {
    WG_FIELD(struct wg__argmax_attr, axis, INT), WG_FIELD(struct wg__argmax_attr, keep, FLAG), {0}};

static int infer(wg_infer *c)
{
    const struct wg__argmax_attr *a = c->attr;
    bool                          in[WG_MAX_RANK] = {0};
    int                           axis = wg_axis(c, a->axis, c->x[0].rank);
    if (axis < 0) return axis;
    if (c->x[0].dim[axis] == 0) return wg_reject(c, WG_ESHAPE, "axis %d is empty", axis);
    in[axis] = true;
    *c->y = wg__shape_reduced(&c->x[0], in, a->keep);
    *c->ydtype = WG_I64;
    return WG_OK;
}

struct work {
    const wg_call  *c;
    struct wg__walk w;
    int64_t         run; /* results whose columns are neighbours */
};
/* Finds results begin..end-1, at most FEW neighbouring columns at a time. */
static void find_indices(void *context, int64_t begin, int64_t end)
{
    enum { FEW = 512 };
    const struct work *w = context;
    int64_t           *index = w->c->y->data, best[FEW], cols;
    for (int64_t o = begin; o < end; o += cols) {
        cols = w->run - o % w->run < end - o ? w->run - o % w->run : end - o;
        if (cols > FEW) cols = FEW;
        wg__largest(w->c->x, &w->w.go, wg__walk_at(&w->w.stay, o), cols, best, index + o);
    }
}

static int cpu(wg_call *c)
{
    const struct wg__argmax_attr *a = c->attr;
    struct work                   w = {.c = c};
    bool                          in[WG_MAX_RANK] = {0};
    in[a->axis < 0 ? a->axis + c->x[0].shape.rank : a->axis] = true;
    wg__walk_of(&c->x[0].shape, in, &w.w);
    w.run = wg__walk_run(&w.w);
    if (w.w.stay.n) wg_parallel(c, w.w.stay.n, w.run > 1 ? 64 : wg__grain(w.w.go.n), find_indices, &w);
    return WG_OK;
}

static double flops(const wg_call *c) { return (double)wg_count(&c->x[0].shape); }

static int onnx(wg_onnx_form *f)
{
    const struct wg__argmax_attr *a = f->attr;
    int                           rank = wg_node_shape(wg_node_operand(f->y, 0))->rank;
    return wg_onnx_say(f, "ArgMax{axis=%d,keepdims=%d}", a->axis < 0 ? a->axis + rank : a->axis, !!a->keep);
}

static int rows(wg_stack *s)
{
    const struct wg__argmax_attr *a = s->attr;
    return wg__rows_over_axes(s, &(wg_axes){.n = 1, .axis = {a->axis}}, a->keep);
}

const wg_op wg_op_argmax = {.name = "argmax",
                            .onnx = "ArgMax",
                            .doc = "y = index of the first largest x along an axis",
                            .arity = 1,
                            .dtypes = WG_DTYPE_ALL,
                            .attr_size = sizeof(struct wg__argmax_attr),
                            .fields = fields,
                            .infer = infer,
                            .cpu = cpu,
                            .flops = flops,
                            .to_onnx = onnx,
                            .rows = rows};

wg_node *wg_argmax(wg_node *x, int axis, int keep)
{
    if (!x || !wg__axis_in(x, "argmax", &axis)) return NULL;
    return wg_apply(&wg_op_argmax, 1, &x, &(struct wg__argmax_attr){axis, !!keep});
}
