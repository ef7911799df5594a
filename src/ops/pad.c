/* y = x set into a tensor full of one value: element i of axis k goes to
 * before[k] + i stride[k].  With strides above 1 it is the adjoint of a slice.
 *
 *   dx = the places of g that x went to */
#include <string.h>

#include "ops/ops_impl.h"

struct attr {
    wg_shape before;
    wg_list  stride;
    wg_shape to;
    double   value;
};
static const wg_field fields[] = {WG_FIELD(struct attr, before, SHAPE),
                                  WG_FIELD(struct attr, stride, LIST),
                                  WG_FIELD(struct attr, to, SHAPE),
                                  WG_FIELD(struct attr, value, REAL),
                                  {0}};

static int infer(wg_infer *c)
{
    const struct attr *a = c->attr;
    int                rank = c->x[0].rank;
    if (a->before.rank != rank || a->stride.n != rank || a->to.rank != rank)
        return wg_reject(c, WG_EARG, "needs one number for each of %d axes", rank);
    if (!wg__dims_valid(c, &a->before) || !wg__dims_valid(c, &a->to))
        return wg_reject(c, WG_EARG, "a place or size is negative");
    for (int i = 0; i < rank; i++) {
        int64_t at = a->before.dim[i], n = c->x[0].dim[i], size = a->to.dim[i], last = 0;
        if (a->stride.at[i] < 1)
            return wg_reject(c, WG_EARG, "the stride of axis %d is %lld", i, (long long)a->stride.at[i]);
        if (!wg_dim_known(at) || !wg_dim_known(n) || !wg_dim_known(size)) continue;
        bool fits = n == 0 ? at <= size
                           : !__builtin_mul_overflow(n - 1, a->stride.at[i], &last) &&
                                 !__builtin_add_overflow(last, at, &last) && last < size;
        if (!fits) return wg_reject(c, WG_ESHAPE, "axis %d of size %lld has no room for x", i, (long long)size);
    }
    c->y = a->to;
    return WG_OK;
}

struct work {
    const wg_call *c;
    int64_t        n;                 /* elements of a row: x's last axis */
    int64_t        step[WG_MAX_RANK]; /* in y, for a step along x's axes, in elements */
    int64_t        at;                /* in y, of x's first element */
};

static void some_rows(void *context, int64_t begin, int64_t end)
{
    const struct work *w = context;
    const wg_shape    *s = &w->c->x[0].shape;
    int64_t            e = (int64_t)wg_dtype_size(w->c->y.dtype);
    for (int64_t r = begin; r < end; r++) {
        int64_t to = w->at, rest = r;
        for (int k = s->rank - 2; k >= 0; rest /= s->dim[k--]) to += rest % s->dim[k] * w->step[k];
        wg__copy_strided((char *)w->c->y.data + to * e, s->rank ? w->step[s->rank - 1] * e : e,
                         (const char *)w->c->x[0].data + r * w->n * e, e, w->n, (size_t)e);
    }
}

static int cpu(wg_call *c)
{
    const struct attr *a = c->attr;
    const wg_shape    *x = &c->x[0].shape;
    struct work        w = {.c = c, .n = x->rank ? x->dim[x->rank - 1] : 1};
    int64_t            step = 1;
    wg__fill_tensor(c, &c->y, a->value);
    if (wg_count(x) == 0) return WG_OK;
    for (int i = x->rank - 1; i >= 0; step *= a->to.dim[i--]) {
        w.step[i] = step * a->stride.at[i];
        w.at += step * a->before.dim[i];
    }
    wg_parallel(c, wg_count(x) / w.n, wg__grain(w.n), some_rows, &w);
    return WG_OK;
}

static void grad(wg_adjoint *v)
{
    const struct attr *a = v->attr;
    wg_node           *g = v->g;
    for (int i = 0; g && i < a->to.rank; i++)
        g = wg__slice(g, i, a->before.dim[i], v->x[0]->shape->dim[i], a->stride.at[i]);
    v->dx[0] = g;
}

static double flops(const wg_call *c) { return (void)c, 0; }

const wg_op wg_op_pad = {.name = "pad",
                         .onnx = "Pad",
                         .doc = "y = x with a value around and between its elements",
                         .arity = 1,
                         .attr_size = sizeof(struct attr),
                         .fields = fields,
                         .infer = infer,
                         .cpu = cpu,
                         .grad = grad,
                         .flops = flops};

wg_node *wg__pad(wg_node *x, wg_shape before, wg_list stride, wg_shape to, double value)
{
    return wg_apply(&wg_op_pad, 1, &x, &(struct attr){before, stride, to, value});
}

wg_node *wg_pad(wg_node *x, const int64_t *before, const int64_t *after, double value)
{
    char name[48];
    if (!x) return NULL;
    int rank = x->shape->rank;
    if (rank && (!before || !after)) return wg__bad(x, WG_EARG, "pad", "%s is NULL", before ? "after" : "before");
    wg_shape at = {.rank = rank}, to = *x->shape;
    wg_list  stride = {.n = rank};
    wg_infer c = {.g = x->g};
    bool     same = true;
    for (int i = 0; i < rank; i++) {
        if (!*wg_dim_name(x->g, before[i], name, sizeof name) || !*wg_dim_name(x->g, after[i], name, sizeof name))
            return wg__bad(x, WG_EARG, "pad", "%lld and %lld around axis %d", (long long)before[i], (long long)after[i],
                           i);
        int status = wg_dim_add(&c, to.dim[i], before[i], &to.dim[i]);
        if (!status) status = wg_dim_add(&c, to.dim[i], after[i], &to.dim[i]);
        if (status) return wg__bad(x, status, "pad", "%s", c.why);
        at.dim[i] = before[i];
        stride.at[i] = 1;
        same = same && !before[i] && !after[i];
    }
    return same ? x : wg__pad(x, at, stride, to, value);
}
