/* Normalisations, pools over the plane and dropout of ONNX. */
#include "onnx/import/rows_test.h"

TestSuite(onnx_norm, .timeout = 120);

/* [n, 3, 2] with n = 2, unless a test says otherwise */
static const double x[12] = {1, -2, 3, 4, 0.5, 1, 2, -1, 5, 0.25, 3, -0.5};

/* ---- Normalisations ---- */

static const double scale[] = {1, 2, -1}, bias[] = {0, 0.5, 1}, mean[] = {0.5, 1, -1}, var[] = {1, 4, 0.25};
static const double eps = 9.9999997473787516e-6; /* 1e-5 as a float */

/* (x[at[i]] - E) / sqrt(V + eps) into y[at[i]], of n places */
static void standardise(int n, const int *at, double *y, double *e, double *v)
{
    *e = *v = 0;
    for (int i = 0; i < n; i++) *e += x[at[i]] / n;
    for (int i = 0; i < n; i++) *v += (x[at[i]] - *e) * (x[at[i]] - *e) / n;
    for (int i = 0; i < n; i++) y[at[i]] = (x[at[i]] - *e) / sqrt(*v + eps);
}

Test(onnx_norm, batch_norm_infers_with_given_statistics)
{
    double want[12];
    for (int i = 0; i < 12; i++) {
        int k = i / 2 % 3;
        want[i] = (x[i] - mean[k]) / sqrt(var[k] + eps) * scale[k] + bias[k];
    }
    static const struct {
        int         opset;
        const char *attrs;
    } forms[] = {{1, "is_test=1 consumed_inputs=[0,0]"},
                 {6, "is_test=1"},
                 {7, "spatial=1"},
                 {9, ""},
                 {14, ""},
                 {15, "training_mode=0"}};
    for (int i = 0; i < 6; i++)
        expect_node(forms[i].opset, "BatchNormalization", forms[i].attrs, "n,3,2 3 3 3 3",
                    IN(x, scale, bias, mean, var), "[2,3,2]", want);
}

Test(onnx_norm, batch_norm_trains_with_those_of_the_batch)
{
    static const struct {
        int         opset, outputs;
        const char *attrs, *names;
    } forms[] = {{6, 5, "momentum=0.75", "y,z,u,v,w"},
                 {9, 5, "momentum=0.75", "y,z,u,v,w"},
                 {14, 3, "momentum=0.75 training_mode=1", "y,z,u"}};
    double want[12], e[3], v[3], next_e[3], next_v[3];
    for (int k = 0; k < 3; k++) {
        standardise(4, (int[]){2 * k, 2 * k + 1, 6 + 2 * k, 7 + 2 * k}, want, &e[k], &v[k]);
        next_e[k] = 0.75 * mean[k] + 0.25 * e[k];
        next_v[k] = 0.75 * var[k] + 0.25 * v[k];
    }
    for (int i = 0; i < 12; i++) want[i] = want[i] * scale[i / 2 % 3] + bias[i / 2 % 3];
    for (int i = 0; i < 3; i++) {
        struct onnx m = one_node(forms[i].opset, "BatchNormalization", forms[i].attrs, WG__ONNX_DOUBLE, "n,3,2 3 3 3 3",
                                 forms[i].names);
        struct net  n = net_import(&m, NULL);
        net_run(&n, 2, IN(x, scale, bias, mean, var));
        net_expect(&n, 0, "[2,3,2]", want);
        net_expect(&n, 1, "[3]", next_e);
        net_expect(&n, 2, "[3]", next_v);
        if (forms[i].outputs > 3) net_expect(&n, 3, "[3]", e), net_expect(&n, 4, "[3]", v);
        net_free(&n);
    }
}

Test(onnx_norm, a_vector_is_a_batch_of_one_channel)
{
    double want[12], e, v;
    standardise(4, (int[]){0, 1, 2, 3}, want, &e, &v);
    struct onnx m = one_node(14, "BatchNormalization", "training_mode=1", WG__ONNX_DOUBLE, "n 1 1 1 1", "y");
    struct net  n = net_import(&m, NULL);
    net_run(&n, 4, IN(x, (double[]){1}, (double[]){0}, mean, var));
    net_expect(&n, 0, "[4]", want);
    net_free(&n);
}

