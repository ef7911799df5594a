/* Structured operators against plain loops, in every dtype that they take. */
#include <string.h>

#include "ops/ops_test.h"

static wg_graph *g;
static uint64_t  seed;
static void      begin(void) { g = wg_graph_new(), seed = 11; }
static void      end(void) { wg_graph_free(g); }
TestSuite(ops_values, .init = begin, .fini = end);

/* ---- Matrix products ---- */

static double element(const double *a, int t, int rows, int cols, int i, int k)
{
    return t ? a[k * rows + i] : a[i * cols + k];
}

Test(ops_values, matmul)
{
    static const int sizes[][3] = {{1, 1, 1}, {3, 4, 5}, {1, 7, 1}, {8, 1, 8}, {17, 33, 9}, {2, 0, 3}, {0, 2, 3}};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int flags = 0; flags < 8; flags++) {
            int      m = sizes[s][0], k = sizes[s][1], n = sizes[s][2], ta = flags & 1, tb = flags >> 1 & 1;
            wg_dtype t = flags >> 2 ? WG_F64 : WG_F32;
            double  *a = calloc((size_t)(m * k) + 1, 8), *b = calloc((size_t)(k * n) + 1, 8),
                   *y = calloc((size_t)(m * n) + 1, 8);
            wg_node *p = whole_const(g, &seed, t, ta ? WG_SHAPE(k, m) : WG_SHAPE(m, k), a),
                    *q = whole_const(g, &seed, t, tb ? WG_SHAPE(n, k) : WG_SHAPE(k, n), b);
            for (int i = 0; i < m; i++)
                for (int j = 0; j < n; j++)
                    for (int l = 0; l < k; l++) y[i * n + j] += element(a, ta, m, k, i, l) * element(b, tb, k, n, l, j);
            expect_values(wg_matmul_t(p, q, ta, tb), m * n, y, "matmul");
            free(a), free(b), free(y);
        }
}

Test(ops_values, matmul_broadcasts_leading_axes)
{
    double   a[2 * 1 * 2 * 3], b[3 * 3 * 2], y[2 * 3 * 2 * 2] = {0};
    wg_node *p = whole_const(g, &seed, WG_F64, WG_SHAPE(2, 1, 2, 3), a),
            *q = whole_const(g, &seed, WG_F64, WG_SHAPE(3, 3, 2), b);
    for (int u = 0; u < 2; u++)
        for (int v = 0; v < 3; v++)
            for (int i = 0; i < 2; i++)
                for (int j = 0; j < 2; j++)
                    for (int l = 0; l < 3; l++)
                        y[((u * 3 + v) * 2 + i) * 2 + j] += a[(u * 2 + i) * 3 + l] * b[(v * 3 + l) * 2 + j];
    expect_values(wg_matmul(p, q), 24, y, "matmul");
}

/* ---- Places ---- */

Test(ops_values, transpose)
{
    static const int64_t shapes[][4] = {{2, 3, 4, 5}, {1, 7, 1, 9}, {33, 2, 65, 1}, {5, 1, 1, 6}, {4, 40, 3, 37}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int code = 0; code < 256; code++) {
            wg_axes perm = {4, {code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6}};
            if ((1 << perm.axis[0] | 1 << perm.axis[1] | 1 << perm.axis[2] | 1 << perm.axis[3]) != 15) continue;
            static const wg_dtype types[] = {WG_F32, WG_F64, WG_U8};
            wg_dtype              t = types[code % 3];
            const int64_t        *d = shapes[s];
            int64_t  n = d[0] * d[1] * d[2] * d[3], step[4] = {d[1] * d[2] * d[3], d[2] * d[3], d[3], 1}, k = 0;
            double  *v = malloc((size_t)n * 8), *want = malloc((size_t)n * 8);
            wg_node *x = whole_const(g, &seed, t, wg_shape_make(4, d), v);
            int      p = perm.axis[0], q = perm.axis[1], r = perm.axis[2], u = perm.axis[3];
            for (int64_t i = 0; i < d[p]; i++)
                for (int64_t j = 0; j < d[q]; j++)
                    for (int64_t l = 0; l < d[r]; l++)
                        for (int64_t m = 0; m < d[u]; m++)
                            want[k++] = v[i * step[p] + j * step[q] + l * step[r] + m * step[u]];
            expect_values(wg_transpose(x, perm), n, want, "transpose");
            free(v), free(want);
        }
}

