/* Every operator, in every case and dtype that it takes: value, gradients of a
 * weighted sum, and for elementwise ones the gradients of those, by a tape on the
 * device as by one on the CPU.  All cases of an operator and dtype are one graph. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cuda/kernels/large_cases.h"
#include "tape_test.h"

enum { MOST = 200 };

/* One operator and dtype. */
struct suite {
    wg_graph    *g;
    const wg_op *op; /* NULL: the cases are of a composed function */
    int          n_in, n_out;
    struct operand {
        wg_node       *x;
        enum wg_domain domain;
        int            below; /* of indices */
    } in[MOST];
    struct result {
        wg_node    *y;
        bool        exact;
        const char *what;
    } out[MOST];
};

/* ---- Numbers ---- */

/* splitmix64 */
static double draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static double draw_operand(const struct operand *o, uint64_t *state)
{
    wg_dtype t = wg_node_dtype(o->x);
    double   u = draw(state), sign = draw(state) < 0.5 && t != WG_U8 ? -1 : 1;
    bool     real = WG_DTYPE_BIT(t) & WG_DTYPE_REALS;
    if (o->below) return floor(u * o->below);
    if (t == WG_BOOL) return u < 0.5;
    if (o->domain == WG_DOMAIN_POSITIVE) return real ? 0.5 + 1.5 * u : 1 + floor(6 * u);
    if (o->domain == WG_DOMAIN_NONZERO) return sign * (real ? 0.5 + 1.5 * u : 1 + floor(6 * u));
    if (o->domain == WG_DOMAIN_SMOOTH && real) return 0.5 * floor(8 * u) - 2 + 0.15 + 0.2 * draw(state);
    return real ? 4 * u - 2 : sign * floor(6 * u);
}

/* ---- The graph ---- */

static wg_node *add_input(struct suite *s, wg_dtype t, wg_shape shape, enum wg_domain d, int below)
{
    if (s->n_in == MOST) return NULL;
    wg_node *x = wg_input(s->g, NULL, t, shape);
    s->in[s->n_in++] = (struct operand){x, d, below};
    return x;
}

static void add_result(struct suite *s, wg_node *y, bool exact, const char *what)
{
    if (s->n_out < MOST) s->out[s->n_out++] = (struct result){y, exact, what};
}

/* Moves, choices and what IEEE 754 rounds in one way. */
static bool is_exact(const wg_op *op)
{
    static const char *const names[] = {
        "expand",       "reshape",
        "transpose",    "slice",
        "pad",          "concat",
        "gather",       "where",
        "max",          "min",
        "maximum",      "minimum",
        "neg",          "abs",
        "sign",         "add",
        "sub",          "mul",
        "div",          "sqrt",
        "relu",         "square",
        "floor",        "ceil",
        "round",        "step",
        "cast",         "size",
        "iota",         "argmax",
        "uniform",      "one_hot_index",
        "less",         "equal",
        "dropout_mask", "top_k",
        "split",        "max_with_index",
    };
    for (size_t i = 0; op && i < sizeof names / sizeof *names; i++)
        if (!strcmp(op->name, names[i])) return true;
    return false;
}

static wg_node *inner(wg_node *x, wg_node *y) { return wg_sum(wg_mul(x, y), WG_ALL_AXES, 0); }

/* d <y, w> / d x, and with twice d <those, v> / d x. */
static void add_gradients(struct suite *s, wg_node *y, int m, wg_node *const x[], bool twice)
{
    wg_node *dx[3], *ddx[3], *slope = NULL;
    wg_node *w = add_input(s, wg_node_dtype(y), *wg_node_shape(y), WG_DOMAIN_ANY, 0);
    if (wg_vjp(y, w, m, x, dx)) return;
    for (int i = 0; i < m; i++) {
        add_result(s, dx[i], false, "gradient");
        if (!twice) continue;
        wg_node *along = inner(dx[i], add_input(s, wg_node_dtype(x[i]), *wg_node_shape(x[i]), WG_DOMAIN_ANY, 0));
        slope = slope ? wg_add(slope, along) : along;
    }
    if (!slope || wg_grad(slope, m, x, ddx)) return;
    for (int i = 0; i < m; i++) add_result(s, ddx[i], false, "second gradient");
}

static wg_dtype dtype_of(char kind, wg_dtype t)
{
    return kind == 'i' ? WG_I64 : kind == 'u' ? WG_U8 : kind == 'b' ? WG_BOOL : t;
}

