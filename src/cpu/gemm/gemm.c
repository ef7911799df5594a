/* Matrix products: a grid of pieces of the result, each made by one thread, with the library's own kernel where the CPU
 * has fused multiply-adds, else with BLAS.
 *
 * What BLAS makes depends on the piece, so its grid is a law of the shape alone: one thread makes the same pieces as
 * many, with the same bits. The own kernel's bits do not depend on pieces, and one thread alone takes larger pieces. */
#include <cblas.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>

#include "cpu/cpu.h"

/* Halving a piece of SMALL multiply-adds or more still pays for a second
 * thread; beyond FEW pieces each has to be LARGE, as every piece packs its
 * operands anew. */
enum { SMALL = 600000, LARGE = 32000000, FEW = 8, MANY = 32, MIN_SIDE = 32, ALIGN = 16 };
/* BLAS counts in int. */
static const int64_t most_blas = 1 << 30;

static void use_one_blas_thread(void) { openblas_set_num_threads(1); }

/* ---- One piece ---- */

struct span {
    int64_t begin, end;
};

static struct span cut_span(struct span s, int64_t begin, int64_t most)
{
    return (struct span){begin, s.end - begin < most ? s.end : begin + most};
}

/* Makes an int of a distance between rows. BLAS takes strides as int; where a stride does not fit, rows are passed one
 * at a time and the stride is not read. */
static int clip_stride(int64_t d) { return d > INT_MAX ? INT_MAX : (int)d; }

/* Computes c = or += op(a) op(b) over rows i, columns j and inner k, each within what BLAS can count. */
static void call_blas(const struct wg__gemm *g, struct span i, struct span j, struct span k)
{
    size_t      size = wg_dtype_size(g->dtype);
    int64_t     a_row = g->ta ? g->m : g->k, b_row = g->tb ? g->k : g->n;
    int64_t     a_at = g->ta ? k.begin * a_row + i.begin : i.begin * a_row + k.begin;
    int64_t     b_at = g->tb ? j.begin * b_row + k.begin : k.begin * b_row + j.begin;
    const void *a = (const char *)g->a + (size_t)a_at * size, *b = (const char *)g->b + (size_t)b_at * size;
    void       *c = (char *)g->c + (size_t)(i.begin * g->n + j.begin) * size;
    int         m = (int)(i.end - i.begin), n = (int)(j.end - j.begin), d = (int)(k.end - k.begin);
    int         lda = clip_stride(a_row), ldb = clip_stride(b_row), ldc = clip_stride(g->n);
    double      beta = k.begin > 0;

    enum CBLAS_TRANSPOSE ta = g->ta ? CblasTrans : CblasNoTrans, tb = g->tb ? CblasTrans : CblasNoTrans;
    if (g->dtype == WG_F32) cblas_sgemm(CblasRowMajor, ta, tb, m, n, d, 1, a, lda, b, ldb, (float)beta, c, ldc);
    else cblas_dgemm(CblasRowMajor, ta, tb, m, n, d, 1, a, lda, b, ldb, beta, c, ldc);
}

static void multiply_by_blas(const struct wg__gemm *g, struct span i, struct span j)
{
    struct span k = {0, g->k};
    int64_t     i_most = most_blas, j_most = most_blas, k_most = most_blas;
    if (g->n > INT_MAX || (!g->ta && g->k > INT_MAX)) i_most = 1;
    if (g->tb && g->k > INT_MAX) j_most = 1;
    if ((g->ta && g->m > INT_MAX) || (!g->tb && g->n > INT_MAX)) k_most = 1;
    for (int64_t i0 = i.begin; i0 < i.end; i0 += i_most)
        for (int64_t j0 = j.begin; j0 < j.end; j0 += j_most)
            for (int64_t k0 = 0; k0 < k.end; k0 += k_most)
                call_blas(g, cut_span(i, i0, i_most), cut_span(j, j0, j_most), cut_span(k, k0, k_most));
}

static void clear_piece(const struct wg__gemm *g, struct span i, struct span j)
{
    size_t size = wg_dtype_size(g->dtype), n = (size_t)(j.end - j.begin) * size;
    for (int64_t r = i.begin; r < i.end; r++) memset((char *)g->c + (size_t)(r * g->n + j.begin) * size, 0, n);
}

/* ---- The grid ---- */

struct grid {
    const struct wg__gemm *g;
    wg__take_tile         *take;
    void                  *context;
    int64_t                rows, cols; /* of a piece */
    int64_t                down, across;
    bool                   own, alone; /* the own kernel makes the pieces; one thread makes all of them */
};

static int64_t choose_side(int64_t n, int64_t pieces)
{
    int64_t size = (n - 1) / pieces + 1;
    return pieces > 1 ? (size + ALIGN - 1) / ALIGN * ALIGN : n;
}

