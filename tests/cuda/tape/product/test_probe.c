/* What the device is asked before a tape takes an epilogue, and what cuBLAS refuses: whatever the answers, results
 * are those of the CPU. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "epilogue_graphs.h"

static void forget_epilogues(void)
{
    for (int kind = 0; kind < KINDS; kind++) shim.epilogues(kind);
}

/* Whether a product was captured whose epilogue has all of these bits, since the last question. */
static bool was_captured(int bits)
{
    bool any = false;
    for (int kind = 2; kind < KINDS; kind++)
        if ((kind & bits) == bits) any = shim.epilogues(kind) > 0 || any;
    return any;
}

/* Whether every case is right; what is said otherwise begins with `where`. */
static bool all_right(int precision, double bound, const char *where)
{
    bool ok = true;
    for (int i = 0; i < EPILOGUE_CASES; i++) {
        double d = case_difference(precision, epilogue_cases[i].f, 16, 24, 32, 0);
        if (!(d < bound)) tap_note("%s: %s: %g", where, epilogue_cases[i].name, d), ok = false;
    }
    return ok;
}

/* ---- Meanings ---- */

/* relu of products that are exactly 0: nothing flows back. */
static void dead(struct made *b)
{
    wg_node *y = wg_relu(wg_matmul(wg_scale(b->in[0], 0), b->in[1]));
    b->out[b->n_out++] = wg_mul(wg_matmul_t(wg_matmul(wg_shift(y, 1), b->in[3]), b->in[3], 0, 1), wg_step(y));
}

static bool as_on_the_cpu(const char *where)
{
    static build *const with_nan[] = {relu, bias_relu, gelu, bias_gelu};
    bool                ok = all_right(WG_PRECISION_EXACT, 1e-5, where);
    for (size_t i = 0; i < sizeof with_nan / sizeof *with_nan; i++) {
        double d = case_difference(WG_PRECISION_EXACT, with_nan[i], 16, 24, 32, NAN);
        if (!(d < 1e-5)) tap_note("%s: NaN, %zu: %g", where, i, d), ok = false;
    }
    double zero = case_difference(WG_PRECISION_EXACT, dead, 16, 24, 32, 0);
    if (zero != 0) tap_note("%s: relu's slope at 0: %g", where, zero);
    return ok && zero == 0;
}

/* What is captured of two nets, and whether that is what these answers allow. */
static bool takes_what_it_may(int answers, const char *where)
{
    bool keeps = !(answers & WG_SHIM_RELU_LOSES_NAN), slope = keeps && !(answers & WG_SHIM_ZERO_HAS_A_SIGN);
    bool smooth = !(answers & WG_SHIM_GELU_LOSES_NAN), exact = smooth && !(answers & WG_SHIM_ROUGH_TANH);
    struct {
        const char *what;
        int         precision, bits;
        build      *f;
        bool        wanted;
    } all[] = {{"relu", WG_PRECISION_EXACT, RELU, bias_relu, keeps},
               {"relu in TF32", WG_PRECISION_TF32, RELU, bias_relu, keeps},
               {"signs", WG_PRECISION_EXACT, RELU | AUX, bias_relu_layers, slope},
               {"slopes", WG_PRECISION_EXACT, DRELU, bias_relu_layers, slope},
               {"gelu", WG_PRECISION_EXACT, GELU, bias_gelu, exact},
               {"gelu's slopes", WG_PRECISION_EXACT, DGELU, bias_gelu_layers, exact},
               {"gelu in TF32", WG_PRECISION_TF32, GELU, bias_gelu, smooth},
               {"gelu's slopes in TF32", WG_PRECISION_TF32, DGELU, bias_gelu_layers, smooth}};
    bool ok = true;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        forget_epilogues();
        case_difference(all[i].precision, all[i].f, 16, 24, 32, 0);
        if (was_captured(all[i].bits) == all[i].wanted) continue;
        tap_note("%s: %s: %s", where, all[i].what, all[i].wanted ? "not asked for" : "asked for");
        ok = false;
    }
    return ok;
}

static void meanings(void)
{
    if (without_shim("epilogues that mean something else")) return;
    for (int answers = 0; answers < 16; answers++) {
        char where[120];
        snprintf(where, sizeof where, "relu %s NaN, 0 has %s sign, gelu is %s and %s NaN",
                 answers & WG_SHIM_RELU_LOSES_NAN ? "loses" : "keeps", answers & WG_SHIM_ZERO_HAS_A_SIGN ? "a" : "no",
                 answers & WG_SHIM_ROUGH_TANH ? "rough" : "exact",
                 answers & WG_SHIM_GELU_LOSES_NAN ? "loses" : "keeps");
        shim.answers(answers);
        bool ok = as_on_the_cpu(where) && takes_what_it_may(answers, where);
        tap(clean() && ok, "where %s: as on the CPU", where);
    }
    shim.answers(0);
}

/* ---- What is said of them ---- */

