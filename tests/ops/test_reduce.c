/* Reductions against plain loops, in every dtype that they take. */
#include "ops/ops_test.h"

static wg_graph *g;
static uint64_t  seed;
static void      begin(void) { g = wg_graph_new(), seed = 11; }
static void      end(void) { wg_graph_free(g); }
TestSuite(ops_reductions, .init = begin, .fini = end);

static double fold(int kind, double a, double b)
{
    return kind == 0 ? a + b : kind == 1 ? a * b : kind == 2 ? (a > b ? a : b) : a < b ? a : b;
}

Test(ops_reductions, against_plain_loops)
{
    static wg_node *(*const make[])(wg_node *, wg_axes, int) = {wg_sum, wg_prod, wg_max, wg_min};
    static const double start[] = {0, 1, -INFINITY, INFINITY};
    enum { A = 3, B = 4, C = 5 };
    for (int t = WG_F32; t <= WG_I64; t++)
        for (int kind = 0; kind < 4; kind++)
            for (int set = 1; set < 8; set++) {
                double   v[A * B * C], want[A * B * C];
                wg_axes  axes = {0};
                wg_node *x = whole_const(g, &seed, (wg_dtype)t, WG_SHAPE(A, B, C), v);
                if (kind == 1) { /* products that fit: ones, and few twos */
                    for (int i = 0; i < A * B * C; i++) v[i] = i % 13 ? 1 : 2;
                    x = const_of(g, (wg_dtype)t, WG_SHAPE(A, B, C), v);
                }
                int64_t step[3], count = 1;
                for (int i = 2; i >= 0; i--)
                    step[i] = set >> i & 1 ? 0 : count, count *= set >> i & 1 ? 1 : (int64_t[]){A, B, C}[i];
                for (int i = 0; i < 3; i++)
                    if (set >> i & 1) axes.axis[axes.n++] = i - 3 * (i % 2);
                for (int i = 0; i < count; i++) want[i] = start[kind];
                for (int i = 0; i < A * B * C; i++) {
                    double *to = &want[i / C / B * step[0] + i / C % B * step[1] + i % C * step[2]];
                    *to = fold(kind, *to, v[i]);
                }
                wg_node *y = make[kind](x, axes, 0), *kept = make[kind](x, axes, 1);
                expect_values(y, count, want, wg_node_kind(y));
                expect_values(kept, count, want, wg_node_kind(kept));
                cr_expect_eq(wg_node_shape(y)->rank, 3 - axes.n);
                cr_expect_eq(wg_node_shape(kept)->rank, 3);
            }
}

Test(ops_reductions, of_nothing)
{
    wg_node *x = const_of(g, WG_F32, WG_SHAPE(2, 0, 3), NULL);
    double   six[6];
    for (int i = 0; i < 6; i++) six[i] = 0;
    expect_values(wg_sum(x, WG_AXES(1), 0), 6, six, "sum");
    for (int i = 0; i < 6; i++) six[i] = 1;
    expect_values(wg_prod(x, WG_AXES(1), 0), 6, six, "prod");
    for (int i = 0; i < 6; i++) six[i] = -INFINITY;
    expect_values(wg_max(x, WG_AXES(1), 0), 6, six, "max");
    expect_values(wg_logsumexp(x, WG_AXES(1), 0), 6, six, "logsumexp");
    for (int i = 0; i < 6; i++) six[i] = INFINITY;
    expect_values(wg_min(x, WG_AXES(1), 0), 6, six, "min");
    for (int i = 0; i < 6; i++) six[i] = NAN;
    expect_values(wg_mean(x, WG_AXES(1), 0), 6, six, "mean");
    expect_values(wg_sum(x, WG_AXES(0), 0), 0, six, "sum");
    double zero = 0, nan = NAN;
    expect_values(wg_sum(x, WG_ALL_AXES, 0), 1, &zero, "sum of all");
    expect_values(wg_mean(x, WG_ALL_AXES, 0), 1, &nan, "mean of all");
}

