/* Laws of the initialisers. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <wengert/train.h>

#include "support/alloc.h"

enum { ROWS = 200, COLS = 300, COUNT = ROWS * COLS };

static wg_node *drawn(wg_graph *g, const char *name, wg_dtype t, wg_shape s, wg_initializer init)
{
    wg_node *p = wg_param(g, name, t, s);
    cr_assert_eq(wg_init(p, &init), WG_OK, "%s", wg_message(g));
    return p;
}

static double at(const wg_node *p, int64_t i)
{
    const void *x = wg_param_view(p);
    return wg_node_dtype(p) == WG_F64 ? ((const double *)x)[i] : (double)((const float *)x)[i];
}

struct moments {
    double min, max, mean, sd, kurtosis;
};
static struct moments measure(const wg_node *p)
{
    int64_t        n = wg_count(wg_node_shape(p));
    struct moments m = {.min = INFINITY, .max = -INFINITY};
    double         fourth = 0;
    for (int64_t i = 0; i < n; i++) {
        m.min = fmin(m.min, at(p, i));
        m.max = fmax(m.max, at(p, i));
        m.mean += at(p, i) / (double)n;
    }
    for (int64_t i = 0; i < n; i++) {
        double d = at(p, i) - m.mean;
        m.sd += d * d / (double)n;
        fourth += d * d * d * d / (double)n;
    }
    m.kurtosis = fourth / (m.sd * m.sd);
    m.sd = sqrt(m.sd);
    return m;
}

/* A uniform or normal distribution around 0 shows in its moments: kurtosis 9/5 and 3. */
Test(init, draws_from_the_distribution_that_the_formula_says)
{
    double both = ROWS + COLS;
    struct {
        wg_initializer init;
        double         bound, sd; /* bound 0: normal */
    } cases[] = {
        {{.kind = WG_INIT_DEFAULT}, sqrt(6 / both), 0},
        {{.kind = WG_INIT_GLOROT_UNIFORM, .gain = 2}, 2 * sqrt(6 / both), 0},
        {{.kind = WG_INIT_HE_UNIFORM}, sqrt(6.0 / ROWS), 0},
        {{.kind = WG_INIT_HE_UNIFORM, .gain = 1, .fan_in = 48}, 0.25, 0},
        {{.kind = WG_INIT_UNIFORM, .a = -0.5, .b = 0.5}, 0.5, 0},
        {{.kind = WG_INIT_GLOROT_NORMAL}, 0, sqrt(2 / both)},
        {{.kind = WG_INIT_GLOROT_NORMAL, .fan_in = 3, .fan_out = 5}, 0, 0.5},
        {{.kind = WG_INIT_HE_NORMAL}, 0, sqrt(2.0 / ROWS)},
        {{.kind = WG_INIT_NORMAL, .b = 3}, 0, 3},
    };
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        wg_graph      *g = wg_graph_new();
        wg_dtype       t = i % 2 ? WG_F64 : WG_F32;
        double         bound = cases[i / 2].bound, sd = bound > 0 ? bound / sqrt(3) : cases[i / 2].sd;
        struct moments m = measure(drawn(g, "w", t, WG_SHAPE(ROWS, COLS), cases[i / 2].init));
        cr_assert(fabs(m.mean) < 5 * sd / sqrt(COUNT), "case %zu: mean %g", i, m.mean);
        cr_assert(fabs(m.sd / sd - 1) < 0.02, "case %zu: sd %g, not %g", i, m.sd, sd);
        cr_assert(fabs(m.kurtosis - (bound > 0 ? 1.8 : 3)) < 0.15, "case %zu: kurtosis %g", i, m.kurtosis);
        if (bound > 0) { /* all within the bound, and close to it on both sides */
            cr_assert(m.min >= (t == WG_F32 ? -(float)bound : -bound) && m.max <= (t == WG_F32 ? (float)bound : bound));
            cr_assert(m.min < -0.999 * bound && m.max > 0.999 * bound, "case %zu: %g to %g", i, m.min, m.max);
        }
        wg_graph_free(g);
    }
}

Test(init, constants)
{
    wg_graph *g = wg_graph_new();
    wg_node  *p = drawn(g, "p", WG_F32, WG_SHAPE(3), (wg_initializer){.kind = WG_INIT_CONSTANT, .a = -2.5});
    for (int i = 0; i < 3; i++) cr_assert_eq(at(p, i), -2.5);
    wg_init(p, &(wg_initializer){.kind = WG_INIT_ONES});
    for (int i = 0; i < 3; i++) cr_assert_eq(at(p, i), 1);
    wg_init(p, NULL);
    for (int i = 0; i < 3; i++) cr_assert_eq(at(p, i), 0, "of rank 1 the default is zeros");
    wg_graph_free(g);
}

