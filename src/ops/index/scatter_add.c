/* The adjoint of gather: y is zeros, then y[.., index[i..], ..] += x[.., i.., ..]
 * in the order of i, so that the sums do not depend on the number of threads.
 *
 *   dx = g gathered at index */
#include "ops/ops_impl.h"

#include <string.h>

static const wg_field fields[] = {
    WG_FIELD(struct wg__scatter_add_attr, axis, INT), WG_FIELD(struct wg__scatter_add_attr, to, SHAPE), {0}};

static int infer(wg_infer *c)
{
    const struct wg__scatter_add_attr *a = c->attr;
    wg_shape                           want = {0};
    char                               have[96], need[96];
    int                                axis = wg_axis(c, a->axis, a->to.rank);
    if (axis < 0) return axis;
    if (!(WG_DTYPE_BIT(c->dtype[0]) & WG_DTYPE_NUMBERS))
        return wg_reject(c, WG_EDTYPE, "%s is no number", wg_dtype_name(c->dtype[0]));
    if (!(WG_DTYPE_BIT(c->dtype[1]) & WG_DTYPE_INTS))
        return wg_reject(c, WG_EDTYPE, "the index is %s, not i32 or i64", wg_dtype_name(c->dtype[1]));
    if (a->to.rank - 1 + c->x[1].rank > WG_MAX_RANK) return wg_reject(c, WG_ESHAPE, "more than %d axes", WG_MAX_RANK);
    for (int i = 0; i < axis; i++) want.dim[want.rank++] = a->to.dim[i];
    for (int i = 0; i < c->x[1].rank; i++) want.dim[want.rank++] = c->x[1].dim[i];
    for (int i = axis + 1; i < a->to.rank; i++) want.dim[want.rank++] = a->to.dim[i];
    if (!wg__shapes_may_equal(c->g, &want, &c->x[0]))
        return wg_reject(c, WG_ESHAPE, "adds %s where %s is needed", wg__shape_str(c->g, &c->x[0], have, sizeof have),
                         wg__shape_str(c->g, &want, need, sizeof need));
    *c->y = a->to;
    return WG_OK;
}

struct work {
    const wg_call *c;
    const int64_t *at;                     /* [m] */
    int64_t        m, n, inner, per_outer; /* per_outer: pieces of COLUMNS columns in inner */
};
enum { COLUMNS = 256 };

static inline __attribute__((always_inline)) void add_elements(wg_dtype t, void *y, const void *x, int64_t n)
{
    switch (t) {
#define X(name, type, text)                                                                             \
    case WG_##name:                                                                                     \
        for (int64_t i = 0; i < n; i++) ((type *)y)[i] = (type)(((type *)y)[i] + ((const type *)x)[i]); \
        break;
        X(F32, float, )
        X(F64, double, )
        X(U8, uint8_t, )
#undef X
    case WG_I32:
        for (int64_t i = 0; i < n; i++) ((uint32_t *)y)[i] += ((const uint32_t *)x)[i];
        break; /* wraps */
    case WG_I64:
        for (int64_t i = 0; i < n; i++) ((uint64_t *)y)[i] += ((const uint64_t *)x)[i];
        break;
    case WG_BOOL:
    case WG_DTYPES: break;
    }
}

/* Computes pieces begin..end-1. A piece is at most COLUMNS columns of one outer index, with all their additions in
 * order. */
static void add_pieces(void *context, int64_t begin, int64_t end)
{
    const struct work *w = context;
    wg_dtype           t = w->c->y->dtype;
    int64_t            e = (int64_t)wg_dtype_size(t);
    for (int64_t k = begin; k < end; k++) {
        int64_t     o = k / w->per_outer, col = k % w->per_outer * COLUMNS;
        int64_t     n = w->inner - col < COLUMNS ? w->inner - col : COLUMNS;
        char       *y = (char *)w->c->y->data + (o * w->n * w->inner + col) * e;
        const char *x = (const char *)w->c->x[0].data + (o * w->m * w->inner + col) * e;
        for (int64_t i = 0; i < w->m; i++) add_elements(t, y + w->at[i] * w->inner * e, x + i * w->inner * e, n);
    }
}

