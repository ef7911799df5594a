/* Derivatives of stable logarithms: value, first and second derivative are the limits, far from 0 and in any spelling.
 */
#include "ops/ops_test.h"

TestSuite(grad_stable, .timeout = 60);

typedef wg_node *function(wg_node *x);

/* ---- Spellings ---- */

static wg_node *lit(wg_node *x, double v) { return wg_lit(x, v); }
static wg_node *one_less(wg_node *x) { return wg_one_minus(x); }
static wg_node *log_sigmoid(wg_node *x) { return wg_log(wg_sigmoid(x)); }
static wg_node *log_sigmoid_moved(wg_node *x)
{
    wg_node *wide = wg_expand(wg_reshape(wg_sigmoid(x), WG_SHAPE(1)), WG_SHAPE(2, 3));
    wg_node *one = wg_slice(wg_slice(wg_transpose(wide, WG_ALL_AXES), 0, 1, 2, 1), 1, 1, 2, 1);
    return wg_reshape(wg_log(one), WG_SCALAR);
}
static wg_node *log_sigmoid_gathered(wg_node *x)
{
    wg_node *at = wg_const(wg_node_graph(x), WG_I64, WG_SCALAR, &(int64_t){1});
    return wg_log(wg_gather(wg_expand(wg_sigmoid(x), WG_SHAPE(3)), at, 0));
}
static wg_node *log_sigmoid_by_hand(wg_node *x)
{
    wg_node *e = wg_exp(wg_neg(x));
    return wg_log(wg_div(lit(x, 1), wg_add(lit(x, 1), e)));
}
static wg_node *log_sigmoid_reciprocal(wg_node *x) { return wg_log(wg_reciprocal(wg_shift(wg_exp(wg_neg(x)), 1))); }
static wg_node *log_not_sigmoid_of_minus(wg_node *x) { return wg_log(one_less(wg_sigmoid(wg_neg(x)))); }
static wg_node *log_not_sigmoid(wg_node *x) { return wg_log(one_less(wg_sigmoid(x))); }
static wg_node *log_not_sigmoid_shifted(wg_node *x) { return wg_log(wg_shift(wg_neg(wg_sigmoid(x)), 1)); }
static wg_node *log_not_sigmoid_turned(wg_node *x) { return wg_log(wg_neg(wg_shift(wg_sigmoid(x), -1))); }
static wg_node *log_not_sigmoid_scaled(wg_node *x) { return wg_log(wg_add(lit(x, 1), wg_scale(wg_sigmoid(x), -1))); }
static wg_node *log_not_sigmoid_less(wg_node *x) { return wg_log(wg_sub(wg_neg(wg_sigmoid(x)), lit(x, -1))); }
static wg_node *log_not_sigmoid_moved(wg_node *x)
{
    wg_node *s = wg_unsqueeze(wg_sigmoid(x), 0);
    return wg_squeeze(wg_log(one_less(wg_unsqueeze(s, 0))), 0);
}
static wg_node *log1p_minus_sigmoid(wg_node *x) { return wg_log1p(wg_neg(wg_sigmoid(x))); }
static wg_node *log1p_minus_sigmoid_scaled(wg_node *x) { return wg_log1p(wg_scale(wg_sigmoid(x), -1)); }
static wg_node *log_one_plus_exp(wg_node *x) { return wg_log(wg_shift(wg_exp(x), 1)); }
static wg_node *log_exp_plus_one(wg_node *x) { return wg_log(wg_add(lit(x, 1), wg_exp(x))); }
static wg_node *log_exp_minus_minus_one(wg_node *x) { return wg_log(wg_sub(wg_exp(x), lit(x, -1))); }
static wg_node *log_exp_plus_two(wg_node *x) { return wg_log(wg_shift(wg_exp(x), 2)); }
static wg_node *log_two_exp_plus_one(wg_node *x) { return wg_log(wg_shift(wg_scale(wg_exp(x), 2), 1)); }
static wg_node *log1p_exp(wg_node *x) { return wg_log1p(wg_exp(x)); }
static wg_node *log1p_exp_moved(wg_node *x) { return wg_log1p(wg_unsqueeze(wg_exp(x), 0)); }
static wg_node *log_exp(wg_node *x) { return wg_log(wg_exp(x)); }
static wg_node *log_two_exp(wg_node *x) { return wg_log(wg_scale(wg_exp(x), 2)); }
static wg_node *log_sqrt_exp(wg_node *x) { return wg_log(wg_sqrt(wg_exp(x))); }
static wg_node *log_square_exp(wg_node *x) { return wg_log(wg_square(wg_exp(x))); }
static wg_node *log_power(wg_node *p, double c) { return wg_log(wg_pow(p, lit(p, c))); }
static wg_node *log_exp_to_2(wg_node *x) { return log_power(wg_exp(x), 2); }
static wg_node *log_exp_to_1(wg_node *x) { return log_power(wg_exp(x), 1); }
static wg_node *log_exp_to_minus_1(wg_node *x) { return log_power(wg_exp(x), -1); }
static wg_node *log_sigmoid_to_2(wg_node *x) { return log_power(wg_sigmoid(x), 2); }
static wg_node *log_sigmoid_to_minus_1(wg_node *x) { return log_power(wg_sigmoid(x), -1); }
static wg_node *log_sigmoid_to_3(wg_node *x) { return log_power(wg_sigmoid(x), 3); }
static wg_node *log_two_exps(wg_node *x) { return wg_log(wg_add(wg_exp(x), wg_exp(wg_neg(x)))); }
static wg_node *log_not_sigmoid_by_hand(wg_node *x)
{
    return wg_log(one_less(wg_div(lit(x, 1), wg_shift(wg_exp(wg_neg(x)), 1))));
}
static wg_node *log1p_expm1(wg_node *x) { return wg_log1p(wg_expm1(x)); }
static wg_node *log1p_exp_minus_one(wg_node *x) { return wg_log1p(wg_shift(wg_exp(x), -1)); }
static wg_node *log_expm1_plus_one(wg_node *x) { return wg_log(wg_shift(wg_expm1(x), 1)); }
static wg_node *log_mean_exp(wg_node *x)
{
    return wg_log(wg_mean(wg_exp(wg_expand(x, WG_SHAPE(2, 3, 2))), WG_AXES(0, 2), 0));
}
static wg_node *log_chosen(wg_node *x)
{
    wg_node *high = wg_greater(x, lit(x, 0));
    return wg_log(wg_where(high, wg_exp(x), wg_sigmoid(x)));
}
static wg_node *exp_minus_one(wg_node *x) { return wg_shift(wg_exp(x), -1); }
static wg_node *not_sigmoid(wg_node *x) { return one_less(wg_sigmoid(x)); }
static wg_node *with_label(wg_node *x, double label) { return wg_sigmoid_cross_entropy(x, lit(x, label)); }
static wg_node *loss_of_one(wg_node *x) { return with_label(x, 1); }
static wg_node *loss_of_zero(wg_node *x) { return with_label(x, 0); }
static wg_node *loss_of_half(wg_node *x) { return with_label(x, 0.5); }
static wg_node *loss_of_bool(wg_node *x)
{
    return wg_sigmoid_cross_entropy_each(x, wg_const(wg_node_graph(x), WG_BOOL, WG_SCALAR, &(uint8_t){1}));
}

