/* wg_grad and wg_vjp: what is built, what is refused, and special wrt nodes. */
#include <string.h>

#include "ops/ops_test.h"

static wg_graph *g;
static void      begin(void) { g = wg_graph_new(); }
static void      end(void) { wg_graph_free(g); }
TestSuite(grad, .init = begin, .fini = end);

static wg_node *scalar_input(const char *name) { return wg_input(g, name, WG_F64, WG_SCALAR); }

static int count_nodes(wg_node *const root[], int n, const char *kind)
{
    wg_node **order;
    int       m = wg__postorder(g, n, root, &order), found = 0;
    for (int i = 0; i < m; i++) found += strcmp(wg_node_kind(order[i]), kind) == 0;
    free(order);
    return found;
}

static double at(wg_node *y, wg_node *x, double v)
{
    wg_tape *t = compiled(g, 2, (wg_node *[]){y, x});
    wg_set_scalar(t, x, v);
    must_run(t);
    double value = wg_get_scalar(t, y);
    wg_tape_free(t);
    return value;
}

/* ---- What is built ---- */

Test(grad, only_what_is_wanted)
{
    wg_node *x = wg_input(g, "x", WG_F32, WG_SHAPE(8, 3)), *w = wg_param(g, "w", WG_F32, WG_SHAPE(3, 4));
    wg_node *v = wg_param(g, "v", WG_F32, WG_SHAPE(4, 1)), *dw, *d[3];
    wg_node *loss = wg_sum(wg_matmul(wg_tanh(wg_matmul(x, w)), v), WG_ALL_AXES, 0);
    int      before = g->n;
    cr_assert_eq(wg_grad(loss, 1, &v, &dw), WG_OK);
    cr_expect_eq(count_nodes(&dw, 1, "matmul"), 2, "one product, and x w, for v alone");
    cr_expect_lt(g->n - before, 8, "%d nodes", g->n - before);
    cr_assert_eq(wg_grad(loss, 3, (wg_node *[]){x, w, v}, d), WG_OK);
    cr_expect_eq(count_nodes(d, 3, "matmul"), 1 + 4, "x w; then dv, dh, dw, dx");
}

Test(grad, a_layer_without_dx_has_no_product_for_it)
{
    wg_node *x = wg_input(g, "x", WG_F32, WG_SHAPE(8, 3)), *w = wg_param(g, "w", WG_F32, WG_SHAPE(3, 4)), *dw;
    wg_node *loss = wg_sum(wg_square(wg_matmul(x, w)), WG_ALL_AXES, 0);
    cr_assert_eq(wg_grad(loss, 1, &w, &dw), WG_OK);
    cr_expect_eq(count_nodes(&dw, 1, "matmul"), 2);
}

Test(grad, batched_operand_needs_one_product)
{
    wg_node *x = wg_input(g, "x", WG_F64, WG_SHAPE(5, 2, 3)), *w = wg_input(g, "w", WG_F64, WG_SHAPE(3, 4)), *dw;
    cr_assert_eq(wg_grad(wg_sum(wg_matmul(x, w), WG_ALL_AXES, 0), 1, &w, &dw), WG_OK);
    cr_expect_eq(count_nodes(&dw, 1, "sum"), 0, "no [5,3,4] is made and summed");
}

/* ---- Special wrt nodes ---- */

Test(grad, intermediate_loss_and_repeated_nodes)
{
    wg_node *x = scalar_input("x"), *h = wg_exp(x), *y = wg_mul(h, h), *d[5];
    cr_assert_eq(wg_grad(y, 5, (wg_node *[]){h, x, y, x, h}, d), WG_OK);
    cr_expect_float_eq(at(d[0], x, 0.5), 2 * exp(0.5), 1e-12);
    cr_expect_float_eq(at(d[1], x, 0.5), 2 * exp(1), 1e-12);
    cr_expect_float_eq(at(d[2], x, 0.5), 1, 0);
    cr_expect_eq(d[1], d[3]);
    cr_expect_eq(d[0], d[4]);
}

Test(grad, of_the_node_itself_and_of_strangers)
{
    wg_node *x = scalar_input("x"), *z = wg_input(g, "z", WG_F32, WG_SHAPE(wg_dim(g, "b"), 2)), *d[2];
    cr_assert_eq(wg_grad(x, 2, (wg_node *[]){x, z}, d), WG_OK);
    cr_expect_eq(at(d[0], x, 3), 1);
    cr_expect(wg__shape_equal(wg_node_shape(d[1]), wg_node_shape(z)), "zeros of z's shape");
    cr_expect_eq(wg_node_dtype(d[1]), WG_F32);
    wg_node *later = wg_exp(x);
    cr_assert_eq(wg_grad(x, 1, &later, d), WG_OK);
    cr_expect_eq(at(d[0], x, 3), 0);
}

