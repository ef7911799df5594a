/* Random tensors from a counter (Philox4x32-10, Salmon et al. 2011): element i
 * is a function of (graph seed, stream of the node, run, i).  A mask's stream
 * begins with the place of what it masks.
 *
 *   uniform       lo <= y < hi
 *   normal        mean + sd times a standard normal
 *   dropout_mask  1/(1-p) with probability 1-p, else 0
 *
 * Nothing flows back: there is no operand. */
#include <math.h>

#include "cpu/cpu.h"
#include "ops/ops_impl.h"

static const wg_field uniform_fields[] = {WG_FIELD(struct wg__random_attr, shape, SHAPE),
                                          WG_FIELD(struct wg__random_attr, dtype, DTYPE),
                                          {"lo", WG_FIELD_REAL, offsetof(struct wg__random_attr, a)},
                                          {"hi", WG_FIELD_REAL, offsetof(struct wg__random_attr, b)},
                                          WG_FIELD(struct wg__random_attr, stream, STREAM),
                                          {0}};
static const wg_field normal_fields[] = {WG_FIELD(struct wg__random_attr, shape, SHAPE),
                                         WG_FIELD(struct wg__random_attr, dtype, DTYPE),
                                         {"mean", WG_FIELD_REAL, offsetof(struct wg__random_attr, a)},
                                         {"sd", WG_FIELD_REAL, offsetof(struct wg__random_attr, b)},
                                         WG_FIELD(struct wg__random_attr, stream, STREAM),
                                         {0}};
static const wg_field mask_fields[] = {WG_FIELD(struct wg__random_attr, shape, SHAPE),
                                       WG_FIELD(struct wg__random_attr, dtype, DTYPE),
                                       {"p", WG_FIELD_REAL, offsetof(struct wg__random_attr, a)},
                                       WG_FIELD(struct wg__random_attr, stream, STREAM),
                                       {0}};

static int infer(wg_infer *c)
{
    const struct wg__random_attr *a = c->attr;
    if (!(WG_DTYPE_BIT(a->dtype) & WG_DTYPE_REALS))
        return wg_reject(c, WG_EDTYPE, "%s is not real", wg_dtype_name(a->dtype));
    *c->y = a->shape;
    *c->ydtype = a->dtype;
    return WG_OK;
}

enum which { UNIFORM, NORMAL, MASK };
struct work {
    const wg_call *c;
    enum which     which;
};
static void draw_elements(void *context, int64_t begin, int64_t end)
{
    const struct work            *w = context;
    const wg_call                *c = w->c;
    const struct wg__random_attr *a = c->attr;
    const struct wg__kernels     *k = wg__kernels();
    int                           f64 = c->y->dtype == WG_F64;
    void                         *y = (char *)c->y->data + begin * (int64_t)wg_dtype_size(c->y->dtype);
    switch (w->which) {
    case UNIFORM: k->uniform[f64](c->seed, a->stream, c->run, begin, end - begin, a->a, a->b, y); return;
    case NORMAL: k->normal[f64](c->seed, a->stream, c->run, begin, end - begin, a->a, a->b, y); return;
    case MASK: k->mask[f64](c->seed, a->stream, c->run, begin, end - begin, a->a, y); return;
    }
}
static int run(wg_call *c, enum which which)
{
    int64_t n = wg_count(&c->y->shape);
    if (n) wg_parallel(c, n, 1 << 13, draw_elements, &(struct work){c, which});
    return WG_OK;
}
static int    uniform_cpu(wg_call *c) { return run(c, UNIFORM); }
static int    normal_cpu(wg_call *c) { return run(c, NORMAL); }
static int    mask_cpu(wg_call *c) { return run(c, MASK); }
static double flops(const wg_call *c) { return 20.0 * (double)wg_count(&c->y->shape); }

/* Writes ONNX operator `op` with its parameters `low` and `high` set to a and b. A symbolic shape is taken from zeros
 * of that shape, by the operator's Like form. */
static int say_random(wg_onnx_form *f, const char *op, const char *low, double a, const char *high, double b)
{
    const struct wg__random_attr *r = f->attr;
    bool                          known = wg_count(&r->shape) >= 0;
    wg_onnx_say(f, "%s%s{dtype=%s,%s=", op, known ? "" : "Like", wg_dtype_name(r->dtype), low);
    wg_onnx_say_real(f, a);
    wg_onnx_say(f, ",%s=", high);
    wg_onnx_say_real(f, b);
    wg_onnx_say(f, known ? ",shape=" : "}(Expand(0,");
    wg_onnx_say_dims(f, r->shape.rank, r->shape.dim);
    return wg_onnx_say(f, known ? "}()" : "))");
}
static int uniform_onnx(wg_onnx_form *f)
{
    const struct wg__random_attr *r = f->attr;
    return say_random(f, "RandomUniform", "low", r->a, "high", r->b);
}
static int normal_onnx(wg_onnx_form *f)
{
    const struct wg__random_attr *r = f->attr;
    return say_random(f, "RandomNormal", "mean", r->a, "scale", r->b);
}
static int mask_onnx(wg_onnx_form *f)
{
    const struct wg__random_attr *r = f->attr;
    wg_onnx_say(f, "Where(Less(");
    say_random(f, "RandomUniform", "low", 0, "high", 1);
    wg_onnx_say(f, ",");
    wg_onnx_say_real(f, r->a);
    wg_onnx_say(f, "),0,");
    wg_onnx_say_real(f, 1 / (1 - r->a));
    return wg_onnx_say(f, ")");
}