enum { ORDERS = 3 };
#define LN2 0.69314718055994531

/* The function; its value and derivatives at -1000 and at 1000. */
static const struct limit {
    const char *name;
    function   *f;
    double      low[ORDERS], high[ORDERS];
} limits[] = {
#define F(f) #f, f
    {F(log_sigmoid), {-1000, 1, 0}, {0, 0, 0}},
    {F(log_sigmoid_moved), {-1000, 1, 0}, {0, 0, 0}},
    {F(log_sigmoid_gathered), {-1000, 1, 0}, {0, 0, 0}},
    {F(log_sigmoid_by_hand), {-1000, 1, 0}, {0, 0, 0}},
    {F(log_sigmoid_reciprocal), {-1000, 1, 0}, {0, 0, 0}},
    {F(log_not_sigmoid_of_minus), {-1000, 1, 0}, {0, 0, 0}},
    {F(log_not_sigmoid), {0, 0, 0}, {-1000, -1, 0}},
    {F(log_not_sigmoid_shifted), {0, 0, 0}, {-1000, -1, 0}},
    {F(log_not_sigmoid_turned), {0, 0, 0}, {-1000, -1, 0}},
    {F(log_not_sigmoid_scaled), {0, 0, 0}, {-1000, -1, 0}},
    {F(log_not_sigmoid_less), {0, 0, 0}, {-1000, -1, 0}},
    {F(log_not_sigmoid_moved), {0, 0, 0}, {-1000, -1, 0}},
    {F(log1p_minus_sigmoid), {0, 0, 0}, {-1000, -1, 0}},
    {F(log1p_minus_sigmoid_scaled), {0, 0, 0}, {-1000, -1, 0}},
    {F(log_one_plus_exp), {0, 0, 0}, {1000, 1, 0}},
    {F(log_exp_plus_one), {0, 0, 0}, {1000, 1, 0}},
    {F(log_exp_minus_minus_one), {0, 0, 0}, {1000, 1, 0}},
    {F(log_exp_plus_two), {LN2, 0, 0}, {1000, 1, 0}},
    {F(log_two_exp_plus_one), {0, 0, 0}, {1000 + LN2, 1, 0}},
    {F(log1p_exp), {0, 0, 0}, {1000, 1, 0}},
    {F(log1p_exp_moved), {0, 0, 0}, {1000, 1, 0}},
    {F(log_exp), {-1000, 1, 0}, {1000, 1, 0}},
    {F(log_two_exp), {-1000 + LN2, 1, 0}, {1000 + LN2, 1, 0}},
    {F(log_sqrt_exp), {-500, 0.5, 0}, {500, 0.5, 0}},
    {F(log_square_exp), {-2000, 2, 0}, {2000, 2, 0}},
    {F(log_exp_to_2), {-2000, 2, 0}, {2000, 2, 0}},
    {F(log_exp_to_1), {-1000, 1, 0}, {1000, 1, 0}},
    {F(log_exp_to_minus_1), {1000, -1, 0}, {-1000, -1, 0}},
    {F(log_sigmoid_to_2), {-2000, 2, 0}, {0, 0, 0}},
    {F(log_sigmoid_to_minus_1), {1000, -1, 0}, {0, 0, 0}},
    {F(log_sigmoid_to_3), {-3000, 3, 0}, {0, 0, 0}},
    {F(log_two_exps), {1000, -1, 0}, {1000, 1, 0}},
    {F(log_not_sigmoid_by_hand), {0, 0, 0}, {-1000, -1, 0}},
    {F(log1p_expm1), {-1000, 1, 0}, {1000, 1, 0}},
    {F(log1p_exp_minus_one), {-1000, 1, 0}, {1000, 1, 0}},
    {F(log_expm1_plus_one), {-1000, 1, 0}, {1000, 1, 0}},
    {F(log_mean_exp), {-1000 * 3, 3, 0}, {1000 * 3, 3, 0}},
    {F(log_chosen), {-1000, 1, 0}, {1000, 1, 0}},
    {F(exp_minus_one), {-1, 0, 0}, {INFINITY, INFINITY, INFINITY}},
    {F(not_sigmoid), {1, 0, 0}, {0, 0, 0}},
    {F(loss_of_one), {1000, -1, 0}, {0, 0, 0}},
    {F(loss_of_zero), {0, 0, 0}, {1000, 1, 0}},
    {F(loss_of_half), {500, -0.5, 0}, {500, 0.5, 0}},
    {F(loss_of_bool), {1000, -1, 0}, {0, 0, 0}},
#undef F
};
enum { LIMITS = sizeof limits / sizeof *limits };

