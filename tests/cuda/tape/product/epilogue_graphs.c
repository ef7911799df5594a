/* Products with what comes before and after them: the graphs, and how they differ on a device. */
#include "epilogue_graphs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void     keep(struct made *b, wg_node *x) { b->out[b->n_out++] = x; }
static wg_node *product(const struct made *b) { return wg_matmul(b->in[0], b->in[1]); }
static wg_node *biased(const struct made *b) { return wg_add(product(b), b->in[2]); }

struct made make_case(build *f, int m, int k, int n)
{
    struct made    b = {.g = wg_graph_new()};
    const wg_shape shape[IN] = {WG_SHAPE(m, k), WG_SHAPE(k, n), WG_SHAPE(n), WG_SHAPE(n, 4), WG_SHAPE(m, n)};
    for (int i = 0; i < IN; i++) b.in[i] = wg_input(b.g, (char[2]){"xwbvy"[i]}, WG_F32, shape[i]);
    f(&b);
    return b;
}

/* ---- Running ---- */

static void fill(float *to, int64_t n, unsigned s, float odd)
{
    for (int64_t i = 0; i < n; i++) {
        s = s * 1664525u + 1013904223u;
        to[i] = (float)(s >> 8) / (1 << 24) - 0.5f;
    }
    if (n && odd != 0) to[n / 2] = odd;
}

/* All results, one after the other; NULL if something failed. */
float *case_results(const struct made *b, wg_tape *t, float odd, int64_t *count)
{
    int64_t n = 0, most = 1;
    for (int i = 0; i < IN; i++) most += wg_count(wg_node_shape(b->in[i]));
    for (int i = 0; i < b->n_out; i++) n += wg_count(wg_node_shape(b->out[i]));
    float *v = calloc((size_t)(n + most), sizeof *v), *in = v + n;
    int    status = t ? WG_OK : WG_EARG;
    for (int i = 0; i < IN && !status; i++) {
        fill(in, wg_count(wg_node_shape(b->in[i])), 1 + (unsigned)i, i ? 0 : odd);
        if (wg_tape_shape(t, b->in[i])) status = wg_set(t, b->in[i], in);
    }
    if (!status) status = wg_run(t);
    for (int64_t i = 0, at = 0; i < b->n_out && !status; at += wg_count(wg_node_shape(b->out[i++])))
        status = wg_get(t, b->out[i], v + at);
    if (status) tap_note("%s; %s", wg_message(b->g), t ? wg_tape_message(t) : "no tape"), free(v), v = NULL;
    *count = n;
    return v;
}

/* Bit by bit, but one NaN is as good as another. */
static bool same(const float *u, const float *v, int64_t n)
{
    for (int64_t i = 0; u && v && i < n; i++)
        if (!(u[i] == v[i] || (u[i] != u[i] && v[i] != v[i]))) return false;
    return u && v;
}

/* The largest difference between device and CPU relative to 1 + |value|;
 * infinity if something failed, or single instructions gave other bits. */
double case_difference(int precision, build *f, int m, int k, int n, float odd)
{
    struct made b = make_case(f, m, k, n);
    wg_options  o = {.device = WG_DEVICE_CUDA(0), .precision = precision};
    wg_tape    *cpu = wg_compile(b.g, b.n_out, b.out, NULL), *device = wg_compile(b.g, b.n_out, b.out, &o);
    int64_t     count;
    float      *want = case_results(&b, cpu, odd, &count), *have = case_results(&b, device, odd, &count), *alone = NULL;
    double      worst = want && have ? 0 : INFINITY;
    for (int64_t i = 0; i < count && worst < INFINITY; i++) {
        double d = fabs((double)want[i] - have[i]) / (1 + fabs((double)want[i]));
        if (want[i] != want[i] || have[i] != have[i]) d = want[i] != want[i] && have[i] != have[i] ? 0 : INFINITY;
        worst = fmax(worst, d);
    }
    if (device && !wg_trace(device, 1)) alone = case_results(&b, device, odd, &count);
    if (worst < INFINITY && !same(have, alone, count)) tap_note("alone: other bits"), worst = INFINITY;
    free(want), free(have), free(alone);
    wg_graph_free(b.g);
    return worst;
}

/* ---- Forward ---- */

