/* What outputs, watched nodes and followed values show beside assignments: old values, whatever a builder, a rewrite
 * rule or constant folding made of the node. */
#include "tape/random_graph.h"

TestSuite(tape_assigned, .timeout = 60);

/* ---- Builders that have nothing to do ---- */

static wg_node *scaled(wg_node *w) { return wg_scale(w, 1); }
static wg_node *divided(wg_node *w) { return wg_div(w, wg_lit(w, 1)); }
static wg_node *shifted(wg_node *w) { return wg_shift(w, 0); }
static wg_node *minus_zero(wg_node *w) { return wg_sub(w, wg_lit(w, 0)); }
static wg_node *twice_negated(wg_node *w) { return wg_neg(wg_neg(w)); }
static wg_node *log_of_exp(wg_node *w) { return wg_log(wg_exp(w)); }
static wg_node *first_power(wg_node *w) { return wg_pow(w, wg_lit(w, 1)); }
static wg_node *same_dtype(wg_node *w) { return wg_cast(w, wg_node_dtype(w)); }
static wg_node *same_shape(wg_node *w) { return wg_reshape(w, *wg_node_shape(w)); }
static wg_node *there_and_back(wg_node *w)
{
    return wg_reshape(wg_reshape(w, WG_SHAPE(WG_DIM_AUTO)), *wg_node_shape(w));
}
static wg_node *squeezed(wg_node *w) { return wg_squeeze(wg_unsqueeze(w, 0), 0); }
static wg_node *in_order(wg_node *w) { return wg_transpose(w, WG_AXES(0, 1)); }
static wg_node *turned_twice(wg_node *w) { return wg_transpose(wg_transpose(w, WG_ALL_AXES), WG_ALL_AXES); }
static wg_node *expanded(wg_node *w) { return wg_expand(w, *wg_node_shape(w)); }
static wg_node *whole_slice(wg_node *w) { return wg_slice(w, 0, 0, WG_SLICE_END, 1); }
static wg_node *no_pad(wg_node *w) { return wg_pad(w, (int64_t[]){0, 0}, (int64_t[]){0, 0}, 0); }
static wg_node *alone(wg_node *w) { return wg_concat(1, &w, 0); }
static wg_node *sum_of_none(wg_node *w) { return wg_sum(w, wg_axes_make(0, NULL), 0); }
static wg_node *max_of_none(wg_node *w) { return wg_max(w, wg_axes_make(0, NULL), 1); }
static wg_node *mean_of_none(wg_node *w) { return wg_mean(w, wg_axes_make(0, NULL), 0); }
static wg_node *lse_of_none(wg_node *w) { return wg_logsumexp(w, wg_axes_make(0, NULL), 0); }
static wg_node *sum_to_same(wg_node *w) { return wg_sum_to(w, *wg_node_shape(w)); }
static wg_node *kept_by_dropout(wg_node *w) { return wg_dropout(w, 0); }
static wg_node *evaluated_dropout(wg_node *w) { return wg_dropout(w, 0.5); }
static wg_node *chosen(wg_node *w)
{
    wg_node *yes = wg_const(wg_node_graph(w), WG_BOOL, WG_SCALAR, &(uint8_t){1});
    return wg_where(yes, w, wg_neg(w));
}
static wg_node *gradient(wg_node *w) /* of w^2/2 */
{
    wg_node *d;
    return wg_grad(wg_scale(wg_sum(wg_square(w), WG_ALL_AXES, 0), 0.5), 1, &w, &d) ? NULL : d;
}
static wg_node *tangent(wg_node *w) { return wg_jvp(w, 1, &w, &w); }
static wg_node *named(wg_node *w) { return wg_named(wg_scale(w, 1), "w, scaled"); }

static wg_node *(*const same[])(wg_node *w) = {
    scaled,      divided,     shifted,  minus_zero,      twice_negated,     log_of_exp, first_power,
    same_dtype,  same_shape,  squeezed, there_and_back,  in_order,          expanded,   turned_twice,
    whole_slice, no_pad,      alone,    sum_of_none,     max_of_none,       chosen,     mean_of_none,
    lse_of_none, sum_to_same, gradient, kept_by_dropout, evaluated_dropout, named,      tangent};
enum { SAME = sizeof same / sizeof *same, ROWS = 2, COLUMNS = 3, ELEMENTS = ROWS * COLUMNS };

/* ---- The law: an output is what it was, and w is what was assigned ---- */

struct state {
    wg_graph *g;
    wg_node  *w, *v, *step, *output[SAME]; /* v takes w's value; w takes w + 10 */
    wg_dtype  dtype;
};