Test(grad, nothing_to_do)
{
    wg_node *x = scalar_input("x");
    cr_expect_eq(wg_grad(x, 0, NULL, NULL), WG_OK);
}

Test(grad, one_element_of_any_rank)
{
    wg_node *x = wg_input(g, "x", WG_F64, WG_SHAPE(1, 1)), *d;
    cr_assert_eq(wg_grad(wg_square(x), 1, &x, &d), WG_OK);
    cr_expect_eq(wg_node_shape(d)->rank, 2);
}

Test(grad, nothing_flows_through_integers_and_steps)
{
    wg_node *x = wg_input(g, "x", WG_F64, WG_SHAPE(4)), *d;
    wg_node *y = wg_add(wg_cast(wg_argmax(x, 0, 0), WG_F64), wg_sum(wg_add(wg_floor(x), wg_step(x)), WG_ALL_AXES, 0));
    y = wg_add(y, wg_sum(wg_cast(wg_cast(x, WG_I32), WG_F64), WG_ALL_AXES, 0));
    cr_assert_eq(wg_grad(y, 1, &x, &d), WG_OK, "%s", wg_message(g));
    wg_tape *t = compiled(g, 2, (wg_node *[]){d, x});
    double   v[4] = {0.3, 1.2, -0.7, 2.6};
    set_values(t, x, v);
    must_run(t);
    get_values(t, d, v);
    for (int i = 0; i < 4; i++) cr_expect_eq(v[i], 0);
}

/* ---- Refusals ---- */

static int         odd_cpu(wg_call *c) { return (void)c, WG_OK; }
static void        wrong_grad(wg_adjoint *v) { v->dx[0] = wg_cast(v->g[0], WG_F32); }
static const wg_op odd = {.name = "odd", .doc = "no gradient", .arity = 1, .infer = wg_infer_same, .cpu = odd_cpu};
static const wg_op wrong = {
    .name = "wrong", .doc = "another dtype", .arity = 1, .infer = wg_infer_same, .cpu = odd_cpu, .grad = wrong_grad};

static void refuse(int status, wg_node *const d[], int n, int want, const char *message)
{
    cr_expect_eq(status, want);
    cr_expect_str_eq(wg_message(g), message);
    for (int i = 0; i < n; i++) cr_expect_null(d[i]);
    wg_clear_error(g);
}

Test(grad, operators_without_gradient_are_named)
{
    wg_node *x = scalar_input("x"), *z = scalar_input("z"), *d[2] = {x, x};
    wg_node *y = wg_named(wg_apply(&odd, 1, &x, NULL), "y");
    wg_node *loss = wg_add(wg_mul(y, z), z);
    refuse(wg_grad(loss, 2, (wg_node *[]){z, x}, d), d, 2, WG_EGRAD, "grad: odd has no gradient, which y[] needs");
    cr_expect_eq(wg_grad(loss, 1, &z, d), WG_OK, "z needs none of it");
    wg_node *w = wg_apply(&wrong, 1, &x, NULL);
    refuse(wg_grad(w, 1, &x, d), d, 1, WG_EDTYPE, "grad: the rule of wrong gives f32 for x[], which is f64");
}

Test(grad, arguments)
{
    wg_node *x = wg_input(g, "x", WG_F64, WG_SHAPE(2)), *label = wg_input(g, "label", WG_I32, WG_SHAPE(2)),
            *d[2] = {x, x};
    wg_node *s = wg_sum(x, WG_ALL_AXES, 0), *p = wg_param(g, "p", WG_F64, WG_SHAPE(2)),
            *b = wg_input(g, "b", WG_F64, WG_SHAPE(wg_dim(g, "n")));
    refuse(wg_grad(x, 1, &x, d), d, 1, WG_ESHAPE, "grad: the loss x[2] has not one element");
    refuse(wg_grad(b, 1, &x, d), d, 1, WG_ESHAPE, "grad: the loss b[n] has not one element");
    refuse(wg_grad(s, 2, (wg_node *[]){x, label}, d), d, 2, WG_EDTYPE, "grad: x[1] is label[2] of i32, not real");
    refuse(wg_grad(wg_sum(label, WG_ALL_AXES, 0), 1, &x, d), d, 1, WG_EDTYPE, "grad: the loss is [] of i32, not real");
    refuse(wg_grad(s, 2, (wg_node *[]){x, NULL}, d), d, 2, WG_EARG, "grad: x[1] is NULL");
    refuse(wg_grad(NULL, 1, &x, d), d, 1, WG_EARG, "grad: the loss is NULL");
    refuse(wg_grad(wg_assign(p, x), 1, &x, d), d, 1, WG_EARG, "grad: the loss is assign, which has no value");
    refuse(wg_vjp(x, s, 1, &x, d), d, 1, WG_ESHAPE, "vjp: y is x[2] but the seed is []");
    refuse(wg_vjp(x, wg_cast(x, WG_F32), 1, &x, d), d, 1, WG_EDTYPE, "vjp: y is f64 but the seed is f32");
    refuse(wg_vjp(x, NULL, 1, &x, d), d, 1, WG_EARG, "vjp: the seed is NULL");
    cr_expect_null(wg_jvp(x, 1, &x, &s));
    cr_expect_str_eq(wg_message(g), "jvp: x[0] is x[2] but its tangent []");
    wg_clear_error(g);
    cr_expect_null(wg_jvp(NULL, 1, &x, &x));
    cr_expect_eq(wg_grad(NULL, 0, NULL, NULL), WG_EARG);
}

