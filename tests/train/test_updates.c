/* Updates that layers bring: a running mean, applied once or often, trained by one step or by two. */
#include <criterion/criterion.h>
#include <string.h>

#include "graph/graph_impl.h"
#include "support/alloc.h"
#include <wengert/train.h>

static wg_graph *g;
static void      start(void) { g = wg_graph_new(); }
static void      stop(void) { wg_graph_free(g); }
TestSuite(updates, .init = start, .fini = stop, .timeout = 60);

static const double keep = 0.75; /* of the old mean */

/* x - mean(x) while training, x - running in evaluation, times a weight. */
struct centre {
    wg_node *running, *weight;
};

static struct centre centre_new(const char *name)
{
    char          text[2][32];
    struct centre c;
    snprintf(text[0], sizeof text[0], "%s.mean", name);
    snprintf(text[1], sizeof text[1], "%s.weight", name);
    c.running = wg_param(g, text[0], WG_F64, WG_SCALAR);
    c.weight = wg_param(g, text[1], WG_F64, WG_SCALAR);
    wg_set_role(c.running, WG_ROLE_STATE);
    wg_param_set(c.weight, &(double){1});
    return c;
}

static wg_node *apply(const struct centre *c, wg_node *x)
{
    wg_node *mean = wg_mean(x, WG_ALL_AXES, 0), *part = wg_scale(mean, 1 - keep);
    wg_node *next = wg_add(wg_scale(c->running, keep), part);
    wg_node *own = wg_sub(x, mean), *other = wg_sub(x, c->running);
    wg_node *y = wg_mul(wg_where(wg_training(g), own, other), c->weight);
    return wg_with_update(y, wg_assign(c->running, next));
}

static wg_node *input(const char *name) { return wg_input(g, name, WG_F64, WG_SHAPE(2)); }
static wg_node *loss_of(wg_node *y) { return wg_sum(wg_square(y), WG_ALL_AXES, 0); }

static wg_tape *compile(int n, wg_node *const out[], int evaluate)
{
    wg_tape *t = wg_compile(g, n, out, &(wg_options){.evaluate = evaluate});
    cr_assert_not_null(t, "%s", wg_message(g));
    return t;
}
static void run_on(wg_tape *t, wg_node *x, double mean)
{
    cr_assert_eq(wg_set_f64(t, x, 2, (double[]){mean - 1, mean + 1}), WG_OK, "%s", wg_tape_message(t));
    cr_assert_eq(wg_run(t), WG_OK, "%s", wg_tape_message(t));
}
static double value(const wg_node *p)
{
    double v;
    wg_param_get(p, &v);
    return v;
}

/* ---- One layer ---- */

static wg_node *plainly(wg_node *loss) { return wg_minimize(loss, NULL); }
static wg_node *over_one(wg_node *loss)
{
    wg_node *w = wg_param_find(g, "c.weight");
    return wg_minimize_over(loss, 1, &w, NULL);
}
static wg_node *by_groups(wg_node *loss)
{
    return wg_minimize_groups(loss, 1, &(wg_param_group){"*", {.kind = WG_SOLVER_ADAM}, 0});
}
static wg_node *by_hand(wg_node *loss) { return wg_updates(loss); }
static wg_node *(*const steps[])(wg_node *loss) = {plainly, over_one, by_groups, by_hand};
enum { STEPS = sizeof steps / sizeof *steps };

Test(updates, every_kind_of_step_takes_them_along)
{
    for (int k = 0; k < STEPS; k++) {
        struct centre c = centre_new("c");
        wg_node      *x = input("x"), *y = apply(&c, x), *loss = loss_of(y), *step = steps[k](loss);
        cr_assert_not_null(step, "%d: %s", k, wg_message(g));
        wg_tape *train = compile(2, (wg_node *[]){loss, step}, 0), *test = compile(2, (wg_node *[]){y, loss}, 1);
        double   mean = 0;
        for (int i = 0; i < 5; i++) {
            run_on(train, x, i);
            mean = keep * mean + (1 - keep) * i;
            cr_expect_eq(value(c.running), mean, "%d: %g, not %g", k, value(c.running), mean);
            cr_expect_float_eq(wg_get_scalar(train, loss), 2, 0.2, "centred");
            run_on(test, x, 100);
            cr_expect_eq(value(c.running), mean, "an evaluation changes nothing");
        }
        wg_graph_free(g);
        start();
    }
}