static bool print_has(build *f, int precision, const char *text)
{
    struct made b = make_case(f, 8, 8, 8);
    wg_tape    *t = wg_compile(b.g, b.n_out, b.out, &(wg_options){.device = WG_DEVICE_CUDA(0), .precision = precision});
    char       *print = NULL;
    size_t      n = 0;
    FILE       *f_out = open_memstream(&print, &n);
    if (t && f_out) wg_tape_print(t, f_out);
    if (f_out) fclose(f_out);
    bool ok = print && strstr(print, text);
    if (!ok) tap_note("no \"%s\" in: %s", text, print ? print : wg_message(b.g));
    free(print);
    wg_graph_free(b.g);
    return ok;
}

static void said(void)
{
    if (without_shim("the print of a tape says what epilogues mean")) return;
    bool ok =
        print_has(relu, WG_PRECISION_EXACT, "note: epilogues of cuBLASLt: relu keeps NaN, its slope at 0 is 0, gelu ");
    shim.answers(WG_SHIM_RELU_LOSES_NAN | WG_SHIM_ZERO_HAS_A_SIGN | WG_SHIM_ROUGH_TANH);
    ok = ok && print_has(relu, WG_PRECISION_EXACT,
                         "relu loses NaN and is a kernel, its slope at 0 is not and is a kernel, gelu ");
    ok = ok && print_has(gelu, WG_PRECISION_EXACT, ") is a kernel\n") &&
         print_has(gelu, WG_PRECISION_TF32, ") is taken\n");
    shim.answers(0);
    tap(clean() && ok, "the print of a tape says what epilogues mean");
}

/* The second tape of a graph takes fewer calls, by those of the question. */
static void remembered(void)
{
    if (without_shim("the device is asked once")) return;
    struct made b = make_case(bias_relu, 16, 24, 32);
    long        calls[3];
    for (int i = 0; i < 3; i++) {
        long before = shim.calls();
        wg_compile(b.g, b.n_out, b.out, &(wg_options){.device = WG_DEVICE_CUDA(0)});
        calls[i] = shim.calls() - before;
    }
    bool ok = calls[0] > calls[1] && calls[1] == calls[2];
    if (!ok) tap_note("%ld, %ld and %ld calls", calls[0], calls[1], calls[2]);
    wg_graph_free(b.g);
    tap(clean() && ok, "the device is asked once, and remembers");
}

static void forced(void)
{
    if (without_shim("WG_CUDA_EPILOGUES=all")) return;
    shim.answers(WG_SHIM_RELU_LOSES_NAN);
    setenv("WG_CUDA_EPILOGUES", "all", 1);
    forget_epilogues();
    case_difference(WG_PRECISION_EXACT, bias_relu, 16, 24, 32, 0);
    bool all = was_captured(RELU | BIAS);
    setenv("WG_CUDA_EPILOGUES", "plain", 1);
    case_difference(WG_PRECISION_EXACT, bias_relu, 16, 24, 32, 0);
    bool plain = was_captured(RELU);
    unsetenv("WG_CUDA_EPILOGUES");
    shim.answers(0);
    tap(clean() && all && !plain, "WG_CUDA_EPILOGUES=all asks for what means something else, plain does not");
}

/* ---- Refusals ---- */

static const char *const places[] = {[WG_SHIM_DESCRIPTOR] = "as descriptors are made",
                                     [WG_SHIM_HEURISTIC] = "by the heuristic",
                                     [WG_SHIM_CHECK] = "by all candidates",
                                     [WG_SHIM_PRODUCT] = "when it is asked for"};

/* Of every epilogue, in every way and at every place. */
static void refused_epilogues(void)
{
    static const int status[] = {1, 7, 8, 11, 13, 14, 15}; /* all of cublasStatus_t but of short memory */
    if (without_shim("cuBLAS refuses an epilogue")) return;
    for (int at = WG_SHIM_DESCRIPTOR; at <= WG_SHIM_PRODUCT; at++) {
        bool ok = true;
        for (size_t s = 0; s < sizeof status / sizeof *status; s++) {
            shim.refuse(&(struct wg_shim_refusal){.at = at, .status = status[s], .epilogues = KINDS - 2});
            forget_epilogues();
            ok = all_right(WG_PRECISION_EXACT, 1e-5, places[at]) && ok;
            ok = !was_captured(RELU) && !was_captured(BIAS) && !was_captured(GELU) && ok;
        }
        shim.refuse(&(struct wg_shim_refusal){0});
        tap(clean() && ok, "cuBLAS refuses every epilogue %s, with whatever status: kernels do it", places[at]);
    }
}

/* The first candidate is none, or is refused where it is asked for: the next one is taken, with its epilogue. */
static void refused_candidates(void)
{
    if (without_shim("cuBLAS refuses a candidate")) return;
    bool ok = true;
    for (int at = WG_SHIM_CHECK; at <= WG_SHIM_PRODUCT; at++) {
        shim.refuse(&(struct wg_shim_refusal){.at = at, .status = 14, .candidates = 1});
        forget_epilogues();
        ok = all_right(WG_PRECISION_EXACT, 1e-5, places[at]) && was_captured(RELU | BIAS) && was_captured(DGELU) && ok;
    }
    shim.refuse(&(struct wg_shim_refusal){0});
    tap(clean() && ok, "cuBLAS refuses a candidate: the next one is taken, epilogue and all");
}