Test(ops_reductions, keep_nan)
{
    double v[40], nan = NAN;
    for (int at = 0; at < 40; at += 13) {
        for (int i = 0; i < 40; i++) v[i] = i == at ? NAN : i;
        for (int t = WG_F32; t <= WG_F64; t++) {
            wg_node *x = const_of(g, (wg_dtype)t, WG_SHAPE(40), v);
            expect_values(wg_max(x, WG_ALL_AXES, 0), 1, &nan, "max");
            expect_values(wg_min(x, WG_ALL_AXES, 0), 1, &nan, "min");
            expect_values(wg_sum(x, WG_ALL_AXES, 0), 1, &nan, "sum");
            expect_values(wg_logsumexp(x, WG_ALL_AXES, 0), 1, &nan, "logsumexp");
            expect_values(wg_argmax(x, 0, 0), 1, &(double){at}, "argmax: a NaN counts as the largest");
        }
    }
}

Test(ops_reductions, logsumexp)
{
    double   v[12] = {-INFINITY, -INFINITY, -INFINITY, INFINITY, 1, 2, 1000, 1000, -INFINITY, -2000, -2001, -2002};
    double   want[4] = {-INFINITY, INFINITY, 1000 + log(2), -2000 + log(1 + exp(-1) + exp(-2))}, got[4];
    wg_node *x = const_of(g, WG_F64, WG_SHAPE(4, 3), v), *columns = wg_transpose(x, WG_ALL_AXES);
    for (int way = 0; way < 3; way++) {
        wg_node *y = way == 0   ? wg_logsumexp(x, WG_AXES(1), 0)
                     : way == 1 ? wg_logsumexp(columns, WG_AXES(0), 1)
                                : wg_logsumexp(wg_reshape(columns, WG_SHAPE(3, 4, 1)), WG_AXES(0, 2), 0);
        value_of(y, got);
        for (int i = 0; i < 4; i++)
            cr_expect(got[i] == want[i] || fabs(got[i] - want[i]) < 1e-12, "%g, not %g", got[i], want[i]);
    }
    /* all axes of several runs at once is the same number */
    wg_node *z = random_const(g, WG_F64, WG_SHAPE(2, 3, 4), WG_DOMAIN_ANY, &seed);
    double   p, q;
    value_of(wg_logsumexp(z, WG_ALL_AXES, 0), &p);
    value_of(wg_logsumexp(wg_logsumexp(z, WG_AXES(0, 2), 0), WG_ALL_AXES, 0), &q);
    cr_expect_float_eq(p, q, 1e-14);
}

Test(ops_reductions, argmax)
{
    enum { A = 3, B = 5, C = 4 };
    for (int t = 0; t < WG_DTYPES; t++)
        for (int axis = 0; axis < 3; axis++) {
            double   v[A * B * C], want[A * B * C];
            wg_node *x = whole_const(g, &seed, (wg_dtype)t, WG_SHAPE(A, B, C), v);
            int d[3] = {A, B, C}, inner = axis == 0 ? B * C : axis == 1 ? C : 1, n = d[axis], count = A * B * C / n;
            for (int i = 0; i < count; i++) {
                int at = i / inner * inner * n + i % inner, best = 0;
                for (int k = 1; k < n; k++)
                    if (v[at + k * inner] > v[at + best * inner]) best = k;
                want[i] = best;
            }
            expect_values(wg_argmax(x, axis, 0), count, want, "argmax");
            cr_expect_eq(wg_node_shape(wg_argmax(x, axis - 3, 1))->dim[axis], 1);
        }
    int64_t near[3] = {INT64_MAX - 1, INT64_MAX, INT64_MAX - 2}; /* equal as doubles */
    double  one = 1;
    expect_values(wg_argmax(wg_const(g, WG_I64, WG_SHAPE(3), near), 0, 0), 1, &one, "argmax of large numbers");
}

Test(ops_reductions, mean_and_size)
{
    double   v[24], want[4] = {0};
    wg_node *x = whole_const(g, &seed, WG_F64, WG_SHAPE(2, 3, 4), v), *m = wg_mean(x, WG_AXES(0, 1), 0);
    for (int i = 0; i < 24; i++) want[i % 4] += v[i];
    for (int i = 0; i < 4; i++) want[i] /= 6;
    expect_values(m, 4, want, "mean");
    expect_values(wg_size(x, WG_AXES(0, -1)), 1, &(double){8}, "size");
    expect_values(wg_size(x, wg_axes_make(0, NULL)), 1, &(double){1}, "size of no axes");
}
