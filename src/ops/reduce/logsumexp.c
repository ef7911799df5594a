/* y = ln sum e^x along a run of neighbouring axes, as m + ln sum e^(x-m) with m = max x,
 * so that nothing overflows; -inf of no elements.
 *
 *   dx = g e^(x-y) */
#include <math.h>

#include "cpu/cpu.h"
#include "ops/ops_impl.h"

static const wg_field fields[] = {
    WG_FIELD(struct wg__reduce_attr, axes, AXES), WG_FIELD(struct wg__reduce_attr, keep, FLAG), {0}};

static int infer(wg_infer *c)
{
    const struct wg__reduce_attr *a = c->attr;
    bool                          in[WG_MAX_RANK];
    int                           first, last, status = wg__axis_set(c, &a->axes, c->x[0].rank, in);
    if (status) return status;
    if (!wg__axes_run(&c->x[0], in, &first, &last)) return wg_reject(c, WG_EARG, "the axes are not neighbours");
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

/* A task is one outer index and WG__COLUMNS columns. */
struct cols {
    const wg_call   *c;
    struct wg__split p;
    int64_t          strips; /* of one outer index */
};
static void sum_cols(void *context, int64_t begin, int64_t end)
{
    const struct cols *w = context;
    wg_dtype           t = w->c->y->dtype;
    int64_t            size = (int64_t)wg_dtype_size(t);
    for (int64_t i = begin; i < end; i++) {
        int64_t o = i / w->strips, col = i % w->strips * WG__COLUMNS, left = w->p.inner - col;
        wg__kernels()->logsumexp_cols[t == WG_F64](w->p.n, left < WG__COLUMNS ? left : WG__COLUMNS, w->p.inner,
                                                   (const char *)w->c->x[0].data +
                                                       (o * w->p.n * w->p.inner + col) * size,
                                                   (char *)w->c->y->data + (o * w->p.inner + col) * size);
    }
}

static int cpu(wg_call *c)
{
    struct wg__split p = wg__reduce_split(c->attr, &c->x[0].shape);
    if (p.n == 0) wg__fill_tensor(c, c->y, -INFINITY);
    else if (p.inner == 1 && p.outer) wg_parallel(c, p.outer, wg__grain(8 * p.n), sum_rows, &(struct rows){c, p.n});
    else if (p.inner && p.outer) {
        struct cols w = {c, p, (p.inner + WG__COLUMNS - 1) / WG__COLUMNS};
        int64_t     width = p.inner < WG__COLUMNS ? p.inner : WG__COLUMNS;
        wg_parallel(c, p.outer * w.strips, wg__grain(8 * p.n * width), sum_cols, &w);
    }
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

/* Moves axes that are no neighbours to the end, then reduces. */
wg_node *wg_logsumexp(wg_node *x, wg_axes axes, int keep)
{
    bool in[WG_MAX_RANK];
    int  first, last;
    if (!x || !wg__axes_in(x, "logsumexp", &axes, in)) return NULL;
    wg_shape               y = wg__shape_reduced(x->shape, in, keep);
    struct wg__reduce_attr a = {.axes = wg__axes_list(x->shape->rank, in), .keep = !!keep};
    if (a.axes.n == 0) return wg__unchanged(x);
    if (wg__axes_run(x->shape, in, &first, &last)) return wg_apply(&wg_op_logsumexp, 1, &x, &a);
    wg_axes perm = {0};
    for (int to_end = 0; to_end < 2; to_end++)
        for (int i = 0; i < x->shape->rank; i++)
            if (in[i] == (bool)to_end) perm.axis[perm.n++] = i;
    struct wg__reduce_attr moved = {.axes = {.n = a.axes.n}};
    for (int i = 0; i < a.axes.n; i++) moved.axes.axis[i] = x->shape->rank - a.axes.n + i;
    const char *outer = wg__enter(x->g, "logsumexp");
    wg_node    *t = wg_transpose(x, perm);
    wg_node    *r = wg_apply(&wg_op_logsumexp, 1, &t, &moved);
    return wg__leave(x->g, outer, wg_reshape(r, y));
}
