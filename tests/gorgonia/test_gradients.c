/* Values and gradients that are wrong or missing in Gorgonia (v0.9, Go), of the
 * operators that are here too: against differences and known numbers. */
#include "tape/tape_test.h"

static wg_graph *g;
static void      start(void) { g = wg_graph_new(); }
static void      stop(void) { wg_graph_free(g); }
TestSuite(gorgonia_gradients, .init = start, .fini = stop, .timeout = 60);

static wg_node *input(const char *name, wg_shape s) { return wg_input(g, name, WG_F64, s); }
static wg_node *total(wg_node *x) { return wg_sum(x, WG_ALL_AXES, 0); }

/* d loss / d x against central differences in every element. */
static void expect_gradient(wg_node *loss, wg_node *x, double lo, double hi)
{
    wg_node *d;
    double   v[64], step = 1e-5;
    cr_assert_eq(wg_grad(loss, 1, &x, &d), WG_OK, "%s", wg_message(g));
    wg_tape *t = compile(g, WG_NODES(loss, d), NULL);
    int      n = (int)wg_count(wg_tape_shape(t, x));
    cr_assert_leq(n, 64);
    struct dice dice = {5};
    fill(&dice, WG_F64, v, n, lo, hi);
    for (int i = 0; i < n; i++) {
        double at = v[i], side[2];
        for (int k = 0; k < 2; k++) {
            v[i] = at + (k ? -step : step);
            wg_set(t, x, v);
            run(t);
            side[k] = wg_get_scalar(t, loss);
        }
        v[i] = at;
        wg_set(t, x, v);
        run(t);
        double want = (side[0] - side[1]) / (2 * step);
        cr_expect_float_eq(element(t, d, i), want, 1e-6 * (1 + fabs(want)), "element %d: %g, by differences %g", i,
                           element(t, d, i), want);
    }
}

static wg_node *weighted(wg_node *y)
{
    double      w[256];
    struct dice d = {77};
    int64_t     n = wg_count(wg_node_shape(y));
    fill(&d, WG_F64, w, n, 0.5, 1.5);
    return total(wg_mul(y, wg_const(g, WG_F64, *wg_node_shape(y), w)));
}

Test(gorgonia_gradients, dropout_scales_by_one_over_one_minus_p)
{
    wg_node *x = input("x", WG_SHAPE(1000)), *y = wg_dropout(x, 0.2), *same = wg_dropout(x, 0), *d[2];
    wg_grad(total(y), 1, &x, &d[0]);
    wg_grad(total(same), 1, &x, &d[1]);
    wg_tape *t = compile(g, WG_NODES(y, d[0], d[1]), NULL);
    set_random(t, x, 1, 1, 2);
    run(t);
    for (int i = 0; i < 1000; i++) {
        cr_expect_float_eq(element(t, d[0], i), element(t, y, i) == 0 ? 0 : 1.25, 1e-15);
        cr_expect_eq(element(t, d[1], i), 1, "p = 0 passes everything");
    }
}

Test(gorgonia_gradients, logsumexp_of_one_two_three)
{
    wg_node *x = input("x", WG_SHAPE(3)), *y = wg_logsumexp(x, WG_ALL_AXES, 0), *m = input("m", WG_SHAPE(2, 3)),
            *z = wg_logsumexp(m, WG_AXES(1), 0);
    wg_tape *t = compile(g, WG_NODES(y, z), NULL);
    wg_set(t, x, (double[]){1, 2, 3});
    wg_set(t, m, (double[]){1, 2, 3, 1001, 1002, 1003});
    run(t);
    cr_expect_float_eq(wg_get_scalar(t, y), 3.4076059644443806, 1e-14);
    cr_expect_float_eq(element(t, z, 0), 3.4076059644443806, 1e-14);
    cr_expect_float_eq(element(t, z, 1), 1003.4076059644443806, 1e-11);
    expect_gradient(y, x, -2, 2);
    expect_gradient(weighted(z), m, -2, 2);
}

Test(gorgonia_gradients, max)
{
    wg_node *x = input("x", WG_SHAPE(4, 5));
    expect_gradient(weighted(wg_max(x, WG_AXES(1), 0)), x, -2, 2);
    expect_gradient(weighted(wg_max(x, WG_AXES(0), 1)), x, -2, 2);
    expect_gradient(wg_max(x, WG_ALL_AXES, 0), x, -2, 2);
}

