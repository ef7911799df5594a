/* Losses of ONNX, and imported nets that learn. */
#include <wengert/train.h>

#include "onnx/import/rows_test.h"

TestSuite(onnx_loss, .timeout = 120);

/* ---- The losses are their definition: x [n, 3, 2] and labels [n, 2], n = 2 ---- */

static const double x[12] = {1, -2, 3, 4, 0.5, 1, 2, -1, 5, 0.25, 3, -0.5};
static const double weight[3] = {0.5, 2, 3};

struct form {
    bool        softmax, weighs, ignores;
    int64_t     ignored;
    double      label[4];
    const char *attrs; /* of ignore_index */
};

static void log_softmax(double y[12])
{
    for (int i = 0; i < 4; i++) {
        const double *from = x + i / 2 * 6 + i % 2;
        double        sum = exp(from[0]) + exp(from[2]) + exp(from[4]);
        for (int k = 0; k < 3; k++) y[i / 2 * 6 + i % 2 + 2 * k] = from[2 * k] - log(sum);
    }
}

/* The loss of each label, their sum and their mean. */
static void reference(const struct form *f, double each[4], double *sum, double *mean)
{
    double y[12], total = 0;
    log_softmax(y);
    *sum = 0;
    for (int i = 0; i < 4; i++) {
        bool   out = f->ignores && (int64_t)f->label[i] == f->ignored;
        int    k = out ? 0 : (int)f->label[i], at = i / 2 * 6 + 2 * k + i % 2;
        double w = out ? 0 : f->weighs ? weight[k] : 1;
        each[i] = -w * (f->softmax ? y[at] : x[at]);
        total += w;
        *sum += each[i];
    }
    *mean = *sum / total;
}

static void expect_loss(const struct form *f, int label_dtype, const char *reduction, const char *shape,
                        const double *want)
{
    char        attrs[64];
    double      log_p[12];
    struct onnx m = onnx_begin(f->weighs ? 12 : 13);
    onnx_input(&m, "x", WG__ONNX_DOUBLE, "n,3,2");
    onnx_input(&m, "label", label_dtype, "n,2");
    onnx_init(&m, "w", WG__ONNX_DOUBLE, "3", weight);
    snprintf(attrs, sizeof attrs, "%s %s", f->attrs, reduction);
    onnx_node(&m, f->softmax ? "SoftmaxCrossEntropyLoss" : "NegativeLogLikelihoodLoss",
              f->weighs ? "x,label,w" : "x,label", f->softmax ? "y,p" : "y", attrs);
    onnx_output(&m, "y", WG__ONNX_DOUBLE, NULL);
    if (f->softmax) onnx_output(&m, "p", WG__ONNX_DOUBLE, NULL);
    struct net n = net_import(&m, NULL);
    net_run(&n, 2, IN(x, f->label));
    net_expect(&n, 0, shape, want);
    log_softmax(log_p);
    if (f->softmax) net_expect(&n, 1, "[2,3,2]", log_p);
    net_free(&n);
}

Test(onnx_loss, each_form_is_its_definition)
{
    static const struct form forms[] = {
        {.label = {0, 2, 1, 2}, .attrs = ""},
        {.label = {0, 2, 1, 2}, .attrs = "", .weighs = true},
        {.label = {0, 2, 1, 2}, .attrs = "ignore_index=2", .ignores = true, .ignored = 2},
        {.label = {0, -100, 1, 2}, .attrs = "ignore_index=-100", .ignores = true, .ignored = -100},
        {.label = {7, 2, 1, 7}, .attrs = "ignore_index=7", .ignores = true, .ignored = 7, .weighs = true},
        {.label = {0, 2, 1, 2},
         .attrs = "ignore_index=5000000000",
         .ignores = true,
         .ignored = 5000000000,
         .weighs = true},
    };
    double each[4], sum, mean;
    for (int i = 0; i < 24; i++) {
        struct form f = forms[i / 4];
        f.softmax = i % 2;
        int dtype = i / 2 % 2 ? WG__ONNX_INT64 : WG__ONNX_INT32;
        reference(&f, each, &sum, &mean);
        expect_loss(&f, dtype, "reduction=none", "[2,2]", each);
        expect_loss(&f, dtype, "reduction=sum", "[]", &sum);
        expect_loss(&f, dtype, "reduction=mean", "[]", &mean);
        expect_loss(&f, dtype, "", "[]", &mean);
    }
}

