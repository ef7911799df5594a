/* y = x[0], x[1], .. one after the other along an axis.
 *
 *   dx[i] = i's part of g */
#include "ops/ops_impl.h"

static const wg_field fields[] = {WG_FIELD(struct wg__axis_attr, axis, INT), {0}};

static int infer(wg_infer *c)
{
    const struct wg__axis_attr *a = c->attr;
    char                        p[96], q[96];
    int                         axis = wg_axis(c, a->axis, c->x[0].rank);
    if (axis < 0) return axis;
    *c->y = c->x[0];
    for (int i = 1; i < c->n; i++) {
        if (c->dtype[i] != c->dtype[0])
            return wg_reject(c, WG_EDTYPE, "dtypes %s and %s differ", wg_dtype_name(c->dtype[0]),
                             wg_dtype_name(c->dtype[i]));
        wg_shape other = c->x[i];
        if (other.rank == c->y->rank) other.dim[axis] = c->y->dim[axis];
        if (!wg__shapes_may_equal(c->g, &other, c->y))
            return wg_reject(c, WG_ESHAPE, "%s and %s differ not only in axis %d",
                             wg__shape_str(c->g, &c->x[0], p, sizeof p), wg__shape_str(c->g, &c->x[i], q, sizeof q),
                             axis);
        for (int k = 0; k < c->y->rank; k++) /* a size that is a number in one operand is that number */
            if (!wg_dim_known(c->y->dim[k])) c->y->dim[k] = other.dim[k];
        int status = wg_dim_add(c, c->y->dim[axis], c->x[i].dim[axis], &c->y->dim[axis]);
        if (status) return status;
    }
    return WG_OK;
}

static int cpu(wg_call *c)
{
    const struct wg__axis_attr *a = c->attr;
    int                         axis = a->axis < 0 ? a->axis + c->y->shape.rank : a->axis;
    wg__join_parts(c, c->y, c->n, c->x, axis);
    return WG_OK;
}

static void grad(wg_adjoint *v)
{
    const struct wg__axis_attr *a = v->attr;
    int                         axis = a->axis < 0 ? a->axis + v->y->shape->rank : a->axis;
    int64_t                     at = 0;
    wg_infer                    c = {.g = v->g[0]->g};
    for (int i = 0; i < v->n; i++) {
        int64_t n = v->x[i]->shape->dim[axis];
        if (v->need[i]) v->dx[i] = wg__slice(v->g[0], axis, at, n, 1);
        int status = wg_dim_add(&c, at, n, &at);
        if (status) {
            wg__bad(v->y, status, "gradient of concat", "%s", c.why);
            return;
        }
    }
}

static double flops(const wg_call *c) { return (void)c, 0; }

static int onnx(wg_onnx_form *f)
{
    const struct wg__axis_attr *a = f->attr;
    return wg_onnx_say(f, "Concat{axis=%d}", a->axis < 0 ? a->axis + wg_node_shape(f->y)->rank : a->axis);
}

static int rows(wg_stack *s)
{
    const struct wg__axis_attr *a = s->attr;
    int                         axis = a->axis < 0 ? a->axis + wg_node_shape(s->node)->rank : a->axis;
    *s->y = s->x[0];
    for (int i = 0; i < s->n; i++)
        if (s->x[i].axis != s->y->axis || s->x[i].each != s->y->each) return 0;
    return s->y->axis != axis;
}

const wg_op wg_op_concat = {.name = "concat",
                            .onnx = "Concat",
                            .doc = "y = the operands one after the other along an axis",
                            .arity = WG_OP_VARIADIC,
                            .attr_size = sizeof(struct wg__axis_attr),
                            .fields = fields,
                            .infer = infer,
                            .cpu = cpu,
                            .grad = grad,
                            .flops = flops,
                            .to_onnx = onnx,
                            .rows = rows};

wg_node *wg_concat(int n, wg_node *const x[], int axis)
{
    if (n < 1) return wg__fail(NULL, WG_EARG, "concat: there are no nodes"), NULL;
    if (wg__lacks_list(NULL, "concat", n, "x", x)) return NULL;
    if (x[0] && !wg__axis_in(x[0], "concat", &axis)) return NULL;
    return n == 1 ? wg__unchanged(x[0]) : wg_apply(&wg_op_concat, n, x, &(struct wg__axis_attr){axis});
}
