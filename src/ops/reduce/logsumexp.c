/* y = ln sum e^x along the last axes, as m + ln sum e^(x-m) with m = max x, so
 * that nothing overflows; -inf of no elements.
 *
 *   dx = g e^(x-y) */
#include <math.h>

#include "cpu/cpu.h"
#include "ops/ops_impl.h"

static const wg_field fields[] = {
    WG_FIELD(struct wg__reduce_attr, axes, AXES), WG_FIELD(struct wg__reduce_attr, keep, FLAG), {0}};

/* Finds the first axis from which on every axis is in the set or of size 1; -1 if an axis before belongs to the set. */
static int find_trailing(const wg_shape *s, const bool in[WG_MAX_RANK])
{
    int first = s->rank;
    while (first > 0 && (in[first - 1] || s->dim[first - 1] == 1)) first--;
    for (int i = 0; i < first; i++)
        if (in[i] && s->dim[i] != 1) return -1;
    return first;
}

static int infer(wg_infer *c)
{
    const struct wg__reduce_attr *a = c->attr;
    bool                          in[WG_MAX_RANK];
    int                           status = wg__axis_set(c, &a->axes, c->x[0].rank, in);
    if (status) return status;
    if (find_trailing(&c->x[0], in) < 0) return wg_reject(c, WG_EARG, "the axes are not the last ones");
    *c->y = wg__shape_reduced(&c->x[0], in, a->keep);
    return WG_OK;
}

struct rows {
    const wg_call *c;
    int64_t        n;
};
static void sum_rows(void *context, int64_t begin, int64_t end)
{
    const struct rows *r = context;
    wg_dtype           t = r->c->y->dtype;
    int64_t            size = (int64_t)wg_dtype_size(t);
    wg__kernels()->logsumexp[t == WG_F64](end - begin, r->n, (const char *)r->c->x[0].data + begin * r->n * size,
                                          (char *)r->c->y->data + begin * size);
}

static int cpu(wg_call *c)
{
    const struct wg__reduce_attr *a = c->attr;
    bool                          in[WG_MAX_RANK];
    wg__axis_set(&(wg_infer){0}, &a->axes, c->x[0].shape.rank, in);
    struct wg__split p = wg__split_at(&c->x[0].shape, find_trailing(&c->x[0].shape, in), c->x[0].shape.rank);
    if (p.n == 0) wg__fill_tensor(c, c->y, -INFINITY);
    else if (p.outer) wg_parallel(c, p.outer, wg__grain(8 * p.n), sum_rows, &(struct rows){c, p.n});
    return WG_OK;
}

static void grad(wg_adjoint *v)
{
    const struct wg__reduce_attr *a = v->attr;
    wg_node                      *x = v->x[0];
    bool                          in[WG_MAX_RANK];
    if (!wg__axes_in(x, "logsumexp", &a->axes, in)) return;
    wg_shape kept = wg__shape_reduced(x->shape, in, 1);
    wg_node *y = wg_reshape(v->y, kept), *g = wg_reshape(v->g[0], kept);
    wg_node *weight = wg_exp(wg_sub(x, y));
    v->dx[0] = wg_zero_mul(g, weight);
}

static double flops(const wg_call *c) { return 4.0 * (double)wg_count(&c->x[0].shape); }

static int onnx(wg_onnx_form *f)
{
    const struct wg__reduce_attr *a = f->attr;
    return wg__reduce_onnx(f, &a->axes, a->keep, 18);
}

static int rows(wg_stack *s)
{
    const struct wg__reduce_attr *a = s->attr;
    return wg__rows_over_axes(s, &a->axes, a->keep);
}

const wg_op wg_op_logsumexp = {.name = "logsumexp",
                               .onnx = "ReduceLogSumExp",
                               .doc = "y = ln of the sum of e^x along axes, without overflow",
                               .arity = 1,
                               .dtypes = WG_DTYPE_REALS,
                               .domain = WG_DOMAIN_ANY,
                               .attr_size = sizeof(struct wg__reduce_attr),
                               .fields = fields,
                               .infer = infer,
                               .cpu = cpu,
                               .grad = grad,
                               .flops = flops,
                               .to_onnx = onnx,
                               .rows = rows};

/* Moves axes that are not the last ones to the end, then reduces. */
wg_node *wg_logsumexp(wg_node *x, wg_axes axes, int keep)
{
    bool in[WG_MAX_RANK];
    if (!x || !wg__axes_in(x, "logsumexp", &axes, in)) return NULL;
    wg_shape               y = wg__shape_reduced(x->shape, in, keep);
    struct wg__reduce_attr a = {.axes = wg__axes_list(x->shape->rank, in), .keep = !!keep};
    if (a.axes.n == 0) return wg__unchanged(x);
    if (find_trailing(x->shape, in) >= 0) return wg_apply(&wg_op_logsumexp, 1, &x, &a);
    wg_axes perm = {0};
    for (int last = 0; last < 2; last++)
        for (int i = 0; i < x->shape->rank; i++)
            if (in[i] == (bool)last) perm.axis[perm.n++] = i;
    struct wg__reduce_attr moved = {.axes = {.n = a.axes.n}};
    for (int i = 0; i < a.axes.n; i++) moved.axes.axis[i] = x->shape->rank - a.axes.n + i;
    const char *outer = wg__enter(x->g, "logsumexp");
    wg_node    *t = wg_transpose(x, perm);
    wg_node    *r = wg_apply(&wg_op_logsumexp, 1, &t, &moved);
    return wg__leave(x->g, outer, wg_reshape(r, y));
}