/* An error from before neither stops a gradient nor gets lost. */
Test(grad, older_errors_stay)
{
    wg_node *x = scalar_input("x"), *d, *bad = wg_matmul(x, x);
    cr_assert_null(bad);
    cr_expect_eq(wg_grad(wg_exp(x), 1, &x, &d), WG_OK);
    cr_expect_not_null(d);
    cr_expect_eq(wg_grad(bad, 1, &x, &d), WG_ESHAPE, "the cause, not that the loss is NULL");
    cr_expect_str_eq(wg_message(g), "matmul(x[], x[]): needs matrices");
}

/* ---- Values ---- */

Test(grad, prod_with_zeros)
{
    static const double x0[3][4] = {{2, 0, 3, -1}, {0, 0, 3, 2}, {2, 5, 3, -1}};
    static const double want[3][4] = {{0, -6, 0, 0}, {0, 0, 0, 0}, {-15, -6, -10, 30}};
    for (int i = 0; i < 3; i++) {
        double   v[4];
        wg_node *x = const_of(g, WG_F64, WG_SHAPE(4), x0[i]), *d;
        cr_assert_eq(wg_grad(wg_prod(x, WG_ALL_AXES, 0), 1, &x, &d), WG_OK);
        value_of(d, v);
        for (int k = 0; k < 4; k++) cr_expect_eq(v[k], want[i][k]);
    }
    /* d2 (a b c) / da db = c, also where a = 0 */
    double   v[3];
    wg_node *x = const_of(g, WG_F64, WG_SHAPE(3), (double[]){0, 2, 7}), *d, *dd;
    wg_grad(wg_prod(x, WG_ALL_AXES, 0), 1, &x, &d);
    wg_node *db = wg_slice(d, 0, 1, 2, 1);
    cr_assert_eq(wg_grad(wg_sum(db, WG_ALL_AXES, 0), 1, &x, &dd), WG_OK);
    value_of(dd, v);
    cr_expect_eq(v[0], 7);
    cr_expect_eq(v[1], 0);
    cr_expect_eq(v[2], 0);
}

Test(grad, ties_share)
{
    double   v[4];
    wg_node *x = const_of(g, WG_F64, WG_SHAPE(4), (double[]){3, 1, 3, 3}),
            *y = const_of(g, WG_F64, WG_SHAPE(4), (double[]){3, 2, 1, 5}), *d;
    wg_grad(wg_max(x, WG_ALL_AXES, 0), 1, &x, &d);
    value_of(d, v);
    cr_expect(v[0] == 1. / 3 && v[1] == 0 && v[2] == 1. / 3 && v[3] == 1. / 3);
    wg_grad(wg_sum(wg_maximum(x, y), WG_ALL_AXES, 0), 1, &x, &d);
    value_of(d, v);
    cr_expect(v[0] == 0.5 && v[1] == 0 && v[2] == 1 && v[3] == 0);
}

Test(grad, flat_second_derivatives_are_zero)
{
    wg_node *x = scalar_input("x"),
            *y[] = {wg_relu(x), wg_abs(x), wg_leaky_relu(x, 0.1), wg_floor(x), wg_sign(x), wg_clip(x, 0, 1)};
    for (size_t i = 0; i < sizeof y / sizeof *y; i++) {
        wg_node *d, *dd;
        cr_assert_eq(wg_grad(y[i], 1, &x, &d), WG_OK, "%s: %s", wg_node_kind(y[i]), wg_message(g));
        cr_assert_eq(wg_grad(d, 1, &x, &dd), WG_OK, "%s: %s", wg_node_kind(y[i]), wg_message(g));
        cr_expect_eq(at(dd, x, 0.7), 0, "%s", wg_node_kind(y[i]));
    }
}

