/* y, i = the largest x over a set of axes, and which of them it is as i64: the first one, counted row-major over the
 * reduced axes.  The first NaN, where there is one, counts as the largest.
 *
 *   dx = g of y put back to where y stood: to one element, while wg_max shares among equals */
#include <string.h>

#include "ops/ops_impl.h"

static const wg_field fields[] = {
    WG_FIELD(struct wg__reduce_attr, axes, AXES), WG_FIELD(struct wg__reduce_attr, keep, FLAG), {0}};

static int infer(wg_infer *c)
{
    const struct wg__reduce_attr *a = c->attr;
    bool                          in[WG_MAX_RANK];
    int                           status = wg__axis_set(c, &a->axes, c->x[0].rank, in);
    if (status) return status;
    for (int i = 0; i < c->x[0].rank; i++)
        if (in[i] && c->x[0].dim[i] == 0) return wg_reject(c, WG_ESHAPE, "axis %d is empty", i);
    c->y[0] = c->y[1] = wg__shape_reduced(&c->x[0], in, a->keep);
    c->ydtype[1] = WG_I64;
    return WG_OK;
}

enum { FEW = 256 };

struct work {
    const wg_call  *c;
    struct wg__walk w;
    int64_t         run; /* results whose columns are neighbours */
};

/* Finds results begin..end-1, at most FEW neighbouring columns at a time. */
static void find_results(void *context, int64_t begin, int64_t end)
{
    const struct work *w = context;
    const wg_tensor   *x = w->c->x;
    size_t             size = wg_dtype_size(x->dtype);
    int64_t           *index = w->c->y[1].data, best[FEW], cols;
    for (int64_t o = begin; o < end; o += cols) {
        cols = w->run - o % w->run < end - o ? w->run - o % w->run : end - o;
        if (cols > FEW) cols = FEW;
        wg__largest(x, &w->w.go, wg__walk_at(&w->w.stay, o), cols, best, index + o);
        for (int64_t j = 0; j < cols; j++)
            memcpy((char *)w->c->y[0].data + (size_t)(o + j) * size, (const char *)x->data + (size_t)best[j] * size,
                   size);
    }
}

static int cpu(wg_call *c)
{
    const struct wg__reduce_attr *a = c->attr;
    struct work                   w = {.c = c, .run = 1};
    bool                          in[WG_MAX_RANK];
    wg__axis_set(&(wg_infer){0}, &a->axes, c->x[0].shape.rank, in);
    wg__walk_of(&c->x[0].shape, in, &w.w);
    w.run = wg__walk_run(&w.w);
    if (w.w.stay.n) wg_parallel(c, w.w.stay.n, w.run > 1 ? 64 : wg__grain(w.w.go.n), find_results, &w);
    return WG_OK;
}

/* Puts g where y stood.  With the reduced axes last, that place is the number of the result times the elements that
 * were reduced, plus the index. */
static void grad(wg_adjoint *v)
{
    const struct wg__reduce_attr *a = v->attr;
    wg_node                      *x = v->x[0], *index = wg_result(v->y, 1);
    const wg_shape               *s = x->shape;
    wg_axes                       last = {0}, back = {0};
    wg_shape                      to = {.rank = s->rank};
    bool                          in[WG_MAX_RANK];
    int                           kept = 0;
    if (!v->g[0] || !v->need[0] || !wg__axes_in(x, "max_with_index", &a->axes, in)) return;
    for (int i = 0; i < s->rank; i++) /* the axes that stay, then those that go */
        if (!in[i]) last.axis[last.n++] = i;
    kept = last.n;
    for (int i = 0; i < s->rank; i++)
        if (in[i]) last.axis[last.n++] = i;
    back.n = s->rank;
    for (int i = 0; i < s->rank; i++) {
        to.dim[i] = s->dim[last.axis[i]];
        back.axis[last.axis[i]] = i;
    }
    wg_node *turned = wg_transpose(x, last), *order = wg__places(turned, 0, kept, 1, 0);
    wg_node *place = wg_add(wg_reshape(order, *index->shape), index);
    v->dx[0] = wg_transpose(wg__scatter_flat(v->g[0], place, to), back);
}

static double flops(const wg_call *c) { return (double)wg_count(&c->x[0].shape); }

/* Writes the ArgMax of the reduced axes, which are put behind the others as one axis, in the shape of the result. */
static int onnx_index(wg_onnx_form *f, const bool in[WG_MAX_RANK], const struct wg__reduce_attr *a)
{
    const wg_node  *x = wg_node_operand(f->y, 0);
    const wg_shape *s = wg_node_shape(x);
    int64_t         perm[WG_MAX_RANK];
    int             n = 0, kept;
    for (int i = 0; i < s->rank; i++)
        if (!in[i]) perm[n++] = i;
    kept = n;
    for (int i = 0; i < s->rank; i++)
        if (in[i]) perm[n++] = i;
    if (n - kept == 1) return wg_onnx_say(f, "ArgMax{axis=%d,keepdims=%d}(x)", (int)perm[kept], !!a->keep);
    wg_onnx_say(f, "Reshape(ArgMax{axis=%d,keepdims=0}(Reshape(Transpose{perm=", kept);
    wg_onnx_say_dims(f, n, perm);
    wg_onnx_say(f, "}(x),[");
    for (int i = 0; i < kept; i++) wg_onnx_say(f, "0,"); /* the size that x has */
    wg_onnx_say(f, "-1])),");
    wg_onnx_say_dims(f, wg_node_shape(f->y)->rank, wg_node_shape(f->y)->dim);
    return wg_onnx_say(f, ")");
}

static int onnx(wg_onnx_form *f)
{
    const struct wg__reduce_attr *a = f->attr;
    bool                          in[WG_MAX_RANK] = {0};
    if (wg__axis_set(&(wg_infer){0}, &a->axes, wg_node_shape(wg_node_operand(f->y, 0))->rank, in))
        return wg_onnx_refuse(f, "its axes are not valid");
    return f->result ? onnx_index(f, in, a) : wg__reduce_onnx(f, &a->axes, a->keep, 18);
}

static int rows(wg_stack *s)
{
    const struct wg__reduce_attr *a = s->attr;
    return wg__rows_over_axes_all(s, &a->axes, a->keep);
}

const wg_op wg_op_max_with_index = {.name = "max_with_index",
                                    .onnx = "ReduceMax",
                                    .doc = "y, i = the largest x over axes, and which of them it is",
                                    .arity = 1,
                                    .results = 2,
                                    .dtypes = WG_DTYPE_ALL,
                                    .attr_size = sizeof(struct wg__reduce_attr),
                                    .fields = fields,
                                    .infer = infer,
                                    .cpu = cpu,
                                    .grad = grad,
                                    .flops = flops,
                                    .to_onnx = onnx,
                                    .rows = rows};

wg_node *wg_max_with_index(wg_node *x, wg_axes axes, int keep)
{
    bool in[WG_MAX_RANK];
    if (!x || !wg__axes_in(x, "max_with_index", &axes, in)) return NULL;
    return wg_apply(&wg_op_max_with_index, 1, &x, &(struct wg__reduce_attr){wg__axes_list(x->shape->rank, in), !!keep});
}
