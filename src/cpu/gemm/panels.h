/* panels.h - copies of operands in the order in which tiles read them; a part of gemm_impl.h. */
#ifndef WENGERT_CPU_PANELS_H
#define WENGERT_CPU_PANELS_H

#include "cpu/cpu.h"
#include "cpu/gemm/tile.h"
#include "cpu/workspace.h"

/* A panel of b is at most two vectors wide and DEPTH long, and as many lie side by side in the workspace as half of the
 * second-level cache holds.  Rows of a, as many as a tile has, lie beside them, in at most three quarters of the
 * smallest first-level cache: LINE apart beyond their length, so that they do not all fall into the same sets of the
 * cache. */
enum {
    DEPTH = F64 ? 256 : 384,
    LINE = 64 / (int)sizeof(T),
    A_ROW = DEPTH + LINE,
    NARROW = 16 /* fewer columns fill no vector of floats */
};
_Static_assert((ROWS * A_ROW + LANES) * sizeof(T) <= WG__ROW_BYTES, "rows of a tile fit into the workspace");

/* Copies b into a panel: panel[p][j] = b[p][j], j < cols, padded with 0 to width: whole vectors, then the vector that
 * the columns do not fill. */
static void pack(T *panel, const T *b, int64_t row, int64_t k, int cols, int width)
{
    int  whole = cols / LANES * LANES;
    some rest = first(cols > whole ? cols - whole : LANES);
    for (int64_t p = 0; p < k; p++, panel += width, b += row) {
        for (int v = 0; v < whole; v += LANES) store(panel + v, load(b + v));
        if (whole < width) store(panel + whole, load_some(b + whole, rest));
    }
}

/* Copies a b that is stored transposed into a panel: panel[p][j] = b[j][p]. */
static void pack_transposed(T *panel, const T *b, int64_t row, int64_t k, int cols, int width)
{
    int j = 0;
    for (; j + LANES <= cols; j += LANES) {
        int64_t p = 0;
        for (; p + 4 <= k; p += 4) {
            vec y[4];
            turn(b + j * row + p, row, y);
            for (int q = 0; q < 4; q++) store(panel + (p + q) * width + j, y[q]);
        }
        for (; p < k; p++)
            for (int i = j; i < j + LANES; i++) panel[p * width + i] = b[i * row + p];
    }
    for (; j < width; j++)
        for (int64_t p = 0; p < k; p++) panel[p * width + j] = j < cols ? b[j * row + p] : 0;
}

struct block {
    const struct wg__gemm *g;
    int64_t                i0, i1, j0, j1, p0, p1;
};

/* Finds the columns of the panel at j, and its width. */
static int count_columns(const struct block *x, int64_t j) { return (int)(x->j1 - j < WIDTH ? x->j1 - j : WIDTH); }
static int find_width(int cols) { return cols > LANES ? WIDTH : LANES; }

/* Copies columns j0..j1-1 of rows p0..p1-1 of op(b), panel after panel; with `rest` only the panels that are not of
 * full width. */
static void pack_block(const struct block *x, T *panels, bool rest)
{
    const T *b = x->g->b;
    int64_t  row = x->g->tb ? x->g->k : x->g->n, k = x->p1 - x->p0;
    for (int64_t j = x->j0; j < x->j1; j += WIDTH, panels += k * WIDTH) {
        int cols = count_columns(x, j);
        if (rest && cols == WIDTH) continue;
        if (x->g->tb) pack_transposed(panels, b + j * row + x->p0, row, k, cols, find_width(cols));
        else pack(panels, b + x->p0 * row + j, row, k, cols, find_width(cols));
    }
}

/* Copies `rows` rows of op(a) from row i on, columns p0..p1-1, as they lie: side by side where a is transposed. */
static void copy_rows(const struct block *x, int64_t i, int64_t rows, T *to)
{
    const T *a = x->g->a;
    int64_t  k = x->p1 - x->p0;
    if (x->g->ta) {
        a += x->p0 * x->g->m + i;
        for (int64_t p = 0; p < k; p++, a += x->g->m, to += ROWS)
            for (int v = 0; v < rows; v += LANES)
                store(to + v, load_some(a + v, first(rows - v < LANES ? (int)rows - v : LANES)));
        return;
    }
    a += i * x->g->k + x->p0;
    int64_t whole = k / LANES * LANES;
    some    rest = first(k > whole ? (int)(k - whole) : LANES);
    for (int r = 0; r < rows; r++, a += x->g->k, to += A_ROW) {
        for (int64_t p = 0; p < whole; p += LANES) store(to + p, load(a + p));
        if (whole < k) store_some(to + whole, rest, load_some(a + whole, rest));
    }
}

#endif