Test(ops_values, transpose_undone)
{
    wg_node *x = wg_input(g, "x", WG_F32, WG_SHAPE(2, 3, 4));
    cr_expect_eq(wg_transpose(x, WG_AXES(0, 1, -1)), x, "in order: x itself");
    cr_expect_eq(wg_node_shape(wg_transpose(x, WG_ALL_AXES))->dim[0], 4);
}

/* What Python's range(n)[start:stop:step] holds, by its definition. */
static int python_slice(int64_t n, int64_t start, int64_t stop, int64_t step, double *v)
{
    int64_t lo = step < 0 ? -1 : 0, hi = step < 0 ? n - 1 : n;
    if (start != WG_SLICE_END && start < 0) start = start < -n ? lo : start + n;
    if (stop < 0) stop = stop < -n ? lo : stop + n;
    if (start > hi) start = hi;
    if (stop > hi) stop = hi;
    int count = 0;
    for (int64_t i = start; step < 0 ? i > stop : i < stop; i += step) v[count++] = (double)i;
    return count;
}

Test(ops_values, slice_as_python)
{
    static const int64_t ends[] = {INT64_MIN, -9, -5, -3, -1, 0, 1, 2, 4, 5, 9, WG_SLICE_END},
                         steps[] = {1, 2, 3, 7, -1, -2, -3, -7};
    for (int64_t n = 0; n <= 5; n++)
        for (int a = 0; a < 12; a++)
            for (int b = 0; b < 12; b++)
                for (int s = 0; s < 8; s++) {
                    double   v[5] = {0, 1, 2, 3, 4}, want[8];
                    wg_node *x = const_of(g, WG_I32, WG_SHAPE(n), v);
                    char     what[80];
                    snprintf(what, sizeof what, "[%lld:%lld:%lld] of %lld", (long long)ends[a], (long long)ends[b],
                             (long long)steps[s], (long long)n);
                    wg_node *y = wg_slice(x, 0, ends[a], ends[b], steps[s]);
                    cr_assert_not_null(y, "%s: %s", what, wg_message(g));
                    int count = python_slice(n, ends[a], ends[b], steps[s], want);
                    cr_assert_eq(wg_count(wg_node_shape(y)), count, "%s", what);
                    if (count && (a + b + s) % 5 == 0) expect_values(y, count, want, what); /* running all takes long */
                }
    wg_node *x = const_of(g, WG_I32, WG_SHAPE(3), (double[]){7, 8, 9});
    expect_values(wg_slice(x, 0, WG_SLICE_END, INT64_MIN, INT64_MIN), 1, (double[]){9}, "the longest step back");
    expect_values(wg_slice(x, 0, 0, WG_SLICE_END, INT64_MAX), 1, (double[]){7}, "the longest step");
}

