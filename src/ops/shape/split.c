/* y[0], y[1], .. = x cut along one axis into pieces of the sizes that the attributes give.
 *
 *   dx = the gradients of the pieces one after the other, zeros where nothing flows */
#include <string.h>

#include "ops/ops_impl.h"

static const wg_field fields[] = {
    WG_FIELD(struct wg__split_attr, axis, INT), WG_FIELD(struct wg__split_attr, size, LONGS), {0}};

static int count(int n, const void *attr)
{
    const struct wg__split_attr *a = attr;
    return (void)n, a->size.at ? a->size.n : 0;
}

static int infer(wg_infer *c)
{
    const struct wg__split_attr *a = c->attr;
    int                          axis = wg_axis(c, a->axis, c->x[0].rank);
    int64_t                      sum = 0;
    char                         size[48];
    if (axis < 0) return axis;
    for (int k = 0; k < c->m; k++) {
        if (a->size.at[k] < 0 || __builtin_add_overflow(sum, a->size.at[k], &sum))
            return wg_reject(c, WG_ESHAPE, "piece %d has %lld elements", k, (long long)a->size.at[k]);
        c->y[k] = c->x[0];
        c->y[k].dim[axis] = a->size.at[k];
    }
    if (wg_dim_known(c->x[0].dim[axis]) && sum != c->x[0].dim[axis])
        return wg_reject(c, WG_ESHAPE, "the pieces have %lld elements, axis %d has %s", (long long)sum, axis,
                         wg_dim_name(c->g, c->x[0].dim[axis], size, sizeof size));
    return WG_OK;
}

static int cpu(wg_call *c)
{
    const struct wg__split_attr *a = c->attr;
    int                          axis = a->axis < 0 ? a->axis + c->x[0].shape.rank : a->axis;
    wg__cut_parts(c, &c->x[0], c->m, c->y, axis);
    return WG_OK;
}

static void grad(wg_adjoint *v)
{
    const struct wg__split_attr *a = v->attr;
    wg_graph                    *g = v->y->g;
    wg_node                    **piece = wg__arena_alloc(&g->arena, (size_t)v->m * sizeof *piece);
    if (!piece) {
        wg__fail_nomem(g);
        return;
    }
    for (int k = 0; k < v->m; k++) {
        const wg_node *y = wg_result(v->y, k);
        piece[k] = v->g[k] ? v->g[k] : wg_fill(g, (wg_dtype)y->dtype, *y->shape, 0);
    }
    v->dx[0] = wg_concat(v->m, piece, a->axis);
}

static double flops(const wg_call *c) { return (void)c, 0; }

static int onnx(wg_onnx_form *f)
{
    const struct wg__split_attr *a = f->attr;
    int                          rank = wg_node_shape(f->y)->rank;
    f->all = 1;
    wg_onnx_say(f, "Split{axis=%d%s", a->axis < 0 ? a->axis + rank : a->axis, f->opset < 13 ? ",split=" : "}(x,");
    wg_onnx_say_dims(f, a->size.n, a->size.at);
    return wg_onnx_say(f, f->opset < 13 ? "}(x)" : ")");
}

static int rows(wg_stack *s)
{
    const struct wg__split_attr *a = s->attr;
    int                          rank = wg_node_shape(s->node)->rank;
    for (int k = 0; k < s->m; k++) s->y[k] = s->x[0];
    return s->x[0].axis != (a->axis < 0 ? a->axis + rank : a->axis);
}

const wg_op wg_op_split = {.name = "split",
                           .onnx = "Split",
                           .doc = "y[0], y[1], .. = pieces of x along an axis",
                           .arity = 1,
                           .results = WG_OP_VARIADIC,
                           .attr_size = sizeof(struct wg__split_attr),
                           .fields = fields,
                           .count = count,
                           .infer = infer,
                           .cpu = cpu,
                           .grad = grad,
                           .flops = flops,
                           .to_onnx = onnx,
                           .rows = rows};

/* Builds n pieces of one size; NULL with an error where that size is not known or not whole. */
static wg_node *split_evenly(wg_node *x, int axis, int n)
{
    int64_t all = x->shape->dim[axis], few[8], *size = few;
    if (!wg_dim_known(all))
        return wg__bad(x, WG_ESHAPE, "split", "axis %d is symbolic: give the sizes of the pieces", axis);
    if (all % n)
        return wg__bad(x, WG_ESHAPE, "split", "axis %d of %lld elements has no %d equal pieces", axis, (long long)all,
                       n);
    if (n > 8 && !(size = wg__arena_alloc(&x->g->arena, (size_t)n * sizeof *size))) return wg__fail_nomem(x->g), NULL;
    for (int k = 0; k < n; k++) size[k] = all / n;
    return wg_apply(&wg_op_split, 1, &x, &(struct wg__split_attr){axis, {n, size}});
}

wg_node *wg_split(wg_node *x, int axis, int n, const int64_t size[])
{
    if (!x || !wg__axis_in(x, "split", &axis)) return NULL;
    if (n < 1) return wg__bad(x, WG_EARG, "split", "%d pieces", n);
    return size ? wg_apply(&wg_op_split, 1, &x, &(struct wg__split_attr){axis, {n, size}}) : split_evenly(x, axis, n);
}
