/* Values of the operators with several results, against the plainest program for each. */
#include <string.h>

#include "ops/ops_test.h"

static wg_graph *g;
static uint64_t  seed;
static void      start(void)
{
    g = wg_graph_new();
    seed = 5;
}
static void stop(void) { wg_graph_free(g); }
TestSuite(ops_several, .init = start, .fini = stop, .timeout = 120);

enum { A = 4, B = 5, C = 3, ALL = A * B * C };

/* Both results of y, for constants. */
static void both(wg_node *y, double *first, double *second)
{
    cr_assert_not_null(y, "%s", wg_message(g));
    wg_node *z = wg_result(y, 1);
    wg_tape *t = compiled(g, WG_NODES(y, z));
    must_run(t);
    get_values(t, y, first);
    get_values(t, z, second);
    wg_tape_free(t);
}

/* Few different whole numbers, so that there are ties, and where the dtype has it a NaN. */
static wg_node *tied(wg_dtype t, double v[ALL], bool with_nan)
{
    for (int i = 0; i < ALL; i++) v[i] = floor(draw(&seed) * (t == WG_BOOL ? 2 : 4));
    if (with_nan && WG_DTYPE_BIT(t) & WG_DTYPE_REALS)
        for (int i = 0; i < ALL; i += 7) v[i] = NAN;
    return const_of(g, t, WG_SHAPE(A, B, C), v);
}

/* Whether a comes before b among the largest. */
static bool larger(double a, double b) { return a > b || (isnan(a) && !isnan(b)); }

Test(ops_several, top_k_is_the_beginning_of_a_stable_sort)
{
    static const int dim[] = {A, B, C};
    for (int t = 0; t < WG_DTYPES; t++)
        for (int axis = 0; axis < 3; axis++)
            for (int k = 0; k <= dim[axis]; k++)
                for (int smallest = 0; smallest < 2; smallest++) {
                    double   v[ALL], y[ALL], at[ALL];
                    wg_node *x = tied((wg_dtype)t, v, k % 2);
                    int      n = dim[axis], inner = axis == 0 ? B * C : axis == 1 ? C : 1;
                    both(wg_top_k(x, axis - 3 * (k % 2), k, smallest), y, at);
                    for (int line = 0; line < ALL / n && k; line++) {
                        const double *from = v + line / inner * n * inner + line % inner;
                        for (int i = 0, to = line / inner * k * inner + line % inner; i < k; i++, to += inner) {
                            int before = 0, me = (int)at[to];
                            for (int j = 0; j < n; j++) {
                                bool more = larger(from[j * inner], from[me * inner]);
                                bool less = larger(from[me * inner], from[j * inner]);
                                before += (smallest ? less : more) || (!less && !more && j < me);
                            }
                            cr_expect_eq(before, i, "%s: element %d of line %d", wg_dtype_name((wg_dtype)t), i, line);
                            cr_expect(y[to] == from[me * inner] || (isnan(y[to]) && isnan(from[me * inner])));
                        }
                    }
                }
}

Test(ops_several, max_with_index_is_max_and_the_first_of_them)
{
    for (int t = 0; t < WG_DTYPES; t++)
        for (int set = 0; set < 8; set++)
            for (int nan = 0; nan < 2; nan++) {
                static const int dim[] = {A, B, C};
                double           v[ALL], y[ALL], at[ALL];
                wg_node         *x = tied((wg_dtype)t, v, nan);
                wg_axes          axes = {0};
                for (int i = 2; i >= 0; i--)
                    if (set >> i & 1) axes.axis[axes.n++] = i;
                both(wg_max_with_index(x, axes, nan), y, at);
                double best[ALL], where[ALL];
                int    seen[ALL] = {0};
                for (int i = 0; i < ALL; i++) {
                    int c[3] = {i / (B * C), i / C % B, i % C}, o = 0, r = 0;
                    for (int k = 0; k < 3; k++)
                        if (set >> k & 1) r = r * dim[k] + c[k];
                        else o = o * dim[k] + c[k];
                    if (!seen[o]++ || larger(v[i], best[o])) best[o] = v[i], where[o] = r;
                }
                for (int o = 0; o < ALL && seen[o]; o++) {
                    cr_expect(y[o] == best[o] || (isnan(y[o]) && isnan(best[o])), "axes %d of %s", set,
                              wg_dtype_name((wg_dtype)t));
                    cr_expect_eq(at[o], where[o], "axes %d of %s, result %d", set, wg_dtype_name((wg_dtype)t), o);
                }
            }
}

Test(ops_several, large_integers_are_not_compared_as_doubles)
{
    int64_t  near[3] = {INT64_MAX - 1, INT64_MAX, INT64_MAX - 2};
    double   y[3], at[3];
    wg_node *x = wg_const(g, WG_I64, WG_SHAPE(3), near);
    both(wg_max_with_index(x, WG_ALL_AXES, 0), y, at);
    cr_expect_eq(at[0], 1);
    both(wg_top_k(x, 0, 3, 0), y, at);
    cr_expect(at[0] == 1 && at[1] == 0 && at[2] == 2);
}

