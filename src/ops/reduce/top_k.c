/* y, i = the k largest x along one axis from the largest on, and where they stood, as i64; or the k smallest from the
 * smallest on.  Equal elements come in the order of x.  NaN counts as larger than any number.
 *
 *   dx = g of y put back to where y stood */
#include <string.h>

#include "ops/ops_impl.h"

static const wg_field fields[] = {WG_FIELD(struct wg__top_k_attr, axis, INT),
                                  WG_FIELD(struct wg__top_k_attr, k, I64),
                                  WG_FIELD(struct wg__top_k_attr, smallest, FLAG),
                                  {0}};

static int infer(wg_infer *c)
{
    const struct wg__top_k_attr *a = c->attr;
    int                          axis = wg_axis(c, a->axis, c->x[0].rank);
    char                         size[48];
    if (axis < 0) return axis;
    int64_t n = c->x[0].dim[axis];
    if (a->k < 0 || (wg_dim_known(n) && a->k > n))
        return wg_reject(c, WG_ESHAPE, "k = %lld is not in 0..%s, the size of axis %d", (long long)a->k,
                         wg_dim_name(c->g, n, size, sizeof size), axis);
    c->y[0] = c->x[0];
    c->y[0].dim[axis] = a->k;
    c->y[1] = c->y[0];
    c->ydtype[1] = WG_I64;
    return WG_OK;
}

/* A line of x along the axis: element i is x[i * step]. */
struct line {
    wg_dtype    t;
    bool        smallest;
    const void *x;
    int64_t     step;
};

/* Tells whether element i of the line comes before element k. */
static inline bool comes_before(const struct line *l, int64_t i, int64_t k)
{
    switch (l->t) {
#define X(name, type, text)                                                                \
    case WG_##name: {                                                                      \
        type a = ((const type *)l->x)[i * l->step], b = ((const type *)l->x)[k * l->step]; \
        bool more = a > b || (a != a && b == b), less = a < b || (b != b && a == a);       \
        return more || less ? more != l->smallest : i < k;                                 \
    }
        WG_DTYPE_MAP(X)
#undef X
    case WG_DTYPES: break;
    }
    return false;
}

/* Restores a heap of n indices, `step` apart, whose root is the last in the order, below place i. */
static void sift_down(const struct line *l, int64_t *heap, int64_t step, int64_t n, int64_t i)
{
    for (int64_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && comes_before(l, heap[child * step], heap[(child + 1) * step])) child++;
        if (!comes_before(l, heap[i * step], heap[child * step])) return;
        int64_t swap = heap[i * step];
        heap[i * step] = heap[child * step];
        heap[child * step] = swap;
    }
}

/* Selects the first k of n elements, in their order. */
static void select_first(const struct line *l, int64_t n, int64_t k, int64_t *index, int64_t step)
{
    if (k == 0) return;
    WG__INVARIANT(k <= n);
    for (int64_t i = 0; i < k; i++) index[i * step] = i;
    for (int64_t i = k / 2 - 1; i >= 0; i--) sift_down(l, index, step, k, i);
    for (int64_t i = k; i < n; i++)
        if (comes_before(l, i, index[0])) {
            index[0] = i;
            sift_down(l, index, step, k, 0);
        }
    for (int64_t last = k - 1; last > 0; last--) {
        int64_t swap = index[0];
        index[0] = index[last * step];
        index[last * step] = swap;
        sift_down(l, index, step, last, 0);
    }
}

struct work {
    const wg_call   *c;
    struct wg__split p;
    int64_t          k;
    bool             smallest;
};

static void select_lines(void *context, int64_t begin, int64_t end)
{
    const struct work *w = context;
    size_t             size = wg_dtype_size(w->c->x[0].dtype);
    int64_t            inner = w->p.inner;
    for (int64_t i = begin; i < end; i++) {
        int64_t     from = i / inner * w->p.n * inner + i % inner, to = i / inner * w->k * inner + i % inner;
        const char *x = (const char *)w->c->x[0].data + from * (int64_t)size;
        char       *y = (char *)w->c->y[0].data + to * (int64_t)size;
        int64_t    *index = (int64_t *)w->c->y[1].data + to;
        struct line l = {w->c->x[0].dtype, w->smallest, x, inner};
        select_first(&l, w->p.n, w->k, index, inner);
        for (int64_t k = 0; k < w->k; k++)
            memcpy(y + k * inner * (int64_t)size, x + index[k * inner] * inner * (int64_t)size, size);
    }
}

