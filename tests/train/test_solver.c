/* Solvers against those of PyTorch, and the laws of groups. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <wengert/train.h>

#include "support/alloc.h"

#define STRIP(...) __VA_ARGS__

enum { STEPS = 25, COUNT = 9 };

/* sum (sin p + 0.3 p^2 + p q) + sum q^4 / 4, as in make_solvers.py */
struct problem {
    wg_graph *g;
    wg_node  *p, *q, *loss;
};

static wg_node *filled(wg_graph *g, const char *name, wg_dtype t, wg_shape s, const double *x)
{
    wg_node *p = wg_param(g, name, t, s);
    float    single[COUNT];
    for (int i = 0; i < wg_count(&s); i++) single[i] = (float)x[i];
    wg_param_set(p, t == WG_F64 ? (const void *)x : single);
    return p;
}

static struct problem problem_new(wg_dtype t)
{
    struct problem b = {.g = wg_graph_new()};
    b.p = filled(b.g, "net.p", t, WG_SHAPE(2, 3), (double[]){0.5, -1.25, 2.0, -0.125, 3.0, -2.5});
    b.q = filled(b.g, "net.q", t, WG_SHAPE(3), (double[]){0.75, -1.5, 2.25});
    wg_node *sines = wg_add(wg_sin(b.p), wg_scale(wg_square(b.p), 0.3));
    wg_node *mixed = wg_sum(wg_add(sines, wg_mul(b.p, b.q)), WG_ALL_AXES, 0);
    b.loss = wg_add(mixed, wg_scale(wg_sum(wg_square(wg_square(b.q)), WG_ALL_AXES, 0), 0.25));
    return b;
}

static void values(const struct problem *b, double out[COUNT])
{
    const void *p = wg_param_view(b->p), *q = wg_param_view(b->q);
    for (int i = 0; i < COUNT; i++) {
        const void *x = i < 6 ? p : q;
        int         k = i < 6 ? i : i - 6;
        out[i] = wg_node_dtype(b->p) == WG_F64 ? ((const double *)x)[k] : (double)((const float *)x)[k];
    }
}

static void train(const struct problem *b, wg_node *step, int steps)
{
    wg_tape *t = wg_compile(b->g, 1, &step, NULL);
    cr_assert(t != NULL, "%s", wg_message(b->g));
    for (int i = 0; i < steps; i++) cr_assert_eq(wg_run(t), WG_OK, "%s", wg_tape_message(t));
}

static void expect_close(const char *name, const double *have, const double *want, double tolerance)
{
    for (int i = 0; i < COUNT; i++)
        cr_assert(fabs(have[i] - want[i]) <= tolerance * fmax(1, fabs(want[i])), "%s: element %d is %.17g, not %.17g",
                  name, i, have[i], want[i]);
}

static void expect_solver(const char *name, const wg_solver *s, const double *want)
{
    double have[COUNT];
    for (int t = WG_F32; t <= WG_F64; t++) {
        struct problem b = problem_new((wg_dtype)t);
        train(&b, wg_minimize(b.loss, s), STEPS);
        values(&b, have);
        expect_close(name, have, want, t == WG_F64 ? 1e-12 : 2e-5);
        wg_graph_free(b.g);
    }
}

Test(solver, agrees_with_pytorch)
{
#define CASE(name, init, ...) expect_solver(#name, &(wg_solver){STRIP init}, (const double[]){__VA_ARGS__});
#include "reference/solvers.inc"
#undef CASE
}

