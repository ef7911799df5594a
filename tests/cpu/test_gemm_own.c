/* The library's own matrix products on every level that the machine has, f32 and f64: against OpenBLAS, and the law
 * that an element's bits depend on neither the tile nor the piece that it lies in. */
#include <cblas.h>
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/cpu.h"

/* OpenBLAS is called from here, where nobody told it yet not to start threads of its own. */
static void one_blas_thread(void) { openblas_set_num_threads(1); }
TestSuite(gemm_own, .init = one_blas_thread, .timeout = 240);

static uint32_t state = 7;
static uint32_t bits(void) { return (state = state * 1664525u + 1013904223u) >> 8; }

struct product {
    struct wg__gemm g;
    size_t          size, bytes; /* of an element, of c */
    void           *a, *b, *c, *want;
};

enum { GUARD = 64, FILLED = 0x5a };

static void set(wg_dtype t, void *x, int64_t i)
{
    double v = (double)bits() / (1 << 23) - 1;
    if (t == WG_F32) ((float *)x)[i] = (float)v;
    else ((double *)x)[i] = v;
}

static double element(wg_dtype t, const void *x, int64_t i)
{
    return t == WG_F32 ? (double)((const float *)x)[i] : ((const double *)x)[i];
}

static struct product make(wg_dtype t, int64_t m, int64_t n, int64_t k, bool ta, bool tb)
{
    size_t         size = wg_dtype_size(t);
    struct product p = {.size = size,
                        .bytes = (size_t)(m * n) * size,
                        .a = malloc((size_t)(m * k) * size),
                        .b = malloc((size_t)(k * n) * size),
                        .c = malloc((size_t)(m * n) * size + GUARD),
                        .want = malloc((size_t)(m * n) * size)};
    for (int64_t i = 0; i < m * k; i++) set(t, p.a, i);
    for (int64_t i = 0; i < k * n; i++) set(t, p.b, i);
    p.g = (struct wg__gemm){.dtype = t, .ta = ta, .tb = tb, .m = m, .n = n, .k = k, .a = p.a, .b = p.b, .c = p.c};
    memset((char *)p.c + p.bytes, FILLED, GUARD);
    enum CBLAS_TRANSPOSE x = ta ? CblasTrans : CblasNoTrans, y = tb ? CblasTrans : CblasNoTrans;
    int                  im = (int)m, in = (int)n, ik = (int)k, lda = ta ? im : ik, ldb = tb ? ik : in;
    if (t == WG_F32) cblas_sgemm(CblasRowMajor, x, y, im, in, ik, 1, p.a, lda, p.b, ldb, 0, p.want, in);
    else cblas_dgemm(CblasRowMajor, x, y, im, in, ik, 1, p.a, lda, p.b, ldb, 0, p.want, in);
    return p;
}

static void release(struct product *p)
{
    free(p->a);
    free(p->b);
    free(p->c);
    free(p->want);
}

static void expect_close(const struct product *p, const char *level)
{
    double bound = (p->g.dtype == WG_F32 ? 1e-6 : 1e-15) * (double)(1 + p->g.k);
    for (int64_t i = 0; i < p->g.m * p->g.n; i++) {
        double is = element(p->g.dtype, p->c, i), want = element(p->g.dtype, p->want, i);
        if (!(fabs(is - want) <= bound))
            cr_assert_fail("%s %s %lldx%lldx%lld ta %d tb %d element %lld: %.17g, not %.17g", level,
                           wg_dtype_name(p->g.dtype), (long long)p->g.m, (long long)p->g.n, (long long)p->g.k, p->g.ta,
                           p->g.tb, (long long)i, is, want);
    }
    for (int i = 0; i < GUARD; i++)
        cr_assert_eq(((char *)p->c)[p->bytes + (size_t)i], FILLED, "%s writes beyond its piece", level);
}

typedef void check_fn(const char *level, const struct wg__kernels *kernels, wg_dtype t);

static void on_every_level(check_fn *check)
{
    static const char *const level[] = {"baseline", "avx2", "avx512"};
    int                      found = 0;
    for (size_t l = 0; l < sizeof level / sizeof *level; l++) {
        const struct wg__kernels *k = wg__kernels_of(level[l]);
        if (!k || !k->gemm[WG_F32]) continue;
        check(level[l], k, WG_F32);
        check(level[l], k, WG_F64);
        found++;
    }
    if (!found) cr_skip_test("this machine has no level with an own product");
}

static void check_shape(const char *level, const struct wg__kernels *kernels, wg_dtype t, int64_t m, int64_t n,
                        int64_t k)
{
    for (int i = 0; i < 4; i++) {
        struct product p = make(t, m, n, k, i & 1, i & 2);
        memset(p.c, 0xff, p.bytes); /* NaN: c is overwritten, not added to */
        kernels->gemm[t](&p.g, 0, m, 0, n);
        expect_close(&p, level);
        release(&p);
    }
}

static void check_edges(const char *level, const struct wg__kernels *kernels, wg_dtype t)
{
    static const int64_t side[] = {1, 5, 6, 7, 12, 13, 23, 24, 25, 64},
                         wide[] = {1, 8, 15, 16, 17, 31, 32, 33, 70, 130}, deep[] = {1, 3, 64, 300};
    for (size_t i = 0; i < 10; i++)
        for (size_t j = 0; j < 10; j++)
            for (size_t d = 0; d < 4; d++) check_shape(level, kernels, t, side[i], wide[j], deep[d]);
}
Test(gemm_own, equals_openblas) { on_every_level(check_edges); }

