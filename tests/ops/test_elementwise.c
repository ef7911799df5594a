/* Elementwise operators against their own rows, read as plain C with libm. */
#include "ops/ops_test.h"

#define T double
#define M(f) f
#define R(c) (c)
#define DIV(x, y) ((x) / (y))
static double sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double softplus(double x) { return x > 30 ? x + exp(-x) : log1p(exp(x)); }

#define U(name, y, ...) \
    static double ref_##name(double x, double unused, double a) { return (void)unused, (void)a, y; }
#define UA(name, y, ...) \
    static double ref_##name(double x, double unused, double a) { return (void)unused, y; }
#include "ops/unary.def"
#undef U
#undef UA
#define B(name, z, ...) \
    static double ref_##name(double x, double y, double a) { return (void)a, z; }
#define C(name, z, ...) \
    static double ref_##name(double x, double y, double a) { return (void)a, z; }
#define L(name, z, ...)
#include "ops/binary.def"
#undef B
#undef C
#undef L

static const struct row {
    const wg_op *op;
    double (*f)(double x, double y, double a);
} rows[] = {
#define U(name, ...) {&wg_op_##name, ref_##name},
#define UA(name, ...) {&wg_op_##name, ref_##name},
#define B(name, ...) {&wg_op_##name, ref_##name},
#define C(name, ...) {&wg_op_##name, ref_##name},
#define L(name, ...)
#include "ops/unary.def"
#include "ops/binary.def"
};

enum { N = 5000, ODD = 12 };
static const double odd[ODD] = {0, -0.0, 1, -1, NAN, INFINITY, -INFINITY, 1e-30, -1e-30, 30, -30, 0.5};

static bool near(double got, double want, wg_dtype t, const wg_op *op)
{
    bool   cancels = op == &wg_op_gelu || op == &wg_op_gelu_tanh || op == &wg_op_gelu_tanh_slope;
    double ulps = cancels ? 64 : 8, least = t == WG_F32 ? 1e-37 : 1e-300, unit = t == WG_F32 ? 0x1p-23 : 0x1p-52;
    if (t == WG_F32) want = (double)(float)want;
    if (got != got || want != want) return got != got && want != want;
    /* gelu and its like cancel for x << 0: their error is measured against x/2 */
    return got == want || fabs(got - want) <= ulps * unit * (fabs(want) + (cancels ? 1 : 0)) + least;
}

static void check_row(const struct row *r, wg_dtype t, int n, const double *p, const double *q)
{
    wg_graph *g = wg_graph_new();
    double    alpha = 0.25, *v = malloc((size_t)n * 8);
    wg_node  *x[2] = {const_of(g, t, WG_SHAPE(n), p), const_of(g, t, WG_SHAPE(n), q)};
    wg_node  *y = wg_apply(r->op, r->op->arity, x, r->op->attr_size ? &alpha : NULL);
    wg_tape  *tape = wg_compile(g, 1, &y, &(wg_options){.skip = WG_SKIP_REWRITE});
    cr_assert_not_null(tape, "%s: %s", r->op->name, wg_message(g));
    must_run(tape);
    get_values(tape, y, v);
    for (int i = 0; i < n; i++) {
        double a = t == WG_F32 ? (double)(float)p[i] : p[i], b = t == WG_F32 ? (double)(float)q[i] : q[i],
               want = r->f(a, b, alpha);
        cr_expect(near(v[i], want, t, r->op), "%s(%.17g, %.17g) in %s is %.17g, not %.17g", r->op->name, a, b,
                  wg_dtype_name(t), v[i], want);
    }
    free(v);
    wg_graph_free(g);
}

Test(ops_elementwise, rows_are_their_formulas)
{
    static double p[N], q[N];
    uint64_t      seed = 5;
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        for (int i = 0; i < N; i++) {
            p[i] = (double)(float)draw_from(rows[k].op->domain, &seed);
            q[i] = (double)(float)draw_from(rows[k].op->domain, &seed);
        }
        for (int t = WG_F32; t <= WG_F64; t++) check_row(&rows[k], (wg_dtype)t, N, p, q);
    }
}