Test(grad, ten_derivatives_of_sine)
{
    wg_node *x = scalar_input("x"), *y = wg_sin(x);
    for (int i = 0; i < 10; i++) cr_assert_eq(wg_grad(y, 1, &x, &y), WG_OK);
    cr_expect_float_eq(at(y, x, 0.4), -sin(0.4), 1e-12, "the tenth derivative of sin is -sin");
}

/* Rosenbrock's function and its Hessian by rows. */
Test(grad, hessian)
{
    wg_node *x = wg_input(g, "x", WG_F64, WG_SHAPE(2)), *row[2], *d;
    wg_node *a = wg_slice(x, 0, 0, 1, 1), *b = wg_slice(x, 0, 1, 2, 1);
    wg_node *left = wg_square(wg_one_minus(a)), *right = wg_scale(wg_square(wg_sub(b, wg_square(a))), 100);
    cr_assert_eq(wg_grad(wg_add(left, right), 1, &x, &d), WG_OK, "%s", wg_message(g));
    for (int i = 0; i < 2; i++) {
        wg_node *di = wg_slice(d, 0, i, i + 1, 1);
        cr_assert_eq(wg_grad(di, 1, &x, &row[i]), WG_OK);
    }
    wg_tape *t = compiled(g, 3, (wg_node *[]){row[0], row[1], x});
    double   p = 0.3, q = -0.8, h0[2], h1[2];
    set_values(t, x, (double[]){p, q});
    must_run(t);
    get_values(t, row[0], h0);
    get_values(t, row[1], h1);
    cr_expect_float_eq(h0[0], 2 - 400 * (q - 3 * p * p), 1e-10);
    cr_expect_float_eq(h0[1], -400 * p, 1e-10);
    cr_expect_float_eq(h1[0], -400 * p, 1e-10);
    cr_expect_float_eq(h1[1], 200, 1e-10);
}

/* ---- Forward mode ---- */

Test(grad, jvp_is_free_of_its_seed_and_right)
{
    wg_node *x = wg_input(g, "x", WG_F64, WG_SHAPE(3)), *v = wg_input(g, "v", WG_F64, WG_SHAPE(3)),
            *w = scalar_input("w");
    wg_node *y = wg_mul(wg_softmax(wg_tanh(x), 0), wg_exp(w)), *one = wg_lit(w, 0.25);
    wg_node *dy = wg_jvp(y, 2, (wg_node *[]){x, w}, (wg_node *[]){v, one});
    cr_assert_not_null(dy, "%s", wg_message(g));
    wg_tape *t = compiled(g, 5, (wg_node *[]){dy, y, x, v, w});
    double   at0[3] = {0.3, -1, 0.6}, dir[3] = {1, -2, 0.5}, up[3], down[3], d[3], h = 1e-6;
    set_values(t, v, dir);
    for (int s = -1; s <= 1; s++) {
        double moved[3];
        for (int i = 0; i < 3; i++) moved[i] = at0[i] + s * h * dir[i];
        set_values(t, x, moved);
        wg_set_scalar(t, w, 0.1 + s * h * 0.25);
        must_run(t);
        get_values(t, s < 0 ? y : s ? y : dy, s < 0 ? down : s ? up : d);
    }
    for (int i = 0; i < 3; i++) cr_expect_float_eq(d[i], (up[i] - down[i]) / (2 * h), 1e-8);
}

Test(grad, jvp_special_cases)
{
    wg_node *x = scalar_input("x"), *z = scalar_input("z"), *t = wg_lit(x, 5);
    cr_expect_eq(at(wg_jvp(x, 1, &x, &t), x, 1), 5, "of the node itself: its tangent");
    cr_expect_eq(at(wg_add(wg_jvp(wg_exp(x), 1, &z, &t), wg_scale(x, 0)), x, 1), 0, "of a stranger: zero");
    cr_expect_eq(at(wg_add(wg_jvp(x, 0, NULL, NULL), wg_scale(x, 0)), x, 1), 0, "of nothing: zero");
    cr_expect_eq(at(wg_jvp(wg_square(x), 2, (wg_node *[]){x, x}, (wg_node *[]){t, t}), x, 3), 60, "twice: the sum");
    wg_node *dd = wg_jvp(wg_jvp(wg_mul(x, wg_square(x)), 1, &x, &t), 1, &x, &t);
    cr_expect_float_eq(at(dd, x, 2), 6 * 2 * 25, 1e-12, "forward over forward");
}

