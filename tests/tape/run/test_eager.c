/* Eager mode gives what a compiled tape gives, bit for bit, while building. */
#include "tape/random_graph.h"

TestSuite(tape_eager, .timeout = 60);

/* ---- Against a compiled tape ---- */

Test(tape_eager, random_graphs_bit_for_bit)
{
    for (uint64_t seed = 0; seed < 150; seed++) {
        struct random_graph lazy = random_graph(seed), eager = {.g = wg_graph_new()};
        eager.eager = wg_graph_eager(eager.g);
        build(&eager, seed);
        wg_tape *t = computed(&lazy, NULL);
        cr_assert_eq(lazy.n_out, eager.n_out);
        for (int i = 0; i < lazy.n_out; i++) {
            void *a = value_of(t, lazy.out[i]), *b = value_of(eager.eager, eager.out[i]);
            cr_expect(memcmp(a, b, bytes_on(t, lazy.out[i])) == 0, "graph %llu, output %d", (unsigned long long)seed,
                      i);
            free(a);
            free(b);
        }
        wg_graph_free(lazy.g);
        wg_graph_free(eager.g);
    }
}

struct net {
    wg_graph *g;
    wg_tape  *eager;
    wg_node  *x, *label, *p[4], *d[4], *h, *loss, *step[4];
};

static struct net net(bool eager)
{
    struct net n = {.g = wg_graph_new()};
    wg_set_seed(n.g, 5);
    if (eager) n.eager = wg_graph_eager(n.g);
    static const char *const name[] = {"w1", "b1", "w2", "b2"};
    const wg_shape           shape[] = {WG_SHAPE(12, 9), WG_SHAPE(9), WG_SHAPE(9, 4), WG_SHAPE(4)};
    for (int i = 0; i < 4; i++) {
        float       v[108];
        struct dice d = {(uint64_t)i};
        n.p[i] = wg_param(n.g, name[i], WG_F32, shape[i]);
        fill(&d, WG_F32, v, wg_count(&shape[i]), -1, 1);
        wg_param_set(n.p[i], v);
    }
    n.x = wg_input(n.g, "x", WG_F32, WG_SHAPE(16, 12));
    n.label = wg_input(n.g, "label", WG_I32, WG_SHAPE(16));
    if (eager) {
        set_random(n.eager, n.x, 10, -1, 1);
        set_random(n.eager, n.label, 11, 0, 3.99);
    }
    n.h = wg_dropout(wg_relu(wg_add(wg_matmul(n.x, n.p[0]), n.p[1])), 0.4);
    n.loss = wg_softmax_cross_entropy(wg_add(wg_matmul(n.h, n.p[2]), n.p[3]), n.label);
    cr_assert_eq(wg_grad(n.loss, 4, n.p, n.d), WG_OK, "%s", wg_message(n.g));
    for (int i = 0; i < 4; i++) n.step[i] = wg_sub(n.p[i], wg_scale(n.d[i], 0.1));
    for (int i = 0; i < 4; i++) n.step[i] = wg_assign(n.p[i], n.step[i]);
    return n;
}

static void expect_same_params(const struct net *a, const struct net *b, const char *when)
{
    for (int i = 0; i < 4; i++)
        cr_expect_arr_eq(wg_param_view(a->p[i]), wg_param_view(b->p[i]), wg__bytes(WG_F32, a->p[i]->shape), "%s: %s",
                         when, wg_node_name(a->p[i]));
}

Test(tape_eager, a_training_step_bit_for_bit)
{
    struct net a = net(true), b = net(false);
    wg_tape   *t = compile(
          b.g, WG_NODES(b.loss, b.h, b.d[0], b.d[1], b.d[2], b.d[3], b.step[0], b.step[1], b.step[2], b.step[3]), NULL);
    set_random(t, b.x, 10, -1, 1);
    set_random(t, b.label, 11, 0, 3.99);
    run(t);
    cr_expect_eq(wg_get_scalar(a.eager, a.loss), wg_get_scalar(t, b.loss));
    cr_expect_arr_eq(wg_view(a.eager, a.h), wg_view(t, b.h), 16 * 9 * sizeof(float), "the same units are dropped");
    for (int i = 0; i < 4; i++)
        cr_expect_arr_eq(wg_view(a.eager, a.d[i]), wg_view(t, b.d[i]), bytes_on(t, b.d[i]), "gradient %d", i);
    expect_same_params(&a, &b, "after the step");
    wg_graph_free(a.g);
    wg_graph_free(b.g);
}

