/* What a product does on the way: epilogues against the CPU, and whether they were asked for. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tape_test.h"

/* Bits of cuBLAS's epilogues. */
enum {
    DEFAULT = 1,
    RELU = 2,
    BIAS = 4,
    BGRAD = 16,
    GELU = 32,
    AUX = 128,
    DRELU = 136,
    DGELU = 192,
    BGRADA = 256,
    BGRADB = 512
};
enum { IN = 5, OUT = 5, EXPECTED = 4, KINDS = 1024 };

/* A graph over x [m,k], w [k,n], b [n], v [n,4], y [m,n]. */
struct made {
    wg_graph *g;
    wg_node  *in[IN], *out[OUT];
    int       n_out;
};
typedef void build(struct made *b);

static void     keep(struct made *b, wg_node *x) { b->out[b->n_out++] = x; }
static wg_node *product(const struct made *b) { return wg_matmul(b->in[0], b->in[1]); }
static wg_node *biased(const struct made *b) { return wg_add(product(b), b->in[2]); }

static struct made make(build *f, int m, int k, int n)
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
static float *results(const struct made *b, wg_tape *t, float odd, int64_t *count)
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
static double difference(build *f, int m, int k, int n, float odd)
{
    struct made b = make(f, m, k, n);
    wg_options  o = {.device = WG_CUDA(0)};
    wg_tape    *cpu = wg_compile(b.g, b.n_out, b.out, NULL), *device = wg_compile(b.g, b.n_out, b.out, &o);
    int64_t     count;
    float      *want = results(&b, cpu, odd, &count), *have = results(&b, device, odd, &count), *alone = NULL;
    double      worst = want && have ? 0 : INFINITY;
    for (int64_t i = 0; i < count && worst < INFINITY; i++) {
        double d = fabs((double)want[i] - have[i]) / (1 + fabs((double)want[i]));
        if (want[i] != want[i] || have[i] != have[i]) d = want[i] != want[i] && have[i] != have[i] ? 0 : INFINITY;
        worst = fmax(worst, d);
    }
    if (device && !wg_trace(device, 1)) alone = results(&b, device, odd, &count);
    if (worst < INFINITY && !same(have, alone, count)) tap_note("alone: other bits"), worst = INFINITY;
    free(want), free(have), free(alone);
    wg_graph_free(b.g);
    return worst;
}

/* ---- Forward ---- */

static void gelu(struct made *b) { keep(b, wg_gelu_tanh(product(b))); }
static void bias_gelu(struct made *b) { keep(b, wg_gelu_tanh(biased(b))); }
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
static void bias_relu(struct made *b) { keep(b, wg_relu(biased(b))); }
static void relu(struct made *b) { keep(b, wg_relu(product(b))); }
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
static void relu_layers(struct made *b) { layers(b, product(b), wg_relu); }
static void gelu_layers(struct made *b) { layers(b, product(b), wg_gelu_tanh); }

/* The weights' and the bias's. */
static void biased_layers(struct made *b, wg_node *f(wg_node *))
{
    wg_node *d[2] = {NULL}, *x[2] = {b->in[1], b->in[2]};
    wg_node *z = wg_matmul(f(biased(b)), b->in[3]), *loss = wg_sum(wg_mul(z, wg_sin(z)), WG_ALL_AXES, 0);
    keep(b, loss);
    if (!wg_grad(loss, 2, x, d)) keep(b, d[0]), keep(b, d[1]);
}
static void bias_relu_layers(struct made *b) { biased_layers(b, wg_relu); }
static void bias_gelu_layers(struct made *b) { biased_layers(b, wg_gelu_tanh); }

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

static const struct {
    const char *name;
    build      *f;
    int         asked[EXPECTED]; /* of [16,24] x [24,32] */
} all[] = {
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
};
enum { ALL = sizeof all / sizeof *all };

static const int sizes[][3] = {{16, 24, 32}, {7, 5, 9}, {1, 3, 8}, {33, 7, 130}, {64, 16, 128}, {8, 8, 1}, {3, 0, 4}};