/* Neither what the loss does not depend on, nor its inputs, are asked for. */
Test(updates, of_other_losses_are_left_alone)
{
    struct centre c = centre_new("c"), d = centre_new("d");
    wg_node      *x = input("x"), *z = input("z"), *one = loss_of(apply(&c, x)), *two = loss_of(apply(&d, z));
    wg_node      *step = wg_minimize(one, NULL), *late = wg_minimize(two, NULL);
    cr_assert(step && late, "%s", wg_message(g));
    run_on(compile(1, &step, 0), x, 4);
    cr_expect_eq(value(c.running), 1);
    cr_expect_eq(value(d.running), 0);
    wg_node *plain = wg_updates(x); /* nothing brings any */
    cr_assert_not_null(plain);
    run_on(compile(2, (wg_node *[]){plain, x}, 0), x, 4);
    cr_expect_eq(value(c.running), 1);
}

/* ---- Applied twice: one after the other ---- */

Test(updates, of_one_layer_on_two_inputs_act_one_after_the_other)
{
    struct centre c = centre_new("c");
    wg_node      *a = input("a"), *b = input("b"), *ya = apply(&c, a), *yb = apply(&c, b);
    wg_node      *both = wg_add(loss_of(ya), loss_of(yb)), *first = loss_of(ya), *last = loss_of(yb);
    wg_node      *step[] = {wg_minimize(both, NULL), wg_minimize(first, NULL), wg_minimize(last, NULL)};
    for (int i = 0; i < 3; i++) cr_assert_not_null(step[i], "%s", wg_message(g));
    wg_tape *t = compile(1, &step[0], 0);
    wg_set_f64(t, a, 2, (double[]){7, 9});
    run_on(t, b, 16);
    cr_expect_eq(value(c.running), keep * (0.25 * 8) + 0.25 * 16, "%g", value(c.running));
    wg_param_set(c.running, &(double){0});
    run_on(compile(1, &step[1], 0), a, 8);
    cr_expect_eq(value(c.running), 2, "%g", value(c.running));
    run_on(compile(1, &step[2], 0), b, 16);
    cr_expect_eq(value(c.running), keep * 2 + 0.25 * 16, "%g", value(c.running));
}

/* ---- Two steps on one tape do an update once ---- */

Test(updates, two_steps_on_a_tape_do_it_once)
{
    struct centre c = centre_new("c");
    wg_node *a = input("a"), *w = wg_param(g, "w", WG_F64, WG_SCALAR), *y = apply(&c, a), *again = apply(&c, wg_neg(a));
    wg_node *sum = wg_add(y, again), *one = loss_of(sum), *two = loss_of(wg_add(sum, w));
    wg_node *step = wg_minimize_over(one, 1, &c.weight, NULL), *other = wg_minimize_over(two, 1, &w, NULL);
    cr_assert(step && other, "%s", wg_message(g));
    run_on(compile(2, (wg_node *[]){step, other}, 0), a, 4);
    cr_expect_eq(value(c.running), keep * 1 - 0.25 * 4, "%g", value(c.running));
}

/* ---- What is wrong; memory that is short; steps that cannot be made ---- */

