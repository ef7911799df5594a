/* Reductions and softmax on the device against the CPU: every form of problem,
 * dtypes, NaN, infinities, ties, no elements. */
#include "structured.h"

static const wg_op *const reductions[] = {&wg_op_sum, &wg_op_prod, &wg_op_max, &wg_op_min};

/* [outer, n, inner] for each kernel, above and below its limits. */
static const int64_t threes[][3] = {
    {1, 1, 1},     {5, 3, 1},      {300, 10, 1},  {7, 256, 1},   {130, 1000, 1}, {3, 1000, 1},  {2, 5001, 1},
    {1, 40000, 1}, {2, 16385, 1},  {1, 0, 1},     {3, 0, 4},     {0, 4, 3},      {4, 5, 0},     {6, 4, 3},
    {2, 33, 2},    {3, 700, 5},    {1, 100, 31},  {2, 64, 32},   {1, 90, 33},    {1, 5000, 70}, {1, 9000, 3},
    {2, 32, 1000}, {1, 40, 65600}, {1, 600, 300}, {1, 4096, 64},
};
enum { THREES = sizeof threes / sizeof *threes };

static void check_reduction(const wg_op *op, wg_dtype t, const int64_t s[3], int shift, uint64_t *seed)
{
    struct wg__reduce_attr a = {.axes = {.n = 1, .axis = {1}}, .keep = 0};
    bool                   real = t == WG_F32 || t == WG_F64, product = op == &wg_op_prod;
    double                 root = sqrt((double)s[1]), e = unit_roundoff(t);
    char                   what[96];
    wg_tensor              x = random_tensor(t, WG_SHAPE(s[0], s[1], s[2]), product && real ? 0.999 : -1000,
                                product && real ? 1.001 : 1000, seed);
    struct outcome         o = run_both(op, 1, &x, &a, (struct run_how){.shift = shift});
    case_name(op, &x, what, sizeof what);
    if (!real || op == &wg_op_max || op == &wg_op_min) expect_bits(what, &o);
    else expect_near(what, &o, product ? e * (8 + 2 * root) : 4 * e, product ? 0 : 4000 * e * (1 + root));
    outcome_free(&o);
    free(x.data);
}

static void reductions_are_those_of_the_cpu(void)
{
    static const wg_dtype dtypes[] = {WG_F32, WG_F64, WG_I32, WG_I64};
    uint64_t              seed = 1;
    for (size_t k = 0; k < 4; k++)
        for (size_t d = 0; d < 4; d++)
            for (int i = 0; i < THREES; i++) check_reduction(reductions[k], dtypes[d], threes[i], i % 2, &seed);
}

static void integers_wrap(void)
{
    int32_t                v[3] = {INT32_MAX, 1, 5};
    struct wg__reduce_attr a = {.axes = {.n = -1}};
    wg_tensor              x = {v, WG_I32, WG_SHAPE(3)};
    struct outcome         sum = run_both(&wg_op_sum, 1, &x, &a, (struct run_how){0});
    struct outcome         prod = run_both(&wg_op_prod, 1, &x, &a, (struct run_how){0});
    expect_bits("sum", &sum);
    expect_bits("prod", &prod);
    EXPECT(*(int32_t *)sum.cuda.data == INT32_MIN + 5, "a sum that wraps");
    outcome_free(&sum);
    outcome_free(&prod);
}

/* Several axes with axes of size 1 between and around them, and negative ones. */
static void runs_of_axes(void)
{
    static const wg_axes axes[] = {{.n = 2, .axis = {1, 2}},
                                   {.n = 2, .axis = {-1, 1}},
                                   {.n = 3, .axis = {3, 2, 1}},
                                   {.n = 1, .axis = {0}},
                                   {.n = -1},
                                   {.n = 0},
                                   {.n = 1, .axis = {2}}};
    uint64_t             seed = 2;
    wg_tensor            x = random_tensor(WG_F64, WG_SHAPE(4, 6, 1, 5), -1, 1, &seed);
    for (size_t k = 0; k < 7; k++)
        for (int keep = 0; keep < 2; keep++) {
            struct wg__reduce_attr a = {axes[k], keep};
            struct outcome         o = run_both(&wg_op_sum, 1, &x, &a, (struct run_how){0});
            expect_near("sum", &o, 1e-14, 1e-14);
            outcome_free(&o);
        }
    free(x.data);
}