Test(solver, a_rate_node_is_a_rate)
{
    for (int kind = 0; kind < WG_SOLVERS; kind++) {
        double         want[COUNT], have[COUNT];
        struct problem a = problem_new(WG_F64), b = problem_new(WG_F64);
        train(&a, wg_minimize(a.loss, &(wg_solver){.kind = (enum wg_solver_kind)kind, .rate = 0.05}), 10);
        wg_node *rate = wg_input(b.g, "rate", WG_F32, WG_SCALAR);
        wg_node *step = wg_minimize(b.loss, &(wg_solver){.kind = (enum wg_solver_kind)kind, .rate_node = rate});
        wg_tape *t = wg_compile(b.g, 1, &step, NULL);
        cr_assert(t != NULL, "%s", wg_message(b.g));
        wg_set_scalar(t, rate, 0.05);
        for (int i = 0; i < 10; i++) cr_assert_eq(wg_run(t), WG_OK);
        values(&a, want);
        values(&b, have);
        expect_close(wg_solver_name(kind), have, want, 1e-6); /* 0.05 as a float */
        cr_assert(memcmp(have, want, sizeof have) != 0, "the node was used");
        wg_set_scalar(t, rate, 0);
        wg_run(t);
        values(&b, want);
        cr_assert(memcmp(have, want, sizeof have) == 0, "%s: a rate of 0 moves nothing", wg_solver_name(kind));
        wg_graph_free(a.g);
        wg_graph_free(b.g);
    }
}

Test(solver, an_evaluation_does_not_train)
{
    double         before[COUNT], after[COUNT];
    struct problem b = problem_new(WG_F64);
    wg_minimize(b.loss, NULL);
    values(&b, before);
    train(&b, b.loss, 3);
    values(&b, after);
    cr_assert(memcmp(before, after, sizeof before) == 0);
    wg_graph_free(b.g);
}

Test(solver, trains_only_what_it_is_given)
{
    double         before[COUNT], after[COUNT];
    struct problem b = problem_new(WG_F64);
    values(&b, before);
    train(&b, wg_minimize_over(b.loss, 1, &b.q, &(wg_solver){.rate = 0.05}), 1);
    values(&b, after);
    cr_assert(memcmp(before, after, 6 * sizeof *before) == 0);
    for (int i = 6; i < COUNT; i++) {
        /* d/dq = sum over rows of p, plus q^3 */
        double g = before[i - 6] + before[i - 3] + pow(before[i], 3);
        cr_assert_float_eq(after[i], before[i] - 0.05 * g, 1e-14);
    }
    wg_graph_free(b.g);
}

/* Two groups move each parameter as its own solver would alone (one step, so that they do not meet). */
Test(solver, groups)
{
    wg_solver      adam = {.kind = WG_SOLVER_ADAM, .rate = 0.1, .clip_norm = 0.5};
    wg_solver      sgd = {.kind = WG_SOLVER_SGD, .rate = 0.01, .clip_norm = 0.25};
    double         p[COUNT], q[COUNT], both[COUNT], frozen[COUNT], start[COUNT];
    struct problem a = problem_new(WG_F64), b = problem_new(WG_F64), c = problem_new(WG_F64), d = problem_new(WG_F64);
    values(&a, start);
    train(&a, wg_minimize_over(a.loss, 1, &a.p, &adam), 1);
    train(&b, wg_minimize_over(b.loss, 1, &b.q, &sgd), 1);
    train(&c, wg_minimize_groups(c.loss, 2, (wg_param_group[]){{"*.q", sgd, 0}, {"*", adam, 0}}), 1);
    train(&d, wg_minimize_groups(d.loss, 2, (wg_param_group[]){{"net.[q]", .freeze = 1}, {"net.*", adam, 0}}), 1);
    values(&a, p);
    values(&b, q);
    values(&c, both);
    values(&d, frozen);
    cr_assert(memcmp(both, p, 6 * sizeof *p) == 0);
    cr_assert(memcmp(both + 6, q + 6, 3 * sizeof *q) == 0);
    cr_assert(memcmp(frozen, p, 6 * sizeof *p) == 0);
    cr_assert(memcmp(frozen + 6, start + 6, 3 * sizeof *q) == 0);
    wg_graph_free(a.g);
    wg_graph_free(b.g);
    wg_graph_free(c.g);
    wg_graph_free(d.g);
}

