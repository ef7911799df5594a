/* y = x set into a tensor full of one value: element i of axis k goes to
 * before[k] + i stride[k].  With strides above 1 it is the adjoint of a slice.
 *
 *   dx = the places of g that x went to */
#include <string.h>

#include "ops/ops_impl.h"

static const wg_field fields[] = {WG_FIELD(struct wg__pad_attr, before, SHAPE),
                                  WG_FIELD(struct wg__pad_attr, stride, LIST),
                                  WG_FIELD(struct wg__pad_attr, to, SHAPE),
                                  WG_FIELD(struct wg__pad_attr, value, REAL),
                                  {0}};

static int infer(wg_infer *c)
{
    const struct wg__pad_attr *a = c->attr;
    int                        rank = c->x[0].rank;
    if (a->before.rank != rank || a->stride.n != rank || a->to.rank != rank)
        return wg_reject(c, WG_EARG, "needs one number for each of %d axes", rank);
    if (!wg__dims_valid(c, &a->before) || !wg__dims_valid(c, &a->to))
        return wg_reject(c, WG_EARG, "a place or size is negative");
    for (int i = 0; i < rank; i++) {
        int64_t at = a->before.dim[i], n = c->x[0].dim[i], size = a->to.dim[i], last = 0;
        if (a->stride.at[i] < 1)
            return wg_reject(c, WG_EARG, "the stride of axis %d is %lld", i, (long long)a->stride.at[i]);
        if (!wg_dim_known(at) || !wg_dim_known(n) || !wg_dim_known(size)) continue;
        bool fits = n == 0 ? true
                           : !__builtin_mul_overflow(n - 1, a->stride.at[i], &last) &&
                                 !__builtin_add_overflow(last, at, &last) && last < size;
        if (!fits) return wg_reject(c, WG_ESHAPE, "axis %d of size %lld has no room for x", i, (long long)size);
    }
    *c->y = a->to;
    return WG_OK;
}

struct work {
    const wg_call *c;
    int64_t        n;                 /* elements of a row: x's last axis */
    int64_t        step[WG_MAX_RANK]; /* in y, for a step along x's axes, in elements */
    int64_t        at;                /* in y, of x's first element */
};

static void copy_some_rows(void *context, int64_t begin, int64_t end)
{
    const struct work *w = context;
    const wg_shape    *s = &w->c->x[0].shape;
    int64_t            e = (int64_t)wg_dtype_size(w->c->y->dtype);
    for (int64_t r = begin; r < end; r++) {
        int64_t to = w->at, rest = r;
        for (int k = s->rank - 2; k >= 0; rest /= s->dim[k--]) to += rest % s->dim[k] * w->step[k];
        wg__copy_strided((char *)w->c->y->data + to * e, s->rank ? w->step[s->rank - 1] * e : e,
                         (const char *)w->c->x[0].data + r * w->n * e, e, w->n, (size_t)e);
    }
}

static int cpu(wg_call *c)
{
    const struct wg__pad_attr *a = c->attr;
    const wg_shape            *x = &c->x[0].shape;
    struct work                w = {.c = c, .n = x->rank ? x->dim[x->rank - 1] : 1};
    int64_t                    step = 1;
    wg__fill_tensor(c, c->y, a->value);
    if (wg_count(x) == 0) return WG_OK;
    for (int i = x->rank - 1; i >= 0; step *= a->to.dim[i--]) {
        w.step[i] = step * a->stride.at[i];
        w.at += step * a->before.dim[i];
    }
    wg_parallel(c, wg_count(x) / w.n, wg__grain(w.n), copy_some_rows, &w);
    return WG_OK;
}

static void grad(wg_adjoint *v)
{
    const struct wg__pad_attr *a = v->attr;
    wg_node                   *g = v->g[0];
    for (int i = 0; g && i < a->to.rank; i++)
        g = wg__slice(g, i, a->before.dim[i], v->x[0]->shape->dim[i], a->stride.at[i]);
    v->dx[0] = g;
}

static double flops(const wg_call *c) { return (void)c, 0; }

/* ---- In ONNX ----
 *
 * Where a stride is above 1, the values between the elements come first: [.., n, ..] as [.., n, 1, ..], padded to [..,
 * n, stride, ..], is [.., n stride, ..]. Its last stride - 1 elements are taken away again, by padding of a negative
 * size. */

/* Writes the list of paddings: `before` of each axis, then to - before - size. */
static void say_pads(wg_onnx_form *f, int n, const int64_t *before, const int64_t *size, const int64_t *to)
{
    int64_t pads[4 * WG_MAX_RANK];
    bool    known = true;
    for (int i = 0; i < n; i++) {
        known = known && wg_dim_known(before[i]) && wg_dim_known(size[i]) && wg_dim_known(to[i]);
        pads[i] = before[i];
        pads[n + i] = to[i] - before[i] - size[i];
    }
    if (known) {
        wg_onnx_say_dims(f, 2 * n, pads);
        return;
    }
    wg_onnx_say(f, "Concat{axis=0}(");
    wg_onnx_say_dims(f, n, before);
    wg_onnx_say(f, ",Sub(");
    wg_onnx_say_dims(f, n, to);
    wg_onnx_say(f, ",Add(");
    wg_onnx_say_dims(f, n, before);
    wg_onnx_say(f, ",");
    wg_onnx_say_dims(f, n, size);
    wg_onnx_say(f, ")))");
}

