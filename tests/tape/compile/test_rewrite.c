/* Every rewrite rule: it fires, it changes no value, and where the plain form
 * overflows or cancels, the better form is right. */
#include "tape/compile/rewrite.h"
#include "tape/compile/rewrite_examples.h"
#include "tape/compile/rewrite_test.h"

TestSuite(tape_rewrite, .timeout = 60);

static struct leaves leaves_new(void)
{
    wg_graph *g = wg_graph_new();
    return (struct leaves){g, wg_input(g, "x", WG_F64, WG_SHAPE(3, 4)), wg_input(g, "y", WG_F64, WG_SHAPE(3, 4)),
                           wg_input(g, "v", WG_F64, WG_SHAPE(4)), wg_input(g, "w", WG_F64, WG_SHAPE(5, 4))};
}

static void set_leaves(wg_tape *t, const struct leaves *l)
{
    const wg_node *leaf[] = {l->x, l->y, l->v, l->w};
    for (int i = 0; i < 4; i++)
        if (wg_tape_shape(t, leaf[i])) set_random(t, leaf[i], (uint64_t)i + 7, 0.1, 0.9);
}

static void expect_close(wg_tape *a, wg_tape *b, const wg_node *y, const struct example *e)
{
    int64_t n = wg_count(wg_tape_shape(a, y));
    cr_assert(wg__shape_equal(wg_tape_shape(a, y), wg_tape_shape(b, y)));
    if (e->exact) cr_expect(same_bits(a, b, y), "%s changes bits", e->before);
    for (int64_t i = 0; i < n; i++) {
        double p = element(a, y, i), q = element(b, y, i);
        cr_expect(fabs(p - q) <= 1e-13 * (1 + fabs(p)), "%s: %.17g became %.17g", e->before, p, q);
    }
}

static void try_example(const struct example *e)
{
    struct leaves l = leaves_new();
    wg_options    plain = skipping(WG_SKIP_REWRITE);
    wg_node      *y = e->build(&l);
    cr_assert_not_null(y, "%s: %s", e->before, wg_message(l.g));
    wg_tape *a = compile(l.g, 1, &y, &plain), *b = compile(l.g, 1, &y, NULL);
    expect_form(a, y, e->before);
    expect_form(b, y, e->after);
    expect_printed(a, e->before);
    expect_printed(b, e->after);
    set_leaves(a, &l);
    set_leaves(b, &l);
    run(a);
    run(b);
    expect_close(a, b, y, e);
    wg_graph_free(l.g);
}

Test(tape_rewrite, rules_fire_and_change_no_value)
{
    for (int i = 0; i < EXAMPLES; i++) try_example(&examples[i]);
}

/* Both tables: of logarithms, and of the others. */
static bool any_rule(bool (*found)(const struct wg__rule *r, const char *text), const char *text)
{
    for (const struct wg__rule *r = wg__stable_rules; r->apply; r++)
        if (found(r, text)) return true;
    for (const struct wg__rule *r = wg__rules; r->apply; r++)
        if (found(r, text)) return true;
    return false;
}

static bool lacks_example(const struct wg__rule *r, const char *unused)
{
    (void)unused;
    for (int i = 0; i < EXAMPLES; i++)
        if (examples[i].rule && strcmp(examples[i].rule, r->text) == 0) return false;
    cr_log_error("no example of the rule %s", r->text);
    return true;
}
static bool has_text(const struct wg__rule *r, const char *text) { return strcmp(r->text, text) == 0; }

Test(tape_rewrite, every_rule_has_an_example) { cr_expect(!any_rule(lacks_example, NULL)); }

Test(tape_rewrite, every_example_names_a_rule)
{
    for (int i = 0; i < EXAMPLES; i++)
        cr_expect(!examples[i].rule || any_rule(has_text, examples[i].rule), "no rule %s", examples[i].rule);
}

/* ---- Where the plain form fails ---- */

