/* Reductions down columns on every level, against long double: thin tensors, strips of wide ones, short rows. */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "cpu/level_test.h"
#include "graph/graph_impl.h"

enum { MOST = 70000 };

static uint32_t state;
static int64_t  roll(int64_t n)
{
    state = state * 1664525u + 1013904223u;
    return (int64_t)((uint64_t)(state >> 4) * (uint64_t)n >> 28);
}

static double x[MOST], y[MOST];

/* Fills x with numbers in +-spread, and now and then with what is no number. */
static void fill(wg_dtype t, int64_t n, double spread, bool odd)
{
    static const double special[] = {INFINITY, -INFINITY, NAN};
    for (int64_t i = 0; i < n; i++) {
        double v = ((double)roll(1 << 20) / (1 << 19) - 1) * spread;
        wg__store(t, x, i, odd && roll(n) < 2 ? special[roll(3)] : v);
    }
}

static bool is_close(double got, long double want, double bound)
{
    if (isnan(got) || isnan(want)) return isnan(got) && isnan(want);
    return isinf(got) || isinf(want) ? got == (double)want : fabsl(got - want) <= bound;
}

/* Computes log sum exp of a column in long double. */
static long double log_sum(wg_dtype t, int64_t rows, int64_t stride, int64_t j)
{
    long double most = -INFINITY, sum = 0;
    for (int64_t r = 0; r < rows; r++) {
        double v = wg__load(t, x, r * stride + j);
        if (isnan(v)) return NAN;
        most = fmaxl(most, v);
    }
    if (isinf(most)) return most;
    for (int64_t r = 0; r < rows; r++) sum += expl(wg__load(t, x, r * stride + j) - most);
    return most + logl(sum);
}

Test(cpu_columns, logsumexp_is_what_its_formula_says, .timeout = 120)
{
    for (int round = 0; round < 600; round++) {
        const struct wg__kernels *k = wg__kernels_of(levels[round % LEVELS]);
        state = (uint32_t)round * 2654435761u + 1;
        wg_dtype t = roll(2) ? WG_F64 : WG_F32;
        int64_t  n = 1 + roll(roll(2) ? WG__COLUMNS : 5), stride = n + (roll(2) ? 0 : roll(9));
        int64_t  rows = 1 + roll(roll(2) ? 12 : MOST / (stride + 1) - 1);
        double   spread = roll(2) ? 3 : roll(2) ? 90 : 900;
        if (!k) continue;
        fill(t, rows * stride, spread, roll(3) == 0);
        k->logsumexp_cols[t](rows, n, stride, x, y);
        for (int64_t j = 0; j < n; j++) {
            double      got = wg__load(t, y, j), eps = t == WG_F32 ? FLT_EPSILON : DBL_EPSILON;
            long double want = log_sum(t, rows, stride, j);
            cr_assert(is_close(got, want, eps * (16 + 2 * fabs((double)want))), "%s: %g is not %Lg of %lld rows",
                      k->level, got, want, (long long)rows);
        }
    }
}

static long double fold(enum wg__reduce kind, long double a, long double b)
{
    switch (kind) {
    case WG__SUM: return a + b;
    case WG__PROD: return a * b;
    case WG__MAX: return isnan(a) || isnan(b) ? NAN : fmaxl(a, b);
    case WG__MIN: return isnan(a) || isnan(b) ? NAN : fminl(a, b);
    case WG__REDUCES: break;
    }
    return NAN;
}

/* Folds thin columns that lie side by side, and rows as short; x is near 1, so that products stay in their range. */
Test(cpu_columns, thin_tensors_reduce_to_what_a_loop_gives)
{
    for (int round = 0; round < 900; round++) {
        const struct wg__kernels *k = wg__kernels_of(levels[round % LEVELS]);
        state = (uint32_t)round * 2654435761u + 1;
        wg_dtype        t = roll(2) ? WG_F64 : WG_F32;
        enum wg__reduce kind = (enum wg__reduce)roll(WG__REDUCES);
        int64_t         n = 1 + roll(17), rows = roll(400);
        bool            down = roll(2);
        if (!k) continue;
        fill(t, rows * n, 0.02, false);
        for (int64_t i = 0; i < rows * n; i++) wg__store(t, x, i, 1 + wg__load(t, x, i));
        if (rows && kind != WG__PROD && roll(3) == 0) wg__store(t, x, roll(rows * n), NAN);
        for (int64_t j = 0; j < n; j++) wg__store(t, y, j, 1);
        if (down) k->reduce_cols[kind][t](rows, n, n, x, y);
        else k->reduce_rows[kind][t](rows, n, x, y);
        for (int64_t j = 0; j < (down ? n : rows); j++) {
            long double want = down ? 1 : wg__load(t, x, j * n);
            for (int64_t r = !down; r < (down ? rows : n); r++)
                want = fold(kind, want, wg__load(t, x, down ? r * n + j : j * n + r));
            double bound = kind >= WG__MAX ? 0 : 400 * (double)fabsl(want) * (t == WG_F32 ? FLT_EPSILON : DBL_EPSILON);
            cr_assert(is_close(wg__load(t, y, j), want, bound), "%s: reduction %d of [%lld,%lld]", k->level, (int)kind,
                      (long long)rows, (long long)n);
        }
    }
}
