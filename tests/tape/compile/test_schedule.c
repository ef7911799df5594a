/* Assignments: they read only old values, and a failing run makes none. */
#include "tape/tape_test.h"

TestSuite(tape_schedule, .timeout = 60);

static wg_graph *g;
static void      start(void) { g = wg_graph_new(); }
static void      stop(void) { wg_graph_free(g); }

static wg_node *param(const char *name, double first)
{
    wg_node *p = wg_param(g, name, WG_F64, WG_SHAPE(3));
    wg_param_set(p, (double[]){first, first + 1, first + 2});
    return p;
}
static double at(const wg_node *p, int i) { return ((const double *)wg_param_view(p))[i]; }

/* ---- Only old values ---- */

Test(tape_schedule, swap, .init = start, .fini = stop)
{
    wg_node *a = param("a", 0), *b = param("b", 10);
    wg_tape *t = compile(g, WG_NODES(wg_assign(a, b), wg_assign(b, a)), NULL);
    run(t);
    cr_expect_eq(at(a, 1), 11);
    cr_expect_eq(at(b, 1), 1);
    run(t);
    cr_expect_eq(at(a, 1), 1);
    cr_expect_eq(at(b, 1), 11);
}

Test(tape_schedule, rotation_of_three, .init = start, .fini = stop)
{
    wg_node *a = param("a", 0), *b = param("b", 10), *c = param("c", 20);
    wg_tape *t = compile(g, WG_NODES(wg_assign(a, wg_neg(b)), wg_assign(b, wg_neg(c)), wg_assign(c, wg_neg(a))), NULL);
    run(t);
    cr_expect_eq(at(a, 0), -10);
    cr_expect_eq(at(b, 0), -20);
    cr_expect_eq(at(c, 0), 0);
}

/* The average takes the parameter as it was before the same step's update. */
Test(tape_schedule, moving_average_beside_its_update, .init = start, .fini = stop)
{
    wg_node *w = param("w", 1), *avg = param("avg", 0);
    wg_node *update = wg_assign(w, wg_scale(w, 10)),
            *mean = wg_assign(avg, wg_add(wg_scale(avg, 0.5), wg_scale(w, 0.5)));
    wg_tape *t = compile(g, WG_NODES(update, mean), NULL), *s = compile(g, WG_NODES(mean, update), NULL);
    run(t);
    cr_expect_eq(at(w, 0), 10);
    cr_expect_eq(at(avg, 0), 0.5);
    run(s);
    cr_expect_eq(at(w, 0), 100);
    cr_expect_eq(at(avg, 0), 5.25);
}

Test(tape_schedule, moving_average_of_the_new_value, .init = start, .fini = stop)
{
    wg_node *w = param("w", 1), *avg = param("avg", 0), *next = wg_scale(w, 10);
    wg_tape *t =
        compile(g, WG_NODES(wg_assign(w, next), wg_assign(avg, wg_add(wg_scale(avg, 0.5), wg_scale(next, 0.5)))), NULL);
    run(t);
    cr_expect_eq(at(w, 0), 10);
    cr_expect_eq(at(avg, 0), 5);
}

/* w1 is updated in place only after the gradient of what lies before it was computed from the old w1. */
Test(tape_schedule, gradients_see_the_old_weights, .init = start, .fini = stop)
{
    wg_node *x = wg_input(g, "x", WG_F64, WG_SHAPE(4, 5));
    wg_node *w0 = wg_param(g, "w0", WG_F64, WG_SHAPE(5, 6)), *w1 = wg_param(g, "w1", WG_F64, WG_SHAPE(6, 3));
    wg_node *p[2] = {w0, w1}, *d[2];
    wg_node *loss = wg_mean(wg_square(wg_matmul(wg_tanh(wg_matmul(x, w0)), w1)), WG_ALL_AXES, 0);
    cr_assert_eq(wg_grad(loss, 2, p, d), WG_OK);
    wg_node *s1 = wg_assign(w1, wg_sub(w1, wg_scale(d[1], 0.5))), *s0 = wg_assign(w0, wg_sub(w0, wg_scale(d[0], 0.5)));
    wg_tape *gradient = compile(g, 2, d, NULL), *step = compile(g, WG_NODES(s1, s0, loss), NULL);
    wg_tape *tapes[] = {gradient, step};
    set_random(step, w0, 3, -1, 1);
    set_random(step, w1, 4, -1, 1);
    for (int k = 0; k < 2; k++) set_random(tapes[k], x, 5, -1, 1);
    for (int k = 0; k < 5; k++) {
        double old0[30], old1[18];
        wg_param_get(w0, old0), wg_param_get(w1, old1);
        run(gradient);
        run(step);
        for (int i = 0; i < 30; i++) cr_expect_float_eq(at(w0, i), old0[i] - 0.5 * element(gradient, d[0], i), 1e-14);
        for (int i = 0; i < 18; i++) cr_expect_float_eq(at(w1, i), old1[i] - 0.5 * element(gradient, d[1], i), 1e-14);
    }
}