Test(onnx_norm, batch_norm_refuses_what_is_not_of_a_channel)
{
    struct onnx m = one_node(7, "BatchNormalization", "spatial=0", WG__ONNX_FLOAT, "n,3,2 3,2 3,2 3,2 3,2", "y");
    net_refused(&m, WG_EARG, "spatial = 0");
    m = one_node(9, "BatchNormalization", "", WG__ONNX_FLOAT, "n,3,2 3 1 3 3", "y");
    net_refused(&m, WG_EFORMAT, "B is [1], not [3]");
    m = one_node(9, "BatchNormalization", "", WG__ONNX_FLOAT, "scalar 3 3 3 3", "y");
    net_refused(&m, WG_EFORMAT, "x is a scalar");
}

Test(onnx_norm, instance_norm_is_over_the_plane)
{
    double want[12], e, v;
    for (int i = 0; i < 6; i++) standardise(2, (int[]){2 * i, 2 * i + 1}, want, &e, &v);
    for (int i = 0; i < 12; i++) want[i] = want[i] * scale[i / 2 % 3] + bias[i / 2 % 3];
    expect_node(6, "InstanceNormalization", "", "n,3,2 3 3", IN(x, scale, bias), "[2,3,2]", want);
}

Test(onnx_norm, layer_norm_is_over_the_last_axes)
{
    static const int at[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    double           want[12], e[2], v[2], root[2];
    struct onnx m = one_node(17, "LayerNormalization", "axis=1 stash_type=11", WG__ONNX_DOUBLE, "n,3,2 3,1 2", "y,z,u");
    struct net  n = net_import(&m, NULL);
    for (int i = 0; i < 2; i++) {
        standardise(6, at + 6 * i, want, &e[i], &v[i]);
        root[i] = 1 / sqrt(v[i] + eps);
    }
    for (int i = 0; i < 12; i++) want[i] = want[i] * scale[i / 2 % 3] + bias[i % 2];
    net_run(&n, 2, IN(x, scale, bias));
    net_expect(&n, 0, "[2,3,2]", want);
    net_expect(&n, 1, "[2,1,1]", e);
    net_expect(&n, 2, "[2,1,1]", root);
    net_free(&n);
    m = one_node(17, "LayerNormalization", "", WG__ONNX_DOUBLE, "n,3 2,n,3", "y");
    net_refused(&m, WG_EFORMAT, "[2,n,3] does not broadcast to [n,3]");
    m = one_node(17, "LayerNormalization", "stash_type=16", WG__ONNX_DOUBLE, "n,3 3", "y");
    net_refused(&m, WG_EARG, "stash_type bfloat16");
    m = one_node(17, "LayerNormalization", "", WG__ONNX_DOUBLE, "n,3 3", "y,z");
    n = net_import(&m, NULL);
    cr_assert(wg_node_dtype(n.out[0]) == WG_F64 && wg_node_dtype(n.out[1]) == WG_F32, "stash_type 1 is float");
    net_free(&n);
}

Test(onnx_norm, group_norm_scales_groups_then_channels)
{
    static const double one[] = {1, 2, 3, 4}, shift[] = {0, 1, 2, 3};
    double              unit[12], by_group[12], by_channel[12], e, v;
    for (int i = 0; i < 4; i++) standardise(3, (int[]){3 * i, 3 * i + 1, 3 * i + 2}, unit, &e, &v);
    for (int i = 0; i < 12; i++) {
        int group = i / 3 % 2, channel = i % 6; /* [n, 6], two groups */
        by_group[i] = unit[i] * one[group] + shift[group];
        by_channel[i] = unit[i] * x[channel] + x[6 + channel];
    }
    expect_node(18, "GroupNormalization", "num_groups=2", "n,6 2 2", IN(x, one, shift), "[2,6]", by_group);
    expect_node(21, "GroupNormalization", "num_groups=2 stash_type=11", "n,6 6 6", IN(x, x, x + 6), "[2,6]",
                by_channel);
    struct onnx m = one_node(18, "GroupNormalization", "num_groups=4", WG__ONNX_FLOAT, "n,6,k 4 4", "y");
    net_refused(&m, WG_EFORMAT, "6 is no multiple of 4");
    m = one_node(18, "GroupNormalization", "num_groups=0", WG__ONNX_FLOAT, "n,6,k 4 4", "y");
    net_refused(&m, WG_EFORMAT, "num_groups is 0");
}

Test(onnx_norm, mean_variance_norm_of_equal_elements_is_zero)
{
    static const double same[] = {3, 3, 1, 5};
    expect_node(9, "MeanVarianceNormalization", "axes=[1]", "n,2", IN(same), "[2,2]", (double[]){0, 0, -1, 1});
    expect_node(13, "MeanVarianceNormalization", "", "n,1,1,2", IN(x), "[2,1,1,2]",
                (double[]){-0.218217890, -1.527525232, 0.654653671, 1.091089451});
}

/* d sum(y^2) / dx at every element is finite */
static void expect_finite_slope(struct onnx *m, const double *from, int count)
{
    struct net n = net_import(m, NULL);
    wg_grad(wg_sum(wg_square(n.out[0]), (wg_axes){.n = -1}, 0), 1, n.in, n.out);
    net_run(&n, 2, &from);
    for (int i = 0; i < count; i++) cr_assert(isfinite(net_at(&n, 0, i)));
    net_free(&n);
}

Test(onnx_norm, lp_norm_of_zero_is_zero_with_a_slope)
{
    static const double v[] = {3, 0, -4, 0};
    expect_node(1, "LpNormalization", "axis=0", "n,2", IN(v), "[2,2]", (double[]){0.6, 0, -0.8, 0});
    expect_node(22, "LpNormalization", "axis=0 p=1", "n,2", IN(v), "[2,2]", (double[]){3.0 / 7, 0, -4.0 / 7, 0});
    expect_node(22, "LpNormalization", "", "n,2", IN(v), "[2,2]", (double[]){1, 0, -1, 0});
    struct onnx m = one_node(22, "LpNormalization", "axis=0", WG__ONNX_DOUBLE, "n,2", "y");
    expect_finite_slope(&m, v, 4);
    m = one_node(13, "MeanVarianceNormalization", "axes=[0]", WG__ONNX_DOUBLE, "n,2", "y");
    expect_finite_slope(&m, v, 4);
    m = one_node(22, "LpNormalization", "p=3", WG__ONNX_DOUBLE, "n,2", "y");
    net_refused(&m, WG_EFORMAT, "p is 3");
}

/* LRN of [n, 6] by its definition */
static void respond(int size, double alpha, double beta, double k, double *y)
{
    for (int i = 0; i < 12; i++) {
        int    c = i % 6, first = c - (size - 1) / 2, last = c + size / 2;
        double s = 0;
        for (int j = first < 0 ? 0 : first; j <= last && j < 6; j++) s += x[i - c + j] * x[i - c + j];
        y[i] = x[i] / pow(k + alpha / size * s, beta);
    }
}

Test(onnx_norm, lrn_looks_at_channels_around)
{
    double want[12];
    respond(3, 0.5, 0.75, 2, want);
    expect_node(1, "LRN", "size=3 alpha=0.5 bias=2.0", "n,6", IN(x), "[2,6]", want);
    respond(4, 0.5, 0.25, 1, want);
    expect_node(13, "LRN", "size=4 alpha=0.5 beta=0.25", "n,6,1", IN(x), "[2,6,1]", want);
    for (int size = 1; size < 14; size++) {
        char attrs[64];
        snprintf(attrs, sizeof attrs, "size=%d alpha=0.5 beta=0.25", size);
        respond(size, 0.5, 0.25, 1, want);
        expect_node(13, "LRN", attrs, "n,6", IN(x), "[2,6]", want);
    }
    respond(20, 0.5, 0.25, 1, want);
    expect_node(13, "LRN", "size=20 alpha=0.5 beta=0.25", "n,6,1,1", IN(x), "[2,6,1,1]", want);
    struct onnx m = one_node(13, "LRN", "size=0", WG__ONNX_FLOAT, "n,6", "y");
    net_refused(&m, WG_EFORMAT, "size is 0");
    m = one_node(13, "LRN", "size=3", WG__ONNX_FLOAT, "6", "y");
    net_refused(&m, WG_EFORMAT, "x has rank 1");
    m = one_node(13, "LRN", "size=3", WG__ONNX_FLOAT, "n,c", "y");
    net_refused(&m, WG_EARG, "a symbolic number of channels");
    m = one_node(13, "LRN", "size=3", WG__ONNX_BOOL, "n,6", "y");
    net_refused(&m, WG_EDTYPE, "LRN");
}

Test(onnx_norm, global_pools_leave_one_place)
{
    expect_node(1, "GlobalAveragePool", "", "n,1,3,2", IN(x), "[2,1,1,1]", (double[]){7.5 / 6, 8.75 / 6});
    expect_node(22, "GlobalMaxPool", "", "n,3,2", IN(x), "[2,3,1]", (double[]){1, 4, 1, 2, 5, 3});
}

/* ---- Dropout ---- */

Test(onnx_norm, dropout_is_nothing_unless_it_is_asked_for)
{
    static const double all[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    static const int    opset[] = {1, 6, 7, 10, 12, 22};
    for (int i = 0; i < 6; i++) {
        struct onnx m = one_node(opset[i], "Dropout", "", WG__ONNX_DOUBLE, "n,6", "y,z");
        struct net  n = net_import(&m, NULL);
        cr_assert_eq(n.out[0], n.in[0]);
        cr_assert_eq(wg_node_dtype(n.out[1]), opset[i] < 10 ? WG_F64 : WG_BOOL);
        net_run(&n, 2, IN(x));
        net_expect(&n, 1, "[2,6]", all);
        net_free(&n);
    }
}

/* Runs Dropout of 1000 ones: each is 0 or 4/3, and the mask says which; how many stay. */
static int expect_dropout(struct onnx *m, const wg_onnx_import_options *options)
{
    static double ones[1000];
    for (int i = 0; i < 1000; i++) ones[i] = 1;
    struct net n = net_import(m, options);
    net_run(&n, 10, IN(ones));
    int kept = 0;
    for (int i = 0; i < 1000; i++) {
        double y = net_at(&n, 0, i);
        cr_assert(y == 0 || fabs(y - 4.0 / 3) < 1e-6, "%g", y);
        if (n.n_out > 1) cr_assert_eq(net_at(&n, 1, i), y != 0);
        kept += y != 0;
    }
    net_free(&n);
    return kept;
}

static struct onnx dropout_12(const char *inputs, bool training)
{
    struct onnx m = onnx_begin(13);
    onnx_input(&m, "x", WG__ONNX_FLOAT, "n,100");
    onnx_init(&m, "ratio", WG__ONNX_FLOAT, "", &(float){0.25f});
    onnx_init(&m, "training", WG__ONNX_BOOL, "", &training);
    onnx_node(&m, "Dropout", inputs, "y,mask", "seed=7");
    onnx_output(&m, "y", WG__ONNX_FLOAT, NULL);
    onnx_output(&m, "mask", WG__ONNX_BOOL, NULL);
    return m;
}

Test(onnx_norm, dropout_drops_its_ratio_to_go_on_training)
{
    const wg_onnx_import_options on = {.dropout = 1};
    struct onnx                  m = one_node(7, "Dropout", "ratio=0.25", WG__ONNX_FLOAT, "n,100", "y");
    int                          kept = expect_dropout(&m, &on);
    cr_assert(kept > 690 && kept < 810, "%d", kept);
    m = dropout_12("x,ratio", false);
    kept = expect_dropout(&m, &on);
    cr_assert(kept > 690 && kept < 810, "%d", kept);
    m = dropout_12("x,ratio,training", true); /* the file asks for it */
    kept = expect_dropout(&m, NULL);
    cr_assert(kept > 690 && kept < 810, "%d", kept);
}

Test(onnx_norm, a_ratio_that_is_computed_is_refused_where_it_matters)
{
    struct onnx m = one_node(13, "Dropout", "", WG__ONNX_FLOAT, "n,100 scalar", "y");
    struct net  n = net_import(&m, NULL);
    cr_assert_eq(n.out[0], n.in[0]);
    net_free(&n);
    m = one_node(13, "Dropout", "", WG__ONNX_FLOAT, "n,100 scalar scalar", "y");
    net_refused(&m, WG_EARG, "training_mode has to be known");
}

/* ---- Memory ---- */

Test(onnx_norm, every_allocation_may_fail)
{
    struct onnx m = one_node(14, "BatchNormalization", "training_mode=1", WG__ONNX_FLOAT, "n,3,2 3 3 3 3", "y,z,u");
    expect_clean_failures(&m);
    m = one_node(13, "LRN", "size=40", WG__ONNX_FLOAT, "n,30,k", "y");
    expect_clean_failures(&m);
    m = dropout_12("x,ratio,training", true);
    expect_clean_failures(&m);
}
