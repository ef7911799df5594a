/* f32 matrix product: one piece of c = op(a) op(b).
 *
 * c is made in tiles that stay in registers while k runs to its end, so each
 * element is one chain of multiply-adds in the order of k: its bits depend on
 * neither the tile nor the piece that it lies in.  op(b) is copied into panels
 * as wide as a tile, which are read front to back by every row of tiles;
 * op(a) is read where it is.  (Goto & van de Geijn 2008 describe the scheme.) */
#include "cpu/kernels/kernel_impl.h"
#include "cpu/workspace.h"

#if defined(__FMA__) /* without it OpenBLAS is the quicker one */
#include <immintrin.h>

#if defined(__AVX512F__)
typedef __m512 vec;
enum { LANES = 16, ROWS = 12 };
static inline vec  load(const float *p) { return _mm512_loadu_ps(p); }
static inline void store(float *p, vec x) { _mm512_storeu_ps(p, x); }
static inline vec  all(float x) { return _mm512_set1_ps(x); }
static inline vec  multiply_add(vec x, vec y, vec z) { return _mm512_fmadd_ps(x, y, z); }
/* Elements, or pairs of elements, of x and y by turns: of each four the first two, or the last two. */
static inline vec low(vec x, vec y) { return _mm512_unpacklo_ps(x, y); }
static inline vec high(vec x, vec y) { return _mm512_unpackhi_ps(x, y); }
static inline vec low_pairs(vec x, vec y) { return (vec)_mm512_unpacklo_pd((__m512d)x, (__m512d)y); }
static inline vec high_pairs(vec x, vec y) { return (vec)_mm512_unpackhi_pd((__m512d)x, (__m512d)y); }
/* The first n elements of a vector, 1 to LANES, with 0 behind them; no other memory is touched. */
typedef __mmask16  some;
static inline some first(int n) { return (some)(0xffffu >> (LANES - n)); }
static inline vec  load_some(const float *p, some n) { return _mm512_maskz_loadu_ps(n, p); }
static inline void store_some(float *p, some n, vec x) { _mm512_mask_storeu_ps(p, n, x); }
#else
typedef __m256 vec;
enum { LANES = 8, ROWS = 6 };
static inline vec  load(const float *p) { return _mm256_loadu_ps(p); }
static inline void store(float *p, vec x) { _mm256_storeu_ps(p, x); }
static inline vec  all(float x) { return _mm256_set1_ps(x); }
static inline vec  multiply_add(vec x, vec y, vec z) { return _mm256_fmadd_ps(x, y, z); }
static inline vec  low(vec x, vec y) { return _mm256_unpacklo_ps(x, y); }
static inline vec  high(vec x, vec y) { return _mm256_unpackhi_ps(x, y); }
static inline vec  low_pairs(vec x, vec y) { return (vec)_mm256_unpacklo_pd((__m256d)x, (__m256d)y); }
static inline vec  high_pairs(vec x, vec y) { return (vec)_mm256_unpackhi_pd((__m256d)x, (__m256d)y); }
typedef __m256i    some;
static inline some first(int n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
static inline vec  load_some(const float *p, some n) { return _mm256_maskload_ps(p, n); }
static inline void store_some(float *p, some n, vec x) { _mm256_maskstore_ps(p, n, x); }
#endif

/* A panel is at most two vectors wide and DEPTH long; PANELS lie side by side in the workspace. */
enum { WIDE = 2, WIDTH = WIDE * LANES, DEPTH = 256, PANELS = 64 / LANES, MOST_WIDE = 4 * WIDE };

struct tile {
    const float *a; /* op(a)[i][p] is a[i * row + p * step] */
    int64_t      row, step;
    const float *b;        /* the panel: [k][width] */
    int64_t      panel, k; /* from one panel to the next, for a tile over several */
    float       *c;
    int64_t      c_row;
    int          cols; /* of c; the panel is padded to whole vectors */
    bool         more; /* adds to c what earlier panels gave */
};

/* Makes rows x wide vectors of c, both constants where the function is inlined.  Beyond WIDE vectors the tile lies
 * over several panels of full width. */
static inline __attribute__((always_inline)) void run_tile(const struct tile *t, int rows, int wide)
{
    vec   sum[ROWS][MOST_WIDE];
    float edge[MOST_WIDE * LANES];
    int   step = (wide < WIDE ? wide : WIDE) * LANES;
    bool  whole = t->cols == wide * LANES;
    for (int i = 0; i < rows; i++) {
        const float *from = t->c + i * t->c_row;
        if (t->more && !whole) {
            for (int j = 0; j < t->cols; j++) edge[j] = from[j];
            for (int j = t->cols; j < wide * LANES; j++) edge[j] = 0;
            from = edge;
        }
        for (int v = 0; v < wide; v++) sum[i][v] = t->more ? load(from + v * LANES) : all(0);
    }
    const float *a = t->a, *b = t->b;
    for (int64_t p = 0; p < t->k; p++, a += t->step, b += step)
#pragma GCC unroll 12
        for (int i = 0; i < rows; i++) {
            vec x = all(a[i * t->row]);
#pragma GCC unroll 8
            for (int v = 0; v < wide; v++)
                sum[i][v] = multiply_add(x, load(b + v / WIDE * t->panel + v % WIDE * LANES), sum[i][v]);
        }
    for (int i = 0; i < rows; i++) {
        float *to = whole ? t->c + i * t->c_row : edge;
        for (int v = 0; v < wide; v++) store(to + v * LANES, sum[i][v]);
        for (int j = 0; !whole && j < t->cols; j++) t->c[i * t->c_row + j] = edge[j];
    }
}

#define TILE_ROWS(X, wide) X(1, wide) X(2, wide) X(3, wide) X(4, wide) X(5, wide) X(6, wide) TILE_MORE_ROWS(X, wide)
#if defined(__AVX512F__)
#define TILE_MORE_ROWS(X, wide) X(7, wide) X(8, wide) X(9, wide) X(10, wide) X(11, wide) X(12, wide)
#else
#define TILE_MORE_ROWS(X, wide)
#endif

typedef void tile_fn(const struct tile *t);
#define X(rows, wide) \
    static void tile_##rows##_##wide(const struct tile *t) { run_tile(t, rows, wide); }
TILE_ROWS(X, 1)
TILE_ROWS(X, 2)
#undef X
#define X(rows, wide) [rows] = tile_##rows##_##wide,
static tile_fn *const tiles[WIDE + 1][ROWS + 1] = {[1] = {TILE_ROWS(X, 1)}, [2] = {TILE_ROWS(X, 2)}};
#undef X

/* One to three rows have too few chains of multiply-adds in one panel to keep the CPU busy: tiles of `over` packed
 * panels side by side. */
#if defined(__AVX512F__)
#define TILE_OVER(X) X(1, 4) X(2, 2) X(3, 2)
#else
#define TILE_OVER(X) X(1, 4) X(2, 2)
#endif
#define X(rows, over) \
    static void tile_over_##rows(const struct tile *t) { run_tile(t, rows, over *WIDE); }
TILE_OVER(X)
#undef X
#define X(rows, over) [rows] = {tile_over_##rows, over},
static const struct {
    tile_fn *run;
    int      over;
} low_tiles[ROWS + 1] = {TILE_OVER(X)};
#undef X

/* ---- Panels ---- */

/* Copies b into a panel: panel[p][j] = b[p][j], j < cols, padded with 0 to width: whole vectors, then the vector that
 * the columns do not fill. */
static void pack(float *panel, const float *b, int64_t row, int64_t k, int cols, int width)
{
    int  whole = cols / LANES * LANES;
    some rest = first(cols > whole ? cols - whole : LANES);
    for (int64_t p = 0; p < k; p++, panel += width, b += row) {
        for (int v = 0; v < whole; v += LANES) store(panel + v, load(b + v));
        if (whole < width) store(panel + whole, load_some(b + whole, rest));
    }
}

/* Copies a b that is stored transposed into a panel: panel[p][j] = b[j][p]. */
static void pack_transposed(float *panel, const float *b, int64_t row, int64_t k, int cols, int width)
{
    int     j = 0;
    int64_t p;
    for (; j + 4 <= cols; j += 4) {
        const float *r0 = b + j * row, *r1 = r0 + row, *r2 = r1 + row, *r3 = r2 + row;
        for (p = 0; p + 4 <= k; p += 4) { /* a square of 4 x 4 */
            __m128 x0 = _mm_loadu_ps(r0 + p), x1 = _mm_loadu_ps(r1 + p);
            __m128 x2 = _mm_loadu_ps(r2 + p), x3 = _mm_loadu_ps(r3 + p);
            float *y = panel + p * width + j;
            _MM_TRANSPOSE4_PS(x0, x1, x2, x3);
            _mm_storeu_ps(y, x0);
            _mm_storeu_ps(y + width, x1);
            _mm_storeu_ps(y + 2 * width, x2);
            _mm_storeu_ps(y + 3 * width, x3);
        }
        for (; p < k; p++)
            for (int i = 0; i < 4; i++) panel[p * width + j + i] = b[(j + i) * row + p];
    }
    for (; j < width; j++)
        for (p = 0; p < k; p++) panel[p * width + j] = j < cols ? b[j * row + p] : 0;
}

struct block {
    const struct wg__gemm *g;
    int64_t                i0, i1, j0, j1, p0, p1;
};

/* Copies columns j0..j1-1 of rows p0..p1-1 of op(b), panel after panel. */
static void pack_block(const struct block *x, float *panels)
{
    const float *b = x->g->b;
    int64_t      row = x->g->tb ? x->g->k : x->g->n, k = x->p1 - x->p0;
    for (int64_t j = x->j0; j < x->j1; j += WIDTH, panels += k * WIDTH) {
        int cols = (int)(x->j1 - j < WIDTH ? x->j1 - j : WIDTH), width = cols > LANES ? WIDTH : LANES;
        if (x->g->tb) pack_transposed(panels, b + j * row + x->p0, row, k, cols, width);
        else pack(panels, b + x->p0 * row + j, row, k, cols, width);
    }
}

/* Counts the panels that one tile of so many rows covers where `left` columns are left. */
static int count_panels(int64_t rows, int64_t left)
{
    int over = low_tiles[rows].over;
    return over && left > (over - 1) * WIDTH + LANES ? over : 1;
}

/* Makes the block's share of c, rows of tiles from left to right: op(a)'s rows stay in the first-level cache.
 * Panels are `deep` rows deep, of which the block's begin at `from`. */
static void run_block(const struct block *x, const float *panels, int64_t deep, int64_t from)
{
    const struct wg__gemm *g = x->g;
    int64_t                rows;
    struct tile            t = {.row = g->ta ? 1 : g->k,
                                .step = g->ta ? g->m : 1,
                                .panel = deep * WIDTH,
                                .k = x->p1 - x->p0,
                                .c_row = g->n,
                                .more = x->p0 > 0};
    for (int64_t i = x->i0; i < x->i1; i += rows) {
        int64_t left = x->i1 - i;
        rows = left <= ROWS ? left : left < 2 * ROWS ? (left + 1) / 2 : ROWS; /* no tile much lower than the others */
        t.a = (const float *)g->a + i * t.row + x->p0 * t.step;
        for (int64_t j = x->j0; j < x->j1; j += t.cols) {
            int over = count_panels(rows, x->j1 - j), most = over * WIDTH;
            t.cols = (int)(x->j1 - j < most ? x->j1 - j : most);
            t.b = panels + (j - x->j0) * deep + from * (t.cols > LANES ? WIDTH : LANES);
            t.c = (float *)g->c + i * g->n + j;
            if (over > 1) low_tiles[rows].run(&t);
            else tiles[t.cols > LANES ? 2 : 1][rows](&t);
        }
    }
}

#include "cpu/gemm/few_rows.h"

/* Makes the piece from op(b) as wg__gemm_pack left it; panels begin at multiples of WIDTH, and so does the piece. */
static void run_packed(const struct wg__gemm *g, int64_t i0, int64_t i1, int64_t j0, int64_t j1)
{
    int64_t      depth = i1 - i0 <= ROWS ? g->k : DEPTH; /* one row of tiles reads every panel once */
    struct block x = {.g = g, .i0 = i0, .i1 = i1};
    for (x.j0 = j0; x.j0 < j1; x.j0 = x.j1) {
        x.j1 = j1 - x.j0 < PANELS * WIDTH ? j1 : x.j0 + PANELS * WIDTH;
        for (x.p0 = 0; x.p0 < g->k; x.p0 = x.p1) {
            x.p1 = g->k - x.p0 < depth ? g->k : x.p0 + depth;
            run_block(&x, g->packed + x.j0 * g->k, g->k, x.p0);
        }
    }
}

void LEVEL(wg__gemm_pack_f32)(const struct wg__gemm *g, float *packed);
void LEVEL(wg__gemm_pack_f32)(const struct wg__gemm *g, float *packed)
{
    pack_block(&(struct block){.g = g, .j1 = g->n, .p1 = g->k}, packed);
}

void LEVEL(wg__gemm_f32)(const struct wg__gemm *g, int64_t i0, int64_t i1, int64_t j0, int64_t j1);
void LEVEL(wg__gemm_f32)(const struct wg__gemm *g, int64_t i0, int64_t i1, int64_t j0, int64_t j1)
{
    if (g->packed) {
        run_packed(g, i0, i1, j0, j1);
        return;
    }
    if (run_few_rows(g, i0, i1, j0, j1)) return;
    _Static_assert(DEPTH * WIDTH * PANELS <= WG__PANEL_FLOATS, "panels fit into the workspace");
    float       *panels = wg__workspace()->panels;
    struct block x = {.g = g, .i0 = i0, .i1 = i1};
    for (x.j0 = j0; x.j0 < j1; x.j0 = x.j1) {
        x.j1 = j1 - x.j0 < PANELS * WIDTH ? j1 : x.j0 + PANELS * WIDTH;
        for (x.p0 = 0; x.p0 < g->k; x.p0 = x.p1) {
            x.p1 = g->k - x.p0 < DEPTH ? g->k : x.p0 + DEPTH;
            pack_block(&x, panels);
            run_block(&x, panels, x.p1 - x.p0, 0);
        }
    }
}
#else
typedef int no_own_product; /* a source holds something */
#endif
