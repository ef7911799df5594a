/* A layer or a step that cannot be made leaves the graph as it was: the same
 * parameters, the same names free, and the next call as if none had failed. */
#include <criterion/criterion.h>
#include <string.h>

#include "graph/graph_impl.h"
#include "support/alloc.h"
#include <wengert/train.h>

static wg_graph *g;
static wg_node  *x;

static void start(void)
{
    g = wg_graph_new();
    x = wg_input(g, "x", WG_F32, WG_SHAPE(4, 3));
}
static void stop(void) { wg_graph_free(g); }
TestSuite(undo, .init = start, .fini = stop, .timeout = 60);

static wg_node *loss_of(wg_node *h) { return wg_sum(wg_square(h), WG_ALL_AXES, 0); }

/* ---- What can be made to fail ---- */

static wg_node *loss;
static wg_node *a_layer(void) { return wg_dense(x, 5, "fc"); }
static wg_node *a_deep_layer(void)
{
    return wg_dense_with(x, 5, "deep",
                         &(wg_dense_options){.activation = WG_ACT_GELU, .weight = {.kind = WG_INIT_ORTHOGONAL}});
}
static wg_node *a_step(void) { return wg_minimize(loss, &(wg_solver){.kind = WG_SOLVER_ADAMW, .clip_norm = 1}); }
static wg_node *a_step_over(void)
{
    wg_node *w = wg_param_find(g, "a.weight");
    return wg_minimize_over(loss, 1, &w, &(wg_solver){.kind = WG_SOLVER_RMSPROP, .momentum = 0.5});
}
static wg_node *a_step_of_groups(void)
{
    return wg_minimize_groups(
        loss, 2, (wg_param_group[]){{"*.bias", {.kind = WG_SOLVER_MOMENTUM}, 0}, {"*", {.kind = WG_SOLVER_ADAM}, 0}});
}
static wg_node *a_gradient(void)
{
    wg_node *w = wg_param_find(g, "a.weight"), *d;
    return wg_grad(loss, 1, &w, &d) == WG_OK ? d : NULL;
}
static wg_node *(*const builders[])(void) = {a_layer, a_deep_layer, a_step, a_step_over, a_step_of_groups, a_gradient};
enum { BUILDERS = sizeof builders / sizeof *builders };

/* Fails at each allocation in turn; gives how many there were. */
static int fail_at_each(wg_node *(*build)(void))
{
    for (int n = 0;; n++) {
        int nodes = g->n, params = wg_param_count(g);
        alloc_fail_at(n);
        wg_node *y = build();
        alloc_restore();
        if (y) return n;
        cr_assert_eq(wg_status(g), WG_ENOMEM, "allocation %d: %s", n, wg_message(g));
        cr_assert_eq(wg_param_count(g), params, "allocation %d leaves a parameter", n);
        cr_assert_eq(g->n, nodes, "allocation %d leaves a node", n);
        wg_clear_error(g);
    }
}

static void fail_all(void)
{
    loss = loss_of(wg_dense(x, 2, "a"));
    cr_assert_not_null(loss, "%s", wg_message(g));
    for (int i = 0; i < BUILDERS; i++) cr_expect_gt(fail_at_each(builders[i]), 0, "builder %d", i);
    cr_expect_not_null(wg_param_find(g, "adamw.step"), "no solver before it took the name");
    cr_expect_null(wg_param_find(g, "adamw#2.step"));
}

Test(undo, every_allocation) { fail_all(); }

static wg_tape *eager(void)
{
    wg_tape *t = wg_graph_eager(g);
    cr_assert_not_null(t);
    cr_assert_eq(wg_set_f32(t, x, 12, (float[]){1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}), WG_OK);
    return t;
}

/* What was given up is not computed again, and nothing merges with it. */
Test(undo, every_allocation_in_eager_mode)
{
    wg_tape *t = eager();
    loss = loss_of(wg_dense(x, 2, "a"));
    for (int i = 0; i < 2; i++) cr_expect_gt(fail_at_each(builders[i]), 0, "builder %d", i);
    wg_node *y = loss_of(wg_dense(x, 2, "b"));
    double   once = wg_get_scalar(t, y);
    cr_assert_eq(wg_run(t), WG_OK, "%s", wg_tape_message(t));
    cr_expect_eq(wg_get_scalar(t, y), once);
}