Test(tape_schedule, other_outputs_see_the_old_value, .init = start, .fini = stop)
{
    wg_node *w = param("w", 1), *before = wg_tanh(w), *after = wg_neg(wg_square(w)),
            *total = wg_sum(wg_exp(w), WG_ALL_AXES, 0);
    wg_tape *t = compile(g, WG_NODES(before, wg_assign(w, wg_shift(w, 1)), after, total), NULL);
    run(t);
    cr_expect_float_eq(element(t, before, 0), tanh(1), 1e-15);
    cr_expect_eq(element(t, after, 1), -4);
    cr_expect_float_eq(wg_get_scalar(t, total), exp(1) + exp(2) + exp(3), 1e-12);
    cr_expect_eq(at(w, 0), 2);
}

/* A chain of updates, each of which reads what the next one overwrites, in any order of outputs. */
Test(tape_schedule, updates_that_read_each_other, .init = start, .fini = stop)
{
    wg_node *p[6], *step[6];
    char     name[16];
    for (int i = 0; i < 6; i++) snprintf(name, sizeof name, "p%d", i), p[i] = param(name, i * 10);
    for (int i = 0; i < 6; i++) step[i] = wg_assign(p[i], wg_add(wg_scale(p[i], 2), p[(i + 1) % 6]));
    for (int order = 0; order < 2; order++) {
        double   old[6];
        wg_node *out[6];
        for (int i = 0; i < 6; i++) out[i] = step[order ? 5 - i : i], old[i] = at(p[i], 1);
        wg_tape *t = compile(g, 6, out, NULL);
        run(t);
        for (int i = 0; i < 6; i++) cr_expect_eq(at(p[i], 1), 2 * old[i] + old[(i + 1) % 6], "p%d, order %d", i, order);
    }
}

Test(tape_schedule, random_updates_match_a_tape_without_reuse, .init = start, .fini = stop)
{
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct dice d = {seed};
        wg_graph   *h[2] = {wg_graph_new(), wg_graph_new()};
        double      value[2][5];
        for (int k = 0; k < 2; k++) {
            wg_options  apart = skipping(k ? WG_SKIP_REUSE | WG_SKIP_FUSE : 0);
            struct dice same = {seed};
            wg_node    *p[5], *out[5], *pool[20];
            int         n = 0;
            for (int i = 0; i < 5; i++) {
                char name[16];
                snprintf(name, sizeof name, "p%d", i);
                p[i] = pool[n++] = wg_param(h[k], name, WG_F64, WG_SHAPE(1));
                wg_param_set(p[i], &(double){0.1 * (i + 1)});
            }
            for (int i = 0; i < 12; i++) {
                wg_node *a = pool[pick(&same, n)], *b = pool[pick(&same, n)];
                switch (pick(&same, 4)) {
                case 0: pool[n++] = wg_tanh(wg_add(a, b)); break;
                case 1: pool[n++] = wg_mul(a, b); break;
                case 2: pool[n++] = wg_sum(wg_sub(a, b), WG_AXES(0), 1); break;
                default: pool[n++] = wg_reshape(wg_reshape(a, WG_SCALAR), WG_SHAPE(1));
                }
            }
            for (int i = 0; i < 5; i++) out[i] = wg_assign(p[i], pool[pick(&same, n)]);
            wg_tape *t = compile(h[k], 5, out, &apart);
            run(t);
            run(t);
            for (int i = 0; i < 5; i++) value[k][i] = at(p[i], 0);
        }
        cr_expect_arr_eq(value[0], value[1], sizeof value[0], "seed %llu", (unsigned long long)seed);
        (void)d;
        wg_graph_free(h[0]);
        wg_graph_free(h[1]);
    }
}

/* ---- Unusual next values ---- */