const wg_op wg_op_uniform = {.name = "uniform",
                             .onnx = "RandomUniform",
                             .doc = "y uniform in [lo, hi), fresh each run",
                             .flags = WG_OP_RANDOM,
                             .attr_size = sizeof(struct wg__random_attr),
                             .fields = uniform_fields,
                             .infer = infer,
                             .cpu = uniform_cpu,
                             .flops = flops,
                             .to_onnx = uniform_onnx};
const wg_op wg_op_normal = {.name = "normal",
                            .onnx = "RandomNormal",
                            .doc = "y normal with a mean and a standard deviation, fresh each run",
                            .flags = WG_OP_RANDOM,
                            .attr_size = sizeof(struct wg__random_attr),
                            .fields = normal_fields,
                            .infer = infer,
                            .cpu = normal_cpu,
                            .flops = flops,
                            .to_onnx = normal_onnx};
const wg_op wg_op_dropout_mask = {.name = "dropout_mask",
                                  .onnx = "Where(Less(RandomUniform))",
                                  .doc = "y = 0 with probability p, else 1/(1-p), fresh each run",
                                  .flags = WG_OP_RANDOM,
                                  .attr_size = sizeof(struct wg__random_attr),
                                  .fields = mask_fields,
                                  .infer = infer,
                                  .cpu = mask_cpu,
                                  .flops = flops,
                                  .to_onnx = mask_onnx};

static bool check_real_leaf(wg_graph *g, const char *who, wg_dtype t, const wg_shape *s)
{
    if (!wg_dtype_size(t) || !(WG_DTYPE_BIT(t) & WG_DTYPE_REALS))
        return wg__fail(g, WG_EDTYPE, "%s: %s is not real", who, wg_dtype_name(t)), false;
    return wg__shape_valid(g, who, s);
}

wg_node *wg_uniform(wg_graph *g, wg_dtype t, wg_shape s, double lo, double hi)
{
    if (!g || !check_real_leaf(g, "uniform", t, &s)) return NULL;
    if (!(lo <= hi)) return wg__fail(g, WG_EARG, "uniform: from %g to %g is no range", lo, hi), NULL;
    if (!wg__is_finite_as(t, lo) || !wg__is_finite_as(t, hi))
        return wg__fail(g, WG_EARG, "uniform: from %g to %g is beyond %s", lo, hi, wg_dtype_name(t)), NULL;
    return wg__apply_leaf(g, &wg_op_uniform, &(struct wg__random_attr){s, t, lo, hi, 0});
}

wg_node *wg_normal(wg_graph *g, wg_dtype t, wg_shape s, double mean, double sd)
{
    if (!g || !check_real_leaf(g, "normal", t, &s)) return NULL;
    if (!(sd >= 0) || mean != mean)
        return wg__fail(g, WG_EARG, "normal: mean %g and standard deviation %g", mean, sd), NULL;
    if (!wg__is_finite_as(t, fabs(mean) + WG__NORMAL_MOST * sd))
        return wg__fail(g, WG_EARG, "normal: mean %g and standard deviation %g reach beyond %s", mean, sd,
                        wg_dtype_name(t)),
               NULL;
    return wg__apply_leaf(g, &wg_op_normal, &(struct wg__random_attr){s, t, mean, sd, 0});
}

wg_node *wg__dropout_mask(wg_node *x, double p)
{
    struct wg__random_attr a = {*x->shape, wg_node_dtype(x), p, 0, 0};
    return wg__place(x, &a.stream) ? wg__apply_leaf(x->g, &wg_op_dropout_mask, &a) : NULL;
}

/* Builds x times a dropout mask on a tape that trains, x on others. A dropped element stays out even if it is infinite,
 * and so does its gradient. The choice has the place of the dropped value, so that the choice does not change the
 * random sequences of nodes that are built on it. */
static wg_node *drop_elements(wg_node *x, double p)
{
    wg_node *training = wg_training(x->g), *mask = wg__dropout_mask(x, p);
    wg_node *dropped = wg_zero_mul(x, mask);
    wg_node *y = wg_where(training, dropped, x);
    return y && wg__place_like(y, dropped) ? y : NULL;
}

wg_node *wg_dropout(wg_node *x, double p)
{
    if (!x) return NULL;
    if (!(p >= 0 && p < 1)) return wg__bad(x, WG_EARG, "dropout", "p is %g, outside of [0, 1)", p);
    if (!(WG_DTYPE_BIT(x->dtype) & WG_DTYPE_REALS))
        return wg__bad(x, WG_EDTYPE, "dropout", "%s is not real", wg_dtype_name(wg_node_dtype(x)));
    if (p == 0) return wg__unchanged(x);
    const char *outer = wg__enter(x->g, "dropout");
    return wg__leave(x->g, outer, drop_elements(x, p));
}
