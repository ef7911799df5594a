/* Laws of layers and penalties. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include <wengert/train.h>

static wg_node *set(wg_graph *g, const char *name, const void *data)
{
    wg_node *p = wg_param_find(g, name);
    cr_assert(p != NULL, "%s", name);
    wg_param_set(p, data);
    return p;
}

/* y of one run, n elements. */
static void evaluate(wg_graph *g, wg_node *x, const double *data, wg_node *y, double *out, int n)
{
    wg_dim(g, "b"), wg_dim(g, "t"); /* names that a graph does not have cannot be bound */
    wg_tape *t = wg_compile(g, 1, &y, &(wg_options){.bind = {{"b", 2}, {"t", 3}}});
    cr_assert(t != NULL, "%s", wg_message(g));
    cr_assert_eq(wg_set(t, x, data), WG_OK, "%s", wg_tape_message(t));
    cr_assert_eq(wg_run(t), WG_OK, "%s", wg_tape_message(t));
    cr_assert_eq(wg_count(wg_tape_shape(t, y)), n);
    cr_assert_eq(wg_get(t, y, out), WG_OK);
}

static const double w[] = {1, 2, 3, -4, 5, 6}, b[] = {0.5, -0.5, 1}; /* [2, 3] and [3] */

/* Whatever the leading axes, each row is x W + b. */
static void expect_dense(wg_shape s, int rows)
{
    wg_graph *g = wg_graph_new();
    double    data[12], out[18];
    for (int i = 0; i < s.rank; i++)
        if (s.dim[i] < 0) s.dim[i] = wg_dim(g, s.dim[i] == -2 ? "b" : "t");
    wg_node *x = wg_input(g, "x", WG_F64, s), *y = wg_dense(x, 3, "fc");
    cr_assert(y != NULL, "%s", wg_message(g));
    cr_assert_eq(wg_node_shape(y)->rank, s.rank);
    set(g, "fc.weight", w);
    set(g, "fc.bias", b);
    for (int i = 0; i < 2 * rows; i++) data[i] = 0.25 * i - 1;
    evaluate(g, x, data, y, out, 3 * rows);
    for (int r = 0; r < rows; r++)
        for (int j = 0; j < 3; j++)
            cr_assert_float_eq(out[3 * r + j], data[2 * r] * w[j] + data[2 * r + 1] * w[3 + j] + b[j], 1e-14);
    wg_graph_free(g);
}

Test(layer, dense_is_a_matrix_product_and_a_bias)
{
    expect_dense(WG_SHAPE(2, 2), 2);
    expect_dense(WG_SHAPE(-2, 2), 2);
    expect_dense(WG_SHAPE(2), 1);
    expect_dense(WG_SHAPE(2, 3, 2), 6);
    expect_dense(WG_SHAPE(-2, 3, 2), 6);
    expect_dense(WG_SHAPE(-2, -3, 2), 6);
    expect_dense(WG_SHAPE(0, 2), 0);
}