Test(ops_several, moments_do_not_cancel)
{
    enum { N = 200000 };
    float *v = malloc(N * sizeof *v);
    double sum = 0, square = 0, y[1], var[1];
    for (int i = 0; i < N; i++) sum += v[i] = (float)(1e6 + draw(&seed));
    for (int i = 0; i < N; i++) square += (v[i] - sum / N) * (v[i] - sum / N);
    wg_node *x = wg_const(g, WG_F32, WG_SHAPE(2, N / 2), v), *y64 = wg_cast(x, WG_F64);
    for (int turned = 0; turned < 2; turned++) {
        wg_node *z = wg_moments(turned ? wg_transpose(y64, WG_ALL_AXES) : y64, WG_ALL_AXES, 0);
        both(z, y, var);
        cr_expect_float_eq(y[0], sum / N, 1e-9);
        cr_expect_float_eq(var[0], square / N, 1e-9 * square / N);
    }
    both(wg_moments(x, WG_ALL_AXES, 0), y, var);
    cr_expect_float_eq(var[0], square / N, 1e-6 * square / N, "in f32: %g, not %g", var[0], square / N);
    free(v);
}

Test(ops_several, moments_are_the_means)
{
    for (int set = 0; set < 8; set++)
        for (int t = WG_F32; t <= WG_F64; t++)
            for (int keep = 0; keep < 2; keep++) {
                double   y[ALL], var[ALL], want[ALL], spread[ALL];
                wg_axes  axes = {0};
                wg_node *x = random_const(g, (wg_dtype)t, WG_SHAPE(A, B, C), WG_DOMAIN_ANY, &seed);
                for (int i = 0; i < 3; i++)
                    if (set >> i & 1) axes.axis[axes.n++] = i;
                wg_node *mean = wg_mean(x, axes, 1), *away = wg_square(wg_sub(x, mean));
                wg_node *m = wg_mean(x, axes, keep), *s = wg_mean(away, axes, keep);
                wg_node *z = wg_moments(x, axes, keep);
                cr_assert(wg__shape_equal(z->shape, m->shape) && wg__shape_equal(wg_result(z, 1)->shape, m->shape));
                both(z, y, var);
                wg_tape *tape = compiled(g, WG_NODES(m, s));
                must_run(tape);
                get_values(tape, m, want);
                get_values(tape, s, spread);
                for (int64_t i = 0; i < wg_count(m->shape); i++) {
                    cr_expect_float_eq(y[i], want[i], t == WG_F32 ? 1e-6 : 1e-14, "axes %d", set);
                    cr_expect_float_eq(var[i], spread[i], t == WG_F32 ? 1e-6 : 1e-14, "axes %d", set);
                }
            }
    double y, var;
    both(wg_moments(wg_const(g, WG_F32, WG_SHAPE(0, 1), ""), WG_ALL_AXES, 0), &y, &var);
    cr_expect(isnan(y) && isnan(var), "of nothing");
}

Test(ops_several, split_undoes_concat)
{
    for (int t = 0; t < WG_DTYPES; t++)
        for (int axis = 0; axis < 3; axis++) {
            double   v[ALL];
            int64_t  size[] = {1, 0, 2};
            wg_node *x = tied((wg_dtype)t, v, false), *part[3];
            size[0] += (int[]){A, B, C}[axis] - 3;
            wg_node *s = wg_split(x, axis, 3, size);
            for (int k = 0; k < 3; k++) {
                part[k] = wg_result(s, k);
                cr_assert_eq(wg_node_shape(part[k])->dim[axis], size[k]);
            }
            wg_node *back = wg_concat(3, part, axis);
            wg_tape *tape = compiled(g, 1, &back);
            double   got[ALL];
            must_run(tape);
            get_values(tape, back, got);
            cr_expect_arr_eq(got, v, sizeof v, "axis %d of %s", axis, wg_dtype_name((wg_dtype)t));
        }
}

static void expect_error(wg_node *y, int status, const char *message)
{
    cr_expect_null(y);
    cr_expect_eq(wg_status(g), status);
    cr_expect_str_eq(wg_message(g), message);
    wg_clear_error(g);
}

