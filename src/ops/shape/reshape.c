/* y = the elements of x in the same order under another shape; one dimension
 * may be WG_DIM_AUTO, which follows from the others.
 *
 *   dx = g in x's shape */
#include <string.h>

#include "ops/ops_impl.h"

struct attr {
    wg_shape to;
};
static const wg_field fields[] = {WG_FIELD(struct attr, to, SHAPE), {0}};

static int infer(wg_infer *c)
{
    const struct attr *a = c->attr;
    wg_shape           rest = a->to;
    int64_t            have, want;
    int                open = -1;
    char               from[96];
    if (rest.rank < 0 || rest.rank > WG_MAX_RANK)
        return wg_reject(c, WG_EARG, "rank %d is outside 0..%d", rest.rank, WG_MAX_RANK);
    for (int i = 0; i < rest.rank; i++) {
        if (rest.dim[i] != WG_DIM_AUTO) continue;
        if (open >= 0) return wg_reject(c, WG_EARG, "more than one dimension is WG_DIM_AUTO");
        rest.dim[open = i] = 1;
    }
    int status = wg__dims_product(c, &c->x[0], 0, c->x[0].rank, &have);
    if (!status) status = wg__dims_product(c, &rest, 0, rest.rank, &want);
    *c->y = rest;
    if (!status && open >= 0) return wg_dim_div(c, have, want, &c->y->dim[open]);
    if (!status && !wg__dims_may_equal(c->g, have, want))
        return wg_reject(c, WG_ESHAPE, "%s has not as many elements", wg__shape_str(c->g, &c->x[0], from, sizeof from));
    return status;
}

/* Copies the elements, for callers that run the operator by itself; a tape runs nothing for a view. */
static int cpu(wg_call *c)
{
    int64_t bytes = (int64_t)wg__bytes(c->y->dtype, &c->y->shape);
    wg__copy_rows(c, 1, bytes, c->y->data, bytes, c->x[0].data, bytes);
    return WG_OK;
}

static void grad(wg_adjoint *v) { v->dx[0] = wg_reshape(v->g[0], *v->x[0]->shape); }

static double flops(const wg_call *c) { return (void)c, 0; }

/* Makes the shape for ONNX's Reshape, where -1 follows from the other sizes and 0 is "as in x" unless allowzero (from
 * opset 14 on) is set. Of the symbols in y, one can be -1 and any number can be 0. */
static wg_shape make_onnx_shape(const wg_shape *x, const wg_shape *y)
{
    wg_shape to = *y;
    int      open = -1, symbols = 0;
    for (int i = 0; i < to.rank; i++) symbols += !wg_dim_known(to.dim[i]);
    for (int i = 0; i < to.rank; i++) {
        if (wg_dim_known(to.dim[i])) continue;
        if (symbols > 1 && i < x->rank && x->dim[i] == to.dim[i]) to.dim[i] = 0;
        else if (open < 0) open = i;
        else return *y;
    }
    if (open >= 0) to.dim[open] = -1;
    return to;
}

static int onnx(wg_onnx_form *f)
{
    const wg_shape *y = wg_node_shape(f->y);
    bool            empty = false, allowed = f->opset >= 14;
    for (int i = 0; i < y->rank; i++) empty = empty || y->dim[i] == 0;
    wg_shape to = empty ? *y : make_onnx_shape(wg_node_shape(wg_node_operand(f->y, 0)), y);
    if (allowed) wg_onnx_say(f, "Reshape{allowzero=%d}(x,", empty);
    else wg_onnx_say(f, empty ? "Cast{to=x}(ConstantOfShape(" : "Reshape(x,");
    wg_onnx_say_dims(f, to.rank, to.dim);
    return wg_onnx_say(f, empty && !allowed ? "))" : ")");
}

/* Finds the rows: the elements before the stacked axis stay before it, and behind it a row's elements may be cut
 * anew. */
static int rows(wg_stack *s)
{
    const wg_shape *x = wg_node_shape(wg_node_operand(s->node, 0)), *y = wg_node_shape(s->node);
    wg_infer        c = {.g = wg_node_graph(s->node)};
    int64_t         before, to = 1;
    *s->y = s->x[0];
    if (s->x[0].axis < 0) return 1;
    if (wg__dims_product(&c, x, 0, s->x[0].axis, &before)) return 0;
    for (int i = 0; i < y->rank; i++) {
        s->y->axis = i;
        if (to == before && wg__dim_has(c.g, y->dim[i], s->symbol))
            return wg_dim_div(&c, y->dim[i], s->symbol, &s->y->each) == WG_OK;
        if (wg_dim_mul(&c, to, y->dim[i], &to)) return 0;
    }
    return 0;
}

const wg_op wg_op_reshape = {.name = "reshape",
                             .onnx = "Reshape",
                             .doc = "y = x under another shape",
                             .arity = 1,
                             .flags = WG_OP_VIEW,
                             .attr_size = sizeof(struct attr),
                             .fields = fields,
                             .infer = infer,
                             .cpu = cpu,
                             .grad = grad,
                             .flops = flops,
                             .to_onnx = onnx,
                             .rows = rows};

/* Resolves WG_DIM_AUTO before the node is made, so that equal reshapes have equal attributes. */
wg_node *wg_reshape(wg_node *x, wg_shape s)
{
    wg_shape valid = s;
    if (!x) return NULL;
    for (int i = 0; i < s.rank && i < WG_MAX_RANK; i++) valid.dim[i] = s.dim[i] == WG_DIM_AUTO ? 1 : s.dim[i];
    if (!wg__shape_valid(x->g, "reshape", &valid)) return NULL;
    struct attr a = {s};
    wg_shape    to = {0};
    wg_infer    c = {.g = x->g, .n = 1, .m = 1, .x = x->shape, .attr = &a, .y = &to};
    if (infer(&c) == WG_OK) a.to = to; /* otherwise wg_apply finds the same error again and tells it */
    return wg__shape_equal(&a.to, x->shape) ? wg__unchanged(x) : wg_apply(&wg_op_reshape, 1, &x, &a);
}