Test(tape_schedule, a_view_of_another_parameter, .init = start, .fini = stop)
{
    wg_node *a = wg_param(g, "a", WG_F64, WG_SHAPE(2, 3)), *b = wg_param(g, "b", WG_F64, WG_SHAPE(6));
    wg_param_set(a, (double[]){1, 2, 3, 4, 5, 6});
    wg_tape *t = compile(g, WG_NODES(wg_assign(b, wg_reshape(a, WG_SHAPE(6))), wg_assign(a, wg_scale(a, 2))), NULL);
    run(t);
    for (int i = 0; i < 6; i++) {
        cr_expect_eq(at(b, i), i + 1);
        cr_expect_eq(at(a, i), 2 * (i + 1));
    }
}

Test(tape_schedule, itself_an_input_and_a_constant, .init = start, .fini = stop)
{
    wg_node *a = param("a", 1), *b = param("b", 2), *c = param("c", 3), *x = wg_input(g, "x", WG_F64, WG_SHAPE(3));
    wg_tape *t = compile(
        g,
        WG_NODES(wg_assign(a, a), wg_assign(b, x), wg_assign(c, wg_const(g, WG_F64, WG_SHAPE(3), (double[]){7, 8, 9}))),
        NULL);
    wg_set(t, x, (double[]){4, 5, 6});
    run(t);
    for (int i = 0; i < 3; i++) {
        cr_expect_eq(at(a, i), 1 + i);
        cr_expect_eq(at(b, i), 4 + i);
        cr_expect_eq(at(c, i), 7 + i);
    }
}

Test(tape_schedule, one_value_for_two_parameters, .init = start, .fini = stop)
{
    wg_node *a = param("a", 1), *b = param("b", 2), *next = wg_mul(a, b);
    wg_tape *t = compile(g, WG_NODES(wg_assign(a, next), wg_assign(b, next), next), NULL);
    run(t);
    cr_expect_eq(at(a, 0), 2);
    cr_expect_eq(at(b, 0), 2);
    cr_expect_eq(element(t, next, 0), 2);
}

Test(tape_schedule, assigned_twice_is_an_error, .init = start, .fini = stop)
{
    wg_node *a = param("a", 1);
    wg_node *once = wg_assign(a, wg_neg(a)), *twice = wg_assign(a, wg_shift(a, 1));
    cr_expect_null(wg_compile(g, WG_NODES(once, twice), NULL));
    cr_expect_eq(wg_status(g), WG_EARG);
    cr_expect(strncmp(wg_message(g), "compile: a is assigned twice (", 30) == 0, "%s", wg_message(g));
    wg_clear_error(g);
    cr_expect_not_null(wg_compile(g, WG_NODES(once, once), NULL), "the same assignment asked for twice is one: %s",
                       wg_message(g));
}

Test(tape_schedule, a_group_is_all_of_its_assignments, .init = start, .fini = stop)
{
    wg_node *a = param("a", 1), *b = param("b", 2);
    wg_node *inner = wg_group(WG_NODES(wg_assign(a, wg_neg(a)))),
            *all = wg_group(WG_NODES(inner, wg_assign(b, wg_neg(b))));
    run(compile(g, 1, &all, NULL));
    cr_expect_eq(at(a, 0), -1);
    cr_expect_eq(at(b, 0), -2);
}

Test(tape_schedule, a_tape_that_was_not_asked_does_not_assign, .init = start, .fini = stop)
{
    wg_node *a = param("a", 1), *y = wg_neg(a);
    cr_assert_not_null(wg_assign(a, y));
    run(compile(g, 1, &y, NULL));
    cr_expect_eq(at(a, 0), 1);
}

/* ---- A failing run ---- */

/* Everything in one tape: an update in place, a moment, a copy, and an index that may be wrong. */
struct model {
    wg_node *p[3], *x, *index, *label;
    wg_tape *t;
};

static struct model model(wg_graph *h)
{
    struct model m = {.x = wg_input(h, "x", WG_F32, WG_SHAPE(4, 6)),
                      .index = wg_input(h, "index", WG_I64, WG_SHAPE(4)),
                      .label = wg_input(h, "label", WG_I32, WG_SHAPE(4))};
    m.p[0] = wg_param(h, "w", WG_F32, WG_SHAPE(6, 5));
    m.p[1] = wg_param(h, "m", WG_F32, WG_SHAPE(6, 5));
    m.p[2] = wg_param(h, "old", WG_F32, WG_SHAPE(6, 5));
    wg_node *rows = wg_gather(m.x, m.index, 0), *loss = wg_softmax_cross_entropy(wg_matmul(rows, m.p[0]), m.label), *d;
    wg_grad(loss, 1, &m.p[0], &d);
    wg_node *moment = wg_add(wg_scale(m.p[1], 0.9f), d);
    m.t = compile(h,
                  WG_NODES(wg_assign(m.p[0], wg_sub(m.p[0], wg_scale(moment, 0.1))), wg_assign(m.p[1], moment),
                           wg_assign(m.p[2], m.p[0]), loss),
                  NULL);
    for (int i = 0; i < 3; i++) set_random(m.t, m.p[i], (uint64_t)i, -1, 1);
    set_random(m.t, m.x, 9, -1, 1);
    wg_set(m.t, m.index, (int64_t[]){0, 3, -1, 2});
    wg_set(m.t, m.label, (int32_t[]){0, 4, 1, 2});
    return m;
}