static void        squared_grad(wg_adjoint *v) { v->dx[0] = wg_square(v->g[0]); }
static const wg_op nonlinear = {.name = "nonlinear",
                                .doc = "a wrong rule",
                                .arity = 1,
                                .infer = wg_infer_same,
                                .cpu = odd_cpu,
                                .grad = squared_grad};
Test(grad, jvp_finds_rules_that_are_not_linear)
{
    wg_node *x = scalar_input("x"), *t = wg_lit(x, 1), *y = wg_apply(&nonlinear, 1, &x, NULL);
    cr_expect_null(wg_jvp(y, 1, &x, &t));
    cr_expect_str_eq(wg_message(g), "jvp: a gradient rule is not linear in the gradient");
}

/* ---- Symbols ---- */

Test(grad, symbolic_batch)
{
    int64_t  b = wg_dim(g, "batch");
    wg_node *x = wg_input(g, "x", WG_F64, WG_SHAPE(b, 3)), *w = wg_param(g, "w", WG_F64, WG_SHAPE(3, 2)),
            *c = wg_param(g, "c", WG_F64, WG_SHAPE(2));
    wg_node *label = wg_input(g, "label", WG_I64, WG_SHAPE(b)), *d[3];
    wg_node *z = wg_add(wg_matmul(x, w), c);
    wg_node *norm = wg_sub(z, wg_expand(wg_mean(z, WG_AXES(0), 1), *wg_node_shape(z)));
    wg_node *flat = wg_reshape(norm, WG_SHAPE(WG_DIM_AUTO)), *back = wg_reshape(flat, WG_SHAPE(b, 2));
    wg_node *twice = wg_concat(2, (wg_node *[]){back, z}, 0), *mirror = wg_slice(twice, 0, WG_SLICE_END, INT64_MIN, -1);
    wg_node *loss = wg_add(wg_softmax_cross_entropy(z, label), wg_mean(wg_square(mirror), WG_ALL_AXES, 0));
    loss = wg_add(loss, wg_max(wg_logsumexp(z, WG_AXES(0), 0), WG_ALL_AXES, 0));
    cr_assert_eq(wg_grad(loss, 3, (wg_node *[]){x, w, c}, d), WG_OK, "%s", wg_message(g));
    cr_expect(wg__shape_equal(wg_node_shape(d[0]), wg_node_shape(x)));
    cr_expect(wg__shape_equal(wg_node_shape(d[2]), wg_node_shape(c)));
    double w0[6] = {0.3, -0.2, 0.5, 0.9, -1, 0.4};
    wg_param_set(w, w0);
    for (int64_t n = 1; n <= 4; n++) {
        wg_tape *t = wg_compile(g, 4, (wg_node *[]){loss, d[0], d[1], d[2]}, &(wg_options){.bind = {{"batch", n}}});
        cr_assert_not_null(t, "batch %lld: %s", (long long)n, wg_message(g));
        double x0[12], l0[4] = {0, 1, 1, 0}, dx[12], h = 1e-6;
        for (int i = 0; i < 3 * n; i++) x0[i] = sin(i + 1);
        set_values(t, label, l0);
        set_values(t, x, x0);
        must_run(t);
        get_values(t, d[0], dx);
        for (int i = 0; i < 3 * n; i++) {
            double old = x0[i], up, down;
            x0[i] = old + h, set_values(t, x, x0), must_run(t), up = wg_get_scalar(t, loss);
            x0[i] = old - h, set_values(t, x, x0), must_run(t), down = wg_get_scalar(t, loss);
            x0[i] = old;
            cr_expect_float_eq(dx[i], (up - down) / (2 * h), 1e-7, "batch %lld, element %d: %g, %g", (long long)n, i,
                               dx[i], (up - down) / (2 * h));
        }
        wg_tape_free(t);
    }
}

/* ---- Size ---- */

Test(grad, a_chain_of_a_million_nodes)
{
    wg_node *x = scalar_input("x"), *y = x, *d;
    for (int i = 0; i < 1000000; i++) y = wg_neg(y);
    cr_assert_eq(wg_grad(y, 1, &x, &d), WG_OK);
    wg_node **order;
    cr_expect_eq(wg__postorder(g, 1, &d, &order), 1000001, "one node for each, and the seed");
    free(order);
}

Test(grad, a_node_with_many_users)
{
    enum { N = 20000 };
    wg_node *x = scalar_input("x"), *y = x, *d;
    for (int i = 0; i < N; i++) y = wg_add(y, x);
    cr_assert_eq(wg_grad(y, 1, &x, &d), WG_OK);
    cr_expect_eq(at(d, x, 1), N + 1);
}