static struct state state_new(wg_dtype t)
{
    wg_graph    *g = wg_graph_new();
    struct state s = {.g = g, .dtype = t};
    s.w = wg_param(g, "w", t, WG_SHAPE(ROWS, COLUMNS));
    s.v = wg_param(g, "v", t, WG_SHAPE(ROWS, COLUMNS));
    cr_assert(!wg_set_role(s.w, WG_ROLE_STATE) && !wg_set_role(s.v, WG_ROLE_STATE)); /* .evaluate may assign them */
    return s;
}

static void set_param(wg_node *w, double first)
{
    double store[ELEMENTS];
    for (int i = 0; i < ELEMENTS; i++) wg__store(wg_node_dtype(w), store, i, first + i);
    cr_assert_eq(wg_param_set(w, store), WG_OK);
}

static void expect(wg_tape *t, const wg_node *x, double first, const char *what, int i)
{
    cr_assert_eq(wg_count(wg_tape_shape(t, x)), ELEMENTS);
    for (int k = 0; k < ELEMENTS; k++)
        cr_expect_float_eq(element(t, x, k), first + k, 1e-5, "%s %d shows %g, not %g", what, i, element(t, x, k),
                           first + k);
}

/* Outputs, or watched nodes that nothing else asks for. */
static void try_outputs(wg_dtype dtype, unsigned skip, bool watched, int only)
{
    struct state s = state_new(dtype);
    wg_node     *out[SAME + 1];
    int          n = 0, n_out = 0;
    for (int i = 0; i < SAME; i++) {
        if (only >= 0 && i != only) continue;
        cr_assert_not_null(s.output[n] = same[i](s.w), "builder %d: %s", i, wg_message(s.g));
        if (watched) wg_watch(s.output[n]);
        else out[n_out++] = s.output[n];
        n++;
    }
    wg_node *all[] = {wg_assign(s.w, wg_shift(s.w, 10)), wg_assign(s.v, wg_scale(s.w, 1))};
    out[n_out++] = s.step = wg_group(2, all);
    if (watched) { /* a watched node is kept where something needs it */
        wg_node *sum = s.output[0];
        for (int i = 1; i < n; i++) sum = wg_add(sum, s.output[i]);
        out[n_out++] = sum;
    }
    wg_tape *t = compile(s.g, n_out, out, &(wg_options){.skip = skip, .evaluate = 1});
    set_param(s.w, 1);
    for (int turn = 0; turn < 2; turn++) {
        run(t);
        for (int i = 0; i < n; i++) expect(t, s.output[i], 1 + 10 * turn, "builder", only >= 0 ? only : i);
        expect(t, s.w, 11 + 10 * turn, "the parameter", 0);
        expect(t, s.v, 1 + 10 * turn, "the other parameter", 0);
    }
    set_param(s.w, 1000);
    for (int i = 0; i < n; i++) expect(t, s.output[i], 11, "after wg_param_set, builder", only >= 0 ? only : i);
    wg_graph_free(s.g);
}

Test(tape_assigned, outputs_show_old_values)
{
    static const unsigned skip[] = {0,
                                    WG_SKIP_REWRITE,
                                    WG_SKIP_MERGE,
                                    WG_SKIP_FUSE,
                                    WG_SKIP_REUSE,
                                    WG_SKIP_REWRITE | WG_SKIP_MERGE | WG_SKIP_FUSE | WG_SKIP_REUSE};
    for (size_t k = 0; k < sizeof skip / sizeof *skip; k++)
        for (int watched = 0; watched < 2; watched++)
            for (int only = -1; only < SAME; only++) try_outputs(only % 2 ? WG_F64 : WG_F32, skip[k], watched, only);
}

/* What is asked for on its own although nothing keeps it is refused: the parameter's memory has another value. */
Test(tape_assigned, what_is_no_output_is_not_shown)
{
    for (int i = 0; i < SAME; i++) {
        struct state s = state_new(WG_F64);
        wg_node     *y = same[i](s.w), *z = wg_scale(y, 2), *step = wg_assign(s.w, z);
        wg_tape     *t = compile(s.g, WG_NODES(z, step), NULL);
        run(t);
        cr_expect(wg_view(t, y) == NULL || y == z, "builder %d", i);
        wg_graph_free(s.g);
    }
}