static void expect_failure_changes_nothing(struct model *m, int status, const char *what)
{
    float before[3][30], after[3][30];
    for (int i = 0; i < 3; i++) wg_param_get(m->p[i], before[i]);
    uint64_t number = wg_run_number(m->t);
    cr_expect_eq(wg_run(m->t), status, "%s: %s", what, wg_tape_message(m->t));
    cr_expect_eq(wg_run_number(m->t), number);
    for (int i = 0; i < 3; i++) wg_param_get(m->p[i], after[i]);
    cr_expect_arr_eq(before, after, sizeof before, "%s", what);
}

Test(tape_schedule, a_failing_run_changes_no_parameter, .init = start, .fini = stop)
{
    struct model m = model(g);
    run(m.t);
    wg_set(m.t, m.index, (int64_t[]){0, 4, 1, 2});
    expect_failure_changes_nothing(&m, WG_EINDEX, "an index outside");
    cr_expect_not_null(strstr(wg_tape_message(m.t), "index 4"), "%s", wg_tape_message(m.t));
    wg_set(m.t, m.index, (int64_t[]){0, 1, 1, 2});
    wg_set(m.t, m.label, (int32_t[]){0, 5, 1, 2});
    expect_failure_changes_nothing(&m, WG_EINDEX, "a label outside");
    cr_expect_not_null(strstr(wg_tape_message(m.t), "5"), "%s", wg_tape_message(m.t));
    wg_set(m.t, m.label, (int32_t[]){0, -1, 1, 2});
    expect_failure_changes_nothing(&m, WG_EINDEX, "a label below 0");
    wg_set(m.t, m.label, (int32_t[]){0, 1, 1, 2});
    run(m.t);
    cr_expect_eq(wg_tape_status(m.t), WG_OK, "the next run is as if nothing had been");
}

Test(tape_schedule, a_watched_failure_changes_no_parameter, .init = start, .fini = stop)
{
    struct model m = model(g);
    cr_assert_eq(wg_watch_finite(m.t, 1), WG_OK);
    run(m.t);
    float huge[24];
    for (int i = 0; i < 24; i++) huge[i] = i % 5 ? 3e38f : -3e38f;
    wg_set(m.t, m.x, huge);
    expect_failure_changes_nothing(&m, WG_ENAN, "an overflow");
    set_random(m.t, m.x, 9, -1, 1);
    float w[30];
    wg_param_get(m.p[1], w);
    w[7] = NAN;
    wg_set(m.t, m.p[1], w);
    expect_failure_changes_nothing(&m, WG_ENAN, "a moment that is NaN");
    wg_set(m.t, m.index, (int64_t[]){0, 4, 1, 2});
    expect_failure_changes_nothing(&m, WG_EINDEX, "an index outside, while watching");
}

/* An operator of a user may fail at any time, whatever its flags. */
static int refuse(wg_call *c)
{
    return *(const double *)c->x[0].data > 0 ? wg_reject_run(c, WG_EARG, "no") : (*(double *)c->y->data = 1, WG_OK);
}

Test(tape_schedule, a_failing_operator_of_a_user, .init = start, .fini = stop)
{
    static const wg_op op = {.name = "refuse", .arity = 1, .infer = wg_infer_same, .cpu = refuse};
    wg_node           *w = param("w", 1), *x = wg_input(g, "x", WG_F64, WG_SCALAR), *late = wg_apply(&op, 1, &x, NULL);
    wg_tape           *t = compile(g, WG_NODES(wg_assign(w, wg_shift(w, 1)), late), NULL);
    wg_set_scalar(t, x, 1);
    cr_expect_eq(wg_run(t), WG_EARG);
    cr_expect_str_eq(wg_tape_message(t), "run: refuse %0: no");
    cr_expect_eq(at(w, 0), 1);
    wg_set_scalar(t, x, -1);
    run(t);
    cr_expect_eq(at(w, 0), 2);
}