/* One NaN anywhere makes its row's max, min, sum and logsumexp NaN, and is where argmax points. */
static void nan_is_kept(void)
{
    static const int64_t shapes[][3] = {{3, 9, 1}, {2, 3000, 1}, {2, 20000, 1}, {3, 9, 4}, {2, 600, 5}, {1, 3000, 40}};
    static const wg_op  *ops[] = {&wg_op_max, &wg_op_min, &wg_op_sum, &wg_op_argmax};
    uint64_t             seed = 3;
    for (size_t i = 0; i < 6; i++)
        for (int k = 0; k < 4; k++)
            for (int t = WG_F32; t <= WG_F64; t++) {
                wg_shape  s = WG_SHAPE(shapes[i][0], shapes[i][1], shapes[i][2]);
                wg_tensor x = random_tensor((wg_dtype)t, s, -1, 1, &seed);
                for (int j = 0; j < 2; j++)
                    wg__store((wg_dtype)t, x.data, (int64_t)(next_bits(&seed) % (uint64_t)wg_count(&s)), NAN);
                struct wg__reduce_attr a = {.axes = {.n = 1, .axis = {1}}};
                struct wg__argmax_attr b = {.axis = 1};
                struct outcome o = run_both(ops[k], 1, &x, k == 3 ? (void *)&b : (void *)&a, (struct run_how){0});
                char           what[96];
                expect_near(case_name(ops[k], &x, what, sizeof what), &o, 0, k == 2 ? 1e-3 : 0);
                outcome_free(&o);
                free(x.data);
            }
}

static void argmax_is_the_first_of_equals(void)
{
    uint64_t seed = 4;
    for (int t = 0; t < WG_DTYPES; t++)
        for (int i = 0; i < THREES; i++) {
            if (threes[i][1] == 0) continue;
            struct wg__argmax_attr a = {.axis = -2, .keep = i % 2};
            wg_shape               s = WG_SHAPE(threes[i][0], threes[i][1], threes[i][2]);
            wg_tensor              x = random_tensor((wg_dtype)t, s, 0, 4, &seed);
            for (int64_t k = 0; k < wg_count(&s); k++)
                wg__store(x.dtype, x.data, k, floor(wg__load(x.dtype, x.data, k)) - (t <= WG_F64 ? 9 : 0));
            struct outcome o = run_both(&wg_op_argmax, 1, &x, &a, (struct run_how){.shift = i % 2});
            char           what[96];
            expect_bits(case_name(&wg_op_argmax, &x, what, sizeof what), &o);
            outcome_free(&o);
            free(x.data);
        }
}

static void argmax_of_the_least(void)
{
    float                  v[2] = {-INFINITY, -INFINITY};
    wg_tensor              x = {v, WG_F32, WG_SHAPE(2)};
    struct wg__argmax_attr a = {0, 0};
    struct outcome         o = run_both(&wg_op_argmax, 1, &x, &a, (struct run_how){0});
    EXPECT(*(int64_t *)o.cuda.data == 0, "argmax of -inf, -inf");
    outcome_free(&o);
}

/* ---- Over rows: softmax, log_softmax, logsumexp, cross_entropy ---- */

static const int64_t widths[] = {1,   2,   3,   4,    5,    10,   31,   32,   33,    127,   128,  129,
                                 255, 257, 513, 1000, 1024, 1025, 4001, 4004, 10240, 10241, 16389};
enum { WIDTHS = sizeof widths / sizeof *widths };

static void check_rows(const wg_op *op, const wg_tensor *x, const void *attr, int shift, double relative)
{
    char           what[96];
    double         e = unit_roundoff(x->dtype);
    struct outcome o = run_both(op, 1, x, attr, (struct run_how){.shift = shift});
    expect_near(case_name(op, x, what, sizeof what), &o, relative * e,
                relative * e * (op == &wg_op_softmax ? 1e-3 : 20));
    outcome_free(&o);
}
static void check_all_rows(const wg_tensor *x, int shift, double relative)
{
    struct wg__axis_attr   last = {.axis = -1};
    struct wg__reduce_attr a = {.axes = {.n = 1, .axis = {-1}}};
    check_rows(&wg_op_softmax, x, &last, shift, relative);
    check_rows(&wg_op_log_softmax, x, &last, shift, relative);
    check_rows(&wg_op_logsumexp, x, &a, shift, relative);
}

static void softmax_rows(void)
{
    uint64_t seed = 5;
    for (int t = WG_F32; t <= WG_F64; t++)
        for (int i = 0; i < WIDTHS; i++) {
            wg_tensor x = random_tensor((wg_dtype)t, WG_SHAPE(widths[i] < 200 ? 37 : 3, widths[i]), -20, 20, &seed);
            check_all_rows(&x, i % 2, 32);
            free(x.data);
        }
}

/* Rows of infinities, of one, and with NaN. */
static void softmax_of_odd_rows(void)
{
    static const double odd[][2] = {{INFINITY, 1}, {-INFINITY, 1},  {-INFINITY, -INFINITY}, {INFINITY, -INFINITY},
                                    {NAN, 1},      {INFINITY, 300}, {NAN, -INFINITY},       {-300, -INFINITY}};
    for (int t = WG_F32; t <= WG_F64; t++)
        for (int i = 0; i < WIDTHS; i++) {
            wg_tensor x = tensor_of((wg_dtype)t, WG_SHAPE(8, widths[i]));
            for (int64_t k = 0; k < 8 * widths[i]; k++)
                wg__store(x.dtype, x.data, k, odd[k / widths[i]][k % widths[i] != widths[i] / 2]);
            check_all_rows(&x, i % 2, 32);
            free(x.data);
        }
}

