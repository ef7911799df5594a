/* y = the number of elements of x along axes, in x's dtype: for a mean over a
 * symbolic axis.  Only the shape of x is read, so nothing flows back. */
#include "ops/ops_impl.h"

static const wg_field fields[] = {WG_FIELD(struct wg__size_attr, axes, AXES), {0}};

static int infer(wg_infer *c)
{
    const struct wg__size_attr *a = c->attr;
    bool                        in[WG_MAX_RANK];
    *c->y = (wg_shape){0};
    return wg__axis_set(c, &a->axes, c->x[0].rank, in);
}

static double count_elements(const wg_shape *s, const bool in[WG_MAX_RANK])
{
    double n = 1;
    for (int i = 0; i < s->rank; i++) n *= in[i] ? (double)s->dim[i] : 1;
    return n;
}

static int cpu(wg_call *c)
{
    const struct wg__size_attr *a = c->attr;
    bool                        in[WG_MAX_RANK];
    wg__axis_set(&(wg_infer){0}, &a->axes, c->x[0].shape.rank, in);
    wg__store(c->y->dtype, c->y->data, 0, count_elements(&c->x[0].shape, in));
    return WG_OK;
}

static void grad(wg_adjoint *v) { (void)v; }

/* Writes the product of the elements of Shape(x) at the axes. */
static int onnx(wg_onnx_form *f)
{
    const struct wg__size_attr *a = f->attr;
    int                         rank = wg_node_shape(wg_node_operand(f->y, 0))->rank;
    bool                        in[WG_MAX_RANK];
    int64_t                     list[WG_MAX_RANK];
    if (wg__axis_set(&(wg_infer){0}, &a->axes, rank, in)) return wg_onnx_refuse(f, "its axes are not valid");
    wg_axes axes = wg__axes_list(rank, in);
    for (int i = 0; i < axes.n; i++) list[i] = axes.axis[i];
    if (axes.n == 0) return wg_onnx_say(f, "1");
    wg_onnx_say(f, "Cast{to=x}(ReduceProd{keepdims=0}(Gather{axis=0}(Shape(x),");
    wg_onnx_say_dims(f, axes.n, list);
    return wg_onnx_say(f, ")))");
}

/* Tells that the result is the same for every row, unless one of the axes has the rows. */
static int rows(wg_stack *s)
{
    const struct wg__size_attr *a = s->attr;
    const wg_shape             *x = wg_node_shape(wg_node_operand(s->node, 0));
    bool                        in[WG_MAX_RANK];
    if (wg__axis_set(&(wg_infer){0}, &a->axes, x->rank, in)) return 0;
    for (int i = 0; i < x->rank; i++)
        if (in[i] && wg__dim_has(wg_node_graph(s->node), x->dim[i], s->symbol)) return 0;
    return 1;
}

const wg_op wg_op_size = {.name = "size",
                          .onnx = "ReduceProd(Gather(Shape))",
                          .doc = "y = the number of elements of x along axes",
                          .arity = 1,
                          .flags = WG_OP_SHAPE,
                          .dtypes = WG_DTYPE_NUMBERS,
                          .attr_size = sizeof(struct wg__size_attr),
                          .fields = fields,
                          .infer = infer,
                          .cpu = cpu,
                          .grad = grad,
                          .to_onnx = onnx,
                          .rows = rows};

/* Gives a constant where every size is known, else a node of the operator. */
wg_node *wg_size(wg_node *x, wg_axes axes)
{
    bool in[WG_MAX_RANK], known = true;
    if (!x || !wg__axes_in(x, "size", &axes, in)) return NULL;
    if (x->kind == WG__ASSIGN || x->kind == WG__GROUP)
        return wg__bad(x, WG_EARG, "size", "%s has no value", wg_node_kind(x));
    for (int i = 0; i < x->shape->rank; i++) known = known && (!in[i] || wg_dim_known(x->shape->dim[i]));
    if (known && WG_DTYPE_BIT(x->dtype) & WG_DTYPE_NUMBERS) return wg_lit(x, count_elements(x->shape, in));
    return wg_apply(&wg_op_size, 1, &x, &(struct wg__size_attr){wg__axes_list(x->shape->rank, in)});
}