Test(init, is_a_function_of_seed_and_name)
{
    wg_graph *g = wg_graph_new(), *h = wg_graph_new();
    wg_shape  s = WG_SHAPE(20, 30);
    size_t    bytes = 600 * sizeof(float);
    wg_set_seed(g, 7);
    wg_set_seed(h, 7);
    wg_node *other = wg_param(h, "other", WG_F32, s);
    wg_uniform(h, WG_F32, s, 0, 1);
    wg_init(other, NULL);
    wg_node *a = wg_param(g, "fc.weight", WG_F32, s), *b = wg_param(h, "fc.weight", WG_F32, s);
    wg_init(a, NULL);
    wg_init(b, NULL);
    cr_assert(memcmp(wg_param_view(a), wg_param_view(b), bytes) == 0, "other layers change nothing");
    cr_assert(memcmp(wg_param_view(other), wg_param_view(b), bytes) != 0, "another name, other numbers");
    wg_set_seed(h, 8);
    wg_init(b, NULL);
    cr_assert(memcmp(wg_param_view(a), wg_param_view(b), bytes) != 0, "another seed, other numbers");
    wg_graph_free(g);
    wg_graph_free(h);
}

Test(init, does_not_share_numbers_with_a_random_node)
{
    wg_graph *g = wg_graph_new();
    wg_node  *p = drawn(g, "p", WG_F64, WG_SHAPE(64), (wg_initializer){.kind = WG_INIT_UNIFORM, .b = 1}), *x[4];
    double    drawn_now[64];
    for (int i = 0; i < 4; i++) x[i] = wg_uniform(g, WG_F64, WG_SHAPE(64), 0, 1);
    wg_tape *t = wg_compile(g, 4, x, NULL);
    cr_assert(t && wg_run(t) == WG_OK, "%s", wg_message(g));
    for (int i = 0; i < 4; i++) {
        wg_get(t, x[i], drawn_now);
        for (int k = 0; k < 64; k++) cr_assert_neq(drawn_now[k], at(p, k));
    }
    wg_graph_free(g);
}

Test(init, fans_of_more_axes)
{
    /* [3, 3, 16, 32]: fans 9*16 and 9*32 */
    wg_graph      *g = wg_graph_new();
    double         bound = sqrt(6.0 / (9 * 16 + 9 * 32));
    wg_node       *p = drawn(g, "k", WG_F64, WG_SHAPE(3, 3, 16, 32), (wg_initializer){0});
    struct moments m = measure(p);
    cr_assert(m.max <= bound && m.max > 0.99 * bound);
    bound = sqrt(6.0 / 1000);
    m = measure(drawn(g, "b", WG_F64, WG_SHAPE(500), (wg_initializer){.kind = WG_INIT_GLOROT_UNIFORM}));
    cr_assert(m.max <= bound && m.max > 0.99 * bound);
    m = measure(drawn(g, "s", WG_F64, WG_SCALAR, (wg_initializer){.kind = WG_INIT_HE_UNIFORM}));
    cr_assert(fabs(m.max) <= sqrt(6) && m.max != 0);
    drawn(g, "none", WG_F64, WG_SHAPE(0, 5), (wg_initializer){0});
    drawn(g, "nowhere", WG_F64, WG_SHAPE(5, 0), (wg_initializer){.kind = WG_INIT_ORTHOGONAL});
    wg_graph_free(g);
}

/* p^T p or p p^T is gain^2 times the identity, whichever is smaller. */
static void expect_orthogonal(const wg_node *p, double gain, double tolerance)
{
    const wg_shape *s = wg_node_shape(p);
    int64_t         cols = s->dim[s->rank - 1], rows = wg_count(s) / cols;
    int             wide = rows < cols;
    int64_t         n = wide ? rows : cols, m = wide ? cols : rows;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j <= i; j++) {
            double sum = 0;
            for (int64_t k = 0; k < m; k++)
                sum += wide ? at(p, i * cols + k) * at(p, j * cols + k) : at(p, k * cols + i) * at(p, k * cols + j);
            double want = i == j ? gain * gain : 0;
            cr_assert(fabs(sum - want) < tolerance, "%lld, %lld: %g", (long long)i, (long long)j, sum);
        }
}

Test(init, orthogonal)
{
    wg_graph      *g = wg_graph_new();
    wg_initializer init = {.kind = WG_INIT_ORTHOGONAL}, three = {.kind = WG_INIT_ORTHOGONAL, .gain = 3};
    expect_orthogonal(drawn(g, "square", WG_F64, WG_SHAPE(40, 40), init), 1, 1e-14);
    expect_orthogonal(drawn(g, "tall", WG_F64, WG_SHAPE(50, 20), init), 1, 1e-14);
    expect_orthogonal(drawn(g, "wide", WG_F64, WG_SHAPE(20, 50), three), 3, 1e-13);
    expect_orthogonal(drawn(g, "many", WG_F32, WG_SHAPE(3, 5, 8), init), 1, 1e-6);
    expect_orthogonal(drawn(g, "one", WG_F64, WG_SHAPE(1, 1), init), 1, 1e-15);
    wg_graph_free(g);
}

