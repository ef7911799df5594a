/* Random operators: moments, independence, and the same bits every time. */
#include <string.h>

#include "ops/ops_test.h"

enum { N = 100000 };

static void moments(const float *v, int64_t n, double *mean, double *variance)
{
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++) sum += v[i], squares += (double)v[i] * v[i];
    *mean = sum / (double)n;
    *variance = squares / (double)n - *mean * *mean;
}

Test(ops_random, moments)
{
    wg_graph *g = wg_graph_new();
    wg_node  *u = wg_uniform(g, WG_F32, WG_SHAPE(N), -1, 3), *z = wg_normal(g, WG_F32, WG_SHAPE(N), 2, 0.5),
            *x = wg_fill(g, WG_F32, WG_SHAPE(N), 1);
    wg_node     *d = wg_dropout(x, 0.25);
    wg_tape     *t = compiled(g, 3, (wg_node *[]){u, z, d});
    const float *v;
    double       mean, variance;
    must_run(t);
    v = wg_view(t, u);
    for (int i = 0; i < N; i++) cr_assert(v[i] >= -1 && v[i] < 3);
    moments(v, N, &mean, &variance);
    cr_expect_float_eq(mean, 1, 0.02);
    cr_expect_float_eq(variance, 16 / 12., 0.02);
    moments(wg_view(t, z), N, &mean, &variance);
    cr_expect_float_eq(mean, 2, 0.01);
    cr_expect_float_eq(variance, 0.25, 0.01);
    v = wg_view(t, d);
    for (int i = 0; i < N; i++) cr_assert(v[i] == 0 || v[i] == (float)(1 / 0.75));
    moments(v, N, &mean, &variance);
    cr_expect_float_eq(mean, 1, 0.01);
    wg_graph_free(g);
}

static void draw_all(uint64_t seed, uint64_t run, int threads, float *v)
{
    wg_graph *g = wg_graph_new();
    wg_set_seed(g, seed);
    wg_node *a = wg_normal(g, WG_F32, WG_SHAPE(N), 0, 1), *b = wg_uniform(g, WG_F32, WG_SHAPE(N), 0, 1);
    wg_node *c = wg_dropout(wg_add(a, b), 0.5);
    wg_tape *t = wg_compile(g, 1, &c, &(wg_options){.threads = threads});
    cr_assert_not_null(t, "%s", wg_message(g));
    wg_set_run_number(t, run);
    must_run(t);
    memcpy(v, wg_view(t, c), N * sizeof *v);
    wg_graph_free(g);
}

Test(ops_random, function_of_seed_node_and_run)
{
    static float p[N], q[N];
    draw_all(3, 5, 1, p);
    draw_all(3, 5, 4, q);
    cr_expect_arr_eq(p, q, sizeof p, "whatever the number of threads");
    draw_all(4, 5, 1, q);
    cr_expect_arr_neq(p, q, sizeof p, "another seed");
    draw_all(3, 6, 1, q);
    cr_expect_arr_neq(p, q, sizeof p, "another run");
}

Test(ops_random, nodes_are_independent_and_runs_fresh)
{
    wg_graph *g = wg_graph_new();
    wg_node  *a = wg_normal(g, WG_F64, WG_SHAPE(1000), 0, 1), *b = wg_normal(g, WG_F64, WG_SHAPE(1000), 0, 1);
    wg_tape  *t = compiled(g, 2, (wg_node *[]){a, b});
    double    p[1000], q[1000], r[1000], dot = 0;
    must_run(t);
    get_values(t, a, p);
    get_values(t, b, q);
    must_run(t);
    get_values(t, a, r);
    for (int i = 0; i < 1000; i++) dot += p[i] * q[i] / 1000;
    cr_expect_float_eq(dot, 0, 0.15);
    cr_expect_arr_neq(p, r, sizeof p);
    wg_graph_free(g);
}

Test(ops_random, dropout_is_nothing_in_evaluation_and_at_zero)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_param(g, "x", WG_F32, WG_SHAPE(100)), *y = wg_dropout(x, 0.9);
    float     v[100], w[100];
    for (int i = 0; i < 100; i++) v[i] = (float)i;
    wg_param_set(x, v);
    wg_tape *t = wg_compile(g, 1, &y, &(wg_options){.evaluate = 1});
    must_run(t);
    wg_get(t, y, w);
    cr_expect_arr_eq(v, w, sizeof v);
    wg_node *in = wg_input(g, "in", WG_F32, WG_SHAPE(100)), *same = wg_dropout(x, 0);
    cr_expect_eq(wg_dropout(in, 0), in);
    cr_expect_neq(same, x, "what a parameter is in a run is no parameter");
    wg_tape *s = compiled(g, 1, &same);
    must_run(s);
    wg_get(s, same, w);
    cr_expect_arr_eq(v, w, sizeof v);
    wg_graph_free(g);
}

/* The gradient passes where the value did: forward and reverse see one mask. */
Test(ops_random, gradient_of_dropout_has_its_mask)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_fill(g, WG_F32, WG_SHAPE(100), 1), *y = wg_dropout(x, 0.5), *d;
    wg_grad(wg_sum(y, WG_ALL_AXES, 0), 1, &x, &d);
    wg_tape *t = compiled(g, 2, (wg_node *[]){y, d});
    must_run(t);
    cr_expect_arr_eq(wg_view(t, y), wg_view(t, d), 100 * sizeof(float));
    wg_graph_free(g);
}