static bool right(build *f)
{
    bool ok = true;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        double d = difference(f, sizes[s][0], sizes[s][1], sizes[s][2], 0);
        if (!(d < 1e-5)) tap_note("[%d,%d] x [.,%d]: %g", sizes[s][0], sizes[s][1], sizes[s][2], d);
        ok = ok && d < 1e-5;
    }
    return ok;
}

/* Whether each epilogue that is expected is asked for, and no other.  Which product takes
 * a bias's sum along, dy's own or the weights', is a matter of memory. */
static bool is_asked(build *f, const int *expected)
{
    bool ok = true, want[KINDS] = {false}, have[KINDS] = {false};
    for (int e = 0; e < EXPECTED; e++) want[expected[e]] = true;
    for (int kind = 0; kind < KINDS; kind++) shim.epilogues(kind);
    difference(f, 16, 24, 32, 0);
    for (int kind = 0; kind < KINDS; kind++) {
        bool asked = shim.epilogues(kind) > 0, either = asked && kind & BGRAD && !want[kind];
        have[kind] = have[kind] || (asked && !either);
        if (either) have[kind & ~BGRAD] = have[BGRADA] = true;
    }
    for (int kind = 2; kind < KINDS; kind++)
        if (want[kind] != have[kind]) {
            tap_note("epilogue %d was %sasked for", kind, have[kind] ? "" : "not ");
            ok = false;
        }
    return ok;
}

static void each(void)
{
    for (int i = 0; i < ALL; i++) {
        bool ok = right(all[i].f), asked = !shim.there || !all[i].asked[0] || is_asked(all[i].f, all[i].asked);
        tap(clean() && ok && asked && !shim.cublas_left(), "a product, %s", all[i].name);
    }
}

/* ---- What cuBLAS has not ---- */

static void refused(void)
{
    static const int bits[] = {AUX, BGRAD | BGRADA | BGRADB, RELU | GELU, BIAS, KINDS - 1};
    bool             ok = true;
    if (without_shim("epilogues that are not supported")) return;
    for (size_t k = 0; k < sizeof bits / sizeof *bits; k++) {
        shim.refuse_epilogues(bits[k]);
        for (int i = 0; i < ALL; i++) {
            double d = difference(all[i].f, 16, 24, 32, 0);
            if (!(d < 1e-5)) tap_note("%s without %d: %g", all[i].name, bits[k], d), ok = false;
        }
    }
    shim.refuse_epilogues(0);
    tap(clean() && ok, "without the epilogues that cuBLAS does not support");
}

/* WG_CUDA_EPILOGUES: the user's word. */
static void not_wanted(void)
{
    static const int none[EXPECTED] = {DEFAULT}, plain[EXPECTED] = {RELU | BIAS};
    if (without_shim("epilogues that are not wanted")) return;
    setenv("WG_CUDA_EPILOGUES", "none", 1);
    bool ok = is_asked(bias_relu, none) && is_asked(relu_layers, none) && right(bias_gelu_layers);
    setenv("WG_CUDA_EPILOGUES", "plain", 1);
    ok = ok && is_asked(bias_relu, plain) && is_asked(bias_relu_layers, plain) && right(bias_gelu_layers);
    unsetenv("WG_CUDA_EPILOGUES");
    tap(clean() && ok, "WG_CUDA_EPILOGUES");
}

/* As on the CPU, where relu(NaN) is NaN. */
static void nan_stays(void)
{
    static build *const f[] = {relu, bias_relu, gelu, bias_gelu};
    bool                ok = true;
    for (size_t i = 0; i < sizeof f / sizeof *f; i++) ok = ok && difference(f[i], 16, 24, 32, NAN) < 1e-5;
    tap(clean() && ok, "a NaN in a product survives relu and gelu_tanh");
}

/* Where the product is 0, so is relu's slope. */
static void dead_rows(struct made *b)
{
    wg_node *zero = wg_scale(b->in[0], 0), *y = wg_relu(wg_matmul(zero, b->in[1]));
    keep(b, wg_mul(wg_matmul_t(wg_matmul(wg_shift(y, 1), b->in[3]), b->in[3], 0, 1), wg_step(y)));
}
static void zero_has_no_slope(void)
{
    tap(difference(dead_rows, 16, 24, 32, 0) == 0 && clean(), "relu's gradient is 0 where the product is 0");
}

