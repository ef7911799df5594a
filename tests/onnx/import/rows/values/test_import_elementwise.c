/* Operators that work element by element: against libm and against their
 * formulas where ONNX's own tests do not look, and the arithmetic of lists that
 * hold symbolic dimensions. */
#include <criterion/criterion.h>
#include <math.h>

#include "onnx/import/rows/values/import_curve.h"
#include "onnx/import/rows/shapes/import_fold.h"
#include "onnx/import/rows_test.h"

TestSuite(onnx_elementwise, .timeout = 60);

enum { F32 = WG__ONNX_FLOAT, I64 = WG__ONNX_INT64, F64 = WG__ONNX_DOUBLE };

/* ---- Curves ---- */

static const struct curve {
    const char *name;
    wg_node *(*ours)(wg_node *x);
    double (*libm)(double x);
    double lo, hi; /* where it is defined */
} curves[] = {
    {"sinh", wg__sinh, sinh, -INFINITY, INFINITY},
    {"cosh", wg__cosh, cosh, -INFINITY, INFINITY},
    {"asinh", wg__asinh, asinh, -INFINITY, INFINITY},
    {"acosh", wg__acosh, acosh, 1, INFINITY},
    {"atanh", wg__atanh, atanh, -1, 1},
    {"asin", wg__asin, asin, -1, 1},
    {"acos", wg__acos, acos, -1, 1},
    {"atan", wg__atan, atan, -INFINITY, INFINITY},
};
enum { CURVES = sizeof curves / sizeof *curves };

static const double points[] = {0,   1e-300, 1e-20, 1e-8, 1e-3, 0.1, 0.25, 0.4142135, 0.5,   0.9,   0.999999, 1, 1.0001,
                                1.5, 2,      5,     20,   87,   300, 1e5,  1.5e10,    1e200, 1e300, INFINITY};
enum { POINTS = sizeof points / sizeof *points };

static bool close_to(double have, double want, double relative)
{
    return (isnan(have) && isnan(want)) || have == want || fabs(have - want) <= relative * fabs(want) + 1e-305;
}

static void run(wg_graph *g, wg_node *x, const void *data, wg_node *y, void *to)
{
    wg_tape *t = wg_compile(g, 1, &y, NULL);
    cr_assert(t && wg_set(t, x, data) == WG_OK && wg_run(t) == WG_OK && wg_get(t, y, to) == WG_OK, "%s", wg_message(g));
    wg_tape_free(t);
}

Test(onnx_elementwise, curves_agree_with_libm)
{
    for (int k = 0; k < CURVES; k++) {
        const struct curve *c = &curves[k];
        wg_graph           *g = wg_graph_new();
        wg_node            *x = wg_input(g, "x", WG_F64, WG_SHAPE(2 * POINTS + 1));
        double              in[2 * POINTS + 1] = {NAN}, out[2 * POINTS + 1];
        for (int i = 0; i < POINTS; i++) in[1 + i] = points[i], in[1 + POINTS + i] = -points[i];
        run(g, x, in, c->ours(x), out);
        cr_expect(isnan(out[0]), "%s(NaN)", c->name);
        for (int i = 1; i <= 2 * POINTS; i++) {
            double want = in[i] < c->lo || in[i] > c->hi ? NAN : c->libm(in[i]);
            cr_expect(close_to(out[i], want, 1e-13), "%s(%g) is %.17g, not %.17g", c->name, in[i], out[i], want);
        }
        wg_graph_free(g);
    }
}

Test(onnx_elementwise, curves_keep_six_digits_in_f32)
{
    for (int k = 0; k < CURVES; k++) {
        const struct curve *c = &curves[k];
        enum { MANY = 400 };
        wg_graph *g = wg_graph_new();
        wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(MANY));
        float     in[MANY], out[MANY];
        double    lo = c->lo < -8 ? -8 : c->lo, hi = c->hi > 8 ? 8 : c->hi;
        for (int i = 0; i < MANY; i++) in[i] = (float)(lo + (hi - lo) * i / (MANY - 1));
        run(g, x, in, c->ours(x), out);
        for (int i = 0; i < MANY; i++)
            cr_expect(close_to(out[i], c->libm(in[i]), 2e-6), "%s(%.9g) is %.9g", c->name, in[i], out[i]);
        wg_graph_free(g);
    }
}