Test(layer, dense_with_activation_and_without_bias)
{
    static const struct {
        enum wg_activation f;
        double             y[2]; /* of -1 and 2 */
    } cases[] = {{WG_ACT_LINEAR, {-1, 2}},
                 {WG_ACT_RELU, {0, 2}},
                 {WG_ACT_TANH, {-0.76159415595576489, 0.96402758007581688}},
                 {WG_ACT_SIGMOID, {0.2689414213699951, 0.88079707797788243}},
                 {WG_ACT_GELU, {-0.15865525393145707, 1.9544997361036416}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wg_graph        *g = wg_graph_new();
        wg_node         *x = wg_input(g, "x", WG_F64, WG_SHAPE(2, 1));
        wg_dense_options o = {.no_bias = 1, .activation = cases[i].f, .weight = {.kind = WG_INIT_ONES}};
        wg_node         *y = wg_dense_with(x, 1, "fc", &o);
        double           out[2];
        cr_assert_eq(wg_param_count(g), 1);
        evaluate(g, x, (double[]){-1, 2}, y, out, 2);
        for (int k = 0; k < 2; k++) cr_assert_float_eq(out[k], cases[i].y[k], 1e-14, "%zu: %.17g", i, out[k]);
        wg_graph_free(g);
    }
}

Test(layer, dense_says_what_is_wrong)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(2, 3));
    struct {
        wg_node         *x;
        int64_t          units;
        const char      *name;
        wg_dense_options o;
        const char      *word;
    } bad[] = {
        {x, 3, NULL, {0}, "name"},
        {x, 3, "", {0}, "name"},
        {x, 0, "fc", {0}, "0 units"},
        {x, 3, "fc", {.activation = (enum wg_activation)9}, "activation"},
        {wg_input(g, "i", WG_I32, WG_SHAPE(2, 3)), 3, "fc", {0}, "i32"},
        {wg_input(g, "s", WG_F32, WG_SCALAR), 3, "fc", {0}, "last axis"},
        {wg_input(g, "v", WG_F32, WG_SHAPE(2, wg_dim(g, "k"))), 3, "fc", {0}, "last axis"},
        {x, 3, "fc", {.weight = {.kind = WG_INIT_UNIFORM, .a = 1}}, "fc.weight"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert_null(wg_dense_with(bad[i].x, bad[i].units, bad[i].name, &bad[i].o), "%zu", i);
        cr_assert(strstr(wg_message(g), bad[i].word), "%s", wg_message(g));
        wg_clear_error(g);
    }
    cr_assert_null(wg_dense(NULL, 3, "fc2"));
    cr_assert_eq(wg_status(g), WG_OK);
    cr_assert_not_null(wg_dense(x, 3, "fc3"));
    cr_assert_null(wg_dense(x, 3, "fc3"), "names of parameters are unique");
    cr_assert(strstr(wg_message(g), "fc3.weight"));
    wg_graph_free(g);
}

Test(layer, long_names)
{
    wg_graph *g = wg_graph_new();
    char      name[400] = {0}, weight[420];
    memset(name, 'n', sizeof name - 1);
    cr_assert_not_null(wg_dense(wg_input(g, "x", WG_F32, WG_SHAPE(2, 3)), 1, name));
    snprintf(weight, sizeof weight, "%s.weight", name);
    cr_assert_not_null(wg_param_find(g, weight));
    wg_graph_free(g);
}

Test(layer, penalties_and_their_gradients)
{
    wg_graph *g = wg_graph_new();
    wg_node  *p[2] = {wg_param(g, "p", WG_F64, WG_SHAPE(2)), wg_param(g, "q", WG_F64, WG_SCALAR)}, *d1[2], *d2[2];
    set(g, "p", (double[]){-3, 2});
    set(g, "q", (double[]){-0.5});
    wg_node *l1 = wg_l1_penalty(2, p), *l2 = wg_l2_penalty(2, p);
    wg_grad(l1, 2, p, d1);
    wg_grad(l2, 2, p, d2);
    wg_tape *t = wg_compile(g, WG_NODES(l1, l2, d1[0], d1[1], d2[0], d2[1]), NULL);
    cr_assert(t && wg_run(t) == WG_OK, "%s", wg_message(g));
    cr_assert_eq(wg_get_scalar(t, l1), 5.5);
    cr_assert_eq(wg_get_scalar(t, l2), 0.5 * (9 + 4 + 0.25));
    const double *sign = wg_view(t, d1[0]), *same = wg_view(t, d2[0]);
    cr_assert(sign[0] == -1 && sign[1] == 1 && same[0] == -3 && same[1] == 2);
    cr_assert(wg_get_scalar(t, d1[1]) == -1 && wg_get_scalar(t, d2[1]) == -0.5);
    p[1] = NULL;
    cr_assert_null(wg_l1_penalty(2, p));
    cr_assert_null(wg_l2_penalty(2, p));
    wg_graph_free(g);
}