void        gelu(struct made *b) { keep(b, wg_gelu_tanh(product(b))); }
void        bias_gelu(struct made *b) { keep(b, wg_gelu_tanh(biased(b))); }
static void gelu_kept(struct made *b)
{
    wg_node *h = product(b);
    keep(b, h), keep(b, wg_gelu_tanh(h));
}
static void bias_gelu_kept(struct made *b)
{
    wg_node *h = biased(b);
    keep(b, h), keep(b, wg_gelu_tanh(h));
}
static void erf_gelu(struct made *b) { keep(b, wg_gelu(product(b))); }
static void all_kept(struct made *b)
{
    wg_node *c = product(b), *h = wg_add(c, b->in[2]);
    keep(b, c), keep(b, h), keep(b, wg_gelu_tanh(h));
}
void        bias_relu(struct made *b) { keep(b, wg_relu(biased(b))); }
void        relu(struct made *b) { keep(b, wg_relu(product(b))); }
static void relu_kept(struct made *b)
{
    wg_node *h = biased(b);
    keep(b, h), keep(b, wg_relu(h));
}

/* ---- Gradients ---- */

/* Of two layers, by all of their weights. */
static void layers(struct made *b, wg_node *h, wg_node *f(wg_node *))
{
    wg_node *d[4] = {NULL}, *y = f(h), *loss = wg_sum(wg_square(wg_matmul(y, b->in[3])), WG_ALL_AXES, 0);
    keep(b, loss);
    if (!wg_grad(loss, 4, b->in, d))
        for (int i = 0; i < 4; i++)
            if (d[i] && i != 2) keep(b, d[i]);
}
void        relu_layers(struct made *b) { layers(b, product(b), wg_relu); }
static void gelu_layers(struct made *b) { layers(b, product(b), wg_gelu_tanh); }

/* The weights' and the bias's. */
static void biased_layers(struct made *b, wg_node *f(wg_node *))
{
    wg_node *d[2] = {NULL}, *x[2] = {b->in[1], b->in[2]};
    wg_node *z = wg_matmul(f(biased(b)), b->in[3]), *loss = wg_sum(wg_mul(z, wg_sin(z)), WG_ALL_AXES, 0);
    keep(b, loss);
    if (!wg_grad(loss, 2, x, d)) keep(b, d[0]), keep(b, d[1]);
}
void bias_relu_layers(struct made *b) { biased_layers(b, wg_relu); }
void bias_gelu_layers(struct made *b) { biased_layers(b, wg_gelu_tanh); }

/* x as a stack of matrices of one row, which is one product still. */
static wg_node *stacked(const struct made *b)
{
    wg_node *x = wg_reshape(b->in[0], WG_SHAPE(wg_node_shape(b->in[0])->dim[0], 1, WG_DIM_AUTO));
    return wg_matmul(x, b->in[1]);
}
static void stacked_bias_relu(struct made *b) { keep(b, wg_relu(wg_add(stacked(b), b->in[2]))); }
static void stacked_layers(struct made *b) { layers(b, stacked(b), wg_relu); }

/* All is kept, so that the sum does not take the memory of an operand. */
static void drelu_rows(struct made *b)
{
    wg_node *y = wg_relu(biased(b)), *z = wg_matmul(y, b->in[3]), *g = wg_matmul_t(z, b->in[3], 0, 1);
    wg_node *dy = wg_mul(wg_step(y), g);
    keep(b, y), keep(b, z), keep(b, wg_matmul_t(b->in[0], dy, 1, 0)), keep(b, dy), keep(b, wg_sum(dy, WG_AXES(0), 0));
}
static void dgelu_rows(struct made *b)
{
    wg_node *h = biased(b), *y = wg_gelu_tanh(h), *g = wg_matmul_t(wg_matmul(y, b->in[3]), b->in[3], 0, 1), *d = NULL;
    wg_grad(wg_sum(y, WG_ALL_AXES, 0), 1, &h, &d); /* gelu_tanh_slope(h) */
    wg_node *dy = wg_mul(g, d);
    keep(b, h), keep(b, wg_matmul_t(b->in[0], dy, 1, 0)), keep(b, dy), keep(b, wg_sum(dy, WG_AXES(0), 0));
}

/* ---- A product with the sum of an operand ---- */