static void softmax_of_nothing(void)
{
    wg_tensor              x = tensor_of(WG_F32, WG_SHAPE(3, 0)), none = tensor_of(WG_F32, WG_SHAPE(0, 3));
    struct wg__reduce_attr all = {.axes = {.n = -1}};
    check_all_rows(&x, 0, 0);
    check_all_rows(&none, 0, 0);
    check_rows(&wg_op_logsumexp, &x, &all, 0, 0);
    free(x.data);
    free(none.data);
}

static void long_logsumexp_takes_two_passes(void)
{
    uint64_t               seed = 6;
    wg_tensor              x = random_tensor(WG_F32, WG_SHAPE(2, 50, 1000), -5, 5, &seed);
    struct wg__reduce_attr a = {.axes = {.n = 2, .axis = {1, 2}}, .keep = 1};
    check_rows(&wg_op_logsumexp, &x, &a, 1, 32);
    free(x.data);
}

static const wg_dtype label_types[] = {WG_I32, WG_I64, WG_U8};

static void cross_entropy(void)
{
    uint64_t seed = 7;
    for (int t = WG_F32; t <= WG_F64; t++)
        for (int i = 0; i < WIDTHS; i++) {
            int64_t   b = widths[i] < 200 ? 50 : 3;
            wg_dtype  l = label_types[i % 3];
            wg_tensor x[2] = {
                random_tensor((wg_dtype)t, WG_SHAPE(b, widths[i]), -8, 8, &seed),
                random_tensor(l, WG_SHAPE(b), 0, (double)(l == WG_U8 && widths[i] > 256 ? 256 : widths[i]), &seed)};
            struct outcome o = run_both(&wg_op_cross_entropy, 2, x, NULL, (struct run_how){.shift = i % 2});
            char           what[96];
            EXPECT(o.status == WG_OK && o.fault.status == 0, "a label is refused");
            expect_near(case_name(&wg_op_cross_entropy, x, what, sizeof what), &o, 32 * unit_roundoff(x[0].dtype),
                        400 * unit_roundoff(x[0].dtype));
            outcome_free(&o);
            free(x[0].data);
            free(x[1].data);
        }
}

/* The first label out of range is told, with the number of classes and of the instruction. */
static void labels_out_of_range(void)
{
    uint64_t seed = 8;
    for (int64_t n = 0; n < 3000; n = n ? n * 53 : 1) {
        int64_t   label[300] = {0};
        wg_tensor x[2] = {random_tensor(WG_F32, WG_SHAPE(300, n), -8, 8, &seed), {label, WG_I64, WG_SHAPE(300)}};
        label[n ? 270 : 0] = -1;
        label[290] = n;
        struct outcome o = run_both(&wg_op_cross_entropy, 2, x, NULL, (struct run_how){0});
        EXPECT(o.status == WG_EINDEX && o.fault.status == WG_EINDEX, "a label is taken");
        EXPECT(o.fault.index == -1 && o.fault.size == n && o.fault.instr == 7, "%lld of %lld", (long long)o.fault.index,
               (long long)o.fault.size);
        outcome_free(&o);
        free(x[0].data);
    }
}

/* The bits do not depend on how many multiprocessors share the work. */
static void bits_are_a_law_of_the_shape(void)
{
    uint64_t               seed = 9;
    struct wg__reduce_attr a = {.axes = {.n = 1, .axis = {1}}};
    for (int i = 0; i < THREES; i++) {
        wg_tensor      x = random_tensor(WG_F32, WG_SHAPE(threes[i][0], threes[i][1], threes[i][2]), -1, 1, &seed);
        struct outcome o = run_both(&wg_op_sum, 1, &x, &a, (struct run_how){.sms = 1});
        struct outcome p = run_both(&wg_op_sum, 1, &x, &a, (struct run_how){.sms = 100, .shift = 1});
        EXPECT(memcmp(o.cuda.data, p.cuda.data, (size_t)wg_count(&o.cuda.shape) * 4) == 0, "bits depend on the device");
        outcome_free(&o);
        outcome_free(&p);
        free(x.data);
    }
}

#define TEST(name)  \
    {               \
#name, name \
    }
void test_folds(void)
{
    static const struct test tests[] = {
        TEST(reductions_are_those_of_the_cpu),
        TEST(integers_wrap),
        TEST(runs_of_axes),
        TEST(nan_is_kept),
        TEST(argmax_is_the_first_of_equals),
        TEST(argmax_of_the_least),
        TEST(softmax_rows),
        TEST(softmax_of_odd_rows),
        TEST(softmax_of_nothing),
        TEST(long_logsumexp_takes_two_passes),
        TEST(cross_entropy),
        TEST(labels_out_of_range),
        TEST(bits_are_a_law_of_the_shape),
    };
    run_tests("folds", (int)(sizeof tests / sizeof *tests), tests);
}
