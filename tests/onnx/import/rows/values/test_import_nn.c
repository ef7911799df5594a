/* Products, softmax and random numbers of ONNX. */
#include "onnx/import/rows_test.h"

TestSuite(onnx_nn, .timeout = 120);

static const double x[12] = {1, -2, 3, 4, 0.5, 1, 2, -1, 5, 0.25, 3, -0.5};

/* ---- Products ---- */

Test(onnx_nn, a_vector_is_a_row_or_a_column_of_a_product)
{
    static const double v[] = {1, 2, 3}, w[] = {1, 0, 2}, m[] = {1, 2, 3, 4, 5, 6};
    expect_node(13, "MatMul", "", "3 3", IN(v, w), "[]", (double[]){7});
    expect_node(13, "MatMul", "", "3 3,2", IN(v, m), "[2]", (double[]){22, 28});
    expect_node(1, "MatMul", "", "n,3 3", IN(m, w), "[2]", (double[]){7, 16});
    expect_node(9, "MatMul", "", "n,2,3 3", IN(x, w), "[2,2]", (double[]){7, 6, 12, -0.75});
    expect_node(13, "MatMul", "", "3 n,3,2", IN(v, x), "[2,2]", (double[]){8.5, 9, 21, -2});
}

Test(onnx_nn, an_integer_product_is_exact)
{
    static const double a[] = {1 << 30, 3, -7, 1}, b[] = {1 << 20, 1, 5, -2};
    struct onnx         m = one_node(13, "MatMul", "", WG__ONNX_INT64, "n,2 2,2", "y");
    struct net          n = net_import(&m, NULL);
    cr_assert_eq(wg_node_dtype(n.out[0]), WG_I64);
    net_run(&n, 2, IN(a, b));
    const int64_t *y = wg_view(n.t, n.out[0]);
    cr_assert(y[0] == (1LL << 50) + 15 && y[1] == (1 << 30) - 6 && y[2] == -7 * (1 << 20) + 5 && y[3] == -9);
    net_free(&n);
}

Test(onnx_nn, gemm_is_alpha_ab_and_beta_c)
{
    static const double a[] = {1, 2, 3, 4}, b[] = {1, 0, 2, -1, 1, 3}, c[] = {10, 20, 30};
    expect_node(11, "Gemm", "", "n,2 2,3", IN(a, b), "[2,3]", (double[]){-1, 2, 8, -1, 4, 18});
    expect_node(13, "Gemm", "", "n,2 2,3 3", IN(a, b, c), "[2,3]", (double[]){9, 22, 38, 9, 24, 48});
    expect_node(6, "Gemm", "broadcast=1", "n,2 2,3 3", IN(a, b, c), "[2,3]", (double[]){9, 22, 38, 9, 24, 48});
    expect_node(7, "Gemm", "alpha=0.5 beta=2.0", "n,2 2,3 1", IN(a, b, c), "[2,3]",
                (double[]){19.5, 21, 24, 19.5, 22, 29});
    expect_node(9, "Gemm", "transA=1 transB=1 beta=0.0", "2,n 3,2 3", IN(a, b, c), "[2,3]",
                (double[]){1, -1, 10, 2, 0, 14});
    expect_node(13, "Gemm", "", "n,2 2,3 n,1", IN(a, b, c), "[2,3]", (double[]){9, 12, 18, 19, 24, 38});
}

Test(onnx_nn, gemm_says_what_does_not_fit)
{
    struct onnx m = one_node(13, "Gemm", "", WG__ONNX_FLOAT, "n,2 2,3 1,1,3", "y");
    net_refused(&m, WG_EFORMAT, "C is [1,1,3], which does not broadcast to [n,3]");
    m = one_node(13, "Gemm", "", WG__ONNX_FLOAT, "1,2 2,3 2,3", "y");
    net_refused(&m, WG_EFORMAT, "C is [2,3], which does not broadcast to [1,3]");
    m = one_node(13, "Gemm", "", WG__ONNX_FLOAT, "n,2,2 2,3", "y");
    net_refused(&m, WG_EFORMAT, "ranks 3 and 2");
    m = one_node(13, "Gemm", "", WG__ONNX_FLOAT, "n,2 3,3", "y");
    net_refused(&m, WG_ESHAPE, "inner dimensions differ");
    m = one_node(13, "MatMul", "", WG__ONNX_FLOAT, "n,2 scalar", "y");
    net_refused(&m, WG_EFORMAT, "a product with a scalar");
    m = one_node(13, "MatMul", "", WG__ONNX_FLOAT, "n,2", "y");
    net_refused(&m, WG_EFORMAT, "MatMul");
}