Test(ops_several, errors_say_what_was_wrong)
{
    wg_node *x = wg_input(g, "x", WG_F32, WG_SHAPE(2, 6));
    expect_error(wg_split(x, 1, 4, NULL), WG_ESHAPE, "split(x[2,6]): axis 1 of 6 elements has no 4 equal pieces");
    expect_error(wg_split(x, 1, 0, NULL), WG_EARG, "split(x[2,6]): 0 pieces");
    expect_error(wg_split(x, 1, 2, (int64_t[]){2, 5}), WG_ESHAPE,
                 "split(x[2,6], axis=1, size=(2,5)): the pieces have 7 elements, axis 1 has 6");
    expect_error(wg_split(x, 1, 2, (int64_t[]){7, -1}), WG_ESHAPE,
                 "split(x[2,6], axis=1, size=(7,-1)): piece 1 has -1 elements");
    expect_error(wg_top_k(x, 1, 7, 0), WG_ESHAPE,
                 "top_k(x[2,6], axis=1, k=7): k = 7 is not in 0..6, the size of axis 1");
    expect_error(wg_max_with_index(wg_slice(x, 0, 0, 0, 1), WG_AXES(0), 0), WG_ESHAPE,
                 "max_with_index([0,6], axes=(0)): axis 0 is empty");
    wg_node *y = wg_input(g, "y", WG_F32, WG_SHAPE(wg_dim(g, "batch"), 6));
    expect_error(wg_split(y, 0, 2, NULL), WG_ESHAPE,
                 "split(y[batch,6]): axis 0 is symbolic: give the sizes of the pieces");
    wg_node *z = wg_split(y, 0, 2, (int64_t[]){2, 1}), *k = wg_top_k(y, 0, 4, 0);
    cr_assert(z && k);
    for (int n = 3; n < 5; n++) {
        wg_tape *t = wg_compile(g, 1, &z, &(wg_options){.bind = {{"batch", n}}});
        cr_expect_eq(t != NULL, n == 3, "%s", wg_message(g));
        wg_clear_error(g);
        t = wg_compile(g, 1, &k, &(wg_options){.bind = {{"batch", n}}});
        cr_expect_eq(t != NULL, n == 4, "%s", wg_message(g));
        wg_clear_error(g);
    }
}

/* The gradient with respect to x of <first result, w> where the batch is symbolic is that of a known one. */
Test(ops_several, gradients_over_a_symbolic_batch)
{
    for (int which = 0; which < 4; which++) {
        double got[2][12];
        for (int symbolic = 0; symbolic < 2; symbolic++) {
            wg_graph *h = wg_graph_new();
            int64_t   batch = symbolic ? wg_dim(h, "batch") : 3;
            wg_node  *x = wg_input(h, "x", WG_F64, WG_SHAPE(batch, 4)), *d = NULL;
            wg_node  *y = which == 0   ? wg_top_k(x, 1, 2, 0)
                          : which == 1 ? wg_max_with_index(x, WG_AXES(0), 0)
                          : which == 2 ? wg_result(wg_moments(x, WG_AXES(0), 0), 1)
                                       : wg_result(wg_split(x, 1, 2, NULL), 1);
            wg_node  *loss = wg_sum(wg_mul(wg_square(y), wg_exp(y)), WG_ALL_AXES, 0);
            cr_assert_eq(wg_grad(loss, 1, &x, &d), WG_OK, "%s", wg_message(h));
            wg_tape *t = wg_compile(h, 1, &d, &(wg_options){.bind = {{symbolic ? "batch" : NULL, 3}}});
            cr_assert_not_null(t, "%s", wg_message(h));
            double v[12];
            for (int i = 0; i < 12; i++) v[i] = (i * 5 % 12) / 4.0;
            set_values(t, x, v);
            must_run(t);
            get_values(t, d, got[symbolic]);
            wg_graph_free(h);
        }
        cr_expect_arr_eq(got[0], got[1], sizeof *got, "operator %d", which);
    }
}

/* One column alone and the same beside others go different ways, which agree on infinities and on sums that overflow.
 */
Test(ops_several, moments_of_extremes_do_not_depend_on_the_layout)
{
    static const double column[][2] = {{INFINITY, 1}, {1, -INFINITY}, {1e308, 1e308}, {INFINITY, -INFINITY}, {NAN, 1}};
    for (size_t i = 0; i < sizeof column / sizeof *column; i++) {
        const double beside[4] = {column[i][0], 1, column[i][1], 2};
        double       mean[2], var[2], one_mean, one_var;
        both(wg_moments(const_of(g, WG_F64, WG_SHAPE(2, 1), column[i]), WG_AXES(0), 0), &one_mean, &one_var);
        both(wg_moments(const_of(g, WG_F64, WG_SHAPE(2, 2), beside), WG_AXES(0), 0), mean, var);
        cr_expect(one_mean == mean[0] || (isnan(one_mean) && isnan(mean[0])), "%g and %g", one_mean, mean[0]);
        cr_expect(one_var == var[0] || (isnan(one_var) && isnan(var[0])), "%g and %g", one_var, var[0]);
        double sum = column[i][0] / 2 + column[i][1] / 2;
        cr_expect(one_mean == sum || (isnan(one_mean) && isnan(sum)), "%g, not %g", one_mean, sum);
        cr_expect(mean[1] == 1.5 && var[1] == 0.25, "the other column");
    }
}

/* What is wrong is seen before memory is taken for the pieces. */
Test(ops_several, split_into_more_pieces_than_there_are_elements)
{
    wg_node *x = wg_input(g, "x", WG_F32, WG_SHAPE(3, 4));
    cr_expect_null(wg_split(x, 1, INT32_MAX, NULL));
    cr_expect(strstr(wg_message(g), "has no 2147483647 equal pieces"), "%s", wg_message(g));
}