static void sum_after(struct made *b)
{
    keep(b, wg_matmul_t(b->in[0], b->in[4], 1, 0)), keep(b, wg_sum(b->in[4], WG_AXES(0), 0));
}
static void sum_before(struct made *b)
{
    keep(b, wg_sum(b->in[4], WG_AXES(0), 1)), keep(b, wg_matmul_t(b->in[0], b->in[4], 1, 0));
}
static void sum_of_first(struct made *b)
{
    keep(b, wg_matmul_t(b->in[4], b->in[0], 1, 0)), keep(b, wg_sum(b->in[4], WG_AXES(0), 0));
}
static void sum_turned(struct made *b) /* y v, and the sums of y's columns */
{
    keep(b, wg_matmul(b->in[4], b->in[3])), keep(b, wg_sum(b->in[4], WG_AXES(1), 0));
}
static void sum_of_turned(struct made *b) /* v' y', and the same sums */
{
    keep(b, wg_matmul_t(b->in[3], b->in[4], 1, 1)), keep(b, wg_sum(b->in[4], WG_AXES(1), 0));
}
static void other_sums(struct made *b) /* over the other axis, and of something else */
{
    keep(b, wg_matmul_t(b->in[0], b->in[4], 1, 0)), keep(b, wg_sum(b->in[4], WG_AXES(1), 0));
    keep(b, wg_max(b->in[4], WG_AXES(0), 0));
}
/* The sum is read by what the product reads: it cannot wait, nor the product come first. */
static void sum_needed(struct made *b)
{
    wg_node *s = wg_sum(b->in[4], WG_AXES(0), 0), *x = wg_add(b->in[0], wg_mean(s, WG_ALL_AXES, 0));
    keep(b, wg_matmul_t(x, b->in[4], 1, 0)), keep(b, s);
}
/* Many values that die between the two, so that memory is used again. */
static void sum_far(struct made *b)
{
    wg_node *p = wg_matmul_t(b->in[0], b->in[4], 1, 0), *s = wg_sum(wg_square(p), WG_ALL_AXES, 0);
    for (int i = 0; i < 4; i++) s = wg_add(s, wg_sum(wg_softmax(wg_add(b->in[4], s), 1), WG_AXES(0), 0));
    keep(b, s), keep(b, wg_sum(b->in[4], WG_AXES(0), 0));
}

const struct epilogue_case epilogue_cases[] = {
    {"gelu_tanh", gelu, {GELU}},
    {"+ bias, gelu_tanh", bias_gelu, {GELU | BIAS}},
    {"kept, gelu_tanh", gelu_kept, {GELU | AUX}},
    {"+ bias kept, gelu_tanh", bias_gelu_kept, {GELU | AUX | BIAS}},
    {"kept, + bias kept, gelu_tanh", all_kept, {DEFAULT}},
    {"gelu, which is no epilogue", erf_gelu, {DEFAULT}},
    {"relu", relu, {RELU}},
    {"+ bias, relu", bias_relu, {RELU | BIAS}},
    {"+ bias kept, relu", relu_kept, {DEFAULT}},
    {"two layers with relu and all gradients", relu_layers, {RELU | AUX, DRELU}},
    {"two layers with gelu_tanh and all gradients", gelu_layers, {GELU | AUX, DGELU}},
    {"two layers with bias and relu", bias_relu_layers, {RELU | AUX | BIAS, DRELU, BGRADA}},
    {"two layers with bias and gelu_tanh", bias_gelu_layers, {GELU | AUX | BIAS, DGELU | BGRAD}},
    {"relu's gradient and the sum of its rows", drelu_rows, {RELU | AUX | BIAS, DRELU | BGRAD}},
    {"gelu_tanh's gradient and the sum of its rows", dgelu_rows, {GELU | AUX | BIAS, DGELU | BGRAD}},
    {"beside a sum", sum_after, {BGRADA}},
    {"beside a sum that comes first", sum_before, {BGRADA}},
    {"beside a sum of the first operand", sum_of_first, {BGRADB}},
    {"beside a sum over the last axis", sum_turned, {DEFAULT}},
    {"turned, beside a sum over the last axis", sum_of_turned, {DEFAULT}},
    {"beside other reductions", other_sums, {DEFAULT}},
    {"of what needs the sum", sum_needed, {DEFAULT}},
    {"far from the sum", sum_far, {0}},
    {"of a stack, + bias, relu", stacked_bias_relu, {RELU | BIAS}},
    {"of a stack, two layers with relu and all gradients", stacked_layers, {RELU | AUX, DRELU}},
};
_Static_assert(sizeof epilogue_cases / sizeof *epilogue_cases == EPILOGUE_CASES, "as the header says");
