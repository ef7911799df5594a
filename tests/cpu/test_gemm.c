/* Matrix products against three loops; the same bits from any number of threads. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/cpu.h"

static void four_threads(void) { setenv("WG_THREADS", "4", 1); }
TestSuite(gemm, .init = four_threads, .timeout = 120);

static uint32_t state = 1;
static double   real(void)
{
    state = state * 1664525u + 1013904223u;
    return (double)(state >> 8) / (1 << 23) - 1;
}

static void *operand(wg_dtype t, int64_t n)
{
    char *x = malloc((size_t)n * 8 + 8);
    for (int64_t i = 0; i < n; i++)
        if (t == WG_F32) ((float *)x)[i] = (float)real();
        else ((double *)x)[i] = real();
    return x;
}

static double element(wg_dtype t, const void *x, int64_t i)
{
    return t == WG_F32 ? (double)((const float *)x)[i] : ((const double *)x)[i];
}

struct seen {
    atomic_int *hit; /* [m, n] */
    int64_t     n;
};

static void see(void *context, int64_t i0, int64_t i1, int64_t j0, int64_t j1)
{
    struct seen *s = context;
    for (int64_t i = i0; i < i1; i++)
        for (int64_t j = j0; j < j1; j++) s->hit[i * s->n + j]++;
}

static void expect_product(const struct wg__gemm *g)
{
    double eps = g->dtype == WG_F32 ? 0x1p-23 : 0x1p-52;
    for (int64_t i = 0; i < g->m; i++)
        for (int64_t j = 0; j < g->n; j++) {
            double want = 0, size = 0;
            for (int64_t k = 0; k < g->k; k++) {
                double p = element(g->dtype, g->a, g->ta ? k * g->m + i : i * g->k + k) *
                           element(g->dtype, g->b, g->tb ? j * g->k + k : k * g->n + j);
                want += p;
                size += fabs(p);
            }
            double got = element(g->dtype, g->c, i * g->n + j);
            if (!(fabs(got - want) <= 2 * eps * size * (1 + sqrt((double)g->k))))
                cr_assert_fail("[%lld,%lld] of %lldx%lldx%lld ta %d tb %d: %.17g, not %.17g", (long long)i,
                               (long long)j, (long long)g->m, (long long)g->n, (long long)g->k, g->ta, g->tb, got,
                               want);
        }
}

static void check(wg_dtype t, bool ta, bool tb, int64_t m, int64_t n, int64_t k)
{
    size_t          bytes = (size_t)(m * n) * wg_dtype_size(t);
    struct wg__gemm g = {.dtype = t, .ta = ta, .tb = tb, .m = m, .n = n, .k = k};
    g.a = operand(t, m * k);
    g.b = operand(t, k * n);
    g.c = operand(t, m * n);
    void *first = malloc(bytes + 1);
    for (int threads = 1; threads <= 4; threads++) {
        struct seen s = {calloc((size_t)(m * n) + 1, sizeof *s.hit), n};
        memset(g.c, 0xff, bytes); /* NaN: c is overwritten, not added to */
        wg__gemm(&g, threads, threads % 2 ? see : NULL, &s);
        for (int64_t i = 0; i < m * n && threads % 2; i++)
            if (s.hit[i] != 1) cr_assert_fail("element %lld is done %d times", (long long)i, s.hit[i]);
        if (threads == 1) memcpy(first, g.c, bytes);
        cr_assert_arr_eq(first, g.c, bytes, "%d threads give other bits than one", threads);
        free(s.hit);
    }
    expect_product(&g);
    free(first);
    free((void *)g.a);
    free((void *)g.b);
    free(g.c);
}

Test(gemm, agrees_with_three_loops)
{
    static const int64_t shapes[][3] = {
        {1, 1, 1},      {1, 7, 5},      {5, 1, 7},      {3, 5, 0},        {1, 300, 40},    {300, 1, 40},
        {17, 31, 33},   {128, 10, 512}, {64, 128, 784}, {10, 512, 128},   {97, 203, 150},  {130, 260, 70},
        {16, 16, 1000}, {1, 512, 784},  {700, 7, 30},   {8, 300, 2100},   {9, 9, 1500},    {33, 65, 1024},
        {2000, 40, 64}, {70, 15, 260},  {500, 3, 2050}, {129, 130, 2048}, {1, 2000, 1030}, {2000, 1, 1030}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int flags = 0; flags < 8; flags++)
            check(flags & 4 ? WG_F64 : WG_F32, flags & 1, flags & 2, shapes[i][0], shapes[i][1], shapes[i][2]);
}

Test(gemm, no_rows_or_columns_do_nothing)
{
    check(WG_F32, false, false, 0, 5, 3);
    check(WG_F32, false, true, 5, 0, 3);
    check(WG_F64, true, false, 0, 0, 0);
}

Test(gemm, nan_and_infinity_are_kept)
{
    float           a[2] = {NAN, 1}, b[2] = {0, INFINITY}, c[4];
    struct wg__gemm g = {.dtype = WG_F32, .m = 2, .n = 2, .k = 1, .a = a, .b = b, .c = c};
    wg__gemm(&g, 1, NULL, NULL);
    cr_assert(isnan(c[0]) && isnan(c[1]), "NaN times anything");
    cr_assert_eq(c[2], 0);
    cr_assert_eq(c[3], INFINITY);
}