/* ---- Training ---- */

static struct net deep(int device, wg_node *f(wg_node *))
{
    struct net n = {.g = wg_graph_new()};
    n.x = wg_input(n.g, "x", WG_F32, WG_SHAPE(16, 20));
    n.label = wg_input(n.g, "label", WG_U8, WG_SHAPE(16));
    wg_node *h = f(wg_dense(f(wg_dense(n.x, 32, "fc1")), 24, "fc2"));
    n.loss = wg_softmax_cross_entropy(wg_dense(h, 10, "fc3"), n.label);
    n.step = wg_minimize(n.loss, &(wg_solver){.kind = WG_SGD, .rate = 0.1});
    n.tape = wg_compile(n.g, WG_NODES(n.loss, n.step), &(wg_options){.device = device});
    return n;
}

/* Forward two, of the gradients two, and three sums. */
static bool all_taken_along(int forward, int gradient)
{
    long n = shim.epilogues(forward), alone = shim.epilogues(gradient), rows = shim.epilogues(gradient | BGRAD),
         sums = shim.epilogues(BGRADA);
    if (!shim.there || (n == 2 && alone + rows == 2 && sums + rows == 3)) return true;
    tap_note("%ld forward, %ld gradients, %ld with their rows, %ld sums", n, alone, rows, sums);
    return false;
}

static void trained(wg_node *f(wg_node *), const char *name, int forward, int gradient)
{
    struct net a = deep(WG_CPU, f), b = deep(WG_CUDA(0), f);
    bool       ok = a.tape && b.tape;
    for (int kind = 0; kind < KINDS; kind++) shim.epilogues(kind);
    for (int i = 0; i < 50 && ok; i++) ok = !net_step(&a, i) && !net_step(&b, i);
    double d = net_difference(&a, &b);
    if (!(ok && d < 1e-5)) tap_note("%g; %s; %s", d, wg_message(b.g), b.tape ? wg_tape_message(b.tape) : "");
    ok = ok && d < 1e-5 && all_taken_along(forward, gradient); /* by the one capture */
    wg_graph_free(a.g);
    wg_graph_free(b.g);
    tap(clean() && ok, "50 steps of three layers with %s: as on the CPU", name);
}

/* ---- Failures ---- */

/* One life of a tape with masks, pairs and epilogues; whether all went well. */
static bool live(bool *said)
{
    struct made b = make(bias_relu_layers, 4, 3, 8);
    wg_tape    *t = wg_compile(b.g, b.n_out, b.out, &(wg_options){.device = WG_CUDA(0)});
    int64_t     n;
    float      *v = t ? results(&b, t, 0, &n) : NULL;
    bool        ok = v && !wg_run(t);
    *said = ok || *(t ? wg_tape_message(t) : wg_message(b.g));
    free(v);
    wg_graph_free(b.g);
    return ok;
}

static void failing_calls(void)
{
    bool ok = true, said = true;
    long n = 1;
    if (without_shim("the n-th call fails while products are planned")) return;
    for (bool all_well = false; !all_well && ok && n < 1000; n++) {
        shim.fail_call(n);
        long before = shim.calls();
        bool well = live(&said);
        all_well = shim.calls() - before < n;
        shim.fail_call(0);
        ok = said && (well || !all_well) && !shim.cublas_left() && !shim.leaks(false);
        if (!ok) tap_note("call %ld: %swell, %ld objects are left", n, well ? "" : "not ", shim.cublas_left());
        shim.forgive();
    }
    tap(clean() && ok && n > 50, "the n-th call fails while products are planned or asked for: nothing is left");
}

void test_epilogues(void)
{
    each();
    refused();
    not_wanted();
    nan_stays();
    zero_has_no_slope();
    trained(wg_relu, "relu", RELU | AUX | BIAS, DRELU);
    trained(wg_gelu_tanh, "gelu_tanh", GELU | AUX | BIAS, DGELU);
    failing_calls();
}
