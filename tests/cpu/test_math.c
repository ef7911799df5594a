/* The elementary functions of every level against libm in long double. */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/level_test.h"
#include "cpu/math/math.h"
#include "graph/graph_impl.h"

static long double sigmoid(long double x) { return 1 / (1 + expl(-x)); }
static long double softplus(long double x) { return (x > 0 ? x : 0) + log1pl(expl(-fabsl(x))); }

/* Bounds in ulp, of f32 and f64: first where the level has fused multiply-add. */
static const struct law {
    const char  *name;
    enum wg__row row;
    long double (*libm)(long double);
    double bound[2][2];
    double reach; /* of |x| */
} laws[] = {
    {"exp", WG__ROW_exp, expl, {{1, 1}, {1, 1}}, INFINITY},
    {"expm1", WG__ROW_expm1, expm1l, {{1.5, 1.9}, {1.5, 1.9}}, INFINITY},
    {"log", WG__ROW_log, logl, {{0.9, 0.9}, {0.9, 0.9}}, INFINITY},
    {"log1p", WG__ROW_log1p, log1pl, {{1.4, 1.3}, {1.4, 1.3}}, INFINITY},
    {"sin", WG__ROW_sin, sinl, {{1.6, 0.8}, {1.6, 0.9}}, 0x1p60},
    {"cos", WG__ROW_cos, cosl, {{1.6, 0.8}, {1.6, 0.9}}, 0x1p60},
    {"tan", WG__ROW_tan, tanl, {{2.8, 2.2}, {2.8, 2.2}}, 0x1p60},
    {"tanh", WG__ROW_tanh, tanhl, {{1.5, 2.5}, {1.5, 2.5}}, INFINITY},
    {"sigmoid", WG__ROW_sigmoid, sigmoid, {{2.2, 2.3}, {2.2, 2.3}}, INFINITY},
    {"softplus", WG__ROW_softplus, softplus, {{1.7, 1.6}, {1.7, 1.6}}, INFINITY},
    {"erf", WG__ROW_erf, erfl, {{1.2, 1.1}, {1.2, 1.3}}, INFINITY},
    {"sqrt", WG__ROW_sqrt, sqrtl, {{0.501, 0.501}, {0.501, 0.501}}, INFINITY},
    {"floor", WG__ROW_floor, floorl, {{0, 0}, {0, 0}}, INFINITY},
    {"ceil", WG__ROW_ceil, ceill, {{0, 0}, {0, 0}}, INFINITY},
    {"round", WG__ROW_round, rintl, {{0, 0}, {0, 0}}, INFINITY},
};
enum { LAWS = sizeof laws / sizeof *laws };

/* Distance from the true value in units of the last place of dtype t; infinite
 * for a NaN on one side only, the wrong sign, or an infinity off the edge. */
static double ulps(wg_dtype t, double got, long double want)
{
    int         digits = t == WG_F32 ? FLT_MANT_DIG : DBL_MANT_DIG, least = t == WG_F32 ? FLT_MIN_EXP : DBL_MIN_EXP;
    long double edge = t == WG_F32 ? FLT_MAX : DBL_MAX;
    if (isnan(want) || isnan(got)) return isnan(want) && isnan(got) ? 0 : INFINITY;
    if (!signbit(got) != !signbit(want)) return INFINITY;
    if (isinf(got)) return fabsl(want) > edge * (1 - ldexpl(1, 2 - digits)) ? 0 : INFINITY;
    if (isinf(want)) return INFINITY;
    int exponent = want == 0 ? least : ilogbl(want) + 1;
    return (double)(fabsl(got - want) / ldexpl(1, (exponent < least ? least : exponent) - digits));
}

/* ---- Where to look ---- */

enum { MANY = 1 << 18 };