Test(onnx_loss, a_probability_of_zero_costs_nothing_beside_the_label)
{
    const double p[] = {-INFINITY, -0.5, -1, -INFINITY}, label[] = {1, 9}, want = 0.5;
    struct onnx  m = onnx_begin(13);
    onnx_input(&m, "x", WG__ONNX_DOUBLE, "n,2");
    onnx_input(&m, "label", WG__ONNX_INT64, "n");
    onnx_node(&m, "NegativeLogLikelihoodLoss", "x,label", "y", "ignore_index=9");
    onnx_output(&m, "y", WG__ONNX_DOUBLE, NULL);
    struct net n = net_import(&m, NULL);
    wg_grad(n.out[0], 1, n.in, &n.out[1]);
    n.n_out = 2;
    net_run(&n, 2, IN(p, label));
    net_expect(&n, 0, "[]", &want);
    net_expect(&n, 1, "[2,2]", (double[]){0, -1, 0, 0});
    net_free(&n);
}

static struct onnx loss_model(const char *op, const char *attrs, const char *dims, const char *label, const char *w)
{
    struct onnx m = onnx_begin(13);
    onnx_input(&m, "x", WG__ONNX_FLOAT, dims);
    onnx_input(&m, "label", WG__ONNX_INT64, label);
    onnx_input(&m, "w", WG__ONNX_FLOAT, w);
    onnx_node(&m, op, "x,label,w", "y", attrs);
    onnx_output(&m, "y", WG__ONNX_FLOAT, NULL);
    return m;
}

Test(onnx_loss, what_does_not_fit_is_said)
{
    struct onnx m = loss_model("NegativeLogLikelihoodLoss", "reduction=most", "n,3", "n", "3");
    net_refused(&m, WG_EFORMAT, "reduction 'most'");
    m = loss_model("NegativeLogLikelihoodLoss", "", "n,3,2", "n,3", "3");
    net_refused(&m, WG_EFORMAT, "the labels are [n,3], not [n,2]");
    m = loss_model("NegativeLogLikelihoodLoss", "", "n,3,2", "n,2", "2");
    net_refused(&m, WG_EFORMAT, "the weights are [2], not [3]");
    m = loss_model("SoftmaxCrossEntropyLoss", "", "3", "", "3");
    net_refused(&m, WG_EFORMAT, "rank 1");
}

/* However many classes there are. */
Test(onnx_loss, classes_may_be_a_symbol)
{
    static const double z[] = {0, 1, 2, 3, 4, 5}, label[] = {2, 0}, w[] = {1, 1, 1};
    double              sum = log(1 + exp(-1) + exp(-2)), want = (sum + sum + 2) / 2;
    struct onnx         m = loss_model("SoftmaxCrossEntropyLoss", "", "n,c", "n", "c");
    struct net          n = net_import(&m, NULL);
    n.t = wg_compile(n.g, 1, n.out, &(wg_options){.bind = {{"n", 2}, {"c", 3}}});
    cr_assert_not_null(n.t, "%s", wg_message(n.g));
    const double *const in[] = {z, label, w};
    for (int i = 0; i < 3; i++) net_set(&n, n.in[i], in[i]);
    cr_assert_eq(wg_run(n.t), WG_OK);
    net_expect(&n, 0, "[]", &want);
    net_free(&n);
}

/* ---- A net ---- */