typedef wg_node *unary(wg_node *x);
static wg_node  *softplus_by_hand(wg_node *x) { return wg_log(wg_add(wg_lit(x, 1), wg_exp(x))); }
static wg_node  *expm1_by_hand(wg_node *x) { return wg_sub(wg_exp(x), wg_lit(x, 1)); }
static wg_node  *expm1_shifted(wg_node *x) { return wg_shift(wg_exp(x), -1); }
static wg_node  *log_of_sigmoid(wg_node *x) { return wg_log(wg_sigmoid(x)); }
static wg_node  *log_of_not_sigmoid(wg_node *x) { return wg_log(wg_one_minus(wg_sigmoid(x))); }
static wg_node  *not_sigmoid(wg_node *x) { return wg_one_minus(wg_sigmoid(x)); }
static wg_node  *log_of_more(wg_node *x) { return wg_log(wg_shift(x, 1)); }
static wg_node  *log_of_less(wg_node *x) { return wg_log(wg_one_minus(x)); }
static wg_node  *log_of_exp(wg_node *x) { return wg_log(wg_exp(x)); }

static double at(unary *f, wg_dtype dtype, double x)
{
    wg_graph *g = wg_graph_new();
    wg_node  *in = wg_input(g, "x", dtype, WG_SCALAR), *y = f(in);
    wg_tape  *t = compile(g, 1, &y, NULL);
    wg_set_scalar(t, in, x);
    run(t);
    double v = wg_get_scalar(t, y);
    wg_graph_free(g);
    return v;
}

static void expect_near(double got, double want, double eps)
{
    cr_expect(fabs(got - want) <= eps * fabs(want), "%.17g is not %.17g", got, want);
}

Test(tape_rewrite, stable_where_the_plain_form_overflows)
{
    static const wg_dtype dtype[] = {WG_F32, WG_F64};
    for (int i = 0; i < 2; i++) {
        double eps = i ? 1e-15 : 1e-6;
        expect_near(at(softplus_by_hand, dtype[i], 100), 100, eps);
        expect_near(at(softplus_by_hand, dtype[i], 1000), 1000, eps);
        expect_near(at(log_of_sigmoid, dtype[i], -1000), -1000, eps);
        expect_near(at(log_of_not_sigmoid, dtype[i], 1000), -1000, eps);
        expect_near(at(log_of_exp, dtype[i], 1000), 1000, eps);
    }
}

Test(tape_rewrite, exact_where_the_plain_form_cancels)
{
    static const wg_dtype dtype[] = {WG_F32, WG_F64};
    for (int i = 0; i < 2; i++) {
        double eps = i ? 1e-14 : 1e-6;
        expect_near(at(expm1_by_hand, dtype[i], 1e-12), 1e-12 + 0.5e-24, eps);
        expect_near(at(expm1_shifted, dtype[i], -1e-12), -1e-12 + 0.5e-24, eps);
        expect_near(at(log_of_more, dtype[i], 1e-12), 1e-12 - 0.5e-24, eps);
        expect_near(at(log_of_less, dtype[i], 1e-12), -1e-12 - 0.5e-24, eps);
        expect_near(at(not_sigmoid, dtype[i], 50), exp(-50), eps);
        expect_near(at(softplus_by_hand, dtype[i], -50), exp(-50), eps);
    }
}

Test(tape_rewrite, log_of_softmax_at_a_thousand)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(2, 3)), *y = wg_log(wg_softmax(x, 1));
    wg_tape  *t = compile(g, 1, &y, NULL);
    wg_set(t, x, (float[]){1000, 0, -1000, -1000, -1000, -1000});
    run(t);
    const double want[] = {0, -1000, -2000, -log(3), -log(3), -log(3)};
    for (int i = 0; i < 6; i++) cr_expect_float_eq(element(t, y, i), want[i], 1e-4);
    wg_node *columns = wg_transpose(x, WG_ALL_AXES), *z = wg_log(wg_softmax(columns, 0));
    wg_tape *s = compile(g, 1, &z, NULL);
    wg_set(s, x, wg_view(t, x));
    run(s);
    for (int i = 0; i < 6; i++) cr_expect_float_eq(element(s, z, i % 3 * 2 + i / 3), want[i], 1e-4);
    wg_graph_free(g);
}