Test(gorgonia_gradients, smaller_and_larger_of_two)
{
    wg_node *x = input("x", WG_SHAPE(4, 5)), *c = wg_const(g, WG_F64, WG_SHAPE(5), (double[]){-1, -0.5, 0, 0.5, 1});
    expect_gradient(weighted(wg_minimum(x, c)), x, -2, 2);
    expect_gradient(weighted(wg_maximum(c, x)), x, -2, 2);
}

Test(gorgonia_gradients, pow_of_tensor_and_scalar)
{
    wg_node *x = input("x", WG_SHAPE(3, 4)), *s = input("s", WG_SCALAR),
            *c = wg_const(g, WG_F64, WG_SHAPE(3), (double[]){0.5, 1, 2});
    expect_gradient(weighted(wg_pow(x, wg_lit(x, 3))), x, -2, 2);
    expect_gradient(weighted(wg_pow(x, wg_lit(x, 2.5))), x, 0.5, 2);
    expect_gradient(weighted(wg_pow(wg_lit(x, 1.5), x)), x, -2, 2);
    expect_gradient(weighted(wg_pow(c, s)), s, 0.5, 2);
}

Test(gorgonia_gradients, inverse_square_root)
{
    wg_node *x = input("x", WG_SHAPE(6));
    expect_gradient(weighted(wg_rsqrt(x)), x, 0.5, 2);
    expect_gradient(weighted(wg_scale(wg_log(x), 1.4426950408889634)), x, 0.5, 2); /* log2 */
}

Test(gorgonia_gradients, outer_product)
{
    wg_node *x = input("x", WG_SHAPE(4)), *c = wg_const(g, WG_F64, WG_SHAPE(3), (double[]){1, -2, 3});
    expect_gradient(weighted(wg_mul(wg_unsqueeze(x, 1), c)), x, -2, 2);
    expect_gradient(weighted(wg_matmul(wg_unsqueeze(c, 1), wg_unsqueeze(x, 0))), x, -2, 2);
}

Test(gorgonia_gradients, concat_along_every_axis)
{
    wg_node *x = input("x", WG_SHAPE(2, 3, 2));
    for (int axis = 0; axis < 3; axis++)
        expect_gradient(weighted(wg_concat(3, (wg_node *[]){wg_square(x), wg_sin(x), x}, axis)), x, -2, 2);
}

Test(gorgonia_gradients, gather_along_every_axis)
{
    wg_node *x = input("x", WG_SHAPE(3, 4)), *index = wg_const(g, WG_I64, WG_SHAPE(5), (int64_t[]){2, 0, 2, -1, 1});
    for (int axis = 0; axis < 2; axis++) expect_gradient(weighted(wg_gather(wg_square(x), index, axis)), x, -2, 2);
}

Test(gorgonia_gradients, softmax_run_after_run)
{
    wg_node *x = input("x", WG_SHAPE(3, 4)), *w = wg_param(g, "w", WG_F64, WG_SHAPE(4, 4)), *d;
    expect_gradient(weighted(wg_softmax(x, 0)), x, -2, 2);
    expect_gradient(weighted(wg_log_softmax(x, 1)), x, -2, 2);
    wg_node *loss = weighted(wg_square(wg_softmax(wg_matmul(x, w), 1)));
    wg_grad(loss, 1, &w, &d);
    wg_tape *t = compile(g, WG_NODES(loss, wg_assign(w, wg_sub(w, wg_scale(d, 0.5)))), NULL);
    set_random(t, x, 1, -1, 1);
    set_random(t, w, 2, -1, 1);
    double last = INFINITY;
    for (int i = 0; i < 500; i++) {
        run(t);
        double now = wg_get_scalar(t, loss);
        cr_assert(now < last, "run %d: %g after %g", i, now, last);
        last = now;
    }
}

Test(gorgonia_gradients, a_norm_over_one_axis)
{
    wg_node *x = input("x", WG_SHAPE(3, 4));
    wg_node *cubes = wg_sum(wg_pow(wg_abs(x), wg_lit(x, 3)), WG_AXES(1), 0);
    expect_gradient(weighted(wg_pow(cubes, wg_lit(x, 1. / 3))), x, 0.5, 2);
}