/* loss = cross entropy of relu(x a^T + b) c + d, [n, 3] to 4 to 3 classes */
static struct onnx mlp(int dtype, const char *attrs)
{
    double      v[12];
    float       f[12];
    struct onnx m = onnx_begin(13);
    for (int i = 0; i < 12; i++) f[i] = (float)(v[i] = sin(1 + 3 * i));
    const void *data = dtype == WG__ONNX_FLOAT ? (const void *)f : v;
    onnx_input(&m, "x", dtype, "n,3");
    onnx_input(&m, "label", WG__ONNX_INT64, "n");
    onnx_init(&m, "a", dtype, "4,3", data);
    onnx_init(&m, "b", dtype, "4", data);
    onnx_init(&m, "c", dtype, "4,3", data);
    onnx_init(&m, "d", dtype, "3", data);
    onnx_node(&m, "Gemm", "x,a,b", "h", "transB=1");
    onnx_node(&m, "Relu", "h", "r", "");
    onnx_node(&m, "Gemm", "r,c,d", "logits", "alpha=0.5 beta=2.0");
    onnx_node(&m, "SoftmaxCrossEntropyLoss", "logits,label", "loss", attrs);
    onnx_output(&m, "loss", dtype, "");
    return m;
}

static const double points[] = {1, 0, 0.5, -1, 2, 0.25, 0.75, -0.5, 1, 0, 1, -2, 0.5, 0.5, 0.5, -1, -1, 1.5};
static const double labels[] = {0, 1, 2, 1, 0, 2};

static double loss_at(struct net *n)
{
    net_run(n, 6, IN(points, labels));
    return net_at(n, 0, 0);
}

/* (f(p + h) - f(p - h)) / 2h of one element of a parameter */
static double difference(struct net *n, wg_node *param, double *v, int i)
{
    const double h = 1e-6, old = v[i];
    v[i] = old + h;
    wg_param_set(param, v);
    double up = loss_at(n);
    v[i] = old - h;
    wg_param_set(param, v);
    double down = loss_at(n);
    v[i] = old;
    wg_param_set(param, v);
    return (up - down) / (2 * h);
}

static void expect_gradients(const char *attrs)
{
    double      v[12], slope[4][12];
    wg_node    *p[4], *d[4];
    struct onnx m = mlp(WG__ONNX_DOUBLE, attrs);
    struct net  n = net_import(&m, NULL);
    cr_assert_eq(wg_param_count(n.g), 4);
    for (int k = 0; k < 4; k++) p[k] = wg_param_at(n.g, k);
    cr_assert_eq(wg_grad(n.out[0], 4, p, d), WG_OK, "%s", wg_message(n.g));
    for (int k = 0; k < 4; k++) n.out[1 + k] = d[k];
    n.n_out = 5;
    loss_at(&n);
    for (int k = 0; k < 4; k++) wg_get(n.t, d[k], slope[k]);
    n.n_out = 1;
    for (int k = 0; k < 4; k++) {
        wg_param_get(p[k], v);
        for (int i = 0; i < wg_count(wg_node_shape(p[k])); i++)
            cr_assert_float_eq(slope[k][i], difference(&n, p[k], v, i), 1e-7, "%s[%d]", wg_node_name(p[k]), i);
    }
    net_free(&n);
}

Test(onnx_loss, gradients_of_a_net_are_those_of_differences)
{
    expect_gradients("");
    expect_gradients("ignore_index=1");
    expect_gradients("ignore_index=-1 reduction=sum");
}

Test(onnx_loss, an_imported_net_goes_on_learning)
{
    struct onnx m = mlp(WG__ONNX_FLOAT, "");
    struct net  n = net_import(&m, NULL);
    n.out[1] = wg_minimize(n.out[0], &(wg_solver){.kind = WG_SOLVER_ADAM, .rate = 0.05});
    cr_assert_not_null(n.out[1], "%s", wg_message(n.g));
    n.n_out = 2;
    double first = loss_at(&n), last = first;
    for (int i = 0; i < 100; i++) cr_assert_eq(wg_run(n.t), WG_OK);
    last = net_at(&n, 0, 0);
    cr_assert(last < 0.3 * first, "%g to %g", first, last);
    net_free(&n);
}

/* ---- Memory ---- */

Test(onnx_loss, every_allocation_may_fail)
{
    struct onnx m = mlp(WG__ONNX_FLOAT, "ignore_index=-1");
    expect_clean_failures(&m);
}