/* On a symbolic axis the same, for every size that has the range; one that has not is refused. */
Test(ops_values, slice_of_a_symbolic_axis_as_python)
{
    static const int64_t ends[] = {INT64_MIN, -3, -2, -1, 0, 1, 2, 4, WG_SLICE_END}, steps[] = {1, 2, 3, -1, -2};
    int64_t              n = wg_dim(g, "n");
    wg_node             *x = wg_input(g, "x", WG_I32, WG_SHAPE(n));
    int                  taken = 0, right = 0;
    for (int i = 0; i < 9 * 9 * 5; i++) {
        int64_t  start = ends[i % 9], stop = ends[i / 9 % 9], step = steps[i / 81];
        wg_node *y = wg_slice(x, 0, start, stop, step);
        taken += y != NULL;
        wg_clear_error(g);
        for (int64_t size = 0; y && size <= 5; size++) {
            double   v[5] = {0, 1, 2, 3, 4}, want[8], have[8];
            int      count = python_slice(size, start, stop, step, want);
            wg_tape *t = wg_compile(g, 1, &y, &(wg_options){.bind = {{"n", size}}});
            wg_clear_error(g);
            if (!t) continue;
            right++;
            if (wg_tape_shape(t, x)) set_values(t, x, v);
            must_run(t);
            cr_assert_eq(wg_count(wg_tape_shape(t, y)), count, "[%lld:%lld:%lld] of %lld", (long long)start,
                         (long long)stop, (long long)step, (long long)size);
            get_values(t, y, have);
            for (int k = 0; k < count; k++) cr_assert_eq(have[k], want[k]);
            wg_tape_free(t);
        }
    }
    cr_expect(taken > 300 && right > 1500, "%d ranges of %d sizes", taken, right);
}

/* Narrow takes what it is told, of sizes that may be symbols, and scatter_add puts back. */
Test(ops_values, narrow_and_scatter_add)
{
    int64_t  n = wg_dim(g, "n"), low;
    wg_infer c = {.g = g};
    wg_node *x = wg_input(g, "x", WG_F32, WG_SHAPE(n));
    cr_assert_eq(wg_dim_add(&c, n, 0, &low), WG_OK);
    wg_node *y = wg_narrow(x, 0, 1, 3, -1);
    wg_node *z = wg_scatter_add(y, wg_const(g, WG_I64, WG_SHAPE(3), (int64_t[]){0, -1, 0}), 0, n);
    wg_tape *t = wg_compile(g, 2, (wg_node *[]){y, z}, &(wg_options){.bind = {{"n", 4}}});
    cr_assert_not_null(t, "%s", wg_message(g));
    set_values(t, x, (double[]){5, 6, 7, 8});
    must_run(t);
    double v[4];
    get_values(t, y, v);
    cr_expect(v[0] == 8 && v[1] == 7 && v[2] == 6);
    get_values(t, z, v);
    cr_expect(v[0] == 14 && v[1] == 0 && v[2] == 0 && v[3] == 7);
    cr_expect_null(wg_compile(g, 1, &y, &(wg_options){.bind = {{"n", 3}}}));
    wg_clear_error(g);
    cr_expect_null(wg_scatter_add(x, wg_const(g, WG_I64, WG_SHAPE(1, 1), (int64_t[]){0}), 0, 2));
    wg_clear_error(g);
}

Test(ops_values, slice_of_an_inner_axis)
{
    double   v[3 * 7 * 4], want[3 * 2 * 4];
    wg_node *x = whole_const(g, &seed, WG_F32, WG_SHAPE(3, 7, 4), v);
    int      k = 0;
    for (int i = 0; i < 3; i++)
        for (int j = 5; j > 0; j -= 3)
            for (int l = 0; l < 4; l++) want[k++] = v[(i * 7 + j) * 4 + l];
    expect_values(wg_slice(x, 1, -2, 0, -3), 24, want, "slice");
}

Test(ops_values, pad)
{
    for (int t = 0; t < WG_DTYPES; t++) {
        double   v[6], want[4 * 7];
        wg_node *x = whole_const(g, &seed, (wg_dtype)t, WG_SHAPE(2, 3), v);
        for (int i = 0; i < 28; i++) {
            int r = i / 7 - 1, c = i % 7 - 2;
            want[i] = r >= 0 && r < 2 && c >= 0 && c < 3 ? v[r * 3 + c] : 1;
        }
        expect_values(wg_pad(x, (int64_t[]){1, 2}, (int64_t[]){1, 2}, 1), 28, want, "pad");
        for (int i = 0; i < 28; i++) {
            int r = i / 7 - 1, c = i % 7;
            want[i] = r >= 0 && r % 2 == 0 && c % 3 == 0 ? v[r / 2 * 3 + c / 3] : 0;
        }
        expect_values(wg__pad(x, WG_SHAPE(1, 0), (wg_list){2, {2, 3}}, WG_SHAPE(4, 7), 0), 28, want, "pad between");
    }
    wg_node *x = wg_input(g, "x", WG_F32, WG_SHAPE(2));
    cr_expect_eq(wg_pad(x, (int64_t[]){0}, (int64_t[]){0}, 1), x);
}