Test(undo, a_bias_that_is_there)
{
    wg_param(g, "fc.bias", WG_F32, WG_SHAPE(5));
    cr_expect_null(wg_dense(x, 5, "fc"));
    cr_expect_eq(wg_param_count(g), 1);
    cr_expect_null(wg_param_find(g, "fc.weight"));
    cr_expect(strstr(wg_message(g), "wg_dense_layer_new"), "%s", wg_message(g));
}

/* ---- Roles, and gradients that end ---- */

static void expect_trained(wg_node *step, const char *names)
{
    char trained[200] = "";
    cr_assert_not_null(step, "%s", wg_message(g));
    for (int i = 0; i < wg_node_arity(step); i++) {
        const wg_node *p = wg_node_operand(wg_node_operand(step, i), 0);
        if (wg_node_role(p) == WG_ROLE_WEIGHT) strcat(strcat(trained, wg_node_name(p)), " ");
    }
    cr_expect_str_eq(trained, names);
}

Test(undo, state_and_frozen_weights_are_not_trained)
{
    wg_node *h = wg_param(g, "h", WG_F32, WG_SHAPE(4, 2));
    wg_node *l = loss_of(wg_add(wg_dense(x, 2, "a"), h));
    wg_set_role(h, WG_ROLE_STATE);
    wg_set_role(wg_param_find(g, "a.bias"), WG_ROLE_FROZEN);
    wg_node *step = wg_minimize(l, &(wg_solver){.kind = WG_SOLVER_ADAM});
    expect_trained(step, "a.weight ");
    cr_expect_eq(wg_node_role(wg_param_find(g, "adam.step")), WG_ROLE_STATE);
    cr_expect_eq(wg_node_role(wg_param_find(g, "adam.m/a.weight")), WG_ROLE_STATE);
    cr_expect_not_null(wg_compile(g, WG_NODES(l, step, wg_assign(h, wg_shift(h, 1))), NULL), "%s", wg_message(g));
    cr_expect_null(wg_minimize_over(l, 1, &h, NULL));
    cr_expect_str_eq(wg_message(g), "minimize_over: h[4,2] is state: wg_set_role makes it a weight");
    wg_clear_error(g);
    wg_set_role(wg_param_find(g, "a.weight"), WG_ROLE_FROZEN);
    cr_expect_null(wg_minimize(l, NULL));
    cr_expect(strstr(wg_message(g), "state or frozen alone"), "%s", wg_message(g));
}

static void expect_cut(wg_node *l, const char *param, const char *op)
{
    char want[200];
    int  params = wg_param_count(g);
    snprintf(want, sizeof want, "minimize: no gradient reaches %s: it ends at %s, which has none", param, op);
    cr_expect_null(wg_minimize(l, NULL));
    cr_expect_eq(wg_status(g), WG_EGRAD);
    cr_expect_str_eq(wg_message(g), want);
    cr_expect_eq(wg_param_count(g), params);
    wg_clear_error(g);
}

Test(undo, a_weight_that_no_gradient_reaches)
{
    wg_node *y = wg_dense_with(x, 2, "a", &(wg_dense_options){.no_bias = 1}), *label = wg_argmax(y, 1, 0);
    wg_node *right = wg_equal(label, wg_scalar(g, WG_I64, 0));
    expect_cut(wg_mean(wg_cast(right, WG_F32), WG_ALL_AXES, 0), "a.weight[3,2]", "argmax");
    expect_cut(loss_of(wg_floor(y)), "a.weight[3,2]", "floor");
    expect_cut(loss_of(wg_exp(wg_sign(wg_tanh(y)))), "a.weight[3,2]", "sign");
    expect_cut(loss_of(wg_cast(wg_cast(y, WG_I32), WG_F32)), "a.weight[3,2]", "cast");
    expect_cut(loss_of(wg_cast(wg_less(y, wg_lit(y, 0)), WG_F32)), "a.weight[3,2]", "less");
    wg_node *w = wg_param_find(g, "a.weight"), *b = wg_dense(x, 2, "b");
    expect_cut(wg_add(loss_of(b), loss_of(wg_round(y))), "a.weight[3,2]", "round");
    expect_trained(wg_minimize(wg_add(loss_of(y), loss_of(wg_floor(y))), NULL), "a.weight ");
    expect_trained(wg_minimize_over(wg_add(loss_of(b), loss_of(y)), 1, &w, NULL), "a.weight ");
}
