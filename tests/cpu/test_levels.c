/* The kernels of every level that this CPU has: against baseline, against
 * themselves one element at a time, and against plain loops. */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/level_test.h"
#include "cpu/row_test.h"
#include "graph/graph_impl.h"

enum { LONGEST = 70, ROOM = LONGEST + 8 };

/* ---- Values ---- */

static uint64_t next(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15;
    uint64_t z = (*state ^ *state >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* Mostly near zero, sometimes an edge of the dtype. */
static void fill(wg_dtype t, int n, void *x, uint64_t *state)
{
    static const double  edge[] = {0.0, -0.0, NAN, INFINITY, -INFINITY, 1, -1, 1e10, FLT_MIN, FLT_MAX, -2, 700};
    static const int64_t whole[] = {0, -1, 1, INT32_MIN, INT32_MAX, INT64_MIN, INT64_MAX, 255};
    for (int i = 0; i < n; i++) {
        uint64_t u = next(state), pick = next(state);
        double   d = ((double)(u >> 11) * 0x1p-53 - 0.5) * 8;
        int64_t  w = (int64_t)(u % 41) - 20;
        if (pick % 6 == 0) d = edge[pick / 6 % 12], w = whole[pick / 6 % 8];
        switch (t) {
        case WG_F32: ((float *)x)[i] = (float)d; break;
        case WG_F64: ((double *)x)[i] = d; break;
        case WG_I32: ((int32_t *)x)[i] = (int32_t)w; break;
        case WG_I64: ((int64_t *)x)[i] = w; break;
        case WG_U8: ((uint8_t *)x)[i] = (uint8_t)w; break;
        default: ((uint8_t *)x)[i] = u & 1; break;
        }
    }
}

/* The same bits, or NaN on both sides. */
static bool same(wg_dtype t, const void *a, const void *b)
{
    if (t == WG_F32 && isnan(*(const float *)a)) return isnan(*(const float *)b);
    if (t == WG_F64 && isnan(*(const double *)a)) return isnan(*(const double *)b);
    return memcmp(a, b, wg_dtype_size(t)) == 0;
}

/* Levels differ only by fused multiply-add. */
static bool close_enough(wg_dtype t, const struct row *row, const void *a, const void *b)
{
    if (same(t, a, b)) return true;
    if (t != WG_F32 && t != WG_F64) return false;
    double p = wg__load(t, a, 0), q = wg__load(t, b, 0), eps = t == WG_F32 ? FLT_EPSILON : DBL_EPSILON;
    double size = fmax(fabs(p), fabs(q));
    bool   cancels = row->row == WG__ROW_gelu || row->row == WG__ROW_gelu_tanh || row->row == WG__ROW_gelu_tanh_slope;
    if (cancels) size = fmax(size, 1); /* 1 + erf, and the like */
    return fabs(p - q) <= 8 * eps * size + (t == WG_F32 ? 0x1p-148 : 0x1p-1073);
}

/* ---- One block in many ways ---- */

struct place {
    _Alignas(64) char bytes[3][ROOM * 8];
};

static size_t size_of_operand(const struct row *row, wg_dtype t, int k)
{
    return row->row == WG__ROW_where && k == 0 ? 1 : wg_dtype_size(t);
}

static void check(const struct wg__kernels *k, const struct row *row, wg_dtype t, int n, unsigned once,
                  struct place *in)
{
    const double a = 0.25;
    wg_block    *block = k->elementwise[row->row][t], *plain = wg__kernels_of("baseline")->elementwise[row->row][t];
    wg_dtype     to = row->to_bool ? WG_BOOL : t;
    size_t       size = wg_dtype_size(to);
    int          offset = n % 5; /* not aligned, mostly */
    const void  *x[3] = {NULL};
    char         y[ROOM * 8], want[ROOM * 8], one[8];
    for (int i = 0; i < row->arity; i++) x[i] = in->bytes[i] + (size_t)offset * size_of_operand(row, t, i);
    memset(y, 0x5a, sizeof y);
    block(n, y + size, x, once, &a);
    plain(n, want, x, once, &a);
    for (size_t i = 0; i < size; i++)
        cr_assert(y[i] == 0x5a && y[size * (size_t)(n + 1) + i] == 0x5a, "%s of %s writes outside", row->name,
                  wg_dtype_name(t));
    for (int i = 0; i < n; i++) {
        const char *got = y + size * (size_t)(i + 1);
        const void *at[3] = {NULL};
        for (int j = 0; j < row->arity; j++)
            at[j] = (const char *)x[j] + (once >> j & 1 ? 0 : (size_t)i * size_of_operand(row, t, j));
        block(1, one, at, 0, &a);
        cr_assert(same(to, got, one), "%s of %s at %s: element %d of %d (once %u) is not what it is alone", row->name,
                  wg_dtype_name(t), k->level, i, n, once);
        cr_assert(close_enough(to, row, got, want + size * (size_t)i), "%s of %s: %s and baseline differ", row->name,
                  wg_dtype_name(t), k->level);
    }
    for (int j = 0; j < row->arity; j++) {
        struct place copy = *in;
        const void  *z[3] = {NULL};
        if (once >> j & 1 || size_of_operand(row, t, j) != size) continue;
        for (int i = 0; i < row->arity; i++) z[i] = copy.bytes[i] + (size_t)offset * size_of_operand(row, t, i);
        void *target = copy.bytes[j] + (size_t)offset * size;
        block(n, target, z, once, &a);
        for (int i = 0; i < n; i++)
            cr_assert(same(to, (char *)target + size * (size_t)i, y + size * (size_t)(i + 1)),
                      "%s of %s at %s: differs in place of operand %d", row->name, wg_dtype_name(t), k->level, j);
    }
}

Test(cpu_levels, an_element_depends_on_its_value_only)
{
    uint64_t state = 7;
    for (int l = 0; l < LEVELS; l++) {
        const struct wg__kernels *k = wg__kernels_of(levels[l]);
        for (int r = 0; k && r < ROWS; r++)
            for (int t = 0; t < WG_DTYPES; t++) {
                if (!k->elementwise[rows[r].row][t]) continue;
                for (int n = 0; n <= LONGEST; n++)
                    for (unsigned once = 0; once < 1u << rows[r].arity; once++) {
                        struct place in;
                        for (int j = 0; j < rows[r].arity; j++)
                            fill(rows[r].row == WG__ROW_where && j == 0 ? WG_BOOL : (wg_dtype)t, ROOM, in.bytes[j],
                                 &state);
                        check(k, &rows[r], (wg_dtype)t, n, once, &in);
                    }
            }
    }
}

Test(cpu_levels, every_row_has_the_dtypes_of_its_mask)
{
    static const unsigned masks[] = {
#define U(id, f, dx, dtypes, ...) dtypes,
#define UA(id, f, dx, dtypes, ...) dtypes,
#include "ops/unary.def"
#undef U
#undef UA
#define B(id, f, dx, dy, dtypes, ...) dtypes,
#define C(id, ...) WG_DTYPE_ALL,
#define L(id, ...) WG_DTYPE_BIT(WG_BOOL),
#include "ops/binary.def"
#undef B
#undef C
#undef L
        WG_DTYPE_BIT(WG_BOOL), WG_DTYPE_ALL, WG_DTYPE_ALL};
    for (int l = 0; l < LEVELS; l++) {
        const struct wg__kernels *k = wg__kernels_of(levels[l]);
        for (int r = 0; k && r < ROWS; r++)
            for (int t = 0; t < WG_DTYPES; t++)
                cr_assert_eq(k->elementwise[rows[r].row][t] != NULL, (masks[r] >> t & 1) != 0, "%s of %s", rows[r].name,
                             wg_dtype_name((wg_dtype)t));
    }
}

/* ---- Exact values ---- */

#define EXPECT(k, row, t, type, x, y, want)                                                                          \
    do {                                                                                                             \
        type a_[5] = {x, x, x, x, x}, b_[5] = {y, y, y, y, y}, z_[5];                                                \
        (k)->elementwise[WG__ROW_##row][t](5, z_, (const void *[]){a_, b_}, 0, NULL);                                \
        for (int i_ = 0; i_ < 5; i_++) cr_expect(z_[i_] == (type)(want), #row "(" #x ", " #y ") at %s", (k)->level); \
    } while (0)

Test(cpu_levels, integers_wrap_and_divide_without_traps)
{
    for (int l = 0; l < LEVELS; l++) {
        const struct wg__kernels *k = wg__kernels_of(levels[l]);
        if (!k) continue;
        EXPECT(k, add, WG_I32, int32_t, INT32_MAX, 1, INT32_MIN);
        EXPECT(k, sub, WG_I32, int32_t, INT32_MIN, 1, INT32_MAX);
        EXPECT(k, mul, WG_I32, int32_t, 0x10001, 0x10001, 0x20001);
        EXPECT(k, div, WG_I32, int32_t, INT32_MIN, -1, INT32_MIN);
        EXPECT(k, div, WG_I32, int32_t, -7, 2, -3);
        EXPECT(k, div, WG_I32, int32_t, 7, 0, 0);
        EXPECT(k, neg, WG_I32, int32_t, INT32_MIN, 0, INT32_MIN);
        EXPECT(k, abs, WG_I32, int32_t, INT32_MIN, 0, INT32_MIN);
        EXPECT(k, square, WG_I32, int32_t, 0x10001, 0, 0x20001);
        EXPECT(k, sign, WG_I32, int32_t, INT32_MIN, 0, -1);
        EXPECT(k, minimum, WG_I32, int32_t, INT32_MIN, INT32_MAX, INT32_MIN);
        EXPECT(k, add, WG_I64, int64_t, INT64_MAX, 1, INT64_MIN);
        EXPECT(k, mul, WG_I64, int64_t, INT64_C(0x100000001), INT64_C(0x100000001), INT64_C(0x200000001));
        EXPECT(k, div, WG_I64, int64_t, INT64_MIN, -1, INT64_MIN);
        EXPECT(k, div, WG_I64, int64_t, INT64_MIN, 0, 0);
        EXPECT(k, abs, WG_I64, int64_t, INT64_MIN, 0, INT64_MIN);
        EXPECT(k, maximum, WG_I64, int64_t, INT64_MIN, -1, -1);
        EXPECT(k, add, WG_U8, uint8_t, 255, 2, 1);
        EXPECT(k, sub, WG_U8, uint8_t, 1, 2, 255);
        EXPECT(k, div, WG_U8, uint8_t, 255, 0, 0);
    }
}

Test(cpu_levels, nan_is_neither_lost_nor_made)
{
    const float nan[2] = {NAN, 1}, one[2] = {1, NAN};
    for (int l = 0; l < LEVELS; l++) {
        const struct wg__kernels *k = wg__kernels_of(levels[l]);
        float                     y[2];
        for (int r = 0; k && r < ROWS; r++) {
            wg_block *block = k->elementwise[rows[r].row][WG_F32];
            if (!block || rows[r].to_bool || rows[r].arity > 2) continue;
            block(2, y, (const void *[]){nan, one}, 0, &(double){0.5});
            cr_expect(isnan(y[0]), "%s at %s swallows NaN", rows[r].name, k->level);
            cr_expect(rows[r].arity == 1           ? !isnan(y[1])
                      : rows[r].row == WG__ROW_pow ? y[1] == 1
                                                   : isnan(y[1]),
                      "%s at %s", rows[r].name, k->level);
        }
    }
}

/* ---- Casts ---- */

/* What element i of x is in another dtype: of an integer the low bits, of a real what wg__store makes of it. */
static void cast_one(wg_dtype from, const void *x, int64_t i, wg_dtype to, void *y)
{
    int64_t v = from == WG_I64   ? ((const int64_t *)x)[i]
                : from == WG_I32 ? ((const int32_t *)x)[i]
                                 : ((const uint8_t *)x)[i];
    bool    whole = !(WG_DTYPE_BIT(from) & WG_DTYPE_REALS);
    if (whole && to == WG_I32) *(int32_t *)y = (int32_t)(uint32_t)v;
    else if (whole && to == WG_I64) *(int64_t *)y = v;
    else if (whole && to == WG_U8) *(uint8_t *)y = (uint8_t)v;
    else wg__store(to, y, 0, wg__load(from, x, i));
}

Test(cpu_levels, casts_are_those_of_load_and_store)
{
    static const double edge[] = {
        0.0,    -0.0,    0.5,        -0.5,         1.5,           -1.99,         254.9,     255.5,
        256,    -1,      2147483647, 2147483648.0, -2147483648.0, -2147483649.0, 16777217,  9007199254740992.0,
        9.3e18, -9.3e18, 1e30,       NAN,          INFINITY,      -INFINITY,     0x1p-1074, 0x1p-149,
        3e38,   4e38};
    enum { N = sizeof edge / sizeof *edge };
    for (int l = 0; l < LEVELS; l++) {
        const struct wg__kernels *k = wg__kernels_of(levels[l]);
        for (int from = 0; k && from < WG_DTYPES; from++)
            for (int to = 0; to < WG_DTYPES; to++)
                for (unsigned once = 0; once < 2; once++) {
                    _Alignas(8) char x[N * 8], y[N * 8], want[8];
                    for (int i = 0; i < N; i++) wg__store((wg_dtype)from, x, i, edge[(i + (int)once * 12) % N]);
                    k->cast[from][to](N, y, (const void *[]){x}, once, NULL);
                    for (int i = 0; i < N; i++) {
                        cast_one((wg_dtype)from, x, once ? 0 : i, (wg_dtype)to, want);
                        cr_expect(same((wg_dtype)to, want, y + (size_t)i * wg_dtype_size((wg_dtype)to)),
                                  "%s to %s of %g at %s", wg_dtype_name((wg_dtype)from), wg_dtype_name((wg_dtype)to),
                                  wg__load((wg_dtype)from, x, i), k->level);
                    }
                }
    }
}

/* ---- Reductions ---- */

enum { LONG = 1030 };
static const int lengths[] = {0, 1, 2, 9, 10, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 511, 1023, 1024};

static void check_rows(const struct wg__kernels *k, wg_dtype t, int n)
{
    static const double empty[2][WG__REDUCES] = {{0, 1, -INFINITY, INFINITY}, {0, 1, INT32_MIN, INT32_MAX}};
    double              sum = 0, size = 0, y[3], z[3];
    uint64_t            state = (uint64_t)n;
    char                x[(3 * LONG + 1) * 8], shifted[(3 * LONG + 1) * 8 + 8];
    size_t              bytes = wg_dtype_size(t), all = (size_t)(3 * n) * bytes;
    for (int i = 0; i < 3 * n; i++)
        wg__store(t, x, i, (double)(next(&state) % 4001) / (t == WG_F32 || t == WG_F64 ? 1000 : 1) - 2);
    memcpy(shifted + bytes, x, all);
    for (int kind = 0; kind < WG__REDUCES; kind++) {
        k->reduce_rows[kind][t](3, n, x, y);
        k->reduce_rows[kind][t](3, n, shifted + bytes, z);
        cr_assert_eq(memcmp(y, z, 3 * bytes), 0, "reduction %d of %s depends on alignment", kind, wg_dtype_name(t));
        double got = wg__load(t, y, 2), high = empty[t > WG_F64][kind], low = high;
        if (n == 0 && t != WG_I64)
            cr_expect(got == high, "empty reduction %d of %s gives %g", kind, wg_dtype_name(t), got);
        sum = size = 0;
        for (int i = 2 * n; i < 3 * n; i++) {
            double v = wg__load(t, x, i);
            sum += v, size += fabs(v), high = fmax(i == 2 * n ? v : high, v), low = fmin(i == 2 * n ? v : low, v);
        }
        if (kind == WG__SUM)
            cr_expect(fabs(got - sum) <= (t == WG_F32   ? 8 * FLT_EPSILON
                                          : t == WG_F64 ? 32 * DBL_EPSILON
                                                        : 0) *
                                             size,
                      "sum of %d %s", n, wg_dtype_name(t));
        if (kind == WG__MAX && n) cr_expect(got == high, "max of %d %s at %s", n, wg_dtype_name(t), k->level);
        if (kind == WG__MIN && n) cr_expect(got == low, "min of %d %s at %s", n, wg_dtype_name(t), k->level);
    }
}

Test(cpu_levels, rows_reduce_to_what_a_loop_gives)
{
    for (int l = 0; l < LEVELS; l++) {
        const struct wg__kernels *k = wg__kernels_of(levels[l]);
        for (int t = WG_F32; k && t <= WG_I64; t++)
            for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) check_rows(k, (wg_dtype)t, lengths[i]);
        for (int i = 0; k && i < 40; i++) {
            float x[40], y;
            for (int j = 0; j < 40; j++) x[j] = j == i ? NAN : (float)(j % 7);
            for (int kind = 0; kind < WG__REDUCES; kind++) {
                k->reduce_rows[kind][WG_F32](1, 40, x, &y);
                cr_expect(isnan(y), "reduction %d loses NaN at %d", kind, i);
                y = 1, k->reduce_cols[kind][WG_F32](40, 1, 1, x, &y);
                cr_expect(isnan(y), "reduction %d down a column loses NaN at %d", kind, i);
            }
        }
        int32_t odd[20], product, want = 1;
        for (int i = 0; i < 20; i++) odd[i] = 2 * i + 3, want = (int32_t)((uint32_t)want * (uint32_t)odd[i]);
        if (!k) continue;
        k->reduce_rows[WG__PROD][WG_I32](1, 20, odd, &product);
        cr_expect_eq(product, want);
    }
}

Test(cpu_levels, columns_reduce_in_order)
{
    uint64_t state = 5;
    for (int l = 0; l < LEVELS; l++) {
        const struct wg__kernels *k = wg__kernels_of(levels[l]);
        for (int n = 1; k && n < 40; n += 3)
            for (int64_t rows_ = 0; rows_ < 10; rows_++) {
                float x[10 * 41], y[4][40], want[4];
                for (int i = 0; i < 10 * 41; i++) x[i] = (float)(next(&state) % 1000) / 300 - 1;
                for (int kind = 0; kind < WG__REDUCES; kind++) {
                    for (int j = 0; j < n; j++) y[kind][j] = 1;
                    k->reduce_cols[kind][WG_F32](rows_, n, 41, x, y[kind]);
                }
                for (int j = 0; j < n; j++) {
                    for (int kind = 0; kind < WG__REDUCES; kind++) want[kind] = 1;
                    for (int64_t r = 0; r < rows_; r++) {
                        float v = x[r * 41 + j];
                        want[WG__SUM] += v, want[WG__PROD] *= v, want[WG__MAX] = fmaxf(want[WG__MAX], v),
                                                                 want[WG__MIN] = fminf(want[WG__MIN], v);
                    }
                    for (int kind = 0; kind < WG__REDUCES; kind++)
                        cr_assert_eq(y[kind][j], want[kind], "reduction %d, %d columns, %s", kind, n, k->level);
                }
            }
    }
}

/* ---- softmax ---- */

static void check_softmax(const struct wg__kernels *k, wg_dtype t, int64_t count, int n, double spread)
{
    double  *x = malloc(sizeof *x * (size_t)(count * n + 1)), *y = malloc(sizeof *y * (size_t)(count * n + 1));
    double  *z = malloc(sizeof *z * (size_t)(count * n + 1)), *w = malloc(sizeof *w * (size_t)count);
    double   eps = t == WG_F32 ? FLT_EPSILON : DBL_EPSILON;
    uint64_t state = 11;
    for (int64_t i = 0; i < count * n; i++)
        wg__store(t, x, i, ((double)(next(&state) >> 40) / (1 << 24) - 0.5) * spread);
    k->softmax[t](count, n, x, y), k->log_softmax[t](count, n, x, z), k->logsumexp[t](count, n, x, w);
    for (int64_t r = 0; r < count; r++) {
        long double m = -INFINITY, s = 0;
        for (int i = 0; i < n; i++) m = fmaxl(m, wg__load(t, x, r * n + i));
        for (int i = 0; i < n; i++) s += expl(wg__load(t, x, r * n + i) - m);
        for (int i = 0; i < n; i++) {
            long double d = wg__load(t, x, r * n + i) - m, p = expl(d) / s, q = d - logl(s);
            cr_assert(fabsl(wg__load(t, y, r * n + i) - p) <= (6 + fabsl(d)) * eps * p + 0x1p-140,
                      "softmax of %d at %s", n, k->level);
            cr_assert(fabsl(wg__load(t, z, r * n + i) - q) <= 8 * eps * (1 + fabsl(d) + logl(s)),
                      "log_softmax of %d at %s", n, k->level);
        }
        cr_assert(n == 0 || fabsl(wg__load(t, w, r) - (m + logl(s))) <= 8 * eps * (1 + fabsl(m) + logl(s)),
                  "logsumexp of %d at %s", n, k->level);
        cr_assert(n > 0 || wg__load(t, w, r) == -INFINITY, "logsumexp of nothing");
    }
    free(x), free(y), free(z), free(w);
}

Test(cpu_levels, softmax_is_what_its_formula_says)
{
    for (int l = 0; l < LEVELS; l++) {
        const struct wg__kernels *k = wg__kernels_of(levels[l]);
        for (int t = WG_F32; k && t <= WG_F64; t++)
            for (int n = 0; n < 3000; n = n < 20 ? n + 1 : n * 3)
                for (double spread = 1; spread < 1e4; spread *= 30)
                    check_softmax(k, (wg_dtype)t, n < 200 ? 130 : 3, n, spread);
        const float far[3][3] = {{INFINITY, 0, 1}, {-INFINITY, -INFINITY, -INFINITY}, {-INFINITY, 0, -INFINITY}};
        float       y[9], w[3];
        if (!k) continue;
        k->softmax[0](3, 3, far, y), k->logsumexp[0](3, 3, far, w);
        cr_expect(isnan(y[0]) && isnan(y[3]), "inf - inf is NaN");
        cr_expect(y[6] == 0 && y[7] == 1 && y[8] == 0);
        cr_expect(w[0] == INFINITY && w[1] == -INFINITY && w[2] == 0);
    }
}

/* ---- Choice of a level ---- */

Test(cpu_levels, the_environment_names_the_level)
{
    setenv("WG_CPU", "baseline", 1);
    cr_expect_str_eq(wg__kernels()->level, "baseline");
    cr_expect_null(wg__cpu_level_note());
}

Test(cpu_levels, an_unknown_level_is_said_and_left)
{
    setenv("WG_CPU", "abacus", 1);
    const char *best = wg__kernels_of("avx512") ? "avx512" : wg__kernels_of("avx2") ? "avx2" : "baseline";
    cr_expect_str_eq(wg__kernels()->level, best);
    cr_expect_not_null(wg__cpu_level_note());
    cr_expect_null(wg__kernels_of("abacus"));
    cr_expect_null(wg__kernels_of(NULL));
    cr_expect_not_null(wg__kernels_of("baseline"));
}

Test(cpu_levels, cpu_and_blas_have_names)
{
    cr_expect_gt(strlen(wg__cpu_model()), 0);
    cr_expect_gt(strlen(wg__blas_core()), 0);
    cr_expect(!wg__blas_warning() || strstr(wg__blas_warning(), wg__blas_core()), "the warning names the core");
}