Test(ops_values, concat)
{
    double   a[2 * 3 * 2], b[2 * 1 * 2], want[2 * 4 * 2], e[1];
    wg_node *x = whole_const(g, &seed, WG_I64, WG_SHAPE(2, 3, 2), a),
            *y = whole_const(g, &seed, WG_I64, WG_SHAPE(2, 1, 2), b),
            *z = whole_const(g, &seed, WG_I64, WG_SHAPE(2, 0, 2), e);
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 4; j++)
            for (int k = 0; k < 2; k++) want[(i * 4 + j) * 2 + k] = j < 3 ? a[(i * 3 + j) * 2 + k] : b[i * 2 + k];
    expect_values(wg_concat(3, (wg_node *[]){x, z, y}, -2), 16, want, "concat");
    cr_expect_eq(wg_concat(1, &x, 0), x);
    wg_node *many[100];
    double   count[100];
    for (int i = 0; i < 100; i++) many[i] = const_of(g, WG_F32, WG_SHAPE(1), &(double){count[i] = i});
    expect_values(wg_concat(100, many, 0), 100, count, "concat of many");
}

Test(ops_values, gather_and_scatter)
{
    double   v[3 * 4 * 2], at[5] = {0, -1, 3, 2, -4}, want[3 * 5 * 2], back[3 * 4 * 2] = {0};
    wg_node *x = whole_const(g, &seed, WG_F64, WG_SHAPE(3, 4, 2), v);
    for (int t = WG_I32; t <= WG_I64; t++) {
        wg_node *index = const_of(g, (wg_dtype)t, WG_SHAPE(5), at);
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 5; j++)
                for (int k = 0; k < 2; k++) want[(i * 5 + j) * 2 + k] = v[(i * 4 + ((int)at[j] + 4) % 4) * 2 + k];
        wg_node *y = wg_gather(x, index, 1);
        expect_values(y, 30, want, "gather");
        memset(back, 0, sizeof back);
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 5; j++)
                for (int k = 0; k < 2; k++) back[(i * 4 + ((int)at[j] + 4) % 4) * 2 + k] += want[(i * 5 + j) * 2 + k];
        expect_values(wg__scatter_add(y, index, 1, WG_SHAPE(3, 4, 2)), 24, back, "scatter_add");
        expect_values(wg__scatter_add(wg_cast(y, WG_I32), index, 1, WG_SHAPE(3, 4, 2)), 24, back,
                      "scatter_add of integers");
    }
    wg_node *one = const_of(g, WG_I64, WG_SCALAR, &(double){1});
    expect_values(wg_gather(const_of(g, WG_U8, WG_SHAPE(3), (double[]){5, 6, 7}), one, 0), 1, &(double){6},
                  "gather by a scalar");
}

static void expect_run_error(wg_node *y, const char *part)
{
    wg_tape *t = compiled(g, 1, &y);
    cr_expect_eq(wg_run(t), WG_EINDEX);
    cr_expect(strstr(wg_tape_message(t), part), "%s", wg_tape_message(t));
}

