/* y = the least i with x[i] >= x[j] for all j along one axis, as i64; the
 * first NaN, where there is one, counts as the largest.  Nothing flows back. */
#include "ops/ops_impl.h"

struct attr {
    int axis, keep;
};
static const wg_field fields[] = {WG_FIELD(struct attr, axis, INT), WG_FIELD(struct attr, keep, FLAG), {0}};

static int infer(wg_infer *c)
{
    const struct attr *a = c->attr;
    bool               in[WG_MAX_RANK] = {0};
    int                axis = wg_axis(c, a->axis, c->x[0].rank);
    if (axis < 0) return axis;
    if (c->x[0].dim[axis] == 0) return wg_reject(c, WG_ESHAPE, "axis %d is empty", axis);
    in[axis] = true;
    *c->y = wg__shape_reduced(&c->x[0], in, a->keep);
    *c->ydtype = WG_I64;
    return WG_OK;
}

/* x[i] > x[best], or x[i] is the first NaN */
static inline __attribute__((always_inline)) bool beats(wg_dtype t, const void *x, int64_t i, int64_t best)
{
    switch (t) {
#define X(name, type, text) \
    case WG_##name:         \
        return !(((const type *)x)[i] <= ((const type *)x)[best]) && ((const type *)x)[best] == ((const type *)x)[best];
        WG_DTYPE_MAP(X)
#undef X
    case WG_DTYPES: break;
    }
    return false;
}

/* y[j] = the place in column j of `cols` columns, n elements `stride` apart: row
 * by row, so that rows are read as they lie. */
static inline __attribute__((always_inline)) void down(wg_dtype t, const void *x, int64_t at, int64_t n, int64_t stride,
                                                       int64_t cols, int64_t *y)
{
    for (int64_t j = 0; j < cols; j++) y[j] = 0;
    for (int64_t i = 1; i < n; i++)
        for (int64_t j = 0; j < cols; j++)
            if (beats(t, x, at + i * stride + j, at + y[j] * stride + j)) y[j] = i;
}

static void columns(wg_dtype t, const void *x, int64_t at, int64_t n, int64_t stride, int64_t cols, int64_t *y)
{
    switch (t) {
#define X(name, type, text) \
    case WG_##name: down(WG_##name, x, at, n, stride, cols, y); return;
        WG_DTYPE_MAP(X)
#undef X
    case WG_DTYPES: return;
    }
}

struct work {
    const wg_call   *c;
    struct wg__split p;
};
/* Result elements begin..end-1, in parts of a row of few columns. */
static void some(void *context, int64_t begin, int64_t end)
{
    enum { FEW = 512 };
    const struct work *w = context;
    int64_t            inner = w->p.inner, n = w->p.n, cols;
    for (int64_t i = begin; i < end; i += cols) {
        int64_t j = i % inner;
        cols = inner - j < end - i ? inner - j : end - i;
        if (cols > FEW) cols = FEW;
        columns(w->c->x[0].dtype, w->c->x[0].data, i / inner * n * inner + j, n, inner, cols,
                (int64_t *)w->c->y->data + i);
    }
}

static int cpu(wg_call *c)
{
    const struct attr *a = c->attr;
    int                axis = a->axis < 0 ? a->axis + c->x[0].shape.rank : a->axis;
    struct work        w = {c, wg__split_at(&c->x[0].shape, axis, axis + 1)};
    if (w.p.outer && w.p.inner) wg_parallel(c, w.p.outer * w.p.inner, w.p.inner > 1 ? 64 : wg__grain(w.p.n), some, &w);
    return WG_OK;
}

static double flops(const wg_call *c) { return (double)wg_count(&c->x[0].shape); }

static int onnx(wg_onnx_form *f)
{
    const struct attr *a = f->attr;
    int                rank = wg_node_shape(wg_node_operand(f->y, 0))->rank;
    return wg_onnx_say(f, "ArgMax{axis=%d,keepdims=%d}", a->axis < 0 ? a->axis + rank : a->axis, !!a->keep);
}

static int rows(wg_stack *s)
{
    const struct attr *a = s->attr;
    return wg__rows_over_axes(s, &(wg_axes){.n = 1, .axis = {a->axis}}, a->keep);
}

const wg_op wg_op_argmax = {.name = "argmax",
                            .onnx = "ArgMax",
                            .doc = "y = index of the first largest x along an axis",
                            .arity = 1,
                            .dtypes = WG_ALL_DTYPES,
                            .attr_size = sizeof(struct attr),
                            .fields = fields,
                            .infer = infer,
                            .cpu = cpu,
                            .flops = flops,
                            .to_onnx = onnx,
                            .rows = rows};

wg_node *wg_argmax(wg_node *x, int axis, int keep)
{
    if (!x || !wg__axis_in(x, "argmax", &axis)) return NULL;
    return wg_apply(&wg_op_argmax, 1, &x, &(struct attr){axis, !!keep});
}
