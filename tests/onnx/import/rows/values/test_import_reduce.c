/* Reductions of ONNX: each is its formula over the axes that it names. */
#include "onnx/import/rows_test.h"

TestSuite(onnx_reduce, .timeout = 60);

static double sum(int n, const double *x)
{
    double s = 0;
    for (int i = 0; i < n; i++) s += x[i];
    return s;
}
static double mean(int n, const double *x) { return sum(n, x) / n; }
static double prod(int n, const double *x)
{
    double s = 1;
    for (int i = 0; i < n; i++) s *= x[i];
    return s;
}
static double most(int n, const double *x)
{
    double s = -INFINITY;
    for (int i = 0; i < n; i++) s = fmax(s, x[i]);
    return s;
}
static double least(int n, const double *x)
{
    double s = INFINITY;
    for (int i = 0; i < n; i++) s = fmin(s, x[i]);
    return s;
}
static double l1(int n, const double *x)
{
    double s = 0;
    for (int i = 0; i < n; i++) s += fabs(x[i]);
    return s;
}
static double squares(int n, const double *x)
{
    double s = 0;
    for (int i = 0; i < n; i++) s += x[i] * x[i];
    return s;
}
static double l2(int n, const double *x) { return sqrt(squares(n, x)); }
static double log_sum(int n, const double *x) { return log(sum(n, x)); }
static double log_sum_exp(int n, const double *x)
{
    double s = 0;
    for (int i = 0; i < n; i++) s += exp(x[i]);
    return log(s);
}

static const struct {
    const char *op;
    double (*f)(int n, const double *x);
    int since_input;
} ops[] = {{"ReduceSum", sum, 13},        {"ReduceMean", mean, 18},
           {"ReduceProd", prod, 18},      {"ReduceMax", most, 18},
           {"ReduceMin", least, 18},      {"ReduceL1", l1, 18},
           {"ReduceL2", l2, 18},          {"ReduceSumSquare", squares, 18},
           {"ReduceLogSum", log_sum, 18}, {"ReduceLogSumExp", log_sum_exp, 18}};
enum { OPS = sizeof ops / sizeof *ops };

static const double  x[12] = {1, -2, 3, 4, 0.5, 1, 2, -1, 5, 0.25, 3, -0.5};
static const double *in[] = {x};

/* x [n, 3, 2] with n = 2, over axis 1, over the batch and the last axis, and over all. */
static void rows(double (*f)(int n, const double *x), double y[4])
{
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 2; k++) y[2 * i + k] = f(3, (double[]){x[6 * i + k], x[6 * i + 2 + k], x[6 * i + 4 + k]});
}
static void outer(double (*f)(int n, const double *x), double y[3])
{
    for (int j = 0; j < 3; j++) y[j] = f(4, (double[]){x[2 * j], x[2 * j + 1], x[6 + 2 * j], x[7 + 2 * j]});
}

Test(onnx_reduce, axes_are_an_attribute_first)
{
    double want[4];
    for (int i = 0; i < OPS; i++) {
        rows(ops[i].f, want);
        expect_node(1, ops[i].op, "axes=[1] keepdims=0", "n,3,2", in, "[2,2]", want);
        expect_node(ops[i].since_input - 1, ops[i].op, "axes=[-2]", "n,3,2", in, "[2,1,2]", want);
        outer(ops[i].f, want);
        expect_node(11, ops[i].op, "axes=[0,2] keepdims=0", "n,3,2", in, "[3]", want);
        *want = ops[i].f(12, x);
        expect_node(11, ops[i].op, "keepdims=0", "n,3,2", in, "[]", want);
    }
}

/* Axes as an initialiser. */
static void expect_axes(int opset, const char *op, const char *attrs, const char *axes, const char *shape,
                        const double *want)
{
    struct onnx m = onnx_begin(opset);
    onnx_input(&m, "a", WG__ONNX_DOUBLE, "n,3,2");
    onnx_ints(&m, "axes", axes);
    onnx_node(&m, op, "a,axes", "y", attrs);
    onnx_output(&m, "y", WG__ONNX_DOUBLE, NULL);
    struct net n = net_import(&m, NULL);
    net_run(&n, 2, in);
    net_expect(&n, 0, shape, want);
    net_free(&n);
}

Test(onnx_reduce, axes_are_an_input_later)
{
    double want[4];
    for (int i = 0; i < OPS; i++) {
        rows(ops[i].f, want);
        expect_axes(ops[i].since_input, ops[i].op, "", "[1]", "[2,1,2]", want);
        outer(ops[i].f, want);
        expect_axes(22, ops[i].op, "keepdims=0", "[2,0]", "[3]", want);
        *want = ops[i].f(12, x);
        expect_axes(18, ops[i].op, "keepdims=0", "[]", "[]", want);
        expect_node(18, ops[i].op, "", "n,3,2", in, "[1,1,1]", want);
    }
}

Test(onnx_reduce, no_axes_may_mean_none)
{
    double want[12];
    for (int i = 0; i < OPS; i++) {
        if (ops[i].f == log_sum) continue; /* of negative numbers */
        for (int k = 0; k < 12; k++) want[k] = ops[i].f(1, &x[k]);
        expect_axes(18, ops[i].op, "noop_with_empty_axes=1", "[]", "[2,3,2]", want);
        expect_node(18, ops[i].op, "noop_with_empty_axes=1", "n,3,2", in, "[2,3,2]", want);
    }
}