/* No fast product: all is exact, and the print says so.  Epilogues of fast products go first. */
static void refused_precision(void)
{
    if (without_shim("cuBLAS refuses a precision")) return;
    for (int at = WG_SHIM_DESCRIPTOR; at <= WG_SHIM_PRODUCT; at++) {
        bool ok = true;
        if (at == WG_SHIM_DESCRIPTOR) continue; /* set for epilogues alone */
        shim.refuse(&(struct wg_shim_refusal){.at = at, .status = 15, .fast = true});
        for (int precision = WG_PRECISION_TF32; precision <= WG_PRECISION_FP16; precision++)
            ok = all_right(precision, 1e-5, places[at]) && ok;
        ok = print_has(relu, WG_PRECISION_TF32, "products in f32 after all") && ok;
        shim.refuse(&(struct wg_shim_refusal){0});
        tap(clean() && ok, "cuBLAS refuses TF32, bfloat16 and half precision %s: f32", places[at]);
    }
}

/* Where nothing is left, the compilation ends, and says why; the graph goes on. */
static void refused_all(void)
{
    if (without_shim("cuBLAS refuses every product")) return;
    struct made b = make_case(bias_relu_layers, 16, 24, 32);
    bool        ok = true;
    for (int at = WG_SHIM_HEURISTIC; at <= WG_SHIM_PRODUCT; at++) {
        shim.refuse(&(struct wg_shim_refusal){.at = at, .status = 14});
        wg_tape *t =
            wg_compile(b.g, b.n_out, b.out, &(wg_options){.device = WG_DEVICE_CUDA(0), .precision = WG_PRECISION_TF32});
        ok = !t && wg_status(b.g) == WG_EDEVICE && strstr(wg_message(b.g), "matmul 16x24x32 of f32: cuBLAS: ") && ok;
        tap_note("%s", wg_message(b.g));
        wg_clear_error(b.g);
    }
    shim.refuse(&(struct wg_shim_refusal){0});
    wg_tape *t = wg_compile(b.g, b.n_out, b.out, &(wg_options){.device = WG_DEVICE_CUDA(0)});
    wg_graph_free(b.g);
    tap(clean() && ok && t && !shim.cublas_left(), "cuBLAS refuses every product: an error that names it");
}

/* Refused in a run, though not when it was rehearsed: an error that names the instruction, and the tape goes on. */
static void refused_late(void)
{
    if (without_shim("cuBLAS refuses a product in a run")) return;
    struct made b = make_case(bias_relu, 16, 24, 32);
    wg_tape    *t = wg_compile(b.g, b.n_out, b.out, &(wg_options){.device = WG_DEVICE_CUDA(0)});
    int64_t     n;
    shim.refuse(&(struct wg_shim_refusal){.at = WG_SHIM_PRODUCT, .status = 14, .capturing = true});
    float *none = case_results(&b, t, 0, &n);
    bool   ok = t && !none && strstr(wg_tape_message(t), "run: %0 matmul+add+relu: ");
    shim.refuse(&(struct wg_shim_refusal){0});
    float *some = case_results(&b, t, 0, &n);
    ok = ok && some;
    free(none), free(some);
    wg_graph_free(b.g);
    tap(clean() && ok, "cuBLAS refuses a product in a run: an error that names it, and the tape goes on");
}

/* ---- Rehearsals ---- */

/* Products whose values become parameters: to compile a tape changes none. */
static void parameters_keep(void)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(4, 4)), *p = wg_param(g, "p", WG_F32, WG_SHAPE(4, 4));
    wg_node  *q = wg_param(g, "q", WG_F32, WG_SHAPE(4, 4)), *c = wg_matmul(x, x);
    float     v[16], w[16];
    for (int i = 0; i < 16; i++) v[i] = (float)(i + 1);
    bool     ok = !wg_param_set(p, v) && !wg_param_set(q, v);
    wg_node *all[][2] = {{wg_assign(p, c), wg_assign(q, wg_relu(c))},
                         {wg_assign(p, wg_relu(wg_add(c, p))), wg_assign(q, wg_gelu_tanh(c))},
                         {wg_assign(p, wg_relu(wg_matmul(x, p))), wg_assign(q, wg_gelu_tanh(wg_matmul(x, q)))},
                         {wg_assign(p, wg_matmul(x, p)), wg_assign(q, wg_matmul(p, q))}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        ok = ok && wg_compile(g, 2, all[i], &(wg_options){.device = WG_DEVICE_CUDA(0)});
        ok = ok && !wg_param_get(p, w) && !memcmp(v, w, sizeof v) && !wg_param_get(q, w) && !memcmp(v, w, sizeof v);
    }
    if (!ok) tap_note("%s; p[0] = %g", wg_message(g), (double)w[0]);
    wg_graph_free(g);
    tap(clean() && ok, "products that are tried as a tape is compiled leave parameters alone");
}

void test_probe(void)
{
    meanings();
    said();
    remembered();
    forced();
    refused_epilogues();
    refused_candidates();
    refused_precision();
    refused_all();
    refused_late();
    parameters_keep();
}