/* build NULL: the suite's operator itself. */
static void add_case(struct suite *s, const struct op_case *c, wg_dtype t, bool values_only)
{
    const double alpha = 0.3;
    wg_node     *x[WG_BLOCK_MAX_ARITY], *real[WG_BLOCK_MAX_ARITY];
    int          m = 0;
    for (int i = 0; i < c->n; i++) {
        bool index = c->kind[i] == 'i' || c->kind[i] == 'u';
        x[i] = add_input(s, dtype_of(c->kind[i], t), c->shape[i], s->op ? s->op->domain : WG_DOMAIN_ANY,
                         index ? c->below : 0);
        if (c->kind[i] == 'r' && (WG_DTYPE_BIT(t) & WG_DTYPE_REALS)) real[m++] = x[i];
    }
    wg_node *y = c->build ? c->build(s->g, t, x) : wg_apply(s->op, c->n, x, s->op->attr_size ? &alpha : NULL);
    bool     differentiable = y && (WG_DTYPE_BIT(wg_node_dtype(y)) & WG_DTYPE_REALS);
    add_result(s, y, !differentiable || is_exact(s->op), "value");
    if (differentiable && m && !values_only) add_gradients(s, y, m, real, s->op && s->op->block);
}

/* ---- The cases of an operator ---- */

static bool elementwise(const wg_op *op)
{
    return op->block && op != &wg_op_where && op != &wg_op_not && op != &wg_op_cast && op != &wg_op_expand;
}

static void add_elementwise(struct suite *s, wg_dtype t)
{
    static const wg_shape shapes[][WG_BLOCK_MAX_ARITY] = {
        {{1, {1}}, {1, {1}}, {1, {1}}},          {{2, {3, 5}}, {1, {5}}, {2, {3, 1}}},
        {{2, {3, 1}}, {2, {1, 4}}, {0, {0}}},    {{0, {0}}, {1, {6}}, {1, {1}}},
        {{2, {0, 3}}, {1, {3}}, {0, {0}}},       {{4, {2, 3, 41, 5}}, {3, {3, 1, 5}}, {1, {5}}},
        {{1, {5003}}, {1, {5003}}, {1, {5003}}},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct op_case c = {.n = s->op->arity, .kind = "rrr"};
        memcpy(c.shape, shapes[i], sizeof c.shape);
        add_case(s, &c, t, false);
    }
}

/* Whether the operands of a case may be of t: by the operator, or reals where it is composed. */
static bool takes(const wg_op *op, const struct op_case *c, wg_dtype t)
{
    bool real = WG_DTYPE_BIT(t) & WG_DTYPE_REALS;
    if (c->n && !strchr(c->kind, 'r')) return t == WG_F32;
    return op && c->n && op->dtypes ? (op->dtypes & WG_DTYPE_BIT(t)) && (real || c->build != cast_) : real;
}

static void add_cases(struct suite *s, const char *name, wg_dtype t, const struct op_case *c, size_t n, bool large)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(c[i].op, name) && takes(s->op, &c[i], t)) add_case(s, &c[i], t, large);
}

/* ---- Running it ---- */

static bool set_inputs(const struct suite *s, wg_tape *t)
{
    uint64_t seed = 42;
    bool     ok = true;
    for (int i = 0; i < s->n_in && ok; i++) {
        if (!wg_tape_shape(t, s->in[i].x)) continue; /* no result depends on it */
        int64_t n = wg_count(wg_node_shape(s->in[i].x));
        char   *data = malloc((size_t)n * 8 + 1);
        for (int64_t k = 0; data && k < n; k++)
            wg__store(wg_node_dtype(s->in[i].x), data, k, draw_operand(&s->in[i], &seed));
        ok = data && !wg_set(t, s->in[i].x, data);
        free(data);
    }
    return ok;
}

/* An operator that has no kernel for the device runs on the CPU, and the print warns of it. */
static bool all_on_device(const wg_tape *t)
{
    char  *text = NULL;
    size_t size = 0;
    FILE  *f = open_memstream(&text, &size);
    bool   ok = f && !wg_tape_print(t, f);
    if (f) fclose(f);
    const char *warning = ok ? strstr(text, "warning:") : NULL;
    if (warning) tap_note("%.*s", (int)strcspn(warning, "\n"), warning);
    free(text);
    return ok && !warning;
}

/* Not only relative, since terms cancel: |a - b| <= bound (1 + |a|). */
static bool near(double a, double b, double bound)
{
    return a == b || (a != a && b != b) || (bound > 0 && fabs(a - b) <= bound * (1 + fabs(a)));
}