static void expect_typed(int dtype, const char *op, int opset, const char *dims, const double *from, double want)
{
    struct onnx m = one_node(opset, op, "keepdims=0", dtype, dims, "y");
    struct net  n = net_import(&m, NULL);
    cr_assert_eq(wg_node_dtype(n.out[0]), wg__onnx_dtype_in(dtype));
    net_run(&n, 2, IN(from));
    net_expect(&n, 0, "[]", &want);
    net_free(&n);
}

Test(onnx_reduce, integers_give_integers)
{
    static const double i[] = {-3, 2, -2, -2};
    for (int t = WG__ONNX_INT32; t <= WG__ONNX_INT64; t++) {
        expect_typed(t, "ReduceSum", 13, "n,2", i, -5);
        expect_typed(t, "ReduceMean", 13, "n,2", i, -1); /* -1.25 */
        expect_typed(t, "ReduceProd", 13, "n,2", i, -24);
        expect_typed(t, "ReduceMax", 13, "n,2", i, 2);
        expect_typed(t, "ReduceL1", 13, "n,2", i, 9);
        expect_typed(t, "ReduceL2", 13, "n,2", i, 4); /* sqrt 21 */
        expect_typed(t, "ReduceSumSquare", 13, "n,2", i, 21);
        expect_typed(t, "ReduceLogSumExp", 13, "n,2", i, 2); /* 2.04 */
    }
}

Test(onnx_reduce, the_extremes_of_bytes_and_truths)
{
    static const double bytes[] = {3, 200, 7, 100}, mixed[] = {0, 1, 0, 1}, truth[] = {1, 1, 1, 1};
    expect_typed(WG__ONNX_UINT8, "ReduceMax", 12, "n,2", bytes, 200);
    expect_typed(WG__ONNX_UINT8, "ReduceMin", 18, "n,2", bytes, 3);
    expect_typed(WG__ONNX_BOOL, "ReduceMax", 20, "n,2", mixed, 1);
    expect_typed(WG__ONNX_BOOL, "ReduceMin", 20, "n,2", mixed, 0);
    expect_typed(WG__ONNX_BOOL, "ReduceMin", 20, "n,2", truth, 1);
    expect_typed(WG__ONNX_BOOL, "ReduceMax", 20, "n,0", truth, 0);
    expect_typed(WG__ONNX_BOOL, "ReduceMin", 20, "n,0", truth, 1);
    expect_typed(WG__ONNX_UINT8, "ReduceMax", 20, "n,0", truth, 0);
    expect_typed(WG__ONNX_UINT8, "ReduceMin", 20, "n,0", truth, 255);
}

Test(onnx_reduce, nothing_is_reduced_to_what_leaves_others_alone)
{
    expect_typed(WG__ONNX_FLOAT, "ReduceSum", 13, "n,0", x, 0);
    expect_typed(WG__ONNX_FLOAT, "ReduceProd", 13, "n,0", x, 1);
    expect_typed(WG__ONNX_FLOAT, "ReduceMax", 13, "n,0", x, -INFINITY);
    expect_typed(WG__ONNX_FLOAT, "ReduceL2", 13, "n,0", x, 0);
    expect_typed(WG__ONNX_FLOAT, "ReduceLogSumExp", 13, "n,0", x, -INFINITY);
    expect_typed(WG__ONNX_FLOAT, "ReduceSum", 13, "scalar", x, 1);
}

Test(onnx_reduce, the_slope_of_a_length_is_finite_at_zero)
{
    struct onnx   m = one_node(13, "ReduceL2", "axes=[1] keepdims=0", WG__ONNX_DOUBLE, "n,2", "y");
    struct net    n = net_import(&m, NULL);
    const double *from[] = {(double[]){0, 0, 3, 4}};
    wg_grad(wg_sum(n.out[0], (wg_axes){.n = -1}, 0), 1, n.in, &n.out[0]);
    net_run(&n, 2, from);
    net_expect(&n, 0, "[2,2]", (double[]){0, 0, 0.6, 0.8});
    net_free(&n);
}

Test(onnx_reduce, what_is_wrong_is_said)
{
    struct onnx m = one_node(13, "ReduceMax", "axes=[2]", WG__ONNX_FLOAT, "n,2", "y");
    net_refused(&m, WG_EFORMAT, "axis 2 is outside of rank 2");
    m = one_node(13, "ReduceMax", "axes=[0,-2]", WG__ONNX_FLOAT, "n,2", "y");
    net_refused(&m, WG_EFORMAT, "axis 0 is named twice");
    m = one_node(13, "ReduceSum", "axes=[0]", WG__ONNX_FLOAT, "n,2", "y");
    net_refused(&m, WG_EARG, "attribute 'axes'");
    m = one_node(18, "ReduceMax", "", WG__ONNX_INT64, "n,2 1", "y");
    net_refused(&m, WG_EARG, "the list of axes has to be known");
    m = one_node(13, "ReduceSum", "", WG__ONNX_BOOL, "n,2", "y");
    net_refused(&m, WG_EDTYPE, "ReduceSum");
}