Test(ops_values, indices_outside_are_named)
{
    wg_node *x = wg_param(g, "x", WG_F32, WG_SHAPE(2, 4)), *p = wg_param(g, "at", WG_I64, WG_SHAPE(3)),
            *l = wg_param(g, "l", WG_I32, WG_SHAPE(2));
    wg_param_set(p, (int64_t[]){0, 3, 4});
    expect_run_error(wg_gather(x, p, 1), "index 4 at position 2 is outside of axis 1 of size 4");
    wg_param_set(p, (int64_t[]){0, -5, 4});
    expect_run_error(wg_gather(x, p, 1), "index -5 at position 1 is outside of axis 1 of size 4");
    expect_run_error(wg__scatter_add(wg_fill(g, WG_F32, WG_SHAPE(3), 1), p, 0, WG_SHAPE(4)),
                     "index -5 at position 1 is outside of axis 0 of size 4");
    wg_param_set(l, (int32_t[]){3, -1});
    expect_run_error(wg_softmax_cross_entropy(x, l), "label -1 at position 1 is outside of 4 classes");
    wg_param_set(l, (int32_t[]){4, 0});
    expect_run_error(wg_softmax_cross_entropy(x, l), "label 4 at position 0 is outside of 4 classes");
}

Test(ops_values, one_hot)
{
    double                want[8] = {0, 1, 0, 0, 0, 0, 0, 1};
    static const wg_dtype types[] = {WG_I32, WG_I64};
    for (int i = 0; i < 2; i++) {
        expect_values(wg_one_hot(const_of(g, types[i], WG_SHAPE(2), (double[]){1, 3}), 4, WG_F32), 8, want, "one_hot");
        wg_node *out = const_of(g, types[i], WG_SHAPE(3), (double[]){0, 4, -1});
        expect_run_error(wg_one_hot(out, 4, WG_F32), "index 4 at position 1 is outside of 0..3");
        wg_node *below = const_of(g, types[i], WG_SHAPE(1), (double[]){-1});
        expect_run_error(wg_one_hot(below, 4, WG_F64), "index -1 at position 0 is outside of 0..3");
    }
    wg_node *wide = wg_sum(wg_one_hot(const_of(g, WG_U8, WG_SHAPE(1), (double[]){255}), 300, WG_F64), WG_ALL_AXES, 0);
    expect_values(wide, 1, &(double){1}, "one_hot wider than its index");
    expect_values(wg_one_hot(const_of(g, WG_I64, WG_SHAPE(0), want), 0, WG_F32), 0, want, "one_hot of depth 0");
}

/* ---- Softmax ---- */

Test(ops_values, softmax)
{
    static const int shapes[][2] = {{1, 1}, {3, 5}, {2, 1000}, {700, 10}, {1, 5000}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        int     b = shapes[s][0], n = shapes[s][1];
        double *v = malloc((size_t)(b * n) * 8), *p = malloc((size_t)(b * n) * 8), *q = malloc((size_t)(b * n) * 8),
               *l = malloc((size_t)b * 8);
        for (int i = 0; i < b * n; i++) v[i] = 40 * draw(&seed) - 20;
        for (int i = 0; i < b; i++) l[i] = floor(draw(&seed) * n);
        wg_node *x = const_of(g, WG_F64, WG_SHAPE(b, n), v);
        value_of(wg_softmax(x, 1), p);
        value_of(wg_log_softmax(x, 1), q);
        double loss, want = 0;
        for (int i = 0; i < b; i++) {
            double sum = 0, top = -INFINITY;
            for (int k = 0; k < n; k++) top = fmax(top, v[i * n + k]);
            for (int k = 0; k < n; k++) sum += exp(v[i * n + k] - top);
            for (int k = 0; k < n; k++) {
                cr_assert_float_eq(p[i * n + k], exp(v[i * n + k] - top) / sum, 1e-14);
                cr_assert_float_eq(q[i * n + k], v[i * n + k] - top - log(sum), 1e-12);
            }
            want -= (v[i * n + (int)l[i]] - top - log(sum)) / b;
        }
        value_of(wg_softmax_cross_entropy(x, const_of(g, WG_I64, WG_SHAPE(b), l)), &loss);
        cr_expect_float_eq(loss, want, 1e-11);
        value_of(wg_softmax_cross_entropy(wg_cast(x, WG_F32), const_of(g, WG_I32, WG_SHAPE(b), l)), &loss);
        cr_expect_float_eq(loss, want, 1e-5);
        free(v), free(p), free(q), free(l);
    }
}