/* An odd curve starts as a line of slope 1; a form with sign(x) would lose that. */
Test(onnx_elementwise, odd_curves_have_slope_1_at_0)
{
    for (int k = 0; k < CURVES; k++) {
        if (curves[k].libm(0) != 0) continue;
        wg_graph *g = wg_graph_new();
        wg_node  *x = wg_input(g, "x", WG_F64, WG_SCALAR), *d = NULL;
        double    zero = 0, slope = 0;
        cr_assert_eq(wg_grad(curves[k].ours(x), 1, &x, &d), WG_OK, "%s", wg_message(g));
        run(g, x, &zero, d, &slope);
        cr_expect_float_eq(slope, 1, 1e-12, "%s has %g", curves[k].name, slope);
        wg_graph_free(g);
    }
}

/* ---- Formulas and edges ---- */

Test(onnx_elementwise, activations_are_their_formulas)
{
    const double x[] = {-3, -0.5, 0, 0.5, 3}, *in[] = {x};
    double       y[5];
    for (int i = 0; i < 5; i++) y[i] = x[i] > 0 ? x[i] : 2 * expm1(x[i] / 2);
    expect_node(12, "Celu", "alpha=2.0", "5", in, "[5]", y);
    for (int i = 0; i < 5; i++) y[i] = x[i] / 2 * (1 + tanh(sqrt(2 / M_PI) * (x[i] + 0.044715 * pow(x[i], 3))));
    expect_node(20, "Gelu", "approximate=tanh", "5", in, "[5]", y);
    for (int i = 0; i < 5; i++) y[i] = x[i] / 2 * (1 + erf(x[i] / sqrt(2)));
    expect_node(20, "Gelu", "", "5", in, "[5]", y);
    for (int i = 0; i < 5; i++) y[i] = x[i] * tanh(log1p(exp(x[i])));
    expect_node(18, "Mish", "", "5", in, "[5]", y);
    expect_node(9, "Shrink", "lambd=0.5 bias=0.25", "5", in, "[5]", (double[]){-2.75, 0, 0, 0, 2.75});
    expect_node(6, "Clip", "min=-1.0", "5", in, "[5]", (double[]){-1, -0.5, 0, 0.5, 3});
    expect_node(6, "Clip", "", "5", in, "[5]", x);
}

Test(onnx_elementwise, remainders_have_the_sign_of_the_left_side)
{
    const double x[] = {-7.5, 7.5, 3, 0x1p60, -0.25, 1}, y[] = {2, -2, 0, 3, 5, INFINITY};
    double       z[6];
    for (int i = 0; i < 6; i++) z[i] = fmod(x[i], y[i]);
    z[3] = 0; /* where x/y has more digits than a double, there is no remainder */
    expect_node(13, "Mod", "fmod=1", "3 3", (const double *[]){x, y}, "[3]", z);
    expect_node(13, "Mod", "fmod=1", "2 2", (const double *[]){x + 4, y + 4}, "[2]", z + 4);
    struct onnx m = one_node(13, "Mod", "", F64, "3 3", "y");
    net_refused(&m, WG_EFORMAT, "real operands need fmod=1");
}

static double one_i64(int opset, const char *op, const char *attrs, double a, double b)
{
    struct onnx m = one_node(opset, op, attrs, I64, "scalar scalar", "y");
    struct net  n = net_import(&m, NULL);
    net_run(&n, 1, (const double *[]){&a, &b});
    double y = net_at(&n, 0, 0);
    net_free(&n);
    return y;
}

Test(onnx_elementwise, integers_stay_whole)
{
    cr_expect_eq(one_i64(13, "Pow", "", 3, 20), 3486784401.0);
    cr_expect_eq(one_i64(13, "Pow", "", -5, 3), -125);
    cr_expect_eq(one_i64(13, "Pow", "", 2, -1), 0);
    cr_expect_eq(one_i64(13, "Mod", "", -7, 3), 2);
    cr_expect_eq(one_i64(13, "Mod", "", 7, -3), -2);
    cr_expect_eq(one_i64(13, "Mod", "fmod=1", -7, 3), -1);
    cr_expect_eq(one_i64(13, "Div", "", -7, 2), -3);
    cr_expect_eq(one_i64(13, "Max", "", -7, 2), 2);
}

Test(onnx_elementwise, an_old_slope_stands_along_axis_1)
{
    const double x[] = {-1, -1, -1, -1}, slope[] = {2, 3};
    expect_node(6, "PRelu", "", "1,2,2 2", (const double *[]){x, slope}, "[1,2,2]", (double[]){-2, -2, -3, -3});
    expect_node(7, "PRelu", "", "1,2,2 2", (const double *[]){x, slope}, "[1,2,2]", (double[]){-2, -3, -2, -3});
}

