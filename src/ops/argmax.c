/* y = the least i with x[i] >= x[j] for all j along one axis, as i64; the
 * first NaN, where there is one, counts as the largest.  Nothing flows back. */
#include "ops/ops_impl.h"

struct attr {
    int axis, keep;
};
static const wg_field fields[] = {WG_FIELD(struct attr, axis, INT), WG_FIELD(struct attr, keep, INT), {0}};

static int infer(wg_infer *c)
{
    const struct attr *a = c->attr;
    bool               in[WG_MAX_RANK] = {0};
    int                axis = wg_axis(c, a->axis, c->x[0].rank);
    if (axis < 0) return axis;
    if (c->x[0].dim[axis] == 0) return wg_reject(c, WG_ESHAPE, "axis %d is empty", axis);
    in[axis] = true;
    c->y = wg__shape_reduced(&c->x[0], in, a->keep);
    c->ydtype = WG_I64;
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

static inline __attribute__((always_inline)) int64_t along(wg_dtype t, const void *x, int64_t at, int64_t n,
                                                           int64_t stride)
{
    int64_t best = at, place = 0;
    for (int64_t i = 1; i < n; i++)
        if (beats(t, x, at + i * stride, best)) best = at + i * stride, place = i;
    return place;
}

struct work {
    const wg_call   *c;
    struct wg__split p;
};
/* Result elements begin..end-1. */
static void some(void *context, int64_t begin, int64_t end)
{
    const struct work *w = context;
    const void        *x = w->c->x[0].data;
    int64_t           *y = w->c->y.data, inner = w->p.inner, n = w->p.n;
    for (int64_t i = begin; i < end; i++) {
        int64_t at = i / inner * n * inner + i % inner;
        switch (w->c->x[0].dtype) {
#define X(name, type, text) \
    case WG_##name: y[i] = along(WG_##name, x, at, n, inner); break;
            WG_DTYPE_MAP(X)
#undef X
        case WG_DTYPES: break;
        }
    }
}

static int cpu(wg_call *c)
{
    const struct attr *a = c->attr;
    int                axis = a->axis < 0 ? a->axis + c->x[0].shape.rank : a->axis;
    struct work        w = {c, wg__split_at(&c->x[0].shape, axis, axis + 1)};
    if (w.p.outer && w.p.inner) wg_parallel(c, w.p.outer * w.p.inner, wg__grain(w.p.n), some, &w);
    return WG_OK;
}

static double flops(const wg_call *c) { return (double)wg_count(&c->x[0].shape); }

const wg_op wg_op_argmax = {.name = "argmax",
                            .onnx = "ArgMax",
                            .doc = "y = index of the first largest x along an axis",
                            .arity = 1,
                            .dtypes = WG_ALL_DTYPES,
                            .attr_size = sizeof(struct attr),
                            .fields = fields,
                            .infer = infer,
                            .cpu = cpu,
                            .flops = flops};

wg_node *wg_argmax(wg_node *x, int axis, int keep)
{
    if (!x || !wg__axis_in(x, "argmax", &axis)) return NULL;
    return wg_apply(&wg_op_argmax, 1, &x, &(struct attr){axis, !!keep});
}