/* ---- What was asked for by itself stays ---- */

Test(tape_rewrite, softmax_stays_softmax)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F64, WG_SHAPE(2, 5)), *p = wg_softmax(x, 1), *l = wg_log(p);
    wg_tape  *t = compile(g, WG_NODES(p, l), NULL);
    cr_expect_eq(op_count(t, "softmax"), 1);
    cr_expect_eq(op_count(t, "log_softmax"), 1);
    cr_expect_eq(op_count(t, "log"), 0);
    set_random(t, x, 1, -3, 3);
    run(t);
    double sum = 0;
    for (int i = 0; i < 5; i++) sum += element(t, p, i);
    cr_expect_float_eq(sum, 1, 1e-14);
    for (int i = 0; i < 10; i++) cr_expect_float_eq(element(t, l, i), log(element(t, p, i)), 1e-13);
    wg_graph_free(g);
}

Test(tape_rewrite, operands_that_are_asked_for_keep_their_values)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F64, WG_SCALAR);
    wg_node  *e = wg_exp(x), *s = wg_shift(e, 1), *l = wg_log(s), *n = wg_watch(wg_neg(x)), *m = wg_neg(n);
    wg_tape  *t = compile(g, WG_NODES(e, s, l, m), NULL);
    wg_set_scalar(t, x, 0.5);
    run(t);
    cr_expect_float_eq(wg_get_scalar(t, e), exp(0.5), 1e-15);
    cr_expect_float_eq(wg_get_scalar(t, s), exp(0.5) + 1, 1e-15);
    cr_expect_float_eq(wg_get_scalar(t, l), log(exp(0.5) + 1), 1e-15);
    cr_expect_eq(wg_get_scalar(t, n), -0.5);
    cr_expect_eq(wg_get_scalar(t, m), 0.5);
    wg_graph_free(g);
}

Test(tape_rewrite, skipped_is_skipped)
{
    wg_graph  *g = wg_graph_new();
    wg_options plain = skipping(WG_SKIP_REWRITE);
    wg_node   *x = wg_input(g, "x", WG_F64, WG_SHAPE(4)), *y = wg_log(wg_softmax(x, 0));
    wg_tape   *t = compile(g, 1, &y, &plain);
    cr_expect_eq(op_count(t, "log_softmax"), 0);
    cr_expect_eq(op_count(t, "log"), 1);
    wg_graph_free(g);
}

/* ---- Constant folding ---- */

Test(tape_rewrite, constants_fold)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F64, WG_SHAPE(3));
    wg_node  *two = wg_scalar(g, WG_F64, 2), *three = wg_scalar(g, WG_F64, 3);
    wg_node  *a = wg_mul(x, wg_mul(two, three)), *b = wg_add(a, wg_mul(two, three)), *m = wg_mean(b, WG_ALL_AXES, 0);
    wg_tape  *t = compile(g, 1, &m, NULL);
    cr_expect_eq(op_count(t, "mul"), 1, "equal constants fold each time");
    cr_expect_eq(op_count(t, "size"), 0, "the size of a shape is a number");
    wg_set(t, x, (double[]){1, 2, 3});
    run(t);
    cr_expect_float_eq(wg_get_scalar(t, m), 18, 1e-14);
    wg_graph_free(g);
}

/* What cannot be computed at compile time is said by the run, not by the compiler. */
Test(tape_rewrite, a_failing_constant_is_a_run_time_error)
{
    wg_graph *g = wg_graph_new();
    wg_node  *table = wg_const(g, WG_F64, WG_SHAPE(3), (double[]){1, 2, 3});
    wg_node  *index = wg_const(g, WG_I64, WG_SHAPE(1), (int64_t[]){7});
    wg_node  *y = wg_gather(table, index, 0);
    wg_tape  *t = compile(g, 1, &y, NULL);
    cr_expect_eq(wg_run(t), WG_EINDEX);
    wg_graph_free(g);
}