Test(onnx_elementwise, infinity_may_be_asked_for_on_one_side)
{
    const double x[] = {-INFINITY, 0, INFINITY, NAN}, *in[] = {x};
    expect_node(10, "IsInf", "", "4", in, "[4]", (double[]){1, 0, 1, 0});
    expect_node(10, "IsInf", "detect_negative=0", "4", in, "[4]", (double[]){0, 0, 1, 0});
    expect_node(10, "IsInf", "detect_positive=0", "4", in, "[4]", (double[]){1, 0, 0, 0});
    expect_node(10, "IsInf", "detect_positive=0 detect_negative=0", "4", in, "[4]", (double[]){0, 0, 0, 0});
    expect_node(9, "IsNaN", "", "4", in, "[4]", (double[]){0, 0, 0, 1});
}

Test(onnx_elementwise, casts_name_their_dtype_as_word_or_number)
{
    const double x[] = {-1.75, 0, 2.5}, *in[] = {x};
    expect_node(5, "Cast", "to=INT32", "3", in, "[3]", (double[]){-1, 0, 2});
    expect_node(13, "Cast", "to=9", "3", in, "[3]", (double[]){1, 0, 1});
    struct onnx m = one_node(13, "Cast", "to=10", F32, "3", "y");
    net_refused(&m, WG_EARG, "Cast (opset 13) node 'y': float16 tensors");
    m = one_node(5, "Cast", "to=STRING", F32, "3", "y");
    net_refused(&m, WG_EARG, "STRING tensors");
    m = one_node(13, "Cast", "", F32, "3", "y");
    net_refused(&m, WG_EFORMAT, "attribute 'to' is missing");
    m = one_node(13, "Cast", "to=1.5", F32, "3", "y");
    net_refused(&m, WG_EFORMAT, "attribute 'to' is no integer");
}

Test(onnx_elementwise, constants_are_what_their_attribute_says)
{
    struct onnx m = onnx_begin(13);
    onnx_node(&m, "Constant", "", "a", "value_float=2.5");
    onnx_node(&m, "Constant", "", "b", "value_floats=[1.0,2.0]");
    onnx_node(&m, "Constant", "", "c", "value_int=-1001");
    onnx_node(&m, "Constant", "", "d", "value_ints=[3,4]");
    for (int i = 0; i < 4; i++) onnx_output(&m, (const char *[]){"a", "b", "c", "d"}[i], F32, NULL);
    struct net n = net_import(&m, NULL);
    wg_dim(n.g, "s"), wg_dim(n.g, "t");
    net_run(&n, 1, NULL);
    net_expect(&n, 0, "[]", (double[]){2.5});
    net_expect(&n, 1, "[2]", (double[]){1, 2});
    net_expect(&n, 2, "[]", (double[]){-1001});
    net_expect(&n, 3, "[2]", (double[]){3, 4});
    net_free(&n);
    m = onnx_begin(13);
    onnx_node(&m, "Constant", "", "a", "");
    onnx_output(&m, "a", F32, NULL);
    net_refused(&m, WG_EFORMAT, "it has no value");
}

Test(onnx_elementwise, a_diagonal_may_be_moved)
{
    const double x[6] = {0}, *in[] = {x};
    expect_node(9, "EyeLike", "k=1", "2,3", in, "[2,3]", (double[]){0, 1, 0, 0, 0, 1});
    expect_node(9, "EyeLike", "k=-1 dtype=7", "2,3", in, "[2,3]", (double[]){0, 0, 0, 1, 0, 0});
    expect_node(9, "EyeLike", "k=1", "n,2", in, "[2,2]", (double[]){0, 1, 0, 0});
}

/* ---- Lists with symbols ---- */

enum { N = -91, NN, N2, LESS, N2LESS, HALF, NONE }; /* n, n*n, 2n, n-1, 2n-1, n/2, no result */