static void build(wg_node *x, function *f, wg_node *d[ORDERS])
{
    d[0] = wg_sum(f(x), WG_ALL_AXES, 0);
    for (int k = 1; k < ORDERS; k++) cr_assert_eq(wg_grad(d[k - 1], 1, &x, &d[k]), WG_OK, "%s", wg_message(x->g));
}

static void expect(wg_tape *t, wg_node *const d[ORDERS], const double *want, const struct limit *l, const char *how)
{
    double unit = wg_node_dtype(d[0]) == WG_F32 ? 0x1p-23 : 0x1p-52;
    bool   rounds = l->f == log_mean_exp; /* weights e^(x-y) of a y near 1000 are as exact as y */
    for (int k = 0; k < ORDERS; k++) {
        double got = wg_get_scalar(t, d[k]);
        cr_expect(got == want[k] || fabs(got - want[k]) <= 2 * unit * (rounds ? 3000 : fabs(want[k])),
                  "%s, %s: derivative %d is %g, not %g", l->name, how, k, got, want[k]);
    }
}

static void compiled_limits(const struct limit *l, wg_dtype dtype)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", dtype, WG_SCALAR), *d[ORDERS];
    build(x, l->f, d);
    wg_tape *t = compiled(g, ORDERS, d);
    for (int high = 0; high < 2; high++) {
        wg_set_scalar(t, x, high ? 1000 : -1000);
        must_run(t);
        expect(t, d, high ? l->high : l->low, l, high ? "at 1000" : "at -1000");
    }
    wg_graph_free(g);
}

