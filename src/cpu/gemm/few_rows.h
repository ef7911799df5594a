/* few_rows.h - pieces of a product that are made without a copy of b; a part of gemm_impl.h.
 *
 * A copy of op(b) that few rows share costs more than it saves, and that of a b which the first-level cache holds saves
 * nothing: columns of b are read where they are, as many side by side as sums fit into the registers, from the first
 * row of b to the last.  The chains are those of the tiles, and so the bits.  A product whose rows fill no vector and
 * whose a is transposed is made as its transpose, whose columns are the rows of a. */
#ifndef WENGERT_CPU_FEW_ROWS_H
#define WENGERT_CPU_FEW_ROWS_H

#include "cpu/gemm/panels.h"

enum {
    FEW = 8,                  /* rows that share no copy */
    LOW = ROWS == 12 ? 4 : 3, /* rows of a tile for them: b is far away, and is read in wide pieces */
    STREAMS = 16,             /* rows of b that are read side by side where they are far apart */
    PAGE = 4096,
    SMALL_B = (32 << 10) / (int)sizeof(T)
};

/* Makes rows x cols elements of c from where `s` stands. */
static void run_tiles(struct tile s, int64_t rows, int64_t cols)
{
    struct tile t = s;
    for (int64_t i = 0, high; i < rows; i += high) {
        high = cut_rows(rows - i, rows <= FEW ? LOW : ROWS);
        t.a = s.a + i * s.row;
        for (int64_t j = 0; j < cols; j += t.cols) {
            int wide = find_wide(high, cols - j);
            t.cols = (int)(cols - j < wide * LANES ? cols - j : wide * LANES);
            t.b = s.b + j;
            t.c = s.c + i * s.c_row + j;
            tiles[high][wide](&t);
        }
    }
}

/* Tells whether b, which is not transposed, is best read where it is. */
static bool reads_in_place(const struct wg__gemm *g, int64_t rows, int64_t cols)
{
    return !g->tb && (rows <= FEW || cols <= SMALL_B / g->k);
}

/* Counts the rows of b that are read before the next columns: all, unless each row lies on pages of its own and the
 * second-level cache does not hold them, where memory is read at its rate along the rows only. */
static int64_t count_streams(const struct wg__gemm *g, int64_t cols)
{
    int64_t row = g->n * (int64_t)sizeof(T), cache = 2 * (int64_t)wg__workspace()->panel_bytes;
    return row >= PAGE && cols > cache / (int64_t)sizeof(T) / g->k ? STREAMS : g->k;
}

static void run_in_place(const struct wg__gemm *g, int64_t i0, int64_t i1, int64_t j0, int64_t j1)
{
    const T    *a = g->a, *b = g->b;
    T          *c = g->c;
    int64_t     streams = count_streams(g, j1 - j0);
    struct tile s = {.row = g->ta ? 1 : g->k, .step = g->ta ? g->m : 1, .b_row = g->n, .panel = WIDTH, .c_row = g->n};
    s.c = c + i0 * g->n + j0;
    for (int64_t p = 0; p < g->k; p += s.k, s.more = true) {
        s.k = g->k - p < streams ? g->k - p : streams;
        s.a = a + i0 * s.row + p * s.step;
        s.b = b + p * g->n + j0;
        run_tiles(s, i1 - i0, j1 - j0);
    }
}

/* Tells whether the transpose of the product is the better one to make. */
static bool is_mirrored(const struct wg__gemm *g) { return g->ta && g->n < NARROW; }

static void run_mirrored(const struct wg__gemm *g, int64_t i0, int64_t i1, int64_t j0, int64_t j1)
{
    enum { BESIDE = 8 * LANES };
    _Static_assert(BESIDE * NARROW * sizeof(T) <= WG__ROW_BYTES, "a strip of columns fits into the workspace");
    const T    *a = g->a, *b = g->b;
    T          *c = g->c, *made = (T *)(void *)wg__workspace()->rows;
    struct tile s = {.row = g->tb ? g->k : 1, .step = g->tb ? 1 : g->n, .k = g->k, .b_row = g->m, .panel = WIDTH};
    s.a = b + j0 * s.row;
    s.c = made;
    s.c_row = BESIDE;
    for (int64_t i = i0, cols; i < i1; i += cols) {
        cols = i1 - i < BESIDE ? i1 - i : BESIDE;
        s.b = a + i;
        run_tiles(s, j1 - j0, cols);
        for (int64_t r = 0; r < cols; r++)
            for (int64_t j = j0; j < j1; j++) c[(i + r) * g->n + j] = made[(j - j0) * BESIDE + r];
    }
}

#endif
