/* Reductions: y = x[0] op x[1] op .. along a run of neighbouring axes, for op
 * among +, *, max and min; of no elements y is 0, 1, -inf and inf.
 *
 *   sum   dx = g
 *   prod  dx = g times the product of the others, right where some x are 0
 *   max   dx = g / ties where x = y, else 0; min alike
 *
 * Axes that are no neighbours: sum and prod are made of several such operators, max and min of a transpose and one. */
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

struct wg__split wg__reduce_split(const void *attr, const wg_shape *x)
{
    const struct wg__reduce_attr *a = attr;
    bool                          in[WG_MAX_RANK];
    int                           first, last;
    wg__axis_set(&(wg_infer){0}, &a->axes, x->rank, in);
    wg__axes_run(x, in, &first, &last);
    return wg__split_at(x, first, last);
}

static int run(wg_call *c, enum wg__reduce kind)
{
    struct wg__split p = wg__reduce_split(c->attr, &c->x[0].shape);
    wg__reduce_call(kind, &c->x[0], p.outer, p.n, p.inner, c->y->data, c->threads);
    return WG_OK;
}
static int    sum_cpu(wg_call *c) { return run(c, WG__SUM); }
static int    prod_cpu(wg_call *c) { return run(c, WG__PROD); }
static int    max_cpu(wg_call *c) { return run(c, WG__MAX); }
static int    min_cpu(wg_call *c) { return run(c, WG__MIN); }
static double flops(const wg_call *c) { return (double)wg_count(&c->x[0].shape); }

/* Reshapes a reduced value to have size 1 in the places of the reduced axes. */
static wg_node *reshape_kept(const wg_adjoint *v, wg_node *reduced)
{
    const struct wg__reduce_attr *a = v->attr;
    bool                          in[WG_MAX_RANK];
    if (!wg__axes_in(v->x[0], "reduce", &a->axes, in)) return NULL;
    return wg_reshape(reduced, wg__shape_reduced(v->x[0]->shape, in, 1));
}

static void sum_grad(wg_adjoint *v) { v->dx[0] = wg_expand(reshape_kept(v, v->g[0]), *v->x[0]->shape); }

static void extreme_grad(wg_adjoint *v)
{
    const struct wg__reduce_attr *a = v->attr;
    wg_node                      *y = reshape_kept(v, v->y);
    wg_node                      *mask = wg_cast(wg_equal(v->x[0], y), wg_node_dtype(v->x[0]));
    wg_node                      *ties = wg_sum(mask, a->axes, 1);
    wg_node                      *g = reshape_kept(v, v->g[0]);
    wg_node                      *each = wg_div(g, ties);
    v->dx[0] = wg_zero_mul(mask, each);
}

/* Shifts x by s places along axis 1 of size n: x[i-s], and 1 for i < s. */
static wg_node *shift_axis(wg_node *x, int64_t s, int64_t n)
{
    wg_node *head = wg__slice(x, 1, 0, n - s, 1);
    return head ? wg__pad(head, WG_SHAPE(0, s, 0), (wg_list){3, {1, 1, 1}}, *x->shape, 1) : NULL;
}

/* Builds, for each i along axis 1, the product of x[j] over j < i, by windows that double. */
static wg_node *multiply_before(wg_node *x, int64_t n)
{
    wg_node *p = shift_axis(x, 1, n);
    for (int64_t s = 1; p && s < n - 1; s *= 2) {
        wg_node *q = shift_axis(p, s, n);
        p = wg_mul(p, q);
    }
    return p;
}

/* Makes *s the shape of x as [before, reduced, after]; WG_EGRAD where the middle is symbolic. */
static int split_in_three(const wg_adjoint *v, wg_shape *s)
{
    const struct wg__reduce_attr *a = v->attr;
    const wg_shape               *x = v->x[0]->shape;
    wg_infer                      c = {.g = v->g[0]->g};
    bool                          in[WG_MAX_RANK];
    int                           first, last, status = wg__axis_set(&c, &a->axes, x->rank, in);
    if (!status) {
        wg__axes_run(x, in, &first, &last);
        s->rank = 3;
        status = wg__dims_product(&c, x, 0, first, &s->dim[0]);
    }
    if (!status) status = wg__dims_product(&c, x, first, last, &s->dim[1]);
    if (!status) status = wg__dims_product(&c, x, last, x->rank, &s->dim[2]);
    if (!status && !wg_dim_known(s->dim[1]))
        status = wg_reject(&c, WG_EGRAD, "no gradient along an axis whose size is symbolic");
    if (status) wg__bad(v->x[0], status, "prod", "%s", c.why);
    return status;
}

/* Builds g times the product of the other elements, which is taken from the products before and behind an element and
 * not from a division: exact with zeros, and in every further derivative. */
static void prod_grad(wg_adjoint *v)
{
    wg_shape s = {0};
    if (split_in_three(v, &s)) return;
    if (s.dim[1] <= 1) {
        sum_grad(v);
        return;
    }
    int64_t  n = s.dim[1];
    wg_node *x = wg_reshape(v->x[0], s);
    wg_node *before = multiply_before(x, n);
    wg_node *mirror = wg__slice(x, 1, 0, n, -1);
    wg_node *after = wg__slice(multiply_before(mirror, n), 1, 0, n, -1);
    wg_node *others = wg_mul(before, after);
    wg_node *g = wg_reshape(v->g[0], WG_SHAPE(s.dim[0], 1, s.dim[2]));
    v->dx[0] = wg_reshape(wg_zero_mul(others, g), *v->x[0]->shape);
}