static void eager_limits(const struct limit *l, wg_dtype dtype, double at, const double *want)
{
    wg_graph *g = wg_graph_new();
    wg_tape  *t = wg_graph_eager(g);
    wg_node  *x = wg_input(g, "x", dtype, WG_SCALAR), *d[ORDERS];
    wg_set_scalar(t, x, at);
    build(x, l->f, d);
    expect(t, d, want, l, "eager");
    wg_graph_free(g);
}

Test(grad_stable, limits_at_a_thousand)
{
    for (int i = 0; i < LIMITS; i++)
        for (int t = WG_F32; t <= WG_F64; t++) {
            compiled_limits(&limits[i], (wg_dtype)t);
            eager_limits(&limits[i], (wg_dtype)t, -1000, limits[i].low);
            eager_limits(&limits[i], (wg_dtype)t, 1000, limits[i].high);
        }
}

/* Near 0 the derivatives are those of differences. */
Test(grad_stable, differences_near_zero)
{
    for (int i = 0; i < LIMITS; i++) {
        wg_graph *g = wg_graph_new();
        wg_node  *x = wg_input(g, "x", WG_F64, WG_SCALAR), *d[ORDERS];
        build(x, limits[i].f, d);
        wg_tape *t = compiled(g, ORDERS, d);
        double   h = 1e-5, at[3][ORDERS];
        for (int s = 0; s < 3; s++) {
            wg_set_scalar(t, x, 0.4 + (s - 1) * h);
            must_run(t);
            for (int k = 0; k < ORDERS; k++) at[s][k] = wg_get_scalar(t, d[k]);
        }
        for (int k = 1; k < ORDERS; k++)
            cr_expect_float_eq(at[1][k], (at[2][k - 1] - at[0][k - 1]) / (2 * h), 1e-8, "%s: derivative %d is %g",
                               limits[i].name, k, at[1][k]);
        wg_graph_free(g);
    }
}

/* ---- Softmax, over any axis and moved: log_softmax's own derivatives ---- */

enum { A = 2, B = 3, C = 2, CUBE = A * B * C };

static wg_node *rolled(wg_node *x) { return wg_transpose(x, WG_AXES(1, 2, 0)); }
static wg_node *flat(wg_node *x) { return wg_reshape(x, WG_SHAPE(WG_DIM_AUTO)); }
static wg_node *cut(wg_node *x) { return wg_slice(x, 1, 1, WG_SLICE_END, 1); }
static wg_node *squeezed(wg_node *x) { return wg_squeeze(wg_unsqueeze(x, 1), 1); }
static wg_node *widened(wg_node *x) { return wg_expand(wg_unsqueeze(x, 0), WG_SHAPE(2, A, B, C)); }
static wg_node *picked(wg_node *x)
{
    return wg_gather(x, wg_const(wg_node_graph(x), WG_I64, WG_SHAPE(2), (int64_t[]){1, 0}), 1);
}
static wg_node        *itself(wg_node *x) { return x; }
static function *const moved[] = {itself, rolled, flat, cut, squeezed, widened, picked};