static int cpu(wg_call *c)
{
    const struct wg__top_k_attr *a = c->attr;
    int                          axis = a->axis < 0 ? a->axis + c->x[0].shape.rank : a->axis;
    struct work                  w = {c, wg__split_at(&c->x[0].shape, axis, axis + 1), a->k, a->smallest};
    if (a->k) wg_parallel(c, w.p.outer * w.p.inner, wg__grain(w.p.n), select_lines, &w);
    return WG_OK;
}

static void grad(wg_adjoint *v)
{
    const struct wg__top_k_attr *a = v->attr;
    if (!v->g[0] || !v->need[0]) return;
    wg_node *x = v->x[0], *index = wg_result(v->y, 1);
    int      rank = x->shape->rank, axis = a->axis < 0 ? a->axis + rank : a->axis;
    wg_axes  behind = {0};
    for (int i = axis + 1; i < rank; i++) behind.axis[behind.n++] = i;
    wg_node *place = wg_mul(index, wg_size(index, behind));
    for (int i = 0; i < rank; i++)
        if (i != axis) place = wg_add(place, wg__places(x, i, i + 1, rank, i));
    v->dx[0] = wg__scatter_flat(v->g[0], place, *x->shape);
}

static double flops(const wg_call *c) { return (double)wg_count(&c->x[0].shape); }

static int onnx(wg_onnx_form *f)
{
    const struct wg__top_k_attr *a = f->attr;
    int                          rank = wg_node_shape(f->y)->rank, axis = a->axis < 0 ? a->axis + rank : a->axis;
    f->all = 1;
    if (f->opset >= 11)
        return wg_onnx_say(f, "TopK{axis=%d,largest=%d}(x,[%lld])", axis, !a->smallest, (long long)a->k);
    wg_dtype t = wg_node_dtype(wg_node_operand(f->y, 0));
    if (a->smallest) return wg_onnx_refuse(f, "taking the smallest elements needs opset 11");
    if (t != WG_F32 && t != WG_F64) return wg_onnx_refuse(f, "the first of whole numbers need opset 11");
    if (a->k == 0 && f->opset < 10) return wg_onnx_refuse(f, "taking no element needs opset 10");
    return f->opset == 10 ? wg_onnx_say(f, "TopK{axis=%d}(x,[%lld])", axis, (long long)a->k)
                          : wg_onnx_say(f, "TopK{axis=%d,k=%lld}(x)", axis, (long long)a->k);
}

static int rows(wg_stack *s)
{
    const struct wg__top_k_attr *a = s->attr;
    int                          rank = wg_node_shape(s->node)->rank, axis = a->axis < 0 ? a->axis + rank : a->axis;
    s->y[0] = s->y[1] = s->x[0];
    return s->x[0].axis != axis;
}

const wg_op wg_op_top_k = {.name = "top_k",
                           .onnx = "TopK",
                           .doc = "y, i = the k largest (or smallest) x along an axis, in order, and where they stood",
                           .arity = 1,
                           .results = 2,
                           .dtypes = WG_DTYPE_ALL,
                           .attr_size = sizeof(struct wg__top_k_attr),
                           .fields = fields,
                           .infer = infer,
                           .cpu = cpu,
                           .grad = grad,
                           .flops = flops,
                           .to_onnx = onnx,
                           .rows = rows};

wg_node *wg_top_k(wg_node *x, int axis, int64_t k, int smallest)
{
    if (!x || !wg__axis_in(x, "top_k", &axis)) return NULL;
    return wg_apply(&wg_op_top_k, 1, &x, &(struct wg__top_k_attr){axis, !!smallest, k});
}