/* Without the sign of R's diagonal fixed, the first entry's sign would follow the
 * method: here both signs appear. */
Test(init, orthogonal_has_no_preferred_sign)
{
    int positive = 0;
    for (uint64_t seed = 0; seed < 64; seed++) {
        wg_graph *g = wg_graph_new();
        wg_set_seed(g, seed);
        positive += at(drawn(g, "q", WG_F64, WG_SHAPE(3, 3), (wg_initializer){.kind = WG_INIT_ORTHOGONAL}), 0) > 0;
        wg_graph_free(g);
    }
    cr_assert(positive > 14 && positive < 50, "%d of 64", positive);
}

Test(init, bad_arguments)
{
    static const wg_initializer bad[] = {
        {.kind = (enum wg_init_kind)99},
        {.kind = WG_INIT_UNIFORM, .a = 1, .b = 0},
        {.kind = WG_INIT_NORMAL, .b = -1},
        {.kind = WG_INIT_CONSTANT, .a = NAN},
        {.kind = WG_INIT_HE_NORMAL, .gain = -1},
        {.kind = WG_INIT_HE_NORMAL, .fan_in = -1},
        {.kind = WG_INIT_ORTHOGONAL},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        wg_graph *g = wg_graph_new();
        wg_node  *p = wg_param(g, "p", WG_F64, WG_SHAPE(2));
        wg_param_set(p, (double[]){5, 6});
        cr_assert_neq(wg_init(p, &bad[i]), WG_OK, "%zu", i);
        cr_assert(strstr(wg_message(g), "p"), "%s", wg_message(g));
        cr_assert(at(p, 0) == 5 && at(p, 1) == 6);
        wg_graph_free(g);
    }
    wg_graph *g = wg_graph_new();
    cr_assert_eq(wg_init(NULL, NULL), WG_EARG);
    cr_assert_eq(wg_init(wg_scalar(g, WG_F32, 1), NULL), WG_EARG);
    wg_clear_error(g);
    cr_assert_eq(wg_init(wg_param(g, "i", WG_I32, WG_SCALAR), NULL), WG_EDTYPE);
    wg_graph_free(g);
}

Test(init, names)
{
    for (int i = 0; i < WG_INITS; i++) cr_assert_eq(wg_init_find(wg_init_name(i)), i);
    cr_assert_null(wg_init_name(WG_INITS));
    cr_assert_null(wg_init_name(-1));
    cr_assert_eq(wg_init_find("glorot"), -1);
    cr_assert_eq(wg_init_find(NULL), -1);
}

Test(init, memory_may_be_short)
{
    wg_graph *g = wg_graph_new();
    wg_node  *p = wg_param(g, "p", WG_F64, WG_SHAPE(2, 2));
    alloc_fail_at(0);
    cr_assert_eq(wg_init(p, &(wg_initializer){.kind = WG_INIT_ORTHOGONAL}), WG_ENOMEM);
    alloc_restore();
    for (int i = 0; i < 4; i++) cr_assert_eq(at(p, i), 0);
    wg_graph_free(g);
}

/* Each field is refused by the kinds whose formula has no such number. */
Test(init, fields_that_a_kind_has_no_use_for)
{
    static const char *const takes[WG_INITS] = {[WG_INIT_DEFAULT] = "gio",
                                                [WG_INIT_ZEROS] = "",
                                                [WG_INIT_ONES] = "",
                                                [WG_INIT_CONSTANT] = "a",
                                                [WG_INIT_UNIFORM] = "ab",
                                                [WG_INIT_NORMAL] = "ab",
                                                [WG_INIT_GLOROT_UNIFORM] = "gio",
                                                [WG_INIT_GLOROT_NORMAL] = "gio",
                                                [WG_INIT_HE_UNIFORM] = "gi",
                                                [WG_INIT_HE_NORMAL] = "gi",
                                                [WG_INIT_ORTHOGONAL] = "g"};
    wg_graph                *g = wg_graph_new();
    wg_node *w = wg_param(g, "w", WG_F32, WG_SHAPE(2, 2)), *x = wg_input(g, "x", WG_F32, WG_SHAPE(2, 3));
    for (int k = 0; k < WG_INITS; k++)
        for (const char *f = "abgio"; *f; f++) {
            wg_initializer i = {.kind = (enum wg_init_kind)k, .b = k == WG_INIT_UNIFORM && *f == 'a' ? 2 : 0};
            *(*f == 'a' ? &i.a : *f == 'b' ? &i.b : *f == 'g' ? &i.gain : *f == 'i' ? &i.fan_in : &i.fan_out) = 1;
            cr_expect_eq(wg_init(w, &i), strchr(takes[k], *f) ? WG_OK : WG_EARG, "%s, field %c: %s", wg_init_name(k),
                         *f, wg_message(g));
            wg_clear_error(g);
        }
    cr_expect_eq(wg_init(x, NULL), WG_EARG);
    cr_expect_str_eq(wg_message(g), "init: x[2,3] is no parameter");
    wg_graph_free(g);
}