/* Writes the part of Pad(inner,..) before `inner`; close_pad writes the part behind `inner`. */
static void open_pad(wg_onnx_form *f, int n, const int64_t *before, const int64_t *size, const int64_t *to)
{
    const struct wg__pad_attr *a = f->attr;
    bool                       real = WG_DTYPE_BIT(wg_node_dtype(f->y)) & WG_DTYPE_REALS;
    if (f->opset >= 11) {
        wg_onnx_say(f, "Pad{mode=\"constant\"}(");
        return;
    }
    for (int i = 0; i < n; i++)
        if (!wg_dim_known(before[i]) || !wg_dim_known(size[i]) || !wg_dim_known(to[i]))
            wg_onnx_refuse(f, "padding by or to a symbolic size needs opset 11");
    if (wg_node_dtype(f->y) == WG_I64) wg_onnx_refuse(f, "padding i64 needs opset 11");
    wg_onnx_say(f, real ? "Pad{mode=\"constant\",pads=" : "Cast{to=x}(Pad{mode=\"constant\",pads=");
    say_pads(f, n, before, size, to);
    wg_onnx_say(f, ",value=");
    wg_onnx_say_real(f, a->value);
    wg_onnx_say(f, real ? "}(" : "}(Cast{to=f64}(");
}
static void close_pad(wg_onnx_form *f, int n, const int64_t *before, const int64_t *size, const int64_t *to)
{
    const struct wg__pad_attr *a = f->attr;
    if (f->opset < 11) {
        wg_onnx_say(f, WG_DTYPE_BIT(wg_node_dtype(f->y)) & WG_DTYPE_REALS ? ")" : ")))");
        return;
    }
    wg_onnx_say(f, ",");
    say_pads(f, n, before, size, to);
    wg_onnx_say(f, ",");
    wg_onnx_say_real(f, a->value);
    wg_onnx_say(f, ")");
}

/* Writes x with stride - 1 values after each element, of shape `wide`. */
static void say_spread(wg_onnx_form *f, const wg_shape *x, const wg_list *stride, const wg_shape *wide)
{
    int64_t zero[2 * WG_MAX_RANK] = {0}, size[2 * WG_MAX_RANK], to[2 * WG_MAX_RANK];
    int     n = 0;
    for (int i = 0; i < x->rank; i++) {
        size[n] = to[n] = x->dim[i];
        n++;
        if (stride->at[i] == 1) continue;
        size[n] = 1;
        to[n++] = stride->at[i];
    }
    if (n == x->rank) {
        wg_onnx_say(f, "x");
        return;
    }
    wg_onnx_say(f, "Reshape(");
    open_pad(f, n, zero, size, to);
    wg_onnx_say(f, "Reshape(x,");
    wg_onnx_say_dims(f, n, size);
    wg_onnx_say(f, ")");
    close_pad(f, n, zero, size, to);
    wg_onnx_say(f, ",");
    wg_onnx_say_dims(f, wide->rank, wide->dim);
    wg_onnx_say(f, ")");
}

static int onnx(wg_onnx_form *f)
{
    const struct wg__pad_attr *a = f->attr;
    const wg_shape            *x = wg_node_shape(wg_node_operand(f->y, 0));
    wg_shape                   wide = *x;
    for (int i = 0; i < x->rank; i++) {
        if (x->dim[i]) continue; /* nothing of x is there */
        wg_onnx_say(f, "Expand(");
        wg_onnx_say_real(f, a->value);
        wg_onnx_say(f, ",");
        wg_onnx_say_dims(f, a->to.rank, a->to.dim);
        return wg_onnx_say(f, ")");
    }
    for (int i = 0; i < x->rank; i++)
        if (wg_dim_mul(&(wg_infer){.g = wg_node_graph(f->y)}, x->dim[i], a->stride.at[i], &wide.dim[i]))
            return wg_onnx_refuse(f, "a size is too large");
    open_pad(f, x->rank, a->before.dim, wide.dim, a->to.dim);
    say_spread(f, x, &a->stride, &wide);
    close_pad(f, x->rank, a->before.dim, wide.dim, a->to.dim);
    return *f->why ? WG_EARG : WG_OK;
}

/* Finds the rows: they stay apart where only other axes are padded, by amounts that do not depend on the number of
 * rows. */
static int rows(wg_stack *s)
{
    const struct wg__pad_attr *a = s->attr;
    const wg_shape            *x = wg_node_shape(wg_node_operand(s->node, 0));
    int                        axis = s->x[0].axis;
    *s->y = s->x[0];
    if (wg__shape_has(wg_node_graph(s->node), &a->before, s->symbol)) return 0;
    return axis < 0 || (!a->before.dim[axis] && a->stride.at[axis] == 1 && a->to.dim[axis] == x->dim[axis]);
}

const wg_op wg_op_pad = {.name = "pad",
                         .onnx = "Pad",
                         .doc = "y = x with a value around and between its elements",
                         .arity = 1,
                         .attr_size = sizeof(struct wg__pad_attr),
                         .fields = fields,
                         .infer = infer,
                         .cpu = cpu,
                         .grad = grad,
                         .flops = flops,
                         .to_onnx = onnx,
                         .rows = rows};

wg_node *wg__pad(wg_node *x, wg_shape before, wg_list stride, wg_shape to, double value)
{
    return wg_apply(&wg_op_pad, 1, &x, &(struct wg__pad_attr){before, stride, to, value});
}

wg_node *wg_pad(wg_node *x, const int64_t *before, const int64_t *after, double value)
{
    char name[48];
    if (!x) return NULL;
    int rank = x->shape->rank;
    if (!wg__holds((wg_dtype)x->dtype, value))
        return wg__bad(x, WG_EARG, "pad", "%g is no %s", value, wg_dtype_name((wg_dtype)x->dtype));
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
    return same ? wg__unchanged(x) : wg__pad(x, at, stride, to, value);
}
