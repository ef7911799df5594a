/* y[i] = -log_softmax(z[i])[label[i]] for logits z [b, classes] and label [b].
 *
 *   dz = g (softmax(z) - one_hot(label)) */
#include "cpu/cpu.h"
#include "ops/ops_impl.h"

static int infer(wg_infer *c)
{
    char z[96], l[96];
    if (!(WG_DTYPE_BIT(c->dtype[0]) & WG_DTYPE_REALS))
        return wg_reject(c, WG_EDTYPE, "the logits are %s, not real", wg_dtype_name(c->dtype[0]));
    if (!(WG_DTYPE_BIT(c->dtype[1]) & (WG_DTYPE_INTS | WG_DTYPE_BIT(WG_U8))))
        return wg_reject(c, WG_EDTYPE, "the labels are %s, not i32, i64 or u8", wg_dtype_name(c->dtype[1]));
    if (c->x[0].rank != 2 || c->x[1].rank != 1 || !wg__dims_may_equal(c->g, c->x[0].dim[0], c->x[1].dim[0]))
        return wg_reject(c, WG_ESHAPE, "needs logits [b,classes] and labels [b], not %s and %s",
                         wg__shape_str(c->g, &c->x[0], z, sizeof z), wg__shape_str(c->g, &c->x[1], l, sizeof l));
    *c->y = c->x[1];
    return WG_OK;
}

/* Rows are computed in pieces; each piece has scratch for the log_softmax of some rows. */
enum { PIECES = 64, SOME = 4096 };
struct plan {
    int64_t rows, n, some, grain; /* some: rows of one scratch */
};
static struct plan plan(const wg_call *c)
{
    struct plan p = {.rows = c->x[0].shape.dim[0], .n = c->x[0].shape.dim[1]};
    p.some = p.n < SOME ? SOME / (p.n ? p.n : 1) : 1;
    p.grain = (p.rows + PIECES - 1) / PIECES;
    if (p.grain < p.some) p.grain = p.some;
    return p;
}

struct work {
    const wg_call *c;
    struct plan    p;
};
static void compute_rows(void *context, int64_t begin, int64_t end)
{
    const struct work *w = context;
    const wg_call     *c = w->c;
    bool               f64 = c->y->dtype == WG_F64;
    int64_t            n = w->p.n, size = (int64_t)wg_dtype_size(c->y->dtype);
    char              *log = (char *)c->scratch + begin / w->p.grain * w->p.some * n * size;
    for (int64_t i = begin; i < end; i += w->p.some) {
        int64_t rows = end - i < w->p.some ? end - i : w->p.some;
        wg__kernels()->log_softmax[f64](rows, n, (const char *)c->x[0].data + i * n * size, log);
        for (int64_t r = 0; r < rows; r++) {
            int64_t at = r * n + wg__index_at(&c->x[1], i + r);
            if (f64) ((double *)c->y->data)[i + r] = -((const double *)(const void *)log)[at];
            else ((float *)c->y->data)[i + r] = -((const float *)(const void *)log)[at];
        }
    }
}

static int cpu(wg_call *c)
{
    struct work w = {c, plan(c)};
    for (int64_t i = 0; i < w.p.rows; i++) {
        int64_t label = wg__index_at(&c->x[1], i);
        if (label < 0 || label >= w.p.n)
            return wg_reject_run(c, WG_EINDEX, "label %lld at position %lld is outside of %lld classes",
                                 (long long)label, (long long)i, (long long)w.p.n);
    }
    if (w.p.rows) wg_parallel(c, w.p.rows, w.p.grain, compute_rows, &w);
    return WG_OK;
}

static size_t scratch(const wg_call *c)
{
    struct plan p = plan(c);
    int64_t     pieces = p.rows ? (p.rows + p.grain - 1) / p.grain : 0;
    return (size_t)(pieces * p.some * p.n) * wg_dtype_size(c->y->dtype);
}

static void grad(wg_adjoint *v)
{
    wg_node *z = v->x[0];
    if (!v->need[0]) return;
    wg_node *hot = wg__one_hot(v->x[1], z->shape->dim[1], wg_node_dtype(z));
    wg_node *p = wg_softmax(z, 1);
    wg_node *d = wg_sub(p, hot);
    wg_node *g = wg_unsqueeze(v->g[0], 1);
    v->dx[0] = wg_mul(g, d);
}

static double flops(const wg_call *c) { return 5.0 * (double)wg_count(&c->x[0].shape); }

/* Writes the pick of one column of LogSoftmax in each row: by GatherElements, or before opset 11 by comparing the label
 * with each class. */
static int onnx(wg_onnx_form *f)
{
    int64_t classes = wg_node_shape(wg_node_operand(f->y, 0))->dim[1];
    if (f->opset >= 11)
        return wg_onnx_say(f, "Neg(Reshape(GatherElements{axis=1}(LogSoftmax{axis=1}(x),"
                              "Cast{to=i64}(Reshape(y,[-1,1]))),[-1]))");
    if (!wg_dim_known(classes)) return wg_onnx_refuse(f, "a symbolic number of classes needs opset 11");
    return wg_onnx_say(f,
                       "Neg(ReduceSum{axes=[1],keepdims=0}(Where(Equal(Cast{to=i64}(Reshape(y,[-1,1])),[0:%lld:1]),"
                       "LogSoftmax{axis=1}(x),0)))",
                       (long long)classes);
}

const wg_op wg_op_cross_entropy = {.name = "cross_entropy",
                                   .onnx = "GatherElements(LogSoftmax)",
                                   .doc = "y[i] = -log_softmax(z[i])[label[i]]",
                                   .arity = 2,
                                   .flags = WG_OP_MAY_FAIL,
                                   .domain = WG_DOMAIN_ANY,
                                   .infer = infer,
                                   .cpu = cpu,
                                   .grad = grad,
                                   .scratch = scratch,
                                   .flops = flops,
                                   .to_onnx = onnx};

wg_node *wg_softmax_cross_entropy(wg_node *logits, wg_node *label)
{
    wg_graph   *g = wg_node_graph(logits ? logits : label);
    const char *outer = wg__enter(g, "softmax_cross_entropy");
    wg_node    *each = wg_apply(&wg_op_cross_entropy, 2, (wg_node *[]){logits, label}, NULL);
    return wg__leave(g, outer, wg_mean(each, WG_ALL_AXES, 0));
}
