/* Over the last axis: softmax y = e^x / sum e^x, log_softmax y = x - ln sum e^x,
 * both with x - max x for x, so that nothing overflows.
 *
 *   softmax      dx = y (g - sum g y)
 *   log_softmax  dx = g - e^y sum g */
#include "cpu/cpu.h"
#include "ops/ops_impl.h"

static const wg_field fields[] = {WG_FIELD(struct wg__axis_attr, axis, INT), {0}};

static int infer(wg_infer *c)
{
    const struct wg__axis_attr *a = c->attr;
    int                         axis = wg_axis(c, a->axis, c->x[0].rank);
    if (axis < 0) return axis;
    if (axis != c->x[0].rank - 1) return wg_reject(c, WG_EARG, "axis %d is not the last", axis);
    return wg_infer_same(c);
}

struct rows {
    const wg_call *c;
    int64_t        n;
    void (*kernel)(int64_t rows, int64_t n, const void *x, void *y);
};
static void run_rows(void *context, int64_t begin, int64_t end)
{
    const struct rows *r = context;
    int64_t            at = begin * r->n * (int64_t)wg_dtype_size(r->c->y->dtype);
    r->kernel(end - begin, r->n, (const char *)r->c->x[0].data + at, (char *)r->c->y->data + at);
}
static int run(wg_call *c, void (*kernel)(int64_t rows, int64_t n, const void *x, void *y))
{
    int64_t count = wg_count(&c->y->shape), n = c->y->shape.dim[c->y->shape.rank - 1];
    if (count) wg_parallel(c, count / n, wg__grain(8 * n), run_rows, &(struct rows){c, n, kernel});
    return WG_OK;
}
static int    softmax_cpu(wg_call *c) { return run(c, wg__kernels()->softmax[c->y->dtype == WG_F64]); }
static int    log_softmax_cpu(wg_call *c) { return run(c, wg__kernels()->log_softmax[c->y->dtype == WG_F64]); }
static double flops(const wg_call *c) { return 5.0 * (double)wg_count(&c->y->shape); }

static void softmax_grad(wg_adjoint *v)
{
    wg_node *gy = wg_zero_mul(v->g[0], v->y);
    wg_node *mean = wg_sum(gy, WG_AXES(-1), 1);
    wg_node *rest = wg_sub(v->g[0], mean);
    v->dx[0] = wg_zero_mul(v->y, rest);
}
static void log_softmax_grad(wg_adjoint *v)
{
    wg_node *p = wg_exp(v->y);
    wg_node *sum = wg_sum(v->g[0], WG_AXES(-1), 1);
    wg_node *all = wg_mul(p, sum);
    v->dx[0] = wg_sub(v->g[0], all);
}

/* Writes the operator over the last axis, where the flattening of opsets below 13 changes nothing. */
static int onnx(wg_onnx_form *f)
{
    return wg_onnx_say(f, "%s{axis=%d}", wg_node_op(f->y)->onnx, wg_node_shape(f->y)->rank - 1);
}

static int rows(wg_stack *s)
{
    *s->y = s->x[0];
    return s->x[0].axis != wg_node_shape(s->node)->rank - 1 || s->x[0].axis < 0;
}

const wg_op wg_op_softmax = {.name = "softmax",
                             .onnx = "Softmax",
                             .doc = "y = e^x / sum of e^x over the last axis",
                             .arity = 1,
                             .dtypes = WG_DTYPE_REALS,
                             .domain = WG_DOMAIN_ANY,
                             .attr_size = sizeof(struct wg__axis_attr),
                             .fields = fields,
                             .infer = infer,
                             .cpu = softmax_cpu,
                             .grad = softmax_grad,
                             .flops = flops,
                             .to_onnx = onnx,
                             .rows = rows};
const wg_op wg_op_log_softmax = {.name = "log_softmax",
                                 .onnx = "LogSoftmax",
                                 .doc = "y = ln(e^x / sum of e^x) over the last axis",
                                 .arity = 1,
                                 .dtypes = WG_DTYPE_REALS,
                                 .domain = WG_DOMAIN_ANY,
                                 .attr_size = sizeof(struct wg__axis_attr),
                                 .fields = fields,
                                 .infer = infer,
                                 .cpu = log_softmax_cpu,
                                 .grad = log_softmax_grad,
                                 .flops = flops,
                                 .to_onnx = onnx,
                                 .rows = rows};

/* Applies op over an axis: another axis than the last is exchanged with the last, before and after. */
static wg_node *apply_over(const wg_op *op, wg_node *x, int axis)
{
    if (!x || !wg__axis_in(x, op->name, &axis)) return NULL;
    wg_axes swap = {.n = x->shape->rank};
    for (int i = 0; i < swap.n; i++) swap.axis[i] = i;
    swap.axis[axis] = swap.n - 1;
    swap.axis[swap.n - 1] = axis;
    const char *outer = wg__enter(x->g, op->name);
    wg_node    *t = wg_transpose(x, swap);
    wg_node    *y = wg_apply(op, 1, &t, &(struct wg__axis_attr){swap.n - 1});
    return wg__leave(x->g, outer, wg_transpose(y, swap));
}
wg_node *wg_softmax(wg_node *x, int axis) { return apply_over(&wg_op_softmax, x, axis); }
wg_node *wg_log_softmax(wg_node *x, int axis) { return apply_over(&wg_op_log_softmax, x, axis); }