/* Tells whether this level has a kernel for the product. */
static bool has_kernel(const struct wg__gemm *g) { return g->k && wg__kernels()->gemm[g->dtype]; }

/* Plans the pieces for the own kernel, which copies op(b) for each of them: so pieces are cut along one side only,
 * whole rows of c where it is high, whole panels of columns where it is wide. */
static void plan_own(struct grid *p, int64_t least_rows)
{
    enum { WORK = 1000000, LOW = 3, MOST = 16, ROWS = 12, PANEL = 32, PANELS = 128 };
    const struct wg__gemm *g = p->g;
    int64_t                low = g->m < LOW ? LOW : g->m; /* b is read at the rate of the memory, not of the sums */
    double                 work = (double)low * (double)g->n * (double)g->k / WORK;
    int64_t                pieces = work < 2 ? 1 : work > MOST ? MOST : (int64_t)work;
    bool                   high = g->m >= g->n;
    int64_t                step = high ? ROWS : g->n >= 3 * PANELS ? PANELS : PANEL;
    int64_t                most = high ? g->m / least_rows : (g->n + step - 1) / step;
    if (pieces > most) pieces = most > 0 ? most : 1;
    int64_t size = (high ? g->m : g->n) / pieces;
    size = (size + step - 1) / step * step;
    p->rows = high && pieces > 1 ? size : g->m;
    p->cols = !high && pieces > 1 ? size : g->n;
}

/* Plans the pieces for BLAS: halves the longer side of the pieces for as long as that pays. */
static void plan_blas(struct grid *p)
{
    const struct wg__gemm *g = p->g;
    int64_t                down = 1, across = 1;
    double                 work = (double)g->m * (double)g->n * (double)g->k;
    for (int pieces = 1; pieces < MANY && work >= (pieces < FEW ? SMALL : LARGE); pieces *= 2, work /= 2) {
        int64_t m = g->m / down, n = g->n / across;
        if (m < 2 * MIN_SIDE && n < 2 * MIN_SIDE) break;
        if (m > n) down *= 2;
        else across *= 2;
    }
    p->rows = choose_side(g->m, down);
    p->cols = choose_side(g->n, across);
}

static void plan(struct grid *p)
{
    enum { LEAST_ROWS = 128, LEAST_ROWS_ALONE = 384 };
    p->own = has_kernel(p->g);
    if (p->own) plan_own(p, p->alone ? LEAST_ROWS_ALONE : LEAST_ROWS);
    else plan_blas(p);
    p->down = (p->g->m - 1) / p->rows + 1;
    p->across = (p->g->n - 1) / p->cols + 1;
}

static void run_piece(void *context, int64_t index)
{
    const struct grid *p = context;
    struct span        i = cut_span((struct span){0, p->g->m}, index / p->across * p->rows, p->rows);
    struct span        j = cut_span((struct span){0, p->g->n}, index % p->across * p->cols, p->cols);
    if (p->own) wg__kernels()->gemm[p->g->dtype](p->g, i.begin, i.end, j.begin, j.end);
    else (p->g->k ? multiply_by_blas : clear_piece)(p->g, i, j);
    if (p->take) p->take(p->context, i.begin, i.end, j.begin, j.end);
}

void wg__gemm(const struct wg__gemm *g, int threads, wg__take_tile *take, void *context)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct grid           p = {.g = g, .take = take, .context = context, .alone = threads == 1 || wg__threads() == 1};
    if (!g->m || !g->n) return;
    pthread_once(&once, use_one_blas_thread);
    plan(&p);
    wg__pool_run(threads, p.down * p.across, run_piece, &p);
}

/* Counts the bytes of packed panels. Copying op(b) takes a tenth of the time of 64 rows, a thirtieth of 256, and next
 * to nothing of more than MOST_ROWS. The kernel reads b where it lies for IN_PLACE rows, eight of a transposed b, and
 * for fewer than NARROW columns. */
size_t wg__gemm_packed_bytes(const struct wg__gemm *g)
{
    enum { IN_PLACE = 3, IN_PLACE_TURNED = 8, MOST_ROWS = 1024, NARROW = 32 };
    size_t bytes, size = wg_dtype_size(g->dtype), lanes = 64 / size;
    if (g->m <= (g->tb ? IN_PLACE_TURNED : IN_PLACE) || g->m > MOST_ROWS || g->n < NARROW || !has_kernel(g)) return 0;
    size_t columns = ((size_t)g->n + lanes - 1) / lanes * lanes;
    return __builtin_mul_overflow(columns * size, (size_t)g->k, &bytes) ? 0 : bytes;
}

void wg__gemm_pack(const struct wg__gemm *g, void *packed) { wg__kernels()->gemm_pack[g->dtype](g, packed); }