Test(ops_elementwise, odd_numbers)
{
    double p[ODD * ODD], q[ODD * ODD];
    for (int i = 0; i < ODD * ODD; i++) p[i] = odd[i / ODD], q[i] = odd[i % ODD];
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++)
        for (int t = WG_F32; t <= WG_F64; t++) check_row(&rows[k], (wg_dtype)t, ODD * ODD, p, q);
}

/* gelu_tanh of n numbers, and its first and second derivative. */
static void gelu_tanh_derivatives(wg_dtype t, int n, const double *x, double *value, double *slope, double *bend)
{
    wg_graph *g = wg_graph_new();
    wg_node  *p = const_of(g, t, WG_SHAPE(n), x), *s = wg_gelu_tanh_slope(p), *b = NULL;
    cr_assert_eq(wg_grad(wg_sum(s, WG_ALL_AXES, 0), 1, &p, &b), WG_OK, "%s", wg_message(g));
    value_of(wg_gelu_tanh(p), value);
    value_of(s, slope);
    value_of(b, bend);
    wg_graph_free(g);
}

/* gelu_tanh is computed by another formula than it is known by; beyond +-24 it and its slopes are their limits. */
Test(ops_elementwise, gelu_tanh_is_its_formula)
{
    enum { HOW_MANY = 241 };
    double c = sqrt(2 / M_PI), x[HOW_MANY], y[3][HOW_MANY];
    for (int i = 0; i < HOW_MANY; i++) x[i] = (i - 120) / 20.0;
    for (int t = WG_F32; t <= WG_F64; t++) {
        double eps = t == WG_F32 ? 4e-6 : 4e-15;
        gelu_tanh_derivatives((wg_dtype)t, HOW_MANY, x, y[0], y[1], y[2]);
        for (int i = 0; i < HOW_MANY; i++) {
            double v = t == WG_F32 ? (double)(float)x[i] : x[i], w = c * (v + 0.044715 * v * v * v), u = tanh(w);
            double dw = c * (1 + 3 * 0.044715 * v * v), ddw = c * 6 * 0.044715 * v;
            double du = dw / (cosh(w) * cosh(w)), ddu = du * (ddw / dw - 2 * u * dw);
            double want[3] = {v / 2 * (1 + u), (1 + u) / 2 + v / 2 * du, du + v / 2 * ddu};
            for (int k = 0; k < 3; k++)
                cr_expect_float_eq(y[k][i], want[k], eps * (1 + fabs(v)), "derivative %d at %g is %.17g, not %.17g", k,
                                   v, y[k][i], want[k]);
        }
    }
}

Test(ops_elementwise, gelu_tanh_has_limits)
{
    enum { HOW_MANY = 8 };
    const double x[HOW_MANY] = {INFINITY, -INFINITY, 1e30, -1e30, 1e9, -1e9, 25, -25};
    double       y[3][HOW_MANY];
    for (int t = WG_F32; t <= WG_F64; t++) {
        gelu_tanh_derivatives((wg_dtype)t, HOW_MANY, x, y[0], y[1], y[2]);
        for (int i = 0; i < HOW_MANY; i++) {
            double v = t == WG_F32 ? (double)(float)x[i] : x[i], want[3] = {v > 0 ? v : 0, v > 0, 0};
            for (int k = 0; k < 3; k++)
                cr_expect(y[k][i] == want[k], "derivative %d at %g is %g, not %g", k, v, y[k][i], want[k]);
        }
    }
}

static void expect(wg_node *y, int n, const double *want)
{
    double v[64];
    value_of(y, v);
    for (int i = 0; i < n; i++)
        cr_expect(v[i] == want[i], "%s: element %d is %g, not %g", wg_node_kind(y), i, v[i], want[i]);
}