/* The norm is over f32 and f64 parameters together. */
Test(solver, clips_over_both_dtypes)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = filled(g, "x", WG_F32, WG_SCALAR, (double[]){3});
    wg_node  *y = filled(g, "y", WG_F64, WG_SCALAR, (double[]){4});
    wg_node  *loss = wg_scale(wg_add(wg_cast(wg_square(x), WG_F64), wg_square(y)), 0.5);
    wg_node  *step = wg_minimize(loss, &(wg_solver){.rate = 1, .clip_norm = 1});
    train(&(struct problem){.g = g}, step, 1);
    cr_assert_float_eq(*(const float *)wg_param_view(x), 3 - 0.6, 1e-6);
    cr_assert_float_eq(*(const double *)wg_param_view(y), 4 - 0.8, 1e-6);
    wg_graph_free(g);
}

Test(solver, names_its_state)
{
    struct problem b = problem_new(WG_F32);
    cr_assert_not_null(wg_minimize(b.loss, &(wg_solver){.kind = WG_SOLVER_ADAM}));
    cr_assert_eq(wg_param_count(b.g), 2 + 1 + 4);
    static const char *const names[] = {"adam.step", "adam.m/net.p", "adam.s/net.p", "adam.m/net.q", "adam.s/net.q"};
    for (int i = 0; i < 5; i++) cr_assert_not_null(wg_param_find(b.g, names[i]), "%s", names[i]);
    cr_assert_not_null(wg_minimize_over(b.loss, 1, &b.q, &(wg_solver){.kind = WG_SOLVER_ADAM}), "%s", wg_message(b.g));
    cr_assert_not_null(wg_param_find(b.g, "adam#2.step"));
    cr_assert_not_null(wg_param_find(b.g, "adam#2.m/net.q"));
    cr_assert_not_null(wg_minimize(b.loss, &(wg_solver){.kind = WG_SOLVER_RMSPROP}));
    cr_assert_not_null(wg_param_find(b.g, "rmsprop.s/net.q"));
    cr_assert_null(wg_param_find(b.g, "rmsprop.v/net.q"), "no momentum, no velocity");
    cr_assert_not_null(wg_minimize(b.loss, &(wg_solver){.kind = WG_SOLVER_SGD}));
    cr_assert_eq(wg_param_count(b.g), 7 + 3 + 2, "sgd keeps nothing");
    wg_graph_free(b.g);
}

Test(solver, a_parameter_without_elements_is_trained_too)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F64, WG_SHAPE(2, 0));
    wg_node  *step = wg_minimize(wg_sum(wg_square(wg_dense(x, 2, "fc")), WG_ALL_AXES, 0),
                                 &(wg_solver){.kind = WG_SOLVER_ADAM, .rate = 0.1, .clip_norm = 1});
    cr_assert(step != NULL, "%s", wg_message(g));
    wg_param_set(wg_param_find(g, "fc.bias"), (double[]){1, 1});
    train(&(struct problem){.g = g}, step, 1);
    cr_assert_float_eq(*(const double *)wg_param_view(wg_param_find(g, "fc.bias")), 0.9, 1e-6);
    wg_graph_free(g);
}

static void expect_refused(wg_graph *g, const wg_node *step, const char *word)
{
    cr_assert_null(step, "%s", word);
    cr_assert_neq(wg_status(g), WG_OK, "%s", word);
    cr_assert(strstr(wg_message(g), word), "%s: %s", word, wg_message(g));
    wg_clear_error(g);
}

