/* ops_test.h - values in and out of tapes as doubles, and reproducible samples. */
#ifndef WENGERT_TESTS_OPS_TEST_H
#define WENGERT_TESTS_OPS_TEST_H

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "graph/graph_impl.h"
#include "ops/ops_impl.h"

/* A number in [0, 1) (splitmix64). */
static inline double draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

/* A number of a domain. */
static inline double draw_from(enum wg_domain d, uint64_t *state)
{
    double u = draw(state), sign = draw(state) < 0.5 ? -1 : 1;
    switch (d) {
    case WG_DOMAIN_ANY: return 4 * u - 2;
    case WG_DOMAIN_POSITIVE: return 0.5 + 1.5 * u;
    case WG_DOMAIN_NONZERO: return sign * (0.5 + 1.5 * u);
    case WG_DOMAIN_SMOOTH: return 0.5 * floor(8 * u) - 2 + 0.15 + 0.2 * draw(state);
    }
    return 0;
}

static inline wg_tape *compiled(wg_graph *g, int n, wg_node *const out[])
{
    wg_tape *t = wg_compile(g, n, out, NULL);
    cr_assert_not_null(t, "%s", wg_message(g));
    return t;
}

static inline void set_values(wg_tape *t, const wg_node *x, const double *v)
{
    int64_t n = wg_count(wg_tape_shape(t, x));
    char   *data = malloc((size_t)n * 8 + 1);
    for (int64_t i = 0; i < n; i++) wg__store(wg_node_dtype(x), data, i, v[i]);
    cr_assert_eq(wg_set(t, x, data), WG_OK, "%s", wg_tape_message(t));
    free(data);
}

/* Into v, room for all elements. */
static inline void get_values(wg_tape *t, const wg_node *x, double *v)
{
    const void *data = wg_view(t, x);
    int64_t     n = wg_count(wg_tape_shape(t, x));
    cr_assert_not_null(data, "%s", wg_tape_message(t));
    for (int64_t i = 0; i < n; i++) v[i] = wg__load(wg_node_dtype(x), data, i);
}

static inline void must_run(wg_tape *t) { cr_assert_eq(wg_run(t), WG_OK, "%s", wg_tape_message(t)); }

static inline wg_node *const_of(wg_graph *g, wg_dtype t, wg_shape s, const double *v)
{
    int64_t n = wg_count(&s);
    char   *data = malloc((size_t)n * 8 + 1);
    for (int64_t i = 0; i < n; i++) wg__store(t, data, i, v[i]);
    wg_node *x = wg_const(g, t, s, data);
    free(data);
    cr_assert_not_null(x, "%s", wg_message(g));
    return x;
}

/* A constant of random numbers of a domain. */
static inline wg_node *random_const(wg_graph *g, wg_dtype t, wg_shape s, enum wg_domain d, uint64_t *state)
{
    int64_t n = wg_count(&s);
    double *v = malloc((size_t)n * sizeof *v + 1);
    for (int64_t i = 0; i < n; i++) v[i] = draw_from(d, state);
    wg_node *x = const_of(g, t, s, v);
    free(v);
    return x;
}

/* The value of y, all of whose leaves are constants. */
static inline void value_of(wg_node *y, double *v)
{
    cr_assert_not_null(y);
    wg_tape *t = compiled(wg_node_graph(y), 1, &y);
    must_run(t);
    get_values(t, y, v);
    wg_tape_free(t);
}

/* x of a shape with small whole numbers, which every dtype holds; and its values. */
static inline wg_node *whole_const(wg_graph *g, uint64_t *state, wg_dtype t, wg_shape s, double *v)
{
    for (int64_t i = 0; i < wg_count(&s); i++)
        v[i] = floor(6 * draw(state)) - (WG_DTYPE_BIT(t) & (WG_DTYPE_BIT(WG_U8) | WG_DTYPE_BIT(WG_BOOL)) ? 0 : 3);
    if (t == WG_BOOL)
        for (int64_t i = 0; i < wg_count(&s); i++) v[i] = v[i] > 2;
    return const_of(g, t, s, v);
}

static inline void expect_values(wg_node *y, int64_t n, const double *want, const char *what)
{
    cr_assert_not_null(y, "%s", what);
    cr_assert_eq(wg_count(wg_node_shape(y)), n, "%s", what);
    double *v = malloc((size_t)n * sizeof *v + 1);
    value_of(y, v);
    for (int64_t i = 0; i < n; i++)
        cr_assert(v[i] == want[i] || (v[i] != v[i] && want[i] != want[i]), "%s (%s): element %lld is %.17g, not %.17g",
                  what, wg_dtype_name(wg_node_dtype(y)), (long long)i, v[i], want[i]);
    free(v);
}

#endif