Test(ops_values, softmax_of_the_first_axis)
{
    double   a[12], b[12];
    wg_node *x = random_const(g, WG_F64, WG_SHAPE(3, 4), WG_DOMAIN_ANY, &seed);
    value_of(wg_softmax(x, 0), a);
    value_of(wg_transpose(wg_softmax(wg_transpose(x, WG_ALL_AXES), 1), WG_ALL_AXES), b);
    cr_expect_arr_eq(a, b, sizeof a);
}

Test(ops_values, a_sure_answer_has_a_small_loss)
{
    double   loss;
    wg_node *z = const_of(g, WG_F32, WG_SHAPE(1, 3), (double[]){1000, 985, 980}),
            *l = const_of(g, WG_U8, WG_SHAPE(1), (double[]){0});
    value_of(wg_softmax_cross_entropy(z, l), &loss);
    cr_expect_float_eq(loss, log1p(exp(-15) + exp(-20)), 1.2e-7, "%g is more than the last bit of 1 away", loss);
}

/* ---- Compositions ---- */

Test(ops_values, compositions)
{
    double   v[4] = {-3, -0.5, 0.5, 3};
    wg_node *x = const_of(g, WG_F64, WG_SHAPE(4), v);
    expect_values(wg_scale(x, 2), 4, (double[]){-6, -1, 1, 6}, "scale");
    expect_values(wg_shift(x, 1), 4, (double[]){-2, 0.5, 1.5, 4}, "shift");
    expect_values(wg_one_minus(x), 4, (double[]){4, 1.5, 0.5, -2}, "one_minus");
    expect_values(wg_clip(x, -1, 2), 4, (double[]){-1, -0.5, 0.5, 2}, "clip");
    expect_values(wg_fill(g, WG_I32, WG_SHAPE(2, 2), 7), 4, (double[]){7, 7, 7, 7}, "fill");
    expect_values(wg_mse(x, wg_neg(x)), 1, &(double){(36 + 1 + 1 + 36) / 4.}, "mse");
}

Test(ops_values, sum_to)
{
    double   v[24], want[4] = {0};
    wg_node *x = whole_const(g, &seed, WG_F64, WG_SHAPE(2, 3, 4), v);
    for (int i = 0; i < 24; i++) want[i % 4] += v[i];
    expect_values(wg_sum_to(x, WG_SHAPE(4)), 4, want, "sum_to");
    expect_values(wg_sum_to(x, WG_SHAPE(1, 1, 4)), 4, want, "sum_to");
    cr_expect_eq(wg_sum_to(x, WG_SHAPE(2, 3, 4)), x);
    cr_expect_eq(wg_node_shape(wg_sum_to(x, WG_SCALAR))->rank, 0);
    cr_expect_eq(wg_node_shape(wg_sum_to(x, WG_SHAPE(2, 1, 1)))->dim[0], 2);
}

Test(ops_values, squeeze_and_unsqueeze)
{
    wg_node *x = wg_input(g, "x", WG_F32, WG_SHAPE(2, 1, 3));
    cr_expect_eq(wg_node_shape(wg_squeeze(x, -2))->rank, 2);
    cr_expect_eq(wg_node_shape(wg_unsqueeze(x, -1))->dim[3], 1);
    cr_expect_eq(wg_node_shape(wg_unsqueeze(x, 0))->dim[1], 2);
    cr_expect_null(wg_unsqueeze(wg_input(g, "y", WG_F32, WG_SHAPE(1, 1, 1, 1, 1, 1, 1, 1)), 0));
}