Test(onnx_elementwise, what_is_known_of_a_symbol_is_that_it_is_a_size)
{
    static const struct {
        const char *what;
        wg__fold   *f;
        int64_t     a, b, y;
    } laws[] = {
        {"n + 0", wg__fold_add, N, 0, N},
        {"n + n", wg__fold_add, N, N, N2},
        {"n + -1", wg__fold_add, N, -1, LESS},
        {"(n - 1) + 1", wg__fold_add, LESS, 1, N},
        {"(n - 1) + n", wg__fold_add, LESS, N, N2LESS},
        {"(n - 1) - n", wg__fold_sub, LESS, N, -1},
        {"n - (n - 1)", wg__fold_sub, N, LESS, 1},
        {"-(n - 1) + n", wg__fold_sub, N, LESS, 1},
        {"2n - 1 - (n - 1)", wg__fold_sub, N2LESS, LESS, N},
        {"n - 1 < 0", wg__fold_less, LESS, 0, NONE},
        {"n - 1 < -1", wg__fold_less, LESS, -1, 0},
        {"max(n - 1, -1)", wg__fold_max, LESS, -1, LESS},
        {"max(n - 1, 0)", wg__fold_max, LESS, 0, NONE},
        {"2 + 3", wg__fold_add, 2, 3, 5},
        {"n - n", wg__fold_sub, N, N, 0},
        {"n - 0", wg__fold_sub, N, 0, N},
        {"n - 1", wg__fold_sub, N, 1, LESS},
        {"2 - 3", wg__fold_sub, 2, 3, -1},
        {"n * n", wg__fold_mul, N, N, NN},
        {"2 * n", wg__fold_mul, 2, N, N2},
        {"2n / 2", wg__fold_div, N2, 2, N},
        {"n / 2", wg__fold_div, N, 2, HALF},
        {"n / 0", wg__fold_div, N, 0, NONE},
        {"-7 / 2", wg__fold_div, -7, 2, -3},
        {"nn / n", wg__fold_div, NN, N, N},
        {"min / -1", wg__fold_div, INT64_MIN, -1, NONE},
        {"max + 1", wg__fold_add, INT64_MAX, 1, NONE},
        {"max(n, -1)", wg__fold_max, N, -1, N},
        {"max(0, n)", wg__fold_max, 0, N, N},
        {"max(n, 1)", wg__fold_max, N, 1, NONE},
        {"min(n, 0)", wg__fold_min, N, 0, 0},
        {"min(2, 1)", wg__fold_min, 2, 1, 1},
        {"max(n, 2n)", wg__fold_max, N, N2, NONE},
        {"n == n", wg__fold_equal, N, N, 1},
        {"n == -1", wg__fold_equal, N, -1, 0},
        {"n == 0", wg__fold_equal, N, 0, NONE},
        {"3 == 3", wg__fold_equal, 3, 3, 1},
        {"n < 0", wg__fold_less, N, 0, 0},
        {"n < -1", wg__fold_less, N, -1, 0},
        {"n < 1", wg__fold_less, N, 1, NONE},
        {"0 < n", wg__fold_less, 0, N, NONE},
        {"-1 < n", wg__fold_less, -1, N, 1},
        {"0 <= n", wg__fold_less_equal, 0, N, 1},
        {"n <= 0", wg__fold_less_equal, N, 0, NONE},
        {"n >= 0", wg__fold_greater_equal, N, 0, 1},
        {"n > 0", wg__fold_greater, N, 0, NONE},
        {"n > -1", wg__fold_greater, N, -1, 1},
        {"n < n", wg__fold_less, N, N, 0},
        {"n <= n", wg__fold_less_equal, N, N, 1},
        {"1 and 0", wg__fold_and, 1, 0, 0},
        {"1 or 0", wg__fold_or, 1, 0, 1},
        {"1 xor 1", wg__fold_xor, 1, 1, 0},
    };
    wg_graph *g = wg_graph_new();
    wg_infer  c = {.g = g};
    int64_t   n = wg_dim(g, "n"), n2, nn;
    int64_t   less, n2less, half;
    cr_assert(wg_dim_add(&c, n, n, &n2) == WG_OK && wg_dim_mul(&c, n, n, &nn) == WG_OK);
    cr_assert(!wg__dim_sub(&c, n, 1, &less) && !wg__dim_sub(&c, n2, 1, &n2less) && !wg__dim_floor(&c, n, 2, &half));
    const int64_t of[] = {n, nn, n2, less, n2less, half};
    for (size_t i = 0; i < sizeof laws / sizeof *laws; i++) {
        int64_t x[3] = {laws[i].a, laws[i].b, laws[i].y}, y = NONE;
        for (int k = 0; k < 3; k++) x[k] = x[k] >= N && x[k] < NONE ? of[x[k] - N] : x[k];
        bool made = laws[i].f(&c, x, &y);
        cr_expect_eq(made, x[2] != NONE, "%s", laws[i].what);
        if (made) cr_expect_eq(y, x[2], "%s is %lld", laws[i].what, (long long)y);
        cr_expect(wg__like_symbol(n) && wg__like_symbol(nn));
    }
    cr_expect_eq(wg_status(g), WG_OK);
    wg_graph_free(g);
}
