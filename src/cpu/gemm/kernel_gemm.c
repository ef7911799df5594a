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
#else
typedef __m256 vec;
enum { LANES = 8, ROWS = 6 };
static inline vec  load(const float *p) { return _mm256_loadu_ps(p); }
static inline void store(float *p, vec x) { _mm256_storeu_ps(p, x); }
static inline vec  all(float x) { return _mm256_set1_ps(x); }
static inline vec  multiply_add(vec x, vec y, vec z) { return _mm256_fmadd_ps(x, y, z); }
#endif

/* A panel is at most two vectors wide and DEPTH long; PANELS lie side by side in the workspace. */
enum { WIDE = 2, WIDTH = WIDE * LANES, DEPTH = 256, PANELS = 64 / LANES };

struct tile {
    const float *a; /* op(a)[i][p] is a[i * row + p * step] */
    int64_t      row, step;
    const float *b; /* the panel: [k][width] */
    int64_t      k;
    float       *c;
    int64_t      c_row;
    int          cols; /* of c; the panel is padded to whole vectors */
    bool         more; /* adds to c what earlier panels gave */
};

/* rows x wide vectors of c: constants where it is inlined. */
static inline __attribute__((always_inline)) void run_tile(const struct tile *t, int rows, int wide)
{
    vec   sum[ROWS][WIDE];
    float edge[WIDTH];
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
    for (int64_t p = 0; p < t->k; p++, a += t->step, b += wide * LANES)
#pragma GCC unroll 12
        for (int i = 0; i < rows; i++) {
            vec x = all(a[i * t->row]);
#pragma GCC unroll 2
            for (int v = 0; v < wide; v++) sum[i][v] = multiply_add(x, load(b + v * LANES), sum[i][v]);
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

/* ---- Panels ---- */

/* panel[p][j] = b[p][j], j < cols, padded with 0 to width. */
static void pack(float *panel, const float *b, int64_t row, int64_t k, int cols, int width)
{
    if (cols == width)
        for (int64_t p = 0; p < k; p++, panel += width, b += row)
            for (int v = 0; v < width; v += LANES) store(panel + v, load(b + v));
    else
        for (int64_t p = 0; p < k; p++, panel += width, b += row)
            for (int j = 0; j < width; j++) panel[j] = j < cols ? b[j] : 0;
}

/* The same for a b that is stored transposed: panel[p][j] = b[j][p]. */
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

/* Columns j0..j1-1 of rows p0..p1-1 of op(b), panel after panel. */
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

/* The block's share of c, rows of tiles from left to right: op(a)'s rows stay in the first-level cache. */
static void run_block(const struct block *x, const float *panels)
{
    const struct wg__gemm *g = x->g;
    int64_t                k = x->p1 - x->p0, rows;
    struct tile t = {.row = g->ta ? 1 : g->k, .step = g->ta ? g->m : 1, .k = k, .c_row = g->n, .more = x->p0 > 0};
    for (int64_t i = x->i0; i < x->i1; i += rows) {
        int64_t left = x->i1 - i;
        rows = left <= ROWS ? left : left < 2 * ROWS ? (left + 1) / 2 : ROWS; /* no tile much lower than the others */
        t.a = (const float *)g->a + i * t.row + x->p0 * t.step;
        t.b = panels;
        for (int64_t j = x->j0; j < x->j1; j += WIDTH, t.b += k * WIDTH) {
            t.cols = (int)(x->j1 - j < WIDTH ? x->j1 - j : WIDTH);
            t.c = (float *)g->c + i * g->n + j;
            tiles[t.cols > LANES ? 2 : 1][rows](&t);
        }
    }
}

/* ---- Few rows ----
 *
 * A copy of op(b) that few rows share costs more than it saves: STEP rows of b
 * are read side by side from left to right, once, and the rows of c wait in
 * the first-level cache.  The chains are those of the tiles, and so the bits. */

enum { STEP = 8, FEW = ROWS == 12 ? 8 : 4, CACHED = 2048 /* elements of c */ };

struct strip {
    const float *a, *b; /* a[i * row + p * step], b[p * b_row + j] */
    int64_t      row, step, b_row, rows;
    float       *c;
    int64_t      c_row;
    bool         more;
};

/* One vector of columns, `deep` rows of b. */
static inline __attribute__((always_inline)) void run_strip(const struct strip *s, int deep)
{
    vec b[STEP];
#pragma GCC unroll 8
    for (int p = 0; p < deep; p++) b[p] = load(s->b + p * s->b_row);
    for (int64_t i = 0; i < s->rows; i++) {
        const float *a = s->a + i * s->row;
        float       *c = s->c + i * s->c_row;
        vec          sum = s->more ? load(c) : all(0);
#pragma GCC unroll 8
        for (int p = 0; p < deep; p++) sum = multiply_add(all(a[p * s->step]), b[p], sum);
        store(c, sum);
    }
}

/* The last columns, which fill no vector, through padded copies. */
static void run_edge(const struct strip *s, int64_t deep, int64_t cols)
{
    float        b[STEP * LANES] = {0}, c[FEW * LANES] = {0};
    struct strip e = *s;
    e.b = b;
    e.c = c;
    e.b_row = e.c_row = LANES;
    for (int64_t p = 0; p < deep; p++)
        for (int64_t j = 0; j < cols; j++) b[p * LANES + j] = s->b[p * s->b_row + j];
    for (int64_t i = 0; i < s->rows; i++)
        for (int64_t j = 0; j < cols && s->more; j++) c[i * LANES + j] = s->c[i * s->c_row + j];
    if (deep == STEP) run_strip(&e, STEP);
    else run_strip(&e, 1);
    for (int64_t i = 0; i < s->rows; i++)
        for (int64_t j = 0; j < cols; j++) s->c[i * s->c_row + j] = c[i * LANES + j];
}

static void run_few_rows(const struct wg__gemm *g, int64_t i0, int64_t i1, int64_t j0, int64_t j1)
{
    const float *a = g->a, *b = g->b;
    float       *c = g->c;
    int64_t      most = CACHED / (i1 - i0) / LANES * LANES;
    struct strip s = {.row = g->ta ? 1 : g->k, .step = g->ta ? g->m : 1, .b_row = g->n, .rows = i1 - i0, .c_row = g->n};
    for (int64_t from = j0, to; from < j1; from = to) {
        to = j1 - from < most ? j1 : from + most;
        for (int64_t p = 0, deep; p < g->k; p += deep) {
            deep = g->k - p < STEP ? 1 : STEP;
            s.a = a + i0 * s.row + p * s.step;
            s.more = p > 0;
            for (int64_t j = from; j < to; j += LANES) {
                s.b = b + p * g->n + j;
                s.c = c + i0 * g->n + j;
                if (to - j < LANES) run_edge(&s, deep, to - j);
                else if (deep == STEP) run_strip(&s, STEP);
                else run_strip(&s, 1);
            }
        }
    }
}

void LEVEL(wg__gemm_f32)(const struct wg__gemm *g, int64_t i0, int64_t i1, int64_t j0, int64_t j1);
void LEVEL(wg__gemm_f32)(const struct wg__gemm *g, int64_t i0, int64_t i1, int64_t j0, int64_t j1)
{
    if (!g->tb && i1 - i0 <= FEW) {
        run_few_rows(g, i0, i1, j0, j1);
        return;
    }
    _Static_assert(DEPTH * WIDTH * PANELS <= WG__PANEL_FLOATS, "panels fit into the workspace");
    float       *panels = wg__workspace()->panels;
    struct block x = {.g = g, .i0 = i0, .i1 = i1};
    for (x.j0 = j0; x.j0 < j1; x.j0 = x.j1) {
        x.j1 = j1 - x.j0 < PANELS * WIDTH ? j1 : x.j0 + PANELS * WIDTH;
        for (x.p0 = 0; x.p0 < g->k; x.p0 = x.p1) {
            x.p1 = g->k - x.p0 < DEPTH ? g->k : x.p0 + DEPTH;
            pack_block(&x, panels);
            run_block(&x, panels);
        }
    }
}
#else
typedef int no_own_product; /* a source holds something */
#endif