Test(updates, say_what_is_wrong)
{
    wg_node  *x = input("x"), *w = wg_param(g, "w", WG_F64, WG_SHAPE(2)), *s = wg_param(g, "s", WG_F64, WG_SHAPE(2));
    wg_graph *h = wg_graph_new();
    wg_node  *far = wg_param(h, "far", WG_F64, WG_SHAPE(2));
    wg_set_role(s, WG_ROLE_STATE);
    wg_set_role(far, WG_ROLE_STATE);
    const struct {
        wg_node    *y, *assign;
        const char *word;
    } bad[] = {{x, wg_assign(w, x), "w[2] is no state"},
               {x, wg_neg(x), "no assignment"},
               {x, wg_assign(far, wg_neg(far)), "another graph"},
               {wg_assign(s, x), wg_assign(s, x), "assign has no value"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_expect_null(wg_with_update(bad[i].y, bad[i].assign));
        cr_expect_eq(wg_status(g), WG_EARG);
        cr_expect(strstr(wg_message(g), "with_update") && strstr(wg_message(g), bad[i].word), "%s", wg_message(g));
        wg_clear_error(g);
    }
    cr_expect_null(wg_with_update(NULL, wg_assign(s, x)));
    cr_expect_null(wg_with_update(x, NULL));
    cr_expect_null(wg_updates(NULL));
    cr_expect_eq(wg_status(g), WG_OK);
    cr_expect_eq(g->n_update, 0);
    wg_graph_free(h);
}

Test(updates, a_step_that_fails_leaves_none)
{
    struct centre c = centre_new("c");
    wg_node      *a = input("a"), *sum = wg_add(apply(&c, a), apply(&c, wg_neg(a))), *loss = loss_of(sum);
    for (int n = 0;; n++) {
        int nodes = g->n, updates = g->n_update;
        alloc_fail_at(n);
        wg_node *step = wg_minimize(loss, &(wg_solver){.kind = WG_SOLVER_ADAM});
        alloc_restore();
        if (step) break;
        cr_assert_eq(wg_status(g), WG_ENOMEM, "allocation %d: %s", n, wg_message(g));
        cr_assert_eq(g->n, nodes);
        cr_assert_eq(g->n_update, updates, "allocation %d leaves an update", n);
        wg_clear_error(g);
    }
    cr_expect_eq(g->n_update, 3);
    for (int n = 0;; n++) { /* the list grows */
        int updates = g->n_update;
        alloc_fail_at(n);
        wg_node *more = NULL;
        for (int k = 0; k < 20; k++) more = wg_with_update(sum, g->update[0].assign);
        alloc_restore();
        if (more) break;
        cr_assert_eq(wg_status(g), WG_ENOMEM);
        cr_assert_lt(g->n_update, updates + 20);
        wg_clear_error(g);
    }
}

/* Each application's update happens when it is built, in their order. */
Test(updates, eager_mode)
{
    wg_tape      *t = wg_graph_eager(g);
    wg_node      *a = input("a");
    struct centre c = centre_new("c");
    wg_set_f64(t, a, 2, (double[]){7, 9});
    wg_node *y = apply(&c, a);
    cr_expect_eq(value(c.running), 2, "%g", value(c.running));
    wg_node *z = apply(&c, wg_scale(a, 2));
    cr_assert(y && z, "%s", wg_message(g));
    cr_expect_eq(value(c.running), keep * 2 + 0.25 * 16, "%g", value(c.running));
    cr_assert_not_null(wg_minimize(loss_of(wg_add(y, z)), NULL), "%s", wg_message(g));
    cr_expect_eq(value(c.running), keep * 2 + 0.25 * 16, "the step adds none");
}

/* The later update reads the state through an operator of two results. */
Test(updates, are_built_again_over_results)
{
    wg_node *s = wg_param(g, "s", WG_F64, WG_SHAPE(2)), *x = input("x"), *w = wg_param(g, "w", WG_F64, WG_SCALAR);
    wg_set_role(s, WG_ROLE_STATE);
    wg_node *first = wg_with_update(wg_mul(x, w), wg_assign(s, wg_add(s, x)));
    wg_node *half = wg_split(s, 0, 2, NULL), *turned[] = {wg_result(half, 1), half};
    wg_node *last = wg_with_update(wg_neg(first), wg_assign(s, wg_concat(2, turned, 0)));
    wg_node *step = wg_updates(loss_of(last));
    cr_assert_not_null(step, "%s", wg_message(g));
    wg_tape *t = compile(1, &step, 0);
    run_on(t, x, 5);
    const double *v = wg_param_view(s);
    cr_expect(v[0] == 6 && v[1] == 4, "%g %g", v[0], v[1]);
    run_on(t, x, 0);
    v = wg_param_view(s);
    cr_expect(v[0] == 5 && v[1] == 5, "%g %g", v[0], v[1]);
}
