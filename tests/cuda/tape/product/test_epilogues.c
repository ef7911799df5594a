/* What a product does on the way: epilogues against the CPU, and whether they were asked for. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "epilogue_graphs.h"

static const int sizes[][3] = {{16, 24, 32}, {7, 5, 9}, {1, 3, 8}, {33, 7, 130}, {64, 16, 128}, {8, 8, 1}, {3, 0, 4}};

static bool right(build *f)
{
    bool ok = true;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        double d = case_difference(WG_PRECISION_EXACT, f, sizes[s][0], sizes[s][1], sizes[s][2], 0);
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
    case_difference(WG_PRECISION_EXACT, f, 16, 24, 32, 0);
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
    for (int i = 0; i < EPILOGUE_CASES; i++) {
        bool ok = right(epilogue_cases[i].f), asked = !shim.there || !epilogue_cases[i].asked[0] ||
                                                      is_asked(epilogue_cases[i].f, epilogue_cases[i].asked);
        tap(clean() && ok && asked && !shim.cublas_left(), "a product, %s", epilogue_cases[i].name);
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
        for (int i = 0; i < EPILOGUE_CASES; i++) {
            double d = case_difference(WG_PRECISION_EXACT, epilogue_cases[i].f, 16, 24, 32, 0);
            if (!(d < 1e-5)) tap_note("%s without %d: %g", epilogue_cases[i].name, bits[k], d), ok = false;
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
    for (size_t i = 0; i < sizeof f / sizeof *f; i++)
        ok = ok && case_difference(WG_PRECISION_EXACT, f[i], 16, 24, 32, NAN) < 1e-5;
    tap(clean() && ok, "a NaN in a product survives relu and gelu_tanh");
}

/* Where the product is 0, so is relu's slope. */
static void dead_rows(struct made *b)
{
    wg_node *zero = wg_scale(b->in[0], 0), *y = wg_relu(wg_matmul(zero, b->in[1]));
    b->out[b->n_out++] = wg_mul(wg_matmul_t(wg_matmul(wg_shift(y, 1), b->in[3]), b->in[3], 0, 1), wg_step(y));
}
static void zero_has_no_slope(void)
{
    tap(case_difference(WG_PRECISION_EXACT, dead_rows, 16, 24, 32, 0) == 0 && clean(),
        "relu's gradient is 0 where the product is 0");
}

/* ---- Training ---- */

static struct net deep(int device, wg_node *f(wg_node *))
{
    struct net n = {.g = wg_graph_new()};
    n.x = wg_input(n.g, "x", WG_F32, WG_SHAPE(16, 20));
    n.label = wg_input(n.g, "label", WG_U8, WG_SHAPE(16));
    wg_node *h = f(wg_dense(f(wg_dense(n.x, 32, "fc1")), 24, "fc2"));
    n.loss = wg_softmax_cross_entropy(wg_dense(h, 10, "fc3"), n.label);
    n.step = wg_minimize(n.loss, &(wg_solver){.kind = WG_SOLVER_SGD, .rate = 0.1});
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
    struct net a = deep(WG_DEVICE_CPU, f), b = deep(WG_DEVICE_CUDA(0), f);
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
    struct made b = make_case(bias_relu_layers, 4, 3, 8);
    wg_tape    *t = wg_compile(b.g, b.n_out, b.out, &(wg_options){.device = WG_DEVICE_CUDA(0)});
    int64_t     n;
    float      *v = t ? case_results(&b, t, 0, &n) : NULL;
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