/* Built once, run again: as a tape that goes on. */
Test(tape_eager, further_runs_bit_for_bit)
{
    struct net a = net(true), b = net(false);
    wg_tape   *t = compile(b.g, WG_NODES(b.loss, b.step[0], b.step[1], b.step[2], b.step[3]), NULL);
    set_random(t, b.x, 10, -1, 1);
    set_random(t, b.label, 11, 0, 3.99);
    run(t);
    wg_set_run_number(a.eager, wg_run_number(t));
    for (int k = 0; k < 4; k++) {
        set_random(t, b.x, 20 + (uint64_t)k, -1, 1);
        set_random(a.eager, a.x, 20 + (uint64_t)k, -1, 1);
        run(t);
        run(a.eager);
        cr_expect_eq(wg_get_scalar(a.eager, a.loss), wg_get_scalar(t, b.loss), "run %d", k);
        expect_same_params(&a, &b, "a further run");
    }
    wg_graph_free(a.g);
    wg_graph_free(b.g);
}

/* ---- While building ---- */

Test(tape_eager, values_are_there_at_once)
{
    wg_graph *g = wg_graph_new();
    wg_node  *before = wg_scalar(g, WG_F64, 2), *sum = wg_add(before, wg_scalar(g, WG_F64, 3));
    wg_tape  *t = wg_graph_eager(g);
    cr_assert_not_null(t, "%s", wg_message(g));
    cr_expect_eq(wg_get_scalar(t, sum), 5, "what was there before");
    wg_node *x = wg_input(g, "x", WG_F64, WG_SCALAR);
    cr_expect_eq(wg_set_scalar(t, x, 0.5), WG_OK);
    wg_node *y = wg_exp(x);
    cr_expect_float_eq(wg_get_scalar(t, y), exp(0.5), 1e-15);
    wg_node *d;
    wg_node *z = wg_mul(y, sum);
    cr_assert_eq(wg_grad(z, 1, &x, &d), WG_OK);
    cr_expect_float_eq(wg_get_scalar(t, d), 5 * exp(0.5), 1e-14);
    wg_set_scalar(t, x, 1);
    cr_expect_float_eq(wg_get_scalar(t, y), exp(0.5), 1e-15, "until the next run");
    run(t);
    cr_expect_float_eq(wg_get_scalar(t, d), 5 * exp(1), 1e-14);
    wg_graph_free(g);
}

Test(tape_eager, an_input_without_a_value)
{
    wg_graph *g = wg_graph_new();
    wg_tape  *t = wg_graph_eager(g);
    wg_node  *x = wg_input(g, "x", WG_F64, WG_SHAPE(3));
    cr_expect_null(wg_exp(x));
    cr_expect_eq(wg_status(g), WG_EARG);
    cr_expect_str_eq(wg_message(g), "eager: x has no value yet: wg_set it before building on it");
    wg_clear_error(g);
    wg_set(t, x, (double[]){1, 2, 3});
    wg_node *y = wg_sum(x, WG_ALL_AXES, 0);
    cr_expect_eq(wg_get_scalar(t, y), 6, "%s", wg_message(g));
    wg_node *e = wg_exp(x);
    cr_expect_float_eq(element(t, e, 0), exp(1), 1e-15, "what failed before: %s", wg_message(g));
    wg_graph_free(g);
}