/* loss, d loss / dz, d <dz, v> / dz with loss = <y, w> */
static void derive(wg_node *z, wg_node *y, wg_node *w, wg_node *v, wg_node *out[3])
{
    out[0] = wg_sum(wg_mul(y, wg_reshape(wg_slice(w, 0, 0, wg_count(wg_node_shape(y)), 1), *wg_node_shape(y))),
                    WG_ALL_AXES, 0);
    cr_assert_eq(wg_grad(out[0], 1, &z, &out[1]), WG_OK, "%s", wg_message(z->g));
    cr_assert_eq(wg_grad(wg_sum(wg_mul(out[1], v), WG_ALL_AXES, 0), 1, &z, &out[2]), WG_OK, "%s", wg_message(z->g));
}

Test(grad_stable, softmax_at_a_thousand)
{
    static const double far[CUBE] = {1000, 0, -1000, 3, 1000, -1000, 0, 0.5, -1000, -1000, 1000, 999};
    for (size_t m = 0; m < sizeof moved / sizeof *moved; m++)
        for (int axis = 0; axis < 3; axis++) {
            uint64_t  seed = 5;
            wg_graph *g = wg_graph_new();
            wg_node  *z = wg_input(g, "z", WG_F64, WG_SHAPE(A, B, C)), *hand[3], *own[3];
            wg_node  *w = random_const(g, WG_F64, WG_SHAPE(2 * CUBE), WG_DOMAIN_ANY, &seed);
            wg_node  *v = random_const(g, WG_F64, WG_SHAPE(A, B, C), WG_DOMAIN_ANY, &seed);
            derive(z, wg_log(moved[m](wg_softmax(z, axis))), w, v, hand);
            derive(z, moved[m](wg_log_softmax(z, axis)), w, v, own);
            wg_tape *t = compiled(g, 6, (wg_node *[]){hand[0], hand[1], hand[2], own[0], own[1], own[2]});
            set_values(t, z, far);
            must_run(t);
            for (int k = 0; k < 3; k++) {
                double p[CUBE], q[CUBE];
                get_values(t, hand[k], p);
                get_values(t, own[k], q);
                for (int i = 0; i < (k ? CUBE : 1); i++)
                    cr_expect(isfinite(p[i]) && fabs(p[i] - q[i]) <= 1e-12 * (1 + fabs(q[i])),
                              "move %zu, axis %d, derivative %d: %g, not %g", m, axis, k, p[i], q[i]);
            }
            wg_graph_free(g);
        }
}

static wg_node *softmax_by_hand(wg_node *z)
{
    wg_node *e = wg_exp(z), *sum = wg_sum(e, WG_AXES(-1), 1);
    return wg_div(e, sum);
}

Test(grad_stable, made_of_exponentials)
{
    wg_graph *g = wg_graph_new();
    wg_node  *z = wg_input(g, "z", WG_F64, WG_SHAPE(3)), *d[4];
    wg_node  *sum = wg_log(wg_sum(wg_exp(z), WG_ALL_AXES, 0));
    wg_node  *last = wg_slice(wg_log(softmax_by_hand(z)), 0, 2, 3, 1), *dd;
    wg_grad(sum, 1, &z, &d[0]), wg_grad(last, 1, &z, &d[1]);
    wg_grad(wg_sum(wg_square(d[1]), WG_ALL_AXES, 0), 1, &z, &dd);
    wg_tape *t = compiled(g, 4, (wg_node *[]){sum, d[0], d[1], dd});
    double   v[3];
    set_values(t, z, (double[]){1000, -1000, 998});
    must_run(t);
    double p = 1 / (1 + exp(-2)), q = 1 - p;
    cr_expect_float_eq(wg_get_scalar(t, sum), 1000 + log1p(exp(-2)), 1e-10);
    get_values(t, d[0], v);
    cr_expect(fabs(v[0] - p) < 1e-12 && v[1] == 0 && fabs(v[2] - q) < 1e-12, "%g %g %g", v[0], v[1], v[2]);
    get_values(t, d[1], v);
    cr_expect(fabs(v[0] + p) < 1e-12 && v[1] == 0 && fabs(v[2] - p) < 1e-12, "%g %g %g", v[0], v[1], v[2]);
    get_values(t, dd, v);
    cr_expect(fabs(v[0] - 4 * p * p * q) < 1e-12 && v[1] == 0 && fabs(v[2] + 4 * p * p * q) < 1e-12, "%g %g %g", v[0],
              v[1], v[2]);
    wg_graph_free(g);
}