Test(solver, says_what_is_wrong)
{
    struct problem b = problem_new(WG_F64);
    wg_node       *alone = wg_param(b.g, "alone", WG_F64, WG_SCALAR), *vector = wg_input(b.g, "v", WG_F64, WG_SHAPE(1));
    static const struct {
        wg_solver   s;
        const char *word;
    } bad[] = {
        {{.kind = (enum wg_solver_kind)99}, "99"},
        {{.kind = WG_SOLVER_SGD, .momentum = 0.9}, "momentum"},
        {{.kind = WG_SOLVER_ADAM, .rho = 0.9}, "rho"},
        {{.kind = WG_SOLVER_SGD, .rate = NAN}, "rate"},
        {{.kind = WG_SOLVER_ADAM, .beta2 = 1}, "beta2"},
        {{.kind = WG_SOLVER_SGD, .clip_norm = INFINITY}, "clip_norm"},
        {{.kind = WG_SOLVER_ADAGRAD, .momentum = 0.1}, "momentum"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_refused(b.g, wg_minimize(b.loss, &bad[i].s), bad[i].word);
    expect_refused(b.g, wg_minimize(b.loss, &(wg_solver){.rate_node = vector}), "rate");
    expect_refused(b.g, wg_minimize(wg_sum(vector, WG_ALL_AXES, 0), NULL), "no real parameter");
    expect_refused(b.g, wg_minimize(b.p, NULL), "net.p");
    expect_refused(b.g, wg_minimize_over(b.loss, 1, &alone, NULL), "alone");
    expect_refused(b.g, wg_minimize_over(b.loss, 1, &vector, NULL), "no parameter");
    expect_refused(b.g, wg_minimize_over(b.loss, 2, (wg_node *[]){b.p, b.p}, NULL), "twice");
    expect_refused(b.g, wg_minimize_over(b.loss, 0, NULL, NULL), "no parameters");
    expect_refused(b.g, wg_minimize_groups(b.loss, 0, NULL), "no groups");
    expect_refused(b.g, wg_minimize_groups(b.loss, 2, (wg_param_group[]){{"*.bias", {0}, 0}, {"*", {0}, 0}}), "*.bias");
    expect_refused(b.g, wg_minimize_groups(b.loss, 1, (wg_param_group[]){{"*.p", {0}, 0}}), "net.q");
    expect_refused(b.g, wg_minimize_groups(b.loss, 1, (wg_param_group[]){{NULL, {0}, 0}}), "pattern");
    expect_refused(b.g, wg_minimize_groups(b.loss, 1, (wg_param_group[]){{"*", .freeze = 1}}), "frozen");
    cr_assert_eq(wg_param_count(b.g), 3, "nothing was made on the way");
    cr_assert_null(wg_minimize(NULL, NULL));
    expect_refused(b.g, wg_minimize_over(b.loss, 1, (wg_node *[]){NULL}, NULL), "parameter 0 is NULL");
    expect_refused(b.g, wg_minimize_over(b.loss, 1, NULL, NULL), "param is NULL");
    wg_node *rate = wg_scalar(b.g, WG_F32, 0.1);
    expect_refused(b.g, wg_minimize(b.loss, &(wg_solver){.rate = 0.1, .rate_node = rate}), "rate_node");
    expect_refused(b.g, wg_minimize(wg_square(vector), NULL), "minimize: the loss square[");
    wg_set_role(b.p, WG_ROLE_FROZEN);
    wg_param_group groups[] = {{wg_node_name(b.p), {0}, 0}, {"*", {0}, 0}};
    expect_refused(b.g, wg_minimize_groups(b.loss, 2, groups), "matches no weight of the loss: net.p is frozen");
    cr_assert_eq(wg_status(b.g), WG_OK);
    wg_graph_free(b.g);
}

Test(solver, names)
{
    for (int i = 0; i < WG_SOLVERS; i++) cr_assert_eq(wg_solver_find(wg_solver_name(i)), i);
    cr_assert_null(wg_solver_name(WG_SOLVERS));
    cr_assert_eq(wg_solver_find("lbfgs"), -1);
}

Test(solver, every_allocation_may_fail)
{
    wg_node *step = NULL;
    for (long n = 0; !step; n++) {
        struct problem b = problem_new(WG_F32);
        alloc_fail_at(n);
        step = wg_minimize_groups(b.loss, 2,
                                  (wg_param_group[]){{"*.q", {.kind = WG_SOLVER_ADAM, .clip_norm = 1}, 0},
                                                     {"*", {.kind = WG_SOLVER_RMSPROP, .l1 = 1}, 0}});
        alloc_restore();
        cr_assert(step || wg_status(b.g) == WG_ENOMEM, "allocation %ld: %s", n, wg_message(b.g));
        wg_graph_free(b.g);
    }
}