static bool same(const struct result *r, wg_tape *cpu, wg_tape *device)
{
    wg_dtype    t = wg_node_dtype(r->y);
    const void *a = wg_view(cpu, r->y), *b = wg_view(device, r->y);
    double      bound = r->exact ? 0 : t == WG_F64 ? 1e-12 : 1e-5;
    if (!a || !b) return tap_note("%s", wg_tape_message(a ? device : cpu)), false;
    for (int64_t i = 0; i < wg_count(wg_node_shape(r->y)); i++) {
        double p = wg__load(t, a, i), q = wg__load(t, b, i);
        if (near(p, q, bound)) continue;
        tap_note("%s of rank %d: element %lld is %.17g, on the CPU %.17g", r->what, wg_node_shape(r->y)->rank,
                 (long long)i, q, p);
        return false;
    }
    return true;
}

static bool run_suite(const struct suite *s, unsigned skip)
{
    wg_node *out[MOST];
    for (int i = 0; i < s->n_out; i++) out[i] = s->out[i].y;
    wg_tape *cpu = wg_compile(s->g, s->n_out, out, &(wg_options){.skip = skip});
    wg_tape *device = wg_compile(s->g, s->n_out, out, &(wg_options){.device = WG_DEVICE_CUDA(0), .skip = skip});
    bool     ok = cpu && device && all_on_device(device);
    for (int run = 0; run < 2 && ok; run++) /* captured, and launched again */
        ok = set_inputs(s, cpu) && set_inputs(s, device) && !wg_run(cpu) && !wg_run(device);
    if (!ok)
        tap_note("%s; %s; %s", wg_message(s->g), cpu ? wg_tape_message(cpu) : "",
                 device ? wg_tape_message(device) : "");
    for (int i = 0; i < s->n_out && ok; i++) ok = same(&s->out[i], cpu, device);
    if (!ok) tap_note("the above is %s%s", skip ? "without fusion, " : "", s->op ? s->op->name : "composed");
    wg_tape_free(cpu);
    wg_tape_free(device);
    return ok;
}

/* The cases of one dtype; how many results were compared, or -1 if one is wrong. */
static int test_dtype(const char *name, const wg_op *op, wg_dtype t)
{
    struct suite s = {.g = wg_graph_new(), .op = op};
    if (op && elementwise(op) && (op->dtypes & WG_DTYPE_BIT(t))) add_elementwise(&s, t);
    add_cases(&s, name, t, op_cases, sizeof op_cases / sizeof *op_cases, false);
    add_cases(&s, name, t, large_cases, sizeof large_cases / sizeof *large_cases, true);
    bool ok = !wg_status(s.g) && s.n_in < MOST && s.n_out < MOST;
    if (!ok) tap_note("%s", wg_message(s.g));
    if (s.n_out && ok) ok = run_suite(&s, 0) && run_suite(&s, WG_SKIP_FUSE);
    if (!ok) tap_note("%s, %s", name, wg_dtype_name(t));
    wg_graph_free(s.g);
    return ok ? s.n_out : -1;
}

static void test_op(const char *name, const wg_op *op)
{
    int  results = 0;
    bool ok = true;
    for (int t = 0; t < WG_DTYPES; t++) {
        int n = test_dtype(name, op, (wg_dtype)t);
        ok = ok && n >= 0;
        results += n > 0 ? n : 0;
    }
    tap(clean() && ok && results > 0, "%s by tapes: %d values and gradients as on the CPU", name, results);
}

/* WG_CUDA_OPS_SECONDS: to compile each loop takes NVRTC a while, if no cache has it. */
static bool time_is_up(time_t start)
{
    const char *limit = getenv("WG_CUDA_OPS_SECONDS");
    return limit && difftime(time(NULL), start) >= atof(limit);
}

/* WG_CUDA_OPS: these alone, "sum softmax". */
static bool is_wanted(const char *name)
{
    const char *list = getenv("WG_CUDA_OPS");
    size_t      n = strlen(name);
    if (!list || !*list) return true;
    for (const char *at = list; (at = strstr(at, name)); at += n)
        if ((at == list || at[-1] == ' ') && (!at[n] || at[n] == ' ')) return true;
    return false;
}

void test_ops(void)
{
    time_t start = time(NULL);
    int    left = 0;
    for (const wg_op *const *op = wg_ops; *op; op++)
        if (!is_wanted((*op)->name)) continue;
        else if (time_is_up(start)) left++;
        else test_op((*op)->name, *op);
    for (size_t i = 0; i < sizeof op_cases / sizeof *op_cases; i++)
        if (*op_cases[i].op == '(' && is_wanted(op_cases[i].op) && !time_is_up(start)) test_op(op_cases[i].op, NULL);
    if (left) tap_skip("no time was left", "%d more operators by tapes", left);
}