static int cpu(wg_call *c)
{
    const struct wg__scatter_add_attr *a = c->attr;
    int                                axis = a->axis < 0 ? a->axis + a->to.rank : a->axis;
    struct wg__split                   p = wg__split_at(&a->to, axis, axis + 1);
    int                                status = wg__index_resolve(c, &c->x[1], axis, p.n, c->scratch);
    if (status) return status;
    wg__fill_tensor(c, c->y, 0);
    if (wg_count(&c->x[0].shape) == 0) return WG_OK;
    struct work w = {c, c->scratch, wg_count(&c->x[1].shape), p.n, p.inner, (p.inner + COLUMNS - 1) / COLUMNS};
    wg_parallel(c, p.outer * w.per_outer, wg__grain(w.m * (p.inner < COLUMNS ? p.inner : COLUMNS)), add_pieces, &w);
    return WG_OK;
}

static size_t scratch(const wg_call *c) { return (size_t)wg_count(&c->x[1].shape) * sizeof(int64_t); }

static void grad(wg_adjoint *v)
{
    const struct wg__scatter_add_attr *a = v->attr;
    if (v->need[0]) v->dx[0] = wg_gather(v->g[0], v->x[1], a->axis);
}

static double flops(const wg_call *c) { return (double)wg_count(&c->x[0].shape); }

/* Writes ScatterElements, which wants an index for each element: [1,..,m,..,1] expanded to the shape of x, whose axes
 * of index become one. */
static int onnx(wg_onnx_form *f)
{
    const struct wg__scatter_add_attr *a = f->attr;
    const wg_shape                    *index = wg_node_shape(wg_node_operand(f->y, 1));
    int                                axis = a->axis < 0 ? a->axis + a->to.rank : a->axis;
    bool                               flat = index->rank == 1;
    wg_infer                           c = {.g = wg_node_graph(f->y)};
    wg_shape                           rows = a->to, ones = {.rank = rows.rank};
    if (f->opset < 16) return wg_onnx_refuse(f, "adding up at indices needs opset 16");
    if (wg__dims_product(&c, index, 0, index->rank, &rows.dim[axis])) return wg_onnx_refuse(f, "%s", c.why);
    for (int i = 0; i < ones.rank; i++) ones.dim[i] = i == axis ? rows.dim[axis] : 1;
    wg_onnx_say(f, "ScatterElements{axis=%d,reduction=\"add\"}(Expand(0,", axis);
    wg_onnx_say_dims(f, a->to.rank, a->to.dim);
    wg_onnx_say(f, "),Expand(Reshape{allowzero=1}(y,");
    wg_onnx_say_dims(f, ones.rank, ones.dim);
    wg_onnx_say(f, "),");
    wg_onnx_say_dims(f, rows.rank, rows.dim);
    wg_onnx_say(f, flat ? "),x)" : "),Reshape{allowzero=1}(x,");
    if (flat) return WG_OK;
    wg_onnx_say_dims(f, rows.rank, rows.dim);
    return wg_onnx_say(f, "))");
}

const wg_op wg_op_scatter_add = {.name = "scatter_add",
                                 .onnx = "ScatterElements",
                                 .doc = "y = zeros with slices of x added at indices along an axis",
                                 .arity = 2,
                                 .flags = WG_OP_MAY_FAIL,
                                 .attr_size = sizeof(struct wg__scatter_add_attr),
                                 .fields = fields,
                                 .infer = infer,
                                 .cpu = cpu,
                                 .grad = grad,
                                 .scratch = scratch,
                                 .flops = flops,
                                 .to_onnx = onnx};

wg_node *wg__scatter_add(wg_node *x, wg_node *index, int axis, wg_shape to)
{
    return wg_apply(&wg_op_scatter_add, 2, (wg_node *[]){x, index}, &(struct wg__scatter_add_attr){axis, to});
}

wg_node *wg_scatter_add(wg_node *x, wg_node *index, int axis, int64_t size)
{
    if (!x || !index) return NULL;
    int      rank = x->shape->rank - index->shape->rank + 1;
    wg_shape to = {.rank = rank};
    if (rank < 1 || axis < -rank || axis >= rank)
        return wg__bad(x, WG_EARG, "scatter_add", "axis %d of an index of rank %d", axis, index->shape->rank);
    if (axis < 0) axis += rank;
    for (int i = 0; i < rank; i++)
        to.dim[i] = i == axis ? size : x->shape->dim[i < axis ? i : i + index->shape->rank - 1];
    if (!wg__shape_valid(x->g, "scatter_add", &to)) return NULL;
    return wg__scatter_add(x, index, axis, to);
}