Test(ops_elementwise, integers)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_const(g, WG_I32, WG_SHAPE(4), (int32_t[]){7, -7, INT32_MIN, 5}),
            *y = wg_const(g, WG_I32, WG_SHAPE(4), (int32_t[]){2, 2, -1, 0});
    expect(wg_div(x, y), 3, (double[]){3, -3, INT32_MIN});
    expect(wg_slice(wg_div(x, y), 0, 3, 4, 1), 1, (double[]){0});
    expect(wg_maximum(x, y), 4, (double[]){7, 2, -1, 5});
    expect(wg_less(x, y), 4, (double[]){0, 1, 1, 0});
    wg_graph_free(g);
}

Test(ops_elementwise, logic)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = const_of(g, WG_BOOL, WG_SHAPE(4), (double[]){0, 0, 1, 1}),
            *y = const_of(g, WG_BOOL, WG_SHAPE(4), (double[]){0, 1, 0, 1});
    expect(wg_and(x, y), 4, (double[]){0, 0, 0, 1});
    expect(wg_or(x, y), 4, (double[]){0, 1, 1, 1});
    expect(wg_xor(x, y), 4, (double[]){0, 1, 1, 0});
    expect(wg_not(x), 4, (double[]){1, 1, 0, 0});
    wg_graph_free(g);
}

/* Of integers the low bits are kept, in every width; what goes the other way keeps the value. */
Test(ops_elementwise, casts_of_integers)
{
    static const int64_t v[] = {0, -1, 255, 256, 300, INT64_C(1) << 31, (INT64_C(1) << 33) + 5, INT64_MIN, INT64_MAX};
    enum { HOW_MANY = sizeof v / sizeof *v };
    double    i32[HOW_MANY], u8[HOW_MANY], of_i32[HOW_MANY];
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_const(g, WG_I64, WG_SHAPE(HOW_MANY), v);
    value_of(wg_cast(x, WG_I32), i32);
    value_of(wg_cast(x, WG_U8), u8);
    value_of(wg_cast(wg_cast(x, WG_I32), WG_U8), of_i32);
    for (int i = 0; i < HOW_MANY; i++) {
        cr_expect_eq(i32[i], (int32_t)(uint32_t)v[i], "%lld as i32 is %g", (long long)v[i], i32[i]);
        cr_expect_eq(u8[i], (uint8_t)v[i], "%lld as u8 is %g", (long long)v[i], u8[i]);
        cr_expect_eq(of_i32[i], u8[i]);
    }
    wg_graph_free(g);
}

/* Casts of reals do what wg__store does with a double: one truth in two places. */
Test(ops_elementwise, casts)
{
    enum { HOW_MANY = 14 };
    static const double v[HOW_MANY] = {0, 1, -1, 2.9, -2.9, 255, 256, 300.5, -0.0, 3e9, -3e9, NAN, INFINITY, -INFINITY};
    wg_graph           *g = wg_graph_new();
    for (int from = 0; from < WG_DTYPES; from++)
        for (int to = 0; to < WG_DTYPES; to++) {
            double   got[HOW_MANY];
            wg_node *x = const_of(g, (wg_dtype)from, WG_SHAPE(HOW_MANY), v);
            value_of(wg_cast(x, (wg_dtype)to), got);
            for (int i = 0; i < HOW_MANY; i++) {
                union {
                    double align;
                    char   bytes[8];
                } in = {0}, out = {0};
                wg__store((wg_dtype)from, &in, 0, v[i]);
                double was = wg__load((wg_dtype)from, &in, 0);
                wg__store((wg_dtype)to, &out, 0, was);
                double want = wg__load((wg_dtype)to, &out, 0);
                bool   whole = from > WG_F64 && to > WG_F64;
                cr_expect(whole || got[i] == want || (got[i] != got[i] && want != want), "%s %g to %s is %g, not %g",
                          wg_dtype_name((wg_dtype)from), was, wg_dtype_name((wg_dtype)to), got[i], want);
            }
        }
    wg_graph_free(g);
}