/* y = softmax(x W + b) */
static struct onnx dense_model(void)
{
    static const float w[] = {1, 0, 2, -1, 1, 3}, b[] = {0.5f, 0, -0.5f};
    struct onnx        m = onnx_begin(13);
    onnx_input(&m, "x", WG__ONNX_FLOAT, "n,2");
    onnx_init(&m, "w", WG__ONNX_FLOAT, "2,3", w);
    onnx_init(&m, "b", WG__ONNX_FLOAT, "3", b);
    onnx_node(&m, "Gemm", "x,w,b", "h", "");
    onnx_node(&m, "Softmax", "h", "y", "");
    onnx_output(&m, "y", WG__ONNX_FLOAT, "n,3");
    return m;
}

Test(onnx_nn, weights_of_a_product_are_parameters)
{
    struct onnx m = dense_model();
    struct net  n = net_import(&m, NULL);
    cr_assert_eq(wg_param_count(n.g), 2);
    cr_assert_str_eq(wg_node_name(wg_param_at(n.g, 0)), "w");
    cr_assert_str_eq(wg_node_name(wg_param_at(n.g, 1)), "b");
    net_run(&n, 2, IN(x));
    net_run(&n, 5, IN(x)); /* another batch from the same graph */
    for (int i = 0; i < 5; i++)
        cr_assert_float_eq(net_at(&n, 0, 3 * i) + net_at(&n, 0, 3 * i + 1) + net_at(&n, 0, 3 * i + 2), 1, 1e-6);
    net_free(&n);
    m = dense_model();
    n = net_import(&m, &(wg_onnx_import_options){.constants = 1});
    cr_assert_eq(wg_param_count(n.g), 0);
    net_free(&n);
}

/* ---- Softmax ---- */

/* softmax of n elements, `step` apart, by its definition */
static void soften(int n, int step, const double *from, double *to, bool log_)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += exp(from[i * step]);
    for (int i = 0; i < n; i++) to[i * step] = log_ ? from[i * step] - log(sum) : exp(from[i * step]) / sum;
}

Test(onnx_nn, softmax_flattens_before_opset_13)
{
    static const char *const op[] = {"Softmax", "LogSoftmax"};
    double                   flat[12], along[12], all[12];
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < 2; i++) soften(6, 1, x + 6 * i, flat + 6 * i, k);
        for (int i = 0; i < 4; i++) soften(3, 2, x + i / 2 * 6 + i % 2, along + i / 2 * 6 + i % 2, k);
        soften(12, 1, x, all, k);
        expect_node(12, op[k], "", "n,3,2", IN(x), "[2,3,2]", flat);
        expect_node(1, op[k], "axis=0", "n,3,2", IN(x), "[2,3,2]", all);
        expect_node(13, op[k], "axis=1", "n,3,2", IN(x), "[2,3,2]", along);
        for (int i = 0; i < 6; i++) soften(2, 1, x + 2 * i, flat + 2 * i, k);
        expect_node(13, op[k], "", "n,3,2", IN(x), "[2,3,2]", flat);
        expect_node(11, op[k], "axis=-1", "n,3,2", IN(x), "[2,3,2]", flat);
    }
}

Test(onnx_nn, hardmax_is_one_at_the_first_largest)
{
    static const double ties[] = {1, 5, 5, 2, 2, 0};
    expect_node(13, "Hardmax", "", "n,3", IN(ties), "[2,3]", (double[]){0, 1, 0, 1, 0, 0});
    expect_node(13, "Hardmax", "axis=1", "n,3,2", IN(x), "[2,3,2]", (double[]){0, 0, 1, 1, 0, 0, 0, 0, 1, 1, 0, 0});
    expect_node(13, "Hardmax", "axis=1", "n,0,2", IN(x), "[2,0,2]", NULL);
    expect_node(12, "Hardmax", "", "n,3,2", IN(x), "[2,3,2]", (double[]){0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0});
    expect_node(13, "Hardmax", "axis=0", "n,3", IN(ties), "[2,3]", (double[]){0, 1, 1, 1, 0, 0});
}

/* ---- Random numbers ---- */