Test(tape_eager, mistakes_are_told_and_do_no_harm)
{
    wg_graph *g = wg_graph_new();
    wg_tape  *t = wg_graph_eager(g);
    cr_expect_null(wg_graph_eager(g), "twice");
    cr_expect_eq(wg_status(g), WG_EARG);
    wg_clear_error(g);
    wg_node *table = wg_const(g, WG_F64, WG_SHAPE(2), (double[]){1, 2}),
            *index = wg_const(g, WG_I64, WG_SHAPE(1), (int64_t[]){5});
    cr_expect_null(wg_gather(table, index, 0));
    cr_expect_eq(wg_status(g), WG_EINDEX);
    cr_expect_not_null(strstr(wg_message(g), "index 5"), "%s", wg_message(g));
    wg_clear_error(g);
    cr_expect_null(wg_add(table, wg_const(g, WG_F64, WG_SHAPE(3), (double[]){1, 2, 3})));
    cr_expect_eq(wg_status(g), WG_ESHAPE);
    wg_clear_error(g);
    wg_node *y = wg_neg(table);
    cr_expect_eq(element(t, y, 1), -2);
    cr_expect_eq(wg_set(t, y, (double[]){1, 2}), WG_EARG, "computed");
    cr_expect_eq(wg_watch_finite(t, 1), WG_EARG);
    cr_expect_eq(wg_trace(t, 1), WG_EARG);
    cr_expect_eq(wg_run(t), WG_OK, "what failed is no part of a run: %s", wg_tape_message(t));
    wg_graph_free(g);
}

Test(tape_eager, symbols_need_a_size)
{
    wg_graph *g = wg_graph_new();
    wg_graph_eager(g);
    cr_expect_null(wg_input(g, "x", WG_F64, WG_SHAPE(wg_dim(g, "batch"))));
    cr_expect_eq(wg_status(g), WG_EBOUND, "%s", wg_message(g));
    cr_expect_str_eq(wg_message(g), "eager: x[batch] has a symbolic dimension, and values of eager nodes need sizes");
    wg_graph_free(g);
}

/* ---- State ---- */

Test(tape_eager, assignments_take_effect)
{
    wg_graph *g = wg_graph_new();
    wg_node  *p = wg_param(g, "p", WG_F64, WG_SHAPE(2)), *later;
    wg_tape  *t = wg_graph_eager(g);
    wg_set(t, p, (double[]){1, 2});
    wg_assign(p, wg_scale(p, 10));
    cr_expect_eq(element(t, p, 1), 20);
    later = wg_neg(p);
    cr_expect_eq(element(t, later, 0), -10);
    run(t);
    cr_expect_eq(element(t, p, 1), 200);
    cr_expect_eq(wg_run_number(t), 1);
    wg_graph_free(g);
}

Test(tape_eager, assignments_of_a_run_read_only_old_values)
{
    wg_graph *g = wg_graph_new();
    wg_node  *a = wg_param(g, "a", WG_F64, WG_SCALAR), *b = wg_param(g, "b", WG_F64, WG_SCALAR);
    wg_node  *va = wg_reshape(a, WG_SHAPE(1));
    wg_tape  *t = wg_graph_eager(g);
    cr_assert_not_null(va);
    wg_assign(a, b);
    wg_assign(b, wg_reshape(va, WG_SCALAR));
    wg_set_scalar(t, a, 1);
    wg_set_scalar(t, b, 2);
    run(t);
    cr_expect_eq(wg_get_scalar(t, a), 2);
    cr_expect_eq(wg_get_scalar(t, b), 1);
    wg_graph_free(g);
}

Test(tape_eager, a_run_does_not_lose_one_of_two_assignments)
{
    wg_graph *g = wg_graph_new();
    wg_tape  *t = wg_graph_eager(g);
    wg_node  *w = wg_param(g, "w", WG_F64, WG_SCALAR), *v = wg_param(g, "v", WG_F64, WG_SCALAR);
    wg_assign(v, wg_shift(v, 1));
    wg_assign(w, wg_shift(w, 1));
    run(t);
    cr_expect_eq(wg_get_scalar(t, w), 2);
    wg_node *y = wg_shift(w, 0.5);
    wg_assign(w, wg_shift(w, 100));
    cr_expect_eq(wg_get_scalar(t, w), 102, "each takes effect as it is built");
    cr_expect_eq(wg_run(t), WG_EARG);
    cr_expect(!strncmp(wg_tape_message(t), "run: w is assigned twice", 24), "%s", wg_tape_message(t));
    cr_expect_eq(wg_get_scalar(t, w), 102);
    cr_expect_eq(wg_get_scalar(t, v), 2);
    cr_expect_eq(wg_get_scalar(t, y), 2.5, "a run that was refused leaves the values: %s", wg_tape_message(t));
    cr_expect_eq(wg_run_number(t), 1);
    wg_graph_free(g);
}