static void check_random(const char *level, const struct wg__kernels *kernels, wg_dtype t)
{
    for (int i = 0; i < 1200; i++) check_shape(level, kernels, t, 1 + bits() % 70, 1 + bits() % 70, 1 + bits() % 70);
    static const int64_t large[][3] = {{300, 200, 1024}, {129, 257, 1030}, {1000, 10, 520}, {40, 3000, 20},
                                       {1024, 64, 512},  {3, 700, 2500},   {700, 3, 2500},  {61, 61, 3000}};
    for (size_t i = 0; i < sizeof large / sizeof *large; i++)
        check_shape(level, kernels, t, large[i][0], large[i][1], large[i][2]);
}
Test(gemm_own, equals_openblas_on_random_shapes) { on_every_level(check_random); }

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* Pieces of any size give the bits of the whole product. */
static void check_pieces_of(const char *level, const struct wg__kernels *kernels, wg_dtype t, int64_t m, int64_t n,
                            int64_t k)
{
    for (int i = 0; i < 4; i++) {
        struct product p = make(t, m, n, k, i & 1, i & 2);
        void          *whole = malloc(p.bytes);
        kernels->gemm[t](&p.g, 0, m, 0, n);
        memcpy(whole, p.c, p.bytes);
        for (int64_t rows = 1; rows < m + 7; rows += 7)
            for (int64_t cols = 1; cols < n + 29; cols += 29) {
                memset(p.c, 0xff, p.bytes);
                for (int64_t r = 0; r < m; r += rows)
                    for (int64_t j = 0; j < n; j += cols)
                        kernels->gemm[t](&p.g, r, least(r + rows, m), j, least(j + cols, n));
                cr_assert_arr_eq(p.c, whole, p.bytes, "%s %s: pieces of %lld x %lld of %lldx%lldx%lld, ta %d tb %d",
                                 level, wg_dtype_name(t), (long long)rows, (long long)cols, (long long)m, (long long)n,
                                 (long long)k, i & 1, i & 2);
            }
        free(whole);
        release(&p);
    }
}

static void check_pieces(const char *level, const struct wg__kernels *kernels, wg_dtype t)
{
    static const int64_t shapes[][3] = {{61, 150, 530}, {61, 10, 530}, {61, 10, 100}, {7, 150, 1100},
                                        {1, 150, 300},  {61, 1, 300},  {61, 3, 1100}, {30, 40, 20}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        check_pieces_of(level, kernels, t, shapes[i][0], shapes[i][1], shapes[i][2]);
}
Test(gemm_own, bits_do_not_depend_on_pieces) { on_every_level(check_pieces); }

/* ---- Packed before ---- */

/* op(b) in panels, with a guard behind it. */
static void *packed_of(const struct wg__gemm *g, const struct wg__kernels *kernels)
{
    int64_t size = (int64_t)wg_dtype_size(g->dtype), lanes = 64 / size;
    size_t  bytes = (size_t)((g->n + lanes - 1) / lanes * lanes * g->k * size);
    char   *to = aligned_alloc(64, (bytes + GUARD + 63) / 64 * 64);
    memset(to, FILLED, bytes + GUARD);
    kernels->gemm_pack[g->dtype](g, to);
    for (size_t i = bytes; i < bytes + GUARD; i++) cr_assert_eq(to[i], FILLED, "packing writes beyond its memory");
    return to;
}

static void check_packed(const char *level, const struct wg__kernels *kernels, wg_dtype t)
{
    static const int64_t side[] = {1, 2, 3, 4, 7, 13, 30}, wide[] = {32, 33, 47, 48, 64, 130, 200},
                         deep[] = {1, 7, 300};
    for (size_t i = 0; i < 7; i++)
        for (size_t j = 0; j < 7; j++)
            for (size_t d = 0; d < 3; d++)
                for (int o = 0; o < 4; o++) {
                    struct product p = make(t, side[i], wide[j], deep[d], o & 1, o & 2);
                    void          *want = malloc(p.bytes), *packed = packed_of(&p.g, kernels);
                    kernels->gemm[t](&p.g, 0, p.g.m, 0, p.g.n);
                    memcpy(want, p.c, p.bytes);
                    p.g.packed = packed;
                    for (int64_t cols = 32; cols < 300; cols *= 2) {
                        memset(p.c, 0xff, p.bytes);
                        for (int64_t from = 0; from < p.g.n; from += cols)
                            kernels->gemm[t](&p.g, 0, p.g.m, from, least(from + cols, p.g.n));
                        cr_assert_arr_eq(p.c, want, p.bytes, "%s: %lldx%lldx%lld in pieces of %lld, ta %d tb %d", level,
                                         (long long)p.g.m, (long long)p.g.n, (long long)p.g.k, (long long)cols, o & 1,
                                         o & 2);
                    }
                    expect_close(&p, level);
                    free(want);
                    free(packed);
                    release(&p);
                }
}
Test(gemm_own, packed_columns_change_no_bit) { on_every_level(check_packed); }