/* ---- What a stable form must not change ---- */

/* The gradient by a node that the form does without is the plain one. */
Test(grad_stable, gradients_by_what_lies_between)
{
    wg_graph *g = wg_graph_new();
    wg_node  *z = wg_input(g, "z", WG_F64, WG_SHAPE(2)), *p = wg_softmax(z, 0), *q = wg_neg(wg_neg(p));
    wg_node  *loss = wg_sum(wg_log(q), WG_ALL_AXES, 0), *d[3], *dz;
    cr_assert_eq(wg_grad(loss, 3, (wg_node *[]){p, z, q}, d), WG_OK, "%s", wg_message(g));
    cr_assert_eq(wg_grad(loss, 1, &z, &dz), WG_OK);
    wg_tape *t = compiled(g, 5, (wg_node *[]){p, d[0], d[1], d[2], dz});
    double   v[5][2];
    set_values(t, z, (double[]){0.5, -0.25});
    must_run(t);
    wg_node *const get[] = {p, d[0], d[1], d[2], dz};
    for (int i = 0; i < 5; i++) get_values(t, get[i], v[i]);
    for (int k = 0; k < 2; k++) {
        cr_expect_float_eq(v[1][k], 1 / v[0][k], 1e-12, "d log p / dp");
        cr_expect_float_eq(v[3][k], 1 / v[0][k], 1e-12, "d log q / dq");
        cr_expect_float_eq(v[2][k], 1 - 2 * v[0][k], 1e-12, "d / dz beside them");
        cr_expect_float_eq(v[4][k], 1 - 2 * v[0][k], 1e-12, "d / dz alone");
    }
    wg_graph_free(g);
}

/* 1 + x may be negative where a sum or a square of it is not. */
Test(grad_stable, no_logarithm_of_what_is_negative)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F64, WG_SHAPE(2)), *d[2];
    wg_node  *y[] = {wg_log(wg_sum(wg_shift(x, 1), WG_ALL_AXES, 0)),
                     wg_sum(wg_log(wg_square(wg_one_minus(x))), WG_ALL_AXES, 0)};
    for (int i = 0; i < 2; i++) wg_grad(y[i], 1, &x, &d[i]);
    wg_tape *t = compiled(g, 4, (wg_node *[]){y[0], y[1], d[0], d[1]});
    double   v[2];
    set_values(t, x, (double[]){-3, 4});
    must_run(t);
    cr_expect_float_eq(wg_get_scalar(t, y[0]), log(3), 1e-12);
    cr_expect_float_eq(wg_get_scalar(t, y[1]), log(16) + log(9), 1e-12);
    get_values(t, d[0], v);
    cr_expect(fabs(v[0] - 1. / 3) < 1e-12 && fabs(v[1] - 1. / 3) < 1e-12);
    get_values(t, d[1], v);
    cr_expect(fabs(v[0] + 0.5) < 1e-12 && fabs(v[1] - 2. / 3) < 1e-12, "%g %g", v[0], v[1]);
    wg_graph_free(g);
}

/* Forward mode takes the same form. */
Test(grad_stable, jvp)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F64, WG_SCALAR), *v = wg_lit(x, 3);
    wg_node  *push = wg_jvp(wg_log(wg_shift(wg_exp(x), 1)), 1, &x, &v);
    wg_tape  *t = compiled(g, 1, &push);
    wg_set_scalar(t, x, 1000);
    must_run(t);
    cr_expect_eq(wg_get_scalar(t, push), 3);
    wg_graph_free(g);
}