Test(tape_eager, a_graph_with_operators_on_inputs)
{
    wg_graph *g = wg_graph_new();
    wg_exp(wg_input(g, "x", WG_F64, WG_SHAPE(2)));
    cr_expect_null(wg_graph_eager(g));
    cr_expect(!strncmp(wg_message(g), "eager: ", 7) && strstr(wg_message(g), "begin with an empty graph"), "%s",
              wg_message(g));
    wg_clear_error(g);
    cr_expect_not_null(wg_input(g, "z", WG_F64, WG_SHAPE(wg_dim(g, "n"))), "the graph is as it was");
    wg_graph_free(g);
}

Test(tape_eager, a_freed_tape_leaves_a_plain_graph)
{
    wg_graph *g = wg_graph_new();
    wg_tape  *t = wg_graph_eager(g);
    wg_node  *x = wg_input(g, "x", WG_F64, WG_SCALAR);
    wg_set_scalar(t, x, 1);
    wg_node *y = wg_exp(x);
    wg_tape_free(t);
    wg_node *z = wg_neg(y);
    wg_tape *s = compile(g, 1, &z, NULL);
    wg_set_scalar(s, x, 1);
    run(s);
    cr_expect_float_eq(wg_get_scalar(s, z), -exp(1), 1e-15);
    wg_graph_free(g);
}

/* A graph can be compiled while it is eager. */
Test(tape_eager, compiling_beside)
{
    wg_graph *g = wg_graph_new();
    wg_tape  *t = wg_graph_eager(g);
    wg_node  *x = wg_input(g, "x", WG_F64, WG_SHAPE(5));
    set_random(t, x, 1, -1, 1);
    wg_node *y = wg_softmax(x, 0);
    wg_tape *s = compile(g, 1, &y, NULL);
    set_random(s, x, 1, -1, 1);
    run(s);
    cr_expect(same_bits(t, s, y));
    wg_graph_free(g);
}

/* What was built before is computed at once, its assignments too; where that fails, parameters are as they were. */
Test(tape_eager, a_graph_that_is_refused_keeps_its_parameters)
{
    for (int fails = 0; fails < 2; fails++) {
        wg_graph *g = wg_graph_new();
        wg_node  *w = wg_param(g, "w", WG_F64, WG_SCALAR);
        double    one = 1, now = 0;
        wg_param_set(w, &one);
        cr_assert_not_null(wg_assign(w, wg_scale(w, 5)));
        if (fails) wg_neg(wg_input(g, "x", WG_F64, WG_SCALAR));
        cr_expect_eq(wg_graph_eager(g) == NULL, fails, "%s", wg_message(g));
        wg_param_get(w, &now);
        cr_expect_eq(now, fails ? 1 : 5, "%g", now);
        wg_graph_free(g);
    }
}

/* An assignment from a value that is not there is refused, whether the value is an input, the assignment was built
 * before, or rewriting leaves an input of an operator. */
Test(tape_eager, assigning_from_an_input_that_nobody_set)
{
    for (int way = 0; way < 3; way++) {
        wg_graph *g = wg_graph_new();
        wg_node  *w = wg_param(g, "w", WG_F64, WG_SCALAR), *x = wg_input(g, "x", WG_F64, WG_SCALAR);
        double    seven = 7, now = 0;
        wg_param_set(w, &seven);
        if (way == 1) cr_assert_not_null(wg_assign(w, x));
        wg_tape *t = wg_graph_eager(g);
        if (way != 1) {
            cr_assert_not_null(t);
            cr_expect_null(wg_assign(w, way == 0 ? x : wg_shift(x, 0)));
        } else cr_expect_null(t);
        cr_expect(strstr(wg_message(g), "x has no value yet"), "way %d: %s", way, wg_message(g));
        wg_param_get(w, &now);
        cr_expect_eq(now, 7, "way %d: %g", way, now);
        wg_graph_free(g);
    }
}