/* One NaN in a makes its row of c NaN, one in b its column; all else stays as it was. */
static void check_nan(wg_dtype t, bool ta, bool tb, int64_t m, int64_t n, int64_t k)
{
    struct wg__gemm g = {.dtype = t, .ta = ta, .tb = tb, .m = m, .n = n, .k = k};
    size_t          bytes = (size_t)(m * n) * wg_dtype_size(t);
    int64_t         row = m / 2, col = n - 1, p = k - 1;
    void           *a = operand(t, m * k), *b = operand(t, k * n), *before = malloc(bytes);
    int64_t         at_a = ta ? p * m + row : row * k + p, at_b = tb ? col * k + p : p * n + col;
    g.a = a;
    g.b = b;
    g.c = before;
    wg__gemm(&g, 2, NULL, NULL);
    g.c = malloc(bytes);
    if (t == WG_F32) ((float *)a)[at_a] = ((float *)b)[at_b] = NAN;
    else ((double *)a)[at_a] = ((double *)b)[at_b] = NAN;
    wg__gemm(&g, 2, NULL, NULL);
    for (int64_t i = 0; i < m * n; i++) {
        double was = element(t, before, i), is = element(t, g.c, i);
        if (i / n == row || i % n == col ? !isnan(is) : is != was)
            cr_assert_fail("%lldx%lldx%lld ta %d tb %d, element %lld: %g", (long long)m, (long long)n, (long long)k, ta,
                           tb, (long long)i, is);
    }
    free(a);
    free(b);
    free(before);
    free(g.c);
}

Test(gemm, a_nan_reaches_its_row_or_column)
{
    static const int64_t shapes[][3] = {{1, 40, 30},  {40, 1, 30},   {3, 50, 260},  {8, 33, 7},    {40, 10, 300},
                                        {40, 5, 300}, {50, 9, 100},  {64, 70, 300}, {31, 17, 64},  {200, 150, 530},
                                        {5, 5, 5},    {12, 32, 256}, {13, 47, 257}, {300, 12, 40}, {2, 300, 1025}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int flags = 0; flags < 8; flags++)
            check_nan(flags & 4 ? WG_F64 : WG_F32, flags & 1, flags & 2, shapes[i][0], shapes[i][1], shapes[i][2]);
}

/* ---- Kept packed ---- */

/* The same bits packed or not, from any number of threads. */
static void check_kept(wg_dtype t, int64_t m, int64_t n, int64_t k, bool tb)
{
    size_t          bytes = (size_t)(m * n) * wg_dtype_size(t);
    struct wg__gemm g = {.dtype = t, .tb = tb, .m = m, .n = n, .k = k};
    g.a = operand(t, m * k);
    g.b = operand(t, k * n);
    g.c = operand(t, m * n);
    size_t room = wg__gemm_packed_bytes(&g);
    void  *packed = room ? aligned_alloc(64, (room + 63) / 64 * 64) : NULL, *first = malloc(bytes);
    if (packed) wg__gemm_pack(&g, packed);
    for (int i = 0; i < 8 && packed; i++) {
        g.packed = i % 2 ? packed : NULL;
        memset(g.c, 0xff, bytes);
        wg__gemm(&g, 1 + i / 2, NULL, NULL);
        if (!i) memcpy(first, g.c, bytes);
        cr_assert_arr_eq(first, g.c, bytes, "%lldx%lldx%lld tb %d, %s, %d threads", (long long)m, (long long)n,
                         (long long)k, tb, g.packed ? "packed" : "not packed", 1 + i / 2);
    }
    if (packed) expect_product(&g);
    free(packed);
    free(first);
    free((void *)g.a);
    free((void *)g.b);
    free(g.c);
}

Test(gemm, what_is_kept_packed_changes_no_bit)
{
    static const int64_t shapes[][3] = {{1, 512, 784},  {2, 700, 1024}, {3, 40, 5},     {4, 128, 1536},
                                        {9, 1000, 600}, {32, 64, 2048}, {64, 300, 700}, {1, 3000, 1000}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int tb = 0; tb < 4; tb++)
            check_kept(tb & 2 ? WG_F64 : WG_F32, shapes[i][0], shapes[i][1], shapes[i][2], tb & 1);
}

Test(gemm, packing_is_not_for_one_row_nor_for_thousands)
{
    struct wg__gemm few = {.dtype = WG_F32, .tb = true, .m = 12, .n = 512, .k = 784}, g = few;
    if (!wg__kernels()->gemm[WG_F32]) {
        cr_expect_eq(wg__gemm_packed_bytes(&few), 0, "without a kernel that reads it");
        return;
    }
    cr_expect_eq(wg__gemm_packed_bytes(&few), 512 * 784 * 4);
    g = few, g.dtype = WG_F64;
    cr_expect_eq(wg__gemm_packed_bytes(&g), 512 * 784 * 8);
    g = few, g.m = 8;
    cr_expect_eq(wg__gemm_packed_bytes(&g), 0, "eight rows of a transposed b are dot products");
    g = few, g.m = 1024;
    cr_expect_eq(wg__gemm_packed_bytes(&g), 512 * 784 * 4);
    g = few, g.m = 1025;
    cr_expect_eq(wg__gemm_packed_bytes(&g), 0, "many rows, which share what each run packs");
    g = few, g.tb = false, g.m = 1;
    cr_expect_eq(wg__gemm_packed_bytes(&g), 0, "rows of b are read where they lie");
    g = few, g.n = 10;
    cr_expect_eq(wg__gemm_packed_bytes(&g), 0, "columns that fill no panel");
    g = few, g.k = 0;
    cr_expect_eq(wg__gemm_packed_bytes(&g), 0, "nothing to add");
    g = few, g.n = g.k = INT64_C(1) << 40;
    cr_expect_eq(wg__gemm_packed_bytes(&g), 0, "more than there is memory");
}