static struct net random_net(const char *op, const char *attrs, int opset, const char *dims)
{
    struct onnx m = one_node(opset, op, attrs, WG__ONNX_FLOAT, dims, "y");
    return net_import(&m, NULL);
}

static void expect_moments(struct net *n, int count, double mean_, double sd, double slack)
{
    double s = 0, q = 0;
    for (int i = 0; i < count; i++) s += net_at(n, 0, i) / count;
    for (int i = 0; i < count; i++) q += (net_at(n, 0, i) - s) * (net_at(n, 0, i) - s) / count;
    cr_assert(fabs(s - mean_) < slack && fabs(sqrt(q) - sd) < slack, "mean %g, sd %g", s, sqrt(q));
}

Test(onnx_nn, random_tensors_have_their_distribution)
{
    static double zeros[4000];
    struct onnx   m = onnx_begin(13);
    onnx_node(&m, "RandomNormal", "", "y", "shape=[40,100] mean=3.0 scale=0.5 seed=1.0");
    onnx_node(&m, "RandomUniform", "", "z", "shape=[40,100] dtype=11 low=-1.0 high=1.0");
    onnx_output(&m, "y", WG__ONNX_FLOAT, NULL);
    onnx_output(&m, "z", WG__ONNX_DOUBLE, NULL);
    struct net n = net_import(&m, NULL);
    cr_assert(wg_node_dtype(n.out[0]) == WG_F32 && wg_node_dtype(n.out[1]) == WG_F64);
    net_run(&n, 1, NULL);
    expect_moments(&n, 4000, 3, 0.5, 0.05);
    n.out[0] = n.out[1];
    expect_moments(&n, 4000, 0, 0.57735, 0.05);
    net_free(&n);
    n = random_net("RandomNormalLike", "dtype=11", 22, "n,100");
    cr_assert_eq(wg_node_dtype(n.out[0]), WG_F64);
    net_run(&n, 40, IN(zeros));
    expect_moments(&n, 4000, 0, 1, 0.1);
    net_free(&n);
    n = random_net("RandomUniformLike", "", 1, "n,100");
    net_run(&n, 40, IN(zeros));
    expect_moments(&n, 4000, 0.5, 0.288675, 0.05);
    net_free(&n);
}

Test(onnx_nn, bernoulli_is_one_with_its_probability)
{
    static double p[3000];
    for (int i = 0; i < 3000; i++) p[i] = i % 3 * 0.5;
    struct net n = random_net("Bernoulli", "dtype=9", 15, "n,3");
    cr_assert_eq(wg_node_dtype(n.out[0]), WG_BOOL);
    net_run(&n, 1000, IN(p));
    int ones = 0;
    for (int i = 0; i < 3000; i++) {
        int y = net_at(&n, 0, i) != 0;
        if (i % 3 == 1) ones += y;
        else cr_assert_eq(y, i % 3 / 2);
    }
    cr_assert(ones > 430 && ones < 570, "%d", ones);
    net_free(&n);
}

Test(onnx_nn, random_tensors_say_what_they_cannot_be)
{
    struct onnx m = onnx_begin(13);
    onnx_node(&m, "RandomNormal", "", "y", "mean=3.0");
    onnx_output(&m, "y", WG__ONNX_FLOAT, NULL);
    net_refused(&m, WG_EFORMAT, "no attribute 'shape'");
    m = one_node(13, "RandomNormalLike", "dtype=10", WG__ONNX_FLOAT, "n,3", "y");
    net_refused(&m, WG_EARG, "float16 tensors");
    m = one_node(13, "RandomNormalLike", "", WG__ONNX_INT64, "n,3", "y");
    net_refused(&m, WG_EDTYPE, "is not real");
    m = one_node(13, "RandomUniformLike", "low=2.0 high=1.0", WG__ONNX_FLOAT, "n,3", "y");
    net_refused(&m, WG_EARG, "is no range");
}

/* ---- Memory ---- */

Test(onnx_nn, every_allocation_may_fail)
{
    struct onnx m = dense_model();
    expect_clean_failures(&m);
    m = one_node(18, "ReduceL2", "", WG__ONNX_INT64, "n,3", "y");
    expect_clean_failures(&m);
    m = one_node(12, "Hardmax", "", WG__ONNX_FLOAT, "n,3,2", "y");
    expect_clean_failures(&m);
}