Test(tape_assigned, followed_values_are_old)
{
    wg_graph *g = wg_graph_new();
    wg_node  *w = wg_param(g, "w", WG_F64, WG_SCALAR), *y = wg_scale(w, 1), *z = wg_cast(w, WG_F64);
    wg_tape  *t = compile(g, WG_NODES(y, z, wg_assign(w, wg_shift(w, 10))), NULL);
    double    value;
    cr_assert(!wg_follow(t, y, 1) && !wg_follow(t, z, 1) && !wg_follow(t, w, 1));
    for (int i = 0; i < 3; i++) {
        run(t);
        cr_expect(wg_followed(t, y, NULL, &value) == 1 && value == 10 * i, "%g", value);
        cr_expect(wg_followed(t, z, NULL, &value) == 1 && value == 10 * i, "%g", value);
        cr_expect(wg_followed(t, w, NULL, &value) == 1 && value == 10 * i + 10, "the parameter itself: %g", value);
    }
    wg_graph_free(g);
}

/* In eager mode an assignment happens as it is built; what was built before keeps its value, and what is built on
 * that later sees this value.  A run computes all from the value that w has then. */
Test(tape_assigned, eager_nodes_keep_old_values)
{
    for (int i = 0; i < SAME; i++) {
        struct state s = state_new(WG_F64);
        set_param(s.w, 1);
        wg_tape *t = wg_graph_eager(s.g);
        cr_assert_not_null(t);
        bool drops = same[i] == evaluated_dropout;
        if (drops) {
            wg_graph_free(s.g);
            continue;
        }
        wg_node *y = same[i](s.w), *minus = wg_neg(s.w);
        cr_assert_not_null(y, "builder %d: %s", i, wg_message(s.g));
        cr_assert_not_null(wg_assign(s.w, wg_shift(s.w, 10)));
        wg_node *z = wg_shift(y, 100), *back = wg_neg(minus), *now = wg_shift(s.w, 0);
        expect(t, y, 1, "builder", i);
        expect(t, z, 101, "built on builder", i);
        expect(t, back, 1, "negated back", i);
        expect(t, now, 11, "after the assignment", i);
        run(t);
        expect(t, y, 11, "run, builder", i);
        expect(t, z, 111, "run, on builder", i);
        expect(t, back, 11, "run, negated back", i);
        expect(t, now, 11, "run, after the assignment", i);
        expect(t, s.w, 21, "run, the parameter", i);
        set_param(s.w, 1000);
        expect(t, y, 11, "set, builder", i);
        wg_graph_free(s.g);
    }
}

/* ---- Random graphs over parameters, with assignments beside ---- */

/* Every identity over every parameter, and the graph's own outputs, against a tape without assignments. */
static void try_random(uint64_t seed)
{
    struct random_graph r = random_graph(seed);
    wg_node            *out[OUTPUTS + 40], *p[4], *step[4];
    int                 n = 0;
    for (int i = 0; i < r.n_out; i++) out[n++] = r.out[i];
    for (int i = 0; i < 4; i++) {
        char            name[8];
        const wg_shape *s = wg_node_shape(r.pool[pick(&r.dice, r.n)]);
        snprintf(name, sizeof name, "p%d", i);
        p[i] = wg_param(r.g, name, r.dtype, *s);
        if (s->rank != 2) {
            out[n++] = wg_scale(p[i], 1), out[n++] = wg_reshape(wg_shift(p[i], 0), WG_SHAPE(WG_DIM_AUTO));
            out[n++] = wg_neg(wg_neg(wg_cast(p[i], r.dtype)));
            continue;
        }
        for (int k = 0; k < 8; k++) {
            wg_node *(*f)(wg_node * w) = same[pick(&r.dice, SAME)];
            bool none = f == evaluated_dropout || f == log_of_exp || f == tangent || (f == no_pad && !s->dim[0]);
            out[n++] = none ? wg_sub(p[i], wg_lit(p[i], 0)) : f(p[i]);
            cr_assert_not_null(out[n - 1], "%s", wg_message(r.g));
        }
    }
    for (int i = 0; i < 4; i++) step[i] = wg_assign(p[i], pick(&r.dice, 2) ? wg_scale(p[i], -2) : wg_shift(p[i], 3));
    wg_tape *plain = compile(r.g, n, out, NULL);
    out[n] = wg_group(4, step);
    wg_tape *t = compile(r.g, n + 1, out, NULL);
    for (int i = 0; i < 4; i++) set_random(plain, p[i], 77 + (uint64_t)i, -1, 1);
    set_inputs(&r, plain);
    set_inputs(&r, t);
    run(plain);
    run(t);
    for (int i = 0; i < n; i++)
        cr_expect(same_bits(plain, t, out[i]), "seed %llu: output %d of %d changes with assignments beside",
                  (unsigned long long)seed, i, n);
    wg_graph_free(r.g);
}

Test(tape_assigned, random_graphs)
{
    for (uint64_t seed = 1; seed <= 150; seed++) try_random(seed);
}
