/* dots.h - products whose operands both lie along k, or can be laid so cheaply; a part of gemm_impl.h.
 *
 * A transposed b that few rows share is read once, where it lies: each element of c is a dot product.  So are products
 * that fill no vector with columns of c and have a long k: b is turned, which is little.  LANES sums for each element
 * run along k and are added in a fixed order at the end of each stretch of k, whose length the shape says: the bits
 * depend neither on the piece nor on the neighbours of the element. */
#ifndef WENGERT_CPU_DOTS_H
#define WENGERT_CPU_DOTS_H

#include "cpu/gemm/panels.h"

enum { DOT_ROWS = 4, STRETCH = 1024, FEW_DOTS = 8, LONG = 256 };
_Static_assert(NARROW *STRETCH * sizeof(T) <= WG__PANEL_BYTES, "turned columns fit into the workspace");

struct dots {
    const T *a, *b; /* rows of op(a) and columns of op(b), a_row and b_row apart */
    int64_t  a_row, b_row, k;
    T       *c;
    int64_t  c_row;
    bool     more; /* adds to c */
};

/* Makes rows x cols elements of c, both constants where the function is inlined. */
static inline __attribute__((always_inline)) void run_dots(const struct dots *d, int rows, int cols)
{
    vec      sum[DOT_ROWS][8];
    int64_t  whole = d->k / LANES * LANES;
    const T *a = d->a, *b = d->b;
#pragma GCC unroll 4
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (int j = 0; j < 8; j++) sum[i][j] = all(0);
    for (int64_t p = 0; p < whole; p += LANES) {
        vec x[DOT_ROWS];
#pragma GCC unroll 4
        for (int i = 0; i < rows; i++) x[i] = load(a + i * d->a_row + p);
#pragma GCC unroll 8
        for (int j = 0; j < cols; j++) {
            vec y = load(b + j * d->b_row + p);
#pragma GCC unroll 4
            for (int i = 0; i < rows; i++) sum[i][j] = multiply_add(x[i], y, sum[i][j]);
        }
    }
    if (whole < d->k) {
        some rest = first((int)(d->k - whole));
        vec  x[DOT_ROWS];
#pragma GCC unroll 4
        for (int i = 0; i < rows; i++) x[i] = load_some(a + i * d->a_row + whole, rest);
#pragma GCC unroll 8
        for (int j = 0; j < cols; j++) {
            vec y = load_some(b + j * d->b_row + whole, rest);
#pragma GCC unroll 4
            for (int i = 0; i < rows; i++) sum[i][j] = multiply_add(x[i], y, sum[i][j]);
        }
    }
#pragma GCC unroll 4
    for (int i = 0; i < rows; i++) {
        T to[8], *c = d->c + i * d->c_row;
#pragma GCC unroll 2
        for (int j = 0; j < cols; j += 4)
            store_four_sums(to + j, sum[i][j], sum[i][j + 1], sum[i][j + 2], sum[i][j + 3]);
        for (int j = 0; j < cols; j++) c[j] = d->more ? c[j] + to[j] : to[j];
    }
}

/* The most columns beside each other for so many rows: enough sums to keep the CPU busy, and no more than registers. */
#if REGISTERS == 32
#define DOTS(X) X(1, 8) X(2, 8) X(3, 4) X(4, 4)
#else
#define DOTS(X) X(1, 8) X(2, 4) X(3, 3) X(4, 2)
#endif

typedef void dots_fn(const struct dots *d);
#define X(rows, most)                                                           \
    static void dots_##rows##_1(const struct dots *d) { run_dots(d, rows, 1); } \
    static void dots_##rows##_2(const struct dots *d) { run_dots(d, rows, 2); } \
    static void dots_##rows##_most(const struct dots *d) { run_dots(d, rows, most); }
DOTS(X)
#undef X
#define X(rows, most) [rows] = {{most, dots_##rows##_most}, {2, dots_##rows##_2}, {1, dots_##rows##_1}},
enum { DOT_WIDTHS = 3 };
static const struct {
    int      cols;
    dots_fn *run;
} dots[DOT_ROWS + 1][DOT_WIDTHS] = {DOTS(X)};
#undef X

/* Makes rows x columns of c from one stretch of k: the rows of b that are read at once stay in the first-level cache
 * while all rows of a pass. */
static void run_stretch(struct dots d, int64_t rows, int64_t cols)
{
    struct dots at = d;
    int64_t     widest = rows < DOT_ROWS ? rows : DOT_ROWS;
    for (int64_t j = 0, w = 0; j < cols; j += dots[widest][w].cols) {
        while (dots[widest][w].cols > cols - j) w++;
        for (int64_t i = 0, high; i < rows; i += high) {
            int64_t left = rows - i;
            high = left <= DOT_ROWS ? left : left < 2 * DOT_ROWS ? (left + 1) / 2 : DOT_ROWS;
            for (int64_t k = 0, v = 0; k < dots[widest][w].cols; k += dots[high][v].cols) {
                while (dots[high][v].cols > dots[widest][w].cols - k) v++;
                at.a = d.a + i * d.a_row;
                at.b = d.b + (j + k) * d.b_row;
                at.c = d.c + i * d.c_row + j + k;
                dots[high][v].run(&at);
            }
        }
    }
}

/* Turns k rows of b, whose `cols` columns are fewer than a vector or not many more: to[j][p] = b[p][j]. */
static void turn_columns(T *to, const T *b, int64_t row, int64_t k, int64_t cols)
{
    int64_t p = 0;
    for (; p + LANES <= k; p += LANES) {
        int64_t j = 0;
        for (; j + 4 <= cols; j += 4) {
            vec y[4];
            turn(b + p * row + j, row, y);
            for (int q = 0; q < 4; q++) store(to + (j + q) * STRETCH + p, y[q]);
        }
        for (; j < cols; j++)
            for (int64_t q = p; q < p + LANES; q++) to[j * STRETCH + q] = b[q * row + j];
    }
    for (; p < k; p++)
        for (int64_t j = 0; j < cols; j++) to[j * STRETCH + p] = b[p * row + j];
}

/* Tells whether the elements of the product, which the shape alone decides, are dot products. */
static bool is_dots(const struct wg__gemm *g)
{
    if (g->ta) return false;
    return g->tb ? g->m <= FEW_DOTS || g->n < NARROW : g->n < NARROW && (g->k >= LONG || g->n <= 4);
}

static void run_as_dots(const struct wg__gemm *g, int64_t i0, int64_t i1, int64_t j0, int64_t j1)
{
    T          *turned = (T *)(void *)wg__workspace()->panels, *c = g->c;
    const T    *a = g->a, *b = g->b;
    int64_t     stretch = g->tb && g->m <= FEW_DOTS ? g->k : STRETCH;
    struct dots d = {.a_row = g->k, .b_row = g->tb ? g->k : STRETCH, .c = c + i0 * g->n + j0, .c_row = g->n};
    for (int64_t p = 0; p < g->k; p += d.k, d.more = true) {
        d.k = g->k - p < stretch ? g->k - p : stretch;
        d.a = a + i0 * g->k + p;
        d.b = g->tb ? b + j0 * g->k + p : turned;
        if (!g->tb) turn_columns(turned, b + p * g->n + j0, g->n, d.k, j1 - j0);
        run_stretch(d, i1 - i0, j1 - j0);
    }
}

#endif