static uint64_t next(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15;
    uint64_t z = (*state ^ *state >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static const double special[] = {0.0,
                                 -0.0,
                                 1,
                                 -1,
                                 0.5,
                                 -0.5,
                                 2,
                                 INFINITY,
                                 -INFINITY,
                                 NAN,
                                 FLT_MIN,
                                 FLT_MAX,
                                 -FLT_MAX,
                                 0x1p-149,
                                 -0x1p-149,
                                 DBL_MIN,
                                 DBL_MAX,
                                 -DBL_MAX,
                                 0x1p-1074,
                                 -0x1p-1074,
                                 88.72283,
                                 88.72284,
                                 -87.33,
                                 -103.97,
                                 -104.1,
                                 709.78,
                                 709.79,
                                 -708.4,
                                 -745.13,
                                 -745.14,
                                 0x1.921fb54442d18p+0,
                                 0x1.921fb54442d18p+1,
                                 0x1.921fb6p+0,
                                 0x1p20,
                                 0x1.fffffep19,
                                 0x1.000002p20,
                                 1e10,
                                 0.6931471805599453,
                                 0.34657359,
                                 -0.34657359,
                                 0.9,
                                 0.8999999,
                                 9.01,
                                 9.02};

/* Bit patterns over all exponents, then an even cover of [-10, 10], then what is special. */
static void fill(wg_dtype t, void *x)
{
    uint64_t state = 1;
    for (int i = 0; i < MANY; i++) {
        uint64_t u = next(&state);
        float    f;
        double   d;
        uint32_t low = (uint32_t)((uint64_t)i * 0x100000000 / (MANY / 2) + (u & 0x1fff));
        memcpy(&f, &low, sizeof f), memcpy(&d, &u, sizeof d);
        if (i >= MANY / 2) d = ((double)(u >> 11) * 0x1p-53 - 0.5) * 20, f = (float)d;
        if (i < (int)(sizeof special / sizeof *special)) d = special[i], f = (float)d;
        if (t == WG_F32) ((float *)x)[i] = f;
        else ((double *)x)[i] = d;
    }
}

static double worst(const struct wg__kernels *k, const struct law *law, wg_dtype t, const void *x,
                    const long double *want, void *y, double *where)
{
    double most = 0;
    size_t size = wg_dtype_size(t);
    for (int i = 0; i < MANY; i += WG__BLOCK)
        k->elementwise[law->row][t](WG__BLOCK, (char *)y + (size_t)i * size,
                                    (const void *[]){(const char *)x + (size_t)i * size}, 0, NULL);
    for (int i = 0; i < MANY; i++) {
        double at = t == WG_F32 ? ((const float *)x)[i] : ((const double *)x)[i];
        double got = t == WG_F32 ? ((const float *)y)[i] : ((const double *)y)[i];
        double e = fabs(at) > law->reach && !isinf(at) ? 0 : ulps(t, got, want[i]);
        if (e > most) most = e, *where = at;
    }
    return most;
}

static void check(wg_dtype t)
{
    long double *want = malloc(MANY * sizeof *want);
    double      *x = malloc(MANY * sizeof *x), *y = malloc(MANY * sizeof *y);
    cr_assert(want && x && y);
    fill(t, x);
    for (int l = 0; l < LAWS; l++) {
        for (int i = 0; i < MANY; i++) {
            double at = t == WG_F32 ? ((float *)x)[i] : x[i];
            want[i] = fabs(at) > laws[l].reach && !isinf(at) ? 0 : laws[l].libm(at);
        }
        for (int k = 0; k < LEVELS; k++) {
            const struct wg__kernels *kernels = wg__kernels_of(levels[k]);
            if (!kernels) continue;
            double where = 0, e = worst(kernels, &laws[l], t, x, want, y, &where);
            double bound = laws[l].bound[k == 0][t == WG_F64];
            if (getenv("WG_TEST_VERBOSE"))
                cr_log_warn("%s %s %s: %.3f ulp at %a", levels[k], laws[l].name, wg_dtype_name(t), e, where);
            cr_expect(e <= bound, "%s of %s at %s: %.3f ulp at %a (%g), more than %g", laws[l].name, wg_dtype_name(t),
                      levels[k], e, where, where, bound);
        }
    }
    free(want), free(x), free(y);
}

Test(cpu_math, f32_functions_keep_their_bounds) { check(WG_F32); }
Test(cpu_math, f64_functions_keep_their_bounds) { check(WG_F64); }

/* Computes elements whose blocks are all inside of the interval of a quick function, and elements beside one that is
 * outside of it: the same bits. */
static void check_quick(wg_dtype t, const struct wg__kernels *k, const struct law *law)
{
    enum { N = 64 };
    double   x[N], y[N], z[N];
    size_t   size = wg_dtype_size(t);
    uint64_t state = 3;
    for (int round = 0; round < 2000; round++) {
        double reach = round % 3 == 0 ? 1 : round % 3 == 1 ? 30 : t == WG_F32 ? 87 : 707;
        for (int i = 0; i < N; i++) {
            double v = ((double)(next(&state) >> 11) * 0x1p-52 - 1) * reach;
            wg__store(t, x, i, law->row == WG__ROW_log ? exp(v) : v);
        }
        const void *from[] = {x};
        k->elementwise[law->row][t](N - 1, y, from, 0, NULL);
        wg__store(t, x, N - 1, round & 1 ? -INFINITY : -0x1p64);
        k->elementwise[law->row][t](N, z, from, 0, NULL);
        cr_assert_arr_eq((char *)y, (char *)z, (N - 1) * size, "%s of %s, %s", law->name, wg_dtype_name(t), k->level);
    }
}
Test(cpu_math, the_quick_way_has_the_same_bits)
{
    for (int l = 0; l < LAWS; l++)
        for (int k = 0; k < LEVELS; k++) {
            const struct wg__kernels *kernels = wg__kernels_of(levels[k]);
            if (!kernels) continue;
            check_quick(WG_F32, kernels, &laws[l]);
            check_quick(WG_F64, kernels, &laws[l]);
        }
}

/* ---- pow ---- */

static const double bases[] = {0.0,
                               -0.0,
                               1,
                               -1,
                               0.5,
                               -0.5,
                               2,
                               -2,
                               3,
                               -3,
                               1e-300,
                               1e300,
                               INFINITY,
                               -INFINITY,
                               NAN,
                               0x1p-1074,
                               -0x1p-1074,
                               1 + DBL_EPSILON,
                               1 - DBL_EPSILON / 2,
                               0x1p-149,
                               1e38,
                               -1e38};
static const double exponents[] = {0.0,
                                   -0.0,
                                   1,
                                   -1,
                                   2,
                                   -2,
                                   3,
                                   -3,
                                   0.5,
                                   -0.5,
                                   1.0 / 3,
                                   1e10,
                                   -1e10,
                                   1e300,
                                   -1e300,
                                   9007199254740991.0,
                                   9007199254740993.0,
                                   -9007199254740991.0,
                                   16777215,
                                   16777217,
                                   INFINITY,
                                   -INFINITY,
                                   NAN,
                                   1023,
                                   1024,
                                   -1074,
                                   -1075,
                                   0.1};
enum { BASES = sizeof bases / sizeof *bases, EXPONENTS = sizeof exponents / sizeof *exponents };

static double pow_error(const struct wg__kernels *k, wg_dtype t, double x, double y)
{
    float        xf = (float)x, yf = (float)y, zf;
    double       z;
    const double at = t == WG_F32 ? (double)xf : x, to = t == WG_F32 ? (double)yf : y;
    if (t == WG_F32) k->elementwise[WG__ROW_pow][t](1, &zf, (const void *[]){&xf, &yf}, 0, NULL), z = (double)zf;
    else k->elementwise[WG__ROW_pow][t](1, &z, (const void *[]){&x, &y}, 0, NULL);
    return ulps(t, z, powl(at, to));
}

/* All pairs of edges as C11 F.10.4.4 has them, then values whose power is in range. */
Test(cpu_math, pow_keeps_its_bound_and_its_edges)
{
    uint64_t state = 3;
    for (int l = 0; l < LEVELS; l++) {
        const struct wg__kernels *k = wg__kernels_of(levels[l]);
        double                    most[2] = {0};
        for (int t = 0; k && t < 2; t++) {
            for (int i = 0; i < BASES; i++)
                for (int j = 0; j < EXPONENTS; j++) {
                    double e = pow_error(k, (wg_dtype)t, bases[i], exponents[j]);
                    cr_expect(e <= (t ? 1.2 : 0.6), "pow(%g, %g) of %s at %s: %g ulp", bases[i], exponents[j],
                              wg_dtype_name((wg_dtype)t), k->level, e);
                }
            for (int i = 0; i < 50000; i++) {
                double u = (double)(next(&state) >> 11) * 0x1p-53, v = (double)(next(&state) >> 11) * 0x1p-53;
                double x = exp(t ? (u - 0.5) * 300 : (u - 0.5) * 40), y = (v - 0.5) * (t ? 1400 : 170) / log(x);
                most[t] = fmax(most[t],
                               pow_error(k, (wg_dtype)t, i % 3 ? x : 1 + (u - 0.5) / 8, i % 3 ? y : (v - 0.5) * 1000));
            }
            if (getenv("WG_TEST_VERBOSE"))
                cr_log_warn("%s pow %s: %.3f ulp", levels[l], wg_dtype_name((wg_dtype)t), most[t]);
            cr_expect(most[t] <= (t ? 1.2 : 0.6), "pow of %s at %s: %.3f ulp", wg_dtype_name((wg_dtype)t), levels[l],
                      most[t]);
        }
    }
}
