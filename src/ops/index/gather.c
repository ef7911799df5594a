/* y[.., i.., ..] = x[.., index[i..], ..] along one axis, in whose place come
 * the axes of index; a negative index counts from the end.
 *
 *   dx = g added up in the places it came from (scatter_add) */
#include "ops/ops_impl.h"

static const wg_field fields[] = {WG_FIELD(struct wg__axis_attr, axis, INT), {0}};

static int infer(wg_infer *c)
{
    const struct wg__axis_attr *a = c->attr;
    const wg_shape             *x = &c->x[0], *index = &c->x[1];
    int                         axis = wg_axis(c, a->axis, x->rank);
    if (axis < 0) return axis;
    if (!(WG_DTYPE_BIT(c->dtype[1]) & WG_DTYPE_INTS))
        return wg_reject(c, WG_EDTYPE, "the index is %s, not i32 or i64", wg_dtype_name(c->dtype[1]));
    if (x->rank - 1 + index->rank > WG_MAX_RANK)
        return wg_reject(c, WG_ESHAPE, "the result would have rank %d, above %d", x->rank - 1 + index->rank,
                         WG_MAX_RANK);
    for (int i = 0; i < axis; i++) c->y->dim[c->y->rank++] = x->dim[i];
    for (int i = 0; i < index->rank; i++) c->y->dim[c->y->rank++] = index->dim[i];
    for (int i = axis + 1; i < x->rank; i++) c->y->dim[c->y->rank++] = x->dim[i];
    return WG_OK;
}

struct work {
    const char    *x;
    char          *y;
    const int64_t *at;          /* [m] */
    int64_t        m, n, inner; /* inner in bytes */
};

static void copy_slices(void *context, int64_t begin, int64_t end)
{
    const struct work *w = context;
    while (begin < end) {
        int64_t o = begin / w->m, j = begin % w->m, n = w->m - j < end - begin ? w->m - j : end - begin;
        wg__copy_picked(w->y + begin * w->inner, w->x + o * w->n * w->inner, w->at + j, n, (size_t)w->inner);
        begin += n;
    }
}

static int cpu(wg_call *c)
{
    const struct wg__axis_attr *a = c->attr;
    int                         axis = a->axis < 0 ? a->axis + c->x[0].shape.rank : a->axis;
    struct wg__split            p = wg__split_at(&c->x[0].shape, axis, axis + 1);
    int                         status = wg__index_resolve(c, &c->x[1], axis, p.n, c->scratch);
    if (status || wg_count(&c->y->shape) == 0) return status;
    struct work w = {.x = c->x[0].data,
                     .y = c->y->data,
                     .at = c->scratch,
                     .m = wg_count(&c->x[1].shape),
                     .n = p.n,
                     .inner = p.inner * (int64_t)wg_dtype_size(c->y->dtype)};
    wg_parallel(c, p.outer * w.m, wg__grain(p.inner), copy_slices, &w);
    return WG_OK;
}

static size_t scratch(const wg_call *c) { return (size_t)wg_count(&c->x[1].shape) * sizeof(int64_t); }

static void grad(wg_adjoint *v)
{
    const struct wg__axis_attr *a = v->attr;
    if (v->need[0]) v->dx[0] = wg__scatter_add(v->g[0], v->x[1], a->axis, *v->x[0]->shape);
}

static double flops(const wg_call *c) { return (void)c, 0; }

static int onnx(wg_onnx_form *f)
{
    const struct wg__axis_attr *a = f->attr;
    int                         rank = wg_node_shape(wg_node_operand(f->y, 0))->rank;
    return wg_onnx_say(f, "Gather{axis=%d}", a->axis < 0 ? a->axis + rank : a->axis);
}

/* Finds the rows of the result: indices stacked in rows look into one x, or one index looks into each row of x. */
static int rows(wg_stack *s)
{
    const struct wg__axis_attr *a = s->attr;
    const wg_shape *x = wg_node_shape(wg_node_operand(s->node, 0)), *index = wg_node_shape(wg_node_operand(s->node, 1));
    int             axis = a->axis < 0 ? a->axis + x->rank : a->axis, of_x = s->x[0].axis, of_index = s->x[1].axis;
    if (of_x == axis || (of_x >= 0 && of_index >= 0)) return 0;
    if (of_index >= 0) *s->y = (wg_rows){axis + of_index, s->x[1].each};
    if (of_x >= 0) *s->y = (wg_rows){of_x < axis ? of_x : of_x - 1 + index->rank, s->x[0].each};
    return 1;
}

const wg_op wg_op_gather = {.name = "gather",
                            .onnx = "Gather",
                            .doc = "y = the slices of x at indices along an axis",
                            .arity = 2,
                            .flags = WG_OP_MAY_FAIL,
                            .attr_size = sizeof(struct wg__axis_attr),
                            .fields = fields,
                            .infer = infer,
                            .cpu = cpu,
                            .grad = grad,
                            .scratch = scratch,
                            .flops = flops,
                            .to_onnx = onnx,
                            .rows = rows};

wg_node *wg_gather(wg_node *x, wg_node *index, int axis)
{
    if (x && !wg__axis_in(x, "gather", &axis)) return NULL;
    return wg_apply(&wg_op_gather, 2, (wg_node *[]){x, index}, &(struct wg__axis_attr){axis});
}
