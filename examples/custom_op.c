/* Two operators from outside of the library, each one const struct: nothing is
 * registered, and a tape treats them as its own.
 *
 *   swish(x, beta) = x sigmoid(beta x)        element by element: it fuses
 *   running_sum(x, backward)                  along the last axis
 *
 * At the end their gradients are held against differences. */
#include <math.h>
#include <stdio.h>

#include <wengert/graph_op.h>

/* ---- swish: a block of elements, for each real dtype ---------------------- */

struct swish {
    double beta;
};
static const wg_field swish_fields[] = {WG_FIELD(struct swish, beta, REAL), {0}};

static void swish_f32(int64_t n, void *y, const void *const x[], unsigned once, const void *attr)
{
    const float *in = x[0], beta = (float)((const struct swish *)attr)->beta;
    float       *out = y;
    int          step = once & 1 ? 0 : 1; /* the operand may be one element for all */
    for (int64_t i = 0; i < n; i++) out[i] = in[i * step] / (1 + expf(-beta * in[i * step]));
}

static void swish_f64(int64_t n, void *y, const void *const x[], unsigned once, const void *attr)
{
    const double *in = x[0], beta = ((const struct swish *)attr)->beta;
    double       *out = y;
    int           step = once & 1 ? 0 : 1;
    for (int64_t i = 0; i < n; i++) out[i] = in[i * step] / (1 + exp(-beta * in[i * step]));
}

static wg_block *swish_block(int n, const wg_dtype x[], wg_dtype y)
{
    (void)n, (void)y;
    return x[0] == WG_F32 ? swish_f32 : swish_f64;
}

/* y' = s + beta y (1 - s) with s = sigmoid(beta x) */
static void swish_grad(wg_adjoint *v)
{
    double   beta = ((const struct swish *)v->attr)->beta;
    wg_node *s = wg_sigmoid(wg_scale(v->x[0], beta));
    wg_node *slope = wg_add(s, wg_scale(wg_mul(v->y, wg_one_minus(s)), beta));
    v->dx[0] = wg_mul(v->g[0], slope);
}

/* Writes swish for an ONNX file: x sigmoid(beta x), with beta as a number. */
static int swish_onnx(wg_onnx_form *f)
{
    wg_onnx_say(f, "Mul(x,Sigmoid(Mul(x,");
    wg_onnx_say_real(f, ((const struct swish *)f->attr)->beta);
    return wg_onnx_say(f, ")))");
}

static const wg_op op_swish = {
    .name = "swish",
    .doc = "y = x sigmoid(beta x)",
    .arity = 1,
    .flags = WG_OP_IN_PLACE,
    .dtypes = WG_DTYPE_REALS,
    .attr_size = sizeof(struct swish),
    .fields = swish_fields,
    .infer = wg_infer_same,
    .block = swish_block,
    .grad = swish_grad,
    .to_onnx = swish_onnx,
};

static wg_node *swish(wg_node *x, double beta) { return wg_apply(&op_swish, 1, &x, &(struct swish){beta}); }

/* ---- running_sum: a kernel that sees whole tensors ------------------------- */

struct running_sum {
    int backward; /* from the last element on */
};
static const wg_field running_sum_fields[] = {WG_FIELD(struct running_sum, backward, INT), {0}};

static int running_sum_infer(wg_infer *c)
{
    if (c->x[0].rank == 0) return wg_reject(c, WG_ESHAPE, "a scalar has no axis to sum along");
    return wg_infer_same(c);
}

static int running_sum_cpu(wg_call *c)
{
    const struct running_sum *a = c->attr;
    const wg_shape           *s = &c->y->shape;
    const double             *x = c->x[0].data;
    double                   *y = c->y->data;
    int64_t                   n = s->dim[s->rank - 1], count = wg_count(s);
    for (int64_t row = 0; row < count; row += n) {
        double sum = 0;
        for (int64_t i = 0; i < n; i++) {
            int64_t at = row + (a->backward ? n - 1 - i : i);
            y[at] = sum += x[at];
        }
    }
    return WG_OK;
}

static wg_node *running_sum(wg_node *x, int backward);

/* x[i] is in every sum from i on: the gradient is the sum the other way round. */
static void running_sum_grad(wg_adjoint *v)
{
    v->dx[0] = running_sum(v->g[0], !((const struct running_sum *)v->attr)->backward);
}

static const wg_op op_running_sum = {
    .name = "running_sum",
    .doc = "y[i] = x[0] + .. + x[i] along the last axis",
    .arity = 1,
    .dtypes = WG_DTYPE_BIT(WG_F64),
    .attr_size = sizeof(struct running_sum),
    .fields = running_sum_fields,
    .infer = running_sum_infer,
    .cpu = running_sum_cpu,
    .grad = running_sum_grad,
};

static wg_node *running_sum(wg_node *x, int backward)
{
    return wg_apply(&op_running_sum, 1, &x, &(struct running_sum){backward});
}

/* ---- Gradients against differences ------------------------------------------ */

enum { ROWS = 2, COLUMNS = 3, N = ROWS * COLUMNS };

/* Returns the largest |derivative - central difference| of loss with respect to x; NaN on an error. */
static double worst_difference(wg_tape *t, wg_node *x, wg_node *loss, wg_node *dx)
{
    const double h = 1e-5;
    double       at[N] = {-1.5, -0.25, 0, 0.5, 1, 2}, slope[N], worst = 0;
    if (wg_set(t, x, at) || wg_run(t) || wg_get(t, dx, slope)) return NAN;
    for (int i = 0; i < N; i++) {
        double middle = at[i];
        at[i] = middle + h;
        if (wg_set(t, x, at) || wg_run(t)) return NAN;
        double above = wg_get_scalar(t, loss);
        at[i] = middle - h;
        if (wg_set(t, x, at) || wg_run(t)) return NAN;
        worst = fmax(worst, fabs((above - wg_get_scalar(t, loss)) / (2 * h) - slope[i]));
        at[i] = middle;
    }
    return worst;
}

static int check(const char *name, wg_graph *g, wg_node *x, wg_node *y)
{
    wg_node *loss = wg_sum(wg_square(y), WG_ALL_AXES, 0), *dx = NULL;
    wg_grad(loss, 1, &x, &dx);
    wg_tape *t = wg_compile(g, WG_NODES(loss, dx), NULL);
    double   worst = t ? worst_difference(t, x, loss, dx) : NAN;
    if (!t || wg_tape_status(t)) return fprintf(stderr, "%s: %s\n", name, t ? wg_tape_message(t) : wg_message(g)), 1;
    printf("%s: gradient %s differences\n", name, worst < 1e-6 ? "agrees with" : "is not that of");
    return !(worst < 1e-6);
}

int main(void)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F64, WG_SHAPE(ROWS, COLUMNS));
    int       failed = check("swish", g, x, swish(x, 1.5));
    failed |= check("running_sum", g, x, running_sum(x, 0));
    failed |= check("running_sum backward", g, x, running_sum(x, 1));
    failed |= check("both", g, x, swish(running_sum(x, 0), 0.5));

    running_sum(wg_scalar(g, WG_F64, 1), 0); /* a wrong call says what is wrong */
    printf("%s\n", wg_message(g));
    wg_graph_free(g);
    return failed;
}
