/* The library's own f32 product on every level that the machine has: against
 * OpenBLAS, and the law that an element's bits depend on neither the tile nor
 * the piece that it lies in. */
#include <cblas.h>
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/cpu.h"

/* OpenBLAS is called from here, where nobody told it yet not to start threads of its own. */
static void one_blas_thread(void) { openblas_set_num_threads(1); }
TestSuite(gemm_own, .init = one_blas_thread, .timeout = 120);

static uint32_t state = 7;
static float    real(void)
{
    state = state * 1664525u + 1013904223u;
    return (float)(state >> 8) / (1 << 23) - 1;
}

struct product {
    struct wg__gemm g;
    float          *a, *b, *c, *want;
};

static struct product make(int64_t m, int64_t n, int64_t k, bool ta, bool tb)
{
    struct product p = {.a = malloc((size_t)(m * k) * 4),
                        .b = malloc((size_t)(k * n) * 4),
                        .c = malloc((size_t)(m * n) * 4 + 4),
                        .want = malloc((size_t)(m * n) * 4)};
    for (int64_t i = 0; i < m * k; i++) p.a[i] = real();
    for (int64_t i = 0; i < k * n; i++) p.b[i] = real();
    p.g = (struct wg__gemm){.dtype = WG_F32, .ta = ta, .tb = tb, .m = m, .n = n, .k = k, .a = p.a, .b = p.b, .c = p.c};
    p.c[m * n] = 42; /* a guard */
    cblas_sgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, (int)m, (int)n, (int)k,
                1, p.a, (int)(ta ? m : k), p.b, (int)(tb ? k : n), 0, p.want, (int)n);
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
    float bound = 1e-6f * (float)(1 + p->g.k);
    for (int64_t i = 0; i < p->g.m * p->g.n; i++)
        if (!(fabsf(p->c[i] - p->want[i]) <= bound))
            cr_assert_fail("%s %lldx%lldx%lld ta %d tb %d element %lld: %.9g, not %.9g", level, (long long)p->g.m,
                           (long long)p->g.n, (long long)p->g.k, p->g.ta, p->g.tb, (long long)i, (double)p->c[i],
                           (double)p->want[i]);
    cr_assert_eq(p->c[p->g.m * p->g.n], 42, "%s writes beyond its piece", level);
}

typedef void check_fn(const char *level, const struct wg__kernels *kernels);

static void on_every_level(check_fn *check)
{
    static const char *const level[] = {"avx2", "avx512"};
    int                      found = 0;
    for (size_t l = 0; l < sizeof level / sizeof *level; l++) {
        const struct wg__kernels *k = wg__kernels_of(level[l]);
        if (!k || !k->gemm_f32) continue;
        check(level[l], k);
        found++;
    }
    if (!found) cr_skip_test("this machine has no level with an own product");
}

static void check_shapes(const char *level, const struct wg__kernels *kernels)
{
    static const int64_t side[] = {1, 5, 6, 7, 12, 13, 23, 24, 25, 64},
                         wide[] = {1, 8, 15, 16, 17, 31, 32, 33, 70, 130}, deep[] = {1, 3, 64, 300};
    for (size_t i = 0; i < 10; i++)
        for (size_t j = 0; j < 10; j++)
            for (size_t d = 0; d < 4; d++)
                for (int t = 0; t < 4; t++) {
                    struct product p = make(side[i], wide[j], deep[d], t & 1, t & 2);
                    kernels->gemm_f32(&p.g, 0, p.g.m, 0, p.g.n);
                    expect_close(&p, level);
                    release(&p);
                }
}
Test(gemm_own, equals_openblas) { on_every_level(check_shapes); }

static void check_pieces(const char *level, const struct wg__kernels *kernels)
{
    for (int t = 0; t < 4; t++) {
        struct product p = make(61, 150, 530, t & 1, t & 2);
        float         *whole = malloc(61 * 150 * 4);
        kernels->gemm_f32(&p.g, 0, 61, 0, 150);
        memcpy(whole, p.c, 61 * 150 * 4);
        for (int64_t rows = 1; rows < 61; rows += 7)
            for (int64_t cols = 1; cols < 150; cols += 29) {
                memset(p.c, 0xff, 61 * 150 * 4);
                for (int64_t i = 0; i < 61; i += rows)
                    for (int64_t j = 0; j < 150; j += cols)
                        kernels->gemm_f32(&p.g, i, i + rows < 61 ? i + rows : 61, j, j + cols < 150 ? j + cols : 150);
                cr_assert_arr_eq(p.c, whole, 61 * 150 * 4, "%s: pieces of %lld x %lld, ta %d tb %d", level,
                                 (long long)rows, (long long)cols, t & 1, t & 2);
            }
        free(whole);
        release(&p);
    }
}
Test(gemm_own, bits_do_not_depend_on_pieces) { on_every_level(check_pieces); }

/* ---- Packed before ---- */

enum { GUARD = 16 };

/* op(b) in panels, with a guard behind it. */
static float *packed_of(const struct wg__gemm *g, const struct wg__kernels *kernels)
{
    size_t floats = (size_t)((g->n + 15) / 16 * 16 * g->k);
    float *to = aligned_alloc(64, (floats + GUARD) * 4 / 64 * 64 + 64);
    for (size_t i = 0; i < floats + GUARD; i++) to[i] = 42;
    kernels->gemm_pack_f32(g, to);
    for (size_t i = floats; i < floats + GUARD; i++) cr_assert_eq(to[i], 42, "packing writes beyond its memory");
    return to;
}

static void check_packed(const char *level, const struct wg__kernels *kernels)
{
    static const int64_t side[] = {1, 2, 3, 4, 7, 13, 30}, wide[] = {32, 33, 47, 48, 64, 130, 200},
                         deep[] = {1, 7, 300};
    for (size_t i = 0; i < 7; i++)
        for (size_t j = 0; j < 7; j++)
            for (size_t d = 0; d < 3; d++)
                for (int t = 0; t < 4; t++) {
                    struct product p = make(side[i], wide[j], deep[d], t & 1, t & 2);
                    size_t         bytes = (size_t)(p.g.m * p.g.n) * 4;
                    float         *want = malloc(bytes), *packed = packed_of(&p.g, kernels);
                    kernels->gemm_f32(&p.g, 0, p.g.m, 0, p.g.n);
                    memcpy(want, p.c, bytes);
                    p.g.packed = packed;
                    for (int64_t cols = 32; cols < 300; cols *= 2) {
                        memset(p.c, 0xff, bytes);
                        for (int64_t from = 0; from < p.g.n; from += cols)
                            kernels->gemm_f32(&p.g, 0, p.g.m, from, from + cols < p.g.n ? from + cols : p.g.n);
                        cr_assert_arr_eq(p.c, want, bytes, "%s: %lldx%lldx%lld in pieces of %lld, ta %d tb %d", level,
                                         (long long)p.g.m, (long long)p.g.n, (long long)p.g.k, (long long)cols, t & 1,
                                         t & 2);
                    }
                    expect_close(&p, level);
                    free(want);
                    free(packed);
                    release(&p);
                }
}
Test(gemm_own, packed_columns_change_no_bit) { on_every_level(check_packed); }
