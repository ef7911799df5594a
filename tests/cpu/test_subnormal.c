/* Subnormal numbers in kernels of every level: as operands they give what the zero of their sign gives, and no result
 * is one. Moves (where, copy, a cast to the same dtype) take bits as they are. */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/system/arithmetic.h"
#include "cpu/level_test.h"
#include "cpu/row_test.h"

/* ---- Values: every pair of these, subnormal ones among them ---- */

static const double of_f32[] = {0x1p-149,
                                -0x1p-149,
                                0x1.fffffcp-127,
                                -0x1.fffffcp-127,
                                1e-40,
                                -3e-42,
                                0.0,
                                -0.0,
                                1,
                                -1,
                                2.5,
                                -700,
                                0x1p-126,
                                -0x1p-126,
                                FLT_MAX,
                                -FLT_MAX,
                                1e-30,
                                -1e-25,
                                (double)INFINITY,
                                -(double)INFINITY,
                                (double)NAN};
static const double of_f64[] = {0x1p-1074,
                                -0x1p-1074,
                                DBL_MIN / 2,
                                -DBL_MIN / 2,
                                1e-310,
                                -3e-320,
                                0.0,
                                -0.0,
                                1,
                                -1,
                                2.5,
                                -700,
                                DBL_MIN,
                                -DBL_MIN,
                                DBL_MAX,
                                -DBL_MAX,
                                1e-200,
                                -1e-160,
                                (double)INFINITY,
                                -(double)INFINITY,
                                (double)NAN};
enum { VALUES = sizeof of_f32 / sizeof *of_f32, PAIRS = VALUES * VALUES };

/* Buffers of f32 or f64: what is computed, and the same with zeros for subnormal numbers. */
struct values {
    _Alignas(64) char as_is[PAIRS * 8], zeros[PAIRS * 8];
};

static bool is_subnormal(wg_dtype t, const void *x, int i)
{
    const uint32_t *f = x;
    const uint64_t *d = x; /* by bits, since numbers compare equal to zero here */
    if (t == WG_F32) return !(f[i] & 0x7f800000) && f[i] & 0x7fffff;
    return t == WG_F64 && !(d[i] & UINT64_C(0x7ff) << 52) && d[i] << 12;
}

/* Stores value `which` of the list at i, twice. */
static void store(wg_dtype t, struct values *v, int i, int which)
{
    double d = of_f64[which];
    float  f = (float)of_f32[which];
    memcpy(t == WG_F32 ? v->as_is + 4 * i : v->as_is + 8 * i, t == WG_F32 ? (void *)&f : &d, wg_dtype_size(t));
    if (fpclassify(f) == FP_SUBNORMAL) f = copysignf(0, f);
    if (fpclassify(d) == FP_SUBNORMAL) d = copysign(0, d);
    memcpy(t == WG_F32 ? v->zeros + 4 * i : v->zeros + 8 * i, t == WG_F32 ? (void *)&f : &d, wg_dtype_size(t));
}

static void fill_pairs(wg_dtype t, struct values *x, struct values *y)
{
    for (int i = 0; i < PAIRS; i++) {
        store(t, x, i, i % VALUES);
        store(t, y, i, i / VALUES);
    }
}

static bool is_nan(wg_dtype t, const void *x, int i)
{
    return t == WG_F32 ? isnan(((const float *)x)[i]) : t == WG_F64 && isnan(((const double *)x)[i]);
}

/* Expects n results to have the same bits (or be NaN on both sides), and none to be subnormal. */
static void expect_same(const char *level, const char *name, wg_dtype from, wg_dtype t, int n, const void *got,
                        const void *want)
{
    size_t size = wg_dtype_size(t);
    for (int i = 0; i < n; i++) {
        bool same = is_nan(t, got, i) ? is_nan(t, want, i)
                                      : memcmp((const char *)got + (size_t)i * size,
                                               (const char *)want + (size_t)i * size, size) == 0;
        cr_expect(same && !is_subnormal(t, got, i), "%s of %s at %s: element %d of %d", name, wg_dtype_name(from),
                  level, i, n);
        if (!same) return;
    }
}

/* ---- The laws ---- */

static struct values x, y;
static _Alignas(64) char got[PAIRS * 8], want[PAIRS * 8];

static void check_row(const struct wg__kernels *k, const struct row *r, wg_dtype t)
{
    const double alpha = 0.3;
    wg_block    *f = k->elementwise[r->row][t];
    if (!f) return;
    for (unsigned once = 0; once < (r->arity == 2 ? 4u : 2u); once++)
        for (int n = 1; n <= PAIRS; n += n == 1 ? 36 : PAIRS - 37)
            for (int from = 0; from + n <= PAIRS; from += 97) {
                size_t at = (size_t)from * wg_dtype_size(t);
                f(n, got, (const void *[]){x.as_is + at, y.as_is + at}, once, &alpha);
                f(n, want, (const void *[]){x.zeros + at, y.zeros + at}, once, &alpha);
                expect_same(k->level, r->name, t, r->to_bool ? WG_BOOL : t, n, got, want);
            }
}

static void check_casts(const struct wg__kernels *k, wg_dtype t)
{
    for (int to = 0; to < WG_DTYPES; to++) {
        if (to == (int)t) continue;
        k->cast[t][to](PAIRS, got, (const void *[]){x.as_is}, 0, NULL);
        k->cast[t][to](PAIRS, want, (const void *[]){x.zeros}, 0, NULL);
        expect_same(k->level, "cast", t, (wg_dtype)to, PAIRS, got, want);
    }
}

static void check_rows_of(const struct wg__kernels *k, wg_dtype t)
{
    void (*const softmax[])(int64_t, int64_t, const void *,
                            void *) = {k->softmax[t == WG_F64], k->log_softmax[t == WG_F64], k->logsumexp[t == WG_F64]};
    for (int width = 1; width < VALUES; width += 3) {
        int count = PAIRS / width;
        for (int kind = 0; kind < WG__REDUCES; kind++) {
            k->reduce_rows[kind][t](count, width, x.as_is, got);
            k->reduce_rows[kind][t](count, width, x.zeros, want);
            expect_same(k->level, "a reduction", t, t, count, got, want);
        }
        for (int s = 0; s < 3; s++) {
            softmax[s](count, width, x.as_is, got);
            softmax[s](count, width, x.zeros, want);
            expect_same(k->level, "a softmax", t, t, s < 2 ? count * width : count, got, want);
        }
    }
}

static void check(wg_dtype t)
{
    fill_pairs(t, &x, &y);
    uint64_t host = wg__arithmetic_enter();
    for (int l = 0; l < LEVELS; l++) {
        const struct wg__kernels *k = wg__kernels_of(levels[l]);
        for (int r = 0; k && r < ROWS; r++)
            if (rows[r].arithmetic) check_row(k, &rows[r], t);
        if (k) check_casts(k, t);
        if (k) check_rows_of(k, t);
    }
    wg__arithmetic_leave(host);
}

Test(cpu_subnormal, f32_operands_count_as_zero_at_every_level) { check(WG_F32); }
Test(cpu_subnormal, f64_operands_count_as_zero_at_every_level) { check(WG_F64); }