static int sum_onnx(wg_onnx_form *f)
{
    const struct wg__reduce_attr *a = f->attr;
    return wg__reduce_onnx(f, &a->axes, a->keep, 13);
}
static int reduce_onnx(wg_onnx_form *f)
{
    const struct wg__reduce_attr *a = f->attr;
    return wg__reduce_onnx(f, &a->axes, a->keep, 18);
}

static int rows(wg_stack *s)
{
    const struct wg__reduce_attr *a = s->attr;
    return wg__rows_over_axes(s, &a->axes, a->keep);
}

#define REDUCTION(id, onnx_, to_onnx_, domain_, grad_, doc_)               \
    const wg_op wg_op_##id = {.name = #id,                                 \
                              .onnx = onnx_,                               \
                              .doc = doc_,                                 \
                              .arity = 1,                                  \
                              .dtypes = WG_DTYPE_REALS | WG_DTYPE_INTS,    \
                              .domain = domain_,                           \
                              .attr_size = sizeof(struct wg__reduce_attr), \
                              .fields = fields,                            \
                              .infer = infer,                              \
                              .cpu = id##_cpu,                             \
                              .grad = grad_,                               \
                              .flops = flops,                              \
                              .to_onnx = to_onnx_,                         \
                              .rows = rows};
REDUCTION(sum, "ReduceSum", sum_onnx, WG_DOMAIN_ANY, sum_grad, "y = the sum of x along axes")
REDUCTION(prod, "ReduceProd", reduce_onnx, WG_DOMAIN_ANY, prod_grad, "y = the product of x along axes")
REDUCTION(max, "ReduceMax", reduce_onnx, WG_DOMAIN_ANY, extreme_grad, "y = the largest x along axes")
REDUCTION(min, "ReduceMin", reduce_onnx, WG_DOMAIN_ANY, extreme_grad, "y = the smallest x along axes")

/* Takes the uppermost run, from axis `top` down, out of the set and lists its axes; axes of size 1 belong to any
 * run. */
static wg_axes take_run(const wg_shape *s, int top, bool in[WG_MAX_RANK])
{
    bool run_in[WG_MAX_RANK] = {0}, begun = false, ended = false;
    for (int i = top; i >= 0; i--) {
        bool wide = s->dim[i] != 1;
        if (in[i] && wide && ended) break;
        run_in[i] = in[i];
        in[i] = false;
        begun = begun || (run_in[i] && wide);
        ended = ended || (begun && wide && !run_in[i]);
    }
    return wg__axes_list(s->rank, run_in);
}

/* Makes a sum or product along several runs of axes, one operator for each run, the last run first, so that the axes of
 * the other runs keep their places. */
static wg_node *reduce_runs(const wg_op *op, wg_node *x, bool in[WG_MAX_RANK], int keep)
{
    for (int top = x->shape->rank - 1; x && top >= 0; top--) {
        if (!in[top]) continue;
        struct wg__reduce_attr a = {.axes = take_run(x->shape, top, in), .keep = keep};
        x = wg_apply(op, 1, &x, &a);
    }
    return wg__unchanged(x);
}

/* Makes a largest or smallest along several runs of axes as one reduction, so that ties are counted together: the axes
 * are moved to the end. */
static wg_node *reduce_moved(const wg_op *op, wg_node *x, const bool in[WG_MAX_RANK], int keep)
{
    wg_shape               y = wg__shape_reduced(x->shape, in, keep);
    wg_axes                perm = {0};
    struct wg__reduce_attr a = {0};
    for (int last = 0; last < 2; last++)
        for (int i = 0; i < x->shape->rank; i++) {
            if (in[i] != (bool)last) continue;
            if (last) a.axes.axis[a.axes.n++] = perm.n;
            perm.axis[perm.n++] = i;
        }
    wg_node *moved = wg_transpose(x, perm);
    return wg_reshape(wg_apply(op, 1, &moved, &a), y);
}

static wg_node *reduce(const wg_op *op, wg_node *x, wg_axes axes, int keep)
{
    bool in[WG_MAX_RANK];
    int  first, last;
    if (!x || !wg__axes_in(x, op->name, &axes, in)) return NULL;
    bool shares = op == &wg_op_max || op == &wg_op_min;
    return shares && !wg__axes_run(x->shape, in, &first, &last) ? reduce_moved(op, x, in, keep)
                                                                : reduce_runs(op, x, in, !!keep);
}

wg_node *wg_sum(wg_node *x, wg_axes axes, int keep) { return reduce(&wg_op_sum, x, axes, keep); }
wg_node *wg_prod(wg_node *x, wg_axes axes, int keep) { return reduce(&wg_op_prod, x, axes, keep); }
wg_node *wg_max(wg_node *x, wg_axes axes, int keep) { return reduce(&wg_op_max, x, axes, keep); }
wg_node *wg_min(wg_node *x, wg_axes axes, int keep) { return reduce(&wg_op_min, x, axes, keep); }
