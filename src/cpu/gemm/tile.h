/* tile.h - tiles of c that stay in registers while k runs; a part of gemm_impl.h. */
#ifndef WENGERT_CPU_TILE_H
#define WENGERT_CPU_TILE_H

#include "cpu/gemm/lanes.h"

/* The sums of a tile of ROWS x WIDE vectors, a row of b and an element of a take nearly all registers. */
#if REGISTERS == 32
enum { ROWS = 12 };
#else
enum { ROWS = 6 };
#endif
enum { WIDE = 2, WIDTH = WIDE * LANES, MOST_WIDE = 4 * WIDE };

struct tile {
    const T *a; /* op(a)[i][p] is a[i * row + p * step] */
    int64_t  row, step, k;
    const T *b;            /* op(b)[p][j] is b[p * b_row + j] for WIDTH columns, and so on from b + panel */
    int64_t  b_row, panel; /* WIDTH where b is read in place */
    T       *c;
    int64_t  c_row;
    int      cols; /* the last vector may be cut; panels are padded to whole vectors */
    bool     more; /* adds to c what earlier rows of op(b) gave */
    T       *fill; /* a panel that tile_fresh fills */
};

/* Makes rows x wide vectors of c, all constants where the function is inlined.  cut: the last vector has only the
 * columns `rest`.  fresh: copies what is read of b into a panel, for the tiles below. */
static inline __attribute__((always_inline)) void run_sums(const struct tile *t, int rows, int wide, bool cut,
                                                           bool fresh)
{
    vec      sum[ROWS][MOST_WIDE];
    some     rest = first(cut ? t->cols - (wide - 1) * LANES : LANES);
    const T *a = t->a, *b = t->b;
    T       *fill = t->fill;
#define LOAD(p, v) (cut && (v) == wide - 1 ? load_some(p, rest) : load(p))
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (int v = 0; v < wide; v++) sum[i][v] = all(0);
    if (t->more)
#pragma GCC unroll 12
        for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
            for (int v = 0; v < wide; v++) sum[i][v] = LOAD(t->c + i * t->c_row + v * LANES, v);
    for (int64_t p = 0; p < t->k; p++, a += t->step, b += t->b_row) {
        vec x[ROWS], y[MOST_WIDE];
#pragma GCC unroll 8
        for (int v = 0; v < wide; v++) {
            y[v] = LOAD(b + v / WIDE * t->panel + v % WIDE * LANES, v);
            if (fresh) store(fill + v * LANES, y[v]);
        }
        if (fresh) fill += WIDTH;
#pragma GCC unroll 12
        for (int i = 0; i < rows; i++) {
            x[i] = all(a[i * t->row]);
#pragma GCC unroll 8
            for (int v = 0; v < wide; v++) sum[i][v] = multiply_add(x[i], y[v], sum[i][v]);
        }
    }
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (int v = 0; v < wide; v++) {
            T *to = t->c + i * t->c_row + v * LANES;
            if (cut && v == wide - 1) store_some(to, rest, sum[i][v]);
            else store(to, sum[i][v]);
        }
#undef LOAD
}

static inline __attribute__((always_inline)) void run_tile(const struct tile *t, int rows, int wide)
{
    if (t->cols == wide * LANES) run_sums(t, rows, wide, false, false);
    else run_sums(t, rows, wide, true, false);
}

/* The tiles that there are.  One to four rows have too few chains of multiply-adds in two vectors to keep the CPU
 * busy. */
#define TILE_ROWS(X, wide) X(1, wide) X(2, wide) X(3, wide) X(4, wide) X(5, wide) X(6, wide) TILE_MORE_ROWS(X, wide)
#if REGISTERS == 32
#define TILE_MORE_ROWS(X, wide) X(7, wide) X(8, wide) X(9, wide) X(10, wide) X(11, wide) X(12, wide)
#define WIDE_TILES(X) X(1, 4) X(2, 4) X(3, 4) X(4, 4) X(1, 8) X(2, 8) X(3, 8)
#else
#define TILE_MORE_ROWS(X, wide)
#define WIDE_TILES(X) X(1, 4) X(2, 4) X(3, 4) X(2, 6) X(1, 8)
#endif
#define TILES(X) TILE_ROWS(X, 1) TILE_ROWS(X, 2) WIDE_TILES(X)

typedef void tile_fn(const struct tile *t);
#define X(rows, wide) \
    static void tile_##rows##_##wide(const struct tile *t) { run_tile(t, rows, wide); }
TILES(X)
#undef X
#define X(rows, wide) [rows][wide] = tile_##rows##_##wide,
static tile_fn *const tiles[ROWS + 1][MOST_WIDE + 1] = {TILES(X)};
#undef X

/* Makes a whole tile whose panel is not there yet. */
static void tile_fresh(const struct tile *t) { run_sums(t, ROWS, WIDE, false, true); }

/* Finds the vectors of the widest tile of so many rows that `left` columns fill but for a part of the last vector. */
static int find_wide(int64_t rows, int64_t left)
{
    int wide = MOST_WIDE;
    while (!tiles[rows][wide] || left <= (wide - 1) * LANES) wide--;
    return wide;
}

/* Cuts rows into tiles of at most `most`, none much lower than the others: the rows of the next one. */
static int64_t cut_rows(int64_t left, int64_t most)
{
    return left <= most ? left : left < 2 * most ? (left + 1) / 2 : most;
}

#endif
